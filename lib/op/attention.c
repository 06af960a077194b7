/* SPDX-License-Identifier: BSD-3-Clause
 * attention.c - Attention (23) and what com.microsoft made of it.
 *
 * A row of scores at a time: scale q k, soft cap, mask, softmax, times v,
 * all in double.  A query no key is visible to gives zeros, not NaN. */

#include <math.h>

#include "attention.h"

/* ---- heads: [batch, heads, len, width] or [batch, len, heads * width] ---- */

bool
heads_shape(Ctx *c, const Value *v, int64_t heads, Shape *y)
{
	const Shape *s = &v->shape;

	*y = *s;
	if (s->rank < 0 || s->rank == 4)
		return true;
	if (s->rank != 3 || heads < 1)
		return fail(c, QE_INPUT, "%s with %lld heads", shape_text(s).s,
		            (long long)heads);
	if (s->dim[2] >= 0 && s->dim[2] % heads)
		return fail(c, QE_INPUT, "%s: %lld heads do not divide %lld",
		            shape_text(s).s, (long long)heads,
		            (long long)s->dim[2]);
	*y = (Shape){4,
	             {s->dim[0], heads, s->dim[1],
	              s->dim[2] < 0 ? -1 : s->dim[2] / heads}};
	return true;
}

bool
heads_open(Ctx *c, Arena *a, const Value *v, int64_t heads, Heads *h)
{
	Shape s;

	if (!heads_shape(c, v, heads, &s))
		return false;
	*h = (Heads){.x = read_f64(a, v),
	             .batch = s.dim[0],
	             .heads = s.dim[1],
	             .len = s.dim[2],
	             .width = s.dim[3]};
	if (v->shape.rank == 4) {
		h->sstep = h->width;
		h->hstep = h->len * h->width;
	} else {
		h->hstep = h->width;
		h->sstep = h->heads * h->width;
	}
	h->bstep = h->len * h->heads * h->width;
	return true;
}

double *
heads_row(const Heads *h, int64_t b, int64_t head, int64_t i)
{
	return h->x + b * h->bstep + head * h->hstep + i * h->sstep;
}

/* A fresh [batch, heads, len, width]. */
Heads
heads_new(Arena *a, int64_t batch, int64_t heads, int64_t len, int64_t width)
{
	return (Heads){
		.x = NEWV(a, double, batch *heads *len *width + 1),
		.batch = batch,
		.heads = heads,
		.len = len,
		.width = width,
		.bstep = heads * len * width,
		.hstep = len * width,
		.sstep = width,
	};
}

/* Rows of x from `at` on become rows of the (longer) y. */
void
heads_copy(Heads *y, int64_t at, const Heads *x)
{
	for (int64_t b = 0; b < x->batch; b++)
		for (int64_t h = 0; h < x->heads; h++)
			for (int64_t i = 0; i < x->len; i++)
				memcpy(heads_row(y, b, h, at + i),
				       heads_row(x, b, h, i),
				       (size_t)x->width * sizeof(double));
}

/* past and new rows, one behind the other */
static bool
join(Ctx *c, Arena *a, const Value *past, const Value *new, int64_t heads,
     Heads *y)
{
	Heads p = {0}, n;

	if (!heads_open(c, a, new, heads, &n))
		return false;
	if (past && !heads_open(c, a, past, heads, &p))
		return false;
	if (past &&
	    (p.batch != n.batch || p.heads != n.heads || p.width != n.width))
		return fail(c, QE_INPUT, "past %s for %s",
		            shape_text(&past->shape).s,
		            shape_text(&new->shape).s);
	*y = heads_new(a, n.batch, n.heads, p.len + n.len, n.width);
	if (past)
		heads_copy(y, 0, &p);
	heads_copy(y, p.len, &n);
	return true;
}

void
heads_store(Value *v, const Heads *h)
{
	if (v)
		store_f64(v, 0, h->batch * h->heads * h->len * h->width, h->x);
}

/* ---- one row ---- */

double
dot(const double *p, const double *q, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += p[i] * q[i];
	return sum;
}

/* In place; `sink` is one more score that gets no value, -inf for none. */
void
soften(double *x, int64_t n, double sink)
{
	double top = sink, sum = 0;

	for (int64_t i = 0; i < n; i++)
		top = x[i] > top || x[i] != x[i] ? x[i] : top;
	if (top == (double)-INFINITY) {
		memset(x, 0, (size_t)n * sizeof *x);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		sum += x[i] = exp(x[i] - top);
	sum += exp(sink - top);
	for (int64_t i = 0; i < n; i++)
		x[i] /= sum;
}

/* y[width] = sum of p[i] times row i of v */
void
mix(const Heads *v, int64_t b, int64_t h, const double *p, int64_t n, double *y)
{
	memset(y, 0, (size_t)v->width * sizeof *y);
	for (int64_t i = 0; i < n; i++) {
		const double *row = heads_row(v, b, h, i);

		for (int64_t k = 0; k < v->width && p[i] != 0; k++)
			y[k] += p[i] * row[k];
	}
}

/* ---- masks ---- */

/* What is added to the score (b, h, i, j); a last dimension shorter than the
 * keys hides the rest. */
double
mask_at(const Value *m, int64_t b, int64_t h, int64_t i, int64_t j)
{
	int64_t at[4] = {b, h, i, j}, off = 0;
	const Shape *s = &m->shape;

	if (s->rank && j >= s->dim[s->rank - 1])
		return (double)-INFINITY;
	for (int d = 0; d < s->rank; d++)
		off = off * s->dim[d] +
		      (s->dim[d] == 1 ? 0 : at[4 - s->rank + d]);
	if (m->type == DT_BOOL)
		return value_i64(m, off) ? 0 : (double)-INFINITY;
	return value_f64(m, off);
}

bool
mask_fits(Ctx *c, const Value *m, int64_t batch, int64_t heads, int64_t rows,
          int64_t cols)
{
	int64_t want[4] = {batch, heads, rows, cols};
	const Shape *s = &m->shape;
	bool ok = s->rank <= 4;

	for (int d = 0; ok && d < s->rank; d++) {
		int64_t w = want[4 - s->rank + d];

		ok = s->dim[d] == 1 || s->dim[d] == w ||
		     (d == s->rank - 1 && s->dim[d] < w);
	}
	return ok || fail(c, QE_INPUT, "mask %s for [%lld,%lld,%lld,%lld]",
	                  shape_text(s).s, (long long)batch, (long long)heads,
	                  (long long)rows, (long long)cols);
}

/* ---- Attention ---- */

typedef struct Attend {
	Heads q, k, v;
	const Value *mask, *valid;
	int64_t past, left, right; /* window; -1: no bound */
	int64_t group;             /* query heads that share a key head */
	double scale, cap;
	bool causal;
	Value *qk;
	int mode;
} Attend;

/* The two caches are one thing in two inputs: one alone is refused. */
static bool
attend_args(Ctx *c, const Node *n, int64_t *qh, int64_t *kh)
{
	int64_t mode = attr_int(n, "qk_matmul_output_mode", 0);

	*qh = attr_int(n, "q_num_heads", 0);
	*kh = attr_int(n, "kv_num_heads", 0);
	if (mode < 0 || mode > 3)
		return fail(c, QE_INPUT, "qk_matmul_output_mode %lld",
		            (long long)mode);
	if (!node_in(n, 4) != !node_in(n, 5))
		return fail(c, QE_INPUT, "past_key and past_value go together");
	return true;
}

/* Attention 23: q, k, v, mask, past_key, past_value, and (24)
 * nonpad_kv_seqlen. Gives y as q is laid out, present_key and present_value
 * [N, heads, past + len, width], and one stage of the scores [N, heads, len,
 * past + len]. */
bool
infer_attention(Ctx *c, Node *n)
{
	const Value *q = n->in[0];
	int64_t qh, kh, past = 0, total;
	Shape qs, ks, vs, y;

	if (!attend_args(c, n, &qh, &kh) || !want_class(c, n, 0, "F") ||
	    !heads_shape(c, q, qh, &qs) || !heads_shape(c, n->in[1], kh, &ks) ||
	    !heads_shape(c, n->in[2], kh, &vs))
		return false;
	if (qs.rank < 0 || ks.rank < 0 || vs.rank < 0) {
		for (int k = 0; k < n->nout; k++)
			if (!value_set(c, n->out[k], q->type,
			               &(Shape){.rank = -1}))
				return false;
		return true;
	}
	if (node_in(n, 4))
		past = n->in[4]->shape.rank == 4 ? n->in[4]->shape.dim[2] : -1;
	total = add_size(past, ks.dim[2]);
	y = q->shape;
	y.dim[y.rank - 1] =
		y.rank == 4 ? vs.dim[3] : mul_size(qs.dim[1], vs.dim[3]);
	return value_set(c, node_out(n, 0), q->type, &y) &&
	       value_set(c, node_out(n, 1), n->in[1]->type,
	                 &(Shape){4,
	                          {ks.dim[0], ks.dim[1], total, ks.dim[3]}}) &&
	       value_set(c, node_out(n, 2), n->in[2]->type,
	                 &(Shape){4,
	                          {vs.dim[0], vs.dim[1], total, vs.dim[3]}}) &&
	       value_set(c, node_out(n, 3), q->type,
	                 &(Shape){4, {qs.dim[0], qs.dim[1], qs.dim[2], total}});
}

/* Query i stands behind the past; with nonpad_kv_seqlen and no past, so that
 * the last query stands at the last key that counts. */
static bool
visible(const Attend *t, int64_t b, int64_t i, int64_t j)
{
	int64_t valid = t->valid ? value_i64(t->valid, b) : t->k.len;
	int64_t at = i + (t->valid && !t->past ? valid - t->q.len : t->past);

	return j < valid && (!t->causal || j <= at) &&
	       (t->left < 0 || j >= at - t->left) &&
	       (t->right < 0 || j <= at + t->right);
}

static void
keep_row(const Attend *t, int stage, int64_t row, const double *x)
{
	if (t->qk && t->mode == stage)
		store_f64(t->qk, row * t->k.len, t->k.len, x);
}

/* Row i of a head: scale q k. */
static void
score(const Attend *t, int64_t b, int64_t h, int64_t i, double *s)
{
	const double *q = heads_row(&t->q, b, h, i);

	for (int64_t j = 0; j < t->k.len; j++)
		s[j] = t->scale *
		       dot(q, heads_row(&t->k, b, h / t->group, j), t->q.width);
}

/* One query: scores into s, the result into y. */
static void
attend_row(const Attend *t, int64_t b, int64_t h, int64_t i, double *s,
           double *y)
{
	int64_t row = (b * t->q.heads + h) * t->q.len + i;

	score(t, b, h, i, s);
	keep_row(t, 0, row, s);
	for (int64_t j = 0; j < t->k.len && t->cap != 0; j++)
		s[j] = t->cap * tanh(s[j] / t->cap);
	keep_row(t, 1, row, s);
	for (int64_t j = 0; j < t->k.len; j++) {
		if (!visible(t, b, i, j))
			s[j] = (double)-INFINITY;
		else if (t->mask)
			s[j] += mask_at(t->mask, b, h, i, j);
	}
	keep_row(t, 2, row, s);
	soften(s, t->k.len, (double)-INFINITY);
	keep_row(t, 3, row, s);
	mix(&t->v, b, h / t->group, s, t->k.len, y);
}

/* Query heads are a multiple of the key heads (grouped-query attention). */
static bool
heads_match(Ctx *c, const Node *n, const Attend *t)
{
	return (t->k.batch == t->q.batch && t->v.batch == t->q.batch &&
	        t->k.width == t->q.width && t->k.len == t->v.len &&
	        t->k.heads == t->v.heads && t->k.heads >= 1 &&
	        t->q.heads % t->k.heads == 0) ||
	       fail(c, QE_INPUT, "query %s, key %s, value %s",
	            shape_text(&n->in[0]->shape).s,
	            shape_text(&n->in[1]->shape).s,
	            shape_text(&n->in[2]->shape).s);
}

static bool
open_attend(Ctx *c, Arena *a, const Node *n, Attend *t)
{
	const Value *past = node_in(n, 4);
	int64_t qh, kh;

	*t = (Attend){.mask = node_in(n, 3),
	              .valid = node_in(n, 6),
	              .past = past ? past->shape.dim[2] : 0,
	              .left = attr_int(n, "left_window_size", -1),
	              .right = attr_int(n, "right_window_size", -1),
	              .cap = attr_float(n, "softcap", 0),
	              .causal = attr_int(n, "is_causal", 0),
	              .qk = node_out(n, 3),
	              .mode = (int)attr_int(n, "qk_matmul_output_mode", 0)};
	if (!attend_args(c, n, &qh, &kh) ||
	    !heads_open(c, a, n->in[0], qh, &t->q) ||
	    !join(c, a, past, n->in[1], kh, &t->k) ||
	    !join(c, a, node_in(n, 5), n->in[2], kh, &t->v))
		return false;
	if (!heads_match(c, n, t))
		return false;
	if (t->valid && shape_count(&t->valid->shape) != t->q.batch)
		return fail(c, QE_INPUT, "nonpad_kv_seqlen %s",
		            shape_text(&t->valid->shape).s);
	t->group = t->q.heads / t->k.heads;
	t->scale = attr_float(n, "scale", 1 / sqrt((double)t->q.width));
	return !t->mask || mask_fits(c, t->mask, t->q.batch, t->q.heads,
	                             t->q.len, t->k.len);
}

bool
eval_attention(Ctx *c, Arena *a, Node *n)
{
	bool flat = n->in[0]->shape.rank == 3;
	double *s, *y;
	int64_t at;
	Attend t;

	if (!open_attend(c, a, n, &t))
		return false;
	s = NEWV(a, double, t.k.len + 1);
	y = NEWV(a, double, t.v.width + 1);
	for (int64_t b = 0; b < t.q.batch; b++)
		for (int64_t h = 0; h < t.q.heads; h++)
			for (int64_t i = 0; i < t.q.len; i++) {
				attend_row(&t, b, h, i, s, y);
				at = flat ? (b * t.q.len + i) * t.q.heads + h
				          : (b * t.q.heads + h) * t.q.len + i;
				store_f64(n->out[0], at * t.v.width, t.v.width,
				          y);
			}
	heads_store(node_out(n, 1), &t.k);
	heads_store(node_out(n, 2), &t.v);
	return true;
}

/* ---- FlexAttention: subgraphs change scores and probabilities ---- */

bool
infer_flex_attention(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;

	if (!want_rank(c, n, 0, 4) || !want_rank(c, n, 1, 4) ||
	    !want_rank(c, n, 2, 4) || !want_class(c, n, 0, "F"))
		return false;
	if (y.rank == 4)
		y.dim[3] =
			n->in[2]->shape.rank == 4 ? n->in[2]->shape.dim[3] : -1;
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* x becomes what the subgraph of an attribute makes of it. */
static bool
modify(Ctx *c, Arena *a, const Node *n, const char *name, Value *x)
{
	const Attr *m = attr_find(n, name);
	Value *out = NULL;

	if (!m)
		return true;
	if (m->type != ATTR_GRAPH || m->g->nin != 1 || m->g->nout != 1)
		return fail(c, QE_INPUT, "%s takes and gives one tensor", name);
	if (!graph_eval(c, a, m->g, &x, &out))
		return note(c, "%s", name);
	if (!shape_eq(&out->shape, &x->shape) || out->type != x->type)
		return fail(c, QE_INPUT, "%s: %s became %s", name,
		            shape_text(&x->shape).s, shape_text(&out->shape).s);
	*x = *out;
	return true;
}

static bool
flex_type(Ctx *c, const Node *n, Value *x)
{
	int64_t t = attr_int(n, "softmax_precision", 0);

	x->name = "scores";
	x->type = n->in[0]->type == DT_F64 ? DT_F64 : DT_F32;
	if (t)
		x->type = t > 0 && t < INT32_MAX ? dtype_by_onnx((int)t)
		                                 : DT_NONE;
	return dtype_is_float(x->type) ||
	       fail(c, QE_INPUT, "softmax_precision %lld", (long long)t);
}

static bool
open_flex(Ctx *c, Arena *a, const Node *n, Attend *t)
{
	*t = (Attend){0};
	if (!heads_open(c, a, n->in[0], 0, &t->q) ||
	    !heads_open(c, a, n->in[1], 0, &t->k) ||
	    !heads_open(c, a, n->in[2], 0, &t->v) || !heads_match(c, n, t))
		return false;
	t->group = t->q.heads / t->k.heads;
	t->scale = attr_float(n, "scale", 1 / sqrt((double)t->q.width));
	return true;
}

bool
eval_flex_attention(Ctx *c, Arena *a, Node *n)
{
	Value x = {0};
	double *s, *y;
	int64_t rows, len;
	Attend t;

	if (!infer_flex_attention(c, n) || !value_alloc(c, a, n->out[0]) ||
	    !flex_type(c, n, &x) || !open_flex(c, a, n, &t))
		return false;
	len = t.k.len;
	rows = t.q.batch * t.q.heads * t.q.len;
	x.shape = (Shape){4, {t.q.batch, t.q.heads, t.q.len, len}};
	if (!value_alloc(c, a, &x))
		return false;
	s = NEWV(a, double, len + 1);
	y = NEWV(a, double, t.v.width + 1);
	for (int64_t i = 0; i < rows; i++) {
		int64_t bh = i / t.q.len;

		score(&t, bh / t.q.heads, bh % t.q.heads, i % t.q.len, s);
		store_f64(&x, i * len, len, s);
	}
	if (!modify(c, a, n, "score_mod", &x))
		return false;
	for (int64_t i = 0; i < rows; i++) {
		load_f64(&x, i * len, 1, len, s);
		soften(s, len, (double)-INFINITY);
		store_f64(&x, i * len, len, s);
	}
	if (!modify(c, a, n, "prob_mod", &x))
		return false;
	for (int64_t i = 0; i < rows; i++) {
		int64_t bh = i / t.q.len;

		load_f64(&x, i * len, 1, len, s);
		mix(&t.v, bh / t.q.heads, bh % t.q.heads / t.group, s, len, y);
		store_f64(n->out[0], i * t.v.width, t.v.width, y);
	}
	return true;
}
