/* SPDX-License-Identifier: BSD-3-Clause
 * What compiles opens, and gives back a text for the ids of a text. */

#define _GNU_SOURCE
#include <stdlib.h>

#include "fuzz.h"
#include "tokenizer.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0}, quiet = {0};
	Arena *a = &c.mem;
	TokenizerFiles f = {.tokenizer_json = {(const char *)p, n}};
	Span text = SPAN("Ab 12 \xc3\xa9\xe4\xb8\xad <s>x</s>\n\xff  z's.");
	Buf *blob = buf_new(a), *out = buf_new(a);
	Tokenizer *t;
	Ids ids;

	if (n > 0 && tokenizer_compile(&c, &f, blob)) {
		t = tokenizer_open(&c, a, (Span){blob->p, blob->n});
		if (!t)
			abort();
		if (tokenizer_encode(&quiet, a, t, text, &text, true, &ids))
			tokenizer_decode(&quiet, a, t, ids.id, ids.n, true,
			                 out);
	}
	arena_free(a);
	arena_free(&quiet.mem);
	return 0;
}
