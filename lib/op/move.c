/* SPDX-License-Identifier: BSD-3-Clause
 * move.c - operators that only move elements: one box copy each.
 *
 * Input and output are walked with steps of their own (see move_box), so
 * these work for every type, packed ones and strings too. */

#include "num.h"

/* ---- Transpose ---- */

static bool
perm_arg(Ctx *c, const Node *n, int rank, int *perm)
{
	const int64_t *ints;
	int count = attr_ints(n, "perm", &ints);
	bool seen[MAXRANK] = {0};

	if (count >= 0 && count != rank)
		return fail(c, QE_INPUT, "perm of %d axes, rank %d", count,
		            rank);
	for (int i = 0; i < rank; i++) {
		int64_t p = count < 0 ? rank - 1 - i : ints[i];

		if (!axis_arg(c, p, rank, &perm[i]))
			return false;
		if (seen[perm[i]])
			return fail(c, QE_INPUT, "perm has axis %lld twice",
			            (long long)p);
		seen[perm[i]] = true;
	}
	return true;
}

bool
infer_transpose(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	Shape y = *x;
	int perm[MAXRANK];

	if (x->rank >= 0 && !perm_arg(c, n, x->rank, perm))
		return false;
	for (int i = 0; i < x->rank; i++)
		y.dim[i] = x->dim[perm[i]];
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_transpose(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];
	int64_t dense[MAXRANK], xstep[MAXRANK], ystep[MAXRANK];
	int perm[MAXRANK];

	(void)a;
	if (!perm_arg(c, n, x->shape.rank, perm))
		return false;
	shape_steps(&x->shape, dense);
	shape_steps(&y->shape, ystep);
	for (int i = 0; i < x->shape.rank; i++)
		xstep[i] = dense[perm[i]];
	elem_move(y, 0, ystep, x, 0, xstep, &y->shape);
	return true;
}

/* ---- Slice: attributes before opset 10, then inputs ---- */

typedef struct Cut {
	int64_t from[MAXRANK], step[MAXRANK];
	Shape y;
} Cut;

/* Python's slice of a dimension d: ends beyond it are clamped. */
static bool
cut_axis(Ctx *c, Cut *s, int axis, int64_t from, int64_t to, int64_t step)
{
	int64_t d = s->y.dim[axis], lo = step < 0 ? -1 : 0, hi, n;

	if (step == 0)
		return fail(c, QE_INPUT, "step 0");
	if (d < 0)
		return true;
	hi = step < 0 ? d - 1 : d;
	from = from < 0 ? from + d : from;
	to = to < 0 ? MAX(to, INT64_MIN + 1) + d : to;
	from = MAX(lo, MIN(from, hi));
	to = MAX(lo, MIN(to, hi));
	if (step < 0)
		n = from > to ? 1 + (from - to - 1) / -MAX(step, -INT64_MAX)
		              : 0;
	else
		n = to > from ? 1 + (to - from - 1) / step : 0;
	s->from[axis] = n ? from : 0;
	s->step[axis] = n > 1 ? step : 1;
	s->y.dim[axis] = n;
	return true;
}

/* known false: some bound is not a constant; only the rank is certain. */
static bool
cut_args(Ctx *c, const Node *n, Cut *s, bool *sure)
{
	static const char *const name[] = {"starts", "ends", "axes", "steps"};
	bool seen[MAXRANK] = {0}, old = n->op->since < 10;
	Ints l[4];
	int axis;

	*s = (Cut){.y = n->in[0]->shape};
	*sure = s->y.rank >= 0;
	for (int k = 0; k < 4; k++) {
		if (!ints_arg(c, n, old ? -1 : k + 1, old ? name[k] : NULL,
		              &l[k]))
			return false;
		*sure = *sure && (l[k].known || !l[k].given);
	}
	for (int i = 0; i < s->y.rank; i++)
		s->step[i] = 1;
	if (!l[0].given || !l[1].given)
		return fail(c, QE_INPUT, "no starts or ends");
	if (!*sure)
		return true;
	for (int64_t i = 0; i < l[0].n; i++) {
		if (i >= l[1].n || (l[2].given && i >= l[2].n) ||
		    (l[3].given && i >= l[3].n))
			return fail(c, QE_INPUT, "%lld starts, %lld ends",
			            (long long)l[0].n, (long long)l[1].n);
		if (!axis_arg(c, l[2].given ? ints_at(&l[2], i) : i, s->y.rank,
		              &axis))
			return false;
		if (seen[axis])
			return fail(c, QE_INPUT, "axis %d twice", axis);
		seen[axis] = true;
		if (!cut_axis(c, s, axis, ints_at(&l[0], i), ints_at(&l[1], i),
		              l[3].given ? ints_at(&l[3], i) : 1))
			return false;
	}
	return true;
}

/* With unknown bounds, axes that are known not to be cut keep their size. */
static bool
forget_cut(Ctx *c, const Node *n, Shape *y)
{
	bool gone[MAXRANK];
	Ints axes;

	if (!ints_arg(c, n, n->op->since < 10 ? -1 : 3, "axes", &axes))
		return false;
	if (!axes.known || y->rank < 0)
		memset(gone, true, sizeof gone);
	else if (!axes_arg(c, &axes, y->rank, gone))
		return false;
	for (int i = 0; i < y->rank; i++)
		y->dim[i] = gone[i] ? -1 : y->dim[i];
	return true;
}

bool
infer_slice(Ctx *c, Node *n)
{
	bool sure;
	Cut s;

	if (!cut_args(c, n, &s, &sure) || (!sure && !forget_cut(c, n, &s.y)))
		return false;
	return value_set(c, node_out(n, 0), n->in[0]->type, &s.y);
}

bool
eval_slice(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	int64_t xstep[MAXRANK], ystep[MAXRANK], off = 0;
	bool sure;
	Cut s;

	(void)a;
	if (!cut_args(c, n, &s, &sure))
		return false;
	shape_steps(&x->shape, xstep);
	shape_steps(&s.y, ystep);
	for (int i = 0; i < s.y.rank; i++) {
		off += s.from[i] * xstep[i];
		xstep[i] = s.step[i] == 1 ? xstep[i] : xstep[i] * s.step[i];
	}
	elem_move(n->out[0], 0, ystep, x, off, xstep, &s.y);
	return true;
}

/* ---- Concat, Split ---- */

bool
infer_concat(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	int axis;

	if (!want_same(c, n, 0, n->nin))
		return false;
	for (int k = 0; k < n->nin; k++)
		if (n->in[k]->shape.rank < 0)
			y.rank = -1;
	if (y.rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (!axis_arg(c, attr_int(n, "axis", 1), y.rank, &axis))
		return false;
	for (int k = 1; k < n->nin; k++) {
		const Shape *x = &n->in[k]->shape;

		for (int i = 0; i < y.rank && x->rank == y.rank; i++) {
			if (i == axis)
				y.dim[i] = add_size(y.dim[i], x->dim[i]);
			else if (y.dim[i] < 0)
				y.dim[i] = x->dim[i];
			else if (x->dim[i] >= 0 && x->dim[i] != y.dim[i])
				return fail(c, QE_INPUT, "%s and %s on axis %d",
				            shape_text(&n->in[0]->shape).s,
				            shape_text(x).s, axis);
		}
		if (x->rank != y.rank)
			return fail(c, QE_INPUT, "%s and %s", shape_text(&y).s,
			            shape_text(x).s);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Copies one part of a tensor along an axis; whole is the other one. */
static void
move_part(Value *y, int64_t yat, const Value *x, int64_t xat, int axis,
          const Shape *part)
{
	int64_t xstep[MAXRANK], ystep[MAXRANK];

	shape_steps(&x->shape, xstep);
	shape_steps(&y->shape, ystep);
	elem_move(y, yat * ystep[axis], ystep, x, xat * xstep[axis], xstep,
	          part);
}

bool
eval_concat(Ctx *c, Arena *a, Node *n)
{
	Value *y = n->out[0];
	int64_t at = 0;
	int axis;

	(void)a;
	if (!axis_arg(c, attr_int(n, "axis", 1), y->shape.rank, &axis))
		return false;
	for (int k = 0; k < n->nin; k++) {
		const Shape *x = &n->in[k]->shape;

		move_part(y, at, n->in[k], 0, axis, x);
		at += x->dim[axis];
	}
	return true;
}

/* Sizes are given, or equal with a smaller last one (18: num_outputs). */
static bool
split_sizes(Ctx *c, const Node *n, int64_t whole, const Ints *l, int k,
            int64_t *size)
{
	int64_t parts = attr_int(n, "num_outputs", n->nout), each;

	*size = -1;
	if (l->given) {
		if (l->n >= 0 && l->n != n->nout)
			return fail(c, QE_INPUT, "%lld sizes, %d outputs",
			            (long long)l->n, n->nout);
		*size = l->known ? ints_at(l, k) : -1;
		return !l->known || *size >= 0 ||
		       fail(c, QE_INPUT, "size %lld", (long long)*size);
	}
	if (parts != n->nout)
		return fail(c, QE_INPUT, "num_outputs %lld, %d outputs",
		            (long long)parts, n->nout);
	if (whole < 0)
		return true;
	if (whole % parts && n->op->since < 18)
		return fail(c, QE_INPUT, "%lld into %lld equal parts",
		            (long long)whole, (long long)parts);
	each = (whole + parts - 1) / parts;
	*size = MAX(0, MIN(each, whole - each * k));
	return true;
}

bool
infer_split(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	int64_t sum = 0;
	Shape y = *x;
	Ints sizes;
	int axis = 0;

	if (!ints_arg(c, n, 1, "split", &sizes) ||
	    (x->rank >= 0 &&
	     !axis_arg(c, attr_int(n, "axis", 0), x->rank, &axis)))
		return false;
	for (int k = 0; k < n->nout; k++) {
		int64_t whole = x->rank < 0 ? -1 : x->dim[axis];

		if (!split_sizes(c, n, whole, &sizes, k, &y.dim[axis]))
			return false;
		sum = add_size(sum, y.dim[axis]);
		if (!value_set(c, n->out[k], n->in[0]->type, &y))
			return false;
	}
	if (x->rank >= 0 && x->dim[axis] >= 0 && sum >= 0 &&
	    sum != x->dim[axis])
		return fail(c, QE_INPUT, "parts of %lld from %lld",
		            (long long)sum, (long long)x->dim[axis]);
	return true;
}

bool
eval_split(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	int64_t at = 0, size;
	Shape part = x->shape;
	Ints sizes;
	int axis;

	(void)a;
	if (!axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis) ||
	    !ints_arg(c, n, 1, "split", &sizes))
		return false;
	for (int k = 0; k < n->nout; k++, at += size) {
		if (!split_sizes(c, n, x->shape.dim[axis], &sizes, k, &size))
			return false;
		part.dim[axis] = size;
		if (n->out[k])
			move_part(n->out[k], 0, x, at, axis, &part);
	}
	return true;
}

/* ---- Tile ---- */

bool
infer_tile(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	Shape y = *x;
	Ints times;

	if (!ints_arg(c, n, 1, NULL, &times))
		return false;
	if (x->rank >= 0 && times.n >= 0 && times.n != x->rank)
		return fail(c, QE_INPUT, "%lld repeats, rank %d",
		            (long long)times.n, x->rank);
	for (int i = 0; i < y.rank; i++) {
		if (times.known && ints_at(&times, i) < 0)
			return fail(c, QE_INPUT, "repeats %lld",
			            (long long)ints_at(&times, i));
		y.dim[i] = times.known ? mul_size(x->dim[i], ints_at(&times, i))
		                       : -1;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Grows the result axis by axis, the last first: what is there of an axis
 * is repeated beside itself. */
bool
eval_tile(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];
	int64_t xstep[MAXRANK], ystep[MAXRANK];
	Shape box = x->shape;

	(void)c, (void)a;
	if (!shape_count(&y->shape))
		return true;
	shape_steps(&x->shape, xstep);
	shape_steps(&y->shape, ystep);
	elem_move(y, 0, ystep, x, 0, xstep, &box);
	for (int d = box.rank - 1; d >= 0; d--) {
		for (int64_t at = x->shape.dim[d]; at < y->shape.dim[d];
		     at += x->shape.dim[d])
			elem_move(y, at * ystep[d], ystep, y, 0, ystep, &box);
		box.dim[d] = y->shape.dim[d];
	}
	return true;
}

/* ---- Trilu ---- */

bool
infer_trilu(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;

	if (x->rank >= 0 && x->rank < 2)
		return fail(c, QE_INPUT, "rank %d", x->rank);
	return value_set(c, node_out(n, 0), n->in[0]->type, x);
}

bool
eval_trilu(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *diagonal = node_in(n, 1);
	const Shape *s = &x->shape;
	int64_t cols = s->dim[s->rank - 1], k = 0;
	int64_t rows = cols ? shape_count(s) / cols : 0;
	bool upper = attr_int(n, "upper", 1);

	(void)c, (void)a;
	if (diagonal && shape_count(&diagonal->shape) == 1)
		k = value_i64(diagonal, 0);
	for (int64_t r = 0; r < rows; r++) {
		/* first column at or right of the diagonal */
		int64_t i = r % s->dim[s->rank - 2], at;

		at = k > cols ? cols : k < -i ? 0 : MIN(cols, i + k + !upper);
		at = MAX(at, 0);
		if (upper)
			elem_copy(n->out[0], r * cols + at, x, r * cols + at,
			          cols - at);
		else
			elem_copy(n->out[0], r * cols, x, r * cols, at);
	}
	return true;
}
