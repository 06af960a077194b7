/* SPDX-License-Identifier: BSD-3-Clause
 * pass.h - rewrites of a graph, and what they are written with.
 *
 * A pass walks the nodes in order, makes new ones, and says which value
 * another one is to be replaced by; replacing happens when the walk is done,
 * in one sweep, so that a pass costs what the graph has.  Passes see the
 * subgraphs of control flow, not the bodies of functions. */

#ifndef PASS_H
#define PASS_H

#include "ir.h"

typedef struct Edit {
	Graph *g;         /* the model */
	Arena tmp;        /* gone when the pass is done */
	Dict *seen;       /* for a pass to remember by */
	int changes;      /* 0: the graph is as it was */
	bool materialize; /* the writer is asked to copy the weights */
} Edit;

typedef bool PassFn(Ctx *, Edit *);

typedef struct Pass {
	const char *name;
	PassFn *run;
	bool usual, typed;
	const char *about;
} Pass;

/* pass.c */
extern const Pass passtab[];
extern const int npass;

/* The passes of a comma-separated list, or the usual ones for NULL; the list
 * ends in NULL.  NULL with QE_USAGE for a name that is not in the table. */
const Pass **pass_list(Ctx *, Arena *, const char *list);
/* Runs one and verifies the graph; says what it did, at level
 * 2 if that is nothing. */
bool pass_run(Ctx *, Graph *, const Pass *, Edit *);

/* edit.c */
typedef bool NodeFn(Ctx *, Edit *, Node *);
/* Calls fn on every node after its subgraphs, inputs up to date, uses of
 * values counted in their marks.  Nodes that fn makes come before the node
 * it was called with.  Then values are replaced and what is unused goes. */
bool edit_each(Ctx *, Edit *, NodeFn *);
/* Lets by take the place of output i of n.  A graph's output keeps its name:
 * by's maker makes it instead, or, where that cannot be, nothing is done and
 * the answer is false. */
bool edit_replace(Edit *, Node *n, int i, Value *by);
/* The same for the only output, and n leaves the graph. */
bool edit_drop(Edit *, Node *n, Value *by);
/* n leaves the graph; its outputs are replaced or used by nobody. */
void edit_remove(Edit *, Node *n);
/* Lets n use v as its input i. */
void edit_input(Edit *, Node *n, int i, Value *v);
/* n becomes another operator with these inputs, no attributes, and the
 * outputs it has. */
void edit_become(Edit *, Node *n, const char *domain, const char *type, int nin,
                 Value *const *in);
/* A node of the default domain that comes before n, like node_add(). */
Value *edit_add(Node *n, const char *type, const char *name, Value *a, Value *b,
                Value *c);
/* Drops what nobody uses, in subgraphs too. */
bool edit_prune(Ctx *, Edit *);
bool edit_is_output(const Graph *, const Value *);
/* Whether n is this operator of the default domain. */
bool node_is(const Node *n, const char *type);
/* Whether a and b have the same shape for sure: dimensions are known, or
 * have the same symbol. */
bool same_shape(const Value *a, const Value *b);

/* Adds what a node does to a hash: operator, attributes, which inputs and
 * outputs it has; false if that is more than a hash can tell.  cse.c */
bool hash_node(Edit *, Hash *, const Node *);

/* match.c: during a walk, from the last node of a pattern upwards */
/* The node that makes v, if it is this operator, with one output. */
Node *match_op(const Value *v, const char *type);
/* The same if nobody but one node uses v, so that it can go. */
Node *match_inner(const Value *v, const char *type);
/* A constant of one float; near x. */
bool match_number(const Value *v, double *x);
bool match_is(const Value *v, double x);
/* A reduction of the last axis that keeps it, of rank 1. */
bool match_last_axis(const Node *n);
/* x * x or x^2 */
bool match_square(const Node *n, const Value *x);
/* ReduceMean(x^2) + eps over the last axis */
bool match_mean_square(const Value *v, const Value *x, double *eps);
/* What a tree of Muls multiplies, in whatever order. */
enum { MAXFACTORS = 6 };
typedef struct Factors {
	int n;
	Value *v[MAXFACTORS];
} Factors;
bool match_product(const Value *v, Factors *);
bool match_take(Factors *, const Value *v); /* takes it out */
bool match_take_number(Factors *, double x);

/* extract.c: leaves what makes `outputs` from `inputs`, for a spec of
 * "inputs:outputs", each a comma list of values. */
bool graph_extract(Ctx *, Graph *, const char *spec);
/* fix.c: gives unknown dimensions a number: "INPUT:1x32" or "SYMBOL=32". */
bool graph_fix(Ctx *, Graph *, const char *spec);

/* compare.c: whether two graphs give the same numbers. */
typedef struct Trial {
	Arena mem;
	int nin, nout;
	Value **in, **out; /* inputs by chance, and what g made of them */
	double rtol, atol;
} Trial;
/* Makes inputs and runs g on them.  Unknown dimensions are 2, whole numbers
 * 0 or 1, or 0 if g has no use for 1, others in [-1, 1). */
bool trial_open(Ctx *, Trial *, Graph *g);
/* QE_NO if g's outputs differ by more than atol + rtol |before|. */
bool trial_check(Ctx *, Trial *, Graph *g);

#define PASS(name, fn, usual, typed, about) PassFn fn;
#include "passes.def"
#undef PASS

#endif
