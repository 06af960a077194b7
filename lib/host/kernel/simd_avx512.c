/* SPDX-License-Identifier: BSD-3-Clause
 * simd_avx512.c - the vector kernels for x86-64 with AVX-512. */

#include "impl.h"

#if defined(__x86_64__)
#include "vec_avx512.h"

#include "math_simd.h"

#include "matmul_int_simd.h"

#include "matmul_simd.h"
#include "norm_simd.h"

#include "attention_simd.h"

#include "attention_lanes_simd.h"
#include "elementwise_simd.h"
#include "peak_simd.h"

#include "slide_simd.h"
#endif
