/* SPDX-License-Identifier: BSD-3-Clause
 * view.c - constants seen through Cast, Transpose, Slice and Reshape where
 * that is only another way to walk their bytes. */

#include "compile.h"

/* Ranges of axes from constant bounds on, one element after the other; the
 * shape of the result tells where they end. */
static bool
slice(const Node *n, View *w)
{
	const Shape *to = &n->out[0]->shape;
	int64_t count = n->nin > 3 ? shape_count(&n->in[1]->shape) : -1;

	for (int i = 1; i < n->nin; i++)
		if (!n->in[i] || n->in[i]->type != DT_I64 ||
		    !n->in[i]->data.mem)
			return false;
	for (int64_t i = 0; i < count; i++) {
		int64_t from = ((const int64_t *)n->in[1]->data.mem)[i];
		int64_t axis = ((const int64_t *)n->in[3]->data.mem)[i];

		axis += axis < 0 ? w->rank : 0;
		if (axis < 0 || axis >= w->rank)
			return false;
		from += from < 0 ? w->dim[axis] : 0;
		if (from < 0 || from > w->dim[axis] ||
		    (n->nin > 4 &&
		     ((const int64_t *)n->in[4]->data.mem)[i] != 1))
			return false;
		w->off += from * w->stride[axis];
	}
	memcpy(w->dim, to->dim, sizeof w->dim);
	return count >= 0;
}

static bool
transpose(const Node *n, View *w)
{
	const int64_t *perm;
	View was = *w;

	if (attr_ints(n, "perm", &perm) != w->rank)
		return false;
	for (int i = 0; i < w->rank; i++) {
		w->dim[i] = was.dim[perm[i]];
		w->stride[i] = was.stride[perm[i]];
	}
	return true;
}

/* Axes of one element go. */
static void
squeeze(View *w)
{
	int k = 0;

	for (int i = 0; i < w->rank; i++)
		if (w->dim[i] != 1) {
			w->dim[k] = w->dim[i];
			w->stride[k++] = w->stride[i];
		}
	w->rank = k;
}

/* Old axes [i, j) hold what new axes [a, b) hold: they must lie as one. */
static bool
regroup(const View *was, int i, int j, const Shape *to, int a, int b, View *w)
{
	int64_t stride = was->stride[j - 1];

	for (; i + 1 < j; i++)
		if (was->stride[i] != was->stride[i + 1] * was->dim[i + 1])
			return false;
	for (int k = b - 1; k >= a; k--) {
		w->stride[k] = stride;
		stride *= to->dim[k];
	}
	return true;
}

static bool
reshape(const Shape *to, View *w)
{
	View was = *w;
	int i = 0, a = 0, j, b;
	int64_t n, m;

	squeeze(&was);
	w->rank = to->rank;
	memcpy(w->dim, to->dim, sizeof w->dim);
	memset(w->stride, 0, sizeof w->stride);
	for (; i < was.rank; i = j, a = b) {
		n = was.dim[i];
		j = i + 1;
		for (m = 1, b = a; b < to->rank && m < n; b++)
			m *= to->dim[b];
		while (m != n) {
			if (n < m && j < was.rank)
				n *= was.dim[j++];
			else if (m < n && b < to->rank)
				m *= to->dim[b++];
			else
				return false;
		}
		if (!regroup(&was, i, j, to, a, b, w))
			return false;
	}
	return true;
}

static void
dense(Value *v, View *w)
{
	int64_t k = 1;

	*w = (View){.base = v, .rank = v->shape.rank};
	for (int i = v->shape.rank - 1; i >= 0; i--) {
		w->dim[i] = v->shape.dim[i];
		w->stride[i] = k;
		k *= w->dim[i];
	}
}

static bool
is_reshape(const Node *n)
{
	return is_op(n, "", "Reshape") || is_op(n, "", "Unsqueeze") ||
	       is_op(n, "", "Squeeze");
}

bool
view_of(const Value *v, View *w)
{
	const Node *n = v->from;

	if (value_is_const(v)) {
		dense((Value *)(uintptr_t)v, w);
		return is_real(v) && shape_count(&v->shape) > 0;
	}
	if (!n || !n->nin || !n->in[0] || !view_of(n->in[0], w))
		return false;
	if (is_op(n, "", "Cast"))
		return is_real(v);
	if (is_op(n, "", "Transpose"))
		return transpose(n, w);
	if (is_op(n, "", "Slice"))
		return slice(n, w);
	return is_reshape(n) && reshape(&v->shape, w);
}

/* The input of a Concat along the first axis that holds item i; i becomes
 * its number there. */
static const Value *
concat_part(const Node *n, int64_t *i)
{
	if (!is_op(n, "", "Concat") || attr_int(n, "axis", -1) != 0)
		return NULL;
	for (int k = 0; k < n->nin; k++) {
		if (*i < n->in[k]->shape.dim[0])
			return n->in[k];
		*i -= n->in[k]->shape.dim[0];
	}
	return NULL;
}

bool
view_item(const Value *v, int64_t i, View *w)
{
	const Node *n = v->from;
	const int64_t *perm;
	const Value *part;
	View was;

	if ((part = concat_part(n, &i)))
		return view_item(part, i, w);
	if (is_op(n, "", "Cast") && is_real(v) && is_real(n->in[0]))
		return view_item(n->in[0], i, w);
	if (is_op(n, "", "Transpose") &&
	    attr_ints(n, "perm", &perm) == v->shape.rank && perm[0] == 0) {
		if (!view_item(n->in[0], i, &was))
			return false;
		*w = was;
		for (int k = 0; k < was.rank; k++) {
			w->dim[k] = was.dim[perm[k + 1] - 1];
			w->stride[k] = was.stride[perm[k + 1] - 1];
		}
		return true;
	}
	if (!view_of(v, w) || w->rank < 1)
		return false;
	w->off += i * w->stride[0];
	w->rank--;
	memmove(w->dim, w->dim + 1, (size_t)w->rank * sizeof *w->dim);
	memmove(w->stride, w->stride + 1, (size_t)w->rank * sizeof *w->stride);
	return true;
}
