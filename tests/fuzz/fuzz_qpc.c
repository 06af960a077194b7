/* SPDX-License-Identifier: BSD-3-Clause
 * Every member of a package that is taken lies in the file, aligned. */

#include <stdlib.h>

#include "fuzz.h"
#include "qpc.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Qpc *q = qpc_open(&c, &c.mem, fuzz_file(p, n), true);

	for (int i = 0; q && i < q->n; i++)
		if (q->data[i].n > n || (int64_t)q->data[i].n < 0 ||
		    (uintptr_t)q->data[i].p % QPC_ALIGN != 0 ||
		    !qpc_name_ok(q->member[i].name))
			abort();
	arena_free(&c.mem);
	return 0;
}
