/* SPDX-License-Identifier: BSD-3-Clause
 * qnn-compile.c - ONNX -> QPC package */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_compile o = QE_COMPILE_INIT;
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Options"},
		{'i', "input",          INPUT,  &o.in,             "FILE", "ONNX model to read", "onnx-path onnx model"},
		{'o', "output",         BINARY, &o.out,            "FILE", "write the package to FILE", "qpc"},
		{0,   "backend",        ENUM,   &o.backend,        "host", "compile for this target"},
		{'t', "threads",        INT,    &o.threads,        "N",    "threads to compile with; 0: one per core", "nthreads", 0, 256},
		{0,   "list-ops",       TABLE,  NULL,              NULL,   "list the operators that can be compiled", .lo = QE_OPS},
		{0,   "list-kernels",   TABLE,  NULL,              NULL,   "list the kernels they are compiled to", .lo = QE_KERNELS},
		{.help = "Sizes"},
		{'b', "batch-size",     INT,    &o.batch_size,     "N",    "rows that run at once", "bs", 1, 65536},
		{0,   "prompt-len",     INT,    &o.prompt_len,     "N",    "tokens that one step takes of a prompt", "prefill-len", 1, 1 << 20},
		{'c', "ctx-len",        INT,    &o.ctx_len,        "N",    "positions of the cache", "ctx-size context-length", 1, 1 << 26},
		{'s', "seq-len",        TEXT,   &o.seq_len,        "N,...", "tokens of a row of an encoder; several lengths give several programs", "max-seq-len"},
		{0,   "shape",          LIST,   &o.shape,          "SYMBOL=N", "size of a dimension that has no option of its own"},
		{0,   "max-dynamic-bytes", INT, &o.max_dynamic_bytes, "N",    "memory for what can only be sized at run time", NULL, 1, 1e15},
		{.help = "Formats"},
		{'w', "weights",        TEXT,   &o.weights,        "TYPE", "keep matrices in this type, not the model's; PATTERN=TYPE,... for some", "quantize"},
		{0,   "mxfp6-matmul",   WORD,   &o.weights,        "mxfp6", "the same as --weights mxfp6", "mxfp6"},
		{0,   "mxint8-kv-cache", WORD,  &o.kv_cache_dtype, "mxint8", "the same as --kv-cache-dtype mxint8", "mxint8"},
		{0,   "convert-to-fp16", WORD,  &o.weights,        "float16", "the same as --weights float16"},
		{0,   "kv-cache-dtype", TEXT,   &o.kv_cache_dtype, "TYPE", "keep the cache in this type, not the model's", "cache-type"},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "qnn-compile",
	                 .about = "Compiles an ONNX model to a package.",
	                 .operands = "[FILE]",
	                 .opt = opt,
	                 .operand = &o.in};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	qe_qnn_compile(c, &o);
	return cli_close(c);
}
