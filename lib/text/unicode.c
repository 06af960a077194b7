/* SPDX-License-Identifier: BSD-3-Clause
 * unicode.c - characters: classes, case, normal forms.
 *
 * Properties come from utf8proc (Unicode 15), corrected to what the reference
 * library has: its classes are of Unicode 8, 9 and 16, part by part.  White_Space is spelled out,
 * because libraries differ over U+180E; lower case has one exception, which
 * utf8proc cannot express: U+0130 gives two characters. */

#include <stdlib.h>
#include <utf8proc.h>

#include "unicode.h"

bool
is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 9 && c <= 13);
	return c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

static utf8proc_category_t
category(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c);
}

typedef struct Range {
	uint32_t from, to;
} Range;

/* Whether one of n ranges, in order, holds c. */
static bool
in_ranges(const Range *r, size_t n, uint32_t c)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c > r[mid].to)
			lo = mid + 1;
		else if (c < r[mid].from)
			hi = mid;
		else
			return true;
	}
	return false;
}

bool
is_number(uint32_t c)
{
	/* of Unicode 16 and 17 */
	static const Range newer[] = {
		{0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9},
		{0x11de0, 0x11de9}, {0x16130, 0x16139}, {0x16d70, 0x16d79},
		{0x16ff4, 0x16ff6}, {0x1ccf0, 0x1ccf9}, {0x1e5f1, 0x1e5fa},
	};
	utf8proc_category_t k;

	if (c < 0x80)
		return c >= '0' && c <= '9';
	k = category(c);
	return (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO) ||
	       (c >= 0x10d40 && in_ranges(newer, LEN(newer), c));
}

bool
is_mark(uint32_t c)
{
	static const Range young[] = {
#define YOUNG_MARK(from, to) {from, to},
#include "young_mark.def"
	};
	utf8proc_category_t k = category(c);

	if (c == 0x1cf2 || c == 0x1cf3) /* until Unicode 12 */
		return true;
	return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME &&
	       !in_ranges(young, LEN(young), c);
}

/* Whether the reference library, whose classes are of Unicode 8, does not
 * know c yet as what it is now. */
static bool
is_young(uint32_t c)
{
	static const Range young[] = {
#define YOUNG(from, to) {from, to},
#include "young.def"
	};

	return in_ranges(young, LEN(young), c);
}

bool
is_scriptless(uint32_t c)
{
	static const Range young[] = {
#define YOUNG_SCRIPT(from, to) {from, to},
#include "young_script.def"
	};

	return in_ranges(young, LEN(young), c);
}

bool
is_accent(uint32_t c)
{
	if (c == 0x1734) /* until Unicode 14 */
		return true;
	return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN &&
	       !is_young(c);
}

bool
is_punct(uint32_t c)
{
	utf8proc_category_t k;

	if (c < 0x80)
		return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) ||
		       (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
	if (c == 0x166d || c == 0x111c9) /* once */
		return true;
	k = category(c);
	return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO &&
	       !is_young(c);
}

bool
is_other(uint32_t c)
{
	utf8proc_category_t k;

	if (c < 0x7f)
		return c < 0x20;
	k = category(c);
	return (k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF ||
	        k == UTF8PROC_CATEGORY_CO) &&
	       !is_young(c);
}

bool
is_han(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} block[] = {
		{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},
		{0x20000, 0x2a6df}, {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f},
		{0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f},
	};

	for (size_t i = 0; i < LEN(block) && c >= block[i].from; i++)
		if (c <= block[i].to)
			return true;
	return false;
}

/* Capitals of Unicode 16 and 17: from, to, what to add. */
static uint32_t
lower_newer(uint32_t c)
{
	static const struct {
		uint32_t from, to;
		int32_t add;
	} row[] = {
		{0x1c89, 0x1c89, 1},    {0xa7cb, 0xa7cb, 0x264 - 0xa7cb},
		{0xa7cc, 0xa7cc, 1},    {0xa7ce, 0xa7ce, 1},
		{0xa7d2, 0xa7d2, 1},    {0xa7d4, 0xa7d4, 1},
		{0xa7da, 0xa7da, 1},    {0xa7dc, 0xa7dc, 0x19b - 0xa7dc},
		{0x10d50, 0x10d65, 32}, {0x16ea0, 0x16eb8, 27},
	};

	for (size_t i = 0; i < LEN(row) && c >= row[i].from; i++)
		if (c <= row[i].to)
			return (uint32_t)((int32_t)c + row[i].add);
	return c;
}

int
rune_lower(uint32_t c, uint32_t out[2])
{
	if (c == 0x130) {
		out[0] = 'i';
		out[1] = 0x307;
		return 2;
	}
	out[0] = c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c)
	                  : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
	if (out[0] == c && c >= 0x1c89)
		out[0] = lower_newer(c);
	return 1;
}

/* Marks of Unicode 16 and 17 below U+10000, which utf8proc does not know. */
static bool
is_new_mark(uint32_t c)
{
	return c == 0x897 || (c >= 0x1acf && c <= 0x1add) ||
	       (c >= 0x1ae0 && c <= 0x1aeb);
}

size_t
grapheme_len(Span s)
{
	utf8proc_int32_t state = 0;
	uint32_t a, b;
	size_t at;

	if ((unsigned char)s.p[0] < 0x80 &&
	    (s.n == 1 || ((unsigned char)s.p[1] < 0x80 && s.p[0] != '\r')))
		return 1;
	for (at = utf8_get(s.p, &a); at < s.n; a = b) {
		size_t n = utf8_get(s.p + at, &b);

		if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)a,
		                                     (utf8proc_int32_t)b,
		                                     &state) &&
		    (!is_new_mark(b) || is_other(a)))
			break;
		at += n;
	}
	return at;
}

bool
is_ascii(Span s)
{
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		if (w & UINT64_C(0x8080808080808080))
			return false;
	}
	for (; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static bool
form_run(Ctx *c, Span s, utf8proc_option_t opt, Buf *out)
{
	utf8proc_uint8_t *p = NULL;
	utf8proc_ssize_t n;

	n = utf8proc_map((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n,
	                 &p, opt);
	if (n == UTF8PROC_ERROR_NOMEM)
		qe_nomem();
	if (n < 0)
		return fail(c, QE_INPUT, "normal form: %s", utf8proc_errmsg(n));
	buf_add(out, p, (size_t)n);
	free(p);
	return true;
}

/* Whether the reference library's normal forms leave c alone, and nothing
 * before or after it reaches over it. */
static bool
is_inert(uint32_t c)
{
	static const Range young[] = {
#define YOUNG_FORM(from, to) {from, to},
#include "young_form.def"
	};

	return c >= young[0].from && in_ranges(young, LEN(young), c);
}

/* The end of the run of characters from i on that may change. */
static size_t
form_end(Span s, size_t i)
{
	uint32_t c;

	while (i < s.n && (unsigned char)s.p[i] >= 0x80) {
		size_t n = utf8_get(s.p + i, &c);

		if (is_inert(c))
			break;
		i += n;
	}
	return i;
}

/* An ASCII character never changes and nothing before it reaches over it, so
 * only runs of others are worked on, each with the character before it, which
 * a combining mark may join. */
bool
text_form(Ctx *c, Span s, int form, Buf *out)
{
	utf8proc_option_t opt = UTF8PROC_STABLE;
	size_t done = 0, i = 0, from;
	uint32_t ch;

	opt |= form & FORM_COMPOSE ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
	opt |= form & FORM_COMPAT ? UTF8PROC_COMPAT : 0;
	while (i < s.n) {
		if ((unsigned char)s.p[i] < 0x80) {
			i++;
			continue;
		}
		from = i > done && (unsigned char)s.p[i - 1] < 0x80 ? i - 1 : i;
		buf_add(out, s.p + done, from - done);
		done = from;
		if ((i = form_end(s, i)) == done) {
			i += utf8_get(s.p + i, &ch);
			continue;
		}
		if (!form_run(c, (Span){s.p + from, i - from}, opt, out))
			return false;
		done = i;
	}
	buf_add(out, s.p + done, s.n - done);
	return true;
}
