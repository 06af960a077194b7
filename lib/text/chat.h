/* SPDX-License-Identifier: BSD-3-Clause */
/* chat.h - a conversation to the prompt of a model: which template, and what
 * it is given. */

#ifndef CHAT_H
#define CHAT_H

#include "template.h"

typedef struct Chat {
	const Json *messages; /* array of {"role", "content", ...} */
	const char *system;   /* put in front as a message; or NULL */
	const Json *tools;    /* array of JSON schemas, or NULL */
	const Json *args;     /* object of further variables, or NULL; they
	                       * win over special tokens, not over the rest */
	bool add_generation_prompt;
} Chat;

/* The template of a checkpoint, as HuggingFace chooses it.
 *   chat_template_jinja  text of chat_template.jinja, which goes first; p NULL
 *                        if there is no such file
 *   tokenizer_config     whose chat_template is a string or a list of
 *                        {"name", "template"}; or NULL
 *   tools                some are given: of a list, `tool_use` is taken
 *   name                 which of a list, or NULL
 * Fails with QE_INPUT if there is none, or none of that name.  *out may point
 * into the arguments. */
bool chat_template_pick(Ctx *, Arena *, Span chat_template_jinja,
                        const Json *tokenizer_config, bool tools,
                        const char *name, Span *out);

/* Renders the conversation onto the end of out.  The special tokens of
 * tokenizer_config (bos_token and its kin, strings or objects with "content")
 * are variables. */
bool chat_render(Ctx *, Arena *, Span source, const Chat *,
                 const Json *tokenizer_config, const struct tm *now, Buf *out);

#endif
