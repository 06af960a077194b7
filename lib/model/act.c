/* SPDX-License-Identifier: BSD-3-Clause
 * act.c - activation functions in primitive operators, one row each. */

#include <math.h>

#include "build.h"

typedef Value *ActFn(Build *, Value *x, double a, double k);

/* x * (1 + erf(x / sqrt 2)) / 2 */
static Value *
gelu(Build *b, Value *x, double a, double k)
{
	Value *e = EMIT(b, "Erf", EMIT(b, "Div", x, scalar(b, sqrt(2))));

	(void)a, (void)k;
	e = EMIT(b, "Add", e, scalar(b, 1));
	return EMIT(b, "Mul", EMIT(b, "Mul", x, scalar(b, 0.5)), e);
}

/* x * (1 + tanh(a (x + k x^3))) / 2 */
static Value *
gelu_tanh(Build *b, Value *x, double a, double k)
{
	Value *cube = EMIT(b, "Mul", EMIT(b, "Mul", x, x), x);
	Value *t = EMIT(b, "Add", x, EMIT(b, "Mul", cube, scalar(b, k)));

	t = EMIT(b, "Tanh", EMIT(b, "Mul", t, scalar(b, a)));
	t = EMIT(b, "Add", t, scalar(b, 1));
	return EMIT(b, "Mul", EMIT(b, "Mul", x, scalar(b, 0.5)), t);
}

/* x * sigmoid(a x) */
static Value *
swish(Build *b, Value *x, double a, double k)
{
	Value *t = a == 1 ? x : EMIT(b, "Mul", x, scalar(b, a));

	(void)k;
	return EMIT(b, "Mul", x, EMIT(b, "Sigmoid", t));
}

/* gelu between a and k */
static Value *
clipped_gelu(Build *b, Value *x, double a, double k)
{
	return EMIT(b, "Clip", gelu(b, x, 0, 0), scalar(b, a), scalar(b, k));
}

/* the integral of a normal density with mean a and deviation k */
static Value *
laplace(Build *b, Value *x, double a, double k)
{
	x = EMIT(b, "Sub", x, scalar(b, a));
	x = EMIT(b, "Erf", EMIT(b, "Div", x, scalar(b, k * sqrt(2))));
	return EMIT(b, "Mul", EMIT(b, "Add", x, scalar(b, 1)), scalar(b, 0.5));
}

/* x, or a x below 0: in primitives, as few targets know LeakyRelu */
static Value *
leaky_relu(Build *b, Value *x, double a, double k)
{
	(void)k;
	return EMIT(b, "Max", x, EMIT(b, "Mul", x, scalar(b, a)));
}

/* x tanh(log(1 + e^x)) */
static Value *
mish(Build *b, Value *x, double a, double k)
{
	(void)a, (void)k;
	return EMIT(b, "Mul", x, EMIT(b, "Tanh", EMIT(b, "Softplus", x)));
}

static Value *
relu6(Build *b, Value *x, double a, double k)
{
	return EMIT(b, "Clip", x, scalar(b, a), scalar(b, k));
}

static Value *
relu(Build *b, Value *x, double a, double k)
{
	(void)a, (void)k;
	return EMIT(b, "Relu", x);
}

static Value *
relu2(Build *b, Value *x, double a, double k)
{
	Value *r = relu(b, x, a, k);

	return EMIT(b, "Mul", r, r);
}

static Value *
tanh_(Build *b, Value *x, double a, double k)
{
	(void)a, (void)k;
	return EMIT(b, "Tanh", x);
}

static Value *
sigmoid(Build *b, Value *x, double a, double k)
{
	(void)a, (void)k;
	return EMIT(b, "Sigmoid", x);
}

static Value *
same(Build *b, Value *x, double a, double k)
{
	(void)b, (void)a, (void)k;
	return x;
}

/* clang-format off */
static const struct {
	const char *name;
	ActFn *fn;
	double a, k;
} acts[] = {
	{"gelu",              gelu,      0, 0},
	{"gelu_python",       gelu,      0, 0},
	{"gelu_new",          gelu_tanh, 0.7978845608028654, 0.044715},
	{"gelu_tanh",         gelu_tanh, 0.7978845608028654, 0.044715},
	{"gelu_pytorch_tanh", gelu_tanh, 0.7978845608028654, 0.044715},
	{"gelu_python_tanh",  gelu_tanh, 0.7978845608028654, 0.044715},
	{"gelu_accurate",     gelu_tanh, 0.7978845608028654, 0.044715},
	{"gelu_fast",         gelu_tanh, 0.7978845608,       0.044715},
	{"quick_gelu",        swish,     1.702, 0},
	{"silu",              swish,     1, 0},
	{"swish",             swish,     1, 0},
	{"relu",              relu,      0, 0},
	{"relu2",             relu2,     0, 0},
	{"tanh",              tanh_,     0, 0},
	{"sigmoid",           sigmoid,   0, 0},
	{"linear",            same,      0, 0},
	{"gelu_10",           clipped_gelu, -10, 10},
	{"laplace",           laplace,   0.707107, 0.282095},
	{"leaky_relu",        leaky_relu, 0.01, 0},
	{"mish",              mish,      0, 0},
	{"relu6",             relu6,     0, 6},
};
/* clang-format on */

Value *
activation(Build *b, const char *act, Value *x)
{
	for (size_t i = 0; i < LEN(acts); i++)
		if (strcmp(acts[i].name, act) == 0)
			return acts[i].fn(b, x, acts[i].a, acts[i].k);
	return fail(b->c, QE_INPUT, "activation '%s' is not known", act), NULL;
}

const ActParam xielu_params[] = {{"alpha_p", 1},
                                 {"alpha_n", 1},
                                 {"beta", 0},
                                 {"eps", 0}};
const int nxielu = LEN(xielu_params);

/* beta x + (x > 0: softplus(alpha_p) x^2
 *           else:  (beta + softplus(alpha_n)) (e^min(x, eps) - 1 - x)) */
Value *
xielu(Build *b, const Json *params, Value *x)
{
	Value *p[LEN(xielu_params)], *up, *down, *y;

	for (int i = 0; i < nxielu; i++)
		p[i] = param(b, json_get_str(params, xielu_params[i].name, ""));
	up = EMIT(b, "Mul", EMIT(b, "Mul", x, x), EMIT(b, "Softplus", p[0]));
	down = EMIT(b, "Exp", EMIT(b, "Min", x, p[3]));
	down = EMIT(b, "Sub", EMIT(b, "Sub", down, scalar(b, 1)), x);
	y = EMIT(b, "Add", p[2], EMIT(b, "Softplus", p[1]));
	down = EMIT(b, "Mul", down, y);
	y = EMIT(b, "Greater", x, scalar(b, 0));
	y = EMIT(b, "Where", y, up, down);
	return EMIT(b, "Add", y, EMIT(b, "Mul", x, p[2]));
}
