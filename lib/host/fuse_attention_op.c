/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_attention_op.c - the operator Attention of ONNX, as attention_dense.
 *
 * Heads may be a dimension or lie side by side in the last one.  With a cache
 * of its own, or when its scores are asked for, it runs by the reference. */

#include <math.h>

#include "compile.h"

/* v [B,n,T,d] or [B,T,n*d] as [B,T,n,d] */
static Value *
in_heads(Graph *g, Value *v, int64_t heads)
{
	const int64_t *d = v->shape.dim;
	Shape s = {4, {d[0], d[1], heads, heads > 0 ? d[2] / heads : 0}};

	if (v->shape.rank == 4)
		return tokens_major(g, v);
	return host_add(g, "view", 1, &v, v->type, &s)->out[0];
}

/* 0 where row r of [rows, columns] may look, -inf beyond its own column. */
static Value *
causal_bias(Graph *g, int64_t rows, int64_t columns)
{
	float *x = NEWV(g->mem, float, rows *columns);

	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = r + 1; c < columns; c++)
			x[r * columns + c] = -INFINITY;
	return const_bytes(g, NULL, DT_F32, &(Shape){2, {rows, columns}}, x);
}

/* What the operator adds to the scores; false: something of another kind. */
static bool
op_bias(Graph *g, const Node *n, const Value *scores, Value **bias)
{
	Value *mask = n->nin > 3 ? n->in[3] : NULL, *causal;
	Shape s = {2, {scores->shape.dim[2], last_dim(scores)}};

	if (mask && mask->type == DT_BOOL)
		mask = add_typed(g, "Where", DT_F32, &mask->shape, mask,
		                 const_f32(g, NULL, 0),
		                 const_f32(g, NULL, -INFINITY));
	*bias = mask;
	if (mask && !bias_fits(mask, scores))
		return false;
	if (!attr_int(n, "is_causal", 0))
		return true;
	*bias = causal = causal_bias(g, s.dim[0], s.dim[1]);
	if (!mask)
		return true;
	if (mask->shape.rank > 2) { /* stretched over rows, if it was not */
		s = mask->shape;
		s.dim[s.rank - 2] = scores->shape.dim[2];
	}
	*bias = add_typed(g, "Add", DT_F32, &s, mask, causal, NULL);
	return true;
}

/* Attention without caches or further outputs. */
static bool
is_whole(const Node *n)
{
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && (i > 3 || (i < 3 && n->in[i]->type != DT_F32)))
			return false;
	for (int i = 1; i < n->nout; i++)
		if (n->out[i])
			return false;
	return n->in[0]->shape.rank == n->in[1]->shape.rank &&
	       n->in[0]->shape.rank == n->in[2]->shape.rank;
}

bool
fuse_attention_op(Ctx *c, Graph *g, Node *n)
{
	int64_t rank = n->in[0]->shape.rank, heads, kv;
	Value *in[4], scores = {.type = DT_F32};
	Shape s;
	Node *h;

	(void)c;
	if (!is_whole(n) || shape_count(&n->out[0]->shape) <= 0)
		return false;
	heads = rank == 4 ? n->in[0]->shape.dim[1]
	                  : attr_int(n, "q_num_heads", 0);
	kv = rank == 4 ? n->in[1]->shape.dim[1]
	               : attr_int(n, "kv_num_heads", 0);
	if (heads < 1 || kv < 1 || heads % kv)
		return false;
	for (int i = 0; i < 3; i++)
		in[i] = in_heads(g, n->in[i], i ? kv : heads);
	s = in[0]->shape;
	scores.shape =
		(Shape){4, {s.dim[0], heads, s.dim[1], in[1]->shape.dim[1]}};
	if (!op_bias(g, n, &scores, &in[3]))
		return false;
	s.dim[3] = in[2]->shape.dim[3];
	h = host_add(g, "attention_dense", 4, in, DT_F32, &s);
	attr_set_float(g, h, "scale",
	               attr_float(n, "scale",
	                          1 / sqrt((double)in[0]->shape.dim[3])));
	attr_set_float(g, h, "cap", attr_float(n, "softcap", 0));
	if (rank == 4)
		put_result(g, h, n->out[0]);
	else
		stand_in(g, n->out[0],
		         host_add(g, "view", 1, h->out, DT_F32,
		                  &n->out[0]->shape)
		                 ->out[0]);
	return true;
}
