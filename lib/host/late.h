/* SPDX-License-Identifier: BSD-3-Clause
 * late.h - what is sized at run time.
 *
 * A value is late if its size is not known before a run: it depends on the
 * values of others, or on an input whose shape was left open, or it is a
 * sequence, an optional or text.  It lives in the reference graph, as a value
 * of which the program knows the name only, from the step that makes it to
 * the last that reads it.  A step that makes or reads late values, or has
 * graphs of its own to run, is evaluated by lib/op with shapes as they are
 * then; together late values may take as much memory as the package says. */

#ifndef LATE_H
#define LATE_H

#include "host.h"

typedef struct Late Late;

Late *late_new(Arena *, int64_t most);
/* Makes v, declared as it is now, a late value; again: the same. */
void late_value(Late *, Value *v);
bool is_late(const Value *v);
/* v is put in by the caller, or must last until the next run. */
void late_keep(Late *, const Value *v);
/* Step `step` reads v. */
void late_use(Late *, const Value *v, int step);

/* One step.  Outputs that are not late have their place in memory and the
 * shape that was planned: `planned`, copies of n->out, keep both. */
typedef struct LateStep {
	Node *node;
	Value *planned;
} LateStep;

/* Forgets what was made in the last run. */
void late_begin(Late *);
bool late_run(Ctx *, Late *, const LateStep *, int step);

#endif
