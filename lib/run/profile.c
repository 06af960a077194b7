/* SPDX-License-Identifier: BSD-3-Clause
 * profile.c - where the time of a session went: by program, by kind of step.
 *
 * A kind is a kernel with the format of what it reads; an operator that runs
 * by the reference is a kind of its own.  Each is set beside the limit that
 * it comes nearest to: bytes beside the bandwidth of memory, operations
 * beside those of the multipliers.  Bytes that lie in a cache move faster
 * than memory gives them, so a fraction may pass 1. */

#include <stdlib.h>

#include "run.h"

typedef struct Kind {
	HostStep sum;
	int steps;
} Kind;

static bool
same_kind(const HostStep *a, const HostStep *b)
{
	return strcmp(a->kernel, b->kernel) == 0 &&
	       strcmp(a->format ? a->format : "", b->format ? b->format : "") ==
	               0;
}

static void
add(HostStep *sum, const HostStep *s)
{
	sum->calls += s->calls;
	sum->nanoseconds += s->nanoseconds;
	sum->bytes += s->bytes;
	sum->flops += s->flops;
	sum->ints += s->ints;
}

/* Most time first. */
static int
by_time(const void *a, const void *b)
{
	int64_t x = ((const Kind *)a)->sum.nanoseconds,
		y = ((const Kind *)b)->sum.nanoseconds;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int
kinds_of(Arena *a, const HostProgram *p, Kind **out)
{
	const HostStep *s;
	int n = 0, steps = host_steps(p, &s);
	Kind *k = NEWV(a, Kind, steps + 1);

	for (int i = 0; i < steps; i++) {
		int at = 0;

		while (at < n && !same_kind(&k[at].sum, &s[i]))
			at++;
		if (at == n)
			k[n++].sum = (HostStep){.kernel = s[i].kernel,
			                        .format = s[i].format};
		add(&k[at].sum, &s[i]);
		k[at].steps++;
	}
	qsort(k, (size_t)n, sizeof *k, by_time);
	*out = k;
	return n;
}

static double
per_second(int64_t n, int64_t ns)
{
	return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static double
fraction(double got, double limit)
{
	return limit > 0 ? got / limit : 0;
}

static Json *
step_json(Arena *a, const HostStep *s, int64_t total, const HostLimits *l)
{
	Json *o = json_new(a);
	double bytes = per_second(s->bytes, s->nanoseconds);
	double flops = per_second(s->flops, s->nanoseconds);
	double ints = per_second(s->ints, s->nanoseconds);

	json_put_str(o, "kernel", s->kernel);
	if (s->format)
		json_put_str(o, "format", s->format);
	json_put_int(o, "calls", s->calls);
	json_put_num(o, "seconds", (double)s->nanoseconds / 1e9);
	json_put_num(o, "share",
	             total ? (double)s->nanoseconds / (double)total : 0);
	json_put_int(o, "bytes", s->bytes);
	json_put_int(o, "flops", s->flops);
	json_put_int(o, "int8_ops", s->ints);
	json_put_num(o, "bytes_per_second", bytes);
	json_put_num(o, "ops_per_second", flops + ints);
	json_put_num(o, "fraction_of_bandwidth", fraction(bytes, l->read));
	json_put_num(o, "fraction_of_peak",
	             fraction(flops, l->flops) + fraction(ints, l->ints));
	return json_share(o);
}

static Json *
program_json(Arena *a, const HostProgram *p, const HostLimits *l)
{
	Json *o = json_new(a), *kinds = json_new_array(a),
	     *steps = json_new_array(a);
	const HostStep *s;
	int64_t time, runs = host_runs(p, &time);
	Kind *k;
	int n = kinds_of(a, p, &k);

	json_put_str(o, "name", host_name(p));
	json_put_int(o, "runs", runs);
	json_put_num(o, "seconds", (double)time / 1e9);
	for (int i = 0; i < n; i++) {
		Json *kind = step_json(a, &k[i].sum, time, l);

		json_put_int(kind, "steps", k[i].steps);
		json_push(kinds, kind);
	}
	n = host_steps(p, &s);
	for (int i = 0; i < n; i++) {
		Json *step = step_json(a, &s[i], time, l);

		json_put_str(step, "name", s[i].name);
		json_push(steps, step);
	}
	json_put(o, "kinds", json_share(kinds));
	json_put(o, "steps", json_share(steps));
	return json_share(o);
}

static Json *
limits_json(Arena *a, const HostLimits *l)
{
	Json *o = json_new(a);

	json_put_num(o, "read_bytes_per_second", l->read);
	json_put_num(o, "float32_ops_per_second", l->flops);
	json_put_num(o, "int8_ops_per_second", l->ints);
	return json_share(o);
}

Json *
profile_json(Arena *a, const Session *s, const HostLimits *l)
{
	Json *o = json_new(a), *list = json_new_array(a);
	int64_t time;

	for (int i = 0; i < host_count(model_host(s->model)); i++) {
		HostProgram *p = host_program(model_host(s->model), i);

		if (host_runs(p, &time))
			json_push(list, program_json(a, p, l));
	}
	json_put(o, "programs", json_share(list));
	json_put(o, "limits", limits_json(a, l));
	json_put_int(o, "threads", host_threads(model_host(s->model)));
	json_put_str(o, "isa", host_isa(model_host(s->model)));
	return o;
}

/* Memory and multipliers work side by side: the slower one bounds a run. */
static Json *
bound_json(Arena *a, const HostProgram *p, const HostLimits *l)
{
	Json *o = json_new(a);
	HostStep sum = {0};
	const HostStep *s;
	int64_t time, runs = host_runs(p, &time);
	int n = host_steps(p, &s);
	double each, least;

	for (int i = 0; i < n; i++)
		add(&sum, &s[i]);
	each = (double)time / 1e9 / (double)runs;
	least = MAX((double)sum.bytes / l->read,
	            (double)sum.flops / l->flops + (double)sum.ints / l->ints) /
	        (double)runs;
	json_put_str(o, "name", host_name(p));
	json_put_int(o, "bytes_per_run", sum.bytes / runs);
	json_put_int(o, "ops_per_run", (sum.flops + sum.ints) / runs);
	json_put_num(o, "seconds_per_run", each);
	json_put_num(o, "seconds_by_limits", least);
	json_put_num(o, "fraction", fraction(least, each));
	return json_share(o);
}

Json *
roofline_json(Arena *a, const Session *s, const HostLimits *l)
{
	Json *o = json_new(a), *list = json_new_array(a);
	int64_t time;

	for (int i = 0; i < host_count(model_host(s->model)); i++)
		if (host_runs(host_program(model_host(s->model), i), &time))
			json_push(list,
			          bound_json(a,
			                     host_program(model_host(s->model),
			                                  i),
			                     l));
	json_put(o, "programs", json_share(list));
	json_put(o, "limits", limits_json(a, l));
	return o;
}

const HostLimits *
session_limits(Ctx *c, Arena *a, Session *s)
{
	if (!s->limits) {
		s->limits = NEW(a, HostLimits);
		if (!host_limits(c, model_host(s->model), s->limits))
			return NULL;
	}
	return s->limits;
}

/* One complete event of the trace format that Chrome and Perfetto show;
 * times in microseconds. */
static void
event_text(Arena *a, Buf *b, const HostEvent *e, int64_t zero)
{
	Json *o = json_new(a);
	const HostStep *s;

	host_steps(e->program, &s);
	s = e->step >= 0 ? &s[e->step] : NULL;
	json_put_str(o, "name",
	             !s         ? host_name(e->program)
	             : *s->name ? s->name
	                        : s->kernel);
	json_put_str(o, "cat", s ? s->kernel : "program");
	json_put_str(o, "ph", "X");
	json_put_int(o, "pid", 1);
	json_put_int(o, "tid", 1);
	json_put_num(o, "ts", (double)(e->begin - zero) / 1e3);
	json_put_num(o, "dur", (double)(e->end - e->begin) / 1e3);
	json_print(b, o, 0);
}

bool
profile_trace(Ctx *c, const Session *s, const char *path)
{
	Arena a = {0};
	const HostEvent *e;
	int64_t n = host_events(model_host(s->model), &e), zero = INT64_MAX;
	Out *out = out_open(c, &a, path);
	Buf *b = buf_new(&a);
	bool ok = out != NULL;

	for (int64_t i = 0; i < n; i++)
		zero = MIN(zero, e[i].begin);
	buf_str(b, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
	for (int64_t i = 0; ok && i < n; i++) {
		Arena one = {0};

		buf_str(b, i ? ",\n" : "\n");
		event_text(&one, b, &e[i], zero);
		arena_free(&one);
		ok = out_write(c, out, b->p, b->n);
		buf_clear(b);
	}
	buf_str(b, "\n]}\n");
	ok = ok && out_write(c, out, b->p, b->n) && out_commit(c, out);
	arena_free(&a);
	return ok;
}
