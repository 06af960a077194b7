/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_latent.c - keys and values that are made of a compressed cache.
 *
 * A graph that keeps latent rows c multiplies all of them by a matrix for each
 * head, at each call.  Products may be taken in another order,
 *   q . (c U) = (q U') . c     p (c V) = (p c) V
 * so that rows of the cache are read as they are, once for all heads, by the
 * kernel of attention.  For chunks of a few hundred tokens it is about as many
 * operations either way; for a single token it is thousands of times fewer.
 *
 * Products by a matrix for each head become host experts, whose rows choose
 * their head's. */

#include "compile.h"

/* [B,n or 1,L,rank] rows of a cache, before their heads were repeated */
static bool
is_kept(Value *v)
{
	const Node *n = unzeroed(unrepeat(v))->from;

	return is_op(n, "com.qualcomm.cloud", "CtxGather") ||
	       is_op(n, "com.qualcomm.cloud", "CtxGatherCB");
}

/* c [B,n or 1,L,rank] times a constant [n,rank,m]: the product that v is */
static Node *
expanded(const Value *v)
{
	Node *n = made_by(v, "MatMul");

	return n && v->shape.rank == 4 && n->in[0]->shape.rank == 4 &&
	                       n->in[1]->shape.rank == 3 &&
	                       is_weight(n->in[1]) && is_kept(n->in[0])
	               ? n
	               : NULL;
}

static Value *
product(Graph *g, Value *x, Value *w)
{
	Shape s = x->shape;

	s.dim[3] = last_dim(w);
	return add_typed(g, "MatMul", DT_F32, &s, x, w, NULL);
}

static Value *
beside(Graph *g, Value *x, Value *y)
{
	Shape s = x->shape;
	Value *v;

	s.dim[3] += last_dim(y);
	v = add_typed(g, "Concat", DT_F32, &s, x, y, NULL);
	attr_set_int(g, v->from, "axis", 3);
	return v;
}

/* w [n,k,m] or x [B,n,L,d] with its last two axes changed over */
static Value *
turned(Graph *g, Value *x)
{
	Shape s = x->shape;
	int64_t perm[MAXRANK];
	Value *v;

	for (int i = 0; i < s.rank; i++)
		perm[i] = i;
	perm[s.rank - 1] = s.rank - 2;
	perm[s.rank - 2] = s.rank - 1;
	s.dim[s.rank - 1] = x->shape.dim[s.rank - 2];
	s.dim[s.rank - 2] = x->shape.dim[s.rank - 1];
	v = add_typed(g, "Transpose", x->type, &s, x, NULL, NULL);
	attr_set_ints(g, v->from, "perm", s.rank, perm);
	return v;
}

/* p (c V), p [B,n,S,L] */
bool
fuse_absorb_values(Ctx *c, Graph *g, Node *n)
{
	Value *p = n->in[0];
	Node *v = expanded(n->in[1]);

	(void)c;
	if (!v || p->shape.rank != 4 || is_weight(p))
		return false;
	stand_in(g, n->out[0], product(g, product(g, p, v->in[0]), v->in[1]));
	return true;
}

/* The second part of keys, as it was kept: one head, if c has one. */
static Value *
as_kept(Value *r, const Value *c)
{
	Node *wide = made_by(r, "Expand");

	if (c->shape.dim[1] == r->shape.dim[1])
		return r;
	return wide && wide->in[0]->shape.rank == 4 &&
	                       wide->in[0]->shape.dim[1] == c->shape.dim[1]
	               ? wide->in[0]
	               : NULL;
}

/* (q | s) . (c U | r), q [B,n,S,m] */
bool
fuse_absorb_keys(Ctx *c, Graph *g, Node *n)
{
	Node *q = side_by_side(n->in[0]),
	     *turn = made_by(n->in[1], "Transpose"),
	     *k = turn ? side_by_side(turn->in[0]) : NULL, *u;
	Value *r;

	(void)c;
	if (!q || !k || !is_perm(turn, 4, (const int64_t[]){0, 1, 3, 2}) ||
	    !(u = expanded(k->in[0])) ||
	    last_dim(q->in[0]) != last_dim(k->in[0]) ||
	    !(r = as_kept(k->in[1], u->in[0])))
		return false;
	r = turned(g, beside(g, u->in[0], r));
	stand_in(g, n->out[0],
	         product(g,
	                 beside(g, product(g, q->in[0], turned(g, u->in[1])),
	                        q->in[1]),
	                 r));
	return true;
}

/* x [B,n,S,k] times a constant [n,k,m] */
bool
fuse_heads(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0], *w = n->in[1], *in[6] = {NULL};
	const int64_t *d = x->shape.dim;
	Shape s;

	(void)c;
	if (x->type != DT_F32 || x->shape.rank != 4 || w->shape.rank != 3 ||
	    is_weight(x) || !is_weight(w) || w->shape.dim[0] != d[1] ||
	    shape_count(&n->out[0]->shape) <= 0)
		return false;
	s = (Shape){4, {d[0], d[2], d[1], last_dim(w)}};
	in[0] = tokens_major(g, x);
	in[1] = own_places(g, d[0] * d[2], d[1]);
	in[2] = w;
	put_result(g, host_add(g, "experts", 6, in, DT_F32, &s), n->out[0]);
	return true;
}
