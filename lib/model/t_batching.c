/* SPDX-License-Identifier: BSD-3-Clause
 * t_batching.c - continuous batching: the cache has rows of its own.
 *
 * The cache gets full_batch_size rows; a call brings batch_size of them, and
 * the input batch_index [batch_size,1] says which.  cache.c writes and reads
 * through CtxScatterCB and CtxGatherCB.  A state that is not rows by position
 * has no such form. */

#include "transform.h"
#include "tree.h"

bool
want_continuous_batching(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->continuous_batching;
}

bool
apply_continuous_batching(Ctx *c, Arena *a, Json *doc,
                          const TransformArgs *args, Json *record)
{
	(void)args, (void)record;
	if (!transform_cached(c, doc) ||
	    !transform_by_rows(c, a, doc, "cannot be picked by batch_index"))
		return false;
	json_put_bool(json_get(doc, "modules"), "continuous_batching", true);
	return true;
}
