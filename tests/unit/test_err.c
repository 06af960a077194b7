/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads top to bottom as the rules of err.c and arena.c. */

#include "base.h"
#include "check.h"

static void
first_cause_wins(void)
{
	Ctx c = {0};

	CHECK(!fail(&c, QE_INPUT, "dtype %s", "f8"));
	CHECK(!fail(&c, QE_IO, "cannot continue"));
	CHECK(c.status == QE_INPUT);
	CHECK_STR(c.msg, "dtype f8");
}

static void
notes_go_in_front(void)
{
	Ctx c = {0};

	fail(&c, QE_IO, "offset past end of file");
	note(&c, "tensor '%s'", "wte");
	note(&c, "%s", "model.safetensors");
	CHECK_STR(c.msg,
	          "model.safetensors: tensor 'wte': offset past end of file");
}

static void
long_causes_are_cut(void)
{
	Ctx c = {0};
	char big[4096];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	fail(&c, QE_IO, "%s", big);
	for (int i = 0; i < 100; i++)
		note(&c, "layer %d", i);
	CHECK(strlen(c.msg) < sizeof c.msg);
	CHECK(strncmp(c.msg, "layer 99: layer 98: ", 20) == 0);
}

static int order[2], norder;
static void
mark(void *p)
{
	order[norder++] = *(int *)p;
}

static void
defers_run_newest_first(void)
{
	Arena a = {0};
	int one = 1, two = 2;

	arena_defer(&a, mark, &one);
	arena_defer(&a, mark, &two);
	CHECK_STR(arena_str(&a, "%d-%s", 7, "x"), "7-x");
	CHECK(NEWV(&a, char, 1 << 20)[(1 << 20) - 1] == 0);
	arena_free(&a);
	CHECK(norder == 2 && order[0] == 2 && order[1] == 1);
	CHECK(!a.chunk && !a.defer);
}

int
main(void)
{
	first_cause_wins();
	notes_go_in_front();
	long_causes_are_cut();
	defers_run_newest_first();
	return check_done("err");
}
