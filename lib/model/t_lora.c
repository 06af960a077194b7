/* SPDX-License-Identifier: BSD-3-Clause
 * t_lora.c - LoRA adapters, from the directories that PEFT writes.
 *
 * adapter_config.json says rank and scale, adapter_model.safetensors holds
 * two matrices for a module: A [r, in] and B [out, r], and the module becomes
 * W x + scale B A x.  Each linear module of the tree gets what it needs under
 * `lora`; how the two are put to work, root.lora.mode, is lora.c's:
 *
 *   merged  into the weight, for good
 *   inputs  of one adapter: A and B are inputs that are kept
 *   finite  of several with one set of modules and one rank: lora_ids says
 *           which one a row takes, 0 none */

#include <math.h>

#include "document.h"
#include "regex.h"
#include "transform.h"
#include "tree.h"

enum { MAXCONFIG = 1 << 20 };

/* What else than alpha and rank makes a scale. */
static const char *const scale_keys[] = {"use_rslora", "alpha_pattern"};

typedef struct Adapters {
	Ctx *c;
	Arena *a;
	Json *doc;
	Dict *linear; /* linear modules by the name of their weight */
	int64_t rank, modules;
	const char *mode;
	Json *names;
	const Json *config; /* of the newest */
} Adapters;

/* One that is being read. */
typedef struct Adapter {
	const char *dir, *name;
	const Json *config;
	SafeFile file;
	int index; /* of the file in the document */
	int number;
} Adapter;

bool
want_lora(const Json *doc, const TransformArgs *args)
{
	(void)doc;
	return args->lora && *args->lora;
}

/* ---- modules of the tree ---- */

static void
find_linears(Adapters *s, Json *o, int depth)
{
	const char *w = json_get_str(o, "weight", NULL);

	if (!o || depth > JSON_DEPTH)
		return;
	for (size_t i = 0; json_is(o, json_type_array) && i < json_len(o); i++)
		find_linears(s, json_at(o, i), depth + 1);
	if (!json_is(o, json_type_object))
		return;
	if (w && !json_get(o, "kind"))
		dict_set(s->linear, w, o);
	json_object_object_foreach(o, key, v)
	{
		(void)key;
		find_linears(s, v, depth + 1);
	}
}

/* ---- a directory ---- */

static bool
check_config(Ctx *c, const Json *o)
{
	static const char *const none[] = {"use_dora", "lora_bias",
	                                   "use_qalora"};
	/* adapters that begin with a part of the weights, which stay without */
	static const char *const parts[] = {"pissa*", "olora", "corda",
	                                    "loftq"};
	const char *type = json_get_str(o, "peft_type", "LORA"),
		   *from = json_get_str(o, "init_lora_weights", "");

	if (strcmp(type, "LORA") != 0)
		return fail(c, QE_INPUT,
		            "peft_type '%s' is not supported, LORA is", type);
	for (size_t i = 0; i < LEN(none); i++)
		if (json_get_bool(o, none[i], false))
			return fail(c, QE_INPUT, "%s is not supported",
			            none[i]);
	for (size_t i = 0; i < LEN(parts); i++)
		if (str_glob(parts[i], from))
			return fail(
				c, QE_INPUT,
				"init_lora_weights '%s': an adapter to weights that were changed (convert it to plain LoRA with PEFT)",
				from);
	if (json_len(json_get(o, "modules_to_save")))
		return fail(c, QE_INPUT,
		            "modules_to_save: '%s' is whole, not an adapter",
		            json_str(json_at(json_get(o, "modules_to_save"), 0),
		                     "?"));
	return json_get_int(o, "r", 0) > 0 ||
	       fail(c, QE_INPUT, "r is %lld",
	            (long long)json_get_int(o, "r", 0));
}

Json *
lora_config(Ctx *c, Arena *a, const char *dir)
{
	Json *o = json_read(c, a, path_join(a, dir, "adapter_config.json"),
	                    MAXCONFIG);

	if (o && !check_config(c, o))
		return note(c, "adapter_config.json"), NULL;
	return o;
}

/* A pattern is a regular expression for the whole of a module's name or its
 * end behind a dot; PEFT takes the first that fits. */
static bool
by_pattern(Adapters *s, const Json *patterns, const char *module, double *x)
{
	if (!json_is(patterns, json_type_object))
		return true;
	json_object_object_foreach((Json *)(uintptr_t)patterns, key, v)
	{
		char *p = arena_str(s->a, "^(?:.*\\.)?(?:%s)$", key);
		Regex *re = regex_open(s->c, s->a, SPAN(p));

		if (!re)
			return note(s->c, "alpha_pattern '%s'", key);
		if (!regex_at(matcher_open(s->a), re, SPAN(module)))
			continue;
		*x = json_num(v, *x);
		break;
	}
	return true;
}

static bool
scale_of(Adapters *s, const Adapter *d, const char *module, int64_t rank,
         double *scale)
{
	double alpha = json_get_num(d->config, "lora_alpha", 8);
	bool root = json_get_bool(d->config, "use_rslora", false);

	if (!by_pattern(s, json_get(d->config, "alpha_pattern"), module,
	                &alpha))
		return false;
	*scale = alpha / (root ? sqrt((double)rank) : (double)rank);
	return true;
}

static bool
open_adapter(Adapters *s, Adapter *d)
{
	const char *path = path_join(s->a, d->dir, "adapter_model.safetensors");
	Json *ref;

	if (!(d->config = lora_config(s->c, s->a, d->dir)) ||
	    !safetensors_read(s->c, s->a, path, &d->file) ||
	    !(ref = file_ref(s->c, s->a, path, d->file.header)))
		return false;
	d->index = (int)json_len(json_get(s->doc, "files"));
	json_push(json_get(s->doc, "files"), json_share(ref));
	return true;
}

/* ---- its tensors ---- */

static Json *
entry(Adapters *s, const Adapter *d, const SafeTensor *t)
{
	Json *o = json_new(s->a), *dims = json_new_array(s->a);

	for (int i = 0; i < t->shape.rank; i++)
		json_push(dims, json_object_new_int64(t->shape.dim[i]));
	json_put_str(o, "dtype", t->dtype);
	json_put(o, "shape", json_share(dims));
	json_put_int(o, "file", d->index);
	json_put_int(o, "offset", t->off);
	json_put_int(o, "length", t->len);
	return json_share(o);
}

static bool
fits(Adapters *s, const Json *m, const SafeTensor *a, const SafeTensor *b)
{
	const char *w = json_get_str(m, "weight", "");
	Shape full = tree_shape(json_get(json_get(s->doc, "tensors"), w));
	bool turn = json_get_bool(m, "in_out", false);

	if (full.rank == 2 && a->shape.rank == 2 && b->shape.rank == 2 &&
	    a->shape.dim[1] == full.dim[!turn] &&
	    b->shape.dim[0] == full.dim[turn] &&
	    a->shape.dim[0] == b->shape.dim[1])
		return true;
	return fail(s->c, QE_INPUT, "A %s and B %s for '%s' %s",
	            shape_text(&a->shape).s, shape_text(&b->shape).s, w,
	            shape_text(&full).s);
}

/* The module that A belongs to; the name begins with base_model.model. */
static const char *
module_of(Adapters *s, const SafeTensor *t)
{
	static const char front[] = "base_model.model.";
	static const char end[] = ".lora_A.weight";
	const char *name = t->name;

	if (str_starts(name, front))
		name += sizeof front - 1;
	return arena_span(s->a, (Span){name, strlen(name) - sizeof end + 1});
}

static bool
same_rank(Adapters *s, int64_t rank)
{
	if (strcmp(s->mode, "finite") != 0 || !s->rank || rank == s->rank) {
		s->rank = rank;
		return true;
	}
	return fail(
		s->c, QE_INPUT,
		"rank %lld, another adapter has %lld: adapters that are picked by lora_ids need one",
		(long long)rank, (long long)s->rank);
}

static bool
add_pair(Adapters *s, const Adapter *d, const SafeTensor *a)
{
	const char *module = module_of(s, a), *name[2];
	char *other =
		arena_str(s->a, "%.*sB.weight",
	                  (int)(strlen(a->name) - strlen("A.weight")), a->name);
	const SafeTensor *b = dict_get(d->file.byname, other);
	Json *m = dict_get(s->linear, arena_str(s->a, "%s.weight", module));
	Json *tensors = json_get(s->doc, "tensors"), *list, *o;
	double scale;

	if (!m)
		return fail(
			s->c, QE_INPUT,
			"'%s': the model has no linear module of this name by itself",
			module);
	if (!b)
		return fail(s->c, QE_INPUT, "no tensor '%s'", other);
	if (!fits(s, m, a, b) || !same_rank(s, a->shape.dim[0]) ||
	    !scale_of(s, d, module, a->shape.dim[0], &scale))
		return false;
	for (int i = 0; i < 2; i++) {
		const SafeTensor *t = i ? b : a;

		name[i] = arena_str(s->a, "%s.lora_%c.%s.weight", module,
		                    "AB"[i], d -> name);
		json_put(tensors, name[i], entry(s, d, t));
		json_put_str(json_get(tensors, name[i]), "source", t->name);
	}
	if (!(list = json_get(m, "lora")))
		json_put(m, "lora", json_share(list = json_new_array(s->a)));
	o = json_new(s->a);
	json_put_str(o, "module", module);
	json_put_str(o, "a", name[0]);
	json_put_str(o, "b", name[1]);
	json_put_num(o, "scale", scale);
	json_put_int(o, "rank", a->shape.dim[0]);
	json_push(list, json_share(o));
	return (int)json_len(list) == d->number + 1 ||
	       strcmp(s->mode, "finite") != 0 ||
	       fail(s->c, QE_INPUT,
	            "'%s': not in every adapter: those that are picked by lora_ids need the same modules",
	            module);
}

static bool
read_adapter(Adapters *s, Adapter *d)
{
	int64_t n = 0;

	if (!open_adapter(s, d))
		return false;
	for (int i = 0; i < d->file.ntensor; i++) {
		const SafeTensor *t = &d->file.tensor[i];

		if (str_ends(t->name, ".lora_B.weight"))
			continue;
		if (!str_ends(t->name, ".lora_A.weight"))
			return fail(s->c, QE_INPUT,
			            "tensor '%s' is not of a linear module",
			            t->name);
		if (!add_pair(s, d, t))
			return false;
		n++;
	}
	if (!n)
		return fail(s->c, QE_INPUT, "no tensors");
	if (d->number && n != s->modules && strcmp(s->mode, "finite") == 0)
		return fail(
			s->c, QE_INPUT,
			"%lld modules, another adapter has %lld: adapters that are picked by lora_ids need the same",
			(long long)n, (long long)s->modules);
	s->modules = n;
	s->config = d->config;
	return true;
}

static const char *
mode_of(const TransformArgs *args)
{
	return args->merge                     ? "merged"
	       : args->finite || args->lora[1] ? "finite"
	                                       : "inputs";
}

/* A setting, or NULL if it is false or empty. */
static Json *
setting(const Json *config, const char *key)
{
	Json *v = json_get(config, key);

	return json_true(v, false) || json_len(v) ? v : NULL;
}

const char *
lora_other_scale(const Json *config, const Json *record)
{
	for (size_t i = 0; i < LEN(scale_keys); i++)
		if (!json_object_equal(setting(config, scale_keys[i]),
		                       setting(record, scale_keys[i])))
			return scale_keys[i];
	return NULL;
}

/* NAME=DIR, or a directory whose last part is the name. */
static Adapter
adapter_of(Adapters *s, const char *text, int number)
{
	const char *eq = strchr(text, '='), *slash = strchr(text, '/');
	Adapter d = {.dir = text, .number = number};

	if (eq && (!slash || eq < slash)) {
		d.dir = eq + 1;
		d.name = arena_span(s->a, (Span){text, (size_t)(eq - text)});
	} else {
		d.name = path_base(text);
	}
	return d;
}

bool
apply_lora(Ctx *c, Arena *a, Json *doc, const TransformArgs *args, Json *record)
{
	Json *root = json_get(doc, "modules"), *o = json_new(a);
	Adapters s = {.c = c,
	              .a = a,
	              .doc = doc,
	              .linear = dict_new(a),
	              .names = json_new_array(a)};

	if (!args->lora || !*args->lora)
		return fail(c, QE_USAGE, "no adapter (--lora DIR)");
	s.mode = mode_of(args);
	if (strcmp(s.mode, "merged") != 0 && !transform_cached(c, doc))
		return false;
	find_linears(&s, root, 0);
	for (int i = 0; args->lora[i]; i++) {
		Adapter d = adapter_of(&s, args->lora[i], i);

		if (!read_adapter(&s, &d))
			return note(c, "%s", d.dir);
		json_push(s.names, json_object_new_string(d.name));
	}
	json_put_str(o, "mode", s.mode);
	json_put(o, "adapters", json_share(s.names));
	json_put(root, "lora", json_share(o));
	json_put_str(record, "mode", s.mode);
	json_put(record, "adapters", json_share(json_copy(a, s.names)));
	if (strcmp(s.mode, "inputs") == 0) { /* the scale is in the graph */
		json_put_int(record, "rank", s.rank);
		json_put_num(record, "alpha",
		             json_get_num(s.config, "lora_alpha", 8));
		for (size_t i = 0; i < LEN(scale_keys); i++)
			if (setting(s.config, scale_keys[i]))
				json_put(record, scale_keys[i],
				         json_share(setting(s.config,
				                            scale_keys[i])));
	}
	return true;
}
