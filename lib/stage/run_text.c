/* SPDX-License-Identifier: BSD-3-Clause
 * run_text.c - a decoder at work: prompts, conversations, what came of them. */

#include <math.h>

#include "language.h"
#include "lines.h"
#include "npy.h"
#include "task.h"

/* ---- prompts ---- */

static void
add_request(Task *t, const char *text, const int32_t *id, size_t n)
{
	PUSH(t->a, t->req, t->nreq, t->cap,
	     ((GenRequest){.prompt = {id, n}, .text = text}));
}

static bool
add_ids(Task *t, const char *list)
{
	char **word = str_split(t->a, list, ',');
	size_t n = 0, cap = 0;
	int32_t *id = NULL;
	int64_t x;

	for (; *word; word++) {
		if (!str_int(*word, &x) || x < 0 || x >= t->s->read_vocab)
			return fail(t->c, QE_USAGE,
			            "--ids '%s': not an id below %lld", *word,
			            (long long)t->s->read_vocab);
		PUSH(t->a, id, n, cap, (int32_t)x);
	}
	if (!n)
		return fail(t->c, QE_USAGE, "--ids: none given");
	add_request(t, NULL, id, n);
	return true;
}

static bool
add_encoded(Task *t, const char *text, const Ids *ids)
{
	if (!ids->n)
		return fail(t->c, QE_INPUT, "the prompt is empty");
	add_request(t, text, ids->id, ids->n);
	return true;
}

static bool
add_messages(Task *t, const Json *messages)
{
	const char *text;
	Ids ids;

	if (!converse_encode(t->c, t->a, t->talk, messages, &ids, &text))
		return false;
	return add_encoded(t, text, &ids);
}

static bool
add_text(Task *t, const char *text)
{
	Json *turns;
	Ids ids;

	if (t->talk) {
		turns = converse_begin(t->a, t->talk, 0);
		converse_say(turns, "user", SPAN(text));
		return add_messages(t, turns);
	}
	if (!t->s->tok)
		return fail(t->c, QE_INPUT,
		            "the package holds no tokenizer: give --ids");
	if (!tokenizer_encode(t->c, t->a, t->s->tok, SPAN(text), NULL, true,
	                      &ids) ||
	    (t->o->source_lang &&
	     !language_read(t->c, t->a, t->s, t->o->source_lang, &ids)))
		return false;
	return add_encoded(t, text, &ids);
}

static bool
open_talk(Task *t)
{
	return !converse_wanted(t->o) ||
	       (t->talk = converse_open(t->c, t->a, t->s, t->o));
}

static bool
gather(Task *t)
{
	char **text;
	size_t n;

	for (const char *const *i = t->o->ids; i && *i; i++)
		if (!add_ids(t, *i))
			return false;
	if (!open_talk(t) || !task_texts(t, &text, &n))
		return false;
	if (n && t->talk && converse_count(t->talk) > 1)
		return fail(
			t->c, QE_USAGE,
			"prompts go behind one conversation, and --messages holds %zu",
			converse_count(t->talk));
	for (size_t i = 0; i < n; i++)
		if (!add_text(t, text[i]))
			return false;
	for (size_t i = 0; !n && t->talk && i < converse_count(t->talk); i++)
		if (!add_messages(t, converse_begin(t->a, t->talk, i)))
			return false;
	return t->nreq > 0 ||
	       fail(t->c, QE_USAGE,
	            "no prompt: give -p, --ids or text on standard input");
}

/* ---- text out ---- */

/* The text of a lone prompt appears as it is made. */
static bool
stream(Ctx *c, void *arg, int row, Span text)
{
	Task *t = arg;

	(void)c;
	(void)row;
	if (!task_print(t, text.p, text.n))
		return false;
	return fflush(t->o->to) == 0 || fail_errno(t->c, "<stdout>");
}

static void
ids_text(Buf *b, const int32_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_fmt(b, "%s%d", i ? "," : "", id[i]);
}

static void
ids_json(Arena *a, Json *o, const char *key, const int32_t *id, size_t n)
{
	Json *list = json_new_array(a);

	for (size_t i = 0; i < n; i++)
		json_push(list, json_object_new_int(id[i]));
	json_put(o, key, json_share(list));
}

/* Turns of a conversation go on from the last one where the state allows. */
static bool
keeps_prefix(const Task *t)
{
	return t->o->prefix_cache || (t->gen && t->s->rewinds);
}

/* How it was made: in which row, by which programs, what was spared. */
static void
put_course(Task *t, Json *o, int64_t lora, const Generated *g)
{
	Json *runs = json_new(t->a), *draft = json_new(t->a);

	json_put_int(o, "slot", g->slot);
	for (int i = 0; i < t->s->nrunner; i++)
		if (g->runs[i])
			json_put_int(runs, t->s->runner[i].name, g->runs[i]);
	json_put(o, "runs", json_share(runs));
	if (t->o->lora_ids)
		json_put_int(o, "lora_id", lora);
	if (keeps_prefix(t))
		json_put_int(o, "cached_tokens", g->cached);
	if (!t->o->draft && !t->o->lookup)
		return;
	json_put_int(draft, "proposed", g->proposed);
	json_put_int(draft, "accepted", g->accepted);
	json_put(o, "draft", json_share(draft));
}

static void
result_json(Task *t, Buf *b, const GenRequest *req, const Generated *g)
{
	Json *o = json_new(t->a);

	if (req->text)
		json_put_str(o, "prompt", req->text);
	ids_json(t->a, o, "prompt_ids", req->prompt.id, req->prompt.n);
	ids_json(t->a, o, "ids", g->id, g->n);
	if (g->text)
		json_put(o, "text",
		         json_object_new_string_len(
				 g->text->p,
				 (int)MIN(g->text->n, (size_t)INT32_MAX)));
	json_put_str(o, "finish_reason", g->finish);
	put_course(t, o, req->lora, g);
	json_print(b, o, 0);
}

/* Prompts by id are answered by ids, texts by text. */
static bool
print_results(Task *t, const Generated *g, bool streamed)
{
	Buf *b = buf_new(t->a);

	for (int i = 0; i < t->nreq; i++) {
		if (t->o->json)
			result_json(t, b, &t->req[i], &g[i]);
		else if (!t->req[i].text)
			ids_text(b, g[i].id, g[i].n);
		else if (!streamed)
			buf_add(b, g[i].text->p, g[i].text->n);
		buf_char(b, '\n');
	}
	return task_print(t, b->p, b->n);
}

static double
setting(double given, const Json *conf, const char *key, double none)
{
	return given >= 0 ? given : json_get_num(conf, key, none);
}

/* Options win over generation_config.json, which counts only where it asks
 * for sampling; without either, the most likely token is taken. */
static Sampling
sampling(const qe_run *o, const Json *conf)
{
	bool sample = json_get_bool(conf, "do_sample", false);
	Sampling s = {.seed = (uint64_t)o->seed};

	s.temp = o->temp >= 0 ? o->temp
	         : sample     ? json_get_num(conf, "temperature", 1)
	                      : 0;
	s.top_k = o->top_k >= 0 ? o->top_k
	          : sample      ? json_get_int(conf, "top_k", 50)
	                        : 0;
	s.top_p = setting(o->top_p, sample ? conf : NULL, "top_p", 1);
	s.min_p = setting(o->min_p, sample ? conf : NULL, "min_p", 0);
	s.repeat_penalty =
		setting(o->repeat_penalty, conf, "repetition_penalty", 1);
	s.presence_penalty = o->presence_penalty;
	s.frequency_penalty = o->frequency_penalty;
	return s;
}

/* The figures that QEfficient prints, by its names. */
static void
tell_figures(Task *t, const Generated *g)
{
	double prefill = (double)t->s->prefill_time / 1e9,
	       decode = (double)t->s->decode_time / 1e9;
	double total = (double)(clock_ns() - t->start) / 1e9;
	size_t tokens = 0, steps = 0;
	int64_t proposed = 0, accepted = 0, cached = 0, read = 0;

	for (int i = 0; i < t->nreq; i++) {
		cached += g[i].cached;
		read += (int64_t)t->req[i].prompt.n;
		tokens += g[i].n;
		steps += g[i].n ? g[i].n - 1 : 0;
		proposed += g[i].proposed;
		accepted += g[i].accepted;
	}
	say(t->c, 0, "Average Prefill time a.k.a TTFT is= %.3f sec",
	    prefill / t->nreq);
	say(t->c, 0, "Decode is= %.2f tokens/sec",
	    decode > 0 ? (double)steps / decode : 0);
	say(t->c, 0, "Total is= %.2f tokens/sec",
	    total > 0 ? (double)tokens / total : 0);
	say(t->c, 0, "Total (E2E) inference time is= %.3f sec", total);
	if (keeps_prefix(t))
		say(t->c, 0, "Prompt tokens in the cache= %lld of %lld",
		    (long long)cached, (long long)read);
	if (proposed)
		say(t->c, 0, "Accepted guesses= %lld of %lld (%.1f %%)",
		    (long long)accepted, (long long)proposed,
		    100 * (double)accepted / (double)proposed);
}

static bool
write_logits(Task *t, const Generated *g)
{
	Shape s = {2, {(int64_t)g->n, t->s->vocab}};
	Value v = {.type = DT_F32,
	           .shape = s,
	           .data = {.mem = g->logits ? g->logits : (const void *)"",
	                    .len = dtype_bytes(DT_F32, shape_count(&s))}};

	return npy_write(t->c, t->o->logits, &v);
}

static GenOptions
gen_options(Task *t)
{
	const qe_run *o = t->o;

	return (GenOptions){.n = o->n,
	                    .first = o->target_lang ? &t->first : NULL,
	                    .stop = o->stop,
	                    .ignore_eos = o->ignore_eos,
	                    .skip_special = true,
	                    .logits = o->logits != NULL,
	                    .prefix_cache = keeps_prefix(t),
	                    .draft = t->draft,
	                    .lookup = o->lookup,
	                    .guesses = o->guesses,
	                    .sampling = sampling(o, t->s->generation),
	                    .arg = t};
}

/* Continues all requests and prints what came of them. */
static bool
answer(Task *t, Generated **result)
{
	bool streamed = t->nreq == 1 && t->req[0].text && !t->o->json;
	GenOptions opt = gen_options(t);
	Generated *out = NEWV(t->a, Generated, t->nreq);

	opt.emit = streamed ? stream : NULL;
	*result = out;
	t->start = clock_ns();
	t->s->prefill_time = t->s->decode_time = 0;
	if (!(t->gen && t->s->rewinds
	              ? generate_more(t->gen, t->a, t->req, t->nreq, &opt, out)
	              : generate(t->c, t->a, t->s, t->req, t->nreq, &opt, out)))
		return false;
	return print_results(t, out, streamed);
}

/* --lora-ids: one for each prompt, or one for all. */
static bool
pick_adapters(Task *t)
{
	char **word =
		str_split(t->a, t->o->lora_ids ? t->o->lora_ids : "", ',');
	int n = 0;

	while (word[n])
		n++;
	if (!n)
		return true;
	if (!t->s->adapters)
		return fail(t->c, QE_INPUT,
		            "--lora-ids: the package has no adapters to pick");
	if (n != 1 && n != t->nreq)
		return fail(t->c, QE_USAGE, "--lora-ids: %d for %d prompts", n,
		            t->nreq);
	for (int i = 0; i < t->nreq; i++) {
		const char *w = word[n == 1 ? 0 : i];
		int64_t *id = &t->req[i].lora;

		if (!str_int(w, id) || *id < 0 || *id > t->s->adapters)
			return fail(
				t->c, QE_USAGE,
				"--lora-ids '%s': not a number of 0 to %lld", w,
				(long long)t->s->adapters);
	}
	return true;
}

/* ---- a conversation, line by line ---- */

typedef struct Dialogue {
	Task *t;
	Json *messages;
} Dialogue;

/* For a reader who waits. */
static bool
ask(Task *t)
{
	if (t->o->ask && !task_print(t, t->o->ask, strlen(t->o->ask)))
		return false;
	return fflush(t->o->to) == 0 || fail_errno(t->c, "<stdout>");
}

/* One turn of each side; what it needs meanwhile goes with it. */
static bool
turn(Ctx *c, void *arg, Span line)
{
	Dialogue *d = arg;
	Arena a = {0};
	Task t = *d->t;
	Generated *out;
	bool ok;

	(void)c;
	if (!line.n)
		return ask(&t);
	t.a = &a;
	converse_say(d->messages, "user", line);
	ok = add_messages(&t, d->messages) && pick_adapters(&t) &&
	     answer(&t, &out);
	if (ok) {
		converse_say(d->messages, "assistant",
		             (Span){out->text->p, out->text->n});
		tell_figures(&t, out);
		ok = ask(&t);
	}
	arena_free(&a);
	return ok;
}

static bool
run_dialogue(Task *t)
{
	Dialogue d = {.t = t};
	GenOptions first;
	const char *with = t->o->prompts  ? "-p"
	                   : t->o->ids    ? "--ids"
	                   : t->o->logits ? "--logits"
	                                  : NULL;

	if (with)
		return fail(t->c, QE_USAGE, "--interactive and %s", with);
	if (!open_talk(t))
		return false;
	if (converse_count(t->talk) > 1)
		return fail(
			t->c, QE_USAGE,
			"--interactive goes on with one conversation, and --messages holds %zu",
			converse_count(t->talk));
	d.messages = converse_begin(t->a, t->talk, 0);
	first = gen_options(t);
	if (!(t->gen = generate_open(t->c, t->a, t->s, &first)))
		return false;
	return ask(t) &&
	       lines_each(t->c, t->o->file ? t->o->file : "-", turn, &d);
}

static bool
open_draft(Task *t)
{
	const qe_run *o = t->o;

	if (!o->draft)
		return true;
	if (o->lookup)
		return fail(
			t->c, QE_USAGE,
			"--draft and --prompt-lookup: only one of them can guess");
	t->draft = task_open(t, o->draft);
	return t->draft && (t->draft->nrunner ||
	                    fail(t->c, QE_INPUT, "%s: no decoder", o->draft));
}

bool
run_text(Task *t)
{
	Generated *out;

	if (!t->s->nrunner)
		return fail(t->c, QE_INPUT,
		            "%s: holds no decoder: it takes --embed or --input",
		            t->o->package);
	if (!open_draft(t) ||
	    (t->o->target_lang &&
	     !language_write(t->c, t->a, t->s, t->o->target_lang, &t->first)))
		return false;
	if (t->o->interactive)
		return run_dialogue(t);
	if (!gather(t) || !pick_adapters(t))
		return false;
	if (t->o->logits && t->nreq != 1)
		return fail(t->c, QE_USAGE, "--logits takes one prompt, not %d",
		            t->nreq);
	if (!answer(t, &out) || (t->o->logits && !write_logits(t, out)))
		return false;
	tell_figures(t, out);
	return true;
}

bool
run_score(Task *t)
{
	Buf *b = buf_new(t->a);
	Json *o = json_new(t->a);
	Score r;
	double mean;

	if (!gather(t) || !score(t->c, t->a, t->s, t->req, t->nreq, &r))
		return false;
	mean = r.nll / (double)r.tokens;
	json_put_int(o, "tokens", r.tokens);
	json_put_num(o, "mean_nll", mean);
	json_put_num(o, "perplexity", exp(mean));
	if (t->o->json)
		json_print(b, o, 0);
	else
		buf_fmt(b, "perplexity %.6f over %lld tokens (mean nll %.6f)",
		        exp(mean), (long long)r.tokens, mean);
	buf_char(b, '\n');
	return task_print(t, b->p, b->n);
}
