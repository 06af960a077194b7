/* SPDX-License-Identifier: BSD-3-Clause
 * batchnorm.c - norms over channels, batches and neighbours; Dropout. */

#include <math.h>

#include "num.h"

/* ---- BatchNormalization: x, scale, bias, mean, variance ---- */

/* By channel, axis 1: (x - mean) / sqrt(variance + epsilon) scale + bias.
 * Training (14) takes both from the batch, the variance as that of a
 * population, and gives running ones: old momentum + new (1 - momentum). */
bool
infer_batch_norm(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	bool training = attr_int(n, "training_mode", 0);

	if (!want_class(c, n, 0, "F"))
		return false;
	if (n->op->since < 14 && n->nout > 1)
		return fail(c, QE_INPUT, "training outputs");
	if (n->op->since >= 14 && n->nout > 1 && !training)
		return fail(c, QE_INPUT, "%d outputs without training_mode",
		            n->nout);
	return value_set(c, node_out(n, 0), n->in[0]->type, x) &&
	       value_set(c, node_out(n, 1), n->in[3]->type, &n->in[3]->shape) &&
	       value_set(c, node_out(n, 2), n->in[4]->type, &n->in[4]->shape);
}

/* Mean and variance of n elements in pieces: `each` elements, `step` apart
 * by piece. */
static void
spread(const double *x, int64_t pieces, int64_t step, int64_t each,
       double *mean, double *var)
{
	double sum = 0, square = 0, count = (double)(pieces * each);

	for (int64_t p = 0; p < pieces; p++)
		for (int64_t i = 0; i < each; i++)
			sum += x[p * step + i];
	*mean = sum / count;
	for (int64_t p = 0; p < pieces; p++)
		for (int64_t i = 0; i < each; i++) {
			double d = x[p * step + i] - *mean;

			square += d * d;
		}
	*var = square / count;
}

static void
blend(Value *y, int64_t i, double old, double new, double momentum)
{
	double v = old * momentum + new *(1 - momentum);

	if (y)
		store_f64(y, i, 1, &v);
}

bool
eval_batch_norm(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape;
	bool training = attr_int(n, "training_mode", 0);
	double eps = attr_float(n, "epsilon", 1e-5), mean, var, scale, v;
	double momentum = attr_float(n, "momentum", 0.9);
	double *x = read_f64(a, n->in[0]);
	int64_t channels = s->rank > 1 ? s->dim[1] : 1, each, batch, at;

	for (int i = 1; i < 5; i++)
		if (shape_count(&n->in[i]->shape) != channels)
			return fail(c, QE_INPUT, "input %d: %s for %s", i,
			            shape_text(&n->in[i]->shape).s,
			            shape_text(s).s);
	batch = s->rank ? s->dim[0] : 1;
	each = s->rank > 2 ? shape_span(s, 2, s->rank) : 1;
	for (int64_t ch = 0; ch < channels; ch++) {
		mean = value_f64(n->in[3], ch);
		var = value_f64(n->in[4], ch);
		if (training) {
			double m0 = mean, v0 = var;

			spread(x + ch * each, batch, channels * each, each,
			       &mean, &var);
			blend(node_out(n, 1), ch, m0, mean, momentum);
			blend(node_out(n, 2), ch, v0, var, momentum);
		}
		scale = value_f64(n->in[1], ch) / sqrt(var + eps);
		for (int64_t i = 0; i < batch * each; i++) {
			at = (i / each * channels + ch) * each + i % each;
			v = (x[at] - mean) * scale + value_f64(n->in[2], ch);
			store_f64(n->out[0], at, 1, &v);
		}
	}
	return true;
}

/* ---- InstanceNormalization, GroupNormalization: x, scale, bias ---- */

/* x [N, C, ...].  InstanceNormalization is the case of one group a channel. */
bool
infer_group_norm(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;

	if (x->rank >= 0 && x->rank < 3)
		return fail(c, QE_INPUT, "rank %d", x->rank);
	return want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, x);
}

/* Scale and bias are one a channel, or one a group (GroupNormalization 18). */
static bool
group_norm(Ctx *c, Arena *a, Node *n, int64_t groups, bool by_group)
{
	const Shape *s = &n->in[0]->shape;
	double eps = attr_float(n, "epsilon", 1e-5), mean, var, v;
	double *x = read_f64(a, n->in[0]);
	int64_t channels = s->dim[1], each = shape_span(s, 2, s->rank), size;
	int64_t want = by_group ? groups : channels, k;

	if (groups < 1 || channels % groups ||
	    shape_count(&n->in[1]->shape) != want ||
	    shape_count(&n->in[2]->shape) != want)
		return fail(c, QE_INPUT, "%lld groups of %s, scale %s",
		            (long long)groups, shape_text(s).s,
		            shape_text(&n->in[1]->shape).s);
	size = channels / groups * each;
	for (int64_t g = 0; g < s->dim[0] * groups; g++) {
		spread(x + g * size, 1, 0, size, &mean, &var);
		for (int64_t i = 0; i < size; i++) {
			k = by_group ? g % groups
			             : (g * size + i) / each % channels;
			v = (x[g * size + i] - mean) / sqrt(var + eps) *
			            value_f64(n->in[1], k) +
			    value_f64(n->in[2], k);
			store_f64(n->out[0], g * size + i, 1, &v);
		}
	}
	return true;
}

bool
eval_instance_norm(Ctx *c, Arena *a, Node *n)
{
	return group_norm(c, a, n, n->in[0]->shape.dim[1], false);
}

bool
eval_group_norm(Ctx *c, Arena *a, Node *n)
{
	return group_norm(c, a, n, attr_int(n, "num_groups", 0),
	                  n->op->since < 21);
}

/* ---- LRN, LpNormalization ---- */

/* LRN: x / (bias + alpha / size sum)^beta, over squares of `size` channels
 * around (Krizhevsky 2012, section 3.3); an even size reaches one further up
 * than down. */
bool
eval_lrn(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape;
	double alpha = attr_float(n, "alpha", 1e-4), v, sum;
	double beta = attr_float(n, "beta", 0.75),
	       bias = attr_float(n, "bias", 1);
	int64_t size = attr_int(n, "size", 0), channels = s->dim[1], from, to;
	int64_t each = shape_span(s, 2, s->rank);
	double *x = read_f64(a, n->in[0]);

	if (size < 1)
		return fail(c, QE_INPUT, "size %lld", (long long)size);
	for (int64_t i = 0; i < shape_count(s); i++) {
		int64_t ch = i / each % channels;

		from = MAX(0, ch - (size - 1) / 2);
		to = MIN(channels - 1, ch + size / 2);
		sum = 0;
		for (int64_t k = from; k <= to; k++) {
			v = x[i + (k - ch) * each];
			sum += v * v;
		}
		v = x[i] / pow(bias + alpha / (double)size * sum, beta);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}

/* LpNormalization: x / (sum |x|^p)^(1/p) along an axis, p 1 or 2; a line of
 * zeros stays zeros, where the formula has 0 / 0. */
bool
eval_lp_norm(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape;
	int64_t p = attr_int(n, "p", 2), dim, inner, at;
	double sum, v, *x = read_f64(a, n->in[0]);
	int axis;

	if (p != 1 && p != 2)
		return fail(c, QE_INPUT, "p %lld", (long long)p);
	if (!axis_arg(c, attr_int(n, "axis", -1), s->rank, &axis))
		return false;
	dim = s->dim[axis];
	inner = shape_span(s, axis + 1, s->rank);
	for (int64_t i = 0; dim && i < shape_count(s) / dim; i++) {
		at = i / inner * dim * inner + i % inner;
		sum = 0;
		for (int64_t k = 0; k < dim; k++) {
			v = fabs(x[at + k * inner]);
			sum += p == 1 ? v : v * v;
		}
		sum = p == 1 ? sum : sqrt(sum);
		for (int64_t k = 0; k < dim; k++) {
			v = sum != 0 ? x[at + k * inner] / sum : 0;
			store_f64(n->out[0], at + k * inner, 1, &v);
		}
	}
	return true;
}

/* ---- MeanVarianceNormalization: (x - mean) / deviation over axes ---- */

/* The 1e-9 is added to the deviation and not to the variance, as the body that
 * ONNX gives for this function does. */
bool
eval_mean_variance_norm(Ctx *c, Arena *a, Node *n)
{
	static const int64_t usual[] = {0, 2, 3};
	const Shape *s = &n->in[0]->shape;
	int64_t count = shape_count(s), groups;
	double *x = read_f64(a, n->in[0]), *mean, *var, *sum;
	bool gone[MAXRANK];
	Ints axes = {.known = true, .n = LEN(usual), .attr = usual};
	Shape kept = *s;
	double each;
	Nest z;

	if (attr_find(n, "axes"))
		axes.n = attr_ints(n, "axes", &axes.attr);
	if (!axes_arg(c, &axes, s->rank, gone))
		return false;
	for (int i = 0; i < s->rank; i++)
		kept.dim[i] = gone[i] ? 1 : s->dim[i];
	if (!count)
		return true;
	groups = shape_count(&kept);
	each = (double)(count / groups);
	mean = NEWV(a, double, groups);
	var = NEWV(a, double, groups);
	sum = NEWV(a, double, groups);
	/* mean, then variance around it, then the result */
	for (int pass = 0; pass < 3; pass++) {
		nest_broadcast(&z, s, 2, (const Shape *[]){s, &kept});
		do
			for (int64_t i = 0; i < nest_len(&z); i++) {
				int64_t at = z.off[0] + i * nest_row(&z, 0);
				int64_t k = z.off[1] + i * nest_row(&z, 1);
				double d = x[at] - mean[k];

				sum[k] += pass == 0 ? x[at] : d * d;
				d /= sqrt(var[k]) + 1e-9;
				if (pass == 2)
					store_f64(n->out[0], at, 1, &d);
			}
		while (nest_next(&z));
		for (int64_t k = 0; k < groups; k++) {
			*(pass == 0 ? &mean[k] : &var[k]) = sum[k] / each;
			sum[k] = 0;
		}
	}
	return true;
}

/* ---- Dropout: nothing happens outside training ---- */

/* False only where training is certain: a training_mode that is not known yet
 * is seen again by eval. */
static bool
no_training(Ctx *c, const Node *n)
{
	const Value *train = node_known(n, 2), *ratio = node_known(n, 1);

	return !train || shape_count(&train->shape) != 1 ||
	       !value_i64(train, 0) ||
	       (ratio && shape_count(&ratio->shape) == 1 &&
	        value_f64(ratio, 0) == 0) ||
	       fail(c, QE_INPUT, "training is not supported");
}

bool
infer_dropout(Ctx *c, Node *n)
{
	const Value *x = n->in[0];

	return no_training(c, n) &&
	       value_set(c, node_out(n, 0), x->type, &x->shape) &&
	       value_set(c, node_out(n, 1),
	                 n->op->since < 10 ? x->type : DT_BOOL, &x->shape);
}

bool
eval_dropout(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	if (!no_training(c, n))
		return false;
	n->out[0]->data = n->in[0]->data;
	for (int64_t i = 0; node_out(n, 1) && i < shape_count(&n->in[0]->shape);
	     i++)
		store_i64(n->out[1], i, 1, &(int64_t){1});
	return true;
}
