/* SPDX-License-Identifier: BSD-3-Clause
 * attn.c - softmax attention over kept keys and values.
 *
 * project -> norm of the full width -> clip -> heads [B,n,S,hd] -> norm of
 * a head -> rope -> norm after rope -> cache -> repeat kv -> q k' scale
 * -> bias -> cap -> mask -> (sink) softmax -> v -> (gate) -> out
 *
 * What compilers match is this chain, operator by operator; parts that a
 * model does not have are left out, nothing is added. */

#include <math.h>

#include "build.h"

typedef struct Dims {
	int64_t nh, kv, hd, hidden;
} Dims;

/* ---- tree ---- */

/* How the rows of a fused projection lie: [outer, parts, inner], and where
 * in the parts q, k, v begin and end. */
typedef struct Layout {
	int64_t view[3], from[3], to[3];
} Layout;

static bool
layout_of(Tree *t, const Json *qkv, const Dims *d, Layout *l)
{
	const char *name = json_get_str(qkv, "layout", "concat");
	const char *order = json_get_str(qkv, "order", "qkv");
	int64_t g = d->nh / d->kv, n = json_get_int(qkv, "blocks", 1);

	if (strcmp(name, "concat") == 0)
		*l = (Layout){{1, d->nh + 2 * d->kv, d->hd},
		              {0, d->nh, d->nh + d->kv},
		              {d->nh, d->nh + d->kv, d->nh + 2 * d->kv}};
	else if (strcmp(name, "per_head") == 0)
		*l = (Layout){{d->nh, 3, d->hd}, {0, 1, 2}, {1, 2, 3}};
	else if (strcmp(name, "per_group") == 0)
		*l = (Layout){{d->kv, g + 2, d->hd},
		              {0, g, g + 1},
		              {g, g + 1, g + 2}};
	else if (strcmp(name, "blocks") == 0 && n > 0 && d->nh * d->hd % n == 0)
		*l = (Layout){{n, 3, d->nh * d->hd / n}, {0, 1, 2}, {1, 2, 3}};
	else
		return fail(t->c, QE_INPUT, "qkv layout '%s' is not known",
		            name);
	for (int i = 0; i < 3 && strlen(order) == 3 && l->view[1] == 3; i++) {
		const char *at = strchr(order, "qkv"[i]);

		l->from[i] = at ? at - order : i;
		l->to[i] = l->from[i] + 1;
	}
	return true;
}

static bool
fused(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	static const char *const parts[] = {"q", "k", "v"};
	const Json *qkv = json_get(spec, "qkv");
	Layout l;
	Json *w;

	if (d->nh % d->kv || !layout_of(t, qkv, d, &l))
		return t->c->status
		               ? false
		               : fail(t->c, QE_INPUT, "%lld heads over %lld",
		                      (long long)d->nh, (long long)d->kv);
	w = tree_linear(t, json_get(qkv, "w"), (d->nh + 2 * d->kv) * d->hd,
	                d->hidden, json_get_bool(spec, "bias", false));
	if (!w)
		return false;
	for (int i = 0; i < 3; i++)
		tree_put(o, parts[i],
		         tree_cut(t, w, parts[i], l.view, l.from[i], l.to[i]));
	return true;
}

/* A query projection whose rows are, head by head, q and a gate. */
static bool
query_gate(Tree *t, const Dims *d, Json *o)
{
	const int64_t view[] = {d->nh, 2, d->hd};
	Json *both = json_copy(t->a, json_get(o, "q"));

	tree_put(o, "q", tree_cut(t, both, "q", view, 0, 1));
	tree_put(o, "gate", tree_cut(t, both, "gate", view, 1, 2));
	return true;
}

/* A bias that is a parameter of its own. */
static bool
own_bias(Tree *t, const Json *spec, const char *part, int64_t width, Json *o)
{
	const Json *name = json_get(spec, arena_str(t->a, "%s_bias", part));
	const char *w;

	if (!name)
		return true;
	if (!(w = tree_param(t, name, "", (Shape){1, {width}})))
		return false;
	json_put_str(json_get(o, part), "bias", w);
	return true;
}

static bool
projections(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	static const char *const parts[] = {"q", "k", "v"};
	bool bias = json_get_bool(spec, "bias", false);
	Json *w;

	for (int i = 0; !json_get(spec, "qkv") && i < 3; i++) {
		int64_t heads = i ? d->kv : d->nh;

		if (!i && json_get(spec, "q_gate"))
			heads *= 2;
		if (!(w = tree_linear(t, json_get(spec, parts[i]),
		                      heads * d->hd, d->hidden, bias)))
			return false;
		tree_put(o, parts[i], w);
	}
	if (json_get(spec, "qkv") && !fused(t, spec, d, o))
		return false;
	if (!own_bias(t, spec, "q", d->nh * d->hd, o) ||
	    !own_bias(t, spec, "v", d->kv * d->hd, o))
		return false;
	if (json_get_str(spec, "q_gate", NULL) && !query_gate(t, d, o))
		return false;
	if (json_get(spec, "gate")) {
		if (!(w = tree_linear(t, json_get(spec, "gate"), d->nh * d->hd,
		                      d->hidden, false)))
			return false;
		tree_put(o, "gate", w);
	}
	if (!(w = tree_linear(t, json_get(spec, "o"), d->hidden, d->nh * d->hd,
	                      json_get_bool(spec, "o_bias", false))))
		return false;
	tree_put(o, "o", w);
	return true;
}

/* One weight of its own for every head, [heads, hd], or heads of [hd] whose
 * number stands for {h}. */
static const char *
heads_weight(Tree *t, const Json *name, int64_t heads, int64_t hd)
{
	const char *s = json_str(name, ""), *at = strstr(s, "{h}"), *w = NULL;
	Json *from = json_new_array(t->a), *steps = json_new_array(t->a);

	if (!at)
		return tree_param(t, name, ".weight", (Shape){2, {heads, hd}});
	if (heads == 1)
		json_push(steps, json_share(tree_step(t, "reshape", 2,
		                                      (int64_t[]){1, hd})));
	for (int64_t i = 0; i < heads; i++) {
		char *one = arena_str(t->a, "%.*s%lld%s", (int)(at - s), s,
		                      (long long)i, at + 3);

		w = tree_param(t, json_own(t->a, json_object_new_string(one)),
		               ".weight", (Shape){1, {hd}});
		if (!w)
			return NULL;
		json_push(from, json_object_new_string(w));
	}
	return tree_derive(t, arena_str(t->a, "%s.of_heads", w), from, steps,
	                   (Shape){2, {heads, hd}});
}

static Json *
heads_norm(Tree *t, const Json *n, int64_t heads, int64_t hd)
{
	const char *w = heads_weight(t, json_get(n, "w"), heads, hd);
	Json *plain = json_copy(t->a, n), *m;

	if (!w)
		return NULL;
	json_put_bool(plain, "weight", false);
	if ((m = tree_norm(t, NULL, plain, hd)))
		json_put_str(m, "heads_weight", w);
	return m;
}

static bool
norms(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	static const char *const names[] = {"q_norm", "k_norm", "v_norm"};

	for (int i = 0; i < 3; i++) {
		const Json *n = json_get(spec, names[i]);
		const char *scope = json_get_str(n, "scope", "head");
		int64_t heads = i ? d->kv : d->nh;
		Json *m;

		if (!n)
			continue;
		if (strcmp(scope, "heads") == 0)
			m = heads_norm(t, n, heads, d->hd);
		else
			m = tree_norm(t, json_get(n, "w"), n,
			              strcmp(scope, "full") == 0 ? heads * d->hd
			                                         : d->hd);
		if (!m)
			return note(t->c, "%s", names[i]);
		json_put_str(m, "scope", scope);
		tree_put(m, "when", json_get(n, "when"));
		tree_put(o, names[i], m);
	}
	if (!json_get(spec, "o_norm"))
		return true;
	tree_put(o, "o_norm",
	         tree_norm(t, json_get(spec, "o_norm"), NULL, d->nh * d->hd));
	return !t->c->status;
}

/* Slopes of n heads: the powers of 2^(-max/n2) for the power of two below
 * n, then every other one of the next. */
static Json *
slopes(Tree *t, const Json *alibi, int64_t n)
{
	double max = json_get_num(alibi, "max", 8);
	Json *list = json_new_array(t->a);
	int64_t whole = 1;

	while (whole * 2 <= n)
		whole *= 2;
	for (int64_t i = 0; i < n; i++) {
		double x =
			i < whole
				? pow(2, -max * (double)(i + 1) / (double)whole)
				: pow(2, -max * (double)(2 * (i - whole) + 1) /
		                                 (double)(2 * whole));

		json_push(list, json_object_new_double(x));
	}
	return list;
}

static Json *
difference(Tree *t, const Json *spec, const Dims *d)
{
	static const char *const names[] = {"q1", "k1", "q2", "k2"};
	Json *o = json_new(t->a), *plain = json_new(t->a), *n;
	const char *w;

	if (d->nh % 2)
		return fail(t->c, QE_INPUT, "%lld heads in two halves",
		            (long long)d->nh),
		       NULL;
	for (size_t i = 0; i < LEN(names); i++) {
		if (!(w = tree_param(t, json_get(spec, names[i]), "",
		                     (Shape){1, {d->hd}})))
			return NULL;
		json_put_str(o, names[i], w);
	}
	json_put_bool(plain, "weight", false);
	if (!(n = tree_norm(t, NULL, plain, 2 * d->hd)))
		return NULL;
	tree_put(o, "norm", n);
	tree_put(o, "init", json_get(spec, "init"));
	return o;
}

static bool
biases(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	const Json *a = json_get(spec, "alibi");
	const char *w;
	Json *m;
	int rope = tree_rope(t, json_get(spec, "rope"));

	if (rope == -2)
		return false;
	if (rope >= 0) {
		m = json_new(t->a);
		json_put_int(m, "table", rope);
		json_put_int(m, "width", d->hd);
		json_put_str(m, "style",
		             json_get_str(json_get(spec, "rope"), "style",
		                          "half"));
		tree_put(o, "rope", m);
	}
	if (a) {
		m = json_copy(t->a, a);
		tree_put(m, "slopes", slopes(t, a, d->nh));
		tree_put(o, "alibi", m);
	}
	if (json_get(spec, "relbias")) {
		if (!(m = tree_relbias(t, json_get(spec, "relbias"), d->nh)))
			return false;
		tree_put(o, "relbias", m);
	}
	if (json_get(spec, "disentangled")) {
		if (!(m = tree_disentangled(t, json_get(spec, "disentangled"),
		                            d->nh, d->hd)))
			return false;
		tree_put(o, "disentangled", m);
	}
	if (json_get(spec, "diff")) {
		if (!(m = difference(t, json_get(spec, "diff"), d)))
			return false;
		tree_put(o, "diff", m);
	}
	tree_put(o, "temp", json_get(spec, "temp"));
	if (!json_get(spec, "sinks"))
		return true;
	if (!(w = tree_param(t, json_get(spec, "sinks"), "",
	                     (Shape){1, {d->nh}})))
		return false;
	json_put_str(o, "sinks", w);
	return true;
}

Json *
tree_attn(Tree *t, const Json *spec)
{
	static const char *const plain[] = {"scale", "cap",  "window",
	                                    "chunk", "clip", "ring"};
	Json *o = json_new(t->a);
	Dims d = {.hidden = t->hidden};

	if (!tree_let(t, "nh", &d.nh) || !tree_let(t, "kv", &d.kv) ||
	    !tree_let(t, "hd", &d.hd))
		return NULL;
	if (d.nh % d.kv)
		return fail(t->c, QE_INPUT,
		            "%lld heads cannot share %lld key heads",
		            (long long)d.nh, (long long)d.kv),
		       NULL;
	json_put_int(o, "heads", d.nh);
	json_put_int(o, "kv_heads", d.kv);
	json_put_int(o, "head_dim", d.hd);
	json_put_bool(o, "causal", json_get_bool(spec, "causal", true));
	for (size_t i = 0; i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(spec, plain[i]));
	return projections(t, spec, &d, o) && norms(t, spec, &d, o) &&
	                       biases(t, spec, &d, o)
	               ? o
	               : NULL;
}

/* ---- nodes ---- */

static bool
dims_of(Build *b, const Json *m, Dims *d)
{
	enum { LIMIT = 1 << 20 };

	d->nh = json_get_int(m, "heads", 0);
	d->kv = json_get_int(m, "kv_heads", 0);
	d->hd = json_get_int(m, "head_dim", 0);
	if ((json_get(m, "diff") && d->nh % 2) || d->nh < 1 || d->kv < 1 ||
	    d->hd < 1 || d->nh > LIMIT || d->hd > LIMIT || d->nh % d->kv)
		return fail(b->c, QE_INPUT,
		            "attention with %lld heads, %lld key heads of %lld",
		            (long long)d->nh, (long long)d->kv,
		            (long long)d->hd);
	return true;
}

static Value *
head_norm(Build *b, const Json *n, Value *x)
{
	const char *w = json_get_str(n, "heads_weight", NULL);

	x = norm(b, n, x);
	return w ? EMIT(b, "Mul", x, unsqueeze(b, param(b, w), 1)) : x;
}

/* What a projection goes through until it stands as [B,heads,S,hd]. */
static Value *
head_of(Build *b, const Json *m, const char *which, int64_t heads, int64_t hd,
        Value *x)
{
	const Json *n = json_get(m, arena_str(b->a, "%s_norm", which));
	const Json *clip = json_get(m, "clip");
	bool full = strcmp(json_get_str(n, "scope", ""), "full") == 0;
	bool late = json_get(n, "when") != NULL;

	x = linear(b, json_get(m, which), x);
	if (full)
		x = norm(b, n, x);
	if (clip)
		x = EMIT(b, "Clip", x, scalar(b, -json_num(clip, 0)),
		         scalar(b, json_num(clip, 0)));
	x = RESHAPE(b, x, 0, 0, heads, hd);
	x = TRANSPOSE(b, x, 0, 2, 1, 3);
	if (n && !full && !late)
		x = head_norm(b, n, x);
	if (*which != 'v' && json_get(m, "rope"))
		x = rotate(b, json_get(m, "rope"), x);
	return n && late ? head_norm(b, n, x) : x;
}

Value *
repeat_heads(Build *b, Value *x, int64_t kv, int64_t g, int64_t hd)
{
	if (g == 1)
		return x;
	x = unsqueeze(b, x, 2);
	x = EMIT(b, "Expand", x, INTS(b, 1, 1, g, 1, 1));
	return RESHAPE(b, x, 0, kv * g, -1, hd);
}

/* the slopes as [1,nh,1,1] float32 */
static Value *
slope_list(Build *b, const Json *a, bool bf16)
{
	const Json *list = json_get(a, "slopes");
	int64_t n = (int64_t)json_len(list);
	float *x = NEWV(b->a, float, n + 1);

	for (int64_t i = 0; i < n; i++) {
		x[i] = (float)json_num(json_at(list, (size_t)i), 0);
		if (bf16)
			x[i] = bf16_to_f32(f32_to_bf16(x[i]));
	}
	return floats(b, arena_str(b->a, "slopes_%d", b->layer),
	              &(Shape){4, {1, n, 1, 1}}, x);
}

/* slope * (key position - query position), [B,nh,S,L].  The reference of one
 * family rounds slope * key position to bfloat16: there the query's part,
 * which softmax does not see, is left out. */
static Value *
alibi(Build *b, const Json *a)
{
	bool bf16 = json_get_bool(a, "bf16", false);
	double mul = json_get_num(a, "mul", 1);
	Value *d = key_positions(b), *s = slope_list(b, a, bf16);

	if (!bf16)
		d = EMIT(b, "Sub", d, query_positions(b));
	if (json_get_bool(a, "symmetric", false))
		d = EMIT(b, "Neg", EMIT(b, "Abs", d));
	d = cast(b, d, bf16 ? DT_BF16 : DT_F32);
	if (bf16)
		d = cast(b, d, DT_F32);
	d = EMIT(b, "Mul", d, s);
	if (bf16)
		d = cast(b, cast(b, d, DT_BF16), DT_F32);
	if (mul != 1)
		d = EMIT(b, "Mul", d, scalar_f32(b, mul));
	return b->type == DT_F32 ? d : cast(b, d, b->type);
}

static Value *
cap(Build *b, Value *s, const Json *c)
{
	double x = json_num(c, 0);

	if (!c || x == 0)
		return s;
	s = EMIT(b, "Tanh", EMIT(b, "Div", s, scalar(b, x)));
	return EMIT(b, "Mul", s, scalar(b, x));
}

static Value *
mask(Build *b, const Json *m, Value *s)
{
	int64_t window = json_get_int(m, "window", 0),
		chunk = json_get_int(m, "chunk", 0);
	bool causal = json_get_bool(m, "causal", true);

	if (window < 0 || chunk < 0)
		return fail(b->c, QE_INPUT, "window %lld", (long long)window),
		       NULL;
	if (b->cross)
		return EMIT(b, "Where", mask_memory(b), least(b), s);
	if (b->encoder && !causal && !window)
		return EMIT(b, "Add", s, mask_padding(b));
	return EMIT(b, "Where",
	            cache_part(b, mask_keys(b, causal, window, chunk), -1),
	            least(b), s);
}

/* softmax over the keys and one more column, which then goes */
static Value *
sink_softmax(Build *b, const char *name, Value *s, int64_t nh)
{
	Value *sink = RESHAPE(b, param(b, name), 1, nh, 1, 1), *one;

	one = slice(b, s, -1, 0, 1);
	one = EMIT(b, "Expand", sink, EMIT(b, "Shape", one));
	s = softmax(b, concat(b, 2, (Value *[]){s, one}, -1), -1);
	return slice(b, s, -1, 0, -1);
}

Value *
attend_scores(Build *b, const Json *m, Value *q, Value *k)
{
	const Json *a = json_get(m, "alibi");
	bool before = json_get_bool(a, "before_scale", false);
	const Json *rel = json_get(m, "disentangled");
	bool after = json_get_bool(rel, "after_scale", false);
	Value *s = EMIT(b, "MatMul", q, TRANSPOSE(b, k, 0, 1, 3, 2));
	double scale = json_get_num(m, "scale", 1);

	if (rel && !after)
		s = EMIT(b, "Add", s, disentangled(b, m, q, k));
	if (a && before)
		s = EMIT(b, "Add", s, cache_part(b, alibi(b, a), -1));
	if (scale != 1)
		s = EMIT(b, "Mul", s, scalar(b, scale));
	if (rel && after)
		s = EMIT(b, "Add", s, disentangled(b, m, q, k));
	if (a && !before)
		s = EMIT(b, "Add", s, cache_part(b, alibi(b, a), -1));
	if (json_get(m, "relbias"))
		s = EMIT(b, "Add", s,
		         cache_part(b, relbias(b, json_get(m, "relbias")), -1));
	s = cap(b, s, json_get(m, "cap"));
	return mask(b, m, s);
}

/* q (1 + mul ln(floor((position + first) / floor) + 1)) */
static Value *
warm(Build *b, const Json *temp, Value *q)
{
	int64_t step = json_get_int(temp, "floor", 8192);
	int64_t first = json_get_int(temp, "first", 1);
	Value *p = query_positions(b);

	if (step < 1)
		return fail(b->c, QE_INPUT, "floor %lld", (long long)step),
		       NULL;
	if (first)
		p = EMIT(b, "Add", p, int_scalar(b, first));
	p = cast(b, EMIT(b, "Div", p, int_scalar(b, step)), DT_F32);
	p = EMIT(b, "Log", EMIT(b, "Add", p, scalar_f32(b, 1)));
	p = EMIT(b, "Mul", p, scalar_f32(b, json_get_num(temp, "mul", 0.1)));
	p = EMIT(b, "Add", p, scalar_f32(b, 1));
	return EMIT(b, "Mul", q, b->type == DT_F32 ? p : cast(b, p, b->type));
}

Value *
attend(Build *b, const Json *m, Value *q, Value *k, Value *v)
{
	const char *sinks = json_get_str(m, "sinks", NULL);
	Value *p = attend_scores(b, m, q, k);

	if (sinks)
		p = sink_softmax(b, sinks, p, json_get_int(m, "heads", 1));
	else
		p = softmax(b, p, -1);
	return EMIT(b, "MatMul", p, v);
}

/* Keys and values for each query head, of those that are kept. */
static void
spread(Build *b, const void *arg, Value **k, Value **v)
{
	const Dims *d = arg;

	*k = repeat_heads(b, *k, d->kv, d->nh / d->kv, d->hd);
	*v = repeat_heads(b, *v, d->kv, d->nh / d->kv, d->hd);
}

/* [B,nh,S,hd] -> [B,S,nh hd] */
static Value *
join_heads(Build *b, Value *x, int64_t width)
{
	return RESHAPE(b, TRANSPOSE(b, x, 0, 2, 1, 3), 0, 0, width);
}

/* ---- differential attention: the second half of the heads is taken off the
 * first, and both see the values of both ---- */

/* [B,nh,L,hd] -> [B,nh,L,2 hd]: heads i and i + nh/2 side by side, twice */
static Value *
pair_values(Build *b, Value *v, const Dims *d)
{
	Value *lo = slice(b, v, 1, 0, d->nh / 2),
	      *hi = slice(b, v, 1, d->nh / 2, d->nh);

	v = concat(b, 2, (Value *[]){lo, hi}, -1);
	return concat(b, 2, (Value *[]){v, v}, 1);
}

/* exp(q . k) of two vectors, [] float32 */
static Value *
lambda(Build *b, const Json *m, const char *q, const char *k)
{
	Value *x = param(b, json_get_str(m, q, "")),
	      *y = param(b, json_get_str(m, k, ""));

	x = EMIT(b, "Mul", x, y);
	if (b->type != DT_F32)
		x = cast(b, x, DT_F32);
	return EMIT(b, "Exp", reduce(b, "ReduceSum", x, 0, false));
}

/* x [B,S,nh,2 hd] -> [B,S,nh hd] */
static Value *
differ(Build *b, const Json *m, Value *x, const Dims *d)
{
	const Json *diff = json_get(m, "diff");
	double init = json_get_num(diff, "init", 0);
	Value *l = lambda(b, diff, "q1", "k1"), *hi;

	l = EMIT(b, "Sub", l, lambda(b, diff, "q2", "k2"));
	l = EMIT(b, "Add", l, scalar_f32(b, init));
	if (b->type != DT_F32)
		l = cast(b, l, b->type);
	hi = EMIT(b, "Mul", slice(b, x, 2, d->nh / 2, d->nh), l);
	x = EMIT(b, "Sub", slice(b, x, 2, 0, d->nh / 2), hi);
	x = norm(b, json_get(diff, "norm"), x);
	x = EMIT(b, "Mul", x, scalar(b, 1 - init));
	return RESHAPE(b, x, 0, 0, d->nh * d->hd);
}

static void
keep_as(Build *b, const Json *m)
{
	static const char *const names[] = {[KEEPS_ALL] = "all",
	                                    [KEEPS_RING] = "ring",
	                                    [KEEPS_NEAR] = "near"};
	const char *name = json_get_str(m, "keeps", "all");

	b->window = json_get_int(m, "window", 0);
	for (size_t i = 0; i < LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			b->keeps = (enum Keeps)i;
}

/* k and v into the cache, and what is read of it in their place. */
static bool
kept(Build *b, const Dims *d, Value **k, Value **v)
{
	Value *now[2] = {*k, *v};

	if (!b->cached)
		return true;
	if (b->fresh)
		return cache_write(b, d->kv, d->hd, d->hd, &now[0], &now[1]);
	return cache_update(b, d->kv, d->hd, d->hd, k, v);
}

/* [B,S,nh hd] of q, k and v of this call, [B,heads,S,hd] */
static Value *
remember(Build *b, const Json *m, const Dims *d, Value *q, Value *k, Value *v)
{
	Value *y;

	if (b->cached && json_has(m, "kv_blocks")) {
		if (!cache_write(b, d->kv, d->hd, d->hd, &k, &v))
			return NULL;
		y = attend_blocks(b, m, d->kv, q, k, v, spread, d);
		return join_heads(b, y, d->nh * d->hd);
	}
	if (!kept(b, d, &k, &v))
		return NULL;
	spread(b, d, &k, &v);
	if (json_get(m, "diff")) {
		y = attend(b, m, q, k, pair_values(b, v, d));
		return differ(b, m, TRANSPOSE(b, y, 0, 2, 1, 3), d);
	}
	return join_heads(b, attend(b, m, q, k, v), d->nh * d->hd);
}

Value *
lower_attn(Build *b, const Json *m, Value *x)
{
	Value *q, *k, *v, *y;
	Dims d;

	if (!dims_of(b, m, &d))
		return NULL;
	q = head_of(b, m, "q", d.nh, d.hd, x);
	if (json_get(m, "temp"))
		q = warm(b, json_get(m, "temp"), q);
	k = head_of(b, m, "k", d.kv, d.hd, b->cross ? b->memory : x);
	v = head_of(b, m, "v", d.kv, d.hd, b->cross ? b->memory : x);
	keep_as(b, m);
	y = remember(b, m, &d, q, k, v);
	b->keeps = KEEPS_ALL;
	y = norm(b, json_get(m, "o_norm"), y);
	if (json_get(m, "gate"))
		y = EMIT(b, "Mul", y,
		         EMIT(b, "Sigmoid", linear(b, json_get(m, "gate"), x)));
	return linear(b, json_get(m, "o"), y);
}

/* ---- over what an encoder made ---- */

Json *
tree_cross(Tree *t, const Json *spec)
{
	static const char *const own[] = {"rope",   "alibi",        "relbias",
	                                  "window", "chunk",        "temp",
	                                  "diff",   "disentangled", "q_gate"};

	for (size_t i = 0; i < LEN(own); i++)
		if (json_get(spec, own[i]))
			return fail(t->c, QE_INPUT,
			            "'%s' over another text is not known",
			            own[i]),
			       NULL;
	return tree_attn(t, spec);
}

Value *
lower_cross(Build *b, const Json *m, Value *x)
{
	if (!b->memory)
		return fail(b->c, QE_INPUT, "there is no encoder to read"),
		       NULL;
	b->cross = true;
	x = lower_attn(b, m, x);
	b->cross = false;
	return x;
}
