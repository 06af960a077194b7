/* SPDX-License-Identifier: BSD-3-Clause
 * spool.c - an input as one piece of memory, wherever it comes from.
 *
 * A short pipe is read into memory.  A longer one goes to a file without a
 * name in /var/tmp, whose pages the system can drop again: a package of many
 * GiB may come through a pipe. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool.h"

enum { SHORT = 4 << 20, CHUNK = 1 << 18, PAGE = 4096 };

static void
close_fd(void *p)
{
	close((int)(intptr_t)p);
}

static void
unmap(void *p)
{
	Span *s = p;

	munmap((void *)(uintptr_t)s->p, s->n);
}

static bool
map(Ctx *c, Arena *a, int fd, size_t n, const char *path, Span *out)
{
	void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return fail_errno(c, path);
	*out = (Span){p, n};
	arena_defer(a, unmap, arena_copy(a, out, sizeof *out));
	return true;
}

static bool
write_all(Ctx *c, int fd, const char *p, size_t n)
{
	for (ssize_t k; n; p += k, n -= (size_t)k)
		if ((k = write(fd, p, n)) < 0) {
			if (errno != EINTR)
				return fail_errno(c, "spool file in /var/tmp");
			k = 0;
		}
	return true;
}

/* Reads up to n bytes; less only at the end. */
static bool
read_full(Ctx *c, int fd, char *p, size_t n, const char *path, size_t *got)
{
	ssize_t k;

	for (*got = 0; *got < n; *got += (size_t)k) {
		k = read(fd, p + *got, n - *got);
		if (k < 0 && errno == EINTR && go_on(c))
			k = 0;
		else if (k < 0)
			return fail_errno(c, path);
		else if (k == 0)
			break;
	}
	return go_on(c);
}

static int
temporary(Ctx *c, Arena *a)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fail_errno(c, "spool file in /var/tmp");
	else
		arena_defer(a, close_fd, (void *)(intptr_t)fd);
	return fd;
}

/* What was read already, and the rest of the pipe, as one mapped file. */
static bool
spool(Ctx *c, Arena *a, int fd, const char *path, Span first, Span *out)
{
	int tmp = temporary(c, a);
	char *buf = arena_alloc(a, CHUNK);
	size_t got, all = first.n;

	if (tmp < 0 || !write_all(c, tmp, first.p, first.n))
		return false;
	do {
		if (!read_full(c, fd, buf, CHUNK, path, &got) ||
		    !write_all(c, tmp, buf, got))
			return false;
		all += got;
	} while (got == CHUNK);
	return map(c, a, tmp, all, path, out);
}

static bool
read_pipe(Ctx *c, Arena *a, int fd, const char *path, Span *out)
{
	char *buf = arena_alloc(a, SHORT + PAGE);
	size_t got;

	buf += -(uintptr_t)buf & (PAGE - 1); /* as aligned as a mapping */

	if (!read_full(c, fd, buf, SHORT, path, &got))
		return false;
	*out = (Span){buf, got};
	return got < SHORT || spool(c, a, fd, path, *out, out);
}

/* The path behind standard input, if it is a file that still has one. */
static const char *
stdin_path(Arena *a, const struct stat *st)
{
	char path[4096];
	struct stat now;
	ssize_t n = readlink("/proc/self/fd/0", path, sizeof path);

	if (n <= 0 || n == sizeof path)
		return NULL;
	path[n] = '\0';
	if (stat(path, &now) < 0 || now.st_dev != st->st_dev ||
	    now.st_ino != st->st_ino)
		return NULL;
	return arena_dup(a, path);
}

bool
spool_open(Ctx *c, Arena *a, const char *path, Span *out, const char **place)
{
	bool std = strcmp(path, "-") == 0;
	int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	const char *name = std ? "<stdin>" : path;
	struct stat st;

	if (place)
		*place = NULL;
	if (fd < 0)
		return fail_errno(c, name);
	if (!std)
		arena_defer(a, close_fd, (void *)(intptr_t)fd);
	if (fstat(fd, &st) < 0)
		return fail_errno(c, name);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return fail_errno(c, name);
	}
	if (!S_ISREG(st.st_mode) || lseek(fd, 0, SEEK_CUR) != 0)
		return read_pipe(c, a, fd, name, out);
	if (place)
		*place = std ? stdin_path(a, &st) : arena_dup(a, path);
	*out = (Span){"", 0};
	return st.st_size == 0 || map(c, a, fd, (size_t)st.st_size, name, out);
}
