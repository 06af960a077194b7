/* SPDX-License-Identifier: BSD-3-Clause
 * group.c - com.microsoft GroupQueryAttention: causal attention that turns
 * queries and keys and keeps the cache.
 *
 * The cache [batch, kv heads, rows, width] is a buffer with room for all
 * tokens, or as long as the past.  Batch entry b has seqlens_k[b] + 1 valid
 * rows once the new ones are in; in the first step (as many new tokens as
 * total_sequence_length) there is no past.  A local window of w lets a query
 * see itself and w - 1 before. */

#include <math.h>

#include "attention.h"

enum {
	QUERY,
	KEY,
	VALUE,
	PAST_KEY,
	PAST_VALUE,
	LENS,
	TOTAL,
	COS,
	SIN,
	POS,
	BIAS,
	SINK
};

typedef struct Group {
	int64_t qh, kh, batch, len, width, rows, total;
	Heads q, k, v, keys, values; /* new ones; the whole cache */
	const Node *n;
	double scale, cap;
	int64_t window;
} Group;

static bool
group_args(Ctx *c, const Node *n, int64_t *qh, int64_t *kh)
{
	*qh = attr_int(n, "num_heads", 0);
	*kh = attr_int(n, "kv_num_heads", 0);
	if (*qh < 1 || *kh < 1 || *qh % *kh)
		return fail(c, QE_INPUT, "%lld heads, %lld of keys",
		            (long long)*qh, (long long)*kh);
	if (!node_in(n, LENS) || !node_in(n, TOTAL))
		return fail(c, QE_INPUT,
		            "no seqlens_k or total_sequence_length");
	if (!node_in(n, KEY) != !node_in(n, VALUE) ||
	    !node_in(n, PAST_KEY) != !node_in(n, PAST_VALUE))
		return fail(c, QE_INPUT, "keys and values go together");
	if (attr_int(n, "qk_output", 0) ||
	    attr_int(n, "sliding_window_cache", 0) || !attr_int(n, "causal", 1))
		return fail(c, QE_INPUT,
		            "quantised or windowed cache, "
		            "qk_output, or not causal");
	return true;
}

/* Width of a head: the query may have keys and values behind it. */
static int64_t
head_width(const Node *n, int64_t qh, int64_t kh)
{
	const Shape *q = &n->in[QUERY]->shape;
	int64_t all = node_in(n, KEY) ? qh : qh + 2 * kh;

	return q->rank != 3 || q->dim[2] < 0 || q->dim[2] % all
	               ? -1
	               : q->dim[2] / all;
}

bool
infer_group_attention(Ctx *c, Node *n)
{
	const Value *past = node_in(n, PAST_KEY), *total = node_known(n, TOTAL);
	Shape y = n->in[QUERY]->shape, cache;
	int64_t qh, kh, width, rows = -1;

	if (!group_args(c, n, &qh, &kh) || !want_rank(c, n, QUERY, 3) ||
	    !want_class(c, n, QUERY, "F"))
		return false;
	width = head_width(n, qh, kh);
	if (y.rank == 3 && y.dim[2] >= 0 && width < 1)
		return fail(c, QE_INPUT, "%s with %lld heads", shape_text(&y).s,
		            (long long)qh);
	if (y.rank == 3)
		y.dim[2] = width < 0 ? -1 : qh * width;
	if (total && shape_count(&total->shape) == 1)
		rows = value_i64(total, 0);
	if (past && past->shape.rank == 4)
		rows = past->shape.dim[2] < 0 || rows < 0
		               ? -1
		               : MAX(rows, past->shape.dim[2]);
	cache = (Shape){4, {y.rank == 3 ? y.dim[0] : -1, kh, rows, width}};
	return value_set(c, node_out(n, 0), n->in[QUERY]->type, &y) &&
	       value_set(c, node_out(n, 1), n->in[QUERY]->type, &cache) &&
	       value_set(c, node_out(n, 2), n->in[QUERY]->type, &cache);
}

/* Heads [from, from + count) of a packed query. */
static Heads
part(const Heads *all, int64_t from, int64_t count)
{
	Heads h = *all;

	h.x += from * all->hstep;
	h.heads = count;
	return h;
}

static bool
open_heads(Ctx *c, Arena *a, Group *g)
{
	const Node *n = g->n;
	bool packed = !node_in(n, KEY);
	Heads all;

	if (!heads_open(c, a, n->in[QUERY], packed ? g->qh + 2 * g->kh : g->qh,
	                &all))
		return false;
	g->batch = all.batch;
	g->len = all.len;
	g->width = all.width;
	g->q = part(&all, 0, g->qh);
	if (packed) {
		g->k = part(&all, g->qh, g->kh);
		g->v = part(&all, g->qh + g->kh, g->kh);
		return true;
	}
	if (!heads_open(c, a, n->in[KEY], g->kh, &g->k) ||
	    !heads_open(c, a, n->in[VALUE], g->kh, &g->v))
		return false;
	return (g->k.batch == g->batch && g->k.len == g->len &&
	        g->k.width == g->width && g->v.batch == g->batch &&
	        g->v.len == g->len && g->v.width == g->width) ||
	       fail(c, QE_INPUT, "query %s, key %s, value %s",
	            shape_text(&n->in[QUERY]->shape).s,
	            shape_text(&n->in[KEY]->shape).s,
	            shape_text(&n->in[VALUE]->shape).s);
}

static bool
open_cache(Ctx *c, Arena *a, Group *g)
{
	const Value *pk = node_in(g->n, PAST_KEY);
	const Value *pv = node_in(g->n, PAST_VALUE);
	Shape want = {4, {g->batch, g->kh, 0, g->width}};
	Heads past;

	g->rows = g->total;
	if (pk) {
		want.dim[2] = pk->shape.rank == 4 ? pk->shape.dim[2] : 0;
		if (!shape_eq(&pk->shape, &want) ||
		    !shape_eq(&pv->shape, &want))
			return fail(c, QE_INPUT, "past %s, wanted %s",
			            shape_text(&pk->shape).s,
			            shape_text(&want).s);
		g->rows = MAX(g->rows, want.dim[2]);
	}
	if (g->rows > 1 << 28 ||
	    mul_size(g->rows, g->batch * g->kh * g->width) < 0)
		return fail(c, QE_INPUT, "cache of %lld rows",
		            (long long)g->rows);
	g->keys = heads_new(a, g->batch, g->kh, g->rows, g->width);
	g->values = heads_new(a, g->batch, g->kh, g->rows, g->width);
	if (!pk)
		return true;
	if (!heads_open(c, a, pk, g->kh, &past))
		return false;
	heads_copy(&g->keys, 0, &past);
	if (!heads_open(c, a, pv, g->kh, &past))
		return false;
	heads_copy(&g->values, 0, &past);
	return true;
}

/* Turns a row by the angles of a position. */
static bool
turn(Ctx *c, const Group *g, double *x, int64_t pos)
{
	const Value *cosv = node_in(g->n, COS), *sinv = node_in(g->n, SIN);
	bool pairs = attr_int(g->n, "rotary_interleaved", 0);
	int64_t half;

	if (!attr_int(g->n, "do_rotary", 0))
		return true;
	if (!cosv || !sinv || cosv->shape.rank != 2 ||
	    !shape_eq(&cosv->shape, &sinv->shape) || pos < 0 ||
	    pos >= cosv->shape.dim[0] || cosv->shape.dim[1] * 2 > g->width)
		return fail(c, QE_INPUT, "no angles for position %lld",
		            (long long)pos);
	half = cosv->shape.dim[1];
	for (int64_t i = 0; i < half; i++) {
		double co = value_f64(cosv, pos * half + i);
		double si = value_f64(sinv, pos * half + i);
		double *p = x + (pairs ? 2 * i : i);
		double *q = pairs ? p + 1 : p + half, v = *p;

		*p = co * v - si * *q;
		*q = si * v + co * *q;
	}
	return true;
}

/* New rows of batch entry b go into the cache behind the past. */
static bool
append(Ctx *c, const Group *g, int64_t b, int64_t past)
{
	const Value *pos = node_in(g->n, POS);

	for (int64_t i = 0; i < g->len; i++) {
		int64_t at = past + i;
		int64_t p = pos ? value_i64(pos, b * g->len + i) : at;

		for (int64_t h = 0; h < g->qh; h++)
			if (!turn(c, g, heads_row(&g->q, b, h, i), p))
				return false;
		for (int64_t h = 0; h < g->kh; h++) {
			if (!turn(c, g, heads_row(&g->k, b, h, i), p))
				return false;
			memcpy(heads_row(&g->keys, b, h, at),
			       heads_row(&g->k, b, h, i),
			       (size_t)g->width * sizeof(double));
			memcpy(heads_row(&g->values, b, h, at),
			       heads_row(&g->v, b, h, i),
			       (size_t)g->width * sizeof(double));
		}
	}
	return true;
}

static void
attend(const Group *g, int64_t b, int64_t h, int64_t i, int64_t past, double *s,
       double *y)
{
	const Value *bias = node_in(g->n, BIAS), *sink = node_in(g->n, SINK);
	int64_t kh = h / (g->qh / g->kh), at = past + i;
	double extra =
		attr_int(g->n, "smooth_softmax", 0) ? 0 : (double)-INFINITY;

	if (sink)
		extra = value_f64(sink, h);
	for (int64_t j = 0; j <= at; j++) {
		s[j] = g->scale * dot(heads_row(&g->q, b, h, i),
		                      heads_row(&g->keys, b, kh, j), g->width);
		if (g->cap != 0)
			s[j] = g->cap * tanh(s[j] / g->cap);
		if (bias)
			s[j] += mask_at(bias, b, h, i, j);
		if (g->window > 0 && j <= at - g->window)
			s[j] = (double)-INFINITY;
	}
	soften(s, at + 1, extra);
	mix(&g->values, b, kh, s, at + 1, y);
}

static bool
open_group(Ctx *c, Arena *a, const Node *n, Group *g)
{
	const Value *lens = n->in[LENS], *total = n->in[TOTAL];
	const Value *bias = node_in(n, BIAS), *sink = node_in(n, SINK);
	const Value *pos = node_in(n, POS);

	*g = (Group){.n = n,
	             .cap = attr_float(n, "softcap", 0),
	             .window = attr_int(n, "local_window_size", -1)};
	if (!group_args(c, n, &g->qh, &g->kh) || !open_heads(c, a, g))
		return false;
	if (shape_count(&total->shape) != 1 ||
	    shape_count(&lens->shape) != g->batch ||
	    (sink && shape_count(&sink->shape) != g->qh) ||
	    (pos && shape_count(&pos->shape) != g->batch * g->len))
		return fail(c, QE_INPUT, "seqlens_k %s for batch %lld",
		            shape_text(&lens->shape).s, (long long)g->batch);
	g->total = value_i64(total, 0);
	g->scale = attr_float(n, "scale", 0);
	if (g->scale == 0)
		g->scale = 1 / sqrt((double)g->width);
	if (g->total < g->len)
		return fail(c, QE_INPUT, "total_sequence_length %lld",
		            (long long)g->total);
	return open_cache(c, a, g) &&
	       (!bias || mask_fits(c, bias, g->batch, g->qh, g->len, g->total));
}

bool
eval_group_attention(Ctx *c, Arena *a, Node *n)
{
	double *s, *y;
	int64_t past;
	Group g;

	if (!open_group(c, a, n, &g))
		return false;
	s = NEWV(a, double, g.rows + 1);
	y = NEWV(a, double, g.width + 1);
	for (int64_t b = 0; b < g.batch; b++) {
		past = g.len == g.total ? 0
		                        : value_i64(n->in[LENS], b) + 1 - g.len;
		if (past < 0 || past > g.rows - g.len)
			return fail(c, QE_INPUT, "seqlens_k %lld of %lld rows",
			            (long long)value_i64(n->in[LENS], b),
			            (long long)g.rows);
		if (!append(c, &g, b, past))
			return false;
		for (int64_t ih = 0; ih < g.len * g.qh; ih++) {
			attend(&g, b, ih % g.qh, ih / g.qh, past, s, y);
			store_f64(n->out[0], (b * g.len * g.qh + ih) * g.width,
			          g.width, y);
		}
	}
	heads_store(node_out(n, 1), &g.keys);
	heads_store(node_out(n, 2), &g.values);
	return true;
}
