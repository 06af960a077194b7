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
 * ahead, each tile its share: all at once would wait for memory. */

#ifndef MATMUL_SIMD_H
#define MATMUL_SIMD_H

enum {
	KC = 512, /* a multiple of CHAINS and of every format's block */
	CHAINS = 4,
	BAND = 192,            /* rows of x at a time, at most */
	BANDBYTES = 576 << 10, /* and their size */
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

/* Chains [r, r + C) of x [R, k] . block of P panels: added to acc
 * [P][rows][PANEL].  w: k <= KC inputs of each panel in format f, a float
 * format; x: rows ldx apart; next: what to fetch, `step` bytes for each
 * input.  R, C, P and f are constants after inlining. */
typedef struct Block {
	const char *w[PAIR], *next[PAIR];
	int64_t step, k, ldx, rows;
	const float *x;
	float *acc;
} Block;

INLINE void
tile(const int R, const int C, const int P, const int f, const Block *t, int r)
{
	enum { MOST = TILE > ACCS ? TILE : ACCS };
	const int64_t row = (f == WF_F32 ? 4 : 2) * PANEL;
	const float *x = t->x + r;
	int64_t first = r * (t->k / CHAINS); /* passes share the fetching */
	V c[MOST][CHAINS][PAIR * VPP], b;
	int64_t j;

	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int q = 0; q < C; q++)
		UNROLL
	for (int v = 0; v < P * VPP; v++)
		c[i][q][v] = v_set(0);
#define STEP_K(q)                                                              \
	do {                                                                   \
		V u[PAIR * VPP];                                               \
                                                                               \
		UNROLL                                                         \
		for (int v = 0; v < P * VPP; v++)                              \
			u[v] = v_weight(f, t->w[v / VPP] + r * row,            \
			                (j + (q)) * PANEL + v % VPP * VL);     \
		UNROLL                                                         \
		for (int i = 0; i < R; i++) {                                  \
			b = v_set(x[i * t->ldx + j + (q)]);                    \
			UNROLL                                                 \
			for (int v = 0; v < P * VPP; v++)                      \
				c[i][q][v] = v_fma(b, u[v], c[i][q][v]);       \
		}                                                              \
	} while (0)
	for (j = 0; j + r + C <= t->k; j += CHAINS) {
		UNROLL
		for (int q = 0; q < P * C; q++)
			__builtin_prefetch(t->next[q / C] +
			                   (first + j / CHAINS * C + q % C) *
			                           t->step);
		UNROLL
		for (int q = 0; q < C; q++)
			STEP_K(q);
	}
	UNROLL
	for (int q = 0; q < C; q++)
		if (j + r + q < t->k)
			STEP_K(q);
#undef STEP_K
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < P * VPP; v++) {
		float *to = t->acc + v / VPP * t->rows * PANEL + i * PANEL +
		            v % VPP * VL;

		b = v_load(to);
		UNROLL
		for (int q = 0; q < C; q++)
			b = b + c[i][q][v];
		v_store(to, b);
	}
}

/* All chains of R rows. */
INLINE void
rows_of(const int R, const int P, const int f, const Block *t)
{
	const int N = R * P * VPP;
	const int C = N * 4 <= ACCS ? 4 : N * 2 <= ACCS ? 2 : 1;

	if (R <= TILE)
		for (int r = 0; r < CHAINS; r += C)
			tile(R, C, P, f, t, r);
}

/* Any number of rows, in tiles of about equal height. */
INLINE void
tiles(const int P, const int f, Block *t)
{
	const int64_t row = (f == WF_F32 ? 4 : 2) * PANEL;
	int64_t rows = t->rows, left = (rows + TILE - 1) / TILE, n;

	t->step = (row + left - 1) / left;
	for (; left > 0; left--, rows -= n) {
		n = (rows + left - 1) / left;
		switch (n) {
#define CASE(R)                                                                \
	case R:                                                                \
		rows_of(R, P, f, t);                                           \
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
		t->x += n * t->ldx;
		t->acc += n * PANEL;
		for (int i = 0; i < P; i++)
			t->next[i] += t->k * t->step;
	}
}

typedef void TilesFn(Block *);

#define TILES(fn, P, f)                                                        \
	static void fn(Block *t)                                               \
	{                                                                      \
		tiles(P, f, t);                                                \
	}

TILES(one_f32, 1, WF_F32)
TILES(one_f16, 1, WF_F16)
TILES(one_bf16, 1, WF_BF16)
TILES(pair_f32, PAIR, WF_F32)
TILES(pair_f16, PAIR, WF_F16)
TILES(pair_bf16, PAIR, WF_BF16)

static TilesFn *const tiles_fn[][2] = {
	[WF_F32] = {one_f32, pair_f32},
	[WF_F16] = {one_f16, pair_f16},
	[WF_BF16] = {one_bf16, pair_bf16},
};

/* acc [n][rows][PANEL] = x [rows, k] . panels w[0..n), of a float format */
static void
float_sums(WFormat f, const char *const *w, int n, const float *x, int64_t rows,
           int64_t k, float *acc)
{
	int64_t done = 0, panel = panel_bytes(f, k), bytes;
	/* panels side by side are followed by as many */
	int64_t beyond = n > 1 && w[1] == w[0] + panel ? panel : 0;

	memset(acc, 0, (size_t)(n * rows) * PANEL * sizeof *acc);
	for (int64_t k0 = 0; k0 < k; k0 += KC) {
		Block t = {.k = MIN(KC, k - k0),
		           .ldx = k,
		           .rows = rows,
		           .x = x + k0,
		           .acc = acc};

		bytes = panel_bytes(f, t.k);
		for (int i = 0; i < n; i++) {
			t.w[i] = w[i] + done;
			t.next[i] = t.w[i] + bytes +
			            (done + bytes == panel ? beyond : 0);
		}
		tiles_fn[f][n > 1](&t);
		done += bytes;
	}
}

_Static_assert(BAND % TILE == 0 && BAND >= 4 * TILE, "whole tiles");
_Static_assert(BAND % ROUNDED_ROWS == 0 && ROUNDED_ROWS % ITILE == 0,
               "whole tiles");

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

/* x of a step, or as integers if its format asks for them. */
typedef struct Input {
	WFormat f;
	int64_t m, k, bytes; /* of a panel */
	const float *x;
	Rounded rounded;
} Input;

_Static_assert((int)MATMUL_X == GATED_X && (int)MATMUL_FORMAT == GATED_FORMAT &&
                       (int)MATMUL_M == GATED_M && (int)MATMUL_K == GATED_K &&
                       (int)MATMUL_ROUNDED == GATED_ROUNDED,
               "input() and matmul_scratch() serve both");

static Input
input(const Step *s, int thread)
{
	const int64_t *d = s->dim;
	WFormat f = (WFormat)d[MATMUL_FORMAT];
	Input in = {f, d[MATMUL_M], d[MATMUL_K], panel_bytes(f, d[MATMUL_K]),
	            s->buf[MATMUL_X]};

	if (d[MATMUL_ROUNDED]) {
		in.rounded = rounded(s->buf[MATMUL_X], in.m, in.k);
	} else if (wformat_rounds(f)) {
		in.rounded = rounded(step_scratch(s, thread), in.m, in.k);
		for (int64_t r = 0; r < in.m; r++)
			round_row(f, in.x + r * in.k, in.k, &in.rounded, r);
	}
	return in;
}

/* Rows of x that meet a panel at a time: in whole tiles, what fits the
 * second-level cache, in bands of about equal height. */
static int64_t
band_rows(WFormat f, int64_t m, int64_t k)
{
	bool ints = wformat_rounds(f);
	int64_t row = MAX(k, 1) * (ints ? 1 : (int)sizeof(float));
	int64_t tile = ints ? ROUNDED_ROWS : TILE;
	int64_t most = MIN(BAND, MAX(BANDBYTES / row / tile, 4) * tile);
	int64_t bands = MAX((m + most - 1) / most, 1);

	return MAX((m + bands - 1) / bands + tile - 1, tile) / tile * tile;
}

/* acc [n][rows][PANEL] = rows r0.. of the input . panels */
static void
panel_sums(const Input *in, const char *const *w, int n, int64_t r0,
           int64_t rows, float *acc)
{
	if (wformat_rounds(in->f))
		int_sums(in->f, w, n, &in->rounded, r0, rows, acc);
	else
		float_sums(in->f, w, n, in->x + r0 * in->k, rows, in->k, acc);
}

void
ISA(matmul)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, n = d[MATMUL_N];
	const float *bias = s->buf[MATMUL_BIAS], *res = s->buf[MATMUL_RES];
	const char *w = s->buf[MATMUL_W];
	Input in = input(s, thread);
	int64_t band = band_rows(in.f, in.m, in.k), pair = in.m > 1 ? PAIR : 1,
		some;
	float acc[PAIR * BAND * PANEL];

	for (int64_t r = 0; r < in.m; r += band)
		for (int64_t p = begin; p < end; p += some) {
			const char *at[] = {w + p * in.bytes,
			                    w + (p + 1) * in.bytes};
			int64_t rows = MIN(band, in.m - r);

			some = end - p < pair ? 1 : pair;
			panel_sums(&in, at, (int)some, r, rows, acc);
			for (int64_t i = p; i < p + some; i++) {
				float *a = acc + (i - p) * rows * PANEL;
				int64_t j = i * PANEL, wide = MIN(PANEL, n - j);

				bias_act(a, rows, bias ? bias + j : NULL, wide,
				         (Act)d[MATMUL_ACT]);
				put((float *)s->buf[MATMUL_Y] + r * n + j, n, a,
				    rows, wide, res ? res + r * n + j : NULL);
			}
		}
}

/* acc [2][rows][PANEL]: both products of a panel */
static void
gated_sums(const Step *s, const Input *in, int64_t p, int64_t r, int64_t rows,
           float *acc)
{
	const char *w[] = {(const char *)s->buf[GATED_G] + p * in->bytes,
	                   (const char *)s->buf[GATED_U] + p * in->bytes};

	if (PAIR == 2 && in->m > 1) {
		panel_sums(in, w, 2, r, rows, acc);
		return;
	}
	panel_sums(in, w, 1, r, rows, acc);
	panel_sums(in, w + 1, 1, r, rows, acc + rows * PANEL);
}

void
ISA(gated)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, n = d[GATED_N];
	const float *gb = s->buf[GATED_GBIAS], *ub = s->buf[GATED_UBIAS];
	Input in = input(s, thread);
	int64_t band = band_rows(in.f, in.m, in.k);
	float g[2 * BAND * PANEL];

	for (int64_t r = 0; r < in.m; r += band)
		for (int64_t p = begin; p < end; p++) {
			int64_t rows = MIN(band, in.m - r), at = p * PANEL;
			int64_t wide = MIN(PANEL, n - at);
			float *u = g + rows * PANEL;

			gated_sums(s, &in, p, r, rows, g);
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
		if (wformat_rounds(f))
			int_row(f, w, id % PANEL, width, s->num[EMBED_MUL], y);
		else
			float_row(f, w, id % PANEL, width, s->num[EMBED_MUL],
			          y);
	}
}

#endif
