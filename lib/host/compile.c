/* SPDX-License-Identifier: BSD-3-Clause
 * compile.c - a graph and its specializations become a package.
 *
 * All programs are made first, because only then is it known which weights
 * they want and how large everything is; then the weights stream through,
 * one at a time, into the archive. */

#include "compile.h"
#include "onnx.h"

typedef struct Compile {
	Ctx *c;
	Arena *a;
	const Graph *src;
	const HostOptions *o;
	Graph **g;      /* one a specialization */
	int64_t *arena; /* bytes, of each */
	Image *image;
	Weights *weights;
} Compile;

/* A cache as it comes in, or what a kernel has made of it. */
static bool
is_cache(const Graph *g, Value *v)
{
	v = skip_views(v);
	if (made_by_host(v, "cache_write"))
		return true;
	return !v->from && !value_is_const(v) && is_state(g, v);
}

/* Rows of the cache are read and written by kernels alone. */
static bool
cache_is_fused(const Graph *g)
{
	for (int i = 0; i < g->nnode; i++) {
		const Node *n = g->node[i];

		if (is_op(n, HOST_DOMAIN, "cache_write") ||
		    is_op(n, HOST_DOMAIN, "attention") ||
		    is_op(n, HOST_DOMAIN, "view"))
			continue;
		for (int k = 0; k < n->nin; k++)
			if (n->in[k] && is_cache(g, n->in[k]))
				return false;
	}
	for (int i = 0; i < g->nout; i++)
		if (str_ends(g->out[i]->name, RETAINED) &&
		    !is_cache(g, g->out[i]))
			return false;
	return true;
}

/* The type in which the graph declares its first retained input. */
static DType
declared_cache(const Graph *g)
{
	for (int i = 0; i < g->nin; i++)
		if (is_state(g, g->in[i]))
			return g->in[i]->type;
	return DT_F32;
}

/* The cache follows the weights: who asks for less than float32 there would
 * not see what float16 takes from keys and values. */
static bool
default_cache(Compile *k, const char **name)
{
	DType declared = declared_cache(k->src);
	WFormat f;

	if (!weights_format(k->c, k->weights, "", declared, &f))
		return false;
	*name = dtypes[declared == DT_F32 && f != WF_F32 ? DT_F16 : declared]
	                .name;
	return true;
}

static bool
choose_cache(Compile *k)
{
	const char *name = k->o->cache;
	CFormat f;

	if (!name && !default_cache(k, &name))
		return false;
	if ((f = cformat_by_name(name)) == CF_COUNT)
		return fail(
			k->c, QE_USAGE,
			"--kv-cache-dtype: '%s' is not a format of the cache",
			name);
	for (int i = 0; i < k->o->nspec; i++) {
		if (cache_is_fused(k->g[i]))
			continue;
		if (k->o->cache && f != CF_F32)
			return fail(
				k->c, QE_INPUT,
				"--kv-cache-dtype %s: attention of this graph is not of a form that the host backend keeps in other formats than float32",
				name);
		f = CF_F32;
	}
	k->image->cache = f;
	return true;
}

static bool
make_graphs(Compile *k)
{
	k->g = NEWV(k->a, Graph *, k->o->nspec + 1);
	for (int i = 0; i < k->o->nspec; i++) {
		const Spec *s = &k->o->spec[i];

		say(k->c, 1, "specialization %s", s->name);
		k->g[i] = specialise(k->c, k->a, k->src, s);
		if (!k->g[i] || !host_layout(k->c, k->g[i]) ||
		    !host_fuse(k->c, k->g[i]) || !graph_verify(k->c, k->g[i]))
			return note(k->c, "specialization %s", s->name);
	}
	return true;
}

/* What runs by the slow reference, for those who want to know. */
static void
tell_refs(Ctx *c, const Graph *g)
{
	for (int i = 0; i < g->nnode; i++)
		if (strcmp(g->node[i]->domain, HOST_DOMAIN) != 0 &&
		    !is_weight(g->node[i]->nout ? g->node[i]->out[0] : NULL))
			say(c, 2, "by reference: node '%s' (%s)",
			    g->node[i]->name, g->node[i]->type);
}

static bool
make_programs(Compile *k)
{
	k->arena = NEWV(k->a, int64_t, k->o->nspec + 1);
	for (int i = 0; i < k->o->nspec; i++) {
		tell_refs(k->c, k->g[i]);
		if (!emit_program(k->c, k->image, k->weights, k->g[i],
		                  &k->o->spec[i], k->o->late))
			return note(k->c, "specialization %s",
			            k->o->spec[i].name);
		k->arena[i] = k->image->own;
	}
	k->image->weights = k->weights->size;
	return true;
}

static Json *
io_json(Arena *a, const Value *v)
{
	Json *o = json_new(a), *dims = json_new_array(a);

	json_put_str(o, "name", v->name);
	json_put_str(o, "dtype", dtypes[v->type].name);
	if (v->kind != VALUE_TENSOR)
		json_put_str(o, "kind",
		             v->kind == VALUE_SEQUENCE ? "sequence"
		                                       : "optional");
	for (int i = 0; i < v->shape.rank; i++)
		json_push(dims, v->shape.dim[i] < 0 ? NULL
		                                    : json_object_new_int64(
							      v->shape.dim[i]));
	json_put(o, "shape", v->shape.rank < 0 ? NULL : json_share(dims));
	return json_share(o);
}

static Json *
spec_json(Compile *k, int i)
{
	const Spec *s = &k->o->spec[i];
	Json *o = json_new(k->a), *sym = json_new(k->a),
	     *in = json_new_array(k->a), *out = json_new_array(k->a);

	json_put_str(o, "name", s->name);
	for (int b = 0; b < s->nbind; b++)
		json_put_int(sym, s->bind[b].sym, s->bind[b].n);
	json_put(o, "symbols", json_share(sym));
	for (int v = 0; v < k->g[i]->nin; v++)
		if (!is_state(k->g[i], k->g[i]->in[v]))
			json_push(in, io_json(k->a, k->g[i]->in[v]));
	for (int v = 0; v < k->g[i]->nout; v++)
		if (!str_ends(k->g[i]->out[v]->name, RETAINED))
			json_push(out, io_json(k->a, k->g[i]->out[v]));
	json_put(o, "inputs", json_share(in));
	json_put(o, "outputs", json_share(out));
	json_put_int(o, "arena_bytes", k->arena[i]);
	return json_share(o);
}

/* The retained tensors, which all programs share. */
static Json *
retained_json(Compile *k)
{
	Json *list = json_new_array(k->a);
	const Graph *g = k->g[0];

	for (int i = 0; i < g->nin; i++)
		if (is_state(g, g->in[i]))
			json_push(list, io_json(k->a, g->in[i]));
	return json_share(list);
}

static void
describe(Compile *k)
{
	Json *m = k->o->manifest, *mem = json_new(k->a),
	     *specs = json_new_array(k->a);

	json_put_str(m, "backend", "host");
	json_put_int(m, "panel", PANEL);
	json_put_int(mem, "weights", k->image->weights);
	json_put_int(mem, "arena", k->image->arena);
	json_put_int(mem, "retained_state", k->image->state);
	json_put_int(mem, "sized_at_run_time", k->image->late);
	json_put(m, "memory_bytes", json_share(mem));
	json_put_str(m, "kv_cache_dtype",
	             k->image->states->n ? cformat_name(k->image->cache)
	                                 : NULL);
	for (int i = 0; i < k->o->nspec; i++)
		json_push(specs, spec_json(k, i));
	json_put(m, "specializations", json_share(specs));
	if (k->image->states->n)
		json_put(m, "retained", retained_json(k));
	say(k->c, 1,
	    "memory: weights %.1f MB, retained state %.1f MB, arena %.1f MB",
	    (double)k->image->weights / 1e6, (double)k->image->state / 1e6,
	    (double)k->image->arena / 1e6);
}

static bool
write_member(Compile *k, QpcWriter *w, const char *name, Span bytes)
{
	return qpc_begin(k->c, w, name) && qpc_write(k->c, w, bytes.p, bytes.n);
}

static bool
report(Compile *k)
{
	Buf *b = buf_new(k->a);

	tell_weights(k->c, k->weights);
	if (!k->o->report)
		return true;
	json_print(b, weights_report(k->a, k->weights), 2);
	buf_char(b, '\n');
	return file_write(k->c, k->o->report, b->p, b->n);
}

static bool
write_all(Compile *k, const char *out, const Buf *program, Buf *const *refs,
          Pool *pool)
{
	int n = 2 + k->image->nref + k->o->nextra, i = 0;
	QpcMember *m = NEWV(k->a, QpcMember, n);
	QpcWriter *w;
	bool ok;

	for (int e = 0; e < k->o->nextra; e++)
		m[i++] = k->o->extra[e];
	m[i++] =
		(QpcMember){.name = "program.bin", .size = (int64_t)program->n};
	for (int r = 0; r < k->image->nref; r++)
		m[i++] = (QpcMember){.name = arena_str(k->a, "refs-%d.onnx",
		                                       r + 1),
		                     .size = (int64_t)refs[r]->n};
	m[i++] = (QpcMember){.name = "weights.bin", .size = k->image->weights};
	if (!(w = qpc_create(k->c, k->a, out, k->o->manifest, m, n)))
		return false;
	ok = true;
	for (int e = 0; ok && e < k->o->nextra; e++)
		ok = write_member(k, w, m[e].name, k->o->extra_data[e]);
	ok = ok &&
	     write_member(k, w, "program.bin", (Span){program->p, program->n});
	for (int r = 0; ok && r < k->image->nref; r++)
		ok = write_member(k, w, m[k->o->nextra + 1 + r].name,
		                  (Span){refs[r]->p, refs[r]->n});
	return ok && qpc_begin(k->c, w, "weights.bin") &&
	       weights_write(k->c, k->weights, w, pool) && report(k) &&
	       qpc_finish(k->c, w);
}

bool
host_compile(Ctx *c, const Graph *g, const HostOptions *o, const char *out)
{
	Arena a = {0};
	Compile k = {.c = c,
	             .a = &a,
	             .src = g,
	             .o = o,
	             .image = image_new(&a),
	             .weights = NEW(&a, Weights)};
	Buf *program = buf_new(&a), **refs;
	bool ok;

	k.weights->mem = &a;
	k.weights->by_key = dict_new(&a);
	k.weights->formats = o->weights;
	k.weights->measure = o->report || c->level > 0;
	ok = make_graphs(&k) && choose_cache(&k) && make_programs(&k);
	refs = NEWV(&a, Buf *, k.image->nref + 1);
	for (int i = 0; ok && i < k.image->nref; i++)
		ok = onnx_write_bytes(c, k.image->ref[i],
		                      refs[i] = buf_new(&a));
	if (ok) {
		image_write(k.image, program);
		describe(&k);
		ok = write_all(&k, out, program, refs,
		               pool_open(&a, o->threads));
	}
	arena_free(&a);
	return ok;
}
