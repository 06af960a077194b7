/* SPDX-License-Identifier: BSD-3-Clause
 * template_case.c - letters: upper and lower case, titles, str.isalpha() and
 * its kin.
 *
 * utf8proc maps one character to one; Python follows Unicode's SpecialCasing
 * where one becomes several (U+00DF to SS) and for the final sigma. */

#include <utf8proc.h>

#include "template_impl.h"

/* What one letter becomes in upper case if that is several (SpecialCasing.txt
 * of Unicode 14, unconditional rows), but for U+1F80 to U+1FAF. */
static const struct {
	uint16_t from, to[3];
} several[] = {
	/* clang-format off */
	{0xdf, {0x53, 0x53}}, {0x149, {0x2bc, 0x4e}},
	{0x1f0, {0x4a, 0x30c}}, {0x390, {0x399, 0x308, 0x301}},
	{0x3b0, {0x3a5, 0x308, 0x301}}, {0x587, {0x535, 0x552}},
	{0x1e96, {0x48, 0x331}}, {0x1e97, {0x54, 0x308}},
	{0x1e98, {0x57, 0x30a}}, {0x1e99, {0x59, 0x30a}},
	{0x1e9a, {0x41, 0x2be}}, {0x1f50, {0x3a5, 0x313}},
	{0x1f52, {0x3a5, 0x313, 0x300}}, {0x1f54, {0x3a5, 0x313, 0x301}},
	{0x1f56, {0x3a5, 0x313, 0x342}}, {0x1fb2, {0x1fba, 0x399}},
	{0x1fb3, {0x391, 0x399}}, {0x1fb4, {0x386, 0x399}},
	{0x1fb6, {0x391, 0x342}}, {0x1fb7, {0x391, 0x342, 0x399}},
	{0x1fbc, {0x391, 0x399}}, {0x1fc2, {0x1fca, 0x399}},
	{0x1fc3, {0x397, 0x399}}, {0x1fc4, {0x389, 0x399}},
	{0x1fc6, {0x397, 0x342}}, {0x1fc7, {0x397, 0x342, 0x399}},
	{0x1fcc, {0x397, 0x399}}, {0x1fd2, {0x399, 0x308, 0x300}},
	{0x1fd3, {0x399, 0x308, 0x301}}, {0x1fd6, {0x399, 0x342}},
	{0x1fd7, {0x399, 0x308, 0x342}}, {0x1fe2, {0x3a5, 0x308, 0x300}},
	{0x1fe3, {0x3a5, 0x308, 0x301}}, {0x1fe4, {0x3a1, 0x313}},
	{0x1fe6, {0x3a5, 0x342}}, {0x1fe7, {0x3a5, 0x308, 0x342}},
	{0x1ff2, {0x1ffa, 0x399}}, {0x1ff3, {0x3a9, 0x399}},
	{0x1ff4, {0x38f, 0x399}}, {0x1ff6, {0x3a9, 0x342}},
	{0x1ff7, {0x3a9, 0x342, 0x399}}, {0x1ffc, {0x3a9, 0x399}},
	{0xfb00, {0x46, 0x46}}, {0xfb01, {0x46, 0x49}}, {0xfb02, {0x46, 0x4c}},
	{0xfb03, {0x46, 0x46, 0x49}}, {0xfb04, {0x46, 0x46, 0x4c}},
	{0xfb05, {0x53, 0x54}}, {0xfb06, {0x53, 0x54}},
	{0xfb13, {0x544, 0x546}}, {0xfb14, {0x544, 0x535}},
	{0xfb15, {0x544, 0x53b}}, {0xfb16, {0x54e, 0x546}},
	{0xfb17, {0x544, 0x53d}},
	/* clang-format on */
};

/* NULL: one letter at most. */
static const uint16_t *
special_upper(uint32_t ch)
{
	size_t lo = 0, hi = LEN(several), mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (several[mid].from == ch)
			return several[mid].to;
		if (several[mid].from < ch)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* The 48 Greek letters with iota subscript follow a rule: the letter without
 * it, in upper case, and a capital iota. */
static void
put_upper(Buf *b, uint32_t ch)
{
	static const uint32_t iota[] = {0x1f08, 0x1f28, 0x1f68};
	const uint16_t *to = special_upper(ch);

	if (ch >= 0x1f80 && ch <= 0x1faf) { /* with iota subscript */
		buf_utf8(b, iota[(ch - 0x1f80) >> 4] + (ch & 7));
		buf_utf8(b, 0x399);
		return;
	}
	if (!to) {
		buf_utf8(b, (uint32_t)utf8proc_toupper((int32_t)ch));
		return;
	}
	for (int i = 0; i < 3 && to[i]; i++)
		buf_utf8(b, to[i]);
}

/* The letters that tell a sigma that a word goes on (Unicode 3.13, D135). */
static bool
cased(uint32_t ch)
{
	utf8proc_category_t cat = utf8proc_category((int32_t)ch);

	return cat == UTF8PROC_CATEGORY_LU || cat == UTF8PROC_CATEGORY_LL ||
	       cat == UTF8PROC_CATEGORY_LT;
}

/* What may stand between a sigma and the end of its word (D136). */
static bool
case_ignorable(uint32_t ch)
{
	utf8proc_category_t cat = utf8proc_category((int32_t)ch);

	return cat == UTF8PROC_CATEGORY_MN || cat == UTF8PROC_CATEGORY_ME ||
	       cat == UTF8PROC_CATEGORY_CF || cat == UTF8PROC_CATEGORY_LM ||
	       cat == UTF8PROC_CATEGORY_SK || ch == '\'' || ch == '.' ||
	       ch == ':' || ch == 0xb7 || ch == 0x2018 || ch == 0x2019;
}

/* Does a letter stand before (back) or behind the character at i? */
static bool
letter_beside(const Str *s, size_t i, bool back)
{
	uint32_t ch;
	size_t n;

	tpl_code(s->p + i, &n);
	for (i += back ? 0 : n; back ? i > 0 : i < s->n; i += back ? 0 : n) {
		if (back)
			do
				i--;
			while (((unsigned char)s->p[i] & 0xc0) == 0x80);
		ch = tpl_code(s->p + i, &n);
		if (!case_ignorable(ch))
			return cased(ch);
	}
	return false;
}

/* A sigma at the end of a word has a form of its own. */
static void
put_lower(Buf *b, const Str *s, size_t i, uint32_t ch)
{
	if (ch == 0x130) { /* I with a dot */
		buf_str(b, "i\xcc\x87");
	} else if (ch == 0x3a3) {
		buf_utf8(b, letter_beside(s, i, true) &&
		                            !letter_beside(s, i, false)
		                    ? 0x3c2
		                    : 0x3c3);
	} else {
		buf_utf8(b, (uint32_t)utf8proc_tolower((int32_t)ch));
	}
}

/* The first letter of a word; of several, only the first is large. */
static void
put_title(Buf *b, const Str *s, size_t i, uint32_t ch)
{
	const uint16_t *to = special_upper(ch);
	uint32_t up = (uint32_t)utf8proc_totitle((int32_t)ch);

	/* Greek letters with iota have titles of their own. */
	if (!to || (ch >= 0x1f80 && ch < 0x2000 &&
	            (up != ch ||
	             utf8proc_category((int32_t)ch) == UTF8PROC_CATEGORY_LT))) {
		buf_utf8(b, up);
		return;
	}
	buf_utf8(b, to[0]);
	for (int k = 1; k < 3 && to[k]; k++)
		put_lower(b, s, i, to[k]);
}

/* One letter at i of s; *word tells whether it stands inside a word. */
typedef void Put(Buf *, const Str *s, size_t i, uint32_t ch, bool *word);

/* Upper case may take three times the bytes; tpl_take() accounts for them. */
static bool
convert(Tpl *t, const Str *s, Put *put, Val *out)
{
	Buf *b = tpl_buf(t);
	bool word = false;
	size_t n;

	if (!b || !tpl_room(t, s->n) || !tpl_work(t, s->n * 8))
		return false;
	for (size_t i = 0; i < s->n; i += n) {
		uint32_t ch = tpl_code(s->p + i, &n);

		put(b, s, i, ch, &word);
	}
	return tpl_take(t, b, out);
}

static void
upper(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	(void)s, (void)i, (void)word;
	put_upper(b, ch);
}

static void
lower(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	(void)word;
	put_lower(b, s, i, ch);
}

/* Lower case of the upper case: the sharp s becomes ss, a final sigma a
 * plain one. */
static void
fold(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	const uint16_t *to = special_upper(ch);

	(void)s, (void)i, (void)word;
	if (!to) {
		ch = (uint32_t)utf8proc_toupper((int32_t)ch);
		buf_utf8(b, (uint32_t)utf8proc_tolower((int32_t)ch));
	}
	for (int k = 0; to && k < 3 && to[k]; k++)
		buf_utf8(b, (uint32_t)utf8proc_tolower(to[k]));
}

/* Titlecase letters count as small ones here. */
static void
swapcase(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	(void)word;
	if (utf8proc_category((int32_t)ch) == UTF8PROC_CATEGORY_LU)
		put_lower(b, s, i, ch);
	else
		put_upper(b, ch);
}

static void
capitalize(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	if (*word)
		put_lower(b, s, i, ch);
	else
		put_title(b, s, i, ch);
	*word = true;
}

/* str.title(): a word is a run of letters. */
static void
title(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	if (*word)
		put_lower(b, s, i, ch);
	else
		put_title(b, s, i, ch);
	*word = cased(ch);
}

/* The filter: a word begins after blanks, `-`, `(`, `{`, `[` or `<`. */
static void
filter_title(Buf *b, const Str *s, size_t i, uint32_t ch, bool *word)
{
	if (tpl_space(ch) || (ch < 0x80 && ch && strchr("-({[<", (int)ch))) {
		buf_utf8(b, ch);
		*word = false;
		return;
	}
	if (*word)
		put_lower(b, s, i, ch);
	else
		put_upper(b, ch);
	*word = true;
}

bool
tpl_upper(Tpl *t, const Str *s, Val *out)
{
	return convert(t, s, upper, out);
}

bool
tpl_lower(Tpl *t, const Str *s, Val *out)
{
	return convert(t, s, lower, out);
}

bool
tpl_casefold(Tpl *t, const Str *s, Val *out)
{
	return convert(t, s, fold, out);
}

bool
tpl_swapcase(Tpl *t, const Str *s, Val *out)
{
	return convert(t, s, swapcase, out);
}

bool
tpl_capitalize(Tpl *t, const Str *s, Val *out)
{
	return convert(t, s, capitalize, out);
}

bool
tpl_title(Tpl *t, const Str *s, bool every, Val *out)
{
	return convert(t, s, every ? title : filter_title, out);
}

/* What repr() leaves as it is. */
bool
tpl_printable(uint32_t ch)
{
	switch (utf8proc_category((int32_t)ch)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return false;
	case UTF8PROC_CATEGORY_ZS:
		return ch == ' ';
	default:
		return true;
	}
}

static bool
alpha(uint32_t ch)
{
	utf8proc_category_t cat = utf8proc_category((int32_t)ch);

	return cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO;
}

static bool
decimal(uint32_t ch)
{
	return utf8proc_category((int32_t)ch) == UTF8PROC_CATEGORY_ND;
}

/* Superscripts and digits in circles are digits, though not decimal. */
static bool
digit(uint32_t ch)
{
	return decimal(ch) || ch == 0xb2 || ch == 0xb3 || ch == 0xb9 ||
	       ch == 0x2070 || (ch >= 0x2074 && ch <= 0x2079) ||
	       (ch >= 0x2080 && ch <= 0x2089) || (ch >= 0x2460 && ch <= 0x2468);
}

static bool
numeric(uint32_t ch)
{
	utf8proc_category_t cat = utf8proc_category((int32_t)ch);

	return cat == UTF8PROC_CATEGORY_ND || cat == UTF8PROC_CATEGORY_NL ||
	       cat == UTF8PROC_CATEGORY_NO;
}

static bool
alnum(uint32_t ch)
{
	return alpha(ch) || numeric(ch);
}

static bool
ascii(uint32_t ch)
{
	return ch < 0x80;
}

/* All letters of one case, and at least one. */
static bool
one_case(const Str *s, bool up)
{
	bool any = false;
	size_t n;

	for (size_t i = 0; i < s->n; i += n) {
		uint32_t ch = tpl_code(s->p + i, &n);
		utf8proc_category_t cat = utf8proc_category((int32_t)ch);

		if (cat == UTF8PROC_CATEGORY_LT ||
		    cat == (up ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU))
			return false;
		any = any || cased(ch);
	}
	return any;
}

/* Capitals stand at the beginning of words, small letters inside only. */
static bool
is_title(const Str *s)
{
	bool any = false, word = false;
	size_t n;

	for (size_t i = 0; i < s->n; i += n) {
		uint32_t ch = tpl_code(s->p + i, &n);
		utf8proc_category_t cat = utf8proc_category((int32_t)ch);

		if (cased(ch) && word != (cat == UTF8PROC_CATEGORY_LL))
			return false;
		word = cased(ch);
		any = any || word;
	}
	return any;
}

/* An empty string is of no class but the two that exclude characters. */
bool
tpl_is_class(const Str *s, const char *what)
{
	static const struct {
		const char *what;
		bool (*is)(uint32_t);
		bool empty; /* what holds of no character */
	} classes[] = {
		{"alpha", alpha, false},     {"alnum", alnum, false},
		{"decimal", decimal, false}, {"digit", digit, false},
		{"numeric", numeric, false}, {"space", tpl_space, false},
		{"ascii", ascii, true},      {"printable", tpl_printable, true},
	};
	size_t n, k = 0;

	if (strcmp(what, "title") == 0)
		return is_title(s);
	if (strcmp(what, "lower") == 0 || strcmp(what, "upper") == 0)
		return one_case(s, *what == 'u');
	while (strcmp(classes[k].what, what) != 0)
		k++;
	for (size_t i = 0; i < s->n; i += n)
		if (!classes[k].is(tpl_code(s->p + i, &n)))
			return false;
	return s->n || classes[k].empty;
}
