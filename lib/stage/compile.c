/* SPDX-License-Identifier: BSD-3-Clause
 * compile.c - stage 5: an ONNX model becomes a package.
 *
 * The model's own metadata says what it is: a decoder gets the programs
 * Prefill and Decode, anything else one program.  The tokenizer's files are
 * compiled, and what running needs of the other files goes along. */

#include "document.h"
#include "host.h"
#include "onnx.h"
#include "op.h"
#include "text_parts.h"

enum { MAXSPEC = 16, MAXEXTRA = 8, MAXSYM = 64, MAXLEN = 1 << 20 };

typedef struct Job {
	Ctx *c;
	Arena *a;
	const qe_compile *o;
	Graph *g;
	Json *manifest;
	Spec spec[MAXSPEC];
	QpcMember extra[MAXEXTRA];
	Span extra_data[MAXEXTRA];
	int nspec, nextra;
	int64_t *length; /* of rows of an encoder */
	int nlength;
	int64_t longest;
} Job;

/* JSON text under a key of the model's metadata, NULL if there is none. */
static Json *
meta(Job *j, const char *key)
{
	const char *text = dict_get(j->g->meta, key);
	Json *o = text ? json_parse(j->c, j->a, SPAN(text)) : NULL;

	if (text && !o)
		note(j->c, "metadata '%s'", key);
	return o;
}

static bool
add_binding(Job *j, Spec *s, const char *sym, int64_t n)
{
	for (int i = 0; i < s->nbind; i++)
		if (strcmp(s->bind[i].sym, sym) == 0)
			return true;
	if (s->nbind == MAXSYM)
		return fail(j->c, QE_INPUT, "more than %d symbols of sizes",
		            MAXSYM);
	s->bind[s->nbind++] = (Binding){sym, n};
	return true;
}

/* The size of a symbol by the options' names; 0: not one of ours. */
static int64_t
named_size(const Job *j, const char *sym, int64_t seq_len, int64_t encoder)
{
	const struct {
		const char *sym;
		int64_t n;
	} known[] = {{"batch_size", j->o->batch_size},
	             {"seq_len", seq_len},
	             {"ctx_len", j->o->ctx_len},
	             {"encoder_seq_len", encoder},
	             {"encoder_ctx_len", j->longest},
	             {"decoder_ctx_len", j->o->ctx_len}};

	for (size_t i = 0; i < LEN(known); i++)
		if (strcmp(known[i].sym, sym) == 0)
			return known[i].n;
	return 0;
}

/* --shape SYMBOL=N, for symbols that no option names */
static bool
extra_size(Job *j, const char *sym, int64_t *n)
{
	for (const char *const *s = j->o->shape; s && *s; s++) {
		const char *eq = strchr(*s, '=');

		if (!eq || !str_int(eq + 1, n) || *n < 1)
			return fail(j->c, QE_USAGE,
			            "--shape '%s': wanted SYMBOL=SIZE", *s);
		if ((size_t)(eq - *s) == strlen(sym) &&
		    memcmp(*s, sym, strlen(sym)) == 0)
			return true;
	}
	*n = 0;
	return true;
}

/* encoder: tokens of its row, where the model has one beside a decoder */
static bool
add_spec(Job *j, const char *name, int64_t seq_len, int64_t encoder)
{
	Spec *s;
	int64_t n;

	if (j->nspec == MAXSPEC)
		return fail(j->c, QE_USAGE, "--seq-len: more than %d lengths",
		            MAXSPEC);
	s = &j->spec[j->nspec++];
	*s = (Spec){.name = name, .bind = NEWV(j->a, Binding, MAXSYM)};
	for (int i = 0; i < j->g->nin; i++)
		for (int d = 0; j->g->in[i]->sym && d < j->g->in[i]->shape.rank;
		     d++) {
			const char *sym = j->g->in[i]->sym[d];

			if (!sym || j->g->in[i]->shape.dim[d] >= 0)
				continue;
			if (!extra_size(j, sym, &n))
				return false;
			if (!n)
				n = named_size(j, sym, seq_len, encoder);
			if (!n) {
				say(j->c, 0,
				    "input '%s': no size for '%s' (--shape %s=N): what depends on it is sized at run time, and slow",
				    j->g->in[i]->name, sym, sym);
				continue;
			}
			if (!add_binding(j, s, sym, n))
				return false;
		}
	return true;
}

static bool
is_decoder(const Graph *g)
{
	Value *pos = value_find(g, "position_ids");

	return pos && !pos->from && value_find(g, "logits") && g->nout > 1 &&
	       str_ends(g->out[g->nout - 1]->name, "_RetainedState");
}

/* Unless asked for, no more than the model has positions. */
static const char *
lengths(Job *j, int64_t positions)
{
	enum { USUAL = 128 };

	if (j->o->seq_len)
		return j->o->seq_len;
	return arena_str(j->a, "%lld",
	                 (long long)(positions > 0 ? MIN(positions, USUAL)
	                                           : USUAL));
}

static bool
read_lengths(Job *j)
{
	int64_t n, positions = json_get_int(meta(j, "qeff.model"),
	                                    "max_positions", 0);
	char **word = str_split(j->a, lengths(j, positions), ',');
	size_t cap = 0;

	for (; *word; word++) {
		if (!str_int(*word, &n) || n < 1 || n > MAXLEN)
			return fail(j->c, QE_USAGE,
			            "--seq-len '%s': not a length of 1 to %d",
			            *word, MAXLEN);
		if (positions > 0 && n > positions)
			return fail(
				j->c, QE_INPUT,
				"--seq-len %lld: the model has %lld positions",
				(long long)n, (long long)positions);
		PUSH(j->a, j->length, j->nlength, cap, n);
		j->longest = MAX(j->longest, n);
	}
	return j->nlength || fail(j->c, QE_USAGE, "--seq-len: no length");
}

/* One program for each length, the first named Main: short rows need not pay
 * for long ones. */
static bool
encoder_specs(Job *j)
{
	for (int i = 0; i < j->nlength; i++)
		if (!add_spec(j, i ? arena_str(j->a, "Main_%d", i) : "Main",
		              j->length[i], 0))
			return false;
	return true;
}

/* A program for each length reads a text and makes the first step; then
 * steps, in which one token stands for a text that was read before. */
static bool
both_specs(Job *j)
{
	for (int i = 0; i < j->nlength; i++) {
		if (j->length[i] < 2)
			return fail(
				j->c, QE_USAGE,
				"--seq-len 1: an encoder's row beside a decoder has 2 tokens at least");
		if (!add_spec(j,
		              i ? arena_str(j->a, "Prefill_%d", i) : "Prefill",
		              1, j->length[i]))
			return false;
	}
	return add_spec(j, "Decode", 1, 1);
}

static bool
choose_specs(Job *j)
{
	const qe_compile *o = j->o;

	if (!is_decoder(j->g))
		return read_lengths(j) && encoder_specs(j);
	if (value_find(j->g, "encoder_input_ids"))
		return read_lengths(j) && both_specs(j);
	if (o->prompt_len > o->ctx_len)
		return fail(j->c, QE_USAGE,
		            "--prompt-len %lld is more than --ctx-len %lld",
		            (long long)o->prompt_len, (long long)o->ctx_len);
	return (o->prompt_len == 1 ||
	        add_spec(j, "Prefill", o->prompt_len, 0)) &&
	       add_spec(j, "Decode", 1, 0);
}

static void
add_extra(Job *j, const char *name, Span data)
{
	j->extra[j->nextra] =
		(QpcMember){.name = name, .size = (int64_t)data.n};
	j->extra_data[j->nextra++] = data;
}

static bool
compile_tokenizer(Job *j, const Json *files)
{
	TextParts t;

	if (!text_refs(j->c, j->a, files,
	               strcmp(j->o->in, "-") == 0 ? "."
	                                          : path_dir(j->a, j->o->in),
	               &t) ||
	    !text_compile(j->c, j->a, &t))
		return note(j->c, "tokenizer");
	if (t.blob.n)
		add_extra(j, "tokenizer.bin", t.blob);
	else
		say(j->c, 0,
		    "no tokenizer: the package takes --ids and --input only");
	if (t.files.tokenizer_config.n)
		add_extra(j, "tokenizer_config.json", t.files.tokenizer_config);
	if (t.jinja.n)
		add_extra(j, "chat_template.jinja", t.jinja);
	return true;
}

static void
keep(Job *j, const char *key, Json *value)
{
	if (value)
		json_put(j->manifest, key, json_share(value));
}

static bool
take_metadata(Job *j)
{
	Json *files = meta(j, "qeff.tokenizer"),
	     *made = meta(j, "qeff.provenance"), *options = json_new(j->a);

	keep(j, "model", meta(j, "qeff.model"));
	keep(j, "generation_config", meta(j, "qeff.generation_config"));
	keep(j, "sentence", meta(j, "qeff.sentence"));
	keep(j, "provenance", made ? made : json_new_array(j->a));
	if (j->o->weights)
		json_put_str(options, "weights", j->o->weights);
	if (j->o->kv_cache_dtype)
		json_put_str(options, "kv_cache_dtype", j->o->kv_cache_dtype);
	document_maker(j->c, j->manifest, options);
	if (j->c->status != QE_OK)
		return false;
	return (!files && !is_decoder(j->g)) || compile_tokenizer(j, files);
}

static bool
compile(Job *j)
{
	const qe_compile *o = j->o;
	HostOptions h = {.spec = j->spec,
	                 .weights = o->weights,
	                 .cache = o->kv_cache_dtype,
	                 .threads = (int)o->threads,
	                 .late = o->max_dynamic_bytes,
	                 .extra = j->extra,
	                 .extra_data = j->extra_data,
	                 .manifest = j->manifest};

	if (!onnx_read(j->c, j->a, o->in, &j->g) || !graph_inline(j->c, j->g) ||
	    !choose_specs(j) || !take_metadata(j))
		return false;
	h.nspec = j->nspec;
	h.nextra = j->nextra;
	return host_compile(j->c, j->g, &h, o->out);
}

bool
qe_qnn_compile(qe_ctx *c, const qe_compile *o)
{
	Arena a = {0};
	Job j = {.c = c, .a = &a, .o = o, .manifest = json_new(&a)};
	bool ok;

	if (o->backend && strcmp(o->backend, "host") != 0)
		return fail(c, QE_INPUT,
		            "--backend %s: only 'host' is built in",
		            o->backend);
	ok = compile(&j);
	arena_free(&a);
	return ok;
}
