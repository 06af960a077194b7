/* SPDX-License-Identifier: BSD-3-Clause
 * item.c - one matrix of a computed stack of them.
 *
 * A stack of experts that comes out of few bits is too large to be computed
 * at once.  The expression is made anew for one item: where it was put
 * together of items, that part alone; else the first axis is cut to one at
 * the constants, which is right for what works on each item by itself. */

#include "compile.h"

enum { MAXDEPTH = 64 };

static Value *
cut(Graph *g, Value *v, int64_t i)
{
	Value *in[] = {v, const_i64(g, NULL, 1, &i),
	               const_i64(g, NULL, 1, (int64_t[]){i + 1}),
	               const_i64(g, NULL, 1, (int64_t[]){0})},
	      *out = value_new(g, NULL, DT_NONE, NULL);

	node_new(g, "", "Slice", 4, in, 1, &out);
	return out;
}

/* The target of a Reshape with its first dimension, count, made 1. */
static Value *
one_row(Graph *g, const Value *to, int64_t count)
{
	int64_t dims[MAXRANK], n = shape_count(&to->shape);

	if (to->type != DT_I64 || !to->data.mem || n < 1 || n > MAXRANK)
		return NULL;
	memcpy(dims, to->data.mem, (size_t)n * sizeof *dims);
	if (dims[0] != count)
		return NULL;
	dims[0] = 1;
	return const_i64(g, NULL, (int)n, dims);
}

/* Constant integers that are all above zero, as axes behind the first. */
static bool
are_positive(const Value *v)
{
	const int64_t *p = v ? v->data.mem : NULL;

	for (int64_t i = 0; p && i < shape_count(&v->shape); i++)
		if (p[i] <= 0)
			return false;
	return p && v->type == DT_I64;
}

/* Whether n works on each item of its first axis by itself. */
static bool
is_itemwise(const Node *n)
{
	static const char *const plain[] = {"Cast",    "Mul", "Sub",
	                                    "Add",     "Mod", "BitShift",
	                                    "Reshape", NULL};
	const int64_t *perm;

	if (*n->domain || n->nout != 1)
		return false;
	if (strcmp(n->type, "Transpose") == 0)
		return attr_ints(n, "perm", &perm) > 0 && perm[0] == 0;
	if (strcmp(n->type, "Concat") == 0)
		return attr_int(n, "axis", 0) > 0;
	if (strcmp(n->type, "Unsqueeze") == 0)
		return n->nin > 1 && are_positive(n->in[1]);
	if (strcmp(n->type, "Slice") == 0)
		return n->nin > 3 && are_positive(n->in[3]);
	if (strcmp(n->type, "Gather") == 0) /* from a table, by codes */
		return !attr_int(n, "axis", 0) && value_is_const(n->in[0]) &&
		       n->in[0]->shape.rank == 1;
	return str_in(n->type, plain);
}

/* n once more, with other inputs */
static Value *
again(Graph *g, const Node *n, Value *const *in)
{
	Value *out = value_new(g, NULL, DT_NONE, NULL);
	Node *made = node_new(g, "", n->type, n->nin, in, 1, &out);

	made->name = n->name;
	made->attr = n->attr;
	made->nattr = n->nattr;
	return out;
}

static Value *
lead(Graph *g, Value *v, int64_t i, int64_t count, int depth)
{
	Node *n = v->from;
	Value **in;

	if (value_is_const(v))
		return v->shape.rank > 1 && v->shape.dim[0] == count
		               ? cut(g, v, i)
		               : v;
	if (!n || depth > MAXDEPTH || !is_itemwise(n))
		return NULL;
	in = NEWV(g->mem, Value *, n->nin);
	for (int k = 0; k < n->nin; k++) {
		in[k] = k == 1 && strcmp(n->type, "Reshape") == 0
		                ? one_row(g, n->in[1], count)
		                : lead(g, n->in[k], i, count, depth + 1);
		if (!in[k])
			return NULL;
	}
	return again(g, n, in);
}

/* The Concat of items behind casts and transposes of each. */
static const Node *
put_together(const Value *v)
{
	const Node *n = v->from;

	while (n && (is_op(n, "", "Cast") || is_op(n, "", "Transpose")) &&
	       is_itemwise(n))
		n = n->in[0]->from;
	return is_op(n, "", "Concat") && attr_int(n, "axis", -1) == 0 ? n
	                                                              : NULL;
}

bool
item_is_own(const Value *v)
{
	return put_together(v) != NULL;
}

Value *
item_of(Graph *g, Value *v, int64_t i)
{
	const Node *cat = put_together(v), *n = v->from;
	Value *in;

	if (!cat)
		return lead(g, v, i, v->shape.dim[0], 0);
	if (n == cat)
		return i < n->nin && n->in[i]->shape.dim[0] == 1 ? n->in[i]
		                                                 : NULL;
	in = item_of(g, n->in[0], i);
	return in ? again(g, n, &in) : NULL;
}
