/* SPDX-License-Identifier: BSD-3-Clause
 * experts.c - products of rows with the matrices chosen for them.
 *
 * qeff ExpertMatMul is one such product; function.c has its body.
 * com.microsoft QMoE does all of a layer with packed integer weights: the k largest routing values of a token choose its experts; their softmax
 * weighs the results (router_weights, if given, instead).  Each expert is
 * fc2 act(fc1 x); gated ones take the gate from fc1 and the other factor
 * from fc3, or both from rows of fc1, beside each other or in halves. */

#include <math.h>

#include "contrib.h"

enum { MAXTOP = 64 };

typedef struct Moe {
	int64_t tokens, hidden, inter, experts, k;
	int fusion;
	const char *act;
	double alpha, beta, limit;
	Packed fc1, fc2, fc3; /* rows of all experts */
	const Value *bias1, *bias2, *bias3;
	bool third;
} Moe;

bool
infer_qmoe(Ctx *c, Node *n)
{
	return want_class(c, n, 0, "F") &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &n->in[0]->shape);
}

static bool
moe_args(Ctx *c, const Node *n, Moe *m)
{
	const char *quant = attr_str(n, "quant_type", "int");

	*m = (Moe){.k = attr_int(n, "k", 1),
	           .fusion = (int)attr_int(n, "swiglu_fusion", 0),
	           .act = attr_str(n, "activation_type", "relu"),
	           .alpha = attr_float(n, "activation_alpha", 1),
	           .beta = attr_float(n, "activation_beta", 0),
	           .limit = attr_float(n, "swiglu_limit", (double)INFINITY)};
	if (strcmp(quant, "int") != 0 || attr_int(n, "use_sparse_mixer", 0) ||
	    attr_int(n, "weights_prepacked", -1) > 0)
		return fail(c, QE_INPUT,
		            "quant_type '%s', sparse mixer or packed weights",
		            quant);
	if (!str_in(m->act, (const char *[]){"relu", "gelu", "silu", "swiglu",
	                                     "identity", NULL}))
		return fail(c, QE_INPUT, "activation_type '%s'", m->act);
	if (m->k < 1 || m->k > MAXTOP || m->fusion < 0 || m->fusion > 2)
		return fail(c, QE_INPUT, "k %lld, swiglu_fusion %d",
		            (long long)m->k, m->fusion);
	return true;
}

/* Weights [experts, rows, cols] of input w, with scales, zero points and
 * bias behind. */
static bool
open_weights(Ctx *c, const Node *n, int w, int zero, int64_t experts,
             int64_t rows, int64_t cols, Packed *p)
{
	int64_t block = attr_int(n, "block_size", 0);

	*p = (Packed){.rows = mul_size(experts, rows),
	              .cols = cols,
	              .block = block > 0 ? block : cols,
	              .bits = (int)attr_int(n, "expert_weight_bits", 4),
	              .flatzero = block <= 0};
	if ((p->bits != 2 && p->bits != 4 && p->bits != 8) || cols < 1 ||
	    rows < 1 || p->block < 8 / p->bits || cols % p->block ||
	    p->block % (8 / p->bits))
		return fail(c, QE_INPUT, "%d bits in blocks of %lld of %lld",
		            p->bits, (long long)p->block, (long long)cols);
	if (!node_in(n, w) || !node_in(n, w + 1))
		return fail(c, QE_INPUT, "input %d or %d is left out", w,
		            w + 1);
	return packed_open(c, n->in[w], n->in[w + 1], node_in(n, zero), p);
}

static bool
open_moe(Ctx *c, const Node *n, Moe *m)
{
	const Shape *x = &n->in[0]->shape, *r = &n->in[1]->shape;
	const Shape *w1 = &n->in[2]->shape;
	int64_t rows;

	if (!moe_args(c, n, m))
		return false;
	m->third = node_in(n, 8) != NULL;
	if (x->rank < 2 || r->rank != 2 || w1->rank != 3 ||
	    (m->fusion && m->third))
		return fail(c, QE_INPUT, "input %s, router %s, fc1 %s",
		            shape_text(x).s, shape_text(r).s, shape_text(w1).s);
	m->hidden = x->dim[x->rank - 1];
	m->tokens = shape_span(x, 0, x->rank - 1);
	m->experts = w1->dim[0];
	rows = w1->dim[1];
	m->inter = m->fusion ? rows / 2 : rows;
	m->bias1 = node_in(n, 4);
	m->bias2 = node_in(n, 7);
	m->bias3 = node_in(n, 10);
	if (r->dim[0] != m->tokens || r->dim[1] != m->experts ||
	    m->k > m->experts || (m->fusion && rows % 2))
		return fail(c, QE_INPUT, "router %s for %lld tokens",
		            shape_text(r).s, (long long)m->tokens);
	if ((m->bias1 && shape_count(&m->bias1->shape) != m->experts * rows) ||
	    (m->bias2 &&
	     shape_count(&m->bias2->shape) != m->experts * m->hidden) ||
	    (m->bias3 && shape_count(&m->bias3->shape) != m->experts * rows))
		return fail(c, QE_INPUT, "bias of another shape");
	return open_weights(c, n, 2, 11, m->experts, rows, m->hidden,
	                    &m->fc1) &&
	       open_weights(c, n, 5, 12, m->experts, m->hidden, m->inter,
	                    &m->fc2) &&
	       (!m->third || open_weights(c, n, 8, 13, m->experts, rows,
	                                  m->hidden, &m->fc3));
}

/* y[rows] = W x + bias, of expert e */
static void
layer(const Packed *p, const Value *bias, int64_t e, int64_t rows,
      const double *x, double *y)
{
	for (int64_t i = 0; i < rows; i++) {
		int64_t r = e * rows + i;

		y[i] = bias ? value_f64(bias, r) : 0;
		for (int64_t k = 0; k < p->cols; k++)
			y[i] += packed_at(p, r, k, k / p->block) * x[k];
	}
}

static double
activate(const Moe *m, double g)
{
	if (strcmp(m->act, "relu") == 0)
		return fmax(0, g);
	if (strcmp(m->act, "gelu") == 0)
		return 0.5 * g * erfc(-g * 0.70710678118654752440);
	return strcmp(m->act, "identity") == 0 ? g : g / (1 + exp(-g));
}

/* g and l as swiglu, or act(g) times l where there is one */
static double
gate(const Moe *m, double g, double l, bool pair)
{
	if (strcmp(m->act, "swiglu") != 0)
		return activate(m, g) * (pair ? l : 1);
	g = fmin(g, m->limit);
	l = fmax(-m->limit, fmin(l, m->limit));
	return g / (1 + exp(-m->alpha * g)) * (l + m->beta);
}

/* The k best of a token, the first of equals first, and their weights. */
static void
choose(const Moe *m, const Node *n, int64_t t, int64_t *best, double *weight)
{
	const Value *probs = n->in[1], *other = node_in(n, 14);
	double sum = 0, first = 0, v;

	for (int64_t j = 0; j < m->k; j++) {
		best[j] = -1;
		for (int64_t e = 0; e < m->experts; e++) {
			bool taken = false;

			for (int64_t i = 0; i < j; i++)
				taken = taken || best[i] == e;
			v = value_f64(probs, t * m->experts + e);
			if (!taken &&
			    (best[j] < 0 ||
			     v > value_f64(probs, t * m->experts + best[j])))
				best[j] = e;
		}
		v = value_f64(probs, t * m->experts + best[j]);
		first = j ? first : v;
		weight[j] = other ? value_f64(other, t * m->experts + best[j])
		                  : exp(v - first);
		sum += weight[j];
	}
	if (!other || attr_int(n, "normalize_routing_weights", 0))
		for (int64_t j = 0; j < m->k; j++)
			weight[j] /= sum;
}

bool
eval_qmoe(Ctx *c, Arena *a, Node *n)
{
	double *x, *h, *l, *y, *out, weight[MAXTOP];
	const Value *other = node_in(n, 14);
	int64_t best[MAXTOP], rows;
	Moe m;

	if (!open_moe(c, n, &m))
		return false;
	if (other && shape_count(&other->shape) != m.tokens * m.experts)
		return fail(c, QE_INPUT, "router_weights %s",
		            shape_text(&other->shape).s);
	rows = m.fusion ? 2 * m.inter : m.inter;
	x = NEWV(a, double, m.hidden + 1);
	h = NEWV(a, double, rows + 1);
	l = NEWV(a, double, rows + 1);
	y = NEWV(a, double, m.hidden + 1);
	out = NEWV(a, double, m.hidden + 1);
	for (int64_t t = 0; t < m.tokens; t++) {
		load_f64(n->in[0], t * m.hidden, 1, m.hidden, x);
		memset(out, 0, (size_t)m.hidden * sizeof *out);
		choose(&m, n, t, best, weight);
		for (int64_t j = 0; j < m.k; j++) {
			layer(&m.fc1, m.bias1, best[j], rows, x, h);
			if (m.third)
				layer(&m.fc3, m.bias3, best[j], rows, x, l);
			for (int64_t i = 0; i < m.inter; i++) {
				double g = m.fusion == 1 ? h[2 * i] : h[i];
				double v = m.fusion == 1   ? h[2 * i + 1]
				           : m.fusion == 2 ? h[m.inter + i]
				                           : l[i];

				h[i] = gate(&m, g, v, m.fusion || m.third);
			}
			layer(&m.fc2, m.bias2, best[j], m.hidden, h, y);
			for (int64_t i = 0; i < m.hidden; i++)
				out[i] += weight[j] * y[i];
		}
		store_f64(n->out[0], t * m.hidden, m.hidden, out);
	}
	return true;
}

/* ---- qeff ExpertMatMul ---- */

/* x [T,m,in], w [E,in,out], index [T,k], m 1 or k */
bool
infer_expert_matmul(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *w = &n->in[1]->shape,
		    *i = &n->in[2]->shape;
	Shape y;

	if (!want_class(c, n, 0, "F"))
		return false;
	if (x->rank < 0 || w->rank < 0 || i->rank < 0)
		return value_set(c, node_out(n, 0), n->in[0]->type,
		                 &(Shape){.rank = -1});
	if (x->rank != 3 || w->rank != 3 || i->rank != 2 ||
	    n->in[1]->type != n->in[0]->type || n->in[2]->type != DT_I64)
		return fail(c, QE_INPUT, "%s by %s chosen by %s",
		            shape_text(x).s, shape_text(w).s, shape_text(i).s);
	if ((shape_known(x) && shape_known(w) && x->dim[2] != w->dim[1]) ||
	    (shape_known(x) && shape_known(i) &&
	     (x->dim[0] != i->dim[0] ||
	      (x->dim[1] != 1 && x->dim[1] != i->dim[1]))))
		return fail(c, QE_INPUT, "%s by %s chosen by %s",
		            shape_text(x).s, shape_text(w).s, shape_text(i).s);
	y = (Shape){3, {i->dim[0], i->dim[1], w->dim[2]}};
	return value_set(c, node_out(n, 0), n->in[0]->type, &y);
}

bool
eval_expert_matmul(Ctx *c, Arena *a, Node *n)
{
	const Value *x = n->in[0], *w = n->in[1], *index = n->in[2];
	int64_t count = shape_count(&index->shape), k = index->shape.dim[1],
		m = x->shape.dim[1], in = x->shape.dim[2],
		out = w->shape.dim[2], experts = w->shape.dim[0];
	double *row = NEWV(a, double, in + 1), *col = NEWV(a, double, out + 1),
	       *y = NEWV(a, double, out + 1);

	for (int64_t i = 0; i < count; i++) {
		int64_t e = value_i64(index, i), at = m == k ? i : i / k;

		e += e < 0 ? experts : 0;
		if (e < 0 || e >= experts)
			return fail(c, QE_INPUT, "matrix %lld of %lld",
			            (long long)e, (long long)experts);
		load_f64(x, at * in, 1, in, row);
		memset(y, 0, (size_t)out * sizeof *y);
		for (int64_t p = 0; p < in; p++) {
			load_f64(w, (e * in + p) * out, 1, out, col);
			for (int64_t j = 0; j < out; j++)
				y[j] += row[p] * col[j];
		}
		store_f64(n->out[0], i * out, out, y);
	}
	return true;
}
