/* SPDX-License-Identifier: BSD-3-Clause
 * inline.c - calls of model-local functions become their bodies.
 *
 * Keeps order and the values a call makes; values inside a body get names
 * behind the call's.  Operators of ops.def are not replaced: the cache
 * operators arrive as functions too, but have rows of their own.
 *
 * A body may be written for another opset than the model, which can say only
 * one: it is taken to that of the model, or to that of the first body where
 * the model has none. */

#include "num.h"

enum { MAXCALLS = 32, MAXNODES = 1 << 22 };

typedef struct Inline {
	Ctx *c;
	Graph *top;    /* has the functions */
	int64_t nodes; /* made so far */
} Inline;

static bool inline_graph(Inline *, Graph *, int depth);

static const Attr *
attr_of(const Attr *list, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

static void bind_graph(Graph *, const Node *call, const Function *);

/* Attributes that refer to the caller's take its value, or the default, or
 * are left out. */
static void
bind_attrs(Node *n, const Node *call, const Function *f)
{
	int kept = 0;

	for (int i = 0; i < n->nattr; i++) {
		Attr a = n->attr[i];
		const Attr *from = NULL;

		if (a.ref) {
			from = attr_of(call->attr, call->nattr, a.ref);
			if (!from)
				from = attr_of(f->defattr, f->ndefattr, a.ref);
			if (!from)
				continue;
			n->attr[kept] = *from;
			n->attr[kept++].name = a.name;
			continue;
		}
		if (a.type == ATTR_GRAPH)
			bind_graph(a.g, call, f);
		for (int k = 0; a.type == ATTR_GRAPHS && k < a.n; k++)
			bind_graph(a.graphs[k], call, f);
		n->attr[kept++] = a;
	}
	n->nattr = kept;
}

static void
bind_graph(Graph *g, const Node *call, const Function *f)
{
	for (int i = 0; i < g->nnode; i++)
		bind_attrs(g->node[i], call, f);
}

/* Moves the values of a body into g under free names. */
static void
adopt_values(Graph *g, Graph *body, const char *prefix)
{
	for (size_t i = 0; i < body->value->n; i++) {
		Value *v = body->value->item[i].value;
		const char *name;

		if (!v)
			continue;
		name = arena_str(g->mem, "%s/%s", prefix, v->name);
		while (value_find(g, name))
			name = arena_str(g->mem, "%s/%s_%d", prefix, v->name,
			                 g->serial++);
		v->name = name;
		dict_set(g->value, name, v);
	}
}

static bool
is_own(const Graph *body, const Value *v)
{
	for (int i = 0; i < body->nnode; i++)
		if (v->from == body->node[i])
			return true;
	return false;
}

/* The call's output is made by the node that makes the body's; if that is
 * an input, a constant or taken already, by an Identity. */
static void
connect_output(Graph *g, Graph *body, Value *inner, Value *outer)
{
	Node *n = inner->from;

	if (!is_own(body, inner) || value_find(g, inner->name) != inner ||
	    inner->mark < 0) {
		n = node_new(g, "", "Identity", 1, &inner, 1, &outer);
		n->name = outer->name;
		g->nnode--; /* it goes to the body's nodes */
		PUSH(g->mem, body->node, body->nnode, body->capnode, n);
		return;
	}
	for (int k = 0; k < n->nout; k++)
		if (n->out[k] == inner)
			n->out[k] = outer;
	outer->from = n;
	outer->mark = -1; /* taken */
	graph_replace(body, inner, outer);
}

static void
adopt_nodes(Graph *g, Graph *body)
{
	for (int i = 0; i < body->nnode; i++) {
		Node *n = body->node[i];

		n->graph = g;
		for (int k = 0; k < n->nattr; k++) {
			if (n->attr[k].type == ATTR_GRAPH)
				n->attr[k].g->parent = g;
			for (int j = 0;
			     n->attr[k].type == ATTR_GRAPHS && j < n->attr[k].n;
			     j++)
				n->attr[k].graphs[j]->parent = g;
		}
	}
}

/* What the body's nodes mean is what they mean in the model. */
static bool
agree(Inline *s, Graph *body)
{
	for (int i = 0; i < body->nopset; i++)
		if (!graph_opset(s->top, body->opset[i].domain))
			graph_import(s->top, body->opset[i].domain,
			             body->opset[i].version);
	return graph_to_opset(s->c, body, graph_opset(s->top, ""));
}

/* The body of one call, ready to stand in its place. */
static Graph *
expand(Inline *s, Graph *g, Node *call, const Function *f, int depth)
{
	Graph *body = graph_clone(g->mem, f->body);
	const char *prefix = *call->name ? call->name : f->name;

	s->nodes += body->nnode;
	if (s->nodes > MAXNODES) {
		fail(s->c, QE_INPUT, "functions expand to over %d nodes",
		     MAXNODES);
		return NULL;
	}
	if (call->nin > body->nin || call->nout > body->nout) {
		fail(s->c, QE_INPUT, "%d inputs, %d outputs; has %d, %d",
		     call->nin, call->nout, body->nin, body->nout);
		return NULL;
	}
	bind_graph(body, call, f);
	if (!agree(s, body) || !inline_graph(s, body, depth + 1))
		return NULL;
	adopt_values(g, body, prefix);
	for (int i = 0; i < body->nin; i++)
		graph_replace(body, body->in[i], node_in(call, i));
	for (int i = 0; i < call->nout; i++)
		if (call->out[i] && body->out[i])
			connect_output(g, body, body->out[i], call->out[i]);
	adopt_nodes(g, body);
	return body;
}

static bool
inline_subgraphs(Inline *s, Node *n, int depth)
{
	for (int i = 0; i < n->nattr; i++) {
		Attr *a = &n->attr[i];

		if (a->type == ATTR_GRAPH && !inline_graph(s, a->g, depth + 1))
			return false;
		for (int k = 0; a->type == ATTR_GRAPHS && k < a->n; k++)
			if (!inline_graph(s, a->graphs[k], depth + 1))
				return false;
	}
	return true;
}

static bool
inline_graph(Inline *s, Graph *g, int depth)
{
	Node **old = g->node;
	int count = g->nnode;

	if (depth > MAXCALLS)
		return fail(s->c, QE_INPUT, "calls nest deeper than %d",
		            MAXCALLS);
	g->node = NULL;
	g->nnode = 0;
	g->capnode = 0;
	for (int i = 0; i < count; i++) {
		Node *n = old[i];
		const Function *f =
			n->op ? NULL
			      : graph_function(s->top, n->domain, n->type);
		Graph *body = f ? expand(s, g, n, f, depth) : NULL;

		if ((f && !body) || (!f && !inline_subgraphs(s, n, depth)))
			return note(s->c, "node '%s' (%s)", n->name, n->type);
		if (!f)
			PUSH(g->mem, g->node, g->nnode, g->capnode, n);
		for (int k = 0; f && k < body->nnode; k++)
			PUSH(g->mem, g->node, g->nnode, g->capnode,
			     body->node[k]);
	}
	return true;
}

bool
graph_inline(Ctx *c, Graph *g)
{
	Inline s = {.c = c, .top = g};
	int kept = 0;

	if (!g->nfunc)
		return true;
	if (!inline_graph(&s, g, 0))
		return false;
	/* what has a row stays called */
	for (int i = 0; i < g->nfunc; i++)
		if (op_find(g->func[i]->domain, g->func[i]->name, INT64_MAX))
			g->func[kept++] = g->func[i];
	g->nfunc = kept;
	return true;
}
