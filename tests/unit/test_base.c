/* SPDX-License-Identifier: BSD-3-Clause
 * Reads top to bottom as the rules of str.c, dict.c, json.c, file.c,
 * thread.c. */

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "json.h"

static void
words_are_split_and_matched(void)
{
	Arena a = {0};
	char **w = str_split(&a, " a, b,,c ", ',');

	CHECK_STR(w[0], "a");
	CHECK_STR(w[1], "b");
	CHECK_STR(w[2], "c");
	CHECK(!w[3]);
	CHECK(str_glob("*.weight", "a.b.weight") && !str_glob("a?c", "ac"));
	CHECK(str_glob("a*b*c", "axxbyyc") && !str_glob("a*b", "axbc"));
	CHECK_STR(str_nearest("lama",
	                      (const char *const[]){"gpt2", "llama", NULL}),
	          "llama");
	CHECK(!str_nearest("mamba",
	                   (const char *const[]){"gpt2", "qwen3", NULL}));
	arena_free(&a);
}

static void
sizes_do_not_wrap(void)
{
	CHECK(mul_size(INT64_MAX, 2) == -1 && mul_size(-1, 2) == -1);
	CHECK(mul_size(3, 4) == 12 && add_size(INT64_MAX, 1) == -1);
}

static void
utf8_is_strict(void)
{
	CHECK(utf8_valid(SPAN("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")) == 10);
	CHECK(utf8_valid(SPAN("a\xc0\x80")) == 1);     /* overlong */
	CHECK(utf8_valid(SPAN("a\xed\xa0\x80")) == 1); /* surrogate */
	CHECK(utf8_valid(SPAN("a\xf4\x90\x80\x80")) == 1);
	CHECK(utf8_valid(SPAN("ab\xe2\x82")) == 2); /* cut */
}

static void
dicts_keep_order(void)
{
	Arena a = {0};
	Dict *d = dict_new(&a);

	for (int i = 0; i < 1000; i++)
		dict_set(d, arena_str(&a, "k%d", i), arena_str(&a, "%d", i));
	CHECK(d->n == 1000 && strcmp(d->item[41].key, "k41") == 0);
	CHECK_STR(dict_get(d, "k999"), "999");
	CHECK(!dict_get(d, "k1000") && !dict_has(d, "k1000"));
	dict_set(d, "k5", NULL);
	CHECK(dict_has(d, "k5") && !dict_get(d, "k5") && d->n == 1000);
	arena_free(&a);
}

/* Every pair of escapes is its character, whatever json-c makes of it. */
static void
json_pairs(void)
{
	Ctx c = {0};
	Json *o = json_parse(&c, &c.mem,
	                     SPAN("[\"\\uD836\\ude03.\\ud83d\\ude00\","
	                          "\"\\\\ud836\"]"));

	CHECK_STR(json_str(json_at(o, 0), ""),
	          "\xf0\x9d\xa8\x83.\xf0\x9f\x98\x80");
	CHECK_STR(json_str(json_at(o, 1), ""), "\\ud836");
	arena_free(&c.mem);
}

static bool
refused(const char *text, const char *why)
{
	Ctx c = {0};
	Json *o = json_parse(&c, &c.mem, SPAN(text));
	bool ok = !o && c.status == QE_INPUT && strstr(c.msg, why);

	if (!ok)
		fprintf(stderr, "%s: %s\n", text, c.msg);
	arena_free(&c.mem);
	return ok;
}

static bool
accepted(const char *text)
{
	Ctx c = {0};
	bool ok = json_parse(&c, &c.mem, SPAN(text)) != NULL;

	if (!ok)
		fprintf(stderr, "%s: %s\n", text, c.msg);
	arena_free(&c.mem);
	return ok;
}

static void
json_gate(void)
{
	char deep[300];

	CHECK(refused("{\"a\":1,\"a\":2}", "duplicate key"));
	CHECK(refused("{\"a\":1,\"\\u0061\":2}", "duplicate key"));
	CHECK(refused("{\"\xc3\xa9\":1,\"\\u00e9\":2}", "duplicate key"));
	CHECK(refused("{\"\xf0\x9f\xa4\x97\":1,\"\\ud83e\\udd17\":2}",
	              "duplicate key"));
	CHECK(accepted("{\"\\u00e1b\":1,\"\\u0e1b\":2}"));
	CHECK(accepted("{\"\\ud83e\\udd17\":1,\"\\ud83e\\udd16\":2}"));
	CHECK(accepted("{\"\\n\":1,\"n\":2}"));
	CHECK(refused("{\"a\\u0000\":1}", "NUL in a key"));
	CHECK(refused("[NaN]", "not a number"));
	CHECK(refused("[1]x", "something follows"));
	CHECK(refused("[\"a\nb\"]", "line 1: control character"));
	CHECK(refused("{\"a\":\n1,}", "line 2: expected a key"));
	CHECK(refused("[\"\xff\"]", "not UTF-8"));
	CHECK(refused("", "ends too early"));
	CHECK(refused("[1e999]", "number too large"));
	CHECK(refused("[01]", "expected ','"));
	memset(deep, '[', sizeof deep);
	deep[sizeof deep - 1] = '\0';
	CHECK(refused(deep, "nested too deeply"));
}

static void
json_round_trip(void)
{
	Ctx c = {0};
	const char *text =
		"{\"b\": [1, 2.5, null, true], \"a\": \"x/\\n\\u00e9\"}";
	Json *o = json_parse(&c, &c.mem, SPAN(text));
	Buf *b = buf_new(&c.mem);

	json_print(b, o, 0);
	CHECK_STR(b->p,
	          "{\"a\": \"x/\\n\xc3\xa9\", \"b\": [1, 2.5, null, true]}");
	CHECK(json_get_int(o, "zz", 7) == 7 && json_len(json_get(o, "b")) == 4);
	CHECK(!json_at(json_get(o, "b"), 2) &&
	      json_num(json_at(json_get(o, "b"), 1), 0) == 2.5);
	buf_clear(b);
	json_print(b, json_get(o, "b"), 2);
	CHECK_STR(b->p, "[1, 2.5, null, true]");
	arena_free(&c.mem);
}

static void
files_are_whole(const char *dir)
{
	Ctx c = {0};
	const char *p = arena_str(&c.mem, "%s/f", dir);
	Span s = {0};
	Out *o;

	CHECK(file_write(&c, p, "hello", 5));
	CHECK(file_map(&c, &c.mem, p, &s) && s.n == 5 &&
	      memcmp(s.p, "hello", 5) == 0);
	CHECK((o = out_open(&c, &c.mem, p)) && out_write(&c, o, "x", 1));
	arena_free(&c.mem); /* not committed: the old bytes stand */
	p = arena_str(&c.mem, "%s/f", dir);
	CHECK(file_read(&c, &c.mem, p, 100, &s) && s.n == 5);
	CHECK(!file_read(&c, &c.mem, p, 4, &s) && c.status == QE_INPUT);
	c.status = QE_OK;
	CHECK(!file_write(&c, "/nonexistent/x", "a", 1) && c.status == QE_IO);
	CHECK_STR(c.msg, "/nonexistent/x: No such file or directory");
	c.status = QE_OK;
	CHECK(!file_write(&c, "/dev/full", "a", 1) && c.status == QE_IO);
	CHECK_STR(path_relative(&c, &c.mem, dir, p), "f");
	remove(p);
	arena_free(&c.mem);
}

static void
add_range(void *arg, int64_t begin, int64_t end, int thread)
{
	int64_t *sum = arg;

	for (int64_t i = begin; i < end; i++)
		sum[thread] += i;
}

static void
pools_cover_the_range(void)
{
	for (int n = 1; n <= 5; n++) {
		Arena a = {0};
		Pool *p = pool_open(&a, n);
		int64_t sum[8] = {0}, all = 0;

		for (int i = 0; i < 1000; i++)
			pool_run(p, add_range, sum, i % 37, 1 + i % 5);
		for (int i = 0; i < 8; i++)
			all += sum[i];
		arena_free(&a);
		for (int i = 0; i < 1000; i++)
			all -= (int64_t)(i % 37) * (i % 37 - 1) / 2;
		CHECK(all == 0);
	}
}

int
main(void)
{
	char dir[] = "/tmp/qeff-test-XXXXXX";

	words_are_split_and_matched();
	sizes_do_not_wrap();
	utf8_is_strict();
	dicts_keep_order();
	json_gate();
	json_pairs();
	json_round_trip();
	if (mkdtemp(dir)) {
		files_are_whole(dir);
		rmdir(dir);
	}
	pools_cover_the_range();
	return check_done("base");
}
