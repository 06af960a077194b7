/* SPDX-License-Identifier: BSD-3-Clause
 * contrib_matmul.c - com.microsoft: products with transposed or quantised
 * arguments, sums and products of quantised ones. */

#include <math.h>

#include "quant.h"

/* ---- FusedMatMul: alpha a b, each of them transposed if asked for ---- */

static bool
no_batch_transposes(Ctx *c, const Node *n)
{
	return (!attr_int(n, "transBatchA", 0) &&
	        !attr_int(n, "transBatchB", 0)) ||
	       fail(c, QE_INPUT, "transBatchA, transBatchB");
}

static Shape
turned_shape(const Value *v, bool turn)
{
	Shape s = v->shape;

	if (turn && s.rank > 1) {
		s.dim[s.rank - 1] = v->shape.dim[s.rank - 2];
		s.dim[s.rank - 2] = v->shape.dim[s.rank - 1];
	}
	return s;
}

bool
infer_fused_matmul(Ctx *c, Node *n)
{
	Shape a = turned_shape(n->in[0], attr_int(n, "transA", 0)),
	      b = turned_shape(n->in[1], attr_int(n, "transB", 0)), y;

	return no_batch_transposes(c, n) && want_same(c, n, 0, 2) &&
	       want_class(c, n, 0, "F") && matmul_shape(c, &a, &b, &y) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

static bool
turned(Ctx *c, Arena *mem, const Value *v, bool turn, Value *out)
{
	int64_t from[MAXRANK], to[MAXRANK], t;
	int r = v->shape.rank;

	*out = *v;
	if (!turn || r < 2)
		return true;
	out->shape = turned_shape(v, true);
	if (!value_alloc(c, mem, out))
		return false;
	shape_steps(&v->shape, from);
	shape_steps(&out->shape, to);
	t = from[r - 1];
	from[r - 1] = from[r - 2];
	from[r - 2] = t;
	elem_move(out, 0, to, v, 0, from, &out->shape);
	return true;
}

bool
eval_fused_matmul(Ctx *c, Arena *mem, Node *n)
{
	double alpha = attr_float(n, "alpha", 1), v;
	Value a, b, sum = *n->out[0];

	sum.type = DT_F64;
	if (!turned(c, mem, n->in[0], attr_int(n, "transA", 0), &a) ||
	    !turned(c, mem, n->in[1], attr_int(n, "transB", 0), &b) ||
	    !value_alloc(c, mem, &sum))
		return false;
	matmul(&a, &b, &sum);
	for (int64_t i = 0; i < shape_count(&sum.shape); i++) {
		v = alpha * value_f64(&sum, i);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}

/* ---- MatMulIntegerToFloat: a, b, scales, zero points, bias ---- */

bool
infer_matmul_to_float(Ctx *c, Node *n)
{
	Shape y;

	return want_class(c, n, 0, "IU") && want_class(c, n, 1, "IU") &&
	       matmul_shape(c, &n->in[0]->shape, &n->in[1]->shape, &y) &&
	       value_set(c, node_out(n, 0), n->in[2]->type, &y);
}

/* y = sum a_scale b_scale + bias; a column may have a scale of its own. */
static bool
scaled(Ctx *c, const Value *sum, double as, const Value *bs, const Value *bias,
       Value *y)
{
	const Shape *s = &sum->shape;
	int64_t cols = s->rank ? s->dim[s->rank - 1] : 1,
		nb = shape_count(&bs->shape);
	double v;

	if ((nb != 1 && nb != cols) ||
	    (bias && shape_count(&bias->shape) != cols))
		return fail(c, QE_INPUT, "scales %s or bias for %lld columns",
		            shape_text(&bs->shape).s, (long long)cols);
	for (int64_t i = 0; i < shape_count(s); i++) {
		v = value_f64(sum, i) * as *
		            value_f64(bs, nb == 1 ? 0 : i % cols) +
		    (bias ? value_f64(bias, i % cols) : 0);
		store_f64(y, i, 1, &v);
	}
	return true;
}

bool
eval_matmul_to_float(Ctx *c, Arena *a, Node *n)
{
	Value sum = *n->out[0];
	double as;

	sum.type = DT_F64;
	return quant_scalar(c, n->in[2], &as) &&
	       quant_product(c, a, n->in[0], node_in(n, 4), n->in[1],
	                     node_in(n, 5), &sum) &&
	       scaled(c, &sum, as, n->in[3], node_in(n, 6), n->out[0]);
}

/* ---- DynamicQuantizeMatMul: a, b, b_scale, b_zero, bias ---- */

bool
infer_dynamic_matmul(Ctx *c, Node *n)
{
	Shape y;

	return want_class(c, n, 0, "F") && want_class(c, n, 1, "IU") &&
	       matmul_shape(c, &n->in[0]->shape, &n->in[1]->shape, &y) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_dynamic_matmul(Ctx *c, Arena *a, Node *n)
{
	Value x = {.name = "x", .type = DT_U8, .shape = n->in[0]->shape},
	      scale = {.name = "scale", .type = DT_F32},
	      zero = {.name = "zero", .type = DT_U8}, sum = *n->out[0],
	      *out[] = {&x, &scale, &zero};
	Node q = {.nin = 1, .nout = 3, .in = n->in, .out = out};

	sum.type = DT_F64;
	return value_alloc(c, a, &x) && value_alloc(c, a, &scale) &&
	       value_alloc(c, a, &zero) && eval_dynamic_quantize(c, a, &q) &&
	       quant_product(c, a, &x, &zero, n->in[1], node_in(n, 3), &sum) &&
	       scaled(c, &sum, value_f64(&scale, 0), n->in[2], node_in(n, 4),
	              n->out[0]);
}

/* ---- QLinearAdd, QLinearMul ----
 * a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero */

bool
infer_qlinear_pair(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;

	return want_class(c, n, 0, "IU") && want_class(c, n, 3, "IU") &&
	       shape_broadcast(c, &y, &n->in[3]->shape) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

static bool
zero_of(Ctx *c, const Value *v, double *out)
{
	*out = 0;
	return !v || quant_scalar(c, v, out);
}

bool
eval_qlinear_pair(Ctx *c, Arena *a, Node *n)
{
	bool times = strcmp(n->op->name, "QLinearMul") == 0;
	const Shape *s[] = {&n->in[0]->shape, &n->in[3]->shape};
	double sa, sb, sy, za, zb, zy, p, q, v;
	int64_t at = 0;
	Nest z;

	(void)a;
	if (!quant_scalar(c, n->in[1], &sa) ||
	    !quant_scalar(c, n->in[4], &sb) ||
	    !quant_scalar(c, n->in[6], &sy) ||
	    !zero_of(c, node_in(n, 2), &za) ||
	    !zero_of(c, node_in(n, 5), &zb) || !zero_of(c, node_in(n, 7), &zy))
		return false;
	if (!nest_broadcast(&z, &n->out[0]->shape, 2, s))
		return true;
	do
		for (int64_t i = 0; i < nest_len(&z); i++) {
			p = sa * (value_f64(n->in[0],
			                    z.off[0] + i * nest_row(&z, 0)) -
			          za);
			q = sb * (value_f64(n->in[3],
			                    z.off[1] + i * nest_row(&z, 1)) -
			          zb);
			v = nearbyint((times ? p * q : p + q) / sy) + zy;
			quant_store(n->out[0], at++, 1, &v);
		}
	while (nest_next(&z));
	return true;
}
