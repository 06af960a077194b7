/* SPDX-License-Identifier: BSD-3-Clause
 * Reads top to bottom as the rules of expressions, of architecture files and
 * of configurations in one form. */

#include <math.h>
#include <stdlib.h>

#include "arch.h"
#include "check.h"

static Ctx c;

static const char *
result(const char *text, const char *config, const char *let, int64_t i)
{
	Arena *a = &c.mem;
	int64_t steps = EXPR_STEPS;
	Env env = {.config = json_parse(&c, a, SPAN(config)),
	           .let = json_parse(&c, a, SPAN(let)),
	           .types = json_parse(&c, a, SPAN("[\"s\", \"f\", \"s\"]")),
	           .i = i,
	           .steps = &steps};
	Buf *b = buf_new(a);
	Val v;

	c.status = QE_OK;
	if (!expr_eval(&c, a, &env, text, &v))
		return c.msg;
	json_print(b, val_json(a, &v), 0);
	return b->p;
}

#define IS(text, want) CHECK_STR(result((text), config, let, 1), (want))

static const char config[] =
	"{\"h\": 64, \"n\": 4, \"none\": null, \"list\": [5, 6], \"deep\": "
	"{\"er\": \"x\"}, \"no\": false, \"runs\": [[[\"a\"], 2], "
	"[[\"b\"], 1]]}";
static const char let[] =
	"{\"H\": \"=$h\", \"hd\": \"=H/$n\", \"L\": 3, \"loop\": \"=loop\"}";

static void
operators_bind_as_documented(void)
{
	IS("1+2*3", "7");
	IS("2^3^2", "512");
	IS("-2^2", "-4");
	IS("hd^-0.5", "0.25");
	IS("7%4 == 3 and not(1 > 2)", "true");
	IS("$missing ?? 2+3", "5");
	IS("$n ?? 9 == 4", "true");
	IS("1 < 2 or $none", "true");
	IS("1/4", "0.25");
	IS("(1+2)*3", "9");
}

static void
absent_is_null_and_null_spreads(void)
{
	IS("$missing", "null");
	IS("$none + 1", "null");
	IS("$deep.er", "\"x\"");
	IS("$deep.er.more", "null");
	IS("$list[i]", "6");
	IS("$missing[i]", "null");
	IS("null == $none", "true");
	IS("$no ?? 1", "false");
}

static void
what_is_not_asked_for_is_not_evaluated(void)
{
	IS("$n ?? 1 % 'text'", "4");
	IS("$no and 1/0", "false");
	IS("$n or int('text')", "true");
	IS("if($no, int('text'), 2)", "2");
}

static void
functions_do_what_they_say(void)
{
	IS("if($no, $n/0, 'b')", "\"b\"");
	IS("in(5, $list)", "true");
	IS("int(7/2)", "3");
	IS("len($list)", "2");
	IS("sqrt(H)", "8");
	IS("ceil(2.1) + ln(1)", "3");
	IS("starts('gated-gelu', 'gated')", "true");
	IS("after('gated-gelu', 'gated-')", "\"gelu\"");
	IS("after('gelu', 'gated-')", "null");
	IS("in('c2p', 'P2C| C2P')", "true");
	IS("in('c2', 'p2c|c2p')", "false");
	IS("map(i, i*2)", "[0, 2, 4]");
	IS("runs($runs)", "[\"a\", \"a\", \"b\"]");
	IS("last_of_type('s', 2)", "0");
	IS("type", "\"f\"");
}

static void
mistakes_are_named(void)
{
	IS("1 +", "expression '1 +': not a value at ''");
	IS("1/0", "expression '1/0': division by zero at ''");
	IS("nix", "expression 'nix': name 'nix' is not known at ''");
	IS("f(1)", "expression 'f(1)': function 'f' is not known at ''");
	IS("'a' + 1", "expression ''a' + 1': not a number before at ''");
	IS("$list[7]",
	   "expression '$list[7]': no element 7 in a list of 2 at ''");
	IS("1 2", "expression '1 2': something follows at '2'");
	CHECK(strstr(result("loop", config, let, 0), "nested too deeply") !=
	      NULL);
}

static void
keys_are_collected(void)
{
	Dict *d = dict_new(&c.mem);

	expr_keys(&c.mem, "$a.b ?? $c[i] + 'x'", d);
	CHECK(d->n == 3 && dict_has(d, "a") && dict_has(d, "a.b") &&
	      dict_has(d, "c"));
}

static void
unknown_words_of_a_file_are_errors(void)
{
	c.status = QE_OK;
	CHECK(!arch_check(&c, json_parse(&c, &c.mem,
	                                 SPAN("{\"attn\": {\"wq\": 1}}"))));
	CHECK_STR(c.msg, "key 'wq' of 'attn' is not known");
	c.status = QE_OK;
	CHECK(arch_check(&c, json_parse(&c, &c.mem,
	                                SPAN("{\"attn\": {\"q\": \"x\"}}"))));
}

static const char *
normal(const char *arch, const char *text)
{
	Buf *b = buf_new(&c.mem);

	c.status = QE_OK;
	json_print(b,
	           config_normal(&c, &c.mem, json_parse(&c, &c.mem, SPAN(arch)),
	                         json_parse(&c, &c.mem, SPAN(text))),
	           0);
	return b->p;
}

static void
configurations_take_one_form(void)
{
	CHECK_STR(normal("{}", "{\"torch_dtype\": \"float16\"}"),
	          "{\"dtype\": \"float16\"}");
	CHECK_STR(normal("{}", "{\"rope_scaling\": {\"type\": \"linear\", "
	                       "\"factor\": 2}}"),
	          "{\"rope_scaling\": {\"factor\": 2, \"rope_type\": "
	          "\"linear\"}}");
	CHECK_STR(normal("{}", "{\"rope_theta\": 1, \"rope_parameters\": "
	                       "{\"rope_type\": \"default\", \"rope_theta\": "
	                       "5}}"),
	          "{\"rope_scaling\": null, \"rope_theta\": 5}");
	CHECK_STR(normal("{\"alias\": {\"old\": \"new\"}, \"defaults\": "
	                 "{\"d\": 1, \"e\": 2}}",
	                 "{\"old\": 7, \"e\": null}"),
	          "{\"d\": 1, \"e\": null, \"new\": 7}");
	CHECK_STR(normal("{\"config\": \"text_config\"}",
	                 "{\"tie_word_embeddings\": true, \"text_config\": "
	                 "{\"a\": 1}}"),
	          "{\"a\": 1, \"tie_word_embeddings\": true}");
}

int
main(void)
{
	operators_bind_as_documented();
	absent_is_null_and_null_spreads();
	what_is_not_asked_for_is_not_evaluated();
	functions_do_what_they_say();
	mistakes_are_named();
	keys_are_collected();
	unknown_words_of_a_file_are_errors();
	configurations_take_one_form();
	arena_free(&c.mem);
	return check_done("arch");
}
