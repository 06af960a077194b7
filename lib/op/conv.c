/* SPDX-License-Identifier: BSD-3-Clause
 * conv.c - Conv, ConvTranspose, the integer ones, and their relatives.
 *
 * All in double, which is exact for products of 8-bit integers too. */

#include <math.h>

#include "quant.h"
#include "window.h"

bool
window_conv(Ctx *c, const Node *n, const Shape *x, const Shape *w, Shape *y,
            Window *k)
{
	int64_t group = attr_int(n, "group", 1);

	*y = *x;
	if (x->rank < 0 || w->rank < 0) {
		y->rank = -1;
		return true;
	}
	if (!window_open(c, n, x, w, k))
		return false;
	if (group < 1 || (w->dim[0] >= 0 && w->dim[0] % group) ||
	    (x->dim[1] >= 0 && w->dim[1] >= 0 &&
	     x->dim[1] != mul_size(w->dim[1], group)))
		return fail(c, QE_INPUT, "%s by %s in %lld groups",
		            shape_text(x).s, shape_text(w).s, (long long)group);
	y->dim[1] = w->dim[0];
	memcpy(y->dim + 2, k->out, (size_t)k->n * sizeof *k->out);
	return true;
}

/* Conv: x [N, C, in...], w [M, C / group, kernel...], bias [M]. */
bool
infer_conv(Ctx *c, Node *n)
{
	Window k;
	Shape y;

	return want_same(c, n, 0, n->nin) && want_class(c, n, 0, "F") &&
	       window_conv(c, n, &n->in[0]->shape, &n->in[1]->shape, &y, &k) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* ConvInteger: Conv of 8-bit integers less their zero points, into int32. x
 * has one zero point, w one or one a filter. */
bool
infer_conv_integer(Ctx *c, Node *n)
{
	Window k;
	Shape y;

	return want_class(c, n, 0, "IU") && want_class(c, n, 1, "IU") &&
	       window_conv(c, n, &n->in[0]->shape, &n->in[1]->shape, &y, &k) &&
	       value_set(c, node_out(n, 0), DT_I32, &y);
}

/* QLinearConv: x and w are at inputs 0 and 3, each followed by its scale and
 * zero point; the output takes the type of its zero point, input 7. */
bool
infer_qlinear_conv(Ctx *c, Node *n)
{
	Window k;
	Shape y;

	return window_conv(c, n, &n->in[0]->shape, &n->in[3]->shape, &y, &k) &&
	       value_set(c, node_out(n, 0), n->in[7]->type, &y);
}

typedef struct Conv {
	Window k;
	const double *x, *w, *bias;
	int64_t batch, channels, filters, group, size;
} Conv;

/* Taps of TILE output places of image b and one group, as a matrix
 * [channels of a group * taps, TILE]. */
static void
load_places(const Conv *v, int64_t b, int64_t g, const int64_t *tap,
            int64_t wide, double *tile)
{
	int64_t taps = window_taps(&v->k), each = v->channels / v->group;

	for (int64_t ch = 0; ch < each; ch++) {
		const double *x =
			v->x + (b * v->channels + g * each + ch) * v->size;

		for (int64_t t = 0; t < taps; t++, tile += TILE)
			for (int64_t o = 0; o < wide; o++) {
				int64_t at = tap[o * taps + t];

				tile[o] = at < 0 ? 0 : x[at];
			}
	}
}

/* The filters of group g at `wide` places from o on. */
static void
conv_tile(const Conv *v, int64_t b, int64_t g, int64_t o, int64_t wide,
          const double *tile, double *y)
{
	int64_t places = window_places(&v->k), many = v->filters / v->group;
	int64_t k = v->channels / v->group * window_taps(&v->k);
	double sum[TILE];

	for (int64_t m = g * many; m < (g + 1) * many; m++) {
		double *to = y + (b * v->filters + m) * places + o;

		tile_product(v->w + m * k, 1, k, tile, sum);
		for (int64_t i = 0; i < wide; i++)
			to[i] = sum[i] + (v->bias ? v->bias[m] : 0);
	}
}

/* y [N, M, out...] in double */
static double *
conv(Arena *a, const Conv *v)
{
	int64_t places = window_places(&v->k), taps = window_taps(&v->k), wide;
	int64_t k = v->channels / v->group * taps;
	int64_t *tap = NEWV(a, int64_t, taps * TILE + 1);
	double *y = NEWV(a, double, v->batch * v->filters * places + 1);
	double *tile = NEWV(a, double, k *TILE + 1);

	for (int64_t o = 0; o < places; o += TILE) {
		wide = MIN(TILE, places - o);
		for (int64_t i = 0; i < wide; i++)
			window_at(&v->k, o + i, tap + i * taps);
		for (int64_t bg = 0; bg < v->batch * v->group; bg++) {
			int64_t b = bg / v->group, g = bg % v->group;

			load_places(v, b, g, tap, wide, tile);
			conv_tile(v, b, g, o, wide, tile, y);
		}
	}
	return y;
}

/* Sizes of a convolution whose shapes infer has seen; data is for the caller.
 */
static bool
open_conv(Ctx *c, const Node *n, const Value *x, const Value *w,
          const Value *bias, Conv *v)
{
	Shape y;

	*v = (Conv){.batch = x->shape.dim[0],
	            .channels = x->shape.dim[1],
	            .filters = w->shape.dim[0],
	            .group = attr_int(n, "group", 1),
	            .size = shape_span(&x->shape, 2, x->shape.rank)};
	if (bias && shape_count(&bias->shape) != v->filters)
		return fail(c, QE_INPUT, "bias %s for %s",
		            shape_text(&bias->shape).s,
		            shape_text(&w->shape).s);
	return window_conv(c, n, &x->shape, &w->shape, &y, &v->k);
}

bool
eval_conv(Ctx *c, Arena *a, Node *n)
{
	const Value *bias = node_in(n, 2);
	Conv v;

	if (!open_conv(c, n, n->in[0], n->in[1], bias, &v))
		return false;
	v.x = read_f64(a, n->in[0]);
	v.w = read_f64(a, n->in[1]);
	v.bias = bias ? read_f64(a, bias) : NULL;
	store_f64(n->out[0], 0, shape_count(&n->out[0]->shape), conv(a, &v));
	return true;
}

bool
eval_conv_integer(Ctx *c, Arena *a, Node *n)
{
	Conv v;
	double *x, *w;

	if (!open_conv(c, n, n->in[0], n->in[1], NULL, &v) ||
	    !quant_centre(c, a, n->in[0], node_in(n, 2), -1, &x) ||
	    !quant_centre(c, a, n->in[1], node_in(n, 3), 0, &w))
		return false;
	v.x = x;
	v.w = w;
	store_f64(n->out[0], 0, shape_count(&n->out[0]->shape), conv(a, &v));
	return true;
}

/* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias */
bool
eval_qlinear_conv(Ctx *c, Arena *a, Node *n)
{
	const Value *bias = node_in(n, 8), *ws = n->in[4];
	int64_t count = shape_count(&n->out[0]->shape), m, places;
	double *x, *w, *y, scale, xs, ys;
	Conv v;

	if (!open_conv(c, n, n->in[0], n->in[3], bias, &v) ||
	    !quant_centre(c, a, n->in[0], n->in[2], -1, &x) ||
	    !quant_centre(c, a, n->in[3], n->in[5], 0, &w) ||
	    !quant_scalar(c, n->in[1], &xs) || !quant_scalar(c, n->in[6], &ys))
		return false;
	if (shape_count(&ws->shape) != 1 &&
	    shape_count(&ws->shape) != v.filters)
		return fail(c, QE_INPUT, "w_scale %s",
		            shape_text(&ws->shape).s);
	if (shape_count(&n->in[7]->shape) != 1)
		return fail(c, QE_INPUT, "y_zero_point is not one element");
	v.x = x;
	v.w = w;
	v.bias = bias ? read_f64(a, bias) : NULL;
	y = conv(a, &v);
	places = window_places(&v.k);
	for (int64_t i = 0; i < count; i++) {
		m = i / places % v.filters;
		scale = value_f64(ws, shape_count(&ws->shape) == 1 ? 0 : m);
		y[i] = nearbyint(y[i] * (xs * scale / ys)) +
		       value_f64(n->in[7], 0);
	}
	quant_store(n->out[0], 0, count, y);
	return true;
}

/* ---- ConvTranspose ---- */

/* What ConvTranspose says about sizes. */
typedef struct Sizes {
	const char *how; /* auto_pad */
	bool given;      /* output_shape is */
	int64_t extra[MAXSPACE], want[MAXSPACE], pads[2 * MAXSPACE];
} Sizes;

/* output_shape leaves the pads to be found; otherwise they are given, or come
 * from auto_pad. */
static bool
sizes_arg(Ctx *c, const Node *n, Window *k, Sizes *s)
{
	s->how = attr_str(n, "auto_pad", "NOTSET");
	s->given = attr_find(n, "output_shape") != NULL;
	return window_list(c, n, "strides", k->n, 1, 1, k->stride) &&
	       window_list(c, n, "dilations", k->n, 1, 1, k->dilation) &&
	       window_list(c, n, "output_padding", k->n, 0, 0, s->extra) &&
	       window_list(c, n, "output_shape", k->n, 1, 1, s->want) &&
	       window_list(c, n, "pads", 2 * k->n, 0, 0, s->pads);
}

/* Size of the result on axis i, and what is cut off at its beginning. */
static bool
grown(Ctx *c, Window *k, const Sizes *s, int i)
{
	int64_t full, pad = 0;

	if (k->out[i] > INT32_MAX || k->kernel[i] > INT32_MAX)
		return fail(c, QE_INPUT, "axis %d of %lld is too large", i,
		            (long long)k->out[i]);
	full = (k->out[i] - 1) * k->stride[i] + s->extra[i] +
	       (k->kernel[i] - 1) * k->dilation[i] + 1;
	if (s->given || str_starts(s->how, "SAME_")) {
		k->in[i] = s->given ? s->want[i] : k->out[i] * k->stride[i];
		pad = MAX(0, full - k->in[i]);
		k->begin[i] = strcmp(s->how, "SAME_UPPER") == 0 ? pad / 2
		                                                : pad - pad / 2;
	} else {
		if (strcmp(s->how, "VALID") != 0) {
			k->begin[i] = s->pads[i];
			pad = s->pads[i] + s->pads[k->n + i];
		}
		k->in[i] = full - pad;
	}
	return k->in[i] >= 0 || fail(c, QE_INPUT, "pads %lld of %lld",
	                             (long long)pad, (long long)full);
}

/* x [N, C, in...], w [C, M / group, kernel...]: a window whose out[] is the
 * input and whose in[] is the output. */
static bool
transpose_shape(Ctx *c, const Node *n, Shape *y, Window *k)
{
	const Shape *x = &n->in[0]->shape, *w = &n->in[1]->shape;
	int64_t group = attr_int(n, "group", 1);
	Sizes s;

	*y = *x;
	if (x->rank < 0 || w->rank < 0 || !shape_known(w)) {
		y->rank = -1;
		return true;
	}
	*k = (Window){.n = x->rank - 2};
	if (x->rank < 3 || w->rank != x->rank || group < 1 ||
	    (x->dim[1] >= 0 && w->dim[0] != x->dim[1]) || w->dim[0] % group)
		return fail(c, QE_INPUT, "%s by %s in %lld groups",
		            shape_text(x).s, shape_text(w).s, (long long)group);
	if (!sizes_arg(c, n, k, &s))
		return false;
	y->dim[1] = mul_size(w->dim[1], group);
	for (int i = 0; i < k->n; i++) {
		k->out[i] = x->dim[i + 2];
		k->kernel[i] = w->dim[i + 2];
		y->dim[i + 2] = -1;
		if (k->out[i] < 0)
			continue;
		if (!grown(c, k, &s, i))
			return false;
		y->dim[i + 2] = k->in[i];
	}
	return true;
}

/* ConvTranspose: every input element is spread over the outputs that its
 * kernel reaches, as the gradient of Conv does; w is [C, M / group,
 * kernel...]. */
bool
infer_conv_transpose(Ctx *c, Node *n)
{
	Window k;
	Shape y;

	return want_same(c, n, 0, n->nin) && want_class(c, n, 0, "F") &&
	       transpose_shape(c, n, &y, &k) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Scatters: for each input place the taps of its window are the outputs it
 * adds to.  One order, input by input, so sums are the same on every run. */
bool
eval_conv_transpose(Ctx *c, Arena *a, Node *n)
{
	const Value *bias = node_in(n, 2);
	const Shape *xs = &n->in[0]->shape, *ws = &n->in[1]->shape;
	double *x = read_f64(a, n->in[0]), *w = read_f64(a, n->in[1]), *y;
	int64_t group = attr_int(n, "group", 1), taps, places, size, *tap;
	int64_t channels = xs->dim[1], each = ws->dim[1];
	int64_t filters = each * group;
	Window k;
	Shape s;

	if (!transpose_shape(c, n, &s, &k))
		return false;
	if (bias && shape_count(&bias->shape) != filters)
		return fail(c, QE_INPUT, "bias %s", shape_text(&bias->shape).s);
	taps = window_taps(&k);
	places = window_places(&k);
	size = shape_span(&s, 2, s.rank);
	tap = NEWV(a, int64_t, taps + 1);
	y = NEWV(a, double, shape_count(&s) + 1);
	for (int64_t i = 0; bias && i < shape_count(&s); i++)
		y[i] = value_f64(bias, i / size % filters);
	for (int64_t o = 0; o < places; o++) {
		window_at(&k, o, tap);
		for (int64_t bc = 0; bc < xs->dim[0] * channels; bc++) {
			int64_t b = bc / channels, ch = bc % channels;
			int64_t g = ch / (channels / group);
			double v = x[bc * places + o];

			for (int64_t mt = 0; mt < each * taps; mt++)
				if (tap[mt % taps] >= 0)
					y[(b * filters + g * each + mt / taps) *
					          size +
					  tap[mt % taps]] +=
						v * w[ch * each * taps + mt];
		}
	}
	store_f64(n->out[0], 0, shape_count(&s), y);
	return true;
}

/* ---- Col2Im: columns [N, C * taps, places] back into an image ---- */

static bool
col2im_shape(Ctx *c, const Node *n, Shape *y, Window *k)
{
	const Shape *x = &n->in[0]->shape;
	int64_t taps = 1, pads[2 * MAXSPACE];
	Ints image, block;

	*y = (Shape){.rank = -1};
	if (!want_rank(c, n, 0, 3) || !ints_arg(c, n, 1, NULL, &image) ||
	    !ints_arg(c, n, 2, NULL, &block))
		return false;
	if (x->rank < 0 || !image.known || !block.known)
		return true;
	*k = (Window){.n = (int)image.n};
	if (image.n < 1 || image.n > MAXSPACE || block.n != image.n)
		return fail(c, QE_INPUT, "%lld and %lld sizes",
		            (long long)image.n, (long long)block.n);
	if (!window_list(c, n, "strides", k->n, 1, 1, k->stride) ||
	    !window_list(c, n, "dilations", k->n, 1, 1, k->dilation) ||
	    !window_list(c, n, "pads", 2 * k->n, 0, 0, pads))
		return false;
	*y = (Shape){k->n + 2, {x->dim[0], -1}};
	for (int i = 0; i < k->n; i++) {
		int64_t in = ints_at(&image, i), kn = ints_at(&block, i);

		if (in < 1 || kn < 1 || in > INT32_MAX || kn > INT32_MAX)
			return fail(c, QE_INPUT, "size %lld, block %lld",
			            (long long)in, (long long)kn);
		k->in[i] = y->dim[i + 2] = in;
		k->kernel[i] = kn;
		k->begin[i] = pads[i];
		k->out[i] = (in + pads[i] + pads[k->n + i] -
		             k->dilation[i] * (kn - 1) - 1) /
		                    k->stride[i] +
		            1;
		taps = mul_size(taps, kn);
		if (k->out[i] < 1)
			return fail(c, QE_INPUT, "block %lld of %lld",
			            (long long)kn, (long long)in);
	}
	if (taps < 0 || (x->dim[1] >= 0 && x->dim[1] % taps) ||
	    (x->dim[2] >= 0 && x->dim[2] != window_places(k)))
		return fail(c, QE_INPUT, "columns %s", shape_text(x).s);
	y->dim[1] = x->dim[1] < 0 ? -1 : x->dim[1] / taps;
	return true;
}

/* Col2Im 18: what im2col takes apart; where blocks overlap they add up. */
bool
infer_col2im(Ctx *c, Node *n)
{
	Window k;
	Shape y;

	return want_class(c, n, 0, "F") && col2im_shape(c, n, &y, &k) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_col2im(Ctx *c, Arena *a, Node *n)
{
	int64_t taps, places, size, *tap;
	double *x = read_f64(a, n->in[0]), *y;
	Window k;
	Shape s;

	if (!col2im_shape(c, n, &s, &k))
		return false;
	taps = window_taps(&k);
	places = window_places(&k);
	size = shape_span(&s, 2, s.rank);
	tap = NEWV(a, int64_t, taps + 1);
	y = NEWV(a, double, shape_count(&s) + 1);
	for (int64_t o = 0; o < places; o++) {
		window_at(&k, o, tap);
		for (int64_t b = 0; b < s.dim[0] * s.dim[1]; b++)
			for (int64_t t = 0; t < taps; t++)
				if (tap[t] >= 0)
					y[b * size + tap[t]] +=
						x[(b * taps + t) * places + o];
	}
	store_f64(n->out[0], 0, shape_count(&s), y);
	return true;
}
