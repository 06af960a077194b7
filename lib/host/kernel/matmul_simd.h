/* SPDX-License-Identifier: BSD-3-Clause */
/* matmul_simd.h - products with packed weights, over vec_*.h.
 *
 * The inputs k are taken in blocks of KC; in a block, sums run in CHAINS
 * chains (k mod CHAINS), each from zero and in order, which are then added
 * to the output one after another.  However many rows there are, and however
 * they are tiled, each output is the same sequence of roundings: a row alone
 * gives the bits that it gives in a batch.
 *
 * A panel streams from memory once for each band of x that fits the second
 * cache level; 16-bit weights are widened in registers, which the units that
 * multiply do not notice.  While a block is at work the next one is fetched
 * ahead. */

#ifndef MATMUL_SIMD_H
#define MATMUL_SIMD_H

enum {
	KC = 512, /* a multiple of CHAINS and of every format's block */
	CHAINS = 4,
	BAND = 96,             /* rows of x at a time, at most */
	BANDBYTES = 512 << 10, /* and their size */
};

/* VL elements of a panel of format f, from element i on */
INLINE V
v_weight(const int f, const char *w, int64_t i)
{
	switch (f) {
	case WF_F16:
		return v_load_f16(w + 2 * i);
	case WF_BF16:
		return v_load_bf16(w + 2 * i);
	default:
		return v_load((const float *)(const void *)w + i);
	}
}

/* Chains [r, r + C) of x [R, k] . block: added to acc [R][PANEL].
 * w: k <= KC inputs of a panel in format f, a float format; x: rows ldx
 * apart; ahead: from w to the bytes to fetch.  R, C and f are constants after
 * inlining. */
INLINE void
tile(const int R, const int C, const int f, const char *w, int64_t ahead,
     const float *x, int64_t ldx, int64_t k, int r, float *acc)
{
	enum { MOST = TILE > ACCS ? TILE : ACCS };
	const int64_t row = (f == WF_F32 ? 4 : 2) * PANEL;
	/* the passes r share the bytes to fetch */
	const char *next = w + ahead + r * (k / CHAINS) * row;
	V c[MOST][CHAINS][VPP], b;
	int64_t j;

	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int q = 0; q < C; q++)
		UNROLL
	for (int v = 0; v < VPP; v++)
		c[i][q][v] = v_set(0);
#define STEP_K(q)                                                              \
	do {                                                                   \
		V u[VPP];                                                      \
                                                                               \
		UNROLL                                                         \
		for (int v = 0; v < VPP; v++)                                  \
			u[v] = v_weight(f, w, (j + (q)) * PANEL + v * VL);     \
		UNROLL                                                         \
		for (int i = 0; i < R; i++) {                                  \
			b = v_set(x[i * ldx + j + (q)]);                       \
			UNROLL                                                 \
			for (int v = 0; v < VPP; v++)                          \
				c[i][q][v] = v_fma(b, u[v], c[i][q][v]);       \
		}                                                              \
	} while (0)
	x += r;
	w += r * row;
	for (j = 0; j + r + C <= k; j += CHAINS) {
		UNROLL
		for (int q = 0; q < C; q++)
			__builtin_prefetch(next + (j / CHAINS * C + q) * row);
		UNROLL
		for (int q = 0; q < C; q++)
			STEP_K(q);
	}
	UNROLL
	for (int q = 0; q < C; q++)
		if (j + r + q < k)
			STEP_K(q);
#undef STEP_K
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < VPP; v++) {
		float *to = acc + i * PANEL + v * VL;

		b = v_load(to);
		UNROLL
		for (int q = 0; q < C; q++)
			b = b + c[i][q][v];
		v_store(to, b);
	}
}

/* All chains of R rows. */
INLINE void
rows_of(const int R, const int f, const char *w, int64_t ahead, const float *x,
        int64_t ldx, int64_t k, float *acc)
{
	const int C = R * VPP * 4 <= ACCS ? 4 : R * VPP * 2 <= ACCS ? 2 : 1;

	if (R <= TILE)
		for (int r = 0; r < CHAINS; r += C)
			tile(R, C, f, w, ahead, x, ldx, k, r, acc);
}

/* Any number of rows, in tiles of about equal height. */
INLINE void
tiles(const int f, int64_t rows, const char *w, int64_t ahead, const float *x,
      int64_t ldx, int64_t k, float *acc)
{
	int64_t left = (rows + TILE - 1) / TILE, n;

	for (; left > 0; left--, rows -= n, x += n * ldx, acc += n * PANEL) {
		n = (rows + left - 1) / left;
		switch (n) {
#define CASE(R)                                                                \
	case R:                                                                \
		rows_of(R, f, w, ahead, x, ldx, k, acc);                       \
		break
			CASE(1);
			CASE(2);
			CASE(3);
			CASE(4);
			CASE(5);
			CASE(6);
			CASE(7);
			CASE(8);
			CASE(9);
			CASE(10);
			CASE(11);
			CASE(12);
#undef CASE
		}
		ahead = 0; /* fetched once */
	}
}

typedef void TilesFn(int64_t rows, const char *w, int64_t ahead, const float *x,
                     int64_t ldx, int64_t k, float *acc);

static void
tiles_f32(int64_t rows, const char *w, int64_t ahead, const float *x,
          int64_t ldx, int64_t k, float *acc)
{
	tiles(WF_F32, rows, w, ahead, x, ldx, k, acc);
}

static void
tiles_f16(int64_t rows, const char *w, int64_t ahead, const float *x,
          int64_t ldx, int64_t k, float *acc)
{
	tiles(WF_F16, rows, w, ahead, x, ldx, k, acc);
}

static void
tiles_bf16(int64_t rows, const char *w, int64_t ahead, const float *x,
           int64_t ldx, int64_t k, float *acc)
{
	tiles(WF_BF16, rows, w, ahead, x, ldx, k, acc);
}

/* acc [rows][PANEL] = x [rows, k] . panel, of a float format */
static void
float_sums(WFormat f, const char *panel, const float *x, int64_t rows,
           int64_t k, float *acc)
{
	TilesFn *fn = f == WF_F16    ? tiles_f16
	              : f == WF_BF16 ? tiles_bf16
	                             : tiles_f32;

	memset(acc, 0, (size_t)rows * PANEL * sizeof *acc);
	for (int64_t k0 = 0; k0 < k; k0 += KC) {
		int64_t n = MIN(KC, k - k0), bytes = panel_bytes(f, n);

		fn(rows, panel, bytes, x + k0, k, n, acc);
		panel += bytes;
	}
}

/* Rows of x that fit the second-level cache, in whole tiles. */
static int64_t
band_rows(int64_t k)
{
	int64_t rows = BANDBYTES / (int64_t)sizeof(float) / MAX(k, 1);

	return MIN(BAND, MAX(rows / TILE, 4) * TILE);
}

_Static_assert(BAND % TILE == 0 && BAND >= 4 * TILE, "whole tiles");

/* acc [rows][PANEL] += bias of outputs at.. (or NULL), then act */
static void
bias_act(float *acc, int64_t rows, const float *bias, int64_t n, Act act)
{
	float b[PANEL] = {0};

	if (bias) {
		memcpy(b, bias, (size_t)n * sizeof *b);
		for (int64_t r = 0; r < rows; r++)
			for (int v = 0; v < PANEL; v += VL) {
				float *a = acc + r * PANEL + v;

				v_store(a, v_load(a) + v_load(b + v));
			}
	}
	act_vec(act, acc, rows * PANEL);
}

/* y = acc op other, or acc if there is no other; rows ldy apart, n outputs */
static void
put(float *y, int64_t ldy, const float *acc, int64_t rows, int64_t n,
    const float *res)
{
	for (int64_t r = 0; r < rows; r++, y += ldy, acc += PANEL) {
		if (res)
			for (int64_t i = 0; i < n; i++)
				y[i] = acc[i] + res[r * ldy + i];
		else
			memcpy(y, acc, (size_t)n * sizeof *y);
	}
}

/* x of a step, and as integers if its format asks for them. */
typedef struct Input {
	WFormat f;
	int64_t m, k, bytes; /* of a panel */
	const float *x;
	Rounded rounded;
} Input;

_Static_assert((int)MATMUL_X == GATED_X && (int)MATMUL_FORMAT == GATED_FORMAT &&
                       (int)MATMUL_M == GATED_M && (int)MATMUL_K == GATED_K,
               "input() and matmul_scratch() serve both");

static Input
input(const Step *s, int thread)
{
	const int64_t *d = s->dim;
	WFormat f = (WFormat)d[MATMUL_FORMAT];
	Input in = {f, d[MATMUL_M], d[MATMUL_K], panel_bytes(f, d[MATMUL_K]),
	            s->buf[MATMUL_X]};

	if (wcodec[f].block != 1)
		in.rounded = round_rows(f, in.x, in.m, in.k,
		                        step_scratch(s, thread));
	return in;
}

/* acc [rows][PANEL] = rows r0.. of the input . panel p of w */
static void
panel_sums(const Input *in, const char *w, int64_t p, int64_t r0, int64_t rows,
           float *acc)
{
	w += p * in->bytes;
	if (wcodec[in->f].block != 1)
		int_sums(in->f, w, &in->rounded, r0, rows, in->k, acc);
	else
		float_sums(in->f, w, in->x + r0 * in->k, rows, in->k, acc);
}

void
ISA(matmul)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, n = d[MATMUL_N];
	const float *bias = s->buf[MATMUL_BIAS], *res = s->buf[MATMUL_RES];
	Input in = input(s, thread);
	int64_t band = band_rows(in.k);
	float acc[BAND * PANEL];

	for (int64_t r = 0; r < in.m; r += band)
		for (int64_t p = begin; p < end; p++) {
			int64_t rows = MIN(band, in.m - r), at = p * PANEL;
			int64_t wide = MIN(PANEL, n - at);

			panel_sums(&in, s->buf[MATMUL_W], p, r, rows, acc);
			bias_act(acc, rows, bias ? bias + at : NULL, wide,
			         (Act)d[MATMUL_ACT]);
			put((float *)s->buf[MATMUL_Y] + r * n + at, n, acc,
			    rows, wide, res ? res + r * n + at : NULL);
		}
}

void
ISA(gated)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, n = d[GATED_N];
	const float *gb = s->buf[GATED_GBIAS], *ub = s->buf[GATED_UBIAS];
	Input in = input(s, thread);
	int64_t band = band_rows(in.k);
	float g[BAND * PANEL], u[BAND * PANEL];

	for (int64_t r = 0; r < in.m; r += band)
		for (int64_t p = begin; p < end; p++) {
			int64_t rows = MIN(band, in.m - r), at = p * PANEL;
			int64_t wide = MIN(PANEL, n - at);

			panel_sums(&in, s->buf[GATED_G], p, r, rows, g);
			panel_sums(&in, s->buf[GATED_U], p, r, rows, u);
			bias_act(g, rows, gb ? gb + at : NULL, wide,
			         (Act)d[GATED_ACT]);
			bias_act(u, rows, ub ? ub + at : NULL, wide, ACT_NONE);
			for (int64_t i = 0; i < rows * PANEL; i += VL)
				v_store(g + i, v_load(g + i) * v_load(u + i));
			put((float *)s->buf[GATED_Y] + r * n + at, n, g, rows,
			    wide, NULL);
		}
}

void
ISA(experts)(const Step *s, int64_t begin, int64_t end, int thread)
{
	experts_with(s, begin, end, thread, ISA(matmul), ISA(gated));
}

/* y [k] = lane `row` of a panel of a float format, times mul */
static void
float_row(WFormat f, const char *panel, int64_t row, int64_t k, float mul,
          float *y)
{
	const uint16_t *h = (const uint16_t *)(const void *)panel + row;
	const float *w = (const float *)(const void *)panel + row;

	for (int64_t j = 0; j < k; j++)
		y[j] = f == WF_F32   ? w[j * PANEL]
		       : f == WF_F16 ? f16_to_f32(h[j * PANEL])
		                     : bf16_to_f32(h[j * PANEL]);
	for (int64_t j = 0; j < k; j++)
		y[j] *= mul;
}

void
ISA(embed)(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[EMBED_WIDTH], vocab = s->dim[EMBED_VOCAB];
	const int64_t *ids = s->buf[EMBED_IDS];
	WFormat f = (WFormat)s->dim[EMBED_FORMAT];
	float *y = s->buf[EMBED_Y];

	(void)thread;
	y += begin * width;
	for (int64_t r = begin; r < end; r++, y += width) {
		int64_t id = ids[r] < 0 ? ids[r] + vocab : ids[r];
		const char *w = s->buf[EMBED_TABLE];

		if (id < 0 || id >= vocab) {
			memset(y, 0, (size_t)width * sizeof *y);
			continue;
		}
		w += id / PANEL * panel_bytes(f, width);
		if (wcodec[f].block != 1)
			int_row(f, w, id % PANEL, width, s->num[EMBED_MUL], y);
		else
			float_row(f, w, id % PANEL, width, s->num[EMBED_MUL],
			          y);
	}
}

#endif
