/* SPDX-License-Identifier: BSD-3-Clause
 * fuzz.h - what targets share: bytes under a path, as readers want them.
 *
 * Build: clang -fsanitize=fuzzer,address,undefined; see `make fuzz`. */

#ifndef FUZZ_H
#define FUZZ_H

#include "base.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Puts the bytes in a memory file and gives its path; the next call's bytes
 * replace them. */
const char *fuzz_file(const uint8_t *, size_t);

#endif
