/* SPDX-License-Identifier: BSD-3-Clause
 * load.c - stage 1: a checkpoint directory becomes a model document. */

#include "arch.h"
#include "checkpoint.h"
#include "document.h"

enum { MAXCONFIG = 16 << 20 };

typedef struct Load {
	Ctx *c;
	Arena *a;
	const qe_load *opt;
	const char *dir;
	const Json *config;
	Json *sentence; /* or NULL */
	Checkpoint from;
	Tree tree;
	Json *doc;
} Load;

static bool
read_config(Load *l)
{
	const char *path = l->opt->path;

	if (str_ends(path, "config.json") && file_size(path) >= 0)
		l->dir = path_dir(l->a, path);
	else
		l->dir = path;
	l->config =
		json_read(l->c, l->a, path_join(l->a, l->dir, "config.json"),
	                  MAXCONFIG);
	if (l->config && !json_is(l->config, json_type_object))
		return fail(l->c, QE_INPUT, "config.json: not an object");
	return l->config != NULL;
}

static bool
has_tensor(const Load *l, const char *name)
{
	for (int i = 0; name && i < l->from.nfile; i++)
		if (dict_has(l->from.file[i].byname, name))
			return true;
	return false;
}

/* The variant whose tensor is there, or the architecture itself. */
static const Json *
variant(Load *l, const Json *arch)
{
	const Json *list = json_get(arch, "variants"), *v;

	for (size_t i = 0; i < json_len(list); i++) {
		v = arch_open(l->c, l->a, json_str(json_at(list, i), ""),
		              l->config);
		if (!v || has_tensor(l, json_get_str(v, "detect", NULL)))
			return v;
	}
	return arch;
}

static bool
read_arch(Load *l)
{
	const char *type = json_get_str(l->config, "model_type", NULL);
	Tree *t = &l->tree;

	if (!type)
		return fail(l->c, QE_INPUT, "config.json: no model_type");
	if (!(t->arch = arch_open(l->c, l->a, type, l->config)))
		return note(l->c, "config.json");
	if (!safetensors_dir(l->c, l->a, l->dir, &l->from.file,
	                     &l->from.nfile) ||
	    !(t->arch = variant(l, t->arch)))
		return false;
	t->config = config_normal(l->c, l->a, t->arch, l->config);
	if (!t->config ||
	    !config_check(l->c, l->a, t->arch, t->config, l->opt->strict))
		return note(l->c, "config.json");
	return true;
}

static bool
build_tree(Load *l)
{
	Tree *t = &l->tree;

	if (!safetensors_dir(l->c, l->a, l->dir, &l->from.file, &l->from.nfile))
		return false;
	t->c = l->c;
	t->a = l->a;
	t->from = &l->from;
	t->strict = l->opt->strict;
	t->task = l->opt->task;
	l->sentence = checkpoint_sentence(l->c, l->a, l->dir);
	if (l->c->status)
		return false;
	t->sentence = l->sentence != NULL;
	return (tree_build(t) &&
	        (!l->sentence ||
	         checkpoint_modules(t, &l->from, l->dir, l->sentence))) ||
	       note(l->c, "%s", l->dir);
}

/* {"hash": true} and the like: what was not left to the default */
static Json *
options(Load *l)
{
	Json *o = json_new(l->a);

	if (l->opt->hash)
		json_put_bool(o, "hash", true);
	if (l->opt->task)
		json_put_str(o, "task", l->opt->task);
	if (!l->opt->strict)
		json_put_bool(o, "strict", false);
	return o;
}

static bool
side_files(Load *l)
{
	Json *o;

	if ((o = checkpoint_tokenizer(l->c, l->a, l->dir)))
		tree_put(l->doc, "tokenizer", o);
	else if (!l->c->status)
		say(l->c, 0, "%s: no tokenizer files: token ids only", l->dir);
	if (!l->c->status &&
	    (o = checkpoint_generation(l->c, l->a, l->dir, l->config)))
		tree_put(l->doc, "generation_config", o);
	tree_put(l->doc, "sentence", l->sentence);
	return !l->c->status;
}

static bool
document(Load *l)
{
	Json *files = checkpoint_files(l->c, l->a, &l->from, l->opt->hash);

	if (!files)
		return false;
	l->doc = json_new(l->a);
	json_put_str(l->doc, "format", "qeff-model");
	json_put_int(l->doc, "version", 1);
	tree_put(l->doc, "files", files);
	tree_put(l->doc, "config", json_copy(l->a, l->config));
	tree_put(l->doc, "modules", l->tree.root);
	tree_put(l->doc, "tensors", l->tree.tensors);
	json_put(l->doc, "transforms", json_object_new_array());
	json_put(l->doc, "provenance", json_object_new_array());
	document_maker(l->c, l->doc, options(l));
	return side_files(l);
}

bool
qe_hf_load(qe_ctx *c, const qe_load *opt)
{
	Arena a = {0};
	Load l = {.c = c, .a = &a, .opt = opt};
	bool ok = read_config(&l) && read_arch(&l) && build_tree(&l) &&
	          document(&l) && document_write(c, &a, l.doc, opt->out);

	arena_free(&a);
	return ok;
}
