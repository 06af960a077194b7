/* SPDX-License-Identifier: BSD-3-Clause
 * checkpoint.h - what lies in a checkpoint directory beside the weights. */

#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "json.h"
#include "tree.h"

/* {file name: reference} of the tokenizer's files; NULL with no failure if
 * there are none. */
Json *checkpoint_tokenizer(Ctx *, Arena *, const char *dir);
/* generation_config.json, or what config.json says of it. */
Json *checkpoint_generation(Ctx *, Arena *, const char *dir,
                            const Json *config);
/* [{path, size, digest, hashed}] of the weight files; the digest is of the
 * header, or of all (whole). */
Json *checkpoint_files(Ctx *, Arena *, const Checkpoint *, bool whole);
/* Of a sentence-transformers repository: {"modules": [{"type", ...its
 * config}], "prompts"...}; NULL with no failure if it is none. */
Json *checkpoint_sentence(Ctx *, Arena *, const char *dir);
/* Reads the weights of its Dense modules as extra files of the checkpoint,
 * and gives each module its "linear", entered into the tree. */
bool checkpoint_modules(Tree *, Checkpoint *, const char *dir, Json *sentence);

#endif
