/* SPDX-License-Identifier: BSD-3-Clause */
/* vec_neon.h - the vector of *_simd.h as every 64-bit ARM has it; see
 * vec_avx2.h for the names. */

#ifndef VEC_H
#define VEC_H

#include <arm_neon.h>

#include "impl.h"

#define ISA(fn) fn##_neon

enum { VL = 4, ACCS = 24, TILE = 6, PAIR = 1, WEIGH = 4, DOTS = 4 };
enum { LANE_ROWS = 4, LANE_VECS = 4 };
enum { NARROW_UNSIGNED = 0, WIDE_UNSIGNED = 0 };
#define ITILE 4
#define HAS_PAIRS 0

typedef float32x4_t V;
typedef struct Dsum {
	float64x2_t lo, hi;
} Dsum;

static inline V
v_set(float x)
{
	return vdupq_n_f32(x);
}

static inline V
v_load(const float *p)
{
	return vld1q_f32(p);
}

static inline void
v_store(float *p, V x)
{
	vst1q_f32(p, x);
}

static inline V
v_load_f16(const void *p)
{
	return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline V
v_load_bf16(const void *p)
{
	uint16x4_t x = vreinterpret_u16_u8(vld1_u8(p));

	return vreinterpretq_f32_u32(vshll_n_u16(x, 16));
}

static inline void
v_store_f16(void *p, V x)
{
	vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(x)));
}

static inline V
v_fma(V x, V y, V z)
{
	return vfmaq_f32(z, x, y);
}

/* The instruction would give NaN where one is: the second operand is asked
 * for. */
static inline V
v_less(V x, V y, V a, V b)
{
	return vbslq_f32(vcltq_f32(x, y), a, b);
}

static inline V
v_max(V x, V y)
{
	return v_less(y, x, x, y);
}

static inline V
v_min(V x, V y)
{
	return v_less(x, y, x, y);
}

static inline V
v_round(V x)
{
	return vrndnq_f32(x);
}

static inline V
v_abs(V x)
{
	return vabsq_f32(x);
}

static inline V
v_sign(V x, V y)
{
	return vbslq_f32(vdupq_n_u32(0x80000000u), y, x);
}

static inline V
v_pow2(V n)
{
	int32x4_t e = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));

	return vreinterpretq_f32_s32(vshlq_n_s32(e, 23));
}

static inline V
v_lookup(const float t[8], V n)
{
	uint8x16x2_t all = {{vreinterpretq_u8_f32(vld1q_f32(t)),
	                     vreinterpretq_u8_f32(vld1q_f32(t + 4))}};
	/* the four bytes of each */
	uint32x4_t at = vmlaq_n_u32(vdupq_n_u32(0x03020100), vcvtq_u32_f32(n),
	                            0x04040404);

	return vreinterpretq_f32_u8(vqtbl2q_u8(all, vreinterpretq_u8_u32(at)));
}

static inline V
v_zip_lo(V x, V y)
{
	return vzip1q_f32(x, y);
}

static inline V
v_zip_hi(V x, V y)
{
	return vzip2q_f32(x, y);
}

static inline void
v_sum4(V a, V b, V c, V d, float *out)
{
	vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

/* The largest lane; there is no NaN. */
static inline float
v_top(V x)
{
	return vmaxvq_f32(x);
}

static inline Dsum
d_add(Dsum s, V x)
{
	s.lo = vaddq_f64(s.lo, vcvt_f64_f32(vget_low_f32(x)));
	s.hi = vaddq_f64(s.hi, vcvt_high_f64_f32(x));
	return s;
}

static inline Dsum
d_square(Dsum s, V x)
{
	float64x2_t lo = vcvt_f64_f32(vget_low_f32(x));
	float64x2_t hi = vcvt_high_f64_f32(x);

	s.lo = vfmaq_f64(s.lo, lo, lo);
	s.hi = vfmaq_f64(s.hi, hi, hi);
	return s;
}

static inline double
d_sum(Dsum s)
{
	return vaddvq_f64(vaddq_f64(s.lo, s.hi));
}

/* ---- integers ---- */

typedef int32x4_t I;

/* The same as bytes, and as unsigned. */
typedef uint8_t B __attribute__((vector_size(4 * VL)));
typedef uint32_t U __attribute__((vector_size(4 * VL)));

static inline I
i_load(const void *p)
{
	return vreinterpretq_s32_u8(vld1q_u8(p));
}

/* Four bytes in every lane. */
static inline I
i_four(const void *p)
{
	int32_t x;

	memcpy(&x, p, sizeof x);
	return vdupq_n_s32(x);
}

/* acc + the four products of int8 in each lane */
static inline I
i_dot(bool u, I acc, I x, I w)
{
	int8x16_t a = vreinterpretq_s8_s32(x), b = vreinterpretq_s8_s32(w);
	int32x4_t lo = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
	int32x4_t hi = vpaddlq_s16(vmull_high_s8(a, b));

	(void)u; /* never */
	return vaddq_s32(acc, vpaddq_s32(lo, hi));
}

static inline I
i_max(I x, I y)
{
	return vmaxq_s32(x, y);
}

static inline I
i_min(I x, I y)
{
	return vminq_s32(x, y);
}

static inline V
v_from(I x)
{
	return vcvtq_f32_s32(x);
}

/* VL bytes, zero-extended. */
static inline I
i_widen(const void *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return vreinterpretq_s32_u32(
		vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(x)))));
}

static inline V
v_load_i8(const void *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return v_from(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(x)))));
}

/* One float16. */
static inline float
f16_at(const void *p)
{
	__fp16 h;

	memcpy(&h, p, sizeof h);
	return (float)h;
}

/* Bytes of a table [16] by indices 0..15. */
static inline B
b_lookup(const uint8_t *table, B index)
{
	return vqtbl1q_u8(vld1q_u8(table), index);
}

/* b where `bit` of the byte of bits is set, else a */
static inline B
b_pick(B a, B b, B bits, const int bit)
{
	return vbslq_u8(vtstq_u8(bits, vdupq_n_u8((uint8_t)(1 << bit))), b, a);
}

/* Whole numbers in [-128, 127] as bytes. */
static inline void
v_store_i8(void *p, V x)
{
	int16x4_t h = vmovn_s32(vcvtq_s32_f32(x));
	int8x8_t b = vmovn_s16(vcombine_s16(h, h));

	memcpy(p, &b, 4);
}

#endif
