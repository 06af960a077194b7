/* SPDX-License-Identifier: BSD-3-Clause
 * test_chat.c - which template is taken, and what it is given. */

#include "chat.h"
#include "check.h"

static const struct tm now = {.tm_year = 126, .tm_mday = 1};

static const char lists[] = "{\"chat_template\": ["
			    "{\"name\": \"default\", \"template\": \"D\"},"
			    "{\"name\": \"tool_use\", \"template\": \"T\"},"
			    "{\"name\": \"rag\", \"template\": \"R\"}]}";

/* The template that is picked, or the message. */
static const char *
pick(Ctx *c, const char *file, const char *config, bool tools, const char *name)
{
	Span jinja = file ? SPAN(file) : (Span){0};
	Json *o = config ? json_parse(c, &c->mem, SPAN(config)) : NULL;
	Span out;

	if (!chat_template_pick(c, &c->mem, jinja, o, tools, name, &out))
		return c->msg;
	return arena_span(&c->mem, out);
}

static void
the_right_template_is_picked(void)
{
	static const struct {
		const char *file, *config;
		bool tools;
		const char *name, *want;
	} cases[] = {
		{NULL, "{\"chat_template\": \"S\"}", false, NULL, "S"},
		{NULL, "{\"chat_template\": \"S\"}", true, NULL, "S"},
		{"F", "{\"chat_template\": \"S\"}", false, NULL, "F"},
		{"F", NULL, true, NULL, "F"},
		{NULL, lists, false, NULL, "D"},
		{NULL, lists, true, NULL, "T"},
		{NULL, lists, true, "rag", "R"},
		{"F", lists, true, NULL, "F"},
		{NULL, lists, false, "none",
	         "no chat template is named 'none', there are: 'default', "
	         "'tool_use', 'rag'"},
		{NULL,
	         "{\"chat_template\": [{\"name\": \"x\", "
	         "\"template\": \"X\"}]}",
	         true, NULL,
	         "no chat template is named 'default', there are: 'x'"},
		{NULL, "{}", false, NULL, "the model has no chat template"},
		{NULL, NULL, false, NULL, "the model has no chat template"},
		{NULL, "{\"chat_template\": 1}", false, NULL,
	         "chat_template is neither a string nor a list of templates"},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		Ctx *c = qe_open("test");

		CHECK_STR(pick(c, cases[i].file, cases[i].config,
		               cases[i].tools, cases[i].name),
		          cases[i].want);
		qe_close(c);
	}
}

static const char *
render(Ctx *c, const char *source, const char *messages, const char *system,
       const char *tools, const char *args, const char *config)
{
	Arena *a = &c->mem;
	Chat chat = {.system = system, .add_generation_prompt = true};
	Buf *out = buf_new(a);

	chat.messages = json_parse(c, a, SPAN(messages));
	chat.tools = tools ? json_parse(c, a, SPAN(tools)) : NULL;
	chat.args = args ? json_parse(c, a, SPAN(args)) : NULL;
	if (!chat_render(c, a, SPAN(source), &chat,
	                 json_parse(c, a, SPAN(config)), &now, out))
		return c->msg;
	return out->p;
}

static void
variables_are_given(void)
{
	static const char source[] =
		"{{ bos_token }}{% for m in messages %}{{ m.role }}:"
		"{{ m.content }}{{ eos_token }}{% endfor %}"
		"{{ tools is none }}{{ documents is none }}"
		"{{ add_generation_prompt }}{{ enable_thinking }}"
		"{{ additional_special_tokens }}{{ image_token }}{{ pad_token is defined }}";
	static const char config[] =
		"{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": "
		"\"</s>\", \"lstrip\": false}, \"pad_token\": null, "
		"\"extra_special_tokens\": {\"image_token\": \"<i>\"}, "
		"\"additional_special_tokens\": [\"<a>\", {\"content\": "
		"\"<b>\"}]}";
	Ctx *c = qe_open("test");

	CHECK_STR(render(c, source,
	                 "[{\"role\": \"user\", \"content\": "
	                 "\"hi\"}]",
	                 NULL, NULL, "{\"enable_thinking\": false}", config),
	          "<s>user:hi</s>TrueTrueTrueFalse['<a>', '<b>']<i>False");
	CHECK_STR(render(c, "{{ messages }}{{ tools|length }}", "[]", "S",
	                 "[{}]", "{\"messages\": 1}", "{}"),
	          "[{'role': 'system', 'content': 'S'}]1");
	CHECK_STR(render(c, "{{ bos_token }}{{ tools }}", "[]", NULL, "[]",
	                 "{\"bos_token\": \"mine\"}", config),
	          "mineNone");
	CHECK(qe_status(c) == QE_OK);
	CHECK_STR(render(c, "{{ raise_exception('no') }}", "[]", NULL, NULL,
	                 NULL, "{}"),
	          "chat template: no");
	qe_close(c);
}

static void
bad_conversations_are_refused(void)
{
	Ctx *c = qe_open("test");

	CHECK_STR(render(c, "", "{}", NULL, NULL, NULL, "{}"),
	          "the messages are no array");
	qe_close(c);
	c = qe_open("test");
	CHECK_STR(render(c, "", "[]", NULL, NULL, "[]", "{}"),
	          "the arguments of the template are no object");
	qe_close(c);
}

int
main(void)
{
	the_right_template_is_picked();
	variables_are_given();
	bad_conversations_are_refused();
	return check_done("chat");
}
