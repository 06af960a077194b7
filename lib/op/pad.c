/* SPDX-License-Identifier: BSD-3-Clause
 * pad.c - Pad and what else changes the frame of a tensor: CenterCropPad,
 * DepthToSpace, SpaceToDepth, ReverseSequence.
 *
 * Pad makes, for each axis, a list of where an output index comes from. */

#include "num.h"

typedef struct Frame {
	int64_t before[MAXRANK], after[MAXRANK];
} Frame;

/* pads: attributes "paddings" (1) and "pads" (2), an input (11), for some
 * axes (18); negative ones cut. */
static bool
pads_arg(Ctx *c, const Node *n, Frame *f, bool *sure)
{
	int rank = n->in[0]->shape.rank;
	Ints pads, axes;
	int64_t count;
	int axis;

	*f = (Frame){{0}};
	if (!ints_arg(c, n, 1, n->op->since < 2 ? "paddings" : "pads", &pads) ||
	    !ints_arg(c, n, 3, NULL, &axes))
		return false;
	if (!pads.given)
		return fail(c, QE_INPUT, "no pads");
	*sure = pads.known && (!axes.given || axes.known);
	if (!*sure)
		return true;
	count = axes.given ? axes.n : rank;
	if (pads.n != 2 * count)
		return fail(c, QE_INPUT, "%lld pads for %lld axes",
		            (long long)pads.n, (long long)count);
	for (int64_t i = 0; i < count; i++) {
		if (!axis_arg(c, axes.given ? ints_at(&axes, i) : i, rank,
		              &axis))
			return false;
		f->before[axis] = ints_at(&pads, i);
		f->after[axis] = ints_at(&pads, count + i);
	}
	return true;
}

/* Pad: what is added in front and behind of each axis; a negative one cuts. */
bool
infer_pad(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	bool sure;
	Frame f;

	if (y.rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	if (!pads_arg(c, n, &f, &sure))
		return false;
	for (int i = 0; i < y.rank; i++) {
		int64_t d = y.dim[i];

		y.dim[i] = -1;
		if (!sure || d < 0)
			continue;
		if (__builtin_add_overflow(d, f.before[i], &d) ||
		    __builtin_add_overflow(d, f.after[i], &d) || d < 0)
			return fail(c, QE_INPUT, "pads %lld, %lld of %s",
			            (long long)f.before[i],
			            (long long)f.after[i],
			            shape_text(&n->in[0]->shape).s);
		y.dim[i] = d;
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Where position p of an axis of n elements comes from; -1: the constant. */
static int64_t
source(const char *mode, int64_t p, int64_t n)
{
	int64_t period = 2 * (n - 1);

	if (p >= 0 && p < n)
		return p;
	if (*mode == 'c' || n == 0)
		return -1;
	if (*mode == 'e')
		return p < 0 ? 0 : n - 1;
	if (*mode == 'w')
		return (p % n + n) % n;
	if (n == 1)
		return 0;
	p = (p % period + period) % period;
	return p < n ? p : period - p;
}

/* The padding value: an input (11) or the attribute "value". */
static bool
filler(Ctx *c, Arena *a, const Node *n, Value *v)
{
	const Value *given = node_in(n, 2);
	double x = attr_float(n, "value", 0);

	*v = (Value){.name = "", .type = n->in[0]->type};
	if (!value_alloc(c, a, v))
		return false;
	if (!given) {
		if (!strchr("SC", dtypes[v->type].class) && x != 0)
			store_f64(v, 0, 1, &x);
		return true;
	}
	if (shape_count(&given->shape) != 1 || given->type != v->type)
		return fail(c, QE_INPUT, "constant_value is %s%s",
		            dtypes[given->type].name,
		            shape_text(&given->shape).s);
	v->data = given->data;
	return true;
}

static void
pad_rows(Value *y, const Value *x, const Value *fill, int64_t *const *from)
{
	const Shape *s = &y->shape;
	int64_t step[MAXRANK], count = shape_count(s), off, rest, at;

	shape_steps(&x->shape, step);
	for (int64_t i = 0; i < count; i++) {
		off = 0;
		rest = i;
		for (int d = s->rank - 1; d >= 0 && off >= 0; d--) {
			at = from[d][rest % s->dim[d]];
			rest /= s->dim[d];
			off = at < 0 ? -1 : off + at * step[d];
		}
		if (off < 0)
			elem_copy(y, i, fill, 0, 1);
		else
			elem_copy(y, i, x, off, 1);
	}
}

bool
eval_pad(Ctx *c, Arena *a, Node *n)
{
	const char *mode = attr_str(n, "mode", "constant");
	const Value *x = n->in[0];
	Value *y = n->out[0], fill;
	int64_t *from[MAXRANK];
	bool sure;
	Frame f;

	if (!str_in(mode, (const char *[]){"constant", "reflect", "edge",
	                                   "wrap", NULL}))
		return fail(c, QE_INPUT, "mode '%s'", mode);
	if (!pads_arg(c, n, &f, &sure) || !filler(c, a, n, &fill))
		return false;
	for (int d = 0; d < x->shape.rank; d++) {
		from[d] = NEWV(a, int64_t, y->shape.dim[d] + 1);
		for (int64_t o = 0; o < y->shape.dim[d]; o++)
			from[d][o] =
				source(mode, o - f.before[d], x->shape.dim[d]);
	}
	pad_rows(y, x, &fill, from);
	return true;
}

/* ---- CenterCropPad ---- */

static bool
crop_shape(Ctx *c, const Node *n, Shape *y)
{
	const int64_t *ints;
	int have = attr_ints(n, "axes", &ints), axis;
	Ints want;

	*y = n->in[0]->shape;
	if (!ints_arg(c, n, 1, NULL, &want))
		return false;
	if (want.n >= 0 && y->rank >= 0 &&
	    want.n != (have < 0 ? y->rank : have))
		return fail(c, QE_INPUT, "%lld sizes", (long long)want.n);
	for (int i = 0; y->rank >= 0 && i < (have < 0 ? y->rank : have); i++) {
		if (!axis_arg(c, have < 0 ? i : ints[i], y->rank, &axis))
			return false;
		y->dim[axis] = want.known ? ints_at(&want, i) : -1;
		if (want.known && y->dim[axis] < 0)
			return fail(c, QE_INPUT, "size %lld",
			            (long long)y->dim[axis]);
	}
	return true;
}

bool
infer_center_crop_pad(Ctx *c, Node *n)
{
	Shape y;

	return crop_shape(c, n, &y) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* The odd element goes to the end, of what is cut and of what is added. */
bool
eval_center_crop_pad(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];
	int64_t xstep[MAXRANK], ystep[MAXRANK], xoff = 0, yoff = 0;
	Shape box = x->shape;

	(void)c, (void)a;
	shape_steps(&x->shape, xstep);
	shape_steps(&y->shape, ystep);
	for (int d = 0; d < box.rank; d++) {
		int64_t p = x->shape.dim[d], q = y->shape.dim[d];

		box.dim[d] = MIN(p, q);
		xoff += p > q ? (p - q) / 2 * xstep[d] : 0;
		yoff += q > p ? (q - p) / 2 * ystep[d] : 0;
	}
	elem_move(y, yoff, ystep, x, xoff, xstep, &box);
	return true;
}

/* ---- DepthToSpace, SpaceToDepth: [N, C, H, W], blocks of b by b ---- */

/* b * b may not overflow: hence the bound. */
static bool
block_arg(Ctx *c, const Node *n, int64_t *b)
{
	*b = attr_int(n, "blocksize", 0);
	if (*b < 1 || *b > 1 << 20)
		return fail(c, QE_INPUT, "blocksize %lld", (long long)*b);
	return want_rank(c, n, 0, 4);
}

bool
infer_depth_to_space(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	int64_t b;

	if (!block_arg(c, n, &b))
		return false;
	if (y.rank == 4) {
		if (y.dim[1] >= 0 && y.dim[1] % (b * b))
			return fail(c, QE_INPUT, "%s in blocks of %lld",
			            shape_text(&y).s, (long long)b);
		y.dim[1] = y.dim[1] < 0 ? -1 : y.dim[1] / (b * b);
		y.dim[2] = mul_size(y.dim[2], b);
		y.dim[3] = mul_size(y.dim[3], b);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
infer_space_to_depth(Ctx *c, Node *n)
{
	Shape y = n->in[0]->shape;
	int64_t b;

	if (!block_arg(c, n, &b))
		return false;
	if (y.rank == 4) {
		for (int i = 2; i < 4; i++) {
			if (y.dim[i] >= 0 && y.dim[i] % b)
				return fail(c, QE_INPUT, "%s in blocks of %lld",
				            shape_text(&y).s, (long long)b);
			y.dim[i] = y.dim[i] < 0 ? -1 : y.dim[i] / b;
		}
		y.dim[1] = mul_size(mul_size(y.dim[1], b), b);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* Both are one copy over [n, c, bh, bw, h, w], where depth has the channels
 * as c b b (CRD) or b b c (DCR) and space the rows as h b, w b. */
static void
exchange(Value *y, const Value *x, const Shape *space, int64_t b, bool crd,
         bool to_space)
{
	int64_t ch = space->dim[1], h = space->dim[2] / b;
	int64_t w = space->dim[3] / b, plane = h * w;
	Shape box = {6, {space->dim[0], ch, b, b, h, w}};
	int64_t inspace[] =
		{ch * b * b * plane, b * b * plane, w * b, 1, b * w * b, b};
	int64_t indepth[] = {ch * b * b * plane,
	                     crd ? b * b * plane : plane,
	                     crd ? b * plane : b * ch * plane,
	                     crd ? plane : ch * plane,
	                     w,
	                     1};

	if (to_space)
		elem_move(y, 0, inspace, x, 0, indepth, &box);
	else
		elem_move(y, 0, indepth, x, 0, inspace, &box);
}

bool
eval_depth_to_space(Ctx *c, Arena *a, Node *n)
{
	const char *mode = attr_str(n, "mode", "DCR");

	(void)a;
	if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
		return fail(c, QE_INPUT, "mode '%s'", mode);
	exchange(n->out[0], n->in[0], &n->out[0]->shape,
	         attr_int(n, "blocksize", 1), *mode == 'C', true);
	return true;
}

bool
eval_space_to_depth(Ctx *c, Arena *a, Node *n)
{
	(void)c, (void)a;
	exchange(n->out[0], n->in[0], &n->in[0]->shape,
	         attr_int(n, "blocksize", 1), false, false);
	return true;
}

/* ---- ReverseSequence ---- */

/* ReverseSequence 10: of each batch entry the first sequence_lens steps are
 * turned round, the rest stays. */
bool
infer_reverse_sequence(Ctx *c, Node *n)
{
	if (n->in[0]->shape.rank >= 0 && n->in[0]->shape.rank < 2)
		return fail(c, QE_INPUT, "rank %d", n->in[0]->shape.rank);
	return want_class(c, n, 1, "I") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

bool
eval_reverse_sequence(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *lens = n->in[1];
	int64_t time = attr_int(n, "time_axis", 0), inner, steps, batch, len;
	int64_t bat = attr_int(n, "batch_axis", 1), count;

	(void)a;
	if ((time != 0 || bat != 1) && (time != 1 || bat != 0))
		return fail(c, QE_INPUT, "time_axis %lld, batch_axis %lld",
		            (long long)time, (long long)bat);
	steps = x->shape.dim[time];
	batch = x->shape.dim[bat];
	inner = shape_span(&x->shape, 2, x->shape.rank);
	if (shape_count(&lens->shape) != batch)
		return fail(c, QE_INPUT, "sequence_lens %s",
		            shape_text(&lens->shape).s);
	count = steps * batch;
	for (int64_t i = 0; i < count; i++) {
		int64_t t = time ? i % steps : i / batch;
		int64_t b = time ? i / steps : i % batch, from;

		len = value_i64(lens, b);
		if (len < 0 || len > steps)
			return fail(c, QE_INPUT, "length %lld of %lld",
			            (long long)len, (long long)steps);
		t = t < len ? len - 1 - t : t;
		from = time ? b * steps + t : t * batch + b;
		elem_copy(n->out[0], i * inner, x, from * inner, inner);
	}
	return true;
}
