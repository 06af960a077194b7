/* SPDX-License-Identifier: BSD-3-Clause
 * tok_files.c - checkpoints without a tokenizer.json.
 *
 * The vocabulary comes from one of four kinds of files; everything else, from
 * the tokenizer class that tokenizer_config.json names, by the rows of
 * classes.def.  A class that is not there is refused: its pipeline would be a
 * guess. */

#include <stdlib.h>

#include "tok_files.h"

enum kind { BYTES, WORDS, PIECES, PAIR, RANKS, KINDS };
enum { BOS = 1, MASK = 2 };

static ReadFilesFn read_bytes, read_words;

typedef struct Class {
	const char *name;
	enum kind kind;
	RecipeFn *recipe;
	const char *one, *two;
	unsigned flag;
	const char *layout;
} Class;

/* the first of a kind is the one for checkpoints that name none */
static const Class classes[] = {
#define CLASS(name, kind, recipe, one, two, flag, layout)                      \
	{#name, kind, recipe, one, two, flag, layout},
#include "classes.def"
};

static ReadFilesFn *const reader[KINDS] = {
	[BYTES] = read_bytes, [WORDS] = read_words, [PIECES] = read_pieces,
	[PAIR] = read_pair,   [RANKS] = read_ranks,
};

void
source_add(Source *s, const char *text, bool special, bool normalized)
{
	Json *o = json_object_new_object();

	json_put_str(o, "content", text);
	json_put_bool(o, "special", special);
	json_put_bool(o, "normalized", normalized);
	json_push(s->added, o);
}

static bool
read_bytes(Build *b, Source *s)
{
	Span rest = s->file->merges_txt;
	Json *vocab = json_parse(b->c, b->a, s->file->vocab_json);
	size_t n = 0, rank = 0;

	if (!vocab || !read_vocab(b, vocab))
		return note(b->c, "vocab.json");
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == '\n';
	build_merges_begin(b, n + 1);
	while (rest.n > 0) {
		const char *end = memchr(rest.p, '\n', rest.n);
		Span line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};

		rest.p += line.n + (end != NULL);
		rest.n -= line.n + (end != NULL);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 ||
		    (line.n > 8 && memcmp(line.p, "#version", 8) == 0))
			continue;
		if (!build_merge_line(b, line, rank++))
			return note(b->c, "merges.txt");
	}
	model_bpe_end(b);
	s->unk = "<|endoftext|>";
	return true;
}

static bool
read_words(Build *b, Source *s)
{
	Span rest = s->file->vocab_txt;

	for (int64_t id = 0; rest.n > 0; id++) {
		const char *end = memchr(rest.p, '\n', rest.n);
		Span line = {rest.p, end ? (size_t)(end - rest.p) : rest.n};
		const char *q = line.p + line.n;
		uint32_t ch;

		rest.p += line.n + (end != NULL);
		rest.n -= line.n + (end != NULL);
		if (utf8_valid(line) != line.n)
			return fail(b->c, QE_INPUT,
			            "vocab.txt: line %lld is not UTF-8",
			            (long long)id + 1);
		while (q > line.p) {
			const char *p = utf8_back(line.p, q);

			utf8_get(p, &ch);
			if (!is_space(ch))
				break;
			q = p;
		}
		line.n = (size_t)(q - line.p);
		if (!build_token(b, line, id))
			return note(b->c, "vocab.txt");
	}
	build_index(b);
	s->unk = json_get_str(s->config, "unk_token", "[UNK]");
	return wordpiece_words(b, s->unk, "##", 100);
}

/* A special token by its role, as a string or as {"content": ..}. */
static const char *
role(const Source *s, const char *key)
{
	const Json *v = json_get(s->config, key);

	if (!v)
		v = json_get(s->specials, key);
	return json_str(v, json_get_str(v, "content", NULL));
}

static const char *
role_or_default(const Source *s, const char *word)
{
	const char *const roles[][3] = {
		{"bos", "bos_token", "<s>"},
		{"eos", "eos_token", "</s>"},
		{"cls", "cls_token", s->layout[0] ? "<s>" : "[CLS]"},
		{"sep", "sep_token", s->layout[0] ? "</s>" : "[SEP]"},
	};
	const char *name;

	for (size_t i = 0; i < LEN(roles); i++)
		if (strcmp(roles[i][0], word) == 0) {
			if ((name = role(s, roles[i][1])))
				return name;
			if (i == 0 && s->bos)
				return s->bos;
			return i == 1 && s->eos ? s->eos : roles[i][2];
		}
	return word;
}

static int32_t
find(const Build *b, Span name)
{
	const Added *x = (const Added *)(void *)b->sec[SEC_ADDED]->p;
	Vocab v = build_vocab(b);

	for (size_t i = 0; i < build_count(b, SEC_ADDED); i++) {
		Span s = build_span(b, x[i].text);

		if (s.n == name.n && memcmp(s.p, name.p, s.n) == 0)
			return x[i].id;
	}
	return vocab_find(&v, name);
}

/* Writes the slices of one template. */
static bool
put_template(Build *b, const Source *s, const char *words, Ref *out)
{
	Slice k = {0};

	out->off = (uint32_t)build_count(b, SEC_SLICE);
	for (char **w = str_split(b->a, words, ' '); *w; w++) {
		const char *name = role_or_default(s, *w);

		if (**w == ':') {
			k.type = (uint32_t)atol(*w + 1);
			continue;
		}
		k.id = strcmp(*w, "A") == 0   ? SLICE_A
		       : strcmp(*w, "B") == 0 ? SLICE_B
		                              : find(b, SPAN(name));
		if (k.id == -1 && strcmp(*w, "A") != 0)
			return fail(
				b->c, QE_INPUT,
				"special token '%s' is not in the vocabulary",
				name);
		buf_add(b->sec[SEC_SLICE], &k, sizeof k);
	}
	out->n = (uint32_t)build_count(b, SEC_SLICE) - out->off;
	return true;
}

/* The step is there already, empty; ids are known only now. */
static bool
fill_template(Build *b, const Source *s, const Class *k)
{
	bool bos = json_get_bool(s->config, "add_bos_token", k->flag & BOS);
	bool eos = json_get_bool(s->config, "add_eos_token", false);
	const char *one = k->one, *two = k->two;
	Step *step =
		(Step *)(void *)b->sec[SEC_STEP]->p + b->meta.phase[PHASE_POST];

	if (!*one) {
		one = arena_str(b->a, "%s A %s", bos ? "bos" : "",
		                eos ? "eos" : "");
		two = arena_str(b->a, "%s :1 %s B %s", one, bos ? "bos" : "",
		                eos ? "eos" : "");
	}
	return put_template(b, s, one, &step->a) &&
	       put_template(b, s, two, &step->b);
}

static int
by_id(const void *a, const void *b)
{
	int64_t x = 0, y = 0;

	str_int(*(const char *const *)a, &x);
	str_int(*(const char *const *)b, &y);
	return x < y ? -1 : x > y;
}

/* added_tokens_decoder: {"id": {content, flags..}}, in the order of ids */
static void
add_decoder(Build *b, Source *s, const Json *map)
{
	const char **key = NEWV(b->a, const char *, json_len(map) + 1);
	size_t n = 0;

	if (!json_is(map, json_type_object))
		return;
	json_object_object_foreach((Json *)(uintptr_t)map, k, v)
	{
		(void)v;
		key[n++] = k;
	}
	qsort(key, n, sizeof *key, by_id);
	for (size_t i = 0; i < n; i++)
		json_push(s->added, json_share(json_get(map, key[i])));
}

/* added_tokens.json: {"content": id} */
static bool
add_plain(Build *b, Source *s)
{
	Json *map;

	if (!s->file->added_tokens.n)
		return true;
	if (!(map = json_parse(b->c, b->a, s->file->added_tokens)))
		return note(b->c, "added_tokens.json");
	if (!json_is(map, json_type_object))
		return fail(b->c, QE_INPUT,
		            "added_tokens.json is not an object");
	json_object_object_foreach(map, key, v)
	{
		(void)v;
		source_add(s, key, false, true);
	}
	return true;
}

/* A special token; its flags are the config's, if that says any. */
static void
add_role(Source *s, const char *key, const char *name, bool mask)
{
	const Json *given = json_get(s->config, key);
	Json *o;

	if (!given)
		given = json_get(s->specials, key);
	source_add(s, name, true, false);
	o = json_at(s->added, json_len(s->added) - 1);
	if (json_is(given, json_type_object)) {
		json_put_bool(o, "lstrip",
		              json_get_bool(given, "lstrip", false));
		json_put_bool(o, "rstrip",
		              json_get_bool(given, "rstrip", false));
		json_put_bool(o, "normalized",
		              json_get_bool(given, "normalized", false));
	} else {
		json_put_bool(o, "lstrip",
		              mask && strcmp(key, "mask_token") == 0);
	}
}

static bool
add_all(Build *b, Source *s, bool words, bool mask)
{
	/* the second: what it is for words (vocab.txt) that say nothing */
	static const char *const keys[][2] = {
		{"bos_token", NULL},      {"eos_token", NULL},
		{"unk_token", "[UNK]"},   {"sep_token", "[SEP]"},
		{"pad_token", "[PAD]"},   {"cls_token", "[CLS]"},
		{"mask_token", "[MASK]"},
	};
	const Json *map = json_get(s->config, "added_tokens_decoder");
	const char *name;

	if (map)
		add_decoder(b, s, map);
	else if (!add_plain(b, s))
		return false;
	for (size_t i = 0; i < LEN(keys) && !map; i++) {
		name = role(s, keys[i][0]);
		if (!name && words && keys[i][1] &&
		    find(b, SPAN(keys[i][1])) >= 0)
			name = keys[i][1];
		if (name)
			add_role(s, keys[i][0], name, mask);
	}
	return parse_added(b, s->added);
}

static const Class *
class_of(Ctx *c, const Json *config, enum kind kind)
{
	const char *name = json_get_str(config, "tokenizer_class", NULL);
	size_t n = name ? strlen(name) : 0;

	if (n > 4 && strcmp(name + n - 4, "Fast") == 0)
		n -= 4;
	for (size_t i = 0; i < LEN(classes); i++)
		if (classes[i].kind == kind &&
		    (!name || (strlen(classes[i].name) == n &&
		               memcmp(classes[i].name, name, n) == 0)))
			return &classes[i];
	fail(c, QE_INPUT,
	     "tokenizer_config.json: class '%s' without a tokenizer.json is not supported",
	     name);
	return NULL;
}

static bool
kind_of(Ctx *c, const TokenizerFiles *f, enum kind *kind)
{
	if (f->source_spm.n && f->vocab_json.n)
		*kind = PAIR;
	else if (f->sentencepiece.n)
		*kind = PIECES;
	else if (f->tiktoken.n)
		*kind = RANKS;
	else if (f->vocab_json.n && f->merges_txt.n)
		*kind = BYTES;
	else if (f->vocab_txt.n)
		*kind = WORDS;
	else
		return fail(
			c, QE_INPUT,
			"no tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt");
	return true;
}

static bool
read_side(Build *b, Span text, const char *name, const Json **out)
{
	*out = NULL;
	return !text.n || (*out = json_parse(b->c, b->a, text)) ||
	       note(b->c, "%s", name);
}

bool
compile_files(Build *b, const TokenizerFiles *files)
{
	TokenizerFiles sorted = *files, *f = &sorted;
	Source s = {.file = f, .added = json_new_array(b->a)};
	Step step = {.kind = POST_TemplateProcessing};
	const Class *k;
	enum kind kind = BYTES;
	Json *root;

	tokenizer_sort(f);
	if (!kind_of(b->c, f, &kind) ||
	    !read_side(b, f->tokenizer_config, "tokenizer_config.json",
	               &s.config) ||
	    !read_side(b, f->special_tokens_map, "special_tokens_map.json",
	               &s.specials) ||
	    !(k = class_of(b->c, s.config, kind)))
		return false;
	s.layout = k->layout;
	if (!reader[kind](b, &s))
		return false;
	root = k->recipe(b, &s);
	if (!parse_phase(b, PHASE_NORM, json_get(root, "normalizer")) ||
	    !parse_phase(b, PHASE_SPLIT, json_get(root, "pre_tokenizer")))
		return false;
	buf_add(b->sec[SEC_STEP], &step, sizeof step);
	b->meta.phase[PHASE_DECODE] = b->meta.phase[PHASE_POST] + 1;
	return parse_phase(b, PHASE_DECODE, json_get(root, "decoder")) &&
	       add_all(b, &s, kind == WORDS, k->flag & MASK) &&
	       fill_template(b, &s, k);
}
