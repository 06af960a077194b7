/* SPDX-License-Identifier: BSD-3-Clause
 * function.c - the local functions that Qualcomm's compilers know by name,
 * with bodies in standard operators for everyone else.
 *
 *   com.qualcomm.cloud  CtxScatter(data [B,H,L,D], position_ids [B,S],
 *                                  updates [B,H,S,D])
 *                       CtxGather(data [B,H,L,D], ctx_indices [B or 1,1,N],
 *                                 comp_ctx_len [] = N)
 *   com.qti.aisw.onnx   CustomRMSNorm(hidden_states, weight; epsilon)
 *
 * A body is a table of nodes over names; negative positions count from the
 * end, as ScatterND has it. */

#include "op.h"

enum { OPSET = 17, MAXIN = 5 };

typedef struct Line {
	const char *out, *type;
	const char *in[MAXIN];
	const char *attr; /* "name=1" or "name=1,2"; "@name" passes through */
} Line;

/* clang-format off */
static const Line scatter[] = {
	{"zero",    "Constant",  {0},                         "value_ints=0"},
	{"one",     "Constant",  {0},                         "value_ints=1"},
	{"last",    "Constant",  {0},                         "value_ints=-1"},
	{"z",       "Constant",  {0},                         "value_int=0"},
	{"u",       "Constant",  {0},                         "value_int=1"},
	{"shape",   "Shape",     {"updates"},                 NULL},
	{"batch",   "Gather",    {"shape", "z"},              NULL},
	{"heads",   "Gather",    {"shape", "u"},              NULL},
	{"bhs",     "Slice",     {"shape", "zero", "last"},   NULL},
	{"to",      "Concat",    {"bhs", "one"},              "axis=0"},
	{"b0",      "Range",     {"z", "batch", "u"},         NULL},
	{"baxes",   "Constant",  {0},                         "value_ints=1,2,3"},
	{"b1",      "Unsqueeze", {"b0", "baxes"},             NULL},
	{"b2",      "Expand",    {"b1", "to"},                NULL},
	{"h0",      "Range",     {"z", "heads", "u"},         NULL},
	{"haxes",   "Constant",  {0},                         "value_ints=0,2,3"},
	{"h1",      "Unsqueeze", {"h0", "haxes"},             NULL},
	{"h2",      "Expand",    {"h1", "to"},                NULL},
	{"paxes",   "Constant",  {0},                         "value_ints=1,3"},
	{"p1",      "Unsqueeze", {"position_ids", "paxes"},   NULL},
	{"p2",      "Expand",    {"p1", "to"},                NULL},
	{"indices", "Concat",    {"b2", "h2", "p2"},          "axis=3"},
	{"output",  "ScatterND", {"data", "indices", "updates"}, NULL},
};

static const Line gather[] = {
	{"zero",    "Constant",  {0},                         "value_ints=0"},
	{"two",     "Constant",  {0},                         "value_ints=2"},
	{"one",     "Constant",  {0},                         "value_ints=1"},
	{"last",    "Constant",  {0},                         "value_ints=-1"},
	{"shape",   "Shape",     {"data"},                    NULL},
	{"bh",      "Slice",     {"shape", "zero", "two"},    NULL},
	{"n",       "Reshape",   {"comp_ctx_len", "one"},     NULL},
	{"to",      "Concat",    {"bh", "n"},                 "axis=0"},
	{"i0",      "Expand",    {"ctx_indices", "to"},       NULL},
	{"i1",      "Unsqueeze", {"i0", "last"},              NULL},
	{"output",  "GatherND",  {"data", "i1"},              "batch_dims=2"},
};

static const Line rms_norm[] = {
	{"w",       "Cast",       {"weight"},                 "to=1"},
	{"x",       "Cast",       {"hidden_states"},          "to=1"},
	{"eps",     "Constant",   {0},                        "@epsilon"},
	{"square",  "Mul",        {"x", "x"},                 NULL},
	{"mean",    "ReduceMean", {"square"},                 "axes=-1"},
	{"sum",     "Add",        {"mean", "eps"},            NULL},
	{"root",    "Sqrt",       {"sum"},                    NULL},
	{"inverse", "Reciprocal", {"root"},                   NULL},
	{"unit",    "Mul",        {"x", "inverse"},           NULL},
	{"scaled",  "Mul",        {"w", "unit"},              NULL},
	{"output",  "CastLike",   {"scaled", "hidden_states"}, NULL},
};

static const struct Body {
	const char *domain, *name;
	const char *in[4];
	const Line *line;
	int nline;
	const char *attr;
} bodies[] = {
	{"com.qualcomm.cloud", "CtxScatter",
	 {"data", "position_ids", "updates"}, scatter, LEN(scatter), NULL},
	{"com.qualcomm.cloud", "CtxGather",
	 {"data", "ctx_indices", "comp_ctx_len"}, gather, LEN(gather), NULL},
	{"com.qti.aisw.onnx", "CustomRMSNorm",
	 {"hidden_states", "weight"}, rms_norm, LEN(rms_norm), "epsilon"},
};
/* clang-format on */

static void
list_attr(Graph *g, Node *n, const char *name, const char *list)
{
	int64_t x[MAXIN];
	int count = 0;

	for (char **w = str_split(g->mem, list, ','); *w && count < MAXIN; w++)
		str_int(*w, &x[count++]);
	attr_set_ints(g, n, name, count, x);
}

/* Reduce axes and constants take lists, everything else one number. */
static void
add_attr(Graph *g, Node *n, const char *text)
{
	const char *eq = strchr(text, '=');
	char *name;
	int64_t x;
	Attr *a;

	if (*text == '@') {
		a = attr_add(g, n, "value_float", ATTR_FLOAT);
		a->ref = text + 1;
		return;
	}
	name = arena_span(g->mem, (Span){text, (size_t)(eq - text)});
	if (str_ends(name, "ints") || str_ends(name, "axes"))
		list_attr(g, n, name, eq + 1);
	else if (str_int(eq + 1, &x))
		attr_set_int(g, n, name, x);
}

static void
add_line(Graph *g, const Line *l)
{
	Value *in[MAXIN], *out = value_new(g, l->out, DT_NONE, NULL);
	int n = 0;
	Node *node;

	while (n < MAXIN && l->in[n]) {
		in[n] = value_find(g, l->in[n]);
		n++;
	}
	node = node_new(g, "", l->type, n, in, 1, &out);
	node->name = out->name;
	if (l->attr)
		add_attr(g, node, l->attr);
}

static void
add_function(Graph *g, const struct Body *body)
{
	Function *f = NEW(g->mem, Function);

	f->domain = body->domain;
	f->name = body->name;
	f->body = graph_new(g->mem, body->name);
	graph_import(f->body, "", OPSET);
	for (int i = 0; body->in[i]; i++)
		value_input(f->body, body->in[i], DT_NONE, NULL);
	for (int i = 0; i < body->nline; i++)
		add_line(f->body, &body->line[i]);
	graph_output(f->body, value_find(f->body, "output"));
	if (body->attr) {
		f->attr = NEWV(g->mem, const char *, 1);
		f->attr[f->nattr++] = body->attr;
	}
	graph_import(g, body->domain, 1);
	PUSH(g->mem, g->func, g->nfunc, g->capfunc, f);
}

void
function_add(Graph *g, const char *domain, const char *name)
{
	if (graph_function(g, domain, name))
		return;
	for (size_t i = 0; i < LEN(bodies); i++)
		if (strcmp(bodies[i].domain, domain) == 0 &&
		    strcmp(bodies[i].name, name) == 0)
			add_function(g, &bodies[i]);
}
