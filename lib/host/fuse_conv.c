/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_conv.c - what stands behind a convolution goes into it: activation,
 * residual, activation of the sum; and products of two activations.
 *
 * host batched_matmul: in x, w; attribute sizes: the numbers of BMM_B0.... */

#include "compile.h"

/* The convolution that makes v for nobody else. */
static Node *
conv_of(const Value *v)
{
	Node *n = made_by_host(v, "conv");

	n = n ? n : made_by_host(v, "depthwise");
	return n && v->mark == 1 && !attr_find(n, "post") ? n : NULL;
}

bool
fuse_conv_act(Ctx *c, Graph *g, Node *n)
{
	Node *m = conv_of(n->in[0]);
	bool after = m && m->in[3];

	(void)c;
	if (!m || (!after && attr_find(m, "act")))
		return false;
	attr_set_int(g, host_extend(g, m, -1, NULL, n->out[0]),
	             after ? "post" : "act", attr_int(n, "act", ACT_NONE));
	return true;
}

bool
fuse_conv_residual(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 1; i >= 0; i--) {
		Node *m = conv_of(n->in[i]);
		Value *r = n->in[1 - i];

		if (!m || m->in[3] || is_weight(r) ||
		    !shape_eq(&r->shape, &n->out[0]->shape) ||
		    !shape_eq(&n->in[i]->shape, &r->shape))
			continue;
		host_extend(g, m, 3, r, n->out[0]);
		return true;
	}
	return false;
}

/* A matrix [b0, b1, rows, columns] in strides of what it is read from. */
typedef struct Matrix {
	Value *v;
	int64_t dim[4], stride[4];
} Matrix;

static bool
open_matrix(Value *v, Matrix *m, bool turned)
{
	Node *t = turned ? made_by(v, "Transpose") : NULL;
	int rank = v->shape.rank;
	int64_t stride[4], k = 1;
	const int64_t *perm = NULL;
	const Shape *s;

	if (rank < 2 || rank > 4)
		return false;
	*m = (Matrix){.v = t ? t->in[0] : v, .dim = {1, 1}};
	s = &m->v->shape;
	if (t && attr_ints(t, "perm", &perm) != rank)
		return false;
	for (int i = rank - 1; i >= 0; i--) {
		stride[i] = k;
		k *= s->dim[i];
	}
	for (int i = 0; i < rank; i++) {
		int64_t from = perm ? perm[i] : i;

		from += from < 0 ? rank : 0;
		m->dim[4 - rank + i] = s->dim[from];
		m->stride[4 - rank + i] = stride[from];
	}
	for (int i = 0; i < 2; i++)
		if (m->dim[i] == 1)
			m->stride[i] = 0;
	return true;
}

bool
fuse_bmm(Ctx *c, Graph *g, Node *n)
{
	Value *y = n->out[0];
	Matrix x, w, out;
	Node *h;

	(void)c;
	if (y->type != DT_F32 || is_weight(y) || shape_count(&y->shape) <= 0 ||
	    !open_matrix(n->in[0], &x, false) ||
	    !open_matrix(n->in[1], &w, true) || !open_matrix(y, &out, false) ||
	    x.dim[3] < 1)
		return false;
	h = host_node(g, "batched_matmul", 2, (Value *[]){x.v, w.v}, y);
	attr_set_ints(g, h, "sizes", BMM_WN + 1,
	              (int64_t[]){[BMM_B0] = out.dim[0],
	                          [BMM_B1] = out.dim[1],
	                          [BMM_M] = out.dim[2],
	                          [BMM_N] = out.dim[3],
	                          [BMM_K] = x.dim[3],
	                          [BMM_XB0] = x.stride[0],
	                          [BMM_XB1] = x.stride[1],
	                          [BMM_WB0] = w.stride[0],
	                          [BMM_WB1] = w.stride[1],
	                          [BMM_WK] = w.stride[2],
	                          [BMM_WN] = w.stride[3]});
	return true;
}
