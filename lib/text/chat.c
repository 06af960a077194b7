/* SPDX-License-Identifier: BSD-3-Clause
 * chat.c - what HuggingFace's apply_chat_template does around the template:
 * choosing it, and the variables it is given. */

#include "chat.h"

/* The names of SPECIAL_TOKENS_ATTRIBUTES that hold one token; the list of
 * additional_special_tokens is handed on as a list. */
static const char *const specials[] = {
	"bos_token", "eos_token", "unk_token",  "sep_token",
	"pad_token", "cls_token", "mask_token",
};

/* The entry of a list of templates by name, or NULL. */
static const Json *
named(const Json *list, const char *name)
{
	for (size_t i = 0; i < json_len(list); i++) {
		const Json *o = json_at(list, i);

		if (strcmp(json_get_str(o, "name", ""), name) == 0 &&
		    json_is(json_get(o, "template"), json_type_string))
			return json_get(o, "template");
	}
	return NULL;
}

static const char *
names_of(Arena *a, const Json *list)
{
	Buf *b = buf_new(a);

	for (size_t i = 0; i < json_len(list); i++)
		buf_fmt(b, "%s'%s'", i ? ", " : "",
		        json_get_str(json_at(list, i), "name", ""));
	return b->p;
}

static bool
pick_of(Ctx *c, Arena *a, const Json *list, bool tools, const char *name,
        Span *out)
{
	const Json *t = NULL;

	if (name)
		t = named(list, name);
	else if (!tools || !(t = named(list, "tool_use")))
		t = named(list, "default");
	if (!t)
		return fail(c, QE_INPUT,
		            "no chat template is named '%s', there are: %s",
		            name ? name : "default", names_of(a, list));
	*out = json_span(t);
	return true;
}

bool
chat_template_pick(Ctx *c, Arena *a, Span chat_template_jinja,
                   const Json *tokenizer_config, bool tools, const char *name,
                   Span *out)
{
	const Json *t = json_get(tokenizer_config, "chat_template");

	if (name && strcmp(name, "default") != 0 &&
	    !json_is(t, json_type_array))
		return fail(c, QE_INPUT,
		            "no chat template is named '%s': the model has %s",
		            name, chat_template_jinja.p || t ? "one" : "none");
	if (chat_template_jinja.p && !(name && json_is(t, json_type_array))) {
		*out = chat_template_jinja;
		return true;
	}
	if (json_is(t, json_type_array))
		return pick_of(c, a, t, tools, name, out);
	if (t && !json_is(t, json_type_string))
		return fail(c, QE_INPUT,
		            "chat_template is neither a string "
		            "nor a list of templates");
	if (!t)
		return fail(c, QE_INPUT, "the model has no chat template");
	*out = json_span(t);
	return true;
}

/* A token is a string, or an object that describes it. */
static const Json *
token(const Json *t)
{
	return json_is(t, json_type_object) ? json_get(t, "content") : t;
}

static void
put(Json *vars, const char *name, const Json *value)
{
	json_put(vars, name, json_share((Json *)(uintptr_t)value));
}

static void
put_specials(Json *vars, const Json *config)
{
	const Json *more = json_get(config, "additional_special_tokens"), *t;
	Json *list;

	for (size_t i = 0; i < LEN(specials); i++) {
		t = token(json_get(config, specials[i]));
		if (json_is(t, json_type_string))
			put(vars, specials[i], t);
	}
	/* names of a model's own, as {"image_token": "<image>"} */
	t = json_get(config, "extra_special_tokens");
	if (json_is(t, json_type_object)) {
		json_object_object_foreach((Json *)(uintptr_t)t, k, v)
		{
			if (json_is(token(v), json_type_string))
				put(vars, k, token(v));
		}
	}
	if (!json_len(more))
		return;
	if (!(list = json_object_new_array()))
		qe_nomem();
	json_put(vars, "additional_special_tokens", list);
	for (size_t i = 0; i < json_len(more); i++) {
		t = token(json_at(more, i));
		if (json_is(t, json_type_string))
			json_push(list, json_share((Json *)(uintptr_t)t));
	}
}

/* The messages, behind the system prompt if there is one. */
static const Json *
with_system(Arena *a, const Chat *chat)
{
	Json *list, *first;

	if (!chat->system)
		return chat->messages;
	list = json_new_array(a);
	if (!(first = json_object_new_object()))
		qe_nomem();
	json_push(list, first);
	json_put_str(first, "role", "system");
	json_put_str(first, "content", chat->system);
	for (size_t i = 0; i < json_len(chat->messages); i++)
		json_push(list, json_share(json_at(chat->messages, i)));
	return list;
}

bool
chat_render(Ctx *c, Arena *a, Span source, const Chat *chat,
            const Json *tokenizer_config, const struct tm *now, Buf *out)
{
	Json *vars = json_new(a);

	if (!json_is(chat->messages, json_type_array))
		return fail(c, QE_INPUT, "the messages are no array");
	if (chat->args && !json_is(chat->args, json_type_object))
		return fail(c, QE_INPUT,
		            "the arguments of the template are "
		            "no object");
	put_specials(vars, tokenizer_config);
	if (chat->args) {
		json_object_object_foreach((Json *)(uintptr_t)chat->args, k, v)
		{
			put(vars, k, v);
		}
	}
	put(vars, "messages", with_system(a, chat));
	put(vars, "tools", json_len(chat->tools) ? chat->tools : NULL);
	if (!json_has(vars, "documents"))
		json_put(vars, "documents", NULL);
	json_put_bool(vars, "add_generation_prompt",
	              chat->add_generation_prompt);
	return template_render(c, a, source, vars, now, NULL, out) ||
	       note(c, "chat template");
}
