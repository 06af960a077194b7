/* SPDX-License-Identifier: BSD-3-Clause
 * random-onnx - a valid graph by chance, and inputs for it
 *
 *	random-onnx SEED DIR
 *
 * writes DIR/model.onnx and DIR/input_N.pb; the same seed gives the same
 * bytes.  A row of `kinds` appends one node to what is there, with the
 * constants it needs.  Values that were only moved since they came in are
 * `exact`: operators that jump (Floor, Less, TopK...) take no others, because
 * two right implementations may round differently. */

#include <stdlib.h>
#include <sys/stat.h>

#include "onnx.h"
#include "random-gen.h"

static bool
unary(Gen *s)
{
	Value *x = pick(s, FLOATS, 0, 5);

	return !x || x->type != DT_F32 ||
	       done(s, add1(s, x, NULL, NULL), false);
}

static bool
plain(Gen *s) /* of any number, exactly */
{
	Value *x = pick(s, FLOATS | INTS, 0, 5);

	return !x || done(s, add1(s, x, NULL, NULL), is_exact(s, x));
}

static bool
jump(Gen *s)
{
	Value *x = pick(s, FLOATS | EXACT, 0, 5);

	return !x || done(s, add1(s, x, NULL, NULL), true);
}

static bool
root(Gen *s)
{
	Value *x = pick(s, FLOATS, 0, 5);
	Node *n;

	if (!x)
		return true;
	n = add(s, "Abs", 1, &x, 1);
	return done(s, n, false) &&
	       done(s, add1(s, n->out[0], NULL, NULL), false);
}

static bool
pairwise(Gen *s, unsigned want, bool exact)
{
	Value *x = pick(s, want, 0, 5), *y;

	if (!x)
		return true;
	y = coin(s) ? partner(s, x)
	            : constant(s, x->type, narrow(s, &x->shape));
	if (exact && !is_exact(s, y))
		return true;
	return done(s, coin(s) ? add1(s, x, y, NULL) : add1(s, y, x, NULL),
	            exact ||
	                    (!is_float(x) && is_exact(s, x) && is_exact(s, y)));
}

static bool
binary(Gen *s)
{
	return pairwise(s, FLOATS | INTS, false);
}

static bool
compare(Gen *s)
{
	return pairwise(s, FLOATS | INTS | EXACT, true);
}

static bool
logic(Gen *s)
{
	return pairwise(s, BOOLS | EXACT, true);
}

static bool
divide(Gen *s)
{
	Value *x = pick(s, FLOATS, 0, 5);
	Shape one = {0};
	double by[] = {-3, -1.5, 0.5, 2, 7};
	Value *y;

	if (!x)
		return true;
	y = constant(s, x->type, one);
	store_f64(y, 0, 1, &by[below(s, (int64_t)LEN(by))]);
	return done(s, add1(s, x, y, NULL), false);
}

static bool
where(Gen *s)
{
	Value *c = pick(s, BOOLS, 0, 4), *x;

	if (!c)
		return true;
	x = constant(s, coin(s) ? DT_F32 : DT_I64, c->shape);
	return done(s,
	            add1(s, c, x, constant(s, x->type, narrow(s, &x->shape))),
	            true);
}

static bool
cast(Gen *s)
{
	static const DType to[] = {DT_F32, DT_F64, DT_I32, DT_I64, DT_BOOL};
	Value *x = pick(s, ANY | EXACT, 0, 5);
	Node *n;

	if (!x)
		return true;
	n = add1(s, x, NULL, NULL);
	attr_set_int(s->g, n, "to",
	             dtypes[to[below(s, (int64_t)LEN(to))]].onnx);
	return done(s, n, true);
}

static bool
product(Gen *s)
{
	Value *x = pick(s, FLOATS, 1, 4), *w;
	Shape y;

	if (!x)
		return true;
	y = any_shape(s, x->shape.rank > 2 && coin(s) ? 3 : 2);
	if (y.rank == 3)
		y.dim[0] = coin(s) ? 1 : x->shape.dim[x->shape.rank - 3];
	y.dim[y.rank - 2] = x->shape.dim[x->shape.rank - 1];
	w = constant(s, x->type, y);
	return done(s, add1(s, x, w, NULL), false);
}

static bool
gemm(Gen *s)
{
	Value *x = pick(s, FLOATS, 2, 2), *in[3];
	bool ta = coin(s), tb = coin(s);
	int64_t k, n = 1 + below(s, 9), m;
	Shape bias[] = {{1, {n}}, {2, {1, n}}, {0, {0}}, {2, {0, 1}}};
	Node *node;

	if (!x)
		return true;
	k = x->shape.dim[ta ? 0 : 1];
	m = x->shape.dim[ta ? 1 : 0];
	bias[3].dim[0] = m;
	in[0] = x;
	in[1] = constant(s, x->type,
	                 tb ? (Shape){2, {n, k}} : (Shape){2, {k, n}});
	in[2] = constant(s, x->type, bias[below(s, (int64_t)LEN(bias))]);
	node = add(s, s->op, coin(s) ? 3 : 2, in, 1);
	attr_set_int(s->g, node, "transA", ta);
	attr_set_int(s->g, node, "transB", tb);
	if (coin(s))
		attr_set_float(s->g, node, "alpha", 0.5);
	if (coin(s))
		attr_set_float(s->g, node, "beta", 2);
	return done(s, node, false);
}

static void
window(Gen *s, Node *n, int rank, bool dilate)
{
	int64_t stride[MAXRANK], pad[2 * MAXRANK], dil[MAXRANK];

	for (int i = 0; i < rank; i++) {
		stride[i] = 1 + below(s, 2);
		dil[i] = 1 + below(s, 2);
		pad[i] = below(s, 2);
		pad[i + rank] = below(s, 2);
	}
	attr_set_ints(s->g, n, "strides", rank, stride);
	if (coin(s))
		attr_set_ints(s->g, n, "pads", 2 * rank, pad);
	if (dilate && coin(s))
		attr_set_ints(s->g, n, "dilations", rank, dil);
	else if (!attr_find(n, "pads") && coin(s))
		attr_set_str(s->g, n, "auto_pad",
		             coin(s) ? "SAME_UPPER" : "SAME_LOWER");
}

static bool
is_large(const Value *x)
{
	for (int i = 2; i < x->shape.rank; i++)
		if (x->shape.dim[i] < 5)
			return false;
	return x->type == DT_F32;
}

/* A picture that is large enough for any window. */
static Value *
picture(Gen *s, int rank)
{
	Value *x = pick(s, FLOATS, rank, rank);
	Shape y = {rank, {1 + below(s, 2), 2 * (1 + below(s, 3))}};
	char name[16];

	if (x && is_large(x) && coin(s))
		return x;
	for (int i = 2; i < rank; i++)
		y.dim[i] = 5 + below(s, 5);
	snprintf(name, sizeof name, "p%d", s->g->nin);
	x = value_input(s->g, name, DT_F32, &y);
	keep(s, x, true);
	return x;
}

static bool
conv(Gen *s)
{
	int rank = 3 + (int)below(s, 2);
	Value *x = picture(s, rank), *in[3];
	int64_t c = x->shape.dim[1], group = coin(s) ? 1 : c,
		out = group * (1 + below(s, 3));
	bool back = strcmp(s->op, "ConvTranspose") == 0;
	Shape w = {rank, {back ? c : out, back ? out / group : c / group}};
	Node *n;

	for (int i = 2; i < rank; i++)
		w.dim[i] = 1 + below(s, 3);
	in[0] = x;
	in[1] = constant(s, DT_F32, w);
	in[2] = constant(s, DT_F32, (Shape){1, {out}});
	n = add(s, s->op, coin(s) ? 3 : 2, in, 1);
	attr_set_int(s->g, n, "group", group);
	if (back)
		attr_set_ints(s->g, n, "strides", rank - 2,
		              (int64_t[]){1 + below(s, 3), 1 + below(s, 2)});
	else
		window(s, n, rank - 2, true);
	return done(s, n, false);
}

static bool
pool(Gen *s)
{
	int rank = 3 + (int)below(s, 2);
	Node *n = add1(s, picture(s, rank), NULL, NULL);
	int64_t kernel[MAXRANK];

	for (int i = 0; i < rank - 2; i++)
		kernel[i] = 2 + below(s, 2);
	attr_set_ints(s->g, n, "kernel_shape", rank - 2, kernel);
	window(s, n, rank - 2, false);
	if (strcmp(s->op, "AveragePool") == 0)
		attr_set_int(s->g, n, "count_include_pad", coin(s));
	return done(s, n, false);
}

static bool
global_pool(Gen *s)
{
	return done(s, add1(s, picture(s, 4), NULL, NULL), false);
}

static Value *
positive(Gen *s, int64_t n)
{
	Value *v = constant(s, DT_F32, (Shape){1, {n}});

	for (int64_t i = 0; i < n; i++)
		store_f64(v, i, 1, &(double){0.5 + (double)below(s, 8) / 4});
	return v;
}

static bool
channel_norm(Gen *s)
{
	Value *x = picture(s, 4);
	int64_t c = x->shape.dim[1];
	Value *in[] = {x, positive(s, c), constant(s, DT_F32, (Shape){1, {c}}),
	               constant(s, DT_F32, (Shape){1, {c}}), positive(s, c)};

	return done(s,
	            add(s, s->op,
	                strcmp(s->op, "BatchNormalization") == 0 ? 5 : 3, in,
	                1),
	            false);
}

static bool
layer_norm(Gen *s)
{
	Value *x = pick(s, FLOATS, 1, 4);
	int64_t n;

	if (!x || x->type != DT_F32)
		return true;
	n = x->shape.dim[x->shape.rank - 1];
	return done(s,
	            add1(s, x, positive(s, n),
	                 coin(s) ? constant(s, DT_F32, (Shape){1, {n}}) : NULL),
	            false);
}

static bool
along(Gen *s)
{
	Value *x = pick(s, FLOATS, 1, 4);
	Node *n;

	if (!x)
		return true;
	n = add1(s, x, NULL, NULL);
	if (coin(s))
		attr_set_int(s->g, n, "axis", any_axis(s, x));
	return done(s, n, false);
}

static bool
reduce(Gen *s)
{
	Value *x = pick(s, FLOATS, 1, 4);
	bool input =
		strcmp(s->op, "ReduceSum") == 0 || graph_opset(s->g, "") >= 18;
	int64_t axis;
	Node *n;

	if (!x || x->type != DT_F32)
		return true;
	axis = any_axis(s, x);
	n = add1(s, x, input && coin(s) ? one_int(s, axis) : NULL, NULL);
	if (!input && coin(s))
		attr_set_ints(s->g, n, "axes", 1, &axis);
	attr_set_int(s->g, n, "keepdims", coin(s));
	return done(s, n, false);
}

static bool
arg_best(Gen *s)
{
	Value *x = pick(s, FLOATS | EXACT, 1, 4);
	Node *n;

	if (!x)
		return true;
	n = add1(s, x, NULL, NULL);
	attr_set_int(s->g, n, "axis", any_axis(s, x));
	attr_set_int(s->g, n, "keepdims", coin(s));
	attr_set_int(s->g, n, "select_last_index", coin(s));
	return done(s, n, true);
}

static bool
top(Gen *s)
{
	Value *x = pick(s, FLOATS | EXACT, 1, 4), *in[2];
	int64_t axis;
	Node *n;

	if (!x)
		return true;
	axis = below(s, x->shape.rank);
	in[0] = x;
	in[1] = one_int(s, 1 + below(s, x->shape.dim[axis]));
	n = add(s, s->op, 2, in, 2);
	attr_set_int(s->g, n, "axis", axis);
	attr_set_int(s->g, n, "largest", coin(s));
	return done(s, n, true);
}

/* ---- only moved ---- */

static bool
reshape(Gen *s)
{
	Value *x = pick(s, ANY, 1, 4);
	int64_t to[4], n = 1 + below(s, 3), left;

	if (!x)
		return true;
	left = shape_count(&x->shape);
	for (int64_t i = 0; i < n; i++) {
		to[i] = i == n - 1 ? coin(s) ? -1 : left : 1 + below(s, 4);
		if (to[i] > 0 && left % to[i])
			to[i] = 1;
		left /= to[i] > 0 ? to[i] : 1;
	}
	return done(s, add1(s, x, ints(s, (int)n, to), NULL), is_exact(s, x));
}

static bool
transpose(Gen *s)
{
	Value *x = pick(s, ANY, 1, 5);
	int64_t perm[MAXRANK];
	Node *n;

	if (!x)
		return true;
	n = add1(s, x, NULL, NULL);
	for (int i = 0; i < x->shape.rank; i++) {
		int64_t k = below(s, i + 1);

		perm[i] = perm[k];
		perm[k] = i;
	}
	if (below(s, 4))
		attr_set_ints(s->g, n, "perm", x->shape.rank, perm);
	return done(s, n, is_exact(s, x));
}

static bool
unsqueeze(Gen *s)
{
	Value *x = pick(s, ANY, 0, 4);

	return !x || done(s,
	                  add1(s, x,
	                       one_int(s, below(s, 2 * x->shape.rank + 2) -
	                                          x->shape.rank - 1),
	                       NULL),
	                  is_exact(s, x));
}

static bool
concat(Gen *s)
{
	Value *x = pick(s, ANY, 1, 4), *y;
	int64_t axis;
	Shape other;
	Node *n;

	if (!x)
		return true;
	axis = below(s, x->shape.rank);
	other = x->shape;
	other.dim[axis] = 1 + below(s, 3);
	y = coin(s) ? x : constant(s, x->type, other);
	n = add1(s, x, y, NULL);
	attr_set_int(s->g, n, "axis", axis);
	return done(s, n, is_exact(s, x));
}

static bool
split(Gen *s)
{
	Value *x = pick(s, ANY, 1, 4), *in[2];
	int64_t axis, part[2];
	Node *n;

	if (!x)
		return true;
	axis = below(s, x->shape.rank);
	part[0] = below(s, x->shape.dim[axis]);
	part[0] += part[0] == 0;
	part[1] = x->shape.dim[axis] - part[0];
	if (!part[1])
		return true;
	in[0] = x;
	in[1] = ints(s, 2, part);
	n = add(s, s->op, 2, in, 2);
	attr_set_int(s->g, n, "axis", axis);
	return done(s, n, is_exact(s, x));
}

static bool
slice(Gen *s)
{
	Value *x = pick(s, ANY, 1, 4), *in[5];
	int64_t axis, d, from, to, step;

	if (!x)
		return true;
	axis = any_axis(s, x);
	d = x->shape.dim[axis < 0 ? axis + x->shape.rank : axis];
	from = below(s, d);
	to = from + 1 + below(s, d - from);
	step = 1 + below(s, 2);
	if (below(s, 3) == 0) { /* backwards */
		int64_t was = from;

		from = to - 1;
		to = was ? was - 1 : INT64_MIN;
		step = -step;
	} else if (coin(s)) {
		to = INT64_MAX;
	}
	in[0] = x;
	in[1] = one_int(s, coin(s) ? from : from - d);
	in[2] = one_int(s, to);
	in[3] = one_int(s, axis);
	in[4] = one_int(s, step);
	return done(s, add(s, s->op, step == 1 && coin(s) ? 4 : 5, in, 1),
	            is_exact(s, x));
}

static bool
gather(Gen *s)
{
	Value *x = pick(s, ANY, 1, 4), *at;
	int64_t axis, d;
	Shape shape;
	Node *n;

	if (!x)
		return true;
	axis = any_axis(s, x);
	d = x->shape.dim[axis < 0 ? axis + x->shape.rank : axis];
	shape = any_shape(s, (int)below(s, 3));
	if (strcmp(s->op, "GatherElements") == 0)
		shape = x->shape;
	at = constant(s, DT_I64, shape);
	for (int64_t i = 0; i < shape_count(&shape); i++)
		store_i64(at, i, 1, &(int64_t){below(s, 2 * d) - d});
	n = add1(s, x, at, NULL);
	attr_set_int(s->g, n, "axis", axis);
	return x->shape.rank + shape.rank > 6 || done(s, n, is_exact(s, x));
}

static bool
expand(Gen *s)
{
	Value *x = pick(s, ANY, 0, 3);
	int64_t to[4];
	int n;

	if (!x)
		return true;
	n = x->shape.rank + (int)below(s, 2);
	for (int i = 0; i < n; i++) {
		int from = i - (n - x->shape.rank);
		int64_t d = from < 0 ? 1 : x->shape.dim[from];

		to[i] = d == 1 ? 1 + below(s, 3) : coin(s) ? d : 1;
	}
	return done(s, add1(s, x, ints(s, n, to), NULL), is_exact(s, x));
}

static bool
tile(Gen *s)
{
	Value *x = pick(s, ANY, 1, 3);
	int64_t times[MAXRANK];

	if (!x)
		return true;
	for (int i = 0; i < x->shape.rank; i++)
		times[i] = 1 + below(s, 2);
	return done(s, add1(s, x, ints(s, x->shape.rank, times), NULL),
	            is_exact(s, x));
}

static bool
pad(Gen *s)
{
	static const char *const mode[] = {"constant", "reflect", "edge"};
	Value *x = pick(s, FLOATS, 1, 4);
	int64_t by[2 * MAXRANK];
	const char *how = mode[below(s, 3)];
	Node *n;

	if (!x)
		return true;
	for (int i = 0; i < 2 * x->shape.rank; i++)
		by[i] = x->shape.dim[i % x->shape.rank] > 1 ? below(s, 2) : 0;
	n = add1(s, x, ints(s, 2 * x->shape.rank, by), NULL);
	attr_set_str(s->g, n, "mode", how);
	return done(s, n, is_exact(s, x));
}

/* Shape of a value as numbers to compute with. */
static bool
shape_of(Gen *s)
{
	Value *x = pick(s, ANY, 1, 4);

	return !x || done(s, add1(s, x, NULL, NULL), true);
}

/* Sizes that only a run tells: a list of what is not zero. */
static bool
non_zero(Gen *s)
{
	Value *x = pick(s, ANY | EXACT, 1, 3);

	return !x || x->type == DT_F64 ||
	       done(s, add1(s, x, NULL, NULL), false);
}

static const struct {
	const char *op;
	bool (*add)(Gen *);
} kinds[] = {
	{"Relu", unary},
	{"Sigmoid", unary},
	{"Tanh", unary},
	{"Erf", unary},
	{"Softplus", unary},
	{"Softsign", unary},
	{"Elu", unary},
	{"LeakyRelu", unary},
	{"Selu", unary},
	{"HardSigmoid", unary},
	{"HardSwish", unary},
	{"Sin", unary},
	{"Cos", unary},
	{"Atan", unary},
	{"Neg", plain},
	{"Abs", plain},
	{"Identity", plain},
	{"Floor", jump},
	{"Ceil", jump},
	{"Round", jump},
	{"Sqrt", root},
	{"Sign", jump},
	{"Add", binary},
	{"Sub", binary},
	{"Mul", binary},
	{"Max", binary},
	{"Min", binary},
	{"Add", binary},
	{"Mul", binary},
	{"Div", divide},
	{"Less", compare},
	{"Greater", compare},
	{"Equal", compare},
	{"LessOrEqual", compare},
	{"And", logic},
	{"Or", logic},
	{"Xor", logic},
	{"Where", where},
	{"Cast", cast},
	{"MatMul", product},
	{"MatMul", product},
	{"Gemm", gemm},
	{"Conv", conv},
	{"Conv", conv},
	{"ConvTranspose", conv},
	{"MaxPool", pool},
	{"AveragePool", pool},
	{"GlobalAveragePool", global_pool},
	{"GlobalMaxPool", global_pool},
	{"BatchNormalization", channel_norm},
	{"InstanceNormalization", channel_norm},
	{"LayerNormalization", layer_norm},
	{"Softmax", along},
	{"LogSoftmax", along},
	{"ReduceSum", reduce},
	{"ReduceMean", reduce},
	{"ReduceMax", reduce},
	{"ReduceL2", reduce},
	{"ArgMax", arg_best},
	{"ArgMin", arg_best},
	{"TopK", top},
	{"Reshape", reshape},
	{"Transpose", transpose},
	{"Transpose", transpose},
	{"Unsqueeze", unsqueeze},
	{"Concat", concat},
	{"Split", split},
	{"Slice", slice},
	{"Slice", slice},
	{"Gather", gather},
	{"GatherElements", gather},
	{"Expand", expand},
	{"Tile", tile},
	{"Pad", pad},
	{"Shape", shape_of},
	{"NonZero", non_zero},
};

/* What nobody reads, and one more, comes out. */
static void
finish(Gen *s)
{
	graph_count_uses(s->g);
	for (int i = 0; i < s->n; i++)
		if (s->pool[i]->from &&
		    (!s->pool[i]->mark || below(s, 12) == 0))
			graph_output(s->g, s->pool[i]);
}

static bool
write_all(Gen *s, const char *dir)
{
	OnnxWrite to = {.path = arena_str(&s->a, "%s/model.onnx", dir),
	                .inline_max = 1 << 20};

	if (!onnx_write(&s->c, s->g, &to))
		return false;
	for (int i = 0; i < s->g->nin; i++) {
		Value v = *s->g->in[i];

		if (!value_alloc(&s->c, &s->a, &v))
			return false;
		fill(s, &v);
		if (!tensor_pb_write(&s->c,
		                     arena_str(&s->a, "%s/input_%d.pb", dir, i),
		                     &v))
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	static const DType types[] = {DT_F32, DT_F32,  DT_F32,
	                              DT_I64, DT_BOOL, DT_F64};
	Gen s = {.c = {.tool = "random-onnx"}};
	int64_t seed = 0;
	bool ok = argc == 3 && str_int(argv[1], &seed);

	if (!ok) {
		fprintf(stderr, "usage: random-onnx SEED DIR\n");
		return QE_USAGE;
	}
	s.seed = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
	s.g = graph_new(&s.a, "g");
	s.g->ir_version = 8;
	graph_import(s.g, "", coin(&s) ? 17 : 18);
	for (int64_t i = 2 + below(&s, 2); i; i--) {
		DType t = s.n ? types[below(&s, (int64_t)LEN(types))] : DT_F32;
		Shape shape = any_shape(&s, (int)below(&s, 5));
		char name[16];

		snprintf(name, sizeof name, "x%d", s.n);
		keep(&s, value_input(s.g, name, t, &shape), true);
	}
	for (int64_t i = 4 + below(&s, 16); ok && i; i--) {
		size_t k = (size_t)below(&s, (int64_t)LEN(kinds));

		s.op = kinds[k].op;
		ok = kinds[k].add(&s);
	}
	finish(&s);
	mkdir(argv[2], 0777);
	ok = ok && write_all(&s, argv[2]);
	if (!ok)
		fprintf(stderr, "random-onnx: seed %s: %s\n", argv[1], s.c.msg);
	arena_free(&s.a);
	arena_free(&s.c.mem);
	return ok ? 0 : 1;
}
