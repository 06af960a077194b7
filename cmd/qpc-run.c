/* SPDX-License-Identifier: BSD-3-Clause
 * qpc-run.c - QPC package -> text, tokens, vectors, tensors, figures */

#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

/* Without a prompt, text comes from stdin: line by line from a person who
 * wants to chat. */
static void
find_text(qe_run *o)
{
	bool given = o->input || o->inputs || o->random || o->prompts ||
	             o->file || o->ids || o->messages;

	if (!given && isatty(0)) {
		o->interactive = o->interactive || o->chat;
		o->ask = o->interactive ? "> " : NULL;
	}
	if (!given && !o->bench && !o->interactive)
		o->file = cli_stdin();
}

int
main(int argc, char **argv)
{
	qe_run o = QE_RUN_INIT;
	/* clang-format off */
	const Opt opt[] = {
		{.help = "What is run"},
		{'m', "model",          INPUT,  &o.package,       "FILE",      "the same as the operand", "qpc qpc-path"},
		{'p', "prompt",         LIST,   &o.prompts,       "TEXT",      "a prompt; may be given again"},
		{'f', "file",           INPUT,  &o.file,          "FILE",      "read a prompt from FILE", "prompts-txt-file-path"},
		{0,   "lines",          FLAG,   &o.lines,         NULL,        "each line of it is a prompt"},
		{0,   "ids",            LIST,   &o.ids,           "IDS",       "a prompt as token ids, such as 1,2,3"},
		{0,   "input",          LIST,   &o.input,         "NAME=FILE", "an input tensor: .npy, .npz, .pb or bare bytes", "load-inputs"},
		{0,   "inputs",         INPUT,  &o.inputs,        "DIR",       "all of them: DIR/input_0.pb and so on, in the graph's order"},
		{0,   "random",         FLAG,   &o.random,        NULL,        "inputs that are not given are filled by chance, from the seed"},
		{0,   "shapes",         TEXT,   &o.shapes,        "NAME:SHAPE,...", "shapes of inputs that the package leaves open, as x:1x3x224x224", "shape"},
		{'t', "threads",        INT,    &o.threads,       "N",         "threads to run with; 0: one per core", "nthreads", 0, 256},
		{0,   "isa",            TEXT,   &o.isa,           "NAME",      "instruction set to use at most: generic avx2 avx512 neon"},
		{0,   "backend",        ENUM,   &o.backend,       "host|qaic|qnn", "what the package must be compiled for"},
		{0,   "device-group",   TEXT,   &o.devices,       "ID,...",    "cards to run on; unless given, the first ones", "device-ids"},
		{0,   "qaic-lib",       TEXT,   &o.library,       "FILE",      "the library of the cards, libQAic.so"},
		{.help = "Conversations, by the model's chat template"},
		{0,   "chat",           FLAG,   &o.chat,          NULL,        "a prompt is what a user says; from a terminal, turn after turn", "conversation"},
		{'i', "interactive",    FLAG,   &o.interactive,   NULL,        "each line of the input is the next turn of one conversation"},
		{0,   "messages",       INPUT,  &o.messages,      "FILE",      "JSON array of the messages so far; prompts go behind them"},
		{0,   "system",         TEXT,   &o.system,        "TEXT",      "system prompt", "system-prompt"},
		{0,   "tools",          INPUT,  &o.tools,         "FILE",      "JSON array of the tools that the model may call"},
		{0,   "think",          FLAG,   &o.think,         NULL,        "switch the model's reasoning on, where its template can"},
		{0,   "no-think",       FLAG,   &o.no_think,      NULL,        "switch it off"},
		{0,   "reasoning-effort", TEXT, &o.reasoning_effort, "LEVEL",  "low, medium or high, where its template asks"},
		{0,   "template",       INPUT,  &o.template,      "FILE",      "this chat template, not the model's", "chat-template"},
		{0,   "template-name",  TEXT,   &o.template_name, "NAME",      "which of the model's templates: default, tool_use, rag"},
		{0,   "template-arg",   LIST,   &o.template_args, "KEY=VALUE", "a variable of the template, as JSON or text; may be given again", "chat-template-kwarg"},
		{0,   "no-template",    FLAG,   &o.no_template,   NULL,        "no template: what the messages say, as it is"},
		{0,   "lora",           TEXT,   &o.lora,          "DIR",       "the adapter, for a package that takes its weights", "adapter"},
		{0,   "lora-ids",       TEXT,   &o.lora_ids,      "N,...",     "which adapter each prompt takes, 0: none; one for all", "prompt-to-lora-id-mapping"},
		{.help = "How tokens are chosen"},
		{'n', "n-predict",      INT,    &o.n,             "N",         "tokens to generate at most; -1: until the cache is full", "generation-len predict max-tokens", -1, 1 << 26},
		{0,   "temp",           FLOAT,  &o.temp,          "X",         "temperature; 0: the likeliest token", "temperature", 0, 100},
		{0,   "top-k",          INT,    &o.top_k,         "N",         "sample from the N likeliest; 0: from all", NULL, 0, 1 << 26},
		{0,   "top-p",          FLOAT,  &o.top_p,         "X",         "sample from the likeliest that sum to X", NULL, 0, 1},
		{0,   "min-p",          FLOAT,  &o.min_p,         "X",         "drop those under X times the likeliest", NULL, 0, 1},
		{0,   "repeat-penalty", FLOAT,  &o.repeat_penalty, "X",        "divide scores of tokens already seen", "repetition-penalty", 0.01, 100},
		{0,   "presence-penalty", FLOAT, &o.presence_penalty, "X",     "take X from scores of tokens already made", NULL, -100, 100},
		{0,   "frequency-penalty", FLOAT, &o.frequency_penalty, "X",   "take X for each time", NULL, -100, 100},
		{'s', "seed",           INT,    &o.seed,          "N",         "seed of sampling", NULL, 0, 1e15},
		{0,   "source-lang",    TEXT,   &o.source_lang,   "TOKEN",     "the language that an encoder reads, such as eng_Latn", "src-lang"},
		{0,   "target-lang",    TEXT,   &o.target_lang,   "TOKEN",     "the token to begin with, such as fra_Latn", "tgt-lang forced-bos"},
		{0,   "stop",           LIST,   &o.stop,          "TEXT",      "end before TEXT; may be given again"},
		{0,   "ignore-eos",     FLAG,   &o.ignore_eos,    NULL,        "go on after an end token"},
		{.help = "How much of it at once"},
		{0,   "prefix-cache",   FLAG,   &o.prefix_cache,  NULL,        "do not read again what the cache has of the beginning of a prompt", "prefix-caching"},
		{0,   "draft",          INPUT,  &o.draft,         "FILE",      "a package of a smaller model that guesses ahead", "draft-model"},
		{0,   "prompt-lookup",  FLAG,   &o.lookup,        NULL,        "guess what followed the same words before", "lookup pld"},
		{0,   "num-speculative-tokens", INT, &o.guesses,  "K",         "guess at most K tokens at once; -1: as many as the package checks", "draft-max", -1, 1024},
		{.help = "What comes out"},
		{'o', "output",         OUTPUT, &o.output,        "PATH",      "directory for output tensors, by name; .npy file for --embed"},
		{0,   "outputs",        OUTPUT, &o.outputs,       "DIR",       "directory for output_0.pb and so on, in the graph's order"},
		{0,   "format",         ENUM,   &o.format,        "npy|pb|raw", "write output tensors so; unless given, npy by name, pb by number"},
		{0,   "json",           FLAG,   &o.json,          NULL,        "an object for each prompt, a line each"},
		{0,   "logits",         OUTPUT, &o.logits,        "FILE",      "write the scores that chose each token to a .npy file"},
		{0,   "perplexity",     FLAG,   &o.perplexity,    NULL,        "how well the model predicts the prompts"},
		{0,   "classify",       FLAG,   &o.classify,      NULL,        "the label of each prompt"},
		{0,   "rerank",         FLAG,   &o.rerank,        NULL,        "the first prompt is a query: score the others as answers"},
		{0,   "tokens",         FLAG,   &o.tokens,        NULL,        "a label for each token of each prompt"},
		{0,   "aggregate",      ENUM,   &o.aggregate,     "simple|first|average|max", "with --tokens: what they name, as words of the text", "aggregation-strategy"},
		{0,   "pairs",          FLAG,   &o.pairs,         NULL,        "with --classify, --rerank: a prompt is two texts, a tab between them"},
		{0,   "question",       LIST,   &o.questions,     "TEXT",      "the words of each prompt that answer it; may be given again"},
		{0,   "embed",          FLAG,   &o.embed,         NULL,        "a vector for each prompt", "embedding"},
		{0,   "pooling",        ENUM,   &o.pooling,       "mean|cls|max|last", "make the vector so, if the package does not"},
		{0,   "prompt-name",    TEXT,   &o.prompt_name,   "NAME",      "with --embed: the model's prompt of this name goes before each text"},
		{0,   "normalize",      FLAG,   &o.normalize,     NULL,        "vectors of length 1", "normalise"},
		{.help = "Speed"},
		{0,   "bench",          FLAG,   &o.bench,         NULL,        "measure the prefill of a prompt and the decoding of N tokens"},
		{0,   "prompt-tokens",  INT,    &o.prompt_tokens, "N",         "tokens of that prompt; unless given, one step's", NULL, 0, 1 << 26},
		{0,   "iterations",     INT,    &o.iterations,    "N",         "repeat the measurement; tensors: print how long a run takes", "num-iter", 1, 1e9},
		{0,   "warmup",         INT,    &o.warmup,        "N",         "runs on tensors before those measured", "warmup-iterations", 0, 1e9},
		{0,   "duration",       FLOAT,  &o.duration,      "SECONDS",   "measure runs on tensors for so long at least", NULL, 0.000001, 1e6},
		{0,   "roofline",       FLAG,   &o.roofline,      NULL,        "with --bench: also what this machine could do, measured now"},
		{0,   "profile",        FLAG,   &o.profile,       NULL,        "say where the time went, by kind of step"},
		{0,   "trace",          OUTPUT, &o.trace,         "FILE",      "write the time of each step to FILE, for a trace viewer"},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "qpc-run",
	                 .about = "Runs a package.",
	                 .operands = "FILE",
	                 .opt = opt,
	                 .operand = &o.package};
	qe_ctx *c;

	(void)argc;
	o.library = getenv("QAIC_LIB");
	c = cli_open(&cmd, argv);
	find_text(&o);
	o.to = stdout;
	qe_qpc_run(c, &o);
	return cli_close(c);
}
