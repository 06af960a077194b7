/* SPDX-License-Identifier: BSD-3-Clause
 * hf-load.c - a HuggingFace checkpoint -> model document */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_load o = QE_LOAD_INIT;
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Options"},
		{'m', "model",     INPUT,  &o.path,   "DIR",  "checkpoint directory, or its config.json", "model-name model-id model-name-or-path"},
		{'o', "output",    OUTPUT, &o.out,    "FILE", "write the model document to FILE"},
		{'t', "task",      TEXT,   &o.task,   "NAME", "what the model is for, as feature-extraction; unless given, as its class says"},
		{0,   "hash",      FLAG,   &o.hash,   NULL,   "record digests of the weights too, which reads them"},
		{0,   "no-strict", OFF,    &o.strict, NULL,   "ignore tensors that the architecture does not name"},
		{'l', "list",      TABLE,  NULL,      NULL,   "list the architectures", NULL, QE_ARCHS},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "hf-load",
	                 .about = "Reads a HuggingFace checkpoint and writes "
	                          "its model document.",
	                 .operands = "DIR",
	                 .opt = opt,
	                 .operand = &o.path};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	qe_hf_load(c, &o);
	return cli_close(c);
}
