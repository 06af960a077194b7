/* SPDX-License-Identifier: BSD-3-Clause */
/* regex.h - patterns as tokenizer files write them (Oniguruma, Ruby syntax),
 * matched by PCRE2. */

#ifndef REGEX_H
#define REGEX_H

#include "base.h"

typedef struct Regex Regex;
typedef struct Matcher Matcher; /* scratch of one thread */

/* One way through a text; start with {.s = text}. */
typedef struct Scan {
	Span s;
	size_t at;       /* where the search goes on */
	size_t last;     /* 1 + end of the last match, 0 if none */
	size_t from, to; /* the match */
} Scan;

/* The PCRE2 spelling of a pattern; refuses by name what differs. */
bool regex_translate(Ctx *, Span pattern, Buf *out);
Regex *regex_open(Ctx *, Arena *, Span pattern);
Matcher *matcher_open(Arena *);
/* Finds the next match: 1 and k->from, k->to; 0 none; -1 failure (too much
 * backtracking).  An empty match right after a match is passed over. */
int regex_next(Ctx *, Matcher *, const Regex *, Scan *k);
/* Whether the pattern matches at the start of s. */
bool regex_at(Matcher *, const Regex *, Span s);

#endif
