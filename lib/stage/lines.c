/* SPDX-License-Identifier: BSD-3-Clause
 * lines.c - input one line at a time. */

#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_LIMIT = 256 << 20 };

static bool
one(Ctx *c, LineFn *fn, void *arg, Span line)
{
	if (line.n && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > LINE_LIMIT)
		return fail(c, QE_INPUT, "%zu bytes, limit %d", line.n,
		            LINE_LIMIT);
	return fn(c, arg, line);
}

bool
lines_each(Ctx *c, const char *path, LineFn *fn, void *arg)
{
	bool in = strcmp(path, "-") == 0, ok = true;
	FILE *f = in ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "r");
	char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t n;

	if (!f)
		return fail_errno(c, in ? "standard input" : path);
	while (ok && go_on(c) && (n = getline(&line, &cap, f)) > 0) {
		number++;
		ok = one(c, fn, arg, (Span){line, (size_t)n}) ||
		     note(c, "%s: line %zu", path, number);
	}
	if (ok && c->status == QE_OK && ferror(f))
		ok = fail_errno(c, path);
	free(line);
	fclose(f);
	return ok && c->status == QE_OK;
}
