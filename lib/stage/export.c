/* SPDX-License-Identifier: BSD-3-Clause
 * export.c - stage 3: a model document becomes ONNX.
 *
 * What later stages need of the document goes into the metadata, as JSON:
 *   qeff.model              kind, task, model_type, vocab, max_positions,
 *                           id2label, problem_type
 *   qeff.tokenizer          {name: {path, size, digest, hashed}}
 *   qeff.generation_config  qeff.sentence  qeff.transforms  qeff.provenance
 *   qeff.symbols            {"sliding_window": positions that a ring is for}
 *   qeff.config             xxh3-128 of config.json's text as we print it */

#include "export.h"
#include "build.h"
#include "document.h"
#include "onnx.h"
#include "pass.h"

enum { OPSET = 17, IR_VERSION = 8 };

typedef struct Export {
	Ctx *c;
	Arena *a;
	const qe_export *opt;
	Json *doc;
	DType type;
	Graph *g;
} Export;

/* The exporter writes the operators of one opset; the other versions are for
 * onnx-opt --opset. */
static bool
check_options(Export *e)
{
	static const DType good[] = {DT_F32, DT_F16, DT_BF16};
	const char *name = e->opt->dtype ? e->opt->dtype : "float32";

	if (e->opt->opset != OPSET)
		return fail(e->c, QE_INPUT,
		            "opset %lld is not supported, %d is",
		            (long long)e->opt->opset, OPSET);
	if (e->opt->ir_version < IR_VERSION || e->opt->ir_version > 10)
		return fail(e->c, QE_INPUT,
		            "IR version %lld is not supported, %d to 10 are",
		            (long long)e->opt->ir_version, IR_VERSION);
	if (e->opt->experts &&
	    !str_in(e->opt->experts,
	            (const char *const[]){"loop", "chosen", "all", NULL}))
		return fail(e->c, QE_USAGE,
		            "experts '%s', wanted loop, chosen or all",
		            e->opt->experts);
	e->type = dtype_by_name(name);
	for (size_t i = 0; i < LEN(good); i++)
		if (e->type == good[i])
			return true;
	return fail(e->c, QE_USAGE,
	            "dtype '%s', wanted float32, float16 or bfloat16", name);
}

static void
put_meta(Export *e, const char *key, const Json *value)
{
	Buf *b = buf_new(e->a);

	if (!value)
		return;
	json_print(b, value, 0);
	dict_set(e->g->meta, arena_str(e->a, "qeff.%s", key), b->p);
}

/* Sizes that the model asks for: the window of its rings. */
static Json *
symbols_meta(Export *e)
{
	const Json *list = json_get(e->doc, "transforms");

	for (size_t i = 0; i < json_len(list); i++) {
		const Json *t = json_at(list, i);
		Json *o = json_new(e->a);

		if (strcmp(json_get_str(t, "keeps", ""), "ring") != 0)
			continue;
		json_put_int(o, "sliding_window",
		             json_get_int(t, "sliding_window", 0));
		return o;
	}
	return NULL;
}

static bool
build_graph(Export *e)
{
	const Json *root = json_get(e->doc, "modules");
	bool generates = task_generates(json_get_str(root, "task", ""));
	Build b = {.c = e->c,
	           .a = e->a,
	           .root = root,
	           .tensors = json_get(e->doc, "tensors"),
	           .files = json_get(e->doc, "files"),
	           .dir = ".",
	           .type = e->type,
	           .experts = e->opt->experts,
	           .cached = json_get_bool(root, "cache", false),
	           .encoder = !generates};

	e->g = b.g = graph_new(e->a, json_get_str(root, "model_type", "model"));
	e->g->ir_version = e->opt->ir_version;
	graph_import(e->g, "", OPSET);
	if (b.cached && !generates)
		return fail(e->c, QE_INPUT, "a cache in a model for %s",
		            json_get_str(root, "task", "?"));
	put_meta(e, "symbols", symbols_meta(e));
	return lower(&b) && graph_verify(e->c, e->g);
}

Graph *
export_graph(Ctx *c, Arena *a, Json *document, DType type)
{
	const qe_export opt = QE_EXPORT_INIT;
	Export e = {.c = c, .a = a, .opt = &opt, .doc = document, .type = type};

	return build_graph(&e) ? e.g : NULL;
}

/* One function for each kind of layer, called by every layer of it. */
static bool
share_layers(Export *e)
{
	const Pass **outline;
	Edit edit = {0};

	if (!e->opt->use_onnx_subfunctions)
		return true;
	outline = pass_list(e->c, e->a, "outline");
	return outline && pass_run(e->c, e->g, *outline, &edit);
}

/* What a package tells about its model, for who never sees the config. */
static Json *
model_meta(Export *e)
{
	static const char *const keys[] = {"kind", "task", "model_type",
	                                   "vocab", "max_positions"};
	static const char *const labels[] =
		{"id2label", "problem_type", "sentence_transformers",
	         "sbert_ce_default_activation_function"};
	const Json *root = json_get(e->doc, "modules");
	const Json *config = json_get(e->doc, "config");
	Json *o = json_new(e->a);

	for (size_t i = 0; i < LEN(keys); i++)
		tree_put(o, keys[i], json_get(root, keys[i]));
	tree_put(o, "encoder_vocab",
	         json_get(json_get(root, "encoder"), "vocab"));
	for (size_t i = 0; i < LEN(labels); i++)
		tree_put(o, labels[i], json_get(config, labels[i]));
	json_put_str(o, "dtype", dtypes[e->type].name);
	return o;
}

static Json *
options(Export *e)
{
	Json *o = json_new(e->a);

	if (e->opt->dtype)
		json_put_str(o, "dtype", e->opt->dtype);
	if (e->opt->materialize)
		json_put_bool(o, "materialize", true);
	if (e->opt->experts)
		json_put_str(o, "experts", e->opt->experts);
	if (e->opt->use_onnx_subfunctions)
		json_put_bool(o, "use_onnx_subfunctions", true);
	return o;
}

static bool
metadata(Export *e)
{
	static const char *const parts[] = {"generation_config", "sentence",
	                                    "transforms", "provenance"};
	bool pipe = strcmp(e->opt->out, "-") == 0;
	const Json *tokenizer = json_get(e->doc, "tokenizer");
	Buf *config = buf_new(e->a);

	document_maker(e->c, e->doc, options(e));
	json_print(config, json_get(e->doc, "config"), 0);
	put_meta(e, "model", model_meta(e));
	if (tokenizer &&
	    !(tokenizer = refs_from(e->c, e->a, tokenizer,
	                            pipe ? NULL : path_dir(e->a, e->opt->out))))
		return false;
	put_meta(e, "tokenizer", tokenizer);
	for (size_t i = 0; i < LEN(parts); i++)
		put_meta(e, parts[i], json_get(e->doc, parts[i]));
	put_meta(e, "config",
	         json_own(e->a, json_object_new_string(
					hash_bytes(config->p, config->n).hex)));
	return true;
}

bool
qe_onnx_export(qe_ctx *c, const qe_export *opt)
{
	Arena a = {0};
	Export e = {.c = c, .a = &a, .opt = opt};
	OnnxWrite to = {.path = opt->out, .materialize = opt->materialize};
	bool ok = check_options(&e) &&
	          (e.doc = document_read(c, &a, opt->in)) != NULL &&
	          build_graph(&e) && share_layers(&e) && metadata(&e) &&
	          onnx_write(c, e.g, &to);

	arena_free(&a);
	return ok;
}
