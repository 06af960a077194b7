/* SPDX-License-Identifier: BSD-3-Clause
 * norm_generic.c - normalisation of rows and softmax: the definition.
 *
 * Sums are doubles.  The sum with the residual is kept where it was asked
 * for, or else in y, and read back from there: so any of the buffers may be
 * the same. */

#include <math.h>

#include "impl.h"

/* s = x (+ res) of row r, into its place */
static const float *
residual(const Step *s, int64_t r)
{
	int64_t width = s->dim[NORM_WIDTH];
	const float *x = s->buf[NORM_X], *res = s->buf[NORM_RES];
	float *sum = s->buf[NORM_SUM] ? s->buf[NORM_SUM] : s->buf[NORM_Y];

	sum += r * width;
	for (int64_t i = 0; i < width; i++)
		sum[i] = x[r * width + i] + (res ? res[r * width + i] : 0);
	return sum;
}

void
rmsnorm_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[NORM_WIDTH];
	const float *w = s->buf[NORM_W];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = residual(s, r);
		float *y = (float *)s->buf[NORM_Y] + r * width;
		double sq = 0, by;

		for (int64_t i = 0; i < width; i++)
			sq += (double)x[i] * (double)x[i];
		by = 1 / sqrt(sq / (double)width + (double)s->num[NORM_EPS]);
		for (int64_t i = 0; i < width; i++)
			y[i] = (float)((double)x[i] * by) * (w ? w[i] : 1);
	}
}

void
layernorm_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[NORM_WIDTH];
	const float *w = s->buf[NORM_W], *b = s->buf[NORM_B];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = residual(s, r);
		float *y = (float *)s->buf[NORM_Y] + r * width;
		double mean = 0, var = 0, by;

		for (int64_t i = 0; i < width; i++)
			mean += (double)x[i];
		mean /= (double)width;
		for (int64_t i = 0; i < width; i++)
			var += ((double)x[i] - mean) * ((double)x[i] - mean);
		by = 1 / sqrt(var / (double)width + (double)s->num[NORM_EPS]);
		for (int64_t i = 0; i < width; i++)
			y[i] = (float)(((double)x[i] - mean) * by) *
			               (w ? w[i] : 1) +
			       (b ? b[i] : 0);
	}
}

void
softmax_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[SOFTMAX_WIDTH];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = (const float *)s->buf[SOFTMAX_X] + r * width;
		float *y = (float *)s->buf[SOFTMAX_Y] + r * width;
		float top = -INFINITY;
		double sum = 0;

		for (int64_t i = 0; i < width; i++)
			top = MAX(top, x[i]);
		for (int64_t i = 0; i < width; i++)
			sum += exp((double)x[i] - (double)top);
		for (int64_t i = 0; i < width; i++)
			y[i] = (float)(exp((double)x[i] - (double)top) / sum);
	}
}
