/* SPDX-License-Identifier: BSD-3-Clause
 * template_test.c - what may stand behind `is`: the TEST rows of
 * template.def. */

#include "template_impl.h"

#define TEST_FN(id)                                                            \
	bool tpl_t_##id(Tpl *t, Val self, const Val *a, const Args *all,       \
	                Val *out)

/* Tests that look at nothing but the value. */
#define SIMPLE(id, yes)                                                        \
	TEST_FN(id)                                                            \
	{                                                                      \
		(void)t, (void)a, (void)all;                                   \
		*out = V_BOOL(yes);                                            \
		return true;                                                   \
	}

SIMPLE(boolean, self.kind == K_BOOL)
SIMPLE(callable, (self.kind >= K_LOOP && self.kind <= K_METHOD) ||
                         self.kind == K_JOINER || self.kind == K_UNDEF)
SIMPLE(defined, self.kind != K_UNDEF)
SIMPLE(escaped, self.kind == K_STR && self.s->safe)
SIMPLE(is_false, self.kind == K_BOOL && !self.b)
SIMPLE(float, self.kind == K_FLOAT)
SIMPLE(integer, self.kind == K_INT)
SIMPLE(iterable, tpl_can_iter(self) || self.kind == K_LOOP)
SIMPLE(mapping, self.kind == K_DICT)
SIMPLE(none, self.kind == K_NONE)
SIMPLE(number, tpl_is_number(self))
SIMPLE(sequence,
       self.kind == K_UNDEF || (self.kind >= K_STR && self.kind <= K_RANGE))
SIMPLE(string, self.kind == K_STR)
SIMPLE(is_true, self.kind == K_BOOL && self.b)
SIMPLE(undefined, self.kind == K_UNDEF)

static bool
is_case(Tpl *t, Val self, const char *what, Val *out)
{
	if (!tpl_to_str(t, self, &self) || !tpl_work(t, self.s->n))
		return false;
	*out = V_BOOL(tpl_is_class(self.s, what));
	return true;
}

TEST_FN(lower)
{
	(void)a, (void)all;
	return is_case(t, self, "lower", out);
}

TEST_FN(upper)
{
	(void)a, (void)all;
	return is_case(t, self, "upper", out);
}

/* Names of filters and tests, for templates that ask before they use one. */
static bool
is_row(Tpl *t, Val self, const FnRow *table, Val *out)
{
	*out = V_BOOL(false);
	if (self.kind == K_LIST || self.kind == K_DICT)
		return tpl_fail(t, "unhashable type: '%s'", tpl_type(self));
	if (self.kind != K_STR)
		return true;
	buf_clear(t->key);
	buf_add(t->key, self.s->p, self.s->n);
	*out = V_BOOL(tpl_row(table, t->key->p) != NULL);
	return true;
}

TEST_FN(filter)
{
	(void)a, (void)all;
	return is_row(t, self, tpl_filters, out);
}

TEST_FN(test)
{
	(void)a, (void)all;
	return is_row(t, self, tpl_tests, out);
}

/* The same object: what is no container is taken by value. */
TEST_FN(sameas)
{
	bool same = self.kind == a[0].kind;

	(void)all;
	if (same && self.kind < K_LIST && self.kind > K_UNDEF)
		return tpl_equal(t, self, a[0], &same) &&
		       (*out = V_BOOL(same), true);
	*out = V_BOOL(same && self.q == a[0].q);
	return true;
}

/* By way of %, which says what is wrong with other types. */
static bool
remainder_is(Tpl *t, Val self, Val by, int64_t want, Val *out)
{
	bool yes;
	Val r;

	if (!tpl_mod(t, self, by, &r) || !tpl_equal(t, r, V_INT(want), &yes))
		return false;
	*out = V_BOOL(yes);
	return true;
}

TEST_FN(divisibleby)
{
	(void)all;
	return remainder_is(t, self, a[0], 0, out);
}

TEST_FN(even)
{
	(void)a, (void)all;
	return remainder_is(t, self, V_INT(2), 0, out);
}

TEST_FN(odd)
{
	(void)a, (void)all;
	return remainder_is(t, self, V_INT(2), 1, out);
}

static bool
compare(Tpl *t, Op op, Val x, Val y, Val *out)
{
	bool yes;

	if (!tpl_compare(t, op, x, y, &yes))
		return false;
	*out = V_BOOL(yes);
	return true;
}

#define COMPARE(id, op)                                                        \
	TEST_FN(id)                                                            \
	{                                                                      \
		(void)all;                                                     \
		return compare(t, op, self, a[0], out);                        \
	}

COMPARE(eq, OP_EQ)
COMPARE(ne, OP_NE)
COMPARE(lt, OP_LT)
COMPARE(le, OP_LE)
COMPARE(gt, OP_GT)
COMPARE(ge, OP_GE)
COMPARE(in, OP_IN)
