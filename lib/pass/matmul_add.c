/* SPDX-License-Identifier: BSD-3-Clause
 * matmul_add.c - MatMul and Add of rank 2 are one Gemm.
 *
 * Sums may round in another place.  Needs shapes. */

#include "pass.h"

/* Whether c broadcasts to y, of rank 2, without widening it. */
static bool
fits(const Value *c, const Value *y)
{
	int pad = 2 - c->shape.rank;

	if (c->shape.rank < 0 || pad < 0 || y->shape.rank != 2)
		return false;
	for (int i = 0; i < c->shape.rank; i++)
		if (c->shape.dim[i] != 1 &&
		    (c->shape.dim[i] < 0 ||
		     c->shape.dim[i] != y->shape.dim[pad + i]))
			return false;
	return true;
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	(void)c;
	if (!node_is(n, "Add") || graph_opset(n->graph, "") < 11)
		return true;
	for (int i = 0; i < 2; i++) {
		Node *m = match_inner(n->in[i], "MatMul");
		Value *in[3];

		if (!m || m->in[0]->shape.rank != 2 ||
		    m->in[1]->shape.rank != 2 ||
		    dtypes[m->in[0]->type].class != 'F' ||
		    !fits(n->in[1 - i], m->out[0]))
			continue;
		in[0] = m->in[0];
		in[1] = m->in[1];
		in[2] = n->in[1 - i];
		edit_become(e, n, "", "Gemm", 3, in);
		return true;
	}
	return true;
}

bool
pass_matmul_add(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
