/* SPDX-License-Identifier: BSD-3-Clause
 * language.c - models of many languages name them by tokens.
 *
 * A text that is read carries the token of its language beside the end token:
 * "eng_Latn text </s>" or, of the first such models, "text </s> en_XX".  A
 * tokenizer puts that of its own default there; another takes its place.  One
 * that puts none gets it in front.  M2M-100 writes en as __en__. */

#include "language.h"

static bool
find(Ctx *c, Arena *a, const Session *s, const char *token, const char *option,
     int32_t *id)
{
	if (!s->longest_text)
		return fail(c, QE_USAGE,
		            "%s is for a decoder beside an encoder", option);
	if (!s->tok)
		return fail(c, QE_INPUT,
		            "%s '%s': the package holds no tokenizer", option,
		            token);
	*id = tokenizer_id(s->tok, token);
	if (*id < 0)
		*id = tokenizer_id(s->tok, arena_str(a, "__%s__", token));
	return *id >= 0 ||
	       fail(c, QE_USAGE, "%s '%s': no such token", option, token);
}

static bool
is_setting(const Session *s, const char *key, int32_t id)
{
	return json_get_int(s->generation, key, -1) == id;
}

/* A special token that neither begins nor ends a text. */
static bool
is_language(const Session *s, int32_t id)
{
	return tokenizer_is_special(s->tok, id) && !is_eos(s, id) &&
	       !is_setting(s, "bos_token_id", id) &&
	       !is_setting(s, "pad_token_id", id);
}

bool
language_read(Ctx *c, Arena *a, const Session *s, const char *token, Ids *ids)
{
	int32_t id, *all;

	if (!find(c, a, s, token, "--source-lang", &id))
		return false;
	for (size_t i = 0; i < ids->n; i++)
		if ((i == 0 || i + 1 == ids->n) && is_language(s, ids->id[i])) {
			ids->id[i] = id;
			return true;
		}
	all = NEWV(a, int32_t, ids->n + 1);
	all[0] = id;
	if (ids->n)
		memcpy(all + 1, ids->id, ids->n * sizeof *all);
	ids->id = all;
	ids->n++;
	return true;
}

bool
language_write(Ctx *c, Arena *a, const Session *s, const char *token,
               int32_t *id)
{
	int64_t n;

	if (!str_int(token, &n) || n < 0 || n >= s->vocab)
		return find(c, a, s, token, "--target-lang", id);
	*id = (int32_t)n;
	return s->longest_text > 0 ||
	       fail(c, QE_USAGE,
	            "--target-lang is for a decoder beside an encoder");
}
