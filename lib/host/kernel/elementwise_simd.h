/* SPDX-License-Identifier: BSD-3-Clause */
/* elementwise_simd.h - kernels that touch each element once, over vec_*.h.
 *
 * Where no rounding differs, the portable version does what does not fit a
 * vector: its bits are the same. */

#ifndef ELEMENTWISE_SIMD_H
#define ELEMENTWISE_SIMD_H

#include <math.h>

/* Half-split pairs: y, x [rot]; c, s [rot].  In place allowed. */
static void
turn(float *y, const float *x, const float *c, const float *s, int64_t rot)
{
	int64_t half = rot / 2;

	for (int64_t j = 0; j < half; j += VL) {
		const float *cb = c + half + j, *sb = s + half + j;
		int64_t n = half - j;
		V a = v_load_n(x + j, n, 0), b = v_load_n(x + half + j, n, 0);

		v_store_n(y + j,
		          a * v_load_n(c + j, n, 0) - b * v_load_n(s + j, n, 0),
		          n);
		v_store_n(y + half + j,
		          b * v_load_n(cb, n, 0) + a * v_load_n(sb, n, 0), n);
	}
}

void
ISA(rope)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, *pos = s->buf[ROPE_POS];
	int64_t heads = d[ROPE_HEADS], dim = d[ROPE_DIM], rot = d[ROPE_ROT];
	const float *cos = s->buf[ROPE_COS], *sin = s->buf[ROPE_SIN];

	if (d[ROPE_STYLE]) {
		rope_generic(s, begin, end, thread);
		return;
	}
	for (int64_t u = begin; u < end; u++) {
		int64_t t = u / heads, h = u % heads, p = MAX(pos[t], 0);
		const float *x = (const float *)s->buf[ROPE_X] +
		                 t * d[ROPE_LDX] + h * dim;
		float *y = (float *)s->buf[ROPE_Y] + u * dim;

		p = MIN(p, d[ROPE_TABLE] - 1);
		turn(y, x, cos + p * rot, sin + p * rot, rot);
		if (y != x)
			memcpy(y + rot, x + rot,
			       (size_t)(dim - rot) * sizeof *y);
	}
}

void
ISA(unary)(const Step *s, int64_t begin, int64_t end, int thread)
{
	float *y = s->buf[UNARY_Y];
	const float *x = s->buf[UNARY_X];

	(void)thread;
	if (y != x)
		memcpy(y + begin, x + begin, (size_t)(end - begin) * sizeof *y);
	act_vec((Act)s->dim[UNARY_ACT], y + begin, end - begin);
}

/* VL elements, or one for all lanes */
INLINE V
operand(const float *p, int64_t i, bool one)
{
	return one ? v_set(*p) : v_load(p + i);
}

/* r, or x where x is NaN */
INLINE V
or_nan(V r, V x)
{
	return v_less(x, v_set(INFINITY), r, v_less(v_set(-INFINITY), x, r, x));
}

INLINE V
arith_one(const int op, V u, V v)
{
	switch (op) {
	case BIN_ADD:
		return u + v;
	case BIN_SUB:
		return u - v;
	case BIN_MUL:
		return u * v;
	case BIN_DIV:
		return u / v;
	case BIN_MIN:
		return or_nan(v_min(u, v), u);
	default:
		return or_nan(v_max(u, v), u);
	}
}

/* y [n] = a op b; n a multiple of VL; a stretched operand is one number */
INLINE void
arith_vec(const int op, float *y, const float *a, bool one_a, const float *b,
          bool one_b, int64_t n)
{
	for (int64_t i = 0; i < n; i += VL)
		v_store(y + i, arith_one(op, operand(a, i, one_a),
		                         operand(b, i, one_b)));
}

/* The first row of [begin, end), as far as whole vectors go; elements done. */
static int64_t
binary_row(const Step *s, int64_t begin, int64_t end)
{
	const int64_t *d = s->dim, *size = d + BINARY_SIZE;
	int64_t n = MIN(size[5] - begin % size[5], end - begin) / VL * VL;
	bool one_a = d[BINARY_SA + 5] == 0, one_b = d[BINARY_SB + 5] == 0;
	float *y = (float *)s->buf[BINARY_Y] + begin;
	const float *a = s->buf[BINARY_A], *b = s->buf[BINARY_B];

	if ((!one_a && d[BINARY_SA + 5] != 1) ||
	    (!one_b && d[BINARY_SB + 5] != 1))
		return 0;
	a += offset6(begin, size, d + BINARY_SA);
	b += offset6(begin, size, d + BINARY_SB);
	switch (d[BINARY_OP]) {
	case BIN_ADD:
		arith_vec(BIN_ADD, y, a, one_a, b, one_b, n);
		break;
	case BIN_SUB:
		arith_vec(BIN_SUB, y, a, one_a, b, one_b, n);
		break;
	case BIN_MUL:
		arith_vec(BIN_MUL, y, a, one_a, b, one_b, n);
		break;
	case BIN_DIV:
		arith_vec(BIN_DIV, y, a, one_a, b, one_b, n);
		break;
	case BIN_MIN:
		arith_vec(BIN_MIN, y, a, one_a, b, one_b, n);
		break;
	default:
		arith_vec(BIN_MAX, y, a, one_a, b, one_b, n);
	}
	return n;
}

void
ISA(binary)(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[BINARY_SIZE + 5];

	while (begin < end) {
		int64_t row = begin - begin % width + width;

		begin += binary_row(s, begin, end);
		row = MIN(row, end);
		if (begin < row) /* less than a vector, or strides */
			binary_generic(s, begin, row, thread);
		begin = MAX(begin, row);
	}
}

/* ---- cache ---- */

static void
save_vec(CFormat f, const float *x, int64_t dim, char *out)
{
	int64_t n = f == CF_F16 ? dim / VL * VL : 0;

	for (int64_t i = 0; i < n; i += VL)
		v_store_f16(out + 2 * i, v_load(x + i));
	if (n < dim)
		ccodec[f].save(x + n, dim - n, out + 2 * n);
}

void
ISA(write)(const Step *s, int64_t begin, int64_t end, int thread)
{
	write_with(s, begin, end, save_vec);
	(void)thread;
}

#endif
