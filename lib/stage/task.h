/* SPDX-License-Identifier: BSD-3-Clause
 * task.h - what the kinds of runs of a package share. */

#ifndef TASK_H
#define TASK_H

#include "converse.h"

typedef struct Task {
	Ctx *c;
	Arena *a;
	const qe_run *o;
	Session *s, *draft; /* NULL: none */
	Converse *talk;     /* NULL: prompts are text as it is */
	GenRequest *req;
	int nreq;
	size_t cap;
	int32_t first; /* token of --target-lang */
	Gen *gen;      /* of a conversation, turn after turn; else NULL */
	int64_t start; /* ns */
	bool profiled; /* its figures are told */
} Task;

/* To stdout, which gets the product alone. */
bool task_print(Task *, const char *p, size_t n);
/* Texts of -p, then of the file: whole, or each line that is not empty. */
bool task_texts(Task *, char ***out, size_t *n);
/* A package, by the options' engine. */
Session *task_open(Task *, const char *path);

/* run_text.c: text goes on; what was expected of a text. */
bool run_text(Task *);
bool run_score(Task *);
/* run_labels.c: a vector of each text; what a classifying head says. */
bool run_embed(Task *);
bool run_labels(Task *);
bool run_answers(Task *);

/* entities.c: tokens that name something, joined as --aggregate says. */
bool entities_known(const char *way);
void put_entities(Task *, const char *text, const Labelled *, const TokenSpan *,
                  Buf *, Json *list);
/* "start" and "end", in characters of the text. */
void put_place(Json *, Span text, TokenSpan);

#endif
