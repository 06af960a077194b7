/* SPDX-License-Identifier: BSD-3-Clause
 * make-onnx - writes the graph that is on standard input as text
 *
 *	make-onnx FILE [BYTES]
 *
 * The text is that of lib/ir/print.c; constants of more than BYTES go to
 * FILE.data.  A node has the name of its first output. */

#include <stdlib.h>

#include "../unit/graphtext.h"
#include "onnx.h"

int
main(int argc, char **argv)
{
	Ctx c = {.tool = "make-onnx"};
	Arena a = {0};
	OnnxWrite to = {.path = argc > 1 ? argv[1] : "-",
	                .inline_max =
	                        argc > 2 ? strtol(argv[2], NULL, 10) : 1 << 20};
	Text t = {.a = &a, .file = "<stdin>"};
	Graph *g;
	Span s;

	if (file_read(&c, &a, "-", 1 << 24, &s)) {
		t.p = arena_str(&a, "\n%.*s", (int)s.n, s.p);
		g = text_graph(&t);
		for (int i = 0; i < g->nnode; i++)
			if (g->node[i]->nout && g->node[i]->out[0])
				g->node[i]->name = g->node[i]->out[0]->name;
		onnx_write(&c, g, &to);
	}
	if (c.status)
		fprintf(stderr, "make-onnx: %s\n", c.msg);
	arena_free(&a);
	arena_free(&c.mem);
	return (int)c.status;
}
