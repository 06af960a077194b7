/* SPDX-License-Identifier: BSD-3-Clause
 * kind.c - what a file is, by its first bytes.
 *
 * People hand one stage's file to another, download a web page instead of
 * weights, or forget `git lfs pull`; the message should say which.  Magic
 * numbers are rows; formats without one have a test each. */

#include <ctype.h>
#include <strings.h>

#include "kind.h"

static const struct {
	const char *name, *hint;
} kinds[KIND_COUNT] = {
	[KIND_UNKNOWN] = {"of no known kind", ""},
	[KIND_EMPTY] = {"empty", " (did the stage before it fail?)"},
	[KIND_JSON] = {"a JSON document", ""},
	[KIND_ONNX] = {"an ONNX model", ""},
	[KIND_QPC] = {"a QPC package", ""},
	[KIND_TAR] = {"a tar archive", ""},
	[KIND_VENDOR] = {"a programqpc.bin of Qualcomm's compiler",
                         " (qnn-compile --backend qaic makes a package of it)"},
	[KIND_SAFETENSORS] = {"a safetensors file", ""},
	[KIND_NPY] = {"a .npy array", ""},
	[KIND_ZIP] = {"a zip archive", " (a PyTorch checkpoint is one)"},
	[KIND_PICKLE] = {"a Python pickle", " (an old PyTorch checkpoint is "
                                            "one)"},
	[KIND_GGUF] = {"a GGUF file", ""},
	[KIND_HTML] = {"a web page", " (download it again)"},
	[KIND_LFS] = {"a git-lfs pointer", " (run 'git lfs pull')"},
	[KIND_PACKED] = {"a compressed file", " (unpack it first)"},
};

static const struct {
	size_t at, n;
	const char *bytes;
	enum Kind kind;
} magic[] = {
	{0, 6, "\x93NUMPY", KIND_NPY},
	{0, 4, "PK\3\4", KIND_ZIP},
	{0, 4, "PK\5\6", KIND_ZIP},
	{0, 4, "GGUF", KIND_GGUF},
	{0, 4, "\x7c\xcd\xa1\0", KIND_VENDOR},
	{0, 2, "\x80\2", KIND_PICKLE},
	{0, 2, "\x80\4", KIND_PICKLE},
	{0, 2, "\x1f\x8b", KIND_PACKED},
	{0, 4, "\x28\xb5\x2f\xfd", KIND_PACKED},
	{0, 6,
         "\xfd"
         "7zXZ",
         KIND_PACKED},
	{0, 23, "version https://git-lfs", KIND_LFS},
	{257, 5, "ustar", KIND_TAR},
};

static bool
is_safetensors(Span s)
{
	uint64_t n = 0;

	if (s.n < 9 || s.p[8] != '{')
		return false;
	for (int i = 7; i >= 0; i--)
		n = n << 8 | (unsigned char)s.p[i];
	return n >= 2 && n <= UINT32_MAX;
}

/* A ModelProto begins with fields of numbers and wire types it has: 1, 5
 * integers; 2-4, 6-8, 14, 20, 25 strings or messages. */
static bool
is_onnx(Span s)
{
	static const char wire[26] = ".02220222.....2.....2....2";
	size_t at = 0;
	int fields = 0;

	while (at < s.n && fields < 3) {
		unsigned tag = (unsigned char)s.p[at++];
		uint64_t v = 0;
		int shift = 0;

		if (tag & 0x80 && at < s.n)
			tag = (tag & 0x7f) | (unsigned char)s.p[at++] << 7;
		if (tag >> 3 >= sizeof wire || tag >> 3 == 0 ||
		    wire[tag >> 3] != (char)('0' + (tag & 7)))
			return false;
		do {
			if (at >= s.n || shift > 56)
				return false;
			v |= (uint64_t)(s.p[at] & 0x7f) << shift;
			shift += 7;
		} while (s.p[at++] & 0x80);
		if ((tag & 7) == 2 && v > s.n - at)
			return fields > 0 || tag >> 3 == 7;
		if ((tag & 7) == 2)
			at += v;
		fields++;
	}
	return fields > 0;
}

static bool
is_word(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && strncasecmp(p, word, n) == 0;
}

static enum Kind
text_kind(Span s)
{
	const char *p = s.p, *end = s.p + s.n;

	if (is_word(p, end, "\xef\xbb\xbf"))
		p += 3;
	while (p < end && isspace((unsigned char)*p))
		p++;
	if (p < end && (*p == '{' || *p == '['))
		return KIND_JSON;
	if (is_word(p, end, "<!doctype") || is_word(p, end, "<html") ||
	    is_word(p, end, "<?xml"))
		return KIND_HTML;
	return KIND_UNKNOWN;
}

enum Kind
file_kind(Span s)
{
	enum Kind k;

	if (!s.n)
		return KIND_EMPTY;
	for (size_t i = 0; i < LEN(magic); i++) {
		size_t end = magic[i].at + magic[i].n;

		if (s.n < end ||
		    memcmp(s.p + magic[i].at, magic[i].bytes, magic[i].n) != 0)
			continue;
		if (magic[i].kind == KIND_TAR &&
		    strncmp(s.p, "manifest.json", 14) == 0)
			return KIND_QPC;
		return magic[i].kind;
	}
	if (is_safetensors(s))
		return KIND_SAFETENSORS;
	k = text_kind(s);
	return k == KIND_UNKNOWN && is_onnx(s) ? KIND_ONNX : k;
}

bool
kind_refuse(Ctx *c, const char *wanted, Span head)
{
	enum Kind k = file_kind(head);

	if (k == KIND_EMPTY)
		return fail(c, QE_INPUT, "not %s: it is empty%s", wanted,
		            kinds[k].hint);
	if (k == KIND_UNKNOWN)
		return fail(c, QE_INPUT, "not %s", wanted);
	return fail(c, QE_INPUT, "not %s: it looks like %s%s", wanted,
	            kinds[k].name, kinds[k].hint);
}
