/* SPDX-License-Identifier: BSD-3-Clause
 * tok_bpe.c - byte pair encoding: the pair of lowest rank merges first, the
 * leftmost of equals.
 *
 * Short words scan for the pair; long ones keep the pairs in a heap.  A heap
 * entry may be out of date: a symbol only grows, so an entry is good if its
 * pair still makes the same token. */

#include "tok.h"

enum { SHORT = 64 };

struct Symbol {
	int32_t id; /* -1: merged away */
	int32_t prev, next;
};

struct Link {
	int32_t rank, at, id;
};

static struct Symbol *
symbols(Run *r, size_t n)
{
	if (n > r->sym_cap) {
		r->sym_cap = n + n / 2;
		r->sym = NEWV(r->a, struct Symbol, r->sym_cap);
	}
	return r->sym;
}

/* The id of a character with what the model puts around it. */
static int32_t
char_id(Run *r, Span ch, bool first, bool last)
{
	const Meta *m = r->t->meta;
	Span pre = ref_span(r->t, m->prefix), suf = ref_span(r->t, m->suffix);
	uint32_t rune;

	if ((first || !pre.n) && (!last || !suf.n)) {
		utf8_get(ch.p, &rune);
		return rune < CHAR_FAST ? r->t->char_id[rune]
		                        : vocab_find(&r->t->vocab, ch);
	}
	buf_clear(r->word);
	if (!first)
		buf_add(r->word, pre.p, pre.n);
	buf_add(r->word, ch.p, ch.n);
	if (last)
		buf_add(r->word, suf.p, suf.n);
	return vocab_find(&r->t->vocab, (Span){r->word->p, r->word->n});
}

/* An unknown character, with what is around it, as bytes: how many symbols
 * that gives, 0 if a byte has no token. */
static size_t
byte_ids(Run *r, Span ch, bool first, bool last, struct Symbol *out)
{
	const Meta *m = r->t->meta;
	Span part[3] = {ref_span(r->t, m->prefix), ch,
	                ref_span(r->t, m->suffix)};
	size_t n = 0;

	for (int k = first ? 1 : 0; k < (last ? 3 : 2); k++)
		for (size_t i = 0; i < part[k].n; i++) {
			int32_t id = r->t->byte_id[(uint8_t)part[k].p[i]];

			if (id < 0)
				return 0;
			out[n++].id = id;
		}
	return n;
}

/* A word as symbols before any merge.  Unknown ones wait until the next known
 * character, or the next unknown unless they fuse; bytes overtake them, as
 * they do in the reference library.  -1: unknown, and its token is missing. */
static int64_t
spell(Run *r, Span w, struct Symbol *sym)
{
	const Meta *m = r->t->meta;
	bool unk = false;
	size_t n = 0, len, bytes;
	uint32_t rune;

	for (size_t i = 0; i < w.n; i += len) {
		Span ch = {w.p + i, len = utf8_get(w.p + i, &rune)};
		bool first = i == 0, last = i + len == w.n;
		int32_t id = char_id(r, ch, first, last);

		if (id >= 0) {
			if (unk)
				sym[n++].id = m->unk;
			unk = false;
			sym[n++].id = id;
			continue;
		}
		if (m->flag & MODEL_BYTES &&
		    (bytes = byte_ids(r, ch, first, last, sym + n))) {
			n += bytes;
			continue;
		}
		if (!(m->flag & MODEL_UNK))
			continue;
		if (m->unk < 0)
			return -1;
		if (unk && !(m->flag & MODEL_FUSE_UNK))
			sym[n++].id = m->unk;
		unk = true;
	}
	if (unk)
		sym[n++].id = m->unk;
	return (int64_t)n;
}

/* The pairs of a short word: pair i is of symbols i and i + 1. */
struct Pairs {
	int32_t rank[SHORT]; /* INT32_MAX: they do not merge */
	int32_t id[SHORT];
};

static void
pair_up(const MergeMap *map, const struct Symbol *s, struct Pairs *p, size_t i)
{
	const Merge *m = merge_find(map, s[i].id, s[i + 1].id);

	p->rank[i] = m ? m->rank : INT32_MAX;
	p->id[i] = m ? m->id : -1;
}

static size_t
merge_short(const MergeMap *map, struct Symbol *s, size_t n)
{
	struct Pairs p;
	size_t best;

	for (size_t i = 0; i + 1 < n; i++)
		pair_up(map, s, &p, i);
	while (n > 1) {
		best = 0;
		for (size_t i = 1; i + 1 < n; i++)
			if (p.rank[i] < p.rank[best])
				best = i;
		if (p.id[best] < 0)
			break;
		s[best].id = p.id[best];
		n--;
		for (size_t i = best + 1; i < n; i++)
			s[i].id = s[i + 1].id;
		for (size_t i = best + 1; i + 1 < n; i++) {
			p.rank[i] = p.rank[i + 1];
			p.id[i] = p.id[i + 1];
		}
		if (best > 0)
			pair_up(map, s, &p, best - 1);
		if (best + 1 < n)
			pair_up(map, s, &p, best);
	}
	return n;
}

static bool
before(struct Link a, struct Link b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void
heap_push(Run *r, size_t *n, struct Link x)
{
	size_t i = (*n)++;

	if (*n > r->heap_cap)
		r->heap = arena_grow(r->a, r->heap, r->heap_cap, &r->heap_cap,
		                     sizeof x);
	for (; i > 0 && before(x, r->heap[(i - 1) / 2]); i = (i - 1) / 2)
		r->heap[i] = r->heap[(i - 1) / 2];
	r->heap[i] = x;
}

static struct Link
heap_pop(struct Link *h, size_t *n)
{
	struct Link top = h[0], x = h[--*n];
	size_t i = 0, kid;

	while ((kid = 2 * i + 1) < *n) {
		if (kid + 1 < *n && before(h[kid + 1], h[kid]))
			kid++;
		if (!before(h[kid], x))
			break;
		h[i] = h[kid];
		i = kid;
	}
	h[i] = x;
	return top;
}

static void
offer(Run *r, size_t *nheap, int32_t at)
{
	struct Symbol *s = r->sym;
	const Merge *m;

	if (at < 0 || s[at].next < 0)
		return;
	m = merge_find(&r->t->merges, s[at].id, s[s[at].next].id);
	if (m)
		heap_push(r, nheap, (struct Link){m->rank, at, m->id});
}

static size_t
merge_long(Run *r, size_t n)
{
	struct Symbol *s = r->sym;
	size_t nheap = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		s[i].prev = (int32_t)i - 1;
		s[i].next = i + 1 < n ? (int32_t)i + 1 : -1;
	}
	for (size_t i = 0; i + 1 < n; i++)
		offer(r, &nheap, (int32_t)i);
	while (nheap > 0) {
		struct Link x = heap_pop(r->heap, &nheap);
		struct Symbol *a = s + x.at, *b;
		const Merge *m;

		if (a->id < 0 || a->next < 0)
			continue;
		b = s + a->next;
		m = merge_find(&r->t->merges, a->id, b->id);
		if (!m || m->id != x.id)
			continue;
		a->id = x.id;
		b->id = -1;
		a->next = b->next;
		if (b->next >= 0)
			s[b->next].prev = x.at;
		offer(r, &nheap, a->prev);
		offer(r, &nheap, x.at);
	}
	for (size_t i = 0; i < n; i++)
		if (s[i].id >= 0)
			s[kept++].id = s[i].id;
	return kept;
}

bool
bpe_word(Run *r, Span w)
{
	const Meta *m = r->t->meta;
	int32_t whole;
	int64_t n;

	if (m->flag & MODEL_WHOLE &&
	    (whole = vocab_find(&r->t->vocab, w)) >= 0) {
		run_id(r, whole);
		return true;
	}
	/* one symbol a byte, bytes of what goes around characters included */
	n = spell(r, w,
	          symbols(r, m->flag & MODEL_BYTES
	                             ? w.n * (1 + m->prefix.n) + m->suffix.n
	                             : w.n));
	if (n < 0)
		return fail(
			r->c, QE_INPUT,
			"an unknown character, and the unknown token is not in the vocabulary");
	n = (int64_t)(n <= SHORT ? merge_short(&r->t->merges, r->sym, (size_t)n)
	                         : merge_long(r, (size_t)n));
	for (int64_t i = 0; i < n; i++)
		run_id(r, r->sym[i].id);
	return true;
}
