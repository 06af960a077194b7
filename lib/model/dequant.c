/* SPDX-License-Identifier: BSD-3-Clause
 * dequant.c - weights out of few bits, as nodes on what is stored.
 *
 * Operators of opset 17 that onnxruntime has for these types: an int32 holds
 * several elements, which a shift and a remainder take out; codes of 4 and 8
 * bits are indices of a table of their values.  Results are float32. */

#include <math.h>

#include "build.h"
#include "fewbits.h"

enum { MAXNUM = 6 };

/* A constant that is made once. */
static Value *
constant(Build *b, const char *name, DType type, int n, const void *x)
{
	Value *v = dict_get(b->made, name);

	if (!v) {
		v = const_bytes(b->g, name, type,
		                n ? &(Shape){1, {n}} : &(Shape){0}, x);
		dict_set(b->made, arena_dup(b->a, name), v);
	}
	return v;
}

static Value *
look_up(Build *b, Value *values, Value *codes)
{
	return EMIT_INT(b, "Gather", "axis", 0, values, cast(b, codes, DT_I32));
}

static Value *
shift_right(Build *b, Value *x, Value *by)
{
	x = EMIT(b, "BitShift", x, by);
	if (x)
		attr_set_str(b->g, x->from, "direction", "RIGHT");
	return x;
}

/* x [.., n] of int32 -> [.., n, 32 / bits], float32: element i stands at
 * place order[i], or i, from the lowest bits up. */
static Value *
unpack(Build *b, Value *x, int64_t bits, const int *order)
{
	int each = (int)(32 / bits);
	uint32_t at[16], two = 1u << bits;
	Value *shift, *base;

	for (int i = 0; i < each; i++)
		at[i] = (uint32_t)bits * (uint32_t)(order ? order[i] : i);
	shift = constant(b,
	                 arena_str(b->a, "shifts_%lld%s", (long long)bits,
	                           order ? "_awq" : ""),
	                 DT_U32, each, at);
	base = constant(b, arena_str(b->a, "uint32_%u", two), DT_U32, 0, &two);
	x = unsqueeze(b, cast(b, x, DT_U32), -1);
	x = EMIT(b, "Mod", shift_right(b, x, shift), base);
	return cast(b, x, DT_F32);
}

typedef struct Layout {
	int64_t bits, in, out, groups, zero;
	enum quant_layout kind;
} Layout;

/* Inside, everything is [groups, in / groups, out], or for rows
 * [out, groups, in / groups]. */
static Value *
packed_zeros(Build *b, const Layout *l, Value *x, const int *order)
{
	double codes = (double)(1 << l->bits);

	if (!x)
		return scalar_f32(b, codes / 2);
	x = unpack(b, x, l->bits, order);
	if (l->kind == PACK_ROW)
		return RESHAPE(b, TRANSPOSE(b, x, 0, 2, 1), l->out, l->groups,
		               1);
	x = RESHAPE(b, x, l->groups, 1, l->out);
	if (!l->zero)
		return x;
	x = EMIT(b, "Add", x, scalar_f32(b, (double)l->zero));
	return EMIT_INT(b, "Mod", "fmod", 1, x, scalar_f32(b, codes));
}

/* The row of its group for every input: [groups, 1, out] -> [1, in, out] */
static Value *
by_index(Build *b, const Layout *l, Value *x, Value *index)
{
	x = RESHAPE(b, x, l->groups, l->out);
	return unsqueeze(b, EMIT_INT(b, "Gather", "axis", 0, x, index), 0);
}

static Value *
packed_rows(Build *b, const Layout *l, Value *x, Value *zero, Value *scale)
{
	x = RESHAPE(b, x, l->out, l->groups, l->in / l->groups);
	scale = RESHAPE(b, scale, l->out, l->groups, 1);
	x = EMIT(b, "Mul", EMIT(b, "Sub", x, zero), scale);
	return RESHAPE(b, x, l->out, l->in);
}

static Value *
packed_columns(Build *b, const Layout *l, Value *x, Value *zero, Value *scale,
               Value *index)
{
	int64_t groups = index ? 1 : l->groups;

	x = RESHAPE(b, x, groups, l->in / groups, l->out);
	scale = RESHAPE(b, scale, l->groups, 1, l->out);
	if (index) {
		scale = by_index(b, l, scale, index);
		zero = by_index(b, l, zero, index);
	}
	x = EMIT(b, "Mul", EMIT(b, "Sub", x, zero), scale);
	return TRANSPOSE(b, RESHAPE(b, x, l->in, l->out), 1, 0);
}

static Value *
packed(Build *b, const int64_t *num, int n, Value **in)
{
	static const int awq[] = {0, 4, 1, 5, 2, 6, 3, 7};
	Layout l = {num[1], num[2], num[3],
	            num[4], num[5], (enum quant_layout)num[0]};
	const int *order = l.kind == PACK_OUT ? awq : NULL;
	Value *x, *zero, *scale;

	if (n != 4 || !in[1] || l.in < 1 || l.out < 1 || l.groups < 1 ||
	    l.in % l.groups || (l.bits != 2 && l.bits != 4 && l.bits != 8) ||
	    (order && l.bits != 4) || (in[3] && !in[2]))
		return fail(b->c, QE_INPUT, "packed: bad numbers"), NULL;
	x = unpack(b, in[0], l.bits, order);
	if (l.kind == PACK_IN)
		x = TRANSPOSE(b, x, 0, 2, 1);
	zero = packed_zeros(b, &l, in[2], order);
	scale = cast(b, in[1], DT_F32);
	if (l.kind == PACK_ROW)
		return packed_rows(b, &l, x, zero, scale);
	return packed_columns(b, &l, x, zero, scale, in[3]);
}

/* float8 e4m3: 4 bits of exponent (bias 7), 3 of mantissa, no infinities */
static Value *
e4m3(Build *b, Value *codes)
{
	float x[256];

	for (int i = 0; i < 256; i++) {
		int e = i >> 3 & 15, m = i & 7;
		double v = e ? ldexp(8 + m, e - 10) : ldexp(m, -9);

		x[i] = e == 15 && m == 7 ? NAN : (float)(i & 128 ? -v : v);
	}
	return look_up(b, constant(b, "e4m3", DT_F32, 256, x), codes);
}

/* A scale of the whole, of rows, or of blocks, as it meets [rows, columns] */
static Value *
spread(Build *b, Value *s, const Shape *to, const int64_t *block)
{
	int64_t rows = s->shape.rank > 0 ? s->shape.dim[0] : 1,
		columns = s->shape.rank > 1 ? s->shape.dim[1] : 1;

	s = cast(b, s, DT_F32);
	if (rows * columns == 1)
		return RESHAPE(b, s, 1, 1);
	if (columns == 1 && rows == to->dim[0])
		return RESHAPE(b, s, rows, 1);
	s = RESHAPE(b, s, rows, 1, columns, 1);
	s = EMIT(b, "Expand", s, INTS(b, rows, block[0], columns, block[1]));
	s = RESHAPE(b, s, rows * block[0], columns * block[1]);
	s = slice(b, s, 0, 0, to->dim[0]);
	return slice(b, s, 1, 0, to->dim[1]);
}

static Value *
scaled(Build *b, const int64_t *num, int n, Value **in)
{
	Shape to = in[0]->shape;
	Value *x;

	if (n != 3 || !in[1] || to.rank != 2 || num[0] < 1 || num[1] < 1 ||
	    num[0] > INT32_MAX || num[1] > INT32_MAX)
		return fail(b->c, QE_INPUT, "scaled: bad numbers"), NULL;
	x = in[0]->type == DT_U8 ? e4m3(b, in[0]) : cast(b, in[0], DT_F32);
	if (in[2])
		x = EMIT(b, "Sub", x, spread(b, in[2], &to, num));
	return EMIT(b, "Mul", x, spread(b, in[1], &to, num));
}

/* e8m0: powers of two from 2^-127 on */
static Value *
e8m0(Build *b, Value *codes)
{
	float x[256];

	for (int i = 0; i < 256; i++)
		x[i] = i == 255 ? NAN : (float)ldexp(1, i - 127);
	return look_up(b, constant(b, "e8m0", DT_F32, 256, x), codes);
}

/* blocks [E,R,C,16] of two codes a byte, scales [E,R,C] -> [E, 32 C, R] */
static Value *
mxfp4(Build *b, const int64_t *num, int n, Value **in)
{
	static const float e2m1[] = {0, 0.5F,  1,  1.5F,  2,  3,  4,  6,
	                             0, -0.5F, -1, -1.5F, -2, -3, -4, -6};
	static const uint8_t four = 4, base = 16;
	Shape s = in[0]->shape;
	Value *x, *y[2];

	(void)num;
	if (n != 2 || !in[1] || s.rank != 4 || in[0]->type != DT_U8)
		return fail(b->c, QE_INPUT, "mxfp4: bad sources"), NULL;
	x = EMIT(b, "Mod", in[0], constant(b, "uint8_16", DT_U8, 0, &base));
	y[0] = unsqueeze(b, x, 4);
	x = shift_right(b, in[0], constant(b, "uint8_4", DT_U8, 0, &four));
	y[1] = unsqueeze(b, x, 4);
	x = look_up(b, constant(b, "e2m1", DT_F32, 16, e2m1),
	            concat(b, 2, y, 4));
	x = RESHAPE(b, x, s.dim[0], s.dim[1], s.dim[2], 32);
	x = EMIT(b, "Mul", x, unsqueeze(b, e8m0(b, in[1]), 3));
	x = RESHAPE(b, x, s.dim[0], s.dim[1], s.dim[2] * 32);
	return TRANSPOSE(b, x, 0, 2, 1);
}

typedef Value *ByFn(Build *, const int64_t *num, int n, Value **in);

static const struct {
	const char *name;
	size_t nnum;
	ByFn *fn;
} ways[] = {
	{"packed", 6, packed},
	{"scaled", 2, scaled},
	{"mxfp4", 0, mxfp4},
};

Value *
dequantise(Build *b, const Json *t, int n, Value **in)
{
	const char *by = json_get_str(t, "by", "");
	const Json *args = json_get(t, "args");
	int64_t num[MAXNUM];

	for (size_t i = 0; i < MAXNUM; i++)
		num[i] = json_int(json_at(args, i), -1);
	for (size_t i = 0; i < LEN(ways); i++)
		if (strcmp(ways[i].name, by) == 0 && in[0] &&
		    json_len(args) == ways[i].nnum)
			return ways[i].fn(b, num, n, in);
	return fail(b->c, QE_INPUT, "made by '%s' of %d is not known", by, n),
	       NULL;
}
