/* SPDX-License-Identifier: BSD-3-Clause
 * resize.c - Resize and Upsample: each axis by itself.
 *
 * An output coordinate is mapped to one of the input; its neighbours there
 * and their weights make one row of a table per axis.  Axes are then applied
 * one after the other, in double. */

#include <math.h>

#include "num.h"

typedef enum Mode { NEAREST, LINEAR, CUBIC } Mode;

typedef struct Resize {
	Mode mode;
	const char *coord, *nearest;
	double cubic_a, extrapolate;
	bool antialias, exclude;
	int64_t in[MAXRANK], out[MAXRANK];
	double scale[MAXRANK], from[MAXRANK], to[MAXRANK]; /* roi */
} Resize;

/* Upsample and Resize 10 have no modes of coordinates: theirs are those that
 * 11 calls asymmetric and floor. */
static bool
mode_arg(Ctx *c, const Node *n, Resize *r)
{
	const char *mode = attr_str(n, "mode", "nearest");
	bool old = n->op->since < 11;

	*r = (Resize){
		.coord = attr_str(n, "coordinate_transformation_mode",
	                          old ? "asymmetric" : "half_pixel"),
		.nearest = attr_str(n, "nearest_mode",
	                            old ? "floor" : "round_prefer_floor"),
		.cubic_a = attr_float(n, "cubic_coeff_a", -0.75),
		.extrapolate = attr_float(n, "extrapolation_value", 0),
		.antialias = attr_int(n, "antialias", 0),
		.exclude = attr_int(n, "exclude_outside", 0),
	};
	if (strcmp(mode, "nearest") == 0)
		r->mode = NEAREST;
	else if (str_ends(mode, "linear"))
		r->mode = LINEAR;
	else if (strcmp(mode, "cubic") == 0)
		r->mode = CUBIC;
	else
		return fail(c, QE_INPUT, "mode '%s'", mode);
	if (!str_in(r->coord,
	            (const char *[]){"half_pixel", "half_pixel_symmetric",
	                             "pytorch_half_pixel", "align_corners",
	                             "asymmetric", "tf_half_pixel_for_nn",
	                             "tf_crop_and_resize", NULL}))
		return fail(c, QE_INPUT, "coordinate_transformation_mode '%s'",
		            r->coord);
	if (!str_in(r->nearest,
	            (const char *[]){"round_prefer_floor", "round_prefer_ceil",
	                             "floor", "ceil", NULL}))
		return fail(c, QE_INPUT, "nearest_mode '%s'", r->nearest);
	return true;
}

/* Which axes roi, scales and sizes speak about. */
static bool
axes_list(Ctx *c, const Node *n, int rank, int *axis, int *count)
{
	const int64_t *ints;
	int have = attr_ints(n, "axes", &ints);

	*count = have < 0 ? rank : have;
	if (*count > rank)
		return fail(c, QE_INPUT, "%d axes of rank %d", have, rank);
	for (int i = 0; i < *count; i++)
		if (!axis_arg(c, have < 0 ? i : ints[i], rank, &axis[i]))
			return false;
	return true;
}

/* Sizes are floor(in scale), times the part of the roi where that is cropped.
 */
static bool
scale_axes(Ctx *c, Resize *r, const int *axis, int count, const Value *scales,
           const float *list)
{
	for (int i = 0; i < count; i++) {
		int d = axis[i];
		double s = list ? (double)list[i] : value_f64(scales, i);

		if (!(s > 0) || s > 1e9)
			return fail(c, QE_INPUT, "scale %g", s);
		r->scale[d] = s;
		s *= (double)r->in[d] * (r->to[d] - r->from[d]);
		if (r->in[d] >= 0 && !(s >= 0 && s < 0x1p40))
			return fail(c, QE_INPUT, "axis %d would be %g", d, s);
		r->out[d] = r->in[d] < 0 ? -1 : (int64_t)floor(s);
	}
	return true;
}

/* keep_aspect_ratio_policy (18): one scale for all axes, the smallest or the
 * largest of them, and sizes rounded half up from it. */
static bool
size_axes(Ctx *c, const Node *n, Resize *r, const int *axis, int count,
          const Value *sizes)
{
	const char *keep = attr_str(n, "keep_aspect_ratio_policy", "stretch");
	bool larger = strcmp(keep, "not_smaller") == 0;
	double s = 0;

	for (int i = 0; i < count; i++) {
		int d = axis[i];

		r->out[d] = value_i64(sizes, i);
		if (r->out[d] < 0 || r->out[d] >> 40 || r->in[d] < 1)
			return fail(c, QE_INPUT, "size %lld of %lld",
			            (long long)r->out[d], (long long)r->in[d]);
		r->scale[d] = (double)r->out[d] / (double)r->in[d];
		if (!i || (larger ? r->scale[d] > s : r->scale[d] < s))
			s = r->scale[d];
	}
	if (strcmp(keep, "stretch") == 0)
		return true;
	if (!larger && strcmp(keep, "not_larger") != 0)
		return fail(c, QE_INPUT, "keep_aspect_ratio_policy '%s'", keep);
	for (int i = 0; i < count; i++) {
		if (s * (double)r->in[axis[i]] > 0x1p40)
			return fail(c, QE_INPUT, "axis %d is too large",
			            axis[i]);
		r->scale[axis[i]] = s;
		r->out[axis[i]] =
			(int64_t)floor(s * (double)r->in[axis[i]] + 0.5);
	}
	return true;
}

/* Inputs by version: X, scales (10); X, roi, scales, sizes (11).  Upsample 7
 * has an attribute. */
static bool
resize_args(Ctx *c, const Node *n, Resize *r, bool *sure)
{
	bool old = n->op->since < 11, crop;
	const Shape *x = &n->in[0]->shape;
	const Attr *list = attr_find(n, "scales");
	int ks = old ? 1 : 2, axis[MAXRANK], count;
	const Value *scales = node_in(n, ks), *sizes = node_in(n, 3);
	const Value *roi = old ? NULL : node_in(n, 1);

	if (!mode_arg(c, n, r) || !axes_list(c, n, x->rank, axis, &count))
		return false;
	crop = strcmp(r->coord, "tf_crop_and_resize") == 0;
	for (int d = 0; d < x->rank; d++) {
		r->in[d] = r->out[d] = x->dim[d];
		r->scale[d] = r->to[d] = 1;
	}
	if (scales && shape_count(&scales->shape) == 0)
		scales = NULL;
	*sure = (!scales || scales->data.mem) && (!sizes || sizes->data.mem) &&
	        (!crop || (roi && roi->data.mem));
	if (!*sure)
		return true;
	for (int i = 0; crop && i < count; i++) {
		if (shape_count(&roi->shape) != 2 * count)
			return fail(c, QE_INPUT, "roi %s",
			            shape_text(&roi->shape).s);
		r->from[axis[i]] = value_f64(roi, i);
		r->to[axis[i]] = value_f64(roi, count + i);
	}
	if (list && list->type == ATTR_FLOATS && list->n == count)
		return scale_axes(c, r, axis, count, NULL, list->floats);
	if (scales && shape_count(&scales->shape) == count)
		return scale_axes(c, r, axis, count, scales, NULL);
	if (sizes && shape_count(&sizes->shape) == count)
		return size_axes(c, n, r, axis, count, sizes);
	return fail(c, QE_INPUT, "neither scales nor sizes for %d axes", count);
}

bool
infer_resize(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	bool sure;
	Resize r;

	if (y.rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (!resize_args(c, n, &r, &sure))
		return false;
	for (int d = 0; d < y.rank; d++)
		y.dim[d] = sure ? r.out[d] : -1;
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* ---- one axis ---- */

typedef struct Table {
	int taps;
	int64_t *index; /* [out, taps] */
	double *weight;
	bool *outside; /* [out] gets the extrapolation value */
} Table;

/* The length after resizing may be fractional here: scale times length. */
static double
coordinate(const Resize *r, int d, int64_t o)
{
	double x = (double)o, in = (double)r->in[d], s = r->scale[d];
	double out = s * in, whole = (double)r->out[d];
	const char *how = r->coord;

	if (strcmp(how, "asymmetric") == 0)
		return x / s;
	if (strcmp(how, "align_corners") == 0)
		return out == 1 ? 0 : x * (in - 1) / (out - 1);
	if (strcmp(how, "tf_crop_and_resize") == 0)
		return out == 1 ? 0.5 * (r->from[d] + r->to[d]) * (in - 1)
		                : r->from[d] * (in - 1) +
		                          x * (r->to[d] - r->from[d]) *
		                                  (in - 1) / (out - 1);
	if (strcmp(how, "pytorch_half_pixel") == 0 && out == 1)
		return 0;
	if (strcmp(how, "half_pixel_symmetric") == 0)
		return in / 2 * (1 - whole / out) + (x + 0.5) / s - 0.5;
	if (strcmp(how, "tf_half_pixel_for_nn") == 0)
		return (x + 0.5) / s;
	return (x + 0.5) / s - 0.5;
}

/* 1 for the right neighbour of x = left + ratio, ratio in (0, 1]. */
static int
nearest(const char *how, double ratio)
{
	if (ratio == 1 || strcmp(how, "ceil") == 0)
		return 1;
	if (strcmp(how, "floor") == 0)
		return 0;
	return strcmp(how, "round_prefer_floor") == 0 ? ratio > 0.5
	                                              : ratio >= 0.5;
}

/* A triangle, or the cubic of Keys 1981 with a free coefficient (the paper has
 * -0.5, cubic_coeff_a is -0.75 where not given).  0 from 1 and 2 on. */
static double
kernel(const Resize *r, double x)
{
	double a = r->cubic_a;

	x = fabs(x);
	if (r->mode == LINEAR)
		return x < 1 ? 1 - x : 0;
	if (x <= 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Taps of one output; first + k for k in [0, taps), clamped. */
static void
fill_row(const Resize *r, int d, const Table *t, int64_t o)
{
	double x = coordinate(r, d, o), left, ratio;
	double shrink = r->antialias ? fmin(r->scale[d], 1) : 1, sum = 0;
	bool nowhere = !(fabs(x) < 1e15);
	int64_t last = r->in[d] - 1, first;
	int64_t *index = t->index + o * t->taps;
	double *w = t->weight + o * t->taps;

	x = nowhere ? 0 : x;
	left = ceil(x) - 1;
	ratio = x - left;
	first = (int64_t)left + 1 - t->taps / 2;
	t->outside[o] =
		nowhere || (strcmp(r->coord, "tf_crop_and_resize") == 0 &&
	                    (x < 0 || x > (double)last));
	if (r->mode == NEAREST) {
		first = (int64_t)left + nearest(r->nearest, ratio);
		w[0] = 1;
		index[0] = MAX(0, MIN(first, last));
		return;
	}
	for (int k = 0; k < t->taps; k++) {
		int64_t at = first + k;

		w[k] = kernel(r,
		              ((double)(k + 1 - t->taps / 2) - ratio) * shrink);
		if (r->exclude && (at < 0 || at > last))
			w[k] = 0;
		index[k] = MAX(0, MIN(at, last));
		sum += w[k];
	}
	for (int k = 0; k < t->taps && (r->exclude || r->antialias); k++)
		w[k] /= sum;
}

/* With antialias (18) the kernel is stretched by 1 / scale where an axis
 * shrinks, so the taps grow; the bound keeps a hostile scale from asking for
 * all memory. */
static bool
make_table(Ctx *c, Arena *a, const Resize *r, int d, Table *t)
{
	double shrink = r->antialias ? fmin(r->scale[d], 1) : 1;
	double half = r->mode == LINEAR ? 1 : 2;
	int64_t count;

	/* taps at 1 - half / shrink and on, symmetric around x */
	count = r->mode == NEAREST
	                ? 1
	                : 2 - 2 * ((int64_t)floor(-half / shrink) + 1);
	if (count > 1 << 24 || mul_size(count, r->out[d]) >> 30)
		return fail(c, QE_INPUT, "%lld taps on axis %d",
		            (long long)count, d);
	*t = (Table){.taps = (int)count,
	             .index = NEWV(a, int64_t, count * r->out[d] + 1),
	             .weight = NEWV(a, double, count * r->out[d] + 1),
	             .outside = NEWV(a, bool, r->out[d] + 1)};
	for (int64_t o = 0; o < r->out[d]; o++)
		fill_row(r, d, t, o);
	return true;
}

/* y = x with axis d of `in` elements replaced by one of `out` */
static double *
apply(Arena *a, const double *x, const Shape *s, int d, int64_t out,
      const Table *t)
{
	int64_t outer = shape_span(s, 0, d), in = s->dim[d];
	int64_t inner = shape_span(s, d + 1, s->rank);
	double *y = NEWV(a, double, outer *out *inner + 1);

	for (int64_t p = 0; p < outer * out; p++)
		for (int k = 0; k < t->taps; k++) {
			int64_t o = p % out, at = t->index[o * t->taps + k];
			double w = t->weight[o * t->taps + k];
			const double *from = x + (p / out * in + at) * inner;

			for (int64_t i = 0; i < inner && w != 0; i++)
				y[p * inner + i] += w * from[i];
		}
	return y;
}

bool
eval_resize(Ctx *c, Arena *a, Node *n)
{
	Shape s = n->in[0]->shape;
	int64_t count = shape_count(&n->out[0]->shape), inner;
	Table table[MAXRANK];
	double *x;
	bool sure;
	Resize r;

	if (!resize_args(c, n, &r, &sure))
		return false;
	for (int d = 0; d < s.rank && count; d++)
		if (r.in[d] < 1)
			return fail(c, QE_INPUT, "axis %d has no elements", d);
	if (!count)
		return true;
	x = read_f64(a, n->in[0]);
	for (int d = 0; d < s.rank; d++) {
		if (!make_table(c, a, &r, d, &table[d]))
			return false;
		if (r.in[d] != r.out[d] || r.scale[d] != 1 || r.from[d] != 0 ||
		    r.to[d] != 1)
			x = apply(a, x, &s, d, r.out[d], &table[d]);
		s.dim[d] = r.out[d];
	}
	for (int64_t i = 0; i < count; i++)
		for (int d = 0; d < s.rank; d++) {
			inner = shape_span(&s, d + 1, s.rank);
			if (table[d].outside[i / inner % s.dim[d]])
				x[i] = r.extrapolate;
		}
	store_f64(n->out[0], 0, count, x);
	return true;
}
