/* SPDX-License-Identifier: BSD-3-Clause
 * emit.c - the nodes of a fused graph as steps of a program.
 *
 * Every value gets a home: the arena (with a life, from the step that makes
 * it to the last that reads it), the weights, the retained state, or that of
 * the value it is a view of.  Places in the arena are known only when all
 * lives are, so steps name homes first and are patched at the end. */

#include <assert.h>

#include "emit.h"

static int
new_life(Emit *e, int64_t size)
{
	Life l = {.size = size, .from = e->step, .to = e->step};

	if (size < 0)
		e->ok = false;
	PUSH(&e->mem, e->life, e->nlife, e->caplife, l);
	return e->nlife - 1;
}

static int64_t
bytes_of(const Value *v)
{
	return dtype_bytes(v->type, shape_count(&v->shape));
}

/* The home of a value that a node makes in the arena. */
static Home *
make_home(Emit *e, Value *v)
{
	Home *h = &e->home[v->mark];

	if (h->space != SPACE_NONE)
		return h;
	if (!is_planned(v)) {
		h->space = SPACE_LATE;
		return h;
	}
	h->space = SPACE_ARENA;
	h->life = new_life(e, bytes_of(v));
	return h;
}

static Home
weight_home(Emit *e, Weight *w)
{
	if (!w) {
		e->ok = false;
		return (Home){0};
	}
	return (Home){.space = SPACE_WEIGHTS, .off = w->off};
}

/* Where v is read from; constants are asked for as plain float32 or, what is
 * no float, as they are. */
static Home
home_of(Emit *e, Value *v)
{
	Home *h = &e->home[v->mark];

	if (h->space == SPACE_NONE && !is_planned(v))
		h->space = SPACE_LATE;
	if (h->space == SPACE_NONE)
		*h = weight_home(e, weights_plain(e->c, e->weights, e->g, v,
		                                  v->type));
	return *h;
}

static Place
place(Emit *e, int slot, Home h)
{
	if (h.space == SPACE_ARENA) {
		e->life[h.life].to = e->step;
		e->patch[e->step][slot] = h.life + 1;
	}
	return (Place){.space = h.space, .off = h.off};
}

void
emit_reads(Emit *e, int slot, Value *v)
{
	if (v)
		e->row->buf[slot] = place(e, slot, home_of(e, v));
}

void
emit_writes(Emit *e, int slot, Value *v)
{
	if (v)
		e->row->buf[slot] = place(e, slot, *make_home(e, v));
}

void
emit_inplace(Emit *e, int slot, Value *v, const Value *alias)
{
	emit_reads(e, slot, v);
	e->home[alias->mark] = home_of(e, v);
}

WFormat
emit_packed(Emit *e, int slot, Value *v, bool transpose)
{
	Weight *w = weights_pack(e->c, e->weights, e->g, v, transpose);

	e->row->buf[slot] = place(e, slot, weight_home(e, w));
	return w ? w->format : WF_F32;
}

/* x rounded for a product with weights of format f, by a step of its own; one
 * for all products of x. */
static Home
rounded_home(Emit *e, Value *x, WFormat f)
{
	Round *r = &e->round[x->mark];
	StepRow *product = e->row, row = {.kernel = K_ROUND};
	int64_t m = rows_of(x), k = last_dim(x);

	if (r->home.space != SPACE_NONE && r->format == f)
		return r->home;
	row.name = product->name;
	row.dim[ROUND_M] = m;
	row.dim[ROUND_K] = k;
	row.dim[ROUND_FORMAT] = f;
	e->row = &row;
	emit_reads(e, ROUND_X, x);
	r->format = f;
	r->home = (Home){.space = SPACE_ARENA,
	                 .life = new_life(e, rounded_size(m, k))};
	row.buf[ROUND_Y] = place(e, ROUND_Y, r->home);
	buf_add(e->image->steps, &row, sizeof row);
	e->step++;
	e->row = product;
	return r->home;
}

/* x of a product with weights of format f: may append a step, so that places
 * in the arena are to be asked for later.  Returns whether it is rounded. */
bool
emit_input(Emit *e, int slot, Value *x, WFormat f)
{
	bool rounds = wformat_rounds(f);
	Home h = rounds ? rounded_home(e, x, f) : home_of(e, x);

	e->row->buf[slot] = place(e, slot, h);
	return rounds;
}

WFormat
emit_stack(Emit *e, int slot, Value *v)
{
	Weight *w = weights_stack(e->c, e->weights, e->g, v);

	e->row->buf[slot] = place(e, slot, weight_home(e, w));
	return w ? w->format : WF_F32;
}

/* ---- reference operators ---- */

static Graph *
refs(Emit *e)
{
	if (e->ref)
		return e->ref;
	e->ref = graph_new(e->image->mem, "refs");
	for (int i = 0; i < e->g->nopset; i++)
		graph_import(e->ref, e->g->opset[i].domain,
		             e->g->opset[i].version);
	return e->ref;
}

/* A value of the reference graph that stands for v. */
static Value *
ref_value(Emit *e, Value *v, bool made)
{
	Graph *g = refs(e);
	Value *r = v ? value_find(g, v->name) : NULL;

	if (!v || r)
		return r;
	r = value_new(g, v->name, v->type, &v->shape);
	r->kind = v->kind;
	r->item = v->item; /* of an input: the type of what it may hold */
	if (value_is_const(v) && v->data.mem &&
	    (v->data.len <= 64 || v->type == DT_STRING))
		r->data = v->data;
	else if (!made) /* by a kernel, or outside */
		PUSH(g->mem, g->in, g->nin, g->capin, r);
	return r;
}

static void
emit_ref_value(Emit *e, Value *v, bool made)
{
	RefRow row = {0};
	Home h = {0};
	Value *r = ref_value(e, v, made);

	if (v) {
		row.type = (uint32_t)v->type;
		row.rank = (uint32_t)v->shape.rank;
		memcpy(row.dim, v->shape.dim, sizeof row.dim);
	}
	if (v && made)
		h = *make_home(e, v);
	else if (v && !value_is_const(r))
		h = home_of(e, v);
	if (h.space == SPACE_LATE)
		e->image->late = e->late;
	if (h.space == SPACE_ARENA) {
		e->life[h.life].to = e->step;
		h.off = -1 - h.life; /* patched like the steps */
	}
	row.at = (Place){.space = h.space, .off = h.off};
	buf_add(e->image->refs, &row, sizeof row);
}

static void
emit_ref(Emit *e, Node *n)
{
	Image *m = e->image;
	Value **io = NEWV(&e->mem, Value *, n->nin + n->nout + 1), **used;
	int nused = node_captures(&e->mem, n, &used);
	Node *r;

	for (int i = 0; i < n->nin + n->nout; i++)
		io[i] = ref_value(e, i < n->nin ? n->in[i] : n->out[i - n->nin],
		                  i >= n->nin);
	if (!node_planned(n))
		m->late = e->late;
	e->row->kernel = STEP_REF;
	e->row->dim[0] = refs(e)->nnode;
	e->row->dim[1] = n->nin;
	e->row->dim[2] = n->nout;
	e->row->dim[3] = (int64_t)(m->refs->n / sizeof(RefRow));
	e->row->dim[4] = nused;
	r = node_new(e->ref, n->domain, n->type, n->nin, io, n->nout,
	             io + n->nin);
	r->name = n->name;
	r->attr = n->attr;
	r->nattr = n->nattr;
	for (int i = 0; i < n->nin; i++)
		emit_ref_value(e, n->in[i], false);
	for (int i = 0; i < n->nout; i++)
		emit_ref_value(e, n->out[i], true);
	for (int i = 0; i < nused; i++)
		emit_ref_value(e, used[i], false);
}

/* ---- the program ---- */

static bool
emit_node(Emit *e, Node *n)
{
	StepRow row = {0};
	KernelId k;

	if (is_op(n, HOST_DOMAIN, "view")) {
		Home h = home_of(e, n->in[0]);

		e->home[n->out[0]->mark] = h;
		return e->ok;
	}
	row.name = image_text(e->image, n->name);
	e->row = &row;
	if (strcmp(n->domain, HOST_DOMAIN) == 0) {
		k = kernel_of(n);
		assert(k < K_COUNT);
		row.kernel = k;
		emit_kernel[k](e, n);
	} else {
		emit_ref(e, n);
	}
	buf_add(e->image->steps, &row, sizeof row);
	e->step++;
	return e->ok || note(e->c, "node '%s' (%s)", n->name, n->type);
}

static State *
state_of(Emit *e, const Value *v)
{
	State *s = dict_get(e->image->states, v->name);
	int64_t row;

	if (s)
		return shape_eq(&s->shape, &v->shape) ? s : NULL;
	s = NEW(e->image->mem, State);
	s->shape = v->shape;
	s->type = v->type;
	s->format = v->shape.rank == 4 && v->type == DT_F32 ? e->image->cache
	                                                    : CF_COUNT;
	row = last_dim(v);
	s->len =
		s->format == CF_COUNT
			? bytes_of(v)
			: mul_size(rows_of(v), cache_row_bytes(s->format, row));
	s->off = e->image->state;
	e->image->state += (s->len + 63) / 64 * 64;
	dict_set(e->image->states, v->name, s);
	return s->len < 0 ? NULL : s;
}

static void
add_io(Emit *e, Value *v, bool output, int *nio)
{
	Home h = home_of(e, v);
	IORow row = {.name = image_text(e->image, v->name),
	             .type = (uint32_t)v->type,
	             .rank = (uint32_t)v->shape.rank,
	             .kind = (uint32_t)v->kind,
	             .output = output};

	if (h.space == SPACE_LATE) { /* a value of that name */
		ref_value(e, v, v->from != NULL);
		e->image->late = e->late;
	}
	memcpy(row.dim, v->shape.dim, sizeof row.dim);
	row.at = (Place){.space = h.space,
	                 .off = h.space == SPACE_ARENA ? -1 - h.life : h.off};
	buf_add(e->image->ios, &row, sizeof row);
	++*nio;
}

static bool
begin_inputs(Emit *e)
{
	for (int i = 0; i < e->g->nin; i++) {
		Value *v = e->g->in[i];
		State *s;

		if (!is_state(e->g, v)) {
			make_home(e, v);
			continue;
		}
		if (!(s = state_of(e, v)))
			return fail(
				e->c, QE_INPUT,
				"retained '%s': other shape than in another specialization",
				v->name);
		e->home[v->mark] = (Home){.space = SPACE_STATE, .off = s->off};
	}
	return true;
}

/* A state that is set from outside: weights of an adapter. */
static bool
is_given(const Value *state)
{
	return str_ends(state->name, ".weight");
}

/* What no cache_write has put in its place is copied there at the end. */
static bool
keep_states(Emit *e)
{
	for (int i = 0; i < e->g->nout; i++) {
		Value *v = e->g->out[i];
		char *base = arena_dup(&e->mem, v->name);
		Home h = home_of(e, v);
		State *s;
		StepRow row = {.kernel = K_COPY};

		if (!str_ends(base, RETAINED))
			continue;
		base[strlen(base) - strlen(RETAINED)] = '\0';
		s = dict_get(e->image->states, base);
		if (!s || (h.space == SPACE_STATE && h.off == s->off))
			continue;
		e->row = &row;
		row.name = image_text(e->image, v->name);
		emit_reads(e, COPY_X, v);
		row.buf[COPY_Y] = (Place){.space = SPACE_STATE, .off = s->off};
		row.dim[COPY_ELEM] = (int64_t)dtypes[v->type].size;
		for (int k = 0; k < 6; k++)
			row.dim[COPY_SIZE + k] = 1;
		row.dim[COPY_SIZE + 5] = shape_count(&v->shape);
		row.dim[COPY_STRIDE + 5] = 1;
		buf_add(e->image->steps, &row, sizeof row);
		e->step++;
	}
	return true;
}

/* Inputs are filled before the first step; outputs are read after the last. */
static void
stretch_io(Emit *e)
{
	for (int i = 0; i < e->g->nin + e->g->nout; i++) {
		Value *v =
			i < e->g->nin ? e->g->in[i] : e->g->out[i - e->g->nin];
		Home h = e->home[v->mark];

		if (h.space != SPACE_ARENA)
			continue;
		e->life[h.life].to = e->step;
		if (i < e->g->nin)
			e->life[h.life].from = 0;
	}
}

static void
patch(Emit *e, size_t step0, size_t ref0, size_t io0)
{
	StepRow *s = (StepRow *)e->image->steps->p + step0;
	RefRow *r = (RefRow *)e->image->refs->p;
	IORow *io = (IORow *)e->image->ios->p;

	for (int i = 0; i < e->step; i++)
		for (int k = 0; k < STEP_BUF; k++)
			if (e->patch[i][k])
				s[i].buf[k].off +=
					e->life[e->patch[i][k] - 1].off;
	for (size_t i = ref0; i < e->image->refs->n / sizeof *r; i++)
		if (r[i].at.space == SPACE_ARENA)
			r[i].at.off = e->life[-1 - r[i].at.off].off;
	for (size_t i = io0; i < e->image->ios->n / sizeof *io; i++)
		if (io[i].at.space == SPACE_ARENA)
			io[i].at.off = e->life[-1 - io[i].at.off].off;
}

static void
number_values(Graph *g)
{
	int n = 0;

	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = n++;
}

/* Its outputs are made once, while the weights are packed. */
static bool
makes_weights(const Node *n)
{
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] &&
		    (!is_weight(n->out[i]) || !is_planned(n->out[i])))
			return false;
	return true;
}

static bool
emit_all(Emit *e, const Spec *spec)
{
	Image *m = e->image;
	size_t step0 = m->steps->n / sizeof(StepRow),
	       ref0 = m->refs->n / sizeof(RefRow),
	       io0 = m->ios->n / sizeof(IORow);
	ProgramRow row = {.name = image_text(m, spec->name),
	                  .step = (uint32_t)step0,
	                  .io = (uint32_t)io0};
	int nio = 0;

	if (!begin_inputs(e))
		return false;
	for (int i = 0; i < e->g->nnode; i++)
		if (!makes_weights(e->g->node[i]) &&
		    !emit_node(e, e->g->node[i]))
			return false;
	if (!keep_states(e))
		return false;
	for (int i = 0; i < e->g->nin; i++)
		if (!is_state(e->g, e->g->in[i]) || is_given(e->g->in[i]))
			add_io(e, e->g->in[i], false, &nio);
	for (int i = 0; i < e->g->nout; i++)
		if (!str_ends(e->g->out[i]->name, RETAINED))
			add_io(e, e->g->out[i], true, &nio);
	stretch_io(e);
	m->own = plan_arena(&e->mem, e->life, e->nlife);
	m->arena = MAX(m->arena, m->own);
	patch(e, step0, ref0, io0);
	row.nstep = (uint32_t)e->step;
	row.nio = (uint32_t)nio;
	if (e->ref) {
		PUSH(m->mem, m->ref, m->nref, m->capref, e->ref);
		row.ref = (uint32_t)m->nref;
	}
	buf_add(m->programs, &row, sizeof row);
	return e->ok;
}

bool
emit_program(Ctx *c, Image *image, Weights *weights, Graph *g, const Spec *spec,
             int64_t late)
{
	Emit e = {.c = c,
	          .late = late,
	          .image = image,
	          .weights = weights,
	          .g = g,
	          .ok = true};
	bool ok;

	number_values(g);
	e.home = NEWV(&e.mem, Home, g->value->n + 1);
	e.round = NEWV(&e.mem, Round, g->value->n + 1);
	/* a product may need a step before it */
	e.patch = arena_array(&e.mem, (size_t)(2 * g->nnode + g->nout + 1),
	                      sizeof *e.patch);
	ok = emit_all(&e, spec);
	arena_free(&e.mem);
	return ok;
}
