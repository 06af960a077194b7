/* SPDX-License-Identifier: BSD-3-Clause
 * safe_header.c - the JSON of a safetensors header, scanned.
 *
 * A header may have 100 MB, of which a tree would make 2 GB: and of a hundred
 * thousand tensors, a second's work.  It is JSON of one form only, so it is
 * read off the text, as strictly as json.h reads JSON: no key twice, no
 * number but whole ones, no control characters, nothing behind the end. */

#include <ctype.h>

#include "safe_header.h"

enum { MAXTENSORS = 1 << 20, MAXNAME = 1024 };

typedef struct Scan {
	Ctx *c;
	Arena *a;
	const char *start, *p, *end;
} Scan;

static bool
bad(Scan *s, const char *what)
{
	return fail(s->c, QE_INPUT, "bad header: %s at byte %td", what,
	            s->p - s->start + 8);
}

static void
blanks(Scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
	                         *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

/* Takes ch, with blanks around. */
static bool
is_next(Scan *s, char ch)
{
	blanks(s);
	if (s->p == s->end || *s->p != ch)
		return false;
	s->p++;
	blanks(s);
	return true;
}

static bool
expect(Scan *s, char ch)
{
	char what[] = "no '?'";

	what[4] = ch;
	return is_next(s, ch) || bad(s, what);
}

/* True if another element follows in a list; *more is false at its end. */
static bool
next(Scan *s, char close, bool *more)
{
	*more = !is_next(s, close);
	if (!*more)
		return true;
	return expect(s, ',') &&
	       (s->p < s->end && *s->p != close ? true
	                                        : bad(s, "nothing after ','"));
}

static bool
hex4(Scan *s, unsigned *u)
{
	*u = 0;
	for (int i = 0; i < 4; i++, s->p++) {
		if (s->p == s->end || !isxdigit((unsigned char)*s->p))
			return bad(s, "a bad escape");
		*u = *u * 16 + (unsigned)(*s->p <= '9'
		                                  ? *s->p - '0'
		                                  : (*s->p | 32) - 'a' + 10);
	}
	return true;
}

static bool
escape(Scan *s, Buf *b)
{
	static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *at = s->p < s->end && *s->p ? strchr(plain, *s->p) : NULL;
	unsigned u, low;

	if (at) {
		buf_char(b, means[at - plain]);
		s->p++;
		return true;
	}
	if (s->p == s->end || *s->p++ != 'u' || !hex4(s, &u))
		return bad(s, "a bad escape");
	if (u >= 0xd800 && u < 0xdc00) {
		if (s->end - s->p < 2 || *s->p++ != '\\' || *s->p++ != 'u' ||
		    !hex4(s, &low) || low < 0xdc00 || low > 0xdfff)
			return bad(s, "half a character");
		u = 0x10000 + ((u & 0x3ff) << 10 | (low & 0x3ff));
	} else if (!u || (u >= 0xdc00 && u < 0xe000))
		return bad(s, "no character");
	buf_utf8(b, u);
	return true;
}

/* A string, escapes resolved: most have none and are copied once. */
static bool
string(Scan *s, const char **out)
{
	const char *from;
	Buf *b = NULL;

	if (s->p == s->end || *s->p != '"')
		return bad(s, "no '\"'");
	for (from = ++s->p; s->p < s->end && *s->p != '"';) {
		if ((unsigned char)*s->p < 0x20)
			return bad(s, "a control character");
		if (*s->p++ != '\\') {
			if (b)
				buf_char(b, s->p[-1]);
			continue;
		}
		if (!b) {
			b = buf_new(s->a);
			buf_add(b, from, (size_t)(s->p - 1 - from));
		}
		if (!escape(s, b))
			return false;
	}
	if (s->p == s->end)
		return bad(s, "a string without an end");
	*out = b ? b->p : arena_span(s->a, (Span){from, (size_t)(s->p - from)});
	s->p++;
	return true;
}

static bool
size(Scan *s, int64_t *out)
{
	const char *from = s->p;
	int64_t n = 0;

	for (; s->p < s->end && isdigit((unsigned char)*s->p); s->p++)
		if ((n = add_size(mul_size(n, 10), *s->p - '0')) < 0)
			return bad(s, "a number too large");
	if (s->p == from || (*from == '0' && s->p > from + 1) ||
	    (s->p < s->end && strchr(".eE", *s->p)))
		return bad(s, "no size");
	*out = n;
	return true;
}

static bool
sizes(Scan *s, int most, int64_t *v, int *n)
{
	bool more = true;

	*n = 0;
	if (!expect(s, '['))
		return false;
	if (is_next(s, ']'))
		return true;
	while (more) {
		if (*n == most)
			return fail(s->c, QE_INPUT, "over %d numbers", most);
		if (!size(s, &v[(*n)++]) || !next(s, ']', &more))
			return false;
	}
	return true;
}

static bool
check_length(Ctx *c, const SafeTensor *t)
{
	int64_t n = shape_count(&t->shape), want = dtype_bytes(t->type, n);
	int bits = dtypes[t->type].bits;

	if (n < 0)
		return fail(c, QE_INPUT, "shape %s overflows",
		            shape_text(&t->shape).s);
	if (t->type == DT_NONE)
		return true;
	if (bits < 8 && n % (8 / bits) != 0)
		return fail(c, QE_INPUT, "%lld elements of %s are no bytes",
		            (long long)n, t->dtype);
	if (want != t->len)
		return fail(c, QE_INPUT, "%s %s needs %lld bytes, has %lld",
		            t->dtype, shape_text(&t->shape).s, (long long)want,
		            (long long)t->len);
	return true;
}

enum { DTYPE, SHAPE, OFFSETS, FIELDS };
static const char *const fields[FIELDS + 1] = {"dtype", "shape",
                                               "data_offsets"};

static bool
field(Scan *s, SafeTensor *t, int64_t range[2], unsigned *seen)
{
	const char *key;
	int k = 0, n;

	if (!string(s, &key) || !expect(s, ':'))
		return false;
	while (k < FIELDS && strcmp(key, fields[k]) != 0)
		k++;
	if (k == FIELDS || *seen >> k & 1)
		return fail(s->c, QE_INPUT,
		            k < FIELDS ? "'%s' twice" : "unknown key '%s'",
		            key);
	*seen |= 1u << k;
	switch (k) {
	case DTYPE:
		if (!string(s, &t->dtype))
			return false;
		t->type = dtype_by_safetensors(t->dtype);
		return true;
	case SHAPE:
		return sizes(s, MAXRANK, t->shape.dim, &t->shape.rank) ||
		       note(s->c, "shape");
	default:
		if (!sizes(s, 2, range, &n))
			return note(s->c, "data_offsets");
		return n == 2 || bad(s, "no data_offsets of two numbers");
	}
}

static bool
entry(Scan *s, SafeTensor *t)
{
	int64_t range[2] = {0, 0};
	unsigned seen = 0;
	bool more = true;

	if (!expect(s, '{'))
		return false;
	for (more = !is_next(s, '}'); more;)
		if (!field(s, t, range, &seen) || !next(s, '}', &more))
			return false;
	for (int k = 0; k < FIELDS; k++)
		if (!(seen >> k & 1))
			return fail(s->c, QE_INPUT, "no '%s'", fields[k]);
	if (range[1] < range[0])
		return fail(s->c, QE_INPUT, "data_offsets [%lld, %lld]",
		            (long long)range[0], (long long)range[1]);
	t->off = range[0];
	t->len = range[1] - range[0];
	return check_length(s->c, t);
}

/* Texts by name; nothing here asks for them. */
static bool
metadata(Scan *s)
{
	Scan skip = *s;
	Arena tmp = {0};
	Dict *seen = dict_new(&tmp);
	const char *key, *text;
	bool ok, more;

	skip.a = &tmp;
	ok = expect(&skip, '{');
	for (more = ok && !is_next(&skip, '}'); ok && more;) {
		ok = string(&skip, &key) && expect(&skip, ':') &&
		     string(&skip, &text) && next(&skip, '}', &more);
		if (ok && dict_has(seen, key))
			ok = bad(&skip, "a key twice");
		else if (ok)
			dict_set(seen, key, NULL);
	}
	s->p = skip.p;
	arena_free(&tmp);
	return ok || note(s->c, "__metadata__");
}

static bool
check_name(Ctx *c, const char *name)
{
	size_t n = strlen(name);

	if (!n || n > MAXNAME)
		return fail(c, QE_INPUT, "a tensor name of %zu bytes", n);
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return fail(c, QE_INPUT,
			            "a control character in a tensor name");
	return true;
}

static bool
member(Scan *s, SafeFile *f, size_t *cap)
{
	SafeTensor t = {0};

	if (!string(s, &t.name) || !expect(s, ':'))
		return false;
	if (dict_has(f->byname, t.name))
		return fail(s->c, QE_INPUT, "'%s' twice", t.name);
	dict_set(f->byname, t.name, NULL);
	if (strcmp(t.name, "__metadata__") == 0)
		return metadata(s);
	if (!check_name(s->c, t.name))
		return false;
	if (f->ntensor == MAXTENSORS)
		return fail(s->c, QE_INPUT, "over %d tensors", MAXTENSORS);
	if (!entry(s, &t))
		return note(s->c, "tensor '%s'", t.name);
	PUSH(s->a, f->tensor, f->ntensor, *cap, t);
	return true;
}

bool
safe_header(Ctx *c, Arena *a, Span text, SafeFile *f)
{
	Scan s = {c, a, text.p, text.p, text.p + text.n};
	size_t cap = 0, good = utf8_valid(text);
	bool more;

	f->byname = dict_new(a);
	if (good < text.n) {
		s.p += good;
		return bad(&s, "not UTF-8");
	}
	if (!expect(&s, '{'))
		return false;
	for (more = !is_next(&s, '}'); more;)
		if (!member(&s, f, &cap) || !next(&s, '}', &more))
			return false;
	return s.p == s.end || bad(&s, "something behind the end");
}
