/* SPDX-License-Identifier: BSD-3-Clause
 * template_markup.c - filters that make markup, take it off, or word sizes.
 *
 * Of character references those are known that escaping makes and a few more;
 * another is refused, where its text would be a guess. */

#include <math.h>
#include <stdlib.h>

#include "template_impl.h"
#include "unicode.h"

#define FILTER_FN(id)                                                          \
	bool tpl_f_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)

/* ---- sizes ---- */

/* 10^24 is no double but exact here: sizes up to it are told apart. */
static void
word_size(Buf *b, double bytes, bool binary)
{
	static const char prefix[] = "kMGTPEZY";
	long double unit = binary ? 1024 : 1000;
	double base = (double)unit;
	size_t i = 0;

	unit *= unit;
	while (prefix[i + 1] && !((long double)bytes < unit)) {
		unit *= (long double)base;
		i++;
	}
	if (isnan(bytes))
		buf_str(b, "nan");
	else
		buf_fmt(b, "%.1f", base * bytes / (double)unit);
	buf_fmt(b, " %c%sB", binary && i == 0 ? 'K' : prefix[i],
	        binary ? "i" : "");
}

FILTER_FN(filesizeformat)
{
	bool binary = tpl_truth(a[0]);
	Val none[1] = {{.kind = K_NONE}}, size;
	double bytes;
	Buf *b;

	if (!tpl_f_float(t, self, none, all, &size))
		return false;
	if (size.kind != K_FLOAT || !(b = tpl_buf(t)))
		return tpl_fail(t, "filesizeformat wants a number, not '%s'",
		                tpl_type(self));
	bytes = tpl_double(size);
	if (isinf(bytes) && bytes < 0)
		return tpl_fail(t, "cannot convert float infinity to integer");
	if (bytes == 1.0)
		buf_str(b, "1 Byte");
	else if (bytes < (binary ? 1024 : 1000))
		buf_fmt(b, "%.0f Bytes", trunc(bytes) + 0.0);
	else
		word_size(b, bytes, binary);
	return tpl_take(t, b, out);
}

/* ---- attributes ---- */

static bool
put_attribute(Tpl *t, Buf *b, const Pair *p)
{
	Val key, val;

	if (p->key.kind != K_STR)
		return tpl_fail(t, "xmlattr: a name must be a string, not '%s'",
		                tpl_type(p->key));
	for (size_t i = 0; i < p->key.s->n; i++)
		if (memchr(" \t\n\r\f\v/>=", p->key.s->p[i], 10))
			return tpl_fail(t, "invalid character in attribute "
			                   "name");
	if (!tpl_escape(t, p->key, &key) || !tpl_escape(t, p->val, &val) ||
	    !tpl_room(t, b->n + key.s->n + val.s->n + 4))
		return false;
	buf_char(b, ' ');
	buf_add(b, key.s->p, key.s->n);
	buf_str(b, "=\"");
	buf_add(b, val.s->p, val.s->n);
	buf_char(b, '"');
	return true;
}

FILTER_FN(xmlattr)
{
	bool space = a[0].kind == K_MISSING || tpl_truth(a[0]);
	Buf *b = tpl_buf(t);
	const Pair *p;

	(void)all;
	if (self.kind == K_UNDEF)
		return tpl_undef_error(t, self.u);
	if (self.kind != K_DICT)
		return tpl_fail(t, "xmlattr wants a mapping, not '%s'",
		                tpl_type(self));
	for (size_t i = 0; b && (p = tpl_map_at(self.m, i)); i++)
		if (p->val.kind != K_NONE && p->val.kind != K_UNDEF &&
		    !put_attribute(t, b, p))
			return false;
	if (b && b->n && !space) {
		memmove(b->p, b->p + 1, b->n - 1);
		b->n--;
	}
	return b && tpl_take(t, b, out);
}

/* ---- tags ---- */

/* Cuts from each `from` to the `to` behind it, until one has none. */
static bool
cut_out(Tpl *t, Buf *b, const char *from, const char *to)
{
	Span open = SPAN(from), close = SPAN(to);
	size_t i = 0, start, end;

	while ((start = tpl_find(t, (Span){b->p, b->n}, open, i)) < b->n &&
	       (end = tpl_find(t, (Span){b->p, b->n}, close, start)) < b->n) {
		end += close.n;
		if (!tpl_work(t, b->n))
			return false;
		memmove(b->p + start, b->p + end, b->n - end);
		b->n -= end - start;
		/* the parts around may make another */
		i = start > open.n ? start - open.n : 0;
	}
	return tpl_ok(t);
}

static bool
collapse(Tpl *t, const Buf *b, Buf *out)
{
	bool blank = false;
	size_t n;

	if (!tpl_work(t, b->n))
		return false;
	for (size_t i = 0; i < b->n; i += n) {
		if (tpl_space(tpl_code(b->p + i, &n))) {
			blank = true;
			continue;
		}
		if (blank && out->n)
			buf_char(out, ' ');
		blank = false;
		buf_add(out, b->p + i, n);
	}
	return true;
}

/* "#38;" or "#x26;": how many bytes of p it is, 0 if none that is known. */
static size_t
number(const char *p, const char *end, uint32_t *ch)
{
	bool hex = end - p > 1 && (p[1] == 'x' || p[1] == 'X');
	const char *digit = hex ? "0123456789abcdefABCDEF" : "0123456789";
	const char *q = p + 1 + hex;
	char text[8] = "";
	size_t n = 0;

	while (q < end && n < sizeof text - 1 && *q && strchr(digit, *q))
		text[n++] = *q++;
	if (!n || q == end || *q != ';')
		return 0;
	*ch = (uint32_t)strtoul(text, NULL, hex ? 16 : 10);
	if (*ch < 0x20 || (*ch > 0x7e && *ch < 0xa0) ||
	    (*ch > 0xd7ff && *ch < 0xe000) || *ch > 0xfdcf)
		return 0;
	return (size_t)(q + 1 - p);
}

/* The same of "amp;". */
static size_t
name(const char *p, const char *end, uint32_t *ch)
{
	static const struct {
		const char *name;
		uint32_t ch;
	} known[] = {
		{"amp;", '&'},    {"lt;", '<'},     {"gt;", '>'},
		{"quot;", '"'},   {"apos;", '\''},  {"nbsp;", 0xa0},
		{"laquo;", 0xab}, {"raquo;", 0xbb}, {"copy;", 0xa9},
	};

	for (size_t i = 0; i < LEN(known); i++) {
		size_t n = strlen(known[i].name);

		if ((size_t)(end - p) >= n &&
		    memcmp(p, known[i].name, n) == 0) {
			*ch = known[i].ch;
			return n;
		}
	}
	return 0;
}

/* No reference has a name of one character. */
static bool
is_plain(const char *p, const char *end)
{
	static const char stop[] = "\t\n\f <&;";

	return p == end || strchr(stop, *p) ||
	       (*p != '#' && (p + 1 == end || strchr(stop, p[1])));
}

static bool
unescape(Tpl *t, const Buf *b, Buf *out)
{
	const char *end = b->p + b->n;
	uint32_t ch;
	size_t n;

	for (const char *p = b->p; p < end;) {
		if (*p != '&' || is_plain(p + 1, end)) {
			buf_char(out, *p++);
			continue;
		}
		n = p[1] == '#' ? number(p + 1, end, &ch)
		                : name(p + 1, end, &ch);
		if (!n)
			return tpl_fail(t, "striptags: a character reference "
			                   "that is not known");
		buf_utf8(out, ch);
		p += n + 1;
	}
	return true;
}

FILTER_FN(striptags)
{
	Buf *b = tpl_buf(t), *flat = tpl_buf(t), *plain = tpl_buf(t);

	(void)a, (void)all;
	if (!b || !flat || !plain || !tpl_to_str(t, self, &self))
		return false;
	buf_add(b, self.s->p, self.s->n);
	return cut_out(t, b, "<!--", "-->") && cut_out(t, b, "<", ">") &&
	       collapse(t, b, flat) && unescape(t, flat, plain) &&
	       tpl_take(t, plain, out);
}
