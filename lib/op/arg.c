/* SPDX-License-Identifier: BSD-3-Clause
 * arg.c - inputs, attributes, axes: read and checked.
 *
 * Graphs come from outside: every axis, rank and count is checked here or in
 * the caller before it is used as an index. */

#include "num.h"

enum {
	OUTBITS = 40,  /* no output is larger than 2^40 bytes */
	SIZEBITS = 48, /* nor are its dimensions, whatever is 0 */
};

Value *
node_in(const Node *n, int k)
{
	return k >= 0 && k < n->nin ? n->in[k] : NULL;
}

Value *
node_out(const Node *n, int k)
{
	return k < n->nout ? n->out[k] : NULL;
}

const Value *
node_known(const Node *n, int k)
{
	const Value *v = node_in(n, k);

	return v && v->data.mem && shape_known(&v->shape) ? v : NULL;
}

bool
ints_arg(Ctx *c, const Node *n, int k, const char *attr, Ints *l)
{
	const Value *v = node_in(n, k);
	int count = attr ? attr_ints(n, attr, &l->attr) : -1;

	l->v = NULL;
	l->n = count;
	l->given = l->known = count >= 0;
	if (!v)
		return true;
	if (v->shape.rank > 1)
		return fail(c, QE_INPUT, "input %d: %s, wanted one dimension",
		            k, shape_text(&v->shape).s);
	if (v->type && v->type != DT_I64 && v->type != DT_I32)
		return fail(c, QE_INPUT, "input %d: %s, wanted int64", k,
		            dtypes[v->type].name);
	l->attr = NULL;
	l->given = true;
	l->n = v->shape.rank < 0 ? -1 : shape_count(&v->shape);
	l->v = node_known(n, k);
	l->known = l->v != NULL;
	return true;
}

int64_t
ints_at(const Ints *l, int64_t i)
{
	return l->v ? value_i64(l->v, i) : l->attr[i];
}

bool
axis_arg(Ctx *c, int64_t axis, int rank, int *out)
{
	if (axis < -rank || axis >= rank)
		return fail(c, QE_INPUT, "axis %lld of rank %d",
		            (long long)axis, rank);
	*out = (int)(axis < 0 ? axis + rank : axis);
	return true;
}

bool
axes_arg(Ctx *c, const Ints *l, int rank, bool *out)
{
	int axis = 0;

	memset(out, 0, MAXRANK * sizeof *out);
	for (int64_t i = 0; i < l->n; i++) {
		if (!axis_arg(c, ints_at(l, i), rank, &axis))
			return false;
		if (out[axis])
			return fail(c, QE_INPUT, "axis %d twice", axis);
		out[axis] = true;
	}
	return true;
}

bool
want_scalar(Ctx *c, const Node *n, int k)
{
	const Value *v = node_in(n, k);

	if (v && shape_known(&v->shape) && shape_count(&v->shape) != 1)
		return fail(c, QE_INPUT, "input %d: %s, wanted one element", k,
		            shape_text(&v->shape).s);
	return true;
}

/* The other dimensions beside a 0 are sizes too. */
bool
shape_sane(Ctx *c, const Shape *s)
{
	int64_t n = 1;

	for (int i = 0; i < s->rank && n >= 0; i++)
		n = mul_size(n, MAX(1, s->dim[i]));
	return (n >= 0 && n >> SIZEBITS == 0) ||
	       fail(c, QE_INPUT, "%s is too large", shape_text(s).s);
}

bool
value_set(Ctx *c, Value *v, DType type, const Shape *s)
{
	if (!v)
		return true;
	if (!shape_sane(c, s))
		return false;
	if (s->rank > MAXRANK)
		return fail(c, QE_INPUT, "rank %d, at most %d", s->rank,
		            MAXRANK);
	v->kind = VALUE_TENSOR;
	v->type = type;
	v->shape = *s;
	return true;
}

bool
want_same(Ctx *c, const Node *n, int from, int to)
{
	DType t = DT_NONE;

	for (int i = from; i < to; i++) {
		const Value *v = node_in(n, i);

		if (!v || !v->type)
			continue;
		if (t && v->type != t)
			return fail(c, QE_INPUT, "%s and %s, wanted one type",
			            dtypes[t].name, dtypes[v->type].name);
		t = v->type;
	}
	return true;
}

bool
want_rank(Ctx *c, const Node *n, int k, int rank)
{
	const Value *v = node_in(n, k);

	if (v && v->shape.rank >= 0 && v->shape.rank != rank)
		return fail(c, QE_INPUT, "input %d: %s, wanted rank %d", k,
		            shape_text(&v->shape).s, rank);
	return true;
}

bool
want_class(Ctx *c, const Node *n, int k, const char *classes)
{
	const Value *v = node_in(n, k);

	if (v && v->type && !strchr(classes, dtypes[v->type].class))
		return fail(c, QE_INPUT, "input %d: type %s", k,
		            dtypes[v->type].name);
	return true;
}

/* A dimension not known takes what the other says, unless that is 1. */
bool
shape_broadcast(Ctx *c, Shape *y, const Shape *x)
{
	Shape r = {MAX(y->rank, x->rank), {0}};

	if (y->rank < 0 || x->rank < 0) {
		y->rank = -1;
		return true;
	}
	for (int i = 0; i < r.rank; i++) {
		int iy = i - (r.rank - y->rank), ix = i - (r.rank - x->rank);
		int64_t p = iy < 0 ? 1 : y->dim[iy];
		int64_t q = ix < 0 ? 1 : x->dim[ix];

		if (p != q && p != 1 && q != 1 && p >= 0 && q >= 0)
			return fail(c, QE_INPUT, "%s and %s do not broadcast",
			            shape_text(y).s, shape_text(x).s);
		r.dim[i] = p == 1 ? q : q == 1 || q < 0 ? p : q;
	}
	*y = r;
	return true;
}

bool
value_alloc(Ctx *c, Arena *a, Value *v)
{
	int64_t size = dtype_bytes(v->type, shape_count(&v->shape));

	if (!v->type || size < 0 || size >> OUTBITS)
		return fail(c, QE_INPUT, "output '%s': %s%s has no size",
		            v->name ? v->name : "", dtypes[v->type].name,
		            shape_text(&v->shape).s);
	if ((size_t)size > arena_room(a))
		return fail(c, QE_NOMEM,
		            "output '%s': %s%s is %lld bytes, %zu are left",
		            v->name ? v->name : "", dtypes[v->type].name,
		            shape_text(&v->shape).s, (long long)size,
		            arena_room(a));
	v->data = (Blob){.mem = arena_alloc(a, (size_t)size), .len = size};
	return true;
}

bool
value_make(Ctx *c, Arena *a, Value *v, DType type, const Shape *s)
{
	if (!v)
		return true;
	v->kind = VALUE_TENSOR;
	v->type = type;
	v->shape = *s;
	return value_alloc(c, a, v);
}

static void
copy_texts(Arena *a, Value *v)
{
	Span *s = value_bytes(v);

	for (int64_t i = 0; i < v->data.len / (int64_t)sizeof *s; i++)
		s[i].p = arena_span(a, s[i]);
}

void
value_share(Value *y, const Value *x)
{
	if (!y)
		return;
	y->kind = x->kind;
	y->type = x->type;
	y->shape = x->shape;
	y->data = x->data;
	y->item = x->item;
	y->nitem = x->nitem;
}

bool
value_copy(Ctx *c, Arena *a, Value *y, const Value *x)
{
	value_share(y, x);
	y->item = NULL;
	y->data = (Blob){0};
	if (x->kind == VALUE_TENSOR) {
		if (!value_alloc(c, a, y))
			return false;
		if (y->data.len)
			memcpy(value_bytes(y), x->data.mem,
			       (size_t)y->data.len);
		if (y->type == DT_STRING)
			copy_texts(a, y);
		return true;
	}
	y->item = NEWV(a, Value *, x->nitem + 1);
	for (int i = 0; i < x->nitem; i++) {
		y->item[i] = NEW(a, Value);
		y->item[i]->name = "";
		if (!value_copy(c, a, y->item[i], x->item[i]))
			return false;
	}
	/* while an optional is empty, item[0] tells its type */
	if (x->kind == VALUE_OPTIONAL && !x->nitem && x->item && x->item[0])
		y->item[0] = arena_copy(a, x->item[0], sizeof(Value));
	return true;
}

int64_t
shape_span(const Shape *s, int from, int to)
{
	Shape part = {to - from, {0}};

	for (int i = from; i < to; i++)
		part.dim[i - from] = s->dim[i];
	return shape_count(&part);
}
