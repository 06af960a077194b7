/* SPDX-License-Identifier: BSD-3-Clause
 * tok_blob.c - the compiled form: written once, opened in place.
 *
 * What is opened may come from anyone.  check_*() make every offset, count
 * and id safe to follow; what a damaged hash or trie then finds is wrong but
 * harmless.  Patterns are kept as text and compiled here, and the few tables
 * that make encoding fast are derived. */

#include <stdio.h>

#include "tok.h"

static const size_t elem_size[SECTIONS] = {
#define SECTION(name, type) sizeof(type),
#include "sections.def"
};

static const size_t rows[PHASES] = {[PHASE_NORM] = 0
#define NORM(type, parse, run) +1
#include "steps.def"
                                    ,
                                    [PHASE_SPLIT] = 0
#define SPLIT(type, parse, run) +1
#include "steps.def"
                                    ,
                                    [PHASE_POST] = 0
#define POST(type, parse, run) +1
#include "steps.def"
                                    ,
                                    [PHASE_DECODE] = 0
#define DECODE(type, parse, run) +1
#include "steps.def"
};

bool
build_finish(Build *b, Buf *out)
{
	Head h = {.magic = TOK_MAGIC,
	          .version = TOK_VERSION,
	          .order = TOK_ORDER,
	          .meta = b->meta};
	static const char zero[8];
	size_t base = out->n;

	if (b->sec[SEC_TEXT]->n > UINT32_MAX)
		return fail(b->c, QE_INPUT, "vocabulary of %zu bytes",
		            b->sec[SEC_TEXT]->n);
	h.size = sizeof h;
	for (int i = 0; i < SECTIONS; i++) {
		h.sec[i].off = h.size;
		h.sec[i].n = b->sec[i]->n / elem_size[i];
		h.size += (b->sec[i]->n + 7) & ~(size_t)7;
	}
	buf_add(out, &h, sizeof h);
	for (int i = 0; i < SECTIONS; i++) {
		buf_add(out, b->sec[i]->p, b->sec[i]->n);
		buf_add(out, zero, (8 - (out->n - base) % 8) % 8);
	}
	return true;
}

static bool
bad(Ctx *c, const char *what)
{
	return fail(c, QE_INPUT, "compiled tokenizer: bad %s", what);
}

static bool
check_head(Ctx *c, Span blob)
{
	const Head *h = (const Head *)(const void *)blob.p;

	if (blob.n < sizeof *h || ((uintptr_t)blob.p & 7) != 0)
		return bad(c, "size or alignment");
	if (memcmp(h->magic, TOK_MAGIC, sizeof h->magic) != 0)
		return bad(c, "magic");
	if (h->version != TOK_VERSION || h->order != TOK_ORDER)
		return fail(
			c, QE_INPUT,
			"compiled tokenizer: version %u, byte order %08x; this program reads version %d, %08x",
			h->version, h->order, TOK_VERSION, TOK_ORDER);
	if (h->size != blob.n)
		return fail(c, QE_INPUT,
		            "compiled tokenizer: %zu bytes, want %llu", blob.n,
		            (unsigned long long)h->size);
	for (int i = 0; i < SECTIONS; i++)
		if (h->sec[i].off > blob.n || h->sec[i].off % 8 ||
		    h->sec[i].n > (blob.n - h->sec[i].off) / elem_size[i])
			return bad(c, "section");
	return true;
}

static void
bind(Tokenizer *t, Span blob)
{
	t->head = (const Head *)(const void *)blob.p;
	t->meta = &t->head->meta;
	for (int i = 0; i < SECTIONS; i++)
		t->n[i] = (size_t)t->head->sec[i].n;
#define SECTION(name, type)                                                    \
	t->name = (const type *)(const void *)(blob.p +                        \
	                                       t->head->sec[SEC_##name].off);
#include "sections.def"
	t->vocab = (Vocab){t->TEXT, t->ENTRY, t->SLOT, t->n[SEC_SLOT]};
	t->merges = (MergeMap){t->MERGE, t->n[SEC_MERGE]};
}

static bool
ref_ok(const Tokenizer *t, Ref r)
{
	return r.off <= t->n[SEC_TEXT] && r.n <= t->n[SEC_TEXT] - r.off;
}

static bool
id_ok(const Tokenizer *t, int64_t id)
{
	return id >= 0 && (size_t)id < t->n[SEC_TOKEN];
}

static bool
check_words(Ctx *c, const Tokenizer *t)
{
	size_t mask = t->n[SEC_SLOT] - 1, used = 0;

	if (t->n[SEC_TOKEN] > ID_MAX)
		return bad(c, "number of ids");
	for (size_t i = 0; i < t->n[SEC_ENTRY]; i++) {
		const Entry *e = t->ENTRY + i;

		if (!ref_ok(t, (Ref){e->off, e->n}) || e->n > TOKEN_MAX ||
		    !id_ok(t, e->id))
			return bad(c, "vocabulary");
	}
	for (size_t i = 0; i < t->n[SEC_TOKEN]; i++)
		if (!ref_ok(t, (Ref){t->TOKEN[i].off, t->TOKEN[i].n}))
			return bad(c, "token");
	if (t->n[SEC_SLOT] == 0 || (t->n[SEC_SLOT] & mask) != 0)
		return bad(c, "hash");
	for (size_t i = 0; i <= mask; i++) {
		used += t->SLOT[i] != 0;
		if (t->SLOT[i] > t->n[SEC_ENTRY])
			return bad(c, "hash");
	}
	return used <= mask || bad(c, "hash: no free slot");
}

/* A probe ends at a free slot, so there has to be one. */
static bool
check_merges(Ctx *c, const Tokenizer *t)
{
	size_t used = 0, wrong = 0, n = t->n[SEC_MERGE];
	uint32_t limit = (uint32_t)t->n[SEC_TOKEN];

	for (size_t i = 0; i < n; i++) {
		const Merge *m = t->MERGE + i;
		size_t is = m->left != MERGE_FREE;

		used += is;
		wrong += is & (((uint32_t)m->left >= limit) |
		               ((uint32_t)m->right >= limit) |
		               ((uint32_t)m->id >= limit) | (m->rank < 0));
	}
	if (wrong)
		return bad(c, "merge");
	return n == 0 || used < n || bad(c, "merges: no free slot");
}

static bool
root_ok(const Tokenizer *t, uint32_t root)
{
	return root == 0 || root < t->n[SEC_NODE];
}

static bool
check_added(Ctx *c, const Tokenizer *t)
{
	for (size_t i = 0; i < t->n[SEC_ADDED]; i++) {
		const Added *x = t->ADDED + i;

		if (!ref_ok(t, x->text) || !ref_ok(t, x->normal) ||
		    !id_ok(t, x->id))
			return bad(c, "added token");
	}
	for (size_t i = 0; i < t->n[SEC_SLICE]; i++)
		if (t->SLICE[i].id < SLICE_B || t->SLICE[i].id >= ID_MAX ||
		    t->SLICE[i].type > 255)
			return bad(c, "template");
	return true;
}

static bool
check_model(Ctx *c, const Tokenizer *t)
{
	const Meta *m = t->meta;
	int64_t limit = MAX((int64_t)t->n[SEC_TOKEN], (int64_t)t->n[SEC_ADDED]);

	if (m->model >= MODELS || (m->unk != -1 && !id_ok(t, m->unk)) ||
	    !ref_ok(t, m->prefix) || !ref_ok(t, m->suffix) ||
	    m->prefix.n > AFFIX_MAX || m->suffix.n > AFFIX_MAX)
		return bad(c, "model");
	if (!trie_check(t->NODE, t->n[SEC_NODE], limit))
		return bad(c, "trie");
	if (!root_ok(t, m->root_model) || !root_ok(t, m->root_rest) ||
	    !root_ok(t, m->root_raw) || !root_ok(t, m->root_normal))
		return bad(c, "trie");
	if (m->model == MODEL_Unigram &&
	    (t->n[SEC_SCORE] < t->n[SEC_ENTRY] || !m->root_model))
		return bad(c, "scores");
	if (m->model == MODEL_WordPiece && !m->root_model)
		return bad(c, "trie");
	if (m->pad_type > 255 || m->pad_id >= ID_MAX || m->pad_to > PAD_MAX ||
	    m->pad_multiple > PAD_MAX || m->trunc_way > TRUNC_SECOND)
		return bad(c, "padding or truncation");
	return true;
}

/* What the code that runs a step takes for granted. */
static bool
step_ok(enum phase p, const Step *s)
{
	switch (p) {
	case PHASE_NORM:
		return s->kind != NORM_Replace || s->regex || s->a.n;
	case PHASE_SPLIT:
		if (s->kind == SPLIT_Split || s->kind == SPLIT_Whitespace)
			return s->regex || s->a.n;
		return s->b.n || (s->kind != SPLIT_Metaspace &&
		                  s->kind != SPLIT_CharDelimiterSplit);
	case PHASE_POST:
		return s->kind == POST_TemplateProcessing ||
		       (s->num < ID_MAX && s->more < ID_MAX && !s->regex);
	case PHASE_DECODE:
		return s->b.n ||
		       (s->kind != DECODE_Strip && s->kind != DECODE_Metaspace);
	case PHASES:
		break;
	}
	return false;
}

static bool
check_steps(Ctx *c, const Tokenizer *t)
{
	const uint32_t *at = t->meta->phase;

	if (at[0] != 0 || at[PHASES] != t->n[SEC_STEP] ||
	    at[PHASES] > STEPS_MAX)
		return bad(c, "steps");
	for (enum phase p = 0; p < PHASES; p++) {
		if (at[p] > at[p + 1] || at[p + 1] > t->n[SEC_STEP])
			return bad(c, "steps");
		for (size_t i = at[p]; i < at[p + 1]; i++) {
			const Step *s = t->STEP + i;
			size_t n = p == PHASE_POST ? t->n[SEC_SLICE]
			                           : t->n[SEC_TEXT];

			if (s->kind >= rows[p] || s->a.off > n ||
			    s->a.n > n - s->a.off || s->b.off > n ||
			    s->b.n > n - s->b.off || !step_ok(p, s))
				return bad(c, "step");
		}
	}
	return true;
}

static bool
inside(const Tokenizer *t, size_t at)
{
	return at < t->n[SEC_TEXT] &&
	       ((unsigned char)t->TEXT[at] & 0xc0) == 0x80;
}

/* Where all of TEXT is text, a part is text if it is cut between characters;
 * a charsmap among it is none. */
static bool
tokens_are_text(const Tokenizer *t)
{
	Span all = {t->TEXT, t->n[SEC_TEXT]};
	bool whole = utf8_valid(all) == all.n, ok = true;

	for (size_t i = 0; i < t->n[SEC_TOKEN] && ok; i++) {
		size_t off = t->TOKEN[i].off, n = t->TOKEN[i].n;
		Span s = {t->TEXT + off, n};

		ok = n == 0 ||
		     (!inside(t, off) &&
		      (whole ? !inside(t, off + n) : utf8_valid(s) == s.n));
	}
	return ok;
}

/* Strings that text is made of have to be text. */
static bool
check_text(Ctx *c, const Tokenizer *t)
{
	for (size_t i = 0; i < t->n[SEC_STEP]; i++) {
		const Step *s = t->STEP + i;

		if (i >= t->meta->phase[PHASE_POST] &&
		    i < t->meta->phase[PHASE_DECODE])
			continue;
		if (utf8_valid(ref_span(t, s->b)) != s->b.n)
			return bad(c, "text");
		if (i < t->meta->phase[PHASE_SPLIT] &&
		    s->kind == NORM_Precompiled)
			continue;
		if (utf8_valid(ref_span(t, s->a)) != s->a.n)
			return bad(c, "text");
	}
	return tokens_are_text(t) || bad(c, "token text");
}

static bool
open_patterns(Ctx *c, Arena *a, Tokenizer *t)
{
	bool word = false;

	t->regex = NEWV(a, const Regex *, t->n[SEC_STEP] + 1);
	for (size_t i = 0; i < t->n[SEC_STEP]; i++)
		if (t->STEP[i].regex &&
		    !(t->regex[i] =
		              regex_open(c, a, ref_span(t, t->STEP[i].a))))
			return false;
	for (size_t i = 0; i < t->n[SEC_ADDED]; i++)
		word |= t->ADDED[i].flag & ADDED_SINGLE;
	if (word)
		t->word = regex_open(
			c, a,
			SPAN("[\\p{Alphabetic}\\p{L}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}]"));
	return !word || t->word;
}

static void
open_tables(Tokenizer *t)
{
	const uint32_t root[2] = {t->meta->root_raw, t->meta->root_normal};
	char s[8];

	for (int i = 0; i < 256; i++) {
		snprintf(s, sizeof s, "<0x%02X>", (unsigned)i);
		t->byte_id[i] = vocab_find(&t->vocab, SPAN(s));
		for (int k = 0; k < 2; k++)
			t->start[k][i] = root[k] && trie_step(t->NODE, root[k],
			                                      (uint8_t)i);
	}
	for (uint32_t i = 0; i < CHAR_FAST; i++)
		t->char_id[i] =
			vocab_find(&t->vocab, (Span){s, utf8_put(i, s)});
}

Tokenizer *
tokenizer_open(Ctx *c, Arena *a, Span blob)
{
	Tokenizer *t = NEW(a, Tokenizer);

	if (!check_head(c, blob))
		return NULL;
	bind(t, blob);
	if (!check_words(c, t) || !check_merges(c, t) || !check_steps(c, t) ||
	    !check_model(c, t) || !check_added(c, t) || !check_text(c, t) ||
	    !open_patterns(c, a, t))
		return NULL;
	open_tables(t);
	t->runs = runs_open(a);
	return t;
}

int32_t
tokenizer_id(const Tokenizer *t, const char *token)
{
	Span s = SPAN(token);

	for (size_t i = 0; i < t->n[SEC_ADDED]; i++) {
		Span x = ref_span(t, t->ADDED[i].text);

		if (x.n == s.n && memcmp(x.p, s.p, s.n) == 0)
			return t->ADDED[i].id;
	}
	return vocab_find(&t->vocab, s);
}

const char *
tokenizer_token(const Tokenizer *t, Arena *a, int32_t id)
{
	const Token *k = t->TOKEN + id;

	if (!id_ok(t, id) || !(k->flag & TOKEN_KNOWN))
		return NULL;
	if (k->flag & TOKEN_ADDED)
		for (size_t i = t->n[SEC_ADDED]; i > 0; i--)
			if (t->ADDED[i - 1].id == id)
				return arena_span(a,
				                  ref_span(t, t->ADDED[i - 1]
				                                      .text));
	return arena_span(a, (Span){t->TEXT + k->off, k->n});
}

size_t
tokenizer_size(const Tokenizer *t)
{
	return t->n[SEC_TOKEN];
}

bool
tokenizer_is_special(const Tokenizer *t, int32_t id)
{
	return id_ok(t, id) && t->TOKEN[id].flag & TOKEN_SPECIAL;
}
