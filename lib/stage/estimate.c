/* SPDX-License-Identifier: BSD-3-Clause
 * estimate.c - does it fit, before anything is compiled or even downloaded.
 *
 * Of an ONNX model the weights are counted and the cache is taken from its
 * retained inputs; of a bare config.json both follow from its sizes, by the
 * matrices that a decoder has: embedding and head, four of attention, the
 * MLP's (three where it is gated) for each expert.  Vectors, norms and what a
 * program needs besides are small beside these and left out. */

#include <stdlib.h>

#include "contract.h"
#include "estimate.h"
#include "inspect.h"
#include "kernel.h"
#include "kind.h"
#include "onnx.h"

enum { MAXCONFIG = 1 << 20, MAXDEVICES = 64, LEASTCTX = 1024 };

typedef struct Need {
	Ctx *c;
	Arena *a;
	const qe_compile *o;
	double matrices;   /* elements that formats apply to */
	double others;     /* bytes of other constants */
	CacheSize cache;   /* of one row */
	const char *type;  /* as the model has it */
	int64_t positions; /* that the model has; 0: unknown */
	int64_t ctx, rows, devices;
	const char *weights, *kv;
} Need;

/* Inputs of a row long enough that what stands before its blocks is nothing. */
enum { LONG = 1 << 20 };

/* Bits of an element as the host packs it, scales included; 0: no format. */
static double
weight_bits(const char *name)
{
	WFormat f = wformat_by_name(name);

	return f == WF_COUNT ? 0
	                     : (double)pack_size(f, PANEL, LONG) * 8 /
	                               (PANEL * (double)LONG);
}

static double
cache_bits(const char *name)
{
	CFormat f = cformat_by_name(name);

	return f == CF_COUNT ? 0 : (double)cache_row_bytes(f, LONG) * 8 / LONG;
}

static double
weight_bytes(const Need *n, const char *format)
{
	return n->matrices * weight_bits(format) / 8 + n->others;
}

static double
cache_bytes(const Need *n, const char *format, int64_t ctx)
{
	return cache_elements(&n->cache, ctx, MAX(n->o->prompt_len, 1)) *
	       (double)n->rows * cache_bits(format) / 8;
}

/* - what there is to hold - */

static int64_t
size_of(const Json *o, const char *const *keys, int64_t none)
{
	for (; *keys; keys++)
		if (json_get(o, *keys))
			return json_get_int(o, *keys, none);
	return none;
}

#define SIZE(o, none, ...)                                                     \
	size_of((o), (const char *const[]){__VA_ARGS__, NULL}, (none))

static bool
from_config(Need *n, const Json *j)
{
	const Json *text = json_get(j, "text_config"), *o = text ? text : j;
	int64_t hidden = SIZE(o, 0, "hidden_size", "n_embd", "d_model"),
		layers = SIZE(o, 0, "num_hidden_layers", "n_layer", "n_layers"),
		heads = SIZE(o, 1, "num_attention_heads", "n_head", "n_heads"),
		kv = SIZE(o, heads, "num_key_value_heads"),
		vocab = SIZE(o, 0, "vocab_size"),
		inter = SIZE(o, 4 * hidden, "moe_intermediate_size",
	                     "intermediate_size", "n_inner", "ffn_dim"),
		experts = SIZE(o, 1, "num_local_experts", "num_experts",
	                       "n_routed_experts");
	int64_t dim = SIZE(o, heads > 0 ? hidden / heads : 0, "head_dim");
	bool tied = json_get_bool(o, "tie_word_embeddings",
	                          !json_get(o, "hidden_size"));
	int mats = json_get(o, "n_embd") || json_get(o, "ffn_dim") ? 2 : 3;

	if (hidden < 1 || layers < 1 || heads < 1 || kv < 1 || dim < 1)
		return fail(n->c, QE_INPUT, "%s: no sizes of a decoder in it",
		            n->o->in);
	n->matrices =
		(double)vocab * (double)hidden * (tied ? 1 : 2) +
		(double)layers * (double)hidden *
			(2. * (double)(heads * dim) + 2. * (double)(kv * dim) +
	                 (double)mats * (double)inter * (double)experts);
	n->positions = SIZE(o, 0, "max_position_embeddings", "n_positions");
	n->cache.each = 2. * (double)layers * (double)kv * (double)dim;
	n->type = dtypes[dtype_by_name(json_get_str(j, "torch_dtype",
	                                            json_get_str(j, "dtype",
	                                                         "float32")))]
	                  .name;
	return true;
}

/* Elements of a retained input for one row and one position. */
static double
each(const Value *v)
{
	double n = 1;

	for (int d = 0; d < v->shape.rank; d++)
		if (v->shape.dim[d] > 0)
			n *= (double)v->shape.dim[d];
	return n;
}

CacheSize
cache_size(Ctx *c, Arena *a, const Graph *g)
{
	const char *text = dict_get(g->meta, "qeff.symbols");
	const Json *o = text ? json_parse(c, a, SPAN(text)) : NULL;
	CacheSize s = {.window = json_get_int(o, "sliding_window", 0)};

	for (int i = 0; i < g->nout; i++) {
		const Value *in = retained_input(g, g->out[i]);
		const char *sym =
			in && in->shape.rank > 2 && in->sym ? in->sym[2] : NULL;

		if (sym && strcmp(sym, "sliding_window") == 0)
			s.ring += each(in);
		else if (sym && str_ends(sym, "ctx_len"))
			s.each += each(in);
	}
	return s;
}

double
cache_elements(const CacheSize *s, int64_t ctx, int64_t chunk)
{
	int64_t ring = add_size(s->window, chunk - 1);

	if (s->window < 1 || ring < 0 || ring > ctx)
		ring = ctx;
	return s->each * (double)ctx + s->ring * (double)ring;
}

static bool
from_onnx(Need *n)
{
	Graph *g;

	if (!onnx_read(n->c, n->a, n->o->in, &g))
		return false;
	n->type = "float32";
	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;

		if (!v || !value_is_const(v))
			continue;
		if (v->shape.rank < 2 || dtypes[v->type].class != 'F') {
			n->others += (double)v->data.len;
			continue;
		}
		n->matrices += (double)shape_count(&v->shape);
		if (v->data.len > 1 << 16)
			n->type = dtypes[v->type].name;
	}
	n->cache = cache_size(n->c, n->a, g);
	return n->c->status == QE_OK &&
	       model_positions(n->c, n->a, g, &n->positions);
}

static bool
look(Need *n)
{
	Span head;
	Json *j;

	if (strcmp(n->o->in, "-") == 0)
		return from_onnx(n);
	if (!file_part(n->c, n->a, n->o->in, 0, KIND_HEAD, &head))
		return false;
	if (file_kind(head) != KIND_JSON)
		return from_onnx(n);
	j = json_read(n->c, n->a, n->o->in, MAXCONFIG);
	return j && from_config(n, j);
}

/* - what it comes to - */

static double
per_device(const Need *n, const char *w, const char *kv, int64_t ctx,
           int64_t devices)
{
	return (weight_bytes(n, w) + cache_bytes(n, kv, ctx)) / (double)devices;
}

static void
put_formats(const Need *n, Json *out)
{
	Json *w = inspect_object(out, "weights_bytes"),
	     *k = inspect_object(out, "cache_bytes");

	for (size_t i = 0; i < WF_COUNT; i++)
		json_put_int(w, wformats[i].name,
		             (int64_t)weight_bytes(n, wformats[i].name));
	for (size_t i = 0; i < CF_COUNT; i++)
		json_put_int(k, cformat_name((CFormat)i),
		             (int64_t)cache_bytes(n, cformat_name((CFormat)i),
		                                  n->ctx));
}

static void
put_contexts(const Need *n, Json *out)
{
	Json *list = inspect_list(out, "cache_by_context");

	for (int64_t ctx = LEASTCTX; ctx <= MAX(n->ctx, 4 * LEASTCTX);
	     ctx *= 2) {
		Json *e = inspect_entry(list);

		json_put_int(e, "ctx_len", ctx);
		json_put_int(e, "float16",
		             (int64_t)cache_bytes(n, "float16", ctx));
		json_put_int(e, "mxint8",
		             (int64_t)cache_bytes(n, "mxint8", ctx));
	}
}

/* Stages 1 to 4 refer to weights and do not hold them; compiling packs one
 * matrix at a time and maps the rest. */
static void
put_stages(const Need *n, Json *out)
{
	Json *o = inspect_object(out, "host_bytes_by_stage");
	double disk = weight_bytes(n, n->weights);

	json_put_int(o, "hf-load to onnx-opt", 0);
	json_put_int(o, "qnn-compile, mapped",
	             (int64_t)weight_bytes(n, n->type));
	json_put_int(o, "package", (int64_t)disk);
	json_put_int(o, "qpc-run",
	             (int64_t)(disk + cache_bytes(n, n->kv, n->ctx)));
}

static void
push_remedy(const Need *n, Json *list, bool mxfp6, bool mxint8, int64_t dev)
{
	Buf *b = buf_new(n->a);

	if (mxfp6)
		buf_str(b, " --mxfp6-matmul");
	if (mxint8)
		buf_str(b, " --mxint8-kv-cache");
	if (dev > n->devices)
		buf_fmt(b, " --num-devices %lld", (long long)dev);
	json_push(list, json_object_new_string(b->p + 1));
}

/* Options, one by one and together, that make it fit; fewer devices first. */
static void
put_remedies(const Need *n, double room, Json *out)
{
	enum { ENOUGH = 4 };
	Json *list = inspect_list(out, "would_fit");
	int64_t ctx = n->ctx;

	for (int64_t dev = n->devices; dev <= MAXDEVICES; dev *= 2)
		for (int i = 0; i < 4; i++)
			if (json_len(list) < ENOUGH &&
			    per_device(n, i & 1 ? "mxfp6" : n->weights,
			               i & 2 ? "mxint8" : n->kv, n->ctx,
			               dev) <= room)
				push_remedy(n, list, i & 1, i & 2, dev);
	while (ctx >= 256 &&
	       per_device(n, n->weights, n->kv, ctx, n->devices) > room)
		ctx /= 2;
	if (per_device(n, n->weights, n->kv, ctx, n->devices) <= room)
		json_push(list, json_object_new_string(
					arena_str(n->a, "--ctx-len %lld",
		                                  (long long)ctx)));
}

static bool
read_memory(Ctx *c, const char *text, double *out)
{
	return str_size(text, out) ||
	       fail(c, QE_USAGE, "--memory '%s': wanted bytes, as 16G", text);
}

static bool
set_up(Need *n)
{
	const qe_compile *o = n->o;
	bool own = !o->backend || strcmp(o->backend, "host") == 0;

	n->ctx = usual_context(o, own, n->positions);
	n->rows = o->kv_cache_batch_size ? o->kv_cache_batch_size
	          : o->full_batch_size   ? o->full_batch_size
	                                 : o->batch_size;
	n->devices = MAX(o->num_devices, 1);
	n->weights = o->weights ? o->weights : n->type;
	n->kv = o->kv_cache_dtype ? o->kv_cache_dtype : n->type;
	/* as the host chooses it, by the weights */
	if (own && !o->kv_cache_dtype && strcmp(n->type, "float32") == 0 &&
	    strcmp(n->weights, "float32") != 0)
		n->kv = "float16";
	if (!own) {
		n->weights = o->weights ? o->weights : "float16";
		n->kv = o->kv_cache_dtype ? o->kv_cache_dtype : "float16";
	}
	if (!weight_bits(n->weights) || !cache_bits(n->kv))
		return fail(n->c, QE_USAGE,
		            "--estimate: no size of %s weights and a %s cache",
		            n->weights, n->kv);
	return true;
}

bool
estimate(Ctx *c, Arena *a, const qe_compile *o)
{
	Need n = {.c = c, .a = a, .o = o};
	Json *out = json_new(a);
	Buf *b = buf_new(a);
	double room = 0, takes;

	if ((o->memory && !read_memory(c, o->memory, &room)) || !look(&n) ||
	    !set_up(&n))
		return false;
	takes = per_device(&n, n.weights, n.kv, n.ctx, n.devices);
	json_put_int(out, "parameters", (int64_t)n.matrices);
	json_put_str(out, "weights", n.weights);
	json_put_str(out, "cache", n.kv);
	json_put_int(out, "ctx_len", n.ctx);
	json_put_int(out, "rows", n.rows);
	json_put_int(out, "devices", n.devices);
	json_put_int(out, "bytes_per_device", (int64_t)takes);
	put_formats(&n, out);
	put_contexts(&n, out);
	put_stages(&n, out);
	if (room > 0)
		json_put_bool(out, "fits", takes <= room);
	if (room > 0 && takes > room)
		put_remedies(&n, room, out);
	inspect_text(b, a, out);
	if (!file_write(c, o->out, b->p, b->n))
		return false;
	if (room > 0 && takes > room)
		return fail(c, QE_NO,
		            "does not fit: %.0f bytes a device, there are %.0f",
		            takes, room);
	return true;
}
