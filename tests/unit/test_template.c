/* SPDX-License-Identifier: BSD-3-Clause
 * test_template.c - the cases of tests/text/template.t, limits, what the
 * interface promises, and that each row of the tables has a case and is in
 * the manual. */

#include <ctype.h>

#include "check.h"
#include "template_impl.h"

static const struct tm now = {.tm_year = 126,
                              .tm_mon = 2,
                              .tm_mday = 9,
                              .tm_hour = 7,
                              .tm_min = 5,
                              .tm_sec = 2,
                              .tm_wday = 1,
                              .tm_yday = 67};

typedef struct Case {
	Buf *name, *source, *vars, *gives, *fails;
} Case;

/* What template_render() makes of a source: the text, or the message. */
static const char *
render(Ctx *c, const char *source, const char *vars, const TemplateLimits *max)
{
	Json *o = json_parse(c, &c->mem, SPAN(vars));
	Buf *out = buf_new(&c->mem);

	if (!o || !template_render(c, &c->mem, SPAN(source), o, &now, max, out))
		return c->msg;
	return out->p;
}

static void
run_case(const Case *k)
{
	Ctx *c = qe_open("test");
	const char *got;

	got = render(c, k->source->p, k->vars->n ? k->vars->p : "{}", NULL);
	if (k->fails->n
	            ? qe_status(c) != QE_INPUT || !str_starts(got, k->fails->p)
	            : qe_status(c) != QE_OK || strcmp(got, k->gives->p)) {
		fprintf(stderr, "template.t: %s\n", k->name->p);
		CHECK_STR(got, k->fails->n ? k->fails->p : k->gives->p);
	} else {
		CHECK(true);
	}
	qe_close(c);
}

/* One line of the file: a mark, or a line of the current part. */
static void
take_line(Case *k, Buf **part, bool *first, Span line)
{
	static const char *const marks[] = {"--- vars", "--- gives",
	                                    "--- fails"};
	Buf *const parts[] = {k->vars, k->gives, k->fails};

	for (size_t i = 0; i < LEN(marks); i++)
		if (line.n == strlen(marks[i]) &&
		    memcmp(line.p, marks[i], line.n) == 0) {
			*part = parts[i];
			*first = true;
			return;
		}
	if (!*first)
		buf_char(*part, '\n');
	buf_add(*part, line.p, line.n);
	*first = false;
}

static void
cases_of(const char *path)
{
	Ctx *c = qe_open("test");
	Case k = {buf_new(&c->mem), buf_new(&c->mem), buf_new(&c->mem),
	          buf_new(&c->mem), buf_new(&c->mem)};
	Buf *const parts[] = {k.name, k.source, k.vars, k.gives, k.fails};
	Buf *part = NULL;
	bool first = true;
	int n = 0;
	Span s;

	CHECK(file_read(c, &c->mem, path, 1 << 20, &s));
	for (const char *p = s.p, *end = s.p + s.n, *q; p < end; p = q + 1) {
		if (!(q = memchr(p, '\n', (size_t)(end - p))))
			q = end;
		if (q - p <= 4 || memcmp(p, "=== ", 4) != 0) {
			if (part)
				take_line(&k, &part, &first,
				          (Span){p, (size_t)(q - p)});
			continue;
		}
		if (n++)
			run_case(&k);
		for (size_t i = 0; i < LEN(parts); i++)
			buf_clear(parts[i]);
		buf_add(k.name, p + 4, (size_t)(q - p) - 4);
		part = k.source;
		first = true;
	}
	run_case(&k);
	CHECK(n > 100);
	qe_close(c);
}

/* Each limit ends the rendering with its own words, and output so far is not
 * given out. */
static void
limits_hold(void)
{
	static const char loop[] = "{% for i in range(1000) %}"
				   "{% for j in range(1000) %}xxxxxxxx"
				   "{% endfor %}{% endfor %}";
	const struct {
		TemplateLimits max;
		const char *source, *why;
	} cases[] = {
		{{.steps = 1000}, loop, "line 1: the template takes over"},
		{{.output = 1000}, loop, "line 1: a string of 1"},
		{{.depth = 10},
	         "{{ ((((((((((1+1)+1)+1)+1)+1)+1)+1)+1)+1)+1) }}",
	         "line 1: nested over 10 deep"},
		{{0}, "{{ 'x' * 1000000000000 }}", "line 1: a string of"},
		{{0}, "{{ '%1000000000d' % 1 }}", "line 1: a string of"},
		{{0}, "{{ [[]] * 1000000000 }}", "line 1: a string of"},
		{{0},
	         "{% set ns = namespace(a=[0]) %}{% for i in range(99) %}"
	         "{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
	         "line 1: "},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		Ctx *c = qe_open("test");
		const char *got =
			render(c, cases[i].source, "{}", &cases[i].max);

		CHECK(qe_status(c) == QE_INPUT);
		if (!str_starts(got, cases[i].why))
			CHECK_STR(got, cases[i].why);
		qe_close(c);
	}
}

/* Source nested without end is refused, not followed. */
static void
deep_source_is_refused(void)
{
	static const char *const unit[] = {"{{ (",
	                                   "{{ [",
	                                   "{{ -",
	                                   "{{ not ",
	                                   "{{ x[",
	                                   "{% if x %}",
	                                   "{{ 1 if 1 else ",
	                                   "{{ {1:"};

	for (size_t i = 0; i < LEN(unit); i++) {
		Ctx *c = qe_open("test");
		Buf *b = buf_new(&c->mem);
		bool tag = unit[i][1] == '%';

		for (int n = 0; n < 20000; n++)
			buf_str(b, unit[i] + (n && !tag ? 3 : 0));
		CHECK(!template_check(c, (Span){b->p, b->n}));
		CHECK(qe_status(c) == QE_INPUT);
		CHECK(strstr(c->msg, "deep") != NULL);
		qe_close(c);
	}
}

static void
check_names_line_and_construct(void)
{
	Ctx *c = qe_open("test");

	CHECK(template_check(c, SPAN("{% for x in y %}{{ x|upper }}"
	                             "{% endfor %}")));
	CHECK(!template_check(c, SPAN("a\nb\n{{ x|from_json }}")));
	CHECK_STR(qe_message(c), "line 3: no filter named 'from_json'");
	qe_close(c);
	c = qe_open("test");
	CHECK(!template_check(c, SPAN("a\n\xff")));
	CHECK_STR(qe_message(c), "line 2: the template is not UTF-8");
	qe_close(c);
}

static void
text_is_appended(void)
{
	Ctx *c = qe_open("test");
	Buf *out = buf_new(&c->mem);
	Json *vars = json_parse(c, &c->mem, SPAN("{\"x\": \"a\\u0000b\"}"));

	buf_str(out, "<");
	CHECK(template_render(c, &c->mem, SPAN("{{ x }}{{ x|length }}"), vars,
	                      &now, NULL, out));
	CHECK(out->n == 5 && memcmp(out->p, "<a\0b3", 5) == 0);
	CHECK(!template_render(c, &c->mem, SPAN("y{{ 1/0 }}"), vars, &now, NULL,
	                       out));
	CHECK(out->n == 5);
	qe_close(c);
}

/* Does `mark` and the name stand in text, with no letter behind? */
static bool
mentions(Span text, const char *mark, const char *name)
{
	size_t n = strlen(mark), m = strlen(name);

	for (size_t i = 0; i + n + m < text.n; i++)
		if (memcmp(text.p + i, mark, n) == 0 &&
		    memcmp(text.p + i + n, name, m) == 0 &&
		    !isalpha((unsigned char)text.p[i + n + m]))
			return true;
	return false;
}

static void
rows_have_cases_and_a_place_in_the_manual(void)
{
	const struct {
		const FnRow *rows;
		const char *mark, *other, *kindof;
		bool in_manual;
	} tables[] = {
		{tpl_filters, "|", "| ", "filter", true},
		{tpl_tests, "is ", "'", "test", true},
		{tpl_methods, ".", ".", "method", false},
		{tpl_globals, "{ ", "= ", "function", true},
	};
	Ctx *c = qe_open("test");
	Span cases, manual;

	CHECK(file_read(c, &c->mem, "tests/text/template.t", 1 << 20, &cases));
	CHECK(file_read(c, &c->mem, "man/qeff-template.5", 1 << 20, &manual));
	for (size_t i = 0; i < LEN(tables); i++)
		for (const FnRow *r = tables[i].rows; r->name; r++) {
			bool tried = mentions(cases, tables[i].mark, r->name) ||
			             mentions(cases, tables[i].other, r->name);
			bool told = !tables[i].in_manual ||
			            mentions(manual, " ", r->name) ||
			            mentions(manual, "\n", r->name);

			CHECK(tried && told);
			if (!tried || !told)
				fprintf(stderr,
				        "template.def: %s '%s' has no "
				        "%s\n",
				        tables[i].kindof, r->name,
				        tried ? "place in the manual" : "case");
		}
	qe_close(c);
}

int
main(void)
{
	rows_have_cases_and_a_place_in_the_manual();
	cases_of("tests/text/template.t");
	limits_hold();
	deep_source_is_refused();
	check_names_line_and_construct();
	text_is_appended();
	return check_done("template");
}
