/* SPDX-License-Identifier: BSD-3-Clause
 * qeff-transform.c - rewrites a model document for inference */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_transform o = QE_TRANSFORM_INIT;
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Options"},
		{'i', "input",      INPUT,  &o.in,         "FILE", "model document to read"},
		{'o', "output",     OUTPUT, &o.out,        "FILE", "write the model document to FILE"},
		{'t', "transforms", TEXT,   &o.transforms, "LIST", "apply these, in this order, not those that fit the model"},
		{'p', "pooling",    TEXT,   &o.pooling,    "KIND", "pool the tokens of an encoder: mean, cls, max, last"},
		{0,   "normalize",  FLAG,   &o.normalize,  NULL,   "scale pooled vectors to length 1", "normalise"},
		{0,   "enable-proxy", FLAG, &o.proxy,      NULL,   "leave out the matrices, to look at the rest", "proxy"},
		{.help = "LoRA adapters"},
		{0,   "lora",       LIST,   &o.lora,       "[NAME=]DIR", "an adapter as PEFT writes it; several are picked by lora_ids", "adapter"},
		{0,   "merge",      FLAG,   &o.merge,      NULL,   "merge them into the weights"},
		{0,   "finite-adapters", FLAG, &o.finite,  NULL,   "pick by lora_ids, even if there is one only"},
		{.help = "Decoders"},
		{0,   "kv-cache",   FLAG,   &o.kv_cache,   NULL,   "keep keys and values between calls: done unasked, here it must"},
		{0,   "continuous-batching", FLAG, &o.continuous_batching, NULL, "rows of the cache by batch_index"},
		{0,   "rope-factors", ENUM, &o.rope_factors, "length|short|long", "of longrope: those of a text's length, or the same for all"},
		{0,   "ring-cache", FLAG,   &o.ring_cache, NULL,   "layers that see a window keep no more than it, in a ring"},
		{0,   "retain-full-kv", FLAG, &o.retain_full_kv, NULL, "they keep all and read the window: no ring where it is usual"},
		{0,   "prefill-only", FLAG, &o.prefill_only, NULL, "for prompts alone, each in one call"},
		{0,   "enable-chunking", FLAG, &o.enable_chunking, NULL, "with --prefill-only: prompts in chunks"},
		{0,   "ccl-enabled", FLAG,  &o.ccl,        NULL,   "read as much of the cache as comp_ctx_lengths is long", "ccl"},
		{0,   "speculative-model-type", ENUM, &o.speculative, "target", "logits of several tokens, to check a draft", "spec"},
		{0,   "include-sampler", FLAG, &o.include_sampler, NULL, "choose the next token in the graph", "sampler"},
		{0,   "return-pdfs", FLAG,  &o.return_pdfs, NULL,  "a sampler that gives probabilities too"},
		{0,   "max-top-k-ids", INT, &o.max_top_k_ids, "N",  "most tokens that a sampler draws from, 512 unless given", NULL, 1, INT32_MAX},
		{0,   "include-guided-decoding", FLAG, &o.include_guided_decoding, NULL, "a sampler that takes a mask of allowed tokens"},
		{0,   "mla-absorption", TEXT, &o.mla_absorption, "LIST", "latent attention: cache_compressed,absorption,online"},
		{0,   "replicate-kv-heads", INT, &o.kv_devices, "N",  "repeat key heads, so that they divide among N devices", NULL, 1, 4096},
		{0,   "num-replicate-kv-heads", INT, &o.kv_repeat, "R", "repeat each key head R times", NULL, 1, 64},
		{0,   "num-kv-blocks", INT, &o.kv_blocks,  "N",    "attention reads the cache in N blocks", NULL, 1, 64},
		{.help = "Tables"},
		{'l', "list",       TABLE,  NULL,          NULL,   "list the transforms", "list-transforms", QE_TRANSFORMS},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "qeff-transform",
	                 .about = "Rewrites a model document for inference: "
	                          "retained cache, fused norms, pooling.",
	                 .operands = "[FILE]",
	                 .opt = opt,
	                 .operand = &o.in};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	qe_model_transform(c, &o);
	return cli_close(c);
}
