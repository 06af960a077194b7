/* SPDX-License-Identifier: BSD-3-Clause
 * qnn-compile.c - ONNX -> QPC package */

#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* QEfficient's places, of which the first that is set counts. */
static const char *
cache_folder(void)
{
	static char path[4096];
	const struct {
		const char *variable, *below;
	} place[] = {{"QEFF_HOME", ""},
	             {"XDG_CACHE_HOME", "/qeff_models"},
	             {"HOME", "/.cache/qeff_models"}};

	for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
		const char *v = getenv(place[i].variable);

		if (!v || !*v)
			continue;
		snprintf(path, sizeof path, "%s%s", v, place[i].below);
		return path;
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	qe_compile o = QE_COMPILE_INIT;
	bool no_cache = false;
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Options"},
		{'i', "input",          INPUT,  &o.in,             "FILE", "ONNX model to read", "onnx-path onnx model"},
		{'o', "output",         OUTPUT, &o.out,            "FILE", "write the package to FILE", "qpc qpc-path"},
		{0,   "backend",        ENUM,   &o.backend,        "host|qaic|qnn", "compile for this target"},
		{'t', "threads",        INT,    &o.threads,        "N",    "threads to compile with; 0: one per core", "nthreads", 0, 256},
		{0,   "report",         OUTPUT, &o.report,         "FILE", "write each weight's format, size and relative error to FILE"},
		{0,   "list-ops",       TABLE,  NULL,              NULL,   "list the operators that the host compiles", .lo = QE_OPS},
		{0,   "list-kernels",   TABLE,  NULL,              NULL,   "list the kernels they are compiled to", .lo = QE_KERNELS},
		{0,   "estimate",       FLAG,   &o.estimate,       NULL,   "say what memory it needs, by formats, contexts and stages; takes a config.json too"},
		{0,   "memory",         TEXT,   &o.memory,         "BYTES", "what a device has, such as 16G: does it fit?"},
		{.help = "Sizes"},
		{'b', "batch-size",     INT,    &o.batch_size,     "N",    "rows that run at once", "bs", 1, 65536},
		{0,   "prompt-len",     INT,    &o.prompt_len,     "N",    "tokens that one step takes of a prompt; the host chooses, a card takes 32", "prefill-len prefill-seq-len", 1, 1 << 20},
		{'c', "ctx-len",        INT,    &o.ctx_len,        "N",    "positions of the cache; for the host as many as the model has, 4096 at most, for a card 128", "ctx-size context-length", 1, 1 << 26},
		{'s', "seq-len",        TEXT,   &o.seq_len,        "N,...", "tokens of a row of an encoder; several lengths give several programs", "max-seq-len"},
		{0,   "encoder-ctx-len", INT,   &o.encoder_ctx_len, "N",   "positions of a speech model's encoder", NULL, 1, 1 << 20},
		{0,   "full-batch-size", INT,   &o.full_batch_size, "N",   "slots of continuous batching", NULL, 1, 65536},
		{0,   "kv-cache-batch-size", INT, &o.kv_cache_batch_size, "N", "rows of the cache, if not as many as slots", NULL, 1, 65536},
		{0,   "num-speculative-tokens", TEXT, &o.num_speculative_tokens, "K,...", "tokens that a target model checks at once; a program for each"},
		{0,   "ccl-enabled",    FLAG,   &o.ccl_enabled,    NULL,   "programs for several lengths of the cache in use"},
		{0,   "comp-ctx-lengths-prefill", TEXT, &o.ccl_prefill, "N,...", "these lengths, for prompts"},
		{0,   "comp-ctx-lengths-decode", TEXT, &o.ccl_decode, "N,...", "and for steps"},
		{0,   "prefill-only",   FLAG,   &o.prefill_only,   NULL,   "programs for prompts only"},
		{0,   "decode-only",    FLAG,   &o.decode_only,    NULL,   "programs for steps only"},
		{0,   "shape",          LIST,   &o.shape,          "SYMBOL=N", "size of a dimension that has no option of its own"},
		{0,   "max-dynamic-bytes", INT, &o.max_dynamic_bytes, "N",    "memory for what can only be sized at run time", NULL, 1, 1e15},
		{0,   "specializations", INPUT, &o.specializations, "FILE", "take all sizes from FILE", "network-specialization-config"},
		{.help = "Formats"},
		{'w', "weights",        TEXT,   &o.weights,        "TYPE", "keep matrices in this type, not the model's; PATTERN=TYPE,... for some", "quantize"},
		{0,   "mxfp6-matmul",   WORD,   &o.weights,        "mxfp6", "the same as --weights mxfp6", "mxfp6"},
		{0,   "mxint8-kv-cache", WORD,  &o.kv_cache_dtype, "mxint8", "the same as --kv-cache-dtype mxint8", "mxint8"},
		{0,   "convert-to-fp16", WORD,  &o.weights,        "float16", "the same as --weights float16"},
		{0,   "kv-cache-dtype", TEXT,   &o.kv_cache_dtype, "TYPE", "keep the cache in this type; float16 if --weights is narrow", "cache-type"},
		{0,   "custom-io",      INPUT,  &o.custom_io,      "FILE", "types of inputs and outputs on the card, from FILE", "custom-io-list-file custom-io-file-path"},
		{0,   "node-precision-info", INPUT, &o.node_precision_info, "FILE", "nodes that stay float32, from FILE"},
		{0,   "fp32-nodes",     LIST,   &o.fp32_nodes,     "PATTERN", "outputs of nodes that stay float32"},
		{.help = "Qualcomm cards"},
		{0,   "num-cores",      INT,    &o.num_cores,      "N",    "cores of a card to use, unless given 16", "aic-num-cores", 1, 1024},
		{0,   "num-devices",    INT,    &o.num_devices,    "N",    "cards that share the model", NULL, 1, 1024},
		{0,   "device-group",   TEXT,   &o.device_group,   "ID,...", "so many cards"},
		{0,   "aic-hw-version", TEXT,   &o.aic_hw_version, "NAME", "ai100 or ai200; unless given, that of the card that is here"},
		{0,   "mos",            INT,    &o.mos,            "N",    "effort to need less memory on the chip", NULL, 1, 1024},
		{0,   "aic-enable-depth-first", FLAG, &o.aic_enable_depth_first, NULL, "order work to keep it on the chip"},
		{0,   "allow-mxint8-mdp-io", FLAG, &o.allow_mxint8_mdp_io, NULL, "cards exchange mxint8"},
		{0,   "use-onnx-subfunctions", FLAG, &o.use_onnx_subfunctions, NULL, "the model's layers are functions"},
		{0,   "mdp-load-partition-config", INPUT, &o.mdp_load_partition_config, "FILE", "which card does what, from FILE"},
		{0,   "mdp-num-partitions", INT, &o.mdp_num_partitions, "N", "split the layers into N stages", NULL, 1, 64},
		{0,   "mdp-compiler-dump-path", INPUT, &o.mdp_compiler_dump_path, "FILE", "name only those nodes in the stages that FILE does"},
		{0,   "mdp-dump-partition-config", OUTPUT, &o.mdp_dump_partition_config, "FILE", "have the compiler write which nodes it has"},
		{0,   "enable-qnn",     WORD,   &o.backend,        "qnn",  "the same as --backend qnn"},
		{0,   "qnn-config",     INPUT,  &o.qnn_config,     "FILE", "settings of the QNN compiler"},
		{0,   "specialization-format", ENUM, &o.specialization_format, "auto|named|flat", "how the list of sizes is written; auto: by the SDK"},
		{.help = "Running a Qualcomm compiler"},
		{0,   "sdk",            TEXT,   &o.sdk,            "DIR",  "where the SDK is"},
		{0,   "compiler",       TEXT,   &o.compiler,       "FILE", "run this qaic-compile"},
		{0,   "dry-run",        FLAG,   &o.dry_run,        NULL,   "write its files, print the commands, run nothing"},
		{0,   "layout",         ENUM,   &o.layout,         "qpc|qefficient", "a package, or QEfficient's folder below the folder FILE"},
		{0,   "cache-dir",      TEXT,   &o.cache,          "DIR",  "where results are kept for the next time", "compile-dir"},
		{0,   "cache-limit",    TEXT,   &o.cache_limit,    "BYTES", "keep no more than that, such as 50G; what was used last stays"},
		{0,   "cache-list",     ALONE,  &o.cache_list,     NULL,   "list what is kept, the last used first, and exit"},
		{0,   "cache-clear",    ALONE,  &o.cache_clear,    NULL,   "remove all that is kept and not in use, and exit"},
		{0,   "no-cache",       FLAG,   &no_cache,         NULL,   "keep nothing"},
		{0,   "log",            OUTPUT, &o.log,            "FILE", "write what the compiler says to FILE"},
		{0,   "timeout",        INT,    &o.timeout,        "SECONDS", "end it after so long", NULL, 1, 1e9},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "qnn-compile",
	                 .about = "Compiles an ONNX model to a package.  What "
	                          "follows -- goes to the Qualcomm compiler.",
	                 .operands = "[FILE] [-- FLAGS]",
	                 .opt = opt,
	                 .operand = &o.in,
	                 .rest = &o.flags};
	qe_ctx *c;

	(void)argc;
	o.cache = cache_folder();
	o.cache_limit = getenv("QEFF_CACHE_LIMIT");
	o.search = getenv("PATH");
	c = cli_open(&cmd, argv);
	if (!o.dry_run && !o.estimate && !o.cache_list && !o.cache_clear)
		cli_binary(o.out);
	if (no_cache)
		o.cache = NULL;
	if (!o.sdk && o.backend && strcmp(o.backend, "qnn") == 0)
		o.sdk = getenv("QNN_SDK_ROOT");
	qe_qnn_compile(c, &o);
	return cli_close(c);
}
