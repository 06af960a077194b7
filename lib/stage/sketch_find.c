/* SPDX-License-Identifier: BSD-3-Clause
 * sketch_find.c - the layers of a document or a graph.
 *
 * A document says its layers; those alike but for the numbers in names are
 * one box.  In a graph, what the pass outline makes a function of is a layer;
 * the nodes between are boxes by the first part of their names, or each its
 * own where there are few. */

#include <ctype.h>

#include "pass.h"
#include "sketch.h"

enum {
	FEW = 12,             /* nodes that are a box each */
	MAXOUTLINE = 1 << 13, /* nodes, as finding repetitions is not linear */
	MAXTYPES = 18,        /* operators named in a box */
	WRAP = 50
};

/* ---- documents ---- */

typedef struct Doc {
	Arena *a;
	const Json *tensors;
	Sketch *s;
	int last; /* box, -1: none */
} Doc;

int64_t
sketch_elements(const Json *tensor)
{
	const Json *shape = json_get(tensor, "shape");
	int64_t n = 1;

	for (size_t i = 0; i < json_len(shape) && n >= 0; i++)
		n = mul_size(n, json_int(json_at(shape, i), -1));
	return MAX(n, 0);
}

/* Adds the tensors named anywhere in j to a box. */
static void
add_tensors(Doc *d, const Json *j, Box *b)
{
	const Json *t;
	int64_t n;

	if (json_is(j, json_type_array))
		for (size_t i = 0; i < json_len(j); i++)
			add_tensors(d, json_at(j, i), b);
	if (json_is(j, json_type_object)) {
		json_object_object_foreach((Json *)(uintptr_t)j, key, v)
		{
			(void)key;
			add_tensors(d, v, b);
		}
	}
	if (!json_is(j, json_type_string) ||
	    !(t = json_get(d->tensors, json_str(j, ""))))
		return;
	n = sketch_elements(t);
	b->parameters = MAX(add_size(b->parameters, n), 0);
	n = dtype_bytes(dtype_by_safetensors(json_get_str(t, "dtype", "")),
	                MAX(n, 0));
	b->bytes = MAX(add_size(b->bytes, MAX(n, 0)), 0);
}

/* "attn (head_dim 32, heads 4)": its sizes and choices, not its tensors. */
static void
put_block(const Doc *d, Buf *b, const Json *block)
{
	bool some = false;

	buf_str(b, json_get_str(block, "kind", "?"));
	if (!json_is(block, json_type_object))
		return;
	json_object_object_foreach((Json *)(uintptr_t)block, key, v)
	{
		bool text = json_is(v, json_type_string) &&
		            strcmp(key, "kind") != 0 &&
		            !json_get(d->tensors, json_str(v, ""));

		if (!text && !json_is(v, json_type_int))
			continue;
		buf_str(b, some ? ", " : " (");
		buf_fmt(b, "%s ", key);
		buf_str(b, json_object_get_string(v));
		some = true;
	}
	buf_str(b, some ? ")" : "");
}

static void
put_layer(const Doc *d, Buf *b, const Json *layer)
{
	const Json *steps = json_get(layer, "steps");

	for (size_t i = 0; i < json_len(steps); i++) {
		const Json *branches = json_get(json_at(steps, i), "branches");

		for (size_t k = 0; k < json_len(branches); k++) {
			const Json *o = json_at(branches, k);

			buf_str(b, b->n ? "\n" : "");
			if (json_get(o, "in"))
				buf_fmt(b, "%s, ",
				        json_get_str(json_get(o, "in"), "kind",
				                     "norm"));
			put_block(d, b, json_get(o, "block"));
		}
	}
}

/* The text of a layer, numbers between dots in names left out. */
static char *
layer_class(Arena *a, const Json *layer)
{
	Buf *b = buf_new(a);
	size_t to = 0;

	json_print(b, layer, 0);
	for (size_t i = 0; i < b->n;) {
		size_t n = i;

		if (i && strchr(".\"/", b->p[i - 1]))
			while (isdigit((unsigned char)b->p[n]))
				n++;
		if (n > i && (b->p[n] == '.' || b->p[n] == '/'))
			i = n;
		b->p[to++] = b->p[i++];
	}
	b->p[to] = 0;
	return b->p;
}

static int *
layer_classes(Arena *a, const Json *layers)
{
	int *class = NEWV(a, int, json_len(layers) + 1);
	Dict *seen = dict_new(a);

	for (size_t i = 0; i < json_len(layers); i++) {
		char *text = layer_class(a, json_at(layers, i));
		int *first = dict_get(seen, text);

		class[i] = first ? *first : (int)i;
		if (!first)
			dict_set(seen, text, &class[i]);
	}
	return class;
}

static int
next_box(Doc *d, const char *name, const char *holds)
{
	int at = sketch_box(d->s, name, holds);

	if (d->last >= 0)
		sketch_link(d->s, d->last, at);
	return d->last = at;
}

static void
add_layers(Doc *d, const char *where, const Json *layers)
{
	int *class = layer_classes(d->a, layers), n = (int)json_len(layers);
	int len, times;

	for (int i = 0, all; i < n; i += all) {
		Buf *holds = buf_new(d->a);
		Box *b;

		all = sketch_repeats(class, i, n, &len, &times);
		for (int k = 0; k < len && k < FEW; k++)
			put_layer(d, holds, json_at(layers, (size_t)(i + k)));
		b = &d->s->box[next_box(d,
		                        all > 1 ? arena_str(d->a,
		                                            "%slayers %d-%d",
		                                            where, i,
		                                            i + all - 1)
		                                : arena_str(d->a, "%slayer %d",
		                                            where, i),
		                        holds->p)];
		b->times = times;
		for (int k = 0; k < all; k++)
			add_tensors(d, json_at(layers, (size_t)(i + k)), b);
	}
}

static void
add_part(Doc *d, const char *where, const Json *root, const char *key)
{
	const Json *part = json_get(root, key);
	int at;

	if (!part)
		return;
	at = next_box(d, arena_str(d->a, "%s%s", where, key),
	              json_get_str(part, "kind", ""));
	add_tensors(d, part, &d->s->box[at]);
}

static void
add_stack(Doc *d, const char *where, const Json *root)
{
	static const char *const ends[] = {"final", "head", "heads"};

	add_part(d, where, root, "embed");
	add_layers(d, where, json_get(root, "layers"));
	for (size_t i = 0; i < LEN(ends); i++)
		add_part(d, where, root, ends[i]);
}

Sketch *
sketch_document(Arena *a, const Json *document)
{
	const Json *root = json_get(document, "modules"),
		   *encoder = json_get(root, "encoder");
	Sketch *s = sketch_new(a, json_get_str(root, "model_type", "model"));
	Doc d = {.a = a,
	         .tensors = json_get(document, "tensors"),
	         .s = s,
	         .last = -1};
	int heard, begin;

	if (encoder)
		add_stack(&d, "encoder ", encoder);
	heard = d.last;
	begin = s->nbox;
	d.last = -1;
	add_stack(&d, "", root);
	for (int i = begin; heard >= 0 && i < s->nbox; i++)
		if (strstr(s->box[i].holds, "cross"))
			sketch_link(s, heard, i);
	return s;
}

/* ---- graphs ---- */

typedef struct Found {
	Graph *g;
	Arena *a;
	Sketch *s;
} Found;

static const Function *
function_of(const Found *f, int i)
{
	const Node *n = f->g->node[i];

	return graph_function(f->g, n->domain, n->type);
}

static bool
same_type(const Node *a, const Node *b)
{
	return strcmp(a->type, b->type) == 0 &&
	       strcmp(a->domain, b->domain) == 0;
}

/* How many calls of one function stand at i; 0: none, or only one. */
static int
calls_at(const Found *f, int i)
{
	int n = 1;

	if (!function_of(f, i))
		return 0;
	while (i + n < f->g->nnode &&
	       same_type(f->g->node[i], f->g->node[i + n]))
		n++;
	return n > 1 ? n : 0;
}

/* "/model/layer1/conv/Conv": the first two parts. */
static Span
scope(const Node *n)
{
	const char *s = n->name, *end = strchr(*s == '/' ? s + 1 : s, '/');
	const char *more = end ? strchr(end + 1, '/') : NULL;

	end = more ? more : end;
	return (Span){s, end ? (size_t)(end - s) : 0};
}

/* How many nodes from i on are of its scope.  Those without one that stand
 * between two of it are too: masks that its first user makes, caches. */
static int
same_scope(const Found *f, int i)
{
	Span s = scope(f->g->node[i]);
	int n = 1;

	for (int k = 1; i + k < f->g->nnode; k++) {
		Span t = scope(f->g->node[i + k]);

		if (!s.n && calls_at(f, i + k))
			break;
		if (s.n && !t.n)
			continue;
		if (s.n != t.n || memcmp(s.p, t.p, s.n) != 0)
			break;
		n = k + 1;
	}
	return n;
}

/* "75 nodes", and how many of each operator. */
static const char *
operators(const Found *f, Node *const *node, int n)
{
	Buf *b = buf_new(f->a);
	Dict *count = dict_new(f->a);
	size_t line;

	for (int i = 0; i < n; i++) {
		int *k = dict_get(count, node[i]->type);

		if (!k)
			dict_set(count, node[i]->type, k = NEW(f->a, int));
		++*k;
	}
	buf_fmt(b, "%d nodes", n);
	line = b->n - WRAP;
	for (size_t i = 0; i < MIN(count->n, (size_t)MAXTYPES); i++) {
		bool wrap = i == 0 || b->n - line > WRAP;

		buf_str(b, wrap ? "\n" : ", ");
		line = wrap ? b->n : line;
		buf_fmt(b, "%s %d", count->item[i].key,
		        *(int *)count->item[i].value);
	}
	buf_str(b, count->n > MAXTYPES ? ", ..." : "");
	return b->p;
}

/* v is used in box `at`: a line to there, or a weight of it. */
static void
use(const Found *f, Value *v, int at)
{
	Box *b = &f->s->box[at];

	if (!v)
		return;
	if (!value_is_const(v)) {
		if (v->mark)
			sketch_link(f->s, v->mark - 1, at);
		return;
	}
	if (v->mark == at + 1)
		return;
	v->mark = at + 1;
	b->parameters += MAX(shape_count(&v->shape), 0);
	b->bytes += v->data.len;
}

static void
wire(const Found *f, int from, int n, int at)
{
	for (int i = from; i < from + n; i++) {
		const Node *node = f->g->node[i];
		Value **inner;
		int m = node_captures(f->a, node, &inner);

		for (int k = 0; k < node->nin; k++)
			use(f, node->in[k], at);
		for (int k = 0; k < m; k++)
			use(f, inner[k], at);
		for (int k = 0; k < node->nout; k++)
			if (node->out[k])
				node->out[k]->mark = at + 1;
	}
}

/* Name, type and shape of inputs or outputs. */
static void
add_ends(const Found *f, const char *what, int n, Value *const *v)
{
	Buf *b = buf_new(f->a);

	for (int i = 0; i < MIN(n, FEW); i++) {
		buf_fmt(b, "%s%s : ", i ? "\n" : "", v[i]->name);
		value_print_type(b, v[i]);
	}
	if (n > FEW)
		buf_fmt(b, "\nand %d more", n - FEW);
	sketch_box(f->s, what, b->p);
}

static void
add_single(const Found *f, int i)
{
	const Node *n = f->g->node[i];

	wire(f, i, 1, sketch_box(f->s, n->type, n->name));
}

static int
add_group(const Found *f, int i)
{
	Node **node = f->g->node;
	int n = calls_at(f, i), at;
	Span s;

	if (n) {
		const Graph *body = function_of(f, i)->body;

		at = sketch_box(f->s, node[i]->type,
		                operators(f, body->node, body->nnode));
		f->s->box[at].times = n;
		wire(f, i, n, at);
		return n;
	}
	n = same_scope(f, i);
	s = scope(node[i]);
	if (n == 1 || (!s.n && n <= FEW)) {
		for (int k = i; k < i + n; k++)
			add_single(f, k);
		return n;
	}
	at = sketch_box(f->s, s.n ? arena_span(f->a, s) : "nodes",
	                operators(f, node + i, n));
	wire(f, i, n, at);
	return n;
}

static bool
find_layers(Ctx *c, Arena *a, Graph *g)
{
	const Pass **outline;
	Ctx trial = {.tool = c->tool};
	Edit edit = {0};

	/* not one to be rewritten: shown as it is */
	if (g->nnode > MAXOUTLINE || !graph_verify(&trial, g)) {
		arena_free(&trial.mem);
		return true;
	}
	outline = pass_list(c, a, "outline");
	return outline && pass_run(c, g, *outline, &edit);
}

Sketch *
sketch_graph(Ctx *c, Arena *a, Graph *g)
{
	Found f = {.g = g, .a = a, .s = sketch_new(a, g->name)};
	int last;

	if (!find_layers(c, a, g))
		return NULL;
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = 0;
	add_ends(&f, "inputs", g->nin, g->in);
	for (int i = 0; i < g->nin; i++)
		g->in[i]->mark = 1;
	for (int i = 0; i < g->nnode && go_on(c);)
		i += add_group(&f, i);
	add_ends(&f, "outputs", g->nout, g->out);
	last = f.s->nbox - 1;
	for (int i = 0; i < g->nout; i++)
		if (g->out[i]->mark && !value_is_const(g->out[i]))
			sketch_link(f.s, g->out[i]->mark - 1, last);
	return go_on(c) ? f.s : NULL;
}
