/* SPDX-License-Identifier: BSD-3-Clause */
/* utf8.h - characters as bytes (RFC 3629). */

#ifndef UTF8_H
#define UTF8_H

#include "base.h"

enum { UTF8_MAX = 4, BAD_CHAR = 0xfffd };

/* Decodes the character at p (n > 0 bytes left) and returns its length; if
 * it is not UTF-8, *ch is BAD_CHAR and the length that of the maximal bad
 * part (Unicode 15, 3.9 "U+FFFD Substitution of Maximal Subparts").
 * *ok tells the two apart; *ok < 0: the bytes end inside a character. */
size_t utf8_next(const char *p, size_t n, uint32_t *ch, int *ok);
/* The same for bytes known to be valid. */
static inline size_t
utf8_get(const char *s, uint32_t *ch)
{
	const unsigned char *p = (const unsigned char *)s;

	if (p[0] < 0x80)
		return *ch = p[0], 1;
	if (p[0] < 0xe0)
		return *ch = (p[0] & 0x1fu) << 6 | (p[1] & 0x3f), 2;
	if (p[0] < 0xf0)
		return *ch = (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 |
		             (p[2] & 0x3f),
		       3;
	*ch = (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 |
	      (p[2] & 0x3fu) << 6 | (p[3] & 0x3f);
	return 4;
}
size_t utf8_put(uint32_t ch, char *out); /* length; out has UTF8_MAX */
/* Characters on their way into a Buf, many at a time. */
typedef struct Sink {
	Buf *to;
	size_t n;
	char s[512];
} Sink;
static inline void
sink_end(Sink *k)
{
	buf_add(k->to, k->s, k->n);
	k->n = 0;
}
static inline void
sink_rune(Sink *k, uint32_t ch)
{
	if (k->n > sizeof k->s - UTF8_MAX)
		sink_end(k);
	if (ch < 0x80)
		k->s[k->n++] = (char)ch;
	else
		k->n += utf8_put(ch, k->s + k->n);
}
static inline void
sink_span(Sink *k, Span s)
{
	if (s.n > sizeof k->s - k->n)
		sink_end(k);
	if (s.n > sizeof k->s) {
		buf_add(k->to, s.p, s.n);
		return;
	}
	memcpy(k->s + k->n, s.p, s.n);
	k->n += s.n;
}
/* Start of the character before p > begin, both in valid text. */
const char *utf8_back(const char *begin, const char *p);
size_t utf8_count(Span); /* characters of valid text */
/* s itself if it is valid, else a copy with U+FFFD in *copy. */
Span utf8_mend(Span s, Buf *copy);

#endif
