/* SPDX-License-Identifier: BSD-3-Clause
 * tok_added.c - added tokens at compile time.
 *
 * As in the reference library the id in the file is not used: a token that
 * the vocabulary has keeps its id there, others get the next free ones in
 * order.  What a normalized token is searched for, and decodes to, is its
 * normalized form. */

#include "tok.h"

static const struct {
	const char *key;
	uint32_t flag;
} flags[] = {
	{"single_word", ADDED_SINGLE}, {"lstrip", ADDED_LSTRIP},
	{"rstrip", ADDED_RSTRIP},      {"normalized", ADDED_NORMAL},
	{"special", ADDED_SPECIAL},
};

/* The list while it grows; names refer to the JSON. */
typedef struct Fresh {
	Span text, normal;
	int32_t id;
	uint32_t flag;
} Fresh;

static size_t
same(const Fresh *x, size_t n, Span text)
{
	size_t i = 0;

	while (i < n && (x[i].text.n != text.n ||
	                 memcmp(x[i].text.p, text.p, text.n) != 0))
		i++;
	return i;
}

/* Distinct strings of the vocabulary. */
static int32_t
vocab_size(const Build *b)
{
	const uint32_t *slot = (const uint32_t *)(void *)b->sec[SEC_SLOT]->p;
	int32_t n = 0;

	if (b->meta.model == MODEL_Unigram)
		return (int32_t)build_count(b, SEC_SCORE);
	for (size_t i = 0; i < build_count(b, SEC_SLOT); i++)
		n += slot[i] != 0;
	return n;
}

static bool
read_one(Build *b, const Json *o, Fresh *x)
{
	const Json *text = json_get(o, "content");

	if (!json_is(text, json_type_string))
		return fail(b->c, QE_INPUT, "added token without content");
	x->text = x->normal = json_span(text);
	if (x->text.n > ADDED_MAX)
		return fail(b->c, QE_INPUT,
		            "added token of %zu bytes, limit %d", x->text.n,
		            ADDED_MAX);
	for (size_t i = 0; i < LEN(flags); i++)
		if (json_get_bool(o, flags[i].key, false))
			x->flag |= flags[i].flag;
	return true;
}

/* Gives ids; an equal name again replaces the one before. */
static bool
read_list(Build *b, const Json *list, Fresh *x, size_t *count)
{
	Vocab v = build_vocab(b);
	int32_t next = vocab_size(b);
	size_t n = 0;

	for (size_t i = 0; i < json_len(list); i++) {
		Fresh one = {0};
		size_t at;

		if (!read_one(b, json_at(list, i), &one))
			return false;
		if (one.text.n == 0)
			continue;
		at = same(x, n, one.text);
		one.id = at < n ? x[at].id : vocab_find(&v, one.text);
		if (one.id < 0)
			one.id = next++;
		if (one.id >= ID_MAX)
			return fail(b->c, QE_INPUT, "added token id %d",
			            one.id);
		x[at] = one;
		n += at == n;
	}
	*count = n;
	return true;
}

static bool
normalize_one(Run *r, Fresh *x)
{
	Text *text = &r->norm;

	text->s = x->text;
	text->first = true;
	if (!normalize(r, text))
		return note(r->c, "added token '%.*s'", (int)x->text.n,
		            x->text.p);
	if (text->s.n > TOKEN_MAX)
		return fail(r->c, QE_INPUT, "added token of %zu bytes",
		            text->s.n);
	x->normal = text->s;
	return true;
}

/* Runs the normalizer, by opening what is compiled so far. */
static bool
normalize_all(Build *b, Fresh *x, size_t n)
{
	Buf *blob = buf_new(b->a);
	Tokenizer *t;
	bool ok = true;
	Run *r;

	if (b->meta.phase[PHASE_NORM] == b->meta.phase[PHASE_NORM + 1])
		return true;
	if (!build_finish(b, blob) ||
	    !(t = tokenizer_open(b->c, b->a, (Span){blob->p, blob->n})))
		return false;
	r = run_take(b->c, t);
	for (size_t i = 0; i < n && ok; i++)
		if (x[i].flag & ADDED_NORMAL) {
			ok = normalize_one(r, &x[i]);
			x[i].normal.p = arena_span(b->a, x[i].normal);
		}
	run_give(r);
	return ok;
}

static void
put_token(Build *b, const Fresh *x, Ref normal, bool special)
{
	Buf *t = b->sec[SEC_TOKEN];
	Token none = {0};

	while (t->n / sizeof none <= (size_t)x->id)
		buf_add(t, &none, sizeof none);
	((Token *)(void *)t->p)[x->id] =
		(Token){normal.off, (uint16_t)normal.n,
	                (uint16_t)(TOKEN_KNOWN | TOKEN_ADDED |
	                           (special ? TOKEN_SPECIAL : 0))};
}

/* Decoding asks whether the text of a token is a special one's name. */
static bool
is_special(const Fresh *x, size_t n, const Fresh *one)
{
	size_t at = same(x, n, one->normal);

	return at < n && x[at].flag & ADDED_SPECIAL;
}

static void
put_all(Build *b, const Fresh *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		Added out = {.id = x[i].id, .flag = x[i].flag};

		out.text = build_text(b, x[i].text);
		out.normal = build_text(b, x[i].normal);
		put_token(b, &x[i], out.normal, is_special(x, n, &x[i]));
		buf_add(b->sec[SEC_ADDED], &out, sizeof out);
	}
}

static uint32_t
put_trie(Build *b, const Fresh *x, size_t n, uint32_t normal)
{
	TrieKey *key = NEWV(b->a, TrieKey, n);
	size_t nkey = 0;

	for (size_t i = 0; i < n; i++)
		if ((x[i].flag & ADDED_NORMAL) == normal && x[i].normal.n)
			key[nkey++] = (TrieKey){x[i].normal, (int32_t)i};
	return nkey ? trie_build(b->a, key, nkey, b->sec[SEC_NODE]) : 0;
}

bool
parse_added(Build *b, const Json *list)
{
	Fresh *x = NEWV(b->a, Fresh, json_len(list) + 1);
	size_t n = 0;

	if (!read_list(b, list, x, &n) || !normalize_all(b, x, n))
		return false;
	put_all(b, x, n);
	b->meta.root_raw = put_trie(b, x, n, 0);
	b->meta.root_normal = put_trie(b, x, n, ADDED_NORMAL);
	return true;
}
