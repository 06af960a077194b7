/* SPDX-License-Identifier: BSD-3-Clause
 * tensor_pb.c - files of one value, as ONNX's test data has them.
 *
 * A TensorProto, or one of two messages that stand in a schema of their own
 * and share their numbers: SequenceProto {2: kind of its elements, 3: tensors,
 * 5: sequences} and OptionalProto, which has one element or none.  Nothing in
 * the bytes tells the three apart. */

#include "kind.h"
#include "onnx_pb.h"
#include "spool.h"

/* Fields of both messages, and what field 2 says. */
enum { KIND = 2, TENSOR = 3, SEQUENCE = 5, OPTIONAL = 7 };
enum { OF_TENSORS = 1, OF_SEQUENCES = 3 };
enum { MAXDEPTH = 4 };

static bool get_value(Onnx *o, Span b, Value *v, int depth);

static bool
get_tensor(Onnx *o, Span b, Value *v)
{
	Arena tmp = {0};
	Onnx__TensorProto *t =
		pb_unpack(o->c, &tmp, &onnx__tensor_proto__descriptor, b, true);
	bool ok;

	o->bytes = b; /* what places are relative to */
	ok = t && tensor_get(o, t, v);
	if (ok && t->name && *t->name)
		v->name = arena_dup(o->mem, t->name);
	arena_free(&tmp);
	return ok;
}

static bool
get_item(Onnx *o, unsigned field, Span b, Value *v, size_t *cap, int depth)
{
	Value *item = NEW(o->mem, Value);

	if (v->kind == VALUE_OPTIONAL && v->nitem)
		return fail(o->c, QE_INPUT, "an optional of two elements");
	if (field != TENSOR && field != SEQUENCE)
		return fail(o->c, QE_INPUT,
		            "elements that are no tensors and no sequences");
	item->name = "";
	item->kind = field == SEQUENCE ? VALUE_SEQUENCE : VALUE_TENSOR;
	PUSH(o->mem, v->item, v->nitem, *cap, item);
	return get_value(o, b, item, depth + 1) ||
	       note(o->c, "element %d", v->nitem - 1);
}

/* One field off the front of b: its number, and its bytes if it has any. */
static bool
take(Ctx *c, Span *b, unsigned *field, Span *bytes)
{
	uint64_t tag, n;

	*bytes = (Span){0};
	if (!pb_varint(b, &tag) || !pb_varint(b, &n) || tag >> 3 > OPTIONAL)
		return fail(c, QE_INPUT, "not a value of ONNX");
	*field = (unsigned)(tag >> 3);
	if ((tag & 7) == PROTOBUF_C_WIRE_TYPE_VARINT)
		return true;
	if ((tag & 7) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED || n > b->n)
		return fail(c, QE_INPUT, "not a value of ONNX, or cut");
	*bytes = (Span){b->p, (size_t)n};
	*b = (Span){b->p + n, b->n - (size_t)n};
	return true;
}

static bool
get_items(Onnx *o, Span b, Value *v, int depth)
{
	unsigned field = 0;
	size_t cap = 0;
	Span bytes;

	v->item = NEW(o->mem, Value *);
	v->shape.rank = -1;
	while (b.n) {
		if (!take(o->c, &b, &field, &bytes))
			return false;
		if (field >= TENSOR &&
		    !get_item(o, field, bytes, v, &cap, depth))
			return false;
	}
	if (v->nitem)
		v->type = v->item[0]->type;
	return true;
}

static bool
get_value(Onnx *o, Span b, Value *v, int depth)
{
	if (depth == MAXDEPTH)
		return fail(o->c, QE_INPUT, "nested too deeply");
	return v->kind == VALUE_TENSOR ? get_tensor(o, b, v)
	                               : get_items(o, b, v, depth);
}

bool
tensor_pb_parse(Ctx *c, Arena *a, Span bytes, Value *out)
{
	Onnx o = {.c = c, .mem = a};

	if (!out->name)
		out->name = "";
	return get_value(&o, bytes, out, 0);
}

bool
tensor_pb_read(Ctx *c, Arena *a, const char *path, Value *out)
{
	Span b;

	return spool_open(c, a, path, &b, NULL) &&
	       (tensor_pb_parse(c, a, b, out) || note(c, "%s", path));
}

static bool put_value(Ctx *c, Arena *tmp, Buf *b, const Value *v);

static bool
put_items(Ctx *c, Arena *tmp, Buf *b, const Value *v)
{
	bool nested = v->nitem && v->item[0]->kind == VALUE_SEQUENCE;

	pb_put_varint(b, KIND << 3 | PROTOBUF_C_WIRE_TYPE_VARINT);
	pb_put_varint(b, nested ? OF_SEQUENCES : OF_TENSORS);
	for (int i = 0; i < v->nitem; i++) {
		Buf *item = buf_new(tmp);

		if (!put_value(c, tmp, item, v->item[i]))
			return false;
		pb_put_varint(b,
		              (uint64_t)(nested ? SEQUENCE : TENSOR) << 3 | 2);
		pb_put_varint(b, item->n);
		buf_add(b, item->p, item->n);
	}
	return true;
}

static bool
put_value(Ctx *c, Arena *tmp, Buf *b, const Value *v)
{
	Onnx__TensorProto *t;
	Value local = *v;
	Source src = v->data.src ? *v->data.src : (Source){0};
	uint8_t *p;
	size_t n;

	if (v->kind != VALUE_TENSOR)
		return put_items(c, tmp, b, v);
	if (v->data.src) /* mapped for now only: the value's own stays as is */
		local.data.src = &src;
	t = tensor_proto(tmp, &local);
	if (!tensor_put(c, tmp, tmp, &local, t))
		return false;
	n = onnx__tensor_proto__get_packed_size(t);
	if (n > INT32_MAX)
		return fail(c, QE_INPUT,
		            "%zu bytes: no ONNX file may have "
		            "2 GiB",
		            n);
	p = arena_alloc(tmp, n + 1);
	onnx__tensor_proto__pack(t, p);
	buf_add(b, p, n);
	return true;
}

bool
tensor_pb_write(Ctx *c, const char *path, const Value *v)
{
	Arena tmp = {0};
	Buf *b = buf_new(&tmp);
	bool ok = put_value(c, &tmp, b, v) && file_write(c, path, b->p, b->n);

	arena_free(&tmp);
	return ok || note(c, "%s", path);
}
