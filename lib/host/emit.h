/* SPDX-License-Identifier: BSD-3-Clause
 * emit.h - between emit.c, which gives values their places, and
 * emit_kernel.c, which fills in the step of one kernel.
 *
 * A function for a kernel asks for what a node reads and writes by these
 * calls and for nothing else: a buffer that is set past them would not be
 * patched when places in the arena are known, nor kept alive until its step. */
#ifndef QE_EMIT_H
#define QE_EMIT_H

#include "compile.h"

typedef struct Home {
	enum Space space;
	int64_t off; /* weights, state */
	int life;    /* arena: index of it */
} Home;

/* Where a value stands rounded, for products with a format. */
typedef struct Round {
	Home home;
	WFormat format;
} Round;

struct Emit {
	Ctx *c;
	Arena mem;
	Image *image;
	Weights *weights;
	Graph *g, *ref;
	Home *home;   /* by value->mark */
	Round *round; /* the same */
	Life *life;
	int nlife;
	size_t caplife;
	int step; /* the one being made */
	StepRow *row;
	int64_t late; /* bytes that values sized at run time may take */
	int (*patch)[STEP_BUF]; /* life of each buffer of each step, 0: none */
	bool ok;
};

/* Buffer `slot` of the step is read from where v is: nothing if v is NULL.
 * Constants are packed as plain elements of their own type. */
void emit_reads(Emit *, int slot, Value *v);
/* Buffer `slot` is where v is made, from this step on. */
void emit_writes(Emit *, int slot, Value *v);
/* A matrix [k, n] of the weights, or [n, k] with transpose, packed in panels;
 * returns the format that was chosen for it. */
WFormat emit_packed(Emit *, int slot, Value *v, bool transpose);
/* The same of a stack [count, n, k]: one packed matrix after another. */
WFormat emit_stack(Emit *, int slot, Value *v);
/* x [m, k] of a product with weights of format f.  Formats of integers want x
 * rounded: by a step that is appended before the present one, which moves
 * e->step, so ask for x before any place in the arena.  Returns whether. */
bool emit_input(Emit *, int slot, Value *x, WFormat f);
/* Buffer `slot` is where v is, and so is `alias`, a value that a kernel makes
 * in place. */
void emit_inplace(Emit *, int slot, Value *v, const Value *alias);

typedef void EmitFn(Emit *, Node *);

/* emit_kernel.c: e->row of node n, one for each kernel. */
extern EmitFn *const emit_kernel[K_COUNT];
/* The kernel that a node of HOST_DOMAIN asks for by its type, or K_COUNT. */
KernelId kernel_of(const Node *);

#endif
