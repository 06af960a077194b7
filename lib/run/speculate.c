/* SPDX-License-Identifier: BSD-3-Clause
 * speculate.c - guesses at what a row says next, for a target to check.
 *
 * By a draft: a smaller model over the same tokens continues the row, always
 * with its likeliest token; its cache follows the target's.  By lookup: what
 * followed the last time the newest words stood in the row. */

#include "gen.h"

enum { NGRAM = 3 };

bool
speculate_open(Gen *g)
{
	const Session *d = g->o->draft;

	if (!d && !g->o->lookup)
		return true;
	if (g->s->most_kept < 2)
		return fail(
			g->c, QE_INPUT,
			"the package checks no drafts (qnn-compile --num-speculative-tokens)");
	if (d && d->vocab != g->s->vocab)
		return fail(g->c, QE_INPUT,
		            "the draft has %lld tokens, the target %lld",
		            (long long)d->vocab, (long long)g->s->vocab);
	if (d && d->chooser)
		return fail(
			g->c, QE_INPUT,
			"the draft has a sampler of its own and gives no logits");
	return !d || session_reset(g->c, g->o->draft);
}

/* How many guesses a row can use: the text and the cache may end before. */
static int64_t
most_guesses(const Gen *g, const Row *r)
{
	int64_t n = g->s->most_kept - 1;

	if (g->o->guesses >= 0)
		n = MIN(n, g->o->guesses);
	n = MIN(n, r->limit - (int64_t)r->out->n - 1);
	n = MIN(n, g->s->ctx_len - (int64_t)r->n);
	if (g->o->draft)
		n = MIN(n, g->o->draft->ctx_len - (int64_t)r->n);
	if ((int64_t)r->n <=
	    g->s->turns_at) /* none beyond it before its text */
		n = MIN(n, g->s->turns_at - (int64_t)r->n);
	return MAX(n, 0);
}

static void
guess(Gen *g, Row *r, int32_t id)
{
	size_t at = r->n + (size_t)r->nguess;

	PUSH(g->keep, r->seq, at, r->capseq, id);
	r->nguess++;
}

/* ---- lookup ---- */

/* Where the newest `words` tokens stood last, -1: nowhere. */
static int64_t
earlier(const Row *r, int64_t words)
{
	int64_t n = (int64_t)r->n;

	for (int64_t i = n - words - 1; i >= 0; i--)
		if (memcmp(r->seq + i, r->seq + n - words,
		           (size_t)words * sizeof *r->seq) == 0)
			return i;
	return -1;
}

static void
look_up(Gen *g, Row *r)
{
	int64_t at = -1, most = most_guesses(g, r), n = (int64_t)r->n;
	int64_t words = NGRAM + 1;

	while (at < 0 && --words > 0)
		at = n > words ? earlier(r, words) : -1;
	for (int64_t i = at + words; at >= 0 && i < n && r->nguess < most; i++)
		guess(g, r, r->seq[i]);
}

/* ---- a draft ---- */

/* The next chunk of each row that has more for the draft to read. */
static int
draft_feeds(Gen *g, Row *const *due, int n, Row **who)
{
	const Session *d = g->o->draft;
	int used = 0;

	for (int i = 0; i < n; i++) {
		Row *r = due[i];
		int64_t all = (int64_t)r->n + r->nguess - r->drafted,
			len = session_chunk(d, all);

		if (r->nguess >= most_guesses(g, r))
			continue;
		g->feed[used] = (RowFeed){.slot = r->slot,
		                          .id = r->seq + r->drafted,
		                          .n = len,
		                          .length = (int64_t)r->n,
		                          .pos = r->drafted,
		                          .logits = r->logits,
		                          .want = len == all};
		who[used++] = r;
	}
	return used;
}

static bool
ask_draft(Gen *g, Row *const *due, int n)
{
	Session *d = g->o->draft;
	Arena a = {0};
	Row **who = NEWV(&a, Row *, n);
	bool ok = true;
	int used;

	while (ok && (used = draft_feeds(g, due, n, who)) > 0) {
		ok = session_feed(g->c, d, g->feed, used);
		for (int i = 0; ok && i < used; i++) {
			who[i]->drafted += g->feed[i].n;
			if (g->feed[i].want)
				guess(g, who[i],
				      argmax(who[i]->logits, d->vocab));
		}
	}
	arena_free(&a);
	return ok || note(g->c, "draft");
}

bool
speculate(Gen *g, Row *const *due, int n)
{
	for (int i = 0; i < n; i++)
		due[i]->nguess = 0;
	if (g->o->draft)
		return ask_draft(g, due, n);
	for (int i = 0; g->o->lookup && i < n; i++)
		look_up(g, due[i]);
	return true;
}

/* What the draft has read of wrong guesses will be written over. */
void
speculate_done(Row *r)
{
	r->drafted = MIN(r->drafted, r->fed);
}
