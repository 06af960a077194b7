/* SPDX-License-Identifier: BSD-3-Clause
 * nest.c - loops over boxes of any rank, and the copies made of them.
 *
 * A nest is packed before it runs: dimensions of one element go, and
 * neighbours merge where every operand walks them as one.  What is left is
 * rarely more than two loops, so rows are long. */

#include "num.h"

void
shape_steps(const Shape *s, int64_t *step)
{
	int64_t n = 1;

	for (int i = s->rank - 1; i >= 0; i--) {
		step[i] = n;
		n *= s->dim[i];
	}
}

static bool
mergeable(const Nest *z, int d)
{
	for (int k = 0; k < z->nop; k++)
		if (z->step[k][d] != z->step[k][d + 1] * z->dim[d + 1])
			return false;
	return true;
}

static void
drop(Nest *z, int d)
{
	for (int i = d; i + 1 < z->rank; i++) {
		z->dim[i] = z->dim[i + 1];
		for (int k = 0; k < z->nop; k++)
			z->step[k][i] = z->step[k][i + 1];
	}
	z->rank--;
}

bool
nest_pack(Nest *z)
{
	bool some = true;

	for (int d = z->rank - 1; d >= 0; d--) {
		some = some && z->dim[d] > 0;
		if (z->dim[d] == 1)
			drop(z, d);
	}
	for (int d = z->rank - 2; d >= 0; d--)
		if (mergeable(z, d)) {
			z->dim[d + 1] *= z->dim[d];
			drop(z, d);
		}
	if (z->rank == 0) {
		z->rank = 1;
		z->dim[0] = 1;
		for (int k = 0; k < z->nop; k++)
			z->step[k][0] = 1;
	}
	memset(z->at, 0, sizeof z->at);
	return some;
}

bool
nest_broadcast(Nest *z, const Shape *y, int n, const Shape *const *x)
{
	int64_t step[MAXRANK];

	*z = (Nest){.rank = y->rank, .nop = n};
	memcpy(z->dim, y->dim, sizeof z->dim);
	for (int k = 0; k < n; k++) {
		int pad = y->rank - x[k]->rank;

		shape_steps(x[k], step);
		for (int d = 0; d < x[k]->rank; d++)
			if (x[k]->dim[d] != 1)
				z->step[k][pad + d] = step[d];
	}
	return nest_pack(z);
}

bool
nest_next(Nest *z)
{
	for (int d = z->rank - 2; d >= 0; d--) {
		for (int k = 0; k < z->nop; k++)
			z->off[k] += z->step[k][d];
		if (++z->at[d] < z->dim[d])
			return true;
		z->at[d] = 0;
		for (int k = 0; k < z->nop; k++)
			z->off[k] -= z->step[k][d] * z->dim[d];
	}
	return false;
}

int64_t
nest_row(const Nest *z, int k)
{
	return z->step[k][z->rank - 1];
}

/* Rows of the common sizes are plain loops. */
#define MOVE_ROW(type)                                                         \
	for (int64_t i = 0; i < n; i++)                                        \
	((type *)y)[i * ystep] = ((const type *)x)[i * xstep]

static void
move_row(void *y, int64_t ystep, const void *x, int64_t xstep, int64_t n,
         size_t size)
{
	if (ystep == 1 && xstep == 1)
		memcpy(y, x, (size_t)n * size);
	else if (size == 1)
		MOVE_ROW(uint8_t);
	else if (size == 2)
		MOVE_ROW(uint16_t);
	else if (size == 4)
		MOVE_ROW(uint32_t);
	else if (size == 8)
		MOVE_ROW(uint64_t);
	else
		MOVE_ROW(Span);
}

static void
move_bits(Nest *z, void *y, const void *x, int bits)
{
	do
		for (int64_t i = 0; i < nest_len(z); i++)
			bits_put(y, z->off[0] + i * nest_row(z, 0), bits,
			         bits_get(x, z->off[1] + i * nest_row(z, 1),
			                  bits));
	while (nest_next(z));
}

void
elem_move(Value *y, int64_t yoff, const int64_t *ystep, const Value *x,
          int64_t xoff, const int64_t *xstep, const Shape *box)
{
	Nest z = {.rank = box->rank, .nop = 2, .off = {yoff, xoff}};
	size_t size = dtypes[x->type].size;
	const char *from = x->data.mem;
	char *to = value_bytes(y);

	for (int d = 0; d < box->rank; d++) {
		z.dim[d] = box->dim[d];
		z.step[0][d] = ystep[d];
		z.step[1][d] = xstep[d];
	}
	if (!nest_pack(&z))
		return;
	if (dtypes[x->type].bits < 8) {
		move_bits(&z, to, from, dtypes[x->type].bits);
		return;
	}
	do
		move_row(to + z.off[0] * (int64_t)size, nest_row(&z, 0),
		         from + z.off[1] * (int64_t)size, nest_row(&z, 1),
		         nest_len(&z), size);
	while (nest_next(&z));
}

void
elem_copy(Value *y, int64_t yat, const Value *x, int64_t xat, int64_t n)
{
	const int64_t one = 1;

	elem_move(y, yat, &one, x, xat, &one, &(Shape){1, {n}});
}
