/* SPDX-License-Identifier: BSD-3-Clause
 * program.c - running a compiled form, and what can be asked of it. */

#define _GNU_SOURCE
#include <sys/mman.h>

#include "model.h"
#include "op.h"

enum { EVENTS = 1 << 20 };

static void
call(void *arg, int64_t begin, int64_t end, int thread)
{
	const Run *r = arg;

	r->k->fn(&r->step, begin, end, thread);
}

/* Outputs may come out elsewhere than where they belong: a view is its
 * input's bytes. */
static bool
run_node(Ctx *c, Run *r)
{
	Arena scratch = {0};
	Node *n = r->node;
	bool ok = n->op->eval(c, &scratch, n);

	for (int i = 0; i < n->nout; i++) {
		const Value *to = &r->place[i];

		if (!n->out[i])
			continue;
		if (ok && n->out[i]->data.mem != to->data.mem && to->data.len)
			memmove((void *)(uintptr_t)to->data.mem,
			        n->out[i]->data.mem, (size_t)to->data.len);
		n->out[i]->data = to->data;
	}
	arena_free(&scratch);
	return ok || note(c, "node '%s' (%s)", n->name, n->type);
}

static void
add_event(HostProgram *p, int step, int64_t begin, int64_t end)
{
	Profile *f = p->model->profile;

	if (f->n < f->cap)
		f->event[f->n++] = (HostEvent){p, step, begin, end};
}

/* Step i ran from t until now, which is returned. */
static int64_t
account(HostProgram *p, int i, int64_t t)
{
	HostModel *m = p->model;
	const Run *r = &p->run[i];
	HostStep *f = &p->figures[i];
	int64_t now = clock_ns();

	f->calls++;
	f->nanoseconds += now - t;
	p->nanoseconds += now - t;
	if (r->k)
		cost_kernel(f, r->k, (KernelId)(r->k - m->kernels), &r->step);
	else if (r->node || r->late.node)
		cost_node(f, r->node ? r->node : r->late.node);
	add_event(p, i, t, now);
	return clock_ns();
}

static bool
run_step(Ctx *c, HostProgram *p, int i)
{
	Run *r = &p->run[i];

	if (r->late.node)
		return late_run(c, p->late, &r->late, i);
	if (r->k)
		pool_run(p->model->pool, call, r, r->units, r->grain);
	return r->k || !r->node || run_node(c, r);
}

bool
host_run(Ctx *c, HostProgram *p)
{
	HostModel *m = p->model;
	int64_t begin = m->profile ? clock_ns() : 0, t = begin;

	late_begin(p->late);
	for (int i = 0; i < p->nrun; i++) {
		if (!run_step(c, p, i))
			return false;
		if (m->profile)
			t = account(p, i, t);
	}
	if (m->profile) {
		p->runs++;
		add_event(p, -1, begin, t);
	}
	return go_on(c);
}

/* Fresh zero pages, without touching the old ones. */
void
host_reset(HostModel *m)
{
	madvise(m->space[SPACE_STATE].p, (size_t)m->space[SPACE_STATE].n,
	        MADV_DONTNEED);
}

int
host_count(const HostModel *m)
{
	return m->nprogram;
}

HostProgram *
host_program(HostModel *m, int i)
{
	return &m->program[i];
}

const char *
host_name(const HostProgram *p)
{
	return p->name;
}

int
host_ios(const HostProgram *p, HostIO **io)
{
	*io = p->io;
	return p->nio;
}

HostIO *
host_io(HostProgram *p, const char *name)
{
	for (int i = 0; i < p->nio; i++)
		if (strcmp(p->io[i].name, name) == 0)
			return &p->io[i];
	return NULL;
}

void
host_profile(HostModel *m, bool events)
{
	if (!m->profile)
		m->profile = NEW(m->mem, Profile);
	if (events && !m->profile->event) {
		m->profile->cap = EVENTS;
		m->profile->event = NEWV(m->mem, HostEvent, EVENTS);
	}
	host_forget(m);
}

bool
host_profiles(const HostModel *m)
{
	return m->profile != NULL;
}

void
host_forget(HostModel *m)
{
	if (!m->profile)
		return;
	m->profile->n = 0;
	for (int i = 0; i < m->nprogram; i++) {
		HostProgram *p = &m->program[i];

		p->runs = p->nanoseconds = 0;
		for (int k = 0; k < p->nrun; k++)
			p->figures[k] = (HostStep){
				.kernel = p->figures[k].kernel,
				.name = p->figures[k].name,
			};
	}
}

int
host_steps(const HostProgram *p, const HostStep **step)
{
	*step = p->figures;
	return p->nrun;
}

int64_t
host_runs(const HostProgram *p, int64_t *nanoseconds)
{
	*nanoseconds = p->nanoseconds;
	return p->runs;
}

int64_t
host_events(const HostModel *m, const HostEvent **event)
{
	*event = m->profile ? m->profile->event : NULL;
	return m->profile ? (int64_t)m->profile->n : 0;
}

bool
host_limits(Ctx *c, HostModel *m, HostLimits *l)
{
	return limits_of(c, m->pool, m->kernels, l);
}

int64_t
host_arena_bytes(const HostModel *m)
{
	return m->space[SPACE_ARENA].n;
}

int64_t
host_state_bytes(const HostModel *m)
{
	return m->space[SPACE_STATE].n;
}

int64_t
host_weight_bytes(const HostModel *m)
{
	return m->space[SPACE_WEIGHTS].n;
}

const char *
host_isa(const HostModel *m)
{
	return kernels_isa(m->kernels);
}

int
host_threads(const HostModel *m)
{
	return pool_threads(m->pool);
}
