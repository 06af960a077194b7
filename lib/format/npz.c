/* SPDX-License-Identifier: BSD-3-Clause
 * npz.c - several arrays in a zip archive, one .npy each.
 *
 * Through libarchive.  What comes out of deflate is bounded: 64 times the
 * file, or 1 GiB if that is more. */

#include <archive.h>
#include <archive_entry.h>

#include "kind.h"
#include "npy.h"
#include "npy_head.h"
#include "spool.h"

enum { MAXARRAYS = 65536 };

typedef struct Zip {
	Ctx *c;
	Arena *mem;
	struct archive *ar;
	int64_t left; /* bytes that may still come out */
	Value *v;
	int n;
	size_t cap;
} Zip;

static bool
refuse(Zip *z)
{
	const char *why = archive_error_string(z->ar);

	return fail(z->c, QE_INPUT, "bad zip archive: %s", why ? why : "?");
}

static bool
read_member(Zip *z, Span *out)
{
	Buf *b = buf_new(z->mem);
	const void *p;
	size_t n;
	la_int64_t off;
	int rc;

	while ((rc = archive_read_data_block(z->ar, &p, &n, &off)) ==
	       ARCHIVE_OK) {
		if (off != (la_int64_t)b->n)
			return fail(z->c, QE_INPUT, "a sparse member");
		if ((z->left -= (int64_t)n) < 0)
			return fail(z->c, QE_INPUT,
			            "far more bytes than the archive has");
		buf_add(b, p, n);
	}
	*out = (Span){b->p, b->n};
	return rc == ARCHIVE_EOF || refuse(z);
}

static bool
add(Zip *z, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	size_t n = name ? strlen(name) : 0;
	Value v = {0};
	Span b;

	if (n < 5 || !str_ends(name, ".npy") || utf8_valid(SPAN(name)) < n)
		return fail(z->c, QE_INPUT, "member '%s' is no .npy file",
		            name ? name : "?");
	v.name = arena_span(z->mem, (Span){name, n - 4});
	if (z->n == MAXARRAYS)
		return fail(z->c, QE_INPUT, "over %d arrays", MAXARRAYS);
	for (int i = 0; i < z->n; i++)
		if (strcmp(z->v[i].name, v.name) == 0)
			return fail(z->c, QE_INPUT, "'%s' is there twice",
			            v.name);
	if (!read_member(z, &b) || !npy_parse(z->c, z->mem, b, &v))
		return note(z->c, "%s", name);
	PUSH(z->mem, z->v, z->n, z->cap, v);
	return true;
}

static bool
read_all(Zip *z, Span file)
{
	struct archive_entry *e;
	int rc;

	if (file_kind((Span){file.p, MIN(file.n, KIND_HEAD)}) != KIND_ZIP)
		return kind_refuse(z->c, "an .npz file",
		                   (Span){file.p, MIN(file.n, KIND_HEAD)});
	if (archive_read_support_format_zip_seekable(z->ar) != ARCHIVE_OK ||
	    archive_read_open_memory(z->ar, file.p, file.n) != ARCHIVE_OK)
		return refuse(z);
	while ((rc = archive_read_next_header(z->ar, &e)) == ARCHIVE_OK)
		if (!add(z, e))
			return false;
	return rc == ARCHIVE_EOF || refuse(z);
}

bool
npz_parse(Ctx *c, Arena *a, Span file, Value **out, int *n)
{
	Zip z = {.c = c, .mem = a};
	bool ok;

	if (!(z.ar = archive_read_new()))
		qe_nomem();
	z.left = MAX((int64_t)1 << 30, mul_size((int64_t)file.n, 64));
	ok = read_all(&z, file);
	archive_read_free(z.ar);
	*out = z.v;
	*n = z.n;
	return ok;
}

bool
npz_read(Ctx *c, Arena *a, const char *path, Value **out, int *n)
{
	Span file;

	return spool_open(c, a, path, &file, NULL) &&
	       (npz_parse(c, a, file, out, n) || note(c, "%s", path));
}
