/* SPDX-License-Identifier: BSD-3-Clause
 * dict.c - names to pointers: open addressing over an ordered vector.
 *
 * xxh3 with a fixed seed: the order of items is the order of insertion, so
 * nothing that is written ever depends on the hash. */

#include <xxhash.h>

#include "base.h"

Dict *
dict_new(Arena *a)
{
	Dict *d = NEW(a, Dict);

	d->mem = a;
	return d;
}

/* The slot of key, or the free one where it belongs. */
static uint32_t *
find(const Dict *d, const char *key)
{
	size_t i = XXH3_64bits(key, strlen(key)) & (d->nslot - 1);

	while (d->slot[i] && strcmp(d->item[d->slot[i] - 1].key, key) != 0)
		i = (i + 1) & (d->nslot - 1);
	return &d->slot[i];
}

static void
grow(Dict *d)
{
	d->nslot = d->nslot ? d->nslot * 2 : 16;
	d->slot = NEWV(d->mem, uint32_t, d->nslot);
	for (size_t i = 0; i < d->n; i++)
		*find(d, d->item[i].key) = (uint32_t)i + 1;
}

void *
dict_get(const Dict *d, const char *key)
{
	uint32_t at = d->nslot ? *find(d, key) : 0;

	return at ? d->item[at - 1].value : NULL;
}

bool
dict_has(const Dict *d, const char *key)
{
	return d->nslot && *find(d, key);
}

void
dict_set(Dict *d, const char *key, void *value)
{
	uint32_t *at;

	if (d->n * 2 >= d->nslot)
		grow(d);
	at = find(d, key);
	if (*at) {
		d->item[*at - 1].value = value;
		return;
	}
	if (d->n >= UINT32_MAX - 1)
		qe_nomem();
	PUSH(d->mem, d->item, d->n, d->cap, ((DictItem){key, value}));
	*at = (uint32_t)d->n;
}
