/* SPDX-License-Identifier: BSD-3-Clause
 * onnx-export.c - model document -> ONNX */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_export o = QE_EXPORT_INIT;
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Options"},
		{'i', "input",       INPUT,  &o.in,          "FILE", "model document to read"},
		{'o', "output",      BINARY, &o.out,         "FILE", "write the ONNX model to FILE, with links to its weights beside it"},
		{0,   "materialize", FLAG,   &o.materialize, NULL,   "copy the weights into FILE.data, for a file that can be moved", "materialise"},
		{0,   "use-onnx-subfunctions", FLAG, &o.use_onnx_subfunctions, NULL, "one function for layers that repeat", "subfunctions"},
		{0,   "experts",     ENUM,   &o.experts,     "loop|chosen|all", "how a token meets its experts: by control flow; by copies of the chosen; all of them"},
		{'d', "dtype",       ENUM,   &o.dtype,       "float32|float16|bfloat16", "compute in this type, float32 unless given; weights stay as they are", "torch-dtype precision"},
		{0,   "opset",       INT,    &o.opset,       "N",    "version of the ONNX operators", NULL, 17, 17},
		{0,   "ir-version",  INT,    &o.ir_version,  "N",    "version of the ONNX file format", NULL, 8, 10},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "onnx-export",
	                 .about = "Writes the model that a model document "
	                          "describes as ONNX.",
	                 .operands = "[FILE]",
	                 .opt = opt,
	                 .operand = &o.in};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	qe_onnx_export(c, &o);
	return cli_close(c);
}
