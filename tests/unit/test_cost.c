/* SPDX-License-Identifier: BSD-3-Clause
 * Reads top to bottom as the rules of cost.c: what one call of a kernel or an
 * operator takes, counted by hand. */

#include "program.h"
#include "step.h"

static HostStep
cost(KernelId id, const Step *s)
{
	HostStep f = {0};

	cost_kernel(&f, &kernels_for("generic")[id], id, s);
	return f;
}

static void
products_by_format(void)
{
	float x[64], y[96];
	Step s = {.buf = {y, x, x}, .dim = {2, 48, 32, WF_BF16, ACT_NONE}};
	HostStep f = cost(K_MATMUL, &s);

	CHECK(f.flops == 2 * 2 * 48 * 32 && f.ints == 0);
	CHECK(f.bytes == (2 * 48 + 2 * 32) * 4 + 48 * 32 * 2);
	CHECK_STR(f.format, "bfloat16");
	s.dim[MATMUL_FORMAT] = WF_INT8;
	s.buf[MATMUL_BIAS] = x;
	f = cost(K_MATMUL, &s);
	CHECK(f.flops == 0 && f.ints == 2 * 2 * 48 * 32);
	CHECK(f.bytes == (2 * 48 + 2 * 32 + 48) * 4 + 3 * 544);
	s.buf[GATED_U] = x;
	s.buf[GATED_GBIAS] = NULL;
	CHECK(cost(K_GATED, &s).ints == 2 * f.ints);
}

static void
only_rows_that_are_read(void)
{
	float x[64];
	int64_t ids[3] = {0}, pos[4] = {5, 6, -1, -1};
	Step embed = {.buf = {x, ids, x}, .dim = {3, 8, 32000, WF_F16}};
	Step attn = {.buf = {x, x, x, x, pos},
	             .dim = {1, 4, 4, 2, 8, 8, 100, 0, CF_F16, 32, 1}};
	Step write = {.buf = {x, x, pos},
	              .dim = {1, 4, 2, 8, 100, CF_F16, 16, 1}};
	int64_t row = 2 * 8 * 2; /* of both heads, float16 */
	int64_t own = 2 * 4 * 32 * 4 + 4 * 8;
	HostStep f = cost(K_ATTENTION, &attn);

	CHECK(cost(K_EMBED, &embed).bytes == 3 * 8 * (4 + 2) + 3 * 8);
	CHECK(f.flops == 2 * (6 + 7) * 4 * (8 + 8));
	CHECK(f.bytes == own + 2 * 7 * row);
	attn.dim[ATTN_WINDOW] = 3;
	f = cost(K_ATTENTION, &attn);
	CHECK(f.flops == 2 * (3 + 3) * 4 * (8 + 8));
	CHECK(f.bytes == own + 2 * 4 * row);
	CHECK(cost(K_WRITE, &write).bytes == 2 * row + 4 * 16 * 4 + 4 * 8);
	attn.dim[ATTN_WINDOW] = 0; /* keys of 6 + 2, the 6 are the values */
	attn.dim[ATTN_VDIM] = 6;
	attn.dim[ATTN_TDIM] = 2;
	attn.buf[ATTN_TAIL] = x;
	own = 4 * 4 * (4 * 8 + 4 * 6) + 4 * 8;
	CHECK(cost(K_ATTENTION, &attn).bytes == own + 7 * row);
}

static void
windows_and_batches(void)
{
	float x[16];
	Step conv = {.buf = {x, x, x}};
	Step bmm = {.buf = {x, x, x}, .dim = {2, 3, 4, 5, 6}};
	int64_t *d = conv.dim;

	d[SLIDE_BATCH] = 1;
	d[SLIDE_H] = d[SLIDE_W] = d[SLIDE_OH] = d[SLIDE_OW] = 8;
	d[SLIDE_C] = d[SLIDE_M] = 32;
	d[SLIDE_KH] = d[SLIDE_KW] = 3;
	d[SLIDE_SH] = d[SLIDE_SW] = d[SLIDE_DH] = d[SLIDE_DW] = 1;
	d[CONV_GROUPS] = 2;
	d[CONV_FORMAT] = WF_F32;
	CHECK(cost(K_CONV, &conv).flops == 2 * 64 * 9 * 32 * 16);
	CHECK(cost(K_DEPTHWISE, &conv).flops == 2 * 64 * 9 * 32);
	CHECK(cost(K_BMM, &bmm).flops == 2 * 2 * 3 * 4 * 5 * 6);
}

/* The operators that are run by the reference. */
static void
operators_by_shape(void)
{
	Value x = {.type = DT_F32, .shape = {2, {4, 6}}};
	Value w = {.type = DT_F16, .shape = {2, {6, 5}}};
	Value y = {.type = DT_F32, .shape = {2, {4, 5}}};
	Value *in[] = {&x, &w}, *out[] = {&y};
	Node n = {.type = "MatMul", .nin = 2, .nout = 1, .in = in, .out = out};
	HostStep f = {0};

	cost_node(&f, &n);
	CHECK(f.flops == 2 * 4 * 6 * 5);
	CHECK(f.bytes == 4 * 6 * 4 + 6 * 5 * 2 + 4 * 5 * 4);
	n.type = "Sigmoid";
	cost_node(&f, &n); /* adds up */
	CHECK(f.flops == 2 * 4 * 6 * 5 + 4 * 5);
}

static void
peaks_are_counted(void)
{
	for (size_t i = 0; i < LEN(isa_names); i++) {
		const Kernel *k = isa_kernels(isa_names[i]);

		for (int ints = 0; k && ints < 2; ints++) {
			int64_t n = kernels_peak(k)(ints, 1);

			CHECK(n > 0 && kernels_peak(k)(ints, 9) == 9 * n);
		}
	}
}

int
main(void)
{
	products_by_format();
	only_rows_that_are_read();
	windows_and_batches();
	operators_by_shape();
	peaks_are_counted();
	return check_done("cost");
}
