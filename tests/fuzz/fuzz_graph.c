/* SPDX-License-Identifier: BSD-3-Clause
 * A graph that is taken can be inferred and run, within its bounds: whatever
 * its attributes and constants say, it is refused or evaluated. */

#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <unistd.h>

#include "fuzz.h"
#include "onnx.h"
#include "op.h"

enum { MEMORY = 16 << 20, SECONDS = 2, ELEMENTS = 1 << 12 };

static Ctx *running;

static void
stop(int sig)
{
	(void)sig;
	if (running)
		qe_interrupt(running);
}

/* An input as it is declared; what is open is 2. */
static Value *
make_input(Ctx *c, Arena *a, const Value *like, uint64_t *seed)
{
	Value *v = arena_copy(a, like, sizeof *v);

	if (value_is_const(like))
		return NULL;
	for (int i = 0; i < v->shape.rank; i++)
		if (v->shape.dim[i] < 0)
			v->shape.dim[i] = 2;
	if (v->kind != VALUE_TENSOR || v->shape.rank < 0 || !v->type ||
	    dtypes[v->type].bits < 8 || v->type == DT_STRING ||
	    shape_count(&v->shape) < 0 || shape_count(&v->shape) > ELEMENTS)
		return fail(c, QE_INPUT, "no such input"), NULL;
	v->data.len = dtype_bytes(v->type, shape_count(&v->shape));
	v->data.mem = arena_alloc(a, (size_t)v->data.len);
	value_random(v, seed);
	return v;
}

static bool
evaluate(Ctx *c, Arena *a, Graph *g)
{
	Value **in = NEWV(a, Value *, g->nin + 1),
	      **out = NEWV(a, Value *, g->nout + 1);
	uint64_t seed = 1;

	for (int i = 0; i < g->nin; i++)
		in[i] = make_input(c, a, g->in[i], &seed);
	return c->status == QE_OK && graph_eval(c, a, g, in, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Arena a = {.most = MEMORY};
	Graph *g;

	running = &c;
	signal(SIGALRM, stop);
	alarm(SECONDS);
	if (onnx_read_bytes(&c, &c.mem, (Span){(const char *)p, n}, &g) &&
	    graph_verify(&c, g) && graph_inline(&c, g) &&
	    graph_infer(&c, g, false))
		evaluate(&c, &a, g);
	alarm(0);
	running = NULL;
	arena_free(&a);
	arena_free(&c.mem);
	return 0;
}
