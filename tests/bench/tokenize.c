/* SPDX-License-Identifier: BSD-3-Clause
 * tokenize.c - speed of a tokenizer: opening, encoding, decoding.
 *
 * usage: tokenize [TOKENIZER [TEXT-FILE...]]
 *
 * Best of several runs each, processor time of one thread.  "cold" is the first run of a newly
 * opened tokenizer, whose word cache is empty. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tokenizer.h"

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
