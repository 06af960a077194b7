/* SPDX-License-Identifier: BSD-3-Clause
 * test_tokenizer.c - small tokenizers of each kind, whole pipelines. */

#include <stdlib.h>

#include "check.h"
#include "json.h"
#include "tokenizer.h"

#define SHARED "../shared/demo-model/model/"

/* A tokenizer and where it lives. */
typedef struct Kit {
	Arena a;
	qe_ctx *c;
	Tokenizer *t;
} Kit;

static Kit *
kit(const char *json)
{
	Kit *k = calloc(1, sizeof *k);
	TokenizerFiles f = {.tokenizer_json = SPAN(json)};
	Buf *b = buf_new(&k->a);

	k->c = qe_open("test");
	if (tokenizer_compile(k->c, &f, b))
		k->t = tokenizer_open(k->c, &k->a, (Span){b->p, b->n});
	return k;
}

static void
kit_free(Kit *k)
{
	arena_free(&k->a);
	qe_close(k->c);
	free(k);
}

/* ids as words: "1 2 3", types after a bar if any is not 0 */
static const char *
ids(Kit *k, const char *text, const char *pair, bool special)
{
	Buf *b = buf_new(&k->a);
	Span p = pair ? SPAN(pair) : (Span){0};
	bool types = false;
	Ids out;

	if (!tokenizer_encode(k->c, &k->a, k->t, SPAN(text), pair ? &p : NULL,
	                      special, &out))
		return qe_message(k->c);
	for (size_t i = 0; i < out.n; i++) {
		buf_fmt(b, "%s%d", i ? " " : "", out.id[i]);
		types |= out.type[i] != 0;
	}
	for (size_t i = 0; i < out.n && types; i++)
		buf_fmt(b, "%s%d", i ? " " : " | ", out.type[i]);
	return b->p;
}

/* The text of ids, at once; a difference to streaming fails. */
static const char *
text(Kit *k, const int32_t *id, size_t n, bool skip)
{
	Buf *b = buf_new(&k->a), *s = buf_new(&k->a);
	Detok *d = detok_open(&k->a, k->t, skip);

	tokenizer_decode(k->c, &k->a, k->t, id, n, skip, b);
	for (size_t i = 0; i < n; i++)
		detok_push(k->c, d, id[i], s);
	detok_flush(k->c, d, s);
	CHECK_STR(s->p, b->p);
	return b->p;
}

#define TEXT(k, skip, ...)                                                     \
	text((k), (const int32_t[]){__VA_ARGS__},                              \
	     LEN(((const int32_t[]){__VA_ARGS__})), (skip))

static const char refused[] =
	"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
	"\"normalizer\":{\"type\":\"Rot13\"}}";

static void
unknown_parts_are_refused_by_name(void)
{
	Kit *k = kit(refused);

	CHECK(k->t == NULL);
	CHECK(qe_status(k->c) == QE_INPUT);
	CHECK_STR(qe_message(k->c),
	          "tokenizer.json: normalizer 'Rot13' is not supported");
	kit_free(k);
}

static const char bpe[] =
	"{\"added_tokens\":[{\"content\":\"<s>\",\"special\":true},"
	"{\"content\":\"<w>\",\"lstrip\":true,\"rstrip\":true}],"
	"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
	"\"decoder\":{\"type\":\"ByteLevel\"},"
	"\"post_processor\":{\"type\":\"TemplateProcessing\","
	"\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
	"{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
	"\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
	"{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
	"{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
	"\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[8],\"tokens\":[\"<s>\"]}}},"
	"\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\\u0120\":2,"
	"\"ab\":3,\"\\u0120ab\":4,\"\\u00c3\":5,\"\\u00a9\":6,\"bb\":7},"
	"\"merges\":[\"a b\",[\"\\u0120\",\"ab\"],\"b b\"]}}";

static void
byte_level_bpe(void)
{
	Kit *k = kit(bpe);

	CHECK(k->t != NULL);
	CHECK_STR(ids(k, "ab ab", NULL, false), "3 4");
	CHECK_STR(ids(k, "abb abbb", NULL, true), "8 3 1 4 7");
	CHECK_STR(ids(k, "a<s>b", NULL, false), "0 8 1");
	CHECK_STR(ids(k, "a  <w> \n b", NULL, false), "0 9 1");
	CHECK_STR(ids(k, "\xc3\xa9", NULL, false), "5 6");
	CHECK_STR(ids(k, "a", "ab", true), "0 8 3 | 0 0 1");
	CHECK_STR(TEXT(k, false, 8, 3, 4, 99, 5, 6), "<s>ab ab\xc3\xa9");
	CHECK_STR(TEXT(k, true, 8, 5, 0), "\xef\xbf\xbd"
	                                  "a");
	CHECK(tokenizer_id(k->t, "<w>") == 9 && tokenizer_id(k->t, "x") == -1);
	CHECK(tokenizer_size(k->t) == 10 && tokenizer_is_special(k->t, 8) &&
	      !tokenizer_is_special(k->t, 9));
	CHECK_STR(tokenizer_token(k->t, &k->a, 4), "\xc4\xa0"
	                                           "ab");
	kit_free(k);
}

/* A merge makes one symbol of two; what was further right must move up. */
static void
long_words_merge_as_short_ones(void)
{
	Kit *k = kit(bpe);
	char word[201] = {0};
	Ids a, b;

	for (int i = 0; i < 200; i++)
		word[i] = i % 3 == 0 ? 'a' : 'b';
	tokenizer_encode(k->c, &k->a, k->t, (Span){word, 200}, NULL, false, &a);
	tokenizer_encode(k->c, &k->a, k->t, (Span){word, 20}, NULL, false, &b);
	CHECK(a.n == 133 && b.n == 13);
	CHECK(memcmp(a.id, b.id, 13 * sizeof *a.id) == 0);
	kit_free(k);
}

static const char wordpiece[] =
	"{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
	"\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},"
	"\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
	"\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
	"\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]},"
	"\"truncation\":{\"max_length\":6,\"strategy\":\"LongestFirst\",\"stride\":0},"
	"\"padding\":{\"strategy\":{\"Fixed\":5},\"direction\":\"Right\",\"pad_id\":9,\"pad_type_id\":0,\"pad_token\":\"p\"},"
	"\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
	"\"max_input_chars_per_word\":6,\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,"
	"\"un\":3,\"##able\":4,\"able\":5,\"!\":6,\"\\u4e2d\":7,\"e\":8,\"p\":9}}}";

static void
wordpiece_with_bert(void)
{
	Kit *k = kit(wordpiece);

	CHECK(k->t != NULL);
	CHECK_STR(ids(k, "UNable!", NULL, true), "1 3 4 6 2");
	CHECK_STR(ids(k, "\xc3\x89", NULL, true), "1 8 2 9 9");
	CHECK_STR(ids(k, "x\xe4\xb8\xad", NULL, true), "1 0 7 2 9");
	CHECK_STR(ids(k, "unableable e", NULL, false), "0 8 9 9 9");
	CHECK_STR(ids(k, "e e e e e e", NULL, true), "1 8 8 8 8 2");
	CHECK_STR(ids(k, "e e", "! ! !", true), "1 8 2 6 6 2 | 0 0 0 1 1 1");
	CHECK_STR(TEXT(k, false, 3, 4, 6), "unable!");
	kit_free(k);
}

/* The reference library stops making ids after the word that reaches the
 * limit, so that two long texts count as equally long; and a token whose
 * blanks went to the one before it is none. */
static const char limits[] =
	"{\"truncation\":{\"direction\":\"Left\",\"max_length\":3,\"strategy\":\"LongestFirst\",\"stride\":0},"
	"\"added_tokens\":[{\"content\":\"  \",\"lstrip\":true,\"rstrip\":true}],"
	"\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"
	"\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":1},\"unk_token\":\"a\"}}";

static void
two_long_texts_are_equally_long(void)
{
	Kit *k = kit(limits);

	CHECK(k->t != NULL);
	CHECK_STR(ids(k, "a a a a b", "b b b b", false), "1 1 1 | 0 1 1");
	CHECK_STR(ids(k, "a    b", NULL, false), "0 2 1");
	kit_free(k);
}

static const char unigram[] =
	"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"first\"},"
	"\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},"
	"{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\"}]},"
	"\"added_tokens\":[{\"content\":\"<x>\",\"special\":true}],"
	"\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"<unk>\",0],"
	"[\"\\u2581\",-3],[\"a\",-1],[\"\\u2581a\",-3.5],[\"aa\",-1.5],[\"<0xC3>\",-9],[\"<0xA9>\",-9]]}}";

static void
unigram_takes_the_best_path(void)
{
	Kit *k = kit(unigram);

	CHECK(k->t != NULL);
	CHECK_STR(ids(k, "aaa", NULL, false), "3 4");
	CHECK_STR(ids(k, "a<x>a", NULL, false), "3 7 2");
	CHECK_STR(ids(k, "a \xc3\xa9", NULL, false), "3 1 5 6");
	CHECK_STR(ids(k, "zz", NULL, false), "1 0");
	CHECK_STR(TEXT(k, true, 3, 7, 1, 5, 6), "a \xc3\xa9");
	CHECK_STR(TEXT(k, true, 3, 5), "a\xef\xbf\xbd");
	kit_free(k);
}

/* Offsets, counts and kinds of a blob are all checked: no single byte may
 * lead astray. */
static void
damaged_blobs_do_no_harm(void)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	TokenizerFiles f = {.tokenizer_json = SPAN(wordpiece)};
	Buf *b = buf_new(&a);
	int opened = 0, refused_ = 0;

	CHECK(tokenizer_compile(c, &f, b));
	for (size_t i = 0; i < b->n; i++) {
		Arena tmp = {0};
		qe_ctx *d = qe_open("test");
		char *copy = arena_copy(&tmp, b->p, b->n);
		Tokenizer *t;
		Ids out;

		copy[i] ^= (char)(1 << i % 8);
		t = tokenizer_open(d, &tmp, (Span){copy, b->n});
		opened += t != NULL;
		refused_ += t == NULL;
		if (t)
			tokenizer_encode(d, &tmp, t, SPAN("unable e!"), NULL,
			                 true, &out);
		arena_free(&tmp);
		qe_close(d);
	}
	CHECK(opened > 0 && refused_ > 0);
	for (size_t n = 0; n < b->n; n += 13)
		CHECK(tokenizer_open(c, &a, (Span){b->p, n}) == NULL);
	arena_free(&a);
	qe_close(c);
}

static void
golden_prompts_of_the_demo_model(void)
{
	Kit *k = kit(refused);
	TokenizerFiles f = {0};
	Buf *b = buf_new(&k->a);
	Json *gold;

	qe_close(k->c);
	k->c = qe_open("test");
	if (!file_exists(SHARED "golden.json")) {
		kit_free(k);
		return;
	}
	CHECK(file_map(k->c, &k->a, SHARED "tokenizer.json",
	               &f.tokenizer_json));
	CHECK(tokenizer_compile(k->c, &f, b));
	k->t = tokenizer_open(k->c, &k->a, (Span){b->p, b->n});
	gold = json_get(json_read(k->c, &k->a, SHARED "golden.json", 1 << 24),
	                "greedy");
	CHECK(json_len(gold) > 0);
	for (size_t i = 0; i < json_len(gold) && k->t; i++) {
		const Json *g = json_at(gold, i),
			   *w = json_get(g, "prompt_ids");
		Buf *want = buf_new(&k->a);

		for (size_t j = 0; j < json_len(w); j++)
			buf_fmt(want, "%s%lld", j ? " " : "",
			        (long long)json_int(json_at(w, j), -1));
		CHECK_STR(ids(k, json_get_str(g, "prompt", ""), NULL, true),
		          want->p);
	}
	kit_free(k);
}

int
main(void)
{
	unknown_parts_are_refused_by_name();
	byte_level_bpe();
	long_words_merge_as_short_ones();
	wordpiece_with_bert();
	two_long_texts_are_equally_long();
	unigram_takes_the_best_path();
	damaged_blobs_do_no_harm();
	golden_prompts_of_the_demo_model();
	return check_done("tokenizer");
}
