/* SPDX-License-Identifier: BSD-3-Clause
 * Whatever is read, a pass refuses, or leaves as a graph that can be verified
 * and written. */

#include "fuzz.h"
#include "onnx.h"
#include "pass.h"

static void
rewrite(Ctx *c, Graph *g)
{
	Edit e = {0};

	for (const Pass *p = passtab; p < passtab + npass; p++)
		if (!pass_run(c, g, p, &e))
			return;
	onnx_write_bytes(c, g, buf_new(&c->mem));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Graph *g;

	if (onnx_read_bytes(&c, &c.mem, (Span){(const char *)p, n}, &g) &&
	    graph_verify(&c, g))
		rewrite(&c, g);
	arena_free(&c.mem);
	return 0;
}
