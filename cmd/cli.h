/* SPDX-License-Identifier: BSD-3-Clause
 * cli.h - what all programs share: options, help, messages, exit status.
 *
 * A program is a table of options, a Cmd and a call.  Parsing and --help
 * come from the same rows, and a row's default is whatever its variable
 * holds before cli_open().  Every program also has -h, -q, -v, --version.
 *
 * Long options take "--name value" and "--name=value", '_' for '-', and the
 * spellings of other tools listed in `also`; short ones may be bundled (-vq)
 * and joined to their value (-n5).  "--" ends the options. */

#ifndef CLI_H
#define CLI_H

#include "qeff.h"

typedef enum OptKind {
	GROUP,  /* a heading of the help */
	FLAG,   /* bool *: true */
	OFF,    /* bool *: false; name it no-something */
	COUNT,  /* int *: one more */
	TEXT,   /* const char ** */
	WORD,   /* const char **: becomes arg; takes no value */
	ENUM,   /* const char **: one of the words in arg, "a|b|c" */
	LIST,   /* const char *const **: may come again; NULL-terminated */
	INT,    /* int64_t *: lo to hi */
	FLOAT,  /* double *: lo to hi */
	INPUT,  /* const char **: a path; "-" must not be a terminal */
	OUTPUT, /* const char **: a path */
	BINARY, /* const char **: a path; "-" must not be a terminal */
	ALONE, /* bool *: true; then nothing is read, and no terminal is wrong */
	TABLE, /* prints the table lo, an enum qe_table, instead of working */
} OptKind;

typedef struct Opt {
	char letter; /* or 0 */
	const char *name;
	OptKind kind;
	void *to;
	const char *arg;  /* what the help calls the value */
	const char *help; /* lower case, no full stop, no default */
	const char *also; /* other long names, blanks between */
	double lo, hi;    /* INT, FLOAT: a default outside means unset */
} Opt;

/* Tables of options and commands end with an empty row. */
typedef struct Cmd {
	const char *name;     /* of the program or command */
	const char *about;    /* a sentence */
	const char *operands; /* for the usage line; NULL: there are none */
	const Opt *opt;
	const char **operand; /* gets the only operand; if it is NULL before,
	                       * the operand must come */
	const char *const **operands_to; /* or, gets all of them */
	const char *const **rest;        /* gets what follows "--" */
	const struct Cmd *command; /* the first operand names one of these */
	const struct Cmd **chosen; /* gets it */
} Cmd;

/* Parses argv and opens the run: log and progress on stderr, signals ask it
 * to stop, share/ is found.  Prints and exits for help, version, tables and
 * usage errors. */
qe_ctx *cli_open(const Cmd *, char **argv);

/* Standard input as a path, for a program about to read it: if that is a
 * terminal, prints a short help and exits. */
const char *cli_stdin(void);

/* Refuses to show a person binary bytes: for an OUTPUT that is binary with
 * some options only. */
void cli_binary(const char *path);

/* Prints the message of a failed run, closes it and stdout; the exit
 * status.  A full disk behind stdout is a failure even after success. */
int cli_close(qe_ctx *);

#endif
