/* SPDX-License-Identifier: BSD-3-Clause
 * t_window.c - what layers with a window keep, and programs for prompts alone.
 *
 * A layer that sees `window` positions keeps all of them unless
 *   its family keeps a ring, or --ring-cache: past_key.i is [.,.,
 *     sliding_window,.], written at position mod sliding_window;
 *   --retain-full-kv, or --prefill-only --enable-chunking: it keeps all, and
 *     S + window rows are read of it.
 * --prefill-only without chunks: a call is a whole prompt, attention is over
 * its own tokens and the cache is only written.
 * Source: QEfficient ebf55e81, modeling_gpt_oss.py and cache_utils.py, of
 * which the ring differs in one thing: the window is the model's number, not
 * the length of the ring, so that a ring with room for a chunk more loses
 * nothing that the chunk's first tokens still see. */

#include "transform.h"
#include "tree.h"

static const char *const attn[] = {"attn", NULL};

/* The blocks that see a window. */
static Json *
windows(Arena *a, const Json *doc)
{
	Json *all = transform_blocks(a, doc, attn), *out = json_new_array(a);

	for (size_t i = 0; i < json_len(all); i++)
		if (json_get_int(json_at(all, i), "window", 0) > 0)
			json_push(out, json_share(json_at(all, i)));
	return out;
}

static bool
near(const TransformArgs *args)
{
	return args->retain_full_kv ||
	       (args->prefill_only && args->enable_chunking);
}

bool
want_window_cache(const Json *doc, const TransformArgs *args)
{
	Arena a = {0};
	const Json *list = windows(&a, doc), *root = json_get(doc, "modules");
	bool want = args->ring_cache || args->retain_full_kv;

	if (json_len(list) && json_get_bool(root, "cache", false))
		want = want || near(args) ||
		       json_get_bool(json_at(list, 0), "ring", false);
	arena_free(&a);
	return want;
}

/* One symbol is the length of all rings. */
static bool
same_windows(Ctx *c, const Json *list)
{
	int64_t first = json_get_int(json_at(list, 0), "window", 0), n;

	for (size_t i = 1; i < json_len(list); i++)
		if ((n = json_get_int(json_at(list, i), "window", 0)) != first)
			return fail(
				c, QE_INPUT,
				"windows of %lld and of %lld positions: rings have one length, sliding_window",
				(long long)first, (long long)n);
	return true;
}

bool
apply_window_cache(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
                   Json *record)
{
	Json *list = windows(a, doc);
	const char *keeps = near(args) ? "near" : "ring";

	if (args->ring_cache && near(args))
		return fail(
			c, QE_USAGE,
			"--ring-cache keeps a window, --retain-full-kv and chunks of prompts need all of it");
	if (!transform_cached(c, doc))
		return false;
	if (!json_len(list))
		return fail(c, QE_INPUT, "no layer sees a window");
	if (*keeps == 'r' && !same_windows(c, list))
		return false;
	for (size_t i = 0; i < json_len(list); i++) {
		if (!json_get_bool(json_at(list, i), "causal", true))
			return fail(c, QE_INPUT,
			            "a layer that sees later positions");
		json_put_str(json_at(list, i), "keeps", keeps);
	}
	json_put_str(record, "keeps", keeps);
	json_put_int(record, "layers", (int64_t)json_len(list));
	json_put_int(record, "sliding_window",
	             json_get_int(json_at(list, 0), "window", 0));
	return true;
}

bool
transform_no_ring(Ctx *c, Arena *a, const Json *doc, const char *why)
{
	const Json *all = transform_blocks(a, doc, attn);

	for (size_t i = 0; i < json_len(all); i++)
		if (strcmp(json_get_str(json_at(all, i), "keeps", ""),
		           "ring") == 0)
			return fail(
				c, QE_INPUT,
				"layers keep a ring of %lld positions, %s (--retain-full-kv keeps all)",
				(long long)json_get_int(json_at(all, i),
			                                "window", 0),
				why);
	return true;
}

/* ---- prefill_only ---- */

bool
want_prefill_only(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->prefill_only || args->enable_chunking;
}

/* Every layer attends over keys that are rows by position. */
static bool
all_attend(Ctx *c, Arena *a, const Json *doc)
{
	static const char *const others[] = {"mla", "conv", "delta", NULL};
	const Json *m = json_at(transform_blocks(a, doc, others), 0);

	return !m ||
	       fail(c, QE_INPUT,
	            "a layer of kind '%s' has no such form: give --enable-chunking",
	            json_get_str(m, "kind", ""));
}

bool
apply_prefill_only(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
                   Json *record)
{
	Json *root = json_get(doc, "modules");

	if (args->enable_chunking && !args->prefill_only)
		return fail(c, QE_USAGE,
		            "--enable-chunking is for --prefill-only");
	if (!transform_cached(c, doc))
		return false;
	json_put_bool(record, "enable_chunking", args->enable_chunking);
	if (args->enable_chunking) /* as the cache is then, chunks are usual */
		return true;
	if (json_get_bool(root, "continuous_batching", false))
		return fail(
			c, QE_INPUT,
			"a prompt in one call and rows by batch_index do not go together: give --enable-chunking");
	if (!all_attend(c, a, doc))
		return false;
	json_put_bool(root, "prefill_only", true);
	return true;
}

bool
transform_steps(Ctx *c, const Json *doc, const char *why)
{
	return !json_get_bool(json_get(doc, "modules"), "prefill_only",
	                      false) ||
	       fail(c, QE_INPUT, "a model for whole prompts %s", why);
}
