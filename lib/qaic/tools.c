/* SPDX-License-Identifier: BSD-3-Clause
 * tools.c - where the compilers are, how old they are, which card is here.
 *
 * Places: /opt/qti-aic of the Apps SDK, the root of the QNN SDK, then the
 * folders of PATH. */

#include <unistd.h>

#include "qaic.h"

#define ROOT "/opt/qti-aic"
#define TARGET "x86_64-linux-clang"

enum { ASK = 10, MAXXML = 1 << 20 };

/* The first of names, paths below root, that can be run there or anywhere in
 * search; tried gets all places. */
static const char *
look(Arena *a, const char *root, const char *search, const char *const *names,
     Buf *tried)
{
	char **dir = str_split(a, search ? search : "", ':');
	const char *path;

	for (const char *const *n = names; *n; n++) {
		path = path_join(a, root, *n);
		if (access(path, X_OK) == 0)
			return path;
		buf_fmt(tried, "%s%s", tried->n ? ", " : "", path);
	}
	for (const char *const *n = names; *n; n++)
		for (char **d = dir; *d; d++) {
			path = path_join(a, *d, path_base(*n));
			if (access(path, X_OK) == 0)
				return path;
		}
	buf_str(tried, *dir ? " and in PATH" : "");
	return NULL;
}

static bool
find(Ctx *c, Arena *a, const qe_compile *o, const char *root,
     const char *const *names, const char **out)
{
	Buf *tried = buf_new(a);

	*out = look(a, root, o->search, names, tried);
	if (*out)
		return true;
	if (o->dry_run) {
		*out = path_join(a, root, *names);
		return true;
	}
	return fail(c, QE_MISSING, "%s: not found: looked for %s (--sdk DIR)",
	            path_base(*names), tried->p);
}

/* The text of the first element of that name. */
static const char *
element(Arena *a, const char *path, const char *name)
{
	Ctx trial = {0};
	char *open = arena_str(a, "<%s>", name), *at;
	const char *found = "";
	Span s;

	if (file_size(path) > 0 && file_read(&trial, a, path, MAXXML, &s)) {
		at = strstr(arena_span(a, s), open);
		if (at) {
			at += strlen(open);
			found = arena_span(a, (Span){at, strcspn(at, "<\n")});
		}
	}
	arena_free(&trial.mem);
	return found;
}

/* What qaic-util says of the card; any trouble means ai100. */
static const char *
ask_hardware(Ctx *c, Arena *a, const qe_compile *o, const char *root)
{
	const char *util = look(a, root, o->search,
	                        (const char *const[]){"tools/qaic-util", NULL},
	                        buf_new(a));
	Ctx trial = {.tool = c->tool};
	Child k = {.arg = (const char *const[]){util, "-q", NULL},
	           .timeout = ASK,
	           .text = buf_new(a)};
	const char *at;

	if (!util || !child_run(&trial, a, &k) || k.status)
		at = NULL;
	else
		at = strstr(k.text->p, "FW IMAGE_VARIANT");
	arena_free(&trial.mem);
	if (!at)
		return "ai100";
	at += strcspn(at, ":\n");
	at = arena_span(a, (Span){at, strcspn(at, "\n")});
	return strstr(at, "AIC200") ? "ai200" : "ai100";
}

bool
tools_qaic(Ctx *c, Arena *a, const qe_compile *o, Tools *t)
{
	static const char *const names[] = {"exec/qaic-compile",
	                                    "exec/qaic-exec", NULL};

	*t = (Tools){.root = o->sdk ? o->sdk : ROOT};
	if (o->compiler)
		t->program[0] = o->compiler;
	else if (!find(c, a, o, t->root, names, &t->program[0]))
		return false;
	if (!o->dry_run && access(t->program[0], X_OK) != 0)
		return fail_errno(c, t->program[0]) ||
		       (c->status = QE_MISSING, false);
	t->old = strcmp(path_base(t->program[0]), "qaic-exec") == 0;
	t->hardware = o->aic_hw_version ? o->aic_hw_version
	              : t->old          ? "2.0"
	                                : ask_hardware(c, a, o, t->root);
	t->version = element(a, path_join(a, t->root, "versions/apps.xml"),
	                     "base_version");
	return true;
}

bool
tools_qnn(Ctx *c, Arena *a, const qe_compile *o, Tools *t)
{
	static const char *const names[][2] =
		{{"bin/" TARGET "/qairt-converter", NULL},
	         {"bin/" TARGET "/qnn-context-binary-generator", NULL}};
	Digest d;

	*t = (Tools){.root = o->sdk, .hardware = "2.0", .version = ""};
	if (!o->sdk)
		return fail(
			c, QE_MISSING,
			"QNN SDK: not found: QNN_SDK_ROOT is not set and there is no --sdk DIR");
	for (size_t i = 0; i < LEN(names); i++)
		if (!find(c, a, o, t->root, names[i], &t->program[i]))
			return false;
	if (file_size(path_join(a, t->root, "sdk.yaml")) >= 0) {
		if (!hash_file(c, path_join(a, t->root, "sdk.yaml"), &d))
			return false;
		t->version = arena_dup(a, d.hex);
	}
	return true;
}
