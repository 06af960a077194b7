/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_slim.c - protobuf from outside, made safe and small for protobuf-c.
 *
 * protobuf-c has no recursion limit, copies every byte, allocates 150 times
 * a hostile input, takes any bytes for text and gives no reason when it
 * fails.  So the wire is walked first, by protobuf-c's own descriptors: the
 * walk checks lengths, nesting and text, names the field that is wrong, and
 * writes a second, small message in which large tensor data has become its
 * place in the file.  A model of many GiB unpacks in a millisecond.
 *
 * Lengths of nested messages are written as five bytes, so that one pass is
 * enough; that is legal protobuf. */

#include <stdio.h>

#include "onnx_pb.h"

enum { DEPTH = 64, FIELDS = 32 };

typedef struct Slim {
	Ctx *c;
	Buf *out;
	const char *base; /* of all bytes */
	bool place;
	int depth;
	struct Step {
		const char *name; /* NULL: a field that the schema lacks */
		unsigned number, index;
		bool repeated;
	} step[DEPTH];
} Slim;

/* Fails with the path of the field at hand in front. */
static bool
bad(Slim *s, const char *at, const char *what)
{
	char path[512] = "";
	size_t n = 0;

	for (int i = 0; i < s->depth && n < sizeof path; i++) {
		struct Step *t = &s->step[i];

		n += (size_t)snprintf(path + n, sizeof path - n,
		                      t->name ? "%s%s" : "%s%s%u", i ? "." : "",
		                      t->name ? t->name : "field ", t->number);
		if (t->repeated && n < sizeof path)
			n += (size_t)snprintf(path + n, sizeof path - n, "[%u]",
			                      t->index);
	}
	return fail(s->c, QE_INPUT, "%s%s%s at byte %td", path,
	            *path ? ": " : "", what, at - s->base);
}

bool
pb_varint(Span *in, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < in->n && i < 10; i++) {
		v |= (uint64_t)(in->p[i] & 0x7f) << 7 * i;
		if (!(in->p[i] & 0x80)) {
			*out = v;
			*in = (Span){in->p + i + 1, in->n - i - 1};
			return true;
		}
	}
	return false;
}

void
pb_put_varint(Buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_char(b, (char)(v | 0x80));
	buf_char(b, (char)v);
}

/* Takes one field's value off the front; of a length-delimited one, *value
 * is what the length counts. */
static bool
take(Slim *s, Span *in, unsigned wire, Span *value)
{
	uint64_t n;
	const char *from = in->p;

	switch (wire) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		if (!pb_varint(in, &n))
			return bad(s, from, "a cut or overlong number");
		return true;
	case PROTOBUF_C_WIRE_TYPE_64BIT:
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		n = wire == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4;
		break;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		if (!pb_varint(in, &n))
			return bad(s, from, "a cut or overlong length");
		break;
	default:
		return bad(s, from, "not ONNX: wire type without a meaning");
	}
	if (n > in->n) {
		char what[96];

		snprintf(what, sizeof what, "%llu bytes where %zu are left",
		         (unsigned long long)n, in->n);
		return bad(s, from, what);
	}
	*value = (Span){in->p, (size_t)n};
	*in = (Span){in->p + n, in->n - (size_t)n};
	return true;
}

/* True for data whose bytes on the wire are those in memory. */
static bool
is_data(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
	return d == &onnx__tensor_proto__descriptor &&
	       (strcmp(f->name, "raw_data") == 0 ||
	        strcmp(f->name, "float_data") == 0 ||
	        strcmp(f->name, "double_data") == 0);
}

static void
put_place(Slim *s, unsigned field, Span v)
{
	Place p = {field, v.p - s->base, (int64_t)v.n};

	pb_put_varint(s->out, (uint64_t)TENSOR_PLACE << 3 | 2);
	pb_put_varint(s->out, sizeof p);
	buf_add(s->out, &p, sizeof p);
}

/* What nobody here reads is not unpacked. */
static bool
is_dropped(const ProtobufCFieldDescriptor *f)
{
	static const char *const list[] = {"doc_string", "training_info",
	                                   "quantization_annotation", NULL};

	return str_in(f->name, list);
}

static bool message(Slim *s, const ProtobufCMessageDescriptor *d, Span in);

static bool
nested(Slim *s, const ProtobufCMessageDescriptor *d, Span v)
{
	size_t at = s->out->n, n;

	buf_add(s->out, "\0\0\0\0\0", 5);
	if (!message(s, d, v))
		return false;
	n = s->out->n - at - 5;
	if (n > INT32_MAX)
		return bad(s, v.p, "2 GiB without its data");
	for (size_t i = 0; i < 5; i++)
		s->out->p[at + i] =
			(char)((n >> 7 * i & 0x7f) | (i < 4 ? 0x80 : 0));
	return true;
}

static bool
check_text(Slim *s, Span v)
{
	size_t good = utf8_valid(v);
	const char *nul = v.n ? memchr(v.p, 0, v.n) : NULL;

	if (good < v.n)
		return bad(s, v.p + good, "not UTF-8");
	return !nul || bad(s, nul, "NUL in a text");
}

/* A length-delimited field v; whole is it with tag and length. */
static bool
delimited(Slim *s, const ProtobufCMessageDescriptor *d,
          const ProtobufCFieldDescriptor *f, Span v, Span whole)
{
	if (f && is_dropped(f))
		return true;
	if (f && f->type == PROTOBUF_C_TYPE_MESSAGE) {
		pb_put_varint(s->out, (uint64_t)f->id << 3 | 2);
		return nested(s, f->descriptor, v);
	}
	if (f && f->type == PROTOBUF_C_TYPE_STRING && !check_text(s, v))
		return false;
	if (f && s->place && v.n >= PLACE_MIN && is_data(d, f)) {
		put_place(s, f->id, v);
		return true;
	}
	buf_add(s->out, whole.p, whole.n);
	return true;
}

static bool
field(Slim *s, const ProtobufCMessageDescriptor *d, Span *in, unsigned *seen)
{
	struct Step *t = &s->step[s->depth];
	const ProtobufCFieldDescriptor *f;
	Span v = {0}, whole = *in;
	uint64_t tag;

	if (!pb_varint(in, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return bad(s, in->p, "not ONNX: a field without a number");
	f = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
	*t = (struct Step){.number = (unsigned)(tag >> 3)};
	if (f && f - d->fields < FIELDS) {
		t->name = f->name;
		t->repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
		t->index = seen[f - d->fields]++;
	}
	s->depth++;
	if (!take(s, in, (unsigned)tag & 7, &v))
		return false;
	whole.n -= in->n;
	if ((tag & 7) != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
		buf_add(s->out, whole.p, whole.n);
	else if (t->number != TENSOR_PLACE && !delimited(s, d, f, v, whole))
		return false;
	s->depth--;
	return true;
}

static bool
message(Slim *s, const ProtobufCMessageDescriptor *d, Span in)
{
	unsigned seen[FIELDS] = {0};

	if (s->depth >= DEPTH)
		return bad(s, in.p, "nested too deeply");
	while (in.n)
		if (!field(s, d, &in, seen))
			return false;
	return true;
}

typedef struct Budget {
	Arena *mem;
	size_t left;
} Budget;

static void *
spend(void *arg, size_t n)
{
	Budget *b = arg;

	if (n > b->left)
		return NULL;
	b->left -= n;
	return arena_alloc(b->mem, n);
}

static void
keep(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

void *
pb_unpack(Ctx *c, Arena *a, const ProtobufCMessageDescriptor *d, Span bytes,
          bool place)
{
	Slim s = {.c = c, .base = bytes.p, .place = place};
	Arena tmp = {0};
	Budget b = {.mem = a};
	ProtobufCAllocator alloc = {spend, keep, &b};
	void *m = NULL;

	s.out = buf_new(&tmp);
	if (message(&s, d, bytes)) {
		b.left = MAX((size_t)64 << 20, 32 * s.out->n);
		m = protobuf_c_message_unpack(d, &alloc, s.out->n,
		                              (const uint8_t *)s.out->p);
		if (!m)
			fail(c, QE_INPUT,
			     "not ONNX: no %s, or one of far too many parts",
			     d->short_name);
	}
	arena_free(&tmp);
	return m;
}

const ProtobufCMessageUnknownField *
pb_unknown(const void *message, uint32_t number)
{
	const ProtobufCMessage *m = message;

	for (unsigned i = 0; i < m->n_unknown_fields; i++)
		if (m->unknown_fields[i].tag == number)
			return &m->unknown_fields[i];
	return NULL;
}
