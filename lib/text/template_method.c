/* SPDX-License-Identifier: BSD-3-Clause
 * template_method.c - methods of strings: METHOD rows of template.def with
 * STR_.  Lengths and positions are code points outside, bytes inside. */

#include "template_impl.h"

#define METHOD_FN(id)                                                          \
	bool tpl_m_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)

/* Undefined is named; of other values the type is. */
static bool
want_str(Tpl *t, const char *method, Val v)
{
	if (v.kind == K_STR)
		return true;
	if (v.kind == K_UNDEF)
		return tpl_undef_error(t, v.u);
	return tpl_fail(t, "%s() wants a string, not '%s'", method,
	                tpl_type(v));
}

/* An integer argument, or none if it is not given (or None). */
static bool
want_int(Tpl *t, const char *method, Val v, int64_t none, int64_t *out)
{
	*out = none;
	if (v.kind == K_MISSING || v.kind == K_NONE || tpl_as_int(v, out))
		return true;
	return tpl_fail(t, "%s() wants an integer, not '%s'", method,
	                tpl_type(v));
}

/* ---- case and classes ---- */

#define CASE(id, call)                                                         \
	METHOD_FN(id)                                                          \
	{                                                                      \
		(void)a, (void)all;                                            \
		return call;                                                   \
	}

CASE(capitalize, tpl_capitalize(t, self.s, out))
CASE(casefold, tpl_casefold(t, self.s, out))
CASE(lower, tpl_lower(t, self.s, out))
CASE(swapcase, tpl_swapcase(t, self.s, out))
CASE(title, tpl_title(t, self.s, true, out))
CASE(upper, tpl_upper(t, self.s, out))

#define CLASS(name)                                                            \
	METHOD_FN(is##name)                                                    \
	{                                                                      \
		(void)a, (void)all;                                            \
		*out = V_BOOL(tpl_is_class(self.s, #name));                    \
		return tpl_work(t, self.s->n * 4);                             \
	}

CLASS(alnum)
CLASS(alpha)
CLASS(ascii)
CLASS(decimal)
CLASS(digit)
CLASS(lower)
CLASS(numeric)
CLASS(printable)
CLASS(space)
CLASS(title)
CLASS(upper)

/* ---- stripping and padding ---- */

/* None as the set means blanks, as no argument does. */
static bool
strip(Tpl *t, const Str *s, Val chars, bool left, bool right, Val *out)
{
	const Str *set = chars.kind == K_STR ? chars.s : NULL;
	Span x;

	if (chars.kind != K_MISSING && chars.kind != K_NONE &&
	    !want_str(t, "strip", chars))
		return false;
	if (!tpl_work(t, set ? s->n * MIN(set->n, (size_t)1000) : s->n))
		return false;
	x = tpl_strip(tpl_span(s), set, left, right);
	return tpl_part(t, s, x.p, x.n, out);
}

METHOD_FN(strip)
{
	(void)all;
	return strip(t, self.s, a[0], true, true, out);
}

METHOD_FN(lstrip)
{
	(void)all;
	return strip(t, self.s, a[0], true, false, out);
}

METHOD_FN(rstrip)
{
	(void)all;
	return strip(t, self.s, a[0], false, true, out);
}

static void
fill(Buf *b, int64_t n, const char *p, size_t size)
{
	for (; n > 0; n--)
		buf_add(b, p, size);
}

/* where: -1 pads on the right, 1 on the left, 0 both */
static bool
pad(Tpl *t, const Str *s, const Val *a, int where, Val *out)
{
	int64_t width, room, left;
	Str ch = {.p = " ", .n = 1, .len = 1};
	size_t total;
	Buf *b;

	if (!want_int(t, "padding", a[0], 0, &width) ||
	    (a[1].kind != K_MISSING && !want_str(t, "padding", a[1])))
		return false;
	if (a[1].kind == K_STR)
		ch = *a[1].s;
	if (ch.len != 1)
		return tpl_fail(t, "the fill is not one character");
	room = width > (int64_t)s->len ? width - (int64_t)s->len : 0;
	if (__builtin_mul_overflow((size_t)room, ch.n, &total) ||
	    total > SIZE_MAX - s->n)
		total = SIZE_MAX - s->n;
	if (!tpl_room(t, total + s->n) || !(b = tpl_buf(t)))
		return false;
	/* the odd one goes where CPython puts it */
	left = where > 0 ? room : where < 0 ? 0 : room / 2 + (room & width & 1);
	fill(b, left, ch.p, ch.n);
	buf_add(b, s->p, s->n);
	fill(b, room - left, ch.p, ch.n);
	return tpl_take(t, b, out);
}

METHOD_FN(center)
{
	(void)all;
	return pad(t, self.s, a, 0, out);
}

METHOD_FN(ljust)
{
	(void)all;
	return pad(t, self.s, a, -1, out);
}

METHOD_FN(rjust)
{
	(void)all;
	return pad(t, self.s, a, 1, out);
}

/* Zeros go behind a sign. */
METHOD_FN(zfill)
{
	bool sign = self.s->n && (*self.s->p == '-' || *self.s->p == '+');
	Val args[2] = {a[0]}, head, rest;
	int64_t width;

	(void)all;
	if (!want_int(t, "zfill", a[0], 0, &width) ||
	    !tpl_strz(t, "0", &args[1]))
		return false;
	if (!sign)
		return pad(t, self.s, args, 1, out);
	args[0] = V_INT(width > 0 ? width - 1 : 0);
	return tpl_part(t, self.s, self.s->p, 1, &head) &&
	       tpl_part(t, self.s, self.s->p + 1, self.s->n - 1, &rest) &&
	       pad(t, rest.s, args, 1, &rest) &&
	       tpl_join2(t, head.s, rest.s, out);
}

/* A column is a character; line breaks begin anew. */
METHOD_FN(expandtabs)
{
	int64_t size, column = 0;
	Buf *b = tpl_buf(t);

	(void)all;
	if (!b || !want_int(t, "expandtabs", a[0], 8, &size))
		return false;
	size = MAX(size, 0);
	for (size_t i = 0; i < self.s->n; i++) {
		char ch = self.s->p[i];
		int64_t n = size && ch == '\t' ? size - column % size : 0;

		if (!tpl_room(t, b->n + (size_t)n))
			return false;
		if (ch == '\t')
			fill(b, n, " ", 1);
		else
			buf_char(b, ch);
		column = ch == '\n' || ch == '\r'             ? 0
		         : ch == '\t'                         ? column + n
		         : ((unsigned char)ch & 0xc0) != 0x80 ? column + 1
		                                              : column;
	}
	return tpl_take(t, b, out);
}

/* ---- finding ---- */

/* The part [start, end) of s as bytes; false: start lies behind s. */
static bool
window(Tpl *t, const Str *s, Val start, Val end, Span *out, bool *ok)
{
	int64_t len = (int64_t)s->len, i, j;
	size_t from, to;

	*ok = want_int(t, "find", start, 0, &i) &&
	      want_int(t, "find", end, len, &j);
	if (!*ok)
		return false;
	i = i < 0 ? MAX(i < -len ? 0 : i + len, 0) : i;
	j = j < 0 ? MAX(j < -len ? 0 : j + len, 0) : MIN(j, len);
	if (i > len || i > j)
		return false;
	from = tpl_offset(s, (size_t)i);
	to = tpl_offset(s, (size_t)j);
	*out = (Span){s->p + from, to - from};
	return true;
}

/* A tuple holds alternatives, any of which will do. */
static bool
affix(Tpl *t, const Str *s, const Val *a, bool end, Val *out)
{
	Val list = a[0];
	Seq one = {.v = &list, .n = 1};
	const Seq *q = a[0].kind == K_TUPLE ? a[0].q : &one;
	bool ok, inside;
	Span w;

	inside = window(t, s, a[1], a[2], &w, &ok);
	if (!ok)
		return false;
	*out = V_BOOL(false);
	for (size_t i = 0; i < q->n && !out->b; i++) {
		const Str *x = q->v[i].s;

		if (!want_str(t, end ? "endswith" : "startswith", q->v[i]))
			return false;
		out->b = inside && x->n <= w.n &&
		         memcmp(end ? w.p + w.n - x->n : w.p, x->p, x->n) == 0;
	}
	return true;
}

METHOD_FN(startswith)
{
	(void)all;
	return affix(t, self.s, a, false, out);
}

METHOD_FN(endswith)
{
	(void)all;
	return affix(t, self.s, a, true, out);
}

/* The last place of what in s, or s.n + 1. */
static size_t
find_last(Tpl *t, Span s, Span what)
{
	size_t i = s.n - what.n;

	if (what.n > s.n || !tpl_work(t, s.n))
		return s.n + 1;
	for (;; i--) {
		if (memcmp(s.p + i, what.p, what.n) == 0)
			return i;
		if (!i || !tpl_work(t, what.n))
			return s.n + 1;
	}
}

/* In code points; -1 if it is not there. */
static bool
find(Tpl *t, const Str *s, const Val *a, bool last, Val *out)
{
	bool ok, inside;
	size_t at, n = 0;
	Span w;

	if (!want_str(t, "find", a[0]))
		return false;
	inside = window(t, s, a[1], a[2], &w, &ok);
	*out = V_INT(-1);
	if (!inside)
		return ok;
	at = last ? find_last(t, w, tpl_span(a[0].s))
	          : tpl_find(t, w, tpl_span(a[0].s), 0);
	if (at > w.n)
		return tpl_ok(t);
	for (const char *p = s->p; p < w.p + at; p++)
		n += ((unsigned char)*p & 0xc0) != 0x80;
	*out = V_INT((int64_t)n);
	return true;
}

METHOD_FN(find)
{
	(void)all;
	return find(t, self.s, a, false, out);
}

METHOD_FN(rfind)
{
	(void)all;
	return find(t, self.s, a, true, out);
}

METHOD_FN(index)
{
	(void)all;
	return find(t, self.s, a, false, out) &&
	       (out->i >= 0 || tpl_fail(t, "index(): substring not found"));
}

METHOD_FN(rindex)
{
	(void)all;
	return find(t, self.s, a, true, out) &&
	       (out->i >= 0 || tpl_fail(t, "rindex(): substring not found"));
}

/* An empty string is found before each character and at the end. */
METHOD_FN(count)
{
	bool ok, inside;
	int64_t n = 0;
	Span w, x;

	(void)all;
	if (!want_str(t, "count", a[0]))
		return false;
	inside = window(t, self.s, a[1], a[2], &w, &ok);
	x = tpl_span(a[0].s);
	if (inside && !x.n) {
		for (size_t i = 0; i < w.n; i++)
			n += ((unsigned char)w.p[i] & 0xc0) != 0x80;
		n++;
	} else if (inside) {
		for (size_t i = 0; (i = tpl_find(t, w, x, i)) <= w.n; n++)
			i += x.n;
	}
	*out = V_INT(n);
	return ok && tpl_ok(t);
}

/* ---- splitting and joining ---- */

static bool
push_part(Tpl *t, const Str *s, const char *p, size_t n, Seq *to)
{
	Val v;

	return tpl_part(t, s, p, n, &v) && tpl_push(t, to, v);
}

/* On runs of blanks; at most max times, the rest stays whole. */
static bool
split_blank(Tpl *t, const Str *s, int64_t max, Seq *to)
{
	const char *p = s->p, *end = s->p + s->n, *q;
	size_t n;

	for (;;) {
		while (p < end && tpl_space(tpl_code(p, &n)))
			p += n;
		if (p == end)
			return true;
		if (max-- == 0) /* what follows keeps its blanks */
			return push_part(t, s, p, (size_t)(end - p), to);
		for (q = p; q < end && !tpl_space(tpl_code(q, &n)); q += n)
			;
		if (!push_part(t, s, p, (size_t)(q - p), to))
			return false;
		p = q;
	}
}

/* The same from the right; *to is in reverse. */
static bool
rsplit_blank(Tpl *t, const Str *s, int64_t max, Seq *to)
{
	Span x = tpl_span(s);
	size_t end;

	for (;;) {
		x = tpl_strip(x, NULL, false, true);
		if (!x.n)
			return true;
		if (max-- == 0)
			return push_part(t, s, x.p, x.n, to);
		end = x.n;
		while (x.n) {
			size_t n = 1, len;

			while (((unsigned char)x.p[x.n - n] & 0xc0) == 0x80)
				n++;
			if (tpl_space(tpl_code(x.p + x.n - n, &len)))
				break;
			x.n -= n;
		}
		if (!push_part(t, s, x.p + x.n, end - x.n, to))
			return false;
	}
}

static bool
split_at(Tpl *t, const Str *s, Span sep, int64_t max, Seq *to)
{
	Span all = tpl_span(s);
	size_t from = 0, at;

	while (max-- != 0 && (at = tpl_find(t, all, sep, from)) <= all.n) {
		if (!push_part(t, s, s->p + from, at - from, to))
			return false;
		from = at + sep.n;
	}
	return tpl_ok(t) && push_part(t, s, s->p + from, s->n - from, to);
}

/* As split_at() from the right, in reverse. */
static bool
rsplit_at(Tpl *t, const Str *s, Span sep, int64_t max, Seq *to)
{
	Span x = tpl_span(s);
	size_t at;

	while (max-- != 0 && (at = find_last(t, x, sep)) <= x.n) {
		if (!push_part(t, s, x.p + at + sep.n, x.n - at - sep.n, to))
			return false;
		x.n = at;
	}
	return tpl_ok(t) && push_part(t, s, x.p, x.n, to);
}

static void
turn_round(Seq *q)
{
	for (size_t i = 0; i < q->n / 2; i++) {
		Val v = q->v[i];

		q->v[i] = q->v[q->n - 1 - i];
		q->v[q->n - 1 - i] = v;
	}
}

/* Without a separator, runs of blanks separate and none is left at the ends. */
static bool
split(Tpl *t, const Str *s, const Val *a, bool right, Val *out)
{
	bool blank = a[0].kind == K_MISSING || a[0].kind == K_NONE, ok;
	int64_t max;

	if ((!blank && !want_str(t, "split", a[0])) ||
	    !want_int(t, "split", a[1], -1, &max) || !tpl_seq(t, K_LIST, out))
		return false;
	if (!blank && !a[0].s->n)
		return tpl_fail(t, "split(): empty separator");
	if (max < 0)
		max = INT64_MAX;
	if (blank)
		ok = right ? rsplit_blank(t, s, max, out->q)
		           : split_blank(t, s, max, out->q);
	else
		ok = right ? rsplit_at(t, s, tpl_span(a[0].s), max, out->q)
		           : split_at(t, s, tpl_span(a[0].s), max, out->q);
	if (right)
		turn_round(out->q);
	return ok;
}

METHOD_FN(split)
{
	(void)all;
	return split(t, self.s, a, false, out);
}

METHOD_FN(rsplit)
{
	(void)all;
	return split(t, self.s, a, true, out);
}

/* A break at the very end begins no further line. */
METHOD_FN(splitlines)
{
	const char *p = self.s->p, *end = p + self.s->n, *stop, *next;
	bool keep = tpl_truth(a[0]);

	(void)all;
	if (!tpl_seq(t, K_LIST, out))
		return false;
	for (; p < end; p = next) {
		stop = tpl_line_end(p, end, &next);
		if (!push_part(t, self.s, p, (size_t)((keep ? next : stop) - p),
		               out->q))
			return false;
	}
	return true;
}

/* Before, separator, after; without one: all of it and two empty strings. */
static bool
partition(Tpl *t, const Str *s, Val sep, bool right, Val *out)
{
	size_t at;
	const char *e = s->p + s->n;

	if (!want_str(t, "partition", sep))
		return false;
	if (!sep.s->n)
		return tpl_fail(t, "partition(): empty separator");
	at = right ? find_last(t, tpl_span(s), tpl_span(sep.s))
	           : tpl_find(t, tpl_span(s), tpl_span(sep.s), 0);
	if (!tpl_ok(t) || !tpl_seq(t, K_TUPLE, out))
		return false;
	if (at > s->n)
		return push_part(t, s, right ? e : s->p, right ? 0 : s->n,
		                 out->q) &&
		       push_part(t, s, e, 0, out->q) &&
		       push_part(t, s, right ? s->p : e, right ? s->n : 0,
		                 out->q);
	return push_part(t, s, s->p, at, out->q) &&
	       push_part(t, s, s->p + at, sep.s->n, out->q) &&
	       push_part(t, s, s->p + at + sep.s->n, s->n - at - sep.s->n,
	                 out->q);
}

METHOD_FN(partition)
{
	(void)all;
	return partition(t, self.s, a[0], false, out);
}

METHOD_FN(rpartition)
{
	(void)all;
	return partition(t, self.s, a[0], true, out);
}

METHOD_FN(join)
{
	Buf *b = tpl_buf(t);
	bool later = false;
	Iter *it;
	Val v;

	(void)all;
	if (!b || !tpl_iter(t, a[0], &it))
		return false;
	for (; tpl_next(t, it, &v); later = true)
		if (!want_str(t, "join", v) ||
		    (later && !tpl_print(t, b, self)) || !tpl_print(t, b, v))
			return false;
	return tpl_ok(t) && tpl_take(t, b, out);
}

/* What is put in is not searched again. */
METHOD_FN(replace)
{
	Span s = tpl_span(self.s), old, new;
	int64_t max;
	size_t from = 0, at, len;
	Buf *b = tpl_buf(t);

	(void)all;
	if (!b || !want_str(t, "replace", a[0]) ||
	    !want_str(t, "replace", a[1]) ||
	    !want_int(t, "replace", a[2], -1, &max))
		return false;
	old = tpl_span(a[0].s);
	new = tpl_span(a[1].s);
	while (max-- != 0 && (at = tpl_find(t, s, old, from)) <= s.n) {
		if (!tpl_room(t, b->n + at - from + new.n) ||
		    !tpl_work(t, new.n))
			return false;
		buf_add(b, s.p + from, at - from);
		buf_add(b, new.p, new.n);
		from = at + old.n;
		if (old.n)
			continue;
		if (from == s.n) /* nothing is found before each character */
			break;
		tpl_code(s.p + from, &len);
		buf_add(b, s.p + from, len);
		from += len;
	}
	buf_add(b, s.p + from, s.n - from);
	return tpl_ok(t) && tpl_room(t, b->n) && tpl_take(t, b, out);
}

METHOD_FN(removeprefix)
{
	const Str *s = self.s, *x = a[0].s;
	bool has;

	(void)all;
	if (!want_str(t, "removeprefix", a[0]))
		return false;
	has = x->n <= s->n && memcmp(s->p, x->p, x->n) == 0;
	return tpl_part(t, s, s->p + (has ? x->n : 0), s->n - (has ? x->n : 0),
	                out);
}

METHOD_FN(removesuffix)
{
	const Str *s = self.s, *x = a[0].s;
	bool has;

	(void)all;
	if (!want_str(t, "removesuffix", a[0]))
		return false;
	has = x->n <= s->n && memcmp(s->p + s->n - x->n, x->p, x->n) == 0;
	return tpl_part(t, s, s->p, s->n - (has ? x->n : 0), out);
}

METHOD_FN(format)
{
	(void)a;
	return tpl_str_format(t, self.s, all, out);
}
