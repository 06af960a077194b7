/* SPDX-License-Identifier: BSD-3-Clause
 * compare.c - whether two graphs give the same numbers on the same inputs.
 *
 * Inputs come from one fixed sequence, by the order of the graph's inputs, so
 * that a finding can be had again.  Evaluation is lib/op's, slow and exact. */

#include <math.h>

#include "op.h"
#include "pass.h"

static Value *
make_input(Ctx *c, Arena *a, const Value *like, uint64_t *seed)
{
	Value *v = arena_copy(a, like, sizeof *v);
	int64_t size;

	if (v->kind != VALUE_TENSOR || !strchr("FIUB", dtypes[v->type].class) ||
	    dtypes[v->type].bits < 8 || v->shape.rank < 0) {
		fail(c, QE_INPUT, "input '%s' has no type to make numbers for",
		     v->name);
		return NULL;
	}
	for (int i = 0; i < v->shape.rank; i++)
		if (v->shape.dim[i] < 0)
			v->shape.dim[i] = 2;
	size = dtype_bytes(v->type, shape_count(&v->shape));
	if (size < 0) {
		fail(c, QE_INPUT, "input '%s' is too large", v->name);
		return NULL;
	}
	v->data = (Blob){.mem = arena_alloc(a, (size_t)size), .len = size};
	value_random(v, seed);
	return v;
}

/* The graph, or where it has functions, a copy with their bodies inside. */
static Graph *
runnable(Ctx *c, Arena *a, Graph *g)
{
	if (!g->nfunc)
		return g;
	g = graph_clone(a, g);
	return graph_inline(c, g) ? g : NULL;
}

static bool
make_inputs(Ctx *c, Trial *t, const Graph *g)
{
	uint64_t seed = 1;

	t->in = NEWV(&t->mem, Value *, g->nin + 1);
	for (int i = 0; i < g->nin; i++)
		if (!(t->in[i] = make_input(c, &t->mem, g->in[i], &seed)))
			return false;
	return true;
}

/* Whole numbers are indices more often than not. */
static void
only_zeros(Trial *t)
{
	for (int i = 0; i < t->nin; i++)
		if (strchr("IU", dtypes[t->in[i]->type].class))
			memset((void *)(uintptr_t)t->in[i]->data.mem, 0,
			       (size_t)t->in[i]->data.len);
}

bool
trial_open(Ctx *c, Trial *t, Graph *g)
{
	Ctx first = {.tool = c->tool};
	bool ok;

	t->nin = g->nin;
	t->nout = g->nout;
	t->out = NEWV(&t->mem, Value *, g->nout + 1);
	if (!make_inputs(c, t, g) || !(g = runnable(c, &t->mem, g)))
		return false;
	ok = graph_eval(&first, &t->mem, g, t->in, t->out);
	arena_free(&first.mem);
	if (ok)
		return true;
	only_zeros(t);
	memset(t->out, 0, (size_t)t->nout * sizeof(Value *));
	return graph_eval(c, &t->mem, g, t->in, t->out);
}

static bool
close_enough(const Trial *t, double was, double is)
{
	if (was == is || (isnan(was) && isnan(is)))
		return true;
	return fabs(is - was) <= t->atol + t->rtol * fabs(was);
}

/* float16 of a float32 is a change of type that numbers may survive. */
static bool
check_output(Ctx *c, const Trial *t, const Value *was, const Value *is)
{
	int64_t n = shape_count(&was->shape);

	if (was->kind != VALUE_TENSOR || dtypes[was->type].class == 'S')
		return true;
	if (!shape_eq(&was->shape, &is->shape))
		return fail(c, QE_NO, "output '%s' is %s, was %s", was->name,
		            shape_text(&is->shape).s,
		            shape_text(&was->shape).s);
	for (int64_t i = 0; i < n; i++) {
		double a = value_f64(was, i), b = value_f64(is, i);

		if (!close_enough(t, a, b))
			return fail(c, QE_NO,
			            "output '%s'[%lld] is %.9g, was %.9g",
			            was->name, (long long)i, b, a);
	}
	return true;
}

/* Types of inputs may have changed too. */
static bool
convert_input(Ctx *c, Arena *a, Value *v, const Value *like)
{
	DType to = like->type;
	int64_t n = shape_count(&v->shape);
	const float *x = v->data.mem;
	uint16_t *y;

	if (v->type == to || to == DT_NONE)
		return true;
	if (v->type != DT_F32 || to != DT_F16)
		return fail(c, QE_NO, "input '%s' is %s, was %s", v->name,
		            dtypes[to].name, dtypes[v->type].name);
	y = NEWV(a, uint16_t, n);
	for (int64_t i = 0; i < n; i++)
		y[i] = f32_to_f16(x[i]);
	v->type = to;
	v->data = (Blob){.mem = y, .len = n * (int64_t)sizeof *y};
	return true;
}

bool
trial_check(Ctx *c, Trial *t, Graph *g)
{
	Arena a = {0};
	Value **in = NEWV(&a, Value *, t->nin + 1);
	Value **out = NEWV(&a, Value *, t->nout + 1);
	bool ok = g->nin == t->nin && g->nout == t->nout;

	if (!ok)
		fail(c, QE_NO, "%d inputs and %d outputs, were %d and %d",
		     g->nin, g->nout, t->nin, t->nout);
	for (int i = 0; ok && i < t->nin; i++) {
		in[i] = arena_copy(&a, t->in[i], sizeof *in[i]);
		ok = convert_input(c, &a, in[i], g->in[i]);
	}
	ok = ok && (g = runnable(c, &a, g)) && graph_eval(c, &a, g, in, out);
	for (int i = 0; ok && i < t->nout; i++)
		ok = check_output(c, t, t->out[i], out[i]);
	arena_free(&a);
	return ok;
}
