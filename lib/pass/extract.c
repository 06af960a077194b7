/* SPDX-License-Identifier: BSD-3-Clause
 * extract.c - a part of a graph as a graph of its own.
 *
 * Names may have colons in them, so the colon between inputs and outputs is
 * the first one with names of values on both sides. */

#include "op.h"
#include "pass.h"

static char **
names(Arena *a, Span s)
{
	return str_split(a, arena_span(a, s), ',');
}

static const char *
unknown(const Graph *g, char *const *name)
{
	for (; *name; name++)
		if (!value_find(g, *name))
			return *name;
	return NULL;
}

static bool
split(Ctx *c, Arena *a, const Graph *g, const char *spec, char ***in,
      char ***out)
{
	const char *bad = NULL, *p = spec;

	while ((p = strchr(p, ':'))) {
		*in = names(a, (Span){spec, (size_t)(p - spec)});
		*out = names(a, SPAN(p + 1));
		p++;
		if (!**out)
			continue;
		if (!(bad = unknown(g, *in)) && !(bad = unknown(g, *out)))
			return true;
	}
	if (bad)
		return fail(c, QE_INPUT, "no value is named '%s'", bad);
	return fail(c, QE_USAGE, "'%s': wanted INPUTS:OUTPUTS", spec);
}

/* From now on nothing in the graph makes v. */
static void
cut(Value *v)
{
	Node *n = v->from;

	for (int i = 0; n && i < n->nout; i++)
		if (n->out[i] == v)
			n->out[i] = NULL;
	v->from = NULL;
}

static bool
is_input(const Graph *g, const Value *v)
{
	for (int i = 0; i < g->nin; i++)
		if (g->in[i] == v)
			return true;
	return false;
}

static bool
closed(Ctx *c, const Graph *g)
{
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (v && !v->from && !value_is_const(v) && !is_input(g, v))
			return fail(c, QE_INPUT, "input '%s' is needed too",
			            v->name);
	}
	return true;
}

static bool
extract(Ctx *c, Arena *a, Graph *g, const char *spec)
{
	char **in = NULL, **out = NULL;

	if (!split(c, a, g, spec, &in, &out))
		return false;
	g->nin = g->nout = 0;
	for (; *in; in++) {
		Value *v = value_find(g, *in);

		if (value_is_const(v))
			return fail(c, QE_INPUT, "'%s' is a constant", *in);
		cut(v);
		if (!is_input(g, v))
			PUSH(g->mem, g->in, g->nin, g->capin, v);
	}
	for (; *out; out++)
		graph_output(g, value_find(g, *out));
	graph_prune(g);
	return closed(c, g);
}

bool
graph_extract(Ctx *c, Graph *g, const char *spec)
{
	Arena a = {0};
	bool ok = graph_infer(c, g, false) && extract(c, &a, g, spec);

	arena_free(&a);
	return ok;
}
