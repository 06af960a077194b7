/* SPDX-License-Identifier: BSD-3-Clause
 * What is read is either refused or a graph that can be verified, whose
 * constants have the bytes that their types need. */

#include <stdlib.h>

#include "fuzz.h"
#include "onnx.h"

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Graph *g;

	if (!onnx_read(&c, &c.mem, fuzz_file(p, n), &g))
		goto out;
	for (size_t i = 0; i < g->value->n; i++) {
		Value *v = g->value->item[i].value;

		if (v && value_is_const(v) &&
		    (v->data.len !=
		             dtype_bytes(v->type, shape_count(&v->shape)) ||
		     (v->data.len && !blob_data(&c, &c.mem, &v->data))))
			abort();
	}
	graph_verify(&c, g);
out:
	arena_free(&c.mem);
	return 0;
}
