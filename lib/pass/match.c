/* SPDX-License-Identifier: BSD-3-Clause
 * match.c - finding a pattern of nodes, from its last node upwards. */

#include <math.h>

#include "op.h"
#include "pass.h"

Node *
match_op(const Value *v, const char *type)
{
	if (!v || !v->from || !node_is(v->from, type) || v->from->nout != 1)
		return NULL;
	return v->from;
}

Node *
match_inner(const Value *v, const char *type)
{
	Node *n = match_op(v, type);

	return n && v->mark == 1 && !edit_is_output(n->graph, v) ? n : NULL;
}

bool
match_number(const Value *v, double *x)
{
	if (!v || !v->data.mem || shape_count(&v->shape) != 1 ||
	    dtypes[v->type].class != 'F')
		return false;
	*x = value_f64(v, 0);
	return true;
}

/* Constants of exporters are rounded to float32, or written with few
 * digits. */
bool
match_is(const Value *v, double want)
{
	double x;

	return match_number(v, &x) && fabs(x - want) <= 1e-4 * fabs(want);
}

/* Attribute, or since opset 18 (ReduceSum: 13) input. */
bool
match_last_axis(const Node *n)
{
	const int64_t *axes;
	int64_t axis = 0, rank = n->in[0]->shape.rank;
	int k = attr_ints(n, "axes", &axes);

	if (k == 1)
		axis = axes[0];
	else if (k < 0 && n->nin == 2 && n->in[1] && n->in[1]->data.mem &&
	         shape_count(&n->in[1]->shape) == 1)
		axis = value_i64(n->in[1], 0);
	else
		return false;
	return attr_int(n, "keepdims", 1) && (axis == -1 || axis == rank - 1);
}

bool
match_square(const Node *n, const Value *x)
{
	if (!n || n->nin != 2 || n->in[0] != x)
		return false;
	if (node_is(n, "Mul"))
		return n->in[1] == x;
	return node_is(n, "Pow") && match_is(n->in[1], 2);
}

/* ReduceMean(x^2) + eps */
bool
match_mean_square(const Value *v, const Value *x, double *eps)
{
	const Node *add = match_inner(v, "Add"), *mean;
	const Value *m;

	if (!add)
		return false;
	m = match_number(add->in[1], eps)   ? add->in[0]
	    : match_number(add->in[0], eps) ? add->in[1]
	                                    : NULL;
	mean = match_inner(m, "ReduceMean");
	return mean && match_last_axis(mean) && mean->in[0]->mark == 1 &&
	       match_square(mean->in[0]->from, x);
}

static bool
add_factors(const Value *v, Factors *f, int depth)
{
	const Node *n = depth ? match_inner(v, "Mul") : match_op(v, "Mul");

	if (n && depth < MAXFACTORS)
		return add_factors(n->in[0], f, depth + 1) &&
		       add_factors(n->in[1], f, depth + 1);
	if (f->n == MAXFACTORS)
		return false;
	f->v[f->n++] = (Value *)(uintptr_t)v;
	return true;
}

bool
match_product(const Value *v, Factors *f)
{
	f->n = 0;
	return match_op(v, "Mul") && add_factors(v, f, 0);
}

bool
match_take(Factors *f, const Value *v)
{
	for (int i = 0; i < f->n; i++)
		if (f->v[i] == v) {
			f->v[i] = f->v[--f->n];
			return true;
		}
	return false;
}

bool
match_take_number(Factors *f, double x)
{
	for (int i = 0; i < f->n; i++)
		if (match_is(f->v[i], x))
			return match_take(f, f->v[i]);
	return false;
}
