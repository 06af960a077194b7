/* SPDX-License-Identifier: BSD-3-Clause
 * converse.c - conversations to prompts, by the model's template.
 *
 * Reasoning is switched by a variable that each template names as it likes;
 * the known names are rows here, and a template that reads none of them has
 * no such switch, which is an error and not a silence. */

#include <time.h>

#include "chat.h"
#include "converse.h"

enum { FILE_MAX = 256 << 20, TEMPLATE_MAX = 1 << 20 };

struct Converse {
	const Session *s;
	Span source;        /* of the template; p NULL: none is applied */
	Json *config;       /* tokenizer_config.json, or NULL */
	Json *list;         /* array of conversations, or NULL */
	Json *tools;        /* or NULL */
	Json *args;         /* further variables */
	const char *system; /* or NULL */
	struct tm now;
};

/* Variables that turn thinking on and off, the commonest first. */
static const char *const switches[] = {
	"enable_thinking", "thinking",     "enable_reasoning",
	"is_thinking",     "think",        "include_thinking",
	"add_thoughts",    "use_thinking", NULL,
};

bool
converse_wanted(const qe_run *o)
{
	return o->chat || o->interactive || o->messages || o->system ||
	       o->tools || o->template || o->template_name ||
	       o->template_args || o->think || o->no_think ||
	       o->reasoning_effort;
}

/* ---- files ---- */

static bool
is_message(const Json *m)
{
	return json_is(m, json_type_object) &&
	       json_is(json_get(m, "role"), json_type_string);
}

/* Roles are for the template to know; that there is one is all we ask. */
static bool
check_messages(Ctx *c, const Json *list)
{
	if (!json_is(list, json_type_array) || !json_len(list))
		return fail(c, QE_INPUT, "not an array of messages");
	for (size_t i = 0; i < json_len(list); i++)
		if (!is_message(json_at(list, i)))
			return fail(c, QE_INPUT,
			            "message %zu is no object with a \"role\"",
			            i + 1);
	return true;
}

/* {"messages": [..], "tools": [..]}: what a server would be sent. */
static bool
take_request(Ctx *c, Converse *v, Json *o)
{
	json_object_object_foreach(o, key, value) if (strcmp(key, "tools") == 0)
		v->tools = value;
	else if (strcmp(key, "messages") !=
	         0) return fail(c, QE_INPUT,
	                        "key '%s' is not one of messages, tools", key);
	return true;
}

/* An array of messages, an array of such arrays, or an object with one. */
static bool
read_messages(Ctx *c, Arena *a, Converse *v, const char *path)
{
	Json *j = json_read(c, a, path, FILE_MAX), *one;

	if (!j)
		return false;
	if (json_is(j, json_type_object)) {
		if (!take_request(c, v, j))
			return note(c, "%s", path);
		j = json_get(j, "messages");
	}
	v->list = j;
	if (!json_is(json_at(j, 0), json_type_array)) {
		v->list = json_new_array(a);
		json_push(v->list, j ? json_share(j) : NULL);
	}
	for (size_t i = 0; i < json_len(v->list); i++) {
		one = json_at(v->list, i);
		if (!check_messages(c, one))
			return json_len(v->list) > 1
			               ? note(c, "%s: conversation %zu", path,
			                      i + 1)
			               : note(c, "%s", path);
	}
	return true;
}

static bool
read_tools(Ctx *c, Arena *a, Converse *v, const char *path)
{
	if (path && !(v->tools = json_read(c, a, path, FILE_MAX)))
		return false;
	if (v->tools && !json_is(v->tools, json_type_array))
		return fail(c, QE_INPUT, "%s: not an array of tools",
		            path ? path : "messages");
	return true;
}

/* ---- variables ---- */

/* A switch the template does not read would be ignored in silence: refused. */
static bool
set_switch(Ctx *c, Converse *v, const qe_run *o)
{
	const char *option = o->think ? "--think" : "--no-think";
	const char *effort = "reasoning_effort";

	if (o->think && o->no_think)
		return fail(c, QE_USAGE, "--think and --no-think");
	if (o->reasoning_effort) {
		if (!template_names(c, v->source, effort))
			return fail(
				c, QE_INPUT,
				"--reasoning-effort: the chat template reads no '%s'",
				effort);
		json_put_str(v->args, effort, o->reasoning_effort);
	}
	if (!o->think && !o->no_think)
		return true;
	for (const char *const *s = switches; *s; s++)
		if (template_names(c, v->source, *s)) {
			json_put_bool(v->args, *s, o->think);
			return true;
		}
	return fail(c, QE_INPUT, "%s: the chat template has no switch for it%s",
	            option,
	            template_names(c, v->source, effort)
	                    ? " but --reasoning-effort"
	                    : "");
}

/* KEY=VALUE; what is not JSON is a string.  A string in JSON's own quotes is
 * how to say "true". */
static bool
set_arg(Ctx *c, Arena *a, Converse *v, const char *arg)
{
	const char *eq = strchr(arg, '='), *key;
	Ctx trial = {.tool = c->tool};
	Json *value;

	if (!eq || eq == arg)
		return fail(c, QE_USAGE, "--template-arg '%s': not KEY=VALUE",
		            arg);
	key = arena_span(a, (Span){arg, (size_t)(eq - arg)});
	if (strcmp(eq + 1, "null") == 0)
		json_put(v->args, key, NULL);
	else if ((value = json_parse(&trial, a, SPAN(eq + 1))))
		json_put(v->args, key, json_share(value));
	else
		json_put_str(v->args, key, eq + 1);
	arena_free(&trial.mem);
	if (!template_names(c, v->source, key))
		say(c, 0, "--template-arg: the chat template reads no '%s'",
		    key);
	return true;
}

static bool
set_args(Ctx *c, Arena *a, Converse *v, const qe_run *o)
{
	for (const char *const *s = o->template_args; s && *s; s++)
		if (!set_arg(c, a, v, *s))
			return false;
	return set_switch(c, v, o);
}

/* ---- the template ---- */

/* The option that --no-template leaves without a meaning, or NULL. */
static const char *
clash(const qe_run *o)
{
	return o->template           ? "--template"
	       : o->template_name    ? "--template-name"
	       : o->template_args    ? "--template-arg"
	       : o->tools            ? "--tools"
	       : o->think            ? "--think"
	       : o->no_think         ? "--no-think"
	       : o->reasoning_effort ? "--reasoning-effort"
	                             : NULL;
}

static bool
pick(Ctx *c, Arena *a, Converse *v, Session *s, const qe_run *o)
{
	Span jinja;

	if (o->no_template)
		return true;
	if (o->template)
		return !o->template_name
		               ? file_read(c, a, o->template, TEMPLATE_MAX,
		                           &v->source)
		               : fail(c, QE_USAGE,
		                      "--template and --template-name");
	jinja = session_member(c, s, "chat_template.jinja");
	return c->status == QE_OK &&
	       chat_template_pick(c, a, jinja, v->config,
	                          json_len(v->tools) > 0, o->template_name,
	                          &v->source);
}

static bool
open(Ctx *c, Arena *a, Converse *v, Session *s, const qe_run *o)
{
	Span config = session_member(c, s, "tokenizer_config.json");
	time_t now = time(NULL);

	if (c->status != QE_OK ||
	    (config.n && !(v->config = json_parse(c, a, config))))
		return note(c, "tokenizer_config.json");
	localtime_r(&now, &v->now);
	if (o->messages && !read_messages(c, a, v, o->messages))
		return false;
	return read_tools(c, a, v, o->tools) && pick(c, a, v, s, o) &&
	       set_args(c, a, v, o);
}

Converse *
converse_open(Ctx *c, Arena *a, Session *s, const qe_run *o)
{
	Converse *v = NEW(a, Converse);

	if (!s->tok)
		return fail(c, QE_INPUT,
		            "the package holds no tokenizer: give --ids"),
		       NULL;
	if (o->no_template && clash(o))
		return fail(c, QE_USAGE, "--no-template and %s", clash(o)),
		       NULL;
	v->s = s;
	v->system = o->system;
	v->args = json_new(a);
	return open(c, a, v, s, o) ? v : NULL;
}

/* ---- conversations ---- */

size_t
converse_count(const Converse *v)
{
	return json_len(v->list);
}

Json *
converse_begin(Arena *a, const Converse *v, size_t i)
{
	const Json *from = json_at(v->list, i);
	Json *list = json_new_array(a);

	for (size_t k = 0; k < json_len(from); k++)
		json_push(list, json_share(json_at(from, k)));
	return list;
}

void
converse_say(Json *messages, const char *role, Span text)
{
	Json *turn = json_object_new_object();

	json_put_str(turn, "role", role);
	json_put(turn, "content",
	         json_object_new_string_len(text.p,
	                                    (int)MIN(text.n,
	                                             (size_t)INT32_MAX)));
	json_push(messages, turn);
}

/* Without a template: what was said, a line each. */
static bool
plain(Ctx *c, const Converse *v, const Json *messages, Buf *b)
{
	if (v->system)
		buf_str(b, v->system);
	for (size_t i = 0; i < json_len(messages); i++) {
		const Json *text = json_get(json_at(messages, i), "content");
		Span s = json_span(text);

		if (!json_is(text, json_type_string))
			return fail(c, QE_INPUT,
			            "message %zu: content is no string", i + 1);
		if (b->n)
			buf_char(b, '\n');
		buf_add(b, s.p, s.n);
	}
	return true;
}

/* A rendered template has its special tokens in the text; plain text gets them
 * from the tokenizer. */
bool
converse_encode(Ctx *c, Arena *a, const Converse *v, const Json *messages,
                Ids *ids, const char **text)
{
	Chat chat = {.messages = messages,
	             .system = v->system,
	             .tools = v->tools,
	             .args = v->args,
	             .add_generation_prompt = true};
	Buf *b = buf_new(a);
	bool apply = v->source.p != NULL;

	if (!(apply ? chat_render(c, a, v->source, &chat, v->config, &v->now, b)
	            : plain(c, v, messages, b)))
		return false;
	*text = b->p;
	return tokenizer_encode(c, a, v->s->tok, (Span){b->p, b->n}, NULL,
	                        !apply, ids);
}
