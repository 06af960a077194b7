/* SPDX-License-Identifier: BSD-3-Clause
 * window.h - what slides over a tensor: kernels of Conv and the pools. */

#ifndef WINDOW_H
#define WINDOW_H

#include "num.h"

enum { MAXSPACE = MAXRANK - 2 };

/* Over the last n dimensions of [batch, channels, ...]. */
typedef struct Window {
	int n;
	int64_t in[MAXSPACE], out[MAXSPACE];
	int64_t kernel[MAXSPACE], stride[MAXSPACE], dilation[MAXSPACE];
	int64_t begin[MAXSPACE], end[MAXSPACE]; /* padding */
	bool ceil; /* sizes round up: windows may begin inside and end out */
} Window;

/* Reads strides, pads, dilations, auto_pad and ceil_mode for an input of
 * shape x; the kernel is `kernel` (w's shape from dimension 2), or
 * kernel_shape where that is NULL.  out[] is found, -1 where unknown. */
bool window_open(Ctx *, const Node *, const Shape *x, const Shape *kernel,
                 Window *);
/* The result y [N, M, out...] of a convolution of x [N, C, in...] by w
 * [M, C / group, kernel...], and its window. */
bool window_conv(Ctx *, const Node *, const Shape *x, const Shape *w, Shape *y,
                 Window *);
/* One padding and stride attribute as numbers, checked. */
bool window_list(Ctx *, const Node *, const char *name, int n, int64_t none,
                 int64_t least, int64_t *out);

int64_t window_places(const Window *); /* outputs a channel */
int64_t window_taps(const Window *);   /* elements of the kernel */
/* For output place o: where each tap reads in the channel, -1: padding. */
void window_at(const Window *, int64_t o, int64_t *tap);

#endif
