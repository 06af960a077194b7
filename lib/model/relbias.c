/* SPDX-License-Identifier: BSD-3-Clause
 * relbias.c - learned biases by distance, in buckets that widen with it.
 *
 * The bucket of every distance up to the largest is worked out here, so that
 * the graph only looks it up: distances beyond share the last bucket.
 * Source of the rule: T5; half of the buckets are exact, the others
 * logarithmic up to `max`. */

#include <math.h>

#include "build.h"

enum { MAXBUCKET = 1 << 16, MAXDISTANCE = 1 << 20 };

/* float32 at every step, as the reference */
static int64_t
bucket(int64_t distance, int64_t n, int64_t max, bool both)
{
	int64_t base = 0, exact, far;
	float x;

	if (both) {
		n /= 2;
		base = distance > 0 ? n : 0;
		distance = distance < 0 ? -distance : distance;
	} else {
		distance = distance < 0 ? -distance : 0;
	}
	exact = n / 2;
	if (distance < exact)
		return base + distance;
	x = (float)log((double)((float)distance / (float)exact));
	x = x / (float)log((double)max / (double)exact);
	far = exact + (int64_t)(x * (float)(n - exact));
	return base + MIN(far, n - 1);
}

Json *
tree_relbias(Tree *t, const Json *spec, int64_t heads)
{
	int64_t n = json_get_int(spec, "buckets", 32),
		rows = json_get_int(spec, "rows", n),
		max = json_get_int(spec, "max", 128);
	bool both = json_get_bool(spec, "bidirectional", true);
	Json *o = json_new(t->a), *list = json_new_array(t->a);
	const char *w;

	if (n < 4 || n > MAXBUCKET || max <= n / 2 || max > MAXDISTANCE ||
	    rows < n)
		return fail(t->c, QE_INPUT, "%lld buckets up to distance %lld",
		            (long long)n, (long long)max),
		       NULL;
	if (!(w = tree_param(t, json_get(spec, "w"), ".weight",
	                     (Shape){2, {rows, heads}})))
		return NULL;
	for (int64_t d = -max; d <= max; d++)
		json_push(list, json_object_new_int64(bucket(d, n, max, both)));
	json_put_str(o, "weight", w);
	tree_put(o, "buckets", list);
	return o;
}

/* [nh,n] the bias of every distance, from the least to the largest */
static Value *
by_distance(Build *b, const char *w, const Json *list)
{
	int64_t n = (int64_t)json_len(list);
	int64_t *x = NEWV(b->a, int64_t, n + 1);

	for (int64_t i = 0; i < n; i++)
		x[i] = json_int(json_at(list, (size_t)i), 0);
	return TRANSPOSE(b,
	                 EMIT_INT(b, "Gather", "axis", 0, param(b, w),
	                          ints(b, (int)n, x)),
	                 1, 0);
}

/* key - query, cut to the table's ends, as its column: [.,S,L] */
static Value *
columns(Build *b, int64_t max)
{
	Value *d = EMIT(b, "Sub", key_positions(b), query_positions(b));

	d = EMIT(b, "Max", d, int_scalar(b, -max));
	d = EMIT(b, "Min", d, int_scalar(b, max));
	d = EMIT(b, "Add", d, int_scalar(b, max));
	return EMIT(b, "Squeeze", d, INTS(b, 1));
}

Value *
relbias(Build *b, const Json *m)
{
	const char *w = json_get_str(m, "weight", "");
	const Json *list = json_get(m, "buckets");
	int64_t max = ((int64_t)json_len(list) - 1) / 2;
	char *key = arena_str(b->a, "relbias %s", w);
	Value *v = dict_get(b->here, key);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = EMIT_INT(b, "Gather", "axis", 1, by_distance(b, w, list),
	             columns(b, max));
	v = TRANSPOSE(b, v, 1, 0, 2, 3);
	b->layer = layer;
	if (v)
		dict_set(b->here, key, v);
	return v;
}
