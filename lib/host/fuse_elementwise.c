/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_elementwise.c - activations spelled out in primitive operators, and
 * plain elementwise nodes.
 *
 * An activation is a product whose factors are x and a function of x, with a
 * number in front: x * sigmoid(x), 0.5 * x * (1 + erf(x / sqrt 2)), ...  The
 * product may be nested and ordered in any way. */

#include <math.h>

#include "compile.h"

typedef struct Product {
	Value *factor[4];
	int n;
	double number;
} Product;

/* Takes v apart into factors; divisions by numbers count as numbers. */
static bool
factors(Value *v, Product *p, int depth)
{
	Node *mul = made_by(v, "Mul"), *div = made_by(v, "Div");
	double s;

	if (const_number(v, &s)) {
		p->number *= s;
		return true;
	}
	if (depth < 4 && mul)
		return factors(mul->in[0], p, depth + 1) &&
		       factors(mul->in[1], p, depth + 1);
	if (depth < 4 && div && const_number(div->in[1], &s) && s != 0) {
		p->number /= s;
		return factors(div->in[0], p, depth + 1);
	}
	if (p->n == LEN(p->factor))
		return false;
	p->factor[p->n++] = v;
	return true;
}

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-5 * fabs(b);
}

/* v = number * x */
static bool
is_scaled(Value *v, const Value *x, double number)
{
	Product p = {.number = 1};

	if (v == x)
		return near(number, 1);
	return factors(v, &p, 0) && p.n == 1 && p.factor[0] == x &&
	       near(p.number, number);
}

static bool
is_cube(Value *v, const Value *x, double number)
{
	Product p = {.number = 1};
	Node *pow;

	if (!factors(v, &p, 0) || !near(p.number, number))
		return false;
	if (p.n == 3)
		return p.factor[0] == x && p.factor[1] == x && p.factor[2] == x;
	pow = p.n == 1 ? made_by(p.factor[0], "Pow") : NULL;
	return pow && pow->in[0] == x && const_is(pow->in[1], 3);
}

/* sqrt(2/pi) * (x + 0.044715 x^3) */
static bool
is_tanh_inner(Value *v, const Value *x)
{
	Product p = {.number = 1};
	Node *add;

	if (!factors(v, &p, 0) || p.n != 1 ||
	    !near(p.number, sqrt(2 / acos(-1))))
		return false;
	if (!(add = made_by(p.factor[0], "Add")))
		return false;
	return (add->in[0] == x && is_cube(add->in[1], x, 0.044715)) ||
	       (add->in[1] == x && is_cube(add->in[0], x, 0.044715));
}

/* What f(x) is, given the number in front of x * f(x). */
static Act
kind(Value *f, const Value *x, double number)
{
	Node *sig = made_by(f, "Sigmoid"), *add = made_by(f, "Add"), *in;
	double one;
	Value *v;

	if (sig && number == 1)
		return is_scaled(sig->in[0], x, 1)       ? ACT_SILU
		       : is_scaled(sig->in[0], x, 1.702) ? ACT_QUICK_GELU
		                                         : ACT_NONE;
	if (!add || !near(number, 0.5) || !(v = with_const(f, "Add", &one)) ||
	    one != 1)
		return ACT_NONE;
	if ((in = made_by(v, "Erf")) && is_scaled(in->in[0], x, sqrt(0.5)))
		return ACT_GELU;
	if ((in = made_by(v, "Tanh")) && is_tanh_inner(in->in[0], x))
		return ACT_GELU_TANH;
	return ACT_NONE;
}

static void
make_unary(Graph *g, Value *x, Act act, Value *out)
{
	attr_set_int(g, host_node(g, "unary", 1, &x, out), "act", act);
}

bool
fuse_activation(Ctx *c, Graph *g, Node *n)
{
	Product p = {.number = 1};
	Act act;

	(void)c;
	if (n->out[0]->type != DT_F32 || !factors(n->out[0], &p, 0) || p.n != 2)
		return false;
	for (int i = 0; i < 2; i++) {
		Value *x = p.factor[i], *f = p.factor[1 - i];

		if ((act = kind(f, x, p.number)) != ACT_NONE) {
			make_unary(g, x, act, n->out[0]);
			return true;
		}
	}
	return false;
}

bool
fuse_unary(Ctx *c, Graph *g, Node *n)
{
	static const struct {
		const char *type;
		Act act;
	} map[] = {{"Relu", ACT_RELU}, {"Sigmoid", ACT_SIGMOID},
	           {"Tanh", ACT_TANH}, {"Erf", ACT_ERF},
	           {"Exp", ACT_EXP},   {"HardSwish", ACT_HARD_SWISH}};

	(void)c;
	if (n->in[0]->type != DT_F32)
		return false;
	for (size_t i = 0; i < LEN(map); i++)
		if (strcmp(map[i].type, n->type) == 0) {
			make_unary(g, n->in[0], map[i].act, n->out[0]);
			return true;
		}
	return false;
}

bool
fuse_gelu_op(Ctx *c, Graph *g, Node *n)
{
	bool tanh = strcmp(attr_str(n, "approximate", "none"), "tanh") == 0;

	(void)c;
	if (n->in[0]->type != DT_F32)
		return false;
	make_unary(g, n->in[0], tanh ? ACT_GELU_TANH : ACT_GELU, n->out[0]);
	return true;
}

bool
fuse_hard_sigmoid(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	if (n->in[0]->type != DT_F32 ||
	    !near(attr_float(n, "alpha", 0.2), 1 / 6.0) ||
	    !near(attr_float(n, "beta", 0.5), 0.5))
		return false;
	make_unary(g, n->in[0], ACT_HARD_SIGMOID, n->out[0]);
	return true;
}

/* A bound of Clip, an input since opset 11; false: known only at run time. */
static bool
clip_bound(const Node *n, int i, const char *attr, double *x)
{
	if (n->nin > i && n->in[i])
		return const_number(n->in[i], x);
	*x = attr_float(n, attr, *x);
	return true;
}

static Value *
bounded(Graph *g, Value *x, const char *type, double by)
{
	return add_typed(g, type, x->type, &x->shape, x,
	                 const_f32(g, NULL, (float)by), NULL);
}

/* Some bounds have a kernel of their own; others are Min and Max. */
bool
fuse_clip(Ctx *c, Graph *g, Node *n)
{
	double lo = -HUGE_VAL, hi = HUGE_VAL;
	Value *x = n->in[0];

	(void)c;
	if (x->type != DT_F32 || !clip_bound(n, 1, "min", &lo) ||
	    !clip_bound(n, 2, "max", &hi))
		return false;
	if (lo == 0 && (hi == 6 || isinf(hi))) {
		make_unary(g, x, hi == 6 ? ACT_RELU6 : ACT_RELU, n->out[0]);
		return true;
	}
	stand_in(g, n->out[0], bounded(g, bounded(g, x, "Max", lo), "Min", hi));
	return true;
}

bool
fuse_softmax(Ctx *c, Graph *g, Node *n)
{
	(void)c;
	if (n->in[0]->type != DT_F32 || !is_last_softmax(n))
		return false;
	host_node(g, "softmax", 1, n->in, n->out[0]);
	return true;
}

static int
binary_op(const char *type)
{
	static const char *const name[] =
		{[BIN_ADD] = "Add", [BIN_SUB] = "Sub", [BIN_MUL] = "Mul",
	         [BIN_DIV] = "Div", [BIN_MIN] = "Min", [BIN_MAX] = "Max"};

	for (int i = 0; i < (int)LEN(name); i++)
		if (strcmp(name[i], type) == 0)
			return i;
	return -1;
}

bool
fuse_binary(Ctx *c, Graph *g, Node *n)
{
	int op = binary_op(n->type);

	(void)c;
	if (n->nin != 2 || n->out[0]->type != DT_F32 ||
	    n->out[0]->shape.rank > 6 || is_weight(n->out[0]))
		return false;
	attr_set_int(g, host_node(g, "binary", 2, n->in, n->out[0]), "op", op);
	return true;
}

/* Strided copies: in x; attributes strides (elements), offset, of each output
 * dimension. */
static bool
make_copy(Graph *g, Value *x, Value *out, const int64_t *stride, int64_t offset)
{
	Node *h;

	if (out->shape.rank > 6 || is_weight(out) ||
	    dtypes[out->type].bits < 8 || dtypes[out->type].class == 'S')
		return false;
	h = host_node(g, "copy", 1, &x, out);
	attr_set_ints(g, h, "strides", out->shape.rank, stride);
	attr_set_int(g, h, "offset", offset);
	return true;
}

static void
dense_strides(const Shape *s, int64_t *stride)
{
	int64_t k = 1;

	for (int i = s->rank - 1; i >= 0; i--) {
		stride[i] = k;
		k *= s->dim[i];
	}
}

bool
fuse_transpose(Ctx *c, Graph *g, Node *n)
{
	int64_t in[MAXRANK], out[MAXRANK];
	const int64_t *perm;
	int rank = n->in[0]->shape.rank;

	(void)c;
	dense_strides(&n->in[0]->shape, in);
	if (attr_ints(n, "perm", &perm) != rank)
		return false;
	for (int i = 0; i < rank; i++)
		out[i] = in[perm[i] < 0 ? perm[i] + rank : perm[i]];
	return make_copy(g, n->in[0], n->out[0], out, 0);
}

/* One index of an axis: what is left is a copy with that axis fixed. */
bool
fuse_pick(Ctx *c, Graph *g, Node *n)
{
	int64_t stride[MAXRANK], out[MAXRANK], axis = attr_int(n, "axis", 0);
	const Shape *s = &n->in[0]->shape;
	double at;
	int k = 0;

	(void)c;
	axis += axis < 0 ? s->rank : 0;
	if (n->in[1]->shape.rank != 0 || !const_number(n->in[1], &at) ||
	    axis >= s->rank)
		return false;
	at += at < 0 ? (double)s->dim[axis] : 0;
	if (at < 0 || at >= (double)s->dim[axis])
		return false;
	dense_strides(s, stride);
	for (int i = 0; i < s->rank; i++)
		if (i != axis)
			out[k++] = stride[i];
	return make_copy(g, n->in[0], n->out[0], out,
	                 (int64_t)at * stride[axis]);
}

/* Slice with constant bounds (opset 10 on); the shape already tells lengths. */
bool
fuse_slice(Ctx *c, Graph *g, Node *n)
{
	int64_t stride[MAXRANK], offset = 0, count;
	const Shape *s = &n->in[0]->shape;
	const int64_t *start, *axes, *step;

	(void)c;
	if (n->nin < 3)
		return false;
	for (int i = 1; i < n->nin; i++)
		if (n->in[i] &&
		    (n->in[i]->type != DT_I64 || !n->in[i]->data.mem))
			return false;
	count = shape_count(&n->in[1]->shape);
	start = n->in[1]->data.mem;
	axes = n->nin > 3 && n->in[3] ? n->in[3]->data.mem : NULL;
	step = n->nin > 4 && n->in[4] ? n->in[4]->data.mem : NULL;
	dense_strides(s, stride);
	for (int64_t i = 0; i < count; i++) {
		int64_t axis = axes ? axes[i] : i, from = start[i];

		axis += axis < 0 ? s->rank : 0;
		if (step && step[i] != 1)
			return false;
		from += from < 0 ? s->dim[axis] : 0;
		from = MAX(MIN(from, s->dim[axis]), 0);
		offset += from * stride[axis];
	}
	if (!shape_count(&n->out[0]->shape))
		return false;
	return make_copy(g, n->in[0], n->out[0], stride, offset);
}

bool
fuse_expand(Ctx *c, Graph *g, Node *n)
{
	int64_t in[MAXRANK], out[MAXRANK];
	const Shape *s = &n->in[0]->shape, *y = &n->out[0]->shape;
	int lead = y->rank - s->rank;

	(void)c;
	if (lead < 0)
		return false;
	dense_strides(s, in);
	for (int i = 0; i < y->rank; i++)
		out[i] = i < lead || s->dim[i - lead] == 1 ? 0 : in[i - lead];
	return make_copy(g, n->in[0], n->out[0], out, 0);
}

/* Any view becomes a Reshape with nothing but a shape to tell; a view of a
 * view is one view. */
bool
fuse_reshape(Ctx *c, Graph *g, Node *n)
{
	Value *x = n->in[0];

	(void)c;
	if (is_weight(n->out[0]))
		return false;
	while (made_by_host(x, "view"))
		x = x->from->in[0];
	host_node(g, "view", 1, &x, n->out[0]);
	return true;
}

/* The largest of one. */
bool
fuse_one_of_one(Ctx *c, Graph *g, Node *n)
{
	return shape_count(&n->in[0]->shape) ==
	               shape_count(&n->out[0]->shape) &&
	       fuse_reshape(c, g, n);
}

/* Where, with a condition known here: the one is a view, the other goes. */
bool
fuse_choice(Ctx *c, Graph *g, Node *n)
{
	const Value *cond = n->in[0];
	Value *x;

	(void)c;
	if (cond->type != DT_BOOL || !cond->data.mem ||
	    shape_count(&cond->shape) != 1)
		return false;
	x = n->in[*(const uint8_t *)cond->data.mem ? 1 : 2];
	if (!shape_eq(&x->shape, &n->out[0]->shape) || value_is_const(x))
		return false;
	host_node(g, "view", 1, &x, n->out[0]);
	return true;
}
