/* SPDX-License-Identifier: BSD-3-Clause
 * Reads as the rules of hub.c. */

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "hub.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static char dir[] = "/tmp/qeff-hub-XXXXXX";

static void
ids_are_names(void)
{
	static const char *const bad[] = {"",     "/a",   "a/",  "a/b/c", ".a",
	                                  "a--b", "a..b", "-a",  "a b",   "..",
	                                  "../a", "a/..", "a/.", NULL};

	for (int i = 0; bad[i]; i++)
		CHECK(!hub_is_id(bad[i]));
	CHECK(hub_is_id("gpt2") && hub_is_id("a.b/C-d_1.5"));
}

static const char *
put(Ctx *c, const char *name, const char *text)
{
	char *path = path_join(&c->mem, dir, name);

	for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0777);
		*p = '/';
	}
	CHECK(file_write(c, path, text, strlen(text)));
	return path;
}

static void
resolve(const char *id, const char *revision, const char *want)
{
	Ctx c = {0};
	const char *got = hub_resolve(&c, &c.mem, id, dir, revision);

	if (got)
		CHECK_STR(got + strlen(dir), want);
	else if (!strstr(c.msg, want))
		CHECK_STR(c.msg, want);
	CHECK(got || c.status != QE_OK);
	arena_free(&c.mem);
}

int
main(void)
{
	Ctx c = {0};

	if (!mkdtemp(dir))
		return 1;
	ids_are_names();
	put(&c, "models--a--b/refs/main", COMMIT "\n");
	put(&c, "models--a--b/refs/pr/1", "nothing");
	put(&c, "models--a--b/refs/old",
	    "ffffffffffffffffffff"
	    "ffffffffffffffffffff");
	put(&c, "models--a--b/snapshots/" COMMIT "/config.json", "{}");
	put(&c, "models--gpt2/refs/main", COMMIT);
	put(&c, "models--gpt2/snapshots/" COMMIT "/config.json", "{}");
	resolve("a/b", NULL, "/models--a--b/snapshots/" COMMIT);
	resolve("gpt2", "main", "/models--gpt2/snapshots/" COMMIT);
	resolve("a/b", COMMIT, "/models--a--b/snapshots/" COMMIT);
	resolve("a/b", "pr/1", "pr/1: not a commit");
	resolve("a/b", "old", "commit ffffffff");
	resolve("a/b", "other", "a/b: revision 'other' is not in the cache");
	resolve("a/b", "../refs/main", "is no revision");
	resolve("a/c", NULL, "a/c: not in the cache");
	resolve("../b", NULL, "'../b' is no id");
	if (failed == 0)
		CHECK(system(arena_str(&c.mem, "rm -r %s", dir)) == 0);
	arena_free(&c.mem);
	return check_done("hub");
}
