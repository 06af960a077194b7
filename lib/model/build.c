/* SPDX-License-Identifier: BSD-3-Clause
 * build.c - nodes and constants, under names that say where they stand.
 *
 * Equal constants are made once.  Values are named LAYER/TYPE, with a number
 * where that is taken. */

#include "build.h"

Value *
emit(Build *b, const char *type, int n, Value *const *in)
{
	Value *out;
	char name[96];

	for (int i = 0; i < n; i++)
		if (!in[i])
			return NULL;
	if (b->layer >= 0)
		snprintf(name, sizeof name, "%slayers.%d/%s",
		         b->scope ? b->scope : "", b->layer, type);
	else
		snprintf(name, sizeof name, "%s%s", b->scope ? b->scope : "",
		         type);
	out = value_new(b->g, name, DT_NONE, NULL);
	node_new(b->g, "", type, n, in, 1, &out)->name = out->name;
	return out;
}

Value *
emit_int(Build *b, const char *type, const char *attr, int64_t x, int n,
         Value *const *in)
{
	Value *out = emit(b, type, n, in);

	if (out)
		attr_set_int(b->g, out->from, attr, x);
	return out;
}

Value *
ints(Build *b, int n, const int64_t *x)
{
	Buf *key = buf_new(b->a);
	Value *v;

	buf_str(key, "ints");
	for (int i = 0; i < n; i++)
		buf_fmt(key, "_%lld", (long long)x[i]);
	if (!(v = dict_get(b->made, key->p))) {
		v = const_i64(b->g, key->p, n, x);
		dict_set(b->made, key->p, v);
	}
	return v;
}

Value *
int_scalar(Build *b, int64_t x)
{
	char *key = arena_str(b->a, "int_%lld", (long long)x);
	Value *v = dict_get(b->made, key);

	if (!v) {
		v = const_i64_scalar(b->g, key, x);
		dict_set(b->made, key, v);
	}
	return v;
}

static Value *
typed_scalar(Build *b, DType type, double x)
{
	char *key = arena_str(b->a, "%s_%.9g", dtypes[type].name, x);
	Value *v = dict_get(b->made, key);
	float f = (float)x;
	uint16_t half = type == DT_F16 ? f32_to_f16(f) : f32_to_bf16(f);

	if (v)
		return v;
	v = const_bytes(b->g, key, type, &(Shape){0},
	                type == DT_F32 ? (const void *)&f : &half);
	dict_set(b->made, key, v);
	return v;
}

Value *
scalar(Build *b, double x)
{
	return typed_scalar(b, b->type, x);
}

Value *
scalar_f32(Build *b, double x)
{
	return typed_scalar(b, DT_F32, x);
}

Value *
least(Build *b)
{
	return scalar(b, b->type == DT_F16    ? -65504.0
	                 : b->type == DT_BF16 ? -3.3895313892515355e38
	                                      : -3.4028234663852886e38);
}

Value *
floats(Build *b, const char *name, const Shape *shape, const float *x)
{
	return const_bytes(b->g, name, DT_F32, shape, x);
}

Value *
cast(Build *b, Value *x, DType to)
{
	return EMIT_INT(b, "Cast", "to", dtypes[to].onnx, x);
}

Value *
transpose(Build *b, Value *x, int n, const int64_t *perm)
{
	Value *out = EMIT(b, "Transpose", x);

	if (out)
		attr_set_ints(b->g, out->from, "perm", n, perm);
	return out;
}

Value *
reshape(Build *b, Value *x, int n, const int64_t *dims)
{
	return EMIT(b, "Reshape", x, ints(b, n, dims));
}

Value *
unsqueeze(Build *b, Value *x, int64_t axis)
{
	return EMIT(b, "Unsqueeze", x, INTS(b, axis));
}

Value *
slice(Build *b, Value *x, int64_t axis, int64_t from, int64_t to)
{
	return EMIT(b, "Slice", x, INTS(b, from), INTS(b, to), INTS(b, axis));
}

Value *
concat(Build *b, int n, Value *const *x, int64_t axis)
{
	return emit_int(b, "Concat", "axis", axis, n, x);
}

Value *
softmax(Build *b, Value *x, int64_t axis)
{
	if (b->type == DT_F32)
		return EMIT_INT(b, "Softmax", "axis", axis, x);
	x = cast(b, x, DT_F32);
	return cast(b, EMIT_INT(b, "Softmax", "axis", axis, x), b->type);
}

/* Opset 17: axes of ReduceSum are an input, of the others an attribute. */
Value *
reduce(Build *b, const char *type, Value *x, int64_t axis, bool keep)
{
	bool sum = strcmp(type, "ReduceSum") == 0;
	Value *out = sum ? EMIT_INT(b, type, "keepdims", keep, x, INTS(b, axis))
	                 : EMIT_INT(b, type, "keepdims", keep, x);

	if (out && !sum)
		attr_set_ints(b->g, out->from, "axes", 1, &axis);
	return out;
}
