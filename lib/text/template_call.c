/* SPDX-License-Identifier: BSD-3-Clause
 * template_call.c - the tables of functions, and how arguments find their
 * parameters. */

#include "template_impl.h"

enum {
	STR_ = 1 << K_STR,
	LIST_ = 1 << K_LIST,
	SEQ_ = LIST_ | 1 << K_TUPLE | 1 << K_RANGE,
	DICT_ = 1 << K_DICT,
	LOOP_ = 1 << K_LOOP,
	CYCLER_ = 1 << K_CYCLER,
};

const FnRow tpl_filters[] = {
#define FILTER(name, id, params) {name, tpl_f_##id, params, 0},
#include "template.def"
	{0}};

const FnRow tpl_tests[] = {
#define TEST(name, id, params) {name, tpl_t_##id, params, 0},
#include "template.def"
	{0}};

const FnRow tpl_methods[] = {
#define METHOD(kinds, name, id, params) {name, tpl_m_##id, params, kinds},
#include "template.def"
	{0}};

const FnRow tpl_globals[] = {
#define GLOBAL(name, id, params) {name, tpl_g_##id, params, 0},
#include "template.def"
	{0}};

/* Linear: the tables are short, and filters and tests are looked up once,
 * by the parser. */
const FnRow *
tpl_row(const FnRow *row, const char *name)
{
	for (; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

/* A method of the same name may differ by kind: index() of strings counts
 * from a start, that of lists does not. */
const FnRow *
tpl_method(Val v, const char *name)
{
	for (const FnRow *row = tpl_methods; row->name; row++)
		if (row->kinds & 1U << v.kind && strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

/* One call on its way: which row's parameters stand in words. */
typedef struct Call {
	Tpl *t;
	const char *kindof;
	const FnRow *row;
	const Args *all;
	Val *a;
} Call;

/* The parameter at *s, which moves to the next; false at the end. */
static bool
param(const char **s, Span *name, bool *optional)
{
	const char *end = *s + strcspn(*s, " ");

	if (!**s)
		return false;
	*optional = end[-1] == '?';
	*name = (Span){*s, (size_t)(end - *s) - *optional};
	*s = end + (*end == ' ');
	return true;
}

static bool
by_keyword(const Call *k, const Kw *kw)
{
	const char *s = k->row->params + (*k->row->params == '/');
	bool optional;
	Span name;

	for (size_t i = 0; param(&s, &name, &optional); i++)
		if (strlen(kw->name) == name.n &&
		    memcmp(kw->name, name.p, name.n) == 0) {
			if (k->a[i].kind != K_MISSING)
				return tpl_fail(k->t,
				                "%s '%s' has two values for "
				                "'%s'",
				                k->kindof, k->row->name,
				                kw->name);
			k->a[i] = kw->v;
			return true;
		}
	return tpl_fail(k->t, "%s '%s' has no argument '%s'", k->kindof,
	                k->row->name, kw->name);
}

/* Positional arguments first, then keywords, then whether one is missing:
 * the order in which Python complains. */
static bool
bind(const Call *k)
{
	bool by_place = *k->row->params == '/', optional;
	const char *s = k->row->params + by_place;
	size_t n = 0;
	Span name;

	for (; param(&s, &name, &optional); n++)
		if (n < k->all->n)
			k->a[n] = k->all->v[n];
	if (k->all->n > n)
		return tpl_fail(k->t, "%s '%s' takes %zu arguments, not %zu",
		                k->kindof, k->row->name, n, k->all->n);
	if (by_place && k->all->nkw)
		return tpl_fail(k->t, "%s '%s' takes no keywords", k->kindof,
		                k->row->name);
	for (size_t i = 0; i < k->all->nkw; i++)
		if (!by_keyword(k, &k->all->kw[i]))
			return false;
	s = k->row->params + by_place;
	for (n = 0; param(&s, &name, &optional); n++)
		if (k->a[n].kind == K_MISSING && !optional)
			return tpl_fail(k->t,
			                "%s '%s' lacks its argument "
			                "'%.*s'",
			                k->kindof, k->row->name, (int)name.n,
			                name.p);
	return true;
}

/* Counts as one level, so that filters that call filters (map) end at the
 * limit of depth. */
bool
tpl_apply(Tpl *t, const char *kindof, const FnRow *row, Val self,
          const Args *all, Val *out)
{
	Val a[MAX_PARAMS] = {0};
	Call k = {t, kindof, row, all, a};
	bool ok;

	if (strcmp(row->params, "*") != 0 && !bind(&k))
		return false;
	if (!tpl_enter(t))
		return false;
	ok = row->fn(t, self, a, all, out);
	tpl_leave(t);
	return ok;
}

/* loop(children): the body of the loop again, over them */
static bool
call_loop(Tpl *t, const Loop *l, const Args *a, Val *out)
{
	Buf *outer = t->out;
	bool ok;

	if (!l->node)
		return tpl_fail(t, "the loop is not marked 'recursive'");
	if (a->n != 1 || a->nkw)
		return tpl_fail(t, "loop() takes one argument");
	if (!(t->out = tpl_buf(t)))
		return false;
	ok = tpl_run_loop(t, l->node, l->scope, a->v[0], l->depth + 1) &&
	     tpl_take(t, t->out, out);
	t->out = outer;
	return ok;
}

/* Empty the first time, the separator ever after. */
static bool
call_joiner(Tpl *t, Joiner *j, Val *out)
{
	*out = j->sep;
	if (j->used)
		return true;
	j->used = true;
	return tpl_strz(t, "", out);
}

/* Undefined is told apart from what cannot be called: the message says which
 * name was not defined. */
bool
tpl_call(Tpl *t, Val f, const Args *a, Val *out)
{
	switch (f.kind) {
	case K_UNDEF:
		return tpl_undef_error(t, f.u);
	case K_FUNC:
		return tpl_apply(t, "function", f.fn, V_NONE, a, out);
	case K_METHOD:
		return tpl_apply(t, "method", f.me->row, f.me->self, a, out);
	case K_MACRO:
		return tpl_run_macro(t, f.mac, a, out);
	case K_LOOP:
		return call_loop(t, f.loop, a, out);
	case K_JOINER:
		return call_joiner(t, f.join, out);
	default:
		return tpl_fail(t, "'%s' object is not callable", tpl_type(f));
	}
}
