/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_rmsnorm.c - CustomRMSNorm, which Qualcomm's compilers know by name, of
 * what exporters write for it.
 *
 *     x / Sqrt(ReduceMean(x^2) + eps) * w
 *
 * over the last axis, w of rank 1, the quotient as Div, by Reciprocal, or as
 * a power of -1/2.  Casts to float32 and back around it go: the function
 * computes in float32 itself. */

#include "op.h"
#include "pass.h"

enum { SINCE = 15 }; /* CastLike */

static const char domain[] = "com.qti.aisw.onnx", name[] = "CustomRMSNorm";

/* Whether r is 1 / Sqrt(ReduceMean(x^2) + eps). */
static bool
inverse(const Value *r, const Value *x, double *eps)
{
	const Node *n = match_inner(r, "Pow"), *root;
	const Value *s;

	if (n)
		return match_is(n->in[1], -0.5) &&
		       match_mean_square(n->in[0], x, eps);
	if ((n = match_inner(r, "Reciprocal")))
		s = n->in[0];
	else if ((n = match_inner(r, "Div")) && match_is(n->in[0], 1))
		s = n->in[1];
	else
		return false;
	root = match_inner(s, "Sqrt");
	return root && match_mean_square(root->in[0], x, eps);
}

/* x if q is its norm without weight, else NULL */
static Value *
normal(const Value *q, double *eps)
{
	const Node *n = match_inner(q, "Div"), *root;

	if (n) {
		root = match_inner(n->in[1], "Sqrt");
		return root && match_mean_square(root->in[0], n->in[0], eps)
		               ? n->in[0]
		               : NULL;
	}
	if (!(n = match_inner(q, "Mul")))
		return NULL;
	for (int i = 0; i < 2; i++)
		if (inverse(n->in[1 - i], n->in[i], eps))
			return n->in[i];
	return NULL;
}

static void
call(Edit *e, Node *n, Value *x, Value *w, double eps)
{
	function_add(e->g, domain, name);
	edit_become(e, n, domain, name, 2, (Value *[]){x, w});
	attr_set_float(n->graph, n, "epsilon", eps);
}

static void
scale(Edit *e, Node *n)
{
	for (int i = 0; i < 2; i++) {
		double eps;
		Value *x = normal(n->in[i], &eps), *w = n->in[1 - i];

		if (!x || w->shape.rank != 1 || x->type != w->type)
			continue;
		call(e, n, x, w, eps);
		return;
	}
}

/* A float16 input made float32 for a norm just made, and its output made
 * float16 again by n. */
static void
uncast(Edit *e, Node *n)
{
	Value *y = n->in[0];
	Node *norm = y->mark == 1 ? y->from : NULL, *in;

	if (!norm || strcmp(norm->domain, domain) != 0 ||
	    strcmp(norm->type, name) != 0 || y->type != DT_F32)
		return;
	in = match_op(norm->in[0], "Cast");
	if (in && in->in[0]->type == n->out[0]->type &&
	    (n->out[0]->type == DT_F16 || n->out[0]->type == DT_BF16))
		call(e, n, in->in[0], norm->in[1],
		     attr_float(norm, "epsilon", 1e-6));
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	(void)c;
	if (node_is(n, "Mul"))
		scale(e, n);
	else if (node_is(n, "Cast"))
		uncast(e, n);
	return true;
}

/* The function's body is written for opset 17: it goes along. */
bool
pass_fuse_rmsnorm(Ctx *c, Edit *e)
{
	int64_t opset = graph_opset(e->g, "");
	Function *f;

	if (opset < SINCE) {
		say(c, 1, "fuse-rmsnorm: needs opset %d", SINCE);
		return true;
	}
	if (!edit_each(c, e, visit))
		return false;
	f = graph_function(e->g, domain, name);
	return !f || graph_to_opset(c, f->body, opset);
}
