/* SPDX-License-Identifier: BSD-3-Clause
 * str.c - growing bytes, and small text helpers. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base.h"

static void
buf_free(void *p)
{
	free(((Buf *)p)->p);
}

Buf *
buf_new(Arena *a)
{
	Buf *b = NEW(a, Buf);

	arena_defer(a, buf_free, b);
	buf_add(b, "", 0);
	return b;
}

/* Doubles, so adding bytes one by one costs their number. */
static void
reserve(Buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 64;
	char *p;

	if (more > SIZE_MAX / 4 || b->n > SIZE_MAX / 4)
		qe_nomem();
	while (cap < b->n + more + 1)
		cap *= 2;
	if (cap == b->cap)
		return;
	if (!(p = realloc(b->p, cap)))
		qe_nomem();
	b->p = p;
	b->cap = cap;
}

void
buf_add(Buf *b, const void *p, size_t n)
{
	reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_str(Buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_char(Buf *b, char ch)
{
	buf_add(b, &ch, 1);
}

/* Formats twice: once for the length. */
void
buf_fmt(Buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	reserve(b, (size_t)n);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
	b->n += (size_t)n;
	va_end(again);
	va_end(ap);
}

void
buf_utf8(Buf *b, uint32_t u)
{
	static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
	int more = u < 0x80 ? 0 : u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;

	buf_char(b, (char)(lead[more] | u >> 6 * more));
	for (int i = more - 1; i >= 0; i--)
		buf_char(b, (char)(0x80 | (u >> 6 * i & 63)));
}

void
buf_clear(Buf *b)
{
	b->n = 0;
	b->p[0] = '\0';
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool
str_in(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

/* Only the last '*' is ever retried, so the work is at most |p| * |s|. */
bool
str_glob(const char *p, const char *s)
{
	const char *star = NULL, *from = NULL;

	while (*s) {
		if (*p == '*') {
			star = p++;
			from = s;
		} else if (*p == '?' || *p == *s) {
			p++;
			s++;
		} else if (star) {
			p = star + 1;
			s = ++from;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

/* Levenshtein distance of two short words, one row at a time. */
static size_t
edits(const char *a, const char *b)
{
	size_t row[65], n = strlen(b), diag, up;

	if (n > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		diag = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			up = row[j];
			diag += a[i - 1] != b[j - 1];
			row[j] = MIN(diag, MIN(up, row[j - 1]) + 1);
			diag = up;
		}
	}
	return row[n];
}

/* Near: at most a third of the letters differ, or two. */
const char *
str_nearest(const char *s, const char *const *list)
{
	size_t best = MAX(strlen(s) / 3, (size_t)2) + 1, d;
	const char *near = NULL;

	for (; *list; list++)
		if ((d = edits(s, *list)) < best) {
			best = d;
			near = *list;
		}
	return near;
}

/* Bytes of the character that starts at p, 0 if it is none (RFC 3629). */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t len = *p < 0x80   ? 1
	             : *p < 0xc2 ? 0
	             : *p < 0xe0 ? 2
	             : *p < 0xf0 ? 3
	             : *p < 0xf5 ? 4
	                         : 0;

	if (len < 2)
		return len;
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

size_t
utf8_valid(Span s)
{
	size_t i = 0, len;
	uint64_t w;

	for (; i < s.n; i += len) {
		/* eight ASCII characters at a time */
		for (; s.n - i >= sizeof w; i += sizeof w) {
			memcpy(&w, s.p + i, sizeof w);
			if (w & UINT64_C(0x8080808080808080))
				break;
		}
		if (i == s.n)
			break;
		if (!(len = utf8_len((const unsigned char *)s.p + i, s.n - i)))
			break;
	}
	return i;
}

/* strtoll() alone would skip blanks in front and stop at what follows. */
bool
str_int(const char *s, int64_t *out)
{
	char *end;

	if (!*s || isspace((unsigned char)*s))
		return false;
	errno = 0;
	*out = strtoll(s, &end, 10);
	return !errno && !*end;
}

bool
str_float(const char *s, double *out)
{
	char *end;

	if (!*s || isspace((unsigned char)*s))
		return false;
	errno = 0;
	*out = strtod(s, &end);
	return !errno && !*end;
}

char **
str_split(Arena *a, const char *s, char sep)
{
	size_t n = 0, cap = 0;
	char **list = NULL;

	while (*s) {
		const char *end = strchr(s, sep), *p = s, *q;

		if (!end)
			end = s + strlen(s);
		for (q = end; p < q && isspace((unsigned char)*p); p++)
			;
		for (; q > p && isspace((unsigned char)q[-1]); q--)
			;
		if (q > p)
			PUSH(a, list, n, cap,
			     arena_span(a, (Span){p, (size_t)(q - p)}));
		s = *end ? end + 1 : end;
	}
	PUSH(a, list, n, cap, NULL);
	return list;
}

int64_t
mul_size(int64_t a, int64_t b)
{
	int64_t p;

	return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &p) ? -1 : p;
}

int64_t
add_size(int64_t a, int64_t b)
{
	int64_t s;

	return a < 0 || b < 0 || __builtin_add_overflow(a, b, &s) ? -1 : s;
}
