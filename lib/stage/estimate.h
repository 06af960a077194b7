/* SPDX-License-Identifier: BSD-3-Clause
 * estimate.h - what a model needs of memory, by its sizes. */

#ifndef ESTIMATE_H
#define ESTIMATE_H

#include "ir.h"

/* Writes a report of o->in, ONNX or a config.json, to o->out; QE_NO if it
 * does not fit in o->memory. */
bool estimate(Ctx *, Arena *, const qe_compile *o);

/* Elements that a graph retains of one row, for each place of its caches and
 * of its rings; the positions that a ring is for, 0: not known. */
typedef struct CacheSize {
	double each, ring;
	int64_t window;
} CacheSize;
CacheSize cache_size(Ctx *, Arena *, const Graph *);
/* All of them, for so many positions and tokens of a call. */
double cache_elements(const CacheSize *, int64_t ctx, int64_t chunk);

#endif
