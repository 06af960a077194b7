/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_gelu.c - Gelu of what exporters write for it.
 *
 *     x * 0.5 * (1 + Erf(x / sqrt 2))
 *     x * 0.5 * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
 *
 * in whatever order it is multiplied.  Since opset 20. */

#include <math.h>

#include "pass.h"

enum { SINCE = 20 };

/* 1 + f(inner); inner or NULL */
static Value *
one_plus(const Value *v, const char *f)
{
	const Node *add = match_inner(v, "Add"), *n;

	for (int i = 0; add && i < 2; i++)
		if (match_is(add->in[i], 1) &&
		    (n = match_inner(add->in[1 - i], f)))
			return n->in[0];
	return NULL;
}

/* x / sqrt 2 */
static bool
is_erf_of(const Value *v, const Value *x)
{
	const Node *n = match_inner(v, "Div");
	Factors f;

	if (n)
		return n->in[0] == x && match_is(n->in[1], sqrt(2));
	return match_product(v, &f) && f.n == 2 && match_take(&f, x) &&
	       match_take_number(&f, sqrt(0.5));
}

/* 0.044715 * x^3, or, `less` one factor x, 0.044715 * x^2 */
static bool
is_cubic(const Value *v, const Value *x, int less)
{
	Factors f;
	int power = 3 - less;

	if (!match_product(v, &f) || !match_take_number(&f, 0.044715))
		return false;
	while (power && match_take(&f, x))
		power--;
	if (power == 0)
		return f.n == 0;
	return power == 3 - less && f.n == 1 && match_inner(f.v[0], "Pow") &&
	       f.v[0]->from->in[0] == x && match_is(f.v[0]->from->in[1], power);
}

/* x + cubic, or x * (1 + quadratic), times sqrt(2 / pi) */
static bool
is_tanh_of(const Value *v, const Value *x)
{
	const Node *add = NULL;
	Factors f;
	bool split;

	if (!match_product(v, &f) || !match_take_number(&f, 0.7978845608028654))
		return false;
	split = match_take(&f, x);
	if (f.n != 1 || !(add = match_inner(f.v[0], "Add")))
		return false;
	for (int i = 0; i < 2; i++)
		if ((split ? match_is(add->in[i], 1) : add->in[i] == x) &&
		    is_cubic(add->in[1 - i], x, split))
			return true;
	return false;
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	Factors f;

	(void)c;
	if (!node_is(n, "Mul") || !match_product(n->out[0], &f) || f.n != 3 ||
	    !match_take_number(&f, 0.5))
		return true;
	for (int i = 0; i < 2; i++) {
		Value *x = f.v[i], *erf = one_plus(f.v[1 - i], "Erf");
		Value *tanh = one_plus(f.v[1 - i], "Tanh");

		if (!(erf && is_erf_of(erf, x)) &&
		    !(tanh && is_tanh_of(tanh, x)))
			continue;
		edit_become(e, n, "", "Gelu", 1, &x);
		if (tanh)
			attr_set_str(n->graph, n, "approximate", "tanh");
		return true;
	}
	return true;
}

bool
pass_fuse_gelu(Ctx *c, Edit *e)
{
	if (graph_opset(e->g, "") < SINCE) {
		say(c, 1, "fuse-gelu: needs opset %d", SINCE);
		return true;
	}
	return edit_each(c, e, visit);
}
