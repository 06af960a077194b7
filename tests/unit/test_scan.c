/* SPDX-License-Identifier: BSD-3-Clause
 * test_scan.c - the hand-written matchers against PCRE2. */

#include "check.h"
#include "regex.h"
#include "scan.h"
#include "unicode.h"

/* As in tokenizer files; put in a group, they are matched by PCRE2. */
static const char *const pattern[] = {
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

static uint64_t seed = 1;

static unsigned
draw(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* What patterns tell apart, and a few of each beyond ASCII. */
static uint32_t
rune(void)
{
	static const uint32_t often[] = {' ', ' ', '\n', '\r', '\t', 'a',
	                                 's', 't', 'l',  'r',  'e',  'v',
	                                 'S', 'L', 'E',  'D',  'M',  '1',
	                                 '2', '.', '/',  '\'', '\'', '!'};
	static const uint32_t rare[] = {0x17f,  0xe9,    0xc9,   0x4e2d, 0x301,
	                                0x3000, 0xa0,    0x85,   0x2028, 0x661,
	                                0x2167, 0x1f600, 0x212a, 0x1c5,  0x2b0,
	                                0x180e, 0x200b,  0x7f,   0x1f,   0x0b};

	if (draw(12) == 0)
		return rare[draw(LEN(rare))];
	return draw(20) ? often[draw(LEN(often))] : 1 + draw(126);
}

static void
compare(Ctx *c, Matcher *m, const Regex *fast, const Regex *slow, Span s)
{
	Scan a = {.s = s}, b = {.s = s};
	int x, y;

	do {
		x = regex_next(c, m, fast, &a);
		y = regex_next(c, m, slow, &b);
		if (x != y || (x > 0 && (a.from != b.from || a.to != b.to))) {
			CHECK(!"the same matches");
			fprintf(stderr, "'%.*s': %zu-%zu, want %zu-%zu\n",
			        (int)s.n, s.p, a.from, a.to, b.from, b.to);
			return;
		}
	} while (x > 0);
}

static void
scanners_match_as_their_patterns(void)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Matcher *m = matcher_open(&a);
	Buf *text = buf_new(&a);

	for (size_t i = 0; i < LEN(pattern); i++) {
		const char *group = arena_str(&a, "(?:%s)", pattern[i]);
		Regex *fast = regex_open(c, &a, SPAN(pattern[i]));
		Regex *slow = regex_open(c, &a, SPAN(group));

		CHECK(scanner_of(SPAN(pattern[i])) != NULL);
		CHECK(scanner_of(SPAN(group)) == NULL);
		CHECK(fast && slow);
		for (int k = 0; k < 20000 && fast && slow; k++) {
			buf_clear(text);
			for (unsigned n = 1 + draw(12); n > 0; n--)
				buf_utf8(text, rune());
			compare(c, m, fast, slow, (Span){text->p, text->n});
		}
	}
	arena_free(&a);
	qe_close(c);
}

/* pattern, text, and its matches in brackets */
static const char *const dialect[][3] = {
	{"\\p{N}{1,2}+", "12345", "[12345]"},
	{"(ab){2}+c", "ababababc", "[ababababc]"},
	{"a$", "a\nba\n", "[a]\nb[a]\n"},
	{".", "a\n", "[a]\n"},
	{"(?m:.)", "a\n", "[a][\n]"},
	{"\\s", "\xe1\xa0\x8e ", "\xe1\xa0\x8e[ ]"},
	{"\\w+", "a\xcc\x81_\xe2\x80\x8d", "[a\xcc\x81_]\xe2\x80\x8d"},
	{"\\h+", "xafx", "x[af]x"},
	{"\\u00e9", "e\xc3\xa9", "e[\xc3\xa9]"},
	{"\\bb", "ab b", "ab [b]"},
	{"x*", "axx", "[]a[xx]"},
	{"[\\S]+", "a b", "[a] [b]"},
	{"\\w", "\xc2\xb2", "[\xc2\xb2]"},
	{"[\\w]", "\xc2\xb2", "\xc2\xb2"},
	{"\\p{Han}", "\xe3\x80\x81\xe4\xb8\xad", "\xe3\x80\x81[\xe4\xb8\xad]"},
	{"\\p{^L}\\PL", "a1!", "a[1!]"},
	{"\\p{L}", "\xf0\xb1\x8d\x90", "[\xf0\xb1\x8d\x90]"},
	{"[a-z&&[^aeiou]]+", "strange", "[str]a[ng]e"},
	{"[^a-z&&[aeiou]]+", "a!x", "a[!x]"},
	{"[a[x-z]]+", "abxyz", "[a]b[xyz]"},
	{"[^a[x-z]]+", "abx", "a[b]x"},
	{"[\\W_]+", "a_ b", "a[_ ]b"},
	{"[[:digit:]x]+", "1x]", "[1x]]"},
	{"[]a]+", "]a", "[]a]"},
	{"[\\p{L}\\d&&[^\\p{Han}]&&[^b]]",
         "a\xe4\xb8\xad"
         "b1",
         "[a]\xe4\xb8\xad"
         "b[1]"},
};

static void
ruby_patterns_mean_what_they_mean_there(void)
{
	Arena a = {0};
	qe_ctx *c = qe_open("test");
	Matcher *m = matcher_open(&a);

	for (size_t i = 0; i < LEN(dialect); i++) {
		Regex *re = regex_open(c, &a, SPAN(dialect[i][0]));
		Scan k = {.s = SPAN(dialect[i][1])};
		Buf *out = buf_new(&a);
		size_t done = 0;

		CHECK(re != NULL);
		while (re && regex_next(c, m, re, &k) > 0) {
			buf_add(out, k.s.p + done, k.from - done);
			buf_fmt(out, "[%.*s]", (int)(k.to - k.from),
			        k.s.p + k.from);
			done = k.to;
		}
		buf_add(out, k.s.p + done, k.s.n - done);
		CHECK_STR(out->p, dialect[i][2]);
	}
	arena_free(&a);
	qe_close(c);
}

static void
what_differs_is_refused(void)
{
	static const char *const bad[] = {"\\C", "(",     "\\u12", "\\p{Nope}",
	                                  "[a",  "[\\R]", "[[a]",  "[a&&"};

	for (size_t i = 0; i < LEN(bad); i++) {
		Arena a = {0};
		qe_ctx *c = qe_open("test");

		CHECK(regex_open(c, &a, SPAN(bad[i])) == NULL);
		CHECK(qe_status(c) == QE_INPUT);
		arena_free(&a);
		qe_close(c);
	}
}

int
main(void)
{
	scanners_match_as_their_patterns();
	ruby_patterns_mean_what_they_mean_there();
	what_differs_is_refused();
	return check_done("scan");
}
