/* SPDX-License-Identifier: BSD-3-Clause
 * template_value.c - the values of templates and what Python says of them:
 * truth, equality, order, membership, lists and dicts.
 *
 * Lists and dicts change only in the place that makes them (and by pop and
 * clear of lists, which the sandbox lets pass), so values never form cycles,
 * but for a namespace that holds itself: whoever descends counts levels. */

#include <math.h>

#include "template_impl.h"

const char *
tpl_type(Val v)
{
	static const char *const names[] = {
#define X(k, name) name,
		TPL_KINDS(X)
#undef X
	};

	return names[v.kind];
}

/* What len() has an answer for. */
bool
tpl_length(Val v, size_t *n)
{
	switch (v.kind) {
	case K_UNDEF:
		*n = 0;
		return true;
	case K_STR:
		*n = v.s->len;
		return true;
	case K_LIST:
	case K_TUPLE:
		*n = v.q->n;
		return true;
	case K_DICT:
		*n = v.m->d->n;
		return true;
	case K_VIEW:
		*n = v.view->m->d->n;
		return true;
	case K_RANGE:
		*n = (size_t)v.r->n;
		return true;
	default:
		return false;
	}
}

/* What has a length is true if it is not empty, all else is true. */
bool
tpl_truth(Val v)
{
	size_t n;

	switch (v.kind) {
	case K_NONE:
	case K_MISSING:
		return false;
	case K_BOOL:
		return v.b;
	case K_INT:
		return v.i != 0;
	case K_FLOAT:
		return v.f != 0;
	default:
		return !tpl_length(v, &n) || n > 0;
	}
}

bool
tpl_is_number(Val v)
{
	return v.kind == K_BOOL || v.kind == K_INT || v.kind == K_FLOAT;
}

double
tpl_double(Val v)
{
	return v.kind == K_FLOAT ? v.f
	       : v.kind == K_INT ? (double)v.i
	                         : (double)v.b;
}

/* A bool counts as one; a float does not, even if whole. */
bool
tpl_as_int(Val v, int64_t *i)
{
	if (v.kind != K_INT && v.kind != K_BOOL)
		return false;
	*i = v.kind == K_INT ? v.i : v.b;
	return true;
}

bool
tpl_undef(Tpl *t, Val obj, Val key, Val *out)
{
	Undef *u = TPL_NEW(t, Undef);

	if (!u)
		return false;
	*u = (Undef){NULL, obj, key};
	*out = (Val){.kind = K_UNDEF, .u = u};
	return true;
}

bool
tpl_undef_why(Tpl *t, const char *why, Val *out)
{
	Undef *u = TPL_NEW(t, Undef);

	if (!u)
		return false;
	u->why = why;
	*out = (Val){.kind = K_UNDEF, .u = u};
	return true;
}

/* Names the variable, or the type and the attribute it lacks. */
bool
tpl_undef_error(Tpl *t, const Undef *u)
{
	Buf *key;

	if (u->why)
		return tpl_fail(t, "%s", u->why);
	if (!(key = tpl_buf(t)) || !tpl_repr(t, key, u->key))
		return false;
	if (u->obj.kind == K_MISSING)
		return tpl_fail(t, "%s is undefined", key->p);
	return tpl_fail(t, "'%s%s' has no %s %s", tpl_type(u->obj),
	                u->obj.kind == K_NONE ? "" : " object",
	                u->key.kind == K_STR ? "attribute" : "element", key->p);
}

/* ---- sequences ---- */

bool
tpl_seq(Tpl *t, Kind kind, Val *out)
{
	Seq *q = TPL_NEW(t, Seq);

	*out = (Val){.kind = kind, .q = q};
	return q != NULL;
}

/* The old vector is left to the arena; doubling keeps that within the new
 * one's size. */
bool
tpl_push(Tpl *t, Seq *q, Val v)
{
	if (q->n == q->cap) {
		size_t cap = q->cap ? q->cap * 2 : 4;
		Val *grown = tpl_alloc(t, cap * sizeof *grown);

		if (!grown)
			return false;
		if (q->n)
			memcpy(grown, q->v, q->n * sizeof *grown);
		q->v = grown;
		q->cap = cap;
	}
	q->v[q->n++] = v;
	return true;
}

bool
tpl_pair(Tpl *t, Val a, Val b, Val *out)
{
	return tpl_seq(t, K_TUPLE, out) && tpl_push(t, out->q, a) &&
	       tpl_push(t, out->q, b);
}

/* ---- dicts: keys are texts in a base Dict, equal when Python says so ---- */

/* A string stands for itself unless it holds a NUL or begins with \x01, the
 * mark of all else.  1, 1.0 and True are one key. */
static bool
key_text(Tpl *t, Buf *b, Val key)
{
	switch (key.kind) {
	case K_STR:
		if ((!key.s->n || *key.s->p != '\x01') &&
		    (!key.s->n || !memchr(key.s->p, '\0', key.s->n))) {
			buf_add(b, key.s->p, key.s->n);
			return true;
		}
		buf_str(b, "\x01s");
		tpl_print_quoted(b, tpl_span(key.s), true);
		return true;
	case K_NONE:
		buf_str(b, "\x01n");
		return true;
	case K_BOOL:
	case K_INT:
	case K_FLOAT:
		if (key.kind == K_FLOAT && key.f != floor(key.f)) {
			buf_fmt(b,
			        "\x01"
			        "f%a",
			        key.f);
			return true;
		}
		buf_fmt(b, "\x01i%.0Lf",
		        key.kind == K_INT ? (long double)key.i
		                          : (long double)tpl_double(key));
		return true;
	case K_TUPLE:
		if (!tpl_enter(t))
			return false;
		buf_str(b, "\x01(");
		for (size_t i = 0; i < key.q->n; i++) {
			size_t at = b->n;

			if (!key_text(t, b, key.q->v[i]))
				return false;
			buf_fmt(b, "\x01%zu,", b->n - at);
		}
		tpl_leave(t);
		return tpl_work(t, b->n);
	case K_LIST:
	case K_DICT:
	case K_VIEW:
		return tpl_fail(t, "unhashable type: '%s'", tpl_type(key));
	case K_UNDEF:
		buf_str(b, "\x01u");
		return true;
	default: /* an object is equal to itself alone */
		buf_fmt(b, "\x01o%p", (void *)key.m);
		return true;
	}
}

/* In t->key until the next key is made. */
static const char *
map_key(Tpl *t, Val key)
{
	buf_clear(t->key);
	return key_text(t, t->key, key) && tpl_work(t, t->key->n) ? t->key->p
	                                                          : NULL;
}

Map *
tpl_map(Tpl *t)
{
	Map *m = tpl_alloc(t, sizeof *m + sizeof *m->d);

	if (m)
		m->d = dict_new(t->mem);
	return m;
}

/* A key that is there keeps its spelling: {1: a} set at True stays 1. */
bool
tpl_map_set(Tpl *t, Map *m, Val key, Val val)
{
	const char *k = map_key(t, key);
	Pair *p;
	char *own;

	if (!k)
		return false;
	if ((p = dict_get(m->d, k))) {
		p->val = val;
		return true;
	}
	/* The item and its slots in the table count, too. */
	if (!(own = tpl_alloc(t, t->key->n + 1 + 64)) ||
	    !(p = TPL_NEW(t, Pair)))
		return false;
	memcpy(own, k, t->key->n + 1);
	*p = (Pair){key, val};
	dict_set(m->d, own, p);
	return true;
}

bool
tpl_map_get(Tpl *t, const Map *m, Val key, Val *found)
{
	const char *k = map_key(t, key);
	const Pair *p = k ? dict_get(m->d, k) : NULL;

	*found = p ? p->val : V_MISSING;
	return k != NULL;
}

/* For names from the source, which need no escaping. */
Val
tpl_map_name(const Map *m, const char *name)
{
	const Pair *p = dict_get(m->d, name);

	return p ? p->val : V_MISSING;
}

const Pair *
tpl_map_at(const Map *m, size_t i)
{
	return i < m->d->n ? m->d->item[i].value : NULL;
}

/* ---- equality and order ---- */

/* Integers and floats meet in long double, which on most machines holds both
 * exactly. */
static int
number_order(Val a, Val b)
{
	long double x, y;

	if (a.kind != K_FLOAT && b.kind != K_FLOAT) {
		int64_t i = 0, j = 0;

		tpl_as_int(a, &i);
		tpl_as_int(b, &j);
		return (i > j) - (i < j);
	}
	x = a.kind == K_INT ? (long double)a.i : (long double)tpl_double(a);
	y = b.kind == K_INT ? (long double)b.i : (long double)tpl_double(b);
	return (x > y) - (x < y);
}

static bool
str_order(Tpl *t, const Str *a, const Str *b, int *order)
{
	size_t n = MIN(a->n, b->n);
	int d = n ? memcmp(a->p, b->p, n) : 0;

	*order = d ? d : (a->n > b->n) - (a->n < b->n);
	return tpl_work(t, n);
}

static bool
seq_equal(Tpl *t, const Seq *a, const Seq *b, bool *same)
{
	*same = a->n == b->n;
	if (!*same || a == b)
		return true;
	if (!tpl_enter(t))
		return false;
	for (size_t i = 0; *same && i < a->n; i++)
		if (!tpl_equal(t, a->v[i], b->v[i], same))
			return false;
	tpl_leave(t);
	return true;
}

/* The order of the keys does not count. */
static bool
map_equal(Tpl *t, const Map *a, const Map *b, bool *same)
{
	const Pair *p;
	Val other;

	*same = a->d->n == b->d->n;
	if (!*same || a == b)
		return true;
	if (!tpl_enter(t))
		return false;
	for (size_t i = 0; *same && (p = tpl_map_at(a, i)); i++) {
		if (!tpl_map_get(t, b, p->key, &other))
			return false;
		*same = other.kind != K_MISSING;
		if (*same && !tpl_equal(t, p->val, other, same))
			return false;
	}
	tpl_leave(t);
	return true;
}

/* Never fails for types: what is unlike is unequal. */
bool
tpl_equal(Tpl *t, Val a, Val b, bool *same)
{
	int order = 1;

	if (!tpl_work(t, 1))
		return false;
	if (tpl_is_number(a) && tpl_is_number(b)) {
		*same = number_order(a, b) == 0 &&
		        !(a.kind == K_FLOAT && isnan(a.f)) &&
		        !(b.kind == K_FLOAT && isnan(b.f));
		return true;
	}
	*same = false;
	if (a.kind != b.kind)
		return true;
	switch (a.kind) {
	case K_UNDEF:
	case K_NONE:
		*same = true;
		return true;
	case K_STR:
		if (a.s->n == b.s->n && !str_order(t, a.s, b.s, &order))
			return false;
		*same = order == 0;
		return true;
	case K_LIST:
	case K_TUPLE:
		return seq_equal(t, a.q, b.q, same);
	case K_DICT:
		return map_equal(t, a.m, b.m, same);
	case K_RANGE:
		*same = a.r->n == b.r->n &&
		        (!a.r->n || (a.r->start == b.r->start &&
		                     (a.r->n == 1 || a.r->step == b.r->step)));
		return true;
	default: /* the same object */
		*same = a.q == b.q;
		return true;
	}
}

/* The first difference decides; the shorter comes first. */
static bool
seq_order(Tpl *t, const char *op, const Seq *a, const Seq *b, int *order)
{
	bool same = true;
	size_t i = 0;

	if (!tpl_enter(t))
		return false;
	for (; i < a->n && i < b->n; i++) {
		if (!tpl_equal(t, a->v[i], b->v[i], &same))
			return false;
		if (!same)
			break;
	}
	tpl_leave(t);
	if (!same)
		return tpl_order(t, op, a->v[i], b->v[i], order);
	*order = (a->n > b->n) - (a->n < b->n);
	return true;
}

bool
tpl_order(Tpl *t, const char *op, Val a, Val b, int *order)
{
	if (!tpl_work(t, 1))
		return false;
	if (tpl_is_number(a) && tpl_is_number(b)) {
		*order = number_order(a, b);
		return true;
	}
	if (a.kind == K_STR && b.kind == K_STR)
		return str_order(t, a.s, b.s, order);
	if ((a.kind == K_LIST && b.kind == K_LIST) ||
	    (a.kind == K_TUPLE && b.kind == K_TUPLE))
		return seq_order(t, op, a.q, b.q, order);
	if (a.kind == K_UNDEF || b.kind == K_UNDEF)
		return tpl_undef_error(t, a.kind == K_UNDEF ? a.u : b.u);
	return tpl_fail(t,
	                "'%s' is not supported between instances of '%s' and "
	                "'%s'",
	                op, tpl_type(a), tpl_type(b));
}

/* Strings look for parts, dicts for keys, all else for items. */
bool
tpl_contains(Tpl *t, Val in, Val x, bool *found)
{
	Iter *it;
	Val v;

	*found = false;
	if (in.kind == K_STR) {
		if (x.kind != K_STR)
			return tpl_fail(t,
			                "'in <string>' requires string as left "
			                "operand, not %s",
			                tpl_type(x));
		*found = tpl_find(t, tpl_span(in.s), tpl_span(x.s), 0) <=
		         in.s->n;
		return tpl_ok(t);
	}
	if (in.kind == K_DICT || (in.kind == K_VIEW && in.view->part == KEYS)) {
		const Map *m = in.kind == K_DICT ? in.m : in.view->m;

		if (!tpl_map_get(t, m, x, &v))
			return false;
		*found = v.kind != K_MISSING;
		return true;
	}
	if (!tpl_can_iter(in))
		return tpl_fail(t, "argument of type '%s' is not iterable",
		                tpl_type(in));
	if (!tpl_iter(t, in, &it))
		return false;
	while (!*found && tpl_next(t, it, &v))
		if (!tpl_equal(t, x, v, found))
			return false;
	return tpl_ok(t);
}

/* ---- from JSON ---- */

static bool
from_object(Tpl *t, const Json *o, Val *out)
{
	Val key, val;

	*out = (Val){.kind = K_DICT, .m = tpl_map(t)};
	if (!out->m)
		return false;
	json_object_object_foreach((Json *)(uintptr_t)o, k, v)
	{
		if (!tpl_strz(t, k, &key) || !tpl_from_json(t, v, &val) ||
		    !tpl_map_set(t, out->m, key, val))
			return false;
	}
	return true;
}

static bool
from_array(Tpl *t, const Json *o, Val *out)
{
	Val v;

	if (!tpl_seq(t, K_LIST, out))
		return false;
	for (size_t i = 0; i < json_len(o); i++)
		if (!tpl_from_json(t, json_at(o, i), &v) ||
		    !tpl_push(t, out->q, v))
			return false;
	return true;
}

/* json-c keeps what is over 2^63 as unsigned. */
static bool
from_int(Tpl *t, const Json *o, Val *out)
{
	if (json_object_get_uint64(o) > INT64_MAX &&
	    json_object_get_int64(o) > 0)
		return tpl_fail(t,
		                "an integer in the input needs over 64 bits");
	*out = V_INT(json_object_get_int64(o));
	return true;
}

/* Everything is converted at the start: templates walk most of it anyway. */
bool
tpl_from_json(Tpl *t, const Json *o, Val *out)
{
	Span s;
	bool ok = true;

	if (!tpl_enter(t))
		return false;
	switch (json_object_get_type(o)) {
	case json_type_null:
		*out = V_NONE;
		break;
	case json_type_boolean:
		*out = V_BOOL(json_true(o, false));
		break;
	case json_type_double:
		*out = V_FLOAT(json_num(o, 0));
		break;
	case json_type_int:
		ok = from_int(t, o, out);
		break;
	case json_type_string:
		s = json_span(o);
		ok = tpl_str(t, s.p, s.n, out);
		break;
	case json_type_object:
		ok = from_object(t, o, out);
		break;
	case json_type_array:
		ok = from_array(t, o, out);
		break;
	}
	tpl_leave(t);
	return ok;
}
