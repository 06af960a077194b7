/* SPDX-License-Identifier: BSD-3-Clause
 * fp16.c - a graph that computes in float32 computes in float16.
 *
 * Inputs and outputs too.  Small constants are converted, and clipped to
 * what float16 has, -inf excepted.  What comes of constants alone, such as a
 * weight, stays float32 up to where it is used: there a Clip and a Cast make
 * it float16, which nobody computes before the compiler packs the weight.
 * Operators that want float32, or that nobody knows, get casts around them. */

#include <math.h>

#include "op.h"
#include "pass.h"

enum { SMALL = 4096 }; /* bytes of a constant that is converted here */

static const float most = 65504;

/* Operators whose definition has no float16, or only from some opset on. */
static const char *const wide[] = {"DequantizeLinear",
                                   "DynamicQuantizeLinear",
                                   "MelWeightMatrix",
                                   "NonMaxSuppression",
                                   "QuantizeLinear",
                                   "Range",
                                   "RandomNormal",
                                   "RandomUniform",
                                   "Resize",
                                   "STFT",
                                   "DFT",
                                   "Upsample",
                                   NULL};

/* What is computed from constants, by value: see e->seen. */
static bool
is_given(const Edit *e, const Value *v)
{
	return value_is_const(v) || dict_get(e->seen, v->name) == v;
}

static bool
gives(const Edit *e, const Node *n)
{
	if (!n->op || !(n->op->flags & PURE) || n->op->flags & CONTROL)
		return false;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && !is_given(e, n->in[i]))
			return false;
	return true;
}

static uint16_t
narrow(float f)
{
	if (f > most)
		f = most;
	if (f < -most && !isinf(f))
		f = -most;
	return f32_to_f16(f);
}

/* The same constant in float16. */
static Value *
narrow_constant(Graph *g, const Value *v)
{
	int64_t n = shape_count(&v->shape);
	uint16_t *x = NEWV(g->mem, uint16_t, n + 1);

	for (int64_t i = 0; i < n; i++)
		x[i] = narrow((float)value_f64(v, i));
	return const_bytes(g, arena_str(g->mem, "%s_fp16", v->name), DT_F16,
	                   &v->shape, x);
}

static Value *
cast(Node *n, Value *v, DType to)
{
	const char *name = arena_str(n->graph->mem, "%s_%s", v->name,
	                             to == DT_F16 ? "fp16" : "fp32");
	Value *y = edit_add(n, "Cast", name, v, NULL, NULL);

	attr_set_int(n->graph, y->from, "to", dtypes[to].onnx);
	y->type = to;
	y->shape = v->shape;
	y->sym = v->sym;
	return y;
}

/* A bound of all Clips, made once. */
static Value *
bound(Edit *e, const char *name, float x)
{
	Value *v = dict_get(e->seen, name);

	if (!v) {
		v = const_f32(e->g, name, x);
		dict_set(e->seen, name, v);
	}
	return v;
}

/* Clip's bounds are inputs since opset 11. */
static Value *
clip(Edit *e, Node *n, Value *v)
{
	char *name = arena_str(&e->tmp, "%s_clip", v->name);
	Value *low, *high, *y;

	if (graph_opset(e->g, "") < 11) {
		y = edit_add(n, "Clip", name, v, NULL, NULL);
		attr_set_float(n->graph, y->from, "min", (double)-most);
		attr_set_float(n->graph, y->from, "max", (double)most);
	} else {
		low = bound(e, "fp16_lowest", -most);
		high = bound(e, "fp16_highest", most);
		y = edit_add(n, "Clip", name, v, low, high);
	}
	y->type = v->type;
	y->shape = v->shape;
	y->sym = v->sym;
	return y;
}

static bool
is_small(const Value *v)
{
	return v->data.mem && v->data.len <= SMALL;
}

/* v as float16, made once in each graph. */
static Value *
narrowed(Edit *e, Node *n, Value *v)
{
	char *key = arena_str(&e->tmp, "%p %s", (void *)n->graph, v->name);
	Value *y = dict_get(e->seen, key);

	if (y)
		return y;
	y = is_small(v) ? narrow_constant(n->graph, v)
	                : cast(n, clip(e, n, v), DT_F16);
	dict_set(e->seen, key, y);
	return y;
}

static void
narrow_attrs(Node *n)
{
	static const char *const names[] = {"to", "dtype", "output_datatype",
	                                    NULL};

	for (int i = 0; i < n->nattr; i++) {
		Attr *a = &n->attr[i];

		if (a->type == ATTR_INT && str_in(a->name, names) &&
		    a->i == dtypes[DT_F32].onnx)
			a->i = dtypes[DT_F16].onnx;
		if (a->type == ATTR_TENSOR && a->t->type == DT_F32 &&
		    a->t->data.mem)
			a->t = narrow_constant(n->graph, a->t);
	}
}

/* n's work is done by a copy in float32; n is the cast of its last float
 * output, which stands behind it. */
static void
wrap(Edit *e, Node *n)
{
	Graph *g = n->graph;
	Value **in = NEWV(&e->tmp, Value *, n->nin + 1);
	Value **out = NEWV(&e->tmp, Value *, n->nout + 1);
	int last = -1;
	Node *m;

	for (int i = 0; i < n->nin; i++)
		in[i] = n->in[i] && n->in[i]->type == DT_F16
		                ? cast(n, n->in[i], DT_F32)
		                : n->in[i];
	for (int i = 0; i < n->nout; i++) {
		if ((out[i] = n->out[i]) && out[i]->type == DT_F32) {
			out[i] = value_new(g,
			                   arena_str(g->mem, "%s_fp32",
			                             out[i]->name),
			                   DT_F32, &out[i]->shape);
			last = i;
		}
	}
	if (last < 0) {
		memcpy(n->in, in, (size_t)n->nin * sizeof *in);
		return;
	}
	m = node_new(g, n->domain, n->type, n->nin, in, n->nout, out);
	m->name = n->name;
	m->attr = n->attr;
	m->nattr = n->nattr;
	m->capattr = n->capattr;
	for (int i = 0; i <= last; i++) {
		Value *v = n->out[i];

		if (!v || out[i] == v)
			continue;
		v->type = DT_F16;
		if (i < last)
			attr_set_int(g,
			             node_new(g, "", "Cast", 1, &out[i], 1,
			                      &n->out[i]),
			             "to", dtypes[DT_F16].onnx);
	}
	n->out[0] = n->out[last];
	n->nout = 1;
	n->attr = NULL;
	n->capattr = 0;
	edit_become(e, n, "", "Cast", 1, &out[last]);
	attr_set_int(g, n, "to", dtypes[DT_F16].onnx);
}

static bool
visit(Ctx *c, Edit *e, Node *n)
{
	bool known = n->op && (*n->domain || !str_in(n->type, wide));

	(void)c;
	if (gives(e, n)) {
		for (int i = 0; i < n->nout; i++)
			if (n->out[i] && !edit_is_output(n->graph, n->out[i]))
				dict_set(e->seen, n->out[i]->name, n->out[i]);
			else if (n->out[i] && n->out[i]->type == DT_F32)
				wrap(e, n);
		return true;
	}
	if (!known) {
		wrap(e, n);
		return true;
	}
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] && n->in[i]->type == DT_F32 &&
		    is_given(e, n->in[i]))
			edit_input(e, n, i, narrowed(e, n, n->in[i]));
	narrow_attrs(n);
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] && n->out[i]->type == DT_F32) {
			n->out[i]->type = DT_F16;
			e->changes++;
		}
	return true;
}

/* Inputs of subgraphs are what their node hands in: float16 too. */
static void
narrow_inputs(Edit *e, Graph *g)
{
	for (int i = 0; i < g->nin; i++)
		if (g->in[i]->type == DT_F32) {
			g->in[i]->type = DT_F16;
			e->changes++;
		}
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nattr; k++)
			if (g->node[i]->attr[k].type == ATTR_GRAPH &&
			    !g->node[i]->attr[k].ref)
				narrow_inputs(e, g->node[i]->attr[k].g);
}

static bool
drop_cast(Ctx *c, Edit *e, Node *n)
{
	(void)c;
	if (node_is(n, "Cast") && n->in[0]->type == n->out[0]->type &&
	    n->out[0]->type == DT_F16)
		edit_drop(e, n, n->in[0]);
	return true;
}

bool
pass_fp16(Ctx *c, Edit *e)
{
	narrow_inputs(e, e->g);
	return edit_each(c, e, visit) && edit_each(c, e, drop_cast) &&
	       graph_infer(c, e->g, false);
}
