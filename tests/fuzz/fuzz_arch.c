/* SPDX-License-Identifier: BSD-3-Clause
 * {"arch": file, "config": configuration, "tensors": {name: shape}}: what is
 * taken as a tree of modules is a graph, or is refused with a reason. */

#include "build.h"
#include "fuzz.h"

static void
add(Arena *a, SafeFile *f, const char *name, const Json *shape)
{
	SafeTensor *t = &f->tensor[f->ntensor++];

	t->name = name;
	t->type = DT_F32;
	t->dtype = "F32";
	t->shape.rank = (int)MIN(json_len(shape), (size_t)MAXRANK);
	for (int i = 0; i < t->shape.rank; i++)
		t->shape.dim[i] = json_int(json_at(shape, (size_t)i), 0);
	t->len = MAX(dtype_bytes(DT_F32, shape_count(&t->shape)), 0);
	dict_set(f->byname, arena_dup(a, name), t);
}

static void
checkpoint(Arena *a, const Json *tensors, SafeFile *f)
{
	f->path = "model.safetensors";
	f->size = INT64_MAX;
	f->byname = dict_new(a);
	f->tensor = NEWV(a, SafeTensor, json_len(tensors) + 1);
	if (!json_is(tensors, json_type_object))
		return;
	json_object_object_foreach((Json *)(uintptr_t)tensors, key, shape)
	{
		add(a, f, key, shape);
	}
}

static void
graph(Ctx *c, Arena *a, const Tree *t)
{
	Json *file = json_new(a), *files = json_new_array(a);
	Build b = {.c = c,
	           .a = a,
	           .root = t->root,
	           .tensors = t->tensors,
	           .files = files,
	           .dir = ".",
	           .type = DT_F32,
	           .cached = strcmp(t->task, "text-generation") == 0};

	json_put_str(file, "path", "model.safetensors");
	json_put_int(file, "size", INT64_MAX);
	json_push(files, json_share(file));
	b.encoder = !b.cached;
	b.g = graph_new(a, "fuzz");
	graph_import(b.g, "", 17);
	if (!fuzz_small(t->root))
		return;
	if (lower(&b) ? !graph_verify(c, b.g) : !c->status)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	Json *j = json_parse(&c, a, (Span){(const char *)p, n});
	SafeFile file = {0};
	Checkpoint from = {&file, 1};
	Tree t = {.c = &c, .a = a, .from = &from, .strict = true};

	t.arch = json_get(j, "arch");
	if (t.arch && json_is(json_get(j, "config"), json_type_object) &&
	    arch_check(&c, t.arch) &&
	    (t.config = config_normal(&c, a, t.arch, json_get(j, "config")))) {
		checkpoint(a, json_get(j, "tensors"), &file);
		if (tree_build(&t))
			graph(&c, a, &t);
		else if (!c.status)
			abort();
	}
	arena_free(a);
	return 0;
}
