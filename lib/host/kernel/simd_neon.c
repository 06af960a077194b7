/* SPDX-License-Identifier: BSD-3-Clause
 * simd_neon.c - the vector kernels for 64-bit ARM. */

#include "impl.h"

#if defined(__aarch64__)
#include "vec_neon.h"

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
