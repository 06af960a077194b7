/* SPDX-License-Identifier: BSD-3-Clause
 * tree_heads.c - what stands behind the last layer: the head of a language
 * model, or a pooler and the layers of a task.
 *
 * Which of them counts is the task's to say; the heads of other tasks may be
 * in the checkpoint and are passed over. */

#include "tree.h"

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
	const char *w;

	if (!tree_has(t, name, ""))
		return true;
	if (!(w = tree_row(t, name, vocab)))
		return false;
	json_put_str(o, "bias", w);
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
	const Json *h = tree_section(t, "head");
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
	const Json *spec = tree_section(t, "pooler");
	int64_t width = t->hidden;

	if (!spec || (!tree_has(t, json_get(spec, "w"), ".weight") &&
	              json_get_bool(spec, "optional", true)))
		return NULL;
	return head_layer(t, spec, &width);
}

static Json *part(Tree *t, const Json *spec);

/* {"in", "layers", "as", "flat", "also": [the same]} */
static bool
part_more(Tree *t, const Json *spec, Json *o)
{
	static const char *const plain[] = {"in", "as", "flat", "eos"};
	const Json *also = json_get(spec, "also");
	Json *list = json_new_array(t->a), *p;

	for (size_t i = 0; i < LEN(plain); i++)
		tree_put(o, plain[i], json_get(spec, plain[i]));
	for (size_t i = 0; i < json_len(also); i++) {
		if (!(p = part(t, json_at(also, i))))
			return false;
		json_push(list, json_share(p));
	}
	if (also)
		tree_put(o, "also", list);
	return true;
}

static Json *
part(Tree *t, const Json *spec)
{
	Json *o = json_new(t->a);
	int64_t width = t->hidden;

	if (strcmp(json_get_str(spec, "in", ""), "pooler") == 0) {
		tree_put(t->root, "pooler", pooler(t));
		if (!json_get(t->root, "pooler") && !t->c->status)
			fail(t->c, QE_INPUT,
			     "the pooler that the head reads is missing");
	}
	return !t->c->status && part_more(t, spec, o) &&
	                       head_layers(t, json_get(spec, "layers"), &width,
	                                   o)
	               ? o
	               : NULL;
}

static Json *
task_head(Tree *t)
{
	const Json *spec = json_get(json_get(t->arch, "tasks"), t->task);
	Json *e;

	if (!spec)
		return fail(t->c, QE_INPUT,
		            "task '%s' is not known to architecture '%s'",
		            t->task, json_get_str(t->arch, "model_type", "?")),
		       NULL;
	t->steps = EXPR_STEPS;
	if (!(e = arch_eval(t->c, t->a, &t->env, "task", spec)))
		return NULL;
	return part(t, e);
}

/* The heads of other tasks may be in the checkpoint too. */
static void
skip_task(Tree *t, const Json *spec)
{
	const Json *layers = json_get(spec, "layers"), *also;

	for (size_t i = 0; i < json_len(layers); i++) {
		const Json *l = json_at(layers, i);

		tree_skip(t, json_get(l, "w"));
		tree_skip(t, json_get(l, "b"));
		tree_skip(t, json_get(l, "norm"));
	}
	also = json_get(spec, "also");
	for (size_t i = 0; i < json_len(also); i++)
		skip_task(t, json_at(also, i));
}

static void
skip_others(Tree *t)
{
	const Json *all = json_get(t->arch, "tasks"), *e;

	tree_skip(t, json_get(json_get(t->arch, "head"), "w"));
	if (!all)
		return;
	json_object_object_foreach((Json *)(uintptr_t)all, task, spec)
	{
		t->steps = EXPR_STEPS;
		if (spec && strcmp(task, t->task) != 0 &&
		    (e = arch_eval(t->c, t->a, &t->env, "task", spec)))
			skip_task(t, e);
	}
}

static bool
language_head(Tree *t)
{
	const char *type = json_get_str(t->arch, "model_type", "?");
	Json *o = lm_head(t);

	if (!o)
		return t->c->status ? note(t->c, "head")
		                    : fail(t->c, QE_INPUT,
		                           "architecture '%s' has no language "
		                           "model head",
		                           type);
	tree_put(t->root, "head", o);
	return true;
}

bool
tree_heads(Tree *t)
{
	Json *o;

	if (task_generates(t->task))
		return language_head(t);
	if (strcmp(t->task, "feature-extraction") == 0) {
		tree_put(t->root, "pooler", pooler(t));
	} else {
		if (!(o = task_head(t)))
			return note(t->c, "head");
		tree_put(t->root, "task_head", o);
	}
	skip_others(t);
	return !t->c->status;
}
