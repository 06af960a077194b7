/* SPDX-License-Identifier: BSD-3-Clause
 * window.c - kernels that slide: sizes, padding and where each tap reads. */

#include "window.h"

enum { LIMIT = 1 << 30 }; /* of strides, pads and the like */

bool
window_list(Ctx *c, const Node *n, const char *name, int count, int64_t none,
            int64_t least, int64_t *out)
{
	const int64_t *ints;
	int have = attr_ints(n, name, &ints);

	if (have >= 0 && have != count)
		return fail(c, QE_INPUT, "%s: %d numbers, wanted %d", name,
		            have, count);
	for (int i = 0; i < count; i++) {
		out[i] = have < 0 ? none : ints[i];
		if (out[i] < least || out[i] > LIMIT)
			return fail(c, QE_INPUT, "%s: %lld", name,
			            (long long)out[i]);
	}
	return true;
}

static bool
kernel_arg(Ctx *c, const Node *n, const Shape *w, Window *k)
{
	if (!w)
		return attr_find(n, "kernel_shape")
		               ? window_list(c, n, "kernel_shape", k->n, 1, 1,
		                             k->kernel)
		               : fail(c, QE_INPUT, "no kernel_shape");
	if (w->rank != k->n + 2)
		return fail(c, QE_INPUT, "kernel of shape %s", shape_text(w).s);
	for (int i = 0; i < k->n; i++)
		k->kernel[i] = w->dim[i + 2];
	int64_t given[MAXSPACE];

	if (!attr_find(n, "kernel_shape"))
		return true;
	if (!window_list(c, n, "kernel_shape", k->n, 1, 1, given))
		return false;
	for (int i = 0; i < k->n; i++)
		if (k->kernel[i] >= 0 && k->kernel[i] != given[i])
			return fail(c, QE_INPUT, "kernel_shape for %s",
			            shape_text(w).s);
		else
			k->kernel[i] = given[i];
	return true;
}

/* SAME: as many outputs as ceil(in / stride), the odd pad at one end. */
static void
pad_same(Window *k, int i, bool upper)
{
	int64_t reach = (k->kernel[i] - 1) * k->dilation[i] + 1, pad;

	k->out[i] = k->in[i] < 0 ? -1
	                         : (k->in[i] + k->stride[i] - 1) / k->stride[i];
	pad = (k->out[i] - 1) * k->stride[i] + reach - k->in[i];
	pad = MAX(0, pad);
	k->begin[i] = upper ? pad / 2 : pad - pad / 2;
	k->end[i] = pad - k->begin[i];
}

static bool
out_size(Ctx *c, Window *k, int i)
{
	int64_t reach, room;

	k->out[i] = -1;
	if (k->in[i] < 0 || k->kernel[i] < 0)
		return true;
	reach = (k->kernel[i] - 1) * k->dilation[i] + 1;
	room = k->in[i] + k->begin[i] + k->end[i] - reach;
	if (room < 0)
		return fail(c, QE_INPUT, "kernel reaches %lld of %lld",
		            (long long)reach,
		            (long long)(k->in[i] + k->begin[i] + k->end[i]));
	k->out[i] =
		(room + (k->ceil ? k->stride[i] - 1 : 0)) / k->stride[i] + 1;
	/* a window that begins in the end padding is none */
	if (k->ceil && (k->out[i] - 1) * k->stride[i] >= k->in[i] + k->begin[i])
		k->out[i]--;
	return true;
}

bool
window_open(Ctx *c, const Node *n, const Shape *x, const Shape *w, Window *k)
{
	const char *how = attr_str(n, "auto_pad", "NOTSET");
	bool same = str_starts(how, "SAME_");
	int64_t pads[2 * MAXSPACE];

	*k = (Window){.n = x->rank - 2, .ceil = attr_int(n, "ceil_mode", 0)};
	if (x->rank < 3)
		return fail(c, QE_INPUT, "rank %d", x->rank);
	memcpy(k->in, x->dim + 2, (size_t)k->n * sizeof *k->in);
	if (!str_in(how, (const char *[]){"NOTSET", "VALID", "SAME_UPPER",
	                                  "SAME_LOWER", NULL}))
		return fail(c, QE_INPUT, "auto_pad '%s'", how);
	if (!kernel_arg(c, n, w, k) ||
	    !window_list(c, n, "strides", k->n, 1, 1, k->stride) ||
	    !window_list(c, n, "dilations", k->n, 1, 1, k->dilation) ||
	    !window_list(c, n, "pads", 2 * k->n, 0, 0, pads))
		return false;
	for (int i = 0; i < k->n; i++) {
		bool none = strcmp(how, "VALID") == 0;

		if (k->in[i] > INT32_MAX || k->kernel[i] > LIMIT)
			return fail(c, QE_INPUT, "%s is too large",
			            shape_text(x).s);
		k->begin[i] = none ? 0 : pads[i];
		k->end[i] = none ? 0 : pads[k->n + i];
		if (same && k->kernel[i] >= 0)
			pad_same(k, i, strcmp(how, "SAME_UPPER") == 0);
		else if (!out_size(c, k, i))
			return false;
	}
	return true;
}

static int64_t
product(const int64_t *x, int n)
{
	int64_t p = 1;

	for (int i = 0; i < n; i++)
		p *= x[i];
	return p;
}

int64_t
window_places(const Window *k)
{
	return product(k->out, k->n);
}

int64_t
window_taps(const Window *k)
{
	return product(k->kernel, k->n);
}

void
window_at(const Window *k, int64_t o, int64_t *tap)
{
	int64_t first[MAXSPACE], taps = window_taps(k);

	for (int i = k->n - 1; i >= 0; i--) {
		first[i] = o % k->out[i] * k->stride[i] - k->begin[i];
		o /= k->out[i];
	}
	for (int64_t t = 0; t < taps; t++) {
		int64_t rest = t, off = 0, step = 1;

		for (int i = k->n - 1; i >= 0; i--) {
			int64_t at =
				first[i] + rest % k->kernel[i] * k->dilation[i];

			rest /= k->kernel[i];
			if (at < 0 || at >= k->in[i])
				step = 0;
			off += at * step;
			step *= k->in[i];
		}
		tap[t] = step || !off ? off : -1;
		if (!step)
			tap[t] = -1;
	}
}
