/* SPDX-License-Identifier: BSD-3-Clause
 * export.h - the graph of a model document, without writing it. */

#ifndef EXPORT_H
#define EXPORT_H

#include "ir.h"
#include "json.h"

/* Of a document that was checked, activations of this type; NULL: failed. */
Graph *export_graph(Ctx *, Arena *, Json *document, DType);

#endif
