/* SPDX-License-Identifier: BSD-3-Clause
 * tokenize.c - text to token ids and back, line by line. */

#include "json.h"
#include "lines.h"
#include "text_parts.h"

/* One run over all lines. */
typedef struct Job {
	Ctx *c;
	const qe_tokenize *o;
	const Tokenizer *t;
	Out *out;
} Job;

typedef bool AnswerFn(Job *, Arena *, Span line, Buf *answer);

static void
put_ids(Buf *b, const char *name, const Ids *ids, bool types, const char *sep)
{
	buf_str(b, name);
	for (size_t i = 0; i < ids->n; i++)
		buf_fmt(b, "%s%d", i ? sep : "",
		        types ? ids->type[i] : ids->id[i]);
}

static const char *
name_of(const Job *j, Arena *a, int32_t id)
{
	const char *s = tokenizer_token(j->t, a, id);

	return s ? s : "";
}

static void
put_names(const Job *j, Arena *a, Buf *b, const Ids *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		buf_fmt(b, "%s%s", i ? " " : "", name_of(j, a, ids->id[i]));
}

static void
json_names(const Job *j, Arena *a, Buf *b, const Ids *ids)
{
	Json *list = json_new_array(a);

	for (size_t i = 0; i < ids->n; i++)
		json_push(list,
		          json_object_new_string(name_of(j, a, ids->id[i])));
	buf_str(b, "],\"tokens\":");
	json_print(b, list, 0);
	b->n--;
}

/* What a line asks to encode: all of it, two texts with a tab between, or
 * "text" and "pair". */
static bool
texts_of(Job *j, Arena *a, Span line, Span text[2], bool *two)
{
	const Json *o, *pair;
	const char *tab;

	text[0] = line;
	*two = false;
	if (!j->o->jsonl) {
		if (!j->o->pairs)
			return true;
		if (!(tab = memchr(line.p, '\t', line.n)))
			return fail(j->c, QE_INPUT, "no tab between two texts");
		*two = true;
		text[0].n = (size_t)(tab - line.p);
		text[1] = (Span){tab + 1, line.n - text[0].n - 1};
		return true;
	}
	if (!(o = json_parse(j->c, a, line)))
		return false;
	if (!json_is(json_get(o, "text"), json_type_string))
		return fail(j->c, QE_INPUT, "no \"text\"");
	text[0] = json_span(json_get(o, "text"));
	pair = json_get(o, "pair");
	if (pair && !json_is(pair, json_type_string))
		return fail(j->c, QE_INPUT, "\"pair\" is not a string");
	*two = pair != NULL;
	text[1] = json_span(pair);
	return true;
}

static bool
encode(Job *j, Arena *a, Span line, Ids *ids)
{
	Span text[2];
	bool two;

	return texts_of(j, a, line, text, &two) &&
	       tokenizer_encode(j->c, a, j->t, text[0], two ? &text[1] : NULL,
	                        !j->o->plain, ids);
}

static bool
encode_line(Job *j, Arena *a, Span line, Buf *b)
{
	Ids ids;

	if (!encode(j, a, line, &ids))
		return false;
	if (!j->o->jsonl) {
		if (j->o->names)
			put_names(j, a, b, &ids);
		else
			put_ids(b, "", &ids, false, " ");
		return true;
	}
	put_ids(b, "{\"ids\":[", &ids, false, ",");
	put_ids(b, "],\"type_ids\":[", &ids, true, ",");
	if (j->o->names)
		json_names(j, a, b, &ids);
	buf_str(b, "]}");
	return true;
}

static bool
count_line(Job *j, Arena *a, Span line, Buf *b)
{
	Ids ids;

	if (!encode(j, a, line, &ids))
		return false;
	buf_fmt(b, j->o->jsonl ? "{\"count\":%zu}" : "%zu", ids.n);
	return true;
}

static int32_t
clip(int64_t id)
{
	return id < 0 || id > INT32_MAX ? -1 : (int32_t)id;
}

static bool
plain_ids(Job *j, Arena *a, Span line, int32_t **id, size_t *n)
{
	char **w = str_split(a, arena_span(a, line), ' ');
	size_t cap = 0;
	int64_t x;

	for (; *w; w++) {
		if (!str_int(*w, &x))
			return fail(j->c, QE_INPUT, "'%.40s' is not an id", *w);
		PUSH(a, *id, *n, cap, clip(x));
	}
	return true;
}

static bool
json_ids(Job *j, Arena *a, Span line, int32_t **id, size_t *n)
{
	const Json *o = json_parse(j->c, a, line), *list, *x;
	size_t cap = 0;

	if (!o)
		return false;
	list = json_get(o, "ids");
	if (!json_is(list, json_type_array))
		return fail(j->c, QE_INPUT, "no \"ids\"");
	for (size_t i = 0; i < json_len(list); i++) {
		x = json_at(list, i);
		if (!json_is(x, json_type_int))
			return fail(j->c, QE_INPUT, "id %zu is not a number",
			            i);
		PUSH(a, *id, *n, cap, clip(json_int(x, -1)));
	}
	return true;
}

static bool
decode_line(Job *j, Arena *a, Span line, Buf *b)
{
	Buf *text = j->o->jsonl ? buf_new(a) : b;
	int32_t *id = NULL;
	size_t n = 0;
	Json *o;

	if (!(j->o->jsonl ? json_ids : plain_ids)(j, a, line, &id, &n) ||
	    !tokenizer_decode(j->c, a, j->t, id, n, j->o->skip, text))
		return false;
	if (j->o->jsonl) {
		o = json_new(a);
		json_put(o, "text",
		         json_object_new_string_len(text->p, (int)text->n));
		json_print(b, o, 0);
		while (b->n && b->p[b->n - 1] == '\n')
			b->n--;
	}
	return true;
}

static AnswerFn *const answer[] = {
	[QE_ENCODE] = encode_line,
	[QE_DECODE] = decode_line,
	[QE_COUNT] = count_line,
};

static bool
each(Ctx *c, void *arg, Span line)
{
	Job *j = arg;
	Arena a = {0};
	Buf *b = buf_new(&a);
	bool ok = answer[j->o->what](j, &a, line, b);

	buf_char(b, '\n');
	ok = ok && out_write(c, j->out, b->p, b->n) &&
	     (strcmp(j->o->out, "-") != 0 || out_flush(c, j->out));
	arena_free(&a);
	return ok;
}

static bool
work(Job *j, Arena *a)
{
	TextParts t;

	if (j->o->pairs && j->o->jsonl)
		return fail(j->c, QE_USAGE,
		            "--pairs and --jsonl: objects have \"pair\"");
	if (!(j->out = out_open(j->c, a, j->o->out)) ||
	    !(j->t = text_tokenizer(j->c, a, j->o->tokenizer, &t)))
		return false;
	if (j->o->what == QE_PACK)
		return out_write(j->c, j->out, t.blob.p, t.blob.n) &&
		       out_commit(j->c, j->out);
	return lines_each(j->c, j->o->in, each, j) && out_commit(j->c, j->out);
}

bool
qe_tokens(qe_ctx *c, const qe_tokenize *o)
{
	Job j = {.c = c, .o = o};
	Arena a = {0};
	bool ok = work(&j, &a);

	arena_free(&a);
	return ok;
}
