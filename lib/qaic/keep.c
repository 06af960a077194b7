/* SPDX-License-Identifier: BSD-3-Clause
 * keep.c - what stays of the results that are kept: a list, a limit, none.
 *
 * An entry is removed under its lock, so nobody is reading it, and by a new
 * name first, so nobody takes half of it for a whole.  Folders that are not
 * ours, QEfficient's among them, have other names and are left alone. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "qaic.h"

enum { MAXMADE = 1 << 24, DIGITS = 32, STALE = 24 * 60 * 60 };

typedef struct Kept {
	char *dir, *made;
	int64_t size;
	struct timespec used;
} Kept;

typedef struct Keep {
	Ctx *c;
	Arena *a;
	const char *base;
	Kept *kept; /* the last used first */
	int n;
	size_t cap;
} Keep;

/* Whether a name is that of an entry, with ending behind it. */
static bool
is_entry(const char *name, const char *ending)
{
	const char *hex = name + strlen("qpc-");

	return str_starts(name, "qpc-") &&
	       strspn(hex, "0123456789abcdef") == DIGITS &&
	       strcmp(hex + DIGITS, ending) == 0;
}

static int
by_use(const void *x, const void *y)
{
	const Kept *a = x, *b = y;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? 1 : -1;
	if (a->used.tv_nsec != b->used.tv_nsec)
		return a->used.tv_nsec < b->used.tv_nsec ? 1 : -1;
	return strcmp(a->dir, b->dir);
}

static void
find(Keep *k)
{
	char **name;
	size_t n = dir_list(k->a, k->base, &name);
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		Kept e = {.dir = path_join(k->a, k->base, name[i])};

		e.made = path_join(k->a, e.dir, STORE_MADE);
		if (!is_entry(name[i], "") || stat(e.made, &st) < 0)
			continue;
		e.used = st.st_mtim;
		e.size = dir_size(e.dir);
		PUSH(k->a, k->kept, k->n, k->cap, e);
	}
	if (k->n)
		qsort(k->kept, (size_t)k->n, sizeof *k->kept, by_use);
}

static int64_t
total(const Keep *k)
{
	int64_t sum = 0;

	for (int i = 0; i < k->n; i++)
		sum += k->kept[i].size;
	return sum;
}

/* ---- looking ---- */

static bool
in_use(const char *dir)
{
	Arena a = {0};
	bool held = store_try(&a, dir);

	arena_free(&a);
	return !held;
}

/* What it was made from; an entry that cannot be read is listed all the
 * same. */
static const char *
origin(Arena *a, const char *made)
{
	Ctx trial = {0};
	const char *from =
		json_get_str(json_read(&trial, a, made, MAXMADE), "onnx", "?");

	arena_free(&trial.mem);
	return from;
}

bool
keep_list(Ctx *c, Arena *a, const char *base, const char *out)
{
	Keep k = {.c = c, .a = a, .base = base};
	Buf *b = buf_new(a);
	char when[32];
	struct tm t;

	find(&k);
	for (int i = 0; i < k.n; i++) {
		const Kept *e = &k.kept[i];

		if (!gmtime_r(&e->used.tv_sec, &t) ||
		    !strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &t))
			snprintf(when, sizeof when, "?");
		buf_fmt(b, "%12lld  %s  %s  %s%s\n", (long long)e->size, when,
		        path_base(e->dir), origin(a, e->made),
		        in_use(e->dir) ? "  in use" : "");
	}
	buf_fmt(b, "%12lld  in %d results, %s\n", (long long)total(&k), k.n,
	        base);
	return file_write(c, out, b->p, b->n);
}

/* ---- removing ---- */

/* The caller holds the lock. */
static bool
drop(Keep *k, const char *dir)
{
	const char *part = arena_str(k->a, "%s.part", dir);

	if (!dir_remove(k->c, part))
		return false;
	if (rename(dir, part) < 0)
		return errno == ENOENT || fail_errno(k->c, dir);
	return dir_remove(k->c, part);
}

/* False with a failure, or because it is in use. */
static bool
drop_unused(Keep *k, const char *dir)
{
	Arena held = {0};
	bool ok = store_try(&held, dir) && drop(k, dir);

	arena_free(&held);
	return ok;
}

bool
keep_limit(Ctx *c, Arena *a, const char *base, double most, const Entry *mine)
{
	Keep k = {.c = c, .a = a, .base = base};
	int64_t left;

	find(&k);
	left = total(&k);
	for (int i = k.n - 1; i >= 0 && (double)left > most; i--) {
		const Kept *e = &k.kept[i];
		bool own = mine && strcmp(e->dir, mine->dir) == 0;

		/* a lock of this run's own would be lost by trying */
		if (own ? drop(&k, e->dir) : drop_unused(&k, e->dir)) {
			left -= e->size;
			say(c, 1, "--cache-limit: %s is gone",
			    path_base(e->dir));
		} else if (c->status != QE_OK) {
			return false;
		}
	}
	return true;
}

/* What a run left that did not end: half a folder, a model from a pipe, what
 * the compiler said. */
static bool
drop_rest(Keep *k, const char *name)
{
	const char *path = path_join(k->a, k->base, name);
	char *dir = arena_str(k->a, "%.*s",
	                      (int)(strlen(path) - strlen(strrchr(path, '.'))),
	                      path);
	bool ok = true;
	Arena held = {0};
	struct stat st;

	if (str_starts(name, "stage-")) /* a few seconds are its usual life */
		return stat(path, &st) < 0 ||
		       time(NULL) - st.st_mtime < STALE ||
		       dir_remove(k->c, path);
	/* who lets go of a lock takes its file away */
	if (store_try(&held, dir) && !str_ends(name, ".lock"))
		ok = dir_remove(k->c, path);
	arena_free(&held);
	return ok;
}

static bool
is_rest(const char *name)
{
	return is_entry(name, ".part") || is_entry(name, ".log") ||
	       is_entry(name, ".lock") ||
	       (str_starts(name, "stage-") && str_ends(name, ".part"));
}

bool
keep_clear(Ctx *c, Arena *a, const char *base)
{
	Keep k = {.c = c, .a = a, .base = base};
	int64_t bytes = 0;
	int gone = 0;
	char **name;
	size_t n;

	find(&k);
	for (int i = 0; i < k.n && c->status == QE_OK; i++)
		if (drop_unused(&k, k.kept[i].dir)) {
			bytes += k.kept[i].size;
			gone++;
		}
	n = dir_list(a, base, &name);
	for (size_t i = 0; i < n && c->status == QE_OK; i++)
		if (is_rest(name[i]))
			drop_rest(&k, name[i]);
	if (c->status == QE_OK)
		say(c, 0, "%d of %d results are gone, %lld bytes", gone, k.n,
		    (long long)bytes);
	return c->status == QE_OK;
}
