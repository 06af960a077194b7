/* SPDX-License-Identifier: BSD-3-Clause
 * report.c - what became of each weight: format, size, and what packing lost.
 *
 * The error of a tensor is the root of the mean square of what the kernels
 * compute with less what was given, over that of what was given. */

#include <math.h>

#include "compile.h"

/* 0 for what is stored as it is. */
static double
relative(const PackError *e)
{
	return e->norm > 0 ? sqrt(e->diff / e->norm) : e->diff > 0 ? 1 : 0;
}

static const char *
format_name(const Weight *w)
{
	return w->packed ? wformats[w->format].name : dtypes[w->type].name;
}

static int64_t
elements(const Weight *w)
{
	return w->count * w->n * w->k;
}

static double
share(const Weights *ws, const Weight *w)
{
	return ws->size ? (double)w->len / (double)ws->size : 0;
}

typedef struct Total {
	PackError error;
	int64_t bytes, elements;
} Total;

static Total
total(const Weights *ws)
{
	Total t = {.bytes = ws->size};

	for (int i = 0; i < ws->n; i++) {
		t.error.diff += ws->w[i]->error.diff;
		t.error.norm += ws->w[i]->error.norm;
		t.elements += elements(ws->w[i]);
	}
	return t;
}

Json *
weights_report(Arena *a, const Weights *ws)
{
	Json *o = json_new(a), *list = json_new_array(a);
	Total t = total(ws);

	for (int i = 0; i < ws->n; i++) {
		const Weight *w = ws->w[i];
		Json *one = json_new(a);

		json_put_str(one, "name", weights_source(w->v));
		json_put_str(one, "format", format_name(w));
		json_put_int(one, "elements", elements(w));
		json_put_int(one, "bytes", w->len);
		json_put_num(one, "share", share(ws, w));
		json_put_num(one, "relative_error", relative(&w->error));
		json_push(list, json_share(one));
	}
	json_put(o, "weights", json_share(list));
	json_put_int(o, "bytes", t.bytes);
	json_put_int(o, "elements", t.elements);
	json_put_num(o, "relative_error", relative(&t.error));
	return o;
}

void
tell_weights(Ctx *c, const Weights *ws)
{
	Total t = total(ws);

	if (!ws->measure)
		return;
	for (int i = 0; i < ws->n; i++) {
		const Weight *w = ws->w[i];

		say(c, 1, "%s: %s, error %.2e, %lld bytes, %.2f %%",
		    weights_source(w->v), format_name(w), relative(&w->error),
		    (long long)w->len, 100 * share(ws, w));
	}
	say(c, 1, "weights: error %.2e, %lld bytes, %.2f bits an element",
	    relative(&t.error), (long long)t.bytes,
	    t.elements ? 8 * (double)t.bytes / (double)t.elements : 0);
}
