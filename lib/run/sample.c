/* SPDX-License-Identifier: BSD-3-Clause
 * sample.c - which token comes next.
 *
 * In the order of HuggingFace's processors: repetition penalty, presence and
 * frequency penalty, temperature, top-k, top-p, min-p, then one draw.  The generator is xoshiro256** (Blackman
 * and Vigna 2018) seeded through splitmix64, so a seed gives the same text on
 * every machine. */

#include <math.h>
#include <stdlib.h>

#include "run.h"

typedef struct Candidate {
	float p; /* logit, then probability */
	int32_t id;
} Candidate;

struct Sampler {
	Sampling s;
	int64_t vocab;
	uint64_t rng[4];
	Candidate *cand;
	unsigned char *seen; /* [vocab] */
	int32_t *made;       /* [vocab] how often */
};

static uint64_t
splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t
rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

/* Uniform in [0, 1) */
static double
draw(Sampler *s)
{
	uint64_t *r = s->rng, x = rotl(r[1] * 5, 7) * 9, t = r[1] << 17;

	r[2] ^= r[0];
	r[3] ^= r[1];
	r[1] ^= r[2];
	r[0] ^= r[3];
	r[2] ^= t;
	r[3] = rotl(r[3], 45);
	return (double)(x >> 11) * 0x1p-53;
}

Sampler *
sampler_new(Arena *a, const Sampling *s, int64_t vocab, uint64_t row)
{
	Sampler *p = NEW(a, Sampler);
	uint64_t seed = s->seed + row * 0x632be59bd9b4e019u;

	p->s = *s;
	p->vocab = vocab;
	for (int i = 0; i < 4; i++)
		p->rng[i] = splitmix(&seed);
	p->seen = NEWV(a, unsigned char, vocab);
	p->made = NEWV(a, int32_t, vocab);
	p->cand = s->temp > 0 ? NEWV(a, Candidate, vocab) : NULL;
	return p;
}

void
sampler_saw(Sampler *s, int32_t id)
{
	if (id >= 0 && id < s->vocab)
		s->seen[id] = 1;
}

void
sampler_made(Sampler *s, int32_t id)
{
	sampler_saw(s, id);
	if (id >= 0 && id < s->vocab)
		s->made[id]++;
}

/* Odd multiples of 2^-24, which float32 has all of: the logarithm of one is
 * never 0, nor that of 0. */
void
sampler_random(Sampler *s, float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)(2 * floor(draw(s) * 0x1p23) + 1) * 0x1p-24f;
}

int32_t
argmax(const float *x, int64_t n)
{
	int64_t best = 0;

	for (int64_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return (int32_t)best;
}

static void
penalise(const Sampler *s, float *x)
{
	float r = (float)s->s.repeat_penalty,
	      often = (float)s->s.frequency_penalty,
	      once = (float)s->s.presence_penalty;

	for (int64_t i = 0; s->s.repeat_penalty != 1 && i < s->vocab; i++)
		if (s->seen[i])
			x[i] = x[i] < 0 ? x[i] * r : x[i] / r;
	for (int64_t i = 0; (often != 0 || once != 0) && i < s->vocab; i++)
		if (s->made[i])
			x[i] -= once + often * (float)s->made[i];
}

static int
by_p(const void *a, const void *b)
{
	const Candidate *x = a, *y = b;

	if (x->p != y->p)
		return x->p < y->p ? 1 : -1;
	return x->id < y->id ? -1 : 1;
}

/* Probabilities of the n best, in place of their logits. */
static void
softmax(Candidate *c, int64_t n, double temp)
{
	double sum = 0, top = (double)c[0].p;

	for (int64_t i = 0; i < n; i++) {
		c[i].p = (float)exp(((double)c[i].p - top) / temp);
		sum += (double)c[i].p;
	}
	for (int64_t i = 0; i < n; i++)
		c[i].p = (float)((double)c[i].p / sum);
}

/* How many of the best make up top_p, and reach min_p of the first. */
static int64_t
cut(const Sampler *s, const Candidate *c, int64_t n)
{
	double sum = 0;
	int64_t k = 0;

	while (k < n && (!k || sum < s->s.top_p))
		sum += (double)c[k++].p;
	while (k > 1 && (double)c[k - 1].p < s->s.min_p * (double)c[0].p)
		k--;
	return k;
}

int32_t
sampler_next(Sampler *s, float *x)
{
	int64_t n = 0;
	double at, sum = 0;

	penalise(s, x);
	if (s->s.temp <= 0)
		return argmax(x, s->vocab);
	for (int64_t i = 0; i < s->vocab; i++)
		if (!isnan(x[i]))
			s->cand[n++] = (Candidate){x[i], (int32_t)i};
	if (!n)
		return 0;
	qsort(s->cand, (size_t)n, sizeof *s->cand, by_p);
	if (s->s.top_k > 0)
		n = MIN(n, s->s.top_k);
	softmax(s->cand, n, s->s.temp);
	n = cut(s, s->cand, n);
	for (int64_t i = 0; i < n; i++)
		sum += (double)s->cand[i].p;
	at = draw(s) * sum;
	for (int64_t i = 0; i < n - 1; i++)
		if ((at -= (double)s->cand[i].p) < 0)
			return s->cand[i].id;
	return s->cand[n - 1].id;
}
