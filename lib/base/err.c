/* SPDX-License-Identifier: BSD-3-Clause
 * err.c - the first failure, and where it happened.
 *
 * The bottom of the stack knows why, its callers know where.  fail() records
 * the cause; each caller that can say more puts its part in front with
 * note(); the command adds "tool: " and prints.  Both return false, so the
 * error path is one line. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base.h"

bool
fail(Ctx *c, enum qe_status st, const char *fmt, ...)
{
	va_list ap;

	if (c->status != QE_OK)
		return false; /* later failures are echoes of the first */
	c->status = st;
	va_start(ap, fmt);
	vsnprintf(c->msg, sizeof c->msg, fmt, ap);
	va_end(ap);
	return false;
}

bool
note(Ctx *c, const char *fmt, ...)
{
	char where[256];
	size_t n, room;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where, sizeof where, fmt, ap);
	va_end(ap);
	n = strlen(where);
	room = sizeof c->msg - n - 3;
	c->msg[room] = '\0'; /* a long cause loses its tail, not its place */
	memmove(c->msg + n + 2, c->msg, strlen(c->msg) + 1);
	memcpy(c->msg, where, n);
	memcpy(c->msg + n, ": ", 2);
	return false;
}

bool
fail_errno(Ctx *c, const char *what)
{
	enum qe_status st = errno == ENOMEM ? QE_NOMEM : QE_IO;

	return fail(c, st, "%s: %s", what, strerror(errno));
}

void
say(Ctx *c, int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!c->log || level > c->level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	c->log(c->logarg, level, line);
}

void
progress(Ctx *c, const char *what, int64_t done, int64_t total)
{
	if (c->progress)
		c->progress(c->progressarg, what, done, total);
}

bool
go_on(Ctx *c)
{
	return !c->interrupted || fail(c, QE_INTERRUPTED, "interrupted");
}
