/* SPDX-License-Identifier: BSD-3-Clause */
/* norm_simd.h - normalisation of rows and softmax, over vec_*.h.
 *
 * Sums are doubles: float32 products are exact in them, so that one pass
 * gives mean and variance to float32 precision. */

#ifndef NORM_SIMD_H
#define NORM_SIMD_H

#include <math.h>

typedef struct Moments {
	const float *x; /* the row with its residual */
	Dsum sum, square;
} Moments;

/* s = x (+ res) of row r into its place (see norm_generic.c), with sums */
static Moments
moments(const Step *s, int64_t r)
{
	int64_t width = s->dim[NORM_WIDTH];
	const float *x = s->buf[NORM_X], *res = s->buf[NORM_RES];
	float *to = s->buf[NORM_SUM] ? s->buf[NORM_SUM] : s->buf[NORM_Y];
	bool copy = res || s->buf[NORM_SUM];
	Moments m = {0};

	x += r * width;
	to += r * width;
	for (int64_t i = 0; i < width; i += VL) {
		V v = v_load_n(x + i, width - i, 0);

		if (res)
			v = v + v_load_n(res + r * width + i, width - i, 0);
		if (copy)
			v_store_n(to + i, v, width - i);
		m.sum = d_add(m.sum, v);
		m.square = d_square(m.square, v);
	}
	m.x = copy ? to : x;
	return m;
}

void
ISA(rmsnorm)(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[NORM_WIDTH];
	const float *w = s->buf[NORM_W];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		Moments m = moments(s, r);
		float *y = (float *)s->buf[NORM_Y] + r * width;
		double mean = d_sum(m.square) / (double)width;
		V by = v_set(
			(float)(1 / sqrt(mean + (double)s->num[NORM_EPS])));

		for (int64_t i = 0; i < width; i += VL) {
			V v = v_load_n(m.x + i, width - i, 0) * by;

			if (w)
				v = v * v_load_n(w + i, width - i, 0);
			v_store_n(y + i, v, width - i);
		}
	}
}

void
ISA(layernorm)(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[NORM_WIDTH];
	const float *w = s->buf[NORM_W], *b = s->buf[NORM_B];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		Moments m = moments(s, r);
		float *y = (float *)s->buf[NORM_Y] + r * width;
		double mean = d_sum(m.sum) / (double)width;
		double var = d_sum(m.square) / (double)width - mean * mean;
		/* the mean in two parts: x less the first is exact where
		 * the mean is much larger than the spread */
		V hi = v_set((float)mean);
		V lo = v_set((float)(mean - (double)(float)mean));
		V by = v_set((float)(1 / sqrt((var > 0 ? var : 0 * var) +
		                              (double)s->num[NORM_EPS])));

		for (int64_t i = 0; i < width; i += VL) {
			V v = v_load_n(m.x + i, width - i, 0);

			v = ((v - hi) - lo) * by;
			if (w)
				v = v * v_load_n(w + i, width - i, 0);
			if (b)
				v = v + v_load_n(b + i, width - i, 0);
			v_store_n(y + i, v, width - i);
		}
	}
}

void
ISA(softmax)(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[SOFTMAX_WIDTH];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = (const float *)s->buf[SOFTMAX_X] + r * width;
		float *y = (float *)s->buf[SOFTMAX_Y] + r * width;
		V top = v_set(-INFINITY), by;
		Dsum sum = {0};

		for (int64_t i = 0; i < width; i += VL)
			top = v_max(v_load_n(x + i, width - i, -INFINITY), top);
		top = v_set(v_top(top));
		for (int64_t i = 0; i < width; i += VL) {
			V e = v_exp(v_load_n(x + i, width - i, -INFINITY) -
			            top);

			sum = d_add(sum, e);
			v_store_n(y + i, e, width - i);
		}
		by = v_set((float)(1 / d_sum(sum)));
		for (int64_t i = 0; i < width; i += VL)
			v_store_n(y + i, v_load_n(y + i, width - i, 0) * by,
			          width - i);
	}
}

#endif
