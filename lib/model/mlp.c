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
	if (!inputs(t, spec, inner, o) ||
	    !(w = tree_linear(t, json_get(spec, "down"), t->hidden, inner,
	                      json_get_bool(spec, "down_bias", bias))))
		return NULL;
	tree_put(o, "down", w);
	return o;
}

Value *
lower_mlp(Build *b, const Json *m, Value *x)
{
	const char *act = json_get_str(m, "act", "");
	const Json *gate = json_get(m, "gate");
	Value *up, *g;

	if (!gate)
		return linear(b, json_get(m, "down"),
		              activation(b, act,
		                         linear(b, json_get(m, "up"), x)));
	g = activation(b, act, linear(b, gate, x));
	up = linear(b, json_get(m, "up"), x);
	return linear(b, json_get(m, "down"), EMIT(b, "Mul", g, up));
}
