/* SPDX-License-Identifier: BSD-3-Clause
 * sequence.h - lists of tensors, for the files that make them. */

#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "num.h"

/* An output that is a sequence of a type. */
bool sequence_set(Ctx *, Value *, DType);
/* y = the n items, of one shape, side by side along a new axis. */
bool sequence_stack(Ctx *, Arena *, Value *y, Value *const *item, int n,
                    int axis);

#endif
