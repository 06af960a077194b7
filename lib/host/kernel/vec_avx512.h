/* SPDX-License-Identifier: BSD-3-Clause */
/* vec_avx512.h - the vector of *_simd.h with AVX-512 F, BW, DQ and VL; see
 * vec_avx2.h for the names. */

#ifndef VEC_H
#define VEC_H

#include <immintrin.h>

#include "impl.h"

#define ISA(fn) fn##_avx512

enum {
	VL = 16,
	ACCS = 24,
	TILE = 12,
	PAIR = 2,
	WEIGH = 4,
	DOTS = 4,
	LANE_ROWS = 4,
	LANE_VECS = 4
};
enum { NARROW_UNSIGNED = 1, WIDE_UNSIGNED = 1 };
#define ITILE 8
#define HAS_PAIRS 0

typedef __m512 V;
typedef struct Dsum {
	__m512d lo, hi;
} Dsum;

static inline V
v_set(float x)
{
	return _mm512_set1_ps(x);
}

static inline V
v_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

static inline void
v_store(float *p, V x)
{
	_mm512_storeu_ps(p, x);
}

static inline V
v_load_f16(const void *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

static inline V
v_load_bf16(const void *p)
{
	__m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p));

	return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}

static inline void
v_store_f16(void *p, V x)
{
	_mm256_storeu_si256(p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

static inline V
v_fma(V x, V y, V z)
{
	return _mm512_fmadd_ps(x, y, z);
}

static inline V
v_max(V x, V y)
{
	return _mm512_max_ps(x, y);
}

static inline V
v_min(V x, V y)
{
	return _mm512_min_ps(x, y);
}

static inline V
v_round(V x)
{
	return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT |
	                                       _MM_FROUND_NO_EXC);
}

static inline V
v_less(V x, V y, V a, V b)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
}

static inline V
v_abs(V x)
{
	return _mm512_andnot_ps(v_set(-0.0f), x);
}

static inline V
v_sign(V x, V y)
{
	V bit = v_set(-0.0f);

	return _mm512_or_ps(_mm512_andnot_ps(bit, x), _mm512_and_ps(bit, y));
}

static inline V
v_pow2(V n)
{
	return _mm512_scalef_ps(v_set(1), n);
}

#define V_SCALES
static inline V
v_scale(V r, V n)
{
	return _mm512_scalef_ps(r, n);
}

static inline V
v_lookup(const float t[8], V n)
{
	__m512 two = _mm512_broadcast_f32x8(_mm256_loadu_ps(t));

	return _mm512_permutexvar_ps(_mm512_cvtps_epi32(n), two);
}

static inline V
v_zip_lo(V x, V y)
{
	__m512i at = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
	                               6, 22, 7, 23);

	return _mm512_permutex2var_ps(x, at, y);
}

static inline V
v_zip_hi(V x, V y)
{
	__m512i at = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
	                               29, 14, 30, 15, 31);

	return _mm512_permutex2var_ps(x, at, y);
}

static inline void
v_sum4(V a, V b, V c, V d, float *out)
{
	V s = _mm512_unpacklo_ps(a, b) + _mm512_unpackhi_ps(a, b);
	V t = _mm512_unpacklo_ps(c, d) + _mm512_unpackhi_ps(c, d);

	/* a quarter has now two of a and two of b in turn */
	s = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(s),
	                                        _mm512_castps_pd(t))) +
	    _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(s),
	                                        _mm512_castps_pd(t)));
	s = s + _mm512_shuffle_f32x4(s, s, 0xb1);
	_mm_storeu_ps(out, _mm_add_ps(_mm512_castps512_ps128(s),
	                              _mm512_extractf32x4_ps(s, 2)));
}

/* The largest lane; there is no NaN. */
static inline float
v_top(V x)
{
	return _mm512_reduce_max_ps(x);
}

static inline Dsum
d_add(Dsum s, V x)
{
	s.lo += _mm512_cvtps_pd(_mm512_castps512_ps256(x));
	s.hi += _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
	return s;
}

static inline Dsum
d_square(Dsum s, V x)
{
	__m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
	__m512d hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));

	s.lo = _mm512_fmadd_pd(lo, lo, s.lo);
	s.hi = _mm512_fmadd_pd(hi, hi, s.hi);
	return s;
}

static inline double
d_sum(Dsum s)
{
	__m512d x = s.lo + s.hi;

	return ((x[0] + x[1]) + (x[2] + x[3])) +
	       ((x[4] + x[5]) + (x[6] + x[7]));
}

/* ---- integers ---- */

typedef __m512i I;

/* The same as bytes, and as unsigned. */
typedef uint8_t B __attribute__((vector_size(4 * VL)));
typedef uint32_t U __attribute__((vector_size(4 * VL)));

static inline I
i_load(const void *p)
{
	return _mm512_loadu_si512(p);
}

/* Four bytes in every lane. */
static inline I
i_four(const void *p)
{
	int32_t x;

	memcpy(&x, p, sizeof x);
	return _mm512_set1_epi32(x);
}

/* acc + the four products of x (int8) and w (unsigned) in each lane */
static inline I
i_dot(bool u, I acc, I x, I w)
{
	(void)u; /* always */
	return _mm512_dpbusd_epi32(acc, w, x);
}

static inline I
i_max(I x, I y)
{
	return _mm512_max_epi32(x, y);
}

static inline I
i_min(I x, I y)
{
	return _mm512_min_epi32(x, y);
}

static inline V
v_from(I x)
{
	return _mm512_cvtepi32_ps(x);
}

/* VL bytes, zero-extended. */
static inline I
i_widen(const void *p)
{
	return _mm512_cvtepu8_epi32(_mm_loadu_si128(p));
}

static inline V
v_load_i8(const void *p)
{
	return v_from(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)));
}

/* One float16. */
static inline float
f16_at(const void *p)
{
	uint16_t h;

	memcpy(&h, p, sizeof h);
	return _cvtsh_ss(h);
}

/* Bytes of a table [16] by indices 0..15. */
static inline B
b_lookup(const uint8_t *table, B index)
{
	I t = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table));

	return (B)_mm512_shuffle_epi8(t, (I)index);
}

/* b where `bit` of the byte of bits is set, else a */
static inline B
b_pick(B a, B b, B bits, const int bit)
{
	__mmask64 m = _mm512_test_epi8_mask((I)bits,
	                                    _mm512_set1_epi8((char)(1 << bit)));

	return (B)_mm512_mask_blend_epi8(m, (I)a, (I)b);
}

/* Whole numbers in [-128, 127] as bytes. */
static inline void
v_store_i8(void *p, V x)
{
	_mm_storeu_si128(p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

#endif
