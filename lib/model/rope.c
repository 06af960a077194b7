/* SPDX-License-Identifier: BSD-3-Clause
 * rope.c - rotary positions: frequencies into the tree, rotation into nodes.
 *
 * Frequencies are float32 at every step, in the reference's order; sines and
 * cosines come from tables [positions, dim] with both halves filled.  The
 * tables are there because a target that computes in float16 cannot hold
 * position * frequency; they are expressions, because at 131072 positions
 * their bytes outweigh everything else in the graph.
 *   half:  y = x cos + (-x2, x1) sin, for the halves x1, x2 of the first dim
 *          elements of a head; the rest passes
 *   inter: pairs are neighbours; they are brought into halves first and stay
 *          so: q and k alike, so that their products are the same
 * dynamic: the base follows the greatest position of the call.
 * longrope: the long factors for all of a text that is longer than the
 * original length.  The input text_length says so before a call gets there, so
 * that chunks of a long prompt turn alike; without it (0, or a model that
 * keeps nothing) the row's positions in this call decide. */

#include <math.h>

#include "build.h"

/* LEASTROWS: positions beyond what a model was made for turn like any other,
 * and a table of so many is nothing that a compiler folds early. */
enum { MAXDIM = 4096, LEASTROWS = 1024 };

static const double PI = 3.14159265358979323846;

typedef struct Rope {
	int dim, n; /* n frequencies: half of dim, an odd one rounded up */
	double base, factor;
	double original; /* positions the model was first trained on */
	double max;
	float inv[MAXDIM / 2], wide[MAXDIM / 2]; /* wide: longrope's long */
	bool has_wide, grows;
	double scale; /* of sines and cosines */
} Rope;

/* base^(2i/dim) */
static float
period(const Rope *r, int i)
{
	float x = (float)(2 * i) / (float)r->dim;

	return (float)pow((double)(float)r->base, (double)x);
}

typedef bool RopeFn(Tree *, const Json *, Rope *);

static bool
rope_default(Tree *t, const Json *o, Rope *r)
{
	(void)t, (void)o;
	for (int i = 0; i < r->n; i++)
		r->inv[i] = 1.0F / period(r, i);
	return true;
}

static bool
rope_dynamic(Tree *t, const Json *o, Rope *r)
{
	r->grows = true;
	if (r->dim % 2)
		return fail(t->c, QE_INPUT,
		            "dynamic rope over %d elements, wanted an even "
		            "number",
		            r->dim);
	return rope_default(t, o, r);
}

static bool
rope_linear(Tree *t, const Json *o, Rope *r)
{
	rope_default(t, o, r);
	for (int i = 0; i < r->n; i++)
		r->inv[i] /= (float)r->factor;
	return true;
}

static bool
rope_llama3(Tree *t, const Json *o, Rope *r)
{
	float low = (float)json_get_num(o, "low_freq_factor", 1),
	      high = (float)json_get_num(o, "high_freq_factor", 4);
	float old = (float)r->original, f = (float)r->factor;

	rope_default(t, o, r);
	for (int i = 0; i < r->n; i++) {
		float inv = r->inv[i], wave = 2 * (float)PI / inv, s;

		if (wave > old / low)
			r->inv[i] = inv / f;
		else if (wave >= old / high) {
			s = (old / wave - low) / (high - low);
			r->inv[i] = (1 - s) * inv / f + s * inv;
		}
	}
	return true;
}

static double
yarn_mscale(double factor, double m)
{
	return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

static double
yarn_scale(const Json *o, double factor)
{
	double m = json_get_num(o, "mscale", 0),
	       all = json_get_num(o, "mscale_all_dim", 0);

	if (json_get(o, "attention_factor"))
		return json_get_num(o, "attention_factor", 1);
	if (m != 0 && all != 0)
		return yarn_mscale(factor, m) / yarn_mscale(factor, all);
	return yarn_mscale(factor, 1);
}

/* the dimension that turns `turns` times over the original length */
static double
yarn_dim(const Rope *r, double turns)
{
	return r->dim * log(r->original / (turns * 2 * PI)) /
	       (2 * log(r->base));
}

static bool
rope_yarn(Tree *t, const Json *o, Rope *r)
{
	double lo = yarn_dim(r, json_get_num(o, "beta_fast", 32)),
	       hi = yarn_dim(r, json_get_num(o, "beta_slow", 1));

	(void)t;
	if (json_get_bool(o, "truncate", true)) {
		lo = floor(lo);
		hi = ceil(hi);
	}
	lo = fmax(lo, 0);
	hi = fmin(hi, r->dim - 1);
	if (lo == hi)
		hi += 0.001;
	for (int i = 0; i < r->n; i++) {
		float p = period(r, i), ext = 1 / p,
		      in = 1 / ((float)r->factor * p);
		float ramp = ((float)i - (float)lo) / (float)(hi - lo);
		float keep = 1 - fminf(fmaxf(ramp, 0), 1);

		r->inv[i] = in * (1 - keep) + ext * keep;
	}
	r->scale = yarn_scale(o, r->factor);
	return true;
}

static bool
divide(Tree *t, const Json *o, const char *key, const Rope *r, float *inv)
{
	const Json *f = json_get(o, key);

	if (json_len(f) != (size_t)r->n)
		return fail(t->c, QE_INPUT, "%s has %zu factors, wanted %d",
		            key, json_len(f), r->n);
	for (int i = 0; i < r->n; i++)
		inv[i] = 1 / ((float)json_num(json_at(f, (size_t)i), 1) *
		              period(r, i));
	return true;
}

static bool
rope_longrope(Tree *t, const Json *o, Rope *r)
{
	double f = r->factor;

	if (!divide(t, o, "short_factor", r, r->inv) ||
	    !divide(t, o, "long_factor", r, r->wide))
		return false;
	r->has_wide = true;
	if (json_get(o, "attention_factor"))
		r->scale = json_get_num(o, "attention_factor", 1);
	else if (f > 1)
		r->scale = sqrt(1 + log(f) / log(r->original));
	return true;
}

/* clang-format off */
static const struct RopeType {
	const char *name;
	RopeFn *fn;
	const char *keys; /* that it reads besides factor */
} types[] = {
	{"default",  rope_default,  ""},
	{"dynamic",  rope_dynamic,  "original_max_position_embeddings"},
	{"linear",   rope_linear,   "original_max_position_embeddings"},
	{"llama3",   rope_llama3,   "low_freq_factor,high_freq_factor,"
	                            "original_max_position_embeddings"},
	{"yarn",     rope_yarn,     "beta_fast,beta_slow,truncate,mscale,"
	                            "mscale_all_dim,attention_factor,"
	                            "max_position_embeddings,"
	                            "llama_4_scaling_beta,"
	                            "original_max_position_embeddings"},
	{"longrope", rope_longrope, "short_factor,long_factor,"
	                            "attention_factor,"
	                            "original_max_position_embeddings"},
	{"su",       rope_longrope, "short_factor,long_factor,"
	                            "attention_factor,"
	                            "original_max_position_embeddings"},
};
/* clang-format on */

static bool
check_keys(Tree *t, const Json *o, const struct RopeType *type)
{
	char **keys = str_split(t->a, type->keys, ',');

	if (!o)
		return true;
	json_object_object_foreach((Json *)(uintptr_t)o, key, v)
	{
		if (!v ||
		    str_in(key,
		           (const char *const[]){"rope_type", "type", "factor",
		                                 "rope_theta", "mrope_section",
		                                 "partial_rotary_factor",
		                                 NULL}) ||
		    str_in(key, (const char *const *)keys))
			continue;
		return fail(t->c, QE_INPUT,
		            "key '%s' is not known to rope type '%s'", key,
		            type->name);
	}
	return true;
}

/* A length at the top of the configuration wins over the one inside; the
 * factor of longrope is then the ratio of the two. */
static bool
lengths(Tree *t, const Json *rope, const Json *o, Rope *r)
{
	double top = json_get_num(rope, "original", 0);
	int64_t max;

	if (!tree_let(t, "max_positions", &max))
		return false;
	r->max = (double)max;
	r->original = top > 0 ? top
	                      : json_get_num(o,
	                                     "original_max_position_"
	                                     "embeddings",
	                                     r->max);
	if (r->original < 1)
		return fail(t->c, QE_INPUT, "rope: original length %g",
		            r->original);
	r->factor = json_get_num(o, "factor", r->max / r->original);
	if (top > 0)
		r->factor = r->max / top;
	return r->factor > 0 ||
	       fail(t->c, QE_INPUT, "rope: factor %g", r->factor);
}

/* Turning the other way is turning by negative angles. */
static bool
reverse(Tree *t, const Json *rope, Rope *r)
{
	bool other = json_get_bool(rope, "reverse", false);

	if (other && r->grows)
		return fail(t->c, QE_INPUT,
		            "rope type 'dynamic' the other way round is not "
		            "supported");
	if (other)
		for (int i = 0; i < r->n; i++)
			r->inv[i] = -r->inv[i];
	return true;
}

static bool
frequencies(Tree *t, const Json *rope, Rope *r)
{
	const Json *o = json_get(rope, "scaling");
	const char *type = json_get_str(o, "rope_type", NULL);
	int64_t dim = json_get_int(rope, "dim", 0);

	if (!type)
		type = json_get_str(o, "type", "default");
	if (o && !json_is(o, json_type_object))
		return fail(t->c, QE_INPUT, "rope: scaling is not an object");
	r->base = json_get_num(rope, "theta", 10000);
	r->scale = 1;
	if (dim < 2 || dim > MAXDIM)
		return fail(t->c, QE_INPUT,
		            "rope over %lld elements, wanted 2 to %d",
		            (long long)dim, MAXDIM);
	r->dim = (int)dim;
	r->n = (r->dim + 1) / 2;
	if (!(r->base > 1))
		return fail(t->c, QE_INPUT, "rope: theta %g", r->base);
	if (!lengths(t, rope, o, r))
		return false;
	for (size_t i = 0; i < LEN(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return check_keys(t, o, &types[i]) &&
			       types[i].fn(t, o, r) && reverse(t, rope, r);
	return fail(t->c, QE_INPUT, "rope type '%s' is not supported", type);
}

static void
put_list(Tree *t, Json *o, const char *key, const float *x, int n)
{
	Json *list = json_new_array(t->a);

	for (int i = 0; i < n; i++)
		json_push(list, json_object_new_double((double)x[i]));
	tree_put(o, key, list);
}

int
tree_rope(Tree *t, const Json *rope)
{
	Json *all = json_get(t->root, "ropes"), *o;
	Rope *r = NEW(t->a, Rope);

	if (!rope)
		return -1;
	if (!frequencies(t, rope, r))
		return -2;
	o = json_new(t->a);
	put_list(t, o, "inv_freq", r->inv, r->n);
	if (r->has_wide) {
		put_list(t, o, "long_inv_freq", r->wide, r->n);
		json_put_num(o, "original", r->original);
	}
	if (r->grows) {
		json_put_num(o, "base", r->base);
		json_put_num(o, "factor", r->factor);
	}
	json_put_num(o, "scale", r->scale);
	json_put_num(o, "rows", r->max);
	for (size_t i = 0; i < json_len(all); i++)
		if (json_object_equal(json_at(all, i), o))
			return (int)i;
	json_push(all, json_share(o));
	return (int)json_len(all) - 1;
}

/* ---- nodes ---- */

/* [rows,dim] the angles of every position, both halves: nodes on a few
 * constants, which whoever compiles or runs the graph computes once. */
static Value *
angles(Build *b, int64_t which, const Json *rope, const char *freq)
{
	char *name = arena_str(b->a, "rope.%lld.%s", (long long)which, freq);
	const Json *inv = json_get(rope, freq);
	int64_t rows = json_get_int(rope, "rows", 0);
	int64_t half = (int64_t)json_len(inv);
	Value *v = dict_get(b->made, name);
	float x[MAXDIM];

	if (v)
		return v;
	rows = MAX(rows, LEASTROWS);
	if (rows > INT32_MAX || half < 1 || half > MAXDIM / 2)
		return fail(b->c, QE_INPUT, "rope table of %lld rows by %lld",
		            (long long)rows, (long long)half),
		       NULL;
	for (int64_t i = 0; i < half; i++)
		x[i] = x[half + i] =
			(float)json_num(json_at(inv, (size_t)i), 0);
	v = EMIT(b, "Range", int_scalar(b, 0), int_scalar(b, rows),
	         int_scalar(b, 1));
	v = unsqueeze(b, cast(b, v, DT_F32), 1);
	v = EMIT(b, "Mul", v, floats(b, name, &(Shape){1, {2 * half}}, x));
	dict_set(b->made, name, v);
	return v;
}

/* [B,S,dim] angles of this call's positions, with a base that grows as they
 * pass the length the model was made for:
 *   base (f n / max - f + 1)^(dim / (dim - 2)), n the positions so far */
static Value *
growing(Build *b, int64_t which, const Json *rope)
{
	char *name = arena_str(b->a, "rope.%lld.exponent", (long long)which);
	int64_t half = (int64_t)json_len(json_get(rope, "inv_freq"));
	double f = json_get_num(rope, "factor", 1),
	       max = json_get_num(rope, "rows", 1), dim = 2 * (double)half;
	Value *v = dict_get(b->here, name), *n;
	float x[MAXDIM];

	if (v)
		return v;
	if (half < 2 || half > MAXDIM / 2)
		return fail(b->c, QE_INPUT, "dynamic rope over %lld elements",
		            (long long)half * 2),
		       NULL;
	for (int64_t i = 0; i < half; i++)
		x[i] = x[half + i] = (float)(2 * i) / (float)dim;
	n = EMIT_INT(b, "ReduceMax", "keepdims", 0, b->positions);
	n = cast(b, EMIT(b, "Add", n, int_scalar(b, 1)), DT_F32);
	n = EMIT(b, "Max", n, scalar_f32(b, max));
	n = EMIT(b, "Mul", n, scalar_f32(b, f));
	n = EMIT(b, "Div", n, scalar_f32(b, max));
	n = EMIT(b, "Sub", n, scalar_f32(b, f - 1));
	n = EMIT(b, "Pow", n, scalar_f32(b, dim / (dim - 2)));
	n = EMIT(b, "Mul", n, scalar_f32(b, json_get_num(rope, "base", 1)));
	n = EMIT(b, "Pow", n, floats(b, name, &(Shape){1, {2 * half}}, x));
	v = unsqueeze(b, cast(b, b->positions, DT_F32), 2);
	v = EMIT(b, "Mul", v, EMIT(b, "Reciprocal", n));
	dict_set(b->here, name, v);
	return v;
}

/* Cosines or sines at the positions of this call: rows of a table. */
static Value *
rows(Build *b, int64_t which, const Json *rope, const char *freq,
     const char *fn)
{
	double scale = json_get_num(rope, "scale", 1);
	Value *v;

	if (json_get(rope, "base"))
		return EMIT(b, fn, growing(b, which, rope));
	v = EMIT(b, fn, angles(b, which, rope, freq));
	if (scale != 1)
		v = EMIT(b, "Mul", v, scalar_f32(b, scale));
	return EMIT_INT(b, "Gather", "axis", 0, v, b->positions);
}

/* [B,1,1] bool: rows whose text is beyond the original length */
static Value *
is_long(Build *b, int64_t which, const Json *rope)
{
	char *key = arena_str(b->a, "rope %lld long", (long long)which);
	int64_t old = json_get_int(rope, "original", 0);
	Value *v = dict_get(b->here, key), *n;

	if (v)
		return v;
	n = reduce(b, "ReduceMax", b->positions, 1, true);
	n = EMIT(b, "Add", n, int_scalar(b, 1));
	if (b->text_length)
		n = EMIT(b, "Max", n, b->text_length);
	v = EMIT(b, "Greater", n, int_scalar(b, old));
	v = unsqueeze(b, v, 2);
	dict_set(b->here, key, v);
	return v;
}

/* [B or 1,1,S,dim], once for the whole model */
static Value *
turns(Build *b, int64_t which, const Json *rope, const char *fn)
{
	char *key = arena_str(b->a, "rope %lld %s", (long long)which, fn);
	Value *v = dict_get(b->here, key), *wide;
	int layer = b->layer;

	if (v)
		return v;
	b->layer = -1;
	v = rows(b, which, rope, "inv_freq", fn);
	if (json_get(rope, "long_inv_freq")) {
		wide = rows(b, which, rope, "long_inv_freq", fn);
		v = EMIT(b, "Where", is_long(b, which, rope), wide, v);
	}
	v = unsqueeze(b, v, 1);
	if (b->type != DT_F32)
		v = cast(b, v, b->type);
	b->layer = layer;
	dict_set(b->here, key, v);
	return v;
}

/* neighbours into halves: [B,h,S,dim/2,2] -> [B,h,S,2,dim/2] */
static Value *
split_pairs(Build *b, Value *x, int64_t dim)
{
	x = RESHAPE(b, x, 0, 0, 0, dim / 2, 2);
	x = TRANSPOSE(b, x, 0, 1, 2, 4, 3);
	return RESHAPE(b, x, 0, 0, 0, dim);
}

static Value *
turn(Build *b, int64_t which, const Json *rope, Value *x, int64_t dim)
{
	Value *cosine = turns(b, which, rope, "Cos"),
	      *sine = turns(b, which, rope, "Sin"), *lo, *hi;

	lo = slice(b, x, -1, 0, dim / 2);
	hi = slice(b, x, -1, dim / 2, dim);
	hi = concat(b, 2, (Value *[]){EMIT(b, "Neg", hi), lo}, -1);
	x = EMIT(b, "Mul", x, cosine);
	return EMIT(b, "Add", x, EMIT(b, "Mul", hi, sine));
}

Value *
rotate(Build *b, const Json *at, Value *x)
{
	int64_t which = json_get_int(at, "table", -1),
		width = json_get_int(at, "width", -1), dim;
	const Json *rope = json_at(json_get(b->root, "ropes"), (size_t)which);
	Value *rest = NULL;

	if (!x || !at)
		return x;
	dim = 2 * (int64_t)json_len(json_get(rope, "inv_freq"));
	if (which < 0 || dim < 2 || dim > width)
		return fail(b->c, QE_INPUT,
		            "rope %lld of %lld elements in %lld",
		            (long long)which, (long long)dim, (long long)width),
		       NULL;
	if (dim < width) {
		rest = slice(b, x, -1, dim, width);
		x = slice(b, x, -1, 0, dim);
	}
	if (strcmp(json_get_str(at, "style", "half"), "half") != 0)
		x = split_pairs(b, x, dim);
	x = turn(b, which, rope, x, dim);
	return rest ? concat(b, 2, (Value *[]){x, rest}, -1) : x;
}
