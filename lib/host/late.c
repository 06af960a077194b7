/* SPDX-License-Identifier: BSD-3-Clause
 * late.c - steps whose sizes are found at run time.
 *
 * A step works in an arena of its own, bounded by what is left; what it makes
 * is copied out, so that nothing stays but values still to be read. */

#include <limits.h>

#include "late.h"
#include "op.h"

typedef struct Held {
	Value *v, declared;
	Arena mem;
	int last;  /* step that reads it last */
	bool kept; /* not let go before the next run */
	bool made; /* by a step, not put in by the caller */
} Held;

struct Late {
	Arena *mem;
	size_t most;
	Held *held; /* value->mark: index + 1 */
	int n;
	size_t cap;
};

static void
free_all(void *arg)
{
	Late *l = arg;

	for (int i = 0; i < l->n; i++)
		arena_free(&l->held[i].mem);
}

Late *
late_new(Arena *a, int64_t most)
{
	Late *l = NEW(a, Late);

	l->mem = a;
	l->most = (size_t)MAX(most, 1);
	arena_defer(a, free_all, l);
	return l;
}

bool
is_late(const Value *v)
{
	return v->mark > 0;
}

void
late_value(Late *l, Value *v)
{
	if (is_late(v))
		return;
	PUSH(l->mem, l->held, l->n, l->cap,
	     ((Held){.v = v, .declared = *v, .made = v->from != NULL}));
	v->mark = l->n;
}

static Held *
held(Late *l, const Value *v)
{
	return &l->held[v->mark - 1];
}

void
late_keep(Late *l, const Value *v)
{
	held(l, v)->kept = true;
}

void
late_use(Late *l, const Value *v, int step)
{
	held(l, v)->last = MAX(held(l, v)->last, step);
}

static void
forget(Held *h)
{
	int mark = h->v->mark;

	*h->v = h->declared;
	h->v->mark = mark;
	arena_free(&h->mem);
}

void
late_begin(Late *l)
{
	for (int i = 0; i < l->n; i++)
		if (l->held[i].made)
			forget(&l->held[i]);
}

static size_t
used(const Late *l)
{
	size_t n = 0;

	for (int i = 0; i < l->n; i++)
		n += l->held[i].mem.bytes;
	return n;
}

/* The result, if there is one, into the place that was planned for it. */
static bool
put_back(Ctx *c, Value *v, const Value *planned, bool ok)
{
	Value got = *v;

	*v = *planned;
	if (!ok)
		return false;
	if (got.kind != VALUE_TENSOR || got.type != planned->type ||
	    !shape_eq(&got.shape, &planned->shape))
		return fail(c, QE_INPUT, "output '%s' is %s%s, planned as %s%s",
		            v->name, dtypes[got.type].name,
		            shape_text(&got.shape).s, dtypes[v->type].name,
		            shape_text(&v->shape).s);
	if (v->data.len)
		memmove((void *)(uintptr_t)v->data.mem, got.data.mem,
		        (size_t)v->data.len);
	return true;
}

static bool
hand_out(Ctx *c, Late *l, const LateStep *s, bool ok)
{
	for (int i = 0; i < s->node->nout; i++) {
		Value *v = s->node->out[i], got;
		Arena *mem;

		if (!v)
			continue;
		if (!is_late(v)) {
			ok = put_back(c, v, &s->planned[i], ok);
			continue;
		}
		got = *v;
		mem = &held(l, v)->mem;
		mem->most = l->most - MIN(used(l), l->most - 1);
		if (ok)
			ok = value_copy(c, mem, v, &got);
		if (!ok)
			forget(held(l, v));
	}
	return ok;
}

static void
let_go(Late *l, int step)
{
	for (int i = 0; i < l->n; i++)
		if (l->held[i].last == step && l->held[i].made &&
		    !l->held[i].kept)
			forget(&l->held[i]);
}

bool
late_run(Ctx *c, Late *l, const LateStep *s, int step)
{
	Arena tmp = {.most = l->most - MIN(used(l), l->most - 1)};
	bool ok = hand_out(c, l, s, node_eval(c, &tmp, s->node));

	arena_free(&tmp);
	let_go(l, step);
	if (!ok && c->status == QE_NOMEM)
		note(c,
		     "sized at run time, within %zu bytes (qnn-compile "
		     "--max-dynamic-bytes)",
		     l->most);
	return ok;
}
