/* SPDX-License-Identifier: BSD-3-Clause
 * disentangled.c - scores between contents and relative positions.
 *
 *   c2p  q . K(r)  and  p2c  k . Q(r)  for the embedding r of the distance
 * from key to query; both are added before scaling.  Distances are cut at
 * the span, or fall into buckets that widen beyond half of their number.
 * Source of the buckets: DeBERTa; they are worked out here, in float32. */

#include <math.h>

#include "build.h"

enum { MAXSPAN = 1 << 16 };

static int64_t
bucket(int64_t d, int64_t buckets, int64_t max)
{
	int64_t mid = buckets / 2, far = d < 0 ? -d : d;
	float x;

	if (buckets < 1 || far <= mid)
		return d;
	x = (float)log((double)((float)far / (float)mid));
	x = x / (float)log((double)(max - 1) / (double)mid);
	far = (int64_t)ceil((double)(x * (float)(mid - 1))) + mid;
	return d < 0 ? -far : far;
}

static Json *
rows_by_distance(Tree *t, int64_t span, int64_t buckets, int64_t max)
{
	Json *list = json_new_array(t->a);

	for (int64_t d = -max; d <= max; d++) {
		int64_t row = bucket(d, buckets, max) + span;

		row = MIN(MAX(row, 0), 2 * span - 1);
		json_push(list, json_object_new_int64(row));
	}
	return list;
}

static bool
has_type(const Json *types, const char *type)
{
	const char *s = json_str(types, NULL);

	for (size_t i = 0; i < json_len(types); i++)
		if (strcmp(json_str(json_at(types, i), ""), type) == 0)
			return true;
	return s && strstr(s, type);
}

/* {"c2p": linear, "p2c": linear, "rel", "norm", "rows"}; the scale of the
 * scores then counts the kinds */
Json *
tree_disentangled(Tree *t, const Json *spec, int64_t width)
{
	static const char *const kinds[] = {"c2p", "p2c"};
	int64_t buckets = json_get_int(spec, "buckets", -1),
		max = json_get_int(spec, "max", -1);
	int64_t span = buckets > 0 ? buckets : max;
	Json *o = json_new(t->a), *m;
	const char *w;

	if (max < 2 || max > MAXSPAN || span < 1 || span > MAXSPAN)
		return fail(t->c, QE_INPUT, "span %lld", (long long)span), NULL;
	if (!(w = tree_param(t, json_get(spec, "rel"), ".weight",
	                     (Shape){2, {2 * span, t->hidden}})))
		return NULL;
	json_put_str(o, "rel", w);
	tree_put(o, "rows", rows_by_distance(t, span, buckets, max));
	if (json_get(spec, "norm")) {
		if (!(m = tree_norm(t, json_get(spec, "norm"), NULL,
		                    t->hidden)))
			return NULL;
		tree_put(o, "norm", m);
	}
	for (int i = 0; i < 2; i++) {
		if (!has_type(json_get(spec, "types"), kinds[i]))
			continue;
		if (!(m = tree_linear(t, json_get(spec, kinds[i]), width,
		                      t->hidden,
		                      json_get_bool(spec,
		                                    i ? "p2c_bias" : "c2p_bias",
		                                    true))))
			return NULL;
		tree_put(o, kinds[i], m);
	}
	return o;
}

/* ---- nodes ---- */

static Value *
embeddings(Build *b, const Json *m)
{
	const char *w = json_get_str(m, "rel", "");
	char *key = arena_str(b->a, "distances %s", w);
	Value *v = dict_get(b->here, key);
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = norm(b, json_get(m, "norm"), param(b, w));
	b->layer = layer;
	if (v)
		dict_set(b->here, key, v);
	return v;
}

/* the row of every pair, by distance query - key: [1,1,S,S] */
static Value *
rows_of_pairs(Build *b, const Json *m)
{
	const Json *list = json_get(m, "rows");
	int64_t n = (int64_t)json_len(list), max = (n - 1) / 2;
	int64_t *x = NEWV(b->a, int64_t, n + 1);
	Value *v = dict_get(b->here, "pairs"), *d;
	int layer = b->layer;

	if (v)
		return v;
	for (int64_t i = 0; i < n; i++)
		x[i] = json_int(json_at(list, (size_t)i), 0);
	b->layer = -1;
	d = EMIT(b, "Sub", query_positions(b), key_positions(b));
	d = EMIT(b, "Max", d, int_scalar(b, -max));
	d = EMIT(b, "Min", d, int_scalar(b, max));
	d = EMIT(b, "Add", d, int_scalar(b, max));
	v = EMIT_INT(b, "Gather", "axis", 0, ints(b, (int)n, x), d);
	b->layer = layer;
	dict_set(b->here, "pairs", v);
	return v;
}

/* x [B,nh,S,hd] against the embeddings: [B,nh,S,S], at [row of x, other] */
static Value *
against(Build *b, const Json *m, const char *kind, Value *x, int64_t nh,
        int64_t hd, Value *rows)
{
	Value *r = linear(b, json_get(m, kind), embeddings(b, m)), *s;

	r = TRANSPOSE(b, RESHAPE(b, r, 0, nh, hd), 1, 2, 0);
	r = EMIT(b, "MatMul", x, r);
	s = slice(b, EMIT(b, "Shape", r), 0, 0, 3);
	s = concat(b, 2,
	           (Value *[]){s, slice(b, EMIT(b, "Shape", rows), 0, 3, 4)},
	           0);
	return EMIT_INT(b, "GatherElements", "axis", 3, r,
	                EMIT(b, "Expand", rows, s));
}

Value *
disentangled(Build *b, const Json *m, Value *q, Value *k, int64_t nh,
             int64_t hd)
{
	Value *rows = rows_of_pairs(b, m), *s = NULL, *p;

	if (json_get(m, "c2p"))
		s = against(b, m, "c2p", q, nh, hd, rows);
	if (json_get(m, "p2c")) {
		/* of [key, query]; the row is that of query - key */
		p = TRANSPOSE(b, rows, 0, 1, 3, 2);
		p = against(b, m, "p2c", k, nh, hd, p);
		p = TRANSPOSE(b, p, 0, 1, 3, 2);
		s = s ? EMIT(b, "Add", s, p) : p;
	}
	if (!s && !b->c->status)
		fail(b->c, QE_INPUT, "disentangled attention of no kind");
	return s;
}
