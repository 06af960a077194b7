/* SPDX-License-Identifier: BSD-3-Clause
 * contrib_attention.c - com.microsoft Attention and MultiHeadAttention.
 *
 * Attention projects its input itself, by one matrix for queries, keys and
 * values; MultiHeadAttention is given them, packed or apart.  A masked key
 * gets mask_filter_value added to its score, not -inf: a query that may see
 * nothing sees all, as onnxruntime has it. */

#include <math.h>

#include "attention.h"

typedef struct Fused {
	Heads q, k, v;
	const Value *mask, *bias; /* NULL: none */
	double scale, filter;
	int64_t heads, past;
	bool causal;
} Fused;

static bool
fused_args(Ctx *c, const Node *n, Fused *f)
{
	*f = (Fused){.heads = attr_int(n, "num_heads", 0),
	             .scale = attr_float(n, "scale", 0),
	             .filter = attr_float(n, "mask_filter_value", -10000),
	             .causal = attr_int(n, "unidirectional", 0)};
	if (f->heads < 1 || f->heads > 1 << 20)
		return fail(c, QE_INPUT, "num_heads %lld", (long long)f->heads);
	return true;
}

/* ---- masks: ends of rows, ends and starts, or one number a key ---- */

static bool
mask_open(Ctx *c, const Fused *f)
{
	int64_t b = f->q.batch, s = f->q.len, t = f->k.len;
	const Shape *m = &f->mask->shape, want[] = {{1, {b}},
	                                            {1, {2 * b}},
	                                            {2, {b, t}},
	                                            {3, {b, s, t}}};

	for (size_t i = 0; i < LEN(want); i++)
		if (shape_eq(m, &want[i]))
			return true;
	if (m->rank == 4 && m->dim[0] == b && m->dim[1] == 1 &&
	    m->dim[2] >= t && m->dim[3] >= t)
		return true;
	return fail(c, QE_INPUT, "mask %s for batch %lld, %lld by %lld",
	            shape_text(m).s, (long long)b, (long long)s, (long long)t);
}

static bool
is_hidden(const Fused *f, int64_t b, int64_t i, int64_t j)
{
	const Shape *m = &f->mask->shape;

	switch (m->rank) {
	case 1:
		return j >= value_i64(f->mask, b) ||
		       (m->dim[0] == 2 * f->q.batch &&
		        j < value_i64(f->mask, f->q.batch + b));
	case 2:
		return !value_i64(f->mask, b * f->k.len + j);
	case 3:
		return !value_i64(f->mask, (b * f->q.len + i) * f->k.len + j);
	default:
		return !value_i64(f->mask,
		                  (b * m->dim[2] + f->past + i) * m->dim[3] +
		                          j);
	}
}

/* ---- the sum over keys ---- */

static bool
fused_ready(Ctx *c, Fused *f)
{
	if (f->q.heads != f->heads || f->k.batch != f->q.batch ||
	    f->v.batch != f->q.batch || f->k.heads != f->q.heads ||
	    f->v.heads != f->q.heads || f->k.width != f->q.width ||
	    f->k.len != f->v.len)
		return fail(c, QE_INPUT,
		            "query, key and value do not fit together");
	if (f->scale == 0)
		f->scale = 1 / sqrt((double)f->q.width);
	if (f->bias &&
	    !mask_fits(c, f->bias, f->q.batch, f->heads, f->q.len, f->k.len))
		return false;
	return !f->mask || mask_open(c, f);
}

static void
fused_row(const Fused *f, int64_t b, int64_t h, int64_t i, double *s, double *y)
{
	for (int64_t j = 0; j < f->k.len; j++) {
		s[j] = f->scale * dot(heads_row(&f->q, b, h, i),
		                      heads_row(&f->k, b, h, j), f->q.width);
		if (f->bias)
			s[j] += mask_at(f->bias, b, h, i, j);
		if (f->mask && is_hidden(f, b, i, j))
			s[j] += f->filter;
		if (f->causal && j > f->past + i)
			s[j] = (double)-INFINITY;
	}
	soften(s, f->k.len, (double)-INFINITY);
	mix(&f->v, b, h, s, f->k.len, y);
}

/* y [batch, len, heads * width of values] */
static void
fused_run(Arena *a, const Fused *f, Value *y)
{
	double *s = NEWV(a, double, f->k.len + 1),
	       *row = NEWV(a, double, f->v.width + 1);

	for (int64_t b = 0; b < f->q.batch; b++)
		for (int64_t i = 0; i < f->q.len; i++)
			for (int64_t h = 0; h < f->heads; h++) {
				fused_row(f, b, h, i, s, row);
				store_f64(y,
				          ((b * f->q.len + i) * f->heads + h) *
				                  f->v.width,
				          f->v.width, row);
			}
}

/* h becomes past and h, one behind the other. */
static bool
put_behind(Ctx *c, Arena *a, const Heads *past, Heads *h)
{
	Heads all;

	if (past->batch != h->batch || past->heads != h->heads ||
	    past->width != h->width)
		return fail(c, QE_INPUT, "past of another shape");
	all = heads_new(a, h->batch, h->heads, past->len + h->len, h->width);
	heads_copy(&all, 0, past);
	heads_copy(&all, past->len, h);
	*h = all;
	return true;
}

/* ---- Attention: input, weights, bias, mask, past, attention bias ---- */

enum { INPUT, WEIGHTS, BIAS, MASK, PAST, SCORES, PASTLEN };

/* Columns of queries, keys and values. */
static bool
widths(Ctx *c, const Node *n, const Fused *f, int64_t *w)
{
	const int64_t *list;
	int count = attr_ints(n, "qkv_hidden_sizes", &list);
	int64_t all = n->in[WEIGHTS]->shape.rank == 2
	                      ? n->in[WEIGHTS]->shape.dim[1]
	                      : -1;

	for (int i = 0; i < 3; i++)
		w[i] = count == 3 ? list[i] : all / 3;
	if (all >= 0 &&
	    (w[0] < 1 || w[2] < 1 || w[0] != w[1] || w[0] > all || w[2] > all ||
	     w[0] + w[1] + w[2] != all || w[0] % f->heads || w[2] % f->heads))
		return fail(c, QE_INPUT, "weights %s for %lld heads",
		            shape_text(&n->in[WEIGHTS]->shape).s,
		            (long long)f->heads);
	return true;
}

bool
infer_ms_attention(Ctx *c, Node *n)
{
	const Value *past = node_in(n, PAST);
	Shape y = n->in[INPUT]->shape, cache = {5, {2, -1, -1, -1, -1}};
	int64_t w[3];
	Fused f;

	if (!fused_args(c, n, &f) || !want_class(c, n, INPUT, "F") ||
	    !want_rank(c, n, INPUT, 3) || !want_rank(c, n, WEIGHTS, 2) ||
	    !widths(c, n, &f, w))
		return false;
	if (attr_int(n, "do_rotary", 0) ||
	    attr_int(n, "past_present_share_buffer", 0))
		return fail(c, QE_INPUT, "do_rotary, or a shared buffer");
	if (y.rank == 3) {
		cache.dim[1] = y.dim[0];
		cache.dim[2] = f.heads;
		cache.dim[4] = w[2] < 0 ? -1 : w[2] / f.heads;
		cache.dim[3] = y.dim[1];
		if (past)
			cache.dim[3] =
				past->shape.rank == 5
					? add_size(past->shape.dim[3], y.dim[1])
					: -1;
		y.dim[2] = n->in[WEIGHTS]->shape.rank == 2 ? w[2] : -1;
	}
	return value_set(c, node_out(n, 0), n->in[INPUT]->type, &y) &&
	       value_set(c, node_out(n, 1), n->in[INPUT]->type, &cache);
}

/* The three parts of x W + b as heads in one array. */
static bool
project(Ctx *c, Arena *a, const Node *n, const int64_t *w, Fused *f)
{
	const Value *bias = node_in(n, BIAS);
	Heads *to[] = {&f->q, &f->k, &f->v};
	Value y = {.name = "qkv", .type = DT_F64};
	int64_t all = w[0] + w[1] + w[2], from = 0;
	double *x;

	if (!matmul_shape(c, &n->in[INPUT]->shape, &n->in[WEIGHTS]->shape,
	                  &y.shape) ||
	    !value_alloc(c, a, &y))
		return false;
	if (bias && shape_count(&bias->shape) != all)
		return fail(c, QE_INPUT, "bias %s", shape_text(&bias->shape).s);
	matmul(n->in[INPUT], n->in[WEIGHTS], &y);
	x = value_bytes(&y);
	for (int64_t i = 0; bias && i < shape_count(&y.shape); i++)
		x[i] += value_f64(bias, i % all);
	for (int i = 0; i < 3; from += w[i++])
		*to[i] = (Heads){.x = x + from,
		                 .batch = y.shape.dim[0],
		                 .heads = f->heads,
		                 .len = y.shape.dim[1],
		                 .width = w[i] / f->heads,
		                 .bstep = y.shape.dim[1] * all,
		                 .hstep = w[i] / f->heads,
		                 .sstep = all};
	return true;
}

/* past [2, batch, heads, len, width]: keys, then values */
static bool
open_past(Ctx *c, Arena *a, const Value *past, Fused *f)
{
	const int64_t *d = past->shape.dim;
	Heads h = {0};

	if (past->shape.rank != 5 || d[0] != 2)
		return fail(c, QE_INPUT, "past %s", shape_text(&past->shape).s);
	h = (Heads){.x = read_f64(a, past),
	            .batch = d[1],
	            .heads = d[2],
	            .len = d[3],
	            .width = d[4],
	            .bstep = d[2] * d[3] * d[4],
	            .hstep = d[3] * d[4],
	            .sstep = d[4]};
	f->past = h.len;
	if (!put_behind(c, a, &h, &f->k))
		return false;
	h.x += h.batch * h.bstep;
	return put_behind(c, a, &h, &f->v);
}

bool
eval_ms_attention(Ctx *c, Arena *a, Node *n)
{
	Value *present = node_out(n, 1);
	Heads none = {0};
	int64_t w[3], len;
	Fused f;

	if (!fused_args(c, n, &f) || !widths(c, n, &f, w) ||
	    !project(c, a, n, w, &f))
		return false;
	f.mask = node_in(n, MASK);
	f.bias = node_in(n, SCORES);
	none = f.k; /* the same shape, without rows */
	none.len = 0;
	if (node_in(n, PAST) ? !open_past(c, a, n->in[PAST], &f)
	                     : !put_behind(c, a, &none, &f.k))
		return false;
	if (!node_in(n, PAST)) {
		none = f.v;
		none.len = 0;
		if (!put_behind(c, a, &none, &f.v))
			return false;
	}
	if (!fused_ready(c, &f))
		return false;
	fused_run(a, &f, n->out[0]);
	len = f.k.batch * f.k.bstep;
	if (present && f.k.width != f.v.width)
		return fail(c, QE_INPUT,
		            "present of keys and values of "
		            "different widths");
	if (present) {
		store_f64(present, 0, len, f.k.x);
		store_f64(present, len, len, f.v.x);
	}
	return true;
}

/* ---- MultiHeadAttention ----
 * query, key, value, bias, key padding mask, attention bias, past key, past
 * value */

enum { QUERY, KEY, VALUE, QKV_BIAS, PADDING, ADDED, PAST_KEY, PAST_VALUE };

/* [batch, len, heads, parts, width]: part `at` of them */
static Heads
packed_part(Arena *a, const Value *v, int64_t at)
{
	const int64_t *d = v->shape.dim;
	int64_t row = d[2] * d[3] * d[4];

	return (Heads){.x = read_f64(a, v) + at * d[4],
	               .batch = d[0],
	               .heads = d[2],
	               .len = d[1],
	               .width = d[4],
	               .bstep = d[1] * row,
	               .hstep = d[3] * d[4],
	               .sstep = row};
}

static bool
want_packed(Ctx *c, const Value *v, int64_t heads, int64_t parts)
{
	const Shape *s = &v->shape;

	return s->rank < 0 ||
	       (s->rank == 5 && s->dim[2] == heads && s->dim[3] == parts) ||
	       fail(c, QE_INPUT, "%s, wanted [?,?,%lld,%lld,?]",
	            shape_text(s).s, (long long)heads, (long long)parts);
}

/* Shapes of query, key and value as heads, and of the result. */
static bool
mha_shapes(Ctx *c, const Node *n, const Fused *f, Shape *q, Shape *k, Shape *v)
{
	const Value *key = node_in(n, KEY), *value = node_in(n, VALUE);
	const Shape *s = &n->in[QUERY]->shape;

	if (!key) {
		if (!want_packed(c, n->in[QUERY], f->heads, 3))
			return false;
		*q = s->rank < 0 ? *s
		                 : (Shape){4,
		                           {s->dim[0], f->heads, s->dim[1],
		                            s->dim[4]}};
		*k = *v = *q;
		return true;
	}
	if (!heads_shape(c, n->in[QUERY], f->heads, q))
		return false;
	if (value)
		return heads_shape(c, key, f->heads, k) &&
		       heads_shape(c, value, f->heads, v);
	if (!want_packed(c, key, f->heads, 2))
		return false;
	s = &key->shape;
	*k = s->rank < 0
	             ? *s
	             : (Shape){4, {s->dim[0], f->heads, s->dim[1], s->dim[4]}};
	*v = *k;
	return true;
}

bool
infer_mha(Ctx *c, Node *n)
{
	const Value *past = node_in(n, PAST_KEY);
	DType t = n->in[QUERY]->type;
	Shape q, k, v, y = {.rank = -1}, pk = y, pv = y;
	Fused f;

	if (!fused_args(c, n, &f) || !want_class(c, n, QUERY, "F") ||
	    !mha_shapes(c, n, &f, &q, &k, &v))
		return false;
	if (!node_in(n, PAST_KEY) != !node_in(n, PAST_VALUE))
		return fail(c, QE_INPUT, "past_key and past_value go together");
	if (q.rank == 4 && v.rank == 4 && k.rank == 4) {
		y = (Shape){3,
		            {q.dim[0], q.dim[2], mul_size(f.heads, v.dim[3])}};
		pk = k;
		pv = v;
		pk.dim[2] = pv.dim[2] =
			!past ? k.dim[2]
			: past->shape.rank == 4
				? add_size(past->shape.dim[2], k.dim[2])
				: -1;
	}
	return value_set(c, node_out(n, 0), t, &y) &&
	       value_set(c, node_out(n, 1), t, &pk) &&
	       value_set(c, node_out(n, 2), t, &pv);
}

static bool
mha_open(Ctx *c, Arena *a, const Node *n, Fused *f)
{
	const Value *key = node_in(n, KEY), *value = node_in(n, VALUE);

	if (!key) {
		f->q = packed_part(a, n->in[QUERY], 0);
		f->k = packed_part(a, n->in[QUERY], 1);
		f->v = packed_part(a, n->in[QUERY], 2);
		return true;
	}
	if (!heads_open(c, a, n->in[QUERY], f->heads, &f->q))
		return false;
	if (value)
		return heads_open(c, a, key, f->heads, &f->k) &&
		       heads_open(c, a, value, f->heads, &f->v);
	f->k = packed_part(a, key, 0);
	f->v = packed_part(a, key, 1);
	return true;
}

/* Adds bias[from ...), one number for each column of all heads. */
static void
add_bias(Heads *h, const Value *bias, int64_t from)
{
	for (int64_t r = 0; r < h->batch * h->heads * h->len; r++) {
		int64_t i = r % h->len, head = r / h->len % h->heads;
		double *x = heads_row(h, r / h->len / h->heads, head, i);

		for (int64_t k = 0; k < h->width; k++)
			x[k] += value_f64(bias, from + head * h->width + k);
	}
}

static bool
add_biases(Ctx *c, const Node *n, Fused *f)
{
	const Value *bias = node_in(n, QKV_BIAS);
	int64_t w = f->heads * f->q.width;

	if (!bias)
		return true;
	if (f->q.heads != f->heads || f->k.heads != f->heads ||
	    f->v.heads != f->heads || f->k.width != f->q.width ||
	    shape_count(&bias->shape) != 2 * w + f->heads * f->v.width)
		return fail(c, QE_INPUT, "bias %s", shape_text(&bias->shape).s);
	add_bias(&f->q, bias, 0);
	add_bias(&f->k, bias, w);
	add_bias(&f->v, bias, 2 * w);
	return true;
}

bool
eval_mha(Ctx *c, Arena *a, Node *n)
{
	Shape q, k, v;
	Heads past;
	Fused f;

	if (!fused_args(c, n, &f) || !mha_shapes(c, n, &f, &q, &k, &v) ||
	    !mha_open(c, a, n, &f) || !add_biases(c, n, &f))
		return false;
	f.mask = node_in(n, PADDING);
	f.bias = node_in(n, ADDED);
	if (node_in(n, PAST_KEY)) {
		if (!heads_open(c, a, n->in[PAST_KEY], f.heads, &past))
			return false;
		f.past = past.len;
		if (!put_behind(c, a, &past, &f.k) ||
		    !heads_open(c, a, n->in[PAST_VALUE], f.heads, &past) ||
		    !put_behind(c, a, &past, &f.v))
			return false;
	}
	if (!fused_ready(c, &f))
		return false;
	fused_run(a, &f, n->out[0]);
	past = f.k;
	past.len = 0;
	if (node_out(n, 1) && !put_behind(c, a, &past, &f.k))
		return false;
	past = f.v;
	past.len = 0;
	if (node_out(n, 2) && !put_behind(c, a, &past, &f.v))
		return false;
	heads_store(node_out(n, 1), &f.k);
	heads_store(node_out(n, 2), &f.v);
	return true;
}
