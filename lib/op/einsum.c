/* SPDX-License-Identifier: BSD-3-Clause
 * einsum.c - Einsum: products summed over the letters the result lacks.
 *
 * Every letter is one loop; "..." stands for up to MAXRANK more, aligned at
 * their end, where 1 stretches.  An input's step for a letter is the sum of
 * its steps at each place the letter has, so diagonals need no case. */

#include <ctype.h>

#include "num.h"

enum { LETTERS = 52, LOOPS = LETTERS + MAXRANK, MAXTERMS = 32 };

typedef struct Einsum {
	int nin;
	int64_t dim[LOOPS]; /* -1: not in use */
	int64_t step[MAXTERMS][LOOPS];
	Shape y;
	int loop[LOOPS]; /* loops in order: the result's, then summed ones */
	int nloop, nout;
} Einsum;

static int
letter(char ch)
{
	return islower((unsigned char)ch) ? ch - 'a' : 26 + ch - 'A';
}

/* A term as loops, one a dimension; "..." takes `dots` of them.  Returns
 * the number, or -1. */
static int
parse_term(Ctx *c, Span s, int rank, int *loop)
{
	int n = 0, letters = 0, dots;

	for (size_t i = 0; i < s.n; i++)
		letters += isalpha((unsigned char)s.p[i]) != 0;
	dots = rank - letters;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ' ')
			continue;
		if (s.n - i >= 3 && memcmp(s.p + i, "...", 3) == 0 &&
		    dots >= 0 && n + dots <= MAXRANK) {
			for (int k = 0; k < dots; k++)
				loop[n++] = LOOPS - dots + k;
			i += 2;
			letters = -1; /* dots are used */
			continue;
		}
		if (!isalpha((unsigned char)s.p[i]) || n >= MAXRANK) {
			fail(c, QE_INPUT, "equation: '%c'", s.p[i]);
			return -1;
		}
		loop[n++] = letter(s.p[i]);
	}
	if (n != rank) {
		fail(c, QE_INPUT, "equation: term '%.*s' for rank %d", (int)s.n,
		     s.p, rank);
		return -1;
	}
	return n;
}

static bool
add_input(Ctx *c, Einsum *e, int k, Span term, const Shape *x)
{
	int loop[MAXRANK + 1];
	int64_t step[MAXRANK];

	if (parse_term(c, term, x->rank, loop) < 0)
		return false;
	shape_steps(x, step);
	for (int i = 0; i < x->rank; i++) {
		int64_t *d = &e->dim[loop[i]];

		if (*d >= 0 && *d != 1 && x->dim[i] != 1 && x->dim[i] != *d)
			return fail(c, QE_INPUT, "%lld and %lld for one letter",
			            (long long)*d, (long long)x->dim[i]);
		*d = *d < 0 || *d == 1 ? x->dim[i] : *d;
		if (x->dim[i] != 1)
			e->step[k][loop[i]] += step[i];
	}
	return true;
}

/* Without "->": dots, then letters that come once, in their order. */
static void
implicit_output(Einsum *e, const char *terms)
{
	int count[LOOPS] = {0};

	for (; *terms; terms++)
		if (isalpha((unsigned char)*terms))
			count[letter(*terms)]++;
	for (int i = LETTERS; i < LOOPS; i++)
		if (e->dim[i] >= 0)
			e->loop[e->nout++] = i;
	/* upper case sorts first */
	for (int i = 0; i < LETTERS; i++) {
		int l = (i + 26) % LETTERS;

		if (count[l] == 1)
			e->loop[e->nout++] = l;
	}
}

static bool
explicit_output(Ctx *c, Einsum *e, Span term)
{
	int loop[MAXRANK + 1], rank = 0, n;

	for (int i = LETTERS; i < LOOPS; i++)
		rank += e->dim[i] >= 0 && memchr(term.p, '.', term.n) != NULL;
	for (size_t i = 0; i < term.n; i++)
		rank += isalpha((unsigned char)term.p[i]) != 0;
	if (rank > MAXRANK)
		return fail(c, QE_INPUT, "rank %d", rank);
	n = parse_term(c, term, rank, loop);
	for (int i = 0; i < n; i++) {
		if (e->dim[loop[i]] < 0)
			return fail(c, QE_INPUT, "equation: '%.*s' is not fed",
			            (int)term.n, term.p);
		e->loop[e->nout++] = loop[i];
	}
	return n >= 0;
}

static bool
open_einsum(Ctx *c, const Node *n, Einsum *e)
{
	const char *s = attr_str(n, "equation", ""), *p = s;
	const char *arrow = strstr(s, "->");
	size_t len = arrow ? (size_t)(arrow - s) : strlen(s), cut;
	bool out[LOOPS] = {false};

	*e = (Einsum){.nin = n->nin};
	for (int i = 0; i < LOOPS; i++)
		e->dim[i] = -1;
	if (n->nin > MAXTERMS)
		return fail(c, QE_INPUT, "%d inputs", n->nin);
	for (int k = 0; k < n->nin; k++, p += cut + 1) {
		size_t left = p > s + len ? 0 : (size_t)(s + len - p);
		const char *comma = memchr(p, ',', left);

		cut = comma ? (size_t)(comma - p) : left;
		if (p > s + len || !comma != (k == n->nin - 1))
			return fail(c, QE_INPUT, "equation '%s' for %d inputs",
			            s, n->nin);
		if (!add_input(c, e, k, (Span){p, cut}, &n->in[k]->shape))
			return false;
	}
	if (!arrow)
		implicit_output(e, s);
	else if (!explicit_output(c, e, SPAN(arrow + 2)))
		return false;
	if (e->nout > MAXRANK)
		return fail(c, QE_INPUT, "rank %d", e->nout);
	e->y.rank = e->nout;
	for (int i = 0; i < e->nout; i++) {
		if (out[e->loop[i]])
			return fail(c, QE_INPUT, "equation '%s'", s);
		out[e->loop[i]] = true;
		e->y.dim[i] = e->dim[e->loop[i]];
	}
	e->nloop = e->nout;
	for (int i = 0; i < LOOPS; i++)
		if (e->dim[i] >= 0 && !out[i])
			e->loop[e->nloop++] = i;
	return true;
}

bool
infer_einsum(Ctx *c, Node *n)
{
	Shape y = {.rank = -1};
	Einsum e;

	for (int k = 0; k < n->nin; k++)
		if (!shape_known(&n->in[k]->shape))
			return value_set(c, node_out(n, 0), n->in[0]->type, &y);
	return want_same(c, n, 0, n->nin) && want_class(c, n, 0, "FIU") &&
	       open_einsum(c, n, &e) &&
	       value_set(c, node_out(n, 0), n->in[0]->type, &e.y);
}

/* One element of the result: off[] are its offsets into the inputs. */
static double
sum_up(const Einsum *e, double *const *x, int64_t *off)
{
	int64_t at[LOOPS] = {0};
	double sum = 0, p;
	int i;

	for (;;) {
		p = 1;
		for (int k = 0; k < e->nin; k++)
			p *= x[k][off[k]];
		sum += p;
		for (i = e->nloop - 1; i >= e->nout; i--) {
			int l = e->loop[i];
			bool more = ++at[i] < e->dim[l];

			for (int k = 0; k < e->nin; k++)
				off[k] += e->step[k][l] *
				          (more ? 1 : 1 - e->dim[l]);
			if (more)
				break;
			at[i] = 0;
		}
		if (i < e->nout)
			return sum;
	}
}

bool
eval_einsum(Ctx *c, Arena *a, Node *n)
{
	int64_t count, rest, off[MAXTERMS], terms = 1;
	double *x[MAXTERMS], v;
	Einsum e;

	if (!open_einsum(c, n, &e))
		return false;
	for (int i = e.nout; i < e.nloop; i++)
		terms = mul_size(terms, e.dim[e.loop[i]]);
	if (terms == 0) /* sums of nothing: the zeros of the output */
		return true;
	for (int k = 0; k < n->nin; k++)
		x[k] = read_f64(a, n->in[k]);
	count = shape_count(&e.y);
	for (int64_t i = 0; i < count; i++) {
		memset(off, 0, sizeof off);
		rest = i;
		for (int d = e.nout - 1; d >= 0; d--) {
			for (int k = 0; k < e.nin; k++)
				off[k] += rest % e.y.dim[d] *
				          e.step[k][e.loop[d]];
			rest /= e.y.dim[d];
		}
		v = sum_up(&e, x, off);
		store_f64(n->out[0], i, 1, &v);
	}
	return true;
}
