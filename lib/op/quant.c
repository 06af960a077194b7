/* SPDX-License-Identifier: BSD-3-Clause
 * quant.c - to small integers and floats and back, and products of them.
 *
 * A scale (and zero point) belongs to the whole tensor, to an index of one
 * axis, or to a block along it.  Division and product are rounded to the type
 * of the scale, or the one asked for: on a tie that decides the result. */

#include <math.h>

#include "quant.h"

/* The least and the largest value of an integer type, of 2 bits and up. */
static void
limits(DType t, double *lo, double *hi)
{
	int bits = dtypes[t].bits;
	bool is_signed = dtypes[t].class == 'I';

	*lo = is_signed ? -ldexp(1, bits - 1) : 0;
	*hi = ldexp(1, is_signed ? bits - 1 : bits) - 1;
}

void
quant_store(Value *y, int64_t at, int64_t n, const double *x)
{
	double lo, hi, v;

	limits(y->type, &lo, &hi);
	for (int64_t i = 0; i < n; i++) {
		v = x[i] != x[i] ? 0 : x[i] < lo ? lo : x[i] > hi ? hi : x[i];
		store_f64(y, at + i, 1, &v);
	}
}

bool
quant_scalar(Ctx *c, const Value *v, double *out)
{
	if (shape_count(&v->shape) != 1)
		return fail(c, QE_INPUT, "scale %s, wanted one element",
		            shape_text(&v->shape).s);
	*out = value_f64(v, 0);
	return true;
}

bool
quant_centre(Ctx *c, Arena *a, const Value *x, const Value *zero, int axis,
             double **out)
{
	int64_t count = shape_count(&x->shape), inner = 1, dim = 1;
	int64_t zeros = zero ? shape_count(&zero->shape) : 1;

	*out = read_f64(a, x);
	if (!zero)
		return true;
	if (zeros != 1) {
		if (axis < 0 || axis >= x->shape.rank ||
		    zeros != x->shape.dim[axis])
			return fail(c, QE_INPUT, "zero point %s for %s",
			            shape_text(&zero->shape).s,
			            shape_text(&x->shape).s);
		dim = zeros;
		inner = shape_span(&x->shape, axis + 1, x->shape.rank);
	}
	for (int64_t i = 0; i < count; i++)
		(*out)[i] -= value_f64(zero, i / inner % dim);
	return true;
}

/* ---- QuantizeLinear, DequantizeLinear ---- */

/* Which scale belongs to element i. */
typedef struct Grain {
	int64_t dim, inner, block, scales; /* scales along the axis */
	enum { WHOLE, AXIS, BLOCK } kind;
} Grain;

/* By the shape of the scale: one element, one for each index of the axis (13),
 * or one for each block of it (21).  A scale of the rank of x without
 * block_size tells the block by its own size. */
static bool
grain_arg(Ctx *c, const Node *n, Grain *g)
{
	const Shape *x = &n->in[0]->shape, *s = &n->in[1]->shape;
	const Value *zero = node_in(n, 2);
	int64_t block = attr_int(n, "block_size", 0);
	int axis;

	*g = (Grain){.kind = WHOLE};
	if (zero && shape_count(&zero->shape) != shape_count(s))
		return fail(c, QE_INPUT, "scale %s, zero point %s",
		            shape_text(s).s, shape_text(&zero->shape).s);
	if (shape_count(s) == 1 && s->rank <= 1 && !block)
		return true;
	if (!axis_arg(c, attr_int(n, "axis", 1), x->rank, &axis))
		return false;
	g->dim = x->dim[axis];
	g->inner = shape_span(x, axis + 1, x->rank);
	g->kind = s->rank == 1 && !block ? AXIS : BLOCK;
	g->scales = g->kind == AXIS ? s->dim[0] : s->dim[axis];
	if (g->kind == AXIS)
		return g->scales == g->dim ||
		       fail(c, QE_INPUT, "scale %s for axis %d of %s",
		            shape_text(s).s, axis, shape_text(x).s);
	for (int i = 0; i < x->rank; i++)
		if (s->rank != x->rank || (i != axis && s->dim[i] != x->dim[i]))
			return fail(c, QE_INPUT, "scale %s for %s",
			            shape_text(s).s, shape_text(x).s);
	g->block = block ? block : (g->dim + g->scales - 1) / MAX(1, g->scales);
	if (g->block < 1 || (g->dim + g->block - 1) / g->block != g->scales)
		return fail(c, QE_INPUT, "scale %s for %s in blocks of %lld",
		            shape_text(s).s, shape_text(x).s,
		            (long long)g->block);
	return true;
}

/* Index, in scales and zero points, of the one for element i. */
static int64_t
scale_of(const Grain *g, int64_t i)
{
	int64_t d;

	if (g->kind == WHOLE)
		return 0;
	d = i / g->inner % g->dim;
	if (g->kind == AXIS)
		return d;
	return (i / g->inner / g->dim * g->scales + d / g->block) * g->inner +
	       i % g->inner;
}

static DType
type_attr(const Node *n, const char *name, DType none)
{
	int64_t t = attr_int(n, name, 0);

	return t > 0 && t < INT32_MAX ? dtype_by_onnx((int)t) : none;
}

/* QuantizeLinear: saturate(round(x / scale) + zero), ties to even.  The type
 * is that of the zero point, or output_dtype (21), or uint8. */
bool
infer_quantize(Ctx *c, Node *n)
{
	const Value *zero = node_in(n, 2);
	DType t = type_attr(n, "output_dtype", zero ? zero->type : DT_U8);

	if (zero && zero->type && zero->type != t)
		return fail(c, QE_INPUT, "to %s, zero point %s", dtypes[t].name,
		            dtypes[zero->type].name);
	return want_class(c, n, 0, "FI") &&
	       value_set(c, node_out(n, 0), t, &n->in[0]->shape);
}

bool
eval_quantize(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *s = n->in[1], *zero = node_in(n, 2);
	bool saturate = attr_int(n, "saturate", 1);
	DType how = type_attr(n, "precision", s->type);
	Value *y = n->out[0];
	double v;
	Grain g;

	(void)a;
	if (!dtype_is_float(how) || dtypes[how].bits <= 8)
		how = DT_F32; /* a scale of powers of two, or integer */
	if (!grain_arg(c, n, &g))
		return false;
	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		int64_t k = scale_of(&g, i);

		v = round_as(how, value_f64(x, i) / value_f64(s, k));
		if (dtype_is_int(y->type)) {
			v = nearbyint(v) + (zero ? value_f64(zero, k) : 0);
			quant_store(y, i, 1, &v);
			continue;
		}
		v += zero ? value_f64(zero, k) : 0;
		if (saturate || dtypes[y->type].bits > 8)
			store_f64(y, i, 1, &v);
		else
			bits_put(value_bytes(y), i, dtypes[y->type].bits,
			         code_nearest(y->type, v, false));
	}
	return true;
}

/* DequantizeLinear: (x - zero) scale, of the type of the scale or
 * output_dtype. */
bool
infer_dequantize(Ctx *c, Node *n)
{
	const Value *zero = node_in(n, 2);

	if (zero &&
	    !want_same(c,
	               &(Node){.in = (Value *[]){n->in[0], n->in[2]}, .nin = 2},
	               0, 2))
		return false;
	return value_set(c, node_out(n, 0),
	                 type_attr(n, "output_dtype", n->in[1]->type),
	                 &n->in[0]->shape);
}

bool
eval_dequantize(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *s = n->in[1], *zero = node_in(n, 2);
	double v;
	Grain g;

	(void)a;
	if (!grain_arg(c, n, &g))
		return false;
	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		int64_t k = scale_of(&g, i);

		v = value_f64(x, i) - (zero ? value_f64(zero, k) : 0);
		v *= value_f64(s, k);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}

/* ---- DynamicQuantizeLinear ---- */

/* DynamicQuantizeLinear 11: y, scale and zero point of the tensor as a whole.
 * The range always holds 0, so that 0 has a code of its own. */
bool
infer_dynamic_quantize(Ctx *c, Node *n)
{
	const Shape one = {0};

	return value_set(c, node_out(n, 0), DT_U8, &n->in[0]->shape) &&
	       value_set(c, node_out(n, 1), DT_F32, &one) &&
	       value_set(c, node_out(n, 2), DT_U8, &one);
}

/* Each step is a float32 operation, as in the operator's definition. */
bool
eval_dynamic_quantize(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	float lo = 0, hi = 0, scale, zero;
	double v;

	(void)c, (void)a;
	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		lo = fminf(lo, (float)value_f64(x, i));
		hi = fmaxf(hi, (float)value_f64(x, i));
	}
	scale = (hi - lo) / 255;
	zero = scale > 0 ? nearbyintf(fmaxf(0, fminf(255, -lo / scale))) : 0;
	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		v = scale > 0
		            ? (double)nearbyintf((float)value_f64(x, i) / scale)
		            : 0;
		v += (double)zero;
		quant_store(n->out[0], i, 1, &v);
	}
	if (node_out(n, 1))
		store_f64(n->out[1], 0, 1, &(double){(double)scale});
	if (node_out(n, 2))
		store_f64(n->out[2], 0, 1, &(double){(double)zero});
	return true;
}

/* ---- MatMulInteger, QLinearMatMul ---- */

/* The values of x without their zero point, as a tensor of doubles. */
static bool
centred(Ctx *c, Arena *a, const Value *x, const Value *zero, int axis, Value *y)
{
	double *p;

	*y = *x;
	y->type = DT_F64;
	if (!quant_centre(c, a, x, zero, axis, &p))
		return false;
	y->data = (Blob){.mem = p};
	return true;
}

bool
quant_product(Ctx *c, Arena *mem, const Value *a, const Value *za,
              const Value *b, const Value *zb, Value *y)
{
	Value p, q;

	return centred(c, mem, a, za, a->shape.rank - 2, &p) &&
	       centred(c, mem, b, zb, b->shape.rank - 1, &q) &&
	       value_alloc(c, mem, y) && (matmul(&p, &q, y), true);
}

/* MatMulInteger 10: (a - a_zero)(b - b_zero) into int32; a zero point is one
 * element, or one a row of a and a column of b. */
bool
infer_matmul_integer(Ctx *c, Node *n)
{
	Shape y;

	return want_class(c, n, 0, "IU") && want_class(c, n, 1, "IU") &&
	       matmul_shape(c, &n->in[0]->shape, &n->in[1]->shape, &y) &&
	       value_set(c, node_out(n, 0), DT_I32, &y);
}

bool
eval_matmul_integer(Ctx *c, Arena *a, Node *n)
{
	Value y = *n->out[0];

	y.type = DT_F64;
	if (!quant_product(c, a, n->in[0], node_in(n, 2), n->in[1],
	                   node_in(n, 3), &y))
		return false;
	store_f64(n->out[0], 0, shape_count(&y.shape), y.data.mem);
	return true;
}

/* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero */
bool
infer_qlinear_matmul(Ctx *c, Node *n)
{
	Shape y;

	return matmul_shape(c, &n->in[0]->shape, &n->in[3]->shape, &y) &&
	       value_set(c, node_out(n, 0), n->in[7]->type, &y);
}

/* round(sum a_scale b_scale / y_scale) + y_zero, ties to even, clamped. */
bool
eval_qlinear_matmul(Ctx *c, Arena *a, Node *n)
{
	const Value *as = n->in[1], *bs = n->in[4];
	Value *y = n->out[0], sum = *y;
	int64_t cols, rows, nas, nbs;
	double ys, v;

	sum.type = DT_F64;
	if (!quant_product(c, a, n->in[0], n->in[2], n->in[3], n->in[5],
	                   &sum) ||
	    !quant_scalar(c, n->in[6], &ys))
		return false;
	cols = y->shape.rank ? y->shape.dim[y->shape.rank - 1] : 1;
	rows = y->shape.rank > 1 ? y->shape.dim[y->shape.rank - 2] : 1;
	nas = shape_count(&as->shape);
	nbs = shape_count(&bs->shape);
	if ((nas != 1 && nas != rows) || (nbs != 1 && nbs != cols) ||
	    shape_count(&n->in[7]->shape) != 1)
		return fail(c, QE_INPUT, "scales %s, %s",
		            shape_text(&as->shape).s, shape_text(&bs->shape).s);
	for (int64_t i = 0; i < shape_count(&y->shape); i++) {
		v = value_f64(&sum, i) *
		    value_f64(as, nas == 1 ? 0 : i / cols % rows) *
		    value_f64(bs, nbs == 1 ? 0 : i % cols) / ys;
		v = nearbyint(v) + value_f64(n->in[7], 0);
		quant_store(y, i, 1, &v);
	}
	return true;
}
