/* SPDX-License-Identifier: BSD-3-Clause
 * npy_head.h - an array from bytes, for .npy and for members of .npz. */

#ifndef NPY_HEAD_H
#define NPY_HEAD_H

#include "ir.h"

/* bytes live as long as a; data may stay in them. */
bool npy_parse(Ctx *, Arena *a, Span bytes, Value *out);
bool npz_parse(Ctx *, Arena *a, Span bytes, Value **out, int *n);

#endif
