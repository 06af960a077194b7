/* SPDX-License-Identifier: BSD-3-Clause
 * t_proxy.c - the model without its matrices, to look at everything else.
 *
 * An embedding becomes the id, as a float, in every element of its row; a
 * projection hands on what it is given.  Norms, rotations, attention and the
 * cache stay.  So all projections must be as wide as the stream they read:
 * where a head for keys serves several queries, or projections are fused,
 * QEfficient's identity has no heads to divide.
 * Source: QEfficient, QeffProxyModuleTransform. */

#include "transform.h"
#include "tree.h"

bool
want_proxy(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->proxy;
}

/* Each projection is a matrix of the checkpoint, [out, in]. */
static bool
whole(Ctx *c, const Json *doc, const Json *m)
{
	static const char *const parts[] = {"q",  "k",    "v",   "o",
	                                    "up", "gate", "down"};

	for (size_t i = 0; i < LEN(parts); i++) {
		const Json *p = json_get(m, parts[i]);
		const char *name = json_get_str(p, "weight", "");

		if (json_get(p, "lora"))
			return fail(c, QE_INPUT, "'%s' has adapters", name);
		if (json_get_bool(p, "in_out", false) ||
		    json_get(json_get(json_get(doc, "tensors"), name), "from"))
			return fail(c, QE_INPUT,
			            "'%s' is no linear layer of its own", name);
	}
	return true;
}

static bool
fits(Ctx *c, const Json *doc, const Json *m)
{
	int64_t hidden = json_get_int(json_get(doc, "modules"), "hidden", 0),
		nh = json_get_int(m, "heads", 0),
		kv = json_get_int(m, "kv_heads", 0),
		hd = json_get_int(m, "head_dim", 0);
	const char *kind = json_get_str(m, "kind", "");

	if (strcmp(kind, "attn") == 0 &&
	    (kv != nh || nh < 1 || hd != hidden / nh || hidden % nh))
		return fail(
			c, QE_INPUT,
			"%lld heads and %lld key heads of %lld are not the %lld wide stream",
			(long long)nh, (long long)kv, (long long)hd,
			(long long)hidden);
	if (strcmp(kind, "attn") != 0 && strcmp(kind, "mlp") != 0)
		return fail(c, QE_INPUT, "a layer of kind '%s' has no proxy",
		            kind);
	return whole(c, doc, m);
}

static bool
root_fits(Ctx *c, const Json *root)
{
	static const char *const parts[] = {"encoder", "task_head"};

	for (size_t i = 0; i < LEN(parts); i++)
		if (json_get(root, parts[i]))
			return fail(c, QE_INPUT, "'%s' has no proxy", parts[i]);
	return (!json_get(json_get(root, "embed"), "proj") &&
	        !json_get(json_get(root, "head"), "proj")) ||
	       fail(c, QE_INPUT, "an embedding of another width");
}

bool
apply_proxy(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
            Json *record)
{
	Json *root = json_get(doc, "modules"), *list;
	const char **kinds = NEWV(a, const char *, nblock + 1);

	(void)args, (void)record;
	for (int i = 0; i < nblock; i++)
		kinds[i] = blocks[i].name;
	list = transform_blocks(a, doc, kinds);
	if (!root_fits(c, root))
		return false;
	for (size_t i = 0; i < json_len(list); i++)
		if (!fits(c, doc, json_at(list, i)))
			return false;
	json_put_bool(root, "proxy", true);
	if (json_get(root, "head"))
		json_put_int(root, "vocab", json_get_int(root, "hidden", 0));
	return true;
}
