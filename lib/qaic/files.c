/* SPDX-License-Identifier: BSD-3-Clause
 * files.c - specializations.json and custom_io.yaml.
 *
 * Custom IO says which type an input or output has on the card.  Order and
 * text are QEfficient's, so that the same model gives the same file. */

#include "qaic.h"

/* ---- types ---- */

static DType
state_type(const Graph *g)
{
	for (int i = 0; i < g->nout; i++) {
		const Value *in = retained_input(g, g->out[i]);

		if (in)
			return in->type;
	}
	return DT_F32;
}

const char *
card_type(const QaicJob *j)
{
	const Json *m = json_get(j->manifest, "model");
	DType t = dtype_by_name(json_get_str(m, "dtype", ""));

	if (t == DT_NONE)
		t = state_type(j->g);
	return t == DT_BF16 ? "bfloat16" : "float16";
}

bool
kv_type(Ctx *c, const QaicJob *j, const char **out)
{
	static const char *const known[] = {"mxint8", "float16", "bfloat16",
	                                    NULL};

	*out = j->o->kv_cache_dtype ? j->o->kv_cache_dtype : card_type(j);
	if (!str_in(*out, known))
		return fail(
			c, QE_USAGE,
			"--kv-cache-dtype: '%s' is not one of mxint8, float16, bfloat16",
			*out);
	return true;
}

/* ---- custom IO ---- */

static void
add(Arena *a, CustomIO *io, const char *name, const char *type)
{
	for (int i = 0; i < io->n; i++)
		if (strcmp(io->name[i], name) == 0)
			return;
	io->type = arena_grow(a, io->type, (size_t)io->n, &io->captype,
	                      sizeof *io->type);
	io->type[io->n] = type;
	PUSH(a, io->name, io->n, io->cap, name);
}

/* Input and output of a state, which="" both, "i" or "o" one. */
static void
add_state(Arena *a, const Graph *g, CustomIO *io, int out, const char *type,
          const char *which)
{
	const Value *in = retained_input(g, g->out[out]);

	if (*which != 'o')
		add(a, io, in->name, type);
	if (*which != 'i')
		add(a, io, g->out[out]->name, type);
}

/* The output that retains "past_key.3", with or without the infix of a cache
 * prefix; -1: there is none. */
static int
find_state(const Graph *g, const char *stem, int layer)
{
	char want[64];
	size_t n;

	snprintf(want, sizeof want, "%s.%d_", stem, layer);
	n = strlen(want);
	for (int i = 0; i < g->nout; i++)
		if (strncmp(io_base(g->out[i]->name), want, n) == 0 &&
		    retained_input(g, g->out[i]))
			return i;
	return -1;
}

/* The two tensors of each layer's cache, layer by layer. */
static void
add_cache(Arena *a, const Graph *g, CustomIO *io, const char *type,
          const char *which)
{
	for (int i = 0; i < g->nout * STATE_COUNT * 2; i++) {
		int layer = i / (STATE_COUNT * 2), k = i % (STATE_COUNT * 2);
		int at = find_state(g, state_names[k / 2].stem[k % 2], layer);

		if (at >= 0)
			add_state(a, g, io, at, type, which);
	}
}

static bool
is_picture(const char *name)
{
	return strstr(name, "vision_embeds") || strstr(name, "deepstack");
}

/* All retained tensors as the outputs come; pictures as the model is. */
static void
add_states(Arena *a, const QaicJob *j, CustomIO *io, const char *type)
{
	for (int i = 0; i < j->g->nout; i++)
		if (retained_input(j->g, j->g->out[i]))
			add_state(a, j->g, io, i,
			          is_picture(j->g->out[i]->name) ? card_type(j)
			                                         : type,
			          "");
}

static void
add_weights(Arena *a, const Graph *g, CustomIO *io, const char *which)
{
	for (int i = 0; i < g->nout; i++) {
		const Value *in = retained_input(g, g->out[i]);

		if (in && str_ends(in->name, ".weight"))
			add_state(a, g, io, i, "float16", which);
	}
}

static void
add_vision(Arena *a, const QaicJob *j, CustomIO *io, const char *type)
{
	static const char *const in[] = {"image_masks", "pixel_values"};

	for (size_t i = 0; i < LEN(in); i++) {
		const Value *v = model_input(j->g, in[i]);

		if (v)
			add(a, io, v->name, card_type(j));
	}
	for (int i = 0; i < j->g->nout; i++) {
		const char *name = j->g->out[i]->name;

		add(a, io, name,
		    str_starts(name, "past_") ? type : card_type(j));
	}
}

bool
custom_io(Ctx *c, Arena *a, const QaicJob *j, CustomIO *io)
{
	const char *type;

	*io = (CustomIO){0};
	if (!kv_type(c, j, &type))
		return false;
	switch (model_kind(j->g)) {
	case MODEL_CAUSAL:
		if (model_input(j->g, "vision_embeds"))
			add_states(a, j, io, type);
		else
			add_cache(a, j->g, io, type, "");
		break;
	case MODEL_ADAPTER:
		for (const char *const *w =
		             (const char *const[]){"i", "o", NULL};
		     *w; w++) {
			add_cache(a, j->g, io, type, *w);
			add_weights(a, j->g, io, *w);
		}
		break;
	case MODEL_SPEECH:
		add(a, io, model_input(j->g, "input_features")->name, type);
		add_states(a, j, io, type);
		break;
	case MODEL_TEXT2TEXT:
		add_states(a, j, io, type);
		break;
	case MODEL_VISION:
		add_vision(a, j, io, type);
		break;
	default:
		break;
	}
	return true;
}

Span
custom_io_text(Arena *a, const CustomIO *io)
{
	Buf *b = buf_new(a);

	for (int i = 0; i < io->n; i++)
		buf_fmt(b, " - IOName: %s\n   Precision: %s\n\n", io->name[i],
		        io->type[i]);
	return (Span){b->p, b->n};
}

/* The compiler is not given the file where all is bfloat16 anyway. */
bool
card_ignores_io(const QaicJob *j, const CustomIO *io)
{
	if (strcmp(card_type(j), "bfloat16") != 0)
		return false;
	for (int i = 0; i < io->n; i++)
		if (strstr(io->name[i], "past_") &&
		    strcmp(io->type[i], "bfloat16") == 0)
			return true;
	return false;
}

/* ---- specializations ---- */

Json *
specs_json(Arena *a, const Specs *s, bool named)
{
	Json *root = json_new(a), *list = json_object_new_array();

	json_put(root, "specializations", list);
	for (int i = 0; i < s->n; i++) {
		Json *sym = json_object_new_object(), *e = sym;

		for (int b = 0; b < s->spec[i].nbind; b++)
			json_put_str(sym, s->spec[i].bind[b].sym,
			             arena_str(a, "%lld",
			                       (long long)s->spec[i]
			                               .bind[b]
			                               .n));
		if (named) {
			e = json_object_new_object();
			json_put_str(e, "name", s->spec[i].name);
			json_put(e, "symbols", sym);
		}
		json_push(list, e);
	}
	return root;
}
