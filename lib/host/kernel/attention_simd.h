/* SPDX-License-Identifier: BSD-3-Clause */
/* attention_simd.h - attention, over vec_*.h.
 *
 * A unit is up to ATTN_ROWS rows that share keys.  It walks them in blocks of
 * ATTN_KEYS that begin at multiples of ATTN_KEYS, whatever the rows: scores
 * of all rows, softmax so far (rescaled when a larger score comes), weighted
 * values.  A row's arithmetic depends on its own range of keys alone, so that
 * it gives the same bits in any company; keys that it does not see may hold
 * anything.
 *
 * scratch of a unit, floats, widths padded to PANEL:
 *   score [rows][KEYS]  q [rows][dim]  num, part [rows][vdim]
 *   k [KEYS][dim]  v [KEYS][vdim]      where the cache is not read in place
 * 16-bit caches are widened in registers, or once for many rows.  Keys
 * that come in two parts are brought together there; where the first part is
 * the values too, these are read from it. */

#ifndef ATTENTION_SIMD_H
#define ATTENTION_SIMD_H

enum { KEYS = ATTN_KEYS, WIDEN_ROWS = 8 };

typedef struct Work {
	const Attn *a;
	AttnUnit u;
	int64_t rows, dim, vdim; /* padded */
	float *score, *q, *num, *part, *kbuf, *vbuf;
	float top[ATTN_ROWS], den[ATTN_ROWS];
	AttnRow row[ATTN_ROWS];
	/* the block at hand: keys [j0 + first, j0 + last) of some row */
	int64_t j0, first, last;
	CFormat kf, vf; /* a float format */
	const char *k, *v,
		*t;       /* of the first of them; t: the last of its dim */
	int64_t head;     /* from here on, or all of them are in k */
	int64_t ldk, ldv; /* bytes */
	bool more;        /* another block follows */
	int lo[ATTN_ROWS], hi[ATTN_ROWS]; /* in the block; lo == hi: none */
} Work;

/* x [n] at out, zeros up to `wide` */
static void
pad(float *out, const float *x, int64_t n, int64_t wide)
{
	memcpy(out, x, (size_t)n * sizeof *x);
	memset(out + n, 0, (size_t)(wide - n) * sizeof *x);
}

static void
begin_unit(Work *w, const Attn *a, int64_t unit, char *scratch)
{
	float *f = (float *)(void *)scratch;

	w->a = a;
	w->u = attn_unit(a, unit);
	w->rows = w->u.r1 - w->u.r0;
	w->dim = attn_pad(a->dim);
	w->vdim = attn_pad(a->vdim);
	w->score = f;
	w->q = w->score + w->rows * KEYS;
	w->num = w->q + w->rows * w->dim;
	w->part = w->num + w->rows * w->vdim;
	w->kbuf = w->part + w->rows * w->vdim;
	w->vbuf = w->kbuf + KEYS * w->dim;
	memset(w->num, 0, (size_t)(w->rows * w->vdim) * sizeof *f);
	for (int64_t r = 0; r < w->rows; r++) {
		AttnRow *t = &w->row[r];

		*t = attn_row(a, &w->u, w->u.r0 + r);
		pad(w->q + r * w->dim, t->q, a->dim, w->dim);
		w->top[r] = a->sink ? a->sink[t->head] : -INFINITY;
		w->den[r] = a->sink ? 1 : 0;
	}
}

/* x [dim] of a row of blocks; dim whole vectors */
static void
load_blocks(CFormat f, const char *p, int64_t dim, float *out)
{
	int64_t bytes = ccodec[f].bytes, scale = bytes - BLOCK;

	for (int64_t i = 0; i < dim; i += BLOCK, p += bytes) {
		float step = f == CF_INT8
		                     ? f16_at(p)
		                     : e8m0((uint8_t)*p) * mx_unit(WF_MXINT8);
		V by = v_set(step);

		for (int64_t j = 0; j < BLOCK && i + j < dim; j += VL)
			v_store(out + i + j, v_load_i8(p + scale + j) * by);
	}
}

/* x [dim] of a row of 16 bits, dim whole vectors */
static void
load_halves(CFormat f, const char *p, int64_t dim, float *out)
{
	for (int64_t i = 0; i < dim; i += VL)
		v_store(out + i, f == CF_F16 ? v_load_f16(p + 2 * i)
		                             : v_load_bf16(p + 2 * i));
}

/* n rows [dim] of the cache from p, as float32 rows of `wide` at out, ld apart
 */
static void
load_rows(CFormat f, const char *p, int64_t step, int64_t n, int64_t dim,
          int64_t wide, int64_t ld, float *out)
{
	for (int64_t j = 0; j < n; j++, p += step, out += ld) {
		if (dim % VL || f == CF_F32)
			ccodec[f].load(p, dim, out);
		else if (ccodec[f].block == BLOCK)
			load_blocks(f, p, dim, out);
		else
			load_halves(f, p, dim, out);
		memset(out + dim, 0, (size_t)(wide - dim) * sizeof *out);
	}
}

/* Whether rows are read where they lie: whole vectors, and few queries or
 * nothing to widen. */
static bool
in_place(const Work *w, int64_t dim)
{
	CFormat f = w->a->format;

	return dim % VL == 0 &&
	       (f == CF_F32 || (f <= CF_BF16 && w->rows <= WIDEN_ROWS));
}

/* The rows [first, last) of the block at hand as float32 rows of `wide` at
 * out, ld apart; in a ring they may go on at its begin. */
static void
load_block(const Work *w, const char *base, int64_t step, int64_t dim,
           int64_t wide, int64_t ld, float *out)
{
	int64_t at = attn_slot(w->a, w->j0 + w->first);
	int64_t n = w->last - w->first, m = n;

	if (w->a->ring)
		m = MIN(n, w->a->ring - at);
	load_rows(w->a->format, base + at * step, step, m, dim, wide, ld, out);
	if (m < n)
		load_rows(w->a->format, base, step, n - m, dim, wide, ld,
		          out + m * ld);
}

/* Keys [first, last) of the block at hand in kbuf. */
static void
load_keys(Work *w)
{
	const Attn *a = w->a;
	int64_t head = a->dim - a->tdim;

	load_block(w, w->u.k, a->kj, head, a->t ? head : w->dim, w->dim,
	           w->kbuf);
	if (a->t)
		load_block(w, w->u.t, a->tj, a->tdim, w->dim - head, w->dim,
		           w->kbuf + head);
	w->kf = CF_F32;
	w->k = (char *)w->kbuf;
	w->ldk = w->dim * (int64_t)sizeof(float);
	w->head = a->dim;
}

/* Where the keys and values of the block at hand are read from. */
static void
point(Work *w)
{
	const Attn *a = w->a;
	int64_t at = attn_slot(a, w->j0 + w->first);
	bool split = a->ring && at + w->last - w->first > a->ring;

	w->kf = w->vf = a->format;
	w->k = w->u.k + at * a->kj;
	w->v = w->u.v + at * a->vj;
	w->t = a->t ? w->u.t + at * a->tj : NULL;
	w->head = a->dim - a->tdim;
	w->ldk = a->kj;
	w->ldv = a->vj;
	if (split || !in_place(w, w->head) || !in_place(w, a->tdim))
		load_keys(w);
	if (a->shared) {
		w->vf = w->kf;
		w->v = w->k;
		w->ldv = w->ldk;
	} else if (split || !in_place(w, a->vdim)) {
		load_block(w, w->u.v, a->vj, a->vdim, w->vdim, w->vdim,
		           w->vbuf);
		w->vf = CF_F32;
		w->v = (char *)w->vbuf;
		w->ldv = w->vdim * (int64_t)sizeof(float);
	}
}

/* Which keys of the block at j0 each row sees; false: none does. */
static bool
begin_block(Work *w, int64_t j0)
{
	w->j0 = j0;
	w->first = KEYS;
	w->last = 0;
	for (int64_t r = 0; r < w->rows; r++) {
		int64_t lo = MAX(w->row[r].lo - j0, 0);
		int64_t hi = MIN(w->row[r].hi - j0, KEYS);

		w->lo[r] = w->hi[r] = 0;
		if (lo >= hi)
			continue;
		w->lo[r] = (int)lo;
		w->hi[r] = (int)hi;
		w->first = MIN(w->first, lo);
		w->last = MAX(w->last, hi);
	}
	if (w->first >= w->last)
		return false;
	point(w);
	return true;
}

/* VL elements of a cached row, from element i on */
INLINE V
v_cached(const int f, const char *p, int64_t i)
{
	switch (f) {
	case CF_F16:
		return v_load_f16(p + 2 * i);
	case CF_BF16:
		return v_load_bf16(p + 2 * i);
	default:
		return v_load((const float *)(const void *)p + i);
	}
}

/* ---- scores ---- */

/* s += columns [0, n) of R queries with those of four keys k[0..3] */
INLINE void
dots_part(const int R, const int F, const Work *w, const float *q,
          const char *const *k, int64_t n, V s[DOTS][4])
{
	V x[DOTS];

	for (int64_t d = 0; d < n; d += VL) {
		UNROLL
		for (int i = 0; i < R; i++)
			x[i] = v_load(q + i * w->dim + d);
		UNROLL
		for (int m = 0; m < 4; m++) {
			V y = v_cached(F, k[m], d);

			UNROLL
			for (int i = 0; i < R; i++)
				s[i][m] = v_fma(x[i], y, s[i][m]);
		}
	}
}

/* score of R rows from r on with four keys: k[0..3] [head] of format F, and
 * behind each of them k[4..7].  R and F are constants after inlining. */
INLINE void
dots(const int R, const int F, const Work *w, int64_t r, const char *const *k,
     int64_t j)
{
	const float *q = w->q + r * w->dim;
	V s[DOTS][4];

	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int n = 0; n < 4; n++)
		s[i][n] = v_set(0);
	dots_part(R, F, w, q, k, w->head, s);
	if (w->head < w->a->dim)
		dots_part(R, F, w, q + w->head, k + 4, w->a->dim - w->head, s);
	UNROLL
	for (int i = 0; i < R; i++)
		v_sum4(s[i][0], s[i][1], s[i][2], s[i][3],
		       w->score + (r + i) * KEYS + j);
}

/* Four rows from p on, step bytes apart, of dim floats or less. */
static inline void
fetch(const char *p, int64_t step, int64_t dim)
{
	int64_t bytes = MIN(step, dim * (int64_t)sizeof(float));

	for (int n = 0; n < 4; n++, p += step)
		for (int64_t i = 0; i < bytes; i += 64)
			__builtin_prefetch(p + i, 0, 2);
}

/* Fetches what the next block has at keys [j, j + 4). */
static inline void
fetch_ahead(const Work *w, int64_t j)
{
	const Attn *a = w->a;
	int64_t at = attn_slot(a, w->j0 + KEYS + j), head = a->dim - a->tdim;

	/* without a cache, rows of other heads lie between */
	fetch(w->u.k + at * a->kj, a->kj, head);
	if (a->t)
		fetch(w->u.t + at * a->tj, a->tj, a->tdim);
	if (!a->shared)
		fetch(w->u.v + at * a->vj, a->vj, a->vdim);
}

/* Scores of all rows with keys [first, last); what a row does not see is
 * computed and thrown away. */
INLINE void
scores_of(const int F, const Work *w)
{
	const char *k[8];

	for (int64_t j = w->first & ~3; j < w->last; j += 4) {
		int64_t r = 0;

		for (int n = 0; n < 4; n++) {
			int64_t at = MAX(MIN(j + n, w->last - 1), w->first);

			k[n] = w->k + (at - w->first) * w->ldk;
			k[4 + n] =
				w->t ? w->t + (at - w->first) * w->a->tj : NULL;
		}
		if (w->more)
			fetch_ahead(w, j);
		for (; r + DOTS <= w->rows; r += DOTS)
			dots(DOTS, F, w, r, k, j);
		for (; r < w->rows; r++)
			dots(1, F, w, r, k, j);
	}
}

static void
scores(const Work *w)
{
	switch (w->kf) {
	case CF_F16:
		scores_of(CF_F16, w);
		break;
	case CF_BF16:
		scores_of(CF_BF16, w);
		break;
	default:
		scores_of(CF_F32, w);
	}
}

/* Biases of VL keys from j on: of one distance, side by side, or neither. */
INLINE V
bias_of(const Attn *a, const AttnRow *t, int64_t j)
{
	int64_t d = j - t->p, width = 2 * a->reach + 1;
	float x[VL];

	if (d + VL - 1 <= -a->reach || d >= a->reach)
		return v_set(attn_bias(a, t, j));
	if (d >= -a->reach && d + VL - 1 <= a->reach)
		return v_load(a->bias + t->head * width + a->reach + d);
	for (int i = 0; i < VL; i++)
		x[i] = attn_bias(a, t, j + i);
	return v_load(x);
}

/* Scale, bias, cap and mask of VL scores of row t, keys j.. */
INLINE V
shape_score(const Attn *a, const AttnRow *t, V s, int64_t j)
{
	static const float ramp[] = {0, 1, 2,  3,  4,  5,  6,  7,
	                             8, 9, 10, 11, 12, 13, 14, 15};

	s = s * v_set(a->scale);
	if (a->slope)
		s = v_fma(v_set(a->slope[t->head]),
		          v_set((float)(j - t->p)) + v_load(ramp), s);
	if (a->bias)
		s = s + bias_of(a, t, j);
	if (a->cap > 0)
		s = v_set(a->cap) * v_tanh(s / v_set(a->cap));
	if (t->mask && a->nkey > j)
		s = s + v_load_n(t->mask + j, a->nkey - j, 0);
	return s;
}

/* e^(score - top) in place for keys [lo, hi) of row r, zero around them; top,
 * den and num of the row brought up to date. */
static void
soften(Work *w, int64_t r)
{
	const AttnRow *t = &w->row[r];
	float *s = w->score + r * KEYS, top, by;
	V most = v_set(-INFINITY), sum = v_set(0), vtop;
	int lo = w->lo[r], hi = w->hi[r], from = lo / VL * VL;

	for (int i = from; i < hi; i += VL)
		v_store(s + i, shape_score(w->a, t, v_load(s + i), w->j0 + i));
	for (int i = from; i < lo; i++)
		s[i] = -INFINITY;
	for (int i = hi; i < KEYS && i % VL; i++)
		s[i] = -INFINITY;
	for (int i = from; i < hi; i += VL)
		most = v_max(v_load(s + i), most);
	top = MAX(v_top(most), w->top[r]);
	vtop = v_set(top == -INFINITY ? 0 : top);
	for (int i = from; i < hi; i += VL) {
		V e = v_exp(v_load(s + i) - vtop);

		sum = sum + e;
		v_store(s + i, e);
	}
	if (top != w->top[r]) {
		float old[VL];
		V b;

		v_store(old, v_exp(v_set(w->top[r]) - vtop));
		by = old[0];
		b = v_set(by);
		w->top[r] = top;
		w->den[r] *= by;
		for (int64_t i = 0; i < w->vdim; i += VL) {
			float *p = w->num + r * w->vdim + i;

			v_store(p, v_load(p) * b);
		}
	}
	w->den[r] += v_total(sum);
}

/* ---- values ---- */

/* Keys [lo, hi) of the block, weighed, for R rows from r on and N vectors from
 * column d on: added to part, or, `alone`, from nothing and then to num; the
 * sums are the same.  R, N, F and alone are constants after inlining. */
INLINE void
values(const int R, const int N, const int F, const bool alone, const Work *w,
       int64_t r, int64_t d, int lo, int hi)
{
	const float *s = w->score + r * KEYS;
	float *p = (alone ? w->num : w->part) + r * w->vdim + d;
	const char *v = w->v + (lo - w->first) * w->ldv;
	V c[4][8];

	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int n = 0; n < N; n++)
		c[i][n] = alone ? v_set(0) : v_load(p + i * w->vdim + n * VL);
	for (int j = lo; j < hi; j++, v += w->ldv) {
		V x[8];

		UNROLL
		for (int n = 0; n < N; n++)
			x[n] = v_cached(F, v, d + n * VL);
		UNROLL
		for (int i = 0; i < R; i++) {
			V e = v_set(s[i * KEYS + j]);

			UNROLL
			for (int n = 0; n < N; n++)
				c[i][n] = v_fma(e, x[n], c[i][n]);
		}
	}
	UNROLL
	for (int i = 0; i < R; i++)
		UNROLL
	for (int n = 0; n < N; n++) {
		float *to = p + i * w->vdim + n * VL;

		if (alone)
			c[i][n] = v_load(to) + c[i][n];
		v_store(to, c[i][n]);
	}
}

/* All columns of R rows; N vectors at a time. */
INLINE void
columns(const int R, const int N, const int F, const bool alone, const Work *w,
        int64_t r, int lo, int hi)
{
	int64_t d = 0;

	for (; d + N * VL <= w->a->vdim; d += N * VL)
		values(R, N, F, alone, w, r, d, lo, hi);
	for (; d + 2 * VL <= w->a->vdim; d += 2 * VL)
		values(R, 2, F, alone, w, r, d, lo, hi);
	for (; d < w->a->vdim; d += VL)
		values(R, 1, F, alone, w, r, d, lo, hi);
}

INLINE void
values_of(const int R, const int N, const bool alone, const Work *w, int64_t r,
          int lo, int hi)
{
	if (lo >= hi)
		return;
	switch (w->vf) {
	case CF_F16:
		columns(R, N, CF_F16, alone, w, r, lo, hi);
		break;
	case CF_BF16:
		columns(R, N, CF_BF16, alone, w, r, lo, hi);
		break;
	default:
		columns(R, N, CF_F32, alone, w, r, lo, hi);
	}
}

static void
values_one(const Work *w, int64_t r, int lo, int hi)
{
	values_of(1, 8, false, w, r, lo, hi);
}

/* Four rows that see different keys: each its keys before those that all see,
 * those together, then each the rest; so every row takes its keys in order. */
static void
values_mixed(const Work *w, int64_t r)
{
	int64_t n = 4 * w->vdim;
	int lo = 0, hi = KEYS;

	memset(w->part + r * w->vdim, 0, (size_t)n * sizeof *w->part);
	for (int i = 0; i < 4; i++) {
		lo = MAX(lo, w->lo[r + i]);
		hi = MIN(hi, w->hi[r + i]);
	}
	hi = MAX(hi, lo);
	for (int i = 0; i < 4; i++)
		values_one(w, r + i, w->lo[r + i], MIN(lo, w->hi[r + i]));
	values_of(4, WEIGH, false, w, r, lo, hi);
	for (int i = 0; i < 4; i++)
		values_one(w, r + i, MAX(hi, w->lo[r + i]), w->hi[r + i]);
	for (int64_t i = r * w->vdim; i < r * w->vdim + n; i += VL)
		if (w->lo[i / w->vdim] < w->hi[i / w->vdim])
			v_store(w->num + i,
			        v_load(w->num + i) + v_load(w->part + i));
}

/* A block's sums are made apart and then added: shorter chains, smaller
 * error. */
static void
weigh(Work *w)
{
	int64_t r = 0;

	for (; r + 4 <= w->rows; r += 4) {
		bool same = true;

		for (int i = 1; i < 4; i++)
			same = same && w->lo[r + i] == w->lo[r] &&
			       w->hi[r + i] == w->hi[r];
		if (same)
			values_of(4, WEIGH, true, w, r, w->lo[r], w->hi[r]);
		else
			values_mixed(w, r);
	}
	for (; r < w->rows; r++)
		values_of(1, 8, true, w, r, w->lo[r], w->hi[r]);
}

/* ---- the walk ---- */

static void
finish(const Work *w)
{
	for (int64_t r = 0; r < w->rows; r++) {
		const float *num = w->num + r * w->vdim;
		const AttnRow *t = &w->row[r];
		bool none = t->lo >= t->hi || w->den[r] == 0;

		for (int64_t i = 0; i < w->a->vdim; i++)
			t->y[i] = none ? 0 : num[i] / w->den[r];
	}
}

static void
attend(const Attn *a, int64_t unit, char *scratch)
{
	Work w;
	int64_t lo = INT64_MAX, hi = 0;

	begin_unit(&w, a, unit, scratch);
	for (int64_t r = 0; r < w.rows; r++)
		if (w.row[r].lo < w.row[r].hi) {
			lo = MIN(lo, w.row[r].lo);
			hi = MAX(hi, w.row[r].hi);
		}
	for (int64_t j = lo < hi ? lo / KEYS * KEYS : hi; j < hi; j += KEYS) {
		w.more = j + KEYS < hi;
		if (!begin_block(&w, j))
			continue;
		scores(&w);
		for (int64_t r = 0; r < w.rows; r++)
			if (w.lo[r] < w.hi[r])
				soften(&w, r);
		weigh(&w);
	}
	finish(&w);
}

void
ISA(attention)(const Step *s, int64_t begin, int64_t end, int thread)
{
	Attn a = attn_cached(s);

	for (int64_t i = begin; i < end; i++)
		attend(&a, i, step_scratch(s, thread));
}

#endif
