/* SPDX-License-Identifier: BSD-3-Clause
 * code.c - numbers of at most 8 bits: small floats and small integers.
 *
 * Formats: OCP 8-bit Floating Point Specification (E4M3, E5M2), OCP
 * Microscaling (E2M1, E8M0), and the FNUZ variants, whose code 0x80 is the
 * only NaN.  A code's value is found by arithmetic and the nearest code by
 * search, so that rounding is right by construction. */

#include <math.h>

#include "num.h"

typedef struct Mini {
	int ebits, mbits, bias;
	bool inf;      /* the largest exponent holds inf and NaN */
	bool fnuz;     /* one NaN, no -0 */
	unsigned max;  /* code of the largest finite value */
	unsigned over; /* code beyond it when not saturating */
} Mini;

static const Mini minis[DT_COUNT] = {
	[DT_F8E4M3FN] = {4, 3, 7, false, false, 0x7e, 0x7f},
	[DT_F8E4M3FNUZ] = {4, 3, 8, false, true, 0x7f, 0x80},
	[DT_F8E5M2] = {5, 2, 15, true, false, 0x7b, 0x7c},
	[DT_F8E5M2FNUZ] = {5, 2, 16, false, true, 0x7f, 0x80},
	[DT_F4E2M1] = {2, 1, 1, false, false, 0x7, 0x7},
};

static double
mini_value(const Mini *m, unsigned code)
{
	int bits = m->ebits + m->mbits;
	unsigned frac = code & ((1u << m->mbits) - 1);
	int e = (int)(code >> m->mbits & ((1u << m->ebits) - 1));
	double sign = code >> bits & 1 ? -1 : 1, x;

	if (m->fnuz && code == 0x80)
		return (double)NAN;
	if ((code & ((1u << bits) - 1)) > m->max)
		return m->inf && !frac ? sign * (double)INFINITY : (double)NAN;
	x = e ? ldexp(1 + ldexp(frac, -m->mbits), e - m->bias)
	      : ldexp(frac, 1 - m->bias - m->mbits);
	return sign * x;
}

/* Codes of positive values are in the order of their values. */
static unsigned
mini_nearest(const Mini *m, double x, bool saturate)
{
	int bits = m->ebits + m->mbits;
	unsigned lo = 0, hi = m->max, sign = signbit(x) ? 1u << bits : 0;
	double a = fabs(x), p, q;

	if (x != x)
		return m->fnuz ? 0x80 : m->ebits > 2 ? 0x7f | sign : 0x8;
	if (isinf(x) && !saturate)
		return m->fnuz ? m->over : m->over | sign;
	while (hi - lo > 1) {
		unsigned mid = (lo + hi) / 2;

		if (mini_value(m, mid) <= a)
			lo = mid;
		else
			hi = mid;
	}
	p = mini_value(m, lo);
	q = mini_value(m, hi);
	if (a >= q) {
		/* the step beyond would have been as wide as the last */
		double half = (q - p) / 2;

		if (!saturate && (a - q > half || (a - q == half && hi & 1)))
			return m->fnuz ? m->over : m->over | sign;
		lo = hi;
	} else if (a - p > q - a || (a - p == q - a && (lo & 1))) {
		lo = hi;
	}
	return m->fnuz && !lo ? 0 : lo | sign;
}

/* Powers of two from 2^-127; 0xff is NaN. */
static double
e8m0_value(unsigned code)
{
	return code == 0xff ? (double)NAN : ldexp(1, (int)code - 127);
}

static unsigned
e8m0_nearest(double x, bool saturate)
{
	int e;
	double f;

	if (x != x || (isinf(x) && !saturate))
		return 0xff;
	if (isinf(x))
		return 0xfe;
	f = frexp(fabs(x), &e); /* f 2^e, f in [1/2, 1) */
	if (x == 0)
		return 0;
	e += 126 + (f >= 0.75);
	return e < 0 ? 0 : e > 0xfe ? saturate ? 0xfe : 0xff : (unsigned)e;
}

double
code_value(DType t, unsigned code)
{
	int bits = dtypes[t].bits;

	if (t == DT_F8E8M0)
		return e8m0_value(code);
	if (dtypes[t].class == 'I' && code >> (bits - 1))
		return (double)code - (double)(1u << bits);
	return dtype_is_int(t) ? code : mini_value(&minis[t], code);
}

unsigned
code_nearest(DType t, double x, bool saturate)
{
	if (t == DT_F8E8M0)
		return e8m0_nearest(x, saturate);
	if (dtype_is_int(t))
		return (unsigned)(int64_t)x;
	return mini_nearest(&minis[t], x, saturate);
}
