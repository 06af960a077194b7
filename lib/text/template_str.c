/* SPDX-License-Identifier: BSD-3-Clause
 * template_str.c - strings: UTF-8 inside, code points outside.
 *
 * A string that grows at its end (`ns.text = ns.text ~ more`, the way
 * templates collect) is appended in place: the room behind its bytes belongs
 * to whoever asks first, and older strings keep seeing their part. */

#include "template_impl.h"

typedef struct Room {
	char *p;
	size_t used, cap;
} Room;

/* A string value over bytes that stay. */
static bool
over(Tpl *t, Str s, Val *out)
{
	Str *own = TPL_NEW(t, Str);

	if (!own)
		return false;
	*own = s;
	*out = (Val){.kind = K_STR, .s = own};
	return true;
}

bool
tpl_str(Tpl *t, const char *p, size_t n, Val *out)
{
	char *own = tpl_alloc(t, n + 1);

	if (!own || !tpl_work(t, n))
		return false;
	if (n)
		memcpy(own, p, n);
	return over(t,
	            (Str){.p = own, .n = n, .len = utf8_count((Span){own, n})},
	            out);
}

bool
tpl_strz(Tpl *t, const char *s, Val *out)
{
	return tpl_str(t, s, strlen(s), out);
}

/* Shares the bytes of s. */
bool
tpl_part(Tpl *t, const Str *s, const char *p, size_t n, Val *out)
{
	Str part = {.p = p, .n = n, .safe = s->safe};

	part.len = s->len == s->n ? n : utf8_count((Span){p, n});
	return tpl_work(t, n) && over(t, part, out);
}

/* The copy leaves as much room behind as it is long, so collecting n bytes
 * piece by piece copies O(n). */
bool
tpl_join2(Tpl *t, const Str *a, const Str *b, Val *out)
{
	Str s = {.n = a->n + b->n, .len = a->len + b->len, .room = a->room};

	if (!tpl_work(t, b->n))
		return false;
	if (!s.room || a->p + a->n != s.room->p + s.room->used ||
	    b->n > s.room->cap - s.room->used) {
		size_t cap = s.n < 256 ? s.n : s.n * 2;

		if (!tpl_work(t, a->n) || !(s.room = TPL_NEW(t, Room)) ||
		    !(s.room->p = tpl_alloc(t, cap + 1)))
			return false;
		if (a->n)
			memcpy(s.room->p, a->p, a->n);
		s.room->used = a->n;
		s.room->cap = cap;
		s.p = s.room->p;
	} else {
		s.p = a->p;
	}
	if (b->n)
		memcpy(s.room->p + s.room->used, b->p, b->n);
	s.room->used += b->n;
	return over(t, s, out);
}

Buf *
tpl_buf(Tpl *t)
{
	/* what the arena keeps for it */
	if (!tpl_alloc(t, 2 * sizeof(Buf)))
		return NULL;
	return buf_new(t->mem);
}

/* The bytes stay where the buffer grew; its whole capacity is accounted for. */
bool
tpl_take(Tpl *t, Buf *b, Val *out)
{
	if (b->cap > t->room)
		return tpl_fail(t, "the values take too much memory");
	t->room -= b->cap;
	return tpl_work(t, b->n) &&
	       over(t,
	            (Str){.p = b->p,
	                  .n = b->n,
	                  .len = utf8_count((Span){b->p, b->n})},
	            out);
}

/* Where all characters are bytes, nothing is counted. */
size_t
tpl_offset(const Str *s, size_t index)
{
	size_t at = 0, len;

	if (index >= s->len)
		return s->n;
	if (s->n == s->len)
		return index;
	for (; index; index--, at += len)
		tpl_code(s->p + at, &len);
	return at;
}

/* What Python's str.isspace() holds for. */
bool
tpl_space(uint32_t ch)
{
	return (ch >= 9 && ch <= 13) || (ch >= 28 && ch <= 32) || ch == 0x85 ||
	       ch == 0xa0 || ch == 0x1680 || (ch >= 0x2000 && ch <= 0x200a) ||
	       ch == 0x2028 || ch == 0x2029 || ch == 0x202f || ch == 0x205f ||
	       ch == 0x3000;
}

/* Is the character at p one to strip? */
static bool
strips(const char *p, size_t n, const Str *chars)
{
	size_t len;

	if (!chars)
		return tpl_space(tpl_code(p, &len));
	for (size_t i = 0; i < chars->n; i += len) {
		tpl_code(chars->p + i, &len);
		if (len == n && memcmp(chars->p + i, p, n) == 0)
			return true;
	}
	return false;
}

/* Only whole characters are looked at, also from the right. */
Span
tpl_strip(Span s, const Str *chars, bool left, bool right)
{
	size_t n;

	for (; left && s.n; s.p += n, s.n -= n) {
		tpl_code(s.p, &n);
		if (!strips(s.p, n, chars))
			break;
	}
	for (; right && s.n; s.n -= n) {
		for (n = 1; ((unsigned char)s.p[s.n - n] & 0xc0) == 0x80;)
			n++;
		if (!strips(s.p + s.n - n, n, chars))
			break;
	}
	return s;
}

/* Each place where the first byte fits is paid for, so that a text made to
 * be searched slowly ends at the limit of steps. */
size_t
tpl_find(Tpl *t, Span s, Span what, size_t i)
{
	const char *p;

	if (!what.n)
		return i;
	if (i + what.n > s.n || !tpl_work(t, s.n - i))
		return s.n + 1;
	while (i + what.n <= s.n) {
		p = memchr(s.p + i, *what.p, s.n - what.n + 1 - i);
		if (!p || !tpl_work(t, what.n))
			break;
		i = (size_t)(p - s.p);
		if (memcmp(p, what.p, what.n) == 0)
			return i;
		i++;
	}
	return s.n + 1;
}

/* Asked before a string is made whose size a template can choose. */
bool
tpl_room(Tpl *t, size_t n)
{
	if (n <= t->max.output && n <= t->room)
		return true;
	return tpl_fail(t, "a string of %zu bytes is over the limit", n);
}

/* The breaks of str.splitlines(), which are more than \n. */
const char *
tpl_line_end(const char *p, const char *end, const char **next)
{
	size_t n;

	for (; p < end; p += n) {
		uint32_t ch = tpl_code(p, &n);

		if ((ch >= 10 && ch <= 13) || (ch >= 28 && ch <= 30) ||
		    ch == 0x85 || ch == 0x2028 || ch == 0x2029) {
			*next = p + n;
			if (ch == '\r' && *next < end && **next == '\n')
				++*next;
			return p;
		}
	}
	*next = end;
	return end;
}

/* The five characters of markupsafe; numbers for quotes. */
bool
tpl_escape(Tpl *t, Val v, Val *out)
{
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&#34;",
	                                       "&#39;"};
	static const char chars[] = "&<>\"'";
	const char *at;
	Buf *b;
	Str safe;

	if (!tpl_to_str(t, v, &v))
		return false;
	if (v.s->safe) {
		*out = v;
		return true;
	}
	if (!(b = tpl_buf(t)))
		return false;
	for (size_t i = 0; i < v.s->n; i++) {
		at = v.s->p[i] ? strchr(chars, v.s->p[i]) : NULL;
		if (at)
			buf_str(b, entities[at - chars]);
		else
			buf_char(b, v.s->p[i]);
	}
	if (!tpl_take(t, b, out))
		return false;
	safe = *out->s;
	safe.safe = true;
	return over(t, safe, out);
}
