/* SPDX-License-Identifier: BSD-3-Clause
 * expr.h - configuration expressions: "=$hidden_size/$num_attention_heads".
 *
 *   numbers 'text' true false null; $key, $a.b: the configuration, absent is
 *   null; bare names: the file's `let`, and i (layer), type (this layer's),
 *   x[n]; and  f(x, ...).  From loose to tight:
 *   or  and  == != < <= > >=  ??  + -  * / %  unary -  ^
 * Arithmetic with null is null.  `let` is evaluated where it is used, with
 * the i and type of that place. */

#ifndef EXPR_H
#define EXPR_H

#include "base.h"
#include "json.h"

typedef struct Val {
	enum ValKind { V_NULL, V_BOOL, V_NUM, V_STR, V_JSON } kind;
	double num; /* V_BOOL: 0 or 1 */
	const char *str;
	const Json *json; /* array or object */
} Val;

typedef struct Env {
	const Json *config;
	const Json *let;   /* expressions by name */
	const Json *types; /* of all layers; or NULL */
	int64_t i;         /* layer; -1: none, and null */
	int64_t *steps;    /* work left */
} Env;

enum { EXPR_STEPS = 1 << 20 };

/* Evaluates text, which has no '=' in front; strings and lists of the result
 * belong to the arena or the environment. */
bool expr_eval(Ctx *, Arena *, const Env *, const char *text, Val *out);
/* A value of an architecture file: an expression if it is a string that
 * begins with '=', else what it says. */
bool expr_json(Ctx *, Arena *, const Env *, const Json *, Val *out);
bool val_true(const Val *);
/* As JSON; whole numbers become integers. */
Json *val_json(Arena *, const Val *);
Val val_of(const Json *);
/* Adds the $keys of an expression to the set: for $a.b "a.b" with a value,
 * and "a" without one unless it is read by itself. */
void expr_keys(Arena *, const char *text, Dict *set);

#endif
