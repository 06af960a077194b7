/* SPDX-License-Identifier: BSD-3-Clause
 * session.c - an opened package, and the steps of a decoder.
 *
 * Prompts go through the prefill program in chunks of its length; a row that
 * has no token left stands still with position -1, which no kernel writes or
 * reads.  A chunk of one token goes through the decode program. */

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

static bool
is_ids(const HostIO *io)
{
	return io && io->data && io->type == DT_I64 && io->shape.rank == 2;
}

/* A decoder is what takes ids at positions and gives one row of logits. */
bool
is_decoder(HostProgram *p, Session *s)
{
	HostIO *ids = host_io(p, "input_ids"),
	       *pos = host_io(p, "position_ids"), *y = host_io(p, "logits");

	if (!is_ids(ids) || !is_ids(pos) || !y || y->type != DT_F32 ||
	    y->shape.rank != 3 || !shape_eq(&ids->shape, &pos->shape) ||
	    y->shape.dim[0] != ids->shape.dim[0] || y->shape.dim[1] != 1 ||
	    y->shape.dim[2] < 1)
		return false;
	if (s->batch &&
	    (s->batch != ids->shape.dim[0] || s->vocab != y->shape.dim[2]))
		return false;
	s->batch = ids->shape.dim[0];
	s->vocab = y->shape.dim[2];
	return s->batch > 0;
}

static bool
find_decoder(Ctx *c, Arena *a, Session *s)
{
	Json *specs = json_get(s->qpc->manifest, "specializations");
	const Json *sizes = json_get(json_at(specs, 0), "symbols");

	s->decode = host_find(s->model, "Decode");
	s->prefill = host_find(s->model, "Prefill");
	if (!s->decode && !s->prefill)
		return true;
	if (!s->prefill)
		s->prefill = s->decode;
	if (!s->decode)
		return fail(c, QE_INPUT,
		            "the package has a Prefill program and no Decode");
	if (!is_decoder(s->decode, s) || !is_decoder(s->prefill, s) ||
	    host_io(s->decode, "input_ids")->shape.dim[1] != 1)
		return fail(
			c, QE_INPUT,
			"the package's programs are not those of a decoder");
	s->prompt_len = host_io(s->prefill, "input_ids")->shape.dim[1];
	s->ctx_len = json_get_int(sizes, "ctx_len",
	                          json_get_int(sizes, "decoder_ctx_len", 0));
	if (s->ctx_len < 1)
		return fail(c, QE_INPUT, "manifest.json: no ctx_len");
	return !reader_has(s->decode) || reader_open(c, a, s);
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
session_open(Ctx *c, Arena *a, const char *path, int threads, const char *isa)
{
	Session *s = NEW(a, Session);

	if (!(s->qpc = qpc_open(c, a, path, false)))
		return NULL;
	if (!(s->model = host_open(c, a, s->qpc, threads, isa)) ||
	    !find_decoder(c, a, s) || !open_text(c, a, s))
		return note(c, "%s", path), NULL;
	return s;
}

static bool
run(Ctx *c, HostProgram *p, int64_t *time)
{
	int64_t t = clock_ns();
	bool ok = host_run(c, p);

	*time += clock_ns() - t;
	return ok;
}

/* Fills row `row` of a program with n tokens from position pos on. */
static void
fill_row(HostProgram *p, int row, const int32_t *id, int64_t n, int64_t pos)
{
	HostIO *io = host_io(p, "input_ids");
	int64_t len = io->shape.dim[1], *ids = (int64_t *)io->data + row * len;
	int64_t *at = (int64_t *)host_io(p, "position_ids")->data + row * len;

	for (int64_t i = 0; i < len; i++) {
		ids[i] = i < n ? id[i] : 0;
		at[i] = i < n ? pos + i : -1;
	}
}

static void
take_logits(const Session *s, HostProgram *p, int row, float *out)
{
	const float *y = host_io(p, "logits")->data;

	memcpy(out, y + row * s->vocab, (size_t)s->vocab * sizeof *out);
}

int64_t
session_begin(const Session *s, size_t n)
{
	return s->nreader ? 1 : (int64_t)n;
}

/* The texts, and the first step from the start token. */
static bool
read_texts(Ctx *c, Session *s, const Prompt *text, int n, float *const *logits)
{
	HostProgram *p = reader_fill(c, s, text, n);

	for (int i = 0; p && i < s->batch; i++)
		fill_row(p, i, &s->start, i < n, 0);
	if (!p || !run(c, p, &s->prefill_time))
		return false;
	for (int i = 0; i < n; i++)
		take_logits(s, p, i, logits[i]);
	return true;
}

bool
session_prefill(Ctx *c, Session *s, const Prompt *prompt, int n,
                float *const *logits)
{
	size_t longest = 0, len;

	if (s->nreader)
		return read_texts(c, s, prompt, n, logits);
	for (int i = 0; i < n; i++) {
		if (!prompt[i].n || prompt[i].n > (size_t)s->ctx_len)
			return fail(
				c, QE_INPUT,
				"a prompt of %zu tokens, the package has room for 1 to %lld (qnn-compile --ctx-len)",
				prompt[i].n, (long long)s->ctx_len);
		longest = MAX(longest, prompt[i].n);
	}
	for (size_t at = 0; at < longest; at += len) {
		HostProgram *p = longest - at == 1 ? s->decode : s->prefill;

		len = p == s->decode ? 1 : (size_t)s->prompt_len;
		for (int i = 0; i < s->batch; i++) {
			size_t left = i < n && prompt[i].n > at
			                      ? prompt[i].n - at
			                      : 0;

			fill_row(p, i, left ? prompt[i].id + at : NULL,
			         (int64_t)MIN(left, len), (int64_t)at);
		}
		if (!run(c, p, &s->prefill_time))
			return false;
		for (int i = 0; i < n; i++)
			if (prompt[i].n > at && prompt[i].n <= at + len)
				take_logits(s, p, i, logits[i]);
	}
	return true;
}

bool
session_decode(Ctx *c, Session *s, const int32_t *id, const int64_t *pos, int n,
               float *const *logits)
{
	for (int i = 0; i < s->batch; i++)
		fill_row(s->decode, i, i < n ? &id[i] : NULL,
		         i < n && pos[i] >= 0, i < n ? pos[i] : -1);
	if (s->nreader)
		reader_keep(s);
	if (!run(c, s->decode, &s->decode_time))
		return false;
	s->decoded++;
	for (int i = 0; i < n; i++)
		if (pos[i] >= 0)
			take_logits(s, s->decode, i, logits[i]);
	return true;
}
