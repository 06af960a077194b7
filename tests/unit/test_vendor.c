/* SPDX-License-Identifier: BSD-3-Clause
 * The reader of programqpc.bin, on a file that a writer of its own made. */

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "vendor.h"

static char *bytes;
static size_t size;

static bool
read_copy(const char *p, size_t n, VendorQpc *q, VendorNet *net, Ctx *c)
{
	/* of exactly this size, so that a byte beyond is noticed */
	char *copy = malloc(n + !n);
	bool ok;

	memcpy(copy, p, n);
	ok = vendor_read(c, &c->mem, (Span){copy, n}, q) &&
	     vendor_net(c, &c->mem, q, net);
	free(copy);
	return ok;
}

static void
says_what_is_in_it(void)
{
	Ctx c = {0};
	VendorQpc q;
	VendorNet n;

	CHECK(vendor_read(&c, &c.mem, (Span){bytes, size}, &q));
	CHECK(vendor_net(&c, &c.mem, &q, &n));
	CHECK(q.n == 5 && q.minor == 1);
	CHECK_STR(q.segment[3].name, "constants.bin");
	CHECK(q.segment[3].offset == 32 && q.segment[3].data.n == 48);
	CHECK(n.nio == 2 && n.nin == 1 && n.cores == 16 && n.major == 9);
	CHECK_STR(n.io[1].name, "y");
	CHECK(n.io[1].type == DT_F16 && n.io[0].type == DT_I64);
	CHECK(n.nallowed == 2 && n.allowed[1][0].shape.dim[0] == 2);
	CHECK(n.nop == 2);
	CHECK_STR(n.op[1].kind, "add");
	arena_free(&c.mem);
}

/* Unknown segments and offsets too. */
static void
writes_what_it_read(void)
{
	char path[] = "/tmp/test-vendor-XXXXXX";
	int fd = mkstemp(path);
	Ctx c = {0};
	VendorQpc q;
	Span again;
	Out *o;

	CHECK(fd >= 0);
	close(fd);
	CHECK(vendor_read(&c, &c.mem, (Span){bytes, size}, &q));
	o = out_open(&c, &c.mem, path);
	CHECK(o && vendor_write(&c, o, &q) && out_commit(&c, o));
	CHECK(file_read(&c, &c.mem, path, 1 << 20, &again));
	CHECK(again.n == size && memcmp(again.p, bytes, size) == 0);
	unlink(path);
	arena_free(&c.mem);
}

/* A dump from memory has addresses in place of offsets. */
static void
takes_any_base(void)
{
	char *p = malloc(size);
	Ctx c = {0};
	VendorQpc q;
	VendorNet n;
	uint64_t base = 0x7f0000001000, v;

	memcpy(p, bytes, size);
	memcpy(p + 16, &base, 8);
	for (size_t at = 32; at < 40 + 5 * 32;) {
		memcpy(&v, p + at, 8);
		v += base;
		memcpy(p + at, &v, 8);
		at = at == 32 ? 56 : (at - 40) % 32 == 16 ? at + 8 : at + 24;
	}
	CHECK(read_copy(p, size, &q, &n, &c));
	free(p);
	arena_free(&c.mem);
}

static void
every_length_is_refused(void)
{
	for (size_t n = 0; n < size; n++) {
		Ctx c = {0};
		VendorQpc q;
		VendorNet net;

		CHECK(!read_copy(bytes, n, &q, &net, &c));
		CHECK(c.status == QE_INPUT && *c.msg);
		arena_free(&c.mem);
	}
}

static void
every_byte_may_be_any(void)
{
	char *p = malloc(size);

	memcpy(p, bytes, size);
	for (size_t i = 0; i < size; i++)
		for (int bit = 0; bit < 8; bit++) {
			Ctx c = {0};
			VendorQpc q;
			VendorNet net;

			p[i] = (char)(bytes[i] ^ (1 << bit));
			if (!read_copy(p, size, &q, &net, &c))
				CHECK(c.status == QE_INPUT && *c.msg);
			p[i] = bytes[i];
			arena_free(&c.mem);
		}
	free(p);
}

int
main(void)
{
	Ctx c = {0};
	Span s;

	if (!file_read(&c, &c.mem, "tests/fuzz/corpus/vendor/small", 1 << 20,
	               &s)) {
		fprintf(stderr, "%s\n", c.msg);
		return 1;
	}
	bytes = malloc(s.n);
	size = s.n;
	memcpy(bytes, s.p, s.n);
	says_what_is_in_it();
	writes_what_it_read();
	takes_any_base();
	every_length_is_refused();
	every_byte_may_be_any();
	free(bytes);
	arena_free(&c.mem);
	return check_done("vendor");
}
