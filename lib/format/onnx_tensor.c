/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_tensor.c - TensorProto and the values it stands for.
 *
 * Data is in one of: raw_data (little-endian, as in memory), the typed field
 * that goes with the element type, or another file.  Small integers and
 * 16-bit floats travel one per int32_data element, packed 4-bit ones one
 * byte per element.  Written is raw_data or a file; only text has a field of
 * its own. */

#include "onnx_pb.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "raw data is used as it is");

/* Where the elements of a type are if not in raw_data. */
typedef struct Field {
	size_t n, size; /* elements and bytes of one */
	const void *p;
	unsigned id; /* of a field that may have been left in place */
} Field;

static Field
typed_field(const Onnx__TensorProto *t, DType type)
{
	switch (type) {
	case DT_F32:
	case DT_C64:
		return (Field){t->n_float_data, sizeof(float), t->float_data,
		               4};
	case DT_F64:
		return (Field){t->n_double_data, sizeof(double), t->double_data,
		               10};
	case DT_I64:
		return (Field){t->n_int64_data, sizeof(int64_t), t->int64_data,
		               0};
	case DT_U32:
	case DT_U64:
		return (Field){t->n_uint64_data, sizeof(uint64_t),
		               t->uint64_data, 0};
	default:
		return (Field){t->n_int32_data, sizeof(int32_t), t->int32_data,
		               0};
	}
}

static bool
check_len(Ctx *c, const Value *v, int64_t got)
{
	int64_t want = dtype_bytes(v->type, shape_count(&v->shape));

	if (got != want)
		return fail(c, QE_INPUT, "%s %s needs %lld bytes, has %lld",
		            dtypes[v->type].name, shape_text(&v->shape).s,
		            (long long)want, (long long)got);
	return true;
}

/* Elements from a field of wider ones: their low bytes. */
static bool
from_typed(Onnx *o, const Field *f, Value *v)
{
	size_t size = dtypes[v->type].size;
	int64_t len = dtype_bytes(v->type, shape_count(&v->shape));
	char *p;

	if (v->type == DT_C64)
		size = sizeof(float); /* two a number */
	if ((int64_t)f->n != len / (int64_t)size)
		return fail(o->c, QE_INPUT,
		            "%s %s needs %lld elements, has %zu",
		            dtypes[v->type].name, shape_text(&v->shape).s,
		            (long long)(len / (int64_t)size), f->n);
	p = arena_alloc(o->mem, (size_t)len + 1);
	for (size_t i = 0; i < f->n; i++)
		memcpy(p + i * size, (const char *)f->p + i * f->size, size);
	v->data = (Blob){.mem = p, .len = len};
	return true;
}

/* Text has no raw bytes and no file: those would be pointers from outside. */
static bool
from_strings(Onnx *o, const Onnx__TensorProto *t, Value *v)
{
	int64_t n = shape_count(&v->shape);
	Span *s;

	if ((int64_t)t->n_string_data != n)
		return fail(o->c, QE_INPUT,
		            "string %s needs %lld elements, has %zu",
		            shape_text(&v->shape).s, (long long)n,
		            t->n_string_data);
	s = NEWV(o->mem, Span, n + 1);
	for (int64_t i = 0; i < n; i++) {
		Span b = {(const char *)t->string_data[i].data,
		          t->string_data[i].len};

		s[i] = (Span){arena_span(o->mem, b), b.n};
	}
	v->data = (Blob){.mem = s, .len = n * (int64_t)sizeof *s};
	return true;
}

/* Bytes at p, of the file or of what was unpacked. */
static bool
from_raw(Onnx *o, const void *p, size_t n, bool stays, Value *v)
{
	const char *at = p;

	if (!check_len(o->c, v, (int64_t)n))
		return false;
	if (stays && o->self)
		v->data = (Blob){.src = o->self,
		                 .off = at - o->bytes.p,
		                 .len = (int64_t)n};
	else if (stays && (uintptr_t)at % dtypes[v->type].size == 0)
		v->data = (Blob){.mem = at, .len = (int64_t)n};
	else
		v->data = (Blob){.mem = n ? arena_copy(o->mem, at, n) : "",
		                 .len = (int64_t)n};
	return true;
}

/* Data that pb_unpack() left in place. */
static bool
from_place(Onnx *o, const ProtobufCMessageUnknownField *u,
           const Onnx__TensorProto *t, Value *v)
{
	Span s = {(const char *)u->data, u->len};
	uint64_t n;
	Place p;
	unsigned typed = typed_field(t, v->type).id;

	for (unsigned i = 0; i < t->base.n_unknown_fields; i++)
		if (t->base.unknown_fields[i].tag == TENSOR_PLACE &&
		    &t->base.unknown_fields[i] != u)
			return fail(o->c, QE_INPUT, "data in two pieces");
	pb_varint(&s, &n);
	memcpy(&p, s.p, sizeof p);
	if (p.field != 9 && p.field != (int64_t)typed)
		return fail(o->c, QE_INPUT, "%s in the field of another type",
		            dtypes[v->type].name);
	return from_raw(o, o->bytes.p + p.off, (size_t)p.len, true, v);
}

static const char *
entry(const Onnx__TensorProto *t, const char *key)
{
	for (size_t i = 0; i < t->n_external_data; i++)
		if (t->external_data[i]->key && t->external_data[i]->value &&
		    strcmp(t->external_data[i]->key, key) == 0)
			return t->external_data[i]->value;
	return NULL;
}

/* Only the size of the file is looked at; its bytes are mapped when used. */
static bool
from_file(Onnx *o, const Onnx__TensorProto *t, Value *v)
{
	const char *location = entry(t, "location"), *s;
	Source *src;
	int64_t off = 0, len;

	if (!location)
		return fail(o->c, QE_INPUT, "external data without location");
	if (!(src = onnx_file(o, location)))
		return false;
	if ((s = entry(t, "offset")) && (!str_int(s, &off) || off < 0))
		return fail(o->c, QE_INPUT, "offset '%s'", s);
	len = src->size - off;
	if ((s = entry(t, "length")) && (!str_int(s, &len) || len < 0))
		return fail(o->c, QE_INPUT, "length '%s'", s);
	if (off > src->size || len > src->size - off)
		return fail(o->c, QE_INPUT,
		            "%s: bytes %lld+%lld of a file of %lld", src->path,
		            (long long)off, (long long)len,
		            (long long)src->size);
	v->data = (Blob){.src = src, .off = off, .len = len};
	return check_len(o->c, v, len);
}

static bool
get_shape(Onnx *o, const Onnx__TensorProto *t, Value *v)
{
	if (t->n_dims > MAXRANK)
		return fail(o->c, QE_INPUT, "rank %zu, at most %d", t->n_dims,
		            MAXRANK);
	v->shape = (Shape){.rank = (int)t->n_dims};
	for (size_t i = 0; i < t->n_dims; i++)
		v->shape.dim[i] = t->dims[i];
	for (size_t i = 0; i < t->n_dims; i++)
		if (t->dims[i] < 0)
			return fail(o->c, QE_INPUT, "dimension %zu is %lld", i,
			            (long long)t->dims[i]);
	if (dtype_bytes(v->type, shape_count(&v->shape)) < 0)
		return fail(o->c, QE_INPUT, "shape %s overflows",
		            shape_text(&v->shape).s);
	return true;
}

bool
tensor_get(Onnx *o, const Onnx__TensorProto *t, Value *v)
{
	const ProtobufCMessageUnknownField *u = pb_unknown(t, TENSOR_PLACE);
	Field f;

	v->kind = VALUE_TENSOR;
	v->type = dtype_by_onnx(t->data_type);
	if (v->type == DT_NONE)
		return fail(o->c, QE_INPUT,
		            "element type %d of ONNX is not supported",
		            t->data_type);
	if (t->segment)
		return fail(o->c, QE_INPUT, "a tensor in segments");
	if (!get_shape(o, t, v))
		return false;
	if (v->type == DT_STRING)
		return from_strings(o, t, v);
	if (t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
		return from_file(o, t, v);
	if (u)
		return from_place(o, u, t, v);
	f = typed_field(t, v->type);
	if (t->has_raw_data && (t->raw_data.len || !f.n))
		return from_raw(o, t->raw_data.data, t->raw_data.len, false, v);
	return from_typed(o, &f, v);
}

Onnx__TensorProto *
tensor_proto(Arena *a, const Value *v)
{
	Onnx__TensorProto *t = NEW(a, Onnx__TensorProto);

	onnx__tensor_proto__init(t);
	t->has_data_type = 1;
	t->data_type = dtypes[v->type].onnx;
	t->n_dims = (size_t)v->shape.rank;
	t->dims = arena_copy(a, v->shape.dim, sizeof v->shape.dim);
	t->name = (char *)(uintptr_t)v->name;
	return t;
}

bool
tensor_put(Ctx *c, Arena *mem, Arena *tmp, const Value *v, Onnx__TensorProto *t)
{
	Blob b = v->data;
	const void *p = blob_data(c, mem, &b);
	const Span *s = p;

	if (!p)
		return false;
	if (v->type != DT_STRING) {
		t->has_raw_data = 1;
		t->raw_data.len = (size_t)b.len;
		t->raw_data.data = (uint8_t *)(uintptr_t)p;
		return true;
	}
	t->n_string_data = (size_t)shape_count(&v->shape);
	t->string_data = NEWV(tmp, ProtobufCBinaryData, t->n_string_data + 1);
	for (size_t i = 0; i < t->n_string_data; i++) {
		t->string_data[i].len = s[i].n;
		t->string_data[i].data = (uint8_t *)(uintptr_t)s[i].p;
	}
	return true;
}
