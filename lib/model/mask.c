/* SPDX-License-Identifier: BSD-3-Clause
 * mask.c - which keys a query must not see, once per kind for the model.
 *
 *   kept cache:  keys stand where cache_keys() says, in slots 0..L-1 as a
 *                rule, queries at position_ids
 *   no cache:    keys and queries are the same S tokens; -1 is padding
 *   encoder:     both are 0..S-1, padding is where attention_mask is 0
 *   memory:      keys are what an encoder made, any query sees them all */

#include "build.h"

Value *
once(Build *b, const char *key, Value *(*make)(Build *))
{
	Value *v = dict_get(b->here, key);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = make(b);
	b->layer = layer;
	if (v)
		dict_set(b->here, key, v);
	return v;
}

/* Whether keys are what was kept, not this call's alone. */
static bool
from_cache(const Build *b)
{
	return b->cached && !b->fresh;
}

static Value *
make_keys(Build *b)
{
	return unsqueeze(b, unsqueeze(b, b->positions, 1), 1);
}

static Value *
make_queries(Build *b)
{
	return unsqueeze(b, unsqueeze(b, b->positions, 1), 3);
}

Value *
key_positions(Build *b)
{
	return from_cache(b) ? cache_keys(b)
	                     : once(b, "key positions", make_keys);
}

Value *
query_positions(Build *b)
{
	return once(b, "query positions", make_queries);
}

/* 0 for a key that counts, the least float for padding */
static Value *
make_padding(Build *b)
{
	Value *m = unsqueeze(b, unsqueeze(b, b->mask, 1), 1);

	m = EMIT(b, "Sub", scalar(b, 1), cast(b, m, b->type));
	return EMIT(b, "Mul", m, least(b));
}

Value *
mask_padding(Build *b)
{
	return once(b, "padding", make_padding);
}

static Value *
make_absent(Build *b)
{
	Value *m;

	if (!b->encoder)
		return EMIT(b, "Less", key_positions(b), int_scalar(b, 0));
	m = unsqueeze(b, unsqueeze(b, b->mask, 1), 1);
	return EMIT(b, "Equal", m, int_scalar(b, 0));
}

static Value * or (Build * b, Value *mask, Value *more)
{
	return mask ? EMIT(b, "Or", mask, more) : more;
}

/* Without a cache padding is masked here too: a slot of a cache that was
 * never written is beyond every position. */
static Value *
make_mask(Build *b, bool causal, int64_t window, int64_t chunk)
{
	Value *k = key_positions(b), *q = query_positions(b), *m = NULL, *d;

	if (causal)
		m = EMIT(b, "Greater", k, q);
	if (window && causal) {
		d = EMIT(b, "Sub", q, int_scalar(b, window - 1));
		m = or (b, m, EMIT(b, "Less", k, d));
	} else if (window) {
		d = EMIT(b, "Abs", EMIT(b, "Sub", q, k));
		m = or
		    (b, m, EMIT(b, "GreaterOrEqual", d, int_scalar(b, window)));
	}
	if (chunk) {
		d = EMIT(b, "Div", q, int_scalar(b, chunk));
		d = EMIT(b, "Mul", d, int_scalar(b, chunk));
		m = or (b, m, EMIT(b, "Less", k, d));
	}
	if (!from_cache(b))
		m = or (b, m, once(b, "absent", make_absent));
	return m;
}

Value *
mask_keys(Build *b, bool causal, int64_t window, int64_t chunk)
{
	char *key = arena_str(b->a, "mask %d %lld %lld %d", causal,
	                      (long long)window, (long long)chunk, b->keeps);
	Value *v = dict_get(b->here, key);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = make_mask(b, causal, window, chunk);
	b->layer = layer;
	if (v)
		dict_set(b->here, key, v);
	return v;
}

static Value *
make_memory(Build *b)
{
	Value *m;

	if (b->cached)
		return unsqueeze(b, cache_empty(b), 2);
	m = unsqueeze(b, unsqueeze(b, b->heard, 1), 1);
	return EMIT(b, "Less", m, int_scalar(b, 0));
}

Value *
mask_memory(Build *b)
{
	return once(b, "memory", make_memory);
}
