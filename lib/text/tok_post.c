/* SPDX-License-Identifier: BSD-3-Clause
 * tok_post.c - what happens to ids: truncation, special tokens, padding.
 *
 * Post-processors work on a list of parts: one or two texts at first, the
 * slices of a template after it; the result is all parts in a row. */

#include "tok.h"

/* The parts between two post-processors. */
typedef struct Post {
	Ctx *c;
	Arena *a;
	const Tokenizer *t;
	bool special;
	Part *part;
	size_t n;
} Post;

typedef bool PostFn(Post *, const Step *);
#define POST(type, parse, run) static PostFn run;
#include "steps.def"

static void
cut_part(const Meta *m, Part *p, size_t n)
{
	size_t skip = m->trunc_left && n ? p->n - n : 0;

	p->id += skip;
	p->type += skip;
	p->n = n;
}

static bool
shorten(Ctx *c, const Meta *m, Part *p, size_t n)
{
	if (n >= p->n)
		return true;
	if (n && m->trunc_stride >= n)
		return fail(c, QE_INPUT, "truncation to %zu ids, stride %u", n,
		            m->trunc_stride);
	cut_part(m, p, n);
	return true;
}

/* Of two texts the longer loses first, then both to halves. */
static bool
shorten_longest(Ctx *c, const Meta *m, Part *p, size_t np, size_t max)
{
	size_t shorter, longer, n[2];
	bool swap;

	if (np == 1)
		return shorten(c, m, p, max);
	swap = p[0].n > p[1].n;
	shorter = MIN(p[0].n, p[1].n);
	longer = shorter > max ? shorter : MAX(shorter, max - shorter);
	if (shorter + longer > max) {
		shorter = max / 2;
		longer = shorter + max % 2;
	}
	n[swap] = shorter;
	n[!swap] = longer;
	return shorten(c, m, &p[0], n[0]) && shorten(c, m, &p[1], n[1]);
}

static bool
shorten_one(Ctx *c, const Meta *m, Part *p, size_t np, size_t drop)
{
	size_t i = m->trunc_way == TRUNC_SECOND;

	if (i == np)
		return fail(c, QE_INPUT,
		            "truncation of the second text, and there is none");
	if (p[i].n <= drop)
		return fail(c, QE_INPUT,
		            "truncation by %zu ids of a text of %zu", drop,
		            p[i].n);
	return shorten(c, m, &p[i], p[i].n - drop);
}

static size_t
count_special(const Tokenizer *t, Ref r)
{
	size_t n = 0;

	for (size_t i = 0; i < r.n; i++)
		n += t->SLICE[r.off + i].id >= 0;
	return n;
}

/* How many ids the post-processors add. */
static size_t
added_ids(const Post *o)
{
	const uint32_t *at = o->t->meta->phase;
	size_t n = 0;

	if (!o->special)
		return 0;
	for (size_t i = at[PHASE_POST]; i < at[PHASE_POST + 1]; i++) {
		const Step *s = o->t->STEP + i;

		if (s->kind == POST_TemplateProcessing)
			n += count_special(o->t, o->n == 2 ? s->b : s->a);
		else if (s->kind == POST_BertProcessing)
			n += o->n == 2 ? 3 : 2;
		else if (s->kind == POST_RobertaProcessing)
			n += o->n == 2 ? 4 : 2;
	}
	return n;
}

static bool
truncate_all(Post *o)
{
	const Meta *m = o->t->meta;
	size_t add = added_ids(o), max = m->trunc_max, total = o->part[0].n;

	if (!m->trunc)
		return true;
	/* the difference wraps in the reference: it does not truncate then */
	if (add > max)
		return true;
	max -= add;
	if (o->n == 2)
		total += o->part[1].n;
	if (total <= max && max > 0)
		return true;
	if (max == 0) {
		for (size_t i = 0; i < o->n; i++)
			cut_part(m, &o->part[i], 0);
		return true;
	}
	if (m->trunc_way == TRUNC_LONGEST)
		return shorten_longest(o->c, m, o->part, o->n, max);
	return shorten_one(o->c, m, o->part, o->n, total - max);
}

static bool
post_nothing(Post *o, const Step *s)
{
	(void)o;
	(void)s;
	return true;
}

/* left and right around a part; left < 0: none. */
static void
around(Post *o, Part *p, int64_t left, int64_t right, uint8_t type)
{
	size_t skip = left >= 0;
	int32_t *id = NEWV(o->a, int32_t, p->n + 2);
	uint8_t *ty = NEWV(o->a, uint8_t, p->n + 2);

	if (skip) {
		id[0] = (int32_t)left;
		ty[0] = type;
	}
	if (p->n) {
		memcpy(id + skip, p->id, p->n * sizeof *id);
		memcpy(ty + skip, p->type, p->n);
	}
	id[skip + p->n] = (int32_t)right;
	ty[skip + p->n] = type;
	*p = (Part){id, ty, p->n + 1 + skip};
}

/* num: the token in front, more: the one behind */
static bool
post_bert(Post *o, const Step *s)
{
	for (size_t i = 0; i < o->n && o->special; i++)
		around(o, &o->part[i], i ? -1 : (int64_t)s->num, s->more,
		       i ? 1 : 0);
	return true;
}

static bool
post_roberta(Post *o, const Step *s)
{
	for (size_t i = 0; i < o->n; i++)
		memset(o->part[i].type, 0, o->part[i].n);
	for (size_t i = 0; i < o->n && o->special; i++)
		around(o, &o->part[i], i ? s->more : s->num, s->more, 0);
	return true;
}

static bool
post_template(Post *o, const Step *s)
{
	Ref r = o->n == 2 ? s->b : s->a;
	Part *out = NEWV(o->a, Part, r.n), *p;
	size_t n = 0;

	if (o->n > 2)
		return fail(o->c, QE_INPUT, "a template after a template");
	for (size_t i = 0; i < r.n; i++) {
		const Slice *k = o->t->SLICE + r.off + i;

		p = &out[n];
		if (k->id >= 0) {
			if (!o->special)
				continue;
			p->id = &k->id;
			p->n = 1;
		} else if (k->id == SLICE_B && o->n < 2) {
			return fail(o->c, QE_INPUT,
			            "a template wants a second text");
		} else {
			*p = o->part[k->id == SLICE_B];
		}
		p->type = NEWV(o->a, uint8_t, p->n);
		memset(p->type, (int)k->type, p->n);
		n++;
	}
	o->part = out;
	o->n = n;
	return true;
}

static PostFn *const run_of[] = {
#define POST(type, parse, run) run,
#include "steps.def"
};

static size_t
padded(const Meta *m, size_t n)
{
	size_t to = m->pad_to ? m->pad_to : n;

	if (!m->pad)
		return n;
	if (m->pad_multiple && to % m->pad_multiple)
		to += m->pad_multiple - to % m->pad_multiple;
	return MAX(to, n);
}

static void
join(const Post *o, Ids *out)
{
	const Meta *m = o->t->meta;
	size_t n = 0, room, at;

	for (size_t i = 0; i < o->n; i++)
		n += o->part[i].n;
	room = padded(m, n);
	out->n = room;
	out->id = NEWV(o->a, int32_t, room);
	out->type = NEWV(o->a, uint8_t, room);
	for (size_t i = 0; i < room - n; i++) {
		at = m->pad_left ? i : n + i;
		out->id[at] = (int32_t)m->pad_id;
		out->type[at] = (uint8_t)m->pad_type;
	}
	at = m->pad_left ? room - n : 0;
	for (size_t i = 0; i < o->n; at += o->part[i++].n)
		if (o->part[i].n) {
			memcpy(out->id + at, o->part[i].id,
			       o->part[i].n * sizeof *out->id);
			memcpy(out->type + at, o->part[i].type, o->part[i].n);
		}
}

bool
post_all(Ctx *c, Arena *a, const Tokenizer *t, Part *part, size_t n,
         bool special, Ids *out)
{
	Post o = {c, a, t, special, part, n};
	const uint32_t *at = t->meta->phase;

	if (!truncate_all(&o))
		return false;
	for (size_t i = at[PHASE_POST]; i < at[PHASE_POST + 1]; i++)
		if (!run_of[t->STEP[i].kind](&o, t->STEP + i))
			return false;
	join(&o, out);
	return true;
}
