/* SPDX-License-Identifier: BSD-3-Clause
 * membw.c - GB/s of reading 512 MiB with all cores: the bound of decoding.
 *
 * usage: membw [THREADS] */

#define _GNU_SOURCE
#include <stdio.h>

#include "host.h"
#include "read.h"

int
main(int argc, char **argv)
{
	enum { BYTES = 512 << 20 };
	Arena a = {0};
	Pool *pool =
		pool_open(&a, argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0);
	char *p = pages(BYTES);

	memset(p, 1, BYTES);
	printf("%.1f\n", limit_read(pool, p, BYTES) / 1e9);
	arena_free(&a);
	return 0;
}
