/* SPDX-License-Identifier: BSD-3-Clause
 * Reads as the rules of quant.c: what is representable comes back, the rest
 * goes to the nearest, ties to even, and ends are where the formats say. */

#include <float.h>

#include "step.h"

enum { BLOCK = 32 };

static const WFormat blocky[] = {WF_INT8,         WF_INT4,  WF_MXINT8,
                                 WF_MXFP6,        WF_MXFP4, WF_INT4_MIN,
                                 WF_INT8_CHANNEL, WF_E3M2};

/* x [BLOCK] through a panel of format f, as row 3. */
static void
through(WFormat f, const float *x, float *out)
{
	Arena a = {0};
	float w[4 * BLOCK] = {0};

	memcpy(w + 3 * BLOCK, x, BLOCK * sizeof *x);
	unpack_row(f, packed(&a, f, w, 4, BLOCK), 4, BLOCK, 3, out);
	arena_free(&a);
}

/* Every number of a format, with the largest present so that the step is 1
 * times 2^e. */
static void
every_code_comes_back(WFormat f, const float *codes, int n, float most)
{
	float x[BLOCK], y[BLOCK];

	for (int e = -20; e <= 12; e += 8) /* what a float16 step holds */
		for (int i = 0; i < n; i += BLOCK - 1) {
			for (int j = 0; j < BLOCK - 1; j++)
				x[j] = ldexpf(codes[MIN(i + j, n - 1)], e);
			x[BLOCK - 1] = ldexpf(most, e);
			through(f, x, y);
			CHECK(memcmp(x, y, sizeof x) == 0);
		}
}

static void
all_codes(void)
{
	static const float m4[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
	float c[256];
	int n = 0;

	for (int i = 0; i < 8; i++) {
		c[n++] = m4[i];
		if (i)
			c[n++] = -m4[i];
	}
	every_code_comes_back(WF_MXFP4, c, n, 6);
	n = 0;
	for (int i = 0; i < 32; i++) { /* exponent 0 is subnormal */
		float m = i < 8 ? (float)i / 8
		                : ldexpf(1 + (float)(i % 8) / 8, i / 8 - 1);

		c[n++] = m;
		if (i)
			c[n++] = -m;
	}
	every_code_comes_back(WF_MXFP6, c, n, 7.5f);
	n = 0;
	for (int i = 0; i < 32; i++) {
		float m = i < 4 ? (float)i / 16
		                : ldexpf(1 + (float)(i % 4) / 4, i / 4 - 3);

		c[n++] = m;
		if (i)
			c[n++] = -m;
	}
	every_code_comes_back(WF_E3M2, c, n, 28);
	n = 0;
	for (int i = -127; i <= 127; i++)
		c[n++] = (float)i / 64;
	every_code_comes_back(WF_MXINT8, c, n, 127 / 64.0f);
	for (n = 0; n < 16; n++)
		c[n] = (float)n - 8;
	c[15] = 1;
	every_code_comes_back(WF_INT4, c, n, -8);
	for (int low = 0; low <= 15; low += 5) {
		for (n = 0; n < 16; n++)
			c[n] = (float)(n - low);
		every_code_comes_back(WF_INT4_MIN, c, n, (float)(15 - low));
	}
	for (n = 0; n < 255; n++)
		c[n] = (float)n - 127;
	every_code_comes_back(WF_INT8, c, n, 127);
	every_code_comes_back(WF_INT8_CHANNEL, c, n, 127);
}

static void
ties_go_to_even(void)
{
	/* between neighbours of e2m1 and e2m3, and beyond the end */
	float x[BLOCK] = {6,     0.25f, 0.75f,  1.25f, 1.75f, 2.5f,
	                  -3.5f, 5,     -0.25f, 0.26f, 4.99f, 5.01f};
	float w[] = {6, 0, 1, 1, 2, 2, -4, 4, 0, 0.5f, 4, 6}, y[BLOCK];
	float x6[BLOCK] = {7.5f,   1.0625f, 1.1875f, 0.0625f,
	                   2.125f, 4.25f,   7.9f};
	float w6[] = {7.5f, 1, 1.25f, 0, 2, 4, 7.5f};

	float x3[BLOCK] = {28, 26, 22, -1.125f, 1.375f, 0.03125f, 0.09375f};
	float w3[] = {28, 24, 24, -1, 1.5f, 0, 0.125f};

	through(WF_E3M2, x3, y);
	for (size_t i = 0; i < LEN(w3); i++)
		CHECK(y[i] == w3[i]);
	x3[0] = 31.9f;
	through(WF_E3M2, x3, y);
	CHECK(y[0] == 28 && y[1] == 24);
	through(WF_MXFP4, x, y);
	for (size_t i = 0; i < LEN(w); i++)
		CHECK(y[i] == w[i]);
	through(WF_MXFP6, x6, y);
	for (size_t i = 0; i < LEN(w6); i++)
		CHECK(y[i] == w6[i]);
	x[0] = 7.9f; /* the exponent of 4: clamped to 6 */
	through(WF_MXFP4, x, y);
	CHECK(y[0] == 6 && y[7] == 4);
}

/* Numbers of one sign have all 16 steps; of two, share them. */
static void
int4_min_follows_the_range(void)
{
	float x[BLOCK] = {15, 0.5f, 1.5f, 7.4f}, y[BLOCK];
	float w[] = {15, 0, 2, 7};
	float d[BLOCK] = {12, -3, -2.5f, 11.6f}, wd[] = {12, -3, -2, 12};

	through(WF_INT4_MIN, x, y);
	for (size_t i = 0; i < LEN(w); i++)
		CHECK(y[i] == w[i] && y[31] == 0);
	for (int i = 0; i < BLOCK; i++)
		x[i] = -x[i];
	through(WF_INT4_MIN, x, y);
	for (size_t i = 0; i < LEN(w); i++)
		CHECK(y[i] == -w[i] && y[31] == 0);
	through(WF_INT4_MIN, d, y);
	for (size_t i = 0; i < LEN(wd); i++)
		CHECK(y[i] == wd[i] && y[31] == 0);
}

/* Half a step of the format, against the largest of the block.  Powers of two
 * lose up to a factor of two; what is clamped is off by a whole step. */
static void
errors_are_bounded(void)
{
	static const double most[WF_COUNT] = {
		[WF_INT8] = 0.51 / 127,
		[WF_INT8_CHANNEL] = 0.501 / 127,
		[WF_INT4] = 1.0 / 8,
		[WF_MXINT8] = 1.0 / 64,
		[WF_MXFP6] = 1 / 16.0,
		[WF_MXFP4] = 1 / 4.0,
		[WF_E3M2] = 1 / 8.0,
		/* 15 steps span twice the largest; the least is rounded */
		[WF_INT4_MIN] = 2.0 / 15,
	};
	float x[BLOCK], y[BLOCK];

	for (size_t f = 0; f < LEN(blocky); f++)
		for (int i = 0; i < 200; i++) {
			float top = 0, by = ldexpf(1, i % 21 - 10);

			for (int j = 0; j < BLOCK; j++) {
				x[j] = rnd() * by;
				top = fmaxf(top, fabsf(x[j]));
			}
			through(blocky[f], x, y);
			for (int j = 0; j < BLOCK; j++)
				CHECK(fabs((double)x[j] - (double)y[j]) <=
				      most[blocky[f]] * (double)top * 1.001);
		}
}

static void
ends_of_the_range(void)
{
	float x[BLOCK] = {0}, y[BLOCK];

	for (size_t i = 0; i < LEN(blocky); i++) {
		WFormat f = blocky[i];

		memset(x, 0, sizeof x);
		through(f, x, y);
		CHECK(apart(y, x, BLOCK, 1) == 0);
		x[5] = 0x1p-149f; /* hardly anything */
		through(f, x, y);
		CHECK(apart(y, x, BLOCK, 1) < 1e-37);
		x[5] = -3e38f; /* the int formats end near 8e6 */
		through(f, x, y);
		CHECK(y[5] <= -5e5f && isfinite(y[5]) && y[6] == 0);
		x[5] = INFINITY;
		through(f, x, y);
		CHECK(isnan(y[0]) && isnan(y[5]));
		x[5] = NAN;
		through(f, x, y);
		CHECK(isnan(y[31]));
	}
}

/* A row has one step, wherever its largest is, and its own NaN. */
static void
a_channel_has_one_step(void)
{
	enum { N = 18, K = 700 };
	Arena a = {0};
	float *w = NEWV(&a, float, N *K), y[K];
	char *p;

	w[17 * K + 5] = 0.4f;
	w[17 * K + 6] = 0.6f;
	w[17 * K + 699] = -127;
	w[3 * K + 650] = NAN;
	w[4 * K + 1] = FLT_MAX;
	p = packed(&a, WF_INT8_CHANNEL, w, N, K);
	CHECK(pack_size(WF_INT8_CHANNEL, N, K) == 2 * (64 + 22 * 512));
	unpack_row(WF_INT8_CHANNEL, p, N, K, 17, y);
	CHECK(y[5] == 0 && y[6] == 1 && y[699] == -127);
	unpack_row(WF_INT8_CHANNEL, p, N, K, 3, y);
	CHECK(isnan(y[0]) && isnan(y[699]));
	unpack_row(WF_INT8_CHANNEL, p, N, K, 4, y);
	CHECK(y[0] == 0 && y[1] > 3.3e38f && isfinite(y[1]));
	arena_free(&a);
}

/* Panels whose rows end inside a block, against the same rows alone. */
static void
rows_keep_apart(void)
{
	enum { N = 19, K = 300 };
	Arena a = {0};
	float *w = rnd_vec(&a, N * K), all[K], one[K];

	for (size_t f = 0; f < LEN(blocky); f++) {
		char *p = packed(&a, blocky[f], w, N, K);

		for (int i = 0; i < N; i++) {
			unpack_row(blocky[f], p, N, K, i, all);
			unpack_row(blocky[f],
			           packed(&a, blocky[f], w + i * K, 1, K), 1, K,
			           0, one);
			CHECK(memcmp(all, one, sizeof all) == 0);
		}
	}
	arena_free(&a);
}

/* x of ones times w: the sum of what unpack_row() says, exactly. */
static void
products_use_what_is_unpacked(void)
{
	enum { N = 17, K = 96 };
	Arena a = {0};
	float *w = rnd_vec(&a, N * K), x[K], row[K], y[N];

	for (int i = 0; i < K; i++)
		x[i] = 1;
	for (size_t f = 0; f < LEN(blocky); f++)
		for (size_t t = 0; t < LEN(isa_names); t++) {
			Step s = {.buf = {y, x, packed(&a, blocky[f], w, N, K)},
			          .dim = {1, N, K, blocky[f]}};
			double sum = 0;

			if (!isa_kernels(isa_names[t]))
				continue;
			run_step(isa_kernels(isa_names[t]), K_MATMUL, &s, 0);
			unpack_row(blocky[f], s.buf[MATMUL_W], N, K, 16, row);
			for (int i = 0; i < K; i++)
				sum += (double)row[i];
			CHECK(fabs(sum - (double)y[16]) < 1e-5);
		}
	arena_free(&a);
}

static void
names(void)
{
	CHECK(wformat_by_name("mxfp6") == WF_MXFP6);
	CHECK(wformat_by_name("mxfp6-e2m3") == WF_MXFP6);
	CHECK(wformat_by_name("mxfp6-e3m2") == WF_E3M2);
	CHECK(wformat_by_name("int4-min") == WF_INT4_MIN);
	CHECK(wformat_by_name("int8-channel") == WF_INT8_CHANNEL);
}

int
main(void)
{
	names();
	all_codes();
	ties_go_to_even();
	int4_min_follows_the_range();
	errors_are_bounded();
	ends_of_the_range();
	a_channel_has_one_step();
	rows_keep_apart();
	products_use_what_is_unpacked();
	return check_done("quant");
}
