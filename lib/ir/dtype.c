/* SPDX-License-Identifier: BSD-3-Clause
 * dtype.c - the rows of dtypes.def as a table, and the 16-bit floats.
 *
 * Conversions work on bits: results are the same on every machine. */

#include "ir.h"

const DTypeInfo dtypes[DT_COUNT] = {
	[DT_NONE] = {"undefined", "", 0, 0, 0, 0},
#define DTYPE(id, onnx, name, st, type, bits, class)                           \
	[DT_##id] = {name, st, onnx, bits, sizeof(type), class},
#include "dtypes.def"
#undef DTYPE
};

#define DTYPE(id, onnx, name, st, type, bits, class)                           \
	_Static_assert((bits) < 8 || (bits) == 8 * sizeof(type), name);
#include "dtypes.def"
#undef DTYPE

/* What people type besides numpy's names. */
static const struct {
	const char *name;
	DType type;
} alias[] = {
	{"f32", DT_F32},   {"fp32", DT_F32}, {"float", DT_F32},
	{"f16", DT_F16},   {"fp16", DT_F16}, {"half", DT_F16},
	{"bf16", DT_BF16}, {"f64", DT_F64},  {"double", DT_F64},
};

DType
dtype_by_name(const char *name)
{
	for (DType t = DT_NONE + 1; t < DT_COUNT; t++)
		if (strcmp(dtypes[t].name, name) == 0)
			return t;
	for (size_t i = 0; i < LEN(alias); i++)
		if (strcmp(alias[i].name, name) == 0)
			return alias[i].type;
	return DT_NONE;
}

DType
dtype_by_safetensors(const char *name)
{
	for (DType t = DT_NONE + 1; *name && t < DT_COUNT; t++)
		if (strcmp(dtypes[t].safetensors, name) == 0)
			return t;
	return DT_NONE;
}

DType
dtype_by_onnx(int onnx)
{
	for (DType t = DT_NONE + 1; t < DT_COUNT; t++)
		if (dtypes[t].onnx == onnx)
			return t;
	return DT_NONE;
}

int64_t
dtype_bytes(DType t, int64_t n)
{
	int64_t bits = mul_size(n, dtypes[t].bits);

	return bits < 0 ? -1 : bits / 8 + (bits % 8 != 0);
}

static float
from_bits(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof f);
	return f;
}

static uint32_t
to_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof u);
	return u;
}

float
bf16_to_f32(uint16_t h)
{
	return from_bits((uint32_t)h << 16);
}

uint16_t
f32_to_bf16(float f)
{
	uint32_t u = to_bits(f);

	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40); /* NaN stays NaN */
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float
f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t e = h >> 10 & 31, m = h & 0x3ff;

	if (e == 31)
		return from_bits(sign | 0x7f800000 | m << 13);
	if (e)
		return from_bits(sign | (e + 112) << 23 | m << 13);
	/* subnormal: m * 2^-24, exact in float */
	return sign ? -(float)m * 0x1p-24f : (float)m * 0x1p-24f;
}

uint16_t
f32_to_f16(float f)
{
	uint32_t u = to_bits(f), sign = u >> 16 & 0x8000, m;
	int e;

	u &= 0x7fffffff;
	if (u > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff));
	if (u >= 0x477ff000) /* rounds to 65536 or more */
		return (uint16_t)(sign | 0x7c00);
	e = (int)(u >> 23) - 112;
	if (e < -10)
		return (uint16_t)sign;
	if (e > 0) {
		u += 0xfff + (u >> 13 & 1);
		return (uint16_t)(sign | ((u >> 13) - (112 << 10)));
	}
	m = (u & 0x7fffff) | 0x800000; /* subnormal: shift, round to even */
	u = m >> (14 - e);
	m &= (1u << (14 - e)) - 1;
	u += m > 1u << (13 - e) || (m == 1u << (13 - e) && (u & 1));
	return (uint16_t)(sign | u);
}
