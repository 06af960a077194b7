/* SPDX-License-Identifier: BSD-3-Clause
 * cse.c - of nodes that compute the same, the first one stays.
 *
 * The same: operator, attributes, inputs, graph.  Small constants with the
 * same type, shape and bytes are one value first.  Nodes that make outputs
 * of the graph stay, and so do operators of other domains, which may mean
 * more than they compute. */

#include <stdlib.h>

#include "pass.h"

enum { CSE_MAX = 1024 }; /* bytes of a constant that is looked at */

/* Hashes each piece with its length, so that no two lists of pieces are
 * alike. */
static void
add(Hash *h, const void *p, size_t n)
{
	hash_add(h, &n, sizeof n);
	hash_add(h, p, n);
}

static void
add_type(Hash *h, const Value *v)
{
	add(h, &v->kind, sizeof v->kind);
	add(h, &v->type, sizeof v->type);
	add(h, &v->shape.rank, sizeof v->shape.rank);
	add(h, v->shape.dim,
	    (size_t)MAX(v->shape.rank, 0) * sizeof *v->shape.dim);
}

/* Bytes in a file are the same if they are the same piece of it. */
static void
add_tensor(Hash *h, const Value *v)
{
	add_type(h, v);
	if (v->type == DT_STRING && v->data.mem)
		for (int64_t i = 0; i < shape_count(&v->shape); i++) {
			const Span *s = (const Span *)v->data.mem + i;

			add(h, s->p, s->n);
		}
	else if (v->data.mem)
		add(h, v->data.mem, (size_t)v->data.len);
	else
		add(h, &v->data, sizeof v->data);
}

/* false: not to be compared */
static bool
add_attr(Hash *h, const Attr *a)
{
	add(h, a->name, strlen(a->name));
	add(h, &a->type, sizeof a->type);
	switch (a->type) {
	case ATTR_FLOAT:
		add(h, &a->f, sizeof a->f);
		return !a->ref;
	case ATTR_INT:
		add(h, &a->i, sizeof a->i);
		return !a->ref;
	case ATTR_STRING:
		add(h, a->s.p, a->s.n);
		return !a->ref;
	case ATTR_TENSOR:
		if (!a->ref)
			add_tensor(h, a->t);
		return !a->ref;
	case ATTR_FLOATS:
		add(h, a->floats, (size_t)a->n * sizeof *a->floats);
		return !a->ref;
	case ATTR_INTS:
		add(h, a->ints, (size_t)a->n * sizeof *a->ints);
		return !a->ref;
	default:
		return false;
	}
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const Attr *const *)a)->name,
	              (*(const Attr *const *)b)->name);
}

/* Attributes have no order. */
static bool
add_attrs(Edit *e, Hash *h, const Node *n)
{
	const Attr **a = NEWV(&e->tmp, const Attr *, n->nattr + 1);

	for (int i = 0; i < n->nattr; i++)
		a[i] = &n->attr[i];
	qsort(a, (size_t)n->nattr, sizeof *a, by_name);
	for (int i = 0; i < n->nattr; i++)
		if (!add_attr(h, a[i]))
			return false;
	return true;
}

bool
hash_node(Edit *e, Hash *h, const Node *n)
{
	add(h, n->domain, strlen(n->domain));
	add(h, n->type, strlen(n->type));
	for (int i = 0; i < n->nin; i++)
		add(h, &(bool){n->in[i] != NULL}, sizeof(bool));
	add(h, &n->nout, sizeof n->nout);
	for (int i = 0; i < n->nout; i++)
		add(h, &(bool){n->out[i] != NULL}, sizeof(bool));
	return add_attrs(e, h, n);
}

/* A value's address is its identity. */
static const char *
key(Edit *e, const Node *n)
{
	Hash *h = hash_new(&e->tmp);

	add(h, &n->graph, sizeof n->graph);
	add(h, n->in, (size_t)n->nin * sizeof *n->in);
	if (!hash_node(e, h, n))
		return NULL;
	return arena_dup(&e->tmp, hash_end(h).hex);
}

static bool
comparable(const Node *n)
{
	if (*n->domain || !n->op || !(n->op->flags & PURE) ||
	    n->op->flags & CONTROL)
		return false;
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && edit_is_output(n->graph, n->out[i]))
			return false;
	return true;
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	const char *k = comparable(n) ? key(e, n) : NULL;
	Node *first;

	(void)c;
	if (!k)
		return true;
	if (!(first = dict_get(e->seen, k))) {
		dict_set(e->seen, k, n);
		return true;
	}
	for (int i = 0; i < n->nout; i++)
		if (n->out[i])
			edit_replace(e, n, i, first->out[i]);
	edit_remove(e, n);
	return true;
}

static bool
is_small_const(const Value *v)
{
	return v && v->data.mem && v->data.len <= CSE_MAX;
}

/* The first in the table stays, with its name. */
static void
merge_constants(Edit *e)
{
	Graph *g = e->g;

	for (size_t i = 0; i < g->value->n; i++) {
		Value *v = g->value->item[i].value, *first;
		Hash *h;
		char *k;

		if (!is_small_const(v) || edit_is_output(g, v))
			continue;
		h = hash_new(&e->tmp);
		add_tensor(h, v);
		k = arena_dup(&e->tmp, hash_end(h).hex);
		first = dict_get(e->seen, k);
		if (!first) {
			dict_set(e->seen, k, v);
		} else if (!v->by) {
			v->by = first;
			e->changes++;
		}
	}
}

bool
pass_cse(Ctx *c, Edit *e)
{
	merge_constants(e);
	return edit_each(c, e, visit);
}
