/* SPDX-License-Identifier: BSD-3-Clause
 * lower.c - the module tree as a graph: inputs, embedding, layers, outputs.
 *
 * A step adds its branches to the residual stream:
 *   x <- norm(x + mul * out(sum of out_i(block_i(in_i(x)))))
 * a branch with out_residual norms x + block(x) instead of block(x). */

#include "build.h"

static Value *
tokens(Build *b, const char *name)
{
	static const char *const symbols[] = {"batch_size", "seq_len"};
	Value *v = value_input(b->g, name, DT_I64, &(Shape){2, {-1, -1}});

	v->sym = arena_copy(b->a, symbols, sizeof symbols);
	return v;
}

/* [1,S]: 0, 1, ... */
static Value *
arange(Build *b)
{
	Value *n = EMIT(b, "Shape", b->ids);

	n = EMIT_INT(b, "Gather", "axis", 0, n, int_scalar(b, 1));
	n = EMIT(b, "Range", int_scalar(b, 0), n, int_scalar(b, 1));
	return unsqueeze(b, n, 0);
}

static void
inputs(Build *b)
{
	const Json *e = json_get(b->root, "embed");

	b->ids = tokens(b, "input_ids");
	if (!b->encoder) {
		b->positions = tokens(b, "position_ids");
		return;
	}
	b->mask = tokens(b, "attention_mask");
	if (json_get(e, "types"))
		b->types = tokens(b, "token_type_ids");
	b->positions = arange(b);
}

static Value *
branch(Build *b, const Json *br, Value *x)
{
	const Json *m = json_get(br, "block");
	const Block *k = block_find(json_get_str(m, "kind", NULL));
	Value *y;

	if (!k)
		return fail(b->c, QE_INPUT, "block '%s' is not known",
		            json_get_str(m, "kind", "?")),
		       NULL;
	y = k->lower(b, m, norm(b, json_get(br, "in"), x));
	if (!y)
		return note(b->c, "%s", k->name), NULL;
	if (json_get_bool(br, "out_residual", false))
		y = EMIT(b, "Add", x, y);
	return norm(b, json_get(br, "out"), y);
}

static Value *
step(Build *b, const Json *s, Value *x)
{
	const Json *list = json_get(s, "branches");
	double mul = json_get_num(b->root, "residual_mul", 1);
	Value *sum = NULL, *y;

	b->residual = x;
	for (size_t i = 0; i < json_len(list); i++) {
		if (!(y = branch(b, json_at(list, i), x)))
			return NULL;
		sum = sum ? EMIT(b, "Add", sum, y) : y;
	}
	if (!sum)
		return fail(b->c, QE_INPUT, "a step without branches"), NULL;
	sum = norm(b, json_get(s, "out"), sum);
	if (mul != 1)
		sum = EMIT(b, "Mul", sum, scalar(b, mul));
	return norm(b, json_get(s, "norm"), EMIT(b, "Add", x, sum));
}

static Value *
layers(Build *b, Value *x)
{
	const Json *list = json_get(b->root, "layers"), *steps;

	for (size_t i = 0; x && i < json_len(list); i++) {
		b->layer = (int)i;
		steps = json_get(json_at(list, i), "steps");
		for (size_t k = 0; x && k < json_len(steps); k++)
			x = step(b, json_at(steps, k), x);
		if (!x)
			note(b->c, "layer %zu", i);
	}
	b->layer = -1;
	return x;
}

/* The contract has the logits before the retained state. */
static void
logits_first(Graph *g, int from)
{
	Value *v;

	for (int i = from; i < g->nout; i++) {
		v = g->out[i];
		memmove(g->out + i - from + 1, g->out + i - from,
		        (size_t)from * sizeof *g->out);
		g->out[i - from] = v;
	}
}

bool
lower(Build *b)
{
	Value *x;
	int states;

	b->made = dict_new(b->a);
	b->layer = -1;
	inputs(b);
	if (!(x = embed(b)))
		return b->c->status ? note(b->c, "embed") : false;
	if (!(x = layers(b, x)))
		return false;
	x = norm(b, json_get(b->root, "final"), x);
	states = b->g->nout;
	if (!x || !heads(b, x))
		return b->c->status ? note(b->c, "head") : false;
	logits_first(b->g, states);
	graph_prune(b->g);
	return true;
}
