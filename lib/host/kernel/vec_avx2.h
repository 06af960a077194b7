/* SPDX-License-Identifier: BSD-3-Clause */
/* vec_avx2.h - the vector that the kernels of *_simd.h are written over, as
 * AVX2, FMA and F16C have it.  Every set of vec_*.h has the same names:
 *
 * V       VL floats;  + - * / work on it
 * Dsum    VL doubles, for long sums
 * ACCS    how many V may be live as sums beside what feeds them
 * TILE    rows of x that meet a panel at a time
 * I       VL int32; VL * 4 int8
 * ITILE   rows of x that meet a block of integers at a time: 4 or 8
 * PAIR    panels that meet a tile at a time: 1 or 2
 * DOTS    queries that meet four keys at a time
 * WEIGH   vectors of a value that meet four queries at a time
 * LANE_ROWS, LANE_VECS  keys that meet vectors of queries at a time
 * NARROW_UNSIGNED, WIDE_UNSIGNED  how i_dot() wants weights of up to 6 bits,
 *         and of 8
 * HAS_PAIRS  int16 sums, i_pairs() and its like, pay where they fit
 * v_max, v_min  the second operand where one is NaN */

#ifndef VEC_H
#define VEC_H

#include <immintrin.h>

#include "impl.h"

#define ISA(fn) fn##_avx2

enum { VL = 8, ACCS = 12, TILE = 6, PAIR = 1, WEIGH = 2, DOTS = 3 };
enum { LANE_ROWS = 4, LANE_VECS = 2 };
enum { NARROW_UNSIGNED = 1, WIDE_UNSIGNED = 0 };
#define ITILE 4
#define HAS_PAIRS 1

typedef __m256 V;
typedef struct Dsum {
	__m256d lo, hi;
} Dsum;

static inline V
v_set(float x)
{
	return _mm256_set1_ps(x);
}

static inline V
v_load(const float *p)
{
	return _mm256_loadu_ps(p);
}

static inline void
v_store(float *p, V x)
{
	_mm256_storeu_ps(p, x);
}

static inline V
v_load_f16(const void *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128(p));
}

static inline V
v_load_bf16(const void *p)
{
	__m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128(p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}

static inline void
v_store_f16(void *p, V x)
{
	_mm_storeu_si128(p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

/* x * y + z, rounded once */
static inline V
v_fma(V x, V y, V z)
{
	return _mm256_fmadd_ps(x, y, z);
}

static inline V
v_max(V x, V y)
{
	return _mm256_max_ps(x, y);
}

static inline V
v_min(V x, V y)
{
	return _mm256_min_ps(x, y);
}

static inline V
v_round(V x)
{
	return _mm256_round_ps(x,
	                       _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x < y ? a : b */
static inline V
v_less(V x, V y, V a, V b)
{
	return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}

static inline V
v_abs(V x)
{
	return _mm256_andnot_ps(v_set(-0.0f), x);
}

/* |x| with the sign of y */
static inline V
v_sign(V x, V y)
{
	V bit = v_set(-0.0f);

	return _mm256_or_ps(_mm256_andnot_ps(bit, x), _mm256_and_ps(bit, y));
}

/* 2^n for whole n in [-126, 127] */
static inline V
v_pow2(V n)
{
	__m256i e = _mm256_cvtps_epi32(n);

	e = _mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23);
	return _mm256_castsi256_ps(e);
}

/* t[n] for whole n in 0..7 */
static inline V
v_lookup(const float t[8], V n)
{
	return _mm256_permutevar8x32_ps(v_load(t), _mm256_cvtps_epi32(n));
}

/* Elements of x and y in turn: the lower halves; the upper halves */
static inline V
v_zip_lo(V x, V y)
{
	return _mm256_permute2f128_ps(_mm256_unpacklo_ps(x, y),
	                              _mm256_unpackhi_ps(x, y), 0x20);
}

static inline V
v_zip_hi(V x, V y)
{
	return _mm256_permute2f128_ps(_mm256_unpacklo_ps(x, y),
	                              _mm256_unpackhi_ps(x, y), 0x31);
}

/* The sum of each of four, lanes added in the same order. */
static inline void
v_sum4(V a, V b, V c, V d, float *out)
{
	V s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));

	_mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s),
	                              _mm256_extractf128_ps(s, 1)));
}

/* The largest lane; there is no NaN. */
static inline float
v_top(V x)
{
	__m128 m = _mm_max_ps(_mm256_castps256_ps128(x),
	                      _mm256_extractf128_ps(x, 1));

	m = _mm_max_ps(m, _mm_movehl_ps(m, m));
	return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

static inline Dsum
d_add(Dsum s, V x)
{
	s.lo += _mm256_cvtps_pd(_mm256_castps256_ps128(x));
	s.hi += _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
	return s;
}

/* s + x * x */
static inline Dsum
d_square(Dsum s, V x)
{
	__m256d lo = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
	__m256d hi = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));

	s.lo = _mm256_fmadd_pd(lo, lo, s.lo);
	s.hi = _mm256_fmadd_pd(hi, hi, s.hi);
	return s;
}

static inline double
d_sum(Dsum s)
{
	__m256d x = s.lo + s.hi;

	return (x[0] + x[1]) + (x[2] + x[3]);
}

/* ---- integers ---- */

typedef __m256i I;

/* The same as bytes, and as unsigned. */
typedef uint8_t B __attribute__((vector_size(4 * VL)));
typedef uint32_t U __attribute__((vector_size(4 * VL)));

static inline I
i_load(const void *p)
{
	return _mm256_loadu_si256(p);
}

static inline I
i_zero(void)
{
	return _mm256_setzero_si256();
}

/* Four bytes in every lane. */
static inline I
i_four(const void *p)
{
	int32_t x;

	memcpy(&x, p, sizeof x);
	return _mm256_set1_epi32(x);
}

/* Sums of two products of x (int8) and w (unsigned, up to 128), as int16. */
static inline I
i_pairs(I x, I w)
{
	return _mm256_maddubs_epi16(w, x);
}

static inline I
i_add_pairs(I p, I q)
{
	p = _mm256_add_epi16(p, q);
	__asm__ volatile("" : "+x"(p));
	return p;
}

/* acc + the pairs of each lane, and at once: compilers would regroup long
 * sums and spill what they are made of */
static inline I
i_fold(I acc, I p)
{
	acc = _mm256_add_epi32(acc, _mm256_madd_epi16(p, _mm256_set1_epi16(1)));
	__asm__ volatile("" : "+x"(acc));
	return acc;
}

/* acc + the four products of x (int8) and w in each lane; u: w is unsigned,
 * up to 128 */
static inline I
i_dot(bool u, I acc, I x, I w)
{
	if (u)
		return i_fold(acc, i_pairs(x, w));
	return i_fold(acc, i_pairs(_mm256_sign_epi8(x, w), _mm256_abs_epi8(w)));
}

/* Of each lane, as int32. */
static inline I
i_max(I x, I y)
{
	return _mm256_max_epi32(x, y);
}

static inline I
i_min(I x, I y)
{
	return _mm256_min_epi32(x, y);
}

static inline V
v_from(I x)
{
	return _mm256_cvtepi32_ps(x);
}

/* VL bytes, zero-extended. */
static inline I
i_widen(const void *p)
{
	return _mm256_cvtepu8_epi32(_mm_loadl_epi64(p));
}

static inline V
v_load_i8(const void *p)
{
	return v_from(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p)));
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
	I t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));

	return (B)_mm256_shuffle_epi8(t, (I)index);
}

/* b where `bit` of the byte of bits is set, else a */
static inline B
b_pick(B a, B b, B bits, const int bit)
{
	/* the upper bit decides; what comes from the byte below stays below */
	I top = _mm256_slli_epi16((I)bits, 7 - bit);

	return (B)_mm256_blendv_epi8((I)a, (I)b, top);
}

/* Whole numbers in [-128, 127] as bytes. */
static inline void
v_store_i8(void *p, V x)
{
	I n = _mm256_cvtps_epi32(x);
	__m128i h = _mm_packs_epi32(_mm256_castsi256_si128(n),
	                            _mm256_extracti128_si256(n, 1));

	_mm_storel_epi64(p, _mm_packs_epi16(h, h));
}

#endif
