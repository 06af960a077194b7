/* SPDX-License-Identifier: BSD-3-Clause
 * parts.c - what several targets do with what they were given. */

#include <stdlib.h>

#include "fuzz.h"

bool
fuzz_small(const Json *root)
{
	const Json *ropes = json_get(root, "ropes");

	for (size_t i = 0; i < json_len(ropes); i++)
		if (json_get_int(json_at(ropes, i), "rows", 0) > 1000)
			return false;
	return json_len(ropes) < 8;
}

void
fuzz_tokenizer(Ctx *c, const TokenizerFiles *f)
{
	Ctx quiet = {0};
	Arena *a = &c->mem;
	Span text = SPAN("Ab 12, \xc3\xa9\xe4\xb8\xad <s>x</s>\n\xff  z's.");
	Buf *blob = buf_new(a), *out = buf_new(a);
	Tokenizer *t;
	Ids ids;

	if (!tokenizer_compile(c, f, blob))
		return;
	if (!(t = tokenizer_open(c, a, (Span){blob->p, blob->n})))
		abort();
	if (tokenizer_encode(&quiet, a, t, text, &text, true, &ids))
		tokenizer_decode(&quiet, a, t, ids.id, ids.n, true, out);
	arena_free(&quiet.mem);
}
