/* SPDX-License-Identifier: BSD-3-Clause */
/* qeff.h - the one installed header of libqeff.
 *
 * A context carries the memory, the first error and the log level of one
 * run.  Every call that can fail returns true or false; after false,
 * qe_status() is the exit code and qe_message() the sentence to print.
 * Nothing here prints, exits or keeps state outside the context.
 *
 * Paths: "-" is standard input or output, "" and NULL are not paths. */

#ifndef QEFF_H
#define QEFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define QEFF_VERSION "0.1.0"

enum qe_status {
	QE_OK = 0,
	QE_NO = 1,       /* it worked, and the answer is no: differs, not fit */
	QE_USAGE = 2,    /* the command line is wrong */
	QE_INPUT = 3,    /* bad or unsupported input: no use to retry */
	QE_IO = 4,       /* a file, pipe or disk failed */
	QE_NETWORK = 5,  /* worth a retry */
	QE_MISSING = 6,  /* a tool, library or device is not here */
	QE_EXTERNAL = 7, /* an external compiler or runtime failed */
	QE_NOMEM = 8,
	QE_INTERRUPTED = 130,
};

typedef struct qe_ctx qe_ctx;

/* Called when memory runs out; must not return.  Default: abort(). */
extern void (*qe_nomem)(void) __attribute__((noreturn));

/* A new run, or qe_nomem().  `tool` is recorded as the maker of artifacts,
 * e.g. "hf-load"; it must outlive the context. */
qe_ctx *qe_open(const char *tool);
void qe_close(qe_ctx *);
enum qe_status qe_status(const qe_ctx *);
const char *qe_message(const qe_ctx *);

/* What the run has to say while it works: level 0 warnings, 1 what was done
 * (-v), 2 details (-vv).  Lines come without a newline. */
typedef void qe_log_fn(void *arg, int level, const char *line);
void qe_set_log(qe_ctx *, qe_log_fn *, void *arg, int level);

/* Asks the run to stop at the next safe point with QE_INTERRUPTED; may be
 * called from a signal handler or another thread. */
void qe_interrupt(qe_ctx *);

#endif
