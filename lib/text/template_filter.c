/* SPDX-License-Identifier: BSD-3-Clause
 * template_filter.c - filters of strings and single values; those of
 * sequences are in template_seq.c.  FILTER rows of template.def. */

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "template_impl.h"

#define FILTER_FN(id)                                                          \
	bool tpl_f_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)

/* A filter that is a method of the value's string. */
static bool
as_method(Tpl *t, TplFn *fn, Val self, const Val *a, const Args *all, Val *out)
{
	return tpl_to_str(t, self, &self) && fn(t, self, a, all, out);
}

FILTER_FN(capitalize)
{
	return as_method(t, tpl_m_capitalize, self, a, all, out);
}

FILTER_FN(lower)
{
	return as_method(t, tpl_m_lower, self, a, all, out);
}

FILTER_FN(upper)
{
	return as_method(t, tpl_m_upper, self, a, all, out);
}

FILTER_FN(trim)
{
	return as_method(t, tpl_m_strip, self, a, all, out);
}

FILTER_FN(center)
{
	Val width[2] = {a[0].kind == K_MISSING ? V_INT(80) : a[0]};

	return as_method(t, tpl_m_center, self, width, all, out);
}

FILTER_FN(title)
{
	(void)a, (void)all;
	return tpl_to_str(t, self, &self) && tpl_title(t, self.s, false, out);
}

/* str() is taken of all three, so numbers can be replaced, too. */
FILTER_FN(replace)
{
	Val arg[3] = {a[0], a[1], a[2]};
	Str plain;

	for (int i = 0; i < 2; i++)
		if (!tpl_to_str(t, arg[i], &arg[i]))
			return false;
	if (arg[2].kind == K_NONE)
		arg[2] = V_MISSING;
	if (!tpl_to_str(t, self, &self))
		return false;
	plain = *self.s; /* str() of what is safe is not safe */
	plain.safe = false;
	self.s = &plain;
	return tpl_m_replace(t, self, arg, all, out);
}

FILTER_FN(string)
{
	(void)a, (void)all;
	return tpl_to_str(t, self, out);
}

/* Nothing is escaped when printing, but `+` heeds the mark. */
FILTER_FN(safe)
{
	Str *s = TPL_NEW(t, Str);

	(void)a, (void)all;
	if (!s || !tpl_to_str(t, self, out))
		return false;
	*s = *out->s;
	s->safe = true;
	out->s = s;
	return true;
}

FILTER_FN(escape)
{
	(void)a, (void)all;
	return tpl_escape(t, self, out);
}

/* Escapes even what is marked. */
FILTER_FN(forceescape)
{
	Str plain;

	(void)a, (void)all;
	if (!tpl_to_str(t, self, &self))
		return false;
	plain = *self.s;
	plain.safe = false;
	self.s = &plain;
	return tpl_escape(t, self, out);
}

/* The positional arguments become a tuple, the keywords a dict, as `%` wants
 * them. */
FILTER_FN(format)
{
	Val args = {.kind = K_TUPLE, .q = &(Seq){.v = all->v, .n = all->n}};
	Val key;

	(void)a;
	if (all->n && all->nkw)
		return tpl_fail(t, "format takes positional arguments or "
		                   "keywords, not both");
	if (!tpl_to_str(t, self, &self))
		return false;
	if (all->nkw) {
		args = (Val){.kind = K_DICT, .m = tpl_map(t)};
		for (size_t i = 0; args.m && i < all->nkw; i++)
			if (!tpl_strz(t, all->kw[i].name, &key) ||
			    !tpl_map_set(t, args.m, key, all->kw[i].v))
				return false;
	}
	return tpl_percent(t, self.s, args, out);
}

/* A second argument that is true replaces all that is false. */
FILTER_FN(default)
{
	bool use =
		self.kind == K_UNDEF || (tpl_truth(a[1]) && !tpl_truth(self));

	(void)all;
	*out = use ? a[0] : self;
	return out->kind != K_MISSING || tpl_strz(t, "", out);
}

/* Attributes only, never items: a dict has but its methods. */
FILTER_FN(attr)
{
	Val name;

	(void)all;
	if (!tpl_to_str(t, a[0], &name))
		return false;
	buf_clear(t->key);
	buf_add(t->key, name.s->p, name.s->n);
	if (self.kind == K_DICT && !tpl_method(self, t->key->p))
		return tpl_undef(t, self, name, out);
	return tpl_get_attr(t, self, t->key->p, out);
}

/* ---- numbers ---- */

/* A bool becomes a number. */
FILTER_FN(abs)
{
	(void)a, (void)all;
	if (!tpl_is_number(self))
		return tpl_fail(t, "abs wants a number, not '%s'",
		                tpl_type(self));
	if (self.kind == K_FLOAT ? signbit(self.f) : tpl_double(self) < 0)
		return tpl_neg(t, self, out);
	*out = self.kind == K_BOOL ? V_INT(self.b) : self;
	return true;
}

/* The text of a number without blanks around and underscores inside; NULL if
 * it is longer than any that fits. */
static char *
digits(char *buf, size_t size, const Str *s)
{
	Span x = tpl_strip(tpl_span(s), NULL, true, true);
	size_t n = 0;

	if (x.n >= size)
		return NULL;
	for (size_t i = 0; i < x.n; i++) {
		if (x.p[i] == '_' && i && i + 1 < x.n &&
		    isalnum((unsigned char)x.p[i - 1]) &&
		    isalnum((unsigned char)x.p[i + 1]))
			continue;
		if (!x.p[i])
			return NULL;
		buf[n++] = x.p[i];
	}
	buf[n] = '\0';
	return buf;
}

/* Python's float(): no hexadecimal, nan(...) or blanks inside. */
static bool
to_float(Val v, double *d)
{
	char buf[400], *s, *end;

	if (tpl_is_number(v)) {
		*d = tpl_double(v);
		return true;
	}
	if (v.kind != K_STR || !(s = digits(buf, sizeof buf, v.s)) || !*s ||
	    strpbrk(s, "xX(") || isspace((unsigned char)*s))
		return false;
	*d = strtod(s, &end);
	return !*end;
}

/* Python's int() of a string; *range: it was one, but too large. */
static bool
to_int(const Str *str, int64_t base, int64_t *i, bool *range)
{
	char buf[100], *end; /* the first is for the sign */
	char *s = digits(buf + 1, sizeof buf - 1, str);
	static const char *const marks[] = {"0b", "0o", "0x"};
	static const int bases[] = {2, 8, 16};
	bool minus;

	if (!s)
		return false;
	minus = *s == '-';
	s += *s == '-' || *s == '+';
	for (size_t k = 0; k < LEN(marks); k++)
		if (s[0] == '0' && (s[1] | 0x20) == marks[k][1] &&
		    (base == bases[k] || base == 0)) {
			s += 2;
			base = bases[k];
		}
	if (!isalnum((unsigned char)*s) || (base == 16 && strpbrk(s, "xX")))
		return false;
	base = base ? base : 10;
	memmove(buf + 1, s, strlen(s) + 1);
	buf[0] = minus ? '-' : '+';
	errno = 0;
	*i = strtoll(buf, &end, (int)base);
	*range = errno && !*end;
	return !*end && !*range;
}

/* Python would go on; to cut the number silently is no choice. */
static bool
too_large(Tpl *t)
{
	return tpl_fail(t, "an integer needs over 64 bits");
}

/* Strings are read as integers, then as floats that are cut; what is neither
 * gives the default. */
FILTER_FN(int)
{
	int64_t i = 0, base = 10;
	bool range = false;
	double d;

	(void)all;
	if (self.kind == K_UNDEF)
		return tpl_undef_error(t, self.u);
	if (a[1].kind != K_MISSING &&
	    (!tpl_as_int(a[1], &base) || base < 0 || base == 1 || base > 36))
		return tpl_fail(t, "int: the base must be 0 or 2 to 36");
	if (tpl_as_int(self, &i) ||
	    (self.kind == K_STR && to_int(self.s, base, &i, &range))) {
		*out = V_INT(i);
		return true;
	}
	if (range)
		return too_large(t);
	if (to_float(self, &d) && !isnan(d)) {
		if (!(fabs(d) < 0x1p63))
			return too_large(t);
		*out = V_INT((int64_t)d);
		return true;
	}
	*out = a[0].kind == K_MISSING ? V_INT(0) : a[0];
	return true;
}

/* As int, without the first try. */
FILTER_FN(float)
{
	double d;

	(void)all;
	if (self.kind == K_UNDEF)
		return tpl_undef_error(t, self.u);
	if (to_float(self, &d))
		*out = V_FLOAT(d);
	else
		*out = a[0].kind == K_MISSING ? V_FLOAT(0) : a[0];
	return true;
}

/* An integer to a power of ten below it, halves to the even one. */
static int64_t
round_int(int64_t i, int64_t digits10)
{
	int64_t unit = 1, rest, down;

	if (digits10 < -18)
		return 0;
	for (; digits10 < 0; digits10++)
		unit *= 10;
	rest = i % unit;
	rest += rest < 0 ? unit : 0;
	if (!rest)
		return i;
	down = i - rest;
	if (rest > unit - rest || (rest == unit - rest && down / unit % 2))
		return down > INT64_MAX - unit ? i : down + unit;
	return down;
}

/* Exact in decimal, halves to the even, as Python rounds. */
static double
round_float(double d, int64_t digits10)
{
	char text[700];

	if (isnan(d) || isinf(d) || digits10 > 300)
		return d;
	if (digits10 < -300)
		return 0 * d;
	if (digits10 < 0) {
		double unit = pow(10, (double)-digits10);

		return nearbyint(d / unit) * unit;
	}
	snprintf(text, sizeof text, "%.*f", (int)digits10, d);
	return strtod(text, NULL);
}

/* An integer stays one; ceil and floor always give a float. */
FILTER_FN(round)
{
	static const char *const methods[] = {"common", "ceil", "floor"};
	int64_t places = 0, i;
	size_t m = 0;
	double d, scale;

	(void)all;
	if (a[0].kind != K_MISSING && !tpl_as_int(a[0], &places))
		return tpl_fail(t, "round: the precision must be an integer");
	if (!tpl_is_number(self))
		return tpl_fail(t, "round wants a number, not '%s'",
		                tpl_type(self));
	if (a[1].kind == K_STR)
		while (m < 3 && (strlen(methods[m]) != a[1].s->n ||
		                 memcmp(methods[m], a[1].s->p, a[1].s->n)))
			m++;
	if (m == 3 || (a[1].kind != K_STR && a[1].kind != K_MISSING))
		return tpl_fail(t, "round: the method must be common, ceil or "
		                   "floor");
	d = tpl_double(self);
	scale = pow(10, (double)places);
	if (m)
		*out = V_FLOAT((m == 1 ? ceil(d * scale) : floor(d * scale)) /
		               scale);
	else if (tpl_as_int(self, &i))
		*out = V_INT(places < 0 ? round_int(i, places) : i);
	else
		*out = V_FLOAT(round_float(d, places));
	return true;
}

/* ---- text ---- */

/* Lines are joined with \n again; a break at the very end stays away, as one
 * is put there before splitting. */
FILTER_FN(indent)
{
	Val pad = a[0];
	bool first = tpl_truth(a[1]), blank = tpl_truth(a[2]);
	const char *p, *end, *stop, *next;
	int64_t width = 4;
	Buf *b, *spaces;

	(void)all;
	if (self.kind == K_UNDEF)
		return tpl_undef_error(t, self.u);
	if (self.kind != K_STR)
		return tpl_fail(t, "indent wants a string, not '%s'",
		                tpl_type(self));
	if (pad.kind != K_STR) {
		if (pad.kind != K_MISSING && !tpl_as_int(pad, &width))
			return tpl_fail(t, "indent: the width must be an "
			                   "integer or a string");
		width = MAX(width, 0);
		if (!tpl_room(t, (size_t)width) || !(spaces = tpl_buf(t)))
			return false;
		for (int64_t i = 0; i < width; i++)
			buf_char(spaces, ' ');
		if (!tpl_take(t, spaces, &pad))
			return false;
	}
	if (!(b = tpl_buf(t)))
		return false;
	p = self.s->p;
	end = p + self.s->n;
	if (first)
		buf_add(b, pad.s->p, pad.s->n);
	for (bool later = false;; later = true, p = next) {
		stop = tpl_line_end(p, end, &next);
		if (later) {
			buf_char(b, '\n');
			if (stop > p || blank)
				buf_add(b, pad.s->p, pad.s->n);
		}
		buf_add(b, p, (size_t)(stop - p));
		if (!tpl_work(t, b->n / 64) || !tpl_room(t, b->n))
			return false;
		if (stop == next)
			break;
	}
	return tpl_take(t, b, out);
}

/* Lengths count the end that is put on; words are cut at blanks only. */
FILTER_FN(truncate)
{
	int64_t n[2] = {255, 5}, keep;
	const int64_t at[2] = {0, 3};
	Val end = a[2], head;
	size_t cut, len;

	(void)all;
	for (int i = 0; i < 2; i++)
		if (a[at[i]].kind != K_MISSING && !tpl_as_int(a[at[i]], &n[i]))
			return tpl_fail(t, "truncate: a length must be an "
			                   "integer");
	if (end.kind == K_MISSING && !tpl_strz(t, "...", &end))
		return false;
	if (end.kind != K_STR || !tpl_length(self, &len))
		return tpl_fail(t, "truncate wants strings");
	if (n[0] < (int64_t)end.s->len || n[1] < 0)
		return tpl_fail(t, "truncate: the length is too small");
	*out = self;
	if ((int64_t)len <= n[0] || (int64_t)len - n[0] <= n[1])
		return true;
	if (self.kind != K_STR)
		return tpl_fail(t, "truncate wants strings");
	keep = n[0] - (int64_t)end.s->len;
	cut = tpl_offset(self.s, (size_t)keep);
	if (!tpl_truth(a[1]))
		for (size_t i = cut; i > 0; i--)
			if (self.s->p[i - 1] == ' ') {
				cut = i - 1;
				break;
			}
	return tpl_part(t, self.s, self.s->p, cut, &head) &&
	       tpl_add(t, head, end, out);
}

/* Words are runs of what \w matches. */
FILTER_FN(wordcount)
{
	int64_t words = 0;
	bool inside = false, is;
	size_t n;

	(void)a, (void)all;
	if (!tpl_to_str(t, self, &self) || !tpl_work(t, self.s->n * 4))
		return false;
	for (size_t i = 0; i < self.s->n; i += n) {
		Str one = {.p = self.s->p + i};

		tpl_code(one.p, &n);
		one.n = n;
		is = *one.p == '_' || tpl_is_class(&one, "alnum");
		words += is && !inside;
		inside = is;
	}
	*out = V_INT(words);
	return true;
}

/* A query writes blanks as plus and escapes slashes, a path does not. */
static void
quote_url(Buf *b, const Str *s, bool query)
{
	for (size_t i = 0; i < s->n; i++) {
		unsigned char ch = (unsigned char)s->p[i];

		if ((ch < 0x80 && isalnum(ch)) || (ch && strchr("_.-~", ch)) ||
		    (ch == '/' && !query))
			buf_char(b, (char)ch);
		else if (ch == ' ' && query)
			buf_char(b, '+');
		else
			buf_fmt(b, "%%%02X", ch);
	}
}

/* A string, or the pairs of a dict or list as a query. */
FILTER_FN(urlencode)
{
	Buf *b = tpl_buf(t);
	Iter *it;
	Val v, pair;

	(void)a, (void)all;
	if (!b)
		return false;
	if (self.kind == K_STR || !tpl_can_iter(self)) {
		if (!tpl_to_str(t, self, &self) || !tpl_room(t, self.s->n * 3))
			return false;
		quote_url(b, self.s, false);
		return tpl_take(t, b, out);
	}
	if (self.kind == K_DICT && !tpl_m_items(t, self, a, all, &self))
		return false;
	if (!tpl_iter(t, self, &it))
		return false;
	while (tpl_next(t, it, &v)) {
		if (!tpl_list(t, v, &pair))
			return false;
		if (pair.q->n != 2)
			return tpl_fail(t, "urlencode wants pairs");
		for (size_t i = 0; i < 2; i++) {
			if (b->n)
				buf_char(b, i ? '=' : '&');
			if (!tpl_to_str(t, pair.q->v[i], &v) ||
			    !tpl_room(t, b->n + v.s->n * 3))
				return false;
			quote_url(b, v.s, true);
		}
	}
	return tpl_ok(t) && tpl_take(t, b, out);
}

FILTER_FN(tojson)
{
	Buf *b = tpl_buf(t);

	(void)all;
	return b && tpl_json(t, b, self, a) && tpl_take(t, b, out);
}
