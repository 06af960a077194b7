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

bool
unknown_name(Ctx *c, const char *what, const char *s, const char *const *list,
             const char *hint)
{
	const char *near = str_nearest(s, list);

	if (near)
		return fail(c, QE_USAGE, "unknown %s '%s', did you mean '%s'?",
		            what, s, near);
	return fail(c, QE_USAGE, "unknown %s '%s'%s", what, s, hint);
}

Span
span_line(Span *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	Span line = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
	size_t n = line.n + (end != NULL);

	*rest = (Span){rest->p + n, rest->n - n};
	return line;
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

bool
str_size(const char *s, double *out)
{
	static const char units[] = "KMGT";
	char *end;
	double v = strtod(s, &end);
	const char *u = *end ? strchr(units, *end) : NULL;

	for (const char *p = units; u && p <= u; p++)
		v *= 1024;
	if (u)
		end += end[1] == 'i' ? 2 : 1;
	end += *end == 'B';
	*out = v;
	return end != s && !*end && v > 0;
}
