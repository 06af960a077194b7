/* SPDX-License-Identifier: BSD-3-Clause
 * ir.h - the graph: shapes, values, nodes, and the table of operators.
 *
 * A Graph is an ONNX graph in memory: nodes in topological order, every
 * value made once, constants as values that have data.  The bytes of a
 * constant stay in the file they came from (Blob) until somebody reads them.
 * Everything a graph holds lives in its arena; removing is forgetting. */

#ifndef IR_H
#define IR_H

#include "base.h"

enum { MAXRANK = 8 };

/* ---- element types: dtype.c ---- */

typedef enum DType {
	DT_NONE,
#define DTYPE(id, onnx, name, st, type, bits, class) DT_##id,
#include "dtypes.def"
#undef DTYPE
	DT_COUNT
} DType;

typedef struct DTypeInfo {
	const char *name, *safetensors;
	int onnx, bits;
	size_t size; /* of one element in memory; packed types: of a byte */
	char class;  /* B I U F S C */
} DTypeInfo;

extern const DTypeInfo dtypes[DT_COUNT]; /* [DT_NONE]: "undefined" */
DType dtype_by_name(const char *name);   /* also f32, fp16, half, ... */
DType dtype_by_safetensors(const char *name);
DType dtype_by_onnx(int onnx);
/* Bytes of n elements, packed types rounded up; -1 if too many. */
int64_t dtype_bytes(DType, int64_t n);

float f16_to_f32(uint16_t);
uint16_t f32_to_f16(float); /* nearest even */
float bf16_to_f32(uint16_t);
uint16_t f32_to_bf16(float);

/* ---- shapes: shape.c ---- */

/* dim -1: not known.  rank -1: not even the rank is known. */
typedef struct Shape {
	int rank;
	int64_t dim[MAXRANK];
} Shape;

/* Product of the dimensions; -1 if one is unknown or it overflows. */
int64_t shape_count(const Shape *);
bool shape_known(const Shape *);
bool shape_eq(const Shape *, const Shape *);
/* "[2,?,64]" for messages */
typedef struct ShapeText {
	char s[160];
} ShapeText;
ShapeText shape_text(const Shape *);

/* ---- bytes of constants: blob.c ---- */

/* A file whose bytes constants refer to. */
typedef struct Source {
	const char *path; /* to open; "-": it has none, and map is set */
	int64_t size;
	Digest digest; /* of the first `hashed` bytes; "" if not known */
	int64_t hashed;
	Span map; /* once mapped */
} Source;

typedef struct Blob {
	const void *mem; /* the bytes, or NULL: */
	Source *src;     /* the file they are in */
	int64_t off, len;
} Blob;

/* The bytes, mapped at first use; the mapping lives as long as a.  NULL with
 * a failure.  Alignment is not promised for bytes in files. */
const void *blob_data(Ctx *, Arena *a, Blob *);
/* Gives mapped pages back to the system; they are read again when needed. */
void blob_release(const Blob *);
#define blob_is(b) ((b).mem || (b).src)

/* ---- the cache of a decoder: state.c, states.def ---- */

enum {
#define STATES(id, first, second, slots) STATE_##id,
#include "states.def"
#undef STATES
	STATE_COUNT
};

typedef struct StateNames {
	const char *stem[2]; /* in front of ".LAYER" */
	const char *slots;   /* the symbol of how many rows there are */
} StateNames;
extern const StateNames state_names[STATE_COUNT];
/* The row that a name like "past_key.3" belongs to, or NULL. */
const StateNames *state_find(const char *name);

/* ---- graph ---- */

typedef struct Value Value;
typedef struct Node Node;
typedef struct Graph Graph;
typedef struct Attr Attr;
typedef struct Function Function;
typedef struct Op Op;

enum ValueKind { VALUE_TENSOR, VALUE_SEQUENCE, VALUE_OPTIONAL };

struct Value {
	const char *name; /* unique in its graph; never "" */
	enum ValueKind kind;
	DType type; /* of the elements */
	Shape shape;
	const char **sym; /* [rank] names of dimensions, or NULL */
	Blob data;        /* constants have it; dense, row-major */
	Node *from;       /* the node that makes it; NULL: input or constant */
	Value **item;     /* of a sequence or optional being evaluated */
	int nitem;
	int mark;  /* scratch of the pass at work */
	Value *by; /* the same: what its uses become */
};

enum AttrType {
	ATTR_NONE,
	ATTR_FLOAT,
	ATTR_INT,
	ATTR_STRING,
	ATTR_TENSOR,
	ATTR_GRAPH,
	ATTR_FLOATS,
	ATTR_INTS,
	ATTR_STRINGS,
	ATTR_TENSORS,
	ATTR_GRAPHS,
	ATTR_TYPE
};

struct Attr {
	const char *name;
	enum AttrType type;
	const char *ref; /* inside a function: the caller's attribute */
	double f;
	int64_t i;
	Span s;
	int n; /* of the lists */
	float *floats;
	int64_t *ints;
	Span *strings;
	Value *t; /* a constant */
	Value **tensors;
	Graph *g;
	Graph **graphs;
	Value *tp; /* kind, type and shape of an ATTR_TYPE */
};

struct Node {
	const char *name; /* may be "" */
	const char *domain, *type;
	const Op *op; /* NULL: not in ops.def */
	int nin, nout, nattr;
	Value **in, **out; /* NULL: an optional one left out */
	Attr *attr;
	size_t capattr;
	Graph *graph; /* where it stands */
};

typedef struct Opset {
	const char *domain; /* "" is ai.onnx */
	int64_t version;
} Opset;

struct Graph {
	Arena *mem;
	const char *name;
	Graph *parent; /* of a subgraph (If, Loop): its names are visible */
	Node **node;
	Value **in, **out;
	Dict *value; /* every value by name */
	int nnode, nin, nout;
	size_t capnode, capin, capout;
	/* of a model, or the body of a function: */
	int64_t ir_version;
	Opset *opset;
	int nopset;
	size_t capopset;
	Function **func;
	int nfunc;
	size_t capfunc;
	Dict *meta; /* metadata_props: text by key */
	Source **source;
	int nsource;
	size_t capsource;
	int serial; /* for fresh names */
};

/* A model-local function: its body is a graph whose inputs and outputs have
 * no types. */
struct Function {
	const char *domain, *name;
	const char **attr; /* attributes without a default */
	int nattr;
	Attr *defattr; /* attributes with one */
	int ndefattr;
	Graph *body; /* has opset imports of its own */
};

/* graph.c */
Graph *graph_new(Arena *, const char *name);
/* A deep copy; the bytes of blobs, and sources, are shared. */
Graph *graph_clone(Arena *, const Graph *);
int64_t graph_opset(const Graph *, const char *domain); /* 0: none */
void graph_import(Graph *, const char *domain, int64_t version);
Source *graph_source(Graph *, const char *path); /* found or added */
Function *graph_function(const Graph *, const char *domain, const char *name);

/* A new value; a name already in use gets a suffix, NULL makes one up. */
Value *value_new(Graph *, const char *name, DType, const Shape *);
/* A new value that is an input of the graph: appended to in[]. */
Value *value_input(Graph *, const char *name, DType, const Shape *);
void graph_output(Graph *, Value *);
Value *value_find(const Graph *, const char *name); /* parents too */
/* Gives v another name and keeps the table right; false if it is taken. */
bool value_rename(Graph *, Value *, const char *name);
bool value_is_const(const Value *);
/* Constants; bytes are copied into the graph's arena. */
Value *const_bytes(Graph *, const char *name, DType, const Shape *,
                   const void *);
Value *const_i64(Graph *, const char *name, int n, const int64_t *); /* [n] */
Value *const_i64_scalar(Graph *, const char *name, int64_t);         /* [] */
Value *const_f32(Graph *, const char *name, float);                  /* [] */

/* Appends a node; in[] may hold NULLs.  Attributes are set afterwards. */
Node *node_new(Graph *, const char *domain, const char *type, int nin,
               Value *const *in, int nout, Value *const *out);
/* The common case: the default domain, inputs up to the first NULL, one
 * fresh output named `name` (NULL: made up) of unknown type and shape. */
Value *node_add(Graph *, const char *type, const char *name, Value *a, Value *b,
                Value *c);
/* Attributes: the one of this name, or what `none` says where there is none or
 * it is of another type. */
const Attr *attr_find(const Node *, const char *name);
int64_t attr_int(const Node *, const char *name, int64_t none);
double attr_float(const Node *, const char *name, double none);
const char *attr_str(const Node *, const char *name, const char *none);
/* Number of ints and the ints; -1 if there is no such attribute. */
int attr_ints(const Node *, const char *name, const int64_t **ints);
/* Whether it is exactly these n ints. */
bool attr_is_ints(const Node *, const char *name, int n, const int64_t *);
/* Adds an attribute, or makes one of this name anew; it is for the caller to
 * fill. The setters copy what they are given to the arena of the graph. */
Attr *attr_add(Graph *, Node *, const char *name, enum AttrType);
void attr_set_int(Graph *, Node *, const char *name, int64_t);
void attr_set_float(Graph *, Node *, const char *name, double);
void attr_set_str(Graph *, Node *, const char *name, const char *);
void attr_set_ints(Graph *, Node *, const char *name, int n, const int64_t *);

/* Every use of `old`, by nodes, subgraphs and outputs, becomes `by`. */
void graph_replace(Graph *, Value *old, Value *by);
/* Drops nodes whose outputs nobody uses, and their values; graph inputs and
 * outputs stay.  Returns the number of nodes dropped. */
int graph_prune(Graph *);
/* Puts nodes in topological order (stable); false on a cycle. */
bool graph_sort(Ctx *, Graph *);
/* The number of uses of each value into its mark; graph outputs count. */
void graph_count_uses(Graph *);
/* Values of n's graph that the graphs hanging on n use by name, in the order
 * in which they do; in a. */
int node_captures(Arena *a, const Node *n, Value ***out);
/* What must hold between any two passes: values made once and before use,
 * arity as ops.def says, outputs made.  verify.c */
bool graph_verify(Ctx *, const Graph *);

/* The graph as text, one line for each input, constant, node and output; the
 * form is told in print.c. */
void graph_print(Buf *, const Graph *);
void value_print_type(Buf *, const Value *); /* "float32[batch,3]" */

/* ---- sizes for the symbols of a graph ---- */

typedef struct Binding {
	const char *sym;
	int64_t n;
} Binding;

/* One program of several that a graph is compiled to. */
typedef struct Spec {
	const char *name; /* "Prefill", "Decode", ... */
	Binding *bind;
	int nbind;
} Spec;

/* The size of a symbol, or -1. */
int64_t spec_size(const Spec *, const char *sym);

/* ---- operators: ops.def, op.c ---- */

enum OpFlag {
	PURE = 1 << 0,    /* same inputs, same outputs: may be folded, merged */
	VIEW = 1 << 1,    /* output bytes are input 0's: Reshape, Squeeze... */
	DYNAMIC = 1 << 2, /* output shape depends on input values: NonZero... */
	CONTROL = 1 << 3, /* has subgraphs */
	SHAPED = 1 << 4,  /* reads shapes of inputs, not their bytes: Shape */
	TEXT = 1 << 5,    /* takes strings and complex numbers too */
	LISTS = 1 << 6,   /* takes sequences and optionals too */
};

/* Sets kind, type and shape of out[] from in[]; dims may be unknown (-1) on
 * both sides.  Small constant inputs may be read (in[k]->data.mem). */
typedef bool InferFn(Ctx *, Node *);
/* Fills out[]->data.mem from in[]->data.mem; shapes are known.  Outputs
 * without memory (data-dependent shapes, sequences) are shaped and allocated
 * in a by the function.  a is also its scratch. */
typedef bool EvalFn(Ctx *, Arena *a, Node *);

struct Op {
	const char *name, *domain;
	int since;        /* first opset with this meaning */
	int minin, maxin; /* maxin -1: variadic */
	InferFn *infer;
	EvalFn *eval;
	unsigned flags;
};

/* The row with the newest meaning that is not newer than `version`. */
const Op *op_find(const char *domain, const char *name, int64_t version);
/* Sets node->op from the opset imports of its model. */
void node_resolve(Node *);

extern const Op optab[];
extern const int nop;

/* ops.def declares every function it names */
#define OP(name, dom, since, lo, hi, infer, eval, flags)                       \
	InferFn infer;                                                         \
	EvalFn eval;
#include "ops.def"
#undef OP

#endif
