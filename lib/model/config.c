/* SPDX-License-Identifier: BSD-3-Clause
 * config.c - a configuration in one form, and what of it nobody reads.
 *
 * config.json has been written by many versions of many programs.  Here the
 * keys get the names that architecture files use: `alias` of the file, then
 *   rope_parameters {rope_theta, rope_type, partial_rotary_factor, ...}
 *     -> rope_theta, partial_rotary_factor, rope_scaling (null if default);
 *        nested by layer type it stays as it is
 *   rope_scaling.type -> .rope_type;  torch_dtype -> dtype */

#include "fewbits.h"

enum { MAXKNOWN = 1 << 16 };

static void
move(Json *o, const char *from, const char *to)
{
	if (json_has(o, from) && !json_has(o, to))
		json_put(o, to, json_share(json_get(o, from)));
	json_object_object_del(o, from);
}

static void
aliases(const Json *arch, Json *cfg)
{
	const Json *alias = json_get(arch, "alias");

	if (!alias)
		return;
	json_object_object_foreach((Json *)(uintptr_t)alias, from, to)
	{
		if (json_has(cfg, from))
			move(cfg, from, json_str(to, from));
	}
}

static bool
is_nested(const Json *rope)
{
	json_object_object_foreach((Json *)(uintptr_t)rope, key, v)
	{
		(void)key;
		return json_is(v, json_type_object);
	}
	return false;
}

/* One rope description: the type under one name, gone if it says nothing. */
static Json *
rope_scaling(Arena *a, const Json *rope)
{
	Json *s = json_copy(a, rope);
	const char *type;

	if (json_get(s, "rope_type"))
		json_object_object_del(s, "type");
	else
		move(s, "type", "rope_type");
	json_object_object_del(s, "rope_theta");
	json_object_object_del(s, "partial_rotary_factor");
	type = json_get_str(s, "rope_type", "default");
	if (strcmp(type, "default") == 0 || strcmp(type, "mrope") == 0)
		return NULL;
	return s;
}

static void
ropes(Arena *a, Json *cfg)
{
	static const char *const inner[] = {"rope_theta",
	                                    "partial_rotary_factor"};
	Json *rope = json_get(cfg, "rope_parameters"), *s;

	if (!rope)
		rope = json_get(cfg, "rope_scaling");
	if (!rope || !json_is(rope, json_type_object))
		return;
	if (is_nested(rope)) {
		json_put(cfg, "rope_parameters", json_share(rope));
		return;
	}
	for (size_t i = 0; i < LEN(inner); i++)
		if (json_get(rope, inner[i]))
			json_put(cfg, inner[i],
			         json_share(json_get(rope, inner[i])));
	s = rope_scaling(a, rope);
	json_object_object_del(cfg, "rope_parameters");
	json_put(cfg, "rope_scaling", s ? json_share(s) : NULL);
}

static void
defaults(Arena *a, const Json *arch, Json *cfg)
{
	const Json *d = json_get(arch, "defaults");

	if (!d)
		return;
	json_object_object_foreach((Json *)(uintptr_t)d, key, v)
	{
		if (!json_has(cfg, key))
			json_put(cfg, key, json_share(json_copy(a, v)));
	}
}

/* What a nested configuration keeps outside its decoder's part. */
static void
inherit(const Json *from, Json *to)
{
	static const char *const outer[] = {"architectures", "dtype",
	                                    "torch_dtype",
	                                    "tie_word_embeddings",
	                                    "quantization_config"};

	for (size_t i = 0; i < LEN(outer); i++)
		if (json_has(from, outer[i]) && !json_has(to, outer[i]))
			json_put(to, outer[i],
			         json_share(json_get(from, outer[i])));
}

Json *
config_normal(Ctx *c, Arena *a, const Json *arch, const Json *config)
{
	const char *part = json_get_str(arch, "config", NULL);
	const Json *from = part ? json_get(config, part) : config;
	Json *cfg;

	if (!from || !json_is(from, json_type_object))
		return fail(c, QE_INPUT, "no object '%s'",
		            part ? part : "config"),
		       NULL;
	cfg = json_copy(a, from);
	if (part)
		inherit(config, cfg);
	aliases(arch, cfg);
	move(cfg, "torch_dtype", "dtype");
	ropes(a, cfg);
	defaults(a, arch, cfg);
	return cfg;
}

/* ---- what nobody reads ---- */

static void
read_keys(Arena *a, const Json *j, Dict *set)
{
	if (json_is(j, json_type_string) && *json_str(j, "") == '=')
		expr_keys(a, json_str(j, ""), set);
	for (size_t i = 0; json_is(j, json_type_array) && i < json_len(j); i++)
		read_keys(a, json_at(j, i), set);
	if (!j || !json_is(j, json_type_object))
		return;
	json_object_object_foreach((Json *)(uintptr_t)j, key, v)
	{
		(void)key;
		read_keys(a, v, set);
	}
}

/* null, false, 0, "", [] and {} ask for nothing, nor do layers that are all
 * of the plain type */
static bool
is_idle(const Json *v)
{
	Val val = val_of(v);
	bool plain = json_is(v, json_type_array);

	for (size_t i = 0; plain && i < json_len(v); i++)
		plain = strcmp(json_str(json_at(v, i), ""), "full_attention") ==
		        0;
	return plain || !val_true(&val);
}

static bool
in_list(const Json *list, const char *key)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (str_glob(json_str(json_at(list, i), ""), key))
			return true;
	return false;
}

static char **
known_keys(Ctx *c, Arena *a)
{
	Span text;
	const char *path = path_join(a, c->share, "arch/known-keys");

	if (!file_open(c, a, path, MAXKNOWN, &text))
		return NULL;
	return str_split(a, arena_span(a, text), '\n');
}

typedef struct Check {
	Ctx *c;
	Arena *a;
	const Json *arch;
	Dict *read;
	char **known;
	bool strict;
} Check;

static bool
is_known(const Check *k, const char *path)
{
	if (dict_get(k->read, path) ||
	    json_has(json_get(k->arch, "defaults"), path) ||
	    in_list(json_get(k->arch, "harmless"), path))
		return true;
	for (char **p = k->known; *p; p++)
		if (**p != '#' && str_glob(*p, path))
			return true;
	return false;
}

/* An object of which single members are read is looked into. */
static bool
is_opened(const Check *k, const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < k->read->n; i++)
		if (strncmp(k->read->item[i].key, path, n) == 0 &&
		    k->read->item[i].key[n] == '.')
			return true;
	return false;
}

static bool
check_keys(Check *k, const Json *o, const char *prefix)
{
	static const char *const quantised[] = {"quantization_config",
	                                        "compression_config", NULL};

	json_object_object_foreach((Json *)(uintptr_t)o, key, v)
	{
		const char *path = arena_str(k->a, "%s%s", prefix, key);

		if (is_idle(v) || is_known(k, path))
			continue;
		if (!*prefix && str_in(key, quantised))
			continue; /* quant_check() */
		if (json_is(v, json_type_object) && is_opened(k, path)) {
			if (!check_keys(k, v, arena_str(k->a, "%s.", path)))
				return false;
			continue;
		}
		if (k->strict)
			return fail(k->c, QE_INPUT,
			            "key '%s' is not known to architecture "
			            "'%s'",
			            path,
			            json_get_str(k->arch, "model_type", "?"));
		say(k->c, 0, "key '%s' is not known and not used", path);
	}
	return true;
}

static bool
check_refused(Ctx *c, Arena *a, const Json *arch, const Json *config)
{
	const Json *refuse = json_get(arch, "refuse");
	int64_t steps = EXPR_STEPS;
	Env env = {.config = config,
	           .let = json_get(arch, "let"),
	           .i = -1,
	           .steps = &steps};
	Val v;

	if (!refuse)
		return true;
	json_object_object_foreach((Json *)(uintptr_t)refuse, what, cond)
	{
		if (!expr_json(c, a, &env, cond, &v))
			return false;
		if (val_true(&v))
			return fail(c, QE_INPUT, "%s is not supported", what);
	}
	return true;
}

bool
config_check(Ctx *c, Arena *a, const Json *arch, const Json *config,
             bool strict)
{
	Check k = {.c = c, .a = a, .arch = arch, .strict = strict};

	if (!(k.known = known_keys(c, a)) ||
	    !check_refused(c, a, arch, config) || !quant_check(c, a, config))
		return false;
	k.read = dict_new(a);
	read_keys(a, arch, k.read);
	return check_keys(&k, config, "");
}
