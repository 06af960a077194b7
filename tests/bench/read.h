/* SPDX-License-Identifier: BSD-3-Clause
 * read.h - what benches share: a clock, big pages, and how fast this machine
 * reads memory, which bounds every decode step. */

#ifndef READ_H
#define READ_H

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base.h"

static clockid_t clock_id = CLOCK_MONOTONIC;

static inline double
now(void)
{
	struct timespec t;

	clock_gettime(clock_id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void *
pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
#ifdef MADV_HUGEPAGE
	madvise(p, n, MADV_HUGEPAGE);
#endif
	return p;
}

typedef uint64_t Wide __attribute__((vector_size(64)));
static volatile uint64_t sink;

static inline void
read_range(void *arg, int64_t begin, int64_t end, int thread)
{
	const Wide *p = arg;
	Wide s = {0}, t = {0};

	(void)thread;
	for (int64_t i = begin; i < end; i += 2) {
		__builtin_prefetch(p + i + 512);
		__builtin_prefetch(p + i + 513);
		s ^= p[i];
		t ^= p[i + 1];
	}
	sink += s[0] ^ t[0];
}

/* GB/s of one pass over `bytes` */
static inline double
bandwidth(Pool *pool, void *p, int64_t bytes)
{
	double best = 1e9;

	for (int i = 0; i < 5; i++) {
		double t = now();

		pool_run(pool, read_range, p, bytes / (int64_t)sizeof(Wide),
		         64);
		t = now() - t;
		best = MIN(best, t);
	}
	return (double)bytes / best / 1e9;
}

#endif
