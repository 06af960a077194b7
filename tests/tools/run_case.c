/* SPDX-License-Identifier: BSD-3-Clause
 * run_case.c - runs an ONNX model by the reference operators.
 *
 *     run_case MODEL INDIR OUTDIR
 *
 * reads INDIR/input_N.pb, the inputs in the order of the graph, and writes
 * OUTDIR/output_N.pb.  Exit statuses are those of the programs, so a case
 * that is not supported ends with 3. */

#include <stdio.h>

#include "onnx.h"
#include "op.h"

static bool
read_inputs(Ctx *c, Arena *a, const Graph *g, const char *dir, Value **in)
{
	int file = 0;

	for (int i = 0; i < g->nin; i++) {
		if (value_is_const(g->in[i]))
			continue;
		in[i] = NEW(a, Value);
		*in[i] = *g->in[i];
		if (!tensor_pb_read(c, a,
		                    arena_str(a, "%s/input_%d.pb", dir, file++),
		                    in[i]))
			return false;
	}
	return true;
}

static bool
write_outputs(Ctx *c, Arena *a, int n, Value *const *out, const char *dir)
{
	for (int i = 0; i < n; i++)
		if (!tensor_pb_write(c, arena_str(a, "%s/output_%d.pb", dir, i),
		                     out[i]))
			return false;
	return true;
}

static bool
run(Ctx *c, const char *model, const char *indir, const char *outdir)
{
	Arena *a = &c->mem;
	Value **in, **out;
	Graph *g;

	if (!onnx_read(c, a, model, &g) || !graph_inline(c, g) ||
	    !graph_infer(c, g, false))
		return false;
	in = NEWV(a, Value *, g->nin + 1);
	out = NEWV(a, Value *, g->nout + 1);
	return read_inputs(c, a, g, indir, in) &&
	       graph_eval(c, a, g, in, out) &&
	       write_outputs(c, a, g->nout, out, outdir);
}

int
main(int argc, char **argv)
{
	Ctx c = {.tool = "run_case"};
	int status;

	if (argc != 4) {
		fprintf(stderr, "usage: run_case MODEL INDIR OUTDIR\n");
		return QE_USAGE;
	}
	if (!run(&c, argv[1], argv[2], argv[3]))
		fprintf(stderr, "run_case: %s: %s\n", argv[1], c.msg);
	status = (int)c.status;
	arena_free(&c.mem);
	return status;
}
