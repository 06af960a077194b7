/* SPDX-License-Identifier: BSD-3-Clause
 * drive.c - from a job to its result: plan, look whether it was made before,
 * run the compilers, keep what they made, hand it out.
 *
 * Which compilers, is a row: how they are found and what they are given. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "onnx.h"
#include "qaic.h"

typedef struct Vendor {
	const char *name; /* of the backend */
	bool (*tools)(Ctx *, Arena *, const qe_compile *, Tools *);
	PlanFn *plan;
} Vendor;

static const Vendor qaic = {"qaic", tools_qaic, qaic_plan};
static const Vendor qnn = {"qnn", tools_qnn, qnn_plan};

typedef struct Drive {
	Ctx *c;
	Arena *a;
	const QaicJob *job;
	const Vendor *vendor;
	Tools tools;
	const char *base;  /* where folders of results are */
	const char *model; /* the ONNX file, NULL while it is in: */
	const char *stage; /* a folder that it was written to */
	Plan named, plan;
	Entry entry;
} Drive;

#define STAGED "model.onnx"

/* ---- the model as a file ---- */

/* What came through a pipe becomes a file with its weights linked beside it;
 * the metadata, full of places, stays behind. */
static bool
stage_model(Drive *d)
{
	Graph g = *d->job->g;
	OnnxWrite to;

	if (strcmp(d->job->o->in, "-") != 0) {
		d->model = path_absolute(d->c, d->a, d->job->o->in);
		return d->model != NULL;
	}
	d->stage =
		arena_str(d->a, "%s/stage-%ld.part", d->base, (long)getpid());
	if (!dir_remove(d->c, d->stage) || !dir_make(d->c, d->stage))
		return false;
	g.meta = dict_new(d->a);
	to = (OnnxWrite){.path = path_join(d->a, d->stage, STAGED)};
	return onnx_write(d->c, &g, &to);
}

static const char *
model_file(const Drive *d, const char *dir)
{
	return d->model ? d->model : path_join(d->a, dir, STAGED);
}

/* ---- the key ---- */

/* Of each file of weights, all of it. */
static bool
weight_digests(Drive *d, Json *out)
{
	const Graph *g = d->job->g;
	Digest x;

	for (int i = 0; i < g->nsource; i++) {
		const Source *s = g->source[i];

		if (strcmp(s->path, "-") == 0 ||
		    strcmp(s->path, d->job->o->in) == 0)
			continue;
		progress(d->c, "reading the weights", i, g->nsource);
		if (!hash_file(d->c, s->path, &x))
			return false;
		json_put_str(out, path_base(s->path), x.hex);
	}
	progress(d->c, "reading the weights", 1, 1);
	return true;
}

static bool
compiler_digests(Drive *d, Json *out)
{
	Digest x;

	json_put_str(out, "sdk", d->tools.version);
	for (int i = 0; i < 2 && d->tools.program[i]; i++) {
		if (d->job->o->dry_run && file_size(d->tools.program[i]) < 0)
			continue;
		if (!hash_file(d->c, d->tools.program[i], &x))
			return false;
		json_put_str(out, path_base(d->tools.program[i]), x.hex);
	}
	return true;
}

/* All arguments of all commands, places left out. */
static Json *
arguments(const Plan *p)
{
	Json *list = json_object_new_array();

	for (int i = 0; i < p->ncmd; i++)
		for (int k = 1; k < p->cmd[i].n; k++)
			json_push(list,
			          json_object_new_string(p->cmd[i].arg[k]));
	return list;
}

static bool
make_key(Drive *d)
{
	Json *parts = json_new(d->a), *files = json_object_new_object(),
	     *weights = json_object_new_object(),
	     *compiler = json_object_new_object();
	Digest x;

	d->named = (Plan){.job = d->job,
	                  .tools = &d->tools,
	                  .dir = "@",
	                  .model = "@" STAGED,
	                  .named = true};
	json_put(parts, "weights file", weights);
	json_put(parts, "compiler", compiler);
	if (!d->vendor->plan(d->c, d->a, &d->named) ||
	    !hash_file(d->c, model_file(d, d->stage ? d->stage : ""), &x) ||
	    !weight_digests(d, weights) || !compiler_digests(d, compiler))
		return false;
	plan_doubts(d->c, &d->named);
	for (int i = 0; i < d->named.nfile; i++) {
		const PlanFile *f = &d->named.file[i];

		json_put_str(files, f->name,
		             hash_bytes(f->text.p, f->text.n).hex);
	}
	json_put_str(parts, "model", x.hex);
	json_put(parts, "arguments", arguments(&d->named));
	json_put(parts, "file", files);
	if (!store_entry(d->c, d->a, d->base, parts, &d->entry))
		return false;
	d->entry.from = d->job->o->in;
	return true;
}

/* ---- a folder with all that a compiler wants ---- */

static bool
plan(Drive *d, const char *dir)
{
	d->plan = (Plan){.job = d->job,
	                 .tools = &d->tools,
	                 .dir = dir,
	                 .model = model_file(d, dir)};
	return d->vendor->plan(d->c, d->a, &d->plan);
}

static bool
prepare(Drive *d, const char *dir)
{
	if (!plan(d, dir) || !dir_remove(d->c, dir))
		return false;
	if (d->stage ? rename(d->stage, dir) < 0 && !fail_errno(d->c, dir)
	             : !dir_make(d->c, dir))
		return false;
	d->stage = NULL;
	for (int i = 0; i < d->plan.nfile; i++) {
		const PlanFile *f = &d->plan.file[i];

		if (!file_write(d->c, path_join(d->a, dir, f->name), f->text.p,
		                f->text.n))
			return false;
	}
	return true;
}

/* ---- running ---- */

/* What users of these compilers ran into, by what the compiler says. */
static const char *
hint(const Child *k)
{
	static const struct {
		const char *says, *hint;
	} known[] = {
		{"type must be string, but is object",
	         "this SDK is older than 1.22: give --specialization-format flat"},
		{"Invalid option",
	         "the SDK is older or newer than the option: see its release notes"},
		{"No space left on device", "the disk is full"},
		{"bad_alloc", "the compiler ran out of memory"},
	};

	for (size_t i = 0; i < LEN(known); i++)
		for (int t = 0; t < k->ntail; t++)
			if (strstr(k->tail[t], known[i].says))
				return known[i].hint;
	if (k->status == 128 + 9)
		return "killed: did the machine run out of memory?";
	return NULL;
}

static bool
explain(Drive *d, const Command *cmd, const Child *k, const char *log)
{
	const char *more = hint(k);

	for (int i = 0; i < k->ntail; i++)
		say(d->c, 0, "| %s", k->tail[i]);
	if (k->late)
		return fail(
			d->c, QE_EXTERNAL,
			"%s: not done after %lld seconds (--timeout); log: %s",
			cmd->what, (long long)k->timeout, log);
	return fail(d->c, QE_EXTERNAL, "%s: exit status %d%s%s; log: %s",
	            cmd->what, k->status, more ? ": " : "", more ? more : "",
	            log);
}

static void
log_command(Buf *b, const Command *cmd)
{
	for (int i = 0; i < cmd->n; i++) {
		const char *s = cmd->arg[i];
		bool plain =
			*s && strspn(s, "abcdefghijklmnopqrstuvwxyz"
		                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		                        "0123456789_-+=./:,@%") == strlen(s);

		buf_str(b, i ? " " : "");
		buf_str(b, plain ? "" : "'");
		for (; *s; s++)
			if (*s == '\'')
				buf_str(b, "'\\''");
			else
				buf_char(b, *s);
		buf_str(b, plain ? "" : "'");
	}
	buf_char(b, '\n');
}

/* The log stays when the folder goes. */
static bool
run_all(Drive *d)
{
	const char *path = d->job->o->log
	                           ? d->job->o->log
	                           : arena_str(d->a, "%s.log", d->entry.dir);
	Out *log = out_open(d->c, d->a, path);
	Buf *line = buf_new(d->a);
	bool ok = log != NULL;

	if (ok && d->vendor == &qnn)
		ok = dir_make(d->c, path_join(d->a, d->entry.part, "qpc"));
	for (int i = 0; ok && i < d->plan.ncmd; i++) {
		Child k = {.arg = d->plan.cmd[i].arg,
		           .log = log,
		           .timeout = d->job->o->timeout};

		buf_clear(line);
		log_command(line, &d->plan.cmd[i]);
		say(d->c, 1, "running %.*s", (int)line->n - 1, line->p);
		ok = out_write(d->c, log, line->p, line->n) &&
		     child_run(d->c, d->a, &k);
		if (ok && (k.status || k.late))
			ok = explain(d, &d->plan.cmd[i], &k, path);
	}
	if (log && d->c->status == QE_EXTERNAL) {
		Ctx trial = {.tool = d->c->tool};

		out_commit(&trial, log);
		arena_free(&trial.mem);
	}
	return ok && (!d->job->o->log || out_commit(d->c, log));
}

static bool
make(Drive *d)
{
	return prepare(d, d->entry.part) && run_all(d) &&
	       store_publish(d->c, d->a, &d->entry, d->plan.binary);
}

/* Whatever is half done goes away, also when the user said stop. */
static void
sweep(Drive *d)
{
	Ctx trial = {.tool = d->c->tool};

	if (d->stage)
		dir_remove(&trial, d->stage);
	if (d->entry.part)
		dir_remove(&trial, d->entry.part);
	arena_free(&trial.mem);
}

/* ---- handing out ---- */

static Json *
describe(Drive *d)
{
	Json *m = d->job->manifest, *k = json_object_new_object(),
	     *list = json_object_new_array();
	const Specs *s = d->job->specs;

	json_put_str(m, "backend", d->vendor->name);
	json_put_str(k, "name", d->plan.cmd[d->plan.ncmd - 1].what);
	json_put_str(k, "sdk", d->tools.version);
	json_put(k, "arguments", arguments(&d->named));
	json_put(m, "compiler", k);
	json_put_int(m, "devices", plan_devices(d->job->o));
	for (int i = 0; i < s->n; i++) {
		Json *e = json_object_new_object(),
		     *sym = json_object_new_object();

		for (int b = 0; b < s->spec[i].nbind; b++)
			json_put_int(sym, s->spec[i].bind[b].sym,
			             s->spec[i].bind[b].n);
		json_put_str(e, "name", s->spec[i].name);
		json_put(e, "symbols", sym);
		json_push(list, e);
	}
	json_put(m, "specializations", list);
	return m;
}

static bool
write_bytes(Ctx *c, QpcWriter *w, const char *name, Span s)
{
	return qpc_begin(c, w, name) && qpc_write(c, w, s.p, s.n);
}

/* The archive: tokenizer and so on, the compiler's files, its result. */
static bool
write_package(Drive *d)
{
	const QaicJob *j = d->job;
	int n = j->nextra + d->named.nfile + 1, at = 0;
	QpcMember *m = NEWV(d->a, QpcMember, n);
	const char *binary = path_join(d->a, d->entry.dir, d->plan.binary);
	QpcWriter *w;

	for (int i = 0; i < j->nextra; i++)
		m[at++] = j->extra[i];
	for (int i = 0; i < d->named.nfile; i++)
		m[at++] = (QpcMember){d->named.file[i].name,
		                      (int64_t)d->named.file[i].text.n};
	m[at] = (QpcMember){"programqpc.bin", file_size(binary)};
	w = qpc_create(d->c, d->a, j->o->out, describe(d), m, n);
	if (!w)
		return false;
	for (int i = 0; i < j->nextra; i++)
		if (!write_bytes(d->c, w, m[i].name, j->extra_data[i]))
			return false;
	for (int i = 0; i < d->named.nfile; i++)
		if (!write_bytes(d->c, w, d->named.file[i].name,
		                 d->named.file[i].text))
			return false;
	return qpc_file(d->c, w, "programqpc.bin", binary) &&
	       qpc_finish(d->c, w);
}

static bool
hand_out(Drive *d)
{
	const char *layout = d->job->o->layout;

	if (layout && strcmp(layout, "qefficient") == 0)
		return layout_write(d->c, d->a, &d->plan, d->vendor->plan,
		                    d->entry.dir);
	return write_package(d);
}

/* The files, and the commands as text. */
static bool
rehearse(Drive *d)
{
	Buf *b = buf_new(d->a);

	if (!prepare(d, d->entry.dir))
		return false;
	for (int i = 0; i < d->plan.ncmd; i++)
		log_command(b, &d->plan.cmd[i]);
	return file_write(d->c, d->job->o->out, b->p, b->n);
}

static bool
drive(Drive *d)
{
	const qe_compile *o = d->job->o;
	double limit = 0;
	bool ok;

	if (o->cache_limit && !str_size(o->cache_limit, &limit))
		return fail(d->c, QE_USAGE,
		            "--cache-limit '%s': wanted bytes, as 50G",
		            o->cache_limit);
	d->base = o->cache ? o->cache : path_dir(d->a, o->out);
	if (!d->vendor->tools(d->c, d->a, o, &d->tools) ||
	    !dir_make(d->c, d->base) || !stage_model(d) || !make_key(d))
		return false;
	if (o->dry_run)
		return rehearse(d);
	if (!store_lock(d->c, d->a, &d->entry))
		return false;
	if (!store_has(d->c, d->a, &d->entry, d->named.binary) &&
	    (d->c->status != QE_OK || !make(d)))
		return false;
	ok = plan(d, d->entry.dir) && hand_out(d);
	if (!o->cache)
		dir_remove(d->c, d->entry.dir);
	else if (ok && o->cache_limit)
		ok = keep_limit(d->c, d->a, d->base, limit, &d->entry);
	return ok;
}

static bool
compile_with(Ctx *c, Arena *a, const QaicJob *j, const Vendor *v)
{
	Drive d = {.c = c, .a = a, .job = j, .vendor = v};
	bool ok = drive(&d);

	sweep(&d);
	return ok;
}

bool
qaic_compile(Ctx *c, Arena *a, const QaicJob *j)
{
	return compile_with(c, a, j, &qaic);
}

bool
qnn_compile(Ctx *c, Arena *a, const QaicJob *j)
{
	return compile_with(c, a, j, &qnn);
}
