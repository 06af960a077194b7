/* SPDX-License-Identifier: BSD-3-Clause
 * text_parts.c - the tokenizer and chat template of any artifact.
 *
 * Model documents and ONNX refer to the files of the checkpoint, with their
 * digests; a package holds the compiled tokenizer itself. */

#include <errno.h>
#include <sys/stat.h>

#include "document.h"
#include "kind.h"
#include "onnx.h"
#include "qpc.h"
#include "spool.h"
#include "text_parts.h"

enum { FILE_MAX = 1 << 30, JINJA_MAX = 1 << 20 };
#define JINJA "chat_template.jinja"
#define TEMPLATES "additional_chat_templates/"
#define ENDING ".jinja"

static bool
take(Ctx *c, Arena *a, const Json *files, const char *name, const char *dir,
     Span *out)
{
	const Json *f = json_get(files, name);
	const char *path = json_get_str(f, "path", ""),
		   *digest = json_get_str(f, "digest", "");

	*out = (Span){NULL, 0};
	if (!f)
		return true;
	path = path_join(a, dir, path);
	if (!file_open(c, a, path, FILE_MAX, out))
		return false;
	return strcmp(hash_bytes(out->p, out->n).hex, digest) == 0 ||
	       fail(c, QE_INPUT, "%s: has changed since hf-load read it", path);
}

/* "default" of "additional_chat_templates/default.jinja"; NULL for others. */
static const char *
template_name(Arena *a, const char *file)
{
	size_t n = strlen(file), dir = strlen(TEMPLATES), end = strlen(ENDING);

	if (!str_starts(file, TEMPLATES) || !str_ends(file, ENDING) ||
	    n <= dir + end)
		return NULL;
	return arena_span(a, (Span){file + dir, n - dir - end});
}

static void
add_template(Json *list, const char *name, Span text)
{
	Json *o = json_object_new_object();

	json_put_str(o, "name", name);
	json_put(o, "template",
	         json_object_new_string_len(text.p, (int)text.n));
	json_push(list, o);
}

/* Files of templates count instead of what the configuration has: they become
 * its list, the one in chat_template.jinja as `default`. */
static bool
put_templates(Ctx *c, Arena *a, TextParts *t, Json *list)
{
	Span *text = &t->files.tokenizer_config;
	Buf *b = buf_new(a);
	Json *config;

	if (!json_len(list))
		return true;
	if (t->jinja.n)
		add_template(list, "default", t->jinja);
	config = text->n ? json_parse(c, a, *text) : json_new(a);
	if (!json_is(config, json_type_object))
		return fail(c, QE_INPUT,
		            "tokenizer_config.json is not an object");
	json_put(config, "chat_template", json_share(list));
	json_print_as(b, config, 0, JSON_AS_PUT);
	*text = (Span){b->p, b->n};
	t->jinja = (Span){NULL, 0};
	return true;
}

static bool
take_templates(Ctx *c, Arena *a, const Json *files, const char *dir,
               TextParts *t)
{
	Json *list = json_new_array(a);
	const char *name;
	Span text;

	if (!json_is(files, json_type_object))
		return true;
	json_object_object_foreach((Json *)(uintptr_t)files, key, v)
	{
		(void)v;
		if (!(name = template_name(a, key)))
			continue;
		if (!take(c, a, files, key, dir, &text))
			return false;
		add_template(list, name, text);
	}
	return put_templates(c, a, t, list);
}

bool
text_refs(Ctx *c, Arena *a, const Json *files, const char *dir, TextParts *t)
{
	const char *name;
	Span text;

	*t = (TextParts){0};
	for (size_t i = 0; (name = tokenizer_file(i)); i++) {
		if (!take(c, a, files, name, dir, &text))
			return false;
		tokenizer_put(&t->files, name, text);
	}
	return take(c, a, files, JINJA, dir, &t->jinja) &&
	       take_templates(c, a, files, dir, t);
}

static bool
none(const TokenizerFiles *f)
{
	return !f->tokenizer_json.n && !f->sentencepiece.n && !f->tiktoken.n &&
	       !f->vocab_json.n && !f->vocab_txt.n;
}

static bool
compile(Ctx *c, Arena *a, TextParts *t)
{
	Buf *b = buf_new(a);

	if (!tokenizer_compile(c, &t->files, b))
		return false;
	t->blob = (Span){b->p, b->n};
	return true;
}

bool
text_compile(Ctx *c, Arena *a, TextParts *t)
{
	return t->blob.n || none(&t->files) || compile(c, a, t);
}

static bool
of_folder(Ctx *c, Arena *a, const char *path, TextParts *t)
{
	const char *jinja = path_join(a, path, JINJA), *name;
	Json *list = json_new_array(a);
	Span text;
	char **file;
	size_t n = dir_list(a, path_join(a, path, TEMPLATES), &file);

	if (!tokenizer_gather(c, a, path, &t->files) ||
	    (file_size(jinja) >= 0 &&
	     !file_read(c, a, jinja, JINJA_MAX, &t->jinja)))
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *part = arena_str(a, TEMPLATES "%s", file[i]);

		if (!(name = template_name(a, part)))
			continue;
		if (!file_read(c, a, path_join(a, path, part), JINJA_MAX,
		               &text))
			return false;
		add_template(list, name, text);
	}
	return put_templates(c, a, t, list);
}

static bool
member(Ctx *c, const Qpc *q, const char *name, Span *out)
{
	for (int i = 0; i < q->n; i++)
		if (strcmp(q->member[i].name, name) == 0)
			return qpc_member(c, q, name, out);
	return true;
}

static bool
of_package(Ctx *c, Arena *a, const char *path, TextParts *t)
{
	Qpc *q = qpc_open(c, a, path, false);

	return q && member(c, q, "tokenizer.bin", &t->blob) &&
	       member(c, q, "tokenizer_config.json",
	              &t->files.tokenizer_config) &&
	       member(c, q, JINJA, &t->jinja);
}

static bool
of_onnx(Ctx *c, Arena *a, Span bytes, const char *path, TextParts *t)
{
	const char *text;
	Json *files;
	Graph *g;

	if (!onnx_read_piped(c, a, bytes, &g))
		return false;
	if (!(text = dict_get(g->meta, "qeff.tokenizer")))
		return fail(c, QE_INPUT, "the model refers to no tokenizer");
	return (files = json_parse(c, a, SPAN(text))) &&
	       text_refs(c, a, files, path ? path_dir(a, path) : ".", t);
}

/* A document says so in its text, which is quicker to find than to parse. */
static bool
is_document(Ctx *c, Arena *a, Span s, Json **out)
{
	static const char word[] = "\"qeff-model\"";
	const char *p = s.p;
	size_t n = sizeof word - 1, left = s.n;

	while (left >= n && (p = memchr(p, '"', left - n + 1)) &&
	       memcmp(p, word, n) != 0)
		left = s.n - (size_t)(++p - s.p);
	return left >= n && p && (*out = json_parse(c, a, s)) &&
	       strcmp(json_get_str(*out, "format", ""), "qeff-model") == 0;
}

static bool
of_bytes(Ctx *c, Arena *a, Span s, const char *place, TextParts *t)
{
	enum Kind kind;
	Span head;
	Json *doc;

	head.p = s.p;
	head.n = MIN(s.n, KIND_HEAD);
	kind = tokenizer_is_tiktoken(head) ? KIND_UNKNOWN : file_kind(head);
	if (tokenizer_is_compiled(head)) {
		t->blob = s;
		return true;
	}
	if (kind == KIND_QPC && !place)
		return fail(c, QE_INPUT,
		            "a package from a pipe: name the file");
	if (kind == KIND_QPC)
		return of_package(c, a, place, t);
	if (kind == KIND_ONNX)
		return of_onnx(c, a, s, place, t);
	if (kind == KIND_JSON && is_document(c, a, s, &doc))
		return document_check(c, doc) &&
		       text_refs(c, a, json_get(doc, "tokenizer"),
		                 place ? path_dir(a, place) : ".", t);
	if (kind != KIND_JSON && kind != KIND_UNKNOWN)
		return kind_refuse(c, "a tokenizer", head);
	return c->status == QE_OK &&
	       tokenizer_gather_file(c, a, place, s, &t->files);
}

bool
text_parts(Ctx *c, Arena *a, const char *path, TextParts *t)
{
	const char *place;
	struct stat st;
	Span s;

	*t = (TextParts){0};
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return of_folder(c, a, path, t);
	return spool_open(c, a, path, &s, &place) &&
	       (of_bytes(c, a, s, place, t) || note(c, "%s", path));
}

const Tokenizer *
text_tokenizer(Ctx *c, Arena *a, const char *path, TextParts *t)
{
	const Tokenizer *tok = NULL;

	if (!text_parts(c, a, path, t))
		return NULL;
	if (t->blob.n || compile(c, a, t))
		tok = tokenizer_open(c, a, t->blob);
	if (!tok)
		note(c, "%s", path);
	return tok;
}
