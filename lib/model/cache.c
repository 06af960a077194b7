/* SPDX-License-Identifier: BSD-3-Clause
 * cache.c - keys and values that stay between calls.
 *
 * past_key.i and past_value.i [B,kv,L,hd] come in, new rows are written at
 * position_ids by CtxScatter, all L slots are read back by CtxGather; what
 * was written goes out as ..._RetainedState.  Slots beyond the newest
 * position of a row are read from slot 0 and their values are zeroed.
 *
 * Of latent attention that keeps what keys and values are made of, the two are
 * compressed_kv.i [B,h,L,rank] and k_pe.i [B,h,L,rot]; see mla.c.
 *
 * Of an encoder, rows are written at encoder_position_ids; a call that brings
 * nothing new (b->stale) hands the states on.
 *
 * With batch_index the cache is [full_batch_size,...] and the functions are
 * CtxScatterCB and CtxGatherCB; padding is written to no slot at all, by a
 * position out of range.  With comp_ctx_lengths fewer slots are read.
 *
 * Attention in blocks (b->parts of them) writes once and reads slots
 * [L i/n, L (i+1)/n) by CtxGatherBlockedKV for block i. */

#include "build.h"

/* A state comes in under its name and the layer's number. */
Value *
state_input(Build *b, const char *name, Shape shape)
{
	const char *symbols[] = {b->batch_index ? "full_batch_size"
	                                        : "batch_size",
	                         NULL, NULL, NULL};
	Value *v = value_input(b->g, arena_str(b->a, "%s.%d", name, b->layer),
	                       b->type, &shape);

	v->sym = arena_copy(b->a, symbols, sizeof symbols);
	return v;
}

void
state_output(Build *b, Value *state, Value *now)
{
	if (!now)
		return;
	value_rename(b->g, now,
	             arena_str(b->a, "%s_RetainedState", state->name));
	now->type = state->type;
	now->shape = state->shape;
	now->sym = state->sym;
	graph_output(b->g, now);
}

/* What is made of the places where rows stand, in b->here: of a decoder's own
 * text, and of its encoder's. */
static const struct Made {
	const char *count, *slots, *empty, *index, *rows;
} made[] = {
	{"count", "slots", "empty", "index", "empty rows"},
	{"memory count", "memory slots", "memory empty", "memory index",
         "memory empty rows"},
};

static const struct Made *
keys(const Build *b)
{
	return &made[b->cross];
}

static const StateNames *
names(const Build *b)
{
	return &state_names[b->cross    ? STATE_CROSS
	                    : b->memory ? STATE_SELF
	                    : b->latent ? STATE_LATENT
	                                : STATE_DECODER];
}

static Value *
slots_input(Build *b, const char *name, int64_t heads, int64_t width)
{
	Value *v = state_input(b, name, (Shape){4, {-1, heads, -1, width}});

	v->sym[2] = names(b)->slots;
	return v;
}

/* as many as comp_ctx_lengths is long, or all of the first state */
static Value *
make_count(Build *b)
{
	const char *name = names(b)->stem[0];
	Value *first = NULL;

	if (b->ccl)
		return EMIT_INT(b, "Gather", "axis", 0,
		                EMIT(b, "Shape", b->ccl), int_scalar(b, 0));
	for (int i = 0; !first && i < b->g->nin; i++)
		first = value_find(b->g, arena_str(b->a, "%s.%d", name, i));
	return EMIT_INT(b, "Gather", "axis", 0, EMIT(b, "Shape", first),
	                int_scalar(b, 2));
}

/* [] int64: how many slots are read */
static Value *
slots(Build *b)
{
	return once(b, keys(b)->count, make_count);
}

static Value *
make_slots(Build *b)
{
	Value *v =
		EMIT(b, "Range", int_scalar(b, 0), slots(b), int_scalar(b, 1));

	return RESHAPE(b, v, 1, 1, -1);
}

Value *
cache_slots(Build *b)
{
	return once(b, keys(b)->slots, make_slots);
}

/* where this call's keys and values stand, [B,S] */
static Value *
places(Build *b)
{
	return b->cross ? b->heard : b->positions;
}

static Value *
make_empty(Build *b)
{
	Value *limit = reduce(b, "ReduceMax", places(b), 1, true);

	return EMIT(b, "Greater", cache_slots(b), unsqueeze(b, limit, 2));
}

Value *
cache_empty(Build *b)
{
	return once(b, keys(b)->empty, make_empty);
}

static Value *
make_index(Build *b)
{
	return EMIT(b, "Where", cache_empty(b), int_scalar(b, 0),
	            cache_slots(b));
}

static Value *
make_rows(Build *b)
{
	return unsqueeze(b, cache_empty(b), 3);
}

static Value *
read_back(Build *b, Value *now)
{
	Value *index = once(b, keys(b)->index, make_index);

	if (b->batch_index)
		return call_ctx(b, "CtxGatherCB", 4,
		                (Value *[]){now, b->batch_index, index,
		                            slots(b)});
	return call_ctx(b, "CtxGather", 3, (Value *[]){now, index, slots(b)});
}

/* Positions with padding out of range, which a scatter drops. */
static Value *
make_droppable(Build *b)
{
	Value *none = EMIT(b, "Less", b->positions, int_scalar(b, 0));

	return EMIT(b, "Where", none, int_scalar(b, INT32_MAX), b->positions);
}

static Value *
scatter(Build *b, Value *past, Value *x)
{
	if (b->batch_index)
		return call_ctx(b, "CtxScatterCB", 4,
		                (Value *[]){past, b->batch_index,
		                            once(b, "droppable",
		                                 make_droppable),
		                            x});
	return call_ctx(b, "CtxScatter", 3, (Value *[]){past, places(b), x});
}

/* What stands in the cache after this call. */
static Value *
written(Build *b, Value *past, Value *x)
{
	Value *now = scatter(b, past, x);

	if (b->cross)
		now = EMIT(b, "Where", b->stale, past, now);
	state_output(b, past, now);
	return now;
}

bool
cache_write(Build *b, int64_t heads, int64_t kdim, int64_t vdim, Value **k,
            Value **v)
{
	Value *past[2];

	if (!*k || !*v)
		return false;
	past[0] = slots_input(b, names(b)->stem[0], heads, kdim);
	past[1] = slots_input(b, names(b)->stem[1], heads, vdim);
	*k = written(b, past[0], *k);
	*v = written(b, past[1], *v);
	return *k && *v;
}

/* Rows that hold nothing read as zeros where they are summed: values, and of
 * compressed ones both, since keys and values are made of the same. */
static bool
clear(Build *b, Value *rows, Value **k, Value **v)
{
	*v = EMIT(b, "Where", rows, scalar(b, 0), *v);
	if (b->latent)
		*k = EMIT(b, "Where", rows, scalar(b, 0), *k);
	return *k && *v;
}

bool
cache_update(Build *b, int64_t heads, int64_t kdim, int64_t vdim, Value **k,
             Value **v)
{
	if (!cache_write(b, heads, kdim, vdim, k, v))
		return false;
	*k = read_back(b, *k);
	*v = read_back(b, *v);
	return clear(b, once(b, keys(b)->rows, make_rows), k, v);
}

/* ---- in blocks ---- */

/* [1] int64: the first slot of block i */
static Value *
block_start(Build *b, int i)
{
	char *key = arena_str(b->a, "block %d of %d", i, b->parts);
	Value *v = dict_get(b->here, key);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = EMIT(b, "Mul", slots(b), int_scalar(b, i));
	v = RESHAPE(b, EMIT(b, "Div", v, int_scalar(b, b->parts)), 1);
	b->layer = layer;
	if (v)
		dict_set(b->here, key, v);
	return v;
}

Value *
cache_part(Build *b, Value *x, int64_t axis)
{
	if (!b->parts)
		return x;
	return EMIT(b, "Slice", x, block_start(b, b->part),
	            block_start(b, b->part + 1), INTS(b, axis));
}

/* Of one of the tensors, the rows of the block at work. */
static Value *
read_block(Build *b, Value *now, int64_t heads)
{
	Value *index = cache_part(b, once(b, keys(b)->index, make_index), 2);

	if (b->batch_index)
		return call_ctx(b, "CtxGatherBlockedKVCB", 3,
		                (Value *[]){now, b->batch_index, index});
	index = EMIT(b, "Expand", index, INTS(b, 1, heads, 1));
	return call_ctx(b, "CtxGatherBlockedKV", 2, (Value *[]){now, index});
}

bool
cache_block(Build *b, int64_t heads, Value **k, Value **v)
{
	Value *rows = cache_part(b, once(b, keys(b)->rows, make_rows), 2);

	*k = read_block(b, *k, heads);
	*v = read_block(b, *v, heads);
	return clear(b, rows, k, v);
}
