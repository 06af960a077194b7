/* SPDX-License-Identifier: BSD-3-Clause
 * inspect.c - what an artifact holds, whatever it is.
 *
 * What it is, is told by its first bytes.  Headers are read, weights are not;
 * only numbers of a .npy file are, and all of a package with `verify`. */

#include <sys/stat.h>

#include "inspect.h"

#include "document.h"
#include "estimate.h"
#include "export.h"
#include "kind.h"
#include "npy.h"
#include "onnx.h"
#include "op.h"
#include "qpc.h"
#include "safetensors.h"
#include "sketch.h"
#include "spool.h"

enum { MAXJSON = 1 << 28 };

typedef struct Look {
	Ctx *c;
	Arena a;
	const qe_inspect *opt;
	const char *path;
	Span bytes; /* of the file */
	Json *out;
	Buf *text; /* goes out instead, if set */
} Look;

typedef bool LookFn(Look *);

static const char no_picture[] =
	"no model document, ONNX model or package: --dot, --svg";

/* ---- parts ---- */

Json *
inspect_object(Json *in, const char *key)
{
	Json *o = json_object_new_object();

	json_put(in, key, o);
	return o;
}

Json *
inspect_list(Json *in, const char *key)
{
	Json *o = json_object_new_array();

	json_put(in, key, o);
	return o;
}

Json *
inspect_entry(Json *in)
{
	Json *o = json_object_new_object();

	json_push(in, o);
	return o;
}

Json *
inspect_dims(const Shape *s, const char *const *sym)
{
	Json *o = json_object_new_array();

	for (int i = 0; i < s->rank; i++)
		if (s->dim[i] >= 0)
			json_push(o, json_object_new_int64(s->dim[i]));
		else
			json_push(o, json_object_new_string(
					     sym && sym[i] ? sym[i] : "?"));
	return o;
}

static void
put_value(Json *in, const Value *v)
{
	Json *o = inspect_entry(in);

	json_put_str(o, "name", v->name);
	json_put_str(o, "dtype", dtypes[v->type].name);
	json_put(o, "shape",
	         inspect_dims(&v->shape, (const char *const *)v->sym));
}

/* Adds n to a number of an object. */
static void
count(Json *o, const char *key, int64_t n)
{
	json_put_int(o, key, json_get_int(o, key, 0) + n);
}

/* Repeated layers once; or, if asked for, the picture alone. */
static void
put_layers(Look *l, const Sketch *s)
{
	Json *list;

	if (l->opt->dot || l->opt->svg) {
		l->text = buf_new(&l->a);
		(l->opt->dot ? sketch_dot : sketch_svg)(l->text, s);
		return;
	}
	list = inspect_list(l->out, "layers");
	for (int i = 0; i < s->nbox; i++) {
		Json *o = inspect_entry(list);
		char *holds = arena_dup(&l->a, s->box[i].holds);

		for (char *p = holds; (p = strchr(p, '\n')) != NULL;)
			*p = ';';
		json_put_str(o, "name", s->box[i].name);
		json_put_int(o, "times", s->box[i].times);
		json_put_int(o, "parameters", s->box[i].parameters);
		json_put_int(o, "bytes", s->box[i].bytes);
		json_put_str(o, "holds", holds);
	}
}

/* ---- one function for each kind ---- */

static void
put_weights(Look *l, const Graph *g)
{
	Json *o = inspect_object(l->out, "weights"), *files, *each = NULL;
	int64_t n = 0, bytes = 0, elements = 0;
	Json *types = json_object_new_object();

	if (l->opt->tensors)
		each = inspect_list(l->out, "tensors");
	files = json_object_new_object();
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;
		const char *file = "in the model";

		if (!v || !value_is_const(v))
			continue;
		if (v->data.src && !v->data.mem)
			file = path_base(v->data.src->path);
		n++;
		bytes += v->data.len;
		elements += MAX(shape_count(&v->shape), 0);
		count(types, dtypes[v->type].name, v->data.len);
		count(files, file, v->data.len);
		if (!each)
			continue;
		put_value(each, v);
		json_put_str(json_at(each, json_len(each) - 1), "file", file);
		json_put_int(json_at(each, json_len(each) - 1), "offset",
		             v->data.off);
	}
	json_put_int(o, "count", n);
	json_put_int(o, "parameters", elements);
	json_put_int(o, "bytes", bytes);
	json_put(o, "bytes_of", types);
	json_put(o, "bytes_in", files);
}

static void
put_functions(Look *l, const Graph *g)
{
	Json *o = inspect_list(l->out, "functions"), *f;

	for (int i = 0; i < g->nfunc; i++) {
		f = inspect_entry(o);
		json_put_str(f, "domain", g->func[i]->domain);
		json_put_str(f, "name", g->func[i]->name);
		json_put_int(f, "nodes", g->func[i]->body->nnode);
		json_put_int(f, "inputs", g->func[i]->body->nin);
		json_put_int(f, "outputs", g->func[i]->body->nout);
	}
}

/* Ours are JSON; anybody's may be anything. */
static void
put_metadata(Look *l, const Graph *g)
{
	Json *o = inspect_object(l->out, "metadata");

	for (size_t i = 0; i < g->meta->n; i++) {
		const char *key = g->meta->item[i].key;
		const char *text = g->meta->item[i].value;
		Ctx trial = {.tool = l->c->tool};
		Json *j = str_starts(key, "qeff.")
		                  ? json_parse(&trial, &l->a, SPAN(text))
		                  : NULL;

		json_put(o, key,
		         j ? json_share(j) : json_object_new_string(text));
		arena_free(&trial.mem);
	}
}

static void
put_operators(Look *l, const Graph *g)
{
	Json *o = inspect_object(l->out, "operators");

	for (int i = 0; i < g->nnode; i++) {
		const Node *n = g->node[i];
		char *name = arena_str(&l->a, "%s%s%s", n->domain,
		                       *n->domain ? "." : "", n->type);

		count(o, name, 1);
	}
}

static bool
look_onnx(Look *l)
{
	bool pipe = strcmp(l->path, "-") == 0;
	Json *o = l->out, *opsets, *in, *out;
	const Sketch *s;
	Graph *g;

	if (!(pipe ? onnx_read_piped(l->c, &l->a, l->bytes, &g)
	           : onnx_read(l->c, &l->a, l->path, &g)))
		return pipe ? note(l->c, "<stdin>") : false;
	if (l->opt->graph) {
		l->text = buf_new(&l->a);
		graph_print(l->text, g);
		return true;
	}
	json_put_str(o, "graph", g->name);
	json_put_int(o, "ir_version", g->ir_version);
	opsets = inspect_object(o, "opsets");
	for (int i = 0; i < g->nopset; i++)
		json_put_int(opsets,
		             *g->opset[i].domain ? g->opset[i].domain
		                                 : "ai.onnx",
		             g->opset[i].version);
	in = inspect_list(o, "inputs");
	for (int i = 0; i < g->nin; i++)
		put_value(in, g->in[i]);
	out = inspect_list(o, "outputs");
	for (int i = 0; i < g->nout; i++)
		put_value(out, g->out[i]);
	json_put_int(o, "nodes", g->nnode);
	put_operators(l, g);
	put_functions(l, g);
	put_weights(l, g);
	put_metadata(l, g);
	if ((s = sketch_graph(l->c, &l->a, g)) != NULL) /* changes g */
		put_layers(l, s);
	return s || note(l->c, "%s", l->path);
}

/* What each program needs; the weights and the cache are common to all. */
static void
put_memory(Look *l, const Json *manifest)
{
	const Json *m = json_get(manifest, "memory_bytes"),
		   *specs = json_get(manifest, "specializations");
	int64_t weights = json_get_int(m, "weights", 0),
		cache = json_get_int(m, "retained_state", 0);
	Json *list;

	if (!m)
		return;
	list = inspect_list(l->out, "memory");
	for (size_t i = 0; i < json_len(specs); i++) {
		const Json *s = json_at(specs, i);
		Json *o = inspect_entry(list);
		int64_t arena = json_get_int(s, "arena_bytes",
		                             json_get_int(m, "arena", 0));

		json_put_str(o, "program", json_get_str(s, "name", "?"));
		json_put_int(o, "weights", weights);
		json_put_int(o, "cache", cache);
		json_put_int(o, "arena", arena);
		json_put_int(o, "bytes",
		             MAX(add_size(add_size(weights, cache), arena), 0));
	}
}

static bool
look_qpc(Look *l)
{
	Qpc *q = qpc_open(l->c, &l->a, l->path, l->opt->verify);

	if (!q)
		return false;
	if (l->opt->dot || l->opt->svg) {
		const Sketch *s = sketch_package(l->c, &l->a, q);

		if (s)
			put_layers(l, s);
		return s || note(l->c, "%s", l->path);
	}
	json_put_str(l->out, "digest", q->digest.hex);
	json_put_str(l->out, "checked",
	             l->opt->verify ? "all bytes" : "sizes and small members");
	json_object_object_foreach(q->manifest, key, v)
		json_put(l->out, key, json_share(v));
	put_memory(l, q->manifest);
	for (int i = 0; i < q->n; i++)
		if (strcmp(q->member[i].name, "programqpc.bin") == 0 &&
		    !inspect_vendor(l->c, &l->a, q->data[i], l->opt,
		                    inspect_object(l->out, "programqpc")))
			return note(l->c, "%s: programqpc.bin", l->path);
	return true;
}

static bool
look_vendor(Look *l)
{
	return inspect_vendor(l->c, &l->a, l->bytes, l->opt, l->out) ||
	       note(l->c, "%s", l->path);
}

static void
put_safetensors(Look *l, const SafeFile *f, int nfile)
{
	Json *o = l->out, *types, *each = NULL, *e;
	int64_t n = 0, bytes = 0, elements = 0;

	types = json_object_new_object();
	if (l->opt->tensors)
		each = json_object_new_array();
	for (int k = 0; k < nfile; k++)
		for (int i = 0; i < f[k].ntensor; i++) {
			const SafeTensor *t = &f[k].tensor[i];

			n++;
			bytes += t->len;
			elements += MAX(shape_count(&t->shape), 0);
			count(types, t->dtype, t->len);
			if (!each)
				continue;
			e = inspect_entry(each);
			json_put_str(e, "name", t->name);
			json_put_str(e, "dtype", t->dtype);
			json_put(e, "shape", inspect_dims(&t->shape, NULL));
			json_put_str(e, "file", path_base(f[k].path));
			json_put_int(e, "offset", t->off);
		}
	json_put_int(o, "files", nfile);
	json_put_int(o, "count", n);
	json_put_int(o, "parameters", elements);
	json_put_int(o, "bytes", bytes);
	json_put(o, "bytes_of", types);
	if (each)
		json_put(o, "tensors", each);
}

static bool
look_safetensors(Look *l)
{
	SafeFile f;

	if (!safetensors_read(l->c, &l->a, l->path, &f))
		return false;
	put_safetensors(l, &f, 1);
	return true;
}

static bool
look_npy(Look *l)
{
	double low = 0, high = 0, sum = 0, x;
	Value v = {.name = ""};
	int64_t n;

	if (!npy_read(l->c, &l->a, l->path, &v))
		return false;
	n = shape_count(&v.shape);
	json_put_str(l->out, "dtype", dtypes[v.type].name);
	json_put(l->out, "shape", inspect_dims(&v.shape, NULL));
	if (n < 1 || !strchr("FIUB", dtypes[v.type].class) ||
	    !(v.data.mem = blob_data(l->c, &l->a, &v.data)))
		return !l->c->status;
	for (int64_t i = 0; i < n && go_on(l->c); i++) {
		x = value_f64(&v, i);
		low = i ? MIN(low, x) : x;
		high = i ? MAX(high, x) : x;
		sum += x;
	}
	json_put_num(l->out, "min", low);
	json_put_num(l->out, "max", high);
	json_put_num(l->out, "mean", sum / (double)n);
	return go_on(l->c);
}

/* ---- JSON: which document it is, its members say ---- */

/* Weights as they are stored and the cache of one row, by context.  A document
 * that cannot be exported as it is, has no cache that is known. */
static void
put_contexts(Look *l, Json *doc, int64_t weights)
{
	enum { LEAST = 1024, MOST = 1 << 20 };
	Ctx trial = {.tool = l->c->tool};
	int64_t max =
		json_get_int(json_get(doc, "modules"), "max_positions", 0);
	Json *list;
	Graph *g;
	CacheSize each = {0};

	if (document_check(&trial, doc) &&
	    (g = export_graph(&trial, &l->a, doc, DT_F32)) != NULL)
		each = cache_size(&trial, &l->a, g);
	if (each.each + each.ring > 0) {
		list = inspect_list(l->out, "memory");
		for (int64_t n = MIN(LEAST, MAX(max, 1));
		     n <= MIN(MAX(max, 1), MOST); n *= 2) {
			Json *o = inspect_entry(list);
			double cache = cache_elements(&each, n, 1);

			json_put_int(o, "ctx_len", n);
			json_put_int(o, "weights", weights);
			json_put_int(o, "cache_float16", (int64_t)(cache * 2));
			json_put_int(o, "cache_float32", (int64_t)(cache * 4));
		}
	}
	arena_free(&trial.mem);
}

static void
look_document(Look *l, Json *j)
{
	static const char *const keys[] = {"kind",   "task",          "vocab",
	                                   "hidden", "max_positions", "cache"};
	static const char *const rest[] = {"transforms", "files", "tokenizer",
	                                   "provenance"};
	const Json *root = json_get(j, "modules");
	Json *tensors = json_get(j, "tensors"), *types,
	     *o = inspect_object(l->out, "model");
	const Sketch *s = sketch_document(&l->a, j);
	int64_t bytes = 0, parameters = 0;

	json_put_str(l->out, "kind", "model document");
	json_put_str(o, "model_type",
	             json_get_str(json_get(j, "config"), "model_type", "?"));
	for (size_t i = 0; i < LEN(keys); i++)
		if (json_get(root, keys[i]))
			json_put(o, keys[i],
			         json_share(json_get(root, keys[i])));
	json_put_int(o, "layers", (int64_t)json_len(json_get(root, "layers")));
	types = inspect_object(o, "bytes_of");
	if (json_is(tensors, json_type_object)) {
		json_object_object_foreach(tensors, name, t)
		{
			(void)name;
			int64_t n = json_get_int(t, "length", 0);

			if (json_get(t, "from"))
				continue; /* made of others */
			parameters =
				MAX(add_size(parameters, sketch_elements(t)),
			            0);
			bytes = MAX(add_size(bytes, n), 0);
			count(types, json_get_str(t, "dtype", "?"), n);
		}
		json_put_int(o, "tensors", json_object_object_length(tensors));
	}
	json_put_int(o, "parameters", parameters);
	json_put_int(o, "bytes", bytes);
	put_layers(l, s);
	put_contexts(l, j, bytes);
	for (size_t i = 0; i < LEN(rest); i++)
		if (json_get(j, rest[i]))
			json_put(l->out, rest[i],
			         json_share(json_get(j, rest[i])));
	if (l->opt->tensors && tensors)
		json_put(l->out, "tensors", json_share(tensors));
}

/* The type of a part, or of each of its parts. */
static void
put_part(Json *o, const char *key, const Json *part)
{
	const Json *parts = json_get(part, "normalizers");
	Json *types;

	parts = parts ? parts : json_get(part, "pretokenizers");
	parts = parts ? parts : json_get(part, "processors");
	parts = parts ? parts : json_get(part, "decoders");
	if (!part)
		return;
	if (!parts) {
		json_put_str(o, key, json_get_str(part, "type", "?"));
		return;
	}
	types = inspect_list(o, key);
	for (size_t i = 0; i < json_len(parts); i++)
		json_push(types,
		          json_object_new_string(json_get_str(json_at(parts, i),
		                                              "type", "?")));
}

static void
look_tokenizer(Look *l, const Json *j)
{
	static const char *const parts[] = {"normalizer", "pre_tokenizer",
	                                    "post_processor", "decoder"};
	const Json *model = json_get(j, "model");
	const Json *vocab = json_get(model, "vocab");
	Json *o = l->out, *added;

	json_put_str(o, "kind", "tokenizer");
	json_put_str(o, "model", json_get_str(model, "type", "?"));
	json_put_int(o, "vocabulary",
	             json_is(vocab, json_type_object)
	                     ? json_object_object_length(vocab)
	                     : (int64_t)json_len(vocab));
	json_put_int(o, "merges", (int64_t)json_len(json_get(model, "merges")));
	for (size_t i = 0; i < LEN(parts); i++)
		put_part(o, parts[i], json_get(j, parts[i]));
	added = inspect_list(o, "added_tokens");
	for (size_t i = 0; i < json_len(json_get(j, "added_tokens")); i++) {
		const Json *t = json_at(json_get(j, "added_tokens"), i);
		Json *e = inspect_entry(added);

		json_put_int(e, "id", json_get_int(t, "id", -1));
		json_put_str(e, "token", json_get_str(t, "content", "?"));
		json_put_str(e, "role",
		             json_get_bool(t, "special", false) ? "special"
		                                                : "");
	}
}

static void
look_config(Look *l, const Json *j)
{
	json_put_str(l->out, "kind", "model configuration");
	json_object_object_foreach((Json *)(uintptr_t)j, key, v)
		json_put(l->out, key, v ? json_share(v) : NULL);
}

static bool
look_json(Look *l)
{
	Json *j = json_parse(l->c, &l->a, l->bytes);

	if (!j)
		return note(l->c, "%s", l->path);
	if (strcmp(json_get_str(j, "format", ""), "qeff-model") == 0)
		look_document(l, j);
	else if (l->opt->dot || l->opt->svg)
		return fail(l->c, QE_INPUT, "%s: %s", l->path, no_picture);
	else if (json_get(json_get(j, "model"), "vocab"))
		look_tokenizer(l, j);
	else if (json_get(j, "model_type") || json_get(j, "architectures"))
		look_config(l, j);
	else
		return fail(l->c, QE_INPUT, "%s: JSON of no known kind",
		            l->path);
	return true;
}

/* A checkpoint. */
static bool
look_folder(Look *l)
{
	char *config = path_join(&l->a, l->path, "config.json");
	SafeFile *f;
	Json *j;
	int n;

	if (!(j = json_read(l->c, &l->a, config, MAXJSON)) ||
	    !safetensors_dir(l->c, &l->a, l->path, &f, &n))
		return false;
	json_put_str(l->out, "kind", "checkpoint");
	json_put_str(l->out, "model_type", json_get_str(j, "model_type", "?"));
	if (json_get(j, "architectures"))
		json_put(l->out, "architectures",
		         json_share(json_get(j, "architectures")));
	put_safetensors(l, f, n);
	return true;
}

/* ---- which ---- */

static const struct {
	const char *name;
	LookFn *look;
	bool file; /* not from a pipe */
} kinds[KIND_COUNT] = {
	[KIND_JSON] = {"JSON", look_json, false},
	[KIND_ONNX] = {"ONNX model", look_onnx, false},
	[KIND_QPC] = {"package", look_qpc, true},
	[KIND_VENDOR] = {"programqpc.bin", look_vendor, false},
	[KIND_SAFETENSORS] = {"safetensors file", look_safetensors, true},
	[KIND_NPY] = {"array", look_npy, true},
};

static bool
look(Look *l)
{
	const char *place;
	enum Kind k;
	Span head;
	struct stat st;

	if (stat(l->path, &st) == 0 && S_ISDIR(st.st_mode))
		return look_folder(l);
	if (!spool_open(l->c, &l->a, l->path, &l->bytes, &place))
		return false;
	head = (Span){l->bytes.p, MIN(l->bytes.n, KIND_HEAD)};
	k = file_kind(head);
	if (!kinds[k].look)
		return kind_refuse(l->c, "an artifact to look into", head) ||
		       note(l->c, "%s", l->path);
	if (kinds[k].file && !place)
		return fail(l->c, QE_INPUT, "a %s from a pipe: name the file",
		            kinds[k].name);
	if ((l->opt->extract || l->opt->replace) && k != KIND_VENDOR)
		return fail(l->c, QE_INPUT,
		            "%s: not a programqpc.bin: --extract, --replace",
		            l->path);
	if (l->opt->graph && k != KIND_ONNX)
		return fail(l->c, QE_INPUT, "%s: not an ONNX model: --graph",
		            l->path);
	if ((l->opt->dot || l->opt->svg) && k != KIND_ONNX && k != KIND_JSON &&
	    k != KIND_QPC)
		return fail(l->c, QE_INPUT, "%s: %s", l->path, no_picture);
	if (place)
		l->path = place;
	json_put_str(l->out, "kind", kinds[k].name);
	return kinds[k].look(l);
}

static bool
show(Look *l)
{
	if (l->opt->replace)
		return true; /* that was the output */
	if (!l->text) {
		l->text = buf_new(&l->a);
		if (l->opt->json)
			json_print(l->text, l->out, 2);
		else
			inspect_text(l->text, &l->a, l->out);
		if (l->opt->json)
			buf_char(l->text, '\n');
	}
	return file_write(l->c, l->opt->out, l->text->p, l->text->n);
}

bool
qe_look(qe_ctx *c, const qe_inspect *opt)
{
	Look l = {.c = c, .opt = opt, .path = opt->in};
	bool ok;

	l.out = json_new(&l.a);
	ok = look(&l) && show(&l);
	arena_free(&l.a);
	return ok;
}
