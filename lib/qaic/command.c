/* SPDX-License-Identifier: BSD-3-Clause
 * command.c - the command line of qaic-compile and the files it names.
 *
 * The order of arguments is QEfficient's: hardware, model, partitions that
 * are given, options, subfunctions, then the files that were made and the
 * folder for the result. */

#include "qaic.h"

typedef struct Make {
	Ctx *c;
	Arena *a;
	Plan *p;
	Command *cmd;
	const qe_compile *o;
	enum ModelKind kind;
} Make;

static void
put(Make *m, const char *name, const char *value)
{
	plan_arg(m->a, m->cmd,
	         value ? arena_str(m->a, "-%s=%s", name, value)
	               : arena_str(m->a, "-%s", name));
}

static void
put_int(Make *m, const char *name, int64_t value)
{
	put(m, name, arena_str(m->a, "%lld", (long long)value));
}

/* A file of the user's. */
static bool
put_given(Make *m, const char *name, const char *path)
{
	const char *shown = plan_given(m->c, m->a, m->p, path);

	if (shown)
		put(m, name, shown);
	return shown != NULL;
}

static void
put_start(Make *m)
{
	const Tools *t = m->p->tools;

	plan_arg(m->a, m->cmd, t->program[0]);
	put(m, "aic-hw", NULL);
	put(m, "aic-hw-version", t->hardware);
	put(m, "m", m->p->model);
}

/* Partitions that are known before the folder has a name. */
static bool
put_partitions(Make *m)
{
	const qe_compile *o = m->o;
	int64_t n = plan_devices(o);
	Json *mdp;

	if (o->mdp_load_partition_config)
		return put_given(m, "mdp-load-partition-config",
		                 o->mdp_load_partition_config);
	if (o->mdp_num_partitions < 2)
		return true;
	if (n % o->mdp_num_partitions && m->p->named)
		say(m->c, 0,
		    "%lld devices over %lld partitions: %lld stay idle",
		    (long long)n, (long long)o->mdp_num_partitions,
		    (long long)(n % o->mdp_num_partitions));
	mdp = mdp_pipeline(m->c, m->a, m->p->job->g, n, o->mdp_num_partitions,
	                   plan_cores(o), o->mdp_compiler_dump_path);
	if (!mdp)
		return false;
	put(m, "mdp-load-partition-config",
	    plan_json_beside(m->a, m->p,
	                     arena_str(m->a, "mdp_disagg_%lldd_%lldp.json",
	                               (long long)n,
	                               (long long)o->mdp_num_partitions),
	                     mdp));
	return true;
}

static bool
put_formats(Make *m)
{
	static const char *const known[] = {"mxfp6", "float16", NULL};
	const char *w = m->o->weights;

	if (w && !str_in(w, known))
		return fail(
			m->c, QE_USAGE,
			"--weights %s: the Qualcomm compiler makes mxfp6 and float16 of weights",
			w);
	if (strcmp(card_type(m->p->job), "float16") == 0 ||
	    (w && strcmp(w, "float16") == 0))
		put(m, "convert-to-fp16", NULL);
	if (!w || strcmp(w, "mxfp6") != 0)
		return true;
	if (m->kind == MODEL_VISION && m->p->named)
		say(m->c, 0, "--mxfp6-matmul: not of a vision encoder");
	else if (m->kind != MODEL_VISION)
		put(m, "mxfp6-matmul", NULL);
	return true;
}

static bool
put_precision(Make *m)
{
	const char *made;

	if (m->kind == MODEL_VISION)
		return true;
	if (m->o->node_precision_info)
		return put_given(m, "node-precision-info",
		                 m->o->node_precision_info);
	if (!precision_file(m->c, m->a, m->p, &made))
		return false;
	if (made)
		put(m, "node-precision-info", made);
	return true;
}

/* What follows "--": as it is, in the key with what files hold. */
static bool
put_flags(Make *m)
{
	for (const char *const *f = m->o->flags; f && *f; f++) {
		const char *eq = strchr(*f, '='), *shown;

		if (!m->p->named || !eq || file_size(eq + 1) < 0) {
			plan_arg(m->a, m->cmd, *f);
			continue;
		}
		if (!(shown = plan_given(m->c, m->a, m->p, eq + 1)))
			return false;
		plan_arg(m->a, m->cmd,
		         arena_str(m->a, "%.*s=%s", (int)(eq - *f), *f, shown));
	}
	return true;
}

static bool
has_states(const Graph *g)
{
	for (int i = 0; i < g->nout; i++)
		if (retained_input(g, g->out[i]))
			return true;
	return false;
}

static bool
put_options(Make *m)
{
	const qe_compile *o = m->o;

	if (m->p->tools->old)
		put(m, "compile-only", NULL);
	if (has_states(m->p->job->g))
		put(m, "retained-state", NULL);
	if (!put_formats(m))
		return false;
	put_int(m, "aic-num-cores", plan_cores(o));
	if (o->aic_enable_depth_first)
		put(m, "aic-enable-depth-first", NULL);
	if (o->mos > 0)
		put_int(m, "mos", o->mos);
	if (o->allow_mxint8_mdp_io)
		put(m, "allow-mxint8-mdp-io", NULL);
	if (!put_precision(m))
		return false;
	if (o->mdp_dump_partition_config)
		put(m, "mdp-dump-partition-config",
		    o->mdp_dump_partition_config);
	if (!put_flags(m))
		return false;
	if (o->use_onnx_subfunctions)
		put(m, "sub-functions", NULL);
	return true;
}

static void
put_slices(Make *m)
{
	const qe_compile *o = m->o;
	int64_t n = plan_devices(o);

	if (n < 2 || o->mdp_load_partition_config ||
	    o->mdp_num_partitions > 1 || o->mdp_dump_partition_config)
		return;
	put(m, "mdp-load-partition-config",
	    plan_json(m->a, m->p,
	              arena_str(m->a, "mdp_ts_%lld.json", (long long)n),
	              mdp_slices(m->a, n, plan_cores(o))));
}

/* "1.20.4.0" is before 1.22; what is no version is not. */
static bool
is_before(Arena *a, const char *version, int64_t major, int64_t minor)
{
	char **part = str_split(a, version, '.');
	int64_t x, y;

	return part[0] && part[1] && str_int(part[0], &x) &&
	       str_int(part[1], &y) && (x < major || (x == major && y < minor));
}

/* Releases before 1.22 know the list without names only. */
static bool
is_flat(const Make *m)
{
	const char *want = m->o->specialization_format;
	const Tools *t = m->p->tools;

	if (want && strcmp(want, "auto") != 0)
		return strcmp(want, "flat") == 0;
	return t->old || is_before(m->a, t->version, 1, 22);
}

static bool
put_io(Make *m)
{
	CustomIO io;
	const char *path;

	if (m->o->custom_io)
		return put_given(m, "custom-IO-list-file", m->o->custom_io);
	if (!custom_io(m->c, m->a, m->p->job, &io))
		return false;
	if (!io.n)
		return true;
	path = plan_file(m->a, m->p, "custom_io.yaml",
	                 custom_io_text(m->a, &io));
	if (!card_ignores_io(m->p->job, &io))
		put(m, "custom-IO-list-file", path);
	else if (m->p->named)
		say(m->c, 1,
		    "model and cache are bfloat16: custom_io.yaml is not given to the compiler");
	return true;
}

bool
qaic_plan(Ctx *c, Arena *a, Plan *p)
{
	Make m = {c, a, p, &p->cmd[0], p->job->o, model_kind(p->job->g)};

	p->ncmd = 1;
	p->cmd[0].what = path_base(p->tools->program[0]);
	p->binary = "qpc/programqpc.bin";
	put_start(&m);
	if (!put_partitions(&m) || !put_options(&m))
		return false;
	p->nhash = p->cmd[0].n;
	put_slices(&m);
	put(&m, "network-specialization-config",
	    plan_json(a, p, "specializations.json",
	              specs_json(a, p->job->specs, !is_flat(&m))));
	if (!put_io(&m))
		return false;
	put(&m, "aic-binary-dir", path_join(a, p->dir, "qpc"));
	return true;
}
