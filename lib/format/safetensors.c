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
#include "safetensors.h"

enum {
	MAXHEADER = 100000000, /* what the reference reader takes */
	MAXTENSORS = 1 << 20,
	MAXNAME = 1024,
};

static bool
check_name(Ctx *c, const char *name)
{
	size_t n = strlen(name);

	if (!n || n > MAXNAME)
		return fail(c, QE_INPUT, "a tensor name of %zu bytes", n);
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return fail(c, QE_INPUT,
			            "a control character in a tensor name");
	return true;
}

/* A size as JSON: an integer, not negative, not so large that json-c cut it
 * to fit. */
static bool
get_size(Ctx *c, const Json *o, const char *what, int64_t *out)
{
	*out = o && json_is(o, json_type_int) ? json_int(o, -1) : -1;
	if (*out < 0 || *out == INT64_MAX)
		return fail(c, QE_INPUT, "%s is not a size", what);
	return true;
}

static bool
get_shape(Ctx *c, const Json *o, Shape *s)
{
	size_t n = json_len(o);

	if (!o || !json_is(o, json_type_array))
		return fail(c, QE_INPUT, "no 'shape'");
	if (n > MAXRANK)
		return fail(c, QE_INPUT, "rank %zu, at most %d", n, MAXRANK);
	s->rank = (int)n;
	for (size_t i = 0; i < n; i++)
		if (!get_size(c, json_at(o, i), "a dimension", &s->dim[i]))
			return false;
	if (shape_count(s) < 0)
		return fail(c, QE_INPUT, "shape %s overflows", shape_text(s).s);
	return true;
}

static bool
check_length(Ctx *c, const SafeTensor *t)
{
	int64_t n = shape_count(&t->shape), want = dtype_bytes(t->type, n);
	int bits = dtypes[t->type].bits;

	if (t->type == DT_NONE)
		return true;
	if (bits < 8 && n % (8 / bits) != 0)
		return fail(c, QE_INPUT, "%lld elements of %s are no bytes",
		            (long long)n, t->dtype);
	if (want != t->len)
		return fail(c, QE_INPUT, "%s %s needs %lld bytes, has %lld",
		            t->dtype, shape_text(&t->shape).s, (long long)want,
		            (long long)t->len);
	return true;
}

static bool
get_tensor(Ctx *c, Arena *a, const Json *o, int64_t base, SafeTensor *t)
{
	const Json *range = json_get(o, "data_offsets");
	int64_t end;

	if (!json_is(o, json_type_object))
		return fail(c, QE_INPUT, "not an object");
	if (!(t->dtype = json_get_str(o, "dtype", NULL)))
		return fail(c, QE_INPUT, "no 'dtype'");
	t->dtype = arena_dup(a, t->dtype);
	t->type = dtype_by_safetensors(t->dtype);
	if (!get_shape(c, json_get(o, "shape"), &t->shape))
		return false;
	if (json_len(range) != 2)
		return fail(c, QE_INPUT, "no 'data_offsets' of two numbers");
	if (!get_size(c, json_at(range, 0), "data_offsets[0]", &t->off) ||
	    !get_size(c, json_at(range, 1), "data_offsets[1]", &end))
		return false;
	if (end < t->off)
		return fail(c, QE_INPUT, "data_offsets [%lld, %lld]",
		            (long long)t->off, (long long)end);
	t->len = end - t->off;
	if ((t->off = add_size(base, t->off)) < 0)
		return fail(c, QE_INPUT, "data_offsets overflow");
	return check_length(c, t);
}

static bool
check_metadata(Ctx *c, const Json *o)
{
	if (!json_is(o, json_type_object))
		return fail(c, QE_INPUT, "__metadata__ is not an object");
	json_object_object_foreach((Json *)(uintptr_t)o, k, v)
	{
		if (!v || !json_is(v, json_type_string))
			return fail(c, QE_INPUT,
			            "__metadata__: '%s' is not text", k);
	}
	return true;
}

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

static bool
get_tensors(Ctx *c, Arena *a, const Json *o, SafeFile *f)
{
	size_t n = json_len(o);

	if (n > MAXTENSORS)
		return fail(c, QE_INPUT, "%zu tensors, at most %d", n,
		            MAXTENSORS);
	f->tensor = NEWV(a, SafeTensor, n + 1);
	json_object_object_foreach((Json *)(uintptr_t)o, k, v)
	{
		SafeTensor *t = &f->tensor[f->ntensor];

		if (strcmp(k, "__metadata__") == 0) {
			if (!check_metadata(c, v))
				return false;
			continue;
		}
		if (!check_name(c, k))
			return false;
		t->name = arena_dup(a, k);
		if (!get_tensor(c, a, v, f->header, t))
			return note(c, "tensor '%s'", k);
		f->ntensor++;
	}
	qsort(f->tensor, (size_t)f->ntensor, sizeof *f->tensor, by_place);
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

/* Brackets cost a parser a hundred times their length.  An entry has three
 * in fifty bytes; a text with one in eight is there to exhaust memory. */
static bool
check_brackets(Ctx *c, Span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '[' || text.p[i] == '{';
	return n <= text.n / 8 + 64 ||
	       fail(c, QE_INPUT, "a header of %zu brackets", n);
}

static bool
read_header(Ctx *c, Arena *a, SafeFile *f)
{
	Arena tmp = {0};
	Span head, text;
	int64_t n = 0;
	Json *o = NULL;
	bool ok;

	ok = file_part(c, &tmp, f->path, 0, KIND_HEAD, &head);
	if (!ok)
		goto out; /* the path is in the message already */
	f->size = file_size(f->path);
	ok = get_header(c, head, f->size, &n) &&
	     file_part(c, &tmp, f->path, 8, n, &text) &&
	     check_brackets(c, text) && (o = json_parse(c, &tmp, text)) != NULL;
	f->header = 8 + n;
	ok = (ok && get_tensors(c, a, o, f)) || note(c, "%s", f->path);
out:
	arena_free(&tmp);
	return ok;
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
