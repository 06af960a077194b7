/* SPDX-License-Identifier: BSD-3-Clause
 * head.c - from the last hidden state to the outputs of the graph.
 *
 *   text-generation      logits [B,1,V] of the newest token (cached), of the
 *                        newest K tokens [B,K,V] (a target), or of all
 *                        tokens [B,S,V]; with a sampler next_tokens and
 *                        probs of the same rows instead
 *   feature-extraction   last_hidden_state, pooler_output; or `output` once
 *                        a transform has added pooling
 *   others               logits; question answering start_logits, end_logits
 * All outputs are float32. */

#include "build.h"

/* [B,S,n]  [B,n]  [B,1,n]  [B,K,n] */
enum Rows { ALL, PER_ROW, ONE, KEPT };

static void
output_as(Build *b, Value *x, DType type, const char *name, enum Rows rows,
          int64_t width)
{
	static const char *const symbols[][3] = {
		{"batch_size", "seq_len", NULL},
		{"batch_size", NULL, NULL},
		{"batch_size", NULL, NULL},
		{"batch_size", "num_logits_to_keep", NULL},
	};
	Shape s = rows == PER_ROW ? (Shape){2, {-1, width}}
	          : rows == ONE   ? (Shape){3, {-1, 1, width}}
	                          : (Shape){3, {-1, -1, width}};

	if (!x)
		return;
	if (width < 0)
		s.rank--;
	if (!x->from || !value_rename(b->g, x, name)) {
		x = EMIT(b, "Identity", x);
		value_rename(b->g, x, name);
	}
	x->type = type;
	x->shape = s;
	x->sym = arena_copy(b->a, symbols[rows], sizeof symbols[rows]);
	graph_output(b->g, x);
}

static void
output(Build *b, Value *x, const char *name, enum Rows rows, int64_t width)
{
	if (x && b->type != DT_F32)
		x = cast(b, x, DT_F32);
	output_as(b, x, DT_F32, name, rows, width);
}

/* 0, 1, ... K-1 from last - K + 1 on, or from 0 on if that is before. */
static Value *
newest_run(Build *b, Value *last)
{
	Value *k = EMIT_INT(b, "Gather", "axis", 0, EMIT(b, "Shape", b->keep),
	                    int_scalar(b, 0)),
	      *first =
		      EMIT(b, "Add", EMIT(b, "Sub", last, k), int_scalar(b, 1)),
	      *run = EMIT(b, "Range", int_scalar(b, 0), k, int_scalar(b, 1));

	first = EMIT(b, "Where", EMIT(b, "Less", last, k), int_scalar(b, 0),
	             first);
	return EMIT(b, "Add", first, run);
}

/* The row of x [B,S,H] with the largest position, [B,1,H]; of a target the
 * K rows that end there, [B,K,H]. */
static Value *
newest(Build *b, Value *x)
{
	Value *at = cast(b, b->positions, DT_I32);

	at = EMIT_INT(b, "ArgMax", "axis", 1, at);
	if (!at)
		return NULL;
	attr_set_int(b->g, at->from, "keepdims", 1);
	if (b->keep)
		at = newest_run(b, at);
	return EMIT_INT(b, "GatherND", "batch_dims", 1, x, unsqueeze(b, at, 2));
}

static Value *
head_layer(Build *b, const Json *l, Value *x)
{
	const char *act = json_get_str(l, "act", NULL);

	x = linear(b, l, x);
	if (act)
		x = activation(b, act, x);
	return norm(b, json_get(l, "norm"), x);
}

/* The logits, or what the sampler makes of them. */
static bool
outputs(Build *b, Value *x)
{
	enum Rows rows = b->keep ? KEPT : b->cached ? ONE : ALL;
	int64_t vocab = json_get_int(b->root, "vocab", 0);
	Value *probs = NULL;

	if (!b->sampler) {
		output(b, x, "logits", rows, vocab);
		return x != NULL;
	}
	x = sample(b, x, &probs);
	output_as(b, probs, DT_F32, "probs", rows, vocab);
	output_as(b, x, DT_I64, "next_tokens", rows, 1);
	return x != NULL;
}

static bool
lm_head(Build *b, Value *x)
{
	const Json *h = json_get(b->root, "head");
	double cap = json_get_num(h, "cap", 0);

	if (b->cached)
		x = newest(b, x);
	if (json_get(h, "proj"))
		x = linear(b, json_get(h, "proj"), x);
	for (size_t i = 0; i < json_len(json_get(h, "layers")); i++)
		x = head_layer(b, json_at(json_get(h, "layers"), i), x);
	x = linear(b, h, x);
	if (json_get(h, "mul"))
		x = EMIT(b, "Mul", x, scalar(b, json_get_num(h, "mul", 1)));
	if (json_get(h, "div"))
		x = EMIT(b, "Div", x, scalar(b, json_get_num(h, "div", 1)));
	if (cap != 0) {
		x = EMIT(b, "Tanh", EMIT(b, "Div", x, scalar(b, cap)));
		x = EMIT(b, "Mul", x, scalar(b, cap));
	}
	return outputs(b, x);
}

/* [B,H] of the token at `at` of every row */
static Value *
token(Build *b, Value *x, int64_t at)
{
	return EMIT_INT(b, "Gather", "axis", 1, x, int_scalar(b, at));
}

/* [B,H] of the last token that has this id, of the ids that were given */
static Value *
token_with_id(Build *b, Value *x, int64_t id)
{
	Value *at = EMIT(b, "Equal", b->given ? b->given : b->ids,
	                 int_scalar(b, id));

	at = cast(b, at, DT_I64);
	at = EMIT(b, "Mul", at, EMIT(b, "Add", b->positions, int_scalar(b, 1)));
	at = EMIT_INT(b, "ArgMax", "axis", 1, at);
	x = EMIT_INT(b, "GatherND", "batch_dims", 1, x, unsqueeze(b, at, 2));
	return EMIT(b, "Squeeze", x, INTS(b, 1));
}

static int64_t
width_of(const Build *b, const Json *layers)
{
	const Json *l = json_at(layers, json_len(layers) - 1);

	return weight_shape(b, json_get_str(l, "weight", "")).dim[0];
}

static bool
span_logits(Build *b, Value *x)
{
	static const char *const names[] = {"start_logits", "end_logits"};

	for (int i = 0; i < 2; i++) {
		Value *v =
			EMIT_INT(b, "Gather", "axis", 2, x, int_scalar(b, i));

		output(b, v, names[i], ALL, -1);
	}
	return x != NULL;
}

static bool task_head(Build *b, const Json *h, Value *x);

/* Outputs beside this one, of the same hidden states. */
static bool
also(Build *b, const Json *list, Value *x)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (!task_head(b, json_at(list, i), x))
			return false;
	return true;
}

static bool
task_head(Build *b, const Json *h, Value *x)
{
	Value *hidden = x;
	bool flat = json_get_bool(h, "flat", false);
	const char *in = json_get_str(h, "in", "all");
	const Json *layers = json_get(h, "layers");
	bool all = strcmp(in, "all") == 0;

	if (strcmp(in, "pooler") == 0)
		x = head_layer(b, json_get(b->root, "pooler"), token(b, x, 0));
	else if (strcmp(in, "token0") == 0)
		x = token(b, x, 0);
	else if (strcmp(in, "eos") == 0)
		x = token_with_id(b, x, json_get_int(h, "eos", 2));
	else if (strcmp(in, "last") == 0)
		x = pool_last_token(b, x);
	else if (strcmp(in, "mean") == 0)
		x = pool_mean_tokens(b, x);
	else if (!all)
		return fail(b->c, QE_INPUT, "head over '%s' is not known", in);
	for (size_t i = 0; x && i < json_len(layers); i++)
		x = head_layer(b, json_at(layers, i), x);
	if (!x || !json_len(layers))
		return x ? fail(b->c, QE_INPUT, "a head without layers")
		         : false;
	if (strcmp(json_get_str(b->root, "task", ""), "question-answering") ==
	    0)
		return span_logits(b, x);
	if (flat)
		x = EMIT(b, "Squeeze", x, INTS(b, -1));
	output(b, x, json_get_str(h, "as", "logits"), all ? ALL : PER_ROW,
	       flat ? -1 : width_of(b, layers));
	return also(b, json_get(h, "also"), hidden);
}

static bool
features(Build *b, Value *x)
{
	int64_t width = json_get_int(b->root, "hidden", -1);
	const Json *pooler = json_get(b->root, "pooler"),
		   *p = json_get(b->root, "pooling");

	if (p) {
		x = pool(b, p, x, &width);
		output(b, x, "output", PER_ROW, width);
		return x != NULL;
	}
	output(b, x, "last_hidden_state", ALL, width);
	if (b->given)
		output(b, b->memory, "encoder_last_hidden_state", ALL,
		       json_get_int(json_get(b->root, "encoder"), "hidden",
		                    width));
	if (pooler) {
		Value *v = head_layer(b, pooler, token(b, x, 0));

		output(b, v, "pooler_output", PER_ROW, width);
	}
	return x != NULL;
}

bool
heads(Build *b, Value *x)
{
	if (json_get(b->root, "head"))
		return lm_head(b, x);
	if (json_get(b->root, "task_head"))
		return task_head(b, json_get(b->root, "task_head"), x);
	return features(b, x);
}
