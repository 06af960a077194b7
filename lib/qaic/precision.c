/* SPDX-License-Identifier: BSD-3-Clause
 * precision.c - nodes that stay float32 where all else becomes float16.
 *
 * Those the user names; and what is computed of positions, on its way to a
 * sine or a power.  A table of sines is a constant, which the
 * compiler computes itself in float32; but dynamic rope has a base that
 * follows the greatest position, so the card computes it: in float16, whole
 * numbers end at 2048, and the base itself is beyond the largest number. */

#include "qaic.h"

/* In the mark of a value, beside FOLDED. */
enum {
	PLACE = 1 << 1,  /* computed of positions alone */
	NUMBER = 1 << 2, /* ... as a number with a fraction */
	NEEDED = 1 << 3, /* ... for one of those functions */
};

static bool
is_steep(const Node *n)
{
	static const char *const types[] = {"Sin", "Cos", "Pow", NULL};

	return !*n->domain && str_in(n->type, types);
}

static bool
makes_number(const Node *n)
{
	return strcmp(n->type, "Cast") == 0 && attr_int(n, "to", 0) == 1;
}

/* What the marks of n's inputs make of its outputs. */
static void
mark_places(const Node *n)
{
	bool place = false, number = makes_number(n);

	for (int i = 0; i < n->nin; i++) {
		const Value *v = n->in[i];

		if (v && !(v->mark & (FOLDED | PLACE)) && !value_is_const(v))
			return;
		place = place || (v && v->mark & PLACE);
		number = number || (v && v->mark & NUMBER);
	}
	for (int i = 0; place && i < n->nout; i++)
		if (n->out[i])
			n->out[i]->mark |= PLACE | (number ? NUMBER : 0);
}

static bool
is_needed(const Node *n)
{
	const Value *out = n->nout ? n->out[0] : NULL;

	return out && out->mark & NUMBER && (is_steep(n) || out->mark & NEEDED);
}

static void
mark_needed(Graph *g)
{
	Value *at = model_input(g, "position_ids");

	mark_folded(g);
	if (at)
		at->mark |= PLACE;
	for (int i = 0; i < g->nnode; i++)
		mark_places(g->node[i]);
	for (int i = g->nnode - 1; i >= 0; i--)
		for (int k = 0; is_needed(g->node[i]) && k < g->node[i]->nin;
		     k++)
			if (g->node[i]->in[k])
				g->node[i]->in[k]->mark |= NEEDED;
}

static bool
is_named(const qe_compile *o, const char *name)
{
	if (str_ends(name, "_RetainedState"))
		return false;
	for (const char *const *w = o->fp32_nodes; w && *w; w++)
		if (str_glob(*w, name))
			return true;
	return false;
}

static int
list(Buf *b, const Plan *p, int *computed)
{
	const Graph *g = p->job->g;
	int named = 0;

	*computed = 0;
	buf_str(b, "FP32NodeInstanceNames:\n");
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++) {
			const Value *v = g->node[i]->out[k];
			bool user = v && is_named(p->job->o, v->name);
			bool ours = v && !k && is_needed(g->node[i]);

			named += user;
			*computed += ours;
			if (user || ours)
				buf_fmt(b, "- %s\n", v->name);
		}
	return named;
}

bool
precision_file(Ctx *c, Arena *a, Plan *p, const char **path)
{
	const qe_compile *o = p->job->o;
	Buf *b = buf_new(a);
	int named, computed;

	*path = NULL;
	mark_needed(p->job->g);
	named = list(b, p, &computed);
	if (o->fp32_nodes && !named)
		return fail(
			c, QE_USAGE,
			"--fp32-nodes '%s': no output of a node has such a name",
			o->fp32_nodes[0]);
	if (computed && p->named)
		say(c, 1, "%d nodes of rope stay float32 on the card",
		    computed);
	if (named || computed)
		*path = plan_file(a, p, "node_precision_info.yaml",
		                  (Span){b->p, b->n});
	return true;
}

bool
precision_is_lost(Graph *g)
{
	mark_needed(g);
	for (int i = 0; i < g->nnode; i++)
		if (is_needed(g->node[i]))
			return true;
	return false;
}
