/* SPDX-License-Identifier: BSD-3-Clause
 * answer.c - questions to texts: which words of a text answer one.
 *
 * The ids of a pair are what comes before the second text, its own ids, and
 * what comes behind.  A text that is too long for the package is read in
 * windows that overlap, each with the question; the likeliest answer of all
 * windows counts.  Source: the reference's pipeline. */

#include "run.h"

enum { OVERLAP = 128, LEAST = 8 };

typedef struct Window {
	int item;        /* of which question and text */
	size_t from, at; /* its first token: of the text, and in the row */
} Window;

typedef struct Ask {
	Ctx *c;
	Arena *a;
	Session *s;
	TextPair *row; /* one for each window */
	TokenSpan *span;
	Window *window;
	size_t n, cap, ncap, wcap, nspan, nwindow;
	Ids *own; /* the second text's ids, of each item */
} Ask;

/* Where b's ids begin in a's, as late as possible: a.n if nowhere. */
static size_t
find_ids(const Ids *a, const Ids *b)
{
	for (size_t at = a->n - MIN(b->n, a->n) + 1; at-- > 0;)
		if (b->n && at + b->n <= a->n &&
		    memcmp(a->id + at, b->id, b->n * sizeof *b->id) == 0)
			return at;
	return a->n;
}

/* Part [from, from + n) of the second text, with what is around it. */
static void
add_window(Ask *k, int item, const Ids *all, size_t at, size_t from, size_t n)
{
	size_t own = k->own[item].n, tail = all->n - at - own;
	Ids w = {.id = NEWV(k->a, int32_t, at + n + tail + 1),
	         .type = NEWV(k->a, uint8_t, at + n + tail + 1),
	         .n = at + n + tail};

	for (size_t i = 0; i < w.n; i++) {
		size_t src = i < at ? i : i < at + n ? i + from : i - n + own;

		w.id[i] = all->id[src];
		w.type[i] = all->type ? all->type[src] : 0;
	}
	PUSH(k->a, k->row, k->n, k->cap, ((TextPair){.ids = w}));
	PUSH(k->a, k->span, k->nspan, k->ncap, ((TokenSpan){at, at + n}));
	PUSH(k->a, k->window, k->nwindow, k->wcap, ((Window){item, from, at}));
}

static bool
add_item(Ask *k, int item, const TextPair *t, size_t room)
{
	Ids all, *own = &k->own[item];
	size_t at, n, step;

	if (!tokenizer_encode(k->c, k->a, k->s->tok, t->text, &t->pair, true,
	                      &all) ||
	    !tokenizer_encode(k->c, k->a, k->s->tok, t->pair, NULL, false, own))
		return false;
	at = find_ids(&all, own);
	if (!own->n || at == all.n)
		return fail(k->c, QE_INPUT,
		            "the text reads otherwise behind the question");
	if (all.n - own->n + LEAST > room)
		return fail(k->c, QE_INPUT,
		            "a question of %zu tokens leaves no room for a "
		            "text among %zu",
		            all.n - own->n, room);
	n = MIN(own->n, room - (all.n - own->n));
	step = MAX(n - MIN((size_t)OVERLAP, n / 2), (size_t)1);
	for (size_t from = 0;; from += step) {
		from = MIN(from, own->n - n);
		add_window(k, item, &all, at, from, n);
		if (from + n >= own->n)
			return true;
	}
}

static bool
is_word(Span s, size_t at)
{
	unsigned char ch = at < s.n ? (unsigned char)s.p[at] : ' ';

	return ch >= 0x80 || (ch >= '0' && ch <= '9') ||
	       (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

/* Tokens as bytes, in whole words. */
static bool
bytes_of(Ask *k, int item, Span text, TokenSpan tokens, Answer *out)
{
	const Ids *own = &k->own[item];
	TokenSpan *at = NEWV(k->a, TokenSpan, own->n + 1);

	if (!tokenizer_spans(k->c, k->a, k->s->tok, text, own->id, own->n, at))
		return false;
	out->from = at[tokens.from].from;
	out->to = MAX(at[tokens.to].to, out->from);
	while (out->from && is_word(text, out->from) &&
	       is_word(text, out->from - 1))
		out->from--;
	while (out->to && is_word(text, out->to - 1) && is_word(text, out->to))
		out->to++;
	return true;
}

bool
answer_texts(Ctx *c, Arena *a, Session *s, const TextPair *text, int n,
             Answer *out)
{
	Ask k = {.c = c, .a = a, .s = s, .own = NEWV(a, Ids, n + 1)};
	int64_t room = encode_room(c, s, "start_logits");
	TokenSpan *best = NEWV(a, TokenSpan, n + 1);
	double *p;

	if (!room)
		return false;
	if (!s->tok)
		return fail(c, QE_INPUT, "the package holds no tokenizer");
	for (int i = 0; i < n; i++) {
		out[i].p = -1;
		if (!add_item(&k, i, &text[i], (size_t)room))
			return false;
	}
	p = NEWV(a, double, k.n + 1);
	if (!span_texts(c, a, s, k.row, (int)k.n, k.span, p))
		return false;
	for (size_t i = 0; i < k.n; i++) {
		const Window *w = &k.window[i];
		if (p[i] <= out[w->item].p)
			continue;
		out[w->item].p = p[i];
		best[w->item] = (TokenSpan){k.span[i].from - w->at + w->from,
		                            k.span[i].to - w->at + w->from};
	}
	for (int i = 0; i < n; i++)
		if (!bytes_of(&k, i, text[i].pair, best[i], &out[i]))
			return false;
	return true;
}
