/* SPDX-License-Identifier: BSD-3-Clause
 * run.c - stage 6: a package at work, by what the options ask for.
 *
 * stdout (o->to) gets the product alone; figures go to the log. */

#include <math.h>

#include "converse.h"
#include "figures.h"
#include "language.h"
#include "lines.h"
#include "npy.h"

typedef struct Task {
	Ctx *c;
	Arena *a;
	const qe_run *o;
	Session *s, *draft; /* NULL: none */
	Converse *talk;     /* NULL: prompts are text as it is */
	GenRequest *req;
	int nreq;
	size_t cap;
	int32_t first; /* token of --target-lang */
	int64_t start; /* ns */
	bool profiled; /* its figures are told */
} Task;

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

/* Texts of -p, then of the file: whole, or each line that is not empty. */
static bool
texts(Task *t, char ***out, size_t *n)
{
	size_t cap = 0;
	Span file;
	char *end;

	*out = NULL;
	*n = 0;
	for (const char *const *p = t->o->prompts; p && *p; p++)
		PUSH(t->a, *out, *n, cap, arena_dup(t->a, *p));
	if (!t->o->file)
		return true;
	if (!file_read(t->c, t->a, t->o->file, 1u << 30, &file))
		return false;
	if (memchr(file.p, '\0', file.n))
		return fail(t->c, QE_INPUT, "%s: holds a NUL byte: not text",
		            t->o->file);
	end = arena_span(t->a, file);
	while (!t->o->lines && file.n && end[file.n - 1] == '\n')
		end[--file.n] = '\0';
	for (char *line = end; *line; line = end) {
		end = t->o->lines ? line + strcspn(line, "\n")
		                  : line + strlen(line);
		if (*end)
			*end++ = '\0';
		if (*line)
			PUSH(t->a, *out, *n, cap, line);
	}
	return true;
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
	if (!open_talk(t) || !texts(t, &text, &n))
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

static bool
print(Task *t, const char *p, size_t n)
{
	if (fwrite(p, 1, n, t->o->to) != n)
		return fail_errno(t->c, "<stdout>");
	return true;
}

/* The text of a lone prompt appears as it is made. */
static bool
stream(Ctx *c, void *arg, int row, Span text)
{
	Task *t = arg;

	(void)c;
	(void)row;
	if (!print(t, text.p, text.n))
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
	if (t->o->prefix_cache)
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
	return print(t, b->p, b->n);
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
	int64_t proposed = 0, accepted = 0;

	for (int i = 0; i < t->nreq; i++) {
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
	                    .prefix_cache = o->prefix_cache,
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
	return generate(t->c, t->a, t->s, t->req, t->nreq, &opt, out) &&
	       print_results(t, out, streamed);
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
	if (t->o->ask && !print(t, t->o->ask, strlen(t->o->ask)))
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
	ok = add_messages(&t, d->messages) && answer(&t, &out);
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
	return ask(t) &&
	       lines_each(t->c, t->o->file ? t->o->file : "-", turn, &d);
}

static Session *
open_package(Task *t, const char *path)
{
	const EngineOptions e = {.isa = t->o->isa,
	                         .threads = (int)t->o->threads,
	                         .backend = t->o->backend,
	                         .library = t->o->library,
	                         .devices = t->o->devices};

	return session_open(t->c, t->a, path, &e);
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
	t->draft = open_package(t, o->draft);
	return t->draft && (t->draft->nrunner ||
	                    fail(t->c, QE_INPUT, "%s: no decoder", o->draft));
}

/* Whether the model chooses tokens itself and has no logits to give. */
static bool
samples(const Session *s)
{
	return model_count(s->model) &&
	       program_io(model_program(s->model, 0), "next_tokens");
}

static bool
run_text(Task *t)
{
	Generated *out;

	if (!t->s->nrunner)
		return fail(
			t->c, QE_INPUT,
			samples(t->s)
				? "%s: has a sampler of its own, which takes --input"
				: "%s: holds no decoder: it takes --embed or --input",
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

static bool
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
	return print(t, b->p, b->n);
}

/* ---- vectors ---- */

static void
vector_text(Buf *b, const float *v, int64_t n, const char *sep)
{
	for (int64_t i = 0; i < n; i++)
		buf_fmt(b, "%s%.9g", i ? sep : "", (double)v[i]);
}

static TextPair *
pairs_of(Task *t, char *const *text, size_t n)
{
	TextPair *p = NEWV(t->a, TextPair, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i].text = SPAN(text[i]);
	return p;
}

static bool
run_embed(Task *t)
{
	char **text;
	size_t n;
	TextPair *pair;
	int64_t width;
	float *v;
	Buf *b = buf_new(t->a);
	enum Pooling how =
		t->o->pooling ? pool_by_name(t->o->pooling) : POOL_NONE;

	if (how == POOL_COUNT)
		return fail(t->c, QE_USAGE,
		            "--pooling '%s': not one of mean cls max last",
		            t->o->pooling);
	if (!texts(t, &text, &n))
		return false;
	if (!n)
		return fail(t->c, QE_USAGE,
		            "no text: give -p or text on standard input");
	pair = pairs_of(t, text, n);
	if (!encode_texts(t->c, t->a, t->s, pair, (int)n, how, t->o->normalize,
	                  &v, &width))
		return false;
	if (t->o->output) {
		Value x = {.type = DT_F32,
		           .shape = {2, {(int64_t)n, width}},
		           .data = {.mem = v,
		                    .len = (int64_t)n * width *
		                           (int64_t)sizeof *v}};

		return npy_write(t->c, t->o->output, &x);
	}
	for (size_t i = 0; i < n; i++) {
		buf_str(b, t->o->json ? "[" : "");
		vector_text(b, v + (int64_t)i * width, width,
		            t->o->json ? ", " : " ");
		buf_str(b, t->o->json ? "]\n" : "\n");
	}
	return print(t, b->p, b->n);
}

/* ---- labels ---- */

static void
put_label(Task *t, Json *o, const float *p, int64_t n)
{
	int64_t best = argmax(p, n);

	json_put_str(o, "label", label_name(t->s, t->a, best));
	json_put_num(o, "score", (double)p[best]);
}

/* label, probability of the likeliest; with --json of all */
static void
print_class(Task *t, Buf *b, const char *text, const Labelled *y)
{
	Json *o = json_new(t->a), *all = json_new(t->a);
	int64_t best = argmax(y->p, y->n);

	if (!t->o->json) {
		buf_fmt(b, "%s\t%.6f\n", label_name(t->s, t->a, best),
		        (double)y->p[best]);
		return;
	}
	put_label(t, o, y->p, y->n);
	for (int64_t i = 0; i < y->n; i++)
		json_put_num(all, label_name(t->s, t->a, i), (double)y->p[i]);
	json_put(o, "scores", json_share(all));
	json_put_str(o, "text", text);
	json_print(b, o, 0);
	buf_char(b, '\n');
}

/* A line for each token that is no special one: token, label, probability;
 * an empty line, or with --json a list, for each text. */
static void
print_tokens(Task *t, Buf *b, const char *text, const Labelled *y)
{
	Json *o = json_new(t->a), *list = json_new_array(t->a);

	for (int64_t r = 0; r < y->rows; r++) {
		const float *p = y->p + r * y->n;
		const char *name =
			tokenizer_token(t->s->tok, t->a, y->ids.id[r]);
		int64_t best = argmax(p, y->n);
		Json *one;

		if (tokenizer_is_special(t->s->tok, y->ids.id[r]))
			continue;
		if (!t->o->json) {
			buf_fmt(b, "%s\t%s\t%.6f\n", name ? name : "",
			        label_name(t->s, t->a, best), (double)p[best]);
			continue;
		}
		one = json_new(t->a);
		json_put_str(one, "token", name);
		json_put_int(one, "id", y->ids.id[r]);
		put_label(t, one, p, y->n);
		json_push(list, json_share(one));
	}
	if (t->o->json) {
		json_put(o, "tokens", json_share(list));
		json_put_str(o, "text", text);
		json_print(b, o, 0);
	}
	buf_char(b, '\n');
}

/* How well a document answers the query, in the order they were given. */
static void
print_rank(Task *t, Buf *b, int i, const char *text, const Labelled *y)
{
	Json *o = json_new(t->a);
	double p = (double)y->p[y->n - 1];

	if (!t->o->json) {
		buf_fmt(b, "%.6f\t%s\n", p, text);
		return;
	}
	json_put_int(o, "index", i);
	json_put_num(o, "score", p);
	json_put_str(o, "text", text);
	json_print(b, o, 0);
	buf_char(b, '\n');
}

static bool
run_labels(Task *t)
{
	char **text;
	size_t n, first = t->o->rerank ? 1 : 0;
	TextPair *pair;
	Labelled *y;
	Buf *b = buf_new(t->a);

	if (!texts(t, &text, &n))
		return false;
	if (n <= first)
		return fail(
			t->c, QE_USAGE, "%s",
			first ? "--rerank takes a query and then documents"
			      : "no text: give -p or text on standard input");
	pair = pairs_of(t, text, n);
	for (size_t i = 1; first && i < n; i++)
		pair[i] = (TextPair){SPAN(text[0]), SPAN(text[i])};
	y = NEWV(t->a, Labelled, n);
	if (!label_texts(t->c, t->a, t->s, pair + first, (int)(n - first),
	                 t->o->tokens, y))
		return false;
	for (size_t i = 0; i < n - first; i++) {
		if (t->o->rerank)
			print_rank(t, b, (int)i, text[i + first], &y[i]);
		else if (t->o->tokens)
			print_tokens(t, b, text[i], &y[i]);
		else
			print_class(t, b, text[i], &y[i]);
	}
	return print(t, b->p, b->n);
}

/* ---- figures ---- */

static Json *
profile(Task *t)
{
	const HostLimits *l = session_limits(t->c, t->a, t->s);

	return l ? profile_json(t->a, t->s, l) : NULL;
}

/* After the product: a table, or with --json an object of its own. */
static bool
print_profile(Task *t)
{
	Buf *b = buf_new(t->a);
	Json *o = json_new(t->a), *p = profile(t);

	if (!p)
		return false;
	if (t->o->json) {
		json_put(o, "profile", json_share(p));
		json_print(b, o, 0);
		buf_char(b, '\n');
	} else {
		profile_text(b, p);
	}
	return print(t, b->p, b->n);
}

/* Figures that are the product, as text or as an object with the profile. */
static bool
print_figures(Task *t, Json *r, void (*text)(Buf *, const Json *))
{
	Buf *b = buf_new(t->a);
	Json *p = NULL;

	if (!t->o->json) {
		text(b, r);
		return print(t, b->p, b->n);
	}
	if (t->o->profile && !(p = profile(t)))
		return false;
	if (p)
		json_put(r, "profile", json_share(p));
	t->profiled = true;
	json_print(b, r, 0);
	buf_char(b, '\n');
	return print(t, b->p, b->n);
}

static bool
run_bench(Task *t)
{
	BenchOptions o = {.prompt = t->o->prompt_tokens,
	                  .n = t->o->n < 0 ? 64 : t->o->n,
	                  .iterations = t->o->iterations ? t->o->iterations : 5,
	                  .roofline = t->o->roofline};
	Json *r;

	if (o.prompt < 0)
		o.prompt = t->s->prompt_len;
	if (!(r = bench(t->c, t->a, t->s, &o)))
		return false;
	return print_figures(t, r, bench_text);
}

/* ---- tensors ---- */

/* Without a place for the outputs, or when asked, the figures are what comes
 * out. */
static bool
run_named(Task *t)
{
	const qe_run *o = t->o;
	bool timed = o->iterations || o->warmup >= 0 || o->duration > 0 ||
	             (!o->output && !o->outputs);
	TensorOptions opt = {.input = o->input,
	                     .inputs = o->inputs,
	                     .output = o->output,
	                     .outputs = o->outputs,
	                     .form = o->format ? tensor_form(o->format)
	                                       : FORM_COUNT,
	                     .shapes = o->shapes,
	                     .random = o->random,
	                     .seed = o->seed,
	                     .warmup = o->warmup < 0 ? 1 : o->warmup,
	                     .iterations = o->iterations     ? o->iterations
	                                   : o->duration > 0 ? 1
	                                                     : 10,
	                     .duration = o->duration};
	Json *r;

	if (o->format && opt.form == FORM_COUNT)
		return fail(t->c, QE_USAGE,
		            "--format '%s': not one of npy pb raw", o->format);
	if (!run_tensors(t->c, t->a, t->s, &opt, timed ? &r : NULL))
		return false;
	return !timed || print_figures(t, r, latency_text);
}

bool
qe_qpc_run(qe_ctx *c, const qe_run *o)
{
	Arena a = {0};
	Task t = {.c = c, .a = &a, .o = o};
	bool ok;

	if (converse_wanted(o) && (o->input || o->bench || o->embed ||
	                           o->classify || o->rerank || o->tokens))
		return fail(
			c, QE_USAGE,
			"a conversation is for a model that continues text");
	ok = (t.s = open_package(&t, o->package)) != NULL;
	if (ok && (o->profile || o->trace || o->bench) &&
	    !model_host(t.s->model))
		ok = fail(c, QE_INPUT,
		          "--bench, --profile, --trace: only of the processor");
	if (ok && (o->profile || o->trace))
		host_profile(model_host(t.s->model), o->trace != NULL);
	ok = ok && (!o->lora || session_adapter(c, &a, t.s, o->lora));
	if (!ok)
		;
	else if (o->input || o->inputs || o->random)
		ok = run_named(&t);
	else if (o->bench)
		ok = run_bench(&t);
	else if (o->perplexity)
		ok = run_score(&t);
	else if (o->classify || o->rerank || o->tokens)
		ok = run_labels(&t);
	else if (o->embed)
		ok = run_embed(&t);
	else
		ok = run_text(&t);
	ok = ok && (!o->trace || profile_trace(c, t.s, o->trace)) &&
	     (!o->profile || t.profiled || print_profile(&t));
	arena_free(&a);
	return ok;
}
