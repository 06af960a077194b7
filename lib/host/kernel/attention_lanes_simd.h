/* SPDX-License-Identifier: BSD-3-Clause */
/* attention_lanes_simd.h - attention without a cache, over vec_*.h.
 *
 * Here many queries always share their keys, so a lane is a query: scores and
 * values are products whose one factor is broadcast from keys and values
 * where they lie, nothing is summed across lanes, and the softmax of all
 * queries goes side by side.  What is laid across is the queries, once a
 * unit, and what comes out of it.
 *
 * A unit walks the keys in blocks of ATTN_KEYS as attention_simd.h does.  A
 * lane's arithmetic is that of its query alone.
 *
 * scratch of a unit, floats, `wide` being its rows in whole vectors:
 *   score [KEYS][wide]  q [dim][wide]  num [vdim][wide] */

#ifndef ATTENTION_LANES_SIMD_H
#define ATTENTION_LANES_SIMD_H

#define LOG2_E 0x1.715476p+0f

typedef struct Lanes {
	const Attn *a;
	AttnUnit u;
	int64_t rows, wide;
	float *score, *q, *num;
	float top[ATTN_ROWS], den[ATTN_ROWS], by[ATTN_ROWS];
	AttnRow row[ATTN_ROWS];
	bool same_mask; /* of all rows */
} Lanes;

/* Whether units of `rows` fill enough of their lanes. */
static bool
fills_lanes(const Attn *a)
{
	int64_t all = a->seq * a->group;

	return MIN(all, a->rows) >= MAX(VL / 2, 4);
}

static void
lay_queries(Lanes *w)
{
	int64_t dim = w->a->dim;
	V x[VL];

	for (int64_t r = 0; r < w->wide; r += VL)
		for (int64_t d = 0; d < dim; d += VL) {
			for (int i = 0; i < VL; i++)
				x[i] = r + i < w->rows
				               ? v_load_n(w->row[r + i].q + d,
				                          dim - d, 0)
				               : v_set(0);
			v_transpose(x);
			for (int i = 0; i < MIN(VL, dim - d); i++)
				v_store(w->q + (d + i) * w->wide + r, x[i]);
		}
}

static void
begin_lanes(Lanes *w, const Attn *a, int64_t unit, char *scratch)
{
	w->a = a;
	w->u = attn_unit(a, unit);
	w->rows = w->u.r1 - w->u.r0;
	w->wide = (w->rows + VL - 1) / VL * VL;
	w->score = (float *)(void *)scratch;
	w->q = w->score + KEYS * w->wide;
	w->num = w->q + a->dim * w->wide;
	w->same_mask = true;
	memset(w->num, 0, (size_t)(a->vdim * w->wide) * sizeof *w->num);
	for (int64_t r = 0; r < w->rows; r++) {
		w->row[r] = attn_row(a, &w->u, w->u.r0 + r);
		w->same_mask = w->same_mask && w->row[r].mask == w->row[0].mask;
	}
	for (int64_t r = 0; r < w->wide; r++) {
		w->top[r] = -INFINITY;
		w->den[r] = 0;
	}
	lay_queries(w);
}

/* ---- products ---- */

/* c [R][N] = sum over i < n of b[r*br + i*bi] * row i of x, whose rows are
 * `wide` apart.  R and N are constants after inlining. */
INLINE void
lane_sums(const int R, const int N, const float *b, int64_t br, int64_t bi,
          const float *x, int64_t wide, int64_t n, V c[LANE_ROWS][LANE_VECS])
{
	UNROLL
	for (int r = 0; r < R; r++)
		UNROLL
	for (int v = 0; v < N; v++)
		c[r][v] = v_set(0);
	for (int64_t i = 0; i < n; i++, b += bi, x += wide) {
		V u[LANE_VECS];

		UNROLL
		for (int v = 0; v < N; v++)
			u[v] = v_load(x + v * VL);
		UNROLL
		for (int r = 0; r < R; r++) {
			V one = v_set(b[r * br]);

			UNROLL
			for (int v = 0; v < N; v++)
				c[r][v] = v_fma(one, u[v], c[r][v]);
		}
	}
}

/* What one product of a block makes: scores of n keys, or n columns of the
 * values of KEYS keys. */
typedef struct LaneJob {
	const float *b, *x; /* broadcast; laid across */
	int64_t br, bi, wide, depth;
	const float *by;  /* [wide]: what y is times before the sum is added */
	float scale;      /* without `by`: of the sum, to which */
	const float *add; /* [n] is added times `unit`, or NULL */
	float unit;
	float *y; /* [n][wide] */
} LaneJob;

INLINE void
lane_tile(const int R, const int N, const LaneJob *t, int64_t r, int64_t at)
{
	V c[LANE_ROWS][LANE_VECS];
	float *y = t->y + r * t->wide + at;

	lane_sums(R, N, t->b + r * t->br, t->br, t->bi, t->x + at, t->wide,
	          t->depth, c);
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int v = 0; v < N; v++) {
		float *to = y + i * t->wide + v * VL;
		V add = v_set(t->add ? t->add[r + i] * t->unit : 0);

		if (t->by)
			c[i][v] = v_fma(v_load(to), v_load(t->by + at + v * VL),
			                c[i][v]);
		else
			c[i][v] = v_fma(c[i][v], v_set(t->scale), add);
		v_store(to, c[i][v]);
	}
}

INLINE void
lane_rows(const int N, const LaneJob *t, int64_t n, int64_t at)
{
	int64_t r = 0;

	for (; r + LANE_ROWS <= n; r += LANE_ROWS)
		lane_tile(LANE_ROWS, N, t, r, at);
	for (; r < n; r++)
		lane_tile(1, N, t, r, at);
}

static void
lane_product(const LaneJob *t, int64_t n)
{
	int64_t at = 0;

	for (; at + LANE_VECS * VL <= t->wide; at += LANE_VECS * VL)
		lane_rows(LANE_VECS, t, n, at);
	for (; at < t->wide; at += VL)
		lane_rows(1, t, n, at);
}

/* ---- softmax ---- */

/* score += what each row has at keys [j0, j0 + n): its bias, or its mask. */
static void
add_rows(const Lanes *w, bool mask, int64_t j0, int64_t n)
{
	V x[VL];

	for (int64_t r = 0; r < w->wide; r += VL)
		for (int64_t j = 0; j < n; j += VL) {
			for (int i = 0; i < VL; i++) {
				const AttnRow *t =
					&w->row[MIN(r + i, w->rows - 1)];

				x[i] = mask ? v_load_n(t->mask + j0 + j, n - j,
				                       0)
				            : bias_of(w->a, t, j0 + j);
			}
			v_transpose(x);
			for (int i = 0; i < MIN(VL, n - j); i++) {
				float *s = w->score + (j + i) * w->wide + r;

				v_store(s, v_load(s) + x[i]);
			}
		}
}

/* The scores as the logarithms of two that they are the powers of. */
static void
shape_scores(const Lanes *w, int64_t j0, int64_t n)
{
	const Attn *a = w->a;

	if (a->bias)
		add_rows(w, false, j0, n);
	for (int64_t i = 0; a->cap > 0 && i < n * w->wide; i += VL) {
		V s = v_load(w->score + i) / v_set(a->cap);

		v_store(w->score + i, v_set(a->cap) * v_tanh(s));
	}
	if (a->mask)
		add_rows(w, true, j0, n);
	for (int64_t i = 0; i < n * w->wide; i += VL)
		v_store(w->score + i, v_load(w->score + i) * v_set(LOG2_E));
}

static void
lane_scores(const Lanes *w, int64_t j, int64_t n)
{
	const Attn *a = w->a;
	bool plain = !a->bias && a->cap <= 0 && w->same_mask;
	float unit = plain ? LOG2_E : 1;
	LaneJob t = {.b = (const float *)(const void *)(w->u.k + j * a->kj),
	             .br = a->kj / (int64_t)sizeof(float),
	             .bi = 1,
	             .x = w->q,
	             .wide = w->wide,
	             .depth = a->dim,
	             .scale = a->scale * unit,
	             .unit = unit,
	             .y = w->score};

	if (plain && a->mask)
		t.add = w->row[0].mask + j;
	lane_product(&t, n);
	if (!plain)
		shape_scores(w, j, n);
}

static void
lane_values(const Lanes *w, int64_t j, int64_t n)
{
	const Attn *a = w->a;
	LaneJob t = {.b = (const float *)(const void *)(w->u.v + j * a->vj),
	             .br = 1,
	             .bi = a->vj / (int64_t)sizeof(float),
	             .x = w->score,
	             .wide = w->wide,
	             .depth = n,
	             .by = w->by,
	             .y = w->num};

	lane_product(&t, a->vdim);
}

/* 2^(score - top) in place, of n keys and N vectors of queries from `at` on;
 * top and den brought up to date, `by` what is to be done to num. */
INLINE void
soften_lanes(const int N, Lanes *w, int64_t at, int64_t n)
{
	float *s = w->score + at;
	V top[LANE_VECS], sum[LANE_VECS];

	UNROLL
	for (int v = 0; v < N; v++) {
		top[v] = v_load(w->top + at + v * VL);
		sum[v] = v_set(0);
	}
	for (int64_t j = 0; j < n; j++)
		UNROLL
	for (int v = 0; v < N; v++)
		top[v] = v_max(v_load(s + j * w->wide + v * VL), top[v]);
	UNROLL
	for (int v = 0; v < N; v++) {
		V none = v_set(-INFINITY), old = v_load(w->top + at + v * VL);

		v_store(w->top + at + v * VL, top[v]);
		top[v] = v_less(none, top[v], top[v], v_set(0));
		v_store(w->by + at + v * VL, v_exp2_down(old - top[v]));
	}
	for (int64_t j = 0; j < n; j++)
		UNROLL
	for (int v = 0; v < N; v++) {
		float *to = s + j * w->wide + v * VL;
		V e = v_exp2_down(v_load(to) - top[v]);

		sum[v] = sum[v] + e;
		v_store(to, e);
	}
	UNROLL
	for (int v = 0; v < N; v++) {
		float *den = w->den + at + v * VL;

		v_store(den, v_fma(v_load(den), v_load(w->by + at + v * VL),
		                   sum[v]));
	}
}

/* ---- the walk ---- */

static void
finish_lanes(const Lanes *w)
{
	int64_t vdim = w->a->vdim;
	V x[VL];

	for (int64_t r = 0; r < w->rows; r += VL)
		for (int64_t d = 0; d < vdim; d += VL) {
			for (int i = 0; i < VL; i++)
				x[i] = v_load(w->num +
				              MIN(d + i, vdim - 1) * w->wide +
				              r);
			v_transpose(x);
			for (int i = 0; i < MIN(VL, w->rows - r); i++) {
				float den = w->den[r + i];
				V y = v_set(0);

				if (den != 0)
					y = x[i] / v_set(den);
				v_store_n(w->row[r + i].y + d, y, vdim - d);
			}
		}
}

static void
attend_lanes(const Attn *a, int64_t unit, char *scratch)
{
	enum { F = sizeof(float) };
	Lanes w;

	begin_lanes(&w, a, unit, scratch);
	for (int64_t j = 0; j < a->nkey; j += KEYS) {
		int64_t n = MIN(KEYS, a->nkey - j), at = 0;

		lane_scores(&w, j, n);
		for (; at + LANE_VECS * VL <= w.wide; at += LANE_VECS * VL)
			soften_lanes(LANE_VECS, &w, at, n);
		for (; at < w.wide; at += VL)
			soften_lanes(1, &w, at, n);
		lane_values(&w, j, n);
	}
	finish_lanes(&w);
}

void
ISA(dense)(const Step *s, int64_t begin, int64_t end, int thread)
{
	Attn a = attn_dense(s);
	bool lanes = fills_lanes(&a);

	for (int64_t i = begin; i < end; i++)
		if (lanes)
			attend_lanes(&a, i, step_scratch(s, thread));
		else
			attend(&a, i, step_scratch(s, thread));
}

#endif
