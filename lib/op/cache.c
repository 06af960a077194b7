/* SPDX-License-Identifier: BSD-3-Clause
 * cache.c - com.qualcomm.cloud: rows of a retained cache by position.
 *
 * A cache is [batch, heads, rows, width], or [batch, rows, width] in the
 * 3D variants.  CtxScatter writes updates at positions, CtxGather reads rows.
 * The CB (continuous batching) variants find the batch row in batch_index.
 *
 * Without CB a position counts from the end when negative, as in ScatterND:
 * padding (-1) goes to the last row.  With CB, INT32_MAX marks a row to be
 * dropped by a scatter and to be read as row 0 by a gather.  Any other
 * position outside is an error. */

#include "num.h"

/* Which of the inputs there are, by flags: row dims after batch. */
typedef struct Cache {
	bool heads; /* rank 4 */
	bool cb;
	const Value *data, *batch, *pos;
	int64_t nheads, rows, width, nbatch, npos;
} Cache;

static bool
open_cache(Ctx *c, const Node *n, bool heads, bool cb, Cache *k)
{
	const Shape *s = &n->in[0]->shape;
	int first = heads ? 2 : 1;

	*k = (Cache){.heads = heads, .cb = cb, .data = n->in[0]};
	k->batch = cb ? n->in[1] : NULL;
	k->pos = n->in[cb ? 2 : 1];
	if (s->rank < first + 1 || s->rank > first + 2)
		return fail(c, QE_INPUT, "cache of shape %s", shape_text(s).s);
	k->nheads = heads ? s->dim[1] : 1;
	k->rows = s->dim[first];
	k->width = shape_span(s, first + 1, s->rank);
	k->npos = k->pos->shape.rank < 1
	                  ? 1
	                  : k->pos->shape.dim[k->pos->shape.rank - 1];
	k->nbatch = cb ? shape_count(&k->batch->shape) : s->dim[0];
	return true;
}

/* Row of the whole cache for batch b, head h, position i; -1: dropped;
 * -2: failed. */
static int64_t
row_of(Ctx *c, const Cache *k, int64_t b, int64_t h, int64_t pos)
{
	int64_t slot = k->cb ? value_i64(k->batch, b) : b;
	int64_t nslot = k->data->shape.dim[0];

	if (k->cb && pos == INT32_MAX)
		return -1;
	if (slot < -nslot || slot >= nslot || pos < -k->rows ||
	    pos >= k->rows) {
		fail(c, QE_INPUT, "row %lld of %lld, batch %lld of %lld",
		     (long long)pos, (long long)k->rows, (long long)slot,
		     (long long)nslot);
		return -2;
	}
	slot = slot < 0 ? slot + nslot : slot;
	pos = pos < 0 ? pos + k->rows : pos;
	return (slot * k->nheads + h) * k->rows + pos;
}

bool
infer_ctx_scatter(Ctx *c, Node *n)
{
	return want_class(c, n, 1, "I") && want_class(c, n, n->nin - 2, "I") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

static bool
scatter(Ctx *c, Node *n, bool heads, bool cb)
{
	const Value *u = n->in[n->nin - 1];
	int64_t from = 0, row, pos;
	Value *y = n->out[0];
	Cache k;

	if (!open_cache(c, n, heads, cb, &k))
		return false;
	if (u->type != y->type ||
	    shape_count(&k.pos->shape) != k.nbatch * k.npos ||
	    shape_count(&u->shape) != k.nbatch * k.nheads * k.npos * k.width)
		return fail(c, QE_INPUT, "cache %s, positions %s, updates %s",
		            shape_text(&y->shape).s,
		            shape_text(&k.pos->shape).s,
		            shape_text(&u->shape).s);
	elem_copy(y, 0, k.data, 0, shape_count(&y->shape));
	for (int64_t b = 0; b < k.nbatch; b++)
		for (int64_t h = 0; h < k.nheads; h++)
			for (int64_t i = 0; i < k.npos; i++, from += k.width) {
				pos = value_i64(k.pos, b * k.npos + i);
				row = row_of(c, &k, b, h, pos);
				if (row < -1)
					return false;
				if (row >= 0)
					elem_copy(y, row * k.width, u, from,
					          k.width);
			}
	return true;
}

bool
eval_ctx_scatter(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return scatter(c, n, true, false);
}

bool
eval_ctx_scatter_3d(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return scatter(c, n, false, false);
}

bool
eval_ctx_scatter_cb(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return scatter(c, n, true, true);
}

bool
eval_ctx_scatter_cb_3d(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return scatter(c, n, false, true);
}

/* [batch, heads, positions, width]: positions from the indices, or from the
 * third input where the indices are one long (see infer_ctx_gather). */
static bool
gathered(Ctx *c, Node *n, bool heads, bool cb)
{
	const Shape *x = &n->in[0]->shape, *ix = &n->in[cb ? 2 : 1]->shape;
	const Value *len = cb ? NULL : node_known(n, 2);
	int first = heads ? 2 : 1;
	Shape y = *x;

	if (!want_class(c, n, cb ? 2 : 1, "I"))
		return false;
	if (x->rank < 0 || ix->rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type,
		                 &(Shape){.rank = -1});
	if (x->rank < first + 1 || x->rank > first + 2 || ix->rank < 1)
		return fail(c, QE_INPUT, "cache %s, indices %s",
		            shape_text(x).s, shape_text(ix).s);
	if (cb)
		y.dim[0] =
			n->in[1]->shape.rank < 1 ? -1 : n->in[1]->shape.dim[0];
	y.dim[first] = ix->dim[ix->rank - 1];
	if (len && shape_count(&len->shape) == 1) {
		int64_t want = value_i64(len, 0);

		if (y.dim[first] > 1 && want != 1 && want != y.dim[first])
			return fail(c, QE_INPUT, "indices %s for length %lld",
			            shape_text(ix).s, (long long)want);
		if (y.dim[first] == 1)
			y.dim[first] = want;
	}
	if (y.dim[first] < -1)
		return fail(c, QE_INPUT, "length %lld",
		            (long long)y.dim[first]);
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
infer_ctx_gather(Ctx *c, Node *n)
{
	return gathered(c, n, true, false);
}

bool
infer_ctx_gather_3d(Ctx *c, Node *n)
{
	return gathered(c, n, false, false);
}

bool
infer_ctx_gather_cb(Ctx *c, Node *n)
{
	return gathered(c, n, true, true);
}

bool
infer_ctx_gather_cb_3d(Ctx *c, Node *n)
{
	return gathered(c, n, false, true);
}

/* Element of the indices for (b, h, i), stretched over dimensions of 1. */
static int64_t
position(const Cache *k, int64_t b, int64_t h, int64_t i)
{
	const Shape *s = &k->pos->shape;
	int64_t at[3] = {b, h, i}, off = 0;
	int skip = 3 - s->rank;

	if (!k->heads) {
		at[1] = b;
		skip = 3 - s->rank;
	}
	for (int d = 0; d < s->rank; d++)
		off = off * s->dim[d] +
		      (s->dim[d] == 1 ? 0 : at[MAX(0, skip + d)]);
	return value_i64(k->pos, off);
}

static bool
stretches(Ctx *c, const Cache *k, int64_t len)
{
	const Shape *s = &k->pos->shape;
	int64_t want[3] = {k->nbatch, k->heads ? k->nheads : k->nbatch, len};
	int skip = 3 - s->rank;

	if (s->rank > (k->heads ? 3 : 2))
		return fail(c, QE_INPUT, "indices %s", shape_text(s).s);
	for (int d = 0; d < s->rank; d++)
		if (s->dim[d] != 1 && s->dim[d] != want[skip + d])
			return fail(c, QE_INPUT, "indices %s for cache %s",
			            shape_text(s).s,
			            shape_text(&k->data->shape).s);
	return true;
}

static bool
gather(Ctx *c, Node *n, bool heads, bool cb)
{
	Value *y = n->out[0];
	int64_t len = y->shape.dim[heads ? 2 : 1], to = 0, row, pos;
	Cache k;

	if (!open_cache(c, n, heads, cb, &k) || !stretches(c, &k, len))
		return false;
	for (int64_t b = 0; b < k.nbatch; b++)
		for (int64_t h = 0; h < k.nheads; h++)
			for (int64_t i = 0; i < len; i++, to += k.width) {
				pos = position(&k, b, h, i);
				pos = pos == INT32_MAX ? 0 : pos;
				row = row_of(c, &k, b, h, pos);
				if (row < 0)
					return false;
				elem_copy(y, to, k.data, row * k.width,
				          k.width);
			}
	return true;
}

bool
eval_ctx_gather(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return gather(c, n, true, false);
}

bool
eval_ctx_gather_3d(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return gather(c, n, false, false);
}

bool
eval_ctx_gather_cb(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return gather(c, n, true, true);
}

bool
eval_ctx_gather_cb_3d(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return gather(c, n, false, true);
}
