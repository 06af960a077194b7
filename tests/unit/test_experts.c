/* SPDX-License-Identifier: BSD-3-Clause
 * test_experts.c - each body of qeff.ExpertMatMul makes what the operator of
 * that name does; those for the card have no branches. */

#include "check.h"
#include "op.h"
#include "pass.h"

enum { TOKENS = 5, EXPERTS = 4, CHOSEN = 2, WIDE = 3, HIGH = 6 };

/* Rows by matrices that a constant names; by the operator, or by one of its
 * bodies under a name that is nobody's. */
static Graph *
make(Arena *a, int64_t rows, const char *way)
{
	static const int64_t at[TOKENS * CHOSEN] = {0, 3, 1, 2, 3,
	                                            0, 3, 1, 2, 3};
	Graph *g = graph_new(a, "experts");
	Value *in[3] = {value_input(g, "x", DT_F32,
	                            &(Shape){3, {TOKENS, rows, WIDE}}),
	                value_input(g, "w", DT_F32,
	                            &(Shape){3, {EXPERTS, WIDE, HIGH}}),
	                const_bytes(g, "at", DT_I64,
	                            &(Shape){2, {TOKENS, CHOSEN}}, at)};
	Value *y = value_new(g, "y", DT_NONE, NULL);

	graph_import(g, "", 17);
	graph_import(g, "qeff", 1);
	graph_import(g, "test", 1);
	if (way) {
		function_add_way(g, "qeff", "ExpertMatMul", way);
		g->func[0]->domain = "test";
	}
	node_new(g, way ? "test" : "qeff", "ExpertMatMul", 3, in, 1, &y);
	graph_output(g, y);
	return g;
}

static bool
has_branches(const Graph *body)
{
	for (int i = 0; i < body->nnode; i++)
		if (str_in(body->node[i]->type,
		           (const char *const[]){"If", "Loop", "Scan",
		                                 "NonZero", NULL}))
			return true;
	return false;
}

static void
one(const char *way, int64_t rows)
{
	Arena a = {0};
	Ctx c = {0};
	Trial t = {.rtol = 1e-6, .atol = 1e-6};
	Graph *want = make(&a, rows, NULL), *got = make(&a, rows, way);

	CHECK(has_branches(got->func[0]->body) == (strcmp(way, "loop") == 0));
	CHECK(graph_inline(&c, got) && got->nfunc == 0 && got->nnode > 1);
	check_(trial_open(&c, &t, want) && trial_check(&c, &t, got), c.msg, way,
	       (int)rows);
	arena_free(&t.mem);
	arena_free(&a);
	arena_free(&c.mem);
}

int
main(void)
{
	static const char *const ways[] = {"loop", "chosen", "all"};

	for (size_t i = 0; i < LEN(ways); i++) {
		one(ways[i], 1);
		one(ways[i], CHOSEN);
	}
	return check_done("test_experts");
}
