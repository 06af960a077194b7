/* SPDX-License-Identifier: BSD-3-Clause
 * A model document that is taken becomes a graph, or is refused with a
 * reason; transforms do not break it. */

#include "build.h"
#include "document.h"
#include "fuzz.h"
#include "transform.h"

static void
graph(Ctx *c, Arena *a, const Json *doc)
{
	const Json *root = json_get(doc, "modules");
	Build b = {.c = c,
	           .a = a,
	           .root = root,
	           .tensors = json_get(doc, "tensors"),
	           .files = json_get(doc, "files"),
	           .dir = ".",
	           .type = DT_F32,
	           .cached = json_get_bool(root, "cache", false)};

	b.encoder = !b.cached;
	b.g = graph_new(a, "fuzz");
	graph_import(b.g, "", 17);
	if (lower(&b))
		graph_verify(c, b.g);
	else if (!c->status)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	Json *doc = json_parse(&c, a, (Span){(const char *)p, n});
	TransformArgs args = {0};

	if (doc && document_check(&c, doc) &&
	    fuzz_small(json_get(doc, "modules")) &&
	    transforms_apply(&c, a, doc, NULL, &args))
		graph(&c, a, doc);
	arena_free(a);
	return 0;
}
