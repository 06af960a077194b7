/* SPDX-License-Identifier: BSD-3-Clause */
/* matmul_int_simd.h - products with block formats, over vec_*.h.
 *
 * x is rounded to int8 blocks once a call: q [blocks][rows][BLOCK], steps and
 * starts [blocks][rows].  Instructions that multiply bytes want one factor
 * unsigned: weights have a number added (offset), and sums start at what that
 * adds, taken away: - offset * (sum of q).  A block of a panel is brought to int8 cells (blocks.h) and
 * meets every row: sums in int32, exact; then the two steps, in float32, one
 * addition to the output for each block, in order.  A row does not see how
 * many others there are. */

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
	case WF_MXFP4:
		return NARROW_UNSIGNED ? 12 : 0;
	case WF_MXFP6:
		return NARROW_UNSIGNED ? 60 : 0;
	default:
		return WIDE_UNSIGNED ? 128 : 0;
	}
}

typedef struct Rounded {
	int8_t *q;
	float *step;
	int32_t *start;
	int64_t rows;
} Rounded;

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

/* x [rows, k] for format f, in scratch as matmul_scratch() says */
static Rounded
round_rows(WFormat f, const float *x, int64_t rows, int64_t k, char *scratch)
{
	int64_t blocks = (k + BLOCK - 1) / BLOCK;
	Rounded to = {.q = (int8_t *)scratch, .rows = rows};
	float last[BLOCK] = {0};
	int32_t sum;

	to.step = (float *)(void *)(scratch + blocks * rows * BLOCK);
	to.start = (int32_t *)(void *)(to.step + blocks * rows);
	for (int64_t r = 0; r < rows; r++, x += k) {
		if (k % BLOCK)
			memcpy(last, x + k / BLOCK * BLOCK,
			       (size_t)(k % BLOCK) * sizeof *x);
		for (int64_t b = 0; b < blocks; b++) {
			int64_t at = b * rows + r;
			const float *t = b < k / BLOCK ? x + b * BLOCK : last;

			to.step[at] = round_vec(t, to.q + at * BLOCK, &sum);
			to.start[at] = -offset(f) * sum;
		}
	}
	return to;
}

/* ---- cells ---- */

/* Numbers of a nibble format, with their offset; high: the other two bits of
 * mxfp6 */
INLINE B
numbers(const int f, B low, B high)
{
#define N(v) (uint8_t)((v) + (NARROW_UNSIGNED ? 12 : 0))
	static const uint8_t fp4[] = {N(0),  N(1),  N(2),  N(3),  N(4),  N(6),
	                              N(8),  N(12), N(0),  N(-1), N(-2), N(-3),
	                              N(-4), N(-6), N(-8), N(-12)};
#undef N
	static const uint8_t fp6[] = {16, 18, 20, 22, 24, 26, 28, 30,
	                              32, 36, 40, 44, 48, 52, 56, 60};
	B large, minus;

	if (f == WF_INT4)
		return low + (uint8_t)(offset(WF_INT4) - 8);
	if (f == WF_MXFP4)
		return b_lookup(fp4, low);
	large = -(high & 1);
	minus = -(high >> 1);
	low = (low & ~large) | (b_lookup(fp6, low) & large);
	return (low ^ minus) - minus + (uint8_t)offset(WF_MXFP6);
}

/* As block_cells() does, in vectors. */
INLINE void
nibbles(const int f, const uint8_t *p, int8_t *q)
{
	enum { W = sizeof(B) };
	const uint8_t *h = p + CELLS / 2;

	UNROLL
	for (int c = 0; c < 4; c++)
		UNROLL
	for (int b = 0; b < 64; b += W) {
		B x = (B)i_load(p + c * 64 + b), u = {0}, v = {0};
		B lo, hi;

		if (f == WF_MXFP6) {
			u = (B)i_load(h + b) >> 2 * c & 3;
			v = (B)i_load(h + 64 + b) >> 2 * c & 3;
		}
		lo = numbers(f, x & 15, u);
		hi = numbers(f, x >> 4, v);
		memcpy(q + c * 128 + b, &lo, W);
		memcpy(q + c * 128 + 64 + b, &hi, W);
	}
}

static inline const int8_t *
cells_vec(WFormat f, const uint8_t *block, int8_t *q)
{
	const uint8_t *p = block + scale_bytes(f);

	switch (f) {
	case WF_INT4:
		nibbles(WF_INT4, p, q);
		return q;
	case WF_MXFP4:
		nibbles(WF_MXFP4, p, q);
		return q;
	case WF_MXFP6:
		nibbles(WF_MXFP6, p, q);
		return q;
	default:
		if (!WIDE_UNSIGNED)
			return (const int8_t *)p;
		for (int i = 0; i < CELLS; i++)
			q[i] = (int8_t)(p[i] ^ 0x80);
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

/* Rows of a band of x at one block, and their sums. */
typedef struct Rows {
	const int8_t *q;
	const float *step;
	const int32_t *start;
	float *acc; /* [rows][PANEL] */
} Rows;

static inline void
steps_of(WFormat f, const uint8_t *block, V *step)
{
	V unit = v_set(mx_unit(f));

	for (int v = 0; v < VPP; v++)
		if (has_e8m0(f))
			step[v] = v_e8m0(block + v * VL) * unit;
		else
			step[v] = v_load_f16(block + 2 * v * VL);
}

/* How cells meet x: as they are; unsigned; unsigned and so small that four
 * sums of two products fit int16. */
enum { SIGNED, UNSIGNED, TINY };

/* s += the products of group g of a block with R rows q [BLOCK].  R and how
 * are constants after inlining. */
INLINE void
dot_group(const int R, const int how, const int8_t *cells, const int8_t *q,
          I s[ITILE][VPP])
{
	UNROLL
	for (int i = 0; i < R; i++) {
		I four = i_four(q + i * BLOCK);

		UNROLL
		for (int v = 0; v < VPP; v++) {
			I c = i_load(cells + v * VL * 4);

			s[i][v] = i_dot(how != SIGNED, s[i][v], four, c);
		}
	}
}

#if HAS_PAIRS
/* The same for four groups: int16 sums, widened once. */
INLINE void
pair_groups(const int R, const int8_t *cells, const int8_t *q, I s[ITILE][VPP])
{
	I t[ITILE][VPP];

	UNROLL
	for (int g = 0; g < 4; g++) {
		UNROLL
		for (int i = 0; i < R; i++) {
			I four = i_four(q + i * BLOCK + g * 4);

			UNROLL
			for (int v = 0; v < VPP; v++) {
				I c = i_load(cells + g * 64 + v * VL * 4);
				I p = i_pairs(four, c);

				t[i][v] = g ? i_add_pairs(t[i][v], p) : p;
			}
		}
	}
	UNROLL
	for (int i = 0; i < R; i++) {
		UNROLL
		for (int v = 0; v < VPP; v++)
			s[i][v] = i_fold(s[i][v], t[i][v]);
	}
}
#endif

/* acc of R rows from r on += the block's sums. */
INLINE void
int_tile(const int R, const int how, const int8_t *cells, const V *step,
         const Rows *x, int64_t r)
{
	const int8_t *q = x->q + r * BLOCK;
	I s[ITILE][VPP];

	UNROLL
	for (int i = 0; i < R; i++) {
		UNROLL
		for (int v = 0; v < VPP; v++)
			s[i][v] = i_four(x->start + r + i);
	}
#if HAS_PAIRS
	if (how == TINY) {
		pair_groups(R, cells, q, s);
		pair_groups(R, cells + 4 * 64, q + 4 * 4, s);
	}
#endif
	UNROLL
	for (int g = 0; g < BLOCK / 4; g++)
		if (!HAS_PAIRS || how != TINY)
			dot_group(R, how, cells + g * 64, q + g * 4, s);
	UNROLL
	for (int i = 0; i < R; i++) {
		V by = v_set(x->step[r + i]);

		UNROLL
		for (int v = 0; v < VPP; v++) {
			float *to = x->acc + (r + i) * PANEL + v * VL;

			v_store(to, v_fma(v_from(s[i][v]), step[v] * by,
			                  v_load(to)));
		}
	}
}

INLINE void
block_rows(const int how, const int8_t *cells, const V *step, const Rows *x,
           int64_t rows)
{
	int64_t r = 0;

	for (; r + ITILE <= rows; r += ITILE)
		int_tile(ITILE, how, cells, step, x, r);
	for (; r + 2 <= rows; r += 2)
		int_tile(2, how, cells, step, x, r);
	for (; r < rows; r++)
		int_tile(1, how, cells, step, x, r);
}

/* acc [rows][PANEL] = rows r0.. of x . panel */
static void
int_sums(WFormat f, const char *panel, const Rounded *x, int64_t r0,
         int64_t rows, int64_t k, float *acc)
{
	enum { AHEAD = 4096 }; /* bytes */
	const uint8_t *p = (const uint8_t *)panel;
	int64_t bytes = wcodec[f].bytes;
	int8_t buf[CELLS];
	V step[VPP];

	memset(acc, 0, (size_t)rows * PANEL * sizeof *acc);
	for (int64_t b = 0; b * BLOCK < k; b++, p += bytes) {
		int64_t at = b * x->rows + r0;
		Rows band = {x->q + at * BLOCK, x->step + at, x->start + at,
		             acc};
		const int8_t *cells = cells_vec(f, p, buf);

		for (int64_t i = 0; i < bytes; i += 64)
			__builtin_prefetch(p + AHEAD + i);
		steps_of(f, p, step);
		if (offset(f) && offset(f) <= 12)
			block_rows(TINY, cells, step, &band, rows);
		else if (offset(f))
			block_rows(UNSIGNED, cells, step, &band, rows);
		else
			block_rows(SIGNED, cells, step, &band, rows);
	}
}

/* y [k] = lane `row` of a panel, times mul */
static void
int_row(WFormat f, const char *panel, int64_t row, int64_t k, float mul,
        float *y)
{
	const uint8_t *p = (const uint8_t *)panel;
	int8_t buf[CELLS];

	for (int64_t j = 0; j < k; j += BLOCK, p += wcodec[f].bytes) {
		const int8_t *q = block_cells(f, p, buf);
		float step = step_of(f, p, row);

		for (int64_t i = j; i < MIN(k, j + BLOCK); i++)
			y[i] = step * q[cell(row, i)] * mul;
	}
}

#endif
