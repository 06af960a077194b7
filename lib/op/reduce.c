/* SPDX-License-Identifier: BSD-3-Clause
 * reduce.c - sums, products and extremes over axes; running ones too.
 *
 * The input is walked in its own order; each element goes to its place in
 * an accumulator of 64 bits.  One row of REDUCE per operator. */

#include <math.h>

#include "num.h"

typedef struct Kind {
	double start;
	int64_t istart, ustart;
	void (*f)(double *acc, double x);
	void (*i)(int64_t *acc, int64_t x);
	void (*u)(int64_t *acc, int64_t x);
	double (*end)(double acc, double count);
	bool bools; /* ReduceMin, ReduceMax */
} Kind;

/* Which axes go; none given: all, or with noop_with_empty_axes, none. */
static bool
reduced_axes(Ctx *c, const Node *n, int rank, bool *gone, bool *sure)
{
	Ints axes;

	if (!ints_arg(c, n, 1, "axes", &axes))
		return false;
	*sure = !axes.given || axes.known;
	if (axes.given && (!axes.known || axes.n))
		return !axes.known || axes_arg(c, &axes, rank, gone);
	for (int i = 0; i < MAXRANK; i++)
		gone[i] = !attr_int(n, "noop_with_empty_axes", 0);
	return true;
}

/* Reduce*: axes are an attribute, then (ReduceSum 13, the others 18) an input.
 * keepdims leaves a 1 for each axis that goes. */
bool
infer_reduce(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	bool keep = attr_int(n, "keepdims", 1), sure, gone[MAXRANK] = {0};
	Shape y = {.rank = -1};

	if (x->rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (!reduced_axes(c, n, x->rank, gone, &sure))
		return false;
	if (sure || keep)
		y.rank = 0;
	for (int i = 0; i < x->rank && y.rank >= 0; i++) {
		if (!sure)
			y.dim[y.rank++] = -1;
		else if (!gone[i])
			y.dim[y.rank++] = x->dim[i];
		else if (keep)
			y.dim[y.rank++] = 1;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* A walk over x that knows where in the (kept) result each row goes. */
static bool
open_reduce(Nest *z, const Shape *x, const bool *gone)
{
	Shape kept = *x;

	for (int i = 0; i < x->rank; i++)
		kept.dim[i] = gone[i] ? 1 : x->dim[i];
	return nest_broadcast(z, x, 2, (const Shape *[]){x, &kept});
}

static void
reduce_f64(Nest *z, const Value *x, double *acc, const Kind *k)
{
	double buf[ROW];
	int64_t m, step = nest_row(z, 1);

	do
		for (int64_t at = 0; at < nest_len(z); at += m) {
			m = MIN(nest_len(z) - at, ROW);
			load_f64(x, z->off[0] + at * nest_row(z, 0),
			         nest_row(z, 0), m, buf);
			for (int64_t i = 0; i < m; i++)
				k->f(&acc[z->off[1] + (at + i) * step], buf[i]);
		}
	while (nest_next(z));
}

static void
reduce_i64(Nest *z, const Value *x, int64_t *acc, const Kind *k)
{
	void (*f)(int64_t *, int64_t) =
		dtypes[x->type].class == 'U' ? k->u : k->i;
	int64_t buf[ROW], m, step = nest_row(z, 1);

	do
		for (int64_t at = 0; at < nest_len(z); at += m) {
			m = MIN(nest_len(z) - at, ROW);
			load_i64(x, z->off[0] + at * nest_row(z, 0),
			         nest_row(z, 0), m, buf);
			for (int64_t i = 0; i < m; i++)
				f(&acc[z->off[1] + (at + i) * step], buf[i]);
		}
	while (nest_next(z));
}

/* Integers that need a root, a logarithm or a mean go through double. */
static void
finish_i64(Value *y, const int64_t *acc, int64_t count, double n, const Kind *k)
{
	for (int64_t i = 0; i < count; i++)
		if (k->end) {
			double v = k->end((double)acc[i], n);

			store_f64(y, i, 1, &v);
		} else {
			store_i64(y, i, 1, &acc[i]);
		}
}

/* Nothing to reduce leaves the start: 0 of sums, 1 of products, and of
 * ReduceMax and ReduceMin -inf and inf or the ends of the integer type; a mean
 * is then NaN. */
static bool
reduce(Ctx *c, Arena *a, Node *n, const Kind *k)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];
	int64_t count = shape_count(&y->shape), *iacc;
	bool gone[MAXRANK], sure, some, f = dtype_is_float(x->type);
	bool is_unsigned = dtypes[x->type].class == 'U';
	double *acc, each;
	Nest z;

	if (!f && !dtype_is_int(x->type) && !(k->bools && x->type == DT_BOOL))
		return fail(c, QE_INPUT, "not for type %s",
		            dtypes[x->type].name);
	if (!reduced_axes(c, n, x->shape.rank, gone, &sure))
		return false;
	some = open_reduce(&z, &x->shape, gone);
	each = count ? (double)(shape_count(&x->shape) / count) : 0;
	acc = NEWV(a, double, count + 1);
	iacc = (int64_t *)(void *)acc;
	for (int64_t i = 0; i < count; i++)
		if (f)
			acc[i] = k->start;
		else
			iacc[i] = is_unsigned ? k->ustart : k->istart;
	if (some && f)
		reduce_f64(&z, x, acc, k);
	else if (some)
		reduce_i64(&z, x, iacc, k);
	for (int64_t i = 0; i < count && k->end && f; i++)
		acc[i] = k->end(acc[i], each);
	if (f)
		store_f64(y, 0, count, acc);
	else
		finish_i64(y, iacc, count, each, k);
	return true;
}

static double
end_mean(double acc, double count)
{
	return acc / count;
}

static double
end_sqrt(double acc, double count)
{
	(void)count;
	return sqrt(acc);
}

static double
end_log(double acc, double count)
{
	(void)count;
	return log(acc);
}

#define U(x) ((uint64_t)(x))
#define STEP(name, type, expr)                                                 \
	static void name(type *p, type x)                                      \
	{                                                                      \
		type acc = *p;                                                 \
		*p = (expr);                                                   \
	}
#define REDUCE(name, F, I, UN, start, istart, ustart, end, bools)              \
	STEP(name##_f, double, F)                                              \
	STEP(name##_i, int64_t, (int64_t)(I))                                  \
	STEP(name##_u, int64_t, (int64_t)(UN))                                 \
	bool eval_reduce_##name(Ctx *c, Arena *a, Node *n)                     \
	{                                                                      \
		static const Kind k = {start,    istart,   ustart, name##_f,   \
		                       name##_i, name##_u, end,    bools};     \
		return reduce(c, a, n, &k);                                    \
	}

#define INF ((double)INFINITY)

/* clang-format off */
REDUCE(sum,  acc + x, U(acc) + U(x), U(acc) + U(x), 0, 0, 0, NULL, false)
REDUCE(mean, acc + x, U(acc) + U(x), U(acc) + U(x), 0, 0, 0, end_mean, false)
REDUCE(prod, acc * x, U(acc) * U(x), U(acc) * U(x), 1, 1, 1, NULL, false)
REDUCE(l1,   acc + fabs(x), U(acc) + (x < 0 ? 0 - U(x) : U(x)), U(acc) + U(x), 0, 0, 0, NULL, false)
REDUCE(l2,   acc + x * x, U(acc) + U(x) * U(x), U(acc) + U(x) * U(x), 0, 0, 0, end_sqrt, false)
REDUCE(sum_square, acc + x * x, U(acc) + U(x) * U(x), U(acc) + U(x) * U(x), 0, 0, 0, NULL, false)
REDUCE(log_sum, acc + x, U(acc) + U(x), U(acc) + U(x), 0, 0, 0, end_log, false)
REDUCE(max,  acc != acc || acc > x ? acc : x, acc > x ? acc : x, U(acc) > U(x) ? acc : x,
       -INF, INT64_MIN, 0, NULL, true)
REDUCE(min,  acc != acc || acc < x ? acc : x, acc < x ? acc : x, U(acc) < U(x) ? acc : x,
       INF, INT64_MAX, -1, NULL, true)
STEP(max_of, double, acc != acc || acc > x ? acc : x)
/* clang-format on */

/* log(sum(exp(x - max))) + max: no overflow. */
bool
eval_reduce_log_sum_exp(Ctx *c, Arena *a, Node *n)
{
	static const Kind max = {.start = -INF, .f = max_of};
	const Value *x = n->in[0];
	int64_t count = shape_count(&n->out[0]->shape);
	double *top = NEWV(a, double, count + 1), v;
	double *sum = NEWV(a, double, count + 1);
	bool gone[MAXRANK], sure;
	Nest z;

	if (!reduced_axes(c, n, x->shape.rank, gone, &sure))
		return false;
	for (int64_t i = 0; i < count; i++)
		top[i] = max.start;
	if (open_reduce(&z, &x->shape, gone))
		reduce_f64(&z, x, top, &max);
	if (open_reduce(&z, &x->shape, gone))
		do
			for (int64_t i = 0; i < nest_len(&z); i++) {
				int64_t to = z.off[1] + i * nest_row(&z, 1);

				v = value_f64(x,
				              z.off[0] + i * nest_row(&z, 0));
				sum[to] += isinf(top[to]) ? v == top[to]
				                          : exp(v - top[to]);
			}
		while (nest_next(&z));
	for (int64_t i = 0; i < count; i++) {
		v = log(sum[i]) + (sum[i] > 0 ? top[i] : 0);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}

/* ---- ArgMax, ArgMin ---- */

/* ArgMax, ArgMin: positions along one axis, as int64; the first of equals, or
 * the last with select_last_index (12). */
bool
infer_arg(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	bool keep = attr_int(n, "keepdims", 1);
	int axis;

	if (y.rank < 0)
		return value_set(c, node_out(n, 0), DT_I64, &y);
	if (!axis_arg(c, attr_int(n, "axis", 0), y.rank, &axis))
		return false;
	y.dim[axis] = 1;
	for (int i = axis; !keep && i + 1 < y.rank; i++)
		y.dim[i] = y.dim[i + 1];
	y.rank -= !keep;
	return value_set(c, node_out(n, 0), DT_I64, &y);
}

/* The index of the largest (way 1) or smallest (-1); NaN counts as either. */
static int64_t
arg_f64(const Value *x, int64_t at, int64_t step, int64_t n, int way, bool last)
{
	int64_t best = 0;
	double row[ROW], q = 0;

	for (int64_t i = 0; i < n; i++) {
		double p;

		if (i % ROW == 0)
			load_f64(x, at + i * step, step, MIN(n - i, ROW), row);
		p = row[i % ROW] * way;
		if (i && !(p > q) && (p == p || q != q) &&
		    !(last && (p == q || (p != p && q != q))))
			continue;
		best = i;
		q = p;
	}
	return best;
}

static int64_t
arg_i64(const Value *x, int64_t at, int64_t step, int64_t n, int way, bool last)
{
	int64_t best = 0;

	for (int64_t i = 1; i < n; i++) {
		int64_t u = value_i64(x, at + i * step);
		int64_t v = value_i64(x, at + best * step);
		bool less = dtypes[x->type].class == 'U' ? U(u) < U(v) : u < v;

		if (u == v ? last : less == (way < 0))
			best = i;
	}
	return best;
}

/* An empty axis has no position to give and fails, unless no output is wanted
 * from it. */
static bool
arg_axis(Ctx *c, Node *n, int way)
{
	const Value *x = n->in[0];
	bool last = attr_int(n, "select_last_index", 0);
	int64_t outer, inner, dim, best;
	int axis;

	if (!axis_arg(c, attr_int(n, "axis", 0), x->shape.rank, &axis))
		return false;
	dim = x->shape.dim[axis];
	outer = shape_span(&x->shape, 0, axis);
	inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	if (!dim && outer && inner)
		return fail(c, QE_INPUT, "axis %d has no elements", axis);
	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < inner; i++) {
			best = (dtype_is_float(x->type)
			                ? arg_f64
			                : arg_i64)(x, o * dim * inner + i,
			                           inner, dim, way, last);
			store_i64(n->out[0], o * inner + i, 1, &best);
		}
	return true;
}

bool
eval_arg_max(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return arg_axis(c, n, 1);
}

bool
eval_arg_min(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return arg_axis(c, n, -1);
}

/* ---- CumSum, CumProd ---- */

/* CumSum, CumProd: x, and the axis as an input.  exclusive: element i has what
 * comes before it, the first 0 or 1; reverse: from the end. */
bool
infer_cum(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "FIU") && want_class(c, n, 1, "I") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

/* Integers wrap as they would in their own type: the low bits of a sum or
 * product depend on low bits alone. */
static void
run_line(const Value *x, Value *y, int64_t at, int64_t step, int64_t n,
         bool product, bool exclusive)
{
	double acc = product, f;
	uint64_t iacc = product, v;
	int64_t k;

	for (int64_t i = 0; i < n; i++, at += step) {
		f = value_f64(x, at);
		v = (uint64_t)value_i64(x, at);
		k = (int64_t)iacc;
		if (exclusive && dtype_is_float(x->type))
			store_f64(y, at, 1, &acc);
		else if (exclusive)
			store_i64(y, at, 1, &k);
		acc = product ? acc * f : acc + f;
		iacc = product ? iacc * v : iacc + v;
		k = (int64_t)iacc;
		if (!exclusive && dtype_is_float(x->type))
			store_f64(y, at, 1, &acc);
		else if (!exclusive)
			store_i64(y, at, 1, &k);
	}
}

/* Line by line along the axis; `step` below 0 walks from the end. */
static bool
cumulate(Ctx *c, Node *n, bool product)
{
	const Value *x = n->in[0];
	bool reverse = attr_int(n, "reverse", 0);
	bool exclusive = attr_int(n, "exclusive", 0);
	int64_t outer, inner, dim, at;
	int axis;

	if (shape_count(&n->in[1]->shape) != 1)
		return fail(c, QE_INPUT, "axis is not one element");
	if (!axis_arg(c, value_i64(n->in[1], 0), x->shape.rank, &axis))
		return false;
	dim = x->shape.dim[axis];
	outer = shape_span(&x->shape, 0, axis);
	inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < inner; i++) {
			at = o * dim * inner + i;
			if (reverse)
				at += (dim - 1) * inner;
			run_line(x, n->out[0], at, reverse ? -inner : inner,
			         dim, product, exclusive);
		}
	return true;
}

bool
eval_cum_sum(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return cumulate(c, n, false);
}

bool
eval_cum_prod(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return cumulate(c, n, true);
}
