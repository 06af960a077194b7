/* SPDX-License-Identifier: BSD-3-Clause
 * contrib.c - fused operators of com.microsoft: biased Gelus, norms of a sum,
 * products with packed weights. */

#include <math.h>

#include "contrib.h"

/* ---- FastGelu, BiasGelu: x and a bias of its last dimension ---- */

bool
infer_bias_gelu(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	const Value *bias = node_in(n, 1);

	if (bias && bias->shape.rank >= 0 && x->rank > 0 &&
	    (bias->shape.rank != 1 ||
	     (bias->shape.dim[0] >= 0 && x->dim[x->rank - 1] >= 0 &&
	      bias->shape.dim[0] != x->dim[x->rank - 1])))
		return fail(c, QE_INPUT, "bias %s for %s",
		            shape_text(&bias->shape).s, shape_text(x).s);
	return want_class(c, n, 0, "F") && want_same(c, n, 0, n->nin) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, x);
}

static void
bias_gelu(Node *n, double (*f)(double))
{
	const Value *x = n->in[0], *bias = node_in(n, 1);
	int64_t len = bias ? shape_count(&bias->shape) : 1;
	double v;

	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		v = value_f64(x, i) + (bias ? value_f64(bias, i % len) : 0);
		v = f(v);
		store_f64(n->out[0], i, 1, &v);
	}
}

static double
gelu_exact(double x)
{
	return 0.5 * x * erfc(-x * 0.70710678118654752440);
}

static double
gelu_fast(double x)
{
	const double k = 0.79788456080286535588; /* sqrt(2 / pi) */

	return 0.5 * x * (1 + tanh(k * (x + 0.044715 * x * x * x)));
}

bool
eval_bias_gelu(Ctx *c, Arena *a, Node *n)
{
	(void)c, (void)a;
	bias_gelu(n, gelu_exact);
	return true;
}

bool
eval_fast_gelu(Ctx *c, Arena *a, Node *n)
{
	(void)c, (void)a;
	bias_gelu(n, gelu_fast);
	return true;
}

/* ---- SkipLayerNormalization: (x + skip + bias) normalised ----
 * x, skip, gamma, beta, bias; the Simplified one has no beta. */

static bool
is_simple(const Node *n)
{
	return strstr(n->op->name, "Simplified") != NULL;
}

bool
infer_skip_norm(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	Shape part = *x;

	if (!want_class(c, n, 0, "F") || !want_same(c, n, 0, n->nin))
		return false;
	if (x->rank >= 0 && x->rank < 2)
		return fail(c, QE_INPUT, "rank %d", x->rank);
	if (part.rank > 0)
		part.dim[part.rank - 1] = 1;
	return value_set(c, node_out(n, 0), n->in[0]->type, x) &&
	       value_set(c, node_out(n, 1), DT_F32, &part) &&
	       value_set(c, node_out(n, 2), DT_F32, &part) &&
	       value_set(c, node_out(n, 3), n->in[0]->type, x);
}

static bool
check_skip_norm(Ctx *c, const Node *n, int64_t len)
{
	int64_t count = shape_count(&n->in[0]->shape);
	int64_t skip = shape_count(&n->in[1]->shape);

	/* skip may lack the batch */
	if (!skip ? count != 0 : count % skip != 0 || skip % MAX(1, len))
		return fail(c, QE_INPUT, "skip %s for %s",
		            shape_text(&n->in[1]->shape).s,
		            shape_text(&n->in[0]->shape).s);
	for (int k = 2; k < n->nin; k++)
		if (n->in[k] && shape_count(&n->in[k]->shape) != len)
			return fail(c, QE_INPUT, "input %d: %s", k,
			            shape_text(&n->in[k]->shape).s);
	return true;
}

bool
eval_skip_norm(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *skip = n->in[1], *gamma = n->in[2];
	bool simple = is_simple(n);
	const Value *beta = simple ? NULL : node_in(n, 3);
	const Value *bias = node_in(n, simple ? 3 : 4);
	int64_t len = x->shape.dim[x->shape.rank - 1];
	int64_t rows = shape_span(&x->shape, 0, x->shape.rank - 1);
	double eps = attr_float(n, "epsilon", 1e-5), mean, inv, v;
	double *sum = NEWV(a, double, len + 1);

	if (!check_skip_norm(c, n, len))
		return false;
	for (int64_t r = 0; r < rows; r++) {
		double square = 0;

		mean = 0;
		for (int64_t i = 0; i < len; i++) {
			int64_t at = r * len + i;

			sum[i] = value_f64(x, at) +
			         value_f64(skip,
			                   at % shape_count(&skip->shape)) +
			         (bias ? value_f64(bias, i) : 0);
			mean += sum[i] / (double)len;
		}
		if (node_out(n, 3))
			store_f64(n->out[3], r * len, len, sum);
		mean = simple ? 0 : mean;
		for (int64_t i = 0; i < len; i++)
			square += (sum[i] - mean) * (sum[i] - mean);
		inv = 1 / sqrt(square / (double)len + eps);
		for (int64_t i = 0; i < len; i++) {
			v = (sum[i] - mean) * inv * value_f64(gamma, i) +
			    (beta ? value_f64(beta, i) : 0);
			store_f64(n->out[0], r * len + i, 1, &v);
		}
		if (node_out(n, 1))
			store_f64(n->out[1], r, 1, &mean);
		if (node_out(n, 2))
			store_f64(n->out[2], r, 1, &inv);
	}
	return true;
}

/* ---- packed weights ---- */

bool
packed_open(Ctx *c, const Value *w, const Value *scale, const Value *zero,
            Packed *p)
{
	int64_t per = 8 / p->bits, bytes;

	p->w = w;
	p->scale = scale;
	p->zero = zero;
	p->blocks = (p->cols + p->block - 1) / p->block;
	bytes = mul_size(p->blocks, p->block / per);
	p->row = bytes < 0 ? -1 : bytes * per;
	if (w->type != DT_U8 || bytes < 0 ||
	    shape_count(&w->shape) < mul_size(p->rows, bytes) ||
	    mul_size(p->rows, bytes) < 0 ||
	    shape_count(&scale->shape) != p->rows * p->blocks)
		return fail(c, QE_INPUT,
		            "weights %s%s, scales %s for %lld by %lld",
		            dtypes[w->type].name, shape_text(&w->shape).s,
		            shape_text(&scale->shape).s, (long long)p->rows,
		            (long long)p->cols);
	if (!zero)
		return true;
	p->loose = zero->type != DT_U8;
	p->zrow = (p->blocks + per - 1) / per * per;
	if (p->flatzero) /* QMoE packs without regard to rows */
		p->zrow = p->blocks;
	if (shape_count(&zero->shape) !=
	    (p->loose ? p->rows * p->blocks
	              : (p->rows * p->zrow + per - 1) / per))
		return fail(c, QE_INPUT, "zero points %s",
		            shape_text(&zero->shape).s);
	return true;
}

double
packed_at(const Packed *p, int64_t r, int64_t col, int64_t group)
{
	int64_t k = r * p->blocks + group;
	double zero = (double)(1 << (p->bits - 1));

	if (p->zero && p->loose)
		zero = value_f64(p->zero, k);
	else if (p->zero)
		zero = bits_get(p->zero->data.mem, r * p->zrow + group,
		                p->bits);
	return ((double)bits_get(p->w->data.mem, r * p->row + col, p->bits) -
	        zero) *
	       value_f64(p->scale, k);
}

/* ---- MatMulNBits: A, B, scales, zero points, group of each k, bias ---- */

static bool
nbits_args(Ctx *c, const Node *n, Packed *p)
{
	*p = (Packed){.rows = attr_int(n, "N", 0),
	              .cols = attr_int(n, "K", 0),
	              .block = attr_int(n, "block_size", 0),
	              .bits = (int)attr_int(n, "bits", 4)};
	if (p->rows < 1 || p->cols < 1 || p->block < 16 ||
	    p->block & (p->block - 1) || p->block > 1 << 30 ||
	    (p->bits != 2 && p->bits != 4 && p->bits != 8))
		return fail(c, QE_INPUT,
		            "K %lld, N %lld, bits %d, blocks of %lld",
		            (long long)p->cols, (long long)p->rows, p->bits,
		            (long long)p->block);
	if (attr_int(n, "weight_prepacked", 0))
		return fail(c, QE_INPUT, "weight_prepacked");
	return true;
}

bool
infer_matmul_nbits(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	Packed p;

	if (!nbits_args(c, n, &p) || !want_class(c, n, 0, "F"))
		return false;
	if (y.rank == 0 || (y.rank > 0 && y.dim[y.rank - 1] >= 0 &&
	                    y.dim[y.rank - 1] != p.cols))
		return fail(c, QE_INPUT, "%s, K %lld", shape_text(&y).s,
		            (long long)p.cols);
	if (y.rank > 0)
		y.dim[y.rank - 1] = p.rows;
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Rows [r0, r0 + w) as columns of a tile [cols, TILE]. */
static bool
unpack_tile(Ctx *c, const Packed *p, const Value *group, int64_t r0, int64_t w,
            double *tile)
{
	for (int64_t k = 0; k < p->cols; k++) {
		int64_t g = group ? value_i64(group, k) : k / p->block;

		if (g < 0 || g >= p->blocks)
			return fail(c, QE_INPUT, "group %lld of %lld",
			            (long long)g, (long long)p->blocks);
		for (int64_t j = 0; j < w; j++)
			tile[k * TILE + j] = packed_at(p, r0 + j, k, g);
	}
	return true;
}

bool
eval_matmul_nbits(Ctx *c, Arena *a, Node *n)
{
	const Value *group = node_in(n, 4), *bias = node_in(n, 5);
	int64_t rows =
		shape_span(&n->in[0]->shape, 0, n->in[0]->shape.rank - 1);
	double *x = read_f64(a, n->in[0]), *tile, sum[TILE];
	Packed p;

	if (!nbits_args(c, n, &p) ||
	    !packed_open(c, n->in[1], n->in[2], node_in(n, 3), &p))
		return false;
	if ((group && shape_count(&group->shape) != p.cols) ||
	    (bias && shape_count(&bias->shape) != p.rows))
		return fail(c, QE_INPUT, "g_idx or bias for K %lld, N %lld",
		            (long long)p.cols, (long long)p.rows);
	tile = NEWV(a, double, p.cols *TILE);
	for (int64_t r = 0; r < p.rows; r += TILE) {
		int64_t w = MIN(TILE, p.rows - r);

		if (!unpack_tile(c, &p, group, r, w, tile))
			return false;
		for (int64_t i = 0; i < rows; i++) {
			tile_product(x + i * p.cols, 1, p.cols, tile, sum);
			for (int64_t j = 0; bias && j < w; j++)
				sum[j] += value_f64(bias, r + j);
			store_f64(n->out[0], i * p.rows + r, w, sum);
		}
	}
	return true;
}
