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
	const Json *m = transform_rolling(a, doc);

	(void)args, (void)record;
	if (!transform_cached(c, doc))
		return false;
	if (m)
		return fail(
			c, QE_INPUT,
			"a layer of kind '%s' keeps a running state, which cannot be picked by batch_index",
			json_get_str(m, "kind", ""));
	json_put_bool(json_get(doc, "modules"), "continuous_batching", true);
	return true;
}
