/* SPDX-License-Identifier: BSD-3-Clause
 * hub.c - checkpoints in the cache of the Hugging Face tools.
 *
 *     CACHE/models--OWNER--NAME/refs/REVISION      a commit, 40 hex digits
 *     CACHE/models--OWNER--NAME/snapshots/COMMIT/  the files, often links
 *
 * Ids and revisions come from a command line and become paths: neither may
 * climb. */

#include <ctype.h>

#include "hub.h"

enum { MAXID = 96, COMMIT = 40 };

/* Letters, digits, "-_." and no "--" or "..", as the hub itself demands. */
static bool
is_part(const char *s, size_t n)
{
	if (!n || *s == '-' || *s == '.' || s[n - 1] == '-' || s[n - 1] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
			return false;
		if (i && s[i] == s[i - 1] && (s[i] == '-' || s[i] == '.'))
			return false;
	}
	return true;
}

bool
hub_is_id(const char *s)
{
	size_t n = strcspn(s, "/");

	if (strlen(s) > MAXID || !is_part(s, n))
		return false;
	return !s[n] || is_part(s + n + 1, strlen(s + n + 1));
}

static bool
is_commit(const char *s)
{
	return strlen(s) == COMMIT && strspn(s, "0123456789abcdef") == COMMIT;
}

/* A branch or tag: plain names between slashes. */
static bool
is_revision(const char *s)
{
	for (;; s++) {
		size_t n = strcspn(s, "/");

		if (!n || (n <= 2 && strncmp(s, "..", n) == 0))
			return false;
		s += n;
		if (!*s)
			return true;
	}
}

/* The commit that a revision stands for. */
static const char *
find_commit(Ctx *c, Arena *a, const char *repo, const char *revision)
{
	char *path = arena_str(a, "%s/refs/%s", repo, revision);
	Span text;
	char *s;

	if (is_commit(revision))
		return revision;
	if (!is_revision(revision))
		return fail(c, QE_USAGE, "'%s' is no revision", revision), NULL;
	if (!file_exists(path))
		return fail(c, QE_IO, "revision '%s' is not in the cache %s",
		            revision, repo),
		       NULL;
	if (!file_read(c, a, path, 256, &text))
		return NULL;
	while (text.n && isspace((unsigned char)text.p[text.n - 1]))
		text.n--;
	s = arena_span(a, text);
	if (!is_commit(s))
		return fail(c, QE_INPUT, "%s: not a commit", path), NULL;
	return s;
}

char *
hub_resolve(Ctx *c, Arena *a, const char *id, const char *cache,
            const char *revision)
{
	const char *slash = strchr(id, '/'), *commit;
	char *repo, *dir;

	if (!hub_is_id(id))
		return fail(c, QE_USAGE, "'%s' is no id of a repository", id),
		       NULL;
	repo = slash ? arena_str(a, "%s/models--%.*s--%s", cache,
	                         (int)(slash - id), id, slash + 1)
	             : arena_str(a, "%s/models--%s", cache, id);
	if (!file_exists(repo))
		return fail(c, QE_IO, "%s: not in the cache %s", id, cache),
		       NULL;
	commit = find_commit(c, a, repo, revision ? revision : "main");
	if (!commit)
		return note(c, "%s", id), NULL;
	dir = arena_str(a, "%s/snapshots/%s", repo, commit);
	if (!file_exists(dir))
		return fail(c, QE_IO, "%s: commit %s is not in the cache %s",
		            id, commit, cache),
		       NULL;
	return dir;
}
