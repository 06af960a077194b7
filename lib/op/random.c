/* SPDX-License-Identifier: BSD-3-Clause
 * random.c - numbers by chance, the same for the same seed: floats in
 * [-1, 1), everything else 0 or 1, which is an index wherever one is wanted. */

#include "op.h"

/* 0 to 2^53 - 1 */
static int64_t
chance(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)(*seed >> 11);
}

void
value_random(Value *v, uint64_t *seed)
{
	char *p = (char *)(uintptr_t)v->data.mem;
	size_t size = dtypes[v->type].size;
	int64_t n = shape_count(&v->shape);

	for (int64_t i = 0; i < n; i++, p += size) {
		int64_t bit = chance(seed) >> 52;
		double x = (double)chance(seed) * 0x1p-52 - 1;
		float f = (float)x;

		switch (v->type) {
		case DT_F32:
			memcpy(p, &f, sizeof f);
			break;
		case DT_F64:
			memcpy(p, &x, sizeof x);
			break;
		case DT_F16:
			memcpy(p, &(uint16_t){f32_to_f16(f)}, size);
			break;
		case DT_BF16:
			memcpy(p, &(uint16_t){f32_to_bf16(f)}, size);
			break;
		default: /* little endian: the low bytes come first */
			memcpy(p, &bit, size);
		}
	}
}
