/* SPDX-License-Identifier: BSD-3-Clause
 * run.h - a package at work: sessions, generation, sampling, embeddings.
 *
 * A Session is one opened package: the programs of the host backend with
 * their retained state, the tokenizer, and what the model's own files say
 * about generating.  One session serves one caller at a time. */

#ifndef RUN_H
#define RUN_H

#include "engine.h"
#include "json.h"
#include "safetensors.h"
#include "tensor_file.h"
#include "tokenizer.h"

typedef struct Chooser Chooser; /* the sampler of a program */

/* A program of a decoder, and how much one run of it takes. */
typedef struct Runner {
	Program *p;
	const char *name;
	int64_t rows, len;          /* rows; tokens of a row */
	int64_t kept;               /* of these the newest so many get logits */
	int64_t sees;               /* positions it can work at */
	int64_t *ids, *pos, *index; /* index NULL: row i is slot i */
	const float *logits; /* [rows, kept, vocab]; NULL: it chooses itself */
	Chooser *chooser;    /* what it chooses by, or NULL */
	int64_t hears; /* tokens of a text for the encoder, 1: a step after it;
	                * 0: there is no encoder */
	int64_t *text, *text_pos; /* [rows, hears] */
	int64_t *lora;            /* [rows] adapters; NULL: none to pick */
	int64_t *length; /* [rows] of the whole texts; NULL: not asked */
} Runner;

typedef struct Session {
	Qpc *qpc;
	Model *model;
	const Tokenizer *tok; /* NULL: the package has none */
	Json *generation;     /* generation_config, or NULL */
	/* of a decoder; NULL and 0 otherwise: */
	Runner *runner;
	int nrunner;
	int64_t batch; /* rows that go on at once */
	int64_t slots; /* rows of the cache */
	int64_t prompt_len, ctx_len, vocab;
	int64_t read_vocab; /* of prompts; an encoder may have its own */
	int64_t most_kept;  /* logits of a row that one run can give */
	int64_t adapters;   /* to pick from; 0: none */
	SafeFile *adapter;  /* weights that are given, or NULL */
	int64_t turns_at;   /* longer texts have other keys; 0: never */
	bool whole;         /* a call is a whole prompt: no chunks, no steps */
	bool rewinds; /* the state is rows by position, and nothing else */
	bool reads_prompts;     /* by programs of their own */
	const Chooser *chooser; /* of its programs; NULL: they give logits */
	/* of a decoder beside an encoder; NULL and 0 otherwise: */
	int64_t longest_text; /* that it reads */
	int64_t *heard; /* [batch] last place of what each row reads, or -1 */
	int32_t start;  /* the token before the first one that is made */
	int64_t prefill_time, decode_time, decoded; /* ns, ns, steps */
	HostLimits *limits;                         /* NULL: not measured yet */
} Session;

/* Opens a package ("-": standard input). */
Session *session_open(Ctx *, Arena *, const char *path, const EngineOptions *);
/* Text of a member of the package; p NULL if there is none. */
Span session_member(Ctx *, const Session *, const char *name);

/* ---- decoder steps: session.c ---- */

typedef struct Prompt {
	const int32_t *id;
	size_t n;
} Prompt;

/* Forgets what is kept, and gives adapters their weights again. */
bool session_reset(Ctx *, Session *);
/* The adapter of a directory, for a package that takes one's weights. */
bool session_adapter(Ctx *, Arena *, Session *, const char *dir);

typedef struct Sampling {
	double temp; /* 0: the most likely one */
	int64_t top_k;
	double top_p, min_p;
	double repeat_penalty;                      /* prompt and output */
	double presence_penalty, frequency_penalty; /* output */
	uint64_t seed;
} Sampling;

/* What a sampler in the graph is asked for one row, and what it chose. */
typedef struct Choice {
	const Sampling *how;
	const float *random; /* [chooser_most] in (0, 1), or NULL: no matter */
	const bool *allowed; /* [vocab], or NULL: all */
	int32_t *id;         /* gets the tokens */
} Choice;

/* What one row is given: n tokens, of which the first stands at pos. */
typedef struct RowFeed {
	int slot;
	const int32_t *id;
	int64_t n, pos;
	bool prompt;   /* of a prompt; else what was chosen last, and guesses */
	float *logits; /* gets those of the newest `want` tokens */
	const Choice *choice; /* or what is chosen there; may be NULL */
	int64_t want;
	int64_t lora;   /* adapter, 0: none */
	int64_t length; /* of the text so far, where it is known; 0: to pos + n */
	int runner;     /* becomes the program that took it */
} RowFeed;

/* Runs every row, side by side where a program takes several, each through
 * the least program that takes it; a row that is given nothing stands still.
 * The most tokens a row can be given is prompt_len. */
bool session_feed(Ctx *, Session *, RowFeed *, int n);

/* How many of the next n tokens of a row are best fed at once: no more than
 * prompt_len. */
int64_t session_chunk(const Session *, int64_t n);

/* Feeds up to `batch` prompts from position 0 on, in chunks, and copies the
 * logits [vocab] after the last token of each into logits[i]. */
bool session_prefill(Ctx *, Session *, const Prompt *, int n,
                     float *const *logits);
/* One step: token id[i] at position pos[i] of row i, pos -1: an idle row; text
 * NULL: or the whole of what each row is a part of. */
bool session_decode(Ctx *, Session *, const int32_t *id, const int64_t *pos,
                    const Prompt *text, int n, float *const *logits);
/* A prompt that the cache has no room for, named. */
bool session_fits(Ctx *, const Session *, size_t tokens);

/* The position of the first token that is made after a prompt of n. */
int64_t session_begin(const Session *, size_t n);
/* Row of a program: what it is given, or (NULL) nothing. */
void session_fill_row(const Session *, Runner *, int64_t row, const RowFeed *);
/* What came of it: logits or tokens, `want` of them. */
bool session_take_row(Ctx *, const Session *, const Runner *, int64_t row,
                      const RowFeed *);

/* ---- the sampler of a package: chooser.c ---- */

/* NULL: the program has not all of it. */
Chooser *chooser_open(Arena *, const Session *, const Runner *);
int64_t chooser_most(const Chooser *); /* tokens that it draws from */
bool chooser_masks(const Chooser *);   /* takes what is allowed */
void chooser_fill(const Session *, const Runner *, int64_t row,
                  const RowFeed *);
/* n tokens from `at`, of all that were chosen. */
bool chooser_take(Ctx *, const Session *, const Runner *, int64_t at, int64_t n,
                  int32_t *id);

/* ---- the encoder beside a decoder: reader.c ---- */

bool reader_open(Ctx *, Arena *, Session *);
/* Reads a text for each of these rows, and makes their first step. */
bool reader_feed(Ctx *, Session *, RowFeed *, int n);
/* Tells a step how much was read. */
void reader_keep(const Session *, Runner *);

/* ---- choosing tokens: sample.c ---- */

typedef struct Sampler Sampler;
/* One row's sampler: rows with the same seed and number choose alike. */
Sampler *sampler_new(Arena *, const Sampling *, int64_t vocab, uint64_t row);
/* Tells it of a token of the prompt, or of one that was made. */
void sampler_saw(Sampler *, int32_t id);
void sampler_made(Sampler *, int32_t id);
/* n numbers in (0, 1), ends not included, for a sampler elsewhere. */
void sampler_random(Sampler *, float *, int64_t n);
/* logits [vocab] are changed in place. */
int32_t sampler_next(Sampler *, float *logits);
/* The first of the largest. */
int32_t argmax(const float *x, int64_t n);

/* ---- text: generate.c, row.c, speculate.c ---- */

typedef struct GenRequest {
	Prompt prompt;
	const char *text; /* the prompt as given, or NULL */
	int64_t lora;     /* number of its adapter, 0: none */
} GenRequest;

typedef struct GenOptions {
	Sampling sampling;
	int64_t n; /* tokens at most; -1: to the end of the cache */
	const char *const *stop;
	bool ignore_eos, skip_special;
	/* Gets text as soon as it is certain; row tells whose.  May be NULL. */
	bool (*emit)(Ctx *, void *arg, int row, Span text);
	void *arg;
	bool logits;          /* keep the row that chose each token */
	const int32_t *first; /* token to begin with; NULL: the model's */
	/* A row goes on from what its cache has of the prompt already. */
	bool prefix_cache;
	/* Guesses that a target checks, at most `guesses` at once (-1: what
	 * the package takes): by a draft model, or from earlier text. */
	Session *draft;
	bool lookup;
	int64_t guesses;
} GenOptions;

typedef struct Generated {
	int32_t *id;
	size_t n;
	Buf *text;          /* without the stop string; NULL: no tokenizer */
	const char *finish; /* "stop" or "length" */
	float *logits;      /* [n, vocab] */
	int slot;           /* row of the cache it was made in */
	int64_t cached;     /* tokens of the prompt that were there already */
	int64_t proposed, accepted; /* guesses */
	int64_t *runs;              /* of each program of the session */
} Generated;

/* Continues all requests, as many at once as there are rows; out[i] lives in
 * a. */
bool generate(Ctx *, Arena *a, Session *, const GenRequest *, int n,
              const GenOptions *, Generated *out);

/* The same in turns over one cache: rows that are free stay as they are, so
 * that with prefix_cache a turn goes on from the one before it.  The rows and
 * the first options live in the first a, the rest in that of the turn. */
typedef struct Gen Gen;
Gen *generate_open(Ctx *, Arena *a, Session *, const GenOptions *);
bool generate_more(Gen *, Arena *a, const GenRequest *, int n,
                   const GenOptions *, Generated *out);

/* ---- what may come next: rules.c ---- */

typedef struct Rules Rules;
Rules *rules_new(Arena *, const Session *, const GenOptions *);
bool rules_none(const Rules *); /* they never apply */
/* Takes tokens out of the running after a text of n, the newest `made` of
 * which were not given; last: there is room for one more. */
void rules_apply(const Rules *, const int32_t *text, size_t n, size_t made,
                 bool last, float *logits);

/* Whether id ends a text by the model's own files. */
bool is_eos(const Session *, int32_t id);

/* ---- likelihood: score.c ---- */

typedef struct Score {
	double nll; /* sum over `tokens`, natural logarithm */
	int64_t tokens;
} Score;
bool score(Ctx *, Arena *, Session *, const GenRequest *, int n, Score *out);

/* ---- encoders: encode.c ---- */

enum Pooling {
	POOL_NONE,
	POOL_MEAN,
	POOL_CLS,
	POOL_MAX,
	POOL_LAST,
	POOL_COUNT
};
enum Pooling pool_by_name(const char *); /* POOL_COUNT: none */

/* A text, or two for the model to compare (pair.p NULL: none); or its ids
 * (ids.n over 0), special ones and all.  Texts that are longer than the
 * package takes lose their end, which is said. */
typedef struct TextPair {
	Span text, pair;
	Ids ids;
} TextPair;

/* Sentence vectors [n, *width] of n texts, in a. */
bool encode_texts(Ctx *, Arena *a, Session *, const TextPair *, int n,
                  enum Pooling, bool normalize, float **out, int64_t *width);

/* What becomes of the scores: probabilities of labels, of a text or of each
 * of its tokens, or how well two texts belong together. */
enum Reading { READ_TEXT, READ_TOKENS, READ_PAIR };

/* n labels, for a text (rows 1) or each of its tokens. */
typedef struct Labelled {
	float *p; /* [rows, n] */
	int64_t rows, n;
	Ids ids;
} Labelled;
bool label_texts(Ctx *, Arena *a, Session *, const TextPair *, int n,
                 enum Reading, Labelled *out);
/* Tokens that the package takes at once from a text; 0 with a failure. */
int64_t encode_room(Ctx *, Session *, const char *output);
/* Where in each row of ids an answer lies: span, given as the tokens [from, to)
 * that may hold it, becomes its first and last one, p how likely it is. */
bool span_texts(Ctx *, Arena *a, Session *, const TextPair *, int n,
                TokenSpan *span, double *p);
/* What two texts, a question and what may answer it, come to: bytes of the
 * second one, and how likely they are the answer. */
typedef struct Answer {
	size_t from, to;
	double p;
} Answer;
bool answer_texts(Ctx *, Arena *a, Session *, const TextPair *, int n,
                  Answer *out);
/* id2label of the checkpoint, else LABEL_i as it would have been. */
const char *label_name(const Session *, Arena *, int64_t i);

/* ---- named tensors: feed.c, tensors.c ---- */

typedef struct TensorOptions {
	const char *const *input; /* "NAME=FILE", or an .npz file */
	const char *inputs;       /* directory of input_0.pb, ... */
	const char *output;       /* directory for NAME.FORM, or NULL */
	const char *outputs;      /* for output_0.FORM, ..., or NULL */
	enum TensorForm form;     /* FORM_COUNT: .npy by name, .pb by number */
	const char *shapes;       /* "NAME:1x3x224x224,..." */
	bool random;              /* inputs not given: by chance */
	int64_t seed;
	int64_t warmup, iterations; /* of a measurement */
	double duration;            /* seconds, at least */
} TensorOptions;

/* Runs the program that takes inputs of these shapes and writes its outputs;
 * with `figures`, again and again, and they say how fast. */
bool run_tensors(Ctx *, Arena *a, Session *, const TensorOptions *,
                 Json **figures);

/* ---- figures: bench.c ---- */

typedef struct BenchOptions {
	int64_t prompt, n, iterations;
	bool roofline; /* also what the machine could do */
} BenchOptions;
/* An object with medians and extremes; keys end in their unit. */
Json *bench(Ctx *, Arena *, Session *, const BenchOptions *);
int64_t peak_rss(void); /* bytes */
/* Percentiles and the like of n times, which are put in order. */
void put_latency(Arena *, Json *, double *ms, int64_t n);
/* What a run has to do with: threads, instruction set, memory. */
void put_machine(Json *, const Session *);

/* ---- where the time went: profile.c ---- */

/* By program and kind of step, since host_profile(); keys end in their unit,
 * fractions are of the limits. */
Json *profile_json(Arena *, const Session *, const HostLimits *);
/* What one run of each takes, at the least and here. */
Json *roofline_json(Arena *, const Session *, const HostLimits *);
/* Measured at the first call, which takes half a second and 1 GiB. */
const HostLimits *session_limits(Ctx *, Arena *, Session *);
/* Each step on its own, in the format of Chrome's trace viewer. */
bool profile_trace(Ctx *, const Session *, const char *path);

#endif
