/* SPDX-License-Identifier: BSD-3-Clause
 * contrib_embed.c - com.microsoft: rows of tables, added and normalised, or
 * packed in blocks. */

#include <math.h>

#include "num.h"

/* ---- EmbedLayerNormalization ---- */

enum { IDS, SEGMENTS, WORDS, PLACES, PARTS, GAMMA, BETA, EMASK, EPOS };

bool
infer_embed_norm(Ctx *c, Node *n)
{
	static const int must[] = {WORDS, PLACES, GAMMA, BETA};
	const Shape *ids = &n->in[IDS]->shape, *w;
	Shape y = {3, {-1, -1, -1}}, ends = {1, {-1}};
	DType t;

	for (size_t i = 0; i < LEN(must); i++)
		if (!node_in(n, must[i]))
			return fail(c, QE_INPUT, "input %d is left out",
			            must[i]);
	w = &n->in[WORDS]->shape;
	t = n->in[WORDS]->type;
	if (!want_rank(c, n, IDS, 2) || !want_rank(c, n, WORDS, 2) ||
	    !want_rank(c, n, PLACES, 2) || !want_class(c, n, IDS, "I") ||
	    !want_class(c, n, WORDS, "F"))
		return false;
	if (ids->rank == 2) {
		y.dim[0] = ends.dim[0] = ids->dim[0];
		y.dim[1] = ids->dim[1];
	}
	if (w->rank == 2)
		y.dim[2] = w->dim[1];
	return value_set(c, node_out(n, 0), t, &y) &&
	       value_set(c, node_out(n, 1), DT_I32, &ends) &&
	       value_set(c, node_out(n, 2), t, &y);
}

/* Adds row id of a table [rows, width] to x. */
static bool
add_row(Ctx *c, const Value *table, int64_t id, int64_t width, double *x)
{
	if (table->shape.rank != 2 || table->shape.dim[1] != width || id < 0 ||
	    id >= table->shape.dim[0])
		return fail(c, QE_INPUT, "row %lld of a table %s",
		            (long long)id, shape_text(&table->shape).s);
	for (int64_t k = 0; k < width; k++)
		x[k] += value_f64(table, id * width + k);
	return true;
}

static bool
embed_args(Ctx *c, const Node *n, int64_t tokens, int64_t width)
{
	static const int lists[] = {SEGMENTS, EMASK};

	for (size_t i = 0; i < LEN(lists); i++)
		if (node_in(n, lists[i]) &&
		    shape_count(&n->in[lists[i]]->shape) != tokens)
			return fail(c, QE_INPUT, "input %d: %s", lists[i],
			            shape_text(&n->in[lists[i]]->shape).s);
	if (!node_in(n, SEGMENTS) != !node_in(n, PARTS))
		return fail(c, QE_INPUT,
		            "segments and their table go together");
	return (shape_count(&n->in[GAMMA]->shape) == width &&
	        shape_count(&n->in[BETA]->shape) == width) ||
	       fail(c, QE_INPUT, "gamma %s, beta %s",
	            shape_text(&n->in[GAMMA]->shape).s,
	            shape_text(&n->in[BETA]->shape).s);
}

static void
norm_row(const Node *n, double *x, int64_t width)
{
	double mean = 0, square = 0, inv;

	for (int64_t k = 0; k < width; k++)
		mean += x[k] / (double)width;
	for (int64_t k = 0; k < width; k++)
		square += (x[k] - mean) * (x[k] - mean);
	inv = 1 /
	      sqrt(square / (double)width + attr_float(n, "epsilon", 1e-12));
	for (int64_t k = 0; k < width; k++)
		x[k] = (x[k] - mean) * inv * value_f64(n->in[GAMMA], k) +
		       value_f64(n->in[BETA], k);
}

bool
eval_embed_norm(Ctx *c, Arena *a, Node *n)
{
	const Value *ids = n->in[IDS], *mask = node_in(n, EMASK),
		    *pos = node_in(n, EPOS);
	int64_t len = ids->shape.dim[1], width = n->in[WORDS]->shape.dim[1],
		tokens = shape_count(&ids->shape);
	int64_t npos = pos ? shape_count(&pos->shape) : 0;
	double *x = NEWV(a, double, width + 1);

	if (!embed_args(c, n, tokens, width))
		return false;
	if (pos && npos != tokens && npos != len)
		return fail(c, QE_INPUT, "positions %s",
		            shape_text(&pos->shape).s);
	for (int64_t i = 0; i < tokens; i++) {
		memset(x, 0, (size_t)width * sizeof *x);
		if (!add_row(c, n->in[WORDS], value_i64(ids, i), width, x) ||
		    !add_row(c, n->in[PLACES],
		             pos ? value_i64(pos, i % npos) : i % len, width,
		             x) ||
		    (node_in(n, SEGMENTS) &&
		     !add_row(c, n->in[PARTS], value_i64(n->in[SEGMENTS], i),
		              width, x)))
			return false;
		if (node_out(n, 2))
			store_f64(n->out[2], i * width, width, x);
		norm_row(n, x, width);
		store_f64(n->out[0], i * width, width, x);
	}
	for (int64_t b = 0; node_out(n, 1) && b < ids->shape.dim[0]; b++) {
		int64_t count = 0;

		for (int64_t i = 0; mask && i < len; i++)
			count += value_i64(mask, b * len + i) == 1;
		store_i64(n->out[1], b, 1, &count);
	}
	return true;
}

/* ---- GatherBlockQuantized: data, indices, scales, zero points ----
 * uint8 data of fewer bits is packed along the last axis. */

typedef struct Blocks {
	Shape x; /* of the data, unpacked */
	int per; /* elements a byte */
	int bits;
	int gather, quant;
	int64_t block;
} Blocks;

static bool
blocks_args(Ctx *c, const Node *n, Blocks *b)
{
	const Value *data = n->in[0];
	int64_t bits = attr_int(n, "bits", 4);

	*b = (Blocks){.x = data->shape,
	              .per = 1,
	              .block = attr_int(n, "block_size", 128)};
	if (data->type == DT_U8) {
		if (bits != 2 && bits != 4 && bits != 8)
			return fail(c, QE_INPUT, "bits %lld", (long long)bits);
		b->per = 8 / (int)bits;
	} else if (data->type != DT_U4 && data->type != DT_I4) {
		return fail(c, QE_INPUT, "data %s", dtypes[data->type].name);
	}
	b->bits = data->type == DT_U8 ? (int)bits : 4;
	if (b->block < 16 || b->block & (b->block - 1))
		return fail(c, QE_INPUT, "blocks of %lld", (long long)b->block);
	if (b->x.rank < 0)
		return true;
	if (b->x.rank && b->x.dim[b->x.rank - 1] >= 0)
		b->x.dim[b->x.rank - 1] =
			mul_size(b->x.dim[b->x.rank - 1], b->per);
	return axis_arg(c, attr_int(n, "gather_axis", 0), b->x.rank,
	                &b->gather) &&
	       axis_arg(c, attr_int(n, "quantize_axis", 1), b->x.rank,
	                &b->quant);
}

bool
infer_gather_blocks(Ctx *c, Node *n)
{
	const Shape *at = &n->in[1]->shape;
	Shape y = {.rank = -1};
	Blocks b;

	if (!blocks_args(c, n, &b) || !want_class(c, n, 1, "I") ||
	    !want_class(c, n, 2, "F"))
		return false;
	if (b.x.rank >= 0 && at->rank >= 0) {
		y.rank = 0;
		if (b.x.rank + at->rank - 1 > MAXRANK)
			return fail(c, QE_INPUT, "rank %d",
			            b.x.rank + at->rank - 1);
		for (int i = 0; i < b.gather; i++)
			y.dim[y.rank++] = b.x.dim[i];
		for (int i = 0; i < at->rank; i++)
			y.dim[y.rank++] = at->dim[i];
		for (int i = b.gather + 1; i < b.x.rank; i++)
			y.dim[y.rank++] = b.x.dim[i];
	}
	return value_set(c, node_out(n, 0), n->in[2]->type, &y);
}

/* Element `at` of the data, with its scale and zero point. */
static double
block_at(const Node *n, const Blocks *b, int64_t at)
{
	const Value *data = n->in[0], *scale = n->in[2], *zero = node_in(n, 3);
	int64_t inner = shape_span(&b->x, b->quant + 1, b->x.rank),
		dim = b->x.dim[b->quant], rest = at / inner,
		k = (rest / dim * scale->shape.dim[b->quant] +
	             rest % dim / b->block) *
	                    inner +
	            at % inner;
	bool bytes = data->type == DT_U8;
	double z = bytes ? (double)(1 << (b->bits - 1)) : 0;

	if (zero)
		z = bytes ? bits_get(zero->data.mem, k, b->bits)
		          : value_f64(zero, k);
	return value_f64(scale, k) *
	       ((bytes ? bits_get(data->data.mem, at, b->bits)
	               : value_f64(data, at)) -
	        z);
}

static bool
blocks_fit(Ctx *c, const Node *n, const Blocks *b)
{
	const Value *zero = node_in(n, 3);
	Shape want = b->x;

	want.dim[b->quant] = (want.dim[b->quant] + b->block - 1) / b->block;
	if (!shape_eq(&n->in[2]->shape, &want) ||
	    (zero && mul_size(shape_count(&zero->shape), b->per) <
	                     shape_count(&want)) ||
	    (zero && zero->type != n->in[0]->type))
		return fail(c, QE_INPUT, "scales %s, wanted %s",
		            shape_text(&n->in[2]->shape).s,
		            shape_text(&want).s);
	return true;
}

bool
eval_gather_blocks(Ctx *c, Arena *a, Node *n)
{
	const Value *idx = n->in[1];
	int64_t count = shape_count(&idx->shape), dim, inner, outer, at;
	double v;
	Blocks b;

	(void)a;
	if (!blocks_args(c, n, &b) || !blocks_fit(c, n, &b))
		return false;
	dim = b.x.dim[b.gather];
	inner = shape_span(&b.x, b.gather + 1, b.x.rank);
	outer = shape_span(&b.x, 0, b.gather);
	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < count; i++) {
			at = value_i64(idx, i);
			at += at < 0 ? dim : 0;
			if (at < 0 || at >= dim)
				return fail(c, QE_INPUT, "index %lld of %lld",
				            (long long)at, (long long)dim);
			for (int64_t k = 0; k < inner; k++) {
				v = block_at(n, &b, (o * dim + at) * inner + k);
				store_f64(n->out[0],
				          (o * count + i) * inner + k, 1, &v);
			}
		}
	return true;
}
