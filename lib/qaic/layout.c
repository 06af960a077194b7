/* SPDX-License-Identifier: BSD-3-Clause
 * layout.c - the folder that QEfficient's compile() leaves, made by us.
 *
 *     DIR/mdp_disagg_Dd_Pp.json
 *     DIR/qpc-HASH/ specializations.json custom_io.yaml mdp_ts_N.json
 *                   hashed_compile_params.json qconfig.json
 *                   qpc/programqpc.bin
 *
 * and of the QNN compilers
 *
 *     DIR/ specializations.json custom_io_config.yaml qnn_*.json
 *          tensor_slicing.json model.dlc qconfig.json
 *     DIR/qpc-HASH/programqpc.bin
 *
 * HASH is what QEfficient computes for the same call, so that it finds the
 * result and does not compile again: 16 digits of the SHA-256 of the command
 * up to the files it makes, the specializations and so on, as one line of
 * JSON with sorted keys.  What it leaves as hashed_compile_params.json is not
 * what it hashed: by then the command has grown by the files.
 * Source: QEfficient ebf55e81, base/modeling_qeff.py, utils/hash_utils.py,
 * compile/qnn_compiler.py. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "qaic.h"

enum { MAXSPECS = 1 << 20, MAXCONFIG = 1 << 20 };

/* The QNN compiler has no part of its arguments hashed. */
static bool
is_qnn(const Plan *p)
{
	return p->nhash == 0;
}

static bool
is_mxfp6(const qe_compile *o)
{
	return o->weights && strcmp(o->weights, "mxfp6") == 0;
}

static bool
is_mxint8(const qe_compile *o)
{
	return o->kv_cache_dtype && strcmp(o->kv_cache_dtype, "mxint8") == 0;
}

/* ---- what is hashed ---- */

static Json *
command(const Plan *p, int n)
{
	Json *list = json_object_new_array();

	for (int i = 0; i < n; i++)
		json_push(list, json_object_new_string(p->cmd[0].arg[i]));
	return list;
}

/* Whether the class's compile() names its programs before it hashes them. */
static bool
is_tagged(const QaicJob *j)
{
	enum ModelKind kind = model_kind(j->g);

	return kind != MODEL_ADAPTER && kind != MODEL_VISION &&
	       !model_input(j->g, "vision_embeds");
}

/* As they were given to compile(): a list of the user's as it is. */
static Json *
specializations(Ctx *c, Arena *a, const QaicJob *j)
{
	const Specs *s = j->specs;
	Json *list = json_object_new_array(), *given;

	if (j->o->specializations) {
		given = json_read(c, a, j->o->specializations, MAXSPECS);
		json_object_put(list);
		given = json_get(given, "specializations");
		return given ? json_share(given) : NULL;
	}
	for (int i = 0; i < s->n; i++) {
		Json *e = json_object_new_object();
		const char *name = s->spec[i].name, *cut = strrchr(name, '_');

		/* numbers are added to equal names after hashing */
		if (cut && (str_starts(name, "Prefill_") ||
		            str_starts(name, "Decode_")))
			name = arena_span(a,
			                  (Span){name, (size_t)(cut - name)});
		if (is_tagged(j))
			json_put_str(e, "_graph_name", name);
		for (int b = 0; b < s->spec[i].nbind; b++)
			json_put_int(e, s->spec[i].bind[b].sym,
			             s->spec[i].bind[b].n);
		json_push(list, e);
	}
	return list;
}

static bool
io_map(Ctx *c, Arena *a, const QaicJob *j, Json *o)
{
	CustomIO io;
	Json *map = NULL;

	if (!custom_io(c, a, j, &io))
		return false;
	if (io.n)
		map = json_object_new_object();
	for (int i = 0; i < io.n; i++)
		json_put_str(map, io.name[i], io.type[i]);
	json_put(o, "custom_io", map);
	return true;
}

/* A number, or a list of them if there are several. */
static Json *
speculative(Arena *a, const char *text)
{
	char **word = str_split(a, text ? text : "", ',');
	Json *list;
	int64_t k;

	if (!*word || !word[1])
		return *word && str_int(*word, &k) ? json_object_new_int64(k)
		                                   : NULL;
	list = json_object_new_array();
	for (; *word; word++)
		if (str_int(*word, &k))
			json_push(list, json_object_new_int64(k));
	return list;
}

static Json *
partitions(Ctx *c, Arena *a, const Plan *p)
{
	for (int i = 0; i < p->nfile; i++)
		if (str_starts(p->file[i].name, "mdp_"))
			return json_parse(c, a, p->file[i].text);
	if (p->job->o->mdp_load_partition_config)
		return json_read(c, a, p->job->o->mdp_load_partition_config,
		                 1u << 30);
	return NULL;
}

static Json *
hashed(Ctx *c, Arena *a, const Plan *p)
{
	const qe_compile *o = p->job->o;
	Json *h = json_new(a), *mdp = partitions(c, a, p);

	if (c->status != QE_OK || !io_map(c, a, p->job, h))
		return NULL;
	json_put(h, "command", command(p, p->nhash));
	json_put(h, "specializations", specializations(c, a, p->job));
	json_put_int(h, "mdp_ts_num_devices", plan_devices(o));
	json_put_int(h, "mdp_num_partitions", MAX(o->mdp_num_partitions, 1));
	json_put_str(h, "mdp_strategy",
	             o->mdp_compiler_dump_path ? "intersection" : "onnx");
	json_put(h, "mdp_ts_json", mdp ? json_share(mdp) : NULL);
	json_put(h, "num_speculative_tokens",
	         speculative(a, o->num_speculative_tokens));
	json_put(h, "prefill_only",
	         o->prefill_only || o->decode_only
	                 ? json_object_new_boolean(o->prefill_only)
	                 : NULL);
	return h;
}

static void
hash_json(Buf *b, const Json *o)
{
	json_print_as(b, o, 0, JSON_TIGHT | JSON_ASCII);
}

/* One key of an object. */
static void
hash_pair(Arena *a, Buf *b, const char *key, Json *value)
{
	Json *o = json_new(a);

	json_put(o, key, value);
	hash_json(b, o);
}

/* The pieces that the QNN compiler's hash is fed, one after the other. */
static bool
hash_qnn(Ctx *c, Arena *a, const Plan *p, const Json *params, Buf *b)
{
	const qe_compile *o = p->job->o;
	Json *group = json_object_new_array(), *config;

	buf_str(b, "\"qnn\"");
	hash_json(b, json_get(params, "specializations"));
	if (json_get(params, "custom_io"))
		hash_json(b, json_get(params, "custom_io"));
	if (o->qnn_config) {
		if (!(config = json_read(c, a, o->qnn_config, MAXCONFIG)))
			return false;
		hash_json(b, config);
	}
	for (int64_t i = 0; i < plan_devices(o); i++)
		json_push(group, json_object_new_int64(i));
	hash_pair(a, b, "device_group", group);
	hash_pair(a, b, "num_cores", json_object_new_int64(plan_cores(o)));
	hash_pair(a, b, "mxfp6", json_object_new_boolean(is_mxfp6(o)));
	hash_pair(a, b, "mxint8", json_object_new_boolean(is_mxint8(o)));
	return true;
}

/* The folder's name for these. */
static bool
name_folder(Ctx *c, Arena *a, const Plan *p, const Json *params,
            const char **out)
{
	Buf *b = buf_new(a);

	if (!is_qnn(p))
		hash_json(b, params);
	else if (!hash_qnn(c, a, p, params, b))
		return false;
	*out = path_join(a, p->job->o->out,
	                 arena_str(a, "qpc-%.16s", sha256(b->p, b->n).hex));
	return true;
}

/* ---- qconfig.json ---- */

/* Arguments of the compiler as keywords of compile(): "-mos=2" is mos: 2. */
static void
put_keywords(Arena *a, Json *o, const Plan *p)
{
	enum { FIXED = 4 }; /* program, card, version, model */

	for (int i = FIXED; i < p->nhash; i++) {
		const char *arg = p->cmd[0].arg[i] + 1, *eq = strchr(arg, '=');
		char *key = arena_span(a, (Span){arg, eq ? (size_t)(eq - arg)
		                                         : strlen(arg)});
		int64_t n;

		for (char *dash = key; (dash = strchr(dash, '-'));)
			*dash = '_';
		if (!eq)
			json_put_bool(o, key, true);
		else if (str_int(eq + 1, &n))
			json_put_int(o, key, n);
		else
			json_put_str(o, key, eq + 1);
	}
}

static Json *
compiler_config(Arena *a, const Plan *p, const Json *params)
{
	const qe_compile *o = p->job->o;
	const char *specs = path_join(a, p->dir, "specializations.json");
	Json *k = json_object_new_object(),
	     *k_spec = json_get(params, "num_speculative_tokens");

	put_keywords(a, k, p);
	json_put_bool(k, "enable_qnn", is_qnn(p));
	json_put_str(k, "compile_dir", o->out);
	json_put_str(k, "specializations_file_path", specs);
	json_put(k, "specializations",
	         json_share(json_get(params, "specializations")));
	json_put_int(k, "mdp_ts_num_devices", plan_devices(o));
	json_put(k, "num_speculative_tokens",
	         k_spec ? json_share(k_spec) : NULL);
	json_put_int(k, "aic_num_cores", plan_cores(o));
	json_put_bool(k, "mxfp6_matmul", is_mxfp6(o));
	json_put_bool(k, "mxint8_kv_cache", is_mxint8(o));
	json_put_bool(k, "use_onnx_subfunctions", o->use_onnx_subfunctions);
	return k;
}

static Json *
qconfig(Arena *a, const Plan *p, const Json *params)
{
	const Json *model = json_get(p->job->manifest, "model");
	Json *root = json_new(a), *q = json_object_new_object(),
	     *e = json_object_new_object(), *v = json_object_new_object();

	json_put(root, "huggingface_config",
	         model ? json_share((Json *)(uintptr_t)model) : NULL);
	json_put(root, "qpc_config", q);
	json_put_str(e, "onnx_path", p->model);
	json_put(q, "QEff_config", e);
	json_put(q, "compiler_config", compiler_config(a, p, params));
	json_put(v, "qaic_apps_version",
	         *p->tools->version && !is_qnn(p)
	                 ? json_object_new_string(p->tools->version)
	                 : NULL);
	json_put(q, "aic_sdk_config", v);
	return root;
}

/* ---- the folder ---- */

static bool
link_or_copy(Ctx *c, Arena *a, const char *from, const char *to)
{
	Span s;

	return link(from, to) == 0 ||
	       (file_map(c, a, from, &s) && file_write(c, to, s.p, s.n));
}

static bool
write_json(Ctx *c, Arena *a, const char *dir, const char *name, const Json *o)
{
	Buf *b = buf_new(a);

	json_print_as(b, o, 4, JSON_TIGHT | JSON_ROWS | JSON_ASCII);
	return file_write(c, path_join(a, dir, name), b->p, b->n);
}

/* The files that the compilers were given, in DIR and in the folder. */
static bool
put_files(Ctx *c, Arena *a, const Plan *p, const char *folder)
{
	const QaicJob *j = p->job;

	for (int i = 0; i < p->nfile; i++) {
		const char *dir =
			is_qnn(p) || p->file[i].beside ? j->o->out : folder;

		if (!file_write(c, path_join(a, dir, p->file[i].name),
		                p->file[i].text.p, p->file[i].text.n))
			return false;
	}
	for (int i = 0; i < j->nextra; i++)
		if (!file_write(c, path_join(a, folder, j->extra[i].name),
		                j->extra_data[i].p, j->extra_data[i].n))
			return false;
	return true;
}

static bool
fill_qnn(Ctx *c, Arena *a, const Plan *p, const char *from, const char *folder,
         const Json *params)
{
	const char *dlc = path_join(a, from, "model.dlc"),
		   *to = path_join(a, p->job->o->out, "model.dlc");

	if (!dir_make(c, folder) || !put_files(c, a, p, folder) ||
	    !link_or_copy(c, a, path_join(a, from, p->binary),
	                  path_join(a, folder, "programqpc.bin")))
		return false;
	if (file_size(dlc) >= 0 &&
	    ((unlink(to) < 0 && errno != ENOENT && !fail_errno(c, to)) ||
	     !link_or_copy(c, a, dlc, to)))
		return false;
	return write_json(c, a, p->job->o->out, "qconfig.json",
	                  qconfig(a, p, params));
}

static bool
fill_qaic(Ctx *c, Arena *a, const Plan *p, const char *from, const char *folder,
          Json *params)
{
	if (!dir_make(c, path_join(a, folder, "qpc")) ||
	    !put_files(c, a, p, folder) ||
	    !link_or_copy(c, a, path_join(a, from, p->binary),
	                  path_join(a, folder, p->binary)) ||
	    !write_json(c, a, folder, "qconfig.json", qconfig(a, p, params)))
		return false;
	json_put(params, "command", command(p, p->cmd[0].n));
	return write_json(c, a, folder, "hashed_compile_params.json", params);
}

/* A path as pathlib writes it: what is hashed is what the user typed, not
 * where it leads. */
static const char *
typed(const char *path)
{
	while (str_starts(path, "./") && path[2])
		path += 2;
	return path;
}

bool
layout_write(Ctx *c, Arena *a, const Plan *from, PlanFn *make, const char *at)
{
	const qe_compile *o = from->job->o;
	/* places first as QEfficient knows them before the hash, then after */
	Plan first = {.job = from->job,
	              .tools = from->tools,
	              .model = strcmp(o->in, "-") == 0 ? from->model
	                                               : typed(o->in),
	              .dir = typed(o->out),
	              .beside = typed(o->out)},
	     p = first;
	Json *params;
	const char *dir, *part;

	if (!make(c, a, &first) || !(params = hashed(c, a, &first)) ||
	    !name_folder(c, a, &first, params, &dir))
		return false;
	part = arena_str(a, "%s.part", dir);
	if (!is_qnn(&first))
		p.dir = dir;
	if (!make(c, a, &p) || !dir_remove(c, part))
		return false;
	if (is_qnn(&p) ? !fill_qnn(c, a, &p, at, part, params)
	               : !fill_qaic(c, a, &p, at, part, params))
		return false;
	return dir_remove(c, dir) &&
	       (rename(part, dir) == 0 || fail_errno(c, dir));
}
