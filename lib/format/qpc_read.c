/* SPDX-License-Identifier: BSD-3-Clause
 * qpc_read.c - a package in place, and what libarchive does not notice.
 *
 * libarchive takes an archive cut between two members for a whole one, and
 * lets pass absolute names, "..", duplicates, links, sparse members and
 * garbage behind the end.  Here, members are regular files in the order and
 * of the sizes that manifest.json lists, their data lies inside the file, and
 * digest.json is the last and nothing but zeros follows.  A member's bytes
 * are used where they lie. */

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <stdlib.h>

#include "kind.h"
#include "qpc.h"
#include "spool.h"

enum { MAXMEMBERS = 4096, MAXJSON = 16 << 20, SMALL = 256 << 10 };

typedef struct Reader {
	Ctx *c;
	Arena *mem;
	struct archive *ar;
	Span file;
	struct Member {
		const char *name;
		Span data;
	} * member; /* all of them, manifest.json and digest.json too */
	int n;
	size_t cap;
} Reader;

bool
qpc_name_ok(const char *s)
{
	const char *part = s;

	if (!*s || strlen(s) > 100)
		return false;
	for (;; s++) {
		if (*s && *s != '/') {
			if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
				return false;
			continue;
		}
		if (s == part || strncmp(part, ".", (size_t)(s - part)) == 0 ||
		    strncmp(part, "..", (size_t)(s - part)) == 0)
			return false;
		if (!*s)
			return true;
		part = s + 1;
	}
}

/* One member: its place is where libarchive has read to. */
static bool
add_member(Reader *r, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	int64_t at = archive_filter_bytes(r->ar, -1);
	int64_t size = archive_entry_size(e);

	if (!name || !qpc_name_ok(name))
		return fail(r->c, QE_INPUT,
		            "member %d has a name that none may "
		            "have",
		            r->n);
	if (archive_entry_filetype(e) != AE_IFREG ||
	    archive_entry_hardlink(e) || archive_entry_symlink(e))
		return fail(r->c, QE_INPUT, "member '%s' is no regular file",
		            name);
	if (archive_entry_sparse_count(e) > 0)
		return fail(r->c, QE_INPUT, "member '%s' is sparse", name);
	if (at < 0 || size < 0 || (uint64_t)at > r->file.n ||
	    (uint64_t)size > r->file.n - (uint64_t)at)
		return fail(r->c, QE_INPUT,
		            "cut: member '%s' has %lld bytes at %lld, the file "
		            "has %zu",
		            name, (long long)size, (long long)at, r->file.n);
	if (r->n == MAXMEMBERS)
		return fail(r->c, QE_INPUT, "over %d members", MAXMEMBERS);
	PUSH(r->mem, r->member, r->n, r->cap,
	     ((struct Member){arena_dup(r->mem, name),
	                      {r->file.p + at, (size_t)size}}));
	return true;
}

/* Skipping data touches no page of it: opening costs the same for any size. */
static bool
list_members(Reader *r)
{
	struct archive_entry *e;
	int rc;

	if (archive_read_support_format_tar(r->ar) != ARCHIVE_OK ||
	    archive_read_open_memory(r->ar, r->file.p, r->file.n) != ARCHIVE_OK)
		return fail(r->c, QE_INPUT, "%s", archive_error_string(r->ar));
	while ((rc = archive_read_next_header(r->ar, &e)) == ARCHIVE_OK)
		if (!add_member(r, e))
			return false;
	if (rc != ARCHIVE_EOF)
		return fail(r->c, QE_INPUT, "damaged: %s",
		            archive_error_string(r->ar));
	return true;
}

/* Zeros follow the last member, two blocks at least. */
static bool
check_end(Reader *r)
{
	const struct Member *last = &r->member[r->n - 1];
	const char *p = last->data.p + last->data.n;
	const char *end = r->file.p + r->file.n;
	size_t pad = (size_t)(-(uintptr_t)(p - r->file.p) & 511);

	if (strcmp(last->name, "digest.json") != 0)
		return fail(r->c, QE_INPUT,
		            "cut: ends with '%s', not with digest.json",
		            last->name);
	if ((size_t)(end - p) < pad + 1024)
		return fail(r->c, QE_INPUT, "cut: no end of archive");
	for (; p < end; p++)
		if (*p)
			return fail(r->c, QE_INPUT,
			            "bytes follow the end of the archive");
	return true;
}

static Json *
parse(Reader *r, int i)
{
	Json *o = NULL;

	if (r->member[i].data.n > MAXJSON)
		fail(r->c, QE_INPUT, "over %d bytes", MAXJSON);
	else
		o = json_parse(r->c, r->mem, r->member[i].data);
	return o ? o : (note(r->c, "%s", r->member[i].name), NULL);
}

/* list[i] of a JSON document tells name and size of the member. */
static bool
check_listed(Reader *r, const Json *list, size_t i, int member)
{
	const struct Member *m = &r->member[member];
	const char *name = json_get_str(json_at(list, i), "name", "");
	int64_t size = json_get_int(json_at(list, i), "size", -1);

	if (strcmp(name, m->name) != 0)
		return fail(r->c, QE_INPUT, "has '%s' where '%s' is listed",
		            m->name, name);
	if (size != (int64_t)m->data.n)
		return fail(r->c, QE_INPUT,
		            "member '%s' has %zu bytes, %lld are listed",
		            m->name, m->data.n, (long long)size);
	return true;
}

/* What was planned, what is there, and in the same order. */
static bool
check_manifest(Reader *r, const Json *o, const char *format)
{
	const Json *list = json_get(o, "members");
	const char *is = json_get_str(o, "format", "");
	int64_t version = json_get_int(o, "version", -1);

	if (strcmp(is, format) != 0)
		return fail(r->c, QE_INPUT, "its format is '%s', not '%s'", is,
		            format);
	if (version < 1 || version > QPC_VERSION)
		return fail(r->c, QE_INPUT,
		            "version %lld of %s, this program reads up to %d",
		            (long long)version, is, QPC_VERSION);
	if (json_len(list) != (size_t)r->n - 2)
		return fail(r->c, QE_INPUT, "%d members, %zu are listed",
		            r->n - 2, json_len(list));
	for (int i = 1; i < r->n - 1; i++) {
		if (!check_listed(r, list, (size_t)i - 1, i))
			return false;
		if ((r->member[i].data.p - r->file.p) % QPC_ALIGN != 0)
			return fail(r->c, QE_INPUT,
			            "member '%s' is not at a multiple of %d",
			            r->member[i].name, QPC_ALIGN);
	}
	return true;
}

/* Large members are hashed on request only: that would read all of them. */
static bool
check_digests(Reader *r, const Json *o, bool all)
{
	const Json *list = json_get(o, "members");

	if (json_len(list) != (size_t)r->n - 1)
		return fail(r->c, QE_INPUT, "digest.json lists %zu of %d",
		            json_len(list), r->n - 1);
	for (int i = 0; i < r->n - 1; i++) {
		Span s = r->member[i].data;
		const char *want =
			json_get_str(json_at(list, (size_t)i), "digest", "");

		if (!check_listed(r, list, (size_t)i, i))
			return note(r->c, "digest.json");
		if ((all || s.n <= SMALL) &&
		    strcmp(hash_bytes(s.p, s.n).hex, want) != 0)
			return fail(
				r->c, QE_INPUT,
				"damaged: member '%s' is not as digest.json "
				"says",
				r->member[i].name);
	}
	return true;
}

static bool
check_once(Reader *r)
{
	Arena tmp = {0};
	Dict *seen = dict_new(&tmp);
	bool ok = true;

	for (int i = 0; ok && i < r->n; i++) {
		if (dict_has(seen, r->member[i].name))
			ok = fail(r->c, QE_INPUT, "member '%s' is there twice",
			          r->member[i].name);
		dict_set(seen, r->member[i].name, NULL);
	}
	arena_free(&tmp);
	return ok;
}

static bool
check_kind(Reader *r, const char *what)
{
	Span head = {r->file.p, MIN(r->file.n, KIND_HEAD)};

	return file_kind(head) == KIND_QPC || kind_refuse(r->c, what, head);
}

static Qpc *
result(Reader *r, const char *path, Json *manifest)
{
	Qpc *q = NEW(r->mem, Qpc);
	Span last = r->member[r->n - 1].data;

	q->path = arena_dup(r->mem, path);
	q->manifest = manifest;
	q->n = r->n - 2;
	q->member = NEWV(r->mem, QpcMember, q->n + 1);
	q->data = NEWV(r->mem, Span, q->n + 1);
	q->digest = hash_bytes(last.p, last.n);
	for (int i = 0; i < q->n; i++) {
		q->data[i] = r->member[i + 1].data;
		q->member[i] = (QpcMember){r->member[i + 1].name,
		                           (int64_t)q->data[i].n};
	}
	return q;
}

static Json *
check(Reader *r, const char *format, const char *what, bool verify)
{
	Json *manifest, *digest;

	if (!check_kind(r, what) || !list_members(r))
		return NULL;
	if (r->n < 2)
		return fail(r->c, QE_INPUT, "cut: %d members", r->n), NULL;
	if (!check_end(r) || !check_once(r) || !(manifest = parse(r, 0)) ||
	    !check_manifest(r, manifest, format) ||
	    !(digest = parse(r, r->n - 1)) || !check_digests(r, digest, verify))
		return NULL;
	return manifest;
}

static Qpc *
open_as(Ctx *c, Arena *a, const char *path, const char *format,
        const char *what, bool verify)
{
	Reader r = {.c = c, .mem = a};
	Json *manifest;

	if (!spool_open(c, a, path, &r.file, NULL))
		return NULL;
	if (!(r.ar = archive_read_new()))
		qe_nomem();
	manifest = check(&r, format, what, verify);
	archive_read_free(r.ar);
	if (!manifest)
		return note(c, "%s", path), NULL;
	return result(&r, path, manifest);
}

Qpc *
qpc_open(Ctx *c, Arena *a, const char *path, bool verify)
{
	return open_as(c, a, path, QPC_FORMAT, "a QPC package", verify);
}

Qpc *
bundle_open(Ctx *c, Arena *a, const char *path, bool verify)
{
	return open_as(c, a, path, BUNDLE_FORMAT, "a bundle", verify);
}

bool
qpc_member(Ctx *c, const Qpc *q, const char *name, Span *out)
{
	for (int i = 0; i < q->n; i++)
		if (strcmp(q->member[i].name, name) == 0) {
			*out = q->data[i];
			return true;
		}
	return fail(c, QE_INPUT, "%s: no member '%s'", q->path, name);
}
