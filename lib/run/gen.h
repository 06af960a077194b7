/* SPDX-License-Identifier: BSD-3-Clause
 * gen.h - what the parts of text generation share.
 *
 * A Row is a row of the cache and the request that has it now.  Its text so
 * far, prompt and continuation, is seq[0..n); the first `fed` of these are in
 * the cache.  What a draft proposes stands behind them, seq[n..n+nguess). */

#ifndef GEN_H
#define GEN_H

#include "run.h"

typedef struct Row {
	const GenRequest *req;
	Generated *out;
	Sampler *sampler;
	Detok *detok;
	float *logits; /* [most_kept, vocab] */
	/* where the package chooses: */
	Choice choice;
	float *random; /* [chooser_most] */
	bool *allowed; /* [vocab] */
	int32_t *seq;
	size_t n, capseq;
	int64_t fed, drafted; /* tokens in the cache; in the draft's */
	int64_t lora;         /* adapter that they were read with */
	bool wide; /* they are those of a text beyond Session.turns_at */
	int nguess;
	size_t sent; /* bytes of text that have left */
	size_t cap, caplogits;
	int64_t limit;
	bool busy;
	int number, slot; /* of the request, among all; of the row */
} Row;

struct Gen {
	Ctx *c;
	Arena *a, *keep; /* of what is asked now; of the rows */
	Session *s;
	const GenOptions *o;
	Rules *rules;
	Row *row;
	int nrow;
	RowFeed *feed; /* [nrow] scratch */
	Row **due;     /* [nrow] scratch: the rows of feed */
};

/* ---- row.c: the text of a row ---- */

/* A text that grew beyond Session.turns_at is read again. */
void row_turn(const Gen *, Row *);
void row_begin(Gen *, Row *, const GenRequest *, Generated *, int number);
/* Takes the next token of a row, by its i-th logits or choice; it may be the
 * last one. */
bool row_take(Gen *, Row *, int i);
/* What the checkpoint's settings say about it. */
void row_rules(const Gen *, const Row *, float *logits);
/* How much of a prompt the row's cache has. */
int64_t row_common(const Row *, const GenRequest *);
void row_push(Gen *, Row *, int32_t id); /* to seq */
#define row_pending(r) ((int64_t)(r)->n - (r)->fed)

/* ---- chooser.c: rows of a package that chooses itself ---- */

/* Whether the options go with its sampler. */
bool chooser_goes(const Gen *);
void chooser_open_row(const Gen *, Row *);
/* What it is asked for the next token of a row; NULL: nothing. */
const Choice *chooser_ask(const Gen *, Row *);

/* ---- speculate.c: guesses of what comes next ---- */

/* Whether the options' way to guess goes with the session. */
bool speculate_open(Gen *);
/* Guesses for the rows that are about to take a step. */
bool speculate(Gen *, Row *const *due, int n);
/* After the step: r->fed tells which guesses were right. */
void speculate_done(Row *);

#endif
