/* SPDX-License-Identifier: BSD-3-Clause
 * sampler-check - the sampler of a graph against its definition in plain C
 *
 *	sampler-check PLAIN SAMPLER SEED
 *
 * Two packages for the host of one model, without and with a sampler, made
 * alike.  Both run prompts, chunks of prompts and steps with ids by chance;
 * from the logits of the first follow the tokens and probabilities that the
 * second should give, by parameters by chance.  Buffers are rows of sets.
 * A target gives several tokens a row; parameters are the row's. */

#include <math.h>
#include <stdlib.h>

#include "host.h"

enum { SLOTS = 8, ROUNDS = 60, ROOM = 48, CTX = 64 };

typedef struct Check {
	HostModel *m[2];
	uint64_t chance;
	int64_t vocab;
	bool *prompt, *output; /* [SLOTS, vocab] tokens seen */
	int64_t fed[SLOTS];    /* positions that are taken */
	int32_t *order;
	float *p, *want;
	int compared, probs, drawn;
} Check;

/* [0, 1) */
static double
chance(Check *t)
{
	t->chance = t->chance * 6364136223846793005u + 1442695040888963407u;
	return (double)(t->chance >> 11) * 0x1p-53;
}

static double
between(Check *t, double from, double to)
{
	return from + (to - from) * chance(t);
}

static void *
data(Check *t, int which, int k, const char *name)
{
	HostIO *io = host_io(host_program(t->m[which], k), name);

	return io ? io->data : NULL;
}

static int64_t
dim(Check *t, int k, const char *name, int axis)
{
	return host_io(host_program(t->m[1], k), name)->shape.dim[axis];
}

/* Tokens that a row of a program is given more of than it chooses are a
 * prompt's. */
static bool
is_prompt(Check *t, int k)
{
	return dim(t, k, "input_ids", 1) > dim(t, k, "next_tokens", 1);
}

/* A parameter of each row: the neutral value one time in four. */
static void
fill(Check *t, int k, const char *name, double neutral, double from, double to)
{
	float *x = data(t, 1, k, name);
	int64_t n = dim(t, k, name, 0) * dim(t, k, name, 1);

	for (int64_t i = 0; i < n; i++)
		x[i] = chance(t) < 0.25 ? (float)neutral
		                        : (float)between(t, from, to);
}

static void
parameters(Check *t, int k)
{
	int64_t rows = dim(t, k, "input_ids", 0),
		m = dim(t, k, "random_numbers", 1);
	int32_t *top = data(t, 1, k, "top_ks");
	bool *allowed = data(t, 1, k, "token_bitmasks");

	fill(t, k, "repetition_penalties", 1, 0.5, 2);
	fill(t, k, "presence_penalties", 0, -1, 2);
	fill(t, k, "temperatures", 0, 0.2, 2);
	fill(t, k, "top_ps", 1, 0.05, 1);
	fill(t, k, "min_ps", 0, 0, 0.9);
	fill(t, k, "random_numbers", 0.5, 0.0001, 0.9999);
	for (int64_t b = 0; b < rows; b++)
		top[b] = (int32_t)between(t, 1, (double)m * 1.5);
	for (int64_t i = 0; allowed && i < rows * t->vocab; i++)
		allowed[i] = chance(t) < 0.5;
}

static int64_t
slot_of(Check *t, int k, int64_t row)
{
	int64_t *index = data(t, 1, k, "batch_index");

	return index ? index[row] : row;
}

/* The next tokens of a row; what they do to what was seen. */
static void
feed_row(Check *t, int k, int64_t row, int64_t slot)
{
	int64_t len = dim(t, k, "input_ids", 1), n, at = t->fed[slot], id,
		*accepted = data(t, 1, k, "last_accepted_output_tokens");
	bool prompt = is_prompt(t, k);

	n = (int64_t)between(t, 1, (double)len + 1);
	if (prompt && (at > ROOM || chance(t) < 0.5))
		at = 0;
	if (prompt && !at)
		memset(t->prompt + slot * t->vocab, 0, (size_t)t->vocab);
	if (!prompt && (!at || at + n > CTX))
		n = 0; /* nothing before it, no room: a row at rest */
	if (prompt)
		memset(t->output + slot * t->vocab, 0, (size_t)t->vocab);
	for (int64_t i = 0; i < len; i++) {
		int64_t j = row * len + i;

		id = (int64_t)between(t, 0, (double)t->vocab);
		accepted[j] = (int64_t)between(t, 0, (double)t->vocab);
		for (int w = 0; w < 2; w++) {
			((int64_t *)data(t, w, k, "input_ids"))[j] = id;
			((int64_t *)data(t, w, k, "position_ids"))[j] =
				i < n ? at + i : -1;
		}
		if (i < n)
			t->prompt[slot * t->vocab +
			          (prompt ? id : accepted[j])] = true;
		if (i < n && !prompt)
			t->output[slot * t->vocab + accepted[j]] = true;
	}
	t->fed[slot] = n ? at + n : t->fed[slot];
}

static void
feed(Check *t, int k)
{
	int64_t rows = dim(t, k, "input_ids", 0), slots = 0;

	for (int i = 0; i < host_count(t->m[1]); i++)
		slots = MAX(slots, dim(t, i, "input_ids", 0));
	for (int64_t row = 0; row < rows; row++) {
		int64_t slot = rows == slots
		                       ? row
		                       : (int64_t)between(t, 0, (double)slots);

		for (int w = 0; w < 2; w++) {
			int64_t *index = data(t, w, k, "batch_index");

			if (index)
				index[row] = slot;
		}
		feed_row(t, k, row, slot);
	}
}

/* ---- the definition ---- */

static const float *sort_by;

/* ascending; of equals the one with the lower number is larger */
static int
by_value(const void *a, const void *b)
{
	int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;

	if (sort_by[i] != sort_by[j])
		return sort_by[i] < sort_by[j] ? -1 : 1;
	return i < j ? 1 : -1;
}

static void
softmax(float *p, const float *x, int64_t n)
{
	double sum = 0, top = (double)x[0];

	for (int64_t i = 1; i < n; i++)
		top = fmax(top, (double)x[i]);
	for (int64_t i = 0; i < n; i++)
		sum += exp((double)x[i] - top);
	for (int64_t i = 0; i < n; i++)
		p[i] = (float)(exp((double)x[i] - top) / sum);
}

static void
penalise(Check *t, int k, int64_t row, float *x)
{
	const bool *allowed = data(t, 1, k, "token_bitmasks");
	float rep = ((float *)data(t, 1, k, "repetition_penalties"))[row],
	      pres = ((float *)data(t, 1, k, "presence_penalties"))[row];
	int64_t slot = slot_of(t, k, row);

	for (int64_t i = 0; i < t->vocab; i++) {
		if (allowed && !allowed[row * t->vocab + i])
			x[i] = -65504;
		if (t->prompt[slot * t->vocab + i])
			x[i] = x[i] > 0 ? x[i] / rep : x[i] * rep;
		if (t->output[slot * t->vocab + i])
			x[i] -= pres;
	}
}

/* Masks in y [m], which ascends, what is left out. */
static void
cut(Check *t, int k, int64_t row, float *y, int64_t m)
{
	int64_t top = ((int32_t *)data(t, 1, k, "top_ks"))[row];
	double sum = 0,
	       rest = 1 - (double)((float *)data(t, 1, k, "top_ps"))[row],
	       min = (double)((float *)data(t, 1, k, "min_ps"))[row];

	for (int64_t i = 0; i < m - top; i++)
		y[i] = -65504;
	softmax(t->p, y, m);
	for (int64_t i = 0; i < m; i++) {
		sum += (double)t->p[i];
		if ((sum <= rest && i < m - 1) ||
		    (double)t->p[i] < min * (double)t->p[m - 1])
			y[i] = -65504;
	}
}

/* The token of a row; the probabilities of all are left in t->want. */
static int32_t
choose(Check *t, int k, int64_t row, float *x, float *y)
{
	int64_t m = dim(t, k, "random_numbers", 1), n = t->vocab, best = 0;
	const float *u = (float *)data(t, 1, k, "random_numbers") + row * m;
	float temp = ((float *)data(t, 1, k, "temperatures"))[row];

	penalise(t, k, row, x);
	for (int64_t i = 0; i < n; i++)
		t->order[i] = (int32_t)i;
	sort_by = x;
	qsort(t->order, (size_t)n, sizeof *t->order, by_value);
	for (int64_t i = 0; i < m; i++)
		y[i] = x[t->order[n - m + i]] / (temp > 0 ? temp : 1);
	cut(t, k, row, y, m);
	for (int64_t i = 0; i < n; i++)
		t->want[i] = -65504;
	for (int64_t i = 0; i < m; i++) {
		t->want[t->order[n - m + i]] = y[i];
		y[i] -= logf(-logf(u[i]));
		best = y[i] > y[best] ? i : best;
	}
	softmax(t->want, t->want, n);
	t->drawn += temp > 0 && t->order[n - m + best] != t->order[n - 1];
	return t->order[temp > 0 ? n - m + best : n - 1];
}

static bool
differs(const char *what, int64_t row, double got, double want)
{
	fprintf(stderr, "row %lld: %s %.9g, wanted %.9g\n", (long long)row,
	        what, got, want);
	return false;
}

/* The token that is number `at` of all; x are its logits. */
static bool
compare(Check *t, int k, int64_t row, int64_t at, float *x, float *y)
{
	const float *probs = data(t, 1, k, "probs");
	int64_t got = ((int64_t *)data(t, 1, k, "next_tokens"))[at];
	int32_t want = choose(t, k, row, x, y);

	for (int64_t i = 0; probs && i < t->vocab; i++) {
		double p = (double)probs[at * t->vocab + i];

		if (!(fabs(p - (double)t->want[i]) < 1e-4))
			return differs("a probability of", row, p,
			               (double)t->want[i]);
	}
	t->compared++;
	t->probs += probs != NULL;
	return got == want || differs("token", row, (double)got, want);
}

static bool
round_of(Ctx *c, Arena *a, Check *t)
{
	int k = chance(t) < 0.3 ? 0 : host_count(t->m[1]) - 1;
	int64_t rows = dim(t, k, "input_ids", 0),
		len = dim(t, k, "input_ids", 1),
		kept = dim(t, k, "next_tokens", 1);
	const int64_t *pos = data(t, 1, k, "position_ids");
	float *x = NEWV(a, float, t->vocab), *y = NEWV(a, float, t->vocab);

	feed(t, k);
	parameters(t, k);
	if (!host_run(c, host_program(t->m[0], k)) ||
	    !host_run(c, host_program(t->m[1], k)))
		return false;
	for (int64_t at = 0; at < rows * kept; at++) {
		int64_t row = at / kept;

		memcpy(x, (float *)data(t, 0, k, "logits") + at * t->vocab,
		       (size_t)t->vocab * sizeof *x);
		if (pos[row * len + at % kept] >= 0 &&
		    !compare(t, k, row, at, x, y))
			return false;
	}
	return true;
}

static bool
check(Ctx *c, Arena *a, Check *t, char **argv)
{
	for (int i = 0; i < 2; i++) {
		Qpc *q = qpc_open(c, a, argv[1 + i], false);

		if (!q || !(t->m[i] = host_open(c, a, q, 1, NULL)))
			return false;
	}
	t->chance = strtoull(argv[3], NULL, 10);
	t->vocab = host_io(host_program(t->m[0], 0), "logits")->shape.dim[2];
	t->prompt = NEWV(a, bool, SLOTS * t->vocab);
	t->output = NEWV(a, bool, SLOTS * t->vocab);
	t->order = NEWV(a, int32_t, t->vocab);
	t->p = NEWV(a, float, t->vocab);
	t->want = NEWV(a, float, t->vocab);
	for (int i = 0; i < ROUNDS; i++)
		if (!round_of(c, a, t)) {
			fprintf(stderr, "in call %d\n", i);
			return false;
		}
	printf("%d tokens, %d with probabilities, %d not the best\n",
	       t->compared, t->probs, t->drawn);
	return t->compared > 0 && t->drawn > 0;
}

int
main(int argc, char **argv)
{
	Ctx c = {.tool = "sampler-check"};
	Arena a = {0};
	Check t = {0};
	bool ok = argc == 4 && check(&c, &a, &t, argv);

	if (c.status)
		fprintf(stderr, "sampler-check: %s\n", c.msg);
	arena_free(&a);
	arena_free(&c.mem);
	return !ok;
}
