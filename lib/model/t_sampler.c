/* SPDX-License-Identifier: BSD-3-Clause
 * t_sampler.c - the graph chooses the next token itself.
 *
 * Outputs are next_tokens, and on request probs, in place of logits; what
 * generation is asked for comes in as tensors (sampler.c).  QEfficient does
 * this for some classes; here it is any decoder with a cache.  As there, a
 * target of speculative decoding always has its probabilities, and a mask of
 * allowed tokens goes with one token a call only. */

#include "transform.h"
#include "tree.h"

enum { MOST_TOP_K = 512 }; /* constants.MAX_TOP_K_IDS of QEfficient */

bool
want_sampler(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->include_sampler || args->return_pdfs ||
	       args->max_top_k_ids || args->include_guided_decoding;
}

bool
apply_sampler(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
              Json *record)
{
	Json *root = json_get(doc, "modules"), *o = json_new(a);
	int64_t vocab = json_get_int(root, "vocab", 0),
		most = args->max_top_k_ids ? args->max_top_k_ids
	                                   : MIN(MOST_TOP_K, vocab);
	bool target = json_get(root, "speculative") != NULL;

	if (!transform_cached(c, doc))
		return false;
	if (most > vocab)
		return fail(
			c, QE_INPUT,
			"max_top_k_ids %lld is more than the %lld tokens of the vocabulary",
			(long long)most, (long long)vocab);
	if (target && args->include_guided_decoding)
		return fail(
			c, QE_INPUT,
			"guided decoding is for one token a call, a target checks several");
	json_put_int(o, "max_top_k_ids", most);
	json_put_bool(o, "return_pdfs", args->return_pdfs || target);
	json_put_bool(o, "include_guided_decoding",
	              args->include_guided_decoding);
	json_put(root, "sampler", json_share(o));
	json_object_object_foreach(o, key, v)
		json_put(record, key, json_share(v));
	return true;
}
