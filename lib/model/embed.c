/* SPDX-License-Identifier: BSD-3-Clause
 * embed.c - from token ids to the first hidden state [B,S,H].
 *
 * Positions of a decoder are position_ids, with -1 (padding) read as 0 so
 * that a table has a row for it; of an encoder 0..S-1, or the number of
 * tokens that are not padding up to here, plus the padding's id. */

#include "build.h"

static Value *
rows_of(Build *b, const char *name, Value *at)
{
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

static Value *
position_rows(Build *b, const Json *p)
{
	const char *ids = json_get_str(p, "ids", "position_ids");
	int64_t offset = json_get_int(p, "offset", 0);
	Value *at = b->positions;

	if (strcmp(ids, "cumsum_nonpad") == 0)
		at = count_real(b, json_get_int(p, "pad", 0));
	else if (!b->encoder)
		at = EMIT(b, "Where", EMIT(b, "Less", at, int_scalar(b, 0)),
		          int_scalar(b, 0), at);
	if (offset)
		at = EMIT(b, "Add", at, int_scalar(b, offset));
	return rows_of(b, json_get_str(p, "weight", ""), at);
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
	if (json_get(e, "positions"))
		x = EMIT(b, "Add", x,
		         position_rows(b, json_get(e, "positions")));
	x = norm(b, json_get(e, "norm"), x);
	if (json_get_bool(e, "mask_mul", false) && b->mask)
		x = EMIT(b, "Mul", x,
		         cast(b, unsqueeze(b, b->mask, 2), b->type));
	if (json_get(e, "proj"))
		x = linear(b, json_get(e, "proj"), x);
	return x;
}
