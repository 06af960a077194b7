/* SPDX-License-Identifier: BSD-3-Clause
 * text_parts.h - the tokenizer and chat template of any artifact. */

#ifndef TEXT_PARTS_H
#define TEXT_PARTS_H

#include "json.h"
#include "tokenizer.h"

typedef struct TextParts {
	Span blob; /* the compiled tokenizer, once there is one */
	TokenizerFiles files;
	Span jinja; /* chat_template.jinja */
} TextParts;

/* What path stands for: a checkpoint directory, a tokenizer file or compiled
 * form, a model document, an ONNX model of ours, a package.  Known by its
 * first bytes; "-" is standard input. */
bool text_parts(Ctx *, Arena *, const char *path, TextParts *);

/* The files that {name: {path, digest}} refers to, paths as seen from dir. */
bool text_refs(Ctx *, Arena *, const Json *files, const char *dir, TextParts *);

/* Compiles what is not compiled yet; leaves blob empty if there is nothing
 * to compile. */
bool text_compile(Ctx *, Arena *, TextParts *);
/* All of this; the tokenizer, or NULL with a failure. */
const Tokenizer *text_tokenizer(Ctx *, Arena *, const char *path, TextParts *);

#endif
