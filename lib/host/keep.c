/* SPDX-License-Identifier: BSD-3-Clause
 * keep.c - layers that keep or read no more than the window they see.
 *
 * What cache.c of the model's side writes for them, recognised.  A kernel
 * walks keys by position whatever their slots are, and so has the bits that a
 * full cache would give. */

#include "keep.h"

/* Where(c, x, y) with c = v < 0 */
static Node *
where_padding(Value *v, const Value *pos)
{
	Node *where = made_by(v, "Where"), *less;

	less = where ? made_by(skip_views(where->in[0]), "Less") : NULL;
	return less && skip_views(less->in[0]) == pos &&
	                       const_is(less->in[1], 0)
	               ? where
	               : NULL;
}

/* The x of x op n. */
static Value *
with_int(Value *v, const char *op, int64_t *n)
{
	Node *node = made_by(skip_views(v), op);
	double d;

	if (!node || !const_number(node->in[1], &d) || d < 0 || d > INT32_MAX)
		return NULL;
	*n = (int64_t)d;
	return skip_views(node->in[0]);
}

static bool
is_newest(Value *v, const Value *pos)
{
	Node *n = made_by(skip_views(v), "ReduceMax");

	if (n)
		return skip_views(n->in[0]) == pos &&
		       attr_int(n, "keepdims", 1);
	return skip_views(v) == pos && pos->shape.rank == 2 &&
	       pos->shape.dim[1] == 1;
}

void
match_turned(Kept *k)
{
	Value *pos = with_int(k->pos, "Mod", &k->ring);

	if (pos && k->ring > 0 && !attr_int(k->pos->from, "fmod", 0))
		k->pos = pos;
	else
		k->ring = 0;
}

/* Slot 0 of the cache that k->x goes to. */
static bool
is_first_slot(const Kept *k, Value *v)
{
	Node *n = made_by(v, "Slice");

	return n && n->nin == 4 && n->in[0] == k->scatter->in[0] &&
	       const_is(n->in[1], 0) && const_is(n->in[2], 1) &&
	       const_is(n->in[3], 2);
}

void
match_turned_padded(Kept *k)
{
	Node *where = made_by(k->pos, "Where"), *x;
	Kept at = *k;
	int64_t ring = 0;
	double off;
	Value *next;

	if (!where)
		return;
	at.pos = where->in[2];
	match_turned(&at);
	next = with_int(where->in[1], "Mod", &ring);
	if (!at.ring || ring != at.ring || !next ||
	    !where_padding(k->pos, at.pos))
		return;
	next = position(next, &off);
	x = where_padding(k->x, at.pos);
	if (off != 1 || !is_newest(next, at.pos) || !x ||
	    !is_first_slot(k, x->in[1]))
		return;
	k->pos = at.pos;
	k->ring = at.ring;
	k->x = x->in[2];
}

/* hi = slot + newest / ring * ring */
static bool
is_high(Value *v, const Value *pos, int64_t ring)
{
	Node *add = made_by(skip_views(v), "Add");
	int64_t n = 0;
	Value *x;

	for (int i = 0; add && i < 2; i++) {
		x = with_int(add->in[i], "Mul", &n);
		if (!is_iota(skip_views(add->in[1 - i]), ring) || !x ||
		    n != ring)
			continue;
		x = with_int(x, "Div", &n);
		return x && n == ring && is_newest(x, pos);
	}
	return false;
}

/* Where(hi > newest, Where(hi < ring, hi, hi - ring), hi) */
bool
match_held(Value *v, const Value *pos, int64_t ring)
{
	Node *where = made_by(skip_views(v), "Where"), *more, *low, *less;
	Value *hi = where ? skip_views(where->in[2]) : NULL;
	int64_t n = 0;

	if (!hi || !is_high(hi, pos, ring))
		return false;
	more = made_by(skip_views(where->in[0]), "Greater");
	low = made_by(skip_views(where->in[1]), "Where");
	less = low ? made_by(skip_views(low->in[0]), "Less") : NULL;
	return more && skip_views(more->in[0]) == hi &&
	       is_newest(more->in[1], pos) && less &&
	       skip_views(less->in[0]) == hi &&
	       const_is(less->in[1], (double)ring) &&
	       skip_views(low->in[1]) == hi &&
	       with_int(low->in[2], "Sub", &n) == hi && n == ring;
}

/* The first position of each row. */
static bool
is_first(Value *v, const Value *pos)
{
	Node *n = made_by(skip_views(v), "Slice");

	if (!n)
		return skip_views(v) == pos && pos->shape.dim[1] == 1;
	return n->in[0] == pos && n->nin == 4 && const_is(n->in[1], 0) &&
	       const_is(n->in[2], 1) && const_is(n->in[3], 1);
}

/* slot + max(first - reach, 0) */
bool
match_near(Kept *k)
{
	Node *add = made_by(k->near, "Add");
	int64_t zero = 1;
	Value *x;

	for (int i = 0; add && i < 2; i++) {
		x = with_int(add->in[i], "Max", &zero);
		if (!is_iota(skip_views(add->in[1 - i]), k->len) || !x || zero)
			continue;
		x = with_int(x, "Sub", &k->reach);
		return x && is_first(x, k->pos) &&
		       k->len >= k->pos->shape.dim[1] + k->reach;
	}
	return false;
}
