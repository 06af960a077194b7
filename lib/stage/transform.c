/* SPDX-License-Identifier: BSD-3-Clause
 * transform.c - stage 2: a model document, rewritten for inference. */

#include "transform.h"

#include "document.h"

static Json *
options(Arena *a, const qe_transform *opt)
{
	Json *o = json_new(a);

	if (opt->transforms)
		json_put_str(o, "transforms", opt->transforms);
	if (opt->pooling)
		json_put_str(o, "pooling", opt->pooling);
	if (opt->normalize)
		json_put_bool(o, "normalize", true);
	return o;
}

bool
qe_model_transform(qe_ctx *c, const qe_transform *opt)
{
	Arena a = {0};
	Json *doc = document_read(c, &a, opt->in);
	bool ok = doc && transforms_apply(c, &a, doc, opt->transforms, opt);

	if (ok) {
		document_maker(c, doc, options(&a, opt));
		ok = document_write(c, &a, doc, opt->out);
	}
	arena_free(&a);
	return ok;
}
