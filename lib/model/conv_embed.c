/* SPDX-License-Identifier: BSD-3-Clause
 * conv_embed.c - a convolution over what the first layer saw, added to what
 * it made: act(conv(x)), as many positions out as in. */

#include "build.h"

enum { MAXKERNEL = 255 };

Json *
tree_conv_embed(Tree *t, const Json *spec)
{
	int64_t h = t->hidden, k = json_get_int(spec, "kernel", 0),
		groups = json_get_int(spec, "groups", 1);
	Json *o = json_new(t->a);
	const char *w, *b;

	if (k < 1 || k > MAXKERNEL || k % 2 == 0 || groups < 1 || h % groups)
		return fail(t->c, QE_INPUT,
		            "convolution over %lld positions in %lld groups is "
		            "not supported",
		            (long long)k, (long long)groups),
		       NULL;
	if (!(w = tree_param(t, json_get(spec, "w"), ".weight",
	                     (Shape){3, {h, h / groups, k}})) ||
	    !(b = tree_param(t, json_get(spec, "w"), ".bias", (Shape){1, {h}})))
		return NULL;
	json_put_str(o, "weight", w);
	json_put_str(o, "bias", b);
	json_put_int(o, "groups", groups);
	json_put_str(o, "act", json_get_str(spec, "act", "tanh"));
	return o;
}

Value *
lower_conv_embed(Build *b, const Json *m, Value *x)
{
	const char *w = json_get_str(m, "weight", "");
	Shape s = weight_shape(b, w);
	int64_t side = s.rank == 3 ? s.dim[2] / 2 : 0;

	(void)x;
	x = TRANSPOSE(b, b->embedded, 0, 2, 1);
	x = EMIT_INT(b, "Conv", "group", json_get_int(m, "groups", 1), x,
	             param(b, w), param(b, json_get_str(m, "bias", "")));
	if (!x)
		return NULL;
	attr_set_ints(b->g, x->from, "pads", 2, (int64_t[]){side, side});
	return activation(b, json_get_str(m, "act", ""),
	                  TRANSPOSE(b, x, 0, 2, 1));
}
