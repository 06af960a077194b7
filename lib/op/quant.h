/* SPDX-License-Identifier: BSD-3-Clause
 * quant.h - scales and zero points, for the quantised operators. */

#ifndef QUANT_H
#define QUANT_H

#include "num.h"

/* x minus its zero point (NULL: 0), in double.  A zero point is one element,
 * or one for each index of `axis` (-1: only one element). */
bool quant_centre(Ctx *, Arena *, const Value *x, const Value *zero, int axis,
                  double **out);
/* y = (a - a_zero)(b - b_zero), in memory that it gets: rows of a and columns
 * of b may have zero points of their own. */
bool quant_product(Ctx *, Arena *, const Value *a, const Value *za,
                   const Value *b, const Value *zb, Value *y);
/* The one element of a scale. */
bool quant_scalar(Ctx *, const Value *, double *out);
/* Stores whole numbers, clamped to what the integer type holds. */
void quant_store(Value *, int64_t at, int64_t n, const double *);

#endif
