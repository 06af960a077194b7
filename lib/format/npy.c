/* SPDX-License-Identifier: BSD-3-Clause
 * npy.c - NumPy's array files.
 *
 * "\x93NUMPY", two bytes of version, the length of the header (2 bytes in
 * version 1, 4 later), the header padded with blanks, then the elements.
 * The header is a Python dict:
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 * descr is byte order, kind and bytes of an element. */

#include <ctype.h>
#include <stdio.h>

#include "kind.h"
#include "npy.h"
#include "npy_head.h"
#include "spool.h"

static const struct {
	char descr[3];
	DType type;
} types[] = {
	{"f4", DT_F32}, {"f2", DT_F16}, {"f8", DT_F64}, {"i1", DT_I8},
	{"i2", DT_I16}, {"i4", DT_I32}, {"i8", DT_I64}, {"u1", DT_U8},
	{"u2", DT_U16}, {"u4", DT_U32}, {"u8", DT_U64}, {"b1", DT_BOOL},
	{"c8", DT_C64},
};

typedef struct Head {
	Ctx *c;
	const char *p, *end;
	char order, kind; /* of descr; kind 'S' or 'U': text */
	int64_t width;    /* of text: characters */
	bool fortran;
	unsigned seen; /* a bit for each key */
	Value *v;
} Head;

static bool
bad(Head *h, const char *what)
{
	return fail(h->c, QE_INPUT, "bad .npy header: %s", what);
}

static void
blanks(Head *h)
{
	while (h->p < h->end && isspace((unsigned char)*h->p))
		h->p++;
}

/* Takes ch, with blanks around. */
static bool
is_next(Head *h, char ch)
{
	blanks(h);
	if (h->p == h->end || *h->p != ch)
		return false;
	h->p++;
	blanks(h);
	return true;
}

static bool
quoted(Head *h, char *out, size_t size)
{
	size_t n = 0;
	char q;

	blanks(h);
	if (h->p == h->end || (*h->p != '\'' && *h->p != '"'))
		return bad(h, "a text in quotes is missing");
	q = *h->p++;
	for (; h->p < h->end && *h->p != q; h->p++) {
		if (n + 1 == size || !isprint((unsigned char)*h->p))
			return bad(h, "a text is too long");
		out[n++] = *h->p;
	}
	out[n] = '\0';
	return is_next(h, q) || bad(h, "a text without an end");
}

static bool
get_descr(Head *h)
{
	char s[32];

	if (is_next(h, '['))
		return bad(h, "records are not supported");
	if (!quoted(h, s, sizeof s))
		return false;
	h->order = *s;
	h->kind = *s ? s[1] : 0;
	for (size_t i = 0; *s && i < LEN(types); i++)
		if (strcmp(s + 1, types[i].descr) == 0)
			h->v->type = types[i].type;
	if (h->kind == 'S' || h->kind == 'U') {
		h->v->type = DT_STRING;
		if (!str_int(s + 2, &h->width) || h->width < 0 ||
		    h->width > INT32_MAX)
			return bad(h, "the width of the texts");
	}
	if (h->v->type == DT_NONE || !strchr("<>|=", h->order))
		return fail(h->c, QE_INPUT,
		            ".npy elements of type '%s' are not supported", s);
	return true;
}

/* Python's words, not JSON's. */
static bool
get_order(Head *h)
{
	static const char *const word[] = {"False", "True"};

	for (size_t i = 0; i < LEN(word); i++) {
		size_t n = strlen(word[i]);

		if ((size_t)(h->end - h->p) < n ||
		    memcmp(h->p, word[i], n) != 0)
			continue;
		h->p += n;
		h->fortran = i == 1;
		return true;
	}
	return bad(h, "fortran_order is not True or False");
}

static bool
get_shape(Head *h)
{
	Shape *s = &h->v->shape;
	int64_t n;

	*s = (Shape){0};
	if (!is_next(h, '('))
		return bad(h, "shape is no tuple");
	while (!is_next(h, ')')) {
		if (h->p == h->end || !isdigit((unsigned char)*h->p))
			return bad(h, "shape is not of numbers");
		for (n = 0; h->p < h->end && isdigit((unsigned char)*h->p);
		     h->p++)
			n = MAX(add_size(mul_size(n, 10), *h->p - '0'), -1);
		if (n < 0)
			return bad(h, "shape overflows");
		if (s->rank == MAXRANK)
			return fail(h->c, QE_INPUT, "rank over %d", MAXRANK);
		s->dim[s->rank++] = n;
		if (!is_next(h, ',') && (h->p == h->end || *h->p != ')'))
			return bad(h, "shape is not of numbers");
	}
	return shape_known(s) || bad(h, "shape overflows");
}

/* Keys may come in any order, each once; NumPy ignores no others either. */
static bool
get_head(Head *h)
{
	static const struct {
		const char *name;
		bool (*get)(Head *);
	} keys[] = {{"descr", get_descr},
	            {"fortran_order", get_order},
	            {"shape", get_shape}};
	char name[32];
	size_t k;

	if (!is_next(h, '{'))
		return bad(h, "no '{'");
	while (!is_next(h, '}')) {
		if (!quoted(h, name, sizeof name))
			return false;
		for (k = 0; k < LEN(keys); k++)
			if (strcmp(name, keys[k].name) == 0)
				break;
		if (k == LEN(keys) || h->seen >> k & 1 || !is_next(h, ':'))
			return bad(h, "an unknown or second key");
		h->seen |= 1u << k;
		if (!keys[k].get(h))
			return false;
		if (!is_next(h, ',') && (h->p == h->end || *h->p != '}'))
			return bad(h, "no ',' after a value");
	}
	if (h->seen != (1u << LEN(keys)) - 1)
		return bad(h, "descr, fortran_order or shape is missing");
	return h->p == h->end || bad(h, "something follows it");
}

/* Splits the file into header and elements. */
static bool
split(Ctx *c, Span *b, Span *head)
{
	const unsigned char *p = (const unsigned char *)b->p;
	size_t n, at;

	if (b->n < 10 || memcmp(p, "\x93NUMPY", 6) != 0)
		return kind_refuse(c, "a .npy file",
		                   (Span){b->p, MIN(b->n, KIND_HEAD)});
	if (p[6] < 1 || p[6] > 3)
		return fail(c, QE_INPUT, ".npy version %d.%d", p[6], p[7]);
	at = p[6] == 1 ? 10 : 12;
	n = p[8] | (size_t)p[9] << 8;
	if (at == 12 && b->n >= at)
		n |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
	if (b->n < at || n > b->n - at)
		return fail(c, QE_INPUT, "cut: %zu bytes, the header has %zu",
		            b->n, n);
	*head = (Span){b->p + at, n};
	*b = (Span){b->p + at + n, b->n - at - n};
	return true;
}

static void
swap_bytes(char *p, size_t n, size_t size)
{
	for (; n; n--, p += size)
		for (size_t i = 0; i < size / 2; i++) {
			char t = p[i];

			p[i] = p[size - 1 - i];
			p[size - 1 - i] = t;
		}
}

/* Row-major copy of n elements whose first dimension moves fastest. */
static void
from_fortran(const Shape *s, size_t size, const char *from, char *to, int64_t n)
{
	int64_t at[MAXRANK] = {0}, off;

	for (int64_t i = 0; i < n; i++) {
		off = 0;
		for (int d = s->rank - 1; d >= 0; d--)
			off = off * s->dim[d] + at[d];
		memcpy(to + (size_t)i * size, from + (size_t)off * size, size);
		for (int d = s->rank - 1; d >= 0; d--) {
			if (++at[d] < s->dim[d])
				break;
			at[d] = 0;
		}
	}
}

/* One text: padded with zeros to its width. */
static Span
get_text(Head *h, Arena *a, const char *p)
{
	Buf *b;
	uint32_t u;
	size_t n = (size_t)h->width;

	if (h->kind == 'S') {
		while (n && !p[n - 1])
			n--;
		return (Span){arena_span(a, (Span){p, n}), n};
	}
	b = buf_new(a);
	for (size_t i = 0; i < n; i++) {
		memcpy(&u, p + 4 * i, 4);
		if (h->order == '>')
			swap_bytes((char *)&u, 1, 4);
		/* UCS-4; what is no character becomes U+FFFD */
		if (u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
			u = 0xfffd;
		buf_utf8(b, u);
	}
	while (b->n && !b->p[b->n - 1])
		b->p[--b->n] = '\0';
	return (Span){b->n ? b->p : "", b->n};
}

static bool
get_texts(Head *h, Arena *a, Span b)
{
	int64_t n = shape_count(&h->v->shape);
	int64_t each = h->width * (h->kind == 'U' ? 4 : 1);
	Span *s;

	if (mul_size(n, each) != (int64_t)b.n)
		return fail(h->c, QE_INPUT, "%zu bytes for %lld texts of %lld",
		            b.n, (long long)n, (long long)each);
	if (n > (int64_t)b.n) /* texts of no width: as many as one likes */
		return fail(h->c, QE_INPUT, "texts without a width");
	if (h->fortran && h->v->shape.rank > 1)
		return fail(h->c, QE_INPUT, "texts in Fortran order");
	s = NEWV(a, Span, n + 1);
	for (int64_t i = 0; i < n; i++)
		s[i] = get_text(h, a, b.p + i * each);
	h->v->data = (Blob){.mem = s, .len = n * (int64_t)sizeof *s};
	return true;
}

/* Data is copied only if its order or its place does not suit memory. */
static bool
get_elements(Head *h, Arena *a, Span b)
{
	Value *v = h->v;
	size_t size = dtypes[v->type].size, unit = size;
	int64_t n = shape_count(&v->shape);
	bool swap = h->order == '>' && size > 1;
	bool turn = h->fortran && v->shape.rank > 1;
	char *p;

	if (dtype_bytes(v->type, n) != (int64_t)b.n)
		return fail(h->c, QE_INPUT, "%s %s needs %lld bytes, has %zu",
		            dtypes[v->type].name, shape_text(&v->shape).s,
		            (long long)dtype_bytes(v->type, n), b.n);
	v->data = (Blob){.mem = b.n ? b.p : "", .len = (int64_t)b.n};
	if (!b.n || (!swap && !turn && (uintptr_t)b.p % size == 0))
		return true;
	p = arena_alloc(a, b.n);
	if (turn)
		from_fortran(&v->shape, size, b.p, p, n);
	else
		memcpy(p, b.p, b.n);
	if (v->type == DT_C64)
		unit = size / 2;
	if (swap)
		swap_bytes(p, b.n / unit, unit);
	v->data.mem = p;
	return true;
}

bool
npy_parse(Ctx *c, Arena *a, Span b, Value *out)
{
	Head h = {.c = c, .v = out};
	Span head = {0};

	if (!split(c, &b, &head))
		return false;
	out->kind = VALUE_TENSOR;
	out->type = DT_NONE;
	h.p = head.p;
	h.end = head.p + head.n;
	return get_head(&h) &&
	       (out->type == DT_STRING ? get_texts(&h, a, b)
	                               : get_elements(&h, a, b));
}

bool
npy_read(Ctx *c, Arena *a, const char *path, Value *out)
{
	Span b;

	return spool_open(c, a, path, &b, NULL) &&
	       (npy_parse(c, a, b, out) || note(c, "%s", path));
}

bool
raw_read(Ctx *c, Arena *a, const char *path, Value *out)
{
	int64_t want = dtype_bytes(out->type, shape_count(&out->shape));
	Span b;

	if (!spool_open(c, a, path, &b, NULL))
		return false;
	if (out->type == DT_STRING || want != (int64_t)b.n)
		return fail(c, QE_INPUT, "%s: %s %s needs %lld bytes, has %zu",
		            path, dtypes[out->type].name,
		            shape_text(&out->shape).s, (long long)want, b.n);
	out->data = (Blob){.mem = b.n ? b.p : "", .len = want};
	return true;
}
