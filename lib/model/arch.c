/* SPDX-License-Identifier: BSD-3-Clause
 * arch.c - reads, merges and checks architecture files.
 *
 * The rows of arch.def are walked beside the file, once to check its keys
 * and once per layer to evaluate its expressions. */

#include "arch.h"

enum { MAXBASE = 8, MAXFILE = 1 << 20, MAXDEPTH = 8 };

enum KeyKind { ANY, MAP, VALUE, NAME, OBJECT, LIST };

static const struct Key {
	const char *section, *key;
	enum KeyKind kind;
	const char *sub;
} keys[] = {
#define KEY(section, key, kind, sub) {#section, #key, kind, #sub},
#include "arch.def"
#undef KEY
};

static const struct Key *
key_find(const char *section, const char *key)
{
	for (size_t i = 0; i < LEN(keys); i++)
		if (strcmp(keys[i].section, section) == 0 &&
		    strcmp(keys[i].key, key) == 0)
			return &keys[i];
	return NULL;
}

static bool check(Ctx *c, const char *section, const Json *o, int depth);

static bool
check_list(Ctx *c, const struct Key *k, const Json *list, int depth)
{
	if (!json_is(list, json_type_array))
		return fail(c, QE_INPUT, "'%s' of '%s' is not a list", k->key,
		            k->section);
	for (size_t i = 0; i < json_len(list); i++)
		if (!check(c, k->sub, json_at(list, i), depth + 1))
			return false;
	return true;
}

static bool
check(Ctx *c, const char *section, const Json *o, int depth)
{
	if (depth > MAXDEPTH)
		return fail(c, QE_INPUT, "'%s' is nested too deeply", section);
	if (!json_is(o, json_type_object))
		return fail(c, QE_INPUT, "'%s' is not an object", section);
	json_object_object_foreach((Json *)(uintptr_t)o, key, v)
	{
		const struct Key *k = key_find(section, key);

		if (!k)
			return fail(c, QE_INPUT,
			            "key '%s' of '%s' is not known", key,
			            section);
		if (!v)
			continue;
		if (k->kind == MAP && !json_is(v, json_type_object))
			return fail(c, QE_INPUT, "'%s' is not an object", key);
		if (k->kind == OBJECT && !check(c, k->sub, v, depth + 1))
			return false;
		if (k->kind == LIST && !check_list(c, k, v, depth))
			return false;
	}
	return true;
}

bool
arch_check(Ctx *c, const Json *arch)
{
	if (!check(c, "file", arch, 0))
		return false;
	if (!json_get(arch, "tasks"))
		return true;
	json_object_object_foreach(json_get(arch, "tasks"), name, task)
	{
		if (task && !check(c, "task", task, 1))
			return note(c, "task '%s'", name);
	}
	return true;
}

static void
append(Json *list, const Json *more)
{
	for (size_t i = 0; json_is(list, json_type_array) && i < json_len(more);
	     i++)
		json_push(list, json_share(json_at(more, i)));
}

/* Puts what `over` says over `base`; what is harmless adds up. */
static void
merge(Arena *a, Json *base, const Json *over)
{
	json_object_object_foreach((Json *)(uintptr_t)over, key, v)
	{
		Json *old = json_get(base, key);

		if (!v)
			json_object_object_del(base, key);
		else if (old && json_is(old, json_type_object) &&
		         json_is(v, json_type_object))
			merge(a, old, v);
		else if (old && strcmp(key, "harmless") == 0)
			append(old, v);
		else
			json_put(base, key, json_share(json_copy(a, v)));
	}
}

const Json *
arch_encoder(Arena *a, const Json *arch)
{
	const Json *over = json_get(arch, "encoder");
	Json *o;

	if (!over)
		return NULL;
	o = json_copy(a, arch);
	json_object_object_del(o, "encoder");
	merge(a, o, over);
	return o;
}

/* A model_type comes from outside and becomes part of a path. */
static bool
is_plain(const char *s)
{
	return *s && *s != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                 "0123456789_-.@") == strlen(s);
}

static const Json *
open_file(Ctx *c, Arena *a, const char *type, const Json *config, int depth)
{
	const char *path, *base;
	const Json *j, *below;
	Json *all;

	if (!c->share)
		return fail(c, QE_MISSING, "no share directory"), NULL;
	path = path_join(a, path_join(a, c->share, "arch"),
	                 arena_str(a, "%s.json", type));
	if (!is_plain(type) || !file_exists(path))
		return arch_unknown(c, a, type, config), NULL;
	if (!(j = json_read(c, a, path, MAXFILE)))
		return NULL;
	if (!(base = json_get_str(j, "base", NULL)))
		return j;
	if (depth >= MAXBASE)
		return fail(c, QE_INPUT, "%s: too many bases", path), NULL;
	if (!(below = open_file(c, a, base, NULL, depth + 1)))
		return NULL;
	all = json_copy(a, below);
	merge(a, all, j);
	return all;
}

const Json *
arch_open(Ctx *c, Arena *a, const char *model_type, const Json *config)
{
	const Json *arch = open_file(c, a, model_type, config, 0);

	if (!arch)
		return NULL;
	if (!arch_check(c, arch)) {
		note(c, "share/arch/%s.json", model_type);
		return NULL;
	}
	return arch;
}

/* ---- evaluation ---- */

static bool eval(Ctx *, Arena *, const Env *, const char *section, const Json *,
                 Json *out);

static bool
eval_value(Ctx *c, Arena *a, const Env *env, const Json *v, const char *key,
           Json *out)
{
	Val val;

	if (!expr_json(c, a, env, v, &val))
		return false;
	if (val.kind != V_NULL)
		json_put(out, key, json_share(val_json(a, &val)));
	return true;
}

static bool
eval_list(Ctx *c, Arena *a, const Env *env, const struct Key *k, const Json *v,
          Json *out)
{
	Json *list = json_new_array(a), *o;

	for (size_t i = 0; i < json_len(v); i++) {
		if ((o = arch_eval(c, a, env, k->sub, json_at(v, i))))
			json_push(list, json_share(o));
		else if (c->status)
			return false;
	}
	json_put(out, k->key, json_share(list));
	return true;
}

static bool
eval_key(Ctx *c, Arena *a, const Env *env, const struct Key *k, Json *v,
         Json *out)
{
	Json *o;

	if (k->kind == ANY || k->kind == MAP) {
		json_put(out, k->key, json_share(v));
		return true;
	}
	if (k->kind == LIST)
		return eval_list(c, a, env, k, v, out);
	if (k->kind != OBJECT)
		return eval_value(c, a, env, v, k->key, out);
	if ((o = arch_eval(c, a, env, k->sub, v)))
		json_put(out, k->key, json_share(o));
	return !c->status;
}

static bool
eval(Ctx *c, Arena *a, const Env *env, const char *section, const Json *o,
     Json *out)
{
	json_object_object_foreach((Json *)(uintptr_t)o, key, v)
	{
		if (v && strcmp(key, "if") != 0 &&
		    !eval_key(c, a, env, key_find(section, key), v, out))
			return c->status ? note(c, "%s.%s", section, key)
			                 : false;
	}
	return true;
}

Json *
arch_eval(Ctx *c, Arena *a, const Env *env, const char *section, const Json *o)
{
	Json *out;
	Val cond;

	if (!o)
		return NULL;
	if (json_has(o, "if")) {
		if (!expr_json(c, a, env, json_get(o, "if"), &cond))
			return note(c, "%s.if", section), NULL;
		if (!val_true(&cond))
			return NULL;
	}
	out = json_new(a);
	return eval(c, a, env, section, o, out) ? out : NULL;
}

Json *
arch_part(Ctx *c, Arena *a, const Env *env, const Json *arch, const char *key)
{
	const struct Key *k = key_find("file", key);

	return arch_eval(c, a, env, k ? k->sub : key, json_get(arch, key));
}
