/* SPDX-License-Identifier: BSD-3-Clause
 * figures.c - figures as tables for people; --json prints them as they are. */

#include "figures.h"

/* The mean, and the least and most of all turns, as bench keeps them under the
 * key and key_min, key_max. */
static void
spread(Buf *b, const char *what, int64_t tokens, const Json *o, const char *key)
{
	char name[64];
	double x[3];
	static const char *const end[] = {"", "_min", "_max"};

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", key, end[i]);
		x[i] = json_get_num(o, name, 0);
	}
	buf_fmt(b, "%s %lld tokens: %.1f tokens/s [%.1f-%.1f]\n", what,
	        (long long)tokens, x[0], x[1], x[2]);
}

static void
limits_text(Buf *b, const Json *l)
{
	buf_fmt(b,
	        "limits: reading %.1f GB/s, float32 %.0f GFLOP/s, int8 %.0f GOP/s\n",
	        json_get_num(l, "read_bytes_per_second", 0) / 1e9,
	        json_get_num(l, "float32_ops_per_second", 0) / 1e9,
	        json_get_num(l, "int8_ops_per_second", 0) / 1e9);
}

static void
roofline_text(Buf *b, const Json *roof)
{
	limits_text(b, json_get(roof, "limits"));
	for (size_t i = 0; i < json_len(json_get(roof, "programs")); i++) {
		const Json *p = json_at(json_get(roof, "programs"), i);

		buf_fmt(b,
		        "%s: %.3f ms a run, %.3f ms by the limits: %.0f %% (%.1f MB, %.1f Gop)\n",
		        json_get_str(p, "name", ""),
		        json_get_num(p, "seconds_per_run", 0) * 1e3,
		        json_get_num(p, "seconds_by_limits", 0) * 1e3,
		        json_get_num(p, "fraction", 0) * 100,
		        json_get_num(p, "bytes_per_run", 0) / 1e6,
		        json_get_num(p, "ops_per_run", 0) / 1e9);
	}
}

static void
machine_text(Buf *b, const Json *r)
{
	buf_fmt(b,
	        "weights %.1f MB, retained state %.1f MB, arena %.1f MB, peak memory %.1f MB; %s, %lld threads\n",
	        json_get_num(r, "weights_bytes", 0) / 1e6,
	        json_get_num(r, "retained_state_bytes", 0) / 1e6,
	        json_get_num(r, "arena_bytes", 0) / 1e6,
	        json_get_num(r, "peak_rss_bytes", 0) / 1e6,
	        json_get_str(r, "isa", ""),
	        (long long)json_get_int(r, "threads", 0));
}

void
bench_text(Buf *b, const Json *r)
{
	spread(b, "prefill", json_get_int(r, "prompt_tokens", 0), r,
	       "prefill_tokens_per_second");
	spread(b, "decode", json_get_int(r, "generated_tokens", 0), r,
	       "decode_tokens_per_second");
	machine_text(b, r);
	if (json_has(r, "roofline"))
		roofline_text(b, json_get(r, "roofline"));
}

void
latency_text(Buf *b, const Json *r)
{
	static const char *const at[] = {"p50", "p90", "p95", "p99"};
	char key[32];

	buf_fmt(b, "%s: %lld runs, %.2f runs/s\n",
	        json_get_str(r, "program", ""),
	        (long long)json_get_int(r, "iterations", 0),
	        json_get_num(r, "throughput_per_second", 0));
	buf_fmt(b, "latency mean %.3f ms [%.3f-%.3f]",
	        json_get_num(r, "latency_mean_ms", 0),
	        json_get_num(r, "latency_min_ms", 0),
	        json_get_num(r, "latency_max_ms", 0));
	for (size_t i = 0; i < LEN(at); i++) {
		snprintf(key, sizeof key, "latency_%s_ms", at[i]);
		buf_fmt(b, ", %s %.3f ms", at[i], json_get_num(r, key, 0));
	}
	buf_char(b, '\n');
	machine_text(b, r);
}

static void
kind_text(Buf *b, const Json *k)
{
	buf_fmt(b,
	        "  %-18s %-9s %5lld %9lld %10.3f %6.1f %8.1f %6.0f %9.1f %6.0f\n",
	        json_get_str(k, "kernel", ""), json_get_str(k, "format", "-"),
	        (long long)json_get_int(k, "steps", 0),
	        (long long)json_get_int(k, "calls", 0),
	        json_get_num(k, "seconds", 0) * 1e3,
	        json_get_num(k, "share", 0) * 100,
	        json_get_num(k, "bytes_per_second", 0) / 1e9,
	        json_get_num(k, "fraction_of_bandwidth", 0) * 100,
	        json_get_num(k, "ops_per_second", 0) / 1e9,
	        json_get_num(k, "fraction_of_peak", 0) * 100);
}

void
profile_text(Buf *b, const Json *o)
{
	const Json *list = json_get(o, "programs");

	for (size_t i = 0; i < json_len(list); i++) {
		const Json *p = json_at(list, i), *kinds = json_get(p, "kinds");
		double seconds = json_get_num(p, "seconds", 0);
		int64_t runs = json_get_int(p, "runs", 0);

		buf_fmt(b, "%s: %lld runs, %.3f ms each\n",
		        json_get_str(p, "name", ""), (long long)runs,
		        seconds * 1e3 / (double)MAX(runs, 1));
		buf_fmt(b, "  %-18s %-9s %5s %9s %10s %6s %8s %6s %9s %6s\n",
		        "kernel", "format", "steps", "calls", "ms", "share%",
		        "GB/s", "%read", "Gop/s", "%peak");
		for (size_t k = 0; k < json_len(kinds); k++)
			kind_text(b, json_at(kinds, k));
	}
	limits_text(b, json_get(o, "limits"));
}
