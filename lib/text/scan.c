/* SPDX-License-Identifier: BSD-3-Clause
 * scan.c - hand-written matchers for the patterns of the large families.
 *
 * They differ in what letters may follow each other, how many digits go
 * together, where "'s" is cut and what may trail punctuation; those are the
 * columns of the table.  All of them look at ASCII only: at the first other
 * byte that could matter they give up, and PCRE2 decides that one match.
 * tests/unit/test_scan.c compares both on random text. */

#include "scan.h"

enum {
	SPACE = 1,
	NEWLINE = 2,
	UPPER = 4,
	LOWER = 8,
	DIGIT = 16,
	OTHER = 32,
	LETTER = UPPER | LOWER
};

enum how {
	PLAIN,  /* " ?letters": a blank goes in front, and nothing else */
	ANY,    /* anything but a letter, digit or newline may go in front */
	CAPITAL /* the same, and capitals end before small letters do */
};
enum cut { CUT_NONE, CUT_EXACT, CUT_FOLD, CUT_BEHIND };

struct Scanner {
	enum how how;
	enum cut cut;  /* 's and its like: as written, any case, behind words */
	size_t digits; /* that go together, 0 all */
	bool blank;    /* a blank may go in front of digits */
	const char *tail; /* what may follow other characters */
	const char *pattern;
};

#define O200K_WORD(end)                                                        \
	"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"          \
	"[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" end                                   \
	"|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"         \
	"[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*" end "|"
#define FOLDED "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define OTHERS(tail) "| ?[^\\s\\p{L}\\p{N}]+" tail
#define SPACES "|\\s+(?!\\S)|\\s+"
#define LINES "|\\s*[\\r\\n]+" SPACES

static const Scanner scanners[] = {
	/* GPT-2 */
	{PLAIN, CUT_EXACT, 0, true, "",
         "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+" OTHERS("") SPACES},
	/* Llama 3, cl100k */
	{ANY, CUT_FOLD, 3, false, "\r\n",
         FOLDED "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" OTHERS("[\\r\\n]*")
                 LINES},
	/* Qwen 2 */
	{ANY, CUT_FOLD, 1, false, "\r\n",
         FOLDED "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" OTHERS("[\\r\\n]*")
                 LINES},
	/* o200k */
	{CAPITAL, CUT_BEHIND, 3, false, "\r\n/",
         O200K_WORD(FOLDED "?") "\\p{N}{1,3}" OTHERS("[\\r\\n/]*") LINES},
	/* Mistral tekken */
	{CAPITAL, CUT_NONE, 1, false, "\r\n/",
         O200K_WORD("") "\\p{N}" OTHERS("[\\r\\n/]*") LINES},
};

const Scanner *
scanner_of(Span pattern)
{
	for (size_t i = 0; i < LEN(scanners); i++)
		if (strlen(scanners[i].pattern) == pattern.n &&
		    memcmp(scanners[i].pattern, pattern.p, pattern.n) == 0)
			return &scanners[i];
	return NULL;
}

#define N (SPACE | NEWLINE)
#define S SPACE
#define D DIGIT
#define U UPPER
#define L LOWER
#define O OTHER
/* clang-format off */
/* ASCII; 0 for all other bytes */
static const uint8_t class_of[256] = {
	O, O, O, O, O, O, O, O, O, S, N, S, S, N, O, O,
	O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
	S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
	D, D, D, D, D, D, D, D, D, D, O, O, O, O, O, O,
	O, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
	U, U, U, U, U, U, U, U, U, U, U, O, O, O, O, O,
	O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};
/* clang-format on */
#undef N
#undef S
#undef D
#undef U
#undef L
#undef O

/* A text and whether something in it was not ASCII where it mattered. */
typedef struct Look {
	const unsigned char *p;
	size_t n;
	bool lost;
} Look;

static uint8_t
at(const Look *k, size_t i)
{
	return i < k->n ? class_of[k->p[i]] : 0;
}

/* The end of a run of classes; another byte than ASCII could be of them. */
static size_t
run(Look *k, size_t i, unsigned set)
{
	while (i < k->n && class_of[k->p[i]] & set)
		i++;
	k->lost |= i < k->n && k->p[i] >= 0x80;
	return i;
}

/* The length of 's 't 're 've 'm 'll 'd at i, 0 if there is none.  Folding
 * has one more s, which is not ASCII. */
static size_t
clitic(Look *k, size_t i, bool fold)
{
	unsigned mask = fold ? 0x20 : 0, a, b;

	if (i + 1 >= k->n || k->p[i] != '\'')
		return 0;
	k->lost |= fold && k->p[i + 1] >= 0x80;
	a = k->p[i + 1] | mask;
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return 2;
	b = i + 2 < k->n ? k->p[i + 2] | mask : 0;
	if ((b == 'e' && (a == 'r' || a == 'v')) || (b == 'l' && a == 'l'))
		return 3;
	return 0;
}

/* Each of these ends the alternative that starts at i, or returns i. */
static size_t
word(Look *k, const Scanner *m, size_t i)
{
	uint8_t first = at(k, i);
	size_t from = i, end;

	if (!(first & LETTER)) {
		if (m->how == PLAIN ? k->p[i] != ' '
		                    : first & (NEWLINE | DIGIT))
			return i;
		from++;
		k->lost |= from < k->n && k->p[from] >= 0x80;
		if (!(at(k, from) & LETTER))
			return i;
	}
	if (m->how != CAPITAL)
		return run(k, from, LETTER);
	end = run(k, run(k, from, UPPER), LOWER);
	return m->cut == CUT_BEHIND ? end + clitic(k, end, true) : end;
}

static size_t
number(Look *k, const Scanner *m, size_t i)
{
	size_t from = i + (m->blank && k->p[i] == ' '), end = from;

	if (m->digits == 0) {
		end = run(k, from, DIGIT);
		return end > from ? end : i;
	}
	while (end < from + m->digits && at(k, end) & DIGIT)
		end++;
	if (end == from)
		return i;
	k->lost |= end < from + m->digits && end < k->n && k->p[end] >= 0x80;
	return end;
}

static size_t
others(Look *k, const Scanner *m, size_t i)
{
	size_t from = i + (k->p[i] == ' '), end = from;

	if (!(at(k, from) & OTHER))
		return i;
	end = run(k, from, OTHER);
	while (end < k->n && k->p[end] && strchr(m->tail, k->p[end]))
		end++;
	return end;
}

/* Up to the last newline if lines are cut; else all, but for the last blank
 * before something. */
static size_t
spaces(Look *k, const Scanner *m, size_t i)
{
	size_t end = run(k, i, SPACE);

	if (m->how != PLAIN)
		for (size_t j = end; j > i; j--)
			if (at(k, j - 1) & NEWLINE)
				return j;
	return end < k->n && end - i > 1 ? end - 1 : end;
}

size_t
scanner_end(const Scanner *m, Span s, size_t i)
{
	Look k = {(const unsigned char *)s.p, s.n, false};
	size_t end = i;

	if (k.p[i] >= 0x80)
		return 0;
	if (m->cut == CUT_EXACT || m->cut == CUT_FOLD)
		end = i + clitic(&k, i, m->cut == CUT_FOLD);
	if (end == i)
		end = word(&k, m, i);
	if (end == i && !k.lost)
		end = number(&k, m, i);
	if (end == i && !k.lost)
		end = others(&k, m, i);
	if (end == i && !k.lost)
		end = spaces(&k, m, i);
	return k.lost ? 0 : end;
}
