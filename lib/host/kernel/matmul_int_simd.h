/* SPDX-License-Identifier: BSD-3-Clause */
/* matmul_int_simd.h - products with block formats, over vec_*.h.
 *
 * x comes rounded to int8 blocks (Rounded).  A tile of its rows walks along a
 * panel, or two, from the first block to the last: the cells of a block
 * (cells_simd.h) meet the rows, sums in int32, exact, which start at what the
 * offset of the cells adds; then the two steps, in float32, one addition to
 * the output for each block, in order.  A row does not see how many others
 * there are.
 *
 * Few rows make the cells in registers, so that packed bytes are read once
 * and nothing is written but the result.  Many rows share blocks that are
 * made ready beforehand, where making them is what takes long. */

#ifndef MATMUL_INT_SIMD_H
#define MATMUL_INT_SIMD_H

#include <stddef.h>

#include "cells_simd.h"

/* As round_x() does, in vectors; the sum of q too. */
static inline float
round_vec(const float *x, int8_t *q, int32_t *sum)
{
	const V inf = v_set(__builtin_inff());
	V total = v_set(0), by;
	I top = (I)v_set(0);
	float step;

	for (int i = 0; i < BLOCK; i += VL) /* as bits: NaN is above all */
		top = i_max(top, (I)v_abs(v_load(x + i)));
	step = v_top((V)i_min(top, (I)inf));
	*sum = 0;
	if (step > 0x1.fffffep+127f || step < 0x1p-119f)
		return round_x(x, q);
	by = v_set(127 / step);
	for (int i = 0; i < BLOCK; i += VL) {
		V n = v_round(v_load(x + i) * by);

		total = total + n;
		v_store_i8(q + i, n);
	}
	*sum = (int32_t)v_total(total);
	return step / 127;
}

/* Row r of rounded x from x [k]; see Rounded. */
static void
round_row(WFormat f, const float *x, int64_t k, const Rounded *to, int64_t r)
{
	int64_t tall = to->tall, bytes = ROUNDED_BYTES * tall, i = r % tall;
	char *p = to->p + r / tall * to->blocks * bytes;
	float last[BLOCK] = {0};
	int32_t sum;

	if (k % BLOCK)
		memcpy(last, x + k / BLOCK * BLOCK,
		       (size_t)(k % BLOCK) * sizeof *x);
	for (int64_t b = 0; b < to->blocks; b++, p += bytes) {
		const float *t = b < k / BLOCK ? x + b * BLOCK : last;

		rounded_steps(p, tall)[i] =
			round_vec(t, (int8_t *)p + i * BLOCK, &sum);
		rounded_starts(p, tall)[i] = -offset(f) * sum;
	}
}

void
ISA(round)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim;
	Rounded to = rounded(s->buf[ROUND_Y], d[ROUND_M], d[ROUND_K]);
	const float *x = s->buf[ROUND_X];

	(void)thread;
	for (int64_t r = begin; r < end; r++)
		round_row((WFormat)d[ROUND_FORMAT], x + r * d[ROUND_K],
		          d[ROUND_K], &to, r);
}

/* ---- products ---- */

/* A block made ready beforehand, where cells cost more than that. */
typedef struct Ready {
	float step[PANEL];
	int8_t cells[CELLS]; /* with their offset */
} Ready;

INLINE void
ready_of(const WFormat f, const uint8_t *w, Ready *to)
{
	I lo, hi;

	UNROLL
	for (int part = 0; part < parts_of(f); part++, to++) {
		steps_of(f, part, w, to->step);
		UNROLL
		for (int c = 0; c < 4; c++)
			UNROLL
		for (int v = 0; v < VPP; v++) {
			int8_t *p = to->cells + c * 128 + v * VL * 4;

			two_groups(f, part, w + scale_bytes(f), c, v, &lo, &hi);
			memcpy(p, &lo, sizeof lo);
			memcpy(p + 64, &hi, sizeof hi);
		}
	}
}

/* A block, its parts one behind the other. */
static inline void
ready_block(WFormat f, const char *block, Ready *to)
{
	const uint8_t *w = (const uint8_t *)block;

	switch (f) {
	case WF_INT4:
		ready_of(WF_INT4, w, to);
		break;
	case WF_INT4_MIN:
		ready_of(WF_INT4_MIN, w, to);
		break;
	case WF_MXFP4:
		ready_of(WF_MXFP4, w, to);
		break;
	case WF_MXFP6:
		ready_of(WF_MXFP6, w, to);
		break;
	default:
		ready_of(WF_E3M2, w, to);
	}
}

/* How cells meet x: as they are; unsigned; unsigned and so small that the
 * sums of four or of eight products of two fit int16. */
enum { SIGNED, UNSIGNED, TINY, TINIEST };

INLINE int
how_of(const WFormat f)
{
	int most = 2 * offset(f) * 127; /* of a product */

	return !most                                 ? SIGNED
	       : HAS_PAIRS && 16 * most <= INT16_MAX ? TINIEST
	       : HAS_PAIRS && 8 * most <= INT16_MAX  ? TINY
	                                             : UNSIGNED;
}

/* Vectors of a tile: of one panel or two. */
enum { WIDE = PAIR * VPP };

/* s += the products of the cells lo and hi of groups 2 c and 2 c + 1 with R
 * rows from q [BLOCK] on; t: sums in int16 on the way there, where they fit.
 * R, N, how and c are constants after inlining. */
INLINE void
dot_two_groups(const int R, const int N, const int how, const int c,
               const int8_t *q, const I *lo, const I *hi, I s[ITILE][WIDE],
               I t[ITILE][WIDE])
{
	UNROLL
	for (int i = 0; i < R; i++) {
		const int8_t *at = q + i * BLOCK + c * 8;
		I even = i_four(at), odd = i_four(at + 4);

		UNROLL
		for (int v = 0; v < N; v++) {
#if HAS_PAIRS
			if (how >= TINY) {
				I p = i_pairs(even, lo[v]);

				if (c % (how == TINY ? 2 : 4))
					p = i_add_pairs(t[i][v], p);
				t[i][v] = i_add_pairs(p, i_pairs(odd, hi[v]));
				if (c == 3 || (c == 1 && how == TINY))
					s[i][v] = i_fold(s[i][v], t[i][v]);
				continue;
			}
#endif
			s[i][v] = i_dot(how != SIGNED, s[i][v], even, lo[v]);
			s[i][v] = i_dot(how != SIGNED, s[i][v], odd, hi[v]);
		}
	}
	(void)t;
}

/* Rows r.. of x, from its block b0 on, and as many blocks of each panel. */
typedef struct Tile {
	const char *w[PAIR]; /* packed blocks, or Ready ones */
	int64_t blocks;
	int64_t ahead;      /* from w to the bytes to fetch; */
	int64_t over, skip; /* from block `over` on `skip` further */
	const Rounded *x;
	int64_t b0, r;
	float *acc; /* [PAIR][rows][PANEL] */
	int64_t rows;
} Tile;

/* sum += the step of x, `by`, times those of a part of block w of P panels,
 * times its sums with R rows from q on. */
INLINE void
part_sums(const int R, const int P, const WFormat f, const bool ready,
          const int part, const char *const *w, const int8_t *q,
          const int32_t *start, const float *by, V sum[ITILE][WIDE])
{
	const int N = P * VPP;
	I s[ITILE][WIDE], t[ITILE][WIDE], lo[WIDE], hi[WIDE];
	float step[PAIR * PANEL];

	UNROLL
	for (int i = 0; i < P; i++)
		if (ready)
			memcpy(step + i * PANEL, w[i], sizeof(float) * PANEL);
		else
			steps_of(f, part, (const uint8_t *)w[i],
			         step + i * PANEL);
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < N; v++)
		s[i][v] = i_four(start + i);
	UNROLL
	for (int c = 0; c < 4; c++) {
		UNROLL
		for (int v = 0; v < N; v++) {
			const char *p = w[v / VPP];

			if (ready) {
				p += offsetof(Ready, cells) + c * 128 +
				     v % VPP * VL * 4;
				lo[v] = i_load(p);
				hi[v] = i_load(p + 64);
			} else {
				p += scale_bytes(f);
				two_groups(f, part, (const uint8_t *)p, c,
				           v % VPP, &lo[v], &hi[v]);
			}
		}
		dot_two_groups(R, N, how_of(f), c, q, lo, hi, s, t);
	}
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < N; v++)
		sum[i][v] =
			v_fma(v_from(s[i][v]),
		              v_load(step + v * VL) * v_set(by[i]), sum[i][v]);
}

/* acc += R rows of x . P panels; R, P, f and ready are constants after
 * inlining.  Sums stay in registers from the first block to the last.  What
 * comes next is asked of memory a block at a time, while one is at work, so
 * that nobody waits for a run of requests. */
INLINE void
tile_of(const int R, const int P, const WFormat f, const bool ready,
        const Tile *t)
{
	int64_t tall = t->x->tall, bytes = ROUNDED_BYTES * tall;
	int64_t at = t->r % tall;
	int64_t size = ready ? (int64_t)sizeof(Ready) : wcodec[f].bytes;
	char *p = t->x->p + (t->r / tall * t->x->blocks + t->b0) * bytes;
	const char *w[PAIR];
	V sum[ITILE][WIDE];

	for (int i = 0; i < P; i++)
		w[i] = t->w[i];
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < P * VPP; v++)
		sum[i][v] = v_load(t->acc + (v / VPP * t->rows + i) * PANEL +
		                   v % VPP * VL);
	for (int64_t b = 0; b < t->blocks; b++) {
		const int8_t *q = (const int8_t *)p + at * BLOCK;
		const int32_t *start = rounded_starts(p, tall) + at;
		const float *by = rounded_steps(p, tall) + at;
		int64_t ahead = t->ahead + (b < t->over ? 0 : t->skip);

		for (int i = 0; !ready && i < P; i++)
			for (int64_t j = 0; j < size; j += 64)
				__builtin_prefetch(w[i] + ahead + j);
		part_sums(R, P, f, ready, 0, w, q, start, by, sum);
		if (!ready && parts_of(f) == 2)
			part_sums(R, P, f, ready, 1, w, q, start, by, sum);
		for (int i = 0; i < P; i++)
			w[i] += size;
		if (!ready || (b + 1) % parts_of(f) == 0)
			p += bytes;
	}
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < P * VPP; v++)
		v_store(t->acc + (v / VPP * t->rows + i) * PANEL + v % VPP * VL,
		        sum[i][v]);
}

/* Tiles of 1, 2, 4 rows and, where there are registers for them, of 8: one
 * row by itself, more with PAIR panels. */
typedef void TileFn(const Tile *);
enum { SIZES = ITILE == 8 ? 4 : 3 };
typedef TileFn *const TileFns[SIZES];

#define TILE_FN(fn, R, P, f, ready)                                            \
	static void fn(const Tile *t)                                          \
	{                                                                      \
		tile_of(R, P, WF_##f, ready, t);                               \
	}
#if ITILE == 8
#define TILE_8 TILE_FN
#define TILE_FNS(fn)                                                           \
	{                                                                      \
		fn##_1, fn##_2, fn##_4, fn##_8                                 \
	}
#else
#define TILE_8(fn, R, P, f, ready)
#define TILE_FNS(fn)                                                           \
	{                                                                      \
		fn##_1, fn##_2, fn##_4                                         \
	}
#endif
#define ALL_TILES(fn, f, ready)                                                \
	TILE_FN(fn##_1, 1, 1, f, ready)                                        \
	TILE_FN(fn##_2, 2, PAIR, f, ready)                                     \
	TILE_FN(fn##_4, 4, PAIR, f, ready)                                     \
	TILE_8(fn##_8, 8, PAIR, f, ready)
ALL_TILES(int8, INT8, false)
ALL_TILES(mxint8, MXINT8, false)
ALL_TILES(int8_channel, INT8_CHANNEL, false)
ALL_TILES(int4, INT4, false)
ALL_TILES(int4_min, INT4_MIN, false)
ALL_TILES(mxfp4, MXFP4, false)
ALL_TILES(mxfp6, MXFP6, false)
ALL_TILES(e3m2, E3M2, false)
ALL_TILES(ready_int4, INT4, true)
ALL_TILES(ready_int4_min, INT4_MIN, true)
ALL_TILES(ready_mxfp4, MXFP4, true)
ALL_TILES(ready_mxfp6, MXFP6, true)
ALL_TILES(ready_e3m2, E3M2, true)

static TileFns direct_fns[WF_COUNT] = {
	[WF_INT8] = TILE_FNS(int8),
	[WF_MXINT8] = TILE_FNS(mxint8),
	[WF_INT8_CHANNEL] = TILE_FNS(int8_channel),
	[WF_INT4] = TILE_FNS(int4),
	[WF_INT4_MIN] = TILE_FNS(int4_min),
	[WF_MXFP4] = TILE_FNS(mxfp4),
	[WF_MXFP6] = TILE_FNS(mxfp6),
	[WF_E3M2] = TILE_FNS(e3m2),
};

static TileFns ready_fns[WF_COUNT] = {
	[WF_INT4] = TILE_FNS(ready_int4),
	[WF_INT4_MIN] = TILE_FNS(ready_int4_min),
	[WF_MXFP4] = TILE_FNS(ready_mxfp4),
	[WF_MXFP6] = TILE_FNS(ready_mxfp6),
	[WF_E3M2] = TILE_FNS(ready_e3m2),
};

/* All rows of t with n panels. */
static void
all_rows(TileFn *const *fn, int n, const Tile *t)
{
	Tile u = *t;

	for (int64_t left = t->rows, some; left > 0; left -= some) {
		int size = SIZES - 1;

		while (1 << size > left)
			size--;
		some = 1 << size;
		if (size > 0)
			fn[size](&u);
		for (int i = 0; size == 0 && i < n; i++) {
			Tile one = u;

			one.w[0] = u.w[i];
			one.acc += i * u.rows * PANEL;
			fn[0](&one);
		}
		u.r += some;
		u.acc += some * PANEL;
		u.ahead = u.skip = 0; /* fetched once */
	}
}

/* Bytes fetched ahead; blocks made ready at once, for more rows than meet a
 * block as it is: two tiles of 8 hide what the cells take, two of 4 do not. */
enum { AHEAD = 8192, CHUNK = 16, DIRECT = ITILE == 8 ? 16 : ITILE };

static void
make_ready(WFormat f, const char *w, int64_t blocks, Ready *to)
{
	int64_t bytes = wcodec[f].bytes;

	for (int64_t b = 0; b < blocks; b++, w += bytes) {
		for (int64_t i = 0; i < bytes; i += 64)
			__builtin_prefetch(w + AHEAD + i);
		ready_block(f, w, to);
		to += parts_of(f);
	}
}

/* acc [rows][PANEL], sums of a panel, by the steps before its blocks. */
static void
head_steps(WFormat f, const char *panel, int64_t rows, float *acc)
{
	if (!head_bytes(f))
		return;
	for (int v = 0; v < PANEL; v += VL) {
		V by = v_load((const float *)(const void *)panel + v);

		for (int64_t r = 0; r < rows; r++)
			v_store(acc + r * PANEL + v,
			        v_load(acc + r * PANEL + v) * by);
	}
}

/* acc [PANEL] = row r of x . panel w */
static void
one_row_sums(WFormat f, const char *w, const Rounded *x, int64_t r, float *acc)
{
	Tile t = {{w + head_bytes(f)}, x->blocks, AHEAD, 0, 0, x, 0, r, acc, 1};

	for (int v = 0; v < PANEL; v += VL)
		v_store(acc + v, v_set(0));
	direct_fns[f][0](&t);
	head_steps(f, w, 1, acc);
}

/* acc [n][rows][PANEL] = rows r0.. of x . panels w[0..n), n <= PAIR, and room
 * for PAIR */
static void
row_sums(WFormat f, const char *const *w, int n, const Rounded *x, int64_t r0,
         int64_t rows, float *acc)
{
	int64_t head = head_bytes(f), bytes = wcodec[f].bytes, some;
	int64_t all = head + x->blocks * bytes, ahead = MIN(AHEAD / PAIR, all);
	Tile t = {.blocks = x->blocks,
	          .x = x,
	          .r = r0,
	          .acc = acc,
	          .rows = rows};
	Ready c[PAIR][CHUNK];

	memset(acc, 0, (size_t)(PAIR * rows) * PANEL * sizeof *acc);
	/* two streams may take every second panel each */
	t.ahead = ahead;
	t.over = x->blocks - ahead / bytes;
	t.skip = n == 2 && w[1] - w[0] == all ? all : 0;
	for (int i = 0; i < PAIR; i++) /* the last one may be twice the same */
		t.w[i] = w[MIN(i, n - 1)] + head;
	if (rows <= DIRECT || !ready_fns[f][0])
		all_rows(direct_fns[f], n, &t);
	else
		for (t.b0 = 0; t.b0 < x->blocks; t.b0 += some) {
			some = MIN(CHUNK / parts_of(f), x->blocks - t.b0);
			t.blocks = some * parts_of(f);
			for (int i = 0; i < PAIR; i++) {
				const char *from = w[MIN(i, n - 1)] + head;

				make_ready(f, from + t.b0 * bytes, some, c[i]);
				t.w[i] = (const char *)c[i];
			}
			all_rows(ready_fns[f], n, &t);
		}
	for (int i = 0; i < n; i++)
		head_steps(f, w[i], rows, acc + i * rows * PANEL);
}

static void
int_sums(WFormat f, const char *const *w, int n, const Rounded *x, int64_t r,
         int64_t rows, float *acc)
{
	if (rows > 1)
		row_sums(f, w, n, x, r, rows, acc);
	else
		for (int i = 0; i < n; i++)
			one_row_sums(f, w[i], x, r, acc + i * PANEL);
}

/* y [k] = lane `row` of a panel, times mul */
static void
int_row(WFormat f, const char *panel, int64_t row, int64_t k, float mul,
        float *y)
{
	const uint8_t *p = (const uint8_t *)panel + head_bytes(f);
	float all = head_step(f, panel, row);
	int16_t q[CELLS];

	for (int64_t j = 0; j < k; j += BLOCK, p += wcodec[f].bytes) {
		float step = step_of(f, p, row);

		block_values(f, p, q);
		for (int64_t i = j; i < MIN(k, j + BLOCK); i++)
			y[i] = step * q[cell(row, i)] * all * mul;
	}
}

#endif
