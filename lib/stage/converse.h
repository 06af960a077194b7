/* SPDX-License-Identifier: BSD-3-Clause
 * converse.h - conversations as the options of a run describe them. */

#ifndef CONVERSE_H
#define CONVERSE_H

#include "run.h"

typedef struct Converse Converse;

/* Whether an option asks for a conversation, and not for text as it is. */
bool converse_wanted(const qe_run *);

/* Reads the files that the options name and chooses the template.  NULL with
 * a failure, also if the template lacks the switch that an option sets. */
Converse *converse_open(Ctx *, Arena *, Session *, const qe_run *);

/* The conversations of --messages; 0 without it. */
size_t converse_count(const Converse *);
/* A copy of the i-th, of an empty one if there are none. */
Json *converse_begin(Arena *, const Converse *, size_t i);
void converse_say(Json *messages, const char *role, Span text);

/* The ids of the conversation up to where the model's turn begins; *text is
 * what they were made of. */
bool converse_encode(Ctx *, Arena *, const Converse *, const Json *messages,
                     Ids *, const char **text);

#endif
