/* SPDX-License-Identifier: BSD-3-Clause
 * t_target.c - the model that checks what a draft proposes.
 *
 * The input num_logits_to_keep [K,1] asks by its length for the logits of the
 * newest K tokens of a row, [batch_size,K,vocab] instead of those of one.
 * QEfficient does this for Llama and Qwen alone; here it is any decoder whose
 * cache can be set back, which a running state cannot. */

#include "transform.h"
#include "tree.h"

bool
want_spd(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->speculative != NULL;
}

bool
apply_spd(Ctx *c, Arena *a, Json *doc, const TransformArgs *args, Json *record)
{
	const char *type = args->speculative ? args->speculative : "target";

	if (!transform_cached(c, doc))
		return false;
	if (json_get(json_get(doc, "modules"), "sampler"))
		return fail(c, QE_INPUT, "comes before sampler, not behind it");
	if (strcmp(type, "target") != 0)
		return fail(
			c, QE_INPUT,
			"speculative model type '%s' is not supported, 'target' is",
			type);
	if (!transform_by_rows(c, a, doc, "cannot take tokens back") ||
	    !transform_no_ring(c, a, doc, "which cannot take tokens back") ||
	    !transform_steps(c, doc, "has no draft to check"))
		return false;
	json_put_str(json_get(doc, "modules"), "speculative", type);
	json_put_str(record, "speculative_model_type", type);
	return true;
}
