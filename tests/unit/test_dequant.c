/* SPDX-License-Identifier: BSD-3-Clause
 * Weights that are stored in few bits: from the stored tensors of a module
 * x, of two or three small groups, to W [out, in] by hand. */

#include <math.h>

#include "build.h"
#include "check.h"
#include "fewbits.h"
#include "op.h"

enum { MAXPART = 6 };

typedef struct Part {
	const char *name;
	DType type;
	Shape shape;
	const void *bytes;
} Part;

typedef struct Case {
	Ctx c;
	SafeFile file;
	Checkpoint from;
	Tree t;
	Build b;
	const Part *part;
	const char *name; /* of what was made */
} Case;

static void
begin(Case *k, const char *config, const Part *part)
{
	Arena *a = &k->c.mem;
	Json *arch, *files = json_new_array(a), *file = json_new(a);

	k->part = part;
	k->file.path = "model.safetensors";
	k->file.byname = dict_new(a);
	k->file.tensor = NEWV(a, SafeTensor, MAXPART);
	for (; part->name; part++) {
		SafeTensor *s = &k->file.tensor[k->file.ntensor++];

		*s = (SafeTensor){.name = part->name,
		                  .type = part->type,
		                  .dtype = dtypes[part->type].safetensors,
		                  .shape = part->shape};
		s->len = dtype_bytes(s->type, shape_count(&s->shape));
		dict_set(k->file.byname, s->name, s);
	}
	k->from = (Checkpoint){.file = &k->file, .nfile = 1};
	arch = json_new(a);
	k->t = (Tree){.c = &k->c,
	              .a = a,
	              .arch = arch,
	              .from = &k->from,
	              .prefix = "",
	              .canon = "",
	              .layer = "",
	              .used = dict_new(a),
	              .tensors = json_new(a)};
	k->t.config = json_parse(&k->c, a, (Span){config, strlen(config)});
	CHECK(k->t.config != NULL);
	json_put_str(file, "path", k->file.path);
	json_put_int(file, "size", INT64_MAX);
	json_push(files, json_share(file));
	k->b = (Build){.c = &k->c,
	               .a = a,
	               .g = graph_new(a, "case"),
	               .tensors = k->t.tensors,
	               .files = files,
	               .dir = ".",
	               .type = DT_F32,
	               .layer = -1,
	               .made = dict_new(a)};
	graph_import(k->b.g, "", 17);
}

/* The bytes of an initializer, whose name may have ".stored" behind it. */
static void
fill(Case *k, Value *v)
{
	for (const Part *p = k->part; p->name; p++)
		if (str_starts(v->name, p->name) &&
		    (!v->name[strlen(p->name)] ||
		     strcmp(v->name + strlen(p->name), ".stored") == 0))
			v->data = (Blob){.mem = p->bytes, .len = v->data.len};
}

static bool
gives(const char *config, const Part *part, Shape want, const float *w)
{
	Case k = {0};
	const char *suffix = want.rank == 3 ? "" : ".weight";
	Value *v = NULL, *out = NULL;
	bool ok;

	begin(&k, config, part);
	k.name = tree_param(&k.t,
	                    json_own(&k.c.mem, json_object_new_string("x")),
	                    suffix, want);
	ok = k.name && (v = weight(&k.b, k.name));
	for (size_t i = 0; ok && i < k.b.g->value->n; i++) {
		Value *x = k.b.g->value->item[i].value;

		if (x && x->data.src)
			fill(&k, x);
	}
	if (ok) {
		graph_output(k.b.g, v);
		ok = graph_eval(&k.c, &k.c.mem, k.b.g, NULL, &out) &&
		     shape_eq(&out->shape, &want);
	}
	for (int64_t i = 0; ok && i < shape_count(&want); i++)
		ok = fabs(value_f64(out, i) - (double)w[i]) < 1e-6;
	if (!ok)
		fprintf(stderr, "%s: %s\n", config,
		        k.c.status ? k.c.msg : "other numbers");
	for (int i = 0; i < k.file.ntensor; i++) /* nothing is left over */
		ok = ok && dict_has(k.t.used, k.file.tensor[i].name);
	arena_free(&k.c.mem);
	return ok;
}

#define CONFIG(q) "{\"quantization_config\": {" q "}}"

/* two inputs, two groups, eight outputs; zeros 1 and 2 */
static void
awq(void)
{
	/* output j is at nibble 0 4 1 5 2 6 3 7 of j */
	static const uint32_t q[] = {0x75316420, 0x11111111},
			      z[] = {0x11111111, 0x22222222};
	static const float s[16] = {1, 1, 1, 1, 1, 1, 1, 1,
	                            2, 2, 2, 2, 2, 2, 2, 4};
	static const Part part[] = {{"x.qweight", DT_I32, {2, {2, 1}}, q},
	                            {"x.qzeros", DT_I32, {2, {2, 1}}, z},
	                            {"x.scales", DT_F32, {2, {2, 8}}, s},
	                            {0}};
	static const float w[] = {-1, -2, 0, -2, 1, -2, 2, -2,
	                          3,  -2, 4, -2, 5, -2, 6, -4};

	CHECK(gives(CONFIG("\"quant_method\": \"awq\", \"bits\": 4"), part,
	            (Shape){2, {8, 2}}, w));
}

/* eight inputs in order of two groups, by g_idx; eight outputs alike */
static void
gptq(void)
{
	static const uint32_t q[] = {0x76543210, 0x76543210, 0x76543210,
	                             0x76543210, 0x76543210, 0x76543210,
	                             0x76543210, 0x76543210},
			      z[] = {0x00000000, 0xffffffff};
	static const float s[16] = {1, 1, 1, 1, 1, 1, 1, 1,
	                            2, 2, 2, 2, 2, 2, 2, 2};
	static const int32_t index[] = {0, 1, 0, 1, 0, 1, 0, 1};
	static const Part part[] = {{"x.qweight", DT_I32, {2, {1, 8}}, q},
	                            {"x.qzeros", DT_I32, {2, {2, 1}}, z},
	                            {"x.scales", DT_F32, {2, {2, 8}}, s},
	                            {"x.g_idx", DT_I32, {1, {8}}, index},
	                            {0}};
	float w[64];

	/* stored zeros are one less: 1, and 16, which is 0 */
	for (int i = 0; i < 64; i++)
		w[i] = (float)(i % 2 ? 2 * (i % 8) : i % 8 - 1);
	CHECK(gives(CONFIG("\"quant_method\": \"gptq\", \"desc_act\": true"),
	            part, (Shape){2, {8, 8}}, w));
	for (int i = 0; i < 64; i++)
		w[i] = (float)(i % 2 ? 2 * (i % 8 - 15) : i % 8);
	CHECK(gives(CONFIG("\"quant_method\": \"gptq\", \"desc_act\": true, "
	                   "\"checkpoint_format\": \"gptq_v2\""),
	            part, (Shape){2, {8, 8}}, w));
}

static void
pack_quantized(void)
{
	static const uint32_t q[] = {0x76543210, 0xfedcba98};
	static const float s[] = {1, 3};
	static const int64_t shape[] = {2, 8};
	static const Part part[] = {{"x.weight_packed", DT_I32, {2, {2, 1}}, q},
	                            {"x.weight_scale", DT_F32, {2, {2, 1}}, s},
	                            {"x.weight_shape", DT_I64, {1, {2}}, shape},
	                            {0}};
	float w[16];

	for (int i = 0; i < 8; i++) {
		w[i] = (float)(i - 8);
		w[8 + i] = (float)(3 * i);
	}
	CHECK(gives(CONFIG("\"quant_method\": \"compressed-tensors\", "
	                   "\"format\": \"pack-quantized\""),
	            part, (Shape){2, {2, 8}}, w));
}

/* 0x38 is 1, 0xc0 -2, 0x01 2^-9, 0x7e 448; blocks of 2 by 2, cut off */
static void
fp8(void)
{
	static const uint8_t q[] = {0x38, 0xc0, 0x38, 0x01, 0x7e,
	                            0x38, 0x38, 0x38, 0x38};
	static const float s[] = {1, 2, 3, 4};
	static const Part part[] =
		{{"x.weight", DT_F8E4M3FN, {2, {3, 3}}, q},
	         {"x.weight_scale_inv", DT_F32, {2, {2, 2}}, s},
	         {0}};
	static const float w[] = {1, -2, 2, 0x1p-9F, 448, 2, 3, 3, 4};
	static const Part one[] = {{"x.weight", DT_F8E4M3FN, {2, {1, 2}}, q},
	                           {"x.weight_scale", DT_F32, {1, {1}}, s + 1},
	                           {"x.input_scale", DT_F32, {1, {1}}, s},
	                           {0}};

	CHECK(gives(CONFIG("\"quant_method\": \"fp8\", "
	                   "\"weight_block_size\": [2, 2]"),
	            part, (Shape){2, {3, 3}}, w));
	CHECK(gives(CONFIG("\"quant_method\": \"fp8\""), one,
	            (Shape){2, {1, 2}}, (const float[]){2, -4}));
}

static void
int8(void)
{
	static const int8_t q[] = {-128, 127, 1, 0};
	static const float s[] = {0.5F, 2};
	static const Part part[] = {{"x.weight", DT_I8, {2, {2, 2}}, q},
	                            {"x.weight_scale", DT_F32, {2, {2, 1}}, s},
	                            {0}};

	CHECK(gives(CONFIG("\"quant_method\": \"compressed-tensors\", "
	                   "\"format\": \"int-quantized\""),
	            part, (Shape){2, {2, 2}},
	            (const float[]){-64, 63.5F, 2, 0}));
}

/* one expert of 32 inputs and two outputs, of which the second is halved */
static void
mxfp4(void)
{
	static const float code[] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
	static const uint8_t scale[] = {127, 126};
	uint8_t q[32];
	float w[64];
	const Part part[] = {{"x_blocks", DT_U8, {4, {1, 2, 1, 16}}, q},
	                     {"x_scales", DT_U8, {3, {1, 2, 1}}, scale},
	                     {0}};

	for (int i = 0; i < 32; i++)
		q[i] = (uint8_t)(i % 16 | (15 - i % 16) << 4);
	for (int i = 0; i < 32; i++) {
		int c = i % 2 ? 15 - i / 2 : i / 2;

		w[2 * i] = c < 8 ? code[c] : -code[c - 8];
		w[2 * i + 1] = w[2 * i] / 2;
	}
	CHECK(gives(CONFIG("\"quant_method\": \"mxfp4\""), part,
	            (Shape){3, {1, 32, 2}}, w));
}

static void
refused(const char *config, const Part *part, const char *why)
{
	Case k = {0};

	begin(&k, config, part);
	if (quant_check(&k.c, &k.c.mem, k.t.config))
		CHECK(!tree_param(&k.t,
		                  json_own(&k.c.mem,
		                           json_object_new_string("x")),
		                  ".weight", (Shape){2, {8, 8}}));
	CHECK(k.c.status == QE_INPUT);
	CHECK(strstr(k.c.msg, why) != NULL);
	arena_free(&k.c.mem);
}

static void
refusals(void)
{
	static const uint32_t q[8] = {0};
	static const Part none[] = {{0}},
			  part[] = {{"x.qweight", DT_I32, {2, {1, 8}}, q},
	                            {"x.scales", DT_F32, {2, {3, 8}}, q},
	                            {"x.qzeros", DT_I32, {2, {3, 1}}, q},
	                            {0}},
			  lone[] = {{"x.qweight", DT_I32, {2, {1, 8}}, q}, {0}};

	refused(CONFIG("\"quant_method\": \"bitsandbytes\""), none,
	        "quantisation 'bitsandbytes' is not supported");
	refused(CONFIG("\"quant_method\": \"awq\", \"version\": \"gemv\""),
	        none, "awq with version 'gemv' is not supported");
	refused(CONFIG("\"quant_method\": \"compressed-tensors\", "
	               "\"format\": \"marlin-24\""),
	        none, "format 'marlin-24' is not supported");
	refused(CONFIG("\"quant_method\": \"gptq\", \"bits\": 3"), part,
	        "quantisation with 3 bits");
	refused(CONFIG("\"quant_method\": \"gptq\""), part,
	        "tensor 'x.qweight': 3 groups of 8 inputs");
	refused(CONFIG("\"quant_method\": \"gptq\""), lone,
	        "tensor 'x.qweight' has no scales");
	refused(CONFIG("\"quant_method\": \"gptq\""), none,
	        "tensor 'x.weight' is missing");
}

int
main(void)
{
	awq();
	gptq();
	pack_quantized();
	fp8();
	int8();
	mxfp4();
	refusals();
	return check_done("dequant");
}
