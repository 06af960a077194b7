/* SPDX-License-Identifier: BSD-3-Clause
 * template_object.c - methods of dicts, lists, loops and cyclers, and the
 * global functions: METHOD and GLOBAL rows of template.def. */

#include "template_impl.h"

enum { MAX_RANGE = 100000 }; /* of jinja2's sandbox */

#define METHOD_FN(id)                                                          \
	bool tpl_m_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)
#define GLOBAL_FN(id)                                                          \
	bool tpl_g_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)

/* ---- dicts ---- */

METHOD_FN(get)
{
	(void)all;
	if (!tpl_map_get(t, self.m, a[0], out))
		return false;
	if (out->kind == K_MISSING)
		*out = a[1].kind == K_MISSING ? V_NONE : a[1];
	return true;
}

/* Views show the dict as it is when they are walked. */
static bool
view(Tpl *t, Val self, int part, Val *out)
{
	View *v = TPL_NEW(t, View);

	if (!v)
		return false;
	v->m = self.m;
	v->part = part;
	*out = (Val){.kind = K_VIEW, .view = v};
	return true;
}

METHOD_FN(items)
{
	(void)a, (void)all;
	return view(t, self, ITEMS, out);
}

METHOD_FN(keys)
{
	(void)a, (void)all;
	return view(t, self, KEYS, out);
}

METHOD_FN(values)
{
	(void)a, (void)all;
	return view(t, self, VALUES, out);
}

/* The values themselves are shared. */
static bool
copy_into(Tpl *t, Map *to, const Map *from)
{
	const Pair *p;

	for (size_t i = 0; (p = tpl_map_at(from, i)); i++)
		if (!tpl_map_set(t, to, p->key, p->val))
			return false;
	return true;
}

METHOD_FN(dictcopy)
{
	(void)a, (void)all;
	*out = (Val){.kind = K_DICT, .m = tpl_map(t)};
	return out->m && copy_into(t, out->m, self.m);
}

/* ---- lists; pop and clear are the two changes the sandbox lets pass ---- */

METHOD_FN(clear)
{
	(void)t, (void)a, (void)all;
	self.q->n = 0;
	*out = V_NONE;
	return true;
}

METHOD_FN(listcopy)
{
	(void)a, (void)all;
	return tpl_list(t, self, out);
}

/* The last one without an index. */
METHOD_FN(pop)
{
	int64_t i = -1, n = (int64_t)self.q->n;

	(void)all;
	if (a[0].kind != K_MISSING && !tpl_as_int(a[0], &i))
		return tpl_fail(t, "pop() wants an integer, not '%s'",
		                tpl_type(a[0]));
	i += i < 0 ? n : 0;
	if (i < 0 || i >= n)
		return tpl_fail(t, "pop index out of range");
	*out = self.q->v[i];
	self.q->n--;
	memmove(self.q->v + i, self.q->v + i + 1,
	        (self.q->n - (size_t)i) * sizeof(Val));
	return tpl_work(t, self.q->n);
}

METHOD_FN(seqcount)
{
	int64_t n = 0;
	bool same;
	Iter *it;
	Val v;

	(void)all;
	if (!tpl_iter(t, self, &it))
		return false;
	for (; tpl_next(t, it, &v); n += same)
		if (!tpl_equal(t, v, a[0], &same))
			return false;
	*out = V_INT(n);
	return tpl_ok(t);
}

METHOD_FN(seqindex)
{
	bool same = false;
	Iter *it;
	Val v;

	(void)all;
	if (!tpl_iter(t, self, &it))
		return false;
	for (int64_t i = 0; !same && tpl_next(t, it, &v); i++) {
		if (!tpl_equal(t, v, a[0], &same))
			return false;
		*out = V_INT(i);
	}
	return same || (tpl_ok(t) &&
	                tpl_fail(t, "index(): the value is not in the list"));
}

/* ---- loops and cyclers ---- */

static bool
by_place_only(Tpl *t, const char *name, const Args *all)
{
	return !all->nkw || tpl_fail(t, "%s() takes no keywords", name);
}

METHOD_FN(cycle)
{
	(void)a;
	if (!by_place_only(t, "cycle", all))
		return false;
	if (!all->n)
		return tpl_fail(t, "no items for cycling given");
	*out = all->v[(size_t)self.loop->i % all->n];
	return true;
}

/* Compared with the arguments of the call before, if there was one. */
METHOD_FN(changed)
{
	bool same = false;
	Val now;

	(void)a;
	if (!by_place_only(t, "changed", all) || !tpl_seq(t, K_TUPLE, &now))
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (!tpl_push(t, now.q, all->v[i]))
			return false;
	if (self.loop->changed.kind != K_MISSING &&
	    !tpl_equal(t, now, self.loop->changed, &same))
		return false;
	self.loop->changed = now;
	*out = V_BOOL(!same);
	return true;
}

METHOD_FN(next)
{
	(void)t, (void)a, (void)all;
	*out = self.q->v[self.q->at];
	self.q->at = (self.q->at + 1) % self.q->n;
	return true;
}

METHOD_FN(reset)
{
	(void)t, (void)a, (void)all;
	self.q->at = 0;
	*out = V_NONE;
	return true;
}

/* ---- globals ---- */

GLOBAL_FN(cycler)
{
	(void)self, (void)a;
	if (!by_place_only(t, "cycler", all))
		return false;
	if (!all->n)
		return tpl_fail(t, "at least one item has to be provided");
	if (!tpl_seq(t, K_CYCLER, out))
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (!tpl_push(t, out->q, all->v[i]))
			return false;
	return true;
}

/* {{ j() }} between items: nothing before the first. */
GLOBAL_FN(joiner)
{
	Joiner *j = TPL_NEW(t, Joiner);

	(void)self, (void)all;
	if (!j)
		return false;
	*j = (Joiner){a[0], false};
	*out = (Val){.kind = K_JOINER, .join = j};
	return a[0].kind != K_MISSING || tpl_strz(t, ", ", &j->sep);
}

/* Pairs out of something that can be iterated. */
static bool
from_pairs(Tpl *t, Map *m, Val src)
{
	Iter *it;
	Val v, pair;

	if (!tpl_iter(t, src, &it))
		return false;
	while (tpl_next(t, it, &v)) {
		if (!tpl_list(t, v, &pair))
			return false;
		if (pair.q->n != 2)
			return tpl_fail(t, "a dict is made of pairs");
		if (!tpl_map_set(t, m, pair.q->v[0], pair.q->v[1]))
			return false;
	}
	return tpl_ok(t);
}

/* What dict() and namespace() take: a dict or pairs, and keywords. */
static bool
fill(Tpl *t, const char *name, Map *m, const Args *all)
{
	Val key;

	if (!m)
		return false;
	if (all->n > 1)
		return tpl_fail(t, "%s() takes at most one argument", name);
	if (all->n && !(all->v[0].kind == K_DICT ? copy_into(t, m, all->v[0].m)
	                                         : from_pairs(t, m, all->v[0])))
		return false;
	for (size_t i = 0; i < all->nkw; i++)
		if (!tpl_strz(t, all->kw[i].name, &key) ||
		    !tpl_map_set(t, m, key, all->kw[i].v))
			return false;
	return true;
}

GLOBAL_FN(dict)
{
	(void)self, (void)a;
	*out = (Val){.kind = K_DICT, .m = tpl_map(t)};
	return fill(t, "dict", out->m, all);
}

GLOBAL_FN(namespace)
{
	(void)self, (void)a;
	*out = (Val){.kind = K_NS, .m = tpl_map(t)};
	return fill(t, "namespace", out->m, all);
}

/* The template's own message, without a line: it is meant for the user. */
GLOBAL_FN(raise_exception)
{
	(void)self, (void)all;
	if (!tpl_to_str(t, a[0], out))
		return false;
	return fail(t->c, QE_INPUT, "%.*s", (int)MIN(out->s->n, (size_t)1000),
	            out->s->p);
}

/* Counted in unsigned numbers, where the distance of any two bounds fits. */
GLOBAL_FN(range)
{
	int64_t v[3] = {0, 0, 1}, dist;
	size_t n = 1 + (a[1].kind != K_MISSING) + (a[2].kind != K_MISSING);
	uint64_t count;
	Range *r = TPL_NEW(t, Range);

	(void)self, (void)all;
	for (size_t i = 0; i < n; i++)
		if (!tpl_as_int(a[i], &v[n == 1 ? 1 : i]))
			return tpl_fail(t, "range() wants integers, not '%s'",
			                tpl_type(a[i]));
	if (!r)
		return false;
	if (!v[2] || v[2] == INT64_MIN)
		return tpl_fail(t, "range() cannot step by %lld",
		                (long long)v[2]);
	dist = v[2] > 0 ? v[0] < v[1] : v[1] < v[0];
	count = dist ? (v[2] > 0 ? (uint64_t)v[1] - (uint64_t)v[0]
	                         : (uint64_t)v[0] - (uint64_t)v[1])
	             : 0;
	if (count)
		count = (count - 1) / (uint64_t)(v[2] > 0 ? v[2] : -v[2]) + 1;
	if (count > MAX_RANGE)
		return tpl_fail(t, "a range of over %d items", MAX_RANGE);
	*r = (Range){v[0], v[1], v[2], (int64_t)count};
	*out = (Val){.kind = K_RANGE, .r = r};
	return true;
}

/* Microseconds are 0; there is no zone. */
GLOBAL_FN(strftime_now)
{
	char text[4096];
	Buf *fmt = tpl_buf(t);
	size_t n;

	(void)self, (void)all;
	if (a[0].kind != K_STR)
		return tpl_fail(t, "strftime_now() wants a string, not '%s'",
		                tpl_type(a[0]));
	if (!fmt)
		return false;
	for (size_t i = 0; i < a[0].s->n; i++) {
		char ch = a[0].s->p[i];
		char next = i + 1 < a[0].s->n ? a[0].s->p[i + 1] : '\0';

		if (!ch)
			return tpl_fail(t, "strftime_now(): a NUL in the "
			                   "format");
		if (ch != '%' || !next) {
			buf_char(fmt, ch);
			continue;
		}
		i++;
		if (next == 'f')
			buf_str(fmt, "000000");
		else if (next != 'z' && next != 'Z')
			buf_fmt(fmt, "%%%c", next);
	}
	/* so that an empty result differs from one without room */
	buf_char(fmt, '.');
	n = fmt->n > sizeof text / 4
	            ? 0
	            : strftime(text, sizeof text, fmt->p, t->now);
	if (!n)
		return tpl_fail(t, "strftime_now(): the result is too long");
	return tpl_str(t, text, n - 1, out);
}
