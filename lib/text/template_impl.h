/* SPDX-License-Identifier: BSD-3-Clause */
/* template_impl.h - what the files of the template engine share: values,
 * syntax tree, one rendering.  Nobody else includes it. */

#ifndef TEMPLATE_IMPL_H
#define TEMPLATE_IMPL_H

#include "template.h"
#include "unicode.h"

/* ---- values: what Python calls objects ---- */

/* kind, Python's name of the type */
#define TPL_KINDS(X)                                                           \
	X(MISSING, "missing") /* no argument, no variable; never seen */       \
	X(UNDEF, "Undefined")                                                  \
	X(NONE, "NoneType")                                                    \
	X(BOOL, "bool")                                                        \
	X(INT, "int")                                                          \
	X(FLOAT, "float")                                                      \
	X(STR, "str")                                                          \
	X(LIST, "list")                                                        \
	X(TUPLE, "tuple")                                                      \
	X(DICT, "dict")                                                        \
	X(RANGE, "range")                                                      \
	X(VIEW, "dict view")                                                   \
	X(ITER, "generator")                                                   \
	X(NS, "Namespace")                                                     \
	X(LOOP, "LoopContext")                                                 \
	X(MACRO, "Macro")                                                      \
	X(FUNC, "function")                                                    \
	X(METHOD, "method")                                                    \
	X(CYCLER, "Cycler")                                                    \
	X(JOINER, "Joiner")

typedef enum Kind {
#define X(k, name) K_##k,
	TPL_KINDS(X)
#undef X
} Kind;

typedef struct Tpl Tpl;
typedef struct Val Val;
typedef struct Node Node;
typedef struct Iter Iter;
typedef struct Scope Scope;
typedef struct FnRow FnRow;

struct Val {
	Kind kind;
	union {
		bool b;
		int64_t i;
		double f;
		const struct Str *s;
		struct Seq *q; /* LIST, TUPLE, CYCLER */
		struct Map *m; /* DICT, NS */
		const struct Undef *u;
		const struct Range *r;
		const struct View *view;
		Iter *it;
		struct Loop *loop;
		const struct Macro *mac;
		const FnRow *fn;
		const struct Method *me;
		struct Joiner *join;
	};
};

/* UTF-8, not terminated.  Positions in Python are code points. */
typedef struct Str {
	const char *p;
	size_t n;          /* bytes */
	size_t len;        /* code points */
	bool safe;         /* went through |safe: `+` escapes what joins it */
	struct Room *room; /* behind p, if appending there is possible */
} Str;

typedef struct Seq {
	Val *v;
	size_t n, cap;
	size_t at;  /* CYCLER: the next */
	bool group; /* made by groupby: .grouper and .list */
} Seq;

/* Keeps the order of insertion, as Python does. */
typedef struct Pair {
	Val key, val;
} Pair;
typedef struct Map {
	Dict *d; /* of Pair, by tpl_key() */
} Map;

/* Why it is undefined: a sentence, or the object and key looked up. */
typedef struct Undef {
	const char *why;
	Val obj, key; /* obj MISSING: key is a variable */
} Undef;

typedef struct Range {
	int64_t start, stop, step, n;
} Range;

typedef struct View {
	enum { KEYS, VALUES, ITEMS } part;
	const Map *m;
} View;

typedef struct Macro {
	const Node *node;
	Scope *scope; /* where it was defined */
} Macro;

typedef struct Method {
	Val self;
	const FnRow *row;
} Method;

typedef struct Joiner {
	Val sep;
	bool used;
} Joiner;

/* One pass over something; see tpl_next(). */
struct Iter {
	bool (*next)(Tpl *, Iter *, Val *); /* false: over, or failed */
	Val src;
	size_t i;      /* position in src */
	Iter *from;    /* what a filter draws from */
	const void *x; /* the filter's own */
};

/* The variable `loop`. */
typedef struct Loop {
	Iter *it;
	int64_t i;     /* index0 */
	int64_t depth; /* of recursion, from 0 */
	int64_t total; /* items, -1 until asked for */
	Val before, current, after, changed;
	const Node *node; /* if it may be called */
	Scope *scope;     /* in which it stands */
} Loop;

#define V_NONE ((Val){.kind = K_NONE})
#define V_MISSING ((Val){.kind = K_MISSING})
#define V_BOOL(x) ((Val){.kind = K_BOOL, .b = (x)})
#define V_INT(x) ((Val){.kind = K_INT, .i = (x)})
#define V_FLOAT(x) ((Val){.kind = K_FLOAT, .f = (x)})

/* ---- functions: filters, tests, methods, globals ---- */

typedef struct Kw {
	const char *name;
	Val v;
} Kw;

typedef struct Args {
	Val *v;
	size_t n;
	Kw *kw;
	size_t nkw;
} Args;

enum { MAX_PARAMS = 8 };

/* a: the arguments by parameter, MISSING if not given; all: as they came. */
typedef bool TplFn(Tpl *, Val self, const Val *a, const Args *all, Val *out);

/* params: names; "x?" may be absent, "/" in front: by position only, "*":
 * any, nothing in a. */
struct FnRow {
	const char *name;
	TplFn *fn;
	const char *params;
	unsigned kinds; /* of self, for methods */
};

extern const FnRow tpl_filters[], tpl_tests[], tpl_methods[], tpl_globals[];
const FnRow *tpl_row(const FnRow *table, const char *name);
/* A method of v by that name. */
const FnRow *tpl_method(Val v, const char *name);
/* kindof: "filter", ... for messages */
bool tpl_apply(Tpl *, const char *kindof, const FnRow *, Val self, const Args *,
               Val *out);
bool tpl_call(Tpl *, Val f, const Args *, Val *out);

/* ---- syntax tree ---- */

/* kind, how it is evaluated or executed */
#define TPL_EXPRS(X)                                                           \
	X(CONST, eval_const)                                                   \
	X(NAME, eval_name)                                                     \
	X(TUPLE, eval_seq)                                                     \
	X(LIST, eval_seq)                                                      \
	X(DICT, eval_dict)                                                     \
	X(COND, eval_cond)                                                     \
	X(OR, eval_logic)                                                      \
	X(AND, eval_logic)                                                     \
	X(NOT, eval_not)                                                       \
	X(COMPARE, eval_compare)                                               \
	X(BINARY, eval_binary)                                                 \
	X(UNARY, eval_unary)                                                   \
	X(ATTR, eval_attr)                                                     \
	X(ITEM, eval_item)                                                     \
	X(SLICE, eval_slice)                                                   \
	X(CALL, eval_call)                                                     \
	X(FILTER, eval_filter)                                                 \
	X(TEST, eval_test)

#define TPL_STMTS(X)                                                           \
	X(DATA, exec_data)                                                     \
	X(OUTPUT, exec_output)                                                 \
	X(IF, exec_if)                                                         \
	X(FOR, exec_for)                                                       \
	X(SET, exec_set)                                                       \
	X(SETBLOCK, exec_setblock)                                             \
	X(MACRODEF, exec_macro)                                                \
	X(CALLBLOCK, exec_callblock)                                           \
	X(FILTERBLOCK, exec_filterblock)                                       \
	X(WITH, exec_with)                                                     \
	X(SCOPE, exec_scope)                                                   \
	X(BREAK, exec_break)                                                   \
	X(CONTINUE, exec_continue)

typedef enum NodeKind {
#define X(k, fn) N_##k,
	TPL_EXPRS(X) N_STMT, /* statements from here on */
	N_BEFORE_STMTS = N_STMT - 1,
	TPL_STMTS(X)
#undef X
} NodeKind;

typedef struct Nodes {
	Node **v;
	size_t n, cap;
	Dict *unset; /* names that begin undefined in this scope, or NULL */
} Nodes;

/* What stands in a, b, c, list and body depends on the kind; the parser says
 * so where it makes one. */
struct Node {
	NodeKind kind;
	int line;
	int op;           /* OP_ of BINARY, UNARY; the flags of others */
	const char *name; /* interned: equal names have equal pointers */
	Val val;
	Node *a, *b, *c;
	Nodes list, body, other;
	const FnRow *row;
};

/* Flags in Node.op */
enum {
	USES_CALLER = 1, /* MACRODEF, CALLBLOCK */
	USES_KWARGS = 2,
	USES_VARARGS = 4,
	RECURSIVE = 1, /* FOR */
	STAR = 1,      /* in a CALL's list: *x or **x */
	STARSTAR = 2,
};

/* spelling, precedence, function; comparisons (0) are tpl_compare()'s */
#define TPL_OPS(X)                                                             \
	X(ADD, "+", 1, tpl_add)                                                \
	X(SUB, "-", 1, tpl_sub)                                                \
	X(TILDE, "~", 2, tpl_concat)                                           \
	X(MUL, "*", 3, tpl_mul)                                                \
	X(DIV, "/", 3, tpl_div)                                                \
	X(FLOORDIV, "//", 3, tpl_floordiv)                                     \
	X(MOD, "%", 3, tpl_mod)                                                \
	X(POW, "**", 4, tpl_pow)                                               \
	X(EQ, "==", 0, NULL)                                                   \
	X(NE, "!=", 0, NULL)                                                   \
	X(LT, "<", 0, NULL)                                                    \
	X(LE, "<=", 0, NULL)                                                   \
	X(GT, ">", 0, NULL)                                                    \
	X(GE, ">=", 0, NULL)                                                   \
	X(IN, "in", 0, NULL)                                                   \
	X(NOTIN, "not in", 0, NULL)

typedef enum Op {
#define X(op, text, prec, fn) OP_##op,
	TPL_OPS(X)
#undef X
} Op;

/* ---- tokens ---- */

typedef enum TokKind {
	T_EOF,
	T_DATA,
	T_VAR,      /* {{ */
	T_VAR_END,  /* }} */
	T_STMT,     /* {% */
	T_STMT_END, /* %} */
	T_NAME,
	T_STRING,
	T_INT,
	T_FLOAT,
	T_OP /* its spelling in text */
} TokKind;

typedef struct Token {
	TokKind kind;
	int line;
	Span text; /* STRING: escapes resolved */
} Token;

/* All tokens of a source, T_EOF last; NULL with a failure. */
Token *tpl_lex(Ctx *, Arena *, Span source);

typedef struct Program {
	Nodes body;
	const char *loop, *caller, *kwargs, *varargs; /* as interned */
} Program;

/* A scope being parsed, and the names that stood in it so far. */
typedef struct Names {
	struct Names *up;
	Dict *seen;
	Nodes *of;
	int ifs; /* around the current statement */
} Names;

typedef struct Parser {
	Ctx *c;
	Arena *mem;
	const Token *t; /* the current one */
	Dict *names;    /* interned */
	Names *scope;
	bool target; /* names are to be assigned to */
	Program *prog;
	int depth;
	int loops;           /* around the current statement */
	bool soft;           /* in a branch that may not be taken */
	const Node *unknown; /* the first unknown filter or test outside */
	unsigned uses;       /* USES_: special names read in this macro */
	unsigned sets;       /* or assigned before */
} Parser;

bool tpl_parse(Ctx *, Arena *, Span source, Program *);
/* template_parse.c and template_expr.c: pieces of the parser.  NULL or false
 * is a failure. */
Node *tpl_node(Parser *, NodeKind);
/* A name stands here, to be read or to be assigned to. */
void tpl_mention(Parser *, const char *name, bool store);
const char *tpl_intern(Parser *, Span name);
void tpl_bad(Parser *, const char *fmt, ...) PRINTF(2, 3);
bool tpl_at(const Parser *, const char *op);      /* an operator */
bool tpl_at_name(const Parser *, const char *id); /* a name */
bool tpl_skip(Parser *, const char *op);
bool tpl_skip_name(Parser *, const char *id);
bool tpl_expect(Parser *, const char *op);
Node *tpl_expr(Parser *, bool cond);
/* One expression, or several with commas: a TUPLE.  stop: a name that ends
 * it.  simple: primaries only. */
Node *tpl_tuple(Parser *, bool simple, bool cond, bool parens,
                const char *stop);
Node *tpl_target(Parser *, const char *stop);
Node *tpl_filter_chain(Parser *, Node *of, bool first);
Node *tpl_primary(Parser *);

/* ---- one rendering ---- */

typedef struct Var {
	const char *name; /* interned */
	Val v;
	struct Var *next;
} Var;

struct Scope {
	Scope *up;
	Var *vars;
};

struct Tpl {
	Ctx *c;
	Arena *mem;
	Buf *out;
	Buf *key; /* scratch of tpl_key() */
	const Program *prog;
	Scope *scope;
	Map *vars;
	const struct tm *now;
	TemplateLimits max;
	size_t room; /* bytes that values may still take */
	int64_t steps;
	int depth, line;
	Val piped; /* the text of the block that a filter chain is for */
	enum { GO, BREAKING, CONTINUING } flow;
};

/* Fails with "line N: "; false. */
bool tpl_fail(Tpl *, const char *fmt, ...) PRINTF(2, 3);
static inline bool
tpl_ok(const Tpl *t)
{
	return t->c->status == QE_OK;
}
/* Counts work on n bytes or items; false when the limit is reached. */
bool tpl_work(Tpl *, size_t n);
/* Memory for values; NULL with a failure when the limit is reached. */
void *tpl_alloc(Tpl *, size_t size);
#define TPL_NEW(t, T) ((T *)tpl_alloc((t), sizeof(T)))
bool tpl_enter(Tpl *); /* one level deeper */
void tpl_leave(Tpl *);

/* template_value.c */
const char *tpl_type(Val);
bool tpl_truth(Val);
bool tpl_is_number(Val); /* bool, int or float */
double tpl_double(Val);
/* An int or bool as an integer. */
bool tpl_as_int(Val, int64_t *);
bool tpl_equal(Tpl *, Val, Val, bool *);
/* <0, 0, >0; fails for what Python does not order. */
bool tpl_order(Tpl *, const char *op, Val, Val, int *);
bool tpl_contains(Tpl *, Val in, Val x, bool *);
/* Undefined: key is not in obj, or no variable if that is MISSING. */
bool tpl_undef(Tpl *, Val obj, Val key, Val *out);
bool tpl_undef_why(Tpl *, const char *why, Val *out);
bool tpl_undef_error(Tpl *, const Undef *);
bool tpl_length(Val, size_t *); /* false: it has none */
bool tpl_from_json(Tpl *, const Json *, Val *);

bool tpl_seq(Tpl *, Kind, Val *out); /* empty */
bool tpl_push(Tpl *, Seq *, Val);
bool tpl_pair(Tpl *, Val, Val, Val *out); /* a tuple of two */
Map *tpl_map(Tpl *);
bool tpl_map_set(Tpl *, Map *, Val key, Val val);
/* found: MISSING if not there; fails if key is not hashable. */
bool tpl_map_get(Tpl *, const Map *, Val key, Val *found);
Val tpl_map_name(const Map *, const char *name);
const Pair *tpl_map_at(const Map *, size_t i); /* NULL past the end */

/* template_str.c */
bool tpl_str(Tpl *, const char *p, size_t n, Val *out); /* copies */
bool tpl_strz(Tpl *, const char *, Val *out);
bool tpl_part(Tpl *, const Str *, const char *p, size_t n, Val *out);
bool tpl_join2(Tpl *, const Str *, const Str *, Val *out);
bool tpl_take(Tpl *, Buf *, Val *out); /* the buffer's bytes */
Buf *tpl_buf(Tpl *);
/* Code point at p and its length. */
static inline uint32_t
tpl_code(const char *p, size_t *len)
{
	uint32_t ch;

	*len = utf8_get(p, &ch);
	return ch;
}
/* Byte position of a code point, at most s->n. */
size_t tpl_offset(const Str *, size_t index);
bool tpl_space(uint32_t);
Span tpl_strip(Span, const Str *chars, bool left, bool right);
/* Position of what in s from byte i on, or s.n + 1; check tpl_ok() after. */
size_t tpl_find(Tpl *, Span s, Span what, size_t i);
bool tpl_room(Tpl *, size_t n); /* may a string of n bytes be made? */
/* The end of the line at p, before its break; *next is behind the break. */
const char *tpl_line_end(const char *p, const char *end, const char **next);
bool tpl_escape(Tpl *, Val, Val *out); /* as HTML; |safe is left alone */
static inline Span
tpl_span(const Str *s)
{
	return (Span){s->p, s->n};
}

/* template_print.c: Python's str() and repr(), onto b or as a value */
bool tpl_print(Tpl *, Buf *, Val);
bool tpl_repr(Tpl *, Buf *, Val);
bool tpl_to_str(Tpl *, Val, Val *out); /* STR; keeps |safe */
void tpl_print_float(Buf *, double);
void tpl_print_quoted(Buf *, Span, bool ascii);

/* template_case.c */
bool tpl_printable(uint32_t);
bool tpl_upper(Tpl *, const Str *, Val *out);
bool tpl_lower(Tpl *, const Str *, Val *out);
bool tpl_casefold(Tpl *, const Str *, Val *out);
bool tpl_swapcase(Tpl *, const Str *, Val *out);
bool tpl_capitalize(Tpl *, const Str *, Val *out);
/* every: each run of letters, as str.title(); else each word as the filter */
bool tpl_title(Tpl *, const Str *, bool every, Val *out);
/* what: "alnum", "alpha", ... as in str.isalnum() */
bool tpl_is_class(const Str *, const char *what);

/* template_iter.c */
bool tpl_iter(Tpl *, Val, Iter **out); /* fails if it cannot be iterated */
bool tpl_can_iter(Val);
bool tpl_next(Tpl *, Iter *, Val *out); /* false: over, or failed */
Iter *tpl_iter_new(Tpl *, bool (*next)(Tpl *, Iter *, Val *), Val src);
bool tpl_list(Tpl *, Val src, Val *out); /* a new LIST of its items */
bool tpl_reversed(Tpl *, Val, Val *out);
/* The whole items of a STR, LIST, TUPLE or RANGE at i < its length. */
bool tpl_at_index(Tpl *, Val, size_t i, Val *out);
bool tpl_slice(Tpl *, Val, Val from, Val to, Val step, Val *out);

/* template_eval.c */
bool tpl_eval(Tpl *, const Node *, Val *out);
bool tpl_get_attr(Tpl *, Val, const char *name, Val *out); /* x.name */
bool tpl_get_item(Tpl *, Val, Val key, Val *out);          /* x[key] */
bool tpl_args(Tpl *, const Nodes *, Args *);
Val *tpl_lookup(Tpl *, Scope *, const char *name); /* NULL: none */
bool tpl_set_var(Tpl *, Scope *, const char *name, Val);
Scope *tpl_scope(Tpl *, Scope *up);

/* template_op.c: operators */
typedef bool TplOp(Tpl *, Val, Val, Val *out);
TplOp tpl_add, tpl_sub, tpl_concat, tpl_mul, tpl_div, tpl_floordiv, tpl_mod,
	tpl_pow;
bool tpl_binary(Tpl *, Op, Val, Val, Val *out);
bool tpl_compare(Tpl *, Op, Val, Val, bool *);
bool tpl_neg(Tpl *, Val, Val *out);
const char *tpl_op_text(Op);

/* template_run.c */
bool tpl_run_macro(Tpl *, const Macro *, const Args *, Val *out);
bool tpl_run_loop(Tpl *, const Node *, Scope *, Val over, int64_t depth);
bool tpl_capture(Tpl *, const Nodes *, Scope *, Val *out);

/* template_format.c: "..." % x and "...".format(...) */
bool tpl_percent(Tpl *, const Str *, Val args, Val *out);
bool tpl_str_format(Tpl *, const Str *, const Args *, Val *out);

/* template_json.c */
bool tpl_json(Tpl *, Buf *, Val, const Val *opts);

/* The functions behind the rows of template.def. */
#define FILTER(name, id, params) TplFn tpl_f_##id;
#define TEST(name, id, params) TplFn tpl_t_##id;
#define METHOD(kinds, name, id, params) TplFn tpl_m_##id;
#define GLOBAL(name, id, params) TplFn tpl_g_##id;
#include "template.def"

#endif
