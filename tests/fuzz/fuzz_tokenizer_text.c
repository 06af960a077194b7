/* SPDX-License-Identifier: BSD-3-Clause
 * Any bytes are encoded; the streamed text of the ids is that of all of them;
 * and where nothing is lost it is the text.  The first byte chooses one of
 * the tokenizers. */

#define _GNU_SOURCE
#include <stdlib.h>

#include "fuzz.h"
#include "tokenizer.h"
#include "unicode.h"

#define ADDED                                                                  \
	"\"added_tokens\":[{\"content\":\"<s>\",\"special\":true},"            \
	"{\"content\":\"<l>\",\"lstrip\":true,\"rstrip\":true},"               \
	"{\"content\":\"word\",\"single_word\":true,\"normalized\":true}],"
#define BYTES                                                                    \
	"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}," \
	"\"decoder\":{\"type\":\"ByteLevel\"},"

static const char *const rest[] = {
	/* all 256 bytes are filled in: lossless */
	"{" BYTES "\"model\":{\"type\":\"BPE\",\"merges\":[\"a b\",\"ab c\","
	"\"\\u0120 a\",\"e r\"],\"vocab\":{\"ab\":256,\"abc\":257,"
	"\"\\u0120a\":258,\"er\":259,",
	"{" ADDED BYTES
	"\"normalizer\":{\"type\":\"NFC\"},\"model\":{\"type\":\"BPE\","
	"\"merges\":[\"a b\"],\"vocab\":{\"ab\":256,",
	"{" ADDED
	"\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},"
	"\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"decoder\":"
	"{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
	"\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{"
	"\"##a\":256,\"##b\":257,\"##ab\":258,",
	"{" ADDED
	"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
	"\"Nmt\"},{\"type\":\"NFKC\"},{\"type\":\"StripAccents\"},{\"type\":"
	"\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"},"
	"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}]},"
	"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
	"{\"type\":\"Digits\"},{\"type\":\"Punctuation\",\"behavior\":"
	"\"MergedWithNext\"},{\"type\":\"Metaspace\",\"replacement\":\"_\","
	"\"prepend_scheme\":\"first\"},{\"type\":\"FixedLength\",\"length\":"
	"3}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":"
	"\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":\" \"},"
	"{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\","
	"\"content\":\" \",\"start\":1,\"stop\":1}]},\"model\":{\"type\":"
	"\"BPE\",\"byte_fallback\":true,\"unk_token\":\"a\",\"merges\":[],"
	"\"vocab\":{\"<0xC3>\":256,\"<0xA9>\":257,",
};

static Tokenizer *
make(Arena *a, const char *head)
{
	TokenizerFiles f = {0};
	Buf *b = buf_new(a), *blob = buf_new(a);
	Ctx *c = NEW(a, Ctx);
	Tokenizer *t;

	buf_str(b, head);
	for (int i = 0; i < 256; i++) {
		bool plain = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) ||
		             i >= 174;
		int at = i <= 32 ? i : i <= 160 ? i - 127 + 33 : 67;

		buf_fmt(b, "%s\"\\u%04x\":%d", i ? "," : "",
		        (unsigned)(plain ? i : 256 + at), i);
	}
	buf_str(b, "}}}");
	f.tokenizer_json = (Span){b->p, b->n};
	if (!tokenizer_compile(c, &f, blob) ||
	    !(t = tokenizer_open(c, a, (Span){blob->p, blob->n})))
		abort();
	return t;
}

static const Tokenizer *
choose(unsigned i)
{
	static Arena a;
	static Tokenizer *made[LEN(rest)];

	i %= LEN(rest);
	if (!made[i])
		made[i] = make(&a, rest[i]);
	return made[i];
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	Arena *a = &c.mem;
	Buf *all = buf_new(a), *parts = buf_new(a), *mended = buf_new(a);
	unsigned which = n ? *p : 0;
	const Tokenizer *t = choose(which);
	Span text = {(const char *)p + (n > 0), n - (n > 0)};
	Detok *d = detok_open(a, t, false);
	Ids ids;

	if (!tokenizer_encode(&c, a, t, text, NULL, false, &ids) ||
	    !tokenizer_decode(&c, a, t, ids.id, ids.n, false, all))
		abort();
	for (size_t i = 0; i < ids.n; i++)
		if (!detok_push(&c, d, ids.id[i], parts) ||
		    utf8_valid((Span){parts->p, parts->n}) != parts->n)
			abort();
	if (!detok_flush(&c, d, parts) || parts->n != all->n ||
	    memcmp(parts->p, all->p, all->n) != 0)
		abort();
	text = utf8_mend(text, mended);
	if (which % LEN(rest) == 0 &&
	    (all->n != text.n || memcmp(all->p, text.p, text.n) != 0))
		abort();
	arena_free(a);
	return 0;
}
