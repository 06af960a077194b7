/* SPDX-License-Identifier: BSD-3-Clause
 * random-gen.h - a graph that grows by chance: the values so far, constants,
 * nodes.  For random-onnx, which has a row for each kind of node. */

#ifndef RANDOM_GEN_H
#define RANDOM_GEN_H

#include "num.h"

enum { MAXPOOL = 64, MAXDIM = 6 };

typedef struct Gen {
	Ctx c;
	Arena a;
	Graph *g;
	uint64_t seed;
	Value *pool[MAXPOOL];
	bool exact[MAXPOOL];
	int n;
	const char *op; /* of the row at work */
} Gen;

static int64_t
below(Gen *s, int64_t n)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((s->seed >> 33) % (uint64_t)n);
}

static bool
coin(Gen *s)
{
	return below(s, 2) != 0;
}

static bool
is_float(const Value *v)
{
	return v->type == DT_F32 || v->type == DT_F64;
}

/* ---- values ---- */

static Shape
any_shape(Gen *s, int rank)
{
	Shape y = {rank, {0}};

	for (int i = 0; i < rank; i++)
		y.dim[i] = 1 + below(s, MAXDIM);
	return y;
}

/* Quarters from -3 to 3; integers 0 to 5; both ways a bool. */
static void
fill(Gen *s, Value *v)
{
	for (int64_t i = 0; i < shape_count(&v->shape); i++) {
		double x = (double)(below(s, 25) - 12) / 4;
		int64_t k = below(s, v->type == DT_BOOL ? 2 : 6);

		if (dtype_is_float(v->type))
			store_f64(v, i, 1, &x);
		else
			store_i64(v, i, 1, &k);
	}
}

static Value *
constant(Gen *s, DType t, Shape shape)
{
	Value v = {.name = "", .type = t, .shape = shape};

	value_alloc(&s->c, &s->a, &v);
	fill(s, &v);
	return const_bytes(s->g, NULL, t, &shape, v.data.mem);
}

static Value *
ints(Gen *s, int n, const int64_t *x)
{
	return const_i64(s->g, NULL, n, x);
}

static Value *
one_int(Gen *s, int64_t x)
{
	return ints(s, 1, &x);
}

static void
keep(Gen *s, Value *v, bool exact)
{
	if (s->n < MAXPOOL) {
		s->pool[s->n] = v;
		s->exact[s->n++] = exact;
	}
}

enum Want { FLOATS = 1, INTS = 2, BOOLS = 4, EXACT = 8, ANY = 7 };

/* One of the values so far, the later the likelier; NULL: none fits. */
static Value *
pick(Gen *s, unsigned want, int lo, int hi)
{
	for (int tries = 0; tries < 40; tries++) {
		int i = (int)MAX(below(s, s->n), below(s, s->n));
		const Value *v = s->pool[i];
		unsigned is = is_float(v)             ? FLOATS
		              : v->type == DT_BOOL    ? BOOLS
		              : dtype_is_int(v->type) ? INTS
		                                      : 0;

		if (want & is && v->shape.rank >= lo && v->shape.rank <= hi &&
		    shape_known(&v->shape) && (!(want & EXACT) || s->exact[i]))
			return s->pool[i];
	}
	return NULL;
}

static bool
is_exact(const Gen *s, const Value *v)
{
	for (int i = 0; i < s->n; i++)
		if (s->pool[i] == v)
			return s->exact[i];
	return value_is_const(v);
}

/* ---- nodes ---- */

static Node *
add(Gen *s, const char *op, int nin, Value *const *in, int nout)
{
	Value *out[4];

	for (int i = 0; i < nout; i++)
		out[i] = value_new(s->g, NULL, DT_NONE, &(Shape){.rank = -1});
	return node_new(s->g, "", op, nin, in, nout, out);
}

static Node *
add1(Gen *s, Value *a, Value *b, Value *c)
{
	Value *in[] = {a, b, c};

	return add(s, s->op, c ? 3 : b ? 2 : 1, in, 1);
}

/* Shapes follow from the inputs; outputs join the pool. */
static bool
done(Gen *s, Node *n, bool exact)
{
	if (!node_check(&s->c, n) || !n->op->infer(&s->c, n)) {
		note(&s->c, "%s", n->type);
		return false;
	}
	for (int i = 0; i < n->nout; i++)
		if (n->out[i])
			keep(s, n->out[i], exact);
	return true;
}

static int64_t
any_axis(Gen *s, const Value *v)
{
	int64_t axis = below(s, v->shape.rank);

	return coin(s) ? axis : axis - v->shape.rank;
}

/* Some of the dimensions become 1, some go away in front. */
static Shape
narrow(Gen *s, const Shape *x)
{
	int skip = x->rank ? (int)below(s, x->rank + 1) : 0;
	Shape y = {x->rank - skip, {0}};

	for (int i = 0; i < y.rank; i++)
		y.dim[i] = below(s, 3) ? x->dim[i + skip] : 1;
	return y;
}

static Value *
partner(Gen *s, Value *x)
{
	for (int i = 0; i < s->n; i++) {
		Value *y = s->pool[below(s, s->n)];
		Shape both = x->shape;
		Ctx trial = {0};

		if (y->type == x->type && shape_known(&y->shape) &&
		    shape_broadcast(&trial, &both, &y->shape))
			return y;
	}
	return constant(s, x->type, narrow(s, &x->shape));
}

#endif
