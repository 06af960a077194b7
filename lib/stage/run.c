/* SPDX-License-Identifier: BSD-3-Clause
 * run.c - stage 6: a package at work, by what the options ask for. */

#include "figures.h"
#include "task.h"

/* ---- what all kinds use ---- */

bool
task_texts(Task *t, char ***out, size_t *n)
{
	size_t cap = 0;
	Span file;
	char *end;

	*out = NULL;
	*n = 0;
	for (const char *const *p = t->o->prompts; p && *p; p++)
		PUSH(t->a, *out, *n, cap, arena_dup(t->a, *p));
	if (!t->o->file)
		return true;
	if (!file_read(t->c, t->a, t->o->file, 1u << 30, &file))
		return false;
	if (memchr(file.p, '\0', file.n))
		return fail(t->c, QE_INPUT, "%s: holds a NUL byte: not text",
		            t->o->file);
	end = arena_span(t->a, file);
	while (!t->o->lines && file.n && end[file.n - 1] == '\n')
		end[--file.n] = '\0';
	for (char *line = end; *line; line = end) {
		end = t->o->lines ? line + strcspn(line, "\n")
		                  : line + strlen(line);
		if (*end)
			*end++ = '\0';
		if (*line)
			PUSH(t->a, *out, *n, cap, line);
	}
	return true;
}

bool
task_print(Task *t, const char *p, size_t n)
{
	if (fwrite(p, 1, n, t->o->to) != n)
		return fail_errno(t->c, "<stdout>");
	return true;
}

Session *
task_open(Task *t, const char *path)
{
	const EngineOptions e = {.isa = t->o->isa,
	                         .threads = (int)t->o->threads,
	                         .backend = t->o->backend,
	                         .library = t->o->library,
	                         .devices = t->o->devices};

	return session_open(t->c, t->a, path, &e);
}

/* ---- figures ---- */

static Json *
profile(Task *t)
{
	const HostLimits *l = session_limits(t->c, t->a, t->s);

	return l ? profile_json(t->a, t->s, l) : NULL;
}

/* After the product: a table, or with --json an object of its own. */
static bool
print_profile(Task *t)
{
	Buf *b = buf_new(t->a);
	Json *o = json_new(t->a), *p = profile(t);

	if (!p)
		return false;
	if (t->o->json) {
		json_put(o, "profile", json_share(p));
		json_print(b, o, 0);
		buf_char(b, '\n');
	} else {
		profile_text(b, p);
	}
	return task_print(t, b->p, b->n);
}

/* Figures that are the product, as text or as an object with the profile. */
static bool
print_figures(Task *t, Json *r, void (*text)(Buf *, const Json *))
{
	Buf *b = buf_new(t->a);
	Json *p = NULL;

	if (!t->o->json) {
		text(b, r);
		return task_print(t, b->p, b->n);
	}
	if (t->o->profile && !(p = profile(t)))
		return false;
	if (p)
		json_put(r, "profile", json_share(p));
	t->profiled = true;
	json_print(b, r, 0);
	buf_char(b, '\n');
	return task_print(t, b->p, b->n);
}

static bool
run_bench(Task *t)
{
	BenchOptions o = {.prompt = t->o->prompt_tokens,
	                  .n = t->o->n < 0 ? 64 : t->o->n,
	                  .iterations = t->o->iterations ? t->o->iterations : 5,
	                  .roofline = t->o->roofline};
	Json *r;

	if (o.prompt < 0)
		o.prompt = t->s->prompt_len;
	if (!(r = bench(t->c, t->a, t->s, &o)))
		return false;
	return print_figures(t, r, bench_text);
}

/* ---- tensors ---- */

/* Without a place for the outputs, or when asked, the figures are what comes
 * out. */
static bool
run_named(Task *t)
{
	const qe_run *o = t->o;
	bool timed = o->iterations || o->warmup >= 0 || o->duration > 0 ||
	             (!o->output && !o->outputs);
	TensorOptions opt = {.input = o->input,
	                     .inputs = o->inputs,
	                     .output = o->output,
	                     .outputs = o->outputs,
	                     .form = o->format ? tensor_form(o->format)
	                                       : FORM_COUNT,
	                     .shapes = o->shapes,
	                     .random = o->random,
	                     .seed = o->seed,
	                     .warmup = o->warmup < 0 ? 1 : o->warmup,
	                     .iterations = o->iterations     ? o->iterations
	                                   : o->duration > 0 ? 1
	                                                     : 10,
	                     .duration = o->duration};
	Json *r;

	if (o->format && opt.form == FORM_COUNT)
		return fail(t->c, QE_USAGE,
		            "--format '%s': not one of npy pb raw", o->format);
	if (!run_tensors(t->c, t->a, t->s, &opt, timed ? &r : NULL))
		return false;
	return !timed || print_figures(t, r, latency_text);
}

/* ---- which of them ---- */

static bool
asks_tensors(const qe_run *o)
{
	return o->input || o->inputs || o->random;
}

static bool
asks_bench(const qe_run *o)
{
	return o->bench;
}

static bool
asks_score(const qe_run *o)
{
	return o->perplexity;
}

static bool
asks_labels(const qe_run *o)
{
	return o->classify || o->rerank || o->tokens;
}

static bool
asks_answers(const qe_run *o)
{
	return o->questions && *o->questions;
}

static bool
asks_vectors(const qe_run *o)
{
	return o->embed;
}

static bool
asks_text(const qe_run *o)
{
	(void)o;
	return true;
}

typedef struct Mode {
	bool (*asked)(const qe_run *);
	bool (*run)(Task *);
	bool converses; /* goes with a conversation */
} Mode;

/* The first that is asked for; text is what is left. */
static const Mode modes[] = {
	{asks_tensors, run_named, false},   {asks_bench, run_bench, false},
	{asks_score, run_score, true},      {asks_labels, run_labels, false},
	{asks_answers, run_answers, false}, {asks_vectors, run_embed, false},
	{asks_text, run_text, true},
};

static const Mode *
mode_of(const qe_run *o)
{
	const Mode *m = modes;

	while (!m->asked(o))
		m++;
	return m;
}

/* Steps are measured from the first on: what is profiled is the processor's. */
static bool
watch(Task *t)
{
	const qe_run *o = t->o;
	HostModel *host = model_host(t->s->model);

	if (!o->profile && !o->trace && !o->bench)
		return true;
	if (!host)
		return fail(
			t->c, QE_INPUT,
			"--bench, --profile, --trace: only of the processor");
	if (o->profile || o->trace)
		host_profile(host, o->trace != NULL);
	return true;
}

static bool
tell_steps(Task *t)
{
	const qe_run *o = t->o;

	return (!o->trace || profile_trace(t->c, t->s, o->trace)) &&
	       (!o->profile || t->profiled || print_profile(t));
}

bool
qe_qpc_run(qe_ctx *c, const qe_run *o)
{
	Arena a = {0};
	Task t = {.c = c, .a = &a, .o = o};
	const Mode *m = mode_of(o);
	bool ok;

	if (converse_wanted(o) && !m->converses)
		return fail(
			c, QE_USAGE,
			"a conversation is for a model that continues text");
	ok = (t.s = task_open(&t, o->package)) && watch(&t) &&
	     (!o->lora || session_adapter(c, &a, t.s, o->lora)) && m->run(&t) &&
	     tell_steps(&t);
	arena_free(&a);
	return ok;
}
