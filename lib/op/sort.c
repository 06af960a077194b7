/* SPDX-License-Identifier: BSD-3-Clause
 * sort.c - TopK and what else puts elements in order.
 *
 * Order of equal elements: by index, so results do not depend on the
 * sorting algorithm. */

#include <math.h>
#include <stdlib.h>

#include "num.h"

typedef struct Key {
	double f;
	int64_t i; /* unsigned with the top bit turned */
	int64_t index;
} Key;

static int
by_value(const Key *p, const Key *q)
{
	/* NaN is larger than everything */
	if (p->f != p->f || q->f != q->f)
		return (p->f != p->f) - (q->f != q->f);
	if (p->f != q->f)
		return p->f < q->f ? -1 : 1;
	return p->i < q->i ? -1 : p->i > q->i;
}

static int
ascending(const void *a, const void *b)
{
	const Key *p = a, *q = b;
	int r = by_value(p, q);

	return r ? r : p->index < q->index ? -1 : p->index > q->index;
}

/* Not ascending() turned round: of equal elements the lower index comes first
 * both ways, as ONNX asks. */
static int
descending(const void *a, const void *b)
{
	const Key *p = a, *q = b;
	int r = by_value(q, p);

	return r ? r : p->index < q->index ? -1 : p->index > q->index;
}

static void
load_keys(const Value *x, int64_t at, int64_t step, int64_t n, Key *k)
{
	uint64_t turn = dtypes[x->type].class == 'U' ? 1ull << 63 : 0;

	for (int64_t i = 0; i < n; i++) {
		k[i] = (Key){.index = i};
		if (dtype_is_float(x->type))
			k[i].f = value_f64(x, at + i * step);
		else
			k[i].i = (int64_t)((uint64_t)value_i64(x,
			                                       at + i * step) ^
			                   turn);
	}
}

/* k: an attribute, then (10) an input */
static bool
topk_arg(Ctx *c, const Node *n, int64_t *k)
{
	const Value *v = node_known(n, 1);

	*k = n->op->since < 10 ? attr_int(n, "k", -1) : v ? -2 : -1;
	if (*k == -2) {
		if (shape_count(&v->shape) != 1)
			return fail(c, QE_INPUT, "k is not one element");
		*k = value_i64(v, 0);
		if (*k < 0)
			return fail(c, QE_INPUT, "k is %lld", (long long)*k);
	}
	return true;
}

/* TopK: values and their int64 positions along an axis, in order even where
 * `sorted` leaves that open.  largest and sorted came with 11. */
bool
infer_topk(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	int64_t k;
	int axis;

	if (!want_class(c, n, 0, "FIU") || !topk_arg(c, n, &k))
		return false;
	if (y.rank >= 0) {
		if (!axis_arg(c, attr_int(n, "axis", -1), y.rank, &axis))
			return false;
		if (k >= 0 && y.dim[axis] >= 0 && k > y.dim[axis])
			return fail(c, QE_INPUT, "%lld of %lld", (long long)k,
			            (long long)y.dim[axis]);
		y.dim[axis] = k;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y) &&
	       value_set(c, node_out(n, 1), DT_I64, &y);
}

bool
eval_topk(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	bool largest = attr_int(n, "largest", 1);
	int64_t k, outer, inner, dim, from, to;
	int axis;
	Key *key;

	if (!topk_arg(c, n, &k) ||
	    !axis_arg(c, attr_int(n, "axis", -1), x->shape.rank, &axis))
		return false;
	dim = x->shape.dim[axis];
	outer = shape_span(&x->shape, 0, axis);
	inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	key = NEWV(a, Key, dim + 1);
	for (int64_t o = 0; o < outer * inner; o++) {
		from = o / inner * dim * inner + o % inner;
		to = o / inner * k * inner + o % inner;
		load_keys(x, from, inner, dim, key);
		qsort(key, (size_t)dim, sizeof *key,
		      largest ? descending : ascending);
		for (int64_t i = 0; i < k; i++) {
			if (node_out(n, 0))
				elem_copy(n->out[0], to + i * inner, x,
				          from + key[i].index * inner, 1);
			if (node_out(n, 1))
				store_i64(n->out[1], to + i * inner, 1,
				          &key[i].index);
		}
	}
	return true;
}
