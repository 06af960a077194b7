/* SPDX-License-Identifier: BSD-3-Clause
 * keep.h - what attention reads of a retained cache, seen in a graph. */

#ifndef KEEP_H
#define KEEP_H

#include "compile.h"

/* Rows of a cache that are read back. */
typedef struct Kept {
	Value *cache;  /* what was put in, or handed on */
	Node *scatter; /* that put it in, or the cache_write in its place */
	Value *x;      /* what it put in, without what stood for padding */
	Value *pos;    /* where it put them */
	Value *slot;   /* in which rows of the cache; NULL: each its own */
	Value *last;   /* newest row of each batch row */
	int64_t len;   /* how many are read */
	int64_t ring;  /* a position goes to this one mod ring; 0: to itself */
	Value *near;   /* the rows that are read, else NULL: the first ones */
	int64_t reach; /* of near: they begin so far before the first token */
} Kept;

/* pos of v = pos + offset, through views, casts and numbers added. */
Value *position(Value *v, double *offset);

/* ---- keep.c: layers with a window ---- */

/* k->pos is a position mod ring: of any padding, or of none. */
void match_turned(Kept *);
/* The same where padding goes to the slot after the newest one, with what
 * stands in slot 0. */
void match_turned_padded(Kept *);
/* The position that each slot of a ring holds after a call. */
bool match_held(Value *, const Value *pos, int64_t ring);
/* k->near are k->len rows from a window before the call's first. */
bool match_near(Kept *);

#endif
