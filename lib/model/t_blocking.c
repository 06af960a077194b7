/* SPDX-License-Identifier: BSD-3-Clause
 * t_blocking.c - attention reads the cache a block of slots at a time.
 *
 * Scores of all queries with all slots need memory for both; with n blocks
 * it is an nth of that, and the softmax is kept up to date block by block.
 * Of QEfficient's BlockingAttentionTransform this is mode "kv", with a number
 * of blocks that is given; its blocks of queries, heads and rows of the batch
 * are not here, nor its search for a number. */

#include "transform.h"
#include "tree.h"

bool
want_blocking(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->kv_blocks > 0;
}

static bool
fits(Ctx *c, const Json *m)
{
	return !json_get(m, "diff") ||
	       fail(c, QE_INPUT,
	            "differential attention has no form in blocks");
}

bool
apply_blocking(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
               Json *record)
{
	static const char *const kinds[] = {"attn", "mla", NULL};
	Json *list = transform_blocks(a, doc, kinds);

	if (!transform_cached(c, doc) ||
	    !transform_steps(c, doc, "reads nothing of the cache"))
		return false;
	if (args->kv_blocks < 1)
		return fail(c, QE_INPUT, "needs a number of blocks");
	if (!json_len(list))
		return fail(c, QE_INPUT, "no layer has attention");
	for (size_t i = 0; i < json_len(list); i++) {
		if (!fits(c, json_at(list, i)))
			return false;
		if (json_get(json_at(list, i), "keeps"))
			continue; /* it reads little as it is */
		json_put_int(json_at(list, i), "kv_blocks", args->kv_blocks);
	}
	json_put_str(record, "blocking_mode", "kv");
	json_put_int(record, "num_kv_blocks", args->kv_blocks);
	return true;
}
