/* SPDX-License-Identifier: BSD-3-Clause */
/* check.h - the whole unit-test framework. */

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int checks, failed;

#define CHECK(cond) check_((cond), #cond, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_str((got), (want), __FILE__, __LINE__)

static inline void
check_(int ok, const char *what, const char *file, int line)
{
	checks++;
	if (!ok) {
		failed++;
		fprintf(stderr, "%s:%d: %s\n", file, line, what);
	}
}

static inline void
check_str(const char *got, const char *want, const char *file, int line)
{
	checks++;
	if (strcmp(got, want) != 0) {
		failed++;
		fprintf(stderr, "%s:%d: got \"%s\", want \"%s\"\n", file, line,
		        got, want);
	}
}

static inline int
check_done(const char *name)
{
	printf("%s: %d checks, %d failed\n", name, checks, failed);
	return failed != 0;
}

#endif
