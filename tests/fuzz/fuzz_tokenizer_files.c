/* SPDX-License-Identifier: BSD-3-Clause
 * What compiles of a checkpoint's other tokenizer files opens, and encodes.
 * The input is a list of "name size" lines, each with so many bytes behind. */

#include "fuzz.h"

/* Takes one file off the front; false at the end. */
static bool
next(Arena *a, Span *rest, TokenizerFiles *f)
{
	const char *name = arena_span(a, span_line(rest)), *blank;
	int64_t n;

	if (!(blank = strchr(name, ' ')) || !str_int(blank + 1, &n))
		return false;
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
	Ctx c = {.share = "share"};
	TokenizerFiles f = {0};
	Span rest = {(const char *)p, n};

	while (rest.n && next(&c.mem, &rest, &f))
		continue;
	f.tokenizer_json = (Span){0};
	fuzz_tokenizer(&c, &f);
	arena_free(&c.mem);
	return 0;
}
