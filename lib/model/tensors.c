/* SPDX-License-Identifier: BSD-3-Clause
 * tensors.c - from the names of an architecture file to tensors of the
 * checkpoint, with the shapes the file implies.
 *
 * The document calls a tensor by the name of its module in the class that
 * has the task; the checkpoint may write it with another prefix.  Entries:
 *   {"dtype", "shape", "file", "offset", "length", "source"?}
 *   {"dtype", "shape", "from": [names], "steps": [[step, argument...]...]} */

#include "fewbits.h"

enum { MAXALT = 8 };

typedef struct Found {
	const char *canon, *source;
	const SafeTensor *tensor;
	int file;
} Found;

static const SafeTensor *
lookup(const Tree *t, const char *name, int *file)
{
	for (int i = 0; i < t->from->nfile; i++) {
		SafeTensor *s = dict_get(t->from->file[i].byname, name);

		if (s) {
			*file = i;
			return s;
		}
	}
	return NULL;
}

static bool
try(const Tree *t, const char *prefix, const char *name, const char *suffix,
    const char *canon, Found *out)
{
	char *full = arena_str(t->a, "%s%s%s", prefix, name, suffix);
	const SafeTensor *s = lookup(t, full, &out->file);

	if (!s)
		return false;
	out->tensor = s;
	out->source = full;
	out->canon = arena_str(t->a, "%s%s%s", canon, name, suffix);
	return true;
}

/* "/" names are tried bare first: heads stand beside the model. */
static bool
find_one(const Tree *t, const char *name, const char *suffix, Found *out)
{
	if (*name == '/')
		return try(t, "", name + 1, suffix, "", out) ||
		       try(t, t->prefix, name + 1, suffix, t->canon, out);
	return try(t, arena_str(t->a, "%s%s", t->prefix, t->layer), name,
	           suffix, arena_str(t->a, "%s%s", t->canon, t->layer), out);
}

static const char *
alternative(const Json *name, size_t i)
{
	if (json_is(name, json_type_array))
		return json_str(json_at(name, i), NULL);
	return i ? NULL : json_str(name, NULL);
}

static bool
find(const Tree *t, const Json *name, const char *suffix, Found *out)
{
	const char *s;

	for (size_t i = 0; i < MAXALT && (s = alternative(name, i)); i++)
		if (find_one(t, s, suffix, out))
			return true;
	return false;
}

/* Whether a weight of this suffix may be one that is stored in few bits. */
static bool
is_weight(const char *suffix)
{
	return !*suffix || strcmp(suffix, ".weight") == 0;
}

bool
tree_has(Tree *t, const Json *name, const char *suffix)
{
	Found f;

	return name && (find(t, name, suffix, &f) ||
	                (is_weight(suffix) && tree_has_quantised(t, name)));
}

void
tree_skip(Tree *t, const Json *name)
{
	static const char *const suffixes[] = {".weight", ".bias"};
	Found f;

	for (size_t i = 0; name && i < LEN(suffixes); i++)
		if (find(t, name, suffixes[i], &f))
			dict_set(t->used, f.source, t);
}

static bool
shape_fits(const Shape *got, const Shape *want)
{
	if (want->rank < 0)
		return true;
	if (got->rank != want->rank)
		return false;
	for (int i = 0; i < got->rank; i++)
		if (want->dim[i] >= 0 && got->dim[i] != want->dim[i])
			return false;
	return true;
}

static Json *
shape_json(Tree *t, const Shape *s)
{
	Json *list = json_new_array(t->a);

	for (int i = 0; i < s->rank; i++)
		json_push(list, json_object_new_int64(s->dim[i]));
	return list;
}

Shape
tree_shape(const Json *tensor)
{
	const Json *list = json_get(tensor, "shape");
	Shape s = {.rank = (int)MIN(json_len(list), (size_t)MAXRANK)};

	for (int i = 0; i < s.rank; i++)
		s.dim[i] = json_int(json_at(list, (size_t)i), -1);
	return s;
}

const Json *
tree_tensor(const Tree *t, const char *name)
{
	return json_get(t->tensors, name);
}

static void
enter(Tree *t, const Found *f)
{
	Json *o = json_new(t->a);

	json_put_str(o, "dtype", f->tensor->dtype);
	tree_put(o, "shape", shape_json(t, &f->tensor->shape));
	json_put_int(o, "file", f->file);
	json_put_int(o, "offset", f->tensor->off);
	json_put_int(o, "length", f->tensor->len);
	if (strcmp(f->canon, f->source) != 0)
		json_put_str(o, "source", f->source);
	tree_put(t->tensors, f->canon, o);
	dict_set(t->used, f->source, t);
}

static bool
is_float(const Found *f)
{
	static const DType good[] = {DT_F32, DT_F16, DT_BF16};
	bool ok = false;

	for (size_t i = 0; i < LEN(good); i++)
		ok = ok || f->tensor->type == good[i];
	return ok;
}

static bool
check_tensor(Tree *t, const Found *f, const Shape *want)
{
	if (!is_float(f))
		return fail(t->c, QE_INPUT,
		            "tensor '%s': dtype %s, wanted F32, F16 or BF16",
		            f->source, f->tensor->dtype);
	if (!shape_fits(&f->tensor->shape, want))
		return fail(t->c, QE_INPUT, "tensor '%s': shape %s, wanted %s",
		            f->source, shape_text(&f->tensor->shape).s,
		            shape_text(want).s);
	return true;
}

const char *
tree_stored(Tree *t, const Json *name, const char *suffix, DType type)
{
	Found f;

	if (!find(t, name, suffix, &f) ||
	    (type == DT_NONE ? !is_float(&f) && f.tensor->type != DT_I64
	                     : f.tensor->type != type))
		return NULL;
	if (is_weight(suffix))
		f.canon = arena_str(t->a, "%s.stored", f.canon);
	if (!tree_tensor(t, f.canon))
		enter(t, &f);
	return f.canon;
}

const char *
tree_param(Tree *t, const Json *name, const char *suffix, Shape want)
{
	const char *first = name ? alternative(name, 0) : NULL, *made;
	Found f;
	bool found;

	if (!first)
		return fail(t->c, QE_INPUT, "a module has no name"), NULL;
	found = find(t, name, suffix, &f);
	if (is_weight(suffix) && (!found || !is_float(&f)) &&
	    ((made = tree_quantised(t, name, want)) || t->c->status))
		return made;
	if (!found) {
		fail(t->c, QE_INPUT, "tensor '%s%s%s%s' is missing",
		     *first == '/' ? "" : t->prefix,
		     *first == '/' ? "" : t->layer, first + (*first == '/'),
		     suffix);
		return NULL;
	}
	if (!check_tensor(t, &f, &want))
		return NULL;
	if (!tree_tensor(t, f.canon))
		enter(t, &f);
	return f.canon;
}

Json *
tree_linear(Tree *t, const Json *name, int64_t out, int64_t in, bool bias)
{
	bool turn = t->in_out && *t->layer;
	Shape want = turn ? (Shape){2, {in, out}} : (Shape){2, {out, in}};
	const char *w = tree_param(t, name, ".weight", want), *b;
	Json *o;

	if (!w)
		return NULL;
	o = json_new(t->a);
	json_put_str(o, "weight", w);
	if (turn)
		json_put_bool(o, "in_out", true);
	if (!bias)
		return o;
	if (out < 0)
		out = tree_shape(tree_tensor(t, w)).dim[turn];
	if (!(b = tree_param(t, name, ".bias", (Shape){1, {out}})))
		return NULL;
	json_put_str(o, "bias", b);
	return o;
}

static const char *
extra_param(Tree *t, int file, const char *prefix, const char *name, int rank)
{
	const SafeFile *f = &t->from->file[file];
	Found x = {.canon = arena_str(t->a, "%s%s", prefix, name),
	           .source = name,
	           .tensor = dict_get(f->byname, name),
	           .file = file};
	Shape want = {rank, {-1, -1}};

	if (!x.tensor)
		return fail(t->c, QE_INPUT, "%s: tensor '%s' is missing",
		            f->path, name),
		       NULL;
	if (!check_tensor(t, &x, &want))
		return note(t->c, "%s", f->path), NULL;
	enter(t, &x);
	return x.canon;
}

Json *
tree_extra_linear(Tree *t, int file, const char *prefix, bool bias)
{
	Json *o = json_new(t->a);
	const char *w = extra_param(t, file, prefix, "linear.weight", 2), *b;

	if (!w)
		return NULL;
	json_put_str(o, "weight", w);
	if (!bias)
		return o;
	if (!(b = extra_param(t, file, prefix, "linear.bias", 1)))
		return NULL;
	json_put_str(o, "bias", b);
	return o;
}

Json *
tree_extra_norm(Tree *t, int file, const char *prefix)
{
	Json *o = json_new(t->a);
	const char *w = extra_param(t, file, prefix, "norm.weight", 1),
		   *b = w ? extra_param(t, file, prefix, "norm.bias", 1) : NULL;

	if (!b)
		return NULL;
	json_put_str(o, "kind", "ln");
	json_put_num(o, "eps", 1e-5);
	json_put_int(o, "width", tree_shape(tree_tensor(t, w)).dim[0]);
	json_put_str(o, "weight", w);
	json_put_str(o, "bias", b);
	return o;
}

Json *
tree_step(Tree *t, const char *step, int n, const int64_t *arg)
{
	Json *o = json_new_array(t->a);

	json_push(o, json_object_new_string(step));
	for (int i = 0; i < n; i++)
		json_push(o, json_object_new_int64(arg[i]));
	return o;
}

const char *
tree_derive(Tree *t, const char *name, Json *from, Json *steps, Shape shape)
{
	Json *o = json_new(t->a);
	const char *first = json_str(json_at(from, 0), "");

	json_put_str(o, "dtype",
	             json_get_str(tree_tensor(t, first), "dtype", "F32"));
	tree_put(o, "shape", shape_json(t, &shape));
	tree_put(o, "from", from);
	tree_put(o, "steps", steps);
	tree_put(t->tensors, name, o);
	return name;
}

const char *
tree_row(Tree *t, const Json *name, int64_t n)
{
	Json *from = json_new_array(t->a), *steps = json_new_array(t->a);
	const char *w = tree_param(t, name, "", (Shape){2, {1, n}});

	if (!w)
		return NULL;
	json_push(from, json_object_new_string(w));
	json_push(steps, json_share(tree_step(t, "reshape", 1, &n)));
	return tree_derive(t, arena_str(t->a, "%s.flat", w), from, steps,
	                   (Shape){1, {n}});
}

static Json *
list_of(Tree *t, Json *only)
{
	Json *list = json_new_array(t->a);

	json_push(list, json_share(only));
	return list;
}

static Json *
name_list(Tree *t, const char *name)
{
	return list_of(t, json_own(t->a, json_object_new_string(name)));
}

/* "x.c_attn.weight" and part "q": "x.c_attn.q.weight" */
static char *
part_name(Tree *t, const char *whole, const char *part)
{
	const char *dot = strrchr(whole, '.');

	return arena_str(t->a, "%.*s.%s%s", (int)(dot - whole), whole, part,
	                 dot);
}

static const char *
slice(Tree *t, const char *whole, const char *part, int axis, int64_t from,
      int64_t to)
{
	Shape s = tree_shape(tree_tensor(t, whole));
	Json *steps = list_of(t, tree_step(t, "slice", 3,
	                                   (int64_t[]){axis, from, to}));

	s.dim[axis] = to - from;
	return tree_derive(t, part_name(t, whole, part), name_list(t, whole),
	                   steps, s);
}

Json *
tree_rows(Tree *t, const Json *whole, const char *part, int64_t from,
          int64_t to)
{
	static const char *const names[] = {"weight", "bias"};
	bool turn = json_get_bool(whole, "in_out", false);
	Json *o = json_new(t->a);

	for (int i = 0; i < (int)LEN(names); i++) {
		const char *w = json_get_str(whole, names[i], NULL);

		if (w)
			json_put_str(o, names[i],
			             slice(t, w, part, turn && !i, from, to));
	}
	if (turn)
		json_put_bool(o, "in_out", true);
	return o;
}

/* ---- norms ---- */

static const char *
norm_param(Tree *t, const Json *name, const char *suffix, const Json *alt,
           size_t which, int64_t width)
{
	const char *other = json_str(json_at(alt, which), NULL);

	other = other ? arena_str(t->a, ".%s", other) : NULL;
	if (other && !tree_has(t, name, suffix) && tree_has(t, name, other))
		suffix = other;
	return tree_param(t, name, suffix, (Shape){1, {width}});
}

/* (1 + w): the sum is a float32 whatever w is, as in the reference */
static const char *
plus_one(Tree *t, const char *w, int64_t width)
{
	char *name = arena_str(t->a, "%s_plus_1", w);
	Json *steps = json_new_array(t->a);

	json_push(steps, json_share(tree_step(t, "float", 0, NULL)));
	json_push(steps, json_share(tree_step(t, "add", 1, (int64_t[]){1})));
	tree_derive(t, name, name_list(t, w), steps, (Shape){1, {width}});
	json_put_str(json_get(t->tensors, name), "dtype", "F32");
	return name;
}

static const Json *
norm_key(const Json *own, const Json *file, const char *key)
{
	return json_has(own, key) ? json_get(own, key) : json_get(file, key);
}

Json *
tree_norm(Tree *t, const Json *name, const Json *own, int64_t width)
{
	const Json *file = arch_part(t->c, t->a, &t->env, t->arch, "norm");
	const Json *alt = norm_key(own, file, "alt");
	const char *kind = json_str(norm_key(own, file, "kind"), "rms");
	const char *w, *b;
	Json *o = json_new(t->a);

	if (!file && !t->c->status)
		fail(t->c, QE_INPUT, "section 'norm' is missing");
	if (!file)
		return NULL;
	json_put_str(o, "kind", kind);
	json_put_num(o, "eps", json_num(norm_key(own, file, "eps"), 1e-6));
	json_put_int(o, "width", width);
	if (!json_true(norm_key(own, file, "weight"), true))
		return o;
	w = norm_param(t, name,
	               arena_str(t->a, ".%s",
	                         json_str(norm_key(own, file, "param"),
	                                  "weight")),
	               alt, 0, width);
	if (!w)
		return NULL;
	if (json_true(norm_key(own, file, "plus1"), false))
		w = plus_one(t, w, width);
	json_put_str(o, "weight", w);
	if (!json_true(norm_key(own, file, "bias"), strcmp(kind, "ln") == 0))
		return o;
	if (!(b = norm_param(t, name, ".bias", alt, 1, width)))
		return NULL;
	json_put_str(o, "bias", b);
	return o;
}

/* Elements [from, to) of axis 1 of the rows seen as [outer, parts, inner];
 * the rows are axis 0, of an [in, out] weight axis 1. */
static const char *
cut(Tree *t, const char *whole, const char *part, bool in_out,
    const int64_t *view, int64_t from, int64_t to)
{
	Shape s = tree_shape(tree_tensor(t, whole));
	int axis = in_out && s.rank == 2, n = 0;
	Json *steps = json_new_array(t->a), *list = json_new_array(t->a);
	const char *dot = strrchr(whole, '.');
	int64_t dims[8], rows = view[0] * (to - from) * view[2];

	for (int i = 0; i < s.rank; i++) {
		if (i != axis) {
			dims[n++] = s.dim[i];
			continue;
		}
		memcpy(dims + n, view, 3 * sizeof *view);
		n += 3;
	}
	json_push(steps, json_share(tree_step(t, "reshape", n, dims)));
	json_push(steps,
	          json_share(tree_step(t, "slice", 3,
	                               (int64_t[]){axis + 1, from, to})));
	s.dim[axis] = rows;
	json_push(steps, json_share(tree_step(t, "reshape", s.rank, s.dim)));
	json_push(list, json_object_new_string(whole));
	return tree_derive(t,
	                   arena_str(t->a, "%.*s.%s%s", (int)(dot - whole),
	                             whole, part, dot),
	                   list, steps, s);
}

Json *
tree_cut(Tree *t, const Json *whole, const char *part, const int64_t *view,
         int64_t from, int64_t to)
{
	static const char *const names[] = {"weight", "bias"};
	bool in_out = json_get_bool(whole, "in_out", false);
	Json *o = json_new(t->a);

	if (view[0] == 1)
		return tree_rows(t, whole, part, from * view[2], to * view[2]);
	for (size_t i = 0; i < LEN(names); i++) {
		const char *w = json_get_str(whole, names[i], NULL);

		if (w)
			json_put_str(o, names[i],
			             cut(t, w, part, in_out, view, from, to));
	}
	if (in_out)
		json_put_bool(o, "in_out", true);
	return o;
}
