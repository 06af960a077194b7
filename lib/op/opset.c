/* SPDX-License-Identifier: BSD-3-Clause
 * opset.c - the same graph for another version of ai.onnx.
 *
 * ops.def has a row for each meaning an operator has had: where both
 * versions share the row, nothing is to do.  Where arguments only moved
 * between attributes and inputs, they are moved; any other change of meaning
 * is refused by name.  Source: the operators' change log of ONNX. */

#include "op.h"

enum { MAXDEPTH = 32 };

enum How { INTS, INT, FLOAT, COUNT };

typedef struct Move {
	const char *op;
	int since;        /* attribute before, input from then on */
	const char *attr; /* COUNT: says since then how many outputs */
	int input;
	enum How how;
} Move;

/* clang-format off */
static const Move moves[] = {
	{"Clip",            11, "min",         1, FLOAT},
	{"Clip",            11, "max",         2, FLOAT},
	{"Dropout",         12, "ratio",       1, FLOAT},
	{"Pad",             11, "pads",        1, INTS},
	{"Pad",             11, "value",       2, FLOAT},
	{"ReduceL1",        18, "axes",        1, INTS},
	{"ReduceL2",        18, "axes",        1, INTS},
	{"ReduceLogSum",    18, "axes",        1, INTS},
	{"ReduceLogSumExp", 18, "axes",        1, INTS},
	{"ReduceMax",       18, "axes",        1, INTS},
	{"ReduceMean",      18, "axes",        1, INTS},
	{"ReduceMin",       18, "axes",        1, INTS},
	{"ReduceProd",      18, "axes",        1, INTS},
	{"ReduceSum",       13, "axes",        1, INTS},
	{"ReduceSumSquare", 18, "axes",        1, INTS},
	{"Slice",           10, "starts",      1, INTS},
	{"Slice",           10, "ends",        2, INTS},
	{"Slice",           10, "axes",        3, INTS},
	{"Split",           13, "split",       1, INTS},
	{"Split",           18, "num_outputs", 1, COUNT},
	{"Squeeze",         13, "axes",        1, INTS},
	{"TopK",            10, "k",           1, INT},
	{"Unsqueeze",       13, "axes",        1, INTS},
};
/* clang-format on */

static void
remove_attr(Node *n, const char *name)
{
	int kept = 0;

	for (int i = 0; i < n->nattr; i++)
		if (strcmp(n->attr[i].name, name) != 0)
			n->attr[kept++] = n->attr[i];
	n->nattr = kept;
}

static Value *
constant(Graph *g, const Node *n, const Attr *a, enum How how)
{
	char *name =
		arena_str(g->mem, "%s_%s",
	                  n->nout && n->out[0] ? n->out[0]->name : "", a->name);

	if (how == FLOAT)
		return const_f32(g, name, (float)a->f);
	if (how == INT)
		return const_i64(g, name, 1, &a->i);
	return const_i64(g, name, a->n, a->ints);
}

static void
set_input(Node *n, int k, Value *v)
{
	if (k >= n->nin) {
		Value **in = NEWV(n->graph->mem, Value *, k + 1);

		memcpy(in, n->in, (size_t)n->nin * sizeof *in);
		n->in = in;
		n->nin = k + 1;
	}
	n->in[k] = v;
	while (n->nin && !n->in[n->nin - 1])
		n->nin--;
}

static bool
to_input(Ctx *c, Node *n, const Move *m)
{
	const Attr *a = attr_find(n, m->attr);

	if (m->how == COUNT) {
		if (n->nin < 2)
			attr_set_int(n->graph, n, m->attr, n->nout);
		return true;
	}
	if (!a)
		return true;
	if (a->ref)
		return fail(c, QE_INPUT, "attribute '%s' is the caller's",
		            m->attr);
	set_input(n, m->input, constant(n->graph, n, a, m->how));
	remove_attr(n, m->attr);
	return true;
}

static bool
to_attr(Ctx *c, Node *n, const Move *m)
{
	const Value *v = m->input < n->nin ? n->in[m->input] : NULL;
	int64_t count, *ints;

	if (m->how == COUNT) {
		remove_attr(n, m->attr);
		return true;
	}
	if (!v)
		return true;
	if (!v->data.mem)
		return fail(c, QE_INPUT, "input '%s' is not a constant",
		            v->name);
	count = shape_count(&v->shape);
	if (m->how == FLOAT)
		attr_set_float(n->graph, n, m->attr, value_f64(v, 0));
	if (m->how == INT)
		attr_set_int(n->graph, n, m->attr, value_i64(v, 0));
	if (m->how == INTS) {
		ints = NEWV(n->graph->mem, int64_t, count);
		for (int64_t i = 0; i < count; i++)
			ints[i] = value_i64(v, i);
		attr_set_ints(n->graph, n, m->attr, (int)count, ints);
	}
	set_input(n, m->input, NULL);
	return true;
}

/* Takes n over the change of its meaning at version `since`. */
static bool
cross(Ctx *c, Node *n, int since, bool up)
{
	bool known = false;

	for (const Move *m = moves; m < moves + LEN(moves); m++) {
		if (m->since != since || strcmp(m->op, n->type) != 0)
			continue;
		known = true;
		if (!(up ? to_input : to_attr)(c, n, m))
			return false;
	}
	return known ||
	       fail(c, QE_INPUT, "its meaning changed in opset %d", since);
}

static bool
convert_node(Ctx *c, Node *n, int64_t from, int64_t to)
{
	bool up = to > from;
	int64_t low = MIN(from, to), high = MAX(from, to);

	if (!op_find("", n->type, from))
		return fail(c, QE_INPUT, "no operator of opset %lld",
		            (long long)from);
	if (!op_find("", n->type, to))
		return fail(c, QE_INPUT, "not in opset %lld", (long long)to);
	for (int k = 0; k < nop; k++) {
		const Op *o = &optab[up ? k : nop - 1 - k];

		if (*o->domain || strcmp(o->name, n->type) != 0 ||
		    o->since <= low || o->since > high)
			continue;
		if (!cross(c, n, o->since, up))
			return false;
	}
	return true;
}

static bool convert(Ctx *c, Graph *g, int64_t from, int64_t to, int depth);

static bool
convert_inner(Ctx *c, Node *n, int64_t from, int64_t to, int depth)
{
	for (int i = 0; i < n->nattr; i++) {
		const Attr *a = &n->attr[i];

		if (a->type == ATTR_GRAPH && !a->ref &&
		    !convert(c, a->g, from, to, depth + 1))
			return false;
		for (int k = 0; a->type == ATTR_GRAPHS && k < a->n; k++)
			if (!convert(c, a->graphs[k], from, to, depth + 1))
				return false;
	}
	return true;
}

static bool
convert(Ctx *c, Graph *g, int64_t from, int64_t to, int depth)
{
	if (depth > MAXDEPTH)
		return fail(c, QE_INPUT, "graphs nest deeper than %d",
		            MAXDEPTH);
	for (int i = 0; i < g->nnode; i++) {
		Node *n = g->node[i];

		if (!convert_inner(c, n, from, to, depth) ||
		    (!*n->domain && !convert_node(c, n, from, to)))
			return note(c, "node '%s' (%s)", n->name, n->type);
	}
	return true;
}

static void
resolve(Graph *g)
{
	for (int i = 0; i < g->nnode; i++) {
		Node *n = g->node[i];

		node_resolve(n);
		for (int k = 0; k < n->nattr; k++) {
			if (n->attr[k].type == ATTR_GRAPH && !n->attr[k].ref)
				resolve(n->attr[k].g);
			for (int j = 0;
			     n->attr[k].type == ATTR_GRAPHS && j < n->attr[k].n;
			     j++)
				resolve(n->attr[k].graphs[j]);
		}
	}
}

bool
graph_to_opset(Ctx *c, Graph *g, int64_t to)
{
	int64_t from = graph_opset(g, "");

	if (from == 0 || from == to)
		return true;
	if (!convert(c, g, from, to, 0))
		return false;
	graph_import(g, "", to);
	resolve(g);
	return true;
}

bool
graph_set_opset(Ctx *c, Graph *g, int64_t to)
{
	if (to < OPSET_MIN || to > OPSET_MAX)
		return fail(c, QE_INPUT, "opset %lld, known are %d to %d",
		            (long long)to, OPSET_MIN, OPSET_MAX);
	for (int i = 0; i < g->nfunc; i++)
		if (!graph_to_opset(c, g->func[i]->body, to))
			return note(c, "function '%s'", g->func[i]->name);
	return graph_to_opset(c, g, to) && graph_verify(c, g);
}
