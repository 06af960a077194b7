/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_attention.c - Attention of what exporters write for it.
 *
 *     Softmax(q . Transpose(k) * scale [+ mask]) . v
 *
 * over [batch, heads, tokens, size], the scale as a product or a quotient
 * or, half on each side, in front of q and k, where it stays.  A key turned
 * from [batch, tokens, heads, size] in one step is turned in two, so that
 * nothing is left to do where its own Transpose was.  Since opset 23. */

#include "pass.h"

enum { SINCE = 23 };

typedef struct Scores {
	Value *q, *kt, *mask;
	double scale;
} Scores;

static bool
is_heads(const Value *v)
{
	return v && v->shape.rank == 4;
}

/* v without a number multiplied or divided by; v itself if there is none. */
static Value *
unscaled(Value *v, double *scale)
{
	const Node *n = match_inner(v, "Div");
	double x;

	*scale = 1;
	if (n && match_number(n->in[1], &x) && x != 0) {
		*scale = 1 / x;
		return n->in[0];
	}
	n = match_inner(v, "Mul");
	for (int i = 0; n && i < 2; i++)
		if (match_number(n->in[i], &x)) {
			*scale = x;
			return n->in[1 - i];
		}
	return v;
}

/* q . kt, maybe scaled */
static bool
product(Value *v, Scores *s)
{
	const Node *n;

	v = unscaled(v, &s->scale);
	n = match_inner(v, "MatMul");
	if (!n || !is_heads(n->in[0]) || !is_heads(n->in[1]))
		return false;
	s->q = n->in[0];
	s->kt = n->in[1];
	return true;
}

static bool
scores(Value *v, Scores *s)
{
	const Node *add = match_inner(v, "Add");

	for (int i = 0; add && i < 2; i++)
		if (product(add->in[i], s)) {
			s->mask = add->in[1 - i];
			return s->mask->type == v->type &&
			       s->mask->shape.rank >= 2 &&
			       s->mask->shape.rank <= 4;
		}
	s->mask = NULL;
	return product(v, s);
}

/* The keys [batch, heads, tokens, size] that kt is made of. */
static Value *
keys(Node *before, Value *kt)
{
	Node *n = match_op(kt, "Transpose");
	Value *k;

	if (!n)
		return NULL;
	if (attr_is_ints(n, "perm", 4, (const int64_t[]){0, 1, 3, 2}))
		return n->in[0];
	if (!attr_is_ints(n, "perm", 4, (const int64_t[]){0, 2, 3, 1}))
		return NULL;
	k = edit_add(before, "Transpose", NULL, n->in[0], NULL, NULL);
	attr_set_ints(before->graph, k->from, "perm", 4,
	              (const int64_t[]){0, 2, 1, 3});
	k->type = kt->type;
	k->shape = (Shape){4,
	                   {kt->shape.dim[0], kt->shape.dim[1],
	                    kt->shape.dim[3], kt->shape.dim[2]}};
	return k;
}

/* Dimension i of a and b, known and equal. */
static bool
same_dim(const Value *a, const Value *b, int i)
{
	return a->shape.dim[i] >= 0 && a->shape.dim[i] == b->shape.dim[i];
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	Node *soft =
		node_is(n, "MatMul") ? match_inner(n->in[0], "Softmax") : NULL;
	int64_t axis = soft ? attr_int(soft, "axis", -1) : 0;
	Scores s;
	Value *in[4];

	(void)c;
	if (!soft || (axis != -1 && axis != 3) || !is_heads(n->in[1]) ||
	    !scores(soft->in[0], &s) || !same_dim(s.q, s.kt, 1) ||
	    !same_dim(s.q, n->in[1], 1) || !(in[1] = keys(n, s.kt)))
		return true;
	in[0] = s.q;
	in[2] = n->in[1];
	in[3] = s.mask;
	edit_become(e, n, "", "Attention", s.mask ? 4 : 3, in);
	attr_set_float(n->graph, n, "scale", s.scale);
	return true;
}

bool
pass_fuse_attention(Ctx *c, Edit *e)
{
	if (graph_opset(e->g, "") < SINCE) {
		say(c, 1, "fuse-attention: needs opset %d", SINCE);
		return true;
	}
	return edit_each(c, e, visit);
}
