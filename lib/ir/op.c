/* SPDX-License-Identifier: BSD-3-Clause
 * op.c - the rows of ops.def as a table. */

#include "ir.h"

const Op optab[] = {
#define OP(name, dom, since, lo, hi, infer, eval, flags)                       \
	{#name, dom, since, lo, hi, infer, eval, flags},
#include "ops.def"
#undef OP
	{0}};
const int nop = LEN(optab) - 1;

const Op *
op_find(const char *domain, const char *name, int64_t version)
{
	const Op *best = NULL;

	if (strcmp(domain, "ai.onnx") == 0)
		domain = "";
	for (const Op *o = optab; o < optab + nop; o++)
		if (o->since <= version && (!best || o->since > best->since) &&
		    strcmp(o->name, name) == 0 &&
		    strcmp(o->domain, domain) == 0)
			best = o;
	return best;
}

void
node_resolve(Node *n)
{
	n->op = op_find(n->domain, n->type, graph_opset(n->graph, n->domain));
}
