/* SPDX-License-Identifier: BSD-3-Clause
 * plan.c - parts that the plans of all compilers have. */

#include "qaic.h"

enum { CORES = 16 }; /* of a card, unless told */

const char *
plan_file(Arena *a, Plan *p, const char *name, Span text)
{
	PUSH(a, p->file, p->nfile, p->capfile,
	     ((PlanFile){.name = name, .text = text}));
	return path_join(a, p->dir, name);
}

static const char *
put_json(Arena *a, Plan *p, const char *name, const Json *o, unsigned how)
{
	Buf *b = buf_new(a);

	json_print_as(b, o, 4, JSON_ROWS | JSON_ASCII | how);
	return plan_file(a, p, name, (Span){b->p, b->n});
}

/* As Python's json.dump(indent=4, separators=(",", ":"), sort_keys=True). */
const char *
plan_json(Arena *a, Plan *p, const char *name, const Json *o)
{
	return put_json(a, p, name, o, JSON_TIGHT);
}

/* As json.dump(indent=4). */
const char *
plan_json_as_put(Arena *a, Plan *p, const char *name, const Json *o)
{
	return put_json(a, p, name, o, JSON_AS_PUT);
}

const char *
plan_json_beside(Arena *a, Plan *p, const char *name, const Json *o)
{
	const char *path = plan_json(a, p, name, o);

	p->file[p->nfile - 1].beside = true;
	return p->beside ? path_join(a, p->beside, name) : path;
}

const char *
plan_given(Ctx *c, Arena *a, const Plan *p, const char *path)
{
	Digest d;

	if (!p->named)
		return path;
	if (!hash_file(c, path, &d))
		return NULL;
	return arena_str(a, "@%s", d.hex);
}

void
plan_arg(Arena *a, Command *cmd, const char *arg)
{
	PUSH(a, cmd->arg, cmd->n, cmd->cap, arg);
	cmd->arg = arena_grow(a, cmd->arg, (size_t)cmd->n, &cmd->cap,
	                      sizeof *cmd->arg);
	cmd->arg[cmd->n] = NULL;
}

int64_t
plan_devices(const qe_compile *o)
{
	int64_t n = 1;

	if (!o->device_group)
		return MAX(o->num_devices, 1);
	for (const char *p = o->device_group; *p; p++)
		n += *p == ',';
	return n;
}

int64_t
plan_cores(const qe_compile *o)
{
	return o->num_cores ? o->num_cores : CORES;
}

/* The first operator whose sizes or nodes only a run can tell. */
static const char *
branching(const Graph *g)
{
	static const char *const types[] = {"If", "Loop", "Scan", "NonZero",
	                                    NULL};

	for (int i = 0; i < g->nnode; i++)
		if (!*g->node[i]->domain && str_in(g->node[i]->type, types))
			return g->node[i]->type;
	return NULL;
}

void
plan_doubts(Ctx *c, const Plan *p)
{
	const Graph *g = p->job->g;
	const char *type = branching(g), *where = NULL, *hint = "";

	for (int i = 0; !type && i < g->nfunc; i++)
		if ((type = branching(g->func[i]->body)))
			where = g->func[i]->name;
	if (!type)
		return;
	if (where && strcmp(where, "ExpertMatMul") == 0)
		hint = ": onnx-export --experts chosen, or all for prompts, writes the experts without";
	say(c, 0,
	    "the model%s%s has %s, which the card's compiler may refuse%s",
	    where ? "'s function " : "", where ? where : "", type, hint);
}
