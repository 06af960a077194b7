/* SPDX-License-Identifier: BSD-3-Clause
 * tok_vocab.c - the vectors of a compiled tokenizer while they are made, and
 * the hashes among them: words to ids, pairs of ids to merges. */

#include "tok.h"

/* Words of at most this share of the slots: probes stay short. */
enum { FILL_NUM = 3, FILL_DEN = 5 };

Build *
build_new(Ctx *c, Arena *a)
{
	Build *b = NEW(a, Build);

	b->c = c;
	b->a = a;
	b->meta.unk = -1;
	b->join = buf_new(a);
	for (int i = 0; i < SECTIONS; i++)
		b->sec[i] = buf_new(a);
	return b;
}

Ref
build_text(Build *b, Span s)
{
	Ref r = {(uint32_t)b->sec[SEC_TEXT]->n, (uint32_t)s.n};

	buf_add(b->sec[SEC_TEXT], s.p, s.n);
	return r;
}

size_t
build_count(const Build *b, enum section k)
{
	static const size_t size[SECTIONS] = {
#define SECTION(name, type) sizeof(type),
#include "sections.def"
	};

	return b->sec[k]->n / size[k];
}

Span
build_span(const Build *b, Ref r)
{
	return (Span){b->sec[SEC_TEXT]->p + r.off, r.n};
}

Vocab
build_vocab(const Build *b)
{
	return (Vocab){
		.text = b->sec[SEC_TEXT]->p,
		.entry = (const Entry *)(void *)b->sec[SEC_ENTRY]->p,
		.slot = (const uint32_t *)(void *)b->sec[SEC_SLOT]->p,
		.nslot = build_count(b, SEC_SLOT),
	};
}

/* The slot of a word: its own, or the free one where it belongs. */
static size_t
slot_of(const Vocab *v, Span word)
{
	size_t mask = v->nslot - 1, i = hash_word(word.p, word.n) & mask;

	for (; v->slot[i]; i = (i + 1) & mask) {
		const Entry *e = v->entry + v->slot[i] - 1;

		if (e->n == word.n &&
		    memcmp(v->text + e->off, word.p, word.n) == 0)
			break;
	}
	return i;
}

int32_t
vocab_find(const Vocab *v, Span word)
{
	uint32_t e;

	if (v->nslot == 0)
		return -1;
	e = v->slot[slot_of(v, word)];
	return e ? v->entry[e - 1].id : -1;
}

static void
name_id(Build *b, const Entry *e)
{
	Buf *t = b->sec[SEC_TOKEN];
	Token none = {0}, *tok;

	while (t->n / sizeof none <= (size_t)e->id)
		buf_add(t, &none, sizeof none);
	tok = (Token *)(void *)t->p + e->id;
	*tok = (Token){e->off, (uint16_t)e->n, TOKEN_KNOWN};
}

bool
build_token(Build *b, Span s, int64_t id)
{
	Entry e;

	if (id < 0 || id >= ID_MAX)
		return fail(b->c, QE_INPUT, "token id %lld, limit %d",
		            (long long)id, ID_MAX);
	if (s.n > TOKEN_MAX)
		return fail(b->c, QE_INPUT, "token of %zu bytes, limit %d", s.n,
		            TOKEN_MAX);
	if (utf8_valid(s) != s.n)
		return fail(b->c, QE_INPUT, "token %lld is not UTF-8",
		            (long long)id);
	e = (Entry){build_text(b, s).off, (uint32_t)s.n, (int32_t)id};
	buf_add(b->sec[SEC_ENTRY], &e, sizeof e);
	name_id(b, &e);
	return true;
}

void
build_index(Build *b)
{
	size_t n = build_count(b, SEC_ENTRY), nslot = 8;
	Entry *e = (Entry *)(void *)b->sec[SEC_ENTRY]->p;
	uint32_t *slot;
	Vocab v;

	while (nslot * FILL_NUM < n * FILL_DEN)
		nslot *= 2;
	slot = NEWV(b->a, uint32_t, nslot);
	v = (Vocab){b->sec[SEC_TEXT]->p, e, slot, nslot};
	for (size_t i = 0; i < n; i++) {
		Span s = {v.text + e[i].off, e[i].n};
		size_t at = slot_of(&v, s);

		slot[at] = (uint32_t)i + 1;
	}
	buf_clear(b->sec[SEC_SLOT]);
	buf_add(b->sec[SEC_SLOT], slot, nslot * sizeof *slot);
}

void
build_merges_begin(Build *b, size_t n)
{
	Merge none = {MERGE_FREE, MERGE_FREE, 0, 0};

	for (size_t i = n ? n + n / 3 + 8 : 0; i > 0; i--)
		buf_add(b->sec[SEC_MERGE], &none, sizeof none);
}

/* What two tokens make: the right one without the prefix of continuations. */
static bool
joined(Build *b, Span left, Span right, Buf *out)
{
	size_t skip = b->meta.prefix.n;

	if (right.n < skip)
		return fail(b->c, QE_INPUT,
		            "merge with '%.*s', shorter than the prefix",
		            (int)right.n, right.p);
	buf_clear(out);
	buf_add(out, left.p, left.n);
	buf_add(out, right.p + skip, right.n - skip);
	return true;
}

static void
put_merge(Build *b, Merge m)
{
	Merge *all = (Merge *)(void *)b->sec[SEC_MERGE]->p;
	size_t n = build_count(b, SEC_MERGE);
	size_t i = merge_slot(m.left, m.right, n);

	while (all[i].left != MERGE_FREE &&
	       (all[i].left != m.left || all[i].right != m.right))
		i = i + 1 == n ? 0 : i + 1;
	all[i] = m;
}

bool
build_merge(Build *b, Span left, Span right, size_t rank)
{
	Vocab v = build_vocab(b);
	Merge m = {vocab_find(&v, left), vocab_find(&v, right), (int32_t)rank,
	           0};
	Span lost = m.left < 0 ? left : right;

	if (m.left >= 0 && m.right >= 0) {
		if (!joined(b, left, right, b->join))
			return false;
		lost = (Span){b->join->p, b->join->n};
		m.id = vocab_find(&v, lost);
		if (m.id >= 0) {
			put_merge(b, m);
			return true;
		}
	}
	return fail(b->c, QE_INPUT, "merge %zu: '%.*s' is no token", rank,
	            (int)lost.n, lost.p);
}
