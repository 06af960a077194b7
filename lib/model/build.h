/* SPDX-License-Identifier: BSD-3-Clause
 * build.h - from the module tree to an ONNX graph: what the blocks share.
 *
 * Every function appends nodes and returns the value they make, or NULL
 * after a failure; NULL as an input gives NULL, so a chain of calls needs
 * one check at its end.  Shapes in comments: B batch, S sequence, H hidden,
 * L slots of the cache; they stay symbols in the graph. */

#ifndef BUILD_H
#define BUILD_H

#include "ir.h"
#include "tree.h"

typedef struct SamplerInputs SamplerInputs; /* sampler.c */

/* What a block with a window keeps and reads; see cache.c. */
enum Keeps { KEEPS_ALL, KEEPS_RING, KEEPS_NEAR };

typedef struct Build {
	Ctx *c;
	Arena *a; /* the graph's */
	Graph *g;
	const Json *root;    /* the module tree */
	const Json *tensors; /* of the document */
	const Json *files;
	const char *dir;     /* paths in files are relative to it */
	DType type;          /* of activations */
	bool cached;         /* past_key, past_value; else nothing is kept */
	bool encoder;        /* attention_mask; else position_ids */
	const char *experts; /* which body ExpertMatMul gets; NULL: its usual */
	int layer;
	int nested;        /* expressions over expressions at work */
	const char *scope; /* in front of layers' names; NULL: nothing */
	Dict *made;        /* values made once: weights, constants */
	Dict *here;        /* made once of the stack's inputs: masks, ... */
	/* of a decoder that reads what an encoder made, else NULL: */
	Value *given;     /* [B,S] ids before they were shifted, or NULL */
	Value *memory;    /* [B,E,H] */
	Value *heard;     /* [B,E] int64 places of its rows, -1: none */
	Value *stale;     /* [] bool: nothing new, the cache has it */
	bool cross;       /* the block at work attends over memory */
	bool latent;      /* ... keeps what keys and values are made of */
	bool proxy;       /* no embeddings, no projections */
	bool fresh;       /* the call is the text: its own rows are the keys */
	enum Keeps keeps; /* of the block at work, */
	int64_t window;   /* and how many positions it sees */
	int part, parts;  /* slots of the cache it reads; parts 0: all */
	Value *ids;       /* [B,S] int64 */
	Value *positions; /* [B,S] int64; encoder: [1,S] */
	Value *mask;      /* [B,S] int64 of an encoder */
	Value *types;     /* [B,S] int64, or NULL */
	Value *embedded;  /* what the first layer sees */
	Value *residual;  /* what the running step adds to */
	/* added by transforms, or NULL: */
	Value *batch_index; /* [B,1] int64: the rows of the cache */
	Value *ccl;         /* [C]: C slots are read */
	Value *keep;        /* [K,1]: K logits a row */
	Value *text_length; /* [B,1] int64: of the text that a row is part of */
	Value *lora_ids;    /* [B,1] int64: which adapter a row takes */
	SamplerInputs *sampler;
	int more, nmore; /* where these stand among the inputs */
	Value **late;    /* outputs behind all others */
	int nlate;
	size_t caplate;
} Build;

/* ---- build.c: nodes and constants ---- */

Value *emit(Build *, const char *type, int n, Value *const *in);
#define EMIT(b, type, ...)                                                     \
	emit((b), (type), LEN(((Value *[]){__VA_ARGS__})),                     \
	     (Value *[]){__VA_ARGS__})
/* the same, and one attribute of the node */
Value *emit_int(Build *, const char *type, const char *attr, int64_t, int n,
                Value *const *in);
#define EMIT_INT(b, type, attr, x, ...)                                        \
	emit_int((b), (type), (attr), (x), LEN(((Value *[]){__VA_ARGS__})),    \
	         (Value *[]){__VA_ARGS__})
Value *ints(Build *, int n, const int64_t *); /* [n] int64 */
#define INTS(b, ...)                                                           \
	ints((b), LEN(((int64_t[]){__VA_ARGS__})), (int64_t[]){__VA_ARGS__})
Value *int_scalar(Build *, int64_t); /* [] int64 */
Value *scalar(Build *, double);      /* [] of the graph's type */
Value *scalar_f32(Build *, double);  /* [] float32 */
Value *least(Build *);               /* [] the lowest finite number */
Value *floats(Build *, const char *name, const Shape *, const float *);
Value *cast(Build *, Value *, DType to);
Value *transpose(Build *, Value *, int n, const int64_t *perm);
Value *reshape(Build *, Value *, int n, const int64_t *dims);
Value *unsqueeze(Build *, Value *, int64_t axis);
Value *slice(Build *, Value *, int64_t axis, int64_t from, int64_t to);
Value *concat(Build *, int n, Value *const *, int64_t axis);
Value *softmax(Build *, Value *, int64_t axis); /* in float32 */
Value *reduce(Build *, const char *type, Value *, int64_t axis, bool keep);
#define TRANSPOSE(b, x, ...)                                                   \
	transpose((b), (x), LEN(((int64_t[]){__VA_ARGS__})),                   \
	          (int64_t[]){__VA_ARGS__})
#define RESHAPE(b, x, ...)                                                     \
	reshape((b), (x), LEN(((int64_t[]){__VA_ARGS__})),                     \
	        (int64_t[]){__VA_ARGS__})

/* ---- weights.c ---- */

/* The tensor of a name in the tree, in its own type: an initializer, or the
 * nodes of its expression. */
Value *weight(Build *, const char *name);
/* The same in the type of the graph. */
Value *param(Build *, const char *name);
/* dequant.c: a tensor that is made `by` something, of its sources */
Value *dequantise(Build *, const Json *tensor, int n, Value **in);
Value *linear(Build *, const Json *module, Value *x); /* [..., out] */
/* The matrix of a module without bias and without adapters beside it, [in,
 * out]: to make others of. */
Value *linear_matrix(Build *, const Json *module);
Shape weight_shape(const Build *, const char *name);
/* lora.c: a module's weight with adapters merged in; what adapters beside it
 * add to what it makes of x, or NULL */
Value *lora_merged(Build *, const Json *module, Value *weight);
Value *lora_beside(Build *, const Json *module, Value *x);
bool lora_is_beside(const Build *, const Json *module);

/* ---- inputs.c ---- */

/* What the marks of transforms in the tree ask for: b->ccl and so on. */
void inputs_more(Build *);
/* One of two sizes; a size of -1 is a symbol. */
Value *input(Build *, const char *name, DType, const Shape *, const char *sym0,
             const char *sym1);
/* These go behind the retained states. */
void inputs_last(Build *);

/* ---- the parts ---- */

Value *norm(Build *, const Json *norm, Value *x);      /* norm.c; NULL: x */
Value *activation(Build *, const char *act, Value *x); /* act.c */
/* The one activation that is learned, from tensors of one element. */
typedef struct ActParam {
	const char *name;
	int rank;
} ActParam;
extern const ActParam xielu_params[];
extern const int nxielu;
Value *xielu(Build *, const Json *params, Value *x);
Value *embed(Build *); /* embed.c: [B,S,H] */
/* mlp.c: act(g) * up, as module m has it */
Value *gated(Build *, const Json *m, Value *g, Value *up);
/* rope.c: rotates x [B,heads,S,dim] by position */
Value *rotate(Build *, const Json *rope, Value *x);
/* attn.c: softmax of scores times values: q [B,nh,S,n], k [B,nh,.,n] and
 * v [B,nh,.,hd] give [B,nh,S,hd]; one head of k and v may serve all */
Value *attend(Build *, const Json *m, Value *q, Value *k, Value *v);
Value *attend_scores(Build *, const Json *m, Value *q, Value *k);
/* [B,kv,L,hd] -> [B,kv*g,L,hd], each head g times */
Value *repeat_heads(Build *, Value *x, int64_t kv, int64_t g, int64_t hd);
/* online.c: the same over a cache of kv heads of which a block is read at a
 * time: k and v are all of it; spread makes of a block's rows what attend()
 * wants */
typedef void SpreadFn(Build *, const void *arg, Value **k, Value **v);
Value *attend_blocks(Build *, const Json *m, int64_t kv, Value *q, Value *k,
                     Value *v, SpreadFn *spread, const void *arg);
Value *relbias(Build *, const Json *m); /* relbias.c: [1,nh,S,L] */
/* disentangled.c: scores of contents with positions, [B,nh,S,S] */
Value *disentangled(Build *, const Json *attn, Value *q, Value *k);
/* mask.c: true where a query must not see a key, [B or 1,1,S,L] */
Value *mask_keys(Build *, bool causal, int64_t window, int64_t chunk);
Value *mask_padding(Build *);    /* [B,1,1,S] to add to scores */
Value *mask_memory(Build *);     /* [B,1,1,E] bool, for attention over it */
Value *key_positions(Build *);   /* [.,1,1,L] int64 */
Value *query_positions(Build *); /* [.,1,S,1] int64 */
/* A value that is made once: by `make`, outside of layers. */
Value *once(Build *, const char *key, Value *(*make)(Build *));
/* cache.c: writes k and v [B,heads,S,dim] at their positions, reads L slots */
bool cache_update(Build *, int64_t heads, int64_t kdim, int64_t vdim, Value **k,
                  Value **v);
/* the two halves of it: k and v become the cache as it is now, of which the
 * block at work, b->part of b->parts, is read [B,heads,.,dim] */
bool cache_write(Build *, int64_t heads, int64_t kdim, int64_t vdim, Value **k,
                 Value **v);
bool cache_block(Build *, int64_t heads, Value **k, Value **v);
/* the elements of x along an axis of L that belong to the block at work */
Value *cache_part(Build *, Value *x, int64_t axis);
/* where the keys that are read stand, [B or 1,1,1,L] int64 */
Value *cache_keys(Build *);
Value *cache_empty(Build *); /* [B,1,L] bool: slots beyond the last row */
/* any other state: what it was, NAME.LAYER, and what it becomes */
Value *state_input(Build *, const char *name, Shape);
void state_output(Build *, Value *state, Value *now);
/* conv.c: whether a row of the batch begins with this call, [B,1,1] bool */
Value *row_start(Build *);
/* conv.c: depthwise causal convolution of x [B,channels,S] over k columns */
Value *causal_conv(Build *, Value *x, const char *w, const char *bias,
                   int64_t channels, int64_t k);
bool heads(Build *, Value *x); /* head.c: outputs of the graph */
/* sampler.c: next tokens [B,K,1] int64 by logits [B,K,V]; probs [B,K,V] float32
 * where they are asked for, else untouched */
void sampler_inputs(Build *);
Value *sample(Build *, Value *logits, Value **probs);

/* pooling.c: [B,S,H] -> [B,width] */
Value *pool(Build *, const Json *pooling, Value *h, int64_t *width);
Value *pool_last_token(Build *, Value *h);
Value *pool_mean_tokens(Build *, Value *h);

/* functions.c: adds local functions to the graph, once */
Value *call_ctx(Build *, const char *name, int n, Value **in);
Value *call_norm(Build *, Value *x, Value *w, double eps);
/* x [T,k or 1,in] by the matrices index [T,k] of w [E,in,out]: [T,k,out] */
Value *call_experts(Build *, Value *x, Value *w, Value *index);

/* Builds the graph of a module tree. */
bool lower(Build *);

#endif
