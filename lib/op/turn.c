/* SPDX-License-Identifier: BSD-3-Clause
 * turn.c - the memory of iterations. */

#include "turn.h"

void
turn_begin(Turn *t, const Arena *a)
{
	size_t room = arena_room(a), most = room == SIZE_MAX ? 0 : MAX(room, 1);

	t->now.most = t->carry[t->odd].most = most;
}

bool
turn_keep(Ctx *c, Turn *t, Value **v)
{
	Value *y = NEW(&t->carry[t->odd], Value);

	y->name = (*v)->name;
	if (!value_copy(c, &t->carry[t->odd], y, *v))
		return false;
	*v = y;
	return true;
}

void
turn_end(Turn *t)
{
	arena_free(&t->now);
	t->odd ^= 1;
	arena_free(&t->carry[t->odd]);
}

void
turn_close(Turn *t)
{
	arena_free(&t->now);
	arena_free(&t->carry[0]);
	arena_free(&t->carry[1]);
}
