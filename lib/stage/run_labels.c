/* SPDX-License-Identifier: BSD-3-Clause
 * run_labels.c - an encoder at work: vectors, labels and answers of texts. */

#include <stdlib.h>

#include "npy.h"
#include "task.h"

/* ---- what is read ---- */

static TextPair *
pairs_of(Task *t, char *const *text, size_t n)
{
	TextPair *p = NEWV(t->a, TextPair, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i].text = SPAN(text[i]);
	return p;
}

/* A text is two, with a tab between them. */
static bool
part(Task *t, TextPair *p)
{
	const char *tab = memchr(p->text.p, '\t', p->text.n);

	if (!tab)
		return fail(t->c, QE_INPUT, "--pairs: no tab in '%.40s'",
		            p->text.p);
	p->pair = (Span){tab + 1, (size_t)(p->text.p + p->text.n - tab - 1)};
	p->text.n = (size_t)(tab - p->text.p);
	return true;
}

static bool
some_texts(Task *t, char ***text, size_t *n)
{
	if (t->o->ids)
		return fail(t->c, QE_USAGE,
		            "--ids: ids of an encoder go in by --input");
	return task_texts(t, text, n) &&
	       (*n || fail(t->c, QE_USAGE,
	                   "no text: give -p or text on standard input"));
}

/* ---- vectors ---- */

static void
end_line(Buf *b, const Json *o)
{
	json_print(b, o, 0);
	buf_char(b, '\n');
}

static const Json *
sentence(const Task *t)
{
	return json_get(t->s->qpc->manifest, "sentence");
}

/* Pooling in the graph sees all tokens: a model that leaves out those of its
 * prompt would give other vectors. */
static bool
pools_prompts(const Task *t)
{
	const Json *list = json_get(sentence(t), "modules");

	for (size_t i = 0; i < json_len(list); i++)
		if (!json_get_bool(json_get(json_at(list, i), "config"),
		                   "include_prompt", true))
			return false;
	return true;
}

static const char *
names_of(Task *t, const Json *prompts)
{
	Buf *b = buf_new(t->a);

	if (!prompts)
		return " none";
	json_object_object_foreach((Json *)(uintptr_t)prompts, key, v)
	{
		(void)v;
		buf_fmt(b, " %s", key);
	}
	return b->n ? b->p : " none";
}

/* What stands in front of every text: the prompt that was asked for, or the
 * one that the model says is usual. */
static const char *
prompt_of(Task *t)
{
	const Json *prompts = json_get(sentence(t), "prompts");
	const char *name = t->o->prompt_name, *text;

	if (!name)
		name = json_get_str(sentence(t), "default_prompt_name", NULL);
	if (!name || (!*name && t->o->prompt_name))
		return "";
	if (!(text = json_get_str(prompts, name, NULL)))
		return fail(t->c, QE_USAGE,
		            "--prompt-name '%s': the model has%s", name,
		            names_of(t, prompts)),
		       NULL;
	if (*text && !pools_prompts(t))
		return fail(t->c, QE_INPUT,
		            "prompt '%s': the model leaves prompts out of its "
		            "pooling, which is not supported",
		            name),
		       NULL;
	return text;
}

/* As many digits as tell one float32 from the next. */
static void
vector_json(Task *t, Buf *b, const char *text, const float *v, int64_t n)
{
	Json *o = json_new(t->a), *list = json_new_array(t->a);

	for (int64_t i = 0; i < n; i++)
		json_push(list,
		          json_object_new_double_s((double)v[i],
		                                   arena_str(t->a, "%.9g",
		                                             (double)v[i])));
	json_put(o, "embedding", json_share(list));
	json_put_str(o, "text", text);
	end_line(b, o);
}

static void
vector_text(Buf *b, const float *v, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		buf_fmt(b, "%s%.9g", i ? " " : "", (double)v[i]);
	buf_char(b, '\n');
}

static bool
write_vectors(Task *t, float *v, size_t n, int64_t width)
{
	Value x = {.type = DT_F32,
	           .shape = {2, {(int64_t)n, width}},
	           .data = {.mem = v,
	                    .len = (int64_t)n * width * (int64_t)sizeof *v}};

	return npy_write(t->c, t->o->output, &x);
}

bool
run_embed(Task *t)
{
	char **text;
	const char *prompt;
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
	if (!some_texts(t, &text, &n) || !(prompt = prompt_of(t)))
		return false;
	pair = pairs_of(t, text, n);
	for (size_t i = 0; *prompt && i < n; i++)
		pair[i].text = SPAN(arena_str(t->a, "%s%s", prompt, text[i]));
	if (!encode_texts(t->c, t->a, t->s, pair, (int)n, how, t->o->normalize,
	                  &v, &width))
		return false;
	if (t->o->output)
		return write_vectors(t, v, n, width);
	for (size_t i = 0; i < n; i++)
		if (t->o->json)
			vector_json(t, b, text[i], v + (int64_t)i * width,
			            width);
		else
			vector_text(b, v + (int64_t)i * width, width);
	return task_print(t, b->p, b->n);
}

/* ---- labels ---- */

typedef struct Ranked {
	double score;
	int64_t at;
} Ranked;

static int
better_first(const void *x, const void *y)
{
	const Ranked *a = x, *b = y;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->at < b->at ? -1 : 1;
}

/* How many of n --top-k leaves; `usual` unless given, 0: all. */
static int64_t
top(const Task *t, int64_t n, int64_t usual)
{
	int64_t k = t->o->top_k < 0 ? usual : t->o->top_k;

	return k ? MIN(k, n) : n;
}

static Ranked *
ranked(Task *t, const float *p, int64_t n)
{
	Ranked *r = NEWV(t->a, Ranked, n + 1);

	for (int64_t i = 0; i < n; i++)
		r[i] = (Ranked){(double)p[i], i};
	qsort(r, (size_t)n, sizeof *r, better_first);
	return r;
}

static void
put_label(Task *t, Json *o, const Ranked *r)
{
	json_put_str(o, "label", label_name(t->s, t->a, r->at));
	json_put_num(o, "score", r->score);
}

/* The likeliest label, its probability, and more of them where asked; with
 * --json of all, the likeliest first. */
static void
print_class(Task *t, Buf *b, const TextPair *x, const Labelled *y)
{
	Ranked *r = ranked(t, y->p, y->n);
	Json *o = json_new(t->a), *all = json_new_array(t->a), *one;

	for (int64_t i = 0; !t->o->json && i < top(t, y->n, 1); i++)
		buf_fmt(b, "%s%s\t%.6f", i ? "\t" : "",
		        label_name(t->s, t->a, r[i].at), r[i].score);
	if (!t->o->json) {
		buf_char(b, '\n');
		return;
	}
	put_label(t, o, r);
	for (int64_t i = 0; i < top(t, y->n, 0); i++) {
		one = json_new(t->a);
		put_label(t, one, &r[i]);
		json_push(all, json_share(one));
	}
	json_put(o, "scores", json_share(all));
	json_put_str(o, "text", arena_span(t->a, x->text));
	if (x->pair.p)
		json_put_str(o, "pair", arena_span(t->a, x->pair));
	end_line(b, o);
}

/* Where the tokens of a labelled text lie; special ones have no place. */
static TokenSpan *
places(Task *t, Span text, const Labelled *y)
{
	size_t n = 0, rows = (size_t)y->rows, at = 0;
	int32_t *id = NEWV(t->a, int32_t, rows + 1);
	TokenSpan *s = NEWV(t->a, TokenSpan, rows + 1),
		  *out = NEWV(t->a, TokenSpan, rows + 1);

	for (size_t i = 0; i < rows; i++)
		if (!tokenizer_is_special(t->s->tok, y->ids.id[i]))
			id[n++] = y->ids.id[i];
	if (!tokenizer_spans(t->c, t->a, t->s->tok, text, id, n, s))
		return NULL;
	for (size_t i = 0; i < rows; i++)
		if (!tokenizer_is_special(t->s->tok, y->ids.id[i]))
			out[i] = s[at++];
	return out;
}

/* token, label, probability, of one that is no special one */
static void
put_token(Task *t, Span text, const Labelled *y, int64_t row, TokenSpan at,
          Buf *b, Json *list)
{
	const float *p = y->p + row * y->n;
	const char *name = tokenizer_token(t->s->tok, t->a, y->ids.id[row]);
	int64_t best = argmax(p, y->n);
	Json *one;

	if (!list) {
		buf_fmt(b, "%s\t%s\t%.6f\n", name ? name : "",
		        label_name(t->s, t->a, best), (double)p[best]);
		return;
	}
	one = json_new(t->a);
	json_put_str(one, "token", name);
	json_put_int(one, "id", y->ids.id[row]);
	json_put_str(one, "label", label_name(t->s, t->a, best));
	json_put_num(one, "score", (double)p[best]);
	put_place(one, text, at);
	json_push(list, json_share(one));
}

/* A line for each token or entity; an empty line, or with --json a list, for
 * each text. */
static bool
print_tokens(Task *t, Buf *b, const char *text, const Labelled *y)
{
	const char *key = t->o->aggregate ? "entities" : "tokens";
	Json *o = json_new(t->a),
	     *list = t->o->json ? json_new_array(t->a) : NULL;
	TokenSpan *at = places(t, SPAN(text), y);

	if (!at)
		return false;
	if (t->o->aggregate)
		put_entities(t, text, y, at, b, list);
	for (int64_t r = 0; !t->o->aggregate && r < y->rows; r++)
		if (!tokenizer_is_special(t->s->tok, y->ids.id[r]))
			put_token(t, SPAN(text), y, r, at[r], b, list);
	if (list) {
		json_put(o, key, json_share(list));
		json_put_str(o, "text", text);
		json_print(b, o, 0);
	}
	buf_char(b, '\n');
	return true;
}

static void
print_rank(Task *t, Buf *b, const Ranked *r, const TextPair *x)
{
	Json *o = json_new(t->a);

	if (!t->o->json) {
		buf_fmt(b, "%.6f\t%.*s\n", r->score, (int)x->pair.n, x->pair.p);
		return;
	}
	json_put_int(o, "index", r->at);
	json_put_num(o, "score", r->score);
	json_put_str(o, "text", arena_span(t->a, x->pair));
	if (t->o->pairs)
		json_put_str(o, "query", arena_span(t->a, x->text));
	end_line(b, o);
}

/* How well each document answers the query: in the order they were given, or
 * the best first, where the best are asked for. */
static void
print_ranks(Task *t, Buf *b, const TextPair *pair, const Labelled *y, size_t n)
{
	Ranked *r = NEWV(t->a, Ranked, n + 1);

	for (size_t i = 0; i < n; i++)
		r[i] = (Ranked){(double)y[i].p[y[i].n - 1], (int64_t)i};
	if (t->o->top_k >= 0)
		qsort(r, n, sizeof *r, better_first);
	for (int64_t i = 0; i < top(t, (int64_t)n, 0); i++)
		print_rank(t, b, &r[i], &pair[r[i].at]);
}

/* The texts, as pairs where the model is to compare two. */
static TextPair *
inputs(Task *t, char **text, size_t *n)
{
	TextPair *pair = pairs_of(t, text, *n);

	for (size_t i = 0; t->o->pairs && i < *n; i++)
		if (!part(t, &pair[i]))
			return NULL;
	if (t->o->pairs || !t->o->rerank)
		return pair;
	for (size_t i = 1; i < *n; i++)
		pair[i] =
			(TextPair){.text = pair[0].text, .pair = pair[i].text};
	if (--*n < 1)
		return fail(t->c, QE_USAGE,
		            "--rerank takes a query and then documents"),
		       NULL;
	return pair + 1;
}

bool
run_labels(Task *t)
{
	enum Reading how = t->o->rerank   ? READ_PAIR
	                   : t->o->tokens ? READ_TOKENS
	                                  : READ_TEXT;
	char **text;
	size_t n;
	TextPair *pair;
	Labelled *y;
	Buf *b = buf_new(t->a);

	if (t->o->aggregate && !entities_known(t->o->aggregate))
		return fail(t->c, QE_USAGE, "--aggregate '%s'",
		            t->o->aggregate);
	if (!some_texts(t, &text, &n) || !(pair = inputs(t, text, &n)))
		return false;
	y = NEWV(t->a, Labelled, n + 1);
	if (!label_texts(t->c, t->a, t->s, pair, (int)n, how, y))
		return false;
	if (how == READ_PAIR)
		print_ranks(t, b, pair, y, n);
	for (size_t i = 0; i < n; i++) {
		if (how == READ_TOKENS && !print_tokens(t, b, text[i], &y[i]))
			return false;
		if (how == READ_TEXT)
			print_class(t, b, &pair[i], &y[i]);
	}
	return task_print(t, b->p, b->n);
}

/* ---- answers ---- */

static void
print_answer(Task *t, Buf *b, const TextPair *x, const Answer *y)
{
	Span s = {x->pair.p + y->from, y->to - y->from};
	Json *o = json_new(t->a);

	if (!t->o->json) {
		buf_fmt(b, "%.*s\t%.6f\n", (int)s.n, s.p, y->p);
		return;
	}
	json_put(o, "answer", json_object_new_string_len(s.p, (int)s.n));
	json_put_num(o, "score", y->p);
	put_place(o, x->pair, (TokenSpan){y->from, y->to});
	json_put_str(o, "question", arena_span(t->a, x->text));
	end_line(b, o);
}

/* Each question to each text. */
bool
run_answers(Task *t)
{
	char **text;
	size_t n, all = 0, cap = 0;
	TextPair *pair = NULL;
	Answer *y;
	Buf *b = buf_new(t->a);

	if (!some_texts(t, &text, &n))
		return false;
	for (const char *const *q = t->o->questions; *q; q++)
		for (size_t i = 0; i < n; i++)
			PUSH(t->a, pair, all, cap,
			     ((TextPair){.text = SPAN(*q),
			                 .pair = SPAN(text[i])}));
	y = NEWV(t->a, Answer, all + 1);
	if (!answer_texts(t->c, t->a, t->s, pair, (int)all, y))
		return false;
	for (size_t i = 0; i < all; i++)
		print_answer(t, b, &pair[i], &y[i]);
	return task_print(t, b->p, b->n);
}
