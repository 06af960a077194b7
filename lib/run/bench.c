/* SPDX-License-Identifier: BSD-3-Clause
 * bench.c - how fast a package runs here: medians over repeated rounds. */

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "run.h"

int64_t
peak_rss(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 ? (int64_t)u.ru_maxrss * 1024
	                                       : 0;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* median, least and most of x as KEY, KEY_min, KEY_max */
static void
put_spread(Arena *a, Json *o, const char *key, double *x, int64_t n)
{
	qsort(x, (size_t)n, sizeof *x, ascending);
	json_put_num(o, key, x[n / 2]);
	json_put_num(o, arena_str(a, "%s_min", key), x[0]);
	json_put_num(o, arena_str(a, "%s_max", key), x[n - 1]);
}

/* The least value that p % of them do not exceed. */
static double
percentile(const double *sorted, int64_t n, int p)
{
	int64_t at = (n * p + 99) / 100;

	return sorted[MAX(at, 1) - 1];
}

void
put_latency(Arena *a, Json *o, double *ms, int64_t n)
{
	static const int at[] = {50, 90, 95, 99};
	double sum = 0, square = 0, mean;

	qsort(ms, (size_t)n, sizeof *ms, ascending);
	for (int64_t i = 0; i < n; i++)
		sum += ms[i];
	mean = sum / (double)n;
	for (int64_t i = 0; i < n; i++)
		square += (ms[i] - mean) * (ms[i] - mean);
	json_put_num(o, "throughput_per_second",
	             sum > 0 ? 1e3 * (double)n / sum : 0);
	json_put_num(o, "latency_mean_ms", mean);
	json_put_num(o, "latency_stddev_ms", sqrt(square / (double)n));
	json_put_num(o, "latency_min_ms", ms[0]);
	for (size_t i = 0; i < LEN(at); i++)
		json_put_num(o, arena_str(a, "latency_p%d_ms", at[i]),
		             percentile(ms, n, at[i]));
	json_put_num(o, "latency_max_ms", ms[n - 1]);
}

typedef struct Round {
	double prefill, decode; /* tokens/s of the whole batch */
} Round;

/* The prompt's ids are fixed and spread over the vocabulary: which ones does
 * not change the work. */
static bool
one_round(Ctx *c, Session *s, const BenchOptions *o, Prompt *prompt,
          float **logits, int32_t *id, int64_t *pos, Round *r)
{
	if (!session_reset(c, s))
		return false;
	s->prefill_time = s->decode_time = s->decoded = 0;
	if (o->prompt && !session_prefill(c, s, prompt, (int)s->batch, logits))
		return false;
	for (int64_t i = 0; i < o->n; i++) {
		for (int64_t b = 0; b < s->batch; b++) {
			id[b] = argmax(logits[b], s->vocab);
			pos[b] = session_begin(s, (size_t)o->prompt) + i;
		}
		if (!session_decode(c, s, id, pos, NULL, (int)s->batch, logits))
			return false;
	}
	r->prefill = s->prefill_time ? (double)(o->prompt * s->batch) * 1e9 /
	                                       (double)s->prefill_time
	                             : 0;
	r->decode = s->decode_time ? (double)(o->n * s->batch) * 1e9 /
	                                     (double)s->decode_time
	                           : 0;
	return true;
}

void
put_machine(Json *o, const Session *s)
{
	json_put_int(o, "threads", host_threads(model_host(s->model)));
	json_put_str(o, "isa", host_isa(model_host(s->model)));
	json_put_int(o, "weights_bytes",
	             host_weight_bytes(model_host(s->model)));
	json_put_int(o, "retained_state_bytes",
	             host_state_bytes(model_host(s->model)));
	json_put_int(o, "arena_bytes", host_arena_bytes(model_host(s->model)));
	json_put_int(o, "peak_rss_bytes", peak_rss());
}

static void
put_package(Json *o, const Session *s, const BenchOptions *b)
{
	json_put_int(o, "batch_size", s->batch);
	json_put_int(o, "prompt_tokens", b->prompt);
	json_put_int(o, "generated_tokens", b->n);
	json_put_int(o, "iterations", b->iterations);
	put_machine(o, s);
}

Json *
bench(Ctx *c, Arena *a, Session *s, const BenchOptions *o)
{
	double *prefill = NEWV(a, double, o->iterations),
	       *decode = NEWV(a, double, o->iterations);
	Prompt *prompt = NEWV(a, Prompt, MAX(s->batch, 1));
	float **logits = NEWV(a, float *, MAX(s->batch, 1));
	int32_t *id = NEWV(a, int32_t, o->prompt + s->batch + 1);
	int64_t *pos = NEWV(a, int64_t, s->batch + 1), begin;
	Json *out = json_new(a);
	const HostLimits *l;
	Round r;

	if (!s->nrunner)
		return fail(c, QE_INPUT,
		            "the package holds no decoder to measure"),
		       NULL;
	begin = session_begin(s, (size_t)o->prompt);
	if (begin + o->n > s->ctx_len)
		return fail(c, QE_INPUT,
		            "%lld + %lld tokens, the package has room for %lld (qnn-compile --ctx-len)",
		            (long long)begin, (long long)o->n,
		            (long long)s->ctx_len),
		       NULL;
	for (int64_t i = 0; i < o->prompt; i++)
		id[s->batch + i] = (int32_t)((i * 7919 + 3) % s->vocab);
	for (int64_t b = 0; b < s->batch; b++) {
		prompt[b] = (Prompt){id + s->batch, (size_t)o->prompt};
		logits[b] = NEWV(a, float, s->vocab);
	}
	for (int64_t i = -1; i < o->iterations; i++) { /* the first warms up */
		if (!one_round(c, s, o, prompt, logits, id, pos, &r))
			return NULL;
		if (i >= 0) {
			prefill[i] = r.prefill;
			decode[i] = r.decode;
		} else {
			host_forget(model_host(s->model));
		}
	}
	put_spread(a, out, "prefill_tokens_per_second", prefill, o->iterations);
	put_spread(a, out, "decode_tokens_per_second", decode, o->iterations);
	put_package(out, s, o);
	if (!o->roofline)
		return out;
	if (!host_profiles(
		    model_host(s->model))) { /* one more round, timed by step */
		host_profile(model_host(s->model), false);
		if (!one_round(c, s, o, prompt, logits, id, pos, &r))
			return NULL;
	}
	if (!(l = session_limits(c, a, s)))
		return NULL;
	json_put(out, "roofline", json_share(roofline_json(a, s, l)));
	return out;
}
