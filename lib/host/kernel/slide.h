/* SPDX-License-Identifier: BSD-3-Clause */
/* slide.h - windows over images with channels last: what a place sees. */

#ifndef SLIDE_H_
#define SLIDE_H_

#include "impl.h"

/* Along one axis: taps [lo, hi) are inside the image; tap a is at
 * from + a * step. */
typedef struct Taps {
	int64_t lo, hi, from, step;
} Taps;

static inline Taps
taps(int64_t from, int64_t step, int64_t count, int64_t size)
{
	Taps t = {.from = from, .step = step};

	t.lo = from < 0 ? MIN((-from + step - 1) / step, count) : 0;
	t.hi = from < size ? MIN((size - from + step - 1) / step, count) : 0;
	t.hi = MAX(t.hi, t.lo);
	return t;
}

static inline Taps
row_taps(const int64_t *d, int64_t i)
{
	return taps(i * d[SLIDE_SH] - d[SLIDE_PT], d[SLIDE_DH], d[SLIDE_KH],
	            d[SLIDE_H]);
}

static inline Taps
column_taps(const int64_t *d, int64_t j)
{
	return taps(j * d[SLIDE_SW] - d[SLIDE_PL], d[SLIDE_DW], d[SLIDE_KW],
	            d[SLIDE_W]);
}

/* The pixel of image x that taps a and b of a window read. */
static inline const float *
pixel(const int64_t *d, const float *x, const Taps *v, const Taps *u, int64_t a,
      int64_t b)
{
	return x +
	       ((v->from + a * v->step) * d[SLIDE_W] + u->from + b * u->step) *
	               d[SLIDE_C];
}

/* conv.c: conv by a product and an activation of any instruction set */
void conv_with(const Step *, int64_t begin, int64_t end, int thread,
               KernelFn *matmul, KernelFn *unary);

#endif
