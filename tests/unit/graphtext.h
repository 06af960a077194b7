/* SPDX-License-Identifier: BSD-3-Clause */
/* graphtext.h - reads the text that graph_print() writes, for tests.
 *
 * The line "graph NAME" may be missing, and so may "opset", which is then
 * ai.onnx:17.  '#' begins a comment at the start of a line.  A text that is
 * not right ends the test program: it is ours. */

#ifndef GRAPHTEXT_H
#define GRAPHTEXT_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir.h"

typedef struct Text {
	const char *p;
	Arena *a;
	const char *file;
	int line;
} Text;

static inline void
text_bad(const Text *t, const char *what)
{
	fprintf(stderr, "%s:%d: %s, at '%.20s'\n", t->file, t->line, what,
	        t->p);
	exit(1);
}

/* Blanks of a line; lines too where `far`. */
static inline void
text_skip(Text *t, bool far)
{
	while (*t->p == ' ' || *t->p == '\t' || (far && *t->p == '\n'))
		t->line += *t->p++ == '\n';
	if (far && *t->p == '#' && t->p[-1] == '\n') {
		t->p += strcspn(t->p, "\n");
		text_skip(t, far);
	}
}

static inline bool
text_is(Text *t, const char *s)
{
	text_skip(t, false);
	if (!str_starts(t->p, s))
		return false;
	t->p += strlen(s);
	return true;
}

static inline void
text_want(Text *t, const char *s)
{
	if (!text_is(t, s))
		text_bad(t, s);
}

/* A keyword and a blank behind it. */
static inline bool
text_key(Text *t, const char *s)
{
	size_t n = strlen(s);

	text_skip(t, true);
	if (!str_starts(t->p, s) || (t->p[n] != ' ' && t->p[n] != '\n'))
		return false;
	t->p += n;
	return true;
}

static inline Span
text_quoted(Text *t)
{
	Buf *b = buf_new(t->a);

	text_want(t, "\"");
	for (; *t->p != '"'; t->p++) {
		if (!*t->p || *t->p == '\n')
			text_bad(t, "no closing quote");
		if (str_starts(t->p, "\\x")) {
			buf_char(b, (char)strtol((char[3]){t->p[2], t->p[3]},
			                         NULL, 16));
			t->p += 3;
			continue;
		}
		t->p += *t->p == '\\';
		buf_char(b, *t->p);
	}
	t->p++;
	return (Span){b->p, b->n};
}

static inline char *
text_word(Text *t)
{
	const char *p;

	text_skip(t, false);
	if (*t->p == '"')
		return (char *)(uintptr_t)text_quoted(t).p;
	p = t->p;
	while (isalnum((unsigned char)*t->p) ||
	       (*t->p && strchr("._/:-", *t->p)))
		t->p++;
	if (p == t->p)
		text_bad(t, "a word");
	return arena_span(t->a, (Span){p, (size_t)(t->p - p)});
}

static inline double
text_number(Text *t, bool *is_float)
{
	char *end;
	double x;

	text_skip(t, false);
	x = strtod(t->p, &end);
	if (end == t->p)
		text_bad(t, "a number");
	*is_float = strcspn(t->p, ".einINn") < (size_t)(end - t->p);
	t->p = end;
	return x;
}

static inline int64_t
text_int(Text *t)
{
	char *end;
	int64_t x;

	text_skip(t, false);
	x = strtoll(t->p, &end, 10);
	if (end == t->p)
		text_bad(t, "a whole number");
	t->p = end;
	return x;
}

static inline void
text_dims(Text *t, Value *v)
{
	v->shape = (Shape){0};
	text_want(t, "[");
	if (text_is(t, "...]")) {
		v->shape.rank = -1;
		return;
	}
	while (!text_is(t, "]")) {
		int i = v->shape.rank++;

		if (i)
			text_want(t, ",");
		v->shape.dim[i] = -1;
		if (text_is(t, "?"))
			continue;
		if (isdigit((unsigned char)*t->p)) {
			v->shape.dim[i] = text_int(t);
			continue;
		}
		if (!v->sym)
			v->sym = NEWV(t->a, const char *, MAXRANK);
		v->sym[i] = text_word(t);
	}
}

static inline void
text_type(Text *t, Value *v)
{
	char *name;

	v->kind = text_is(t, "sequence(")   ? VALUE_SEQUENCE
	          : text_is(t, "optional(") ? VALUE_OPTIONAL
	                                    : VALUE_TENSOR;
	name = text_word(t);
	v->type = dtype_by_name(name);
	if (!v->type && strcmp(name, "undefined") != 0)
		text_bad(t, "an element type before this");
	text_dims(t, v);
	if (v->kind != VALUE_TENSOR)
		text_want(t, ")");
}

static inline void
text_element(Text *t, DType type, char *to)
{
	bool is_float;
	double x;
	int64_t i;
	Span s;

	if (type == DT_STRING) {
		s = text_quoted(t);
		memcpy(to, &s, sizeof s);
		return;
	}
	if (dtypes[type].class != 'F' || dtypes[type].bits < 16) {
		i = text_int(t);
		memcpy(to, &i, dtypes[type].size);
		return;
	}
	x = text_number(t, &is_float);
	if (type == DT_F64)
		memcpy(to, &x, sizeof x);
	else if (type == DT_F32)
		memcpy(to, &(float){(float)x}, sizeof(float));
	else if (type == DT_F16)
		memcpy(to, &(uint16_t){f32_to_f16((float)x)}, 2);
	else
		memcpy(to, &(uint16_t){f32_to_bf16((float)x)}, 2);
}

/* Elements in braces; "{1 ...}" repeats the last one to the end. */
static inline void
text_elements(Text *t, Value *v)
{
	size_t size = dtypes[v->type].size;
	bool fill = false;
	int64_t n;
	char *p;

	v->data.len = dtype_bytes(v->type, shape_count(&v->shape));
	if (v->data.len < 0)
		text_bad(t, "a shape without unknowns before this");
	n = v->data.len / (int64_t)size;
	v->data.mem = p = arena_alloc(t->a, (size_t)v->data.len + 1);
	text_want(t, "{");
	for (int64_t i = 0; i < n; i++, p += size) {
		fill = fill || (i && text_is(t, "..."));
		if (i && !fill)
			text_want(t, ",");
		if (fill)
			memcpy(p, p - size, size);
		else
			text_element(t, v->type, p);
	}
	text_want(t, "}");
}

static inline void text_lines(Text *t, Graph *g);

static inline Graph *
text_subgraph(Text *t, Graph *parent)
{
	Graph *g = graph_new(t->a, "");

	g->parent = parent;
	text_want(t, "{");
	text_lines(t, g);
	text_skip(t, true);
	text_want(t, "}");
	return g;
}

static inline void
text_list(Text *t, Attr *a, Graph *g)
{
	bool is_float = false;

	a->type = ATTR_INTS;
	a->ints = NEWV(t->a, int64_t, 64);
	a->floats = NEWV(t->a, float, 64);
	a->strings = NEWV(t->a, Span, 64);
	a->graphs = NEWV(t->a, Graph *, 64);
	while (!text_is(t, "]")) {
		if (a->n)
			text_want(t, ",");
		text_skip(t, false);
		if (*t->p == '"') {
			a->type = ATTR_STRINGS;
			a->strings[a->n++] = text_quoted(t);
		} else if (text_is(t, "graph")) {
			a->type = ATTR_GRAPHS;
			a->graphs[a->n++] = text_subgraph(t, g);
		} else {
			double x = text_number(t, &is_float);

			a->type = is_float ? ATTR_FLOATS : ATTR_INTS;
			a->floats[a->n] = (float)x;
			a->ints[a->n++] = is_float ? 0 : (int64_t)x;
		}
	}
}

static inline void
text_attr_value(Text *t, Attr *a, Graph *g)
{
	bool is_float;

	text_skip(t, false);
	if (text_is(t, "@")) {
		a->ref = text_word(t);
	} else if (*t->p == '"') {
		a->type = ATTR_STRING;
		a->s = text_quoted(t);
	} else if (text_is(t, "[")) {
		text_list(t, a, g);
	} else if (text_is(t, "graph")) {
		a->type = ATTR_GRAPH;
		a->g = text_subgraph(t, g);
	} else if (isalpha((unsigned char)*t->p) && !str_starts(t->p, "inf") &&
	           !str_starts(t->p, "nan")) {
		a->type = ATTR_TYPE;
		a->t = a->tp = NEW(t->a, Value);
		a->t->name = "";
		text_type(t, a->t);
		if (*t->p == '{') {
			a->type = ATTR_TENSOR;
			text_elements(t, a->t);
		}
	} else {
		a->f = text_number(t, &is_float);
		a->type = is_float ? ATTR_FLOAT : ATTR_INT;
		a->i = is_float ? 0 : (int64_t)a->f;
		a->f = (double)(float)a->f;
	}
}

static inline void
text_attrs(Text *t, Attr **attr, int *n, Graph *g)
{
	if (!text_is(t, "{"))
		return;
	*attr = NEWV(t->a, Attr, 32);
	while (!text_is(t, "}")) {
		Attr *a = &(*attr)[*n];

		if ((*n)++)
			text_want(t, ",");
		a->name = text_word(t);
		text_want(t, "=");
		text_attr_value(t, a, g);
	}
}

/* "_" is an input or output left out. */
static inline Value *
text_use(Text *t, Graph *g)
{
	Value *v;

	if (text_is(t, "_"))
		return NULL;
	text_want(t, "%");
	v = value_find(g, text_word(t));
	if (!v)
		text_bad(t, "nothing makes the value before this");
	return v;
}

static inline Value *
text_made(Text *t, Graph *g)
{
	char *name;

	if (text_is(t, "_"))
		return NULL;
	text_want(t, "%");
	name = text_word(t);
	if (value_find(g, name))
		text_bad(t, "the value before this is made twice");
	return value_new(g, name, DT_NONE, NULL);
}

static inline void
text_node(Text *t, Graph *g)
{
	Value *in[32], *out[32];
	int nin = 0, nout = 0;
	const char *start = t->p, *rest;
	char *type, *dot;
	Node *n;

	/* inputs first: a node does not use its own outputs */
	t->p += strcspn(t->p, "=\n");
	text_want(t, "=");
	type = text_word(t);
	text_want(t, "(");
	while (!text_is(t, ")")) {
		if (nin)
			text_want(t, ",");
		in[nin++] = text_use(t, g);
	}
	rest = t->p;
	t->p = start;
	do
		out[nout++] = text_made(t, g);
	while (text_is(t, ","));
	t->p = rest;
	dot = strrchr(type, '.');
	if (dot)
		*dot = '\0';
	n = node_new(g, dot ? type : "", dot ? dot + 1 : type, nin, in, nout,
	             out);
	text_attrs(t, &n->attr, &n->nattr, g);
	n->capattr = (size_t)n->nattr;
	for (int i = 0; i < nout && text_is(t, i ? "," : ":"); i++)
		if (!text_is(t, "_"))
			text_type(t, out[i]);
}

static inline void
text_opset(Text *t, Graph *g)
{
	while (*t->p != '\n') {
		char *s = text_word(t), *colon = strrchr(s, ':');

		if (!colon)
			text_bad(t, "a version before this");
		*colon = '\0';
		graph_import(g, strcmp(s, "ai.onnx") == 0 ? "" : s,
		             strtol(colon + 1, NULL, 10));
		text_skip(t, false);
	}
}

static inline void
text_input(Text *t, Graph *g)
{
	Value *v = text_made(t, g);

	PUSH(t->a, g->in, g->nin, g->capin, v);
	if (text_is(t, ":"))
		text_type(t, v);
}

/* Data in files: "= NAME+OFFSET". */
static inline void
text_const(Text *t, Graph *g)
{
	Value *v = text_made(t, g);
	char *name;

	text_want(t, ":");
	text_type(t, v);
	text_want(t, "=");
	text_skip(t, false);
	if (*t->p == '{') {
		text_elements(t, v);
		return;
	}
	name = text_word(t);
	text_want(t, "+");
	v->data.src = graph_source(g, name);
	v->data.off = text_int(t);
	v->data.len = dtype_bytes(v->type, shape_count(&v->shape));
}

static inline void
text_lines(Text *t, Graph *g)
{
	for (;; text_skip(t, true)) {
		text_skip(t, true);
		if (text_key(t, "opset"))
			text_opset(t, g);
		else if (text_key(t, "in"))
			text_input(t, g);
		else if (text_key(t, "const"))
			text_const(t, g);
		else if (text_key(t, "out"))
			graph_output(g, text_use(t, g));
		else if (*t->p == '%' || *t->p == '_')
			text_node(t, g);
		else
			return;
	}
}

static inline void
text_function(Text *t, Graph *g)
{
	Function *f = NEW(t->a, Function);
	char *name = text_word(t), *dot = strrchr(name, '.');

	f->domain = dot ? name : "";
	f->name = dot ? dot + 1 : name;
	if (dot)
		*dot = '\0';
	f->attr = NEWV(t->a, const char *, 32);
	while (text_is(t, f->nattr ? ", @" : "@"))
		f->attr[f->nattr++] = text_word(t);
	text_skip(t, false);
	if (t->p[1] != '\n')
		text_attrs(t, &f->defattr, &f->ndefattr, g);
	f->body = text_subgraph(t, NULL);
	f->body->name = f->name;
	PUSH(t->a, g->func, g->nfunc, g->capfunc, f);
}

static inline void
text_resolve(Graph *g)
{
	for (int i = 0; i < g->nnode; i++) {
		Node *n = g->node[i];

		node_resolve(n);
		for (int k = 0; k < n->nattr; k++)
			if (n->attr[k].type == ATTR_GRAPH && !n->attr[k].ref)
				text_resolve(n->attr[k].g);
	}
}

/* A graph that ends where no line of one follows. */
static inline Graph *
text_graph(Text *t)
{
	Graph *g = graph_new(t->a, "g");

	if (text_key(t, "graph"))
		g->name = text_word(t);
	text_lines(t, g);
	while (text_key(t, "function"))
		text_function(t, g);
	if (!g->nopset)
		graph_import(g, "", 17);
	text_resolve(g);
	return g;
}

#endif
