/* SPDX-License-Identifier: BSD-3-Clause
 * encode.c - texts through an encoder: vectors, labels, scores.
 *
 * Texts go through in batches, each row padded to the length of the shortest
 * program that holds the longest text; what a row gives is handed to whoever
 * asked, as long as it stands.  A vector may be pooled in the graph (output
 * `output` [batch, width]); else last_hidden_state [batch, seq, width] is
 * pooled here. */

#include <math.h>

#include "run.h"

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
static void
shorten(Ids *ids, int64_t len)
{
	if ((int64_t)ids->n <= len)
		return;
	ids->id[len - 1] = ids->id[ids->n - 1];
	if (ids->type)
		ids->type[len - 1] = ids->type[ids->n - 1];
	ids->n = (size_t)len;
}

static bool
tokenize(Ctx *c, Arena *a, Session *s, const TextPair *t, int n, Ids *ids,
         size_t *longest)
{
	*longest = 0;
	if (!s->tok)
		return fail(c, QE_INPUT,
		            "the package holds no tokenizer: give --input "
		            "tensors");
	for (int i = 0; i < n; i++) {
		if (!tokenizer_encode(c, a, s->tok, t[i].text,
		                      t[i].pair.p ? &t[i].pair : NULL, true,
		                      &ids[i]))
			return false;
		*longest = MAX(*longest, ids[i].n);
	}
	return true;
}

static bool
each_row(Ctx *c, Arena *a, Session *s, const TextPair *t, int n,
         const char *const *outputs, RowFn *fn, void *arg)
{
	Ids *ids = NEWV(a, Ids, n + 1);
	Encoder e = {0};
	size_t longest;

	if (!tokenize(c, a, s, t, n, ids, &longest) ||
	    !pick(c, s, outputs, longest, &e))
		return false;
	for (int i = 0; i < n; i += (int)e.batch) {
		int64_t stride = (e.whole ? 1 : e.len) * e.width;

		for (int64_t r = 0; r < e.batch; r++) {
			if (i + r < n)
				shorten(&ids[i + r], e.len);
			fill(&e, r, i + r < n ? &ids[i + r] : NULL);
		}
		if (!program_run(c, e.p))
			return false;
		for (int64_t r = 0; r < e.batch && i + r < n; r++)
			if (!fn(c, arg, i + (int)r, &e, &ids[i + r],
			        (const float *)e.out->data + r * stride))
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

/* One label of several (softmax), or each for itself (sigmoid): the second
 * where there is but one, or config.json's problem_type says so. */
static void
probabilities(const Session *s, const float *x, int64_t n, float *out)
{
	const char *kind = json_get_str(json_get(s->qpc->manifest, "model"),
	                                "problem_type", "");
	double sum = 0, top = n ? (double)x[argmax(x, n)] : 0;
	bool alone = n == 1 || strcmp(kind, "multi_label_classification") == 0;

	for (int64_t i = 0; i < n; i++) {
		out[i] = (float)(alone ? 1 / (1 + exp(-(double)x[i]))
		                       : exp((double)x[i] - top));
		sum += (double)out[i];
	}
	for (int64_t i = 0; !alone && i < n; i++)
		out[i] = (float)((double)out[i] / sum);
}

typedef struct Labels {
	const Session *s;
	Arena *a;
	Labelled *out;
	bool each_token;
} Labels;

static bool
take_labels(Ctx *c, void *arg, int i, const Encoder *e, const Ids *ids,
            const float *row)
{
	Labels *l = arg;
	Labelled *y = &l->out[i];

	if (e->whole == l->each_token)
		return fail(c, QE_INPUT, "the package labels %s, not %s",
		            e->whole ? "texts" : "tokens",
		            e->whole ? "tokens" : "texts");
	y->rows = e->whole ? 1 : (int64_t)ids->n;
	y->n = e->width;
	y->ids = *ids;
	y->p = NEWV(l->a, float, mul_size(y->rows, y->n));
	for (int64_t r = 0; r < y->rows; r++)
		probabilities(l->s, row + r * y->n, y->n, y->p + r * y->n);
	return true;
}

bool
label_texts(Ctx *c, Arena *a, Session *s, const TextPair *text, int n,
            bool each_token, Labelled *out)
{
	static const char *const outputs[] = {"logits", NULL};
	Labels l = {.s = s, .a = a, .out = out, .each_token = each_token};

	return each_row(c, a, s, text, n, outputs, take_labels, &l);
}
