/* SPDX-License-Identifier: BSD-3-Clause */
/* tok_files.h - checkpoints without a tokenizer.json: what their readers
 * share. */

#ifndef TOK_FILES_H
#define TOK_FILES_H

#include "tok.h"

/* A class, its checkpoint, and what the readers say about the vocabulary. */
typedef struct Source {
	const TokenizerFiles *file;
	const Json *config;   /* tokenizer_config.json, or NULL */
	const Json *specials; /* special_tokens_map.json, or NULL */
	const Json *recipe;   /* of share/tokenizers */
	Json *facts;          /* settings that the vocabulary makes */
	Json *added;          /* the list for parse_added() */
} Source;

/* {"content": text, flags..} for Source.added. */
void source_add(Source *, const char *text, bool special, bool normalized);
/* Fills the model, and of the source what is known. */
typedef bool ReadFilesFn(Build *, Source *);
ReadFilesFn read_pieces; /* tok_spm.c */
ReadFilesFn read_pair;   /* the same, ids by vocab.json */
ReadFilesFn read_ranks;  /* tok_tiktoken.c */

/* tok_recipe.c - share/tokenizers; values live in the arena or the recipe. */
/* The recipe of a class, NULL with a failure. */
const Json *recipe_open(Ctx *, Arena *, const char *class);
/* The class of checkpoints with such files that name none. */
const char *recipe_default(Ctx *, Arena *, const char *files);
/* A setting; of {"content": text, ..} the text.  NULL if nobody makes it. */
const Json *recipe_setting(const Source *, const char *name);
/* What the recipe says under a key, under the conditions that hold now. */
const Json *recipe_get(Arena *, const Source *, const char *key);
/* The same with settings put in. */
const Json *recipe_part(Arena *, const Source *, const char *key);
/* A text with {name} replaced by settings. */
const char *recipe_text(Arena *, const Source *, const char *text);

#endif
