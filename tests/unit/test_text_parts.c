/* SPDX-License-Identifier: BSD-3-Clause
 * test_text_parts.c - each normalizer, pre-tokenizer and decoder by itself,
 * and what threads and random texts may do to a tokenizer. */

#include <stdlib.h>

#include "check.h"
#include "tok.h"

#define MARK "\xe2\x96\x81"
#define BAD "\xef\xbf\xbd"

/* A tokenizer with one part; NULL if it is refused, then *why. */
static Tokenizer *
with(Arena *a, qe_ctx *c, const char *key, const char *part, const char *vocab)
{
	Buf *b = buf_new(a), *blob = buf_new(a);
	TokenizerFiles f = {0};

	buf_fmt(b,
	        "{\"%s\":%s,\"model\":{\"type\":\"WordLevel\",\"vocab\":{%s},\"unk_token\":\"?\"}}",
	        key, part, vocab ? vocab : "\"?\":0");
	f.tokenizer_json = (Span){b->p, b->n};
	if (!tokenizer_compile(c, &f, blob))
		return NULL;
	return tokenizer_open(c, a, (Span){blob->p, blob->n});
}

/* The pieces of a text in brackets, or the message. */
static void
pieces(const char *part, const char *text, const char *want)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Tokenizer *t = with(&a, c, "pre_tokenizer", part, NULL);
	Buf *out = buf_new(&a);
	Run *r = t ? run_take(c, t) : NULL;

	if (r && find_added(r, SPAN(text)) && split_all(r))
		for (size_t i = 0; i < r->npiece; i++)
			buf_fmt(out, "[%.*s]", (int)r->piece[i].n,
			        r->text.p + r->piece[i].off);
	if (r)
		run_give(r);
	CHECK_STR(t ? out->p : qe_message(c), want);
	arena_free(&a);
	qe_close(c);
}

static void
pre_tokenizers_cut(void)
{
#define SPLIT_ON(how, invert)                                                    \
	"{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":\"" how \
	"\",\"invert\":" invert "}"
	const char *s = "the-final--countdown-";

	pieces(SPLIT_ON("Removed", "false"), s, "[the][final][countdown]");
	pieces(SPLIT_ON("Isolated", "false"), s,
	       "[the][-][final][-][-][countdown][-]");
	pieces(SPLIT_ON("MergedWithPrevious", "false"), s,
	       "[the-][final-][-][countdown-]");
	pieces(SPLIT_ON("MergedWithNext", "false"), s,
	       "[the][-final][-][-countdown][-]");
	pieces(SPLIT_ON("Contiguous", "false"), s,
	       "[the][-][final][--][countdown][-]");
	pieces(SPLIT_ON("Removed", "true"), s, "[-][-][-][-]");
	pieces(SPLIT_ON("Contiguous", "true"), "--a", "[--][a]");
	pieces("{\"type\":\"Punctuation\"}", "Hey friend!  How?!?",
	       "[Hey friend][!][  How][?][!][?]");
	pieces("{\"type\":\"Digits\",\"individual_digits\":true}",
	       "a 12\xe2\x85\xa7", "[a ][1][2][\xe2\x85\xa7]");
	pieces("{\"type\":\"Digits\"}", "a 12b", "[a ][12][b]");
	pieces("{\"type\":\"Whitespace\"}", "How are you? \xe2\x80\x8d,",
	       "[How][are][you][?][\xe2\x80\x8d][,]");
	pieces("{\"type\":\"WhitespaceSplit\"}", " a\xc2\xa0 b?", "[a][b?]");
	pieces("{\"type\":\"BertPreTokenizer\"}", "Hey, \xe2\x80\x94x\xc2\xa0y",
	       "[Hey][,][\xe2\x80\x94][x][y]");
	pieces("{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"-\"}", s,
	       "[the][final][countdown]");
	pieces("{\"type\":\"FixedLength\",\"length\":2}",
	       "a\xc3\xa9"
	       "b",
	       "[a\xc3\xa9][b]");
	pieces("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", "a  b's",
	       "[ a][ ][ b]['s]");
	pieces("{\"type\":\"UnicodeScripts\"}",
	       "Apples are \xe3\x82\x8a\xe6\x9e\x97 \xe3\x83\xbc.",
	       "[Apples are ][\xe3\x82\x8a\xe6\x9e\x97 \xe3\x83\xbc][.]");
}

static void
metaspace_prepends_by_its_scheme(void)
{
#define META(scheme, split)                                                    \
	"{\"type\":\"Metaspace\",\"replacement\":\"" MARK                      \
	"\",\"prepend_scheme\":\"" scheme "\",\"split\":" split "}"
	pieces(META("always", "true"), "Hey  you",
	       "[" MARK "Hey][" MARK "][" MARK "you]");
	pieces(META("always", "false"), " Hey you", "[" MARK "Hey" MARK "you]");
	pieces(META("never", "true"), "Hey you", "[Hey][" MARK "you]");
	pieces("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
	       "\"WhitespaceSplit\"}," META("first", "true") "]}",
	       "a b", "[" MARK "a][b]");
	pieces("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
	       "\"WhitespaceSplit\"}," META("first", "true") "]}",
	       " a", "[a]");
	pieces("{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "",
	       "tokenizer.json: pre_tokenizer 'Metaspace': 'replacement' is not one character");
}

static void
normal(const char *part, const char *text, const char *want)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Tokenizer *t = with(&a, c, "normalizer", part, NULL);
	Run *r = t ? run_take(c, t) : NULL;

	if (r) {
		r->norm.s = SPAN(text);
		CHECK(normalize(r, &r->norm));
		CHECK_STR(arena_span(&a, r->norm.s), want);
		run_give(r);
	}
	CHECK(r != NULL);
	arena_free(&a);
	qe_close(c);
}

static void
normalizers_rewrite(void)
{
	const char *e = "E\xcc\x81 \xef\xac\x81 \xc3\x89";

	normal("{\"type\":\"NFC\"}", e, "\xc3\x89 \xef\xac\x81 \xc3\x89");
	normal("{\"type\":\"NFD\"}", e, "E\xcc\x81 \xef\xac\x81 E\xcc\x81");
	normal("{\"type\":\"NFKC\"}", e, "\xc3\x89 fi \xc3\x89");
	normal("{\"type\":\"NFKD\"}", e, "E\xcc\x81 fi E\xcc\x81");
	normal("{\"type\":\"Lowercase\"}", "A\xc4\xb0\xce\xa3",
	       "ai\xcc\x87\xcf\x83");
	normal("{\"type\":\"StripAccents\"}", e, "E \xef\xac\x81 \xc3\x89");
	normal("{\"type\":\"Strip\",\"strip_left\":true}", "\t a ", "a ");
	normal("{\"type\":\"Strip\",\"strip_right\":true}", " a\xe3\x80\x80\n",
	       " a");
	normal("{\"type\":\"Prepend\",\"prepend\":\"_\"}", "a", "_a");
	normal("{\"type\":\"Prepend\",\"prepend\":\"_\"}", "", "");
	normal("{\"type\":\"Replace\",\"pattern\":{\"String\":\"aa\"},"
	       "\"content\":\"b\"}",
	       "aaaca", "baca");
	normal("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},"
	       "\"content\":\" \"}",
	       "a \n b\t", "a b ");
	normal("{\"type\":\"Nmt\"}",
	       "\x01"
	       "a\xe2\x80\x8b\n\xef\xbb\xbf",
	       "a   ");
	normal("{\"type\":\"ByteLevel\"}", "a \xc3\xa9",
	       "a\xc4\xa0\xc3\x83\xc2\xa9");
	normal("{\"type\":\"BertNormalizer\",\"strip_accents\":false,"
	       "\"lowercase\":true}",
	       "\xc3\x89\tx\xe4\xb8\xad\xef\xbf\xbd",
	       "\xc3\xa9 x \xe4\xb8\xad ");
	/* a mark that Unicode 8 did not have stays, as in the reference */
	normal("{\"type\":\"BertNormalizer\",\"lowercase\":true}",
	       "a\xcc\x81\xe0\xb4\x80", "a\xe0\xb4\x80");
}

/* The text of all tokens of a vocabulary, which `stream` must agree with. */
static void
decoded(const char *part, const char *vocab, size_t n, const char *want)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Tokenizer *t = with(&a, c, "decoder", part, vocab);
	Buf *all = buf_new(&a), *stream = buf_new(&a);
	int32_t *id = NEWV(&a, int32_t, n);
	Detok *d;

	CHECK(t != NULL);
	if (t) {
		d = detok_open(&a, t, false);
		for (size_t i = 0; i < n; i++) {
			id[i] = (int32_t)i;
			detok_push(c, d, id[i], stream);
		}
		detok_flush(c, d, stream);
		tokenizer_decode(c, &a, t, id, n, false, all);
		CHECK_STR(all->p, want);
		CHECK_STR(stream->p, want);
	}
	arena_free(&a);
	qe_close(c);
}

static void
decoders_join(void)
{
	decoded("null", "\"a\":0,\"b\":1", 2, "a b");
	decoded("{\"type\":\"Fuse\"}", "\"a\":0,\"b\":1", 2, "ab");
	decoded("{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
	        "\"##a\":0,\"##b\":1,\"c\":2,\".\":3,\"n't\":4", 5,
	        "##ab c.n't");
	decoded("{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":false}",
	        "\"a\":0,\".\":1", 2, "a .");
	decoded("{\"type\":\"Metaspace\",\"replacement\":\"_\"}",
	        "\"_a_\":0,\"_b\":1", 2, "a b");
	decoded("{\"type\":\"Metaspace\",\"replacement\":\"_\","
	        "\"prepend_scheme\":\"never\"}",
	        "\"_a\":0,\"_b\":1", 2, " a b");
	decoded("{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}",
	        "\"a\":0,\"b</w>\":1,\"c</w>\":2", 3, "ab c");
	decoded("{\"type\":\"CTC\",\"pad_token\":\"<pad>\","
	        "\"word_delimiter_token\":\"|\",\"cleanup\":true}",
	        "\"h\":0,\"<pad>\":1,\"i\":2,\"|\":3,\"x\":4", 5, "hi x");
	decoded("{\"type\":\"Strip\",\"content\":\"_\",\"start\":1,\"stop\":2}",
	        "\"__a___\":0,\"b_c_\":1,\"_\":2", 3, "_a_b_c");
	decoded("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[_]+\"},"
	        "\"content\":\" \"}",
	        "\"a__\":0,\"_b\":1", 2, "a  b");
	decoded("{\"type\":\"ByteLevel\"}",
	        "\"\\u00c3\":0,\"\\u00a9\\u0120\":1,\"\\u4e2d\":2,\"\\u00e4\":3",
	        4, "\xc3\xa9 \xe4\xb8\xad" BAD);
}

static void
runs_of_bytes_are_text_or_bad(void)
{
	static const char fallback[] = "{\"type\":\"ByteFallback\"}";

	decoded(fallback, "\"<0xE5>\":0,\"<0x8f>\":1,\"<0xab>\":2,\"a\":3", 4,
	        "\xe5\x8f\xab"
	        "a");
	decoded(fallback, "\"<0xE5>\":0,\"<0x8f>\":1,\"a\":2", 3, BAD BAD "a");
	decoded(fallback, "\"<0x61>\":0,\"<0xE5>\":1", 2, BAD BAD);
	decoded(fallback, "\"<0xGG>\":0,\"<0x6>\":1", 2, "<0xGG><0x6>");
}

/* No piece leaves before later ids can no longer change it. */
static void
streams_hold_back_what_may_change(void)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Tokenizer *t =
		with(&a, c, "decoder", "{\"type\":\"ByteLevel\"}",
	             "\"\\u00e4\":0,\"\\u00b8\":1,\"\\u0143\":2,\"a\":3");
	Buf *out = buf_new(&a);
	Detok *d = detok_open(&a, t, false);

	CHECK(detok_push(c, d, 3, out) && out->n == 1);
	CHECK(detok_push(c, d, 0, out) && out->n == 1);
	CHECK(detok_push(c, d, 1, out) && out->n == 1);
	CHECK(detok_push(c, d, 2, out) && out->n == 4);
	CHECK(detok_push(c, d, 0, out) && out->n == 4);
	CHECK(detok_flush(c, d, out));
	CHECK_STR(out->p, "a\xe4\xb8\xad" BAD);
	arena_free(&a);
	qe_close(c);
}

typedef struct Shared {
	const Tokenizer *t;
	const char *text;
	Ids want;
	_Atomic int bad;
} Shared;

static void
encode_many(void *arg, int64_t begin, int64_t end, int thread)
{
	Shared *s = arg;

	(void)thread;
	for (int64_t i = begin; i < end; i++) {
		Ctx c = {0};
		Ids ids;
		bool ok = tokenizer_encode(&c, &c.mem, s->t, SPAN(s->text),
		                           NULL, false, &ids);

		s->bad +=
			!ok || ids.n != s->want.n ||
			memcmp(ids.id, s->want.id, ids.n * sizeof *ids.id) != 0;
		arena_free(&c.mem);
	}
}

static void
threads_share_a_tokenizer(void)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Shared s = {.text = "ab ba a b abba  c"};

	s.t = with(&a, c, "pre_tokenizer", "{\"type\":\"Whitespace\"}",
	           "\"ab\":0,\"ba\":1,\"a\":2,\"b\":3,\"?\":4");
	CHECK(tokenizer_encode(c, &a, s.t, SPAN(s.text), NULL, false, &s.want));
	CHECK(s.want.n == 6 && s.want.id[5] == 4);
	pool_run(pool_open(&a, 4), encode_many, &s, 2000, 1);
	CHECK(s.bad == 0);
	arena_free(&a);
	qe_close(c);
}

int
main(void)
{
	pre_tokenizers_cut();
	metaspace_prepends_by_its_scheme();
	normalizers_rewrite();
	decoders_join();
	runs_of_bytes_are_text_or_bad();
	streams_hold_back_what_may_change();
	threads_share_a_tokenizer();
	return check_done("text parts");
}
