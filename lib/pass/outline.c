/* SPDX-License-Identifier: BSD-3-Clause
 * outline.c - layers that repeat become calls of one function.
 *
 * Looks for the longest run of nodes in which each does what the node L
 * places on does, in a graph where that is wired alike: a block of L nodes,
 * R times.  Where a run is longer than its blocks, the cut that hands over
 * the fewest values between blocks is taken, which is between layers.  What
 * the blocks have in common and is small is a constant of the body; all
 * else they use is an input.  Names lose the number in which two blocks
 * differ.  Repeats until no block of BLOCK_MIN nodes is left. */

#include <ctype.h>
#include <stdio.h>

#include "pass.h"

enum { BLOCK_MIN = 8, CONST_MAX = 1024 };

static const char domain[] = "qeff.functions";

typedef struct Slot {
	int node, index; /* within a block */
} Slot;

typedef struct Blocks {
	Arena *tmp;
	Graph *g;
	int start, len, count;
	Value ***in; /* [nin][count] what the blocks use */
	Slot *out;   /* what is used outside of the one that makes it */
	int nin, nout;
	size_t capin, capout;
	int cost; /* of these, those that are not constants */
} Blocks;

/* ---- finding them ---- */

typedef struct Mark {
	char hex[33];
} Mark;

static Mark *
hashes(Edit *e)
{
	Mark *m = NEWV(&e->tmp, Mark, e->g->nnode + 1);
	Hash *h = hash_new(&e->tmp);

	for (int i = 0; i < e->g->nnode; i++) {
		bool known = hash_node(e, h, e->g->node[i]);
		Digest d = hash_end(h);

		memcpy(m[i].hex, d.hex, sizeof d.hex);
		if (!known) /* like no other */
			snprintf(m[i].hex, sizeof m[i].hex, "%d", i);
	}
	return m;
}

/* Equal marks as equal numbers, quick to compare. */
static int *
classes(Edit *e)
{
	Mark *m = hashes(e);
	Dict *seen = dict_new(&e->tmp);
	int *class = NEWV(&e->tmp, int, e->g->nnode + 1);

	for (int i = 0; i < e->g->nnode; i++) {
		int *first = dict_get(seen, m[i].hex);

		if (!first)
			dict_set(seen, m[i].hex, &class[i]);
		class[i] = first ? *first : i;
	}
	return class;
}

typedef struct Run {
	int start, len, same; /* node i is like i + len, from start on */
} Run;

static int
saved(const Run *r)
{
	return r->same / MAX(r->len, 1) * r->len;
}

static Run
longest(Ctx *c, const int *class, int n)
{
	Run best = {0};

	for (int len = BLOCK_MIN; len <= n / 2 && go_on(c); len++)
		for (int i = 0, same = 0; i + len <= n; i++) {
			Run r = {i - same, len, same};

			if (i + len < n && class[i] == class[i + len]) {
				same++;
				continue;
			}
			if (same >= len && saved(&r) > saved(&best))
				best = r;
			same = 0;
		}
	return best;
}

/* ---- how they are wired; a value's mark is 1 + the place of its maker ---- */

static void
number_values(Graph *g)
{
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = 0;
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nout; k++)
			if (g->node[i]->out[k])
				g->node[i]->out[k]->mark = i + 1;
}

/* The block that makes v, or -1. */
static int
block_of(const Blocks *b, const Value *v)
{
	int at = v && v->from && v->from->graph == b->g ? v->mark - 1 - b->start
	                                                : -1;

	return at >= 0 && at < b->len * b->count ? at / b->len : -1;
}

static Slot
slot_of(const Blocks *b, const Value *v)
{
	Slot s = {(v->mark - 1 - b->start) % b->len, 0};

	while (v->from->out[s.index] != v)
		s.index++;
	return s;
}

/* ---- order ---- */

/* The place of the last node that uses an output of node i. */
static int *
last_uses(Edit *e)
{
	Graph *g = e->g;
	int *last = NEWV(&e->tmp, int, g->nnode + 1);

	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nin; k++) {
			const Value *v = g->node[i]->in[k];

			if (v && v->from && v->from->graph == g)
				last[v->mark - 1] = i;
		}
	return last;
}

/* Masks and angles are made once, in the middle of the first layer, and used
 * in all: what is used far away goes to the front, with what it needs. */
static bool
bring_forward(Ctx *c, Edit *e)
{
	Graph *g = e->g;
	Node **node = NEWV(g->mem, Node *, g->nnode + 1);
	bool *front = NEWV(&e->tmp, bool, g->nnode + 1);
	int *last, n = 0;

	number_values(g);
	last = last_uses(e);
	for (int i = g->nnode - 1; i >= 0; i--) {
		front[i] = front[i] || last[i] - i > g->nnode / 3;
		for (int k = 0; front[i] && k < g->node[i]->nin; k++) {
			const Value *v = g->node[i]->in[k];

			if (v && v->from && v->from->graph == g)
				front[v->mark - 1] = true;
		}
	}
	for (int pass = 1; pass >= 0; pass--)
		for (int i = 0; i < g->nnode; i++)
			if (front[i] == pass)
				node[n++] = g->node[i];
	g->node = node;
	g->capnode = (size_t)n;
	return graph_sort(c, g); /* what subgraphs use was not looked at */
}

/* Whether all blocks use the same small constant. */
static bool
is_common(const Blocks *b, Value *const *row)
{
	for (int r = 1; r < b->count; r++)
		if (row[r] != row[0])
			return false;
	return row[0]->data.mem && row[0]->data.len <= CONST_MAX;
}

static bool
same_slots(const Blocks *b, Value *const *row)
{
	Slot s = slot_of(b, row[0]), t;

	for (int r = 1; r < b->count; r++) {
		t = slot_of(b, row[r]);
		if (s.node != t.node || s.index != t.index)
			return false;
	}
	return true;
}

/* The k-th input of node j in all blocks. */
static Value **
row_of(const Blocks *b, int j, int k)
{
	Value **row = NEWV(b->tmp, Value *, b->count);

	for (int r = 0; r < b->count; r++)
		row[r] = b->g->node[b->start + r * b->len + j]->in[k];
	return row;
}

/* Its place among the inputs of the blocks; -1: not one of them. */
static int
find_row(const Blocks *b, Value *const *row)
{
	for (int i = 0; i < b->nin; i++)
		if (memcmp(b->in[i], row, (size_t)b->count * sizeof *row) == 0)
			return i;
	return -1;
}

/* It is made inside each block, at the same place, or an input of each. */
static bool
add_input(Blocks *b, int j, int k)
{
	Value **row = row_of(b, j, k);
	int inside = 0;

	if (!row[0])
		return true;
	for (int r = 0; r < b->count; r++)
		inside += block_of(b, row[r]) == r;
	if (inside)
		return inside == b->count && same_slots(b, row);
	if (find_row(b, row) >= 0)
		return true;
	PUSH(b->tmp, b->in, b->nin, b->capin, row);
	b->cost += !value_is_const(row[0]);
	return true;
}

static void
add_use(Blocks *b, const Value *v, int user)
{
	int r = block_of(b, v);
	Slot s;

	if (r < 0 || r == user)
		return;
	s = slot_of(b, v);
	for (int i = 0; i < b->nout; i++)
		if (b->out[i].node == s.node && b->out[i].index == s.index)
			return;
	PUSH(b->tmp, b->out, b->nout, b->capout, s);
	b->cost++;
}

static void
add_uses(Blocks *b, const Graph *g)
{
	for (int i = 0; i < g->nnode; i++) {
		const Node *n = g->node[i];
		int user = g == b->g && n->nout ? block_of(b, n->out[0]) : -1;

		for (int k = 0; k < n->nin; k++)
			add_use(b, n->in[k], user);
		for (int k = 0; k < n->nattr; k++)
			if (n->attr[k].type == ATTR_GRAPH && !n->attr[k].ref)
				add_uses(b, n->attr[k].g);
	}
	for (int i = 0; i < g->nout; i++)
		add_use(b, g->out[i], -1);
}

static bool
wire(Blocks *b)
{
	for (int j = 0; j < b->len; j++)
		for (int k = 0; k < b->g->node[b->start + j]->nin; k++)
			if (!add_input(b, j, k))
				return false;
	add_uses(b, b->g);
	return true;
}

/* Of all cuts of a run the one with the most blocks, then the cheapest. */
static bool
cut(Edit *e, const Run *run, Blocks *best)
{
	*best = (Blocks){0};
	for (int shift = 0; shift < run->len; shift++) {
		Blocks b = {.tmp = &e->tmp,
		            .g = e->g,
		            .start = run->start + shift,
		            .len = run->len,
		            .count = (run->same - shift) / run->len + 1};

		if (run->same < shift || b.count < MAX(best->count, 2))
			break;
		if (wire(&b) && (b.count > best->count || b.cost < best->cost))
			*best = b;
	}
	return best->count > 1;
}

/* ---- making the function ---- */

/* The common part of two names, with N for the number they differ in. */
static const char *
common_name(Arena *a, const char *s, const char *t)
{
	size_t from = 0, m = strlen(s), n = strlen(t);

	while (s[from] && s[from] == t[from])
		from++;
	while (m > from && n > from && s[m - 1] == t[n - 1]) {
		m--;
		n--;
	}
	while (from && isdigit((unsigned char)s[from - 1]))
		from--;
	while (isdigit((unsigned char)s[m]))
		m++;
	for (size_t i = from; i < m; i++)
		if (!isdigit((unsigned char)s[i]))
			return s;
	return m > from ? arena_str(a, "%.*sN%s", (int)from, s, s + m) : s;
}

static Node *
node_of(const Blocks *b, int r, int j)
{
	return b->g->node[b->start + r * b->len + j];
}

/* What a name says of its layer, "layers.3/" of "layers.3/Mul": how much. */
static size_t
place_len(const char *name)
{
	const char *cut =
		str_starts(name, "layers.") ? strchr(name, '/') : NULL;

	return cut ? (size_t)(cut + 1 - name) : 0;
}

/* The layer that block r is, by the first of its nodes that says so: who
 * splits a model over devices goes by the names of its nodes. */
static Span
place_of(const Blocks *b, int r)
{
	for (int j = 0; j < b->len; j++) {
		const char *name = node_of(b, r, j)->name;

		if (place_len(name))
			return (Span){name, place_len(name)};
	}
	return (Span){"", 0};
}

static Value **
body_inputs(const Blocks *b, Graph *body)
{
	Value **made = NEWV(b->tmp, Value *, b->nin + 1);

	for (int i = 0; i < b->nin; i++) {
		Value **row = b->in[i], *v;

		if (is_common(b, row)) {
			v = value_new(body, row[0]->name, row[0]->type,
			              &row[0]->shape);
			v->data = row[0]->data;
		} else {
			v = value_input(body,
			                common_name(b->tmp, row[0]->name,
			                            row[1]->name),
			                DT_NONE, NULL);
		}
		made[i] = v;
	}
	return made;
}

/* name, or with a number if a node of the body has it: onnxruntime wants
 * names to differ. */
static const char *
fresh_name(const Graph *body, const char *name)
{
	const char *s = name;

	for (int i = 0, k = 2; *name && i < body->nnode; i++)
		if (strcmp(body->node[i]->name, s) == 0) {
			s = arena_str(body->mem, "%s_%d", name, k++);
			i = -1;
		}
	return arena_dup(body->mem, s);
}

static void
body_node(const Blocks *b, int j, Graph *body, Value *const *made, Dict *twin)
{
	const Node *n = node_of(b, 0, j), *next = node_of(b, 1, j);
	const char *name = common_name(b->tmp, n->name, next->name);
	Value **in = NEWV(b->tmp, Value *, n->nin + 1);
	Value **out = NEWV(b->tmp, Value *, n->nout + 1);
	Node *m;

	for (int k = 0; k < n->nin; k++)
		if (n->in[k]) {
			int i = find_row(b, row_of(b, j, k));

			in[k] = i >= 0 ? made[i]
			               : dict_get(twin, n->in[k]->name);
		}
	for (int k = 0; k < n->nout; k++)
		if (n->out[k]) {
			out[k] = value_new(body,
			                   common_name(b->tmp, n->out[k]->name,
			                               next->out[k]->name),
			                   DT_NONE, NULL);
			dict_set(twin, n->out[k]->name, out[k]);
		}
	graph_import(body, n->domain, graph_opset(b->g, n->domain));
	m = node_new(body, n->domain, n->type, n->nin, in, n->nout, out);
	m->name = fresh_name(body, name + place_len(name));
	m->nattr = n->nattr;
	m->attr = arena_copy(body->mem, n->attr,
	                     (size_t)n->nattr * sizeof *n->attr);
	m->capattr = (size_t)n->nattr;
}

static Function *
make_function(const Blocks *b)
{
	Graph *g = b->g;
	Function *f = NEW(g->mem, Function);
	Dict *twin = dict_new(b->tmp); /* of what the first block makes */
	Value **made;

	f->domain = domain;
	f->name = "Layer";
	for (int i = 1; graph_function(g, domain, f->name); i++)
		f->name = arena_str(g->mem, "Layer_%d", i);
	f->body = graph_new(g->mem, f->name);
	graph_import(f->body, "", graph_opset(g, ""));
	made = body_inputs(b, f->body);
	for (int j = 0; j < b->len; j++)
		body_node(b, j, f->body, made, twin);
	for (int i = 0; i < b->nout; i++) {
		const Node *n = node_of(b, 0, b->out[i].node);

		graph_output(f->body,
		             dict_get(twin, n->out[b->out[i].index]->name));
	}
	graph_import(g, domain, 1);
	PUSH(g->mem, g->func, g->nfunc, g->capfunc, f);
	return f;
}

static void
call(const Blocks *b, const Function *f, int r)
{
	Value **in = NEWV(b->tmp, Value *, b->nin + 1);
	Value **out = NEWV(b->tmp, Value *, b->nout + 1);
	Span at = place_of(b, r);
	int nin = 0;
	Node *n;

	for (int i = 0; i < b->nin; i++)
		if (!is_common(b, b->in[i]))
			in[nin++] = b->in[i][r];
	for (int i = 0; i < b->nout; i++)
		out[i] = node_of(b, r, b->out[i].node)->out[b->out[i].index];
	n = node_new(b->g, f->domain, f->name, nin, in, b->nout, out);
	n->name =
		arena_str(b->g->mem, "%.*s%s.%d", (int)at.n, at.p, f->name, r);
}

/* node_new() appends: calls stand behind the old nodes, then come to where
 * the blocks were. */
static void
outline(Edit *e, const Blocks *b)
{
	Graph *g = e->g;
	const Function *f = make_function(b);
	int n = g->nnode, end = b->start + b->len * b->count;
	Node **calls = NEWV(&e->tmp, Node *, b->count);

	for (int r = 0; r < b->count; r++)
		call(b, f, r);
	memcpy(calls, g->node + n, (size_t)b->count * sizeof *calls);
	memcpy(g->node + b->start, calls, (size_t)b->count * sizeof *calls);
	memmove(g->node + b->start + b->count, g->node + end,
	        (size_t)(n - end) * sizeof *g->node);
	g->nnode = n - b->len * b->count + b->count;
	graph_prune(g);
	e->changes += b->count;
}

bool
pass_outline(Ctx *c, Edit *e)
{
	if (!bring_forward(c, e))
		return false;
	for (;;) {
		Run run = longest(c, classes(e), e->g->nnode);
		Blocks b;

		if (!go_on(c))
			return false;
		number_values(e->g);
		if (!run.len || !cut(e, &run, &b))
			return true;
		say(c, 2, "outline: %d blocks of %d nodes, %d values between",
		    b.count, b.len, b.cost);
		outline(e, &b);
	}
}
