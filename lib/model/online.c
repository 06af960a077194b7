/* SPDX-License-Identifier: BSD-3-Clause
 * online.c - softmax of scores that are seen block by block.
 *
 * What was summed so far is relative to the largest score so far; a larger
 * one in the next block makes all of it smaller by exp(old - new).  Masked
 * scores are the least float, not infinite, so that a block without a key to
 * see counts until one comes that has one, and nothing is divided by zero.
 * Source: QEfficient's blocked attention, which does the same. */

#include "build.h"

enum { MAXBLOCKS = 64 };

/* The sums so far. */
typedef struct Online {
	Value *max, *sum; /* [B,nh,S,1] float32 */
	Value *out;       /* [B,nh,S,hd] float32 */
} Online;

static Value *
wide(Build *b, Value *x)
{
	return b->type == DT_F32 ? x : cast(b, x, DT_F32);
}

static Value *
narrow(Build *b, Value *x)
{
	return b->type == DT_F32 ? x : cast(b, x, b->type);
}

/* A sink is one more score, of a value of zeros. */
static Online
begin(Build *b, const char *sinks)
{
	if (!sinks)
		return (Online){0};
	return (Online){.max = wide(b,
	                            RESHAPE(b, param(b, sinks), 1, -1, 1, 1)),
	                .sum = scalar_f32(b, 1)};
}

static Value *
faded(Build *b, Value *old, Value *fade, Value *more)
{
	return old ? EMIT(b, "Add", EMIT(b, "Mul", old, fade), more) : more;
}

static void
add(Build *b, Online *o, Value *s, Value *v)
{
	Value *max, *fade = NULL, *p;

	s = wide(b, s);
	max = reduce(b, "ReduceMax", s, -1, true);
	if (o->max) {
		max = EMIT(b, "Max", o->max, max);
		fade = EMIT(b, "Exp", EMIT(b, "Sub", o->max, max));
	}
	p = EMIT(b, "Exp", EMIT(b, "Sub", s, max));
	o->max = max;
	o->sum = faded(b, o->sum, fade, reduce(b, "ReduceSum", p, -1, true));
	o->out = faded(b, o->out, fade,
	               wide(b, EMIT(b, "MatMul", narrow(b, p), v)));
}

static Value *
end(Build *b, const Online *o)
{
	return narrow(b, EMIT(b, "Div", o->out, o->sum));
}

Value *
attend_blocks(Build *b, const Json *m, int64_t kv, Value *q, Value *k, Value *v,
              SpreadFn *spread, const void *arg)
{
	Online o = begin(b, json_get_str(m, "sinks", NULL));
	int64_t n = json_get_int(m, "kv_blocks", 0);

	if (n < 1 || n > MAXBLOCKS || json_get(m, "diff"))
		return fail(b->c, QE_INPUT, "attention in %lld blocks",
		            (long long)n),
		       NULL;
	b->parts = (int)n;
	for (b->part = 0; b->part < n; b->part++) {
		Value *ki = k, *vi = v;

		if (!cache_block(b, kv, &ki, &vi))
			return NULL;
		spread(b, arg, &ki, &vi);
		add(b, &o, attend_scores(b, m, q, ki), vi);
	}
	b->parts = 0;
	return end(b, &o);
}
