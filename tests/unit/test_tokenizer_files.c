/* SPDX-License-Identifier: BSD-3-Clause
 * test_tokenizer_files.c - SentencePiece models of each layout, made here
 * field by field; and what goes in comes out again. */

#include <stdlib.h>

#include "check.h"
#include "tokenizer.h"
#include "unicode.h"

#define MARK "\xe2\x96\x81"

typedef struct Kit {
	Arena a;
	qe_ctx *c;
	Tokenizer *t;
} Kit;

static void
kit_open(Kit *k, const TokenizerFiles *f)
{
	Buf *b;

	*k = (Kit){.c = qe_open("test")};
	qe_set_share(k->c, "share");
	b = buf_new(&k->a);
	if (tokenizer_compile(k->c, f, b))
		k->t = tokenizer_open(k->c, &k->a, (Span){b->p, b->n});
}

static void
kit_close(Kit *k)
{
	arena_free(&k->a);
	qe_close(k->c);
}

/* The names of a text's tokens, or why there are none. */
static const char *
names(Kit *k, const char *text, const char *pair)
{
	Span two = SPAN(pair ? pair : "");
	Buf *b = buf_new(&k->a);
	Ids ids;

	if (!k->t || !tokenizer_encode(k->c, &k->a, k->t, SPAN(text),
	                               pair ? &two : NULL, true, &ids))
		return qe_message(k->c);
	for (size_t i = 0; i < ids.n; i++)
		buf_fmt(b, "%s%d=%s", i ? " " : "", ids.id[i],
		        tokenizer_token(k->t, &k->a, ids.id[i]));
	return b->p;
}

/* ---- a SentencePiece model ---- */

static void
field(Buf *b, int number, Span s)
{
	buf_char(b, (char)(number << 3 | 2));
	buf_char(b, (char)s.n);
	buf_add(b, s.p, s.n);
}

static void
piece(Buf *model, const char *text, float score, char type)
{
	Arena a = {0};
	Buf *b = buf_new(&a);

	field(b, 1, SPAN(text));
	buf_char(b, 2 << 3 | 5);
	buf_add(b, &score, sizeof score);
	buf_char(b, 3 << 3);
	buf_char(b, type);
	field(model, 1, (Span){b->p, b->n});
	arena_free(&a);
}

/* <unk> <s> </s>, or <pad> </s> <unk>, and a few pieces */
static Span
pieces(Arena *a, bool pad)
{
	Buf *b = buf_new(a);

	piece(b, pad ? "<pad>" : "<unk>", 0, pad ? 3 : 2);
	piece(b, pad ? "</s>" : "<s>", 0, 3);
	piece(b, pad ? "<unk>" : "</s>", 0, pad ? 2 : 3);
	piece(b, MARK "a", -1, 1);
	piece(b, "b", -2, 1);
	piece(b, MARK, -3, 1);
	return (Span){b->p, b->n};
}

static const char *
by_class(const char *class, const char *text, const char *pair)
{
	static char out[500];
	char config[200];
	Arena a = {0};
	TokenizerFiles f = {
		.sentencepiece =
			pieces(&a, strcmp(class, "PegasusTokenizer") == 0)};
	Kit k;

	snprintf(config, sizeof config, "{\"tokenizer_class\":\"%s\"}", class);
	f.tokenizer_config = SPAN(config);
	kit_open(&k, &f);
	snprintf(out, sizeof out, "%s", names(&k, text, pair));
	kit_close(&k);
	arena_free(&a);
	return out;
}

static void
layouts_of_classes(void)
{
	CHECK_STR(by_class("XLMRobertaTokenizer", "ab", "a"),
	          "0=<s> 4=" MARK "a 5=b 2=</s> 2=</s> 4=" MARK "a 2=</s>");
	CHECK_STR(by_class("XLMRobertaTokenizer", "b<mask>", NULL),
	          "0=<s> 6=" MARK " 5=b 7=<mask> 2=</s>");
	CHECK_STR(by_class("MBartTokenizer", "ab<mask>", NULL),
	          "4=" MARK "a 5=b 32=<mask> 2=</s> 10=en_XX");
	CHECK_STR(by_class("MBart50Tokenizer", "ab sl_SI", NULL),
	          "10=en_XX 4=" MARK "a 5=b 58=sl_SI 2=</s>");
	CHECK_STR(by_class("PegasusTokenizer", "a<unk_102>", NULL),
	          "106=" MARK "a 104=<unk_102> 1=</s>");
	CHECK_STR(by_class("BarthezTokenizerFast", "az", NULL),
	          "0=<s> 4=" MARK "a 3=<unk> 2=</s>");
	CHECK_STR(by_class("CamembertTokenizer", "a", NULL),
	          "5=<s> 7=" MARK "a 6=</s>");
	CHECK_STR(by_class("T5Tokenizer", "a<extra_id_0>", NULL),
	          "3=" MARK "a 105=<extra_id_0> 2=</s>");
	CHECK_STR(by_class("MBartTokenizer", "a", NULL),
	          "4=" MARK "a 2=</s> 10=en_XX");
	CHECK_STR(by_class("MBart50Tokenizer", "ab", "b"),
	          "10=en_XX 4=" MARK "a 5=b 6=" MARK " 5=b 2=</s>");
	CHECK_STR(by_class("NllbTokenizer", "a fra_Latn", NULL),
	          "53=eng_Latn 4=" MARK "a 63=fra_Latn 2=</s>");
	CHECK_STR(by_class("XLNetTokenizer", "a", "b"),
	          "3=" MARK "a 6=<sep> 5=" MARK " 4=b 6=<sep> 8=<cls>");
	CHECK_STR(
		by_class("BertTokenizer", "a", NULL),
		"tokenizer_config.json: class 'BertTokenizer' needs vocab.txt or a tokenizer.json");
	CHECK_STR(
		by_class("NoSuchTokenizer", "a", NULL),
		"tokenizer_config.json: class 'NoSuchTokenizer' without a tokenizer.json is not supported");
}

static void
ids_of_a_pair_are_the_vocabulary_s(void)
{
	Arena a = {0};
	TokenizerFiles f = {
		.source_spm = pieces(&a, false),
		.vocab_json = SPAN("{\"</s>\":0,\"<unk>\":1,\"b\":2,\"" MARK
	                           "a\":3,\"" MARK "ab\":4,\"" MARK
	                           "\":5,\"z\":6,\"<pad>\":7}"),
		.tokenizer_config =
			SPAN("{\"tokenizer_class\":\"MarianTokenizer\"}"),
	};
	Kit k;

	kit_open(&k, &f);
	/* only the vocabulary has "ab" and "z" */
	CHECK_STR(names(&k, " ab  a ", NULL),
	          "3=" MARK "a 2=b 3=" MARK "a 0=</s>");
	CHECK_STR(names(&k, "azy", NULL), "3=" MARK "a 6=z 1=<unk> 0=</s>");
	kit_close(&k);
	arena_free(&a);
}

/* 103 tokens stand in front, of which one is spelled "<unk_2>". */
static void
tokens_stand_in_front(void)
{
	Arena a = {0};
	Buf *b = buf_new(&a);
	TokenizerFiles f = {
		.tokenizer_config =
			SPAN("{\"tokenizer_class\":\"PegasusTokenizer\"}")};
	Kit k;

	piece(b, "<pad>", 0, 3);
	piece(b, "</s>", 0, 3);
	piece(b, "<unk>", 0, 2);
	piece(b, MARK "a", -1, 1);
	f.sentencepiece = (Span){b->p, b->n};
	kit_open(&k, &f);
	CHECK_STR(names(&k, "a\na<mask_2>x", NULL),
	          "106=" MARK "a 106=" MARK "a 3=<mask_2> 105=<unk> 1=</s>");
	CHECK(tokenizer_id(k.t, "<unk_2>") == 4);
	CHECK(tokenizer_id(k.t, "<unk_102>") == 104);
	kit_close(&k);
	arena_free(&a);
}

/* The languages follow the vocabulary; the model's file has another name. */
static void
languages_follow_the_vocabulary(void)
{
	Arena a = {0};
	TokenizerFiles f = {
		.sentencepiece = pieces(&a, false),
		.vocab_json = SPAN("{\"<s>\":0,\"<pad>\":1,\"</s>\":2,"
	                           "\"<unk>\":3,\"b\":4,\"" MARK "a\":5}"),
	};
	Kit k;

	f.tokenizer_config = SPAN("{\"tokenizer_class\":\"M2M100Tokenizer\"}");
	kit_open(&k, &f);
	CHECK_STR(names(&k, "ab", NULL), "24=__en__ 5=" MARK "a 4=b 2=</s>");
	CHECK(tokenizer_id(k.t, "__zu__") == 105);
	kit_close(&k);
	f.tokenizer_config = SPAN("{\"tokenizer_class\":\"M2M100Tokenizer\","
	                          "\"language_codes\":\"wmt21\","
	                          "\"src_lang\":\"de\"}");
	kit_open(&k, &f);
	CHECK_STR(names(&k, "a", NULL), "13=__de__ 5=" MARK "a 2=</s>");
	kit_close(&k);
	arena_free(&a);
}

/* A blank stands in front of every part, or of a text's first only. */
static void
legacy_is_a_setting(void)
{
	static const char *const config[] = {
		"{\"tokenizer_class\":\"LlamaTokenizer\"}",
		"{\"tokenizer_class\":\"LlamaTokenizer\",\"legacy\":false}",
	};
	static const char *const want[] = {
		"1=<s> 3=" MARK "a 2=</s> 5=" MARK " 4=b",
		"1=<s> 3=" MARK "a 2=</s> 4=b",
	};

	for (size_t i = 0; i < LEN(config); i++) {
		Arena a = {0};
		Buf *b = buf_new(&a);
		TokenizerFiles f = {.tokenizer_config = SPAN(config[i])};
		Span s = pieces(&a, false);
		Kit k;

		buf_add(b, s.p, s.n);
		/* a score for "a", and a model of pairs */
		piece(b, "a", -9, 1);
		field(b, 2, SPAN("\x18\x02"));
		f.sentencepiece = (Span){b->p, b->n};
		kit_open(&k, &f);
		CHECK_STR(names(&k, "a</s>b", NULL), want[i]);
		kit_close(&k);
		arena_free(&a);
	}
}

static void
broken_models_are_refused(void)
{
	Arena a = {0};
	Span all = pieces(&a, false);

	for (size_t n = 1; n < all.n; n++) {
		TokenizerFiles f = {.sentencepiece = {all.p, n}};
		Kit k;

		kit_open(&k, &f);
		CHECK(k.t || qe_status(k.c) == QE_INPUT);
		kit_close(&k);
	}
	arena_free(&a);
}

/* ---- there and back ---- */

/* Splits and how a text begins; the vocabulary is all bytes. */
static const char *const lossless[] = {
	"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}",
	"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
	"{\"type\":\"Digits\",\"individual_digits\":true},"
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}",
	"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
	"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L}+|\\\\s+(?!\\\\S)\"},"
	"\"behavior\":\"MergedWithNext\",\"invert\":false},"
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}",
};

static void
open_bytes(Kit *k, const char *split)
{
	Arena a = {0};
	Buf *b = buf_new(&a);
	TokenizerFiles f = {0};

	buf_fmt(b,
	        "{%s,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":"
	        "\"BPE\",\"merges\":[\"a b\",\"\\u0120 a\"],\"vocab\":{"
	        "\"ab\":256,\"\\u0120a\":257",
	        split);
	for (int i = 0, other = 256; i < 256; i++) {
		bool plain = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) ||
		             i >= 174;

		buf_fmt(b, ",\"\\u%04x\":%d", plain ? i : other++, i);
	}
	buf_str(b, "}}}");
	f.tokenizer_json = (Span){b->p, b->n};
	kit_open(k, &f);
	CHECK_STR(qe_message(k->c), "");
	arena_free(&a);
}

static uint32_t
chance(void)
{
	static uint64_t s = 88172645463325252u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 20);
}

static void
random_text(Buf *b, bool characters)
{
	static const uint32_t limit[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};

	buf_clear(b);
	for (uint32_t n = chance() % 40; n > 0; n--) {
		uint32_t ch = chance() % limit[chance() % LEN(limit)];

		if (!characters)
			buf_char(b, (char)chance());
		else if (ch < 0xd800 || ch > 0xdfff)
			buf_utf8(b, ch);
	}
}

/* What is not UTF-8 comes back as U+FFFD for each bad sequence. */
static void
text_comes_back(Kit *k, const Buf *b)
{
	Arena a = {0};
	Buf *mended = buf_new(&a), *back = buf_new(&a);
	Span want = utf8_mend((Span){b->p, b->n}, mended);
	Ids ids;

	CHECK(tokenizer_encode(k->c, &a, k->t, (Span){b->p, b->n}, NULL, true,
	                       &ids) &&
	      tokenizer_decode(k->c, &a, k->t, ids.id, ids.n, false, back) &&
	      back->n == want.n && memcmp(back->p, want.p, want.n) == 0);
	arena_free(&a);
}

static void
what_goes_in_comes_out(void)
{
	Arena a = {0};
	Buf *b = buf_new(&a);

	for (size_t i = 0; i < LEN(lossless); i++) {
		Kit k;

		open_bytes(&k, lossless[i]);
		for (int n = 0; n < 2000 && k.t; n++) {
			random_text(b, n % 2);
			text_comes_back(&k, b);
		}
		kit_close(&k);
	}
	arena_free(&a);
}

/* ---- the Unicode of the reference library ---- */

static const char *
formed(const char *text, int form)
{
	static char out[100];
	Ctx c = {0};
	Buf *b = buf_new(&c.mem);

	CHECK(text_form(&c, SPAN(text), form, b));
	snprintf(out, sizeof out, "%s", b->p);
	arena_free(&c.mem);
	return out;
}

/* Known to Unicode 9: changes.  Later: stays, and marks stay on its side. */
static void
normal_forms_are_of_unicode_9(void)
{
	CHECK_STR(formed("\xef\xac\x81", FORM_COMPAT), "fi");
	CHECK_STR(formed("a\xcc\x81", FORM_COMPOSE), "\xc3\xa1");
	CHECK_STR(formed("x\xcc\x81\xcc\xa7", 0), "x\xcc\xa7\xcc\x81");
	CHECK_STR(formed("\xe3\x8b\xbf", FORM_COMPAT), "\xe3\x8b\xbf");
	CHECK_STR(formed("\xf0\x9f\xaf\xb3", FORM_COMPAT | FORM_COMPOSE),
	          "\xf0\x9f\xaf\xb3");
	/* U+1DF9 is a mark below, of Unicode 10 */
	CHECK_STR(formed("a\xcc\x81\xe1\xb7\xb9", 0), "a\xcc\x81\xe1\xb7\xb9");
	CHECK_STR(formed("e\xe1\xb7\xb9\xcc\x81", FORM_COMPOSE),
	          "e\xe1\xb7\xb9\xcc\x81");
}

int
main(void)
{
	normal_forms_are_of_unicode_9();
	layouts_of_classes();
	ids_of_a_pair_are_the_vocabulary_s();
	languages_follow_the_vocabulary();
	legacy_is_a_setting();
	tokens_stand_in_front();
	broken_models_are_refused();
	what_goes_in_comes_out();
	return check_done("tokenizer files");
}
