/* SPDX-License-Identifier: BSD-3-Clause
 * document.h - the model document: what hf-load writes, qeff-transform
 * rewrites and onnx-export reads.
 *
 *   format, version    "qeff-model", 1
 *   files              [{path, size, digest, hashed}] of the weights; digest
 *                      is the xxh3-128 of the first `hashed` bytes
 *   config             config.json as it was; generation_config likewise
 *   tokenizer          {file name: {path, size, digest, hashed}}
 *   sentence           of a sentence encoder: {modules, prompts, ...}
 *   modules            the module tree, see tree.h
 *   tensors            see tensors.c
 *   transforms         [{name, ...}] applied so far
 *   provenance         [{tool, version, options}] that made it
 *
 * In memory all paths are absolute; in a file they are relative to it. */

#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "json.h"

/* Reads path ("-": stdin) and checks that the files it names are as they
 * were.  NULL: failed. */
Json *document_read(Ctx *, Arena *, const char *path);
/* Checks text at hand without looking at files; for tests. */
bool document_check(Ctx *, const Json *);
bool document_write(Ctx *, Arena *, Json *, const char *path);
/* Adds to provenance. */
void document_maker(Ctx *, Json *, const Json *options);
/* {path, size, digest, hashed} of a file; hashed 0: all of it. */
Json *file_ref(Ctx *, Arena *, const char *path, int64_t hashed);
/* A copy of o in which every path of a file is as seen from `dir`, or as it
 * is if that is NULL. */
Json *refs_from(Ctx *, Arena *, const Json *o, const char *dir);

#endif
