/* SPDX-License-Identifier: BSD-3-Clause
 * program.c - reading a compiled form and running it.
 *
 * Everything in the file is checked before it is believed: tables lie inside
 * the file, names end, every place lies in its space with all the bytes its
 * kernel may touch.  What is left to do at run time is to call. */

#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

#include "onnx.h"
#include "op.h"
#include "program.h"

enum { EVENTS = 1 << 20 };

typedef struct Run {
	const Kernel *k; /* NULL: node */
	Node *node;
	Step step;
	int64_t units, grain;
} Run;

struct HostProgram {
	const char *name;
	HostModel *model;
	Run *run;
	HostIO *io;
	HostStep *figures;
	int nrun, nio;
	int64_t runs, nanoseconds;
};

/* What host_profile() asked for. */
typedef struct Profile {
	HostEvent *event; /* NULL: none wanted */
	size_t n, cap;
} Profile;

typedef struct Area {
	char *p;
	int64_t n;
} Area;

struct HostModel {
	Arena *mem;
	const Kernel *kernels;
	Pool *pool;
	Area space[SPACE_COUNT];
	HostProgram *program;
	int nprogram;
	Profile *profile; /* NULL: nothing is timed */
};

/* The file while it is being read. */
typedef struct Reader {
	Ctx *c;
	Span file;
	const ImageHead *h;
	HostModel *m;
	const Qpc *qpc;
	KernelId *kernel; /* the writer's rows as ours */
} Reader;

static bool
bad(Reader *r, const char *what)
{
	return fail(r->c, QE_INPUT, "program.bin: %s", what);
}

static bool
check_table(Reader *r, const TableHead *t, size_t size, const char *what)
{
	int64_t len = mul_size(t->count, (int64_t)size);

	if (t->size != size || t->off % 8 != 0 || t->off > r->file.n ||
	    (uint64_t)len > r->file.n - t->off)
		return bad(r, what);
	return true;
}

static const void *
row(const Reader *r, const TableHead *t, size_t i)
{
	return r->file.p + t->off + i * t->size;
}

static const char *
text(const Reader *r, uint32_t off)
{
	return off < r->h->text.count ? (const char *)row(r, &r->h->text, off)
	                              : "";
}

static bool
check_head(Reader *r)
{
	const ImageHead *h = (const ImageHead *)(const void *)r->file.p;

	r->h = h;
	if (r->file.n < sizeof *h ||
	    memcmp(h->magic, PROGRAM_MAGIC, sizeof h->magic) != 0)
		return bad(r, "not a compiled form");
	if (h->version != PROGRAM_VERSION || h->panel != PANEL)
		return fail(
			r->c, QE_INPUT,
			"program.bin: version %u, panels of %u; this program reads version %d, panels of %d: compile again",
			h->version, h->panel, PROGRAM_VERSION, PANEL);
	if (!check_table(r, &h->programs, sizeof(ProgramRow),
	                 "bad table of programs") ||
	    !check_table(r, &h->ios, sizeof(IORow),
	                 "bad table of inputs and outputs") ||
	    !check_table(r, &h->steps, sizeof(StepRow), "bad table of steps") ||
	    !check_table(r, &h->refs, sizeof(RefRow),
	                 "bad table of references") ||
	    !check_table(r, &h->kernels, sizeof(KernelRow),
	                 "bad table of kernels") ||
	    !check_table(r, &h->text, 1, "bad text"))
		return false;
	if (!h->text.count ||
	    *(const char *)row(r, &h->text, h->text.count - 1))
		return bad(r, "text does not end");
	if (h->arena < 0 || h->state < 0 || h->arena > INT64_MAX / 4 ||
	    h->state > INT64_MAX / 4)
		return bad(r, "sizes of memory out of range");
	return true;
}

static bool
match_kernels(Reader *r)
{
	r->kernel = NEWV(r->m->mem, KernelId, r->h->kernels.count + 1);
	for (uint32_t i = 0; i < r->h->kernels.count; i++) {
		const KernelRow *k = row(r, &r->h->kernels, i);
		int id = 0;

		while (id < K_COUNT &&
		       strcmp(r->m->kernels[id].name, text(r, k->name)) != 0)
			id++;
		r->kernel[i] = (KernelId)id; /* K_COUNT: refused if used */
	}
	return true;
}

static void
unmap(void *p)
{
	Area *a = p;

	munmap(a->p, (size_t)a->n);
}

/* Zeroed memory in huge pages where they are offered. */
static bool
map_area(Ctx *c, HostModel *m, enum Space s, int64_t n)
{
	Area *a = &m->space[s];

	a->n = MAX(n, 64);
	a->p = mmap(NULL, (size_t)a->n, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->p == MAP_FAILED)
		return fail(c, QE_NOMEM, "%lld bytes for the %s: not to be had",
		            (long long)n,
		            s == SPACE_ARENA ? "arena" : "retained state");
	madvise(a->p, (size_t)a->n, MADV_HUGEPAGE);
	arena_defer(m->mem, unmap, a);
	return true;
}

/* The memory of a place, if `bytes` from it on lie in its space; constants
 * may not be written. */
static bool
resolve(Reader *r, const Place *p, int64_t bytes, bool written, void **out)
{
	const Area *a;

	*out = NULL;
	if (p->space == SPACE_NONE)
		return true;
	if (p->space >= SPACE_COUNT || (written && p->space == SPACE_WEIGHTS))
		return bad(r, "a place that cannot be");
	a = &r->m->space[p->space];
	if (p->off < 0 || p->off > a->n || bytes > a->n - p->off)
		return bad(r, "a place outside its space");
	*out = a->p + p->off;
	return true;
}

static bool
read_kernel_step(Reader *r, const StepRow *s, Run *run)
{
	int64_t bytes[STEP_BUF];
	unsigned written, needs;
	KernelId id;

	if (s->kernel >= r->h->kernels.count ||
	    (id = r->kernel[s->kernel]) == K_COUNT)
		return bad(r, "a kernel that this program does not have");
	memcpy(run->step.dim, s->dim, sizeof run->step.dim);
	memcpy(run->step.num, s->num, sizeof run->step.num);
	if (!step_extent(id, &run->step, bytes, &written))
		return bad(r, "sizes of a step out of range");
	needs = step_needs(id);
	for (int i = 0; i < STEP_BUF; i++) {
		if (!resolve(r, &s->buf[i], bytes[i], written >> i & 1,
		             &run->step.buf[i]))
			return false;
		if (needs >> i & 1 && !run->step.buf[i])
			return bad(r, "a buffer is missing");
	}
	run->k = &r->m->kernels[id];
	run->units = run->k->units(&run->step, &run->grain);
	return true;
}

static bool
read_ref_value(Reader *r, size_t i, Value *v, bool made)
{
	const RefRow *row_ = row(r, &r->h->refs, i);
	Shape s = {.rank = (int)row_->rank};
	void *p;

	if (!v)
		return true;
	if (row_->rank > MAXRANK || row_->type == DT_NONE ||
	    row_->type >= DT_COUNT)
		return bad(r, "bad type of a value");
	memcpy(s.dim, row_->dim, sizeof s.dim);
	if (shape_count(&s) < 0 ||
	    dtype_bytes((DType)row_->type, shape_count(&s)) < 0)
		return bad(r, "bad shape of a value");
	v->type = (DType)row_->type;
	v->shape = s;
	if (!resolve(r, &row_->at, dtype_bytes(v->type, shape_count(&s)), made,
	             &p))
		return false;
	if (p)
		v->data = (Blob){.mem = p,
		                 .len = dtype_bytes(v->type, shape_count(&s))};
	else if (!v->data.mem ||
	         dtype_bytes(v->type, shape_count(&s)) > v->data.len)
		return bad(r, "a value without memory");
	return true;
}

/* The node once more inferred must give the shapes it was planned with. */
static bool
check_ref(Reader *r, Node *n)
{
	Shape planned[8];
	DType type[8];

	if (!n->op || n->op->flags & (DYNAMIC | CONTROL) || n->nout > 8)
		return fail(r->c, QE_INPUT, "operator '%s' cannot be run",
		            n->type);
	for (int i = 0; i < n->nout; i++)
		if (n->out[i]) {
			planned[i] = n->out[i]->shape;
			type[i] = n->out[i]->type;
		}
	if (!n->op->infer(r->c, n))
		return note(r->c, "node '%s' (%s)", n->name, n->type);
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && (!shape_eq(&planned[i], &n->out[i]->shape) ||
		                  type[i] != n->out[i]->type))
			return fail(
				r->c, QE_INPUT,
				"node '%s' (%s): planned with another shape",
				n->name, n->type);
	return true;
}

static bool
read_ref_step(Reader *r, const StepRow *s, const Graph *refs, Run *run)
{
	int64_t at = s->dim[3];
	Node *n;

	if (!refs || s->dim[0] < 0 || s->dim[0] >= refs->nnode)
		return bad(r, "a reference operator that is not there");
	n = refs->node[s->dim[0]];
	if (s->dim[1] != n->nin || s->dim[2] != n->nout || at < 0 ||
	    at > (int64_t)r->h->refs.count - n->nin - n->nout)
		return bad(r, "values of a reference operator out of range");
	for (int i = 0; i < n->nin; i++)
		if (!read_ref_value(r, (size_t)(at + i), n->in[i], false))
			return false;
	for (int i = 0; i < n->nout; i++)
		if (!read_ref_value(r, (size_t)(at + n->nin + i), n->out[i],
		                    true))
			return false;
	run->node = n;
	return check_ref(r, n);
}

static bool
read_io(Reader *r, const IORow *io, HostIO *out)
{
	Shape s = {.rank = (int)io->rank};

	if (io->rank > MAXRANK || io->type == DT_NONE || io->type >= DT_COUNT)
		return bad(r, "bad type of an input or output");
	memcpy(s.dim, io->dim, sizeof s.dim);
	if (shape_count(&s) < 0 ||
	    dtype_bytes((DType)io->type, shape_count(&s)) < 0 ||
	    io->at.space == SPACE_NONE)
		return bad(r, "bad shape of an input or output");
	*out = (HostIO){.name = text(r, io->name),
	                .type = (DType)io->type,
	                .shape = s,
	                .output = io->output != 0};
	return resolve(r, &io->at, dtype_bytes(out->type, shape_count(&s)),
	               !out->output, &out->data);
}

static bool
read_program(Reader *r, const ProgramRow *p, HostProgram *out)
{
	const ImageHead *h = r->h;
	Graph *refs = NULL;
	Span bytes;

	if (p->step > h->steps.count || p->nstep > h->steps.count - p->step ||
	    p->io > h->ios.count || p->nio > h->ios.count - p->io)
		return bad(r, "a program out of range");
	*out = (HostProgram){.name = text(r, p->name),
	                     .model = r->m,
	                     .nrun = (int)p->nstep,
	                     .nio = (int)p->nio};
	out->run = NEWV(r->m->mem, Run, p->nstep + 1);
	out->io = NEWV(r->m->mem, HostIO, p->nio + 1);
	out->figures = NEWV(r->m->mem, HostStep, p->nstep + 1);
	if (p->ref && (!qpc_member(r->c, r->qpc,
	                           arena_str(r->m->mem, "refs-%u.onnx", p->ref),
	                           &bytes) ||
	               !onnx_read_bytes(r->c, r->m->mem, bytes, &refs)))
		return false;
	for (uint32_t i = 0; i < p->nio; i++)
		if (!read_io(r, row(r, &h->ios, p->io + i), &out->io[i]))
			return false;
	for (uint32_t i = 0; i < p->nstep; i++) {
		const StepRow *s = row(r, &h->steps, p->step + i);
		bool ref = s->kernel == STEP_REF;

		if (!(ref ? read_ref_step(r, s, refs, &out->run[i])
		          : read_kernel_step(r, s, &out->run[i])))
			return note(r->c, "step %u '%s'", i, text(r, s->name));
		out->figures[i] =
			(HostStep){.kernel = ref ? out->run[i].node->type
		                                 : out->run[i].k->name,
		                   .name = text(r, s->name)};
	}
	return true;
}

static void
give_scratch(HostModel *m)
{
	int64_t most = 0, n = pool_threads(m->pool);
	char *p;

	for (int i = 0; i < m->nprogram; i++)
		for (int k = 0; k < m->program[i].nrun; k++) {
			const Run *r = &m->program[i].run[k];

			if (r->k && r->k->scratch)
				most = MAX(most, r->k->scratch(&r->step));
		}
	most = (most + 4095) / 4096 * 4096;
	p = arena_array(m->mem, (size_t)n, (size_t)most + 64);
	p += -(uintptr_t)p & 63;
	for (int i = 0; i < m->nprogram; i++)
		for (int k = 0; k < m->program[i].nrun; k++) {
			m->program[i].run[k].step.scratch = p;
			m->program[i].run[k].step.scratch_stride = most;
		}
}

HostModel *
host_open(Ctx *c, Arena *a, const Qpc *qpc, int threads, const char *isa)
{
	HostModel *m = NEW(a, HostModel);
	Reader r = {.c = c, .m = m, .qpc = qpc};
	Span weights;

	m->mem = a;
	if (!(m->kernels = kernels_for(isa)))
		return fail(c, QE_USAGE,
		            "'%s' is not an instruction set known here", isa),
		       NULL;
	if (!qpc_member(c, qpc, "program.bin", &r.file) ||
	    !qpc_member(c, qpc, "weights.bin", &weights) || !check_head(&r))
		return NULL;
	m->space[SPACE_WEIGHTS] =
		(Area){(char *)(uintptr_t)weights.p, (int64_t)weights.n};
	if (r.h->weights > (int64_t)weights.n)
		return fail(c, QE_INPUT, "weights.bin: %zu bytes, wanted %lld",
		            weights.n, (long long)r.h->weights),
		       NULL;
	if (!map_area(c, m, SPACE_ARENA, r.h->arena) ||
	    !map_area(c, m, SPACE_STATE, r.h->state) || !match_kernels(&r))
		return NULL;
	m->nprogram = (int)r.h->programs.count;
	m->program = NEWV(a, HostProgram, m->nprogram + 1);
	for (int i = 0; i < m->nprogram; i++)
		if (!read_program(&r, row(&r, &r.h->programs, (size_t)i),
		                  &m->program[i]))
			return note(c, "program '%s'",
			            m->program[i].name ? m->program[i].name
			                               : ""),
			       NULL;
	m->pool = pool_open(a, threads);
	give_scratch(m);
	return m;
}

static void
call(void *arg, int64_t begin, int64_t end, int thread)
{
	const Run *r = arg;

	r->k->fn(&r->step, begin, end, thread);
}

static bool
run_node(Ctx *c, Node *n)
{
	Arena scratch = {0};
	bool ok = n->op->eval(c, &scratch, n);

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
	else
		cost_node(f, r->node);
	add_event(p, i, t, now);
	return clock_ns();
}

bool
host_run(Ctx *c, HostProgram *p)
{
	HostModel *m = p->model;
	int64_t begin = m->profile ? clock_ns() : 0, t = begin;

	for (int i = 0; i < p->nrun; i++) {
		Run *r = &p->run[i];

		if (r->k)
			pool_run(m->pool, call, r, r->units, r->grain);
		else if (!run_node(c, r->node))
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

HostProgram *
host_find(HostModel *m, const char *name)
{
	for (int i = 0; i < m->nprogram; i++)
		if (strcmp(m->program[i].name, name) == 0)
			return &m->program[i];
	return NULL;
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
