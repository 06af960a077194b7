/* SPDX-License-Identifier: BSD-3-Clause
 * rnn.c - RNN, GRU, LSTM.
 *
 * Letters are those of the ONNX descriptions: X [seq, batch, in], W and R
 * [dir, gates * hidden, ...], B [dir, 2 * gates * hidden].  Layout 1 has the
 * batch first. */

#include <math.h>

#include "num.h"

/* ---- activations ---- */

/* The form whose exp() cannot overflow. */
static double
squash(double x)
{
	return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

typedef struct Act {
	const char *name;
	double alpha, beta; /* where not given */
	double (*f)(double x, double alpha, double beta);
} Act;

#define ACT(name, expr)                                                        \
	static double act_##name(double x, double alpha, double beta)          \
	{                                                                      \
		(void)alpha, (void)beta;                                       \
		return expr;                                                   \
	}
ACT(tanh, tanh(x))
ACT(sigmoid, squash(x))
ACT(relu, fmax(0, x))
ACT(affine, alpha *x + beta)
ACT(leaky, x < 0 ? alpha * x : x)
ACT(threshold, x > alpha ? x : 0)
ACT(scaled, alpha *tanh(beta *x))
ACT(hard, fmin(1, fmax(0, alpha *x + beta)))
ACT(elu, x < 0 ? alpha * expm1(x) : x)
ACT(softsign, x / (1 + fabs(x)))
ACT(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))

static const Act acts[] = {
	{"Tanh", 0, 0, act_tanh},
	{"Sigmoid", 0, 0, act_sigmoid},
	{"Relu", 0, 0, act_relu},
	{"Affine", 1, 0, act_affine},
	{"LeakyRelu", 0.01, 0, act_leaky},
	{"ThresholdedRelu", 1, 0, act_threshold},
	{"ScaledTanh", 1, 1, act_scaled},
	{"HardSigmoid", 0.2, 0.5, act_hard},
	{"Elu", 1, 0, act_elu},
	{"Softsign", 0, 0, act_softsign},
	{"Softplus", 0, 0, act_softplus},
};

enum { MAXACT = 6 };

typedef struct Rnn {
	int gates, nact, dirs;
	bool first_backwards, layout;
	int64_t seq, batch, in, hidden;
	Act act[MAXACT];
	double clip;
	const double *x, *w, *r, *b, *p;
	double *h, *c; /* [dirs, batch, hidden] */
	const Value *lens;
	double *y; /* [seq, dirs, batch, hidden] */
	/* of the step: */
	double *gate, *now;
} Rnn;

static bool
find_act(Ctx *c, const char *name, Act *out)
{
	for (size_t i = 0; i < LEN(acts); i++)
		if (strcmp(acts[i].name, name) == 0) {
			*out = acts[i];
			return true;
		}
	return fail(c, QE_INPUT, "activation '%s'", name);
}

/* usual: names for one direction */
static bool
act_args(Ctx *c, Arena *a, const Node *n, Rnn *s, const char *const *usual)
{
	const Attr *names = attr_find(n, "activations");
	const Attr *alpha = attr_find(n, "activation_alpha");
	const Attr *beta = attr_find(n, "activation_beta");
	int count = s->nact * s->dirs, na = 0, nb = 0;

	if (names && (names->type != ATTR_STRINGS || names->n != count))
		return fail(c, QE_INPUT, "%d activations, wanted %d", names->n,
		            count);
	if ((alpha && alpha->type != ATTR_FLOATS) ||
	    (beta && beta->type != ATTR_FLOATS))
		return fail(c, QE_INPUT, "activation_alpha or _beta");
	for (int i = 0; i < count; i++) {
		const char *name = names ? arena_span(a, names->strings[i])
		                         : usual[i % s->nact];
		Act *f = &s->act[i];

		if (!find_act(c, name, f))
			return false;
		/* values are listed only for those that take them */
		if (alpha && f->alpha != 0 && na < alpha->n)
			f->alpha = (double)alpha->floats[na++];
		if (beta && (f->beta != 0 || f->f == act_affine) &&
		    nb < beta->n)
			f->beta = (double)beta->floats[nb++];
	}
	return true;
}

/* Of two directions the first is forwards. */
static bool
direction(Ctx *c, const Node *n, int *dirs, bool *backwards)
{
	const char *d = attr_str(n, "direction", "forward");

	*dirs = strcmp(d, "bidirectional") == 0 ? 2 : 1;
	*backwards = strcmp(d, "reverse") == 0;
	return *dirs == 2 || *backwards || strcmp(d, "forward") == 0 ||
	       fail(c, QE_INPUT, "direction '%s'", d);
}

/* Y [seq, dirs, batch, hidden], Y_h and, of LSTM, Y_c [dirs, batch, hidden];
 * with layout 1 (14) the batch comes first in all of them. */
bool
infer_rnn(Ctx *c, Node *n)
{
	const Shape *x = &n->in[0]->shape, *r = &n->in[2]->shape;
	bool layout = attr_int(n, "layout", 0), backwards;
	int64_t hidden = r->rank == 3 ? r->dim[2] : -1, seq = -1, batch = -1;
	int dirs;

	if (!want_rank(c, n, 0, 3) || !want_rank(c, n, 1, 3) ||
	    !want_rank(c, n, 2, 3) || !want_class(c, n, 0, "F") ||
	    !direction(c, n, &dirs, &backwards))
		return false;
	if (x->rank == 3) {
		seq = x->dim[layout];
		batch = x->dim[!layout];
	}
	Shape y = {4, {seq, dirs, batch, hidden}};
	Shape h = {3, {dirs, batch, hidden}};

	if (layout) {
		y = (Shape){4, {batch, seq, dirs, hidden}};
		h = (Shape){3, {batch, dirs, hidden}};
	}
	return value_set(c, node_out(n, 0), n->in[0]->type, &y) &&
	       value_set(c, node_out(n, 1), n->in[0]->type, &h) &&
	       value_set(c, node_out(n, 2), n->in[0]->type, &h);
}

static bool
want_count(Ctx *c, const Node *n, int k, int64_t count)
{
	const Value *v = node_in(n, k);

	return !v || shape_count(&v->shape) == count ||
	       fail(c, QE_INPUT, "input %d: %s", k, shape_text(&v->shape).s);
}

/* [batch, dirs, hidden] of layout 1 and [dirs, batch, hidden], either way */
static void
swap_front(double *to, const double *from, int64_t p, int64_t q, int64_t each)
{
	for (int64_t i = 0; i < p * q; i++)
		memcpy(to + (i % q * p + i / q) * each, from + i * each,
		       (size_t)each * sizeof *to);
}

static double *
read_state(Arena *a, const Rnn *s, const Value *v)
{
	int64_t count = s->dirs * s->batch * s->hidden;
	double *x = NEWV(a, double, count + 1);

	if (v && s->layout)
		swap_front(x, read_f64(a, v), s->batch, s->dirs, s->hidden);
	else if (v)
		load_f64(v, 0, 1, count, x);
	return x;
}

static bool
open_rnn(Ctx *c, Arena *a, const Node *n, int gates, int nact,
         const char *const *usual, Rnn *s)
{
	const Shape *x = &n->in[0]->shape;
	double *in;

	*s = (Rnn){.gates = gates,
	           .nact = nact,
	           .layout = attr_int(n, "layout", 0),
	           .clip = attr_float(n, "clip", 0)};
	if (!direction(c, n, &s->dirs, &s->first_backwards) ||
	    !act_args(c, a, n, s, usual))
		return false;
	s->seq = x->dim[s->layout];
	s->batch = x->dim[!s->layout];
	s->in = x->dim[2];
	s->hidden = n->in[2]->shape.dim[2];
	if (attr_int(n, "hidden_size", s->hidden) != s->hidden)
		return fail(c, QE_INPUT, "hidden_size %lld, R %s",
		            (long long)attr_int(n, "hidden_size", 0),
		            shape_text(&n->in[2]->shape).s);
	int64_t rows = s->dirs * gates * s->hidden;
	int64_t state = s->dirs * s->batch * s->hidden;

	if (!want_count(c, n, 1, rows * s->in) ||
	    !want_count(c, n, 2, rows * s->hidden) ||
	    !want_count(c, n, 3, 2 * rows) || !want_count(c, n, 4, s->batch) ||
	    !want_count(c, n, 5, state) || !want_count(c, n, 6, state) ||
	    !want_count(c, n, 7, s->dirs * 3 * s->hidden))
		return false;
	in = read_f64(a, n->in[0]);
	if (s->layout) {
		double *t = NEWV(a, double, shape_count(x) + 1);

		swap_front(t, in, s->batch, s->seq, s->in);
		in = t;
	}
	s->x = in;
	s->w = read_f64(a, n->in[1]);
	s->r = read_f64(a, n->in[2]);
	s->b = node_in(n, 3) ? read_f64(a, n->in[3]) : NULL;
	s->p = node_in(n, 7) ? read_f64(a, n->in[7]) : NULL;
	s->lens = node_in(n, 4);
	s->h = read_state(a, s, node_in(n, 5));
	s->c = read_state(a, s, node_in(n, 6));
	s->y = NEWV(a, double, s->seq *state + 1);
	s->gate = NEWV(a, double, gates * s->hidden + 1);
	s->now = NEWV(a, double, s->hidden + 1);
	return true;
}

static double
product(const double *p, const double *q, int64_t n)
{
	double sum = 0;

	for (int64_t i = 0; i < n; i++)
		sum += p[i] * q[i];
	return sum;
}

/* `clip` bounds what goes into an activation, not what comes out. */
static double
bounded(const Rnn *s, double x)
{
	return s->clip > 0 ? fmax(-s->clip, fmin(s->clip, x)) : x;
}

static double
activate(const Rnn *s, int d, int k, double x)
{
	const Act *f = &s->act[d * s->nact + k];

	return f->f(bounded(s, x), f->alpha, f->beta);
}

/* Row of W x + Wb, and of R h + Rb. */
static double
from_input(const Rnn *s, int d, int64_t row, const double *x)
{
	int64_t rows = s->gates * s->hidden;

	return product(s->w + (d * rows + row) * s->in, x, s->in) +
	       (s->b ? s->b[d * 2 * rows + row] : 0);
}

static double
from_state(const Rnn *s, int d, int64_t row, const double *h)
{
	int64_t rows = s->gates * s->hidden;

	return product(s->r + (d * rows + row) * s->hidden, h, s->hidden) +
	       (s->b ? s->b[d * 2 * rows + rows + row] : 0);
}

/* Moves h (and c) of one direction and batch entry on by one step. */
typedef void StepFn(const Rnn *, int d, const double *x, double *h, double *c,
                    int64_t option);

/* h = f(W x + Wb + R h + Rb) */
static void
step_rnn(const Rnn *s, int d, const double *x, double *h, double *c,
         int64_t option)
{
	(void)c, (void)option;
	for (int64_t i = 0; i < s->hidden; i++)
		s->now[i] = activate(s, d, 0,
		                     from_input(s, d, i, x) +
		                             from_state(s, d, i, h));
	memcpy(h, s->now, (size_t)s->hidden * sizeof *h);
}

/* Rows of W and R are those of z, r, h.
 *   z = f(Wz x + Rz h + b), r = f(Wr x + Rr h + b)
 *   n = g(Wh x + Wbh + Rh (r h) + Rbh), or, by option linear_before_reset,
 *   n = g(Wh x + Wbh + r (Rh h + Rbh));  h = (1 - z) n + z h */
static void
step_gru(const Rnn *s, int d, const double *x, double *h, double *c,
         int64_t option)
{
	int64_t n = s->hidden, rows = 3 * n;
	double *z = s->gate, *r = s->gate + n, *reset = s->gate + 2 * n;

	(void)c;
	for (int64_t i = 0; i < 2 * n; i++)
		s->gate[i] = activate(s, d, 0,
		                      from_input(s, d, i, x) +
		                              from_state(s, d, i, h));
	for (int64_t i = 0; i < n; i++)
		reset[i] = r[i] * h[i];
	for (int64_t i = 0; i < n; i++) {
		double v = from_input(s, d, 2 * n + i, x);

		if (option)
			v += r[i] * from_state(s, d, 2 * n + i, h);
		else
			v += product(s->r + (d * rows + 2 * n + i) * n, reset,
			             n) +
			     (s->b ? s->b[d * 2 * rows + rows + 2 * n + i] : 0);
		s->now[i] = activate(s, d, 1, v);
	}
	for (int64_t i = 0; i < n; i++)
		h[i] = (1 - z[i]) * s->now[i] + z[i] * h[i];
}

/* Rows of W and R are those of i, o, f, c; peepholes p of i, o, f.
 *   i = f(Wi x + Ri h + pi C + b), f = f(... + pf C + b) or, by option
 *   input_forget, 1 - i
 *   C = f C + i g(Wc x + Rc h + b), o = f(... + po C + b) with the new C
 *   h = o h(C) */
static void
step_lstm(const Rnn *s, int d, const double *x, double *h, double *c,
          int64_t option)
{
	int64_t n = s->hidden;
	const double *p = s->p ? s->p + d * 3 * n : NULL;

	for (int64_t i = 0; i < 4 * n; i++)
		s->gate[i] = from_input(s, d, i, x) + from_state(s, d, i, h);
	for (int64_t i = 0; i < n; i++) {
		double in = s->gate[i], out = s->gate[n + i];
		double forget = s->gate[2 * n + i], old = c[i];

		in = activate(s, d, 0, in + (p ? p[i] * old : 0));
		forget = option ? 1 - in
		                : activate(s, d, 0,
		                           forget + (p ? p[2 * n + i] * old
		                                       : 0));
		c[i] = forget * old +
		       in * activate(s, d, 1, s->gate[3 * n + i]);
		out = activate(s, d, 0, out + (p ? p[n + i] * c[i] : 0));
		h[i] = out *
		       s->act[d * s->nact + 2].f(c[i],
		                                 s->act[d * s->nact + 2].alpha,
		                                 s->act[d * s->nact + 2].beta);
	}
}

/* A sequence that is shorter than the rest ends early: its state stays what it
 * was, its later outputs are 0.  Backwards starts at its own last step. */
static bool
walk(Ctx *c, Rnn *s, StepFn *step, int64_t option)
{
	for (int64_t db = 0; db < s->dirs * s->batch; db++) {
		int64_t b = db % s->batch, len = s->seq, t;
		int d = (int)(db / s->batch);
		bool backwards = d || s->first_backwards;
		double *h = s->h + db * s->hidden,
		       *cell = s->c + db * s->hidden;

		if (s->lens)
			len = value_i64(s->lens, b);
		if (len < 0 || len > s->seq)
			return fail(c, QE_INPUT, "length %lld of %lld",
			            (long long)len, (long long)s->seq);
		for (int64_t i = 0; i < len; i++) {
			t = backwards ? len - 1 - i : i;
			step(s, d, s->x + (t * s->batch + b) * s->in, h, cell,
			     option);
			memcpy(s->y + (t * s->dirs * s->batch + db) * s->hidden,
			       h, (size_t)s->hidden * sizeof *h);
		}
	}
	return true;
}

static void
hand_out(Arena *a, Node *n, const Rnn *s)
{
	int64_t state = s->dirs * s->batch * s->hidden;
	double *t = NEWV(a, double, s->seq *state + 1);
	const double *last[] = {s->h, s->c};

	/* [seq, dirs, batch] -> [batch, seq, dirs] in layout 1 */
	if (s->layout)
		swap_front(t, s->y, s->seq * s->dirs, s->batch, s->hidden);
	if (node_out(n, 0))
		store_f64(n->out[0], 0, s->seq * state, s->layout ? t : s->y);
	for (int k = 0; k < 2; k++) {
		if (!node_out(n, k + 1))
			continue;
		if (s->layout)
			swap_front(t, last[k], s->dirs, s->batch, s->hidden);
		store_f64(n->out[k + 1], 0, state, s->layout ? t : last[k]);
	}
}

bool
eval_rnn(Ctx *c, Arena *a, Node *n)
{
	Rnn s;

	if (!open_rnn(c, a, n, 1, 1, (const char *[]){"Tanh"}, &s) ||
	    !walk(c, &s, step_rnn, 0))
		return false;
	hand_out(a, n, &s);
	return true;
}

bool
eval_gru(Ctx *c, Arena *a, Node *n)
{
	Rnn s;

	if (!open_rnn(c, a, n, 3, 2, (const char *[]){"Sigmoid", "Tanh"}, &s) ||
	    !walk(c, &s, step_gru, attr_int(n, "linear_before_reset", 0)))
		return false;
	hand_out(a, n, &s);
	return true;
}

bool
eval_lstm(Ctx *c, Arena *a, Node *n)
{
	Rnn s;

	if (!open_rnn(c, a, n, 4, 3,
	              (const char *[]){"Sigmoid", "Tanh", "Tanh"}, &s) ||
	    !walk(c, &s, step_lstm, attr_int(n, "input_forget", 0)))
		return false;
	hand_out(a, n, &s);
	return true;
}
