/* SPDX-License-Identifier: BSD-3-Clause
 * tokenize.c - speed of a tokenizer: opening, encoding, decoding.
 *
 * usage: tokenize [TOKENIZER [TEXT-FILE...]]
 *        tokenize --lines TEXT-FILE TOKENIZER...
 *
 * With --lines a line of JSON for each tokenizer, which may be any artifact:
 * the time of all lines of the text, as tokenizers.mjs takes it.
 *
 * Best of several runs each, processor time of one thread.  "cold" is the first run of a newly
 * opened tokenizer, whose word cache is empty. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "text_parts.h"

#define DEMO "share/models/demo"

enum { RUNS = 5 };

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
check(Ctx *c, bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", qe_message(c));
	exit(1);
}

static Tokenizer *
open_timed(Ctx *c, Arena *a, Span blob, double *best)
{
	Tokenizer *t = NULL;

	*best = 1e9;
	for (int i = 0; i < RUNS; i++) {
		double start = now();

		t = tokenizer_open(c, a, blob);
		check(c, t != NULL);
		*best = MIN(*best, now() - start);
	}
	return t;
}

static void
text(Ctx *c, const Tokenizer *t, const char *name, Span s)
{
	double cold = 0, best = 1e9, back = 1e9, start;
	size_t n = 0;

	for (int i = 0; i < RUNS; i++) {
		Arena a = {0};
		Buf *out = buf_new(&a);
		Ids ids;

		start = now();
		check(c, tokenizer_encode(c, &a, t, s, NULL, false, &ids));
		best = MIN(best, now() - start);
		cold = i ? cold : now() - start;
		start = now();
		check(c, tokenizer_decode(c, &a, t, ids.id, ids.n, false, out));
		back = MIN(back, now() - start);
		n = ids.n;
		arena_free(&a);
	}
	printf("%-24s %9zu bytes %9zu ids  cold %6.1f  warm %6.1f  decode %6.1f MB/s\n",
	       name, s.n, n, 1e-6 * (double)s.n / cold,
	       1e-6 * (double)s.n / best, 1e-6 * (double)s.n / back);
}

/* One pass over the lines; what came out, to compare. */
static double
pass(Ctx *c, const Tokenizer *t, Span s, size_t *n, uint32_t *hash)
{
	double start = now();
	Arena a = {0};
	Ids ids;

	*n = *hash = 0;
	for (const char *p = s.p, *end = s.p + s.n; p < end;) {
		const char *q = memchr(p, '\n', (size_t)(end - p));
		Span line = {p, (size_t)((q ? q : end) - p)};

		check(c, tokenizer_encode(c, &a, t, line, NULL, false, &ids));
		for (size_t i = 0; i < ids.n; i++)
			*hash = *hash * 31 + (uint32_t)ids.id[i] + 1;
		*n += ids.n;
		p = line.p + line.n + 1;
	}
	arena_free(&a);
	return now() - start;
}

static void
lines(Ctx *c, Span s, const char *path)
{
	double load = 1e9, cold = 0, best = 1e9;
	size_t n = 0;
	uint32_t hash;

	for (int i = 0; i < RUNS; i++) {
		double start = now();
		Arena a = {0};
		TextParts parts;
		const Tokenizer *t = text_tokenizer(c, &a, path, &parts);

		check(c, t != NULL);
		load = MIN(load, now() - start);
		for (int k = 0; k < RUNS && i == 0; k++) {
			double took = pass(c, t, s, &n, &hash);

			cold = k ? cold : took;
			best = MIN(best, took);
		}
		arena_free(&a);
	}
	printf("{\"file\": \"%s\", \"bytes\": %zu, \"ids\": %zu, \"hash\": %u, \"load_ms\": %.3f, \"cold\": %.6f, \"seconds\": %.6f}\n",
	       path, s.n, n, hash, 1e3 * load, cold, best);
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : DEMO;
	Ctx *c = qe_open("bench");
	Arena a = {0};
	TokenizerFiles f;
	Buf *blob = buf_new(&a);
	Tokenizer *t;
	double start = now(), open;
	Span s;

	if (argc > 3 && strcmp(argv[1], "--lines") == 0) {
		check(c, file_map(c, &a, argv[2], &s));
		for (int i = 3; i < argc; i++)
			lines(c, s, argv[i]);
		arena_free(&a);
		qe_close(c);
		return 0;
	}
	check(c, tokenizer_gather(c, &a, path, &f) &&
	                 tokenizer_compile(c, &f, blob));
	printf("%s: compiled in %.1f ms to %zu bytes, ", path,
	       1e3 * (now() - start), blob->n);
	t = open_timed(c, &a, (Span){blob->p, blob->n}, &open);
	printf("%zu ids, opened in %.2f ms\n", tokenizer_size(t), 1e3 * open);
	if (argc <= 2 && file_map(c, &a, DEMO "/../../../README.md", &s))
		text(c, t, "README.md", s);
	for (int i = 2; i < argc; i++) {
		check(c, file_map(c, &a, argv[i], &s));
		text(c, t, path_base(argv[i]), s);
	}
	arena_free(&a);
	qe_close(c);
	return 0;
}
