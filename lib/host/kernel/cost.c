/* SPDX-License-Identifier: BSD-3-Clause
 * cost.c - what a step costs at the least: bytes moved, operations done.
 *
 * Bytes come in as what each buffer may reach (extent.c), each once; a
 * function corrects those of which less is touched, by what the step's
 * buffers hold now.  Operations are those of the definition: two for each
 * product that is added up, a few for each element of anything else. */

#include "impl.h"

enum {
	RMSNORM_OPS = 4,
	LAYERNORM_OPS = 7,
	SOFTMAX_OPS = 5,
	ROPE_OPS = 3,
	ROUND_OPS = 3
};

/* x [m, k] meets `n` rows of a packed matrix. */
static void
products(Cost *c, int64_t format, int64_t m, int64_t n, int64_t k)
{
	bool ints = wcodec[format].block > 1;

	*(ints ? &c->ints : &c->flops) += 2 * m * n * k;
	c->format = wformats[format].name;
}

void
matmul_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim;

	products(c, d[MATMUL_FORMAT], d[MATMUL_M], d[MATMUL_N], d[MATMUL_K]);
}

void
gated_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim;

	products(c, d[GATED_FORMAT], d[GATED_M], 2 * d[GATED_N], d[GATED_K]);
}

void
round_cost(const Step *s, Cost *c)
{
	c->flops = ROUND_OPS * s->dim[ROUND_M] * s->dim[ROUND_K];
}

/* Of the matrices, those that somebody chose. */
void
experts_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim, *index = s->buf[EXPERTS_INDEX];
	int64_t sides = s->buf[EXPERTS_U] ? 2 : 1, used = 0, j;

	for (int64_t i = 0; index && i < d[EXPERTS_M]; i++) {
		for (j = 0; j < i && index[j] != index[i]; j++)
			;
		used += j == i;
	}
	for (int i = EXPERTS_W; i <= EXPERTS_U; i++)
		c->bytes[i] = c->bytes[i] / d[EXPERTS_COUNT] * used;
	products(c, d[EXPERTS_FORMAT], d[EXPERTS_M], sides * d[EXPERTS_N],
	         d[EXPERTS_K]);
}

void
merge_cost(const Step *s, Cost *c)
{
	c->flops = 2 * s->dim[MERGE_M] * s->dim[MERGE_K] * s->dim[MERGE_N];
}

/* A row of the table is a sixteenth of its panel. */
void
embed_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim;
	WFormat f = (WFormat)d[EMBED_FORMAT];

	c->bytes[EMBED_TABLE] =
		d[EMBED_ROWS] * panel_bytes(f, d[EMBED_WIDTH]) / PANEL;
	c->format = wformats[f].name;
}

void
rmsnorm_cost(const Step *s, Cost *c)
{
	c->flops = RMSNORM_OPS * s->dim[NORM_ROWS] * s->dim[NORM_WIDTH];
}

void
layernorm_cost(const Step *s, Cost *c)
{
	c->flops = LAYERNORM_OPS * s->dim[NORM_ROWS] * s->dim[NORM_WIDTH];
}

void
rope_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim;
	int64_t table = d[ROPE_TOKENS] * d[ROPE_ROT] * (int64_t)sizeof(float);

	c->flops = ROPE_OPS * d[ROPE_TOKENS] * d[ROPE_HEADS] * d[ROPE_ROT];
	c->bytes[ROPE_COS] = c->bytes[ROPE_SIN] = table;
}

void
write_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim, *pos = s->buf[WRITE_POS];
	CFormat f = (CFormat)d[WRITE_FORMAT];
	int64_t rows = 0;

	for (int64_t i = 0; i < d[WRITE_BATCH] * d[WRITE_SEQ]; i++)
		rows += pos[i] >= 0 && (d[WRITE_RING] || pos[i] < d[WRITE_CTX]);
	rows *= d[WRITE_HEADS];
	c->bytes[WRITE_CACHE] = rows * cache_row_bytes(f, d[WRITE_DIM]);
	c->format = cformat_name(f);
}

/* Rows of the cache that anyone sees are read once for each key head. */
void
attention_cost(const Step *s, Cost *c)
{
	Attn a = attn_cached(s);
	int64_t seen = 0, read = 0;

	for (int64_t b = 0; b < a.batch; b++) {
		int64_t lo = a.nkey, hi = 0, oldest = attn_oldest(&a, b);

		for (int64_t t = 0; t < a.seq; t++) {
			int64_t p = a.pos[b * a.seq + t];
			int64_t to = p < a.nkey ? p + 1 : a.nkey, from = oldest;

			if (a.window > 0)
				from = MAX(p - a.window + 1, from);
			if (from >= to)
				continue;
			seen += to - from;
			lo = MIN(lo, from);
			hi = MAX(hi, to);
		}
		read += MAX(hi - lo, 0);
	}
	c->flops = 2 * seen * a.heads * (a.dim + a.vdim);
	c->bytes[ATTN_K] = read * a.kv * a.kj;
	c->bytes[ATTN_V] = a.shared ? 0 : read * a.kv * a.vj;
	c->bytes[ATTN_TAIL] = read * a.kv * a.tj;
	c->format = cformat_name(a.format);
}

void
dense_cost(const Step *s, Cost *c)
{
	Attn a = attn_dense(s);

	c->flops = 2 * a.batch * a.seq * a.nkey * a.heads * (a.dim + a.vdim);
}

void
last_cost(const Step *s, Cost *c)
{
	c->bytes[LAST_X] = c->bytes[LAST_Y];
	(void)s;
}

void
binary_cost(const Step *s, Cost *c)
{
	int64_t grain;

	c->flops = binary_units(s, &grain);
}

void
unary_cost(const Step *s, Cost *c)
{
	c->flops = s->dim[UNARY_COUNT];
}

void
softmax_cost(const Step *s, Cost *c)
{
	c->flops = SOFTMAX_OPS * s->dim[SOFTMAX_ROWS] * s->dim[SOFTMAX_WIDTH];
}

/* What a window of every pixel made takes, `each` operations a tap. */
static int64_t
windows(const int64_t *d, int64_t each)
{
	return each * d[SLIDE_BATCH] * d[SLIDE_OH] * d[SLIDE_OW] * d[SLIDE_M] *
	       d[SLIDE_KH] * d[SLIDE_KW];
}

void
conv_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim;

	c->flops = windows(d, 2 * d[SLIDE_C] / d[CONV_GROUPS]);
	c->format = wformats[d[CONV_FORMAT]].name;
}

void
depthwise_cost(const Step *s, Cost *c)
{
	c->flops = windows(s->dim, 2);
}

void
pool_cost(const Step *s, Cost *c)
{
	c->flops = windows(s->dim, 1);
}

void
bmm_cost(const Step *s, Cost *c)
{
	const int64_t *d = s->dim;

	c->flops = 2 * d[BMM_B0] * d[BMM_B1] * d[BMM_M] * d[BMM_N] * d[BMM_K];
}

/* Nothing but bytes. */
void
copy_cost(const Step *s, Cost *c)
{
	(void)s;
	(void)c;
}
