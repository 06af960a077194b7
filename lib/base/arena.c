/* SPDX-License-Identifier: BSD-3-Clause
 * arena.c - memory with one owner.
 *
 * A chunk is a header and a block; allocation bumps a cursor.  Files and
 * mappings join an arena through arena_defer(), so arena_free() is the whole
 * clean-up of a stage, on success and on failure alike. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

enum { ALIGN = 16, CHUNK = 64 << 10 };

struct Chunk {
	struct Chunk *next;
	size_t used, size;
	_Alignas(ALIGN) unsigned char mem[];
};

struct Defer {
	struct Defer *next;
	void (*fn)(void *);
	void *arg;
};

void (*qe_nomem)(void) __attribute__((noreturn)) = abort;

static struct Chunk *
chunk_new(Arena *a, size_t need)
{
	size_t size = need > CHUNK ? need : CHUNK;
	struct Chunk *k = NULL;

	if (size <= SIZE_MAX - sizeof *k)
		k = calloc(1, sizeof *k + size);
	if (!k)
		qe_nomem();
	k->size = size;
	a->bytes += size;
	k->next = a->chunk;
	return a->chunk = k;
}

size_t
arena_room(const Arena *a)
{
	if (!a->most)
		return SIZE_MAX;
	return a->bytes < a->most ? a->most - a->bytes : 0;
}

void *
arena_alloc(Arena *a, size_t size)
{
	struct Chunk *k = a->chunk;
	void *p;

	if (size > SIZE_MAX - ALIGN)
		qe_nomem();
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!k || size > k->size - k->used)
		k = chunk_new(a, size);
	p = k->mem + k->used;
	k->used += size;
	return p;
}

void *
arena_array(Arena *a, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		qe_nomem();
	return arena_alloc(a, n * size);
}

void *
arena_copy(Arena *a, const void *p, size_t size)
{
	void *q = arena_alloc(a, size);

	if (size)
		memcpy(q, p, size);
	return q;
}

char *
arena_dup(Arena *a, const char *s)
{
	return arena_copy(a, s, strlen(s) + 1);
}

char *
arena_span(Arena *a, Span s)
{
	char *t = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(t, s.p, s.n);
	return t;
}

void *
arena_grow(Arena *a, void *vec, size_t n, size_t *cap, size_t size)
{
	void *v;

	if (n < *cap)
		return vec;
	*cap = *cap ? *cap * 2 : 8;
	v = arena_array(a, *cap, size);
	if (n)
		memcpy(v, vec, n * size);
	return v;
}

char *
arena_str(Arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return s;
}

void
arena_defer(Arena *a, void (*fn)(void *), void *arg)
{
	struct Defer *d = NEW(a, struct Defer);

	*d = (struct Defer){.next = a->defer, .fn = fn, .arg = arg};
	a->defer = d;
}

void
arena_free(Arena *a)
{
	struct Chunk *k, *next;

	for (struct Defer *d = a->defer; d; d = d->next)
		d->fn(d->arg);
	for (k = a->chunk; k; k = next) {
		next = k->next;
		free(k);
	}
	*a = (Arena){0};
}
