/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_layernorm.c - LayerNormalization of what exporters write for it.
 *
 *     d = x - ReduceMean(x);  d / Sqrt(ReduceMean(d^2) + eps) * w [+ b]
 *
 * over the last axis, w and b of rank 1.  Since opset 17. */

#include "pass.h"

enum { SINCE = 17 };

static bool
is_vector(const Value *v)
{
	return v->shape.rank == 1;
}

/* x of d = x - ReduceMean(x), or NULL */
static Value *
centred(const Value *d)
{
	const Node *sub = match_op(d, "Sub"), *mean;

	if (!sub)
		return NULL;
	mean = match_op(sub->in[1], "ReduceMean");
	return mean && match_last_axis(mean) && mean->in[0] == sub->in[0]
	               ? sub->in[0]
	               : NULL;
}

/* x of the quotient above, or NULL */
static Value *
normal(const Value *q, double *eps)
{
	const Node *div = match_inner(q, "Div"), *root;
	Value *x;

	if (!div || !(x = centred(div->in[0])))
		return NULL;
	root = match_inner(div->in[1], "Sqrt");
	return root && match_mean_square(root->in[0], div->in[0], eps) ? x
	                                                               : NULL;
}

static void
scale(Edit *e, Node *n)
{
	for (int i = 0; i < 2; i++) {
		double eps;
		Value *x = normal(n->in[i], &eps), *w = n->in[1 - i];

		if (!x || !is_vector(w))
			continue;
		edit_become(e, n, "", "LayerNormalization", 2,
		            (Value *[]){x, w});
		attr_set_int(n->graph, n, "axis", -1);
		attr_set_float(n->graph, n, "epsilon", eps);
		return;
	}
}

/* A norm without bias just made, and the bias. */
static void
shift(Edit *e, Node *n)
{
	for (int i = 0; i < 2; i++) {
		Node *m = match_inner(n->in[i], "LayerNormalization");
		Value *b = n->in[1 - i];
		double eps;

		if (!m || m->nin != 2 || !is_vector(b) ||
		    attr_int(m, "axis", -1) != -1)
			continue;
		eps = attr_float(m, "epsilon", 1e-5);
		edit_become(e, n, "", "LayerNormalization", 3,
		            (Value *[]){m->in[0], m->in[1], b});
		attr_set_int(n->graph, n, "axis", -1);
		attr_set_float(n->graph, n, "epsilon", eps);
		return;
	}
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	(void)c;
	if (node_is(n, "Mul"))
		scale(e, n);
	else if (node_is(n, "Add"))
		shift(e, n);
	return true;
}

bool
pass_fuse_layernorm(Ctx *c, Edit *e)
{
	if (graph_opset(e->g, "") < SINCE) {
		say(c, 1, "fuse-layernorm: needs opset %d", SINCE);
		return true;
	}
	return edit_each(c, e, visit);
}
