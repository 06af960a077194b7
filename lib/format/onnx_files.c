/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_files.c - which file an external location means, and whether to
 * believe it.
 *
 * A model from outside could name any file of the machine.  So a location
 * stays inside the model's folder, links resolved, unless the model knows
 * what is there ("qeff.files"), or came through a pipe from somebody who
 * could as well have sent the bytes.
 *
 * "qeff.files" is a JSON array of {"path", "size", "digest", "hashed"}: the
 * xxh3-128 of the file's first `hashed` bytes. */

#include <sys/stat.h>

#include "onnx_pb.h"

static const Json *
listed(const Onnx *o, const char *location)
{
	for (size_t i = 0; i < json_len(o->files); i++) {
		const Json *e = json_at(o->files, i);

		if (strcmp(json_get_str(e, "path", ""), location) == 0)
			return e;
	}
	return NULL;
}

/* Not absolute, no "", "." or ".." between the slashes. */
static bool
is_plain(const char *s)
{
	for (;; s++) {
		size_t n = strcspn(s, "/\\");

		if (n == 0 || (n <= 2 && strncmp(s, "..", n) == 0))
			return false;
		s += n;
		if (!*s)
			return true;
	}
}

static bool
is_under(const char *path, const char *dir)
{
	size_t n = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Links resolved, path is in dir; or dir is a snapshot in a cache of the
 * Hugging Face tools, whose files are links to ../../blobs. */
static bool
is_inside(Ctx *c, Arena *a, const char *dir, const char *path, bool *inside)
{
	char *d = path_absolute(c, a, dir), *p = path_absolute(c, a, path);
	const char *cut;

	if (!d || !p)
		return false;
	*inside = is_under(p, d);
	if (!*inside && (cut = strstr(d, "/snapshots/"))) {
		Span repo = {d, (size_t)(cut - d)};

		*inside =
			is_under(p, path_join(a, arena_span(a, repo), "blobs"));
	}
	return true;
}

/* Whether the listed digest shows that the model's maker had the file: it is
 * of all of it, or of the header of a safetensors file.  A digest of nothing,
 * or of a line that starts the file everywhere, would open any file. */
static bool
is_known(Ctx *c, Arena *a, const Json *e, const char *path, bool *known)
{
	int64_t hashed = json_get_int(e, "hashed", -1);
	uint64_t n = 0;
	Span head;

	*known = hashed == file_size(path);
	if (*known)
		return true;
	if (!file_part(c, a, path, 0, 8, &head))
		return false;
	for (size_t i = 8; i-- > 0 && head.n == 8;)
		n = n << 8 | (unsigned char)head.p[i];
	*known = head.n == 8 && hashed > 8 && n == (uint64_t)hashed - 8;
	return true;
}

static bool
check_listed(Ctx *c, const Json *e, Source *s)
{
	int64_t size = json_get_int(e, "size", -1);
	const char *want = json_get_str(e, "digest", "");
	Digest got;

	s->hashed = json_get_int(e, "hashed", size);
	if (s->size != size)
		return fail(c, QE_INPUT,
		            "%s: has changed: %lld bytes, was %lld", s->path,
		            (long long)s->size, (long long)size);
	if (s->hashed < 0 || s->hashed > size || strlen(want) != 32)
		return fail(c, QE_INPUT, "%s: no digest in qeff.files",
		            s->path);
	if (!hash_head(c, s->path, s->hashed, &got))
		return false;
	if (strcmp(got.hex, want) != 0)
		return fail(c, QE_INPUT, "%s: has changed: digest %s, was %s",
		            s->path, got.hex, want);
	s->digest = got;
	return true;
}

static bool
check_place(Onnx *o, const char *location, const Json *e, const char *dir,
            const char *path)
{
	Arena tmp = {0};
	bool good = o->piped, ok = true;

	if (*location != '/' && !is_plain(location))
		return fail(o->c, QE_INPUT,
		            "location '%s' is no path inside the folder",
		            location);
	if (!good && *location != '/')
		ok = is_inside(o->c, &tmp, dir, path, &good);
	if (ok && !good && e)
		ok = is_known(o->c, &tmp, e, path, &good);
	arena_free(&tmp);
	if (!ok || good)
		return ok;
	return fail(o->c, QE_INPUT,
	            *location == '/'
	                    ? "location '%s' is absolute, and not in qeff.files"
	                    : "location '%s' is a link out of the folder",
	            location);
}

Source *
onnx_file(Onnx *o, const char *location)
{
	Source *s = dict_get(o->file, location);
	const Json *e = listed(o, location);
	char *dir, *path;
	int64_t size;

	if (s)
		return s;
	if (!o->g || o->sealed)
		return fail(o->c, QE_INPUT,
		            "refers to the file '%s', from where none is "
		            "looked at",
		            location),
		       NULL;
	dir = o->piped ? arena_dup(o->mem, ".") : path_dir(o->mem, o->path);
	path = path_join(o->mem, dir, location);
	if ((size = file_size(path)) < 0 && !file_exists(path))
		return fail_errno(o->c, path), NULL;
	if (size < 0)
		return fail(o->c, QE_INPUT, "%s: not a regular file", path),
		       NULL;
	if (!check_place(o, location, e, dir, path))
		return NULL;
	s = graph_source(o->g, path);
	s->size = size;
	if (e && !check_listed(o->c, e, s))
		return NULL;
	dict_set(o->file, arena_dup(o->mem, location), s);
	return s;
}
