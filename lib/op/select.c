/* SPDX-License-Identifier: BSD-3-Clause
 * select.c - OneHot, EyeLike, and operators whose output's size depends on
 * values: Compress, NonZero, Unique. */

#include <stdlib.h>

#include "num.h"

/* ---- OneHot: indices, depth, [off, on] ---- */

/* A new axis of `depth` elements, a tensor of one element of any number type.
 */
bool
infer_one_hot(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	const Value *depth = node_known(n, 1);
	Shape y = {.rank = -1};
	int axis;

	if (!want_class(c, n, 0, "FIU") || !want_class(c, n, 1, "FIU"))
		return false;
	if (x->rank >= 0) {
		if (x->rank >= MAXRANK)
			return fail(c, QE_INPUT, "rank %d", x->rank);
		if (!axis_arg(c, attr_int(n, "axis", -1), x->rank + 1, &axis))
			return false;
		y.rank = x->rank + 1;
		for (int i = 0, k = 0; i < y.rank; i++)
			y.dim[i] = i == axis ? -1 : x->dim[k++];
		if (depth && shape_count(&depth->shape) == 1)
			y.dim[axis] = value_i64(depth, 0);
		if (y.dim[axis] < -1)
			return fail(c, QE_INPUT, "depth %lld",
			            (long long)y.dim[axis]);
	}
	return value_set(c, node_out(n, 0), n->in[2]->type, &y);
}

/* An index outside the depth makes a row of `off`. */
bool
eval_one_hot(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *pair = n->in[2];
	Value *y = n->out[0];
	int64_t depth, inner, count = shape_count(&y->shape), at;
	int axis;

	(void)a;
	if (shape_count(&pair->shape) != 2)
		return fail(c, QE_INPUT, "values %s",
		            shape_text(&pair->shape).s);
	if (!axis_arg(c, attr_int(n, "axis", -1), y->shape.rank, &axis))
		return false;
	depth = y->shape.dim[axis];
	inner = shape_span(&y->shape, axis + 1, y->shape.rank);
	for (int64_t i = 0; i < count; i++) {
		at = value_i64(x, i / inner / depth * inner + i % inner);
		at = at < 0 ? at + depth : at;
		elem_copy(y, i, pair, at == i / inner % depth, 1);
	}
	return true;
}

/* ---- EyeLike ---- */

bool
infer_eye_like(Ctx *c, Node *n)
{
	int64_t t = attr_int(n, "dtype", 0);
	DType type = n->in[0]->type;

	if (t)
		type = t > 0 && t < INT32_MAX ? dtype_by_onnx((int)t) : DT_NONE;
	if (t && !type)
		return fail(c, QE_INPUT, "dtype %lld", (long long)t);
	return want_rank(c, n, 0, 2) &&
	       value_set(c, node_out(n, 0), type, &n->in[0]->shape);
}

bool
eval_eye_like(Ctx *c, Arena *a, Node *n)
{
	int64_t k = attr_int(n, "k", 0), cols = n->out[0]->shape.dim[1];

	(void)a;
	if (strchr("SC", dtypes[n->out[0]->type].class))
		return fail(c, QE_INPUT, "not for type %s",
		            dtypes[n->out[0]->type].name);
	for (int64_t r = 0; r < n->out[0]->shape.dim[0]; r++)
		if (k > -cols - r && k < cols && r + k >= 0 && r + k < cols)
			store_i64(n->out[0], r * cols + r + k, 1,
			          &(int64_t){1});
	return true;
}

/* ---- Compress ---- */

/* Compress: without an axis x is read as one line. */
bool
infer_compress(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	int axis;

	if (!want_class(c, n, 1, "B"))
		return false;
	if (!attr_find(n, "axis"))
		y = (Shape){1, {-1}};
	else if (y.rank >= 0) {
		if (!axis_arg(c, attr_int(n, "axis", 0), y.rank, &axis))
			return false;
		y.dim[axis] = -1;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* A condition shorter than the axis leaves out the rest of it. */
bool
eval_compress(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *keep = n->in[1];
	int64_t outer = 1, dim = shape_count(&x->shape), inner = 1, kept = 0;
	int64_t nkeep = shape_count(&keep->shape), to = 0;
	Shape y = {1, {0}};
	int axis = 0;

	if (attr_find(n, "axis")) {
		y = x->shape;
		if (!axis_arg(c, attr_int(n, "axis", 0), y.rank, &axis))
			return false;
		dim = y.dim[axis];
		outer = shape_span(&y, 0, axis);
		inner = shape_span(&y, axis + 1, y.rank);
	}
	for (int64_t i = 0; i < MIN(nkeep, dim); i++)
		kept += value_i64(keep, i);
	y.dim[axis] = kept;
	if (!value_make(c, a, n->out[0], x->type, &y))
		return false;
	for (int64_t i = 0; i < outer * dim; i++)
		if (i % dim < nkeep && value_i64(keep, i % dim)) {
			elem_copy(n->out[0], to, x, i * inner, inner);
			to += inner;
		}
	return true;
}

/* ---- NonZero: [rank, count] of positions ---- */

bool
infer_non_zero(Ctx *c, Node *n)
{
	Shape y = {2, {n->in[0]->shape.rank, -1}};

	return value_set(c, node_out(n, 0), DT_I64, &y);
}

static bool
is_zero(const Value *x, int64_t i)
{
	return dtype_is_float(x->type) ? value_f64(x, i) == 0
	                               : value_i64(x, i) == 0;
}

/* Positions in the order of x, a row for each dimension; a scalar has none, so
 * its output is [0, count]. */
bool
eval_non_zero(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	const Shape *s = &x->shape;
	int64_t count = shape_count(s), some = 0, to = 0, rest, at;

	if (strchr("SC", dtypes[x->type].class))
		return fail(c, QE_INPUT, "not for type %s",
		            dtypes[x->type].name);
	for (int64_t i = 0; i < count; i++)
		some += !is_zero(x, i);
	if (!value_make(c, a, n->out[0], DT_I64, &(Shape){2, {s->rank, some}}))
		return false;
	for (int64_t i = 0; i < count; i++) {
		if (is_zero(x, i))
			continue;
		rest = i;
		for (int d = s->rank - 1; d >= 0; d--) {
			at = rest % s->dim[d];
			rest /= s->dim[d];
			store_i64(n->out[0], d * some + to, 1, &at);
		}
		to++;
	}
	return true;
}

/* ---- Unique ---- */

/* A slice along the axis, as something qsort can compare. */
typedef struct Slice {
	const Value *x;
	int64_t outer, dim, inner, index;
	bool is_float, is_unsigned;
} Slice;

static int
compare_at(const Slice *s, int64_t p, int64_t q)
{
	if (s->x->type == DT_STRING) {
		Span a = ((const Span *)s->x->data.mem)[p];
		Span b = ((const Span *)s->x->data.mem)[q];
		int r = memcmp(a.p, b.p, MIN(a.n, b.n));

		return r ? r : (a.n > b.n) - (a.n < b.n);
	}
	if (s->is_float) {
		double a = value_f64(s->x, p), b = value_f64(s->x, q);

		return (a > b) - (a < b);
	}
	uint64_t turn = s->is_unsigned ? 1ull << 63 : 0;
	int64_t a = (int64_t)((uint64_t)value_i64(s->x, p) ^ turn);
	int64_t b = (int64_t)((uint64_t)value_i64(s->x, q) ^ turn);

	return (a > b) - (a < b);
}

/* Slices as strings of elements: the first pair that differs decides. */
static int
compare(const Slice *a, const Slice *b)
{
	for (int64_t o = 0; o < a->outer; o++)
		for (int64_t i = 0; i < a->inner; i++) {
			int64_t row = o * a->dim * a->inner + i;
			int r = compare_at(a, row + a->index * a->inner,
			                   row + b->index * a->inner);

			if (r)
				return r;
		}
	return 0;
}

/* The index last, so that the first of a group is where it occurs first. */
static int
by_value(const void *pa, const void *pb)
{
	const Slice *a = pa, *b = pb;
	int r = compare(a, b);

	return r ? r : a->index < b->index ? -1 : a->index > b->index;
}

typedef struct Pair {
	int64_t key, group;
} Pair;

static int
by_group(const void *pa, const void *pb)
{
	const Pair *a = pa, *b = pb;

	return a->key < b->key ? -1 : a->key > b->key;
}

static Shape
unique_shape(const Node *n, int axis, int64_t groups)
{
	Shape y = {1, {groups}};

	if (attr_find(n, "axis")) {
		y = n->in[0]->shape;
		y.dim[axis] = groups;
	}
	return y;
}

/* Unique: the different slices, where each occurs first, for each slice which
 * it is, and how often; all but the first may be left out. */
bool
infer_unique(Ctx *c, Node *n)
{
	const Shape flat = {1, {-1}};
	Shape y = {.rank = -1};
	int axis = 0;

	if (n->in[0]->shape.rank >= 0) {
		if (attr_find(n, "axis") &&
		    !axis_arg(c, attr_int(n, "axis", 0), n->in[0]->shape.rank,
		              &axis))
			return false;
		y = unique_shape(n, axis, -1);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y) &&
	       value_set(c, node_out(n, 1), DT_I64, &flat) &&
	       value_set(c, node_out(n, 2), DT_I64, &flat) &&
	       value_set(c, node_out(n, 3), DT_I64, &flat);
}

/* Groups of equal slices: first index, group as sorted, count; rank[] is
 * the order in which groups are given. */
typedef struct Groups {
	int64_t n, *first, *of, *count, *order;
} Groups;

static void
find_groups(Arena *a, Slice *s, int64_t dim, bool sorted, Groups *g)
{
	Pair *pair = NEWV(a, Pair, dim + 1);
	int64_t *where;

	*g = (Groups){.n = 0,
	              .first = NEWV(a, int64_t, dim + 1),
	              .of = NEWV(a, int64_t, dim + 1),
	              .count = NEWV(a, int64_t, dim + 1),
	              .order = NEWV(a, int64_t, dim + 1)};
	qsort(s, (size_t)dim, sizeof *s, by_value);
	for (int64_t i = 0; i < dim; i++) {
		if (!i || compare(&s[i - 1], &s[i]))
			g->first[g->n++] = s[i].index;
		g->of[s[i].index] = g->n - 1;
		g->count[g->n - 1]++;
	}
	for (int64_t k = 0; k < g->n; k++) {
		pair[k].key = sorted ? k : g->first[k];
		pair[k].group = k;
	}
	qsort(pair, (size_t)g->n, sizeof *pair, by_group);
	where = NEWV(a, int64_t, g->n + 1);
	for (int64_t k = 0; k < g->n; k++) {
		g->order[k] = pair[k].group;
		where[pair[k].group] = k;
	}
	for (int64_t i = 0; i < dim; i++)
		g->of[i] = where[g->of[i]];
}

bool
eval_unique(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	int64_t outer = 1, dim = shape_count(&x->shape), inner = 1;
	Slice *s;
	Groups g;
	int axis = 0;

	if (dtypes[x->type].class == 'C')
		return fail(c, QE_INPUT, "not for type %s",
		            dtypes[x->type].name);
	if (attr_find(n, "axis")) {
		if (!axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis))
			return false;
		dim = x->shape.dim[axis];
		outer = shape_span(&x->shape, 0, axis);
		inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	}
	s = NEWV(a, Slice, dim + 1);
	for (int64_t i = 0; i < dim; i++)
		s[i] = (Slice){x,
		               outer,
		               dim,
		               inner,
		               i,
		               dtype_is_float(x->type),
		               dtypes[x->type].class == 'U'};
	find_groups(a, s, dim, attr_int(n, "sorted", 1), &g);
	Shape y = unique_shape(n, axis, g.n), flat = {1, {g.n}};

	if (!value_make(c, a, n->out[0], x->type, &y) ||
	    !value_make(c, a, node_out(n, 1), DT_I64, &flat) ||
	    !value_make(c, a, node_out(n, 2), DT_I64, &(Shape){1, {dim}}) ||
	    !value_make(c, a, node_out(n, 3), DT_I64, &flat))
		return false;
	for (int64_t k = 0; k < g.n; k++) {
		int64_t from = g.first[g.order[k]];

		for (int64_t o = 0; o < outer; o++)
			elem_copy(n->out[0], (o * g.n + k) * inner, x,
			          (o * dim + from) * inner, inner);
		if (node_out(n, 1))
			store_i64(n->out[1], k, 1, &from);
		if (node_out(n, 3))
			store_i64(n->out[3], k, 1, &g.count[g.order[k]]);
	}
	if (node_out(n, 2))
		store_i64(n->out[2], 0, dim, g.of);
	return true;
}
