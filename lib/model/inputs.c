/* SPDX-License-Identifier: BSD-3-Clause
 * inputs.c - what transforms add to the inputs of a decoder.
 *
 * The contract has the retained states between position_ids and these;
 * states appear layer by layer, so the others wait at the front and are moved
 * behind them at the end. */

#include "build.h"

Value *
input(Build *b, const char *name, DType type, const Shape *s, const char *sym0,
      const char *sym1)
{
	const char *symbols[] = {sym0, sym1};
	Value *v = value_input(b->g, name, type, s);

	v->sym = arena_copy(b->a, symbols, sizeof symbols);
	return v;
}

void
inputs_more(Build *b)
{
	b->more = b->g->nin;
	if (json_get_bool(b->root, "ccl", false))
		b->ccl = input(b, "comp_ctx_lengths", DT_I64, &(Shape){1, {-1}},
		               "comp_ctx_lengths", NULL);
	if (json_get_bool(b->root, "continuous_batching", false))
		b->batch_index =
			input(b, "batch_index", DT_I64, &(Shape){2, {-1, 1}},
		              "batch_size", NULL);
	if (json_get(b->root, "speculative"))
		b->keep =
			input(b, "num_logits_to_keep", DT_I64,
		              &(Shape){2, {-1, 1}}, "num_logits_to_keep", NULL);
	if (strcmp(json_get_str(json_get(b->root, "lora"), "mode", ""),
	           "finite") == 0)
		b->lora_ids = input(b, "lora_ids", DT_I64, &(Shape){2, {-1, 1}},
		                    "batch_size", NULL);
	if (json_get_bool(b->root, "text_length", false))
		b->text_length =
			input(b, "text_length", DT_I64, &(Shape){2, {-1, 1}},
		              "batch_size", NULL);
	sampler_inputs(b);
	b->nmore = b->g->nin - b->more;
}

/* Weights of an adapter that come in go behind all others. */
static void
weights_last(Graph *g)
{
	Value **moved = NEWV(g->mem, Value *, g->nin + 1);
	int n = 0, kept = 0;

	for (int i = 0; i < g->nin; i++)
		if (str_ends(g->in[i]->name, ".weight"))
			moved[n++] = g->in[i];
		else
			g->in[kept++] = g->in[i];
	memcpy(g->in + kept, moved, (size_t)n * sizeof *moved);
}

void
inputs_last(Build *b)
{
	Graph *g = b->g;
	size_t n = (size_t)b->nmore, after;
	Value **at = g->in + b->more, **waiting;

	weights_last(g);
	if (!n)
		return;
	after = (size_t)(g->nin - b->more) - n;
	waiting = arena_copy(b->a, at, n * sizeof *at);
	memmove(at, at + n, after * sizeof *at);
	memcpy(at + after, waiting, n * sizeof *at);
}
