/* SPDX-License-Identifier: BSD-3-Clause
 * kernel.c - speed of the kernels next to what the memory gives.
 *
 * usage: kernel [THREADS [ISA]]
 *
 * Best of several runs each, because other work on the machine only ever
 * slows one down; with one thread the clock counts the thread's own time, so
 * that a run that was interrupted still says what the kernel takes.  The
 * larger matrices do not fit the last cache, so that weights come from memory;
 * GB/s counts bytes of packed weights, next to what a plain read gave in the
 * same moment. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "read.h"

enum { BIG = 512 << 20 };

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
		s->scratch = malloc(
			(size_t)(s->scratch_stride * pool_threads(pool)));
	}
	for (int i = 0; i < 3 || now() - first < 0.1; i++) {
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
matmuls(Pool *pool, const Kernel *table, char *w, float *x, float *y)
{
	static const int64_t rows[] = {1, 2, 4, 8, 32, 512};
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
				double gb =
					(double)pack_size(f, n, k) / t / 1e9;
				double gbs = limit_read(pool, w, BIG) / 1e9;

				printf("%-9s %6ld %6ld %4ld %9.1f %8.1f %6.0f\n",
				       wformats[f].name, (long)n, (long)k,
				       (long)m, 2e-9 * (double)(m * n * k) / t,
				       gb, 100 * gb / gbs);
			}
}

/* Keys and values of `heads` heads read from a cache at position p. */
static void
attentions(Pool *pool, const Kernel *table, char *w, float *q, float *y)
{
	static const struct {
		int64_t seq, heads, kv, dim, ctx;
	} at[] = {{1, 32, 4, 64, 2048},   {1, 32, 32, 128, 4096},
	          {1, 14, 2, 64, 2048},   {512, 32, 4, 64, 512},
	          {512, 12, 12, 64, 512}, {128, 32, 8, 128, 4096}};
	static int64_t pos[512];

	printf("attention: seq heads kv dim ctx format: us, GFLOP/s, GB/s\n");
	for (size_t a = 0; a < LEN(at); a++)
		for (CFormat f = 0; f < CF_COUNT; f++) {
			int64_t seq = at[a].seq, ctx = at[a].ctx, seen = 0;
			int64_t row = cache_row_bytes(f, at[a].dim);
			Step s = {.buf = {y, q, w, w + BIG / 2, pos},
			          .dim = {1, seq, at[a].heads, at[a].kv,
			                  at[a].dim, at[a].dim, ctx, 0, f,
			                  at[a].heads * at[a].dim, 1},
			          .num = {0.125f}};
			double t;

			for (int64_t i = 0; i < seq; i++) {
				pos[i] = ctx - seq + i;
				seen += pos[i] + 1;
			}
			t = best(pool, &table[K_ATTENTION], &s);
			printf("%4ld %3ld %3ld %4ld %5ld %-9s %9.1f %7.1f %6.1f\n",
			       (long)seq, (long)at[a].heads, (long)at[a].kv,
			       (long)at[a].dim, (long)ctx, cformat_name(f),
			       t * 1e6,
			       4e-9 * (double)(seen * at[a].heads * at[a].dim) /
			               t,
			       2e-9 * (double)(ctx * at[a].kv * row) / t);
		}
}

/* Kernels that go over their elements once. */
static void
simple(Pool *pool, const Kernel *table, float *w, float *x, float *y)
{
	enum { ROWS = 256, WIDTH = 2048, N = ROWS * WIDTH };
	static int64_t pos[ROWS * 2], ids[ROWS];
	const struct {
		KernelId id;
		const char *what;
		Step s;
	} at[] = {
		{K_RMSNORM, "", {.buf = {y, x, w}, .dim = {ROWS, WIDTH}}},
		{K_LAYERNORM, "", {.buf = {y, x, w}, .dim = {ROWS, WIDTH}}},
		{K_SOFTMAX, "", {.buf = {y, x}, .dim = {ROWS, WIDTH}}},
		{K_ROPE,
	         "",
	         {.buf = {y, x, w, w, pos},
	          .dim = {ROWS, 32, 64, 64, 0, 1, WIDTH}}},
		{K_UNARY, "silu", {.buf = {y, x}, .dim = {N, ACT_SILU}}},
		{K_UNARY, "gelu", {.buf = {y, x}, .dim = {N, ACT_GELU}}},
		{K_UNARY, "tanh", {.buf = {y, x}, .dim = {N, ACT_TANH}}},
		{K_UNARY, "exp", {.buf = {y, x}, .dim = {N, ACT_EXP}}},
		{K_BINARY,
	         "add",
	         {.buf = {y, x, x},
	          .dim = {BIN_ADD, 1, 1, 1, 1, ROWS, WIDTH, 0, 0, 0, 0, WIDTH,
	                  1, 0, 0, 0, 0, WIDTH, 1}}},
		{K_EMBED,
	         "f16",
	         {.buf = {y, ids, w}, .dim = {ROWS, WIDTH, 32000, WF_F16}}},
		{K_WRITE,
	         "f16",
	         {.buf = {w, x, pos},
	          .dim = {1, ROWS, 4, 64, ROWS, CF_F16, WIDTH, 1}}},
	};

	for (int i = 0; i < ROWS; i++)
		ids[i] = (i * 7919) % 32000;
	printf("%d rows of %d: us, ns an element\n", ROWS, WIDTH);
	for (size_t i = 0; i < LEN(at); i++) {
		Step s = at[i].s;
		double t = best(pool, &table[at[i].id], &s);

		printf("%-10s %-5s %9.1f %7.3f\n", table[at[i].id].name,
		       at[i].what, t * 1e6, t / N * 1e9);
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
	if (!table || (argc > 1 && !str_int(argv[1], &threads)))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	pool = pool_open(&a, (int)threads);
	if (pool_threads(pool) == 1)
		clock_id = CLOCK_THREAD_CPUTIME_ID;
	for (size_t i = 0; i < BIG / 2; i++) /* small numbers as f16, bf16 */
		((uint16_t *)(void *)w)[i] = (uint16_t)(0x3000 + i % 1024);
	for (int i = 0; i < 8 << 20; i++)
		x[i] = (float)(i % 17) * 0.1f;
	memset(y, 0, 128 << 20);
	printf("%s, %d threads, read %.1f GB/s\n", kernels_isa(table),
	       pool_threads(pool), limit_read(pool, w, BIG) / 1e9);
	forks(pool, y);
	simple(pool, table, (float *)(void *)w, x, y);
	attentions(pool, table, w, x, y);
	matmuls(pool, table, w, x, y);
	arena_free(&a);
	return 0;
}
