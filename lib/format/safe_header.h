/* SPDX-License-Identifier: BSD-3-Clause
 * safe_header.h - the JSON of a safetensors header. */

#ifndef SAFE_HEADER_H
#define SAFE_HEADER_H

#include "safetensors.h"

/* The tensors of a header, in its order, into f: offsets count from the end
 * of the header, lengths go with types and shapes. */
bool safe_header(Ctx *, Arena *, Span text, SafeFile *f);

#endif
