/* SPDX-License-Identifier: BSD-3-Clause
 * fold.c - what can be known now is computed now: integers, shapes, scalars.
 *
 * A node whose inputs are small constants, or of
 * which only known shapes matter, becomes a constant.  A weight stays as it
 * came, with its name, for whoever looks for it, and is never read: that is
 * any constant of the model with more than one float in it, or of rank 2 and
 * more.  Constant nodes become constants wherever their bytes are. */

#include "op.h"
#include "pass.h"

enum { FOLD_MAX = 4096 }; /* bytes of an input or a result */

static bool
is_small(const Value *v)
{
	int64_t n = dtype_bytes(v->type, shape_count(&v->shape));

	return v->kind == VALUE_TENSOR && v->type && shape_known(&v->shape) &&
	       n >= 0 && n <= FOLD_MAX;
}

static bool
is_weight(const Edit *e, const Value *v)
{
	int64_t n = shape_count(&v->shape);

	if (dict_has(e->seen, v->name))
		return false;
	return v->shape.rank > 1 || (n > 1 && dtypes[v->type].class == 'F');
}

static bool
can_fold(const Edit *e, const Node *n)
{
	const Op *o = n->op;

	if (!o || !(o->flags & PURE) || o->flags & CONTROL)
		return false;
	for (int i = 0; i < n->nin; i++) {
		const Value *v = n->in[i];

		if (!v)
			continue;
		if (o->flags & SHAPED ? !shape_known(&v->shape)
		                      : !value_is_const(v) || !is_small(v) ||
		                                is_weight(e, v))
			return false;
	}
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] &&
		    (edit_is_output(n->graph, n->out[i]) ||
		     (!(o->flags & DYNAMIC) && !is_small(n->out[i]))))
			return false;
	return true;
}

/* From now on the value is a constant of the graph. */
static void
settle(Edit *e, Value *v, Blob data)
{
	v->data = data;
	v->from = NULL;
	dict_set(e->seen, v->name, v);
}

static bool
take_constant(Edit *e, Node *n)
{
	const Attr *a = attr_find(n, "value");
	Value *v = n->nout ? n->out[0] : NULL;

	if (!node_is(n, "Constant") || !a || a->ref || !v ||
	    a->type != ATTR_TENSOR || edit_is_output(n->graph, v))
		return false;
	v->type = a->t->type;
	v->shape = a->t->shape;
	settle(e, v, a->t->data);
	edit_remove(e, n);
	return true;
}

/* What cannot be computed is left for the run to complain about. */
static bool
eval(Ctx *c, Edit *e, Node *n)
{
	Ctx trial = {.tool = c->tool};
	bool done = node_eval(&trial, &e->tmp, n);

	arena_free(&trial.mem);
	for (int i = 0; i < n->nout; i++)
		done = done && (!n->out[i] || is_small(n->out[i]));
	for (int i = 0; !done && i < n->nout; i++)
		if (n->out[i])
			n->out[i]->data = (Blob){0};
	return done;
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	if (take_constant(e, n) || !can_fold(e, n) || !eval(c, e, n))
		return true;
	for (int i = 0; i < n->nout; i++) {
		Value *v = n->out[i];
		int64_t size;

		if (!v)
			continue;
		size = dtype_bytes(v->type, shape_count(&v->shape));
		settle(e, v,
		       (Blob){.mem = arena_copy(n->graph->mem, v->data.mem,
		                                (size_t)size),
		              .len = size});
	}
	edit_remove(e, n);
	return true;
}

bool
pass_fold(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
