/* SPDX-License-Identifier: BSD-3-Clause
 * clock.c - time that only goes on, for figures. */

#include <time.h>

#include "base.h"

int64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
