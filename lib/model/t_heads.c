/* SPDX-License-Identifier: BSD-3-Clause
 * t_heads.c - key and value heads repeated, for more devices than heads.
 *
 * A model cut over N devices wants a key head for each.  The rows of each
 * head in the projections of keys and values are repeated r times, so that
 * kv_heads becomes r times as many and every query finds the head it had.
 * r is the least for which N devices, and the query heads, divide among the
 * heads; or it is given.  Source: QEfficient, ReplicateKVHeadTransform. */

#include "transform.h"
#include "tree.h"

enum { MOST = 64 };

bool
want_replicate_kv(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->kv_repeat || args->kv_devices;
}

static bool
choose(Ctx *c, const Json *m, const TransformArgs *args, int64_t *r)
{
	int64_t kv = json_get_int(m, "kv_heads", 0),
		nh = json_get_int(m, "heads", 0), n = args->kv_devices;

	if (!kv)
		return fail(
			c, QE_INPUT,
			"latent attention has as many key heads as heads, unless --mla-absorption compresses them");
	*r = args->kv_repeat;
	for (int64_t i = 2; !*r && kv > 0 && n > kv && i <= MOST; i++)
		if (n % (kv * i) == 0 && nh % (kv * i) == 0)
			*r = i;
	if (!*r)
		return fail(
			c, QE_INPUT,
			"%lld key heads of %lld cannot be repeated to divide among %lld devices",
			(long long)kv, (long long)nh, (long long)n);
	return (kv > 0 && *r > 1 && *r <= MOST && nh % (kv * *r) == 0) ||
	       fail(c, QE_INPUT,
	            "%lld heads cannot share %lld key heads, each %lld times",
	            (long long)nh, (long long)kv, (long long)*r);
}

static Json *
step(Arena *a, const char *name, int n, const int64_t *arg)
{
	Json *o = json_new_array(a);

	json_push(o, json_object_new_string(name));
	for (int i = 0; i < n; i++)
		json_push(o, json_object_new_int64(arg[i]));
	return json_share(o);
}

static Json *
dims_json(Arena *a, const Shape *s)
{
	Json *dims = json_new_array(a);

	for (int i = 0; i < s->rank; i++)
		json_push(dims, json_object_new_int64(s->dim[i]));
	return dims;
}

/* What is to be done to a tensor, and what was done already, so that heads of
 * `width` rows each along an axis of it (s) are there r times. */
static Json *
steps_of(Arena *a, const Json *t, Shape s, int axis, int64_t width, int64_t r)
{
	Json *steps = json_get(t, "steps") ? json_copy(a, json_get(t, "steps"))
	                                   : json_new_array(a);
	int64_t heads[MAXRANK];

	for (int i = 0; i < s.rank; i++)
		heads[i + (i > axis)] = s.dim[i];
	heads[axis] = s.dim[axis] / width;
	heads[axis + 1] = width;
	json_push(steps, step(a, "reshape", s.rank + 1, heads));
	json_push(steps, step(a, "repeat", 2, (int64_t[]){axis, r}));
	s.dim[axis] *= r;
	json_push(steps, step(a, "reshape", s.rank, s.dim));
	return steps;
}

/* A tensor of what another (t, of this name) is made of. */
static Json *
derive(Arena *a, const Json *t, const char *name, Json *steps, const Shape *s)
{
	static const char *const own[] = {"file", "offset", "length", "source"};
	Json *o = json_copy(a, t), *from = json_get(o, "from");

	if (!from) {
		from = json_new_array(a);
		json_push(from, json_object_new_string(name));
		json_put(o, "from", json_share(from));
	}
	for (size_t i = 0; i < LEN(own); i++)
		json_object_object_del(o, own[i]);
	json_put(o, "steps", json_share(steps));
	json_put(o, "shape", json_share(dims_json(a, s)));
	return o;
}

/* The tensor with the heads that lie along one of its axes repeated. */
static bool
repeat(Ctx *c, Arena *a, Json *doc, Json *m, const char *key, int axis,
       int64_t kv, int64_t r)
{
	const char *name = json_get_str(m, key, NULL), *out;
	Json *tensors = json_get(doc, "tensors"), *t, *steps;
	Shape s;

	if (!name)
		return true;
	t = json_get(tensors, name);
	s = tree_shape(t);
	if (s.rank <= axis || s.rank + 1 > MAXRANK || s.dim[axis] % kv)
		return fail(c, QE_INPUT, "tensor '%s': %s for %lld heads", name,
		            shape_text(&s).s, (long long)kv);
	steps = steps_of(a, t, s, axis, s.dim[axis] / kv, r);
	s.dim[axis] *= r;
	out = arena_str(a, "%s.repeated", name);
	json_put(tensors, out, json_share(derive(a, t, name, steps, &s)));
	json_put_str(m, key, out);
	return true;
}

static bool
widen(Ctx *c, Arena *a, Json *doc, Json *m, int64_t r)
{
	static const char *const parts[] = {"k", "v"};
	static const char *const norms[] = {"k_norm", "v_norm"};
	int64_t kv = json_get_int(m, "kv_heads", 0);

	json_put_int(m, "kv_heads", kv * r);
	if (json_get_bool(m, "compressed", false))
		return true; /* copies are made of rows, not of weights */
	for (size_t i = 0; i < LEN(parts); i++) {
		Json *p = json_get(m, parts[i]);
		int axis = json_get_bool(p, "in_out", false) ? 1 : 0;
		const Json *n = json_get(m, norms[i]);

		if (n && strcmp(json_get_str(n, "scope", "head"), "head") != 0)
			return fail(c, QE_INPUT,
			            "a norm over all key heads at once");
		if (!repeat(c, a, doc, p, "weight", axis, kv, r) ||
		    !repeat(c, a, doc, p, "bias", 0, kv, r))
			return false;
	}
	return true;
}

bool
apply_replicate_kv(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
                   Json *record)
{
	static const char *const kinds[] = {"attn", "mla", NULL};
	Json *list = transform_blocks(a, doc, kinds);
	int64_t r = 0, kv = json_get_int(json_at(list, 0), "kv_heads", 0);

	if (!transform_cached(c, doc))
		return false;
	if (!json_len(list))
		return fail(c, QE_INPUT, "no attention with heads of keys");
	for (size_t i = 0; i < json_len(list); i++)
		if (!choose(c, json_at(list, i), args, &r) ||
		    !widen(c, a, doc, json_at(list, i), r))
			return false;
	json_put_int(record, "orig_kv_heads", kv);
	json_put_int(record, "num_replicate_kv_heads", r);
	return true;
}
