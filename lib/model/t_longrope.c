/* SPDX-License-Identifier: BSD-3-Clause
 * t_longrope.c - which of longrope's factors turn the keys of a text.
 *
 * The reference turns all of a text by the long factors once it is longer
 * than the original length, and computes its keys anew when it grows beyond.
 * A call of a chunk cannot know, so the input text_length [batch_size,1] tells
 * it; whoever runs the model reads a text again that grows beyond
 * (lib/run/row.c).  "short" and "long" turn every text alike and need no such
 * input: QEfficient always has the short ones.
 * Source: transformers 4.57, modeling_rope_utils.py and modeling_phi3.py. */

#include "transform.h"
#include "tree.h"

static Json *
longropes(Arena *a, const Json *doc)
{
	const Json *all = json_get(json_get(doc, "modules"), "ropes");
	Json *out = json_new_array(a);

	for (size_t i = 0; i < json_len(all); i++)
		if (json_get(json_at(all, i), "long_inv_freq"))
			json_push(out, json_share(json_at(all, i)));
	return out;
}

bool
want_longrope(const Json *doc, const TransformArgs *args)
{
	Arena a = {0};
	bool any = json_len(longropes(&a, doc)) > 0;

	arena_free(&a);
	return args->rope_factors ||
	       (any && json_get_bool(json_get(doc, "modules"), "cache", false));
}

/* One length at which texts turn otherwise. */
static bool
same_length(Ctx *c, const Json *list)
{
	for (size_t i = 1; i < json_len(list); i++)
		if (!json_object_equal(json_get(json_at(list, i), "original"),
		                       json_get(json_at(list, 0), "original")))
			return fail(c, QE_INPUT,
			            "layers with different original lengths");
	return true;
}

bool
apply_longrope(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
               Json *record)
{
	const char *how = args->rope_factors ? args->rope_factors : "length";
	Json *list = longropes(a, doc);
	bool by_length = strcmp(how, "length") == 0;

	if (!json_len(list))
		return fail(c, QE_INPUT, "the model has no longrope");
	if (by_length && (!transform_cached(c, doc) || !same_length(c, list)))
		return false;
	json_put_str(record, "rope_factors", how);
	json_put_int(record, "original_max_position_embeddings",
	             json_get_int(json_at(list, 0), "original", 0));
	if (by_length)
		json_put_bool(json_get(doc, "modules"), "text_length", true);
	for (size_t i = 0; !by_length && i < json_len(list); i++) {
		Json *o = json_at(list, i);

		if (*how == 'l')
			json_put(o, "inv_freq",
			         json_share(json_get(o, "long_inv_freq")));
		json_object_object_del(o, "long_inv_freq");
	}
	return true;
}
