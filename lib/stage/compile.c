/* SPDX-License-Identifier: BSD-3-Clause
 * compile.c - stage 5: an ONNX model becomes a package.
 *
 * The model's own metadata says what it is: a decoder gets the programs
 * Prefill and Decode, anything else one program.  The tokenizer's files are
 * compiled, and what running needs of the other files goes along. */

#include "contract.h"
#include "document.h"
#include "estimate.h"
#include "host.h"
#include "onnx.h"
#include "op.h"
#include "qaic.h"
#include "text_parts.h"

enum { MAXEXTRA = 8 };

typedef struct Job {
	Ctx *c;
	Arena *a;
	const qe_compile *o;
	Graph *g;
	Json *manifest;
	Specs specs;
	QpcMember extra[MAXEXTRA];
	Span extra_data[MAXEXTRA];
	int nextra;
} Job;

/* JSON text under a key of the model's metadata, NULL if there is none. */
static Json *
meta(Job *j, const char *key)
{
	const char *text = dict_get(j->g->meta, key);
	Json *o = text ? json_parse(j->c, j->a, SPAN(text)) : NULL;

	if (text && !o)
		note(j->c, "metadata '%s'", key);
	return o;
}

static bool
is_decoder(const Graph *g)
{
	Value *pos = value_find(g, "position_ids");

	return pos && !pos->from && g->nout > 1 &&
	       (value_find(g, "logits") || value_find(g, "next_tokens")) &&
	       str_ends(g->out[g->nout - 1]->name, "_RetainedState");
}

static void
add_extra(Job *j, const char *name, Span data)
{
	j->extra[j->nextra] =
		(QpcMember){.name = name, .size = (int64_t)data.n};
	j->extra_data[j->nextra++] = data;
}

/* Tokenizer files are named relative to the model; from a pipe, to the folder
 * we are in. */
static bool
compile_tokenizer(Job *j, const Json *files)
{
	TextParts t;

	if (!text_refs(j->c, j->a, files,
	               strcmp(j->o->in, "-") == 0 ? "."
	                                          : path_dir(j->a, j->o->in),
	               &t) ||
	    !text_compile(j->c, j->a, &t))
		return note(j->c, "tokenizer");
	if (t.blob.n)
		add_extra(j, "tokenizer.bin", t.blob);
	else
		say(j->c, 0,
		    "no tokenizer: the package takes --ids and --input only");
	if (t.files.tokenizer_config.n)
		add_extra(j, "tokenizer_config.json", t.files.tokenizer_config);
	if (t.jinja.n)
		add_extra(j, "chat_template.jinja", t.jinja);
	return true;
}

static void
keep(Job *j, const char *key, Json *value)
{
	if (value)
		json_put(j->manifest, key, json_share(value));
}

static bool
take_metadata(Job *j)
{
	Json *files = meta(j, "qeff.tokenizer"),
	     *made = meta(j, "qeff.provenance"), *options = json_new(j->a);

	keep(j, "model", meta(j, "qeff.model"));
	keep(j, "generation_config", meta(j, "qeff.generation_config"));
	keep(j, "sentence", meta(j, "qeff.sentence"));
	keep(j, "transforms", meta(j, "qeff.transforms"));
	keep(j, "provenance", made ? made : json_new_array(j->a));
	if (j->o->weights)
		json_put_str(options, "weights", j->o->weights);
	if (j->o->kv_cache_dtype)
		json_put_str(options, "kv_cache_dtype", j->o->kv_cache_dtype);
	document_maker(j->c, j->manifest, options);
	if (j->c->status != QE_OK)
		return false;
	return (!files && !is_decoder(j->g)) || compile_tokenizer(j, files);
}

/* What only a card's compiler can be told. */
static bool
refuse_card_options(Ctx *c, const qe_compile *o)
{
	const struct {
		const char *name;
		bool given;
	} none[] = {
		{"num-cores", o->num_cores != 0},
		{"num-devices", o->num_devices > 1 || o->device_group},
		{"aic-hw-version", o->aic_hw_version != NULL},
		{"mos", o->mos > 0},
		{"aic-enable-depth-first", o->aic_enable_depth_first},
		{"allow-mxint8-mdp-io", o->allow_mxint8_mdp_io},
		{"use-onnx-subfunctions", o->use_onnx_subfunctions},
		{"node-precision-info", o->node_precision_info != NULL},
		{"fp32-nodes", o->fp32_nodes != NULL},
		{"custom-io", o->custom_io != NULL},
		{"mdp-load-partition-config",
	         o->mdp_load_partition_config != NULL},
		{"mdp-num-partitions", o->mdp_num_partitions > 1},
		{"mdp-dump-partition-config",
	         o->mdp_dump_partition_config != NULL},
		{"qnn-config", o->qnn_config != NULL},
		{"sdk", o->sdk != NULL},
		{"compiler", o->compiler != NULL},
		{"dry-run", o->dry_run},
		{"layout", o->layout && strcmp(o->layout, "qpc") != 0},
		{"log", o->log != NULL},
		{"timeout", o->timeout != 0},
		{" (flags)", o->flags && *o->flags},
	};

	for (size_t i = 0; i < LEN(none); i++)
		if (none[i].given)
			return fail(
				c, QE_USAGE,
				"--%s is for --backend qaic and qnn, this is host",
				none[i].name);
	return true;
}

static bool
compile_host(Job *j)
{
	const qe_compile *o = j->o;
	HostOptions h = {.weights = o->weights,
	                 .cache = o->kv_cache_dtype,
	                 .threads = (int)o->threads,
	                 .report = o->report,
	                 .late = o->max_dynamic_bytes,
	                 .extra = j->extra,
	                 .extra_data = j->extra_data,
	                 .nextra = j->nextra,
	                 .manifest = j->manifest,
	                 .spec = j->specs.spec,
	                 .nspec = j->specs.n};

	return refuse_card_options(j->c, o) &&
	       host_compile(j->c, j->g, &h, o->out);
}

static QaicJob
card_job(Job *j)
{
	return (QaicJob){.o = j->o,
	                 .g = j->g,
	                 .specs = &j->specs,
	                 .extra = j->extra,
	                 .extra_data = j->extra_data,
	                 .nextra = j->nextra,
	                 .manifest = j->manifest};
}

static bool
compile_qaic(Job *j)
{
	QaicJob card = card_job(j);

	return qaic_compile(j->c, j->a, &card);
}

static bool
compile_qnn(Job *j)
{
	QaicJob card = card_job(j);

	return qnn_compile(j->c, j->a, &card);
}

/* own: the programs are ours, so functions are inlined and programs have the
 * names by which our runs look for them. */
static const struct Backend {
	const char *name;
	bool own;
	bool (*compile)(Job *);
} backends[] = {{"host", true, compile_host},
                {"qaic", false, compile_qaic},
                {"qnn", false, compile_qnn}};

static bool
compile(Job *j, const struct Backend *b)
{
	return onnx_read(j->c, j->a, j->o->in, &j->g) &&
	       (!b->own || graph_inline(j->c, j->g)) &&
	       specs_choose(j->c, j->a, j->g, j->o, b->own, &j->specs) &&
	       take_metadata(j) && b->compile(j);
}

static bool
look_after_cache(Ctx *c, Arena *a, const qe_compile *o)
{
	if (!o->cache)
		return fail(c, QE_USAGE, "there is no cache: give --cache-dir");
	if (o->cache_clear && !keep_clear(c, a, o->cache))
		return false;
	return !o->cache_list || keep_list(c, a, o->cache, o->out);
}

bool
qe_qnn_compile(qe_ctx *c, const qe_compile *o)
{
	Arena a = {0};
	Job j = {.c = c, .a = &a, .o = o, .manifest = json_new(&a)};
	const char *name = o->backend ? o->backend : backends[0].name;
	bool ok = false;
	size_t i = 0;

	while (i < LEN(backends) && strcmp(backends[i].name, name) != 0)
		i++;
	if (o->cache_list || o->cache_clear)
		ok = look_after_cache(c, &a, o);
	else if (o->estimate || o->memory)
		ok = estimate(c, &a, o);
	else
		ok = i < LEN(backends)
		             ? compile(&j, &backends[i])
		             : fail(c, QE_USAGE, "--backend %s: there is none",
		                    name);
	arena_free(&a);
	return ok;
}
