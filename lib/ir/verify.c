/* SPDX-License-Identifier: BSD-3-Clause
 * verify.c - what must hold between any two passes.
 *
 * Marks: 1 for a value that may be used from here on. */

#include "ir.h"

static bool
check_arity(Ctx *c, const Node *n)
{
	const Op *o = n->op;

	if (!o)
		return true;
	if (n->nin < o->minin || (o->maxin >= 0 && n->nin > o->maxin))
		return fail(c, QE_INPUT, "%d inputs, takes %d to %d", n->nin,
		            o->minin, o->maxin);
	for (int i = 0; i < o->minin && o->maxin >= 0; i++)
		if (!n->in[i])
			return fail(c, QE_INPUT, "input %d is left out", i);
	return true;
}

static bool verify(Ctx *c, const Graph *g);

static bool
check_subgraphs(Ctx *c, const Node *n)
{
	for (int i = 0; i < n->nattr; i++) {
		const Attr *a = &n->attr[i];

		if (a->type == ATTR_GRAPH && !verify(c, a->g))
			return note(c, "attribute '%s'", a->name);
		for (int k = 0; a->type == ATTR_GRAPHS && k < a->n; k++)
			if (!verify(c, a->graphs[k]))
				return note(c, "attribute '%s'", a->name);
	}
	return true;
}

static bool
check_node(Ctx *c, const Graph *g, const Node *n)
{
	for (int i = 0; i < n->nin; i++) {
		const Value *v = n->in[i];

		if (v && !v->mark && !value_is_const(v))
			return fail(c, QE_INPUT,
			            "input '%s' is not made before it",
			            v->name);
	}
	if (!check_arity(c, n) || !check_subgraphs(c, n))
		return false;
	for (int i = 0; i < n->nout; i++) {
		Value *v = n->out[i];

		if (!v)
			continue;
		if (v->mark || value_is_const(v))
			return fail(c, QE_INPUT, "value '%s' is made twice",
			            v->name);
		if (v->from != n || value_find(g, v->name) != v)
			return fail(c, QE_INPUT, "value '%s' is not its own",
			            v->name);
		v->mark = 1;
	}
	return true;
}

static bool
verify(Ctx *c, const Graph *g)
{
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = 0;
	for (int i = 0; i < g->nin; i++)
		g->in[i]->mark = 1;
	for (int i = 0; i < g->nnode; i++)
		if (!check_node(c, g, g->node[i]))
			return note(c, "node '%s' (%s)", g->node[i]->name,
			            g->node[i]->type);
	for (int i = 0; i < g->nout; i++)
		if (!g->out[i]->mark && !value_is_const(g->out[i]))
			return fail(c, QE_INPUT, "output '%s' is not made",
			            g->out[i]->name);
	return true;
}

bool
graph_verify(Ctx *c, const Graph *g)
{
	return verify(c, g);
}
