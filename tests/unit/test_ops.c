/* SPDX-License-Identifier: BSD-3-Clause
 * test_ops.c - runs the cases of tests/ops/ *.t, and checks that every row of
 * ops.def has one.
 *
 * A case:
 *     Op [version] [domain]        blank line ends it; version: newest
 *     name = 1 | 0.5 | text | [1,2] | [0.5,] | i64[2] 1 2    attributes
 *     name = (a b) c = Add a b ; d = Neg c -> c d            a graph
 *     f32[2,3] 1 2 3 4 5 6         an input; [2,3] is f32; - is left out;
 *                                  graphs see it as in0, in1...
 *     @name [1] 5                  a value for graphs that is no input
 *     seq [1] 1 | [2] 3 4          a sequence; opt: one value or none
 *     = f32[2] 1 2                 an output; "= -" does not look
 *     ! text                       or: refused, and says text
 * Dimensions [?,3] and no elements: only the shape is inferred. */

#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "num.h"

enum { NEWEST = 1000, MAXIO = 16 };

typedef struct Case {
	const char *file;
	int line;
	Arena mem;
	Ctx ctx;
	Graph *g;
	Node *n;
	Value *in[MAXIO];
	int nin;
	char *want[MAXIO];
	int nwant;
	char *refusal;
} Case;

static bool seen[4096];

static void
bad(Case *t, const char *what)
{
	check_(0, what, t->file, t->line);
}

/* Names of dtypes.def, and i64, u8 and so on for short. */
static DType
type_named(Case *t, Span s)
{
	const char *name = arena_span(&t->mem, s);

	if (strchr("iu", *name) && strchr("123468", name[1]) && name[1])
		name = arena_str(&t->mem, "%s%s", *name == 'i' ? "int" : "uint",
		                 name + 1);
	return dtype_by_name(name);
}

/* "f32[2,?] 1 2" or "[2] 1 2"; *s is left after the shape. */
static Value *
parse_type(Case *t, char **s)
{
	Value *v = NEW(&t->mem, Value);
	char *bracket = strchr(*s, '['), *end;

	v->name = "x";
	v->type = DT_F32;
	if (!bracket)
		return NULL;
	if (bracket > *s)
		v->type = type_named(t, (Span){*s, (size_t)(bracket - *s)});
	if (!v->type)
		return NULL;
	for (*s = bracket + 1; **s && **s != ']'; *s = end) {
		end = *s + 1;
		v->shape.dim[v->shape.rank++] =
			**s == '?' ? -1 : strtoll(*s, &end, 10);
		end += *end == ',';
	}
	*s += **s == ']';
	return v;
}

static void
parse_element(Case *t, Value *v, int64_t i, char *word)
{
	double x;
	int64_t k;

	if (v->type == DT_STRING)
		((Span *)value_bytes(v))[i] = SPAN(arena_dup(&t->mem, word));
	else if (!dtype_is_float(v->type) && v->type == DT_U64)
		store_i64(v, i, 1,
		          &(int64_t){(int64_t)strtoull(word, NULL, 10)});
	else if (!dtype_is_float(v->type) && str_int(word, &k))
		store_i64(v, i, 1, &k);
	else if (str_float(word, &x) || (x = strtod(word, NULL)) != 0)
		store_f64(v, i, 1, &x);
	else
		bad(t, word);
}

static Value *parse_value(Case *, char *);

/* "[1] 1 | [2] 3 4": what is between the bars; no text, no items. */
static Value *
parse_items(Case *t, char *s, enum ValueKind kind)
{
	Value *v = NEW(&t->mem, Value);
	char *rest = s, *word;

	v->name = "x";
	v->kind = kind;
	v->type = DT_F32;
	v->shape.rank = -1;
	v->item = NEWV(&t->mem, Value *, MAXIO);
	for (word = strtok_r(s, "|", &rest); word && v->nitem < MAXIO;
	     word = strtok_r(NULL, "|", &rest)) {
		word += strspn(word, " ");
		if (!*word)
			continue;
		v->item[v->nitem] = parse_value(t, word);
		if (v->item[v->nitem])
			v->type = v->item[v->nitem++]->type;
	}
	return v;
}

static Value *
parse_value(Case *t, char *s)
{
	Value *v;
	int64_t n;

	if (str_starts(s, "seq"))
		return parse_items(t, s + 3, VALUE_SEQUENCE);
	if (str_starts(s, "opt"))
		return parse_items(t, s + 3, VALUE_OPTIONAL);
	v = parse_type(t, &s);
	if (!v) {
		bad(t, s);
		return NULL;
	}
	n = shape_count(&v->shape);
	if (n < 0 || !value_alloc(&t->ctx, &t->mem, v))
		return v;
	char *rest = s, *word;
	for (int64_t i = 0; i < n; i++) {
		word = strtok_r(i ? NULL : s, " ", &rest);
		if (!word && i == 0) {
			v->data = (Blob){0}; /* only a shape */
			return v;
		}
		if (!word) {
			bad(t, "too few elements");
			return v;
		}
		parse_element(t, v, i, word);
	}
	return v;
}

static void
expect_element(Case *t, const Value *got, const Value *want, int64_t i)
{
	double x = value_f64(got, i), y = value_f64(want, i);
	double tol = got->type == DT_F16    ? 1e-3
	             : got->type == DT_BF16 ? 1e-2
	                                    : 1e-6;
	char what[96];

	if (!dtype_is_float(got->type)
	            ? value_i64(got, i) == value_i64(want, i)
	            : x == y || (x != x && y != y) ||
	                      fabs(x - y) <= tol * (1 + fabs(y)))
		return;
	snprintf(what, sizeof what, "element %lld: got %.9g, want %.9g",
	         (long long)i, x, y);
	check_(0, what, t->file, t->line);
}

static void expect(Case *, const Value *got, const Value *want);

static void
expect_elements(Case *t, const Value *got, const Value *want)
{
	if (!got->data.mem) {
		bad(t, "no data");
		return;
	}
	for (int64_t i = 0; i < shape_count(&want->shape); i++)
		if (want->type == DT_STRING) {
			Span p = ((const Span *)got->data.mem)[i];
			Span q = ((const Span *)want->data.mem)[i];

			check_(p.n == q.n && !memcmp(p.p, q.p, p.n), "string",
			       t->file, t->line);
		} else {
			expect_element(t, got, want, i);
		}
}

static void
expect(Case *t, const Value *got, const Value *want)
{
	if (got->kind != want->kind || got->nitem != want->nitem) {
		bad(t, "kind or number of items");
		return;
	}
	for (int i = 0; i < want->nitem; i++)
		expect(t, got->item[i], want->item[i]);
	if (want->kind != VALUE_TENSOR)
		return;
	CHECK_STR(dtypes[got->type].name, dtypes[want->type].name);
	check_str(shape_text(&got->shape).s, shape_text(&want->shape).s,
	          t->file, t->line);
	if (want->data.mem && shape_eq(&got->shape, &want->shape) &&
	    got->type == want->type)
		expect_elements(t, got, want);
}

/* Runs a case; inputs without data make it one of inference alone. */
static void
finish(Case *t)
{
	bool run = true, done;
	Value *out[MAXIO];
	Node *n = t->n;

	if (!n)
		return;
	if (!t->nwant && !t->refusal)
		bad(t, "a case without a result");
	n->nin = t->nin;
	n->in = t->in;
	n->nout = MAX(t->nwant, 1);
	n->out = out;
	for (int i = 0; i < n->nout; i++) {
		out[i] = value_new(t->g, NULL, DT_NONE, NULL);
		out[i]->from = n;
	}
	for (int i = 0; i < t->nin; i++)
		run = run && (!t->in[i] || t->in[i]->kind != VALUE_TENSOR ||
		              t->in[i]->data.mem);
	done = run ? node_eval(&t->ctx, &t->mem, n)
	           : graph_infer(&t->ctx, t->g, false);
	if (t->refusal) {
		check_(!done, "refused", t->file, t->line);
		if (!done && !strstr(t->ctx.msg, t->refusal))
			check_str(t->ctx.msg, t->refusal, t->file, t->line);
	} else if (!done) {
		check_str(t->ctx.msg, "", t->file, t->line);
	}
	for (int i = 0; done && i < t->nwant; i++)
		if (strcmp(t->want[i], "-") != 0) {
			Value *want = parse_value(t, t->want[i]);

			if (want)
				expect(t, out[i], want);
		}
	check_(1, "ran", t->file, t->line);
	arena_free(&t->mem);
	arena_free(&t->ctx.mem);
	*t = (Case){.file = t->file, .line = t->line};
}

/* "Op version domain" */
static void
open_case(Case *t, char *s)
{
	char *rest = s, *name = strtok_r(s, " ", &rest);
	char *version = strtok_r(NULL, " ", &rest);
	char *domain = strtok_r(NULL, " ", &rest);
	int64_t v = NEWEST;

	if (version)
		str_int(version, &v);
	t->g = graph_new(&t->mem, "case");
	graph_import(t->g, domain ? domain : "", v);
	t->n = node_new(t->g, domain ? domain : "", name, 0, NULL, 0, NULL);
	t->n->name = "t";
	if (!t->n->op)
		bad(t, arena_str(&t->mem, "no operator '%s'", name));
	else
		seen[t->n->op - optab] = true;
}

static void
parse_list(Case *t, char *name, char *s)
{
	char *rest = s, *word;
	float *f = NEWV(&t->mem, float, strlen(s));
	int64_t *k = NEWV(&t->mem, int64_t, strlen(s));
	bool floats = strpbrk(s, ".e") != NULL;
	int n = 0;
	Attr *a;

	for (word = strtok_r(s, "[],", &rest); word;
	     word = strtok_r(NULL, "[],", &rest), n++) {
		f[n] = strtof(word, NULL);
		k[n] = strtoll(word, NULL, 10);
	}
	a = attr_add(t->g, t->n, name, floats ? ATTR_FLOATS : ATTR_INTS);
	a->n = n;
	a->floats = f;
	a->ints = k;
}

/* "a b" as values of g, made there if `fresh`; returns the number. */
static int
parse_names(Case *t, Graph *g, char *s, bool fresh, Value **out)
{
	char *rest = s, *word;
	int n = 0;

	for (word = strtok_r(s, " ", &rest); word && n < MAXIO;
	     word = strtok_r(NULL, " ", &rest), n++) {
		out[n] = fresh ? value_new(g, word, DT_NONE, NULL)
		               : value_find(g, word);
		if (!out[n])
			bad(t, word);
	}
	return n;
}

/* "(a b) c = Add a b ; d = Neg c -> c d" */
static Graph *
parse_graph(Case *t, char *s)
{
	Graph *g = graph_new(&t->mem, "body");
	char *end = strchr(s, ')'), *arrow = strstr(s, "->"), *rest, *line;
	Value *v[MAXIO], *y;

	g->parent = t->g;
	if (!end || !arrow) {
		bad(t, s);
		return g;
	}
	*end = *arrow = '\0';
	g->nin = parse_names(t, g, s + 1, true, v);
	g->in = arena_copy(&t->mem, v, sizeof v);
	for (line = strtok_r(end + 1, ";", &rest); line;
	     line = strtok_r(NULL, ";", &rest)) {
		char name[32], op[32];
		int n = 0, used = 0;

		if (sscanf(line, " %31s = %31s %n", name, op, &used) < 2)
			continue;
		n = parse_names(t, g, line + used, false, v);
		y = value_new(g, name, DT_NONE, NULL);
		node_new(g, "", op, n, v, 1, &y);
	}
	g->nout = parse_names(t, g, arrow + 2, false, v);
	g->out = arena_copy(&t->mem, v, sizeof v);
	return g;
}

static void
parse_attr(Case *t, char *name, char *s)
{
	int64_t k;
	double x;

	if (*s == '(')
		attr_add(t->g, t->n, name, ATTR_GRAPH)->g = parse_graph(t, s);
	else if (*s == '[')
		parse_list(t, name, s);
	else if (str_int(s, &k))
		attr_set_int(t->g, t->n, name, k);
	else if (str_float(s, &x))
		attr_set_float(t->g, t->n, name, x);
	else if (strchr(s, '['))
		attr_add(t->g, t->n, name, ATTR_TENSOR)->t = parse_value(t, s);
	else
		attr_set_str(t->g, t->n, name, s);
}

/* "name [2] 1 2" */
static void
parse_outer(Case *t, char *s)
{
	char *space = strchr(s, ' ');
	Value *v;

	if (!space) {
		bad(t, s);
		return;
	}
	*space = '\0';
	v = parse_value(t, space + 1);
	if (v) {
		v->name = arena_dup(&t->mem, s);
		dict_set(t->g->value, v->name, v);
	}
}

static void
parse_line(Case *t, char *s)
{
	char *is;

	if (*s == '#')
		return;
	if (*s == '\0')
		finish(t);
	else if (!t->n)
		open_case(t, s);
	else if (*s == '@')
		parse_outer(t, s + 1);
	else if (*s == '!')
		t->refusal = arena_dup(&t->mem, s + 2);
	else if (*s == '=' && t->nwant < MAXIO)
		t->want[t->nwant++] = arena_dup(&t->mem, s + 2);
	else if ((is = strstr(s, " = ")) != NULL) {
		*is = '\0';
		parse_attr(t, s, arena_dup(&t->mem, is + 3));
	} else if (t->nin < MAXIO) {
		Value *v = *s == '-' ? NULL : parse_value(t, s);

		if (v) {
			v->name = arena_str(&t->mem, "in%d", t->nin);
			dict_set(t->g->value, v->name, v);
		}
		t->in[t->nin++] = v;
	}
}

static void
run(const char *path)
{
	Case t = {.file = path};
	FILE *f = fopen(path, "r");
	char *buf = NULL;
	size_t cap = 0;

	if (!f) {
		bad(&t, "cannot be opened");
		return;
	}
	while (getline(&buf, &cap, f) >= 0) {
		t.line++;
		buf[strcspn(buf, "\n")] = '\0';
		parse_line(&t, buf);
	}
	finish(&t);
	free(buf);
	fclose(f);
}

static const char *const files[] = {
	"elementwise", "unary",    "cast",    "shape",  "move",   "gather",
	"cache",       "matmul",   "reduce",  "norm",   "sort",   "attention",
	"conv",        "pool",     "quant",   "resize", "pad",    "batchnorm",
	"select",      "grid",     "detect",  "rnn",    "signal", "einsum",
	"control",     "sequence", "contrib",
};

int
main(void)
{
	char path[256];

	for (size_t i = 0; i < LEN(files); i++) {
		snprintf(path, sizeof path, "tests/ops/%s.t", files[i]);
		run(path);
	}
	for (int i = 0; i < nop; i++)
		if (!seen[i]) {
			fprintf(stderr,
			        "ops.def: %s %d has no case in tests/ops\n",
			        optab[i].name, optab[i].since);
			failed++;
		}
	return check_done("ops");
}
