/* SPDX-License-Identifier: BSD-3-Clause
 * spans.c - where in a text its tokens lie.
 *
 * Ids say nothing of where they came from, and normalising may have changed
 * case, accents and width.  So the text that each token stands for is read
 * along with the text itself, letter by letter, with what normalising may
 * change left out of both.  A token that is not found there, such as one for
 * what the vocabulary lacks, covers what lies between its neighbours. */

#include "tokenizer.h"
#include "unicode.h"

/* How far ahead a token is looked for behind ones that were not found. */
enum { AHEAD = 256 };

typedef struct Letter {
	uint32_t c;
	size_t from, to; /* bytes of the character it is of */
} Letter;

typedef struct Letters {
	Letter *at;
	size_t n, cap;
} Letters;

/* One character's letters: compatible ones, without marks, in lower case. */
static bool
add_letters(Ctx *c, Arena *a, Letters *l, Span s, size_t from, size_t to)
{
	Buf *form = buf_new(a);
	uint32_t ch, two[2];

	if (is_ascii((Span){s.p + from, to - from}))
		buf_add(form, s.p + from, to - from);
	else if (!text_form(c, (Span){s.p + from, to - from}, FORM_COMPAT,
	                    form))
		return false;
	for (size_t i = 0; i < form->n;) {
		i += utf8_get(form->p + i, &ch);
		if (is_space(ch) || is_mark(ch) || is_other(ch))
			continue;
		for (int k = 0, n = rune_lower(ch, two); k < n; k++)
			if (!is_mark(two[k]))
				PUSH(a, l->at, l->n, l->cap,
				     ((Letter){two[k], from, to}));
	}
	return true;
}

static bool
letters_of(Ctx *c, Arena *a, Span s, Letters *l)
{
	uint32_t ch;
	int ok;

	*l = (Letters){0};
	for (size_t i = 0, n; i < s.n; i += n) {
		n = utf8_next(s.p + i, s.n - i, &ch, &ok);
		if (ok > 0 && !add_letters(c, a, l, s, i, i + n))
			return false;
	}
	return true;
}

/* The text of a token behind another: a first token may read otherwise. */
static bool
piece_of(Ctx *c, Arena *a, const Tokenizer *k, const int32_t *id, size_t i,
         Letters *out)
{
	Buf *both = buf_new(a), *before = buf_new(a);
	size_t skip = 0;

	if (i && (!tokenizer_decode(c, a, k, id + i - 1, 1, false, before) ||
	          !tokenizer_decode(c, a, k, id + i - 1, 2, false, both)))
		return false;
	if (i && both->n >= before->n &&
	    memcmp(both->p ? both->p : "", before->p ? before->p : "",
	           before->n) == 0)
		skip = before->n;
	else {
		both->n = 0;
		if (!tokenizer_decode(c, a, k, id + i, 1, false, both))
			return false;
	}
	return letters_of(c, a,
	                  (Span){both->p ? both->p + skip : "", both->n - skip},
	                  out);
}

static bool
stands_at(const Letters *text, size_t at, const Letters *piece)
{
	if (piece->n > text->n - at)
		return false;
	for (size_t i = 0; i < piece->n; i++)
		if (text->at[at + i].c != piece->at[i].c)
			return false;
	return true;
}

/* The letter where the piece begins, from `at` on; text->n + 1: nowhere. */
static size_t
look_for(const Letters *text, size_t at, const Letters *piece, size_t ahead)
{
	for (size_t i = at; i <= text->n && i - at <= ahead; i++)
		if (stands_at(text, i, piece))
			return i;
	return text->n + 1;
}

static TokenSpan
bytes_of(const Letters *text, size_t from, size_t to)
{
	if (from < to)
		return (TokenSpan){text->at[from].from, text->at[to - 1].to};
	if (from < text->n)
		return (TokenSpan){text->at[from].from, text->at[from].from};
	from = text->n ? text->at[text->n - 1].to : 0;
	return (TokenSpan){from, from};
}

bool
tokenizer_spans(Ctx *c, Arena *a, const Tokenizer *k, Span s, const int32_t *id,
                size_t n, TokenSpan *out)
{
	Letters text, piece;
	size_t at = 0, lost = 0, i, found;

	if (!letters_of(c, a, s, &text))
		return false;
	for (i = 0; i < n; i++) {
		if (!piece_of(c, a, k, id, i, &piece))
			return false;
		found = look_for(&text, at, &piece, lost ? AHEAD : 0);
		if (found > text.n || (lost && !piece.n)) {
			lost++;
			continue;
		}
		for (; lost; lost--)
			out[i - lost] = bytes_of(&text, at, found);
		out[i] = bytes_of(&text, found, found + piece.n);
		at = found + piece.n;
	}
	for (; lost; lost--)
		out[i - lost] = bytes_of(&text, at, text.n);
	return true;
}
