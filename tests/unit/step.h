/* SPDX-License-Identifier: BSD-3-Clause */
/* step.h - running one kernel in a test: random data, cuts, scratch. */

#ifndef STEP_H
#define STEP_H

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "kernel.h"

static const char *const isa_names[] = {"generic", "avx2", "avx512", "neon"};

/* The kernels of one name exactly, or NULL if this machine lacks them. */
static inline const Kernel *
isa_kernels(const char *name)
{
	const Kernel *k = kernels_for(name);

	return k && strcmp(kernels_isa(k), name) == 0 ? k : NULL;
}

/* Runs all units of s, cut once at `cut` (0: whole). */
static inline void
run_step(const Kernel *table, KernelId id, Step *s, int64_t cut)
{
	const Kernel *k = &table[id];
	int64_t grain, n = k->units(s, &grain);
	int64_t bytes = k->scratch ? k->scratch(s) : 0;

	CHECK(grain > 0);
	s->scratch = bytes ? malloc((size_t)bytes) : NULL;
	s->scratch_stride = 0;
	cut = MIN(cut, n);
	if (cut > 0)
		k->fn(s, 0, cut, 0);
	if (cut < n)
		k->fn(s, cut, n, 0);
	free(s->scratch);
}

static uint64_t seed = 1;

/* Uniform in [-1, 1), the same on every run. */
static inline float
rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (float)((double)(seed >> 11) * 0x1p-52 - 1);
}

static inline float *
rnd_vec(Arena *a, int64_t n)
{
	float *x = NEWV(a, float, n + 1);

	for (int64_t i = 0; i < n; i++)
		x[i] = rnd();
	return x;
}

static inline void *
packed(Arena *a, WFormat f, const float *w, int64_t n, int64_t k)
{
	PackSource s = {w, DT_F32, n, k, k, 1};
	char *p = arena_alloc(a, (size_t)pack_size(f, n, k));

	pack_panels(f, &s, 0, (n + PANEL - 1) / PANEL, p);
	return p;
}

/* The largest |got - want| / (by + |want|); NaN, infinities must agree. */
static inline double
apart(const float *got, const float *want, int64_t n, double by)
{
	double most = 0, d;

	for (int64_t i = 0; i < n; i++) {
		if (isnan(got[i]) && isnan(want[i]))
			continue;
		if (isinf(want[i]) && got[i] == want[i])
			continue;
		d = fabs((double)got[i] - (double)want[i]) /
		    (by + fabs((double)want[i]));
		if (!(d <= most))
			most = isnan(d) ? HUGE_VAL : d;
	}
	return most;
}

#endif
