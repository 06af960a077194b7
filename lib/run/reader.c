/* SPDX-License-Identifier: BSD-3-Clause
 * reader.c - the encoder beside a decoder: prompts are what it reads.
 *
 * A program for texts of some length reads them, keeps keys and values of
 * them, and makes the decoder's first step from the start token.  A decode
 * step gets one token in the text's place, at the position of its last, which
 * tells how much was kept. */

#include "run.h"

/* HuggingFace's rule: the token of its own, else that of any text. */
static bool
find_start(Ctx *c, Session *s)
{
	const Json *conf = json_get(s->qpc->manifest, "generation_config");
	int64_t id = json_get_int(conf, "decoder_start_token_id",
	                          json_get_int(conf, "bos_token_id", -1));

	if (id < 0 || id >= s->vocab)
		return fail(
			c, QE_INPUT,
			"generation_config: decoder_start_token_id is %lld, wanted an id below %lld",
			(long long)id, (long long)s->vocab);
	s->start = (int32_t)id;
	return true;
}

bool
reader_open(Ctx *c, Arena *a, Session *s)
{
	for (int i = 0; i < s->nrunner; i++) {
		const Runner *r = &s->runner[i];

		if (!r->hears || !r->text || !r->text_pos || r->len != 1 ||
		    r->index)
			return fail(c, QE_INPUT,
			            "program '%s' does not read a text",
			            r->name);
		s->longest_text = MAX(s->longest_text, r->hears);
	}
	if (s->longest_text < 2)
		return fail(c, QE_INPUT,
		            "the package has no encoder's program");
	s->prompt_len = s->longest_text;
	s->heard = NEWV(a, int64_t, s->batch);
	for (int64_t i = 0; i < s->batch; i++)
		s->heard[i] = -1;
	return find_start(c, s);
}

/* The shortest that has room for n tokens. */
static int
choose(const Session *s, int64_t n)
{
	int best = -1;

	for (int i = 0; i < s->nrunner; i++) {
		int64_t hears = s->runner[i].hears;

		if (hears > 1 && hears >= n &&
		    (best < 0 || hears < s->runner[best].hears))
			best = i;
	}
	return best;
}

static void
fill(Runner *r, int64_t row, const RowFeed *f)
{
	for (int64_t i = 0; i < r->hears; i++) {
		int64_t at = row * r->hears + i;
		bool in = f && i < f->n;

		r->text[at] = in ? f->id[i] : 0;
		r->text_pos[at] = in ? i : -1;
	}
}

bool
reader_feed(Ctx *c, Session *s, RowFeed *f, int n)
{
	int64_t longest = 0;
	int taken = 0, which;
	Runner *r;

	for (int i = 0; i < n; i++)
		longest = MAX(longest, f[i].n);
	if (!n)
		return true;
	if ((which = choose(s, longest)) < 0)
		return session_fits(c, s, (size_t)longest);
	r = &s->runner[which];
	for (int64_t row = 0; row < r->rows; row++) {
		bool mine = taken < n && f[taken].slot == row;
		RowFeed first = {.slot = (int)row, .id = &s->start, .n = 1};

		fill(r, row, mine ? &f[taken] : NULL);
		session_fill_row(s, r, row, mine ? &first : NULL);
		if (mine) {
			s->heard[row] = f[taken].n - 1;
			f[taken++].runner = which;
		}
	}
	if (!program_run(c, r->p))
		return false;
	for (int i = 0; i < n; i++)
		if (!session_take_row(c, s, r, f[i].slot, &f[i]))
			return false;
	return true;
}

void
reader_keep(const Session *s, Runner *r)
{
	memcpy(r->text_pos, s->heard, (size_t)s->batch * sizeof *s->heard);
}
