/* SPDX-License-Identifier: BSD-3-Clause
 * chooser.c - the sampler in the graph of a package: what it is asked for
 * each row of a call, and what it chose.
 *
 * What has been said stays with the package, so a call must tell it apart: a
 * call with more tokens than it chooses is a prompt, another one says which
 * tokens were taken since.  With penalties, then, each prompt has to go
 * through a program for prompts to its last token, and a guess, which may be
 * taken back, cannot be asked about. */

#include "gen.h"

enum Param {
	ACCEPTED,
	REPETITION,
	PRESENCE,
	TEMPERATURE,
	TOP_K,
	TOP_P,
	MIN_P,
	RANDOM,
	ALLOWED,
	NEXT,
	NPARAM
};

struct Chooser {
	void *data[NPARAM]; /* ALLOWED: NULL if it takes no mask */
	int64_t most;       /* that it draws from */
};

/* Their names in the graph. */
static const struct {
	const char *name;
	DType type;
} params[NPARAM] = {
	[ACCEPTED] = {"last_accepted_output_tokens", DT_I64},
	[REPETITION] = {"repetition_penalties", DT_F32},
	[PRESENCE] = {"presence_penalties", DT_F32},
	[TEMPERATURE] = {"temperatures", DT_F32},
	[TOP_K] = {"top_ks", DT_I32},
	[TOP_P] = {"top_ps", DT_F32},
	[MIN_P] = {"min_ps", DT_F32},
	[RANDOM] = {"random_numbers", DT_F32},
	[ALLOWED] = {"token_bitmasks", DT_BOOL},
	[NEXT] = {"next_tokens", DT_I64},
};

Chooser *
chooser_open(Arena *a, const Session *s, const Runner *r)
{
	int64_t width[NPARAM] =
		{[ACCEPTED] = r->len, [ALLOWED] = s->vocab, [NEXT] = r->kept};
	Chooser *k = NEW(a, Chooser);

	for (int i = 0; i < NPARAM; i++) {
		IO *io = program_io(r->p, params[i].name);
		int64_t n = i == RANDOM ? -1 : width[i] ? width[i] : 1;

		if (!io && i == ALLOWED)
			continue;
		if (!io || !io->data || io->type != params[i].type ||
		    io->shape.rank != (i == NEXT ? 3 : 2) ||
		    io->shape.dim[0] != r->rows ||
		    (n >= 0 && io->shape.dim[1] != n))
			return NULL;
		if (i == RANDOM)
			k->most = io->shape.dim[1];
		k->data[i] = io->data;
	}
	return k;
}

int64_t
chooser_most(const Chooser *k)
{
	return k->most;
}

bool
chooser_masks(const Chooser *k)
{
	return k->data[ALLOWED] != NULL;
}

static void
set(const Chooser *k, enum Param i, int64_t row, double x)
{
	((float *)k->data[i])[row] = (float)x;
}

void
chooser_fill(const Session *s, const Runner *r, int64_t row, const RowFeed *f)
{
	static const Sampling neutral = {.top_p = 1, .repeat_penalty = 1};
	const Choice *ask = f ? f->choice : NULL;
	const Sampling *how = ask ? ask->how : &neutral;
	const Chooser *k = r->chooser;
	int64_t *taken = (int64_t *)k->data[ACCEPTED] + row * r->len;
	float *u = (float *)k->data[RANDOM] + row * k->most;

	for (int64_t i = 0; i < r->len; i++)
		taken[i] = -1;
	if (f && !f->prompt)
		taken[0] = f->id[0];
	set(k, REPETITION, row, how->repeat_penalty);
	set(k, PRESENCE, row, how->presence_penalty);
	set(k, TEMPERATURE, row, how->temp);
	set(k, TOP_P, row, how->top_p);
	set(k, MIN_P, row, how->min_p);
	((int32_t *)k->data[TOP_K])[row] =
		(int32_t)(how->top_k > 0 ? MIN(how->top_k, k->most) : k->most);
	for (int64_t i = 0; i < k->most; i++)
		u[i] = ask && ask->random ? ask->random[i] : 0.5f;
	for (int64_t i = 0; k->data[ALLOWED] && i < s->vocab; i++)
		((bool *)k->data[ALLOWED])[row * s->vocab + i] =
			!ask || !ask->allowed || ask->allowed[i];
}

bool
chooser_take(Ctx *c, const Session *s, const Runner *r, int64_t at, int64_t n,
             int32_t *id)
{
	const int64_t *next = r->chooser->data[NEXT];

	for (int64_t i = 0; i < n; i++) {
		int64_t x = next[at + i];

		if (x < 0 || x >= s->vocab)
			return fail(c, QE_INPUT,
			            "program '%s' chose token %lld of %lld",
			            r->name, (long long)x, (long long)s->vocab);
		id[i] = (int32_t)x;
	}
	return true;
}

/* ---- of a text ---- */

bool
chooser_goes(const Gen *g)
{
	const Sampling *how = &g->o->sampling;
	bool penalties = how->repeat_penalty != 1 || how->presence_penalty != 0;
	const char *why = NULL;

	if (!g->s->chooser)
		return true;
	if (g->o->logits)
		why = "--logits: it gives none";
	else if (how->frequency_penalty != 0)
		why = "--frequency-penalty: it has no input for it";
	else if (!rules_none(g->rules) && !chooser_masks(g->s->chooser))
		why = "the model's generation settings forbid tokens, which takes a mask (qeff-transform --include-guided-decoding)";
	else if (penalties && !g->s->reads_prompts)
		why = "penalties take a program for prompts (qnn-compile --prompt-len)";
	else if ((g->o->draft || g->o->lookup) && (penalties || how->temp > 0))
		why = "guesses are checked with the likeliest token and no penalty";
	if (how->temp > 0 && how->top_k > g->s->chooser->most)
		say(g->c, 0,
		    "--top-k %lld: the package's sampler draws from %lld",
		    (long long)how->top_k, (long long)g->s->chooser->most);
	return !why || fail(g->c, QE_INPUT,
	                    "the package has a sampler of its own: %s", why);
}

void
chooser_open_row(const Gen *g, Row *r)
{
	const Chooser *k = g->s->chooser;

	if (!k)
		return;
	r->random = NEWV(g->keep, float, k->most);
	r->allowed = NEWV(g->keep, bool, g->s->vocab);
	r->choice.id = NEWV(g->keep, int32_t, g->s->most_kept);
}

const Choice *
chooser_ask(const Gen *g, Row *r)
{
	const Chooser *k = g->s->chooser;

	if (!k)
		return NULL;
	if (g->o->sampling.temp > 0) {
		sampler_random(r->sampler, r->random, k->most);
		r->choice.random = r->random;
	}
	if (rules_none(g->rules))
		return &r->choice;
	memset(r->logits, 0, (size_t)g->s->vocab * sizeof *r->logits);
	row_rules(g, r, r->logits);
	for (int64_t i = 0; i < g->s->vocab; i++)
		r->allowed[i] = r->logits[i] == 0;
	r->choice.allowed = r->allowed;
	return &r->choice;
}
