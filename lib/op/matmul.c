/* SPDX-License-Identifier: BSD-3-Clause
 * matmul.c - MatMul, Gemm and the integer ones: one product of matrices.
 *
 * Sums run over k from 0 up, in double or in wrapping 64 bits. */

#include "num.h"

enum { BLOCK = 16 }; /* rows of a that share one reading of b */

/* A matrix inside a tensor: element (i, j) at off + i * row + j * col. */
typedef struct Matrix {
	const Value *v;
	int64_t off, row, col;
} Matrix;

void
tile_product(const double *a, int64_t rows, int64_t k, const double *b,
             double *y)
{
	for (int64_t r = 0; r < rows; r++) {
		double acc[TILE] = {0};

		for (int64_t p = 0; p < k; p++) {
			double x = a[r * k + p];
			const double *q = b + p * TILE;

			for (int j = 0; j < TILE; j++)
				acc[j] += x * q[j];
		}
		memcpy(y + r * TILE, acc, sizeof acc);
	}
}

/* Columns [j0, j0 + w) of b [k, n], TILE wide. */
static void
load_tile(const Matrix *b, int64_t k, int64_t j0, int64_t w, double *tile)
{
	for (int64_t p = 0; p < k; p++)
		load_f64(b->v, b->off + p * b->row + j0 * b->col, b->col, w,
		         tile + p * TILE);
}

static void
product_f64(Arena *mem, const Matrix *a, const Matrix *b, int64_t m, int64_t k,
            int64_t n, Value *y, int64_t at)
{
	double *tile = NEWV(mem, double, k *TILE + 1);
	double *rows = NEWV(mem, double, BLOCK *k + 1);
	double sum[BLOCK * TILE];

	for (int64_t j = 0; j < n; j += TILE) {
		int64_t w = MIN(TILE, n - j);

		load_tile(b, k, j, w, tile);
		for (int64_t i = 0; i < m; i += BLOCK) {
			int64_t h = MIN(BLOCK, m - i);

			for (int64_t r = 0; r < h; r++)
				load_f64(a->v, a->off + (i + r) * a->row,
				         a->col, k, rows + r * k);
			tile_product(rows, h, k, tile, sum);
			for (int64_t r = 0; r < h; r++)
				store_f64(y, at + (i + r) * n + j, w,
				          sum + r * TILE);
		}
	}
}

static void
product_i64(Arena *mem, const Matrix *a, const Matrix *b, int64_t m, int64_t k,
            int64_t n, Value *y, int64_t at)
{
	int64_t *acc = NEWV(mem, int64_t, n + 1);
	int64_t *row = NEWV(mem, int64_t, n + 1);
	uint64_t x;

	for (int64_t i = 0; i < m; i++) {
		memset(acc, 0, (size_t)n * sizeof *acc);
		for (int64_t p = 0; p < k; p++) {
			load_i64(b->v, b->off + p * b->row, b->col, n, row);
			x = (uint64_t)value_i64(a->v, a->off + i * a->row +
			                                      p * a->col);
			for (int64_t j = 0; j < n; j++)
				acc[j] = (int64_t)((uint64_t)acc[j] +
				                   x * (uint64_t)row[j]);
		}
		store_i64(y, at + i * n, n, acc);
	}
}

/* y[at..] = a[m, k] b[k, n], in y's type; scratch goes at once. */
static void
product(const Matrix *a, const Matrix *b, int64_t m, int64_t k, int64_t n,
        Value *y, int64_t at)
{
	Arena mem = {0};

	if (dtype_is_float(y->type))
		product_f64(&mem, a, b, m, k, n, y, at);
	else
		product_i64(&mem, a, b, m, k, n, y, at);
	arena_free(&mem);
}

/* numpy.matmul: a vector is a row (left) or a column (right) whose
 * dimension goes away again; what stands before broadcasts. */
bool
matmul_shape(Ctx *c, const Shape *a, const Shape *b, Shape *y)
{
	Shape left = *a, right = *b;
	int64_t k, l;

	*y = (Shape){.rank = -1};
	if (a->rank < 0 || b->rank < 0)
		return true;
	if (!a->rank || !b->rank)
		return fail(c, QE_INPUT, "%s by %s", shape_text(a).s,
		            shape_text(b).s);
	k = a->dim[a->rank - 1];
	l = b->dim[b->rank == 1 ? 0 : b->rank - 2];
	left.rank = MAX(0, a->rank - 2);
	right.rank = MAX(0, b->rank - 2);
	if ((k != l && k >= 0 && l >= 0) || !shape_broadcast(c, &left, &right))
		return fail(c, QE_INPUT, "%s by %s", shape_text(a).s,
		            shape_text(b).s);
	*y = left;
	if (a->rank > 1)
		y->dim[y->rank++] = a->dim[a->rank - 2];
	if (b->rank > 1)
		y->dim[y->rank++] = b->dim[b->rank - 1];
	return true;
}

bool
infer_matmul(Ctx *c, Node *n)
{
	Shape y;

	return want_same(c, n, 0, 2) && want_class(c, n, 0, "FIU") &&
	       matmul_shape(c, &n->in[0]->shape, &n->in[1]->shape, &y) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

void
matmul(const Value *a, const Value *b, Value *y)
{
	const Shape *s = &a->shape, *t = &b->shape;
	Shape left = *s, right = *t, batch = y->shape;
	int64_t k = s->dim[s->rank - 1], at = 0;
	int64_t m = s->rank > 1 ? s->dim[s->rank - 2] : 1;
	int64_t n = t->rank > 1 ? t->dim[t->rank - 1] : 1;
	Nest z;

	left.rank = MAX(0, s->rank - 2);
	right.rank = MAX(0, t->rank - 2);
	batch.rank = MAX(left.rank, right.rank);
	if (!nest_broadcast(&z, &batch, 2, (const Shape *[]){&left, &right}))
		return;
	do
		for (int64_t i = 0; i < nest_len(&z); i++, at += m * n)
			product(&(Matrix){a,
			                  (z.off[0] + i * nest_row(&z, 0)) * m *
			                          k,
			                  k, 1},
			        &(Matrix){b,
			                  (z.off[1] + i * nest_row(&z, 1)) * k *
			                          n,
			                  n, 1},
			        m, k, n, y, at);
	while (nest_next(&z));
}

bool
eval_matmul(Ctx *c, Arena *a, Node *n)
{
	(void)c;
	(void)a;
	matmul(n->in[0], n->in[1], n->out[0]);
	return true;
}

/* ---- Gemm ---- */

/* Gemm: alpha A' B' + beta C, either matrix transposed, C broadcast to the
 * result one way only: it may not make it larger. */
bool
infer_gemm(Ctx *c, Node *n)
{
	const Shape *a = &n->in[0]->shape, *b = &n->in[1]->shape;
	bool ta = attr_int(n, "transA", 0), tb = attr_int(n, "transB", 0);
	Shape y = {2, {-1, -1}}, bias = {0};

	if (!want_same(c, n, 0, n->nin) || !want_class(c, n, 0, "FIU") ||
	    !want_rank(c, n, 0, 2) || !want_rank(c, n, 1, 2))
		return false;
	if (a->rank == 2)
		y.dim[0] = a->dim[ta];
	if (b->rank == 2)
		y.dim[1] = b->dim[!tb];
	if (a->rank == 2 && b->rank == 2 && a->dim[!ta] != b->dim[tb] &&
	    a->dim[!ta] >= 0 && b->dim[tb] >= 0)
		return fail(c, QE_INPUT, "%s by %s", shape_text(a).s,
		            shape_text(b).s);
	if (node_in(n, 2)) {
		bias = y;
		if (!shape_broadcast(c, &bias, &n->in[2]->shape) ||
		    (bias.rank >= 0 && shape_known(&bias) && shape_known(&y) &&
		     !shape_eq(&bias, &y)))
			return fail(c, QE_INPUT, "bias %s for %s",
			            shape_text(&n->in[2]->shape).s,
			            shape_text(&y).s);
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

/* y = alpha y + beta bias, in double even for integers, whose alpha and beta
 * are whole in practice. */
static void
scale_and_add(const Value *sum, Value *y, const Value *bias, double alpha,
              double beta)
{
	const Shape *s[] = {&y->shape, bias ? &bias->shape : &(Shape){0}};
	Nest z;
	double v;

	if (!nest_broadcast(&z, &y->shape, 2, s))
		return;
	do
		for (int64_t i = 0; i < nest_len(&z); i++) {
			int64_t at = z.off[0] + i * nest_row(&z, 0);

			v = alpha * value_f64(sum, at);
			if (bias)
				v += beta *
				     value_f64(bias,
				               z.off[1] + i * nest_row(&z, 1));
			store_f64(y, at, 1, &v);
		}
	while (nest_next(&z));
}

bool
eval_gemm(Ctx *c, Arena *mem, Node *n)
{
	const Value *a = n->in[0], *b = n->in[1];
	bool ta = attr_int(n, "transA", 0), tb = attr_int(n, "transB", 0);
	Value *y = n->out[0], sum = *y;
	int64_t k = a->shape.dim[!ta];

	sum.type = DT_F64;
	if (!value_alloc(c, mem, &sum))
		return false;
	product(&(Matrix){a, 0, ta ? 1 : a->shape.dim[1],
	                  ta ? a->shape.dim[1] : 1},
	        &(Matrix){b, 0, tb ? 1 : b->shape.dim[1],
	                  tb ? b->shape.dim[1] : 1},
	        y->shape.dim[0], k, y->shape.dim[1], &sum, 0);
	scale_and_add(&sum, y, node_in(n, 2), attr_float(n, "alpha", 1),
	              attr_float(n, "beta", 1));
	return true;
}
