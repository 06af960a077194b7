/* SPDX-License-Identifier: BSD-3-Clause
 * lora.c - what LoRA adapters add to a linear module.
 *
 *   merged  (W + scale B A) x: nodes over constants, folded while packing
 *   inputs  W x + scale B (A x): A [r,in] and B [out,r] come in under the
 *           names MODULE.lora_A.weight and go out as they were
 *   finite  the same with the A, B and scale that lora_ids picks for each
 *           row from [n+1,1,in,r], [n+1,1,r,out], [n+1,1,1,1]; the first ones
 *           are zeros: no adapter */

#include "build.h"

static const char *
mode(const Build *b)
{
	return json_get_str(json_get(b->root, "lora"), "mode", "");
}

static Value *
part(Build *b, const Json *o, const char *key)
{
	return param(b, json_get_str(o, key, ""));
}

/* ---- merged ---- */

Value *
lora_merged(Build *b, const Json *m, Value *w)
{
	const Json *list = json_get(m, "lora");
	bool turn = json_get_bool(m, "in_out", false);
	char *key = arena_str(b->a, "merged %s", json_get_str(m, "weight", ""));
	int layer = b->layer;
	Value *x;

	if (!list || strcmp(mode(b), "merged") != 0)
		return w;
	if ((x = dict_get(b->made, key)))
		return x;
	b->layer = -1;
	for (size_t i = 0; i < json_len(list); i++) {
		const Json *o = json_at(list, i);

		x = EMIT(b, "MatMul", part(b, o, "b"), part(b, o, "a"));
		if (turn)
			x = TRANSPOSE(b, x, 1, 0);
		x = EMIT(b, "Mul", x, scalar(b, json_get_num(o, "scale", 1)));
		w = EMIT(b, "Add", w, x);
	}
	b->layer = layer;
	dict_set(b->made, key, w);
	return w;
}

/* ---- inputs ---- */

/* A or B as an input that is kept. */
static Value *
kept(Build *b, const Json *o, const char *key)
{
	char *name = arena_str(b->a, "base_model.model.%s.lora_%c.weight",
	                       json_get_str(o, "module", ""),
	                       *key == 'a' ? 'A' : 'B');
	Shape s = weight_shape(b, json_get_str(o, key, ""));
	Value *v = dict_get(b->made, name), *out;

	if (v)
		return v;
	v = value_input(b->g, name, b->type, &s);
	out = EMIT(b, "Identity", v);
	value_rename(b->g, out, arena_str(b->a, "%s_RetainedState", name));
	out->type = b->type;
	out->shape = s;
	PUSH(b->a, b->late, b->nlate, b->caplate, out);
	dict_set(b->made, name, v);
	return v;
}

static Value *
by_inputs(Build *b, const Json *o, Value *x)
{
	x = EMIT(b, "MatMul", x, TRANSPOSE(b, kept(b, o, "a"), 1, 0));
	x = EMIT(b, "MatMul", x, TRANSPOSE(b, kept(b, o, "b"), 1, 0));
	return EMIT(b, "Mul", x, scalar(b, json_get_num(o, "scale", 1)));
}

/* ---- finite ---- */

/* All A or B, each turned, behind zeros: [n+1,1,.,.] */
static Value *
stack(Build *b, const Json *list, const char *key)
{
	int n = (int)json_len(list);
	Value **v = NEWV(b->a, Value *, n + 1);
	Shape s = weight_shape(b, json_get_str(json_at(list, 0), key, ""));
	float *zeros = NEWV(b->a, float, shape_count(&s));
	int64_t flat = s.dim[0];

	s = (Shape){4, {1, 1, s.dim[1], flat}};
	v[0] = floats(b, arena_str(b->a, "layers.%d/no_adapter", b->layer), &s,
	              zeros);
	if (b->type != DT_F32)
		v[0] = cast(b, v[0], b->type);
	for (int i = 0; i < n; i++) {
		Value *x = part(b, json_at(list, (size_t)i), key);

		x = TRANSPOSE(b, x, 1, 0);
		v[i + 1] = unsqueeze(b, unsqueeze(b, x, 0), 0);
	}
	return concat(b, n + 1, v, 0);
}

static Value *
scales(Build *b, const Json *list)
{
	int64_t n = (int64_t)json_len(list) + 1;
	float *x = NEWV(b->a, float, n);
	Value *v;

	for (int64_t i = 1; i < n; i++)
		x[i] = (float)json_get_num(json_at(list, (size_t)i - 1),
		                           "scale", 1);
	v = floats(b, arena_str(b->a, "layers.%d/adapter_scales", b->layer),
	           &(Shape){4, {n, 1, 1, 1}}, x);
	return b->type == DT_F32 ? v : cast(b, v, b->type);
}

/* What lora_ids picks of x [n+1,1,rows,.]. */
static Value *
pick(Build *b, Value *x, int64_t rows)
{
	Value *at = EMIT(b, "Range", int_scalar(b, 0), int_scalar(b, rows),
	                 int_scalar(b, 1)),
	      *len = int_scalar(b, rows);

	at = RESHAPE(b, at, 1, 1, -1);
	return call_ctx(b, "CtxGatherCB", 4,
	                (Value *[]){x, b->lora_ids, at, len});
}

static Value *
by_ids(Build *b, const Json *list, Value *x)
{
	const Json *o = json_at(list, 0);
	int64_t r = json_get_int(o, "rank", 0),
		in = weight_shape(b, json_get_str(o, "a", "")).dim[1];

	x = unsqueeze(b, x, 1);
	x = EMIT(b, "MatMul", x, pick(b, stack(b, list, "a"), in));
	x = EMIT(b, "MatMul", x, pick(b, stack(b, list, "b"), r));
	x = EMIT(b, "Mul", x, pick(b, scales(b, list), 1));
	return EMIT(b, "Squeeze", x, INTS(b, 1));
}

bool
lora_is_beside(const Build *b, const Json *m)
{
	return json_get(m, "lora") && strcmp(mode(b), "merged") != 0;
}

Value *
lora_beside(Build *b, const Json *m, Value *x)
{
	const Json *list = json_get(m, "lora");

	if (!x || !lora_is_beside(b, m))
		return NULL;
	return b->lora_ids ? by_ids(b, list, x)
	                   : by_inputs(b, json_at(list, 0), x);
}
