/* SPDX-License-Identifier: BSD-3-Clause
 * units.c - how the work of each kernel is cut, and the scratch it needs.
 *
 * A grain is about what a core does in a few microseconds: below that,
 * waking another thread costs more than it saves. */

#include "blocks.h"

enum { MACS = 32768, ELEMENTS = 8192 };

/* How many pieces of `cost` make up `enough`. */
static int64_t
grain_of(int64_t enough, int64_t cost)
{
	return cost > 0 ? MAX(enough / cost, 1) : enough;
}

int64_t
matmul_units(const Step *s, int64_t *grain)
{
	int64_t m = s->dim[MATMUL_M];
	int64_t panels = (s->dim[MATMUL_N] + PANEL - 1) / PANEL;

	*grain = grain_of(MACS, PANEL * MIN(m, MACS) * s->dim[MATMUL_K]);
	if (m > 1 && panels >= 8) /* a tile may meet two panels at a time */
		*grain = (*grain + 1) / 2 * 2;
	return panels;
}

int64_t
rounded_size(int64_t m, int64_t k)
{
	int64_t tall = MIN(m, ROUNDED_ROWS), tiles;

	if (m <= 0 || k < 0)
		return m < 0 || k < 0 ? -1 : 0;
	tiles = mul_size(m / tall + (m % tall != 0), tall * ROUNDED_BYTES);
	return mul_size(tiles, k / BLOCK + (k % BLOCK != 0));
}

int64_t
round_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS / 2, s->dim[ROUND_K]);
	return s->dim[ROUND_M];
}

/* x rounded, unless it comes so */
int64_t
matmul_scratch(const Step *s)
{
	bool own = wformat_rounds((WFormat)s->dim[MATMUL_FORMAT]) &&
	           !s->dim[MATMUL_ROUNDED];

	return own ? rounded_size(s->dim[MATMUL_M], s->dim[MATMUL_K]) : 0;
}

int64_t
embed_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS / 8, s->dim[EMBED_WIDTH]);
	return s->dim[EMBED_ROWS];
}

int64_t
norm_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS, s->dim[NORM_WIDTH]);
	return s->dim[NORM_ROWS];
}

int64_t
rope_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS, s->dim[ROPE_DIM]);
	return s->dim[ROPE_TOKENS] * s->dim[ROPE_HEADS];
}

/* A unit writes all positions of its head: a position given twice has the
 * same winner on every run. */
int64_t
write_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS, s->dim[WRITE_SEQ] * s->dim[WRITE_DIM]);
	return s->dim[WRITE_BATCH] * s->dim[WRITE_HEADS];
}

int64_t
last_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS, s->dim[LAST_WIDTH]);
	return s->dim[LAST_BATCH];
}

static int64_t
product6(const int64_t *dim)
{
	int64_t n = 1;

	for (int i = 0; i < 6; i++)
		n *= dim[i];
	return n;
}

int64_t
binary_units(const Step *s, int64_t *grain)
{
	*grain = ELEMENTS;
	return product6(s->dim + BINARY_SIZE);
}

int64_t
unary_units(const Step *s, int64_t *grain)
{
	*grain = ELEMENTS / 4;
	return s->dim[UNARY_COUNT];
}

int64_t
softmax_units(const Step *s, int64_t *grain)
{
	*grain = grain_of(ELEMENTS / 4, s->dim[SOFTMAX_WIDTH]);
	return s->dim[SOFTMAX_ROWS];
}

int64_t
copy_units(const Step *s, int64_t *grain)
{
	*grain = ELEMENTS;
	return product6(s->dim + COPY_SIZE);
}

/* ---- attention ---- */

/* Many rows share one walk over the keys, unless that would leave cores
 * without work.  Without a cache they are to fill the lanes of a vector.  The
 * one head of a latent cache is walked by every unit: with few rows each,
 * memory would be what they wait for. */
static int64_t
unit_rows(const Attn *a)
{
	int64_t heads = a->batch * a->kv, all = a->seq * a->group;
	int64_t rows = ATTN_ROWS,
		least = !a->pos ? 16
	                : a->t  ? 8
	                        : 4,
		enough = a->t ? 8 : 16;

	while (rows > least && heads * ((all + rows - 1) / rows) < enough)
		rows /= 2;
	return rows;
}

Attn
attn_cached(const Step *s)
{
	const int64_t *d = s->dim;
	Attn a = {
		.batch = d[ATTN_BATCH],
		.seq = d[ATTN_SEQ],
		.heads = d[ATTN_HEADS],
		.kv = d[ATTN_KV],
		.group = d[ATTN_HEADS] / d[ATTN_KV],
		.dim = d[ATTN_DIM],
		.vdim = d[ATTN_VDIM],
		.nkey = d[ATTN_RING]  ? INT64_MAX
	                : d[ATTN_LEN] ? d[ATTN_LEN]
	                              : d[ATTN_CTX],
		.ring = d[ATTN_RING],
		.format = (CFormat)d[ATTN_FORMAT],
		.k = s->buf[ATTN_K],
		.v = s->buf[ATTN_V],
		.t = s->buf[ATTN_TAIL],
		.tdim = d[ATTN_TDIM],
		.q = s->buf[ATTN_Q],
		.ldq = d[ATTN_LDQ],
		.y = s->buf[ATTN_Y],
		.pos = s->buf[ATTN_POS],
		.slot = s->buf[ATTN_SLOT],
		.slots = d[ATTN_SLOTS],
		.window = d[ATTN_WINDOW],
		.slope = s->buf[ATTN_SLOPE],
		.bias = s->buf[ATTN_BIAS],
		.reach = d[ATTN_REACH],
		.sink = s->buf[ATTN_SINK],
		.scale = s->num[ATTN_SCALE],
		.cap = s->num[ATTN_CAP],
	};

	a.kj = cache_row_bytes(a.format, a.dim - a.tdim);
	a.vj = cache_row_bytes(a.format, a.vdim);
	a.tj = cache_row_bytes(a.format, a.tdim);
	a.kh = a.kj * d[ATTN_CTX];
	a.vh = a.vj * d[ATTN_CTX];
	a.th = a.tj * d[ATTN_CTX];
	a.kb = a.kh * a.kv;
	a.vb = a.vh * a.kv;
	a.tb = a.th * a.kv;
	a.shared = a.t && a.k == a.v && a.vdim == a.dim - a.tdim;
	a.rows = unit_rows(&a);
	return a;
}

Attn
attn_dense(const Step *s)
{
	enum { F = sizeof(float) };
	const int64_t *d = s->dim;
	Attn a = {
		.batch = d[DENSE_BATCH],
		.seq = d[DENSE_SEQ],
		.heads = d[DENSE_HEADS],
		.kv = d[DENSE_KV],
		.group = d[DENSE_HEADS] / d[DENSE_KV],
		.dim = d[DENSE_DIM],
		.vdim = d[DENSE_VDIM],
		.nkey = d[DENSE_LEN],
		.format = CF_F32,
		.k = s->buf[DENSE_K],
		.v = s->buf[DENSE_V],
		.kj = d[DENSE_LDK] * F,
		.vj = d[DENSE_LDV] * F,
		.kh = d[DENSE_DIM] * F,
		.vh = d[DENSE_VDIM] * F,
		.q = s->buf[DENSE_Q],
		.ldq = d[DENSE_LDQ],
		.y = s->buf[DENSE_Y],
		.slots = d[DENSE_BATCH],
		.mask = s->buf[DENSE_MASK],
		.bias = s->buf[DENSE_BIAS],
		.reach = d[DENSE_REACH],
		.mb = d[DENSE_MB],
		.mh = d[DENSE_MH],
		.ms = d[DENSE_MS],
		.scale = s->num[DENSE_SCALE],
		.cap = s->num[DENSE_CAP],
	};

	a.kb = a.kj * a.nkey;
	a.vb = a.vj * a.nkey;
	a.rows = unit_rows(&a);
	return a;
}

/* The first row that a ring still has: it holds the newest ones. */
int64_t
attn_oldest(const Attn *a, int64_t b)
{
	int64_t newest = -1;

	for (int64_t s = 0; a->ring && s < a->seq; s++)
		newest = MAX(newest, a->pos[b * a->seq + s]);
	return a->ring ? MAX(newest - a->ring + 1, 0) : 0;
}

/* Later queries see more keys: blocks are taken from both ends in turn, so
 * that equal numbers of units are about equal work. */
AttnUnit
attn_unit(const Attn *a, int64_t unit)
{
	int64_t all = a->seq * a->group, blocks = (all + a->rows - 1) / a->rows;
	int64_t i = unit % blocks, head = unit / blocks;
	int64_t at = (i % 2 ? blocks - 1 - i / 2 : i / 2) * a->rows;
	AttnUnit u = {.b = head / a->kv,
	              .kv = head % a->kv,
	              .r0 = at,
	              .r1 = MIN(at + a->rows, all)};
	int64_t slot = a->slot ? a->slot[u.b] : u.b;

	u.oldest = attn_oldest(a, u.b);
	if (slot >= 0 && slot < a->slots) {
		u.k = a->k + slot * a->kb + u.kv * a->kh;
		u.v = a->v + slot * a->vb + u.kv * a->vh;
		if (a->t)
			u.t = a->t + slot * a->tb + u.kv * a->th;
	}
	return u;
}

AttnRow
attn_row(const Attn *a, const AttnUnit *u, int64_t r)
{
	int64_t s = r / a->group, h = u->kv * a->group + r % a->group;
	int64_t token = u->b * a->seq + s;
	AttnRow w = {
		.q = a->q + token * a->ldq + h * a->dim,
		.y = a->y + (token * a->heads + h) * a->vdim,
		.head = (int)h,
		.p = s,
		.hi = u->k ? a->nkey : 0,
	};

	if (a->mask)
		w.mask = a->mask + u->b * a->mb + h * a->mh + s * a->ms;
	if (a->pos) {
		w.p = a->pos[token];
		w.hi = w.p < w.hi ? w.p + 1 : w.hi;
		w.lo = u->oldest;
		if (a->window > 0)
			w.lo = MAX(w.p - a->window + 1, w.lo);
	}
	if (w.lo >= w.hi)
		w.lo = w.hi = 0; /* sees nothing */
	return w;
}

static int64_t
units_of(const Attn *a, int64_t *grain)
{
	*grain = 1;
	return a->batch * a->kv * ((a->seq * a->group + a->rows - 1) / a->rows);
}

int64_t
attention_units(const Step *s, int64_t *grain)
{
	Attn a = attn_cached(s);

	return units_of(&a, grain);
}

int64_t
dense_units(const Step *s, int64_t *grain)
{
	Attn a = attn_dense(s);

	return units_of(&a, grain);
}

/* What attention_simd.h lays out; the definition needs less. */
static int64_t
scratch_of(const Attn *a)
{
	int64_t dim = attn_pad(a->dim), vdim = attn_pad(a->vdim);
	int64_t floats = a->rows * (ATTN_KEYS + dim + 2 * vdim) +
	                 ATTN_KEYS * (dim + vdim);

	return floats * (int64_t)sizeof(float);
}

int64_t
attn_scratch(const Step *s)
{
	Attn a = attn_cached(s);

	return scratch_of(&a);
}

int64_t
dense_scratch(const Step *s)
{
	Attn a = attn_dense(s);

	return scratch_of(&a);
}
