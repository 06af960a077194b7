/* SPDX-License-Identifier: BSD-3-Clause
 * context.c - one run of a program. */

#include <stdlib.h>

#include "base.h"

qe_ctx *
qe_open(const char *tool)
{
	Ctx *c = calloc(1, sizeof *c);

	if (!c)
		qe_nomem();
	c->tool = tool;
	return c;
}

void
qe_close(qe_ctx *c)
{
	arena_free(&c->mem);
	free(c);
}

enum qe_status
qe_status(const qe_ctx *c)
{
	return c->status;
}

const char *
qe_message(const qe_ctx *c)
{
	return c->msg;
}

void
qe_set_log(qe_ctx *c, qe_log_fn *log, void *arg, int level)
{
	c->log = log;
	c->logarg = arg;
	c->level = level;
}

void
qe_set_progress(qe_ctx *c, qe_progress_fn *fn, void *arg)
{
	c->progress = fn;
	c->progressarg = arg;
}

void
qe_set_share(qe_ctx *c, const char *dir)
{
	c->share = dir;
}

const char *
qe_nearest(const char *s, const char *const *list)
{
	return str_nearest(s, list);
}

void
qe_interrupt(qe_ctx *c)
{
	c->interrupted = true;
}
