/* SPDX-License-Identifier: BSD-3-Clause
 * experts.c - products of rows with the matrices chosen for them, and the
 * weighted sum of a token's results.
 *
 * Rows are put in the order of their matrices: a unit is a panel of one of
 * the matrices that were chosen at all, and meets every row of its matrix.
 * The products are those of the plain kernels, on rows brought together; as
 * a row does not see its company there, neither the grouping nor the cut of
 * the work shows in a bit. */

#include "impl.h"

enum { TOGETHER = 96 }; /* rows in one product */

/* Who meets whom: the rows order[start[i]] .. of matrix used[i]. */
typedef struct Groups {
	int32_t *order, *start, *used; /* [m], [groups + 1], [groups] */
	int64_t n;
} Groups;

/* One product: rows [first, first + n) of `order`, panels [p0, p1). */
typedef struct Part {
	const int32_t *row;
	int64_t n, p0, p1, matrix;
} Part;

typedef struct Work {
	const Step *s;
	KernelFn *matmul, *gated;
	float *x, *y, *u;
	char *scratch;
} Work;

static int64_t
groups_of(const Step *s)
{
	return MIN(s->dim[EXPERTS_M], s->dim[EXPERTS_COUNT]);
}

static int64_t
panels_of(const Step *s)
{
	return (s->dim[EXPERTS_N] + PANEL - 1) / PANEL;
}

int64_t
experts_units(const Step *s, int64_t *grain)
{
	int64_t groups = groups_of(s);
	int64_t cost = PANEL * s->dim[EXPERTS_K] *
	               MIN(s->dim[EXPERTS_M] / MAX(groups, 1), TOGETHER);

	*grain = MAX(32768 / MAX(cost, 1), 1);
	return groups * panels_of(s);
}

static int64_t
round_up(int64_t n)
{
	return (n + 63) / 64 * 64;
}

static int64_t
index_bytes(const Step *s)
{
	return round_up((s->dim[EXPERTS_M] + 2 * groups_of(s) + 1 +
	                 s->dim[EXPERTS_COUNT]) *
	                (int64_t)sizeof(int32_t));
}

/* The step that multiplies n rows with panels of one matrix. */
static Step
product(const Step *s, int64_t n, int64_t panels)
{
	const int64_t *d = s->dim;
	Step p = {.dim = {[MATMUL_M] = n,
	                  [MATMUL_N] = panels * PANEL,
	                  [MATMUL_K] = d[EXPERTS_K],
	                  [MATMUL_FORMAT] = d[EXPERTS_FORMAT]}};

	return p;
}

int64_t
experts_scratch(const Step *s)
{
	int64_t rows = MIN(s->dim[EXPERTS_M], TOGETHER);
	Step p = product(s, rows, panels_of(s));

	return index_bytes(s) +
	       round_up(rows * s->dim[EXPERTS_K] * (int64_t)sizeof(float)) +
	       2 * round_up(rows * p.dim[MATMUL_N] * (int64_t)sizeof(float)) +
	       matmul_scratch(&p);
}

/* Counts, then places, so that rows keep their order; an index that names no
 * matrix is in no group. */
static Groups
group(const Step *s, char *scratch)
{
	const int64_t *index = s->buf[EXPERTS_INDEX];
	int64_t m = s->dim[EXPERTS_M], count = s->dim[EXPERTS_COUNT];
	int32_t *at = (int32_t *)(void *)scratch;
	Groups g = {.order = at + count};

	g.start = g.order + m;
	g.used = g.start + groups_of(s) + 1;
	memset(at, 0, (size_t)count * sizeof *at);
	for (int64_t i = 0; i < m; i++)
		if (index[i] >= 0 && index[i] < count)
			at[index[i]]++;
	g.start[0] = 0;
	for (int64_t e = 0; e < count; e++) {
		int32_t n = at[e];

		at[e] = g.start[g.n];
		if (!n)
			continue;
		g.used[g.n++] = (int32_t)e;
		g.start[g.n] = g.start[g.n - 1] + n;
	}
	for (int64_t i = 0; i < m; i++)
		if (index[i] >= 0 && index[i] < count)
			g.order[at[index[i]]++] = (int32_t)i;
	return g;
}

/* The rows of x that a part meets, side by side. */
static const float *
gather(const Work *w, const Part *t)
{
	const int64_t *d = w->s->dim;
	const float *x = w->s->buf[EXPERTS_X];
	int64_t k = d[EXPERTS_K];

	if (t->n == 1)
		return x + t->row[0] / d[EXPERTS_SHARE] * k;
	for (int64_t i = 0; i < t->n; i++)
		memcpy(w->x + i * k, x + t->row[i] / d[EXPERTS_SHARE] * k,
		       (size_t)k * sizeof *x);
	return w->x;
}

static const char *
panels(const Step *s, int buf, const Part *t)
{
	const int64_t *d = s->dim;
	WFormat f = (WFormat)d[EXPERTS_FORMAT];

	return (const char *)s->buf[buf] +
	       t->matrix * pack_size(f, d[EXPERTS_N], d[EXPERTS_K]) +
	       t->p0 * panel_bytes(f, d[EXPERTS_K]);
}

static const float *
bias(const Step *s, int buf, const Part *t)
{
	const float *b = s->buf[buf];

	return b ? b + t->matrix * s->dim[EXPERTS_N] + t->p0 * PANEL : NULL;
}

static void
run(Step *p, KernelFn *fn, const Work *w, const Part *t)
{
	p->scratch = w->scratch;
	fn(p, 0, t->p1 - t->p0, 0);
}

static void
plain(const Work *w, const Part *t, const float *x, int weight, int with,
      Act act, float *y)
{
	Step p = product(w->s, t->n, t->p1 - t->p0);

	p.dim[MATMUL_N] =
		MIN(p.dim[MATMUL_N], w->s->dim[EXPERTS_N] - t->p0 * PANEL);
	p.dim[MATMUL_ACT] = (int64_t)act;
	p.buf[MATMUL_X] = (void *)(uintptr_t)x;
	p.buf[MATMUL_W] = (void *)(uintptr_t)panels(w->s, weight, t);
	p.buf[MATMUL_BIAS] = (void *)(uintptr_t)bias(w->s, with, t);
	p.buf[MATMUL_Y] = y;
	run(&p, w->matmul, w, t);
}

static void
both(const Work *w, const Part *t, const float *x, float *y)
{
	Step p = product(w->s, t->n, t->p1 - t->p0);

	p.dim[GATED_N] =
		MIN(p.dim[GATED_N], w->s->dim[EXPERTS_N] - t->p0 * PANEL);
	p.dim[GATED_ACT] = w->s->dim[EXPERTS_ACT];
	p.buf[GATED_X] = (void *)(uintptr_t)x;
	p.buf[GATED_G] = (void *)(uintptr_t)panels(w->s, EXPERTS_W, t);
	p.buf[GATED_U] = (void *)(uintptr_t)panels(w->s, EXPERTS_U, t);
	p.buf[GATED_GBIAS] = (void *)(uintptr_t)bias(w->s, EXPERTS_BIAS, t);
	p.buf[GATED_UBIAS] = (void *)(uintptr_t)bias(w->s, EXPERTS_UBIAS, t);
	p.buf[GATED_Y] = y;
	run(&p, w->gated, w, t);
}

/* y = act(min(y, limit)) * (clip(u, limit) + 1) */
static void
clipped(const Work *w, int64_t n, const float *u, float *y)
{
	float limit = w->s->num[EXPERTS_LIMIT];
	Act act = (Act)w->s->dim[EXPERTS_ACT];

	for (int64_t i = 0; i < n; i++)
		y[i] = act_apply(act, MIN(y[i], limit)) *
		       (MAX(MIN(u[i], limit), -limit) + 1);
}

static void
multiply(const Work *w, const Part *t)
{
	int64_t n = w->s->dim[EXPERTS_N], at = t->p0 * PANEL;
	int64_t wide = MIN(t->p1 * PANEL, n) - at;
	const float *x = gather(w, t);
	float *out = w->s->buf[EXPERTS_Y];
	float *y = t->n == 1 ? out + t->row[0] * n + at : w->y;

	if (w->s->buf[EXPERTS_U] && w->s->num[EXPERTS_LIMIT] > 0) {
		plain(w, t, x, EXPERTS_W, EXPERTS_BIAS, ACT_NONE, y);
		plain(w, t, x, EXPERTS_U, EXPERTS_UBIAS, ACT_NONE, w->u);
		clipped(w, t->n * wide, w->u, y);
	} else if (w->s->buf[EXPERTS_U]) {
		both(w, t, x, y);
	} else {
		plain(w, t, x, EXPERTS_W, EXPERTS_BIAS,
		      (Act)w->s->dim[EXPERTS_ACT], y);
	}
	for (int64_t i = 0; t->n > 1 && i < t->n; i++)
		memcpy(out + t->row[i] * n + at, y + i * wide,
		       (size_t)wide * sizeof *y);
}

void
experts_with(const Step *s, int64_t begin, int64_t end, int thread,
             KernelFn *matmul, KernelFn *gated)
{
	int64_t rows = MIN(s->dim[EXPERTS_M], TOGETHER), all = panels_of(s);
	char *p = step_scratch(s, thread);
	Work w = {.s = s, .matmul = matmul, .gated = gated};
	Groups g = group(s, p);

	p += index_bytes(s);
	w.x = (float *)(void *)p;
	p += round_up(rows * s->dim[EXPERTS_K] * (int64_t)sizeof(float));
	w.y = (float *)(void *)p;
	p += round_up(rows * all * PANEL * (int64_t)sizeof(float));
	w.u = (float *)(void *)p;
	w.scratch = p + round_up(rows * all * PANEL * (int64_t)sizeof(float));
	while (begin < end && begin / all < g.n) {
		int64_t i = begin / all, last = g.start[i + 1];
		Part t = {.matrix = g.used[i], .p0 = begin % all};

		t.p1 = MIN(all, t.p0 + end - begin);
		for (int64_t r = g.start[i]; r < last; r += t.n) {
			t.row = g.order + r;
			t.n = MIN(last - r, TOGETHER);
			multiply(&w, &t);
		}
		begin += t.p1 - t.p0;
	}
}

void
experts_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	experts_with(s, begin, end, thread, matmul_generic, gated_generic);
}

int64_t
merge_units(const Step *s, int64_t *grain)
{
	*grain = MAX(8192 / MAX(s->dim[MERGE_K] * s->dim[MERGE_N], 1), 1);
	return s->dim[MERGE_M];
}

void
merge_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t k = s->dim[MERGE_K], n = s->dim[MERGE_N];
	const float *x = s->buf[MERGE_X], *w = s->buf[MERGE_W];
	float *y = s->buf[MERGE_Y];

	(void)thread;
	for (int64_t t = begin; t < end; t++) {
		memset(y + t * n, 0, (size_t)n * sizeof *y);
		for (int64_t j = t * k; j < (t + 1) * k; j++)
			for (int64_t i = 0; i < n; i++)
				y[t * n + i] += w[j] * x[j * n + i];
	}
}
