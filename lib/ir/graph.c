/* SPDX-License-Identifier: BSD-3-Clause
 * graph.c - making, finding, rewiring and copying parts of a graph.
 *
 * The table of values is the truth about names; a value that nobody uses
 * stays in it until graph_prune(). */

#include <stdlib.h>

#include "ir.h"

Graph *
graph_new(Arena *a, const char *name)
{
	Graph *g = NEW(a, Graph);

	g->mem = a;
	g->name = name;
	g->value = dict_new(a);
	g->meta = dict_new(a);
	g->ir_version = 8;
	return g;
}

int64_t
graph_opset(const Graph *g, const char *domain)
{
	if (strcmp(domain, "ai.onnx") == 0)
		domain = "";
	for (; g; g = g->parent)
		for (int i = 0; i < g->nopset; i++)
			if (strcmp(g->opset[i].domain, domain) == 0)
				return g->opset[i].version;
	return 0;
}

void
graph_import(Graph *g, const char *domain, int64_t version)
{
	for (int i = 0; i < g->nopset; i++)
		if (strcmp(g->opset[i].domain, domain) == 0) {
			g->opset[i].version = version;
			return;
		}
	PUSH(g->mem, g->opset, g->nopset, g->capopset,
	     ((Opset){domain, version}));
}

Source *
graph_source(Graph *g, const char *path)
{
	Source *s;

	while (g->parent)
		g = g->parent;
	for (int i = 0; i < g->nsource; i++)
		if (strcmp(g->source[i]->path, path) == 0)
			return g->source[i];
	s = NEW(g->mem, Source);
	s->path = arena_dup(g->mem, path);
	s->size = -1;
	PUSH(g->mem, g->source, g->nsource, g->capsource, s);
	return s;
}

Function *
graph_function(const Graph *g, const char *domain, const char *name)
{
	while (g->parent)
		g = g->parent;
	for (int i = 0; i < g->nfunc; i++)
		if (strcmp(g->func[i]->name, name) == 0 &&
		    strcmp(g->func[i]->domain, domain) == 0)
			return g->func[i];
	return NULL;
}

Value *
value_find(const Graph *g, const char *name)
{
	Value *v = NULL;

	for (; g && !v; g = g->parent)
		v = dict_get(g->value, name);
	return v;
}

static const char *
fresh(Graph *g, const char *name)
{
	char *s;

	if (name && !value_find(g, name))
		return arena_dup(g->mem, name);
	do
		s = arena_str(g->mem, "%s_%d", name ? name : "v", g->serial++);
	while (value_find(g, s));
	return s;
}

Value *
value_new(Graph *g, const char *name, DType type, const Shape *shape)
{
	Value *v = NEW(g->mem, Value);

	v->name = fresh(g, name && *name ? name : NULL);
	v->type = type;
	v->shape = shape ? *shape : (Shape){.rank = -1};
	dict_set(g->value, v->name, v);
	return v;
}

Value *
value_input(Graph *g, const char *name, DType type, const Shape *shape)
{
	Value *v = value_new(g, name, type, shape);

	PUSH(g->mem, g->in, g->nin, g->capin, v);
	return v;
}

void
graph_output(Graph *g, Value *v)
{
	PUSH(g->mem, g->out, g->nout, g->capout, v);
}

/* The table cannot forget a key; a null value is as good as none.  A node
 * named after its output goes on being so: names of nodes stay unique. */
bool
value_rename(Graph *g, Value *v, const char *name)
{
	if (strcmp(v->name, name) == 0)
		return true;
	if (value_find(g, name))
		return false;
	dict_set(g->value, v->name, NULL);
	name = arena_dup(g->mem, name);
	if (v->from && v->from->name == v->name)
		v->from->name = name;
	v->name = name;
	dict_set(g->value, v->name, v);
	return true;
}

bool
value_is_const(const Value *v)
{
	return blob_is(v->data);
}

Value *
const_bytes(Graph *g, const char *name, DType type, const Shape *shape,
            const void *bytes)
{
	Value *v = value_new(g, name, type, shape);

	v->data.len = dtype_bytes(type, shape_count(shape));
	v->data.mem = arena_copy(g->mem, bytes, (size_t)v->data.len);
	return v;
}

Value *
const_i64(Graph *g, const char *name, int n, const int64_t *x)
{
	return const_bytes(g, name, DT_I64, &(Shape){1, {n}}, x);
}

Value *
const_i64_scalar(Graph *g, const char *name, int64_t x)
{
	return const_bytes(g, name, DT_I64, &(Shape){0}, &x);
}

Value *
const_f32(Graph *g, const char *name, float x)
{
	return const_bytes(g, name, DT_F32, &(Shape){0}, &x);
}

Node *
node_new(Graph *g, const char *domain, const char *type, int nin,
         Value *const *in, int nout, Value *const *out)
{
	Node *n = NEW(g->mem, Node);

	n->name = "";
	n->domain = arena_dup(g->mem, domain);
	n->type = arena_dup(g->mem, type);
	n->nin = nin;
	n->nout = nout;
	n->in = NEWV(g->mem, Value *, nin + 1);
	n->out = NEWV(g->mem, Value *, nout + 1);
	for (int i = 0; i < nin; i++)
		n->in[i] = in[i];
	for (int i = 0; i < nout; i++)
		if ((n->out[i] = out[i]))
			out[i]->from = n;
	n->graph = g;
	node_resolve(n);
	PUSH(g->mem, g->node, g->nnode, g->capnode, n);
	return n;
}

Value *
node_add(Graph *g, const char *type, const char *name, Value *a, Value *b,
         Value *c)
{
	Value *in[] = {a, b, c}, *out = value_new(g, name, DT_NONE, NULL);
	int nin = !a ? 0 : !b ? 1 : !c ? 2 : 3;
	Node *n = node_new(g, "", type, nin, in, 1, &out);

	n->name = out->name;
	return out;
}

const Attr *
attr_find(const Node *n, const char *name)
{
	for (int i = 0; i < n->nattr; i++)
		if (strcmp(n->attr[i].name, name) == 0)
			return &n->attr[i];
	return NULL;
}

int64_t
attr_int(const Node *n, const char *name, int64_t none)
{
	const Attr *a = attr_find(n, name);

	return a && a->type == ATTR_INT ? a->i : none;
}

double
attr_float(const Node *n, const char *name, double none)
{
	const Attr *a = attr_find(n, name);

	return a && a->type == ATTR_FLOAT ? a->f : none;
}

const char *
attr_str(const Node *n, const char *name, const char *none)
{
	const Attr *a = attr_find(n, name);

	return a && a->type == ATTR_STRING ? a->s.p : none;
}

int
attr_ints(const Node *n, const char *name, const int64_t **ints)
{
	const Attr *a = attr_find(n, name);

	if (!a || a->type != ATTR_INTS)
		return -1;
	*ints = a->ints;
	return a->n;
}

bool
attr_is_ints(const Node *n, const char *name, int count, const int64_t *want)
{
	const int64_t *ints = NULL;

	return attr_ints(n, name, &ints) == count &&
	       memcmp(ints, want, (size_t)count * sizeof *want) == 0;
}

Attr *
attr_add(Graph *g, Node *n, const char *name, enum AttrType type)
{
	Attr *a = (Attr *)(uintptr_t)attr_find(n, name);

	if (!a) {
		PUSH(g->mem, n->attr, n->nattr, n->capattr, (Attr){0});
		a = &n->attr[n->nattr - 1];
	}
	*a = (Attr){.name = arena_dup(g->mem, name), .type = type};
	return a;
}

void
attr_set_int(Graph *g, Node *n, const char *name, int64_t i)
{
	attr_add(g, n, name, ATTR_INT)->i = i;
}

void
attr_set_float(Graph *g, Node *n, const char *name, double f)
{
	attr_add(g, n, name, ATTR_FLOAT)->f = (double)(float)f;
}

void
attr_set_str(Graph *g, Node *n, const char *name, const char *s)
{
	attr_add(g, n, name, ATTR_STRING)->s = SPAN(arena_dup(g->mem, s));
}

void
attr_set_ints(Graph *g, Node *n, const char *name, int count,
              const int64_t *ints)
{
	Attr *a = attr_add(g, n, name, ATTR_INTS);

	a->n = count;
	a->ints = arena_copy(g->mem, ints, (size_t)count * sizeof *ints);
}

/* Calls fn on every graph that hangs on a node. */
static void
each_subgraph(Node *n, void (*fn)(Graph *, void *), void *arg)
{
	for (int i = 0; i < n->nattr; i++) {
		if (n->attr[i].type == ATTR_GRAPH)
			fn(n->attr[i].g, arg);
		for (int k = 0;
		     n->attr[i].type == ATTR_GRAPHS && k < n->attr[i].n; k++)
			fn(n->attr[i].graphs[k], arg);
	}
}

static void
replace(Graph *g, void *pair)
{
	Value **p = pair;

	for (int i = 0; i < g->nnode; i++) {
		for (int k = 0; k < g->node[i]->nin; k++)
			if (g->node[i]->in[k] == p[0])
				g->node[i]->in[k] = p[1];
		each_subgraph(g->node[i], replace, pair);
	}
	for (int i = 0; i < g->nout; i++)
		if (g->out[i] == p[0])
			g->out[i] = p[1];
}

void
graph_replace(Graph *g, Value *old, Value *by)
{
	replace(g, (Value *[]){old, by});
}

typedef struct Captures {
	Arena *mem;
	const Graph *outer;
	Value **v;
	int n;
	size_t cap;
	Dict *seen;
} Captures;

static void
capture(Captures *s, const Graph *g, Value *v)
{
	for (; v && g && g != s->outer; g = g->parent)
		if (dict_get(g->value, v->name) == v)
			return;
	if (!v || dict_get(s->seen, v->name))
		return;
	dict_set(s->seen, v->name, v);
	PUSH(s->mem, s->v, s->n, s->cap, v);
}

static void
capture_all(Graph *g, void *arg)
{
	for (int i = 0; i < g->nnode; i++) {
		for (int k = 0; k < g->node[i]->nin; k++)
			capture(arg, g, g->node[i]->in[k]);
		each_subgraph(g->node[i], capture_all, arg);
	}
	for (int i = 0; i < g->nout; i++)
		capture(arg, g, g->out[i]);
}

int
node_captures(Arena *a, const Node *n, Value ***out)
{
	Captures s = {.mem = a, .outer = n->graph, .seen = dict_new(a)};

	each_subgraph((Node *)(uintptr_t)n, capture_all, &s);
	*out = s.v;
	return s.n;
}

static void
clear_marks(Graph *g, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = 0;
	for (int i = 0; i < g->nnode; i++)
		each_subgraph(g->node[i], clear_marks, NULL);
}

static void
count(Graph *g, void *arg)
{
	(void)arg;
	for (int i = 0; i < g->nnode; i++) {
		for (int k = 0; k < g->node[i]->nin; k++)
			if (g->node[i]->in[k])
				g->node[i]->in[k]->mark++;
		each_subgraph(g->node[i], count, NULL);
	}
	for (int i = 0; i < g->nout; i++)
		g->out[i]->mark++;
}

void
graph_count_uses(Graph *g)
{
	clear_marks(g, NULL);
	count(g, NULL);
}

static bool
is_used(const Node *n)
{
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && n->out[i]->mark)
			return true;
	return false;
}

static void
unuse(Graph *g, void *arg)
{
	(void)arg;
	for (int i = 0; i < g->nnode; i++) {
		for (int k = 0; k < g->node[i]->nin; k++)
			if (g->node[i]->in[k])
				g->node[i]->in[k]->mark--;
		each_subgraph(g->node[i], unuse, NULL);
	}
	for (int i = 0; i < g->nout; i++)
		g->out[i]->mark--;
}

/* Rebuilds the table from what is reachable, in the old order. */
static void
forget_values(Graph *g)
{
	Dict *old = g->value;

	for (int i = 0; i < g->nin; i++)
		g->in[i]->mark++;
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++)
			if (g->node[i]->out[k])
				g->node[i]->out[k]->mark++;
	g->value = dict_new(g->mem);
	for (size_t i = 0; i < old->n; i++) {
		Value *v = old->item[i].value;

		if (v && v->mark)
			dict_set(g->value, old->item[i].key, v);
	}
}

/* Backwards, so that one sweep drops whole chains. */
int
graph_prune(Graph *g)
{
	int kept = g->nnode, dropped;

	graph_count_uses(g);
	for (int i = g->nnode - 1; i >= 0; i--) {
		Node *n = g->node[i];

		if (is_used(n))
			continue;
		for (int k = 0; k < n->nin; k++)
			if (n->in[k])
				n->in[k]->mark--;
		each_subgraph(n, unuse, NULL);
		g->node[i] = NULL;
	}
	kept = 0;
	for (int i = 0; i < g->nnode; i++)
		if (g->node[i])
			g->node[kept++] = g->node[i];
	dropped = g->nnode - kept;
	g->nnode = kept;
	forget_values(g);
	return dropped;
}

/* A node whose inputs are being placed. */
typedef struct Visit {
	int node;
	int *need; /* nodes that make what it uses */
	int nneed, next;
	size_t cap;
} Visit;

typedef struct Sort {
	Arena mem;
	Graph *g;
	Visit *stack;
	int depth;
	size_t cap;
	char *state; /* of a node: 0 untouched, 1 on the stack, 2 placed */
} Sort;

typedef struct Need {
	Sort *s;
	Visit *v;
} Need;

/* Marks are 1 + the index of the node that makes the value. */
static void
note_use(Need *d, const Value *v)
{
	Visit *n = d->v;

	if (v && v->from && v->from->graph == d->s->g && v->mark > 0)
		PUSH(&d->s->mem, n->need, n->nneed, n->cap, v->mark - 1);
}

static void
note_uses(Graph *sub, void *arg)
{
	for (int i = 0; i < sub->nnode; i++) {
		for (int k = 0; k < sub->node[i]->nin; k++)
			note_use(arg, sub->node[i]->in[k]);
		each_subgraph(sub->node[i], note_uses, arg);
	}
	for (int i = 0; i < sub->nout; i++)
		note_use(arg, sub->out[i]);
}

static void
visit(Sort *s, int node)
{
	Visit v = {.node = node};
	Need need = {s, &v};
	Node *n = s->g->node[node];

	for (int k = 0; k < n->nin; k++)
		note_use(&need, n->in[k]);
	each_subgraph(n, note_uses, &need);
	s->state[node] = 1;
	PUSH(&s->mem, s->stack, s->depth, s->cap, v);
}

/* Places a node after those it needs; false at a node that needs itself. */
static bool
place(Sort *s, int node, Node **done, int *ndone)
{
	visit(s, node);
	while (s->depth) {
		Visit *v = &s->stack[s->depth - 1];

		if (v->next == v->nneed) {
			s->state[v->node] = 2;
			done[(*ndone)++] = s->g->node[v->node];
			s->depth--;
			continue;
		}
		node = v->need[v->next++];
		if (s->state[node] == 1)
			return false;
		if (s->state[node] == 0)
			visit(s, node);
	}
	return true;
}

/* Depth first, without recursion: a chain may be as long as the graph. */
bool
graph_sort(Ctx *c, Graph *g)
{
	Sort s = {.g = g};
	Node **done = NEWV(g->mem, Node *, g->nnode + 1);
	bool ok = true;
	int n = 0;

	clear_marks(g, NULL);
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++)
			if (g->node[i]->out[k])
				g->node[i]->out[k]->mark = i + 1;
	s.state = arena_alloc(&s.mem, (size_t)g->nnode + 1);
	for (int i = 0; ok && i < g->nnode; i++)
		if (!s.state[i] && !place(&s, i, done, &n)) {
			Node *at = g->node[s.stack[s.depth - 1].node];

			ok = fail(c, QE_INPUT,
			          "node '%s' (%s): part of a cycle", at->name,
			          at->type);
		}
	if (ok) {
		memcpy(g->node, done, (size_t)n * sizeof *done);
		clear_marks(g, NULL);
	}
	arena_free(&s.mem);
	return ok;
}

int64_t
spec_size(const Spec *s, const char *sym)
{
	for (int i = 0; i < s->nbind; i++)
		if (strcmp(s->bind[i].sym, sym) == 0)
			return s->bind[i].n;
	return -1;
}
