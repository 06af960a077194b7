/* SPDX-License-Identifier: BSD-3-Clause
 * tok_load.c - tokenizer files by their names in a checkpoint. */

#include <ctype.h>
#include <stddef.h>

#include "tok.h"

enum { FILE_LIMIT = 256 << 20 };

/* A file name and the member it fills; side files go with any vocabulary. */
static const struct {
	const char *name;
	size_t member;
	bool side;
} names[] = {
#define FILE_NAME(name, member, side)                                          \
	{name, offsetof(TokenizerFiles, member), side},
#include "names.def"
};

const char *
tokenizer_file(size_t i)
{
	return i < LEN(names) ? names[i].name : NULL;
}

bool
tokenizer_put(TokenizerFiles *f, const char *name, Span text)
{
	for (size_t i = 0; i < LEN(names); i++)
		if (strcmp(names[i].name, name) == 0) {
			Span *s = (Span *)(void *)((char *)f + names[i].member);

			if (!s->n)
				*s = text;
			return true;
		}
	return false;
}

static bool
gather_dir(Ctx *c, Arena *a, const char *dir, bool side, TokenizerFiles *f)
{
	for (size_t i = 0; i < LEN(names); i++) {
		Span *s = (Span *)(void *)((char *)f + names[i].member);
		const char *path = path_join(a, dir, names[i].name);

		if (s->n || (side && !names[i].side) || file_size(path) < 0)
			continue;
		if (!file_open(c, a, path, FILE_LIMIT, s))
			return false;
	}
	return true;
}

/* base64, a blank, a number: the first line of a tiktoken vocabulary */
bool
tokenizer_is_tiktoken(Span s)
{
	size_t i = 0, n;

	while (i < s.n && (isalnum((unsigned char)s.p[i]) ||
	                   (s.p[i] && strchr("+/=", s.p[i]))))
		i++;
	n = i;
	if (n == 0 || n == s.n || s.p[i++] != ' ')
		return false;
	while (i < s.n && isdigit((unsigned char)s.p[i]))
		i++;
	return i > n + 1 && (i == s.n || s.p[i] == '\n' || s.p[i] == '\r');
}

bool
tokenizer_is_compiled(Span s)
{
	return s.n >= sizeof TOK_MAGIC &&
	       memcmp(s.p, TOK_MAGIC, sizeof TOK_MAGIC) == 0;
}

/* Meta's tokenizer.model is a tiktoken vocabulary. */
void
tokenizer_sort(TokenizerFiles *f)
{
	if (!tokenizer_is_tiktoken(f->sentencepiece))
		return;
	f->tiktoken = f->sentencepiece;
	f->sentencepiece = (Span){0};
}

bool
tokenizer_gather_file(Ctx *c, Arena *a, const char *path, Span s,
                      TokenizerFiles *f)
{
	size_t i = 0;

	*f = (TokenizerFiles){0};
	while (i < s.n && isspace((unsigned char)s.p[i]))
		i++;
	if (i < s.n && s.p[i] == '{') {
		f->tokenizer_json = s;
		return true;
	}
	f->sentencepiece = s;
	return !path || gather_dir(c, a, path_dir(a, path), true, f);
}

bool
tokenizer_gather(Ctx *c, Arena *a, const char *path, TokenizerFiles *f)
{
	const char *inside = path_join(a, path, ".");
	Span s;

	*f = (TokenizerFiles){0};
	if (file_exists(inside))
		return gather_dir(c, a, path, false, f);
	return file_open(c, a, path, FILE_LIMIT, &s) &&
	       tokenizer_gather_file(c, a, path, s, f);
}
