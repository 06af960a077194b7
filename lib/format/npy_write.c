/* SPDX-License-Identifier: BSD-3-Clause
 * npy_write.c - a value as a .npy file of version 1.
 *
 * The header is padded so that data begins at a multiple of 64.  Rows say
 * what becomes of each element type; those that NumPy lacks are converted,
 * without loss, to one it has. */

#include <stdio.h>

#include "npy.h"

enum How { AS_IS, WIDEN, UNPACK };

static const struct {
	const char *descr;
	enum How how;
} rows[DT_COUNT] = {
	[DT_F32] = {"<f4", AS_IS},      [DT_F16] = {"<f2", AS_IS},
	[DT_F64] = {"<f8", AS_IS},      [DT_I8] = {"|i1", AS_IS},
	[DT_I16] = {"<i2", AS_IS},      [DT_I32] = {"<i4", AS_IS},
	[DT_I64] = {"<i8", AS_IS},      [DT_U8] = {"|u1", AS_IS},
	[DT_U16] = {"<u2", AS_IS},      [DT_U32] = {"<u4", AS_IS},
	[DT_U64] = {"<u8", AS_IS},      [DT_BOOL] = {"|b1", AS_IS},
	[DT_C64] = {"<c8", AS_IS},      [DT_BF16] = {"<f4", WIDEN},
	[DT_F8E4M3FN] = {"|u1", AS_IS}, [DT_F8E4M3FNUZ] = {"|u1", AS_IS},
	[DT_F8E5M2] = {"|u1", AS_IS},   [DT_F8E5M2FNUZ] = {"|u1", AS_IS},
	[DT_F8E8M0] = {"|u1", AS_IS},   [DT_F4E2M1] = {"|u1", UNPACK},
	[DT_U4] = {"|u1", UNPACK},      [DT_I4] = {"|i1", UNPACK},
	[DT_U2] = {"|u1", UNPACK},      [DT_I2] = {"|i1", UNPACK},
};

static bool
put_head(Ctx *c, Out *o, const char *descr, const Shape *s)
{
	Arena tmp = {0};
	Buf *b = buf_new(&tmp);
	bool ok;

	buf_add(b, "\x93NUMPY\1\0\0\0", 10);
	buf_fmt(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
	for (int i = 0; i < s->rank; i++)
		buf_fmt(b, i ? ", %lld" : "%lld", (long long)s->dim[i]);
	buf_str(b, s->rank == 1 ? ",), }" : "), }");
	while (b->n % 64 != 63)
		buf_char(b, ' ');
	buf_char(b, '\n');
	b->p[8] = (char)((b->n - 10) & 0xff);
	b->p[9] = (char)((b->n - 10) >> 8);
	ok = out_write(c, o, b->p, b->n);
	arena_free(&tmp);
	return ok;
}

static bool
put_widened(Ctx *c, Out *o, const char *p, int64_t n)
{
	uint16_t h;
	float f;

	for (int64_t i = 0; i < n; i++) {
		memcpy(&h, p + 2 * i, 2);
		f = bf16_to_f32(h);
		if (!out_write(c, o, &f, sizeof f))
			return false;
	}
	return true;
}

/* Elements of 2 or 4 bits, the first in the lowest ones. */
static bool
put_unpacked(Ctx *c, Out *o, DType t, const char *p, int64_t n)
{
	int bits = dtypes[t].bits, each = 8 / bits;
	unsigned high = 1u << (bits - 1);

	for (int64_t i = 0; i < n; i++) {
		unsigned u = (unsigned char)p[i / each] >> i % each * bits;
		char out;

		u &= 2 * high - 1;
		if (dtypes[t].class == 'I')
			u = (u ^ high) - high;
		out = (char)u;
		if (!out_write(c, o, &out, 1))
			return false;
	}
	return true;
}

/* The width of the longest text: NumPy's are all of one. */
static bool
put_texts(Ctx *c, Out *o, const Value *v)
{
	const Span *s = v->data.mem;
	int64_t n = shape_count(&v->shape);
	size_t width = 1;
	char descr[32];

	for (int64_t i = 0; i < n; i++)
		width = MAX(width, s[i].n);
	snprintf(descr, sizeof descr, "|S%zu", width);
	if (!put_head(c, o, descr, &v->shape))
		return false;
	for (int64_t i = 0; i < n; i++)
		if (!out_write(c, o, s[i].p, s[i].n) ||
		    !out_zero(c, o, width - s[i].n))
			return false;
	return true;
}

static bool
put_elements(Ctx *c, Arena *tmp, Out *o, const Value *v)
{
	Source src = v->data.src ? *v->data.src : (Source){0};
	Blob b = v->data;
	const char *p;
	int64_t n = shape_count(&v->shape);

	if (b.src) /* mapped for now only: the value's own stays as is */
		b.src = &src;
	if (!(p = blob_data(c, tmp, &b)) ||
	    !put_head(c, o, rows[v->type].descr, &v->shape))
		return false;
	switch (rows[v->type].how) {
	case WIDEN:
		return put_widened(c, o, p, n);
	case UNPACK:
		return put_unpacked(c, o, v->type, p, n);
	default:
		return out_write(c, o, p, (size_t)b.len);
	}
}

static void
tell(Ctx *c, const char *path, DType t)
{
	static const char *const name[] = {"float32", "uint8", "int8"};
	static const char *const descr[] = {"<f4", "|u1", "|i1"};

	for (size_t i = 0; i < LEN(name); i++)
		if (strcmp(rows[t].descr, descr[i]) == 0 &&
		    strcmp(dtypes[t].name, name[i]) != 0)
			say(c, 1, "%s: %s as %s", path, dtypes[t].name,
			    name[i]);
}

bool
npy_write(Ctx *c, const char *path, const Value *v)
{
	Arena tmp = {0};
	Out *o;
	bool ok;

	if (v->kind != VALUE_TENSOR || !shape_known(&v->shape) ||
	    (v->type != DT_STRING && !rows[v->type].descr))
		return fail(c, QE_INPUT, "%s: only tensors have a .npy file",
		            path);
	ok = (o = out_open(c, &tmp, path)) &&
	     (v->type == DT_STRING ? put_texts(c, o, v)
	                           : put_elements(c, &tmp, o, v)) &&
	     out_commit(c, o);
	arena_free(&tmp);
	if (ok && v->type != DT_STRING)
		tell(c, path, v->type);
	return ok;
}
