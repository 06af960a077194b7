/* SPDX-License-Identifier: BSD-3-Clause
 * layout.c - images with channels last.
 *
 * ONNX has [N, C, H, W]; the kernels want [N, H, W, C], where what a pixel
 * has is one run of memory.  In one walk down the graph each convolution and
 * pool becomes a kernel between two Transposes, and nodes that do not care
 * where the channels are move above the Transpose in front of them; a
 * Transpose and its inverse meet and go.  [N, C, L] is an image of height 1.
 *
 * host conv, depthwise: in x, w, bias, residual; host pool: in x.  Attribute
 * slide: the numbers of SLIDE_BATCH...; groups, act, post, kind. */

#include "compile.h"
#include "window.h"

typedef struct Layout {
	Ctx *c;
	Graph *g;
	Dict *last; /* Value with channels last, by the name of its first */
} Layout;

static Value *
transpose(Graph *g, Value *x, const int64_t *perm)
{
	Shape s = {.rank = x->shape.rank};
	Value *v;

	for (int i = 0; i < s.rank; i++)
		s.dim[i] = x->shape.dim[perm[i]];
	v = add_typed(g, "Transpose", x->type, &s, x, NULL, NULL);
	attr_set_ints(g, v->from, "perm", s.rank, perm);
	return v;
}

/* x with another shape: of a weight something that can be evaluated. */
static Value *
view(Graph *g, Value *x, const Shape *s)
{
	if (shape_eq(&x->shape, s))
		return x;
	if (!is_weight(x))
		return host_add(g, "view", 1, &x, x->type, s)->out[0];
	return add_typed(g, "Reshape", x->type, s, x,
	                 const_i64(g, NULL, s->rank, s->dim), NULL);
}

/* [N, C, H, W] of [N, C, L] too */
static Shape
image_of(const Shape *s)
{
	Shape t = *s;

	if (s->rank == 3)
		t = (Shape){4, {s->dim[0], s->dim[1], 1, s->dim[2]}};
	return t;
}

static Value *
to_last(Layout *l, Value *v)
{
	Shape s = image_of(&v->shape), t;
	Value *x = dict_get(l->last, v->name);

	if (x)
		return x;
	t = (Shape){4, {s.dim[0], s.dim[2], s.dim[3], s.dim[1]}};
	if (s.dim[1] == 1 || s.dim[2] * s.dim[3] == 1)
		return view(l->g, v, &t);
	return transpose(l->g, view(l->g, v, &s),
	                 (const int64_t[]){0, 2, 3, 1});
}

/* x, channels last, is what v is: v's uses see it through a Transpose. */
static void
become(Layout *l, Value *v, Value *x)
{
	Shape s = image_of(&v->shape);
	Value *y = s.dim[1] == 1 || s.dim[2] * s.dim[3] == 1
	                   ? view(l->g, x, &s)
	                   : transpose(l->g, x, (const int64_t[]){0, 3, 1, 2});

	y = view(l->g, y, &v->shape);
	y->mark = v->mark; /* how many use it */
	stand_in(l->g, v, y);
	dict_set(l->last, y->name, x);
}

static bool
is_last(const Layout *l, const Value *v)
{
	return v && dict_get(l->last, v->name);
}

static bool
is_image(const Value *v)
{
	return v->type == DT_F32 &&
	       (v->shape.rank == 4 || v->shape.rank == 3) &&
	       shape_count(&v->shape) > 0;
}

/* A node of the host over x and more: sizes from the window, y's shape. */
static Node *
slide(Layout *l, const char *kernel, Node *n, const Window *k, int nin,
      Value *const *in)
{
	Shape y = image_of(&n->out[0]->shape);
	const Shape *x = &in[0]->shape;
	int h = k->n - 2, w = k->n - 1; /* h < 0: height 1 */
	const int64_t d[SLIDE_MORE] = {
		[SLIDE_BATCH] = x->dim[0],
		[SLIDE_H] = x->dim[1],
		[SLIDE_W] = x->dim[2],
		[SLIDE_C] = x->dim[3],
		[SLIDE_OH] = y.dim[2],
		[SLIDE_OW] = y.dim[3],
		[SLIDE_M] = y.dim[1],
		[SLIDE_KH] = h < 0 ? 1 : k->kernel[h],
		[SLIDE_KW] = k->kernel[w],
		[SLIDE_SH] = h < 0 ? 1 : k->stride[h],
		[SLIDE_SW] = k->stride[w],
		[SLIDE_PT] = h < 0 ? 0 : k->begin[h],
		[SLIDE_PL] = k->begin[w],
		[SLIDE_DH] = h < 0 ? 1 : k->dilation[h],
		[SLIDE_DW] = k->dilation[w],
	};
	Shape s = {4, {y.dim[0], y.dim[2], y.dim[3], y.dim[1]}};
	Value *out = value_new(l->g, NULL, DT_F32, &s);
	Node *h_ = node_new(l->g, HOST_DOMAIN, kernel, nin, in, 1, &out);

	h_->name = *n->name ? n->name : n->out[0]->name;
	attr_set_ints(l->g, h_, "slide", SLIDE_MORE, d);
	become(l, n->out[0], out);
	return h_;
}

/* [groups, wide, k] with zeros up to [groups, whole, k] */
static Value *
fill_up(Graph *g, Value *w, int64_t whole)
{
	Shape s = w->shape;
	Value *none, *v;

	s.dim[1] = whole - s.dim[1];
	none = const_bytes(g, NULL, DT_F32, &s,
	                   NEWV(g->mem, float, shape_count(&s)));
	s.dim[1] = whole;
	v = add_typed(g, "Concat", DT_F32, &s, w, none, NULL);
	attr_set_int(g, v->from, "axis", 1);
	return v;
}

/* w [M, c, taps...] -> [groups * whole panels, taps * c] */
static Value *
conv_weight(Graph *g, Value *w, int64_t groups)
{
	Shape s = image_of(&w->shape), t = s;
	int64_t m = s.dim[0], wide = m / groups, k = shape_count(&s) / m;
	int64_t whole = (wide + PANEL - 1) / PANEL * PANEL;

	w = view(g, w, &s);
	if (s.dim[1] > 1 && s.dim[2] * s.dim[3] > 1)
		w = transpose(g, w, (const int64_t[]){0, 2, 3, 1});
	if (groups > 1 && whole != wide) {
		t = (Shape){3, {groups, wide, k}};
		w = fill_up(g, view(g, w, &t), whole);
		m = groups * whole;
	}
	return view(g, w, &(Shape){2, {m, k}});
}

/* w [C, 1, taps...] -> [taps..., C] */
static Value *
depth_weight(Graph *g, Value *w)
{
	Shape s = image_of(&w->shape);

	w = view(g, w, &(Shape){2, {s.dim[0], s.dim[2] * s.dim[3]}});
	return transpose(g, w, (const int64_t[]){1, 0});
}

typedef bool LastFn(Layout *, Node *);

static bool
last_conv(Layout *l, Node *n)
{
	int64_t groups = attr_int(n, "group", 1);
	Value *x = n->in[0], *w = n->in[1], *b = n->nin > 2 ? n->in[2] : NULL;
	bool deep = groups > 1 && groups == x->shape.dim[1] &&
	            groups == w->shape.dim[0];
	Value *in[4] = {NULL, NULL, b, NULL};
	Window k;
	Shape y;
	Node *h;

	if (!is_image(x) || !is_image(n->out[0]) || !is_weight(w) ||
	    (b && !is_weight(b)))
		return true;
	if (!window_conv(l->c, n, &x->shape, &w->shape, &y, &k))
		return false;
	in[0] = to_last(l, x);
	in[1] = deep ? depth_weight(l->g, w) : conv_weight(l->g, w, groups);
	h = slide(l, deep ? "depthwise" : "conv", n, &k, 4, in);
	attr_set_int(l->g, h, "groups", groups);
	return true;
}

/* Windows that end outside count less than their taps: only where rounding
 * sizes up made none of them. */
static bool
whole_windows(const Window *k)
{
	for (int i = 0; i < k->n; i++)
		if ((k->out[i] - 1) * k->stride[i] +
		            (k->kernel[i] - 1) * k->dilation[i] + 1 >
		    k->in[i] + k->begin[i] + k->end[i])
			return false;
	return true;
}

/* Every window has a tap inside. */
static bool
sees_something(const Window *k)
{
	for (int i = 0; i < k->n; i++)
		if (k->begin[i] >= k->kernel[i] || k->end[i] >= k->kernel[i] ||
		    (k->dilation[i] > 1 && (k->begin[i] || k->end[i])))
			return false;
	return true;
}

static bool
last_pool(Layout *l, Node *n)
{
	bool max = strcmp(n->type, "MaxPool") == 0;
	bool all = attr_int(n, "count_include_pad", 0);
	int kind = max ? SEE_MAX : all ? SEE_MEAN_ALL : SEE_MEAN;
	Value *x;
	Window k;

	if (!is_image(n->in[0]) || (n->nout > 1 && n->out[1]))
		return true;
	if (!window_open(l->c, n, &n->in[0]->shape, NULL, &k))
		return false;
	if (!sees_something(&k) || (kind == SEE_MEAN_ALL && !whole_windows(&k)))
		return true;
	x = to_last(l, n->in[0]);
	attr_set_int(l->g, slide(l, "pool", n, &k, 1, &x), "kind", kind);
	return true;
}

/* One window over the whole image. */
static void
pool_all(Layout *l, Node *n, int kind)
{
	Value *x = to_last(l, n->in[0]), *was = n->out[0];
	Window k = {.n = 2,
	            .kernel = {x->shape.dim[1], x->shape.dim[2]},
	            .stride = {1, 1},
	            .dilation = {1, 1}};
	Shape s = {4, {x->shape.dim[0], x->shape.dim[3], 1, 1}};
	Value *v = value_new(l->g, NULL, DT_F32, &s);

	stand_in(l->g, was, view(l->g, v, &was->shape));
	n->out[0] = v;
	attr_set_int(l->g, slide(l, "pool", n, &k, 1, &x), "kind", kind);
}

static bool
last_global(Layout *l, Node *n)
{
	if (is_image(n->in[0]))
		pool_all(l, n,
		         strcmp(n->type, "GlobalMaxPool") == 0 ? SEE_MAX
		                                               : SEE_MEAN);
	return true;
}

/* The mean over rows and columns is a pool. */
static bool
last_mean(Layout *l, Node *n)
{
	const int64_t *axes = NULL;
	int rank = n->in[0]->shape.rank, count = attr_ints(n, "axes", &axes);
	unsigned seen = 0;

	if (n->nin > 1 && n->in[1] && n->in[1]->data.mem &&
	    n->in[1]->type == DT_I64) {
		axes = n->in[1]->data.mem;
		count = (int)shape_count(&n->in[1]->shape);
	}
	if (!is_last(l, n->in[0]) || rank != 4 || count != 2)
		return true;
	for (int i = 0; i < 2; i++)
		seen |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
	if (seen == (1u << 2 | 1u << 3))
		pool_all(l, n, SEE_MEAN);
	return true;
}

/* What stands beside an image of `rank`, with channels last; NULL if it is
 * stretched in a way that four dimensions do not tell. */
static Value *
beside(Layout *l, Value *v, int rank)
{
	Shape s = {.rank = 4, .dim = {1, 1, 1, 1}};

	if (is_last(l, v))
		return dict_get(l->last, v->name);
	if (shape_count(&v->shape) == 1)
		return v;
	if (v->shape.rank > rank || (rank == 3 && v->shape.rank < 3))
		return NULL;
	if (rank == 3)
		return to_last(l, v);
	for (int i = 0; i < v->shape.rank; i++)
		s.dim[4 - v->shape.rank + i] = v->shape.dim[i];
	return to_last(l, view(l->g, v, &s));
}

/* The same node, its inputs and output with channels last. */
static Node *
moved(Layout *l, Node *n, Value *const *in, const Shape *s)
{
	Value *z = value_new(l->g, NULL, n->out[0]->type, s);
	Node *h = node_new(l->g, n->domain, n->type, n->nin, in, 1, &z);

	h->op = n->op;
	h->name = n->name;
	h->attr = n->attr;
	h->nattr = n->nattr;
	h->capattr = (size_t)n->nattr;
	become(l, n->out[0], z);
	return h;
}

static Shape
last_shape(const Shape *of)
{
	Shape s = image_of(of);

	return (Shape){4, {s.dim[0], s.dim[2], s.dim[3], s.dim[1]}};
}

/* Whether there is something to gain: an input that was turned. */
static bool
any_last(const Layout *l, const Node *n)
{
	for (int i = 0; i < n->nin; i++)
		if (is_last(l, n->in[i]))
			return is_image(n->out[0]) && n->nout == 1;
	return false;
}

/* A node that treats all elements alike moves above the Transposes. */
static bool
last_each(Layout *l, Node *n)
{
	Value **in = NEWV(l->g->mem, Value *, n->nin + 1);
	Shape s = last_shape(&n->out[0]->shape);

	if (!any_last(l, n))
		return true;
	for (int i = 0; i < n->nin; i++)
		if (n->in[i] &&
		    (n->in[i]->type != DT_F32 ||
		     !(in[i] = beside(l, n->in[i], n->out[0]->shape.rank))))
			return true;
	moved(l, n, in, &s);
	return true;
}

static Value *
binary(Graph *g, const char *type, Value *a, Value *b, const Shape *s)
{
	return add_typed(g, type, DT_F32, s, a, b, NULL);
}

static bool
is_inference_norm(const Node *n, const Shape *s)
{
	if (n->nin != 5 || attr_int(n, "training_mode", 0))
		return false;
	for (int i = 1; i < 5; i++)
		if (!is_weight(n->in[i]) || n->in[i]->type != DT_F32 ||
		    !shape_eq(&n->in[i]->shape, s))
			return false;
	return true;
}

/* The convolution that makes x, v with channels last, for n alone; its rows
 * of weights are its outputs one by one. */
static Node *
conv_before(const Value *v, const Value *x)
{
	Node *m = made_by_host(x, "conv");

	if (m && attr_int(m, "groups", 1) > 1)
		return NULL;
	m = m ? m : made_by_host(x, "depthwise");
	return m && v->mark == 1 ? m : NULL;
}

/* Weights and bias of m times mul [c], plus add [c]. */
static void
scale_conv(Graph *g, Node *m, Value *mul, Value *add)
{
	const Shape *s = &m->in[1]->shape;
	bool deep = strcmp(m->type, "depthwise") == 0;
	Value *by = deep ? mul : view(g, mul, &(Shape){2, {s->dim[0], 1}});

	m->in[1] = binary(g, "Mul", m->in[1], by, s);
	m->in[2] =
		m->in[2] ? binary(g, "Add",
	                          binary(g, "Mul", m->in[2], mul, &mul->shape),
	                          add, &mul->shape)
			 : add;
}

/* Batch normalisation of inference is a product and a sum by channel; behind
 * a convolution of nobody else they are in its weights. */
static bool
last_batch_norm(Layout *l, Node *n)
{
	double eps = attr_float(n, "epsilon", 1e-5);
	Graph *g = l->g;
	Value *v, *mul, *x;
	Shape s = {.rank = 1};
	Node *m;

	if (!any_last(l, n))
		return true;
	s.dim[0] = n->in[0]->shape.dim[1];
	if (!is_inference_norm(n, &s))
		return true;
	x = to_last(l, n->in[0]);
	v = binary(g, "Add", n->in[4], const_f32(g, NULL, (float)eps), &s);
	v = binary(g, "Sqrt", v, NULL, &s);
	mul = binary(g, "Div", n->in[1], v, &s);
	v = binary(g, "Sub", n->in[2], binary(g, "Mul", n->in[3], mul, &s), &s);
	if ((m = conv_before(n->in[0], x)))
		scale_conv(g, m, mul, v);
	else
		x = binary(g, "Add", binary(g, "Mul", x, mul, &x->shape), v,
		           &x->shape);
	become(l, n->out[0], x);
	return true;
}

/* Joined by channels: the last axis now. */
static bool
last_concat(Layout *l, Node *n)
{
	static const int64_t where[] = {0, 3, 1, 2};
	Value **in = NEWV(l->g->mem, Value *, n->nin);
	Shape s = last_shape(&n->out[0]->shape);
	int64_t axis = attr_int(n, "axis", 0);
	Node *h;

	if (!any_last(l, n) || n->out[0]->shape.rank != 4)
		return true;
	for (int i = 0; i < n->nin; i++)
		in[i] = to_last(l, n->in[i]);
	h = moved(l, n, in, &s);
	h->nattr = 0;
	h->attr = NULL;
	h->capattr = 0;
	attr_set_int(l->g, h, "axis", where[axis < 0 ? axis + 4 : axis]);
	return true;
}

/* [N, C, H*W] -> [N, H*W, C] of an image: it lies so already. */
static bool
last_tokens(Layout *l, Node *n)
{
	const int64_t swap[] = {0, 2, 1};
	Node *r = made_by(n->in[0], "Reshape");
	Value *x = r ? dict_get(l->last, r->in[0]->name) : NULL;
	const Shape *y = &n->out[0]->shape;

	if (!x || y->rank != 3 || !is_perm(n, 3, swap) ||
	    r->in[0]->shape.rank != 4 || y->dim[0] != x->shape.dim[0] ||
	    y->dim[2] != x->shape.dim[3])
		return true;
	stand_in(l->g, n->out[0], view(l->g, x, y));
	return true;
}

static const struct {
	const char *type;
	LastFn *fn;
} rules[] = {
	{"Conv", last_conv},
	{"MaxPool", last_pool},
	{"AveragePool", last_pool},
	{"GlobalAveragePool", last_global},
	{"GlobalMaxPool", last_global},
	{"ReduceMean", last_mean},
	{"BatchNormalization", last_batch_norm},
	{"Concat", last_concat},
	{"Transpose", last_tokens},
	{"Add", last_each},
	{"Sub", last_each},
	{"Mul", last_each},
	{"Div", last_each},
	{"Min", last_each},
	{"Max", last_each},
	{"Pow", last_each},
	{"Clip", last_each},
	{"Relu", last_each},
	{"LeakyRelu", last_each},
	{"Elu", last_each},
	{"Selu", last_each},
	{"Softplus", last_each},
	{"Sigmoid", last_each},
	{"HardSigmoid", last_each},
	{"HardSwish", last_each},
	{"Swish", last_each},
	{"Mish", last_each},
	{"Tanh", last_each},
	{"Erf", last_each},
	{"Exp", last_each},
	{"Sqrt", last_each},
	{"Neg", last_each},
	{"Abs", last_each},
	{"Gelu", last_each},
};

bool
host_layout(Ctx *c, Graph *g)
{
	Layout l = {c, g, dict_new(g->mem)};
	int nnode = g->nnode;

	graph_count_uses(g);
	for (int i = 0; i < nnode; i++)
		for (size_t k = 0; k < LEN(rules); k++)
			if (is_op(g->node[i], "", rules[k].type)) {
				if (!rules[k].fn(&l, g->node[i]))
					return note(c, "node '%s' (%s)",
					            g->node[i]->name,
					            g->node[i]->type);
				break;
			}
	graph_prune(g);
	return graph_sort(c, g);
}
