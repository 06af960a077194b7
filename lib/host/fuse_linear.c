/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_linear.c - products with weights, and what stands around them.
 *
 * host matmul: in x, w, bias, residual; attributes act, transb (w is [n, k]).
 * host gated: in x, gate, up, gate bias, up bias; act, transb of each. */

#include <math.h>

#include "compile.h"

bool
fuse_linear(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *w = n->in[1], *out = n->out[0];
	Node *h;

	(void)c;
	if (x->type != DT_F32 || w->shape.rank != 2 || x->shape.rank < 2 ||
	    !is_weight(w) || is_weight(x))
		return false;
	h = host_node(g, "matmul", 4, (Value *[]){x, w, NULL, NULL}, out);
	attr_set_int(g, h, "transb", 0);
	return true;
}

bool
fuse_gemm(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *w = n->in[1], *b = n->nin > 2 ? n->in[2] : NULL;
	Node *h;

	(void)c;
	if (x->type != DT_F32 || !is_weight(w) || is_weight(x) ||
	    attr_int(n, "transA", 0) || attr_float(n, "alpha", 1) != 1 ||
	    (b && attr_float(n, "beta", 1) != 1))
		return false;
	if (b && (!is_weight(b) || b->shape.rank < 1 ||
	          last_dim(b) != last_dim(n->out[0]) ||
	          shape_count(&b->shape) != last_dim(b)))
		return false;
	h = host_node(g, "matmul", 4, (Value *[]){x, w, b, NULL}, n->out[0]);
	attr_set_int(g, h, "transb", attr_int(n, "transB", 0));
	return true;
}

/* x + constant [n], x straight from a product that nobody else reads */
bool
fuse_bias(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 0; i < 2; i++) {
		Node *m = made_by_host(n->in[i], "matmul");
		Value *b = n->in[1 - i];
		Node *h;

		if (!m || m->in[2] || m->in[3] || attr_find(m, "act") ||
		    m->out[0]->mark != 1 || !is_weight(b) ||
		    b->shape.rank < 1 ||
		    shape_count(&b->shape) != last_dim(m->out[0]) ||
		    last_dim(b) != last_dim(m->out[0]) ||
		    b->shape.rank > n->out[0]->shape.rank)
			continue;
		h = host_node(g, "matmul", 4,
		              (Value *[]){m->in[0], m->in[1], b, NULL},
		              n->out[0]);
		attr_set_int(g, h, "transb", attr_int(m, "transb", 0));
		return true;
	}
	return false;
}

static Node *
plain_matmul(const Value *v)
{
	Node *m = made_by_host(v, "matmul");

	return m && !m->in[3] && !attr_find(m, "act") && v->mark == 1 ? m
	                                                              : NULL;
}

/* act(x . G) * (x . U) */
bool
fuse_gated(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 0; i < 2; i++) {
		Node *a = made_by_host(n->in[i], "unary"), *gate, *up, *h;

		if (!a || n->in[i]->mark != 1)
			continue;
		gate = plain_matmul(a->in[0]);
		up = plain_matmul(n->in[1 - i]);
		if (!gate || !up || gate->in[0] != up->in[0] ||
		    !shape_eq(&gate->out[0]->shape, &up->out[0]->shape))
			continue;
		h = host_node(g, "gated", 5,
		              (Value *[]){gate->in[0], gate->in[1], up->in[1],
		                          gate->in[2], up->in[2]},
		              n->out[0]);
		attr_set_int(g, h, "transg", attr_int(gate, "transb", 0));
		attr_set_int(g, h, "transu", attr_int(up, "transb", 0));
		attr_set_int(g, h, "act", attr_int(a, "act", ACT_NONE));
		return true;
	}
	return false;
}

bool
fuse_matmul_act(Ctx *c, Graph *g, Node *n)
{
	Node *m = plain_matmul(n->in[0]), *h;

	(void)c;
	if (!m)
		return false;
	h = host_node(g, "matmul", 4,
	              (Value *[]){m->in[0], m->in[1], m->in[2], NULL},
	              n->out[0]);
	attr_set_int(g, h, "transb", attr_int(m, "transb", 0));
	attr_set_int(g, h, "act", attr_int(n, "act", ACT_NONE));
	return true;
}

/* product + residual of the same shape */
bool
fuse_residual(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 1; i >= 0; i--) {
		Node *m = made_by_host(n->in[i], "matmul"), *h;
		Value *r = n->in[1 - i];

		if (!m || m->in[3] || n->in[i]->mark != 1 ||
		    r->type != DT_F32 || is_weight(r) ||
		    shape_count(&r->shape) != shape_count(&n->out[0]->shape) ||
		    shape_count(&m->out[0]->shape) != shape_count(&r->shape))
			continue;
		h = host_node(g, "matmul", 4,
		              (Value *[]){m->in[0], m->in[1], m->in[2], r},
		              n->out[0]);
		attr_set_int(g, h, "transb", attr_int(m, "transb", 0));
		if (attr_find(m, "act"))
			attr_set_int(g, h, "act", attr_int(m, "act", ACT_NONE));
		return true;
	}
	return false;
}

/* rows of a table: Gather of a weight on axis 0 */
bool
fuse_embed(Ctx *c, Graph *g, Node *n)
{
	Value *table = n->in[0], *ids = n->in[1];

	(void)c;
	if (n->out[0]->type != DT_F32 || table->shape.rank != 2 ||
	    !is_weight(table) || is_weight(ids) || ids->type != DT_I64 ||
	    attr_int(n, "axis", 0) != 0)
		return false;
	host_node(g, "embed", 2, (Value *[]){ids, table}, n->out[0]);
	return true;
}

/* CtxGatherCB of all rows of the slots that an index picks, as adapters are
 * picked: a block for each slot, not row by row. */
bool
fuse_slots(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *slot = n->in[1], *at = n->in[2], *y = n->out[0];
	int64_t rows = x->shape.rank == 4 ? x->shape.dim[2] : 0;
	int64_t picked = shape_count(&slot->shape);
	int64_t *all;

	(void)c;
	if (rows < 1 || shape_count(&at->shape) != rows || picked < 0 ||
	    shape_count(&y->shape) !=
	            picked * shape_count(&x->shape) / x->shape.dim[0])
		return false;
	all = NEWV(g->mem, int64_t, rows);
	for (int64_t i = 0; i < rows; i++)
		all[i] = i;
	if (rows > INT32_MAX || !is_const_ints(at, (int)rows, all))
		return false;
	slot = host_add(g, "view", 1, &slot, slot->type, &(Shape){1, {picked}})
	               ->out[0];
	x = add_typed(g, "Gather", x->type, &y->shape, x, slot, NULL);
	host_node(g, "view", 1, &x, y);
	return true;
}

/* x [B, S, H] at the position of the largest position_id: GatherND with the
 * index pairs [b, argmax], or a plain pick of one row. */
bool
fuse_last_token(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *idx = n->in[1], *pos;
	Node *arg;

	(void)c;
	if (x->type != DT_F32 || x->shape.rank != 3 ||
	    attr_int(n, "batch_dims", 0) != 1)
		return false;
	while (!(arg = made_by(idx, "ArgMax"))) {
		if (!made_by_host(idx, "view") && !made_by(idx, "Cast"))
			return false;
		idx = idx->from->in[0];
	}
	if (!arg || attr_int(arg, "axis", 0) != 1 ||
	    attr_int(arg, "select_last_index", 0))
		return false;
	pos = arg->in[0];
	while (made_by(pos, "Cast"))
		pos = pos->from->in[0];
	if (pos->type != DT_I64 || pos->shape.rank != 2 ||
	    pos->shape.dim[0] != x->shape.dim[0] ||
	    pos->shape.dim[1] != x->shape.dim[1] ||
	    shape_count(&n->out[0]->shape) != x->shape.dim[0] * x->shape.dim[2])
		return false;
	host_node(g, "last_token", 2, (Value *[]){x, pos}, n->out[0]);
	return true;
}
