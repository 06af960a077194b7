/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_norm.c - normalisations.
 *
 * host rmsnorm, layernorm: in x, w, b, residual; out y and, with a residual,
 * the sum; attribute eps. */

#include "compile.h"

static bool
is_row_vector(const Value *w, int64_t width)
{
	return is_real(w) && is_weight(w) && shape_count(&w->shape) == width &&
	       last_dim(w) == width;
}

bool
fuse_rms_norm(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *w = n->in[1];
	Node *h;

	(void)c;
	if (x->type != DT_F32 || !is_row_vector(w, last_dim(x)))
		return false;
	h = host_node(g, "rmsnorm", 4, (Value *[]){x, w, NULL, NULL},
	              n->out[0]);
	attr_set_float(g, h, "eps", attr_float(n, "epsilon", 1e-5));
	return true;
}

/* x * x, or Pow(x, 2) */
static bool
is_square(const Value *v, const Value *x)
{
	Node *mul = made_by(v, "Mul"), *pow = made_by(v, "Pow");

	return (mul && mul->in[0] == x && mul->in[1] == x) ||
	       (pow && pow->in[0] == x && const_is(pow->in[1], 2));
}

/* sqrt(mean(x^2) + eps) over the last axis */
static bool
is_root_mean(const Value *v, const Value *x, double *eps)
{
	Node *root = made_by(v, "Sqrt"), *mean;
	const Value *sum = root ? with_const(root->in[0], "Add", eps) : NULL;

	mean = made_by(sum, "ReduceMean");
	return mean && is_square(mean->in[0], x) &&
	       last_dim(mean->out[0]) == 1 &&
	       rows_of(mean->out[0]) == rows_of(x);
}

/* 1 / that, as Reciprocal or division */
static bool
is_rsqrt_mean(const Value *v, const Value *x, double *eps)
{
	Node *rec = made_by(v, "Reciprocal"), *div = made_by(v, "Div");

	if (rec)
		return is_root_mean(rec->in[0], x, eps);
	return div && const_is(div->in[0], 1) &&
	       is_root_mean(div->in[1], x, eps);
}

/* w * (x * rsqrt(mean(x^2) + eps)), spelled out */
bool
fuse_rms_norm_ops(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 0; i < 2; i++) {
		Node *inner = made_by(n->in[i], "Mul"), *h;
		Value *w = n->in[1 - i];
		double eps;

		if (!inner || n->out[0]->type != DT_F32)
			continue;
		for (int k = 0; k < 2; k++) {
			Value *x = inner->in[k];

			if (!is_row_vector(w, last_dim(x)) ||
			    !is_rsqrt_mean(inner->in[1 - k], x, &eps))
				continue;
			h = host_node(g, "rmsnorm", 4,
			              (Value *[]){x, w, NULL, NULL}, n->out[0]);
			attr_set_float(g, h, "eps", eps);
			return true;
		}
	}
	return false;
}

bool
fuse_layer_norm(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *w = n->in[1], *b = n->nin > 2 ? n->in[2] : NULL;
	int64_t axis = attr_int(n, "axis", -1);
	Node *h;

	(void)c;
	if (x->type != DT_F32 || (axis != -1 && axis != x->shape.rank - 1) ||
	    !is_row_vector(w, last_dim(x)) ||
	    (b && !is_row_vector(b, last_dim(x))))
		return false;
	for (int i = 1; i < n->nout; i++)
		if (n->out[i] && n->out[i]->mark)
			return false;
	h = host_node(g, "layernorm", 4, (Value *[]){x, w, b, NULL}, n->out[0]);
	attr_set_float(g, h, "eps", attr_float(n, "epsilon", 1e-5));
	return true;
}

/* x of x - mean(x) over the last axis, or NULL */
static Value *
centred(const Value *d)
{
	Node *sub = made_by(d, "Sub");
	Node *mean = sub ? made_by(sub->in[1], "ReduceMean") : NULL;

	return mean && mean->in[0] == sub->in[0] &&
	                       last_dim(mean->out[0]) == 1 &&
	                       rows_of(mean->out[0]) == rows_of(d)
	               ? sub->in[0]
	               : NULL;
}

/* (x - mean(x)) / sqrt(var(x) + eps), spelled out */
bool
fuse_layer_norm_ops(Ctx *c, Graph *g, Node *n)
{
	Value *d = n->in[0], *x = centred(d);
	double eps;
	Node *h;

	(void)c;
	if (!x || n->out[0]->type != DT_F32 || !is_root_mean(n->in[1], d, &eps))
		return false;
	h = host_node(g, "layernorm", 4, (Value *[]){x, NULL, NULL, NULL},
	              n->out[0]);
	attr_set_float(g, h, "eps", eps);
	return true;
}

/* A weight, then a bias, behind a norm that has none yet. */
bool
fuse_norm_weight(Ctx *c, Graph *g, Node *n)
{
	int slot = strcmp(n->type, "Mul") == 0 ? 1 : 2;

	(void)c;
	for (int i = 0; i < 2; i++) {
		Node *m = made_by_host(n->in[i], "layernorm");

		if (!m || m->in[slot] || m->in[2] || m->in[3] ||
		    n->in[i]->mark != 1 ||
		    !is_row_vector(n->in[1 - i], last_dim(n->in[i])) ||
		    !shape_eq(&n->in[i]->shape, &n->out[0]->shape))
			continue;
		host_extend(g, m, slot, n->in[1 - i], n->out[0]);
		return true;
	}
	return false;
}

/* norm(a + b): the sum is made on the way, for whoever else reads it. */
bool
fuse_norm_sum(Ctx *c, Graph *g, Node *n)
{
	Node *add = made_by_host(n->in[0], "binary"), *h;
	Value *out[2], *sum = n->in[0];

	(void)c;
	if (!add || attr_int(add, "op", -1) != BIN_ADD || n->in[3] ||
	    !shape_eq(&add->in[0]->shape, &sum->shape) ||
	    !shape_eq(&add->in[1]->shape, &sum->shape))
		return false;
	out[0] = value_new(g, NULL, DT_F32, &n->out[0]->shape);
	out[1] = value_new(g, NULL, DT_F32, &sum->shape);
	h = node_new(g, HOST_DOMAIN, n->type, 4,
	             (Value *[]){add->in[0], n->in[1], n->in[2], add->in[1]}, 2,
	             out);
	h->name = n->name;
	attr_set_float(g, h, "eps", attr_float(n, "eps", 1e-5));
	stand_in(g, n->out[0], out[0]);
	stand_in(g, sum, out[1]);
	return true;
}
