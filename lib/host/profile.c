/* SPDX-License-Identifier: BSD-3-Clause
 * profile.c - what one call of a step costs, for the figures of a program.
 *
 * Kernels say it themselves (kernel/cost.c).  Operators that run by the
 * reference read their inputs and write their outputs once; those that add up
 * products count two operations for each, the rest one for each element they
 * make. */

#include "program.h"

void
cost_kernel(HostStep *f, const Kernel *k, KernelId id, const Step *s)
{
	Cost c = {0};
	Extent x;

	if (!step_extent(id, s, &x))
		return;
	memcpy(c.bytes, x.bytes, sizeof c.bytes);
	k->cost(s, &c);
	for (int i = 0; i < STEP_BUF; i++)
		f->bytes += s->buf[i] ? c.bytes[i] : 0;
	f->flops += c.flops;
	f->ints += c.ints;
	f->format = c.format;
}

static int64_t
count(const Value *v)
{
	return v ? MAX(shape_count(&v->shape), 0) : 0;
}

static int64_t
bytes(Value *const *v, int n)
{
	int64_t sum = 0;

	for (int i = 0; i < n; i++)
		if (v[i])
			sum += MAX(dtype_bytes(v[i]->type, count(v[i])), 0);
	return sum;
}

/* Products for each element that is made. */
static int64_t
last_of_first(const Node *n)
{
	const Shape *s = &n->in[0]->shape;

	return s->rank ? s->dim[s->rank - 1] : 1;
}

static int64_t
gemm_inner(const Node *n)
{
	const Shape *y = &n->out[0]->shape;

	return count(n->in[0]) / MAX(y->rank ? y->dim[0] : 1, 1);
}

static int64_t
filter(const Value *w)
{
	return count(w) / MAX(w->shape.rank ? w->shape.dim[0] : 1, 1);
}

static int64_t
conv_inner(const Node *n)
{
	return filter(n->in[1]);
}

static int64_t
qlinear_inner(const Node *n) /* x, its scale and zero, w, ... */
{
	return filter(n->in[3]);
}

static const struct {
	const char *type;
	int nin;
	int64_t (*products)(const Node *);
} products[] = {
	{"MatMul", 2, last_of_first},
	{"MatMulInteger", 2, last_of_first},
	{"QLinearMatMul", 2, last_of_first},
	{"MatMulNBits", 2, last_of_first},
	{"Gemm", 2, gemm_inner},
	{"Conv", 2, conv_inner},
	{"ConvInteger", 2, conv_inner},
	{"QLinearConv", 4, qlinear_inner},
};

void
cost_node(HostStep *f, const Node *n)
{
	int64_t made = n->nout ? count(n->out[0]) : 0;

	f->bytes += bytes(n->in, n->nin) + bytes(n->out, n->nout);
	for (size_t i = 0; i < LEN(products); i++)
		if (strcmp(n->type, products[i].type) == 0 &&
		    n->nin >= products[i].nin && n->in[0] && n->in[1]) {
			f->flops += 2 * made * products[i].products(n);
			return;
		}
	f->flops += made;
}
