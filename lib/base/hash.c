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

/* By read(2) into one buffer: a mapping would count as memory of ours. */
bool
hash_file(Ctx *c, const char *path, Digest *out)
{
	enum { CHUNK = 1 << 20 };
	XXH3_state_t *st = XXH3_createState();
	Arena a = {0};
	char *buf = arena_alloc(&a, CHUNK);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 0;
	bool ok;

	if (!st)
		qe_nomem();
	XXH3_128bits_reset(st);
	while (fd >= 0 && (n = read(fd, buf, CHUNK)) > 0)
		XXH3_128bits_update(st, buf, (size_t)n);
	ok = n == 0 || fail_errno(c, path);
	*out = hex(XXH3_128bits_digest(st));
	if (fd >= 0)
		close(fd);
	XXH3_freeState(st);
	arena_free(&a);
	return ok;
}
