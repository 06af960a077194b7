/* SPDX-License-Identifier: BSD-3-Clause
 * checkpoint.c - files of a checkpoint directory that are not weights. */

#include "checkpoint.h"
#include "document.h"
#include "tokenizer.h"

enum { MAXJSON = 64 << 20 };

/* A file of the directory, if it is there. */
static bool
put_ref(Ctx *c, Arena *a, const char *dir, const char *name, Json *o)
{
	const char *path = path_join(a, dir, name);
	Json *ref;

	if (file_size(path) < 0)
		return true;
	if (!(ref = file_ref(c, a, path, 0)))
		return false;
	json_put(o, name, json_share(ref));
	return true;
}

/* Chat templates with names. */
static bool
put_templates(Ctx *c, Arena *a, const char *dir, Json *o)
{
	static const char folder[] = "additional_chat_templates";
	char **file;
	size_t n = dir_list(a, path_join(a, dir, folder), &file);

	for (size_t i = 0; i < n; i++)
		if (str_ends(file[i], ".jinja") &&
		    !put_ref(c, a, dir, arena_str(a, "%s/%s", folder, file[i]),
		             o))
			return false;
	return true;
}

Json *
checkpoint_tokenizer(Ctx *c, Arena *a, const char *dir)
{
	Json *o = json_new(a);
	const char *name;

	for (size_t i = 0; (name = tokenizer_file(i)); i++)
		if (!put_ref(c, a, dir, name, o))
			return NULL;
	return put_ref(c, a, dir, "chat_template.jinja", o) &&
	                       put_templates(c, a, dir, o) && json_len(o)
	               ? o
	               : NULL;
}

Json *
checkpoint_generation(Ctx *c, Arena *a, const char *dir, const Json *config)
{
	static const char *const keys[] =
		{"bos_token_id",        "eos_token_id",
	         "pad_token_id",        "decoder_start_token_id",
	         "forced_bos_token_id", "forced_eos_token_id",
	         "suppress_tokens",     "begin_suppress_tokens",
	         "bad_words_ids",       "no_repeat_ngram_size",
	         "max_length",          "min_length"};
	const char *path = path_join(a, dir, "generation_config.json");
	Json *o;

	if (file_size(path) >= 0)
		return json_read(c, a, path, MAXJSON);
	o = json_new(a);
	for (size_t i = 0; i < LEN(keys); i++)
		tree_put(o, keys[i], json_get(config, keys[i]));
	return o;
}

Json *
checkpoint_files(Ctx *c, Arena *a, const Checkpoint *from, bool whole)
{
	Json *list = json_new_array(a), *ref;

	for (int i = 0; i < from->nfile + from->nextra; i++) {
		const SafeFile *f = &from->file[i];

		if (!(ref = file_ref(c, a, f->path, whole ? 0 : f->header)))
			return NULL;
		json_push(list, json_share(ref));
	}
	return list;
}

/* ---- sentence-transformers ---- */

/* What a module's folder says of it, its type's last word put in. */
static Json *
module(Ctx *c, Arena *a, const char *dir, const Json *entry)
{
	const char *type = json_get_str(entry, "type", "");
	const char *dot = strrchr(type, '.'), *path;
	const char *sub = json_get_str(entry, "path", "");
	Json *o, *config;

	type = dot ? dot + 1 : type;
	o = json_new(a);
	json_put_str(o, "type", type);
	if (!*sub || strcmp(type, "Transformer") == 0)
		return o;
	if (*sub == '/' || strstr(sub, ".."))
		return fail(c, QE_INPUT, "modules.json: path '%s'", sub), NULL;
	json_put_str(o, "path", sub);
	path = path_join(a, path_join(a, dir, sub), "config.json");
	if (file_size(path) < 0)
		return o;
	if (!(config = json_read(c, a, path, MAXJSON)))
		return NULL;
	json_put(o, "config", json_share(config));
	return o;
}

static bool
take(Ctx *c, Arena *a, const char *dir, const char *name, Json *o)
{
	static const char *const keys[] = {"prompts", "default_prompt_name",
	                                   "similarity_fn_name",
	                                   "max_seq_length", "do_lower_case"};
	const char *path = path_join(a, dir, name);
	const Json *j;

	if (file_size(path) < 0)
		return true;
	if (!(j = json_read(c, a, path, MAXJSON)))
		return false;
	for (size_t i = 0; i < LEN(keys); i++)
		tree_put(o, keys[i], json_get(j, keys[i]));
	return true;
}

Json *
checkpoint_sentence(Ctx *c, Arena *a, const char *dir)
{
	const char *path = path_join(a, dir, "modules.json");
	Json *list, *o, *out, *m;

	if (file_size(path) < 0)
		return NULL;
	if (!(list = json_read(c, a, path, MAXJSON)))
		return NULL;
	o = json_new(a);
	out = json_new_array(a);
	for (size_t i = 0; i < json_len(list); i++) {
		if (!(m = module(c, a, dir, json_at(list, i))))
			return NULL;
		json_push(out, json_share(m));
	}
	json_put(o, "modules", json_share(out));
	return take(c, a, dir, "sentence_bert_config.json", o) &&
	                       take(c, a, dir,
	                            "config_sentence_transformers.json", o)
	               ? o
	               : NULL;
}

/* The modules that have weights of their own. */
static bool
has_weights(const Json *m)
{
	static const char *const types[] = {"Dense", "LayerNorm", NULL};

	return str_in(json_get_str(m, "type", ""), types);
}

static int
count_weighted(const Json *list)
{
	int n = 0;

	for (size_t i = 0; i < json_len(list); i++)
		n += has_weights(json_at(list, i));
	return n;
}

static bool
module_weights(Tree *t, Checkpoint *from, const char *dir, Json *m)
{
	const char *sub = json_get_str(m, "path", ""), *prefix;
	bool dense = strcmp(json_get_str(m, "type", ""), "Dense") == 0;
	int at = from->nfile + from->nextra;
	Json *o;

	if (!safetensors_read(t->c, t->a,
	                      path_join(t->a, path_join(t->a, dir, sub),
	                                "model.safetensors"),
	                      &from->file[at]))
		return false;
	from->nextra++;
	prefix = arena_str(t->a, "%s.", sub);
	o = dense ? tree_extra_linear(t, at, prefix,
	                              json_get_bool(json_get(m, "config"),
	                                            "bias", true))
	          : tree_extra_norm(t, at, prefix);
	tree_put(m, dense ? "linear" : "norm", o);
	return o != NULL;
}

bool
checkpoint_modules(Tree *t, Checkpoint *from, const char *dir, Json *sentence)
{
	Json *list = json_get(sentence, "modules");
	int n = count_weighted(list);
	SafeFile *file = NEWV(t->a, SafeFile, from->nfile + n + 1);

	if (!n)
		return true;
	memcpy(file, from->file, (size_t)from->nfile * sizeof *file);
	from->file = file;
	for (size_t i = 0; i < json_len(list); i++) {
		Json *m = json_at(list, i);

		if (has_weights(m) && !module_weights(t, from, dir, m))
			return note(t->c, "sentence-transformers %s",
			            json_get_str(m, "type", ""));
	}
	return true;
}
