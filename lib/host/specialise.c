/* SPDX-License-Identifier: BSD-3-Clause
 * specialise.c - one graph for one set of sizes.
 *
 * Symbols become numbers, shapes are inferred and integer arithmetic on them
 * is folded.  Kernels compute in float32, so 16-bit float values become
 * float32 on the way: constants through a Cast that the packing of weights
 * sees through, inputs and outputs through a Cast at the border; retained
 * inputs are float32 here and stored as State says.
 *
 * What has no size then - an input's symbol without a number, whatever
 * depends on the values of others - stays so and is sized at run time. */

#include "compile.h"
#include "op.h"

static bool
half(DType t)
{
	return t == DT_F16 || t == DT_BF16;
}

bool
is_state(const Graph *g, const Value *in)
{
	for (int i = 0; i < g->nout; i++)
		if (str_starts(g->out[i]->name, in->name) &&
		    strcmp(g->out[i]->name + strlen(in->name), RETAINED) == 0)
			return true;
	return false;
}

static bool
bind_input(Ctx *c, const Graph *g, Value *v, const Spec *s)
{
	for (int i = 0; i < v->shape.rank; i++)
		if (v->shape.dim[i] < 0 && v->sym && v->sym[i])
			v->shape.dim[i] = spec_size(s, v->sym[i]);
	v->sym = NULL;
	return is_planned(v) || !is_state(g, v) ||
	       fail(c, QE_INPUT, "retained '%s': %s has no size", v->name,
	            shape_text(&v->shape).s);
}

/* Inputs that may be left out have a value, and the package keeps to it. */
static void
drop_constant_inputs(Graph *g)
{
	int kept = 0;

	for (int i = 0; i < g->nin; i++)
		if (!value_is_const(g->in[i]))
			g->in[kept++] = g->in[i];
	g->nin = kept;
}

/* Whether somebody looks at the types themselves. */
static bool
is_typed(const Graph *g)
{
	for (int i = 0; i < g->nnode; i++)
		if ((g->node[i]->op && g->node[i]->op->flags & CONTROL) ||
		    is_op(g->node[i], "", "BitCast"))
			return true;
	return false;
}

/* Everything a node makes is inferred anew. */
static void
forget_shapes(Graph *g)
{
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++) {
			Value *v = g->node[i]->out[k];

			if (!v)
				continue;
			v->shape = (Shape){.rank = -1};
			v->type = DT_NONE;
			v->sym = NULL;
		}
}

static Value *
cast(Graph *g, Value *v, DType to)
{
	Value *out = node_add(g, "Cast", NULL, v, NULL, NULL);

	attr_set_int(g, out->from, "to", dtypes[to].onnx);
	return out;
}

/* The uses that v had before w was made from it. */
static void
reroute(Graph *g, Value *v, Value *w)
{
	graph_replace(g, v, w);
	w->from->in[0] = v;
}

static void
widen_constant(Graph *g, Attr *a)
{
	float *f;
	int64_t count;

	if (a->type != ATTR_TENSOR || !half(a->t->type) || !a->t->data.mem)
		return;
	count = shape_count(&a->t->shape);
	f = NEWV(g->mem, float, count);
	for (int64_t i = 0; i < count; i++) {
		uint16_t h = ((const uint16_t *)a->t->data.mem)[i];

		f[i] = a->t->type == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
	}
	a->t = arena_copy(g->mem, a->t, sizeof *a->t);
	a->t->type = DT_F32;
	a->t->data = (Blob){.mem = f, .len = count * (int64_t)sizeof *f};
}

/* Attributes that name the type of an output, or hold it. */
static void
widen_attributes(Graph *g, Node *n)
{
	static const char *const type[] = {"to", "dtype", "output_dtype",
	                                   "output_datatype", NULL};

	for (int i = 0; i < n->nattr; i++) {
		Attr *a = &n->attr[i];

		if (strcmp(a->name, "value") == 0)
			widen_constant(g, a);
		if (a->type == ATTR_INT && str_in(a->name, type) && a->i > 0 &&
		    a->i < INT32_MAX && half(dtype_by_onnx((int)a->i)))
			a->i = dtypes[DT_F32].onnx;
	}
}

static void
widen(Graph *g)
{
	int nnode = g->nnode;
	size_t nvalue = g->value->n;
	Value *v;

	for (int i = 0; i < nnode; i++)
		widen_attributes(g, g->node[i]);
	for (size_t i = 0; i < nvalue; i++)
		if ((v = g->value->item[i].value) && value_is_const(v) &&
		    half(v->type))
			reroute(g, v, cast(g, v, DT_F32));
	for (int i = 0; i < g->nin; i++) {
		if (!half(g->in[i]->type))
			continue;
		if (is_state(g, g->in[i]))
			g->in[i]->type = DT_F32;
		else
			reroute(g, g->in[i], cast(g, g->in[i], DT_F32));
	}
}

/* Outputs keep the type they were declared with. */
static void
narrow_outputs(Graph *g, const DType *declared)
{
	for (int i = 0; i < g->nout; i++) {
		Value *v = g->out[i], *w;
		const char *name = v->name;

		if (!half(declared[i]) || str_ends(name, RETAINED) || !v->from)
			continue;
		w = cast(g, v, declared[i]);
		value_rename(g, v, arena_str(g->mem, "%s.wide", name));
		value_rename(g, w, name);
		g->out[i] = w;
	}
}

/* Dropout does nothing but in training, which only a value can ask for. */
static bool
is_idle(const Node *n)
{
	if (is_op(n, "", "Identity"))
		return true;
	if (is_op(n, "", "Dropout"))
		return n->nin < 3 || !n->in[2] || const_is(n->in[2], 0);
	return is_op(n, "", "Cast") && n->in[0]->type == n->out[0]->type;
}

/* Nodes that hand their input on; an output of the graph keeps its node if
 * the input is not made by one that can take its name. */
static void
drop_idle(Graph *g)
{
	for (int i = 0; i < g->nnode; i++) {
		Node *n = g->node[i];
		bool is_out = false;

		if (!is_idle(n) || (n->nout > 1 && n->out[1]))
			continue;
		for (int k = 0; k < g->nout; k++)
			is_out = is_out || g->out[k] == n->out[0];
		if (!is_out)
			graph_replace(g, n->out[0], n->in[0]);
	}
	graph_prune(g);
}

static bool
is_number(const Value *v, double want)
{
	double x;

	return const_number(v, &x) && x == want;
}

/* A table of which row i is computed from i, as sines of positions are: the
 * same with `rows` rows; NULL if v is something else. */
static Value *
with_rows(Graph *g, Value *v, int64_t rows, int depth)
{
	static const char *const rowwise[] = {"Cast", "Unsqueeze", "Mul",
	                                      "Cos",  "Sin",       NULL};
	Node *n = v->from, *made;
	Value *in[3] = {NULL}, *out;

	if (value_is_const(v))
		return v->shape.rank <= 1 ? v : NULL;
	if (!n || depth > 8 || n->nin > 3 || n->nout != 1 || *n->domain)
		return NULL;
	if (strcmp(n->type, "Range") == 0) {
		if (!is_number(n->in[0], 0) || !is_number(n->in[2], 1))
			return NULL;
		memcpy(in, n->in, sizeof in);
		in[1] = const_i64_scalar(g, NULL, rows);
	} else {
		bool ok = str_in(n->type, rowwise);

		for (int i = 0; ok && i < n->nin; i++)
			ok = (in[i] = with_rows(g, n->in[i], rows, depth + 1));
		if (!ok)
			return NULL;
	}
	out = value_new(g,
	                arena_str(g->mem, "%s.%lld", v->name, (long long)rows),
	                DT_NONE, NULL);
	made = node_new(g, "", n->type, n->nin, in, 1, &out);
	made->name = out->name;
	made->attr = n->attr;
	made->nattr = n->nattr;
	return out;
}

/* Positions are rows of the cache: tables have as many rows, be it less than
 * the model was made for or more. */
static void
fit_tables(Graph *g, const Spec *s)
{
	int64_t rows = spec_size(s, "ctx_len");
	int nnode = g->nnode;
	Value *v;

	for (int i = 0; rows > 0 && i < nnode; i++) {
		Node *n = g->node[i];

		if (is_op(n, "", "Gather") && attr_int(n, "axis", 0) == 0 &&
		    strcmp(n->in[1]->name, "position_ids") == 0 &&
		    !value_is_const(n->in[0]) &&
		    (v = with_rows(g, n->in[0], rows, 0)))
			n->in[0] = v;
	}
}

Graph *
specialise(Ctx *c, Arena *a, const Graph *src, const Spec *s)
{
	Graph *g = graph_clone(a, src);
	DType *declared = NEWV(a, DType, g->nout + 1);

	drop_constant_inputs(g);
	for (int i = 0; i < g->nin; i++)
		if (!bind_input(c, g, g->in[i], s))
			return NULL;
	for (int i = 0; i < g->nout; i++)
		declared[i] = g->out[i]->type;
	fit_tables(g, s);
	forget_shapes(g);
	if (!is_typed(g)) {
		widen(g);
		narrow_outputs(g, declared);
	}
	if (!graph_sort(c, g) || !graph_infer(c, g, true))
		return NULL;
	drop_idle(g);
	for (int i = 0; i < g->nnode; i++)
		if (!g->node[i]->op)
			return fail(c, QE_INPUT,
			            "node '%s': operator '%s' is not supported",
			            g->node[i]->name, g->node[i]->type),
			       NULL;
	return g;
}
