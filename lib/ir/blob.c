/* SPDX-License-Identifier: BSD-3-Clause
 * blob.c - bytes of constants, mapped when first asked for. */

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
