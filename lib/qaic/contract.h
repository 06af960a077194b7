/* SPDX-License-Identifier: BSD-3-Clause
 * contract.h - what the names of a model's inputs and outputs say.
 *
 * QEfficient's compile() knows of which class a model is; here the graph
 * tells, by the inputs it has.  From that follow the specializations: for
 * which sizes programs are made, and what they are called.
 * Source: QEfficient ebf55e81, QEfficient/transformers/models/
 * modeling_auto.py and QEfficient/utils/check_ccl_specializations.py. */

#ifndef CONTRACT_H
#define CONTRACT_H

#include "ir.h"

enum ModelKind {
	MODEL_OTHER,
	MODEL_CAUSAL,    /* tokens at positions, over a retained cache */
	MODEL_ADAPTER,   /* the same, LoRA weights are retained inputs */
	MODEL_SPEECH,    /* encoder and decoder in one graph: Whisper */
	MODEL_TEXT2TEXT, /* a text encoder and a decoder in one graph: T5 */
	MODEL_CTC,       /* samples of sound to letters */
	MODEL_EMBED,     /* vectors of texts */
	MODEL_CLASSIFY,  /* labels of texts */
	MODEL_VISION,    /* the first of two graphs: pictures to vectors */
	MODEL_KIND_COUNT
};

typedef struct ModelKindRow {
	const char *name;  /* for messages */
	const char *graph; /* what a program of it is called, or NULL */
} ModelKindRow;
extern const ModelKindRow model_kinds[MODEL_KIND_COUNT];

enum ModelKind model_kind(const Graph *);

/* The retained input that an output X_RetainedState or
 * X_InternalRetainedState belongs to; NULL: it is none. */
Value *retained_input(const Graph *, const Value *out);
/* The last part of a name like "layer_3/past_key.0". */
const char *io_base(const char *name);
/* An input of the graph whose last part is name, or NULL. */
Value *model_input(const Graph *, const char *name);

/* Positions that the model has by its own metadata; 0: it does not say. */
bool model_positions(Ctx *, Arena *, const Graph *, int64_t *n);
/* Positions of the cache: as asked for, or what is usual.  own: for the host;
 * positions: that the model has, or 0. */
int64_t usual_context(const qe_compile *, bool own, int64_t positions);

typedef struct Specs {
	Spec *spec;
	int n;
	size_t cap;
} Specs;

enum { MAXSPEC = 64, MAXSYM = 64 };

/* A new entry, with room for MAXSYM symbols; one is put or put anew. */
Spec *spec_begin(Arena *, Specs *, const char *name);
void spec_put(Spec *, const char *sym, int64_t n);
/* The list of a file, up to MAXSPEC entries. */
bool specs_read(Ctx *, Arena *, const char *path, Specs *);

/* Which programs are compiled, by the options.  `plain` gives the names by
 * which the host backend's runs look for them.  Every symbol of an input has
 * a size in every entry. */
bool specs_choose(Ctx *, Arena *, const Graph *, const qe_compile *, bool plain,
                  Specs *out);

/* Lengths of the cache that a step computes over, ccl.c */
typedef struct Ccl {
	int64_t *prefill, *decode; /* ascending */
	int nprefill, ndecode;
	int64_t ctx_len; /* may have been rounded up */
} Ccl;
/* Lists as given ("" or NULL: none); with none at all they are made up.
 * plain: by no compiler's rules, only up to ctx_len. */
bool ccl_lists(Ctx *, Arena *, const char *prefill, const char *decode,
               int64_t ctx_len, int64_t prompt_len, bool plain, Ccl *out);

#endif
