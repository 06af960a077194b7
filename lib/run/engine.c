/* SPDX-License-Identifier: BSD-3-Clause
 * engine.c - engines by backend, and the processor's. */

#include "engine.h"

static bool
host_engine_open(Ctx *c, Arena *a, const Qpc *q, const EngineOptions *o,
                 Model *m)
{
	HostModel *h = host_open(c, a, q, o->threads, o->isa);

	if (!h)
		return false;
	m->state = h;
	m->n = host_count(h);
	m->program = NEWV(a, Program, m->n + 1);
	for (int i = 0; i < m->n; i++) {
		Program *p = &m->program[i];

		p->host = host_program(h, i);
		p->name = host_name(p->host);
		p->nio = host_ios(p->host, &p->io);
	}
	return true;
}

static bool
host_engine_run(Ctx *c, Program *p)
{
	return host_run(c, p->host);
}

static void
host_engine_reset(Model *m)
{
	host_reset(m->state);
}

/* A card's rows are read up to the position of the call, and so are forgotten
 * by beginning at 0. */
static void
card_engine_reset(Model *m)
{
	(void)m;
}

static const Engine engines[] = {
	{"host", host_engine_open, host_engine_run, host_engine_reset},
	{"qaic", card_engine_open, card_engine_run, card_engine_reset},
	{"qnn", card_engine_open, card_engine_run, card_engine_reset},
};

Model *
model_open(Ctx *c, Arena *a, const Qpc *q, const EngineOptions *o)
{
	const char *is = json_get_str(q->manifest, "backend", "host");
	Model *m = NEW(a, Model);

	if (o->backend && strcmp(o->backend, is) != 0)
		return fail(c, QE_USAGE,
		            "--backend %s: the package was compiled for %s",
		            o->backend, is),
		       NULL;
	for (size_t i = 0; i < LEN(engines); i++)
		if (strcmp(engines[i].backend, is) == 0)
			m->engine = &engines[i];
	if (!m->engine)
		return fail(c, QE_INPUT, "compiled for '%s': no such backend",
		            is),
		       NULL;
	if (!m->engine->open(c, a, q, o, m))
		return NULL;
	for (int i = 0; i < m->n; i++) {
		m->program[i].model = m;
		m->program[i].index = i;
	}
	return m;
}

int
model_count(const Model *m)
{
	return m->n;
}

Program *
model_program(Model *m, int i)
{
	return &m->program[i];
}

void
model_reset(Model *m)
{
	m->engine->reset(m);
}

HostModel *
model_host(const Model *m)
{
	return m->engine == engines ? m->state : NULL;
}

const char *
program_name(const Program *p)
{
	return p->name;
}

int
program_ios(const Program *p, IO **io)
{
	*io = p->io;
	return p->nio;
}

IO *
program_io(Program *p, const char *name)
{
	for (int i = 0; i < p->nio; i++)
		if (strcmp(p->io[i].name, name) == 0)
			return &p->io[i];
	return NULL;
}

bool
program_run(Ctx *c, Program *p)
{
	return p->model->engine->run(c, p);
}
