/* SPDX-License-Identifier: BSD-3-Clause */
/* language.h - models of many languages name them by tokens. */

#ifndef LANGUAGE_H
#define LANGUAGE_H

#include "run.h"

/* Says that the ids of a text are in the language of this token. */
bool language_read(Ctx *, Arena *, const Session *, const char *token, Ids *);
/* The id to begin with in the language of this token, or a number. */
bool language_write(Ctx *, Arena *, const Session *, const char *token,
                    int32_t *id);

#endif
