/* SPDX-License-Identifier: BSD-3-Clause
 * template_seq.c - filters that select, map, sort and join sequences.
 *
 * Like jinja2's, those that yield items one by one (map, select, unique,
 * batch ...) give iterators: they can be walked once, have no length and are
 * always true. */

#include "template_impl.h"

#define FILTER_FN(id)                                                          \
	bool tpl_f_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)

/* ---- attributes by a path: "a.b.0" ---- */

/* Digits are an index. */
static bool
path_part(Tpl *t, Val obj, Span part, Val *out)
{
	bool number = part.n > 0 && part.n < 18;
	int64_t i = 0;
	Val key;

	for (size_t k = 0; k < part.n; k++) {
		number = number && part.p[k] >= '0' && part.p[k] <= '9';
		i = number ? i * 10 + part.p[k] - '0' : 0;
	}
	if (number)
		return tpl_get_item(t, obj, V_INT(i), out);
	return tpl_str(t, part.p, part.n, &key) &&
	       tpl_get_item(t, obj, key, out);
}

/* MISSING and None: the value itself.  other: in place of what is undefined,
 * or MISSING. */
static bool
by_path(Tpl *t, Val obj, Val path, Val other, Val *out)
{
	const char *p, *end, *dot;

	*out = obj;
	if (path.kind == K_MISSING || path.kind == K_NONE)
		return true;
	if (path.kind != K_STR)
		return tpl_get_item(t, obj, path, out);
	p = path.s->p;
	end = p + path.s->n;
	for (;; p = dot + 1) {
		dot = p < end ? memchr(p, '.', (size_t)(end - p)) : NULL;
		if (!path_part(t, *out,
		               (Span){p, (size_t)((dot ? dot : end) - p)}, out))
			return false;
		if (out->kind == K_UNDEF && other.kind != K_MISSING &&
		    other.kind != K_NONE)
			*out = other;
		if (!dot)
			return true;
	}
}

/* Strings are compared without case unless asked otherwise. */
static bool
fold(Tpl *t, bool sensitive, Val *v)
{
	return sensitive || v->kind != K_STR || tpl_lower(t, v->s, v);
}

/* What items are compared by: an attribute, strings without case. */
static bool
sort_key(Tpl *t, Val v, Val path, Val other, bool sensitive, Val *out)
{
	return by_path(t, v, path, other, out) && fold(t, sensitive, out);
}

/* ---- iterators over iterators ---- */

typedef struct Stage {
	const FnRow *row; /* NULL: the value itself */
	Args args;
	Val path, other;
	bool by_attr, reject;
} Stage;

/* Nothing is drawn yet: a filter that fails on an item fails when that item
 * is reached, if ever. */
static bool
stage(Tpl *t, bool (*next)(Tpl *, Iter *, Val *), Val self, const Stage *x,
      Val *out)
{
	Iter *it = tpl_iter_new(t, next, self);
	Stage *own = TPL_NEW(t, Stage);

	if (!it || !own || !tpl_iter(t, self, &it->from))
		return false;
	*own = *x;
	it->x = own;
	*out = (Val){.kind = K_ITER, .it = it};
	return true;
}

/* What is false, be it None, has nothing to walk. */
static bool
nothing(Tpl *t, Val self, Val *out)
{
	Val empty;

	return !tpl_truth(self) && tpl_seq(t, K_LIST, &empty) &&
	       tpl_reversed(t, empty, out);
}

static bool
next_mapped(Tpl *t, Iter *it, Val *out)
{
	const Stage *x = it->x;
	Val v;

	if (!tpl_next(t, it->from, &v))
		return false;
	return x->row ? tpl_apply(t, "filter", x->row, v, &x->args, out)
	              : by_path(t, v, x->path, x->other, out);
}

/* Without a test, what is true passes. */
static bool
next_selected(Tpl *t, Iter *it, Val *out)
{
	const Stage *x = it->x;
	Val v;

	while (tpl_next(t, it->from, out)) {
		v = *out;
		if (x->by_attr && !by_path(t, v, x->path, V_MISSING, &v))
			return false;
		if (x->row && !tpl_apply(t, "test", x->row, v, &x->args, &v))
			return false;
		if (tpl_truth(v) != x->reject)
			return true;
	}
	return false;
}

/* The row that the first argument names, and the arguments behind it. */
static bool
named(Tpl *t, const FnRow *table, const char *what, const Args *all,
      size_t from, Stage *x)
{
	x->args = *all;
	if (all->n <= from)
		return true;
	if (all->v[from].kind != K_STR)
		return tpl_fail(t, "the name of a %s is no string but '%s'",
		                what, tpl_type(all->v[from]));
	buf_clear(t->key);
	buf_add(t->key, all->v[from].s->p, all->v[from].s->n);
	if (!(x->row = tpl_row(table, t->key->p)))
		return tpl_fail(t, "no %s named '%s'", what, t->key->p);
	x->args.v += from + 1;
	x->args.n -= from + 1;
	return true;
}

/* By an attribute if that keyword comes alone, else by a filter's name. */
FILTER_FN(map)
{
	Stage x = {.path = V_MISSING, .other = V_MISSING};
	bool attribute = false;

	(void)a;
	if (nothing(t, self, out))
		return true;
	for (size_t i = 0; !all->n && i < all->nkw; i++)
		attribute |= strcmp(all->kw[i].name, "attribute") == 0;
	if (!attribute) {
		if (!all->n)
			return tpl_fail(t, "map wants the name of a filter");
		return named(t, tpl_filters, "filter", all, 0, &x) &&
		       stage(t, next_mapped, self, &x, out);
	}
	for (size_t i = 0; i < all->nkw; i++) {
		if (strcmp(all->kw[i].name, "attribute") == 0)
			x.path = all->kw[i].v;
		else if (strcmp(all->kw[i].name, "default") == 0)
			x.other = all->kw[i].v;
		else
			return tpl_fail(t, "map has no argument '%s'",
			                all->kw[i].name);
	}
	return stage(t, next_mapped, self, &x, out);
}

static bool
select(Tpl *t, Val self, const Args *all, Stage x, Val *out)
{
	if (nothing(t, self, out))
		return true;
	if (x.by_attr && !all->n)
		return tpl_fail(t, "the name of the attribute is missing");
	if (x.by_attr)
		x.path = all->v[0];
	return named(t, tpl_tests, "test", all, x.by_attr, &x) &&
	       stage(t, next_selected, self, &x, out);
}

FILTER_FN(select)
{
	(void)a;
	return select(t, self, all, (Stage){.reject = false}, out);
}

FILTER_FN(reject)
{
	(void)a;
	return select(t, self, all, (Stage){.reject = true}, out);
}

FILTER_FN(selectattr)
{
	(void)a;
	return select(t, self, all, (Stage){.by_attr = true}, out);
}

FILTER_FN(rejectattr)
{
	(void)a;
	return select(t, self, all, (Stage){.by_attr = true, .reject = true},
	              out);
}

/* A list as an iterator. */
static bool
as_iter(Tpl *t, Val list, Val *out)
{
	*out = (Val){.kind = K_ITER};
	return tpl_iter(t, list, &out->it);
}

/* The first of those that are equal stays. */
FILTER_FN(unique)
{
	Map *seen = tpl_map(t);
	bool sensitive = tpl_truth(a[0]);
	Iter *it;
	Val v, key, old, list;

	(void)all;
	if (!seen || !tpl_iter(t, self, &it) || !tpl_seq(t, K_LIST, &list))
		return false;
	while (tpl_next(t, it, &v)) {
		if (!sort_key(t, v, a[1], V_MISSING, sensitive, &key) ||
		    !tpl_map_get(t, seen, key, &old))
			return false;
		if (old.kind == K_MISSING &&
		    (!tpl_map_set(t, seen, key, V_NONE) ||
		     !tpl_push(t, list.q, v)))
			return false;
	}
	return tpl_ok(t) && as_iter(t, list, out);
}

/* Unlike the method, it takes undefined for an empty dict. */
FILTER_FN(items)
{
	Val none;

	if (self.kind == K_UNDEF)
		return tpl_seq(t, K_LIST, &none) && as_iter(t, none, out);
	if (self.kind != K_DICT)
		return tpl_fail(t, "can only get item pairs from a mapping");
	return tpl_m_items(t, self, a, all, &self) && as_iter(t, self, out);
}

/* Rows of n; the last is filled up if there is something to fill with. */
FILTER_FN(batch)
{
	int64_t n;
	Iter *it;
	Val v, row = V_MISSING, rows;

	(void)all;
	if (!tpl_as_int(a[0], &n))
		return tpl_fail(t, "batch: the count must be an integer");
	if (!tpl_iter(t, self, &it) || !tpl_seq(t, K_LIST, &rows))
		return false;
	while (tpl_next(t, it, &v)) {
		if ((row.kind == K_MISSING || (int64_t)row.q->n == n) &&
		    (!tpl_seq(t, K_LIST, &row) || !tpl_push(t, rows.q, row)))
			return false;
		if (!tpl_push(t, row.q, v))
			return false;
	}
	if (!tpl_ok(t))
		return false;
	if (row.kind != K_MISSING && tpl_truth(V_BOOL(a[1].kind > K_NONE)))
		while ((int64_t)row.q->n < n)
			if (!tpl_push(t, row.q, a[1]) || !tpl_work(t, 1))
				return false;
	return as_iter(t, rows, out);
}

/* n columns, the first ones longer by one if it does not come out even. */
FILTER_FN(slice)
{
	int64_t n, each, longer, at = 0, len;
	Val all_items, part, parts;

	(void)all;
	if (!tpl_as_int(a[0], &n) || n == 0)
		return tpl_fail(t, "slice: the count must be a number over 0");
	if (!tpl_list(t, self, &all_items) || !tpl_seq(t, K_LIST, &parts))
		return false;
	each = (int64_t)all_items.q->n / n;
	longer = (int64_t)all_items.q->n % n;
	for (int64_t i = 0; i < n; i++) {
		if (!tpl_seq(t, K_LIST, &part) || !tpl_work(t, 1) ||
		    !tpl_push(t, parts.q, part))
			return false;
		len = each + (i < longer);
		for (; len > 0; len--)
			if (!tpl_push(t, part.q, all_items.q->v[at++]))
				return false;
		if (a[1].kind > K_NONE && i >= longer &&
		    !tpl_push(t, part.q, a[1]))
			return false;
	}
	return as_iter(t, parts, out);
}

/* ---- sorting ---- */

typedef struct Sorter {
	Val key, item;
} Sorter;

/* Merges two sorted halves; equal items keep their order, which for reverse
 * means that the left one wins a tie as well. */
static bool
merge(Tpl *t, Sorter *x, Sorter *tmp, size_t mid, size_t n, bool reverse)
{
	size_t i = 0, j = mid, k = 0;
	int order;

	memcpy(tmp, x, n * sizeof *x);
	while (i < mid && j < n) {
		if (!tpl_order(t, "<", tmp[j].key, tmp[i].key, &order))
			return false;
		x[k++] =
			(reverse ? order > 0 : order < 0) ? tmp[j++] : tmp[i++];
	}
	while (i < mid)
		x[k++] = tmp[i++];
	while (j < n)
		x[k++] = tmp[j++];
	return true;
}

/* Merge sort: stable, and failing comparisons end it where they occur. */
static bool
sort(Tpl *t, Sorter *x, Sorter *tmp, size_t n, bool reverse)
{
	size_t mid = n / 2;

	return n < 2 || (sort(t, x, tmp, mid, reverse) &&
	                 sort(t, x + mid, tmp, n - mid, reverse) &&
	                 merge(t, x, tmp, mid, n, reverse));
}

/* Sorts list by key(item); both lists have the same length. */
static bool
sort_by(Tpl *t, Seq *list, const Seq *keys, bool reverse)
{
	Sorter *x = tpl_alloc(t, list->n * sizeof *x);
	Sorter *tmp = tpl_alloc(t, list->n * sizeof *x);

	if (!x || !tmp)
		return false;
	for (size_t i = 0; i < list->n; i++)
		x[i] = (Sorter){keys->v[i], list->v[i]};
	if (!sort(t, x, tmp, list->n, reverse))
		return false;
	for (size_t i = 0; i < list->n; i++)
		list->v[i] = x[i].item;
	return true;
}

/* "a,b": several attributes, compared one after the other.  Always a list:
 * lists look whether items are equal before they order them. */
static bool
multi_key(Tpl *t, Val v, Val path, bool sensitive, Val *out)
{
	const char *p, *end, *comma;
	Val part, key;

	if (!tpl_seq(t, K_LIST, out))
		return false;
	if (path.kind != K_STR)
		return sort_key(t, v, path, V_MISSING, sensitive, &key) &&
		       tpl_push(t, out->q, key);
	p = path.s->p;
	end = p + path.s->n;
	for (;; p = comma + 1) {
		comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
		if (!tpl_part(t, path.s, p, (size_t)((comma ? comma : end) - p),
		              &part) ||
		    !sort_key(t, v, part, V_MISSING, sensitive, &key) ||
		    !tpl_push(t, out->q, key))
			return false;
		if (!comma)
			return true;
	}
}

FILTER_FN(sort)
{
	Val keys, key;

	(void)all;
	if (!tpl_list(t, self, out) || !tpl_seq(t, K_LIST, &keys))
		return false;
	for (size_t i = 0; i < out->q->n; i++)
		if (!multi_key(t, out->q->v[i], a[2], tpl_truth(a[1]), &key) ||
		    !tpl_push(t, keys.q, key))
			return false;
	return sort_by(t, out->q, keys.q, tpl_truth(a[0]));
}

/* A list of pairs. */
FILTER_FN(dictsort)
{
	bool by_value = false;
	Val keys, key;

	if (self.kind == K_UNDEF)
		return tpl_undef_error(t, self.u);
	if (self.kind != K_DICT)
		return tpl_fail(t, "dictsort wants a dict, not '%s'",
		                tpl_type(self));
	if (a[1].kind == K_STR)
		by_value = a[1].s->n == 5 && !memcmp(a[1].s->p, "value", 5);
	if (a[1].kind != K_MISSING && !by_value &&
	    !(a[1].kind == K_STR && a[1].s->n == 3 &&
	      !memcmp(a[1].s->p, "key", 3)))
		return tpl_fail(t, "dictsort sorts by 'key' or 'value'");
	if (!tpl_m_items(t, self, a, all, &self) || !tpl_list(t, self, out) ||
	    !tpl_seq(t, K_LIST, &keys))
		return false;
	for (size_t i = 0; i < out->q->n; i++) {
		key = out->q->v[i].q->v[by_value];
		if (!fold(t, tpl_truth(a[0]), &key) ||
		    !tpl_push(t, keys.q, key))
			return false;
	}
	return sort_by(t, out->q, keys.q, tpl_truth(a[2]));
}

/* Pairs of a value of the attribute and the items that have it. */
FILTER_FN(groupby)
{
	bool sensitive = tpl_truth(a[2]), same;
	Val items, keys, key, last = V_MISSING, group, list;

	(void)all;
	if (!tpl_list(t, self, &items) || !tpl_seq(t, K_LIST, &keys) ||
	    !tpl_seq(t, K_LIST, out))
		return false;
	for (size_t i = 0; i < items.q->n; i++)
		if (!sort_key(t, items.q->v[i], a[0], a[1], sensitive, &key) ||
		    !tpl_push(t, keys.q, key))
			return false;
	if (!sort_by(t, items.q, keys.q, false))
		return false;
	for (size_t i = 0; i < items.q->n; i++) {
		if (!sort_key(t, items.q->v[i], a[0], a[1], sensitive, &key))
			return false;
		same = last.kind != K_MISSING;
		if (same && !tpl_equal(t, key, last, &same))
			return false;
		if (!same) {
			if (!by_path(t, items.q->v[i], a[0], a[1], &last) ||
			    !tpl_seq(t, K_LIST, &list) ||
			    !tpl_pair(t, last, list, &group) ||
			    !tpl_push(t, out->q, group))
				return false;
			group.q->group = true;
			last = key;
		}
		if (!tpl_push(t, list.q, items.q->v[i]))
			return false;
	}
	return true;
}

/* ---- one value out of many ---- */

/* The first of several equal ones wins. */
static bool
extreme(Tpl *t, Val self, const Val *a, int sign, Val *out)
{
	Val v, key, best = V_MISSING;
	Iter *it;
	int order = sign;

	if (!tpl_iter(t, self, &it))
		return false;
	while (tpl_next(t, it, &v)) {
		if (!sort_key(t, v, a[1], V_MISSING, tpl_truth(a[0]), &key))
			return false;
		if (best.kind != K_MISSING &&
		    !tpl_order(t, sign > 0 ? ">" : "<", key, best, &order))
			return false;
		if (best.kind == K_MISSING || order * sign > 0) {
			best = key;
			*out = v;
		}
	}
	if (!tpl_ok(t))
		return false;
	return best.kind != K_MISSING ||
	       tpl_undef_why(t, "the sequence was empty", out);
}

FILTER_FN(max)
{
	(void)all;
	return extreme(t, self, a, 1, out);
}

FILTER_FN(min)
{
	(void)all;
	return extreme(t, self, a, -1, out);
}

FILTER_FN(first)
{
	Iter *it;

	(void)a, (void)all;
	if (!tpl_iter(t, self, &it))
		return false;
	if (tpl_next(t, it, out))
		return true;
	return tpl_ok(t) && tpl_undef_why(t, "the sequence was empty", out);
}

/* Needs both ends, so an iterator will not do. */
FILTER_FN(last)
{
	Val list;

	(void)a, (void)all;
	if (self.kind == K_ITER)
		return tpl_fail(t, "'generator' object is not reversible");
	if (!tpl_list(t, self, &list))
		return false;
	if (!list.q->n)
		return tpl_undef_why(t, "the sequence was empty", out);
	*out = list.q->v[list.q->n - 1];
	return true;
}

FILTER_FN(length)
{
	size_t n;

	(void)a, (void)all;
	if (!tpl_length(self, &n))
		return tpl_fail(t, "object of type '%s' has no length",
		                tpl_type(self));
	*out = V_INT((int64_t)n);
	return true;
}

FILTER_FN(list)
{
	(void)a, (void)all;
	return tpl_list(t, self, out);
}

FILTER_FN(reverse)
{
	Val none = V_NONE;

	(void)a, (void)all;
	if (self.kind == K_STR)
		return tpl_slice(t, self, none, none, V_INT(-1), out);
	return tpl_reversed(t, self, out);
}

/* Lists can be added up, if the start is one; strings are to be joined. */
FILTER_FN(sum)
{
	Iter *it;
	Val v;

	(void)all;
	*out = a[1].kind == K_MISSING ? V_INT(0) : a[1];
	if (out->kind == K_STR)
		return tpl_fail(t, "sum cannot add strings");
	if (!tpl_iter(t, self, &it))
		return false;
	while (tpl_next(t, it, &v))
		if (!by_path(t, v, a[0], V_MISSING, &v) ||
		    !tpl_add(t, *out, v, out))
			return false;
	return tpl_ok(t);
}

/* str() is taken of each item. */
FILTER_FN(join)
{
	Buf *b = tpl_buf(t);
	bool later = false;
	Val sep = a[0], v;
	Iter *it;

	(void)all;
	if (!b ||
	    (sep.kind == K_MISSING ? !tpl_strz(t, "", &sep)
	                           : !tpl_to_str(t, sep, &sep)) ||
	    !tpl_iter(t, self, &it))
		return false;
	for (; tpl_next(t, it, &v); later = true)
		if ((later && !tpl_print(t, b, sep)) ||
		    !by_path(t, v, a[1], V_MISSING, &v) || !tpl_print(t, b, v))
			return false;
	return tpl_ok(t) && tpl_take(t, b, out);
}
