/* SPDX-License-Identifier: BSD-3-Clause
 * template_eval.c - expressions: syntax tree to values.
 *
 * One function for each row of TPL_EXPRS.  x.name looks for a method first
 * and then for an item, x['name'] the other way round.  What the sandbox
 * refuses (names of Python's own, methods that change a value) is undefined,
 * with that reason. */

#include "template_impl.h"

typedef bool Eval(Tpl *, const Node *, Val *);

#define X(k, fn) static Eval fn;
TPL_EXPRS(X)
#undef X

/* The line is set on the way down only: a failure names the line of the
 * innermost node that was begun. */
bool
tpl_eval(Tpl *t, const Node *n, Val *out)
{
	static Eval *const evals[] = {
#define X(k, fn) fn,
		TPL_EXPRS(X)
#undef X
	};
	bool ok;

	if (!tpl_enter(t))
		return false;
	t->line = n->line;
	ok = evals[n->kind](t, n, out);
	tpl_leave(t);
	return ok;
}

static bool
eval_const(Tpl *t, const Node *n, Val *out)
{
	(void)t;
	*out = n->val;
	return true;
}

/* Names are interned, so pointers are compared.  A scope holds few; where it
 * does not, the walk is paid for in steps. */
Val *
tpl_lookup(Tpl *t, Scope *s, const char *name)
{
	int64_t seen = 0;
	Var *v = NULL;

	for (; s && !v; s = s->up)
		for (v = s->vars; v && v->name != name; v = v->next)
			seen++;
	t->steps += seen / 4; /* the next one to count them looks */
	return v ? &v->v : NULL;
}

/* Into this very scope: an outer variable of that name is not touched. */
bool
tpl_set_var(Tpl *t, Scope *s, const char *name, Val val)
{
	Val *old = tpl_lookup(t, &(Scope){.vars = s->vars}, name);
	Var *v;

	if (old) {
		*old = val;
		return true;
	}
	if (!(v = TPL_NEW(t, Var)))
		return false;
	*v = (Var){name, val, s->vars};
	s->vars = v;
	return true;
}

Scope *
tpl_scope(Tpl *t, Scope *up)
{
	Scope *s = TPL_NEW(t, Scope);

	if (s)
		s->up = up;
	return s;
}

/* Variables of the template, then those passed to it, then functions. */
static bool
eval_name(Tpl *t, const Node *n, Val *out)
{
	const Val *v = tpl_lookup(t, t->scope, n->name);
	const FnRow *row;
	Val name;

	*out = v ? *v : tpl_map_name(t->vars, n->name);
	if (out->kind != K_MISSING)
		return true;
	if (!v && (row = tpl_row(tpl_globals, n->name))) {
		*out = (Val){.kind = K_FUNC, .fn = row};
		return true;
	}
	return tpl_strz(t, n->name, &name) &&
	       tpl_undef(t, V_MISSING, name, out);
}

static bool
eval_seq(Tpl *t, const Node *n, Val *out)
{
	Val v;

	if (!tpl_seq(t, n->kind == N_LIST ? K_LIST : K_TUPLE, out))
		return false;
	for (size_t i = 0; i < n->list.n; i++)
		if (!tpl_eval(t, n->list.v[i], &v) || !tpl_push(t, out->q, v))
			return false;
	return true;
}

/* Keys that come twice keep their first place and their last value. */
static bool
eval_dict(Tpl *t, const Node *n, Val *out)
{
	Map *m = tpl_map(t);
	Val key, val;

	if (!m)
		return false;
	for (size_t i = 0; i < n->list.n; i += 2)
		if (!tpl_eval(t, n->list.v[i], &key) ||
		    !tpl_eval(t, n->list.v[i + 1], &val) ||
		    !tpl_map_set(t, m, key, val))
			return false;
	*out = (Val){.kind = K_DICT, .m = m};
	return true;
}

/* The condition stands in the middle but is taken first. */
static bool
eval_cond(Tpl *t, const Node *n, Val *out)
{
	if (!tpl_eval(t, n->b, out))
		return false;
	if (tpl_truth(*out))
		return tpl_eval(t, n->a, out);
	if (n->c)
		return tpl_eval(t, n->c, out);
	return tpl_undef_why(t, "the inline if was false and has no else", out);
}

/* The result is one of the operands, not a bool. */
static bool
eval_logic(Tpl *t, const Node *n, Val *out)
{
	if (!tpl_eval(t, n->a, out))
		return false;
	if (tpl_truth(*out) == (n->kind == N_OR))
		return true;
	return tpl_eval(t, n->b, out);
}

static bool
eval_not(Tpl *t, const Node *n, Val *out)
{
	if (!tpl_eval(t, n->a, out))
		return false;
	*out = V_BOOL(!tpl_truth(*out));
	return true;
}

/* a < b < c: each value is taken once, the first false link ends it. */
static bool
eval_compare(Tpl *t, const Node *n, Val *out)
{
	Val left, right;
	bool yes = true;

	if (!tpl_eval(t, n->a, &left))
		return false;
	for (size_t i = 0; yes && i < n->list.n; i++) {
		const Node *x = n->list.v[i];

		if (!tpl_eval(t, x->a, &right) ||
		    !tpl_compare(t, (Op)x->op, left, right, &yes))
			return false;
		left = right;
	}
	*out = V_BOOL(yes);
	return true;
}

static bool
eval_binary(Tpl *t, const Node *n, Val *out)
{
	Val a, b;

	if (!tpl_eval(t, n->a, &a) || !tpl_eval(t, n->b, &b))
		return false;
	t->line = n->line;
	return tpl_binary(t, (Op)n->op, a, b, out);
}

static bool
eval_unary(Tpl *t, const Node *n, Val *out)
{
	if (!tpl_eval(t, n->a, out) || !tpl_neg(t, *out, out))
		return false;
	return n->op == OP_SUB || tpl_neg(t, *out, out);
}

/* Not an error yet: only to use it is one, so that a template may ask whether
 * the attribute is defined. */
static bool
unsafe(Tpl *t, Val obj, const char *name, Val *out)
{
	const char *why;

	if (!tpl_work(t, 16) || !tpl_alloc(t, 128 + strlen(name)))
		return false;
	why = arena_str(t->mem, "access to '%s' of a '%s' is unsafe", name,
	                tpl_type(obj));
	return tpl_undef_why(t, why, out);
}

/* What Python's immutable sandbox refuses. */
static bool
mutator(Kind kind, const char *name)
{
	static const char *const of_list[] = {"append", "reverse", "insert",
	                                      "sort",   "extend",  "remove",
	                                      NULL};
	static const char *const of_dict[] = {"clear",      "pop",    "popitem",
	                                      "setdefault", "update", NULL};

	return (kind == K_LIST && str_in(name, of_list)) ||
	       (kind == K_DICT && str_in(name, of_dict));
}

/* loop.index and its like; MISSING if there is none. */
static bool
loop_attr(Tpl *t, Loop *l, const char *name, Val *out)
{
	Val next;
	bool counts = strcmp(name, "length") == 0 ||
	              strcmp(name, "revindex") == 0 ||
	              strcmp(name, "revindex0") == 0;
	bool peeks = strcmp(name, "last") == 0 || strcmp(name, "nextitem") == 0;

	if (peeks && l->after.kind == K_MISSING &&
	    !tpl_next(t, l->it, &l->after)) {
		if (!tpl_ok(t))
			return false;
		l->after = V_MISSING;
	}
	if (counts && l->total < 0) { /* draws the rest, and puts it back */
		Val rest, all = {.kind = K_ITER, .it = l->it};

		if (!tpl_list(t, all, &rest) || !tpl_iter(t, rest, &l->it))
			return false;
		l->total = l->i + 1 + (l->after.kind != K_MISSING) +
		           (int64_t)rest.q->n;
	}
	next = l->after;
	if (strcmp(name, "index") == 0)
		*out = V_INT(l->i + 1);
	else if (strcmp(name, "index0") == 0)
		*out = V_INT(l->i);
	else if (strcmp(name, "first") == 0)
		*out = V_BOOL(l->i == 0);
	else if (strcmp(name, "last") == 0)
		*out = V_BOOL(next.kind == K_MISSING);
	else if (strcmp(name, "length") == 0)
		*out = V_INT(l->total);
	else if (strcmp(name, "revindex") == 0)
		*out = V_INT(l->total - l->i);
	else if (strcmp(name, "revindex0") == 0)
		*out = V_INT(l->total - l->i - 1);
	else if (strcmp(name, "depth") == 0)
		*out = V_INT(l->depth + 1);
	else if (strcmp(name, "depth0") == 0)
		*out = V_INT(l->depth);
	else if (strcmp(name, "previtem") == 0)
		*out = l->before;
	else if (strcmp(name, "nextitem") == 0)
		*out = next;
	else
		return true;
	if (out->kind == K_MISSING)
		return tpl_undef_why(t, "there is no such item", out);
	return true;
}

/* What is looked up with a dot but is no item: methods and the attributes
 * of loops, groups and the like.  MISSING if there is none. */
static bool
attribute(Tpl *t, Val obj, const char *name, Val *out)
{
	const FnRow *row = tpl_method(obj, name);
	Method *m;

	*out = V_MISSING;
	if (row) {
		if (!(m = TPL_NEW(t, Method)))
			return false;
		*m = (Method){obj, row};
		*out = (Val){.kind = K_METHOD, .me = m};
		return true;
	}
	if (mutator(obj.kind, name) ||
	    (str_starts(name, "__") && str_ends(name, "__")))
		return unsafe(t, obj, name, out);
	if (obj.kind == K_LOOP)
		return loop_attr(t, obj.loop, name, out);
	if (obj.kind == K_NS)
		*out = tpl_map_name(obj.m, name);
	else if (obj.kind == K_MACRO && strcmp(name, "name") == 0)
		return tpl_strz(t, obj.mac->node->name, out);
	else if (obj.kind == K_CYCLER && strcmp(name, "current") == 0)
		*out = obj.q->v[obj.q->at];
	else if (obj.kind == K_TUPLE && obj.q->group)
		*out = strcmp(name, "grouper") == 0 ? obj.q->v[0]
		       : strcmp(name, "list") == 0  ? obj.q->v[1]
		                                    : V_MISSING;
	return true;
}

/* An item by key or index; MISSING if there is none. */
static bool
item(Tpl *t, Val obj, Val key, Val *out)
{
	size_t n;
	int64_t i;

	*out = V_MISSING;
	switch (obj.kind) {
	case K_DICT:
		if (key.kind > K_TUPLE || key.kind == K_LIST ||
		    key.kind == K_UNDEF)
			return true; /* what cannot be a key is not there */
		return tpl_map_get(t, obj.m, key, out);
	case K_STR:
	case K_LIST:
	case K_TUPLE:
	case K_RANGE:
		if (!tpl_as_int(key, &i) || !tpl_length(obj, &n))
			return true;
		i += i < 0 ? (int64_t)n : 0;
		if (i < 0 || i >= (int64_t)n)
			return true;
		return tpl_at_index(t, obj, (size_t)i, out);
	default:
		return true;
	}
}

/* Undefined of undefined fails: a misspelt name in the middle of a path would
 * pass unnoticed. */
bool
tpl_get_attr(Tpl *t, Val obj, const char *name, Val *out)
{
	Val key;

	if (obj.kind == K_UNDEF)
		return tpl_undef_error(t, obj.u);
	if (!attribute(t, obj, name, out))
		return false;
	if (out->kind == K_MISSING && obj.kind == K_DICT)
		*out = tpl_map_name(obj.m, name);
	if (out->kind != K_MISSING)
		return true;
	return tpl_strz(t, name, &key) && tpl_undef(t, obj, key, out);
}

/* A name in brackets may still be a method, after the items. */
bool
tpl_get_item(Tpl *t, Val obj, Val key, Val *out)
{
	if (obj.kind == K_UNDEF)
		return tpl_undef_error(t, obj.u);
	if (!item(t, obj, key, out))
		return false;
	if (out->kind == K_MISSING && key.kind == K_STR) {
		buf_clear(t->key);
		buf_add(t->key, key.s->p, key.s->n);
		if (!attribute(t, obj, t->key->p, out))
			return false;
	}
	if (out->kind != K_MISSING)
		return true;
	return tpl_undef(t, obj, key, out);
}

static bool
eval_attr(Tpl *t, const Node *n, Val *out)
{
	Val obj;

	return tpl_eval(t, n->a, &obj) && tpl_get_attr(t, obj, n->name, out);
}

static bool
eval_item(Tpl *t, const Node *n, Val *out)
{
	Val obj, key;

	return tpl_eval(t, n->a, &obj) && tpl_eval(t, n->b, &key) &&
	       tpl_get_item(t, obj, key, out);
}

/* Slices do not pass through tpl_get_item(): what has none is an error, not
 * undefined. */
static bool
eval_slice(Tpl *t, const Node *n, Val *out)
{
	Val obj, part[3] = {V_NONE, V_NONE, V_NONE};

	if (!tpl_eval(t, n->a, &obj))
		return false;
	for (size_t i = 0; i < 3; i++)
		if (n->list.v[i] && !tpl_eval(t, n->list.v[i], &part[i]))
			return false;
	return tpl_slice(t, obj, part[0], part[1], part[2], out);
}

/* *list as positional arguments */
static bool
spread(Tpl *t, Val v, Seq *to)
{
	Iter *it;

	if (!tpl_iter(t, v, &it))
		return false;
	while (tpl_next(t, it, &v))
		if (!tpl_push(t, to, v))
			return false;
	return tpl_ok(t);
}

/* **dict as keywords */
static bool
spread_map(Tpl *t, Val v, Args *a)
{
	const Pair *p;
	Kw *kw;
	char *name;

	if (v.kind != K_DICT)
		return tpl_fail(t, "what follows ** is no dict but '%s'",
		                tpl_type(v));
	if (!(kw = tpl_alloc(t, (a->nkw + v.m->d->n) * sizeof *kw)))
		return false;
	if (a->nkw)
		memcpy(kw, a->kw, a->nkw * sizeof *kw);
	a->kw = kw;
	for (size_t i = 0; (p = tpl_map_at(v.m, i)); i++) {
		if (p->key.kind != K_STR)
			return tpl_fail(t, "keywords must be strings");
		if (!(name = tpl_alloc(t, p->key.s->n + 1)))
			return false;
		memcpy(name, p->key.s->p, p->key.s->n);
		kw[a->nkw++] = (Kw){name, p->val};
	}
	return true;
}

bool
tpl_args(Tpl *t, const Nodes *list, Args *a)
{
	Seq pos = {0};
	Val v;

	*a = (Args){0};
	if (list->n && !(a->kw = tpl_alloc(t, list->n * sizeof *a->kw)))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const Node *x = list->v[i];

		if (!tpl_eval(t, x->a, &v))
			return false;
		if (x->op == STAR       ? !spread(t, v, &pos)
		    : x->op == STARSTAR ? !spread_map(t, v, a)
		    : x->name ? (a->kw[a->nkw++] = (Kw){x->name, v}, false)
		              : !tpl_push(t, &pos, v))
			return false;
	}
	a->v = pos.v;
	a->n = pos.n;
	return true;
}

/* Arguments are evaluated before it is known that there is something to call,
 * as in Python. */
static bool
eval_call(Tpl *t, const Node *n, Val *out)
{
	Val f;
	Args a;

	if (!tpl_eval(t, n->a, &f) || !tpl_args(t, &n->list, &a))
		return false;
	t->line = n->line;
	return tpl_call(t, f, &a, out);
}

/* A filter without a value before it is the first of a block's chain. */
static bool
apply(Tpl *t, const Node *n, const char *kindof, Val *out)
{
	Val self;
	Args a;

	if (!n->row)
		return tpl_fail(t, "no %s named '%s'", kindof, n->name);
	if (n->a ? !tpl_eval(t, n->a, &self) : (self = t->piped, false))
		return false;
	if (!tpl_args(t, &n->list, &a))
		return false;
	t->line = n->line;
	return tpl_apply(t, kindof, n->row, self, &a, out);
}

static bool
eval_filter(Tpl *t, const Node *n, Val *out)
{
	return apply(t, n, "filter", out);
}

static bool
eval_test(Tpl *t, const Node *n, Val *out)
{
	return apply(t, n, "test", out);
}
