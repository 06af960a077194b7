/* SPDX-License-Identifier: BSD-3-Clause
 * feed.c - the inputs of a program, from files or by chance.
 *
 * The first program whose inputs have the shapes that are given is the one
 * that runs.  What a file holds goes in where its values are kept: integers
 * of one width into another, floats into a type that has them exactly. */

#include "num.h"
#include "tensors.h"

/* Inputs that a caller may leave out, and what they are then. */
static const struct {
	const char *name;
	int64_t value;
} optional[] = {{"token_type_ids", 0}};

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

/* ---- reading ---- */

/* Programs of one package take the same names and kinds. */
static enum ValueKind
kind_of(const Feed *f, const char *name)
{
	IO *io = model_count(f->s->model)
	                 ? program_io(model_program(f->s->model, 0), name)
	                 : NULL;

	return io ? io->kind : VALUE_TENSOR;
}

static bool
add(Feed *f, Given g)
{
	if (find(f->given, f->ngiven, g.name))
		return fail(f->c, QE_USAGE, "input '%s' is given twice",
		            g.name);
	PUSH(f->a, f->given, f->ngiven, f->capgiven, g);
	return true;
}

static bool
add_file(Feed *f, const char *name, const char *file)
{
	Given g = {.name = name, .file = file};

	g.v.name = name;
	g.v.kind = kind_of(f, name);
	return tensor_read(f->c, f->a, file, &g.v, &g.raw) && add(f, g);
}

/* NAME=FILE, or an archive of arrays that have the names of inputs. */
static bool
add_input(Feed *f, const char *arg)
{
	const char *eq = strchr(arg, '=');
	Value *v;
	int n;

	if (eq && eq > arg && eq[1])
		return add_file(f,
		                arena_span(f->a,
		                           (Span){arg, (size_t)(eq - arg)}),
		                eq + 1);
	if (eq || !str_ends(arg, ".npz"))
		return fail(f->c, QE_USAGE,
		            "--input '%s': wanted NAME=FILE or an .npz file",
		            arg);
	if (!tensor_archive(f->c, f->a, arg, &v, &n))
		return false;
	for (int i = 0; i < n; i++)
		if (!add(f, (Given){.name = v[i].name, .file = arg, .v = v[i]}))
			return false;
	return n || fail(f->c, QE_INPUT, "%s: holds no arrays", arg);
}

/* DIR/input_N for the Nth input of the graph, in any form. */
static bool
add_folder(Feed *f, const char *dir)
{
	IO *io;
	int nio = model_count(f->s->model)
	                  ? program_ios(model_program(f->s->model, 0), &io)
	                  : 0;
	int at = 0, found = 0;

	for (int i = 0; i < nio; i++) {
		if (io[i].output)
			continue;
		for (int k = 0; k < FORM_COUNT; k++) {
			char *path =
				arena_str(f->a, "%s/input_%d.%s", dir, at,
			                  tensor_form_name((enum TensorForm)k));

			if (!file_exists(path))
				continue;
			if (!add_file(f, io[i].name, path))
				return false;
			found++;
		}
		at++;
	}
	return found || !at ||
	       fail(f->c, QE_INPUT, "%s: holds no input_0.pb", dir);
}

/* "1x3x224x224"; "" is a scalar */
static bool
parse_shape(const char *text, Shape *s)
{
	Arena a = {0};
	char **word = str_split(&a, text, 'x');

	for (s->rank = 0; word[s->rank] && s->rank < MAXRANK; s->rank++)
		if (!str_int(word[s->rank], &s->dim[s->rank]) ||
		    s->dim[s->rank] < 0)
			break;
	if (word[s->rank])
		s->rank = -1;
	arena_free(&a);
	return shape_count(s) >= 0 && s->rank >= 0;
}

static bool
add_shapes(Feed *f, const char *list)
{
	char **word = str_split(f->a, list, ',');

	for (; *word; word++) {
		char *colon = strrchr(*word, ':');
		Given g = {.name = *word};

		if (!colon || colon == *word ||
		    !parse_shape(colon + 1, &g.v.shape))
			return fail(f->c, QE_USAGE,
			            "--shapes '%s': wanted NAME:1x3x224x224",
			            *word);
		*colon = '\0';
		PUSH(f->a, f->shape, f->nshape, f->capshape, g);
	}
	return true;
}

bool
feed_open(Feed *f)
{
	const TensorOptions *o = f->o;

	for (const char *const *i = o->input; i && *i; i++)
		if (!add_input(f, *i))
			return false;
	return (!o->inputs || add_folder(f, o->inputs)) &&
	       (!o->shapes || add_shapes(f, o->shapes));
}

/* ---- which program ---- */

/* Dimensions that a program leaves open fit any. */
static bool
shape_fits(const Shape *want, const Shape *s)
{
	if (want->rank < 0)
		return true;
	for (int i = 0; i < want->rank && want->rank == s->rank; i++)
		if (want->dim[i] >= 0 && want->dim[i] != s->dim[i])
			return false;
	return want->rank == s->rank;
}

/* The shape of an input: its own, or for what that leaves open --shapes. */
static const Shape *
shape_of(const Feed *f, const IO *io)
{
	const Given *g = find(f->shape, f->nshape, io->name);

	return g && shape_fits(&io->shape, &g->v.shape) ? &g->v.shape
	                                                : &io->shape;
}

/* Why a tensor does not fit an input, NULL if it does. */
static const char *
misfit_one(const Feed *f, const IO *to, const Given *g)
{
	const Shape *s = shape_of(f, to);

	if (to->kind != g->v.kind)
		return arena_str(f->a, "input '%s': not of its kind", to->name);
	if (g->raw && g->v.data.len != dtype_bytes(to->type, shape_count(s)))
		return arena_str(f->a,
		                 "input '%s': %s: %lld bytes, wanted %s %s",
		                 to->name, g->file, (long long)g->v.data.len,
		                 dtypes[to->type].name, shape_text(s).s);
	if (!g->raw && g->v.kind == VALUE_TENSOR && !shape_fits(s, &g->v.shape))
		return arena_str(f->a, "input '%s': %s, wanted %s", to->name,
		                 shape_text(&g->v.shape).s, shape_text(s).s);
	return NULL;
}

/* Why the tensors do not fit p, NULL if they do. */
static const char *
misfit(const Feed *f, Program *p)
{
	IO *io, *to;
	int nio = program_ios(p, &io);
	const char *why = NULL;
	int64_t value;

	for (int i = 0; i < f->nshape; i++) {
		to = program_io(p, f->shape[i].name);
		if (!to || to->output)
			return arena_str(f->a, "no input '%s'",
			                 f->shape[i].name);
		if (!shape_fits(&to->shape, &f->shape[i].v.shape))
			return arena_str(f->a, "input '%s': %s, wanted %s",
			                 to->name,
			                 shape_text(&f->shape[i].v.shape).s,
			                 shape_text(&to->shape).s);
	}
	for (int i = 0; !why && i < f->ngiven; i++) {
		to = program_io(p, f->given[i].name);
		if (!to || to->output)
			return arena_str(f->a, "no input '%s'",
			                 f->given[i].name);
		why = misfit_one(f, to, &f->given[i]);
	}
	for (int i = 0; !why && i < nio; i++)
		if (!io[i].output && !f->o->random &&
		    !find(f->given, f->ngiven, io[i].name) &&
		    !is_optional(io[i].name, &value))
			why = arena_str(f->a, "input '%s' is not given",
			                io[i].name);
	return why;
}

/* ---- filling ---- */

/* Elements of v as those of `to`, which has its bytes, if all are kept. */
static bool
convert(Ctx *c, const Value *v, Value *to)
{
	int64_t n = shape_count(&to->shape), i, back;
	bool real = dtype_is_float(v->type);
	double x, y;

	if (v->type == DT_STRING || to->type == DT_STRING ||
	    real != dtype_is_float(to->type))
		return fail(c, QE_INPUT, "%s, wanted %s", dtypes[v->type].name,
		            dtypes[to->type].name);
	for (int64_t k = 0; k < n; k++)
		if (real) {
			load_f64(v, k, 1, 1, &x);
			store_f64(to, k, 1, &x);
			load_f64(to, k, 1, 1, &y);
			if (x != y && (x == x || y == y))
				return fail(c, QE_INPUT,
				            "%s, wanted %s: %.17g does not fit",
				            dtypes[v->type].name,
				            dtypes[to->type].name, x);
		} else {
			load_i64(v, k, 1, 1, &i);
			store_i64(to, k, 1, &i);
			load_i64(to, k, 1, 1, &back);
			if (i != back)
				return fail(c, QE_INPUT,
				            "%s, wanted %s: %lld does not fit",
				            dtypes[v->type].name,
				            dtypes[to->type].name,
				            (long long)i);
		}
	return true;
}

/* A value of the input's type whose bytes are the input's own memory. */
static bool
io_room(const Feed *f, IO *io, Value *out)
{
	*out = (Value){.name = io->name,
	               .type = io->type,
	               .shape = *shape_of(f, io)};
	if (io->kind != VALUE_TENSOR || !shape_known(&out->shape))
		return false;
	out->data.len = dtype_bytes(out->type, shape_count(&out->shape));
	out->data.mem = io->data;
	return out->data.len >= 0;
}

/* An input without a planned size takes the value as it is. */
static void
put_late(IO *io, const Value *v)
{
	io->late->type = v->type;
	io->late->shape = v->shape;
	io->late->data = v->data;
	io->late->item = v->item;
	io->late->nitem = v->nitem;
}

static bool
fill_late(const Feed *f, IO *io, const Given *g)
{
	Value v = g->v;

	if (g->raw)
		v.shape = *shape_of(f, io);
	if (io->type && v.kind == VALUE_TENSOR &&
	    (g->raw || v.type != io->type)) {
		v.type = io->type;
		if (!value_alloc(f->c, f->a, &v))
			return false;
		if (g->raw && v.data.len)
			memcpy(value_bytes(&v), g->v.data.mem,
			       (size_t)v.data.len);
		if (!g->raw && !convert(f->c, &g->v, &v))
			return note(f->c, "%s", g->file);
	}
	put_late(io, &v);
	return true;
}

static bool
fill_given(const Feed *f, IO *io, const Given *g)
{
	Value to;

	if (io->late)
		return fill_late(f, io, g);
	if (!io_room(f, io, &to))
		return fail(f->c, QE_INPUT, "input '%s' has no size", io->name);
	if (!g->raw && g->v.type != to.type)
		return convert(f->c, &g->v, &to) || note(f->c, "%s", g->file);
	if (to.data.len)
		memcpy(io->data, g->v.data.mem, (size_t)to.data.len);
	return true;
}

static bool
fill_one(const Feed *f, IO *io, uint64_t *seed)
{
	const Given *g = find(f->given, f->ngiven, io->name);
	int64_t value = 0;
	Value to;

	if (g)
		return fill_given(f, io, g);
	if (!io_room(f, io, &to))
		return fail(f->c, QE_USAGE,
		            "input '%s': %s has no size (--shapes %s:1x2x3)",
		            io->name, shape_text(&to.shape).s, io->name);
	if (io->late && !value_alloc(f->c, f->a, &to))
		return false;
	if (io->late)
		put_late(io, &to);
	if (is_optional(io->name, &value))
		for (int64_t k = 0; k < shape_count(&to.shape); k++)
			store_i64(&to, k, 1, &value);
	else if (dtypes[to.type].bits >= 8 && to.type != DT_STRING)
		value_random(&to, seed);
	else
		return fail(f->c, QE_INPUT, "input '%s': no %s by chance",
		            io->name, dtypes[to.type].name);
	return true;
}

Program *
feed_program(Feed *f)
{
	const char *why = "the package has no program";
	uint64_t seed = (uint64_t)f->o->seed;
	Program *p = NULL;
	IO *io;
	int nio;

	for (int i = 0; !p && i < model_count(f->s->model); i++)
		if (!(why = misfit(f, model_program(f->s->model, i))))
			p = model_program(f->s->model, i);
	if (!p)
		return fail(f->c, QE_INPUT, "%s", why), NULL;
	nio = program_ios(p, &io);
	for (int i = 0; i < nio; i++)
		if (!io[i].output && !fill_one(f, &io[i], &seed))
			return NULL;
	return p;
}
