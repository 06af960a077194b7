/* SPDX-License-Identifier: BSD-3-Clause
 * conv_bn.c - a BatchNormalization behind a Conv goes into its weights.
 *
 *     w' = w s,  b' = (b - mean) s + B,  s = scale / sqrt(var + epsilon)
 *
 * for each output channel, in double.  Reads the weights of such Convs and
 * keeps new ones in memory.  Constants of float32 only. */

#include <math.h>

#include "op.h"
#include "pass.h"

typedef struct Fold {
	int64_t channels, each; /* weights of a channel */
	const float *w, *bias;  /* bias: NULL if there is none */
	const float *bn[4];     /* scale, B, mean, var */
	double epsilon;
} Fold;

/* The floats of a constant with n elements; *p NULL if it is not one. */
static bool
floats(Ctx *c, Graph *g, Value *v, int64_t n, const float **p)
{
	const char *from;
	float *to;

	*p = NULL;
	if (!v || !value_is_const(v) || v->type != DT_F32 ||
	    shape_count(&v->shape) != n)
		return true;
	if (!(from = blob_data(c, g->mem, &v->data)))
		return note(c, "constant '%s'", v->name);
	to = arena_copy(g->mem, from, (size_t)n * sizeof *to);
	*p = to; /* bytes in a file may not be aligned */
	return true;
}

static bool
load(Ctx *c, Graph *g, const Node *conv, const Node *bn, Fold *f)
{
	Value *w = conv->in[1];
	int64_t count = shape_count(&w->shape);
	bool ok = true;

	if (w->shape.rank < 3 || count < 1)
		return true;
	f->channels = w->shape.dim[0];
	f->each = count / f->channels;
	f->epsilon = attr_float(bn, "epsilon", 1e-5);
	for (int i = 0; ok && i < 4; i++)
		ok = floats(c, g, bn->in[1 + i], f->channels, &f->bn[i]);
	if (ok && conv->nin > 2 && conv->in[2])
		ok = floats(c, g, conv->in[2], f->channels, &f->bias);
	return ok && floats(c, g, w, count, &f->w);
}

static bool
complete(const Fold *f, const Node *conv)
{
	for (int i = 0; i < 4; i++)
		if (!f->bn[i])
			return false;
	return f->w && (f->bias || conv->nin < 3 || !conv->in[2]);
}

static void
merge(Edit *e, Node *conv, Node *bn, const Fold *f)
{
	Graph *g = bn->graph;
	Value *in[3], *w = conv->in[1];
	float *x = NEWV(g->mem, float, f->channels * f->each);
	float *b = NEWV(g->mem, float, f->channels);
	const Attr *attr = conv->attr;
	int nattr = conv->nattr;

	for (int64_t k = 0; k < f->channels; k++) {
		double s = (double)f->bn[0][k] /
		           sqrt((double)f->bn[3][k] + f->epsilon);
		double bias = f->bias ? (double)f->bias[k] : 0;

		for (int64_t i = k * f->each; i < (k + 1) * f->each; i++)
			x[i] = (float)((double)f->w[i] * s);
		b[k] = (float)((bias - (double)f->bn[2][k]) * s +
		               (double)f->bn[1][k]);
	}
	in[0] = conv->in[0];
	in[1] = const_bytes(g, w->name, DT_F32, &w->shape, x);
	in[2] = const_bytes(g, arena_str(g->mem, "%s_bias", w->name), DT_F32,
	                    &(Shape){1, {f->channels}}, b);
	edit_become(e, bn, "", "Conv", 3, in);
	bn->attr = arena_copy(g->mem, attr, (size_t)nattr * sizeof *attr);
	bn->nattr = nattr;
	bn->capattr = (size_t)nattr;
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	Node *conv;
	Fold f = {0};

	if (!node_is(n, "BatchNormalization") || n->nin != 5 ||
	    attr_int(n, "training_mode", 0) || !attr_int(n, "spatial", 1) ||
	    !(conv = match_inner(n->in[0], "Conv")))
		return true;
	for (int i = 1; i < n->nout; i++)
		if (n->out[i])
			return true;
	if (!load(c, e->g, conv, n, &f))
		return false;
	n->nout = 1;
	if (complete(&f, conv))
		merge(e, conv, n, &f);
	return true;
}

bool
pass_conv_bn(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
