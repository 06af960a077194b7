/* SPDX-License-Identifier: BSD-3-Clause
 * template-render.c - templates through the library, for differential.py.
 *
 *   template-render [--now YYYY-MM-DDThh:mm:ss]
 *
 * Each line of the input, {"source": s, "vars": {..}}, is answered with one
 * line: {"text": s} or {"error": s}. */

#include <stdio.h>
#include <stdlib.h>

#include "template.h"

static void
answer(Ctx *c, bool ok, const Buf *text)
{
	Arena mem = {0};
	Json *o = json_new(&mem);
	Buf *line = buf_new(&mem);
	const char *s = ok ? text->p : c->msg;
	size_t n = ok ? text->n : strlen(c->msg);

	json_put(o, ok ? "text" : "error",
	         json_object_new_string_len(s, (int)utf8_valid((Span){s, n})));
	json_print(line, o, 0);
	puts(line->p);
	arena_free(&mem);
}

int
main(int argc, char **argv)
{
	Ctx *c = qe_open("render");
	Span in;
	struct tm now = {.tm_mday = 1};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--now") == 0 &&
		    sscanf(argv[i + 1], "%d-%d-%dT%d:%d:%d", &now.tm_year,
		           &now.tm_mon, &now.tm_mday, &now.tm_hour, &now.tm_min,
		           &now.tm_sec) == 6) {
			now.tm_year -= 1900;
			now.tm_mon--;
			now.tm_isdst = -1;
			mktime(&now);
		}
	}
	if (!file_read(c, &c->mem, "-", 1 << 28, &in))
		return 1;
	while (in.n) {
		Ctx *one = qe_open("render");
		const char *end = memchr(in.p, '\n', in.n);
		size_t n = end ? (size_t)(end - in.p) : in.n;
		Json *o = json_parse(one, &one->mem, (Span){in.p, n});
		Buf *out = buf_new(&one->mem);

		answer(one,
		       o && template_render(one, &one->mem,
		                            json_span(json_get(o, "source")),
		                            json_get(o, "vars"), &now, NULL,
		                            out),
		       out);
		in.p += n + 1;
		in.n -= MIN(n + 1, in.n);
		qe_close(one);
	}
	qe_close(c);
	return 0;
}
