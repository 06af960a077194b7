/* SPDX-License-Identifier: BSD-3-Clause
 * encode.c - sentence vectors from an encoder package.
 *
 * The package's graph may pool by itself (output `output` [batch, width]);
 * else last_hidden_state [batch, seq, width] is pooled here. */

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
	HostProgram *p;
	HostIO *ids, *mask, *type, *out;
	int64_t batch, len, width;
	bool pooled;
} Encoder;

static bool
same_shape(const HostIO *io, const Encoder *e)
{
	return !io ||
	       (io->type == DT_I64 && io->shape.rank == 2 &&
	        io->shape.dim[0] == e->batch && io->shape.dim[1] == e->len);
}

static bool
fits(HostProgram *p, Encoder *e)
{
	e->p = p;
	e->ids = host_io(p, "input_ids");
	e->mask = host_io(p, "attention_mask");
	e->type = host_io(p, "token_type_ids");
	if (!(e->out = host_io(p, "output")))
		e->out = host_io(p, "last_hidden_state");
	if (!e->ids || e->ids->shape.rank != 2 || !e->mask || !e->out ||
	    e->out->type != DT_F32)
		return false;
	e->batch = e->ids->shape.dim[0];
	e->len = e->ids->shape.dim[1];
	e->pooled = e->out->shape.rank == 2;
	e->width = e->out->shape.rank
	                   ? e->out->shape.dim[e->out->shape.rank - 1]
	                   : 0;
	return same_shape(e->ids, e) && same_shape(e->mask, e) &&
	       same_shape(e->type, e) && e->out->shape.dim[0] == e->batch &&
	       (e->pooled ||
	        (e->out->shape.rank == 3 && e->out->shape.dim[1] == e->len));
}

/* The smallest program whose rows hold n tokens, else the largest. */
static bool
pick(Ctx *c, Session *s, size_t n, Encoder *best)
{
	Encoder e;
	bool any = false;

	for (int i = 0; i < host_count(s->model); i++) {
		if (!fits(host_program(s->model, i), &e))
			continue;
		if (!any || (e.len >= (int64_t)n ? best->len < (int64_t)n ||
		                                           e.len < best->len
		                                 : e.len > best->len))
			*best = e;
		any = true;
	}
	return any ||
	       fail(c, QE_INPUT,
	            "the package holds no encoder: it has no input_ids, attention_mask and hidden states");
}

static void
fill(Encoder *e, int64_t row, const Ids *ids)
{
	int64_t *id = (int64_t *)e->ids->data + row * e->len,
		*mask = (int64_t *)e->mask->data + row * e->len;
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

static void
pool(const float *h, int64_t n, int64_t width, enum Pooling how, float *out)
{
	for (int64_t k = 0; k < width; k++) {
		double sum = 0;
		float top = n ? h[k] : 0;

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

/* Longer texts lose their tail, but not the special tokens that end them:
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

bool
encode_texts(Ctx *c, Arena *a, Session *s, const Span *text, int n,
             enum Pooling how, bool normalize, float **out, int64_t *width)
{
	Ids *ids = NEWV(a, Ids, n + 1);
	size_t longest = 0;
	Encoder e = {0};
	float *v;

	if (!s->tok)
		return fail(
			c, QE_INPUT,
			"the package holds no tokenizer: give --input tensors");
	for (int i = 0; i < n; i++) {
		if (!tokenizer_encode(c, a, s->tok, text[i], NULL, true,
		                      &ids[i]))
			return false;
		longest = MAX(longest, ids[i].n);
	}
	if (!pick(c, s, longest, &e))
		return false;
	*width = e.width;
	*out = v = arena_array(a, (size_t)n, (size_t)e.width * sizeof *v);
	for (int i = 0; i < n; i += (int)e.batch) {
		for (int64_t r = 0; r < e.batch; r++) {
			if (i + r < n)
				shorten(&ids[i + r], e.len);
			fill(&e, r, i + r < n ? &ids[i + r] : NULL);
		}
		if (!host_run(c, e.p))
			return false;
		for (int64_t r = 0; r < e.batch && i + r < n;
		     r++, v += e.width) {
			const float *h = (const float *)e.out->data +
			                 r * (e.pooled ? 1 : e.len) * e.width;

			if (e.pooled)
				memcpy(v, h, (size_t)e.width * sizeof *v);
			else
				pool(h, (int64_t)ids[i + r].n, e.width,
				     how == POOL_NONE ? POOL_MEAN : how, v);
			if (normalize)
				unit(v, e.width);
		}
	}
	return true;
}
