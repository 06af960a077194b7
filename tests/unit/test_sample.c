/* SPDX-License-Identifier: BSD-3-Clause
 * Which tokens may be drawn, and how often they are, against the definition:
 * all sorted, then the first k, then the first that make up p, then those
 * that reach a part of the likeliest. */

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "run.h"

enum { VOCAB = 700, DRAWS = 4000 };

static double want[VOCAB]; /* probabilities */
static const float *sort_by;

static int
likeliest(const void *a, const void *b)
{
	int i = *(const int *)a, j = *(const int *)b;

	if (sort_by[i] != sort_by[j])
		return sort_by[i] > sort_by[j] ? -1 : 1;
	return i - j;
}

static void
define(const Sampling *s, const float *x)
{
	int order[VOCAB], n = VOCAB, k = 0;
	double sum = 0, p[VOCAB], kept = 0;

	for (int i = 0; i < VOCAB; i++)
		order[i] = i;
	sort_by = x;
	qsort(order, VOCAB, sizeof *order, likeliest);
	if (s->top_k > 0 && s->top_k < n)
		n = (int)s->top_k;
	for (int i = 0; i < n; i++)
		sum += p[i] = exp(((double)x[order[i]] - (double)x[order[0]]) /
		                  s->temp);
	memset(want, 0, sizeof want);
	for (double before = 0; k < n; before += p[k++] / sum)
		if (k && (before >= s->top_p || p[k] < s->min_p))
			break;
		else
			kept += want[order[k]] = p[k];
	for (int i = 0; i < VOCAB; i++)
		want[i] /= kept;
}

/* How many tokens can be drawn. */
static int
draw_all(const Sampling *s, const float *logits)
{
	Arena a = {0};
	Sampler *m = sampler_new(&a, s, VOCAB, 0);
	float x[VOCAB];
	int times[VOCAB] = {0}, can = 0;

	define(s, logits);
	for (int i = 0; i < DRAWS; i++) {
		memcpy(x, logits, sizeof x);
		times[sampler_next(m, x)]++;
	}
	for (int i = 0; i < VOCAB; i++) {
		double n = DRAWS * want[i];

		can += want[i] > 0;
		CHECK(want[i] > 0 || !times[i]);
		/* six deviations: once in 5e8 */
		CHECK(fabs(times[i] - n) <= 6 * sqrt(n) + 6);
	}
	arena_free(&a);
	return can;
}

/* Some alike, some far apart; chance is fixed. */
static void
fill(float *x, double spread)
{
	unsigned r = 7;

	for (int i = 0; i < VOCAB; i++) {
		r = r * 1664525 + 1013904223;
		x[i] = (float)(spread * (double)(r >> 24) / 256);
	}
}

static void
what_is_left_out_is_never_drawn(void)
{
	static const Sampling how[] = {
		{.temp = 1, .top_p = 1},
		{.temp = 0.7, .top_p = 1, .top_k = 1},
		{.temp = 1.5, .top_p = 1, .top_k = 40},
		{.temp = 1, .top_p = 0.9},
		{.temp = 1, .top_p = 0.3, .top_k = 100},
		{.temp = 1, .top_p = 1, .min_p = 0.1},
		{.temp = 2, .top_p = 0.8, .min_p = 0.2, .top_k = 90},
		{.temp = 1, .top_p = 0.000001},
		{.temp = 1, .top_p = 0},
		{.temp = 0.01, .top_p = 0.99},
	};
	static const double spreads[] = {0.1, 4, 20};
	float x[VOCAB];

	for (size_t k = 0; k < LEN(spreads); k++)
		for (size_t i = 0; i < LEN(how); i++) {
			Sampling s = how[i];

			s.repeat_penalty = 1;
			fill(x, spreads[k]);
			CHECK(draw_all(&s, x) >= 1);
		}
}

static void
infinite_logits_are_in_order(void)
{
	Sampling s = {.temp = 1, .top_p = 0.9, .repeat_penalty = 1};
	Arena a = {0};
	Sampler *m = sampler_new(&a, &s, 4, 0);

	for (int i = 0; i < 50; i++) {
		float none[] = {-INFINITY, 3, -INFINITY, NAN},
		      all[] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY},
		      best[] = {1, 2, INFINITY, 3};

		CHECK(sampler_next(m, none) == 1);
		CHECK(sampler_next(m, all) < 4);
		CHECK(sampler_next(m, best) == 2);
	}
	arena_free(&a);
}

static void
penalties_go_by_what_was_made(void)
{
	Sampling s = {.repeat_penalty = 2,
	              .presence_penalty = 1,
	              .frequency_penalty = 0.5};
	float x[] = {4, -1, 4, 0};
	Arena a = {0};
	Sampler *m = sampler_new(&a, &s, 4, 0);

	sampler_saw(m, 1);
	sampler_saw(m, 2);
	sampler_made(m, 0);
	sampler_made(m, 0);
	sampler_made(m, 3);
	sampler_next(m, x);
	CHECK(x[0] == 4 / 2 - 1 - 2 * 0.5f);
	CHECK(x[1] == -2);
	CHECK(x[2] == 2);
	CHECK(x[3] == -1 - 0.5f);
	arena_free(&a);
}

static void
random_numbers_are_inside(void)
{
	Sampling s = {.temp = 1, .repeat_penalty = 1, .seed = 3};
	Arena a = {0};
	Sampler *m = sampler_new(&a, &s, 4, 0);
	static float u[20000];
	double sum = 0;

	sampler_random(m, u, LEN(u));
	for (size_t i = 0; i < LEN(u); i++) {
		CHECK(u[i] > 0 && u[i] < 1 && isfinite(-logf(-logf(u[i]))));
		sum += (double)u[i];
	}
	CHECK(fabs(sum / LEN(u) - 0.5) < 0.01);
	arena_free(&a);
}

int
main(void)
{
	what_is_left_out_is_never_drawn();
	infinite_logits_are_in_order();
	penalties_go_by_what_was_made();
	random_numbers_are_inside();
	return check_done("sample");
}
