/* SPDX-License-Identifier: BSD-3-Clause
 * cast.c - Cast, CastLike, BitCast: every type to every type.
 *
 * Floats to integers truncate; what does not fit becomes the nearest value
 * of 64 bits and wraps in narrower types. */

#include <math.h>

#include "num.h"

static bool
castable(DType t)
{
	return t && dtypes[t].class != 'C';
}

bool
infer_cast(Ctx *c, Node *n)
{
	int64_t to = attr_int(n, "to", 0);
	DType t = to > 0 && to < INT32_MAX ? dtype_by_onnx((int)to) : DT_NONE;

	if (!castable(t))
		return fail(c, QE_INPUT, "to type %lld", (long long)to);
	return value_set(c, node_out(n, 0), t, &n->in[0]->shape);
}

bool
infer_cast_like(Ctx *c, Node *n)
{
	return value_set(c, node_out(n, 0), n->in[1]->type, &n->in[0]->shape);
}

/* Small floats may be told to overflow to NaN or inf. */
static void
store_codes(Value *y, int64_t at, int64_t n, const double *x)
{
	for (int64_t i = 0; i < n; i++)
		bits_put(value_bytes(y), at + i, dtypes[y->type].bits,
		         code_nearest(y->type, x[i], false));
}

/* float8e8m0 has powers of two alone; round_mode says which one. */
static void
round_scales(const char *mode, int64_t n, double *x)
{
	double f;
	int e;

	for (int64_t i = 0; i < n; i++) {
		if (x[i] != x[i] || isinf(x[i]) || x[i] <= 0)
			continue;
		f = frexp(x[i], &e); /* [1/2, 1) */
		if (strcmp(mode, "nearest") == 0)
			e -= f < 0.75;
		else
			e -= strcmp(mode, "down") == 0 || f == 0.5;
		x[i] = ldexp(1, e);
	}
}

typedef struct How {
	bool saturate;
	const char *round; /* to float8e8m0: up, down, nearest */
} How;

static void
cast_numbers(const Value *x, Value *y, How how)
{
	int64_t count = shape_count(&x->shape), m, ibuf[ROW];
	bool codes = dtype_is_float(y->type) && dtypes[y->type].bits <= 8;
	double buf[ROW];

	for (int64_t at = 0; at < count; at += m) {
		m = MIN(count - at, ROW);
		if (!dtype_is_float(x->type) && !dtype_is_float(y->type)) {
			load_i64(x, at, 1, m, ibuf);
			store_i64(y, at, m, ibuf);
			continue;
		}
		load_f64(x, at, 1, m, buf);
		if (y->type == DT_F8E8M0)
			round_scales(how.round, m, buf);
		if (codes && !how.saturate)
			store_codes(y, at, m, buf);
		else
			store_f64(y, at, m, buf);
	}
}

static bool
number(Ctx *c, Arena *a, Span s, DType t, Value *y, int64_t i)
{
	const char *text = arena_span(a, s);
	int64_t whole;
	double x;

	if (!dtype_is_float(t) && str_int(text, &whole)) {
		store_i64(y, i, 1, &whole);
		return true;
	}
	if (!str_float(text, &x))
		return fail(c, QE_INPUT, "'%s' is not a number", text);
	store_f64(y, i, 1, &x);
	return true;
}

static bool
parse_strings(Ctx *c, Arena *a, const Value *x, Value *y)
{
	const Span *s = x->data.mem;

	for (int64_t i = 0; i < shape_count(&x->shape); i++)
		if (!number(c, a, s[i], y->type, y, i))
			return false;
	return true;
}

/* Floats in the fewest digits that read back as the same float32. */
static void
print_strings(Arena *a, const Value *x, Value *y)
{
	Span *s = value_bytes(y);
	char *t;
	double v, back;

	for (int64_t i = 0; i < shape_count(&x->shape); i++) {
		v = value_f64(x, i);
		if (!dtype_is_float(x->type))
			t = arena_str(a, "%lld", (long long)value_i64(x, i));
		else if (v != v || v - v != 0)
			t = arena_dup(a, v != v  ? "NaN"
			                 : v > 0 ? "INF"
			                         : "-INF");
		else
			for (int digits = 1; digits <= 17; digits++) {
				t = arena_str(a, "%.*g", digits, v);
				if (str_float(t, &back) &&
				    (x->type == DT_F64
				             ? back == v
				             : (double)(float)back == v))
					break;
			}
		s[i] = SPAN(t);
	}
}

static bool
cast(Ctx *c, Arena *a, const Value *x, Value *y, How how)
{
	if (!castable(x->type) || !castable(y->type))
		return fail(c, QE_INPUT, "%s to %s", dtypes[x->type].name,
		            dtypes[y->type].name);
	if (x->type == y->type)
		y->data = x->data;
	else if (x->type == DT_STRING)
		return parse_strings(c, a, x, y);
	else if (y->type == DT_STRING)
		print_strings(a, x, y);
	else
		cast_numbers(x, y, how);
	return true;
}

bool
eval_cast(Ctx *c, Arena *a, Node *n)
{
	How how = {.saturate = attr_int(n, "saturate", 1),
	           .round = attr_str(n, "round_mode", "up")};

	if (!str_in(how.round, (const char *[]){"up", "down", "nearest", NULL}))
		return fail(c, QE_INPUT, "round_mode '%s'", how.round);
	return cast(c, a, n->in[0], n->out[0], how);
}

/* ---- BitCast: the same bytes under another name ---- */

bool
infer_bit_cast(Ctx *c, Node *n)
{
	DType from = n->in[0]->type;

	if (!infer_cast(c, n))
		return false;
	if (node_out(n, 0) && from &&
	    dtypes[from].bits != dtypes[n->out[0]->type].bits)
		return fail(c, QE_INPUT, "%s to %s", dtypes[from].name,
		            dtypes[n->out[0]->type].name);
	return true;
}

bool
eval_bit_cast(Ctx *c, Arena *a, Node *n)
{
	(void)c, (void)a;
	n->out[0]->data = n->in[0]->data;
	return true;
}
