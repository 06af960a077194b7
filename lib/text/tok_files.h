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

/* Tokens of languages, in the order of their ids. */
#define MBART_LANGUAGES                                                        \
	"ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT "   \
	"ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP nl_XX ro_RO ru_RU si_LK "   \
	"tr_TR vi_VN zh_CN"
#define MBART50_LANGUAGES                                                      \
	"af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN "   \
	"mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX "   \
	"uk_UA ur_PK xh_ZA gl_ES sl_SI"

/* Pipeline parts as JSON. */
typedef Json *RecipeFn(Build *, const Source *);
#define CLASS(name, kind, recipe, one, two, flag, layout) RecipeFn recipe;
#include "classes.def"

#endif
