/* SPDX-License-Identifier: BSD-3-Clause
 * match.c - looking at a graph: who makes a value, is it constant, what is
 * the other factor. */

#include <math.h>

#include "compile.h"

bool
is_op(const Node *n, const char *domain, const char *type)
{
	return n && strcmp(n->type, type) == 0 &&
	       strcmp(n->domain, domain) == 0;
}

bool
is_planned(const Value *v)
{
	return v->kind == VALUE_TENSOR && v->type && v->type != DT_STRING &&
	       shape_known(&v->shape);
}

bool
node_planned(const Node *n)
{
	if (n->op && n->op->flags & (CONTROL | DYNAMIC))
		return false;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && !is_planned(n->in[i]))
			return false;
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && !is_planned(n->out[i]))
			return false;
	return n->nout > 0 && n->out[0];
}

bool
is_plain(const Node *n)
{
	return node_planned(n) &&
	       !(attr_int(n, "broadcast", 0) && attr_find(n, "axis"));
}

bool
is_last_softmax(const Node *n)
{
	int64_t axis = attr_int(n, "axis", n->op->since < 13 ? 1 : -1),
		rank = n->in[0]->shape.rank;

	return rank > 0 && (axis == -1 || axis == rank - 1);
}

static Node *
maker(const Value *v, const char *domain, const char *type)
{
	return v && is_op(v->from, domain, type) && is_plain(v->from) ? v->from
	                                                              : NULL;
}

Node *
made_by(const Value *v, const char *type)
{
	return maker(v, "", type);
}

Node *
made_by_host(const Value *v, const char *kernel)
{
	return maker(v, HOST_DOMAIN, kernel);
}

Node *
side_by_side(const Value *v)
{
	Node *n = made_by(v, "Concat");
	int64_t axis = n ? attr_int(n, "axis", 0) : 0;

	return n && n->nin == 2 && v->shape.rank == 4 &&
	                       (axis == 3 || axis == -1)
	               ? n
	               : NULL;
}

Value *
skip_views(Value *v)
{
	while (made_by_host(v, "view"))
		v = v->from->in[0];
	return v;
}

static bool
constant(const Value *v, int depth)
{
	const Node *n = v->from;

	if (value_is_const(v))
		return true;
	if (!n || !n->op || !(n->op->flags & PURE) || n->op->flags & DYNAMIC ||
	    depth > 32)
		return false;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && !constant(n->in[i], depth + 1))
			return false;
	return true;
}

bool
is_weight(const Value *v)
{
	return v && constant(v, 0);
}

bool
is_real(const Value *v)
{
	return v->type == DT_F32 || v->type == DT_F16 || v->type == DT_BF16;
}

bool
const_number(const Value *v, double *x)
{
	if (!v || !v->data.mem || shape_count(&v->shape) != 1)
		return false;
	switch (v->type) {
	case DT_F32:
		*x = (double)*(const float *)v->data.mem;
		return true;
	case DT_F64:
		*x = *(const double *)v->data.mem;
		return true;
	case DT_F16:
		*x = (double)f16_to_f32(*(const uint16_t *)v->data.mem);
		return true;
	case DT_BF16:
		*x = (double)bf16_to_f32(*(const uint16_t *)v->data.mem);
		return true;
	case DT_I64:
		*x = (double)*(const int64_t *)v->data.mem;
		return true;
	case DT_I32:
		*x = *(const int32_t *)v->data.mem;
		return true;
	case DT_BOOL:
		*x = *(const uint8_t *)v->data.mem != 0;
		return true;
	default:
		return false;
	}
}

bool
const_is(const Value *v, double want)
{
	double x;

	return const_number(v, &x) && fabs(x - want) <= 1e-6 * fabs(want);
}

Value *
other_input(const Node *n, const Value *v)
{
	if (n->nin != 2)
		return NULL;
	return n->in[0] == v ? n->in[1] : n->in[1] == v ? n->in[0] : NULL;
}

Value *
with_const(const Value *v, const char *type, double *s)
{
	Node *n = made_by(v, type);

	if (!n || n->nin != 2)
		return NULL;
	if (const_number(n->in[1], s))
		return n->in[0];
	return const_number(n->in[0], s) ? n->in[1] : NULL;
}

int64_t
rows_of(const Value *v)
{
	Shape s = v->shape;

	s.rank = s.rank > 0 ? s.rank - 1 : 0;
	return shape_count(&s);
}

int64_t
last_dim(const Value *v)
{
	return v->shape.rank > 0 ? v->shape.dim[v->shape.rank - 1] : 1;
}

void
stand_in(Graph *g, Value *old, Value *by)
{
	const char *name = old->name;

	graph_replace(g, old, by);
	value_rename(g, old, arena_str(g->mem, "%s.was%d", name, g->serial++));
	value_rename(g, by, name);
}

Value *
add_typed(Graph *g, const char *type, DType t, const Shape *s, Value *a,
          Value *b, Value *c)
{
	Value *v = node_add(g, type, NULL, a, b, c);

	v->type = t;
	v->shape = *s;
	return v;
}

Node *
host_node(Graph *g, const char *kernel, int nin, Value *const *in, Value *v)
{
	Value *out = value_new(g, NULL, v->type, &v->shape);
	Node *n = node_new(g, HOST_DOMAIN, kernel, nin, in, 1, &out);

	n->name = v->from && *v->from->name ? v->from->name : v->name;
	stand_in(g, v, out);
	return n;
}

Node *
host_extend(Graph *g, const Node *m, int slot, Value *in, Value *out)
{
	Node *h = host_node(g, m->type, m->nin, m->in, out);

	h->attr =
		arena_copy(g->mem, m->attr, (size_t)m->nattr * sizeof *m->attr);
	h->nattr = m->nattr;
	h->capattr = (size_t)m->nattr;
	if (slot >= 0)
		h->in[slot] = in;
	return h;
}

bool
is_const_ints(const Value *v, int n, const int64_t *want)
{
	if (!v || v->type != DT_I64 || !v->data.mem ||
	    shape_count(&v->shape) != n)
		return false;
	return memcmp(v->data.mem, want, (size_t)n * sizeof *want) == 0;
}

bool
is_perm(const Node *n, int rank, const int64_t *want)
{
	return attr_is_ints(n, "perm", rank, want);
}

bool
is_iota(const Value *v, int64_t n)
{
	const int64_t *x = v->data.mem;
	Node *r;

	if (v->type != DT_I64 || shape_count(&v->shape) != n)
		return false;
	if (!x) { /* shapes of what is constant stay as they are */
		while ((r = made_by(v, "Reshape")))
			v = r->in[0];
		r = made_by(v, "Range");
		return r && const_is(r->in[0], 0) && const_is(r->in[2], 1);
	}
	for (int64_t i = 0; i < n; i++)
		if (x[i] != i)
			return false;
	return true;
}
