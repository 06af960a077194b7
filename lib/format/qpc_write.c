/* SPDX-License-Identifier: BSD-3-Clause
 * qpc_write.c - a package, member by member, through libarchive.
 *
 * Data of a member begins a header, a pax body and a header after the end of
 * the one before: 512 + x + 512.  x is a multiple of 512 of which the pad
 * record fills all but 256 bytes; that leaves room for the record's own name
 * and for "size" records of members over 8 GiB. */

#include <archive.h>
#include <archive_entry.h>

#include "qpc.h"

enum { BLOCK = 512, SLACK = 256 };

struct QpcWriter {
	Ctx *c;
	Arena *mem;
	struct archive *ar;
	struct archive_entry *entry;
	Out *out;
	bool open; /* what libarchive writes is wanted */
	const QpcMember *member;
	int n, next;
	int64_t left; /* bytes of the member at hand */
	Hash *hash;
	Json *digest;
};

static bool
refuse(QpcWriter *w)
{
	const char *why = archive_error_string(w->ar);

	return fail(w->c, QE_IO, "%s", why ? why : "libarchive failed");
}

static la_ssize_t
deliver(struct archive *ar, void *arg, const void *p, size_t n)
{
	QpcWriter *w = arg;

	(void)ar;
	if (w->open && !out_write(w->c, w->out, p, n))
		return -1;
	return (la_ssize_t)n;
}

static void
release(void *arg)
{
	QpcWriter *w = arg;

	w->open = false; /* freeing an unfinished archive writes its end */
	archive_entry_free(w->entry);
	archive_write_free(w->ar);
}

/* Blocks of 64 KiB pass a pipe at twice the speed of tar's 10 KiB; the last
 * is not filled up, so the file ends where the archive does. */
static bool
open_archive(QpcWriter *w)
{
	w->ar = archive_write_new();
	w->entry = archive_entry_new();
	if (!w->ar || !w->entry)
		qe_nomem();
	arena_defer(w->mem, release, w);
	if (archive_write_set_format_pax_restricted(w->ar) != ARCHIVE_OK ||
	    archive_write_set_format_option(w->ar, "pax", "xattrheader",
	                                    "SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(w->ar, 1 << 16) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(w->ar, 1) != ARCHIVE_OK ||
	    archive_write_open(w->ar, w, NULL, deliver, NULL) != ARCHIVE_OK)
		return refuse(w);
	w->open = true;
	return true;
}

/* The length of pad that puts the data of the next member at a multiple of
 * QPC_ALIGN. */
static size_t
pad_length(const QpcWriter *w)
{
	int64_t at = archive_filter_bytes(w->ar, 0);
	size_t x = (size_t)(-(at + 2 * BLOCK) & (QPC_ALIGN - 1));

	return (x ? x : QPC_ALIGN) - SLACK;
}

static bool
begin(QpcWriter *w, const char *name, int64_t size, bool align)
{
	char pad[QPC_ALIGN];
	size_t n;

	archive_entry_clear(w->entry);
	archive_entry_set_pathname(w->entry, name);
	archive_entry_set_size(w->entry, size);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, 0644);
	archive_entry_set_mtime(w->entry, 0, 0);
	if (align) {
		n = pad_length(w);
		memset(pad, '0', n);
		archive_entry_xattr_add_entry(w->entry, "user.pad", pad, n);
	}
	if (archive_write_header(w->ar, w->entry) != ARCHIVE_OK)
		return refuse(w);
	if (align && archive_filter_bytes(w->ar, 0) % QPC_ALIGN != 0)
		return fail(w->c, QE_IO,
		            "libarchive put '%s' at byte %lld, not at a "
		            "multiple of %d",
		            name, (long long)archive_filter_bytes(w->ar, 0),
		            QPC_ALIGN);
	w->left = size;
	return true;
}

/* libarchive would fill a short member with zeros. */
static bool
end(QpcWriter *w, const char *name, int64_t size)
{
	Json *e;

	if (w->left)
		return fail(w->c, QE_IO, "member '%s': %lld bytes are missing",
		            name, (long long)w->left);
	e = json_object_new_object();
	json_put_str(e, "name", name);
	json_put_int(e, "size", size);
	json_put_str(e, "digest", hash_end(w->hash).hex);
	json_push(json_get(w->digest, "members"), e);
	return archive_write_finish_entry(w->ar) == ARCHIVE_OK || refuse(w);
}

static bool
put(QpcWriter *w, const void *data, size_t n)
{
	const char *p = data;
	la_ssize_t k;

	hash_add(w->hash, p, n);
	w->left -= (int64_t)n;
	for (; n; p += k, n -= (size_t)k)
		if ((k = archive_write_data(w->ar, p, n)) <= 0)
			return refuse(w);
	return true;
}

static bool
put_json(QpcWriter *w, const char *name, const Json *o)
{
	Arena tmp = {0};
	Buf *b = buf_new(&tmp);
	bool ok;

	json_print(b, o, 2);
	buf_char(b, '\n');
	ok = begin(w, name, (int64_t)b->n, false) && put(w, b->p, b->n) &&
	     end(w, name, (int64_t)b->n);
	arena_free(&tmp);
	return ok;
}

/* Sizes are known before the first byte, digests after the last: so members
 * are listed in front and digests behind, and the archive can be streamed. */
static bool
list_members(QpcWriter *w, Json *manifest)
{
	Json *list = json_object_new_array();

	if (!json_has(manifest, "format"))
		json_put_str(manifest, "format", QPC_FORMAT);
	json_put_int(manifest, "version", QPC_VERSION);
	json_put(manifest, "members", list);
	for (int i = 0; i < w->n; i++) {
		Json *e = json_object_new_object();

		json_put_str(e, "name", w->member[i].name);
		json_put_int(e, "size", w->member[i].size);
		json_push(list, e);
		if (!qpc_name_ok(w->member[i].name) || w->member[i].size < 0)
			return fail(w->c, QE_INPUT,
			            "'%s' cannot be the name of a member",
			            w->member[i].name);
	}
	return true;
}

QpcWriter *
qpc_create(Ctx *c, Arena *a, const char *path, Json *manifest,
           const QpcMember *member, int n)
{
	QpcWriter *w = NEW(a, QpcWriter);

	w->c = c;
	w->mem = a;
	w->n = n;
	w->member = arena_copy(a, member, (size_t)n * sizeof *member);
	w->hash = hash_new(a);
	w->digest = json_new(a);
	json_put(w->digest, "members", json_object_new_array());
	if (!(w->out = out_open(c, a, path)) || !list_members(w, manifest) ||
	    !open_archive(w) || !put_json(w, "manifest.json", manifest))
		return note(c, "%s", path), NULL;
	return w;
}

static bool
end_member(QpcWriter *w)
{
	const QpcMember *m = &w->member[w->next - 1];

	return !w->next || end(w, m->name, m->size);
}

bool
qpc_begin(Ctx *c, QpcWriter *w, const char *name)
{
	const QpcMember *m = &w->member[w->next];

	if (!end_member(w))
		return false;
	if (w->next == w->n || strcmp(m->name, name) != 0)
		return fail(c, QE_IO, "member '%s' is not the one to come",
		            name);
	w->next++;
	return begin(w, name, m->size, true);
}

bool
qpc_write(Ctx *c, QpcWriter *w, const void *p, size_t n)
{
	if (!w->next || (int64_t)n > w->left)
		return fail(c, QE_IO, "member '%s' has more bytes than said",
		            w->next ? w->member[w->next - 1].name : "");
	return put(w, p, n);
}

bool
qpc_file(Ctx *c, QpcWriter *w, const char *name, const char *path)
{
	enum { PIECE = 1 << 20 };
	int64_t at = 0;
	Span s;

	if (!qpc_begin(c, w, name))
		return false;
	do {
		Arena tmp = {0};
		bool ok = file_part(c, &tmp, path, at, PIECE, &s) &&
		          qpc_write(c, w, s.p, s.n);

		arena_free(&tmp);
		if (!ok)
			return note(c, "%s", path);
		at += (int64_t)s.n;
		progress(c, name, at, w->member[w->next - 1].size);
	} while (s.n == PIECE);
	return true;
}

bool
qpc_finish(Ctx *c, QpcWriter *w)
{
	if (!end_member(w))
		return false;
	if (w->next < w->n)
		return fail(c, QE_IO, "member '%s' was not written",
		            w->member[w->next].name);
	if (!put_json(w, "digest.json", w->digest))
		return false;
	if (archive_write_close(w->ar) != ARCHIVE_OK)
		return refuse(w);
	return out_commit(c, w->out);
}
