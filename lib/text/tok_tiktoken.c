/* SPDX-License-Identifier: BSD-3-Clause
 * tok_tiktoken.c - tiktoken vocabularies: a line for each token, its bytes in
 * base64 and its rank, which is its id.
 *
 * There are no merges in the file: a token's are the two parts it has left
 * when it is merged by the tokens of lower rank alone. */

#include "tok_files.h"

enum { PARTS_MAX = 256 }; /* bytes of a token */

/* The rank of some bytes, written in the alphabet; -1 none. */
static int32_t
rank_of(const Vocab *v, Buf *tmp, Span bytes)
{
	buf_clear(tmp);
	bytes_spread(bytes, tmp);
	return vocab_find(v, (Span){tmp->p, tmp->n});
}

/* Ends of the parts of s after all merges below a rank; their number. */
static size_t
parts(const Vocab *v, Buf *tmp, Span s, int32_t below, uint16_t *end)
{
	size_t n = s.n;

	for (size_t i = 0; i < n; i++)
		end[i] = (uint16_t)(i + 1);
	while (n > 1) {
		int32_t best = below;
		size_t at = n;

		for (size_t i = 0; i + 1 < n; i++) {
			size_t from = i ? end[i - 1] : 0;
			int32_t r =
				rank_of(v, tmp,
			                (Span){s.p + from, end[i + 1] - from});

			if (r >= 0 && r < best) {
				best = r;
				at = i;
			}
		}
		if (at == n)
			break;
		memmove(end + at, end + at + 1, (--n - at) * sizeof *end);
	}
	return n;
}

static bool
read_line(Build *b, Span line, size_t number, Buf *bytes, int64_t *rank)
{
	const char *sep = memchr(line.p, ' ', line.n);
	char *digits;

	buf_clear(bytes);
	if (sep) {
		digits =
			arena_span(b->a,
		                   (Span){sep + 1,
		                          line.n - 1 - (size_t)(sep - line.p)});
		if (str_int(digits, rank) &&
		    base64_decode((Span){line.p, (size_t)(sep - line.p)},
		                  bytes) &&
		    bytes->n > 0 && bytes->n <= PARTS_MAX)
			return true;
	}
	return fail(b->c, QE_INPUT,
	            "tiktoken file: line %zu is not 'base64 rank'", number);
}

static bool
read_tokens(Build *b, Span rest)
{
	Buf *bytes = buf_new(b->a), *text = buf_new(b->a);
	int64_t rank = -1;

	for (size_t i = 1; rest.n > 0; i++) {
		Span line = span_line(&rest);

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			continue;
		if (!read_line(b, line, i, bytes, &rank))
			return false;
		buf_clear(text);
		bytes_spread((Span){bytes->p, bytes->n}, text);
		if (!build_token(b, (Span){text->p, text->n}, rank))
			return note(b->c, "tiktoken file: line %zu", i);
	}
	return true;
}

/* The bytes that an entry of the vocabulary stands for. */
static Span
entry_bytes(const Vocab *v, const Entry *e, Buf *out)
{
	const char *p = v->text + e->off;
	uint32_t ch;

	buf_clear(out);
	for (size_t i = 0; i < e->n;) {
		i += utf8_get(p + i, &ch);
		buf_char(out, (char)bytes_value(ch));
	}
	return (Span){out->p, out->n};
}

static bool
make_merges(Build *b)
{
	Buf *bytes = buf_new(b->a), *tmp = buf_new(b->a);
	Buf *left = buf_new(b->a), *right = buf_new(b->a);
	Vocab v = build_vocab(b);
	size_t n = build_count(b, SEC_ENTRY);
	uint16_t end[PARTS_MAX];

	build_merges_begin(b, n);
	for (size_t i = 0; i < n; i++) {
		Span s = entry_bytes(&v, v.entry + i, bytes);

		if (s.n < 2 || parts(&v, tmp, s, v.entry[i].id, end) != 2)
			continue;
		buf_clear(left);
		buf_clear(right);
		bytes_spread((Span){s.p, end[0]}, left);
		bytes_spread((Span){s.p + end[0], s.n - end[0]}, right);
		if (!build_merge(b, (Span){left->p, left->n},
		                 (Span){right->p, right->n},
		                 (size_t)v.entry[i].id))
			return false;
	}
	return true;
}

bool
read_ranks(Build *b, Source *s)
{
	(void)s;
	if (!read_tokens(b, s->file->tiktoken))
		return false;
	build_index(b);
	b->meta.flag |= MODEL_WHOLE;
	if (!make_merges(b))
		return false;
	model_bpe_end(b);
	return true;
}
