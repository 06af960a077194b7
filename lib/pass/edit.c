/* SPDX-License-Identifier: BSD-3-Clause
 * edit.c - what passes are written with.
 *
 * During a walk, `mark` counts the uses of a value and `by` is the value
 * that takes its place.  A node without inputs and outputs is a dropped one;
 * graph_prune() takes it out. */

#include "pass.h"

bool
node_is(const Node *n, const char *type)
{
	return n && !*n->domain && strcmp(n->type, type) == 0;
}

bool
same_shape(const Value *a, const Value *b)
{
	if (a->shape.rank < 0 || a->shape.rank != b->shape.rank)
		return false;
	for (int i = 0; i < a->shape.rank; i++) {
		if (a->shape.dim[i] != b->shape.dim[i])
			return false;
		if (a->shape.dim[i] < 0 &&
		    (!a->sym || !b->sym || !a->sym[i] || !b->sym[i] ||
		     strcmp(a->sym[i], b->sym[i]) != 0))
			return false;
	}
	return true;
}

bool
edit_is_output(const Graph *g, const Value *v)
{
	for (int i = 0; i < g->nout; i++)
		if (g->out[i] == v)
			return true;
	return false;
}

static Value *
now(Value *v)
{
	while (v && v->by)
		v = v->by;
	return v;
}

/* What is known of a value holds for the one in its place. */
static void
learn(Value *v, const Value *from)
{
	if (v->type == DT_NONE)
		v->type = from->type;
	if (v->shape.rank >= 0)
		return;
	v->shape = from->shape;
	v->sym = from->sym;
}

/* Inputs may have been replaced since the walk came by. */
void
edit_remove(Edit *e, Node *n)
{
	for (int i = 0; i < n->nin; i++)
		if ((n->in[i] = now(n->in[i])))
			n->in[i]->mark--;
	n->nin = n->nout = n->nattr = 0;
	e->changes++;
}

void
edit_input(Edit *e, Node *n, int i, Value *v)
{
	n->in[i]->mark--;
	n->in[i] = v;
	v->mark++;
	e->changes++;
}

bool
edit_replace(Edit *e, Node *n, int i, Value *by)
{
	Value *old = n->out[i];
	Node *from = by->from;

	if (!edit_is_output(n->graph, old)) {
		old->by = by;
		by->mark += old->mark;
		learn(by, old);
		n->out[i] = NULL;
		e->changes++;
		return true;
	}
	if (!from || from->graph != n->graph || edit_is_output(n->graph, by))
		return false;
	for (int k = 0; k < from->nout; k++)
		if (from->out[k] == by)
			from->out[k] = old;
	n->out[i] = NULL;
	old->from = from;
	old->mark += by->mark;
	learn(old, by);
	by->by = old;
	e->changes++;
	return true;
}

/* The use of `by` by n itself goes with n, also if n's output, a graph's
 * output, has taken the place of `by`. */
bool
edit_drop(Edit *e, Node *n, Value *by)
{
	if (!edit_replace(e, n, 0, by))
		return false;
	edit_remove(e, n);
	return true;
}

void
edit_become(Edit *e, Node *n, const char *domain, const char *type, int nin,
            Value *const *in)
{
	for (int i = 0; i < nin; i++)
		if (in[i])
			in[i]->mark++;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i])
			n->in[i]->mark--;
	n->domain = domain;
	n->type = type;
	n->in = arena_copy(n->graph->mem, in, (size_t)nin * sizeof *in);
	n->nin = nin;
	n->nattr = 0;
	node_resolve(n);
	e->changes++;
}

Value *
edit_add(Node *n, const char *type, const char *name, Value *a, Value *b,
         Value *c)
{
	if (a)
		a->mark++;
	if (b)
		b->mark++;
	if (c)
		c->mark++;
	return node_add(n->graph, type, name, a, b, c);
}

typedef bool GraphFn(Ctx *, Edit *, Graph *, NodeFn *);

static bool
each_subgraph(Ctx *c, Edit *e, Node *n, GraphFn *visit, NodeFn *fn)
{
	for (int i = 0; i < n->nattr; i++) {
		const Attr *a = &n->attr[i];

		if (a->type == ATTR_GRAPH && !a->ref && !visit(c, e, a->g, fn))
			return false;
		for (int k = 0; a->type == ATTR_GRAPHS && k < a->n; k++)
			if (!visit(c, e, a->graphs[k], fn))
				return false;
	}
	return true;
}

static void
update(Node *n)
{
	for (int i = 0; i < n->nin; i++)
		n->in[i] = now(n->in[i]);
}

/* The list of nodes is built anew, so that new nodes get in at the place
 * where the walk is. */
static bool
walk(Ctx *c, Edit *e, Graph *g, NodeFn *fn)
{
	Node **node = g->node;
	int n = g->nnode;

	g->node = NULL;
	g->nnode = 0;
	g->capnode = 0;
	for (int i = 0; i < n; i++) {
		update(node[i]);
		if (!each_subgraph(c, e, node[i], walk, fn) ||
		    !fn(c, e, node[i]))
			return note(c, "node '%s' (%s)", node[i]->name,
			            node[i]->type);
		PUSH(g->mem, g->node, g->nnode, g->capnode, node[i]);
	}
	return true;
}

static bool
settle(Ctx *c, Edit *e, Graph *g, NodeFn *fn)
{
	for (int i = 0; i < g->nnode; i++) {
		update(g->node[i]);
		if (!each_subgraph(c, e, g->node[i], settle, fn))
			return false;
	}
	for (int i = 0; i < g->nout; i++)
		g->out[i] = now(g->out[i]);
	return true;
}

/* Inner graphs first: what only they use goes too. */
static bool
prune(Ctx *c, Edit *e, Graph *g, NodeFn *fn)
{
	for (int i = 0; i < g->nnode; i++)
		if (!each_subgraph(c, e, g->node[i], prune, fn))
			return false;
	e->changes += graph_prune(g);
	return true;
}

bool
edit_prune(Ctx *c, Edit *e)
{
	return prune(c, e, e->g, NULL);
}

bool
edit_each(Ctx *c, Edit *e, NodeFn *fn)
{
	graph_count_uses(e->g);
	if (!walk(c, e, e->g, fn))
		return false;
	return !e->changes || (settle(c, e, e->g, fn) && edit_prune(c, e));
}
