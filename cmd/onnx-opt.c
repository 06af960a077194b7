/* SPDX-License-Identifier: BSD-3-Clause
 * onnx-opt - rewrite an ONNX model by the passes of lib/pass/passes.def. */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_optimize o = QE_OPTIMIZE_INIT;
	/* clang-format off */
	const Opt opts[] = {
		{.help = "Options"},
		{'i', "input",       INPUT,  &o.in,          "FILE", "read the model from FILE", .also = "onnx-path"},
		{'o', "output",      BINARY, &o.out,         "FILE", "write to FILE"},
		{0,   "materialize", FLAG,   &o.materialize, NULL,   "copy the weights, to FILE.data"},
		{'l', "list",        TABLE,  NULL,           NULL,   "list the passes", .also = "list-passes", .lo = QE_PASSES},
		{.help = "What is done"},
		{0,   "extract",     TEXT,   &o.extract,     "INPUTS:OUTPUTS", "keep what makes these outputs of these inputs"},
		{0,   "fix-shape",   LIST,   &o.fix,         "INPUT:1x32|SYMBOL=32", "give unknown dimensions a number"},
		{'p', "passes",      TEXT,   &o.passes,      "LIST", "run these, in order, not the usual ones"},
		{0,   "fp16",        FLAG,   &o.fp16,        NULL,   "compute in float16", .also = "convert-to-fp16"},
		{0,   "opset",       INT,    &o.opset,       "N",    "write for this opset", .lo = 1, .hi = 1000},
		{.help = "How it is checked"},
		{0,   "check",       FLAG,   &o.check,       NULL,   "only say whether the model is valid"},
		{0,   "verify",      FLAG,   &o.verify,      NULL,   "compare the numbers before and after"},
		{0,   "bisect",      FLAG,   &o.bisect,      NULL,   "compare after every pass, and name it"},
		{0,   "rtol",        FLOAT,  &o.rtol,        "X",    "allow numbers to differ by X of their size", .lo = 0, .hi = 1e6},
		{0,   "atol",        FLOAT,  &o.atol,        "X",    "and by X", .lo = 0, .hi = 1e6},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "onnx-opt",
	                 .about = "Rewrites an ONNX model.",
	                 .operands = "[FILE]",
	                 .opt = opts,
	                 .operand = &o.in};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	qe_onnx_optimize(c, &o);
	return cli_close(c);
}
