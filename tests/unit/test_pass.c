/* SPDX-License-Identifier: BSD-3-Clause
 * test_pass.c - the cases of tests/pass: each pass on graphs in text.
 *
 * A file is named after its pass.  A case is
 *
 *     == what it shows
 *     graph before, in the form of lib/ir/print.c
 *     =>
 *     graph after; or the word "same"; or "!" and the message
 *
 * After a pass that infers types, those that were not written are, and
 * "== title | PASSES" runs these instead of the file's pass; a word of
 * onnx-opt's options, as "--extract x:y", does what it says. */

#include <dirent.h>

#include "check.h"
#include "graphtext.h"
#include "op.h"
#include "pass.h"

static int ncase[64]; /* of each row of passtab */
static bool typed;    /* the case at hand knows types after it */
static int nrun;      /* cases whose numbers were compared */

static char *
printed(Arena *a, const Graph *g)
{
	Buf *b = buf_new(a);

	graph_print(b, g);
	return b->p;
}

/* Runs the passes of a list, or what else onnx-opt can do, in the words of
 * its options; the message of a failure, or NULL. */
static const char *
run(Ctx *c, Arena *a, Graph *g, const char *list)
{
	const Pass **p;
	Edit e = {0};
	int64_t opset;

	while (*list == ' ')
		list++;
	if (str_starts(list, "--extract "))
		return graph_extract(c, g, list + 10) ? NULL : c->msg;
	if (str_starts(list, "--fix-shape "))
		return graph_fix(c, g, list + 12) ? NULL : c->msg;
	if (str_starts(list, "--opset "))
		return str_int(list + 8, &opset) && graph_set_opset(c, g, opset)
		               ? NULL
		               : c->msg;
	for (p = pass_list(c, a, list); p && *p; p++) {
		typed = typed || (*p)->typed;
		if (!pass_run(c, g, *p, &e))
			return c->msg;
	}
	return p ? NULL : c->msg;
}

/* float16 has 11 bits; merged operators round in other places. */
static double
tolerance(const char *list)
{
	return strstr(list, "fp16") ? 4e-3 : 1e-5;
}

/* Whether a case gives the same numbers after as before, where the reference
 * operators can run it. */
static void
same_numbers(const Text *t, const char *list, Graph *before, Graph *after,
             int line)
{
	Ctx c = {0};
	Trial trial = {.rtol = tolerance(list), .atol = tolerance(list)};

	if (trial_open(&c, &trial, before)) {
		trial_check(&c, &trial, after);
		check_str(c.msg, "", t->file, line);
		nrun++;
	}
	arena_free(&trial.mem);
	arena_free(&c.mem);
}

/* One case, from behind "==" on. */
static void
one_case(Text *t, const char *list)
{
	Ctx c = {0};
	char title[200], *bar;
	const char *why;
	Graph *before, *same, *kept;
	int line = t->line;

	snprintf(title, sizeof title, "%.*s", (int)strcspn(t->p, "\n"), t->p);
	if ((bar = strchr(title, '|')))
		list = bar + 1;
	t->p += strcspn(t->p, "\n");
	before = text_graph(t);
	same = graph_clone(t->a, before);
	kept = graph_clone(t->a, before);
	typed = false;
	why = run(&c, t->a, before, list);
	text_skip(t, true);
	text_want(t, "=>");
	text_skip(t, true);
	if (*t->p == '!') {
		char *want = arena_span(t->a, (Span){t->p + 2,
		                                     strcspn(t->p + 2, "\n")});

		check_str(why ? why : "", want, t->file, line);
		t->p += strcspn(t->p, "\n");
	} else {
		Graph *after = text_is(t, "same") ? same : text_graph(t);

		check_str(why ? why : "", "", t->file, line);
		CHECK(!typed || graph_infer(&c, after, false));
		check_str(printed(t->a, before), printed(t->a, after), t->file,
		          line);
		if (!strstr(list, "--extract") && !strstr(list, "--fix"))
			same_numbers(t, list, kept, before, line);
	}
	arena_free(&c.mem);
}

static void
one_file(Arena *a, const char *dir, const char *name)
{
	char *path = path_join(a, dir, name);
	char *list = arena_dup(a, name);
	Text t = {.a = a, .file = path, .line = 1};
	Ctx c = {0};
	Span s;

	list[strlen(name) - 2] = '\0';
	CHECK(file_read(&c, a, path, 1 << 20, &s));
	t.p = arena_str(a, "\n%.*s", (int)s.n, s.p);
	for (int i = 0; i < npass; i++)
		ncase[i] += strcmp(passtab[i].name, list) == 0;
	for (text_skip(&t, true); *t.p; text_skip(&t, true)) {
		text_want(&t, "==");
		one_case(&t, list);
	}
	arena_free(&c.mem);
}

static void
cases_hold(void)
{
	const char *dir = "tests/pass";
	struct dirent *e;
	DIR *d = opendir(dir);
	Arena a = {0};

	CHECK(d != NULL);
	while (d && (e = readdir(d)))
		if (str_ends(e->d_name, ".t"))
			one_file(&a, dir, e->d_name);
	if (d)
		closedir(d);
	for (int i = 0; i < npass; i++)
		if (!ncase[i]) {
			fprintf(stderr, "passes.def: %s has no case\n",
			        passtab[i].name);
			CHECK(ncase[i]);
		}
	CHECK(nrun > 40);
	arena_free(&a);
}

static void
unknown_pass_is_named(void)
{
	Ctx c = {0};
	Arena a = {0};

	CHECK(!pass_list(&c, &a, "dce,identiti"));
	CHECK_STR(c.msg, "unknown pass 'identiti', did you mean 'identity'?");
	CHECK(c.status == QE_USAGE);
	arena_free(&a);
}

/* What the printer writes, the reader of tests gives back. */
static void
text_is_read_back(void)
{
	static const char text[] =
		"graph main\n"
		"opset ai.onnx:17 com.example:1\n"
		"in %x : float32[batch,?,3]\n"
		"in %\"a b\" : sequence(int64[...])\n"
		"const %w : float16[2] = {0.5, -inf}\n"
		"const %s : string[1] = {\"a\\\"\\x0a\"}\n"
		"const %n : int8[3] = {-1, 127, -128}\n"
		"const %big : bfloat16[4,5] = m.safetensors+1024\n"
		"const %c : bool[] = {1}\n"
		"%h, %\"\\\\\" = com.example.Two(%x, _, %w) "
		"{f=1e-05, g=2.0, i=-3, is=[1, 2], fs=[0.5, 3.0], s=\"x\", "
		"ss=[\"y\", \"\"], t=int32[2]{1, -2}, ty=float32[?]}"
		" : float32[2,3], _\n"
		"%y = If(%c) {then_branch=graph {\n"
		"\t%a = Neg(%h) : float32[2,3]\n"
		"\tout %a\n"
		"}, else_branch=graph {\n"
		"\tout %h\n"
		"}}\n"
		"out %y\n"
		"function com.example.Two @alpha, @beta {gamma=1} {\n"
		"\topset ai.onnx:17\n"
		"\tin %p\n"
		"\tin %q\n"
		"\t%r = Elu(%p) {alpha=@alpha}\n"
		"\tout %r\n"
		"\tout %q\n"
		"}\n";
	Arena a = {0};
	char *copy = arena_str(&a, "\n%s", text);
	Text t = {copy, &a, "text", 0};

	CHECK_STR(printed(&a, text_graph(&t)), text);
	arena_free(&a);
}

int
main(void)
{
	text_is_read_back();
	unknown_pass_is_named();
	cases_hold();
	return check_done("test_pass");
}
