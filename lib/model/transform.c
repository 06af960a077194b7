/* SPDX-License-Identifier: BSD-3-Clause
 * transform.c - finds, applies and records transforms of the module tree.
 *
 * A transform marks the tree; onnx-export reads the marks.  Weights are not
 * touched. */

#include "transform.h"

#include "tree.h"

const Transform transforms[] = {
#define TRANSFORM(name, want, apply, about) {#name, want, apply, about},
#include "transforms.def"
#undef TRANSFORM
};
const int ntransform = LEN(transforms);

static bool
applied(const Json *doc, const char *name)
{
	const Json *list = json_get(doc, "transforms");

	for (size_t i = 0; i < json_len(list); i++)
		if (strcmp(json_get_str(json_at(list, i), "name", ""), name) ==
		    0)
			return true;
	return false;
}

static bool
apply(Ctx *c, Arena *a, Json *doc, const Transform *t,
      const TransformArgs *args)
{
	Json *record = json_new(a);

	if (applied(doc, t->name))
		return fail(c, QE_INPUT, "transform '%s' was already applied",
		            t->name);
	json_put_str(record, "name", t->name);
	if (!t->apply(c, a, doc, args, record))
		return note(c, "transform '%s'", t->name);
	json_push(json_get(doc, "transforms"), json_share(record));
	say(c, 1, "%s: %s", t->name, t->about);
	return true;
}

static const Transform *
find(const char *name)
{
	for (int i = 0; i < ntransform; i++)
		if (strcmp(transforms[i].name, name) == 0)
			return &transforms[i];
	return NULL;
}

static bool
unknown(Ctx *c, const char *name)
{
	const char *names[LEN(transforms) + 1] = {0};

	for (int i = 0; i < ntransform; i++)
		names[i] = transforms[i].name;
	return unknown_name(c, "transform", name, names, " (try --list)");
}

bool
transforms_apply(Ctx *c, Arena *a, Json *doc, const char *list,
                 const TransformArgs *args)
{
	char **name;

	for (int i = 0; !list && i < ntransform; i++)
		if (!applied(doc, transforms[i].name) &&
		    transforms[i].want(doc, args) &&
		    !apply(c, a, doc, &transforms[i], args))
			return false;
	if (!list)
		return true;
	for (name = str_split(a, list, ','); *name; name++) {
		const Transform *t = find(*name);

		if (!t)
			return unknown(c, *name);
		if (!apply(c, a, doc, t, args))
			return false;
	}
	return true;
}

/* ---- custom_ops ---- */

/* Marks every rms norm below o; they are the objects with kind "rms". */
static int
mark_norms(Json *o, int depth)
{
	int n = 0;

	if (!o || depth > JSON_DEPTH)
		return 0;
	for (size_t i = 0; json_is(o, json_type_array) && i < json_len(o); i++)
		n += mark_norms(json_at(o, i), depth + 1);
	if (!json_is(o, json_type_object))
		return n;
	if (strcmp(json_get_str(o, "kind", ""), "rms") == 0) {
		json_put_str(o, "op", "CustomRMSNorm");
		return 1;
	}
	json_object_object_foreach(o, key, v)
	{
		(void)key;
		n += mark_norms(v, depth + 1);
	}
	return n;
}

static bool
has_norms(const Json *o, int depth)
{
	bool any = strcmp(json_get_str(o, "kind", ""), "rms") == 0;

	if (!o || depth > JSON_DEPTH)
		return false;
	for (size_t i = 0; json_is(o, json_type_array) && i < json_len(o); i++)
		any = any || has_norms(json_at(o, i), depth + 1);
	if (any || !json_is(o, json_type_object))
		return any;
	json_object_object_foreach((Json *)(uintptr_t)o, key, v)
	{
		(void)key;
		any = any || has_norms(v, depth + 1);
	}
	return any;
}

bool
want_custom_ops(const Json *doc, const TransformArgs *args)
{
	(void)args;
	return has_norms(json_get(doc, "modules"), 0);
}

bool
apply_custom_ops(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
                 Json *record)
{
	int n = mark_norms(json_get(doc, "modules"), 0);

	(void)a, (void)args;
	if (!n)
		return fail(c, QE_INPUT, "the model has no RMS norm");
	json_put_int(record, "norms", n);
	return true;
}

/* ---- what the transforms of a decoder ask ---- */

bool
transform_cached(Ctx *c, const Json *doc)
{
	const Json *root = json_get(doc, "modules");

	if (json_get(root, "encoder"))
		return fail(
			c, QE_INPUT,
			"the caches of an encoder-decoder have no such form");
	return json_get_bool(root, "cache", false) ||
	       fail(c, QE_INPUT, "needs kv_cache, which was not applied");
}

/* The branches of a layer's steps that are blocks of one of the kinds. */
static void
blocks_of(const Json *layer, const char *const *kinds, Json *out)
{
	const Json *steps = json_get(layer, "steps"), *list;

	for (size_t s = 0; s < json_len(steps); s++) {
		list = json_get(json_at(steps, s), "branches");
		for (size_t i = 0; i < json_len(list); i++) {
			Json *m = json_get(json_at(list, i), "block");

			if (str_in(json_get_str(m, "kind", ""), kinds))
				json_push(out, json_share(m));
		}
	}
}

Json *
transform_blocks(Arena *a, const Json *doc, const char *const *kinds)
{
	const Json *layers = json_get(json_get(doc, "modules"), "layers");
	Json *out = json_new_array(a);

	for (size_t i = 0; i < json_len(layers); i++)
		blocks_of(json_at(layers, i), kinds, out);
	return out;
}

bool
transform_by_rows(Ctx *c, Arena *a, const Json *doc, const char *why)
{
	static const char *const kinds[] = {"conv", "delta", NULL};
	const Json *m = json_at(transform_blocks(a, doc, kinds), 0);

	return !m ||
	       fail(c, QE_INPUT,
	            "a layer of kind '%s' keeps a running state, which %s",
	            json_get_str(m, "kind", ""), why);
}

/* ---- kv_cache ---- */

static bool
generates(const Json *doc)
{
	return task_generates(
		json_get_str(json_get(doc, "modules"), "task", ""));
}

bool
want_kv_cache(const Json *doc, const TransformArgs *args)
{
	return generates(doc) || args->kv_cache;
}

bool
apply_kv_cache(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
               Json *record)
{
	Json *root = json_get(doc, "modules");

	(void)a, (void)args, (void)record;
	if (!generates(doc))
		return fail(c, QE_INPUT,
		            "a model for %s keeps nothing between calls",
		            json_get_str(root, "task", "?"));
	json_put_bool(root, "cache", true);
	return true;
}
