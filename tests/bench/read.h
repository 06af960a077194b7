/* SPDX-License-Identifier: BSD-3-Clause
 * read.h - what benches share: a clock and big pages. */

#ifndef READ_H
#define READ_H

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base.h"

static clockid_t clock_id = CLOCK_MONOTONIC;

static inline double
now(void)
{
	struct timespec t;

	clock_gettime(clock_id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void *
pages(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
#ifdef MADV_HUGEPAGE
	madvise(p, n, MADV_HUGEPAGE);
#endif
	return p;
}

#endif
