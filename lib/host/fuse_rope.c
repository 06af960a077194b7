/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_rope.c - rotary positions: x cos + (-x2, x1) sin, where cos and sin are
 * rows of tables at positions, or the same for every call.
 *
 * host rope: in x, cos table, sin table, positions; style, rot.
 */

#include "compile.h"

Value *
own_places(Graph *g, int64_t batch, int64_t s)
{
	char *name = arena_str(g->mem, "host.places_%lld_%lld",
	                       (long long)batch, (long long)s);
	Value *v = value_find(g, name);
	int64_t *x;

	if (v)
		return v;
	x = NEWV(g->mem, int64_t, batch * s);
	for (int64_t i = 0; i < batch * s; i++)
		x[i] = i % s;
	return const_bytes(g, name, DT_I64, &(Shape){2, {batch, s}}, x);
}

/* cos or sin that does not depend on positions given, [1,1,S,rot]: a table
 * of which place i takes row i */
static Value *
fixed_table(Graph *g, Value *v, const Value *x, Value **pos)
{
	const int64_t *d = v->shape.dim;
	Value *t;

	if (!is_weight(v) || v->shape.rank != 4 || d[0] != 1 || d[1] != 1 ||
	    d[2] != x->shape.dim[2])
		return NULL;
	t = add_typed(g, "Reshape", v->type, &(Shape){2, {d[2], d[3]}}, v,
	              const_i64(g, NULL, 2, (int64_t[]){d[2], d[3]}), NULL);
	*pos = own_places(g, x->shape.dim[0], d[2]);
	return t;
}

/* Rows of a [rows,rot] table at positions [B,S], or NULL. */
static Node *
looked_up(const Value *v)
{
	Node *n = made_by(v, "Gather");

	return n && attr_int(n, "axis", 0) == 0 && n->in[0]->shape.rank == 2 &&
	                       is_weight(n->in[0]) && n->in[1]->type == DT_I64
	               ? n
	               : NULL;
}

/* Both tables, one behind the other. */
static Value *
both_tables(Graph *g, Value *first, Value *second)
{
	char *name = arena_str(g->mem, "%s.%s", first->name, second->name);
	const int64_t *d = first->shape.dim;
	Value *v = value_find(g, name);

	if (v)
		return v;
	v = add_typed(g, "Concat", first->type, &(Shape){2, {2 * d[0], d[1]}},
	              first, second, NULL);
	attr_set_int(g, v->from, "axis", 0);
	value_rename(g, v, name);
	return v;
}

/* Positions [B,S], of the second table where which [B,1] is true. */
static Value *
in_both(Graph *g, Value *pos, Value *which, int64_t rows)
{
	char *name = arena_str(g->mem, "%s.of.%s", pos->name, which->name);
	Value *v = value_find(g, name);

	if (v)
		return v;
	v = add_typed(g, "Where", DT_I64, &which->shape, which,
	              const_i64_scalar(g, NULL, rows),
	              const_i64_scalar(g, NULL, 0));
	v = add_typed(g, "Add", DT_I64, &pos->shape, pos, v, NULL);
	value_rename(g, v, name);
	return v;
}

/* One of two tables for each row of the batch, as longrope has them. */
static Value *
table_of_two(Value *v, Value **pos)
{
	Node *where = made_by(v, "Where"), *a, *b;
	Value *which, *at;
	Graph *g;

	if (!where || !(a = looked_up(where->in[1])) ||
	    !(b = looked_up(where->in[2])) || a->in[1] != b->in[1] ||
	    !shape_eq(&a->in[0]->shape, &b->in[0]->shape))
		return NULL;
	g = where->graph;
	at = a->in[1];
	which = skip_views(where->in[0]);
	if (which->shape.rank != 2 || at->shape.rank != 2 ||
	    which->shape.dim[0] != at->shape.dim[0] || which->shape.dim[1] != 1)
		return NULL;
	at = in_both(g, at, which, a->in[0]->shape.dim[0]);
	if (*pos && *pos != at)
		return NULL;
	*pos = at;
	return both_tables(g, b->in[0], a->in[0]);
}

/* The table behind cos or sin [B,1,S,rot] of x: rows of it at the positions.
 */
static Value *
table_of(Value *v, const Value *x, Value **pos)
{
	Node *n = looked_up(skip_views(v));

	if (is_weight(v) && x->from)
		return fixed_table(x->from->graph, v, x, pos);
	if (!n)
		return table_of_two(skip_views(v), pos);
	if (*pos && *pos != n->in[1])
		return NULL;
	*pos = n->in[1];
	return n->in[0];
}

/* v = x[..., from : to) on the last axis */
Value *
last_slice(Value *v, int64_t from, int64_t to)
{
	Node *n = made_by(v, "Slice");
	int64_t axis, rank;

	if (!n || n->nin < 4 || shape_count(&n->in[1]->shape) != 1)
		return NULL;
	rank = n->in[0]->shape.rank;
	if (!is_const_ints(n->in[1], 1, &from) || !n->in[3]->data.mem ||
	    n->in[3]->type != DT_I64)
		return NULL;
	axis = *(const int64_t *)n->in[3]->data.mem;
	if ((axis != -1 && axis != rank - 1) || last_dim(v) != to - from ||
	    (n->nin > 4 && n->in[4] && !const_is(n->in[4], 1)))
		return NULL;
	return n->in[0];
}

/* r = rotate_half(x) = concat(-x[half:], x[:half]) */
static bool
is_rotate_half(Value *r, const Value *x)
{
	Node *cat = made_by(r, "Concat"), *neg;
	int64_t d = last_dim(r), half = d / 2;

	if (!cat || cat->nin != 2 || !(neg = made_by(cat->in[0], "Neg")))
		return false;
	return last_slice(neg->in[0], half, d) == x &&
	       last_slice(cat->in[1], 0, half) == x;
}

/* x * cos + rotate_half(x) * sin */
static bool
match_rotation(Value *v, Rope *r)
{
	Node *add = made_by(v, "Add"), *mul[2];

	if (!add)
		return false;
	for (int swap = 0; swap < 2; swap++) {
		mul[0] = made_by(add->in[swap], "Mul");
		mul[1] = made_by(add->in[1 - swap], "Mul");
		for (int i = 0; mul[0] && mul[1] && i < 4; i++) {
			Value *x = mul[0]->in[i & 1],
			      *half = mul[1]->in[i >> 1];

			if (!is_rotate_half(half, x))
				continue;
			r->pos = NULL;
			r->x = x;
			r->rot = last_dim(x);
			r->style = 0;
			r->cos = table_of(other_input(mul[0], x), x, &r->pos);
			r->sin =
				table_of(other_input(mul[1], half), x, &r->pos);
			return r->cos && r->sin;
		}
	}
	return false;
}

/* The same on the first part of the head, the rest passed on. */
bool
match_rope(Value *v, Rope *r)
{
	Node *cat = made_by(v, "Concat");
	Value *whole;

	if (match_rotation(v, r))
		return true;
	if (!cat || cat->nin != 2 || !match_rotation(cat->in[0], r))
		return false;
	whole = last_slice(r->x, 0, r->rot);
	if (!whole || last_slice(cat->in[1], r->rot, last_dim(v)) != whole)
		return false;
	r->x = whole;
	return true;
}

/* A rotation that no attention of ours has taken. */
bool
fuse_rope(Ctx *c, Graph *g, Node *n)
{
	Value *v = n->out[0];
	Rope r;

	(void)c;
	if (v->type != DT_F32 || v->shape.rank != 4 || !match_rotation(v, &r))
		return false;
	graph_replace(g, v, transposed(g, tokens_major(g, v)));
	return true;
}
