/* SPDX-License-Identifier: BSD-3-Clause
 * elementwise_generic.c - kernels that touch each element once: rotation,
 * cache rows, activations, arithmetic, copies.  The definition, and for those
 * that only move bytes the one version. */

#include "impl.h"

/* ---- rope ---- */

/* y, x [dim]; c, s [rot] */
static void
rotate(float *y, const float *x, const float *c, const float *s, int64_t rot,
       bool pairs)
{
	int64_t half = rot / 2;

	for (int64_t j = 0; j < half; j++) {
		int64_t a = pairs ? 2 * j : j, b = pairs ? a + 1 : j + half;
		int64_t jb = pairs ? j : b;
		float xa = x[a], xb = x[b];

		y[a] = xa * c[j] - xb * s[j];
		y[b] = xb * c[jb] + xa * s[jb];
	}
}

void
rope_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *d = s->dim, *pos = s->buf[ROPE_POS];
	int64_t heads = d[ROPE_HEADS], dim = d[ROPE_DIM], rot = d[ROPE_ROT];
	const float *cos = s->buf[ROPE_COS], *sin = s->buf[ROPE_SIN];

	(void)thread;
	for (int64_t u = begin; u < end; u++) {
		int64_t t = u / heads, h = u % heads, p = MAX(pos[t], 0);
		const float *x = (const float *)s->buf[ROPE_X] +
		                 t * d[ROPE_LDX] + h * dim;
		float *y = (float *)s->buf[ROPE_Y] + u * dim;

		p = MIN(p, d[ROPE_TABLE] - 1);
		rotate(y, x, cos + p * rot, sin + p * rot, rot, d[ROPE_STYLE]);
		if (y != x)
			memcpy(y + rot, x + rot,
			       (size_t)(dim - rot) * sizeof *y);
	}
}

/* ---- cache, last token ---- */

void
write_with(const Step *s, int64_t begin, int64_t end, SaveRowFn *save)
{
	const int64_t *d = s->dim, *slot = s->buf[WRITE_SLOT];
	int64_t heads = d[WRITE_HEADS], dim = d[WRITE_DIM];
	CFormat f = (CFormat)d[WRITE_FORMAT];
	int64_t bytes = cache_row_bytes(f, dim), ctx = d[WRITE_CTX];
	int64_t ring = d[WRITE_RING];

	for (int64_t u = begin; u < end; u++) {
		int64_t b = u / heads, h = u % heads, to = slot ? slot[b] : b;
		const int64_t *pos =
			(const int64_t *)s->buf[WRITE_POS] + b * d[WRITE_SEQ];
		const float *x = (const float *)s->buf[WRITE_X] +
		                 b * d[WRITE_SEQ] * d[WRITE_LDX] + h * dim;
		char *c = s->buf[WRITE_CACHE];

		if (to < 0 || to >= d[WRITE_SLOTS])
			continue;
		c += (to * heads + h) * ctx * bytes;
		for (int64_t i = 0; i < d[WRITE_SEQ]; i++, x += d[WRITE_LDX]) {
			int64_t at = ring ? pos[i] % ring : pos[i];

			if (pos[i] >= 0 && at < ctx)
				save(f, x, dim, c + at * bytes);
		}
	}
}

static void
save_row(CFormat f, const float *row, int64_t dim, char *out)
{
	ccodec[f].save(row, dim, out);
}

void
write_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	(void)thread;
	write_with(s, begin, end, save_row);
}

void
last_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t seq = s->dim[LAST_SEQ], width = s->dim[LAST_WIDTH];
	const float *x = s->buf[LAST_X];
	float *y = s->buf[LAST_Y];

	(void)thread;
	for (int64_t b = begin; b < end; b++) {
		const int64_t *pos =
			(const int64_t *)s->buf[LAST_POS] + b * seq;
		int64_t at = 0;

		for (int64_t i = 1; i < seq; i++)
			if (pos[i] > pos[at])
				at = i;
		memmove(y + b * width, x + (b * seq + at) * width,
		        (size_t)width * sizeof *y);
	}
}

/* ---- arithmetic ---- */

void
unary_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const float *x = s->buf[UNARY_X];
	float *y = s->buf[UNARY_Y];

	(void)thread;
	for (int64_t i = begin; i < end; i++)
		y[i] = act_apply((Act)s->dim[UNARY_ACT], x[i]);
}

/* y [n] = a op b, operands with strides sa, sb */
static void
arith(int64_t op, float *y, const float *a, int64_t sa, const float *b,
      int64_t sb, int64_t n)
{
	for (int64_t i = 0; i < n; i++, a += sa, b += sb)
		switch (op) {
		case BIN_ADD:
			y[i] = *a + *b;
			break;
		case BIN_SUB:
			y[i] = *a - *b;
			break;
		case BIN_MUL:
			y[i] = *a * *b;
			break;
		case BIN_DIV:
			y[i] = *a / *b;
			break;
		case BIN_MIN:
			y[i] = *a < *b || *a != *a ? *a : *b;
			break;
		case BIN_MAX:
			y[i] = *a > *b || *a != *a ? *a : *b;
			break;
		}
}

int64_t
offset6(int64_t at, const int64_t *size, const int64_t *stride)
{
	int64_t off = 0;

	for (int i = 5; i >= 0; i--) {
		off += at % size[i] * stride[i];
		at /= size[i];
	}
	return off;
}

void
binary_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	const int64_t *size = s->dim + BINARY_SIZE, *sa = s->dim + BINARY_SA;
	const int64_t *sb = s->dim + BINARY_SB;
	const float *a = s->buf[BINARY_A], *b = s->buf[BINARY_B];
	float *y = s->buf[BINARY_Y];

	(void)thread;
	while (begin < end) { /* to the end of a row */
		int64_t n = MIN(size[5] - begin % size[5], end - begin);

		arith(s->dim[BINARY_OP], y + begin,
		      a + offset6(begin, size, sa), sa[5],
		      b + offset6(begin, size, sb), sb[5], n);
		begin += n;
	}
}

/* ---- copy ---- */

/* y [n] = x with stride, elements of `elem` bytes */
static void
gather(char *y, const char *x, int64_t stride, int64_t n, int64_t elem)
{
	if (stride == elem) {
		memcpy(y, x, (size_t)(n * elem));
		return;
	}
	for (int64_t i = 0; i < n; i++, y += elem, x += stride)
		switch (elem) { /* the usual sizes as single moves */
		case 1:
			*y = *x;
			break;
		case 2:
			memcpy(y, x, 2);
			break;
		case 4:
			memcpy(y, x, 4);
			break;
		case 8:
			memcpy(y, x, 8);
			break;
		default:
			memcpy(y, x, (size_t)elem);
		}
}

/* The places of rows one after another: at[] counts them, off is where the
 * row begins in x. */
typedef struct Walk {
	const int64_t *size, *stride;
	int64_t at[6], off;
} Walk;

static Walk
walk_from(const Step *s, int64_t element)
{
	Walk w = {s->dim + COPY_SIZE, s->dim + COPY_STRIDE, {0}, 0};

	for (int i = 5; i >= 0; i--) {
		w.at[i] = element % w.size[i];
		w.off += w.at[i] * w.stride[i];
		element /= w.size[i];
	}
	return w;
}

/* To the first element of the next row. */
static void
walk_on(Walk *w)
{
	w->off -= w->at[5] * w->stride[5];
	w->at[5] = 0;
	for (int i = 4; i >= 0; i--) {
		w->off += w->stride[i];
		if (++w->at[i] < w->size[i])
			return;
		w->off -= w->size[i] * w->stride[i];
		w->at[i] = 0;
	}
}

void
copy_generic(const Step *s, int64_t begin, int64_t end, int thread)
{
	int64_t elem = s->dim[COPY_ELEM];
	char *y = (char *)s->buf[COPY_Y] + begin * elem;
	Walk w = walk_from(s, begin);

	(void)thread;
	for (int64_t n; begin < end; begin += n, y += n * elem, walk_on(&w)) {
		n = MIN(w.size[5] - w.at[5], end - begin);
		gather(y, (const char *)s->buf[COPY_X] + w.off * elem,
		       w.stride[5] * elem, n, elem);
	}
}
