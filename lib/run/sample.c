/* SPDX-License-Identifier: BSD-3-Clause
 * sample.c - which token comes next.
 *
 * In the order of HuggingFace's processors: repetition penalty, presence and
 * frequency penalty, temperature, top-k, top-p, min-p, then one draw.  The generator is xoshiro256** (Blackman
 * and Vigna 2018) seeded through splitmix64, so a seed gives the same text on
 * every machine. */

#include <math.h>

#include "run.h"

typedef struct Candidate {
	float p; /* logit, then weight */
	int32_t id;
} Candidate;

enum { BUCKETS = 0x3f80 + 1 }; /* up to that of 1 */

struct Sampler {
	Sampling s;
	int64_t vocab;
	uint64_t rng[4];
	Candidate *cand;
	double *weight;      /* [BUCKETS] */
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
	p->weight = s->temp > 0 ? NEWV(a, double, BUCKETS) : NULL;
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

static bool
likelier(const Candidate *x, const Candidate *y)
{
	return x->p != y->p ? x->p > y->p : x->id < y->id;
}

static void
sink(Candidate *c, int64_t n, int64_t at)
{
	Candidate x = c[at];
	int64_t down;

	for (; (down = 2 * at + 1) < n; at = down) {
		if (down + 1 < n && likelier(&c[down + 1], &c[down]))
			down++;
		if (!likelier(&c[down], &x))
			break;
		c[at] = c[down];
	}
	c[at] = x;
}

static void
heap(Candidate *c, int64_t n)
{
	for (int64_t i = n / 2 - 1; i >= 0; i--)
		sink(c, n, i);
}

/* The likeliest of a heap of n goes to its end, which is none of it then. */
static const Candidate *
pop(Candidate *c, int64_t n)
{
	Candidate x = c[0];

	c[0] = c[n - 1];
	sink(c, n - 1, 0);
	c[n - 1] = x;
	return &c[n - 1];
}

/* Of n candidates the k likeliest, which are left at *c. */
static int64_t
keep_best(Candidate **c, int64_t n, int64_t k)
{
	if (k <= 0 || k >= n)
		return n;
	heap(*c, n);
	for (int64_t i = 0; i < k; i++)
		pop(*c, n - i);
	*c += n - k;
	return k;
}

/* Weights in place of logits, that of the likeliest is 1; their sum. */
static double
weigh(Candidate *c, int64_t n, double temp)
{
	double sum = 0, top = (double)c[0].p;

	for (int64_t i = 1; i < n; i++)
		top = fmax(top, (double)c[i].p);
	for (int64_t i = 0; i < n; i++) {
		double x = (double)c[i].p;

		/* and so with logits that are all, or the best, infinite */
		c[i].p = x == top ? 1 : (float)exp((x - top) / temp);
		sum += (double)c[i].p;
	}
	return sum;
}

static int64_t
keep_above(Candidate *c, int64_t n, double least)
{
	int64_t k = 0;

	for (int64_t i = 0; least > 0 && i < n; i++)
		if ((double)c[i].p >= least)
			c[k++] = c[i];
	return k ? k : n;
}

/* Weights by the first half of their bits: no two buckets overlap. */
static int
bucket(const Candidate *c)
{
	uint32_t bits;

	memcpy(&bits, &c->p, sizeof bits);
	return (int)(bits >> 16);
}

/* Those of n in buckets from `from` to `to` go to the front. */
static int64_t
gather(Candidate *c, int64_t n, int from, int to)
{
	int64_t k = 0;

	for (int64_t i = 0; i < n; i++) {
		Candidate x = c[i];

		if (bucket(&x) < from || bucket(&x) > to)
			continue;
		c[i] = c[k];
		c[k++] = x;
	}
	return k;
}

/* Of n the likeliest that weigh `enough` together, one at least.  Whole
 * buckets of them, and the likeliest of the next. */
static int64_t
keep_sum(Candidate *c, int64_t n, double enough, double *in)
{
	int64_t k, m, j = 0;
	int at = BUCKETS - 1;
	double sum = 0;

	memset(in, 0, BUCKETS * sizeof *in);
	for (int64_t i = 0; i < n; i++)
		in[bucket(&c[i])] += (double)c[i].p;
	while (at > 0 && sum + in[at] < enough)
		sum += in[at--];
	k = gather(c, n, at + 1, BUCKETS);
	m = gather(c + k, n - k, at, at);
	heap(c + k, m);
	for (; j < m && (sum < enough || k + j == 0); j++)
		sum += (double)pop(c + k, m - j)->p;
	memmove(c + k, c + k + m - j, (size_t)j * sizeof *c);
	return k + j;
}

/* The order in which candidates stand is no matter: nothing is sorted that
 * need not be, a vocabulary is large. */
int32_t
sampler_next(Sampler *s, float *x)
{
	Candidate *c = s->cand;
	int64_t n = 0;
	double at, sum = 0;

	penalise(s, x);
	if (s->s.temp <= 0)
		return argmax(x, s->vocab);
	for (int64_t i = 0; i < s->vocab; i++)
		if (!isnan(x[i]))
			c[n++] = (Candidate){x[i], (int32_t)i};
	if (!n)
		return 0;
	n = keep_best(&c, n, s->s.top_k);
	sum = weigh(c, n, s->s.temp);
	n = keep_above(c, n, s->s.min_p);
	if (s->s.top_p < 1)
		n = keep_sum(c, n, s->s.top_p * sum, s->weight);
	sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += (double)c[i].p;
	at = draw(s) * sum;
	for (int64_t i = 0; i < n - 1; i++)
		if ((at -= (double)c[i].p) < 0)
			return c[i].id;
	return c[n - 1].id;
}
