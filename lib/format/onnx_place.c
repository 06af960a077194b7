/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_place.c - where the large constants of a written model are.
 *
 * ONNX wants external data beside the model.  A checkpoint's file is linked
 * there, not copied: hard, else symbolic if its digest is recorded (a reader
 * believes no other link), else as a copy.  A name taken by another file gets
 * a part of the digest.  What is only in memory goes to MODEL.data, at
 * multiples of 4096; so does what is in a file that the output replaces. */

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx_pb.h"

enum { DATA_ALIGN = 4096 };

typedef struct Link {
	const Source *src;
	const char *location;
	bool make; /* it is not there yet */
} Link;

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* True if writing the model replaces the file that v is in. */
static bool
is_replaced(const Writer *w, const Value *v)
{
	const char *src = v->data.src->path, *base = path_base(w->path);
	Arena tmp = {0};
	bool yes = same_file(src, w->path);

	if (!yes && w->data &&
	    str_starts(path_base(src), arena_str(&tmp, "%s.data", base)))
		yes = same_file(path_dir(&tmp, src), w->dir);
	arena_free(&tmp);
	return yes;
}

static bool
is_in_file(const Value *v)
{
	return v->data.src && strcmp(v->data.src->path, "-") != 0;
}

bool
place_is_inline(const Writer *w, const Value *v)
{
	if (v->type == DT_STRING || v->data.len <= w->inline_max)
		return true;
	return w->piped && (w->materialize || !is_in_file(v));
}

bool
place_is_data(const Writer *w, const Value *v)
{
	return !w->piped && !place_is_inline(w, v) &&
	       (w->materialize || !is_in_file(v) || is_replaced(w, v));
}

static void
put_entry(Arena *a, Onnx__TensorProto *t, const char *key, const char *value)
{
	Onnx__StringStringEntryProto *e = NEW(a, Onnx__StringStringEntryProto);

	onnx__string_string_entry_proto__init(e);
	e->key = arena_dup(a, key);
	e->value = (char *)(uintptr_t)value;
	t->external_data[t->n_external_data++] = e;
}

static void
put_external(Writer *w, Onnx__TensorProto *t, const char *location, int64_t off,
             int64_t len)
{
	Arena *a = w->tmp;

	t->has_data_location = 1;
	t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	t->external_data = NEWV(a, Onnx__StringStringEntryProto *, 3);
	put_entry(a, t, "location", location);
	put_entry(a, t, "offset", arena_str(a, "%lld", (long long)off));
	put_entry(a, t, "length", arena_str(a, "%lld", (long long)len));
}

static bool
new_piece(Writer *w)
{
	char *path = w->npiece ? arena_str(w->tmp, "%s.data-%d", w->path,
	                                   w->npiece + 1)
	                       : arena_str(w->tmp, "%s.data", w->path);
	struct Data d = {out_open(w->c, w->tmp, path), path_base(path)};

	if (d.out)
		PUSH(w->tmp, w->piece, w->npiece, w->cappiece, d);
	return d.out != NULL;
}

static bool
put_data(Writer *w, const Value *v, Onnx__TensorProto *t)
{
	struct Data *d = w->npiece ? &w->piece[w->npiece - 1] : NULL;
	Blob b = v->data;
	const void *p = blob_data(w->c, w->mem, &b);
	size_t pad;

	if (!p)
		return false;
	if (!d || (out_at(d->out) && b.len > w->piece_max - out_at(d->out))) {
		if (!new_piece(w))
			return false;
		d = &w->piece[w->npiece - 1];
	}
	pad = (size_t)(-out_at(d->out) & (DATA_ALIGN - 1));
	if (!out_zero(w->c, d->out, pad))
		return false;
	put_external(w, t, d->name, out_at(d->out), b.len);
	return out_write(w->c, d->out, p, (size_t)b.len);
}

/* A file of that name is the source, or a copy of it. */
static bool
is_copy(Ctx *c, const char *path, const Source *s)
{
	Digest a, b;

	if (same_file(path, s->path))
		return true;
	return file_size(path) == file_size(s->path) &&
	       hash_file(c, path, &a) && hash_file(c, s->path, &b) &&
	       strcmp(a.hex, b.hex) == 0;
}

/* "model.safetensors" -> "model-0123abcd.safetensors" */
static bool
other_name(Writer *w, const Source *s, const char **name)
{
	const char *base = path_base(s->path), *dot = strrchr(base, '.');
	Digest d = s->digest;

	if (!*d.hex && !hash_head(w->c, s->path, 1 << 20, &d))
		return false;
	if (!dot)
		dot = base + strlen(base);
	*name = arena_str(w->tmp, "%.*s-%.8s%s", (int)(dot - base), base, d.hex,
	                  dot);
	return true;
}

/* Says whether name can stand for s: free, or s already. */
static bool
try_name(Writer *w, const Source *s, Link *l, const char *name)
{
	char *path = path_join(w->tmp, w->dir, name);
	const Source *taken = dict_get(w->name, name);
	const char *base = path_base(w->path);
	size_t n = strlen(base);

	if (taken || strcmp(name, base) == 0 ||
	    (w->data && strncmp(name, base, n) == 0 &&
	     str_starts(name + n, ".data")))
		return false;
	if (file_exists(path) && !is_copy(w->c, path, s))
		return false;
	l->make = !file_exists(path);
	l->location = name;
	dict_set(w->name, name, (void *)(uintptr_t)s);
	return true;
}

/* A reader of a file takes absolute places only with a digest. */
static bool
know(Writer *w, Source *s)
{
	if (*s->digest.hex)
		return true;
	s->hashed = s->size = file_size(s->path);
	return hash_file(w->c, s->path, &s->digest);
}

static Link *
find_link(Writer *w, Source *s)
{
	Link *l = dict_get(w->link, s->path);
	const char *other;

	if (l)
		return l;
	l = NEW(w->tmp, Link);
	l->src = s;
	if (w->piped) {
		if (!know(w, s))
			return NULL;
		l->location = path_absolute(w->c, w->tmp, s->path);
	} else if (!try_name(w, s, l, path_base(s->path)) &&
	           other_name(w, s, &other) && !try_name(w, s, l, other))
		fail(w->c, QE_IO, "%s: a different file is in the way of %s",
		     path_join(w->tmp, w->dir, other), s->path);
	if (!l->location)
		return NULL;
	dict_set(w->link, s->path, l);
	return l;
}

bool
place_put(Writer *w, const Value *v, Onnx__TensorProto *t)
{
	Link *l;

	if (place_is_data(w, v))
		return put_data(w, v, t);
	if (!(l = find_link(w, v->data.src)))
		return false;
	put_external(w, t, l->location, v->data.off, v->data.len);
	return true;
}

Json *
place_files(Writer *w)
{
	Json *list = json_new_array(w->tmp);

	for (size_t i = 0; i < w->link->n; i++) {
		const Link *l = w->link->item[i].value;
		Json *e;

		if (!*l->src->digest.hex)
			continue;
		e = json_object_new_object();
		json_put_str(e, "path", l->location);
		json_put_int(e, "size", l->src->size);
		json_put_str(e, "digest", l->src->digest.hex);
		json_put_int(e, "hashed", l->src->hashed);
		json_push(list, e);
	}
	return json_len(list) ? list : NULL;
}

static bool
copy(Writer *w, const char *from, const char *to)
{
	Out *o = out_open(w->c, w->tmp, to);
	int64_t n = file_size(from), k = 1 << 20;
	bool ok = o != NULL;
	Span s;

	for (int64_t at = 0; ok && at < n; at += k) {
		Arena tmp = {0};

		ok = file_part(w->c, &tmp, from, at, k, &s) &&
		     out_write(w->c, o, s.p, s.n);
		arena_free(&tmp);
		progress(w->c, to, at, n);
	}
	return ok && out_commit(w->c, o);
}

static bool
make_link(Writer *w, const Link *l)
{
	char *to = path_join(w->tmp, w->dir, l->location);
	char *from = path_absolute(w->c, w->tmp, l->src->path), *relative;

	if (!from)
		return false;
	if (link(from, to) == 0)
		return true;
	if (errno == EEXIST)
		return is_copy(w->c, to, l->src) || fail_errno(w->c, to);
	if (*l->src->digest.hex) {
		relative = path_relative(w->c, w->tmp, w->dir, from);
		if (relative && symlink(relative, to) == 0)
			return true;
	}
	return copy(w, from, to);
}

bool
place_commit(Writer *w)
{
	for (int i = 0; i < w->npiece; i++)
		if (!out_commit(w->c, w->piece[i].out))
			return false;
	for (size_t i = 0; i < w->link->n; i++) {
		const Link *l = w->link->item[i].value;

		if (l->make && !make_link(w, l))
			return false;
	}
	return true;
}
