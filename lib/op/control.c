/* SPDX-License-Identifier: BSD-3-Clause
 * control.c - If, Loop, Scan, SequenceMap: operators that run graphs.
 *
 * Inference of a body is done once, with what holds in every iteration; a
 * branch that cannot be inferred is one that will not be taken.  Evaluation
 * sets types and shapes of the outputs itself (see CONTROL). */

#include "num.h"
#include "sequence.h"
#include "turn.h"

static Graph *
body_arg(Ctx *c, const Node *n, const char *name)
{
	const Attr *a = attr_find(n, name);

	if (a && a->type == ATTR_GRAPH)
		return a->g;
	fail(c, QE_INPUT, "no graph '%s'", name);
	return NULL;
}

static bool
want_counts(Ctx *c, const Graph *g, int nin, int nout)
{
	return (g->nin == nin && g->nout == nout) ||
	       fail(c, QE_INPUT,
	            "body has %d inputs, %d outputs, wanted %d, %d", g->nin,
	            g->nout, nin, nout);
}

static bool
all_given(Ctx *c, const Node *n, int from)
{
	for (int i = from; i < n->nin; i++)
		if (!n->in[i])
			return fail(c, QE_INPUT, "input %d is left out", i);
	return true;
}

/* What is known of a body's input, added to what it declares. */
static void
give_type(Value *to, const Value *from, const Shape *s)
{
	to->kind = from->kind;
	to->type = to->type ? to->type : from->type;
	if (to->shape.rank < 0)
		to->shape = *s;
	for (int i = 0; i < to->shape.rank && to->shape.rank == s->rank; i++)
		if (to->shape.dim[i] < 0)
			to->shape.dim[i] = s->dim[i];
}

static bool
set_like(Ctx *c, Value *y, const Value *x, const Shape *s)
{
	if (!y)
		return true;
	if (!value_set(c, y, x->type, s))
		return false;
	y->kind = x->kind;
	return true;
}

/* What holds for both shapes. */
static Shape
common(const Shape *a, const Shape *b)
{
	Shape s = *a;

	if (a->rank != b->rank)
		return (Shape){.rank = -1};
	for (int i = 0; i < s.rank; i++)
		if (a->dim[i] != b->dim[i])
			s.dim[i] = -1;
	return s;
}

/* ---- If ---- */

static bool
try_infer(Ctx *c, Graph *g)
{
	Ctx trial = {.tool = c->tool};
	bool done = graph_infer(&trial, g, false);

	arena_free(&trial.mem);
	return done;
}

bool
infer_if(Ctx *c, Node *n)
{
	Graph *yes = body_arg(c, n, "then_branch");
	Graph *no = body_arg(c, n, "else_branch");
	const Value *cond = node_known(n, 0);
	bool could_yes, could_no;

	if (!yes || !no || !want_counts(c, yes, 0, n->nout) ||
	    !want_counts(c, no, 0, n->nout))
		return false;
	could_yes =
		try_infer(c, yes) && !(cond && shape_count(&cond->shape) == 1 &&
	                               !value_i64(cond, 0));
	could_no = try_infer(c, no) && !(cond && could_yes);
	if (cond && could_yes && value_i64(cond, 0))
		could_no = false;
	if (!could_yes && !could_no)
		return graph_infer(c, yes, false) && graph_infer(c, no, false);
	for (int i = 0; i < n->nout; i++) {
		const Value *a = could_yes ? yes->out[i] : no->out[i];
		const Value *b = could_no ? no->out[i] : yes->out[i];
		Shape s = common(&a->shape, &b->shape);

		if (!set_like(c, n->out[i], a, &s))
			return false;
	}
	return true;
}

bool
eval_if(Ctx *c, Arena *a, Node *n)
{
	Value **out = NEWV(a, Value *, n->nout);
	Graph *g;

	if (n->in[0]->kind != VALUE_TENSOR ||
	    shape_count(&n->in[0]->shape) != 1 || n->in[0]->type != DT_BOOL)
		return fail(c, QE_INPUT, "condition %s%s",
		            dtypes[n->in[0]->type].name,
		            shape_text(&n->in[0]->shape).s);
	g = body_arg(c, n,
	             value_i64(n->in[0], 0) ? "then_branch" : "else_branch");
	if (!g || !want_counts(c, g, 0, n->nout) ||
	    !graph_eval(c, a, g, NULL, out))
		return false;
	for (int i = 0; i < n->nout; i++)
		value_share(n->out[i], out[i]);
	return true;
}

/* ---- what iterations collect ---- */

typedef struct Pile {
	Value **item;
	size_t n, cap;
} Pile;

static void
pile_add(Arena *a, Pile *p, Value *v)
{
	PUSH(a, p->item, p->n, p->cap, v);
}

/* No iteration: dimensions that are not known are 0. */
static bool
empty_pile(Ctx *c, Arena *a, Value *y, const Value *like, int axis)
{
	Shape s = {like->shape.rank + 1, {0}};

	if (like->shape.rank < 0)
		s.rank = 1;
	for (int i = 0, k = 0; i < s.rank; i++)
		s.dim[i] = i == axis ? 0 : MAX(0, like->shape.dim[k++]);
	return value_make(c, a, y, like->type ? like->type : DT_F32, &s);
}

static bool
pile_stack(Ctx *c, Arena *a, Value *y, const Pile *p, const Value *like,
           int64_t axis, bool backwards)
{
	int rank = p->n ? p->item[0]->shape.rank : MAX(0, like->shape.rank);
	int at;

	if (!y)
		return true;
	if (!axis_arg(c, axis, rank + 1, &at))
		return false;
	for (size_t i = 0, k = p->n; backwards && i + 1 < k; i++) {
		Value *t = p->item[i];

		p->item[i] = p->item[--k];
		p->item[k] = t;
	}
	return p->n ? sequence_stack(c, a, y, p->item, (int)p->n, at)
	            : empty_pile(c, a, y, like, at);
}

static bool
pile_copy(Ctx *c, Arena *a, Pile *p, const Value *v)
{
	Value *y = NEW(a, Value);

	y->name = "";
	if (!value_copy(c, a, y, v))
		return false;
	pile_add(a, p, y);
	return true;
}

/* ---- Loop: trip count, condition, carried values ---- */

bool
infer_loop(Ctx *c, Node *n)
{
	Graph *g = body_arg(c, n, "body");
	int carried = n->nin - 2;
	Value scalar = {.type = DT_I64};

	if (!g || carried < 0 || g->nin != carried + 2 ||
	    g->nout < carried + 1 || n->nout > g->nout - 1)
		return g ? want_counts(c, g, carried + 2, n->nout + 1) : false;
	give_type(g->in[0], &scalar, &scalar.shape);
	scalar.type = DT_BOOL;
	give_type(g->in[1], &scalar, &scalar.shape);
	for (int i = 0; i < carried; i++)
		if (n->in[i + 2])
			give_type(g->in[i + 2], n->in[i + 2],
			          &(Shape){.rank = -1});
	if (!graph_infer(c, g, false))
		return note(c, "body");
	for (int i = 0; i < n->nout; i++) {
		const Value *from = g->out[i + 1];
		Shape s = from->shape;

		if (i < carried) {
			s = n->in[i + 2] ? common(&s, &n->in[i + 2]->shape)
			                 : (Shape){.rank = -1};
		} else if (s.rank >= 0 && s.rank < MAXRANK) {
			memmove(s.dim + 1, s.dim,
			        (size_t)s.rank * sizeof *s.dim);
			s.dim[0] = -1;
			s.rank++;
		}
		if (!set_like(c, n->out[i], from, &s))
			return false;
	}
	return true;
}

static Value *
scalar(Arena *a, DType t, int64_t x)
{
	Value *v = NEW(a, Value);

	v->name = "";
	v->type = t;
	v->data = (Blob){.mem = arena_alloc(a, sizeof x),
	                 .len = dtype_bytes(t, 1)};
	store_i64(v, 0, 1, &x);
	return v;
}

static bool
truth(Ctx *c, const Value *v, bool *out)
{
	if (v->kind != VALUE_TENSOR || v->type != DT_BOOL ||
	    shape_count(&v->shape) != 1 || !v->data.mem)
		return fail(c, QE_INPUT, "condition is not one element");
	*out = value_i64(v, 0) != 0;
	return true;
}

typedef struct Loop {
	Graph *g;
	Value **in, **out;
	Pile *pile;
	int carried;
	int64_t trips; /* -1: until the condition says so */
	bool go;
	Turn turn;
} Loop;

static bool
loop_body(Ctx *c, Arena *a, Loop *s, int64_t i)
{
	s->in[0] = scalar(&s->turn.now, DT_I64, i);
	s->in[1] = scalar(&s->turn.now, DT_BOOL, s->go);
	for (int k = 0; k < s->g->nout; k++)
		s->out[k] = NULL;
	if (!graph_eval(c, &s->turn.now, s->g, s->in, s->out))
		return false;
	for (int k = 0; k < s->carried; k++) {
		s->in[k + 2] = s->out[k + 1];
		if (!turn_keep(c, &s->turn, &s->in[k + 2]))
			return false;
	}
	for (int k = s->carried; k < s->g->nout - 1; k++)
		if (!pile_copy(c, a, &s->pile[k], s->out[k + 1]))
			return false;
	return truth(c, s->out[0], &s->go);
}

static bool
loop_step(Ctx *c, Arena *a, Loop *s, int64_t i)
{
	turn_begin(&s->turn, a);
	if (!loop_body(c, a, s, i))
		return note(c, "iteration %lld", (long long)i);
	turn_end(&s->turn);
	return true;
}

static bool
open_loop(Ctx *c, Arena *a, Node *n, Loop *s)
{
	const Value *trips = node_in(n, 0), *cond = node_in(n, 1);

	*s = (Loop){.g = body_arg(c, n, "body"),
	            .carried = n->nin - 2,
	            .trips = -1,
	            .go = true};
	if (!s->g || s->carried < 0 || s->g->nin != s->carried + 2 ||
	    n->nout > s->g->nout - 1 || s->g->nout < s->carried + 1)
		return s->g ? want_counts(c, s->g, s->carried + 2, n->nout + 1)
		            : false;
	if (trips &&
	    (trips->kind != VALUE_TENSOR || !dtype_is_int(trips->type) ||
	     shape_count(&trips->shape) != 1))
		return fail(c, QE_INPUT, "trip count is not one integer");
	if (trips)
		s->trips = MAX(0, value_i64(trips, 0));
	s->in = NEWV(a, Value *, s->g->nin);
	s->out = NEWV(a, Value *, s->g->nout);
	s->pile = NEWV(a, Pile, s->g->nout);
	for (int i = 0; i < s->carried; i++)
		s->in[i + 2] = n->in[i + 2];
	return !cond || truth(c, cond, &s->go);
}

static bool
loop_outputs(Ctx *c, Arena *a, Node *n, Loop *s)
{
	for (int i = 0; i < n->nout; i++) {
		if (i < s->carried && !s->in[i + 2])
			return fail(c, QE_INPUT, "input %d is left out", i + 2);
		if (i >= s->carried ? !pile_stack(c, a, n->out[i], &s->pile[i],
		                                  s->g->out[i + 1], 0, false)
		                    : n->out[i] && !value_copy(c, a, n->out[i],
		                                               s->in[i + 2]))
			return false;
	}
	return true;
}

bool
eval_loop(Ctx *c, Arena *a, Node *n)
{
	bool ignore = !node_in(n, 1), ok;
	Loop s;

	if (!open_loop(c, a, n, &s))
		return false;
	ok = true;
	for (int64_t i = 0;
	     ok && (s.trips < 0 || i < s.trips) && (s.go || ignore); i++)
		ok = go_on(c) && loop_step(c, a, &s, i);
	ok = ok && loop_outputs(c, a, n, &s);
	turn_close(&s.turn);
	return ok;
}

/* ---- Scan: state values, then inputs walked along an axis ---- */

typedef struct Scan {
	Graph *g;
	int states, scans, outs;
	bool batched; /* opset 8: axis 0 is a batch, all walk axis 1 */
} Scan;

static bool
open_scan(Ctx *c, const Node *n, Scan *s)
{
	int64_t scans = attr_int(n, "num_scan_inputs", -1);

	*s = (Scan){.g = body_arg(c, n, "body"),
	            .scans = (int)MAX(0, MIN(scans, n->nin)),
	            .batched = n->op->since < 9};
	if (!s->g)
		return false;
	s->states = n->nin - s->batched - s->scans;
	s->outs = s->g->nout - s->states;
	if (scans < 1 || scans > n->nin || s->states < 0 || s->outs < 0 ||
	    (!s->batched && n->nin && !n->in[0]))
		return fail(c, QE_INPUT, "num_scan_inputs %lld",
		            (long long)scans);
	if (s->batched && node_in(n, 0))
		return fail(c, QE_INPUT, "sequence_lens are not supported");
	return all_given(c, n, s->batched) &&
	       want_counts(c, s->g, s->states + s->scans, n->nout);
}

static bool
list_at(Ctx *c, const Node *n, const char *name, int i, int count, int64_t *out)
{
	const int64_t *ints;
	int have = attr_ints(n, name, &ints);

	*out = have < 0 ? 0 : i < have ? ints[i] : 0;
	return have < 0 || have == count ||
	       fail(c, QE_INPUT, "%s: %d numbers, wanted %d", name, have,
	            count);
}

/* Axis of scan input or output i, in a tensor of that rank. */
static bool
scan_axis(Ctx *c, const Node *n, const Scan *s, bool in, int i, int rank,
          int *axis)
{
	int64_t at;

	if (s->batched) {
		*axis = 1;
		return rank >= 2 || fail(c, QE_INPUT, "rank %d", rank);
	}
	return list_at(c, n, in ? "scan_input_axes" : "scan_output_axes", i,
	               in ? s->scans : s->outs, &at) &&
	       axis_arg(c, at, rank, axis);
}

static void
drop_dim(Shape *s, int axis)
{
	for (int i = axis; i + 1 < s->rank; i++)
		s->dim[i] = s->dim[i + 1];
	s->rank--;
}

static bool
infer_scan_body(Ctx *c, Node *n, const Scan *s, int64_t *trips)
{
	for (int i = 0; i < s->states + s->scans; i++) {
		const Value *v = n->in[i + s->batched];
		Shape shape = v->shape;
		int axis;

		if (i >= s->states && shape.rank >= 0) {
			if (!scan_axis(c, n, s, true, i - s->states, shape.rank,
			               &axis))
				return false;
			*trips = shape.dim[axis];
			drop_dim(&shape, axis);
		}
		if (s->batched && shape.rank > 0)
			drop_dim(&shape, 0);
		give_type(s->g->in[i], v, &shape);
	}
	return graph_infer(c, s->g, false) || note(c, "body");
}

bool
infer_scan(Ctx *c, Node *n)
{
	int64_t trips = -1;
	Scan s;

	if (!open_scan(c, n, &s) || !infer_scan_body(c, n, &s, &trips))
		return false;
	for (int i = 0; i < n->nout; i++) {
		const Value *from = s.g->out[i];
		Shape y = from->shape;
		int axis = 0;

		if (y.rank >= MAXRANK - 1 || s.batched)
			y = (Shape){.rank = -1};
		if (y.rank >= 0 && i >= s.states) {
			if (!scan_axis(c, n, &s, false, i - s.states,
			               y.rank + 1, &axis))
				return false;
			memmove(y.dim + axis + 1, y.dim + axis,
			        (size_t)(y.rank - axis) * sizeof *y.dim);
			y.dim[axis] = trips;
			y.rank++;
		}
		if (!set_like(c, n->out[i], from, &y))
			return false;
	}
	return true;
}

/* Slice `at` of x along an axis, without the axis. */
static bool
slice(Ctx *c, Arena *a, const Value *x, int axis, int64_t at, Value **out)
{
	int64_t xstep[MAXRANK], ystep[MAXRANK], off;
	Value *y = NEW(a, Value);
	Shape s = x->shape;

	shape_steps(&x->shape, xstep);
	off = at * xstep[axis];
	drop_dim(&s, axis);
	for (int i = axis; i < s.rank; i++)
		xstep[i] = xstep[i + 1];
	shape_steps(&s, ystep);
	y->name = "";
	if (!value_make(c, a, y, x->type, &s))
		return false;
	elem_move(y, 0, ystep, x, off, xstep, &s);
	*out = y;
	return true;
}

typedef struct Walk {
	Value **in;
	const int *axis; /* of each scan input */
	Pile *pile;
	Turn turn;
	int64_t t, trips;
} Walk;

static bool
scan_body(Ctx *c, Arena *a, const Node *n, const Scan *s, Walk *w)
{
	const char *name = s->batched ? "directions" : "scan_input_directions";
	Arena *now = &w->turn.now;
	Value **in = NEWV(now, Value *, s->g->nin),
	      **out = NEWV(now, Value *, s->g->nout);
	int64_t reverse;

	for (int i = 0; i < s->states; i++)
		in[i] = w->in[i];
	for (int i = 0; i < s->scans; i++)
		if (!list_at(c, n, name, i, s->scans, &reverse) ||
		    !slice(c, now, w->in[s->states + i], w->axis[i],
		           reverse ? w->trips - 1 - w->t : w->t,
		           &in[s->states + i]))
			return false;
	if (!go_on(c) || !graph_eval(c, now, s->g, in, out))
		return false;
	for (int i = 0; i < s->states; i++) {
		w->in[i] = out[i];
		if (!turn_keep(c, &w->turn, &w->in[i]))
			return false;
	}
	for (int i = 0; i < s->outs; i++)
		if (!pile_copy(c, a, &w->pile[i], out[s->states + i]))
			return false;
	return true;
}

static bool
scan_step(Ctx *c, Arena *a, const Node *n, const Scan *s, Walk *w)
{
	turn_begin(&w->turn, a);
	if (!scan_body(c, a, n, s, w))
		return false;
	turn_end(&w->turn);
	return true;
}

/* One walk over inputs in[], which have no batch; states are moved on. */
static bool
scan_walk(Ctx *c, Arena *a, const Node *n, const Scan *s, Value **in,
          Pile *pile)
{
	Scan plain = *s;
	Value *out;
	int axis[MAXRANK * 64] = {0};
	Walk w = {.in = in, .axis = axis, .pile = pile};
	int64_t trips = -1;
	bool ok = true;

	plain.batched = false;
	if (s->scans > (int)LEN(axis))
		return fail(c, QE_INPUT, "%d scan inputs", s->scans);
	for (int i = 0; i < s->scans; i++) {
		const Shape *x = &in[s->states + i]->shape;

		if (!scan_axis(c, n, &plain, true, i, x->rank, &axis[i]))
			return false;
		if (trips >= 0 && trips != x->dim[axis[i]])
			return fail(c, QE_INPUT, "lengths %lld and %lld",
			            (long long)trips,
			            (long long)x->dim[axis[i]]);
		trips = x->dim[axis[i]];
	}
	w.trips = trips;
	for (w.t = 0; ok && w.t < trips; w.t++)
		ok = scan_step(c, a, n, s, &w) ||
		     note(c, "iteration %lld", (long long)w.t);
	for (int i = 0; ok && i < s->states && trips > 0; i++) {
		out = NEW(a, Value);
		out->name = in[i]->name;
		ok = value_copy(c, a, out, in[i]);
		in[i] = out;
	}
	turn_close(&w.turn);
	return ok;
}

static bool
scan_outputs(Ctx *c, Arena *a, const Node *n, const Scan *s, Pile *pile,
             Value **out)
{
	int64_t axis = 0, reverse = 0;

	for (int i = 0; i < s->outs; i++) {
		if (!s->batched &&
		    (!list_at(c, n, "scan_output_axes", i, s->outs, &axis) ||
		     !list_at(c, n, "scan_output_directions", i, s->outs,
		              &reverse)))
			return false;
		if (!pile_stack(c, a, out[i], &pile[i],
		                s->g->out[s->states + i], axis, reverse))
			return false;
	}
	return true;
}

/* Opset 8: each batch entry by itself, results stacked again. */
static bool
scan_batched(Ctx *c, Arena *a, Node *n, const Scan *s)
{
	int64_t batch = n->in[1]->shape.rank < 1 ? 0 : n->in[1]->shape.dim[0];
	Pile *all = NEWV(a, Pile, n->nout + 1);

	for (int64_t b = 0; b < batch; b++) {
		Value **in = NEWV(a, Value *, s->g->nin);
		Value **out = NEWV(a, Value *, s->outs + 1);
		Pile *pile = NEWV(a, Pile, s->outs + 1);

		for (int i = 0; i < s->g->nin; i++)
			if (n->in[i + 1]->shape.rank < 1 ||
			    n->in[i + 1]->shape.dim[0] != batch)
				return fail(c, QE_INPUT, "batches differ");
			else if (!slice(c, a, n->in[i + 1], 0, b, &in[i]))
				return false;
		for (int i = 0; i < s->outs; i++)
			out[i] = NEW(a, Value);
		if (!scan_walk(c, a, n, s, in, pile) ||
		    !scan_outputs(c, a, n, s, pile, out))
			return false;
		for (int i = 0; i < n->nout; i++)
			pile_add(a, &all[i],
			         i < s->states ? in[i] : out[i - s->states]);
	}
	for (int i = 0; i < n->nout; i++)
		if (!pile_stack(c, a, n->out[i], &all[i], s->g->out[i], 0,
		                false))
			return false;
	return true;
}

bool
eval_scan(Ctx *c, Arena *a, Node *n)
{
	Value **in;
	Pile *pile;
	Scan s;

	if (!open_scan(c, n, &s))
		return false;
	if (s.batched)
		return scan_batched(c, a, n, &s);
	in = arena_copy(a, n->in, (size_t)n->nin * sizeof *n->in);
	pile = NEWV(a, Pile, s.outs + 1);
	if (!scan_walk(c, a, n, &s, in, pile))
		return false;
	for (int i = 0; i < s.states; i++)
		value_share(n->out[i], in[i]);
	return scan_outputs(c, a, n, &s, pile, n->out + s.states);
}

/* ---- SequenceMap ---- */

bool
infer_sequence_map(Ctx *c, Node *n)
{
	Graph *g = body_arg(c, n, "body");

	if (!g || !all_given(c, n, 0) || !want_counts(c, g, n->nin, n->nout))
		return false;
	for (int i = 0; i < n->nin; i++) {
		give_type(g->in[i], n->in[i], &(Shape){.rank = -1});
		g->in[i]->kind = VALUE_TENSOR;
	}
	if (!graph_infer(c, g, false))
		return note(c, "body");
	for (int i = 0; i < n->nout; i++)
		if (!sequence_set(c, n->out[i], g->out[i]->type))
			return false;
	return true;
}

bool
eval_sequence_map(Ctx *c, Arena *a, Node *n)
{
	Graph *g = body_arg(c, n, "body");
	int count = n->in[0]->nitem;
	Value **in = NEWV(a, Value *, n->nin), **out;

	if (!g || !all_given(c, n, 0) || !want_counts(c, g, n->nin, n->nout))
		return false;
	for (int i = 0; i < n->nout; i++)
		if (n->out[i]) {
			sequence_set(c, n->out[i], g->out[i]->type);
			n->out[i]->item = NEWV(a, Value *, count + 1);
			n->out[i]->nitem = count;
		}
	for (int k = 0; k < count; k++) {
		for (int i = 0; i < n->nin; i++) {
			bool each = n->in[i]->kind == VALUE_SEQUENCE;

			if (each && n->in[i]->nitem != count)
				return fail(c, QE_INPUT, "%d and %d items",
				            count, n->in[i]->nitem);
			in[i] = each ? n->in[i]->item[k] : n->in[i];
		}
		out = NEWV(a, Value *, n->nout + 1);
		if (!graph_eval(c, a, g, in, out))
			return note(c, "item %d", k);
		for (int i = 0; i < n->nout; i++)
			if (n->out[i]) {
				n->out[i]->item[k] = out[i];
				n->out[i]->type = out[i]->type;
			}
	}
	return true;
}
