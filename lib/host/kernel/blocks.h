/* SPDX-License-Identifier: BSD-3-Clause */
/* blocks.h - numbers that share a scale, 32 at a time.
 *
 * Every block format is whole numbers times a step, so that its products are
 * sums of int8 products, exact in int32: the other factor, x, is rounded to
 * int8 blocks of its own.  A block of a panel is the scales of
 * its PANEL rows (float16, or e8m0: a power of two), then its cells:
 *
 *   bytes   cell (g, row, i) is input 4 g + i of the row, g < 8, i < 4, at
 *           64 g + 4 row + i: four inputs of a row fill a 32-bit lane
 *   nibbles byte b of the c-th 64: cells 128 c + b (low), 128 c + 64 + b
 *   lows    (int4-min, before the nibbles) for each row how far below zero its
 *           least number is
 *   pairs   (both mxfp6, after the nibbles) bits 2 c of byte b: cell 128 c + b
 *
 * A number of e3m2 may be too large for a cell: it is in the first of two
 * parts, which counts in eights, or in the second; both meet the same x.
 *
 * The loops are plain C that a compiler turns into vectors; each kernel file
 * that includes them gets them for its instruction set. */

#ifndef BLOCKS_H
#define BLOCKS_H

#include "impl.h"

enum { BLOCK = 32, CELLS = BLOCK * PANEL };

/* Nearest whole number, ties to even, for |x| < 2^22. */
static inline float
whole(float x)
{
	return (x + 12582912.0f) - 12582912.0f;
}

/* The bits of the largest |x|; from 0x7f800000 on: not all are finite. */
static inline uint32_t
top_bits(const float *x)
{
	uint32_t u[BLOCK], top = 0;

	memcpy(u, x, sizeof u);
	for (int i = 0; i < BLOCK; i++) {
		u[i] &= 0x7fffffff;
		top = u[i] > top ? u[i] : top;
	}
	return top;
}

static inline float
bits_float(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof f);
	return f;
}

/* Activations: x [BLOCK] = q * step, |q| <= 127, to the nearest.  Returns the
 * step: NaN where x is not finite. */
static inline float
round_x(const float *x, int8_t *q)
{
	uint32_t bits = top_bits(x);
	float top = bits_float(bits), by = 127 / top;

	/* also where 127 / top would overflow: nothing is left to say */
	if (bits >= 0x7f800000 || top < 0x1p-119f) {
		memset(q, 0, BLOCK);
		return bits >= 0x7f800000 ? bits_float(0x7fc00000) : 0;
	}
	for (int i = 0; i < BLOCK; i++)
		q[i] = (int8_t)whole(x[i] * by);
	return top / 127;
}

/* x [m, k] as int8 blocks: tiles of `tall` rows, of each tile block by block,
 * of each block q [tall][BLOCK], steps float [tall], and int32 [tall] where
 * sums start (what a kernel has to take away for its own reasons). */
typedef struct Rounded {
	char *p;
	int64_t tall, blocks;
} Rounded;

enum { ROUNDED_BYTES = BLOCK + sizeof(float) + sizeof(int32_t) };

static inline Rounded
rounded(void *p, int64_t m, int64_t k)
{
	return (Rounded){p, MIN(m, ROUNDED_ROWS), (k + BLOCK - 1) / BLOCK};
}

static inline float *
rounded_steps(char *block, int64_t tall)
{
	return (float *)(void *)(block + tall * BLOCK);
}

static inline int32_t *
rounded_starts(char *block, int64_t tall)
{
	return (int32_t *)(void *)(rounded_steps(block, tall) + tall);
}

/* e8m0: 2^(e - 127), 255: NaN */
static inline float
e8m0(uint8_t e)
{
	return bits_float(e == 255 ? 0x7fc00000
	                  : e == 0 ? 0x00400000
	                           : (uint32_t)e << 23);
}

/* What a cell of an MX format counts in, under scale 1. */
static inline float
mx_unit(WFormat f)
{
	return f == WF_MXINT8  ? 0x1p-6f
	       : f == WF_MXFP6 ? 0x1p-3f
	       : f == WF_E3M2  ? 0x1p-4f
	                       : 0x1p-1f;
}

static inline bool
has_e8m0(WFormat f)
{
	return f == WF_MXINT8 || f == WF_MXFP6 || f == WF_MXFP4 || f == WF_E3M2;
}

/* Bytes of the scales of a block; none where a row has one step. */
static inline int64_t
scale_bytes(WFormat f)
{
	return f == WF_INT8_CHANNEL ? 0 : has_e8m0(f) ? PANEL : 2 * PANEL;
}

/* Code of a float4 e2m1 (sign, 3 bits) to twice its value. */
static inline int
fp4_value(int code)
{
	int m = code & 7, v = m < 4 ? m : m < 6 ? 2 * m - 4 : 4 * m - 16;

	return code & 8 ? -v : v;
}

/* The lower four bits of a float6 e2m3, and its upper two (sign, exponent),
 * to eight times its value. */
static inline int
fp6_value(int low, int high)
{
	int v = high & 1 ? (low < 8 ? 16 + 2 * low : 4 * low) : low;

	return high & 2 ? -v : v;
}

/* Cells of a block as int8 q [CELLS]. */
static inline void
cells_int4(const uint8_t *restrict p, int8_t *restrict q)
{
	for (int c = 0; c < 4; c++, p += 64, q += 128)
		for (int b = 0; b < 64; b++) {
			q[b] = (int8_t)((p[b] & 15) - 8);
			q[64 + b] = (int8_t)((p[b] >> 4) - 8);
		}
}

static inline void
cells_int4_min(const uint8_t *restrict low, int8_t *restrict q)
{
	const uint8_t *p = low + PANEL;

	for (int c = 0; c < 4; c++, p += 64, q += 128)
		for (int b = 0; b < 64; b++) {
			q[b] = (int8_t)((p[b] & 15) - low[b / 4]);
			q[64 + b] = (int8_t)((p[b] >> 4) - low[b / 4]);
		}
}

static inline void
cells_mxfp4(const uint8_t *restrict p, int8_t *restrict q)
{
	for (int c = 0; c < 4; c++, p += 64, q += 128)
		for (int b = 0; b < 64; b++) {
			q[b] = (int8_t)fp4_value(p[b] & 15);
			q[64 + b] = (int8_t)fp4_value(p[b] >> 4);
		}
}

static inline void
cells_mxfp6(const uint8_t *restrict p, int8_t *restrict q)
{
	const uint8_t *h = p + CELLS / 2;

	for (int c = 0; c < 4; c++, p += 64, q += 128)
		for (int b = 0; b < 64; b++) {
			q[b] = (int8_t)fp6_value(p[b] & 15, h[b] >> 2 * c & 3);
			q[64 + b] = (int8_t)fp6_value(p[b] >> 4,
			                              h[64 + b] >> 2 * c & 3);
		}
}

/* Parts of the numbers of a block, the first in LARGE times the step. */
enum { LARGE = 8 };

static inline int
parts_of(WFormat f)
{
	return f == WF_E3M2 ? 2 : 1;
}

/* The same of a float6 e3m2, to 16 times its value. */
static inline int
e3m2_value(int low, int high)
{
	int v = (low & 3) + (low < 4 ? 0 : 4);

	v <<= low < 4 ? 0 : low / 4 - 1;
	if (high & 1)
		v = (4 + (low & 3)) << (low / 4 + 3);
	return high & 2 ? -v : v;
}

/* Values of a block of e3m2 at p, in units. */
static inline void
values_e3m2(const uint8_t *restrict p, int16_t *restrict v)
{
	const uint8_t *h = p + CELLS / 2;

	for (int c = 0; c < 4; c++, p += 64, v += 128)
		for (int b = 0; b < 64; b++) {
			v[b] = (int16_t)e3m2_value(p[b] & 15,
			                           h[b] >> 2 * c & 3);
			v[64 + b] = (int16_t)e3m2_value(p[b] >> 4,
			                                h[64 + b] >> 2 * c & 3);
		}
}

/* Cells of a block: where they lie, or in q. */
static inline const int8_t *
block_cells(WFormat f, const uint8_t *block, int8_t *q)
{
	const uint8_t *p = block + scale_bytes(f);

	switch (f) {
	case WF_INT4:
		cells_int4(p, q);
		return q;
	case WF_INT4_MIN:
		cells_int4_min(p, q);
		return q;
	case WF_MXFP4:
		cells_mxfp4(p, q);
		return q;
	case WF_MXFP6:
		cells_mxfp6(p, q);
		return q;
	default:
		return (const int8_t *)p;
	}
}

/* The same of any format, as wide as they get. */
static inline void
block_values(WFormat f, const uint8_t *block, int16_t *v)
{
	int8_t buf[CELLS];
	const int8_t *q;

	if (f == WF_E3M2) {
		values_e3m2(block + scale_bytes(f), v);
		return;
	}
	q = block_cells(f, block, buf);
	for (int i = 0; i < CELLS; i++)
		v[i] = q[i];
}

/* What a cell of a row of a panel counts in. */
static inline float
step_of(WFormat f, const uint8_t *block, int64_t row)
{
	uint16_t h;

	if (f == WF_INT8_CHANNEL)
		return 1;
	if (has_e8m0(f))
		return e8m0(block[row]) * mx_unit(f);
	memcpy(&h, block + 2 * row, sizeof h);
	return f16_to_f32(h);
}

/* Index of input k of a row among the cells of its block. */
static inline int64_t
cell(int64_t row, int64_t k)
{
	return k % BLOCK / 4 * 64 + row * 4 + k % 4;
}

#endif
