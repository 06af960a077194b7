/* SPDX-License-Identifier: BSD-3-Clause
 * template_iter.c - one pass over things; indexes and slices.
 *
 * Iterators are lazy, as Python's are: a test in `for x in y if test` sees
 * what the loop's body did before. */

#include "template_impl.h"

Iter *
tpl_iter_new(Tpl *t, bool (*next)(Tpl *, Iter *, Val *), Val src)
{
	Iter *it = TPL_NEW(t, Iter);

	if (it)
		*it = (Iter){.next = next, .src = src};
	return it;
}

/* Each item costs a step, so endless iterators end. */
bool
tpl_next(Tpl *t, Iter *it, Val *out)
{
	return tpl_work(t, 1) && it->next(t, it, out);
}

/* i counts bytes here. */
static bool
next_char(Tpl *t, Iter *it, Val *out)
{
	const Str *s = it->src.s;
	size_t n;

	if (it->i >= s->n)
		return false;
	tpl_code(s->p + it->i, &n);
	it->i += n;
	return tpl_part(t, s, s->p + it->i - n, n, out);
}

/* The length is asked each time: pop() in a loop shortens the list. */
static bool
next_item(Tpl *t, Iter *it, Val *out)
{
	(void)t;
	if (it->i >= it->src.q->n)
		return false;
	*out = it->src.q->v[it->i++];
	return true;
}

/* Unsigned, as the distance of two 64-bit numbers may need all bits. */
static Val
range_at(const Range *r, size_t i)
{
	return V_INT((int64_t)((uint64_t)r->start + i * (uint64_t)r->step));
}

static bool
next_number(Tpl *t, Iter *it, Val *out)
{
	(void)t;
	if (it->i >= (size_t)it->src.r->n)
		return false;
	*out = range_at(it->src.r, it->i++);
	return true;
}

/* Pairs are made as they are reached. */
static bool
next_pair(Tpl *t, Iter *it, Val *out)
{
	const View *v = it->src.view;
	const Pair *p = tpl_map_at(v->m, it->i++);

	if (!p)
		return false;
	if (v->part == ITEMS)
		return tpl_pair(t, p->key, p->val, out);
	*out = v->part == KEYS ? p->key : p->val;
	return true;
}

static bool
next_key(Tpl *t, Iter *it, Val *out)
{
	const Pair *p = tpl_map_at(it->src.m, it->i++);

	(void)t;
	if (p)
		*out = p->key;
	return p != NULL;
}

static bool
next_none(Tpl *t, Iter *it, Val *out)
{
	(void)t, (void)it, (void)out;
	return false;
}

/* By kind; NULL: cannot be iterated. */
static bool (*const nexts[])(Tpl *, Iter *, Val *) = {
	[K_UNDEF] = next_none,   [K_STR] = next_char,  [K_LIST] = next_item,
	[K_TUPLE] = next_item,   [K_DICT] = next_key,  [K_VIEW] = next_pair,
	[K_RANGE] = next_number, [K_ITER] = next_none, [K_JOINER] = NULL,
};

bool
tpl_can_iter(Val v)
{
	return nexts[v.kind] != NULL;
}

/* An iterator is its own iterator: two loops over one share what is left. */
bool
tpl_iter(Tpl *t, Val v, Iter **out)
{
	if (!tpl_can_iter(v))
		return tpl_fail(t, "'%s' object is not iterable", tpl_type(v));
	if (v.kind == K_ITER)
		*out = v.it;
	else
		*out = tpl_iter_new(t, nexts[v.kind], v);
	return *out != NULL;
}

/* Always a new list, which the caller may change. */
bool
tpl_list(Tpl *t, Val src, Val *out)
{
	Iter *it;
	Val v;

	if (!tpl_iter(t, src, &it) || !tpl_seq(t, K_LIST, out))
		return false;
	while (tpl_next(t, it, &v))
		if (!tpl_push(t, out->q, v))
			return false;
	return tpl_ok(t);
}

static bool
next_back(Tpl *t, Iter *it, Val *out)
{
	(void)t;
	if (!it->i)
		return false;
	*out = it->src.q->v[--it->i];
	return true;
}

/* Python reverses sequences only; taking the items first serves dicts and
 * iterators as well. */
bool
tpl_reversed(Tpl *t, Val v, Val *out)
{
	Iter *it;

	if (!tpl_list(t, v, &v) || !(it = tpl_iter_new(t, next_back, v)))
		return false;
	it->i = v.q->n;
	*out = (Val){.kind = K_ITER, .it = it};
	return true;
}

bool
tpl_at_index(Tpl *t, Val v, size_t i, Val *out)
{
	size_t at, n;

	switch (v.kind) {
	case K_STR:
		if (!tpl_work(t, v.s->n == v.s->len ? 1 : i))
			return false;
		at = tpl_offset(v.s, i);
		tpl_code(v.s->p + at, &n);
		return tpl_part(t, v.s, v.s->p + at, n, out);
	case K_RANGE:
		*out = range_at(v.r, i);
		return true;
	default:
		*out = v.q->v[i];
		return true;
	}
}

/* One bound of a slice: where it is left out, none; else within low..high. */
static bool
bound(Tpl *t, Val v, int64_t len, int64_t none, int64_t low, int64_t high,
      int64_t *out)
{
	*out = none;
	if (v.kind == K_NONE)
		return true;
	if (!tpl_as_int(v, out))
		return tpl_fail(t, "slice indices must be integers or None");
	if (*out < 0)
		*out = *out < -len ? low : *out + len;
	*out = MAX(MIN(*out, high), low);
	return true;
}

/* Every step-th character of a part of s. */
static bool
pick(Tpl *t, const Str *s, int64_t from, int64_t step, int64_t n, Val *out)
{
	Buf *b = tpl_buf(t);
	Val ch;

	if (!b || !tpl_room(t, (size_t)n))
		return false;
	for (int64_t i = 0; i < n; i++) {
		if (!tpl_at_index(t, (Val){.kind = K_STR, .s = s},
		                  (size_t)(from + i * step), &ch))
			return false;
		buf_add(b, ch.s->p, ch.s->n);
	}
	return tpl_take(t, b, out);
}

static bool
range_slice(Tpl *t, const Range *r, int64_t from, int64_t to, int64_t step,
            int64_t n, Val *out)
{
	Range *own = TPL_NEW(t, Range);

	if (!own)
		return false;
	own->start = range_at(r, (size_t)from).i;
	own->stop = range_at(r, (size_t)to).i;
	own->step = (int64_t)((uint64_t)r->step * (uint64_t)step);
	own->n = n;
	*out = (Val){.kind = K_RANGE, .r = own};
	return true;
}

/* n items of v from one on, step apart. */
static bool
sliced(Tpl *t, Val v, int64_t from, int64_t step, int64_t n, Val *out)
{
	size_t at, end;
	Val item;

	if (v.kind == K_STR && step == 1) {
		at = tpl_offset(v.s, (size_t)from);
		end = tpl_offset(v.s, (size_t)(from + n));
		return tpl_work(t, end) &&
		       tpl_part(t, v.s, v.s->p + at, end - at, out);
	}
	if (v.kind == K_STR)
		return pick(t, v.s, from, step, n, out);
	if (!tpl_seq(t, v.kind, out))
		return false;
	for (int64_t i = 0; i < n; i++)
		if (!tpl_at_index(t, v, (size_t)(from + i * step), &item) ||
		    !tpl_work(t, 1) || !tpl_push(t, out->q, item))
			return false;
	return true;
}

/* Bounds are clipped, never an error; with a negative step they are those of
 * walking back, and -1 stands for before the first. */
bool
tpl_slice(Tpl *t, Val v, Val from, Val to, Val step, Val *out)
{
	int64_t by = 1, a, b, n = 0, len;
	size_t size;

	if (v.kind == K_UNDEF)
		return tpl_undef_error(t, v.u);
	if (v.kind == K_DICT)
		return tpl_fail(t, "unhashable type: 'slice'");
	if (v.kind != K_STR && v.kind != K_LIST && v.kind != K_TUPLE &&
	    v.kind != K_RANGE)
		return tpl_fail(t, "'%s' object is not subscriptable",
		                tpl_type(v));
	if (step.kind != K_NONE && !tpl_as_int(step, &by))
		return tpl_fail(t, "slice indices must be integers or None");
	if (!by)
		return tpl_fail(t, "slice step cannot be zero");
	tpl_length(v, &size);
	len = (int64_t)size;
	/* Steps over the whole length are all the same. */
	by = MAX(MIN(by, len + 1), -len - 1);
	if (by > 0) {
		if (!bound(t, from, len, 0, 0, len, &a) ||
		    !bound(t, to, len, len, 0, len, &b))
			return false;
		n = a < b ? (b - a + by - 1) / by : 0;
	} else {
		if (!bound(t, from, len, len - 1, -1, len - 1, &a) ||
		    !bound(t, to, len, -1, -1, len - 1, &b))
			return false;
		n = a > b ? (a - b - by - 1) / -by : 0;
	}
	if (v.kind == K_RANGE)
		return range_slice(t, v.r, a, b, by, n, out);
	return sliced(t, v, n ? a : 0, by, n, out);
}
