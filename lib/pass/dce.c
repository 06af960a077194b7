/* SPDX-License-Identifier: BSD-3-Clause
 * dce.c - what nobody uses leaves the graph: nodes and constants, then
 * functions nobody calls, then opsets of domains nobody mentions. */

#include "pass.h"

typedef void UseFn(Edit *, const Node *);

static void
each_node(Edit *e, const Graph *g, UseFn *use)
{
	for (int i = 0; i < g->nnode; i++) {
		const Node *n = g->node[i];

		use(e, n);
		for (int k = 0; k < n->nattr; k++) {
			const Attr *a = &n->attr[k];

			if (a->type == ATTR_GRAPH && !a->ref)
				each_node(e, a->g, use);
			for (int j = 0; a->type == ATTR_GRAPHS && j < a->n; j++)
				each_node(e, a->graphs[j], use);
		}
	}
}

static char *
full_name(Edit *e, const char *domain, const char *name)
{
	return arena_str(&e->tmp, "%s.%s", domain, name);
}

static void
use_function(Edit *e, const Node *n)
{
	const Function *f = graph_function(e->g, n->domain, n->type);
	char *name;

	if (!f)
		return;
	name = full_name(e, f->domain, f->name);
	if (dict_has(e->seen, name))
		return;
	dict_set(e->seen, name, e);
	each_node(e, f->body, use_function);
}

static void
use_domain(Edit *e, const Node *n)
{
	dict_set(e->seen, n->domain, e);
}

static void
drop_functions(Edit *e)
{
	Graph *g = e->g;
	int kept = 0;

	each_node(e, g, use_function);
	for (int i = 0; i < g->nfunc; i++) {
		const Function *f = g->func[i];

		if (dict_has(e->seen, full_name(e, f->domain, f->name)))
			g->func[kept++] = g->func[i];
	}
	e->changes += g->nfunc - kept;
	g->nfunc = kept;
}

/* The default domain stays: a model must have one. */
static void
drop_opsets(Edit *e)
{
	Graph *g = e->g;
	int kept = 0;

	e->seen = dict_new(&e->tmp);
	dict_set(e->seen, "", e);
	each_node(e, g, use_domain);
	for (int i = 0; i < g->nfunc; i++)
		each_node(e, g->func[i]->body, use_domain);
	for (int i = 0; i < g->nopset; i++)
		if (dict_has(e->seen, g->opset[i].domain))
			g->opset[kept++] = g->opset[i];
	e->changes += g->nopset - kept;
	g->nopset = kept;
}

bool
pass_dce(Ctx *c, Edit *e)
{
	size_t before = e->g->value->n;

	if (!edit_prune(c, e))
		return false;
	e->changes += before != e->g->value->n;
	drop_functions(e);
	drop_opsets(e);
	return true;
}
