/* SPDX-License-Identifier: BSD-3-Clause
 * ccl.c - compute context lengths: over how much of the cache a step goes.
 *
 * Without lists they double from a start that depends on the cache's length.
 * The compiler wants no length in both lists, so one that collides is
 * lowered among the prompt's.
 * Source: QEfficient ebf55e81, QEfficient/utils/check_ccl_specializations.py
 * and the CCL_ constants of QEfficient/utils/constants.py. */

#include <stdlib.h>

#include "contract.h"

enum { MAXLIST = 64, MADE = 5, START = 4096, LEAST = 1024, STEP = 32 };

typedef struct List {
	int64_t v[MAXLIST];
	int n;
} List;

static void
add(List *l, int64_t v)
{
	if (l->n < MAXLIST)
		l->v[l->n++] = v;
}

static bool
has(const List *l, int64_t v)
{
	for (int i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return true;
	return false;
}

static int
ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool
parse(Ctx *c, Arena *a, const char *opt, const char *text, List *out)
{
	char **word = str_split(a, text ? text : "", ',');
	int64_t v;

	out->n = 0;
	for (; *word; word++) {
		if (!str_int(*word, &v) || v < 1 || v > 1 << 26)
			return fail(c, QE_USAGE, "--%s '%s': not a length", opt,
			            *word);
		if (out->n == MAXLIST)
			return fail(c, QE_USAGE, "--%s: over %d lengths", opt,
			            MAXLIST);
		add(out, v);
	}
	return true;
}

/* start, 2 start, ... up to limit, at most max of them; last 0: as it comes,
 * else what the list is to end with. */
static void
doubling(List *l, int64_t start, int64_t limit, int max, int64_t last)
{
	l->n = 0;
	for (int64_t v = start; v <= limit && l->n < max; v *= 2)
		add(l, v);
	if (!last || !l->n || l->v[l->n - 1] == last)
		return;
	if (l->n < max)
		add(l, last);
	else
		l->v[l->n - 1] = last;
}

static void
make_up(List *prefill, List *decode, int64_t ctx, int64_t prompt_len)
{
	int64_t at = ctx <= 32768 ? 4096 : ctx <= 65536 ? 8192 : 16384;
	int64_t from = ctx <= 32768 ? 4000 : ctx <= 65536 ? 8000 : 16000;

	prefill->n = decode->n = 0;
	if (ctx <= START) {
		add(prefill, ctx);
		add(decode, ctx);
	} else if (prompt_len == 1) {
		doubling(prefill, START, ctx, 2 * MADE, ctx);
		*decode = *prefill;
	} else {
		doubling(decode, at, ctx, MADE, ctx);
		doubling(prefill, from, ctx, MADE,
		         ctx & (ctx - 1) ? ctx / 1000 * 1000 : 0);
		prefill->v[prefill->n - 1] = ctx;
	}
}

/* At least `least`, the last at least ctx, none over ctx, ascending, once. */
static void
tidy(List *l, int64_t ctx, int64_t least)
{
	List in = *l;

	if (!in.n)
		return;
	for (int i = 0; i < in.n; i++)
		in.v[i] = MAX(in.v[i], least);
	if (in.v[in.n - 1] < ctx)
		add(&in, ctx);
	l->n = 0;
	for (int i = 0; i < in.n; i++)
		if (!has(l, MIN(in.v[i], ctx)))
			add(l, MIN(in.v[i], ctx));
	qsort(l->v, (size_t)l->n, sizeof *l->v, ascending);
}

/* Takes what decode has out of prefill's way. */
static void
part(List *prefill, const List *decode)
{
	List in = *prefill;

	prefill->n = 0;
	for (int i = 0; i < in.n; i++) {
		int64_t v = in.v[i];

		while (v >= 0 && (has(decode, v) || has(prefill, v)))
			v = v > 0 ? (v - 1) / STEP * STEP : -1;
		if (v >= 0)
			add(prefill, v);
	}
	qsort(prefill->v, (size_t)prefill->n, sizeof *prefill->v, ascending);
}

static void
check(List *prefill, List *decode, int64_t ctx, int64_t prompt_len)
{
	tidy(prefill, ctx, LEAST);
	tidy(decode, ctx, LEAST);
	if (prompt_len == 1) {
		for (int i = 0; i < decode->n; i++)
			if (!has(prefill, decode->v[i]))
				add(prefill, decode->v[i]);
		qsort(prefill->v, (size_t)prefill->n, sizeof *prefill->v,
		      ascending);
		*decode = *prefill;
	} else if (decode->n) {
		part(prefill, decode);
	}
}

bool
ccl_lists(Ctx *c, Arena *a, const char *prefill, const char *decode,
          int64_t ctx_len, int64_t prompt_len, bool plain, Ccl *out)
{
	List p, d;

	if (!parse(c, a, "comp-ctx-lengths-prefill", prefill, &p) ||
	    !parse(c, a, "comp-ctx-lengths-decode", decode, &d))
		return false;
	out->ctx_len = ctx_len;
	if (!plain && !p.n && !d.n) {
		out->ctx_len = (ctx_len + LEAST - 1) / LEAST * LEAST;
		make_up(&p, &d, out->ctx_len, prompt_len);
	}
	if (!p.n)
		add(&p, ctx_len);
	if (!d.n)
		add(&d, ctx_len);
	if (plain) {
		tidy(&p, ctx_len, 1);
		tidy(&d, ctx_len, 1);
	} else {
		check(&p, &d, out->ctx_len, prompt_len);
	}
	out->nprefill = p.n;
	out->ndecode = d.n;
	out->prefill = arena_copy(a, p.v, sizeof p.v);
	out->decode = arena_copy(a, d.v, sizeof d.v);
	return true;
}
