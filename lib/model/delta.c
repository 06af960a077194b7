/* SPDX-License-Identifier: BSD-3-Clause
 * delta.c - gated delta rule: attention whose memory is a matrix.
 *
 *   q | k | v = silu(conv(in_qkv x)), heads of unit length, q / sqrt(dk)
 *   g = -exp(A_log) softplus(in_a x + dt_bias)    b = sigmoid(in_b x)
 *   S_t = e^g_t S_(t-1) + k_t d_t'      d_t = b_t (v_t - (e^g_t S_(t-1))' k_t)
 *   out(norm(S_t' q_t) silu(in_z x))
 *
 * All S steps of a call at once.  With G the running sum of g:
 *   (I + A) D = b (v - e^G k S_0)     A_tj = b_t e^(G_t - G_j) k_t.k_j, j < t
 * I + A is inverted by blocks that double, M <- M - M A_blocks M, which never
 * makes numbers that have to cancel.  The state conv_state.i is that of
 * conv.c, recurrent_state.i is S [B,nv,dk,dv]; padding has g = b = 0 and
 * changes nothing.  float32 throughout. */

#include <math.h>

#include "build.h"

enum { LEVELS = 12, MAXSTEPS = 1 << LEVELS };

typedef struct Dims {
	int64_t nk, nv, dk, dv, kernel;
} Dims;

static bool
dims_of(Ctx *c, const Json *o, Dims *d)
{
	enum { LIMIT = 1 << 16 };
	const struct {
		const char *key;
		int64_t *to;
	} keys[] = {
		{"nk", &d->nk}, {"nv", &d->nv},         {"dk", &d->dk},
		{"dv", &d->dv}, {"kernel", &d->kernel},
	};

	for (size_t i = 0; i < LEN(keys); i++) {
		*keys[i].to = json_get_int(o, keys[i].key, 0);
		if (*keys[i].to < 1 || *keys[i].to > LIMIT)
			return fail(c, QE_INPUT, "%s is %lld", keys[i].key,
			            (long long)*keys[i].to);
	}
	return d->nv % d->nk == 0 ||
	       fail(c, QE_INPUT, "%lld value heads over %lld", (long long)d->nv,
	            (long long)d->nk);
}

static bool
put_params(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	const struct {
		const char *key, *suffix;
		Shape want;
	} params[] = {
		{"conv",
	         ".weight",
	         {3, {2 * d->nk * d->dk + d->nv * d->dv, 1, d->kernel}}},
		{"A_log", "", {1, {d->nv}}},
		{"dt_bias", "", {1, {d->nv}}},
	};

	for (size_t i = 0; i < LEN(params); i++) {
		const char *w = tree_param(t, json_get(spec, params[i].key),
		                           params[i].suffix, params[i].want);

		if (!w)
			return false;
		json_put_str(o, params[i].key, w);
	}
	return true;
}

/* The six projections from two matrices whose rows stand key head by key
 * head: q, k, v of its value heads, z of these; b of these, a of these. */
static bool
by_heads(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	int64_t g = d->nv / d->nk, vd = g * d->dv, kd = d->dk;
	const int64_t wide[] = {d->nk, 2 * kd + 2 * vd, 1},
		      narrow[] = {d->nk, 2, g};
	Json *big = tree_linear(t, json_get(spec, "qkvz"), wide[0] * wide[1],
	                        t->hidden, false);
	Json *small = tree_linear(t, json_get(spec, "ba"), 2 * d->nv, t->hidden,
	                          false);
	int64_t v = 2 * kd, z = v + vd;

	if (!big || !small)
		return false;
	tree_put(o, "q", tree_cut(t, big, "q", wide, 0, kd));
	tree_put(o, "k", tree_cut(t, big, "k", wide, kd, v));
	tree_put(o, "v", tree_cut(t, big, "v", wide, v, z));
	tree_put(o, "z", tree_cut(t, big, "z", wide, z, z + vd));
	tree_put(o, "b", tree_cut(t, small, "b", narrow, 0, 1));
	tree_put(o, "a", tree_cut(t, small, "a", narrow, 1, 2));
	return true;
}

Json *
tree_delta(Tree *t, const Json *spec)
{
	bool heads = json_get(spec, "qkvz") != NULL;
	static const char *const plain[] = {"nk", "nv", "dk", "dv", "kernel"};
	Json *o = json_new(t->a), *own = json_new(t->a), *m;
	int64_t h = t->hidden;
	Dims d;

	for (size_t i = 0; i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(spec, plain[i]));
	if (!dims_of(t->c, o, &d))
		return NULL;
	const struct {
		const char *key;
		int64_t out, in;
	} linears[] = {
		{"qkv", 2 * d.nk * d.dk + d.nv * d.dv, h},
		{"z", d.nv * d.dv, h},
		{"b", d.nv, h},
		{"a", d.nv, h},
		{"out", h, d.nv * d.dv},
	};
	if (heads && !by_heads(t, spec, &d, o))
		return NULL;
	for (size_t i = heads ? LEN(linears) - 1 : 0; i < LEN(linears); i++) {
		if (!(m = tree_linear(t, json_get(spec, linears[i].key),
		                      linears[i].out, linears[i].in, false)))
			return NULL;
		tree_put(o, linears[i].key, m);
	}
	json_put_bool(own, "plus1", false);
	if (!(m = tree_norm(t, json_get(spec, "norm"), own, d.dv)))
		return NULL;
	tree_put(o, "norm", m);
	return put_params(t, spec, &d, o) ? o : NULL;
}

/* ---- nodes ---- */

static Value *
float_of(Build *b, Value *x)
{
	return b->type == DT_F32 ? x : cast(b, x, DT_F32);
}

static Value *
param_f32(Build *b, const char *name)
{
	Value *v = weight(b, name);

	return v && v->type != DT_F32 ? cast(b, v, DT_F32) : v;
}

/* What depends on S alone, made once: the step's number down and across,
 * and for each level which blocks are joined. */
typedef struct Grid {
	Value *row, *col;     /* [S,1], [1,S] */
	Value *before, *upto; /* [S,S]: col < row, col <= row */
	Value *one;           /* [S,S] float32 */
	Value *join[LEVELS];
} Grid;

/* S, which fails for more steps than the levels cover */
static Value *
steps(Build *b)
{
	Value *n = EMIT(b, "Shape", b->ids), *most;
	int64_t *zero = NEWV(b->a, int64_t, MAXSTEPS);

	n = EMIT_INT(b, "Gather", "axis", 0, n, int_scalar(b, 1));
	most = const_i64(b->g, "zero_by_steps", MAXSTEPS, zero);
	most = EMIT_INT(b, "Gather", "axis", 0, most,
	                EMIT(b, "Sub", n, int_scalar(b, 1)));
	return EMIT(b, "Add", n, most);
}

static Grid *
grid(Build *b)
{
	Grid *g = dict_get(b->here, "delta grid");
	Value *i, *down, *across, *odd;
	int layer = b->layer;

	if (g)
		return g;
	g = NEW(b->a, Grid);
	b->layer = -1;
	i = EMIT(b, "Range", int_scalar(b, 0), steps(b), int_scalar(b, 1));
	g->row = unsqueeze(b, i, 1);
	g->col = unsqueeze(b, i, 0);
	g->before = EMIT(b, "Less", g->col, g->row);
	g->upto = EMIT(b, "LessOrEqual", g->col, g->row);
	g->one = cast(b, EMIT(b, "Equal", g->row, g->col), DT_F32);
	for (int k = 0; k < LEVELS; k++) {
		Value *size = int_scalar(b, (int64_t)1 << k);

		down = EMIT(b, "Div", g->row, size);
		across = EMIT(b, "Div", g->col, size);
		odd = EMIT(b, "Mod", down, int_scalar(b, 2));
		odd = EMIT(b, "Equal", odd, int_scalar(b, 1));
		across = EMIT(b, "Add", across, int_scalar(b, 1));
		g->join[k] =
			EMIT(b, "And", odd, EMIT(b, "Equal", across, down));
	}
	b->layer = layer;
	dict_set(b->here, "delta grid", g);
	return g;
}

/* [B,S,n*d] -> [B,n,S,d] */
static Value *
heads_of(Build *b, Value *x, int64_t n, int64_t d)
{
	return TRANSPOSE(b, RESHAPE(b, x, 0, 0, n, d), 0, 2, 1, 3);
}

/* x / |x|, each key head for its group of value heads: [B,nv,S,dk] */
static Value *
unit_heads(Build *b, Value *x, const Dims *d)
{
	int64_t r = d->nv / d->nk;
	Value *n;

	x = heads_of(b, x, d->nk, d->dk);
	n = reduce(b, "ReduceSum", EMIT(b, "Mul", x, x), -1, true);
	n = EMIT(b, "Sqrt", EMIT(b, "Add", n, scalar_f32(b, 1e-6)));
	x = EMIT(b, "Div", x, n);
	if (r == 1)
		return x;
	x = EMIT(b, "Expand", unsqueeze(b, x, 2), INTS(b, 1, 1, r, 1, 1));
	return RESHAPE(b, x, 0, d->nv, -1, d->dk);
}

/* 0 where the token is padding; x [B,S,n] */
static Value *
real_only(Build *b, Value *x)
{
	Value *pad;

	if (b->encoder)
		return x;
	pad = EMIT(b, "Less", b->positions, int_scalar(b, 0));
	return EMIT(b, "Where", unsqueeze(b, pad, 2), scalar_f32(b, 0), x);
}

/* the running sum of g, and b: [B,nv,S] */
static Value *
decay(Build *b, const Json *m, Value *x)
{
	Value *rate =
		EMIT(b, "Exp", param_f32(b, json_get_str(m, "A_log", "")));
	Value *g = float_of(b, linear(b, json_get(m, "a"), x));

	g = EMIT(b, "Add", g, param_f32(b, json_get_str(m, "dt_bias", "")));
	g = EMIT(b, "Mul", EMIT(b, "Softplus", g), EMIT(b, "Neg", rate));
	g = TRANSPOSE(b, real_only(b, g), 0, 2, 1);
	return EMIT(b, "CumSum", g, int_scalar(b, 2));
}

static Value *
strength(Build *b, const Json *m, Value *x)
{
	Value *s = EMIT(b, "Sigmoid", linear(b, json_get(m, "b"), x));

	return TRANSPOSE(b, real_only(b, float_of(b, s)), 0, 2, 1);
}

/* the inverse of I + a, a [B,n,S,S] strictly lower */
static Value *
invert(Build *b, const Grid *g, Value *a)
{
	Value *m = g->one, *x;

	for (int k = 0; k < LEVELS; k++) {
		x = EMIT(b, "Where", g->join[k], a, scalar_f32(b, 0));
		x = EMIT(b, "MatMul", EMIT(b, "MatMul", m, x), m);
		m = EMIT(b, "Sub", m, x);
	}
	return m;
}

typedef struct Step {
	Value *q, *k, *v; /* [B,nv,S,.] */
	Value *g, *b;     /* [B,nv,S,1] */
	Value *state;     /* [B,nv,dk,dv], or NULL */
} Step;

/* The state after the last step. */
static Value *
last_state(Build *b, const Step *s, Value *d)
{
	Value *end = slice(b, s->g, 2, -1, INT64_MAX), *k;

	k = EMIT(b, "Mul", s->k, EMIT(b, "Exp", EMIT(b, "Sub", end, s->g)));
	k = EMIT(b, "MatMul", TRANSPOSE(b, k, 0, 1, 3, 2), d);
	return EMIT(b, "Add", k, EMIT(b, "Mul", s->state, EMIT(b, "Exp", end)));
}

/* [B,nv,S,dv]; *next becomes the new state */
static Value *
scan(Build *b, const Step *s, Value **next)
{
	const Grid *grd = grid(b);
	Value *kt = TRANSPOSE(b, s->k, 0, 1, 3, 2), *w, *a, *d, *o, *eg;

	w = EMIT(b, "Sub", s->g, TRANSPOSE(b, s->g, 0, 1, 3, 2));
	w = EMIT(b, "Exp",
	         EMIT(b, "Where", grd->upto, w, scalar_f32(b, -1e30)));
	a = EMIT(b, "Mul", EMIT(b, "MatMul", s->k, kt), w);
	a = EMIT(b, "Mul", a, s->b);
	a = EMIT(b, "Where", grd->before, a, scalar_f32(b, 0));
	eg = EMIT(b, "Exp", s->g);
	d = s->v;
	if (s->state) {
		o = EMIT(b, "Mul", EMIT(b, "MatMul", s->k, s->state), eg);
		d = EMIT(b, "Sub", d, o);
	}
	d = EMIT(b, "MatMul", invert(b, grd, a), EMIT(b, "Mul", d, s->b));
	o = EMIT(b, "Mul", EMIT(b, "MatMul", s->q, kt), w);
	o = EMIT(b, "MatMul", o, d);
	if (!s->state)
		return o;
	*next = last_state(b, s, d);
	a = EMIT(b, "Mul", EMIT(b, "MatMul", s->q, s->state), eg);
	return EMIT(b, "Add", o, a);
}

/* q | k | v [B,S,.] */
static Value *
projected(Build *b, const Json *m, Value *x)
{
	Value *parts[] = {NULL, NULL, NULL};

	if (json_get(m, "qkv"))
		return linear(b, json_get(m, "qkv"), x);
	parts[0] = linear(b, json_get(m, "q"), x);
	parts[1] = linear(b, json_get(m, "k"), x);
	parts[2] = linear(b, json_get(m, "v"), x);
	return concat(b, 3, parts, -1);
}

/* q, k and v behind the convolution */
static void
mixed(Build *b, const Json *m, const Dims *d, Value *x, Step *s)
{
	int64_t kd = d->nk * d->dk, vd = d->nv * d->dv;

	x = TRANSPOSE(b, projected(b, m, x), 0, 2, 1);
	x = causal_conv(b, x, json_get_str(m, "conv", ""), NULL, 2 * kd + vd,
	                d->kernel);
	x = TRANSPOSE(b, activation(b, "silu", x), 0, 2, 1);
	x = float_of(b, x);
	s->q = unit_heads(b, slice(b, x, 2, 0, kd), d);
	s->q = EMIT(b, "Mul", s->q, scalar_f32(b, 1 / sqrt((double)d->dk)));
	s->k = unit_heads(b, slice(b, x, 2, kd, 2 * kd), d);
	s->v = heads_of(b, slice(b, x, 2, 2 * kd, 2 * kd + vd), d->nv, d->dv);
}

Value *
lower_delta(Build *b, const Json *m, Value *x)
{
	Value *past = NULL, *next = NULL, *o, *z;
	Step s = {0};
	Dims d;

	if (!dims_of(b->c, m, &d))
		return NULL;
	mixed(b, m, &d, x, &s);
	s.g = unsqueeze(b, decay(b, m, x), 3);
	s.b = unsqueeze(b, strength(b, m, x), 3);
	if (b->cached) {
		past = state_input(b, "recurrent_state",
		                   (Shape){4, {-1, d.nv, d.dk, d.dv}});
		s.state = unsqueeze(b, row_start(b), 3);
		s.state = EMIT(b, "Where", s.state, scalar_f32(b, 0),
		               float_of(b, past));
	}
	o = scan(b, &s, &next);
	if (past)
		state_output(b, past,
		             b->type == DT_F32 ? next : cast(b, next, b->type));
	o = TRANSPOSE(b, o, 0, 2, 1, 3);
	o = b->type == DT_F32 ? o : cast(b, o, b->type);
	o = norm(b, json_get(m, "norm"), o);
	z = RESHAPE(b, linear(b, json_get(m, "z"), x), 0, 0, d.nv, d.dv);
	o = EMIT(b, "Mul", o, activation(b, "silu", z));
	return linear(b, json_get(m, "out"), RESHAPE(b, o, 0, 0, d.nv * d.dv));
}
