/* SPDX-License-Identifier: BSD-3-Clause
 * template_op.c - operators on values, with Python's rules.
 *
 * Integers have 64 bits; where Python would grow one, the rendering fails
 * and says so. */

#include <math.h>

#include "template_impl.h"

static const struct {
	const char *text;
	TplOp *fn;
} ops[] = {
#define X(op, text, prec, fn) {text, fn},
	TPL_OPS(X)
#undef X
};

const char *
tpl_op_text(Op op)
{
	return ops[op].text;
}

bool
tpl_binary(Tpl *t, Op op, Val a, Val b, Val *out)
{
	return ops[op].fn(t, a, b, out);
}

/* Undefined operands tell their own story. */
static bool
unsupported(Tpl *t, const char *op, Val a, Val b)
{
	if (a.kind == K_UNDEF || b.kind == K_UNDEF)
		return tpl_undef_error(t, a.kind == K_UNDEF ? a.u : b.u);
	return tpl_fail(t, "unsupported operand types for %s: '%s' and '%s'",
	                op, tpl_type(a), tpl_type(b));
}

static bool
too_large(Tpl *t)
{
	return tpl_fail(t, "the result of integer arithmetic needs over 64 "
	                   "bits");
}

/* Both integers, or, if not, *real: both numbers. */
static bool
integers(Val a, Val b, int64_t *x, int64_t *y, bool *real)
{
	*real = tpl_is_number(a) && tpl_is_number(b);
	return tpl_as_int(a, x) && tpl_as_int(b, y);
}

static bool
join_seq(Tpl *t, Val a, Val b, Val *out)
{
	if (!tpl_seq(t, a.kind, out) || !tpl_work(t, a.q->n + b.q->n))
		return false;
	for (size_t i = 0; i < a.q->n; i++)
		if (!tpl_push(t, out->q, a.q->v[i]))
			return false;
	for (size_t i = 0; i < b.q->n; i++)
		if (!tpl_push(t, out->q, b.q->v[i]))
			return false;
	return true;
}

/* What is marked safe escapes what it is joined with. */
static bool
join_safe(Tpl *t, Val a, Val b, Val *out)
{
	Str *s;

	if (!tpl_escape(t, a, &a) || !tpl_escape(t, b, &b) ||
	    !tpl_join2(t, a.s, b.s, out) || !(s = TPL_NEW(t, Str)))
		return false;
	*s = *out->s;
	s->safe = true;
	out->s = s;
	return true;
}

/* Strings and lists join only with their like; there is no silent str(). */
bool
tpl_add(Tpl *t, Val a, Val b, Val *out)
{
	int64_t x, y;
	bool real;

	if (integers(a, b, &x, &y, &real)) {
		if (__builtin_add_overflow(x, y, &x))
			return too_large(t);
		*out = V_INT(x);
		return true;
	}
	if (real) {
		*out = V_FLOAT(tpl_double(a) + tpl_double(b));
		return true;
	}
	if (a.kind == K_STR && b.kind == K_STR)
		return a.s->safe || b.s->safe ? join_safe(t, a, b, out)
		                              : tpl_join2(t, a.s, b.s, out);
	if ((a.kind == K_LIST && b.kind == K_LIST) ||
	    (a.kind == K_TUPLE && b.kind == K_TUPLE))
		return join_seq(t, a, b, out);
	return unsupported(t, "+", a, b);
}

/* ~ takes str() of both sides, and forgets what is marked safe. */
bool
tpl_concat(Tpl *t, Val a, Val b, Val *out)
{
	return tpl_to_str(t, a, &a) && tpl_to_str(t, b, &b) &&
	       tpl_join2(t, a.s, b.s, out);
}

bool
tpl_sub(Tpl *t, Val a, Val b, Val *out)
{
	int64_t x, y;
	bool real;

	if (integers(a, b, &x, &y, &real)) {
		if (__builtin_sub_overflow(x, y, &x))
			return too_large(t);
		*out = V_INT(x);
		return true;
	}
	if (!real)
		return unsupported(t, "-", a, b);
	*out = V_FLOAT(tpl_double(a) - tpl_double(b));
	return true;
}

/* The size is known beforehand and checked there. */
static bool
repeat(Tpl *t, Val v, int64_t times, Val *out)
{
	size_t n = v.kind == K_STR ? v.s->n : v.q->n * sizeof(Val), total;
	Buf *b;

	times = MAX(times, 0);
	if (__builtin_mul_overflow(n, (size_t)times, &total))
		total = SIZE_MAX;
	if (!tpl_room(t, total) || !tpl_work(t, total))
		return false;
	if (!n)
		times = 0;
	if (v.kind == K_STR) {
		if (!(b = tpl_buf(t)))
			return false;
		for (int64_t i = 0; i < times; i++)
			buf_add(b, v.s->p, v.s->n);
		return tpl_take(t, b, out);
	}
	if (!tpl_seq(t, v.kind, out))
		return false;
	for (int64_t i = 0; i < times; i++)
		for (size_t k = 0; k < v.q->n; k++)
			if (!tpl_push(t, out->q, v.q->v[k]))
				return false;
	return true;
}

static bool
repeatable(Val v)
{
	return v.kind == K_STR || v.kind == K_LIST || v.kind == K_TUPLE;
}

/* A number of times, from either side. */
bool
tpl_mul(Tpl *t, Val a, Val b, Val *out)
{
	int64_t x, y;
	bool real;

	if (integers(a, b, &x, &y, &real)) {
		if (__builtin_mul_overflow(x, y, &x))
			return too_large(t);
		*out = V_INT(x);
		return true;
	}
	if (real) {
		*out = V_FLOAT(tpl_double(a) * tpl_double(b));
		return true;
	}
	if (repeatable(a) && tpl_as_int(b, &y))
		return repeat(t, a, y, out);
	if (repeatable(b) && tpl_as_int(a, &x))
		return repeat(t, b, x, out);
	return unsupported(t, "*", a, b);
}

/* Always a float. */
bool
tpl_div(Tpl *t, Val a, Val b, Val *out)
{
	if (!tpl_is_number(a) || !tpl_is_number(b))
		return unsupported(t, "/", a, b);
	if (tpl_double(b) == 0)
		return tpl_fail(t, "division by zero");
	*out = V_FLOAT(tpl_double(a) / tpl_double(b));
	return true;
}

/* Rounds down, as Python does. */
static double
float_mod(double x, double y)
{
	double r = fmod(x, y);

	return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

/* The fraction is taken off before dividing, so that the result is exact. */
bool
tpl_floordiv(Tpl *t, Val a, Val b, Val *out)
{
	int64_t x, y, q;
	bool real, whole = integers(a, b, &x, &y, &real);
	double d;

	if (!real)
		return unsupported(t, "//", a, b);
	if (tpl_double(b) == 0)
		return tpl_fail(t, "division by zero");
	if (!whole) {
		d = tpl_double(b);
		*out = V_FLOAT(floor(
			(tpl_double(a) - float_mod(tpl_double(a), d)) / d +
			0.5));
		return true;
	}
	if (x == INT64_MIN && y == -1)
		return too_large(t);
	q = x / y;
	*out = V_INT(q - (x % y != 0 && (x < 0) != (y < 0)));
	return true;
}

/* The sign is that of the divisor; of a string it is formatting. */
bool
tpl_mod(Tpl *t, Val a, Val b, Val *out)
{
	int64_t x, y, r;
	bool real, whole;

	if (a.kind == K_STR)
		return tpl_percent(t, a.s, b, out);
	whole = integers(a, b, &x, &y, &real);
	if (!real)
		return unsupported(t, "%", a, b);
	if (tpl_double(b) == 0)
		return tpl_fail(t, "modulo by zero");
	if (!whole) {
		*out = V_FLOAT(float_mod(tpl_double(a), tpl_double(b)));
		return true;
	}
	r = y == -1 ? 0 : x % y;
	*out = V_INT(r && (r < 0) != (y < 0) ? r + y : r);
	return true;
}

/* An integer base of two or more leaves 64 bits within 63 rounds. */
bool
tpl_pow(Tpl *t, Val a, Val b, Val *out)
{
	int64_t x, y, r = 1;
	bool real, whole = integers(a, b, &x, &y, &real);

	if (!real)
		return unsupported(t, "**", a, b);
	if (!whole || y < 0) {
		if (tpl_double(a) == 0 && tpl_double(b) < 0)
			return tpl_fail(t, "0 to a negative power");
		if (tpl_double(a) < 0 && tpl_double(b) != floor(tpl_double(b)))
			return tpl_fail(t, "complex numbers are not supported");
		*out = V_FLOAT(pow(tpl_double(a), tpl_double(b)));
		return !isinf(out->f) || isinf(tpl_double(a)) ||
		       isinf(tpl_double(b)) ||
		       tpl_fail(t, "the result of ** is too large");
	}
	if (x == 0 || x == 1 || x == -1) {
		*out = V_INT(!y ? 1 : x == -1 && y % 2 == 0 ? 1 : x);
		return true;
	}
	for (; y; y--)
		if (__builtin_mul_overflow(r, x, &r))
			return too_large(t);
	*out = V_INT(r);
	return true;
}

/* Serves both signs: a plus negates twice, and so refuses what is no number. */
bool
tpl_neg(Tpl *t, Val v, Val *out)
{
	int64_t i;

	if (v.kind == K_FLOAT) {
		*out = V_FLOAT(-v.f);
		return true;
	}
	if (v.kind == K_UNDEF)
		return tpl_undef_error(t, v.u);
	if (!tpl_as_int(v, &i))
		return tpl_fail(t, "bad operand type for a sign: '%s'",
		                tpl_type(v));
	if (i == INT64_MIN)
		return too_large(t);
	*out = V_INT(-i);
	return true;
}

/* NaN is unequal to all, and in no order with any. */
bool
tpl_compare(Tpl *t, Op op, Val a, Val b, bool *yes)
{
	bool nan = (a.kind == K_FLOAT && isnan(a.f)) ||
	           (b.kind == K_FLOAT && isnan(b.f));
	int order;

	switch (op) {
	case OP_EQ:
	case OP_NE:
		if (!tpl_equal(t, a, b, yes))
			return false;
		*yes = *yes == (op == OP_EQ);
		return true;
	case OP_IN:
	case OP_NOTIN:
		if (!tpl_contains(t, b, a, yes))
			return false;
		*yes = *yes == (op == OP_IN);
		return true;
	default:
		if (!tpl_order(t, ops[op].text, a, b, &order))
			return false;
		*yes = !nan && (op == OP_LT   ? order < 0
		                : op == OP_LE ? order <= 0
		                : op == OP_GT ? order > 0
		                              : order >= 0);
		return true;
	}
}
