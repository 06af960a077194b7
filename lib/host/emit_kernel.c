/* SPDX-License-Identifier: BSD-3-Clause
 * emit_kernel.c - the step of each kernel, from the node that asks for it.
 *
 * emit_FN for each row of kernels.def: which buffers it reads and writes and
 * what its sizes and numbers are, by the names of kernel.h.  Nodes come from
 * our own passes (fuse*.c, layout.c), so what they hold is taken as it is;
 * the reader of programs checks the sizes again (extent.c). */

#include "emit.h"

#define KERNEL(id, name, fn, units, scratch, best) static EmitFn emit_##fn;
#include "kernel/kernels.def"
#undef KERNEL

KernelId
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
		emit_packed(e, MATMUL_W, n->in[1], !attr_int(n, "transb", 0));

	d[MATMUL_FORMAT] = f;
	d[MATMUL_ROUNDED] = emit_input(e, MATMUL_X, n->in[0], f);
	emit_reads(e, MATMUL_BIAS, n->in[2]);
	emit_reads(e, MATMUL_RES, n->in[3]);
	emit_writes(e, MATMUL_Y, n->out[0]);
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
		emit_packed(e, GATED_G, n->in[1], !attr_int(n, "transg", 0));

	same_format(e, f,
	            emit_packed(e, GATED_U, n->in[2],
	                        !attr_int(n, "transu", 0)));
	d[GATED_FORMAT] = f;
	d[GATED_ROUNDED] = emit_input(e, GATED_X, n->in[0], f);
	emit_reads(e, GATED_GBIAS, n->in[3]);
	emit_reads(e, GATED_UBIAS, n->in[4]);
	emit_writes(e, GATED_Y, n->out[0]);
	d[GATED_M] = rows_of(n->out[0]);
	d[GATED_N] = last_dim(n->out[0]);
	d[GATED_K] = last_dim(n->in[0]);
	d[GATED_ACT] = attr_int(n, "act", ACT_NONE);
}

static void
emit_experts(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	emit_reads(e, EXPERTS_X, n->in[0]);
	emit_reads(e, EXPERTS_INDEX, n->in[1]);
	d[EXPERTS_FORMAT] = emit_stack(e, EXPERTS_W, n->in[2]);
	if (n->in[3])
		same_format(e, d[EXPERTS_FORMAT],
		            emit_stack(e, EXPERTS_U, n->in[3]));
	emit_reads(e, EXPERTS_BIAS, n->in[4]);
	emit_reads(e, EXPERTS_UBIAS, n->in[5]);
	emit_writes(e, EXPERTS_Y, n->out[0]);
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
	emit_reads(e, MERGE_X, n->in[0]);
	emit_reads(e, MERGE_W, n->in[1]);
	emit_writes(e, MERGE_Y, n->out[0]);
	e->row->dim[MERGE_M] = n->in[0]->shape.dim[0];
	e->row->dim[MERGE_K] = n->in[0]->shape.dim[1];
	e->row->dim[MERGE_N] = n->in[0]->shape.dim[2];
}

static void
emit_embed(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	emit_reads(e, EMBED_IDS, n->in[0]);
	d[EMBED_FORMAT] = emit_packed(e, EMBED_TABLE, n->in[1], false);
	emit_writes(e, EMBED_Y, n->out[0]);
	d[EMBED_ROWS] = shape_count(&n->in[0]->shape);
	d[EMBED_WIDTH] = n->in[1]->shape.dim[1];
	d[EMBED_VOCAB] = n->in[1]->shape.dim[0];
	e->row->num[EMBED_MUL] = 1;
}

/* Both norms. */
static void
norm(Emit *e, Node *n)
{
	static const int slot[] = {NORM_X, NORM_W, NORM_B, NORM_RES};

	for (int i = 0; i < (int)LEN(slot); i++)
		emit_reads(e, slot[i], n->in[i]);
	emit_writes(e, NORM_Y, n->out[0]);
	if (n->nout > 1)
		emit_writes(e, NORM_SUM, n->out[1]);
	e->row->dim[NORM_ROWS] = rows_of(n->in[0]);
	e->row->dim[NORM_WIDTH] = last_dim(n->in[0]);
	e->row->num[NORM_EPS] = (float)attr_float(n, "eps", 0);
}

static void
emit_rmsnorm(Emit *e, Node *n)
{
	norm(e, n);
}

static void
emit_layernorm(Emit *e, Node *n)
{
	norm(e, n);
}

static void
emit_rope(Emit *e, Node *n)
{
	static const int slot[] = {ROPE_X, ROPE_COS, ROPE_SIN, ROPE_POS};
	const int64_t *s = n->in[0]->shape.dim;
	int64_t *d = e->row->dim;

	for (int i = 0; i < (int)LEN(slot); i++)
		emit_reads(e, slot[i], n->in[i]);
	emit_writes(e, ROPE_Y, n->out[0]);
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

	emit_inplace(e, WRITE_CACHE, n->in[0], n->out[0]);
	emit_reads(e, WRITE_X, n->in[1]);
	emit_reads(e, WRITE_POS, n->in[2]);
	emit_reads(e, WRITE_SLOT, n->in[3]);
	d[WRITE_BATCH] = s[0];
	d[WRITE_SEQ] = s[1];
	d[WRITE_HEADS] = s[2];
	d[WRITE_DIM] = s[3];
	d[WRITE_LDX] = s[2] * s[3];
	d[WRITE_SLOTS] = k[0];
	d[WRITE_CTX] = k[2];
	d[WRITE_FORMAT] = cache_format(e);
	d[WRITE_RING] = attr_int(n, "ring", 0);
}

static void
emit_attention(Emit *e, Node *n)
{
	static const int slot[] = {ATTN_Q,    ATTN_K,     ATTN_V,
	                           ATTN_POS,  ATTN_SLOPE, ATTN_SINK,
	                           ATTN_BIAS, ATTN_SLOT,  ATTN_TAIL};
	const int64_t *q = n->in[0]->shape.dim, *k = n->in[1]->shape.dim;
	int64_t *d = e->row->dim;

	for (int i = 0; i < (int)LEN(slot); i++)
		emit_reads(e, slot[i], n->in[i]);
	emit_writes(e, ATTN_Y, n->out[0]);
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
	d[ATTN_TDIM] = n->in[8] ? last_dim(n->in[8]) : 0;
	d[ATTN_RING] = attr_int(n, "ring", 0);
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
		emit_reads(e, slot[i], n->in[i]);
	emit_writes(e, DENSE_Y, n->out[0]);
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
	emit_reads(e, LAST_X, n->in[0]);
	emit_reads(e, LAST_POS, n->in[1]);
	emit_writes(e, LAST_Y, n->out[0]);
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
	emit_reads(e, BINARY_A, n->in[0]);
	emit_reads(e, BINARY_B, n->in[1]);
	emit_writes(e, BINARY_Y, n->out[0]);
	e->row->dim[BINARY_OP] = attr_int(n, "op", 0);
	sizes(n->out[0], e->row->dim + BINARY_SIZE);
	stretch(n->in[0], n->out[0], e->row->dim + BINARY_SA);
	stretch(n->in[1], n->out[0], e->row->dim + BINARY_SB);
}

static void
emit_unary(Emit *e, Node *n)
{
	emit_reads(e, UNARY_X, n->in[0]);
	emit_writes(e, UNARY_Y, n->out[0]);
	e->row->dim[UNARY_COUNT] = shape_count(&n->in[0]->shape);
	e->row->dim[UNARY_ACT] = attr_int(n, "act", ACT_NONE);
}

static void
emit_softmax(Emit *e, Node *n)
{
	emit_reads(e, SOFTMAX_X, n->in[0]);
	emit_writes(e, SOFTMAX_Y, n->out[0]);
	e->row->dim[SOFTMAX_ROWS] = rows_of(n->in[0]);
	e->row->dim[SOFTMAX_WIDTH] = last_dim(n->in[0]);
}

static void
emit_copy(Emit *e, Node *n)
{
	const int64_t *stride = NULL;
	int rank = attr_ints(n, "strides", &stride);
	int64_t elem = (int64_t)dtypes[n->out[0]->type].size;

	emit_reads(e, COPY_X, n->in[0]);
	e->row->buf[COPY_X].off += attr_int(n, "offset", 0) * elem;
	emit_writes(e, COPY_Y, n->out[0]);
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

/* What both convolutions have besides their weights. */
static void
slide(Emit *e, Node *n)
{
	int64_t *d = e->row->dim;

	copy_sizes(e, n, "slide");
	emit_reads(e, CONV_X, n->in[0]);
	emit_reads(e, CONV_BIAS, n->in[2]);
	emit_reads(e, CONV_RES, n->in[3]);
	emit_writes(e, CONV_Y, n->out[0]);
	d[CONV_GROUPS] = attr_int(n, "groups", 1);
	d[CONV_ACT] = attr_int(n, "act", ACT_NONE);
	d[CONV_POST] = attr_int(n, "post", ACT_NONE);
}

static void
emit_conv(Emit *e, Node *n)
{
	e->row->dim[CONV_FORMAT] = emit_packed(e, CONV_W, n->in[1], false);
	slide(e, n);
}

static void
emit_depthwise(Emit *e, Node *n)
{
	emit_reads(e, CONV_W, n->in[1]);
	slide(e, n);
}

static void
emit_pool(Emit *e, Node *n)
{
	copy_sizes(e, n, "slide");
	emit_reads(e, POOL_X, n->in[0]);
	emit_writes(e, POOL_Y, n->out[0]);
	e->row->dim[POOL_KIND] = attr_int(n, "kind", 0);
}

static void
emit_bmm(Emit *e, Node *n)
{
	copy_sizes(e, n, "sizes");
	emit_reads(e, BMM_X, n->in[0]);
	emit_reads(e, BMM_W, n->in[1]);
	emit_writes(e, BMM_Y, n->out[0]);
}

/* No node asks for it: emit_input() appends it where a product needs it. */
static void
emit_round(Emit *e, Node *n)
{
	e->ok = fail(e->c, QE_INPUT, "'%s' stands alone", n->type);
}

EmitFn *const emit_kernel[K_COUNT] = {
#define KERNEL(id, name, fn, units, scratch, best) [K_##id] = emit_##fn,
#include "kernel/kernels.def"
#undef KERNEL
};
