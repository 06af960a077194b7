/* SPDX-License-Identifier: BSD-3-Clause
 * conv.c - convolutions as products: a run of pixels, each with all that it
 * sees in one row, by the packed weights.
 *
 * A run is as long as its rows fit the second-level cache.  Where there are
 * few runs, the outputs are divided too, and each part gathers the pixels
 * anew.  A window of one pixel gathers nothing: x has these rows already. */

#include "slide.h"

enum { ROWBYTES = 256 << 10, MOST = 96, LEAST = 24, UNITS = 16 };

/* How a step is cut: units are run-major, part-minor. */
typedef struct Cut {
	int64_t pixels, rows, runs; /* rows: pixels of a run */
	int64_t k, wide;            /* inputs and outputs of a group */
	int64_t panels, parts;      /* of a group; of the outputs */
	bool direct;
} Cut;

static Cut
cut_of(const Step *s)
{
	const int64_t *d = s->dim, groups = d[CONV_GROUPS];
	Cut t = {.pixels = d[SLIDE_BATCH] * d[SLIDE_OH] * d[SLIDE_OW]};
	int64_t fit;

	t.k = d[SLIDE_KH] * d[SLIDE_KW] * (d[SLIDE_C] / groups);
	t.wide = d[SLIDE_M] / groups;
	t.panels = (t.wide + PANEL - 1) / PANEL;
	fit = ROWBYTES / (int64_t)sizeof(float) / t.k / LEAST * LEAST;
	t.rows = MIN(MAX(fit, LEAST), MOST);
	t.runs = (t.pixels + t.rows - 1) / t.rows;
	t.parts = MIN((UNITS + t.runs - 1) / t.runs, t.panels);
	if (groups > 1)
		t.parts = groups;
	t.direct = d[SLIDE_KH] == 1 && d[SLIDE_KW] == 1 && groups == 1 &&
	           d[SLIDE_SH] == 1 && d[SLIDE_SW] == 1 &&
	           d[SLIDE_OH] == d[SLIDE_H] && d[SLIDE_OW] == d[SLIDE_W] &&
	           d[SLIDE_PT] == 0 && d[SLIDE_PL] == 0;
	return t;
}

/* The product of one unit: `rows` rows by the outputs of a group. */
static Step
product(const Step *s, const Cut *t, int64_t rows)
{
	Step p = {0};

	p.dim[MATMUL_M] = rows;
	p.dim[MATMUL_N] = t->wide;
	p.dim[MATMUL_K] = t->k;
	p.dim[MATMUL_FORMAT] = s->dim[CONV_FORMAT];
	p.dim[MATMUL_ACT] = s->dim[CONV_ACT];
	return p;
}

int64_t
conv_units(const Step *s, int64_t *grain)
{
	Cut t = cut_of(s);

	*grain = 1;
	return t.runs * t.parts;
}

/* Floats for the rows and, with groups, for their results, whole lines. */
static int64_t
row_floats(const Cut *t)
{
	return t->direct ? 0 : attn_pad(t->rows * t->k);
}

static int64_t
result_floats(const Step *s, const Cut *t)
{
	return s->dim[CONV_GROUPS] > 1 ? attn_pad(t->rows * t->wide) : 0;
}

int64_t
conv_scratch(const Step *s)
{
	Cut t = cut_of(s);
	Step p = product(s, &t, t.rows);
	int64_t floats = row_floats(&t) + result_floats(s, &t);

	return floats * (int64_t)sizeof(float) + matmul_scratch(&p);
}

/* out [kw, c / groups]: row a of what a window sees of a group at x */
static void
gather_row(const int64_t *d, const float *x, const Taps *v, const Taps *u,
           int64_t a, float *out)
{
	int64_t c = d[SLIDE_C] / d[CONV_GROUPS], kw = d[SLIDE_KW];
	size_t bytes = (size_t)c * sizeof *out;

	if (a < v->lo || a >= v->hi) {
		memset(out, 0, (size_t)kw * bytes);
		return;
	}
	memset(out, 0, (size_t)u->lo * bytes);
	if (u->step == 1 && c == d[SLIDE_C])
		memcpy(out + u->lo * c, pixel(d, x, v, u, a, u->lo),
		       (size_t)(u->hi - u->lo) * bytes);
	else
		for (int64_t b = u->lo; b < u->hi; b++)
			memcpy(out + b * c, pixel(d, x, v, u, a, b), bytes);
	memset(out + u->hi * c, 0, (size_t)(kw - u->hi) * bytes);
}

/* out [rows, k]: what pixels r.. see of group g */
static void
gather(const Step *s, const Cut *t, int64_t r, int64_t rows, int64_t g,
       float *out)
{
	const int64_t *d = s->dim;
	int64_t c = d[SLIDE_C] / d[CONV_GROUPS];
	int64_t image = d[SLIDE_H] * d[SLIDE_W] * d[SLIDE_C];

	for (int64_t end = r + rows; r < end; r++) {
		int64_t j = r % d[SLIDE_OW], i = r / d[SLIDE_OW];
		const float *x = (const float *)s->buf[CONV_X] +
		                 i / d[SLIDE_OH] * image + g * c;
		Taps v = row_taps(d, i % d[SLIDE_OH]), u = column_taps(d, j);

		for (int64_t a = 0; a < d[SLIDE_KH]; a++)
			gather_row(d, x, &v, &u, a, out + a * d[SLIDE_KW] * c);
		out += t->k;
	}
}

/* y [n] = post(y) of `rows` rows ldy apart */
static void
finish(const Step *s, float *y, int64_t ldy, int64_t rows, int64_t n,
       KernelFn *unary)
{
	if (s->dim[CONV_POST] == ACT_NONE)
		return;
	for (int64_t r = 0; r < rows; r++) {
		Step u = {.buf = {y + r * ldy, y + r * ldy},
		          .dim = {n, s->dim[CONV_POST]}};

		unary(&u, 0, n, 0);
	}
}

/* y, res [rows] ldy apart: the n results of a group, dense at x */
static void
spread(float *y, const float *res, int64_t ldy, const float *x, int64_t rows,
       int64_t n)
{
	for (int64_t r = 0; r < rows; r++, y += ldy, x += n)
		for (int64_t i = 0; i < n; i++)
			y[i] = res ? x[i] + res[r * ldy + i] : x[i];
}

typedef struct Unit {
	int64_t r, rows, part;
	const float *x; /* [rows, k] */
	float *room;    /* for results */
	char *scratch;
} Unit;

/* Some panels of the only group. */
static void
run_part(const Step *s, const Cut *t, const Unit *u, KernelFn *matmul,
         KernelFn *unary)
{
	int64_t n = t->wide, p = t->panels * u->part / t->parts;
	int64_t end = t->panels * (u->part + 1) / t->parts;
	float *y = (float *)s->buf[CONV_Y] + u->r * n;
	float *res = s->buf[CONV_RES];
	Step m = product(s, t, u->rows);

	m.buf[MATMUL_Y] = y;
	m.buf[MATMUL_X] = (void *)(uintptr_t)u->x;
	m.buf[MATMUL_W] = s->buf[CONV_W];
	m.buf[MATMUL_BIAS] = s->buf[CONV_BIAS];
	m.buf[MATMUL_RES] = res ? res + u->r * n : NULL;
	m.scratch = u->scratch;
	matmul(&m, p, end, 0);
	finish(s, y + p * PANEL, n, u->rows, MIN(end * PANEL, n) - p * PANEL,
	       unary);
}

/* All outputs of one group. */
static void
run_group(const Step *s, const Cut *t, const Unit *u, KernelFn *matmul,
          KernelFn *unary)
{
	int64_t ldy = s->dim[SLIDE_M], n = t->wide, g = u->part;
	int64_t at = u->r * ldy + g * n;
	float *y = (float *)s->buf[CONV_Y] + at, *bias = s->buf[CONV_BIAS];
	float *res = s->buf[CONV_RES];
	Step m = product(s, t, u->rows);

	m.buf[MATMUL_Y] = u->room;
	m.buf[MATMUL_X] = (void *)(uintptr_t)u->x;
	m.buf[MATMUL_W] =
		(char *)s->buf[CONV_W] +
		g * t->panels * panel_bytes((WFormat)s->dim[CONV_FORMAT], t->k);
	m.buf[MATMUL_BIAS] = bias ? bias + g * n : NULL;
	m.scratch = u->scratch;
	matmul(&m, 0, t->panels, 0);
	spread(y, res ? res + at : NULL, ldy, u->room, u->rows, n);
	finish(s, y, ldy, u->rows, n, unary);
}

void
conv_with(const Step *s, int64_t begin, int64_t end, int thread,
          KernelFn *matmul, KernelFn *unary)
{
	Cut t = cut_of(s);
	float *rows = (float *)(void *)step_scratch(s, thread);
	float *room = rows + row_floats(&t);
	Unit u = {.room = room,
	          .scratch = (char *)(room + result_floats(s, &t))};
	int64_t have = -1; /* the run whose rows are gathered */

	for (int64_t i = begin; i < end; i++) {
		int64_t run = i / t.parts;

		u.part = i % t.parts;
		u.r = run * t.rows;
		u.rows = MIN(t.rows, t.pixels - u.r);
		u.x = t.direct ? (const float *)s->buf[CONV_X] + u.r * t.k
		               : rows;
		if (!t.direct && (run != have || s->dim[CONV_GROUPS] > 1))
			gather(s, &t, u.r, u.rows,
			       s->dim[CONV_GROUPS] > 1 ? u.part : 0, rows);
		have = run;
		(s->dim[CONV_GROUPS] > 1 ? run_group : run_part)(s, &t, &u,
		                                                 matmul, unary);
	}
}

void
conv_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	conv_with(s, begin, end, thread, matmul_generic, unary_generic);
}
