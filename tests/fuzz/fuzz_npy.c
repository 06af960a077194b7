/* SPDX-License-Identifier: BSD-3-Clause
 * An array that is taken has the bytes its type and shape need; alone or in
 * a zip archive. */

#include <stdlib.h>

#include "fuzz.h"
#include "npy.h"

static void
check(const Value *v)
{
	volatile unsigned sum = 0;
	const unsigned char *p = v->data.mem;

	if (v->data.len != dtype_bytes(v->type, shape_count(&v->shape)))
		abort();
	for (int64_t i = 0; i < v->data.len; i++)
		sum += p[i];
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *path = fuzz_file(p, n);
	Ctx c = {0};
	Value v = {0}, *z;
	int nz;

	if (npy_read(&c, &c.mem, path, &v))
		check(&v);
	c.status = QE_OK;
	if (npz_read(&c, &c.mem, path, &z, &nz))
		for (int i = 0; i < nz; i++)
			check(&z[i]);
	arena_free(&c.mem);
	return 0;
}
