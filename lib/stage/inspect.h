/* SPDX-License-Identifier: BSD-3-Clause
 * inspect.h - what an artifact holds: found as JSON, shown as JSON or text. */

#ifndef INSPECT_H
#define INSPECT_H

#include "json.h"

/* Text of what is found: a line for each scalar, a table for a list of
 * objects, in the order in which things were put. */
void inspect_text(Buf *, Arena *, const Json *);

#endif
