/* SPDX-License-Identifier: BSD-3-Clause */
/* impl.h - what the kernels share among themselves: formats as tables of
 * functions, the cutting of attention into rows, scalar activations.
 *
 * Nothing here allocates or fails: the compiler has checked every size. */

#ifndef IMPL_H
#define IMPL_H

#include "kernel.h"

/* ---- weights: pack.c ---- */

/* src [PANEL][ld] float, the first k of each row, into blocks at out.  The
 * last block of a row is filled up with zeros. */
typedef void EncodeFn(const float *src, int64_t ld, int64_t k, void *out);
/* k inputs of a panel, from a block's start, into out [k][PANEL]. */
typedef void DecodeFn(const void *blocks, int64_t k, float *out);

typedef struct WCodec {
	int64_t block, bytes;
	EncodeFn *encode;
	DecodeFn *decode;
} WCodec;

extern const WCodec wcodec[WF_COUNT];

/* Rows of x side by side in its rounded form: blocks.h, Rounded. */
enum { ROUNDED_ROWS = 16 };

/* Bytes of k inputs of one panel: of its blocks, and with what is before. */
int64_t blocks_bytes(WFormat, int64_t k);
int64_t panel_bytes(WFormat, int64_t k);

/* What is before the blocks of a panel: float [PANEL], steps that the sums of
 * its rows count in, or nothing. */
static inline int64_t
head_bytes(WFormat f)
{
	return f == WF_INT8_CHANNEL ? PANEL * (int64_t)sizeof(float) : 0;
}

/* The step of all of a row; 1 if there is no head. */
static inline float
head_step(WFormat f, const char *panel, int64_t row)
{
	float step = 1;

	if (head_bytes(f))
		memcpy(&step, panel + row * (int64_t)sizeof step, sizeof step);
	return step;
}

#define WFORMAT(id, name, block, bytes, fn, about)                             \
	EncodeFn encode_##fn;                                                  \
	DecodeFn decode_##fn;
#include "wformats.def"
#undef WFORMAT

/* ---- caches: cache.c ---- */

typedef void SaveFn(const float *row, int64_t dim, void *out);
typedef void LoadFn(const void *row, int64_t dim, float *out);

typedef struct CCodec {
	int64_t block, bytes;
	SaveFn *save;
	LoadFn *load;
} CCodec;

extern const CCodec ccodec[CF_COUNT];

#define CFORMAT(id, name, block, bytes, fn)                                    \
	SaveFn save_##fn;                                                      \
	LoadFn load_##fn;
#include "cformats.def"
#undef CFORMAT

/* ---- activations: act.c ---- */

float act_apply(Act, float);

/* ---- attention: units.c ----
 *
 * Heads of one group read the same keys, so that a unit is a run of rows of
 * one (batch, kv head): row r is query r / group of head kv * group +
 * r % group.  Both kernels, with and without cache, become this view. */
typedef struct Attn {
	int64_t batch, seq, heads, kv, group, dim, vdim;
	int64_t nkey;       /* rows of keys that exist */
	int64_t ring;       /* row j stands at j mod ring; 0: at j */
	int64_t rows;       /* of one unit, at most; see attn_unit() */
	CFormat format;     /* of keys and values */
	const char *k, *v;  /* row j of (slot, kv head): see attn_unit() */
	int64_t kb, kh, kj; /* bytes between batches or slots, heads, rows */
	int64_t vb, vh, vj;
	const char
		*t; /* NULL, or the last tdim of each key: latent attention */
	int64_t tdim, tb, th, tj;
	bool shared;    /* values are the first vdim of the keys */
	const float *q; /* [batch, seq] rows ldq apart */
	int64_t ldq;
	float *y;            /* [batch, seq, heads, vdim] */
	const int64_t *pos;  /* [batch, seq]; NULL: every key is seen */
	const int64_t *slot; /* [batch]; NULL: as batch */
	int64_t slots, window;
	const float *slope, *sink; /* [heads] or NULL */
	const float *mask;         /* or NULL */
	const float *bias;         /* [heads, 2 reach + 1], or NULL */
	int64_t reach;
	int64_t mb, mh, ms;
	float scale, cap;
} Attn;

/* Rows [r0, r1) of head `kv` of batch b, whose keys are at k and v, or NULL
 * if its slot does not exist; of a ring, `oldest` is the first key it has. */
typedef struct AttnUnit {
	int64_t b, kv, r0, r1, oldest;
	const char *k, *v, *t;
} AttnUnit;

/* One row: its query, output, mask (or NULL), the keys [lo, hi) it sees. */
typedef struct AttnRow {
	const float *q, *mask;
	float *y;
	int64_t lo, hi, p;
	int head;
} AttnRow;

/* Rows of a unit and keys of a block, at most. */
enum { ATTN_ROWS = 64, ATTN_KEYS = 64 };

/* Bias of a head's query at p and key j, by their distance. */
static inline float
attn_bias(const Attn *a, const AttnRow *w, int64_t j)
{
	int64_t d = MIN(MAX(j - w->p, -a->reach), a->reach);

	return a->bias[w->head * (2 * a->reach + 1) + a->reach + d];
}

/* Where key j stands. */
static inline int64_t
attn_slot(const Attn *a, int64_t j)
{
	return a->ring ? j % a->ring : j;
}

/* A row of floats in scratch takes so many. */
static inline int64_t
attn_pad(int64_t dim)
{
	return (dim + PANEL - 1) / PANEL * PANEL;
}

Attn attn_cached(const Step *);
Attn attn_dense(const Step *);
AttnUnit attn_unit(const Attn *, int64_t unit);
int64_t attn_oldest(const Attn *, int64_t b);
AttnRow attn_row(const Attn *, const AttnUnit *, int64_t r);

/* ---- products of activations: slide_generic.c ---- */

/* One unit: outputs at.. of one matrix, n of them. */
typedef struct Product {
	const float *x, *w; /* x [m, k]; w at its first column */
	float *y;           /* at its first output */
	int64_t at, n;
} Product;
Product bmm_unit(const Step *, int64_t unit);

/* ---- kernels: kernels.def ---- */

typedef int64_t UnitsFn(const Step *, int64_t *grain);
typedef int64_t ScratchFn(const Step *);
ScratchFn matmul_scratch, attn_scratch, dense_scratch, experts_scratch,
	conv_scratch, bmm_scratch;

#define KERNEL(id, name, fn, units, scratch, best)                             \
	UnitsFn units;                                                         \
	CostFn fn##_cost;                                                      \
	KernelFn fn##_generic, fn##_avx2, fn##_avx512, fn##_neon;
#include "kernels.def"
#undef KERNEL

PeakFn peak_generic, peak_avx2, peak_avx512, peak_neon;

/* elementwise_generic.c: offset of element `at` of a dense [size] of six
 * dimensions in an operand with strides */
int64_t offset6(int64_t at, const int64_t *size, const int64_t *stride);
/* experts with a way to multiply */
void experts_with(const Step *, int64_t begin, int64_t end, int thread,
                  KernelFn *matmul, KernelFn *gated);
/* cache_write with a way to save a row */
typedef void SaveRowFn(CFormat, const float *row, int64_t dim, char *out);
void write_with(const Step *, int64_t begin, int64_t end, SaveRowFn *);

static inline char *
step_scratch(const Step *s, int thread)
{
	return s->scratch + thread * s->scratch_stride;
}

#endif
