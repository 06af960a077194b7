/* SPDX-License-Identifier: BSD-3-Clause
 * reshape.c - a reshape of a reshape is one reshape.
 *
 * Flatten, Squeeze and Unsqueeze count as reshapes.  Needs shapes: the last
 * one's output must be known but for one dimension. */

#include "op.h"
#include "pass.h"

static bool
is_view(const Node *n)
{
	static const char *const views[] = {"Reshape", "Flatten", "Squeeze",
	                                    "Unsqueeze", NULL};

	return n && !*n->domain && str_in(n->type, views) && n->nout == 1;
}

/* A shape input that says the same whatever it is applied to: no 0, which
 * copies a dimension of the input. */
static bool
stands_alone(const Node *n)
{
	const Value *s;

	if (!node_is(n, "Reshape") || n->nin < 2 || !n->in[1]->data.mem)
		return false;
	s = n->in[1];
	for (int64_t i = 0; i < shape_count(&s->shape); i++)
		if (value_i64(s, i) == 0)
			return false;
	return true;
}

/* The shape as Reshape takes it, -1 for what is not known; NULL if that is
 * too much, or a 0 would mean something else. */
static Value *
shape_input(Node *n)
{
	const Shape *s = &n->out[0]->shape;
	int unknown = 0;

	for (int i = 0; i < s->rank; i++) {
		unknown += s->dim[i] < 0;
		if (s->dim[i] == 0)
			return NULL;
	}
	if (s->rank < 0 || unknown > 1 || graph_opset(n->graph, "") < 5)
		return NULL;
	return const_i64(n->graph,
	                 arena_str(n->graph->mem, "%s_shape", n->out[0]->name),
	                 s->rank, s->dim);
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	Value *mid = n->nin ? n->in[0] : NULL, *in[2];

	(void)c;
	if (!is_view(n) || !mid || !is_view(mid->from))
		return true;
	if (stands_alone(n)) {
		edit_input(e, n, 0, mid->from->in[0]);
		return true;
	}
	in[0] = mid->from->in[0];
	if ((in[1] = shape_input(n)))
		edit_become(e, n, "", "Reshape", 2, in);
	return true;
}

bool
pass_reshape(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
