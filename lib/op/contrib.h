/* SPDX-License-Identifier: BSD-3-Clause
 * contrib.h - weights packed in blocks, as com.microsoft has them. */

#ifndef CONTRIB_H
#define CONTRIB_H

#include "num.h"

/* [rows, cols] of `bits` each, along cols, in blocks with a scale and a zero
 * point (2^(bits-1) if there is none).  Set rows, cols, block, bits, then
 * packed_open(). */
typedef struct Packed {
	int64_t rows, cols, block;
	int bits;
	bool flatzero; /* zero points of a row need not begin a byte */
	const Value *w, *scale, *zero;
	bool loose;                /* zero points are not packed */
	int64_t blocks, row, zrow; /* elements a row, padding included */
} Packed;

/* Fails where a count of elements is not what rows, cols, block and bits ask
 * for. */
bool packed_open(Ctx *, const Value *w, const Value *scale, const Value *zero,
                 Packed *);
/* Element (r, col), which is in block `group`. */
double packed_at(const Packed *, int64_t r, int64_t col, int64_t group);

#endif
