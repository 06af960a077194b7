/* SPDX-License-Identifier: BSD-3-Clause
 * fuzz.h - what targets share: bytes under a path, as readers want them.
 *
 * Build: clang -fsanitize=fuzzer,address,undefined; see `make fuzz`. */

#ifndef FUZZ_H
#define FUZZ_H

#include "json.h"
#include "tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Puts the bytes in a memory file and gives its path; the next call's bytes
 * replace them. */
const char *fuzz_file(const uint8_t *, size_t);

/* Whether modules hold no large tables: these take time and show nothing. */
bool fuzz_small(const Json *modules);

/* What compiles opens, and encodes and decodes a text. */
void fuzz_tokenizer(Ctx *, const TokenizerFiles *);

#endif
