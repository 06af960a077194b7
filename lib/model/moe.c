/* SPDX-License-Identifier: BSD-3-Clause
 * moe.c - a router and its experts.
 *
 * router: logits -> score -> choice = score (+ bias) -> only the best groups
 *   -> top k of choice -> weights: score there -> post -> renorm -> mul
 * experts: weights stacked [E,out,in]; a token meets those chosen for it and
 *   no others, in the local function ExpertMatMul.
 *
 *   x [T,1,H] -> ExpertMatMul with [E,H,I] -> [T,k,I] -> act -> ExpertMatMul
 *   with [E,I,H] -> [T,k,H] -> Mul [T,k,1] -> ReduceSum over k */

#include "build.h"

enum { MAXEXPERT = 4096 };

/* ---- tree ---- */

typedef struct Experts {
	const Json *spec;
	int64_t n, inner;
	bool in_out; /* [E,in,out] */
} Experts;

/* "mlp.experts.{e}.w1" for expert e */
static Json *
expert_name(Tree *t, const Json *name, int64_t e)
{
	const char *s = json_str(name, ""), *at = strstr(s, "{e}");

	if (!at)
		return json_own(t->a, json_object_new_string(s));
	s = arena_str(t->a, "%.*s%lld%s", (int)(at - s), s, (long long)e,
	              at + 3);
	return json_own(t->a, json_object_new_string(s));
}

/* "mlp.experts.{e}.down_proj" for all experts at once */
static const Json *
without_number(Tree *t, const Json *name)
{
	const char *s = json_str(name, ""), *at = strstr(s, "{e}.");

	if (!at)
		return name;
	s = arena_str(t->a, "%.*s%s", (int)(at - s), s, at + 4);
	return json_own(t->a, json_object_new_string(s));
}

/* The name of a stacked tensor: that of expert 0 without its number. */
static char *
stack_name(Tree *t, const char *first)
{
	const char *at = strstr(first, ".0.");
	const char *next;

	while (at && (next = strstr(at + 1, ".0.")))
		at = next;
	if (!at)
		return arena_str(t->a, "%s.stack", first);
	return arena_str(t->a, "%.*s%s", (int)(at - first), first, at + 2);
}

static const char *
stack(Tree *t, const Experts *x, const char *part, int64_t out, int64_t in)
{
	const Json *name = json_get(x->spec, part);
	Json *from = json_new_array(t->a);
	const char *first = NULL;

	for (int64_t e = 0; e < x->n; e++) {
		const char *w = tree_param(t, expert_name(t, name, e),
		                           ".weight", (Shape){2, {out, in}});

		if (!w)
			return NULL;
		first = first ? first : w;
		json_push(from, json_object_new_string(w));
	}
	return tree_derive(t, stack_name(t, first), from, json_new_array(t->a),
	                   (Shape){3, {x->n, out, in}});
}

/* A part of the fused gate and up: half of the last axis (or rows), or every
 * other one. */
static const char *
half(Tree *t, const Experts *x, const char *whole, const char *part, int which)
{
	const char *order = json_get_str(x->spec, "order", "halves");
	Shape s = tree_shape(tree_tensor(t, whole));
	int axis = s.rank == 2 || !x->in_out ? 1 : 2;
	Json *steps = json_new_array(t->a), *from = json_new_array(t->a);
	int64_t n = x->inner, dims[MAXRANK];

	json_push(from, json_object_new_string(whole));
	s.dim[axis] = n;
	if (strcmp(order, "interleaved") == 0) {
		memcpy(dims, s.dim, sizeof dims);
		dims[s.rank] = 2;
		json_push(steps, json_share(tree_step(t, "reshape", s.rank + 1,
		                                      dims)));
		json_push(steps, json_share(tree_step(t, "slice", 3,
		                                      (int64_t[]){s.rank, which,
		                                                  which + 1})));
		json_push(steps,
		          json_share(tree_step(t, "reshape", s.rank, s.dim)));
	} else {
		json_push(steps,
		          json_share(tree_step(t, "slice", 3,
		                               (int64_t[]){axis, which * n,
		                                           (which + 1) * n})));
	}
	return tree_derive(t, arena_str(t->a, "%s.%s", whole, part), from,
	                   steps, s);
}

static bool
fused(Tree *t, const Experts *x, Json *o)
{
	static const char *const parts[] = {"gate", "up"};
	int64_t n = x->inner, h = t->hidden;
	Shape both = x->in_out ? (Shape){3, {x->n, h, 2 * n}}
	                       : (Shape){3, {x->n, 2 * n, h}};
	Shape back =
		x->in_out ? (Shape){3, {x->n, n, h}} : (Shape){3, {x->n, h, n}};
	const char *suffix =
		tree_has(t, json_get(x->spec, "gate_up"), ".weight") ? ".weight"
								     : "";
	const Json *own = json_get(x->spec, "fused_down");
	const Json *down_name =
		own ? own : without_number(t, json_get(x->spec, "down"));
	const char *w = tree_param(t, json_get(x->spec, "gate_up"), suffix,
	                           both),
		   *down = tree_param(t, down_name, suffix, back);

	if (!w || !down)
		return false;
	for (int i = 0; i < 2; i++)
		json_put_str(o, parts[i], half(t, x, w, parts[i], i));
	json_put_str(o, "down", down);
	if (x->in_out)
		json_put_bool(o, "in_out", true);
	return true;
}

static bool
biases(Tree *t, const Experts *x, Json *o)
{
	static const char *const parts[] = {"gate_bias", "up_bias"};
	const Json *b = json_get(x->spec, "bias"),
		   *d = json_get(x->spec, "down_bias");
	const char *w;

	if (b) {
		if (!(w = tree_param(t, b, "",
		                     (Shape){2, {x->n, 2 * x->inner}})))
			return false;
		for (int i = 0; i < 2; i++)
			json_put_str(o, parts[i], half(t, x, w, parts[i], i));
	}
	if (d) {
		if (!(w = tree_param(t, d, "", (Shape){2, {x->n, t->hidden}})))
			return false;
		json_put_str(o, "down_bias", w);
	}
	return true;
}

/* The layout whose tensors the checkpoint has, of those that may be. */
static const char *
layout_of(Tree *t, const Experts *x)
{
	const Json *l = json_get(x->spec, "layout");
	const char *one = json_str(l, NULL);

	for (size_t i = 0; !one && i < json_len(l); i++) {
		const char *s = json_str(json_at(l, i), "");
		bool list = strcmp(s, "list") == 0;
		const Json *name = json_get(x->spec, list ? "up" : "gate_up");

		if (tree_has(t, expert_name(t, name, 0), list ? ".weight" : ""))
			one = s;
	}
	return one ? one : "list";
}

static Json *
experts(Tree *t, Experts *x)
{
	static const char *const parts[] = {"gate", "up", "down"};
	const char *layout = layout_of(t, x), *w;
	Json *o = json_new(t->a);

	x->in_out = strcmp(layout, "fused_EIO") == 0;
	for (int i = 0; i < 3 && strcmp(layout, "list") == 0; i++) {
		if (!(w = i < 2 ? stack(t, x, parts[i], x->inner, t->hidden)
		                : stack(t, x, parts[i], t->hidden, x->inner)))
			return NULL;
		json_put_str(o, parts[i], w);
	}
	if (!json_get(o, "up") && !fused(t, x, o))
		return NULL;
	json_put_str(o, "act", json_get_str(x->spec, "act", "silu"));
	tree_put(o, "alpha", json_get(x->spec, "alpha"));
	tree_put(o, "limit", json_get(x->spec, "limit"));
	return biases(t, x, o) ? o : NULL;
}

static Json *
router(Tree *t, const Json *spec, int64_t n)
{
	static const char *const plain[] = {"score",       "groups",
	                                    "keep_groups", "group_score",
	                                    "group_fill",  "post",
	                                    "renorm",      "eps",
	                                    "mul",         "apply"};
	static const char *const params[] = {"choice_bias", "per_expert_mul"};
	Json *o = tree_linear(t, json_get(spec, "w"), n, t->hidden,
	                      json_get_bool(spec, "bias", false));
	const char *w;

	if (!o)
		return NULL;
	for (size_t i = 0; i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(spec, plain[i]));
	for (size_t i = 0; i < LEN(params); i++)
		if (json_get(spec, params[i])) {
			const Json *name = json_get(spec, params[i]);

			w = !i && json_get_bool(spec, "choice_row", false)
			            ? tree_row(t, name, n)
			            : tree_param(t, name, "", (Shape){1, {n}});
			if (!w)
				return NULL;
			json_put_str(o, params[i], w);
		}
	return o;
}

Json *
tree_moe(Tree *t, const Json *spec)
{
	Experts x = {.spec = json_get(spec, "experts"),
	             .n = json_get_int(spec, "n", 0)};
	int64_t k = json_get_int(spec, "k", 0);
	Json *o = json_new(t->a), *part;

	x.inner = json_get_int(x.spec, "inner", 0);
	if (x.n < 1 || x.n > MAXEXPERT || k < 1 || k > x.n || x.inner < 1)
		return fail(t->c, QE_INPUT,
		            "%lld experts of width %lld, %lld at a time",
		            (long long)x.n, (long long)x.inner, (long long)k),
		       NULL;
	json_put_int(o, "n", x.n);
	json_put_int(o, "k", k);
	if (!(part = router(t, json_get(spec, "router"), x.n)))
		return note(t->c, "router"), NULL;
	tree_put(o, "router", part);
	if (!(part = experts(t, &x)))
		return note(t->c, "experts"), NULL;
	tree_put(o, "experts", part);
	if (json_get(spec, "shared")) {
		if (!(part = tree_mlp(t, json_get(spec, "shared"))))
			return note(t->c, "shared"), NULL;
		tree_put(o, "shared", part);
	}
	return o;
}

/* ---- nodes: the router, float32 throughout ---- */

static Value *
top(Build *b, Value *x, int64_t k, Value **index)
{
	Value *in[] = {x, INTS(b, k)}, *out[2];

	if (!x)
		return *index = NULL;
	out[0] = value_new(b->g, arena_str(b->a, "layers.%d/TopK", b->layer),
	                   DT_NONE, NULL);
	out[1] = value_new(b->g, arena_str(b->a, "layers.%d/TopK_at", b->layer),
	                   DT_NONE, NULL);
	node_new(b->g, "", "TopK", 2, in, 2, out)->name = out[0]->name;
	*index = out[1];
	return out[0];
}

static Value *
scored(Build *b, const char *how, Value *x)
{
	if (strcmp(how, "none") == 0)
		return x;
	if (strcmp(how, "softmax") == 0)
		return EMIT_INT(b, "Softmax", "axis", -1, x);
	if (strcmp(how, "sigmoid") == 0)
		return EMIT(b, "Sigmoid", x);
	return fail(b->c, QE_INPUT, "score '%s' is not known", how), NULL;
}

static Value *
param_f32(Build *b, const char *name)
{
	Value *v = weight(b, name);

	return v && v->type != DT_F32 ? cast(b, v, DT_F32) : v;
}

/* zeros like x [T,n] with `what` at index [T,k] */
static Value *
scatter(Build *b, Value *x, Value *index, Value *what)
{
	Value *zero = EMIT(b, "Expand", scalar_f32(b, 0), EMIT(b, "Shape", x));

	return EMIT_INT(b, "ScatterElements", "axis", 1, zero, index, what);
}

/* What is not in one of the best groups becomes group_fill. */
static Value *
best_groups(Build *b, const Json *r, int64_t n, Value *choice)
{
	int64_t groups = json_get_int(r, "groups", 1),
		keep = json_get_int(r, "keep_groups", 1);
	bool max = strcmp(json_get_str(r, "group_score", "top2"), "max") == 0;
	Value *by_group, *value, *at, *on;

	if (groups == 1)
		return choice;
	if (groups < 1 || n % groups || keep < 1 || keep > groups)
		return fail(b->c, QE_INPUT, "%lld of %lld groups of %lld",
		            (long long)keep, (long long)groups, (long long)n),
		       NULL;
	by_group = RESHAPE(b, choice, -1, groups, n / groups);
	if (max)
		value = reduce(b, "ReduceMax", by_group, -1, false);
	else
		value = reduce(b, "ReduceSum", top(b, by_group, 2, &at), -1,
		               false);
	on = top(b, value, keep, &at);
	on = EMIT(b, "Expand", scalar_f32(b, 1), EMIT(b, "Shape", on));
	on = scatter(b, value, at, on);
	on = unsqueeze(b, EMIT(b, "Greater", on, scalar_f32(b, 0)), 2);
	value = EMIT(b, "Where", on, by_group,
	             scalar_f32(b, json_get_num(r, "group_fill", 0)));
	return RESHAPE(b, value, -1, n);
}

static Value *
weigh(Build *b, const Json *r, Value *w)
{
	w = scored(b, json_get_str(r, "post", "none"), w);
	if (json_get_bool(r, "renorm", false)) {
		Value *sum = reduce(b, "ReduceSum", w, -1, true);

		if (json_get(r, "eps"))
			sum = EMIT(b, "Add", sum,
			           scalar_f32(b, json_get_num(r, "eps", 0)));
		w = EMIT(b, "Div", w, sum);
	}
	if (json_get_num(r, "mul", 1) != 1)
		w = EMIT(b, "Mul", w, scalar_f32(b, json_get_num(r, "mul", 1)));
	return w;
}

/* The experts of every token and their weights, [T,k]. */
static Value *
route(Build *b, const Json *m, Value *x, Value **at)
{
	const Json *r = json_get(m, "router");
	const char *bias = json_get_str(r, "choice_bias", NULL),
		   *mul = json_get_str(r, "per_expert_mul", NULL);
	int64_t n = json_get_int(m, "n", 0), k = json_get_int(m, "k", 0);
	Value *logits = linear(b, r, x), *score, *choice, *w;

	if (b->type != DT_F32)
		logits = cast(b, logits, DT_F32);
	score = scored(b, json_get_str(r, "score", "none"), logits);
	choice = bias ? EMIT(b, "Add", score, param_f32(b, bias)) : score;
	choice = best_groups(b, r, n, choice);
	w = top(b, choice, k, at);
	if (choice != score)
		w = EMIT_INT(b, "GatherElements", "axis", 1, score, *at);
	w = weigh(b, r, w);
	if (mul)
		w = EMIT(b, "Mul", w,
		         EMIT_INT(b, "Gather", "axis", 0, param_f32(b, mul),
		                  *at));
	return b->type == DT_F32 ? w : cast(b, w, b->type);
}

/* ---- nodes: the experts ---- */

/* [T,k or 1,in] by the chosen of stacked weights: [T,k,out] */
static Value *
each(Build *b, const Json *e, const char *part, Value *x, Value *at)
{
	const char *bias =
		json_get_str(e, arena_str(b->a, "%s_bias", part), NULL);
	Value *w = param(b, json_get_str(e, part, ""));

	if (!json_get_bool(e, "in_out", false))
		w = TRANSPOSE(b, w, 0, 2, 1);
	x = call_experts(b, x, w, at);
	if (!bias)
		return x;
	return EMIT(b, "Add", x,
	            EMIT_INT(b, "Gather", "axis", 0, param(b, bias), at));
}

Value *
lower_moe(Build *b, const Json *m, Value *x)
{
	const Json *e = json_get(m, "experts"), *shared = json_get(m, "shared");
	bool input = strcmp(json_get_str(json_get(m, "router"), "apply", ""),
	                    "input") == 0;
	Value *flat = RESHAPE(b, x, -1, json_get_int(b->root, "hidden", -1)),
	      *at = NULL, *w = unsqueeze(b, route(b, m, flat, &at), 2), *y, *up;

	y = unsqueeze(b, flat, 1);
	if (input)
		y = EMIT(b, "Mul", y, w);
	up = each(b, e, "up", y, at);
	y = gated(b, e, each(b, e, "gate", y, at), up);
	y = each(b, e, "down", y, at);
	if (!input)
		y = EMIT(b, "Mul", y, w);
	y = reduce(b, "ReduceSum", y, 1, false);
	y = EMIT(b, "Reshape", y, EMIT(b, "Shape", x));
	if (!shared)
		return y;
	return EMIT(b, "Add", y, lower_mlp(b, shared, x));
}
