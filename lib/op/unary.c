/* SPDX-License-Identifier: BSD-3-Clause
 * unary.c - operators of one input, element by element.
 *
 * One row per operator: FLOAT (its value in double), NUMBER (integers too)
 * or PARAM, which has attributes p[0], p[1] with their defaults. */

#include <math.h>

#include "num.h"

typedef struct Unary {
	void (*f)(int64_t n, const double *x, double *y, const double *p);
	void (*i)(int64_t n, const int64_t *x, int64_t *y);
	const char *attr[2];
	double none[2]; /* what the attributes are when left out */
} Unary;

/* Type and shape of the first input. */
bool
infer_same(Ctx *c, Node *n)
{
	return value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

/* The same, of floats only. */
bool
infer_float(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "F") && infer_same(c, n);
}

/* By rows of ROW elements, through double or int64_t; x and y may be of the
 * same memory. */
static bool
map1(Ctx *c, Node *n, const Unary *op)
{
	const Value *x = n->in[0];
	Value *y = n->out[0];
	int64_t count = shape_count(&x->shape), m, ibuf[ROW];
	double p[2], buf[ROW];

	if (!dtype_is_float(x->type) && !(op->i && dtype_is_int(x->type)))
		return fail(c, QE_INPUT, "not for type %s",
		            dtypes[x->type].name);
	for (int k = 0; k < 2; k++)
		p[k] = op->attr[k] ? attr_float(n, op->attr[k], op->none[k])
		                   : 0;
	for (int64_t at = 0; at < count; at += m) {
		m = MIN(count - at, ROW);
		if (dtype_is_float(x->type)) {
			load_f64(x, at, 1, m, buf);
			op->f(m, buf, buf, p);
			store_f64(y, at, m, buf);
		} else {
			load_i64(x, at, 1, m, ibuf);
			op->i(m, ibuf, ibuf);
			store_i64(y, at, m, ibuf);
		}
	}
	return true;
}

#define LOOP_F(name, expr)                                                     \
	static void name##_f(int64_t n, const double *px, double *py,          \
	                     const double *p)                                  \
	{                                                                      \
		(void)p;                                                       \
		for (int64_t k = 0; k < n; k++) {                              \
			double x = px[k];                                      \
			py[k] = (expr);                                        \
		}                                                              \
	}
#define LOOP_I(name, expr)                                                     \
	static void name##_i(int64_t n, const int64_t *px, int64_t *py)        \
	{                                                                      \
		for (int64_t k = 0; k < n; k++) {                              \
			int64_t x = px[k];                                     \
			py[k] = (expr);                                        \
		}                                                              \
	}
#define EVAL(name, ...)                                                        \
	bool eval_##name(Ctx *c, Arena *a, Node *n)                            \
	{                                                                      \
		static const Unary op = {name##_f, __VA_ARGS__};               \
		(void)a;                                                       \
		return map1(c, n, &op);                                        \
	}
#define FLOAT(name, expr)                                                      \
	LOOP_F(name, expr)                                                     \
	EVAL(name, NULL)
#define NUMBER(name, expr, int_expr)                                           \
	LOOP_F(name, expr)                                                     \
	LOOP_I(name, int_expr)                                                 \
	EVAL(name, name##_i)
#define PARAM(name, expr, attr0, none0, attr1, none1)                          \
	LOOP_F(name, expr)                                                     \
	EVAL(name, NULL, {attr0, attr1}, {none0, none1})

/* The form whose exp() cannot overflow, on either side of 0. */
static double
logistic(double x)
{
	return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* log(1 + e^x) without overflow */
static double
softplus(double x)
{
	return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

#define SQRT2 1.41421356237309504880
#define PI 3.14159265358979323846

/* x times the normal distribution function, by erfc: 1 + erf(x) would lose all
 * its digits where x is far below 0. */
static double
gelu_erf(double x)
{
	return 0.5 * x * erfc(-x / SQRT2);
}

/* Hendrycks and Gimpel 2016, section 2 (arXiv:1606.08415). */
static double
gelu_tanh(double x)
{
	return 0.5 * x * (1 + tanh(sqrt(2 / PI) * (x + 0.044715 * x * x * x)));
}

/* clang-format off */
NUMBER(neg,  -x,          (int64_t)(0 - (uint64_t)x))
NUMBER(abs,  fabs(x),     x < 0 ? (int64_t)(0 - (uint64_t)x) : x)
NUMBER(relu, x < 0 ? 0 : x, x < 0 ? 0 : x)
NUMBER(sign, x > 0 ? 1 : x < 0 ? -1 : x, (x > 0) - (x < 0))
FLOAT(sqrt,       sqrt(x))
FLOAT(reciprocal, 1 / x)
FLOAT(exp,        exp(x))
FLOAT(log,        log(x))
FLOAT(sin,        sin(x))
FLOAT(cos,        cos(x))
FLOAT(tan,        tan(x))
FLOAT(asin,       asin(x))
FLOAT(acos,       acos(x))
FLOAT(atan,       atan(x))
FLOAT(sinh,       sinh(x))
FLOAT(cosh,       cosh(x))
FLOAT(tanh,       tanh(x))
FLOAT(asinh,      asinh(x))
FLOAT(acosh,      acosh(x))
FLOAT(atanh,      atanh(x))
FLOAT(floor,      floor(x))
FLOAT(ceil,       ceil(x))
FLOAT(round,      nearbyint(x))
FLOAT(erf,        erf(x))
FLOAT(sigmoid,    logistic(x))
FLOAT(softplus,   softplus(x))
FLOAT(softsign,   x / (1 + fabs(x)))
FLOAT(mish,       x * tanh(softplus(x)))
FLOAT(hard_swish, x * fmax(0, fmin(1, x / 6 + 0.5)))
PARAM(swish,      x * logistic(p[0] * x),               "alpha", 1, NULL, 0)
PARAM(quick_gelu, x * logistic(p[0] * x),               "alpha", 1.702, NULL, 0)
PARAM(elu,        x < 0 ? p[0] * expm1(x) : x,          "alpha", 1, NULL, 0)
PARAM(celu,       fmax(0, x) + fmin(0, p[0] * expm1(x / p[0])), "alpha", 1, NULL, 0)
PARAM(leaky_relu, x < 0 ? p[0] * x : x,                 "alpha", 0.01, NULL, 0)
PARAM(thresholded_relu, x > p[0] ? x : 0,               "alpha", 1, NULL, 0)
PARAM(selu,       p[1] * (x > 0 ? x : p[0] * expm1(x)),
      "alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875)
PARAM(hard_sigmoid, fmax(0, fmin(1, p[0] * x + p[1])),  "alpha", 0.2, "beta", 0.5)
PARAM(shrink,     x < -p[1] ? x + p[0] : x > p[1] ? x - p[0] : 0, "bias", 0, "lambd", 0.5)
LOOP_F(gelu_erf,  gelu_erf(x))
LOOP_F(gelu_tanh, gelu_tanh(x))
/* clang-format on */

/* Gelu 20; the approximation is another function, not another precision. */
bool
eval_gelu(Ctx *c, Arena *a, Node *n)
{
	static const Unary exact = {gelu_erf_f}, approximate = {gelu_tanh_f};
	const char *how = attr_str(n, "approximate", "none");

	(void)a;
	if (strcmp(how, "none") == 0)
		return map1(c, n, &exact);
	if (strcmp(how, "tanh") == 0)
		return map1(c, n, &approximate);
	return fail(c, QE_INPUT, "approximate '%s'", how);
}

/* Not: bool to bool. */
bool
infer_not(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "B") && infer_same(c, n);
}

bool
eval_not(Ctx *c, Arena *a, Node *n)
{
	const uint8_t *x = n->in[0]->data.mem;
	uint8_t *y = value_bytes(n->out[0]);

	(void)c, (void)a;
	for (int64_t i = 0; i < shape_count(&n->out[0]->shape); i++)
		y[i] = !x[i];
	return true;
}

/* ---- Clip: bounds are attributes, then (11) inputs ---- */

bool
infer_clip(Ctx *c, Node *n)
{
	return want_same(c, n, 0, n->nin) && infer_same(c, n);
}

/* The upper bound is applied last, so with min > max everything becomes max,
 * as ONNX says; NaN stays. */
static void
clip_f64(Value *y, const Value *x, double lo, double hi)
{
	int64_t count = shape_count(&x->shape), m;
	double buf[ROW];

	for (int64_t at = 0; at < count; at += m) {
		m = MIN(count - at, ROW);
		load_f64(x, at, 1, m, buf);
		for (int64_t i = 0; i < m; i++) {
			buf[i] = buf[i] < lo ? lo : buf[i];
			buf[i] = buf[i] > hi ? hi : buf[i];
		}
		store_f64(y, at, m, buf);
	}
}

/* Unsigned ones are compared with the top bit turned. */
static void
clip_i64(Value *y, const Value *x, const Value *lo, const Value *hi)
{
	uint64_t turn = dtypes[x->type].class == 'U' ? 1ull << 63 : 0;
	int64_t count = shape_count(&x->shape), m, buf[ROW];
	int64_t p = lo ? value_i64(lo, 0) : 0, q = hi ? value_i64(hi, 0) : 0;

#define TURN(v) ((int64_t)((uint64_t)(v) ^ turn))
	for (int64_t at = 0; at < count; at += m) {
		m = MIN(count - at, ROW);
		load_i64(x, at, 1, m, buf);
		for (int64_t i = 0; i < m; i++) {
			if (lo && TURN(buf[i]) < TURN(p))
				buf[i] = p;
			if (hi && TURN(buf[i]) > TURN(q))
				buf[i] = q;
		}
		store_i64(y, at, m, buf);
	}
#undef TURN
}

bool
eval_clip(Ctx *c, Arena *a, Node *n)
{
	const Value *lo = node_in(n, 1), *hi = node_in(n, 2), *x = n->in[0];

	(void)a;
	if ((lo && shape_count(&lo->shape) != 1) ||
	    (hi && shape_count(&hi->shape) != 1))
		return fail(c, QE_INPUT, "bounds are not scalars");
	if (dtype_is_int(x->type))
		clip_i64(n->out[0], x, lo, hi);
	else if (dtype_is_float(x->type))
		clip_f64(n->out[0], x,
		         lo ? value_f64(lo, 0)
		            : attr_float(n, "min", (double)-INFINITY),
		         hi ? value_f64(hi, 0)
		            : attr_float(n, "max", (double)INFINITY));
	else
		return fail(c, QE_INPUT, "not for type %s",
		            dtypes[x->type].name);
	return true;
}

/* ---- tests that give bool ---- */

/* IsNaN, IsInf: a bool for each element. */
bool
infer_test(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), DT_BOOL, &n->in[0]->shape);
}

bool
eval_is_nan(Ctx *c, Arena *a, Node *n)
{
	uint8_t *y = value_bytes(n->out[0]);

	(void)c, (void)a;
	for (int64_t i = 0; i < shape_count(&n->in[0]->shape); i++)
		y[i] = isnan(value_f64(n->in[0], i));
	return true;
}

/* detect_positive and detect_negative turn each side off. */
bool
eval_is_inf(Ctx *c, Arena *a, Node *n)
{
	bool pos = attr_int(n, "detect_positive", 1);
	bool neg = attr_int(n, "detect_negative", 1);
	uint8_t *y = value_bytes(n->out[0]);

	(void)c, (void)a;
	for (int64_t i = 0; i < shape_count(&n->in[0]->shape); i++) {
		double x = value_f64(n->in[0], i);

		y[i] = isinf(x) && (x > 0 ? pos : neg);
	}
	return true;
}

bool
infer_bitwise_not(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "IU") && infer_same(c, n);
}

bool
eval_bitwise_not(Ctx *c, Arena *a, Node *n)
{
	(void)c, (void)a;
	for (int64_t i = 0; i < shape_count(&n->in[0]->shape); i++) {
		int64_t x = ~value_i64(n->in[0], i);

		store_i64(n->out[0], i, 1, &x);
	}
	return true;
}
