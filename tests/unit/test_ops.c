/* SPDX-License-Identifier: BSD-3-Clause
 * test_ops.c - runs the cases of tests/ops/ *.t, and checks that every row of
 * ops.def has one.
 *
 * A case:
 *     Op [version] [domain]        blank line ends it; version: newest
 *     name = 1 | 0.5 | text | [1,2] | [0.5,] | i64[2] 1 2    attributes
 *     f32[2,3] 1 2 3 4 5 6         an input; [2,3] is f32; - is left out
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

static Value *
parse_value(Case *t, char *s)
{
	Value *v = parse_type(t, &s);
	int64_t n;

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

static void
expect_value(Case *t, const Value *got, char *text)
{
	Value *want = parse_value(t, text);

	if (!want)
		return;
	CHECK_STR(dtypes[got->type].name, dtypes[want->type].name);
	check_str(shape_text(&got->shape).s, shape_text(&want->shape).s,
	          t->file, t->line);
	if (!want->data.mem || !shape_eq(&got->shape, &want->shape) ||
	    got->type != want->type)
		return;
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
		run = run && (!t->in[i] || t->in[i]->data.mem);
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
		if (strcmp(t->want[i], "-") != 0)
			expect_value(t, out[i], t->want[i]);
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

static void
parse_attr(Case *t, char *name, char *s)
{
	int64_t k;
	double x;

	if (*s == '[')
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
	else if (*s == '!')
		t->refusal = arena_dup(&t->mem, s + 2);
	else if (*s == '=' && t->nwant < MAXIO)
		t->want[t->nwant++] = arena_dup(&t->mem, s + 2);
	else if ((is = strstr(s, " = ")) != NULL) {
		*is = '\0';
		parse_attr(t, s, arena_dup(&t->mem, is + 3));
	} else if (t->nin < MAXIO) {
		t->in[t->nin++] = *s == '-' ? NULL : parse_value(t, s);
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
	"elementwise", "unary",     "cast",   "shape",  "move",
	"gather",      "cache",     "matmul", "reduce", "norm",
	"sort",        "attention", "conv",   "pool",   "quant",
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
