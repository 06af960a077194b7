/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_experts.c - what only the chosen experts do.
 *
 * host experts: in x [T,k or 1,in], index, gate [E,in,out], up, gate bias
 *   [E,out], up bias; act, limit.
 * host experts_sum: in x [T,k,H], weights [T,k,1]. */

#include "compile.h"

bool
fuse_experts(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	if (n->in[0]->type != DT_F32 || !is_weight(n->in[1]) ||
	    is_weight(n->in[2]))
		return false;
	host_node(g, "experts", 6,
	          (Value *[]){n->in[0], n->in[2], n->in[1], NULL, NULL, NULL},
	          n->out[0]);
	return true;
}

static Node *
plain_experts(const Value *v)
{
	Node *n = made_by_host(v, "experts");

	return n && !n->in[3] && v->mark == 1 ? n : NULL;
}

/* + rows of a constant [E,out] by the same index */
bool
fuse_experts_bias(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 0; i < 2; i++) {
		Node *m = plain_experts(n->in[i]),
		     *rows = made_by(n->in[1 - i], "Gather");

		if (!m || m->in[4] || !rows || attr_int(rows, "axis", 0) ||
		    rows->in[1] != m->in[1] || !is_weight(rows->in[0]) ||
		    rows->in[0]->shape.rank != 2)
			continue;
		host_node(g, "experts", 6,
		          (Value *[]){m->in[0], m->in[1], m->in[2], NULL,
		                      rows->in[0], NULL},
		          n->out[0]);
		return true;
	}
	return false;
}

/* min(v, limit), the limit taken off */
static Value *
below(Value *v, double *limit)
{
	return with_const(v, "Min", limit);
}

/* clip(v, -limit, limit) + 1 */
static Value *
clipped_plus_one(Value *v, double limit)
{
	double one, low, high;
	Value *x = with_const(v, "Add", &one);

	x = x ? with_const(x, "Max", &low) : NULL;
	x = x ? below(x, &high) : NULL;
	return x && one == 1 && low == -limit && high == limit ? x : NULL;
}

/* act(gate) * up, or act(min(gate, limit)) * (clip(up) + 1) */
bool
fuse_experts_gated(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	for (int i = 0; i < 2; i++) {
		Node *a = made_by_host(n->in[i], "unary"), *gate, *up, *h;
		Value *x = a ? a->in[0] : NULL, *y = n->in[1 - i], *in;
		double limit = 0;

		if (x && (in = below(x, &limit))) {
			x = in;
			y = clipped_plus_one(y, limit);
		}
		if (!(gate = plain_experts(x)) || !(up = plain_experts(y)) ||
		    gate->in[0] != up->in[0] || gate->in[1] != up->in[1] ||
		    limit < 0)
			continue;
		h = host_node(g, "experts", 6,
		              (Value *[]){gate->in[0], gate->in[1], gate->in[2],
		                          up->in[2], gate->in[4], up->in[4]},
		              n->out[0]);
		attr_set_int(g, h, "act", attr_int(a, "act", ACT_NONE));
		attr_set_float(g, h, "limit", limit);
		return true;
	}
	return false;
}

/* The sum over k of x [T,k,H] * w [T,k,1]. */
bool
fuse_experts_sum(Ctx *c, Graph *g, Node *n)
{
	Node *mul = made_by(n->in[0], "Mul");
	int64_t axis = 1;

	(void)c;
	if (!mul || n->nin < 2 || !is_const_ints(n->in[1], 1, &axis) ||
	    attr_int(n, "keepdims", 1) || n->out[0]->type != DT_F32)
		return false;
	for (int i = 0; i < 2; i++) {
		const Shape *x = &mul->in[i]->shape,
			    *w = &mul->in[1 - i]->shape;

		if (x->rank != 3 || w->rank != 3 || w->dim[2] != 1 ||
		    x->dim[0] != w->dim[0] || x->dim[1] != w->dim[1])
			continue;
		host_node(g, "experts_sum", 2,
		          (Value *[]){mul->in[i], mul->in[1 - i]}, n->out[0]);
		return true;
	}
	return false;
}
