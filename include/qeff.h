/* SPDX-License-Identifier: BSD-3-Clause */
/* qeff.h - the one installed header of libqeff.
 *
 * A context carries the memory, the first error and the log level of one
 * run.  Every call that can fail returns true or false; after false,
 * qe_status() is the exit code and qe_message() the sentence to print.
 * Nothing here prints, exits or keeps state outside the context.
 *
 * Paths: "-" is standard input or output, "" and NULL are not paths. */

#ifndef QEFF_H
#define QEFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define QEFF_VERSION "0.1.0"

enum qe_status {
	QE_OK = 0,
	QE_NO = 1,       /* it worked, and the answer is no: differs, not fit */
	QE_USAGE = 2,    /* the command line is wrong */
	QE_INPUT = 3,    /* bad or unsupported input: no use to retry */
	QE_IO = 4,       /* a file, pipe or disk failed */
	QE_NETWORK = 5,  /* worth a retry */
	QE_MISSING = 6,  /* a tool, library or device is not here */
	QE_EXTERNAL = 7, /* an external compiler or runtime failed */
	QE_NOMEM = 8,
	QE_INTERRUPTED = 130,
};

typedef struct qe_ctx qe_ctx;

/* Called when memory runs out; must not return.  Default: abort(). */
extern void (*qe_nomem)(void) __attribute__((noreturn));

/* A new run, or qe_nomem().  `tool` is recorded as the maker of artifacts,
 * e.g. "hf-load"; it must outlive the context. */
qe_ctx *qe_open(const char *tool);
void qe_close(qe_ctx *);
enum qe_status qe_status(const qe_ctx *);
const char *qe_message(const qe_ctx *);

/* What the run has to say while it works: level 0 warnings, 1 what was done
 * (-v), 2 details (-vv).  Lines come without a newline. */
typedef void qe_log_fn(void *arg, int level, const char *line);
void qe_set_log(qe_ctx *, qe_log_fn *, void *arg, int level);

/* How far one long step has come: what it works on, and done of total; total
 * is 0 where there is none. */
typedef void qe_progress_fn(void *arg, const char *what, int64_t done,
                            int64_t total);
void qe_set_progress(qe_ctx *, qe_progress_fn *, void *arg);

/* The directory with arch/ and models/ in it; it must outlive the context.
 * Unset, whatever needs a file of it fails. */
void qe_set_share(qe_ctx *, const char *dir);

/* Asks the run to stop at the next safe point with QE_INTERRUPTED; may be
 * called from a signal handler or another thread. */
void qe_interrupt(qe_ctx *);

/* The entry of a NULL-terminated list nearest to s by edits, or NULL. */
const char *qe_nearest(const char *s, const char *const *list);

/* What can be listed, one line each: a name, what it is. */
enum qe_table {
	QE_ARCHS = 1,  /* share/arch: model_type and class */
	QE_TRANSFORMS, /* of the model document */
	QE_PASSES,     /* of the graph */
	QE_OPS,        /* operators the host backend runs */
	QE_KERNELS,    /* and its kernels, by instruction set */
};
bool qe_list(qe_ctx *, enum qe_table, FILE *);

/* The six stages.  Members that are NULL, 0 or false are left to the stage,
 * except where an initialiser says otherwise: start from QE_LOAD_INIT and
 * its like.  Strings and lists belong to the caller; lists end in NULL.
 * `in` and `out` may be "-"; an output appears whole or not at all. */

/* Stage 1: a checkpoint directory -> model document. */
typedef struct qe_load {
	const char *path; /* the directory, or its config.json */
	const char *out;
	const char *task; /* NULL: what the class of the checkpoint does */
	bool hash;        /* digest the weight files too: reads them whole */
	bool strict;      /* a tensor nobody asked for is an error */
} qe_load;
#define QE_LOAD_INIT ((qe_load){.out = "-", .strict = true})
bool qe_hf_load(qe_ctx *, const qe_load *);

/* Stage 2: model document -> model document. */
typedef struct qe_transform {
	const char *in, *out;
	const char *transforms; /* comma list, in order; NULL: the model's */
	const char *pooling;    /* of an encoder; NULL: what the model says */
	bool normalize;         /* unit length after pooling, in any case */
	bool proxy;             /* no matrices: all else remains */
	/* of a decoder: */
	bool kv_cache;            /* an error if it cannot have one */
	bool continuous_batching; /* batch_index picks rows of the cache */
	bool ccl; /* comp_ctx_lengths says how much of it is read */
	const char *rope_factors; /* of longrope: NULL by length, short, long */
	bool ring_cache;          /* a ring of the window where there is one */
	bool retain_full_kv;      /* full caches, of which a window is read */
	bool prefill_only;        /* no steps: a call is a whole prompt, */
	bool enable_chunking;     /* or one of its chunks */
	const char *const *lora;  /* directories of adapters, or NAME=DIR */
	bool merge;               /* them into the weights */
	bool finite; /* pick one by lora_ids, even if there is only one */
	const char *speculative;      /* "target": num_logits_to_keep */
	bool include_sampler;         /* next_tokens in place of logits, */
	bool return_pdfs;             /* and their probs, */
	bool include_guided_decoding; /* of what token_bitmasks allow */
	int64_t max_top_k_ids;        /* 0: 512, or as many as there are */
	const char *mla_absorption;   /* "cache_compressed", with ",absorption"
	                               * and ",online"; NULL: not */
	int64_t kv_devices; /* key heads repeated to divide among so many, */
	int64_t kv_repeat;  /* or so often; 0: not */
	int64_t kv_blocks;  /* attention reads the cache in so many; 0: whole */
} qe_transform;
#define QE_TRANSFORM_INIT ((qe_transform){.in = "-", .out = "-"})
bool qe_model_transform(qe_ctx *, const qe_transform *);

/* Stage 3: model document -> ONNX. */
typedef struct qe_export {
	const char *in, *out;
	const char *dtype; /* float32 float16 bfloat16; NULL: float32 */
	bool materialize;  /* copy weights to OUT.data, not refer to them */
	bool use_onnx_subfunctions; /* a function for layers that repeat */
	const char *experts; /* how they meet tokens: loop, chosen, all; NULL:
	                      * loop */
	int64_t ir_version;  /* of the file format */
	int64_t opset;
} qe_export;
#define QE_EXPORT_INIT                                                         \
	((qe_export){.in = "-", .out = "-", .ir_version = 8, .opset = 17})
bool qe_onnx_export(qe_ctx *, const qe_export *);

/* Stage 4: ONNX -> ONNX.  In this order: extract, fix, the passes, fp16,
 * opset.  `check` only says whether the model is valid: QE_NO if not.
 * `verify` runs random inputs through the graph before and after, `bisect`
 * after each step: QE_NO, naming it, once an output differs by more than
 * atol + rtol |before|. */
typedef struct qe_optimize {
	const char *in, *out;
	const char *passes;     /* comma list, in order; NULL: the usual ones */
	const char *extract;    /* "inputs:outputs", comma lists; NULL: all */
	const char *const *fix; /* "INPUT:1x32" or "SYMBOL=32" */
	bool fp16;              /* float32 becomes float16 */
	int64_t opset;          /* 0: as it is */
	bool materialize;       /* copy weights to OUT.data */
	bool check, verify, bisect;
	double rtol, atol;
} qe_optimize;
#define QE_OPTIMIZE_INIT                                                       \
	((qe_optimize){.in = "-", .out = "-", .rtol = 1e-4, .atol = 1e-5})
bool qe_onnx_optimize(qe_ctx *, const qe_optimize *);

/* Stage 5: ONNX -> QPC package. */
typedef struct qe_compile {
	const char *in, *out;
	const char *backend;        /* NULL: host */
	int64_t batch_size;         /* rows of every specialization */
	int64_t prompt_len;         /* tokens of a prefill step; 0: usual */
	int64_t ctx_len;            /* positions of the cache; 0: usual */
	const char *seq_len;        /* tokens of an encoder's row: "N,N,...";
	                             * NULL: 128, or the model's positions */
	const char *weights;        /* element format; NULL: as they are */
	const char *kv_cache_dtype; /* likewise */
	const char *const *shape;   /* sizes of other symbols: "NAME=N" */
	int64_t threads;            /* while compiling; 0: one per core */
	int64_t max_dynamic_bytes;  /* what is sized at run time may take */

	/* Which programs, by QEfficient's names; 0 and NULL: not given. */
	int64_t full_batch_size;     /* slots of continuous batching */
	int64_t kv_cache_batch_size; /* rows of the cache; 0: the slots */
	const char *num_speculative_tokens; /* "K,K,...": of a target model */
	bool ccl_enabled; /* lists of compute context lengths, "N,N,..."; */
	const char *ccl_prefill, *ccl_decode; /* NULL: made up */
	bool prefill_only, decode_only;
	int64_t encoder_ctx_len;     /* of a speech model */
	const char *specializations; /* file with a list instead of all this */

	/* The Qualcomm backends.  Paths of files are as their compilers are
	 * to see them. */
	const char *sdk;    /* where the SDK is; NULL: where it is installed */
	const char *search; /* folders to look for programs in, as PATH */
	const char *compiler; /* the program itself, instead of looking */
	const char *cache; /* folder of what was compiled before; NULL: none */
	const char *cache_limit; /* what may stay in it, "50G"; NULL: all */
	bool cache_list, cache_clear;   /* only say what is in it; empty it */
	const char *aic_hw_version;     /* NULL: of the card that is here */
	int64_t num_cores, num_devices; /* 0: 16 and 1 */
	const char *device_group;       /* "0,1" or "[0,1]": so many devices */
	int64_t mos;                    /* under 1: not given */
	bool aic_enable_depth_first, allow_mxint8_mdp_io;
	bool use_onnx_subfunctions;
	const char *node_precision_info;       /* file */
	const char *const *fp32_nodes;         /* patterns; make such a file */
	const char *custom_io;                 /* file, instead of making one */
	const char *mdp_load_partition_config; /* likewise */
	int64_t mdp_num_partitions;            /* under 2: slices of tensors */
	const char *mdp_compiler_dump_path;    /* keep only the nodes in it */
	const char *mdp_dump_partition_config; /* file to be written */
	const char *qnn_config;                /* file */
	const char *specialization_format;     /* named flat; NULL: by SDK */
	const char *const *flags; /* more of the compiler's, as they are */
	const char *log;          /* file; gets what the compilers say */
	int64_t timeout;          /* seconds, 0: none */
	const char *layout;       /* qefficient: a folder, not a package */
	bool dry_run;       /* write the files, say the commands, run nothing */
	const char *report; /* file: format, size and error of each weight */

	bool estimate;      /* only say what memory it needs; QE_NO: too much */
	const char *memory; /* that a device has, "16G" */
} qe_compile;
#define QE_COMPILE_INIT                                                        \
	((qe_compile){.in = "-",                                               \
	              .out = "-",                                              \
	              .batch_size = 1,                                         \
	              .max_dynamic_bytes = (int64_t)1 << 30,                   \
	              .encoder_ctx_len = 1500})
bool qe_qnn_compile(qe_ctx *, const qe_compile *);

/* Stage 6: runs a package.  What comes in decides what is done: `input`
 * names tensors, as do `inputs` and `random`; `embed` makes sentence vectors, else text is continued.
 * Prompts are `ids`, `prompts`, then those of `file`, in this order. */
typedef struct qe_run {
	const char *package;
	const char *const *prompts;
	const char *file; /* a prompt, or with `lines` one per line */
	bool lines;
	/* A chat: each prompt is a user's turn behind `messages`, rendered by
	 * the model's template.  Any of these asks for one. */
	bool chat;
	bool interactive;          /* lines of `file`: turns of one chat */
	const char *ask;           /* goes to `to` before each of them */
	const char *messages;      /* JSON file of the turns so far */
	const char *system;        /* system prompt */
	const char *tools;         /* JSON file: array of tools */
	const char *template;      /* file; NULL: the model's own */
	const char *template_name; /* which of the model's own */
	const char *const *template_args; /* variables: "KEY=VALUE" */
	bool no_template;                 /* contents of messages as they are */
	bool think, no_think;             /* by the template's own variable */
	const char *reasoning_effort;
	const char *const *ids;   /* prompts as "1,2,3" */
	const char *const *input; /* tensors as "NAME=FILE", or FILE.npz */
	const char *inputs;       /* directory of input_0.pb, input_1.pb... */
	bool random;              /* inputs that are not given: by chance */
	const char *shapes;       /* of inputs: "NAME:1x3x224x224,..." */
	const char *output;       /* tensors: directory; embed: .npy file */
	const char *outputs;      /* directory for output_0.pb... */
	const char *format;       /* of outputs: npy pb raw; NULL: npy, pb */
	FILE *to;                 /* gets the text as it is made; not closed */

	int64_t n;               /* tokens at most; -1: up to the cache's end */
	double temp;             /* 0: greedy; -1: as the model says */
	int64_t top_k;           /* 0: off; -1: as the model says */
	double top_p;            /* 1: off; -1: as the model says */
	double min_p;            /* 0: off; -1: as the model says */
	double repeat_penalty;   /* 1: off; -1: as the model says */
	double presence_penalty; /* of the text that is made; 0: off */
	double frequency_penalty; /* the same, for each time */
	int64_t seed;
	const char *source_lang; /* token of the language that is read */
	const char *target_lang; /* token, or id, that is written first */
	const char *const *stop; /* strings that end the text, not printed */
	bool ignore_eos;
	bool prefix_cache; /* keep what the cache has of a prompt's beginning */
	const char *lora;  /* directory of an adapter that is given */
	const char *lora_ids; /* adapter of each prompt: "0,1,..."; or of all */
	const char *draft;    /* package of a smaller model, whose guesses */
	bool lookup;          /* or guesses by lookup in the text */
	int64_t guesses;    /* are checked, at most so many at once; -1: all */
	const char *logits; /* .npy file: float32 [n, vocabulary] */

	bool perplexity; /* of the prompts, instead of continuing them */
	bool classify;   /* prompts: probabilities of the model's labels */
	bool rerank;     /* prompts: a query, then documents to score by it */
	bool tokens;     /* prompts: a label for each token */
	const char
		*aggregate; /* of these, entities: simple first average max */
	bool pairs;         /* prompts: two texts each, a tab between them */
	const char *const *questions; /* that the prompts answer */
	const char *prompt_name; /* embed: which of the model's; "": none */
	bool embed;
	bool normalize;      /* unit length, in any case */
	const char *pooling; /* where the package's graph does not pool */
	bool json;           /* one object per prompt, a line each */
	bool bench; /* figures of prompt_tokens and n tokens, to `to` */
	int64_t prompt_tokens; /* of a benchmark; -1: one prefill step's */
	int64_t iterations;    /* of a benchmark; 0: a few */
	int64_t warmup;        /* of tensors: runs before them; -1: 1 */
	double duration;       /* of tensors: seconds, at least */
	bool roofline;         /* benchmark: what the machine could do, too */
	bool profile; /* after the product: time, bytes, operations by kind */
	const char *trace;   /* file: each step's time, for a trace viewer */
	int64_t threads;     /* 0: one per core */
	const char *isa;     /* instruction set, at most; NULL: the best here */
	const char *backend; /* that the package must be for, or NULL */
	const char *library; /* of a card: libQAic.so; NULL: the SDK's */
	const char *devices; /* cards, "0,1"; NULL: the first ones */
} qe_run;
#define QE_RUN_INIT                                                            \
	((qe_run){.n = -1,                                                     \
	          .temp = -1,                                                  \
	          .top_k = -1,                                                 \
	          .top_p = -1,                                                 \
	          .min_p = -1,                                                 \
	          .repeat_penalty = -1,                                        \
	          .guesses = -1,                                               \
	          .prompt_tokens = -1,                                         \
	          .warmup = -1})
bool qe_qpc_run(qe_ctx *, const qe_run *);

/* Text to token ids and back, line by line.  A tokenizer is a checkpoint
 * directory, one of its tokenizer files, a compiled tokenizer, or what a
 * stage made of the checkpoint: model document, ONNX, package. */
enum qe_tokenize_what {
	QE_ENCODE, /* a line of text -> ids, blanks between */
	QE_DECODE, /* a line of ids -> text */
	QE_COUNT,  /* a line of text -> how many ids */
	QE_PACK,   /* no lines: the compiled form of the tokenizer */
};
typedef struct qe_tokenize {
	enum qe_tokenize_what what;
	const char *tokenizer;
	const char *in, *out;
	bool jsonl; /* lines are objects: {"text", "pair"} and {"ids"} */
	bool pairs; /* lines that are not: two texts with a tab between */
	bool plain; /* without the special tokens around a text */
	bool names; /* encode: names of the tokens, too with jsonl */
	bool skip;  /* decode: leave special tokens out */
} qe_tokenize;
#define QE_TOKENIZE_INIT ((qe_tokenize){.in = "-", .out = "-"})
bool qe_tokens(qe_ctx *, const qe_tokenize *);

/* Chat templates: the object of variables that is the input -> the text. */
typedef struct qe_render {
	const char *source; /* file of the template */
	const char *model;  /* or where it is, and what else it is given */
	const char *name;   /* of one of the model's templates */
	const char *now;    /* YYYY-MM-DD[Thh:mm:ss]; NULL: the local time */
	const char *in, *out;
	bool jsonl; /* an object on each line -> {"text"} or {"error"} */
} qe_render;
#define QE_RENDER_INIT ((qe_render){.in = "-", .out = "-"})
bool qe_render_chat(qe_ctx *, const qe_render *);

/* What an artifact holds: a checkpoint directory or a file of any kind that
 * the stages read or write. */
typedef struct qe_inspect {
	const char *in, *out;
	bool json;    /* one object, not text */
	bool tensors; /* each weight */
	bool graph;   /* of ONNX: the nodes, as text, and nothing else */
	bool dot;     /* a picture of the layers, for Graphviz */
	bool svg;     /* the same, drawn */
	bool verify;  /* of a package: read it whole and check the digests */
	/* of a programqpc.bin: */
	const char *extract;        /* folder that gets its segments as files */
	const char *const *replace; /* "NAME=FILE": write it to `out` so */
} qe_inspect;
#define QE_INSPECT_INIT ((qe_inspect){.in = "-", .out = "-"})
bool qe_look(qe_ctx *, const qe_inspect *);

#endif
