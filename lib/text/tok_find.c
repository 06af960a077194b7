/* SPDX-License-Identifier: BSD-3-Clause
 * tok_find.c - added tokens in the text.
 *
 * Two passes, leftmost-longest each: tokens that are not normalized are cut
 * out of the raw text; what lies between is normalized and searched for the
 * others, in the form the normalizer gives them. */

#include "tok.h"

enum { RAW, NORMAL };

/* A way through one text. */
typedef struct Search {
	Span s;
	int which;
	size_t at;   /* where the search goes on */
	size_t done; /* end of the last token with what it stripped */
	size_t from, to;
	const Added *hit;
} Search;

/* The longest added token at s.p + i, NULL if there is none. */
static const Added *
longest(const Tokenizer *t, const Search *k, size_t i, size_t *len)
{
	uint32_t at =
		k->which == RAW ? t->meta->root_raw : t->meta->root_normal;
	const Added *hit = NULL;

	for (size_t j = i; j < k->s.n; j++) {
		at = trie_step(t->NODE, at, (uint8_t)k->s.p[j]);
		if (!at)
			break;
		if (t->NODE[at].id >= 0 &&
		    (size_t)t->NODE[at].id < t->n[SEC_ADDED]) {
			hit = t->ADDED + t->NODE[at].id;
			*len = j + 1 - i;
		}
	}
	return hit;
}

static bool
word_before(const Run *r, Span s, size_t at)
{
	const char *p;

	if (at == 0)
		return false;
	p = utf8_back(s.p, s.p + at);
	return regex_at(r->match, r->t->word,
	                (Span){p, (size_t)(s.p + at - p)});
}

static bool
word_after(const Run *r, Span s, size_t at)
{
	return at < s.n &&
	       regex_at(r->match, r->t->word, (Span){s.p + at, s.n - at});
}

static size_t
strip_left(Span s, size_t at, size_t least)
{
	const char *p = s.p + at, *q;
	uint32_t ch;

	for (; p > s.p; p = q) {
		q = utf8_back(s.p, p);
		utf8_get(q, &ch);
		if (!is_space(ch))
			break;
	}
	return MAX((size_t)(p - s.p), least);
}

static size_t
strip_right(Span s, size_t at)
{
	uint32_t ch;

	for (size_t n; at < s.n; at += n) {
		n = utf8_get(s.p + at, &ch);
		if (!is_space(ch))
			break;
	}
	return at;
}

/* Whether there is one more; [from, to) is it, or nothing, if what it would
 * strip has gone to the one before: then it does not count. */
static bool
search(const Run *r, Search *k)
{
	const bool *start = r->t->start[k->which];
	size_t len = 0, i;

	for (i = k->at; i < k->s.n; i++) {
		if (!start[(unsigned char)k->s.p[i]] ||
		    !(k->hit = longest(r->t, k, i, &len)))
			continue;
		k->from = i;
		k->at = k->to = i + len;
		if (k->hit->flag & ADDED_SINGLE &&
		    (word_before(r, k->s, k->from) ||
		     word_after(r, k->s, k->to))) {
			i = k->to - 1;
			continue;
		}
		if (k->hit->flag & ADDED_LSTRIP)
			k->from = strip_left(k->s, k->from, k->done);
		if (k->hit->flag & ADDED_RSTRIP)
			k->to = strip_right(k->s, k->to);
		return true;
	}
	return false;
}

/* The second pass; base is where s lies in r->text. */
static void
find_normal(Run *r, Span s, size_t base, bool first)
{
	Search k = {.s = s, .which = NORMAL};

	while (r->t->meta->root_normal && search(r, &k)) {
		if (k.done < k.from)
			run_push(r, base + k.done, base + k.from, -1,
			         first && k.done == 0);
		if (k.from < k.to)
			run_push(r, base + k.from, base + k.to, k.hit->id, 0);
		k.done = k.to;
	}
	if (k.done < s.n)
		run_push(r, base + k.done, base + s.n, -1,
		         first && k.done == 0);
}

static bool
find_between(Run *r, Span s, size_t base)
{
	const uint32_t *at = r->t->meta->phase;
	Buf *out = r->buf[r->turn];

	if (at[PHASE_NORM] == at[PHASE_NORM + 1]) {
		find_normal(r, s, base, base == 0);
		return true;
	}
	r->norm.s = s;
	r->norm.first = base == 0;
	if (!normalize(r, &r->norm))
		return false;
	find_normal(r, r->norm.s, out->n, r->norm.first);
	buf_add(out, r->norm.s.p, r->norm.s.n);
	if (out->n > GROWN_MAX)
		return fail(r->c, QE_INPUT, "text grows beyond %d bytes",
		            GROWN_MAX);
	return true;
}

bool
find_added(Run *r, Span text)
{
	const uint32_t *at = r->t->meta->phase;
	Search k = {.s = text, .which = RAW};

	r->nnext = 0;
	buf_clear(r->buf[r->turn]);
	while (r->t->meta->root_raw && search(r, &k)) {
		if (k.done < k.from &&
		    !find_between(r, (Span){text.p + k.done, k.from - k.done},
		                  k.done))
			return false;
		if (k.from < k.to)
			run_push(r, 0, 0, k.hit->id, 0);
		k.done = k.to;
	}
	if (k.done < text.n &&
	    !find_between(r, (Span){text.p + k.done, text.n - k.done}, k.done))
		return false;
	r->text = text;
	if (at[PHASE_NORM] != at[PHASE_NORM + 1]) {
		r->text = (Span){r->buf[r->turn]->p, r->buf[r->turn]->n};
		r->turn ^= 1;
	}
	run_swap(r);
	return true;
}
