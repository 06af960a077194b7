/* SPDX-License-Identifier: BSD-3-Clause
 * tok_words.c - the models that look words up: WordLevel, WordPiece, and
 * Unigram with its best path. */

#include "tok.h"

static bool
unknown(Run *r)
{
	if (r->t->meta->unk < 0)
		return fail(
			r->c, QE_INPUT,
			"an unknown word, and the unknown token is not in the vocabulary");
	run_id(r, r->t->meta->unk);
	return true;
}

bool
wordlevel_word(Run *r, Span w)
{
	int32_t id = vocab_find(&r->t->vocab, w);

	if (id < 0)
		return unknown(r);
	run_id(r, id);
	return true;
}

/* The longest token that s starts with, below a node of the trie. */
static size_t
longest(const Tokenizer *t, uint32_t at, Span s, int32_t *id)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		at = trie_step(t->NODE, at, (uint8_t)s.p[i]);
		if (!at)
			break;
		if (t->NODE[at].id >= 0) {
			*id = t->NODE[at].id;
			n = i + 1;
		}
	}
	return n;
}

bool
wordpiece_word(Run *r, Span w)
{
	const Meta *m = r->t->meta;
	size_t from = r->nid, n;
	int32_t id = 0;

	if (w.n > m->max_chars && utf8_count(w) > m->max_chars)
		return unknown(r);
	for (size_t i = 0; i < w.n; i += n) {
		uint32_t at = i ? m->root_rest : m->root_model;
		Span rest = {w.p + i, w.n - i};

		n = at ? longest(r->t, at, rest, &id) : 0;
		if (n == 0) {
			r->nid = from;
			return unknown(r);
		}
		run_id(r, id);
	}
	return true;
}

/* The best way to reach a place in the word: by which token, from where. */
struct Best {
	double score;
	uint32_t from; /* 1 + start of the token, 0 not reached */
	int32_t id;
};

static void
better(struct Best *b, double score, size_t from, int32_t id)
{
	if (!b->from || score > b->score)
		*b = (struct Best){score, (uint32_t)from + 1, id};
}

static const double UNK_PENALTY = 10.0; /* SentencePiece's */

/* All tokens that start at one place; n: bytes of the character there. */
static void
reach(Run *r, Span w, size_t from, size_t n)
{
	const Tokenizer *t = r->t;
	double here = r->best[from].score;
	uint32_t at = t->meta->root_model;
	bool single = false;

	for (size_t i = from; i < w.n; i++) {
		int32_t id;

		at = trie_step(t->NODE, at, (uint8_t)w.p[i]);
		if (!at)
			break;
		id = t->NODE[at].id;
		if (id < 0 || (size_t)id >= t->n[SEC_SCORE])
			continue;
		better(&r->best[i + 1], t->SCORE[id] + here, from, id);
		single |= i + 1 - from == n;
	}
	if (!single)
		better(&r->best[from + n],
		       t->meta->min_score - UNK_PENALTY + here, from,
		       t->meta->unk);
}

/* A run of unknown characters: a token after all, bytes, or one unknown. */
static bool
put_unknown(Run *r, Span s)
{
	const Tokenizer *t = r->t;
	int32_t id = vocab_find(&t->vocab, s);
	bool all = t->meta->flag & MODEL_BYTES;

	if (id >= 0) {
		run_id(r, id);
		return true;
	}
	for (size_t i = 0; i < s.n && all; i++)
		all = t->byte_id[(uint8_t)s.p[i]] >= 0;
	if (!all)
		return unknown(r);
	for (size_t i = 0; i < s.n; i++)
		run_id(r, t->byte_id[(uint8_t)s.p[i]]);
	return true;
}

/* The path lies backwards in best; its links are turned round in place:
 * from[i] becomes 1 + the end of the token that starts at i. */
static void
turn_path(struct Best *b, size_t n)
{
	uint32_t next = 0, here = (uint32_t)n, from;
	int32_t id = 0, was;

	for (;;) {
		from = b[here].from;
		was = b[here].id;
		b[here].from = next;
		b[here].id = id;
		if (here == 0)
			return;
		next = here + 1;
		id = was;
		here = from - 1;
	}
}

static bool
put_path(Run *r, Span w)
{
	const struct Best *b = r->best;
	size_t unk = w.n; /* start of the run of unknowns, w.n if none */

	for (size_t i = 0; i < w.n; i = b[i].from - 1) {
		if (b[i].id == r->t->meta->unk) {
			unk = MIN(unk, i);
			continue;
		}
		if (unk < i && !put_unknown(r, (Span){w.p + unk, i - unk}))
			return false;
		unk = w.n;
		run_id(r, b[i].id);
	}
	return unk == w.n || put_unknown(r, (Span){w.p + unk, w.n - unk});
}

bool
unigram_word(Run *r, Span w)
{
	uint32_t rune;

	if (w.n >= r->best_cap) {
		r->best_cap = w.n + w.n / 2 + 1;
		r->best = NEWV(r->a, struct Best, r->best_cap);
	}
	memset(r->best, 0, (w.n + 1) * sizeof *r->best);
	for (size_t i = 0, n; i < w.n; i += n) {
		n = utf8_get(w.p + i, &rune);
		reach(r, w, i, n);
	}
	turn_path(r->best, w.n);
	return put_path(r, w);
}
