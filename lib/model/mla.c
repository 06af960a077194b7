/* SPDX-License-Identifier: BSD-3-Clause
 * mla.c - multi-head latent attention.
 *
 *   q = [q_b norm] q_a x     heads of nope | rot
 *   c | r = kv_a x           c: rank, r: one rotated part for all heads
 *   k | v = kv_b norm c      heads of nope | v
 *
 * What the cache keeps is chosen by the transform mla:
 *
 *   nothing said  whole keys [B,nh,L,nope+rot] and values [B,nh,L,v]
 *   compressed    norm c [B,h,L,rank] and r [B,h,L,rot]; keys and values are
 *                 made of all rows at each call
 *   and absorbed  the same, but they are never made: with U and V the parts
 *                 of kv_b for a head, q . U c = (U' q) . c and
 *                 sum p V c = V sum p c, so that the rows c serve all heads
 *                 as keys and as values
 *
 * U' is multiplied into the matrix that makes q ahead of time, or, online, U'
 * and q are multiplied at each call: QEfficient multiplies the two matrices
 * there, which gives the same for many times the work. */

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

/* [B,S,in], of which the last of the projections makes queries */
static Value *
query_source(Build *b, const Json *m, const Dims *d, Value *x)
{
	if (!d->q_rank)
		return x;
	return norm(b, json_get(m, "q_a_norm"),
	            linear(b, json_get(m, "q_a"), x));
}

static const Json *
query_module(const Json *m, const Dims *d)
{
	return json_get(m, d->q_rank ? "q_b" : "q");
}

/* q [B,nh,S,n+rot]: the first n times `up` [nh,n,rank] if there is one, the
 * others turned by their positions */
static Value *
turn_queries(Build *b, const Json *m, const Dims *d, Value *q, int64_t n,
             Value *up)
{
	Value *r =
		rotate(b, json_get(m, "rope"), slice(b, q, -1, n, n + d->rot));

	q = slice(b, q, -1, 0, n);
	if (up)
		q = EMIT(b, "MatMul", q, up);
	return concat(b, 2, (Value *[]){q, r}, -1);
}

static Value *
queries(Build *b, const Json *m, const Dims *d, Value *x, Value *up)
{
	Value *q = linear(b, query_module(m, d), query_source(b, m, d, x));

	q = split_heads(b, q, d->nh, d->nope + d->rot);
	return turn_queries(b, m, d, q, d->nope, up);
}

/* What a token leaves behind: c [B,S,rank] and r [B,1,S,rot]. */
static void
latents(Build *b, const Json *m, const Dims *d, Value *x, Value **c, Value **r)
{
	x = linear(b, json_get(m, "kv_a"), x);
	*r = unsqueeze(b, slice(b, x, -1, d->kv_rank, d->kv_rank + d->rot), 1);
	*r = rotate(b, json_get(m, "rope"), *r);
	*c = norm(b, json_get(m, "kv_a_norm"), slice(b, x, -1, 0, d->kv_rank));
}

static Value *
each_head(Build *b, Value *r, int64_t nh)
{
	return EMIT(b, "Expand", r, INTS(b, 1, nh, 1, 1));
}

static void
keys_values(Build *b, const Json *m, const Dims *d, Value *x, Value **k,
            Value **v)
{
	Value *c, *r;

	latents(b, m, d, x, &c, &r);
	r = each_head(b, r, d->nh);
	c = linear(b, json_get(m, "kv_b"), c);
	c = split_heads(b, c, d->nh, d->nope + d->v);
	*k = slice(b, c, -1, 0, d->nope);
	*k = concat(b, 2, (Value *[]){*k, r}, -1);
	*v = slice(b, c, -1, d->nope, d->nope + d->v);
}

/* ---- compressed ---- */

typedef struct Latent {
	const Dims *d;
	int64_t kept;    /* heads in the cache: 1, or copies of it */
	bool absorbed;   /* keys and values are not made */
	Value *up, *out; /* [nh,rank,nope], [nh,rank,v]: U and V turned */
} Latent;

/* [in,nh*n] -> [nh,in,n] */
static Value *
by_head(Build *b, Value *w, int64_t nh, int64_t n)
{
	return TRANSPOSE(b, RESHAPE(b, w, -1, nh, n), 1, 0, 2);
}

static Latent
latent(Build *b, const Json *m, const Dims *d)
{
	Latent t = {.d = d,
	            .kept = json_get_int(m, "kv_heads", 1),
	            .absorbed = json_has(m, "absorption")};
	int layer = b->layer;
	Value *w;

	b->layer = -1;
	w = by_head(b, linear_matrix(b, json_get(m, "kv_b")), d->nh,
	            d->nope + d->v);
	t.up = slice(b, w, -1, 0, d->nope);
	t.out = slice(b, w, -1, d->nope, d->nope + d->v);
	b->layer = layer;
	return t;
}

static Value *
in_float32(Build *b, Value *x)
{
	return b->type == DT_F32 ? x : cast(b, x, DT_F32);
}

/* The matrix that makes queries with U' multiplied into it, [in,
 * nh*(rank+rot)]: a constant, made in float32 by whoever packs it. */
static Value *
absorbing(Build *b, const Json *module, const Latent *t)
{
	const Dims *d = t->d;
	int64_t n = d->nope + d->rot;
	int layer = b->layer;
	Value *w, *r;

	b->layer = -1;
	w = by_head(b, in_float32(b, linear_matrix(b, module)), d->nh, n);
	r = slice(b, w, -1, d->nope, n);
	w = EMIT(b, "MatMul", slice(b, w, -1, 0, d->nope),
	         TRANSPOSE(b, in_float32(b, t->up), 0, 2, 1));
	w = TRANSPOSE(b, concat(b, 2, (Value *[]){w, r}, -1), 1, 0, 2);
	w = RESHAPE(b, w, -1, d->nh * (d->kv_rank + d->rot));
	if (w && b->type != DT_F32)
		w = cast(b, w, b->type);
	b->layer = layer;
	if (w)
		value_rename(b->g, w,
		             arena_str(b->a, "%s.absorbed",
		                       json_get_str(module, "weight", "q")));
	return w;
}

/* [B,nh,S,nope+rot], or absorbed: [B,nh,S,rank+rot] */
static Value *
latent_queries(Build *b, const Json *m, const Latent *t, Value *x)
{
	const Dims *d = t->d;
	const char *how = json_get_str(m, "absorption", "");
	Value *q;

	if (strcmp(how, "offline") != 0)
		return queries(b, m, d, x,
		               t->absorbed ? TRANSPOSE(b, t->up, 0, 2, 1)
		                           : NULL);
	q = EMIT(b, "MatMul", query_source(b, m, d, x),
	         absorbing(b, query_module(m, d), t));
	q = split_heads(b, q, d->nh, d->kv_rank + d->rot);
	return turn_queries(b, m, d, q, d->kv_rank, NULL);
}

/* Keys and values of the rows c [B,kept,L,rank] and r [B,kept,L,rot]. */
static void
spread(Build *b, const void *arg, Value **c, Value **r)
{
	const Latent *t = arg;
	const Dims *d = t->d;
	int64_t g = t->kept > 1 ? d->nh / t->kept : 1;
	Value *v;

	*c = repeat_heads(b, *c, t->kept, g, d->kv_rank);
	*r = repeat_heads(b, *r, t->kept, g, d->rot);
	v = *c;
	if (!t->absorbed) {
		*c = EMIT(b, "MatMul", *c, t->up);
		v = EMIT(b, "MatMul", v, t->out);
		if (t->kept == 1)
			*r = each_head(b, *r, d->nh);
	}
	*c = concat(b, 2, (Value *[]){*c, *r}, -1);
	*r = v;
}

static Value *
attend_latent(Build *b, const Json *m, const Latent *t, Value *q, Value *c,
              Value *r)
{
	const Dims *d = t->d;

	if (!json_has(m, "kv_blocks")) {
		if (!cache_update(b, t->kept, d->kv_rank, d->rot, &c, &r))
			return NULL;
		spread(b, t, &c, &r);
		return attend(b, m, q, c, r);
	}
	if (!cache_write(b, t->kept, d->kv_rank, d->rot, &c, &r))
		return NULL;
	return attend_blocks(b, m, t->kept, q, c, r, spread, t);
}

static Value *
lower_latent(Build *b, const Json *m, const Dims *d, Value *x)
{
	Latent t = latent(b, m, d);
	Value *q, *c, *r;

	if (!b->cached || t.kept < 1 || d->nh % t.kept)
		return fail(b->c, QE_INPUT,
		            "a %s of %lld compressed heads for %lld",
		            b->cached ? "cache" : "call", (long long)t.kept,
		            (long long)d->nh),
		       NULL;
	q = latent_queries(b, m, &t, x);
	latents(b, m, d, x, &c, &r);
	c = unsqueeze(b, c, 1);
	if (t.kept > 1) {
		c = each_head(b, c, t.kept);
		r = each_head(b, r, t.kept);
	}
	b->latent = true;
	x = attend_latent(b, m, &t, q, c, r);
	b->latent = false;
	return t.absorbed ? EMIT(b, "MatMul", x, t.out) : x;
}

/* ---- whole ---- */

static void
as_they_are(Build *b, const void *arg, Value **k, Value **v)
{
	(void)b, (void)arg, (void)k, (void)v;
}

static Value *
lower_whole(Build *b, const Json *m, const Dims *d, Value *x)
{
	Value *q = queries(b, m, d, x, NULL), *k, *v;
	int64_t wide = d->nope + d->rot;

	keys_values(b, m, d, x, &k, &v);
	if (b->cached && json_has(m, "kv_blocks")) {
		if (!cache_write(b, d->nh, wide, d->v, &k, &v))
			return NULL;
		return attend_blocks(b, m, d->nh, q, k, v, as_they_are, NULL);
	}
	if (b->cached && !cache_update(b, d->nh, wide, d->v, &k, &v))
		return NULL;
	return attend(b, m, q, k, v);
}

Value *
lower_mla(Build *b, const Json *m, Value *x)
{
	Dims d;

	if (!dims_of(b->c, m, &d))
		return NULL;
	x = json_get_bool(m, "compressed", false) ? lower_latent(b, m, &d, x)
	                                          : lower_whole(b, m, &d, x);
	x = RESHAPE(b, TRANSPOSE(b, x, 0, 2, 1, 3), 0, 0, d.nh * d.v);
	return linear(b, json_get(m, "o"), x);
}
