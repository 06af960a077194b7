/* SPDX-License-Identifier: BSD-3-Clause
 * t_ccl.c - compute context lengths: a call looks at the first slots only.
 *
 * The length of the input comp_ctx_lengths, not what is in it, is the number
 * of slots that are read and masked, so that a compiler makes programs for
 * several lengths over one cache. */

#include "transform.h"
#include "tree.h"

bool
want_ccl(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->ccl;
}

bool
apply_ccl(Ctx *c, Arena *a, Json *doc, const TransformArgs *args, Json *record)
{
	(void)a, (void)args, (void)record;
	if (!transform_cached(c, doc) ||
	    !transform_steps(c, doc, "reads nothing of the cache"))
		return false;
	json_put_bool(json_get(doc, "modules"), "ccl", true);
	return true;
}
