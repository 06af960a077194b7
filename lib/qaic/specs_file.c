/* SPDX-License-Identifier: BSD-3-Clause
 * specs_file.c - a list of sizes from a file, in either dialect: entries with
 * a name and symbols, or symbols alone. */

#include "contract.h"
#include "json.h"

enum { MAXFILE = 1 << 20 };

void
spec_put(Spec *s, const char *sym, int64_t n)
{
	for (int i = 0; i < s->nbind; i++)
		if (strcmp(s->bind[i].sym, sym) == 0) {
			s->bind[i].n = n;
			return;
		}
	s->bind[s->nbind++] = (Binding){sym, n};
}

Spec *
spec_begin(Arena *a, Specs *to, const char *name)
{
	Spec s = {.name = name, .bind = NEWV(a, Binding, MAXSYM)};

	PUSH(a, to->spec, to->n, to->cap, s);
	return &to->spec[to->n - 1];
}

static bool
read_symbols(Ctx *c, Arena *a, Spec *s, const Json *o)
{
	json_object_object_foreach((Json *)(uintptr_t)o, sym, v)
	{
		int64_t n = json_int(v, 0);

		if (json_is(v, json_type_string) &&
		    !str_int(json_str(v, ""), &n))
			n = 0;
		if (n < 1 || s->nbind == MAXSYM)
			return fail(c, QE_INPUT, "'%s': no size", sym);
		spec_put(s, arena_dup(a, sym), n);
	}
	return true;
}

/* What the compiler's users call a list without names. */
static const char *
infer_name(Arena *a, const Json *o, int i)
{
	const Json *len = json_get(o, "seq_len");

	if (len)
		return json_int(len, 0) == 1 ||
		                       strcmp(json_str(len, ""), "1") == 0
		               ? "Decode"
		               : "Prefill";
	if (json_get(o, "encoder_ctx_len"))
		return "Encoder";
	if (json_get(o, "sequence_length"))
		return "Embedding";
	return arena_str(a, "Graph_%d", i);
}

bool
specs_read(Ctx *c, Arena *a, const char *path, Specs *out)
{
	const Json *all = json_read(c, a, path, MAXFILE);
	const Json *list = json_get(all, "specializations");

	if (!all)
		return false;
	if (!json_len(list) || json_len(list) > MAXSPEC)
		return fail(c, QE_INPUT,
		            "%s: no list 'specializations' of 1 to %d entries",
		            path, MAXSPEC);
	for (size_t i = 0; i < json_len(list); i++) {
		const Json *e = json_at(list, i), *sym = json_get(e, "symbols");
		const char *name = json_get_str(e, "name", NULL);
		Spec *s;

		if (!json_is(sym ? sym : e, json_type_object))
			return fail(c, QE_INPUT, "%s: entry %zu: no object",
			            path, i);
		s = spec_begin(a, out,
		               sym && name
		                       ? name
		                       : infer_name(a, sym ? sym : e, (int)i));
		if (!read_symbols(c, a, s, sym ? sym : e))
			return note(c, "%s: entry %zu", path, i);
	}
	return true;
}
