/* SPDX-License-Identifier: BSD-3-Clause
 * tests/arch: one small case for each architecture, run by the reference
 * operators on weights made up from their names.
 *
 *   {"config", "tensors": {name: shape}, "expect": [numbers]}
 *
 * {i} in a name stands for every layer.  The numbers are the first of the
 * last logits (a decoder: four tokens, then one more; its encoder: five
 * tokens and padding, then nothing new) or of the first output (two rows, one
 * of them padded).  They were recorded when the same code
 * agreed with the references' outputs for that architecture; `test_model
 * FILE...` prints those of a file. */

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#include "build.h"
#include "check.h"
#include "op.h"
#include "transform.h"

enum { CTX = 8, SHOWN = 6 };

typedef struct Case {
	Ctx c;
	const Json *spec;
	SafeFile file;
	Checkpoint from;
	Tree tree;
	Graph *g;
	double got[SHOWN];
	int n;
} Case;

/* ---- weights ---- */

static uint64_t
scramble(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static bool
is_norm(const char *name)
{
	static const char *const parts[] = {"norm", "ln_", "Norm", ".ln."};

	for (size_t i = 0; i < LEN(parts); i++)
		if (strstr(name, parts[i]) && str_ends(name, "weight"))
			return true;
	return false;
}

static const float *
weights_of(Arena *a, const char *name, int64_t n)
{
	float *x = NEWV(a, float, n + 1);
	uint64_t seed = 0;

	for (const char *p = name; *p; p++)
		seed = scramble(seed ^ (unsigned char)*p);
	for (int64_t i = 0; i < n; i++) {
		uint64_t r = scramble(seed + (uint64_t)i) >> 40;

		x[i] = ((float)r / (float)(1 << 24) - 0.5F) * 0.5F;
		if (is_norm(name))
			x[i] += 1;
	}
	return x;
}

static void
add(Case *k, const char *name, const Json *shape)
{
	SafeTensor *t = &k->file.tensor[k->file.ntensor++];

	t->name = name;
	t->type = DT_F32;
	t->dtype = "F32";
	t->shape.rank = (int)json_len(shape);
	for (int i = 0; i < t->shape.rank; i++)
		t->shape.dim[i] = json_int(json_at(shape, (size_t)i), 0);
	t->len = dtype_bytes(DT_F32, shape_count(&t->shape));
	dict_set(k->file.byname, name, t);
}

static void
checkpoint(Case *k, int64_t layers)
{
	const Json *list = json_get(k->spec, "tensors");
	Arena *a = &k->c.mem;

	k->file.path = "model.safetensors";
	k->file.byname = dict_new(a);
	k->file.tensor =
		NEWV(a, SafeTensor, json_len(list) * (size_t)(layers + 1));
	json_object_object_foreach((Json *)(uintptr_t)list, name, shape)
	{
		const char *at = strstr(name, "{i}");

		for (int64_t i = 0; i < (at ? layers : 1); i++)
			add(k,
			    at ? arena_str(a, "%.*s%lld%s", (int)(at - name),
			                   name, (long long)i, at + 3)
			       : name,
			    shape);
	}
	k->from = (Checkpoint){.file = &k->file, .nfile = 1};
}

/* ---- graph ---- */

static bool
tree(Case *k)
{
	Arena *a = &k->c.mem;
	const Json *config = json_get(k->spec, "config");
	Tree *t = &k->tree;
	int64_t layers;

	t->c = &k->c;
	t->a = a;
	t->strict = true;
	t->from = &k->from;
	t->arch = arch_open(&k->c, a, json_get_str(config, "model_type", ""),
	                    config);
	if (!t->arch ||
	    !(t->config = config_normal(&k->c, a, t->arch, config)) ||
	    !config_check(&k->c, a, t->arch, t->config, true))
		return false;
	t->env = (Env){.config = t->config,
	               .let = json_get(t->arch, "let"),
	               .i = -1};
	if (!tree_let(t, "L", &layers))
		return false;
	checkpoint(k, layers);
	return tree_build(t);
}

static Json *
document(Case *k)
{
	Json *doc = json_new(&k->c.mem);

	tree_put(doc, "modules", k->tree.root);
	json_put(doc, "transforms", json_object_new_array());
	return doc;
}

static bool
graph(Case *k)
{
	TransformArgs args = {0};
	Arena *a = &k->c.mem;
	Json *files = json_new_array(a), *file = json_new(a);
	Build b = {.c = &k->c, .a = a, .files = files, .dir = "."};

	if (!tree(k) || !transforms_apply(&k->c, a, document(k), NULL, &args))
		return false;
	json_put_str(file, "path", "model.safetensors");
	json_put_int(file, "size", INT64_MAX);
	json_push(files, json_share(file));
	b.root = k->tree.root;
	b.tensors = k->tree.tensors;
	b.type = DT_F32;
	b.cached = json_get_bool(b.root, "cache", false);
	b.encoder = !b.cached;
	b.g = k->g = graph_new(a, "case");
	graph_import(b.g, "", 17);
	if (!lower(&b) || !graph_verify(&k->c, b.g))
		return false;
	for (size_t i = 0; i < b.g->value->n; i++) {
		Value *v = b.g->value->item[i].value;

		if (v && v->data.src) {
			v->data.src = NULL;
			v->data.mem =
				weights_of(a, v->name, shape_count(&v->shape));
		}
	}
	return graph_inline(&k->c, b.g);
}

/* ---- values ---- */

static Value *
make(Arena *a, DType type, Shape s)
{
	Value *v = NEW(a, Value);

	v->type = type;
	v->shape = s;
	v->data.len = dtype_bytes(type, shape_count(&s));
	v->data.mem = arena_alloc(a, (size_t)v->data.len);
	return v;
}

enum { HEARD = 5 };

/* The first call brings a text for the encoder, the next ones a lone token. */
static Value *
encoder_tokens(Arena *a, const char *name, int64_t from)
{
	int64_t n = from ? 1 : HEARD + 1;
	Value *v = make(a, DT_I64, (Shape){2, {1, n}});
	int64_t *x = (int64_t *)(uintptr_t)v->data.mem;

	for (int64_t i = 0; i < n; i++) {
		int64_t at = from ? HEARD - 1 : i < HEARD ? i : -1;

		x[i] = strstr(name, "position") ? at : 3 + i * 5 % 50;
	}
	return v;
}

static Value *
tokens(Arena *a, const char *name, int64_t rows, int64_t n, int64_t from)
{
	/* the length of a text is left to what a call sees of it */
	bool one = strcmp(name, "text_length") == 0;
	Value *v = make(a, DT_I64, (Shape){2, {rows, one ? 1 : n}});
	int64_t *x = (int64_t *)(uintptr_t)v->data.mem;

	for (int64_t i = 0; !one && i < rows * n; i++) {
		int64_t at = from + i % n;

		if (strcmp(name, "input_ids") == 0)
			x[i] = 3 + (at * 7 + i / n) % 50;
		else if (strcmp(name, "position_ids") == 0)
			x[i] = at;
		else if (strcmp(name, "attention_mask") == 0)
			x[i] = i < 2 * n - 2;
	}
	return v;
}

static Value **
call(Case *k, Value **state, int64_t rows, int64_t n, int64_t from)
{
	Arena *a = &k->c.mem;
	Value **in = NEWV(a, Value *, k->g->nin),
	      **out = NEWV(a, Value *, k->g->nout);

	for (int i = 0; i < k->g->nin; i++)
		in[i] = state[i] ? state[i]
		        : str_starts(k->g->in[i]->name, "encoder_")
		                ? encoder_tokens(a, k->g->in[i]->name, from)
		                : tokens(a, k->g->in[i]->name, rows, n, from);
	if (!graph_eval(&k->c, a, k->g, in, out))
		return NULL;
	/* states come out in the order in which they went in */
	for (int i = 0, o = 1; i < k->g->nin; i++)
		if (state[i])
			state[i] = out[o++];
	return out;
}

static bool
run(Case *k)
{
	Arena *a = &k->c.mem;
	Value **state, **out = NULL;
	bool keeps = false;

	if (!graph(k))
		return false;
	state = NEWV(a, Value *, k->g->nin);
	for (int i = 0; i < k->g->nin; i++) {
		Shape s = k->g->in[i]->shape;

		if (k->g->in[i]->type == DT_I64)
			continue;
		s.dim[0] = 1;
		if (s.rank == 4 && s.dim[2] < 0)
			s.dim[2] = CTX;
		state[i] = make(a, DT_F32, s);
		keeps = true;
	}
	if (!keeps)
		out = call(k, state, 2, 6, 0);
	else if (call(k, state, 1, 4, 0))
		out = call(k, state, 1, 1, 4);
	for (int i = 0; out && i < SHOWN; i++)
		if (i < shape_count(&out[0]->shape))
			k->got[k->n++] = value_f64(out[0], i);
	return out != NULL;
}

static bool
run_file(Case *k, const char *path)
{
	k->c.share = "share";
	k->spec = json_read(&k->c, &k->c.mem, path, 1 << 20);
	return k->spec && run(k);
}

static void
print_case(const char *path)
{
	Case k = {0};

	if (!run_file(&k, path))
		fprintf(stderr, "%s: %s\n", path, k.c.msg);
	for (int i = 0; i < k.n; i++)
		printf("%s%.5g", i ? ", " : "", k.got[i]);
	printf("\n");
	arena_free(&k.c.mem);
}

/* 1e-4 of the largest: sums in another order move less than that. */
static void
check_case(const char *path)
{
	Case k = {0};
	const Json *want;
	double top = 0.01;
	bool ok = run_file(&k, path);

	want = json_get(k.spec, "expect");
	ok = ok && json_len(want) == (size_t)k.n;
	for (int i = 0; i < k.n; i++)
		top = fmax(top, fabs(k.got[i]));
	for (int i = 0; ok && i < k.n; i++)
		ok = fabs(k.got[i] - json_num(json_at(want, (size_t)i),
		                              (double)NAN)) <= 1e-4 * top;
	if (!ok)
		fprintf(stderr, "%s: %s\n", path,
		        k.c.status ? k.c.msg : "other numbers");
	CHECK(ok);
	arena_free(&k.c.mem);
}

static int
is_json(const struct dirent *e)
{
	return str_ends(e->d_name, ".json");
}

static void
every_case_has_its_numbers(void)
{
	struct dirent **e;
	int n = scandir("tests/arch", &e, is_json, alphasort);

	CHECK(n > 0);
	for (int i = 0; i < n; i++) {
		char path[300];

		snprintf(path, sizeof path, "tests/arch/%s", e[i]->d_name);
		check_case(path);
		free(e[i]);
	}
	free(e);
}

static void
every_architecture_can_be_read(void)
{
	struct dirent **e;
	int n = scandir("share/arch", &e, is_json, alphasort);

	CHECK(n > 0);
	for (int i = 0; i < n; i++) {
		Ctx c = {.share = "share"};
		const Json *arch;

		e[i]->d_name[strlen(e[i]->d_name) - strlen(".json")] = '\0';
		arch = arch_open(&c, &c.mem, e[i]->d_name, NULL);
		CHECK(arch && *json_get_str(arch, "about", ""));
		CHECK_STR(json_get_str(arch, "model_type", ""), e[i]->d_name);
		arena_free(&c.mem);
		free(e[i]);
	}
	free(e);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		print_case(argv[i]);
	if (argc > 1)
		return 0;
	every_architecture_can_be_read();
	every_case_has_its_numbers();
	return check_done("model");
}
