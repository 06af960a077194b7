/* SPDX-License-Identifier: BSD-3-Clause
 * tok_split.c - pre-tokenizers: pieces of text to smaller pieces.
 *
 * A step sees one piece at a time.  Most only cut: the text stays where it
 * is.  ByteLevel and Metaspace write a new text.  Pieces that are tokens
 * already pass, empty ones vanish. */

#include "tok.h"

typedef bool SplitFn(Run *, const Step *, const Piece *);
#define SPLIT(type, parse, run) static SplitFn run;
#include "steps.def"

/* Cuts a piece at matches, which come in order together with the gaps. */
typedef struct Cutter {
	Run *r;
	const Piece *p;
	enum cut how;
	bool invert;
	bool before; /* the last one was a match */
	bool held;   /* CUT_NEXT: a match waits for what follows */
	size_t from, to;
	size_t count, base; /* pieces put; those of others before */
} Cutter;

static Cutter
cutter(Run *r, const Piece *p, enum cut how, bool invert)
{
	return (Cutter){.r = r,
	                .p = p,
	                .how = how,
	                .invert = invert,
	                .base = r->nnext};
}

static void
put(Cutter *k, size_t from, size_t to)
{
	const Piece *p = k->p;

	k->count++;
	if (from < to)
		run_push(k->r, p->off + from, p->off + to, -1,
		         from == 0 && p->first);
}

/* The piece put last grows, or a new one begins. */
static void
extend(Cutter *k, size_t from, size_t to)
{
	Run *r = k->r;

	if (k->count == 0) {
		put(k, from, to);
		return;
	}
	if (r->nnext > k->base && to > from &&
	    r->next[r->nnext - 1].off + r->next[r->nnext - 1].n ==
	            k->p->off + from)
		r->next[r->nnext - 1].n += (uint32_t)(to - from);
	else
		put(k, from, to);
}

static void
next(Cutter *k, size_t from, size_t to, bool match)
{
	if (k->held && !match) {
		put(k, k->from, to);
		k->held = false;
		return;
	}
	if (k->held)
		put(k, k->from, k->to);
	k->held = match;
	k->from = from;
	k->to = to;
	if (!match)
		put(k, from, to);
}

static void
cut(Cutter *k, size_t from, size_t to, bool match)
{
	bool before = k->before;

	match ^= k->invert;
	k->before = match;
	switch (k->how) {
	case CUT_REMOVED:
		if (!match)
			put(k, from, to);
		break;
	case CUT_ISOLATED:
		put(k, from, to);
		break;
	case CUT_CONTIGUOUS:
		if (match == before)
			extend(k, from, to);
		else
			put(k, from, to);
		break;
	case CUT_PREVIOUS:
		if (match && !before)
			extend(k, from, to);
		else
			put(k, from, to);
		break;
	case CUT_NEXT:
		next(k, from, to, match);
	}
}

static void
cut_end(Cutter *k)
{
	if (k->held)
		put(k, k->from, k->to);
}

static Span
piece_span(const Run *r, const Piece *p)
{
	return (Span){r->text.p + p->off, p->n};
}

/* Every character of a class is a match. */
static void
cut_class(Run *r, const Piece *p, enum cut how, bool (*is)(uint32_t))
{
	Cutter k = cutter(r, p, how, false);
	Span s = piece_span(r, p);
	size_t gap = 0;
	uint32_t ch;

	for (size_t i = 0, n; i < s.n; i += n) {
		n = utf8_get(s.p + i, &ch);
		if (!is(ch))
			continue;
		if (gap < i)
			cut(&k, gap, i, false);
		cut(&k, i, i + n, true);
		gap = i + n;
	}
	if (gap < s.n)
		cut(&k, gap, s.n, false);
	cut_end(&k);
}

static bool
cut_regex(Cutter *k, const Regex *re)
{
	Scan scan = {.s = piece_span(k->r, k->p)};
	size_t gap = 0;
	int rc;

	while ((rc = regex_next(k->r->c, k->r->match, re, &scan)) > 0) {
		if (gap != scan.from)
			cut(k, gap, scan.from, false);
		cut(k, scan.from, scan.to, true);
		gap = scan.to;
	}
	if (gap != scan.s.n)
		cut(k, gap, scan.s.n, false);
	cut_end(k);
	return rc == 0;
}

static void
cut_string(Cutter *k, Span what)
{
	Span s = piece_span(k->r, k->p);
	size_t gap = 0;

	for (size_t i = 0; i + what.n <= s.n;) {
		const char *q = memchr(s.p + i, what.p[0], s.n - i);

		if (!q || (i = (size_t)(q - s.p)) + what.n > s.n)
			break;
		if (memcmp(q, what.p, what.n) != 0) {
			i++;
			continue;
		}
		if (gap != i)
			cut(k, gap, i, false);
		cut(k, i, i + what.n, true);
		gap = i += what.n;
	}
	if (gap != s.n)
		cut(k, gap, s.n, false);
	cut_end(k);
}

static bool
split_pattern(Run *r, const Step *s, const Piece *p)
{
	const Regex *re = r->t->regex[s - r->t->STEP];
	Cutter k = cutter(r, p, s->num, s->flag & 1);

	if (re)
		return cut_regex(&k, re);
	cut_string(&k, ref_span(r->t, s->a));
	return true;
}

static bool
split_bert(Run *r, const Step *s, const Piece *p)
{
	Span t = piece_span(r, p);
	size_t word = 0;
	uint32_t ch;

	(void)s;
	for (size_t i = 0, n; i < t.n; i += n) {
		n = utf8_get(t.p + i, &ch);
		if (!is_space(ch) && !is_punct(ch))
			continue;
		if (word < i)
			run_push(r, p->off + word, p->off + i, -1, 0);
		if (!is_space(ch))
			run_push(r, p->off + i, p->off + i + n, -1, 0);
		word = i + n;
	}
	if (word < t.n)
		run_push(r, p->off + word, p->off + t.n, -1, 0);
	return true;
}

static bool
split_space(Run *r, const Step *s, const Piece *p)
{
	(void)s;
	cut_class(r, p, CUT_REMOVED, is_space);
	return true;
}

static bool
split_punct(Run *r, const Step *s, const Piece *p)
{
	cut_class(r, p, s->num, is_punct);
	return true;
}

static bool
split_digits(Run *r, const Step *s, const Piece *p)
{
	cut_class(r, p, s->num, is_number);
	return true;
}

static bool
split_char(Run *r, const Step *s, const Piece *p)
{
	Cutter k = cutter(r, p, CUT_REMOVED, false);

	cut_string(&k, ref_span(r->t, s->b));
	return true;
}

static bool
split_length(Run *r, const Step *s, const Piece *p)
{
	Span t = piece_span(r, p);
	size_t i = 0, from = 0;
	uint32_t ch;

	for (uint32_t n = 0; i < t.n;) {
		i += utf8_get(t.p + i, &ch);
		if (++n < s->num && i < t.n)
			continue;
		run_push(r, p->off + from, p->off + i, -1,
		         from == 0 && p->first);
		from = i;
		n = 0;
	}
	return true;
}

/* Rows of RANGE cover no code point twice; none: any script. */
static uint32_t
script(const Tokenizer *t, uint32_t ch)
{
	size_t lo = 0, hi = t->n[SEC_RANGE];

	if (ch == ' ' || is_scriptless(ch))
		return 0;
	if (ch == 0x589 || ch == 0x61c) /* until Unicode 9 */
		return SCRIPT_COMMON;
	if (ch == 0x30fc) /* the mark of long vowels, as SentencePiece */
		return SCRIPT_HAN;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const ScriptRange *x = t->RANGE + mid;

		if (ch < x->from)
			hi = mid;
		else if (ch > x->to)
			lo = mid + 1;
		else
			return x->script;
	}
	return 0;
}

/* Script 0 goes with what is before it; a text that starts with it loses
 * that part, as it does in the reference library. */
static bool
split_scripts(Run *r, const Step *s, const Piece *p)
{
	Span t = piece_span(r, p);
	uint32_t last = 0, now, ch;
	size_t from = 0;
	bool open = false;

	(void)s;
	for (size_t i = 0, n; i < t.n; i += n) {
		n = utf8_get(t.p + i, &ch);
		now = script(r->t, ch);
		if (now && now != last) {
			if (open)
				run_push(r, p->off + from, p->off + i, -1,
				         from == 0 && p->first);
			from = i;
			open = true;
		}
		if (now)
			last = now;
	}
	if (open)
		run_push(r, p->off + from, p->off + t.n, -1,
		         from == 0 && p->first);
	return true;
}

/* A step that writes: the new text ends up behind what is there. */
static Buf *
writing(Run *r)
{
	return r->buf[r->turn];
}

/* The prefix comes before the pattern cuts, the alphabet after it, so the
 * parser makes up to three steps of one ByteLevel. */
static bool
split_bytes(Run *r, const Step *s, const Piece *p)
{
	Buf *out = writing(r);
	Span t = piece_span(r, p);
	size_t from = out->n;

	if (s->flag & BYTES_PREFIX && t.p[0] != ' ')
		buf_char(out, ' ');
	if (s->flag & BYTES_SPREAD)
		bytes_spread(t, out);
	else
		buf_add(out, t.p, t.n);
	run_push(r, from, out->n, -1, p->first);
	return true;
}

static bool
starts(Span s, Span what)
{
	return s.n >= what.n && memcmp(s.p, what.p, what.n) == 0;
}

/* Blanks become the replacement, which may also be put in front; then every
 * one starts a piece. */
static bool
split_meta(Run *r, const Step *s, const Piece *p)
{
	Span t = piece_span(r, p), mark = ref_span(r->t, s->b);
	Buf *out = writing(r);
	size_t from = out->n, at;

	if ((s->num == META_ALWAYS || (s->num == META_FIRST && p->first)) &&
	    t.p[0] != ' ' && !starts(t, mark))
		buf_add(out, mark.p, mark.n);
	at = from;
	for (size_t i = 0, n; i < t.n; i += n) {
		uint32_t ch;
		bool edge;

		n = utf8_get(t.p + i, &ch);
		edge = ch == ' ' || starts((Span){t.p + i, t.n - i}, mark);
		if (edge && s->flag && out->n > at) {
			run_push(r, at, out->n, -1, at == from && p->first);
			at = out->n;
		}
		if (edge)
			buf_add(out, mark.p, mark.n);
		else
			buf_add(out, t.p + i, n);
	}
	run_push(r, at, out->n, -1, at == from && p->first);
	return true;
}

static const struct {
	SplitFn *run;
} run_of[] = {
#define SPLIT(type, parse, run) {run},
#include "steps.def"
};

static bool
writes(const Step *s)
{
	return s->kind == SPLIT_ByteLevel || s->kind == SPLIT_Metaspace;
}

static bool
split_once(Run *r, const Step *s)
{
	Buf *out = r->buf[r->turn];

	if (writes(s))
		buf_clear(out);
	for (size_t i = 0; i < r->npiece; i++) {
		const Piece *p = r->piece + i;

		if (p->id >= 0)
			run_push(r, p->off, p->off + p->n, p->id, p->first);
		else if (!run_of[s->kind].run(r, s, p))
			return false;
	}
	run_swap(r);
	if (writes(s)) {
		if (out->n > GROWN_MAX)
			return fail(r->c, QE_INPUT,
			            "text grows to %zu bytes, limit %d", out->n,
			            GROWN_MAX);
		r->text = (Span){out->p, out->n};
		r->turn ^= 1;
	}
	return true;
}

/* The alphabet of bytes comes last almost always, and then the model can
 * write it word by word, for the words that it has to look at. */
bool
split_all(Run *r)
{
	const uint32_t *at = r->t->meta->phase;
	size_t end = at[PHASE_SPLIT + 1];
	const Step *last = r->t->STEP + end - 1;

	r->spread = end > at[PHASE_SPLIT] && last->kind == SPLIT_ByteLevel &&
	            last->flag == BYTES_SPREAD;
	for (size_t i = at[PHASE_SPLIT]; i < end - r->spread; i++)
		if (!split_once(r, r->t->STEP + i))
			return false;
	return true;
}
