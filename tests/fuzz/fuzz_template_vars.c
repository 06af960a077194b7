/* SPDX-License-Identifier: BSD-3-Clause
 * Any conversation through a template that looks at all of it. */

#include "chat.h"
#include "fuzz.h"

static const char source[] =
	"{%- macro walk(x, d) -%}"
	"{%- if x is string -%}{{ x|trim|upper }}{{ x[::-1] }}"
	"{{ x.split('<')|join('|') }}{{ x.replace('a', 'bb')|title }}"
	"{{ x|int }}{{ x|float }}{{ '%-5s|%r' % (x, x) }}"
	"{{ '{:>9.3}'.format(x) }}"
	"{%- elif x is mapping -%}"
	"{% for k, v in x|dictsort %}{{ k }}={{ walk(v, d + 1) }}"
	"{% endfor %}{{ x|items|list|length }}{{ x.get('a') }}"
	"{%- elif x is iterable -%}"
	"{% for v in x %}{{ loop.index }}/{{ loop.length }}"
	"{{ loop.previtem == loop.nextitem }}{{ walk(v, d + 1) }}"
	"{% endfor %}{{ x|list|string|wordcount }}{{ x[1:]|length }}"
	"{%- elif x is number -%}{{ x * 2 }}{{ x // 7 }}{{ x % 3 }}"
	"{{ x|round(2) }}{{ '%d %g' % (x|int, x) if x < 1e18 and "
	"x > -1e18 }}{%- else -%}{{ x }}{%- endif -%}"
	"{%- endmacro -%}"
	"{{ bos_token }}{% for m in messages %}{{ walk(m, 0) }}"
	"{{ m|tojson(indent=2) }}{% endfor %}"
	"{{ messages|map(attribute='role')|unique|list }}"
	"{{ messages|groupby('role')|length }}{{ tools|tojson }}";

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct tm now = {.tm_year = 126, .tm_mday = 1};
	Ctx c = {0};
	Arena *a = &c.mem;
	const Json *o = json_parse(&c, a, (Span){(const char *)p, n});
	const Chat chat = {.messages = json_get(o, "messages"),
	                   .tools = json_get(o, "tools"),
	                   .args = json_get(o, "args"),
	                   .system = json_get_str(o, "system", NULL)};
	Buf *out = buf_new(a);
	Span picked = {0};

	if (o) {
		chat_render(&c, a, SPAN(source), &chat, o, &now, out);
		chat_template_pick(&c, a, (Span){0}, o, true, NULL, &picked);
	}
	if (utf8_valid((Span){out->p, out->n}) != out->n)
		abort();
	arena_free(a);
	return 0;
}
