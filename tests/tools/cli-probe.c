/* SPDX-License-Identifier: BSD-3-Clause
 * cli-probe - one option of every kind; prints what the parser made of the
 * command line. */

#include "cli.h"

#include <inttypes.h>

typedef struct Got {
	bool flag, on;
	const char *text, *word, *mode, *path, *in, *out, *bin;
	const char *const *list, *const *rest;
	int64_t n;
	double x;
} Got;

static void
print_list(const char *name, const char *const *list)
{
	printf("%s=", name);
	for (; list && *list; list++)
		printf("%s;", *list);
	printf("\n");
}

static void
print(const Got *g)
{
	printf("flag=%d on=%d n=%" PRId64 " x=%g\n", g->flag, g->on, g->n,
	       g->x);
	printf("text=%s word=%s mode=%s operand=%s in=%s out=%s\n", g->text,
	       g->word ? g->word : "", g->mode, g->path ? g->path : "", g->in,
	       g->out);
	print_list("list", g->list);
	print_list("rest", g->rest);
}

int
main(int argc, char **argv)
{
	Got g = {.on = true,
	         .text = "t",
	         .mode = "a",
	         .n = 7,
	         .x = -1,
	         .path = "none",
	         .in = "in",
	         .out = "-",
	         .bin = "bin"};
	/* clang-format off */
	const Opt opt[] = {
		{.help = "Kinds"},
		{'f', "flag",      FLAG,   &g.flag, NULL,    "a flag"},
		{0,   "no-on",     OFF,    &g.on,   NULL,    "a flag that is on"},
		{'t', "some-text", TEXT,   &g.text, "TEXT",  "a text", "old-text other"},
		{'w', "word",      WORD,   &g.word, "w",     "same as --something w"},
		{'m', "mode",      ENUM,   &g.mode, "a|bc",  "a mode"},
		{'l', "list",      LIST,   &g.list, "ITEM",  "an item, may come again"},
		{'n', "number",    INT,    &g.n,    "N",     "a number", NULL, -5, 100},
		{'x', "fraction",  FLOAT,  &g.x,    "X",     "a fraction", NULL, 0, 1},
		{'i', "input",     INPUT,  &g.in,   "FILE",  "a file to read"},
		{'o', "output",    OUTPUT, &g.out,  "FILE",  "a file to write"},
		{'b', "binary",    BINARY, &g.bin,  "FILE",  "a file nobody can read, with a help that needs two lines"},
		{0,   "archs",     TABLE,  NULL,    NULL,    "list the architectures", NULL, QE_ARCHS},
		{0,   "ops",       TABLE,  NULL,    NULL,    "list the operators", NULL, QE_OPS},
		{0,   "kernels",   TABLE,  NULL,    NULL,    "list the kernels", NULL, QE_KERNELS},
		{0}
	};
	/* clang-format on */
	const Cmd cmd = {.name = "cli-probe",
	                 .about = "Prints what the parser made of it.",
	                 .operands = "[FILE]",
	                 .opt = opt,
	                 .operand = &g.path,
	                 .rest = &g.rest};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	print(&g);
	return cli_close(c);
}
