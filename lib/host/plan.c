/* SPDX-License-Identifier: BSD-3-Clause
 * plan.c - where the values of a program stand in its arena.
 *
 * Big ones first, each at the lowest place that no value alive at the same
 * time covers: near the optimum for the chains that networks are, and the
 * same on every machine. */

#include <stdlib.h>

#include "compile.h"

enum { ALIGN = 64 };

static int
by_size(const void *a, const void *b)
{
	const Life *x = *(Life *const *)a, *y = *(Life *const *)b;

	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return x < y ? -1 : x > y;
}

static int
by_place(const void *a, const void *b)
{
	const Life *x = *(Life *const *)a, *y = *(Life *const *)b;

	return x->off < y->off ? -1 : x->off > y->off;
}

/* The lowest gap of l->size between the n values that live with l. */
static int64_t
lowest(const Life *l, Life **with, int n)
{
	int64_t at = 0;

	qsort(with, (size_t)n, sizeof *with, by_place);
	for (int i = 0; i < n; i++) {
		if (with[i]->off - at >= l->size)
			break;
		at = MAX(at, with[i]->off + with[i]->size);
	}
	return at;
}

int64_t
plan_arena(Arena *scratch, Life *life, int n)
{
	Life **order = NEWV(scratch, Life *, n + 1),
	     **with = NEWV(scratch, Life *, n + 1);
	int64_t total = 0;

	for (int i = 0; i < n; i++) {
		life[i].size = (life[i].size + ALIGN - 1) / ALIGN * ALIGN;
		order[i] = &life[i];
	}
	qsort(order, (size_t)n, sizeof *order, by_size);
	for (int i = 0; i < n; i++) {
		int k = 0;

		for (int j = 0; j < i; j++)
			if (order[j]->from <= order[i]->to &&
			    order[i]->from <= order[j]->to && order[j]->size)
				with[k++] = order[j];
		order[i]->off = lowest(order[i], with, k);
		total = MAX(total, order[i]->off + order[i]->size);
	}
	return total;
}
