/* SPDX-License-Identifier: BSD-3-Clause
 * fuse_attention.c - softmax(q . k) . v, with or without a retained cache.
 *
 * With a cache, the graph scatters new keys and values, gathers every row of
 * the cache back, repeats heads, masks and multiplies; the kernels write the
 * rows in place and read the ones that exist.  Values inside are [batch,
 * heads, seq, dim] in the graph and [batch, seq, heads, dim] in the kernels,
 * so that the transposes around attention go away (tokens_major).
 *
 * host cache_write: in cache, x, positions, rows of the cache; out the cache.
 * host attention: in q, k, v, positions, slope, sink, bias, rows of the
 * cache, the last part of keys; scale, cap, window, reach, len.
 * host attention_dense: in q, k, v, mask, bias; scale, cap, reach. */

#include <math.h>

#include "compile.h"
#include "keep.h"

typedef struct Scores {
	Value *q, *k;        /* [B,n,S,d], [B,n,T,d] before the transpose */
	Value *tokens;       /* or, k NULL, keys as [B,T,n,d] */
	Value *mask, *least; /* bool: where true, the least score stands */
	Value *bias;         /* added */
	Value *sink;         /* [n] more scores, whose weights are dropped */
	Value *slope, *key;  /* + slope [n] * (key - query) */
	Value *query;
	Value *by, *at; /* + by [n, 2 reach + 1] at a column of each pair */
	int64_t reach;
	double scale, cap, slope_scale;
} Scores;

/* ---- layout ---- */

static const int64_t by_token[] = {0, 2, 1, 3};

static Shape
swapped(const Value *v)
{
	const int64_t *d = v->shape.dim;

	return (Shape){4, {d[0], d[2], d[1], d[3]}};
}

Node *
host_add(Graph *g, const char *kernel, int nin, Value *const *in, DType type,
         const Shape *s)
{
	Value *out = value_new(g, NULL, type, s);

	return node_new(g, HOST_DOMAIN, kernel, nin, in, 1, &out);
}

Value *
transposed(Graph *g, Value *v)
{
	Shape s = swapped(v);
	Value *y = add_typed(g, "Transpose", v->type, &s, v, NULL, NULL);

	attr_set_ints(g, y->from, "perm", 4, by_token);
	y->from->name = v->name;
	return y;
}

/* v [B,n,S,d] as [B,S,n,d]; what is done to each row on its own is done in
 * that layout too. */
Value *
tokens_major(Graph *g, Value *v)
{
	Node *n = made_by(v, "Transpose"), *h;
	Shape s = swapped(v);
	Value *y;
	Rope r;

	if (n && is_perm(n, 4, by_token))
		return n->in[0];
	if (match_rope(v, &r)) {
		h = host_add(g, "rope", 4,
		             (Value *[]){tokens_major(g, r.x), r.cos, r.sin,
		                         r.pos},
		             DT_F32, &s);
		attr_set_int(g, h, "rot", r.rot);
		attr_set_int(g, h, "style", r.style);
		h->name = v->name;
		return h->out[0];
	}
	if ((n = made_by_host(v, "rmsnorm")) ||
	    (n = made_by_host(v, "layernorm"))) {
		h = host_add(g, n->type, 4,
		             (Value *[]){tokens_major(g, n->in[0]), n->in[1],
		                         n->in[2], NULL},
		             DT_F32, &s);
		attr_set_float(g, h, "eps", attr_float(n, "eps", 0));
		h->name = n->name;
		return h->out[0];
	}
	if ((n = side_by_side(v))) {
		y = add_typed(g, "Concat", v->type, &s,
		              tokens_major(g, n->in[0]),
		              tokens_major(g, n->in[1]), NULL);
		attr_set_int(g, y->from, "axis", 3);
		y->from->name = n->name;
		return y;
	}
	return transposed(g, v);
}

/* ---- scores ---- */

/* s * number or s / number, taken off v */
static Value *
take_scale(Value *v, double *scale)
{
	double s;
	Value *x;

	if ((x = with_const(v, "Mul", &s))) {
		*scale *= s;
		return x;
	}
	if (made_by(v, "Div") && const_number(v->from->in[1], &s) && s != 0) {
		*scale /= s;
		return v->from->in[0];
	}
	return v;
}

/* cap * tanh(s / cap) */
static Value *
take_cap(Value *v, double *cap)
{
	double outer, inner = 1;
	Value *t = with_const(v, "Mul", &outer), *x;
	Node *tanh_ = made_by(t, "Tanh");

	if (!tanh_)
		return v;
	x = take_scale(tanh_->in[0], &inner);
	if (outer <= 0 || fabs(inner * outer - 1) > 1e-5)
		return v;
	*cap = outer;
	return x;
}

/* v + slope * (key position - query position), taken off v */
static Value *
take_slopes(Value *v, Scores *s)
{
	Node *add = made_by(v, "Add"), *mul, *sub;

	for (int i = 0; add && i < 2; i++) {
		mul = made_by(add->in[i], "Mul");
		for (int k = 0; mul && k < 2; k++) {
			Value *d = mul->in[k], *slope = mul->in[1 - k];

			while (made_by(d, "Cast"))
				d = d->from->in[0];
			if (!(sub = made_by(d, "Sub")) || !is_weight(slope) ||
			    slope->shape.rank < 3 ||
			    shape_count(&slope->shape) !=
			            slope->shape.dim[slope->shape.rank - 3] ||
			    shape_count(&slope->shape) != v->shape.dim[1])
				continue;
			s->slope = slope;
			s->slope_scale = 1;
			s->key = sub->in[0];
			s->query = sub->in[1];
			return add->in[1 - i];
		}
	}
	return v;
}

/* v + a bias of each head by the distance of key and query: rows of a table,
 * whose middle is distance 0. */
static Value *
take_distances(Value *v, Scores *s)
{
	Node *add = made_by(v, "Add"), *turn, *look;

	for (int i = 0; add && i < 2; i++) {
		turn = made_by(add->in[i], "Transpose");
		look = turn ? made_by(turn->in[0], "Gather") : NULL;
		if (!look || !is_perm(turn, 4, (const int64_t[]){1, 0, 2, 3}) ||
		    attr_int(look, "axis", 0) != 1 || !is_weight(look->in[0]) ||
		    look->in[0]->shape.rank != 2 ||
		    look->in[0]->shape.dim[0] != v->shape.dim[1] ||
		    look->in[0]->shape.dim[1] % 2 == 0 ||
		    look->in[0]->type != DT_F32)
			continue;
		s->by = look->in[0];
		s->at = look->in[1];
		s->reach = s->by->shape.dim[1] / 2;
		return add->in[1 - i];
	}
	return v;
}

/* A constant [n] behind v [B,n,S,1]: stretched by Expand, or, where that was
 * small, already folded into numbers. */
static Value *
each_head(Graph *g, const Value *v, int64_t n)
{
	Node *wide = made_by(v, "Expand");
	const float *x = v->data.mem;
	const int64_t *d = v->shape.dim;
	float *y;

	if (wide)
		return is_weight(wide->in[0]) &&
		                       shape_count(&wide->in[0]->shape) == n
		               ? wide->in[0]
		               : NULL;
	if (!value_is_const(v) || !x || v->type != DT_F32 ||
	    v->shape.rank != 4 || d[1] != n || d[0] < 1 || d[2] < 1)
		return NULL;
	for (int64_t i = 0; i < shape_count(&v->shape); i++)
		if (memcmp(&x[i], &x[i / d[2] % n * d[2]], sizeof *x) != 0)
			return NULL;
	y = NEWV(g->mem, float, n);
	for (int64_t i = 0; i < n; i++)
		y[i] = x[i * d[2]];
	return const_bytes(g, NULL, DT_F32, &(Shape){1, {n}}, y);
}

/* Scores with one more column that every query sees: softmax, then the
 * column goes.  The scores without it. */
static Value *
take_sink(Node *soft, Value *p, Scores *s)
{
	Node *cat = made_by(soft->in[0], "Concat");

	if (p == soft->out[0])
		return soft->in[0];
	if (!cat || cat->nin != 2 || last_dim(cat->in[1]) != 1 ||
	    p->shape.rank != 4 ||
	    last_slice(p, 0, last_dim(cat->in[0])) != soft->out[0])
		return NULL;
	s->sink = each_head(soft->graph, cat->in[1], p->shape.dim[1]);
	return s->sink ? cat->in[0] : NULL;
}

static bool
match_scores(Value *v, Scores *s)
{
	Node *n;
	double big;

	if ((n = made_by(v, "Where")) && const_number(n->in[1], &big) &&
	    big < -1e4) {
		s->mask = n->in[0];
		s->least = n->in[1];
		v = n->in[2];
	}
	for (n = made_by(v, "Add"); !s->mask && n && !s->bias; n = NULL) {
		int i = shape_eq(&n->in[0]->shape, &v->shape) ? 0 : 1;

		s->bias = n->in[1 - i];
		v = n->in[i];
	}
	v = take_cap(v, &s->cap);
	v = take_distances(v, s);
	v = take_slopes(v, s);
	v = take_scale(v, &s->scale);
	if (!s->slope && take_slopes(v, s) != v) {
		v = take_slopes(v, s);
		s->slope_scale = s->scale;
	}
	if (!(n = made_by(v, "MatMul")) || is_weight(n->in[1]))
		return false;
	s->q = n->in[0];
	n = made_by(n->in[1], "Transpose");
	if (n && is_perm(n, 4, (const int64_t[]){0, 1, 3, 2}))
		s->k = n->in[0];
	else if (n && is_perm(n, 4, (const int64_t[]){0, 2, 3, 1}))
		s->tokens = n->in[0];
	return s->q->shape.rank == 4 && (s->k || s->tokens);
}

/* Undoes view(Expand(view(x))): x [B,kv,T,d] for v [B,kv*r,T,d], r times each
 * head. */
Value *
unrepeat(Value *v)
{
	Node *e = made_by(skip_views(v), "Expand");
	const Shape *y;
	Value *x;

	if (!e || !made_by_host(v, "view"))
		return v;
	y = &e->out[0]->shape;
	x = skip_views(e->in[0]);
	if (y->rank != 5 || e->in[0]->shape.rank != 5 ||
	    e->in[0]->shape.dim[2] != 1 || x->shape.rank != 4)
		return v;
	for (int i = 0; i < 4; i++)
		if (x->shape.dim[i] != e->in[0]->shape.dim[i < 2 ? i : i + 1])
			return v;
	return x;
}

/* ---- the retained cache ---- */

/* pos + offset, through views, casts and numbers added */
Value *
position(Value *v, double *offset)
{
	double s;
	Value *x;

	for (*offset = 0;; v = x) {
		v = skip_views(v);
		if ((x = with_const(v, "Add", &s)))
			*offset += s;
		else if (made_by(v, "Sub") &&
		         const_number(v->from->in[1], &s)) {
			*offset -= s;
			x = v->from->in[0];
		} else if (made_by(v, "Cast"))
			x = v->from->in[0];
		else
			return v;
	}
}

/* Where the rows that were read stand. */
static bool
is_keys(Value *v, const Kept *k)
{
	if (k->ring)
		return match_held(v, k->pos, k->ring);
	return k->near ? skip_views(v) == k->near : is_iota(v, k->len);
}

/* row > position */
static bool
is_future(const Node *n, const Value *pos, const Kept *k)
{
	double off;

	return n && is_keys(n->in[0], k) && position(n->in[1], &off) == pos &&
	       off == 0;
}

/* Hidden rows: those after the position and, with a window, those at
 * position - window and before. */
static bool
match_mask(Value *mask, const Value *pos, const Kept *k, int64_t *window)
{
	Node *either, *less;
	double off;

	mask = skip_views(mask);
	either = made_by(mask, "Or");
	*window = 0;
	if (!either)
		return is_future(made_by(mask, "Greater"), pos, k);
	for (int i = 0; i < 2; i++) {
		less = made_by(either->in[i], "Less");
		if (!less ||
		    !is_future(made_by(either->in[1 - i], "Greater"), pos, k))
			continue;
		if (!is_keys(less->in[0], k) ||
		    position(less->in[1], &off) != pos || off > 0)
			return false;
		*window = 1 - (int64_t)off;
		return true;
	}
	return false;
}

/* Positions with padding moved out of range. */
static Value *
undropped(Value *v)
{
	Node *where = made_by(v, "Where");

	return where && const_is(where->in[1], INT32_MAX) ? where->in[2] : v;
}

static bool
match_scatter(Node *n, Kept *k)
{
	k->scatter = n;
	if (is_op(n, HOST_DOMAIN, "cache_write")) {
		k->pos = n->in[2];
		k->slot = n->in[3];
		k->ring = attr_int(n, "ring", 0);
		k->x = n->in[1];
		return true;
	}
	k->x = n->in[n->nin - 1];
	if (is_op(n, "com.qualcomm.cloud", "CtxScatterCB")) {
		k->pos = undropped(n->in[2]);
		k->slot = n->in[1];
		match_turned(k);
		return k->slot->type == DT_I64;
	}
	k->pos = n->in[1];
	if (!is_op(n, "com.qualcomm.cloud", "CtxScatter"))
		return false;
	match_turned_padded(k);
	return true;
}

/* The first rows of a cache up to the newest; behind them row 0 is read. */
static bool
match_gather(const Graph *g, Value *v, Kept *k)
{
	Node *n = v ? v->from : NULL, *where, *beyond;
	bool cb = is_op(n, "com.qualcomm.cloud", "CtxGatherCB");
	double off;

	*k = (Kept){NULL};
	if (!cb && !is_op(n, "com.qualcomm.cloud", "CtxGather"))
		return false;
	where = made_by(skip_views(n->in[cb ? 2 : 1]), "Where");
	k->len = v->shape.dim[2];
	if (!where)
		return false;
	if (!is_iota(where->in[2], k->len))
		k->near = skip_views(where->in[2]);
	beyond = made_by(skip_views(where->in[0]), "Greater");
	k->last = beyond ? position(beyond->in[1], &off) : NULL;
	k->cache = skip_views(n->in[0]);
	if (!k->cache->from)
		return !cb && !k->near && !value_is_const(k->cache) &&
		       is_state(g, k->cache);
	return match_scatter(k->cache->from, k) &&
	       k->slot == (cb ? n->in[1] : NULL) &&
	       (!k->ring || (!k->near && k->ring == k->len &&
	                     k->ring == k->cache->shape.dim[2])) &&
	       (!k->near || match_near(k));
}

/* Values of rows that hold nothing are zeroed in the graph. */
Value *
unzeroed(Value *v)
{
	Node *n = made_by(v, "Where");

	return n && const_is(n->in[1], 0) ? n->in[2] : v;
}

static Value *
write_cache(Graph *g, const Kept *k)
{
	Node *n = k->scatter;
	Value *x;

	if (!n || is_op(n, HOST_DOMAIN, "cache_write"))
		return k->cache;
	x = tokens_major(g, k->x);
	n = host_node(g, "cache_write", 4,
	              (Value *[]){n->in[0], x, k->pos, k->slot}, n->out[0]);
	attr_set_int(g, n, "ring", k->ring);
	return n->out[0];
}

/* The value that attention's result [B,n,S,d] becomes once it is back in
 * tokens: what a lone Transpose after it makes, else a transpose of ours. */
void
put_result(Graph *g, Node *h, Value *o)
{
	Value *y = h->out[0];

	for (int i = 0; o->mark == 1 && i < g->nnode; i++) {
		Node *n = g->node[i];

		if (!is_op(n, "", "Transpose") || n->in[0] != o ||
		    !is_perm(n, 4, by_token))
			continue;
		h->name = n->name;
		graph_replace(g, n->out[0], y);
		return;
	}
	graph_replace(g, o, transposed(g, y));
}

/* Slopes as the kernel takes them; scaled where the graph scales them too. */
static Value *
slopes(Graph *g, const Scores *s)
{
	Value *by;

	if (!s->slope || s->slope_scale == 1)
		return s->slope;
	by = const_f32(g, NULL, (float)s->slope_scale);
	return add_typed(g, "Mul", DT_F32, &s->slope->shape, s->slope, by,
	                 NULL);
}

static bool
slopes_fit(const Scores *s, const Value *pos, int64_t len)
{
	double off;

	if (!s->slope)
		return true;
	return is_iota(skip_views(s->key), len) &&
	       position(s->query, &off) == pos && off == 0;
}

static bool
is_number(const Value *v, int64_t want)
{
	double x;

	return const_number(v, &x) && x == (double)want;
}

/* v, where it is op(x, n): x */
static Value *
with_number(Value *v, const char *op, int64_t n)
{
	Node *node = made_by(skip_views(v), op);

	for (int i = 0; node && node->nin == 2 && i < 2; i++)
		if (is_number(node->in[i], n))
			return node->in[1 - i];
	return NULL;
}

/* The columns are those of key - query, cut to the table: these two. */
static Node *
match_columns(const Scores *s)
{
	Value *v = with_number(s->at, "Add", s->reach);

	v = v ? with_number(v, "Min", s->reach) : NULL;
	v = v ? with_number(v, "Max", -s->reach) : NULL;
	return v ? made_by(skip_views(v), "Sub") : NULL;
}

/* Keys are the slots, a query stands at its position. */
static bool
distances_fit(const Scores *s, const Value *pos, int64_t len)
{
	Node *sub = s->by ? match_columns(s) : NULL;
	double off;

	if (!s->by)
		return true;
	return sub && is_iota(skip_views(sub->in[0]), len) &&
	       position(sub->in[1], &off) == pos && off == 0;
}

/* Both are 0, 1, ..., in a graph or worked out. */
static bool
distances_known(const Scores *s, const Value *scores)
{
	int64_t nq = scores->shape.dim[2], nk = scores->shape.dim[3];
	const int64_t *x = s->at->data.mem;
	Node *sub = match_columns(s);

	if (sub)
		return is_iota(skip_views(sub->in[0]), nk) &&
		       is_iota(skip_views(sub->in[1]), nq);
	if (!x || s->at->type != DT_I64 ||
	    shape_count(&s->at->shape) != nq * nk)
		return false;
	for (int64_t q = 0; q < nq; q++)
		for (int64_t k = 0; k < nk; k++)
			if (*x++ !=
			    MIN(MAX(k - q, -s->reach), s->reach) + s->reach)
				return false;
	return true;
}

/* The same place for all tokens of a row: [B] or so as [B,S]. */
static Value *
each_token(Graph *g, Value *pos, int64_t batch, int64_t seq)
{
	Shape s = {2, {batch, seq}};
	Node *n;

	if (shape_count(&pos->shape) == batch * seq)
		return pos;
	n = host_add(g, "copy", 1, &pos, pos->type, &s);
	attr_set_ints(g, n, "strides", 2, (int64_t[]){1, 0});
	attr_set_int(g, n, "offset", 0);
	n->name = pos->name;
	return n->out[0];
}

/* The position up to which a token sees rows: its own, or that of the newest
 * row if what was kept is another text. */
static Value *
seen_up_to(Graph *g, const Scores *s, const Kept *k, const Kept *v,
           int64_t *window)
{
	int64_t batch = s->q->shape.dim[0];

	if (k->len != v->len || k->slot != v->slot || k->ring != v->ring ||
	    k->near != v->near)
		return NULL;
	if (k->pos && v->pos == k->pos &&
	    match_mask(s->mask, k->pos, k, window))
		return k->near && (!*window || *window > k->reach + 1) ? NULL
		                                                       : k->pos;
	if (k->ring || k->near)
		return NULL;
	if (!k->last || k->last != v->last || k->last->type != DT_I64 ||
	    shape_count(&k->last->shape) != batch ||
	    !match_mask(s->mask, k->last, k, window) || *window)
		return NULL;
	return each_token(g, k->last, batch, s->q->shape.dim[2]);
}

/* Keys that are kept: in one piece, or in two of the same places side by side
 * (else tail->cache is NULL). */
static bool
match_keys(const Graph *g, Value *k, Kept *head, Kept *tail)
{
	Node *two = side_by_side(k);

	*tail = (Kept){NULL};
	if (!two)
		return match_gather(g, unrepeat(k), head);
	return match_gather(g, unzeroed(unrepeat(two->in[0])), head) &&
	       match_gather(g, unzeroed(unrepeat(two->in[1])), tail) &&
	       tail->pos == head->pos && tail->slot == head->slot &&
	       tail->len == head->len && tail->last == head->last &&
	       tail->cache->shape.dim[1] == head->cache->shape.dim[1];
}

static bool
fuse_cached(Graph *g, Node *n, Scores *s, Value *v)
{
	Kept ks, vs, ts;
	Value *pos, *in[9] = {NULL};
	Shape shape = swapped(n->out[0]);
	int64_t window;
	Node *h;

	if (!s->k || !match_keys(g, s->k, &ks, &ts) ||
	    !match_gather(g, unzeroed(unrepeat(v)), &vs) || !s->mask || s->bias)
		return false;
	if (!(pos = seen_up_to(g, s, &ks, &vs, &window)) ||
	    !slopes_fit(s, pos, ks.len) || !distances_fit(s, pos, ks.len))
		return false;
	in[0] = tokens_major(g, s->q);
	in[1] = write_cache(g, &ks);
	in[2] = vs.cache == ks.cache ? in[1] : write_cache(g, &vs);
	in[3] = pos;
	in[4] = slopes(g, s);
	in[5] = s->sink;
	in[6] = s->by;
	in[7] = ks.slot;
	in[8] = ts.cache ? write_cache(g, &ts) : NULL;
	h = host_add(g, "attention", 9, in, DT_F32, &shape);
	attr_set_int(g, h, "reach", s->reach);
	attr_set_float(g, h, "scale", s->scale);
	attr_set_float(g, h, "cap", s->cap);
	attr_set_int(g, h, "window", window);
	attr_set_int(g, h, "len", ks.near ? 0 : ks.len);
	attr_set_int(g, h, "ring", ks.ring);
	put_result(g, h, n->out[0]);
	return true;
}

/* mask broadcast to [B,n,S,T] with the last axis in full */
bool
bias_fits(const Value *m, const Value *scores)
{
	int lead = 4 - m->shape.rank;

	if (lead < 0 || m->type != DT_F32 || last_dim(m) != last_dim(scores))
		return false;
	for (int i = lead; i < 4; i++)
		if (m->shape.dim[i - lead] != 1 &&
		    m->shape.dim[i - lead] != scores->shape.dim[i])
			return false;
	return true;
}

/* A mask as numbers to add, made once. */
static Value *
mask_bias(Graph *g, const Scores *s)
{
	char *name = arena_str(g->mem, "%s.bias", s->mask->name);
	Value *v = value_find(g, name);

	if (v)
		return v;
	v = add_typed(g, "Where", DT_F32, &s->mask->shape, s->mask, s->least,
	              const_f32(g, NULL, 0));
	value_rename(g, v, name);
	return v;
}

static bool
fuse_dense(Graph *g, Node *n, Scores *s, Value *v, const Value *scores)
{
	Value *in[5], *k = s->k ? unrepeat(s->k) : s->tokens;
	Shape shape = swapped(n->out[0]);
	Node *h;

	v = unrepeat(v);
	if (s->mask && !s->bias && s->least->type == DT_F32)
		s->bias = mask_bias(g, s);
	else if (s->mask)
		return false;
	if (s->by && !distances_known(s, scores))
		return false;
	if (s->sink || s->slope || (s->bias && !bias_fits(s->bias, scores)) ||
	    k->shape.dim[s->k ? 1 : 2] != v->shape.dim[1])
		return false;
	in[0] = tokens_major(g, s->q);
	in[1] = s->k ? tokens_major(g, k) : k;
	in[2] = tokens_major(g, v);
	in[3] = s->bias;
	in[4] = s->by;
	h = host_add(g, "attention_dense", 5, in, DT_F32, &shape);
	attr_set_int(g, h, "reach", s->reach);
	attr_set_float(g, h, "scale", s->scale);
	attr_set_float(g, h, "cap", s->cap);
	put_result(g, h, n->out[0]);
	return true;
}

bool
fuse_attention(Ctx *c, Graph *g, Node *n)
{
	Value *p = n->in[0];
	Node *soft =
		made_by(made_by(p, "Slice") ? p->from->in[0] : p, "Softmax");
	Scores s = {.scale = 1};

	(void)c;
	if (!soft || !is_last_softmax(soft) || n->out[0]->type != DT_F32 ||
	    n->in[1]->shape.rank != 4)
		return false;
	p = take_sink(soft, p, &s);
	if (!p || !match_scores(p, &s))
		return false;
	return fuse_cached(g, n, &s, n->in[1]) ||
	       fuse_dense(g, n, &s, n->in[1], p);
}
