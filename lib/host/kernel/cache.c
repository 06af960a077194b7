/* SPDX-License-Identifier: BSD-3-Clause
 * cache.c - one row [dim] of a key or value cache, written and read.
 *
 * A row is a run of blocks; rows of a cache lie back to back.  The float
 * formats have blocks of one element. */

#include "impl.h"

const CCodec ccodec[CF_COUNT] = {
#define CFORMAT(id, name, block, bytes, fn)                                    \
	[CF_##id] = {block, bytes, save_##fn, load_##fn},
#include "cformats.def"
#undef CFORMAT
};

static const char *const names[CF_COUNT] = {
#define CFORMAT(id, name, block, bytes, fn) [CF_##id] = name,
#include "cformats.def"
#undef CFORMAT
};

CFormat
cformat_by_name(const char *name)
{
	DType t = dtype_by_name(name);
	CFormat f = 0;

	if (t != DT_NONE)
		name = dtypes[t].name;
	while (f < CF_COUNT && strcmp(names[f], name) != 0)
		f++;
	return f;
}

int64_t
cache_row_bytes(CFormat f, int64_t dim)
{
	const CCodec *c = &ccodec[f];

	return mul_size(dim / c->block + (dim % c->block != 0), c->bytes);
}

void
save_f32(const float *row, int64_t dim, void *out)
{
	memcpy(out, row, (size_t)dim * sizeof *row);
}

void
load_f32(const void *row, int64_t dim, float *out)
{
	memcpy(out, row, (size_t)dim * sizeof *out);
}

void
save_f16(const float *row, int64_t dim, void *out)
{
	uint16_t *o = out;

	for (int64_t i = 0; i < dim; i++)
		o[i] = f32_to_f16(row[i]);
}

void
load_f16(const void *row, int64_t dim, float *out)
{
	const uint16_t *p = row;

	for (int64_t i = 0; i < dim; i++)
		out[i] = f16_to_f32(p[i]);
}

void
save_bf16(const float *row, int64_t dim, void *out)
{
	uint16_t *o = out;

	for (int64_t i = 0; i < dim; i++)
		o[i] = f32_to_bf16(row[i]);
}

void
load_bf16(const void *row, int64_t dim, float *out)
{
	const uint16_t *p = row;

	for (int64_t i = 0; i < dim; i++)
		out[i] = bf16_to_f32(p[i]);
}

const char *
cformat_name(CFormat f)
{
	return names[f];
}
