/* SPDX-License-Identifier: BSD-3-Clause
 * tree.h - the module tree: what a model consists of, said explicitly.
 *
 * hf-load evaluates the architecture file once for every layer and writes
 * down the outcome: each step of each layer with its numbers and the names
 * of its tensors.  Everything after hf-load reads the tree alone.
 *
 *   {"kind", "task", "vocab", "hidden", "max_positions",
 *    "embed": {...}, "ropes": [...], "layers": [{"steps": [{"branches":
 *    [{"in": norm, "block": {...}, "out": norm}], "norm": norm}]}],
 *    "final": norm, "head": {...} | "heads": ...,
 *    "encoder": {"embed", "ropes", "layers", "final", ...}}
 *
 * A block is what its row in blocks.def makes of its section of the file. */

#ifndef TREE_H
#define TREE_H

#include "arch.h"
#include "safetensors.h"

typedef struct Checkpoint {
	SafeFile *file;
	int nfile;  /* with tensors of the model itself */
	int nextra; /* behind them: of what comes after it */
} Checkpoint;

typedef struct Tree {
	Ctx *c;
	Arena *a;
	const Json *arch, *config;
	const Checkpoint *from;
	bool strict;
	bool sentence; /* of a sentence encoder, whatever the class says */
	Env env;
	int64_t steps;
	const char *task;   /* as tasks.def names it; NULL: of the class */
	bool both;          /* stacks of an encoder-decoder read; none writes */
	const char *prefix; /* of the names in the checkpoint */
	const char *canon;  /* of the names in the class that has the task */
	const char *layer;  /* of the names inside a layer; "" outside */
	int64_t hidden;
	bool in_out;   /* linear weights are [in, out] */
	Dict *used;    /* checkpoint names */
	Json *tensors; /* of the document */
	Json *root;
} Tree;

/* Makes tree->root and tree->tensors from arch, config and checkpoint. */
bool tree_build(Tree *);
/* Whether a model for this task makes text, token by token. */
bool task_generates(const char *task);

/* The heads of the task, from the state that tree_build is in. */
bool tree_heads(Tree *);

/* ---- for the blocks ---- */

/* A section of the file, evaluated in this place; NULL: it is left out, or
 * failed. */
Json *tree_section(Tree *, const char *name);

/* A number of `let` in this place; fails if it is not a whole one over 0. */
bool tree_let(Tree *, const char *name, int64_t *out);

/* The tensor `name` + suffix of the checkpoint, with the shape wanted,
 * entered into the document; its name there.  A name may be a list of
 * alternatives; "/" in front: not inside a layer, nor always behind the
 * prefix.  NULL: failed. */
const char *tree_param(Tree *, const Json *name, const char *suffix,
                       Shape want);
/* The same of one element type (DT_NONE: a float, or int64) and any shape,
 * for weights that are made of several; NULL: it is not there. */
const char *tree_stored(Tree *, const Json *name, const char *suffix, DType);
/* Lets weight and bias of a module be there without a use. */
void tree_skip(Tree *, const Json *name);
bool tree_has(Tree *, const Json *name, const char *suffix);
/* {"weight", "bias"} of y = x W^T + b, [out, in] unless the file says
 * otherwise.  NULL: failed. */
Json *tree_linear(Tree *, const Json *name, int64_t out, int64_t in, bool bias);
/* The norm of a module (`o` NULL), or as its own object o says. */
Json *tree_norm(Tree *, const Json *name, const Json *o, int64_t width);
/* A tensor made of others: `steps` is a list of [step, argument...], see
 * weights.c.  Returns `name`. */
const char *tree_derive(Tree *, const char *name, Json *from, Json *steps,
                        Shape shape);
/* The tensor of a name, which is stored as [1,n], as one of [n]. */
const char *tree_row(Tree *, const Json *name, int64_t n);
/* A linear module made of some rows of another: with the rows seen as
 * view = [outer, parts, inner], those of the parts [from, to). */
Json *tree_cut(Tree *, const Json *whole, const char *part, const int64_t *view,
               int64_t from, int64_t to);
/* [step, args...] */
Json *tree_step(Tree *, const char *step, int n, const int64_t *arg);
/* part [from, to) of the rows (out) of a linear module as a module of its
 * own, named after the whole and `part` */
Json *tree_rows(Tree *, const Json *whole, const char *part, int64_t from,
                int64_t to);
const Json *tree_tensor(const Tree *, const char *name);
/* Shape of a tensor of the document. */
Shape tree_shape(const Json *tensor);
/* linear.weight and linear.bias of one of the extra files, under a prefix */
Json *tree_extra_linear(Tree *, int file, const char *prefix, bool bias);
/* norm.weight and norm.bias likewise */
Json *tree_extra_norm(Tree *, int file, const char *prefix);
/* the row of o's rope in root.ropes; -1: it has none; -2: failed */
int tree_rope(Tree *, const Json *rope);
/* the table of biases by distance, relbias.c */
Json *tree_relbias(Tree *, const Json *spec, int64_t heads);
/* what scores have of distances, disentangled.c */
Json *tree_disentangled(Tree *, const Json *spec, int64_t heads, int64_t hd);
/* puts an owned value that may be NULL, which is left out */
void tree_put(Json *o, const char *key, Json *value);

/* ---- blocks.def ---- */

struct Build;
struct Value;
/* A block's part of the tree from its evaluated section. */
typedef Json *TreeFn(Tree *, const Json *section);
/* Its nodes: what it makes of x. */
typedef struct Value *LowerFn(struct Build *, const Json *block,
                              struct Value *x);

typedef struct Block {
	const char *name;
	TreeFn *tree;
	LowerFn *lower;
} Block;
extern const Block blocks[];
extern const int nblock;
const Block *block_find(const char *name);

#define BLOCK(name, tree, lower)                                               \
	TreeFn tree;                                                           \
	LowerFn lower;
#include "blocks.def"
#undef BLOCK

#endif
