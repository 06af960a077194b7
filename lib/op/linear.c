/* SPDX-License-Identifier: BSD-3-Clause
 * linear.c - attention by recurrence, and what stands beside it:
 * LinearAttention, CausalConvWithState, RotaryEmbedding, TensorScatter. */

#include <math.h>

#include "attention.h"

/* ---- RotaryEmbedding ---- */

typedef struct Rotary {
	const Value *cos, *sin, *pos;
	int64_t dim; /* of a head that turns */
	bool pairs;  /* (0,1), (2,3)... else halves */
	bool offset; /* pos holds one first position */
} Rotary;

/* ai.onnx has x, cos, sin, position_ids; com.microsoft x, position_ids, cos,
 * sin. */
static bool
rotary_args(Ctx *c, const Node *n, Rotary *r, Shape *x)
{
	bool ms = *n->op->domain;

	*r = (Rotary){.cos = n->in[ms ? 2 : 1],
	              .sin = n->in[ms ? 3 : 2],
	              .pos = node_in(n, ms ? 1 : 3),
	              .pairs = attr_int(n, "interleaved", 0),
	              .dim = attr_int(n, "rotary_embedding_dim", 0)};
	if (ms && (attr_int(n, "is_packed_batching", 0) ||
	           attr_float(n, "scale", 1) != 1))
		return fail(c, QE_INPUT, "packed batching or a scale");
	int64_t heads = attr_int(n, "num_heads", 0);

	/* com.microsoft may leave the number of heads to the width of cos */
	if (ms && !heads && n->in[0]->shape.rank == 3 &&
	    r->cos->shape.rank == 2 && r->cos->shape.dim[1] > 0)
		heads = n->in[0]->shape.dim[2] / (2 * r->cos->shape.dim[1]);
	return heads_shape(c, n->in[0], heads, x);
}

bool
infer_rotary(Ctx *c, Node *n)
{
	Rotary r;
	Shape x;

	return rotary_args(c, n, &r, &x) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

static bool
check_rotary(Ctx *c, Rotary *r, const Shape *x)
{
	const Shape *s = &r->cos->shape;
	int64_t tokens = x->dim[0] * x->dim[2];

	r->dim = r->dim ? r->dim : x->dim[3];
	if (r->dim < 0 || r->dim % 2 || r->dim > x->dim[3] ||
	    !shape_eq(s, &r->sin->shape) || s->rank < 2 ||
	    s->dim[s->rank - 1] != r->dim / 2)
		return fail(c, QE_INPUT, "cos %s, sin %s for %lld of %s",
		            shape_text(s).s, shape_text(&r->sin->shape).s,
		            (long long)r->dim, shape_text(x).s);
	r->offset = r->pos && r->pos->shape.rank < 2;
	if (r->pos ? shape_count(&r->pos->shape) != (r->offset ? 1 : tokens)
	           : shape_count(s) != tokens * r->dim / 2)
		return fail(c, QE_INPUT, "cos %s, no position for each of %s",
		            shape_text(s).s, shape_text(x).s);
	return true;
}

/* Row of the tables for a token, or -1. */
static int64_t
table_row(Ctx *c, const Rotary *r, const Shape *x, int64_t b, int64_t i)
{
	int64_t token = b * x->dim[2] + i, p = token;

	if (r->pos)
		p = r->offset ? value_i64(r->pos, 0) + i
		              : value_i64(r->pos, token);
	if (p < 0 ||
	    (p + 1) > shape_count(&r->cos->shape) / MAX(1, r->dim / 2)) {
		fail(c, QE_INPUT, "position %lld of %s", (long long)p,
		     shape_text(&r->cos->shape).s);
		return -1;
	}
	return p;
}

/* The plane rotation of Su 2021 (arXiv:2104.09864), eq. 34, of pairs or of
 * halves; what is beyond `dim` of the head stays. */
static void
rotate(const Rotary *r, double *x, int64_t row)
{
	int64_t half = r->dim / 2;

	for (int64_t k = 0; k < half; k++) {
		double co = value_f64(r->cos, row * half + k);
		double si = value_f64(r->sin, row * half + k);
		double *p = x + (r->pairs ? 2 * k : k);
		double *q = r->pairs ? p + 1 : p + half, v = *p;

		*p = co * v - si * *q;
		*q = si * v + co * *q;
	}
}

bool
eval_rotary(Ctx *c, Arena *a, Node *n)
{
	int64_t count, row;
	Rotary r;
	Shape x;
	Heads h;

	if (!rotary_args(c, n, &r, &x) || !check_rotary(c, &r, &x) ||
	    !heads_open(c, a, n->in[0], x.dim[1], &h))
		return false;
	for (int64_t b = 0; b < h.batch; b++)
		for (int64_t i = 0; i < h.len; i++) {
			row = table_row(c, &r, &x, b, i);
			if (row < 0)
				return false;
			for (int64_t k = 0; k < h.heads; k++)
				rotate(&r, heads_row(&h, b, k, i), row);
		}
	count = shape_count(&n->in[0]->shape);
	store_f64(n->out[0], 0, count, h.x);
	return true;
}

/* ---- LinearAttention ---- */

typedef struct Linear {
	Heads q, k, v;
	double *state; /* [batch, kv heads, dk, dv] */
	const Value *decay, *beta;
	int64_t group;
	double scale;
	bool gated, delta;
} Linear;

bool
infer_linear_attention(Ctx *c, Node *n)
{
	int64_t qh = attr_int(n, "q_num_heads", 0);
	int64_t kh = attr_int(n, "kv_num_heads", 0);
	const Value *past = node_in(n, 3);
	Shape q, k, v, y = n->in[0]->shape;

	if (!heads_shape(c, n->in[0], qh, &q) ||
	    !heads_shape(c, n->in[1], kh, &k) ||
	    !heads_shape(c, n->in[2], kh, &v) || !want_rank(c, n, 0, 3) ||
	    !want_rank(c, n, 1, 3) || !want_rank(c, n, 2, 3))
		return false;
	if (q.rank < 0 || k.rank < 0 || v.rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	y.dim[2] = mul_size(qh, v.dim[3]);
	return value_set(c, node_out(n, 0), n->in[0]->type, &y) &&
	       value_set(c, node_out(n, 1), past ? past->type : n->in[0]->type,
	                 &(Shape){4, {q.dim[0], kh, k.dim[3], v.dim[3]}});
}

static bool
open_linear(Ctx *c, Arena *a, const Node *n, Linear *t)
{
	const char *rule = attr_str(n, "update_rule", "gated_delta");
	int64_t kh = attr_int(n, "kv_num_heads", 0), tokens, count;
	const Value *past = node_in(n, 3);

	*t = (Linear){.decay = node_in(n, 4), .beta = node_in(n, 5)};
	t->gated =
		strcmp(rule, "gated") == 0 || strcmp(rule, "gated_delta") == 0;
	t->delta =
		strcmp(rule, "delta") == 0 || strcmp(rule, "gated_delta") == 0;
	if (!t->gated && !t->delta && strcmp(rule, "linear") != 0)
		return fail(c, QE_INPUT, "update_rule '%s'", rule);
	if (!heads_open(c, a, n->in[0], attr_int(n, "q_num_heads", 0), &t->q) ||
	    !heads_open(c, a, n->in[1], kh, &t->k) ||
	    !heads_open(c, a, n->in[2], kh, &t->v))
		return false;
	tokens = t->q.batch * t->q.len;
	count = t->q.batch * kh * t->k.width * t->v.width;
	if (t->q.heads % kh || t->k.width != t->q.width ||
	    t->k.batch * t->k.len != tokens || t->k.batch != t->q.batch ||
	    t->v.batch * t->v.len != tokens || t->v.batch != t->q.batch ||
	    (past && shape_count(&past->shape) != count))
		return fail(c, QE_INPUT, "query %s, key %s, value %s",
		            shape_text(&n->in[0]->shape).s,
		            shape_text(&n->in[1]->shape).s,
		            shape_text(&n->in[2]->shape).s);
	if ((t->gated && !t->decay) || (t->delta && !t->beta))
		return fail(c, QE_INPUT, "%s needs decay or beta", rule);
	if ((t->gated && shape_count(&t->decay->shape) != tokens * kh &&
	     shape_count(&t->decay->shape) != tokens * kh * t->k.width) ||
	    (t->delta && shape_count(&t->beta->shape) != tokens * kh &&
	     shape_count(&t->beta->shape) != tokens))
		return fail(c, QE_INPUT, "shape of decay or beta");
	t->state = past ? read_f64(a, past) : NEWV(a, double, count + 1);
	t->group = t->q.heads / kh;
	t->scale = attr_float(n, "scale", 0);
	if (t->scale == 0)
		t->scale = 1 / sqrt((double)t->q.width);
	return true;
}

static double
decay_at(const Linear *t, int64_t token, int64_t h, int64_t d)
{
	bool each = shape_count(&t->decay->shape) !=
	            t->q.batch * t->q.len * t->k.heads;
	int64_t at = token * t->k.heads + h;

	return exp(value_f64(t->decay, each ? at * t->k.width + d : at));
}

/* Moves the state s [dk, dv] of a head on by one token. */
static void
linear_step(const Linear *t, int64_t b, int64_t h, int64_t i, double *s,
            double *add)
{
	const double *k = heads_row(&t->k, b, h, i);
	const double *v = heads_row(&t->v, b, h, i);
	int64_t dk = t->k.width, dv = t->v.width, token = b * t->q.len + i;
	double beta = 1;

	for (int64_t d = 0; t->gated && d < dk; d++) {
		double g = decay_at(t, token, h, d);

		for (int64_t e = 0; e < dv; e++)
			s[d * dv + e] *= g;
	}
	memcpy(add, v, (size_t)dv * sizeof *add);
	for (int64_t d = 0; t->delta && d < dk; d++)
		for (int64_t e = 0; e < dv; e++)
			add[e] -= k[d] * s[d * dv + e];
	if (t->delta)
		beta = value_f64(t->beta, shape_count(&t->beta->shape) ==
		                                          t->q.batch * t->q.len
		                                  ? token
		                                  : token * t->k.heads + h);
	for (int64_t d = 0; d < dk; d++)
		for (int64_t e = 0; e < dv; e++)
			s[d * dv + e] += beta * k[d] * add[e];
}

bool
eval_linear_attention(Ctx *c, Arena *a, Node *n)
{
	int64_t dk, dv, head;
	double *y, *s;
	Linear t;

	if (!open_linear(c, a, n, &t))
		return false;
	dk = t.k.width;
	dv = t.v.width;
	y = NEWV(a, double, dv + 1);
	for (int64_t bh = 0; bh < t.q.batch * t.k.heads; bh++) {
		int64_t b = bh / t.k.heads, h = bh % t.k.heads;

		s = t.state + bh * dk * dv;
		for (int64_t i = 0; i < t.q.len; i++) {
			linear_step(&t, b, h, i, s, y);
			for (int64_t g = 0; g < t.group; g++) {
				head = h * t.group + g;
				const double *q = heads_row(&t.q, b, head, i);

				memset(y, 0, (size_t)dv * sizeof *y);
				for (int64_t d = 0; d < dk; d++)
					for (int64_t e = 0; e < dv; e++)
						y[e] += t.scale * q[d] *
						        s[d * dv + e];
				store_f64(n->out[0],
				          ((b * t.q.len + i) * t.q.heads +
				           head) * dv,
				          dv, y);
			}
		}
	}
	if (node_out(n, 1))
		store_f64(n->out[1], 0, t.q.batch * t.k.heads * dk * dv,
		          t.state);
	return true;
}

/* ---- CausalConvWithState ---- */

bool
infer_causal_conv(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *w = &n->in[1]->shape;
	Shape state = *x;

	if (!want_rank(c, n, 0, 3) || !want_rank(c, n, 1, 3))
		return false;
	if (x->rank == 3 && w->rank == 3) {
		if ((w->dim[0] >= 0 && x->dim[1] >= 0 &&
		     w->dim[0] != x->dim[1]) ||
		    w->dim[1] > 1 || w->dim[2] == 0)
			return fail(c, QE_INPUT, "weight %s for %s",
			            shape_text(w).s, shape_text(x).s);
		state.dim[2] = w->dim[2] < 0 ? -1 : w->dim[2] - 1;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, x) &&
	       value_set(c, node_out(n, 1), n->in[0]->type, &state);
}

bool
eval_causal_conv(Ctx *c, Arena *a, Node *n)
{
	const char *act = attr_str(n, "activation", "none");
	const Value *x = n->in[0], *bias = node_in(n, 2), *past = node_in(n, 3);
	const Shape *s = &x->shape;
	int64_t k = n->in[1]->shape.dim[2], len = s->dim[2],
		channels = s->dim[1];
	double *line = NEWV(a, double, len + k), *w = read_f64(a, n->in[1]), y;
	bool silu = strcmp(act, "silu") == 0 || strcmp(act, "swish") == 0;

	if (!silu && strcmp(act, "none") != 0)
		return fail(c, QE_INPUT, "activation '%s'", act);
	if ((bias && shape_count(&bias->shape) != channels) ||
	    (past &&
	     shape_count(&past->shape) != s->dim[0] * channels * (k - 1)))
		return fail(c, QE_INPUT, "bias or past_state for %s",
		            shape_text(s).s);
	for (int64_t r = 0; r < s->dim[0] * channels; r++) {
		if (past)
			load_f64(past, r * (k - 1), 1, k - 1, line);
		load_f64(x, r * len, 1, len, line + k - 1);
		for (int64_t i = 0; i < len; i++) {
			y = dot(w + r % channels * k, line + i, k) +
			    (bias ? value_f64(bias, r % channels) : 0);
			y = silu ? y / (1 + exp(-y)) : y;
			store_f64(n->out[0], r * len + i, 1, &y);
		}
		if (node_out(n, 1))
			store_f64(n->out[1], r * (k - 1), k - 1, line + len);
	}
	return true;
}

/* ---- TensorScatter ---- */

bool
infer_tensor_scatter(Ctx *c, Node *n)
{
	return want_same(c, n, 0, 2) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

bool
eval_tensor_scatter(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *u = n->in[1], *at = node_in(n, 2);
	const char *mode = attr_str(n, "mode", "linear");
	bool circular = strcmp(mode, "circular") == 0;
	int64_t outer, inner, rows, len, pos;
	Shape want = x->shape;
	int axis;

	(void)a;
	if (!circular && strcmp(mode, "linear") != 0)
		return fail(c, QE_INPUT, "mode '%s'", mode);
	if (!axis_arg(c, attr_int(n, "axis", -2), x->shape.rank, &axis))
		return false;
	want.dim[axis] =
		u->shape.rank == x->shape.rank ? u->shape.dim[axis] : 0;
	if (!axis || !shape_eq(&want, &u->shape) ||
	    (at && shape_count(&at->shape) != x->shape.dim[0]))
		return fail(c, QE_INPUT, "cache %s, update %s on axis %d",
		            shape_text(&x->shape).s, shape_text(&u->shape).s,
		            axis);
	len = x->shape.dim[axis];
	rows = u->shape.dim[axis];
	outer = shape_span(&x->shape, 0, axis);
	inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	elem_copy(n->out[0], 0, x, 0, shape_count(&x->shape));
	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < rows; i++) {
			pos = at ? value_i64(at, o / (outer / x->shape.dim[0]))
			         : 0;
			if (pos < 0 || pos > INT64_MAX - rows || !len ||
			    (!circular && pos + i >= len))
				return fail(c, QE_INPUT, "row %lld of %lld",
				            (long long)pos, (long long)len);
			elem_copy(n->out[0],
			          (o * len + (pos + i) % len) * inner, u,
			          (o * rows + i) * inner, inner);
		}
	return true;
}
