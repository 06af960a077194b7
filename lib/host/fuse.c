/* SPDX-License-Identifier: BSD-3-Clause
 * fuse.c - runs the rows of fusions.def.
 *
 * A fusion adds nodes at the end; the graph is put in order and pruned after
 * each row, so that the next one sees every use that is left. */

#include "compile.h"

static const Fusion fusions[] = {
#define FUSE(name, domain, type, fn) {name, domain, type, fn},
#include "fusions.def"
#undef FUSE
};

static bool
run(Ctx *c, Graph *g, const Fusion *f, int *hits)
{
	*hits = 0;
	graph_count_uses(g);
	for (int i = g->nnode - 1; i >= 0; i--) {
		if (!is_op(g->node[i], f->domain, f->type) ||
		    !is_plain(g->node[i]) || !f->fn(c, g, g->node[i]))
			continue;
		++*hits;
		graph_count_uses(g);
	}
	if (c->status != QE_OK)
		return false;
	if (!*hits)
		return true;
	graph_prune(g);
	return graph_sort(c, g);
}

bool
host_fuse(Ctx *c, Graph *g)
{
	int hits;

	for (size_t i = 0; i < LEN(fusions); i++) {
		if (!run(c, g, &fusions[i], &hits))
			return note(c, "fusing %s", fusions[i].name);
		if (hits)
			say(c, 2, "fused %s: %d", fusions[i].name, hits);
	}
	return true;
}
