/* SPDX-License-Identifier: BSD-3-Clause
 * read.c - reading a compiled form.
 *
 * Everything in the file is checked before it is believed: tables lie inside
 * the file, names end, every place lies in its space with all the bytes its
 * kernel may touch.  What is left to do at run time is to call. */

#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

#include "model.h"
#include "onnx.h"
#include "op.h"

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
	if (h->arena < 0 || h->state < 0 || h->late < 0 ||
	    h->arena > INT64_MAX / 4 || h->state > INT64_MAX / 4)
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
	Extent x;
	KernelId id;

	if (s->kernel >= r->h->kernels.count ||
	    (id = r->kernel[s->kernel]) == K_COUNT)
		return bad(r, "a kernel that this program does not have");
	memcpy(run->step.dim, s->dim, sizeof run->step.dim);
	memcpy(run->step.num, s->num, sizeof run->step.num);
	if (!step_extent(id, &run->step, &x))
		return bad(r, "sizes of a step out of range");
	for (int i = 0; i < STEP_BUF; i++) {
		if (!resolve(r, &s->buf[i], x.bytes[i], x.written >> i & 1,
		             &run->step.buf[i]))
			return false;
		if (x.needed >> i & 1 && !run->step.buf[i])
			return bad(r, "a buffer is missing");
	}
	run->k = &r->m->kernels[id];
	run->units = run->k->units(&run->step, &run->grain);
	return true;
}

/* ---- reference operators ---- */

static bool
late_shape(Reader *r, uint32_t type, uint32_t rank, const int64_t *dim,
           Shape *out)
{
	out->rank = (int)rank;
	memcpy(out->dim, dim, sizeof out->dim);
	if (type >= DT_COUNT || (rank > MAXRANK && rank != UINT32_MAX))
		return bad(r, "bad type of a value");
	for (int i = 0; i < out->rank; i++)
		if (out->dim[i] < -1)
			return bad(r, "bad shape of a value");
	return true;
}

/* Type and shape of a value whose size is known, and its bytes. */
static bool
planned_shape(Reader *r, uint32_t type, uint32_t rank, const int64_t *dim,
              Value *v)
{
	v->type = (DType)type;
	v->shape.rank = (int)rank;
	memcpy(v->shape.dim, dim, sizeof v->shape.dim);
	if (type == DT_NONE || type >= DT_COUNT || type == DT_STRING ||
	    rank > MAXRANK)
		return bad(r, "bad type of a value");
	v->data.len = shape_known(&v->shape)
	                      ? dtype_bytes(v->type, shape_count(&v->shape))
	                      : -1;
	return v->data.len >= 0 || bad(r, "bad shape of a value");
}

/* A value is one thing, however many steps name it. */
static bool
place_value(Reader *r, Value *v, const Value *as)
{
	bool taken = blob_is(v->data);

	if (is_late(v) || v->kind != VALUE_TENSOR ||
	    (taken &&
	     (v->type != as->type || !shape_eq(&v->shape, &as->shape) ||
	      (as->data.mem && v->data.mem != as->data.mem))))
		return bad(r, "a value of two kinds");
	if (!taken && !as->data.mem)
		return bad(r, "a value without memory");
	if (taken && !v->data.mem)
		return bad(r, "a constant that is not in memory");
	v->type = as->type;
	v->shape = as->shape;
	if (!taken)
		v->data = as->data;
	return true;
}

static bool
read_ref_value(Reader *r, size_t i, Value *v, bool made, Late *late, int step)
{
	const RefRow *row_ = row(r, &r->h->refs, i);
	Value as = {0};
	Shape s;
	void *p;

	if (!v)
		return true;
	if (row_->at.space == SPACE_LATE || v->type == DT_STRING ||
	    v->kind != VALUE_TENSOR) {
		if (!late_shape(r, row_->type, row_->rank, row_->dim, &s))
			return false;
		if (blob_is(v->data) && !is_late(v) && v->type != DT_STRING)
			return bad(r, "a value of two kinds");
		late_value(late, v);
		late_use(late, v, step);
		return true;
	}
	if (!planned_shape(r, row_->type, row_->rank, row_->dim, &as) ||
	    !resolve(r, &row_->at, as.data.len, made, &p))
		return false;
	as.data.mem = p;
	return place_value(r, v, &as);
}

/* What kernels and nodes before it will have put there is not known yet. */
static bool
is_computed(const Reader *r, const Value *v)
{
	const char *p = v->data.mem;

	for (int i = 0; i < SPACE_COUNT; i++)
		if (i != SPACE_WEIGHTS && p >= r->m->space[i].p &&
		    p < r->m->space[i].p + r->m->space[i].n)
			return true;
	return false;
}

/* The node once more inferred must give the shapes it was planned with. */
static bool
check_ref(Reader *r, Node *n, const Value *planned)
{
	Blob *was = NEWV(r->m->mem, Blob, n->nin);
	bool ok;

	for (int i = 0; i < n->nin; i++)
		if (n->in[i])
			was[i] = n->in[i]->data;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && is_computed(r, n->in[i]))
			n->in[i]->data = (Blob){0};
	ok = node_check(r->c, n) && n->op->infer(r->c, n);
	for (int i = 0; i < n->nin; i++)
		if (n->in[i])
			n->in[i]->data = was[i];
	for (int i = 0; ok && i < n->nout; i++)
		if (n->out[i] &&
		    (n->out[i]->kind != VALUE_TENSOR ||
		     planned[i].type != n->out[i]->type ||
		     !shape_eq(&planned[i].shape, &n->out[i]->shape)))
			ok = fail(r->c, QE_INPUT, "planned with another shape");
	return ok || note(r->c, "node '%s' (%s)", n->name, n->type);
}

/* A node of which nothing is late, and whose operator says so. */
static bool
is_static(const Node *n)
{
	bool late =
		n->op->flags & (DYNAMIC | CONTROL) || !n->nout || !n->out[0];

	for (int i = 0; i < n->nin + n->nout; i++) {
		const Value *v = i < n->nin ? n->in[i] : n->out[i - n->nin];

		late = late || (v && is_late(v));
	}
	return !late;
}

static bool
read_ref_values(Reader *r, const StepRow *s, Node *n, Late *late, int step)
{
	Value **used;
	int nused = node_captures(r->m->mem, n, &used);
	int64_t at = s->dim[3];

	if (s->dim[1] != n->nin || s->dim[2] != n->nout || s->dim[4] != nused ||
	    at < 0 || at > (int64_t)r->h->refs.count - n->nin - n->nout - nused)
		return bad(r, "values of a reference operator out of range");
	for (int i = 0; i < n->nin + n->nout + nused; i++) {
		bool made = i >= n->nin && i < n->nin + n->nout;
		Value *v = i < n->nin ? n->in[i]
		           : made     ? n->out[i - n->nin]
		                      : used[i - n->nin - n->nout];

		if (!read_ref_value(r, (size_t)(at + i), v, made, late, step))
			return false;
	}
	return true;
}

/* Operators need not care for outputs that are all empty. */
static bool
has_elements(const Node *n)
{
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && shape_count(&n->out[i]->shape))
			return true;
	return false;
}

static bool
read_ref_step(Reader *r, const StepRow *s, const Graph *refs, Late *late,
              int step, Run *run)
{
	Node *n;

	if (!refs || s->dim[0] < 0 || s->dim[0] >= refs->nnode)
		return bad(r, "a reference operator that is not there");
	n = refs->node[s->dim[0]];
	if (!n->op)
		return fail(r->c, QE_INPUT, "operator '%s' cannot be run",
		            n->type);
	if (!read_ref_values(r, s, n, late, step))
		return false;
	run->place = NEWV(r->m->mem, Value, n->nout + 1);
	for (int i = 0; i < n->nout; i++)
		if (n->out[i])
			run->place[i] = *n->out[i];
	if (is_static(n)) {
		run->node = has_elements(n) ? n : NULL;
		return check_ref(r, n, run->place);
	}
	run->late = (LateStep){n, run->place};
	return true;
}

/* ---- programs ---- */

static bool
read_late_io(Reader *r, const IORow *io, Graph *refs, Late *late, HostIO *out)
{
	out->late = refs ? value_find(refs, out->name) : NULL;
	if (!out->late || (out->late->kind != out->kind) ||
	    (blob_is(out->late->data) && !out->output) ||
	    (out->late->from && !out->output))
		return bad(r, "an input or output that is not there");
	if (!late_shape(r, io->type, io->rank, io->dim, &out->shape))
		return false;
	late_value(late, out->late);
	late_keep(late, out->late);
	return true;
}

static bool
read_io(Reader *r, const IORow *io, Graph *refs, Late *late, HostIO *out)
{
	Value as = {0};

	*out = (HostIO){.name = text(r, io->name),
	                .kind = (enum ValueKind)io->kind,
	                .type = io->type < DT_COUNT ? (DType)io->type : DT_NONE,
	                .output = io->output != 0};
	if (io->kind > VALUE_OPTIONAL)
		return bad(r, "bad kind of an input or output");
	if (io->at.space == SPACE_LATE)
		return read_late_io(r, io, refs, late, out);
	if (io->kind != VALUE_TENSOR || io->at.space == SPACE_NONE ||
	    !planned_shape(r, io->type, io->rank, io->dim, &as))
		return bad(r, "bad shape of an input or output");
	out->shape = as.shape;
	return resolve(r, &io->at, as.data.len, !out->output, &out->data);
}

/* The reference graph of a program, NULL if it has none. */
static bool
read_refs(Reader *r, const ProgramRow *p, Graph **out)
{
	Span bytes;

	*out = NULL;
	if (!p->ref)
		return true;
	if (!qpc_member(r->c, r->qpc,
	                arena_str(r->m->mem, "refs-%u.onnx", p->ref), &bytes) ||
	    !onnx_read_bytes(r->c, r->m->mem, bytes, out) ||
	    !graph_verify(r->c, *out))
		return note(r->c, "refs-%u.onnx", p->ref);
	for (size_t i = 0; i < (*out)->value->n; i++)
		if ((*out)->value->item[i].value)
			((Value *)(*out)->value->item[i].value)->mark = 0;
	return true;
}

static bool
read_program(Reader *r, const ProgramRow *p, HostProgram *out)
{
	const ImageHead *h = r->h;
	Graph *refs;

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
	out->late = late_new(r->m->mem, h->late);
	if (!read_refs(r, p, &refs))
		return false;
	for (uint32_t i = 0; i < p->nio; i++)
		if (!read_io(r, row(r, &h->ios, p->io + i), refs, out->late,
		             &out->io[i]))
			return false;
	for (uint32_t i = 0; i < p->nstep; i++) {
		const StepRow *s = row(r, &h->steps, p->step + i);
		bool ref = s->kernel == STEP_REF;

		if (!(ref ? read_ref_step(r, s, refs, out->late, (int)i,
		                          &out->run[i])
		          : read_kernel_step(r, s, &out->run[i])))
			return note(r->c, "step %u '%s'", i, text(r, s->name));
		out->figures[i] =
			(HostStep){.kernel = ref ? refs->node[s->dim[0]]->type
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
	m->late = r.h->late;
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
