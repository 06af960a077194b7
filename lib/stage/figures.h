/* SPDX-License-Identifier: BSD-3-Clause */
/* figures.h - what a measurement found, as text. */

#ifndef FIGURES_H
#define FIGURES_H

#include "json.h"

void bench_text(Buf *, const Json *);   /* of bench() */
void latency_text(Buf *, const Json *); /* of run_tensors() */
void profile_text(Buf *, const Json *); /* of profile_json() */

#endif
