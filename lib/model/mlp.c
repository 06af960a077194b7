/* SPDX-License-Identifier: BSD-3-Clause
 * mlp.c - feed-forward: down(act(up x)), or down(act(gate x) * up x). */

#include "build.h"

static bool
is_gated(const Json *spec)
{
	return strcmp(json_get_str(spec, "kind", "plain"), "gated") == 0;
}

/* gate and up in one tensor: two halves of the rows */
static bool
halves(Tree *t, const Json *spec, int64_t inner, bool bias, Json *o)
{
	const char *order = json_get_str(spec, "order", "halves");
	bool up_first = strcmp(order, "halves_up_first") == 0;
	Json *w;

	if (!up_first && strcmp(order, "halves") != 0)
		return fail(t->c, QE_INPUT, "order '%s' is not known", order);
	if (!(w = tree_linear(t, json_get(spec, "gate_up"), 2 * inner,
	                      t->hidden, bias)))
		return false;
	tree_put(o, up_first ? "up" : "gate",
	         tree_rows(t, w, up_first ? "up" : "gate", 0, inner));
	tree_put(o, up_first ? "gate" : "up",
	         tree_rows(t, w, up_first ? "gate" : "up", inner, 2 * inner));
	return true;
}

static bool
inputs(Tree *t, const Json *spec, int64_t inner, Json *o)
{
	static const char *const parts[] = {"gate", "up"};
	bool bias = json_get_bool(spec, "bias", false);
	Json *w;

	if (json_get(spec, "gate_up"))
		return halves(t, spec, inner, bias, o);
	for (int i = !is_gated(spec); i < 2; i++) {
		if (!(w = tree_linear(t, json_get(spec, parts[i]), inner,
		                      t->hidden, bias)))
			return false;
		tree_put(o, parts[i], w);
	}
	return true;
}

/* Numbers that an activation learned, each a tensor of one element. */
static bool
act_params(Tree *t, const Json *spec, Json *o)
{
	const Json *module = json_get(spec, "act_fn");
	Json *params = json_new(t->a);
	const char *w;

	if (!module)
		return true;
	for (int i = 0; i < nxielu; i++) {
		w = tree_param(t, module,
		               arena_str(t->a, ".%s", xielu_params[i].name),
		               (Shape){xielu_params[i].rank, {1}});
		if (!w)
			return note(t->c, "activation");
		json_put_str(params, xielu_params[i].name, w);
	}
	tree_put(o, "act_params", params);
	return true;
}

Json *
tree_mlp(Tree *t, const Json *spec)
{
	int64_t inner = json_get_int(spec, "inner", 0);
	bool bias = json_get_bool(spec, "bias", false);
	Json *o = json_new(t->a), *w;

	if (!json_get(spec, "inner") && !tree_let(t, "I", &inner))
		return NULL;
	if (inner < 1)
		return fail(t->c, QE_INPUT, "inner width %lld",
		            (long long)inner),
		       NULL;
	json_put_str(o, "act", json_get_str(spec, "act", "silu"));
	if (!act_params(t, spec, o) || !inputs(t, spec, inner, o) ||
	    !(w = tree_linear(t, json_get(spec, "down"), t->hidden, inner,
	                      json_get_bool(spec, "down_bias", bias))))
		return NULL;
	tree_put(o, "down", w);
	if (json_get(spec, "norm") &&
	    !(w = tree_norm(t, json_get(spec, "norm"), NULL, inner)))
		return NULL;
	if (json_get(spec, "norm"))
		tree_put(o, "norm", w);
	if (!json_get(spec, "sigmoid_gate"))
		return o;
	if (!(w = tree_linear(t, json_get(spec, "sigmoid_gate"), 1, t->hidden,
	                      false)))
		return NULL;
	tree_put(o, "sigmoid_gate", w);
	return o;
}

/* clipped: min(g, limit) sigmoid(alpha g) (clip(up, limit) + 1) */
static Value *
swiglu_clip(Build *b, const Json *m, Value *g, Value *up)
{
	double limit = json_get_num(m, "limit", 7),
	       alpha = json_get_num(m, "alpha", 1.702);
	Value *s;

	g = EMIT(b, "Min", g, scalar(b, limit));
	up = EMIT(b, "Min", up, scalar(b, limit));
	up = EMIT(b, "Max", up, scalar(b, -limit));
	s = EMIT(b, "Sigmoid", EMIT(b, "Mul", g, scalar(b, alpha)));
	g = EMIT(b, "Mul", g, s);
	return EMIT(b, "Mul", EMIT(b, "Add", up, scalar(b, 1)), g);
}

static Value *
activate(Build *b, const Json *m, Value *x)
{
	const Json *params = json_get(m, "act_params");

	return params ? xielu(b, params, x)
	              : activation(b, json_get_str(m, "act", ""), x);
}

Value *
gated(Build *b, const Json *m, Value *g, Value *up)
{
	const char *act = json_get_str(m, "act", "");

	if (strcmp(act, "swiglu_clip") == 0)
		return swiglu_clip(b, m, g, up);
	return EMIT(b, "Mul", activate(b, m, g), up);
}

/* a sigmoid of one more projection scales the whole, as in shared experts */
static Value *
gate_whole(Build *b, const Json *m, Value *x, Value *y)
{
	const Json *gate = json_get(m, "sigmoid_gate");

	if (!gate)
		return y;
	return EMIT(b, "Mul", y, EMIT(b, "Sigmoid", linear(b, gate, x)));
}

Value *
lower_mlp(Build *b, const Json *m, Value *x)
{
	const Json *gate = json_get(m, "gate");
	Value *y, *g;

	if (gate) {
		g = linear(b, gate, x);
		y = gated(b, m, g, linear(b, json_get(m, "up"), x));
	} else {
		y = linear(b, json_get(m, "up"), x);
		y = activate(b, m, y);
	}
	y = norm(b, json_get(m, "norm"), y);
	return gate_whole(b, m, x, linear(b, json_get(m, "down"), y));
}
