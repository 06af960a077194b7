/* SPDX-License-Identifier: BSD-3-Clause
 * tok_norm.c - normalizers: text to text.
 *
 * Each leaves the text alone or writes it anew.  Text.first follows what the
 * reference library derives from its alignments: whether the first byte comes
 * from the first of the original, for the one later step that asks. */

#include "tok.h"

typedef bool NormFn(Run *, const Step *, Text *);
#define NORM(type, parse, run) static NormFn run;
#include "steps.def"

static Buf *
begin(Text *t)
{
	Buf *b = t->buf[t->turn];

	buf_clear(b);
	return b;
}

static bool
end(Text *t)
{
	Buf *b = t->buf[t->turn];

	t->s = (Span){b->p, b->n};
	t->turn ^= 1;
	return true;
}

/* Keeps the characters for which keep() holds, changed by change(). */
static bool
filter(Text *t, bool (*keep)(uint32_t), uint32_t (*change)(uint32_t))
{
	Sink out = {.to = begin(t)};
	uint32_t ch;

	for (size_t i = 0, n; i < t->s.n; i += n) {
		n = utf8_get(t->s.p + i, &ch);
		if (keep(ch))
			sink_rune(&out, change ? change(ch) : ch);
		else if (i == 0)
			t->first = false;
	}
	sink_end(&out);
	return end(t);
}

static bool
form(Run *r, Text *t, int how)
{
	if (is_ascii(t->s))
		return true;
	return text_form(r->c, t->s, how, begin(t)) && end(t);
}

static bool
norm_nfc(Run *r, const Step *s, Text *t)
{
	(void)s;
	return form(r, t, FORM_COMPOSE);
}

static bool
norm_nfd(Run *r, const Step *s, Text *t)
{
	(void)s;
	return form(r, t, 0);
}

static bool
norm_nfkc(Run *r, const Step *s, Text *t)
{
	(void)s;
	return form(r, t, FORM_COMPOSE | FORM_COMPAT);
}

static bool
norm_nfkd(Run *r, const Step *s, Text *t)
{
	(void)s;
	return form(r, t, FORM_COMPAT);
}

static bool
norm_lower(Run *r, const Step *s, Text *t)
{
	Sink out = {.to = begin(t)};
	uint32_t ch, two[2];

	(void)r;
	(void)s;
	for (size_t i = 0; i < t->s.n;) {
		i += utf8_get(t->s.p + i, &ch);
		if (ch < 0x80) {
			sink_rune(&out, ch >= 'A' && ch <= 'Z' ? ch + 32 : ch);
			continue;
		}
		for (int k = 0, n = rune_lower(ch, two); k < n; k++)
			sink_rune(&out, two[k]);
	}
	sink_end(&out);
	return end(t);
}

static bool
not_mark(uint32_t c)
{
	return !is_mark(c);
}

static bool
not_accent(uint32_t c)
{
	return !is_accent(c);
}

static bool
norm_unmark(Run *r, const Step *s, Text *t)
{
	(void)r;
	(void)s;
	return is_ascii(t->s) || filter(t, not_mark, NULL);
}

static bool
norm_strip(Run *r, const Step *s, Text *t)
{
	const char *p = t->s.p, *q = p + t->s.n, *back;
	uint32_t ch;

	(void)r;
	if (s->flag & 1)
		for (size_t n; p < q; p += n) {
			n = utf8_get(p, &ch);
			if (!is_space(ch))
				break;
		}
	if (s->flag & 2)
		for (; p < q; q = back) {
			back = utf8_back(p, q);
			utf8_get(back, &ch);
			if (!is_space(ch))
				break;
		}
	t->first &= p == t->s.p;
	t->s = (Span){p, (size_t)(q - p)};
	return true;
}

static bool
norm_prepend(Run *r, const Step *s, Text *t)
{
	Span what = ref_span(r->t, s->b);
	Buf *out;

	if (t->s.n == 0)
		return true;
	out = begin(t);
	buf_add(out, what.p, what.n);
	buf_add(out, t->s.p, t->s.n);
	return end(t);
}

/* The first byte after a match at 0 was replaced: new characters count as
 * part of the last one that went. */
static void
replaced_first(Text *t, size_t to, size_t put)
{
	uint32_t ch;

	if (to > 0)
		t->first &= put > 0 && to == utf8_get(t->s.p, &ch);
}

static bool
replace_text(Text *t, Span what, Span with)
{
	Buf *out = begin(t);
	const char *p = t->s.p, *end_ = p + t->s.n, *q;

	while (p < end_) {
		q = p;
		while ((q = memchr(q, what.p[0], (size_t)(end_ - q))) &&
		       ((size_t)(end_ - q) < what.n ||
		        memcmp(q, what.p, what.n) != 0))
			if (++q == end_) {
				q = NULL;
				break;
			}
		if (!q)
			break;
		if (q == t->s.p)
			replaced_first(t, what.n, with.n);
		buf_add(out, p, (size_t)(q - p));
		buf_add(out, with.p, with.n);
		p = q + what.n;
	}
	buf_add(out, p, (size_t)(end_ - p));
	return end(t);
}

static bool
norm_replace(Run *r, const Step *s, Text *t)
{
	const Regex *re = r->t->regex[s - r->t->STEP];
	Span with = ref_span(r->t, s->b);
	Scan k = {.s = t->s};
	size_t done = 0;
	Buf *out;
	int rc;

	if (t->s.n == 0)
		return true;
	if (!re)
		return replace_text(t, ref_span(r->t, s->a), with);
	out = begin(t);
	while ((rc = regex_next(r->c, r->match, re, &k)) > 0) {
		if (k.from == 0)
			replaced_first(t, k.to, with.n);
		buf_add(out, t->s.p + done, k.from - done);
		buf_add(out, with.p, with.n);
		done = k.to;
	}
	buf_add(out, t->s.p + done, t->s.n - done);
	return rc == 0 && end(t);
}

/* What SentencePiece's nmt rules drop, and what they make a blank. */
static bool
nmt_keep(uint32_t c)
{
	return !((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) ||
	         c == 0x7f || c == 0x8f || c == 0x9f);
}

static uint32_t
nmt_change(uint32_t c)
{
	static const uint32_t blank[] = {0x09,   0x0a,   0x0c,   0x0d,
	                                 0x1680, 0x2028, 0x2029, 0x2581,
	                                 0xfeff, 0xfffd};

	if (c >= 0x200b && c <= 0x200f)
		return ' ';
	for (size_t i = 0; i < LEN(blank); i++)
		if (c == blank[i])
			return ' ';
	return c;
}

static bool
norm_nmt(Run *r, const Step *s, Text *t)
{
	(void)r;
	(void)s;
	return filter(t, nmt_keep, nmt_change);
}

static bool
clean_keep(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' ||
	       (c != 0 && c != BAD_CHAR && !is_other(c));
}

static uint32_t
clean_change(uint32_t c)
{
	return is_space(c) ? ' ' : c;
}

static bool
space_han(Text *t)
{
	Sink out = {.to = begin(t)};
	uint32_t ch;

	for (size_t i = 0; i < t->s.n;) {
		bool han;

		i += utf8_get(t->s.p + i, &ch);
		han = is_han(ch);
		if (han)
			sink_rune(&out, ' ');
		sink_rune(&out, ch);
		if (han)
			sink_rune(&out, ' ');
	}
	sink_end(&out);
	return end(t);
}

static bool
norm_bert(Run *r, const Step *s, Text *t)
{
	bool plain = is_ascii(t->s);

	if (s->flag & 1)
		filter(t, clean_keep, clean_change);
	if (s->flag & 2 && !plain)
		space_han(t);
	if (s->flag & 4 && !plain) {
		if (!form(r, t, 0))
			return false;
		filter(t, not_accent, NULL);
	}
	return !(s->flag & 8) || norm_lower(r, s, t);
}

static bool
norm_bytes(Run *r, const Step *s, Text *t)
{
	(void)r;
	(void)s;
	bytes_spread(t->s, begin(t));
	return end(t);
}

/* One unit of the double array (Darts): a label or a value, and how far its
 * children are. */
static uint32_t
unit(Span map, size_t at)
{
	uint32_t u;

	memcpy(&u, map.p + at * sizeof u, sizeof u);
	return u;
}

static size_t
unit_step(uint32_t u)
{
	return (u >> 10) << ((u & 1u << 9) >> 6);
}

/* The replacement of the shortest prefix of key that has one, {NULL} if none:
 * the reference takes the first hit, not the longest. */
static Span
charsmap_find(Span units, Span strings, Span key)
{
	size_t n = units.n / sizeof(uint32_t), at = 0, from;
	const char *stop;
	uint32_t u;
	Span to;

	if (n == 0)
		return (Span){0};
	at = unit_step(unit(units, 0));
	for (size_t i = 0; i < key.n && key.p[i]; i++) {
		at ^= (unsigned char)key.p[i];
		if (at >= n)
			break;
		u = unit(units, at);
		if ((u & (1u << 31 | 0xff)) != (unsigned char)key.p[i])
			break;
		at ^= unit_step(u);
		if (at >= n)
			break;
		if (!(u >> 8 & 1))
			continue;
		from = unit(units, at) & ~(1u << 31);
		if (from > strings.n)
			break;
		stop = memchr(strings.p + from, 0, strings.n - from);
		to = (Span){strings.p + from,
		            stop ? (size_t)(stop - strings.p) - from
		                 : strings.n - from};
		return utf8_valid(to) == to.n ? to : (Span){0};
	}
	return (Span){0};
}

enum { GRAPHEME_MAX = 6 }; /* longer ones go character by character */

/* A cluster without a replacement of its own. */
static void
map_each(Sink *out, Span units, Span strings, Span s)
{
	uint32_t ch;

	for (size_t i = 0, n; i < s.n; i += n) {
		Span one = {s.p + i, n = utf8_get(s.p + i, &ch)};
		Span to = charsmap_find(units, strings, one);

		sink_span(out, to.p ? to : one);
	}
}

static bool
norm_charsmap(Run *r, const Step *s, Text *t)
{
	Span units = ref_span(r->t, s->a), strings = ref_span(r->t, s->b);
	Sink out = {.to = begin(t)};
	Span rest = t->s, one, to;
	size_t n;

	for (; rest.n > 0; rest = (Span){rest.p + n, rest.n - n}) {
		n = grapheme_len(rest);
		one = (Span){rest.p, n};
		to = (Span){0};
		if (n < GRAPHEME_MAX)
			to = charsmap_find(units, strings, one);
		if (to.p)
			sink_span(&out, to);
		else if (n == 1)
			sink_span(&out, one);
		else
			map_each(&out, units, strings, one);
	}
	sink_end(&out);
	return end(t);
}

static NormFn *const run_of[] = {
#define NORM(type, parse, run) run,
#include "steps.def"
};

bool
normalize(Run *r, Text *t)
{
	const uint32_t *at = r->t->meta->phase;

	for (size_t i = at[PHASE_NORM]; i < at[PHASE_NORM + 1]; i++) {
		const Step *s = r->t->STEP + i;

		if (!run_of[s->kind](r, s, t))
			return false;
		if (t->s.n > GROWN_MAX)
			return fail(r->c, QE_INPUT,
			            "text grows to %zu bytes, limit %d", t->s.n,
			            GROWN_MAX);
	}
	return true;
}
