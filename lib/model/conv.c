/* SPDX-License-Identifier: BSD-3-Clause
 * conv.c - short causal convolution over time as a layer's mixer.
 *
 *   b | c | x = in(h)     y = c * conv(b * x)     out(y)
 *
 * With a cache, conv_state.i [B,H,K] holds the newest K columns of b * x.  A
 * row whose first position is 0 starts from zeros; padding, which stands at
 * the end of a row, does not enter the state. */

#include "build.h"

enum { MAXKERNEL = 256 };

Json *
tree_conv(Tree *t, const Json *spec)
{
	int64_t h = t->hidden, k = json_get_int(spec, "kernel", 0);
	bool bias = json_get_bool(spec, "bias", false);
	Json *o = json_new(t->a), *in, *out;
	const char *w;

	if (k < 2 || k > MAXKERNEL)
		return fail(t->c, QE_INPUT, "kernel of %lld", (long long)k),
		       NULL;
	if (!(in = tree_linear(t, json_get(spec, "in"), 3 * h, h, bias)) ||
	    !(out = tree_linear(t, json_get(spec, "out"), h, h, bias)) ||
	    !(w = tree_param(t, json_get(spec, "conv"), ".weight",
	                     (Shape){3, {h, 1, k}})))
		return NULL;
	tree_put(o, "in", in);
	tree_put(o, "out", out);
	json_put_str(o, "conv", w);
	json_put_int(o, "kernel", k);
	if (bias) {
		if (!(w = tree_param(t, json_get(spec, "conv"), ".bias",
		                     (Shape){1, {h}})))
			return NULL;
		json_put_str(o, "conv_bias", w);
	}
	return o;
}

/* ---- nodes ---- */

/* [B,1,1]: whether a row begins with this call */
Value *
row_start(Build *b)
{
	Value *v = dict_get(b->here, "is start");
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = slice(b, b->positions, 1, 0, 1);
	v = unsqueeze(b, EMIT(b, "Equal", v, int_scalar(b, 0)), 2);
	b->layer = layer;
	dict_set(b->here, "is start", v);
	return v;
}

/* [B,K]: for each row where the newest K columns of K + S begin, and on */
static Value *
newest_columns(Build *b, int64_t k)
{
	char *key = arena_str(b->a, "newest %lld columns", (long long)k);
	Value *v = dict_get(b->here, key), *n;
	int64_t *count = NEWV(b->a, int64_t, k);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	for (int64_t i = 0; i < k; i++)
		count[i] = i;
	n = EMIT(b, "GreaterOrEqual", b->positions, int_scalar(b, 0));
	n = reduce(b, "ReduceSum", cast(b, n, DT_I64), 1, true);
	v = EMIT(b, "Add", n, ints(b, (int)k, count));
	v = unsqueeze(b, v, 2);
	b->layer = layer;
	dict_set(b->here, key, v);
	return v;
}

/* Puts the kept columns in front of x [B,C,S] and keeps the newest K:
 * [B,C,K+S]. */
static Value *
state_columns(Build *b, Value *x, int64_t channels, int64_t k)
{
	Value *past = state_input(b, "conv_state",
	                          (Shape){3, {-1, channels, k}}),
	      *now, *at;

	x = concat(b, 2,
	           (Value *[]){EMIT(b, "Where", row_start(b), scalar(b, 0),
	                            past),
	                       x},
	           2);
	at = newest_columns(b, k);
	now = EMIT_INT(b, "GatherND", "batch_dims", 1, TRANSPOSE(b, x, 0, 2, 1),
	               at);
	state_output(b, past, TRANSPOSE(b, now, 0, 2, 1));
	return x;
}

/* Depthwise over time, each output from its column and the K-1 before. */
Value *
causal_conv(Build *b, Value *x, const char *w, const char *bias,
            int64_t channels, int64_t k)
{
	Value *y;

	if (b->cached) {
		x = state_columns(b, x, channels, k);
		/* the oldest kept column is one more than is needed */
		x = slice(b, x, 2, 1, INT64_MAX);
	}
	y = bias ? EMIT(b, "Conv", x, param(b, w), param(b, bias))
	         : EMIT(b, "Conv", x, param(b, w));
	if (!y)
		return NULL;
	attr_set_int(b->g, y->from, "group", channels);
	attr_set_ints(b->g, y->from, "kernel_shape", 1, &k);
	if (!b->cached)
		attr_set_ints(b->g, y->from, "pads", 2, (int64_t[]){k - 1, 0});
	return y;
}

Value *
lower_conv(Build *b, const Json *m, Value *x)
{
	int64_t h = json_get_int(b->root, "hidden", 0),
		k = json_get_int(m, "kernel", 0);
	Value *all, *gate, *y;

	if (h < 1 || h > INT32_MAX / 3 || k < 2 || k > MAXKERNEL)
		return fail(b->c, QE_INPUT, "kernel of %lld over %lld",
		            (long long)k, (long long)h),
		       NULL;
	all = TRANSPOSE(b, linear(b, json_get(m, "in"), x), 0, 2, 1);
	y = slice(b, all, 1, 0, h);
	gate = slice(b, all, 1, h, 2 * h);
	y = EMIT(b, "Mul", y, slice(b, all, 1, 2 * h, 3 * h));
	y = causal_conv(b, y, json_get_str(m, "conv", ""),
	                json_get_str(m, "conv_bias", NULL), h, k);
	y = TRANSPOSE(b, EMIT(b, "Mul", gate, y), 0, 2, 1);
	return linear(b, json_get(m, "out"), y);
}
