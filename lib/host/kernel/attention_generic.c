/* SPDX-License-Identifier: BSD-3-Clause
 * attention_generic.c - attention with and without a cache: the definition.
 *
 * One row at a time walks its keys once: the sums so far are rescaled when a
 * larger score comes (online softmax), in double.  Keys that a row does not
 * see are not read. */

#include <math.h>

#include "impl.h"

typedef struct Sums {
	double top, den;
	double *num; /* [vdim] */
} Sums;

static double
score(const Attn *a, const AttnRow *w, const float *k, int64_t j)
{
	double s = 0;

	for (int64_t i = 0; i < a->dim; i++)
		s += (double)w->q[i] * (double)k[i];
	s *= (double)a->scale;
	if (a->slope)
		s += (double)a->slope[w->head] * (double)(j - w->p);
	if (a->bias)
		s += (double)attn_bias(a, w, j);
	if (a->cap > 0)
		s = (double)a->cap * tanh(s / (double)a->cap);
	return w->mask ? s + (double)w->mask[j] : s;
}

/* Takes a value v [n] (or nothing: n 0) with its score into the sums. */
static void
take(Sums *m, double s, const float *v, int64_t n, int64_t all)
{
	double by = 1, e;

	if (s > m->top) {
		by = exp(m->top - s); /* 0 at the first */
		m->top = s;
	}
	e = s == -HUGE_VAL ? 0 : exp(s - m->top);
	m->den = m->den * by + e;
	for (int64_t i = 0; i < all; i++)
		m->num[i] = m->num[i] * by + (i < n ? e * (double)v[i] : 0);
}

/* scratch: num [vdim] double, then a row of keys or values */
static void
attend(const Attn *a, const AttnUnit *u, int64_t r, char *scratch)
{
	AttnRow w = attn_row(a, u, r);
	Sums m = {.top = -HUGE_VAL, .num = (double *)(void *)scratch};
	float *row = (float *)(void *)(m.num + a->vdim);

	memset(m.num, 0, (size_t)a->vdim * sizeof *m.num);
	if (a->sink && w.lo < w.hi)
		take(&m, (double)a->sink[w.head], NULL, 0, a->vdim);
	for (int64_t j = w.lo; j < w.hi; j++) {
		int64_t at = attn_slot(a, j);
		double s;

		ccodec[a->format].load(u->k + at * a->kj, a->dim - a->tdim,
		                       row);
		if (u->t)
			ccodec[a->format].load(u->t + at * a->tj, a->tdim,
			                       row + a->dim - a->tdim);
		s = score(a, &w, row, j);
		ccodec[a->format].load(u->v + at * a->vj, a->vdim, row);
		take(&m, s, row, a->vdim, a->vdim);
	}
	for (int64_t i = 0; i < a->vdim; i++)
		w.y[i] = m.den == 0 ? 0 : (float)(m.num[i] / m.den);
}

static void
attend_units(const Attn *a, int64_t begin, int64_t end, char *scratch)
{
	for (int64_t i = begin; i < end; i++) {
		AttnUnit u = attn_unit(a, i);

		for (int64_t r = u.r0; r < u.r1; r++)
			attend(a, &u, r, scratch);
	}
}

void
attention_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	Attn a = attn_cached(s);

	attend_units(&a, begin, end, step_scratch(s, thread));
}

void
dense_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	Attn a = attn_dense(s);

	attend_units(&a, begin, end, step_scratch(s, thread));
}
