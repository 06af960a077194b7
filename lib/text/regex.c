/* SPDX-License-Identifier: BSD-3-Clause
 * regex.c - patterns of tokenizer files, matched by PCRE2.
 *
 * The two dialects agree on most of what is in use.  Translated are: \s \w
 * \d \h and their complements (other sets of characters), \b \B, \uHHHH, the
 * inline option m (PCRE2's s), and {n,m}+ (repeated, where PCRE2 would be
 * possessive), and classes in classes, also with &&.  What would silently
 * mean something else is refused.  ^ and $ match at every line in Ruby.
 *
 * Work is bounded by the match limit; the JIT compiler is used where it is
 * there, and its stack, when too small, gives way to the interpreter. */

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>

#include "regex.h"
#include "scan.h"

enum {
	PATTERN_MAX = 64 << 10,
	NEST_MAX = 64,
	MATCH_LIMIT = 10 << 20,
	STACK_MIN = 32 << 10,
	STACK_MAX = 1 << 20,
};

#define SPACE                                                                  \
	"\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}"       \
	"\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE                                                              \
	"\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}"            \
	"\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"              \
	"\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"            \
	"\\x{3001}-\\x{10ffff}"
/* What Oniguruma counts as a word besides, but not in a class. */
#define WORD_LATIN1 "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

struct Regex {
	pcre2_code *code;
	const Scanner *scan; /* or NULL */
	bool jit;
};

struct Matcher {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* A pattern on its way from one dialect to the other. */
typedef struct Trans {
	Ctx *c;
	const char *p, *end;
	Buf *out;
	size_t atom;           /* where the last atom starts in out */
	size_t open[NEST_MAX]; /* the same of the groups around it */
	int depth;
	bool counted; /* the last atom carries a {n,m} */
} Trans;

static bool
refuse(Trans *t, const char *what)
{
	return fail(t->c, QE_INPUT, "pattern uses %s, which is not supported",
	            what);
}

static bool
compiles(const char *pattern)
{
	size_t at;
	int err;
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
	                      PCRE2_UTF, &err, &at, NULL);

	pcre2_code_free(code);
	return code != NULL;
}

/* The members of a property, as they stand in a class.  A script is what it
 * says there, without its extensions; categories get the code points that
 * PCRE2 does not know yet. */
static void
put_property(Buf *out, const char *name)
{
	static const struct {
		const char *category;
		uint32_t from, to;
	} newer[] = {
#define NEWER(category, from, to) {#category, from, to},
#include "newer.def"
	};
	char script[64];

	snprintf(script, sizeof script, "\\p{sc:%.40s}", name);
	if (strlen(name) > 2 && compiles(script))
		buf_str(out, script);
	else
		buf_fmt(out, "\\p{%s}", name);
	for (size_t i = 0; i < LEN(newer); i++)
		if (str_starts(newer[i].category, name))
			buf_fmt(out, "\\x{%x}-\\x{%x}", newer[i].from,
			        newer[i].to);
}

/* The set of a class letter, as it stands in a class; false if the letter
 * has none. */
static bool
put_set(Buf *out, char letter)
{
	switch (letter) {
	case 's':
		buf_str(out, SPACE);
		return true;
	case 'S':
		buf_str(out, NOT_SPACE);
		return true;
	case 'h':
		buf_str(out, "0-9a-fA-F");
		return true;
	case 'd':
		put_property(out, "Nd");
		return true;
	case 'w':
		buf_str(out, "\\p{Alphabetic}\\p{Pc}");
		put_property(out, "L");
		put_property(out, "M");
		put_property(out, "Nd");
		return true;
	default:
		return false;
	}
}

/* The same for \D \H \W, whose sets are all but these. */
static bool
put_negated(Buf *out, char letter)
{
	return strchr("DHW", letter) &&
	       put_set(out, (char)tolower((unsigned char)letter));
}

/* \uHHHH; p is after the u. */
static bool
code_point(Trans *t)
{
	if (t->end - t->p < 4)
		return refuse(t, "a short \\u");
	for (int i = 0; i < 4; i++)
		if (!isxdigit((unsigned char)t->p[i]))
			return refuse(t, "a short \\u");
	buf_fmt(t->out, "\\x{%.4s}", t->p);
	t->p += 4;
	return true;
}

/* An escape that both know, with what it has in braces. */
static void
copy_escape(Trans *t, char letter)
{
	buf_char(t->out, '\\');
	buf_char(t->out, letter);
	if (t->p < t->end && *t->p == '{' && strchr("xkgo", letter))
		while (t->p < t->end) {
			buf_char(t->out, *t->p);
			if (*t->p++ == '}')
				break;
		}
}

/* \p or \P and a name: its members; *negated if all others are meant. */
static bool
property(Trans *t, char letter, Buf *out, bool *negated)
{
	char name[48];
	size_t n = 0;
	bool brace = t->p < t->end && *t->p == '{';

	t->p += brace;
	*negated = letter == 'P';
	if (brace && t->p < t->end && *t->p == '^') {
		*negated = !*negated;
		t->p++;
	}
	while (t->p < t->end && *t->p != '}' && n + 1 < sizeof name &&
	       (brace || n == 0))
		name[n++] = *t->p++;
	name[n] = '\0';
	if (n == 0 || (brace && (t->p == t->end || *t->p++ != '}')))
		return refuse(t, "a property without a name or an end");
	put_property(out, name);
	return true;
}

static bool class_body(Trans *t, int depth);

/* An escape in a class, to plain or, if it has to be a set of its own, to
 * sets. */
static bool
class_escape(Trans *t, Buf *plain, Buf *sets)
{
	Arena a = {0};
	Buf *out = t->out, *set = buf_new(&a);
	char letter = *t->p++;
	bool ok = true, negated = put_negated(set, letter);

	if (letter == 'R' || letter == 'X') {
		ok = refuse(t, "\\R or \\X in a class");
	} else if (letter == 'p' || letter == 'P') {
		ok = property(t, letter, set, &negated);
	} else if (!negated && !put_set(set, letter)) {
		t->out = set;
		if (letter == 'u')
			ok = code_point(t);
		else
			copy_escape(t, letter);
		t->out = out;
	}
	if (negated)
		buf_fmt(sets, "|[^%s]", set->p);
	else
		buf_add(plain, set->p, set->n);
	arena_free(&a);
	return ok;
}

/* [:name:] is plain; else a class in a class. */
static bool
class_bracket(Trans *t, Buf *plain, Buf *sets, int depth)
{
	Buf *out = t->out;
	bool ok;

	if (t->p < t->end && *t->p == ':') {
		buf_char(plain, '[');
		while (t->p < t->end && *t->p != ']')
			buf_char(plain, *t->p++);
		if (t->p < t->end)
			buf_char(plain, *t->p++);
		return true;
	}
	buf_char(sets, '|');
	t->out = sets;
	ok = class_body(t, depth + 1);
	t->out = out;
	return ok;
}

/* What stands between [, && and ]: characters and sets, into both buffers. */
static bool
class_union(Trans *t, Buf *plain, Buf *sets, bool first, int depth)
{
	for (; t->p < t->end && (*t->p != ']' || first); first = false) {
		char ch = *t->p++;
		bool ok = true;

		if (ch == '\\' && t->p < t->end) {
			ok = class_escape(t, plain, sets);
		} else if (ch == '[') {
			ok = class_bracket(t, plain, sets, depth);
		} else if (ch == '&' && t->p < t->end && *t->p == '&') {
			t->p--;
			return true;
		} else {
			buf_char(plain, ch);
		}
		if (!ok)
			return false;
	}
	return t->p < t->end || refuse(t, "a class without an end");
}

/* A union as an expression for one character. */
static void
put_union(Buf *out, const Buf *plain, const Buf *sets)
{
	if (sets->n == 0)
		buf_fmt(out, "[%s]", plain->p);
	else if (plain->n == 0)
		buf_fmt(out, "(?:%s)", sets->p + 1);
	else
		buf_fmt(out, "(?:[%s]%s)", plain->p, sets->p);
}

/* After the '[': a negation, unions with && between, and the ']'.  An
 * intersection is all but the last as looks ahead. */
static bool
class_body(Trans *t, int depth)
{
	Arena a = {0};
	Buf *plain = buf_new(&a), *sets = buf_new(&a), *expr = buf_new(&a);
	bool negated = t->p < t->end && *t->p == '^', ok, both = false;

	ok = depth <= NEST_MAX || refuse(t, "classes nested too deep");
	t->p += negated;
	for (bool first = true; ok; first = false) {
		ok = class_union(t, plain, sets, first, depth);
		if (!ok || *t->p == ']')
			break;
		t->p += 2;
		both = true;
		buf_str(expr, "(?=");
		put_union(expr, plain, sets);
		buf_char(expr, ')');
		buf_clear(plain);
		buf_clear(sets);
	}
	t->p += ok;
	put_union(expr, plain, sets);
	if (!negated)
		buf_fmt(t->out, both ? "(?:%s)" : "%s", expr->p);
	else if (!both && sets->n == 0)
		buf_fmt(t->out, "[^%s]", plain->p);
	else
		buf_fmt(t->out, "(?:(?!%s)(?s:.))", expr->p);
	arena_free(&a);
	return ok;
}

static bool class(Trans *t)
{
	t->atom = t->out->n;
	return class_body(t, 0);
}

/* Where a word begins or ends, or does not. */
static void
put_boundary(Buf *out, const char *word, bool is)
{
	const char *yes = is ? "!" : "=", *no = is ? "=" : "!";

	buf_fmt(out, "(?:(?<=[%s])(?%s[%s])|(?<![%s])(?%s[%s]))", word, yes,
	        word, word, no, word);
}

/* A letter with a set of its own; false if it is none. */
static bool
set_escape(Trans *t, char letter, Buf *set, bool *ok)
{
	bool negated = false;

	*ok = true;
	if (letter == 'b' || letter == 'B') {
		put_set(set, 'w');
		buf_str(set, WORD_LATIN1);
		put_boundary(t->out, set->p, letter == 'b');
		return true;
	}
	if (letter == 'p' || letter == 'P')
		*ok = property(t, letter, set, &negated);
	else if (put_negated(set, letter))
		negated = true;
	else if (!put_set(set, letter))
		return false;
	if (letter == 'w' || letter == 'W')
		buf_str(set, WORD_LATIN1);
	buf_fmt(t->out, "[%s%s]", negated ? "^" : "", set->p);
	return true;
}

static bool
escape(Trans *t)
{
	Arena a = {0};
	char letter = *t->p++;
	bool ok, done;

	t->atom = t->out->n;
	done = set_escape(t, letter, buf_new(&a), &ok);
	arena_free(&a);
	if (done)
		return ok;
	if (letter == 'u')
		return code_point(t);
	if (letter == 'C')
		return refuse(t, "\\C");
	copy_escape(t, letter);
	return true;
}

/* (?imx-imx: with Ruby's m written s; other groups are the same. */
static bool
group(Trans *t)
{
	const char *q = t->p;

	if (t->depth == NEST_MAX)
		return refuse(t, "groups nested too deep");
	t->open[t->depth++] = t->out->n;
	buf_char(t->out, '(');
	if (t->end - q < 2 || *q != '?')
		return true;
	for (q++; q < t->end && strchr("imx-", *q); q++)
		;
	if (q == t->end || (*q != ':' && *q != ')'))
		return true;
	for (; t->p < q; t->p++)
		buf_char(t->out, *t->p == 'm' ? 's' : *t->p);
	return true;
}

/* {n,m}: what follows decides whether the whole is repeated. */
static void
count(Trans *t)
{
	while (t->p < t->end && *t->p != '}')
		buf_char(t->out, *t->p++);
	if (t->p == t->end)
		return;
	buf_char(t->out, *t->p++);
	t->counted = true;
}

/* The atom and its {n,m}, as a group to which + can apply. */
static void
wrap(Trans *t)
{
	size_t n = t->out->n - t->atom;

	buf_str(t->out, "(?:)");
	memmove(t->out->p + t->atom + 3, t->out->p + t->atom, n);
	memcpy(t->out->p + t->atom, "(?:", 3);
	t->out->p[t->atom + 3 + n] = ')';
}

static bool
one(Trans *t)
{
	char ch = *t->p++;
	bool counted = t->counted;

	t->counted = false;
	switch (ch) {
	case '\\':
		if (t->p == t->end)
			return refuse(t, "a lone backslash");
		return escape(t);
	case '[':
		return class(t);
	case '(':
		return group(t);
	case ')':
		if (t->depth > 0)
			t->atom = t->open[--t->depth];
		break;
	case '{':
		buf_char(t->out, ch);
		count(t);
		return true;
	case '+':
		if (counted)
			wrap(t);
		break;
	case '*':
	case '?':
		break;
	default:
		if (((unsigned char)ch & 0xc0) != 0x80)
			t->atom = t->out->n;
	}
	buf_char(t->out, ch);
	return true;
}

bool
regex_translate(Ctx *c, Span pattern, Buf *out)
{
	Trans t = {.c = c, .p = pattern.p, .out = out};

	if (pattern.n > PATTERN_MAX)
		return fail(c, QE_INPUT, "pattern of %zu bytes, limit %d",
		            pattern.n, PATTERN_MAX);
	t.end = pattern.p + pattern.n;
	while (t.p < t.end)
		if (!one(&t))
			return false;
	return true;
}

static void
regex_free(void *p)
{
	pcre2_code_free(((Regex *)p)->code);
}

static pcre2_code *
compile(Ctx *c, const Buf *pattern)
{
	pcre2_compile_context *k = pcre2_compile_context_create(NULL);
	char why[128];
	pcre2_code *code;
	size_t at;
	int err;

	if (!k)
		qe_nomem();
	pcre2_set_newline(k, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(k, NEST_MAX);
	code = pcre2_compile((PCRE2_SPTR)pattern->p, pattern->n,
	                     PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE |
	                             PCRE2_NEVER_BACKSLASH_C |
	                             PCRE2_NO_UTF_CHECK,
	                     &err, &at, k);
	pcre2_compile_context_free(k);
	if (code)
		return code;
	pcre2_get_error_message(err, (PCRE2_UCHAR *)why, sizeof why);
	fail(c, QE_INPUT, "pattern: %s at byte %zu of '%.200s'", why, at,
	     pattern->p);
	return NULL;
}

Regex *
regex_open(Ctx *c, Arena *a, Span pattern)
{
	Regex *re = NEW(a, Regex);
	Buf *out = buf_new(a);

	if (utf8_valid(pattern) != pattern.n) {
		fail(c, QE_INPUT, "pattern is not UTF-8");
		return NULL;
	}
	if (!regex_translate(c, pattern, out))
		return NULL;
	if (!(re->code = compile(c, out)))
		return NULL;
	arena_defer(a, regex_free, re);
	re->scan = scanner_of(pattern);
	re->jit = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0;
	return re;
}

static void
matcher_free(void *p)
{
	Matcher *m = p;

	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
}

Matcher *
matcher_open(Arena *a)
{
	Matcher *m = NEW(a, Matcher);

	m->data = pcre2_match_data_create(1, NULL);
	m->context = pcre2_match_context_create(NULL);
	if (!m->data || !m->context)
		qe_nomem();
	arena_defer(a, matcher_free, m);
	m->stack = pcre2_jit_stack_create(STACK_MIN, STACK_MAX, NULL);
	if (m->stack)
		pcre2_jit_stack_assign(m->context, NULL, m->stack);
	return m;
}

/* Steps of one match; a few for each byte are honest work. */
static uint32_t
match_limit(size_t n)
{
	return (uint32_t)MIN(MATCH_LIMIT + 4 * (uint64_t)n,
	                     (uint64_t)UINT32_MAX);
}

static int
search(Matcher *m, const Regex *re, Span s, size_t at, uint32_t opt)
{
	PCRE2_SPTR p = (PCRE2_SPTR)s.p;
	int rc = PCRE2_ERROR_JIT_STACKLIMIT;

	opt |= PCRE2_NO_UTF_CHECK;
	pcre2_set_match_limit(m->context, match_limit(s.n));
	if (re->jit && !(opt & PCRE2_ANCHORED))
		rc = pcre2_jit_match(re->code, p, s.n, at, opt, m->data,
		                     m->context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(re->code, p, s.n, at, opt | PCRE2_NO_JIT,
		                 m->data, m->context);
	return rc;
}

/* Past an empty match that follows a match: one character on. */
static void
step(Scan *k)
{
	k->at++;
	while (k->at < k->s.n && ((unsigned char)k->s.p[k->at] & 0xc0) == 0x80)
		k->at++;
}

/* A scanner's patterns match at every character. */
static bool
scan_next(const Regex *re, Scan *k)
{
	size_t end;

	if (!re->scan || k->at >= k->s.n ||
	    !(end = scanner_end(re->scan, k->s, k->at)))
		return false;
	k->from = k->at;
	k->to = k->at = end;
	k->last = end + 1;
	return true;
}

int
regex_next(Ctx *c, Matcher *m, const Regex *re, Scan *k)
{
	const size_t *pos = pcre2_get_ovector_pointer(m->data);
	char why[128];
	int rc;

	if (scan_next(re, k))
		return 1;
	for (; k->at <= k->s.n; step(k)) {
		rc = search(m, re, k->s, k->at, 0);
		if (rc == PCRE2_ERROR_NOMATCH)
			return 0;
		if (rc < 0) {
			pcre2_get_error_message(rc, (PCRE2_UCHAR *)why,
			                        sizeof why);
			fail(c, QE_INPUT, "matching a pattern: %s", why);
			return -1;
		}
		k->from = pos[0];
		k->to = k->at = MAX(pos[1], pos[0]);
		if (k->from == k->to && k->last == k->to + 1)
			continue;
		k->last = k->to + 1;
		return 1;
	}
	return 0;
}

bool
regex_at(Matcher *m, const Regex *re, Span s)
{
	return search(m, re, s, 0, PCRE2_ANCHORED) >= 0;
}
