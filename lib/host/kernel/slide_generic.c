/* SPDX-License-Identifier: BSD-3-Clause
 * slide_generic.c - convolutions channel by channel, pools, and products of
 * matrices of which neither is a constant: the definition.  Sums are doubles,
 * rounded once. */

#include <math.h>

#include "slide.h"

int64_t
slide_units(const Step *s, int64_t *grain)
{
	const int64_t *d = s->dim;
	int64_t work = d[SLIDE_OW] * d[SLIDE_C] * d[SLIDE_KH] * d[SLIDE_KW];

	*grain = MAX(16384 / MAX(work, 1), 1);
	return d[SLIDE_BATCH] * d[SLIDE_OH];
}

/* Output (i, j), channel c of image x by w. */
static float
dot_channel(const Step *s, const float *x, const Taps *v, const Taps *u,
            int64_t c)
{
	const int64_t *d = s->dim;
	const float *w = s->buf[CONV_W], *bias = s->buf[CONV_BIAS];
	double sum = bias ? (double)bias[c] : 0;

	for (int64_t a = v->lo; a < v->hi; a++)
		for (int64_t b = u->lo; b < u->hi; b++)
			sum += (double)pixel(d, x, v, u, a, b)[c] *
			       (double)w[(a * d[SLIDE_KW] + b) * d[SLIDE_C] +
			                 c];
	return act_apply((Act)d[CONV_ACT], (float)sum);
}

void
depthwise_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim;
	int64_t ow = d[SLIDE_OW], nc = d[SLIDE_C];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = (const float *)s->buf[CONV_X] +
		                 r / d[SLIDE_OH] * d[SLIDE_H] * d[SLIDE_W] * nc;
		const float *res = s->buf[CONV_RES];
		float *y = (float *)s->buf[CONV_Y] + r * ow * nc;
		Taps v = row_taps(d, r % d[SLIDE_OH]);

		for (int64_t i = 0; i < ow * nc; i++) {
			Taps u = column_taps(d, i / nc);
			float o = dot_channel(s, x, &v, &u, i % nc);

			o = res ? o + res[r * ow * nc + i] : o;
			y[i] = act_apply((Act)d[CONV_POST], o);
		}
	}
}

/* What one channel of a window gives. */
static float
pool_channel(const int64_t *d, const float *x, const Taps *v, const Taps *u,
             int64_t c)
{
	double sum = 0, most = -HUGE_VAL, n;

	for (int64_t a = v->lo; a < v->hi; a++)
		for (int64_t b = u->lo; b < u->hi; b++) {
			double p = (double)pixel(d, x, v, u, a, b)[c];

			sum += p;
			most = p > most || isnan(p) ? p : most;
		}
	n = (double)((v->hi - v->lo) * (u->hi - u->lo));
	if (d[POOL_KIND] == SEE_MEAN_ALL)
		n = (double)(d[SLIDE_KH] * d[SLIDE_KW]);
	return (float)(d[POOL_KIND] == SEE_MAX ? most : sum / n);
}

void
pool_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim;
	int64_t ow = d[SLIDE_OW], nc = d[SLIDE_C];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = (const float *)s->buf[POOL_X] +
		                 r / d[SLIDE_OH] * d[SLIDE_H] * d[SLIDE_W] * nc;
		float *y = (float *)s->buf[POOL_Y] + r * ow * nc;
		Taps v = row_taps(d, r % d[SLIDE_OH]);

		for (int64_t i = 0; i < ow * nc; i++) {
			Taps u = column_taps(d, i / nc);

			y[i] = pool_channel(d, x, &v, &u, i % nc);
		}
	}
}

/* ---- products of activations ---- */

int64_t
bmm_units(const Step *s, int64_t *grain)
{
	const int64_t *d = s->dim;
	int64_t work = PANEL * d[BMM_K] * MIN(d[BMM_M], 4096);

	*grain = MAX(32768 / MAX(work, 1), 1);
	return d[BMM_B0] * d[BMM_B1] * ((d[BMM_N] + PANEL - 1) / PANEL);
}

int64_t
bmm_scratch(const Step *s)
{
	return s->dim[BMM_K] * PANEL * (int64_t)sizeof(float);
}

Product
bmm_unit(const Step *s, int64_t unit)
{
	const int64_t *d = s->dim;
	int64_t panels = (d[BMM_N] + PANEL - 1) / PANEL, b = unit / panels;
	int64_t i = b / d[BMM_B1], j = b % d[BMM_B1];
	Product p = {.at = unit % panels * PANEL};

	p.n = MIN(PANEL, d[BMM_N] - p.at);
	p.x = (const float *)s->buf[BMM_X] + i * d[BMM_XB0] + j * d[BMM_XB1];
	p.w = (const float *)s->buf[BMM_W] + i * d[BMM_WB0] + j * d[BMM_WB1] +
	      p.at * d[BMM_WN];
	p.y = (float *)s->buf[BMM_Y] + b * d[BMM_M] * d[BMM_N] + p.at;
	return p;
}

void
bmm_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim;

	(void)thread;
	for (int64_t unit = begin; unit < end; unit++) {
		Product p = bmm_unit(s, unit);

		for (int64_t r = 0; r < d[BMM_M]; r++)
			for (int64_t c = 0; c < p.n; c++) {
				const float *x = p.x + r * d[BMM_K];
				const float *w = p.w + c * d[BMM_WN];
				double sum = 0;

				for (int64_t k = 0; k < d[BMM_K]; k++)
					sum += (double)x[k] *
					       (double)w[k * d[BMM_WK]];
				p.y[r * d[BMM_N] + c] = (float)sum;
			}
	}
}
