/* SPDX-License-Identifier: BSD-3-Clause
 * Reads as the rules of a package. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "qpc.h"

static char dir[] = "/tmp/qeff-qpc-XXXXXX";

static const char *
in_dir(Ctx *c, const char *name)
{
	return path_join(&c->mem, dir, name);
}

enum { BIG = 300000 };

static const QpcMember members[] = {{"programs/decode.json", 12},
                                    {"weights.bin", BIG},
                                    {"empty", 0}};

static bool
make(Ctx *c, Arena *a, const char *path)
{
	Json *m = json_new(a);
	char *big = arena_alloc(a, BIG);
	QpcWriter *w;

	for (int i = 0; i < BIG; i++)
		big[i] = (char)(i * 7);
	json_put_str(m, "tool", "test");
	w = qpc_create(c, a, path, m, members, LEN(members));
	return w && qpc_begin(c, w, members[0].name) &&
	       qpc_write(c, w, "{\"a\": ", 6) &&
	       qpc_write(c, w, "true}\n", 6) &&
	       qpc_begin(c, w, members[1].name) &&
	       qpc_write(c, w, big, 100000) &&
	       qpc_write(c, w, big + 100000, BIG - 100000) &&
	       qpc_begin(c, w, members[2].name) && qpc_finish(c, w);
}

static void
a_package_is_read_in_place(void)
{
	Ctx c = {0};
	const char *path = in_dir(&c, "a.qpc");
	Span s;
	Qpc *q;

	CHECK(make(&c, &c.mem, path));
	CHECK((q = qpc_open(&c, &c.mem, path, true)) != NULL);
	CHECK(q && q->n == 3 && q->member[1].size == BIG);
	CHECK_STR(json_get_str(q->manifest, "tool", ""), "test");
	CHECK_STR(json_get_str(q->manifest, "format", ""), QPC_FORMAT);
	CHECK(qpc_member(&c, q, "weights.bin", &s) && s.n == BIG);
	CHECK((uintptr_t)s.p % QPC_ALIGN == 0 && s.p[3] == 21);
	CHECK(qpc_member(&c, q, "programs/decode.json", &s) && s.n == 12);
	CHECK((uintptr_t)s.p % QPC_ALIGN == 0 && *s.p == '{');
	CHECK(qpc_member(&c, q, "empty", &s) && s.n == 0);
	CHECK(!qpc_member(&c, q, "other", &s));
	CHECK(strstr(c.msg, "a.qpc: no member 'other'") != NULL);
	arena_free(&c.mem);
}

static void
same_members_same_bytes(void)
{
	Ctx c = {0};
	Digest a, b;

	CHECK(make(&c, &c.mem, in_dir(&c, "b.qpc")));
	CHECK(hash_file(&c, in_dir(&c, "a.qpc"), &a) &&
	      hash_file(&c, in_dir(&c, "b.qpc"), &b));
	CHECK_STR(a.hex, b.hex);
	arena_free(&c.mem);
}

static void
tar_lists_it_without_a_word(void)
{
	Ctx c = {0};
	Span out;

	CHECK(system(arena_str(&c.mem,
	                       "cd %s && tar tvf a.qpc >list 2>&1 && "
	                       "tar xOf a.qpc weights.bin | wc -c >>list",
	                       dir)) == 0);
	CHECK(file_read(&c, &c.mem, in_dir(&c, "list"), 4096, &out));
	CHECK(str_glob("-rw-r--r-- 0/0 * 1970-01-01 * manifest.json\n"
	               "-rw-r--r-- 0/0 * 12 * programs/decode.json\n"
	               "-rw-r--r-- 0/0 * 300000 * weights.bin\n"
	               "-rw-r--r-- 0/0 * 0 * empty\n"
	               "-rw-r--r-- 0/0 * digest.json\n300000\n",
	               out.p));
	arena_free(&c.mem);
}

static void
members_come_as_declared(void)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	QpcWriter *w;
	static const QpcMember m[] = {{"a", 2}, {"b", 1}};
	const char *path = in_dir(&c, "none.qpc");

	w = qpc_create(&c, a, path, json_new(a), m, 2);
	CHECK(w && !qpc_begin(&c, w, "b") && strstr(c.msg, "the one to come"));
	c.status = QE_OK;
	CHECK(qpc_begin(&c, w, "a") && !qpc_write(&c, w, "123", 3));
	CHECK(strstr(c.msg, "'a' has more bytes") != NULL);
	c.status = QE_OK;
	CHECK(qpc_write(&c, w, "1", 1) && !qpc_begin(&c, w, "b"));
	CHECK(strstr(c.msg, "'a': 1 bytes are missing") != NULL);
	c.status = QE_OK;
	CHECK(qpc_write(&c, w, "2", 1) && !qpc_finish(&c, w));
	CHECK(strstr(c.msg, "'b' was not written") != NULL);
	arena_free(&c.mem);
	c = (Ctx){0};
	CHECK(!file_exists(in_dir(&c, "none.qpc")));
	CHECK(!qpc_create(&c, a, in_dir(&c, "none.qpc"), json_new(a),
	                  &(QpcMember){"../a", 1}, 1));
	arena_free(&c.mem);
}

static void
names_stay_inside(void)
{
	static const char *const bad[] = {"",    "/a",   "a/",     "a//b",
	                                  "..",  ".",    "a/../b", "./a",
	                                  "a b", "a\\b", "a\nb",   NULL};

	for (int i = 0; bad[i]; i++)
		CHECK(!qpc_name_ok(bad[i]));
	CHECK(qpc_name_ok("a") && qpc_name_ok("a/.b-c_d..e"));
}

static bool
refused(Ctx *c, const char *name, bool verify, const char *why)
{
	bool ok = !qpc_open(c, &c->mem, in_dir(c, name), verify) &&
	          c->status == QE_INPUT && strstr(c->msg, why);

	if (!ok)
		CHECK_STR(c->msg, why);
	arena_free(&c->mem);
	*c = (Ctx){0};
	return ok;
}

static void
put(Ctx *c, const char *p, size_t n)
{
	int fd = open(in_dir(c, "bad"), O_WRONLY | O_CREAT | O_TRUNC, 0666);

	CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static void
every_cut_is_seen(void)
{
	Ctx c = {0}, d = {0};
	Span s;

	CHECK(file_read(&d, &d.mem, in_dir(&d, "a.qpc"), 1 << 20, &s));
	for (size_t n = 512; n < s.n; n += 512 * 7) {
		put(&c, s.p, n);
		CHECK(refused(&c, "bad", false, "bad: "));
	}
	put(&c, s.p, s.n - 512);
	CHECK(refused(&c, "bad", false, "cut: no end of archive"));
	put(&c, s.p, s.n - 1024);
	CHECK(refused(&c, "bad", false, "cut: no end of archive"));
	arena_free(&d.mem);
}

static void
damage_is_seen(void)
{
	Ctx c = {0}, d = {0};
	Span s, m;
	char *p;
	Qpc *q;

	CHECK(file_read(&d, &d.mem, in_dir(&d, "a.qpc"), 1 << 20, &s));
	p = (char *)(uintptr_t)s.p;
	for (size_t i = 0; i < s.n; i += i < 16000 ? 61 : 4093) {
		p[i] ^= 0x40;
		put(&c, p, s.n);
		q = qpc_open(&c, &c.mem, in_dir(&c, "bad"), true);
		/* what is not seen is padding: the members are as before */
		CHECK(!q ||
		      (q->n == 3 && qpc_member(&c, q, "weights.bin", &m) &&
		       m.n == BIG && m.p[9] == 63));
		CHECK(q || c.status == QE_INPUT);
		arena_free(&c.mem);
		c = (Ctx){0};
		p[i] ^= 0x40;
	}
	p[100000] ^= 1; /* in a large member: seen if asked */
	put(&c, p, s.n);
	CHECK(qpc_open(&c, &c.mem, in_dir(&c, "bad"), false) != NULL);
	arena_free(&c.mem);
	CHECK(refused(&c, "bad", true, "member 'weights.bin' is not as"));
	arena_free(&d.mem);
}

/* The header of a member in an archive; NULL if it is not there. */
static char *
header(Span s, const char *name)
{
	for (size_t i = 0; i + 512 <= s.n; i += 512)
		if (strcmp(s.p + i, name) == 0 &&
		    memcmp(s.p + i + 257, "ustar", 5) == 0)
			return (char *)(uintptr_t)s.p + i;
	return NULL;
}

/* Puts text at a place of a header and makes the checksum right. */
static void
patch(Ctx *c, const char *member, size_t at, const char *text, const char *why)
{
	Ctx d = {0};
	unsigned sum = 0;
	Span s;
	char *h;

	CHECK(file_read(&d, &d.mem, in_dir(&d, "a.qpc"), 1 << 20, &s));
	h = header(s, member);
	memcpy(h + at, text, strlen(text) + 1);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	put(c, s.p, s.n);
	CHECK(refused(c, "bad", false, why));
	arena_free(&d.mem);
}

static void
hostile_members_are_refused(void)
{
	Ctx c = {0};

	patch(&c, "weights.bin", 0, "../weights", "a name that none");
	patch(&c, "weights.bin", 0, "/etc/passwd", "a name that none");
	patch(&c, "weights.bin", 0, "empty", "member 'empty' is there twice");
	patch(&c, "weights.bin", 0, "other", "has 'other' where 'weights.bin'");
	patch(&c, "weights.bin", 156, "2", "no regular file");
	patch(&c, "weights.bin", 156, "1empty", "no regular file");
	patch(&c, "empty", 156, "5", "no regular file");
	patch(&c, "weights.bin", 124, "00001111741 ",
	      "has 300001 bytes, 300000 are listed");
	patch(&c, "weights.bin", 124, "77777777777 ", "cut: member 'weights.b");
	patch(&c, "digest.json", 0, "digest", "ends with 'digest'");
}

static void
other_files_are_named(void)
{
	Ctx c = {0};

	put(&c, "\x08\x08\x12\x04test\x3a\2\x0a\0", 12);
	CHECK(refused(&c, "bad", false,
	              "bad: not a QPC package: it looks like an ONNX model"));
	put(&c, "{\"a\": 1}", 8);
	CHECK(refused(&c, "bad", false, "it looks like a JSON document"));
	put(&c, "", 0);
	CHECK(refused(&c, "bad", false, "not a QPC package: it is empty"));
	CHECK(system(arena_str(&c.mem, "cd %s && tar cf bad list", dir)) == 0);
	CHECK(refused(&c, "bad", false, "it looks like a tar archive"));
}

static void
bytes_behind_the_end(void)
{
	Ctx c = {0}, d = {0};
	Buf *b = buf_new(&d.mem);
	Span s;

	CHECK(file_read(&d, &d.mem, in_dir(&d, "a.qpc"), 1 << 20, &s));
	buf_add(b, s.p, s.n);
	for (int i = 0; i < 10240; i++)
		buf_char(b, 0);
	put(&c, b->p, b->n); /* as another tar would fill the last block */
	CHECK(qpc_open(&c, &c.mem, in_dir(&c, "bad"), true) != NULL);
	arena_free(&c.mem);
	buf_char(b, 'x');
	put(&c, b->p, b->n);
	CHECK(refused(&c, "bad", false, "bytes follow the end"));
	arena_free(&d.mem);
}

static void
a_bundle_is_no_package(void)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	const char *path = in_dir(&c, "bundle");
	Json *m = json_new(a);
	QpcMember one = {"list", file_size(in_dir(&c, "list"))};
	QpcWriter *w;

	json_put_str(m, "format", BUNDLE_FORMAT);
	w = qpc_create(&c, a, path, m, &one, 1);
	CHECK(w && qpc_file(&c, w, "list", in_dir(&c, "list")) &&
	      qpc_finish(&c, w));
	CHECK(bundle_open(&c, a, path, true) != NULL);
	CHECK(refused(&c, "bundle", false,
	              "its format is 'qeff-bundle', not 'qeff-qpc'"));
	arena_free(&c.mem);
}

/* A pipe: short ones in memory, long ones through a file. */
static void
a_pipe_will_do(void)
{
	Ctx c = {0};
	int was = dup(0), p[2];
	Span s;
	Qpc *q;

	CHECK(pipe(p) == 0);
	if (fork() == 0) {
		dup2(p[1], 1);
		execl("/bin/cat", "cat", in_dir(&c, "a.qpc"), (char *)0);
		_exit(127);
	}
	arena_free(&c.mem);
	close(p[1]);
	dup2(p[0], 0);
	arena_free(&c.mem);
	q = qpc_open(&c, &c.mem, "-", true);
	CHECK_STR(c.msg, "");
	CHECK(q && qpc_member(&c, q, "weights.bin", &s) && s.n == BIG &&
	      (uintptr_t)s.p % QPC_ALIGN == 0);
	dup2(was, 0);
	close(was);
	arena_free(&c.mem);
}

int
main(void)
{
	Ctx c = {0};

	if (!mkdtemp(dir))
		return 1;
	a_package_is_read_in_place();
	same_members_same_bytes();
	tar_lists_it_without_a_word();
	members_come_as_declared();
	names_stay_inside();
	every_cut_is_seen();
	damage_is_seen();
	hostile_members_are_refused();
	other_files_are_named();
	bytes_behind_the_end();
	a_bundle_is_no_package();
	a_pipe_will_do();
	if (failed == 0)
		CHECK(system(arena_str(&c.mem, "rm -r %s", dir)) == 0);
	arena_free(&c.mem);
	return check_done("qpc");
}
