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

static Json *
section(Tree *t, const char *name)
{
	t->env.steps = &t->steps;
	t->steps = EXPR_STEPS;
	return arch_part(t->c, t->a, &t->env, t->arch, name);
}

/* one that must be there */
static const Json *
need(Tree *t, const char *name)
{
	const Json *o = section(t, name);

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

bool
tree_let(Tree *t, const char *name, int64_t *out)
{
	Val v;

	if (!json_has(t->env.let, name))
		return fail(t->c, QE_INPUT, "let '%s' is missing", name);
	if (!eval(t, json_get(t->env.let, name), &v))
		return false;
	if (v.kind != V_NUM || v.num < 1 || v.num > 1e9 ||
	    v.num != (double)(int64_t)v.num)
		return fail(t->c, QE_INPUT,
		            "%s is %s, wanted a whole number over 0",
		            keys_of(t, name),
		            v.kind == V_NULL  ? "missing"
		            : v.kind == V_NUM ? arena_str(t->a, "%g", v.num)
		                              : "no number");
	*out = (int64_t)v.num;
	return true;
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
		if (section(t, *name))
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
	const char *todo = json_get_str(spec, "do", "");
	Val moe = {.kind = V_NULL};

	if (strcmp(todo, "mlp") == 0 && json_get(t->arch, "moe")) {
		if (!eval(t, json_get(json_get(t->arch, "moe"), "when"), &moe))
			return NULL;
		todo = val_true(&moe) ? "moe" : "mlp";
	}
	if (json_get(spec, "in")) {
		if (!(n = tree_norm(t, json_get(spec, "in"), NULL, t->hidden)))
			return NULL;
		tree_put(o, "in", n);
	}
	if (!(b = choose(t, todo)))
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

	if (!tree_let(t, "L", &n))
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

/* Two stacks generate text together, or the first is a model of its own. */
static bool
class_fits(const Tree *t, const char *class)
{
	bool both = strcmp(t->task, "text2text-generation") == 0;

	if (!json_get(t->arch, "encoder"))
		return !both;
	return both || str_ends(class, "EncoderModel");
}

/* The task is what the class does; a configuration without a class is
 * taken for what its kind is mostly used for. */
static bool
find_task(Tree *t)
{
	const Json *list = json_get(t->config, "architectures");
	const char *class = json_str(json_at(list, 0), NULL);

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
	for (size_t i = 0; i < LEN(tasks); i++)
		if (str_ends(class, tasks[i].suffix)) {
			t->task = tasks[i].task;
			break;
		}
	if (!t->task || !class_fits(t, class))
		return fail(t->c, QE_INPUT, "class '%s' is not supported",
		            class);
	return true;
}

static bool
find_prefix(Tree *t)
{
	const Json *list = json_get(json_get(t->arch, "names"), "prefix");
	const Json *tok = json_get(json_get(t->arch, "embed"), "tok");

	for (size_t i = 0; i < json_len(list); i++) {
		t->prefix = json_str(json_at(list, i), "");
		if (tree_has(t, tok, ".weight"))
			break;
	}
	if (!tree_has(t, tok, ".weight"))
		t->prefix = json_str(json_at(list, 0), "");
	t->canon = strcmp(t->task, "feature-extraction") == 0
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
	if (json_get(e, "proj") && width != t->hidden) {
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

static const char *
tied_weight(const Tree *t)
{
	return json_get_str(json_get(t->root, "embed"), "weight", "");
}

/* One layer of a head: linear, activation, norm. */
static Json *
head_layer(Tree *t, const Json *spec, int64_t *width)
{
	const Json *w = json_get(spec, "w"), *b = json_get(spec, "b");
	int64_t out = -1;
	Json *o;

	if (json_get_bool(spec, "tie", false)) {
		o = json_new(t->a);
		json_put_str(o, "weight", tied_weight(t));
		out = json_get_int(t->root, "vocab", 0);
		tree_has(t, w, ".weight");
	} else if (!(o = tree_linear(t, w, out, *width,
	                             !b && json_get_bool(spec, "bias", true))))
		return NULL;
	else
		out = tree_shape(tree_tensor(t, json_get_str(o, "weight", "")))
		              .dim[0];
	if (b) {
		const char *name = tree_param(t, b, "", (Shape){1, {out}});

		if (!name)
			return NULL;
		json_put_str(o, "bias", name);
	}
	*width = out;
	tree_put(o, "act", json_get(spec, "act"));
	if (json_get(spec, "norm")) {
		Json *n = tree_norm(t, json_get(spec, "norm"), NULL, out);

		if (!n)
			return NULL;
		tree_put(o, "norm", n);
	}
	return o;
}

static bool
head_layers(Tree *t, const Json *list, int64_t *width, Json *o)
{
	Json *out = json_new_array(t->a), *l;

	for (size_t i = 0; i < json_len(list); i++) {
		if (!(l = head_layer(t, json_at(list, i), width)))
			return false;
		json_push(out, json_share(l));
	}
	if (list)
		tree_put(o, "layers", out);
	return true;
}

static int64_t
embed_width(const Tree *t)
{
	return tree_shape(tree_tensor(t, tied_weight(t))).dim[1];
}

/* [1,V] of a head as the [V] that a linear module has */
static bool
head_bias(Tree *t, const Json *name, int64_t vocab, Json *o)
{
	Json *from = json_new_array(t->a), *steps = json_new_array(t->a);
	const char *w;

	if (!tree_has(t, name, ""))
		return true;
	if (!(w = tree_param(t, name, "", (Shape){2, {1, vocab}})))
		return false;
	json_push(from, json_object_new_string(w));
	json_push(steps, json_share(tree_step(t, "reshape", 1, &vocab)));
	json_put_str(o, "bias",
	             tree_derive(t, arena_str(t->a, "%s.flat", w), from, steps,
	                         (Shape){1, {vocab}}));
	return true;
}

/* A head that may be missing and is, is the embedding. */
static bool
is_tied(Tree *t, const Json *head)
{
	return json_get_bool(head, "tie", false) ||
	       (json_get_bool(head, "optional", false) &&
	        !tree_has(t, json_get(head, "w"), ".weight"));
}

static Json *
lm_head(Tree *t)
{
	static const char *const plain[] = {"mul", "div", "cap"};
	const Json *h = section(t, "head");
	int64_t vocab = json_get_int(t->root, "vocab", 0);
	int64_t width = t->hidden;
	Json *proj = NULL;
	bool bias;
	Json *o;

	if (!h)
		return NULL;
	bias = json_get_bool(h, "bias", false);
	if (json_get(h, "proj")) {
		width = embed_width(t);
		if (!(proj = tree_linear(t, json_get(h, "proj"), width,
		                         t->hidden, false)))
			return NULL;
	}
	if (is_tied(t, h)) {
		o = json_new(t->a);
		json_put_str(o, "weight", tied_weight(t));
		if (bias)
			json_put_str(o, "bias",
			             tree_param(t, json_get(h, "w"), ".bias",
			                        (Shape){1, {vocab}}));
		/* a tied head may stand in the file once more */
		tree_skip(t, json_get(h, "w"));
	} else {
		o = tree_linear(t, json_get(h, "w"), vocab, width, bias);
	}
	if (!o || !head_layers(t, json_get(h, "layers"), &width, o) ||
	    !head_bias(t, json_get(h, "b"), vocab, o))
		return NULL;
	tree_put(o, "proj", proj);
	for (size_t i = 0; o && i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(h, plain[i]));
	return t->c->status ? NULL : o;
}

static Json *
pooler(Tree *t)
{
	const Json *spec = section(t, "pooler");
	int64_t width = t->hidden;

	if (!spec || (!tree_has(t, json_get(spec, "w"), ".weight") &&
	              json_get_bool(spec, "optional", true)))
		return NULL;
	return head_layer(t, spec, &width);
}

static Json *
task_head(Tree *t)
{
	const Json *spec = json_get(json_get(t->arch, "tasks"), t->task);
	Json *o = json_new(t->a), *e;
	int64_t width = t->hidden;

	if (!spec)
		return fail(t->c, QE_INPUT,
		            "task '%s' is not known to architecture '%s'",
		            t->task, json_get_str(t->arch, "model_type", "?")),
		       NULL;
	if (!(e = arch_eval(t->c, t->a, &t->env, "task", spec)))
		return NULL;
	tree_put(o, "in", json_get(e, "in"));
	return head_layers(t, json_get(e, "layers"), &width, o) ? o : NULL;
}

/* Heads: a language model's, or a pooler and the task's layers. */
static bool
heads(Tree *t)
{
	Json *o;
	const char *in;

	if (task_generates(t->task)) {
		if (!(o = lm_head(t)))
			return t->c->status
			               ? note(t->c, "head")
			               : fail(t->c, QE_INPUT,
			                      "architecture '%s' has no "
			                      "language model head",
			                      json_get_str(t->arch,
			                                   "model_type", "?"));
		tree_put(t->root, "head", o);
		return true;
	}
	/* the same checkpoint may serve the language model */
	tree_skip(t, json_get(json_get(t->arch, "head"), "w"));
	o = NULL;
	if (strcmp(t->task, "feature-extraction") != 0) {
		if (!(o = task_head(t)))
			return note(t->c, "head");
		tree_put(t->root, "task_head", o);
	}
	in = json_get_str(o, "in", "pooler");
	if (strcmp(in, "pooler") == 0)
		tree_put(t->root, "pooler", pooler(t));
	return !t->c->status;
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
	             kind.kind == V_STR ? kind.str : "decoder");
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
	if (arch && !task_generates(t->task)) {
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
	return heads(t) && check_surplus(t);
}
