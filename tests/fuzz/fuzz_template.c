/* SPDX-License-Identifier: BSD-3-Clause
 * Any bytes as a chat template, over variables of every kind. */

#include "fuzz.h"
#include "template.h"

static const char vars[] =
	"{\"messages\": [{\"role\": \"system\", \"content\": \"S\"}, "
	"{\"role\": \"user\", \"content\": \"a<b>\\nh\\u00e9\\u4f60 "
	"{} %s\"}, {\"role\": \"assistant\", \"content\": null, "
	"\"tool_calls\": [{\"function\": {\"name\": \"f\", "
	"\"arguments\": {\"x\": 1, \"y\": [1.5, true, null]}}}]}], "
	"\"tools\": [{\"type\": \"function\", \"function\": {\"name\": "
	"\"f\", \"parameters\": {\"properties\": {\"x\": {\"type\": "
	"\"integer\"}}}}}], \"add_generation_prompt\": true, "
	"\"s\": \"Hello, World\", \"n\": -9223372036854775808, "
	"\"f\": 1e308, \"l\": [3, 1, 2], \"o\": {\"a\": {\"b\": []}}}";

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct tm now = {.tm_year = 126, .tm_mday = 1};
	const TemplateLimits max = {.steps = 50000, .output = 1 << 16};
	Ctx c = {0}, again = {0};
	Arena *a = &c.mem;
	Span source = {(const char *)p, n};
	Json *o = json_parse(&c, a, SPAN(vars));
	Buf *out = buf_new(a);
	bool good = template_check(&again, source);

	if (template_render(&c, a, source, o, &now, &max, out) &&
	    (!good || utf8_valid((Span){out->p, out->n}) != out->n))
		abort();
	if (c.status != QE_OK && c.status != QE_INPUT)
		abort();
	arena_free(a);
	return 0;
}
