/* SPDX-License-Identifier: BSD-3-Clause
 * A compiled tokenizer that opens may be used for anything. */

#define _GNU_SOURCE
#include <stdlib.h>

#include "fuzz.h"
#include "tokenizer.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0}, quiet = {0};
	Arena *a = &c.mem;
	Span text = SPAN("Ab 12 \xc3\xa9\xe4\xb8\xad <s>x</s>\n\xff  z's.");
	Span blob = {arena_copy(a, p, n), n};
	Tokenizer *t = tokenizer_open(&c, a, blob);
	Buf *out = buf_new(a);
	Ids ids;

	if (t) {
		if (tokenizer_encode(&quiet, a, t, text, &text, true, &ids))
			tokenizer_decode(&quiet, a, t, ids.id, ids.n, false,
			                 out);
		for (int32_t i = -1; i < 300; i++)
			tokenizer_token(t, a, i);
		tokenizer_id(t, "a");
	}
	arena_free(a);
	arena_free(&quiet.mem);
	return 0;
}
