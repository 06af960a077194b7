/* SPDX-License-Identifier: BSD-3-Clause
 * shape.c - products and texts of shapes. */

#include <stdio.h>

#include "ir.h"

int64_t
shape_count(const Shape *s)
{
	int64_t n = 1;
	bool zero = false;

	if (s->rank < 0)
		return -1;
	for (int i = 0; i < s->rank; i++) {
		if (s->dim[i] < 0)
			return -1;
		zero = zero || !s->dim[i];
	}
	for (int i = 0; i < s->rank && !zero; i++)
		if (__builtin_mul_overflow(n, s->dim[i], &n))
			return -1;
	return zero ? 0 : n;
}

bool
shape_known(const Shape *s)
{
	return shape_count(s) >= 0;
}

bool
shape_eq(const Shape *a, const Shape *b)
{
	if (a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

ShapeText
shape_text(const Shape *s)
{
	ShapeText t = {"[...]"};
	size_t n = 0;

	if (s->rank < 0)
		return t;
	for (int i = 0; i < s->rank; i++)
		n += (size_t)snprintf(t.s + n, sizeof t.s - n,
		                      s->dim[i] < 0 ? "%s?" : "%s%lld",
		                      i ? "," : "[", (long long)s->dim[i]);
	snprintf(t.s + n, sizeof t.s - n, "%s", s->rank ? "]" : "[]");
	return t;
}
