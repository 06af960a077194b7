/* SPDX-License-Identifier: BSD-3-Clause
 * tensors.c - one program on tensors from files. */

#include <errno.h>
#include <sys/stat.h>

#include "npy.h"
#include "op.h"
#include "run.h"

/* Inputs that a caller may leave out, and what they are then. */
static const struct {
	const char *name;
	int64_t value;
} optional[] = {{"token_type_ids", 0}};

typedef struct Given {
	char *name;
	const char *file;
	Value v;
} Given;

static bool
read_given(Ctx *c, Arena *a, const char *arg, Given *g)
{
	const char *eq = strchr(arg, '=');

	if (!eq || eq == arg || !eq[1])
		return fail(c, QE_USAGE, "--input '%s': wanted NAME=FILE", arg);
	g->name = arena_span(a, (Span){arg, (size_t)(eq - arg)});
	g->file = eq + 1;
	return npy_read(c, a, g->file, &g->v);
}

static const Given *
find(const Given *g, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(g[i].name, name) == 0)
			return &g[i];
	return NULL;
}

static bool
is_optional(const char *name, int64_t *value)
{
	for (size_t i = 0; i < LEN(optional); i++)
		if (strcmp(optional[i].name, name) == 0) {
			*value = optional[i].value;
			return true;
		}
	return false;
}

/* Why the tensors do not fit p, NULL if they do. */
static const char *
misfit(Arena *a, HostProgram *p, const Given *g, int n)
{
	HostIO *io;
	int nio = host_ios(p, &io);
	int64_t value;

	for (int i = 0; i < n; i++) {
		HostIO *to = host_io(p, g[i].name);

		if (!to || to->output)
			return arena_str(a, "no input '%s'", g[i].name);
		if (!shape_eq(&to->shape, &g[i].v.shape))
			return arena_str(a, "input '%s': %s, wanted %s",
			                 to->name, shape_text(&g[i].v.shape).s,
			                 shape_text(&to->shape).s);
	}
	for (int i = 0; i < nio; i++)
		if (!io[i].output && !find(g, n, io[i].name) &&
		    !is_optional(io[i].name, &value))
			return arena_str(a, "input '%s' is not given",
			                 io[i].name);
	return NULL;
}

static bool
is_int(DType t)
{
	return dtypes[t].class == 'I' || dtypes[t].class == 'U' || t == DT_BOOL;
}

/* Integers fit where they keep their value; floats only as they are. */
static bool
convert(Ctx *c, const Given *g, HostIO *to)
{
	int64_t n = shape_count(&to->shape), x;

	if (g->v.type == to->type) {
		memcpy(to->data, g->v.data.mem,
		       (size_t)dtype_bytes(to->type, n));
		return true;
	}
	if (!is_int(g->v.type) || (to->type != DT_I64 && to->type != DT_I32))
		return fail(c, QE_INPUT, "%s: %s, wanted %s", g->file,
		            dtypes[g->v.type].name, dtypes[to->type].name);
	for (int64_t i = 0; i < n; i++) {
		x = value_i64(&g->v, i);
		if (to->type == DT_I64)
			((int64_t *)to->data)[i] = x;
		else if (x == (int32_t)x)
			((int32_t *)to->data)[i] = (int32_t)x;
		else
			return fail(c, QE_INPUT, "%s: %lld does not fit %s",
			            g->file, (long long)x,
			            dtypes[to->type].name);
	}
	return true;
}

static bool
fill_all(Ctx *c, HostProgram *p, const Given *g, int n)
{
	HostIO *io;
	int nio = host_ios(p, &io);
	int64_t value;

	for (int i = 0; i < nio; i++) {
		const Given *from =
			io[i].output ? NULL : find(g, n, io[i].name);

		if (from && !convert(c, from, &io[i]))
			return false;
		if (from || io[i].output || !is_optional(io[i].name, &value) ||
		    io[i].type != DT_I64)
			continue;
		for (int64_t k = 0; k < shape_count(&io[i].shape); k++)
			((int64_t *)io[i].data)[k] = value;
	}
	return true;
}

static bool
write_outputs(Ctx *c, Arena *a, HostProgram *p, const char *dir)
{
	HostIO *io;
	int nio = host_ios(p, &io);

	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return fail_errno(c, dir);
	for (int i = 0; i < nio; i++) {
		Value v = {.type = io[i].type,
		           .shape = io[i].shape,
		           .data = {.mem = io[i].data,
		                    .len = dtype_bytes(io[i].type,
		                                       shape_count(
							       &io[i].shape))}};
		char *name = arena_str(a, "%s.npy", io[i].name);

		if (!io[i].output)
			continue;
		for (char *s = name; *s; s++) /* a name is not a path */
			*s = *s == '/' ? '_' : *s;
		if (!npy_write(c, path_join(a, dir, name), &v))
			return false;
	}
	return true;
}

bool
run_tensors(Ctx *c, Session *s, const char *const *input, const char *dir)
{
	Arena a = {0};
	Given *g;
	const char *why = NULL;
	HostProgram *p = NULL;
	int n = 0;
	bool ok = true;

	while (input && input[n])
		n++;
	g = NEWV(&a, Given, n + 1);
	for (int i = 0; ok && i < n; i++)
		ok = read_given(c, &a, input[i], &g[i]);
	for (int i = 0; ok && !p && i < host_count(s->model); i++)
		if (!(why = misfit(&a, host_program(s->model, i), g, n)))
			p = host_program(s->model, i);
	if (ok && !p)
		ok = fail(c, QE_INPUT, "%s",
		          why ? why : "the package has no program");
	ok = ok && fill_all(c, p, g, n) && host_run(c, p) &&
	     write_outputs(c, &a, p, dir);
	arena_free(&a);
	return ok;
}
