/* SPDX-License-Identifier: BSD-3-Clause */
/* math_simd.h - functions of vectors of floats, over vec_*.h.
 *
 * Polynomials are our own minimax fits; beside each stands the error of the
 * fit, to which float32 rounding adds about one part in 10^7.  NaN goes in
 * and comes out. */

#ifndef MATH_SIMD_H
#define MATH_SIMD_H

enum { VPP = PANEL / VL }; /* vectors of a panel's row */

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

#if !defined(V_SCALES) /* no instruction does */
/* r * 2^n for whole n in [-152, 129], rounded once: as two factors, so that
 * the ends of the range are reached */
static inline V
v_scale(V r, V n)
{
	V h = v_round(n * v_set(0.5f));

	return r * v_pow2(h) * v_pow2(n - h);
}
#endif

/* p points at n > 0 floats; lanes beyond repeat `rest`. */
static inline V
v_load_n(const float *p, int64_t n, float rest)
{
	float t[VL];

	if (n >= VL)
		return v_load(p);
	v_store(t, v_set(rest));
	memcpy(t, p, (size_t)n * sizeof *p);
	return v_load(t);
}

static inline void
v_store_n(float *p, V x, int64_t n)
{
	float t[VL];

	if (n >= VL) {
		v_store(p, x);
	} else {
		v_store(t, x);
		memcpy(p, t, (size_t)n * sizeof *p);
	}
}

/* The sum of all lanes. */
static inline float
v_total(V x)
{
	float t[4];

	v_sum4(x, x, x, x, t);
	return t[0];
}

/* Element j of x[i] goes to element i of x[j]. */
static inline void
v_transpose(V x[VL])
{
	V t[VL];

	UNROLL
	for (int n = 1; n < VL; n *= 2) {
		UNROLL
		for (int i = 0; i < VL / 2; i++) {
			t[2 * i] = v_zip_lo(x[i], x[i + VL / 2]);
			t[2 * i + 1] = v_zip_hi(x[i], x[i + VL / 2]);
		}
		UNROLL
		for (int i = 0; i < VL; i++)
			x[i] = t[i];
	}
}

/* c[0] + c[1] x + ... */
#define POLY(x, c) poly((x), (c), (int)LEN(c))
INLINE V
poly(V x, const float *c, int n)
{
	V y = v_set(c[n - 1]);

	UNROLL
	for (int i = n - 2; i >= 0; i--)
		y = v_fma(y, x, v_set(c[i]));
	return y;
}

/* e^x: x = n ln 2 + r, |r| <= ln(2)/2; fit 3e-9. */
static inline V
v_exp(V x)
{
	static const float c[] = {0x1.fffffcp-2f, 0x1.555492p-3f,
	                          0x1.5558f2p-5f, 0x1.123a0cp-7f,
	                          0x1.6a23eep-10f};
	V n, r;

	x = v_max(v_set(-105), v_min(v_set(89), x));
	n = v_round(x * v_set(0x1.715476p+0f));
	r = v_fma(n, v_set(-0x1.62e4p-1f), x);    /* ln 2, 15 bits: exact */
	r = v_fma(n, v_set(-0x1.7f7d1cp-20f), r); /* the rest of ln 2 */
	r = v_fma(POLY(r, c) * r, r, r) + v_set(1);
	return v_scale(r, n);
}

/* 2^x for x <= 0, and 0 below 2^-126: what a softmax needs; fit 3e-9. */
static inline V
v_exp2_down(V x)
{
	static const float c[] = {0x1.62e43p-1f,   0x1.ebfbdcp-3f,
	                          0x1.c6af7cp-5f,  0x1.3b2dep-7f,
	                          0x1.5f082ep-10f, 0x1.416b5p-13f};
	V low = v_set(-126), y = v_max(low, x), n = v_round(y), r = y - n;

	r = v_fma(POLY(r, c), r, v_set(1)) * v_pow2(n);
	return v_less(x, low, v_set(0), r);
}

/* below 0.6: x + x^3 P(x^2), fit 3e-9; above: 1 - 2 / (e^2x + 1) */
static inline V
v_tanh(V x)
{
	static const float c[] = {-0x1.55553ep-2f, 0x1.1109dcp-3f,
	                          -0x1.b89ed8p-5f, 0x1.54e014p-6f,
	                          -0x1.830be6p-8f};
	V a = v_abs(x), z = x * x, big;

	big = v_set(1) - v_set(2) / (v_exp(a + a) + v_set(1));
	return v_less(a, v_set(0.6f), v_fma(POLY(z, c) * z, x, x),
	              v_sign(big, x));
}

/* below 1: x P(x^2), fit 1e-9; above: 1 - e^P(x), fit 1e-9, and 1 from 4 */
static inline V
v_erf(V x)
{
	static const float near[] = {0x1.20dd74p+0f, -0x1.81273ep-2f,
	                             0x1.ce2d2p-4f,  -0x1.b7fbb4p-6f,
	                             0x1.5419f4p-8f, -0x1.a485e8p-11f,
	                             0x1.4ae4c6p-14f};
	static const float far[] = {-0x1.72e404p-12f, -0x1.2085b2p+0f,
	                            -0x1.46c582p-1f,  -0x1.a60a94p-4f,
	                            0x1.654246p-6f,   -0x1.814d22p-9f,
	                            0x1.852dc4p-13f};
	V a = v_min(v_set(4), v_abs(x)), big;

	big = v_set(1) - v_exp(POLY(a, far));
	return v_less(a, v_set(1), POLY(x * x, near) * x, v_sign(big, x));
}

static inline V
v_sigmoid(V x)
{
	return v_set(1) / (v_exp(v_set(0) - x) + v_set(1));
}

static inline V
v_hard_sigmoid(V x)
{
	V y = v_fma(x, v_set(1.0f / 6), v_set(0.5f));

	return v_min(v_set(1), v_max(v_set(0), y));
}

/* The error function as eight polynomials between 0 and 4, whose coefficients
 * are looked up; fit 4e-8 of 1, which is what the sum with 1 leaves. */
static inline V
v_gelu(V x)
{
	enum { DEGREE = 6 };
	static const float c[DEGREE + 1][8] =
		{{0x1.1af54ep-2f, 0x1.6c1c98p-1f, 0x1.d8865ep-1f,
	          0x1.f92d08p-1f, 0x1.ff4048p-1f, 0x1.fff2dp-1f, 0x1.ffff7p-1f,
	          0x1.fffffcp-1f},
	         {0x1.0f5d0ep-1f, 0x1.492e52p-2f, 0x1.e4653ep-4f,
	          0x1.b054dap-6f, 0x1.d413e8p-9f, 0x1.336316p-12f,
	          0x1.e9c9c2p-17f, 0x1.d97594p-22f},
	         {-0x1.0f5cfp-4f, -0x1.edc55ap-4f, -0x1.2ebf54p-4f,
	          -0x1.7a4a8p-6f, -0x1.074b2p-8f, -0x1.a6a57p-12f,
	          -0x1.8de92cp-16f, -0x1.bbbbbcp-21f},
	         {-0x1.3c8908p-5f, 0x1.b5e614p-9f, 0x1.571658p-6f,
	          0x1.715e22p-7f, 0x1.63f98ep-9f, 0x1.698612p-12f,
	          0x1.99678ep-16f, 0x1.09793ap-20f},
	         {0x1.03f644p-7f, 0x1.34956cp-7f, -0x1.91de7ap-12f,
	          -0x1.8a1498p-9f, -0x1.38bdf4p-10f, -0x1.aafeap-13f,
	          -0x1.2c1206p-16f, -0x1.ce8fcp-21f},
	         {0x1.40bfa6p-9f, -0x1.a3edd2p-10f, -0x1.7f3256p-10f,
	          0x1.873844p-13f, 0x1.5ab90ep-12f, 0x1.72633cp-14f,
	          0x1.5cc5ecp-17f, 0x1.52fcfp-21f},
	         {-0x1.4247ap-11f, -0x1.b38878p-12f, 0x1.51792cp-12f,
	          0x1.2888aap-13f, -0x1.6c52bcp-15f, -0x1.b5379p-16f,
	          -0x1.1f0e7ap-18f, -0x1.5b295cp-22f}};
	V a = v_abs(x) * v_set(0x1.6a09e6p+0f), h = x * v_set(0.5f), n, t, y;

	t = v_min(v_set(0x1.dffffep+2f), a - v_set(0.5f)); /* rounds to 7 */
	n = v_round(t);
	t = t - n;
	y = v_lookup(c[DEGREE], n);
	UNROLL
	for (int i = DEGREE - 1; i >= 0; i--)
		y = v_fma(y, t, v_lookup(c[i], n));
	y = v_less(v_set(8), a, v_set(1), y);
	return v_fma(h, v_sign(y, x), h);
}

static inline V
v_gelu_tanh(V x)
{
	V h = x * v_set(0.5f), c = x * v_set(0x1.988454p-1f);

	c = v_fma(x * x * v_set(0.044715f), c, c);
	return v_fma(h, v_tanh(c), h);
}

/* x [n] in place */
#define EACH(expr)                                                             \
	for (int64_t i = 0; i < n; i += VL) {                                  \
		V x = v_load_n(p + i, n - i, 0);                               \
                                                                               \
		v_store_n(p + i, (expr), n - i);                               \
	}                                                                      \
	break

static void
act_vec(Act act, float *p, int64_t n)
{
	switch (act) {
	case ACT_NONE:
	case ACT_COUNT:
		break;
	case ACT_RELU:
		EACH(v_max(v_set(0), x));
	case ACT_GELU:
		EACH(v_gelu(x));
	case ACT_GELU_TANH:
		EACH(v_gelu_tanh(x));
	case ACT_QUICK_GELU:
		EACH(x / (v_exp(x * v_set(-1.702f)) + v_set(1)));
	case ACT_SILU:
		EACH(x / (v_exp(v_set(0) - x) + v_set(1)));
	case ACT_SIGMOID:
		EACH(v_sigmoid(x));
	case ACT_TANH:
		EACH(v_tanh(x));
	case ACT_ERF:
		EACH(v_erf(x));
	case ACT_EXP:
		EACH(v_exp(x));
	case ACT_RELU2:
		EACH(v_max(v_set(0), x) * v_max(v_set(0), x));
	case ACT_RELU6:
		EACH(v_min(v_set(6), v_max(v_set(0), x)));
	case ACT_HARD_SIGMOID:
		EACH(v_hard_sigmoid(x));
	case ACT_HARD_SWISH:
		EACH(v_less(x, v_set(-3), v_set(0), x * v_hard_sigmoid(x)));
	}
}

#endif
