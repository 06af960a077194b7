/* SPDX-License-Identifier: BSD-3-Clause
 * hash.c - xxh3-128: against accidents, not against an attacker. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "base.h"

static Digest
hex(XXH128_hash_t h)
{
	Digest d;

	snprintf(d.hex, sizeof d.hex, "%016llx%016llx",
	         (unsigned long long)h.high64, (unsigned long long)h.low64);
	return d;
}

Digest
hash_bytes(const void *p, size_t n)
{
	return hex(XXH3_128bits(p, n));
}

struct Hash {
	XXH3_state_t *state;
};

static void
hash_free(void *p)
{
	XXH3_freeState(p);
}

Hash *
hash_new(Arena *a)
{
	Hash *h = NEW(a, Hash);

	if (!(h->state = XXH3_createState()))
		qe_nomem();
	arena_defer(a, hash_free, h->state);
	XXH3_128bits_reset(h->state);
	return h;
}

void
hash_add(Hash *h, const void *p, size_t n)
{
	if (n)
		XXH3_128bits_update(h->state, p, n);
}

Digest
hash_end(Hash *h)
{
	Digest d = hex(XXH3_128bits_digest(h->state));

	XXH3_128bits_reset(h->state);
	return d;
}

/* By read(2) into one buffer: a mapping would count as memory of ours. */
bool
hash_head(Ctx *c, const char *path, int64_t left, Digest *out)
{
	enum { CHUNK = 1 << 20 };
	Arena a = {0};
	Hash *h = hash_new(&a);
	char *buf = arena_alloc(&a, CHUNK);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 0;
	bool ok;

	while (fd >= 0 && left > 0 && go_on(c) &&
	       (n = read(fd, buf, (size_t)MIN(left, CHUNK))) > 0) {
		hash_add(h, buf, (size_t)n);
		left -= n;
	}
	ok = n >= 0 || fail_errno(c, path);
	*out = hash_end(h);
	if (fd >= 0)
		close(fd);
	arena_free(&a);
	return ok && go_on(c);
}

bool
hash_file(Ctx *c, const char *path, Digest *out)
{
	return hash_head(c, path, INT64_MAX, out);
}
