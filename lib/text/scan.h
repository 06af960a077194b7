/* SPDX-License-Identifier: BSD-3-Clause */
/* scan.h - hand-written matchers for the patterns of the large families. */

#ifndef SCAN_H
#define SCAN_H

#include "base.h"

typedef struct Scanner Scanner;

/* The matcher of a pattern as it stands in tokenizer files, NULL if none. */
const Scanner *scanner_of(Span pattern);
/* The end of the match that starts at s.p + at, 0 if what decides it is not
 * ASCII: then the pattern has to be asked. */
size_t scanner_end(const Scanner *, Span s, size_t at);

#endif
