/* SPDX-License-Identifier: BSD-3-Clause
 * render.c - chat templates by themselves: variables in, text out. */

#include <errno.h>
#include <time.h>

#include "chat.h"
#include "lines.h"
#include "text_parts.h"

enum { SOURCE_LIMIT = 1 << 20, VARS_LIMIT = 256 << 20 };

typedef struct Job {
	const qe_render *o;
	Span source; /* of a model, it may be chosen for each input */
	TextParts parts;
	const Json *config; /* of the model */
	struct tm now;
	Out *out;
} Job;

/* Days of the year before each month. */
static const int before[] = {0,   31,  59,  90,  120, 151,
                             181, 212, 243, 273, 304, 334};

static bool
leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The day of the week by counting from 1 January of year 1, a Monday. */
static bool
calendar(struct tm *t)
{
	int year = t->tm_year, past = year - 1, days;
	int month = t->tm_mon - 1;

	if (year < 1 || month < 0 || month > 11 || t->tm_mday < 1 ||
	    t->tm_hour > 23 || t->tm_min > 59 || t->tm_sec > 60)
		return false;
	days = (month < 11 ? before[month + 1] : 365) - before[month] +
	       (month == 1 && leap(year));
	if (t->tm_mday > days)
		return false;
	t->tm_yday = before[month] + (month > 1 && leap(year)) + t->tm_mday - 1;
	t->tm_wday = (past * 365 + past / 4 - past / 100 + past / 400 +
	              t->tm_yday + 1) %
	             7;
	t->tm_year -= 1900;
	t->tm_mon = month;
	t->tm_isdst = -1;
	return true;
}

/* A number of so many digits at *s. */
static bool
digits(const char **s, int n, int *out)
{
	for (*out = 0; n > 0; n--, ++*s) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (**s - '0');
	}
	return true;
}

/* YYYY-MM-DD, perhaps with Thh:mm:ss */
static bool
iso_time(const char *s, struct tm *t)
{
	*t = (struct tm){0};
	if (!digits(&s, 4, &t->tm_year) || *s++ != '-' ||
	    !digits(&s, 2, &t->tm_mon) || *s++ != '-' ||
	    !digits(&s, 2, &t->tm_mday))
		return false;
	if (*s == 'T' || *s == ' ') {
		s++;
		if (!digits(&s, 2, &t->tm_hour) || *s++ != ':' ||
		    !digits(&s, 2, &t->tm_min) || *s++ != ':' ||
		    !digits(&s, 2, &t->tm_sec))
			return false;
	}
	return !*s && calendar(t);
}

static bool
set_clock(Ctx *c, const char *now, struct tm *t)
{
	time_t s = time(NULL);

	if (now)
		return iso_time(now, t) || fail(c, QE_USAGE,
		                                "'%s' is no time, wanted "
		                                "YYYY-MM-DD[Thh:mm:ss]",
		                                now);
	return localtime_r(&s, t) || fail_errno(c, "the clock");
}

/* With a model, the input may be the messages alone, and what the model says
 * comes with it. */
static bool
of_model(Ctx *c, Arena *a, const Job *j, Json *o, Buf *text)
{
	bool bare = json_is(o, json_type_array);
	Chat chat = {.messages = bare ? o : json_get(o, "messages"),
	             .tools = bare ? NULL : json_get(o, "tools"),
	             .args = bare ? NULL : o,
	             .add_generation_prompt = true};
	Span source = j->source;

	if (!bare)
		chat.add_generation_prompt =
			json_get_bool(o, "add_generation_prompt", true);
	return (source.p || chat_template_pick(c, a, j->parts.jinja, j->config,
	                                       json_len(chat.tools) > 0,
	                                       j->o->name, &source)) &&
	       chat_render(c, a, source, &chat, j->config, &j->now, text);
}

static bool
text_of(Ctx *c, Arena *a, const Job *j, Span vars, Buf *text)
{
	Json *o = json_parse(c, a, vars);

	if (!o)
		return false;
	return j->o->model ? of_model(c, a, j, o, text)
	                   : template_render(c, a, j->source, o, &j->now, NULL,
	                                     text);
}

/* {"text": s}, or {"error": s}: a failed line is an answer, too. */
static bool
answer(Ctx *c, void *arg, Span line)
{
	const Job *j = arg;
	Ctx run = {.tool = c->tool};
	Arena *a = &run.mem;
	Buf *text = buf_new(a), *b = buf_new(a);
	bool ok = text_of(&run, a, j, line, text);
	Json *o = json_new(a);
	const char *s = ok ? text->p : run.msg;
	size_t n = ok ? text->n : strlen(run.msg);

	/* a message may be cut inside a character */
	n = utf8_valid((Span){s, n});
	json_put(o, ok ? "text" : "error",
	         json_object_new_string_len(s, (int)n));
	json_print(b, o, 0);
	buf_char(b, '\n');
	ok = out_write(c, j->out, b->p, b->n);
	arena_free(a);
	return ok;
}

/* The whole input is one object; the text stands as it is. */
static bool
once(Ctx *c, Arena *a, const Job *j)
{
	Buf *text = buf_new(a);
	Span vars;

	if (!file_read(c, a, j->o->in, VARS_LIMIT, &vars))
		return false;
	if (!text_of(c, a, j, vars, text))
		return note(c, "%s", j->o->source ? j->o->source : j->o->model);
	return out_write(c, j->out, text->p, text->n);
}

static bool
open_model(Ctx *c, Arena *a, Job *j)
{
	Span config;

	if (!text_parts(c, a, j->o->model, &j->parts))
		return false;
	config = j->parts.files.tokenizer_config;
	return !config.n || (j->config = json_parse(c, a, config)) ||
	       note(c, "%s: tokenizer_config.json", j->o->model);
}

static bool
work(Ctx *c, Arena *a, Job *j)
{
	if (!j->o->source && !j->o->model)
		return fail(c, QE_USAGE,
		            "which template? (--template FILE, --model MODEL)");
	if (!set_clock(c, j->o->now, &j->now) ||
	    (j->o->source &&
	     !file_read(c, a, j->o->source, SOURCE_LIMIT, &j->source)) ||
	    (j->o->model && !open_model(c, a, j)) ||
	    !(j->out = out_open(c, a, j->o->out)))
		return false;
	return (j->o->jsonl ? lines_each(c, j->o->in, answer, j)
	                    : once(c, a, j)) &&
	       out_commit(c, j->out);
}

bool
qe_render_chat(qe_ctx *c, const qe_render *o)
{
	Job j = {.o = o};
	Arena a = {0};
	bool ok = work(c, &a, &j);

	arena_free(&a);
	return ok;
}
