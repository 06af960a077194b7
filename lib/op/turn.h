/* SPDX-License-Identifier: BSD-3-Clause
 * turn.h - the memory of iterations: what one makes is gone after it, but for
 * the values that the next one takes over. */

#ifndef TURN_H
#define TURN_H

#include "num.h"

typedef struct Turn {
	Arena now, carry[2];
	int odd; /* carry of this iteration */
} Turn;

/* All of it is bounded by what is left in a. */
void turn_begin(Turn *, const Arena *a);
/* *v becomes a copy that the next iteration may use. */
bool turn_keep(Ctx *, Turn *, Value **v);
void turn_end(Turn *);
void turn_close(Turn *);

#endif
