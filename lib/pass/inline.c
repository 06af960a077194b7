/* SPDX-License-Identifier: BSD-3-Clause
 * inline.c - calls of functions become their bodies.
 *
 * Not of those that ops.def has as operators: the compilers know them by
 * name. */

#include "op.h"
#include "pass.h"

bool
pass_inline(Ctx *c, Edit *e)
{
	int before = e->g->nnode;

	if (!graph_inline(c, e->g))
		return false;
	e->changes = e->g->nnode != before;
	return edit_prune(c, e);
}
