/* SPDX-License-Identifier: BSD-3-Clause
 * tok_recipe.c - what a tokenizer class implies, from share/tokenizers.
 *
 * A recipe is the JSON that the reference library's conversion would write for
 * the class, with settings in it: of the checkpoint's configuration, else of
 * the vocabulary, else the class's defaults.  The format: qeff-recipe(5). */

#include "tok_files.h"

enum { RECIPE_MAX = 1 << 20, LIKE_MAX = 4 };

/* What the file below says, and what this one says instead. */
static const Json *
laid_over(Arena *a, const Json *base, const Json *over)
{
	Json *all = json_new(a);
	const Json *const from[] = {base, over};

	for (size_t i = 0; i < LEN(from); i++) {
		json_object_object_foreach((Json *)(uintptr_t)from[i], key, v)
		{
			json_put(all, key, json_share(v));
		}
	}
	return all;
}

static const Json *
open_file(Ctx *c, Arena *a, const char *path, int depth)
{
	const Json *own = json_read(c, a, path, RECIPE_MAX), *base;
	const char *like = json_get_str(own, "like", NULL);

	if (!own || !like)
		return own;
	if (depth >= LIKE_MAX)
		return fail(c, QE_INPUT, "%s: too many bases", path), NULL;
	path = path_join(a, path_join(a, c->share, "tokenizers"),
	                 arena_str(a, "%s.json", like));
	base = open_file(c, a, path, depth + 1);
	return base ? laid_over(a, base, own) : NULL;
}

/* A class comes from outside and becomes part of a path. */
static bool
is_plain(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz"
	                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                       "0123456789_") == strlen(s);
}

const Json *
recipe_open(Ctx *c, Arena *a, const char *name)
{
	const char *path;

	if (!c->share)
		return fail(c, QE_MISSING, "no share directory"), NULL;
	path = path_join(a, path_join(a, c->share, "tokenizers"),
	                 arena_str(a, "%s.json", name));
	if (!is_plain(name) || !file_exists(path))
		return fail(c, QE_INPUT,
		            "tokenizer_config.json: class '%s' without a tokenizer.json is not supported",
		            name),
		       NULL;
	return open_file(c, a, path, 0);
}

const char *
recipe_default(Ctx *c, Arena *a, const char *files)
{
	const Json *all;

	if (!c->share)
		return fail(c, QE_MISSING, "no share directory"), NULL;
	all = json_read(c, a,
	                path_join(a, c->share, "tokenizers/base/default.json"),
	                RECIPE_MAX);
	return all ? json_get_str(all, files, files) : NULL;
}

const Json *
recipe_setting(const Source *s, const char *name)
{
	const Json *const from[] = {s->config, s->specials, s->facts,
	                            json_get(s->recipe, "defaults")};

	for (size_t i = 0; i < LEN(from); i++) {
		const Json *v = json_get(from[i], name);

		if (v)
			return json_is(v, json_type_object)
			               ? json_get(v, "content")
			               : v;
	}
	return NULL;
}

/* "name", "!name" or "name=text" */
static bool
holds_one(Arena *a, const Source *s, const char *word)
{
	bool not = *word == '!';
	const char *is = strchr(word, '=');
	const Json *v;

	word += not ;
	if (!is) {
		v = recipe_setting(s, word);
		return not != (v && json_true(v, true));
	}
	v = recipe_setting(s, arena_span(a, (Span){word, (size_t)(is - word)}));
	return not != (strcmp(json_str(v, ""), is + 1) == 0);
}

static bool
holds(Arena *a, const Source *s, const Json *part)
{
	char **w = str_split(a, json_get_str(part, "if", ""), ' ');

	while (*w && holds_one(a, s, *w))
		w++;
	return !*w;
}

const Json *
recipe_get(Arena *a, const Source *s, const char *key)
{
	const Json *when = json_get(s->recipe, "when");

	for (size_t i = 0; i < json_len(when); i++)
		if (json_has(json_at(when, i), key) &&
		    holds(a, s, json_at(when, i)))
			return json_get(json_at(when, i), key);
	return json_get(s->recipe, key);
}

static Json *filled(Arena *, const Source *, const Json *);

static Json *
filled_object(Arena *a, const Source *s, const Json *part)
{
	Json *out, *one;

	if (!holds(a, s, part))
		return NULL;
	out = json_new(a);
	json_object_object_foreach((Json *)(uintptr_t)part, key, v)
	{
		if (strcmp(key, "if") != 0 && (one = filled(a, s, v)))
			json_put(out, key, json_share(one));
	}
	return out;
}

static Json *
filled_list(Arena *a, const Source *s, const Json *part)
{
	Json *out = json_new_array(a), *one;

	for (size_t i = 0; i < json_len(part); i++)
		if ((one = filled(a, s, json_at(part, i))))
			json_push(out, json_share(one));
	return out;
}

/* The part with its settings put in; NULL where its condition fails or the
 * setting is not made. */
static Json *
filled(Arena *a, const Source *s, const Json *part)
{
	const char *text = json_str(part, "");

	if (json_is(part, json_type_object))
		return filled_object(a, s, part);
	if (json_is(part, json_type_array))
		return filled_list(a, s, part);
	if (*text == '$')
		part = recipe_setting(s, text + 1);
	return (Json *)(uintptr_t)part;
}

const Json *
recipe_part(Arena *a, const Source *s, const char *key)
{
	return filled(a, s, recipe_get(a, s, key));
}

const char *
recipe_text(Arena *a, const Source *s, const char *text)
{
	Buf *out = buf_new(a);

	while (*text) {
		const char *end = *text == '{' ? strchr(text, '}') : NULL;
		Span name;

		if (!end) {
			buf_char(out, *text++);
			continue;
		}
		name = (Span){text + 1, (size_t)(end - text - 1)};
		buf_str(out,
		        json_str(recipe_setting(s, arena_span(a, name)), ""));
		text = end + 1;
	}
	return out->p;
}
