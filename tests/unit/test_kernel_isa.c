/* SPDX-License-Identifier: BSD-3-Clause
 * Every instruction set against the portable version, over a grid of shapes;
 * and what must hold to the last bit: cuts of the work, and the company in
 * which a row is computed, change nothing.
 *
 * Errors are taken against `by` (the size of what is summed) plus the wanted
 * value.  The portable sums are double, so what is measured is float32
 * rounding in the vector version: some EPS, growing with the square root of
 * the number of terms. */

#include "step.h"

#define EPS 0x1p-24

static const Kernel *want, *got; /* portable; the one on trial */

/* Runs s by both; y [n] must agree within tol * by, and must not change bits
 * when the work is cut anywhere. */
static bool
agree(KernelId id, Step *s, float *y, int64_t n, double by, double tol)
{
	Arena a = {0};
	float *w = NEWV(&a, float, n), *g = NEWV(&a, float, n);
	size_t bytes = (size_t)n * sizeof *y;
	int64_t grain, units = got[id].units(s, &grain);
	double d;
	bool ok = true;

	memcpy(w, y, bytes); /* what an in-place kernel starts from */
	memcpy(g, y, bytes);
	run_step(want, id, s, 0);
	memcpy(w, y, bytes);
	memcpy(y, g, bytes);
	run_step(got, id, s, 0);
	d = apart(y, w, n, by);
	if (!(d <= tol)) {
		fprintf(stderr, "%s %s: off by %g, allowed %g\n",
		        kernels_isa(got), got[id].name, d, tol);
		ok = false;
	}
	memcpy(w, y, bytes);
	for (int cut = 1; cut < 6 && cut < units; cut++) {
		memcpy(y, g, bytes);
		run_step(got, id, s, cut < 4 ? cut : units - cut + 3);
		ok = ok && memcmp(y, w, bytes) == 0;
	}
	arena_free(&a);
	return ok;
}

/* ---- products ---- */

/* x rounded by a step of its own: the same bits as y [n], which s has made. */
static bool
rounded_is_the_same(Step s, const float *y, int64_t n, const Kernel *t)
{
	Arena a = {0};
	int64_t m = s.dim[MATMUL_M], k = s.dim[MATMUL_K];
	Step r = {.buf = {arena_alloc(&a, (size_t)rounded_size(m, k)),
	                  s.buf[MATMUL_X]},
	          .dim = {m, k, s.dim[MATMUL_FORMAT]}};
	bool ok;

	run_step(t, K_ROUND, &r, m / 2);
	s.buf[MATMUL_X] = r.buf[ROUND_Y];
	s.buf[MATMUL_Y] = NEWV(&a, float, n);
	s.dim[MATMUL_ROUNDED] = 1;
	run_step(t, K_MATMUL, &s, 1);
	ok = memcmp(y, s.buf[MATMUL_Y], (size_t)n * sizeof *y) == 0;
	arena_free(&a);
	return ok;
}

static void
matmul_case(int64_t m, int64_t n, int64_t k, WFormat f, Act act)
{
	Arena a = {0};
	float *y = rnd_vec(&a, m * n), *x = rnd_vec(&a, m * k);
	float *w = rnd_vec(&a, n * k), *bias = rnd_vec(&a, n), *one;
	Step s = {.buf = {y, x, packed(&a, f, w, n, k), bias, y},
	          .dim = {m, n, k, f, act}};
	Step row = s;

	CHECK(agree(K_MATMUL, &s, y, m * n, 1 + sqrt((double)k), 8 * EPS));
	/* each row alone: the same bits */
	s.buf[MATMUL_RES] = row.buf[MATMUL_RES] = NULL;
	run_step(want, K_MATMUL, &s, 0);
	CHECK(!wformat_rounds(f) || rounded_is_the_same(s, y, m * n, want));
	run_step(got, K_MATMUL, &s, 0);
	CHECK(!wformat_rounds(f) || rounded_is_the_same(s, y, m * n, got));
	one = row.buf[MATMUL_Y] = NEWV(&a, float, n);
	row.dim[MATMUL_M] = 1;
	for (int64_t r = 0; r < m; r++) {
		row.buf[MATMUL_X] = x + r * k;
		run_step(got, K_MATMUL, &row, 0);
		CHECK(memcmp(one, y + r * n, (size_t)n * sizeof *y) == 0);
	}
	arena_free(&a);
}

static void
products(void)
{
	static const int64_t ks[] = {1, 3, 32, 511, 513, 1100};
	static const int64_t ns[] = {1, 16, 37};
	Act act = 0;

	for (WFormat f = 0; f < WF_COUNT; f++) {
		for (int64_t m = 1; m <= 33; m += m < 14 ? 1 : 6)
			matmul_case(m, 37, 70, f, act++ % ACT_EXP);
		for (size_t i = 0; i < LEN(ks); i++)
			for (size_t j = 0; j < LEN(ns); j++)
				matmul_case(i % 3 + 1, ns[j], ks[i], f,
				            ACT_NONE);
		matmul_case(101, 20, 1030, f, ACT_NONE);
	}
}

static void
gated_case(int64_t m, int64_t n, int64_t k, WFormat f, Act act)
{
	Arena a = {0};
	float *y = rnd_vec(&a, m * n), *x = rnd_vec(&a, m * k);
	float *g = rnd_vec(&a, n * k), *u = rnd_vec(&a, n * k);
	Step s = {.buf = {y, x, packed(&a, f, g, n, k), packed(&a, f, u, n, k),
	                  rnd_vec(&a, n), m % 2 ? rnd_vec(&a, n) : NULL},
	          .dim = {m, n, k, f, act}};

	CHECK(agree(K_GATED, &s, y, m * n, (double)k, 6 * EPS));
	arena_free(&a);
}

/* One row of x is NaN, one infinite: the others do not notice. */
static void
bad_rows_stay_alone(WFormat f)
{
	enum { M = 7, N = 20, K = 40 };
	Arena a = {0};
	float *x = rnd_vec(&a, M * K), *w = rnd_vec(&a, N * K), y[M * N];
	Step s = {.buf = {y, x, packed(&a, f, w, N, K)},
	          .dim = {M, N, K, f, ACT_SILU}};

	x[2 * K + 5] = NAN;
	x[4 * K + 6] = INFINITY;
	memset(x, 0, K * sizeof *x);
	CHECK(agree(K_MATMUL, &s, y, M * N, 8, 6 * EPS));
	CHECK(y[0] == 0 && isnan(y[2 * N]) && isfinite(y[3 * N]));
	arena_free(&a);
}

static void
embed_case(WFormat f, int64_t width)
{
	enum { VOCAB = 50 };
	Arena a = {0};
	int64_t ids[] = {0, 49, 17, -1, 50, -50, -51, 33};
	float *y = rnd_vec(&a, 8 * width);
	float *w = rnd_vec(&a, VOCAB * width);
	Step s = {.buf = {y, ids, packed(&a, f, w, VOCAB, width)},
	          .dim = {8, width, VOCAB, f},
	          .num = {3}};

	CHECK(agree(K_EMBED, &s, y, 8 * width, 1, 0));
	arena_free(&a);
}

/* ---- rows ---- */

static void
norm_case(int64_t width, float mean, bool res, bool sum)
{
	enum { ROWS = 4 };
	Arena a = {0};
	int64_t n = ROWS * width;
	float *x = rnd_vec(&a, n), *y = rnd_vec(&a, n);
	Step s = {.buf = {y, x, rnd_vec(&a, width), NULL,
	                  res ? rnd_vec(&a, n) : NULL,
	                  sum ? rnd_vec(&a, n) : NULL},
	          .dim = {ROWS, width},
	          .num = {1e-6f}};

	for (int64_t i = 0; i < n; i++)
		x[i] += mean;
	memset(x, 0, (size_t)width * sizeof *x); /* a zero row */
	x[3 * width - 1] = INFINITY;
	CHECK(agree(K_RMSNORM, &s, y, n, 1, 8 * EPS));
	s.buf[NORM_B] = rnd_vec(&a, width);
	if (width > 1) { /* one element: 0 by hardly anything */
		CHECK(agree(K_LAYERNORM, &s, y, n, 4, 16 * EPS));
		s.buf[NORM_W] = NULL;
		CHECK(agree(K_LAYERNORM, &s, y, n, 4, 16 * EPS));
	}
	arena_free(&a);
}

static void
softmax_case(int64_t width)
{
	Arena a = {0};
	float *x = rnd_vec(&a, 5 * width), *y = rnd_vec(&a, 5 * width);
	Step s = {.buf = {y, x}, .dim = {5, width}};

	for (int64_t i = 0; i < 5 * width; i++)
		x[i] *= 30;
	x[width] = INFINITY;
	x[2 * width] = -INFINITY;
	x[3 * width] = NAN;
	CHECK(agree(K_SOFTMAX, &s, y, 5 * width, 1, 32 * EPS));
	arena_free(&a);
}

static void
rope_case(int64_t dim, int64_t rot, int style)
{
	enum { TOKENS = 3, HEADS = 2, TABLE = 9 };
	Arena a = {0};
	int64_t pos[] = {8, -1, 3}, ldx = HEADS * dim + 5;
	float *y = rnd_vec(&a, TOKENS * HEADS * dim);
	Step s = {.buf = {y, rnd_vec(&a, TOKENS * ldx),
	                  rnd_vec(&a, TABLE * rot), rnd_vec(&a, TABLE * rot),
	                  pos},
	          .dim = {TOKENS, HEADS, dim, rot, style, TABLE, ldx}};

	CHECK(agree(K_ROPE, &s, y, TOKENS * HEADS * dim, 1, 0));
	arena_free(&a);
}

static void
rows(void)
{
	static const int64_t widths[] = {1, 7, 16, 65, 768};
	static const int64_t dims[] = {8, 20, 64, 80, 128};

	for (size_t i = 0; i < LEN(widths); i++) {
		for (int k = 0; k < 4; k++)
			norm_case(widths[i], k == 3 ? 1000 : 0, k & 1, k & 2);
		softmax_case(widths[i]);
	}
	for (size_t i = 0; i < LEN(dims); i++)
		for (int style = 0; style < 2; style++) {
			rope_case(dims[i], dims[i], style);
			rope_case(dims[i], dims[i] / 4 * 2, style);
		}
}

/* ---- elements ---- */

/* Where each function is bent most, and at its ends. */
static void
activations(void)
{
	enum { N = 40001 };
	Arena a = {0};
	float *x = NEWV(&a, float, N), *y = NEWV(&a, float, N);
	Step s = {.buf = {y, x}, .dim = {N}};

	for (int i = 0; i < N; i++)
		x[i] = (float)(i - N / 2) * 0.0051f;
	x[0] = -1e4f; /* what vanishes does so for good */
	x[1] = 1e4f;
	for (Act act = 0; act < ACT_COUNT; act++) {
		s.dim[UNARY_ACT] = act;
		if (act != ACT_EXP)
			CHECK(agree(K_UNARY, &s, y, N, 1, 6 * EPS));
	}
	arena_free(&a);
}

/* exp: relative, over its whole range */
static void
exponentials(void)
{
	enum { N = 200000 };
	Arena a = {0};
	float *x = NEWV(&a, float, N), *y = NEWV(&a, float, N);
	Step s = {.buf = {y, x}, .dim = {N, ACT_EXP}};
	double most = 0, e;

	for (int i = 0; i < N; i++)
		x[i] = -110 + 205.0f * (float)i / N;
	run_step(got, K_UNARY, &s, 0);
	for (int i = 0; i < N; i++) {
		e = exp((double)x[i]);
		if ((float)e == HUGE_VALF || e < 0x1p-126) /* or subnormal */
			CHECK((float)e == y[i] ||
			      fabs(e - (double)y[i]) < 0x1p-148);
		else
			most = fmax(most, fabs((double)y[i] / e - 1));
	}
	CHECK(most < 2e-7);
	arena_free(&a);
}

static void
binary_case(const int64_t *size, int ma, int mb)
{
	Arena a = {0};
	Step s = {0};
	int64_t n = 1;
	float *y;

	/* bit i of ma, mb: dimension i is stretched */
	for (int i = 5, sa = 1, sb = 1; i >= 0; i--) {
		s.dim[BINARY_SIZE + i] = size[i];
		s.dim[BINARY_SA + i] = ma >> i & 1 ? 0 : sa;
		s.dim[BINARY_SB + i] = mb >> i & 1 ? 0 : sb;
		sa *= ma >> i & 1 ? 1 : (int)size[i];
		sb *= mb >> i & 1 ? 1 : (int)size[i];
		n *= size[i];
	}
	s.buf[BINARY_Y] = y = rnd_vec(&a, n);
	s.buf[BINARY_A] = rnd_vec(&a, n);
	s.buf[BINARY_B] = rnd_vec(&a, n);
	for (int op = BIN_ADD; op < BIN_COUNT; op++) {
		s.dim[BINARY_OP] = op;
		CHECK(agree(K_BINARY, &s, y, n, 1, 0));
	}
	arena_free(&a);
}

static void
elements(void)
{
	static const int64_t sizes[][6] = {
		{1, 1, 1, 1, 1, 1},  {1, 1, 1, 1, 1, 100}, {1, 1, 2, 3, 5, 7},
		{2, 1, 3, 1, 2, 17}, {1, 1, 1, 1, 9, 16},
	};

	activations();
	exponentials();
	for (size_t i = 0; i < LEN(sizes); i++)
		for (int m = 0; m < 64; m += 7) {
			binary_case(sizes[i], m, 0);
			binary_case(sizes[i], 0, m);
			binary_case(sizes[i], m, 32);
		}
}

/* ---- attention ---- */

typedef struct Case {
	int64_t batch, seq, heads, kv, dim, vdim, ctx, window, start;
	CFormat format;
	float cap;
	bool slope, sink;
	int64_t reach; /* of biases by distance; 0: none */
	int64_t len;
	int64_t tail; /* the last of dim are in a cache of their own, and the
	               * rest are the values, if vdim is as many */
} Case;

/* A cache that is NaN wherever nobody wrote. */
static char *
filled(Arena *a, const Case *c, int64_t dim, int64_t slots)
{
	int64_t row = cache_row_bytes(c->format, dim), seq = c->start + c->seq;
	int64_t bytes = slots * c->kv * c->ctx * row, pos[512];
	char *cache = arena_alloc(a, (size_t)bytes);
	Step s = {.dim = {1, seq, c->kv, dim, c->ctx, c->format, c->kv * dim,
	                  slots}};

	memset(cache, 0xff, (size_t)bytes);
	for (int64_t i = 0; i < seq; i++)
		pos[i] = i;
	for (int64_t b = 0; b < c->batch; b++) {
		int64_t slot = slots - 1 - b;

		s.buf[WRITE_CACHE] = cache;
		s.buf[WRITE_X] = rnd_vec(a, seq * c->kv * dim);
		s.buf[WRITE_POS] = pos;
		s.buf[WRITE_SLOT] = &slot;
		run_step(want, K_WRITE, &s, 0);
	}
	return cache;
}

/* Each query alone gives the bits it gives among the others. */
static bool
alone_is_the_same(const Step *s, const Case *c)
{
	Arena a = {0};
	Step one = *s;
	int64_t n = c->heads * c->vdim;
	float *y = one.buf[ATTN_Y] = NEWV(&a, float, n);
	bool ok = true;

	one.dim[ATTN_BATCH] = one.dim[ATTN_SEQ] = 1;
	for (int64_t t = 0; t < c->batch * c->seq; t++) {
		one.buf[ATTN_Q] =
			(float *)s->buf[ATTN_Q] + t * s->dim[ATTN_LDQ];
		one.buf[ATTN_POS] = (int64_t *)s->buf[ATTN_POS] + t;
		one.buf[ATTN_SLOT] = (int64_t *)s->buf[ATTN_SLOT] + t / c->seq;
		run_step(got, K_ATTENTION, &one, 0);
		ok = ok && memcmp(y, (float *)s->buf[ATTN_Y] + t * n,
		                  (size_t)n * sizeof *y) == 0;
	}
	arena_free(&a);
	return ok;
}

static void
attention_case(const Case *c)
{
	Arena a = {0};
	int64_t tokens = c->batch * c->seq, slots = c->batch + 1;
	int64_t ldq = c->heads * c->dim + 3, n = tokens * c->heads * c->vdim;
	int64_t *pos = NEWV(&a, int64_t, tokens), *slot;
	float *y = rnd_vec(&a, n), *q = rnd_vec(&a, tokens * ldq);
	Step s = {.dim = {c->batch, c->seq, c->heads, c->kv, c->dim, c->vdim,
	                  c->ctx, c->window, c->format, ldq, slots, c->reach,
	                  c->len},
	          .num = {1 / sqrtf((float)c->dim), c->cap}};

	slot = NEWV(&a, int64_t, c->batch);
	for (int64_t b = 0; b < c->batch; b++)
		slot[b] = slots - 1 - b;
	for (int64_t t = 0; t < tokens; t++)
		pos[t] = c->start + t % c->seq;
	if (c->seq > 2)
		pos[tokens - 1] = -1; /* padding at the end */
	for (int64_t i = 0; i < tokens * ldq; i++)
		q[i] *= 8; /* scores apart */
	s.buf[ATTN_Y] = y;
	s.buf[ATTN_Q] = q;
	s.buf[ATTN_K] = filled(&a, c, c->dim - c->tail, slots);
	s.buf[ATTN_V] = c->tail && c->dim - c->tail == c->vdim
	                        ? s.buf[ATTN_K]
	                        : filled(&a, c, c->vdim, slots);
	if (c->tail)
		s.buf[ATTN_TAIL] = filled(&a, c, c->tail, slots);
	s.dim[ATTN_TDIM] = c->tail;
	s.buf[ATTN_POS] = pos;
	s.buf[ATTN_SLOT] = slot;
	s.buf[ATTN_SLOPE] = c->slope ? rnd_vec(&a, c->heads) : NULL;
	s.buf[ATTN_SINK] = c->sink ? rnd_vec(&a, c->heads) : NULL;
	s.dim[ATTN_REACH] = c->reach;
	if (c->reach)
		s.buf[ATTN_BIAS] = rnd_vec(&a, c->heads * (2 * c->reach + 1));
	/* scores reach about 20: e^score carries 20 roundings */
	CHECK(agree(K_ATTENTION, &s, y, n, 1, 40 * EPS));
	CHECK(alone_is_the_same(&s, c));
	arena_free(&a);
}

/* n rows of keys or values at positions 0, 1, ... in a cache of ctx rows, a
 * ring of `ring` if that is not 0; NaN where nobody wrote. */
static char *
rows_kept(Arena *a, const Case *c, const float *x, int64_t n, int64_t dim,
          int64_t ctx, int64_t ring)
{
	int64_t row = cache_row_bytes(c->format, dim);
	size_t bytes = (size_t)(c->kv * ctx * row);
	int64_t *pos = NEWV(a, int64_t, n);
	char *cache = arena_alloc(a, bytes);
	Step s = {.dim = {1, n, c->kv, dim, ctx, c->format, c->kv * dim, 1,
	                  ring},
	          .buf = {cache, (void *)(uintptr_t)x, pos, NULL}};

	memset(cache, 0xff, bytes);
	for (int64_t i = 0; i < n; i++)
		pos[i] = i;
	run_step(got, K_WRITE, &s, 0);
	return cache;
}

/* A ring with room for a window and the rest of a chunk gives the bits of a
 * cache of everything. */
static void
ring_case(const Case *c)
{
	Arena a = {0};
	int64_t end = c->start + c->seq, ring = c->window + c->seq - 1;
	int64_t n = c->seq * c->heads * c->vdim, *pos;
	float *k = rnd_vec(&a, end * c->kv * c->dim),
	      *v = rnd_vec(&a, end * c->kv * c->vdim), *y = rnd_vec(&a, n),
	      *full = NEWV(&a, float, n);
	Step s = {.dim = {1, c->seq, c->heads, c->kv, c->dim, c->vdim, end,
	                  c->window, c->format, c->heads * c->dim, 1},
	          .num = {1 / sqrtf((float)c->dim), c->cap}};

	pos = NEWV(&a, int64_t, c->seq);
	for (int64_t t = 0; t < c->seq; t++)
		pos[t] = c->start + t;
	s.buf[ATTN_Y] = full;
	s.buf[ATTN_Q] = rnd_vec(&a, c->seq * c->heads * c->dim);
	s.buf[ATTN_K] = rows_kept(&a, c, k, end, c->dim, end, 0);
	s.buf[ATTN_V] = rows_kept(&a, c, v, end, c->vdim, end, 0);
	s.buf[ATTN_POS] = pos;
	run_step(got, K_ATTENTION, &s, 0);
	s.buf[ATTN_Y] = y;
	s.buf[ATTN_K] = rows_kept(&a, c, k, end, c->dim, ring, ring);
	s.buf[ATTN_V] = rows_kept(&a, c, v, end, c->vdim, ring, ring);
	s.dim[ATTN_CTX] = s.dim[ATTN_RING] = ring;
	run_step(got, K_ATTENTION, &s, 0);
	CHECK(memcmp(y, full, (size_t)n * sizeof *y) == 0);
	CHECK(agree(K_ATTENTION, &s, y, n, 1, 40 * EPS));
	arena_free(&a);
}

static void
rings(void)
{
	static const Case cases[] = {
		/* batch seq heads kv dim vdim ctx window start format */
		{1, 1, 8, 2, 64, 64, 0, 128, 900, CF_F32},
		{1, 1, 8, 2, 64, 64, 0, 128, 30, CF_F16},
		{1, 16, 6, 2, 64, 48, 0, 100, 330, CF_F32},
		{1, 16, 6, 2, 64, 64, 0, 100, 333, CF_F16, 20},
		{1, 70, 3, 1, 24, 20, 0, 33, 200, CF_F32},
		{1, 9, 4, 4, 32, 32, 0, 8, 77, CF_INT8},
		{1, 12, 2, 1, 80, 80, 0, 1, 5, CF_BF16},
	};

	for (size_t i = 0; i < LEN(cases); i++)
		ring_case(&cases[i]);
}

static void
attentions(void)
{
	static const Case cases[] = {
		/* batch seq heads kv dim vdim ctx window start format */
		{1, 1, 1, 1, 32, 32, 8, 0, 0, CF_F32},
		{1, 1, 8, 2, 64, 64, 200, 0, 150, CF_F32},
		{2, 1, 4, 4, 80, 80, 100, 0, 70, CF_F16},
		{1, 70, 3, 1, 96, 96, 70, 0, 0, CF_F32},
		{1, 33, 6, 2, 112, 112, 200, 20, 130, CF_BF16},
		{2, 9, 4, 2, 128, 64, 90, 7, 60, CF_F16},
		{1, 5, 2, 1, 256, 256, 80, 0, 62, CF_F32, 30},
		{1, 40, 5, 1, 24, 20, 64, 0, 10, CF_F32, 0, true},
		{1, 40, 5, 1, 17, 9, 64, 100, 10, CF_F16, 5, true, true},
		{1, 130, 2, 2, 32, 32, 400, 64, 200, CF_F32, 0, false, true},
		{3, 2, 7, 7, 8, 8, 70, 1, 66, CF_F32},
		{1, 3, 6, 2, 64, 64, 300, 0, 260, CF_INT8},
		{2, 40, 4, 2, 80, 48, 100, 33, 40, CF_MXINT8},
		{1, 40, 4, 2, 64, 64, 300, 0, 250, CF_F32, .reach = 20},
		{2, 1, 3, 3, 32, 32, 90, 0, 80, CF_F16, .reach = 200},
		{2, 20, 4, 2, 32, 32, 80, 0, 40, CF_F32, .len = 48},
		{1, 1, 16, 1, 72, 64, 300, 0, 280, CF_F32, .tail = 8},
		{2, 9, 20, 1, 144, 96, 200, 0, 130, CF_F16, .tail = 48},
		{1, 3, 4, 1, 48, 32, 90, 0, 80, CF_BF16, 5, .tail = 16},
		{1, 70, 6, 2, 33, 20, 80, 0, 0, CF_F32, .tail = 13},
		{2, 5, 8, 1, 96, 64, 100, 0, 70, CF_MXINT8, .tail = 32},
		{1, 5, 8, 1, 64, 32, 100, 9, 70, CF_INT8, .tail = 32},
		{1, 4, 8, 1, 56, 24, 100, 0, 70, CF_F32, .tail = 16},
	};

	for (size_t i = 0; i < LEN(cases); i++)
		attention_case(&cases[i]);
}

static void
dense_case(int64_t seq, int64_t len, int64_t heads, int64_t kv, int64_t dim,
           int64_t vdim)
{
	enum { BATCH = 2 };
	Arena a = {0};
	int64_t ldq = heads * dim, ldk = kv * dim + 1, ldv = kv * vdim + 2;
	int64_t n = BATCH * seq * heads * vdim;
	float *y = rnd_vec(&a, n), *m = rnd_vec(&a, BATCH * heads * seq * len);
	Step s = {.buf = {y, rnd_vec(&a, BATCH * seq * ldq),
	                  rnd_vec(&a, BATCH * len * ldk),
	                  rnd_vec(&a, BATCH * len * ldv), NULL},
	          .dim = {BATCH, seq, len, heads, kv, dim, vdim,
	                  heads * seq * len, seq * len, len, ldq, ldk, ldv},
	          .num = {0.5f, 0}};

	CHECK(agree(K_DENSE, &s, y, n, 1, 16 * EPS));
	for (int64_t i = 0; i < BATCH * heads * seq * len; i++)
		if (m[i] < -0.5f)
			m[i] = -INFINITY;
	for (int64_t i = 0; i < len; i++)
		m[i] = -INFINITY; /* a row that sees nothing */
	s.buf[DENSE_MASK] = m;
	CHECK(agree(K_DENSE, &s, y, n, 1, 16 * EPS));
	s.dim[DENSE_MH] = s.dim[DENSE_MS] = 0; /* the same for all queries */
	m[len] = m[len + len / 2] = -200;
	CHECK(agree(K_DENSE, &s, y, n, 1, 16 * EPS));
	CHECK(y[0] == 0);
	s.dim[DENSE_MH] = seq * len;
	s.dim[DENSE_MS] = len;
	s.num[DENSE_CAP] = 3;
	s.buf[DENSE_BIAS] = rnd_vec(&a, heads * 11);
	s.dim[DENSE_REACH] = 5;
	CHECK(agree(K_DENSE, &s, y, n, 1, 16 * EPS));
	CHECK(y[0] == 0);
	arena_free(&a);
}

int
main(void)
{
	want = kernels_for("generic");
	for (size_t i = 1; i < LEN(isa_names); i++) {
		if (!(got = isa_kernels(isa_names[i])))
			continue;
		products();
		for (Act act = 0; act < ACT_EXP; act++)
			gated_case(act % 9 + 1, 21, 40 + act, WF_F32, act);
		gated_case(100, 33, 600, WF_BF16, ACT_SILU);
		for (WFormat f = 0; f < WF_COUNT; f++)
			bad_rows_stay_alone(f);
		for (WFormat f = 0; f < WF_COUNT; f++)
			embed_case(f, f % 2 ? 33 : 530);
		rows();
		elements();
		attentions();
		rings();
		dense_case(5, 7, 2, 2, 8, 8);
		dense_case(33, 100, 4, 2, 64, 64);
		dense_case(70, 65, 3, 1, 21, 30);
		dense_case(1, 130, 2, 2, 32, 32);
		dense_case(1, 64, 8, 1, 40, 17);
		dense_case(16, 1, 2, 2, 1, 3);
		dense_case(200, 70, 3, 3, 32, 32);
		dense_case(64, 128, 12, 12, 32, 32);
	}
	return check_done("kernel_isa");
}
