/* SPDX-License-Identifier: BSD-3-Clause
 * inspect.h - what an artifact holds: found as JSON, shown as JSON or text. */

#ifndef INSPECT_H
#define INSPECT_H

#include "ir.h"
#include "json.h"

/* Text of what is found: a line for each scalar, a table for a list of
 * objects, in the order in which things were put. */
void inspect_text(Buf *, Arena *, const Json *);

/* A programqpc.bin: segments, network, programs; and the segments as files,
 * or the file again with others, if the options ask for it. */
bool inspect_vendor(Ctx *, Arena *, Span file, const qe_inspect *, Json *out);

/* Parts that all kinds use. */
Json *inspect_list(Json *in, const char *key);
Json *inspect_object(Json *in, const char *key);
Json *inspect_entry(Json *list);
Json *inspect_dims(const Shape *, const char *const *sym);

#endif
