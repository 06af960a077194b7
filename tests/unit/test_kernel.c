/* SPDX-License-Identifier: BSD-3-Clause
 * Reads top to bottom as the rules of kernel.h, each checked by hand on
 * every instruction set that this machine has. */

#include "step.h"

/* A few roundings of float32 numbers near 1. */
#define NEAR 1e-6

static void
sizes_are_whole_panels(void)
{
	CHECK(pack_size(WF_F32, 17, 3) == 2 * 3 * PANEL * 4);
	CHECK(pack_size(WF_BF16, 16, 5) == 5 * PANEL * 2);
	CHECK(pack_size(WF_F32, 0, 5) == 0 && pack_size(WF_F16, -1, 5) == -1);
	CHECK(pack_size(WF_F32, INT64_MAX / 2, INT64_MAX / 2) == -1);
	CHECK(wformat_by_name("fp16") == WF_F16);
	CHECK(wformat_by_name("bfloat16") == WF_BF16);
	CHECK(wformat_by_name("utf8") == WF_COUNT);
	CHECK(cformat_by_name("half") == CF_F16);
	CHECK(cformat_by_name("q") == CF_COUNT);
	CHECK(cache_row_bytes(CF_F16, 80) == 160);
	CHECK(act_by_name("gelu_new") == ACT_GELU_TANH);
	CHECK(act_by_name("silu") == ACT_SILU && act_by_name("") == ACT_COUNT);
}

static void
packing_gives_rows_back(void)
{
	enum { N = 35, K = 261 };
	Arena a = {0};
	float *w = rnd_vec(&a, N * K), row[K], t[N * K];
	PackSource cols = {t, DT_F32, N, K, 1, N};

	for (int i = 0; i < N * K; i++) {
		w[i] = bf16_to_f32(f32_to_bf16(w[i])); /* fits every format */
		t[i % K * N + i / K] = w[i];
	}
	for (WFormat f = 0; f <= WF_BF16; f++) {
		char *p = packed(&a, f, w, N, K), *q;
		size_t size = (size_t)pack_size(f, N, K);

		for (int i = 0; i < N; i++) {
			unpack_row(f, p, N, K, i, row);
			CHECK(f == WF_F16 ||
			      memcmp(row, w + i * K, sizeof row) == 0);
			CHECK(apart(row, w + i * K, K, 1) < 1e-7);
		}
		q = arena_alloc(&a, size); /* transposed, in two parts */
		pack_panels(f, &cols, 0, 1, q);
		pack_panels(f, &cols, 1, 3, q + size / 3);
		CHECK(memcmp(p, q, size) == 0);
	}
	arena_free(&a);
}

static void
sixteen_bits_are_moved(void)
{
	enum { N = 17, K = 3 };
	Arena a = {0};
	char raw[2 * N * K + 1]; /* at an odd address */
	uint16_t h, *p = NEWV(&a, uint16_t, 2 * K * PANEL);
	PackSource s = {raw + 1, DT_BF16, N, K, K, 1};

	for (int i = 0; i < N * K; i++) {
		h = (uint16_t)(0x7f00 + i); /* with NaNs */
		memcpy(raw + 1 + 2 * i, &h, 2);
	}
	memset(p, 1, (size_t)pack_size(WF_BF16, N, K));
	pack_panels(WF_BF16, &s, 0, 2, p);
	CHECK(p[0] == 0x7f00 && p[1] == 0x7f03 && p[PANEL] == 0x7f01);
	CHECK(p[K * PANEL] == 0x7f30 && p[K * PANEL + 1] == 0);
	s.type = DT_F16;
	CHECK(pack_reads(DT_F16) && !pack_reads(DT_STRING));
	pack_panels(WF_F32, &s, 0, 1, NEWV(&a, float, K *PANEL));
	arena_free(&a);
}

static void
matmul_adds_bias_act_residual(const Kernel *t)
{
	Arena a = {0};
	float w[] = {1, 2, 3, -1, -2, -3}, x[] = {1, 1, 1, 2, 0, 0};
	float bias[] = {0.5f, 0.25f}, y[4] = {100, 200, 300, 400};
	Step s = {.buf = {y, x, packed(&a, WF_F32, w, 2, 3), bias, y},
	          .dim = {2, 2, 3, WF_F32, ACT_RELU}};

	run_step(t, K_MATMUL, &s, 0);
	CHECK(y[0] == 106.5f && y[1] == 200 && y[2] == 302.5f && y[3] == 400);
	s.buf[MATMUL_BIAS] = s.buf[MATMUL_RES] = NULL;
	s.dim[MATMUL_ACT] = ACT_NONE;
	run_step(t, K_MATMUL, &s, 0);
	CHECK(y[0] == 6 && y[1] == -6 && y[2] == 2 && y[3] == -2);
	arena_free(&a);
}

static void
gated_multiplies(const Kernel *t)
{
	Arena a = {0};
	float g[] = {1, 1, -1, -1}, u[] = {2, 0, 0, 2}, x[] = {3, 4};
	float y[2], gb[] = {1, 0};
	Step s = {.buf = {y, x, packed(&a, WF_F16, g, 2, 2),
	                  packed(&a, WF_F16, u, 2, 2), gb},
	          .dim = {1, 2, 2, WF_F16, ACT_RELU}};

	run_step(t, K_GATED, &s, 1);
	CHECK(y[0] == 48 && y[1] == 0);
	arena_free(&a);
}

/* Row r of s, of one of its matrices, by the plain kernel: the same bits. */
static bool
is_plain(const Kernel *t, const Step *s, int64_t r, bool gated)
{
	enum { X = EXPERTS_X, W = EXPERTS_W, U = EXPERTS_U };
	Arena a = {0};
	const int64_t *d = s->dim, n = d[EXPERTS_N], k = d[EXPERTS_K];
	WFormat f = (WFormat)d[EXPERTS_FORMAT];
	int64_t e = ((const int64_t *)s->buf[EXPERTS_INDEX])[r],
		each = pack_size(f, n, k);
	float *x = (float *)s->buf[X] + r / d[EXPERTS_SHARE] * k,
	      *y = NEWV(&a, float, n), *b = s->buf[EXPERTS_BIAS];
	Step p = {.buf = {y, x, (char *)s->buf[W] + e * each,
	                  b ? b + e * n : NULL},
	          .dim = {1, n, k, f, d[EXPERTS_ACT]}};
	bool same;

	if (gated) {
		p.buf[GATED_U] = (char *)s->buf[U] + e * each;
		p.buf[GATED_GBIAS] = b ? b + e * n : NULL;
		p.buf[GATED_UBIAS] = NULL;
	}
	run_step(t, gated ? K_GATED : K_MATMUL, &p, 0);
	same = memcmp(y, (float *)s->buf[EXPERTS_Y] + r * n,
	              (size_t)n * sizeof *y) == 0;
	arena_free(&a);
	return same;
}

static char *
stack(Arena *a, WFormat f, int64_t count, int64_t n, int64_t k)
{
	int64_t each = pack_size(f, n, k);
	char *all = arena_alloc(a, (size_t)(count * each));

	for (int64_t e = 0; e < count; e++)
		memcpy(all + e * each, packed(a, f, rnd_vec(a, n * k), n, k),
		       (size_t)each);
	return all;
}

/* m rows over COUNT matrices, some of which nobody chooses */
static void
experts_case(const Kernel *t, WFormat f, int64_t m, int64_t share, bool gated)
{
	enum { COUNT = 6, N = 37, K = 70 };
	Arena a = {0};
	int64_t *index = NEWV(&a, int64_t, m);
	float *y = rnd_vec(&a, m * N), *kept = rnd_vec(&a, m * N);
	Step s = {.buf = {y, rnd_vec(&a, m * K), index,
	                  stack(&a, f, COUNT, N, K),
	                  gated ? stack(&a, f, COUNT, N, K) : NULL,
	                  m % 2 ? rnd_vec(&a, COUNT * N) : NULL},
	          .dim = {m, N, K, COUNT, share, f, ACT_SILU}};

	for (int64_t r = 0; r < m; r++)
		index[r] = r * r % 7 % 5;
	run_step(t, K_EXPERTS, &s, 0);
	for (int64_t r = 0; r < m; r++)
		CHECK(is_plain(t, &s, r, gated));
	memcpy(kept, y, (size_t)(m * N) * sizeof *y);
	for (int cut = 1; cut < 12; cut++) {
		memset(y, 0, (size_t)(m * N) * sizeof *y);
		run_step(t, K_EXPERTS, &s, cut);
		CHECK(!memcmp(kept, y, (size_t)(m * N) * sizeof *y));
	}
	arena_free(&a);
}

static void
experts_are_plain_products(const Kernel *t)
{
	for (WFormat f = 0; f < WF_COUNT; f++) {
		experts_case(t, f, 1, 1, true);
		experts_case(t, f, 4, 4, false);
		experts_case(t, f, 18, 2, true);
	}
	experts_case(t, WF_BF16, 601, 1, true);
	experts_case(t, WF_INT4, 400, 4, false);
}

/* The limit holds before the activation; an index outside has no part. */
static void
experts_clip(const Kernel *t)
{
	Arena a = {0};
	float g[] = {3, 1}, u[] = {-9, 1}, x[] = {1, 1}, y[] = {5, 5};
	int64_t index[] = {0, 7};
	Step s = {.buf = {y, x, index, packed(&a, WF_F32, g, 1, 1),
	                  packed(&a, WF_F32, u, 1, 1)},
	          .dim = {2, 1, 1, 1, 1, WF_F32, ACT_RELU},
	          .num = {2}};

	run_step(t, K_EXPERTS, &s, 0);
	CHECK(y[0] == 2 * (-2 + 1) && y[1] == 5);
	index[0] = -1;
	run_step(t, K_EXPERTS, &s, 0);
	CHECK(y[0] == -2);
	arena_free(&a);
}

static void
experts_are_summed(const Kernel *t)
{
	float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, w[] = {1, 10, 2, 0}, y[4];
	Step s = {.buf = {y, x, w}, .dim = {2, 2, 2}};

	run_step(t, K_MERGE, &s, 1);
	CHECK(y[0] == 31 && y[1] == 42 && y[2] == 10 && y[3] == 12);
}

static void
embed_counts_from_the_end(const Kernel *t)
{
	Arena a = {0};
	float *w = rnd_vec(&a, 20 * 5), y[4 * 5];
	int64_t ids[] = {18, -1, 20, -21};
	Step s = {.buf = {y, ids, packed(&a, WF_F32, w, 20, 5)},
	          .dim = {4, 5, 20, WF_F32},
	          .num = {2}};

	run_step(t, K_EMBED, &s, 2);
	for (int i = 0; i < 5; i++) {
		CHECK(y[i] == 2 * w[18 * 5 + i]);
		CHECK(y[5 + i] == 2 * w[19 * 5 + i]);
		CHECK(y[10 + i] == 0 && y[15 + i] == 0);
	}
	arena_free(&a);
}

static void
norms_by_hand(const Kernel *t)
{
	float x[] = {3, 4, 0, 0}, r[] = {0, 0, 0, 5}, w[] = {1, 2, 1, 1};
	float b[] = {0, 0, 1, 0}, y[4], sum[4];
	Step s = {.buf = {y, x, w, NULL, r, sum}, .dim = {1, 4}};
	double by = 1 / sqrt(50 / 4.0);

	run_step(t, K_RMSNORM, &s, 0);
	CHECK(fabs((double)y[1] - 8 * by) < NEAR && sum[3] == 5);
	s = (Step){.buf = {y, x, NULL, b}, .dim = {1, 4}, .num = {1e-5f}};
	run_step(t, K_LAYERNORM, &s, 0);
	by = 1 / sqrt((1.25 * 1.25 + 2.25 * 2.25 + 2 * 1.75 * 1.75) / 4 + 1e-5);
	CHECK(fabs((double)y[0] - 1.25 * by) < NEAR);
	CHECK(fabs((double)y[2] - (1 - 1.75 * by)) < NEAR);
	memset(x, 0, sizeof x); /* a zero row stays finite */
	run_step(t, K_LAYERNORM, &s, 0);
	CHECK(y[0] == 0 && y[2] == 1);
}

static void
rope_turns_pairs(const Kernel *t)
{
	/* position 1 turns the first pair a quarter, the second not */
	float c[] = {9, 9, 9, 9, 0, 1, 0, 1}, n[] = {9, 9, 9, 9, 1, 0, 1, 0};
	float x[] = {1, 2, 3, 4, 5}, y[5];
	int64_t pos = 1;
	Step s = {.buf = {y, x, c, n, &pos}, .dim = {1, 1, 5, 4, 0, 2, 5}};
	float half[] = {-3, 2, 1, 4, 5}, pairs[] = {-2, 1, 3, 4, 5};

	run_step(t, K_ROPE, &s, 0);
	CHECK(memcmp(y, half, sizeof y) == 0);
	s.dim[ROPE_STYLE] = 1;
	run_step(t, K_ROPE, &s, 0);
	CHECK(memcmp(y, pairs, sizeof y) == 0);
	s.buf[ROPE_Y] = x; /* in place */
	run_step(t, K_ROPE, &s, 0);
	CHECK(memcmp(x, pairs, sizeof x) == 0);
}

/* Two slots, one head, four rows of two; then a query sees what it may. */
static void
cache_is_written_and_read(const Kernel *t)
{
	float k[2 * 4 * 2], v[2 * 4 * 2], y[4], nan = nanf("");
	float x[] = {1, 0, 0, 1}, q[] = {0, 0, 0, 0}, xv[] = {2, 4, 6, 8};
	int64_t pos[] = {0, 1}, slot = 1, bad[] = {-1, 4};
	Step w = {.buf = {k, x, pos, &slot},
	          .dim = {1, 2, 1, 2, 4, CF_F32, 2, 2}};
	Step s = {.buf = {y, q, k, v, pos, &slot},
	          .dim = {1, 2, 1, 1, 2, 2, 4, 0, CF_F32, 2, 2},
	          .num = {1, 0}};

	for (int i = 0; i < 16; i++)
		k[i] = v[i] = nan; /* never written: must not be read */
	run_step(t, K_WRITE, &w, 0);
	w.buf[WRITE_CACHE] = v;
	w.buf[WRITE_X] = xv;
	run_step(t, K_WRITE, &w, 0);
	w.buf[WRITE_POS] = bad;
	run_step(t, K_WRITE, &w, 0);
	CHECK(k[8] == 1 && k[11] == 1 && isnan(k[0]) && isnan(k[12]));
	run_step(t, K_ATTENTION, &s, 0);
	CHECK(y[0] == 2 && y[1] == 4); /* equal scores: the mean */
	CHECK(fabsf(y[2] - 4) < 4e-6f && fabsf(y[3] - 6) < 4e-6f);
	s.dim[ATTN_WINDOW] = 1; /* itself only */
	run_step(t, K_ATTENTION, &s, 0);
	CHECK(y[2] == 6 && y[3] == 8);
	pos[1] = -1;
	run_step(t, K_ATTENTION, &s, 0);
	CHECK(y[0] == 2 && y[2] == 0 && y[3] == 0);
	slot = 2;
	run_step(t, K_ATTENTION, &s, 0);
	CHECK(y[0] == 0 && y[1] == 0);
}

static void
sink_cap_and_slope(const Kernel *t)
{
	float k[] = {2, 0}, v[] = {10, 20}, q = 3, y, sink = 0, slope = 1;
	int64_t pos = 1;
	Step s = {.buf = {&y, &q, k, v, &pos, NULL, &slope, &sink},
	          .dim = {1, 1, 1, 1, 1, 1, 2, 0, CF_F32, 1, 1},
	          .num = {0.5f, 2}};
	double a = exp(2 * tanh((3 * 2 * 0.5 - 1) / 2)), b = 1;

	run_step(t, K_ATTENTION, &s, 0);
	CHECK(fabs((double)y - (10 * a + 20 * b) / (a + b + 1)) < 20 * NEAR);
}

/* A key is a row of k and one of the tail; k is the values as well. */
static void
keys_in_two_parts(const Kernel *t)
{
	float k[] = {1, 2, 10, 20}, tail[] = {3, 4}, q[] = {1, 1, 2}, y[2];
	int64_t pos = 1;
	Step s = {.buf = {y, q, k, k, &pos},
	          .dim = {1, 1, 1, 1, 3, 2, 2, 0, CF_F32, 3, 1},
	          .num = {0.125f, 0}};
	double a = exp((1 + 2 + 2 * 3) / 8.), b = exp((10 + 20 + 2 * 4) / 8.);

	s.buf[ATTN_TAIL] = tail;
	s.dim[ATTN_TDIM] = 1;
	run_step(t, K_ATTENTION, &s, 0);
	CHECK(fabs((double)y[0] - (a + 10 * b) / (a + b)) < 20 * NEAR);
	CHECK(fabs((double)y[1] - (2 * a + 20 * b) / (a + b)) < 40 * NEAR);
}

static void
biases_are_by_distance(const Kernel *t)
{
	float k[] = {0, 0, 0}, v[] = {1, 10, 100}, q = 3, y;
	float bias[] = {1, 2, 3}; /* of -1 and less, 0, 1 and more */
	int64_t pos = 2;
	Step s = {.buf = {&y, &q, k, v, &pos},
	          .dim = {1, 1, 1, 1, 1, 1, 3, 0, CF_F32, 1, 1, 1},
	          .num = {1, 0}};
	double a = exp(1), b = exp(2);

	s.buf[ATTN_BIAS] = bias;
	run_step(t, K_ATTENTION, &s, 0);
	CHECK(fabs((double)y - (11 * a + 100 * b) / (2 * a + b)) < 99 * NEAR);
	s = (Step){.buf = {&y, &q, k, v, NULL, bias},
	           .dim = {1, 1, 3, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1},
	           .num = {1, 0}};
	run_step(t, K_DENSE, &s, 0);
	CHECK(fabs((double)y - (b + 110 * exp(3)) / (b + 2 * exp(3))) <
	      99 * NEAR);
}

static void
dense_attention_adds_its_mask(const Kernel *t)
{
	float q[] = {1, 1}, k[] = {1, 2, 3}, v[] = {1, 2, 4}, y[2];
	float m[] = {0, -INFINITY, 1, -INFINITY, -INFINITY, -INFINITY};
	Step s = {.buf = {y, q, k, v, m},
	          .dim = {1, 2, 3, 1, 1, 1, 1, 6, 6, 3, 1, 1, 1},
	          .num = {1, 0}};
	double a = exp(1), b = exp(4);

	run_step(t, K_DENSE, &s, 0);
	CHECK(fabs((double)y[0] - (a + 4 * b) / (a + b)) < 4 * NEAR);
	CHECK(y[1] == 0); /* nothing to see */
}

static void
last_real_token(const Kernel *t)
{
	float x[] = {1, 2, 3, 4, 5, 6}, y[2];
	int64_t pos[] = {0, 1, -1, 7, 7, 7};
	Step s = {.buf = {y, x, pos}, .dim = {2, 3, 1}};

	run_step(t, K_LAST, &s, 1);
	CHECK(y[0] == 2 && y[1] == 4);
}

static void
operands_are_stretched(const Kernel *t)
{
	float a[] = {1, 2, 3}, b[] = {10, 20}, y[6];
	float want[4][6] = {{11, 12, 13, 21, 22, 23},
	                    {-9, -8, -7, -19, -18, -17},
	                    {10, 20, 30, 20, 40, 60},
	                    {0.1f, 0.2f, 0.3f, 0.05f, 0.1f, 0.15f}};
	Step s = {.buf = {y, a, b},
	          .dim = {0, 1, 1, 1, 1, 2, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
	                  1}};

	for (int op = BIN_ADD; op <= BIN_DIV; op++)
		for (int cut = 0; cut < 6; cut++) {
			s.dim[BINARY_OP] = op;
			run_step(t, K_BINARY, &s, cut);
			CHECK(memcmp(y, want[op], sizeof y) == 0);
		}
}

static void
copies_follow_strides(const Kernel *t)
{
	char x[] = "abcdefghijkl", y[13] = "";

	for (int elem = 1; elem <= 3; elem++) { /* transposes [4 / elem..] */
		Step s = {.buf = {y, x}, .dim = {elem, 1, 1, 1, 1, 2, 2}};

		s.dim[COPY_STRIDE + 4] = 1;
		s.dim[COPY_STRIDE + 5] = 2;
		run_step(t, K_COPY, &s, elem);
		y[4 * elem] = 0;
		CHECK_STR(y, elem == 1   ? "acbd"
		             : elem == 2 ? "abefcdgh"
		                         : "abcghidefjkl");
	}
}

static void
softmax_of_rows(const Kernel *t)
{
	float x[] = {1000, 1000, -INFINITY, 0, 0, 0}, y[6];
	Step s = {.buf = {y, x}, .dim = {2, 3}};

	run_step(t, K_SOFTMAX, &s, 1);
	CHECK(y[0] == 0.5f && y[1] == 0.5f && y[2] == 0);
	CHECK(fabs((double)y[3] - 1 / 3.0) < NEAR);
}

static void
activations_at_known_points(const Kernel *t)
{
	static const struct {
		Act act;
		float x, want;
	} at[] = {
		{ACT_NONE, -2, -2},
		{ACT_RELU, -2, 0},
		{ACT_RELU, 3, 3},
		{ACT_GELU, 1, 0.841344746f},
		{ACT_GELU, -1, -0.15865525f},
		{ACT_GELU_TANH, 1, 0.841191991f},
		{ACT_QUICK_GELU, 1, 0.845795804f},
		{ACT_SILU, 1, 0.731058579f},
		{ACT_SIGMOID, 0, 0.5f},
		{ACT_TANH, 0.5f, 0.462117157f},
		{ACT_ERF, 0.5f, 0.520499878f},
		{ACT_EXP, 1, 2.718281828f},
		{ACT_RELU2, 3, 9},
		{ACT_SILU, -200, 0},
		{ACT_SIGMOID, -200, 0},
		{ACT_TANH, 40, 1},
		{ACT_ERF, -9, -1},
		{ACT_EXP, -INFINITY, 0},
		{ACT_EXP, 89, INFINITY},
		{ACT_TANH, NAN, NAN},
	};

	for (size_t i = 0; i < LEN(at); i++) {
		float x = at[i].x, y;
		Step s = {.buf = {&y, &x}, .dim = {1, at[i].act}};

		run_step(t, K_UNARY, &s, 0);
		CHECK(apart(&y, &at[i].want, 1, 1) < 3e-7);
	}
}

static void
names_bound_the_choice(void)
{
	CHECK_STR(kernels_isa(kernels_for("generic")), "generic");
	CHECK(!kernels_for("sse9") && kernels_for(NULL));
	for (int id = 0; id < K_COUNT; id++)
		CHECK(kernels_for(NULL)[id].fn && kernels_for(NULL)[id].units);
}

static void
every_rule(const Kernel *t)
{
	matmul_adds_bias_act_residual(t);
	gated_multiplies(t);
	experts_are_plain_products(t);
	experts_clip(t);
	experts_are_summed(t);
	embed_counts_from_the_end(t);
	norms_by_hand(t);
	rope_turns_pairs(t);
	cache_is_written_and_read(t);
	sink_cap_and_slope(t);
	keys_in_two_parts(t);
	biases_are_by_distance(t);
	dense_attention_adds_its_mask(t);
	last_real_token(t);
	operands_are_stretched(t);
	copies_follow_strides(t);
	softmax_of_rows(t);
	activations_at_known_points(t);
}

int
main(void)
{
	sizes_are_whole_panels();
	packing_gives_rows_back();
	sixteen_bits_are_moved();
	names_bound_the_choice();
	for (size_t i = 0; i < LEN(isa_names); i++)
		if (isa_kernels(isa_names[i]))
			every_rule(isa_kernels(isa_names[i]));
	return check_done("kernel");
}
