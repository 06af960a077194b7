/* SPDX-License-Identifier: BSD-3-Clause
 * score.c - how likely the model finds a text it is given.
 *
 * Each token after the first is predicted from those before it, one decode
 * step a token, rows of the batch side by side.  A text longer than the cache
 * is cut into windows of the cache's length, each on its own. */

#include <math.h>

#include "run.h"

/* -log softmax(x)[id]; the largest one's share of the sum is 1 */
static double
surprise(const float *x, int64_t n, int32_t id)
{
	int64_t best = argmax(x, n);
	double sum = 1, top = (double)x[best];

	for (int64_t i = 0; i < n; i++)
		if (i != best)
			sum += exp((double)x[i] - top);
	return log(sum) + top - (double)x[id];
}

/* The batch's windows, step by step. */
static bool
score_batch(Ctx *c, Arena *a, Session *s, const Prompt *p, int n, Score *out)
{
	int32_t *id = NEWV(a, int32_t, n);
	int64_t *pos = NEWV(a, int64_t, n);
	float **logits = NEWV(a, float *, n);
	size_t longest = 0;

	for (int i = 0; i < n; i++) {
		logits[i] = NEWV(a, float, s->vocab);
		longest = MAX(longest, p[i].n);
	}
	if (!session_reset(c, s))
		return false;
	for (size_t t = 0; t + 1 < longest; t++) {
		for (int i = 0; i < n; i++) {
			bool on = t + 1 < p[i].n;

			id[i] = on ? p[i].id[t] : 0;
			pos[i] = on ? (int64_t)t : -1;
		}
		if (!session_decode(c, s, id, pos, p, n, logits))
			return false;
		for (int i = 0; i < n; i++) {
			if (pos[i] < 0)
				continue;
			out->nll +=
				surprise(logits[i], s->vocab, p[i].id[t + 1]);
			out->tokens++;
		}
	}
	return true;
}

bool
score(Ctx *c, Arena *a, Session *s, const GenRequest *req, int n, Score *out)
{
	size_t nw = 0, cap = 0, len = (size_t)s->ctx_len;
	Prompt *w = NULL;

	*out = (Score){0};
	if (s->longest_text)
		return fail(
			c, QE_INPUT,
			"a decoder beside an encoder writes about a text: it cannot score one");
	if (!s->nrunner)
		return fail(
			c, QE_INPUT,
			"the package holds no decoder: it cannot score text");
	if (s->chooser)
		return fail(
			c, QE_INPUT,
			"the package has a sampler of its own and gives no logits: it cannot score text");
	for (int i = 0; i < n; i++)
		for (size_t at = 0; at + 1 < req[i].prompt.n; at += len)
			PUSH(a, w, nw, cap,
			     ((Prompt){req[i].prompt.id + at,
			               MIN(len, req[i].prompt.n - at)}));
	for (size_t i = 0; i < nw; i += (size_t)s->batch) {
		Arena batch = {0};
		bool ok = score_batch(c, &batch, s, w + i,
		                      (int)MIN((size_t)s->batch, nw - i), out);

		arena_free(&batch);
		if (!ok)
			return false;
	}
	return out->tokens ||
	       fail(c, QE_USAGE, "nothing to score: a text needs two tokens");
}
