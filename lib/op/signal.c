/* SPDX-License-Identifier: BSD-3-Clause
 * signal.c - DFT, STFT, windows, mel filters; Det.
 *
 * Complex numbers are the last dimension: 1 real, 2 with an imaginary part.
 * Sums are taken as they are written, O(n^2): exact comes first. */

#include <math.h>

#include "num.h"

#define PI 3.14159265358979323846

/* ---- DFT ---- */

typedef struct Dft {
	int64_t len, in, out; /* of the transform; along the axis */
	int axis;
	bool inverse, onesided, real;
} Dft;

/* The axis is an attribute in 17 and an input in 20; *sure is false while what
 * decides the sizes is not known. */
static bool
dft_args(Ctx *c, const Node *n, Dft *f, bool *sure)
{
	const Shape *x = &n->in[0]->shape;
	const Value *len = node_in(n, 1), *at = node_in(n, 2);
	int64_t axis = attr_int(n, "axis", n->op->since < 20 ? 1 : -2);

	*f = (Dft){.inverse = attr_int(n, "inverse", 0),
	           .onesided = attr_int(n, "onesided", 0)};
	*sure = x->rank >= 0 && (!len || len->data.mem) &&
	        (!at || at->data.mem);
	if (!*sure)
		return true;
	if (at && shape_count(&at->shape) == 1)
		axis = value_i64(at, 0);
	if (!axis_arg(c, axis, x->rank, &f->axis))
		return false;
	if (f->axis == x->rank - 1 || x->dim[x->rank - 1] > 2)
		return fail(c, QE_INPUT, "axis %lld of %s", (long long)axis,
		            shape_text(x).s);
	f->real = x->dim[x->rank - 1] == 1;
	f->in = x->dim[f->axis];
	f->len = f->inverse && f->onesided ? 2 * (f->in - 1) : f->in;
	if (len && shape_count(&len->shape) == 1)
		f->len = value_i64(len, 0);
	f->out = f->onesided && !f->inverse ? f->len / 2 + 1 : f->len;
	*sure = f->in >= 0;
	if (*sure && (f->len < 1 || f->len > 1 << 24))
		return fail(c, QE_INPUT, "length %lld", (long long)f->len);
	if (f->onesided && !f->inverse && !f->real)
		return fail(c, QE_INPUT, "one-sided, of complex input");
	return true;
}

bool
infer_dft(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	bool sure;
	Dft f;

	if (!want_class(c, n, 0, "F") || !dft_args(c, n, &f, &sure))
		return false;
	if (sure) {
		y.dim[f.axis] = f.out;
		y.dim[y.rank - 1] = f.onesided && f.inverse ? 1 : 2;
	} else {
		y.rank = -1;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Cosines and sines of a whole turn. */
static double *
turns(Arena *a, int64_t n)
{
	double *t = NEWV(a, double, 2 * n);

	for (int64_t i = 0; i < n; i++) {
		t[2 * i] = cos(2 * PI * (double)i / (double)n);
		t[2 * i + 1] = sin(2 * PI * (double)i / (double)n);
	}
	return t;
}

/* y[k] for k in [0, out) of x[len], pairs; sign -1 forward. */
static void
transform(const double *x, int64_t len, const double *turn, double sign,
          int64_t out, double *y)
{
	for (int64_t k = 0; k < out; k++) {
		double re = 0, im = 0;

		for (int64_t i = 0; i < len; i++) {
			int64_t at = (int64_t)((uint64_t)i * (uint64_t)k %
			                       (uint64_t)len);
			double co = turn[2 * at], si = sign * turn[2 * at + 1];

			re += x[2 * i] * co - x[2 * i + 1] * si;
			im += x[2 * i] * si + x[2 * i + 1] * co;
		}
		y[2 * k] = re;
		y[2 * k + 1] = im;
	}
}

/* A line into pairs: cut or filled with zeros; the half a one-sided inverse
 * lacks is the mirror image. */
static void
load_line(const Dft *f, const double *x, int64_t step, double *line)
{
	int64_t parts = f->real ? 1 : 2;

	memset(line, 0, (size_t)f->len * 2 * sizeof *line);
	for (int64_t i = 0; i < MIN(f->in, f->len); i++)
		for (int64_t p = 0; p < parts; p++)
			line[2 * i + p] = x[i * step + p];
	for (int64_t i = f->len / 2 + 1;
	     f->inverse && f->onesided && i < f->len; i++) {
		line[2 * i] = line[2 * (f->len - i)];
		line[2 * i + 1] = -line[2 * (f->len - i) + 1];
	}
}

bool
eval_dft(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape, *ys = &n->out[0]->shape;
	double *x = read_f64(a, n->in[0]), *line, *out, *turn;
	int64_t inner, parts, outs, count;
	bool sure;
	Dft f;

	if (!dft_args(c, n, &f, &sure))
		return false;
	parts = s->dim[s->rank - 1];
	outs = ys->dim[ys->rank - 1];
	inner = shape_span(s, f.axis + 1, s->rank - 1);
	count = shape_span(s, 0, f.axis) * inner;
	line = NEWV(a, double, 2 * f.len);
	out = NEWV(a, double, 2 * f.out);
	turn = turns(a, f.len);
	for (int64_t i = 0; i < count; i++) {
		int64_t o = i / inner, k = i % inner;

		load_line(&f, x + (o * f.in * inner + k) * parts, inner * parts,
		          line);
		transform(line, f.len, turn, f.inverse ? 1 : -1, f.out, out);
		for (int64_t j = 0; j < f.out * outs; j++) {
			double v = out[j / outs * 2 + j % outs] /
			           (f.inverse ? (double)f.len : 1);
			int64_t at = (o * f.out + j / outs) * inner + k;

			store_f64(n->out[0], at * outs + j % outs, 1, &v);
		}
	}
	return true;
}

/* ---- STFT: signal, step, window, length ---- */

/* frame_length may be left out where the window tells it. */
static bool
stft_args(Ctx *c, const Node *n, int64_t *step, int64_t *len, int64_t *frames)
{
	const Value *w = node_in(n, 2), *l = node_in(n, 3);
	const Shape *x = &n->in[0]->shape;

	if (!want_rank(c, n, 0, 3) || !want_scalar(c, n, 1) ||
	    !want_scalar(c, n, 3))
		return false;
	*step = *len = *frames = -1;
	if (node_known(n, 1))
		*step = value_i64(n->in[1], 0);
	if (node_known(n, 3))
		*len = value_i64(l, 0);
	else if (!l && w)
		*len = shape_count(&w->shape);
	else if (!l)
		return fail(c, QE_INPUT, "neither window nor frame_length");
	if (*step == 0 || *len == 0 || *len > 1 << 24 || *step < -1 ||
	    *len < -1 ||
	    (*len > 0 && w && shape_known(&w->shape) &&
	     shape_count(&w->shape) != *len))
		return fail(c, QE_INPUT, "frames of %lld every %lld",
		            (long long)*len, (long long)*step);
	if (x->rank == 3 && x->dim[1] >= 0 && *step > 0 && *len > 0) {
		*frames = (x->dim[1] - *len) / *step + 1;
		if (x->dim[1] < *len)
			return fail(c, QE_INPUT, "frames of %lld from %lld",
			            (long long)*len, (long long)x->dim[1]);
	}
	return true;
}

/* [batch, frames, bins, 2]; only whole frames count. */
bool
infer_stft(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape;
	int64_t step, len, frames;

	if (!stft_args(c, n, &step, &len, &frames))
		return false;
	if (attr_int(n, "onesided", 1) && len > 0)
		len = len / 2 + 1;
	return want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type,
	                 &(Shape){4,
	                          {x->rank == 3 ? x->dim[0] : -1, frames, len,
	                           2}});
}

bool
eval_stft(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape;
	const Value *w = node_in(n, 2);
	int64_t step, len, frames, bins, parts = s->dim[2];
	double *x = read_f64(a, n->in[0]), *line, *out, *turn;

	if (!stft_args(c, n, &step, &len, &frames))
		return false;
	if (parts > 2 || (parts == 2 && attr_int(n, "onesided", 1)))
		return fail(c, QE_INPUT, "one-sided, of complex input");
	bins = attr_int(n, "onesided", 1) ? len / 2 + 1 : len;
	line = NEWV(a, double, 2 * len);
	out = NEWV(a, double, 2 * bins);
	turn = turns(a, len);
	for (int64_t i = 0; i < s->dim[0] * frames; i++) {
		const double *from =
			x +
			(i / frames * s->dim[1] + i % frames * step) * parts;

		for (int64_t k = 0; k < len; k++)
			for (int64_t p = 0; p < 2; p++)
				line[2 * k + p] =
					p >= parts
						? 0
						: from[k * parts + p] *
							  (w ? value_f64(w, k)
				                             : 1);
		transform(line, len, turn, -1, bins, out);
		store_f64(n->out[0], i * bins * 2, bins * 2, out);
	}
	return true;
}

/* ---- windows ---- */

static DType
datatype(const Node *n)
{
	int64_t t = attr_int(n, "output_datatype", 1);

	return t > 0 && t < INT32_MAX ? dtype_by_onnx((int)t) : DT_NONE;
}

/* `size` elements: of a whole period, or with periodic = 0 the symmetric ones.
 */
bool
infer_window(Ctx *c, Node *n)
{
	const Value *size = node_known(n, 0);
	int64_t len = size && shape_count(&size->shape) == 1
	                      ? value_i64(size, 0)
	                      : -1;

	if (len < -1 || (size && len < 0))
		return fail(c, QE_INPUT, "size %lld", (long long)len);
	return value_set(c, node_out(n, 0), datatype(n), &(Shape){1, {len}});
}

/* a0 - a1 cos + a2 cos 2 */
static bool
window(Ctx *c, Node *n, double a0, double a1, double a2)
{
	int64_t len = n->out[0]->shape.dim[0];
	double whole = (double)(attr_int(n, "periodic", 1) ? len : len - 1), v;

	if (!dtype_is_float(n->out[0]->type) && !dtype_is_int(n->out[0]->type))
		return fail(c, QE_INPUT, "output_datatype");
	for (int64_t i = 0; i < len; i++) {
		v = whole > 0 ? 2 * PI * (double)i / whole : 0;
		v = a0 - a1 * cos(v) + a2 * cos(2 * v);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}

bool
eval_hann_window(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return window(c, n, 0.5, 0.5, 0);
}

bool
eval_hamming_window(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return window(c, n, 25.0 / 46, 21.0 / 46, 0);
}

bool
eval_blackman_window(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return window(c, n, 0.42, 0.5, 0.08);
}

/* ---- MelWeightMatrix: bins, dft length, rate, lower, upper ---- */

/* MelWeightMatrix 17: [dft length / 2 + 1, bins], triangles that are even on
 * the mel scale, 2595 log10(1 + hertz / 700). */
bool
infer_mel(Ctx *c, Node *n)
{
	const Value *bins = node_known(n, 0), *len = node_known(n, 1);
	Shape y = {2, {-1, -1}};

	for (int k = 0; k < 5; k++)
		if (!want_scalar(c, n, k))
			return false;
	if (len)
		y.dim[0] = value_i64(len, 0) / 2 + 1;
	if (bins)
		y.dim[1] = value_i64(bins, 0);
	if (y.dim[0] < -1 || y.dim[0] > 1 << 24 || y.dim[1] < -1 ||
	    y.dim[1] > 1 << 24)
		return fail(c, QE_INPUT, "matrix %s", shape_text(&y).s);
	return value_set(c, node_out(n, 0), datatype(n), &y);
}

/* The bin of the transform that holds a place on the mel scale. */
static int64_t
mel_bin(double at, const Node *n)
{
	double len = value_f64(n->in[1], 0), rate = value_f64(n->in[2], 0);
	double hertz = 700 * (pow(10, at / 2595) - 1);

	hertz = floor((len + 1) * hertz / rate);
	return hertz >= 0 && hertz < 1e9 ? (int64_t)hertz : 0;
}

bool
eval_mel(Ctx *c, Arena *a, Node *n)
{
	int64_t rows = n->out[0]->shape.dim[0], bins = n->out[0]->shape.dim[1];
	double low = 2595 * log10(1 + value_f64(n->in[3], 0) / 700);
	double high = 2595 * log10(1 + value_f64(n->in[4], 0) / 700);
	double step = (high - low) / (double)(bins + 2), v;

	(void)c, (void)a;
	for (int64_t i = 0; i < bins; i++) {
		int64_t from = mel_bin(low + step * (double)i, n);
		int64_t mid = mel_bin(low + step * (double)(i + 1), n);
		int64_t to = mel_bin(low + step * (double)(i + 2), n);

		for (int64_t j = from; j < rows && j <= MAX(mid, to - 1); j++) {
			if (j < mid)
				v = (double)(j - from) / (double)(mid - from);
			else if (j == mid)
				v = 1;
			else
				v = (double)(to - j) / (double)(to - mid);
			store_f64(n->out[0], j * bins + i, 1, &v);
		}
	}
	return true;
}

/* ---- Det ---- */

/* Det: over the last two dimensions, a number for each matrix before them. */
bool
infer_det(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;

	if (y.rank >= 0 && y.rank < 2)
		return fail(c, QE_INPUT, "rank %d", y.rank);
	if (y.rank >= 2 && y.dim[y.rank - 1] != y.dim[y.rank - 2] &&
	    y.dim[y.rank - 1] >= 0 && y.dim[y.rank - 2] >= 0)
		return fail(c, QE_INPUT, "%s is not square", shape_text(&y).s);
	y.rank -= y.rank < 0 ? 0 : 2;
	return want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Elimination with the largest pivot; m is used up. */
static double
determinant(double *m, int64_t n)
{
	double det = 1, t;

	for (int64_t k = 0; k < n; k++) {
		int64_t best = k;

		for (int64_t i = k + 1; i < n; i++)
			if (fabs(m[i * n + k]) > fabs(m[best * n + k]))
				best = i;
		if (m[best * n + k] == 0)
			return 0;
		for (int64_t j = 0; best != k && j < n; j++) {
			t = m[k * n + j];
			m[k * n + j] = m[best * n + j];
			m[best * n + j] = t;
		}
		det *= best != k ? -m[k * n + k] : m[k * n + k];
		for (int64_t i = k + 1; i < n; i++) {
			t = m[i * n + k] / m[k * n + k];
			for (int64_t j = k; j < n; j++)
				m[i * n + j] -= t * m[k * n + j];
		}
	}
	return det;
}

bool
eval_det(Ctx *c, Arena *a, Node *n)
{
	const Shape *s = &n->in[0]->shape;
	int64_t side = s->dim[s->rank - 1];
	double *m = read_f64(a, n->in[0]), v;

	(void)c;
	for (int64_t i = 0; i < shape_span(s, 0, s->rank - 2); i++) {
		v = determinant(m + i * side * side, side);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}
