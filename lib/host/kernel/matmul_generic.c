/* SPDX-License-Identifier: BSD-3-Clause
 * matmul_generic.c - products with packed weights, and rows of a packed
 * table: the definition.
 *
 * A panel [k][PANEL] is decoded some k at a time and meets ROWS rows of x;
 * sums are doubles, rounded once.  A row's sum does not see its neighbours.
 * Block formats meet x rounded to int8 blocks (round_x): what is summed is
 * exact in integers, and no other version sums anything else. */

#include "blocks.h"

enum { ROWS = 32, STRIPE = 256 };

/* x as a product sees it */
typedef struct Seen {
	WFormat f;
	int64_t m, k;
	const float *x; /* or, if it comes rounded: */
	Rounded rounded;
} Seen;

static Seen
seen(const Step *s)
{
	const int64_t *d = s->dim, m = d[MATMUL_M], k = d[MATMUL_K];
	Seen x = {(WFormat)d[MATMUL_FORMAT], m, k, s->buf[MATMUL_X], {0}};

	if (d[MATMUL_ROUNDED])
		x.rounded = rounded(s->buf[MATMUL_X], m, k);
	return x;
}

/* Block b of row r: q [BLOCK] and its step. */
static float
block_of(const Seen *s, int64_t r, int64_t b, int8_t *q)
{
	const Rounded *to = &s->rounded;
	const float *x = s->x + r * s->k + b * BLOCK;
	float t[BLOCK] = {0};
	char *p;

	if (!to->p) {
		memcpy(t, x, (size_t)MIN(BLOCK, s->k - b * BLOCK) * sizeof *x);
		return round_x(t, q);
	}
	p = to->p + (r / to->tall * to->blocks + b) * to->tall * ROUNDED_BYTES;
	memcpy(q, p + r % to->tall * BLOCK, BLOCK);
	return rounded_steps(p, to->tall)[r % to->tall];
}

void
round_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t m = s->dim[ROUND_M], k = s->dim[ROUND_K];
	Rounded to = rounded(s->buf[ROUND_Y], m, k);
	Seen x = {(WFormat)s->dim[ROUND_FORMAT], m, k, s->buf[ROUND_X], {0}};

	(void)thread;
	for (int64_t r = begin; r < end; r++)
		for (int64_t b = 0; b < to.blocks; b++) {
			int64_t i = r % to.tall;
			char *p = to.p + (r / to.tall * to.blocks + b) *
			                         to.tall * ROUNDED_BYTES;

			rounded_steps(p, to.tall)[i] =
				block_of(&x, r, b, (int8_t *)p + i * BLOCK);
		}
}

/* Inputs [k0, k0 + n) of row r; k0 at the start of a block. */
static void
inputs(const Seen *s, int64_t r, int64_t k0, int64_t n, double *out)
{
	int8_t q[BLOCK];
	double step;

	for (int64_t j = 0; j < n && !wformat_rounds(s->f); j++)
		out[j] = (double)s->x[r * s->k + k0 + j];
	for (int64_t j = 0; j < n && wformat_rounds(s->f); j += BLOCK) {
		step = (double)block_of(s, r, (k0 + j) / BLOCK, q);
		for (int64_t i = j; i < MIN(n, j + BLOCK); i++)
			out[i] = q[i - j] * step;
	}
}

/* acc [rows][PANEL] = rows r0.. of x . panel */
static void
sums(const Seen *s, const char *panel, int64_t r0, int64_t rows,
     double acc[][PANEL])
{
	float w[STRIPE * PANEL];
	double xs[STRIPE];

	const char *blocks = panel + head_bytes(s->f);

	memset(acc, 0, (size_t)rows * sizeof *acc);
	for (int64_t k0 = 0; k0 < s->k; k0 += STRIPE) {
		int64_t n = MIN(STRIPE, s->k - k0);

		wcodec[s->f].decode(blocks + blocks_bytes(s->f, k0), n, w);
		for (int64_t r = 0; r < rows; r++) {
			inputs(s, r0 + r, k0, n, xs);
			for (int64_t j = 0; j < n; j++)
				for (int i = 0; i < PANEL; i++)
					acc[r][i] += xs[j] *
					             (double)w[j * PANEL + i];
		}
	}
	for (int64_t r = 0; head_bytes(s->f) && r < rows; r++)
		for (int i = 0; i < PANEL; i++)
			acc[r][i] *= (double)head_step(s->f, panel, i);
}

void
matmul_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, m = d[MATMUL_M], n = d[MATMUL_N];
	const float *bias = s->buf[MATMUL_BIAS], *res = s->buf[MATMUL_RES];
	const char *w = s->buf[MATMUL_W];
	float *y = s->buf[MATMUL_Y];
	Seen x = seen(s);
	int64_t bytes = panel_bytes(x.f, x.k);
	double acc[ROWS][PANEL];

	(void)thread;
	for (int64_t p = begin; p < end; p++)
		for (int64_t r = 0; r < m; r++) {
			if (r % ROWS == 0)
				sums(&x, w + p * bytes, r, MIN(ROWS, m - r),
				     acc);
			for (int64_t i = p * PANEL; i < MIN(n, (p + 1) * PANEL);
			     i++) {
				double v = acc[r % ROWS][i % PANEL];
				float o =
					(float)(bias ? v + (double)bias[i] : v);

				o = act_apply((Act)d[MATMUL_ACT], o);
				y[r * n + i] = res ? o + res[r * n + i] : o;
			}
		}
}

void
gated_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, m = d[GATED_M], n = d[GATED_N];
	const float *gb = s->buf[GATED_GBIAS], *ub = s->buf[GATED_UBIAS];
	const char *gw = s->buf[GATED_G], *uw = s->buf[GATED_U];
	float *y = s->buf[GATED_Y];
	Seen x = seen(s);
	int64_t bytes = panel_bytes(x.f, x.k);
	double g[ROWS][PANEL], u[ROWS][PANEL];

	(void)thread;
	for (int64_t p = begin; p < end; p++)
		for (int64_t r = 0; r < m; r++) {
			if (r % ROWS == 0) {
				int64_t rows = MIN(ROWS, m - r);

				sums(&x, gw + p * bytes, r, rows, g);
				sums(&x, uw + p * bytes, r, rows, u);
			}
			for (int64_t i = p * PANEL; i < MIN(n, (p + 1) * PANEL);
			     i++) {
				double a = g[r % ROWS][i % PANEL];
				double b = u[r % ROWS][i % PANEL];

				a += gb ? (double)gb[i] : 0;
				b += ub ? (double)ub[i] : 0;
				y[r * n + i] =
					act_apply((Act)d[GATED_ACT], (float)a) *
					(float)b;
			}
		}
}

void
embed_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t width = s->dim[EMBED_WIDTH], vocab = s->dim[EMBED_VOCAB];
	const int64_t *ids = s->buf[EMBED_IDS];
	float *y = s->buf[EMBED_Y];

	(void)thread;
	y += begin * width;
	for (int64_t r = begin; r < end; r++, y += width) {
		int64_t id = ids[r] < 0 ? ids[r] + vocab : ids[r];

		if (id < 0 || id >= vocab) {
			memset(y, 0, (size_t)width * sizeof *y);
			continue;
		}
		unpack_row((WFormat)s->dim[EMBED_FORMAT], s->buf[EMBED_TABLE],
		           vocab, width, id, y);
		for (int64_t i = 0; i < width; i++)
			y[i] *= s->num[EMBED_MUL];
	}
}

int64_t
peak_generic(bool ints, int64_t turns)
{
	volatile float x = 1;
	volatile int8_t n = 1;
	float sum[8] = {0};
	int32_t count[8] = {0};

	for (int64_t t = 0; t < turns; t++) {
		float y = x;
		int32_t k = n;

		for (int i = 0; ints && i < 8; i++)
			count[i] += k * k;
		for (int i = 0; !ints && i < 8; i++)
			sum[i] += y * y;
	}
	x = sum[turns % 8];
	n = (int8_t)count[turns % 8];
	return 2 * 8 * turns;
}
