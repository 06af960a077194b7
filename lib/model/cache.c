/* SPDX-License-Identifier: BSD-3-Clause
 * cache.c - keys and values that stay between calls.
 *
 * past_key.i and past_value.i [B,kv,L,hd] come in, new rows are written at
 * position_ids by CtxScatter, all L slots are read back by CtxGather; what
 * was written goes out as ..._RetainedState.  Slots beyond the newest
 * position of a row are read from slot 0 and their values are zeroed. */

#include "build.h"

static Value *
call(Build *b, const char *name, int n, Value *const *in)
{
	Value *out =
		value_new(b->g, arena_str(b->a, "layers.%d/%s", b->layer, name),
	                  DT_NONE, NULL);

	node_new(b->g, "com.qualcomm.cloud", name, n, in, 1, &out)->name =
		out->name;
	return out;
}

/* A state comes in under its name and the layer's number. */
Value *
state_input(Build *b, const char *name, Shape shape)
{
	static const char *const symbols[] = {"batch_size", NULL, NULL, NULL};
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

static Value *
slots_input(Build *b, const char *name, int64_t heads, int64_t width)
{
	Value *v = state_input(b, name, (Shape){4, {-1, heads, -1, width}});

	v->sym[2] = "ctx_len";
	return v;
}

/* [] int64: L, from the first state */
static Value *
slots(Build *b)
{
	Value *first = value_find(b->g, "past_key.0"), *v;
	int layer = b->layer;

	if ((v = dict_get(b->made, "slots")))
		return v;
	b->layer = -1;
	for (int i = 1; !first && i <= layer; i++)
		first = value_find(b->g, arena_str(b->a, "past_key.%d", i));
	v = EMIT_INT(b, "Gather", "axis", 0, EMIT(b, "Shape", first),
	             int_scalar(b, 2));
	b->layer = layer;
	dict_set(b->made, "slots", v);
	return v;
}

Value *
cache_slots(Build *b)
{
	Value *v = dict_get(b->made, "slot numbers"), *n = slots(b);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = EMIT(b, "Range", int_scalar(b, 0), n, int_scalar(b, 1));
	v = RESHAPE(b, v, 1, 1, -1);
	b->layer = layer;
	dict_set(b->made, "slot numbers", v);
	return v;
}

/* Which slots a row has not filled, [B,1,L], and the slots to read. */
static void
readable(Build *b, Value **empty, Value **index)
{
	Value *at = cache_slots(b), *limit;
	int layer = b->layer;

	if (!dict_has(b->made, "empty")) {
		b->layer = -1;
		limit = reduce(b, "ReduceMax", b->positions, 1, true);
		limit = unsqueeze(b, limit, 2);
		*empty = EMIT(b, "Greater", at, limit);
		*index = EMIT(b, "Where", *empty, int_scalar(b, 0), at);
		dict_set(b->made, "empty", *empty);
		dict_set(b->made, "index", *index);
		dict_set(b->made, "empty rows", unsqueeze(b, *empty, 3));
		b->layer = layer;
	}
	*empty = dict_get(b->made, "empty rows");
	*index = dict_get(b->made, "index");
}

static Value *
read_back(Build *b, Value *now)
{
	Value *empty, *index;

	readable(b, &empty, &index);
	return call(b, "CtxGather", 3, (Value *[]){now, index, slots(b)});
}

bool
cache_update(Build *b, int64_t heads, int64_t kdim, int64_t vdim, Value **k,
             Value **v)
{
	Value *past[2], *now[2], *empty, *index;

	if (!*k || !*v)
		return false;
	function_ctx(b);
	past[0] = slots_input(b, "past_key", heads, kdim);
	past[1] = slots_input(b, "past_value", heads, vdim);
	now[0] = call(b, "CtxScatter", 3,
	              (Value *[]){past[0], b->positions, *k});
	now[1] = call(b, "CtxScatter", 3,
	              (Value *[]){past[1], b->positions, *v});
	for (int i = 0; i < 2; i++)
		state_output(b, past[i], now[i]);
	readable(b, &empty, &index);
	*k = read_back(b, now[0]);
	*v = read_back(b, now[1]);
	*v = EMIT(b, "Where", empty, scalar(b, 0), *v);
	return *v != NULL;
}
