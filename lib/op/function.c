/* SPDX-License-Identifier: BSD-3-Clause
 * function.c - the local functions that Qualcomm's compilers know by name,
 * with bodies in standard operators for everyone else.
 *
 *   com.qualcomm.cloud  CtxScatter(data [B,H,L,D], position_ids [B,S],
 *                                  updates [B,H,S,D])
 *                       CtxGather(data [B,H,L,D], ctx_indices [B or 1,1,N],
 *                                 comp_ctx_len [] = N)
 *                      CtxGatherBlockedKV(data, ctx_indices [B,H,N])
 *                      CtxScatterCB, CtxGatherCB: the same over rows
 *                                 batch_index [B,1], their second input;
 *                                 CtxGatherBlockedKVCB, indices [B,1,N]
 *   com.qti.aisw.onnx   CustomRMSNorm(hidden_states, weight; epsilon)
 *   qeff                ExpertMatMul(x [T,k or 1,M], w [E,M,N], index [T,k])
 *                       [T,k,N]: row (t, j) of x by matrix index[t, j] of w.
 *                       Few rows take copies of their matrices; with as many
 *                       rows as matrices or more, each matrix takes its rows.
 *                       Two other bodies have sizes that are known and no
 *                       branches: `chosen` always copies; in `all` each
 *                       matrix meets every token, zeros where it is not
 *                       chosen, which adds nothing and cannot overflow
 *
 * A body is a table of nodes over names; negative positions count from the
 * end, as ScatterND has it. */

#include "op.h"

enum { OPSET = 17, MAXIN = 5 };

typedef struct Line {
	const char *out, *type;
	const char *in[MAXIN];
	const char *attr; /* "name=1" or "name=1,2"; "@name" passes through */
	const struct Part *part; /* its subgraphs, up to one without a name */
} Line;

typedef struct Part {
	const char *attr;
	const char *in[4], *out[3];
	const Line *line;
	int nline;
	DType type[4]; /* of inputs that are scalars */
} Part;

/* clang-format off */
static const Line scatter[] = {
	{"zero",    "Constant",  {0},                         "value_ints=0", NULL},
	{"one",     "Constant",  {0},                         "value_ints=1", NULL},
	{"last",    "Constant",  {0},                         "value_ints=-1", NULL},
	{"z",       "Constant",  {0},                         "value_int=0", NULL},
	{"u",       "Constant",  {0},                         "value_int=1", NULL},
	{"shape",   "Shape",     {"updates"},                 NULL, NULL},
	{"batch",   "Gather",    {"shape", "z"},              NULL, NULL},
	{"heads",   "Gather",    {"shape", "u"},              NULL, NULL},
	{"bhs",     "Slice",     {"shape", "zero", "last"},   NULL, NULL},
	{"to",      "Concat",    {"bhs", "one"},              "axis=0", NULL},
	{"b0",      "Range",     {"z", "batch", "u"},         NULL, NULL},
	{"baxes",   "Constant",  {0},                         "value_ints=1,2,3", NULL},
	{"b1",      "Unsqueeze", {"b0", "baxes"},             NULL, NULL},
	{"b2",      "Expand",    {"b1", "to"},                NULL, NULL},
	{"h0",      "Range",     {"z", "heads", "u"},         NULL, NULL},
	{"haxes",   "Constant",  {0},                         "value_ints=0,2,3", NULL},
	{"h1",      "Unsqueeze", {"h0", "haxes"},             NULL, NULL},
	{"h2",      "Expand",    {"h1", "to"},                NULL, NULL},
	{"paxes",   "Constant",  {0},                         "value_ints=1,3", NULL},
	{"p1",      "Unsqueeze", {"position_ids", "paxes"},   NULL, NULL},
	{"p2",      "Expand",    {"p1", "to"},                NULL, NULL},
	{"indices", "Concat",    {"b2", "h2", "p2"},          "axis=3", NULL},
	{"output",  "ScatterND", {"data", "indices", "updates"}, NULL, NULL},
};

static const Line gather[] = {
	{"zero",    "Constant",  {0},                         "value_ints=0", NULL},
	{"two",     "Constant",  {0},                         "value_ints=2", NULL},
	{"one",     "Constant",  {0},                         "value_ints=1", NULL},
	{"last",    "Constant",  {0},                         "value_ints=-1", NULL},
	{"shape",   "Shape",     {"data"},                    NULL, NULL},
	{"bh",      "Slice",     {"shape", "zero", "two"},    NULL, NULL},
	{"n",       "Reshape",   {"comp_ctx_len", "one"},     NULL, NULL},
	{"to",      "Concat",    {"bh", "n"},                 "axis=0", NULL},
	{"i0",      "Expand",    {"ctx_indices", "to"},       NULL, NULL},
	{"i1",      "Unsqueeze", {"i0", "last"},              NULL, NULL},
	{"output",  "GatherND",  {"data", "i1"},              "batch_dims=2", NULL},
};

static const Line gather_blocked[] = {
	{"last",    "Constant",  {0},                         "value_ints=-1"},
	{"i1",      "Unsqueeze", {"ctx_indices", "last"},     NULL},
	{"output",  "GatherND",  {"data", "i1"},              "batch_dims=2"},
};

static const Line scatter_cb[] = {
	{"zero",    "Constant",  {0},                         "value_ints=0"},
	{"one",     "Constant",  {0},                         "value_ints=1"},
	{"last",    "Constant",  {0},                         "value_ints=-1"},
	{"z",       "Constant",  {0},                         "value_int=0"},
	{"u",       "Constant",  {0},                         "value_int=1"},
	{"shape",   "Shape",     {"updates"},                 NULL},
	{"heads",   "Gather",    {"shape", "u"},              NULL},
	{"bhs",     "Slice",     {"shape", "zero", "last"},   NULL},
	{"to",      "Concat",    {"bhs", "one"},              "axis=0"},
	{"baxes",   "Constant",  {0},                         "value_ints=2,3"},
	{"b1",      "Unsqueeze", {"batch_index", "baxes"},    NULL},
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

/* comp_ctx_len is there for the signature alone: the length is that of the
 * indices. */
static const Line gather_cb[] = {
	{"zero",    "Constant",  {0},                         "value_ints=0"},
	{"one",     "Constant",  {0},                         "value_ints=1"},
	{"two",     "Constant",  {0},                         "value_ints=2"},
	{"three",   "Constant",  {0},                         "value_ints=3"},
	{"last",    "Constant",  {0},                         "value_ints=-1"},
	{"z",       "Constant",  {0},                         "value_int=0"},
	{"u",       "Constant",  {0},                         "value_int=1"},
	{"bshape",  "Shape",     {"batch_index"},             NULL},
	{"batch",   "Slice",     {"bshape", "zero", "one"},   NULL},
	{"shape",   "Shape",     {"data"},                    NULL},
	{"heads1",  "Slice",     {"shape", "one", "two"},     NULL},
	{"heads",   "Gather",    {"shape", "u"},              NULL},
	{"ishape",  "Shape",     {"ctx_indices"},             NULL},
	{"len",     "Slice",     {"ishape", "two", "three"},  NULL},
	{"to",      "Concat",    {"batch", "heads1", "len", "one"}, "axis=0"},
	{"baxes",   "Constant",  {0},                         "value_ints=2,3"},
	{"b1",      "Unsqueeze", {"batch_index", "baxes"},    NULL},
	{"b2",      "Expand",    {"b1", "to"},                NULL},
	{"h0",      "Range",     {"z", "heads", "u"},         NULL},
	{"haxes",   "Constant",  {0},                         "value_ints=0,2,3"},
	{"h1",      "Unsqueeze", {"h0", "haxes"},             NULL},
	{"h2",      "Expand",    {"h1", "to"},                NULL},
	{"i1",      "Unsqueeze", {"ctx_indices", "last"},     NULL},
	{"i2",      "Expand",    {"i1", "to"},                NULL},
	{"indices", "Concat",    {"b2", "h2", "i2"},          "axis=3"},
	{"output",  "GatherND",  {"data", "indices"},         NULL},
};

static const Line rms_norm[] = {
	{"w",       "Cast",       {"weight"},                 "to=1", NULL},
	{"x",       "Cast",       {"hidden_states"},          "to=1", NULL},
	{"eps",     "Constant",   {0},                        "@epsilon", NULL},
	{"square",  "Mul",        {"x", "x"},                 NULL, NULL},
	{"mean",    "ReduceMean", {"square"},                 "axes=-1", NULL},
	{"sum",     "Add",        {"mean", "eps"},            NULL, NULL},
	{"root",    "Sqrt",       {"sum"},                    NULL, NULL},
	{"inverse", "Reciprocal", {"root"},                   NULL, NULL},
	{"unit",    "Mul",        {"x", "inverse"},           NULL, NULL},
	{"scaled",  "Mul",        {"w", "unit"},              NULL, NULL},
	{"output",  "CastLike",   {"scaled", "hidden_states"}, NULL, NULL},
};

static const Line expert_copies[] = {
	{"x_column", "Unsqueeze", {"x", "two"},               NULL, NULL},
	{"w_chosen", "Gather",    {"w", "index"},             NULL, NULL},
	{"product", "MatMul",     {"x_column", "w_chosen"},   NULL, NULL},
	{"copies",  "Squeeze",    {"product", "two"},         NULL, NULL},
};

static const Line expert_rows[] = {
	{"hit",     "Equal",      {"index", "e"},             NULL, NULL},
	{"places",  "NonZero",    {"hit"},                    NULL, NULL},
	{"to",      "Transpose",  {"places"},                 NULL, NULL},
	{"from",    "Min",        {"to", "x_last"},           NULL, NULL},
	{"x_rows",  "GatherND",   {"x", "from"},              NULL, NULL},
	{"w_e",     "Gather",     {"w", "e"},                 NULL, NULL},
	{"y_rows",  "MatMul",     {"x_rows", "w_e"},          NULL, NULL},
	{"y_now",   "ScatterND",  {"y", "to", "y_rows"},      NULL, NULL},
	{"more",    "Identity",   {"cond"},                   NULL, NULL},
};

static const Part expert_loop[] = {
	{"body", {"e", "cond", "y"}, {"more", "y_now"},
	 expert_rows, LEN(expert_rows), {DT_I64, DT_BOOL}},
	{0},
};

static const Line expert_each[] = {
	{"none",    "Constant",   {0},                        "value_ints=0", NULL},
	{"one",     "Constant",   {0},                        "value_ints=1", NULL},
	{"three",   "Constant",   {0},                        "value_ints=3", NULL},
	{"x_shape", "Shape",      {"x"},                      NULL, NULL},
	{"x_rows0", "Slice",      {"x_shape", "none", "two"}, NULL, NULL},
	{"x_last",  "Sub",        {"x_rows0", "one"},         NULL, NULL},
	{"i_shape", "Shape",      {"index"},                  NULL, NULL},
	{"width",   "Slice",      {"w_shape", "two", "three"}, NULL, NULL},
	{"y_shape", "Concat",     {"i_shape", "width"},       "axis=0", NULL},
	{"nothing", "CastLike",   {"z", "x"},                 NULL, NULL},
	{"y_none",  "Expand",     {"nothing", "y_shape"},     NULL, NULL},
	{"any",     "Less",       {"z", "experts"},           NULL, NULL},
	{"rows",    "Loop",       {"experts", "any", "y_none"},  NULL, expert_loop},
};

static const Part expert_sides[] = {
	{"then_branch", {0}, {"copies"}, expert_copies, LEN(expert_copies)},
	{"else_branch", {0}, {"rows"}, expert_each, LEN(expert_each)},
	{0},
};

static const Line expert_matmul[] = {
	{"two",     "Constant",   {0},                        "value_ints=2", NULL},
	{"z",       "Constant",   {0},                        "value_int=0", NULL},
	{"w_shape", "Shape",      {"w"},                      NULL, NULL},
	{"experts", "Gather",     {"w_shape", "z"},           NULL, NULL},
	{"chosen",  "Size",       {"index"},                  NULL, NULL},
	{"few",     "Less",       {"chosen", "experts"},      NULL, NULL},
	{"output",  "If",         {"few"},                    NULL, expert_sides},
};

static const Line expert_chosen[] = {
	{"two",     "Constant",   {0},                        "value_ints=2", NULL},
	{"x_column", "Unsqueeze", {"x", "two"},               NULL, NULL},
	{"w_chosen", "Gather",    {"w", "index"},             NULL, NULL},
	{"product", "MatMul",     {"x_column", "w_chosen"},   NULL, NULL},
	{"output",  "Squeeze",    {"product", "two"},         NULL, NULL},
};

static const Line expert_all[] = {
	{"none",    "Constant",   {0},                        "value_ints=0", NULL},
	{"one",     "Constant",   {0},                        "value_ints=1", NULL},
	{"two",     "Constant",   {0},                        "value_ints=2", NULL},
	{"three",   "Constant",   {0},                        "value_ints=3", NULL},
	{"z",       "Constant",   {0},                        "value_int=0", NULL},
	{"w_shape", "Shape",      {"w"},                      NULL, NULL},
	{"i_shape", "Shape",      {"index"},                  NULL, NULL},
	{"experts", "Slice",      {"w_shape", "none", "one"}, NULL, NULL},
	{"m",       "Slice",      {"w_shape", "one", "two"},  NULL, NULL},
	{"n",       "Slice",      {"w_shape", "two", "three"}, NULL, NULL},
	{"tokens",  "Slice",      {"i_shape", "none", "one"}, NULL, NULL},
	{"x_shape", "Concat",     {"i_shape", "m"},           "axis=0", NULL},
	{"y_shape", "Concat",     {"i_shape", "n"},           "axis=0", NULL},
	{"e_shape", "Concat",     {"tokens", "experts", "m"}, "axis=0", NULL},
	{"places",  "Unsqueeze",  {"index", "two"},           NULL, NULL},
	{"x_to",    "Expand",     {"places", "x_shape"},      NULL, NULL},
	{"y_from",  "Expand",     {"places", "y_shape"},      NULL, NULL},
	{"x_each",  "Expand",     {"x", "x_shape"},           NULL, NULL},
	{"nothing", "CastLike",   {"z", "x"},                 NULL, NULL},
	{"x_none",  "Expand",     {"nothing", "e_shape"},     NULL, NULL},
	{"x_sent",  "ScatterElements", {"x_none", "x_to", "x_each"}, "axis=1", NULL},
	{"x_by_e",  "Transpose",  {"x_sent"},                 "perm=1,0,2", NULL},
	{"y_by_e",  "MatMul",     {"x_by_e", "w"},            NULL, NULL},
	{"y_all",   "Transpose",  {"y_by_e"},                 "perm=1,0,2", NULL},
	{"output",  "GatherElements", {"y_all", "y_from"},    "axis=1", NULL},
};

static const struct Body {
	const char *domain, *name;
	const char *in[MAXIN];
	const Line *line;
	int nline;
	const char *attr;
	const char *way; /* one of several bodies of that name */
} bodies[] = {
	{"com.qualcomm.cloud", "CtxScatter",
	 {"data", "position_ids", "updates"}, scatter, LEN(scatter), NULL},
	{"com.qualcomm.cloud", "CtxGather",
	 {"data", "ctx_indices", "comp_ctx_len"}, gather, LEN(gather), NULL},
	{"com.qualcomm.cloud", "CtxScatterCB",
	 {"data", "batch_index", "position_ids", "updates"}, scatter_cb,
	 LEN(scatter_cb), NULL},
	{"com.qualcomm.cloud", "CtxGatherCB",
	 {"data", "batch_index", "ctx_indices", "comp_ctx_len"}, gather_cb,
	 LEN(gather_cb), NULL},
	{"com.qualcomm.cloud", "CtxGatherBlockedKV",
	 {"data", "ctx_indices"}, gather_blocked, LEN(gather_blocked), NULL},
	{"com.qualcomm.cloud", "CtxGatherBlockedKVCB",
	 {"data", "batch_index", "ctx_indices"}, gather_cb, LEN(gather_cb),
	 NULL},
	{"com.qti.aisw.onnx", "CustomRMSNorm",
	 {"hidden_states", "weight"}, rms_norm, LEN(rms_norm), "epsilon"},
	{"qeff", "ExpertMatMul",
	 {"x", "w", "index"}, expert_matmul, LEN(expert_matmul), NULL, "loop"},
	{"qeff", "ExpertMatMul",
	 {"x", "w", "index"}, expert_chosen, LEN(expert_chosen), NULL, "chosen"},
	{"qeff", "ExpertMatMul",
	 {"x", "w", "index"}, expert_all, LEN(expert_all), NULL, "all"},
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
	if (str_ends(name, "ints") || str_ends(name, "axes") ||
	    strcmp(name, "perm") == 0)
		list_attr(g, n, name, eq + 1);
	else if (str_int(eq + 1, &x))
		attr_set_int(g, n, name, x);
}

static Graph *part(Graph *, const Part *);

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
	for (const Part *p = l->part; p && p->attr; p++)
		attr_add(g, node, p->attr, ATTR_GRAPH)->g = part(g, p);
}

/* A subgraph, which sees the values around it. */
static Graph *
part(Graph *g, const Part *p)
{
	Graph *sub = graph_new(g->mem, p->attr);

	sub->parent = g;
	for (int i = 0; p->in[i]; i++)
		value_input(sub, p->in[i], p->type[i],
		            p->type[i] ? &(Shape){0} : NULL);
	for (int i = 0; i < p->nline; i++)
		add_line(sub, &p->line[i]);
	for (int i = 0; p->out[i]; i++)
		graph_output(sub, value_find(sub, p->out[i]));
	return sub;
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
	function_add_way(g, domain, name, NULL);
}

void
function_add_way(Graph *g, const char *domain, const char *name,
                 const char *way)
{
	if (graph_function(g, domain, name))
		return;
	for (size_t i = 0; i < LEN(bodies); i++)
		if (strcmp(bodies[i].domain, domain) == 0 &&
		    strcmp(bodies[i].name, name) == 0 &&
		    (!way || strcmp(bodies[i].way, way) == 0)) {
			add_function(g, &bodies[i]);
			return;
		}
}
