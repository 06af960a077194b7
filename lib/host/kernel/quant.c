/* SPDX-License-Identifier: BSD-3-Clause
 * quant.c - rounding to block formats and back, for weights and caches.
 *
 * To nearest, ties to even.  int8 and int4 count in a float16 step (int4 has
 * one number more below zero: the sign of the step puts the largest there;
 * int4-min places its 16 numbers so that they reach from the least of a block,
 * or zero, to the largest, or zero);
 * the MX formats as the OCP Microscaling specification 1.0, section 6, says:
 * the shared exponent is that of the largest less that of the format's
 * largest, and what exceeds the format is clamped.  Blocks with NaN or
 * infinity become NaN. */

#include <math.h>

#include "blocks.h"

#define INLINE static inline __attribute__((always_inline))

/* x [BLOCK] to whole numbers q in steps; returns the scale's code. */
typedef uint16_t RoundFn(const float *x, int8_t *q);

INLINE float
clamp(float x, float lo, float hi)
{
	x = x > lo ? x : lo;
	return x < hi ? x : hi;
}

/* r [BLOCK] to whole numbers from lo to hi.  One choice a loop: compilers
 * make vectors of that. */
INLINE void
store_whole(float *r, float lo, float hi, int8_t *q)
{
	for (int i = 0; i < BLOCK; i++)
		r[i] = r[i] > lo ? r[i] : lo;
	for (int i = 0; i < BLOCK; i++)
		r[i] = r[i] < hi ? r[i] : hi;
	for (int i = 0; i < BLOCK; i++)
		q[i] = (int8_t)whole(r[i]);
}

/* In a float16 step near `step`, from lo to hi. */
INLINE uint16_t
round_steps(const float *x, float step, float lo, float hi, int8_t *q)
{
	uint16_t code = f32_to_f16(step);
	float s = f16_to_f32(code), r[BLOCK];

	if (s == 0 || isnan(s)) { /* 0: all are next to nothing */
		memset(q, 0, BLOCK);
		return code;
	}
	for (int i = 0; i < BLOCK; i++)
		r[i] = x[i] / s;
	store_whole(r, lo, hi, q);
	return code;
}

INLINE uint16_t
round_int8(const float *x, int8_t *q)
{
	uint32_t top = top_bits(x);

	if (top >= 0x7f800000)
		return round_steps(x, NAN, 0, 0, q);
	return round_steps(x, fminf(bits_float(top) / 127, 65504), -127, 127,
	                   q);
}

/* x comes in steps of its row: pack.c. */
INLINE uint16_t
round_int8_channel(const float *x, int8_t *q)
{
	float r[BLOCK];

	memcpy(r, x, sizeof r);
	store_whole(r, -127, 127, q);
	return 0;
}

INLINE uint16_t
round_int4(const float *x, int8_t *q)
{
	float most = 0;

	if (top_bits(x) >= 0x7f800000)
		return round_steps(x, NAN, 0, 0, q);
	for (int i = 0; i < BLOCK; i++)
		if (fabsf(x[i]) > fabsf(most))
			most = x[i];
	return round_steps(x, clamp(most / -8, -65504, 65504), -8, 7, q);
}

/* The least number is whole, too: zero, and products, stay exact. */
INLINE uint16_t
round_int4_min(const float *x, int8_t *q)
{
	float lo = 0, hi = 0, step, s, least;

	if (top_bits(x) >= 0x7f800000)
		return round_steps(x, NAN, 0, 0, q);
	for (int i = 0; i < BLOCK; i++) {
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	step = fminf(hi / 15 - lo / 15, 65504);
	s = f16_to_f32(f32_to_f16(step));
	least = s == 0 ? 0 : whole(clamp(lo / s, -15, 0));
	return round_steps(x, step, least, least + 15, q);
}

/* The shared exponent for a format whose largest exponent is emax. */
static uint16_t
shared_exponent(const float *x, int emax)
{
	uint32_t top = top_bits(x);
	int e;

	if (top >= 0x7f800000)
		return 255;
	if (top == 0)
		return 127;
	e = (int)(top >> 23) - emax;
	return (uint16_t)(e < 0 ? 0 : e);
}

/* 2^n for n in [-254, 254] as two factors: x * p[0] * p[1] is exact, unless
 * x is next to nothing beside the largest of its block. */
INLINE void
power(int n, float *p)
{
	p[0] = bits_float((uint32_t)(n / 2 + 127) << 23);
	p[1] = bits_float((uint32_t)(n - n / 2 + 127) << 23);
}

INLINE uint16_t
round_mxint8(const float *x, int8_t *q)
{
	uint16_t e = shared_exponent(x, 0);
	float p[2], r[BLOCK];

	if (e == 255) {
		memset(q, 0, BLOCK);
		return e;
	}
	power(6 + 127 - e, p);
	for (int i = 0; i < BLOCK; i++)
		r[i] = x[i] * p[0] * p[1];
	store_whole(r, -127, 127, q);
	return e;
}

/* A float with exponents 0..3 and `mant` bits counts in steps of 1 up to
 * 2 << mant, then 2, then 4. */
INLINE uint16_t
round_mxfp(const float *x, int mant, int8_t *q)
{
	uint16_t e = shared_exponent(x, 2);
	float base = (float)(2 << mant), most = 4 * base - 4, p[2], r[BLOCK];

	if (e == 255) {
		memset(q, 0, BLOCK);
		return e;
	}
	power(mant + 127 - e, p);
	for (int i = 0; i < BLOCK; i++) { /* all lanes alike */
		float v = fabsf(x[i]) * p[0] * p[1];
		float two = v < base ? 0 : 1, four = v < 2 * base ? 0 : 2;

		v = v < most ? v : most;
		r[i] = whole(v * (1 - two * 0.5f - four * 0.125f)) *
		       (1 + two + four);
	}
	for (int i = 0; i < BLOCK; i++)
		q[i] = (int8_t)copysignf(r[i], x[i]);
	return e;
}

INLINE uint16_t
round_mxfp4(const float *x, int8_t *q)
{
	return round_mxfp(x, 1, q);
}

INLINE uint16_t
round_mxfp6(const float *x, int8_t *q)
{
	return round_mxfp(x, 3, q);
}

/* To codes, not to cells; in steps of 1 up to 8, then 2 up to 16, and so on
 * up to 64. */
INLINE uint16_t
round_mxfp6_e3m2(const float *x, int8_t *q)
{
	uint16_t e = shared_exponent(x, 4);
	float p[2];

	if (e == 255) {
		memset(q, 0, BLOCK);
		return e;
	}
	power(4 + 127 - e, p);
	for (int i = 0; i < BLOCK; i++) {
		float v = fabsf(x[i]) * p[0] * p[1];
		uint32_t bits, n;

		v = v < 448 ? v : 448;
		memcpy(&bits, &v, sizeof bits);
		n = bits >> 23 > 129 ? (bits >> 23) - 129 : 0;
		v = whole(v * bits_float((127 - n) << 23));
		q[i] = (int8_t)((int)v + (int)(4 * n) + (x[i] < 0 ? 32 : 0));
	}
	return e;
}

/* ---- cells to bytes: the inverse of block_cells() ---- */

typedef void StoreFn(const int8_t *q, uint8_t *p);

INLINE void
store_bytes(const int8_t *q, uint8_t *p)
{
	memcpy(p, q, CELLS);
}

INLINE int
fp4_code(int v)
{
	int m = v < 0 ? -v : v;

	m = m < 4 ? m : m < 8 ? m / 2 + 2 : m / 4 + 4;
	return v < 0 ? m | 8 : m;
}

INLINE int
fp6_code(int v)
{
	int m = v < 0 ? -v : v;

	m = m < 16 ? m : m < 32 ? m / 2 + 8 : m / 4 + 16;
	return v < 0 ? m | 32 : m;
}

/* The lower four bits of codes [CELLS], two to a byte. */
INLINE void
store_nibbles(const uint8_t *code, uint8_t *p)
{
	for (int c = 0; c < 4; c++, code += 128, p += 64)
		for (int b = 0; b < 64; b++)
			p[b] = (uint8_t)((code[b] & 15) | code[64 + b] << 4);
}

INLINE void
store_int4(const int8_t *q, uint8_t *p)
{
	uint8_t code[CELLS];

	for (int i = 0; i < CELLS; i++)
		code[i] = (uint8_t)(q[i] + 8);
	store_nibbles(code, p);
}

INLINE void
store_int4_min(const int8_t *q, uint8_t *p)
{
	uint8_t code[CELLS];

	memset(p, 0, PANEL);
	for (int i = 0; i < CELLS; i++)
		p[i / 4 % PANEL] = (uint8_t)MAX(p[i / 4 % PANEL], -q[i]);
	for (int i = 0; i < CELLS; i++)
		code[i] = (uint8_t)(q[i] + p[i / 4 % PANEL]);
	store_nibbles(code, p + PANEL);
}

INLINE void
store_mxfp4(const int8_t *q, uint8_t *p)
{
	uint8_t code[CELLS];

	for (int i = 0; i < CELLS; i++)
		code[i] = (uint8_t)fp4_code(q[i]);
	store_nibbles(code, p);
}

INLINE void
store_codes6(const uint8_t *code, uint8_t *p)
{
	store_nibbles(code, p);
	p += CELLS / 2;
	for (int b = 0; b < 128; b++)
		p[b] = (uint8_t)(code[b] >> 4 | code[128 + b] >> 4 << 2 |
		                 code[256 + b] >> 4 << 4 |
		                 code[384 + b] >> 4 << 6);
}

INLINE void
store_mxfp6(const int8_t *q, uint8_t *p)
{
	uint8_t code[CELLS];

	for (int i = 0; i < CELLS; i++)
		code[i] = (uint8_t)fp6_code(q[i]);
	store_codes6(code, p);
}

INLINE void
store_mxfp6_e3m2(const int8_t *q, uint8_t *p)
{
	store_codes6((const uint8_t *)q, p);
}

/* ---- whole panels ---- */

INLINE void
encode_blocks(WFormat f, RoundFn *round, StoreFn *store, const float *src,
              int64_t ld, int64_t k, uint8_t *out)
{
	int64_t scales = scale_bytes(f);
	int8_t q[CELLS], row[BLOCK];
	float x[BLOCK];
	uint16_t code;

	for (int64_t k0 = 0; k0 < k; k0 += BLOCK, out += wcodec[f].bytes) {
		int64_t n = MIN(BLOCK, k - k0);

		for (int i = 0; i < PANEL; i++) {
			memset(x, 0, sizeof x);
			memcpy(x, src + i * ld + k0, (size_t)n * sizeof *x);
			code = round(x, row);
			memcpy(out + i * scales / PANEL, &code,
			       (size_t)scales / PANEL);
			for (int j = 0; j < BLOCK; j += 4)
				memcpy(q + cell(i, j), row + j, 4);
		}
		store(q, out + scales);
	}
}

static void
decode_blocks(WFormat f, const uint8_t *block, int64_t k, float *out)
{
	int16_t q[CELLS];

	for (int64_t j = 0; j < k; j += BLOCK, block += wcodec[f].bytes) {
		block_values(f, block, q);
		for (int r = 0; r < PANEL; r++) {
			float step = step_of(f, block, r);

			for (int64_t i = j; i < MIN(k, j + BLOCK); i++)
				out[i * PANEL + r] = step * q[cell(r, i)];
		}
	}
}

/* The loops once more for wider vectors, where there are any: no operation
 * is another one, and so no bit. */
#if defined(__x86_64__)
#define WIDE __attribute__((target("avx2")))
#define HAVE_WIDE() __builtin_cpu_supports("avx2")
#else
#define WIDE
#define HAVE_WIDE() false
#endif

#define CODEC(id, fn, store)                                                   \
	WIDE static void wide_##fn(const float *src, int64_t ld, int64_t k,    \
	                           void *out)                                  \
	{                                                                      \
		encode_blocks(WF_##id, round_##fn, store, src, ld, k, out);    \
	}                                                                      \
                                                                               \
	void encode_##fn(const float *src, int64_t ld, int64_t k, void *out)   \
	{                                                                      \
		if (HAVE_WIDE())                                               \
			wide_##fn(src, ld, k, out);                            \
		else                                                           \
			encode_blocks(WF_##id, round_##fn, store, src, ld, k,  \
			              out);                                    \
	}                                                                      \
                                                                               \
	void decode_##fn(const void *blocks, int64_t k, float *out)            \
	{                                                                      \
		decode_blocks(WF_##id, blocks, k, out);                        \
	}

CODEC(INT8, int8, store_bytes)
CODEC(INT8_CHANNEL, int8_channel, store_bytes)
CODEC(INT4, int4, store_int4)
CODEC(INT4_MIN, int4_min, store_int4_min)
CODEC(MXINT8, mxint8, store_bytes)
CODEC(MXFP6, mxfp6, store_mxfp6)
CODEC(E3M2, mxfp6_e3m2, store_mxfp6_e3m2)
CODEC(MXFP4, mxfp4, store_mxfp4)

/* ---- caches: blocks of a scale and BLOCK bytes ---- */

static void
save_blocks(RoundFn *round, int scale, const float *row, int64_t dim,
            uint8_t *out)
{
	float x[BLOCK];
	int8_t q[BLOCK];
	uint16_t code;

	for (int64_t i = 0; i < dim; i += BLOCK, out += scale + BLOCK) {
		memset(x, 0, sizeof x);
		memcpy(x, row + i, (size_t)MIN(BLOCK, dim - i) * sizeof *x);
		code = round(x, q);
		memcpy(out, &code, (size_t)scale);
		memcpy(out + scale, q, BLOCK);
	}
}

void
save_int8(const float *row, int64_t dim, void *out)
{
	save_blocks(round_int8, 2, row, dim, out);
}

void
save_mxint8(const float *row, int64_t dim, void *out)
{
	save_blocks(round_mxint8, 1, row, dim, out);
}

static void
load_block(const uint8_t *q, float step, int64_t n, float *out)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = step * (int8_t)q[i];
}

void
load_int8(const void *row, int64_t dim, float *out)
{
	const uint8_t *p = row;
	uint16_t h;

	for (int64_t i = 0; i < dim; i += BLOCK, p += 2 + BLOCK) {
		memcpy(&h, p, sizeof h);
		load_block(p + 2, f16_to_f32(h), MIN(BLOCK, dim - i), out + i);
	}
}

void
load_mxint8(const void *row, int64_t dim, float *out)
{
	const uint8_t *p = row;

	for (int64_t i = 0; i < dim; i += BLOCK, p += 1 + BLOCK)
		load_block(p + 1, e8m0(*p) * mx_unit(WF_MXINT8),
		           MIN(BLOCK, dim - i), out + i);
}
