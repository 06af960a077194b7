/* SPDX-License-Identifier: BSD-3-Clause
 * generate.c - texts from prompts, as many at once as the package has rows.
 *
 * A row that is done takes the next request.  In turn, each row that has more
 * of its prompt to read takes a chunk of it, and then each of the others a
 * step: a long prompt does not hold up texts that are being written.  A row
 * gives the same bits whatever the others do, so each text is what it would
 * be alone. */

#include "gen.h"

/* ---- rows for requests ---- */

/* The free row that holds most of the prompt already, else the one that
 * loses least. */
static Row *
free_row(Gen *g, const GenRequest *req)
{
	Row *best = NULL;
	int64_t most = 0;

	for (int i = 0; i < g->nrow; i++) {
		Row *r = &g->row[i];
		int64_t n = row_common(r, req);

		if (r->busy)
			continue;
		if (!best || n > most || (n == most && r->fed < best->fed)) {
			best = r;
			most = n;
		}
	}
	return best;
}

static int
busy_rows(const Gen *g)
{
	int n = 0;

	for (int i = 0; i < g->nrow; i++)
		n += g->row[i].busy;
	return n;
}

/* Gives waiting requests to free rows; returns how many still wait. */
static int
admit(Gen *g, const GenRequest *req, Generated *out, int at, int n)
{
	int64_t most = g->s->batch;

	if (g->o->draft)
		most = MIN(most, g->o->draft->batch);
	while (at < n && busy_rows(g) < most) {
		Row *r = free_row(g, &req[at]);

		row_begin(g, r, &req[at], &out[at], at);
		at++;
	}
	return at;
}

/* ---- steps ---- */

/* The last token of a prompt may go in as a step, unless a sampler in the
 * graph is to know that it is the prompt's. */
static bool
steps(const Gen *g, const Row *r)
{
	return row_pending(r) == 1 && (!g->s->chooser || r->out->n);
}

/* The rows that take a step, or those that have more to read. */
static int
due_rows(Gen *g, bool step)
{
	int n = 0;

	for (int i = 0; i < g->nrow; i++)
		if (g->row[i].busy && steps(g, &g->row[i]) == step)
			g->due[n++] = &g->row[i];
	return n;
}

/* Rows that have become too long for their keys begin anew. */
static void
turn_rows(Gen *g)
{
	for (int i = 0; i < g->nrow; i++)
		if (g->row[i].busy && g->row[i].out->n)
			row_turn(g, &g->row[i]);
}

/* Feeds each due row what it has, and counts. */
static bool
feed(Gen *g, int n, int64_t *time)
{
	int64_t t = clock_ns();

	for (int i = 0; i < n; i++) {
		Row *r = g->due[i];
		int64_t all = row_pending(r) + r->nguess,
			len = session_chunk(g->s, all);

		g->feed[i] = (RowFeed){.slot = r->slot,
		                       .id = r->seq + r->fed,
		                       .n = len,
		                       .pos = r->fed,
		                       .lora = r->req->lora,
		                       .length = (int64_t)r->n,
		                       .prompt = !r->out->n,
		                       .logits = r->logits,
		                       .want = len == all ? r->nguess + 1 : 0};
		if (g->feed[i].want)
			g->feed[i].choice = chooser_ask(g, r);
	}
	if (!session_feed(g->c, g->s, g->feed, n))
		return false;
	for (int i = 0; i < n; i++)
		g->due[i]->out->runs[g->feed[i].runner]++;
	*time += clock_ns() - t;
	return true;
}

/* Texts that an encoder has to read first. */
static bool
read_texts(Gen *g)
{
	int64_t t = clock_ns();
	int n = 0;

	for (int i = 0; i < g->nrow; i++) {
		Row *r = &g->row[i];

		if (!r->busy || r->fed)
			continue;
		g->feed[n] = (RowFeed){.slot = r->slot,
		                       .id = r->req->prompt.id,
		                       .n = (int64_t)r->req->prompt.n,
		                       .logits = r->logits,
		                       .choice = chooser_ask(g, r),
		                       .want = 1};
		g->due[n++] = r;
	}
	if (!reader_feed(g->c, g->s, g->feed, n))
		return false;
	g->s->prefill_time += clock_ns() - t;
	for (int i = 0; i < n; i++) {
		g->due[i]->fed = 1;
		g->due[i]->out->runs[g->feed[i].runner]++;
		if (!row_take(g, g->due[i], 0))
			return false;
	}
	return true;
}

/* A chunk of each prompt that is not read yet. */
static bool
read_prompts(Gen *g)
{
	int n;

	if (g->s->longest_text)
		return read_texts(g);
	n = due_rows(g, false);
	if (!feed(g, n, &g->s->prefill_time))
		return false;
	for (int i = 0; i < n; i++) {
		Row *r = g->due[i];

		r->fed += g->feed[i].n;
		if (g->feed[i].want && !row_take(g, r, 0))
			return false;
	}
	return true;
}

/* Tokens of a row from the logits behind its last one and each guess: a
 * guess holds if it is what is chosen there, and then the next row counts. */
static bool
take_steps(Gen *g, Row *r)
{
	int guesses = r->nguess, kept = 0;
	size_t first = r->n;

	r->nguess = 0;
	for (int i = 0; r->busy && i <= guesses; i++) {
		int32_t guess = i < guesses ? r->seq[first + (size_t)i] : -1;

		if (!row_take(g, r, i))
			return false;
		if (r->seq[first + (size_t)i] != guess)
			break;
		kept++;
	}
	r->fed += 1 + kept;
	r->out->proposed += guesses;
	r->out->accepted += kept;
	speculate_done(r);
	return true;
}

static bool
write_texts(Gen *g)
{
	int n = due_rows(g, true);

	if (!n)
		return true;
	g->s->decoded++;
	if (!speculate(g, g->due, n) || !feed(g, n, &g->s->decode_time))
		return false;
	for (int i = 0; i < n; i++)
		if (!take_steps(g, g->due[i]))
			return false;
	return true;
}

static bool
open_rows(Gen *g, Arena *keep)
{
	const Session *draft = g->o->draft;

	g->keep = keep;
	g->nrow = (int)g->s->slots;
	if (draft)
		g->nrow = (int)MIN(g->s->slots, draft->slots);
	g->row = NEWV(keep, Row, g->nrow);
	g->feed = NEWV(keep, RowFeed, g->nrow);
	g->due = NEWV(keep, Row *, g->nrow);
	for (int i = 0; i < g->nrow; i++) {
		g->row[i].slot = i;
		g->row[i].logits = NEWV(keep, float,
		                        mul_size(g->s->most_kept, g->s->vocab));
		chooser_open_row(g, &g->row[i]);
	}
	if (g->o->prefix_cache && !g->s->rewinds)
		return fail(
			g->c, QE_INPUT,
			"--prefix-cache: the package keeps a state that cannot be set back to the end of a prefix");
	return speculate_open(g);
}

Gen *
generate_open(Ctx *c, Arena *a, Session *s, const GenOptions *o)
{
	Gen *g = NEW(a, Gen);

	*g = (Gen){.c = c, .a = a, .s = s, .o = o};
	if (!s->nrunner)
		return fail(c, QE_INPUT,
		            "the package holds no decoder: it cannot continue text"),
		       NULL;
	g->rules = rules_new(a, s, o);
	if (!chooser_goes(g) || !session_reset(c, s) || !open_rows(g, a))
		return NULL;
	return g;
}

bool
generate_more(Gen *g, Arena *a, const GenRequest *req, int n,
              const GenOptions *o, Generated *out)
{
	int at = 0;

	g->a = a;
	g->o = o;
	g->rules = rules_new(a, g->s, o);
	for (int i = 0; i < n; i++)
		if (!session_fits(g->c, g->s, req[i].prompt.n))
			return false;
	for (;;) {
		at = admit(g, req, out, at, n);
		if (at == n && !busy_rows(g))
			return true;
		turn_rows(g);
		if (!read_prompts(g) || !write_texts(g))
			return false;
	}
}

bool
generate(Ctx *c, Arena *a, Session *s, const GenRequest *req, int n,
         const GenOptions *o, Generated *out)
{
	Gen *g = generate_open(c, a, s, o);

	return g && generate_more(g, a, req, n, o, out);
}
