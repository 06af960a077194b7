/* SPDX-License-Identifier: BSD-3-Clause
 * make-checkpoint - a checkpoint of random weights in HuggingFace's layout
 *
 * The same options give the same bytes.  A value is a random sign and
 * mantissa with a magnitude of 2^-7 to 2^-4, a norm's weight is 1: enough
 * for a model whose tokens differ.  --sparse leaves all weights 0 in a file
 * with holes, for models larger than the disk should hold. */

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Shapes are spelled with a letter for each dimension; see dim(). */
typedef struct Row {
	const char *name; /* with %d once in each layer */
	const char *shape;
} Row;

typedef struct Type {
	const char *name, *torch;
	int exponent, mantissa; /* bits */
} Type;

typedef struct Family {
	const char *name, *config;
	const Row *row;
} Family;

typedef struct Model {
	const Family *family;
	const Type *type;
	int64_t layers, hidden, heads, kv_heads, inter, vocab, positions;
	int64_t shards, seed;
	bool tied, sparse;
	const char *dir;
} Model;

/* A tensor, or with NULL for a row the end of them. */
typedef struct Tensor {
	const Row *row;
	int64_t layer, shape[2], size;
	int rank;
} Tensor;

static const Type types[] = {{"F32", "float32", 8, 23},
                             {"F16", "float16", 5, 10},
                             {"BF16", "bfloat16", 8, 7}};

static const Row llama[] = {{"model.embed_tokens.weight", "vh"},
                            {"model.layers.%d.input_layernorm.weight", "h"},
                            {"model.layers.%d.self_attn.q_proj.weight", "hh"},
                            {"model.layers.%d.self_attn.k_proj.weight", "kh"},
                            {"model.layers.%d.self_attn.v_proj.weight", "kh"},
                            {"model.layers.%d.self_attn.o_proj.weight", "hh"},
                            {"model.layers.%d.post_attention_layernorm.weight",
                             "h"},
                            {"model.layers.%d.mlp.gate_proj.weight", "ih"},
                            {"model.layers.%d.mlp.up_proj.weight", "ih"},
                            {"model.layers.%d.mlp.down_proj.weight", "hi"},
                            {"model.norm.weight", "h"},
                            {"lm_head.weight", "vh"},
                            {0}};

/* One head is n wide: n|n/2 of a key, n of a value, ranks of 4 n and 6 n. */
static const Row deepseek[] =
	{{"model.embed_tokens.weight", "vh"},
         {"model.layers.%d.input_layernorm.weight", "h"},
         {"model.layers.%d.self_attn.q_a_proj.weight", "Qh"},
         {"model.layers.%d.self_attn.q_a_layernorm.weight", "Q"},
         {"model.layers.%d.self_attn.q_b_proj.weight", "KQ"},
         {"model.layers.%d.self_attn.kv_a_proj_with_mqa.weight", "Ch"},
         {"model.layers.%d.self_attn.kv_a_layernorm.weight", "R"},
         {"model.layers.%d.self_attn.kv_b_proj.weight", "VR"},
         {"model.layers.%d.self_attn.o_proj.weight", "hh"},
         {"model.layers.%d.post_attention_layernorm.weight", "h"},
         {"model.layers.%d.mlp.gate_proj.weight", "ih"},
         {"model.layers.%d.mlp.up_proj.weight", "ih"},
         {"model.layers.%d.mlp.down_proj.weight", "hi"},
         {"model.norm.weight", "h"},
         {"lm_head.weight", "vh"},
         {0}};

static const Row gpt2[] = {{"transformer.wte.weight", "vh"},
                           {"transformer.wpe.weight", "ph"},
                           {"transformer.h.%d.ln_1.weight", "h"},
                           {"transformer.h.%d.ln_1.bias", "h"},
                           {"transformer.h.%d.attn.c_attn.weight", "h3"},
                           {"transformer.h.%d.attn.c_attn.bias", "3"},
                           {"transformer.h.%d.attn.c_proj.weight", "hh"},
                           {"transformer.h.%d.attn.c_proj.bias", "h"},
                           {"transformer.h.%d.ln_2.weight", "h"},
                           {"transformer.h.%d.ln_2.bias", "h"},
                           {"transformer.h.%d.mlp.c_fc.weight", "hi"},
                           {"transformer.h.%d.mlp.c_fc.bias", "i"},
                           {"transformer.h.%d.mlp.c_proj.weight", "ih"},
                           {"transformer.h.%d.mlp.c_proj.bias", "h"},
                           {"transformer.ln_f.weight", "h"},
                           {"transformer.ln_f.bias", "h"},
                           {0}};

/* clang-format off */
#define BERT_LAYERS \
	{"embeddings.word_embeddings.weight", "vh"}, \
	{"embeddings.position_embeddings.weight", "ph"}, \
	{"embeddings.token_type_embeddings.weight", "2h"}, \
	{"embeddings.LayerNorm.weight", "h"}, \
	{"embeddings.LayerNorm.bias", "h"}, \
	{"encoder.layer.%d.attention.self.query.weight", "hh"}, \
	{"encoder.layer.%d.attention.self.query.bias", "h"}, \
	{"encoder.layer.%d.attention.self.key.weight", "hh"}, \
	{"encoder.layer.%d.attention.self.key.bias", "h"}, \
	{"encoder.layer.%d.attention.self.value.weight", "hh"}, \
	{"encoder.layer.%d.attention.self.value.bias", "h"}, \
	{"encoder.layer.%d.attention.output.dense.weight", "hh"}, \
	{"encoder.layer.%d.attention.output.dense.bias", "h"}, \
	{"encoder.layer.%d.attention.output.LayerNorm.weight", "h"}, \
	{"encoder.layer.%d.attention.output.LayerNorm.bias", "h"}, \
	{"encoder.layer.%d.intermediate.dense.weight", "ih"}, \
	{"encoder.layer.%d.intermediate.dense.bias", "i"}, \
	{"encoder.layer.%d.output.dense.weight", "hi"}, \
	{"encoder.layer.%d.output.dense.bias", "h"}, \
	{"encoder.layer.%d.output.LayerNorm.weight", "h"}, \
	{"encoder.layer.%d.output.LayerNorm.bias", "h"},

static const Row bert[] = {
	BERT_LAYERS
	{"pooler.dense.weight", "hh"},
	{"pooler.dense.bias", "h"},
	{0}};

static const Row bert_text_labels[] = {
	BERT_LAYERS
	{"pooler.dense.weight", "hh"},
	{"pooler.dense.bias", "h"},
	{"classifier.weight", "2h"},
	{"classifier.bias", "2"},
	{0}};

static const Row bert_token_labels[] = {
	BERT_LAYERS
	{"classifier.weight", "2h"},
	{"classifier.bias", "2"},
	{0}};

#define BOTH(name) {name ".weight", "hh"}, {name ".bias", "h"},
#define NORM(name) {name ".weight", "h"}, {name ".bias", "h"},
#define BART_ATTENTION(name) \
	BOTH(name ".q_proj") BOTH(name ".k_proj") BOTH(name ".v_proj") \
	BOTH(name ".out_proj") NORM(name "_layer_norm")
#define BART_STACK(name) \
	{name ".embed_positions.weight", "ph"}, \
	NORM(name ".layernorm_embedding") \
	BART_ATTENTION(name ".layers.%d.self_attn") \
	{name ".layers.%d.fc1.weight", "ih"}, \
	{name ".layers.%d.fc1.bias", "i"}, \
	{name ".layers.%d.fc2.weight", "hi"}, \
	{name ".layers.%d.fc2.bias", "h"}, \
	NORM(name ".layers.%d.final_layer_norm")

static const Row bart[] = {
	{"model.shared.weight", "vh"},
	BART_STACK("model.encoder")
	BART_STACK("model.decoder")
	BART_ATTENTION("model.decoder.layers.%d.encoder_attn")
	{"lm_head.weight", "vh"},
	{0}};

static const Family families[] = {
	{"llama",
	 "\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", "
	 "\"hidden_act\": \"silu\", \"rms_norm_eps\": 1e-05, "
	 "\"rope_theta\": 10000.0", llama},
	{"deepseek",
	 "\"architectures\": [\"DeepseekV3ForCausalLM\"], "
	 "\"model_type\": \"deepseek_v3\", \"hidden_act\": \"silu\", "
	 "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000.0", deepseek},
	{"gpt2",
	 "\"architectures\": [\"GPT2LMHeadModel\"], \"model_type\": \"gpt2\", "
	 "\"activation_function\": \"gelu_new\", "
	 "\"layer_norm_epsilon\": 1e-05", gpt2},
	{"bert",
	 "\"architectures\": [\"BertModel\"], \"model_type\": \"bert\", "
	 "\"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-12, "
	 "\"type_vocab_size\": 2", bert},
	{"bert-labels",
	 "\"architectures\": [\"BertForSequenceClassification\"], "
	 "\"model_type\": \"bert\", \"hidden_act\": \"gelu\", "
	 "\"layer_norm_eps\": 1e-12, \"type_vocab_size\": 2, "
	 "\"id2label\": {\"0\": \"no\", \"1\": \"yes\"}, "
	 "\"label2id\": {\"no\": 0, \"yes\": 1}", bert_text_labels},
	{"bert-tokens",
	 "\"architectures\": [\"BertForTokenClassification\"], "
	 "\"model_type\": \"bert\", \"hidden_act\": \"gelu\", "
	 "\"layer_norm_eps\": 1e-12, \"type_vocab_size\": 2", bert_token_labels},
	{"bart",
	 "\"architectures\": [\"BartForConditionalGeneration\"], "
	 "\"model_type\": \"bart\", \"decoder_start_token_id\": 2, "
	 "\"pad_token_id\": 0", bart},
};
/* clang-format on */

static FILE *
create(const Model *m, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", m->dir, name);
	if (!(f = fopen(path, "wb"))) {
		perror(path);
		exit(QE_IO);
	}
	return f;
}

static void
finish(FILE *f)
{
	if (ferror(f) || fclose(f) != 0) {
		perror("write");
		exit(QE_IO);
	}
}

static int64_t
dim(const Model *m, char letter)
{
	int64_t head = m->hidden / m->heads;

	switch (letter) {
	case 'h':
		return m->hidden;
	case 'k':
		return head * m->kv_heads;
	case 'i':
		return m->inter;
	case 'v':
		return m->vocab;
	case 'p':
		return m->positions;
	case '3':
		return 3 * m->hidden;
	case 'Q':
		return head / 2 * 12;
	case 'R':
		return head / 2 * 8;
	case 'C':
		return head / 2 * 9;
	case 'K':
		return head / 2 * 3 * m->heads;
	case 'V':
		return 2 * head * m->heads;
	default:
		return letter - '0';
	}
}

static Tensor
make(const Model *m, const Row *row, int64_t layer)
{
	Tensor t = {.row = row, .layer = layer};

	t.size = (1 + m->type->exponent + m->type->mantissa) / 8;
	for (const char *p = row->shape; *p; p++)
		t.size *= t.shape[t.rank++] = dim(m, *p);
	return t;
}

/* All tensors, layer by layer as in their file; to be freed. */
static Tensor *
list(const Model *m)
{
	Tensor *t = calloc((size_t)m->layers * 64 + 32, sizeof *t);
	int64_t n = 0;

	for (const Row *r = m->family->row; r->name && t; r++)
		if (strstr(r->name, "%d"))
			continue;
		else if (!m->tied || strcmp(r->name, "lm_head.weight") != 0)
			t[n++] = make(m, r, 0);
	for (int64_t i = 0; i < m->layers && t; i++)
		for (const Row *r = m->family->row; r->name; r++)
			if (strstr(r->name, "%d"))
				t[n++] = make(m, r, i);
	if (!t)
		qe_nomem();
	return t;
}

static void
print_name(FILE *f, const Tensor *t)
{
	const char *p = t->row->name, *at = strstr(p, "%d");

	if (at)
		fprintf(f, "\"%.*s%" PRId64 "%s\"", (int)(at - p), p, t->layer,
		        at + 2);
	else
		fprintf(f, "\"%s\"", p);
}

static bool
is_norm(const Tensor *t)
{
	return (strstr(t->row->name, "norm") || strstr(t->row->name, "Norm") ||
	        strstr(t->row->name, "ln_")) &&
	       strstr(t->row->name, ".weight");
}

/* Steele, Lea, Flood 2014: the mix of SplitMix64. */
static uint64_t
next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void
write_values(FILE *f, const Model *m, const Tensor *t, uint64_t *state)
{
	int mb = m->type->mantissa, eb = m->type->exponent;
	int bytes = (1 + eb + mb) / 8;
	uint32_t bias = (1u << (eb - 1)) - 1, bits = bias << mb;

	for (int64_t i = 0; i < t->size; i += bytes) {
		uint64_t r = next(state);

		if (!is_norm(t))
			bits = (uint32_t)(r & 1) << (eb + mb) |
			       (bias - 7 + (uint32_t)(r >> 1) % 3) << mb |
			       (uint32_t)(r >> 40 & ((1u << mb) - 1));
		fwrite(&bits, 1, (size_t)bytes, f); /* little-endian */
	}
}

static void
shard_name(const Model *m, int64_t shard, char *name, size_t size)
{
	if (m->shards == 1)
		snprintf(name, size, "model.safetensors");
	else
		snprintf(name, size,
		         "model-%05" PRId64 "-of-%05" PRId64 ".safetensors",
		         shard + 1, m->shards);
}

/* The tensors of a shard are every shards-th one. */
static void
write_shard(const Model *m, const Tensor *all, int64_t shard)
{
	char name[64], *head = NULL;
	size_t len = 0;
	int64_t at = 0, n = 0;
	uint64_t state = (uint64_t)(m->seed * 1000 + shard);
	FILE *h = open_memstream(&head, &len), *f;

	fprintf(h, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (const Tensor *t = all; t->row; t++) {
		if (n++ % m->shards != shard)
			continue;
		fputc(',', h);
		print_name(h, t);
		fprintf(h, ":{\"dtype\":\"%s\",\"shape\":[%" PRId64,
		        m->type->name, t->shape[0]);
		if (t->rank == 2)
			fprintf(h, ",%" PRId64, t->shape[1]);
		fprintf(h, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at,
		        at + t->size);
		at += t->size;
	}
	fputc('}', h);
	while (ftell(h) % 8)
		fputc(' ', h);
	fclose(h);

	shard_name(m, shard, name, sizeof name);
	f = create(m, name);
	for (int i = 0; i < 64; i += 8)
		fputc((int)(len >> i & 255), f);
	fwrite(head, 1, len, f);
	free(head);
	n = 0;
	for (const Tensor *t = all; t->row && !m->sparse; t++)
		if (n++ % m->shards == shard)
			write_values(f, m, t, &state);
	if (m->sparse &&
	    (fflush(f) || ftruncate(fileno(f), 8 + (off_t)len + at)))
		perror(name);
	finish(f);
}

static void
write_index(const Model *m, const Tensor *all)
{
	FILE *f = create(m, "model.safetensors.index.json");
	int64_t n = 0, total = 0;
	char name[64];

	fprintf(f, "{\"weight_map\": {");
	for (const Tensor *t = all; t->row; t++) {
		shard_name(m, n % m->shards, name, sizeof name);
		fputs(n++ ? ", " : "", f);
		print_name(f, t);
		fprintf(f, ": \"%s\"", name);
		total += t->size;
	}
	fprintf(f, "}, \"metadata\": {\"total_size\": %" PRId64 "}}\n", total);
	finish(f);
}

/* Two of the positions are never used. */
static void
write_bart_sizes(const Model *m, FILE *f)
{
	static const char *const stacks[] = {"encoder", "decoder"};

	fprintf(f,
	        "\"d_model\": %" PRId64
	        ", \"max_position_embeddings\": %" PRId64,
	        m->hidden, m->positions - 2);
	for (int i = 0; i < 2; i++)
		fprintf(f,
		        ", \"%s_layers\": %" PRId64
		        ", \"%s_attention_heads\": %" PRId64
		        ", \"%s_ffn_dim\": %" PRId64,
		        stacks[i], m->layers, stacks[i], m->heads, stacks[i],
		        m->inter);
}

/* Every layer's feed-forward is one expert for all. */
static void
write_deepseek_sizes(const Model *m, FILE *f)
{
	int64_t head = m->hidden / m->heads;

	fprintf(f,
	        ", \"qk_nope_head_dim\": %" PRId64
	        ", \"qk_rope_head_dim\": %" PRId64 ", \"v_head_dim\": %" PRId64
	        ", \"q_lora_rank\": %" PRId64 ", \"kv_lora_rank\": %" PRId64
	        ", \"first_k_dense_replace\": %" PRId64,
	        head, head / 2, head, dim(m, 'Q'), dim(m, 'R'), m->layers);
}

/* gpt2 has its own names for sizes; readers skip what is not theirs. */
static void
write_config(const Model *m)
{
	FILE *f = create(m, "config.json");

	fprintf(f, "{%s, \"torch_dtype\": \"%s\", ", m->family->config,
	        m->type->torch);
	fprintf(f, "\"vocab_size\": %" PRId64 ", \"tie_word_embeddings\": %s, ",
	        m->vocab, m->tied ? "true" : "false");
	if (m->family->row == gpt2)
		fprintf(f,
		        "\"n_layer\": %" PRId64 ", \"n_embd\": %" PRId64
		        ", \"n_head\": %" PRId64 ", \"n_inner\": %" PRId64
		        ", \"n_positions\": %" PRId64,
		        m->layers, m->hidden, m->heads, m->inter, m->positions);
	else if (m->family->row == bart)
		write_bart_sizes(m, f);
	else
		fprintf(f,
		        "\"num_hidden_layers\": %" PRId64
		        ", \"hidden_size\": %" PRId64
		        ", \"num_attention_heads\": %" PRId64
		        ", \"intermediate_size\": %" PRId64
		        ", \"max_position_embeddings\": %" PRId64,
		        m->layers, m->hidden, m->heads, m->inter, m->positions);
	if (m->family->row == llama)
		fprintf(f, ", \"num_key_value_heads\": %" PRId64, m->kv_heads);
	if (m->family->row == deepseek)
		write_deepseek_sizes(m, f);
	fprintf(f, ", \"bos_token_id\": 1, \"eos_token_id\": 2}\n");
	finish(f);
}

int
main(int argc, char **argv)
{
	const char *family = "llama", *dtype = "F32";
	Model m = {.layers = 2,
	           .hidden = 32,
	           .heads = 4,
	           .inter = 64,
	           .vocab = 64,
	           .positions = 128,
	           .shards = 1};
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Options"},
		{0, "family",    ENUM, &family,      "llama|deepseek|gpt2|bert|bert-labels|bert-tokens|bart", "architecture"},
		{0, "dtype",     ENUM, &dtype,       "F32|F16|BF16",    "of the weights"},
		{0, "layers",    INT,  &m.layers,    "N", "how many", NULL, 1, 1000},
		{0, "hidden",    INT,  &m.hidden,    "N", "width", NULL, 2, 65536},
		{0, "heads",     INT,  &m.heads,     "N", "of the queries", NULL, 1, 1024},
		{0, "kv-heads",  INT,  &m.kv_heads,  "N", "of keys and values, 0 is all", NULL, 0, 1024},
		{0, "inter",     INT,  &m.inter,     "N", "width of the MLP", NULL, 1, 1 << 20},
		{0, "vocab",     INT,  &m.vocab,     "N", "size of the vocabulary", NULL, 4, 1 << 20},
		{0, "positions", INT,  &m.positions, "N", "longest text", NULL, 1, 1 << 20},
		{0, "shards",    INT,  &m.shards,    "N", "files", NULL, 1, 100},
		{0, "seed",      INT,  &m.seed,      "N", "of the weights"},
		{0, "tied",      FLAG, &m.tied,      NULL, "the head is the embedding"},
		{0, "sparse",    FLAG, &m.sparse,    NULL, "weights are holes"},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "make-checkpoint",
	                 .about = "Makes a checkpoint of random weights.",
	                 .operands = "DIR",
	                 .opt = opt,
	                 .operand = &m.dir};
	qe_ctx *c = cli_open(&cmd, argv);
	Tensor *all;

	(void)argc;
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (strcmp(families[i].name, family) == 0)
			m.family = families + i;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, dtype) == 0)
			m.type = types + i;
	if (!m.kv_heads)
		m.kv_heads = m.heads;
	m.tied = m.tied || m.family->row == gpt2;
	all = list(&m);
	mkdir(m.dir, 0777);
	for (int64_t i = 0; i < m.shards; i++)
		write_shard(&m, all, i);
	if (m.shards > 1)
		write_index(&m, all);
	write_config(&m);
	free(all);
	return cli_close(c);
}
