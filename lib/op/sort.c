/* SPDX-License-Identifier: BSD-3-Clause
 * sort.c - TopK and what else puts elements in order.
 *
 * The k best of n are kept in a heap while the rest goes by: a vocabulary is
 * read once, not sorted.
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

/* The best of a lane, in a heap whose first key is the worst of them. */
typedef struct Best {
	Key *key;
	int64_t n, most;
	bool largest;
	int (*order)(const void *, const void *);
} Best;

/* Puts x in the place of the worst; where it comes last itself, it stays. */
static void
sink(Best *b, Key x)
{
	int64_t at = 0, down;

	while ((down = 2 * at + 1) < b->n) {
		if (down + 1 < b->n &&
		    b->order(&b->key[down + 1], &b->key[down]) > 0)
			down++;
		if (b->order(&x, &b->key[down]) > 0)
			break;
		b->key[at] = b->key[down];
		at = down;
	}
	b->key[at] = x;
}

static void
rise(Best *b, Key x)
{
	int64_t at = b->n++, up;

	for (; at > 0; at = up) {
		up = (at - 1) / 2;
		if (b->order(&b->key[up], &x) > 0)
			break;
		b->key[at] = b->key[up];
	}
	b->key[at] = x;
}

static void
offer(Best *b, Key x)
{
	if (b->n < b->most)
		rise(b, x);
	else if (b->order(&x, b->key) < 0)
		sink(b, x);
}

/* Most elements of a long lane are no better than the worst one kept, and one
 * comparison tells: of equals the earlier counts.  NaN is never told so. */
static void
offer_floats(Best *b, const Value *x, int64_t at, int64_t step, int64_t from,
             int64_t n)
{
	double f[ROW];

	load_f64(x, at + from * step, step, n, f);
	for (int64_t i = 0; i < n; i++) {
		if (b->n == b->most &&
		    (b->largest ? f[i] <= b->key->f : f[i] >= b->key->f))
			continue;
		offer(b, (Key){.f = f[i], .index = from + i});
	}
}

static void
offer_ints(Best *b, const Value *x, int64_t at, int64_t step, int64_t from,
           int64_t n)
{
	uint64_t turn = dtypes[x->type].class == 'U' ? 1ull << 63 : 0;
	int64_t k[ROW];

	load_i64(x, at + from * step, step, n, k);
	for (int64_t i = 0; i < n; i++)
		offer(b, (Key){.i = (int64_t)((uint64_t)k[i] ^ turn),
		               .index = from + i});
}

/* The best of n elements from `at`, `step` apart, the first of them first. */
static void
find_best(Best *b, const Value *x, int64_t at, int64_t step, int64_t n)
{
	b->n = 0;
	for (int64_t i = 0; b->most && i < n; i += ROW)
		(dtype_is_float(x->type)
		         ? offer_floats
		         : offer_ints)(b, x, at, step, i, MIN(n - i, ROW));
	qsort(b->key, (size_t)b->n, sizeof *b->key, b->order);
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
	Best b = {.largest = largest,
	          .order = largest ? descending : ascending};
	int64_t k, outer, inner, dim, from, to;
	int axis;

	if (!topk_arg(c, n, &k) ||
	    !axis_arg(c, attr_int(n, "axis", -1), x->shape.rank, &axis))
		return false;
	dim = x->shape.dim[axis];
	outer = shape_span(&x->shape, 0, axis);
	inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	b.key = NEWV(a, Key, k + 1);
	b.most = k;
	for (int64_t o = 0; o < outer * inner; o++) {
		from = o / inner * dim * inner + o % inner;
		to = o / inner * k * inner + o % inner;
		find_best(&b, x, from, inner, dim);
		for (int64_t i = 0; i < k; i++) {
			if (node_out(n, 0))
				elem_copy(n->out[0], to + i * inner, x,
				          from + b.key[i].index * inner, 1);
			if (node_out(n, 1))
				store_i64(n->out[1], to + i * inner, 1,
				          &b.key[i].index);
		}
	}
	return true;
}
