/* SPDX-License-Identifier: BSD-3-Clause
 * session.c - an opened package, and the steps of a decoder.
 *
 * A package has several programs over one cache: for chunks of a prompt, for
 * single steps, for the tokens of a draft, for fewer slots of the cache.  Each
 * run goes through the one that does it with the least work.  A row that has
 * nothing to do has position -1, which no kernel writes or reads. */

#include <math.h>

#include "run.h"

Span
session_member(Ctx *c, const Session *s, const char *name)
{
	Span out = {NULL, 0};

	for (int i = 0; i < s->qpc->n; i++)
		if (strcmp(s->qpc->member[i].name, name) == 0 &&
		    !qpc_member(c, s->qpc, name, &out))
			return (Span){NULL, 0};
	return out;
}

static int64_t *
ids_of(Program *p, const char *name, const Shape *want)
{
	IO *io = program_io(p, name);

	return io && io->data && io->type == DT_I64 &&
	                       shape_eq(&io->shape, want)
	               ? io->data
	               : NULL;
}

/* What a decoder gives for each row: logits [B,K,V], or with a sampler tokens
 * [B,K,1]; NULL: neither. */
static IO *
gives(Program *p)
{
	IO *y = program_io(p, "logits");

	if (!y && (y = program_io(p, "next_tokens")))
		return y->data && y->type == DT_I64 && y->shape.rank == 3 &&
		                       y->shape.dim[2] == 1
		               ? y
		               : NULL;
	return y && y->data && y->type == DT_F32 && y->shape.rank == 3 ? y
	                                                               : NULL;
}

/* Tokens of a sampler have no vocabulary in their shape: what it keeps has,
 * and else the model says. */
static int64_t
vocab_of(const Session *s, const IO *y)
{
	const Json *list = json_get(s->qpc->manifest, "retained"), *o;

	if (y->type == DT_F32)
		return y->shape.dim[2];
	for (size_t i = 0; (o = json_at(list, i)); i++)
		if (strcmp(json_get_str(o, "name", ""),
		           "past_repetition_penalty_buffer") == 0)
			return json_int(json_at(json_get(o, "shape"), 1), 0);
	return json_get_int(json_get(s->qpc->manifest, "model"), "vocab", 0);
}

/* A decoder is what takes ids at positions and gives rows of logits, or the
 * tokens that come next. */
static bool
read_runner(Arena *a, Program *p, int64_t ctx, Session *s, Runner *r)
{
	IO *ids = program_io(p, "input_ids"), *y = gives(p),
	   *ccl = program_io(p, "comp_ctx_lengths"),
	   *text = program_io(p, "encoder_input_ids");

	int64_t vocab = y ? vocab_of(s, y) : 0;

	if (!ids || ids->shape.rank != 2 || !y)
		return false;
	*r = (Runner){.p = p,
	              .name = program_name(p),
	              .rows = ids->shape.dim[0],
	              .len = ids->shape.dim[1],
	              .kept = y->shape.dim[1],
	              .sees = ccl ? MIN(ctx, ccl->shape.dim[0]) : ctx,
	              .ids = ids_of(p, "input_ids", &ids->shape),
	              .pos = ids_of(p, "position_ids", &ids->shape),
	              .index = ids_of(p, "batch_index",
	                              &(Shape){2, {ids->shape.dim[0], 1}}),
	              .lora = ids_of(p, "lora_ids",
	                             &(Shape){2, {ids->shape.dim[0], 1}}),
	              .length = ids_of(p, "text_length",
	                               &(Shape){2, {ids->shape.dim[0], 1}}),
	              .logits = y->type == DT_F32 ? y->data : NULL};
	if (!r->ids || !r->pos || y->shape.dim[0] != r->rows || r->rows < 1 ||
	    r->rows > INT32_MAX || r->len < 1 || r->kept < 1 ||
	    r->kept > r->len || r->sees < 1 || vocab < 1 || vocab > INT32_MAX)
		return false;
	if (s->vocab && s->vocab != vocab)
		return false;
	s->vocab = vocab;
	if (!r->logits && !(r->chooser = chooser_open(a, s, r)))
		return false;
	if (!text)
		return true;
	r->hears = text->shape.rank == 2 ? text->shape.dim[1] : -1;
	r->text = ids_of(p, "encoder_input_ids", &text->shape);
	r->text_pos = ids_of(p, "encoder_position_ids", &text->shape);
	return r->hears > 0 && text->shape.dim[0] == r->rows;
}

/* Whether all that is kept is rows by position, as many as positions; but for
 * what a sampler penalises, which chooser.c and row.c see to. */
static bool
can_rewind(const Session *s)
{
	const Json *list = json_get(s->qpc->manifest, "retained");

	for (size_t i = 0; i < json_len(list); i++) {
		const Json *o = json_at(list, i);
		const StateNames *rows =
			state_find(json_get_str(o, "name", ""));

		if (str_ends(json_get_str(o, "name", ""), "_penalty_buffer"))
			continue;
		if (!rows || strcmp(rows->slots, "ctx_len") != 0 ||
		    json_int(json_at(json_get(o, "shape"), 2), 0) != s->ctx_len)
			return false;
	}
	return json_len(list) > 0;
}

/* The length beyond which longrope turns a text by other factors. */
static int64_t
turns_at(const Session *s)
{
	const Json *list = json_get(s->qpc->manifest, "transforms");

	for (size_t i = 0; i < json_len(list); i++)
		if (strcmp(json_get_str(json_at(list, i), "rope_factors", ""),
		           "length") == 0)
			return json_get_int(json_at(list, i),
			                    "original_max_position_embeddings",
			                    0);
	return 0;
}

/* Whether keys of earlier calls are not read, as the model's transforms say. */
static bool
takes_whole(const Session *s)
{
	const Json *list = json_get(s->qpc->manifest, "transforms");

	for (size_t i = 0; i < json_len(list); i++) {
		const Json *t = json_at(list, i);

		if (strcmp(json_get_str(t, "name", ""), "prefill_only") == 0)
			return !json_get_bool(t, "enable_chunking", false);
	}
	return false;
}

/* How many adapters rows can pick, as the model's transforms say. */
static int64_t
count_adapters(const Session *s)
{
	const Json *list = json_get(s->qpc->manifest, "transforms"), *o;

	for (size_t i = 0; i < json_len(list); i++)
		if ((o = json_get(json_at(list, i), "adapters")))
			return (int64_t)json_len(o);
	return 0;
}

/* Sizes of the whole from those of its programs. */
static bool
sizes_of(Ctx *c, Session *s)
{
	const Json *specs = json_get(s->qpc->manifest, "specializations"),
		   *sym = json_get(json_at(specs, 0), "symbols");

	for (int i = 0; i < s->nrunner; i++) {
		const Runner *r = &s->runner[i];

		s->batch = MAX(s->batch, r->rows);
		s->prompt_len = MAX(s->prompt_len, r->len);
		s->most_kept = MAX(s->most_kept, r->kept);
		s->reads_prompts = s->reads_prompts || r->len > r->kept;
		if (!r->logits != !s->runner[0].logits)
			return fail(
				c, QE_INPUT,
				"programs '%s' and '%s' give logits and tokens",
				s->runner[0].name, r->name);
		if (!r->index != !s->runner[0].index ||
		    (!r->index && r->rows != s->runner[0].rows))
			return fail(
				c, QE_INPUT,
				"programs '%s' and '%s' have different rows",
				s->runner[0].name, r->name);
	}
	s->rewinds = can_rewind(s);
	s->chooser = s->runner[0].chooser;
	s->whole = takes_whole(s);
	s->turns_at = s->runner[0].length ? turns_at(s) : 0;
	s->adapters = s->runner[0].lora ? count_adapters(s) : 0;
	s->slots = s->runner[0].index
	                   ? json_get_int(sym, "full_batch_size", s->batch)
	                   : s->batch;
	return (s->slots >= s->batch && s->slots <= INT32_MAX) ||
	       fail(c, QE_INPUT,
	            "manifest.json: %lld rows of the cache for %lld rows",
	            (long long)s->slots, (long long)s->batch);
}

/* A package with ids at positions is a decoder: all of its programs then are
 * steps of it. */
static bool
find_decoder(Ctx *c, Arena *a, Session *s)
{
	const Json *specs = json_get(s->qpc->manifest, "specializations");
	const Json *sizes = json_get(json_at(specs, 0), "symbols");
	int n = model_count(s->model);

	if (!n || !program_io(model_program(s->model, 0), "position_ids") ||
	    !gives(model_program(s->model, 0)))
		return true;
	s->ctx_len = json_get_int(sizes, "ctx_len",
	                          json_get_int(sizes, "decoder_ctx_len", 0));
	if (s->ctx_len < 1)
		return fail(c, QE_INPUT, "manifest.json: no ctx_len");
	s->runner = NEWV(a, Runner, n);
	for (; s->nrunner < n; s->nrunner++) {
		Program *p = model_program(s->model, s->nrunner);

		if (!read_runner(a, p, s->ctx_len, s, &s->runner[s->nrunner]))
			return fail(c, QE_INPUT,
			            "program '%s' is not a step of a decoder",
			            program_name(p));
	}
	s->read_vocab = json_get_int(json_get(s->qpc->manifest, "model"),
	                             "encoder_vocab", s->vocab);
	return sizes_of(c, s) && (!s->runner[0].hears || reader_open(c, a, s));
}

static bool
open_text(Ctx *c, Arena *a, Session *s)
{
	Span blob = session_member(c, s, "tokenizer.bin");

	s->generation = json_get(s->qpc->manifest, "generation_config");
	if (blob.n && !(s->tok = tokenizer_open(c, a, blob)))
		return note(c, "tokenizer.bin");
	return c->status == QE_OK;
}

Session *
session_open(Ctx *c, Arena *a, const char *path, const EngineOptions *o)
{
	Session *s = NEW(a, Session);

	if (!(s->qpc = qpc_open(c, a, path, false)))
		return NULL;
	if (!(s->model = model_open(c, a, s->qpc, o)) ||
	    !find_decoder(c, a, s) || !open_text(c, a, s))
		return note(c, "%s", path), NULL;
	return s;
}

/* ---- steps ---- */

/* To a sampler in the graph, a call with more tokens than it chooses is one of
 * a prompt; where there is no program for these, prompts are steps. */
static bool
other_kind(const Session *s, const Runner *r, bool prompt)
{
	bool is = r->len > r->kept;

	return s->chooser && is != prompt && (is || s->reads_prompts);
}

/* The program that does n rows of len tokens, the last of them before
 * position `end`, with the least work; -1: none does. */
static int
choose(const Session *s, int64_t n, int64_t len, int64_t want, int64_t end,
       bool prompt)
{
	int64_t least = 0;
	int best = -1;

	for (int i = 0; i < s->nrunner; i++) {
		const Runner *r = &s->runner[i];
		int64_t work = r->len * r->rows * ((n + r->rows - 1) / r->rows);

		if (r->len < len || r->kept < want || r->sees < end ||
		    r->hears > 1 || other_kind(s, r, prompt))
			continue;
		if (best < 0 || work < least ||
		    (work == least && r->sees < s->runner[best].sees)) {
			best = i;
			least = work;
		}
	}
	return best;
}

/* Fills row `row` of a program with what a feed has, or with nothing. */
void
session_fill_row(const Session *s, Runner *r, int64_t row, const RowFeed *f)
{
	int64_t *ids = r->ids + row * r->len, *at = r->pos + row * r->len;

	for (int64_t i = 0; i < r->len; i++) {
		ids[i] = f && i < f->n ? f->id[i] : 0;
		at[i] = f && i < f->n ? f->pos + i : -1;
	}
	if (r->index)
		r->index[row] = f ? f->slot : 0;
	if (r->lora)
		r->lora[row] = f ? f->lora : 0;
	if (r->length)
		r->length[row] = f ? f->length : 0;
	if (r->chooser)
		chooser_fill(s, r, row, f);
}

/* Row j is of token j, or of the newest `kept` where there are more. */
bool
session_take_row(Ctx *c, const Session *s, const Runner *r, int64_t row,
                 const RowFeed *f)
{
	int64_t first = MAX(f->n - r->kept, 0), from = f->n - f->want - first,
		at = row * r->kept + from;

	if (r->chooser)
		return !f->choice ||
		       chooser_take(c, s, r, at, f->want, f->choice->id);
	if (f->want)
		memcpy(f->logits, r->logits + at * s->vocab,
		       (size_t)(f->want * s->vocab) * sizeof *f->logits);
	return true;
}

/* One run over the next feeds that fit; how many that were, 0: it failed. */
static int
run_some(Ctx *c, Session *s, int runner, RowFeed *f, int n)
{
	Runner *r = &s->runner[runner];
	int taken = 0;

	for (int64_t row = 0; row < r->rows; row++) {
		const RowFeed *at = &f[taken];
		bool mine = taken < n && (r->index || at->slot == row);

		session_fill_row(s, r, row, mine ? at : NULL);
		taken += mine;
	}
	if (r->hears)
		reader_keep(s, r);
	if (!taken || !program_run(c, r->p))
		return 0;
	for (int i = 0; i < taken; i++) {
		f[i].runner = runner;
		if (!session_take_row(c, s, r, r->index ? i : f[i].slot, &f[i]))
			return 0;
	}
	return taken;
}

bool
session_feed(Ctx *c, Session *s, RowFeed *f, int n)
{
	int64_t len = 0, want = 0, end = 0;
	int runner, done;

	for (int i = 0; i < n; i++) {
		len = MAX(len, f[i].n);
		want = MAX(want, f[i].want);
		end = MAX(end, f[i].pos + f[i].n);
		if (s->whole && f[i].pos > 0)
			return fail(
				c, QE_INPUT,
				"the package is for whole prompts: it makes one token (-n 1)");
	}
	if (!n)
		return true;
	if ((runner = choose(s, n, len, want, end, f->prompt)) < 0)
		return fail(c, QE_INPUT,
		            "no program takes %lld tokens up to position %lld",
		            (long long)len, (long long)end);
	for (; n; n -= done, f += done)
		if (!(done = run_some(c, s, runner, f, n)))
			return c->status == QE_OK &&
			       fail(c, QE_INPUT, "rows are out of order");
	return true;
}

/* The least program for so many tokens of a row; 0: there is none. */
static int64_t
fitting(const Session *s, int64_t n)
{
	int64_t len = 0;

	for (int i = 0; i < s->nrunner; i++) {
		const Runner *r = &s->runner[i];

		if (r->hears <= 1 && r->len >= n && (!len || r->len < len))
			len = r->len;
	}
	return len;
}

int64_t
session_chunk(const Session *s, int64_t n)
{
	/* what reading the weights costs, in tokens' arithmetic */
	enum { RUN = 32 };
	int64_t whole = fitting(s, n), part = 0;

	if (!whole)
		return MIN(n, s->prompt_len);
	for (int i = 0; i < s->nrunner; i++)
		if (s->runner[i].len < n)
			part = MAX(part, s->runner[i].len);
	return part && part + fitting(s, n - part) + RUN <= whole ? part : n;
}

bool
session_fits(Ctx *c, const Session *s, size_t tokens)
{
	if (s->longest_text)
		return (tokens && tokens <= (size_t)s->longest_text) ||
		       fail(c, QE_INPUT,
		            "a text of %zu tokens, the package has room for 1 to %lld (qnn-compile --seq-len)",
		            tokens, (long long)s->longest_text);
	return (tokens && tokens <= (size_t)s->ctx_len) ||
	       fail(c, QE_INPUT,
	            "a prompt of %zu tokens, the package has room for 1 to %lld (qnn-compile --ctx-len)",
	            tokens, (long long)s->ctx_len);
}

int64_t
session_begin(const Session *s, size_t n)
{
	return s->longest_text ? 1 : (int64_t)n;
}

/* `len` tokens of each prompt from `at` on. */
static int
chunk(const Prompt *prompt, int n, float *const *logits, size_t at, size_t len,
      RowFeed *f)
{
	int used = 0;

	for (int i = 0; i < n; i++) {
		size_t left = prompt[i].n > at ? prompt[i].n - at : 0;

		if (!left)
			continue;
		f[used++] = (RowFeed){.slot = i,
		                      .id = prompt[i].id + at,
		                      .n = (int64_t)MIN(left, len),
		                      .pos = (int64_t)at,
		                      .length = (int64_t)prompt[i].n,
		                      .prompt = true,
		                      .logits = logits[i],
		                      .want = left <= len};
	}
	return used;
}

bool
session_prefill(Ctx *c, Session *s, const Prompt *prompt, int n,
                float *const *logits)
{
	Arena a = {0};
	RowFeed *f = NEWV(&a, RowFeed, n + 1);
	int64_t t = clock_ns();
	size_t most = 0, len;
	bool ok = true;
	int used;

	for (int i = 0; ok && i < n; i++) {
		ok = session_fits(c, s, prompt[i].n);
		most = MAX(most, prompt[i].n);
	}
	for (size_t at = 0; ok && at < most; at += len) {
		len = (size_t)session_chunk(s, (int64_t)(most - at));
		used = chunk(prompt, n, logits, at, len, f);
		ok = s->longest_text ? reader_feed(c, s, f, used)
		                     : session_feed(c, s, f, used);
	}
	s->prefill_time += clock_ns() - t;
	arena_free(&a);
	return ok;
}

bool
session_decode(Ctx *c, Session *s, const int32_t *id, const int64_t *pos,
               const Prompt *text, int n, float *const *logits)
{
	Arena a = {0};
	RowFeed *f = NEWV(&a, RowFeed, n + 1);
	int64_t t = clock_ns();
	int used = 0;
	bool ok;

	for (int i = 0; i < n; i++)
		if (pos[i] >= 0)
			f[used++] =
				(RowFeed){.slot = i,
			                  .id = &id[i],
			                  .n = 1,
			                  .pos = pos[i],
			                  .length =
			                          text ? (int64_t)text[i].n : 0,
			                  .logits = logits[i],
			                  .want = 1};
	ok = session_feed(c, s, f, used);
	s->decode_time += clock_ns() - t;
	s->decoded++;
	arena_free(&a);
	return ok;
}
