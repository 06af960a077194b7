/* SPDX-License-Identifier: BSD-3-Clause
 * vendor.c - the container of programqpc.bin, in and out.
 *
 * Little-endian, natural packing, all places relative to `base`, which is 0
 * in a file and an address of the writer in one that was dumped from memory:
 *
 *    0  u32 magic 0x00A1CD7C    16  u64 base
 *    4  u8 major, u8 minor      24  u64 segments
 *    6  u16 compression         32  u64 place of the table - base
 *    8  u64 size of the file
 *   table: u64 size, u64 offset, u64 name - base, u64 data - base
 *
 * Nothing is aligned in a file.
 * Source: quic/software-kit-for-qualcomm-cloud-ai-100, lib/networkdesc/qpc. */

#include "vendor.h"

enum {
	HEAD = 40,
	ROW = 32,
	MAXSEGMENT = 4096,
	MAXNAME = 256,
	SELF_CONTAINED = 1
};
#define MAGIC 0x00A1CD7Cu

static uint64_t
number(const char *p, int bytes)
{
	uint64_t v = 0;

	for (int i = bytes - 1; i >= 0; i--)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

bool
vendor_is(Span head)
{
	return head.n >= 4 && number(head.p, 4) == MAGIC;
}

/* n bytes at a place of the file, or a refusal. */
static bool
at(Ctx *c, Span file, uint64_t place, uint64_t n, const char *what)
{
	if (place > file.n || n > file.n - place)
		return fail(c, QE_INPUT,
		            "%s: %llu bytes at %llu, the file has %zu", what,
		            (unsigned long long)n, (unsigned long long)place,
		            file.n);
	return true;
}

static bool
read_head(Ctx *c, Span file, VendorQpc *q, uint64_t *table, uint64_t *base)
{
	uint64_t size, n;

	if (!at(c, file, 0, HEAD, "cut: header"))
		return false;
	if (!vendor_is(file))
		return fail(c, QE_INPUT, "not a programqpc.bin: magic %08llx",
		            (unsigned long long)number(file.p, 4));
	q->major = (unsigned char)file.p[4];
	q->minor = (unsigned char)file.p[5];
	q->compression = (int)number(file.p + 6, 2);
	size = number(file.p + 8, 8);
	*base = number(file.p + 16, 8);
	n = number(file.p + 24, 8);
	*table = number(file.p + 32, 8);
	if (q->major != 0)
		return fail(c, QE_INPUT, "version %d.%d, wanted 0.x", q->major,
		            q->minor);
	if (q->compression != SELF_CONTAINED)
		return fail(
			c, QE_INPUT,
			"kind %d, wanted %d: it holds addresses of a process",
			q->compression, SELF_CONTAINED);
	if (size != file.n)
		return fail(c, QE_INPUT, "cut: it has %zu bytes of %llu",
		            file.n, (unsigned long long)size);
	if (n > MAXSEGMENT)
		return fail(c, QE_INPUT, "%llu segments, at most %d",
		            (unsigned long long)n, MAXSEGMENT);
	q->n = (int)n;
	return true;
}

static bool
read_name(Ctx *c, Arena *a, Span file, uint64_t place, const char **out)
{
	const char *p, *end;
	size_t room;

	if (!at(c, file, place, 1, "name of a segment"))
		return false;
	p = file.p + place;
	room = MIN(file.n - (size_t)place, MAXNAME);
	end = memchr(p, '\0', room);
	if (!end || end == p)
		return fail(c, QE_INPUT,
		            "segment at %llu: no name of 1 to %d bytes",
		            (unsigned long long)place, MAXNAME - 1);
	*out = arena_span(a, (Span){p, (size_t)(end - p)});
	return true;
}

static bool
read_segment(Ctx *c, Arena *a, Span file, const char *row, uint64_t base,
             VendorSegment *s)
{
	uint64_t size = number(row, 8), name = number(row + 16, 8) - base,
		 data = number(row + 24, 8) - base;

	s->offset = number(row + 8, 8);
	if (!read_name(c, a, file, name, &s->name) ||
	    !at(c, file, data, size, s->name))
		return false;
	s->data = (Span){file.p + data, (size_t)size};
	return true;
}

bool
vendor_read(Ctx *c, Arena *a, Span file, VendorQpc *q)
{
	uint64_t table = 0, base = 0;
	Dict *seen = dict_new(a);

	*q = (VendorQpc){0};
	if (!read_head(c, file, q, &table, &base))
		return false;
	table -= base;
	if (!at(c, file, table, (uint64_t)q->n * ROW, "table of segments"))
		return false;
	q->segment = NEWV(a, VendorSegment, q->n + 1);
	for (int i = 0; i < q->n; i++) {
		VendorSegment *s = &q->segment[i];

		if (!read_segment(c, a, file, file.p + table + i * ROW, base,
		                  s))
			return false;
		if (dict_has(seen, s->name))
			return fail(c, QE_INPUT, "segment '%s' is there twice",
			            s->name);
		dict_set(seen, s->name, s);
	}
	return true;
}

const VendorSegment *
vendor_find(const VendorQpc *q, const char *name)
{
	for (int i = 0; i < q->n; i++)
		if (strcmp(q->segment[i].name, name) == 0)
			return &q->segment[i];
	return NULL;
}

static bool
put(Ctx *c, Out *o, uint64_t v, int bytes)
{
	char b[8];

	for (int i = 0; i < bytes; i++)
		b[i] = (char)(v >> 8 * i);
	return out_write(c, o, b, (size_t)bytes);
}

static bool
write_head(Ctx *c, Out *o, const VendorQpc *q, uint64_t size)
{
	return put(c, o, MAGIC, 4) && put(c, o, (uint64_t)q->major, 1) &&
	       put(c, o, (uint64_t)q->minor, 1) &&
	       put(c, o, (uint64_t)q->compression, 2) && put(c, o, size, 8) &&
	       put(c, o, 0, 8) && put(c, o, (uint64_t)q->n, 8) &&
	       put(c, o, HEAD, 8);
}

bool
vendor_write(Ctx *c, Out *o, const VendorQpc *q)
{
	uint64_t name = HEAD + (uint64_t)q->n * ROW, data = name, size;

	for (int i = 0; i < q->n; i++)
		data += strlen(q->segment[i].name) + 1;
	size = data;
	for (int i = 0; i < q->n; i++)
		size += q->segment[i].data.n;
	if (!write_head(c, o, q, size))
		return false;
	for (int i = 0; i < q->n; i++) {
		const VendorSegment *s = &q->segment[i];

		if (!put(c, o, s->data.n, 8) || !put(c, o, s->offset, 8) ||
		    !put(c, o, name, 8) || !put(c, o, data, 8))
			return false;
		name += strlen(s->name) + 1;
		data += s->data.n;
	}
	for (int i = 0; i < q->n; i++)
		if (!out_write(c, o, q->segment[i].name,
		               strlen(q->segment[i].name) + 1))
			return false;
	for (int i = 0; i < q->n; i++)
		if (!out_write(c, o, q->segment[i].data.p,
		               q->segment[i].data.n))
			return false;
	return true;
}

bool
vendor_check_size(Ctx *c, const char *path)
{
	Arena a = {0};
	Span head;
	bool ok = file_part(c, &a, path, 0, HEAD, &head);

	if (ok && vendor_is(head) &&
	    (head.n < HEAD ||
	     number(head.p + 8, 8) != (uint64_t)file_size(path)))
		ok = fail(c, QE_EXTERNAL, "%s is cut", path_base(path));
	arena_free(&a);
	return ok;
}
