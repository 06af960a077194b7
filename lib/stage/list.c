/* SPDX-License-Identifier: BSD-3-Clause
 * list.c - the tables a user can ask for. */

#include <dirent.h>
#include <stdlib.h>

#include "ir.h"
#include "json.h"
#include "kernel.h"
#include "pass.h"
#include "transform.h"

typedef bool ListFn(Ctx *, Arena *, FILE *);

static int
is_json(const struct dirent *e)
{
	return str_ends(e->d_name, ".json");
}

static bool
print_arch(Ctx *c, Arena *a, FILE *f, const char *dir, const char *name)
{
	const char *path = path_join(a, dir, name), *about;
	const Json *j = json_read(c, a, path, 1 << 20);

	if (!j)
		return false;
	about = json_get_str(j, "about", "");
	fprintf(f, "%-20.*s %s\n", (int)(strlen(name) - strlen(".json")), name,
	        about);
	return true;
}

static bool
list_archs(Ctx *c, Arena *a, FILE *f)
{
	const char *dir;
	struct dirent **e;
	bool ok = true;
	int n;

	if (!c->share)
		return fail(c, QE_MISSING, "no share directory");
	dir = path_join(a, c->share, "arch");
	if ((n = scandir(dir, &e, is_json, alphasort)) < 0)
		return fail_errno(c, dir);
	for (int i = 0; i < n; i++) {
		ok = ok && print_arch(c, a, f, dir, e[i]->d_name);
		free(e[i]);
	}
	free(e);
	return ok;
}

static bool
list_transforms(Ctx *c, Arena *a, FILE *f)
{
	(void)c, (void)a;
	for (int i = 0; i < ntransform; i++)
		fprintf(f, "%-16s %s\n", transforms[i].name,
		        transforms[i].about);
	return true;
}

static bool
list_passes(Ctx *c, Arena *a, FILE *f)
{
	(void)c, (void)a;
	for (int i = 0; i < npass; i++)
		fprintf(f, "%-16s %s%s\n", passtab[i].name, passtab[i].about,
		        passtab[i].usual ? "" : " (when asked for)");
	return true;
}

/* An operator has a row for each meaning, and the rows stand together. */
static bool
list_ops(Ctx *c, Arena *a, FILE *f)
{
	(void)c, (void)a;
	for (const Op *o = optab; o < optab + nop; o++) {
		if (o > optab && strcmp(o->name, o[-1].name) == 0)
			continue;
		fprintf(f, "%s%s%s\n", o->domain, *o->domain ? "." : "",
		        o->name);
	}
	return true;
}

/* The instruction set is that of the version taken on this machine. */
static bool
list_kernels(Ctx *c, Arena *a, FILE *f)
{
	const Kernel *plain = kernels_for("generic"), *best = kernels_for(NULL);

	(void)c, (void)a;
	for (int i = 0; i < K_COUNT; i++)
		fprintf(f, "%-20s %s\n", best[i].name,
		        kernels_isa(best[i].fn == plain[i].fn ? plain : best));
	return true;
}

static ListFn *const tables[] = {
	[QE_ARCHS] = list_archs,     [QE_TRANSFORMS] = list_transforms,
	[QE_PASSES] = list_passes,   [QE_OPS] = list_ops,
	[QE_KERNELS] = list_kernels,
};

bool
qe_list(qe_ctx *c, enum qe_table table, FILE *f)
{
	Arena a = {0};
	bool ok;

	if ((size_t)table >= LEN(tables) || !tables[table])
		return fail(c, QE_USAGE, "table %d is not known", (int)table);
	ok = tables[table](c, &a, f);
	arena_free(&a);
	return ok;
}
