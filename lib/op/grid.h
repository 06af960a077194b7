/* SPDX-License-Identifier: BSD-3-Clause
 * grid.h - reading between elements. */

#ifndef GRID_H
#define GRID_H

#include "num.h"

/* x[dim...] at a point, by the 2^n corners around it; outside is 0. */
double sample_linear(const double *x, const int64_t *dim, int n,
                     const double *at);

#endif
