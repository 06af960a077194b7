/* SPDX-License-Identifier: BSD-3-Clause */
/* template.h - chat templates: the part of Jinja that model repositories use,
 * with the values and the printing of Python.
 *
 * The environment is the one HuggingFace renders with: sandboxed and
 * immutable, trim_blocks and lstrip_blocks on, one newline at the end of the
 * source dropped, loop controls, a pass-through `generation` block.  What is
 * supported is listed in qeff-template(5). */

#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <time.h>

#include "json.h"

/* What one rendering may use; 0: the default. */
typedef struct TemplateLimits {
	int depth;     /* of nested expressions, statements and calls [2000] */
	int64_t steps; /* of evaluation [50 million] */
	size_t output; /* bytes; values together may be 16 times that [16 MiB] */
} TemplateLimits;

/* Renders source onto the end of out; a holds what is needed meanwhile.
 *   vars  a JSON object; each member is a variable (messages, tools, ...)
 *   now   what strftime_now() prints, taken as it is: no zone is applied
 * Fails with QE_INPUT: "line N: why", or the text of raise_exception(). */
bool template_render(Ctx *, Arena *, Span source, const Json *vars,
                     const struct tm *now, const TemplateLimits *, Buf *out);
/* Parses only; names the line and the unknown construct. */
bool template_check(Ctx *, Span source);
/* Whether a tag of the source names the variable; false, too, for a source
 * that is not a template. */
bool template_names(Ctx *, Span source, const char *name);

#endif
