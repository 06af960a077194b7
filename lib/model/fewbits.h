/* SPDX-License-Identifier: BSD-3-Clause
 * fewbits.h - weights stored in few bits: tree (fewbits.c), nodes (dequant.c). */

#ifndef FEWBITS_H
#define FEWBITS_H

#include "tree.h"

/* Which axis of W [out, in] the elements of an int32 lie along; PACK_OUT has
 * them in the order of AWQ. */
enum quant_layout { PACK_IN, PACK_OUT, PACK_ROW };

/* Whether the configuration's quantisation, if any, is one of ours. */
bool quant_check(Ctx *, Arena *, const Json *config);
/* X.weight (or X, of fused experts) made of what is stored for it; NULL: not
 * stored so, or failed. */
const char *tree_quantised(Tree *, const Json *name, Shape want);
bool tree_has_quantised(Tree *, const Json *name);

#endif
