/* SPDX-License-Identifier: BSD-3-Clause
 * What compiles of a checkpoint's other tokenizer files opens, and encodes.
 * The input is a list of "name size" lines, each with so many bytes behind. */

#define _GNU_SOURCE
#include <stdlib.h>

#include "fuzz.h"
#include "tokenizer.h"

/* Takes one file off the front; false at the end. */
static bool
next(Arena *a, Span *rest, TokenizerFiles *f)
{
	const char *line = memchr(rest->p, '\n', rest->n), *blank;
	size_t head = line ? (size_t)(line - rest->p) : 0;
	const char *name = arena_span(a, (Span){rest->p, head});
	int64_t n;

	if (!head || !(blank = strchr(name, ' ')) || !str_int(blank + 1, &n))
		return false;
	rest->p += head + 1;
	rest->n -= head + 1;
	n = MAX(0, MIN(n, (int64_t)rest->n));
	tokenizer_put(f, arena_span(a, (Span){name, (size_t)(blank - name)}),
	              (Span){rest->p, (size_t)n});
	rest->p += n;
	rest->n -= (size_t)n;
	return rest->n > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {.share = "share"}, quiet = {0};
	Arena *a = &c.mem;
	TokenizerFiles f = {0};
	Span rest = {(const char *)p, n};
	Span text = SPAN("ab 12, \xc3\xa9\xe4\xb8\xad <s>x</s>\n\xff  z's.");
	Buf *blob = buf_new(a), *out = buf_new(a);
	Tokenizer *t;
	Ids ids;

	while (rest.n && next(a, &rest, &f))
		continue;
	f.tokenizer_json = (Span){0};
	if (tokenizer_compile(&c, &f, blob)) {
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
