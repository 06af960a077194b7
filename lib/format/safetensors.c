/* SPDX-License-Identifier: BSD-3-Clause
 * safetensors.c - the header of a checkpoint file, and its shards.
 *
 * A file is 8 bytes of little-endian length N, N bytes of JSON, then the
 * tensors' bytes, little-endian and row-major:
 *     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
 * Offsets count from the end of the header.  The tensors must cover the rest
 * of the file exactly: no hole, no overlap, nothing behind the last.  Only
 * the header is read.  A type that dtypes.def has no row for is kept by name
 * and its length believed; who needs the tensor refuses it. */

#include <stdlib.h>

#include "json.h"
#include "kind.h"
#include "safe_header.h"

enum { MAXHEADER = 100000000 }; /* what the reference reader takes */

/* By place; empty tensors before the one that begins where they lie. */
static int
by_place(const void *x, const void *y)
{
	const SafeTensor *a = x, *b = y;

	if (a->off != b->off)
		return a->off < b->off ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Bytes that no tensor claims could hide anything, and a gap is how a cut and
 * patched file looks. */
static bool
check_cover(Ctx *c, const SafeFile *f)
{
	int64_t at = f->header;

	for (int i = 0; i < f->ntensor; i++) {
		const SafeTensor *t = &f->tensor[i];

		if (t->off != at)
			return fail(c, QE_INPUT,
			            "tensor '%s': begins at byte %lld, the one "
			            "before it ends at %lld",
			            t->name, (long long)t->off, (long long)at);
		if ((at = add_size(at, t->len)) < 0)
			return fail(c, QE_INPUT, "tensor '%s': too long",
			            t->name);
	}
	if (at > f->size)
		return fail(c, QE_INPUT,
		            "cut: %lld bytes, the header tells of %lld",
		            (long long)f->size, (long long)at);
	if (at < f->size)
		return fail(c, QE_INPUT, "%lld bytes follow the last tensor",
		            (long long)(f->size - at));
	return true;
}

/* The tensors in the order of their bytes, and by name. */
static bool
place_tensors(Ctx *c, Arena *a, SafeFile *f)
{
	for (int i = 0; i < f->ntensor; i++) {
		SafeTensor *t = &f->tensor[i];

		if ((t->off = add_size(f->header, t->off)) < 0)
			return fail(c, QE_INPUT,
			            "tensor '%s': data_offsets overflow",
			            t->name);
	}
	if (f->ntensor)
		qsort(f->tensor, (size_t)f->ntensor, sizeof *f->tensor,
		      by_place);
	f->byname = dict_new(a);
	for (int i = 0; i < f->ntensor; i++)
		dict_set(f->byname, f->tensor[i].name, &f->tensor[i]);
	return check_cover(c, f);
}

/* The length of the header, from the first bytes of the file. */
static bool
get_header(Ctx *c, Span head, int64_t size, int64_t *n)
{
	uint64_t u = 0;

	for (size_t i = 8; i-- > 0 && head.n >= 8;)
		u = u << 8 | (unsigned char)head.p[i];
	if (head.n < 9 || head.p[8] != '{' || u > MAXHEADER) {
		enum Kind k = file_kind(head);

		if (k != KIND_SAFETENSORS && k != KIND_UNKNOWN)
			return kind_refuse(c, "a safetensors file", head);
	}
	if (head.n < 8)
		return fail(c, QE_INPUT, "not a safetensors file: %zu bytes",
		            head.n);
	if (u > MAXHEADER)
		return fail(c, QE_INPUT,
		            "not a safetensors file: a header of %llu bytes, "
		            "at most %d",
		            (unsigned long long)u, MAXHEADER);
	if ((int64_t)u > size - 8)
		return fail(c, QE_INPUT,
		            "cut: %lld bytes, the header alone has %llu",
		            (long long)size, (unsigned long long)u + 8);
	if (head.n < 9 || head.p[8] != '{')
		return fail(c, QE_INPUT,
		            "not a safetensors file: no '{' at byte 8");
	*n = (int64_t)u;
	return true;
}

static bool
read_header(Ctx *c, Arena *a, SafeFile *f)
{
	Arena tmp = {0};
	Span head, text;
	int64_t n = 0;
	bool ok;

	if (!file_part(c, &tmp, f->path, 0, KIND_HEAD, &head)) {
		arena_free(&tmp);
		return false; /* the path is in the message already */
	}
	f->size = file_size(f->path);
	ok = get_header(c, head, f->size, &n) &&
	     file_part(c, &tmp, f->path, 8, n, &text) &&
	     safe_header(c, a, text, f);
	f->header = 8 + n;
	ok = ok && place_tensors(c, a, f);
	arena_free(&tmp);
	return ok || note(c, "%s", f->path);
}

bool
safetensors_read(Ctx *c, Arena *a, const char *path, SafeFile *out)
{
	*out = (SafeFile){.path = arena_dup(a, path)};
	return read_header(c, a, out);
}

/* Each shard once, in the order of their names. */
static bool
list_shards(Ctx *c, Arena *a, const Json *map, Dict *shards)
{
	if (!map || !json_is(map, json_type_object) || !json_len(map))
		return fail(c, QE_INPUT, "no 'weight_map'");
	json_object_object_foreach((Json *)(uintptr_t)map, k, v)
	{
		const char *s = json_str(v, "");

		if (!*s || strpbrk(s, "/\\") || *s == '.')
			return fail(c, QE_INPUT,
			            "'%s' is in '%s', which is no file name", k,
			            s);
		if (!dict_has(shards, s))
			dict_set(shards, arena_dup(a, s), NULL);
	}
	return true;
}

static int
by_key(const void *x, const void *y)
{
	return strcmp(((const DictItem *)x)->key, ((const DictItem *)y)->key);
}

/* A tensor that the index promises and its shard lacks is found now, not when
 * a model of many GiB is half loaded. */
static bool
check_map(Ctx *c, const Json *map, const Dict *shards)
{
	json_object_object_foreach((Json *)(uintptr_t)map, k, v)
	{
		const SafeFile *f = dict_get(shards, json_str(v, ""));

		if (!dict_has(f->byname, k))
			return fail(c, QE_INPUT, "'%s' is not in %s", k,
			            json_str(v, ""));
	}
	return true;
}

/* Two shards with one tensor: nobody can say which is meant. */
static bool
check_once(Ctx *c, const Json *map, const SafeFile *f, Dict *seen)
{
	for (int i = 0; i < f->ntensor; i++) {
		const char *name = f->tensor[i].name;
		const SafeFile *other = dict_get(seen, name);

		if (other)
			return fail(c, QE_INPUT, "'%s' is in %s and in %s",
			            name, path_base(other->path),
			            path_base(f->path));
		dict_set(seen, name, (void *)(uintptr_t)f);
		if (!json_has(map, name))
			say(c, 0, "%s: '%s' is not in the index", f->path,
			    name);
	}
	return true;
}

static bool
read_shards(Ctx *c, Arena *a, const char *dir, const Json *map, Dict *shards,
            SafeFile **files)
{
	SafeFile *f = NEWV(a, SafeFile, shards->n);
	Dict *seen = dict_new(a);
	DictItem *name =
		arena_copy(a, shards->item, shards->n * sizeof *shards->item);

	qsort(name, shards->n, sizeof *name, by_key);
	for (size_t i = 0; i < shards->n; i++) {
		if (!safetensors_read(c, a, path_join(a, dir, name[i].key),
		                      &f[i]) ||
		    !check_once(c, map, &f[i], seen))
			return false;
		dict_set(shards, name[i].key, &f[i]);
	}
	*files = f;
	return check_map(c, map, shards);
}

static bool
read_index(Ctx *c, Arena *a, const char *dir, const char *index,
           SafeFile **files, int *n)
{
	Dict *shards = dict_new(a);
	Json *o = json_read(c, a, index, MAXHEADER), *map;

	if (!o)
		return false;
	map = json_get(o, "weight_map");
	if (!list_shards(c, a, map, shards) ||
	    !read_shards(c, a, dir, map, shards, files))
		return note(c, "%s", index);
	*n = (int)shards->n;
	return true;
}

bool
safetensors_dir(Ctx *c, Arena *a, const char *dir, SafeFile **files, int *n)
{
	char *one = path_join(a, dir, "model.safetensors");
	char *index = path_join(a, dir, "model.safetensors.index.json");

	if (file_exists(one)) {
		*files = NEW(a, SafeFile);
		*n = 1;
		return safetensors_read(c, a, one, *files);
	}
	if (file_exists(index))
		return read_index(c, a, dir, index, files, n);
	return fail(c, QE_IO, "%s: no model.safetensors and no %s in it", dir,
	            path_base(index));
}

bool
safetensors_digest(Ctx *c, const SafeFile *f, bool whole, Digest *out,
                   int64_t *hashed)
{
	*hashed = whole ? f->size : f->header;
	return hash_head(c, f->path, *hashed, out);
}
