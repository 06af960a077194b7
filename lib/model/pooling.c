/* SPDX-License-Identifier: BSD-3-Clause
 * pooling.c - one vector of the token vectors of an encoder: the transform,
 * and its nodes.
 *
 *   mean  sum(m h) / max(sum m, 1e-9)     cls   the first token
 *   max   over tokens with m = 1          last  the last token with m = 1
 * Several are joined one after the other.  What follows in modules.json,
 * Dense and Normalize, comes after. */

#include "build.h"
#include "transform.h"

/* names in 1_Pooling/config.json, in the order they are joined in */
static const struct {
	const char *key, *kind;
} modes[] = {
	{"pooling_mode_cls_token", "cls"},
	{"pooling_mode_max_tokens", "max"},
	{"pooling_mode_mean_tokens", "mean"},
	{"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt"},
	{"pooling_mode_weightedmean_tokens", "weightedmean"},
	{"pooling_mode_lasttoken", "last"},
};

/* Names that others use for a kind. */
static const char *
kind_by_name(const char *name)
{
	static const char *const same[][2] = {
		{"mean_sqrt_len_tokens", "mean_sqrt"},
		{"lasttoken", "last"},
		{"last_token", "last"},
		{"avg", "mean"},
	};

	for (size_t i = 0; i < LEN(same); i++)
		if (strcmp(same[i][0], name) == 0)
			return same[i][1];
	return name;
}

static void
kinds_of(const Json *config, Json *list)
{
	const Json *mode = json_get(config, "pooling_mode"), *one;
	bool many = json_is(mode, json_type_array);

	for (size_t i = 0; mode && i < (many ? json_len(mode) : 1); i++) {
		one = many ? json_at(mode, i) : mode;
		json_push(list, json_object_new_string(
					kind_by_name(json_str(one, ""))));
	}
	for (size_t i = 0; !mode && i < LEN(modes); i++)
		if (json_get_bool(config, modes[i].key, false))
			json_push(list, json_object_new_string(modes[i].kind));
	if (!json_len(list))
		json_push(list, json_object_new_string("mean"));
}

static const Json *
sentence_modules(const Json *doc)
{
	return json_get(json_get(doc, "sentence"), "modules");
}

bool
want_pooling(const Json *doc, const TransformArgs *args)
{
	const char *task = json_get_str(json_get(doc, "modules"), "task", "");

	if (strcmp(task, "feature-extraction") != 0)
		return args->pooling != NULL;
	return args->pooling || args->normalize ||
	       json_len(sentence_modules(doc)) > 0;
}

static bool
is_kind(const char *kind)
{
	for (size_t i = 0; i < LEN(modes); i++)
		if (strcmp(modes[i].kind, kind) == 0)
			return true;
	return false;
}

/* "torch.nn.modules.activation.Tanh" -> "tanh" */
static const char *
act_of(const Json *config)
{
	static const struct {
		const char *class, *act;
	} acts[] = {
		{"Identity", "linear"},
		{"Tanh", "tanh"},
		{"ReLU", "relu"},
		{"GELU", "gelu"},
		{"SiLU", "silu"},
		{"Sigmoid", "sigmoid"},
		{"Mish", "mish"},
		{"ReLU6", "relu6"},
		{"LeakyReLU", "leaky_relu"},
	};
	const char *s = json_get_str(config, "activation_function",
	                             "torch.nn.modules.activation.Tanh");
	const char *dot = strrchr(s, '.');

	for (size_t i = 0; i < LEN(acts); i++)
		if (strcmp(acts[i].class, dot ? dot + 1 : s) == 0)
			return acts[i].act;
	return s;
}

static Json *
then(Arena *a, Json *pool, const char *kind)
{
	Json *list = json_get(pool, "then"), *o = json_new(a);

	if (!list) {
		list = json_new_array(a);
		json_put(pool, "then", json_share(list));
	}
	json_put_str(o, "kind", kind);
	json_push(list, json_share(o));
	return o;
}

/* What a Dense may read, write and add besides. */
static bool
dense_fits(Ctx *c, const Json *m, Json *o)
{
	static const char *const ends[] = {"module_input_name",
	                                   "module_output_name"};
	const Json *config = json_get(m, "config");
	const char *name;

	for (size_t i = 0; i < LEN(ends); i++) {
		name = json_get_str(config, ends[i], "sentence_embedding");
		if (strcmp(name, "sentence_embedding") != 0)
			return fail(c, QE_INPUT,
			            "Dense: %s '%s' is not supported", ends[i],
			            name);
	}
	if (!json_get_bool(config, "use_residual", false))
		return true;
	if (json_get_int(config, "in_features", 0) !=
	    json_get_int(config, "out_features", 1))
		return fail(c, QE_INPUT,
		            "Dense: a residual of another width is not "
		            "supported");
	json_put_bool(o, "residual", true);
	return true;
}

/* One module of modules.json into the pooling. */
static bool
take_module(Ctx *c, Arena *a, const Json *m, Json *pool)
{
	const char *type = json_get_str(m, "type", "");
	Json *kinds, *o;

	if (strcmp(type, "Transformer") == 0 || strcmp(type, "Dropout") == 0)
		return true;
	if (strcmp(type, "Normalize") == 0)
		return then(a, pool, "normalize") != NULL;
	if (strcmp(type, "Dense") == 0 && json_get(m, "linear")) {
		o = then(a, pool, "dense");
		tree_put(o, "linear", json_get(m, "linear"));
		json_put_str(o, "act", act_of(json_get(m, "config")));
		return dense_fits(c, m, o);
	}
	if (strcmp(type, "LayerNorm") == 0 && json_get(m, "norm")) {
		o = then(a, pool, "norm");
		tree_put(o, "norm", json_get(m, "norm"));
		return true;
	}
	if (strcmp(type, "Pooling") != 0)
		return fail(c, QE_INPUT,
		            "sentence-transformers module '%s' is not "
		            "supported",
		            type);
	kinds = json_new_array(a);
	kinds_of(json_get(m, "config"), kinds);
	json_put(pool, "kinds", json_share(kinds));
	return true;
}

/* unit length at the end, if it is not there yet */
static void
normalize(Arena *a, Json *pool)
{
	const Json *list = json_get(pool, "then");
	const Json *last = json_at(list, json_len(list) - 1);

	if (!list || strcmp(json_get_str(last, "kind", ""), "normalize") != 0)
		then(a, pool, "normalize");
}

bool
apply_pooling(Ctx *c, Arena *a, Json *doc, const TransformArgs *args,
              Json *record)
{
	Json *root = json_get(doc, "modules"), *pool = json_new(a), *kinds;
	const Json *list = sentence_modules(doc);
	const char *task = json_get_str(root, "task", "");

	if (strcmp(task, "feature-extraction") != 0)
		return fail(c, QE_INPUT, "a model for %s has no token vectors",
		            task);
	for (size_t i = 0; !args->pooling && i < json_len(list); i++)
		if (!take_module(c, a, json_at(list, i), pool))
			return false;
	if (!json_get(pool, "kinds")) {
		const char *kind =
			args->pooling ? kind_by_name(args->pooling) : "mean";

		if (!is_kind(kind))
			return fail(
				c, QE_USAGE,
				"pooling '%s' is not known: cls, max, mean, "
				"mean_sqrt, weightedmean or last",
				kind);
		kinds = json_new_array(a);
		json_push(kinds, json_object_new_string(kind));
		json_put(pool, "kinds", json_share(kinds));
	}
	if (args->normalize)
		normalize(a, pool);
	json_put(root, "pooling", json_share(pool));
	tree_put(record, "kinds", json_get(pool, "kinds"));
	tree_put(record, "then", json_get(pool, "then"));
	return true;
}

/* ---- nodes: h [B,S,H], m [B,S,1] ---- */

typedef Value *PoolKindFn(Build *, Value *h, Value *m);

static Value *
pool_mean(Build *b, Value *h, Value *m)
{
	Value *sum = reduce(b, "ReduceSum", EMIT(b, "Mul", h, m), 1, false),
	      *n = reduce(b, "ReduceSum", m, 1, false);

	return EMIT(b, "Div", sum, EMIT(b, "Max", n, scalar(b, 1e-9)));
}

static Value *
pool_mean_sqrt(Build *b, Value *h, Value *m)
{
	Value *sum = reduce(b, "ReduceSum", EMIT(b, "Mul", h, m), 1, false),
	      *n = reduce(b, "ReduceSum", m, 1, false);

	n = EMIT(b, "Sqrt", EMIT(b, "Max", n, scalar(b, 1e-9)));
	return EMIT(b, "Div", sum, n);
}

/* token i counts i + 1 times */
static Value *
pool_weighted(Build *b, Value *h, Value *m)
{
	Value *w = EMIT(b, "Add", b->positions, int_scalar(b, 1));

	w = cast(b, unsqueeze(b, w, 2), b->type);
	return pool_mean(b, h, EMIT(b, "Mul", m, w));
}

static Value *
pool_max(Build *b, Value *h, Value *m)
{
	Value *real = EMIT(b, "Greater", m, scalar(b, 0)), *least;

	least = scalar(b, b->type == DT_F16 ? -65504.0 : -1e9);
	return reduce(b, "ReduceMax", EMIT(b, "Where", real, h, least), 1,
	              false);
}

/* the row at index [B,1] */
static Value *
row(Build *b, Value *h, Value *at)
{
	h = EMIT_INT(b, "GatherND", "batch_dims", 1, h, unsqueeze(b, at, 2));
	return EMIT(b, "Squeeze", h, INTS(b, 1));
}

static Value *
pool_cls(Build *b, Value *h, Value *m)
{
	(void)m;
	return row(b, h, EMIT_INT(b, "ArgMax", "axis", 1, b->mask));
}

/* the last token with m = 1: the largest position among those */
static Value *
pool_last(Build *b, Value *h, Value *m)
{
	Value *at = EMIT(b, "Mul", b->positions, b->mask);

	(void)m;
	return row(b, h, EMIT_INT(b, "ArgMax", "axis", 1, at));
}

static const struct {
	const char *kind;
	PoolKindFn *fn;
} pools[] = {
	{"cls", pool_cls},
	{"last", pool_last},
	{"max", pool_max},
	{"mean", pool_mean},
	{"mean_sqrt", pool_mean_sqrt},
	{"weightedmean", pool_weighted},
};

static Value *
pool_one(Build *b, const char *kind, Value *h, Value *m)
{
	for (size_t i = 0; i < LEN(pools); i++)
		if (strcmp(pools[i].kind, kind) == 0)
			return pools[i].fn(b, h, m);
	return fail(b->c, QE_INPUT, "pooling '%s' is not known", kind), NULL;
}

/* x / max(|x|, 1e-12) */
static Value *
unit_length(Build *b, Value *x)
{
	Value *n = reduce(b, "ReduceSum", EMIT(b, "Mul", x, x), -1, true);

	n = EMIT(b, "Max", EMIT(b, "Sqrt", n), scalar(b, 1e-12));
	return EMIT(b, "Div", x, n);
}

static Value *
after(Build *b, const Json *step, Value *x, int64_t *width)
{
	const char *kind = json_get_str(step, "kind", "");
	const Json *m = json_get(step, "linear");
	Value *y;

	if (strcmp(kind, "normalize") == 0)
		return unit_length(b, x);
	if (strcmp(kind, "norm") == 0)
		return norm(b, json_get(step, "norm"), x);
	if (strcmp(kind, "dense") != 0)
		return fail(b->c, QE_INPUT, "step '%s' is not known", kind),
		       NULL;
	*width = weight_shape(b, json_get_str(m, "weight", "")).dim[0];
	y = activation(b, json_get_str(step, "act", "linear"), linear(b, m, x));
	return json_get_bool(step, "residual", false) ? EMIT(b, "Add", y, x)
	                                              : y;
}

Value *
pool(Build *b, const Json *p, Value *h, int64_t *width)
{
	enum { MAXKIND = 8 };
	const Json *kinds = json_get(p, "kinds"), *list = json_get(p, "then");
	int n = (int)MIN(json_len(kinds), (size_t)MAXKIND);
	Value *m = cast(b, unsqueeze(b, b->mask, 2), b->type), *v[MAXKIND];

	if (!n)
		return fail(b->c, QE_INPUT, "pooling of no kind"), NULL;
	for (int i = 0; i < n; i++)
		v[i] = pool_one(b, json_str(json_at(kinds, (size_t)i), ""), h,
		                m);
	h = n > 1 ? concat(b, n, v, 1) : v[0];
	*width *= n;
	for (size_t i = 0; i < json_len(list); i++)
		h = after(b, json_at(list, i), h, width);
	return h;
}

Value *
pool_last_token(Build *b, Value *h)
{
	return pool_last(b, h, NULL);
}

Value *
pool_mean_tokens(Build *b, Value *h)
{
	return pool_mean(b, h, cast(b, unsqueeze(b, b->mask, 2), b->type));
}
