/* SPDX-License-Identifier: BSD-3-Clause
 * tree.c - builds the module tree: embedding, layers, head.
 *
 * What a layer does is data: the steps of the file's `block`, evaluated with
 * the layer's number and type.  What each step is made of, its row in
 * blocks.def knows. */

#include "tree.h"

enum { MAXLAYER = 4096 };

static const struct {
	const char *suffix, *task;
} tasks[] = {
#define TASK(suffix, task) {suffix, task},
#include "tasks.def"
#undef TASK
};

const Block blocks[] = {
#define BLOCK(name, tree, lower) {#name, tree, lower},
#include "blocks.def"
#undef BLOCK
};
const int nblock = LEN(blocks);

const Block *
block_find(const char *name)
{
	for (int i = 0; name && i < nblock; i++)
		if (strcmp(blocks[i].name, name) == 0)
			return &blocks[i];
	return NULL;
}

void
tree_put(Json *o, const char *key, Json *value)
{
	if (value)
		json_put(o, key, json_share(value));
}

static bool
eval(Tree *t, const Json *j, Val *out)
{
	t->env.steps = &t->steps;
	t->steps = EXPR_STEPS;
	return expr_json(t->c, t->a, &t->env, j, out);
}

Json *
tree_section(Tree *t, const char *name)
{
	t->env.steps = &t->steps;
	t->steps = EXPR_STEPS;
	return arch_part(t->c, t->a, &t->env, t->arch, name);
}

/* one that must be there */
static const Json *
need(Tree *t, const char *name)
{
	const Json *o = tree_section(t, name);

	if (!o && !t->c->status)
		fail(t->c, QE_INPUT, "section '%s' is missing", name);
	return o;
}

/* The keys of the configuration that a value comes from, for a message. */
static const char *
keys_of(Tree *t, const char *name)
{
	Dict *keys = dict_new(t->a);
	Buf *b = buf_new(t->a);

	expr_keys(t->a, json_get_str(t->env.let, name, ""), keys);
	for (size_t i = 0; i < keys->n; i++)
		if (keys->item[i].value)
			buf_fmt(b, "%s'%s'", b->n ? " or " : "",
			        keys->item[i].key);
	return b->n ? b->p : arena_str(t->a, "'%s'", name);
}

static bool
whole(Tree *t, const char *name, int64_t least, int64_t *out)
{
	Val v;

	if (!json_has(t->env.let, name))
		return fail(t->c, QE_INPUT, "let '%s' is missing", name);
	if (!eval(t, json_get(t->env.let, name), &v))
		return false;
	if (v.kind != V_NUM || v.num < (double)least || v.num > 1e9 ||
	    v.num != (double)(int64_t)v.num)
		return fail(t->c, QE_INPUT,
		            "%s is %s, wanted a whole number over %lld",
		            keys_of(t, name),
		            v.kind == V_NULL  ? "missing"
		            : v.kind == V_NUM ? arena_str(t->a, "%g", v.num)
		                              : "no number",
		            (long long)least - 1);
	*out = (int64_t)v.num;
	return true;
}

bool
tree_let(Tree *t, const char *name, int64_t *out)
{
	return whole(t, name, 1, out);
}

/* ---- steps ---- */

static Json *
block(Tree *t, const char *name)
{
	const Block *b = block_find(name);
	const Json *spec;
	Json *o;

	if (!b)
		return fail(t->c, QE_INPUT, "block '%s' is not known", name),
		       NULL;
	if (!(spec = need(t, name)) || !(o = b->tree(t, spec))) {
		note(t->c, "%s", name);
		return NULL;
	}
	json_put_str(o, "kind", name);
	return o;
}

/* "attn|delta": the first whose section is not switched off */
static Json *
choose(Tree *t, const char *names)
{
	char **name = str_split(t->a, names, '|');

	for (; *name; name++) {
		if (tree_section(t, *name))
			return block(t, *name);
		if (t->c->status)
			return NULL;
	}
	return fail(t->c, QE_INPUT, "no block for '%s'", names), NULL;
}

static Json *
branch(Tree *t, const Json *spec)
{
	Json *o = json_new(t->a), *b, *n;
	const char *what = json_get_str(spec, "do", "");
	Val moe = {.kind = V_NULL};

	if (strcmp(what, "mlp") == 0 && json_get(t->arch, "moe")) {
		if (!eval(t, json_get(json_get(t->arch, "moe"), "when"), &moe))
			return NULL;
		what = val_true(&moe) ? "moe" : "mlp";
	}
	if (json_get(spec, "in")) {
		if (!(n = tree_norm(t, json_get(spec, "in"), NULL, t->hidden)))
			return NULL;
		tree_put(o, "in", n);
	}
	if (!(b = choose(t, what)))
		return NULL;
	tree_put(o, "block", b);
	if (json_get(spec, "out")) {
		if (!(n = tree_norm(t, json_get(spec, "out"), NULL, t->hidden)))
			return NULL;
		tree_put(o, "out", n);
	}
	if (json_get_bool(spec, "out_res", false))
		json_put_bool(o, "out_residual", true);
	return o;
}

static Json *
step(Tree *t, const Json *spec)
{
	static const char *const norms[] = {"in", "out", "norm"};
	Json *o = json_new(t->a), *list = json_new_array(t->a), *b;
	const Json *br = json_get(spec, "br");

	for (size_t i = 0; i < json_len(br); i++) {
		if (!(b = branch(t, json_at(br, i))))
			return NULL;
		json_push(list, json_share(b));
	}
	tree_put(o, "branches", list);
	for (size_t i = 0; i < LEN(norms); i++)
		if (json_get(spec, norms[i])) {
			if (!(b = tree_norm(t, json_get(spec, norms[i]), NULL,
			                    t->hidden)))
				return NULL;
			tree_put(o, norms[i], b);
		}
	return o;
}

static Json *
layer_steps(Tree *t)
{
	const Json *block = json_get(t->arch, "block");
	Json *list = json_new_array(t->a), *spec, *o;

	for (size_t i = 0; i < json_len(block); i++) {
		t->steps = EXPR_STEPS;
		spec = arch_eval(t->c, t->a, &t->env, "step",
		                 json_at(block, i));
		if (!spec && t->c->status)
			return NULL;
		if (!spec)
			continue;
		if (!(o = step(t, spec)))
			return NULL;
		json_push(list, json_share(o));
	}
	return list;
}

/* "layers.{i}." with the number in it: {x} is the value of expression x */
static const char *
layer_name(Tree *t)
{
	const char *s = json_get_str(json_get(t->arch, "names"), "layer", "");
	Buf *b = buf_new(t->a);
	const char *end;
	Val v;

	for (; *s; s++) {
		if (*s != '{' || !(end = strchr(s, '}'))) {
			buf_char(b, *s);
			continue;
		}
		t->steps = EXPR_STEPS;
		if (!expr_eval(t->c, t->a, &t->env,
		               arena_span(t->a,
		                          (Span){s + 1, (size_t)(end - s - 1)}),
		               &v))
			return NULL;
		buf_fmt(b, "%lld", (long long)(v.kind == V_NUM ? v.num : 0));
		s = end;
	}
	return b->p;
}

static Json *
layers(Tree *t)
{
	Json *list = json_new_array(t->a), *o, *s;
	int64_t n;

	if (!whole(t, "L", 0, &n))
		return NULL;
	if (n > MAXLAYER)
		return fail(t->c, QE_INPUT, "%lld layers, at most %d",
		            (long long)n, MAXLAYER),
		       NULL;
	for (t->env.i = 0; t->env.i < n; t->env.i++) {
		o = json_new(t->a);
		if (!(t->layer = layer_name(t)))
			return NULL;
		if (!(s = layer_steps(t))) {
			note(t->c, "layer %lld", (long long)t->env.i);
			return NULL;
		}
		tree_put(o, "steps", s);
		if (t->env.types)
			json_put_str(o, "type",
			             json_str(json_at(t->env.types,
			                              (size_t)t->env.i),
			                      ""));
		json_push(list, json_share(o));
	}
	t->env.i = -1;
	t->layer = "";
	return list;
}

/* ---- what stands around the layers ---- */

bool
task_generates(const char *task)
{
	return strcmp(task, "text-generation") == 0 ||
	       strcmp(task, "text2text-generation") == 0;
}

/* Whether the decoder reads too: its ids are those of the encoder, one place
 * later. */
static bool
reads_with_both(const Tree *t, const char *class)
{
	if (task_generates(t->task) || !json_get(t->arch, "shift"))
		return false;
	return json_has(json_get(t->arch, "tasks"), t->task) ||
	       (strcmp(t->task, "feature-extraction") == 0 &&
	        !str_ends(class, "EncoderModel"));
}

/* Two stacks generate text together, or the first is a model of its own. */
static bool
class_fits(const Tree *t, const char *class)
{
	bool both = strcmp(t->task, "text2text-generation") == 0;

	if (!json_get(t->arch, "encoder"))
		return !both;
	return both || t->both || str_ends(class, "EncoderModel") ||
	       str_ends(class, "ForTokenClassification");
}

static const char *
task_of(const char *class)
{
	for (size_t i = 0; i < LEN(tasks); i++)
		if (str_ends(class, tasks[i].suffix))
			return tasks[i].task;
	return NULL;
}

/* A task that was asked for; its head must be there. */
static bool
check_task(Tree *t)
{
	Buf *b = buf_new(t->a);

	for (size_t i = 0; i < LEN(tasks); i++) {
		if (strcmp(tasks[i].task, t->task) == 0)
			return true;
		if (!i || strcmp(tasks[i].task, tasks[i - 1].task) != 0)
			buf_fmt(b, " %s", tasks[i].task);
	}
	return fail(t->c, QE_USAGE, "task '%s': not one of%s", t->task, b->p);
}

/* The task is what the class does; a configuration without a class is
 * taken for what its kind is mostly used for. */
static bool
find_task(Tree *t)
{
	const Json *list = json_get(t->config, "architectures");
	const char *class = json_str(json_at(list, 0), NULL);

	if (t->task) {
		t->both = json_has(json_get(t->arch, "tasks"), t->task);
		return check_task(t);
	}
	if (t->sentence) {
		t->task = "feature-extraction";
		return true;
	}
	if (!class) {
		t->task = json_get(t->arch, "encoder") ? "text2text-generation"
		          : json_get(t->arch, "head")  ? "text-generation"
		                                       : "feature-extraction";
		return true;
	}
	t->task = task_of(class);
	t->both = t->task && reads_with_both(t, class);
	if (!t->task || !class_fits(t, class))
		return fail(t->c, QE_INPUT, "class '%s' is not supported",
		            class);
	return true;
}

/* Whether there are tensors of layers behind the prefix. */
static bool
has_layers(const Tree *t)
{
	const char *layer =
		json_get_str(json_get(t->arch, "names"), "layer", "");
	char *start = arena_str(t->a, "%s%.*s", t->prefix,
	                        (int)strcspn(layer, "{"), layer);

	for (int f = 0; f < t->from->nfile; f++)
		for (int k = 0; k < t->from->file[f].ntensor; k++)
			if (str_starts(t->from->file[f].tensor[k].name, start))
				return true;
	return false;
}

/* The first prefix of the embedding, better of the layers too: the stacks of
 * a model may share an embedding that is outside of both. */
static bool
find_prefix(Tree *t)
{
	const Json *list = json_get(json_get(t->arch, "names"), "prefix");
	const Json *tok = json_get(json_get(t->arch, "embed"), "tok");
	const char *found = NULL;
	bool layers = false;

	for (size_t i = 0; i < json_len(list) && !layers; i++) {
		t->prefix = json_str(json_at(list, i), "");
		layers = has_layers(t);
		if (tree_has(t, tok, ".weight") && (layers || !found))
			found = t->prefix;
		else
			layers = false;
	}
	t->prefix = found ? found : json_str(json_at(list, 0), "");
	t->canon = strcmp(t->task, "feature-extraction") == 0 && !t->both
	                   ? ""
	                   : json_str(json_at(list, 0), "");
	return true;
}

static bool
find_types(Tree *t)
{
	Val v;

	if (!json_get(t->arch, "types"))
		return true;
	if (!eval(t, json_get(t->arch, "types"), &v))
		return note(t->c, "types");
	if (v.kind == V_JSON)
		t->env.types = json_copy(t->a, v.json);
	return true;
}

static Json *
positions(Tree *t, const Json *pos, int64_t width)
{
	static const char *const plain[] = {"ids", "offset", "pad",
	                                    "sin", "rows",   "late"};
	Json *o = json_new(t->a);
	const char *w = NULL;

	if (json_get_bool(pos, "late", false))
		width = t->hidden;

	if (json_get(pos, "sin"))
		json_put_int(o, "width", width);
	else if (!(w = tree_param(t, json_get(pos, "w"), ".weight",
	                          (Shape){2, {-1, width}})))
		return NULL;
	if (w)
		json_put_str(o, "weight", w);
	for (size_t i = 0; i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(pos, plain[i]));
	return o;
}

static bool
embed_parts(Tree *t, const Json *e, Json *o, int64_t width)
{
	const char *w;
	Json *p;

	if (json_get(e, "pos")) {
		if (!(p = positions(t, json_get(e, "pos"), width)))
			return false;
		tree_put(o, "positions", p);
	}
	if (json_get(e, "type")) {
		if (!(w = tree_param(t, json_get(e, "type"), ".weight",
		                     (Shape){2, {-1, width}})))
			return false;
		json_put_str(o, "types", w);
	}
	if (json_get(e, "norm")) {
		bool last = json_get_bool(e, "norm_last", false);

		if (!(p = tree_norm(t, json_get(e, "norm"), NULL,
		                    last ? t->hidden : width)))
			return false;
		tree_put(o, "norm", p);
		if (last)
			json_put_bool(o, "norm_last", true);
	}
	if (json_get(e, "proj")) {
		if (!(p = tree_linear(t, json_get(e, "proj"), t->hidden, width,
		                      json_get_bool(e, "proj_bias", true))))
			return false;
		tree_put(o, "proj", p);
	}
	return true;
}

static Json *
embed(Tree *t)
{
	Json *o = json_new(t->a);
	const Json *e = need(t, "embed");
	int64_t width = json_get_int(e, "width", t->hidden);
	const char *w;

	if (!e || !(w = tree_param(t, json_get(e, "tok"), ".weight",
	                           (Shape){2, {-1, width}})))
		return NULL;
	json_put_str(o, "weight", w);
	json_put_int(t->root, "vocab", tree_shape(tree_tensor(t, w)).dim[0]);
	if (json_get_num(e, "mul", 1) != 1)
		json_put_num(o, "mul", json_get_num(e, "mul", 1));
	if (json_get_bool(e, "mask_mul", false))
		json_put_bool(o, "mask_mul", true);
	return embed_parts(t, e, o, width) ? o : NULL;
}

/* {L} in a pattern is the number of layers: what comes behind the last. */
static const char *
with_layers(const Tree *t, const char *pattern)
{
	const char *at = strstr(pattern, "{L}");
	size_t n = json_len(json_get(t->root, "layers"));

	return at ? arena_str(t->a, "%.*s%zu%s", (int)(at - pattern), pattern,
	                      n, at + 3)
	          : pattern;
}

static bool
is_ignored(const Tree *t, const char *name)
{
	const Json *list = json_get(t->arch, "ignore");

	for (size_t i = 0; i < json_len(list); i++)
		if (str_glob(with_layers(t, json_str(json_at(list, i), "")),
		             name))
			return true;
	return false;
}

static bool
check_surplus(Tree *t)
{
	for (int f = 0; f < t->from->nfile; f++)
		for (int k = 0; k < t->from->file[f].ntensor; k++) {
			const char *name = t->from->file[f].tensor[k].name;

			if (dict_has(t->used, name) || is_ignored(t, name))
				continue;
			if (t->strict)
				return fail(t->c, QE_INPUT,
				            "tensor '%s' is not of this "
				            "architecture",
				            name);
			say(t->c, 0, "tensor '%s' is not used", name);
		}
	return true;
}

static bool
describe(Tree *t)
{
	int64_t max;
	Val kind;

	if (!eval(t, json_get(t->arch, "kind"), &kind))
		return note(t->c, "kind");
	json_put_str(t->root, "kind",
	             t->both              ? "encoder"
	             : kind.kind == V_STR ? kind.str
	                                  : "decoder");
	json_put_str(t->root, "task", t->task);
	json_put_int(t->root, "hidden", t->hidden);
	json_put_str(t->root, "model_type",
	             json_get_str(t->arch, "model_type", "?"));
	if (json_has(t->env.let, "max_positions")) {
		if (!tree_let(t, "max_positions", &max))
			return false;
		json_put_int(t->root, "max_positions", max);
	}
	return true;
}

static bool
final(Tree *t)
{
	Val name;
	Json *o;

	if (!eval(t, json_get(t->arch, "final"), &name))
		return note(t->c, "final");
	if (name.kind == V_NULL)
		return true;
	if (!(o = tree_norm(t, val_json(t->a, &name), NULL, t->hidden)))
		return note(t->c, "final");
	tree_put(t->root, "final", o);
	return true;
}

/* Embedding, layers and last norm of the stack that arch describes. */
static bool
stack(Tree *t)
{
	Val layout = {.kind = V_NULL}, mul = {.kind = V_NULL};
	Json *o;

	t->env = (Env){.config = t->config,
	               .let = json_get(t->arch, "let"),
	               .i = -1};
	t->layer = "";
	t->root = json_new(t->a);
	json_put(t->root, "ropes", json_object_new_array());
	if (!find_types(t) || !find_prefix(t) ||
	    !tree_let(t, "H", &t->hidden) ||
	    !eval(t, json_get(json_get(t->arch, "linear"), "layout"),
	          &layout) ||
	    !eval(t, json_get(t->arch, "residual_mul"), &mul) || !describe(t))
		return false;
	t->in_out = layout.kind == V_STR && strcmp(layout.str, "in_out") == 0;
	if (mul.kind == V_NUM && mul.num != 1)
		json_put_num(t->root, "residual_mul", mul.num);
	if (!(o = embed(t)))
		return note(t->c, "embed");
	tree_put(t->root, "embed", o);
	if (!(o = layers(t)))
		return false;
	tree_put(t->root, "layers", o);
	return final(t);
}

bool
tree_build(Tree *t)
{
	Tree encoder;
	const Json *arch = arch_encoder(t->a, t->arch);

	t->used = dict_new(t->a);
	t->tensors = json_new(t->a);
	if (!find_task(t))
		return false;
	if (arch && !task_generates(t->task) && !t->both) {
		t->arch = arch;
		arch = NULL;
	}
	encoder = *t;
	encoder.arch = arch;
	if (arch && !stack(&encoder))
		return note(t->c, "encoder");
	if (!stack(t))
		return false;
	if (arch)
		tree_put(t->root, "encoder", encoder.root);
	if (t->both)
		tree_put(t->root, "shift", tree_section(t, "shift"));
	return tree_heads(t) && check_surplus(t);
}
