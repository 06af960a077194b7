/* SPDX-License-Identifier: BSD-3-Clause */
/* tok_files.h - checkpoints without a tokenizer.json: what their readers
 * share. */

#ifndef TOK_FILES_H
#define TOK_FILES_H

#include "tok.h"

/* What the readers say about the vocabulary, for the recipe. */
typedef struct Source {
	const TokenizerFiles *file;
	const Json *config;   /* tokenizer_config.json, or NULL */
	const Json *specials; /* special_tokens_map.json, or NULL */
	Json *added;          /* the list for parse_added() */
	Span charsmap;        /* of a SentencePiece model */
	bool dummy_prefix, bpe;
	const char *layout; /* of classes.def */
	const char *unk;
	const char *bos, *eos; /* as the vocabulary itself names them */
} Source;

/* {"content": text, flags..} for Source.added. */
void source_add(Source *, const char *text, bool special, bool normalized);
/* Fills the model, and of the source what is known. */
typedef bool ReadFilesFn(Build *, Source *);
ReadFilesFn read_pieces; /* tok_spm.c */
ReadFilesFn read_pair;   /* the same, ids by vocab.json */
ReadFilesFn read_ranks;  /* tok_tiktoken.c */

/* Pipeline parts as JSON. */
typedef Json *RecipeFn(Build *, const Source *);
#define CLASS(name, kind, recipe, one, two, flag, layout) RecipeFn recipe;
#include "classes.def"

#endif
