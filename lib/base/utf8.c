/* SPDX-License-Identifier: BSD-3-Clause
 * utf8.c - characters as bytes, and back (RFC 3629). */

#include "utf8.h"

/* The second byte decides over surrogates, overlong forms and the end of
 * Unicode; later ones are plain continuations. */
static bool
second_ok(unsigned char a, unsigned char b)
{
	switch (a) {
	case 0xe0:
		return b >= 0xa0 && b <= 0xbf;
	case 0xed:
		return b >= 0x80 && b <= 0x9f;
	case 0xf0:
		return b >= 0x90 && b <= 0xbf;
	case 0xf4:
		return b >= 0x80 && b <= 0x8f;
	default:
		return (b & 0xc0) == 0x80;
	}
}

size_t
utf8_next(const char *s, size_t n, uint32_t *ch, int *ok)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = *p < 0x80   ? 1
	             : *p < 0xc2 ? 0
	             : *p < 0xe0 ? 2
	             : *p < 0xf0 ? 3
	             : *p < 0xf5 ? 4
	                         : 0;

	*ch = BAD_CHAR;
	*ok = 0;
	if (len == 0)
		return 1;
	for (size_t i = 1; i < len; i++) {
		if (i == n) {
			*ok = -1;
			return n;
		}
		if (i == 1 ? !second_ok(p[0], p[1]) : (p[i] & 0xc0) != 0x80)
			return i;
	}
	*ok = 1;
	return utf8_get(s, ch);
}

size_t
utf8_put(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

void
buf_utf8(Buf *b, uint32_t ch)
{
	char s[UTF8_MAX];

	buf_add(b, s, utf8_put(ch, s));
}

const char *
utf8_back(const char *begin, const char *p)
{
	do
		p--;
	while (p > begin && ((unsigned char)*p & 0xc0) == 0x80);
	return p;
}

size_t
utf8_count(Span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

size_t
utf8_valid(Span s)
{
	size_t i = 0, len;
	uint64_t w;
	uint32_t ch;
	int ok;

	for (; i < s.n; i += len) {
		/* eight ASCII characters at a time */
		for (; s.n - i >= sizeof w; i += sizeof w) {
			memcpy(&w, s.p + i, sizeof w);
			if (w & UINT64_C(0x8080808080808080))
				break;
		}
		if (i == s.n)
			break;
		len = utf8_next(s.p + i, s.n - i, &ch, &ok);
		if (ok <= 0)
			break;
	}
	return i;
}

Span
utf8_mend(Span s, Buf *copy)
{
	size_t good = utf8_valid(s);
	uint32_t ch;
	int ok;

	if (good == s.n)
		return s;
	buf_clear(copy);
	while (s.n > 0) {
		buf_add(copy, s.p, good);
		s = (Span){s.p + good, s.n - good};
		if (s.n == 0)
			break;
		good = utf8_next(s.p, s.n, &ch, &ok);
		buf_utf8(copy, ch);
		s = (Span){s.p + good, s.n - good};
		good = utf8_valid(s);
	}
	return (Span){copy->p, copy->n};
}
