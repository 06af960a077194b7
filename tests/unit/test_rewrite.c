/* SPDX-License-Identifier: BSD-3-Clause
 * test_rewrite.c - graphs made by chance give the same numbers after the
 * usual passes, bit for bit, and pass twice as once. */

#include "check.h"
#include "pass.h"

enum { GRAPHS = 300, NODES = 30, DIM = 4 };

typedef struct Random {
	Arena a;
	Graph *g;
	uint64_t seed;
	Value *v[2 * NODES]; /* float32 [DIM, DIM], to choose from */
	int n;
} Random;

static int
below(Random *r, int n)
{
	r->seed = r->seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((r->seed >> 33) % (uint64_t)n);
}

static Value *
any(Random *r)
{
	return r->v[below(r, r->n)];
}

static Value *
shape_of(Random *r, int64_t m, int64_t n)
{
	return const_i64(r->g, NULL, 2, (int64_t[]){m, n});
}

/* Constants that often change nothing. */
static Value *
number(Random *r)
{
	static const float x[] = {0, -0.0F, 1, 2, 0.5F};

	return const_f32(r->g, NULL, x[below(r, (int)LEN(x))]);
}

static Value *
with_int(Value *v, const char *name, int64_t x)
{
	attr_set_int(v->from->graph, v->from, name, x);
	return v;
}

static Value *
transposed(Random *r, Value *v)
{
	Value *y = node_add(r->g, "Transpose", NULL, v, NULL, NULL);
	int64_t perm[2] = {0, 1};

	perm[0] = below(r, 2);
	perm[1] = 1 - perm[0];
	attr_set_ints(r->g, y->from, "perm", 2, perm);
	return y;
}

/* There and back, by shapes that are known only through the graph. */
static Value *
reshaped(Random *r, Value *v)
{
	Value *s = node_add(r->g, "Shape", NULL, v, NULL, NULL);
	Value *y = node_add(r->g, "Reshape", NULL, v,
	                    shape_of(r, DIM * DIM / 2, -1), NULL);

	return node_add(r->g, "Reshape", NULL, y, s, NULL);
}

static Value *
casted(Random *r, Value *v)
{
	static const DType types[] = {DT_F32, DT_F64, DT_F16, DT_I32};
	Value *y = v;

	for (int i = below(r, 3); i >= 0; i--)
		y = with_int(node_add(r->g, "Cast", NULL, y, NULL, NULL), "to",
		             dtypes[types[below(r, (int)LEN(types))]].onnx);
	return with_int(node_add(r->g, "Cast", NULL, y, NULL, NULL), "to",
	                dtypes[DT_F32].onnx);
}

static Value *
concatenated(Random *r, Value *v)
{
	Value *y = with_int(node_add(r->g, "Concat", NULL, v, any(r), NULL),
	                    "axis", 0);
	int64_t at = (int64_t)DIM * below(r, 2), to = at + DIM;

	return node_add(r->g, "Slice", NULL, y, const_i64(r->g, NULL, 1, &at),
	                const_i64(r->g, NULL, 1, &to));
}

static Value *
next(Random *r)
{
	static const char *const unary[] = {"Neg", "Abs", "Identity", "Tanh",
	                                    "Dropout"};
	static const char *const binary[] = {"Add", "Sub", "Mul", "Max",
	                                     "MatMul"};
	static const char *const neutral[] = {"Add", "Sub", "Mul", "Div"};
	Value *v = any(r);

	switch (below(r, 8)) {
	case 0:
	case 1:
		return node_add(r->g, unary[below(r, (int)LEN(unary))], NULL, v,
		                NULL, NULL);
	case 2:
	case 3:
		return node_add(r->g, binary[below(r, (int)LEN(binary))], NULL,
		                v, any(r), NULL);
	case 4:
		return node_add(r->g, neutral[below(r, (int)LEN(neutral))],
		                NULL, v, number(r), NULL);
	case 5:
		return below(r, 2) ? transposed(r, v) : concatenated(r, v);
	case 6:
		return reshaped(r, v);
	default:
		return casted(r, v);
	}
}

static void
make(Random *r, uint64_t seed)
{
	const Shape square = {2, {DIM, DIM}};

	r->g = graph_new(&r->a, "random");
	graph_import(r->g, "", 17);
	r->seed = seed;
	r->n = 0;
	for (; r->n < 2; r->n++)
		r->v[r->n] = value_input(r->g, NULL, DT_F32, &square);
	for (int i = 0; i < NODES; i++) {
		r->v[r->n] = next(r);
		r->n++;
	}
	for (int i = 0; i < 3; i++) {
		Value *v = r->v[r->n - 1 - below(r, NODES / 2)];

		if (v->from && !edit_is_output(r->g, v))
			graph_output(r->g, v);
	}
}

static bool
optimize(Ctx *c, Arena *a, Graph *g, int *changes)
{
	const Pass **p = pass_list(c, a, NULL);
	Edit e = {0};

	*changes = 0;
	for (; *p; p++) {
		if (!pass_run(c, g, *p, &e))
			return false;
		*changes += e.changes;
	}
	return true;
}

static bool
same_names(const Graph *a, const Graph *b)
{
	for (int i = 0; i < a->nout; i++)
		if (strcmp(a->out[i]->name, b->out[i]->name) != 0)
			return false;
	return a->nin == b->nin && a->nout == b->nout;
}

static void
one(uint64_t seed)
{
	Ctx c = {0};
	Random r = {{0}};
	Trial t = {{0}}; /* rtol and atol 0: the same bits */
	Graph *was;
	int changes = 1;

	make(&r, seed);
	was = graph_clone(&r.a, r.g);
	check_(r.g->nout == 0 || trial_open(&c, &t, r.g), c.msg, "graph",
	       (int)seed);
	for (int i = 0; i < 8 && changes && !c.status; i++)
		optimize(&c, &r.a, r.g, &changes);
	check_(!changes, "comes to an end", "graph", (int)seed);
	check_(r.g->nnode <= was->nnode, "no more nodes", "graph", (int)seed);
	check_(same_names(was, r.g), "names of outputs", "graph", (int)seed);
	check_(r.g->nout == 0 || trial_check(&c, &t, r.g), c.msg, "graph",
	       (int)seed);
	arena_free(&t.mem);
	arena_free(&r.a);
	arena_free(&c.mem);
}

int
main(void)
{
	for (int i = 1; i <= GRAPHS; i++)
		one((uint64_t)i);
	return check_done("test_rewrite");
}
