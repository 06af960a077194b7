/* SPDX-License-Identifier: BSD-3-Clause
 * sampler.c - QEfficient's sampler behind the logits of a decoder.
 *
 * B rows of a call, N rows of the cache (B without batch_index), K tokens a
 * row, V tokens, M the most that top_ks can ask for.  The numbers are the
 * caller's, so that the graph is a function:
 *   next_tokens = argmax(kept / temperature + gumbel(random_numbers))
 * over the M best in ascending order, of which random_numbers has one each;
 * where the temperature is 0, the argmax of the penalised logits.
 *
 * Two buffers [N,V] of what was seen stay between calls: of the prompt and
 * the output, for the repetition penalty; of the output, for the presence
 * penalty.  A call with more than K tokens is a prompt: a row at position 0
 * begins the first anew, and the second is cleared for the call's rows.  Any
 * other adds last_accepted_output_tokens.  QEfficient clears the second for
 * all rows, also of those whose text goes on in another slot: a penalty would
 * be forgotten whenever some other prompt is read.  It is kept here.  Tokens
 * of padding are marked in a column V that is cut off, as no index may be out
 * of range in ScatterND. */

#include "build.h"

#define MASKED -65504.0 /* the least float16, for float32 as well */

struct SamplerInputs {
	Value *accepted;              /* [B,S] int64 */
	Value *repeated, *present;    /* [N,V] bool, retained */
	Value *repetition, *presence; /* [B,1] */
	Value *temp, *top_p, *min_p;  /* [B,1] */
	Value *top_k;                 /* [B,1] int32 */
	Value *random;                /* [B,M] */
	Value *allowed;               /* [B,V] bool, or NULL */
};

/* ---- inputs ---- */

static Value *
buffer(Build *b, const char *name)
{
	return input(b, name, DT_BOOL,
	             &(Shape){2, {-1, json_get_int(b->root, "vocab", 0)}},
	             b->batch_index ? "full_batch_size" : "batch_size", NULL);
}

static Value *
of_row(Build *b, const char *name, DType type, int64_t width)
{
	return input(b, name, type, &(Shape){2, {-1, width}}, "batch_size",
	             NULL);
}

void
sampler_inputs(Build *b)
{
	const Json *o = json_get(b->root, "sampler");
	int64_t vocab = json_get_int(b->root, "vocab", 0);
	SamplerInputs *s;

	if (!o)
		return;
	s = b->sampler = NEW(b->a, SamplerInputs);
	s->accepted = input(b, "last_accepted_output_tokens", DT_I64,
	                    &(Shape){2, {-1, -1}}, "batch_size", "seq_len");
	s->repeated = buffer(b, "past_repetition_penalty_buffer");
	s->repetition = of_row(b, "repetition_penalties", DT_F32, 1);
	s->present = buffer(b, "past_presence_penalty_buffer");
	s->presence = of_row(b, "presence_penalties", DT_F32, 1);
	s->temp = of_row(b, "temperatures", DT_F32, 1);
	s->top_k = of_row(b, "top_ks", DT_I32, 1);
	s->top_p = of_row(b, "top_ps", DT_F32, 1);
	s->min_p = of_row(b, "min_ps", DT_F32, 1);
	s->random = of_row(b, "random_numbers", DT_F32,
	                   json_get_int(o, "max_top_k_ids", 0));
	if (json_get_bool(o, "include_guided_decoding", false))
		s->allowed = of_row(b, "token_bitmasks", DT_BOOL, vocab);
}

/* ---- what was seen ---- */

static Value *
bool_scalar(Build *b, const char *name, bool x)
{
	uint8_t byte = x;

	return const_bytes(b->g, name, DT_BOOL, &(Shape){0}, &byte);
}

/* [] int64 */
static Value *
size_of(Build *b, Value *x, int64_t axis)
{
	return EMIT_INT(b, "Gather", "axis", 0, EMIT(b, "Shape", x),
	                int_scalar(b, axis));
}

/* 0, 1, ... n-1 in a column [n,1] */
static Value *
column(Build *b, Value *n)
{
	return unsqueeze(b,
	                 EMIT(b, "Range", int_scalar(b, 0), n,
	                      int_scalar(b, 1)),
	                 1);
}

/* The rows of the buffers that the call's rows have, [B,1]. */
static Value *
rows_of(Build *b)
{
	return b->batch_index ? b->batch_index
	                      : column(b, size_of(b, b->ids, 0));
}

/* [] bool: more tokens than a step has */
static Value *
is_prompt(Build *b)
{
	Value *most = b->keep ? size_of(b, b->keep, 0) : int_scalar(b, 1);

	return EMIT(b, "Greater", size_of(b, b->ids, 1), most);
}

/* The tokens that this call adds, V for padding and for what is no token:
 * [B,S]. */
static Value *
added(Build *b, Value *prompt, int64_t vocab)
{
	Value *none = int_scalar(b, vocab), *x, *out;

	x = EMIT(b, "Where", prompt, b->ids, b->sampler->accepted);
	out = EMIT(b, "Less", EMIT(b, "Min", b->positions, x),
	           int_scalar(b, 0));
	out = EMIT(b, "Or", out, EMIT(b, "Greater", x, none));
	return EMIT(b, "Where", out, none, x);
}

/* True for each token of a row of the buffers, [N,V]. */
static Value *
marked(Build *b, Value *rows, Value *tokens, int64_t vocab)
{
	Value *at[2], *none, *size, *shape = EMIT(b, "Shape", tokens);

	at[0] = EMIT(b, "Expand", rows, shape);
	at[0] = unsqueeze(b, at[0], 2);
	at[1] = unsqueeze(b, tokens, 2);
	size = EMIT(b, "Shape", b->sampler->repeated);
	size = slice(b, size, 0, 0, 1);
	size = concat(b, 2, (Value *[]){size, INTS(b, vocab + 1)}, 0);
	none = EMIT(b, "Expand", bool_scalar(b, "unseen", false), size);
	size = EMIT(b, "Expand", bool_scalar(b, "seen", true), shape);
	none = EMIT(b, "ScatterND", none, concat(b, 2, at, 2), size);
	return slice(b, none, 1, 0, vocab);
}

/* The rows of the buffers for which `which` holds in the call, [N,1]. */
static Value *
of_buffers(Build *b, Value *rows, Value *which)
{
	Value *x = column(b, size_of(b, b->sampler->repeated, 0));

	x = EMIT(b, "Equal", x, RESHAPE(b, rows, 1, -1));
	x = EMIT(b, "And", x, RESHAPE(b, which, 1, -1));
	x = reduce(b, "ReduceMax", cast(b, x, DT_I32), 1, true);
	return cast(b, x, DT_BOOL);
}

/* What stays of a buffer, and of it the call's rows: [B,1,V]. */
static Value *
kept(Build *b, Value *was, Value *now, Value *rows)
{
	Value *at = RESHAPE(b, rows, -1);

	if (!now)
		return NULL;
	value_rename(b->g, now, arena_str(b->a, "%s_RetainedState", was->name));
	now->type = was->type;
	now->shape = was->shape;
	now->sym = was->sym;
	PUSH(b->a, b->late, b->nlate, b->caplate, now);
	return unsqueeze(b, EMIT_INT(b, "Gather", "axis", 0, now, at), 1);
}

static void
see(Build *b, int64_t vocab, Value **repeated, Value **present)
{
	SamplerInputs *s = b->sampler;
	Value *rows = rows_of(b), *prompt = is_prompt(b), *zero, *x, *stays,
	      *now = marked(b, rows, added(b, prompt, vocab), vocab);

	zero = int_scalar(b, 0);
	x = slice(b, b->positions, 1, 0, 1);
	stays = of_buffers(b, rows, EMIT(b, "Equal", x, zero));
	stays = EMIT(b, "Not", EMIT(b, "And", stays, prompt));
	stays = EMIT(b, "And", s->repeated, stays);
	*repeated = kept(b, s->repeated, EMIT(b, "Or", stays, now), rows);
	x = reduce(b, "ReduceMax", b->positions, 1, true);
	stays = of_buffers(b, rows, EMIT(b, "GreaterOrEqual", x, zero));
	stays = EMIT(b, "Not", EMIT(b, "And", stays, prompt));
	x = EMIT(b, "And", now, EMIT(b, "Not", prompt));
	x = EMIT(b, "Or", EMIT(b, "And", s->present, stays), x);
	*present = kept(b, s->present, x, rows);
}

/* ---- the choice ---- */

/* [B,n] -> [B,1,n] */
static Value *
per_row(Build *b, Value *x)
{
	return unsqueeze(b, x, 1);
}

static Value *
penalised(Build *b, Value *x, int64_t vocab)
{
	SamplerInputs *s = b->sampler;
	Value *repeated, *present, *p, *by;

	if (s->allowed)
		x = EMIT(b, "Where", per_row(b, s->allowed), x,
		         scalar_f32(b, MASKED));
	see(b, vocab, &repeated, &present);
	p = per_row(b, s->repetition);
	by = EMIT(b, "Greater", x, scalar_f32(b, 0));
	by = EMIT(b, "Where", by, EMIT(b, "Reciprocal", p), p);
	by = EMIT(b, "Where", repeated, by, scalar_f32(b, 1));
	x = EMIT(b, "Mul", x, by);
	p = EMIT(b, "Mul", cast(b, present, DT_F32), per_row(b, s->presence));
	return EMIT(b, "Sub", x, p);
}

/* true where the temperature is 0, [B,1,1] */
static Value *
cold(Build *b)
{
	return EMIT(b, "Equal", per_row(b, b->sampler->temp), scalar_f32(b, 0));
}

static Value *
tempered(Build *b, Value *x)
{
	Value *t = EMIT(b, "Where", cold(b), scalar_f32(b, 1),
	                per_row(b, b->sampler->temp));

	return EMIT(b, "Div", x, t);
}

/* The m largest in ascending order, and where they stand: [B,K,m]. */
static Value *
largest(Build *b, Value *x, int64_t m, Value **where)
{
	Value *out[2], *in[] = {x, INTS(b, m)};

	if (!x)
		return NULL;
	out[0] = value_new(b->g, "TopK", DT_NONE, NULL);
	out[1] = value_new(b->g, "TopK/indices", DT_NONE, NULL);
	node_new(b->g, "", "TopK", 2, in, 2, out)->name = out[0]->name;
	for (int i = 0; i < 2; i++)
		out[i] = EMIT(b, "Slice", out[i], INTS(b, -1),
		              INTS(b, INT64_MIN), INTS(b, 2), INTS(b, -1));
	*where = out[1];
	return out[0];
}

/* Masks what top_ks, top_ps and min_ps leave out of x [B,K,m].  The last of
 * top-p is never masked; min-p goes by probabilities before top-p. */
static Value *
cut(Build *b, Value *x, int64_t m)
{
	SamplerInputs *s = b->sampler;
	Value *place, *k, *p, *low, *least, *masked = scalar_f32(b, MASKED);

	place = cast(b,
	             EMIT(b, "Range", int_scalar(b, 0), int_scalar(b, m),
	                  int_scalar(b, 1)),
	             DT_I64);
	k = cast(b, per_row(b, s->top_k), DT_I64);
	k = EMIT(b, "Sub", int_scalar(b, m), k);
	x = EMIT(b, "Where", EMIT(b, "Less", place, k), masked, x);
	p = EMIT_INT(b, "Softmax", "axis", 2, x);
	low = EMIT(b, "Sub", scalar_f32(b, 1), per_row(b, s->top_p));
	low = EMIT(b, "LessOrEqual", EMIT(b, "CumSum", p, int_scalar(b, 2)),
	           low);
	place = EMIT(b, "Less", place, int_scalar(b, m - 1));
	low = EMIT(b, "And", low, place);
	least = reduce(b, "ReduceMax", p, 2, true);
	least = EMIT(b, "Mul", least, per_row(b, s->min_p));
	low = EMIT(b, "Or", low, EMIT(b, "Less", p, least));
	return EMIT(b, "Where", low, masked, x);
}

/* Probabilities of all tokens, of those that were kept. */
static Value *
spread(Build *b, Value *all, Value *where, Value *x)
{
	Value *y =
		EMIT(b, "Expand", scalar_f32(b, MASKED), EMIT(b, "Shape", all));

	y = EMIT_INT(b, "ScatterElements", "axis", 2, y, where, x);
	return EMIT_INT(b, "Softmax", "axis", 2, y);
}

static Value *
best(Build *b, Value *x)
{
	return EMIT_INT(b, "ArgMax", "axis", 2, x);
}

static Value *
drawn(Build *b, Value *x, Value *where)
{
	Value *noise = EMIT(b, "Neg", EMIT(b, "Log", b->sampler->random));

	noise = EMIT(b, "Log", noise);
	x = EMIT(b, "Sub", x, per_row(b, noise));
	return EMIT_INT(b, "GatherElements", "axis", 2, where, best(b, x));
}

Value *
sample(Build *b, Value *logits, Value **probs)
{
	const Json *o = json_get(b->root, "sampler");
	int64_t vocab = json_get_int(b->root, "vocab", 0),
		m = json_get_int(o, "max_top_k_ids", 0);
	Value *x = b->type == DT_F32 ? logits : cast(b, logits, DT_F32),
	      *where = NULL, *greedy, *y;

	if (!x)
		return NULL;
	x = penalised(b, x, vocab);
	greedy = best(b, x);
	y = largest(b, tempered(b, x), m, &where);
	if (!(y = cut(b, y, m)))
		return NULL;
	if (json_get_bool(o, "return_pdfs", false))
		*probs = spread(b, x, where, y);
	return EMIT(b, "Where", cold(b), greedy, drawn(b, y, where));
}
