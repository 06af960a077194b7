/* SPDX-License-Identifier: BSD-3-Clause
 * kernels.c - one table of kernels for each instruction set.
 *
 * Tables are constant; choosing one looks at the processor and at the bound
 * that the caller gives, never at the environment. */

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "impl.h"

#define PICK_generic(fn, isa) fn##_generic
#define PICK_simd(fn, isa) fn##_##isa

#define ROW(id, name, fn, cost, units, scratch)                                \
	[K_##id] = {name, units, scratch, cost, fn}

#define KERNEL(id, name, fn, units, scratch, best)                             \
	ROW(id, name, fn##_generic, fn##_cost, units, scratch),
static const Kernel generic[K_COUNT] = {
#include "kernels.def"
};
#undef KERNEL

#if defined(__x86_64__)
#define KERNEL(id, name, fn, units, scratch, best)                             \
	ROW(id, name, PICK_##best(fn, avx2), fn##_cost, units, scratch),
static const Kernel avx2[K_COUNT] = {
#include "kernels.def"
};
#undef KERNEL

#define KERNEL(id, name, fn, units, scratch, best)                             \
	ROW(id, name, PICK_##best(fn, avx512), fn##_cost, units, scratch),
static const Kernel avx512[K_COUNT] = {
#include "kernels.def"
};
#undef KERNEL
#elif defined(__aarch64__)
#define KERNEL(id, name, fn, units, scratch, best)                             \
	ROW(id, name, PICK_##best(fn, neon), fn##_cost, units, scratch),
static const Kernel neon[K_COUNT] = {
#include "kernels.def"
};
#undef KERNEL
#endif

static bool
always(void)
{
	return true;
}

#if defined(__x86_64__)
/* clang 14 does not know it by name */
static bool
has_f16c(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool
has_avx2(void)
{
	return __builtin_cpu_supports("avx2") &&
	       __builtin_cpu_supports("fma") && has_f16c();
}

static bool
has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vnni");
}
#endif

/* Best last; a bound is one of these names. */
static const struct Isa {
	const char *name;
	const Kernel *kernel;
	bool (*have)(void);
	PeakFn *peak;
} isas[] = {
	{"generic", generic, always, peak_generic},
#if defined(__x86_64__)
	{"avx2", avx2, has_avx2, peak_avx2},
	{"avx512", avx512, has_avx512, peak_avx512},
#elif defined(__aarch64__)
	{"neon", neon, always, peak_neon},
#endif
};

const Kernel *
kernels_for(const char *isa)
{
	const Kernel *best = NULL;

	for (size_t i = 0; i < LEN(isas); i++) {
		if (isas[i].have())
			best = isas[i].kernel;
		if (isa && strcmp(isas[i].name, isa) == 0)
			return best;
	}
	return isa ? NULL : best;
}

const char *
kernels_isa(const Kernel *k)
{
	for (size_t i = 0; i < LEN(isas); i++)
		if (isas[i].kernel == k)
			return isas[i].name;
	return "";
}

PeakFn *
kernels_peak(const Kernel *k)
{
	for (size_t i = 0; i < LEN(isas); i++)
		if (isas[i].kernel == k)
			return isas[i].peak;
	return peak_generic;
}
