/* SPDX-License-Identifier: BSD-3-Clause
 * template_expr.c - expressions: tokens to syntax tree.
 *
 * From loose to tight: if-else, or, and, not, comparisons, the binary
 * operators by the precedence in TPL_OPS (all of them, ** too, group to the
 * left), signs, postfixes, filters and tests.  A sign takes the postfixes
 * behind its operand, but filters apply to the signed value. */

#include <errno.h>
#include <stdlib.h>

#include "template_impl.h"

enum {
	NESTING = 600, /* of expressions; a bracket counts three times */
	MAX_ARGS = 500,
};

static Node *expr_call(Parser *, Node *of);

/* Each caller counts down again whether or not this fails: after a failure
 * nothing is parsed. */
static bool
deeper(Parser *p)
{
	if (++p->depth > NESTING)
		tpl_bad(p, "nested too deeply");
	return p->c->status == QE_OK;
}

/* A node over one or two others; NULL if one of them is. */
static Node *
join(Parser *p, NodeKind kind, int op, Node *a, Node *b)
{
	Node *n;

	if (!a || !b)
		return NULL;
	n = tpl_node(p, kind);
	n->op = op;
	n->a = a;
	n->b = b;
	n->line = a->line;
	return n;
}

static Node *
constant(Parser *p, Val v)
{
	Node *n = tpl_node(p, N_CONST);

	n->val = v;
	return n;
}

/* Strings side by side are one. */
static Node *
string(Parser *p)
{
	Buf *b = buf_new(p->mem);
	Str *s = NEW(p->mem, Str);
	size_t len;

	for (; p->t->kind == T_STRING; p->t++)
		buf_add(b, p->t->text.p, p->t->text.n);
	*s = (Str){.p = b->p, .n = b->n};
	for (size_t i = 0; i < s->n; i += len, s->len++)
		tpl_code(s->p + i, &len);
	return constant(p, (Val){.kind = K_STR, .s = s});
}

/* Underscores inside are decoration. */
static Node *
number(Parser *p)
{
	Span s = p->t->text;
	char *text = arena_alloc(p->mem, s.n + 1), *end;
	size_t n = 0;
	int64_t i;
	int base = 10;

	for (size_t k = 0; k < s.n; k++)
		if (s.p[k] != '_')
			text[n++] = s.p[k];
	if (p->t->kind == T_FLOAT) {
		p->t++;
		return constant(p, V_FLOAT(strtod(text, NULL)));
	}
	if (n > 2 && text[0] == '0' && strchr("xXoObB", text[1])) {
		base = strchr("xX", text[1])   ? 16
		       : strchr("oO", text[1]) ? 8
		                               : 2;
		text += 2;
	}
	errno = 0;
	i = strtoll(text, &end, base);
	if (errno || *end)
		return tpl_bad(p, "integer '%.20s' is too large", text), NULL;
	p->t++;
	return constant(p, V_INT(i));
}

/* The words that are constants, in both spellings; any other is a variable. */
static Node *
name(Parser *p)
{
	const struct {
		const char *name;
		Val v;
	} words[] = {
		{"true", V_BOOL(true)},   {"True", V_BOOL(true)},
		{"false", V_BOOL(false)}, {"False", V_BOOL(false)},
		{"none", V_NONE},         {"None", V_NONE},
	};
	const struct {
		const char *name;
		unsigned flag;
	} special[] = {
		{p->prog->caller, USES_CALLER},
		{p->prog->kwargs, USES_KWARGS},
		{p->prog->varargs, USES_VARARGS},
	};
	Node *n;

	for (size_t i = 0; i < LEN(words); i++)
		if (tpl_at_name(p, words[i].name)) {
			n = constant(p, words[i].v);
			p->t++;
			return n;
		}
	n = tpl_node(p, N_NAME);
	n->name = tpl_intern(p, p->t->text);
	for (size_t i = 0; i < LEN(special); i++)
		if (n->name == special[i].name && !(p->sets & special[i].flag))
			p->uses |= special[i].flag;
	if (!p->target)
		tpl_mention(p, n->name, false);
	p->t++;
	return n;
}

/* [a, b,] or {a: b,}: keys and values alternate in list */
static Node *
display(Parser *p, const char *close, bool dict)
{
	Node *n = tpl_node(p, dict ? N_DICT : N_LIST), *x;

	p->t++;
	while (!tpl_at(p, close)) {
		if (n->list.n && !tpl_expect(p, ","))
			return NULL;
		if (tpl_at(p, close))
			break;
		if (!(x = tpl_expr(p, true)))
			return NULL;
		PUSH(p->mem, n->list.v, n->list.n, n->list.cap, x);
		if (!dict)
			continue;
		if (!tpl_expect(p, ":") || !(x = tpl_expr(p, true)))
			return NULL;
		PUSH(p->mem, n->list.v, n->list.n, n->list.cap, x);
	}
	p->t++;
	return n;
}

/* A value without operators: name, literal, or something in brackets. */
static Node *
primary(Parser *p)
{
	Node *n;

	switch (p->t->kind) {
	case T_NAME:
		return name(p);
	case T_STRING:
		return string(p);
	case T_INT:
	case T_FLOAT:
		return number(p);
	default:
		break;
	}
	if (tpl_at(p, "["))
		return display(p, "]", false);
	if (tpl_at(p, "{"))
		return display(p, "}", true);
	if (tpl_skip(p, "(")) {
		n = tpl_tuple(p, false, true, true, NULL);
		return n && tpl_expect(p, ")") ? n : NULL;
	}
	return tpl_bad(p, "expected an expression"), NULL;
}

/* Brackets come back here, so here is where nesting is counted. */
Node *
tpl_primary(Parser *p)
{
	Node *n = deeper(p) ? primary(p) : NULL;

	p->depth--;
	return n;
}

/* One of the up to three parts of a[x:y:z], or NULL in *out if left out. */
static bool
slice_part(Parser *p, Node **out)
{
	*out = NULL;
	if (tpl_at(p, ":") || tpl_at(p, "]") || tpl_at(p, ","))
		return true;
	return (*out = tpl_expr(p, true)) != NULL;
}

/* SLICE: of a; list: start, stop, step, each of which may be NULL */
static Node *
slice(Parser *p, Node *of, Node *from)
{
	Node *n = tpl_node(p, N_SLICE), *to, *step = NULL;

	p->t++;
	if (!slice_part(p, &to))
		return NULL;
	if (tpl_skip(p, ":") && !slice_part(p, &step))
		return NULL;
	n->a = of;
	PUSH(p->mem, n->list.v, n->list.n, n->list.cap, from);
	PUSH(p->mem, n->list.v, n->list.n, n->list.cap, to);
	PUSH(p->mem, n->list.v, n->list.n, n->list.cap, step);
	return n;
}

/* a[...] */
static Node *
subscript(Parser *p, Node *of)
{
	Node *key, *all;

	p->t++;
	if (!slice_part(p, &key))
		return NULL;
	if (tpl_at(p, ":")) {
		key = slice(p, of, key);
		return key && tpl_expect(p, "]") ? key : NULL;
	}
	if (!key)
		return tpl_bad(p, "expected an expression"), NULL;
	if (tpl_at(p, ",")) {
		all = tpl_node(p, N_TUPLE);
		PUSH(p->mem, all->list.v, all->list.n, all->list.cap, key);
		while (tpl_skip(p, ",")) {
			if (!(key = tpl_expr(p, true)))
				return NULL;
			PUSH(p->mem, all->list.v, all->list.n, all->list.cap,
			     key);
		}
		key = all;
	}
	return tpl_expect(p, "]") ? join(p, N_ITEM, 0, of, key) : NULL;
}

/* ATTR: a.name */
static Node *
attribute(Parser *p, Node *of)
{
	Node *n, *key;

	p->t++;
	if (p->t->kind == T_INT)
		return (key = number(p)) ? join(p, N_ITEM, 0, of, key) : NULL;
	if (p->t->kind != T_NAME)
		return tpl_bad(p, "expected a name or number"), NULL;
	n = tpl_node(p, N_ATTR);
	n->a = of;
	n->name = tpl_intern(p, p->t->text);
	p->t++;
	return n;
}

/* .name [key] (arguments), as many as there are. */
static Node *
postfix(Parser *p, Node *n)
{
	while (n) {
		if (tpl_at(p, "."))
			n = attribute(p, n);
		else if (tpl_at(p, "["))
			n = subscript(p, n);
		else if (tpl_at(p, "("))
			n = expr_call(p, n);
		else
			break;
	}
	return n;
}

/* One argument: by place, name=, *list or **dict, in this order. */
static bool
argument(Parser *p, Node *call)
{
	const char *kw = NULL;
	int star = tpl_skip(p, "**") ? STARSTAR : tpl_skip(p, "*") ? STAR : 0;
	Node *x;

	if (!star && p->t->kind == T_NAME && p->t[1].kind == T_OP &&
	    p->t[1].text.n == 1 && *p->t[1].text.p == '=') {
		kw = tpl_intern(p, p->t->text);
		p->t += 2;
	}
	for (size_t i = 0; i < call->list.n; i++) {
		const Node *old = call->list.v[i];

		if (old->op == STARSTAR || (!kw && !star && old->name) ||
		    (old->op == STAR && !kw && star != STARSTAR) ||
		    (kw && old->name == kw))
			return tpl_bad(p, "bad order of arguments"), false;
	}
	if (call->list.n == MAX_ARGS)
		return tpl_bad(p, "more than %d arguments", MAX_ARGS), false;
	if (!(x = tpl_expr(p, true)))
		return false;
	/* A wrapper, as the expression has a name and op of its own. */
	x = join(p, N_CONST, star, x, x);
	x->name = kw;
	PUSH(p->mem, call->list.v, call->list.n, call->list.cap, x);
	return true;
}

/* (a, b=c, *d, **e): each in list is a wrapper with the value in a, a
 * keyword in name, STAR or STARSTAR in op */
static bool
arguments(Parser *p, Node *call)
{
	if (!tpl_expect(p, "("))
		return false;
	while (!tpl_at(p, ")")) {
		if (call->list.n && !tpl_expect(p, ","))
			return false;
		if (tpl_at(p, ")"))
			break;
		if (!argument(p, call))
			return false;
	}
	p->t++;
	return true;
}

/* CALL: a(list) */
static Node *
expr_call(Parser *p, Node *of)
{
	Node *n = tpl_node(p, N_CALL);

	n->a = of;
	return arguments(p, n) ? n : NULL;
}

/* The row of a filter or test.  An unknown one is an error of the template,
 * but in a branch that may not be taken only when it is run. */
static bool
look_up(Parser *p, Node *n, const FnRow *table, const char *what)
{
	Buf *b = buf_new(p->mem);

	do {
		if (p->t->kind != T_NAME)
			return tpl_bad(p, "expected the name of a %s", what),
			       false;
		if (b->n)
			buf_char(b, '.');
		buf_add(b, p->t->text.p, p->t->text.n);
		p->t++;
	} while (tpl_skip(p, "."));
	n->name = b->p;
	n->row = tpl_row(table, n->name);
	if (!n->row && !p->soft && !p->unknown)
		p->unknown = n;
	return true;
}

/* FILTER: a | name(list); a is NULL for the text of a block.  first: the
 * chain begins without a bar. */
Node *
tpl_filter_chain(Parser *p, Node *of, bool first)
{
	Node *n;

	while (first || tpl_skip(p, "|")) {
		first = false;
		n = tpl_node(p, N_FILTER);
		n->a = of;
		if (!look_up(p, n, tpl_filters, "filter"))
			return NULL;
		if (tpl_at(p, "(") && !arguments(p, n))
			return NULL;
		of = n;
	}
	return of;
}

/* A test's argument may stand without parentheses. */
static bool
bare_argument(Parser *p, Node *test)
{
	bool begins = p->t->kind == T_NAME || p->t->kind == T_STRING ||
	              p->t->kind == T_INT || p->t->kind == T_FLOAT ||
	              tpl_at(p, "[") || tpl_at(p, "{");
	Node *x;

	if (!begins || tpl_at_name(p, "else") || tpl_at_name(p, "or") ||
	    tpl_at_name(p, "and"))
		return true;
	if (tpl_at_name(p, "is"))
		return tpl_bad(p, "tests cannot be chained"), false;
	if (!(x = postfix(p, tpl_primary(p))))
		return false;
	x = join(p, N_CONST, 0, x, x);
	PUSH(p->mem, test->list.v, test->list.n, test->list.cap, x);
	return true;
}

/* TEST: a is name(list) */
static Node *
test(Parser *p, Node *of)
{
	Node *n = tpl_node(p, N_TEST);
	bool negated;

	p->t++;
	negated = tpl_skip_name(p, "not");
	n->a = of;
	if (!look_up(p, n, tpl_tests, "test"))
		return NULL;
	if (!(tpl_at(p, "(") ? arguments(p, n) : bare_argument(p, n)))
		return NULL;
	return negated ? join(p, N_NOT, 0, n, n) : n;
}

/* A call may follow a filter or test: x|attr("f")() calls what attr gave. */
static Node *
filters(Parser *p, Node *n)
{
	while (n) {
		if (tpl_at(p, "|"))
			n = tpl_filter_chain(p, n, false);
		else if (tpl_at_name(p, "is"))
			n = test(p, n);
		else if (tpl_at(p, "("))
			n = expr_call(p, n);
		else
			break;
	}
	return n;
}

/* -x|abs is (-x)|abs, but -x.y is -(x.y). */
static Node *
unary(Parser *p, bool with_filters)
{
	bool minus = tpl_at(p, "-");
	Node *n = NULL;

	if (!deeper(p)) {
		;
	} else if (minus || tpl_at(p, "+")) {
		p->t++;
		n = unary(p, false);
		n = join(p, N_UNARY, minus ? OP_SUB : OP_ADD, n, n);
	} else {
		n = tpl_primary(p);
	}
	n = postfix(p, n);
	p->depth--;
	return with_filters ? filters(p, n) : n;
}

/* The binary operator at hand, or -1. */
static int
binary_op(const Parser *p, int *prec)
{
	static const struct {
		const char *text;
		int prec;
	} ops[] = {
#define X(op, text, prec, fn) {text, prec},
		TPL_OPS(X)
#undef X
	};

	for (size_t i = 0; i < LEN(ops); i++)
		if (ops[i].prec && tpl_at(p, ops[i].text)) {
			*prec = ops[i].prec;
			return (int)i;
		}
	return -1;
}

/* BINARY: a op b */
static Node *
binary(Parser *p, int least)
{
	Node *n = unary(p, true);
	int op, prec;

	while (n && (op = binary_op(p, &prec)) >= 0 && prec >= least) {
		p->t++;
		n = join(p, N_BINARY, op, n, binary(p, prec + 1));
	}
	return n;
}

/* `not in` is two words. */
static int
compare_op(Parser *p)
{
	for (int op = OP_EQ; op <= OP_GE; op++)
		if (tpl_skip(p, tpl_op_text((Op)op)))
			return op;
	if (tpl_skip_name(p, "in"))
		return OP_IN;
	if (tpl_at_name(p, "not") && p->t[1].kind == T_NAME &&
	    p->t[1].text.n == 2 && memcmp(p->t[1].text.p, "in", 2) == 0) {
		p->t += 2;
		return OP_NOTIN;
	}
	return -1;
}

/* COMPARE: a, then for each in list its op and its value in a */
static Node *
compare(Parser *p)
{
	Node *n = binary(p, 1), *chain = NULL, *x;
	int op;

	while (n && (op = compare_op(p)) >= 0) {
		if (!chain) {
			chain = tpl_node(p, N_COMPARE);
			chain->a = n;
		}
		x = binary(p, 1);
		if (!(x = join(p, N_CONST, op, x, x)))
			return NULL;
		PUSH(p->mem, chain->list.v, chain->list.n, chain->list.cap, x);
	}
	return chain ? chain : n;
}

/* not binds looser than comparisons: not a == b is not (a == b). */
static Node *
negation(Parser *p)
{
	Node *n;

	if (!tpl_skip_name(p, "not"))
		return compare(p);
	n = deeper(p) ? negation(p) : NULL;
	p->depth--;
	return join(p, N_NOT, 0, n, n);
}

/* AND, OR: a, b */
static Node *
conjunction(Parser *p)
{
	Node *n = negation(p);

	while (n && tpl_skip_name(p, "and"))
		n = join(p, N_AND, 0, n, negation(p));
	return n;
}

static Node *
disjunction(Parser *p)
{
	Node *n = conjunction(p);

	while (n && tpl_skip_name(p, "or"))
		n = join(p, N_OR, 0, n, conjunction(p));
	return n;
}

/* COND: a if b else c; c may be NULL.  Only one of a and c is evaluated, so
 * unknown filters in it wait until they are run. */
static Node *
conditional(Parser *p)
{
	const Node *unknown = p->unknown;
	Node *n = disjunction(p);

	while (n && tpl_skip_name(p, "if")) {
		n = join(p, N_COND, 0, n, disjunction(p));
		if (n && tpl_skip_name(p, "else") &&
		    !(n->c = tpl_expr(p, true)))
			n = NULL;
		p->unknown = unknown;
	}
	return n;
}

Node *
tpl_expr(Parser *p, bool cond)
{
	Node *n = NULL;

	if (deeper(p))
		n = cond ? conditional(p) : disjunction(p);
	p->depth--;
	return n;
}

/* A tuple may end with a comma, so its end must be known by sight. */
static bool
ends(const Parser *p, const char *stop)
{
	return p->t->kind == T_VAR_END || p->t->kind == T_STMT_END ||
	       tpl_at(p, ")") || (stop && tpl_at_name(p, stop));
}

/* TUPLE, LIST: list */
Node *
tpl_tuple(Parser *p, bool simple, bool cond, bool parens, const char *stop)
{
	Node *n = tpl_node(p, N_TUPLE), *x;
	bool comma = false;

	while (!ends(p, stop)) {
		if (!(x = simple ? tpl_primary(p) : tpl_expr(p, cond)))
			return NULL;
		PUSH(p->mem, n->list.v, n->list.n, n->list.cap, x);
		if (!tpl_skip(p, ","))
			break;
		comma = true;
	}
	if (comma || (parens && !n->list.n))
		return n;
	if (!n->list.n)
		return tpl_bad(p, "expected an expression"), NULL;
	return n->list.v[0];
}
