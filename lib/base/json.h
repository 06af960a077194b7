/* SPDX-License-Identifier: BSD-3-Clause */
/* json.h - JSON in and out: json-c behind a strict gate.
 *
 * json-c alone accepts duplicate keys, raw control characters, NaN and keys
 * cut at \u0000; what comes from outside passes json_parse(), which refuses
 * all of these, bad UTF-8, trailing bytes and deep nesting, and names the
 * line.  Values belong to the arena they were parsed or made in. */

#ifndef JSON_H
#define JSON_H

#include <json-c/json.h>

#include "base.h"

typedef struct json_object Json;

enum { JSON_DEPTH = 64 };

/* The value of a whole text, or NULL with a failure.  `null` is not taken as
 * the whole text. */
Json *json_parse(Ctx *, Arena *, Span text);
/* Reads and parses a file; failures carry its name. */
Json *json_read(Ctx *, Arena *, const char *path, size_t max);

/* Look-ups: an absent key, a null object and a JSON null are all NULL. */
Json *json_get(const Json *, const char *key);
Json *json_at(const Json *, size_t i);
size_t json_len(const Json *); /* of an array or object, else 0 */
bool json_has(const Json *, const char *key); /* true for a JSON null too */
/* The string, or `none` if it is not a string. */
const char *json_str(const Json *, const char *none);
Span json_span(const Json *); /* of a string, NULs included */
int64_t json_int(const Json *, int64_t none);
double json_num(const Json *, double none);
bool json_true(const Json *, bool none);
bool json_is(const Json *, enum json_type);
/* key's value as above, in one step */
#define json_get_str(o, k, none) json_str(json_get((o), (k)), (none))
#define json_get_int(o, k, none) json_int(json_get((o), (k)), (none))
#define json_get_num(o, k, none) json_num(json_get((o), (k)), (none))
#define json_get_bool(o, k, none) json_true(json_get((o), (k)), (none))

/* Makers.  An object or array owns what is put in; the root must be given
 * to the arena once, by json_own(). */
Json *json_own(Arena *, Json *root);
Json *json_new(Arena *);       /* an owned object */
Json *json_new_array(Arena *); /* an owned array */
void json_put(Json *object, const char *key, Json *value);
void json_put_str(Json *object, const char *key, const char *value);
void json_put_int(Json *object, const char *key, int64_t value);
void json_put_num(Json *object, const char *key, double value);
void json_put_bool(Json *object, const char *key, bool value);
void json_push(Json *array, Json *value);
Json *json_copy(Arena *, const Json *); /* deep, owned */
/* A second reference, for putting a value that lives elsewhere. */
Json *json_share(Json *);

/* Text: keys sorted, indent spaces a level (0: one line), numbers as short as
 * they read back the same, "/" not escaped. */
void json_print(Buf *, const Json *, int indent);
/* The same as other programs write it. */
enum JsonStyle {
	JSON_TIGHT = 1 << 0,  /* no blank after ':' and ',' */
	JSON_ROWS = 1 << 1,   /* with an indent: a line for each element */
	JSON_ASCII = 1 << 2,  /* other characters as \uXXXX */
	JSON_AS_PUT = 1 << 3, /* keys in the order in which they came */
};
void json_print_as(Buf *, const Json *, int indent, unsigned how);

#endif
