/* SPDX-License-Identifier: BSD-3-Clause
 * template_print.c - values as text, as Python's str() and repr() have it. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "template_impl.h"

/* The shortest digits that read back the same; an exponent below 1e-4 and
 * from 1e16 on. */
void
tpl_print_float(Buf *b, double d)
{
	char s[40], *e;
	int digits = 0, exp;

	if (isnan(d) || isinf(d)) {
		buf_str(b, isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
		return;
	}
	do
		snprintf(s, sizeof s, "%.*e", digits, d);
	while (strtod(s, NULL) != d && ++digits < 17);
	e = strchr(s, 'e');
	exp = (int)strtol(e + 1, NULL, 10);
	if (exp < -4 || exp >= 16) {
		buf_add(b, s, (size_t)(e - s));
		buf_fmt(b, "e%c%02d", exp < 0 ? '-' : '+', abs(exp));
		return;
	}
	buf_fmt(b, "%.*f", MAX(digits - exp, 1), d);
}

/* In quotes: double ones if there are single ones inside and no double. */
void
tpl_print_quoted(Buf *b, Span s, bool ascii)
{
	bool single = s.n && memchr(s.p, '\'', s.n);
	char quote = single && !memchr(s.p, '"', s.n) ? '"' : '\'';
	size_t len;

	buf_char(b, quote);
	for (size_t i = 0; i < s.n; i += len) {
		uint32_t ch = tpl_code(s.p + i, &len);

		if (ch == (uint32_t)quote || ch == '\\')
			buf_fmt(b, "\\%c", (char)ch);
		else if (ch == '\n' || ch == '\r' || ch == '\t')
			buf_fmt(b, "\\%c",
			        ch == '\n'   ? 'n'
			        : ch == '\r' ? 'r'
			                     : 't');
		else if (tpl_printable(ch) && (!ascii || ch < 0x80))
			buf_add(b, s.p + i, len);
		else
			buf_fmt(b,
			        ch < 0x100     ? "\\x%02x"
			        : ch < 0x10000 ? "\\u%04x"
			                       : "\\U%08x",
			        ch);
	}
	buf_char(b, quote);
}

/* A tuple of one has a comma, to be one. */
static bool
print_seq(Tpl *t, Buf *b, const Seq *q, char open, char close)
{
	buf_char(b, open);
	for (size_t i = 0; i < q->n; i++) {
		if (i)
			buf_str(b, ", ");
		if (!tpl_repr(t, b, q->v[i]))
			return false;
	}
	if (open == '(' && q->n == 1)
		buf_char(b, ',');
	buf_char(b, close);
	return true;
}

static bool
print_map(Tpl *t, Buf *b, const Map *m)
{
	const Pair *p;

	buf_char(b, '{');
	for (size_t i = 0; (p = tpl_map_at(m, i)); i++) {
		if (i)
			buf_str(b, ", ");
		if (!tpl_repr(t, b, p->key))
			return false;
		buf_str(b, ": ");
		if (!tpl_repr(t, b, p->val))
			return false;
	}
	buf_char(b, '}');
	return true;
}

static bool
print_view(Tpl *t, Buf *b, Val v)
{
	static const char *const names[] = {"dict_keys", "dict_values",
	                                    "dict_items"};

	buf_str(b, names[v.view->part]);
	buf_char(b, '(');
	if (!tpl_list(t, v, &v) || !print_seq(t, b, v.q, '[', ']'))
		return false;
	buf_char(b, ')');
	return true;
}

/* The step is shown if it is not one. */
static void
print_range(Buf *b, const Range *r)
{
	buf_fmt(b, "range(%lld, %lld", (long long)r->start, (long long)r->stop);
	if (r->step != 1)
		buf_fmt(b, ", %lld", (long long)r->step);
	buf_char(b, ')');
}

static bool
print(Tpl *t, Buf *b, Val v)
{
	Val n;

	switch (v.kind) {
	case K_MISSING:
	case K_UNDEF:
		buf_str(b, "Undefined");
		return true;
	case K_NONE:
		buf_str(b, "None");
		return true;
	case K_BOOL:
		buf_str(b, v.b ? "True" : "False");
		return true;
	case K_INT:
		buf_fmt(b, "%lld", (long long)v.i);
		return true;
	case K_FLOAT:
		tpl_print_float(b, v.f);
		return true;
	case K_STR:
		if (v.s->safe)
			buf_str(b, "Markup(");
		tpl_print_quoted(b, tpl_span(v.s), false);
		if (v.s->safe)
			buf_char(b, ')');
		return true;
	case K_LIST:
		return print_seq(t, b, v.q, '[', ']');
	case K_TUPLE:
		return print_seq(t, b, v.q, '(', ')');
	case K_DICT:
		return print_map(t, b, v.m);
	case K_NS:
		buf_str(b, "<Namespace ");
		if (!print_map(t, b, v.m))
			return false;
		buf_char(b, '>');
		return true;
	case K_VIEW:
		return print_view(t, b, v);
	case K_RANGE:
		print_range(b, v.r);
		return true;
	case K_MACRO:
		buf_str(b, "<Macro ");
		if (!v.mac->node->name)
			buf_str(b, "anonymous");
		else
			tpl_print_quoted(b, SPAN(v.mac->node->name), false);
		buf_char(b, '>');
		return true;
	case K_LOOP:
		if (!tpl_get_attr(t, v, "length", &n))
			return false;
		buf_fmt(b, "<LoopContext %lld/%lld>", (long long)v.loop->i + 1,
		        (long long)n.i);
		return true;
	default: /* Python shows an address here */
		buf_fmt(b, "<%s object>", tpl_type(v));
		return true;
	}
}

/* The size is checked at each level: values may share parts, and print
 * larger than they are. */
bool
tpl_repr(Tpl *t, Buf *b, Val v)
{
	size_t before = b->n;

	if (!tpl_enter(t) || !print(t, b, v))
		return false;
	tpl_leave(t);
	return tpl_work(t, b->n - before) && tpl_room(t, b->n);
}

/* What {{ }} does: strings stand for themselves, undefined for nothing. */
bool
tpl_print(Tpl *t, Buf *b, Val v)
{
	if (v.kind == K_UNDEF)
		return true;
	if (v.kind != K_STR)
		return tpl_repr(t, b, v);
	if (!tpl_work(t, v.s->n) || !tpl_room(t, b->n + v.s->n))
		return false;
	buf_add(b, v.s->p, v.s->n);
	return true;
}

bool
tpl_to_str(Tpl *t, Val v, Val *out)
{
	Buf *b;

	if (v.kind == K_STR) {
		*out = v;
		return true;
	}
	return (b = tpl_buf(t)) && tpl_print(t, b, v) && tpl_take(t, b, out);
}
