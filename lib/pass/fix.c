/* SPDX-License-Identifier: BSD-3-Clause
 * fix.c - unknown dimensions get a number, wherever their symbol stands. */

#include "op.h"
#include "pass.h"

enum { MAXDEPTH = 32 };

static int
fix_value(Value *v, const char *symbol, int64_t n)
{
	int fixed = 0;

	for (int i = 0; v->sym && i < v->shape.rank; i++)
		if (v->shape.dim[i] < 0 && v->sym[i] &&
		    strcmp(v->sym[i], symbol) == 0) {
			v->shape.dim[i] = n;
			fixed++;
		}
	return fixed;
}

static int
fix_symbol(Graph *g, const char *symbol, int64_t n, int depth)
{
	int fixed = 0;

	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			fixed += fix_value(g->value->item[i].value, symbol, n);
	for (int i = 0; i < g->nnode && depth < MAXDEPTH; i++)
		for (int k = 0; k < g->node[i]->nattr; k++) {
			Attr *a = &g->node[i]->attr[k];

			if (a->type == ATTR_GRAPH && !a->ref)
				fixed += fix_symbol(a->g, symbol, n, depth + 1);
		}
	return fixed;
}

/* Fixing a dimension of one input by its symbol fixes it in all. */
static bool
fix_input(Ctx *c, Graph *g, Value *v, char *const *dim)
{
	int rank = 0;

	while (dim[rank])
		rank++;
	if (v->shape.rank >= 0 && v->shape.rank != rank)
		return fail(c, QE_INPUT, "input '%s' is %s, of rank %d",
		            v->name, shape_text(&v->shape).s, v->shape.rank);
	if (rank > MAXRANK)
		return fail(c, QE_INPUT, "rank %d, at most %d", rank, MAXRANK);
	for (int i = 0; v->shape.rank < 0 && i < rank; i++)
		v->shape.dim[i] = -1;
	v->shape.rank = rank;
	for (int i = 0; i < rank; i++) {
		int64_t n;

		if (!str_int(dim[i], &n) || n < 0)
			return fail(c, QE_USAGE, "'%s' is not a dimension",
			            dim[i]);
		if (v->shape.dim[i] >= 0 && v->shape.dim[i] != n)
			return fail(c, QE_INPUT,
			            "input '%s' is %s, not %lld in place %d",
			            v->name, shape_text(&v->shape).s,
			            (long long)n, i);
		if (v->sym && v->sym[i])
			fix_symbol(g, v->sym[i], n, 0);
		v->shape.dim[i] = n;
	}
	return true;
}

static Value *
find_input(const Graph *g, const char *name)
{
	for (int i = 0; i < g->nin; i++)
		if (strcmp(g->in[i]->name, name) == 0)
			return g->in[i];
	return NULL;
}

static bool
fix(Ctx *c, Arena *a, Graph *g, const char *spec)
{
	const char *colon = strrchr(spec, ':'), *equals = strrchr(spec, '=');
	const char *at = equals > colon ? equals : colon;
	char *name;
	Value *v;
	int64_t n;

	if (!at)
		return fail(c, QE_USAGE, "'%s': wanted INPUT:1x32 or SYMBOL=32",
		            spec);
	name = arena_span(a, (Span){spec, (size_t)(at - spec)});
	if (*at == ':') {
		if (!(v = find_input(g, name)))
			return fail(c, QE_INPUT, "no input is named '%s'",
			            name);
		return fix_input(c, g, v, str_split(a, at + 1, 'x'));
	}
	if (!str_int(at + 1, &n) || n < 0)
		return fail(c, QE_USAGE, "'%s' is not a dimension", at + 1);
	return fix_symbol(g, name, n, 0) > 0 ||
	       fail(c, QE_INPUT, "no dimension is named '%s'", name);
}

bool
graph_fix(Ctx *c, Graph *g, const char *spec)
{
	Arena a = {0};
	bool ok = fix(c, &a, g, spec);

	arena_free(&a);
	return ok;
}
