/* SPDX-License-Identifier: BSD-3-Clause
 * grid.c - reading a tensor between its elements: GridSample, AffineGrid,
 * DeformConv. */

#include <math.h>

#include "grid.h"
#include "window.h"

/* ---- multilinear ---- */

/* Sum over the 2^n corners around a point; outside is 0. */
double
sample_linear(const double *x, const int64_t *dim, int n, const double *at)
{
	double sum = 0;

	for (int corner = 0; corner < 1 << n; corner++) {
		double w = 1;
		int64_t off = 0;

		for (int i = 0; i < n; i++) {
			double low = floor(at[i]), part = at[i] - low;
			bool up = corner >> i & 1;
			double p = low + up;

			w *= up ? part : 1 - part;
			if (!(p >= 0 && p < (double)dim[i]))
				w = 0;
			off = off * dim[i] + (w != 0 ? (int64_t)p : 0);
		}
		sum += w != 0 ? w * x[off] : 0;
	}
	return sum;
}

/* ---- GridSample ---- */

typedef enum Mode { LINEAR, NEAREST, CUBIC } Mode;
typedef enum Edge { ZEROS, BORDER, REFLECTION } Edge;

typedef struct Grid {
	Mode mode;
	Edge edge;
	bool corners;
	int n;
	int64_t dim[MAXRANK];
} Grid;

static bool
one_of(Ctx *c, const char *what, const char *word, const char *const *list,
       int *out)
{
	for (*out = 0; list[*out]; ++*out)
		if (strcmp(word, list[*out]) == 0)
			return true;
	return fail(c, QE_INPUT, "%s '%s'", what, word);
}

static bool
grid_args(Ctx *c, const Node *n, Grid *g)
{
	static const char *const modes[] = {"linear", "nearest", "cubic", NULL};
	static const char *const edges[] = {"zeros", "border", "reflection",
	                                    NULL};
	const char *mode = attr_str(n, "mode", "linear");
	int m, e;

	if (str_starts(mode, "bi")) /* opset 16 */
		mode += 2;
	if (!one_of(c, "mode", mode, modes, &m) ||
	    !one_of(c, "padding_mode", attr_str(n, "padding_mode", "zeros"),
	            edges, &e))
		return false;
	*g = (Grid){.mode = (Mode)m,
	            .edge = (Edge)e,
	            .corners = attr_int(n, "align_corners", 0)};
	return true;
}

/* x [N, C, in...], grid [N, out..., n] of coordinates in [-1, 1], innermost
 * axis first: y [N, C, out...]. */
bool
infer_grid_sample(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *g = &n->in[1]->shape;
	Shape y = *x;

	if (x->rank < 0 || g->rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type,
		                 &(Shape){.rank = -1});
	if (x->rank < 3 || g->rank != x->rank ||
	    (g->dim[g->rank - 1] >= 0 && g->dim[g->rank - 1] != x->rank - 2) ||
	    (g->dim[0] >= 0 && x->dim[0] >= 0 && g->dim[0] != x->dim[0]))
		return fail(c, QE_INPUT, "%s by grid %s", shape_text(x).s,
		            shape_text(g).s);
	for (int i = 2; i < y.rank; i++)
		y.dim[i] = g->dim[i - 1];
	return want_class(c, n, 1, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Back and forth between lo and hi. */
static double
reflect(double x, double lo, double hi)
{
	double range = hi - lo, d, turns;

	if (range <= 0)
		return 0;
	if (x >= lo && x <= hi)
		return x;
	d = x < lo ? lo - x : x - hi;
	turns = floor(d / range);
	d -= turns * range;
	if (fmod(turns, 2) != 0)
		return x < lo ? hi - d : lo + d;
	return x < lo ? lo + d : hi - d;
}

/* A coordinate brought into the picture, unless outside is zero. */
static double
bring_in(const Grid *g, int i, double x)
{
	double last = (double)(g->dim[i] - 1);

	if (g->edge == BORDER)
		return fmax(0, fmin(x, last));
	if (g->edge == REFLECTION)
		return g->corners ? reflect(x, 0, last)
		                  : fmax(0, fmin(last,
		                                 reflect(x, -0.5, last + 0.5)));
	return x;
}

/* Keys 1981 with a = -0.75, as ONNX and PyTorch have it. */
static double
cubic_weight(double x)
{
	const double a = -0.75;

	x = fabs(x);
	if (x <= 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* 4^n neighbours; each coordinate is brought in by itself. */
static double
sample_cubic(const Grid *g, const double *x, const double *at)
{
	double sum = 0;

	for (int tap = 0; tap < 1 << (2 * g->n); tap++) {
		double w = 1;
		int64_t off = 0;

		for (int i = 0; i < g->n; i++) {
			double p = floor(at[i]) - 1 + (tap >> (2 * i) & 3);

			w *= cubic_weight(at[i] - p);
			p = bring_in(g, i, p);
			if (!(p >= 0 && p < (double)g->dim[i]))
				w = 0;
			off = off * g->dim[i] + (w != 0 ? (int64_t)p : 0);
		}
		sum += w != 0 ? w * x[off] : 0;
	}
	return sum;
}

static double
sample(const Grid *g, const double *x, const double *at)
{
	double p[MAXRANK];

	if (g->mode == CUBIC)
		return sample_cubic(g, x, at);
	for (int i = 0; i < g->n; i++) {
		p[i] = bring_in(g, i, at[i]);
		if (g->mode == NEAREST)
			p[i] = nearbyint(p[i]);
	}
	return sample_linear(x, g->dim, g->n, p);
}

bool
eval_grid_sample(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape, *gs = &n->in[1]->shape;
	int64_t places = shape_span(gs, 1, gs->rank - 1), channels = s->dim[1];
	int64_t size = shape_span(s, 2, s->rank);
	double *x = read_f64(a, n->in[0]), at[MAXRANK], v, last;
	Grid g;

	if (!grid_args(c, n, &g))
		return false;
	g.n = s->rank - 2;
	memcpy(g.dim, s->dim + 2, (size_t)g.n * sizeof *g.dim);
	for (int64_t p = 0; p < s->dim[0] * places; p++) {
		for (int i = 0; i < g.n; i++) {
			/* innermost coordinate first */
			v = value_f64(n->in[1], p * g.n + (g.n - 1 - i));
			last = (double)(g.dim[i] - 1);
			at[i] = g.corners ? (v + 1) / 2 * last
			                  : ((v + 1) * (last + 1) - 1) / 2;
			if (!(fabs(at[i]) < 1e15))
				at[i] = -1e9; /* nowhere */
		}
		for (int64_t ch = 0; ch < channels; ch++) {
			int64_t plane = p / places * channels + ch;

			v = sample(&g, x + plane * size, at);
			store_f64(n->out[0], plane * places + p % places, 1,
			          &v);
		}
	}
	return true;
}

/* ---- AffineGrid ---- */

/* AffineGrid 20: theta [N, 2, 3] or [N, 3, 4] and a size [N, C, out...] give
 * the grid that GridSample takes. */
bool
infer_affine_grid(Ctx *c, Node *n)
{
	const Shape *t = &n->in[0]->shape;
	Shape y = {.rank = -1};
	Ints size;

	if (!want_rank(c, n, 0, 3) || !ints_arg(c, n, 1, NULL, &size))
		return false;
	if (t->rank < 0 || t->dim[1] < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (t->dim[1] < 2 || t->dim[1] > 3 || t->dim[2] != t->dim[1] + 1 ||
	    (size.known && size.n != t->dim[1] + 2))
		return fail(c, QE_INPUT, "theta %s", shape_text(t).s);
	y.rank = (int)t->dim[1] + 2;
	y.dim[0] = t->dim[0];
	for (int i = 1; i < y.rank - 1; i++)
		y.dim[i] = size.known ? ints_at(&size, i + 1) : -1;
	y.dim[y.rank - 1] = t->dim[1];
	for (int i = 1; i < y.rank - 1; i++)
		if (y.dim[i] < -1)
			return fail(c, QE_INPUT, "size %s", shape_text(&y).s);
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_affine_grid(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->out[0]->shape;
	bool corners = attr_int(n, "align_corners", 0);
	int dims = s->rank - 2;
	int64_t count = shape_span(s, 0, s->rank - 1), rest, d;
	int64_t places = shape_span(s, 1, s->rank - 1);
	double pos[4], v;

	(void)c, (void)a;
	for (int64_t p = 0; p < count; p++) {
		rest = p;
		for (int i = 0; i < dims; i++) { /* x first */
			d = s->dim[s->rank - 2 - i];
			pos[i] = (double)(rest % d);
			rest /= d;
			if (corners)
				pos[i] = d == 1 ? 0
				                : 2 * pos[i] / (double)(d - 1) -
				                          1;
			else
				pos[i] = (2 * pos[i] + 1) / (double)d - 1;
		}
		pos[dims] = 1;
		for (int r = 0; r < dims; r++) {
			v = 0;
			for (int k = 0; k <= dims; k++)
				v += pos[k] *
				     value_f64(n->in[0], (p / places * dims +
				                          r) * (dims + 1) +
				                                 k);
			store_f64(n->out[0], p * dims + r, 1, &v);
		}
	}
	return true;
}

/* ---- DeformConv: x, w, offset, bias, mask ---- */

/* DeformConv 19: Conv whose taps are moved by offsets (Dai 2017) and weighted
 * by a mask (Zhu 2018), both given for each tap, place and offset_group. */
bool
infer_deform_conv(Ctx *c, Node *n)
{
	Window k;
	Shape y;

	return want_class(c, n, 0, "F") &&
	       window_conv(c, n, &n->in[0]->shape, &n->in[1]->shape, &y, &k) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

typedef struct Deform {
	Window k;
	const double *x, *offset, *mask;
	int64_t channels, groups, size;
} Deform;

/* x of channel ch where tap t of place o reads it in image b. */
static double
deform_read(const Deform *f, int64_t b, int64_t ch, int64_t o, int64_t t)
{
	int64_t taps = window_taps(&f->k), places = window_places(&f->k);
	int64_t g = ch / (f->channels / f->groups), rest = t, place = o;
	int64_t entry = (b * f->groups + g) * taps + t;
	double at[MAXSPACE], v;

	for (int i = f->k.n - 1; i >= 0; i--) {
		at[i] = (double)(place % f->k.out[i] * f->k.stride[i] -
		                 f->k.begin[i] +
		                 rest % f->k.kernel[i] * f->k.dilation[i]) +
		        f->offset[(entry * f->k.n + i) * places + o];
		place /= f->k.out[i];
		rest /= f->k.kernel[i];
	}
	v = sample_linear(f->x + (b * f->channels + ch) * f->size, f->k.in,
	                  f->k.n, at);
	return f->mask ? v * f->mask[entry * places + o] : v;
}

bool
eval_deform_conv(Ctx *c, Arena *a, Node *n)
{
	const Value *bias = node_in(n, 3), *mask = node_in(n, 4);
	const Shape *xs = &n->in[0]->shape, *ws = &n->in[1]->shape;
	int64_t filters = ws->dim[0], each = ws->dim[1], taps, places, entries;
	int64_t group = attr_int(n, "group", 1);
	double *w = read_f64(a, n->in[1]), sum;
	Deform f = {.x = read_f64(a, n->in[0]),
	            .offset = read_f64(a, n->in[2]),
	            .mask = mask ? read_f64(a, mask) : NULL,
	            .channels = xs->dim[1],
	            .groups = attr_int(n, "offset_group", 1),
	            .size = shape_span(xs, 2, xs->rank)};
	Shape y;

	if (!window_conv(c, n, &n->in[0]->shape, &n->in[1]->shape, &y, &f.k))
		return false;
	taps = window_taps(&f.k);
	places = window_places(&f.k);
	entries = xs->dim[0] * f.groups * taps * places;
	if (f.groups < 1 || f.channels % f.groups ||
	    shape_count(&n->in[2]->shape) != entries * f.k.n ||
	    (mask && shape_count(&mask->shape) != entries) ||
	    (bias && shape_count(&bias->shape) != filters))
		return fail(c, QE_INPUT, "offset %s for %s in %lld groups",
		            shape_text(&n->in[2]->shape).s, shape_text(xs).s,
		            (long long)f.groups);
	for (int64_t i = 0; i < xs->dim[0] * filters * places; i++) {
		int64_t b = i / places / filters, m = i / places % filters;
		int64_t first = m / (filters / group) * each;

		sum = bias ? value_f64(bias, m) : 0;
		for (int64_t ct = 0; ct < each * taps; ct++)
			sum += w[m * each * taps + ct] *
			       deform_read(&f, b, first + ct / taps, i % places,
			                   ct % taps);
		store_f64(n->out[0], i, 1, &sum);
	}
	return true;
}
