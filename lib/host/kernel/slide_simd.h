/* SPDX-License-Identifier: BSD-3-Clause */
/* slide_simd.h - convolutions, pools and products of activations, over
 * vec_*.h and the products with packed weights. */

#ifndef SLIDE_SIMD_H
#define SLIDE_SIMD_H

#include <math.h>

#include "slide.h"

void
ISA(conv)(const Step *s, int64_t begin, int64_t end, int thread)
{
	conv_with(s, begin, end, thread, ISA(matmul), ISA(unary));
}

/* VL channels from c on of what a window sees, by w [kh, kw, c]. */
static V
dot_channels(const int64_t *d, const float *x, const float *w, const Taps *v,
             const Taps *u, int64_t c, V sum)
{
	int64_t nc = d[SLIDE_C], n = nc - c;

	for (int64_t a = v->lo; a < v->hi; a++) {
		const float *p = pixel(d, x, v, u, a, u->lo) + c;
		const float *q = w + (a * d[SLIDE_KW] + u->lo) * nc + c;

		for (int64_t b = u->lo; b < u->hi; b++) {
			sum = v_fma(v_load_n(p, n, 0), v_load_n(q, n, 0), sum);
			p += u->step * nc;
			q += nc;
		}
	}
	return sum;
}

/* A row of outputs at y, VL channels of it. */
typedef struct Lane {
	const int64_t *d;
	const float *x, *w; /* the image, the weights [kh, kw, c] */
	float *y;           /* [ow, c] */
	Taps v;
	int64_t c;
	V bias;
} Lane;

/* Outputs [j, end), whose windows of K by K pixels are all inside; the
 * weights stay in registers.  The order of sums is dot_channels'. */
INLINE void
inner_lane(const int K, const Lane *l, int64_t j, int64_t end)
{
	const int64_t *d = l->d, nc = d[SLIDE_C];
	int64_t down = d[SLIDE_DH] * d[SLIDE_W] * nc, right = d[SLIDE_DW] * nc;
	Taps u = column_taps(d, j);
	const float *p = pixel(d, l->x, &l->v, &u, 0, 0) + l->c;
	V w[25];

	UNROLL
	for (int i = 0; i < K * K; i++)
		w[i] = v_load(l->w + i * nc + l->c);
	for (; j < end; j++, p += d[SLIDE_SW] * nc) {
		V sum = l->bias;

		UNROLL
		for (int i = 0; i < K * K; i++)
			sum = v_fma(v_load(p + i / K * down + i % K * right),
			            w[i], sum);
		v_store(l->y + j * nc + l->c, sum);
	}
}

static void
outer_lane(const Lane *l, int64_t j, int64_t end)
{
	const int64_t *d = l->d, nc = d[SLIDE_C];

	for (; j < end; j++) {
		Taps u = column_taps(d, j);

		v_store_n(l->y + j * nc + l->c,
		          dot_channels(d, l->x, l->w, &l->v, &u, l->c, l->bias),
		          nc - l->c);
	}
}

/* Which outputs of a row have all columns inside: [*lo, *hi). */
static void
inside(const int64_t *d, int64_t *lo, int64_t *hi)
{
	int64_t reach = (d[SLIDE_KW] - 1) * d[SLIDE_DW];
	int64_t room = d[SLIDE_W] - 1 - reach + d[SLIDE_PL];

	*lo = (d[SLIDE_PL] + d[SLIDE_SW] - 1) / d[SLIDE_SW];
	*hi = room < 0 ? 0 : MIN(room / d[SLIDE_SW] + 1, d[SLIDE_OW]);
	*hi = MAX(*hi, *lo = MIN(*lo, d[SLIDE_OW]));
}

static void
deep_lane(const Lane *l)
{
	const int64_t *d = l->d;
	int64_t lo, hi;
	bool whole = l->v.hi - l->v.lo == d[SLIDE_KH] &&
	             d[SLIDE_KH] == d[SLIDE_KW] && l->c + VL <= d[SLIDE_C];

	inside(d, &lo, &hi);
	if (!whole || (d[SLIDE_KW] != 3 && d[SLIDE_KW] != 5))
		lo = hi = d[SLIDE_OW];
	outer_lane(l, 0, lo);
	if (lo < hi && d[SLIDE_KW] == 3)
		inner_lane(3, l, lo, hi);
	else if (lo < hi)
		inner_lane(5, l, lo, hi);
	outer_lane(l, hi, d[SLIDE_OW]);
}

void
ISA(depthwise)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, nc = d[SLIDE_C], row = d[SLIDE_OW] * nc;
	const float *bias = s->buf[CONV_BIAS], *res = s->buf[CONV_RES];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		float *y = (float *)s->buf[CONV_Y] + r * row;
		Lane l = {.d = d, .w = s->buf[CONV_W], .y = y};

		l.x = (const float *)s->buf[CONV_X] +
		      r / d[SLIDE_OH] * d[SLIDE_H] * d[SLIDE_W] * nc;
		l.v = row_taps(d, r % d[SLIDE_OH]);
		for (l.c = 0; l.c < nc; l.c += VL) {
			l.bias = bias ? v_load_n(bias + l.c, nc - l.c, 0)
			              : v_set(0);
			deep_lane(&l);
		}
		act_vec((Act)d[CONV_ACT], y, row);
		for (int64_t i = 0; res && i < row; i++)
			y[i] += res[r * row + i];
		act_vec((Act)d[CONV_POST], y, row);
	}
}

/* VL channels from c on of what a window gives. */
static V
pool_channels(const int64_t *d, const float *x, const Taps *v, const Taps *u,
              int64_t c)
{
	int64_t nc = d[SLIDE_C], n = nc - c, kind = d[POOL_KIND];
	int64_t count = (v->hi - v->lo) * (u->hi - u->lo);
	V sum = v_set(kind == SEE_MAX ? -INFINITY : 0);

	for (int64_t a = v->lo; a < v->hi; a++)
		for (int64_t b = u->lo; b < u->hi; b++) {
			V p = v_load_n(pixel(d, x, v, u, a, b) + c, n, 0);

			if (kind == SEE_MAX)
				sum = or_nan(v_max(sum, p), sum);
			else
				sum = sum + p;
		}
	if (kind == SEE_MEAN_ALL)
		count = d[SLIDE_KH] * d[SLIDE_KW];
	if (kind != SEE_MAX)
		sum = sum / v_set((float)count);
	return sum;
}

void
ISA(pool)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, nc = d[SLIDE_C];

	(void)thread;
	for (int64_t r = begin; r < end; r++) {
		const float *x = (const float *)s->buf[POOL_X] +
		                 r / d[SLIDE_OH] * d[SLIDE_H] * d[SLIDE_W] * nc;
		float *y = (float *)s->buf[POOL_Y] + r * d[SLIDE_OW] * nc;
		Taps v = row_taps(d, r % d[SLIDE_OH]);

		for (int64_t j = 0; j < d[SLIDE_OW]; j++, y += nc) {
			Taps u = column_taps(d, j);

			for (int64_t c = 0; c < nc; c += VL)
				v_store_n(y + c, pool_channels(d, x, &v, &u, c),
				          nc - c);
		}
	}
}

/* out [k][PANEL]: n columns at w, the rest zeros */
static void
panel_of(const float *w, int64_t wk, int64_t wn, int64_t k, int64_t n,
         float *out)
{
	for (int64_t i = 0; i < k; i++, w += wk, out += PANEL)
		for (int64_t c = 0; c < PANEL; c++)
			out[c] = c < n ? w[c * wn] : 0;
}

void
ISA(bmm)(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, n = d[BMM_N], k = d[BMM_K];
	int64_t band = band_rows(WF_F32, d[BMM_M], k);
	float *panel = (float *)(void *)step_scratch(s, thread);
	float acc[BAND * PANEL];

	for (int64_t unit = begin; unit < end; unit++) {
		Product p = bmm_unit(s, unit);

		panel_of(p.w, d[BMM_WK], d[BMM_WN], k, p.n, panel);
		for (int64_t r = 0; r < d[BMM_M]; r += band) {
			int64_t rows = MIN(band, d[BMM_M] - r);

			float_sums(WF_F32, &(const char *){(char *)panel}, 1,
			           p.x + r * k, rows, k, acc);
			put(p.y + r * n, n, acc, rows, p.n, NULL);
		}
	}
}

#endif
