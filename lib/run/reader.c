/* SPDX-License-Identifier: BSD-3-Clause
 * reader.c - the encoder beside a decoder: prompts are what it reads.
 *
 * A Prefill program reads texts up to its length, keeps keys and values of
 * them, and makes the decoder's first step from the start token.  A decode
 * step gets one token in the text's place, at the position of its last, which
 * tells how much was kept. */

#include "run.h"

bool
reader_has(const HostProgram *p)
{
	return host_io((HostProgram *)(uintptr_t)p, "encoder_input_ids") !=
	       NULL;
}

static int64_t
length(HostProgram *p)
{
	return host_io(p, "encoder_input_ids")->shape.dim[1];
}

static bool
is_reader(HostProgram *p, int64_t batch)
{
	HostIO *ids = host_io(p, "encoder_input_ids"),
	       *at = host_io(p, "encoder_position_ids");

	return ids && at && ids->type == DT_I64 && at->type == DT_I64 &&
	       ids->shape.rank == 2 && shape_eq(&ids->shape, &at->shape) &&
	       ids->shape.dim[0] == batch && ids->shape.dim[1] > 0 &&
	       host_io(p, "input_ids")->shape.dim[1] == 1;
}

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
	size_t cap = 0;

	for (int i = 0; i < host_count(s->model); i++) {
		HostProgram *p = host_program(s->model, i);

		if (p == s->decode || !str_starts(host_name(p), "Prefill"))
			continue;
		if (!is_decoder(p, s) || !is_reader(p, s->batch))
			return fail(c, QE_INPUT,
			            "program '%s' does not read a text",
			            host_name(p));
		PUSH(a, s->reader, s->nreader, cap, p);
		s->prompt_len = MAX(s->prompt_len, length(p));
	}
	if (!s->nreader || !is_reader(s->decode, s->batch) ||
	    length(s->decode) != 1)
		return fail(c, QE_INPUT,
		            "the package has no encoder's program");
	s->heard = NEWV(a, int64_t, s->batch);
	return find_start(c, s);
}

/* The shortest that has room for n tokens. */
static HostProgram *
choose(const Session *s, size_t n)
{
	HostProgram *best = NULL;

	for (int i = 0; i < s->nreader; i++)
		if ((size_t)length(s->reader[i]) >= n &&
		    (!best || length(s->reader[i]) < length(best)))
			best = s->reader[i];
	return best;
}

static void
fill(HostProgram *p, int64_t row, const Prompt *text)
{
	int64_t n = length(p);
	int64_t *id = (int64_t *)host_io(p, "encoder_input_ids")->data +
	              n * row,
		*at = (int64_t *)host_io(p, "encoder_position_ids")->data +
	              n * row;

	for (int64_t i = 0; i < n; i++) {
		bool in = text && i < (int64_t)text->n;

		id[i] = in ? text->id[i] : 0;
		at[i] = in ? i : -1;
	}
}

HostProgram *
reader_fill(Ctx *c, Session *s, const Prompt *text, int n)
{
	size_t longest = 0;
	HostProgram *p;

	for (int i = 0; i < n; i++)
		longest = MAX(longest, text[i].n);
	for (int i = 0; i < n; i++)
		if (!text[i].n || longest > (size_t)s->prompt_len)
			return fail(c, QE_INPUT,
			            "a text of %zu tokens, the package has room for 1 to %lld (qnn-compile --seq-len)",
			            text[i].n ? longest : 0,
			            (long long)s->prompt_len),
			       NULL;
	p = choose(s, longest);
	for (int i = 0; i < s->batch; i++) {
		fill(p, i, i < n ? &text[i] : NULL);
		s->heard[i] = i < n ? (int64_t)text[i].n - 1 : -1;
	}
	return p;
}

void
reader_keep(Session *s)
{
	int64_t *at = host_io(s->decode, "encoder_position_ids")->data;

	memcpy(at, s->heard, (size_t)s->batch * sizeof *at);
}
