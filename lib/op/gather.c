/* SPDX-License-Identifier: BSD-3-Clause
 * gather.c - reading and writing at positions held in a tensor.
 *
 * Negative indices count from the end; anything else outside is an error.
 * Indices may be int32 where ONNX says int64. */

#include "num.h"

/* An index into a dimension, or -1 with a failure. */
static int64_t
index_at(Ctx *c, const Value *v, int64_t i, int64_t dim)
{
	int64_t k = value_i64(v, i);

	if (k < -dim || k >= dim) {
		fail(c, QE_INPUT, "index %lld of %lld", (long long)k,
		     (long long)dim);
		return -1;
	}
	return k < 0 ? k + dim : k;
}

static bool
want_index(Ctx *c, const Node *n, int k)
{
	return want_class(c, n, k, "I");
}

/* ---- Gather ---- */

/* Gather: the axis of x is replaced by the dimensions of the indices, so a
 * scalar index takes the axis away. */
bool
infer_gather(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *ix = &n->in[1]->shape;
	Shape y = {.rank = -1};
	int axis;

	if (!want_index(c, n, 1))
		return false;
	if (x->rank < 0 || ix->rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (!axis_arg(c, attr_int(n, "axis", 0), x->rank, &axis))
		return false;
	if (x->rank + ix->rank - 1 > MAXRANK)
		return fail(c, QE_INPUT, "rank %d, at most %d",
		            x->rank + ix->rank - 1, MAXRANK);
	y.rank = 0;
	for (int i = 0; i < axis; i++)
		y.dim[y.rank++] = x->dim[i];
	for (int i = 0; i < ix->rank; i++)
		y.dim[y.rank++] = ix->dim[i];
	for (int i = axis + 1; i < x->rank; i++)
		y.dim[y.rank++] = x->dim[i];
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_gather(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *ix = n->in[1];
	int64_t count = shape_count(&ix->shape), outer, inner, dim, k;
	int axis;

	(void)a;
	if (!axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis))
		return false;
	outer = shape_span(&x->shape, 0, axis);
	inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	dim = x->shape.dim[axis];
	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < count; i++) {
			k = index_at(c, ix, i, dim);
			if (k < 0)
				return false;
			elem_copy(n->out[0], (o * count + i) * inner, x,
			          (o * dim + k) * inner, inner);
		}
	return true;
}

/* ---- GatherElements, ScatterElements ---- */

/* For axis 0: y[i][j] = x[index[i][j]][j]; y has the shape of the indices. */
bool
infer_gather_elements(Ctx *c, Node *n)
{
	int rank = n->in[0]->shape.rank, axis;

	return want_index(c, n, 1) &&
	       (rank < 0 ||
	        (want_rank(c, n, 1, rank) &&
	         axis_arg(c, attr_int(n, "axis", 0), rank, &axis))) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[1]->shape);
}

/* Offset into x of element i of the indices, or -1. */
static int64_t
place(Ctx *c, const Shape *x, const Value *ix, int axis, int64_t i)
{
	int64_t off = 0, step = 1, rest = i, at;

	for (int d = x->rank - 1; d >= 0; d--) {
		at = rest % ix->shape.dim[d];
		rest /= ix->shape.dim[d];
		if (d == axis && (at = index_at(c, ix, i, x->dim[d])) < 0)
			return -1;
		off += at * step;
		step *= x->dim[d];
	}
	return off;
}

/* Indices reach no further than x on the axes that are not indexed. */
static bool
fits(Ctx *c, const Shape *x, const Shape *ix, int axis)
{
	for (int d = 0; d < x->rank; d++)
		if (d != axis && ix->dim[d] > x->dim[d])
			return fail(c, QE_INPUT, "indices %s for %s",
			            shape_text(ix).s, shape_text(x).s);
	return true;
}

bool
eval_gather_elements(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *ix = n->in[1];
	int64_t off;
	int axis;

	(void)a;
	if (!axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis) ||
	    !fits(c, &x->shape, &ix->shape, axis))
		return false;
	for (int64_t i = 0; i < shape_count(&ix->shape); i++) {
		off = place(c, &x->shape, ix, axis, i);
		if (off < 0)
			return false;
		elem_copy(n->out[0], i, x, off, 1);
	}
	return true;
}

/* Scatter, ScatterElements, ScatterND: x, with updates put where the indices
 * say.  Of a place named twice the last update stays; ONNX leaves that open. */
bool
infer_scatter(Ctx *c, Node *n)
{
	return want_index(c, n, 1) && want_same(c, n, 0, 1) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

typedef enum Reduce {
	REDUCE_NONE,
	REDUCE_ADD,
	REDUCE_MUL,
	REDUCE_MIN,
	REDUCE_MAX
} Reduce;

static bool
reduce_arg(Ctx *c, const Node *n, Reduce *r)
{
	static const char *const names[] = {"none", "add", "mul", "min", "max"};
	const char *name = attr_str(n, "reduction", "none");

	for (size_t i = 0; i < LEN(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*r = (Reduce)i;
			return true;
		}
	return fail(c, QE_INPUT, "reduction '%s'", name);
}

/* A NaN on either side of min and max stays. */
static double
combine_f64(Reduce r, double a, double b)
{
	return r == REDUCE_ADD   ? a + b
	       : r == REDUCE_MUL ? a * b
	       : r == REDUCE_MIN ? (a < b || a != a ? a : b)
	                         : (a > b || a != a ? a : b);
}

static int64_t
combine_i64(Reduce r, int64_t a, int64_t b, bool is_unsigned)
{
	bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;

	return r == REDUCE_ADD   ? (int64_t)((uint64_t)a + (uint64_t)b)
	       : r == REDUCE_MUL ? (int64_t)((uint64_t)a * (uint64_t)b)
	       : r == REDUCE_MIN ? (less ? a : b)
	                         : (less ? b : a);
}

/* y[at..] = y[at..] (reduction) x[from..] */
static void
put(Reduce r, Value *y, int64_t at, const Value *x, int64_t from, int64_t n)
{
	if (r == REDUCE_NONE) {
		elem_copy(y, at, x, from, n);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		if (dtype_is_float(y->type)) {
			double v = combine_f64(r, value_f64(y, at + i),
			                       value_f64(x, from + i));

			store_f64(y, at + i, 1, &v);
		} else {
			int64_t v = combine_i64(r, value_i64(y, at + i),
			                        value_i64(x, from + i),
			                        dtypes[y->type].class == 'U');

			store_i64(y, at + i, 1, &v);
		}
}

static void
copy_all(Value *y, const Value *x)
{
	elem_copy(y, 0, x, 0, shape_count(&x->shape));
}

static bool
reducible(Ctx *c, Reduce r, DType t)
{
	return r == REDUCE_NONE || dtype_is_float(t) || dtype_is_int(t) ||
	       fail(c, QE_INPUT, "reduction for type %s", dtypes[t].name);
}

bool
eval_scatter_elements(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *ix = n->in[1], *u = n->in[2];
	int64_t off;
	Reduce r;
	int axis;

	(void)a;
	if (ix->shape.rank != x->shape.rank ||
	    !shape_eq(&ix->shape, &u->shape) || u->type != x->type)
		return fail(c, QE_INPUT, "data %s, indices %s, updates %s",
		            shape_text(&x->shape).s, shape_text(&ix->shape).s,
		            shape_text(&u->shape).s);
	if (!reduce_arg(c, n, &r) || !reducible(c, r, x->type) ||
	    !axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis) ||
	    !fits(c, &x->shape, &ix->shape, axis))
		return false;
	copy_all(n->out[0], x);
	for (int64_t i = 0; i < shape_count(&ix->shape); i++) {
		off = place(c, &x->shape, ix, axis, i);
		if (off < 0)
			return false;
		put(r, n->out[0], off, u, i, 1);
	}
	return true;
}

/* ---- GatherND, ScatterND ---- */

/* GatherND: the last dimension of the indices is a tuple into x behind
 * batch_dims (12) dimensions that both have; y is the other dimensions of the
 * indices, then what is left of x. */
bool
infer_gather_nd(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *ix = &n->in[1]->shape;
	int64_t batch = attr_int(n, "batch_dims", 0), depth;
	Shape y = {.rank = -1};

	if (!want_index(c, n, 1))
		return false;
	if (x->rank < 0 || ix->rank < 1 || ix->dim[ix->rank - 1] < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	depth = ix->dim[ix->rank - 1];
	if (batch < 0 || batch >= ix->rank || depth > x->rank ||
	    batch + depth > x->rank)
		return fail(c, QE_INPUT,
		            "indices %s for %s with batch_dims %lld",
		            shape_text(ix).s, shape_text(x).s,
		            (long long)batch);
	for (int i = 0; i < batch; i++)
		if (x->dim[i] >= 0 && ix->dim[i] >= 0 &&
		    x->dim[i] != ix->dim[i])
			return fail(c, QE_INPUT, "batches of %s and %s",
			            shape_text(x).s, shape_text(ix).s);
	y.rank = ix->rank - 1 + x->rank - (int)(batch + depth);
	if (y.rank > MAXRANK)
		return fail(c, QE_INPUT, "rank %d, at most %d", y.rank,
		            MAXRANK);
	for (int i = 0; i < ix->rank - 1; i++)
		y.dim[i] = ix->dim[i];
	for (int i = (int)(batch + depth), k = ix->rank - 1; i < x->rank; i++)
		y.dim[k++] = x->dim[i];
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Offset, in slices of x below dimension first + depth, of index tuple i. */
static int64_t
slice_at(Ctx *c, const Shape *x, int first, int64_t depth, const Value *ix,
         int64_t i)
{
	int64_t off = 0, k;

	for (int d = 0; d < depth; d++) {
		k = index_at(c, ix, i * depth + d, x->dim[first + d]);
		if (k < 0)
			return -1;
		off = off * x->dim[first + d] + k;
	}
	return off;
}

bool
eval_gather_nd(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *ix = n->in[1];
	int batch = (int)attr_int(n, "batch_dims", 0);
	int64_t depth = ix->shape.dim[ix->shape.rank - 1];
	int end = batch + (int)depth;
	int64_t outer = shape_span(&ix->shape, 0, batch);
	int64_t each = shape_span(&ix->shape, batch, ix->shape.rank - 1);
	int64_t inner = shape_span(&x->shape, end, x->shape.rank);
	int64_t slices = shape_span(&x->shape, batch, end), off;

	(void)a;
	for (int64_t i = 0; i < outer * each; i++) {
		off = slice_at(c, &x->shape, batch, depth, ix, i);
		if (off < 0)
			return false;
		elem_copy(n->out[0], i * inner, x,
		          (i / each * slices + off) * inner, inner);
	}
	return true;
}

/* updates are [indices[:-1], data[depth:]] */
static bool
updates_fit(Ctx *c, const Shape *x, const Shape *ix, const Shape *u)
{
	int depth = ix->rank < 1 ? -1 : (int)ix->dim[ix->rank - 1];
	bool ok = ix->rank >= 1 && ix->dim[ix->rank - 1] <= x->rank &&
	          u->rank == ix->rank - 1 + x->rank - depth;

	for (int i = 0; ok && i < u->rank; i++)
		ok = u->dim[i] ==
		     (i < ix->rank - 1 ? ix->dim[i]
		                       : x->dim[i - (ix->rank - 1) + depth]);
	return ok || fail(c, QE_INPUT, "data %s, indices %s, updates %s",
	                  shape_text(x).s, shape_text(ix).s, shape_text(u).s);
}

/* The whole of x is copied first: updates of no index leave it as it was. */
bool
eval_scatter_nd(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *ix = n->in[1], *u = n->in[2];
	int64_t depth, count, inner, off;
	Reduce r;

	(void)a;
	if (!updates_fit(c, &x->shape, &ix->shape, &u->shape) ||
	    !reduce_arg(c, n, &r) || !reducible(c, r, x->type))
		return false;
	if (u->type != x->type)
		return fail(c, QE_INPUT, "data %s, updates %s",
		            dtypes[x->type].name, dtypes[u->type].name);
	depth = ix->shape.dim[ix->shape.rank - 1];
	count = shape_span(&ix->shape, 0, ix->shape.rank - 1);
	inner = shape_span(&x->shape, (int)depth, x->shape.rank);
	copy_all(n->out[0], x);
	for (int64_t i = 0; i < count; i++) {
		off = slice_at(c, &x->shape, 0, depth, ix, i);
		if (off < 0)
			return false;
		put(r, n->out[0], off * inner, u, i * inner, inner);
	}
	return true;
}
