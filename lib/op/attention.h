/* SPDX-License-Identifier: BSD-3-Clause
 * attention.h - what the attention files share: heads, rows of scores. */

#ifndef ATTENTION_H
#define ATTENTION_H

#include "num.h"

/* [batch, heads, len, width] in double, by steps. */
typedef struct Heads {
	double *x;
	int64_t batch, heads, len, width;
	int64_t bstep, hstep, sstep;
} Heads;

/* Shape as [batch, heads, len, width] of a tensor that is that, or is
 * [batch, len, heads * width]. */
bool heads_shape(Ctx *, const Value *, int64_t heads, Shape *);
bool heads_open(Ctx *, Arena *, const Value *, int64_t heads, Heads *);
Heads heads_new(Arena *, int64_t batch, int64_t heads, int64_t len,
                int64_t width);
/* Row i of a head: width elements, one behind the other. */
double *heads_row(const Heads *, int64_t b, int64_t head, int64_t i);
void heads_copy(Heads *y, int64_t at, const Heads *x);
void heads_store(Value *, const Heads *); /* dense ones; NULL: not wanted */

double dot(const double *, const double *, int64_t n);
/* Softmax in place; all -inf gives zeros. */
void soften(double *, int64_t n, double sink);
/* y = p[n] times the first n rows of a head of v */
void mix(const Heads *v, int64_t b, int64_t h, const double *p, int64_t n,
         double *y);

/* What is added to score (b, h, i, j).  A mask of bool hides what is false; of
 * floats, it is added.  A dimension of 1 repeats, and keys past a last
 * dimension that is too short are hidden. */
double mask_at(const Value *, int64_t b, int64_t h, int64_t i, int64_t j);
/* Whether a mask of any rank up to 4 stretches to [batch, heads, rows, cols].
 */
bool mask_fits(Ctx *, const Value *, int64_t batch, int64_t heads, int64_t rows,
               int64_t cols);

#endif
