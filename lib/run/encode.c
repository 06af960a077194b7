/* SPDX-License-Identifier: BSD-3-Clause
 * encode.c - texts through an encoder: vectors, labels, scores.
 *
 * Texts go through in batches, the longest first, so that texts of like length
 * are together: a batch takes the shortest program that holds its first text.
 * What a row gives is handed to whoever asked, as long as it stands.  A vector
 * may be pooled in the graph (output `output` [batch, width]); else
 * last_hidden_state [batch, seq, width] is pooled here.
 *
 * What sentence-transformers does before its tokenizer, max_seq_length and
 * do_lower_case, is done here too. */

#include <math.h>
#include <stdlib.h>

#include "run.h"
#include "unicode.h"

static const char *const pools[POOL_COUNT] = {[POOL_NONE] = "none",
                                              [POOL_MEAN] = "mean",
                                              [POOL_CLS] = "cls",
                                              [POOL_MAX] = "max",
                                              [POOL_LAST] = "last"};

enum Pooling
pool_by_name(const char *name)
{
	int p = 0;

	while (p < POOL_COUNT && strcmp(pools[p], name) != 0)
		p++;
	return (enum Pooling)p;
}

typedef struct Encoder {
	Program *p;
	IO *ids, *mask, *type, *out;
	int64_t batch, len, width;
	bool whole; /* out is [batch, width], not [batch, seq, width] */
} Encoder;

/* One row's result: [width] if whole, else [ids->n, width]. */
typedef bool RowFn(Ctx *, void *arg, int i, const Encoder *, const Ids *,
                   const float *row);

static bool
same_shape(const IO *io, const Encoder *e)
{
	return !io ||
	       (io->type == DT_I64 && io->shape.rank == 2 &&
	        io->shape.dim[0] == e->batch && io->shape.dim[1] == e->len);
}

/* outputs: names to look for, the first that is there counts */
static bool
fits(Program *p, const char *const *outputs, Encoder *e)
{
	const Shape *y;

	*e = (Encoder){.p = p,
	               .ids = program_io(p, "input_ids"),
	               .mask = program_io(p, "attention_mask"),
	               .type = program_io(p, "token_type_ids")};
	for (; !e->out && *outputs; outputs++)
		e->out = program_io(p, *outputs);
	if (!e->ids || e->ids->shape.rank != 2 || !e->mask || !e->out ||
	    e->out->type != DT_F32)
		return false;
	e->batch = e->ids->shape.dim[0];
	e->len = e->ids->shape.dim[1];
	y = &e->out->shape;
	e->whole = y->rank == 2;
	e->width = y->rank ? y->dim[y->rank - 1] : 0;
	return same_shape(e->ids, e) && same_shape(e->mask, e) &&
	       same_shape(e->type, e) && e->batch > 0 && e->len > 0 &&
	       y->dim[0] == e->batch &&
	       (e->whole || (y->rank == 3 && y->dim[1] == e->len));
}

/* The shortest program whose rows hold n tokens, else the longest. */
static bool
pick(Ctx *c, Session *s, const char *const *outputs, size_t n, Encoder *best)
{
	Encoder e;
	bool any = false, better;

	for (int i = 0; i < model_count(s->model); i++) {
		if (!fits(model_program(s->model, i), outputs, &e))
			continue;
		better = e.len >= (int64_t)n
		                 ? best->len < (int64_t)n || e.len < best->len
		                 : e.len > best->len;
		if (!any || better)
			*best = e;
		any = true;
	}
	return any || fail(c, QE_INPUT,
	                   "the package has no input_ids, attention_mask and "
	                   "'%s'",
	                   *outputs);
}

static void
fill(const Encoder *e, int64_t row, const Ids *ids)
{
	int64_t *id = (int64_t *)e->ids->data + row * e->len;
	int64_t *mask = (int64_t *)e->mask->data + row * e->len;
	int64_t *type =
		e->type ? (int64_t *)e->type->data + row * e->len : NULL;

	for (int64_t i = 0; i < e->len; i++) {
		bool real = ids && i < (int64_t)ids->n;

		id[i] = real ? ids->id[i] : 0;
		mask[i] = real;
		if (type)
			type[i] = real && ids->type ? ids->type[i] : 0;
	}
}

/* Longer texts lose their tail, but not the special token that ends them:
 * the last id stays. */
static bool
shorten(Ids *ids, int64_t len)
{
	if ((int64_t)ids->n <= len)
		return false;
	ids->id[len - 1] = ids->id[ids->n - 1];
	if (ids->type)
		ids->type[len - 1] = ids->type[ids->n - 1];
	ids->n = (size_t)len;
	return true;
}

static const Json *
sentence(const Session *s)
{
	return json_get(s->qpc->manifest, "sentence");
}

static Span
lowered(Arena *a, Span s)
{
	Buf *b = buf_new(a);
	uint32_t ch, two[2];
	char out[UTF8_MAX];
	int ok;

	for (size_t i = 0; i < s.n;) {
		i += utf8_next(s.p + i, s.n - i, &ch, &ok);
		for (int k = 0, n = rune_lower(ch, two); k < n; k++)
			buf_add(b, out, utf8_put(two[k], out));
	}
	return (Span){b->p ? b->p : "", b->n};
}

static bool
tokenize_one(Ctx *c, Arena *a, Session *s, TextPair t, Ids *ids)
{
	if (t.ids.n) {
		*ids = t.ids;
		return true;
	}
	if (!s->tok)
		return fail(c, QE_INPUT,
		            "the package holds no tokenizer: give --ids or "
		            "--input tensors");
	if (json_get_bool(sentence(s), "do_lower_case", false)) {
		t.text = lowered(a, t.text);
		if (t.pair.p)
			t.pair = lowered(a, t.pair);
	}
	return tokenizer_encode(c, a, s->tok, t.text, t.pair.p ? &t.pair : NULL,
	                        true, ids);
}

/* One text and its place among all. */
typedef struct Item {
	Ids ids;
	int at;
} Item;

static int
longer_first(const void *x, const void *y)
{
	const Item *a = x, *b = y;

	if (a->ids.n != b->ids.n)
		return a->ids.n > b->ids.n ? -1 : 1;
	return a->at - b->at;
}

/* All of them, at most as long as the model wants them, the longest first. */
static Item *
items_of(Ctx *c, Arena *a, Session *s, const TextPair *t, int n, int64_t room)
{
	Item *list = NEWV(a, Item, n + 1);
	int64_t most = json_get_int(sentence(s), "max_seq_length", room);
	int cut = 0;

	most = most > 1 ? MIN(most, room) : room;
	for (int i = 0; i < n; i++) {
		list[i].at = i;
		if (!tokenize_one(c, a, s, t[i], &list[i].ids))
			return NULL;
		cut += shorten(&list[i].ids, most);
	}
	if (cut)
		say(c, 0, "%d of %d texts are cut to %lld tokens", cut, n,
		    (long long)most);
	qsort(list, (size_t)n, sizeof *list, longer_first);
	return list;
}

int64_t
encode_room(Ctx *c, Session *s, const char *output)
{
	const char *const outputs[] = {output, NULL};
	Encoder e = {0};

	return pick(c, s, outputs, INT32_MAX, &e) ? e.len : 0;
}

/* One run: as many items as it has rows; how many were taken, 0: failed. */
static int
one_batch(Ctx *c, const Encoder *e, Item *item, int n, RowFn *fn, void *arg)
{
	int64_t stride = (e->whole ? 1 : e->len) * e->width;
	int rows = (int)MIN(e->batch, n);

	for (int64_t r = 0; r < e->batch; r++)
		fill(e, r, r < rows ? &item[r].ids : NULL);
	if (!program_run(c, e->p))
		return 0;
	for (int r = 0; r < rows; r++)
		if (!fn(c, arg, item[r].at, e, &item[r].ids,
		        (const float *)e->out->data + r * stride))
			return 0;
	return rows;
}

static bool
each_row(Ctx *c, Arena *a, Session *s, const TextPair *t, int n,
         const char *const *outputs, RowFn *fn, void *arg)
{
	Encoder e = {0};
	Item *item;
	int took;

	if (!pick(c, s, outputs, INT32_MAX, &e) ||
	    !(item = items_of(c, a, s, t, n, e.len)))
		return false;
	for (int i = 0; i < n; i += took) {
		e = (Encoder){0};
		if (!pick(c, s, outputs, item[i].ids.n, &e) ||
		    !(took = one_batch(c, &e, item + i, n - i, fn, arg)))
			return false;
	}
	return true;
}

/* ---- vectors ---- */

static void
pool(const float *h, int64_t n, int64_t width, enum Pooling how, float *out)
{
	for (int64_t k = 0; k < width; k++) {
		double sum = 0;
		float top = h[k];

		for (int64_t i = 0; i < n; i++) {
			sum += (double)h[i * width + k];
			top = MAX(top, h[i * width + k]);
		}
		switch (how) {
		case POOL_CLS:
			out[k] = h[k];
			break;
		case POOL_LAST:
			out[k] = h[MAX(n - 1, 0) * width + k];
			break;
		case POOL_MAX:
			out[k] = top;
			break;
		default:
			out[k] = (float)(sum / (double)MAX(n, 1));
		}
	}
}

static void
unit(float *x, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	sum = MAX(sqrt(sum), 1e-12);
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)((double)x[i] / sum);
}

typedef struct Vectors {
	Arena *a;
	int n;
	enum Pooling how;
	bool normalize;
	float *out;
	int64_t width;
} Vectors;

static bool
take_vector(Ctx *c, void *arg, int i, const Encoder *e, const Ids *ids,
            const float *row)
{
	Vectors *v = arg;
	float *out;

	(void)c;
	v->width = e->width;
	if (!v->out)
		v->out = NEWV(v->a, float, mul_size(v->n, e->width));
	out = v->out + i * e->width;
	if (e->whole)
		memcpy(out, row, (size_t)e->width * sizeof *out);
	else
		pool(row, (int64_t)ids->n, e->width, v->how, out);
	if (v->normalize)
		unit(out, e->width);
	return true;
}

bool
encode_texts(Ctx *c, Arena *a, Session *s, const TextPair *text, int n,
             enum Pooling how, bool normalize, float **out, int64_t *width)
{
	static const char *const outputs[] = {"output", "last_hidden_state",
	                                      NULL};
	Vectors v = {.a = a, .n = n, .how = how, .normalize = normalize};

	if (!each_row(c, a, s, text, n, outputs, take_vector, &v))
		return false;
	*out = v.out;
	*width = v.width;
	return true;
}

/* ---- labels ---- */

const char *
label_name(const Session *s, Arena *a, int64_t i)
{
	const Json *names =
		json_get(json_get(s->qpc->manifest, "model"), "id2label");
	char *key = arena_str(a, "%lld", (long long)i);

	return json_get_str(names, key, arena_str(a, "LABEL_%s", key));
}

static const Json *
about(const Session *s, const char *key)
{
	return json_get(json_get(s->qpc->manifest, "model"), key);
}

static float
sigmoid(float x)
{
	return (float)(1 / (1 + exp(-(double)x)));
}

static void
softmax(const float *x, int64_t n, float *out)
{
	double sum = 0, top = n ? (double)x[argmax(x, n)] : 0;

	for (int64_t i = 0; i < n; i++) {
		out[i] = (float)exp((double)x[i] - top);
		sum += (double)out[i];
	}
	for (int64_t i = 0; i < n; i++)
		out[i] = (float)((double)out[i] / sum);
}

/* One label of several (softmax), or each for itself (sigmoid): the second
 * where there is but one, or config.json's problem_type says so.  Of a
 * regression the number itself. */
static void
probabilities(const Session *s, const float *x, int64_t n, float *out)
{
	const char *kind = json_str(about(s, "problem_type"), "");
	bool plain = strcmp(kind, "regression") == 0;

	if (n != 1 && !plain &&
	    strcmp(kind, "multi_label_classification") != 0) {
		softmax(x, n, out);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		out[i] = plain ? x[i] : sigmoid(x[i]);
}

/* As sentence-transformers: by the activation that a cross-encoder was saved
 * with; else one score through a sigmoid, several by their probabilities. */
static void
relevance(const Session *s, const float *x, int64_t n, float *out)
{
	const char *act = json_get_str(about(s, "sentence_transformers"),
	                               "activation_fn", NULL);

	if (!act)
		act = json_str(about(s, "sbert_ce_default_activation_function"),
		               "");
	if (n > 1 && !*act)
		softmax(x, n, out);
	else
		for (int64_t i = 0; i < n; i++)
			out[i] = str_ends(act, "Identity") ? x[i]
			                                   : sigmoid(x[i]);
}

typedef struct Labels {
	const Session *s;
	Arena *a;
	Labelled *out;
	enum Reading how;
} Labels;

static bool
take_labels(Ctx *c, void *arg, int i, const Encoder *e, const Ids *ids,
            const float *row)
{
	Labels *l = arg;
	Labelled *y = &l->out[i];

	if (e->whole == (l->how == READ_TOKENS))
		return fail(c, QE_INPUT, "the package labels %s, not %s",
		            e->whole ? "texts" : "tokens",
		            e->whole ? "tokens" : "texts");
	y->rows = e->whole ? 1 : (int64_t)ids->n;
	y->n = e->width;
	y->ids = *ids;
	y->p = NEWV(l->a, float, mul_size(y->rows, y->n));
	for (int64_t r = 0; r < y->rows; r++)
		(l->how == READ_PAIR ? relevance
		                     : probabilities)(l->s, row + r * y->n,
		                                      y->n, y->p + r * y->n);
	return true;
}

bool
label_texts(Ctx *c, Arena *a, Session *s, const TextPair *text, int n,
            enum Reading how, Labelled *out)
{
	static const char *const outputs[] = {"logits", NULL};
	Labels l = {.s = s, .a = a, .out = out, .how = how};

	return each_row(c, a, s, text, n, outputs, take_labels, &l);
}

/* ---- answers ---- */

typedef struct Spans {
	Arena *a;
	TokenSpan *best; /* tokens of each row, the last one too */
	double *p;
} Spans;

/* Most tokens of an answer, as in the reference's pipeline. */
enum { MAXANSWER = 15 };

/* The likeliest pair of a start and an end behind it, both of the second
 * text. */
static bool
take_span(Ctx *c, void *arg, int i, const Encoder *e, const Ids *ids,
          const float *start)
{
	Spans *k = arg;
	const IO *io = program_io(e->p, "end_logits");
	const float *end;
	float *ps, *pe;
	int64_t from = 0, to = (int64_t)ids->n, n;

	if (!io || io->type != DT_F32 || io->shape.rank != 2 ||
	    io->shape.dim[1] != e->width)
		return fail(c, QE_INPUT, "the package has no 'end_logits'");
	end = (const float *)io->data + (start - (const float *)e->out->data);
	from = (int64_t)k->best[i].from;
	to = MIN(to, (int64_t)k->best[i].to);
	n = MAX(to - from, 0);
	ps = NEWV(k->a, float, n + 1);
	pe = NEWV(k->a, float, n + 1);
	softmax(start + from, n, ps);
	softmax(end + from, n, pe);
	k->p[i] = -1;
	for (int64_t x = 0; x < n; x++)
		for (int64_t y = x; y < MIN(n, x + MAXANSWER); y++) {
			double p = (double)ps[x] * (double)pe[y];

			if (p <= k->p[i])
				continue;
			k->p[i] = p;
			k->best[i] = (TokenSpan){(size_t)(from + x),
			                         (size_t)(from + y)};
		}
	return true;
}

bool
span_texts(Ctx *c, Arena *a, Session *s, const TextPair *text, int n,
           TokenSpan *span, double *p)
{
	static const char *const outputs[] = {"start_logits", NULL};
	Spans k = {.a = a, .best = span, .p = p};

	return each_row(c, a, s, text, n, outputs, take_span, &k);
}
