/* SPDX-License-Identifier: BSD-3-Clause
 * generate.c - texts from prompts, batch by batch.
 *
 * Text leaves a row once it is certain: whole characters (Detok), and not
 * the beginning of what may turn out to be a stop string. */

#include "run.h"

typedef struct Row {
	const GenRequest *req;
	Generated *out;
	Sampler *sampler;
	Detok *detok;
	float *logits; /* [vocab] */
	size_t sent;   /* bytes of text that have left */
	size_t cap, caplogits;
	int64_t limit, pos;
	bool busy;
	int number; /* of the request, among all */
} Row;

typedef struct Gen {
	Ctx *c;
	Arena *a;
	Session *s;
	const GenOptions *o;
	int first; /* number of the batch's first request */
} Gen;

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
keep_logits(Gen *g, Row *r)
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
	memcpy(r->out->logits + r->out->n * (size_t)v, r->logits,
	       (size_t)v * sizeof *r->logits);
}

/* Takes the next token of a row from its logits. */
static bool
choose(Gen *g, Row *r)
{
	int32_t id;

	if (g->o->logits)
		keep_logits(g, r);
	id = sampler_next(r->sampler, r->logits);
	sampler_saw(r->sampler, id);
	PUSH(g->a, r->out->id, r->out->n, r->cap, id);
	if (!g->o->ignore_eos && is_eos(g->s, id))
		return end_row(g, r, "stop");
	if (r->detok && (!detok_push(g->c, r->detok, id, r->out->text) ||
	                 !advance(g, r, false)))
		return false;
	if (r->busy && (int64_t)r->out->n >= r->limit)
		return end_row(g, r, "length");
	return true;
}

static void
begin_row(Gen *g, Row *r, const GenRequest *req, Generated *out, int number)
{
	int64_t begin = session_begin(g->s, req->prompt.n);
	int64_t room = g->s->ctx_len - begin + 1;

	*out = (Generated){.finish = "length"};
	*r = (Row){.req = req,
	           .out = out,
	           .number = number,
	           .busy = true,
	           .pos = begin};
	r->limit = g->o->n < 0 ? room : MIN(g->o->n, room);
	r->sampler = sampler_new(g->a, &g->o->sampling, g->s->vocab,
	                         (uint64_t)number);
	/* what an encoder reads is another text */
	for (size_t i = 0; !g->s->nreader && i < req->prompt.n; i++)
		sampler_saw(r->sampler, req->prompt.id[i]);
	if (g->s->nreader)
		sampler_saw(r->sampler, g->s->start);
	r->logits = NEWV(g->a, float, g->s->vocab);
	if (!g->s->tok)
		return;
	out->text = buf_new(g->a);
	r->detok = detok_open(g->a, g->s->tok, g->o->skip_special);
}

static bool
step(Gen *g, Row *row, int n, bool *busy)
{
	int32_t *id = NEWV(g->a, int32_t, n);
	int64_t *pos = NEWV(g->a, int64_t, n);
	float **logits = NEWV(g->a, float *, n);

	*busy = true;
	while (*busy) {
		*busy = false;
		for (int i = 0; i < n; i++) {
			if (row[i].busy && !choose(g, &row[i]))
				return false;
			id[i] = row[i].busy ? row[i].out->id[row[i].out->n - 1]
			                    : 0;
			pos[i] = row[i].busy ? row[i].pos++ : -1;
			logits[i] = row[i].logits;
			*busy = *busy || row[i].busy;
		}
		if (*busy && !session_decode(g->c, g->s, id, pos, n, logits))
			return false;
	}
	return true;
}

static bool
run_batch(Gen *g, const GenRequest *req, Generated *out, int n)
{
	Row *row = NEWV(g->a, Row, n);
	Prompt *prompt = NEWV(g->a, Prompt, n);
	float **logits = NEWV(g->a, float *, n);
	bool busy;

	for (int i = 0; i < n; i++) {
		begin_row(g, &row[i], &req[i], &out[i], g->first + i);
		prompt[i] = req[i].prompt;
		logits[i] = row[i].logits;
		row[i].busy = row[i].limit > 0;
	}
	return session_prefill(g->c, g->s, prompt, n, logits) &&
	       step(g, row, n, &busy);
}

bool
generate(Ctx *c, Arena *a, Session *s, const GenRequest *req, int n,
         const GenOptions *o, Generated *out)
{
	Gen g = {.c = c, .a = a, .s = s, .o = o};
	int k;

	if (!s->decode)
		return fail(
			c, QE_INPUT,
			"the package holds no decoder: it cannot continue text");
	for (g.first = 0; g.first < n; g.first += k) {
		k = (int)MIN(s->batch, (int64_t)(n - g.first));
		host_reset(s->model);
		if (!run_batch(&g, req + g.first, out + g.first, k))
			return false;
	}
	return true;
}
