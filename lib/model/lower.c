/* SPDX-License-Identifier: BSD-3-Clause
 * lower.c - the module tree as a graph: inputs, embedding, layers, outputs.
 *
 * A step adds its branches to the residual stream:
 *   x <- norm(x + mul * out(sum of out_i(block_i(in_i(x))))), x in(x) first
 * a branch with out_residual norms x + block(x) instead of block(x). */

#include "build.h"

static Value *
tokens(Build *b, const char *name, const char *length)
{
	const char *const symbols[] = {"batch_size", length};
	Value *v = value_input(b->g, name, DT_I64, &(Shape){2, {-1, -1}});

	v->sym = arena_copy(b->a, symbols, sizeof symbols);
	return v;
}

/* [] int64: tokens of a row */
static Value *
length(Build *b, Value *ids)
{
	return EMIT_INT(b, "Gather", "axis", 0, EMIT(b, "Shape", ids),
	                int_scalar(b, 1));
}

/* [1,S]: 0, 1, ... */
static Value *
arange(Build *b)
{
	Value *n = EMIT(b, "Range", int_scalar(b, 0), length(b, b->ids),
	                int_scalar(b, 1));

	return unsqueeze(b, n, 0);
}

static void
inputs(Build *b)
{
	const Json *e = json_get(b->root, "embed");

	b->ids = tokens(b, "input_ids", "seq_len");
	if (!b->encoder) {
		b->positions = tokens(b, "position_ids", "seq_len");
		if (b->cached)
			inputs_more(b);
		return;
	}
	b->mask = tokens(b, "attention_mask", "seq_len");
	if (json_get(e, "types"))
		b->types = tokens(b, "token_type_ids", "seq_len");
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

	b->residual = x = norm(b, json_get(s, "in"), x);
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

/* Embedding, layers and last norm. */
static Value *
stack(Build *b)
{
	Value *x = embed(b);

	if (!x)
		return b->c->status ? note(b->c, "embed"), NULL : NULL;
	return norm(b, json_get(b->root, "final"), layers(b, x));
}

/* The other stack: what it makes of its own ids is the decoder's memory.  A
 * call with one id and a cache brings nothing new, so that the steps of a
 * decoder are the same graph. */
static bool
encode(Build *b)
{
	Build e = *b;

	e.root = json_get(b->root, "encoder");
	e.scope = "encoder.";
	e.here = dict_new(b->a);
	e.encoder = true;
	e.cached = false;
	e.ids = tokens(b, "encoder_input_ids", "encoder_seq_len");
	b->heard = tokens(b, "encoder_position_ids", "encoder_seq_len");
	e.mask = cast(&e,
	              EMIT(&e, "Not",
	                   EMIT(&e, "Less", b->heard, int_scalar(b, 0))),
	              DT_I64);
	e.positions = arange(&e);
	if (b->cached)
		b->stale =
			EMIT(&e, "Equal", length(&e, e.ids), int_scalar(b, 1));
	b->memory = stack(&e);
	return b->memory != NULL || note(b->c, "encoder");
}

/* ids one place later, behind the id to start with or, as some models have
 * it, behind their own last one that is no padding. */
static Value *
shifted(Build *b, const Json *m)
{
	Value *first = slice(b, b->ids, 1, 0, 1), *n;

	if (json_has(m, "pad")) {
		n = EMIT(b, "Equal", b->ids,
		         int_scalar(b, json_get_int(m, "pad", 0)));
		n = cast(b, EMIT(b, "Not", n), DT_I64);
		n = EMIT(b, "Sub", reduce(b, "ReduceSum", n, 1, true),
		         int_scalar(b, 1));
		first = EMIT_INT(b, "GatherElements", "axis", 1, b->ids, n);
	} else {
		first = EMIT(b, "Sub", first, first);
		first = EMIT(b, "Add", first,
		             int_scalar(b, json_get_int(m, "start", 0)));
	}
	return concat(b, 2, (Value *[]){first, slice(b, b->ids, 1, 0, -1)}, 1);
}

/* Both stacks read the same text: the second its ids one place later. */
static bool
read_twice(Build *b)
{
	Build e;
	Value *one = int_scalar(b, 1), *at;

	b->encoder = true;
	inputs(b);
	e = *b;
	e.root = json_get(b->root, "encoder");
	e.scope = "encoder.";
	e.here = dict_new(b->a);
	b->memory = stack(&e);
	at = EMIT(b, "Mul", EMIT(b, "Add", b->positions, one), b->mask);
	b->heard = EMIT(b, "Sub", at, one);
	b->given = b->ids;
	b->ids = shifted(b, json_get(b->root, "shift"));
	b->encoder = false;
	return b->memory && b->ids;
}

bool
lower(Build *b)
{
	Value *x;
	int states;

	b->made = dict_new(b->a);
	b->here = dict_new(b->a);
	b->layer = -1;
	b->proxy = json_get_bool(b->root, "proxy", false);
	b->fresh = b->cached && json_get_bool(b->root, "prefill_only", false);
	if (json_get(b->root, "shift")) {
		if (!read_twice(b))
			return b->c->status ? note(b->c, "encoder") : false;
	} else {
		if (json_get(b->root, "encoder") && !encode(b))
			return false;
		inputs(b);
	}
	if (!(x = stack(b)))
		return false;
	states = b->g->nout;
	if (!heads(b, x))
		return b->c->status ? note(b->c, "head") : false;
	logits_first(b->g, states);
	inputs_last(b);
	for (int i = 0; i < b->nlate; i++)
		graph_output(b->g, b->late[i]);
	graph_prune(b->g);
	return true;
}
