/* SPDX-License-Identifier: BSD-3-Clause
 * sequence.c - lists of tensors, and values that may be absent.
 *
 * A sequence or optional holds its values in item[]; tensors are shared, not
 * copied. */

#include "sequence.h"

bool
sequence_set(Ctx *c, Value *v, DType t)
{
	(void)c;
	if (!v)
		return true;
	v->kind = VALUE_SEQUENCE;
	v->type = t;
	v->shape = (Shape){.rank = -1};
	return true;
}

/* A copy of x behind its name. */
static Value *
copy(Arena *a, const Value *x)
{
	Value *y = arena_copy(a, x, sizeof *x);

	y->from = NULL;
	return y;
}

static bool
want_sequence(Ctx *c, const Value *v)
{
	return v->kind == VALUE_SEQUENCE ||
	       fail(c, QE_INPUT, "'%s' is not a sequence", v->name);
}

/* Counted from the end when below 0; past_end: the place behind the last item
 * may be named too, as an insertion may. */
static bool
position(Ctx *c, const Value *v, int count, bool past_end, int *out)
{
	int64_t at, limit = past_end ? (int64_t)count + 1 : count;

	if (v->kind != VALUE_TENSOR || !dtype_is_int(v->type) ||
	    shape_count(&v->shape) != 1)
		return fail(c, QE_INPUT, "position is not one integer");
	at = value_i64(v, 0);
	if (at < -(int64_t)count || at >= limit)
		return fail(c, QE_INPUT, "item %lld of %d", (long long)at,
		            count);
	*out = (int)(at < 0 ? at + count : at);
	return true;
}

/* ---- making and changing ---- */

bool
infer_sequence_construct(Ctx *c, Node *n)
{
	return want_same(c, n, 0, n->nin) &&
	       sequence_set(c, node_out(n, 0), n->in[0]->type);
}

bool
eval_sequence_construct(Ctx *c, Arena *a, Node *n)
{
	(void)c;
	n->out[0]->item = NEWV(a, Value *, n->nin);
	for (int i = 0; i < n->nin; i++)
		n->out[0]->item[i] = copy(a, n->in[i]);
	n->out[0]->nitem = n->nin;
	return true;
}

bool
infer_sequence_empty(Ctx *c, Node *n)
{
	int64_t t = attr_int(n, "dtype", 1);
	DType type = t > 0 && t < INT32_MAX ? dtype_by_onnx((int)t) : DT_NONE;

	return type ? sequence_set(c, node_out(n, 0), type)
	            : fail(c, QE_INPUT, "dtype %lld", (long long)t);
}

bool
eval_sequence_empty(Ctx *c, Arena *a, Node *n)
{
	(void)c;
	n->out[0]->item = NEWV(a, Value *, 1);
	n->out[0]->nitem = 0;
	return true;
}

bool
infer_sequence_same(Ctx *c, Node *n)
{
	return want_sequence(c, n->in[0]) &&
	       sequence_set(c, node_out(n, 0), n->in[0]->type);
}

/* Items are shared: a list that grows in a loop costs its pointers only. */
bool
eval_sequence_insert(Ctx *c, Arena *a, Node *n)
{
	const Value *s = n->in[0];
	Value *y = n->out[0];
	int at = s->nitem;

	if (n->in[1]->kind != VALUE_TENSOR)
		return fail(c, QE_INPUT, "'%s' is not a tensor",
		            n->in[1]->name);
	if (n->in[1]->type != s->type && s->nitem)
		return fail(c, QE_INPUT, "%s into %s",
		            dtypes[n->in[1]->type].name, dtypes[s->type].name);
	if (node_in(n, 2) && !position(c, n->in[2], s->nitem, true, &at))
		return false;
	y->nitem = s->nitem + 1;
	y->item = NEWV(a, Value *, y->nitem);
	for (int i = 0; i < s->nitem; i++)
		y->item[i + (i >= at)] = s->item[i];
	y->item[at] = copy(a, n->in[1]);
	return true;
}

bool
eval_sequence_erase(Ctx *c, Arena *a, Node *n)
{
	const Value *s = n->in[0];
	Value *y = n->out[0];
	int at = s->nitem - 1;

	if (!s->nitem)
		return fail(c, QE_INPUT, "the sequence is empty");
	if (node_in(n, 1) && !position(c, n->in[1], s->nitem, false, &at))
		return false;
	y->nitem = s->nitem - 1;
	y->item = NEWV(a, Value *, s->nitem);
	for (int i = 0; i < y->nitem; i++)
		y->item[i] = s->item[i + (i >= at)];
	return true;
}

/* ---- reading ---- */

/* The shape is that of whichever item is asked for: not known before. */
bool
infer_sequence_at(Ctx *c, Node *n)
{
	return want_sequence(c, n->in[0]) &&
	       value_set(c, node_out(n, 0), n->in[0]->type,
	                 &(Shape){.rank = -1});
}

bool
eval_sequence_at(Ctx *c, Arena *a, Node *n)
{
	const Value *s = n->in[0];
	int at;

	(void)a;
	if (!position(c, n->in[1], s->nitem, false, &at))
		return false;
	if (s->item[at]->kind != VALUE_TENSOR)
		return fail(c, QE_INPUT, "item %d is not a tensor", at);
	n->out[0]->type = s->item[at]->type;
	n->out[0]->shape = s->item[at]->shape;
	n->out[0]->data = s->item[at]->data;
	return true;
}

bool
infer_sequence_length(Ctx *c, Node *n)
{
	return want_sequence(c, n->in[0]) &&
	       value_set(c, node_out(n, 0), DT_I64, &(Shape){0});
}

bool
eval_sequence_length(Ctx *c, Arena *a, Node *n)
{
	(void)c, (void)a;
	store_i64(n->out[0], 0, 1, &(int64_t){n->in[0]->nitem});
	return true;
}

/* ---- to and from one tensor ---- */

/* Items beside each other along an axis they have. */
static bool
concatenate(Ctx *c, Arena *a, Value *y, Value *const *item, int n, int axis)
{
	int64_t xstep[MAXRANK], ystep[MAXRANK], at = 0;
	Shape s = item[0]->shape;

	s.dim[axis] = 0;
	for (int i = 0; i < n; i++) {
		const Shape *x = &item[i]->shape;

		if (item[i]->kind != VALUE_TENSOR || x->rank != s.rank ||
		    item[i]->type != item[0]->type)
			return fail(c, QE_INPUT, "%s and %s",
			            shape_text(&item[0]->shape).s,
			            shape_text(x).s);
		for (int d = 0; d < s.rank; d++)
			if (d != axis && x->dim[d] != s.dim[d])
				return fail(c, QE_INPUT, "%s and %s",
				            shape_text(&item[0]->shape).s,
				            shape_text(x).s);
		s.dim[axis] = add_size(s.dim[axis], x->dim[axis]);
	}
	if (!value_make(c, a, y, item[0]->type, &s))
		return false;
	shape_steps(&s, ystep);
	for (int i = 0; i < n; i++) {
		shape_steps(&item[i]->shape, xstep);
		elem_move(y, at * ystep[axis], ystep, item[i], 0, xstep,
		          &item[i]->shape);
		at += item[i]->shape.dim[axis];
	}
	return true;
}

bool
sequence_stack(Ctx *c, Arena *a, Value *y, Value *const *item, int n, int axis)
{
	Value **wide = NEWV(a, Value *, n);

	for (int i = 0; i < n; i++) {
		Shape *s;

		if (item[i]->kind != VALUE_TENSOR ||
		    item[i]->shape.rank >= MAXRANK)
			return fail(c, QE_INPUT, "item %d cannot be stacked",
			            i);
		wide[i] = copy(a, item[i]);
		s = &wide[i]->shape;
		if (axis > s->rank)
			return fail(c, QE_INPUT, "axis %d of rank %d", axis,
			            s->rank);
		memmove(s->dim + axis + 1, s->dim + axis,
		        (size_t)(s->rank - axis) * sizeof *s->dim);
		s->dim[axis] = 1;
		s->rank++;
	}
	return concatenate(c, a, y, wide, n, axis);
}

bool
eval_concat_from_sequence(Ctx *c, Arena *a, Node *n)
{
	const Value *s = n->in[0];
	bool fresh = attr_int(n, "new_axis", 0);
	int axis;

	if (!s->nitem)
		return fail(c, QE_INPUT, "the sequence is empty");
	if (!axis_arg(c, attr_int(n, "axis", 0), s->item[0]->shape.rank + fresh,
	              &axis))
		return false;
	return (fresh ? sequence_stack : concatenate)(c, a, n->out[0], s->item,
	                                              s->nitem, axis);
}

bool
infer_split_to_sequence(Ctx *c, Node *n)
{
	return sequence_set(c, node_out(n, 0), n->in[0]->type);
}

/* Size of part k: one each, a chunk, or as listed. */
static int64_t
part_size(const Value *split, int64_t k, int64_t left)
{
	if (!split)
		return 1;
	return split->shape.rank == 0 ? MIN(value_i64(split, 0), left)
	                              : value_i64(split, k);
}

/* keepdims matters only where no split is given: ONNX ignores it otherwise. */
static bool
add_part(Ctx *c, Arena *a, Node *n, int axis, int64_t at, int64_t size,
         size_t *cap)
{
	const Value *x = n->in[0];
	int64_t xstep[MAXRANK], ystep[MAXRANK];
	bool keep = node_in(n, 1) || attr_int(n, "keepdims", 1);
	Value *y = NEW(a, Value), *s = n->out[0];
	Shape part = x->shape;

	part.dim[axis] = size;
	y->name = "";
	if (!value_make(c, a, y, x->type, &part))
		return false;
	shape_steps(&x->shape, xstep);
	shape_steps(&part, ystep);
	elem_move(y, 0, ystep, x, at * xstep[axis], xstep, &part);
	for (int i = axis; !keep && i + 1 < y->shape.rank; i++)
		y->shape.dim[i] = y->shape.dim[i + 1];
	y->shape.rank -= !keep;
	PUSH(a, s->item, s->nitem, *cap, y);
	return true;
}

bool
eval_split_to_sequence(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *split = node_in(n, 1);
	int64_t whole, at = 0, size, parts;
	size_t cap = 0;
	int axis;

	if (x->kind != VALUE_TENSOR ||
	    (split && (split->kind != VALUE_TENSOR ||
	               !dtype_is_int(split->type) || split->shape.rank > 1)))
		return fail(c, QE_INPUT, "not a tensor to split, or parts");
	if (!axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis))
		return false;
	whole = x->shape.dim[axis];
	n->out[0]->item = NULL;
	n->out[0]->nitem = 0;
	parts = split && split->shape.rank ? shape_count(&split->shape) : -1;
	for (int64_t k = 0; parts < 0 ? at < whole : k < parts;
	     k++, at += size) {
		size = part_size(split, k, whole - at);
		if (size < 0 || size > whole - at || (!size && parts < 0))
			return fail(c, QE_INPUT, "part of %lld at %lld of %lld",
			            (long long)size, (long long)at,
			            (long long)whole);
		if (!add_part(c, a, n, axis, at, size, &cap))
			return false;
	}
	return at == whole || fail(c, QE_INPUT, "parts of %lld from %lld",
	                           (long long)at, (long long)whole);
}

/* ---- Optional ---- */

bool
infer_optional(Ctx *c, Node *n)
{
	const Attr *t = attr_find(n, "type");
	const Value *x = node_in(n, 0);

	if (!x && (!t || t->type != ATTR_TYPE))
		return fail(c, QE_INPUT, "neither a value nor a type");
	sequence_set(c, node_out(n, 0), x ? x->type : t->tp->type);
	if (node_out(n, 0))
		n->out[0]->kind = VALUE_OPTIONAL;
	return true;
}

bool
eval_optional(Ctx *c, Arena *a, Node *n)
{
	const Value *x = node_in(n, 0);

	(void)c;
	n->out[0]->item = NEWV(a, Value *, 1);
	n->out[0]->nitem = x != NULL;
	if (x)
		n->out[0]->item[0] = copy(a, x);
	return true;
}

/* From opset 18 a plain value may stand for an optional that has it. */
bool
infer_optional_has(Ctx *c, Node *n)
{
	return value_set(c, node_out(n, 0), DT_BOOL, &(Shape){0});
}

bool
eval_optional_has(Ctx *c, Arena *a, Node *n)
{
	const Value *x = node_in(n, 0);
	bool has = x && (x->kind != VALUE_OPTIONAL || x->nitem);

	(void)c, (void)a;
	store_i64(n->out[0], 0, 1, &(int64_t){has});
	return true;
}

bool
infer_optional_get(Ctx *c, Node *n)
{
	const Value *x = n->in[0];

	if (!value_set(c, node_out(n, 0), x->type, &x->shape))
		return false;
	if (!node_out(n, 0))
		return true;
	n->out[0]->kind = x->kind;
	if (x->kind != VALUE_OPTIONAL)
		return true;
	n->out[0]->shape.rank = -1;
	n->out[0]->kind =
		x->item && x->item[0] ? x->item[0]->kind : VALUE_TENSOR;
	return true;
}

bool
eval_optional_get(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];

	(void)a;
	if (x->kind == VALUE_OPTIONAL && !x->nitem)
		return fail(c, QE_INPUT, "there is no value");
	x = x->kind == VALUE_OPTIONAL ? x->item[0] : x;
	value_share(y, x);
	return true;
}
