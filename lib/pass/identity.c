/* SPDX-License-Identifier: BSD-3-Clause
 * identity.c - nodes whose output is their input leave the graph.
 *
 * Only where every bit is the same: x + 0 is not x where x is -0, x - 0 is.
 * Needs shapes for Reshape and its like; keeps names of graph outputs. */

#include "pass.h"

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

static const Rule rules[] = {
	{"Cast", same_type},    {"CastLike", same_type},
	{"Clip", no_bounds},    {"Concat", one_input},
	{"Dropout", inference}, {"Expand", same_dims},
	{"Flatten", same_dims}, {"Identity", always},
	{"Max", one_input},     {"Mean", one_input},
	{"Min", one_input},     {"Reshape", same_dims},
	{"Squeeze", same_dims}, {"Sum", one_input},
	{"Tile", same_dims},    {"Transpose", in_order},
};

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
