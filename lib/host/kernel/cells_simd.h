/* SPDX-License-Identifier: BSD-3-Clause */
/* cells_simd.h - the numbers of a packed block as bytes, over vec_*.h.
 *
 * Instructions that multiply bytes want one factor unsigned: weights have a
 * number added, offset(), which the sums of a product start without.  What
 * is constant after inlining: the format, the part and which groups, so that
 * a kernel has nothing of a format's choices left in its loops. */

#ifndef CELLS_SIMD_H
#define CELLS_SIMD_H

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

/* VL scales e8m0: see e8m0() */
static inline V
v_e8m0(const uint8_t *p)
{
	U e = (U)i_widen(p), odd = (U)(e == 0) | (U)(e == 255);
	U bits = e << 23 | (odd & 0x00400000);

	return (V)bits;
}

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

#endif
