/* SPDX-License-Identifier: BSD-3-Clause
 * fuzz.h - what targets share: bytes under a path, as readers want them. */

#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Puts the bytes in a memory file and gives its path; the next call's bytes
 * replace them. */
static inline const char *
fuzz_file(const uint8_t *p, size_t n)
{
	static char path[40];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) != 0 || pwrite(fd, p, n, 0) != (ssize_t)n)
		abort();
	return path;
}

#endif
