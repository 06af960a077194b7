/* SPDX-License-Identifier: BSD-3-Clause
 * blob.c - bytes of constants, mapped when first asked for. */

#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "ir.h"

const void *
blob_data(Ctx *c, Arena *a, Blob *b)
{
	Source *s = b->src;

	if (b->mem || !s)
		return b->mem ? b->mem : "";
	if (!s->map.p && !file_map(c, a, s->path, &s->map))
		return NULL;
	if (b->off < 0 || b->len < 0 || (uint64_t)b->off > s->map.n ||
	    (uint64_t)b->len > s->map.n - (uint64_t)b->off) {
		fail(c, QE_INPUT, "%s: bytes %lld+%lld of a file of %zu",
		     s->path, (long long)b->off, (long long)b->len, s->map.n);
		return NULL;
	}
	return s->map.p + b->off;
}

void
blob_release(const Blob *b)
{
	const Source *s = b->src;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, to;

	if (!s || !s->map.p || b->len <= 0 ||
	    (uint64_t)b->off + (uint64_t)b->len > s->map.n)
		return;
	from = (uintptr_t)s->map.p + (uintptr_t)b->off;
	to = from + (uintptr_t)b->len;
	from = (from + page - 1) / page * page;
	to = to / page * page;
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}
