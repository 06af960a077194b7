/* SPDX-License-Identifier: BSD-3-Clause
 * json.c - the strict gate in front of json-c, and a printer of our own.
 *
 * The gate walks the text once and checks what json-c lets through:
 * duplicate keys, control characters, NULs in keys, NaN, bytes that follow
 * the value, nesting.  json-c then builds the tree. */

#include "json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

typedef struct Gate {
	Ctx *c;
	const char *start, *p, *end;
	Arena mem; /* keys of the objects being walked */
	int depth;
} Gate;

static bool
bad(Gate *g, const char *what)
{
	int line = 1;

	for (const char *q = g->start; q < g->p && q < g->end; q++)
		line += *q == '\n';
	return fail(g->c, QE_INPUT, "bad JSON: line %d: %s", line, what);
}

static void
blanks(Gate *g)
{
	while (g->p < g->end && (*g->p == ' ' || *g->p == '\t' ||
	                         *g->p == '\n' || *g->p == '\r'))
		g->p++;
}

/* Halves of surrogate pairs are put together by the caller. */
static bool
hex4(Gate *g, unsigned *out)
{
	*out = 0;
	if (g->end - g->p < 4)
		return bad(g, "cut \\u escape");
	for (int i = 0; i < 4; i++, g->p++) {
		if (!isxdigit((unsigned char)*g->p))
			return bad(g, "bad \\u escape");
		*out = *out * 16 +
		       (unsigned)(isdigit((unsigned char)*g->p)
		                          ? *g->p - '0'
		                          : tolower((unsigned char)*g->p) -
		                                    'a' + 10);
	}
	return true;
}

/* The character of a \u escape, or of a pair of them; half of a pair becomes
 * U+FFFD, as json-c has it. */
static bool
escaped(Gate *g, unsigned *u)
{
	unsigned low;

	if (!hex4(g, u))
		return false;
	if (*u < 0xd800 || *u > 0xdfff)
		return true;
	if (*u < 0xdc00 && g->end - g->p >= 6 && g->p[0] == '\\' &&
	    g->p[1] == 'u') {
		const char *back = g->p;

		g->p += 2;
		if (!hex4(g, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff) {
			*u = 0x10000 + ((*u - 0xd800) << 10) + (low - 0xdc00);
			return true;
		}
		g->p = back;
	}
	*u = 0xfffd;
	return true;
}

/* What stands behind a backslash; key: also collects it. */
static bool
escape(Gate *g, Buf *key)
{
	static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	unsigned u;

	for (const char *s = names; g->p < g->end && *s; s += 2)
		if (*s == *g->p) {
			if (key)
				buf_char(key, s[1]);
			g->p++;
			return true;
		}
	if (g->p == g->end || *g->p != 'u')
		return bad(g, "bad escape in a string");
	g->p++;
	if (!escaped(g, &u))
		return false;
	if (key && !u)
		return bad(g, "NUL in a key");
	if (key)
		buf_utf8(key, u);
	return true;
}

/* Walks a string; key: also collects it, escapes resolved, so that two
 * spellings of one key are equal. */
static bool
string(Gate *g, Buf *key)
{
	for (g->p++; g->p < g->end && *g->p != '"';) {
		if ((unsigned char)*g->p < 0x20)
			return bad(g, "control character in a string");
		if (*g->p++ != '\\') {
			if (key)
				buf_char(key, g->p[-1]);
		} else if (!escape(g, key)) {
			return false;
		}
	}
	if (g->p >= g->end)
		return bad(g, "unfinished string");
	g->p++;
	return true;
}

static bool
digits(Gate *g)
{
	const char *from = g->p;

	while (g->p < g->end && isdigit((unsigned char)*g->p))
		g->p++;
	return g->p > from || bad(g, "not a number");
}

/* json-c would make it infinite, which JSON cannot say again. */
static bool
finite(Gate *g, const char *from)
{
	const char *s =
		arena_span(&g->mem, (Span){from, (size_t)(g->p - from)});

	return isfinite(strtod(s, NULL)) || bad(g, "number too large");
}

/* The grammar of RFC 8259: no leading zeros, no "+", digits on both sides of
 * the point; what would become infinite is refused. */
static bool
number(Gate *g)
{
	const char *from = g->p;

	if (*g->p == '-')
		g->p++;
	if (g->p < g->end && *g->p == '0')
		g->p++;
	else if (!digits(g))
		return false;
	if (g->p < g->end && *g->p == '.') {
		g->p++;
		if (!digits(g))
			return false;
	}
	if (g->p < g->end && (*g->p == 'e' || *g->p == 'E')) {
		g->p++;
		if (g->p < g->end && (*g->p == '+' || *g->p == '-'))
			g->p++;
		return digits(g) && finite(g, from);
	}
	return g->p - from < 300 || finite(g, from);
}

static bool
word(Gate *g, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(g->end - g->p) < n || memcmp(g->p, w, n) != 0)
		return bad(g, "not a value");
	g->p += n;
	return true;
}

static bool value(Gate *g);

/* Duplicate keys are refused: parsers differ in which of them counts, and a
 * checked value could differ from the one used. */
static bool
member(Gate *g, Dict *seen)
{
	Buf *key;

	blanks(g);
	if (g->p >= g->end || *g->p != '"')
		return bad(g, "expected a key");
	key = buf_new(&g->mem);
	if (!string(g, key))
		return false;
	if (dict_has(seen, key->p))
		return bad(g, "duplicate key");
	dict_set(seen, key->p, NULL);
	blanks(g);
	if (g->p >= g->end || *g->p != ':')
		return bad(g, "expected ':'");
	g->p++;
	return value(g);
}

/* The rest of an object (seen) or array after its bracket. */
static bool
list(Gate *g, Dict *seen, char close)
{
	g->p++;
	blanks(g);
	if (g->p < g->end && *g->p == close) {
		g->p++;
		return true;
	}
	for (;;) {
		if (!(seen ? member(g, seen) : value(g)))
			return false;
		blanks(g);
		if (g->p < g->end && *g->p == close)
			break;
		if (g->p >= g->end || *g->p != ',')
			return bad(g, close == '}' ? "expected ',' or '}'"
			                           : "expected ',' or ']'");
		g->p++;
	}
	g->p++;
	return true;
}

static bool
value(Gate *g)
{
	bool ok;

	blanks(g);
	if (g->p >= g->end)
		return bad(g, "ends too early");
	if (g->depth >= JSON_DEPTH)
		return bad(g, "nested too deeply");
	g->depth++;
	switch (*g->p) {
	case '{':
		ok = list(g, dict_new(&g->mem), '}');
		break;
	case '[':
		ok = list(g, NULL, ']');
		break;
	case '"':
		ok = string(g, NULL);
		break;
	case 't':
		ok = word(g, "true");
		break;
	case 'f':
		ok = word(g, "false");
		break;
	case 'n':
		ok = word(g, "null");
		break;
	default:
		ok = number(g);
	}
	g->depth--;
	return ok;
}

static bool
gate(Ctx *c, Span text)
{
	Gate g = {.c = c, .start = text.p, .p = text.p, .end = text.p + text.n};
	size_t good = utf8_valid(text);
	bool ok;

	if (good < text.n) {
		g.p += good;
		return bad(&g, "not UTF-8");
	}
	ok = value(&g);
	blanks(&g);
	if (ok && g.p < g.end)
		ok = bad(&g, "something follows the value");
	arena_free(&g.mem);
	return ok;
}

static void
put(void *o)
{
	json_object_put(o);
}

Json *
json_own(Arena *a, Json *root)
{
	if (!root)
		qe_nomem();
	arena_defer(a, put, root);
	return root;
}

/* The code point that \\uHHHH\\uHHHH at p is, 0 if it is no such pair. */
static uint32_t
pair_at(const char *p, const char *end)
{
	char hex[2][5] = {{0}};
	unsigned long hi, lo;

	if (end - p < 12 || p[1] != 'u' || p[6] != '\\' || p[7] != 'u')
		return 0;
	memcpy(hex[0], p + 2, 4);
	memcpy(hex[1], p + 8, 4);
	hi = strtoul(hex[0], NULL, 16);
	lo = strtoul(hex[1], NULL, 16);
	if ((hi & 0xfc00) != 0xd800 || (lo & 0xfc00) != 0xdc00)
		return 0;
	return (uint32_t)(((hi & 0x3ff) << 10 | (lo & 0x3ff)) + 0x10000);
}

/* json-c 0.16 takes a pair of escapes for a lone surrogate, and makes it
 * U+FFFD, if the low half of its code point looks like one; such pairs are
 * given to it as the characters they are. */
static Span
spell_out(Arena *a, Span s)
{
	const char *p = s.p, *end = s.p + s.n, *done = s.p;
	Buf *out = NULL;
	uint32_t ch;

	for (; (p = memchr(p, '\\', (size_t)(end - p))) && end - p > 1;
	     p += 2) {
		if (((ch = pair_at(p, end)) & 0xf800) != 0xd800)
			continue;
		if (!out)
			out = buf_new(a);
		buf_add(out, done, (size_t)(p - done));
		buf_char(out, (char)(0xf0 | ch >> 18));
		buf_char(out, (char)(0x80 | (ch >> 12 & 0x3f)));
		buf_char(out, (char)(0x80 | (ch >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (ch & 0x3f)));
		done = p + 12;
		p = done - 2;
	}
	if (!out)
		return s;
	buf_add(out, done, (size_t)(end - done));
	return (Span){out->p, out->n};
}

Json *
json_parse(Ctx *c, Arena *a, Span text)
{
	struct json_tokener *t;
	Json *o = NULL;

	if (!gate(c, text))
		return NULL;
	if (text.n > INT32_MAX - 2)
		return fail(c, QE_INPUT, "bad JSON: over 2 GiB"), NULL;
	if (!(t = json_tokener_new_ex(JSON_DEPTH + 2)))
		qe_nomem();
	text = spell_out(a, text);
	o = json_tokener_parse_ex(t, text.p, (int)text.n);
	if (!o && json_tokener_get_error(t) == json_tokener_continue)
		o = json_tokener_parse_ex(t, " ", 1); /* ends a bare number */
	if (!o)
		fail(c, QE_INPUT, "bad JSON: %s",
		     json_tokener_error_desc(json_tokener_get_error(t)));
	json_tokener_free(t);
	return o ? json_own(a, o) : NULL;
}

Json *
json_read(Ctx *c, Arena *a, const char *path, size_t max)
{
	Span text;
	Json *o;

	if (!file_open(c, a, path, max, &text))
		return NULL;
	if (!(o = json_parse(c, a, text)))
		note(c, "%s", path);
	return o;
}

Json *
json_get(const Json *o, const char *key)
{
	Json *v = NULL;

	if (o && json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &v);
	return v;
}

bool
json_has(const Json *o, const char *key)
{
	return o && json_object_is_type(o, json_type_object) &&
	       json_object_object_get_ex(o, key, NULL);
}

Json *
json_at(const Json *o, size_t i)
{
	if (!o || !json_object_is_type(o, json_type_array) ||
	    i >= json_object_array_length(o))
		return NULL;
	return json_object_array_get_idx(o, i);
}

size_t
json_len(const Json *o)
{
	if (o && json_object_is_type(o, json_type_array))
		return json_object_array_length(o);
	if (o && json_object_is_type(o, json_type_object))
		return (size_t)json_object_object_length(o);
	return 0;
}

bool
json_is(const Json *o, enum json_type type)
{
	return json_object_is_type(o, type);
}

const char *
json_str(const Json *o, const char *none)
{
	if (!o || !json_is(o, json_type_string))
		return none;
	return json_object_get_string((Json *)(uintptr_t)o);
}

Span
json_span(const Json *o)
{
	if (!o || !json_is(o, json_type_string))
		return (Span){"", 0};
	return (Span){json_str(o, ""), (size_t)json_object_get_string_len(o)};
}

/* A float that is whole counts: other writers have 1.0 for 1. */
int64_t
json_int(const Json *o, int64_t none)
{
	double d;

	if (o && json_is(o, json_type_int))
		return json_object_get_int64(o);
	if (!o || !json_is(o, json_type_double))
		return none;
	d = json_object_get_double(o);
	return d >= -9e15 && d <= 9e15 && (double)(int64_t)d == d ? (int64_t)d
	                                                          : none;
}

double
json_num(const Json *o, double none)
{
	if (!o || !(json_is(o, json_type_int) || json_is(o, json_type_double)))
		return none;
	return json_object_get_double(o);
}

bool
json_true(const Json *o, bool none)
{
	if (!o || !json_is(o, json_type_boolean))
		return none;
	return json_object_get_boolean(o);
}

Json *
json_new(Arena *a)
{
	return json_own(a, json_object_new_object());
}

Json *
json_new_array(Arena *a)
{
	return json_own(a, json_object_new_array());
}

void
json_put(Json *o, const char *key, Json *value)
{
	if (json_object_object_add(o, key, value) != 0)
		qe_nomem();
}

void
json_put_str(Json *o, const char *key, const char *value)
{
	json_put(o, key, value ? json_object_new_string(value) : NULL);
}

void
json_put_int(Json *o, const char *key, int64_t value)
{
	json_put(o, key, json_object_new_int64(value));
}

void
json_put_num(Json *o, const char *key, double value)
{
	json_put(o, key, json_object_new_double(value));
}

void
json_put_bool(Json *o, const char *key, bool value)
{
	json_put(o, key, json_object_new_boolean(value));
}

void
json_push(Json *array, Json *value)
{
	if (json_object_array_add(array, value) != 0)
		qe_nomem();
}

Json *
json_share(Json *o)
{
	return json_object_get(o);
}

Json *
json_copy(Arena *a, const Json *o)
{
	Json *dst = NULL;

	if (json_object_deep_copy((Json *)(uintptr_t)o, &dst, NULL) != 0)
		qe_nomem();
	return json_own(a, dst);
}

/* How the printer writes: one of these is made for each text. */
typedef struct Style {
	int indent;
	unsigned how; /* enum JsonStyle */
} Style;

/* Code points outside ASCII as UTF-16, the way Python escapes them. */
static size_t
print_escaped(Buf *b, const char *s)
{
	unsigned char lead = (unsigned char)*s;
	size_t n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t code = lead & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	if (code >= 0x10000) {
		code -= 0x10000;
		buf_fmt(b, "\\u%04x\\u%04x", 0xd800 | code >> 10,
		        0xdc00 | (code & 0x3ff));
	} else {
		buf_fmt(b, "\\u%04x", code);
	}
	return n;
}

static void
print_string(Buf *b, Span s, const Style *y)
{
	bool ascii = y->how & JSON_ASCII && utf8_valid(s) == s.n;

	buf_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];
		const char *at = strchr("\"\"\\\\\bb\ff\nn\rr\tt", ch);

		if (ascii && ch >= 0x80)
			i += print_escaped(b, s.p + i) - 1;
		else if (ch == '"' || ch == '\\')
			buf_fmt(b, "\\%c", ch);
		else if (ch >= 0x20 && ch != 0x7f)
			buf_char(b, (char)ch);
		else if (ch && at)
			buf_fmt(b, "\\%c", at[1]);
		else
			buf_fmt(b, "\\u%04x", ch);
	}
	buf_char(b, '"');
}

/* The fewest digits that read back the same; never as a whole number, so that
 * it stays a float for who reads it. */
static void
print_double(Buf *b, double d)
{
	char s[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(s, sizeof s, "%.*g", digits, d);
		if (strtod(s, NULL) == d)
			break;
	}
	buf_str(b, s);
	if (!strpbrk(s, ".einf"))
		buf_str(b, ".0");
}

static void
newline(Buf *b, int indent, int depth)
{
	if (!indent)
		return;
	buf_char(b, '\n');
	for (int i = 0; i < indent * depth; i++)
		buf_char(b, ' ');
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print(Buf *b, const Json *o, const Style *y, int depth);

/* Sorted keys: the same object is the same bytes, and so has the same digest.
 */
static void
print_object(Buf *b, const Json *o, const Style *y, int depth)
{
	Arena mem = {0};
	const char **key = NEWV(&mem, const char *, json_len(o) + 1);
	bool tight = y->how & JSON_TIGHT;
	size_t n = 0;

	json_object_object_foreach((Json *)(uintptr_t)o, k, v)
	{
		(void)v;
		key[n++] = k;
	}
	if (!(y->how & JSON_AS_PUT))
		qsort(key, n, sizeof *key, by_name);
	buf_char(b, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_str(b, y->indent || tight ? "," : ", ");
		newline(b, y->indent, depth + 1);
		print_string(b, SPAN(key[i]), y);
		buf_str(b, tight ? ":" : ": ");
		print(b, json_get(o, key[i]), y, depth + 1);
	}
	if (n)
		newline(b, y->indent, depth);
	buf_char(b, '}');
	arena_free(&mem);
}

/* Arrays of plain values stay on one line: shapes and id lists are read by
 * people. */
static void
print_array(Buf *b, const Json *o, const Style *y, int depth)
{
	size_t n = json_len(o);
	bool tight = y->how & JSON_TIGHT, flat = !(y->how & JSON_ROWS);

	for (size_t i = 0; i < n; i++)
		flat = flat && !json_len(json_at(o, i));
	buf_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_str(b, (flat || !y->indent) && !tight ? ", " : ",");
		if (!flat)
			newline(b, y->indent, depth + 1);
		print(b, json_at(o, i), y, depth + 1);
	}
	if (n && !flat)
		newline(b, y->indent, depth);
	buf_char(b, ']');
}

static void
print(Buf *b, const Json *o, const Style *y, int depth)
{
	switch (json_object_get_type(o)) {
	case json_type_null:
		buf_str(b, "null");
		break;
	case json_type_boolean:
		buf_str(b, json_true(o, false) ? "true" : "false");
		break;
	case json_type_double:
		print_double(b, json_num(o, 0));
		break;
	case json_type_int:
		buf_fmt(b, "%lld", (long long)json_int(o, 0));
		break;
	case json_type_string:
		print_string(b, json_span(o), y);
		break;
	case json_type_object:
		print_object(b, o, y, depth);
		break;
	case json_type_array:
		print_array(b, o, y, depth);
		break;
	}
}

void
json_print_as(Buf *b, const Json *o, int indent, unsigned how)
{
	print(b, o, &(Style){indent, how}, 0);
}

void
json_print(Buf *b, const Json *o, int indent)
{
	json_print_as(b, o, indent, 0);
}
