/* SPDX-License-Identifier: BSD-3-Clause
 * kernel.c - speed of the kernels next to what the memory gives.
 *
 * usage: kernel [THREADS [ISA]]
 *
 * Best of several runs each, because other work on the machine only ever
 * slows one down.  Matrices are larger than the last cache, so that weights
 * come from memory; GB/s counts bytes of packed weights. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "kernel.h"

enum { BIG = 512 << 20 };

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *
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

static void
read_range(void *arg, int64_t begin, int64_t end, int thread)
{
	const Wide *p = arg;
	Wide s = {0}, t = {0};

	(void)thread;
	for (int64_t i = begin; i < end; i += 2) {
		__builtin_prefetch(p + i + 64);
		__builtin_prefetch(p + i + 65);
		s ^= p[i];
		t ^= p[i + 1];
	}
	sink += s[0] ^ t[0];
}

/* GB/s of one pass over `bytes` */
static double
bandwidth(Pool *pool, void *p, int64_t bytes)
{
	double best = 1e9;

	for (int i = 0; i < 12; i++) {
		double t = now();

		pool_run(pool, read_range, p, bytes / (int64_t)sizeof(Wide),
		         64);
		t = now() - t;
		best = MIN(best, t);
	}
	return (double)bytes / best / 1e9;
}

typedef struct Job {
	const Kernel *k;
	Step *s;
} Job;

static void
run_range(void *arg, int64_t begin, int64_t end, int thread)
{
	Job *j = arg;

	j->k->fn(j->s, begin, end, thread);
}

/* Seconds of the best of many runs, for about half a second. */
static double
best(Pool *pool, const Kernel *k, Step *s)
{
	double first = now(), t, least = 1e9;
	Job j = {k, s};
	int64_t grain, n = k->units(s, &grain);

	if (k->scratch) {
		s->scratch_stride = (k->scratch(s) + 127) & ~63;
		s->scratch = malloc((size_t)(s->scratch_stride *
		                             pool_threads(pool)));
	}
	for (int i = 0; i < 3 || now() - first < 0.6; i++) {
		t = now();
		pool_run(pool, run_range, &j, n, grain);
		t = now() - t;
		least = MIN(least, t);
	}
	free(s->scratch);
	s->scratch = NULL;
	return least;
}

static void
matmuls(Pool *pool, const Kernel *table, char *w, float *x, float *y,
        double gbs)
{
	static const int64_t rows[] = {1, 2, 4, 8, 16, 32, 128, 512};
	static const struct {
		int64_t n, k;
	} at[] = {{32000, 2048}, {2048, 5632}};

	printf("%-9s %6s %6s %4s %9s %8s %6s\n", "format", "n", "k", "m",
	       "GFLOP/s", "GB/s", "% read");
	for (size_t a = 0; a < LEN(at); a++)
		for (WFormat f = 0; f < WF_COUNT; f++)
			for (size_t i = 0; i < LEN(rows); i++) {
				int64_t m = rows[i], n = at[a].n, k = at[a].k;
				Step s = {.buf = {y, x, w},
				          .dim = {m, n, k, f, ACT_NONE}};
				double t = best(pool, &table[K_MATMUL], &s);
				double gb = (double)pack_size(f, n, k) / t / 1e9;

				printf("%-9s %6ld %6ld %4ld %9.1f %8.1f %6.0f\n",
				       wformats[f].name, (long)n, (long)k,
				       (long)m,
				       2e-9 * (double)(m * n * k) / t, gb,
				       100 * gb / gbs);
				fflush(stdout);
			}
}

static void
forks(Pool *pool, float *y)
{
	Step s = {.buf = {y, y}, .dim = {2 * 4096, ACT_NONE}};
	Job j = {&kernels_for(NULL)[K_UNARY], &s};
	double t = now();

	for (int i = 0; i < 20000; i++)
		pool_run(pool, run_range, &j, pool_threads(pool), 1);
	printf("fork and join: %.2f us\n", (now() - t) / 20000 * 1e6);
}

int
main(int argc, char **argv)
{
	int64_t threads = 0;
	const Kernel *table = kernels_for(argc > 2 ? argv[2] : NULL);
	Arena a = {0};
	Pool *pool;
	char *w = pages(BIG);
	float *x = pages(32 << 20), *y = pages(128 << 20);
	double gbs;

	if (!table || (argc > 1 && !str_int(argv[1], &threads)))
		return 2;
	pool = pool_open(&a, (int)threads);
	for (size_t i = 0; i < BIG / 2; i++) /* small numbers as f16, bf16 */
		((uint16_t *)(void *)w)[i] = (uint16_t)(0x3000 + i % 1024);
	for (int i = 0; i < 8 << 20; i++)
		x[i] = (float)(i % 17) * 0.1f;
	memset(y, 0, 128 << 20);
	gbs = bandwidth(pool, w, BIG);
	printf("%s, %d threads, read %.1f GB/s\n", kernels_isa(table),
	       pool_threads(pool), gbs);
	forks(pool, y);
	matmuls(pool, table, w, x, y, gbs);
	arena_free(&a);
	return 0;
}
