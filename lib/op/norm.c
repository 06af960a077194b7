/* SPDX-License-Identifier: BSD-3-Clause
 * norm.c - Softmax and its like, layer and RMS normalisation.
 *
 * Each line of elements is read into double, worked on and written back
 * rounded once. */

#include <math.h>

#include "num.h"

typedef void LineFn(double *x, int64_t n);

/* Calls fn on every line along an axis: n elements, step apart. */
static void
each_line(Arena *a, const Value *x, Value *y, int64_t outer, int64_t n,
          int64_t inner, LineFn *fn)
{
	double *buf = NEWV(a, double, n + 1);

	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < inner; i++) {
			int64_t at = o * n * inner + i;

			load_f64(x, at, inner, n, buf);
			fn(buf, n);
			for (int64_t k = 0; k < n; k++)
				store_f64(y, at + k * inner, 1, &buf[k]);
		}
}

static double
top(const double *x, int64_t n)
{
	double m = (double)-INFINITY;

	for (int64_t i = 0; i < n; i++)
		m = x[i] > m || x[i] != x[i] ? x[i] : m;
	return m;
}

static void
softmax(double *x, int64_t n)
{
	double m = top(x, n), sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += x[i] = exp(x[i] - m);
	for (int64_t i = 0; i < n; i++)
		x[i] /= sum;
}

static void
log_softmax(double *x, int64_t n)
{
	double m = top(x, n), sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += exp(x[i] - m);
	for (int64_t i = 0; i < n; i++)
		x[i] = x[i] - m - log(sum);
}

/* 1 for the first of the largest, 0 for all others */
static void
hardmax(double *x, int64_t n)
{
	double m = top(x, n);
	bool found = false;

	for (int64_t i = 0; i < n; i++) {
		bool hit = !found && x[i] == m;

		found = found || hit;
		x[i] = hit;
	}
}

bool
infer_softmax(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	int64_t none = n->op->since < 13 ? 1 : -1;
	int axis;

	return want_class(c, n, 0, "F") &&
	       (x->rank < 0 ||
	        axis_arg(c, attr_int(n, "axis", none), x->rank, &axis)) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, x);
}

/* Before opset 13 the axes from `axis` on are one. */
static bool
along_axis(Ctx *c, Arena *a, Node *n, LineFn *fn)
{
	const Shape *x = &n->in[0]->shape;
	bool flat = n->op->since < 13;
	int axis;

	if (!axis_arg(c, attr_int(n, "axis", flat ? 1 : -1), x->rank, &axis))
		return false;
	if (flat)
		each_line(a, n->in[0], n->out[0], shape_span(x, 0, axis),
		          shape_span(x, axis, x->rank), 1, fn);
	else
		each_line(a, n->in[0], n->out[0], shape_span(x, 0, axis),
		          x->dim[axis], shape_span(x, axis + 1, x->rank), fn);
	return true;
}

bool
eval_softmax(Ctx *c, Arena *a, Node *n)
{
	return along_axis(c, a, n, softmax);
}

bool
eval_log_softmax(Ctx *c, Arena *a, Node *n)
{
	return along_axis(c, a, n, log_softmax);
}

bool
eval_hardmax(Ctx *c, Arena *a, Node *n)
{
	return along_axis(c, a, n, hardmax);
}

/* ---- LayerNormalization, RMSNormalization ---- */

static DType
stash_type(const Node *n)
{
	int64_t t = attr_int(n, "stash_type", 1);

	return t > 0 && t < INT32_MAX ? dtype_by_onnx((int)t) : DT_NONE;
}

static bool
norm_axis(Ctx *c, const Node *n, int *axis)
{
	return axis_arg(c, attr_int(n, "axis", -1), n->in[0]->shape.rank, axis);
}

/* Scale and bias must broadcast to the input and not beyond. */
static bool
stays(Ctx *c, const Node *n, int k)
{
	Shape y = n->in[0]->shape;

	if (!node_in(n, k) || node_in(n, k)->shape.rank < 0)
		return true;
	if (!shape_broadcast(c, &y, &n->in[k]->shape) ||
	    (shape_known(&n->in[0]->shape) && shape_known(&y) &&
	     !shape_eq(&y, &n->in[0]->shape)))
		return fail(c, QE_INPUT, "input %d: %s for %s", k,
		            shape_text(&n->in[k]->shape).s,
		            shape_text(&n->in[0]->shape).s);
	return true;
}

bool
infer_layer_norm(Ctx *c, Node *n)
{
	const Value *x = n->in[0];
	Shape part = x->shape;
	int axis = 0;

	if (!stays(c, n, 1) || !stays(c, n, 2) || !want_class(c, n, 0, "F") ||
	    (x->shape.rank >= 0 && !norm_axis(c, n, &axis)))
		return false;
	for (int i = axis; i < part.rank; i++)
		part.dim[i] = 1;
	return value_set(c, node_out(n, 0),
	                 node_in(n, 1) && n->op->domain[0] == '\0'
	                         ? n->in[1]->type
	                         : x->type,
	                 &x->shape) &&
	       value_set(c, node_out(n, 1), stash_type(n), &part) &&
	       value_set(c, node_out(n, 2), stash_type(n), &part);
}

/* Mean and 1/deviation of n numbers, in two passes. */
static void
moments(const double *x, int64_t n, bool centre, double eps, double *mean,
        double *inv)
{
	double sum = 0, square = 0;

	for (int64_t i = 0; i < n && centre; i++)
		sum += x[i];
	*mean = centre ? sum / (double)n : 0;
	for (int64_t i = 0; i < n; i++)
		square += (x[i] - *mean) * (x[i] - *mean);
	*inv = 1 / sqrt(square / (double)n + eps);
}

/* Element of a scale or bias that belongs to element i of x. */
static double
broadcast_at(const Value *v, const Shape *x, int64_t i)
{
	int64_t off = 0, step = 1;

	for (int d = 1; d <= v->shape.rank; d++) {
		int64_t dim = v->shape.dim[v->shape.rank - d];
		int64_t at = i % x->dim[x->rank - d];

		i /= x->dim[x->rank - d];
		off += dim == 1 ? 0 : at * step;
		step *= dim;
	}
	return value_f64(v, off);
}

static bool
normalize(Ctx *c, Arena *a, Node *n, bool centre, double eps)
{
	const Value *x = n->in[0], *scale = node_in(n, 1),
		    *bias = node_in(n, 2);
	Value *y = n->out[0];
	int64_t rows, len;
	double *buf, mean, inv, v;
	int axis;

	if (!norm_axis(c, n, &axis))
		return false;
	rows = shape_span(&x->shape, 0, axis);
	len = shape_span(&x->shape, axis, x->shape.rank);
	buf = NEWV(a, double, len + 1);
	for (int64_t r = 0; r < rows; r++) {
		load_f64(x, r * len, 1, len, buf);
		moments(buf, len, centre, eps, &mean, &inv);
		for (int64_t i = 0; i < len; i++) {
			v = (buf[i] - mean) * inv;
			if (scale)
				v *= broadcast_at(scale, &x->shape,
				                  r * len + i);
			if (bias)
				v += broadcast_at(bias, &x->shape, r * len + i);
			store_f64(y, r * len + i, 1, &v);
		}
		if (node_out(n, 1))
			store_f64(n->out[1], r, 1, &mean);
		if (node_out(n, 2))
			store_f64(n->out[2], r, 1, &inv);
	}
	return true;
}

bool
eval_layer_norm(Ctx *c, Arena *a, Node *n)
{
	return normalize(c, a, n, true, attr_float(n, "epsilon", 1e-5));
}

bool
eval_rms_norm(Ctx *c, Arena *a, Node *n)
{
	return normalize(c, a, n, false, attr_float(n, "epsilon", 1e-5));
}

/* com.qti.aisw.onnx CustomRMSNorm: the weight is float32 there. */
bool
infer_custom_rms_norm(Ctx *c, Node *n)
{
	return stays(c, n, 1) && want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

bool
eval_custom_rms_norm(Ctx *c, Arena *a, Node *n)
{
	return normalize(c, a, n, false, attr_float(n, "epsilon", 1e-6));
}
