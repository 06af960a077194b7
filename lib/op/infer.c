/* SPDX-License-Identifier: BSD-3-Clause
 * infer.c - types and shapes through a graph, and running it.
 *
 * A value's declared type and shape and the inferred ones are merged: each
 * fills what the other does not know; where both know, they must agree. */

#include "num.h"

enum {
	MAXDEPTH = 32, /* of subgraphs in subgraphs */
	SMALL = 4096,  /* elements of what is computed while inferring */
	SMALLBYTES = 1 << 16,
	ALIGN = 16
};

static bool
place(Ctx *c, const Node *n)
{
	return note(c, "node '%s' (%s)", n->name ? n->name : "", n->type);
}

static bool
arity(Ctx *c, const Node *n)
{
	const Op *o = n->op;

	if (!o)
		return fail(c, QE_INPUT, "no such operator%s%s",
		            *n->domain ? " in " : "", n->domain);
	if (n->nin < o->minin || (o->maxin >= 0 && n->nin > o->maxin))
		return fail(c, QE_INPUT, "%d inputs, wanted %d to %d", n->nin,
		            o->minin, o->maxin);
	/* of any number of inputs, none is optional */
	for (int i = 0; i < n->nin; i++)
		if (!n->in[i] &&
		    (i < o->minin || (o->maxin < 0 && !(o->flags & CONTROL))))
			return fail(c, QE_INPUT, "input %d is left out", i);
	if (n->nout < 1)
		return fail(c, QE_INPUT, "no outputs");
	return true;
}

/* Inputs are what the operator can read at all. */
static bool
readable(Ctx *c, const Node *n)
{
	for (int i = 0; i < n->nin; i++) {
		const Value *v = n->in[i];

		if (!v)
			continue;
		if (v->kind != VALUE_TENSOR && !(n->op->flags & LISTS))
			return fail(c, QE_INPUT, "input %d is not a tensor", i);
		if (v->type && strchr("SC", dtypes[v->type].class) &&
		    !(n->op->flags & TEXT))
			return fail(c, QE_INPUT, "not for type %s",
			            dtypes[v->type].name);
		if (!shape_sane(c, &v->shape))
			return false;
	}
	return true;
}

bool
node_check(Ctx *c, const Node *n)
{
	return arity(c, n) && readable(c, n);
}

static bool
agree(const Shape *s, const Shape *was)
{
	if (s->rank != was->rank)
		return false;
	for (int i = 0; i < s->rank; i++)
		if (s->dim[i] >= 0 && was->dim[i] >= 0 &&
		    s->dim[i] != was->dim[i])
			return false;
	return true;
}

static bool
merge(Ctx *c, Value *v, const Value *was)
{
	Shape *s = &v->shape;

	v->type = v->type ? v->type : was->type;
	if (was->type && v->type != was->type)
		return fail(c, QE_INPUT, "'%s' is %s, declared %s", was->name,
		            dtypes[v->type].name, dtypes[was->type].name);
	if (v->kind != VALUE_TENSOR || was->shape.rank < 0)
		return true;
	if (s->rank < 0)
		*s = was->shape;
	if (!agree(s, &was->shape))
		return fail(c, QE_INPUT, "'%s' is %s, declared %s", was->name,
		            shape_text(s).s, shape_text(&was->shape).s);
	for (int i = 0; i < s->rank; i++)
		if (s->dim[i] < 0)
			s->dim[i] = was->shape.dim[i];
	return true;
}

static bool
infer_node(Ctx *c, Arena *a, Node *n)
{
	Value *was;

	if (!node_check(c, n))
		return false;
	was = NEWV(a, Value, n->nout);
	for (int i = 0; i < n->nout; i++)
		if (n->out[i])
			was[i] = *n->out[i];
	if (!n->op->infer(c, n))
		return false;
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && !merge(c, n->out[i], &was[i]))
			return false;
	return true;
}

/* ---- running one node ---- */

/* Bytes at an address fit for their type. */
static bool
load_input(Ctx *c, Arena *a, Graph *g, Value *v)
{
	int64_t want = dtype_bytes(v->type, shape_count(&v->shape));
	const void *p;

	while (g && g->parent)
		g = g->parent;
	/* the source's map is shared, so it lives as long as the graph */
	p = blob_data(c, g ? g->mem : a, &v->data);
	if (!p)
		return false;
	if (want < 0 || v->data.len < want)
		return fail(c, QE_INPUT, "'%s': %lld bytes for %s%s",
		            v->name ? v->name : "", (long long)v->data.len,
		            dtypes[v->type].name, shape_text(&v->shape).s);
	if ((uintptr_t)p % MIN(dtypes[v->type].size, ALIGN))
		p = arena_copy(a, p, (size_t)want);
	v->data.mem = p;
	return true;
}

static bool
load_inputs(Ctx *c, Arena *a, Node *n)
{
	for (int i = 0; i < n->nin; i++) {
		Value *v = n->in[i];

		if (!v || v->kind != VALUE_TENSOR || n->op->flags & SHAPED)
			continue;
		if (!blob_is(v->data))
			return fail(c, QE_INPUT, "input '%s' has no data",
			            v->name ? v->name : "");
		if (!load_input(c, a, n->graph, v))
			return false;
	}
	return true;
}

/* Outputs of DYNAMIC operators and views come with
 * memory of their own. */
static bool
run_node(Ctx *c, Arena *a, Node *n)
{
	bool own = n->op->flags & (VIEW | DYNAMIC), some = own;

	for (int i = 0; i < n->nout && !own; i++)
		if (n->out[i] && n->out[i]->kind == VALUE_TENSOR &&
		    !value_alloc(c, a, n->out[i]))
			return false;
	for (int i = 0; i < n->nout && !some; i++)
		some = n->out[i] && (n->out[i]->kind != VALUE_TENSOR ||
		                     shape_count(&n->out[i]->shape));
	/* nothing to compute where there are no elements */
	return !some || n->op->eval(c, a, n);
}

/* An operator may count on its first output. */
static bool
eval_node(Ctx *c, Arena *a, Node *n)
{
	bool spare, done;

	if (!node_check(c, n) || !load_inputs(c, a, n))
		return false;
	spare = !n->out[0];
	if (spare) {
		n->out[0] = NEW(a, Value);
		n->out[0]->name = "";
		n->out[0]->shape.rank = -1;
	}
	/* inferring a body again would leave traces in it */
	done = (n->op->flags & CONTROL || infer_node(c, a, n)) &&
	       run_node(c, a, n);
	if (spare)
		n->out[0] = NULL;
	return done;
}

bool
node_eval(Ctx *c, Arena *a, Node *n)
{
	Blob *was = NEWV(a, Blob, n->nin);
	bool done;

	for (int i = 0; i < n->nin; i++)
		if (n->in[i])
			was[i] = n->in[i]->data;
	done = eval_node(c, a, n) || place(c, n);
	for (int i = 0; i < n->nin; i++)
		if (n->in[i])
			n->in[i]->data = was[i];
	return done;
}

/* ---- a whole graph: infer ---- */

typedef struct Walk {
	Arena mem;    /* scratch */
	Value **temp; /* have data for now only */
	size_t ntemp, captemp;
} Walk;

static bool
is_small(const Value *v)
{
	int64_t n = shape_count(&v->shape);

	return v->kind == VALUE_TENSOR && v->type && n >= 0 && n <= SMALL;
}

/* Small constants from files come into memory, for infer to see. */
static bool
load_small(Ctx *c, Graph *g, Node *n)
{
	for (int i = 0; i < n->nin; i++) {
		Value *v = n->in[i];

		if (v && blob_is(v->data) && is_small(v) &&
		    v->data.len <= SMALLBYTES && !load_input(c, g->mem, g, v))
			return false;
	}
	return true;
}

static bool
foldable(const Node *n)
{
	if (!n->op || !(n->op->flags & PURE) || n->op->flags & CONTROL)
		return false;
	for (int i = 0; i < n->nin; i++) {
		const Value *v = n->in[i];

		if (!v)
			continue;
		if (n->op->flags & SHAPED ? !shape_known(&v->shape)
		                          : !v->data.mem || !is_small(v))
			return false;
	}
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] &&
		    (!is_small(n->out[i]) || blob_is(n->out[i]->data)))
			return false;
	return true;
}

/* Big constants of Constant nodes are taken over where they are. */
static bool
take_constant(Node *n)
{
	const Attr *a = attr_find(n, "value");

	if (!n->op || n->op->eval != eval_constant || !a ||
	    a->type != ATTR_TENSOR || !n->out[0])
		return false;
	n->out[0]->data = a->t->data;
	return true;
}

/* What cannot be computed now is left for the run to complain about. */
static bool
try_fold(Ctx *c, Graph *g, Node *n)
{
	Ctx trial = {.tool = c->tool};
	bool done;

	if (take_constant(n))
		return true;
	if (!foldable(n))
		return false;
	done = run_node(&trial, g->mem, n);
	arena_free(&trial.mem);
	for (int i = 0; !done && i < n->nout; i++)
		if (n->out[i])
			n->out[i]->data = (Blob){0};
	return done;
}

static bool
infer_one(Ctx *c, Graph *g, Node *n, Walk *w, bool fold, bool *gone)
{
	*gone = false;
	if (!n->op) /* somebody else's: its outputs are what they declare */
		return true;
	if (!load_small(c, g, n) || !infer_node(c, &w->mem, n))
		return false;
	if (!try_fold(c, g, n))
		return true;
	for (int i = 0; i < n->nout; i++) {
		if (!n->out[i])
			continue;
		if (fold)
			n->out[i]->from = NULL;
		else
			PUSH(&w->mem, w->temp, w->ntemp, w->captemp, n->out[i]);
	}
	*gone = fold;
	return true;
}

bool
graph_infer(Ctx *c, Graph *g, bool fold)
{
	Walk w = {{0}};
	int kept = 0, depth = 0;
	bool gone, done = true;

	for (const Graph *p = g->parent; p; p = p->parent)
		if (++depth > MAXDEPTH)
			return fail(c, QE_INPUT, "graphs nest deeper than %d",
			            MAXDEPTH);
	for (int i = 0; i < g->nnode; i++) {
		gone = false;
		if (done && !infer_one(c, g, g->node[i], &w, fold, &gone))
			done = place(c, g->node[i]);
		if (!gone)
			g->node[kept++] = g->node[i];
	}
	g->nnode = kept;
	for (size_t i = 0; i < w.ntemp; i++)
		w.temp[i]->data = (Blob){0};
	arena_free(&w.mem);
	return done;
}

/* ---- a whole graph: run ---- */

typedef struct Saved {
	Value *v, was;
} Saved;

static void
save(Saved *s, size_t *n, Value *v)
{
	if (v)
		s[(*n)++] = (Saved){v, *v};
}

static bool
feed(Ctx *c, Value *to, const Value *from)
{
	Value was = *to;

	if (!from)
		return blob_is(to->data) ||
		       fail(c, QE_INPUT, "input '%s' is not given", to->name);
	to->kind = from->kind;
	to->type = from->type;
	to->shape = from->shape;
	to->data = from->data;
	to->item = from->item;
	to->nitem = from->nitem;
	return merge(c, to, &was);
}

static bool
run_nodes(Ctx *c, Arena *a, Graph *g)
{
	for (int i = 0; i < g->nnode; i++)
		if (!go_on(c) || !node_eval(c, a, g->node[i]))
			return false;
	return true;
}

static bool
hand_out(Ctx *c, Arena *a, Graph *g, Value **out)
{
	for (int i = 0; i < g->nout; i++) {
		const Value *v = g->out[i];
		const char *name;

		if (!out[i])
			out[i] = NEW(a, Value);
		name = out[i]->name ? out[i]->name : v->name;
		*out[i] = *v;
		out[i]->name = name;
		out[i]->from = NULL;
		if (v->kind != VALUE_TENSOR)
			continue;
		if (!blob_is(v->data))
			return fail(c, QE_INPUT, "output '%s' is not made",
			            v->name);
		if (!load_input(c, a, g, out[i]))
			return false;
	}
	return true;
}

bool
graph_eval(Ctx *c, Arena *a, Graph *g, Value *const *in, Value **out)
{
	size_t nsaved = 0, room = (size_t)g->nin + 1;
	Saved *saved;
	bool done = true;

	for (int i = 0; i < g->nnode; i++)
		room += (size_t)g->node[i]->nout;
	saved = NEWV(a, Saved, room);
	for (int i = 0; i < g->nin; i++)
		save(saved, &nsaved, g->in[i]);
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++)
			save(saved, &nsaved, g->node[i]->out[k]);
	for (int i = 0; i < g->nin && done; i++)
		done = feed(c, g->in[i], in[i]);
	done = done && run_nodes(c, a, g) && hand_out(c, a, g, out);
	for (size_t i = 0; i < nsaved; i++)
		*saved[i].v = saved[i].was;
	return done;
}
