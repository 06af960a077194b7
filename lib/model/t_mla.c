/* SPDX-License-Identifier: BSD-3-Clause
 * t_mla.c - what latent attention keeps: keys and values, or what they are
 * made of.
 *
 * Of QEfficient's mla_absorption = {cache_compressed, absorption, online}
 * those that are true are listed.  There, one without those before it is
 * ignored; here it is refused, and a model without a low rank for its queries
 * can be absorbed too. */

#include "transform.h"
#include "tree.h"

bool
want_mla(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->mla_absorption != NULL;
}

/* Each word of the list is one of these, and needs those before it. */
static bool
choose(Ctx *c, Arena *a, const char *list, Json *record)
{
	static const char *const words[] = {"cache_compressed", "absorption",
	                                    "online", NULL};
	char **word = str_split(a, list ? list : "", ',');

	for (int i = 0; words[i]; i++)
		json_put_bool(record, words[i],
		              str_in(words[i], (const char *const *)word));
	for (; *word; word++)
		if (!str_in(*word, words))
			return fail(
				c, QE_USAGE,
				"'%s' is not one of cache_compressed, absorption, online",
				*word);
	for (int i = 1; words[i]; i++)
		if (json_get_bool(record, words[i], false) &&
		    !json_get_bool(record, words[i - 1], false))
			return fail(c, QE_USAGE, "'%s' needs '%s'", words[i],
			            words[i - 1]);
	return json_get_bool(record, words[0], false) ||
	       fail(c, QE_USAGE, "needs 'cache_compressed'");
}

bool
apply_mla(Ctx *c, Arena *a, Json *doc, const TransformArgs *args, Json *record)
{
	static const char *const kinds[] = {"mla", NULL};
	Json *list = transform_blocks(a, doc, kinds);

	if (!transform_cached(c, doc) ||
	    !choose(c, a, args->mla_absorption, record))
		return false;
	if (!json_len(list))
		return fail(c, QE_INPUT, "no layer has latent attention");
	for (size_t i = 0; i < json_len(list); i++) {
		Json *m = json_at(list, i);

		json_put_bool(m, "compressed", true);
		json_put_int(m, "kv_heads", 1);
		if (json_get_bool(record, "absorption", false))
			json_put_str(m, "absorption",
			             json_get_bool(record, "online", false)
			                     ? "online"
			                     : "offline");
	}
	return true;
}
