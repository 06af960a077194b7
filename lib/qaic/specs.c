/* SPDX-License-Identifier: BSD-3-Clause
 * specs.c - for which sizes programs are compiled, by class of model.
 *
 * The rules and the names are QEfficient's; see contract.h.  Where it warns
 * and goes on with other sizes than were asked for, this refuses. */

#include "contract.h"
#include "json.h"

enum {
	MAXLEN = 1 << 26,
	LEAST_CHUNK = 8 /* tokens, which cost hardly more than one does */
};

typedef struct Choice {
	Ctx *c;
	Arena *a;
	const Graph *g;
	const qe_compile *o; /* with usual sizes where none were asked for */
	int64_t positions;   /* that the model has; 0: unknown */
	Specs *out;
	enum ModelKind kind;
	bool plain;
	bool cb, tlm;         /* continuous batching; several logits kept */
	int64_t batch, cache; /* rows at once; rows of the cache */
	int64_t k[MAXSPEC];   /* speculative tokens, ascending */
	int nk;
	bool ccl;
	Ccl list;
	int64_t length[MAXSPEC], longest; /* of rows of an encoder */
	int nlength;
} Choice;

/* ---- usual sizes ---- */

int64_t
usual_context(const qe_compile *o, bool own, int64_t positions)
{
	enum { CARD = 128, HOST = 4096 };

	if (o->ctx_len)
		return o->ctx_len;
	return !own ? CARD : positions > 0 ? MIN(positions, HOST) : HOST;
}

bool
model_positions(Ctx *c, Arena *a, const Graph *g, int64_t *n)
{
	const char *text = dict_get(g->meta, "qeff.model");
	const Json *model = text ? json_parse(c, a, SPAN(text)) : NULL;

	if (text && !model)
		return note(c, "metadata 'qeff.model'");
	*n = json_get_int(model, "max_positions", 0);
	return true;
}

/* Numbers that a token has between two layers: the smaller side of the
 * largest matrix, which is the table of tokens. */
static int64_t
hidden_size(const Graph *g)
{
	int64_t most = 0, hidden = 1;

	for (size_t i = 0; i < g->value->n; i++) {
		const Value *v = g->value->item[i].value;
		const Shape *s = &v->shape;

		if (v && value_is_const(v) && s->rank == 2 &&
		    shape_count(s) > most) {
			most = shape_count(s);
			hidden = MIN(s->dim[0], s->dim[1]);
		}
	}
	return hidden;
}

/* Chunks of a prompt as long as what a layer computes of them, eight rows of
 * its width at a time, stays in a last cache of usual size.  It is not this
 * machine's: a package is the same wherever it is made. */
static int64_t
usual_chunk(const Choice *h, int64_t ctx_len)
{
	enum { CARD = 32, LONGEST = 512, ALIVE = 8, CACHE = 32 << 20 };
	int64_t n = CARD, token;

	if (h->o->prompt_len)
		return h->o->prompt_len;
	if (!h->plain)
		return CARD;
	token = ALIVE * (int64_t)sizeof(float) * hidden_size(h->g);
	while (n < LONGEST && 2 * n * token <= CACHE)
		n *= 2;
	while (n > ctx_len)
		n /= 2;
	return n;
}

/* ---- decoders ---- */

static void
prefill(Choice *h, int64_t len, int64_t ccl)
{
	const qe_compile *o = h->o;
	bool alone = o->decode_only && o->prompt_len == 1;
	int64_t rows =
		!h->cb ? h->batch
		: o->prompt_len == 1
			? (o->full_batch_size ? o->full_batch_size : h->cache)
			: 1;
	Spec *s = spec_begin(h->a, h->out, alone ? "Decode" : "Prefill");

	spec_put(s, "batch_size", h->cb ? rows : h->cache);
	spec_put(s, "seq_len", len);
	spec_put(s, "ctx_len", h->list.ctx_len);
	if (ccl)
		spec_put(s, "comp_ctx_lengths", ccl);
	if (h->tlm)
		spec_put(s, "num_logits_to_keep", 1);
	if (h->cb)
		spec_put(s, "full_batch_size", h->cache);
	if (o->full_batch_size)
		spec_put(s, "full_batch_exec_size", rows);
}

static void
decode(Choice *h, int64_t ccl, int64_t k)
{
	Spec *s;

	if (k + 1 == h->o->prompt_len && !h->cb && !h->plain)
		return;
	s = spec_begin(h->a, h->out, "Decode");
	spec_put(s, "batch_size", h->cb ? h->o->full_batch_size : h->cache);
	spec_put(s, "seq_len", k + 1);
	spec_put(s, "ctx_len", h->list.ctx_len);
	if (ccl)
		spec_put(s, "comp_ctx_lengths", ccl);
	if (h->tlm)
		spec_put(s, "num_logits_to_keep", k + 1);
	if (h->cb)
		spec_put(s, "full_batch_size", h->cache);
}

static bool
refuse_batches(Choice *h)
{
	const qe_compile *o = h->o;
	int64_t full = o->full_batch_size, cache = o->kv_cache_batch_size;

	if (!h->cb && (full || cache))
		return fail(
			h->c, QE_INPUT,
			"--full-batch-size: the model has no input 'batch_index': it was not exported for continuous batching");
	if (h->cb && !full && !(o->prefill_only && cache))
		return fail(
			h->c, QE_USAGE,
			"the model has an input 'batch_index': give --full-batch-size");
	h->cache = cache ? cache : full ? full : o->batch_size;
	if (h->cache < full)
		return fail(
			h->c, QE_USAGE,
			"--kv-cache-batch-size %lld is less than --full-batch-size %lld",
			(long long)cache, (long long)full);
	return true;
}

/* The K of a target model of speculative decoding, in order, each once. */
static bool
take_k(Choice *h)
{
	char **word = str_split(h->a,
	                        h->o->num_speculative_tokens
	                                ? h->o->num_speculative_tokens
	                                : "",
	                        ',');
	int64_t k;
	int at;

	for (; *word; word++) {
		if (!str_int(*word, &k) || k < 0 || k > 1024 ||
		    h->nk == MAXSPEC / 2)
			return fail(
				h->c, QE_USAGE,
				"--num-speculative-tokens '%s': not a number of 0 to 1024",
				*word);
		for (at = 0; at < h->nk && h->k[at] < k; at++)
			;
		if (at < h->nk && h->k[at] == k)
			continue;
		memmove(&h->k[at + 1], &h->k[at],
		        (size_t)(h->nk++ - at) * sizeof *h->k);
		h->k[at] = k;
	}
	return true;
}

static bool
check_k(Choice *h)
{
	int64_t most;

	if (!take_k(h))
		return false;
	most = h->nk ? h->k[h->nk - 1] : 0;
	if (h->tlm && !h->nk)
		return fail(
			h->c, QE_USAGE,
			"the model has an input 'num_logits_to_keep': give --num-speculative-tokens");
	if (most > 0 && !h->plain &&
	    model_input(h->g, "last_accepted_output_tokens"))
		return fail(
			h->c, QE_INPUT,
			"the model chooses tokens itself: --num-speculative-tokens can be 0 only");
	if (!h->tlm && h->nk)
		return fail(
			h->c, QE_INPUT,
			"--num-speculative-tokens: the model has no input 'num_logits_to_keep'");
	if (h->tlm && h->o->prompt_len < most + 1 && !h->o->decode_only)
		return fail(
			h->c, QE_USAGE,
			"--prompt-len %lld is less than the %lld tokens of a step with %lld speculative ones",
			(long long)h->o->prompt_len, (long long)most + 1,
			(long long)most);
	if (h->tlm && h->ccl && !h->plain)
		return fail(
			h->c, QE_INPUT,
			"--num-speculative-tokens and compute context lengths do not go together");
	return true;
}

static bool
take_ccl(Choice *h)
{
	const qe_compile *o = h->o;
	bool asked = o->ccl_enabled || o->ccl_prefill || o->ccl_decode;

	h->list.ctx_len = o->ctx_len;
	h->ccl = model_input(h->g, "comp_ctx_lengths") != NULL;
	if (asked && !h->ccl)
		return fail(
			h->c, QE_INPUT,
			"--ccl-enabled: the model has no input 'comp_ctx_lengths'");
	if (!h->ccl)
		return true;
	if (!ccl_lists(h->c, h->a, o->ccl_prefill, o->ccl_decode, o->ctx_len,
	               o->prompt_len, h->plain, &h->list))
		return false;
	if (h->list.ctx_len != o->ctx_len)
		say(h->c, 0,
		    "--ctx-len %lld becomes %lld: lists of compute context lengths are made for multiples of 1024",
		    (long long)o->ctx_len, (long long)h->list.ctx_len);
	if (h->list.nprefill + h->list.ndecode > MAXSPEC)
		return fail(h->c, QE_USAGE, "over %d compute context lengths",
		            MAXSPEC);
	return true;
}

/* Our own programs share their weights, so that halves of a chunk, for short
 * prompts and the ends of long ones, cost little. */
static void
chunks(Choice *h)
{
	int64_t len = h->o->prompt_len;

	do
		prefill(h, len, 0);
	while (h->plain && (len /= 2) >= LEAST_CHUNK);
}

static void
prefills(Choice *h)
{
	int64_t len = h->o->prompt_len;
	int n = len == 1 ? h->list.ndecode : h->list.nprefill;

	if (!h->ccl)
		chunks(h);
	for (int i = 0; h->ccl && i < n; i++)
		prefill(h, len,
		        len == 1 ? h->list.decode[i] : h->list.prefill[i]);
}

static void
decodes(Choice *h)
{
	for (int i = 0; i < MAX(h->nk, 1); i++)
		for (int n = 0; n < (h->ccl ? h->list.ndecode : 1); n++)
			decode(h, h->ccl ? h->list.decode[n] : 0,
			       h->nk ? h->k[i] : 0);
}

static bool
causal(Choice *h)
{
	const qe_compile *o = h->o;

	h->cb = model_input(h->g, "batch_index") != NULL;
	h->tlm = model_input(h->g, "num_logits_to_keep") != NULL;
	h->batch = o->batch_size;
	if (o->prompt_len > o->ctx_len)
		return fail(h->c, QE_USAGE,
		            "--prompt-len %lld is more than --ctx-len %lld",
		            (long long)o->prompt_len, (long long)o->ctx_len);
	if (o->prefill_only && o->decode_only)
		return fail(h->c, QE_USAGE,
		            "--prefill-only and --decode-only: which one?");
	if (!refuse_batches(h) || !take_ccl(h) || !check_k(h))
		return false;
	if (!o->decode_only || o->prompt_len == 1)
		prefills(h);
	if (!o->prefill_only && o->prompt_len != 1)
		decodes(h);
	return true;
}

/* ---- the other classes ---- */

static bool
adapter(Choice *h)
{
	for (int i = 0; i < 2; i++) {
		Spec *s = spec_begin(h->a, h->out, i ? "Decode" : "Prefill");

		spec_put(s, "batch_size", h->o->batch_size);
		spec_put(s, "seq_len", i ? 1 : h->o->prompt_len);
		spec_put(s, "ctx_len", h->o->ctx_len);
	}
	return true;
}

static bool
speech(Choice *h)
{
	int64_t ctx = h->o->encoder_ctx_len;

	for (int i = 0; i < 2; i++) {
		Spec *s = spec_begin(h->a, h->out, i ? "Decode" : "Encoder");

		spec_put(s, "batch_size", h->o->batch_size);
		spec_put(s, "seq_len", 1);
		spec_put(s, "encoder_ctx_len", ctx);
		spec_put(s, "decoder_ctx_len", h->o->ctx_len);
		spec_put(s, "feature_len", i ? 1 : 2 * ctx);
	}
	return true;
}

/* Unless asked for, no more than the model has positions. */
static const char *
asked_lengths(Choice *h, int64_t positions)
{
	enum { USUAL = 128 };

	if (h->o->seq_len)
		return h->o->seq_len;
	return arena_str(h->a, "%lld",
	                 (long long)(positions > 0 ? MIN(positions, USUAL)
	                                           : USUAL));
}

static bool
read_lengths(Choice *h)
{
	int64_t n, positions = h->positions;
	char **word = str_split(h->a, asked_lengths(h, positions), ',');

	for (; *word; word++) {
		if (!str_int(*word, &n) || n < 1 || n > MAXLEN)
			return fail(h->c, QE_USAGE,
			            "--seq-len '%s': not a length of 1 to %d",
			            *word, MAXLEN);
		if (positions > 0 && n > positions)
			return fail(
				h->c, QE_INPUT,
				"--seq-len %lld: the model has %lld positions",
				(long long)n, (long long)positions);
		if (h->nlength == MAXSPEC)
			return fail(h->c, QE_USAGE,
			            "--seq-len: more than %d lengths", MAXSPEC);
		h->length[h->nlength++] = n;
		h->longest = MAX(h->longest, n);
	}
	return h->nlength || fail(h->c, QE_USAGE, "--seq-len: no length");
}

/* One program for each length: short rows need not pay for long ones. */
static bool
lengths(Choice *h, const char *name)
{
	if (!read_lengths(h))
		return false;
	for (int i = 0; i < h->nlength; i++) {
		Spec *s = spec_begin(h->a, h->out, name);

		spec_put(s, "batch_size", h->o->batch_size);
		spec_put(s, "seq_len", h->length[i]);
	}
	return true;
}

/* A program for each length reads a text and makes the first step; then
 * steps, in which one token stands for a text that was read before. */
static bool
text2text(Choice *h)
{
	if (!read_lengths(h))
		return false;
	for (int i = 0; i <= h->nlength; i++) {
		bool step = i == h->nlength;
		Spec *s = spec_begin(h->a, h->out, step ? "Decode" : "Prefill");

		if (!step && h->length[i] < 2)
			return fail(
				h->c, QE_USAGE,
				"--seq-len 1: an encoder's row beside a decoder has 2 tokens at least");
		spec_put(s, "batch_size", h->o->batch_size);
		spec_put(s, "seq_len", 1);
		spec_put(s, "encoder_seq_len", step ? 1 : h->length[i]);
		spec_put(s, "encoder_ctx_len", h->longest);
		spec_put(s, "decoder_ctx_len", h->o->ctx_len);
	}
	return true;
}

static bool
other(Choice *h)
{
	Spec *s = spec_begin(h->a, h->out,
	                     model_kinds[h->kind].graph
	                             ? model_kinds[h->kind].graph
	                             : "Graph_0");

	spec_put(s, "batch_size", h->o->batch_size);
	return true;
}

/* ---- what the options and the model say of other symbols ---- */

/* --shape SYMBOL=N wins over all. */
static bool
take_shapes(Choice *h, Spec *s)
{
	int64_t n;

	for (const char *const *w = h->o->shape; w && *w; w++) {
		const char *eq = strchr(*w, '=');

		if (!eq || eq == *w || !str_int(eq + 1, &n) || n < 1)
			return fail(h->c, QE_USAGE,
			            "--shape '%s': wanted SYMBOL=SIZE", *w);
		if (s->nbind == MAXSYM)
			return fail(h->c, QE_USAGE, "--shape: over %d symbols",
			            MAXSYM);
		spec_put(s, arena_span(h->a, (Span){*w, (size_t)(eq - *w)}), n);
	}
	return true;
}

/* Sizes that a model fixes are in its metadata, {"sliding_window": 128}. */
static bool
model_size(Choice *h, const char *sym, int64_t *n)
{
	const char *text = dict_get(h->g->meta, "qeff.symbols");
	const Json *o = text ? json_parse(h->c, h->a, SPAN(text)) : NULL;

	if (text && !o)
		return note(h->c, "metadata 'qeff.symbols'");
	*n = json_get_int(o, sym, 0);
	return true;
}

/* ---- rings: layers that keep no more than the window they see ---- */

static const char ring[] = "sliding_window";

/* A token sees `window` positions, itself included.  A chunk is written before
 * its first token reads, so that a ring needs room for the rest of the chunk
 * too; it never needs more than there are positions.  QEfficient's rings are
 * the window alone, and equal for calls of one token. */
static int64_t
ring_size(const Choice *h, const Spec *s, int64_t window)
{
	int64_t longest = 1, ctx = spec_size(s, "ctx_len"), n;

	for (int i = 0; i < h->out->n; i++)
		longest = MAX(longest, spec_size(&h->out->spec[i], "seq_len"));
	n = add_size(window, longest - 1);
	return ctx > 0 && (n < 0 || n > ctx) ? ctx : n;
}

/* A length that was given for the ring, against what calls need. */
static bool
check_ring(Choice *h, const Spec *s)
{
	int64_t n = spec_size(s, ring), window, need;

	if (!model_size(h, ring, &window))
		return false;
	if (n < 1 || window < 1)
		return true;
	need = ring_size(h, s, window);
	if (n < spec_size(s, "seq_len"))
		return fail(
			h->c, QE_USAGE,
			"%s %lld: a chunk of %lld tokens does not go into such a ring",
			ring, (long long)n, (long long)spec_size(s, "seq_len"));
	if (n < need)
		say(h->c, 0,
		    "%s %lld: first tokens of a chunk miss what they see unless it is %lld",
		    ring, (long long)n, (long long)need);
	return true;
}

static bool
take_symbol(Choice *h, Spec *s, const Value *in, const char *sym)
{
	const struct {
		const char *sym;
		int64_t n;
	} known[] = {{"batch_size", h->o->batch_size},
	             {"seq_len", h->o->prompt_len},
	             {"ctx_len", h->o->ctx_len}};
	int64_t n = 0;

	if (spec_size(s, sym) > 0)
		return true;
	if (!model_size(h, sym, &n))
		return false;
	if (n > 0 && strcmp(sym, ring) == 0)
		n = ring_size(h, s, n);
	for (size_t i = 0; n < 1 && i < LEN(known); i++)
		if (strcmp(known[i].sym, sym) == 0)
			n = known[i].n;
	if (n < 1 && h->plain) {
		say(h->c, 0,
		    "input '%s': no size for '%s' (--shape %s=N): what depends on it is sized at run time, and slow",
		    in->name, sym, sym);
		return true;
	}
	if (n < 1)
		return fail(h->c, QE_USAGE,
		            "input '%s': no size for '%s' (--shape %s=N)",
		            in->name, sym, sym);
	if (s->nbind == MAXSYM)
		return fail(h->c, QE_INPUT, "more than %d symbols of sizes",
		            MAXSYM);
	spec_put(s, sym, n);
	return true;
}

static bool
complete(Choice *h, Spec *s)
{
	if (!take_shapes(h, s))
		return false;
	for (int i = 0; i < h->g->nin; i++)
		for (int d = 0; h->g->in[i]->sym && d < h->g->in[i]->shape.rank;
		     d++) {
			const char *sym = h->g->in[i]->sym[d];

			if (sym && h->g->in[i]->shape.dim[d] < 0 &&
			    !take_symbol(h, s, h->g->in[i], sym))
				return false;
		}
	return check_ring(h, s);
}

/* ---- programs for prompts alone ---- */

/* Whether calls are whole prompts, by the model's transforms. */
static bool
whole_prompts(Choice *h, bool *whole)
{
	const char *text = dict_get(h->g->meta, "qeff.transforms");
	const Json *list = text ? json_parse(h->c, h->a, SPAN(text)) : NULL;

	*whole = false;
	if (text && !list)
		return note(h->c, "metadata 'qeff.transforms'");
	for (size_t i = 0; i < json_len(list); i++) {
		const Json *t = json_at(list, i);

		if (strcmp(json_get_str(t, "name", ""), "prefill_only") == 0)
			*whole = !json_get_bool(t, "enable_chunking", false);
	}
	return true;
}

/* Such a model has no steps, and positions only in its one call. */
static bool
check_prompts(Choice *h)
{
	const qe_compile *o = h->o;
	bool whole;

	if (!whole_prompts(h, &whole))
		return false;
	if (!whole || o->specializations)
		return true;
	if (!o->prefill_only)
		return fail(
			h->c, QE_USAGE,
			"the model is for whole prompts: give --prefill-only");
	return o->ctx_len == o->prompt_len ||
	       fail(h->c, QE_USAGE,
	            "the model is for whole prompts: --ctx-len %lld is not --prompt-len %lld",
	            (long long)o->ctx_len, (long long)o->prompt_len);
}

/* Of two with one name, both are numbered. */
static void
number_names(Choice *h)
{
	Specs *o = h->out;
	const char **was = NEWV(h->a, const char *, o->n + 1);

	for (int i = 0; i < o->n; i++)
		was[i] = o->spec[i].name;
	for (int i = 0; i < o->n; i++) {
		int before = 0, all = 0;

		for (int k = 0; k < o->n; k++)
			if (strcmp(was[k], was[i]) == 0) {
				before += k < i;
				all++;
			}
		if (all > 1)
			o->spec[i].name =
				arena_str(h->a, "%s_%d", was[i], before);
	}
}

static bool
choose(Choice *h)
{
	switch (h->kind) {
	case MODEL_CAUSAL:
		return causal(h);
	case MODEL_ADAPTER:
		return adapter(h);
	case MODEL_SPEECH:
		return speech(h);
	case MODEL_TEXT2TEXT:
		return text2text(h);
	case MODEL_EMBED:
	case MODEL_CLASSIFY:
	case MODEL_CTC:
		return lengths(h,
		               h->plain ? "Main" : model_kinds[h->kind].graph);
	default:
		return h->plain ? lengths(h, "Main") : other(h);
	}
}

/* The host's runs ask for X first, then X_1; and for a Decode of one token. */
static void
plain_names(Choice *h)
{
	Specs *o = h->out;

	for (int i = 0; i < o->n; i++) {
		const char *name = o->spec[i].name;

		if (str_ends(name, "_0"))
			o->spec[i].name =
				arena_span(h->a,
			                   (Span){name, strlen(name) - 2});
	}
	if (o->n == 1 && strcmp(o->spec[0].name, "Prefill") == 0 &&
	    spec_size(&o->spec[0], "seq_len") == 1)
		o->spec[0].name = "Decode";
}

/* Sizes that were not asked for. */
static bool
usual_sizes(Choice *h, qe_compile *o)
{
	if (!model_positions(h->c, h->a, h->g, &h->positions))
		return false;
	o->ctx_len = usual_context(o, h->plain, h->positions);
	o->prompt_len = usual_chunk(h, o->ctx_len);
	return true;
}

bool
specs_choose(Ctx *c, Arena *a, const Graph *g, const qe_compile *o, bool plain,
             Specs *out)
{
	qe_compile sized = *o;
	Choice h = {.c = c,
	            .a = a,
	            .g = g,
	            .o = &sized,
	            .out = out,
	            .plain = plain};

	*out = (Specs){0};
	h.kind = model_kind(g);
	if (!usual_sizes(&h, &sized) || !check_prompts(&h))
		return false;
	if (o->specializations ? !specs_read(c, a, o->specializations, out)
	                       : !choose(&h))
		return false;
	for (int i = 0; i < out->n; i++)
		if (!complete(&h, &out->spec[i]))
			return false;
	number_names(&h);
	if (plain)
		plain_names(&h);
	return true;
}
