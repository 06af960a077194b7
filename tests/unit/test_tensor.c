/* SPDX-License-Identifier: BSD-3-Clause
 * Files of tensors: .npy, .npz, .pb and bare bytes, out and in again. */

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "npy.h"
#include "onnx.h"

static char dir[] = "/tmp/qeff-tensor-XXXXXX";

static const char *
in_dir(Ctx *c, const char *name)
{
	return path_join(&c->mem, dir, name);
}

static Value
tensor(Ctx *c, DType t, int64_t rows, int64_t cols)
{
	Value v = {.name = "", .type = t, .shape = {2, {rows, cols}}};
	char *p;

	v.data.len = dtype_bytes(t, rows * cols);
	v.data.mem = p = arena_alloc(&c->mem, (size_t)v.data.len);
	for (int64_t i = 0; i < v.data.len; i++)
		p[i] = t == DT_BOOL ? i % 2 == 0 : (char)(i * 37 + 1);
	return v;
}

static bool
same(const Value *a, const Value *b)
{
	return a->type == b->type && shape_eq(&a->shape, &b->shape) &&
	       a->data.len == b->data.len &&
	       memcmp(a->data.mem, b->data.mem, (size_t)a->data.len) == 0;
}

static void
every_type_survives_pb(void)
{
	for (DType t = DT_NONE + 1; t < DT_COUNT; t++) {
		Ctx c = {0};
		Value v, w = {0};

		if (t == DT_STRING)
			continue;
		v = tensor(&c, t, 3, 5);
		CHECK(tensor_pb_write(&c, in_dir(&c, "v.pb"), &v) &&
		      tensor_pb_read(&c, &c.mem, in_dir(&c, "v.pb"), &w));
		CHECK_STR(c.msg, "");
		CHECK(same(&v, &w));
		arena_free(&c.mem);
	}
}

static void
every_type_of_numpy_survives_npy(void)
{
	for (DType t = DT_NONE + 1; t < DT_COUNT; t++) {
		Ctx c = {0};
		Value v, w = {0};
		const char *path;

		if (t == DT_STRING)
			continue;
		path = in_dir(&c, "v.npy");
		v = tensor(&c, t, 3, 5);
		CHECK(npy_write(&c, path, &v) &&
		      npy_read(&c, &c.mem, path, &w));
		CHECK_STR(c.msg, "");
		CHECK(shape_eq(&v.shape, &w.shape));
		CHECK(same(&v, &w) || w.type == DT_U8 || w.type == DT_I8 ||
		      t == DT_BF16);
		arena_free(&c.mem);
	}
}

static void
what_numpy_lacks_is_converted(void)
{
	Ctx c = {0};
	Value v = {.type = DT_BF16, .shape = {1, {2}}}, w = {0};
	const char *path = in_dir(&c, "v.npy");

	v.data = (Blob){.mem = (uint16_t[]){0x3fc0, 0xc000}, .len = 4};
	CHECK(npy_write(&c, path, &v) && npy_read(&c, &c.mem, path, &w));
	CHECK(w.type == DT_F32 && ((const float *)w.data.mem)[0] == 1.5f &&
	      ((const float *)w.data.mem)[1] == -2);
	v = (Value){.type = DT_I4, .shape = {1, {3}}};
	v.data = (Blob){.mem = "\xf1\x08", .len = 2};
	CHECK(npy_write(&c, path, &v) && npy_read(&c, &c.mem, path, &w));
	CHECK(w.type == DT_I8 && memcmp(w.data.mem, "\1\xff\xf8", 3) == 0);
	v = (Value){.type = DT_U2, .shape = {1, {4}}};
	v.data = (Blob){.mem = "\xe4", .len = 1};
	CHECK(npy_write(&c, path, &v) && npy_read(&c, &c.mem, path, &w));
	CHECK(w.type == DT_U8 && memcmp(w.data.mem, "\0\1\2\3", 4) == 0);
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

static void
texts_survive(void)
{
	Ctx c = {0};
	Value v = {.type = DT_STRING, .shape = {1, {3}}}, w = {0};
	const Span s[] = {SPAN("one"), SPAN(""), SPAN("\xc3\xa9t\xc3\xa9")};

	v.data = (Blob){.mem = s, .len = sizeof s};
	CHECK(tensor_pb_write(&c, in_dir(&c, "s.pb"), &v) &&
	      tensor_pb_read(&c, &c.mem, in_dir(&c, "s.pb"), &w));
	CHECK(w.type == DT_STRING && w.shape.dim[0] == 3);
	CHECK_STR(((const Span *)w.data.mem)[2].p, s[2].p);
	CHECK(npy_write(&c, in_dir(&c, "s.npy"), &v) &&
	      npy_read(&c, &c.mem, in_dir(&c, "s.npy"), &w));
	CHECK_STR(((const Span *)w.data.mem)[0].p, "one");
	CHECK_STR(((const Span *)w.data.mem)[1].p, "");
	CHECK_STR(((const Span *)w.data.mem)[2].p, s[2].p);
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

static void
sequences_and_optionals_survive(void)
{
	Ctx c = {0};
	Value a = tensor(&c, DT_F32, 2, 2), b = tensor(&c, DT_F32, 1, 3);
	Value *two[] = {&a, &b}, *one[1];
	Value seq = {.name = "", .kind = VALUE_SEQUENCE, .item = two};
	Value opt = {.name = "", .kind = VALUE_OPTIONAL, .item = one}, w = {0};
	const char *path = in_dir(&c, "seq.pb");

	seq.nitem = 2;
	w.kind = VALUE_SEQUENCE;
	CHECK(tensor_pb_write(&c, path, &seq) &&
	      tensor_pb_read(&c, &c.mem, path, &w));
	CHECK(w.nitem == 2 && w.type == DT_F32 && same(w.item[1], &b));
	one[0] = &seq;
	opt.nitem = 1;
	w = (Value){.kind = VALUE_OPTIONAL};
	CHECK(tensor_pb_write(&c, path, &opt) &&
	      tensor_pb_read(&c, &c.mem, path, &w));
	CHECK(w.nitem == 1 && w.item[0]->kind == VALUE_SEQUENCE &&
	      w.item[0]->nitem == 2);
	opt.nitem = 0;
	w = (Value){.kind = VALUE_OPTIONAL};
	CHECK(tensor_pb_write(&c, path, &opt) &&
	      tensor_pb_read(&c, &c.mem, path, &w) && w.nitem == 0);
	CHECK_STR(c.msg, "");
	arena_free(&c.mem);
}

/* A .npy file of version 1 with this header and these elements. */
static void
refuse(const char *head, const char *data, const char *why)
{
	Ctx c = {0};
	Buf *b = buf_new(&c.mem);
	Value v = {0};

	buf_add(b, "\x93NUMPY\1\0", 8);
	buf_char(b, (char)strlen(head));
	buf_char(b, 0);
	buf_str(b, head);
	buf_str(b, data);
	CHECK(file_write(&c, in_dir(&c, "bad.npy"), b->p, b->n));
	CHECK(!npy_read(&c, &c.mem, in_dir(&c, "bad.npy"), &v));
	if (!strstr(c.msg, why))
		CHECK_STR(c.msg, why);
	arena_free(&c.mem);
}

static void
bad_arrays_are_refused(void)
{
#define HEAD(descr, order, shape)                                              \
	"{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape "}"
	refuse("", "", "no '{'");
	refuse("{}", "", "shape is missing");
	refuse("{'descr': '<f4'", "", "no ','");
	refuse("{'descr': '<f4", "", "without an end");
	refuse("{'descr': '<f4', 'descr': '<f4'}", "", "second key");
	refuse("{'other': 1}", "", "unknown");
	refuse(HEAD("'|O'", "False", "(1,)"), "", "type '|O'");
	refuse(HEAD("'<c16'", "False", "(1,)"), "", "type '<c16'");
	refuse(HEAD("[('a', '<f4')]", "False", "(1,)"), "", "records");
	refuse(HEAD("'<f4'", "maybe", "(1,)"), "", "True or False");
	refuse(HEAD("'<f4'", "False", "1"), "", "no tuple");
	refuse(HEAD("'<f4'", "False", "(-1,)"), "", "not of numbers");
	refuse(HEAD("'<f4'", "False", "(1 2)"), "", "not of numbers");
	refuse(HEAD("'<f4'", "False", "(99999999999999999999,)"), "",
	       "overflows");
	refuse(HEAD("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), "", "rank over");
	refuse(HEAD("'<f4'", "False", "(2,)"), "1234", "needs 8 bytes, has 4");
	refuse(HEAD("'<f4'", "False", "(4611686018427387904, 4)"), "",
	       "overflows");
	refuse(HEAD("'<f4'", "False", "()") "x", "1234", "follows");
	refuse(HEAD("'<U0'", "False", "(1000000000,)"), "", "without a width");
	refuse(HEAD("'|S3'", "False", "(2,)"), "12345", "5 bytes for 2 texts");
}

/* NumPy itself, where it is installed: it reads what we write, and writes
 * what we read. */
static void
numpy_agrees(void)
{
	Ctx c = {0};
	Value v = tensor(&c, DT_F16, 2, 3), *z;
	const float *f;
	int n = 0;

	if (system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
		return;
	CHECK(npy_write(&c, in_dir(&c, "v.npy"), &v));
	CHECK(system(arena_str(
		      &c.mem,
		      "cd %s && /usr/bin/python3 -c 'import numpy as np\n"
		      "v = np.load(\"v.npy\")\n"
		      "assert v.shape == (2, 3) and v.dtype == np.float16\n"
		      "assert v.tobytes()[:2] == b\"\\x01\\x26\"\n"
		      "a = np.arange(6).reshape(2, 3)\n"
		      "np.savez(\"z.npz\", a=a.astype(\"f4\"), "
		      "b=np.asfortranarray(a).astype(\">f4\", order=\"K\"), "
		      "s=np.array([\"h\\u00e9\", \"\\U0001f600\"]), "
		      "o=np.array(7.5, \"f4\"))\n"
		      "np.savez_compressed(\"y.npz\", "
		      "a=np.zeros(100000, \"f4\"))'",
		      dir)) == 0);
	CHECK(npz_read(&c, &c.mem, in_dir(&c, "z.npz"), &z, &n) && n == 4);
	CHECK_STR(c.msg, "");
	for (int i = 0; n == 4 && i < 2; i++) {
		f = z[i].data.mem;
		CHECK_STR(z[i].name, i ? "b" : "a");
		CHECK(z[i].type == DT_F32 && z[i].shape.dim[1] == 3);
		CHECK(f[0] == 0 && f[1] == 1 && f[3] == 3 && f[5] == 5);
	}
	CHECK(n == 4 && z[2].type == DT_STRING);
	CHECK_STR(((const Span *)z[2].data.mem)[0].p, "h\xc3\xa9");
	CHECK_STR(((const Span *)z[2].data.mem)[1].p, "\xf0\x9f\x98\x80");
	CHECK(z[3].shape.rank == 0 && *(const float *)z[3].data.mem == 7.5f);
	CHECK(npz_read(&c, &c.mem, in_dir(&c, "y.npz"), &z, &n) && n == 1 &&
	      z[0].data.len == 400000);
	CHECK(!npz_read(&c, &c.mem, in_dir(&c, "v.npy"), &z, &n));
	CHECK(strstr(c.msg, "not an .npz file: it looks like a .npy") != NULL);
	arena_free(&c.mem);
}

static void
bare_bytes_need_their_size(void)
{
	Ctx c = {0};
	Value v = {.type = DT_I32, .shape = {1, {2}}};

	CHECK(file_write(&c, in_dir(&c, "raw"), "\1\0\0\0\2\0\0\0", 8));
	CHECK(raw_read(&c, &c.mem, in_dir(&c, "raw"), &v));
	CHECK(((const int32_t *)v.data.mem)[1] == 2);
	v.shape.dim[0] = 3;
	CHECK(!raw_read(&c, &c.mem, in_dir(&c, "raw"), &v));
	CHECK(strstr(c.msg, "int32 [3] needs 12 bytes, has 8") != NULL);
	arena_free(&c.mem);
}

int
main(void)
{
	Ctx c = {0};

	if (!mkdtemp(dir))
		return 1;
	every_type_survives_pb();
	every_type_of_numpy_survives_npy();
	what_numpy_lacks_is_converted();
	texts_survive();
	sequences_and_optionals_survive();
	bad_arrays_are_refused();
	numpy_agrees();
	bare_bytes_need_their_size();
	if (failed == 0)
		CHECK(system(arena_str(&c.mem, "rm -r %s", dir)) == 0);
	arena_free(&c.mem);
	return check_done("tensor");
}
