/* SPDX-License-Identifier: BSD-3-Clause
 * tok_recipe.c - pipelines that files without a tokenizer.json imply.
 *
 * Each recipe makes the JSON that the conversion of the reference library
 * would write for its class. */

#include "tok_files.h"

#define QWEN2_SPLIT                                                            \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"   \
	" ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_SPLIT                                                           \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"          \
	"\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"            \
	"\\s+(?!\\S)|\\s+"
#define CLIP_SPLIT                                                             \
	"<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|"       \
	"[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
#define MARK "\xe2\x96\x81"

static Json *
part(const char *type)
{
	Json *o = json_object_new_object();

	json_put_str(o, "type", type);
	return o;
}

/* A Sequence under its key, and the list to push parts to. */
static Json *
list(Json *root, const char *key, const char *items)
{
	Json *o = part("Sequence"), *l = json_object_new_array();

	json_put(o, items, l);
	json_put(root, key, o);
	return l;
}

static Json *
norms(Json *root)
{
	return list(root, "normalizer", "normalizers");
}

static Json *
splits(Json *root)
{
	return list(root, "pre_tokenizer", "pretokenizers");
}

static Json *
decoders(Json *root)
{
	return list(root, "decoder", "decoders");
}

static Json *
replace(const char *kind, const char *what, const char *with)
{
	Json *o = part("Replace"), *p = json_object_new_object();

	json_put_str(p, kind, what);
	json_put(o, "pattern", p);
	json_put_str(o, "content", with);
	return o;
}

static Json *
split(const char *kind, const char *what, const char *how, bool invert)
{
	Json *o = part("Split"), *p = json_object_new_object();

	json_put_str(p, kind, what);
	json_put(o, "pattern", p);
	json_put_str(o, "behavior", how);
	json_put_bool(o, "invert", invert);
	return o;
}

static Json *
bytes(bool prefix, bool regex)
{
	Json *o = part("ByteLevel");

	json_put_bool(o, "add_prefix_space", prefix);
	json_put_bool(o, "use_regex", regex);
	return o;
}

Json *
recipe_gpt2(Build *b, const Source *s)
{
	Json *root = json_new(b->a);

	json_push(splits(root),
	          bytes(json_get_bool(s->config, "add_prefix_space", false),
	                true));
	json_put(root, "decoder", part("ByteLevel"));
	return root;
}

static Json *
split_bytes(Build *b, const char *pattern)
{
	Json *root = json_new(b->a), *l = splits(root);

	json_push(l, split("Regex", pattern, "Isolated", false));
	json_push(l, bytes(false, false));
	json_put(root, "decoder", part("ByteLevel"));
	return root;
}

Json *
recipe_qwen2(Build *b, const Source *s)
{
	Json *root = split_bytes(b, QWEN2_SPLIT);

	(void)s;
	json_put(root, "normalizer", part("NFC"));
	return root;
}

Json *
recipe_llama3(Build *b, const Source *s)
{
	(void)s;
	return split_bytes(b, LLAMA3_SPLIT);
}

Json *
recipe_clip(Build *b, const Source *s)
{
	Json *root = json_new(b->a), *n = norms(root), *l = splits(root);

	(void)s;
	json_push(n, part("NFC"));
	json_push(n, replace("Regex", "\\s+", " "));
	json_push(n, part("Lowercase"));
	json_push(l, split("Regex", CLIP_SPLIT, "Removed", true));
	json_push(l, bytes(false, true));
	json_put(root, "decoder", part("ByteLevel"));
	return root;
}

Json *
recipe_bert(Build *b, const Source *s)
{
	Json *root = json_new(b->a), *n = part("BertNormalizer");
	const Json *strip = json_get(s->config, "strip_accents");

	json_put_bool(n, "clean_text", true);
	json_put_bool(n, "handle_chinese_chars",
	              json_get_bool(s->config, "tokenize_chinese_chars", true));
	if (strip)
		json_put_bool(n, "strip_accents", json_true(strip, true));
	json_put_bool(n, "lowercase",
	              json_get_bool(s->config, "do_lower_case", true));
	json_put(root, "normalizer", n);
	json_put(root, "pre_tokenizer", part("BertPreTokenizer"));
	json_put(root, "decoder", part("WordPiece"));
	return root;
}

/* Blanks are U+2581 before anything else, and one stands in front. */
Json *
recipe_llama(Build *b, const Source *s)
{
	Json *root = json_new(b->a), *n = norms(root), *d = decoders(root);
	Json *o = part("Prepend");

	json_put_str(o, "prepend", MARK);
	if (!s->bpe || s->charsmap.n) {
		json_object_put(o);
		return recipe_pieces(b, s);
	}
	if (s->dummy_prefix)
		json_push(n, o);
	else
		json_object_put(o);
	json_push(n, replace("String", " ", MARK));
	json_push(d, replace("String", MARK, " "));
	json_push(d, part("ByteFallback"));
	json_push(d, part("Fuse"));
	if (s->dummy_prefix) {
		o = part("Strip");
		json_put_str(o, "content", " ");
		json_put_int(o, "start", 1);
		json_put_int(o, "stop", 0);
		json_push(d, o);
	}
	return root;
}

static Json *
meta(const Source *s)
{
	Json *o = part("Metaspace");

	json_put_str(o, "replacement", MARK);
	json_put_str(o, "prepend_scheme", s->dummy_prefix ? "always" : "never");
	return o;
}

/* The charsmap, as the base64 that the parser expects. */
static Json *
charsmap(Build *b, Span map)
{
	Json *o = part("Precompiled");
	Buf *t = buf_new(b->a);

	base64_encode(map, t);
	json_put_str(o, "precompiled_charsmap", t->p);
	return o;
}

Json *
recipe_pieces(Build *b, const Source *s)
{
	Json *root = json_new(b->a), *n = norms(root), *d = decoders(root);
	Json *strip = part("Strip");

	if (s->charsmap.n)
		json_push(n, charsmap(b, s->charsmap));
	json_put_bool(strip, "strip_left", false);
	json_put_bool(strip, "strip_right", true);
	json_push(n, strip);
	json_push(n, replace("Regex", " {2,}", MARK));
	json_push(splits(root), meta(s));
	json_push(d, part("ByteFallback"));
	json_push(d, meta(s));
	return root;
}

/* Quotes as `` and '' become ", then accents and capitals go. */
Json *
recipe_albert(Build *b, const Source *s)
{
	Json *root = json_new(b->a), *n = norms(root);

	json_push(n, replace("String", "``", "\""));
	json_push(n, replace("String", "''", "\""));
	if (!json_get_bool(s->config, "keep_accents", false)) {
		json_push(n, part("NFKD"));
		json_push(n, part("StripAccents"));
	}
	if (json_get_bool(s->config, "do_lower_case", true))
		json_push(n, part("Lowercase"));
	if (s->charsmap.n)
		json_push(n, charsmap(b, s->charsmap));
	json_push(n, replace("Regex", " {2,}", " "));
	json_push(splits(root), meta(s));
	json_put(root, "decoder", meta(s));
	return root;
}

/* SentencePiece itself, as there is no other: blanks at the ends go, those
 * between become one. */
Json *
recipe_marian(Build *b, const Source *s)
{
	Json *root = json_new(b->a), *n = norms(root), *strip = part("Strip");

	if (s->charsmap.n)
		json_push(n, charsmap(b, s->charsmap));
	json_put_bool(strip, "strip_left", true);
	json_put_bool(strip, "strip_right", true);
	json_push(n, strip);
	json_push(n, replace("Regex", " {2,}", " "));
	json_push(splits(root), meta(s));
	json_put(root, "decoder", meta(s));
	return root;
}
