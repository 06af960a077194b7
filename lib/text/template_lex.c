/* SPDX-License-Identifier: BSD-3-Clause
 * template_lex.c - template source to tokens, white space already decided.
 *
 *   text {%- for x in y %}\n ...   ->  DATA STMT NAME NAME NAME NAME STMT_END
 *
 * A `-` at a tag strips the text on its side; trim_blocks drops the newline
 * behind a block tag, lstrip_blocks the blanks in front of one that begins a
 * line, unless a `+` is there.  An end tag inside brackets is no end tag. */

#include <utf8proc.h>

#include "template_impl.h"

enum { MAX_SOURCE = 1 << 20 };

typedef struct Lexer {
	Ctx *c;
	Arena *mem;
	const char *s, *p, *end; /* newlines are \n */
	int line;
	Token *tok;
	size_t n, cap;
	char *open; /* brackets to be closed */
	size_t nopen, copen;
} Lexer;

static bool
bad(Lexer *l, const char *what)
{
	return fail(l->c, QE_INPUT, "line %d: %s", l->line, what);
}

static void
emit(Lexer *l, TokKind kind, const char *p, size_t n)
{
	Token k = {kind, l->line, {p, n}};

	PUSH(l->mem, l->tok, l->n, l->cap, k);
}

/* Every byte passes here once, so lines are counted once. */
static void
advance(Lexer *l, const char *to)
{
	for (; l->p < to; l->p++)
		l->line += *l->p == '\n';
}

static bool
looking(const Lexer *l, const char *p, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(l->end - p) >= n && memcmp(p, what, n) == 0;
}

/* White space is Unicode's, as for a regular expression on str. */
static const char *
skip_space(const Lexer *l, const char *p)
{
	size_t n;

	while (p < l->end && tpl_space(tpl_code(p, &n)))
		p += n;
	return p;
}

/* The end of a closing tag at p, with the white space it eats, or NULL.
 * trim: a newline behind it goes too. */
static const char *
closing(const Lexer *l, const char *p, const char *tag, bool trim)
{
	bool minus = looking(l, p, "-"), plus = trim && looking(l, p, "+");

	p += minus || plus;
	if (!looking(l, p, tag))
		return NULL;
	p += 2;
	if (minus)
		return skip_space(l, p);
	return trim && !plus && looking(l, p, "\n") ? p + 1 : p;
}

/* The text before a tag, as far as the tag lets it stand. */
static void
text(Lexer *l, const char *tag, char sign, bool variable)
{
	Span s = {l->p, (size_t)(tag - l->p)};
	const char *q = tag;

	if (sign == '-') {
		s = tpl_strip(s, NULL, false, true);
	} else if (sign != '+' && !variable) {
		while (q > l->p && q[-1] != '\n')
			q--;
		if ((q > l->p || q == l->s || q[-1] == '\n') &&
		    tpl_strip((Span){q, (size_t)(tag - q)}, NULL, true, false)
		                    .n == 0)
			s.n = (size_t)(q - l->p);
	}
	if (s.n)
		emit(l, T_DATA, s.p, s.n);
	advance(l, tag);
}

/* The nearest end counts: comments do not nest. */
static bool
comment(Lexer *l)
{
	const char *to;

	for (const char *p = l->p; p < l->end; p++)
		if ((to = closing(l, p, "#}", true))) {
			advance(l, to);
			return true;
		}
	return bad(l, "a comment is not closed");
}

/* The end of `{% word %}` at p, or NULL; only the end of a raw block trims
 * the newline behind it. */
static const char *
word_tag(const Lexer *l, const char *p, const char *word, bool trim)
{
	p += 2;
	p += looking(l, p, "-") || looking(l, p, "+");
	p = skip_space(l, p);
	if (!looking(l, p, word))
		return NULL;
	return closing(l, skip_space(l, p + strlen(word)), "%}", trim);
}

/* Up to the nearest endraw, whatever is between. */
static bool
raw(Lexer *l)
{
	const char *to;

	for (const char *p = l->p; p < l->end; p++)
		if (looking(l, p, "{%") &&
		    (to = word_tag(l, p, "endraw", true))) {
			text(l, p, p[2], false);
			advance(l, to);
			return true;
		}
	return bad(l, "a raw block is not closed");
}

/* Underscores stand between digits only. */
static size_t
digits(const char *p, const char *end, const char *set)
{
	const char *q = p;

	while (q < end && *q && (strchr(set, *q) || (*q == '_' && q > p)))
		q++;
	while (q > p && q[-1] == '_')
		q--;
	return (size_t)(q - p);
}

/* A number; floats need a digit on both sides of the dot. */
static bool
number(Lexer *l)
{
	static const char dec[] = "0123456789";
	const char *p = l->p, *q;
	size_t n;
	bool real = false;

	if (p[0] == '0' && p + 2 < l->end && p[1] && strchr("xXoObB", p[1])) {
		n = digits(p + 2, l->end,
		           strchr("xX", p[1])   ? "0123456789abcdefABCDEF"
		           : strchr("oO", p[1]) ? "01234567"
		                                : "01");
		if (n) {
			emit(l, T_INT, p, n + 2);
			advance(l, p + 2 + n);
			return true;
		}
	}
	q = p + digits(p, l->end, dec);
	if (l->p > l->s && l->p[-1] == '.') { /* x.1.2 is two indexes */
		emit(l, T_INT, p, (size_t)(q - p));
		advance(l, q);
		return true;
	}
	if (looking(l, q, ".") && (n = digits(q + 1, l->end, dec))) {
		q += 1 + n;
		real = true;
	}
	if (looking(l, q, "e") || looking(l, q, "E")) {
		const char *e = q + 1;

		e += looking(l, e, "+") || looking(l, e, "-");
		if ((n = digits(e, l->end, dec))) {
			q = e + n;
			real = true;
		}
	}
	emit(l, real ? T_FLOAT : T_INT, p, (size_t)(q - p));
	advance(l, q);
	return true;
}

/* \w: letters, marks, numbers and connectors of all alphabets. */
static bool
word_char(uint32_t ch)
{
	if (ch < 0x80)
		return ch == '_' || (ch >= '0' && ch <= '9') ||
		       (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
	switch (utf8proc_category((int32_t)ch)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_PC:
		return true;
	default:
		return false;
	}
}

static const char *
word_end(const Lexer *l)
{
	const char *q = l->p;
	size_t n;

	while (q < l->end && word_char(tpl_code(q, &n)))
		q += n;
	return q;
}

/* \xHH and its like: `n` hexadecimal digits at p. */
static bool
hex_escape(Lexer *l, Buf *b, const char *p, const char *end, int n)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t code = 0;

	if (end - p < n)
		return bad(l, "a string has a cut escape");
	for (int i = 0; i < n; i++) {
		const char *at = strchr(hex, p[i] | 0x20);

		if (!at || !*at || p[i] < '0')
			return bad(l, "a string has a bad escape");
		code = code * 16 + (uint32_t)(at - hex);
	}
	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return bad(l, "a string escapes what is no character");
	buf_utf8(b, code);
	return true;
}

/* One escape; p is behind the backslash and moves behind the escape. */
static bool
escape(Lexer *l, Buf *b, const char **p, const char *end)
{
	static const char simple[] = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v";
	char ch = *(*p)++;
	uint32_t code;

	for (const char *s = simple; *s; s += 2)
		if (*s == ch) {
			buf_char(b, s[1]);
			return true;
		}
	if (ch == 'x' || ch == 'u' || ch == 'U') {
		int n = ch == 'x' ? 2 : ch == 'u' ? 4 : 8;

		if (!hex_escape(l, b, *p, end, n))
			return false;
		*p += n;
	} else if (ch >= '0' && ch <= '7') {
		code = (uint32_t)(ch - '0');
		for (int i = 0; i < 2 && *p < end && **p >= '0' && **p <= '7';
		     i++)
			code = code * 8 + (uint32_t)(*(*p)++ - '0');
		buf_utf8(b, code);
	} else if (ch == 'N') {
		return bad(l, "character names (\\N) are not supported");
	} else if (ch != '\n') {
		buf_char(b, '\\');
		buf_char(b, ch);
	}
	return true;
}

/* The text of a token is its value; the tree needs no second pass over
 * escapes. */
static bool
string(Lexer *l)
{
	const char *q = l->p + 1;
	Buf *b;

	while (q < l->end && *q != *l->p)
		q += 1 + (*q == '\\');
	if (q >= l->end)
		return bad(l, "a string is not closed");
	b = buf_new(l->mem);
	for (const char *p = l->p + 1; p < q;) {
		if (*p != '\\')
			buf_char(b, *p++);
		else if (p++, !escape(l, b, &p, q))
			return false;
	}
	emit(l, T_STRING, b->p, b->n);
	advance(l, q + 1);
	return true;
}

/* Keeps the account of brackets. */
static bool
bracket(Lexer *l)
{
	static const char pair[] = "(){}[]";
	const char *at = strchr(pair, *l->p);

	if (!at)
		return true;
	if ((at - pair) % 2 == 0) {
		PUSH(l->mem, l->open, l->nopen, l->copen, at[1]);
		return true;
	}
	if (!l->nopen)
		return fail(l->c, QE_INPUT, "line %d: unexpected '%c'", l->line,
		            *l->p);
	if (l->open[--l->nopen] != *l->p)
		return fail(l->c, QE_INPUT,
		            "line %d: unexpected '%c', expected '%c'", l->line,
		            *l->p, l->open[l->nopen]);
	return true;
}

/* The longest first: // is not two divisions. */
static bool
operator(Lexer *l)
{
	static const char *const ops[] = {
		"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
		"*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
		">",  "<",  "=",  ".",  ":",  "|",  ",", ";",
	};

	for (size_t i = 0; i < LEN(ops); i++)
		if (looking(l, l->p, ops[i])) {
			if (!bracket(l))
				return false;
			emit(l, T_OP, ops[i], strlen(ops[i]));
			advance(l, l->p + strlen(ops[i]));
			return true;
		}
	return bad(l, "unexpected character in a tag");
}

/* The inside of {{ }} or {% %}. */
static bool
tag(Lexer *l, bool variable)
{
	const char *to;

	while (advance(l, skip_space(l, l->p)), l->p < l->end) {
		to = l->nopen ? NULL
		              : closing(l, l->p, variable ? "}}" : "%}",
		                        !variable);
		if (to) {
			emit(l, variable ? T_VAR_END : T_STMT_END, l->p, 2);
			advance(l, to);
			return true;
		}
		if (*l->p >= '0' && *l->p <= '9') {
			if (!number(l))
				return false;
		} else if ((to = word_end(l)) > l->p) {
			emit(l, T_NAME, l->p, (size_t)(to - l->p));
			advance(l, to);
		} else if (*l->p == '"' || *l->p == '\'') {
			if (!string(l))
				return false;
		} else if (!operator(l)) {
			return false;
		}
	}
	return true; /* the parser sees the end and says what it wanted */
}

/* The first opening tag from p on, or the end. */
static const char *
opening(const Lexer *l, const char *p)
{
	for (; p + 1 < l->end; p++)
		if (*p == '{' && (p[1] == '{' || p[1] == '%' || p[1] == '#'))
			return p;
	return l->end;
}

/* Text up to an opening tag, and what that tag opens. */
static bool
root(Lexer *l)
{
	const char *p = opening(l, l->p), *to = NULL;
	char kind, sign;

	if (p == l->end) {
		text(l, p, '+', true);
		return true;
	}
	kind = p[1];
	sign = p + 2 < l->end ? p[2] : '\0';
	text(l, p, sign, kind == '{');
	if (kind == '%' && (to = word_tag(l, p, "raw", false))) {
		advance(l, to);
		return raw(l);
	}
	if (kind != '#')
		emit(l, kind == '{' ? T_VAR : T_STMT, p, 2);
	l->p += 2 + (sign == '-' || sign == '+');
	return kind == '#' ? comment(l) : tag(l, kind == '{');
}

/* Newlines become \n; the last one goes. */
static Span
normalise(Arena *a, Span s)
{
	char *d = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
			continue;
		d[n++] = s.p[i] == '\r' ? '\n' : s.p[i];
	}
	if (n && d[n - 1] == '\n')
		n--;
	return (Span){d, n};
}

Token *
tpl_lex(Ctx *c, Arena *a, Span s)
{
	Lexer l = {.c = c, .mem = a, .line = 1};
	size_t good;

	if (s.n > MAX_SOURCE)
		return fail(c, QE_INPUT, "the template is over 1 MiB"), NULL;
	if ((good = utf8_valid(s)) < s.n) {
		l.p = s.p;
		advance(&l, s.p + good);
		return bad(&l, "the template is not UTF-8"), NULL;
	}
	s = normalise(a, s);
	l.s = l.p = s.p;
	l.end = s.p + s.n;
	while (l.p < l.end)
		if (!root(&l))
			return NULL;
	emit(&l, T_EOF, l.end, 0);
	return l.tok;
}

bool
template_names(Ctx *c, Span source, const char *name)
{
	Ctx trial = {.tool = c->tool};
	const Token *t = tpl_lex(&trial, &trial.mem, source);
	bool found = false, member = false;

	for (; t && t->kind != T_EOF && !found; t++) {
		found = t->kind == T_NAME && !member &&
		        t->text.n == strlen(name) &&
		        memcmp(t->text.p, name, t->text.n) == 0;
		member = t->kind == T_OP && *t->text.p == '.';
	}
	arena_free(&trial.mem);
	return found;
}
