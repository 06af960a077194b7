/* SPDX-License-Identifier: BSD-3-Clause */
/* matmul_int_simd.h - products with block formats, over vec_*.h.
 *
 * x is rounded to int8 blocks once a call: q [blocks][rows][BLOCK], steps
 * [blocks][rows].  A block of a panel is brought to int8 cells (blocks.h) and
 * meets every row: sums in int32, exact; then the two steps, in float32, one
 * addition to the output for each block, in order.  A row does not see how
 * many others there are. */

#ifndef MATMUL_INT_SIMD_H
#define MATMUL_INT_SIMD_H

#include "blocks.h"

typedef struct Rounded {
	int8_t *q; /* + BIAS */
	float *step;
	int64_t rows;
} Rounded;

/* x [rows, k], in scratch as matmul_scratch() says */
static Rounded
round_rows(const float *x, int64_t rows, int64_t k, char *scratch)
{
	int64_t blocks = (k + BLOCK - 1) / BLOCK;
	Rounded to = {.q = (int8_t *)scratch, .rows = rows};
	float t[BLOCK];

	to.step = (float *)(void *)(scratch + blocks * rows * BLOCK);
	for (int64_t r = 0; r < rows; r++, x += k)
		for (int64_t b = 0; b < blocks; b++) {
			int64_t at = b * rows + r, n = k - b * BLOCK;
			int8_t *q = to.q + at * BLOCK;

			memset(t, 0, sizeof t);
			memcpy(t, x + b * BLOCK,
			       (size_t)MIN(BLOCK, n) * sizeof *t);
			to.step[at] = round_x(t, q);
			if (BIAS != 0)
				for (int i = 0; i < BLOCK; i++)
					q[i] = (int8_t)(q[i] ^ BIAS);
		}
	return to;
}

/* ---- cells ---- */

/* Numbers of a nibble format; high: the other two bits of mxfp6 */
INLINE B
numbers(const int f, B low, B high)
{
	static const uint8_t fp4[] = {0, 1,   2,   3,   4,   6,   8,   12,
	                              0, 255, 254, 253, 252, 250, 248, 244};
	static const uint8_t fp6[] = {16, 18, 20, 22, 24, 26, 28, 30,
	                              32, 36, 40, 44, 48, 52, 56, 60};
	B large, minus;

	if (f == WF_INT4)
		return low - 8;
	if (f == WF_MXFP4)
		return b_lookup(fp4, low);
	large = -(high & 1);
	minus = -(high >> 1);
	low = (low & ~large) | (b_lookup(fp6, low) & large);
	return (low ^ minus) - minus;
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
		return (const int8_t *)p;
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

/* One block of a panel, ready to meet rows. */
typedef struct Ready {
	const int8_t *cells;
	V step[VPP];
	I start[VPP]; /* of the sums: what BIAS adds, taken away */
} Ready;

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

static inline void
starts_of(const int8_t *cells, I *start)
{
	static const uint8_t bias[4] = {BIAS, BIAS, BIAS, BIAS};
	static const int32_t none[PANEL];

	for (int v = 0; v < VPP; v++) {
		I zero = i_load(none), sum = zero;

		for (int g = 0; BIAS != 0 && g < BLOCK / 4; g++)
			sum = i_dot(sum, i_four(bias),
			            i_load(cells + g * 64 + v * VL * 4));
		start[v] = i_sub(zero, sum);
	}
}

/* acc [R][PANEL] += the block's sums of R rows from x on, steps xs.  R is a
 * constant after inlining. */
INLINE void
int_tile(const int R, const Ready *w, const int8_t *x, const float *xs,
         float *acc)
{
	I s[ITILE][VPP], c[VPP];

	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < VPP; v++)
		s[i][v] = w->start[v];
	UNROLL
	for (int g = 0; g < BLOCK / 4; g++) {
		UNROLL
		for (int v = 0; v < VPP; v++)
			c[v] = i_load(w->cells + g * 64 + v * VL * 4);
		UNROLL
		for (int i = 0; i < R; i++) {
			I four = i_four(x + i * BLOCK + g * 4);

			UNROLL
			for (int v = 0; v < VPP; v++)
				s[i][v] = i_dot(s[i][v], four, c[v]);
		}
	}
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < VPP; v++) {
		float *to = acc + i * PANEL + v * VL;

		v_store(to, v_fma(v_from(s[i][v]), w->step[v] * v_set(xs[i]),
		                  v_load(to)));
	}
}

static void
block_rows(const Ready *w, const int8_t *x, const float *xs, int64_t rows,
           float *acc)
{
	int64_t r = 0;

	for (; r + ITILE <= rows; r += ITILE)
		int_tile(ITILE, w, x + r * BLOCK, xs + r, acc + r * PANEL);
	for (; r + 2 <= rows; r += 2)
		int_tile(2, w, x + r * BLOCK, xs + r, acc + r * PANEL);
	for (; r < rows; r++)
		int_tile(1, w, x + r * BLOCK, xs + r, acc + r * PANEL);
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
	Ready w;

	memset(acc, 0, (size_t)rows * PANEL * sizeof *acc);
	for (int64_t b = 0; b * BLOCK < k; b++, p += bytes) {
		int64_t at = b * x->rows + r0;

		for (int64_t i = 0; i < bytes; i += 64)
			__builtin_prefetch(p + AHEAD + i);
		w.cells = cells_vec(f, p, buf);
		steps_of(f, p, w.step);
		starts_of(w.cells, w.start);
		block_rows(&w, x->q + at * BLOCK, x->step + at, rows, acc);
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
