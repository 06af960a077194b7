/* SPDX-License-Identifier: BSD-3-Clause
 * online.c - softmax of scores that are seen block by block.
 *
 * What was summed so far is relative to the largest score so far; a larger
 * one in the next block makes all of it smaller by exp(old - new).  Masked
 * scores are the least float, not infinite, so that a block without a key to
 * see counts until one comes that has one, and nothing is divided by zero.
 * Source: QEfficient's blocked attention, which does the same. */

#include "build.h"

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
Online
online_begin(Build *b, Value *sinks)
{
	if (!sinks)
		return (Online){0};
	return (Online){.max = wide(b, sinks), .sum = scalar_f32(b, 1)};
}

static Value *
faded(Build *b, Value *old, Value *fade, Value *more)
{
	return old ? EMIT(b, "Add", EMIT(b, "Mul", old, fade), more) : more;
}

void
online_add(Build *b, Online *o, Value *s, Value *v)
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

Value *
online_end(Build *b, const Online *o)
{
	return narrow(b, EMIT(b, "Div", o->out, o->sum));
}
