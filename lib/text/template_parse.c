/* SPDX-License-Identifier: BSD-3-Clause
 * template_parse.c - statements: tokens to syntax tree.
 *
 * One row of `stmts` for each tag that begins a statement.  The parser stands
 * behind `{%` and its name when a row's function is called, and leaves
 * behind the statement's last `%}`.
 *
 * Names get their scopes here, as jinja2 does it: a name whose first mention
 * in a scope assigns to it, whatever branch is taken, and that no scope around
 * mentions, belongs to that scope from its start.  So a variable of that name
 * that was passed to the template is hidden even before the assignment. */

#include <stdio.h>

#include "template_impl.h"

enum { NESTING = 100 }; /* of blocks in blocks */

/* The current token is quoted: it is what could not be used. */
void
tpl_bad(Parser *p, const char *fmt, ...)
{
	char why[256];
	Span near = p->t->text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	if (p->t->kind == T_EOF)
		fail(p->c, QE_INPUT, "line %d: %s at the end of the template",
		     p->t->line, why);
	else
		fail(p->c, QE_INPUT, "line %d: %s near '%.*s'", p->t->line, why,
		     (int)MIN(near.n, (size_t)40), near.p);
}

Node *
tpl_node(Parser *p, NodeKind kind)
{
	Node *n = NEW(p->mem, Node);

	n->kind = kind;
	n->line = p->t->line;
	return n;
}

/* From here on names are compared by their pointers. */
const char *
tpl_intern(Parser *p, Span name)
{
	char *s = arena_span(p->mem, name);
	const char *old = dict_get(p->names, s);

	if (old)
		return old;
	dict_set(p->names, s, s);
	return s;
}

static bool
spelled(const Token *t, TokKind kind, const char *s)
{
	return t->kind == kind && t->text.n == strlen(s) &&
	       memcmp(t->text.p, s, t->text.n) == 0;
}

bool
tpl_at(const Parser *p, const char *op)
{
	return spelled(p->t, T_OP, op);
}

bool
tpl_at_name(const Parser *p, const char *name)
{
	return spelled(p->t, T_NAME, name);
}

bool
tpl_skip(Parser *p, const char *op)
{
	return tpl_at(p, op) && (p->t++, true);
}

bool
tpl_skip_name(Parser *p, const char *name)
{
	return tpl_at_name(p, name) && (p->t++, true);
}

bool
tpl_expect(Parser *p, const char *op)
{
	if (tpl_skip(p, op))
		return true;
	return tpl_bad(p, "expected '%s'", op), false;
}

static bool
end_tag(Parser *p)
{
	tpl_skip(p, ":"); /* as in Python */
	if (p->t->kind == T_STMT_END)
		return p->t++, true;
	return tpl_bad(p, "expected the end of the tag"), false;
}

static const char *
any_name(Parser *p)
{
	if (p->t->kind != T_NAME)
		return tpl_bad(p, "expected a name"), NULL;
	return tpl_intern(p, p->t++->text);
}

/* What may be assigned to: names and tuples of them. */
static bool
assignable(Parser *p, const Node *n)
{
	if (n->kind == N_TUPLE) {
		for (size_t i = 0; i < n->list.n; i++)
			if (!assignable(p, n->list.v[i]))
				return false;
		return true;
	}
	if (n->kind != N_NAME)
		return tpl_bad(p, "expected a name to assign to"), false;
	if (n->name == p->prog->loop && p->loops)
		return tpl_bad(p, "'loop' cannot be assigned to"), false;
	p->sets |= n->name == p->prog->caller    ? USES_CALLER
	           : n->name == p->prog->kwargs  ? USES_KWARGS
	           : n->name == p->prog->varargs ? USES_VARARGS
	                                         : 0;
	return true;
}

Node *
tpl_target(Parser *p, const char *stop)
{
	unsigned uses = p->uses;
	Node *n;

	p->target = true;
	n = tpl_tuple(p, true, true, false, stop);
	p->target = false;
	p->uses = uses; /* to assign is not to read */
	return n && assignable(p, n) ? n : NULL;
}

/* The first mention decides; see the head of this file. */
void
tpl_mention(Parser *p, const char *name, bool store)
{
	Names *s = p->scope;
	bool outside = false;

	if (dict_has(s->seen, name))
		return;
	for (const Names *up = s->up; up && !outside; up = up->up)
		outside = dict_has(up->seen, name);
	if (outside && !store)
		return;
	dict_set(s->seen, name, s);
	if (!store || outside || s->ifs)
		return;
	if (!s->of->unset)
		s->of->unset = dict_new(p->mem);
	dict_set(s->of->unset, name, s);
}

/* The names of a target are assigned to. */
static void
mention_target(Parser *p, const Node *n)
{
	if (n->kind == N_NAME)
		tpl_mention(p, n->name, true);
	for (size_t i = 0; i < n->list.n; i++)
		mention_target(p, n->list.v[i]);
}

/* The names of a target have values when the scope begins. */
static void
parameter(Parser *p, const Node *n)
{
	if (n->kind == N_NAME)
		dict_set(p->scope->seen, n->name, p->scope);
	for (size_t i = 0; i < n->list.n; i++)
		parameter(p, n->list.v[i]);
}

static void
begin_scope(Parser *p, Nodes *of)
{
	Names *s = NEW(p->mem, Names);

	s->up = p->scope;
	s->of = of;
	s->seen = dict_new(p->mem);
	p->scope = s;
}

static void
end_scope(Parser *p)
{
	p->scope = p->scope->up;
}

static bool statements(Parser *, Nodes *, const char *const *ends);

/* The body of a block up to `{% end %}`. */
static bool
block(Parser *p, Nodes *body, const char *end)
{
	const char *const ends[] = {end, NULL};

	return statements(p, body, ends) && (p->t++, end_tag(p));
}

/* A body that is a scope; filters in it must exist even if it is never run.
 * params: what has values when it begins, or NULL. */
static bool
scoped(Parser *p, Nodes *body, const Nodes *params, const char *end)
{
	bool soft = p->soft, ok;

	p->soft = false;
	begin_scope(p, body);
	for (size_t i = 0; params && i < params->n; i++)
		parameter(p, params->v[i]);
	ok = block(p, body, end);
	end_scope(p);
	p->soft = soft;
	return ok;
}

/* IF: a body, other: else; an elif is an IF as the only statement of other */
static Node *
parse_if(Parser *p)
{
	static const char *const ends[] = {"elif", "else", "endif", NULL};
	bool soft = p->soft;
	Node *first = tpl_node(p, N_IF), *n = first, *next;
	int ifs = p->scope->ifs;

	p->soft = true;
	for (;;) {
		if (!(n->a = tpl_tuple(p, false, false, false, NULL)) ||
		    !end_tag(p))
			return NULL;
		p->scope->ifs = ifs + 1;
		if (!statements(p, &n->body, ends))
			return NULL;
		if (!tpl_skip_name(p, "elif"))
			break;
		next = tpl_node(p, N_IF);
		PUSH(p->mem, n->other.v, n->other.n, n->other.cap, next);
		n = next;
	}
	if (tpl_skip_name(p, "else")) {
		if (!end_tag(p) || !block(p, &n->other, "endif"))
			return NULL;
	} else if (p->t++, !end_tag(p)) {
		return NULL;
	}
	p->scope->ifs = ifs;
	p->soft = soft;
	return first;
}

/* The test has a scope of its own, without `loop`. */
static bool
loop_test(Parser *p, Node *n)
{
	Nodes none = {0};

	begin_scope(p, &none);
	parameter(p, n->b);
	n->c = tpl_expr(p, true);
	end_scope(p);
	return n->c != NULL;
}

/* The targets and `loop` have values in each turn. */
static bool
loop_body(Parser *p, Node *n)
{
	static const char *const ends[] = {"else", "endfor", NULL};
	const Node loop = {.kind = N_NAME, .name = p->prog->loop};
	bool ok;

	begin_scope(p, &n->body);
	parameter(p, &loop);
	parameter(p, n->b);
	p->loops++;
	ok = statements(p, &n->body, ends);
	p->loops--;
	end_scope(p);
	return ok;
}

/* FOR: for b in a if c: body, else: other; RECURSIVE in op */
static Node *
parse_for(Parser *p)
{
	Node *n = tpl_node(p, N_FOR);
	bool soft = p->soft, ok;

	p->loops++;
	ok = (n->b = tpl_target(p, "in")) != NULL;
	p->loops--;
	if (!ok)
		return NULL;
	if (!tpl_skip_name(p, "in"))
		return tpl_bad(p, "expected 'in'"), NULL;
	if (!(n->a = tpl_tuple(p, false, false, false, "recursive")))
		return NULL;
	p->soft = false;
	if (tpl_skip_name(p, "if") && !loop_test(p, n))
		return NULL;
	if (tpl_skip_name(p, "recursive"))
		n->op = RECURSIVE;
	if (!end_tag(p) || !loop_body(p, n))
		return NULL;
	if (tpl_skip_name(p, "else"))
		ok = end_tag(p) && scoped(p, &n->other, NULL, "endfor");
	else
		ok = (p->t++, end_tag(p));
	p->soft = soft;
	return ok ? n : NULL;
}

/* SET: b = a, or b.name = a if name is there
 * SETBLOCK: b = body, through the filters in a if there */
static Node *
parse_set(Parser *p)
{
	Node *n = tpl_node(p, N_SET), *x;

	if (p->t->kind == T_NAME && spelled(p->t + 1, T_OP, ".")) {
		x = tpl_node(p, N_NAME);
		x->name = any_name(p);
		p->t++;
		n->b = x;
		if (!(n->name = any_name(p)))
			return NULL;
		tpl_mention(p, x->name, false);
	} else if (!(n->b = tpl_target(p, NULL))) {
		return NULL;
	}
	if (tpl_skip(p, "=")) {
		if (!(n->a = tpl_tuple(p, false, true, false, NULL)))
			return NULL;
		if (!n->name)
			mention_target(p, n->b);
		return end_tag(p) ? n : NULL;
	}
	n->kind = N_SETBLOCK;
	if (!n->name)
		mention_target(p, n->b);
	if (tpl_at(p, "|") && !(n->a = tpl_filter_chain(p, NULL, false)))
		return NULL;
	return end_tag(p) && scoped(p, &n->body, NULL, "endset") ? n : NULL;
}

/* (a, b=1): list holds names, each with its default in a */
static bool
signature(Parser *p, Node *macro)
{
	Node *x;
	bool defaults = false;

	if (!tpl_expect(p, "("))
		return false;
	while (!tpl_at(p, ")")) {
		if (macro->list.n && !tpl_expect(p, ","))
			return false;
		x = tpl_node(p, N_NAME);
		if (!(x->name = any_name(p)))
			return false;
		if (tpl_skip(p, "=")) {
			if (!(x->a = tpl_expr(p, true)))
				return false;
			defaults = true;
		} else if (defaults) {
			return tpl_bad(p, "a parameter without a default "
			                  "follows one with"),
			       false;
		}
		PUSH(p->mem, macro->list.v, macro->list.n, macro->list.cap, x);
	}
	p->t++;
	return true;
}

/* The body of a macro or call block, in op the special names it reads. */
static bool
macro_body(Parser *p, Node *n, const char *end)
{
	unsigned uses = p->uses, sets = p->sets;
	int loops = p->loops;
	bool ok;

	p->uses = p->sets = 0;
	p->loops = 0;
	for (size_t i = 0; i < n->list.n; i++)
		assignable(p, n->list.v[i]);
	ok = scoped(p, &n->body, &n->list, end);
	n->op = (int)p->uses;
	p->uses |= uses;
	p->sets = sets;
	p->loops = loops;
	return ok;
}

/* MACRODEF: name(list) body */
static Node *
parse_macro(Parser *p)
{
	Node *n = tpl_node(p, N_MACRODEF);

	if (!(n->name = any_name(p)) || !signature(p, n) || !end_tag(p))
		return NULL;
	tpl_mention(p, n->name, true);
	return macro_body(p, n, "endmacro") ? n : NULL;
}

/* CALLBLOCK: a is the CALL, body with parameters list its caller() */
static Node *
parse_call(Parser *p)
{
	Node *n = tpl_node(p, N_CALLBLOCK);

	if (tpl_at(p, "(") && !signature(p, n))
		return NULL;
	if (!(n->a = tpl_expr(p, true)))
		return NULL;
	if (n->a->kind != N_CALL)
		return tpl_bad(p, "expected a call"), NULL;
	return end_tag(p) && macro_body(p, n, "endcall") ? n : NULL;
}

/* FILTERBLOCK: body through a */
static Node *
parse_filter(Parser *p)
{
	Node *n = tpl_node(p, N_FILTERBLOCK);

	if (!(n->a = tpl_filter_chain(p, NULL, true)) || !end_tag(p))
		return NULL;
	return scoped(p, &n->body, NULL, "endfilter") ? n : NULL;
}

/* WITH: the targets in other take the values in list, body */
static Node *
parse_with(Parser *p)
{
	Node *n = tpl_node(p, N_WITH), *x;

	while (p->t->kind != T_STMT_END && !tpl_at(p, ":")) {
		if (n->list.n && !tpl_expect(p, ","))
			return NULL;
		p->target = true;
		x = tpl_primary(p);
		p->target = false;
		if (!x || !assignable(p, x) || !tpl_expect(p, "="))
			return NULL;
		PUSH(p->mem, n->other.v, n->other.n, n->other.cap, x);
		if (!(x = tpl_expr(p, true)))
			return NULL;
		PUSH(p->mem, n->list.v, n->list.n, n->list.cap, x);
	}
	if (!end_tag(p) || !scoped(p, &n->body, &n->other, "endwith"))
		return NULL;
	return n;
}

/* SCOPE: body.  The block marks what the model said, for training. */
static Node *
parse_generation(Parser *p)
{
	Node *n = tpl_node(p, N_SCOPE);

	return end_tag(p) && scoped(p, &n->body, NULL, "endgeneration") ? n
	                                                                : NULL;
}

/* OUTPUT: list, one after the other */
static Node *
parse_print(Parser *p)
{
	Node *n = tpl_node(p, N_OUTPUT), *x;

	while (p->t->kind != T_STMT_END) {
		if (n->list.n && !tpl_expect(p, ","))
			return NULL;
		if (!(x = tpl_expr(p, true)))
			return NULL;
		PUSH(p->mem, n->list.v, n->list.n, n->list.cap, x);
	}
	return end_tag(p) ? n : NULL;
}

/* A macro inside a loop is outside of it. */
static Node *
leave_loop(Parser *p, NodeKind kind)
{
	Node *n = tpl_node(p, kind);

	if (!p->loops)
		return tpl_bad(p, "not in a loop"), NULL;
	return end_tag(p) ? n : NULL;
}

static Node *
parse_break(Parser *p)
{
	return leave_loop(p, N_BREAK);
}

static Node *
parse_continue(Parser *p)
{
	return leave_loop(p, N_CONTINUE);
}

static const struct {
	const char *name;
	Node *(*parse)(Parser *); /* NULL: refused */
} stmts[] = {
	{"if", parse_if},
	{"for", parse_for},
	{"set", parse_set},
	{"macro", parse_macro},
	{"call", parse_call},
	{"filter", parse_filter},
	{"with", parse_with},
	{"generation", parse_generation},
	{"print", parse_print},
	{"break", parse_break},
	{"continue", parse_continue},
	{"include", NULL},
	{"import", NULL},
	{"from", NULL},
	{"extends", NULL},
	{"block", NULL},
	{"autoescape", NULL},
};

/* A tag that Jinja has and we refuse is told from one that is unknown. */
static Node *
statement(Parser *p)
{
	for (size_t i = 0; i < LEN(stmts); i++) {
		if (!tpl_at_name(p, stmts[i].name))
			continue;
		if (!stmts[i].parse)
			return tpl_bad(p, "'%s' is not supported",
			               stmts[i].name),
			       NULL;
		p->t++;
		return stmts[i].parse(p);
	}
	return tpl_bad(p, "unknown tag"), NULL;
}

static bool
at_end(const Parser *p, const char *const *ends)
{
	for (; ends && *ends; ends++)
		if (tpl_at_name(p, *ends))
			return true;
	return false;
}

/* Text, {{ }} or {% %}; sets *end at a tag of `ends`, behind its `{%`.
 * DATA: val */
static Node *
item(Parser *p, const char *const *ends, bool *end)
{
	Node *n, *x;
	Str *s;

	switch (p->t->kind) {
	case T_DATA:
		n = tpl_node(p, N_DATA);
		s = NEW(p->mem, Str);
		*s = (Str){.p = p->t->text.p, .n = p->t->text.n};
		n->val = (Val){.kind = K_STR, .s = s};
		p->t++;
		return n;
	case T_VAR:
		p->t++;
		n = tpl_node(p, N_OUTPUT);
		if (!(x = tpl_tuple(p, false, true, false, NULL)))
			return NULL;
		PUSH(p->mem, n->list.v, n->list.n, n->list.cap, x);
		if (p->t->kind != T_VAR_END)
			return tpl_bad(p, "expected '}}'"), NULL;
		p->t++;
		return n;
	default:
		p->t++;
		*end = at_end(p, ends);
		return *end ? NULL : statement(p);
	}
}

/* Up to one of the tags in ends, or, without them, to the end. */
static bool
statements(Parser *p, Nodes *body, const char *const *ends)
{
	bool end = false;
	Node *n;

	if (++p->depth > NESTING)
		return tpl_bad(p, "blocks are nested too deeply"), false;
	while (p->t->kind != T_EOF && (n = item(p, ends, &end)))
		PUSH(p->mem, body->v, body->n, body->cap, n);
	p->depth--;
	if (p->c->status != QE_OK)
		return false;
	if (!ends || end)
		return true;
	while (ends[1])
		ends++;
	return tpl_bad(p, "expected '%s'", *ends), false;
}

bool
tpl_parse(Ctx *c, Arena *a, Span source, Program *prog)
{
	Parser p = {.c = c, .mem = a, .names = dict_new(a), .prog = prog};

	prog->loop = tpl_intern(&p, SPAN("loop"));
	prog->caller = tpl_intern(&p, SPAN("caller"));
	prog->kwargs = tpl_intern(&p, SPAN("kwargs"));
	prog->varargs = tpl_intern(&p, SPAN("varargs"));
	begin_scope(&p, &prog->body);
	if (!(p.t = tpl_lex(c, a, source)) ||
	    !statements(&p, &prog->body, NULL))
		return false;
	if (p.unknown)
		return fail(c, QE_INPUT, "line %d: no %s named '%s'",
		            p.unknown->line,
		            p.unknown->kind == N_FILTER ? "filter" : "test",
		            p.unknown->name);
	return true;
}

/* Filters in branches are left alone, as jinja2 leaves them. */
bool
template_check(Ctx *c, Span source)
{
	Arena mem = {0};
	Program prog = {0};
	bool ok = tpl_parse(c, &mem, source, &prog);

	arena_free(&mem);
	return ok;
}
