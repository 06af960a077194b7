/* SPDX-License-Identifier: BSD-3-Clause
 * optimize.c - stage 4: ONNX becomes better ONNX.
 *
 * Weights stay in the files they are in; only --verify and passes that say
 * so read them.  Tokenizer files are referred to by paths that depend on
 * where the model is, so those change when it moves. */

#include "document.h"
#include "json.h"
#include "onnx.h"
#include "op.h"
#include "pass.h"

typedef struct Run {
	Ctx *c;
	Arena a;
	const qe_optimize *opt;
	Graph *g;
	Edit edit;
	Trial trial;
} Run;

/* What reading could not refuse is the answer no. */
static bool
check(Ctx *c, Graph *g)
{
	if (graph_verify(c, g) && graph_infer(c, g, false)) {
		say(c, 1, "%d nodes, %d inputs, %d outputs, %d functions",
		    g->nnode, g->nin, g->nout, g->nfunc);
		return true;
	}
	if (c->status == QE_INPUT)
		c->status = QE_NO;
	return false;
}

/* Passes, and what options ask for in the same way. */
static const Pass **
steps(Run *r)
{
	const Pass **list = pass_list(r->c, &r->a, r->opt->passes), **more;
	int n = 0;

	if (!list || !r->opt->fp16)
		return list;
	while (list[n])
		n++;
	more = NEWV(&r->a, const Pass *, n + 2);
	memcpy(more, list, (size_t)n * sizeof *list);
	more[n] = *pass_list(r->c, &r->a, "fp16");
	return more;
}

static bool
run_step(Run *r, const Pass *p)
{
	if (!pass_run(r->c, r->g, p, &r->edit))
		return false;
	return !r->opt->bisect || !r->edit.changes ||
	       trial_check(r->c, &r->trial, r->g) ||
	       note(r->c, "pass '%s'", p->name);
}

/* The usual ones feed each other; a list is run as it stands. */
static bool
run_steps(Run *r, const Pass **list)
{
	enum { ROUNDS = 8 };
	int rounds = r->opt->passes ? 1 : ROUNDS, changes = 1;

	while (rounds-- && changes) {
		changes = 0;
		for (const Pass **p = list; *p; p++) {
			if (!run_step(r, *p))
				return false;
			changes += r->edit.changes;
		}
	}
	return true;
}

static bool
rewrite(Run *r)
{
	const qe_optimize *o = r->opt;
	const Pass **list = steps(r);
	bool compare = o->verify || o->bisect;

	if (!list || !graph_verify(r->c, r->g))
		return false;
	if (o->extract && !graph_extract(r->c, r->g, o->extract))
		return note(r->c, "--extract");
	for (const char *const *f = o->fix; f && *f; f++)
		if (!graph_fix(r->c, r->g, *f))
			return note(r->c, "--fix-shape");
	r->trial.rtol = o->rtol;
	r->trial.atol = o->atol;
	if (compare && !trial_open(r->c, &r->trial, r->g))
		return false;
	if (!run_steps(r, list))
		return false;
	if (o->opset && !graph_set_opset(r->c, r->g, o->opset))
		return note(r->c, "--opset");
	return !compare || trial_check(r->c, &r->trial, r->g);
}

/* ---- metadata ---- */

static Json *
options(Run *r)
{
	const qe_optimize *o = r->opt;
	Json *j = json_new(&r->a);

	if (o->passes)
		json_put_str(j, "passes", o->passes);
	if (o->extract)
		json_put_str(j, "extract", o->extract);
	if (o->fix && *o->fix)
		json_put(j, "fix-shape", json_object_new_array());
	for (const char *const *f = o->fix; f && *f; f++)
		json_push(json_get(j, "fix-shape"), json_object_new_string(*f));
	if (o->fp16)
		json_put_bool(j, "fp16", true);
	if (o->opset)
		json_put_int(j, "opset", o->opset);
	if (o->materialize)
		json_put_bool(j, "materialize", true);
	return j;
}

/* A metadata entry as JSON; `none` where there is none. */
static Json *
get_meta(Run *r, const char *key, Json *none)
{
	const char *text = dict_get(r->g->meta, key);
	Json *j = text ? json_parse(r->c, &r->a, SPAN(text)) : none;

	if (text && !j)
		note(r->c, "metadata '%s'", key);
	return j;
}

static void
put_meta(Run *r, const char *key, const Json *value)
{
	Buf *b = buf_new(&r->a);

	json_print(b, value, 0);
	dict_set(r->g->meta, key, b->p);
}

static bool
add_maker(Run *r)
{
	Json *list = get_meta(r, "qeff.provenance", json_new_array(&r->a));
	Json *doc = json_new(&r->a);

	if (!list)
		return false;
	if (!json_is(list, json_type_array))
		return fail(r->c, QE_INPUT,
		            "metadata 'qeff.provenance': not an array");
	json_put(doc, "provenance", json_share(list));
	document_maker(r->c, doc, options(r));
	put_meta(r, "qeff.provenance", list);
	return true;
}

/* The folder of a file; NULL for a pipe. */
static const char *
folder(Run *r, const char *path)
{
	return strcmp(path, "-") == 0
	               ? NULL
	               : path_absolute(r->c, &r->a, path_dir(&r->a, path));
}

/* Paths as the input has them, made absolute. */
static void
absolute(Run *r, Json *refs, const char *dir)
{
	json_object_object_foreach(refs, name, o)
	{
		const char *path = json_get_str(o, "path", NULL);

		(void)name;
		if (path && *path != '/')
			json_put_str(o, "path", path_join(&r->a, dir, path));
	}
}

static bool
move_tokenizer(Run *r)
{
	const char *from = folder(r, r->opt->in), *to = folder(r, r->opt->out);
	Json *refs = get_meta(r, "qeff.tokenizer", NULL);

	if (r->c->status)
		return false;
	if (!refs || (!from && !to) || (from && to && !strcmp(from, to)))
		return true;
	if (!json_is(refs, json_type_object))
		return fail(r->c, QE_INPUT,
		            "metadata 'qeff.tokenizer': not an object");
	if (from)
		absolute(r, refs, from);
	if (!(refs = refs_from(r->c, &r->a, refs, to)))
		return false;
	put_meta(r, "qeff.tokenizer", refs);
	return true;
}

static bool
optimize(Run *r)
{
	const qe_optimize *o = r->opt;
	OnnxWrite to = {.path = o->out, .materialize = o->materialize};

	if (!onnx_read(r->c, &r->a, o->in, &r->g))
		return false;
	if (o->check)
		return check(r->c, r->g) || note(r->c, "%s", o->in);
	if (!rewrite(r))
		return note(r->c, "%s", o->in);
	to.materialize = to.materialize || r->edit.materialize;
	return move_tokenizer(r) && add_maker(r) && onnx_write(r->c, r->g, &to);
}

bool
qe_onnx_optimize(qe_ctx *c, const qe_optimize *opt)
{
	Run r = {.c = c, .opt = opt};
	bool ok = optimize(&r);

	arena_free(&r.trial.mem);
	arena_free(&r.a);
	return ok;
}
