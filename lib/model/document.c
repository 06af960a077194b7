/* SPDX-License-Identifier: BSD-3-Clause
 * document.c - reads, checks and writes model documents. */

#include "document.h"
#include "kind.h"

enum { MAXDOC = 1 << 30, VERSION = 1 };

static const char format[] = "qeff-model";

static bool
is_ref(const Json *o)
{
	return json_get_str(o, "path", NULL) && json_get(o, "size") &&
	       json_get_str(o, "digest", NULL);
}

Json *
file_ref(Ctx *c, Arena *a, const char *path, int64_t hashed)
{
	Json *o = json_new(a);
	int64_t size = file_size(path);
	char *full = path_absolute(c, a, path);
	Span map;

	if (!full || !file_map(c, a, path, &map))
		return NULL;
	if (!hashed || hashed > (int64_t)map.n)
		hashed = (int64_t)map.n;
	json_put_str(o, "path", full);
	json_put_int(o, "size", size);
	json_put_int(o, "hashed", hashed);
	json_put_str(o, "digest", hash_bytes(map.p, (size_t)hashed).hex);
	return o;
}

static bool
set_path(Ctx *c, Arena *a, Json *o, const char *dir)
{
	char *p = path_relative(c, a, dir, json_get_str(o, "path", ""));

	if (!p)
		return false;
	json_put_str(o, "path", p);
	return true;
}

/* Every reference of files and tokenizer: they stand one level down. */
static bool
each_ref(Ctx *c, Arena *a, Json *o, const char *dir,
         bool (*fn)(Ctx *, Arena *, Json *, const char *))
{
	if (is_ref(o))
		return fn(c, a, o, dir);
	for (size_t i = 0; json_is(o, json_type_array) && i < json_len(o); i++)
		if (is_ref(json_at(o, i)) && !fn(c, a, json_at(o, i), dir))
			return false;
	if (!o || !json_is(o, json_type_object))
		return true;
	json_object_object_foreach(o, key, v)
	{
		(void)key;
		if (is_ref(v) && !fn(c, a, v, dir))
			return false;
	}
	return true;
}

Json *
refs_from(Ctx *c, Arena *a, const Json *o, const char *dir)
{
	Json *copy = json_copy(a, o);

	if (dir && !each_ref(c, a, copy, dir, set_path))
		return NULL;
	return copy;
}

/* ---- reading ---- */

static bool
check_keys(Ctx *c, const Json *o)
{
	static const struct {
		const char *key;
		enum json_type type;
		bool must;
	} keys[] = {
		{"config", json_type_object, true},
		{"files", json_type_array, true},
		{"format", json_type_string, true},
		{"generation_config", json_type_object, false},
		{"modules", json_type_object, true},
		{"provenance", json_type_array, true},
		{"sentence", json_type_object, false},
		{"tensors", json_type_object, true},
		{"tokenizer", json_type_object, false},
		{"transforms", json_type_array, true},
		{"version", json_type_int, true},
	};
	const char *unknown = NULL;

	for (size_t i = 0; i < LEN(keys); i++) {
		const Json *v = json_get(o, keys[i].key);

		if (v ? !json_is(v, keys[i].type) : keys[i].must)
			return fail(c, QE_INPUT, "'%s' is %s", keys[i].key,
			            v ? "of the wrong type" : "missing");
	}
	json_object_object_foreach((Json *)(uintptr_t)o, key, v)
	{
		bool known = !v;

		for (size_t i = 0; i < LEN(keys); i++)
			known = known || strcmp(keys[i].key, key) == 0;
		if (!known)
			unknown = key;
	}
	return !unknown || fail(c, QE_INPUT, "key '%s' is not known", unknown);
}

bool
document_check(Ctx *c, const Json *o)
{
	int64_t version = json_get_int(o, "version", 0);

	if (!json_is(o, json_type_object) ||
	    strcmp(json_get_str(o, "format", ""), format) != 0)
		return fail(c, QE_INPUT, "not a model document");
	if (version != VERSION)
		return fail(c, QE_INPUT, "version %lld, wanted %d",
		            (long long)version, VERSION);
	return check_keys(c, o);
}

static bool
check_ref(Ctx *c, Arena *a, Json *o, const char *dir)
{
	const char *path = json_get_str(o, "path", "");
	const char *full = *path == '/' ? path : path_join(a, dir, path);
	int64_t size = json_get_int(o, "size", -1), got = file_size(full),
		hashed = json_get_int(o, "hashed", size);
	Span map;

	if (got < 0)
		return fail(c, QE_IO, "%s: no such file", full);
	if (got != size)
		return fail(c, QE_INPUT,
		            "%s: has changed: %lld bytes, was %lld", full,
		            (long long)got, (long long)size);
	if (hashed < 0 || hashed > got)
		return fail(c, QE_INPUT, "%s: digest of %lld of %lld bytes",
		            full, (long long)hashed, (long long)got);
	if (!file_map(c, a, full, &map))
		return false;
	if (strcmp(hash_bytes(map.p, (size_t)hashed).hex,
	           json_get_str(o, "digest", "")) != 0)
		return fail(c, QE_INPUT, "%s: has changed: digest differs",
		            full);
	full = path_absolute(c, a, full);
	if (full)
		json_put_str(o, "path", full);
	return full != NULL;
}

Json *
document_read(Ctx *c, Arena *a, const char *path)
{
	const char *dir = strcmp(path, "-") == 0 ? "." : path_dir(a, path);
	Json *o = NULL;
	Span text;

	if (!file_open(c, a, path, MAXDOC, &text))
		return NULL;
	if (file_kind(text) != KIND_JSON)
		kind_refuse(c, "a model document", text);
	else
		o = json_parse(c, a, text);
	if (!o || !document_check(c, o) ||
	    !each_ref(c, a, json_get(o, "files"), dir, check_ref) ||
	    !each_ref(c, a, json_get(o, "tokenizer"), dir, check_ref)) {
		note(c, "%s", path);
		return NULL;
	}
	return o;
}

/* ---- writing ---- */

void
document_maker(Ctx *c, Json *o, const Json *options)
{
	Json *maker = json_object_new_object();

	json_put_str(maker, "tool", c->tool ? c->tool : "libqeff");
	json_put_str(maker, "version", QEFF_VERSION);
	json_put(maker, "options", json_share((Json *)(uintptr_t)options));
	json_push(json_get(o, "provenance"), maker);
}

bool
document_write(Ctx *c, Arena *a, Json *o, const char *path)
{
	static const char *const parts[] = {"files", "tokenizer"};
	const char *dir = strcmp(path, "-") == 0 ? NULL : path_dir(a, path);
	Buf *b = buf_new(a);

	for (size_t i = 0; i < LEN(parts); i++)
		if (json_get(o, parts[i])) {
			Json *refs =
				refs_from(c, a, json_get(o, parts[i]), dir);

			if (!refs)
				return false;
			json_put(o, parts[i], json_share(refs));
		}
	json_print(b, o, 2);
	buf_char(b, '\n');
	return file_write(c, path, b->p, b->n);
}
