/* SPDX-License-Identifier: BSD-3-Clause
 * mla.c - multi-head latent attention, keys and values expanded.
 *
 *   q = [q_b norm] q_a x     heads of nope | rot
 *   c | r = kv_a x           c: rank, r: one rotated part for all heads
 *   k | v = kv_b norm c      heads of nope | v
 * The cache keeps whole keys [B,nh,L,nope+rot] and values [B,nh,L,v]. */

#include "build.h"

typedef struct Dims {
	int64_t nh, nope, rot, v, q_rank, kv_rank;
} Dims;

static bool
dims_of(Ctx *c, const Json *o, Dims *d)
{
	enum { LIMIT = 1 << 20 };
	const struct {
		const char *key;
		int64_t *to, least;
	} keys[] = {
		{"heads", &d->nh, 1},      {"nope", &d->nope, 1},
		{"rot", &d->rot, 2},       {"v_hd", &d->v, 1},
		{"q_rank", &d->q_rank, 0}, {"kv_rank", &d->kv_rank, 1},
	};

	for (size_t i = 0; i < LEN(keys); i++) {
		*keys[i].to = json_get_int(o, keys[i].key, 0);
		if (*keys[i].to < keys[i].least || *keys[i].to > LIMIT)
			return fail(c, QE_INPUT, "%s is %lld", keys[i].key,
			            (long long)*keys[i].to);
	}
	return true;
}

static bool
put_linear(Tree *t, const Json *spec, const char *key, int64_t out, int64_t in,
           bool bias, Json *o)
{
	Json *m = tree_linear(t, json_get(spec, key), out, in, bias);

	if (!m)
		return false;
	tree_put(o, key, m);
	return true;
}

static bool
put_norm(Tree *t, const Json *spec, const char *key, int64_t width, Json *o)
{
	const Json *n = json_get(spec, key);
	Json *m = tree_norm(t, json_get(n, "w"), n, width);

	if (!m)
		return false;
	tree_put(o, key, m);
	return true;
}

static bool
projections(Tree *t, const Json *spec, const Dims *d, Json *o)
{
	int64_t h = t->hidden, q = d->nh * (d->nope + d->rot);
	bool bias = json_get_bool(spec, "bias", false);

	if (d->q_rank ? !put_linear(t, spec, "q_a", d->q_rank, h, bias, o) ||
	                        !put_norm(t, spec, "q_a_norm", d->q_rank, o) ||
	                        !put_linear(t, spec, "q_b", q, d->q_rank, false,
	                                    o)
	              : !put_linear(t, spec, "q", q, h, false, o))
		return false;
	return put_linear(t, spec, "kv_a", d->kv_rank + d->rot, h, bias, o) &&
	       put_norm(t, spec, "kv_a_norm", d->kv_rank, o) &&
	       put_linear(t, spec, "kv_b", d->nh * (d->nope + d->v), d->kv_rank,
	                  false, o) &&
	       put_linear(t, spec, "o", h, d->nh * d->v,
	                  json_get_bool(spec, "o_bias", false), o);
}

Json *
tree_mla(Tree *t, const Json *spec)
{
	static const char *const plain[] = {"nope",   "rot",     "v_hd",
	                                    "q_rank", "kv_rank", "scale"};
	Json *o = json_new(t->a), *m;
	int rope = tree_rope(t, json_get(spec, "rope"));
	int64_t nh;
	Dims d;

	if (rope == -2 || !tree_let(t, "nh", &nh))
		return NULL;
	json_put_int(o, "heads", nh);
	json_put_bool(o, "causal", true);
	for (size_t i = 0; i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(spec, plain[i]));
	if (!dims_of(t->c, o, &d))
		return NULL;
	m = json_new(t->a);
	json_put_int(m, "table", rope);
	json_put_int(m, "width", d.rot);
	tree_put(m, "style", json_get(json_get(spec, "rope"), "style"));
	tree_put(o, "rope", m);
	return projections(t, spec, &d, o) ? o : NULL;
}

/* ---- nodes ---- */

/* [B,S,nh*n] -> [B,nh,S,n] */
static Value *
split_heads(Build *b, Value *x, int64_t nh, int64_t n)
{
	return TRANSPOSE(b, RESHAPE(b, x, 0, 0, nh, n), 0, 2, 1, 3);
}

static Value *
queries(Build *b, const Json *m, const Dims *d, Value *x)
{
	Value *q, *r;

	if (d->q_rank) {
		q = linear(b, json_get(m, "q_a"), x);
		q = norm(b, json_get(m, "q_a_norm"), q);
		q = linear(b, json_get(m, "q_b"), q);
	} else {
		q = linear(b, json_get(m, "q"), x);
	}
	q = split_heads(b, q, d->nh, d->nope + d->rot);
	r = slice(b, q, -1, d->nope, d->nope + d->rot);
	r = rotate(b, json_get(m, "rope"), r);
	q = slice(b, q, -1, 0, d->nope);
	return concat(b, 2, (Value *[]){q, r}, -1);
}

static void
keys_values(Build *b, const Json *m, const Dims *d, Value *x, Value **k,
            Value **v)
{
	Value *c = linear(b, json_get(m, "kv_a"), x), *r;

	r = unsqueeze(b, slice(b, c, -1, d->kv_rank, d->kv_rank + d->rot), 1);
	r = rotate(b, json_get(m, "rope"), r);
	r = EMIT(b, "Expand", r, INTS(b, 1, d->nh, 1, 1));
	c = norm(b, json_get(m, "kv_a_norm"), slice(b, c, -1, 0, d->kv_rank));
	c = linear(b, json_get(m, "kv_b"), c);
	c = split_heads(b, c, d->nh, d->nope + d->v);
	*k = slice(b, c, -1, 0, d->nope);
	*k = concat(b, 2, (Value *[]){*k, r}, -1);
	*v = slice(b, c, -1, d->nope, d->nope + d->v);
}

Value *
lower_mla(Build *b, const Json *m, Value *x)
{
	Value *q, *k, *v;
	Dims d;

	if (!dims_of(b->c, m, &d))
		return NULL;
	q = queries(b, m, &d, x);
	keys_values(b, m, &d, x, &k, &v);
	if (b->cached && !cache_update(b, d.nh, d.nope + d.rot, d.v, &k, &v))
		return NULL;
	x = attend(b, m, q, k, v);
	x = RESHAPE(b, x, 0, 0, d.nh * d.v);
	return linear(b, json_get(m, "o"), x);
}
