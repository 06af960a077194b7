/* SPDX-License-Identifier: BSD-3-Clause
 * qeff-inspect - say what an artifact holds. */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_inspect o = QE_INSPECT_INIT;
	/* clang-format off */
	const Opt opts[] = {
		{.help = "Options"},
		{'i', "input",   INPUT,  &o.in,      "FILE", "look into FILE"},
		{'o', "output",  OUTPUT, &o.out,     "FILE", "write to FILE"},
		{'j', "json",    FLAG,   &o.json,    NULL,   "print one JSON object"},
		{'t', "tensors", FLAG,   &o.tensors, NULL,   "list each weight"},
		{'g', "graph",   FLAG,   &o.graph,   NULL,   "print the graph of an ONNX model, a line for each node"},
		{0,   "dot",     FLAG,   &o.dot,     NULL,   "print the layers of a model or package as a graph for Graphviz"},
		{0,   "svg",     FLAG,   &o.svg,     NULL,   "draw the layers of a model or package"},
		{0,   "verify",  FLAG,   &o.verify,  NULL,   "check the digests of a package, reading all of it"},
		{0,   "extract", OUTPUT, &o.extract, "DIR",  "write the segments of a programqpc.bin to files in DIR"},
		{0,   "replace", LIST,   &o.replace, "NAME=FILE", "write a programqpc.bin again, with a segment from FILE"},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "qeff-inspect",
	                 .about = "Says what a checkpoint, model document, "
	                          "ONNX model or package holds.",
	                 .operands = "[FILE]",
	                 .opt = opts,
	                 .operand = &o.in};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	qe_look(c, &o);
	return cli_close(c);
}
