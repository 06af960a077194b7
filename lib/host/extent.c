/* SPDX-License-Identifier: BSD-3-Clause
 * extent.c - how far each kernel reaches.
 *
 * One function for each kernel tells, from the sizes in a step, how many
 * bytes of each buffer it may touch.  The planner takes sizes from here, and
 * the reader of programs refuses a step that would reach outside its spaces:
 * this is all that stands between a hostile package and the kernels. */

#include "program.h"

typedef struct Reach {
	const int64_t *d;
	Extent *to;
	bool ok;
} Reach;

#define BUF(i) (1u << (i))

#define KERNEL(id, name, fn, units, scratch, best)                             \
	static void extent_##fn(Reach *);
#include "kernel/kernels.def"
#undef KERNEL

/* Buffers that are written, and those that may not be left out. */
static void
needs(Reach *r, unsigned written, unsigned needed)
{
	r->to->written = written;
	r->to->needed = needed;
}

/* Product of up to five sizes times bytes of an element, into buffer i. */
static void
reach(Reach *r, int i, int64_t elem, int64_t a, int64_t b, int64_t c, int64_t d)
{
	int64_t n = mul_size(mul_size(mul_size(mul_size(a, b), c), d), elem);

	r->ok = r->ok && n >= 0;
	r->to->bytes[i] = n;
}

static void
floats(Reach *r, int i, int64_t a, int64_t b, int64_t c, int64_t d)
{
	reach(r, i, sizeof(float), a, b, c, d);
}

static void
ints(Reach *r, int i, int64_t a, int64_t b)
{
	reach(r, i, sizeof(int64_t), a, b, 1, 1);
}

static void
packed(Reach *r, int i, int64_t format, int64_t n, int64_t k)
{
	bool known = format >= 0 && format < WF_COUNT && n >= 0 && k >= 0;

	r->to->bytes[i] = known ? pack_size((WFormat)format, n, k) : -1;
	r->ok = r->ok && r->to->bytes[i] >= 0;
}

static void
cache(Reach *r, int i, int64_t format, int64_t slots, int64_t heads,
      int64_t ctx, int64_t dim)
{
	bool known = format >= 0 && format < CF_COUNT && dim >= 0;

	if (!known)
		r->ok = false;
	else
		reach(r, i, cache_row_bytes((CFormat)format, dim), slots, heads,
		      ctx, 1);
}

/* (n - 1) rows of stride ld and one of width w, in floats */
static void
strided(Reach *r, int i, int64_t n, int64_t ld, int64_t w)
{
	r->ok = r->ok && n >= 0 && ld >= w && w >= 0;
	floats(r, i, n, MAX(ld, w), 1, 1);
	if (r->ok && n)
		r->to->bytes[i] -= (ld - w) * (int64_t)sizeof(float);
}

static void
in_range(Reach *r, int64_t x, int64_t lo, int64_t hi)
{
	r->ok = r->ok && x >= lo && x < hi;
}

/* x of a product, as it comes */
static void
input(Reach *r, int i, int64_t m, int64_t k, int64_t format, int64_t rounded)
{
	in_range(r, rounded, 0, 2);
	in_range(r, format, 0, WF_COUNT);
	if (!rounded)
		floats(r, i, m, k, 1, 1);
	else
		reach(r, i, 1, rounded_size(m, k), 1, 1, 1);
	if (rounded && r->ok)
		r->ok = wformat_rounds((WFormat)format);
}

static void
extent_matmul(Reach *r)
{
	const int64_t *d = r->d, m = d[MATMUL_M], n = d[MATMUL_N],
		      k = d[MATMUL_K];

	in_range(r, d[MATMUL_ACT], 0, ACT_COUNT);
	floats(r, MATMUL_Y, m, n, 1, 1);
	input(r, MATMUL_X, m, k, d[MATMUL_FORMAT], d[MATMUL_ROUNDED]);
	packed(r, MATMUL_W, d[MATMUL_FORMAT], n, k);
	floats(r, MATMUL_BIAS, n, 1, 1, 1);
	floats(r, MATMUL_RES, m, n, 1, 1);
	needs(r, BUF(MATMUL_Y), BUF(MATMUL_Y) | BUF(MATMUL_X) | BUF(MATMUL_W));
}

static void
extent_gated(Reach *r)
{
	const int64_t *d = r->d, m = d[GATED_M], n = d[GATED_N], k = d[GATED_K];

	in_range(r, d[GATED_ACT], 0, ACT_COUNT);
	floats(r, GATED_Y, m, n, 1, 1);
	input(r, GATED_X, m, k, d[GATED_FORMAT], d[GATED_ROUNDED]);
	packed(r, GATED_G, d[GATED_FORMAT], n, k);
	packed(r, GATED_U, d[GATED_FORMAT], n, k);
	floats(r, GATED_GBIAS, n, 1, 1, 1);
	floats(r, GATED_UBIAS, n, 1, 1, 1);
	needs(r, BUF(GATED_Y),
	      BUF(GATED_Y) | BUF(GATED_X) | BUF(GATED_G) | BUF(GATED_U));
}

static void
extent_experts(Reach *r)
{
	const int64_t *d = r->d, m = d[EXPERTS_M], n = d[EXPERTS_N],
		      k = d[EXPERTS_K], count = d[EXPERTS_COUNT];

	in_range(r, d[EXPERTS_ACT], 0, ACT_COUNT);
	in_range(r, m, 0, INT32_MAX / 4);
	in_range(r, count, 1, INT32_MAX / 4);
	in_range(r, d[EXPERTS_SHARE], 1, INT32_MAX);
	in_range(r, n, 1, INT32_MAX);
	in_range(r, k, 1, INT32_MAX);
	if (!r->ok)
		return;
	floats(r, EXPERTS_Y, m, n, 1, 1);
	floats(r, EXPERTS_X, (m + d[EXPERTS_SHARE] - 1) / d[EXPERTS_SHARE], k,
	       1, 1);
	ints(r, EXPERTS_INDEX, m, 1);
	for (int i = EXPERTS_W; i <= EXPERTS_U; i++) {
		packed(r, i, d[EXPERTS_FORMAT], n, k);
		reach(r, i, r->to->bytes[i], count, 1, 1, 1);
	}
	floats(r, EXPERTS_BIAS, count, n, 1, 1);
	floats(r, EXPERTS_UBIAS, count, n, 1, 1);
	needs(r, BUF(EXPERTS_Y),
	      BUF(EXPERTS_Y) | BUF(EXPERTS_X) | BUF(EXPERTS_INDEX) |
	              BUF(EXPERTS_W));
}

static void
extent_merge(Reach *r)
{
	const int64_t *d = r->d;

	floats(r, MERGE_Y, d[MERGE_M], d[MERGE_N], 1, 1);
	floats(r, MERGE_X, d[MERGE_M], d[MERGE_K], d[MERGE_N], 1);
	floats(r, MERGE_W, d[MERGE_M], d[MERGE_K], 1, 1);
	needs(r, BUF(MERGE_Y), BUF(MERGE_Y) | BUF(MERGE_X) | BUF(MERGE_W));
}

static void
extent_round(Reach *r)
{
	const int64_t *d = r->d, m = d[ROUND_M], k = d[ROUND_K];

	floats(r, ROUND_X, m, k, 1, 1);
	input(r, ROUND_Y, m, k, d[ROUND_FORMAT], 1);
	needs(r, BUF(ROUND_Y), BUF(ROUND_Y) | BUF(ROUND_X));
}

static void
extent_embed(Reach *r)
{
	const int64_t *d = r->d;

	floats(r, EMBED_Y, d[EMBED_ROWS], d[EMBED_WIDTH], 1, 1);
	ints(r, EMBED_IDS, d[EMBED_ROWS], 1);
	packed(r, EMBED_TABLE, d[EMBED_FORMAT], d[EMBED_VOCAB], d[EMBED_WIDTH]);
	needs(r, BUF(EMBED_Y),
	      BUF(EMBED_Y) | BUF(EMBED_IDS) | BUF(EMBED_TABLE));
}

static void
norm(Reach *r)
{
	const int64_t *d = r->d, rows = d[NORM_ROWS], width = d[NORM_WIDTH];

	floats(r, NORM_Y, rows, width, 1, 1);
	floats(r, NORM_X, rows, width, 1, 1);
	floats(r, NORM_W, width, 1, 1, 1);
	floats(r, NORM_B, width, 1, 1, 1);
	floats(r, NORM_RES, rows, width, 1, 1);
	floats(r, NORM_SUM, rows, width, 1, 1);
	needs(r, BUF(NORM_Y) | BUF(NORM_SUM), BUF(NORM_Y) | BUF(NORM_X));
}

static void
extent_rmsnorm(Reach *r)
{
	norm(r);
}

static void
extent_layernorm(Reach *r)
{
	norm(r);
}

static void
extent_rope(Reach *r)
{
	const int64_t *d = r->d;

	in_range(r, d[ROPE_STYLE], 0, 2);
	in_range(r, d[ROPE_ROT], 0, d[ROPE_DIM] + 1);
	in_range(r, d[ROPE_ROT] & 1, 0, 1);
	in_range(r, d[ROPE_TABLE], 1, INT64_MAX);
	floats(r, ROPE_Y, d[ROPE_TOKENS], d[ROPE_HEADS], d[ROPE_DIM], 1);
	strided(r, ROPE_X, d[ROPE_TOKENS], d[ROPE_LDX],
	        mul_size(d[ROPE_HEADS], d[ROPE_DIM]));
	floats(r, ROPE_COS, d[ROPE_TABLE], d[ROPE_ROT], 1, 1);
	floats(r, ROPE_SIN, d[ROPE_TABLE], d[ROPE_ROT], 1, 1);
	ints(r, ROPE_POS, d[ROPE_TOKENS], 1);
	needs(r, BUF(ROPE_Y),
	      BUF(ROPE_Y) | BUF(ROPE_X) | BUF(ROPE_COS) | BUF(ROPE_SIN) |
	              BUF(ROPE_POS));
}

static void
extent_write(Reach *r)
{
	const int64_t *d = r->d;

	cache(r, WRITE_CACHE, d[WRITE_FORMAT], d[WRITE_SLOTS], d[WRITE_HEADS],
	      d[WRITE_CTX], d[WRITE_DIM]);
	strided(r, WRITE_X, mul_size(d[WRITE_BATCH], d[WRITE_SEQ]),
	        d[WRITE_LDX], mul_size(d[WRITE_HEADS], d[WRITE_DIM]));
	in_range(r, d[WRITE_RING], 0, d[WRITE_CTX] + 1);
	ints(r, WRITE_POS, d[WRITE_BATCH], d[WRITE_SEQ]);
	ints(r, WRITE_SLOT, d[WRITE_BATCH], 1);
	needs(r, BUF(WRITE_CACHE),
	      BUF(WRITE_CACHE) | BUF(WRITE_X) | BUF(WRITE_POS));
}

static void
heads_divide(Reach *r, int64_t heads, int64_t kv)
{
	r->ok = r->ok && heads > 0 && kv > 0 && heads % kv == 0;
}

/* [heads, 2 reach + 1] */
static void
biases(Reach *r, int i, int64_t heads, int64_t reach)
{
	in_range(r, reach, 0, INT32_MAX);
	floats(r, i, heads, add_size(mul_size(2, reach), 1), 1, 1);
}

static void
extent_attention(Reach *r)
{
	const int64_t *d = r->d, tokens = mul_size(d[ATTN_BATCH], d[ATTN_SEQ]);
	int64_t tail = d[ATTN_TDIM];

	heads_divide(r, d[ATTN_HEADS], d[ATTN_KV]);
	in_range(r, d[ATTN_WINDOW], 0, INT64_MAX);
	in_range(r, d[ATTN_LEN], 0, d[ATTN_CTX] + 1);
	in_range(r, d[ATTN_RING], 0, d[ATTN_CTX] + 1);
	floats(r, ATTN_Y, tokens, d[ATTN_HEADS], d[ATTN_VDIM], 1);
	strided(r, ATTN_Q, tokens, d[ATTN_LDQ],
	        mul_size(d[ATTN_HEADS], d[ATTN_DIM]));
	in_range(r, tail, 0, MAX(d[ATTN_DIM], 1));
	tail = r->ok ? tail : 0;
	cache(r, ATTN_K, d[ATTN_FORMAT], d[ATTN_SLOTS], d[ATTN_KV], d[ATTN_CTX],
	      d[ATTN_DIM] - tail);
	cache(r, ATTN_TAIL, d[ATTN_FORMAT], d[ATTN_SLOTS], d[ATTN_KV],
	      d[ATTN_CTX], tail);
	cache(r, ATTN_V, d[ATTN_FORMAT], d[ATTN_SLOTS], d[ATTN_KV], d[ATTN_CTX],
	      d[ATTN_VDIM]);
	ints(r, ATTN_POS, tokens, 1);
	ints(r, ATTN_SLOT, d[ATTN_BATCH], 1);
	floats(r, ATTN_SLOPE, d[ATTN_HEADS], 1, 1, 1);
	floats(r, ATTN_SINK, d[ATTN_HEADS], 1, 1, 1);
	biases(r, ATTN_BIAS, d[ATTN_HEADS], d[ATTN_REACH]);
	needs(r, BUF(ATTN_Y),
	      BUF(ATTN_Y) | BUF(ATTN_Q) | BUF(ATTN_K) | BUF(ATTN_V) |
	              BUF(ATTN_POS) | (tail ? BUF(ATTN_TAIL) : 0));
}

static void
extent_dense(Reach *r)
{
	const int64_t *d = r->d, q = mul_size(d[DENSE_BATCH], d[DENSE_SEQ]),
		      k = mul_size(d[DENSE_BATCH], d[DENSE_LEN]);
	int64_t last = -1;

	heads_divide(r, d[DENSE_HEADS], d[DENSE_KV]);
	floats(r, DENSE_Y, q, d[DENSE_HEADS], d[DENSE_VDIM], 1);
	strided(r, DENSE_Q, q, d[DENSE_LDQ],
	        mul_size(d[DENSE_HEADS], d[DENSE_DIM]));
	strided(r, DENSE_K, k, d[DENSE_LDK],
	        mul_size(d[DENSE_KV], d[DENSE_DIM]));
	strided(r, DENSE_V, k, d[DENSE_LDV],
	        mul_size(d[DENSE_KV], d[DENSE_VDIM]));
	if (r->ok && q > 0 && d[DENSE_LEN] > 0) {
		last = add_size(mul_size(d[DENSE_BATCH] - 1, d[DENSE_MB]),
		                mul_size(d[DENSE_HEADS] - 1, d[DENSE_MH]));
		last = add_size(last, mul_size(d[DENSE_SEQ] - 1, d[DENSE_MS]));
		last = add_size(last, d[DENSE_LEN]);
		r->ok = last >= 0;
	}
	floats(r, DENSE_MASK, MAX(last, 0), 1, 1, 1);
	biases(r, DENSE_BIAS, d[DENSE_HEADS], d[DENSE_REACH]);
	needs(r, BUF(DENSE_Y),
	      BUF(DENSE_Y) | BUF(DENSE_Q) | BUF(DENSE_K) | BUF(DENSE_V));
}

static void
extent_last(Reach *r)
{
	const int64_t *d = r->d;

	in_range(r, d[LAST_SEQ], 1, INT64_MAX);
	floats(r, LAST_Y, d[LAST_BATCH], d[LAST_WIDTH], 1, 1);
	floats(r, LAST_X, d[LAST_BATCH], d[LAST_SEQ], d[LAST_WIDTH], 1);
	ints(r, LAST_POS, d[LAST_BATCH], d[LAST_SEQ]);
	needs(r, BUF(LAST_Y), BUF(LAST_Y) | BUF(LAST_X) | BUF(LAST_POS));
}

/* Elements from the first to the last one that the strides reach. */
static int64_t
span(Reach *r, const int64_t *size, const int64_t *stride)
{
	int64_t n = 1;

	for (int i = 0; i < 6; i++) {
		r->ok = r->ok && size[i] >= 0 && stride[i] >= 0;
		if (!r->ok || !size[i])
			return 0;
	}
	for (int i = 0; i < 6; i++)
		n = add_size(n, mul_size(size[i] - 1, stride[i]));
	r->ok = n >= 0;
	return n;
}

static int64_t
dense(Reach *r, const int64_t *size)
{
	int64_t n = 1;

	for (int i = 0; i < 6; i++)
		n = mul_size(n, size[i]);
	r->ok = r->ok && n >= 0;
	return n;
}

static void
extent_binary(Reach *r)
{
	const int64_t *size = r->d + BINARY_SIZE;

	in_range(r, r->d[BINARY_OP], BIN_ADD, BIN_COUNT);
	floats(r, BINARY_Y, dense(r, size), 1, 1, 1);
	floats(r, BINARY_A, span(r, size, r->d + BINARY_SA), 1, 1, 1);
	floats(r, BINARY_B, span(r, size, r->d + BINARY_SB), 1, 1, 1);
	needs(r, BUF(BINARY_Y), BUF(BINARY_Y) | BUF(BINARY_A) | BUF(BINARY_B));
}

static void
extent_unary(Reach *r)
{
	in_range(r, r->d[UNARY_ACT], 0, ACT_COUNT);
	floats(r, UNARY_Y, r->d[UNARY_COUNT], 1, 1, 1);
	floats(r, UNARY_X, r->d[UNARY_COUNT], 1, 1, 1);
	needs(r, BUF(UNARY_Y), BUF(UNARY_Y) | BUF(UNARY_X));
}

static void
extent_softmax(Reach *r)
{
	floats(r, SOFTMAX_Y, r->d[SOFTMAX_ROWS], r->d[SOFTMAX_WIDTH], 1, 1);
	floats(r, SOFTMAX_X, r->d[SOFTMAX_ROWS], r->d[SOFTMAX_WIDTH], 1, 1);
	needs(r, BUF(SOFTMAX_Y), BUF(SOFTMAX_Y) | BUF(SOFTMAX_X));
}

static void
extent_copy(Reach *r)
{
	int64_t elem = r->d[COPY_ELEM];

	r->ok = elem == 1 || elem == 2 || elem == 4 || elem == 8;
	reach(r, COPY_Y, elem, dense(r, r->d + COPY_SIZE), 1, 1, 1);
	reach(r, COPY_X, elem, span(r, r->d + COPY_SIZE, r->d + COPY_STRIDE), 1,
	      1, 1);
	needs(r, BUF(COPY_Y), BUF(COPY_Y) | BUF(COPY_X));
}

/* Sizes of a window, small enough for any sum of them. */
static void
slide(Reach *r)
{
	for (int i = 0; i < SLIDE_MORE; i++)
		in_range(r, r->d[i], i == SLIDE_PT || i == SLIDE_PL ? 0 : 1,
		         INT32_MAX);
	floats(r, CONV_X, r->d[SLIDE_BATCH], r->d[SLIDE_H], r->d[SLIDE_W],
	       r->d[SLIDE_C]);
	floats(r, CONV_Y, r->d[SLIDE_BATCH], r->d[SLIDE_OH], r->d[SLIDE_OW],
	       r->d[SLIDE_M]);
	needs(r, BUF(CONV_Y), BUF(CONV_Y) | BUF(CONV_X));
}

static void
slide_weighs(Reach *r)
{
	in_range(r, r->d[CONV_ACT], 0, ACT_COUNT);
	in_range(r, r->d[CONV_POST], 0, ACT_COUNT);
	floats(r, CONV_BIAS, r->d[SLIDE_M], 1, 1, 1);
	r->to->bytes[CONV_RES] = r->to->bytes[CONV_Y];
	r->to->needed |= BUF(CONV_W);
}

static void
extent_conv(Reach *r)
{
	const int64_t *d = r->d, groups = d[CONV_GROUPS];
	int64_t taps = mul_size(d[SLIDE_KH], d[SLIDE_KW]), wide;

	slide(r);
	slide_weighs(r);
	in_range(r, groups, 1, INT32_MAX);
	r->ok = r->ok && d[SLIDE_C] % groups == 0 && d[SLIDE_M] % groups == 0;
	if (!r->ok)
		return;
	wide = (d[SLIDE_M] / groups + PANEL - 1) / PANEL * PANEL;
	packed(r, CONV_W, d[CONV_FORMAT], mul_size(groups, wide),
	       mul_size(taps, d[SLIDE_C] / groups));
}

static void
extent_depthwise(Reach *r)
{
	const int64_t *d = r->d;

	slide(r);
	slide_weighs(r);
	r->ok = r->ok && d[SLIDE_C] == d[SLIDE_M];
	floats(r, CONV_W, d[SLIDE_KH], d[SLIDE_KW], d[SLIDE_C], 1);
}

static void
extent_pool(Reach *r)
{
	slide(r);
	in_range(r, r->d[POOL_KIND], 0, SEE_COUNT);
	r->ok = r->ok && r->d[SLIDE_C] == r->d[SLIDE_M];
}

/* Elements from the first to the last one of b0 by b1 matrices, each of
 * `each` elements. */
static int64_t
matrices(Reach *r, int s0, int s1, int64_t each)
{
	int64_t n = mul_size(r->d[BMM_B0] - 1, r->d[s0]);

	n = add_size(n, mul_size(r->d[BMM_B1] - 1, r->d[s1]));
	n = add_size(n, each);
	r->ok = r->ok && r->d[s0] >= 0 && r->d[s1] >= 0 && n >= 0;
	return MAX(n, 0);
}

static void
extent_bmm(Reach *r)
{
	const int64_t *d = r->d;
	int64_t w;

	for (int i = 0; i <= BMM_K; i++)
		in_range(r, d[i], 1, INT64_MAX);
	in_range(r, d[BMM_WK], 0, INT64_MAX);
	in_range(r, d[BMM_WN], 0, INT64_MAX);
	if (!r->ok)
		return;
	w = add_size(mul_size(d[BMM_K] - 1, d[BMM_WK]),
	             mul_size(d[BMM_N] - 1, d[BMM_WN]));
	floats(r, BMM_Y, mul_size(d[BMM_B0], d[BMM_B1]), d[BMM_M], d[BMM_N], 1);
	floats(r, BMM_X,
	       matrices(r, BMM_XB0, BMM_XB1, mul_size(d[BMM_M], d[BMM_K])), 1,
	       1, 1);
	floats(r, BMM_W, matrices(r, BMM_WB0, BMM_WB1, add_size(w, 1)), 1, 1,
	       1);
	needs(r, BUF(BMM_Y), BUF(BMM_Y) | BUF(BMM_X) | BUF(BMM_W));
}

_Static_assert((int)POOL_Y == CONV_Y && (int)POOL_X == CONV_X,
               "slide() serves both");

static void (*const extent[K_COUNT])(Reach *) = {
#define KERNEL(id, name, fn, units, scratch, best) [K_##id] = extent_##fn,
#include "kernel/kernels.def"
#undef KERNEL
};

bool
step_extent(KernelId k, const Step *s, Extent *to)
{
	Reach r = {.d = s->dim, .to = to, .ok = true};

	memset(to, 0, sizeof *to);
	extent[k](&r);
	return r.ok;
}
