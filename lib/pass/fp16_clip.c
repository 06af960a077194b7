/* SPDX-License-Identifier: BSD-3-Clause
 * fp16_clip.c - float32 constants are brought into the range of float16.
 *
 * As QEfficient's FP16ClipTransform does it: values beyond 65504 become
 * 65504, those below -65504 become -65504, but -inf stays; NaN stays; other
 * types are not looked at, and the type stays float32.  Initializers and
 * tensors of attributes, in functions and subgraphs too.
 *
 * Reads all weights, piece by piece; only a tensor that needs it is copied
 * to memory, so that it keeps its name and stays a plain initializer. */

#include <math.h>

#include "op.h"
#include "pass.h"

enum { PIECE = 1 << 20, MAXDEPTH = 32 };

static const float most = 65504;

static bool
beyond(const char *p, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		float f;

		memcpy(&f, p + i * (int64_t)sizeof f, sizeof f);
		if (f > most || (f < -most && !isinf(f)))
			return true;
	}
	return false;
}

/* Whether any value of a piece of a file is out of range. */
static bool
scan(Ctx *c, const Blob *b, bool *found)
{
	*found = false;
	for (int64_t at = 0; at < b->len && !*found; at += PIECE) {
		int64_t n = MIN(b->len - at, PIECE);
		Arena a = {0};
		Span s = {0};
		bool ok = go_on(c) &&
		          file_part(c, &a, b->src->path, b->off + at, n, &s);

		if (ok && (int64_t)s.n < n)
			ok = fail(c, QE_INPUT, "%s: is cut", b->src->path);
		*found = ok && beyond(s.p, n / (int64_t)sizeof(float));
		arena_free(&a);
		if (!ok)
			return false;
	}
	return true;
}

static bool
clip(Ctx *c, Edit *e, Graph *g, Value *v)
{
	int64_t n = shape_count(&v->shape);
	const char *from;
	float *to;
	bool found;

	if (v->type != DT_F32 || !value_is_const(v) || n < 1)
		return true;
	if (v->data.mem)
		found = beyond(v->data.mem, n);
	else if (!scan(c, &v->data, &found))
		return note(c, "constant '%s'", v->name);
	if (!found)
		return true;
	if (!(from = blob_data(c, e->g->mem, &v->data)))
		return note(c, "constant '%s'", v->name);
	to = arena_copy(g->mem, from, (size_t)n * sizeof *to);
	for (int64_t i = 0; i < n; i++) {
		if (to[i] > most)
			to[i] = most;
		if (to[i] < -most && !isinf(to[i]))
			to[i] = -most;
	}
	v->data = (Blob){.mem = to, .len = n * (int64_t)sizeof *to};
	e->changes++;
	return true;
}

static bool clip_graph(Ctx *c, Edit *e, Graph *g, int depth);

static bool
clip_attr(Ctx *c, Edit *e, Graph *g, Attr *a, int depth)
{
	if (a->ref)
		return true;
	if (a->type == ATTR_TENSOR)
		return clip(c, e, g, a->t);
	if (a->type == ATTR_GRAPH)
		return clip_graph(c, e, a->g, depth + 1);
	for (int i = 0; a->type == ATTR_TENSORS && i < a->n; i++)
		if (!clip(c, e, g, a->tensors[i]))
			return false;
	for (int i = 0; a->type == ATTR_GRAPHS && i < a->n; i++)
		if (!clip_graph(c, e, a->graphs[i], depth + 1))
			return false;
	return true;
}

static bool
clip_graph(Ctx *c, Edit *e, Graph *g, int depth)
{
	if (depth > MAXDEPTH)
		return fail(c, QE_INPUT, "graphs nest deeper than %d",
		            MAXDEPTH);
	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value &&
		    !clip(c, e, g, g->value->item[i].value))
			return false;
	for (int i = 0; i < g->nnode; i++)
		for (int k = 0; k < g->node[i]->nattr; k++)
			if (!clip_attr(c, e, g, &g->node[i]->attr[k], depth))
				return false;
	return true;
}

bool
pass_fp16_clip(Ctx *c, Edit *e)
{
	for (int i = 0; i < e->g->nfunc; i++)
		if (!clip_graph(c, e, e->g->func[i]->body, 0))
			return note(c, "function '%s'", e->g->func[i]->name);
	return clip_graph(c, e, e->g, 0);
}
