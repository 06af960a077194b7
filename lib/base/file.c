/* SPDX-License-Identifier: BSD-3-Clause
 * file.c - whole files in, and outputs that appear whole or not at all.
 *
 * An output is a file without a name (O_TMPFILE) in the directory it is for,
 * so that nothing is left behind even by SIGKILL; out_commit() syncs it,
 * gives it a temporary name and renames that into place.  Where the file
 * system has no O_TMPFILE, it has the temporary name from the start. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"

static bool
is_std(const char *path)
{
	return strcmp(path, "-") == 0;
}

static void
close_fd(void *p)
{
	close((int)(intptr_t)p);
}

static int
open_in(Ctx *c, Arena *a, const char *path)
{
	struct stat st;
	int fd = is_std(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(c, path), -1;
	if (fd != STDIN_FILENO)
		arena_defer(a, close_fd, (void *)(intptr_t)fd);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return fail_errno(c, path), -1;
	}
	return fd;
}

static bool
read_all(Ctx *c, Arena *a, int fd, const char *path, size_t max, Span *out)
{
	Buf *b = buf_new(a);
	static const size_t chunk = 1 << 16;
	char *buf = arena_alloc(a, chunk);
	ssize_t n;

	while ((n = read(fd, buf, chunk)) != 0) {
		if (n < 0 && errno == EINTR) {
			if (!go_on(c))
				return false;
			continue;
		}
		if (n < 0)
			return fail_errno(c, path);
		if ((size_t)n > max - b->n)
			return fail(c, QE_INPUT, "%s: more than %zu bytes",
			            path, max);
		buf_add(b, buf, (size_t)n);
	}
	*out = (Span){b->p, b->n};
	return true;
}

bool
file_read(Ctx *c, Arena *a, const char *path, size_t max, Span *out)
{
	int fd = open_in(c, a, path);

	return fd >= 0 && read_all(c, a, fd, path, max, out);
}

struct Map {
	void *p;
	size_t n;
};

static void
unmap(void *p)
{
	struct Map *m = p;

	munmap(m->p, m->n);
}

static bool
map_fd(Ctx *c, Arena *a, int fd, size_t size, const char *path, Span *out)
{
	struct Map *m = NEW(a, struct Map);

	*out = (Span){"", 0};
	if (!size)
		return true;
	m->n = size;
	m->p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->p == MAP_FAILED)
		return fail_errno(c, path);
	arena_defer(a, unmap, m);
	*out = (Span){m->p, size};
	return true;
}

/* open_in() and what the file is; -1 with a failure. */
static int
open_stat(Ctx *c, Arena *a, const char *path, struct stat *st)
{
	int fd = open_in(c, a, path);

	if (fd >= 0 && fstat(fd, st) < 0) {
		fail_errno(c, path);
		return -1;
	}
	return fd;
}

bool
file_open(Ctx *c, Arena *a, const char *path, size_t max, Span *out)
{
	struct stat st;
	int fd = open_stat(c, a, path, &st);

	if (fd < 0)
		return false;
	if (!S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_CUR) != 0)
		return read_all(c, a, fd, path, max, out);
	if ((uint64_t)st.st_size > max)
		return fail(c, QE_INPUT, "%s: %lld bytes, at most %zu", path,
		            (long long)st.st_size, max);
	return map_fd(c, a, fd, (size_t)st.st_size, path, out);
}

bool
file_map(Ctx *c, Arena *a, const char *path, Span *out)
{
	struct stat st;
	int fd = open_stat(c, a, path, &st);

	if (fd < 0)
		return false;
	if (!S_ISREG(st.st_mode))
		return fail(c, QE_INPUT, "%s: not a regular file", path);
	return map_fd(c, a, fd, (size_t)st.st_size, path, out);
}

int64_t
file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : -1;
}

bool
file_part(Ctx *c, Arena *a, const char *path, int64_t off, int64_t n, Span *out)
{
	int fd = open_in(c, a, path);
	struct stat st;
	size_t got = 0;
	char *p;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0)
		return fail_errno(c, path);
	if (!S_ISREG(st.st_mode))
		return fail(c, QE_INPUT, "%s: not a regular file", path);
	n = MAX(MIN(n, st.st_size - off), 0);
	p = arena_alloc(a, (size_t)n + 1);
	for (ssize_t k; got < (size_t)n; got += (size_t)k) {
		k = pread(fd, p + got, (size_t)n - got, off + (off_t)got);
		if (k < 0 && errno == EINTR)
			k = 0;
		else if (k < 0)
			return fail_errno(c, path);
		else if (k == 0)
			break;
	}
	*out = (Span){p, got};
	return true;
}

bool
file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

char *
path_dir(Arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return arena_dup(a, ".");
	if (slash == path)
		return arena_dup(a, "/");
	return arena_span(a, (Span){path, (size_t)(slash - path)});
}

const char *
path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *
path_join(Arena *a, const char *dir, const char *name)
{
	if (*name == '/' || strcmp(dir, ".") == 0 || !*dir)
		return arena_dup(a, name);
	return arena_str(a, "%s%s%s", dir, str_ends(dir, "/") ? "" : "/", name);
}

char *
path_absolute(Ctx *c, Arena *a, const char *path)
{
	char *p = realpath(path, NULL), *q;

	if (!p)
		return fail_errno(c, path), NULL;
	q = arena_dup(a, p);
	free(p);
	return q;
}

/* Both are made absolute first, so that ".." never has to be undone through a
 * link. */
char *
path_relative(Ctx *c, Arena *a, const char *dir, const char *to)
{
	char *d = path_absolute(c, a, dir), *t = path_absolute(c, a, to);
	size_t common = 0, i;
	Buf *b = buf_new(a);

	if (!d || !t)
		return NULL;
	if (strcmp(d, "/") == 0)
		d = arena_dup(a, "");
	for (i = 0; d[i] == t[i] && d[i]; i++)
		if (d[i] == '/')
			common = i;
	if (!d[i] && t[i] == '/')
		common = i;
	for (const char *p = d + common; *p; p++)
		if (*p == '/')
			buf_str(b, "../");
	buf_str(b, t + common + 1);
	return b->p;
}

struct Out {
	int fd;
	const char *path; /* as the user gave it */
	char *part;       /* temporary name, NULL while it has none */
	char *buf;
	size_t used;
	int64_t at;
};

enum { OUTBUF = 1 << 16 };

static void
out_discard(void *p)
{
	Out *o = p;

	if (o->fd > STDERR_FILENO)
		close(o->fd);
	if (o->part)
		unlink(o->part);
}

/* A regular file without a name (O_TMPFILE) leaves nothing behind even when we
 * are killed; where the file system has none, a .part beside the path does. */
Out *
out_open(Ctx *c, Arena *a, const char *path)
{
	Out *o = NEW(a, Out);
	struct stat st;

	o->path = is_std(path) ? "<stdout>" : path;
	o->buf = arena_alloc(a, OUTBUF);
	if (is_std(path)) {
		o->fd = STDOUT_FILENO;
		return o;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		/* a device or pipe: nothing to rename over */
		if ((o->fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
			return fail_errno(c, path), NULL;
		arena_defer(a, close_fd, (void *)(intptr_t)o->fd);
		o->path = path;
		o->part = NULL;
		return o;
	}
	o->part = NULL;
	o->fd = open(path_dir(a, path), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (o->fd < 0 && errno != ENOENT && errno != EACCES) {
		o->part = arena_str(a, "%s.%ld.part", path, (long)getpid());
		o->fd = open(o->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		             0666);
		if (o->fd < 0)
			o->part = NULL;
	}
	if (o->fd < 0)
		return fail_errno(c, path), NULL;
	arena_defer(a, out_discard, o);
	return o;
}

/* 1 GiB at a time: Linux writes no more than 2 GiB by one call. */
static bool
write_all(Ctx *c, Out *o, const char *p, size_t n)
{
	ssize_t k;

	while (n) {
		k = write(o->fd, p, MIN(n, (size_t)1 << 30));
		if (k < 0 && errno == EINTR && go_on(c))
			continue;
		if (k < 0)
			return fail_errno(c, o->path);
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static bool
flush(Ctx *c, Out *o)
{
	size_t n = o->used;

	o->used = 0;
	return write_all(c, o, o->buf, n);
}

bool
out_write(Ctx *c, Out *o, const void *p, size_t n)
{
	o->at += (int64_t)n;
	if (n >= OUTBUF)
		return flush(c, o) && write_all(c, o, p, n);
	if (n > OUTBUF - o->used && !flush(c, o))
		return false;
	memcpy(o->buf + o->used, p, n);
	o->used += n;
	return true;
}

bool
out_zero(Ctx *c, Out *o, size_t n)
{
	static const char zero[4096];

	for (size_t k; n; n -= k) {
		k = MIN(n, sizeof zero);
		if (!out_write(c, o, zero, k))
			return false;
	}
	return true;
}

bool
out_flush(Ctx *c, Out *o)
{
	return flush(c, o);
}

int64_t
out_at(const Out *o)
{
	return o->at;
}

/* Gives the nameless file a temporary name beside its place. */
static bool
name_it(Out *o, Arena *a)
{
	char *self = arena_str(a, "/proc/self/fd/%d", o->fd);
	char *part = arena_str(a, "%s.%ld.part", o->path, (long)getpid());

	if (linkat(AT_FDCWD, self, AT_FDCWD, part, AT_SYMLINK_FOLLOW) < 0)
		return false;
	o->part = part;
	return true;
}

/* fsync before rename: after a loss of power the name stands for the whole of
 * the old bytes or of the new ones. */
bool
out_commit(Ctx *c, Out *o)
{
	struct stat st;
	Arena a = {0};
	bool ok;

	if (!flush(c, o))
		return false;
	if (fstat(o->fd, &st) < 0)
		return fail_errno(c, o->path);
	if (o->fd <= STDERR_FILENO || !S_ISREG(st.st_mode))
		return true;
	ok = fsync(o->fd) == 0 && (o->part || name_it(o, &a)) &&
	     rename(o->part, o->path) == 0;
	if (!ok)
		fail_errno(c, o->path);
	else
		o->part = NULL;
	if (o->part)
		unlink(o->part);
	o->part = NULL;
	arena_free(&a);
	return ok;
}

bool
file_write(Ctx *c, const char *path, const void *data, size_t size)
{
	Arena a = {0};
	Out *o = out_open(c, &a, path);
	bool ok = o && out_write(c, o, data, size) && out_commit(c, o);

	arena_free(&a);
	return ok;
}
