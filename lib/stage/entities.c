/* SPDX-License-Identifier: BSD-3-Clause
 * entities.c - labelled tokens of a text as the entities it names.
 *
 * Words: a token goes on with the word before it if the vocabulary marks it
 * so, or there is no space between them.  What a word's scores are, its label follows from: those of its
 * `first` token, their `average`, or of the token with the `max`; `simple`
 * takes each token for itself.  Neighbours whose labels differ in a leading
 * B- or I- at most are one entity, unless the second begins one (B-); the
 * label O is none.  Source: the reference's pipeline. */

#include "task.h"

static const char *const ways[] = {"simple", "first", "average", "max"};
enum Way { SIMPLE, FIRST, AVERAGE, MAXIMUM };

/* Tokens or words: where they lie, the best label and its score. */
typedef struct Piece {
	TokenSpan at;
	int64_t label;
	double score;
} Piece;

static Piece
piece_of(const Labelled *y, int64_t row, TokenSpan at)
{
	const float *p = y->p + row * y->n;
	int64_t best = argmax(p, y->n);

	return (Piece){at, best, (double)p[best]};
}

/* The rows [from, to) of one word. */
static Piece
word_of(Arena *a, const Labelled *y, int64_t from, int64_t to,
        const TokenSpan *at, enum Way way)
{
	float *mean = NEWV(a, float, y->n + 1);
	Piece w = piece_of(y, from, at[from]), other;

	w.at.to = at[to - 1].to;
	for (int64_t r = from + 1; way == MAXIMUM && r < to; r++) {
		other = piece_of(y, r, w.at);
		if (other.score > w.score)
			w = other;
	}
	if (way != AVERAGE)
		return w;
	for (int64_t r = from; r < to; r++)
		for (int64_t k = 0; k < y->n; k++)
			mean[k] += y->p[r * y->n + k] / (float)(to - from);
	w.label = argmax(mean, y->n);
	w.score = (double)mean[w.label];
	return w;
}

static size_t
count_runes(Span text, size_t from, size_t to)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

/* Pieces that go on with a word are marked with ## in some vocabularies, so
 * that their names are longer than their text; in others, a word begins
 * behind a space. */
static bool
goes_on(Task *t, Span text, int32_t id, TokenSpan at)
{
	const char *name = tokenizer_token(t->s->tok, t->a, id);

	if (tokenizer_id(t->s->tok, "##s") >= 0)
		return name && str_starts(name, "##") &&
		       count_runes(SPAN(name), 0, strlen(name)) !=
		               count_runes(text, at.from, at.to);
	return at.from && at.from < text.n && text.p[at.from - 1] != ' ' &&
	       text.p[at.from] != ' ';
}

static Piece *
pieces_of(Task *t, Span text, const Labelled *y, const TokenSpan *at,
          enum Way way, size_t *n)
{
	Piece *list = NULL;
	size_t cap = 0;

	*n = 0;
	for (int64_t r = 0, to; r < y->rows; r = to) {
		to = r + 1;
		if (tokenizer_is_special(t->s->tok, y->ids.id[r]))
			continue;
		while (way != SIMPLE && to < y->rows &&
		       !tokenizer_is_special(t->s->tok, y->ids.id[to]) &&
		       goes_on(t, text, y->ids.id[to], at[to]))
			to++;
		PUSH(t->a, list, *n, cap, word_of(t->a, y, r, to, at, way));
	}
	return list;
}

/* "B-PER" -> "PER", *begins */
static const char *
kind_of(Task *t, int64_t label, bool *begins)
{
	const char *name = label_name(t->s, t->a, label);

	*begins = str_starts(name, "B-");
	return *begins || str_starts(name, "I-") ? name + 2 : name;
}

void
put_place(Json *o, Span text, TokenSpan at)
{
	json_put_int(o, "start", (int64_t)count_runes(text, 0, at.from));
	json_put_int(o, "end", (int64_t)count_runes(text, 0, at.to));
}

static void
put_entity(Task *t, Span text, const Piece *e, const char *kind, Buf *b,
           Json *list)
{
	Span word = {text.p + e->at.from, e->at.to - e->at.from};
	Json *o;

	if (!list) {
		buf_fmt(b, "%.*s\t%s\t%.6f\n", (int)word.n, word.p, kind,
		        e->score);
		return;
	}
	o = json_new(t->a);
	json_put_str(o, "entity_group", kind);
	json_put_num(o, "score", e->score);
	json_put(o, "word", json_object_new_string_len(word.p, (int)word.n));
	put_place(o, text, e->at);
	json_push(list, json_share(o));
}

bool
entities_known(const char *way)
{
	for (size_t i = 0; i < LEN(ways); i++)
		if (strcmp(ways[i], way) == 0)
			return true;
	return false;
}

/* A line for each into b, or an object into list, if there is one. */
void
put_entities(Task *t, const char *text, const Labelled *y, const TokenSpan *at,
             Buf *b, Json *list)
{
	enum Way way = SIMPLE;
	bool begins, other;
	const char *kind;
	size_t n, to;
	Piece *p;

	for (size_t i = 0; i < LEN(ways); i++)
		if (strcmp(ways[i], t->o->aggregate) == 0)
			way = (enum Way)i;
	p = pieces_of(t, SPAN(text), y, at, way, &n);
	for (size_t i = 0; i < n; i = to) {
		Piece e = p[i];

		kind = kind_of(t, e.label, &begins);
		for (to = i + 1; to < n; to++) {
			if (strcmp(kind_of(t, p[to].label, &other), kind) !=
			            0 ||
			    other)
				break;
			e.at.to = p[to].at.to;
			e.score += p[to].score;
		}
		e.score /= (double)(to - i);
		if (strcmp(kind, "O") != 0)
			put_entity(t, SPAN(text), &e, kind, b, list);
	}
}
