/* SPDX-License-Identifier: BSD-3-Clause
 * norm.c - normalisation of the last axis.
 *
 * rms: x * rsqrt(mean x^2 + eps) * w; as the local function CustomRMSNorm
 * once the transform asked for it, else in primitive operators.  A missing
 * weight is a vector of ones.  ln: LayerNormalization of opset 17. */

#include "build.h"

static Value *
ones(Build *b, int64_t n)
{
	char *key = arena_str(b->a, "ones_%lld", (long long)n);
	float *x;

	if (!dict_has(b->made, key)) {
		x = NEWV(b->a, float, n);
		for (int64_t i = 0; i < n; i++)
			x[i] = 1;
		dict_set(b->made, key, floats(b, key, &(Shape){1, {n}}, x));
	}
	return b->type == DT_F32 ? dict_get(b->made, key)
	                         : cast(b, dict_get(b->made, key), b->type);
}

static Value *
plain_rms(Build *b, Value *x, Value *w, double eps)
{
	Value *f = b->type == DT_F32 ? x : cast(b, x, DT_F32), *v;

	v = reduce(b, "ReduceMean", EMIT(b, "Mul", f, f), -1, true);
	v = EMIT(b, "Sqrt", EMIT(b, "Add", v, scalar_f32(b, eps)));
	v = EMIT(b, "Mul", f, EMIT(b, "Reciprocal", v));
	v = EMIT(b, "Mul", v, w);
	return b->type == DT_F32 ? v : cast(b, v, b->type);
}

static Value *
layer_norm(Build *b, const Json *m, Value *x, Value *w)
{
	const char *bias = json_get_str(m, "bias", NULL);
	Value *out;

	out = bias ? EMIT_INT(b, "LayerNormalization", "axis", -1, x, w,
	                      param(b, bias))
	           : EMIT_INT(b, "LayerNormalization", "axis", -1, x, w);
	if (out)
		attr_set_float(b->g, out->from, "epsilon",
		               json_get_num(m, "eps", 1e-5));
	return out;
}

Value *
norm(Build *b, const Json *m, Value *x)
{
	const char *w = json_get_str(m, "weight", NULL);
	const char *kind = json_get_str(m, "kind", "");
	double eps = json_get_num(m, "eps", 1e-6);
	int64_t width = json_get_int(m, "width", -1);
	Value *v;

	if (!m || !x)
		return x;
	if (width < 1 || width > INT32_MAX)
		return fail(b->c, QE_INPUT, "norm of width %lld",
		            (long long)width),
		       NULL;
	if (strcmp(kind, "ln") == 0) {
		v = w ? param(b, w) : ones(b, width);
		return layer_norm(b, m, x, v);
	}
	if (strcmp(kind, "rms") != 0)
		return fail(b->c, QE_INPUT, "norm '%s' is not known", kind),
		       NULL;
	v = w ? weight(b, w) : ones(b, width);
	if (json_get_str(m, "op", NULL))
		return call_norm(b, x, v, eps);
	if (w && v && v->type != DT_F32 && v->type != DT_NONE)
		v = cast(b, v, DT_F32);
	return plain_rms(b, x, v, eps);
}
