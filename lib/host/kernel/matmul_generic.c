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

/* x [n] of one row as the format's product sees it, into out. */
static void
seen(WFormat f, const float *x, int64_t n, double *out)
{
	float t[BLOCK];
	int8_t q[BLOCK];
	double step;

	if (wcodec[f].block == 1) {
		for (int64_t j = 0; j < n; j++)
			out[j] = (double)x[j];
		return;
	}
	for (int64_t j = 0; j < n; j += BLOCK) {
		memset(t, 0, sizeof t);
		memcpy(t, x + j, (size_t)MIN(BLOCK, n - j) * sizeof *x);
		step = (double)round_x(t, q);
		for (int64_t i = j; i < MIN(n, j + BLOCK); i++)
			out[i] = q[i - j] * step;
	}
}

/* acc [rows][PANEL] = x [rows, k] . panel */
static void
sums(WFormat f, const char *panel, const float *x, int64_t rows, int64_t k,
     double acc[][PANEL])
{
	float w[STRIPE * PANEL];
	double xs[STRIPE];

	memset(acc, 0, (size_t)rows * sizeof *acc);
	for (int64_t k0 = 0; k0 < k; k0 += STRIPE) {
		int64_t n = MIN(STRIPE, k - k0);

		wcodec[f].decode(panel + panel_bytes(f, k0), n, w);
		for (int64_t r = 0; r < rows; r++) {
			seen(f, x + r * k + k0, n, xs);
			for (int64_t j = 0; j < n; j++)
				for (int i = 0; i < PANEL; i++)
					acc[r][i] += xs[j] *
					             (double)w[j * PANEL + i];
		}
	}
}

void
matmul_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, m = d[MATMUL_M], n = d[MATMUL_N];
	const float *x = s->buf[MATMUL_X], *bias = s->buf[MATMUL_BIAS];
	const float *res = s->buf[MATMUL_RES];
	const char *w = s->buf[MATMUL_W];
	float *y = s->buf[MATMUL_Y];
	WFormat f = (WFormat)d[MATMUL_FORMAT];
	int64_t k = d[MATMUL_K], bytes = panel_bytes(f, k);
	double acc[ROWS][PANEL];

	(void)thread;
	for (int64_t p = begin; p < end; p++)
		for (int64_t r = 0; r < m; r++) {
			if (r % ROWS == 0)
				sums(f, w + p * bytes, x + r * k,
				     MIN(ROWS, m - r), k, acc);
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
	const float *x = s->buf[GATED_X];
	const float *gb = s->buf[GATED_GBIAS], *ub = s->buf[GATED_UBIAS];
	const char *gw = s->buf[GATED_G], *uw = s->buf[GATED_U];
	float *y = s->buf[GATED_Y];
	WFormat f = (WFormat)d[GATED_FORMAT];
	int64_t k = d[GATED_K], bytes = panel_bytes(f, k);
	double g[ROWS][PANEL], u[ROWS][PANEL];

	(void)thread;
	for (int64_t p = begin; p < end; p++)
		for (int64_t r = 0; r < m; r++) {
			if (r % ROWS == 0) {
				int64_t rows = MIN(ROWS, m - r);

				sums(f, gw + p * bytes, x + r * k, rows, k, g);
				sums(f, uw + p * bytes, x + r * k, rows, k, u);
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
