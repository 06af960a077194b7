/* SPDX-License-Identifier: BSD-3-Clause
 * weights.c - tensors of the document as initializers and expressions.
 *
 * The bytes stay in the checkpoint: an initializer refers to them.  What the
 * tree derives from them (parts of fused tensors, 1 + w, stacked experts)
 * becomes nodes on the initializer, one per step; nobody computes them
 * before they are packed for a target. */

#include "build.h"

enum { MAXARGS = 9, MAXREPEAT = 64, MAXFROM = 4096, MAXNESTED = 3 };

Shape
weight_shape(const Build *b, const char *name)
{
	return tree_shape(json_get(b->tensors, name));
}

static Source *
source(Build *b, const Json *file)
{
	const char *path = json_get_str(file, "path", NULL), *full;
	Source *s;

	if (!path)
		return fail(b->c, QE_INPUT, "a file without a path"), NULL;
	full = *path == '/' ? path : path_join(b->a, b->dir, path);
	s = graph_source(b->g, full);
	s->size = json_get_int(file, "size", -1);
	s->hashed = json_get_int(file, "hashed", 0);
	snprintf(s->digest.hex, sizeof s->digest.hex, "%s",
	         json_get_str(file, "digest", ""));
	return s;
}

static bool
check_extent(Build *b, const Source *s, const Blob *d, DType type,
             const Shape *shape)
{
	int64_t want = dtype_bytes(type, shape_count(shape));
	int64_t end = add_size(d->off, d->len);

	if (want < 0 || d->len != want)
		return fail(b->c, QE_INPUT, "%lld bytes for shape %s of %s",
		            (long long)d->len, shape_text(shape).s,
		            dtypes[type].name);
	if (d->off < 0 || end < 0 || end > s->size)
		return fail(b->c, QE_INPUT,
		            "bytes %lld+%lld of a file of %lld: %s",
		            (long long)d->off, (long long)d->len,
		            (long long)s->size, s->path);
	return true;
}

static Value *
initializer(Build *b, const char *name, const Json *t)
{
	const char *dtype = json_get_str(t, "dtype", "");
	DType type = dtype_by_safetensors(dtype);
	int64_t file = json_get_int(t, "file", -1);
	Shape shape = tree_shape(t);
	Blob data = {.off = json_get_int(t, "offset", -1),
	             .len = json_get_int(t, "length", -1)};
	Value *v;

	if (type == DT_F8E4M3FN) /* no such type in our opset: codes */
		type = DT_U8;
	if (type != DT_F32 && type != DT_F16 && type != DT_BF16 &&
	    type != DT_I32 && type != DT_U8 && type != DT_I8)
		return fail(b->c, QE_INPUT, "dtype '%s' is not supported",
		            dtype),
		       NULL;
	if (file < 0 || file >= (int64_t)json_len(b->files))
		return fail(b->c, QE_INPUT, "no file %lld", (long long)file),
		       NULL;
	if (!(data.src = source(b, json_at(b->files, (size_t)file))) ||
	    !check_extent(b, data.src, &data, type, &shape))
		return NULL;
	v = value_new(b->g, name, type, &shape);
	v->data = data;
	return v;
}

/* ---- steps of an expression ---- */

typedef Value *StepFn(Build *, Value *x, int n, const int64_t *arg);

static Value *
step_slice(Build *b, Value *x, int n, const int64_t *arg)
{
	(void)n;
	return slice(b, x, arg[0], arg[1], arg[2]);
}

static Value *
step_float(Build *b, Value *x, int n, const int64_t *arg)
{
	(void)n, (void)arg;
	return cast(b, x, DT_F32);
}

/* to a float32: what this is for is 1 + w */
static Value *
step_add(Build *b, Value *x, int n, const int64_t *arg)
{
	(void)n;
	return EMIT(b, "Add", x, scalar_f32(b, (double)arg[0]));
}

/* each of the rows of an axis n times, along a new axis behind it */
static Value *
step_repeat(Build *b, Value *x, int n, const int64_t *arg)
{
	Value *copy[MAXREPEAT];

	(void)n;
	if (arg[0] < 0 || arg[0] >= MAXRANK || arg[1] < 1 || arg[1] > MAXREPEAT)
		return fail(b->c, QE_INPUT, "repeat %lld of axis %lld",
		            (long long)arg[1], (long long)arg[0]),
		       NULL;
	x = unsqueeze(b, x, arg[0] + 1);
	for (int64_t i = 0; i < arg[1]; i++)
		copy[i] = x;
	return concat(b, (int)arg[1], copy, arg[0] + 1);
}

static const struct Step {
	const char *name;
	int narg; /* -1: any number */
	StepFn *fn;
} steps[] = {
	{"add", 1, step_add},       {"float", 0, step_float},
	{"repeat", 2, step_repeat}, {"reshape", -1, reshape},
	{"slice", 3, step_slice},   {"transpose", -1, transpose},
};

static Value *
step(Build *b, const Json *s, Value *x)
{
	const char *name = json_str(json_at(s, 0), "");
	int n = (int)MIN(json_len(s), (size_t)MAXARGS + 1) - 1;
	int64_t arg[MAXARGS];

	for (int i = 0; i < n; i++)
		arg[i] = json_int(json_at(s, (size_t)i + 1), INT64_MIN);
	for (size_t k = 0; k < LEN(steps); k++)
		if (strcmp(steps[k].name, name) == 0 &&
		    (steps[k].narg < 0 || steps[k].narg == n))
			return steps[k].fn(b, x, n, arg);
	return fail(b->c, QE_INPUT, "step '%s' with %d arguments is not known",
	            name, n),
	       NULL;
}

/* Sources, each as it is; "" is one left out, where some may be. */
static Value **
sources(Build *b, const Json *from, bool some)
{
	size_t n = json_len(from);
	Value **v = NEWV(b->a, Value *, n + 1);

	if (!n || n > MAXFROM)
		return fail(b->c, QE_INPUT, "made from %zu tensors", n), NULL;
	for (size_t i = 0; i < n; i++) {
		const char *name = json_str(json_at(from, i), "");

		if ((*name || !some) && !(v[i] = weight(b, name)))
			return NULL;
	}
	return v;
}

/* Several are stacked along a new first axis. */
static Value *
stacked(Build *b, int n, Value **v)
{
	for (int i = 0; n > 1 && i < n; i++)
		v[i] = unsqueeze(b, v[i], 0);
	return n > 1 ? concat(b, n, v, 0) : v[0];
}

static Value *
expression(Build *b, const char *name, const Json *t)
{
	const Json *list = json_get(t, "steps"), *from = json_get(t, "from");
	Value **in, *v;

	if (b->nested >= MAXNESTED)
		return fail(b->c, QE_INPUT, "made of what is made of others"),
		       NULL;
	b->nested++;
	in = sources(b, from, json_has(t, "by"));
	b->nested--;
	if (!in)
		return NULL;
	v = json_get(t, "by") ? dequantise(b, t, (int)json_len(from), in)
	                      : stacked(b, (int)json_len(from), in);
	for (size_t i = 0; v && i < json_len(list); i++)
		v = step(b, json_at(list, i), v);
	if (v && v->from)
		value_rename(b->g, v, name);
	return v;
}

Value *
weight(Build *b, const char *name)
{
	const Json *t = json_get(b->tensors, name);
	Value *v = dict_get(b->made, name);
	int layer = b->layer;

	if (v)
		return v;
	if (!t)
		return fail(b->c, QE_INPUT, "no tensor '%s'", name), NULL;
	b->layer = -1;
	v = json_get(t, "from") ? expression(b, name, t)
	                        : initializer(b, name, t);
	b->layer = layer;
	if (!v)
		return note(b->c, "tensor '%s'", name), NULL;
	dict_set(b->made, arena_dup(b->a, name), v);
	return v;
}

static DType
weight_type(const Build *b, const char *name)
{
	const Json *t = json_get(b->tensors, name);

	return dtype_by_safetensors(json_get_str(t, "dtype", ""));
}

Value *
param(Build *b, const char *name)
{
	char *key;
	Value *v = weight(b, name);

	if (!v || weight_type(b, name) == b->type)
		return v;
	key = arena_str(b->a, "cast %s", name);
	if (!dict_has(b->made, key))
		dict_set(b->made, key, cast(b, v, b->type));
	return dict_get(b->made, key);
}

/* The matrix of a module as it is multiplied by, [in, out]. */
static Value *
matrix(Build *b, const Json *m)
{
	const char *name = json_get_str(m, "weight", "");
	Value *w = param(b, name), *whole = lora_merged(b, m, w);
	char *key = arena_str(b->a, "turn %s", whole ? whole->name : name);

	if (json_get_bool(m, "in_out", false) || !whole)
		return whole;
	if (!dict_has(b->made, key))
		dict_set(b->made, key, TRANSPOSE(b, whole, 1, 0));
	return dict_get(b->made, key);
}

Value *
linear_matrix(Build *b, const Json *m)
{
	if (lora_is_beside(b, m))
		return fail(b->c, QE_INPUT,
		            "'%s' has adapters beside it, and is made part of another matrix: merge them",
		            json_get_str(m, "weight", "")),
		       NULL;
	return matrix(b, m);
}

Value *
linear(Build *b, const Json *m, Value *x)
{
	const char *bias = json_get_str(m, "bias", NULL);
	Value *more;

	if (!x || b->proxy)
		return x;
	more = lora_beside(b, m, x);
	x = EMIT(b, "MatMul", x, matrix(b, m));
	if (more)
		x = EMIT(b, "Add", x, more);
	return bias ? EMIT(b, "Add", x, param(b, bias)) : x;
}
