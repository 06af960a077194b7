/* SPDX-License-Identifier: BSD-3-Clause
 * tok_files.c - checkpoints without a tokenizer.json.
 *
 * The vocabulary comes from one of four kinds of files; everything else, from
 * the tokenizer class that tokenizer_config.json names, by its file in
 * share/tokenizers.  A class that is not there is refused: its pipeline would
 * be a guess. */

#include <stdlib.h>

#include "tok_files.h"

enum kind { PAIR, PIECES, RANKS, BYTES, WORDS, KINDS };

static ReadFilesFn read_bytes, read_words;

/* in the order in which they are looked for */
static const struct {
	const char *name, *files;
	ReadFilesFn *read;
} kinds[KINDS] = {
	[PAIR] = {"pair", "vocab.json and a SentencePiece model", read_pair},
	[PIECES] = {"pieces", "a SentencePiece model", read_pieces},
	[RANKS] = {"ranks", "a tiktoken file", read_ranks},
	[BYTES] = {"bytes", "vocab.json and merges.txt", read_bytes},
	[WORDS] = {"words", "vocab.txt", read_words},
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
	if (!build_affix(b, json_str(recipe_get(b->a, s, "suffix"), ""),
	                 "suffix", &b->meta.suffix))
		return false;
	build_merges_begin(b, n + 1);
	while (rest.n > 0) {
		Span line = span_line(&rest);

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0 ||
		    (line.n > 8 && memcmp(line.p, "#version", 8) == 0))
			continue;
		if (!build_merge_line(b, line, rank++))
			return note(b->c, "merges.txt");
	}
	model_bpe_end(b);
	return true;
}

static bool
read_words(Build *b, Source *s)
{
	Span rest = s->file->vocab_txt;

	for (int64_t id = 0; rest.n > 0; id++) {
		Span line = span_line(&rest);
		const char *q = line.p + line.n;
		uint32_t ch;

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
	return wordpiece_words(b,
	                       json_str(recipe_setting(s, "unk_token"),
	                                "[UNK]"),
	                       "##", 100);
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

/* A and B are the texts, a number the type of what follows. */
static bool
put_slice(Build *b, const Source *s, const Json *word, Slice *k)
{
	const char *name = recipe_text(b->a, s, json_str(word, ""));

	if (json_is(word, json_type_int)) {
		k->type = (uint32_t)json_int(word, 0);
		return true;
	}
	k->id = strcmp(name, "A") == 0   ? SLICE_A
	        : strcmp(name, "B") == 0 ? SLICE_B
	                                 : find(b, SPAN(name));
	if (k->id == -1 && strcmp(name, "A") != 0)
		return fail(b->c, QE_INPUT,
		            "special token '%s' is not in the vocabulary",
		            name);
	buf_add(b->sec[SEC_SLICE], k, sizeof *k);
	return true;
}

static bool
put_template(Build *b, const Source *s, const Json *words, Ref *out)
{
	Slice k = {0};

	out->off = (uint32_t)build_count(b, SEC_SLICE);
	for (size_t i = 0; i < json_len(words); i++)
		if (!put_slice(b, s, json_at(words, i), &k))
			return false;
	out->n = (uint32_t)build_count(b, SEC_SLICE) - out->off;
	return true;
}

/* Of a recipe without templates: what add_bos_token and add_eos_token say. */
static const Json *
plain_template(Build *b, const Source *s, bool two)
{
	bool begin = json_true(recipe_get(b->a, s, "begin"), false);
	bool bos = json_get_bool(s->config, "add_bos_token", begin);
	bool eos = json_get_bool(s->config, "add_eos_token", false);
	Json *out = json_new_array(b->a);

	for (int i = 0; i < 1 + two; i++) {
		if (i)
			json_push(out, json_object_new_int(1));
		if (bos)
			json_push(out, json_object_new_string("{bos_token}"));
		json_push(out, json_object_new_string(i ? "B" : "A"));
		if (eos)
			json_push(out, json_object_new_string("{eos_token}"));
	}
	return out;
}

/* The step is there already, empty; ids are known only now. */
static bool
fill_template(Build *b, const Source *s)
{
	const Json *one = recipe_get(b->a, s, "one"),
		   *two = recipe_get(b->a, s, "two");
	Step *step =
		(Step *)(void *)b->sec[SEC_STEP]->p + b->meta.phase[PHASE_POST];

	if (!one) {
		one = plain_template(b, s, false);
		two = plain_template(b, s, true);
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
add_all(Build *b, Source *s)
{
	static const char *const keys[] = {
		"bos_token", "eos_token", "unk_token",  "sep_token",
		"pad_token", "cls_token", "mask_token",
	};
	bool mask = json_true(recipe_get(b->a, s, "mask_takes_blanks"), false);
	const Json *map = json_get(s->config, "added_tokens_decoder");
	const char *name;

	if (map)
		add_decoder(b, s, map);
	else if (!add_plain(b, s))
		return false;
	for (size_t i = 0; i < LEN(keys) && !map; i++)
		if ((name = json_str(recipe_setting(s, keys[i]), NULL)))
			add_role(s, keys[i], name, mask);
	return parse_added(b, s->added);
}

static bool
has(const TokenizerFiles *f, enum kind kind)
{
	switch (kind) {
	case PAIR:
		return (f->source_spm.n || f->sentencepiece.n) &&
		       f->vocab_json.n;
	case PIECES:
		return f->sentencepiece.n;
	case RANKS:
		return f->tiktoken.n;
	case BYTES:
		return f->vocab_json.n && f->merges_txt.n;
	case WORDS:
		return f->vocab_txt.n;
	default:
		return false;
	}
}

/* vocab.json beside a SentencePiece model makes a pair only by the class. */
static enum kind
kind_of(const TokenizerFiles *f)
{
	enum kind k = f->source_spm.n ? PAIR : PIECES;

	while (k < KINDS && !has(f, k))
		k++;
	return k;
}

static enum kind
kind_named(const char *name)
{
	enum kind k = 0;

	while (k < KINDS && strcmp(kinds[k].name, name) != 0)
		k++;
	return k;
}

/* The recipe of the class that the checkpoint names, or of one that fits its
 * files. */
static bool
find_recipe(Build *b, Source *s, enum kind *kind)
{
	const char *name = json_get_str(s->config, "tokenizer_class", NULL);
	size_t n = name ? strlen(name) : 0;

	*kind = kind_of(s->file);
	if (*kind == KINDS)
		return fail(
			b->c, QE_INPUT,
			"no tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt");
	if (n > 4 && strcmp(name + n - 4, "Fast") == 0)
		name = arena_span(b->a, (Span){name, n - 4});
	if (!name && !(name = recipe_default(b->c, b->a, kinds[*kind].name)))
		return false;
	if (!(s->recipe = recipe_open(b->c, b->a, name)))
		return false;
	*kind = kind_named(json_get_str(s->recipe, "files", ""));
	if (*kind == KINDS)
		return fail(b->c, QE_INPUT, "share/tokenizers/%s.json: 'files'",
		            name);
	return has(s->file, *kind) ||
	       fail(b->c, QE_INPUT,
	            "tokenizer_config.json: class '%s' needs %s or a tokenizer.json",
	            name, kinds[*kind].files);
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
	Source s = {.file = f,
	            .added = json_new_array(b->a),
	            .facts = json_new(b->a)};
	Step step = {.kind = POST_TemplateProcessing};
	enum kind kind;

	tokenizer_sort(f);
	if (!read_side(b, f->tokenizer_config, "tokenizer_config.json",
	               &s.config) ||
	    !read_side(b, f->special_tokens_map, "special_tokens_map.json",
	               &s.specials) ||
	    !find_recipe(b, &s, &kind) || !kinds[kind].read(b, &s) ||
	    !parse_phase(b, PHASE_NORM, recipe_part(b->a, &s, "normalizer")) ||
	    !parse_phase(b, PHASE_SPLIT,
	                 recipe_part(b->a, &s, "pre_tokenizer")))
		return false;
	buf_add(b->sec[SEC_STEP], &step, sizeof step);
	b->meta.phase[PHASE_DECODE] = b->meta.phase[PHASE_POST] + 1;
	return parse_phase(b, PHASE_DECODE, recipe_part(b->a, &s, "decoder")) &&
	       add_all(b, &s) && fill_template(b, &s);
}
