/* SPDX-License-Identifier: BSD-3-Clause
 * clone.c - deep copies of graphs; bytes of constants are shared. */

#include "ir.h"

static Graph *clone(Arena *a, const Graph *g, Graph *parent);

/* The copy's value of the same name, in the copy or in its parents. */
static Value *
twin(const Graph *to, const Value *v)
{
	return v ? value_find(to, v->name) : NULL;
}

static Value *
copy_value(Arena *a, const Value *v)
{
	Value *w = arena_copy(a, v, sizeof *v);

	w->from = NULL;
	w->mark = 0;
	return w;
}

static void
copy_attr(Arena *a, Attr *at, Graph *to)
{
	if (at->type == ATTR_GRAPH)
		at->g = clone(a, at->g, to);
	if (at->type != ATTR_GRAPHS)
		return;
	at->graphs =
		arena_copy(a, at->graphs, (size_t)at->n * sizeof *at->graphs);
	for (int i = 0; i < at->n; i++)
		at->graphs[i] = clone(a, at->graphs[i], to);
}

static void
copy_node(Arena *a, const Node *n, Graph *to)
{
	Value **io = NEWV(a, Value *, n->nin + n->nout + 1);
	Node *m;

	for (int i = 0; i < n->nin; i++)
		io[i] = twin(to, n->in[i]);
	for (int i = 0; i < n->nout; i++)
		io[n->nin + i] = twin(to, n->out[i]);
	m = node_new(to, n->domain, n->type, n->nin, io, n->nout, io + n->nin);
	m->name = n->name;
	m->nattr = n->nattr;
	m->capattr = (size_t)n->nattr;
	m->attr = arena_copy(a, n->attr, (size_t)n->nattr * sizeof *n->attr);
	for (int i = 0; i < m->nattr; i++)
		copy_attr(a, &m->attr[i], to);
}

static Graph *
clone(Arena *a, const Graph *g, Graph *parent)
{
	Graph *to = graph_new(a, g->name);

	to->parent = parent;
	to->ir_version = g->ir_version;
	to->serial = g->serial;
	for (int i = 0; i < g->nopset; i++)
		graph_import(to, g->opset[i].domain, g->opset[i].version);
	for (size_t i = 0; i < g->meta->n; i++)
		dict_set(to->meta, g->meta->item[i].key,
		         g->meta->item[i].value);
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			dict_set(to->value, g->value->item[i].key,
			         copy_value(a, g->value->item[i].value));
	for (int i = 0; i < g->nsource; i++)
		PUSH(a, to->source, to->nsource, to->capsource, g->source[i]);
	for (int i = 0; i < g->nfunc; i++)
		PUSH(a, to->func, to->nfunc, to->capfunc, g->func[i]);
	for (int i = 0; i < g->nin; i++)
		PUSH(a, to->in, to->nin, to->capin, twin(to, g->in[i]));
	for (int i = 0; i < g->nnode; i++)
		copy_node(a, g->node[i], to);
	for (int i = 0; i < g->nout; i++)
		graph_output(to, twin(to, g->out[i]));
	return to;
}

Graph *
graph_clone(Arena *a, const Graph *g)
{
	return clone(a, g, g->parent);
}
