/* SPDX-License-Identifier: BSD-3-Clause
 * emit.c - the nodes of a fused graph as steps of a program.
 *
 * Every value gets a home: the arena (with a life, from the step that makes
 * it to the last that reads it), the weights, the retained state, or that of
 * the value it is a view of.  Places in the arena are known only when all
 * lives are, so steps name homes first and are patched at the end. */

#include <assert.h>

#include "compile.h"

typedef struct Home {
	enum Space space;
	int64_t off; /* weights, state */
	int life;    /* arena: index of it */
} Home;

/* Where a value stands rounded, for products with a format. */
typedef struct Round {
	Home home;
	WFormat format;
} Round;

struct Emit {
	Ctx *c;
	Arena mem;
	Image *image;
	Weights *weights;
	Graph *g, *ref;
	Home *home;   /* by value->mark */
	Round *round; /* the same */
	Life *life;
	int nlife;
	size_t caplife;
	int step; /* the one being made */
	StepRow *row;
	int64_t late; /* bytes that values sized at run time may take */
	int (*patch)[STEP_BUF]; /* life of each buffer of each step, 0: none */
	bool ok;
};

static int
new_life(Emit *e, int64_t size)
{
	Life l = {.size = size, .from = e->step, .to = e->step};

	if (size < 0)
		e->ok = false;
	PUSH(&e->mem, e->life, e->nlife, e->caplife, l);
	return e->nlife - 1;
}

static int64_t
bytes_of(const Value *v)
{
	return dtype_bytes(v->type, shape_count(&v->shape));
}

/* The home of a value that a node makes in the arena. */
static Home *
make_home(Emit *e, Value *v)
{
	Home *h = &e->home[v->mark];

	if (h->space != SPACE_NONE)
		return h;
	if (!is_planned(v)) {
		h->space = SPACE_LATE;
		return h;
	}
	h->space = SPACE_ARENA;
	h->life = new_life(e, bytes_of(v));
	return h;
}

static Home
weight_home(Emit *e, Weight *w)
{
	if (!w) {
		e->ok = false;
		return (Home){0};
	}
	return (Home){.space = SPACE_WEIGHTS, .off = w->off};
}

/* Where v is read from; constants are asked for as plain float32 or, what is
 * no float, as they are. */
static Home
home_of(Emit *e, Value *v)
{
	Home *h = &e->home[v->mark];

	if (h->space == SPACE_NONE && !is_planned(v))
		h->space = SPACE_LATE;
	if (h->space == SPACE_NONE)
		*h = weight_home(e, weights_plain(e->c, e->weights, e->g, v,
		                                  v->type));
	return *h;
}

static Place
place(Emit *e, int slot, Home h)
{
	if (h.space == SPACE_ARENA) {
		e->life[h.life].to = e->step;
		e->patch[e->step][slot] = h.life + 1;
	}
	return (Place){.space = h.space, .off = h.off};
}

static void
reads(Emit *e, int slot, Value *v)
{
	if (v)
		e->row->buf[slot] = place(e, slot, home_of(e, v));
}

static void
writes(Emit *e, int slot, Value *v)
{
	if (v)
		e->row->buf[slot] = place(e, slot, *make_home(e, v));
}

static WFormat
reads_packed(Emit *e, int slot, Value *v, bool transpose)
{
	Weight *w = weights_pack(e->c, e->weights, e->g, v, transpose);

	e->row->buf[slot] = place(e, slot, weight_home(e, w));
	return w ? w->format : WF_F32;
}

/* ---- one function for each kernel ---- */

/* x rounded for a product with weights of format f, by a step of its own; one
 * for all products of x. */
static Home
rounded_home(Emit *e, Value *x, WFormat f)
{
	Round *r = &e->round[x->mark];
	StepRow *product = e->row, row = {.kernel = K_ROUND};
	int64_t m = rows_of(x), k = last_dim(x);

	if (r->home.space != SPACE_NONE && r->format == f)
		return r->home;
	row.name = product->name;
	row.dim[ROUND_M] = m;
	row.dim[ROUND_K] = k;
	row.dim[ROUND_FORMAT] = f;
	e->row = &row;
	reads(e, ROUND_X, x);
	r->format = f;
	r->home = (Home){.space = SPACE_ARENA,
	                 .life = new_life(e, rounded_size(m, k))};
	row.buf[ROUND_Y] = place(e, ROUND_Y, r->home);
	buf_add(e->image->steps, &row, sizeof row);
	e->step++;
	e->row = product;
	return r->home;
}

/* x of a product with weights of format f: may append a step, so that places
 * in the arena are to be asked for later.  Returns whether it is rounded. */
static bool
reads_input(Emit *e, int slot, Value *x, WFormat f)
{
	bool rounds = wformat_rounds(f);
	Home h = rounds ? rounded_home(e, x, f) : home_of(e, x);

	e->row->buf[slot] = place(e, slot, h);
	return rounds;
}

static KernelId
kernel_of(const Node *n)
{
	const Kernel *all = kernels_for("generic");
	int k = 0;

	while (k < K_COUNT && strcmp(all[k].name, n->type) != 0)
		k++;
	return (KernelId)k;
}

static void
emit_matmul(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	WFormat f =
		reads_packed(e, MATMUL_W, n->in[1], !attr_int(n, "transb", 0));

	d[MATMUL_FORMAT] = f;
	d[MATMUL_ROUNDED] = reads_input(e, MATMUL_X, n->in[0], f);
	reads(e, MATMUL_BIAS, n->in[2]);
	reads(e, MATMUL_RES, n->in[3]);
	writes(e, MATMUL_Y, n->out[0]);
	d[MATMUL_M] = rows_of(n->out[0]);
	d[MATMUL_N] = last_dim(n->out[0]);
	d[MATMUL_K] = last_dim(n->in[0]);
	d[MATMUL_ACT] = attr_int(n, "act", ACT_NONE);
}

static void
same_format(Emit *e, int64_t gate, WFormat up)
{
	if (up != (WFormat)gate)
		e->ok = fail(
			e->c, QE_INPUT,
			"gate and up projections have different formats: %s and %s",
			wformats[gate].name, wformats[up].name);
}

static void
emit_gated(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;
	WFormat f =
		reads_packed(e, GATED_G, n->in[1], !attr_int(n, "transg", 0));

	same_format(e, f,
	            reads_packed(e, GATED_U, n->in[2],
	                         !attr_int(n, "transu", 0)));
	d[GATED_FORMAT] = f;
	d[GATED_ROUNDED] = reads_input(e, GATED_X, n->in[0], f);
	reads(e, GATED_GBIAS, n->in[3]);
	reads(e, GATED_UBIAS, n->in[4]);
	writes(e, GATED_Y, n->out[0]);
	d[GATED_M] = rows_of(n->out[0]);
	d[GATED_N] = last_dim(n->out[0]);
	d[GATED_K] = last_dim(n->in[0]);
	d[GATED_ACT] = attr_int(n, "act", ACT_NONE);
}

static WFormat
reads_stack(Emit *e, int slot, Value *v)
{
	Weight *w = weights_stack(e->c, e->weights, e->g, v);

	e->row->buf[slot] = place(e, slot, weight_home(e, w));
	return w ? w->format : WF_F32;
}

static void
emit_experts(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	reads(e, EXPERTS_X, n->in[0]);
	reads(e, EXPERTS_INDEX, n->in[1]);
	d[EXPERTS_FORMAT] = reads_stack(e, EXPERTS_W, n->in[2]);
	if (n->in[3])
		same_format(e, d[EXPERTS_FORMAT],
		            reads_stack(e, EXPERTS_U, n->in[3]));
	reads(e, EXPERTS_BIAS, n->in[4]);
	reads(e, EXPERTS_UBIAS, n->in[5]);
	writes(e, EXPERTS_Y, n->out[0]);
	d[EXPERTS_M] = rows_of(n->out[0]);
	d[EXPERTS_N] = last_dim(n->out[0]);
	d[EXPERTS_K] = last_dim(n->in[0]);
	d[EXPERTS_COUNT] = n->in[2]->shape.dim[0];
	d[EXPERTS_SHARE] = d[EXPERTS_M] / MAX(rows_of(n->in[0]), 1);
	d[EXPERTS_ACT] = attr_int(n, "act", ACT_NONE);
	e->row->num[EXPERTS_LIMIT] = (float)attr_float(n, "limit", 0);
}

static void
emit_merge(Emit *e, Node *n)
{
	reads(e, MERGE_X, n->in[0]);
	reads(e, MERGE_W, n->in[1]);
	writes(e, MERGE_Y, n->out[0]);
	e->row->dim[MERGE_M] = n->in[0]->shape.dim[0];
	e->row->dim[MERGE_K] = n->in[0]->shape.dim[1];
	e->row->dim[MERGE_N] = n->in[0]->shape.dim[2];
}

static void
emit_embed(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	reads(e, EMBED_IDS, n->in[0]);
	d[EMBED_FORMAT] = reads_packed(e, EMBED_TABLE, n->in[1], false);
	writes(e, EMBED_Y, n->out[0]);
	d[EMBED_ROWS] = shape_count(&n->in[0]->shape);
	d[EMBED_WIDTH] = n->in[1]->shape.dim[1];
	d[EMBED_VOCAB] = n->in[1]->shape.dim[0];
	e->row->num[EMBED_MUL] = 1;
}

static void
emit_norm(Emit *e, Node *n)
{
	static const int slot[] = {NORM_X, NORM_W, NORM_B, NORM_RES};

	for (int i = 0; i < (int)LEN(slot); i++)
		reads(e, slot[i], n->in[i]);
	writes(e, NORM_Y, n->out[0]);
	if (n->nout > 1)
		writes(e, NORM_SUM, n->out[1]);
	e->row->dim[NORM_ROWS] = rows_of(n->in[0]);
	e->row->dim[NORM_WIDTH] = last_dim(n->in[0]);
	e->row->num[NORM_EPS] = (float)attr_float(n, "eps", 0);
}

static void
emit_rope(Emit *e, Node *n)
{
	static const int slot[] = {ROPE_X, ROPE_COS, ROPE_SIN, ROPE_POS};
	const int64_t *s = n->in[0]->shape.dim;
	int64_t *d = e->row->dim;

	for (int i = 0; i < (int)LEN(slot); i++)
		reads(e, slot[i], n->in[i]);
	writes(e, ROPE_Y, n->out[0]);
	d[ROPE_TOKENS] = s[0] * s[1];
	d[ROPE_HEADS] = s[2];
	d[ROPE_DIM] = s[3];
	d[ROPE_LDX] = s[2] * s[3];
	d[ROPE_ROT] = attr_int(n, "rot", 0);
	d[ROPE_STYLE] = attr_int(n, "style", 0);
	d[ROPE_TABLE] = n->in[1]->shape.dim[0];
}

static CFormat
cache_format(const Emit *e)
{
	return e->image->cache;
}

static void
emit_write(Emit *e, Node *n)
{
	const int64_t *s = n->in[1]->shape.dim, *k = n->in[0]->shape.dim;
	int64_t *d = e->row->dim;

	reads(e, WRITE_CACHE, n->in[0]);
	e->home[n->out[0]->mark] = home_of(e, n->in[0]);
	reads(e, WRITE_X, n->in[1]);
	reads(e, WRITE_POS, n->in[2]);
	reads(e, WRITE_SLOT, n->in[3]);
	d[WRITE_BATCH] = s[0];
	d[WRITE_SEQ] = s[1];
	d[WRITE_HEADS] = s[2];
	d[WRITE_DIM] = s[3];
	d[WRITE_LDX] = s[2] * s[3];
	d[WRITE_SLOTS] = k[0];
	d[WRITE_CTX] = k[2];
	d[WRITE_FORMAT] = cache_format(e);
}

static void
emit_attention(Emit *e, Node *n)
{
	static const int slot[] = {ATTN_Q,     ATTN_K,    ATTN_V,    ATTN_POS,
	                           ATTN_SLOPE, ATTN_SINK, ATTN_BIAS, ATTN_SLOT};
	const int64_t *q = n->in[0]->shape.dim, *k = n->in[1]->shape.dim;
	int64_t *d = e->row->dim;

	for (int i = 0; i < (int)LEN(slot); i++)
		reads(e, slot[i], n->in[i]);
	writes(e, ATTN_Y, n->out[0]);
	d[ATTN_BATCH] = q[0];
	d[ATTN_SEQ] = q[1];
	d[ATTN_HEADS] = q[2];
	d[ATTN_DIM] = q[3];
	d[ATTN_LDQ] = q[2] * q[3];
	d[ATTN_SLOTS] = k[0];
	d[ATTN_KV] = k[1];
	d[ATTN_CTX] = k[2];
	d[ATTN_LEN] = attr_int(n, "len", k[2]);
	d[ATTN_VDIM] = n->in[2]->shape.dim[3];
	d[ATTN_WINDOW] = attr_int(n, "window", 0);
	d[ATTN_FORMAT] = cache_format(e);
	d[ATTN_REACH] = attr_int(n, "reach", 0);
	e->row->num[ATTN_SCALE] = (float)attr_float(n, "scale", 1);
	e->row->num[ATTN_CAP] = (float)attr_float(n, "cap", 0);
}

/* Stride of axis i (of four) of a mask that may be stretched. */
static int64_t
mask_stride(const Value *m, int i)
{
	int lead = 4 - (m ? m->shape.rank : 0);
	int64_t stride = 1;

	if (!m || i < lead || m->shape.dim[i - lead] == 1)
		return 0;
	for (int k = i + 1 - lead; k < m->shape.rank; k++)
		stride *= m->shape.dim[k];
	return stride;
}

static void
emit_dense(Emit *e, Node *n)
{
	static const int slot[] = {DENSE_Q, DENSE_K, DENSE_V, DENSE_MASK,
	                           DENSE_BIAS};
	const int64_t *q = n->in[0]->shape.dim, *k = n->in[1]->shape.dim,
		      *v = n->in[2]->shape.dim;
	int64_t *d = e->row->dim;

	for (int i = 0; i < (int)LEN(slot); i++)
		reads(e, slot[i], n->in[i]);
	writes(e, DENSE_Y, n->out[0]);
	d[DENSE_BATCH] = q[0];
	d[DENSE_SEQ] = q[1];
	d[DENSE_HEADS] = q[2];
	d[DENSE_DIM] = q[3];
	d[DENSE_LEN] = k[1];
	d[DENSE_KV] = k[2];
	d[DENSE_VDIM] = v[3];
	d[DENSE_LDQ] = q[2] * q[3];
	d[DENSE_LDK] = k[2] * k[3];
	d[DENSE_LDV] = v[2] * v[3];
	d[DENSE_MB] = mask_stride(n->in[3], 0);
	d[DENSE_MH] = mask_stride(n->in[3], 1);
	d[DENSE_MS] = mask_stride(n->in[3], 2);
	d[DENSE_REACH] = attr_int(n, "reach", 0);
	e->row->num[DENSE_SCALE] = (float)attr_float(n, "scale", 1);
	e->row->num[DENSE_CAP] = (float)attr_float(n, "cap", 0);
}

static void
emit_last(Emit *e, Node *n)
{
	reads(e, LAST_X, n->in[0]);
	reads(e, LAST_POS, n->in[1]);
	writes(e, LAST_Y, n->out[0]);
	e->row->dim[LAST_BATCH] = n->in[0]->shape.dim[0];
	e->row->dim[LAST_SEQ] = n->in[0]->shape.dim[1];
	e->row->dim[LAST_WIDTH] = n->in[0]->shape.dim[2];
}

/* Strides of x as it is stretched to y, into d[0..5]. */
static void
stretch(const Value *x, const Value *y, int64_t *d)
{
	int64_t k = 1;

	for (int i = 0; i < 6; i++)
		d[i] = 0;
	for (int i = 1; i <= x->shape.rank; i++) {
		int64_t n = x->shape.dim[x->shape.rank - i];

		d[6 - i] =
			n == 1 && y->shape.dim[y->shape.rank - i] != 1 ? 0 : k;
		k *= n;
	}
}

static void
sizes(const Value *y, int64_t *d)
{
	for (int i = 1; i <= 6; i++)
		d[6 - i] = i <= y->shape.rank ? y->shape.dim[y->shape.rank - i]
		                              : 1;
}

static void
emit_binary(Emit *e, Node *n)
{
	reads(e, BINARY_A, n->in[0]);
	reads(e, BINARY_B, n->in[1]);
	writes(e, BINARY_Y, n->out[0]);
	e->row->dim[BINARY_OP] = attr_int(n, "op", 0);
	sizes(n->out[0], e->row->dim + BINARY_SIZE);
	stretch(n->in[0], n->out[0], e->row->dim + BINARY_SA);
	stretch(n->in[1], n->out[0], e->row->dim + BINARY_SB);
}

static void
emit_unary(Emit *e, Node *n)
{
	reads(e, UNARY_X, n->in[0]);
	writes(e, UNARY_Y, n->out[0]);
	e->row->dim[UNARY_COUNT] = shape_count(&n->in[0]->shape);
	e->row->dim[UNARY_ACT] = attr_int(n, "act", ACT_NONE);
}

static void
emit_softmax(Emit *e, Node *n)
{
	reads(e, SOFTMAX_X, n->in[0]);
	writes(e, SOFTMAX_Y, n->out[0]);
	e->row->dim[SOFTMAX_ROWS] = rows_of(n->in[0]);
	e->row->dim[SOFTMAX_WIDTH] = last_dim(n->in[0]);
}

static void
emit_copy(Emit *e, Node *n)
{
	const int64_t *stride = NULL;
	int rank = attr_ints(n, "strides", &stride);
	int64_t elem = (int64_t)dtypes[n->out[0]->type].size;

	reads(e, COPY_X, n->in[0]);
	e->row->buf[COPY_X].off += attr_int(n, "offset", 0) * elem;
	writes(e, COPY_Y, n->out[0]);
	e->row->dim[COPY_ELEM] = elem;
	sizes(n->out[0], e->row->dim + COPY_SIZE);
	for (int i = 1; i <= rank; i++)
		e->row->dim[COPY_STRIDE + 6 - i] = stride[rank - i];
}

/* Attribute `name`, a list of numbers, as the step's first sizes. */
static void
copy_sizes(Emit *e, const Node *n, const char *name)
{
	const int64_t *ints;
	int count = attr_ints(n, name, &ints);

	for (int i = 0; i < count; i++)
		e->row->dim[i] = ints[i];
}

static void
emit_conv(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	copy_sizes(e, n, "slide");
	reads(e, CONV_X, n->in[0]);
	if (kernel_of(n) == K_CONV)
		d[CONV_FORMAT] = reads_packed(e, CONV_W, n->in[1], false);
	else
		reads(e, CONV_W, n->in[1]);
	reads(e, CONV_BIAS, n->in[2]);
	reads(e, CONV_RES, n->in[3]);
	writes(e, CONV_Y, n->out[0]);
	d[CONV_GROUPS] = attr_int(n, "groups", 1);
	d[CONV_ACT] = attr_int(n, "act", ACT_NONE);
	d[CONV_POST] = attr_int(n, "post", ACT_NONE);
}

static void
emit_pool(Emit *e, Node *n)
{
	copy_sizes(e, n, "slide");
	reads(e, POOL_X, n->in[0]);
	writes(e, POOL_Y, n->out[0]);
	e->row->dim[POOL_KIND] = attr_int(n, "kind", 0);
}

static void
emit_bmm(Emit *e, Node *n)
{
	copy_sizes(e, n, "sizes");
	reads(e, BMM_X, n->in[0]);
	reads(e, BMM_W, n->in[1]);
	writes(e, BMM_Y, n->out[0]);
}

static void (*const emit_kernel[K_COUNT])(Emit *, Node *) = {
	[K_EXPERTS] = emit_experts,
	[K_MERGE] = emit_merge,
	/* K_ROUND is made with the products */
	[K_MATMUL] = emit_matmul,
	[K_GATED] = emit_gated,
	[K_EMBED] = emit_embed,
	[K_RMSNORM] = emit_norm,
	[K_LAYERNORM] = emit_norm,
	[K_ROPE] = emit_rope,
	[K_WRITE] = emit_write,
	[K_ATTENTION] = emit_attention,
	[K_DENSE] = emit_dense,
	[K_LAST] = emit_last,
	[K_BINARY] = emit_binary,
	[K_UNARY] = emit_unary,
	[K_SOFTMAX] = emit_softmax,
	[K_COPY] = emit_copy,
	[K_CONV] = emit_conv,
	[K_DEPTHWISE] = emit_conv,
	[K_POOL] = emit_pool,
	[K_BMM] = emit_bmm,
};

/* ---- reference operators ---- */

static Graph *
refs(Emit *e)
{
	if (e->ref)
		return e->ref;
	e->ref = graph_new(e->image->mem, "refs");
	for (int i = 0; i < e->g->nopset; i++)
		graph_import(e->ref, e->g->opset[i].domain,
		             e->g->opset[i].version);
	return e->ref;
}

/* A value of the reference graph that stands for v. */
static Value *
ref_value(Emit *e, Value *v, bool made)
{
	Graph *g = refs(e);
	Value *r = v ? value_find(g, v->name) : NULL;

	if (!v || r)
		return r;
	r = value_new(g, v->name, v->type, &v->shape);
	r->kind = v->kind;
	r->item = v->item; /* of an input: the type of what it may hold */
	if (value_is_const(v) && v->data.mem &&
	    (v->data.len <= 64 || v->type == DT_STRING))
		r->data = v->data;
	else if (!made) /* by a kernel, or outside */
		PUSH(g->mem, g->in, g->nin, g->capin, r);
	return r;
}

static void
emit_ref_value(Emit *e, Value *v, bool made)
{
	RefRow row = {0};
	Home h = {0};
	Value *r = ref_value(e, v, made);

	if (v) {
		row.type = (uint32_t)v->type;
		row.rank = (uint32_t)v->shape.rank;
		memcpy(row.dim, v->shape.dim, sizeof row.dim);
	}
	if (v && made)
		h = *make_home(e, v);
	else if (v && !value_is_const(r))
		h = home_of(e, v);
	if (h.space == SPACE_LATE)
		e->image->late = e->late;
	if (h.space == SPACE_ARENA) {
		e->life[h.life].to = e->step;
		h.off = -1 - h.life; /* patched like the steps */
	}
	row.at = (Place){.space = h.space, .off = h.off};
	buf_add(e->image->refs, &row, sizeof row);
}

static void
emit_ref(Emit *e, Node *n)
{
	Image *m = e->image;
	Value **io = NEWV(&e->mem, Value *, n->nin + n->nout + 1), **used;
	int nused = node_captures(&e->mem, n, &used);
	Node *r;

	for (int i = 0; i < n->nin + n->nout; i++)
		io[i] = ref_value(e, i < n->nin ? n->in[i] : n->out[i - n->nin],
		                  i >= n->nin);
	if (!node_planned(n))
		m->late = e->late;
	e->row->kernel = STEP_REF;
	e->row->dim[0] = refs(e)->nnode;
	e->row->dim[1] = n->nin;
	e->row->dim[2] = n->nout;
	e->row->dim[3] = (int64_t)(m->refs->n / sizeof(RefRow));
	e->row->dim[4] = nused;
	r = node_new(e->ref, n->domain, n->type, n->nin, io, n->nout,
	             io + n->nin);
	r->name = n->name;
	r->attr = n->attr;
	r->nattr = n->nattr;
	for (int i = 0; i < n->nin; i++)
		emit_ref_value(e, n->in[i], false);
	for (int i = 0; i < n->nout; i++)
		emit_ref_value(e, n->out[i], true);
	for (int i = 0; i < nused; i++)
		emit_ref_value(e, used[i], false);
}

/* ---- the program ---- */

static bool
emit_node(Emit *e, Node *n)
{
	StepRow row = {0};
	KernelId k;

	if (is_op(n, HOST_DOMAIN, "view")) {
		Home h = home_of(e, n->in[0]);

		e->home[n->out[0]->mark] = h;
		return e->ok;
	}
	row.name = image_text(e->image, n->name);
	e->row = &row;
	if (strcmp(n->domain, HOST_DOMAIN) == 0) {
		k = kernel_of(n);
		assert(k < K_COUNT);
		row.kernel = k;
		emit_kernel[k](e, n);
	} else {
		emit_ref(e, n);
	}
	buf_add(e->image->steps, &row, sizeof row);
	e->step++;
	return e->ok || note(e->c, "node '%s' (%s)", n->name, n->type);
}

static State *
state_of(Emit *e, const Value *v)
{
	State *s = dict_get(e->image->states, v->name);
	int64_t row;

	if (s)
		return shape_eq(&s->shape, &v->shape) ? s : NULL;
	s = NEW(e->image->mem, State);
	s->shape = v->shape;
	s->type = v->type;
	s->format = v->shape.rank == 4 && v->type == DT_F32 ? e->image->cache
	                                                    : CF_COUNT;
	row = last_dim(v);
	s->len =
		s->format == CF_COUNT
			? bytes_of(v)
			: mul_size(rows_of(v), cache_row_bytes(s->format, row));
	s->off = e->image->state;
	e->image->state += (s->len + 63) / 64 * 64;
	dict_set(e->image->states, v->name, s);
	return s->len < 0 ? NULL : s;
}

static void
add_io(Emit *e, Value *v, bool output, int *nio)
{
	Home h = home_of(e, v);
	IORow row = {.name = image_text(e->image, v->name),
	             .type = (uint32_t)v->type,
	             .rank = (uint32_t)v->shape.rank,
	             .kind = (uint32_t)v->kind,
	             .output = output};

	if (h.space == SPACE_LATE) { /* a value of that name */
		ref_value(e, v, v->from != NULL);
		e->image->late = e->late;
	}
	memcpy(row.dim, v->shape.dim, sizeof row.dim);
	row.at = (Place){.space = h.space,
	                 .off = h.space == SPACE_ARENA ? -1 - h.life : h.off};
	buf_add(e->image->ios, &row, sizeof row);
	++*nio;
}

static bool
begin_inputs(Emit *e)
{
	for (int i = 0; i < e->g->nin; i++) {
		Value *v = e->g->in[i];
		State *s;

		if (!is_state(e->g, v)) {
			make_home(e, v);
			continue;
		}
		if (!(s = state_of(e, v)))
			return fail(
				e->c, QE_INPUT,
				"retained '%s': other shape than in another specialization",
				v->name);
		e->home[v->mark] = (Home){.space = SPACE_STATE, .off = s->off};
	}
	return true;
}

/* What no cache_write has put in its place is copied there at the end. */
static bool
keep_states(Emit *e)
{
	for (int i = 0; i < e->g->nout; i++) {
		Value *v = e->g->out[i];
		char *base = arena_dup(&e->mem, v->name);
		Home h = home_of(e, v);
		State *s;
		StepRow row = {.kernel = K_COPY};

		if (!str_ends(base, RETAINED))
			continue;
		base[strlen(base) - strlen(RETAINED)] = '\0';
		s = dict_get(e->image->states, base);
		if (!s || (h.space == SPACE_STATE && h.off == s->off))
			continue;
		e->row = &row;
		row.name = image_text(e->image, v->name);
		reads(e, COPY_X, v);
		row.buf[COPY_Y] = (Place){.space = SPACE_STATE, .off = s->off};
		row.dim[COPY_ELEM] = (int64_t)dtypes[v->type].size;
		for (int k = 0; k < 6; k++)
			row.dim[COPY_SIZE + k] = 1;
		row.dim[COPY_SIZE + 5] = shape_count(&v->shape);
		row.dim[COPY_STRIDE + 5] = 1;
		buf_add(e->image->steps, &row, sizeof row);
		e->step++;
	}
	return true;
}

/* Inputs are filled before the first step; outputs are read after the last. */
static void
stretch_io(Emit *e)
{
	for (int i = 0; i < e->g->nin + e->g->nout; i++) {
		Value *v =
			i < e->g->nin ? e->g->in[i] : e->g->out[i - e->g->nin];
		Home h = e->home[v->mark];

		if (h.space != SPACE_ARENA)
			continue;
		e->life[h.life].to = e->step;
		if (i < e->g->nin)
			e->life[h.life].from = 0;
	}
}

static void
patch(Emit *e, size_t step0, size_t ref0, size_t io0)
{
	StepRow *s = (StepRow *)e->image->steps->p + step0;
	RefRow *r = (RefRow *)e->image->refs->p;
	IORow *io = (IORow *)e->image->ios->p;

	for (int i = 0; i < e->step; i++)
		for (int k = 0; k < STEP_BUF; k++)
			if (e->patch[i][k])
				s[i].buf[k].off +=
					e->life[e->patch[i][k] - 1].off;
	for (size_t i = ref0; i < e->image->refs->n / sizeof *r; i++)
		if (r[i].at.space == SPACE_ARENA)
			r[i].at.off = e->life[-1 - r[i].at.off].off;
	for (size_t i = io0; i < e->image->ios->n / sizeof *io; i++)
		if (io[i].at.space == SPACE_ARENA)
			io[i].at.off = e->life[-1 - io[i].at.off].off;
}

static void
number_values(Graph *g)
{
	int n = 0;

	for (size_t i = 0; i < g->value->n; i++)
		if (g->value->item[i].value)
			((Value *)g->value->item[i].value)->mark = n++;
}

/* Its outputs are made once, while the weights are packed. */
static bool
makes_weights(const Node *n)
{
	for (int i = 0; i < n->nout; i++)
		if (n->out[i] &&
		    (!is_weight(n->out[i]) || !is_planned(n->out[i])))
			return false;
	return true;
}

static bool
emit_all(Emit *e, const Spec *spec)
{
	Image *m = e->image;
	size_t step0 = m->steps->n / sizeof(StepRow),
	       ref0 = m->refs->n / sizeof(RefRow),
	       io0 = m->ios->n / sizeof(IORow);
	ProgramRow row = {.name = image_text(m, spec->name),
	                  .step = (uint32_t)step0,
	                  .io = (uint32_t)io0};
	int nio = 0;

	if (!begin_inputs(e))
		return false;
	for (int i = 0; i < e->g->nnode; i++)
		if (!makes_weights(e->g->node[i]) &&
		    !emit_node(e, e->g->node[i]))
			return false;
	if (!keep_states(e))
		return false;
	for (int i = 0; i < e->g->nin; i++)
		if (!is_state(e->g, e->g->in[i]))
			add_io(e, e->g->in[i], false, &nio);
	for (int i = 0; i < e->g->nout; i++)
		if (!str_ends(e->g->out[i]->name, RETAINED))
			add_io(e, e->g->out[i], true, &nio);
	stretch_io(e);
	m->arena = MAX(m->arena, plan_arena(&e->mem, e->life, e->nlife));
	patch(e, step0, ref0, io0);
	row.nstep = (uint32_t)e->step;
	row.nio = (uint32_t)nio;
	if (e->ref) {
		PUSH(m->mem, m->ref, m->nref, m->capref, e->ref);
		row.ref = (uint32_t)m->nref;
	}
	buf_add(m->programs, &row, sizeof row);
	return e->ok;
}

bool
emit_program(Ctx *c, Image *image, Weights *weights, Graph *g, const Spec *spec,
             int64_t late)
{
	Emit e = {.c = c,
	          .late = late,
	          .image = image,
	          .weights = weights,
	          .g = g,
	          .ok = true};
	bool ok;

	number_values(g);
	e.home = NEWV(&e.mem, Home, g->value->n + 1);
	e.round = NEWV(&e.mem, Round, g->value->n + 1);
	/* a product may need a step before it */
	e.patch = arena_array(&e.mem, (size_t)(2 * g->nnode + g->nout + 1),
	                      sizeof *e.patch);
	ok = emit_all(&e, spec);
	arena_free(&e.mem);
	return ok;
}
