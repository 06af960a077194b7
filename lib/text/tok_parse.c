/* SPDX-License-Identifier: BSD-3-Clause
 * tok_parse.c - the pipeline parts of a tokenizer.json: normalizer,
 * pre_tokenizer, post_processor, decoder.
 *
 * Each part is null, one {"type": ...} or a Sequence of them, which becomes a
 * flat list of steps.  A type without a row in steps.def is refused, so are
 * values that the reference library would not read. */

#include "tok.h"

typedef bool ParseFn(Build *, const Json *, Step *);
#define NORM(type, parse, run) static ParseFn parse;
#include "steps.def"
#define SPLIT(type, parse, run) static ParseFn parse;
#include "steps.def"
#define POST(type, parse, run) static ParseFn parse;
#include "steps.def"
#define DECODE(type, parse, run) static ParseFn parse;
#include "steps.def"

#define GPT2_SPLIT                                                             \
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"   \
	"\\s+(?!\\S)|\\s+"
/* As the regex crate reads \w: Oniguruma's, with the two joiners and without
 * a few of Latin-1. */
#define WORD "\\p{Alphabetic}\\p{L}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}"
#define WORDS "[" WORD "]+|[^" WORD "\\s]+"

static const char *const key_of[PHASES] = {"normalizer", "pre_tokenizer",
                                           "post_processor", "decoder"};
static const char *const list_of[PHASES] = {"normalizers", "pretokenizers",
                                            "processors", "decoders"};

static void
add_step(Build *b, const Step *s)
{
	buf_add(b->sec[SEC_STEP], s, sizeof *s);
}

/* A string field; absent is an error unless there is a default. */
static bool
get_text(Build *b, const Json *o, const char *key, const char *none, Span *out)
{
	const Json *v = json_get(o, key);

	if (v && json_is(v, json_type_string))
		*out = json_span(v);
	else if (!v && none)
		*out = SPAN(none);
	else
		return fail(b->c, QE_INPUT, "'%s' is missing or not a string",
		            key);
	return true;
}

/* A string of one character. */
static bool
get_char(Build *b, const Json *o, const char *key, Ref *out)
{
	Span s;

	if (!get_text(b, o, key, NULL, &s))
		return false;
	if (utf8_count(s) != 1)
		return fail(b->c, QE_INPUT, "'%s' is not one character", key);
	*out = build_text(b, s);
	return true;
}

static bool
get_count(Build *b, const Json *o, const char *key, int64_t none, int64_t least,
          uint32_t *out)
{
	const Json *v = json_get(o, key);
	int64_t n = json_int(v, none);

	if ((v && !json_is(v, json_type_int)) || n < least || n > INPUT_MAX)
		return fail(b->c, QE_INPUT,
		            "'%s' is not a number of at least %lld", key,
		            (long long)least);
	*out = (uint32_t)n;
	return true;
}

/* One of the words of a list, NULL-terminated: its index. */
static bool
get_word(Build *b, const Json *o, const char *key, const char *none,
         const char *const *list, uint32_t *out)
{
	const char *s = json_get_str(o, key, none);

	for (uint32_t i = 0; s && list[i]; i++)
		if (strcmp(list[i], s) == 0) {
			*out = i;
			return true;
		}
	return fail(b->c, QE_INPUT, "'%s' is '%s', which is not supported", key,
	            s ? s : "(none)");
}

/* {"String": s} or {"Regex": s}, into a and regex. */
static bool
get_pattern(Build *b, const Json *o, Step *s)
{
	const Json *p = json_get(o, "pattern"), *re = json_get(p, "Regex");
	const Json *v = re ? re : json_get(p, "String");

	if (json_is(p, json_type_string))
		v = p;
	if (!v || !json_is(v, json_type_string))
		return fail(b->c, QE_INPUT,
		            "'pattern' is neither a String nor a Regex");
	s->a = build_text(b, json_span(v));
	s->regex = re != NULL || s->a.n == 0;
	return !s->regex || regex_open(b->c, b->a, json_span(v)) != NULL;
}

static bool
parse_nothing(Build *b, const Json *o, Step *s)
{
	(void)b;
	(void)o;
	(void)s;
	return true;
}

static bool
parse_bert_norm(Build *b, const Json *o, Step *s)
{
	bool lower = json_get_bool(o, "lowercase", true);
	bool strip = json_get_bool(o, "strip_accents", lower);

	(void)b;
	s->flag =
		(uint16_t)(json_get_bool(o, "clean_text", true) |
	                   json_get_bool(o, "handle_chinese_chars", true) << 1 |
	                   strip << 2 | lower << 3);
	return true;
}

static bool
parse_strip_norm(Build *b, const Json *o, Step *s)
{
	(void)b;
	s->flag = (uint16_t)(json_get_bool(o, "strip_left", false) |
	                     json_get_bool(o, "strip_right", false) << 1);
	return true;
}

static bool
parse_prepend(Build *b, const Json *o, Step *s)
{
	Span t;

	if (!get_text(b, o, "prepend", NULL, &t))
		return false;
	s->b = build_text(b, t);
	return true;
}

static bool
parse_replace(Build *b, const Json *o, Step *s)
{
	Span t;

	if (!get_pattern(b, o, s) || !get_text(b, o, "content", NULL, &t))
		return false;
	s->b = build_text(b, t);
	return true;
}

bool
build_charsmap(Build *b, Span map, Step *s)
{
	uint32_t n;

	if (map.n < sizeof n)
		return map.n == 0 ||
		       fail(b->c, QE_INPUT, "charsmap of %zu bytes", map.n);
	memcpy(&n, map.p, sizeof n);
	map = (Span){map.p + sizeof n, map.n - sizeof n};
	if (n > map.n || n % sizeof n)
		return fail(b->c, QE_INPUT,
		            "charsmap with %u bytes of trie in %zu", n, map.n);
	s->a = build_text(b, (Span){map.p, n});
	map = (Span){map.p + n, map.n - n};
	if (utf8_valid(map) != map.n)
		return fail(b->c, QE_INPUT, "charsmap is not UTF-8");
	s->b = build_text(b, map);
	return true;
}

static bool
parse_charsmap(Build *b, const Json *o, Step *s)
{
	Buf *map = buf_new(b->a);
	Span t;

	if (!get_text(b, o, "precompiled_charsmap", "", &t))
		return false;
	if (!base64_decode(t, map))
		return fail(b->c, QE_INPUT,
		            "'precompiled_charsmap' is not base64");
	return build_charsmap(b, (Span){map->p, map->n}, s);
}

static void
add_split(Build *b, const char *pattern, uint32_t how, bool invert)
{
	Step s = {.kind = SPLIT_Split,
	          .num = how,
	          .flag = invert,
	          .regex = 1,
	          .a = build_text(b, SPAN(pattern))};

	add_step(b, &s);
}

static bool
parse_bytes(Build *b, const Json *o, Step *s)
{
	Step prefix = {.kind = SPLIT_ByteLevel, .flag = BYTES_PREFIX};

	if (json_get_bool(o, "add_prefix_space", true))
		add_step(b, &prefix);
	if (json_get_bool(o, "use_regex", true))
		add_split(b, GPT2_SPLIT, CUT_ISOLATED, false);
	s->flag = BYTES_SPREAD;
	return true;
}

/* in the order of enum cut */
static const char *const behaviors[] = {"Removed",
                                        "Isolated",
                                        "MergedWithPrevious",
                                        "MergedWithNext",
                                        "Contiguous",
                                        NULL};

static bool
parse_split(Build *b, const Json *o, Step *s)
{
	s->flag = json_get_bool(o, "invert", false);
	return get_pattern(b, o, s) &&
	       get_word(b, o, "behavior", NULL, behaviors, &s->num);
}

static bool
parse_punct(Build *b, const Json *o, Step *s)
{
	return get_word(b, o, "behavior", "Isolated", behaviors, &s->num);
}

/* in the order of META_* */
static const char *const schemes[] = {"never", "first", "always", NULL};

static bool
parse_meta(Build *b, const Json *o, Step *s)
{
	s->flag = json_get_bool(o, "split", true);
	if (!get_char(b, o, "replacement", &s->b) ||
	    !get_word(b, o, "prepend_scheme", "always", schemes, &s->num))
		return false;
	if (!json_get_bool(o, "add_prefix_space", true)) {
		if (json_get(o, "prepend_scheme") && s->num != META_NEVER)
			return fail(
				b->c, QE_INPUT,
				"'add_prefix_space' is false, 'prepend_scheme' is not 'never'");
		s->num = META_NEVER;
	}
	return true;
}

static bool
parse_words(Build *b, const Json *o, Step *s)
{
	(void)o;
	s->a = build_text(b, SPAN(WORDS));
	s->regex = 1;
	s->num = CUT_REMOVED;
	s->flag = 1;
	return true;
}

static bool
parse_digits(Build *b, const Json *o, Step *s)
{
	(void)b;
	s->num = json_get_bool(o, "individual_digits", false) ? CUT_ISOLATED
	                                                      : CUT_CONTIGUOUS;
	return true;
}

static bool
parse_delimiter(Build *b, const Json *o, Step *s)
{
	return get_char(b, o, "delimiter", &s->b);
}

static bool
parse_scripts(Build *b, const Json *o, Step *s)
{
	(void)o;
	(void)s;
	return build_scripts(b);
}

static bool
parse_length(Build *b, const Json *o, Step *s)
{
	return get_count(b, o, "length", 5, 1, &s->num);
}

/* ["token", id] */
static bool
get_token(Build *b, const Json *o, const char *key, uint32_t *out)
{
	int64_t id = json_int(json_at(json_get(o, key), 1), -1);

	if (id < 0 || id >= ID_MAX)
		return fail(b->c, QE_INPUT, "'%s' is not a token and its id",
		            key);
	*out = (uint32_t)id;
	return true;
}

static bool
parse_around(Build *b, const Json *o, Step *s)
{
	return get_token(b, o, "cls", &s->num) &&
	       get_token(b, o, "sep", &s->more);
}

/* The ids of a special token, one slice each. */
static bool
add_special(Build *b, const Json *specials, const Json *piece)
{
	const char *name = json_get_str(piece, "id", "");
	const Json *ids = json_get(json_get(specials, name), "ids");
	Slice k = {0, (uint32_t)json_get_int(piece, "type_id", 0)};

	if (!ids)
		return fail(b->c, QE_INPUT,
		            "template: '%s' is not among the special tokens",
		            name);
	for (size_t i = 0; i < json_len(ids); i++) {
		int64_t id = json_int(json_at(ids, i), -1);

		if (id < 0 || id >= ID_MAX)
			return fail(b->c, QE_INPUT, "template: id of '%s'",
			            name);
		k.id = (int32_t)id;
		buf_add(b->sec[SEC_SLICE], &k, sizeof k);
	}
	return true;
}

static bool
add_sequence(Build *b, const Json *piece)
{
	const char *name = json_get_str(piece, "id", "");
	Slice k = {SLICE_A, (uint32_t)json_get_int(piece, "type_id", 0)};

	if (strcmp(name, "B") == 0)
		k.id = SLICE_B;
	else if (strcmp(name, "A") != 0)
		return fail(b->c, QE_INPUT, "template: sequence '%s'", name);
	buf_add(b->sec[SEC_SLICE], &k, sizeof k);
	return true;
}

static bool
get_template(Build *b, const Json *o, const char *key, Ref *out)
{
	const Json *list = json_get(o, key), *p, *seq, *sp;
	const Json *specials = json_get(o, "special_tokens");

	out->off = (uint32_t)build_count(b, SEC_SLICE);
	for (size_t i = 0; i < json_len(list); i++) {
		p = json_at(list, i);
		seq = json_get(p, "Sequence");
		sp = json_get(p, "SpecialToken");
		if (json_get_int(seq ? seq : sp, "type_id", 0) >> 8)
			return fail(b->c, QE_INPUT, "template: type_id");
		if (seq ? !add_sequence(b, seq) : !add_special(b, specials, sp))
			return false;
	}
	out->n = (uint32_t)build_count(b, SEC_SLICE) - out->off;
	return true;
}

static bool
parse_template(Build *b, const Json *o, Step *s)
{
	return get_template(b, o, "single", &s->a) &&
	       get_template(b, o, "pair", &s->b);
}

static bool
parse_wordpiece(Build *b, const Json *o, Step *s)
{
	Span t;

	if (!get_text(b, o, "prefix", "##", &t))
		return false;
	s->b = build_text(b, t);
	s->flag = json_get_bool(o, "cleanup", true);
	return true;
}

static bool
parse_suffix(Build *b, const Json *o, Step *s)
{
	Span t;

	if (!get_text(b, o, "suffix", "</w>", &t))
		return false;
	s->b = build_text(b, t);
	return true;
}

static bool
parse_strip(Build *b, const Json *o, Step *s)
{
	return get_char(b, o, "content", &s->b) &&
	       get_count(b, o, "start", 0, 0, &s->num) &&
	       get_count(b, o, "stop", 0, 0, &s->more);
}

static bool
parse_ctc(Build *b, const Json *o, Step *s)
{
	Span pad, word;

	if (!get_text(b, o, "pad_token", "<pad>", &pad) ||
	    !get_text(b, o, "word_delimiter_token", "|", &word))
		return false;
	s->a = build_text(b, pad);
	s->b = build_text(b, word);
	s->flag = json_get_bool(o, "cleanup", true);
	return true;
}

typedef struct Row {
	const char *type;
	ParseFn *parse;
} Row;

static const Row norm_rows[] = {
#define NORM(type, parse, run) {#type, parse},
#include "steps.def"
	{0}};
static const Row split_rows[] = {
#define SPLIT(type, parse, run) {#type, parse},
#include "steps.def"
	{0}};
static const Row post_rows[] = {
#define POST(type, parse, run) {#type, parse},
#include "steps.def"
	{0}};
static const Row decode_rows[] = {
#define DECODE(type, parse, run) {#type, parse},
#include "steps.def"
	{0}};
static const Row *const rows_of[PHASES] = {norm_rows, split_rows, post_rows,
                                           decode_rows};

static bool
parse_part(Build *b, enum phase p, const Json *o)
{
	const char *type = json_get_str(o, "type", NULL);
	const Row *row = rows_of[p];
	const Json *list;
	Step s = {0};

	if (!type)
		return fail(b->c, QE_INPUT, "%s without a type", key_of[p]);
	if (strcmp(type, "Sequence") == 0) {
		list = json_get(o, list_of[p]);
		for (size_t i = 0; i < json_len(list); i++)
			if (!parse_part(b, p, json_at(list, i)))
				return false;
		return true;
	}
	while (row->type && strcmp(row->type, type) != 0)
		row++;
	if (!row->type)
		return fail(b->c, QE_INPUT, "%s '%s' is not supported",
		            key_of[p], type);
	s.kind = (uint16_t)(row - rows_of[p]);
	if (!row->parse(b, o, &s))
		return note(b->c, "%s '%s'", key_of[p], type);
	add_step(b, &s);
	return build_count(b, SEC_STEP) <= STEPS_MAX ||
	       fail(b->c, QE_INPUT, "more than %d steps", STEPS_MAX);
}

bool
parse_phase(Build *b, enum phase p, const Json *part)
{
	const Step fuse = {.kind = DECODE_Fuse};

	b->meta.phase[p] = (uint32_t)build_count(b, SEC_STEP);
	if (part && !parse_part(b, p, part))
		return false;
	/* no decoder puts blanks between tokens, an empty sequence does not */
	if (part && p == PHASE_DECODE &&
	    b->meta.phase[p] == build_count(b, SEC_STEP))
		buf_add(b->sec[SEC_STEP], &fuse, sizeof fuse);
	b->meta.phase[p + 1] = (uint32_t)build_count(b, SEC_STEP);
	return true;
}
