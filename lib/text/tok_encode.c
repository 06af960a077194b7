/* SPDX-License-Identifier: BSD-3-Clause
 * tok_encode.c - text to ids: the order of the steps, and the word cache.
 *
 * A tokenizer keeps a Run, with buffers and a cache, for each thread that
 * encodes at the same time.  A cache holds answers only, so it changes no
 * result. */

#include "tok.h"

enum { CACHE = 1 << 15, KEY_MAX = 62, IDS_MAX = 16 };

/* A word and its ids: two cache lines, of which most words need one. */
struct Word {
	uint8_t n, nid; /* n 0: free */
	char key[KEY_MAX];
	int32_t id[IDS_MAX];
};

static WordFn *const word_of[] = {
#define MODEL(name, read, word) word,
#include "models.def"
};

enum { RUNS = 32 };
enum { EMPTY, IDLE, BUSY };

/* A place is taken by whoever moves its state to BUSY. */
struct Runs {
	_Atomic int state[RUNS];
	Run *run[RUNS];
};

static void
run_close(Run *r)
{
	Arena mem = r->mem; /* r itself lies in it */

	arena_free(&mem);
}

static void
runs_close(void *p)
{
	struct Runs *all = p;

	for (int i = 0; i < RUNS; i++)
		if (all->run[i])
			run_close(all->run[i]);
}

struct Runs *
runs_open(Arena *a)
{
	struct Runs *all = NEW(a, struct Runs);

	arena_defer(a, runs_close, all);
	return all;
}

static Run *
run_open(const Tokenizer *t)
{
	Arena mem = {0}, *a;
	Run *r = NEW(&mem, Run);

	r->mem = mem;
	a = r->a = &r->mem;
	r->t = t;
	r->match = matcher_open(a);
	r->mended = buf_new(a);
	r->word = buf_new(a);
	r->bytes = buf_new(a);
	for (int i = 0; i < 2; i++) {
		r->buf[i] = buf_new(a);
		r->norm.buf[i] = buf_new(a);
	}
	r->cache = NEWV(a, struct Word, CACHE);
	return r;
}

static bool
take(struct Runs *all, int i, int from)
{
	return atomic_compare_exchange_strong(&all->state[i], &from, BUSY);
}

Run *
run_take(Ctx *c, const Tokenizer *t)
{
	struct Runs *all = t->runs;
	Run *r = NULL;

	for (int i = 0; i < RUNS && !r; i++)
		if (take(all, i, IDLE) || take(all, i, EMPTY)) {
			if (!all->run[i])
				all->run[i] = run_open(t);
			r = all->run[i];
			r->state = &all->state[i];
		}
	if (!r)
		r = run_open(t);
	r->c = c;
	return r;
}

void
run_give(Run *r)
{
	if (r->state)
		atomic_store(r->state, IDLE);
	else
		run_close(r);
}

static bool
cut_word(Run *r, Span s)
{
	if (r->spread) {
		buf_clear(r->bytes);
		bytes_spread(s, r->bytes);
		s = (Span){r->bytes->p, r->bytes->n};
	}
	return word_of[r->t->meta->model](r, s);
}

static bool
encode_word(Run *r, Span s)
{
	size_t from = r->nid, n;
	struct Word *w;

	if (s.n > KEY_MAX)
		return cut_word(r, s);
	w = r->cache + (hash_word(s.p, s.n) & (CACHE - 1));
	if (w->n == s.n && memcmp(w->key, s.p, s.n) == 0) {
		for (int i = 0; i < w->nid; i++)
			run_id(r, w->id[i]);
		return true;
	}
	if (!cut_word(r, s))
		return false;
	n = r->nid - from;
	if (n <= IDS_MAX) {
		w->n = (uint8_t)s.n;
		w->nid = (uint8_t)n;
		memcpy(w->key, s.p, s.n);
		if (n)
			memcpy(w->id, r->id + from, n * sizeof *w->id);
	}
	return true;
}

/* Words that begin with U+2581: where no merge crosses into one, a long text
 * is the same as its words. */
static bool
encode_apart(Run *r, Span s)
{
	static const char mark[] = "\xe2\x96\x81";
	const size_t n = sizeof mark - 1;
	size_t from = 0, last = 0;

	for (size_t i = 0; i + n <= s.n; i++) {
		const char *p = memchr(s.p + i, mark[0], s.n - i);

		if (!p)
			break;
		i = (size_t)(p - s.p);
		if (s.n - i < n || memcmp(p, mark, n) != 0)
			continue;
		if (i > from && i != last) {
			if (!encode_word(r, (Span){s.p + from, i - from}))
				return false;
			from = i;
		}
		last = i + n;
		i += n - 1;
	}
	return encode_word(r, (Span){s.p + from, s.n - from});
}

static bool
encode_piece(Run *r, const Piece *p)
{
	Span s = {r->text.p + p->off, p->n};

	if (r->t->meta->flag & MODEL_APART && !r->spread)
		return encode_apart(r, s);
	return encode_word(r, s);
}

/* How many ids of a text the reference library makes before it truncates:
 * it stops after the first word that reaches this, which decides what the
 * longer of two texts is. */
static size_t
id_limit(const Meta *m, uint8_t type)
{
	if (!m->trunc || (m->trunc_way == TRUNC_SECOND && type == 0))
		return SIZE_MAX;
	return m->trunc_max;
}

static bool
encode_pieces(Run *r, size_t limit)
{
	for (size_t i = 0; i < r->npiece; i++) {
		const Piece *p = r->piece + i;

		if ((i & 0xffff) == 0xffff && !go_on(r->c))
			return false;
		if (p->id >= 0) {
			run_id(r, p->id);
			continue;
		}
		if (!encode_piece(r, p))
			return false;
		if (r->nid >= limit)
			break;
	}
	return true;
}

/* Leaves out the pieces that the same rule, from the end on, does not reach;
 * only a word ends it, not an added token. */
static bool
skip_pieces(Run *r, size_t limit)
{
	size_t n = r->npiece, total = 0;

	while (n > 0) {
		const Piece *p = r->piece + --n;

		r->nid = 0;
		if (p->id >= 0) {
			total++;
			continue;
		}
		if (!encode_piece(r, p))
			return false;
		if ((total += r->nid) >= limit)
			break;
	}
	r->nid = 0;
	r->piece += n;
	r->npiece -= n;
	return true;
}

static bool
encode_text(Run *r, Span text, uint8_t type)
{
	const Meta *m = r->t->meta;
	size_t limit = id_limit(m, type);
	Piece *all;
	bool ok;

	if (text.n > INPUT_MAX)
		return fail(r->c, QE_INPUT, "text of %zu bytes, limit %d",
		            text.n, INPUT_MAX);
	r->nid = 0;
	text = utf8_mend(text, r->mended);
	if (!find_added(r, text) || !split_all(r))
		return false;
	if (!m->trunc_left || limit == SIZE_MAX)
		return encode_pieces(r, limit);
	all = r->piece;
	ok = skip_pieces(r, limit) && encode_pieces(r, SIZE_MAX);
	r->piece = all; /* skip_pieces() moved it */
	return ok;
}

static bool
encode_part(Run *r, Arena *a, Span text, uint8_t type, Part *out)
{
	if (!encode_text(r, text, type))
		return false;
	out->n = r->nid;
	out->id = arena_copy(a, r->id, r->nid * sizeof *r->id);
	out->type = NEWV(a, uint8_t, r->nid);
	memset(out->type, type, r->nid);
	return true;
}

static bool
encode(Run *r, Arena *a, Span text, const Span *pair, bool special, Ids *out)
{
	Part part[2];

	if (!encode_part(r, a, text, 0, &part[0]))
		return false;
	if (pair && !encode_part(r, a, *pair, 1, &part[1]))
		return note(r->c, "second text");
	return post_all(r->c, a, r->t, part, pair ? 2 : 1, special, out);
}

bool
tokenizer_encode(Ctx *c, Arena *a, const Tokenizer *t, Span text,
                 const Span *pair, bool special, Ids *out)
{
	Run *r = run_take(c, t);
	bool ok = encode(r, a, text, pair, special, out);

	run_give(r);
	return ok;
}
