/* SPDX-License-Identifier: BSD-3-Clause
 * Convolutions, pools and products of activations on every instruction set
 * that this machine has, against sums written out below, over a grid of
 * sizes; cuts of the work change no bit. */

#include "step.h"

/* Some roundings of float32 for each term's size: see test_kernel_isa.c. */
#define TOL (16 * 0x1p-24)

static const Kernel *got;

/* d: the sizes of SLIDE_BATCH...; outputs follow from the rest unless given:
 * with padding at the end alone. */
static void
fit(int64_t *d)
{
	if (d[SLIDE_OH])
		return;
	d[SLIDE_OH] = (d[SLIDE_H] + 2 * d[SLIDE_PT] -
	               (d[SLIDE_KH] - 1) * d[SLIDE_DH] - 1) /
	                      d[SLIDE_SH] +
	              1;
	d[SLIDE_OW] = (d[SLIDE_W] + 2 * d[SLIDE_PL] -
	               (d[SLIDE_KW] - 1) * d[SLIDE_DW] - 1) /
	                      d[SLIDE_SW] +
	              1;
}

/* Pixel that tap (a, b) of output (i, j) reads, NULL: padding. */
static const float *
tap(const int64_t *d, const float *x, int64_t n, int64_t i, int64_t j,
    int64_t a, int64_t b)
{
	int64_t r = i * d[SLIDE_SH] - d[SLIDE_PT] + a * d[SLIDE_DH];
	int64_t c = j * d[SLIDE_SW] - d[SLIDE_PL] + b * d[SLIDE_DW];

	if (r < 0 || r >= d[SLIDE_H] || c < 0 || c >= d[SLIDE_W])
		return NULL;
	return x + ((n * d[SLIDE_H] + r) * d[SLIDE_W] + c) * d[SLIDE_C];
}

/* w [groups, wide, kh, kw, c / groups] */
static double
sum_of(const int64_t *d, const float *x, const float *w, int64_t at, int64_t m,
       int64_t groups)
{
	int64_t j = at % d[SLIDE_OW], i = at / d[SLIDE_OW] % d[SLIDE_OH];
	int64_t c = d[SLIDE_C] / groups, g = m / (d[SLIDE_M] / groups);
	int64_t n = at / d[SLIDE_OW] / d[SLIDE_OH];
	double sum = 0;

	w += m * d[SLIDE_KH] * d[SLIDE_KW] * c;
	for (int64_t a = 0; a < d[SLIDE_KH]; a++)
		for (int64_t b = 0; b < d[SLIDE_KW]; b++, w += c) {
			const float *p = tap(d, x, n, i, j, a, b);

			for (int64_t k = 0; p && k < c; k++)
				sum += (double)p[g * c + k] * (double)w[k];
		}
	return sum;
}

/* y is the same whole and cut; then what it is off from want. */
static double
off_by(KernelId id, Step *s, float *y, const float *want, int64_t n, double by)
{
	Arena a = {0};
	float *whole = NEWV(&a, float, n);
	int64_t grain, units = got[id].units(s, &grain);
	double d;

	run_step(got, id, s, 0);
	memcpy(whole, y, (size_t)n * sizeof *y);
	for (int64_t cut = 1; cut < units && cut < 4; cut++) {
		memset(y, 0, (size_t)n * sizeof *y);
		run_step(got, id, s, cut);
		CHECK(memcmp(whole, y, (size_t)n * sizeof *y) == 0);
	}
	d = apart(y, want, n, by);
	arena_free(&a);
	return d;
}

/* Rows of w spread so that each group begins a panel. */
static char *
grouped(Arena *a, const int64_t *d, const float *w, int64_t groups)
{
	int64_t wide = d[SLIDE_M] / groups,
		k = d[SLIDE_KH] * d[SLIDE_KW] * d[SLIDE_C] / groups;
	int64_t whole = (wide + PANEL - 1) / PANEL * PANEL;
	float *rows = NEWV(a, float, groups *whole *k);

	for (int64_t m = 0; m < d[SLIDE_M]; m++)
		memcpy(rows + (m / wide * whole + m % wide) * k, w + m * k,
		       (size_t)k * sizeof *w);
	return packed(a, WF_F32, rows, groups * whole, k);
}

static void
conv_case(const int64_t *size, int64_t groups, Act act, Act post)
{
	Arena a = {0};
	Step s = {0};
	int64_t *d = s.dim, n, m, k;
	float *x, *w, *y, *want, *bias, *res;
	bool deep;

	memcpy(d, size, SLIDE_MORE * sizeof *d);
	fit(d);
	m = d[SLIDE_M];
	n = d[SLIDE_BATCH] * d[SLIDE_OH] * d[SLIDE_OW] * m;
	k = d[SLIDE_KH] * d[SLIDE_KW] * d[SLIDE_C] / groups;
	deep = groups == d[SLIDE_C] && groups == m && groups > 1;
	x = rnd_vec(&a, d[SLIDE_BATCH] * d[SLIDE_H] * d[SLIDE_W] * d[SLIDE_C]);
	w = rnd_vec(&a, m * k);
	y = rnd_vec(&a, n);
	want = NEWV(&a, float, n);
	bias = act ? rnd_vec(&a, m) : NULL;
	res = post ? rnd_vec(&a, n) : NULL;
	for (int64_t i = 0; i < n; i++) {
		double v = sum_of(d, x, w, i / m, i % m, groups);

		v += bias ? (double)bias[i % m] : 0;
		v = act && v < 0 ? 0 : v;
		v += res ? (double)res[i] : 0;
		want[i] = (float)(post && v < 0 ? 0 : v);
	}
	s.buf[CONV_Y] = y;
	s.buf[CONV_X] = x;
	s.buf[CONV_W] = grouped(&a, d, w, groups);
	s.buf[CONV_BIAS] = bias;
	s.buf[CONV_RES] = res;
	d[CONV_GROUPS] = groups;
	d[CONV_FORMAT] = WF_F32;
	d[CONV_ACT] = act;
	d[CONV_POST] = post;
	CHECK(off_by(K_CONV, &s, y, want, n, sqrt((double)k)) < TOL);
	if (deep) { /* the same by the other kernel, w [taps, c] */
		float *t = NEWV(&a, float, m *k);

		for (int64_t i = 0; i < m * k; i++)
			t[i % k * m + i / k] = w[i];
		s.buf[CONV_W] = t;
		CHECK(off_by(K_DEPTHWISE, &s, y, want, n, sqrt((double)k)) <
		      TOL);
	}
	arena_free(&a);
}

static void
convolutions(void)
{
	static const struct {
		int64_t d[SLIDE_MORE], groups;
	} cases[] = {
		/* n h w c oh ow m kh kw sh sw pt pl dh dw */
		{{1, 5, 7, 3, 0, 0, 16, 1, 1, 1, 1, 0, 0, 1, 1}, 1},
		{{2, 9, 8, 20, 0, 0, 37, 1, 1, 1, 1, 0, 0, 1, 1}, 1},
		{{1, 9, 9, 5, 0, 0, 8, 1, 1, 2, 2, 0, 0, 1, 1}, 1},
		{{1, 14, 13, 6, 0, 0, 40, 3, 3, 1, 1, 1, 1, 1, 1}, 1},
		{{2, 11, 12, 3, 0, 0, 18, 7, 7, 2, 2, 3, 3, 1, 1}, 1},
		{{1, 12, 10, 4, 0, 0, 17, 3, 5, 2, 1, 2, 4, 2, 2}, 1},
		{{1, 1, 40, 7, 0, 0, 9, 1, 3, 1, 2, 0, 1, 1, 1}, 1},
		{{1, 4, 4, 100, 0, 0, 300, 3, 3, 1, 1, 1, 1, 1, 1}, 1},
		{{1, 8, 8, 12, 0, 0, 18, 3, 3, 1, 1, 1, 1, 1, 1}, 3},
		{{1, 6, 6, 64, 0, 0, 64, 3, 3, 2, 2, 1, 1, 1, 1}, 4},
		{{1, 9, 7, 21, 0, 0, 21, 3, 3, 1, 1, 1, 1, 1, 1}, 21},
		{{2, 10, 10, 32, 0, 0, 32, 5, 5, 2, 2, 2, 2, 1, 1}, 32},
		{{1, 12, 12, 16, 0, 0, 16, 3, 3, 1, 1, 3, 3, 3, 3}, 16},
		/* as many taps as groups, padded at the end */
		{{1, 1, 5, 2, 1, 5, 4, 1, 2, 1, 1, 0, 0, 1, 1}, 2},
		/* windows that see nothing but padding */
		{{1, 3, 3, 2, 0, 0, 2, 2, 2, 1, 1, 4, 4, 1, 1}, 1},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		conv_case(cases[i].d, cases[i].groups, ACT_NONE, ACT_NONE);
		conv_case(cases[i].d, cases[i].groups, ACT_RELU, ACT_NONE);
		conv_case(cases[i].d, cases[i].groups, ACT_NONE, ACT_RELU);
	}
}

static float
pooled(const int64_t *d, const float *x, int64_t at, int64_t c)
{
	int64_t j = at % d[SLIDE_OW], i = at / d[SLIDE_OW] % d[SLIDE_OH];
	int64_t image = at / d[SLIDE_OW] / d[SLIDE_OH], n = 0;
	double sum = 0, most = -HUGE_VAL;

	for (int64_t t = 0; t < d[SLIDE_KH] * d[SLIDE_KW]; t++) {
		const float *p = tap(d, x, image, i, j, t / d[SLIDE_KW],
		                     t % d[SLIDE_KW]);

		if (!p)
			continue;
		n++;
		sum += (double)p[c];
		most = fmax(most, (double)p[c]);
	}
	if (d[POOL_KIND] == SEE_MAX)
		return (float)most;
	return (float)(sum / (double)(d[POOL_KIND] == SEE_MEAN
	                                      ? n
	                                      : d[SLIDE_KH] * d[SLIDE_KW]));
}

static void
pools(void)
{
	static const int64_t cases[][SLIDE_MORE] = {
		{1, 9, 9, 5, 0, 0, 5, 3, 3, 2, 2, 1, 1, 1, 1},
		{2, 8, 6, 33, 0, 0, 33, 2, 2, 2, 2, 0, 0, 1, 1},
		{1, 7, 7, 16, 0, 0, 16, 7, 7, 1, 1, 0, 0, 1, 1},
		{1, 10, 10, 3, 0, 0, 3, 3, 3, 1, 1, 0, 0, 2, 2},
	};

	for (size_t i = 0; i < LEN(cases); i++)
		for (int kind = 0; kind < SEE_COUNT; kind++) {
			Arena a = {0};
			Step s = {0};
			int64_t *d = s.dim, n, c;
			float *want, *y, *x;

			memcpy(d, cases[i], sizeof cases[i]);
			fit(d);
			d[POOL_KIND] = kind;
			c = d[SLIDE_C];
			n = d[SLIDE_BATCH] * d[SLIDE_OH] * d[SLIDE_OW] * c;
			s.buf[POOL_Y] = y = rnd_vec(&a, n);
			s.buf[POOL_X] = x =
				rnd_vec(&a, d[SLIDE_BATCH] * d[SLIDE_H] *
			                            d[SLIDE_W] * c);
			want = NEWV(&a, float, n);
			for (int64_t k = 0; k < n; k++)
				want[k] = pooled(d, x, k / c, k % c);
			CHECK(off_by(K_POOL, &s, y, want, n, 1) < TOL);
			arena_free(&a);
		}
}

/* Not a number stays one, wherever it stands in the window. */
static void
nan_is_the_largest(void)
{
	Step s = {.dim = {1, 1, 3, 1, 1, 1, 1, 1, 3, 1, 1, 0, 0, 1, 1}};
	float x[3], y;

	for (int i = 0; i < 3; i++) {
		x[0] = x[1] = x[2] = 1;
		x[i] = NAN;
		s.buf[POOL_Y] = &y;
		s.buf[POOL_X] = x;
		run_step(got, K_POOL, &s, 0);
		CHECK(isnan(y));
	}
}

static void
product_case(int64_t m, int64_t n, int64_t k, bool turned, bool shared)
{
	enum { B0 = 2, B1 = 3 };
	Arena a = {0};
	int64_t count = B0 * B1 * m * n;
	float *x = rnd_vec(&a, B0 * B1 * m * k),
	      *w = rnd_vec(&a, B0 * B1 * k * n), *y = rnd_vec(&a, count),
	      *want = NEWV(&a, float, count);
	int64_t wk = turned ? 1 : n, wn = turned ? k : 1;
	int64_t wb0 = shared ? 0 : B1 * k * n;
	Step s = {.buf = {y, x, w},
	          .dim = {B0, B1, m, n, k, B1 * m * k, m * k, wb0, k * n, wk,
	                  wn}};

	for (int64_t i = 0; i < count; i++) {
		int64_t b = i / (m * n), r = i / n % m, c = i % n;
		const float *p = x + (b * m + r) * k;
		const float *q = w + b / B1 * wb0 + b % B1 * k * n + c * wn;
		double sum = 0;

		for (int64_t j = 0; j < k; j++)
			sum += (double)p[j] * (double)q[j * wk];
		want[i] = (float)sum;
	}
	CHECK(off_by(K_BMM, &s, y, want, count, sqrt((double)k)) < TOL);
	arena_free(&a);
}

static void
products(void)
{
	static const int64_t sizes[][3] = {{1, 1, 1},
	                                   {5, 16, 33},
	                                   {13, 37, 20},
	                                   {100, 3, 70},
	                                   {2, 65, 600}};

	for (size_t i = 0; i < LEN(sizes); i++)
		for (int k = 0; k < 4; k++)
			product_case(sizes[i][0], sizes[i][1], sizes[i][2],
			             k & 1, k & 2);
}

int
main(void)
{
	for (size_t i = 0; i < LEN(isa_names); i++) {
		if (!(got = isa_kernels(isa_names[i])))
			continue;
		convolutions();
		pools();
		nan_is_the_largest();
		products();
	}
	return check_done("slide");
}
