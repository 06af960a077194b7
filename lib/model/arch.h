/* SPDX-License-Identifier: BSD-3-Clause
 * arch.h - architecture files (share/arch) and the configurations they read.
 *
 * A file says how a model_type is wired; see arch.def for its vocabulary.
 * `base` names another file that this one changes: objects merge, null
 * deletes, everything else replaces; only `harmless` adds up. */

#ifndef ARCH_H
#define ARCH_H

#include "expr.h"

/* The file of a model_type with its bases merged in, all keys checked.
 * QE_INPUT if there is none. */
const Json *arch_open(Ctx *, Arena *, const char *model_type,
                      const Json *config);
/* Fails with what is near to a type that has no file, and what a model with
 * this configuration (or NULL) would need. */
bool arch_unknown(Ctx *, Arena *, const char *type, const Json *config);
/* Of a file that has two stacks, the one that is read: the file as its
 * `encoder` changes it.  NULL: it has one. */
const Json *arch_encoder(Arena *, const Json *arch);
/* The same for text at hand, without bases; for tests. */
bool arch_check(Ctx *, const Json *arch);
/* A copy of an object of kind `section` with every expression evaluated; an
 * object whose `if` is not true is left out.  NULL: it is itself left out,
 * or a failure: c->status tells. */
Json *arch_eval(Ctx *, Arena *, const Env *, const char *section, const Json *);
/* The same of a section of the file itself. */
Json *arch_part(Ctx *, Arena *, const Env *, const Json *arch, const char *key);

/* The configuration in one form: the decoder's part of a nested one, aliases
 * and rope keys under their newest names, defaults filled in. */
Json *config_normal(Ctx *, Arena *, const Json *arch, const Json *config);
/* Refuses what the file refuses, and (strict) every key that nobody reads
 * and share/arch/known-keys does not list. */
bool config_check(Ctx *, Arena *, const Json *arch, const Json *config,
                  bool strict);

#endif
