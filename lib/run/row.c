/* SPDX-License-Identifier: BSD-3-Clause
 * row.c - the text of one row of the cache, token by token.
 *
 * Text leaves a row once it is certain: whole characters (Detok), and not
 * the beginning of what may turn out to be a stop string. */

#include "gen.h"

bool
is_eos(const Session *s, int32_t id)
{
	Json *eos = json_get(s->generation, "eos_token_id");

	if (json_int(eos, -1) == id)
		return true;
	for (size_t i = 0; i < json_len(eos); i++)
		if (json_int(json_at(eos, i), -1) == id)
			return true;
	return false;
}

/* Where a stop string begins in text, from `from` on; or, if none is there,
 * the first byte that may be the beginning of one (*whole false). */
static size_t
find_stop(const char *const *stop, Span text, size_t from, bool *whole)
{
	*whole = true;
	for (size_t i = from; i < text.n; i++)
		for (const char *const *s = stop; s && *s; s++) {
			size_t n = strlen(*s), left = text.n - i;

			if (!n || memcmp(text.p + i, *s, MIN(n, left)) != 0)
				continue;
			if (left < n)
				*whole = false;
			return i;
		}
	*whole = false;
	return text.n;
}

static bool
send(Gen *g, Row *r, size_t to)
{
	Buf *t = r->out->text;
	Span piece = {t->p + r->sent, to > r->sent ? to - r->sent : 0};

	if (!piece.n)
		return true;
	r->sent = to;
	return !g->o->emit || g->o->emit(g->c, g->o->arg, r->number, piece);
}

/* What the newest text allows to leave; a stop string ends the row. */
static bool
advance(Gen *g, Row *r, bool last)
{
	Buf *t = r->out->text;
	bool whole;
	size_t to = find_stop(g->o->stop, (Span){t->p, t->n}, r->sent, &whole);

	if (whole) {
		t->n = to;
		t->p[to] = '\0';
		r->out->finish = "stop";
		r->busy = false;
	} else if (last) {
		to = t->n;
	}
	return send(g, r, to);
}

static bool
end_row(Gen *g, Row *r, const char *why)
{
	r->busy = false;
	r->out->finish = why;
	if (!r->detok)
		return true;
	return detok_flush(g->c, r->detok, r->out->text) && advance(g, r, true);
}

static void
keep_logits(Gen *g, Row *r, const float *logits)
{
	int64_t v = g->s->vocab;
	float *rows;

	if (r->out->n == r->caplogits) {
		r->caplogits = r->caplogits ? r->caplogits * 2 : 16;
		rows = arena_array(g->a,
		                   mul_size((int64_t)r->caplogits, v) < 0
		                           ? SIZE_MAX
		                           : r->caplogits,
		                   (size_t)v * sizeof *rows);
		if (r->out->n)
			memcpy(rows, r->out->logits,
			       r->out->n * (size_t)v * sizeof *rows);
		r->out->logits = rows;
	}
	memcpy(r->out->logits + r->out->n * (size_t)v, logits,
	       (size_t)v * sizeof *logits);
}

void
row_rules(const Gen *g, const Row *r, float *logits)
{
	rules_apply(g->rules, r->seq, r->n, r->out->n,
	            (int64_t)r->out->n + 1 == r->limit, logits);
}

static int32_t
choose(Gen *g, Row *r, int i)
{
	float *logits = r->logits + i * g->s->vocab;

	if (g->s->chooser)
		return r->choice.id[i];
	if (g->o->logits)
		keep_logits(g, r, logits);
	row_rules(g, r, logits);
	return sampler_next(r->sampler, logits);
}

bool
row_take(Gen *g, Row *r, int i)
{
	int32_t id = choose(g, r, i);

	sampler_made(r->sampler, id);
	PUSH(g->a, r->out->id, r->out->n, r->cap, id);
	row_push(g, r, id);
	if (!g->o->ignore_eos && is_eos(g->s, id))
		return end_row(g, r, "stop");
	if (r->detok && (!detok_push(g->c, r->detok, id, r->out->text) ||
	                 !advance(g, r, false)))
		return false;
	if (r->busy && (int64_t)r->out->n >= r->limit)
		return end_row(g, r, "length");
	return true;
}

void
row_push(Gen *g, Row *r, int32_t id)
{
	PUSH(g->keep, r->seq, r->n, r->capseq, id);
}

/* Tokens of a prompt that the row's cache holds, read with the same adapter. */
int64_t
row_common(const Row *r, const GenRequest *req)
{
	int64_t n = 0, most = MIN(r->fed, (int64_t)req->prompt.n);

	while (n < most && r->lora == req->lora &&
	       r->seq[n] == req->prompt.id[n])
		n++;
	return n;
}

/* Those that need not be read again; the last is, for what comes next.  A
 * sampler of the package keeps more, the tokens it penalises: those of another
 * text leave it only at position 0. */
static int64_t
spared(const Gen *g, const Row *r, const GenRequest *req)
{
	bool other = g->s->chooser && g->o->sampling.repeat_penalty != 1;

	if (!g->o->prefix_cache || other)
		return 0;
	return MIN(row_common(r, req), (int64_t)req->prompt.n - 1);
}

/* Unless told, an encoder-decoder writes no more than its settings say. */
static int64_t
usual_length(const Gen *g)
{
	const Json *conf = g->s->generation;
	int64_t n = json_get_int(conf, "max_new_tokens",
	                         json_get_int(conf, "max_length", 0) - 1);

	return g->s->longest_text && n > 0 ? n : INT64_MAX;
}

/* The reference does the same: keys from before were turned otherwise. */
void
row_turn(const Gen *g, Row *r)
{
	bool wide = g->s->turns_at && (int64_t)r->n > g->s->turns_at;

	if (wide == r->wide)
		return;
	r->wide = wide;
	r->fed = r->drafted = 0;
}

void
row_begin(Gen *g, Row *r, const GenRequest *req, Generated *out, int number)
{
	int64_t room = g->s->ctx_len - session_begin(g->s, req->prompt.n) + 1;
	/* what an encoder reads is another text */
	Prompt text =
		g->s->longest_text ? (Prompt){&g->s->start, 1} : req->prompt;

	*out = (Generated){.finish = "length", .slot = r->slot};
	out->cached = spared(g, r, req);
	out->runs = NEWV(g->a, int64_t, g->s->nrunner);
	r->req = req;
	r->lora = req->lora;
	r->choice.how = &g->o->sampling;
	r->out = out;
	r->number = number;
	r->fed = out->cached;
	r->drafted = MIN(r->drafted, r->fed);
	r->n = r->sent = r->cap = r->caplogits = 0;
	r->nguess = 0;
	r->limit = MIN(g->o->n < 0 ? usual_length(g) : g->o->n, room);
	r->busy = r->limit > 0;
	r->sampler = sampler_new(g->a, &g->o->sampling, g->s->vocab,
	                         (uint64_t)number);
	for (size_t i = 0; i < text.n; i++) {
		sampler_saw(r->sampler, text.id[i]);
		row_push(g, r, text.id[i]);
	}
	row_turn(g, r);
	out->cached = MIN(out->cached, r->fed);
	r->detok = NULL;
	if (!g->s->tok)
		return;
	out->text = buf_new(g->a);
	r->detok = detok_open(g->a, g->s->tok, g->o->skip_special);
}
