/* SPDX-License-Identifier: BSD-3-Clause
 * store.c - results that are kept, by what they were made from.
 *
 * An entry is a folder qpc-KEY; the key is the digest of what went in: the
 * bytes of the model and of its weights, the compilers, their arguments with
 * places left out, the files they read.  It is made as qpc-KEY.part and gets
 * its name when it is whole; made.json, written last, tells what the key is
 * of and the digest of the result, and its time when it was used last. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qaic.h"
#include "vendor.h"

enum { MAXMADE = 1 << 24, MAXDIFF = 4, WAIT = 100000 };

bool
store_entry(Ctx *c, Arena *a, const char *base, Json *parts, Entry *e)
{
	Buf *b = buf_new(a);

	json_print_as(b, parts, 0, JSON_TIGHT);
	*e = (Entry){.base = base, .parts = parts};
	e->dir = path_join(a, base,
	                   arena_str(a, "qpc-%s", hash_bytes(b->p, b->n).hex));
	e->part = arena_str(a, "%s.part", e->dir);
	return dir_make(c, base);
}

/* ---- why there is none ---- */

static int
differences(const Json *was, const Json *is)
{
	int n = 0;

	json_object_object_foreach((Json *)(uintptr_t)is, key, v) n +=
		!json_object_equal(v, json_get(was, key));
	return n;
}

static bool
holds(const Json *list, const Json *value)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (json_object_equal(json_at(list, i),
		                      (Json *)(uintptr_t)value))
			return true;
	return false;
}

/* What one has and the other has not: arguments, or names of files. */
static void
tell_change(Ctx *c, const char *kind, const Json *was, const Json *is)
{
	int told = 0;

	if (json_is(is, json_type_array)) {
		for (size_t i = 0; i < json_len(is) && told < MAXDIFF; i++)
			if (!holds(was, json_at(is, i)) && ++told)
				say(c, 1, "  now '%s'",
				    json_str(json_at(is, i), "?"));
		for (size_t i = 0; i < json_len(was) && told < MAXDIFF; i++)
			if (!holds(is, json_at(was, i)) && ++told)
				say(c, 1, "  before '%s'",
				    json_str(json_at(was, i), "?"));
		return;
	}
	if (!json_is(is, json_type_object)) {
		say(c, 1, "  %s: %s before, %s now", kind,
		    json_str(was, "none"), json_str(is, "none"));
		return;
	}
	json_object_object_foreach((Json *)(uintptr_t)is, name,
	                           v) if (!json_object_equal(v,
	                                                     json_get(was,
	                                                              name)) &&
	                                  told++ < MAXDIFF)
		say(c, 1, "  %s '%s' is another", kind, name);
}

/* The entry that is nearest, and what differs. */
static void
tell_why(Ctx *c, Arena *a, const Entry *e)
{
	char **name;
	size_t n = dir_list(a, e->base, &name);
	const Json *best = NULL;
	int least = 0;

	for (size_t i = 0; i < n; i++) {
		Ctx trial = {.tool = c->tool};
		char *made =
			arena_str(a, "%s/%s/" STORE_MADE, e->base, name[i]);
		const Json *o, *parts;

		if (!str_starts(name[i], "qpc-") ||
		    str_ends(name[i], ".part") || file_size(made) < 0)
			continue;
		o = json_read(&trial, a, made, MAXMADE);
		parts = json_get(o, "parts");
		if (parts && (!best || differences(parts, e->parts) < least)) {
			best = parts;
			least = differences(parts, e->parts);
		}
		arena_free(&trial.mem);
	}
	if (!best) {
		say(c, 1, "compiling: nothing was compiled before in %s",
		    e->base);
		return;
	}
	say(c, 1, "compiling: what was compiled before was made from other:");
	json_object_object_foreach(e->parts, key,
	                           v) if (!json_object_equal(v, json_get(best,
	                                                                 key)))
		tell_change(c, key, json_get(best, key), v);
}

bool
store_has(Ctx *c, Arena *a, const Entry *e, const char *binary)
{
	char *made = path_join(a, e->dir, STORE_MADE),
	     *file = path_join(a, e->dir, binary);
	Json *o;
	Digest d;

	if (file_size(made) < 0) {
		if (c->level >= 1)
			tell_why(c, a, e);
		return false;
	}
	if (!(o = json_read(c, a, made, MAXMADE)) || !hash_file(c, file, &d))
		return false;
	if (strcmp(json_get_str(o, "digest", ""), d.hex) != 0) {
		say(c, 0, "%s: has changed since it was compiled: once more",
		    file);
		return false;
	}
	say(c, 1, "compiled before: %s", e->dir);
	/* who cannot write there can still use it */
	utimensat(AT_FDCWD, made, NULL, 0);
	return true;
}

/* ---- making one ---- */

typedef struct Lock {
	const char *path;
	int fd;
} Lock;

static void
unlock(void *p)
{
	Lock *l = p;

	unlink(l->path);
	close(l->fd);
}

/* Whoever held the lock took its file away: what we locked may be gone, and
 * others lock the next one of that name. */
static bool
is_there(int fd, const char *path)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
	       mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

/* The lock of the folder, held: 0; or why not: EAGAIN, it is taken. */
static int
try_lock(Arena *a, const char *dir, Lock **out)
{
	struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	Lock *l = *out = NEW(a, Lock);
	int why = 0;

	l->path = arena_str(a, "%s.lock", dir);
	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (l->fd < 0)
		return errno;
	if (fcntl(l->fd, F_SETLK, &f) < 0)
		why = errno == EACCES || errno == EINTR ? EAGAIN : errno;
	else if (!is_there(l->fd, l->path))
		why = EAGAIN;
	if (why)
		close(l->fd);
	else
		arena_defer(a, unlock, l);
	return why;
}

bool
store_try(Arena *a, const char *dir)
{
	Lock *l;

	return try_lock(a, dir, &l) == 0;
}

bool
store_lock(Ctx *c, Arena *a, const Entry *e)
{
	bool told = false;
	Lock *l;
	int why;

	while ((why = try_lock(a, e->dir, &l))) {
		errno = why;
		if (why != EAGAIN)
			return fail_errno(c, l->path);
		if (!told)
			say(c, 0, "another run compiles the same: waiting");
		told = true;
		if (!go_on(c))
			return false;
		usleep(WAIT);
	}
	return true;
}

static bool
sync_file(Ctx *c, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		fail_errno(c, path);
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
store_publish(Ctx *c, Arena *a, const Entry *e, const char *binary)
{
	char *file = path_join(a, e->part, binary);
	Json *o = json_new(a);
	Buf *b = buf_new(a);
	Digest d;

	if (file_size(file) < 1)
		return fail(c, QE_EXTERNAL,
		            "the compiler says it is done, but wrote no %s",
		            path_base(file));
	if (!vendor_check_size(c, file))
		return note(c, "the compiler says it is done, but");
	if (!hash_file(c, file, &d) || !sync_file(c, file))
		return false;
	json_put_str(o, "digest", d.hex);
	json_put_str(o, "onnx", e->from);
	json_put(o, "parts", json_share(e->parts));
	json_print(b, o, 2);
	buf_char(b, '\n');
	if (!file_write(c, path_join(a, e->part, STORE_MADE), b->p, b->n) ||
	    !dir_remove(c, e->dir))
		return false;
	if (rename(e->part, e->dir) < 0)
		return fail_errno(c, e->dir);
	return sync_file(c, e->base);
}
