/* SPDX-License-Identifier: BSD-3-Clause
 * num.h - what the operator files share: arguments, elements, loops.
 *
 * Elements of every type are read as double or int64_t, and written from
 * them, by the row; so an operator is written once for all types.  float32
 * and narrower are exact in double, and + - * / sqrt of them round to the
 * same result as when done in the type itself.  uint64 travels as the
 * int64_t of the same bits. */

#ifndef NUM_H
#define NUM_H

#include "op.h"

/* ---- arguments: arg.c ---- */

/* Input or output k, or NULL where it is left out. */
Value *node_in(const Node *, int k);
Value *node_out(const Node *, int k);
/* Input k when its bytes are in memory, else NULL. */
const Value *node_known(const Node *, int k);

/* A list of integers: an input, or an attribute in older opsets. */
typedef struct Ints {
	bool given; /* there is one */
	bool known; /* and its elements can be read */
	int64_t n;  /* -1: not even their number */
	const Value *v;
	const int64_t *attr;
} Ints;
/* Input k or, where it is left out, attribute `attr` (NULL: none), as older
 * opsets have it.  Fails on an input of more than one dimension or not of
 * int32 or int64; that there is neither is no failure: given is false. */
bool ints_arg(Ctx *, const Node *, int k, const char *attr, Ints *);
/* Element i, in [0, n); known must hold. */
int64_t ints_at(const Ints *, int64_t i);

/* An axis in [-rank, rank) made positive. */
bool axis_arg(Ctx *, int64_t axis, int rank, int *out);
/* A set of axes as one bool each; fails on a repeated one. */
bool axes_arg(Ctx *, const Ints *, int rank, bool *out);

/* Type and shape of an output; NULL, one left out, is no failure.  Fails on a
 * rank or size that no memory could hold.  Data is not touched. */
bool value_set(Ctx *, Value *out, DType, const Shape *);
/* Checks of inputs whose type or shape is known; what is unknown, or left out,
 * passes and is seen again when it is known.
 * Inputs [from, to) have one type. */
bool want_same(Ctx *, const Node *, int from, int to);
/* Input k has this rank. */
bool want_rank(Ctx *, const Node *, int k, int rank);
/* one element, where the shape is known */
bool want_scalar(Ctx *, const Node *, int k);
/* No size, nor what a 0 beside it hides, is beyond 2^48: products of
 * dimensions and strides cannot overflow then. */
bool shape_sane(Ctx *, const Shape *);
/* The type of input k is of one of these classes of dtypes.def: B bool, I
 * signed, U unsigned, F float, S string, C complex. */
bool want_class(Ctx *, const Node *, int k, const char *classes);
/* The shape of two (or more) shapes broadcast together. */
bool shape_broadcast(Ctx *, Shape *y, const Shape *x);
/* Room for the elements of an output whose shape only eval knows. */
bool value_make(Ctx *, Arena *, Value *out, DType, const Shape *);
/* Zeroed room for the elements of an output whose type and shape are set;
 * fails on more than 2^40 bytes, or than the arena has left. */
bool value_alloc(Ctx *, Arena *, Value *out);
/* Product of dimensions [from, to). */
int64_t shape_span(const Shape *, int from, int to);

/* ---- elements: num.c ---- */

/* n elements from `at`, `step` apart. */
void load_f64(const Value *, int64_t at, int64_t step, int64_t n, double *);
void load_i64(const Value *, int64_t at, int64_t step, int64_t n, int64_t *);
void store_f64(Value *, int64_t at, int64_t n, const double *);
void store_i64(Value *, int64_t at, int64_t n, const int64_t *);
/* All of them, in a. */
double *read_f64(Arena *a, const Value *);
void *value_bytes(Value *); /* to write to */
bool dtype_is_float(DType);
bool dtype_is_int(DType); /* signed or not; not bool */

/* Element i of a packed type, the first in the lowest bits. */
unsigned bits_get(const void *, int64_t i, int bits);
void bits_put(void *, int64_t i, int bits, unsigned x);

/* The value of a code of at most 8 bits (float8, float4, int4, int2), and
 * the code nearest to x; beyond the largest: that, or NaN/inf.  code.c */
double code_value(DType, unsigned code);
unsigned code_nearest(DType, double x, bool saturate);

/* n elements of the same type copied, packed ones too. */
void elem_copy(Value *y, int64_t yat, const Value *x, int64_t xat, int64_t n);

/* ---- loops: nest.c ---- */

enum { NESTOPS = 4, ROW = 512 };

/* A loop nest over a box, with offsets into up to NESTOPS operands:
 *     do
 *             row of z.dim[z.rank - 1] elements at z.off[k], z.step[k]...
 *     while (nest_next(&z)); */
typedef struct Nest {
	int rank, nop;
	int64_t dim[MAXRANK], at[MAXRANK];
	int64_t step[NESTOPS][MAXRANK], off[NESTOPS];
} Nest;
/* Operands of shapes x[k] broadcast to y; false if there are no elements. */
bool nest_broadcast(Nest *, const Shape *y, int n, const Shape *const *x);
/* Merges dimensions that can be walked as one. */
bool nest_pack(Nest *);
bool nest_next(Nest *);
int64_t nest_row(const Nest *, int k); /* step of operand k in a row */
#define nest_len(z) ((z)->dim[(z)->rank - 1])

/* Steps of a dense tensor. */
void shape_steps(const Shape *, int64_t *step);
/* y[yoff + sum(i ystep)] = x[xoff + sum(i xstep)] for i in box. */
void elem_move(Value *y, int64_t yoff, const int64_t *ystep, const Value *x,
               int64_t xoff, const int64_t *xstep, const Shape *box);

/* ---- of operator files, for others ---- */

/* y = a b as MatMul has it; y is allocated, its type decides how sums run.
 * matmul.c */
void matmul(const Value *a, const Value *b, Value *y);
bool matmul_shape(Ctx *, const Shape *a, const Shape *b, Shape *y);
/* y [rows, TILE] = a [rows, k] b [k, TILE], all of them dense. */
enum { TILE = 32 };
void tile_product(const double *a, int64_t rows, int64_t k, const double *b,
                  double *y);
/* x rounded to a type. */
double round_as(DType, double x);

#endif
