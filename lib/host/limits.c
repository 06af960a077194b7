/* SPDX-License-Identifier: BSD-3-Clause
 * limits.c - what this machine could do just now: reading and multiplying.
 *
 * Each is the best of a few short runs over the pool, because other work only
 * ever slows one down. */

#define _GNU_SOURCE
#include <sys/mman.h>

#include "host.h"

enum { TRIES = 5, LINE = 64, UNIT = 4, AHEAD = 64, PART = 256 };

typedef uint64_t Word __attribute__((vector_size(16)));

typedef struct Read {
	const char *p;
	_Atomic uint64_t sum; /* or nothing would be read */
} Read;

/* Units are of UNIT lines, one after the other. */
static void
read_lines(void *arg, int64_t begin, int64_t end, int thread)
{
	Read *r = arg;
	const char *p = r->p + begin * UNIT * LINE;
	Word sum[UNIT] = {{0}};

	(void)thread;
	for (int64_t i = begin; i < end; i++, p += UNIT * LINE) {
		for (int k = 0; k < UNIT; k++) {
			const Word *w = (const void *)(p + k * LINE);

			__builtin_prefetch(p + (k + AHEAD) * LINE);
			sum[k] ^= w[0] ^ w[1] ^ w[2] ^ w[3];
		}
	}
	for (int k = 0; k < UNIT; k++)
		r->sum += sum[k][0];
}

double
limit_read(Pool *pool, const void *p, int64_t bytes)
{
	Read r = {.p = p};
	int64_t best = INT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		int64_t t = clock_ns();

		pool_run(pool, read_lines, &r, bytes / (LINE * UNIT), PART);
		best = MIN(best, clock_ns() - t);
	}
	return (double)bytes * 1e9 / (double)MAX(best, 1);
}

typedef struct Sums {
	PeakFn *fn;
	bool ints;
	_Atomic int64_t done;
} Sums;

enum { TURNS = 1 << 18 };

static void
multiply(void *arg, int64_t begin, int64_t end, int thread)
{
	Sums *s = arg;

	(void)thread;
	s->done += s->fn(s->ints, (end - begin) * TURNS);
}

double
limit_math(Pool *pool, const Kernel *k, bool ints)
{
	double best = 0;

	for (int i = 0; i < TRIES; i++) {
		Sums s = {.fn = kernels_peak(k), .ints = ints};
		int64_t t = clock_ns();

		pool_run(pool, multiply, &s, 8 * pool_threads(pool), 1);
		t = clock_ns() - t;
		best = MAX(best, (double)s.done * 1e9 / (double)MAX(t, 1));
	}
	return best;
}

bool
limits_of(Ctx *c, Pool *pool, const Kernel *k, HostLimits *l)
{
	const size_t bytes = (size_t)1 << 30;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return fail(c, QE_NOMEM, "1 GiB to read: not to be had");
	madvise(p, bytes, MADV_HUGEPAGE);
	memset(p, 1, bytes);
	l->read = limit_read(pool, p, (int64_t)bytes);
	munmap(p, bytes);
	l->flops = limit_math(pool, k, false);
	l->ints = limit_math(pool, k, true);
	return true;
}
