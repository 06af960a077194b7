/* SPDX-License-Identifier: BSD-3-Clause
 * infer.c - types and shapes of all values, as far as they can be known. */

#include "op.h"
#include "pass.h"

static int
unknowns(const Graph *g)
{
	int n = 0;

	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		n += v && (!v->type || !shape_known(&v->shape));
	}
	return n;
}

bool
pass_infer(Ctx *c, Edit *e)
{
	int before = unknowns(e->g);

	if (!graph_infer(c, e->g, false))
		return false;
	e->changes = before - unknowns(e->g);
	return true;
}
