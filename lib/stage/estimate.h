/* SPDX-License-Identifier: BSD-3-Clause
 * estimate.h - what a model needs of memory, by its sizes. */

#ifndef ESTIMATE_H
#define ESTIMATE_H

#include "ir.h"

/* Writes a report of o->in, ONNX or a config.json, to o->out; QE_NO if it
 * does not fit in o->memory. */
bool estimate(Ctx *, Arena *, const qe_compile *o);
/* Elements that a graph retains of one row for each place of its cache. */
double cache_elements(const Graph *);

#endif
