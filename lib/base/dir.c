/* SPDX-License-Identifier: BSD-3-Clause
 * dir.c - folders: made with their parents, listed, removed with all in it. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"

enum { DEEP = 32 };

bool
dir_make(Ctx *c, const char *path)
{
	Arena a = {0};
	char *p = arena_dup(&a, path);
	bool ok = true;

	for (char *s = p + (*p == '/'); ok && *s; s++) {
		s += strcspn(s, "/");
		if (!*s)
			break;
		*s = '\0';
		ok = mkdir(p, 0777) == 0 || errno == EEXIST;
		*s = '/';
	}
	ok = ok && (mkdir(p, 0777) == 0 || errno == EEXIST);
	if (!ok)
		fail_errno(c, path);
	arena_free(&a);
	return ok;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t
dir_list(Arena *a, const char *path, char ***out)
{
	DIR *d = opendir(path);
	size_t n = 0, cap = 0;
	struct dirent *e;

	*out = NULL;
	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			PUSH(a, *out, n, cap, arena_dup(a, e->d_name));
	if (d)
		closedir(d);
	if (n)
		qsort(*out, n, sizeof **out, by_text);
	return n;
}

static bool
clear(Ctx *c, const char *path, int depth)
{
	Arena a = {0};
	char **name;
	size_t n;
	struct stat st;
	bool ok = true;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || fail_errno(c, path);
	if (S_ISDIR(st.st_mode) && depth < DEEP) {
		n = dir_list(&a, path, &name);
		for (size_t i = 0; ok && i < n; i++)
			ok = clear(c, path_join(&a, path, name[i]), depth + 1);
		ok = ok && (rmdir(path) == 0 || fail_errno(c, path));
	} else {
		ok = unlink(path) == 0 || fail_errno(c, path);
	}
	arena_free(&a);
	return ok;
}

bool
dir_remove(Ctx *c, const char *path)
{
	return clear(c, path, 0);
}

static int64_t
measure(const char *path, int depth)
{
	Arena a = {0};
	int64_t sum = 0;
	char **name;
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode) || depth == DEEP)
		return S_ISREG(st.st_mode) ? st.st_size : 0;
	for (size_t i = 0, n = dir_list(&a, path, &name); i < n; i++)
		sum += measure(path_join(&a, path, name[i]), depth + 1);
	arena_free(&a);
	return sum;
}

int64_t
dir_size(const char *path)
{
	return measure(path, 0);
}
