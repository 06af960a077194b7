/* SPDX-License-Identifier: BSD-3-Clause
 * spool.h - an input as one piece of memory, wherever it comes from. */

#ifndef SPOOL_H
#define SPOOL_H

#include "base.h"

/* Maps a regular file; reads a pipe, into a temporary file without a name
 * if it is long.  path "-" is stdin.  *place, if not NULL, becomes the path
 * to open the file by, NULL for a pipe. */
bool spool_open(Ctx *, Arena *, const char *path, Span *out,
                const char **place);

#endif
