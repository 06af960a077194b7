/* SPDX-License-Identifier: BSD-3-Clause */
/* tokenizer.h - text to token ids and back.
 *
 * Tokenizer files are compiled once into a blob, which is mapped and used in
 * place.  What each part does is what the Hugging Face `tokenizers` library
 * (0.23) does; a part that is not known is refused by name.  Text that is not
 * UTF-8 is read as if each maximal bad sequence were U+FFFD. */

#ifndef TOKENIZER_H
#define TOKENIZER_H

#include "base.h"

typedef struct Tokenizer Tokenizer;
typedef struct Detok Detok;

/* n ids and as many types (0 first sequence, 1 second, as the file says). */
typedef struct Ids {
	int32_t *id;
	uint8_t *type;
	size_t n;
} Ids;

/* The texts of a checkpoint's tokenizer files; absent ones are empty.
 * tokenizer_json wins; else source_spm with vocab_json, sentencepiece, tiktoken, vocab_json with
 * merges_txt, vocab_txt, in this order.  The three others add the special
 * tokens and options that those formats lack. */
typedef struct TokenizerFiles {
	Span tokenizer_json, tokenizer_config, vocab_json, merges_txt,
		vocab_txt, sentencepiece, source_spm, tiktoken,
		special_tokens_map, added_tokens;
} TokenizerFiles;

/* The i-th file name that a checkpoint may have one under, NULL behind the
 * last; and puts the text of one in its place, false if it has none.  Of two
 * names for one thing the first counts. */
const char *tokenizer_file(size_t i);
bool tokenizer_put(TokenizerFiles *, const char *name, Span text);
/* The files that path stands for: a directory's, by their names; or one file,
 * known by its first bytes: a tokenizer.json, SentencePiece model or tiktoken
 * vocabulary, with the side files of its directory for the latter two. */
bool tokenizer_gather(Ctx *, Arena *, const char *path, TokenizerFiles *);
/* The same of a file's bytes at hand; path NULL: it came through a pipe. */
bool tokenizer_gather_file(Ctx *, Arena *, const char *path, Span bytes,
                           TokenizerFiles *);

/* What the first bytes of a file tell. */
bool tokenizer_is_compiled(Span head);
bool tokenizer_is_tiktoken(Span head);

/* Appends the compiled form to out (format: qeff-tokenizer-blob(5)). */
bool tokenizer_compile(Ctx *, const TokenizerFiles *, Buf *out);

/* Uses a blob in place: it must outlive the tokenizer and start at a multiple
 * of 8.  Every offset in it is checked; NULL with QE_INPUT if one is bad. */
Tokenizer *tokenizer_open(Ctx *, Arena *, Span blob);

/* The ids of text, or of text and *pair; with the special tokens around them
 * if `special`.  Threads may share a tokenizer; the ids are the same. */
bool tokenizer_encode(Ctx *, Arena *, const Tokenizer *, Span text,
                      const Span *pair, bool special, Ids *out);

/* Bytes [from, to) of a text. */
typedef struct TokenSpan {
	size_t from, to;
} TokenSpan;

/* Where in text the tokens lie that it was encoded to, without the special
 * ones around them: out [n].  Found by reading, see spans.c: a token that
 * stands for no text of its own has the place between its neighbours. */
bool tokenizer_spans(Ctx *, Arena *, const Tokenizer *, Span text,
                     const int32_t *id, size_t n, TokenSpan *out);

/* Appends the text of n ids; ids that name no token are left out. */
bool tokenizer_decode(Ctx *, Arena *, const Tokenizer *, const int32_t *ids,
                      size_t n, bool skip_special, Buf *out);

/* The same, id by id: only whole characters that no later id can change are
 * appended; the sum of all pushes and the flush is what tokenizer_decode
 * gives for all ids.  After a flush the next push starts a new text. */
Detok *detok_open(Arena *, const Tokenizer *, bool skip_special);
bool detok_push(Ctx *, Detok *, int32_t id, Buf *out);
bool detok_flush(Ctx *, Detok *, Buf *out);

int32_t tokenizer_id(const Tokenizer *, const char *token); /* -1 if none */
/* The token's name, NULL if there is none. */
const char *tokenizer_token(const Tokenizer *, Arena *, int32_t id);
/* One more than the largest id. */
size_t tokenizer_size(const Tokenizer *);
bool tokenizer_is_special(const Tokenizer *, int32_t id);

#endif
