/* SPDX-License-Identifier: BSD-3-Clause
 * fewbits.c - weights that a checkpoint stores in few bits, as tensors made
 * of what it stores.
 *
 * A module that asks for X.weight gets a tensor of the document that is made
 * `by` one of the rows below, from several stored ones and some numbers;
 * dequant.c has the nodes.  W [out, in] is what the reference multiplies by
 * after it has undone the quantisation; activations are not rounded.
 *
 *   by        from                                  numbers
 *   packed    qweight, scales, qzeros?, g_idx?      layout, bits, group, out
 *             where PACK_IN: [in/p, out], PACK_OUT: [in, out/p],
 *             PACK_ROW: [out, in/p], p elements of `bits` bits an int32
 *   scaled    weight, scale?, zero?                 rows, columns of a block
 *   mxfp4     blocks, scales
 *
 * Sources: AutoAWQ, AutoGPTQ/GPTQModel, compressed-tensors and the formats'
 * descriptions in transformers. */

#include "fewbits.h"

typedef const char *MakeFn(Tree *, const Json *config, const Json *name,
                           Shape want);

static const char *
missing(Tree *t, const char *stored, const char *what)
{
	return fail(t->c, QE_INPUT, "tensor '%s' has no %s", stored, what),
	       NULL;
}

/* "x.qweight" -> "x.weight" */
static const char *
made_name(Tree *t, const char *stored, const char *suffix, const char *by)
{
	size_t n = strlen(stored) - strlen(suffix);

	return arena_str(t->a, "%.*s%s", (int)n, stored, by);
}

static void
push(Json *from, const char *name)
{
	json_push(from, json_object_new_string(name ? name : ""));
}

static const char *
make(Tree *t, const char *name, const char *by, Json *from, int n,
     const int64_t *arg, Shape shape)
{
	Json *args = json_new_array(t->a), *steps = json_new_array(t->a), *o;

	for (int i = 0; i < n; i++)
		json_push(args, json_object_new_int64(arg[i]));
	tree_derive(t, name, from, steps, shape);
	o = json_get(t->tensors, name);
	json_put_str(o, "dtype", "F32");
	json_put_str(o, "by", by);
	tree_put(o, "args", args);
	return name;
}

static Shape
shape_of(const Tree *t, const char *name)
{
	return tree_shape(tree_tensor(t, name));
}

static bool
is_shape(Tree *t, const char *name, int64_t rows, int64_t columns)
{
	Shape s = shape_of(t, name);

	return (s.rank == 2 && s.dim[0] == rows && s.dim[1] == columns) ||
	       fail(t->c, QE_INPUT, "tensor '%s': shape %s, wanted [%lld,%lld]",
	            name, shape_text(&s).s, (long long)rows,
	            (long long)columns);
}

/* ---- packed integers ---- */

typedef struct Packed {
	const char *w, *scale, *zero, *index;
	enum quant_layout layout;
	int64_t bits, in, out, groups;
} Packed;

static bool
packed_fits(Tree *t, const Packed *p, Shape want)
{
	int64_t each = 32 / p->bits;
	bool rows = p->layout == PACK_ROW;

	if (p->in % p->groups || (p->zero && p->out % each))
		return fail(t->c, QE_INPUT,
		            "tensor '%s': %lld groups of %lld inputs, %lld "
		            "outputs",
		            p->w, (long long)p->groups, (long long)p->in,
		            (long long)p->out);
	if (want.rank != 2 || (want.dim[0] >= 0 && want.dim[0] != p->out) ||
	    (want.dim[1] >= 0 && want.dim[1] != p->in))
		return fail(t->c, QE_INPUT,
		            "tensor '%s': [%lld,%lld] unpacked, wanted %s",
		            p->w, (long long)p->out, (long long)p->in,
		            shape_text(&want).s);
	if (p->zero && !is_shape(t, p->zero, rows ? p->out / each : p->groups,
	                         rows ? p->groups : p->out / each))
		return false;
	return is_shape(t, p->scale, rows ? p->out : p->groups,
	                rows ? p->groups : p->out);
}

static const char *
packed(Tree *t, Packed *p, const char *name, Shape want, int64_t zero)
{
	Json *from = json_new_array(t->a);
	int64_t arg[] = {p->layout, p->bits, p->in, p->out, p->groups, zero};

	if (!packed_fits(t, p, want))
		return NULL;
	push(from, p->w);
	push(from, p->scale);
	push(from, p->zero);
	push(from, p->index);
	return make(t, name, "packed", from, LEN(arg), arg,
	            (Shape){2, {p->out, p->in}});
}

static int64_t
bits_of(Tree *t, const Json *config)
{
	int64_t bits =
		json_get_int(config, "bits", json_get_int(config, "w_bit", 4));

	if (bits == 2 || bits == 4 || bits == 8)
		return bits;
	fail(t->c, QE_INPUT, "quantisation with %lld bits is not supported",
	     (long long)bits);
	return 0;
}

static const char *
make_awq(Tree *t, const Json *config, const Json *name, Shape want)
{
	Packed p = {.layout = PACK_OUT, .bits = bits_of(t, config)};
	Shape s;

	if (!p.bits || !(p.w = tree_stored(t, name, ".qweight", DT_I32)))
		return NULL;
	if (p.bits != 4)
		return fail(t->c, QE_INPUT,
		            "awq with %lld bits is not supported",
		            (long long)p.bits),
		       NULL;
	if (!(p.scale = tree_stored(t, name, ".scales", DT_NONE)))
		return missing(t, p.w, "scales");
	p.zero = tree_stored(t, name, ".qzeros", DT_I32);
	s = shape_of(t, p.w);
	p.in = s.dim[0];
	p.out = s.dim[1] * 8;
	p.groups = MAX(shape_of(t, p.scale).dim[0], 1);
	if (!p.zero)
		return missing(t, p.w, "qzeros");
	return packed(t, &p, made_name(t, p.w, ".qweight", ".weight"), want, 0);
}

/* Stored zeros are one less than meant, except in gptq_v2. */
static const char *
make_gptq(Tree *t, const Json *config, const Json *name, Shape want)
{
	Packed p = {.layout = PACK_IN, .bits = bits_of(t, config)};
	bool v2 = strcmp(json_get_str(config, "checkpoint_format", "gptq"),
	                 "gptq_v2") == 0;
	const char *index;
	Shape s;

	if (!p.bits || !(p.w = tree_stored(t, name, ".qweight", DT_I32)))
		return NULL;
	if (!(p.scale = tree_stored(t, name, ".scales", DT_NONE)))
		return missing(t, p.w, "scales");
	if (!(p.zero = tree_stored(t, name, ".qzeros", DT_I32)))
		return missing(t, p.w, "qzeros");
	s = shape_of(t, p.w);
	p.in = s.dim[0] * (32 / p.bits);
	p.out = s.dim[1];
	p.groups = MAX(shape_of(t, p.scale).dim[0], 1);
	index = tree_stored(t, name, ".g_idx", DT_I32);
	if (json_get_bool(config, "desc_act", false)) {
		if (!(p.index = index))
			return missing(t, p.w, "g_idx");
		if (shape_of(t, index).rank != 1 ||
		    shape_of(t, index).dim[0] != p.in)
			return fail(t->c, QE_INPUT,
			            "tensor '%s': wanted [%lld]", index,
			            (long long)p.in),
			       NULL;
	}
	return packed(t, &p, made_name(t, p.w, ".qweight", ".weight"), want,
	              !v2);
}

/* ---- numbers with a scale ---- */

static bool
one_scale(Tree *t, const char *w, const char *scale, const Shape *s,
          const int64_t block[2])
{
	Shape k = shape_of(t, scale);
	int64_t rows = (s->dim[0] + block[0] - 1) / block[0],
		columns = (s->dim[1] + block[1] - 1) / block[1];

	if (shape_count(&k) == 1 ||
	    (k.dim[0] == s->dim[0] && shape_count(&k) == s->dim[0]) ||
	    (k.rank == 2 && k.dim[0] == rows && k.dim[1] == columns))
		return true;
	return fail(t->c, QE_INPUT, "tensor '%s': shape %s for '%s' of %s",
	            scale, shape_text(&k).s, w, shape_text(s).s);
}

/* W = stored * scale: of the tensor, of a row or of a block. */
static const char *
make_scaled(Tree *t, const Json *config, const Json *name, Shape want)
{
	static const char *const scales[] = {".weight_scale_inv",
	                                     ".weight_scale"};
	static const DType types[] = {DT_F8E4M3FN, DT_I8};
	const Json *size = json_get(config, "weight_block_size");
	int64_t block[] = {json_int(json_at(size, 0), 128),
	                   json_int(json_at(size, 1), 128)};
	const char *w = NULL, *scale = NULL, *zero;
	Json *from = json_new_array(t->a);
	Shape s;

	for (size_t i = 0; i < LEN(types) && !w; i++)
		w = tree_stored(t, name, ".weight", types[i]);
	if (!w)
		return NULL;
	for (size_t i = 0; i < LEN(scales) && !scale; i++)
		scale = tree_stored(t, name, scales[i], DT_NONE);
	if (!scale)
		return missing(t, w, "scale");
	s = shape_of(t, w);
	if (s.rank != 2 || want.rank != 2 || block[0] < 1 || block[1] < 1 ||
	    (want.dim[0] >= 0 && s.dim[0] != want.dim[0]) ||
	    (want.dim[1] >= 0 && s.dim[1] != want.dim[1]))
		return fail(t->c, QE_INPUT, "tensor '%s': shape %s, wanted %s",
		            w, shape_text(&s).s, shape_text(&want).s),
		       NULL;
	if (!one_scale(t, w, scale, &s, block))
		return NULL;
	if ((zero = tree_stored(t, name, ".weight_zero_point", DT_I8)) &&
	    !one_scale(t, w, zero, &s, block))
		return NULL;
	tree_stored(t, name, ".input_scale", DT_NONE); /* of activations */
	push(from, w);
	push(from, scale);
	push(from, zero);
	return make(t, made_name(t, w, ".stored", ""), "scaled", from, 2, block,
	            s);
}

/* ---- compressed-tensors ---- */

/* What its one group says of weights. */
static const Json *
ct_weights(const Json *config)
{
	const Json *groups = json_get(config, "config_groups");

	if (!groups || !json_is(groups, json_type_object))
		return NULL;
	json_object_object_foreach((Json *)(uintptr_t)groups, key, g)
	{
		(void)key;
		return json_get(g, "weights");
	}
	return NULL;
}

static const char *
make_ct(Tree *t, const Json *config, const Json *name, Shape want)
{
	const Json *weights = ct_weights(config);
	Packed p = {.layout = PACK_ROW,
	            .bits = json_get_int(weights, "num_bits", 4)};
	Shape s;

	if (!(p.w = tree_stored(t, name, ".weight_packed", DT_I32))) {
		Json *c = json_new(t->a);

		tree_put(c, "weight_block_size",
		         json_get(weights, "block_structure"));
		return make_scaled(t, c, name, want);
	}
	if (p.bits != 4 && p.bits != 8)
		return fail(t->c, QE_INPUT,
		            "pack-quantized with %lld bits is not supported",
		            (long long)p.bits),
		       NULL;
	if (!(p.scale = tree_stored(t, name, ".weight_scale", DT_NONE)))
		return missing(t, p.w, "weight_scale");
	p.zero = tree_stored(t, name, ".weight_zero_point", DT_I32);
	if (!json_get_bool(weights, "symmetric", true) && !p.zero)
		return missing(t, p.w, "weight_zero_point");
	tree_stored(t, name, ".weight_shape", DT_NONE);
	s = shape_of(t, p.w);
	p.in = s.dim[1] * (32 / p.bits);
	p.out = s.dim[0];
	p.groups = MAX(shape_of(t, p.scale).dim[1], 1);
	return packed(t, &p, made_name(t, p.w, ".weight_packed", ".weight"),
	              want, 0);
}

/* ---- mxfp4 ---- */

/* Fused experts: blocks [E, rows, columns / 32, 16], of two codes a byte,
 * scales [E, rows, columns / 32]; the module has [E, columns, rows]. */
static const char *
make_mxfp4(Tree *t, const Json *config, const Json *name, Shape want)
{
	const char *w = tree_stored(t, name, "_blocks", DT_U8), *scale;
	Json *from = json_new_array(t->a);
	Shape s, k;

	(void)config;
	if (!w)
		return NULL;
	if (!(scale = tree_stored(t, name, "_scales", DT_U8)))
		return missing(t, w, "scales");
	s = shape_of(t, w);
	k = shape_of(t, scale);
	if (s.rank != 4 || s.dim[3] != 16 || k.rank != 3 ||
	    memcmp(s.dim, k.dim, 3 * sizeof *s.dim) != 0 || want.rank != 3 ||
	    want.dim[0] != s.dim[0] || want.dim[2] != s.dim[1] ||
	    want.dim[1] != s.dim[2] * 32)
		return fail(t->c, QE_INPUT,
		            "tensor '%s': shape %s with scales %s, wanted %s",
		            w, shape_text(&s).s, shape_text(&k).s,
		            shape_text(&want).s),
		       NULL;
	push(from, w);
	push(from, scale);
	return make(t, made_name(t, w, "_blocks", ""), "mxfp4", from, 0, NULL,
	            want);
}

/* ---- methods ---- */

/* clang-format off */
static const struct Method {
	const char *name;
	MakeFn *make;
	const char *key;      /* that must have one of */
	const char *values;   /* these, where it is there */
} methods[] = {
	{"awq",                make_awq,    "version",           "gemm"},
	{"gptq",               make_gptq,   "checkpoint_format", "gptq,gptq_v2"},
	{"compressed-tensors", make_ct,     "format",
	 "pack-quantized,float-quantized,int-quantized,naive-quantized"},
	{"fp8",                make_scaled, "fmt",               "e4m3,float8_e4m3fn"},
	{"fbgemm_fp8",         make_scaled, NULL,                NULL},
	{"mxfp4",              make_mxfp4,  NULL,                NULL},
};
/* clang-format on */

static const Json *
quantisation(const Json *config)
{
	const Json *q = json_get(config, "quantization_config");

	return q ? q : json_get(config, "compression_config");
}

static const struct Method *
method_of(const Json *config)
{
	const char *name =
		json_get_str(quantisation(config), "quant_method", "");

	for (size_t i = 0; i < LEN(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

bool
quant_check(Ctx *c, Arena *a, const Json *config)
{
	const Json *q = quantisation(config);
	const struct Method *m = method_of(config);
	const char *is;

	if (!q)
		return true;
	if (!m)
		return fail(c, QE_INPUT,
		            "quantisation '%s' is not supported (awq, gptq, "
		            "compressed-tensors, fp8, fbgemm_fp8, mxfp4 are)",
		            json_get_str(q, "quant_method", "?"));
	if (json_len(json_get(q, "config_groups")) > 1)
		return fail(c, QE_INPUT,
		            "%s with several config_groups is not supported",
		            m->name);
	is = m->key ? json_get_str(q, m->key, NULL) : NULL;
	if (is &&
	    !str_in(is, (const char *const *)str_split(a, m->values, ',')))
		return fail(c, QE_INPUT,
		            "%s with %s '%s' is not supported (%s)", m->name,
		            m->key, is, m->values);
	return true;
}

const char *
tree_quantised(Tree *t, const Json *name, Shape want)
{
	const struct Method *m = method_of(t->config);

	return m ? m->make(t, quantisation(t->config), name, want) : NULL;
}

bool
tree_has_quantised(Tree *t, const Json *name)
{
	static const char *const suffixes[] = {".qweight", ".weight_packed",
	                                       "_blocks"};

	for (size_t i = 0; method_of(t->config) && i < LEN(suffixes); i++)
		if (tree_has(t, name, suffixes[i]))
			return true;
	return false;
}
