/* SPDX-License-Identifier: BSD-3-Clause
 * Every tensor of a header that is taken lies in the file. */

#include <stdlib.h>

#include "fuzz.h"
#include "safetensors.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	SafeFile f;

	if (safetensors_read(&c, &c.mem, fuzz_file(p, n), &f))
		for (int i = 0; i < f.ntensor; i++)
			if (f.tensor[i].off < f.header || f.tensor[i].len < 0 ||
			    f.tensor[i].off + f.tensor[i].len > (int64_t)n)
				abort();
	arena_free(&c.mem);
	return 0;
}
