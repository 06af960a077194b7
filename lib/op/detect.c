/* SPDX-License-Identifier: BSD-3-Clause
 * detect.c - boxes in pictures: NonMaxSuppression, RoiAlign. */

#include <math.h>
#include <stdlib.h>

#include "num.h"

/* ---- NonMaxSuppression ---- */

/* NonMaxSuppression: boxes [N, boxes, 4], scores [N, classes, boxes]; a row
 * (batch, class, box) for each that stays, in an order of its own for each
 * class. */
bool
infer_nms(Ctx *c, Node *n)
{
	return want_rank(c, n, 0, 3) && want_rank(c, n, 1, 3) &&
	       value_set(c, node_out(n, 0), DT_I64, &(Shape){2, {-1, 3}});
}

typedef struct Box {
	double y1, x1, y2, x2, score;
	int64_t index;
} Box;

/* Of equal scores the lower index first: the choice is the same on every run.
 */
static int
by_score(const void *pa, const void *pb)
{
	const Box *a = pa, *b = pb;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static Box
read_box(const Value *v, int64_t i, bool centred)
{
	double p[4];

	load_f64(v, i * 4, 1, 4, p);
	if (centred) /* x, y, width, height */
		return (Box){p[1] - p[3] / 2,
		             p[0] - p[2] / 2,
		             p[1] + p[3] / 2,
		             p[0] + p[2] / 2,
		             0,
		             0};
	return (Box){fmin(p[0], p[2]),
	             fmin(p[1], p[3]),
	             fmax(p[0], p[2]),
	             fmax(p[1], p[3]),
	             0,
	             0};
}

/* Rounded to float32, as a box at the threshold stays. */
static float
overlap(const Box *a, const Box *b)
{
	double h = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
	double w = fmin(a->x2, b->x2) - fmax(a->x1, b->x1);
	double both = h > 0 && w > 0 ? h * w : 0;
	double p = (a->y2 - a->y1) * (a->x2 - a->x1);
	double q = (b->y2 - b->y1) * (b->x2 - b->x1);

	return p <= 0 || q <= 0 ? 0 : (float)(both / (p + q - both));
}

/* Keeps the best of box[n], in place; returns how many. */
static int64_t
suppress(Box *box, int64_t n, int64_t most, float threshold)
{
	int64_t kept = 0;

	qsort(box, (size_t)n, sizeof *box, by_score);
	for (int64_t i = 0; i < n && kept < most; i++) {
		bool good = true;

		for (int64_t k = 0; k < kept && good; k++)
			good = overlap(&box[k], &box[i]) <= threshold;
		if (good)
			box[kept++] = box[i];
	}
	return kept;
}

static double
scalar(const Node *n, int k, double none)
{
	const Value *v = node_in(n, k);

	return v && shape_count(&v->shape) == 1 ? value_f64(v, 0) : none;
}

bool
eval_nms(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[1]->shape, *b = &n->in[0]->shape;
	int64_t most = (int64_t)fmin(scalar(n, 2, 0), 1e15), total = 0, kept;
	float threshold = (float)scalar(n, 3, 0);
	double least = scalar(n, 4, (double)-INFINITY);
	bool centred = attr_int(n, "center_point_box", 0);
	int64_t boxes = s->dim[2], classes = s->dim[1], found;
	Box *box;
	int64_t *list;

	if (b->dim[0] != s->dim[0] || b->dim[1] != boxes || b->dim[2] != 4)
		return fail(c, QE_INPUT, "boxes %s, scores %s", shape_text(b).s,
		            shape_text(s).s);
	most = MAX(0, MIN(most, boxes));
	list = NEWV(a, int64_t, shape_count(s) * 3 + 1);
	box = NEWV(a, Box, boxes + 1);
	for (int64_t bc = 0; bc < s->dim[0] * classes; bc++) {
		found = 0;
		for (int64_t i = 0; i < boxes; i++) {
			double score = value_f64(n->in[1], bc * boxes + i);

			if (!(score > least))
				continue;
			box[found] =
				read_box(n->in[0], bc / classes * boxes + i,
			                 centred);
			box[found].score = score;
			box[found++].index = i;
		}
		kept = suppress(box, found, most, threshold);
		for (int64_t i = 0; i < kept; i++) {
			list[total * 3] = bc / classes;
			list[total * 3 + 1] = bc % classes;
			list[total++ * 3 + 2] = box[i].index;
		}
	}
	if (!value_make(c, a, n->out[0], DT_I64, &(Shape){2, {total, 3}}))
		return false;
	store_i64(n->out[0], 0, total * 3, list);
	return true;
}

/* ---- RoiAlign: x, rois [R, 4], batch indices [R] ---- */

bool
infer_roi_align(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *r = &n->in[1]->shape;
	Shape y = {4,
	           {r->rank == 2 ? r->dim[0] : -1,
	            x->rank == 4 ? x->dim[1] : -1,
	            attr_int(n, "output_height", 1),
	            attr_int(n, "output_width", 1)}};

	if (y.dim[2] < 1 || y.dim[3] < 1)
		return fail(c, QE_INPUT, "output %s", shape_text(&y).s);
	return want_rank(c, n, 0, 4) && want_rank(c, n, 1, 2) &&
	       want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

typedef struct Roi {
	int64_t h, w;
	double y0, x0, bin_h, bin_w;
	int64_t many_h, many_w; /* samples a bin */
	bool max;
} Roi;

/* One sample, by its four neighbours: their sum, or the largest of the
 * weighted neighbours. */
static double
roi_sample(const Roi *r, const double *x, double y, double z)
{
	double h = (double)r->h, w = (double)r->w, v[4];
	int64_t y0, x0, y1, x1;

	if (y < -1 || y > h || z < -1 || z > w)
		return 0;
	y = fmax(0, y);
	z = fmax(0, z);
	y0 = MIN((int64_t)y, r->h - 1);
	x0 = MIN((int64_t)z, r->w - 1);
	y1 = MIN(y0 + 1, r->h - 1);
	x1 = MIN(x0 + 1, r->w - 1);
	y = y0 == r->h - 1 ? 0 : y - (double)y0;
	z = x0 == r->w - 1 ? 0 : z - (double)x0;
	v[0] = (1 - y) * (1 - z) * x[y0 * r->w + x0];
	v[1] = (1 - y) * z * x[y0 * r->w + x1];
	v[2] = y * (1 - z) * x[y1 * r->w + x0];
	v[3] = y * z * x[y1 * r->w + x1];
	if (r->max)
		return fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
	return v[0] + v[1] + v[2] + v[3];
}

static double
roi_bin(const Roi *r, const double *x, int64_t i, int64_t j)
{
	double sum = 0, best = (double)-INFINITY, v;

	for (int64_t p = 0; p < r->many_h; p++)
		for (int64_t q = 0; q < r->many_w; q++) {
			v = roi_sample(
				r, x,
				r->y0 + r->bin_h * ((double)i +
			                            ((double)p + 0.5) /
			                                    (double)r->many_h),
				r->x0 + r->bin_w * ((double)j +
			                            ((double)q + 0.5) /
			                                    (double)r->many_w));
			sum += v;
			best = fmax(best, v);
		}
	return r->max ? best : sum / fmax(1, (double)(r->many_h * r->many_w));
}

static bool
open_roi(Ctx *c, const Node *n, int64_t k, Roi *r)
{
	const char *how = attr_str(n, "coordinate_transformation_mode",
	                           n->op->since < 16 ? "output_half_pixel"
	                                             : "half_pixel");
	const char *mode = attr_str(n, "mode", "avg");
	bool half = strcmp(how, "half_pixel") == 0;
	double scale = attr_float(n, "spatial_scale", 1), p[4], h, w;
	int64_t ratio = attr_int(n, "sampling_ratio", 0);
	const Shape *y = &n->out[0]->shape;

	if ((!half && strcmp(how, "output_half_pixel") != 0) || ratio < 0 ||
	    ratio > 1 << 16 ||
	    (strcmp(mode, "avg") != 0 && strcmp(mode, "max") != 0))
		return fail(c, QE_INPUT, "mode '%s', '%s'", mode, how);
	load_f64(n->in[1], k * 4, 1, 4, p); /* x1 y1 x2 y2 */
	for (int i = 0; i < 4; i++)
		p[i] = p[i] * scale - (half ? 0.5 : 0);
	h = p[3] - p[1];
	w = p[2] - p[0];
	if (!half) {
		h = fmax(h, 1);
		w = fmax(w, 1);
	}
	*r = (Roi){.h = n->in[0]->shape.dim[2],
	           .w = n->in[0]->shape.dim[3],
	           .y0 = p[1],
	           .x0 = p[0],
	           .bin_h = h / (double)y->dim[2],
	           .bin_w = w / (double)y->dim[3],
	           .max = *mode == 'm'};
	if (!(fabs(h) < 1e9) || !(fabs(w) < 1e9) || !r->h || !r->w)
		return fail(c, QE_INPUT, "box %lld is %g by %g", (long long)k,
		            w, h);
	r->many_h = ratio ? ratio : (int64_t)fmax(0, ceil(r->bin_h));
	r->many_w = ratio ? ratio : (int64_t)fmax(0, ceil(r->bin_w));
	if (r->many_h > 1 << 12 || r->many_w > 1 << 12)
		return fail(c, QE_INPUT, "%lld by %lld samples a bin",
		            (long long)r->many_h, (long long)r->many_w);
	return true;
}

bool
eval_roi_align(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape, *y = &n->out[0]->shape;
	int64_t size = shape_span(s, 2, 4), places = shape_span(y, 2, 4), b;
	double *x = read_f64(a, n->in[0]), v;
	Roi r = {0};

	if (n->in[1]->shape.dim[1] != 4 ||
	    shape_count(&n->in[2]->shape) != y->dim[0])
		return fail(c, QE_INPUT, "rois %s",
		            shape_text(&n->in[1]->shape).s);
	for (int64_t k = 0; k < y->dim[0]; k++) {
		b = value_i64(n->in[2], k);
		if (b < 0 || b >= s->dim[0])
			return fail(c, QE_INPUT, "batch index %lld",
			            (long long)b);
		if (!open_roi(c, n, k, &r))
			return false;
		for (int64_t i = 0; i < s->dim[1] * places; i++) {
			v = roi_bin(&r, x + (b * s->dim[1] + i / places) * size,
			            i % places / y->dim[3], i % y->dim[3]);
			store_f64(n->out[0], k * s->dim[1] * places + i, 1, &v);
		}
	}
	return true;
}
