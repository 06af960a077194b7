/* SPDX-License-Identifier: BSD-3-Clause
 * num.c - elements of every type as double and as int64_t.
 *
 * Three kinds: types C can do arithmetic with; 16-bit floats; and codes of
 * at most 8 bits (float8, float4, int4, int2), which are decoded one by
 * one, see code.c. */

#include <math.h>

#include "num.h"

/* Out of range is undefined in ONNX and in C; here it is the nearest. */
static int64_t
to_i64(double x)
{
	if (x >= 0x1p63)
		return INT64_MAX;
	return x <= -0x1p63 ? INT64_MIN : x == x ? (int64_t)x : 0;
}

static uint64_t
to_u64(double x)
{
	if (x >= 0x1p63)
		return x >= 0x1p64 ? UINT64_MAX : (uint64_t)x;
	return (uint64_t)to_i64(x);
}

/* Rounds to float so that rounding again, to fewer bits, is right: towards
 * zero, with the last bit set if anything was lost. */
static float
odd_f32(double x)
{
	float f = (float)x;
	uint32_t u;

	if ((double)f == x || x != x || isinf(x))
		return f;
	memcpy(&u, &f, sizeof u);
	u -= fabs((double)f) > fabs(x);
	u |= 1;
	memcpy(&f, &u, sizeof f);
	return f;
}

/*  id    C type    x as double             x as int64_t
 *                  from double v           from int64_t v */
#define PLAIN(X)                                                               \
	X(F32, float, (double)x, to_i64((double)x), (float)v, (float)v)        \
	X(F64, double, x, to_i64(x), v, (double)v)                             \
	X(I8, int8_t, x, x, (int8_t)to_i64(v), (int8_t)v)                      \
	X(I16, int16_t, x, x, (int16_t)to_i64(v), (int16_t)v)                  \
	X(I32, int32_t, x, x, (int32_t)to_i64(v), (int32_t)v)                  \
	X(I64, int64_t, (double)x, x, to_i64(v), v)                            \
	X(U8, uint8_t, x, x, (uint8_t)to_i64(v), (uint8_t)v)                   \
	X(U16, uint16_t, x, x, (uint16_t)to_i64(v), (uint16_t)v)               \
	X(U32, uint32_t, x, x, (uint32_t)to_i64(v), (uint32_t)v)               \
	X(U64, uint64_t, (double)x, (int64_t)x, to_u64(v), (uint64_t)v)        \
	X(BOOL, uint8_t, x != 0, x != 0, v != 0, v != 0)                       \
	X(F16, uint16_t, (double)f16_to_f32(x), to_i64((double)f16_to_f32(x)), \
	  f32_to_f16(odd_f32(v)), f32_to_f16(odd_f32((double)v)))              \
	X(BF16, uint16_t, (double)bf16_to_f32(x),                              \
	  to_i64((double)bf16_to_f32(x)), f32_to_bf16(odd_f32(v)),             \
	  f32_to_bf16(odd_f32((double)v)))

#define LOAD(name, type, to, expr)                                             \
	static void name(const void *p, int64_t step, int64_t n, to *y)        \
	{                                                                      \
		for (int64_t i = 0; i < n; i++) {                              \
			type x = ((const type *)p)[i * step];                  \
			y[i] = expr;                                           \
		}                                                              \
	}
#define STORE(name, type, from, expr)                                          \
	static void name(void *p, int64_t n, const from *x)                    \
	{                                                                      \
		for (int64_t i = 0; i < n; i++) {                              \
			from v = x[i];                                         \
			((type *)p)[i] = expr;                                 \
		}                                                              \
	}
#define CONVERT(id, type, get_f, get_i, put_f, put_i)                          \
	LOAD(load_f64_##id, type, double, get_f)                               \
	LOAD(load_i64_##id, type, int64_t, get_i)                              \
	STORE(store_f64_##id, type, double, put_f)                             \
	STORE(store_i64_##id, type, int64_t, put_i)
PLAIN(CONVERT)

static const struct {
	void (*load_f64)(const void *, int64_t, int64_t, double *);
	void (*load_i64)(const void *, int64_t, int64_t, int64_t *);
	void (*store_f64)(void *, int64_t, const double *);
	void (*store_i64)(void *, int64_t, const int64_t *);
} plain[DT_COUNT] = {
#define ROW_OF(id, type, get_f, get_i, put_f, put_i)                           \
	[DT_##id] = {load_f64_##id, load_i64_##id, store_f64_##id,             \
	             store_i64_##id},
	PLAIN(ROW_OF)};

bool
dtype_is_float(DType t)
{
	return dtypes[t].class == 'F';
}

bool
dtype_is_int(DType t)
{
	return dtypes[t].class == 'I' || dtypes[t].class == 'U';
}

void *
value_bytes(Value *v)
{
	return (void *)(uintptr_t)v->data.mem;
}

static const void *
element(const Value *v, int64_t at)
{
	return (const char *)v->data.mem + at * (int64_t)dtypes[v->type].size;
}

unsigned
bits_get(const void *p, int64_t i, int bits)
{
	int per = 8 / bits;

	return ((const uint8_t *)p)[i / per] >> (i % per * bits) &
	       ((1u << bits) - 1);
}

void
bits_put(void *to, int64_t i, int bits, unsigned x)
{
	int per = 8 / bits, at = (int)(i % per) * bits;
	unsigned mask = ((1u << bits) - 1) << at;
	uint8_t *p = to;

	p[i / per] = (uint8_t)((p[i / per] & ~mask) | (x << at & mask));
}

void
load_f64(const Value *v, int64_t at, int64_t step, int64_t n, double *y)
{
	if (plain[v->type].load_f64)
		plain[v->type].load_f64(element(v, at), step, n, y);
	else
		for (int64_t i = 0; i < n; i++)
			y[i] = code_value(v->type,
			                  bits_get(v->data.mem, at + i * step,
			                           dtypes[v->type].bits));
}

void
load_i64(const Value *v, int64_t at, int64_t step, int64_t n, int64_t *y)
{
	if (plain[v->type].load_i64)
		plain[v->type].load_i64(element(v, at), step, n, y);
	else
		for (int64_t i = 0; i < n; i++)
			y[i] = to_i64(
				code_value(v->type,
			                   bits_get(v->data.mem, at + i * step,
			                            dtypes[v->type].bits)));
}

void
store_f64(Value *v, int64_t at, int64_t n, const double *x)
{
	if (plain[v->type].store_f64)
		plain[v->type].store_f64((void *)(uintptr_t)element(v, at), n,
		                         x);
	else
		for (int64_t i = 0; i < n; i++)
			bits_put(value_bytes(v), at + i, dtypes[v->type].bits,
			         code_nearest(v->type, x[i], true));
}

void
store_i64(Value *v, int64_t at, int64_t n, const int64_t *x)
{
	if (plain[v->type].store_i64)
		plain[v->type].store_i64((void *)(uintptr_t)element(v, at), n,
		                         x);
	else
		for (int64_t i = 0; i < n; i++)
			bits_put(value_bytes(v), at + i, dtypes[v->type].bits,
			         dtype_is_int(v->type)
			                 ? (unsigned)x[i]
			                 : code_nearest(v->type, (double)x[i],
			                                true));
}

double *
read_f64(Arena *a, const Value *v)
{
	int64_t n = shape_count(&v->shape);
	double *y = NEWV(a, double, n + 1);

	load_f64(v, 0, 1, n, y);
	return y;
}

int64_t
value_i64(const Value *v, int64_t i)
{
	int64_t x;

	load_i64(v, i, 1, 1, &x);
	return x;
}

double
value_f64(const Value *v, int64_t i)
{
	double x;

	load_f64(v, i, 1, 1, &x);
	return x;
}

double
round_as(DType t, double x)
{
	uint64_t room = 0;
	Value v = {.type = t, .data = {.mem = &room}};

	store_f64(&v, 0, 1, &x);
	return value_f64(&v, 0);
}
