/* SPDX-License-Identifier: BSD-3-Clause
 * pack.c - weight matrices into panels, and rows back out.
 *
 * Panel p of W [n, k] holds rows p*PANEL.. as blocks one after another, each
 * block some consecutive k of all PANEL rows.  The float formats have blocks
 * of one k: PANEL elements side by side.  Rows beyond n are zero, so that no
 * kernel looks at n before it writes. */

#include <assert.h>
#include <math.h>

#include "impl.h"

enum { STRIPE = 256 }; /* k at a time; a multiple of every block */

const WFormatInfo wformats[WF_COUNT] = {
#define WFORMAT(id, name, block, bytes, fn, about) [WF_##id] = {name, about},
#include "wformats.def"
#undef WFORMAT
};

const WCodec wcodec[WF_COUNT] = {
#define WFORMAT(id, name, block, bytes, fn, about)                             \
	[WF_##id] = {block, bytes, encode_##fn, decode_##fn},
#include "wformats.def"
#undef WFORMAT
};

#define WFORMAT(id, name, block, bytes, fn, about)                             \
	_Static_assert(STRIPE % (block) == 0, name);
#include "wformats.def"
#undef WFORMAT

WFormat
wformat_by_name(const char *name)
{
	DType t = dtype_by_name(name); /* knows what people type for float16 */
	WFormat f = 0;

	if (strcmp(name, "mxfp6-e2m3") == 0)
		return WF_MXFP6;
	if (t != DT_NONE)
		name = dtypes[t].name;
	while (f < WF_COUNT && strcmp(wformats[f].name, name) != 0)
		f++;
	return f;
}

int64_t
blocks_bytes(WFormat f, int64_t k)
{
	const WCodec *w = &wcodec[f];

	return mul_size(k / w->block + (k % w->block != 0), w->bytes);
}

int64_t
panel_bytes(WFormat f, int64_t k)
{
	return add_size(head_bytes(f), blocks_bytes(f, k));
}

int64_t
pack_size(WFormat f, int64_t n, int64_t k)
{
	if (n < 0 || k < 0)
		return -1;
	return mul_size(n / PANEL + (n % PANEL != 0), panel_bytes(f, k));
}

bool
wformat_rounds(WFormat f)
{
	return wcodec[f].block != 1;
}

/* ---- codecs of the float formats ---- */

void
encode_f32(const float *src, int64_t ld, int64_t k, void *out)
{
	float *o = out;

	for (int64_t j = 0; j < k; j++)
		for (int i = 0; i < PANEL; i++)
			*o++ = src[i * ld + j];
}

void
decode_f32(const void *blocks, int64_t k, float *out)
{
	memcpy(out, blocks, (size_t)k * PANEL * sizeof *out);
}

void
encode_f16(const float *src, int64_t ld, int64_t k, void *out)
{
	uint16_t *o = out;

	for (int64_t j = 0; j < k; j++)
		for (int i = 0; i < PANEL; i++)
			*o++ = f32_to_f16(src[i * ld + j]);
}

void
decode_f16(const void *blocks, int64_t k, float *out)
{
	const uint16_t *w = blocks;

	for (int64_t i = 0; i < k * PANEL; i++)
		out[i] = f16_to_f32(w[i]);
}

void
encode_bf16(const float *src, int64_t ld, int64_t k, void *out)
{
	uint16_t *o = out;

	for (int64_t j = 0; j < k; j++)
		for (int i = 0; i < PANEL; i++)
			*o++ = f32_to_bf16(src[i * ld + j]);
}

void
decode_bf16(const void *blocks, int64_t k, float *out)
{
	const uint16_t *w = blocks;

	for (int64_t i = 0; i < k * PANEL; i++)
		out[i] = bf16_to_f32(w[i]);
}

/* ---- reading a source ---- */

/* n elements `step` bytes apart from p, as float32. */
typedef void ReadFn(const char *p, int64_t step, int64_t n, float *out);

#define READER(fn, T, expr)                                                    \
	static void fn(const char *p, int64_t step, int64_t n, float *out)     \
	{                                                                      \
		enum { SOME = 16 }; /* side by side: in vectors */             \
		bool close = step == (int64_t)sizeof(T);                       \
		T x;                                                           \
                                                                               \
		for (; close && n >= SOME; n -= SOME, out += SOME) {           \
			for (int i = 0; i < SOME; i++, p += sizeof x) {        \
				memcpy(&x, p, sizeof x);                       \
				out[i] = (expr);                               \
			}                                                      \
		}                                                              \
		for (int64_t i = 0; i < n; i++, p += step) {                   \
			memcpy(&x, p, sizeof x);                               \
			out[i] = (expr);                                       \
		}                                                              \
	}

READER(read_f32, float, x)
/* Bits move up: inline, because models are mostly made of these. */
static inline float
widen_bf16(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, sizeof f);
	return f;
}

READER(read_f16, uint16_t, f16_to_f32(x))
READER(read_bf16, uint16_t, widen_bf16(x))
READER(read_f64, double, (float)x)
READER(read_i8, int8_t, (float)x)
READER(read_u8, uint8_t, (float)x)
READER(read_i32, int32_t, (float)x)

static ReadFn *const readers[DT_COUNT] = {
	[DT_F32] = read_f32, [DT_F16] = read_f16, [DT_BF16] = read_bf16,
	[DT_F64] = read_f64, [DT_I8] = read_i8,   [DT_U8] = read_u8,
	[DT_I32] = read_i32,
};

bool
pack_reads(DType t)
{
	return readers[t] != NULL;
}

/* Rows row.. of s, inputs [k0, k0 + k), into tile [PANEL][STRIPE]. */
static void
read_tile(const PackSource *s, int64_t row, int64_t k0, int64_t k, float *tile)
{
	int64_t size = (int64_t)dtypes[s->type].size;

	for (int i = 0; i < PANEL; i++, tile += STRIPE) {
		if (row + i < s->n)
			readers[s->type]((const char *)s->p +
			                         ((row + i) * s->sn +
			                          k0 * s->sk) *
			                                 size,
			                 s->sk * size, k, tile);
		else
			memset(tile, 0, (size_t)k * sizeof *tile);
	}
}

/* Steps of whole rows: the largest of each is 127 of them. */
static void
put_steps(const PackSource *s, int64_t panel, float *tile, char *out)
{
	float step[PANEL] = {0};

	for (int64_t k0 = 0; k0 < s->k; k0 += STRIPE) {
		int64_t k = MIN(STRIPE, s->k - k0);

		read_tile(s, panel * PANEL, k0, k, tile);
		for (int i = 0; i < PANEL; i++)
			for (int64_t j = 0; j < k; j++) {
				float x = fabsf(tile[i * STRIPE + j]) / 127;

				if (x > step[i] || isnan(x))
					step[i] = x;
			}
	}
	for (int i = 0; i < PANEL; i++) /* 127 of it must be finite */
		step[i] = isfinite(step[i]) ? fminf(step[i], 0x1p121f) : NAN;
	memcpy(out, step, sizeof step);
}

/* A tile in steps; none where there is no step. */
static void
count_steps(const char *head, int64_t k, float *tile)
{
	for (int i = 0; i < PANEL; i++, tile += STRIPE) {
		float step = head_step(WF_INT8_CHANNEL, head, i);

		for (int64_t j = 0; j < k; j++)
			tile[j] = step > 0 ? tile[j] / step : 0;
	}
}

static void
pack_panel(WFormat f, const PackSource *s, int64_t panel, char *out)
{
	int64_t head = head_bytes(f);
	float tile[PANEL * STRIPE];

	if (head)
		put_steps(s, panel, tile, out);
	for (int64_t k0 = 0; k0 < s->k; k0 += STRIPE) {
		int64_t k = MIN(STRIPE, s->k - k0);

		read_tile(s, panel * PANEL, k0, k, tile);
		if (head)
			count_steps(out, k, tile);
		wcodec[f].encode(tile, STRIPE, k,
		                 out + head + blocks_bytes(f, k0));
	}
}

/* Elements of two bytes change place only; so that bytes are moved, not
 * converted. */
static void
move_panel(const PackSource *s, int64_t panel, uint16_t *out)
{
	const char *p = s->p;

	for (int64_t i = 0; i < PANEL; i++) {
		int64_t row = panel * PANEL + i;
		const char *q = p + row * s->sn * 2;

		for (int64_t j = 0; j < s->k; j++, q += s->sk * 2)
			if (row < s->n)
				memcpy(&out[j * PANEL + i], q, 2);
			else
				out[j * PANEL + i] = 0;
	}
}

void
pack_panels(WFormat f, const PackSource *s, int64_t begin, int64_t end,
            void *out)
{
	bool same = (f == WF_F16 && s->type == DT_F16) ||
	            (f == WF_BF16 && s->type == DT_BF16);
	int64_t bytes = panel_bytes(f, s->k);
	char *o = out;

	for (int64_t p = begin; p < end; p++, o += bytes)
		if (same)
			move_panel(s, p, (uint16_t *)o);
		else
			pack_panel(f, s, p, o);
}

PackError
pack_error(WFormat f, const PackSource *s, int64_t panel, const void *blocks)
{
	float want[PANEL * STRIPE], got[STRIPE * PANEL];
	const char *p = (const char *)blocks + head_bytes(f);
	PackError e = {0, 0};

	for (int64_t k0 = 0; k0 < s->k; k0 += STRIPE) {
		int64_t k = MIN(STRIPE, s->k - k0);

		read_tile(s, panel * PANEL, k0, k, want);
		wcodec[f].decode(p + blocks_bytes(f, k0), k, got);
		for (int64_t i = 0; i < PANEL; i++)
			for (int64_t j = 0; j < k; j++) {
				double x = (double)want[i * STRIPE + j];
				float v = got[j * PANEL + i] *
				          head_step(f, blocks, i);
				double d = (double)v - x;

				e.diff += d * d;
				e.norm += x * x;
			}
	}
	return e;
}

void
unpack_row(WFormat f, const void *packed, int64_t n, int64_t k, int64_t i,
           float *out)
{
	const char *p = packed;
	float tile[STRIPE * PANEL], step;

	assert(i >= 0 && i < n);
	(void)n;
	p += i / PANEL * panel_bytes(f, k);
	step = head_step(f, p, i % PANEL);
	p += head_bytes(f);
	for (int64_t k0 = 0; k0 < k; k0 += STRIPE) {
		int64_t m = MIN(STRIPE, k - k0);

		wcodec[f].decode(p + blocks_bytes(f, k0), m, tile);
		for (int64_t j = 0; j < m; j++)
			out[k0 + j] = tile[j * PANEL + i % PANEL] * step;
	}
}
