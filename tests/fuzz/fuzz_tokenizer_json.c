/* SPDX-License-Identifier: BSD-3-Clause
 * What compiles of a tokenizer.json opens, and gives back a text for the ids
 * of a text. */

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	TokenizerFiles f = {.tokenizer_json = {(const char *)p, n}};

	if (n > 0)
		fuzz_tokenizer(&c, &f);
	arena_free(&c.mem);
	return 0;
}
