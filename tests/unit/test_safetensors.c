/* SPDX-License-Identifier: BSD-3-Clause
 * Reads as the rules of kind.c and safetensors.c. */

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "kind.h"
#include "safetensors.h"

static char dir[] = "/tmp/qeff-st-XXXXXX";

static const char *
put(Ctx *c, const char *name, const void *bytes, size_t n)
{
	char *path = path_join(&c->mem, dir, name);

	CHECK(file_write(c, path, bytes, n));
	return path;
}

/* A file of this header and n bytes of data. */
static const char *
put_header(Ctx *c, const char *name, const char *json, size_t n)
{
	Buf *b = buf_new(&c->mem);
	size_t len = strlen(json);

	for (int i = 0; i < 8; i++)
		buf_char(b, (char)(len >> 8 * i & 0xff));
	buf_str(b, json);
	for (size_t i = 0; i < n; i++)
		buf_char(b, (char)i);
	return put(c, name, b->p, b->n);
}

static void
a_file_is_read(void)
{
	Ctx c = {0};
	SafeFile f;
	const SafeTensor *t;
	Digest d;
	int64_t n;

	put_header(&c, "model.safetensors",
	           "{\"__metadata__\":{\"format\":\"pt\"},"
	           "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],"
	           "\"data_offsets\":[2,10]},"
	           "\"none\":{\"dtype\":\"I64\",\"shape\":[3,0],"
	           "\"data_offsets\":[2,2]},"
	           "\"six\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],"
	           "\"data_offsets\":[10,13]},"
	           "\"a\":{\"dtype\":\"BF16\",\"shape\":[],"
	           "\"data_offsets\":[0,2]}}   ",
	           13);
	CHECK(safetensors_read(&c, &c.mem,
	                       path_join(&c.mem, dir, "model.safetensors"),
	                       &f));
	CHECK(f.ntensor == 4 && f.header + 13 == f.size);
	CHECK_STR(f.tensor[0].name, "a");
	CHECK_STR(f.tensor[1].name, "none");
	t = dict_get(f.byname, "b");
	CHECK(t && t->type == DT_F32 && t->off == f.header + 2 && t->len == 8);
	CHECK_STR(shape_text(&t->shape).s, "[2,1]");
	t = dict_get(f.byname, "six");
	CHECK(t && t->type == DT_NONE);
	CHECK_STR(t->dtype, "F6_E2M3");
	CHECK(safetensors_digest(&c, &f, false, &d, &n) && n == f.header);
	CHECK(safetensors_digest(&c, &f, true, &d, &n) && n == f.size);
	arena_free(&c.mem);
}

static void
refuse(const char *json, size_t data, const char *why)
{
	Ctx c = {0};
	SafeFile f;
	const char *path = put_header(&c, "bad", json, data);

	CHECK(!safetensors_read(&c, &c.mem, path, &f));
	CHECK(c.status == QE_INPUT);
	if (!strstr(c.msg, why))
		CHECK_STR(c.msg, why);
	arena_free(&c.mem);
}

#define ONE2(a, b)                                                             \
	"{\"" a "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"  \
	"\"" b "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"
#define T(rest) "{\"a\":{\"dtype\":\"F32\"," rest "}}"

static void
bad_headers_are_refused(void)
{
	refuse("{", 0, "bad header: no '\"' at byte 9");
	refuse("{} x", 0, "something behind the end");
	refuse("{}", 1, "1 bytes follow the last tensor");
	refuse("{\"a\":1}", 0, "tensor 'a': bad header: no '{'");
	refuse(ONE2("a", "\\u0061"), 0, "'a' twice");
	refuse("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}", 0,
	       "'dtype' twice");
	refuse("{\"a\":{\"other\":1}}", 0, "unknown key 'other'");
	refuse("{\"a\\ud800\":1}", 0, "half a character");
	refuse("{\"a\\u0000\":1}", 0, "no character");
	refuse("{\"a\xff\":1}", 0, "not UTF-8");
	refuse("{\"a\\x\":1}", 0, "a bad escape");
	refuse("{\"a", 0, "a string without an end");
	refuse("{\"\":{}}", 0, "a tensor name of 0 bytes");
	refuse("{\"a\\n\":{}}", 0, "control character");
	refuse("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: bad header");
	refuse("{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4,
	       "no 'dtype'");
	refuse(T("\"data_offsets\":[0,4]"), 4, "no 'shape'");
	refuse(T("\"shape\":[1]"), 4, "no 'data_offsets'");
	refuse(T("\"shape\":[1],\"data_offsets\":[0,4,8]"), 4,
	       "over 2 numbers");
	refuse(T("\"shape\":[-1],\"data_offsets\":[0,4]"), 4, "no size");
	refuse(T("\"shape\":[1.0],\"data_offsets\":[0,4]"), 4, "no size");
	refuse(T("\"shape\":[1,0,18446744073709551616],"
	         "\"data_offsets\":[0,4]"),
	       4, "a number too large");
	refuse(T("\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]"), 4,
	       "overflows");
	refuse(T("\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4,
	       "shape: over 8 numbers");
	refuse(T("\"shape\":[1],\"data_offsets\":[4,0]"), 4, "data_offsets");
	refuse(T("\"shape\":[2],\"data_offsets\":[0,4]"), 4,
	       "F32 [2] needs 8 bytes, has 4");
	refuse(T("\"shape\":[1],\"data_offsets\":[4,8]"), 8, "begins at byte");
	refuse(T("\"shape\":[2],\"data_offsets\":[0,8]"), 4, "cut: ");
	refuse("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}"
	       "}",
	       2, "3 elements of F4 are no bytes");
	refuse("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
	       "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
	       6, "tensor 'b': begins at byte");
}

static void
refuse_bytes(Span bytes, const char *why)
{
	Ctx c = {0};
	SafeFile f;
	const char *path = put(&c, "bad", bytes.p, bytes.n);

	CHECK(!safetensors_read(&c, &c.mem, path, &f));
	if (!strstr(c.msg, why))
		CHECK_STR(c.msg, why);
	arena_free(&c.mem);
}

static void
other_files_are_named(void)
{
	refuse_bytes(SPAN(""), "it is empty");
	refuse_bytes(SPAN("abc"), "not a safetensors file: 3 bytes");
	refuse_bytes(SPAN("version https://git-lfs.github.com/spec/v1\n"),
	             "git-lfs pointer (run 'git lfs pull')");
	refuse_bytes(SPAN("<!DOCTYPE html><html>"), "a web page");
	refuse_bytes(SPAN("PK\3\4 and so on"), "a zip archive");
	refuse_bytes(SPAN("\x80\2}q\1 and so on"), "a Python pickle");
	refuse_bytes(SPAN("{\"a\": 1, \"b\": 2}"), "a JSON document");
	refuse_bytes((Span){"\xff\0\0\0\0\0\0\0{", 9}, "cut: 9 bytes");
	refuse_bytes((Span){"\2\0\0\0\0\0\0\0[]", 10}, "no '{' at byte 8");
}

#define INDEX "model.safetensors.index.json"
#define ONE(name)                                                              \
	"{\"" name "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}"

static bool
read_index(const char *json, const char *why)
{
	Ctx c = {0};
	SafeFile *f;
	int n = 0;
	bool ok;

	put(&c, INDEX, json, strlen(json));
	ok = safetensors_dir(&c, &c.mem, dir, &f, &n);
	if (why && !strstr(c.msg, why))
		CHECK_STR(c.msg, why);
	ok = ok && n == 2 && str_ends(f[0].path, "/s1") &&
	     str_ends(f[1].path, "/s2");
	arena_free(&c.mem);
	return ok;
}

static void
shards_follow_the_index(void)
{
	Ctx c = {0};

	unlink(path_join(&c.mem, dir, "model.safetensors"));
	put_header(&c, "s1", ONE("a"), 1);
	put_header(&c, "s2", ONE("b"), 1);
	put_header(&c, "s3", ONE("a"), 1);
	CHECK(read_index("{\"weight_map\":{\"b\":\"s2\",\"a\":\"s1\"}}", NULL));
	CHECK(!read_index("{}", "no 'weight_map'"));
	CHECK(!read_index("{\"weight_map\":{\"b\":\"../s2\"}}",
	                  "no file name"));
	CHECK(!read_index("{\"weight_map\":{\"b\":\"/s2\"}}", "no file name"));
	CHECK(!read_index("{\"weight_map\":{\"b\":1}}", "no file name"));
	CHECK(!read_index("{\"weight_map\":{\"b\":\"s1\"}}", "not in s1"));
	CHECK(!read_index("{\"weight_map\":{\"b\":\"s9\"}}",
	                  "No such file or directory"));
	CHECK(!read_index("{\"weight_map\":{\"a\":\"s1\",\"b\":\"s3\"}}",
	                  "'a' is in s1 and in s3"));
	unlink(path_join(&c.mem, dir, INDEX));
	arena_free(&c.mem);
}

static void
a_directory_without_weights(void)
{
	Ctx c = {0};
	SafeFile *f;
	int n;

	CHECK(!safetensors_dir(&c, &c.mem, dir, &f, &n));
	CHECK(c.status == QE_IO && strstr(c.msg, "no model.safetensors"));
	arena_free(&c.mem);
}

int
main(void)
{
	Ctx c = {0};
	static const char *const file[] = {"model.safetensors", "bad", "s1",
	                                   "s2", "s3"};

	if (!mkdtemp(dir))
		return 1;
	a_file_is_read();
	bad_headers_are_refused();
	other_files_are_named();
	shards_follow_the_index();
	a_directory_without_weights();
	for (size_t i = 0; i < LEN(file); i++)
		unlink(path_join(&c.mem, dir, file[i]));
	rmdir(dir);
	arena_free(&c.mem);
	return check_done("safetensors");
}
