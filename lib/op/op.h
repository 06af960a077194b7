/* SPDX-License-Identifier: BSD-3-Clause
 * op.h - shapes and exact values of operators: the slow reference.
 *
 * Every other way to compute something is checked against this one, so it
 * is exact first: sums of floats run in double, in one fixed order. */

#ifndef OP_H
#define OP_H

#include "ir.h"

/* Infers every value of g from its inputs, node by node.  What is known of
 * a value before must agree with what is inferred, and stays where nothing
 * is.  Small results of constants are computed on the way, so that Reshape
 * and its like see them; with `fold` they stay, as constants, and the nodes
 * that made them leave the graph. */
bool graph_infer(Ctx *, Graph *, bool fold);

/* Runs one node whose inputs have data: infers, allocates the outputs in a,
 * evaluates.  Data of VIEW operators is shared with the input. */
bool node_eval(Ctx *, Arena *a, Node *);

/* Whether n has the inputs that its operator can read at all; shapes need
 * not be known. */
bool node_check(Ctx *, const Node *);

/* y becomes x under its own name: bytes, items and all are copied to a. */
bool value_copy(Ctx *, Arena *a, Value *y, const Value *x);

/* The same, but what x holds is shared; y NULL: nobody wants it. */
void value_share(Value *y, const Value *x);

/* Runs a whole graph.  in[] gives the data of g->in; out[i] is filled, and
 * made in a where it is NULL.  The graph itself is left as it was. */
bool graph_eval(Ctx *, Arena *a, Graph *, Value *const *in, Value **out);

/* Replaces calls of model-local functions by their bodies, which are taken
 * to the model's opset. */
bool graph_inline(Ctx *, Graph *);

/* Rewrites the model for another version of ai.onnx; what means something
 * else there is refused by name. */
enum { OPSET_MIN = 7, OPSET_MAX = 25 };
bool graph_set_opset(Ctx *, Graph *, int64_t version);
/* The same of a graph alone, without its functions. */
bool graph_to_opset(Ctx *, Graph *, int64_t version);

/* Gives the model the local function of this name, and its opset, if it does
 * not have it: one of those that function.c lists. */
void function_add(Graph *, const char *domain, const char *name);
/* The same with one of several bodies, NULL: the first. */
void function_add_way(Graph *, const char *domain, const char *name,
                      const char *way);

/* Fills v, of a type of 8 bits or more, by chance: floats in [-1, 1), all
 * else 0 or 1.  The seed moves on. */
void value_random(Value *, uint64_t *seed);

/* Element i of a value that has its bytes in memory. */
int64_t value_i64(const Value *, int64_t i);
double value_f64(const Value *, int64_t i);

#endif
