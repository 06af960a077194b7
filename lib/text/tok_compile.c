/* SPDX-License-Identifier: BSD-3-Clause
 * tok_compile.c - tokenizer files to the compiled form. */

#include "tok.h"

static bool
side(Build *b, const Json *o, uint32_t *left)
{
	const char *s = json_get_str(o, "direction", "Right");

	*left = strcmp(s, "Left") == 0;
	return *left || strcmp(s, "Right") == 0 ||
	       fail(b->c, QE_INPUT, "direction '%s'", s);
}

static bool
size_of(Build *b, const Json *o, const char *key, int64_t most, uint32_t *out)
{
	int64_t n = json_get_int(o, key, 0);

	if (n < 0 || n > most)
		return fail(b->c, QE_INPUT, "'%s' is %lld, limit %lld", key,
		            (long long)n, (long long)most);
	*out = (uint32_t)n;
	return true;
}

static bool
parse_truncation(Build *b, const Json *o)
{
	static const char *const way[] = {"LongestFirst", "OnlyFirst",
	                                  "OnlySecond"};
	const char *s = json_get_str(o, "strategy", "LongestFirst");
	Meta *m = &b->meta;

	if (!o)
		return true;
	m->trunc = 1;
	while (m->trunc_way < LEN(way) && strcmp(way[m->trunc_way], s) != 0)
		m->trunc_way++;
	if (m->trunc_way == LEN(way))
		return fail(b->c, QE_INPUT, "truncation strategy '%s'", s);
	return (side(b, o, &m->trunc_left) &&
	        size_of(b, o, "max_length", INPUT_MAX, &m->trunc_max) &&
	        size_of(b, o, "stride", INPUT_MAX, &m->trunc_stride)) ||
	       note(b->c, "truncation");
}

static bool
parse_padding(Build *b, const Json *o)
{
	const Json *way = json_get(o, "strategy");
	Meta *m = &b->meta;
	bool fixed = json_get(way, "Fixed") != NULL;

	if (!o)
		return true;
	if (!fixed && strcmp(json_str(way, ""), "BatchLongest") != 0)
		return fail(
			b->c, QE_INPUT,
			"padding strategy is neither BatchLongest nor Fixed");
	if (!size_of(b, way, "Fixed", PAD_MAX, &m->pad_to) ||
	    !size_of(b, o, "pad_to_multiple_of", PAD_MAX, &m->pad_multiple) ||
	    !size_of(b, o, "pad_id", ID_MAX - 1, &m->pad_id) ||
	    !size_of(b, o, "pad_type_id", 255, &m->pad_type) ||
	    !side(b, o, &m->pad_left))
		return note(b->c, "padding");
	m->pad = !fixed || m->pad_to > 0;
	return true;
}

bool
compile_parts(Build *b, const Json *o)
{
	return parse_phase(b, PHASE_NORM, json_get(o, "normalizer")) &&
	       parse_phase(b, PHASE_SPLIT, json_get(o, "pre_tokenizer")) &&
	       parse_phase(b, PHASE_POST, json_get(o, "post_processor")) &&
	       parse_phase(b, PHASE_DECODE, json_get(o, "decoder")) &&
	       parse_truncation(b, json_get(o, "truncation")) &&
	       parse_padding(b, json_get(o, "padding"));
}

static bool
compile_json(Build *b, Span text)
{
	Json *o = json_parse(b->c, b->a, text);
	const char *version = json_get_str(o, "version", "1.0");

	if (!o)
		return false;
	if (strcmp(version, "1.0") != 0)
		return fail(b->c, QE_INPUT, "version '%s', want '1.0'",
		            version);
	return compile_parts(b, o) && parse_model(b, json_get(o, "model")) &&
	       parse_added(b, json_get(o, "added_tokens"));
}

bool
tokenizer_compile(Ctx *c, const TokenizerFiles *f, Buf *out)
{
	Arena a = {0};
	Build *b = build_new(c, &a);
	bool ok;

	if (f->tokenizer_json.n)
		ok = compile_json(b, f->tokenizer_json) ||
		     note(c, "tokenizer.json");
	else
		ok = compile_files(b, f);
	ok = ok && build_finish(b, out);
	arena_free(&a);
	return ok;
}
