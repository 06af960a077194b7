/* SPDX-License-Identifier: BSD-3-Clause
 * cast.c - two casts in a row are one where the first one loses nothing.
 *
 * float16 -> float32 -> int8 is float16 -> int8; the other way round, a
 * rounding would get lost, and the nodes stay.  Needs types. */

#include "pass.h"

/* Digits and exponents of the float types in bits; 0: not looked at. */
static const struct {
	int digits, exponent;
} floats[DT_COUNT] = {
	[DT_F64] = {53, 11},
	[DT_F32] = {24, 8},
	[DT_F16] = {11, 5},
	[DT_BF16] = {8, 8},
};

static bool
int_to_int(DType from, DType to)
{
	int more = dtypes[to].bits - dtypes[from].bits;

	if (dtypes[from].class == dtypes[to].class)
		return more >= 0;
	return dtypes[to].class == 'I' && more > 0;
}

/* Whether every value of `from` is one of `to`. */
static bool
holds(DType to, DType from)
{
	char a = dtypes[from].class, b = dtypes[to].class;
	bool number = strchr("IUF", b) != NULL;

	if (a == 'B')
		return b == 'B' || (number && dtypes[to].bits >= 8);
	if (b == 'F' && a == 'F')
		return floats[from].digits && floats[to].digits &&
		       floats[to].digits >= floats[from].digits &&
		       floats[to].exponent >= floats[from].exponent;
	if (b == 'F')
		return (a == 'I' || a == 'U') &&
		       dtypes[from].bits <= floats[to].digits;
	return (a == 'I' || a == 'U') && (b == 'I' || b == 'U') &&
	       int_to_int(from, to);
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	Value *mid = n->nin ? n->in[0] : NULL, *x;

	(void)c;
	if (!node_is(n, "Cast") || !mid || !node_is(mid->from, "Cast"))
		return true;
	x = mid->from->in[0];
	if (!x->type || !mid->type || !holds(mid->type, x->type))
		return true;
	if (n->out[0]->type == x->type) {
		edit_drop(e, n, x);
		return true;
	}
	edit_input(e, n, 0, x);
	return true;
}

bool
pass_cast(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
