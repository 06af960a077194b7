/* SPDX-License-Identifier: BSD-3-Clause
 * weights.c - which constants the programs need, and their packed bytes.
 *
 * A weight is an initializer seen through Cast, Transpose and Slice where
 * that is only another way to walk its bytes; anything else that is made
 * from constants is evaluated when its turn to be packed comes, so at most
 * one tensor is in memory at a time. */

#include <stdio.h>

#include "compile.h"
#include "op.h"

enum { WALIGN = 64, CHUNK = 4 << 20 };

/* A matrix as it lies in a file or in memory: strides in elements. */
typedef struct Seen {
	Value *base;
	int64_t off, sn, sk; /* of rows, of columns */
} Seen;

/* The bytes behind v [r, c]. */
static bool
look(Value *v, Seen *s)
{
	View w;

	if (v->shape.rank != 2 || !view_of(v, &w))
		return false;
	*s = (Seen){w.base, w.off, w.stride[0], w.stride[1]};
	return true;
}

static Value *
root(Value *v)
{
	while (!value_is_const(v) && v->from && v->from->nin && v->from->in[0])
		v = v->from->in[0];
	return v;
}

const char *
weights_source(const Value *v)
{
	return root((Value *)(uintptr_t)v)->name;
}

bool
weights_format(Ctx *c, const Weights *ws, const char *name, DType type,
               WFormat *f)
{
	Arena a = {0};
	char **rule = str_split(&a, ws->formats ? ws->formats : "", ',');
	bool ok = true;

	*f = type == DT_F16 ? WF_F16 : type == DT_BF16 ? WF_BF16 : WF_F32;
	for (; *rule && ok; rule++) {
		char *eq = strchr(*rule, '='), *fmt = eq ? eq + 1 : *rule;

		if (eq)
			*eq = '\0';
		if (eq && !str_glob(*rule, name) &&
		    !str_glob(arena_str(&a, "*%s*", *rule), name))
			continue;
		if (strcmp(fmt, "as-is") != 0 &&
		    (*f = wformat_by_name(fmt)) == WF_COUNT)
			ok = fail(c, QE_USAGE,
			          "--weights: '%s' is not a format of weights",
			          fmt);
		break;
	}
	arena_free(&a);
	return ok;
}

static const char *
place_key(Arena *a, const Value *v, const Seen *s)
{
	const Blob *b = &v->data;

	if (b->src)
		return arena_str(a, "%s@%lld+%lld/%lld,%lld,%lld", b->src->path,
		                 (long long)b->off, (long long)b->len,
		                 s ? (long long)s->off : 0LL,
		                 s ? (long long)s->sn : 0LL,
		                 s ? (long long)s->sk : 0LL);
	return arena_str(a, "%s:%s/%lld,%lld,%lld", v->name,
	                 hash_bytes(b->mem, (size_t)b->len).hex,
	                 s ? (long long)s->off : 0LL,
	                 s ? (long long)s->sn : 0LL,
	                 s ? (long long)s->sk : 0LL);
}

static Weight *
add(Weights *ws, Weight w)
{
	Weight *p = dict_get(ws->by_key, w.key);

	if (p)
		return p;
	p = arena_copy(ws->mem, &w, sizeof w);
	p->off = ws->size;
	ws->size = (ws->size + w.len + WALIGN - 1) / WALIGN * WALIGN;
	dict_set(ws->by_key, p->key, p);
	PUSH(ws->mem, ws->w, ws->n, ws->cap, p);
	return p;
}

/* The type of a weight that is computed: that of its scales, or bfloat16 if
 * it comes out of bytes, as all of those do. */
static DType
type_behind(const Value *v)
{
	DType t = DT_F32, u;

	if (value_is_const(v) && v->shape.rank > 1)
		return v->type == DT_F16 || v->type == DT_BF16 ? v->type
		       : v->type == DT_U8 || v->type == DT_I8  ? DT_BF16
		                                               : DT_F32;
	for (int i = 0; v->from && i < v->from->nin; i++)
		if (v->from->in[i] &&
		    (u = type_behind(v->from->in[i])) != DT_F32)
			t = u;
	return t;
}

/* Format, length and place of one whose v, n, k and count are set; s: where
 * the (first) matrix lies, or NULL. */
static Weight *
ask(Ctx *c, Weights *ws, Weight w, const Seen *s)
{
	if (!weights_format(c, ws, weights_source(w.v),
	                    s ? s->base->type : type_behind(w.v), &w.format))
		return NULL;
	w.len = mul_size(w.count, pack_size(w.format, w.n, w.k));
	if (w.len < 0)
		return fail(c, QE_INPUT, "weight '%s': too large", w.v->name),
		       NULL;
	w.key = arena_str(ws->mem, "%d %lldx%lldx%lld %s", w.format,
	                  (long long)w.count, (long long)w.n, (long long)w.k,
	                  s ? place_key(ws->mem, s->base, s)
	                    : arena_str(ws->mem, "%s%d", w.v->name,
	                                w.transpose));
	return add(ws, w);
}

Weight *
weights_pack(Ctx *c, Weights *ws, Graph *g, Value *v, bool transpose)
{
	Weight w = {.v = v,
	            .g = g,
	            .packed = true,
	            .transpose = transpose,
	            .type = DT_F32,
	            .count = 1};
	Seen s;
	bool seen = look(v, &s);

	if (v->shape.rank != 2)
		return fail(c, QE_INPUT, "weight '%s': rank %d, wanted 2",
		            v->name, v->shape.rank),
		       NULL;
	w.n = v->shape.dim[transpose ? 1 : 0];
	w.k = v->shape.dim[transpose ? 0 : 1];
	if (seen && transpose)
		s = (Seen){s.base, s.off, s.sk, s.sn};
	return ask(c, ws, w, seen ? &s : NULL);
}

/* Matrix e of v [count, k, n], as rows n. */
static bool
look_stack(Value *v, int64_t e, Seen *s)
{
	View w;

	if (!view_item(v, e, &w))
		return false;
	*s = (Seen){w.base, w.off, w.stride[1], w.stride[0]};
	return true;
}

Weight *
weights_stack(Ctx *c, Weights *ws, Graph *g, Value *v)
{
	Weight w = {.v = v,
	            .g = g,
	            .packed = true,
	            .stacked = true,
	            .type = DT_F32};
	Seen s;

	if (v->shape.rank != 3)
		return fail(c, QE_INPUT, "weight '%s': rank %d, wanted 3",
		            v->name, v->shape.rank),
		       NULL;
	w.count = v->shape.dim[0];
	w.k = v->shape.dim[1];
	w.n = v->shape.dim[2];
	return ask(c, ws, w, look_stack(v, 0, &s) ? &s : NULL);
}

Weight *
weights_plain(Ctx *c, Weights *ws, Graph *g, Value *v, DType type)
{
	Weight w = {.v = v, .g = g, .type = type, .count = 1, .n = 1};
	Value *base = root(v);
	bool direct = value_is_const(v) ||
	              (is_op(v->from, "", "Cast") && v->from->in[0] == base);

	w.k = shape_count(&v->shape);
	w.len = dtype_bytes(type, w.k);
	if (w.len < 0)
		return fail(c, QE_INPUT, "constant '%s': too large", v->name),
		       NULL;
	w.key = arena_str(ws->mem, "=%d %s", (int)type,
	                  direct ? place_key(ws->mem, base, NULL) : v->name);
	return add(ws, w);
}

/* The value's bytes as they would be computed: by evaluating what makes it,
 * depth first; constants that are read live in `keep`. */
static bool
evaluate(Ctx *c, const Weights *ws, Arena *keep, Arena *a, Value *v)
{
	if (value_is_const(v)) {
		const void *p = blob_data(c, ws->mem, &v->data);

		if (p && !v->data.mem) /* evaluation wants aligned memory */
			v->data = (Blob){.mem = arena_copy(keep, p,
			                                   (size_t)v->data.len),
			                 .len = v->data.len};
		return p != NULL;
	}
	for (int i = 0; i < v->from->nin; i++)
		if (v->from->in[i] && !evaluate(c, ws, keep, a, v->from->in[i]))
			return false;
	return node_eval(c, a, v->from);
}

/* Undoes evaluate(): what was read is forgotten again. */
typedef struct Saved {
	Value *v;
	Blob data;
	struct Saved *next;
} Saved;

static Saved *
save(Arena *a, Value *v, Saved *list)
{
	Saved *s = NEW(a, Saved);

	*s = (Saved){v, v->data, list};
	for (int i = 0; !value_is_const(v) && i < v->from->nin; i++)
		if (v->from->in[i])
			s = save(a, v->from->in[i], s);
	return s;
}

/* Packs some panels while the ones before go to the file. */
typedef struct Job {
	Ctx *c;
	QpcWriter *file;
	Pool *pool;
	const Weight *w;
	PackSource src;
	int64_t first;    /* panel of out's start */
	PackError *error; /* of each panel of out; NULL: not measured */
	char *out, *full;
	size_t waits; /* bytes of `full` that are to be written */
	bool ok;
} Job;

static void
pack_range(void *arg, int64_t begin, int64_t end, int thread)
{
	Job *j = arg;
	int64_t panel = pack_size(j->w->format, PANEL, j->w->k);

	(void)thread;
	if (begin == 0 && j->waits)
		j->ok = qpc_write(j->c, j->file, j->full, j->waits);
	begin -= begin > 0;
	end--;
	pack_panels(j->w->format, &j->src, j->first + begin, j->first + end,
	            j->out + begin * panel);
	for (int64_t i = begin; j->error && i < end; i++)
		j->error[i] = pack_error(j->w->format, &j->src, j->first + i,
		                         j->out + i * panel);
}

/* n panels of j->w from j->first on; they wait until the next ones are made */
static bool
pack_some(Job *j, int64_t n)
{
	char *t = j->out;

	pool_run(j->pool, pack_range, j, n + 1, 1);
	j->out = j->full;
	j->full = t;
	j->waits = (size_t)pack_size(j->w->format, n * PANEL, j->w->k);
	return j->ok && go_on(j->c);
}

static bool
flush(Job *j)
{
	size_t n = j->waits;

	j->waits = 0;
	return j->ok && qpc_write(j->c, j->file, j->full, n);
}

/* The bytes of matrix e of w are computed: of a stack, that of one matrix at
 * a time where the expression allows it. */
static bool
compute(Ctx *c, const Weights *ws, Arena *a, Arena *tmp, Weight *w, int64_t e,
        Seen *s)
{
	Value *v = w->v, *one = w->stacked ? item_of(w->g, v, e) : NULL;

	if (!one && !v->data.mem && !evaluate(c, ws, a, a, v))
		return false;
	if (!w->stacked)
		*s = (Seen){v, 0, v->shape.dim[1], 1};
	else if (!one)
		*s = (Seen){v, e * w->n * w->k, 1, w->n};
	else
		*s = (Seen){one, 0, 1, w->n};
	return !one || evaluate(c, ws, item_is_own(v) ? tmp : a, tmp, one);
}

/* Where matrix e of w is read from. */
static bool
source(Ctx *c, const Weights *ws, Arena *a, Arena *tmp, Weight *w, int64_t e,
       PackSource *src)
{
	const char *p;
	Seen s;

	if ((w->stacked ? !look_stack(w->v, e, &s) : !look(w->v, &s)) &&
	    !compute(c, ws, a, tmp, w, e, &s))
		return false;
	if (!(p = blob_data(c, ws->mem, &s.base->data)))
		return false;
	*src = (PackSource){p + s.off * (int64_t)dtypes[s.base->type].size,
	                    s.base->type,
	                    w->n,
	                    w->k,
	                    w->transpose ? s.sk : s.sn,
	                    w->transpose ? s.sn : s.sk};
	return true;
}

static void
add_errors(Weight *w, const PackError *e, int64_t n)
{
	for (int64_t i = 0; e && i < n; i++) {
		w->error.diff += e[i].diff;
		w->error.norm += e[i].norm;
	}
}

/* Panels that are packed at a time */
static int64_t
panels_at_once(const Weight *w)
{
	int64_t panel = pack_size(w->format, PANEL, w->k);

	return MIN(MAX((int64_t)CHUNK / MAX(panel, 1), 1),
	           MAX((w->n + PANEL - 1) / PANEL, 1));
}

static bool
write_packed(Job *j, const Weights *ws, Arena *a, Weight *w)
{
	int64_t panels = (w->n + PANEL - 1) / PANEL, n;
	bool ok = true;

	j->w = w;
	if (ws->measure)
		j->error = NEWV(a, PackError, panels_at_once(w));
	for (int64_t e = 0; ok && e < w->count; e++) {
		Arena tmp = {0};

		ok = source(j->c, ws, a, &tmp, w, e, &j->src);
		for (int64_t i = 0; ok && i < panels; i += n) {
			n = MIN(panels_at_once(w), panels - i);
			j->first = i;
			ok = pack_some(j, n);
			add_errors(w, j->error, n);
		}
		arena_free(&tmp);
	}
	return ok;
}

static float
as_f32(DType t, const char *p)
{
	float f = 0;
	uint16_t h;

	if (t == DT_F32)
		memcpy(&f, p, sizeof f);
	if (t != DT_F16 && t != DT_BF16)
		return f;
	memcpy(&h, p, sizeof h);
	return t == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

static bool
write_plain(Ctx *c, const Weights *ws, Arena *a, Weight *w, QpcWriter *out)
{
	Value *v = w->v;
	const char *p;
	float *f;

	if (w->type == DT_F32 && is_op(v->from, "", "Cast") &&
	    value_is_const(v->from->in[0]) && is_real(v->from->in[0]))
		v = v->from->in[0];
	if (!evaluate(c, ws, a, a, v) || !(p = v->data.mem))
		return false;
	if (v->type == w->type)
		return qpc_write(c, out, p, (size_t)w->len);
	if (w->type != DT_F32 || !is_real(v))
		return fail(c, QE_INPUT, "constant '%s': %s, wanted %s",
		            v->name, dtypes[v->type].name,
		            dtypes[w->type].name);
	f = NEWV(a, float, w->k);
	for (int64_t i = 0; i < w->k; i++)
		f[i] = as_f32(v->type, p + i * (int64_t)dtypes[v->type].size);
	return qpc_write(c, out, f, (size_t)w->len);
}

/* Weight w at its place, `gap` bytes on. */
static bool
write_weight(Job *j, Weights *ws, Weight *w, int64_t gap)
{
	static const char zero[WALIGN];
	Arena a = {0};
	Saved *s = save(&a, w->v, NULL);
	bool ok = ((w->packed && !gap) || flush(j)) &&
	          qpc_write(j->c, j->file, zero, (size_t)gap) &&
	          (w->packed ? write_packed(j, ws, &a, w)
	                     : write_plain(j->c, ws, &a, w, j->file));

	if (!ok)
		note(j->c, "weight '%s'", weights_source(w->v));
	for (; s; s = s->next) {
		s->v->data = s->data;
		blob_release(&s->data);
	}
	arena_free(&a);
	return ok;
}

bool
weights_write(Ctx *c, Weights *ws, QpcWriter *out, Pool *pool)
{
	static const char zero[WALIGN];
	Job j = {.c = c, .file = out, .pool = pool, .ok = true};
	int64_t at = 0, room = 0;
	bool ok = true;

	for (int i = 0; i < ws->n; i++)
		if (ws->w[i]->packed)
			room = MAX(room, panels_at_once(ws->w[i]) *
			                         pack_size(ws->w[i]->format,
			                                   PANEL, ws->w[i]->k));
	j.out = arena_alloc(ws->mem, (size_t)room);
	j.full = arena_alloc(ws->mem, (size_t)room);
	for (int i = 0; ok && i < ws->n; i++) {
		ok = write_weight(&j, ws, ws->w[i], ws->w[i]->off - at);
		at = ws->w[i]->off + ws->w[i]->len;
	}
	return ok && flush(&j) &&
	       qpc_write(c, out, zero, (size_t)(ws->size - at));
}
