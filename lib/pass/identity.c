/* SPDX-License-Identifier: BSD-3-Clause
 * identity.c - nodes whose output is their input leave the graph.
 *
 * Only where every bit is the same: x + 0 is not x where x is -0, x - 0 is.
 * Needs shapes for Reshape and its like; keeps names of graph outputs. */

#include <math.h>

#include "op.h"
#include "pass.h"

enum { SMALL = 4096 }; /* elements of a constant that is looked at */

typedef bool SameFn(const Node *);

typedef struct Rule {
	const char *type;
	SameFn *same; /* whether out[0] is in[0] */
} Rule;

static bool
always(const Node *n)
{
	(void)n;
	return true;
}

static bool
one_input(const Node *n)
{
	return n->nin == 1;
}

static bool
no_bounds(const Node *n)
{
	return (n->nin < 2 || !n->in[1]) && (n->nin < 3 || !n->in[2]) &&
	       !attr_find(n, "min") && !attr_find(n, "max");
}

static bool
same_type(const Node *n)
{
	return n->in[0]->type != DT_NONE && n->in[0]->type == n->out[0]->type;
}

static bool
same_dims(const Node *n)
{
	return same_shape(n->in[0], n->out[0]);
}

static bool
in_order(const Node *n)
{
	const int64_t *perm;
	int rank = attr_ints(n, "perm", &perm);

	for (int i = 0; i < rank; i++)
		if (perm[i] != i)
			return false;
	return rank >= 0 ||
	       (n->in[0]->shape.rank >= 0 && n->in[0]->shape.rank < 2);
}

/* Before opset 7 a node said itself whether it trains, since 12 an input
 * does. */
static bool
inference(const Node *n)
{
	if (n->nout > 1 && n->out[1] && n->out[1]->mark)
		return false;
	if (graph_opset(n->graph, "") < 7)
		return attr_int(n, "is_test", 0) != 0;
	return n->nin < 3 || !n->in[2];
}

/* Whether input k is there and all its elements are x, of this sign. */
static bool
all_are(const Node *n, int k, double x)
{
	const Value *v = k < n->nin ? n->in[k] : NULL;
	int64_t count = v && v->data.mem ? shape_count(&v->shape) : -1;

	if (count < 1 || count > SMALL || dtypes[v->type].class == 'S' ||
	    dtypes[v->type].class == 'C')
		return false;
	for (int64_t i = 0; i < count; i++)
		if (value_f64(v, i) != x ||
		    (dtypes[v->type].class == 'F' &&
		     signbit(value_f64(v, i)) != signbit(x)))
			return false;
	return true;
}

/* A constant second input that does not widen the first, of the value that
 * changes nothing. */
static bool
neutral(const Node *n, double x)
{
	if (n->nin != 2 || !all_are(n, 1, x))
		return false;
	return same_dims(n) || (n->in[0]->shape.rank >= n->in[1]->shape.rank &&
	                        shape_count(&n->in[1]->shape) == 1);
}

static bool
plus_zero(const Node *n)
{
	return neutral(n, -0.0) ||
	       (dtypes[n->in[0]->type].class != 'F' && neutral(n, 0.0));
}

static bool
minus_zero(const Node *n)
{
	return neutral(n, 0.0);
}

static bool
by_one(const Node *n)
{
	return neutral(n, 1.0);
}

static bool
no_pads(const Node *n)
{
	return same_dims(n) && all_are(n, 1, 0);
}

/* All of it, in order: same shape, and no step backwards. */
static bool
whole(const Node *n)
{
	if (!same_dims(n))
		return false;
	if (n->nin < 5 || !n->in[4])
		return true;
	return all_are(n, 4, 1);
}

/* 0 copies a dimension. */
static bool
reshape_same(const Node *n)
{
	if (same_dims(n))
		return true;
	return n->nin > 1 && all_are(n, 1, 0) && !attr_int(n, "allowzero", 0) &&
	       n->in[0]->shape.rank == shape_count(&n->in[1]->shape);
}

static bool
expand_same(const Node *n)
{
	if (same_dims(n))
		return true;
	return n->nin > 1 && all_are(n, 1, 1) &&
	       n->in[0]->shape.rank >= shape_count(&n->in[1]->shape);
}

/* clang-format off */
static const Rule rules[] = {
	{"Add",       plus_zero},
	{"Cast",      same_type},
	{"CastLike",  same_type},
	{"Clip",      no_bounds},
	{"Concat",    one_input},
	{"Div",       by_one},
	{"Dropout",   inference},
	{"Expand",    expand_same},
	{"Flatten",   same_dims},
	{"Identity",  always},
	{"Max",       one_input},
	{"Mean",      one_input},
	{"Min",       one_input},
	{"Mul",       by_one},
	{"Pad",       no_pads},
	{"Pow",       by_one},
	{"Reshape",   reshape_same},
	{"Slice",     whole},
	{"Squeeze",   same_dims},
	{"Sub",       minus_zero},
	{"Sum",       one_input},
	{"Tile",      same_dims},
	{"Transpose", in_order},
};
/* clang-format on */

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	(void)c;
	if (*n->domain || n->nin < 1 || n->nout < 1 || !n->in[0] ||
	    !n->out[0] || n->in[0]->kind != VALUE_TENSOR)
		return true;
	for (const Rule *r = rules; r < rules + LEN(rules); r++)
		if (strcmp(r->type, n->type) == 0) {
			if (r->same(n))
				edit_drop(e, n, n->in[0]);
			return true;
		}
	return true;
}

bool
pass_identity(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
