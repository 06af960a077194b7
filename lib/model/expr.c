/* SPDX-License-Identifier: BSD-3-Clause
 * expr.c - evaluates configuration expressions while reading them.
 *
 * One pass, by precedence; what if() does not choose is read but not
 * evaluated.  Depth and work are bounded, so that a file can neither
 * overflow the stack nor run for ever. */

#include "expr.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { DEPTH = 64, MAXARG = 4, MAXMAP = 4096 };

typedef struct Parse {
	Ctx *c;
	Arena *a;
	const Env *env;
	const char *text, *p;
	int depth;
	bool live; /* false: read, do not evaluate */
} Parse;

static bool binary(Parse *, int tight, Val *out);

static bool
bad(Parse *p, const char *what)
{
	return fail(p->c, QE_INPUT, "expression '%s': %s at '%.20s'", p->text,
	            what, p->p);
}

static Val
number(double x)
{
	return (Val){.kind = V_NUM, .num = x};
}

static Val
truth(bool x)
{
	return (Val){.kind = V_BOOL, .num = x};
}

bool
val_true(const Val *v)
{
	switch (v->kind) {
	case V_BOOL:
	case V_NUM:
		return v->num != 0;
	case V_STR:
		return *v->str;
	case V_JSON:
		return json_len(v->json) > 0;
	default:
		return false;
	}
}

Val
val_of(const Json *j)
{
	switch (json_object_get_type(j)) {
	case json_type_boolean:
		return truth(json_true(j, false));
	case json_type_int:
	case json_type_double:
		return number(json_num(j, 0));
	case json_type_string:
		return (Val){.kind = V_STR, .str = json_str(j, "")};
	case json_type_array:
	case json_type_object:
		return (Val){.kind = V_JSON, .json = j};
	default:
		return (Val){.kind = V_NULL};
	}
}

Json *
val_json(Arena *a, const Val *v)
{
	switch (v->kind) {
	case V_BOOL:
		return json_own(a, json_object_new_boolean(v->num != 0));
	case V_NUM:
		if (fabs(v->num) < 9e15 && v->num == floor(v->num))
			return json_own(a,
			                json_object_new_int64((int64_t)v->num));
		return json_own(a, json_object_new_double(v->num));
	case V_STR:
		return json_own(a, json_object_new_string(v->str));
	case V_JSON:
		return json_copy(a, v->json);
	default:
		return NULL;
	}
}

static bool
equal(const Val *a, const Val *b)
{
	if (a->kind == V_STR || b->kind == V_STR)
		return a->kind == b->kind && strcmp(a->str, b->str) == 0;
	if (a->kind == V_NULL || b->kind == V_NULL)
		return a->kind == b->kind;
	if (a->kind == V_JSON || b->kind == V_JSON)
		return a->kind == b->kind &&
		       json_object_equal((Json *)(uintptr_t)a->json,
		                         (Json *)(uintptr_t)b->json);
	return a->num == b->num;
}

/* ---- operators ---- */

typedef bool OpFn(Parse *, char op, const Val *a, const Val *b, Val *out);

static bool
do_logic(Parse *p, char op, const Val *a, const Val *b, Val *out)
{
	(void)p;
	*out = truth(op == 'o' ? val_true(a) || val_true(b)
	                       : val_true(a) && val_true(b));
	return true;
}

static bool
do_equal(Parse *p, char op, const Val *a, const Val *b, Val *out)
{
	(void)p;
	*out = truth(equal(a, b) == (op == '='));
	return true;
}

static bool
do_default(Parse *p, char op, const Val *a, const Val *b, Val *out)
{
	(void)p, (void)op;
	*out = a->kind == V_NULL ? *b : *a;
	return true;
}

static bool
numbers(Parse *p, const Val *a, const Val *b)
{
	return (a->kind != V_STR && a->kind != V_JSON && b->kind != V_STR &&
	        b->kind != V_JSON) ||
	       bad(p, "not a number before");
}

static bool
do_order(Parse *p, char op, const Val *a, const Val *b, Val *out)
{
	bool r = false;

	if (!numbers(p, a, b))
		return false;
	if (a->kind != V_NULL && b->kind != V_NULL)
		r = op == '<'   ? a->num < b->num
		    : op == '>' ? a->num > b->num
		    : op == 'l' ? a->num <= b->num
		                : a->num >= b->num;
	*out = truth(r);
	return true;
}

static bool
do_arith(Parse *p, char op, const Val *a, const Val *b, Val *out)
{
	double x = a->num, y = b->num;

	if (!numbers(p, a, b))
		return false;
	*out = (Val){.kind = V_NULL};
	if (a->kind == V_NULL || b->kind == V_NULL)
		return true;
	if ((op == '/' || op == '%') && y == 0)
		return bad(p, "division by zero");
	switch (op) {
	case '+':
		*out = number(x + y);
		break;
	case '-':
		*out = number(x - y);
		break;
	case '*':
		*out = number(x * y);
		break;
	case '/':
		*out = number(x / y);
		break;
	case '%':
		*out = number(x - y * floor(x / y));
		break;
	default:
		*out = number(pow(x, y));
	}
	return true;
}

enum { UNARY = 7 };

/* longer spellings first */
static const struct {
	const char *text;
	int tight;
	char op;
	OpFn *fn;
} operators[] = {
	{"or", 1, 'o', do_logic},
	{"and", 2, 'a', do_logic},
	{"==", 3, '=', do_equal},
	{"!=", 3, '!', do_equal},
	{"<=", 3, 'l', do_order},
	{">=", 3, 'g', do_order},
	{"<", 3, '<', do_order},
	{">", 3, '>', do_order},
	{"?"
         "?",
         4, '?', do_default},
	{"+", 5, '+', do_arith},
	{"-", 5, '-', do_arith},
	{"*", 6, '*', do_arith},
	{"/", 6, '/', do_arith},
	{"%", 6, '%', do_arith},
	{"^", 8, '^', do_arith},
};

/* ---- functions ---- */

typedef bool CallFn(Parse *, int n, Val *arg, Val *out);

static bool
call_not(Parse *p, int n, Val *arg, Val *out)
{
	(void)p, (void)n;
	*out = truth(!val_true(arg));
	return true;
}

/* Whether a text is one of the words of another, which '|' parts. */
static bool
among(Parse *p, const char *word, const char *words)
{
	char **part = str_split(p->a, words, '|');

	for (; *part; part++)
		if (strcasecmp(*part, word) == 0)
			return true;
	return false;
}

/* in(x, list): of a list, or of words such as 'c2p|p2c' */
static bool
call_in(Parse *p, int n, Val *arg, Val *out)
{
	Val v;

	(void)n;
	*out = truth(arg[0].kind == V_STR && arg[1].kind == V_STR &&
	             among(p, arg[0].str, arg[1].str));
	for (size_t i = 0; arg[1].kind == V_JSON && i < json_len(arg[1].json);
	     i++) {
		v = val_of(json_at(arg[1].json, i));
		if (equal(arg, &v))
			*out = truth(true);
	}
	return true;
}

static bool
math(Parse *p, Val *arg, Val *out, double (*fn)(double))
{
	if (arg->kind == V_STR || arg->kind == V_JSON)
		return bad(p, "not a number before");
	*out = arg->kind == V_NULL ? *arg : number(fn(arg->num));
	return true;
}

static bool
call_int(Parse *p, int n, Val *arg, Val *out)
{
	(void)n;
	return math(p, arg, out, trunc);
}

static bool
call_sqrt(Parse *p, int n, Val *arg, Val *out)
{
	(void)n;
	return math(p, arg, out, sqrt);
}

static bool
call_ln(Parse *p, int n, Val *arg, Val *out)
{
	(void)n;
	return math(p, arg, out, log);
}

static bool
call_ceil(Parse *p, int n, Val *arg, Val *out)
{
	(void)n;
	return math(p, arg, out, ceil);
}

static bool
call_len(Parse *p, int n, Val *arg, Val *out)
{
	(void)p, (void)n;
	*out = arg->kind == V_NULL  ? *arg
	       : arg->kind == V_STR ? number((double)strlen(arg->str))
	                            : number((double)json_len(arg->json));
	return true;
}

static bool
call_starts(Parse *p, int n, Val *arg, Val *out)
{
	(void)p, (void)n;
	*out = truth(arg[0].kind == V_STR && arg[1].kind == V_STR &&
	             str_starts(arg[0].str, arg[1].str));
	return true;
}

/* after(text, start): what follows the start, or null */
static bool
call_after(Parse *p, int n, Val *arg, Val *out)
{
	(void)p, (void)n;
	*out = (Val){.kind = V_NULL};
	if (arg[0].kind == V_STR && arg[1].kind == V_STR &&
	    str_starts(arg[0].str, arg[1].str))
		*out = (Val){.kind = V_STR,
		             .str = arg[0].str + strlen(arg[1].str)};
	return true;
}

/* last_of_type(t, n): the last layer of type t before layer n, or null */
static bool
call_last(Parse *p, int n, Val *arg, Val *out)
{
	(void)n;
	*out = (Val){.kind = V_NULL};
	if (arg[0].kind != V_STR || arg[1].kind != V_NUM)
		return true;
	for (int64_t k = 0; k < (int64_t)arg[1].num; k++)
		if (k < (int64_t)json_len(p->env->types) &&
		    strcmp(json_str(json_at(p->env->types, (size_t)k), ""),
		           arg[0].str) == 0)
			*out = number((double)k);
	return true;
}

/* runs(x): of a list of [list, n], each list n times, one after another */
static bool
call_runs(Parse *p, int n, Val *arg, Val *out)
{
	Json *list = json_new_array(p->a);

	(void)n;
	for (size_t k = 0; arg->kind == V_JSON && k < json_len(arg->json);
	     k++) {
		const Json *run = json_at(arg->json, k), *of = json_at(run, 0);
		int64_t times = json_int(json_at(run, 1), 0);

		for (int64_t m = 0; m < times; m++)
			for (size_t e = 0; e < json_len(of); e++) {
				if (json_len(list) >= MAXMAP)
					return bad(p, "too many layers");
				json_push(list, json_share(json_at(of, e)));
			}
	}
	*out = (Val){.kind = V_JSON, .json = list};
	return true;
}

static const struct {
	const char *name;
	int narg;
	CallFn *fn;
} functions[] = {
	{"not", 1, call_not},     {"in", 2, call_in},
	{"int", 1, call_int},     {"sqrt", 1, call_sqrt},
	{"ln", 1, call_ln},       {"len", 1, call_len},
	{"ceil", 1, call_ceil},   {"starts", 2, call_starts},
	{"after", 2, call_after}, {"last_of_type", 2, call_last},
	{"runs", 1, call_runs},
};

/* ---- reading ---- */

static void
blanks(Parse *p)
{
	while (*p->p == ' ')
		p->p++;
}

static bool
is_name(char ch)
{
	return isalnum((unsigned char)ch) || ch == '_';
}

static bool
accept(Parse *p, const char *s)
{
	size_t n = strlen(s);

	blanks(p);
	if (strncmp(p->p, s, n) != 0 || (is_name(s[n - 1]) && is_name(p->p[n])))
		return false;
	p->p += n;
	return true;
}

static bool
expect(Parse *p, const char *s)
{
	return accept(p, s) || bad(p, arena_str(p->a, "no '%s'", s));
}

static char *
name(Parse *p)
{
	const char *from = p->p;

	while (is_name(*p->p))
		p->p++;
	return arena_span(p->a, (Span){from, (size_t)(p->p - from)});
}

static bool
quoted(Parse *p, Val *out)
{
	const char *from = ++p->p;

	while (*p->p && *p->p != '\'')
		p->p++;
	if (!*p->p)
		return bad(p, "no closing quote");
	out->kind = V_STR;
	out->str = arena_span(p->a, (Span){from, (size_t)(p->p - from)});
	p->p++;
	return true;
}

static bool
literal(Parse *p, Val *out)
{
	char *end;

	*out = number(strtod(p->p, &end));
	if (end == p->p || !isdigit((unsigned char)*p->p))
		return bad(p, "not a value");
	p->p = end;
	return true;
}

static bool
config_key(Parse *p, Val *out)
{
	const Json *j = p->env->config;

	p->p++;
	for (;;) {
		char *key = name(p);

		if (!*key)
			return bad(p, "no key after '$'");
		j = json_get(j, key);
		if (*p->p != '.')
			break;
		p->p++;
	}
	*out = val_of(j);
	return true;
}

static bool
call_if(Parse *p, Val *out)
{
	Val cond, a, b;
	bool live = p->live, yes;

	if (!binary(p, 0, &cond) || !expect(p, ","))
		return false;
	yes = val_true(&cond);
	p->live = live && yes;
	if (!binary(p, 0, &a) || !expect(p, ","))
		return false;
	p->live = live && !yes;
	if (!binary(p, 0, &b) || !expect(p, ")"))
		return false;
	p->live = live;
	*out = yes ? a : b;
	return true;
}

/* map(i, x): the list of x over all layers; `let` says how many: L */
static bool
call_map(Parse *p, Val *out)
{
	const Env *outer = p->env;
	Env env = *outer;
	const char *from;
	Json *list = json_new_array(p->a);
	Val n = {0}, v;

	if (!expect(p, "i") || !expect(p, ","))
		return false;
	if (p->live &&
	    !expr_json(p->c, p->a, outer, json_get(outer->let, "L"), &n))
		return false;
	from = p->p;
	p->env = &env;
	for (env.i = 0; env.i < MAX((int64_t)n.num, 1); env.i++) {
		p->p = from;
		if (env.i >= MAXMAP)
			return bad(p, "too many layers");
		if (!binary(p, 0, &v))
			return false;
		json_push(list, json_share(val_json(p->a, &v)));
	}
	p->env = outer;
	*out = (Val){.kind = V_JSON, .json = list};
	return expect(p, ")");
}

static bool
call(Parse *p, const char *fn, Val *out)
{
	Val arg[MAXARG] = {0};
	int n = 0;

	if (strcmp(fn, "if") == 0)
		return call_if(p, out);
	if (strcmp(fn, "map") == 0)
		return call_map(p, out);
	do
		if (n == MAXARG || !binary(p, 0, &arg[n++]))
			return n < MAXARG ? false : bad(p, "too many values");
	while (accept(p, ","));
	if (!expect(p, ")"))
		return false;
	*out = (Val){.kind = V_NULL};
	for (size_t k = 0; k < LEN(functions); k++) {
		if (strcmp(functions[k].name, fn) != 0)
			continue;
		if (functions[k].narg != n)
			return bad(p, arena_str(p->a, "%s() takes %d", fn,
			                        functions[k].narg));
		return !p->live || functions[k].fn(p, n, arg, out);
	}
	return bad(p, arena_str(p->a, "function '%s' is not known", fn));
}

static bool
layer_type(Parse *p, Val *out)
{
	*out = (Val){.kind = V_NULL};
	if (p->env->i >= 0)
		*out = val_of(json_at(p->env->types, (size_t)p->env->i));
	return true;
}

static bool
let_name(Parse *p, const char *s, Val *out)
{
	const Json *j = json_get(p->env->let, s);
	Parse sub = *p;

	if (!json_has(p->env->let, s))
		return bad(p, arena_str(p->a, "name '%s' is not known", s));
	*out = val_of(j);
	if (out->kind != V_STR || *out->str != '=')
		return true;
	sub.text = sub.p = out->str + 1;
	if (!binary(&sub, 0, out))
		return false;
	return !*sub.p || bad(&sub, "something follows");
}

static bool
word(Parse *p, Val *out)
{
	static const struct {
		const char *name;
		Val v;
	} words[] = {
		{"true", {.kind = V_BOOL, .num = 1}},
		{"false", {.kind = V_BOOL}},
		{"null", {.kind = V_NULL}},
	};
	char *s = name(p);

	if (accept(p, "("))
		return call(p, s, out);
	for (size_t k = 0; k < LEN(words); k++)
		if (strcmp(words[k].name, s) == 0) {
			*out = words[k].v;
			return true;
		}
	if (strcmp(s, "type") == 0)
		return layer_type(p, out);
	if (strcmp(s, "i") == 0) {
		*out = p->env->i < 0 ? (Val){.kind = V_NULL}
		                     : number((double)p->env->i);
		return true;
	}
	if (!p->live) {
		*out = (Val){.kind = V_NULL};
		return true;
	}
	return let_name(p, s, out);
}

static bool
primary(Parse *p, Val *out)
{
	blanks(p);
	*out = (Val){.kind = V_NULL};
	if (--*p->env->steps < 0)
		return bad(p, "too much work");
	if (*p->p == '\'')
		return quoted(p, out);
	if (*p->p == '$')
		return config_key(p, out);
	if (accept(p, "("))
		return binary(p, 0, out) && expect(p, ")");
	if (isalpha((unsigned char)*p->p))
		return word(p, out);
	return literal(p, out);
}

static bool
element(Parse *p, Val *v, const Val *at)
{
	if (at->kind == V_NULL || v->kind == V_NULL || !p->live) {
		*v = (Val){.kind = V_NULL};
		return true;
	}
	if (v->kind != V_JSON || at->kind != V_NUM)
		return bad(p, "not a list before");
	if (at->num < 0 || at->num >= (double)json_len(v->json))
		return bad(p, arena_str(p->a, "no element %g in a list of %zu",
		                        at->num, json_len(v->json)));
	*v = val_of(json_at(v->json, (size_t)at->num));
	return true;
}

static bool
postfix(Parse *p, Val *out)
{
	Val at;

	if (!primary(p, out))
		return false;
	while (accept(p, "["))
		if (!binary(p, 0, &at) || !expect(p, "]") ||
		    !element(p, out, &at))
			return false;
	return true;
}

static bool
unary(Parse *p, Val *out)
{
	static const Val zero = {.kind = V_NUM};
	Val v;

	if (!accept(p, "-"))
		return postfix(p, out);
	return binary(p, UNARY, &v) && do_arith(p, '-', &zero, &v, out);
}

/* One operator that binds at least as tightly as asked, if it is next. */
static int
next_operator(Parse *p, int tight)
{
	for (size_t k = 0; k < LEN(operators); k++)
		if (operators[k].tight >= tight && accept(p, operators[k].text))
			return (int)k;
	return -1;
}

/* Whether the right side matters: what a value that is there stands in for
 * need not make sense, and is only read. */
static bool
asks_right(char op, const Val *left)
{
	switch (op) {
	case '?':
		return left->kind == V_NULL;
	case 'o':
		return !val_true(left);
	case 'a':
		return val_true(left);
	default:
		return true;
	}
}

/* What follows operator k; '^' takes what is to its right, sign and all. */
static bool
right_side(Parse *p, int k, const Val *left, Val *out)
{
	char op = operators[k].op;
	bool live = p->live, done;

	p->live = live && asks_right(op, left);
	done = binary(p, op == '^' ? UNARY : operators[k].tight + 1, out);
	p->live = live;
	return done;
}

static bool
binary(Parse *p, int tight, Val *out)
{
	Val b, r;
	int k;

	if (++p->depth > DEPTH)
		return bad(p, "nested too deeply");
	if (!unary(p, out))
		return false;
	while ((k = next_operator(p, tight)) >= 0) {
		if (!right_side(p, k, out, &b))
			return false;
		r = (Val){.kind = V_NULL};
		if (p->live &&
		    !operators[k].fn(p, operators[k].op, out, &b, &r))
			return false;
		*out = r;
	}
	p->depth--;
	return true;
}

bool
expr_eval(Ctx *c, Arena *a, const Env *env, const char *text, Val *out)
{
	Parse p = {.c = c,
	           .a = a,
	           .env = env,
	           .text = text,
	           .p = text,
	           .live = true};

	if (!binary(&p, 0, out))
		return false;
	blanks(&p);
	return !*p.p || bad(&p, "something follows");
}

bool
expr_json(Ctx *c, Arena *a, const Env *env, const Json *j, Val *out)
{
	*out = val_of(j);
	if (out->kind != V_STR || *out->str != '=')
		return true;
	return expr_eval(c, a, env, out->str + 1, out);
}

void
expr_keys(Arena *a, const char *text, Dict *set)
{
	for (const char *p = text; (p = strchr(p, '$')); p++) {
		size_t n = 1;
		char *key;

		for (; is_name(p[n]) || p[n] == '.'; n++)
			if (p[n] == '.') {
				key = arena_span(a, (Span){p + 1, n - 1});
				dict_set(set, key, dict_get(set, key));
			}
		key = arena_span(a, (Span){p + 1, n - 1});
		dict_set(set, key, set);
	}
}
