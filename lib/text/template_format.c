/* SPDX-License-Identifier: BSD-3-Clause
 * template_format.c - "%s" % x and "{}".format(x).
 *
 * Both read a specification into a Spec and share what prints it. */

#include <math.h>
#include <stdio.h>

#include "template_impl.h"

enum { MAX_PRECISION = 300 };

typedef struct Spec {
	Span fill;  /* one character */
	char align; /* < > ^ =, or 0: by type */
	char sign;  /* + or blank, or 0 */
	bool alt;   /* # */
	bool zero;
	char group;          /* , or _ */
	int64_t width, prec; /* prec -1: none */
	char type;           /* or 0 */
} Spec;

/* An unsigned number at *p. */
static bool
count(Tpl *t, const char **p, const char *end, int64_t *out)
{
	*out = 0;
	for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
		*out = *out * 10 + (**p - '0');
		if (*out > INT32_MAX)
			return tpl_fail(t, "a format asks for too much");
	}
	return true;
}

/* head (sign and base mark) and body, padded; = pads between them. */
static bool
pad(Tpl *t, Buf *b, const Spec *s, char align, Span head, Span body)
{
	size_t len = 0, room, left;

	for (size_t i = 0; i < head.n + body.n; i++) {
		char ch = i < head.n ? head.p[i] : body.p[i - head.n];

		len += ((unsigned char)ch & 0xc0) != 0x80;
	}
	room = (size_t)s->width > len ? (size_t)s->width - len : 0;
	if (!tpl_room(t, b->n + head.n + body.n + room * s->fill.n))
		return false;
	align = s->align ? s->align : align;
	left = align == '<' ? 0 : align == '^' ? room / 2 : room;
	if (align == '=')
		buf_add(b, head.p, head.n);
	for (size_t i = 0; i < left; i++)
		buf_add(b, s->fill.p, s->fill.n);
	if (align != '=')
		buf_add(b, head.p, head.n);
	buf_add(b, body.p, body.n);
	for (size_t i = left; i < room; i++)
		buf_add(b, s->fill.p, s->fill.n);
	return tpl_work(t, room);
}

/* Separators into the integer part of digits. */
static bool
put_number(Tpl *t, Buf *b, const Spec *s, bool minus, const char *mark,
           const char *digits)
{
	bool real = s->type && strchr("eEfFgG%", s->type);
	size_t whole =
		strspn(digits, real ? "0123456789" : "0123456789abcdefABCDEF");
	int every = s->type && strchr("xXob", s->type) ? 4 : 3;
	char head[8];
	Buf *body = tpl_buf(t);

	if (!body)
		return false;
	if (s->group && s->zero)
		return tpl_fail(t, "zero padding with a separator is not "
		                   "supported");
	for (size_t i = 0; digits[i]; i++) {
		if (s->group && i && i < whole &&
		    (whole - i) % (size_t)every == 0)
			buf_char(body, s->group);
		buf_char(body, digits[i]);
	}
	snprintf(head, sizeof head, "%s%s",
	         minus            ? "-"
	         : s->sign == '+' ? "+"
	         : s->sign == ' ' ? " "
	                          : "",
	         mark);
	return pad(t, b, s, s->zero ? '=' : '>', SPAN(head),
	           (Span){body->p, body->n});
}

/* A precision asks for digits, as in C; str.format() allows none. */
static bool
put_int(Tpl *t, Buf *b, const Spec *s, int64_t i)
{
	static const char set[] = "0123456789abcdef0123456789ABCDEF";
	char text[64 + MAX_PRECISION + 1], *p = text + sizeof text - 1;
	unsigned base = s->type == 'x' || s->type == 'X' ? 16
	                : s->type == 'o'                 ? 8
	                : s->type == 'b'                 ? 2
	                                                 : 10;
	uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	const char *mark = !s->alt || base == 10 ? ""
	                   : s->type == 'x'      ? "0x"
	                   : s->type == 'X'      ? "0X"
	                   : s->type == 'o'      ? "0o"
	                                         : "0b";

	*p = '\0';
	do
		*--p = set[u % base + (s->type == 'X' ? 16 : 0)];
	while (u /= base);
	while (text + sizeof text - 1 - p < s->prec)
		*--p = '0';
	return put_number(t, b, s, i < 0, mark, p);
}

/* Without a type the shortest digits are taken that read back the same; with
 * a precision alone it is g that keeps one digit behind the point. */
static bool
put_float(Tpl *t, Buf *b, const Spec *s, double d)
{
	char text[400 + MAX_PRECISION], how[8];
	char type = s->type == '%' ? 'f' : s->type == 'n' ? 'g' : s->type;
	int prec = s->prec < 0 ? 6 : (int)s->prec;
	Buf *shortest;

	d = s->type == '%' ? d * 100 : d;
	if (!type && s->prec < 0 && !isnan(d) && !isinf(d)) {
		if (!(shortest = tpl_buf(t)))
			return false;
		tpl_print_float(shortest, fabs(d));
		return put_number(t, b, s, signbit(d), "", shortest->p);
	}
	snprintf(how, sizeof how, "%%%s.*%c", s->alt ? "#" : "",
	         type ? type : 'g');
	if (snprintf(text, sizeof text - 4, how, prec, fabs(d)) >=
	    (int)sizeof text - 4)
		return tpl_fail(t, "a formatted number is too long");
	if (!type && !strpbrk(text, ".eni"))
		memcpy(text + strlen(text), ".0", 3);
	if (s->type == '%')
		memcpy(text + strlen(text), "%", 2);
	return put_number(t, b, s, signbit(d) && !isnan(d), "", text);
}

/* A precision cuts, at characters. */
static bool
put_text(Tpl *t, Buf *b, const Spec *s, const Str *x, char align)
{
	size_t n = x->n;

	if (s->prec >= 0 && (size_t)s->prec < x->len)
		n = tpl_offset(x, (size_t)s->prec);
	return tpl_work(t, n) &&
	       pad(t, b, s, align, (Span){"", 0}, (Span){x->p, n});
}

/* The value as str(), repr() or ascii() has it. */
static bool
as_text(Tpl *t, Val v, char how, Val *out)
{
	Buf *b;

	if (how == 's')
		return tpl_to_str(t, v, out);
	if (!(b = tpl_buf(t)) || !tpl_repr(t, b, v))
		return false;
	if (how == 'a') {
		Buf *plain = tpl_buf(t);
		size_t n;

		for (size_t i = 0; plain && i < b->n; i += n) {
			uint32_t ch = tpl_code(b->p + i, &n);

			if (ch < 0x80)
				buf_char(plain, (char)ch);
			else
				buf_fmt(plain,
				        ch < 0x100     ? "\\x%02x"
				        : ch < 0x10000 ? "\\u%04x"
				                       : "\\U%08x",
				        ch);
		}
		b = plain;
	}
	return b && tpl_take(t, b, out);
}

/* A character by its number. */
static bool
put_char(Tpl *t, Buf *b, const Spec *s, int64_t i)
{
	Buf *one = tpl_buf(t);
	Str x;

	if (!one)
		return false;
	if (i < 0 || i > 0x10ffff || (i >= 0xd800 && i < 0xe000))
		return tpl_fail(t, "%lld is no character", (long long)i);
	buf_utf8(one, (uint32_t)i);
	x = (Str){.p = one->p, .n = one->n, .len = 1};
	return put_text(t, b, s, &x, '<');
}

/* ---- % ---- */

typedef struct Percent {
	Tpl *t;
	Buf *out;
	const char *p, *end;
	Val args;
	size_t next; /* of a tuple */
} Percent;

/* A tuple gives its items in turn, anything else is the one argument. */
static bool
next_arg(Percent *f, Val *out)
{
	const Val *v = f->args.kind == K_TUPLE ? f->args.q->v : &f->args;
	size_t n = f->args.kind == K_TUPLE ? f->args.q->n : 1;

	if (f->next >= n)
		return tpl_fail(f->t, "not enough arguments for format string");
	*out = v[f->next++];
	return true;
}

/* (key): looked up in a dict */
static bool
keyed_arg(Percent *f, Val *out)
{
	const char *from = ++f->p;
	int open = 1;
	Val key;

	for (; f->p < f->end; f->p++) {
		open += (*f->p == '(') - (*f->p == ')');
		if (!open)
			break;
	}
	if (f->p == f->end)
		return tpl_fail(f->t, "incomplete format key");
	if (f->args.kind != K_DICT)
		return tpl_fail(f->t, "format requires a mapping");
	if (!tpl_str(f->t, from, (size_t)(f->p++ - from), &key) ||
	    !tpl_map_get(f->t, f->args.m, key, out))
		return false;
	return out->kind != K_MISSING ||
	       tpl_fail(f->t, "the format's dict lacks '%.*s'",
	                (int)MIN(key.s->n, (size_t)40), key.s->p);
}

/* A width or precision; * takes it from the arguments. */
static bool
star(Percent *f, int64_t *out)
{
	Val v;

	if (f->p == f->end || *f->p != '*')
		return count(f->t, &f->p, f->end, out);
	f->p++;
	if (!next_arg(f, &v))
		return false;
	return (tpl_as_int(v, out) && *out<INT32_MAX && * out> INT32_MIN) ||
	       tpl_fail(f->t, "* wants an integer");
}

/* Behind the `%`: flags, width, precision. */
static bool
percent_spec(Percent *f, Spec *s)
{
	for (; f->p < f->end && *f->p && strchr("-+ #0", *f->p); f->p++) {
		if (*f->p == '-')
			s->align = '<';
		else if (*f->p == '#')
			s->alt = true;
		else if (*f->p == '0')
			s->zero = true;
		else if (s->sign != '+')
			s->sign = *f->p;
	}
	if (!star(f, &s->width))
		return false;
	if (s->width < 0) {
		s->align = '<';
		s->width = -s->width;
	}
	if (f->p < f->end && *f->p == '.') {
		f->p++;
		if (!star(f, &s->prec))
			return false;
		s->prec = MAX(s->prec, 0);
	}
	while (f->p < f->end && *f->p && strchr("hlL", *f->p))
		f->p++;
	if (f->p == f->end)
		return tpl_fail(f->t, "incomplete format");
	s->type = *f->p++;
	return true;
}

/* Integers ask for a number and cut it, but hexadecimal and octal refuse
 * fractions. */
static bool
percent_number(Percent *f, Spec *s, Val v)
{
	bool real = strchr("eEfFgG", s->type), whole;
	int64_t i;

	if (s->prec > MAX_PRECISION)
		return tpl_fail(f->t, "a format asks for too much");
	if (s->zero && !s->align)
		s->fill = (Span){"0", 1};
	s->zero = s->zero && !s->align;
	if (v.kind == K_UNDEF)
		return tpl_undef_error(f->t, v.u);
	if (!tpl_is_number(v))
		return tpl_fail(f->t, "%%%c wants a number, not '%s'", s->type,
		                tpl_type(v));
	if (real)
		return put_float(f->t, f->out, s, tpl_double(v));
	whole = tpl_as_int(v, &i);
	if (!whole && strchr("xXo", s->type))
		return tpl_fail(f->t, "%%%c wants an integer, not '%s'",
		                s->type, tpl_type(v));
	if (!whole && !(fabs(v.f) < 0x1p63))
		return tpl_fail(f->t, "a number needs over 64 bits");
	s->type = strchr("iu", s->type) ? 'd' : s->type;
	return put_int(f->t, f->out, s, whole ? i : (int64_t)v.f);
}

/* One %-something; the text around it is tpl_percent()'s. */
static bool
conversion(Percent *f)
{
	Spec s = {.fill = {" ", 1}, .prec = -1};
	bool keyed = f->p < f->end && *f->p == '(';
	Val v = V_NONE;
	int64_t i;

	if ((keyed && !keyed_arg(f, &v)) || !percent_spec(f, &s))
		return false;
	if (s.type == '%') {
		buf_char(f->out, '%');
		return true;
	}
	if (!s.type || !strchr("sradiuxXoeEfFgGc", s.type))
		return tpl_fail(f->t, "unsupported format character '%c'",
		                s.type);
	if (!keyed && !next_arg(f, &v))
		return false;
	if (strchr("sra", s.type))
		return as_text(f->t, v, s.type, &v) &&
		       put_text(f->t, f->out, &s, v.s, '>');
	if (s.type != 'c')
		return percent_number(f, &s, v);
	s.prec = -1;
	if (tpl_as_int(v, &i))
		return s.align = s.align ? s.align : '>',
		       put_char(f->t, f->out, &s, i);
	if (v.kind != K_STR || v.s->len != 1)
		return tpl_fail(f->t, "%%c wants one character");
	return put_text(f->t, f->out, &s, v.s, '>');
}

/* Arguments left over are an error, for they were meant to be seen. */
bool
tpl_percent(Tpl *t, const Str *s, Val args, Val *out)
{
	Percent f = {t, tpl_buf(t), s->p, s->p + s->n, args, 0};
	/* what can be indexed may be left unused */
	bool mapping = args.kind == K_DICT || args.kind == K_LIST ||
	               args.kind == K_RANGE || args.kind == K_UNDEF;

	if (!f.out || !tpl_work(t, s->n))
		return false;
	while (f.p < f.end) {
		const char *q = memchr(f.p, '%', (size_t)(f.end - f.p));

		q = q ? q : f.end;
		buf_add(f.out, f.p, (size_t)(q - f.p));
		f.p = q;
		if (q < f.end && (f.p++, !conversion(&f)))
			return false;
	}
	if (!mapping && f.next < (args.kind == K_TUPLE ? args.q->n : 1))
		return tpl_fail(t, "not all arguments were converted in "
		                   "formatting");
	return tpl_take(t, f.out, out);
}

/* ---- {} ---- */

typedef struct Format {
	Tpl *t;
	const Args *all;
	int64_t next; /* to be numbered; -1: numbers were given */
	int depth;
} Format;

static bool format(Format *, Buf *, Span);

/* [[fill]align][sign][#][0][width][,][.precision][type] */
static bool
read_spec(Tpl *t, Span text, Spec *s)
{
	const char *p = text.p, *end = p + text.n;
	size_t n = 0;

	*s = (Spec){.fill = {" ", 1}, .prec = -1};
	if (p < end)
		tpl_code(p, &n);
	if (n && p + n < end && p[n] && strchr("<>^=", p[n])) {
		s->fill = (Span){p, n};
		s->align = p[n];
		p += n + 1;
	} else if (p < end && *p && strchr("<>^=", *p)) {
		s->align = *p++;
	}
	if (p < end && *p && strchr("+- ", *p))
		s->sign = *p++;
	if (p < end && *p == '#')
		s->alt = (p++, true);
	if (p < end && *p == '0') {
		p++;
		s->zero = !s->align;
		s->fill = s->align ? s->fill : (Span){"0", 1};
	}
	if (!count(t, &p, end, &s->width))
		return false;
	if (p < end && (*p == ',' || *p == '_'))
		s->group = *p++;
	if (p < end && *p == '.') {
		const char *from = ++p;

		if (!count(t, &p, end, &s->prec))
			return false;
		if (p == from)
			return tpl_fail(t, "format specifier lacks precision");
	}
	if (p < end)
		s->type = *p++;
	return p == end || tpl_fail(t, "invalid format specifier '%.*s'",
	                            (int)MIN(text.n, (size_t)40), text.p);
}

/* Types have codes of their own: d is no code for a string. */
static bool
unknown_code(Tpl *t, const Spec *s, Val v)
{
	return tpl_fail(t, "unknown format code '%c' for a '%s'", s->type,
	                tpl_type(v));
}

/* Without a specification everything prints as str(); with one, only strings
 * and numbers know what to do. */
static bool
put_value(Tpl *t, Buf *b, Span text, Val v)
{
	bool real = v.kind == K_FLOAT;
	Spec s;
	int64_t i;

	if (!text.n)
		return tpl_print(t, b, v);
	if (!read_spec(t, text, &s))
		return false;
	if (s.prec > MAX_PRECISION && v.kind != K_STR)
		return tpl_fail(t, "a format asks for too much");
	if (v.kind == K_STR) {
		if ((s.type && s.type != 's') || s.sign || s.alt || s.group ||
		    s.align == '=')
			return unknown_code(t, &s, v);
		return put_text(t, b, &s, v.s, '<');
	}
	if (!tpl_is_number(v))
		return tpl_fail(t, "a '%s' takes no format specifier",
		                tpl_type(v));
	if (s.type && strchr("eEfFgG%", s.type))
		real = true;
	if (real && (!s.type || strchr("eEfFgGn%", s.type)))
		return put_float(t, b, &s, tpl_double(v));
	if (real || (s.type && !strchr("bcdoxXn", s.type)))
		return unknown_code(t, &s, v);
	if (s.prec >= 0)
		return tpl_fail(t, "an integer takes no precision");
	tpl_as_int(v, &i);
	if (s.type == 'c')
		return put_char(t, b, &s, i);
	return put_int(t, b, &s, i);
}

/* The argument itself: by number, name, or the next. */
static bool
argument(Format *f, Span name, Val *out)
{
	const char *p = name.p;
	int64_t i = 0;

	if (!name.n) {
		if (f->next < 0)
			return tpl_fail(f->t, "numbered and automatic fields "
			                      "in one format");
		i = f->next++;
	} else if (*p >= '0' && *p <= '9') {
		if (f->next > 0)
			return tpl_fail(f->t, "numbered and automatic fields "
			                      "in one format");
		f->next = -1;
		if (!count(f->t, &p, name.p + name.n, &i))
			return false;
	} else {
		for (size_t k = 0; k < f->all->nkw; k++)
			if (strlen(f->all->kw[k].name) == name.n &&
			    !memcmp(f->all->kw[k].name, name.p, name.n)) {
				*out = f->all->kw[k].v;
				return true;
			}
		return tpl_fail(f->t, "format lacks the argument '%.*s'",
		                (int)MIN(name.n, (size_t)40), name.p);
	}
	if ((size_t)i >= f->all->n)
		return tpl_fail(f->t, "format lacks argument %lld",
		                (long long)i);
	*out = f->all->v[i];
	return true;
}

/* .name and [key] behind it */
static bool
member(Format *f, Span *rest, Val *v)
{
	const char *p = rest->p + 1, *end = rest->p + rest->n, *q = p;
	bool dot = *rest->p == '.';
	int64_t i;
	Val key;

	while (q < end && (dot ? *q != '.' && *q != '[' : *q != ']'))
		q++;
	if (q == p || (!dot && q == end))
		return tpl_fail(f->t, "bad field in a format");
	*rest = (Span){q + !dot, (size_t)(end - q) - !dot};
	if (!tpl_str(f->t, p, (size_t)(q - p), &key))
		return false;
	if (dot) {
		buf_clear(f->t->key);
		buf_add(f->t->key, key.s->p, key.s->n);
		return tpl_get_attr(f->t, *v, f->t->key->p, v);
	}
	if (*p >= '0' && *p <= '9') {
		if (!count(f->t, &p, q, &i))
			return false;
		if (p == q)
			key = V_INT(i);
	}
	return tpl_get_item(f->t, *v, key, v);
}

/* name!conversion:spec, without the braces */
static bool
field(Format *f, Buf *b, Span s)
{
	const char *end = s.p + s.n, *colon = s.p, *p;
	char how = 0;
	Buf *spec = tpl_buf(f->t);
	Span rest;
	Val v;

	while (colon < end && *colon != ':' && *colon != '!')
		colon += *colon == '[' && memchr(colon, ']',
		                                 (size_t)(end - colon))
		                 ? (const char *)memchr(colon, ']',
		                                        (size_t)(end - colon)) -
		                           colon
		                 : 1;
	p = s.p;
	while (p < colon && *p != '.' && *p != '[')
		p++;
	rest = (Span){p, (size_t)(colon - p)};
	if (!spec || !argument(f, (Span){s.p, (size_t)(p - s.p)}, &v))
		return false;
	while (rest.n)
		if ((*rest.p != '.' && *rest.p != '[') || !member(f, &rest, &v))
			return tpl_fail(f->t, "bad field in a format");
	if (colon < end && *colon == '!') {
		how = colon + 1 < end ? colon[1] : '\0';
		if (!how || !strchr("sra", how))
			return tpl_fail(f->t, "bad conversion in a format");
		colon += 2;
		if (!as_text(f->t, v, how, &v))
			return false;
		if (colon < end && *colon != ':')
			return tpl_fail(f->t, "bad field in a format");
	}
	if (colon < end &&
	    !format(f, spec, (Span){colon + 1, (size_t)(end - colon) - 1}))
		return false;
	return put_value(f->t, b, (Span){spec->p, spec->n}, v);
}

/* Replaces the fields of s, which in a specification may hold fields, too. */
static bool
format(Format *f, Buf *b, Span s)
{
	const char *p = s.p, *end = s.p + s.n, *from;
	int open;

	if (++f->depth > 2)
		return tpl_fail(f->t, "fields are nested too deeply");
	for (; p < end; p++) {
		if (*p != '{' && *p != '}') {
			buf_char(b, *p);
			continue;
		}
		if (f->depth == 1 && p + 1 < end && p[1] == *p) {
			buf_char(b, *p++);
			continue;
		}
		if (*p == '}')
			return tpl_fail(f->t, "single '}' in a format");
		from = ++p;
		for (open = 1; p < end; p++) {
			open += (*p == '{') - (*p == '}');
			if (!open)
				break;
		}
		if (open)
			return tpl_fail(f->t, "a field of a format is not "
			                      "closed");
		if (!field(f, b, (Span){from, (size_t)(p - from)}) ||
		    !tpl_room(f->t, b->n))
			return false;
	}
	f->depth--;
	return true;
}

bool
tpl_str_format(Tpl *t, const Str *s, const Args *all, Val *out)
{
	Format f = {.t = t, .all = all};
	Buf *b = tpl_buf(t);

	return b && tpl_work(t, s->n) && format(&f, b, tpl_span(s)) &&
	       tpl_take(t, b, out);
}
