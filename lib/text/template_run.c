/* SPDX-License-Identifier: BSD-3-Clause
 * template_run.c - statements: syntax tree to output.
 *
 * One function for each row of TPL_STMTS.  A block is a scope; what is set
 * inside is gone after it, but `if` is no block.  Each turn of a loop has a
 * scope of its own, so only namespaces carry values from turn to turn. */

#include <stdio.h>

#include "template_impl.h"

enum {
	DEPTH = 2000,
	STEPS = 50000000,
	OUTPUT = 16 << 20,
	SHARE = 16, /* of values, times the output */
};

typedef bool Exec(Tpl *, const Node *);

#define X(k, fn) static Exec fn;
TPL_STMTS(X)
#undef X

/* The message has a place for what templates quote; longer ones are cut. */
bool
tpl_fail(Tpl *t, const char *fmt, ...)
{
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return fail(t->c, QE_INPUT, "line %d: %s", t->line, why);
}

/* The clock of a rendering.  Interrupts are looked for now and then. */
bool
tpl_work(Tpl *t, size_t n)
{
	t->steps += 1 + (int64_t)(n / 16);
	if (t->steps > t->max.steps)
		return tpl_fail(t, "the template takes over %lld steps",
		                (long long)t->max.steps);
	return t->steps % 4096 || go_on(t->c);
}

/* Nothing is given back before the end, so this bounds the whole. */
void *
tpl_alloc(Tpl *t, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if (size > t->room) {
		tpl_fail(t, "the values take too much memory");
		return NULL;
	}
	t->room -= size;
	return arena_alloc(t->mem, size);
}

bool
tpl_enter(Tpl *t)
{
	if (++t->depth > t->max.depth)
		return tpl_fail(t, "nested over %d deep", t->max.depth);
	return tpl_work(t, 0);
}

/* After a failure nobody counts any more, so not all paths come here. */
void
tpl_leave(Tpl *t)
{
	t->depth--;
}

/* break and continue end the body; the loop sees why in t->flow. */
static bool
run(Tpl *t, const Nodes *body)
{
	static Exec *const execs[] = {
#define X(k, fn) fn,
		TPL_STMTS(X)
#undef X
	};

	if (!tpl_enter(t))
		return false;
	for (size_t i = 0; i < body->n && t->flow == GO; i++) {
		const Node *n = body->v[i];

		t->line = n->line;
		if (!execs[n->kind - N_STMT](t, n))
			return false;
	}
	tpl_leave(t);
	return true;
}

/* A scope for body, on top of up. */
static Scope *
scope_of(Tpl *t, const Nodes *body, Scope *up)
{
	Scope *s = tpl_scope(t, up);

	for (size_t i = 0; s && body->unset && i < body->unset->n; i++)
		if (!tpl_set_var(t, s, body->unset->item[i].key, V_MISSING))
			return NULL;
	return s;
}

/* Runs body in a scope of its own. */
static bool
run_scoped(Tpl *t, const Nodes *body, Scope *up)
{
	Scope *outer = t->scope;
	bool ok = (t->scope = scope_of(t, body, up)) && run(t, body);

	t->scope = outer;
	return ok;
}

/* The output of body as a string. */
bool
tpl_capture(Tpl *t, const Nodes *body, Scope *up, Val *out)
{
	Buf *outer = t->out, *b = tpl_buf(t);
	bool ok;

	if (!b)
		return false;
	t->out = b;
	ok = run_scoped(t, body, up) && tpl_take(t, b, out);
	t->out = outer;
	return ok;
}

static bool
exec_data(Tpl *t, const Node *n)
{
	return tpl_print(t, t->out, n->val);
}

static bool
exec_output(Tpl *t, const Node *n)
{
	Val v;

	for (size_t i = 0; i < n->list.n; i++)
		if (!tpl_eval(t, n->list.v[i], &v) || !tpl_print(t, t->out, v))
			return false;
	return true;
}

/* A chain of elif's is walked, not descended. */
static bool
exec_if(Tpl *t, const Node *n)
{
	Val v;

	for (;;) {
		if (!tpl_eval(t, n->a, &v))
			return false;
		if (tpl_truth(v))
			return run(t, &n->body);
		if (n->other.n != 1 || n->other.v[0]->kind != N_IF)
			return run(t, &n->other);
		n = n->other.v[0];
	}
}

/* As many values as names, no fewer and no more. */
static bool
assign(Tpl *t, const Node *target, Val v)
{
	Iter *it;
	Val x;

	if (target->kind == N_NAME)
		return tpl_set_var(t, t->scope, target->name, v);
	if (!tpl_iter(t, v, &it))
		return false;
	for (size_t i = 0; i < target->list.n; i++) {
		if (!tpl_next(t, it, &x))
			return tpl_ok(t) &&
			       tpl_fail(t, "%zu values to unpack, not %zu", i,
			                target->list.n);
		if (!assign(t, target->list.v[i], x))
			return false;
	}
	if (tpl_next(t, it, &x))
		return tpl_fail(t, "more than %zu values to unpack",
		                target->list.n);
	return tpl_ok(t);
}

/* To a variable, a tuple of them, or a member of a namespace. */
static bool
store(Tpl *t, const Node *n, Val v)
{
	const Val *ns;
	Val key;

	t->line = n->line;
	if (!n->name)
		return assign(t, n->b, v);
	ns = tpl_lookup(t, t->scope, n->b->name);
	if (!ns || ns->kind != K_NS)
		return tpl_fail(t,
		                "'%s' is no namespace, its '%s' cannot be "
		                "set",
		                n->b->name, n->name);
	return tpl_strz(t, n->name, &key) && tpl_map_set(t, ns->m, key, v);
}

static bool
exec_set(Tpl *t, const Node *n)
{
	Val v;

	return tpl_eval(t, n->a, &v) && store(t, n, v);
}

/* The chain finds the text in t->piped; blocks in its arguments may use that
 * themselves, so it is put back. */
static bool
through(Tpl *t, const Node *chain, Val *v)
{
	Val outer = t->piped;
	bool ok;

	if (!chain)
		return true;
	t->piped = *v;
	ok = tpl_eval(t, chain, v);
	t->piped = outer;
	return ok;
}

/* A break inside drops the text, as the assignment is never reached. */
static bool
exec_setblock(Tpl *t, const Node *n)
{
	Val v;

	return tpl_capture(t, &n->body, t->scope, &v) && through(t, n->a, &v) &&
	       (t->flow != GO || store(t, n, v));
}

static bool
exec_filterblock(Tpl *t, const Node *n)
{
	Val v;

	if (!tpl_capture(t, &n->body, t->scope, &v) || !through(t, n->a, &v))
		return false;
	if (t->flow != GO)
		return true;
	return v.kind == K_STR ? tpl_print(t, t->out, v)
	                       : tpl_fail(t,
	                                  "a filter block became no string "
	                                  "but '%s'",
	                                  tpl_type(v));
}

static bool
exec_scope(Tpl *t, const Node *n)
{
	return run_scoped(t, &n->body, t->scope);
}

/* Values see the scope outside, not each other. */
static bool
exec_with(Tpl *t, const Node *n)
{
	Scope *outer = t->scope, *inner = scope_of(t, &n->body, outer);
	bool ok = inner != NULL;
	Val v;

	for (size_t i = 0; ok && i < n->list.n; i++) {
		ok = tpl_eval(t, n->list.v[i], &v);
		t->scope = inner;
		ok = ok && assign(t, n->other.v[i], v);
		t->scope = outer;
	}
	t->scope = inner;
	ok = ok && run(t, &n->body);
	t->scope = outer;
	return ok;
}

static bool
exec_break(Tpl *t, const Node *n)
{
	(void)n;
	t->flow = BREAKING;
	return true;
}

static bool
exec_continue(Tpl *t, const Node *n)
{
	(void)n;
	t->flow = CONTINUING;
	return true;
}

/* ---- loops ---- */

/* A loop with a test, and where it stands: the test sees nothing of what the
 * body sets. */
typedef struct Passing {
	const Node *n;
	Scope *up;
} Passing;

static bool
next_passing(Tpl *t, Iter *it, Val *out)
{
	const Passing *p = it->x;
	const Node *n = p->n;
	Scope *outer = t->scope;
	bool found = false;
	Val v;

	while (!found && tpl_next(t, it->from, out)) {
		if (!(t->scope = tpl_scope(t, p->up)) ||
		    !assign(t, n->b, *out) || !tpl_eval(t, n->c, &v))
			break;
		found = tpl_truth(v);
	}
	t->scope = outer;
	return found;
}

/* The next item of a loop; what was looked at ahead comes first. */
static bool
draw(Tpl *t, Loop *l)
{
	Val v = l->after;

	if (v.kind == K_MISSING && !tpl_next(t, l->it, &v))
		return false;
	l->after = V_MISSING;
	l->before = l->current;
	l->current = v;
	l->i++;
	return true;
}

/* A new scope each time: what the body sets is gone in the next turn. */
static bool
turn(Tpl *t, const Node *n, Loop *l, Scope *up)
{
	Val self = {.kind = K_LOOP, .loop = l};
	bool ok;

	if (!(t->scope = scope_of(t, &n->body, up)))
		return false;
	ok = tpl_set_var(t, t->scope, t->prog->loop, self) &&
	     assign(t, n->b, l->current) && run(t, &n->body);
	t->scope = up;
	return ok;
}

static Iter *
passing(Tpl *t, const Node *n, Scope *up, Iter *from)
{
	Passing *p = TPL_NEW(t, Passing);
	Iter *it = tpl_iter_new(t, next_passing, V_NONE);

	if (!p || !it)
		return NULL;
	*p = (Passing){n, up};
	it->x = p;
	it->from = from;
	return it;
}

/* up is the scope in which the loop stands, also when it is called again from
 * its own body. */
bool
tpl_run_loop(Tpl *t, const Node *n, Scope *up, Val over, int64_t depth)
{
	Scope *outer = t->scope;
	Loop *l = TPL_NEW(t, Loop);
	bool going = true;
	size_t size;

	if (!l)
		return false;
	*l = (Loop){.i = -1,
	            .total = -1,
	            .depth = depth,
	            .scope = up,
	            .node = n->op & RECURSIVE ? n : NULL};
	if (!tpl_iter(t, over, &l->it) ||
	    (n->c && !(l->it = passing(t, n, up, l->it))))
		return false;
	if (!n->c && tpl_length(over, &size))
		l->total = (int64_t)size;
	t->scope = up;
	while (going && draw(t, l)) {
		if (!turn(t, n, l, up))
			break;
		going = t->flow != BREAKING;
		t->flow = GO;
	}
	if (tpl_ok(t) && l->i < 0)
		run_scoped(t, &n->other, up);
	t->scope = outer;
	return tpl_ok(t);
}

static bool
exec_for(Tpl *t, const Node *n)
{
	Val over;

	return tpl_eval(t, n->a, &over) &&
	       tpl_run_loop(t, n, t->scope, over, 0);
}

/* ---- macros ---- */

/* The scope stays alive with the macro, and changes are seen: a macro may
 * use what is set after it. */
static bool
new_macro(Tpl *t, const Node *n, Val *out)
{
	Macro *m = TPL_NEW(t, Macro);

	if (!m)
		return false;
	*m = (Macro){n, t->scope};
	*out = (Val){.kind = K_MACRO, .mac = m};
	return true;
}

static bool
exec_macro(Tpl *t, const Node *n)
{
	Val v;

	return new_macro(t, n, &v) && tpl_set_var(t, t->scope, n->name, v);
}

static const char *
macro_name(const Macro *m)
{
	return m->node->name ? m->node->name : "caller";
}

/* The keyword's value, taken out of *a; MISSING if it is not there. */
static Val
take_kw(Args *a, const char *name)
{
	for (size_t i = 0; i < a->nkw; i++)
		if (strcmp(a->kw[i].name, name) == 0) {
			Val v = a->kw[i].v;

			a->nkw--;
			memmove(a->kw + i, a->kw + i + 1,
			        (a->nkw - i) * sizeof *a->kw);
			return v;
		}
	return V_MISSING;
}

/* By position, by keyword, by default.  What is missing is undefined with a
 * reason of its own. */
static bool
parameters(Tpl *t, const Macro *m, Args *a, Scope *s)
{
	const Nodes *params = &m->node->list;
	char *why;
	Val v;

	for (size_t i = 0; i < params->n; i++) {
		const Node *p = params->v[i];

		if (!tpl_work(t, a->nkw))
			return false;
		v = i < a->n ? a->v[i] : take_kw(a, p->name);
		if (v.kind == K_MISSING && p->a) {
			if (!tpl_eval(t, p->a, &v))
				return false;
		} else if (v.kind == K_MISSING) {
			if (!(why = tpl_alloc(t, strlen(p->name) + 64)))
				return false;
			snprintf(why, strlen(p->name) + 64,
			         "parameter '%s' was not provided", p->name);
			if (!tpl_undef_why(t, why, &v))
				return false;
		}
		if (!tpl_set_var(t, s, p->name, v))
			return false;
	}
	return true;
}

/* caller, kwargs and varargs, for a macro that reads them; for one that
 * does not, arguments left over are an error. */
static bool
specials(Tpl *t, const Macro *m, Args *a, Scope *s)
{
	size_t n = m->node->list.n;
	int uses = m->node->op;
	Val v, key;

	if (uses & USES_CALLER &&
	    !tpl_lookup(t, &(Scope){.vars = s->vars}, t->prog->caller)) {
		v = take_kw(a, "caller");
		if ((v.kind == K_MISSING || v.kind == K_NONE) &&
		    !tpl_undef_why(t, "no caller defined", &v))
			return false;
		if (!tpl_set_var(t, s, t->prog->caller, v))
			return false;
	}
	if (uses & USES_KWARGS) {
		v = (Val){.kind = K_DICT, .m = tpl_map(t)};
		for (size_t i = 0; v.m && i < a->nkw; i++)
			if (!tpl_strz(t, a->kw[i].name, &key) ||
			    !tpl_map_set(t, v.m, key, a->kw[i].v))
				return false;
		if (!v.m || !tpl_set_var(t, s, t->prog->kwargs, v))
			return false;
	} else if (a->nkw) {
		return tpl_fail(t, "macro '%s' takes no keyword argument '%s'",
		                macro_name(m), a->kw[0].name);
	}
	if (uses & USES_VARARGS) {
		if (!tpl_seq(t, K_TUPLE, &v))
			return false;
		for (size_t i = n; i < a->n; i++)
			if (!tpl_push(t, v.q, a->v[i]))
				return false;
		return tpl_set_var(t, s, t->prog->varargs, v);
	}
	return a->n <= n || tpl_fail(t,
	                             "macro '%s' takes not more than %zu "
	                             "arguments",
	                             macro_name(m), n);
}

/* Keywords are taken out of a copy of the list as they are used. */
bool
tpl_run_macro(Tpl *t, const Macro *m, const Args *args, Val *out)
{
	Scope *outer = t->scope, *s = tpl_scope(t, m->scope);
	Args a = *args;
	bool ok;

	if (!s || !tpl_enter(t))
		return false;
	t->scope = s; /* defaults may use parameters before them */
	ok = parameters(t, m, &a, s) && specials(t, m, &a, s) &&
	     tpl_capture(t, &m->node->body, s, out);
	t->scope = outer;
	tpl_leave(t);
	return ok;
}

/* The block becomes a macro that is passed as the keyword caller. */
static bool
exec_callblock(Tpl *t, const Node *n)
{
	const Node *call = n->a;
	Val f, caller, v;
	Kw *kw;
	Args a;

	if (!tpl_eval(t, call->a, &f) || !tpl_args(t, &call->list, &a) ||
	    !new_macro(t, n, &caller) ||
	    !(kw = tpl_alloc(t, (a.nkw + 1) * sizeof *kw)))
		return false;
	if (a.nkw)
		memcpy(kw, a.kw, a.nkw * sizeof *kw);
	kw[a.nkw++] = (Kw){"caller", caller};
	a.kw = kw;
	return tpl_call(t, f, &a, &v) && tpl_print(t, t->out, v);
}

/* ---- the whole ---- */

static bool
render(Tpl *t, Span source, const Json *vars, Program *prog)
{
	Val v;

	if (!json_is(vars, json_type_object))
		return fail(t->c, QE_INPUT, "the variables are no JSON object");
	if (!tpl_parse(t->c, t->mem, source, prog) ||
	    !tpl_from_json(t, vars, &v) ||
	    !(t->scope = scope_of(t, &prog->body, NULL)))
		return false;
	t->vars = v.m;
	return run(t, &prog->body);
}

bool
template_render(Ctx *c, Arena *a, Span source, const Json *vars,
                const struct tm *now, const TemplateLimits *max, Buf *out)
{
	Program prog = {0};
	Tpl t = {.c = c, .mem = a, .now = now, .line = 1, .prog = &prog};

	if (max)
		t.max = *max;
	t.max.depth = t.max.depth ? t.max.depth : DEPTH;
	t.max.steps = t.max.steps ? t.max.steps : STEPS;
	t.max.output = t.max.output ? t.max.output : OUTPUT;
	t.room = MIN(t.max.output, SIZE_MAX / SHARE) * SHARE;
	t.out = buf_new(a);
	t.key = buf_new(a);
	if (!render(&t, source, vars, &prog))
		return false;
	buf_add(out, t.out->p, t.out->n);
	return true;
}
