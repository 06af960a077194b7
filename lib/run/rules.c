/* SPDX-License-Identifier: BSD-3-Clause
 * rules.c - what a checkpoint's generation settings forbid or force.
 *
 * Each rule is one of transformers' logits processors of the same name: it
 * takes tokens out of the running by setting their score to -infinity. */

#include <math.h>

#include "run.h"

struct Rules {
	const Session *s;
	const Json *conf;
	bool ends;     /* at a token that ends a text */
	int64_t first; /* -1: none */
};

Rules *
rules_new(Arena *a, const Session *s, const GenOptions *o)
{
	Rules *r = NEW(a, Rules);

	*r = (Rules){.s = s, .conf = s->generation, .ends = !o->ignore_eos};
	r->first = o->first ? *o->first
	                    : json_get_int(s->generation, "forced_bos_token_id",
	                                   -1);
	return r;
}

bool
rules_none(const Rules *r)
{
	static const char *const lists[] = {"bad_words_ids", "suppress_tokens",
	                                    "begin_suppress_tokens"};
	static const char *const counts[] = {"no_repeat_ngram_size",
	                                     "min_length", "min_new_tokens"};

	for (size_t i = 0; i < LEN(lists); i++)
		if (json_len(json_get(r->conf, lists[i])))
			return false;
	for (size_t i = 0; i < LEN(counts); i++)
		if (json_get_int(r->conf, counts[i], 0) > 0)
			return false;
	return r->first < 0 &&
	       json_get_int(r->conf, "forced_eos_token_id", -1) < 0;
}

static void
forbid(const Rules *r, float *logits, int64_t id)
{
	if (id >= 0 && id < r->s->vocab)
		logits[id] = -INFINITY;
}

static void
forbid_list(const Rules *r, float *logits, const char *key)
{
	const Json *list = json_get(r->conf, key);

	for (size_t i = 0; i < json_len(list); i++)
		forbid(r, logits, json_int(json_at(list, i), -1));
}

/* Only id is left. */
static void
force(const Rules *r, float *logits, int64_t id)
{
	if (id < 0 || id >= r->s->vocab)
		return;
	for (int64_t i = 0; i < r->s->vocab; i++)
		logits[i] = i == id ? 0 : -INFINITY;
}

static void
forbid_ends(const Rules *r, float *logits)
{
	const Json *eos = json_get(r->conf, "eos_token_id");

	forbid(r, logits, json_int(eos, -1));
	forbid_list(r, logits, "eos_token_id");
}

/* The last token of a word whose others stand at the end. */
static void
forbid_word(const Rules *r, const int32_t *text, size_t len, const Json *word,
            float *logits)
{
	size_t n = json_len(word);

	if (!n || n - 1 > len)
		return;
	for (size_t i = 0; i + 1 < n; i++)
		if (json_int(json_at(word, i), -1) != text[len - n + 1 + i])
			return;
	forbid(r, logits, json_int(json_at(word, n - 1), -1));
}

/* What would make n tokens in a row stand in the text twice. */
static void
forbid_repeats(const Rules *r, const int32_t *text, size_t len, size_t n,
               float *logits)
{
	for (size_t i = 0; n <= len && i <= len - n; i++)
		if (memcmp(text + i, text + len - n + 1,
		           (n - 1) * sizeof *text) == 0)
			forbid(r, logits, text[i + n - 1]);
}

void
rules_apply(const Rules *r, const int32_t *text, size_t n, size_t made,
            bool last, float *logits)
{
	const Json *words = json_get(r->conf, "bad_words_ids");
	int64_t repeat = json_get_int(r->conf, "no_repeat_ngram_size", 0),
		least = json_get_int(r->conf, "min_length", 0),
		fresh = json_get_int(r->conf, "min_new_tokens", 0);

	if (repeat > 0)
		forbid_repeats(r, text, n, (size_t)repeat, logits);
	for (size_t i = 0; i < json_len(words); i++)
		forbid_word(r, text, n, json_at(words, i), logits);
	if (r->ends && ((int64_t)n < least || (int64_t)made < fresh))
		forbid_ends(r, logits);
	forbid_list(r, logits, "suppress_tokens");
	if (!made)
		forbid_list(r, logits, "begin_suppress_tokens");
	if (n == 1)
		force(r, logits, r->first);
	if (last && r->ends)
		force(r, logits,
		      json_get_int(r->conf, "forced_eos_token_id", -1));
}
