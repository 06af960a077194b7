/* SPDX-License-Identifier: BSD-3-Clause */
/* lines.h - input one line at a time, so that another program can hold a
 * conversation over two pipes. */

#ifndef LINES_H
#define LINES_H

#include "base.h"

/* line: without its newline; false ends the reading. */
typedef bool LineFn(Ctx *, void *arg, Span line);

/* Calls fn for each line of path ("-": standard input).  Failures carry the
 * path and the number of the line. */
bool lines_each(Ctx *, const char *path, LineFn *, void *arg);

#endif
