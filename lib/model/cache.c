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
 * [L i/n, L (i+1)/n) by CtxGatherBlockedKV for block i.
 *
 * A layer that sees a window may keep less or read less; see b->keeps:
 *   ring   T slots of the symbol sliding_window, position p in slot p mod T;
 *          which position a slot holds follows from the newest one.  Padding
 *          goes to the slot that the next token will take, with what slot 0
 *          holds: nobody sees that slot now, but for a row of padding alone,
 *          where it is slot 0 and stays as it is.
 *   near   a full cache, of which the S + window rows up to this call's are
 *          read
 * With b->fresh the call is the whole text: attention is over its own rows,
 * and the cache is only written. */

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

/* Before what is made once of the places where rows stand, in b->here: of a
 * decoder's own text, of its encoder's, of layers with a window. */
static const char *
prefix(const Build *b)
{
	return b->cross                 ? "memory "
	       : b->keeps == KEEPS_RING ? "ring "
	       : b->keeps == KEEPS_NEAR ? "near "
	                                : "";
}

static const StateNames *
names(const Build *b)
{
	return &state_names[b->cross    ? STATE_CROSS
	                    : b->memory ? STATE_SELF
	                    : b->latent ? STATE_LATENT
	                                : STATE_DECODER];
}

static const char *
length(const Build *b)
{
	return b->keeps == KEEPS_RING ? "sliding_window" : names(b)->slots;
}

/* once(), for the states of this kind */
static Value *
for_kind(Build *b, const char *what, Value *(*make)(Build *))
{
	return once(b, arena_str(b->a, "%s%s", prefix(b), what), make);
}

static Value *
slots_input(Build *b, const char *name, int64_t heads, int64_t width)
{
	Value *v = state_input(b, name, (Shape){4, {-1, heads, -1, width}});

	v->sym[2] = length(b);
	return v;
}

/* [] int64: the size of v's axis */
static Value *
size(Build *b, Value *v, int64_t axis)
{
	return EMIT_INT(b, "Gather", "axis", 0, EMIT(b, "Shape", v),
	                int_scalar(b, axis));
}

/* The first state of this kind. */
static Value *
first_state(Build *b)
{
	for (int i = 0; i < b->g->nin; i++) {
		Value *v = b->g->in[i];

		if (v->shape.rank == 4 && v->sym && v->sym[2] &&
		    strcmp(v->sym[2], length(b)) == 0)
			return v;
	}
	return NULL;
}

/* as many as comp_ctx_lengths is long, or all; of a ring always all */
static Value *
make_count(Build *b)
{
	if (b->keeps == KEEPS_NEAR)
		return EMIT(b, "Add", size(b, b->ids, 1),
		            int_scalar(b, b->window));
	if (b->ccl && b->keeps == KEEPS_ALL)
		return size(b, b->ccl, 0);
	return size(b, first_state(b), 2);
}

/* [] int64: how many slots are read */
static Value *
slots(Build *b)
{
	return for_kind(b, "count", make_count);
}

/* [B,1,1]: the first slot that is read, a window before this call's first */
static Value *
near_start(Build *b)
{
	Value *first = slice(b, b->positions, 1, 0, 1);

	first = EMIT(b, "Sub", first, int_scalar(b, b->window));
	return unsqueeze(b, EMIT(b, "Max", first, int_scalar(b, 0)), 2);
}

static Value *
make_slots(Build *b)
{
	Value *v =
		EMIT(b, "Range", int_scalar(b, 0), slots(b), int_scalar(b, 1));

	v = RESHAPE(b, v, 1, 1, -1);
	return b->keeps == KEEPS_NEAR ? EMIT(b, "Add", v, near_start(b)) : v;
}

/* [1,1,L], or [B,1,L] of those near */
static Value *
cache_slots(Build *b)
{
	return for_kind(b, "slots", make_slots);
}

/* [B,1] int64: the newest position of each row, -1: it has none */
static Value *
make_newest(Build *b)
{
	return reduce(b, "ReduceMax", b->cross ? b->heard : b->positions, 1,
	              true);
}

static Value *
newest(Build *b)
{
	return once(b, b->cross ? "memory newest" : "newest", make_newest);
}

/* [B,1,T]: the newest position that belongs to each slot of a ring; where
 * that is none yet, one beyond the newest */
static Value *
make_ring(Build *b)
{
	Value *last = unsqueeze(b, newest(b), 2), *n = slots(b), *hi, *lo;

	hi = EMIT(b, "Mul", EMIT(b, "Div", last, n), n);
	hi = EMIT(b, "Add", cache_slots(b), hi);
	lo = EMIT(b, "Where", EMIT(b, "Less", hi, n), hi,
	          EMIT(b, "Sub", hi, n));
	return EMIT(b, "Where", EMIT(b, "Greater", hi, last), lo, hi);
}

static Value *
make_keys(Build *b)
{
	if (b->keeps == KEEPS_RING)
		return unsqueeze(b, for_kind(b, "held", make_ring), 2);
	if (b->keeps == KEEPS_NEAR)
		return unsqueeze(b, cache_slots(b), 2);
	return RESHAPE(b, cache_slots(b), 1, 1, 1, -1);
}

Value *
cache_keys(Build *b)
{
	return for_kind(b, "keys", make_keys);
}

static Value *
make_none(Build *b)
{
	return EMIT(b, "Less", b->positions, int_scalar(b, 0));
}

/* [B,S] bool: padding */
static Value *
padding(Build *b)
{
	return once(b, "none", make_none);
}

/* Slots of a ring for this call's rows; see the head of this file. */
static Value *
make_turned(Build *b)
{
	Value *at = EMIT(b, "Mod", b->positions, slots(b)), *next;

	if (b->batch_index)
		return at;
	next = EMIT(b, "Add", newest(b), int_scalar(b, 1));
	next = EMIT(b, "Mod", next, slots(b));
	return EMIT(b, "Where", padding(b), next, at);
}

/* where this call's keys and values stand, [B,S] */
static Value *
places(Build *b)
{
	if (b->keeps == KEEPS_RING)
		return for_kind(b, "places", make_turned);
	return b->cross ? b->heard : b->positions;
}

static Value *
make_empty(Build *b)
{
	return EMIT(b, "Greater", cache_slots(b), unsqueeze(b, newest(b), 2));
}

Value *
cache_empty(Build *b)
{
	return for_kind(b, "empty", make_empty);
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
	Value *index = for_kind(b, "index", make_index);

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
	return EMIT(b, "Where", padding(b), int_scalar(b, INT32_MAX),
	            places(b));
}

static Value *
make_padded_rows(Build *b)
{
	return unsqueeze(b, unsqueeze(b, padding(b), 1), 3);
}

/* Of a text that is whole, the rows [B,heads,T,dim] of its last positions,
 * where a ring has them. */
static Value *
last_rows(Build *b, Value *x)
{
	Value *at = for_kind(b, "held", make_ring), *last, *beyond;

	last = unsqueeze(b, newest(b), 2);
	beyond = EMIT(b, "Greater", at, last);
	at = EMIT(b, "Where", beyond, int_scalar(b, 0), at);
	return call_ctx(b, "CtxGather", 3, (Value *[]){x, at, slots(b)});
}

static Value *
scatter(Build *b, Value *past, Value *x)
{
	bool ring = b->keeps == KEEPS_RING;

	if (b->batch_index)
		return call_ctx(b, "CtxScatterCB", 4,
		                (Value *[]){past, b->batch_index,
		                            for_kind(b, "droppable",
		                                     make_droppable),
		                            x});
	if (ring && b->fresh)
		return call_ctx(b, "CtxScatter", 3,
		                (Value *[]){past,
		                            RESHAPE(b, cache_slots(b), 1, -1),
		                            last_rows(b, x)});
	if (ring)
		x = EMIT(b, "Where", once(b, "padded rows", make_padded_rows),
		         slice(b, past, 2, 0, 1), x);
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
	return clear(b, for_kind(b, "empty rows", make_rows), k, v);
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
	Value *index = cache_part(b, for_kind(b, "index", make_index), 2);

	if (b->batch_index)
		return call_ctx(b, "CtxGatherBlockedKVCB", 3,
		                (Value *[]){now, b->batch_index, index});
	index = EMIT(b, "Expand", index, INTS(b, 1, heads, 1));
	return call_ctx(b, "CtxGatherBlockedKV", 2, (Value *[]){now, index});
}

bool
cache_block(Build *b, int64_t heads, Value **k, Value **v)
{
	Value *rows = cache_part(b, for_kind(b, "empty rows", make_rows), 2);

	*k = read_block(b, *k, heads);
	*v = read_block(b, *v, heads);
	return clear(b, rows, k, v);
}
