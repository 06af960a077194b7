/* SPDX-License-Identifier: BSD-3-Clause
 * disentangled.c - scores between contents and relative positions.
 *
 *   c2p  q . K(r)  and  p2c  k . Q(r)  for the embedding r of the distance
 * from key to query; both are added before scaling.  Distances are cut at
 * the span, or fall into buckets that widen beyond half of their number.
 * Source of the buckets: DeBERTa; they are worked out here, in float32.
 *
 * Per head, K and Q are nothing, r is as wide as a head and there is one for
 * each distance below the span: BERT's relative_key (c2p) and
 * relative_key_query (both). */

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

/* middle: the row of distance 0; n: rows */
static Json *
rows_by_distance(Tree *t, int64_t middle, int64_t n, int64_t buckets,
                 int64_t max)
{
	Json *list = json_new_array(t->a);

	for (int64_t d = -max; d <= max; d++) {
		int64_t row = bucket(d, buckets, max) + middle;

		row = MIN(MAX(row, 0), n - 1);
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

/* The matrix of a kind; per head an object that says nothing. */
static Json *
kind_matrix(Tree *t, const Json *spec, const char *kind, int64_t width)
{
	const char *bias = arena_str(t->a, "%s_bias", kind);

	if (json_get_bool(spec, "per_head", false))
		return json_new(t->a);
	return tree_linear(t, json_get(spec, kind), width, t->hidden,
	                   json_get_bool(spec, bias, true));
}

static bool
rel_embeddings(Tree *t, const Json *spec, Shape want, Json *o)
{
	const char *w = tree_param(t, json_get(spec, "rel"), ".weight", want);
	Json *m;

	if (!w)
		return false;
	json_put_str(o, "rel", w);
	tree_put(o, "after_scale", json_get(spec, "after_scale"));
	if (!json_get(spec, "norm"))
		return true;
	if (!(m = tree_norm(t, json_get(spec, "norm"), NULL, t->hidden)))
		return false;
	tree_put(o, "norm", m);
	return true;
}

/* {"c2p": linear, "p2c": linear, "rel", "norm", "rows"}; the scale of the
 * scores then counts the kinds */
Json *
tree_disentangled(Tree *t, const Json *spec, int64_t heads, int64_t hd)
{
	static const char *const kinds[] = {"c2p", "p2c"};
	int64_t buckets = json_get_int(spec, "buckets", -1),
		max = json_get_int(spec, "max", -1);
	int64_t span = buckets > 0 ? buckets : max;
	bool per_head = json_get_bool(spec, "per_head", false);
	int64_t n = 2 * span - per_head;
	Json *o = json_new(t->a), *m;

	if (max < 2 || max > MAXSPAN || span < 1 || span > MAXSPAN)
		return fail(t->c, QE_INPUT, "span %lld", (long long)span), NULL;
	if (!rel_embeddings(t, spec, (Shape){2, {n, per_head ? hd : t->hidden}},
	                    o))
		return NULL;
	tree_put(o, "rows",
	         rows_by_distance(t, span - per_head, n, buckets, max));
	for (size_t i = 0; i < LEN(kinds); i++) {
		if (!has_type(json_get(spec, "types"), kinds[i]))
			continue;
		if (!(m = kind_matrix(t, spec, kinds[i], heads * hd)))
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
	const Json *matrix = json_get(m, kind);
	Value *r = embeddings(b, m), *s;

	if (json_has(matrix, "weight"))
		r = TRANSPOSE(b, RESHAPE(b, linear(b, matrix, r), 0, nh, hd), 1,
		              2, 0);
	else
		r = TRANSPOSE(b, r, 1, 0);
	r = EMIT(b, "MatMul", x, r);
	s = slice(b, EMIT(b, "Shape", r), 0, 0, 3);
	s = concat(b, 2,
	           (Value *[]){s, slice(b, EMIT(b, "Shape", rows), 0, 3, 4)},
	           0);
	return EMIT_INT(b, "GatherElements", "axis", 3, r,
	                EMIT(b, "Expand", rows, s));
}

Value *
disentangled(Build *b, const Json *attn, Value *q, Value *k)
{
	const Json *m = json_get(attn, "disentangled");
	int64_t nh = json_get_int(attn, "heads", 1),
		hd = json_get_int(attn, "head_dim", 1);
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
