/* SPDX-License-Identifier: BSD-3-Clause
 * What is taken prints as a text that is taken and prints the same. */

#include <stdlib.h>

#include "fuzz.h"
#include "json.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	Json *j = json_parse(&c, a, (Span){(const char *)p, n});
	Buf *once = buf_new(a), *twice = buf_new(a);

	if (j) {
		json_print(once, j, 2);
		j = json_parse(&c, a, (Span){once->p, once->n});
		if (!j)
			abort();
		json_print(twice, j, 2);
		if (strcmp(once->p, twice->p) != 0)
			abort();
	}
	arena_free(a);
	return 0;
}
