/* SPDX-License-Identifier: BSD-3-Clause
 * shape.c - operators that look at shapes or only change them.
 *
 * Reshape, Squeeze, Unsqueeze, Flatten and Identity are views: the bytes of
 * the output are those of the input. */

#include "num.h"

/* The count is compared again: what infer could not know may not fit now. */
bool
eval_view(Ctx *c, Arena *a, Node *n)
{
	Value *y = n->out[0];
	const Value *x = n->in[0];

	(void)a;
	if (x->kind != VALUE_TENSOR) {
		y->item = x->item;
		y->nitem = x->nitem;
	} else if (shape_count(&x->shape) != shape_count(&y->shape)) {
		return fail(c, QE_INPUT, "%s as %s", shape_text(&x->shape).s,
		            shape_text(&y->shape).s);
	}
	y->data = x->data;
	return true;
}

/* The one view that may also hand on a sequence or an optional. */
bool
infer_identity(Ctx *c, Node *n)
{
	if (!value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape))
		return false;
	n->out[0]->kind = n->in[0]->kind;
	return true;
}

/* ---- Shape, Size ---- */

/* start and end (15) count from the end when below 0, and are clamped. */
static void
shape_range(const Node *n, int rank, int *from, int *to)
{
	int64_t s = attr_int(n, "start", 0), e = attr_int(n, "end", rank);

	s = s < 0 ? s + rank : s;
	e = e < 0 ? e + rank : e;
	*from = (int)MAX(0, MIN(s, rank));
	*to = (int)MAX(*from, MIN(e, rank));
}

bool
infer_shape(Ctx *c, Node *n)
{
	int rank = n->in[0]->shape.rank, from, to;
	Shape y = {1, {-1}};

	if (rank >= 0) {
		shape_range(n, rank, &from, &to);
		y.dim[0] = to - from;
	}
	return value_set(c, node_out(n, 0), DT_I64, &y);
}

bool
eval_shape(Ctx *c, Arena *a, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	int from, to;

	(void)c, (void)a;
	shape_range(n, x->rank, &from, &to);
	store_i64(n->out[0], 0, to - from, x->dim + from);
	return true;
}

bool
infer_size(Ctx *c, Node *n)
{
	return value_set(c, node_out(n, 0), DT_I64, &(Shape){0});
}

bool
eval_size(Ctx *c, Arena *a, Node *n)
{
	int64_t size = shape_count(&n->in[0]->shape);

	(void)c, (void)a;
	store_i64(n->out[0], 0, 1, &size);
	return true;
}

/* ---- Reshape ---- */

/* One dimension of -1 takes what is left. */
static bool
fill_rest(Ctx *c, const Shape *x, Shape *y, int rest)
{
	int64_t have = shape_count(x), count;

	if (rest < 0)
		return have < 0 || have == shape_count(y) ||
		       fail(c, QE_INPUT, "%s as %s", shape_text(x).s,
		            shape_text(y).s);
	y->dim[rest] = 1;
	count = shape_count(y);
	y->dim[rest] = -1;
	if (have < 0 || count < 0)
		return true;
	if (count == 0 ? have != 0 : have % count)
		return fail(c, QE_INPUT, "%s as %s", shape_text(x).s,
		            shape_text(y).s);
	y->dim[rest] = count ? have / count : 0;
	return true;
}

/* A 0 copies the dimension of x at the same place, unless allowzero (14). */
static bool
reshape(Ctx *c, const Ints *want, bool allow_zero, const Shape *x, Shape *y)
{
	int rest = -1;

	for (int i = 0; i < y->rank; i++) {
		int64_t d = ints_at(want, i);

		if (d < -1 ||
		    (d == 0 && !allow_zero && x->rank >= 0 && i >= x->rank))
			return fail(c, QE_INPUT, "dimension %d: %lld", i,
			            (long long)d);
		if (d == -1 && rest >= 0)
			return fail(c, QE_INPUT, "two dimensions of -1");
		if (d == -1)
			rest = i;
		if (d == 0 && !allow_zero)
			d = x->rank < 0 ? -1 : x->dim[i];
		y->dim[i] = d;
	}
	/* an unknown dimension that is copied cannot be the rest */
	for (int i = 0; i < y->rank; i++)
		if (y->dim[i] < 0 && i != rest)
			return true;
	return fill_rest(c, x, y, rest);
}

/* What both sides copy (0) cancels, so [b,s,64] as [0,0,-1] is known. */
static void
cancel_copied(const Ints *want, Shape *x, Shape *y)
{
	int64_t left = 1;
	int rest = -1, nx = 0;

	for (int i = 0; i < y->rank; i++) {
		int64_t d = ints_at(want, i);

		if (d == -1)
			rest = i;
		else if (d != 0)
			left = mul_size(left, d);
		else if (i < x->rank)
			x->dim[i] = 1;
	}
	for (int i = 0; i < x->rank; i++)
		nx += x->dim[i] < 0;
	if (rest >= 0 && x->rank >= 0 && !nx && left > 0 &&
	    shape_count(x) % left == 0)
		y->dim[rest] = shape_count(x) / left;
}

bool
infer_reshape(Ctx *c, Node *n)
{
	bool allow_zero = attr_int(n, "allowzero", 0);
	Shape x = n->in[0]->shape, y = {.rank = -1};
	Ints want;

	if (!ints_arg(c, n, 1, "shape", &want))
		return false;
	if (!want.given)
		return fail(c, QE_INPUT, "no shape");
	if (want.n > MAXRANK)
		return fail(c, QE_INPUT, "rank %lld, at most %d",
		            (long long)want.n, MAXRANK);
	y.rank = (int)want.n;
	for (int i = 0; i < y.rank; i++)
		y.dim[i] = -1;
	if (want.known && !reshape(c, &want, allow_zero, &x, &y))
		return false;
	if (want.known && !allow_zero && !shape_known(&y))
		cancel_copied(&want, &x, &y);
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* axis may be the rank: everything is then before it, [count, 1]. */
bool
infer_flatten(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	int64_t axis = attr_int(n, "axis", 1);
	Shape y = {2, {-1, -1}};

	if (x->rank >= 0) {
		if (axis < -x->rank || axis > x->rank)
			return fail(c, QE_INPUT, "axis %lld of rank %d",
			            (long long)axis, x->rank);
		axis = axis < 0 ? axis + x->rank : axis;
		y.dim[0] = shape_span(x, 0, (int)axis);
		y.dim[1] = shape_span(x, (int)axis, x->rank);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Without axes every 1 goes, which can be told only when all are known. */
bool
infer_squeeze(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	Shape y = {.rank = -1};
	bool gone[MAXRANK];
	Ints axes;

	if (!ints_arg(c, n, 1, "axes", &axes))
		return false;
	if (x->rank < 0 || (axes.given && !axes.known) ||
	    (!axes.given && !shape_known(x)))
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (!axes.given)
		for (int i = 0; i < x->rank; i++)
			gone[i] = x->dim[i] == 1;
	else if (!axes_arg(c, &axes, x->rank, gone))
		return false;
	y.rank = 0;
	for (int i = 0; i < x->rank; i++) {
		if (!gone[i])
			y.dim[y.rank++] = x->dim[i];
		else if (x->dim[i] > 1)
			return fail(c, QE_INPUT, "axis %d of %s", i,
			            shape_text(x).s);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Axes count in the rank of the output, negative ones too. */
bool
infer_unsqueeze(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	Shape y = {.rank = -1};
	bool fresh[MAXRANK];
	Ints axes;
	int from = 0;

	if (!ints_arg(c, n, 1, "axes", &axes))
		return false;
	if (!axes.given)
		return fail(c, QE_INPUT, "no axes");
	if (x->rank < 0 || !axes.known)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (x->rank + axes.n > MAXRANK)
		return fail(c, QE_INPUT, "rank %lld, at most %d",
		            (long long)(x->rank + axes.n), MAXRANK);
	y.rank = x->rank + (int)axes.n;
	if (!axes_arg(c, &axes, y.rank, fresh))
		return false;
	for (int i = 0; i < y.rank; i++)
		y.dim[i] = fresh[i] ? 1 : x->dim[from++];
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* ---- constants ---- */

/* A constant's value comes in one of several attributes. */
bool
infer_constant(Ctx *c, Node *n)
{
	const Attr *a = n->nattr == 1 ? &n->attr[0] : NULL;
	Value *y = node_out(n, 0);

	if (a && a->type == ATTR_TENSOR && strcmp(a->name, "value") == 0)
		return value_set(c, y, a->t->type, &a->t->shape);
	if (a && a->type == ATTR_FLOAT)
		return value_set(c, y, DT_F32, &(Shape){0});
	if (a && a->type == ATTR_INT)
		return value_set(c, y, DT_I64, &(Shape){0});
	if (a && a->type == ATTR_STRING)
		return value_set(c, y, DT_STRING, &(Shape){0});
	if (a && a->type == ATTR_FLOATS)
		return value_set(c, y, DT_F32, &(Shape){1, {a->n}});
	if (a && a->type == ATTR_INTS)
		return value_set(c, y, DT_I64, &(Shape){1, {a->n}});
	if (a && a->type == ATTR_STRINGS)
		return value_set(c, y, DT_STRING, &(Shape){1, {a->n}});
	return fail(c, QE_INPUT, "no value");
}

bool
eval_constant(Ctx *c, Arena *a, Node *n)
{
	const Attr *v = &n->attr[0];
	float f = (float)v->f;
	const void *from = v->type == ATTR_FLOAT    ? (const void *)&f
	                   : v->type == ATTR_INT    ? (const void *)&v->i
	                   : v->type == ATTR_STRING ? (const void *)&v->s
	                   : v->type == ATTR_FLOATS ? (const void *)v->floats
	                   : v->type == ATTR_INTS   ? (const void *)v->ints
	                                            : v->strings;
	Value *y = n->out[0];

	if (v->type == ATTR_TENSOR) {
		y->data = v->t->data;
		return y->data.mem || (y->data.mem = blob_data(c, a, &y->data));
	}
	if (y->data.len)
		memcpy(value_bytes(y), from, (size_t)y->data.len);
	return true;
}

/* A shape given by an input, of dimensions not below 0. */
static bool
shape_arg(Ctx *c, const Node *n, int k, Shape *y)
{
	Ints want;

	y->rank = -1;
	if (!ints_arg(c, n, k, NULL, &want))
		return false;
	if (want.n > MAXRANK)
		return fail(c, QE_INPUT, "rank %lld, at most %d",
		            (long long)want.n, MAXRANK);
	y->rank = (int)want.n;
	for (int i = 0; i < y->rank; i++) {
		y->dim[i] = want.known ? ints_at(&want, i) : -1;
		if (want.known && y->dim[i] < 0)
			return fail(c, QE_INPUT, "dimension %d: %lld", i,
			            (long long)y->dim[i]);
	}
	return true;
}

bool
infer_constant_of_shape(Ctx *c, Node *n)
{
	const Attr *v = attr_find(n, "value");
	Shape y;

	if (v && (v->type != ATTR_TENSOR || shape_count(&v->t->shape) != 1))
		return fail(c, QE_INPUT, "value is not one element");
	return shape_arg(c, n, 0, &y) &&
	       value_set(c, node_out(n, 0), v ? v->t->type : DT_F32, &y);
}

bool
eval_constant_of_shape(Ctx *c, Arena *a, Node *n)
{
	const Attr *v = attr_find(n, "value");
	const int64_t zero[MAXRANK] = {0};
	int64_t step[MAXRANK];
	Value *y = n->out[0], one;

	if (!v)
		return true; /* zeros, as allocated */
	one = *v->t;
	if (!one.data.mem && !(one.data.mem = blob_data(c, a, &one.data)))
		return false;
	shape_steps(&y->shape, step);
	elem_move(y, 0, step, &one, 0, zero, &y->shape);
	return true;
}

/* Both ways, unlike numpy.broadcast_to: a 1 in the shape takes what x has. */
bool
infer_expand(Ctx *c, Node *n)
{
	Shape y;

	return shape_arg(c, n, 1, &y) &&
	       shape_broadcast(c, &y, &n->in[0]->shape) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_expand(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];
	int64_t xstep[MAXRANK] = {0}, dense[MAXRANK], ystep[MAXRANK];
	int pad = y->shape.rank - x->shape.rank;

	(void)c, (void)a;
	shape_steps(&x->shape, dense);
	shape_steps(&y->shape, ystep);
	for (int i = 0; i < x->shape.rank; i++)
		if (x->shape.dim[i] != 1)
			xstep[pad + i] = dense[i];
	elem_move(y, 0, ystep, x, 0, xstep, &y->shape);
	return true;
}

/* ---- Range, EyeLike ---- */

/* Bounds may be tensors of one element and any rank: exporters do that. */
bool
infer_range(Ctx *c, Node *n)
{
	const Value *v[] = {node_known(n, 0), node_known(n, 1),
	                    node_known(n, 2)};
	Shape y = {1, {-1}};
	double count;

	if (!want_same(c, n, 0, 3))
		return false;
	for (int i = 0; i < 3; i++)
		if (shape_known(&n->in[i]->shape) &&
		    shape_count(&n->in[i]->shape) != 1)
			return fail(c, QE_INPUT,
			            "input %d: %s, wanted one element", i,
			            shape_text(&n->in[i]->shape).s);
	if (v[0] && v[1] && v[2]) {
		double from = value_f64(v[0], 0), to = value_f64(v[1], 0);
		double step = value_f64(v[2], 0);

		count = (to - from) / step;
		if (step == 0 || count != count || count > 0x1p40)
			return fail(c, QE_INPUT, "from %g to %g by %g", from,
			            to, step);
		y.dim[0] = count > 0 ? (int64_t)count : 0;
		y.dim[0] += count > 0 && (double)y.dim[0] < count;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Each element from its index and not from the one before it: no error adds
 * up. */
bool
eval_range(Ctx *c, Arena *a, Node *n)
{
	Value *y = n->out[0];
	int64_t count = shape_count(&y->shape);

	(void)c, (void)a;
	for (int64_t i = 0; i < count; i++)
		if (dtype_is_float(y->type)) {
			double x = value_f64(n->in[0], 0) +
			           (double)i * value_f64(n->in[2], 0);

			store_f64(y, i, 1, &x);
		} else {
			uint64_t x =
				(uint64_t)value_i64(n->in[0], 0) +
				(uint64_t)i * (uint64_t)value_i64(n->in[2], 0);

			store_i64(y, i, 1, &(int64_t){(int64_t)x});
		}
	return true;
}
