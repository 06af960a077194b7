/* SPDX-License-Identifier: BSD-3-Clause
 * kernel.h - what the compiler may call: packed weights and kernels.
 *
 * A kernel works on one Step: buffers, sizes and numbers whose meaning is
 * said below for each.  Its work is `units` independent pieces; a call does
 * the pieces [begin, end), each the same way whatever the cut, so results do
 * not depend on the number of threads.  Activations are float32, row-major,
 * dense unless said.  Each kernel is defined by its portable C version; those
 * for an instruction set are tested against it. */

#ifndef KERNEL_H
#define KERNEL_H

#include "ir.h"

/* ---- packed weights: pack.c, wformats.def ----
 *
 * A matrix W [n, k] (n outputs, k inputs) is packed in panels of PANEL rows:
 * panel p holds rows p*PANEL.., for each k the PANEL elements side by side
 * (missing rows are zero), so that a kernel streams it once from first byte to
 * last.  Block-scaled formats keep their scales inside the panel. */
enum { PANEL = 16 };

typedef enum WFormat {
#define WFORMAT(id, name, block, bytes, fn, about) WF_##id,
#include "wformats.def"
#undef WFORMAT
	WF_COUNT
} WFormat;

typedef struct WFormatInfo {
	const char *name, *about;
} WFormatInfo;

extern const WFormatInfo wformats[WF_COUNT];
WFormat wformat_by_name(const char *); /* WF_COUNT: none; also aliases */

/* Bytes of a packed [n, k]; -1 on overflow. */
int64_t pack_size(WFormat, int64_t n, int64_t k);
/* Where the matrix is read from: element (i, j) at p[i * sn + j * sk]. */
typedef struct PackSource {
	const void *p; /* unaligned allowed */
	DType type;    /* one that pack_reads() */
	int64_t n, k, sn, sk;
} PackSource;
bool pack_reads(DType); /* may be the type of a source */
/* Packs panels [begin, end) into out, which is where panel `begin` goes. */
void pack_panels(WFormat, const PackSource *, int64_t begin, int64_t end,
                 void *out);
/* Whether products with the format see x rounded to int8. */
bool wformat_rounds(WFormat);
int64_t rounded_size(int64_t m, int64_t k); /* bytes; -1 on overflow */
/* How far a panel, packed at `blocks`, is from its source: sums of squares of
 * the differences and of the source's elements. */
typedef struct PackError {
	double diff, norm;
} PackError;
PackError pack_error(WFormat, const PackSource *, int64_t panel,
                     const void *blocks);
/* Row i as float32, exactly what the kernels compute with. */
void unpack_row(WFormat, const void *packed, int64_t n, int64_t k, int64_t i,
                float *out);

/* ---- activations, caches ---- */

typedef enum Act {
#define ACT(id, name, formula) ACT_##id,
#include "acts.def"
#undef ACT
	ACT_COUNT
} Act;
Act act_by_name(const char *); /* ACT_COUNT: none */

/* Formats of a key or value cache [batch, heads, ctx, dim] */
typedef enum CFormat {
#define CFORMAT(id, name, block, bytes, fn) CF_##id,
#include "cformats.def"
#undef CFORMAT
	CF_COUNT
} CFormat;
CFormat cformat_by_name(const char *);
const char *cformat_name(CFormat);
int64_t cache_row_bytes(CFormat, int64_t dim); /* of one [dim] row */

/* ---- steps ---- */

enum { STEP_BUF = 16, STEP_DIM = 24, STEP_NUM = 8 };

typedef struct Step {
	void *buf[STEP_BUF]; /* NULL: left out */
	int64_t dim[STEP_DIM];
	float num[STEP_NUM];
	char *scratch; /* what the kernel asks for, for each thread; aligned */
	int64_t scratch_stride; /* to 16 bytes, as is each thread's part */
} Step;

typedef void KernelFn(const Step *, int64_t begin, int64_t end, int thread);

/* What a step takes at the least. */
typedef struct Cost {
	int64_t bytes[STEP_BUF]; /* moved, of each buffer */
	int64_t flops, ints;     /* operations on floats, on int8 */
	const char *format;      /* of the weights or the cache, or NULL */
} Cost;

/* bytes come in as what each buffer may reach; the rest is zero. */
typedef void CostFn(const Step *, Cost *);

typedef struct Kernel {
	const char *name;
	/* Number of pieces, and how many at least belong together. */
	int64_t (*units)(const Step *, int64_t *grain);
	int64_t (*scratch)(const Step *); /* bytes a thread; NULL: none */
	CostFn *cost;
	KernelFn *fn; /* of the instruction set chosen */
} Kernel;

typedef enum KernelId {
#define KERNEL(id, name, fn, units, scratch, best) K_##id,
#include "kernels.def"
#undef KERNEL
	K_COUNT
} KernelId;

/* Kernels for the best instruction set that this processor has and that is
 * not above `isa` ("generic" "avx2" "avx512" "neon"; NULL: no bound), or NULL
 * if there is no such name.  A kernel without a version of its own takes the
 * next lower one. */
const Kernel *kernels_for(const char *isa);
const char *kernels_isa(const Kernel *); /* its name */

/* The limit of its arithmetic: `turns` turns of multiply-adds in registers
 * alone, of float32 or, `ints`, of int8 as the matrix kernels do them; returns
 * the operations done, two a multiply-add. */
typedef int64_t PeakFn(bool ints, int64_t turns);
PeakFn *kernels_peak(const Kernel *);

/* y [m, n] = act(x [m, k] . W^T + bias [n]) + res [m, n]
 * w: packed [n, k].  y may be res.  units: panels of n.
 * A row of y has the same bits whatever m is and whatever the other rows are.
 * Block formats (int8, mxfp6, ...) see x rounded to int8 in blocks of 32. */
enum { MATMUL_Y, MATMUL_X, MATMUL_W, MATMUL_BIAS, MATMUL_RES };
enum {
	MATMUL_M,
	MATMUL_N,
	MATMUL_K,
	MATMUL_FORMAT,
	MATMUL_ACT,
	MATMUL_ROUNDED /* 1: x is what the kernel `round` made of it */
};

/* y [m, n] = act(x . G^T + gbias) * (x . U^T + ubias); both packed [n, k] */
enum { GATED_Y, GATED_X, GATED_G, GATED_U, GATED_GBIAS, GATED_UBIAS };
enum { GATED_M, GATED_N, GATED_K, GATED_FORMAT, GATED_ACT, GATED_ROUNDED };

/* y = x [m, k] rounded to int8 blocks for products with weights of a block
 * format, in a form of the instruction set's own, rounded_size() bytes.  A
 * product rounds its x itself, in every thread, unless it comes so. */
enum { ROUND_Y, ROUND_X };
enum { ROUND_M, ROUND_K, ROUND_FORMAT };

/* Row r of y [m, n] = act(x . W^T + bias), where x is row r / share of x
 * [m / share, k] and W, bias those of matrix index[r] (int64) out of count:
 * packed [n, k] one behind the other, [count, n].  With U and ubias:
 * act(..) * (x . U^T + ubias), or, with a limit,
 * act(min(.., limit)) * (clip(x . U^T + ubias, -limit, limit) + 1).
 * A row whose index is outside is left as it is.  Rows as in matmul. */
enum {
	EXPERTS_Y,
	EXPERTS_X,
	EXPERTS_INDEX,
	EXPERTS_W,
	EXPERTS_U,
	EXPERTS_BIAS,
	EXPERTS_UBIAS
};
enum {
	EXPERTS_M,
	EXPERTS_N,
	EXPERTS_K,
	EXPERTS_COUNT,
	EXPERTS_SHARE,
	EXPERTS_FORMAT,
	EXPERTS_ACT
};
enum { EXPERTS_LIMIT };

/* y [m, n] = sum over j of w [m, k] * x [m, k, n], in order */
enum { MERGE_Y, MERGE_X, MERGE_W };
enum { MERGE_M, MERGE_K, MERGE_N };

/* y [rows, width] = table[ids[r]] * num[0], table packed [vocab, width].
 * ids int64; negative ones count from the end; out of range: zeros. */
enum { EMBED_Y, EMBED_IDS, EMBED_TABLE };
enum { EMBED_ROWS, EMBED_WIDTH, EMBED_VOCAB, EMBED_FORMAT };
enum { EMBED_MUL };

/* s = x [rows, width] (+ res); sum = s if wanted;
 * rms: y = s * rsqrt(mean(s^2) + eps) * w      (w NULL: 1)
 * ln:  y = (s - mean) * rsqrt(var + eps) * w + b, population variance.
 * Sums in double or pairwise: error near one float32 rounding. */
enum { NORM_Y, NORM_X, NORM_W, NORM_B, NORM_RES, NORM_SUM };
enum { NORM_ROWS, NORM_WIDTH };
enum { NORM_EPS };

/* y, x [tokens, heads, dim]: rotates the first rot elements of each head by
 * rows pos[t] of cos, sin [table, rot] (both halves filled, as HF builds
 * them); the rest is copied.  style 0: half-split pairs (j, j + rot/2); 1:
 * interleaved pairs (2j, 2j + 1) with cos[j], sin[j] of the first half.
 * ldx: elements between tokens of x, y's is heads * dim.  pos int64 [tokens];
 * negative ones take row 0. */
enum { ROPE_Y, ROPE_X, ROPE_COS, ROPE_SIN, ROPE_POS };
enum {
	ROPE_TOKENS,
	ROPE_HEADS,
	ROPE_DIM,
	ROPE_ROT,
	ROPE_STYLE,
	ROPE_TABLE,
	ROPE_LDX
};

/* cache [slots, heads, ctx, dim] (format) row pos[b][s] of slot b (or
 * slot[b]) = x [batch, seq, heads, dim]; pos < 0 or >= ctx is skipped.  With a
 * ring of so many rows, 0 < ring <= ctx, it is row pos mod ring. */
enum { WRITE_CACHE, WRITE_X, WRITE_POS, WRITE_SLOT };
enum {
	WRITE_BATCH,
	WRITE_SEQ,
	WRITE_HEADS,
	WRITE_DIM,
	WRITE_CTX,
	WRITE_FORMAT,
	WRITE_LDX,
	WRITE_SLOTS,
	WRITE_RING
};

/* Attention over a cache that already holds this call's keys and values.
 * y [batch, seq, heads, vdim]; q [batch, seq, heads, dim]; k [slots, kv, ctx,
 * dim], v [slots, kv, ctx, vdim] (format); pos int64 [batch, seq].
 * Query at p sees rows j with p - window < j <= p (window 0: all j <= p):
 * score = cap(q.k * scale + slope[h] * (j - p) + bias[h][j - p]), cap(x) =
 * c * tanh(x / c) if c > 0; bias [heads, 2 * reach + 1] begins at distance
 * -reach, and distances beyond are those of its ends; softmax over the scores
 * and, if given, the sink[h] (its weight is dropped).  Rows with p < 0 give zeros.  Head h uses kv head h / (heads/kv).
 * Of the ctx rows of a slot the first len are seen (0: all).
 * With a tail [slots, kv, ctx, tdim] (format), k is [slots, kv, ctx, dim -
 * tdim] and a key the row of k with that of the tail behind it; v may be k.
 * With a ring of so many rows, 0 < ring <= ctx, row j stands at j mod ring:
 * the newest `ring` rows up to the largest position of the batch row exist.
 * Work follows the position reached, not ctx. */
enum {
	ATTN_Y,
	ATTN_Q,
	ATTN_K,
	ATTN_V,
	ATTN_POS,
	ATTN_SLOT,
	ATTN_SLOPE,
	ATTN_SINK,
	ATTN_BIAS,
	ATTN_TAIL
};
enum {
	ATTN_BATCH,
	ATTN_SEQ,
	ATTN_HEADS,
	ATTN_KV,
	ATTN_DIM,
	ATTN_VDIM,
	ATTN_CTX,
	ATTN_WINDOW,
	ATTN_FORMAT,
	ATTN_LDQ,
	ATTN_SLOTS,
	ATTN_REACH,
	ATTN_LEN,
	ATTN_TDIM,
	ATTN_RING
};
enum { ATTN_SCALE, ATTN_CAP };

/* Attention without a cache.  y [batch, seq, heads, vdim]; q [batch, seq,
 * heads, dim]; k, v [batch, len, kv, dim / vdim]; mask: float32 added to the
 * scaled score, element (b, h, s, t) at b*mb + h*mh + s*ms + t, or left out;
 * bias as above, of t - s.
 * A row whose every score is -inf gives zeros. */
enum { DENSE_Y, DENSE_Q, DENSE_K, DENSE_V, DENSE_MASK, DENSE_BIAS };
enum {
	DENSE_BATCH,
	DENSE_SEQ,
	DENSE_LEN,
	DENSE_HEADS,
	DENSE_KV,
	DENSE_DIM,
	DENSE_VDIM,
	DENSE_MB,
	DENSE_MH,
	DENSE_MS,
	DENSE_LDQ,
	DENSE_LDK,
	DENSE_LDV,
	DENSE_REACH
};
enum { DENSE_SCALE, DENSE_CAP };

/* y [batch, width] = x [batch, seq, width] at the first s with the largest
 * pos[b][s] (int64 [batch, seq]): the last real token of each row. */
enum { LAST_Y, LAST_X, LAST_POS };
enum { LAST_BATCH, LAST_SEQ, LAST_WIDTH };

/* What slides over images x [batch, h, w, c], channels last, and gives y
 * [batch, oh, ow, m]: output (i, j) sees rows i*sh - pt + a*dh, a < kh, and
 * columns alike; what lies outside the image is padding. */
enum {
	SLIDE_BATCH,
	SLIDE_H,
	SLIDE_W,
	SLIDE_C,
	SLIDE_OH,
	SLIDE_OW,
	SLIDE_M,
	SLIDE_KH,
	SLIDE_KW,
	SLIDE_SH,
	SLIDE_SW,
	SLIDE_PT,
	SLIDE_PL,
	SLIDE_DH,
	SLIDE_DW,
	SLIDE_MORE
};

/* y = post(act(x * W + bias [m]) + res), zeros for padding; res as y.
 * W: packed [groups * mg, kh * kw * c / groups], mg: m / groups rounded up to
 * whole panels; the inputs of a row are ordered (kh, kw, channel).
 * Sums as those of matmul; units: runs of pixels by runs of outputs. */
enum { CONV_Y, CONV_X, CONV_W, CONV_BIAS, CONV_RES };
enum { CONV_GROUPS = SLIDE_MORE, CONV_FORMAT, CONV_ACT, CONV_POST };

/* depthwise: the same with as many groups as channels, m = c; CONV_W: float32
 * [kh, kw, c].  units: rows of y. */

/* y = the largest, or the mean, of what is seen; MEAN_ALL counts padding.
 * Every window sees at least one pixel.  units: rows of y. */
enum { SEE_MAX, SEE_MEAN, SEE_MEAN_ALL, SEE_COUNT };
enum { POOL_Y, POOL_X };
enum { POOL_KIND = SLIDE_MORE };

/* y [b0, b1, m, n] = x [b0, b1, m, k] . w, where w's element (i, j, row, col)
 * stands at i*wb0 + j*wb1 + row*wk + col*wn, and matrix (i, j) of x at
 * i*xb0 + j*xb1, dense. */
enum { BMM_Y, BMM_X, BMM_W };
enum {
	BMM_B0,
	BMM_B1,
	BMM_M,
	BMM_N,
	BMM_K,
	BMM_XB0,
	BMM_XB1,
	BMM_WB0,
	BMM_WB1,
	BMM_WK,
	BMM_WN
};

/* y = a op b, up to 6 dimensions (outermost first, missing ones 1), each
 * operand with its own strides in elements (0: stretched); y dense.
 * op: BIN_* below */
enum { BIN_ADD, BIN_SUB, BIN_MUL, BIN_DIV, BIN_MIN, BIN_MAX, BIN_COUNT };
enum { BINARY_Y, BINARY_A, BINARY_B };
enum {
	BINARY_OP,
	BINARY_SIZE,
	BINARY_SA = BINARY_SIZE + 6,
	BINARY_SB = BINARY_SA + 6
};

/* y = act(x), count elements; y may be x */
enum { UNARY_Y, UNARY_X };
enum { UNARY_COUNT, UNARY_ACT };

/* y = softmax over the last axis of x [rows, width]; y may be x */
enum { SOFTMAX_Y, SOFTMAX_X };
enum { SOFTMAX_ROWS, SOFTMAX_WIDTH };

/* y dense = x with strides, up to 6 dimensions, elements of `size` bytes */
enum { COPY_Y, COPY_X };
enum { COPY_ELEM, COPY_SIZE, COPY_STRIDE = COPY_SIZE + 6 };

#endif
