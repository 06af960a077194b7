/* SPDX-License-Identifier: BSD-3-Clause
 * layout.c - the folder that QEfficient's compile() leaves, made by us.
 *
 *     DIR/qpc-HASH/ specializations.json custom_io.yaml mdp_ts_N.json
 *                   hashed_compile_params.json qconfig.json
 *                   qpc/programqpc.bin
 *
 * HASH is what QEfficient computes for the same call, so that it finds the
 * result and does not compile again: 16 digits of the SHA-256 of the command
 * up to the files it makes, the specializations and so on, as one line of
 * JSON with sorted keys.
 * Source: QEfficient ebf55e81, base/modeling_qeff.py, utils/hash_utils.py. */

#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "qaic.h"

/* The QNN compiler has no part of its arguments hashed. */
static bool
is_qnn(const Plan *p)
{
	return p->nhash == 0;
}

/* ---- what is hashed ---- */

static Json *
command(const Plan *p)
{
	Json *list = json_object_new_array();

	for (int i = 0; i < p->nhash; i++)
		json_push(list, json_object_new_string(p->cmd[0].arg[i]));
	return list;
}

static Json *
specializations(Arena *a, const Specs *s)
{
	Json *list = json_object_new_array();

	for (int i = 0; i < s->n; i++) {
		Json *e = json_object_new_object();
		const char *name = s->spec[i].name, *cut = strrchr(name, '_');

		/* numbers are added to equal names after hashing */
		if (cut && (str_starts(name, "Prefill_") ||
		            str_starts(name, "Decode_")))
			name = arena_span(a,
			                  (Span){name, (size_t)(cut - name)});
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
	json_put(h, "command", command(p));
	json_put(h, "specializations", specializations(a, p->job->specs));
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
		if (!(config = json_read(c, a, o->qnn_config, 1 << 20)))
			return false;
		hash_json(b, config);
	}
	for (int64_t i = 0; i < plan_devices(o); i++)
		json_push(group, json_object_new_int64(i));
	hash_pair(a, b, "device_group", group);
	hash_pair(a, b, "num_cores", json_object_new_int64(plan_cores(o)));
	hash_pair(a, b, "mxfp6",
	          json_object_new_boolean(o->weights &&
	                                  strcmp(o->weights, "mxfp6") == 0));
	hash_pair(a, b, "mxint8",
	          json_object_new_boolean(o->kv_cache_dtype &&
	                                  strcmp(o->kv_cache_dtype, "mxint8") ==
	                                          0));
	return true;
}

/* ---- qconfig.json ---- */

static Json *
qconfig(Arena *a, const Plan *p)
{
	const qe_compile *o = p->job->o;
	const Json *model = json_get(p->job->manifest, "model");
	Json *root = json_new(a), *q = json_object_new_object(),
	     *k = json_object_new_object(), *e = json_object_new_object(),
	     *v = json_object_new_object();

	json_put(root, "huggingface_config",
	         model ? json_share((Json *)(uintptr_t)model) : NULL);
	json_put(root, "qpc_config", q);
	json_put_str(e, "onnx_path", p->model);
	json_put(q, "QEff_config", e);
	json_put_bool(k, "enable_qnn", is_qnn(p));
	json_put_str(k, "compile_dir", o->out);
	json_put(k, "specializations", specializations(a, p->job->specs));
	json_put_int(k, "mdp_ts_num_devices", plan_devices(o));
	json_put(k, "num_speculative_tokens",
	         speculative(a, o->num_speculative_tokens));
	json_put_int(k, "aic_num_cores", plan_cores(o));
	json_put(q, "compiler_config", k);
	json_put_str(v, "qaic_apps_version", p->tools->version);
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

static bool
fill(Ctx *c, Arena *a, const Plan *p, const char *from, const char *dir,
     const Json *params)
{
	const QaicJob *j = p->job;

	if (!dir_remove(c, dir) || !dir_make(c, path_join(a, dir, "qpc")))
		return false;
	for (int i = 0; i < p->nfile; i++)
		if (!file_write(c, path_join(a, dir, p->file[i].name),
		                p->file[i].text.p, p->file[i].text.n))
			return false;
	for (int i = 0; i < j->nextra; i++)
		if (!file_write(c, path_join(a, dir, j->extra[i].name),
		                j->extra_data[i].p, j->extra_data[i].n))
			return false;
	return link_or_copy(c, a, path_join(a, from, p->binary),
	                    path_join(a, dir,
	                              is_qnn(p) ? "programqpc.bin"
	                                        : "qpc/programqpc.bin")) &&
	       write_json(c, a, dir, "qconfig.json", qconfig(a, p)) &&
	       write_json(c, a, dir, "hashed_compile_params.json", params);
}

bool
layout_write(Ctx *c, Arena *a, const Plan *p, const char *from)
{
	Json *params = hashed(c, a, p);
	Buf *b = buf_new(a);
	char *dir, *part;
	Sha256 sum;

	if (!params)
		return false;
	if (!is_qnn(p))
		hash_json(b, params);
	else if (!hash_qnn(c, a, p, params, b))
		return false;
	sum = sha256(b->p, b->n);
	dir = path_join(a, p->job->o->out, arena_str(a, "qpc-%.16s", sum.hex));
	part = arena_str(a, "%s.part", dir);
	if (!fill(c, a, p, from, part, params) || !dir_remove(c, dir))
		return false;
	return rename(part, dir) == 0 || fail_errno(c, dir);
}
