/* SPDX-License-Identifier: BSD-3-Clause
 * pass.c - the rows of passes.def as a table, and running them. */

#include "pass.h"
#include "op.h"

const Pass passtab[] = {
#define PASS(name, fn, usual, typed, about) {name, fn, usual, typed, about},
#include "passes.def"
#undef PASS
	{0}};
const int npass = LEN(passtab) - 1;

static const Pass *
find(const char *name)
{
	for (const Pass *p = passtab; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static bool
unknown(Ctx *c, const char *name)
{
	const char *names[LEN(passtab)] = {0};

	for (int i = 0; i < npass; i++)
		names[i] = passtab[i].name;
	return unknown_name(c, "pass", name, names, "");
}

static const Pass **
usual(Arena *a)
{
	const Pass **to = NEWV(a, const Pass *, npass + 1);
	int n = 0;

	for (int i = 0; i < npass; i++)
		if (passtab[i].usual)
			to[n++] = &passtab[i];
	return to;
}

const Pass **
pass_list(Ctx *c, Arena *a, const char *list)
{
	const Pass **to;
	char **name;
	int n = 0;

	if (!list)
		return usual(a);
	name = str_split(a, list, ',');
	while (name[n])
		n++;
	to = NEWV(a, const Pass *, n + 1);
	for (int i = 0; i < n; i++)
		if (!(to[i] = find(name[i]))) {
			unknown(c, name[i]);
			return NULL;
		}
	return to;
}

bool
pass_run(Ctx *c, Graph *g, const Pass *p, Edit *e)
{
	int before = g->nnode;
	bool ok;

	e->g = g;
	e->tmp = (Arena){0};
	e->seen = dict_new(&e->tmp);
	e->changes = 0;
	ok = go_on(c) && (!p->typed || graph_infer(c, g, false)) &&
	     p->run(c, e) && graph_verify(c, g);
	arena_free(&e->tmp);
	if (!ok)
		return note(c, "pass '%s'", p->name);
	say(c, e->changes ? 1 : 2, "%s: %d -> %d nodes", p->name, before,
	    g->nnode);
	return true;
}
