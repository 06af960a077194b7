/* SPDX-License-Identifier: BSD-3-Clause */
/* matmul_int_simd.h - products with block formats, over vec_*.h.
 *
 * x comes rounded to int8 blocks (Rounded).  Instructions that multiply bytes
 * want one factor unsigned: weights have a number added (offset), and sums
 * start at what that adds, taken away: - offset * (sum of q).  Some blocks of
 * a panel are brought to int8 cells (blocks.h) and meet every row: sums in
 * int32, exact; then the two steps, in float32, one addition to the output
 * for each block, in order.  A row does not see how many others there are. */

#ifndef MATMUL_INT_SIMD_H
#define MATMUL_INT_SIMD_H

#include "blocks.h"

/* What is added to the numbers of a format. */
INLINE int
offset(WFormat f)
{
	switch (f) {
	case WF_INT4:
		return NARROW_UNSIGNED ? 8 : 0;
	case WF_INT4_MIN:
		return NARROW_UNSIGNED ? 15 : 0;
	case WF_MXFP4:
		return NARROW_UNSIGNED ? 12 : 0;
	case WF_E3M2:
		return NARROW_UNSIGNED ? 56 : 0;
	case WF_MXFP6:
		return NARROW_UNSIGNED ? 60 : 0;
	default:
		return WIDE_UNSIGNED ? 128 : 0;
	}
}

/* As round_x() does, in vectors; the sum of q too. */
static inline float
round_vec(const float *x, int8_t *q, int32_t *sum)
{
	typedef int32_t S __attribute__((vector_size(4 * VL)));
	int32_t each[VL], most = 0;
	V total = v_set(0), by;
	S top = {0};
	float step;

	for (int i = 0; i < BLOCK; i += VL) { /* as bits: NaN is above all */
		S bits = (S)v_abs(v_load(x + i)), more = bits > top;

		top = (bits & more) | (top & ~more);
	}
	memcpy(each, &top, sizeof each);
	for (int i = 0; i < VL; i++)
		most = MAX(most, each[i]);
	step = bits_float((uint32_t)most);
	*sum = 0;
	if (most >= 0x7f800000 || step < 0x1p-119f)
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

/* ---- cells ---- */

/* Numbers of a nibble format, with their offset.  high: the other two bits
 * of mxfp6, at `bit` and above it. */
INLINE B
numbers(const int f, B low, B high, const int bit)
{
	enum { O4 = NARROW_UNSIGNED ? 12 : 0, O6 = NARROW_UNSIGNED ? 60 : 0 };
#define N(v) (uint8_t)(O4 + (v))
	static const uint8_t fp4[] = {N(0),  N(1),  N(2),  N(3),  N(4),  N(6),
	                              N(8),  N(12), N(0),  N(-1), N(-2), N(-3),
	                              N(-4), N(-6), N(-8), N(-12)};
#undef N
#define N(v) (uint8_t)(O6 + (v))
	static const uint8_t fp6[] = {N(16), N(18), N(20), N(22), N(24), N(26),
	                              N(28), N(30), N(32), N(36), N(40), N(44),
	                              N(48), N(52), N(56), N(60)};
#undef N
	B v;

	if (f == WF_INT4)
		return low + (uint8_t)(offset(WF_INT4) - 8);
	if (f == WF_MXFP4)
		return b_lookup(fp4, low);
	v = b_pick(low + (uint8_t)O6, b_lookup(fp6, low), high, bit);
	return b_pick(v, (uint8_t)(2 * O6) - v, high, bit + 1);
}

/* The same for a part of e3m2: a number is zero in the other one. */
INLINE B
part_numbers(B low, B high, const int bit, const int part)
{
	enum { O = NARROW_UNSIGNED ? 56 : 0 };
#define N(v) (uint8_t)(O + (v))
	static const uint8_t large[] = {N(4),  N(5),  N(6),  N(7),
	                                N(8),  N(10), N(12), N(14),
	                                N(16), N(20), N(24), N(28),
	                                N(32), N(40), N(48), N(56)};
	static const uint8_t small[] = {N(0),  N(1),  N(2),  N(3),
	                                N(4),  N(5),  N(6),  N(7),
	                                N(8),  N(10), N(12), N(14),
	                                N(16), N(20), N(24), N(28)};
#undef N
	B zero = low * 0 + (uint8_t)O, v;

	v = part ? b_pick(b_lookup(small, low), zero, high, bit)
	         : b_pick(zero, b_lookup(large, low), high, bit);
	return b_pick(v, (uint8_t)(2 * O) - v, high, bit + 1);
}

/* Cells of groups 2 c and 2 c + 1 of a block, with their offset: the v-th
 * vectors of the two, of a part of the numbers.  p: after the scales; f and
 * part are constants after inlining. */
INLINE void
two_groups(const int f, const int part, const uint8_t *p, int c, int v, I *lo,
           I *hi)
{
	const uint8_t *h = p + CELLS / 2 + v * VL * 4;
	B x, y, u = {0}, w = {0};

	if (f == WF_INT8 || f == WF_MXINT8 || f == WF_INT8_CHANNEL) {
		x = (B)i_load(p + c * 128 + v * VL * 4);
		y = (B)i_load(p + c * 128 + 64 + v * VL * 4);
		*lo = (I)(x ^ (uint8_t)offset(f));
		*hi = (I)(y ^ (uint8_t)offset(f));
		return;
	}
	if (f == WF_INT4_MIN) {
		U low = (U)i_widen(p + v * VL) * 0x01010101;

		u = (uint8_t)offset(f) - (B)low;
		x = (B)i_load(p + PANEL + c * 64 + v * VL * 4);
		*lo = (I)((x & 15) + u);
		*hi = (I)((x >> 4) + u);
		return;
	}
	x = (B)i_load(p + c * 64 + v * VL * 4);
	if (f == WF_MXFP6 || f == WF_E3M2) {
		u = (B)i_load(h);
		w = (B)i_load(h + 64);
	}
	if (f == WF_E3M2) {
		*lo = (I)part_numbers(x & 15, u, 2 * c, part);
		*hi = (I)part_numbers(x >> 4, w, 2 * c, part);
		return;
	}
	*lo = (I)numbers(f, x & 15, u, 2 * c);
	*hi = (I)numbers(f, x >> 4, w, 2 * c);
}

INLINE void
cells_of(const int f, const int part, const uint8_t *p, int8_t *q)
{
	I lo, hi;

	UNROLL
	for (int c = 0; c < 4; c++)
		UNROLL
	for (int v = 0; v < VPP; v++) {
		two_groups(f, part, p, c, v, &lo, &hi);
		memcpy(q + c * 128 + v * VL * 4, &lo, sizeof lo);
		memcpy(q + c * 128 + 64 + v * VL * 4, &hi, sizeof hi);
	}
}

/* Cells of a block: where they lie, or in q. */
static inline const int8_t *
cells_vec(WFormat f, int part, const uint8_t *block, int8_t *q)
{
	const uint8_t *p = block + scale_bytes(f);

	switch (f) {
	case WF_INT4:
		cells_of(WF_INT4, 0, p, q);
		return q;
	case WF_INT4_MIN:
		cells_of(WF_INT4_MIN, 0, p, q);
		return q;
	case WF_MXFP4:
		cells_of(WF_MXFP4, 0, p, q);
		return q;
	case WF_MXFP6:
		cells_of(WF_MXFP6, 0, p, q);
		return q;
	case WF_E3M2:
		if (part)
			cells_of(WF_E3M2, 1, p, q);
		else
			cells_of(WF_E3M2, 0, p, q);
		return q;
	default:
		if (!WIDE_UNSIGNED)
			return (const int8_t *)p;
		cells_of(WF_INT8, 0, p, q);
		return q;
	}
}

/* VL scales e8m0: see e8m0() */
static inline V
v_e8m0(const uint8_t *p)
{
	U e = (U)i_widen(p), odd = (U)(e == 0) | (U)(e == 255);
	U bits = e << 23 | (odd & 0x00400000);

	return (V)bits;
}

/* ---- products ---- */

static inline void
steps_of(WFormat f, int part, const uint8_t *block, float *step)
{
	V unit = v_set(mx_unit(f) * (part < parts_of(f) - 1 ? LARGE : 1));

	for (int v = 0; v < PANEL; v += VL)
		if (f == WF_INT8_CHANNEL)
			v_store(step + v, v_set(1));
		else if (has_e8m0(f))
			v_store(step + v, v_e8m0(block + v) * unit);
		else
			v_store(step + v, v_load_f16(block + 2 * v));
}

/* Some blocks of a panel, ready to be multiplied, each part as a block. */
enum { CHUNK = 16 };
typedef struct Chunk {
	const int8_t *at[CHUNK]; /* cells: below, or in the panel */
	float step[CHUNK][PANEL];
	int8_t cells[CHUNK][CELLS];
} Chunk;

static void
fill(Chunk *c, WFormat f, const uint8_t *p, int64_t blocks)
{
	enum { AHEAD = 4096 }; /* bytes */
	int64_t bytes = wcodec[f].bytes;

	for (int64_t b = 0; b < blocks; p += bytes) {
		for (int64_t i = 0; i < bytes; i += 64)
			__builtin_prefetch(p + AHEAD + i);
		for (int part = 0; part < parts_of(f); part++, b++) {
			c->at[b] = cells_vec(f, part, p, c->cells[b]);
			steps_of(f, part, p, c->step[b]);
		}
	}
}

/* How cells meet x: as they are; unsigned; unsigned and so small that the
 * sums of four or of eight products of two fit int16. */
enum { SIGNED, UNSIGNED, TINY, TINIEST };

INLINE int
how_of(WFormat f)
{
	int most = 2 * offset(f) * 127; /* of a product */

	return !most                    ? SIGNED
	       : 16 * most <= INT16_MAX ? TINIEST
	       : 8 * most <= INT16_MAX  ? TINY
	                                : UNSIGNED;
}

/* s += the products of group g of a block with R rows q [BLOCK]: cells of P
 * panels.  R, P and how are constants after inlining. */
INLINE void
dot_group(const int R, const int P, const int how, const int8_t *const *cells,
          int g, const int8_t *q, I s[ITILE][PAIR * VPP])
{
	I c[PAIR * VPP];

	UNROLL
	for (int v = 0; v < P * VPP; v++)
		c[v] = i_load(cells[v / VPP] + g * 64 + v % VPP * VL * 4);
	UNROLL
	for (int i = 0; i < R; i++) {
		I four = i_four(q + i * BLOCK + g * 4);

		UNROLL
		for (int v = 0; v < P * VPP; v++)
			s[i][v] = i_dot(how != SIGNED, s[i][v], four, c[v]);
	}
}

#if HAS_PAIRS
/* The same for groups [g0, g1): int16 sums, widened once. */
INLINE void
pair_groups(const int R, const int P, int g0, int g1,
            const int8_t *const *cells, const int8_t *q, I s[ITILE][PAIR * VPP])
{
	I t[ITILE][PAIR * VPP], c[PAIR * VPP];

	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < P * VPP; v++)
		t[i][v] = i_zero();
	UNROLL
	for (int g = g0; g < g1; g++) {
		UNROLL
		for (int v = 0; v < P * VPP; v++)
			c[v] = i_load(cells[v / VPP] + g * 64 +
			              v % VPP * VL * 4);
		UNROLL
		for (int i = 0; i < R; i++) {
			I four = i_four(q + i * BLOCK + g * 4);

			UNROLL
			for (int v = 0; v < P * VPP; v++) {
				I p = i_pairs(four, c[v]);

				t[i][v] = i_add_pairs(t[i][v], p);
			}
		}
	}
	UNROLL
	for (int i = 0; i < R; i++) {
		UNROLL
		for (int v = 0; v < P * VPP; v++)
			s[i][v] = i_fold(s[i][v], t[i][v]);
	}
}
#endif

/* acc [P][rows][PANEL] of R rows from r on += the sums of `blocks` blocks;
 * `parts` of them meet a block of x. */
INLINE void
int_tile(const int R, const int P, const int how, const Chunk *c,
         int64_t blocks, int parts, const Rounded *x, int64_t b0, int64_t r,
         float *acc, int64_t rows)
{
	int64_t tall = x->tall, bytes = ROUNDED_BYTES * tall, at = r % tall;
	char *p = x->p + (r / tall * x->blocks + b0) * bytes;
	I s[ITILE][PAIR * VPP];

	for (int64_t b = 0; b < blocks; b++, p += b % parts ? 0 : bytes) {
		const int8_t *q = (const int8_t *)p + at * BLOCK;
		const int8_t *const cells[] = {c[0].at[b], c[P - 1].at[b]};

		UNROLL
		for (int i = 0; i < R; i++) {
			UNROLL
			for (int v = 0; v < P * VPP; v++)
				s[i][v] = i_four(rounded_starts(p, tall) + at +
				                 i);
		}
#if HAS_PAIRS
		if (how == TINIEST)
			pair_groups(R, P, 0, 8, cells, q, s);
		if (how == TINY) {
			pair_groups(R, P, 0, 4, cells, q, s);
			pair_groups(R, P, 4, 8, cells, q, s);
		}
#endif
		UNROLL
		for (int g = 0; g < BLOCK / 4; g++)
			if (!HAS_PAIRS || how < TINY)
				dot_group(R, P, how, cells, g, q, s);
		UNROLL
		for (int i = 0; i < R; i++) {
			V by = v_set(rounded_steps(p, tall)[at + i]);

			UNROLL
			for (int v = 0; v < P * VPP; v++) {
				float *to = acc + v / VPP * rows * PANEL +
				            i * PANEL + v % VPP * VL;
				V w = v_load(c[v / VPP].step[b] + v % VPP * VL);

				v_store(to, v_fma(v_from(s[i][v]), w * by,
				                  v_load(to)));
			}
		}
	}
}

/* All rows [r0, r0 + rows) of x in tiles. */
INLINE void
int_tiles(const int P, const int how, const Chunk *c, int64_t blocks, int parts,
          const Rounded *x, int64_t b0, int64_t r0, int64_t rows, float *acc)
{
	int64_t r = 0;

	for (; r + ITILE <= rows; r += ITILE)
		int_tile(ITILE, P, how, c, blocks, parts, x, b0, r0 + r,
		         acc + r * PANEL, rows);
	for (; r + 2 <= rows; r += 2)
		int_tile(2, P, how, c, blocks, parts, x, b0, r0 + r,
		         acc + r * PANEL, rows);
	for (; r < rows; r++)
		int_tile(1, P, how, c, blocks, parts, x, b0, r0 + r,
		         acc + r * PANEL, rows);
}

INLINE void
int_panels(const int P, WFormat f, const Chunk *c, int64_t blocks,
           const Rounded *x, int64_t b0, int64_t r0, int64_t rows, float *acc)
{
	int parts = parts_of(f);

	switch (how_of(f)) {
	case SIGNED:
		int_tiles(P, SIGNED, c, blocks, parts, x, b0, r0, rows, acc);
		break;
	case UNSIGNED:
		int_tiles(P, UNSIGNED, c, blocks, parts, x, b0, r0, rows, acc);
		break;
	case TINY:
		int_tiles(P, TINY, c, blocks, parts, x, b0, r0, rows, acc);
		break;
	default:
		int_tiles(P, TINIEST, c, blocks, parts, x, b0, r0, rows, acc);
	}
}

/* s = the sums of a part of block w with q, from `start` on. */
INLINE void
one_block(const int f, const int part, const uint8_t *w, const int8_t *q,
          const int32_t *start, I *s)
{
	const int how = how_of(f);
	I lo, hi;

	UNROLL
	for (int v = 0; v < VPP; v++)
		s[v] = i_four(start);
	UNROLL
	for (int c = 0; c < 4; c++)
		UNROLL
	for (int v = 0; v < VPP; v++) {
		I even = i_four(q + c * 8), odd = i_four(q + c * 8 + 4);

		two_groups(f, part, w + scale_bytes(f), c, v, &lo, &hi);
#if HAS_PAIRS
		if (how >= TINY) {
			lo = i_add_pairs(i_pairs(even, lo), i_pairs(odd, hi));
			s[v] = i_fold(s[v], lo);
			continue;
		}
#endif
		s[v] = i_dot(how != SIGNED, s[v], even, lo);
		s[v] = i_dot(how != SIGNED, s[v], odd, hi);
	}
}

/* acc [PANEL] = row r of x . panel, cells staying in registers; f is a
 * constant after inlining. */
INLINE void
one_row(const int f, const char *panel, const Rounded *x, int64_t r, float *acc)
{
	enum { AHEAD = 4096 }; /* bytes */
	int64_t bytes = ROUNDED_BYTES * x->tall, at = r % x->tall;
	char *p = x->p + r / x->tall * x->blocks * bytes;
	const uint8_t *w = (const uint8_t *)panel;
	V sum[VPP];

	for (int v = 0; v < VPP; v++)
		sum[v] = v_set(0);
	for (int64_t b = 0; b < x->blocks;
	     b++, p += bytes, w += wcodec[f].bytes) {
		const int8_t *q = (const int8_t *)p + at * BLOCK;
		float by = rounded_steps(p, x->tall)[at], step[PANEL];
		I s[VPP];

		for (int i = 0; i < wcodec[f].bytes; i += 64)
			__builtin_prefetch(w + AHEAD + i);
		UNROLL
		for (int part = 0; part < parts_of(f); part++) {
			steps_of(f, part, w, step);
			one_block(f, part, w, q,
			          rounded_starts(p, x->tall) + at, s);
			UNROLL
			for (int v = 0; v < VPP; v++)
				sum[v] =
					v_fma(v_from(s[v]),
				              v_load(step + v * VL) * v_set(by),
				              sum[v]);
		}
	}
	for (int v = 0; v < VPP; v++)
		v_store(acc + v * VL, sum[v]);
}

static void
int_row_sums(WFormat f, const char *w, const Rounded *x, int64_t r, float *acc)
{
	switch (f) {
	case WF_INT4:
		one_row(WF_INT4, w, x, r, acc);
		break;
	case WF_INT4_MIN:
		one_row(WF_INT4_MIN, w, x, r, acc);
		break;
	case WF_MXFP4:
		one_row(WF_MXFP4, w, x, r, acc);
		break;
	case WF_E3M2:
		one_row(WF_E3M2, w, x, r, acc);
		break;
	case WF_MXFP6:
		one_row(WF_MXFP6, w, x, r, acc);
		break;
	case WF_INT8_CHANNEL:
		one_row(WF_INT8_CHANNEL, w, x, r, acc);
		break;
	case WF_MXINT8:
		one_row(WF_MXINT8, w, x, r, acc);
		break;
	default:
		one_row(WF_INT8, w, x, r, acc);
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

/* acc [n][rows][PANEL] = rows r0.. of x . panels w[0..n), n <= PAIR */
static void
int_sums(WFormat f, const char *const *w, int n, const Rounded *x, int64_t r0,
         int64_t rows, float *acc)
{
	int64_t bytes = wcodec[f].bytes, head = head_bytes(f);
	int parts = parts_of(f);
	Chunk c[PAIR];

	if (rows == 1) {
		for (int i = 0; i < n; i++) {
			int_row_sums(f, w[i] + head, x, r0, acc + i * PANEL);
			head_steps(f, w[i], 1, acc + i * PANEL);
		}
		return;
	}
	memset(acc, 0, (size_t)(n * rows) * PANEL * sizeof *acc);
	for (int64_t b = 0; b < x->blocks; b += CHUNK / parts) {
		int64_t blocks = MIN(CHUNK / parts, x->blocks - b) * parts;

		for (int i = 0; i < n; i++)
			fill(&c[i], f, (const uint8_t *)w[i] + head + b * bytes,
			     blocks);
		if (n == PAIR)
			int_panels(PAIR, f, c, blocks, x, b, r0, rows, acc);
		else
			int_panels(1, f, c, blocks, x, b, r0, rows, acc);
	}
	for (int i = 0; i < n; i++)
		head_steps(f, w[i], rows, acc + i * rows * PANEL);
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
