/* SPDX-License-Identifier: BSD-3-Clause */
/* peak_simd.h - how fast this instruction set multiplies and adds, over
 * vec_*.h: as many sums as hide the latency, nothing from memory. */

#if defined(__x86_64__)
#define UNKNOWN(v) __asm__ volatile("" : "+v"(v))
#else
#define UNKNOWN(v) __asm__ volatile("" : "+w"(v))
#endif

enum { PEAK_SUMS = 10 };

static int64_t
peak_float(int64_t turns)
{
	V sum[PEAK_SUMS], x = v_set(1), y = v_set(0);

	UNROLL
	for (int i = 0; i < PEAK_SUMS; i++)
		sum[i] = y;
	for (int64_t t = 0; t < turns; t++) {
		UNROLL
		for (int i = 0; i < PEAK_SUMS; i++) {
			UNKNOWN(x);
			sum[i] = v_fma(x, y, sum[i]);
		}
	}
	UNROLL
	for (int i = 0; i < PEAK_SUMS; i++)
		UNKNOWN(sum[i]);
	return 2 * turns * PEAK_SUMS * VL;
}

static int64_t
peak_int(int64_t turns)
{
	static const int32_t ones = 0x01010101;
	I sum[PEAK_SUMS], w = i_four(&ones), x = w;

	UNROLL
	for (int i = 0; i < PEAK_SUMS; i++)
		sum[i] = w;
	for (int64_t t = 0; t < turns; t++) {
		UNROLL
		for (int i = 0; i < PEAK_SUMS; i++) {
			UNKNOWN(x); /* or one product serves all sums */
			sum[i] = i_dot(NARROW_UNSIGNED, sum[i], x, w);
		}
	}
	UNROLL
	for (int i = 0; i < PEAK_SUMS; i++)
		UNKNOWN(sum[i]);
	return 2 * turns * PEAK_SUMS * VL * 4;
}

int64_t
ISA(peak)(bool ints, int64_t turns)
{
	return ints ? peak_int(turns) : peak_float(turns);
}
