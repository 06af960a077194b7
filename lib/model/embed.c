/* SPDX-License-Identifier: BSD-3-Clause
 * embed.c - from token ids to the first hidden state [B,S,H].
 *
 * Positions of a decoder are position_ids, with -1 (padding) read as 0 so
 * that a table has a row for it; of an encoder 0..S-1, or the number of
 * tokens that are not padding up to here, plus the padding's id. */

#include <math.h>

#include "build.h"

/* Of a proxy, [B,S,width] of the ids themselves. */
static Value *
rows_of(Build *b, const char *name, Value *at)
{
	if (b->proxy && at)
		return EMIT(b, "Expand", unsqueeze(b, cast(b, at, b->type), -1),
		            INTS(b, 1, 1, weight_shape(b, name).dim[1]));
	return EMIT_INT(b, "Gather", "axis", 0, param(b, name), at);
}

/* pad + running count of real tokens; padding itself stands at pad */
static Value *
count_real(Build *b, int64_t pad)
{
	Value *real = EMIT(b, "Equal", b->ids, int_scalar(b, pad)), *n;

	real = cast(b, EMIT(b, "Not", real), DT_I64);
	n = EMIT(b, "CumSum", real, int_scalar(b, 1));
	n = EMIT(b, "Mul", n, real);
	return EMIT(b, "Add", n, int_scalar(b, pad));
}

/* [rows,width] of sines and then cosines of p 10000^(-i/n), i < width / 2,
 * in double; the row of padding is zero. */
static Value *
sinusoids(Build *b, const Json *p)
{
	enum { MAXTABLE = 1 << 24 };
	int64_t width = json_get_int(p, "width", 0),
		rows = json_get_int(p, "rows", 0), half = width / 2;
	double n = json_get_num(p, "sin", 0);
	float *x;
	Value *v;

	if (width < 2 || width % 2 || n <= 0 || rows < 1 ||
	    rows > MAXTABLE / width)
		return fail(b->c, QE_INPUT,
		            "%lld rows of %lld sines and cosines",
		            (long long)rows, (long long)width),
		       NULL;
	x = NEWV(b->a, float, rows *width);
	for (int64_t at = 0; at < rows; at++)
		for (int64_t i = 0; i < half; i++) {
			double angle = (double)at * pow(10000, (double)-i / n);

			if (at == json_get_int(p, "pad", -1))
				continue;
			x[at * width + i] = (float)sin(angle);
			x[at * width + half + i] = (float)cos(angle);
		}
	v = floats(b, arena_str(b->a, "%spositions", b->scope ? b->scope : ""),
	           &(Shape){2, {rows, width}}, x);
	return b->type == DT_F32 ? v : cast(b, v, b->type);
}

/* pad + 1 + position; padding itself stands at pad */
static Value *
skip_pad(Build *b, Value *at, int64_t pad)
{
	at = EMIT(b, "Add", at, int_scalar(b, pad + 1));
	return EMIT(b, "Where", EMIT(b, "Equal", b->ids, int_scalar(b, pad)),
	            int_scalar(b, pad), at);
}

static Value *
position_rows(Build *b, const Json *p)
{
	const char *ids = json_get_str(p, "ids", "position_ids");
	int64_t offset = json_get_int(p, "offset", 0),
		pad = json_get_int(p, "pad", 0);
	Value *at = b->positions;

	if (strcmp(ids, "cumsum_nonpad") == 0)
		at = count_real(b, pad);
	else if (!b->encoder)
		at = EMIT(b, "Where", EMIT(b, "Less", at, int_scalar(b, 0)),
		          int_scalar(b, 0), at);
	if (strcmp(ids, "skip_pad") == 0)
		at = skip_pad(b, at, pad);
	if (offset)
		at = EMIT(b, "Add", at, int_scalar(b, offset));
	if (json_get(p, "sin"))
		return EMIT_INT(b, "Gather", "axis", 0, sinusoids(b, p), at);
	return rows_of(b, json_get_str(p, "weight", ""), at);
}

/* Adds the positions if they are due before (late: behind) the projection. */
static Value *
add_positions(Build *b, const Json *e, bool late, Value *x)
{
	const Json *p = json_get(e, "positions");

	if (!p || json_get_bool(p, "late", false) != late)
		return x;
	return EMIT(b, "Add", x, position_rows(b, p));
}

Value *
embed(Build *b)
{
	const Json *e = json_get(b->root, "embed");
	const char *types = json_get_str(e, "types", NULL);
	Value *x = rows_of(b, json_get_str(e, "weight", ""), b->ids);

	if (json_get(e, "mul"))
		x = EMIT(b, "Mul", x, scalar(b, json_get_num(e, "mul", 1)));
	if (types)
		x = EMIT(b, "Add", x, rows_of(b, types, b->types));
	x = add_positions(b, e, false, x);
	if (json_get_bool(e, "norm_last", false) && json_get(e, "proj"))
		x = linear(b, json_get(e, "proj"), x);
	x = norm(b, json_get(e, "norm"), x);
	if (json_get_bool(e, "mask_mul", false) && b->mask)
		x = EMIT(b, "Mul", x,
		         cast(b, unsqueeze(b, b->mask, 2), b->type));
	if (json_get(e, "proj") && !json_get_bool(e, "norm_last", false))
		x = linear(b, json_get(e, "proj"), x);
	x = add_positions(b, e, true, x);
	return b->embedded = x;
}
