/* SPDX-License-Identifier: BSD-3-Clause
 * tok_model.c - "model" of a tokenizer.json: vocabulary, merges, scores.
 *
 * Old files have no "type"; the kind then follows from the fields, in the
 * order in which the reference library tries them. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tok.h"

typedef bool ReadFn(Build *, const Json *);
#define MODEL(name, read, word) static ReadFn read;
#include "models.def"

/* {"token": id, ...} */
bool
read_vocab(Build *b, const Json *vocab)
{
	if (!json_is(vocab, json_type_object))
		return fail(b->c, QE_INPUT, "'vocab' is not an object");
	json_object_object_foreach((Json *)(uintptr_t)vocab, key, v)
	{
		if (!json_is(v, json_type_int))
			return fail(b->c, QE_INPUT, "'vocab': id of '%s'", key);
		if (!build_token(b, SPAN(key), json_int(v, -1)))
			return false;
	}
	build_index(b);
	return true;
}

/* The token for what is unknown; it may be missing from the vocabulary, as
 * long as nobody needs it. */
static void
find_unk(Build *b, const char *unk)
{
	Vocab v = build_vocab(b);

	if (!unk)
		return;
	b->meta.flag |= MODEL_UNK;
	b->meta.unk = vocab_find(&v, SPAN(unk));
}

bool
build_affix(Build *b, const char *text, const char *key, Ref *out)
{
	size_t n = strlen(text);

	if (n > AFFIX_MAX)
		return fail(b->c, QE_INPUT, "'%s' of %zu bytes, limit %d", key,
		            n, AFFIX_MAX);
	*out = build_text(b, SPAN(text));
	return true;
}

static bool
get_affix(Build *b, const Json *model, const char *key, const char *none,
          Ref *out)
{
	return build_affix(b, json_get_str(model, key, none), key, out);
}

/* "left right": one blank */
bool
build_merge_line(Build *b, Span line, size_t rank)
{
	const char *p = memchr(line.p, ' ', line.n);
	Span left, right;

	if (!p)
		return fail(b->c, QE_INPUT, "merge %zu is not a pair", rank);
	left = (Span){line.p, (size_t)(p - line.p)};
	right = (Span){p + 1, line.n - left.n - 1};
	if (memchr(right.p, ' ', right.n))
		return fail(b->c, QE_INPUT, "merge %zu is not a pair", rank);
	return build_merge(b, left, right, rank);
}

static bool
read_merges(Build *b, const Json *merges)
{
	size_t n = json_len(merges);

	if (!json_is(merges, json_type_array) || n > INT32_MAX)
		return fail(b->c, QE_INPUT, "'merges' is not a list");
	build_merges_begin(b, n);
	for (size_t i = 0; i < n; i++) {
		const Json *m = json_at(merges, i);

		if (json_is(m, json_type_string)) {
			if (str_starts(json_str(m, ""), "#version"))
				continue;
			if (!build_merge_line(b, json_span(m), i))
				return false;
		} else if (json_len(m) != 2 ||
		           !json_is(json_at(m, 0), json_type_string) ||
		           !json_is(json_at(m, 1), json_type_string)) {
			return fail(b->c, QE_INPUT, "merge %zu is not a pair",
			            i);
		} else if (!build_merge(b, json_span(json_at(m, 0)),
		                        json_span(json_at(m, 1)), i)) {
			return false;
		}
	}
	return true;
}

/* A U+2581 that is a token and begins whatever token it is in, but for runs
 * of them: then no merge crosses into one, and a text can be cut there. */
static bool
marks_apart(const Build *b)
{
	static const Span mark = {"\xe2\x96\x81", 3};
	const Entry *e = (const Entry *)(void *)b->sec[SEC_ENTRY]->p;
	const char *text = b->sec[SEC_TEXT]->p;
	Vocab v = build_vocab(b);

	if (b->meta.prefix.n || b->meta.suffix.n ||
	    b->meta.flag & MODEL_WHOLE || vocab_find(&v, mark) < 0)
		return false;
	for (size_t i = 0; i < build_count(b, SEC_ENTRY); i++) {
		const char *p = text + e[i].off;
		bool other = false;

		for (size_t k = 0; k < e[i].n; k++) {
			bool at = e[i].n - k >= mark.n &&
			          memcmp(p + k, mark.p, mark.n) == 0;

			if (at && other)
				return false;
			if (at)
				k += mark.n - 1;
			else
				other = true;
		}
	}
	return true;
}

void
model_bpe_end(Build *b)
{
	b->meta.model = MODEL_BPE;
	if (marks_apart(b))
		b->meta.flag |= MODEL_APART;
}

static bool
read_bpe(Build *b, const Json *o)
{
	if (json_get_num(o, "dropout", 0) > 0)
		return fail(b->c, QE_INPUT,
		            "dropout %g: only exact encoding is supported",
		            json_get_num(o, "dropout", 0));
	if (!read_vocab(b, json_get(o, "vocab")))
		return false;
	find_unk(b, json_get_str(o, "unk_token", NULL));
	b->meta.flag |=
		(json_get_bool(o, "fuse_unk", false) ? MODEL_FUSE_UNK : 0) |
		(json_get_bool(o, "byte_fallback", false) ? MODEL_BYTES : 0) |
		(json_get_bool(o, "ignore_merges", false) ? MODEL_WHOLE : 0);
	if (!get_affix(b, o, "continuing_subword_prefix", "",
	               &b->meta.prefix) ||
	    !get_affix(b, o, "end_of_word_suffix", "", &b->meta.suffix) ||
	    !read_merges(b, json_get(o, "merges")))
		return false;
	model_bpe_end(b);
	return true;
}

/* A trie of the whole vocabulary. */
static void
build_model_trie(Build *b)
{
	const Entry *e = (const Entry *)(void *)b->sec[SEC_ENTRY]->p;
	size_t n = build_count(b, SEC_ENTRY);
	TrieKey *key = NEWV(b->a, TrieKey, n);

	for (size_t i = 0; i < n; i++)
		key[i] = (TrieKey){{b->sec[SEC_TEXT]->p + e[i].off, e[i].n},
		                   e[i].id};
	b->meta.root_model = trie_build(b->a, key, n, b->sec[SEC_NODE]);
}

bool
wordpiece_words(Build *b, const char *unk, const char *prefix, int64_t most)
{
	if (most < 0 || most > INPUT_MAX)
		return fail(b->c, QE_INPUT,
		            "'max_input_chars_per_word' is %lld",
		            (long long)most);
	b->meta.max_chars = (uint32_t)most;
	find_unk(b, unk);
	b->meta.prefix = build_text(b, SPAN(prefix));
	b->meta.model = MODEL_WordPiece;
	build_model_trie(b);
	b->meta.root_rest =
		trie_walk((const TrieNode *)(void *)b->sec[SEC_NODE]->p,
	                  b->meta.root_model, build_span(b, b->meta.prefix));
	return true;
}

static bool
read_wordpiece(Build *b, const Json *o)
{
	const char *prefix = json_get_str(o, "continuing_subword_prefix", "##");

	if (strlen(prefix) > AFFIX_MAX)
		return fail(b->c, QE_INPUT, "'%.20s...': prefix too long",
		            prefix);
	return read_vocab(b, json_get(o, "vocab")) &&
	       wordpiece_words(b, json_get_str(o, "unk_token", "[UNK]"), prefix,
	                       json_get_int(o, "max_input_chars_per_word",
	                                    100));
}

static bool
read_wordlevel(Build *b, const Json *o)
{
	if (!read_vocab(b, json_get(o, "vocab")))
		return false;
	find_unk(b, json_get_str(o, "unk_token", "<unk>"));
	b->meta.model = MODEL_WordLevel;
	return true;
}

bool
build_score(Build *b, double score)
{
	if (!isfinite(score))
		return fail(b->c, QE_INPUT, "score of token %zu",
		            build_count(b, SEC_SCORE));
	if (build_count(b, SEC_SCORE) == 0 || score < b->meta.min_score)
		b->meta.min_score = score;
	buf_add(b->sec[SEC_SCORE], &score, sizeof score);
	return true;
}

bool
model_unigram_end(Build *b, int64_t unk)
{
	if (unk >= (int64_t)build_count(b, SEC_SCORE))
		return fail(b->c, QE_INPUT, "'unk_id' %lld of %zu tokens",
		            (long long)unk, build_count(b, SEC_SCORE));
	b->meta.model = MODEL_Unigram;
	b->meta.unk = unk < 0 ? -1 : (int32_t)unk;
	build_index(b);
	build_model_trie(b);
	return true;
}

/* x * 10^e with one rounding for every 308 of e; powers of ten come from
 * strtod, exact to the last bit as a compiler's table. */
static double
scaled(double x, int64_t e)
{
	char s[16];

	for (; e < -308 && x != 0.0; e += 308)
		x /= 1e308;
	if (e > 308 || e < -308)
		return e > 0 ? (double)INFINITY : 0.0;
	snprintf(s, sizeof s, "1e%d", (int)(e < 0 ? -e : e));
	return e < 0 ? x / strtod(s, NULL) : x * strtod(s, NULL);
}

/* A score as the reference library reads it: the first 19 digits or so as an
 * integer, rounded, then scaled by a power of ten, rounded again.  Correct
 * reading differs in the last bit, which decides between equal paths. */
static double
read_score(const Json *v)
{
	const char *p = json_object_get_string((Json *)(uintptr_t)v);
	bool minus = *p == '-', point = false, full = false;
	uint64_t sum = 0, digit;
	int64_t scale = 0, e = 0;

	for (p += minus; (*p >= '0' && *p <= '9') || *p == '.'; p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		digit = (uint64_t)(*p - '0');
		full |= sum > (UINT64_MAX - digit) / 10;
		if (!full)
			sum = sum * 10 + digit;
		scale += full ? !point : -point;
	}
	if (*p == 'e' || *p == 'E')
		str_int(p + 1 + (p[1] == '+'), &e);
	e = MAX(MIN(e, 9999), -9999);
	return (minus ? -1 : 1) * scaled((double)sum, scale + e);
}

static bool
read_unigram(Build *b, const Json *o)
{
	const Json *list = json_get(o, "vocab");

	if (!json_is(list, json_type_array))
		return fail(b->c, QE_INPUT, "'vocab' is not a list");
	for (size_t i = 0; i < json_len(list); i++) {
		const Json *v = json_at(list, i);

		if (!json_is(json_at(v, 0), json_type_string) ||
		    json_len(v) != 2)
			return fail(b->c, QE_INPUT,
			            "'vocab': entry %zu is not [piece, score]",
			            i);
		if (!json_is(json_at(v, 1), json_type_double) &&
		    !json_is(json_at(v, 1), json_type_int))
			return fail(b->c, QE_INPUT, "'vocab': score %zu", i);
		if (!build_token(b, json_span(json_at(v, 0)), (int64_t)i) ||
		    !build_score(b, read_score(json_at(v, 1))))
			return false;
	}
	if (json_get_bool(o, "byte_fallback", false))
		b->meta.flag |= MODEL_BYTES;
	return model_unigram_end(b, json_get_int(o, "unk_id", -1));
}

static const struct {
	const char *name;
	ReadFn *read;
} models[] = {
#define MODEL(name, read, word) {#name, read},
#include "models.def"
};

static const char *
kind_of(const Json *o)
{
	if (json_get(o, "type"))
		return json_get_str(o, "type", "");
	if (json_get(o, "merges"))
		return "BPE";
	if (json_is(json_get(o, "vocab"), json_type_array))
		return "Unigram";
	return json_get(o, "max_input_chars_per_word") ? "WordPiece"
	                                               : "WordLevel";
}

bool
parse_model(Build *b, const Json *o)
{
	const char *kind = kind_of(o);

	for (size_t i = 0; i < LEN(models); i++)
		if (strcmp(models[i].name, kind) == 0)
			return models[i].read(b, o) ||
			       note(b->c, "model '%s'", kind);
	return fail(b->c, QE_INPUT, "model '%s' is not supported", kind);
}
