/* SPDX-License-Identifier: BSD-3-Clause
 * transpose.c - two transposes in a row are one, or none. */

#include "pass.h"

/* Without the attribute, all axes are turned round. */
static int
get_perm(const Node *n, int64_t *to)
{
	const int64_t *perm;
	int rank = attr_ints(n, "perm", &perm);

	if (rank < 0) {
		rank = n->in[0]->shape.rank;
		for (int i = 0; i < rank; i++)
			to[i] = rank - 1 - i;
		return rank;
	}
	if (rank > MAXRANK)
		return -1;
	for (int i = 0; i < rank; i++)
		if ((to[i] = perm[i]) < 0 || perm[i] >= rank)
			return -1;
	return rank;
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	Node *first = n->nin && n->in[0] ? n->in[0]->from : NULL;
	int64_t p[MAXRANK], q[MAXRANK], both[MAXRANK];
	bool same = true;
	int rank;

	(void)c;
	if (!node_is(n, "Transpose") || !node_is(first, "Transpose"))
		return true;
	rank = get_perm(n, q);
	if (rank < 0 || get_perm(first, p) != rank)
		return true;
	for (int i = 0; i < rank; i++) {
		both[i] = p[q[i]];
		same = same && both[i] == i;
	}
	if (same && edit_drop(e, n, first->in[0]))
		return true;
	edit_input(e, n, 0, first->in[0]);
	attr_set_ints(n->graph, n, "perm", rank, both);
	return true;
}

bool
pass_transpose(Ctx *c, Edit *e)
{
	return edit_each(c, e, visit);
}
