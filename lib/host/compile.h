/* SPDX-License-Identifier: BSD-3-Clause
 * compile.h - what the parts of the host compiler share.
 *
 * A graph is made concrete (specialise.c), rewritten until most of it is
 * nodes of domain "host", each one kernel call (fuse*.c; types: the names of
 * kernels.def), and written out as steps (emit.c) with places in memory
 * (plan.c) and packed weights (weights.c).  Nodes that stay ONNX operators
 * run by the reference evaluation. */

#ifndef COMPILE_H
#define COMPILE_H

#include "host.h"
#include "program.h"

#define HOST_DOMAIN "host"

/* specialise.c: a copy of g with symbols bound, all values float32 where they
 * were 16-bit floats, every shape known.  Retained inputs keep their own
 * type in `cache`'s stead: see State. */
Graph *specialise(Ctx *, Arena *, const Graph *g, const Spec *);

/* layout.c: convolutions and what stands between them, channels last. */
bool host_layout(Ctx *, Graph *);

/* ---- match.c: looking at a graph ---- */

/* Sizes are known before a run: dense elements of a fixed shape. */
bool is_planned(const Value *);
bool node_planned(const Node *);
/* node_planned(), and shapes broadcast as they do since opset 7. */
bool is_plain(const Node *);
bool is_last_softmax(const Node *); /* a Softmax over the last axis alone */
Node *made_by(const Value *, const char *type); /* NULL: by something else */
Node *made_by_host(const Value *, const char *kernel);
/* The Concat of two on their last axis that v [.,.,.,.] is, or NULL. */
Node *side_by_side(const Value *v);
Value *skip_views(Value *); /* what it is a view of, or v itself */
bool is_op(const Node *, const char *domain, const char *type);
/* True for an input X that the graph hands back as X_RetainedState. */
#define RETAINED "_RetainedState"
bool is_state(const Graph *, const Value *in); /* specialise.c */
/* A constant, or made from constants alone by pure operators. */
bool is_weight(const Value *);
bool is_real(const Value *);
/* The one element of a constant in memory. */
bool const_number(const Value *, double *);
bool const_is(const Value *, double want); /* to 1e-6 relative */
/* The input of n that is not v, for two-input nodes; NULL if v is neither. */
Value *other_input(const Node *n, const Value *v);
/* a op b with one of them the scalar s: the other one. */
Value *with_const(const Value *, const char *type, double *s);
/* Product of the dimensions before the last. */
int64_t rows_of(const Value *);
int64_t last_dim(const Value *);
/* A new node of domain "host" whose one output has v's type and shape; it
 * takes v's place everywhere, and v's name. */
Node *host_node(Graph *, const char *kernel, int nin, Value *const *in,
                Value *v);
/* node_add() after shapes were inferred: the output's are given. */
Value *add_typed(Graph *, const char *type, DType, const Shape *, Value *a,
                 Value *b, Value *c);
/* The host node m again, making v, with input `slot` (-1: none) replaced. */
Node *host_extend(Graph *, const Node *m, int slot, Value *in, Value *v);
/* by takes the place and the name of old: it may be an output of the graph. */
void stand_in(Graph *, Value *old, Value *by);
bool is_const_ints(const Value *, int n, const int64_t *);
/* 0, 1, ... n - 1, of any shape; many are not computed ahead of time. */
bool is_iota(const Value *, int64_t n);
bool is_perm(const Node *, int n, const int64_t *perm);

/* ---- fuse_attention.c: for all that becomes attention ---- */

/* A host node with one new output. */
Node *host_add(Graph *, const char *kernel, int nin, Value *const *in, DType,
               const Shape *);
/* v [B,n,S,d] as [B,S,n,d]. */
Value *tokens_major(Graph *, Value *v);
/* Before the heads of a cache were repeated, [B,kv*r,T,d] -> [B,kv,T,d]; before
 * rows that hold nothing were zeroed. */
Value *unrepeat(Value *);
Value *unzeroed(Value *);
/* h's output [B,S,n,d] takes the place of o [B,n,S,d]. */
void put_result(Graph *, Node *h, Value *o);
/* m can be added to scores [B,n,S,T], the last axis in full. */
bool bias_fits(const Value *m, const Value *scores);

/* ---- fuse.c ---- */

typedef bool FuseFn(Ctx *, Graph *, Node *); /* true: it was rewritten */
typedef struct Fusion {
	const char *name, *domain, *type; /* of the node it looks at */
	FuseFn *fn;
} Fusion;
bool host_fuse(Ctx *, Graph *);
#define FUSE(name, domain, type, fn) FuseFn fn;
#include "fusions.def"
#undef FUSE

/* ---- fuse_rope.c, fuse_attention.c ---- */

typedef struct Rope {
	Value *x, *cos, *sin, *pos;
	int64_t rot, style;
} Rope;

/* 0, 1, ... s - 1 for each row of a batch, [batch,s] int64 */
Value *own_places(Graph *, int64_t batch, int64_t s);
/* Whether v [B,n,S,d] is x [B,n,S,d] turned, all of it or its first part. */
bool match_rope(Value *v, Rope *);
/* The x of which v is [.., from : to) on the last axis, or NULL. */
Value *last_slice(Value *v, int64_t from, int64_t to);
Value *skip_views(Value *);
/* v [B,n,S,d] as [B,S,n,d]: what is done to each row on its own is done in
 * that layout too. */
Value *tokens_major(Graph *, Value *v);
Value *transposed(Graph *, Value *v); /* the same by a copy, either way */

/* ---- view.c: constants as other walks over the same bytes ---- */

typedef struct View {
	Value *base;                                /* a constant */
	int64_t off, dim[MAXRANK], stride[MAXRANK]; /* in elements */
	int rank;
} View;

/* Looks through Cast between floats, Transpose, Slice, Reshape and their
 * like; false if v is anything else than a walk over one constant. */
bool view_of(const Value *v, View *);
/* The same for item i of v's first axis, that axis gone; Concat may have put
 * the items together. */
bool view_item(const Value *v, int64_t i, View *);

/* item.c: item i of the first axis of an expression over constants, as nodes
 * added to g that compute no other; NULL: not to be had.  The result has as
 * many elements as the item. */
Value *item_of(Graph *, Value *, int64_t i);
/* True if no two items read the same bytes. */
bool item_is_own(const Value *);

/* ---- weights.c ---- */

/* One packed matrix or one constant as it is, at its place in weights.bin. */
typedef struct Weight {
	Value *v;       /* where it comes from, in the graph of */
	Graph *g;       /* the first program that asked for it */
	bool packed;    /* else its plain bytes */
	bool transpose; /* packed: rows are v's columns */
	bool stacked;   /* packed: v is [count, k, n] */
	WFormat format;
	DType type;    /* plain: of the bytes */
	int64_t count; /* of matrices */
	int64_t n, k, off, len;
	const char *key; /* what is equal is stored once */
	PackError error; /* packed, if measured */
} Weight;

typedef struct Weights {
	Arena *mem;
	Dict *by_key;
	Weight **w;
	int n;
	size_t cap;
	int64_t size;
	const char *formats; /* the option */
	bool measure;        /* what packing loses; it takes as long again */
} Weights;

/* The format for a matrix by the option's patterns; false: a bad option. */
bool weights_format(Ctx *, const Weights *, const char *name, DType, WFormat *);
/* Asks for v as packed [n, k] (transpose: v is [k, n]) or as plain bytes of
 * `type`; NULL with a failure. */
Weight *weights_pack(Ctx *, Weights *, Graph *, Value *v, bool transpose);
/* Asks for each of v [count, k, n] as packed [n, k], one behind the other. */
Weight *weights_stack(Ctx *, Weights *, Graph *, Value *v);
Weight *weights_plain(Ctx *, Weights *, Graph *, Value *v, DType type);
/* Writes all of them through w, in order. */
bool weights_write(Ctx *, Weights *, QpcWriter *w, Pool *);
/* Name of the initializer that a weight comes from, for patterns and -v. */
const char *weights_source(const Value *);

/* report.c: each weight's format, size and what packing lost of it. */
Json *weights_report(Arena *, const Weights *);
void tell_weights(Ctx *, const Weights *); /* as lines of -v */

/* ---- plan.c ---- */

/* One value in an arena, wanted from step `from` to step `to`. */
typedef struct Life {
	int64_t size, off;
	int from, to;
} Life;
/* Sets every off; returns the bytes of the arena. */
int64_t plan_arena(Arena *scratch, Life *life, int n);

/* ---- emit.c ---- */

typedef struct Emit Emit;
/* Appends g's program, named by spec, to the image; what is sized at run time
 * may take `late` bytes. */
bool emit_program(Ctx *, Image *, Weights *, Graph *g, const Spec *,
                  int64_t late);

#endif
