/* SPDX-License-Identifier: BSD-3-Clause
 * elementwise.c - operators of two or more inputs, element by element.
 *
 * One row of BINARY per operator: its value for floats, for signed and for
 * unsigned integers.  Integers wrap, as in numpy; x / 0 is 0 for them. */

#include <math.h>

#include "num.h"

/* Add, Sub, Mul, Div and Pow of before opset 7 stretch the second input only
 * if asked to, and may place it at an axis. */
static bool
legacy_shape(Ctx *c, const Node *n, Shape *b)
{
	const Shape *a = &n->in[0]->shape;
	int axis, rank = b->rank;

	if (n->op->since >= 7 || rank < 0 || a->rank < 0)
		return true;
	if (n->op->eval == eval_prelu) /* a slope a channel */
		axis = a->rank > 1 && shape_count(b) > 1;
	else if (!attr_int(n, "broadcast", 0) || !attr_find(n, "axis"))
		return true;
	else if (!axis_arg(c, attr_int(n, "axis", 0), a->rank, &axis))
		return false;
	if (axis + rank > a->rank)
		return fail(c, QE_INPUT, "%s at axis %d of %s", shape_text(b).s,
		            axis, shape_text(a).s);
	for (; b->rank < a->rank - axis; b->rank++)
		b->dim[b->rank] = 1;
	return true;
}

static bool
infer_shapes(Ctx *c, Node *n, DType type)
{
	Shape y = n->in[0]->shape;

	for (int i = 1; i < n->nin; i++) {
		Shape x = n->in[i]->shape;

		if (!legacy_shape(c, n, &x) || !shape_broadcast(c, &y, &x))
			return false;
	}
	return value_set(c, node_out(n, 0), type, &y);
}

/* All inputs of one type, stretched to one another as in numpy: shapes are
 * aligned at the end, and a 1 or a missing dimension repeats. */
bool
infer_broadcast(Ctx *c, Node *n)
{
	return want_same(c, n, 0, n->nin) && infer_shapes(c, n, n->in[0]->type);
}

/* The second input may be of another type: Pow. */
bool
infer_broadcast_first(Ctx *c, Node *n)
{
	return infer_shapes(c, n, n->in[0]->type);
}

/* Inputs of one type, a bool for each pair. */
bool
infer_compare(Ctx *c, Node *n)
{
	return want_same(c, n, 0, n->nin) && infer_shapes(c, n, DT_BOOL);
}

/* Where: condition, x, y; all three broadcast. */
bool
infer_where(Ctx *c, Node *n)
{
	return want_same(c, n, 1, 3) && want_class(c, n, 0, "B") &&
	       infer_shapes(c, n, n->in[1]->type);
}

typedef void MapF(int64_t n, const double *a, const double *b, double *y);
typedef void MapI(int64_t n, const int64_t *a, const int64_t *b, int64_t *y);
typedef void TestF(int64_t n, const double *a, const double *b, int64_t *y);

typedef struct Binary {
	MapF *f;
	MapI *i, *u;
	bool logical; /* takes bool too */
} Binary;
typedef struct Test {
	TestF *f;
	MapI *i, *u;
	bool logical;
} Test;

static bool
refuse(Ctx *c, DType t)
{
	return fail(c, QE_INPUT, "not for type %s", dtypes[t].name);
}

/* The row of an operand: its elements, or one that repeats. */
static const double *
row_f64(const Value *v, const Nest *z, int k, int64_t at, int64_t n,
        double *buf)
{
	int64_t step = nest_row(z, k);

	load_f64(v, z->off[k] + at * step, step, n, buf);
	return buf;
}

static const int64_t *
row_i64(const Value *v, const Nest *z, int k, int64_t at, int64_t n,
        int64_t *buf)
{
	int64_t step = nest_row(z, k);

	load_i64(v, z->off[k] + at * step, step, n, buf);
	return buf;
}

/* Calls `body` for pieces of rows of y: `at` in the row, `m` elements, `to`
 * in y. */
#define EACH_ROW(z, body)                                                      \
	do                                                                     \
		for (int64_t at = 0, m; at < nest_len(z); at += m, to += m) {  \
			m = MIN(nest_len(z) - at, ROW);                        \
			body;                                                  \
		}                                                              \
	while (nest_next(z))

static void
run_f64(Nest *z, const Value *a, const Value *b, Value *y, MapF *f)
{
	double p[ROW], q[ROW], r[ROW];
	int64_t to = 0;

	EACH_ROW(z, {
		f(m, row_f64(a, z, 0, at, m, p), row_f64(b, z, 1, at, m, q), r);
		store_f64(y, to, m, r);
	});
}

static void
run_i64(Nest *z, const Value *a, const Value *b, Value *y, MapI *f)
{
	int64_t p[ROW], q[ROW], r[ROW], to = 0;

	EACH_ROW(z, {
		f(m, row_i64(a, z, 0, at, m, p), row_i64(b, z, 1, at, m, q), r);
		store_i64(y, to, m, r);
	});
}

static void
run_test(Nest *z, const Value *a, const Value *b, Value *y, TestF *f)
{
	double p[ROW], q[ROW];
	int64_t r[ROW], to = 0;

	EACH_ROW(z, {
		f(m, row_f64(a, z, 0, at, m, p), row_f64(b, z, 1, at, m, q), r);
		store_i64(y, to, m, r);
	});
}

/* A walk over y with both operands; *some: whether y has elements at all. */
static bool
open_pair(Ctx *c, Nest *z, const Node *n, const Shape *y, bool *some)
{
	Shape b = n->in[1]->shape;

	if (!legacy_shape(c, n, &b))
		return false;
	*some = nest_broadcast(z, y, 2,
	                       (const Shape *[]){&n->in[0]->shape, &b});
	return true;
}

/* uint64 takes the `u` row, with the same bits in an int64_t; the rows differ
 * only where signs do: division, order, shifts to the right. */
static bool
map2(Ctx *c, Node *n, const Binary *op)
{
	const Value *a = n->in[0], *b = n->in[1];
	Value *y = n->out[0];
	char class = dtypes[a->type].class;
	MapI *i = class == 'U' ? op->u : op->i;
	bool some;
	Nest z;

	if ((class == 'F' && !op->f) || (dtype_is_int(a->type) && !i) ||
	    (class == 'B' && !op->logical) || !strchr("FIUB", class))
		return refuse(c, a->type);
	if (!open_pair(c, &z, n, &y->shape, &some))
		return false;
	if (some && class == 'F')
		run_f64(&z, a, b, y, op->f);
	else if (some)
		run_i64(&z, a, b, y, i);
	return true;
}

static bool
test2(Ctx *c, Node *n, const Test *op)
{
	const Value *a = n->in[0], *b = n->in[1];
	Value *y = n->out[0];
	char class = dtypes[a->type].class;
	bool some;
	Nest z;

	if ((class == 'B' && !op->logical) || !strchr("FIUB", class))
		return refuse(c, a->type);
	if (!open_pair(c, &z, n, &y->shape, &some))
		return false;
	if (some && class == 'F')
		run_test(&z, a, b, y, op->f);
	else if (some)
		run_i64(&z, a, b, y, class == 'U' ? op->u : op->i);
	return true;
}

#define LOOP(name, in, as, out, expr)                                          \
	static void name(int64_t n, const in *pa, const in *pb, out *py)       \
	{                                                                      \
		for (int64_t k = 0; k < n; k++) {                              \
			as a = (as)pa[k], b = (as)pb[k];                       \
			(void)b;                                               \
			py[k] = (out)(expr);                                   \
		}                                                              \
	}

/* for floats, signed, unsigned */
#define BINARY(name, F, I, U)                                                  \
	LOOP(name##_f, double, double, double, F)                              \
	LOOP(name##_i, int64_t, int64_t, int64_t, I)                           \
	LOOP(name##_u, int64_t, uint64_t, int64_t, U)                          \
	static const Binary op_##name = {name##_f, name##_i, name##_u, false};
#define INTEGER(name, I, U)                                                    \
	LOOP(name##_i, int64_t, int64_t, int64_t, I)                           \
	LOOP(name##_u, int64_t, uint64_t, int64_t, U)                          \
	static const Binary op_##name = {NULL, name##_i, name##_u, false};
#define UNSIGNED(name, U)                                                      \
	LOOP(name##_u, int64_t, uint64_t, int64_t, U)                          \
	static const Binary op_##name = {NULL, NULL, name##_u, false};
#define TEST(name, expr, bools)                                                \
	LOOP(name##_f, double, double, int64_t, expr)                          \
	LOOP(name##_i, int64_t, int64_t, int64_t, expr)                        \
	LOOP(name##_u, int64_t, uint64_t, int64_t, expr)                       \
	static const Test op_##name = {name##_f, name##_i, name##_u, bools};
#define EVAL(name, how)                                                        \
	bool eval_##name(Ctx *c, Arena *a, Node *n)                            \
	{                                                                      \
		(void)a;                                                       \
		return how(c, n, &op_##name);                                  \
	}

#define WRAP(a, op, b) (int64_t)((uint64_t)(a)op(uint64_t)(b))

/* NaN on either side gives NaN, as numpy.minimum does. */
static double
lesser(double a, double b)
{
	return a != a || b != b ? a + b : a < b ? a : b;
}

static double
greater(double a, double b)
{
	return a != a || b != b ? a + b : a > b ? a : b;
}

/* INT64_MIN / -1 wraps. */
static int64_t
divide(int64_t a, int64_t b)
{
	return b == 0 ? 0 : b == -1 ? WRAP(0, -, a) : a / b;
}

/* Of the sign of the divisor, as Python's. */
static int64_t
modulo(int64_t a, int64_t b)
{
	int64_t r = b == 0 || b == -1 ? 0 : a % b;

	return r && (r < 0) != (b < 0) ? r + b : r;
}

static double
fmodulo(double a, double b)
{
	double r = fmod(a, b);

	return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* By squaring; negative exponents leave only 1 and -1. */
static int64_t
ipow(int64_t a, int64_t e)
{
	uint64_t y = 1, x = (uint64_t)a;

	if (e < 0)
		return a == 1 ? 1 : a == -1 ? (e & 1 ? -1 : 1) : 0;
	for (; e; e >>= 1, x *= x)
		if (e & 1)
			y *= x;
	return (int64_t)y;
}

/* clang-format off */
BINARY(add, a + b,          WRAP(a, +, b),   a + b)
BINARY(sub, a - b,          WRAP(a, -, b),   a - b)
BINARY(mul, a * b,          WRAP(a, *, b),   a * b)
BINARY(div, a / b,          divide(a, b),    b ? a / b : 0)
BINARY(mod, fmodulo(a, b),  modulo(a, b),    b ? a % b : 0)
BINARY(rem, fmod(a, b),     b == 0 || b == -1 ? 0 : a % b, b ? a % b : 0)
BINARY(min, lesser(a, b),   a < b ? a : b,   a < b ? a : b)
BINARY(max, greater(a, b),  a > b ? a : b,   a > b ? a : b)
BINARY(pow, pow(a, b),      ipow(a, b),      (uint64_t)ipow((int64_t)a, (int64_t)b))
BINARY(prelu, a < 0 ? a * b : a, a < 0 ? WRAP(a, *, b) : a, a)
INTEGER(bitwise_and, a & b, a & b)
INTEGER(bitwise_or,  a | b, a | b)
INTEGER(bitwise_xor, a ^ b, a ^ b)
UNSIGNED(shift_left,  b < 64 ? a << b : 0)
UNSIGNED(shift_right, b < 64 ? a >> b : 0)
TEST(equal,   a == b, true)
TEST(greater, a > b,  false)
TEST(less,    a < b,  false)
TEST(greater_equal, a >= b, false)
TEST(less_equal,    a <= b, false)
TEST(and, a && b, true)
TEST(or,  a || b, true)
TEST(xor, !a != !b, true)

EVAL(add, map2)
EVAL(sub, map2)
EVAL(mul, map2)
EVAL(div, map2)
EVAL(prelu, map2)
EVAL(bitwise_and, map2)
EVAL(bitwise_or, map2)
EVAL(bitwise_xor, map2)
EVAL(greater, test2)
EVAL(less, test2)
EVAL(greater_equal, test2)
EVAL(less_equal, test2)
EVAL(and, test2)
EVAL(or, test2)
EVAL(xor, test2)
/* clang-format on */

/* And, Or, Xor: bool only. */
bool
infer_logic(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "B") && infer_compare(c, n);
}

static void
equal_strings(Nest *z, const Value *a, const Value *b, Value *y)
{
	const Span *p = a->data.mem, *q = b->data.mem;
	uint8_t *r = value_bytes(y);

	do
		for (int64_t i = 0; i < nest_len(z); i++) {
			Span s = p[z->off[0] + i * nest_row(z, 0)];
			Span t = q[z->off[1] + i * nest_row(z, 1)];

			*r++ = s.n == t.n && memcmp(s.p, t.p, s.n) == 0;
		}
	while (nest_next(z));
}

/* Strings are equal byte by byte; all else by value, so -0 equals 0 and NaN
 * nothing. */
bool
eval_equal(Ctx *c, Arena *a, Node *n)
{
	Nest z;
	bool some;

	(void)a;
	if (n->in[0]->type != DT_STRING)
		return test2(c, n, &op_equal);
	if (!open_pair(c, &z, n, &n->out[0]->shape, &some))
		return false;
	if (some)
		equal_strings(&z, n->in[0], n->in[1], n->out[0]);
	return true;
}

/* Mod: fmod = 1 has the sign of the dividend, as fmod(3) and C; 0 that of the
 * divisor, as Python. */
bool
eval_mod(Ctx *c, Arena *a, Node *n)
{
	(void)a;
	return map2(c, n, attr_int(n, "fmod", 0) ? &op_rem : &op_mod);
}

/* BitShift 11.  Narrow types are shifted in 64 bits and cut off when stored; a
 * shift by 64 or more is 0 rather than what the processor does. */
bool
eval_bit_shift(Ctx *c, Arena *a, Node *n)
{
	const char *way = attr_str(n, "direction", "");

	(void)a;
	if (strcmp(way, "LEFT") == 0)
		return map2(c, n, &op_shift_left);
	if (strcmp(way, "RIGHT") == 0)
		return map2(c, n, &op_shift_right);
	return fail(c, QE_INPUT, "direction '%s'", way);
}

/* An integer base with a float exponent is computed in float. */
bool
eval_pow(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *e = n->in[1];
	bool some;
	Nest z;

	(void)a;
	if (!dtype_is_float(e->type) || dtype_is_float(x->type))
		return dtype_is_int(e->type) || dtype_is_float(e->type)
		               ? map2(c, n, &op_pow)
		               : refuse(c, e->type);
	if (!dtype_is_int(x->type))
		return refuse(c, x->type);
	if (!open_pair(c, &z, n, &n->out[0]->shape, &some))
		return false;
	if (some)
		run_f64(&z, x, e, n->out[0], op_pow.f);
	return true;
}

/* ---- any number of inputs ---- */

/* Accumulates in 64 bits; rounds once, at the end. */
static bool
mapv(Ctx *c, Arena *mem, Node *n, const Binary *op, double divide_by)
{
	Value *y = n->out[0];
	DType type = y->type, wide = dtype_is_float(type) ? DT_F64 : DT_I64;
	Value acc = {.type = wide, .shape = y->shape}, next = acc;
	int64_t count = shape_count(&y->shape);
	double *sum;
	Nest z;

	if (!dtype_is_float(type) && !dtype_is_int(type))
		return refuse(c, type);
	if (!value_alloc(c, mem, &next) || !value_alloc(c, mem, &acc))
		return false;
	for (int k = 0; k < n->nin; k++) {
		const Shape *s[] = {&acc.shape, &n->in[k]->shape};
		bool some = nest_broadcast(&z, &y->shape, 2, s);
		Value *from = k ? &acc : n->in[k];

		if (!k)
			some = nest_broadcast(&z, &y->shape, 2,
			                      (const Shape *[]){s[1], s[1]});
		if (some && wide == DT_F64)
			run_f64(&z, from, n->in[k], &acc, k ? op->f : op_min.f);
		else if (some)
			run_i64(&z, from, n->in[k], &acc,
			        !k                          ? op_min.i
			        : dtypes[type].class == 'U' ? op->u
			                                    : op->i);
	}
	sum = value_bytes(&acc);
	for (int64_t i = 0; divide_by != 1 && i < count; i++)
		sum[i] /= divide_by;
	if (wide == DT_F64)
		store_f64(y, 0, count, acc.data.mem);
	else
		store_i64(y, 0, count, acc.data.mem);
	return true;
}

bool
eval_min(Ctx *c, Arena *a, Node *n)
{
	return mapv(c, a, n, &op_min, 1);
}

bool
eval_max(Ctx *c, Arena *a, Node *n)
{
	return mapv(c, a, n, &op_max, 1);
}

bool
eval_sum(Ctx *c, Arena *a, Node *n)
{
	return mapv(c, a, n, &op_add, 1);
}

/* Mean is for floats alone: ONNX has no rule for the rest of a division. */
bool
eval_mean(Ctx *c, Arena *a, Node *n)
{
	if (!dtype_is_float(n->in[0]->type))
		return refuse(c, n->in[0]->type);
	return mapv(c, a, n, &op_add, n->nin);
}

/* A row of y from either input; the compiler sees the usual sizes. */
static void
choose_row(const Nest *z, const uint8_t *cond, const char *const *in, size_t n,
           char *to)
{
	int64_t cstep = nest_row(z, 0);
	const char *at[2];
	size_t step[2];

	for (int k = 0; k < 2; k++) {
		at[k] = in[k] + (size_t)z->off[k + 1] * n;
		step[k] = (size_t)nest_row(z, k + 1) * n;
	}
	cond += z->off[0];
	for (int64_t i = 0; i < nest_len(z); i++, to += n) {
		const char *from = *cond ? at[0] : at[1];

		if (n == 4)
			memcpy(to, from, 4);
		else if (n == 8)
			memcpy(to, from, 8);
		else
			memcpy(to, from, n);
		cond += cstep;
		at[0] += step[0];
		at[1] += step[1];
	}
}

static void
choose(Nest *z, const uint8_t *cond, Value *const *in, Value *y)
{
	const char *from[] = {in[1]->data.mem, in[2]->data.mem};
	size_t size = dtypes[y->type].size;
	char *to = value_bytes(y);

	do {
		choose_row(z, cond, from, size, to);
		to += (size_t)nest_len(z) * size;
	} while (nest_next(z));
}

/* Elements are moved as bytes: a NaN keeps its payload, strings are shared. */
bool
eval_where(Ctx *c, Arena *a, Node *n)
{
	const Shape *s[] = {&n->in[0]->shape, &n->in[1]->shape,
	                    &n->in[2]->shape};
	Nest z;

	(void)a;
	if (dtypes[n->in[1]->type].bits < 8)
		return refuse(c, n->in[1]->type);
	if (nest_broadcast(&z, &n->out[0]->shape, 3, s))
		choose(&z, n->in[0]->data.mem, n->in, n->out[0]);
	return true;
}

/* x sigmoid(alpha x) b, both of one shape. */
bool
eval_swiglu(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *b = n->in[1];
	double alpha = attr_float(n, "alpha", 1), y;

	(void)a;
	if (!dtype_is_float(x->type) || !shape_eq(&x->shape, &b->shape))
		return fail(c, QE_INPUT, "%s%s and %s", dtypes[x->type].name,
		            shape_text(&x->shape).s, shape_text(&b->shape).s);
	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		y = value_f64(x, i);
		y = y / (1 + exp(-alpha * y)) * value_f64(b, i);
		store_f64(n->out[0], i, 1, &y);
	}
	return true;
}
