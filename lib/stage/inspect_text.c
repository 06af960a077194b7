/* SPDX-License-Identifier: BSD-3-Clause
 * inspect_text.c - JSON as text for people.
 *
 *     kind: ONNX model
 *     inputs (name, dtype, shape):
 *       input_ids     int64  [batch_size, seq_len]
 *       position_ids  int64  [batch_size, seq_len]
 *     operators:
 *       Add: 12
 *
 * What comes from a file is shown without control characters. */

#include "inspect.h"

enum { STEP = 2, MAXCOLUMNS = 12, MAXWIDTH = 60 };

static void
plain(Buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			buf_fmt(b, "\\x%02x", (unsigned char)s[i]);
		else
			buf_char(b, s[i]);
}

/* A value on one line. */
static void
inlined(Buf *b, const Json *j)
{
	Span s;

	if (json_is(j, json_type_string)) {
		s = json_span(j);
		plain(b, s.p, s.n);
	} else if (json_is(j, json_type_array)) {
		buf_char(b, '[');
		for (size_t i = 0; i < json_len(j); i++) {
			buf_str(b, i ? ", " : "");
			inlined(b, json_at(j, i));
		}
		buf_char(b, ']');
	} else if (j) {
		json_print(b, j, 0);
	} else {
		buf_char(b, '-');
	}
}

static void
blanks(Buf *b, size_t n)
{
	while (n--)
		buf_char(b, ' ');
}

/* One row of a table; without b, only its widths are taken. */
static void
row(Buf *b, Arena *a, const Json *j, size_t *width, int depth)
{
	Buf *cell = buf_new(a);
	size_t k = 0, pad = (size_t)(depth * STEP);

	if (!json_is(j, json_type_object))
		return;
	json_object_object_foreach((Json *)(uintptr_t)j, name, v)
	{
		(void)name;
		buf_clear(cell);
		inlined(cell, v);
		if (b) {
			blanks(b, pad);
			buf_str(b, cell->p);
		}
		if (k >= MAXCOLUMNS)
			continue;
		if (!b && cell->n <= MAXWIDTH)
			width[k] = MAX(width[k], cell->n);
		pad = 2 + (width[k] > cell->n ? width[k] - cell->n : 0);
		k++;
	}
	if (b)
		buf_char(b, '\n');
}

static void
table(Buf *b, Arena *a, const Json *list, int depth)
{
	size_t width[MAXCOLUMNS] = {0};

	for (size_t i = 0; i < json_len(list); i++)
		row(NULL, a, json_at(list, i), width, depth);
	for (size_t i = 0; i < json_len(list); i++)
		row(b, a, json_at(list, i), width, depth);
}

static void members(Buf *b, Arena *a, const Json *o, int depth);

static bool
is_list_of_objects(const Json *j)
{
	return json_is(j, json_type_array) &&
	       json_is(json_at(j, 0), json_type_object);
}

/* Whether objects of a list are too much for a line each. */
static bool
is_deep(const Json *list)
{
	for (size_t i = 0; i < json_len(list); i++) {
		if (!json_is(json_at(list, i), json_type_object))
			return false;
		json_object_object_foreach(json_at(list, i), name, v)
		{
			(void)name;
			if (is_list_of_objects(v))
				return true;
		}
	}
	return false;
}

/* Each object under its name. */
static void
blocks(Buf *b, Arena *a, const Json *list, int depth)
{
	for (size_t i = 0; i < json_len(list); i++) {
		const char *name = json_get_str(json_at(list, i), "name", "?");

		blanks(b, (size_t)(depth * STEP));
		plain(b, name, strlen(name));
		buf_str(b, ":\n");
		members(b, a, json_at(list, i), depth + 1);
	}
}

/* What the columns of a table are. */
static void
columns(Buf *b, const Json *j)
{
	bool some = false;

	buf_str(b, " (");
	json_object_object_foreach((Json *)(uintptr_t)j, name, v)
	{
		(void)v;
		buf_str(b, some ? ", " : "");
		plain(b, name, strlen(name));
		some = true;
	}
	buf_str(b, "):\n");
}

static void
member(Buf *b, Arena *a, const Json *v, int depth)
{
	if (json_is(v, json_type_object)) {
		buf_str(b, ":\n");
		members(b, a, v, depth + 1);
	} else if (is_deep(v)) {
		buf_str(b, ":\n");
		blocks(b, a, v, depth + 1);
	} else if (is_list_of_objects(v)) {
		columns(b, json_at(v, 0));
		table(b, a, v, depth + 1);
	} else {
		buf_str(b, ": ");
		inlined(b, v);
		buf_char(b, '\n');
	}
}

static void
members(Buf *b, Arena *a, const Json *o, int depth)
{
	json_object_object_foreach((Json *)(uintptr_t)o, name, v)
	{
		blanks(b, (size_t)(depth * STEP));
		plain(b, name, strlen(name));
		member(b, a, v, depth);
	}
}

void
inspect_text(Buf *b, Arena *a, const Json *o)
{
	members(b, a, o, 0);
}
