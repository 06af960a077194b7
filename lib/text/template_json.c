/* SPDX-License-Identifier: BSD-3-Clause
 * template_json.c - the filter tojson as HuggingFace sets it up: Python's
 * json.dumps() without escaping for HTML. */

#include <math.h>

#include "template_impl.h"

typedef struct Json_out {
	Tpl *t;
	Buf *b;
	bool ascii, sorted;
	Span pad; /* one level of indent; p NULL: all on one line */
	Span comma, colon;
	int depth;
} Json_out;

static bool value(Json_out *, Val);

/* One UTF-16 unit; characters beyond take two. */
static void
unit(Buf *b, uint32_t ch)
{
	buf_fmt(b, "\\u%04x", ch);
}

/* The escapes of json.dumps(): no slash, and DEL only with ensure_ascii. */
static void
string(Json_out *o, Span s)
{
	static const char escapes[] = "\"\"\\\\\nn\rr\tt\ff\bb";
	const char *at;
	size_t len;

	buf_char(o->b, '"');
	for (size_t i = 0; i < s.n; i += len) {
		uint32_t ch = tpl_code(s.p + i, &len);

		at = NULL;
		for (const char *e = escapes; *e && !at; e += 2)
			at = (uint32_t)*e == ch ? e + 1 : NULL;
		if (at)
			buf_fmt(o->b, "\\%c", *at);
		else if (ch < 0x20 || (o->ascii && ch >= 0x7f && ch < 0x10000))
			unit(o->b, ch);
		else if (o->ascii && ch >= 0x10000) {
			unit(o->b, 0xd800 + ((ch - 0x10000) >> 10));
			unit(o->b, 0xdc00 + (ch & 0x3ff));
		} else {
			buf_add(o->b, s.p + i, len);
		}
	}
	buf_char(o->b, '"');
}

/* With an indent each item has a line, also of short lists. */
static void
newline(Json_out *o)
{
	if (!o->pad.p)
		return;
	buf_char(o->b, '\n');
	for (int i = 0; i < o->depth; i++)
		buf_add(o->b, o->pad.p, o->pad.n);
}

/* NaN and infinities are written though JSON has no word for them: Python
 * does so, and models have seen it. */
static bool
number(Json_out *o, Val v)
{
	if (v.kind == K_FLOAT && isnan(v.f))
		buf_str(o->b, "NaN");
	else if (v.kind == K_FLOAT && isinf(v.f))
		buf_str(o->b, v.f < 0 ? "-Infinity" : "Infinity");
	else if (v.kind == K_BOOL)
		buf_str(o->b, v.b ? "true" : "false");
	else
		return tpl_repr(o->t, o->b, v);
	return true;
}

static bool
list(Json_out *o, const Seq *q)
{
	buf_char(o->b, '[');
	o->depth++;
	for (size_t i = 0; i < q->n; i++) {
		if (i)
			buf_add(o->b, o->comma.p, o->comma.n);
		newline(o);
		if (!value(o, q->v[i]))
			return false;
	}
	o->depth--;
	if (q->n)
		newline(o);
	buf_char(o->b, ']');
	return true;
}

/* Keys that are no strings are written as strings. */
static bool
key(Json_out *o, Val k)
{
	if (k.kind == K_STR) {
		string(o, tpl_span(k.s));
		return true;
	}
	if (k.kind != K_NONE && !tpl_is_number(k))
		return tpl_fail(o->t, "tojson: a key of type '%s'",
		                tpl_type(k));
	buf_char(o->b, '"');
	if (k.kind == K_NONE)
		buf_str(o->b, "null");
	else if (!number(o, k))
		return false;
	buf_char(o->b, '"');
	return true;
}

/* In the order of insertion unless asked to sort. */
static bool
dict(Json_out *o, Val v)
{
	Val none[3] = {V_MISSING, V_MISSING, V_MISSING}, items, k;

	/* by key and with case, as sorted() does */
	none[0] = V_BOOL(true);
	if (o->sorted ? !tpl_f_dictsort(o->t, v, none, NULL, &items)
	              : !tpl_m_items(o->t, v, NULL, NULL, &items) ||
	                        !tpl_list(o->t, items, &items))
		return false;
	buf_char(o->b, '{');
	o->depth++;
	for (size_t i = 0; i < items.q->n; i++) {
		if (i)
			buf_add(o->b, o->comma.p, o->comma.n);
		newline(o);
		k = items.q->v[i].q->v[0];
		if (!key(o, k))
			return false;
		buf_add(o->b, o->colon.p, o->colon.n);
		if (!value(o, items.q->v[i].q->v[1]))
			return false;
	}
	o->depth--;
	if (items.q->n)
		newline(o);
	buf_char(o->b, '}');
	return true;
}

static bool
value(Json_out *o, Val v)
{
	bool ok = true;

	if (!tpl_enter(o->t) || !tpl_room(o->t, o->b->n))
		return false;
	switch (v.kind) {
	case K_NONE:
		buf_str(o->b, "null");
		break;
	case K_BOOL:
	case K_INT:
	case K_FLOAT:
		ok = number(o, v);
		break;
	case K_STR:
		ok = tpl_work(o->t, v.s->n);
		string(o, tpl_span(v.s));
		break;
	case K_LIST:
	case K_TUPLE:
		ok = list(o, v.q);
		break;
	case K_DICT:
		ok = dict(o, v);
		break;
	default:
		ok = tpl_fail(o->t, "tojson: an object of type '%s'",
		              tpl_type(v));
	}
	tpl_leave(o->t);
	return ok;
}

/* separators=(",", ":") */
static bool
separators(Json_out *o, Val v)
{
	Val list_;

	if (!tpl_list(o->t, v, &list_))
		return false;
	if (list_.q->n != 2 || list_.q->v[0].kind != K_STR ||
	    list_.q->v[1].kind != K_STR)
		return tpl_fail(o->t, "tojson: separators must be two strings");
	o->comma = tpl_span(list_.q->v[0].s);
	o->colon = tpl_span(list_.q->v[1].s);
	return true;
}

/* opts: ensure_ascii, indent, separators, sort_keys */
bool
tpl_json(Tpl *t, Buf *b, Val v, const Val *opts)
{
	Json_out o = {.t = t, .b = b, .colon = {": ", 2}};
	int64_t width;
	Val pad;

	o.ascii = tpl_truth(opts[0]);
	o.sorted = tpl_truth(opts[3]);
	o.comma = (Span){", ", 2};
	if (opts[1].kind == K_STR) {
		o.pad = tpl_span(opts[1].s);
	} else if (tpl_as_int(opts[1], &width)) {
		if (!tpl_strz(t, " ", &pad) ||
		    !tpl_mul(t, pad, V_INT(width), &pad))
			return false;
		o.pad = tpl_span(pad.s);
	} else if (opts[1].kind != K_MISSING && opts[1].kind != K_NONE) {
		return tpl_fail(t, "tojson: the indent must be an integer or "
		                   "a string");
	}
	if (o.pad.p)
		o.comma = (Span){",", 1};
	if (opts[2].kind != K_MISSING && opts[2].kind != K_NONE &&
	    !separators(&o, opts[2]))
		return false;
	return value(&o, v);
}
