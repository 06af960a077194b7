/* SPDX-License-Identifier: BSD-3-Clause
 * The bytes as a tensor, a sequence and an optional. */

#include <stdlib.h>

#include "fuzz.h"
#include "onnx.h"

static void
check(const Value *v)
{
	volatile unsigned sum = 0;
	const unsigned char *p = v->data.mem;

	for (int i = 0; i < v->nitem; i++)
		check(v->item[i]);
	if (v->kind != VALUE_TENSOR)
		return;
	if (v->data.len != dtype_bytes(v->type, shape_count(&v->shape)))
		abort();
	for (int64_t i = 0; i < v->data.len; i++)
		sum += p[i];
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const enum ValueKind kinds[] = {VALUE_TENSOR, VALUE_SEQUENCE,
	                                       VALUE_OPTIONAL};
	const char *path = fuzz_file(p, n);

	for (size_t i = 0; i < LEN(kinds); i++) {
		Ctx c = {0};
		Value v = {.kind = kinds[i]};

		if (tensor_pb_read(&c, &c.mem, path, &v))
			check(&v);
		arena_free(&c.mem);
	}
	return 0;
}
