/* SPDX-License-Identifier: BSD-3-Clause
 * pool.c - MaxPool, AveragePool, LpPool, their global forms, MaxUnpool. */

#include <math.h>

#include "window.h"

/* MaxPool, AveragePool, LpPool: x [N, C, in...] becomes [N, C, out...] by
 * window_open().  The second output of MaxPool holds, for each maximum, its
 * place in the whole of x, as int64. */
bool
infer_pool(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	Shape y = *x;
	Window k;

	if (x->rank >= 0) {
		if (!window_open(c, n, x, NULL, &k))
			return false;
		memcpy(y.dim + 2, k.out, (size_t)k.n * sizeof *k.out);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y) &&
	       value_set(c, node_out(n, 1), DT_I64, &y);
}

/* Global*Pool: x [N, C, ...] becomes [N, C, 1...]; of rank 2 it is as it was.
 */
bool
infer_global_pool(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;

	if (y.rank >= 0 && y.rank < 2)
		return fail(c, QE_INPUT, "rank %d", y.rank);
	for (int i = 2; i < y.rank; i++)
		y.dim[i] = 1;
	return want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* LpPool 1 had p as a float; both are read where they are used. */
typedef enum Kind { MAX_OF, MEAN_OF, NORM_OF } Kind;

/* How many taps of a mean count: those inside, or inside the padding too. */
static double
divisor(const Window *k, int64_t o, const int64_t *tap, bool padding)
{
	int64_t count = 1, at, room;

	if (!padding) {
		count = 0;
		for (int64_t t = 0; t < window_taps(k); t++)
			count += tap[t] >= 0;
		return (double)count;
	}
	for (int i = k->n - 1; i >= 0; i--) {
		at = o % k->out[i] * k->stride[i];
		o /= k->out[i];
		room = k->in[i] + k->begin[i] + k->end[i] - at;
		count *= MIN(k->kernel[i],
		             (room + k->dilation[i] - 1) / k->dilation[i]);
	}
	return (double)count;
}

/* The first of equal elements; a NaN wins over numbers before and after it. A
 * window that sees padding only gives -inf and no place. */
static double
take_max(const double *x, const int64_t *tap, int64_t taps, int64_t *which)
{
	double best = (double)-INFINITY;

	*which = -1;
	for (int64_t t = 0; t < taps; t++)
		if (tap[t] >= 0 && (*which < 0 || x[tap[t]] > best ||
		                    x[tap[t]] != x[tap[t]])) {
			best = x[tap[t]];
			*which = tap[t];
		}
	return best;
}

/* (sum |x|^p)^(1/p); padding adds nothing. */
static double
take_norm(const double *x, const int64_t *tap, int64_t taps, double p)
{
	double sum = 0;

	for (int64_t t = 0; t < taps; t++)
		if (tap[t] >= 0)
			sum += pow(fabs(x[tap[t]]), p);
	return pow(sum, 1 / p);
}

/* Padding is 0 in the sum; whether it counts is in `by` (divisor). */
static double
take_mean(const double *x, const int64_t *tap, int64_t taps, double by)
{
	double sum = 0;

	for (int64_t t = 0; t < taps; t++)
		sum += tap[t] >= 0 ? x[tap[t]] : 0;
	return sum / by;
}

/* Index of an element for MaxPool: rows first, or columns first. */
static int64_t
index_of(const Window *k, int64_t at, int64_t plane, bool columns)
{
	int64_t size = 1, off = 0, step = 1, rest = at, pos[MAXSPACE];

	for (int i = k->n - 1; i >= 0; i--) {
		pos[i] = rest % k->in[i];
		rest /= k->in[i];
		size *= k->in[i];
	}
	if (!columns)
		return plane * size + at;
	for (int i = 0; i < k->n; i++) {
		off += pos[i] * step;
		step *= k->in[i];
	}
	return plane * size + off;
}

static bool
pool(Ctx *c, Arena *a, Node *n, Kind kind)
{
	const Value *x = n->in[0];
	bool padding = attr_int(n, "count_include_pad", 0);
	bool columns = attr_int(n, "storage_order", 0);
	double p = n->op->since < 2 ? attr_float(n, "p", 2)
	                            : (double)attr_int(n, "p", 2);
	int64_t planes = shape_span(&x->shape, 0, 2), places, size, which = 0;
	int64_t *tap;
	double *in, y;
	Window k;

	if (!window_open(c, n, &x->shape, NULL, &k))
		return false;
	if (window_taps(&k) > 1 << 24)
		return fail(c, QE_INPUT, "kernel is too large");
	tap = NEWV(a, int64_t, window_taps(&k) + 1);
	places = window_places(&k);
	size = shape_span(&x->shape, 2, x->shape.rank);
	in = NEWV(a, double, size + 1);
	for (int64_t b = 0; b < planes; b++) {
		load_f64(x, b * size, 1, size, in);
		for (int64_t o = 0; o < places; o++) {
			window_at(&k, o, tap);
			y = kind == MAX_OF
			            ? take_max(in, tap, window_taps(&k), &which)
			    : kind == MEAN_OF
			            ? take_mean(in, tap, window_taps(&k),
			                        divisor(&k, o, tap, padding))
			            : take_norm(in, tap, window_taps(&k), p);
			store_f64(n->out[0], b * places + o, 1, &y);
			if (!node_out(n, 1))
				continue;
			which = index_of(&k, MAX(0, which), b, columns);
			store_i64(n->out[1], b * places + o, 1, &which);
		}
	}
	return true;
}

bool
eval_max_pool(Ctx *c, Arena *a, Node *n)
{
	return pool(c, a, n, MAX_OF);
}

bool
eval_average_pool(Ctx *c, Arena *a, Node *n)
{
	return pool(c, a, n, MEAN_OF);
}

bool
eval_lp_pool(Ctx *c, Arena *a, Node *n)
{
	return pool(c, a, n, NORM_OF);
}

/* ---- over everything ---- */

/* The kernel is the whole plane, so every tap is inside and the mean divides
 * by all of them. */
static bool
global_pool(Arena *a, Node *n, Kind kind, double p)
{
	const Value *x = n->in[0];
	int64_t planes = shape_span(&x->shape, 0, 2), which;
	int64_t size = shape_span(&x->shape, 2, x->shape.rank);
	int64_t *tap = NEWV(a, int64_t, size + 1);
	double *in = NEWV(a, double, size + 1), y;

	for (int64_t i = 0; i < size; i++)
		tap[i] = i;
	for (int64_t b = 0; b < planes; b++) {
		load_f64(x, b * size, 1, size, in);
		y = kind == MAX_OF    ? take_max(in, tap, size, &which)
		    : kind == MEAN_OF ? take_mean(in, tap, size, (double)size)
		                      : take_norm(in, tap, size, p);
		store_f64(n->out[0], b, 1, &y);
	}
	return true;
}

bool
eval_global_max_pool(Ctx *c, Arena *a, Node *n)
{
	(void)c;
	return global_pool(a, n, MAX_OF, 0);
}

bool
eval_global_average_pool(Ctx *c, Arena *a, Node *n)
{
	(void)c;
	return global_pool(a, n, MEAN_OF, 0);
}

bool
eval_global_lp_pool(Ctx *c, Arena *a, Node *n)
{
	(void)c;
	return global_pool(a, n, NORM_OF,
	                   n->op->since < 2 ? attr_float(n, "p", 2)
	                                    : (double)attr_int(n, "p", 2));
}

/* ---- MaxUnpool ---- */

/* MaxUnpool: x and the places that MaxPool gave.  Its natural size is (in - 1)
 * stride + kernel - pads; output_shape, the third input, may ask for more. */
bool
infer_max_unpool(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	int64_t kernel[MAXSPACE], stride[MAXSPACE], pads[2 * MAXSPACE];
	int space = x->rank - 2;
	Shape y = *x;
	Ints size;

	if (x->rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (space < 1 ||
	    !window_list(c, n, "kernel_shape", space, 1, 1, kernel) ||
	    !window_list(c, n, "strides", space, 1, 1, stride) ||
	    !window_list(c, n, "pads", 2 * space, 0, 0, pads) ||
	    !ints_arg(c, n, 2, NULL, &size))
		return fail(c, QE_INPUT, "rank %d", x->rank);
	for (int i = 0; i < space; i++)
		y.dim[i + 2] = x->dim[i + 2] < 0
		                       ? -1
		                       : (x->dim[i + 2] - 1) * stride[i] +
		                                 kernel[i] - pads[i] -
		                                 pads[space + i];
	if (size.known && size.n != x->rank)
		return fail(c, QE_INPUT, "output_shape of %lld",
		            (long long)size.n);
	for (int i = 0; i < x->rank && size.given; i++)
		y.dim[i] = size.known ? ints_at(&size, i) : -1;
	for (int i = 0; i < y.rank; i++)
		if (y.dim[i] < -1)
			return fail(c, QE_INPUT, "output %s", shape_text(&y).s);
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Indices are those of the natural output; into a larger one, each plane
 * keeps its place by position. */
bool
eval_max_unpool(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *ix = n->in[1];
	Node natural = *n;
	Value size = *n->out[0], *out = &size;
	int64_t step[MAXRANK], at, off;

	(void)a;
	natural.nin = 2;
	natural.out = &out;
	natural.nout = 1;
	if (!infer_max_unpool(c, &natural))
		return false;
	if (!shape_eq(&ix->shape, &x->shape) || ix->type != DT_I64)
		return fail(c, QE_INPUT, "indices %s for %s",
		            shape_text(&ix->shape).s, shape_text(&x->shape).s);
	shape_steps(&n->out[0]->shape, step);
	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		at = value_i64(ix, i);
		if (at < 0 || at >= shape_count(&size.shape))
			return fail(c, QE_INPUT, "index %lld of %s",
			            (long long)at, shape_text(&size.shape).s);
		off = 0;
		for (int d = x->shape.rank - 1; d >= 0; d--) {
			int64_t p = at % size.shape.dim[d];

			at /= size.shape.dim[d];
			if (p >= n->out[0]->shape.dim[d])
				return fail(c, QE_INPUT, "output is too small");
			off += p * step[d];
		}
		elem_copy(n->out[0], off, x, i, 1);
	}
	return true;
}
