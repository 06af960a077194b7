/* SPDX-License-Identifier: BSD-3-Clause
 * make-programqpc - a programqpc.bin, written from its description
 *
 *	make-programqpc [-s] FILE [PACKAGE]
 *
 * The bytes are put together here, by no code of the library's, so that its
 * reader has something to be right about.  With PACKAGE, one of the host
 * backend, the network is that package's: its inputs and outputs, and its
 * programs as allowed shapes; it goes along as the segment "host.qpc", for
 * the stand-in of libQAic; -s adds a retained input and its output, of no
 * account there.  Without, the network has one input, one output
 * and two operators. */

#include <stdio.h>
#include <string.h>

#include "qpc.h"

typedef struct Bytes {
	unsigned char *p;
	size_t n, cap;
} Bytes;

static Arena mem; /* of all messages */

static void
put(Bytes *b, const void *p, size_t n)
{
	if (b->cap - b->n < n) {
		unsigned char *to;

		b->cap = 2 * (b->cap + n) + 4096;
		to = arena_alloc(&mem, b->cap);
		b->p = b->n ? memcpy(to, b->p, b->n) : to;
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
put_int(Bytes *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		put(b, &(unsigned char){(unsigned char)(v >> 8 * i)}, 1);
}

/* - protobuf - */

static void
varint(Bytes *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		put_int(b, (v & 0x7f) | 0x80, 1);
	put_int(b, v, 1);
}

static void
number(Bytes *b, int field, uint64_t v)
{
	varint(b, (uint64_t)field << 3);
	varint(b, v);
}

static void
bytes(Bytes *b, int field, const void *p, size_t n)
{
	varint(b, (uint64_t)field << 3 | 2);
	varint(b, n);
	put(b, p, n);
}

static void
text(Bytes *b, int field, const char *s)
{
	bytes(b, field, s, strlen(s));
}

static void
message(Bytes *b, int field, Bytes *m)
{
	bytes(b, field, m->p, m->n);
}

/* - the network - */

enum { F32 = 0, F16 = 1, I32 = 6, I64 = 7, I8 = 8, BF16 = 11 };

static int
type_of(const char *name)
{
	static const struct {
		const char *name;
		int type;
	} types[] = {{"float32", F32},  {"float16", F16}, {"int32", I32},
	             {"int64", I64},    {"bool", I8},     {"int8", I8},
	             {"bfloat16", BF16}};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	return F32;
}

static Bytes
dims(const Json *shape)
{
	Bytes b = {0};

	for (size_t i = 0; i < json_len(shape); i++)
		varint(&b, (uint64_t)json_int(json_at(shape, i), 0));
	return b;
}

static void
binding(Bytes *net, int field, const char *name, int type, const Json *shape)
{
	Bytes io = {0}, desc = {0}, d = dims(shape), again = dims(shape),
	      last = {0};

	number(&desc, 1, (uint64_t)type);
	message(&desc, 4, &d);
	number(&last, 1, (uint64_t)type);
	message(&last, 4, &again);
	text(&io, 1, name);
	message(&io, 2, &desc);
	message(&io, 3, &last);
	number(&io, 6, 64);
	message(net, field, &io);
}

static void
shape(Bytes *set, int type, const Json *dim)
{
	Bytes s = {0}, d = dims(dim);

	number(&s, 1, (uint64_t)type);
	message(&s, 2, &d);
	message(set, 1, &s);
}

static void
operators(Bytes *net)
{
	static const char *const ops[][2] = {{"MatMul_0", "matmul"},
	                                     {"Add_1", "add"}};
	Bytes stats = {0}, core = {0}, group = {0};

	for (int i = 0; i < 2; i++) {
		Bytes op = {0};

		text(&op, 1, ops[i][0]);
		text(&op, 2, ops[i][1]);
		text(&op, 4, "VTCM");
		text(&op, 5, "1 x 8");
		number(&op, 7, 32);
		message(&group, 1, &op);
	}
	message(&core, 1, &group);
	message(&stats, 12, &core);
	message(net, 12, &stats);
}

/* What the shapes are of each io in the specialization. */
static void
add_state(Bytes *net, Bytes *set, bool first, int k, Arena *a)
{
	Json *s = json_new_array(a);

	json_push(s, json_object_new_int(4));
	if (first)
		binding(net, 4 + k,
		        k ? "past_key.0_RetainedState" : "past_key.0", F16, s);
	shape(set, F16, s);
}

static void
host_network(Bytes *net, const Json *m, bool state, Arena *a)
{
	const Json *specs = json_get(m, "specializations");

	for (size_t i = 0; i < json_len(specs); i++) {
		static const char *const lists[] = {"inputs", "outputs"};
		Bytes set = {0};

		for (int k = 0; k < 2; k++) {
			const Json *l = json_get(json_at(specs, i), lists[k]);

			for (size_t v = 0; v < json_len(l); v++) {
				const Json *io = json_at(l, v);
				int type =
					type_of(json_get_str(io, "dtype", ""));

				if (i == 0)
					binding(net, 4 + k,
					        json_get_str(io, "name", "?"),
					        type, json_get(io, "shape"));
				shape(&set, type, json_get(io, "shape"));
			}
			if (state)
				add_state(net, &set, i == 0, k, a);
		}
		message(net, 18, &set);
	}
}

static void
small_network(Bytes *net, Arena *a)
{
	Json *s = json_new_array(a), *t = json_new_array(a);
	Bytes set = {0}, other = {0};

	json_push(s, json_object_new_int(1));
	json_push(s, json_object_new_int(8));
	json_push(t, json_object_new_int(2));
	json_push(t, json_object_new_int(8));
	binding(net, 4, "x", I64, s);
	binding(net, 5, "y", F16, s);
	shape(&set, I64, s);
	shape(&set, F16, s);
	shape(&other, I64, t);
	shape(&other, F16, t);
	message(net, 18, &set);
	message(net, 18, &other);
}

/* - the container - */

typedef struct Segment {
	const char *name;
	const void *p;
	size_t n;
	uint64_t offset;
} Segment;

static void
container(Bytes *b, const Segment *s, int n)
{
	uint64_t at = 40 + 32 * (uint64_t)n, data = at, size;

	for (int i = 0; i < n; i++)
		data += strlen(s[i].name) + 1;
	size = data;
	for (int i = 0; i < n; i++)
		size += s[i].n;
	put_int(b, 0x00A1CD7C, 4);
	put_int(b, 0, 1);
	put_int(b, 1, 1);
	put_int(b, 1, 2);
	put_int(b, size, 8);
	put_int(b, 0, 8);
	put_int(b, (uint64_t)n, 8);
	put_int(b, 40, 8);
	for (int i = 0; i < n; i++) {
		put_int(b, s[i].n, 8);
		put_int(b, s[i].offset, 8);
		put_int(b, at, 8);
		put_int(b, data, 8);
		at += strlen(s[i].name) + 1;
		data += s[i].n;
	}
	for (int i = 0; i < n; i++)
		put(b, s[i].name, strlen(s[i].name) + 1);
	for (int i = 0; i < n; i++)
		put(b, s[i].p, s[i].n);
}

int
main(int argc, char **argv)
{
	static const char elf[] = "\177ELF stands for the program",
			  weights[48] = "static, then dynamic";
	Ctx c = {.tool = "make-programqpc"};
	Arena a = {0};
	Bytes net = {0}, sizes = {0}, out = {0};
	Span host = {"", 0};
	Qpc *q = NULL;
	Segment s[6];
	int n = 0;
	bool state = argc > 1 && strcmp(argv[1], "-s") == 0;

	argc -= state;
	argv += state;
	if (argc > 2 && (!(q = qpc_open(&c, &a, argv[2], false)) ||
	                 !file_map(&c, &a, argv[2], &host))) {
		fprintf(stderr, "make-programqpc: %s\n", c.msg);
		return (int)c.status;
	}
	number(&net, 1, 9);
	text(&net, 3, q ? "host" : "small");
	if (q)
		host_network(&net, q->manifest, state, &a);
	else
		small_network(&net, &a);
	number(&net, 7, 16);
	number(&net, 14, 1);
	if (!q)
		operators(&net);
	put_int(&sizes, 32, 8);
	put_int(&sizes, 16, 8);
	put_int(&sizes, 0, 8);
	s[n++] = (Segment){"network.elf", elf, sizeof elf, 0};
	s[n++] = (Segment){"networkdesc.bin", net.p, net.n, 0};
	s[n++] = (Segment){"constantsdesc.bin", sizes.p, sizes.n, 0};
	s[n++] = (Segment){"constants.bin", weights, sizeof weights, 32};
	s[n++] = q ? (Segment){"host.qpc", host.p, host.n, 0}
	           : (Segment){"unknown.bin", "kept as it is", 13, 7};
	container(&out, s, n);
	if (!file_write(&c, argc > 1 ? argv[1] : "-", out.p, out.n))
		fprintf(stderr, "make-programqpc: %s\n", c.msg);
	arena_free(&a);
	arena_free(&mem);
	arena_free(&c.mem);
	return (int)c.status;
}
