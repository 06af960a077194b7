/* SPDX-License-Identifier: BSD-3-Clause
 * tok_spm.c - SentencePiece models.
 *
 * The file is a protobuf of which a few fields matter, so it is read off the
 * wire: pieces = 1 {piece 1, score 2, type 3}, trainer_spec = 2 {model_type 3,
 * byte_fallback 35, unk/bos/eos_piece 45 46 47}, normalizer_spec = 3
 * {charsmap 2, add_dummy_prefix 3}.
 * Source: sentencepiece_model.proto.
 *
 * A BPE model has scores, not merges: the merges are all pairs of pieces that
 * make a piece, those of the best score first. */

#include <math.h>
#include <stdlib.h>

#include "tok_files.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER };
enum { MODEL_UNIGRAM = 1, MODEL_PAIRS = 2 };

/* One field of a message. */
typedef struct Field {
	uint64_t number, value;
	Span bytes;
} Field;

static bool
varint(Span *s, uint64_t *out)
{
	*out = 0;
	for (int shift = 0; s->n > 0 && shift < 64; shift += 7) {
		unsigned char ch = (unsigned char)*s->p;

		s->p++;
		s->n--;
		*out |= (uint64_t)(ch & 0x7f) << shift;
		if (ch < 0x80)
			return true;
	}
	return false;
}

static bool
take(Span *s, size_t n, Span *out)
{
	if (n > s->n)
		return false;
	*out = (Span){s->p, n};
	s->p += n;
	s->n -= n;
	return true;
}

/* 1 a field, 0 the end, -1 broken. */
static int
field(Span *s, Field *f)
{
	uint64_t key;
	bool ok = false;

	if (s->n == 0)
		return 0;
	if (!varint(s, &key))
		return -1;
	*f = (Field){.number = key >> 3, .bytes = {"", 0}};
	switch (key & 7) {
	case VARINT:
		ok = varint(s, &f->value);
		break;
	case FIXED64:
		ok = take(s, 8, &f->bytes);
		break;
	case BYTES:
		ok = varint(s, &f->value) && f->value <= s->n &&
		     take(s, (size_t)f->value, &f->bytes);
		break;
	case FIXED32:
		ok = take(s, 4, &f->bytes);
		break;
	default:
		break;
	}
	return ok ? 1 : -1;
}

typedef struct Model {
	Build *b;
	Source *s;
	uint64_t type;
	bool bytes, dummy_prefix;
	Span charsmap;
	int64_t unk, id;
	int64_t pieces, drop; /* read so far; of which this many are not kept */
	const Json *ids;      /* vocab.json, or NULL: ids count up */
	double *score;        /* by id, with ids */
	double least;
	const char *stranger; /* a piece that ids does not name */
	double digit_comma;   /* added to the score of pieces like "7," */
} Model;

static bool
broken(Build *b)
{
	return fail(b->c, QE_INPUT, "not a SentencePiece model, or cut short");
}

enum { EXTRA_MAX = 10000 };
/* So bad that no path takes it unless there is no other. */
static const double NEVER = -1e9;

/* A piece that vocab.json names gets its score there. */
static bool
score_piece(Model *m, Span text, double score, bool normal)
{
	const Json *id = json_get(m->ids, arena_span(m->b->a, text));
	int64_t i = json_int(id, -1);

	if (!isfinite(score))
		return fail(m->b->c, QE_INPUT, "score of piece %lld",
		            (long long)m->pieces);
	m->least = MIN(m->least, score);
	if (i >= 0 && (size_t)i < json_len(m->ids))
		m->score[i] = score;
	else if (normal && !m->stranger)
		m->stranger = arena_span(m->b->a, text);
	return true;
}

/* The reference library's conversion holds pieces like "7," down, as the
 * class cuts them. */
static bool
ends_in_digit_comma(Span s)
{
	return s.n >= 2 && s.p[s.n - 1] == ',' && s.p[s.n - 2] >= '0' &&
	       s.p[s.n - 2] <= '9';
}

static bool
read_piece(Model *m, Span msg)
{
	uint64_t type = TYPE_NORMAL;
	Span text = {"", 0};
	float score = 0;
	Field f;
	int rc;

	while ((rc = field(&msg, &f)) > 0)
		if (f.number == 1)
			text = f.bytes;
		else if (f.number == 2 && f.bytes.n == sizeof score)
			memcpy(&score, f.bytes.p, sizeof score);
		else if (f.number == 3)
			type = f.value;
	if (rc < 0)
		return broken(m->b);
	if (memchr(text.p, 0, text.n))
		return fail(m->b->c, QE_INPUT, "piece %lld holds a NUL",
		            (long long)m->pieces);
	m->pieces++;
	if (m->ids)
		return score_piece(m, text, (double)score, type == TYPE_NORMAL);
	if (m->pieces <= m->drop)
		return true;
	if (type == TYPE_UNKNOWN)
		m->unk = m->id;
	if (type == TYPE_CONTROL || type == TYPE_USER || type == TYPE_UNKNOWN)
		source_add(m->s, arena_span(m->b->a, text), type != TYPE_USER,
		           false);
	return build_token(m->b, text, m->id++) &&
	       build_score(m->b, (double)score + (ends_in_digit_comma(text)
	                                                  ? m->digit_comma
	                                                  : 0));
}

static void
put_name(Model *m, const char *setting, Span name)
{
	json_put_str(m->s->facts, setting, arena_span(m->b->a, name));
}

static bool
read_trainer(Model *m, Span msg)
{
	Field f;
	int rc;

	while ((rc = field(&msg, &f)) > 0)
		switch (f.number) {
		case 3:
			m->type = f.value;
			break;
		case 35:
			m->bytes = f.value;
			break;
		case 46:
			put_name(m, "bos_token", f.bytes);
			break;
		case 47:
			put_name(m, "eos_token", f.bytes);
			break;
		default:
			break;
		}
	return rc == 0 || broken(m->b);
}

static bool
read_normalizer(Model *m, Span msg)
{
	Field f;
	int rc;

	while ((rc = field(&msg, &f)) > 0)
		if (f.number == 2)
			m->charsmap = f.bytes;
		else if (f.number == 3)
			m->dummy_prefix = f.value;
	return rc == 0 || broken(m->b);
}

/* A way to make a piece of two. */
typedef struct Pair {
	Span left, right;
	double score;
	int32_t l, r;
} Pair;

static int
by_score(const void *a, const void *b)
{
	const Pair *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->left.n != y->left.n)
		return x->left.n > y->left.n ? -1 : 1;
	if (x->right.n != y->right.n)
		return x->right.n > y->right.n ? -1 : 1;
	if (x->l != y->l)
		return x->l < y->l ? -1 : 1;
	return x->r < y->r ? -1 : x->r > y->r;
}

enum { SPLIT_MAX = 1024 }; /* bytes of a piece that is taken apart */

static Pair *
find_pairs(Build *b, size_t *count)
{
	Vocab v = build_vocab(b);
	const double *score = (const double *)(void *)b->sec[SEC_SCORE]->p;
	size_t n = 0, cap = 0;
	Pair *pair = NULL;
	uint32_t ch;

	for (size_t i = 0; i < build_count(b, SEC_ENTRY); i++) {
		Span s = {v.text + v.entry[i].off, v.entry[i].n};

		for (size_t k = 0; k < s.n && s.n <= SPLIT_MAX;) {
			Pair p = {.score = score[v.entry[i].id]};

			if (p.score <= NEVER)
				break;

			k += utf8_get(s.p + k, &ch);
			if (k == s.n)
				break;
			p.left = (Span){s.p, k};
			p.right = (Span){s.p + k, s.n - k};
			p.l = vocab_find(&v, p.left);
			p.r = vocab_find(&v, p.right);
			if (p.l >= 0 && p.r >= 0 && score[p.l] > NEVER &&
			    score[p.r] > NEVER)
				PUSH(b->a, pair, n, cap, p);
		}
	}
	*count = n;
	return pair;
}

static bool
make_merges(Build *b)
{
	size_t n;
	Pair *pair = find_pairs(b, &n);

	if (n)
		qsort(pair, n, sizeof *pair, by_score);
	build_merges_begin(b, n);
	for (size_t i = 0; i < n; i++)
		if (!build_merge(b, pair[i].left, pair[i].right, i))
			return false;
	return true;
}

/* A token that the class puts among the pieces. */
static bool
lay_one(Model *m, const char *name, double score)
{
	if (strcmp(name, "<unk>") == 0)
		m->unk = m->id;
	source_add(m->s, name, true, false);
	return build_token(m->b, SPAN(name), m->id++) &&
	       build_score(m->b, score);
}

/* "text" with numbers from "first" up to "end" in place of its star. */
static bool
lay_row(Model *m, const Json *row)
{
	Arena *a = m->b->a;
	const char *text = json_get_str(row, "text", ""),
		   *star = strchr(text, '*'),
		   *end = json_get_str(row, "end", "");
	int64_t first = json_get_int(row, "first", 0),
		n = json_int(recipe_setting(m->s, end), first) - first;
	double score = json_get_num(row, "score", 0);
	bool ok = true;

	if (!star)
		return lay_one(m, text, score);
	if (n < 0 || n > EXTRA_MAX)
		return fail(m->b->c, QE_INPUT, "tokenizer_config.json: %s",
		            end);
	for (int64_t i = 0; i < n && ok; i++) {
		int64_t k = json_get_bool(row, "down", false) ? n - 1 - i : i;

		ok = lay_one(m,
		             arena_str(a, "%.*s%lld%s", (int)(star - text),
		                       text, (long long)(first + k), star + 1),
		             score);
	}
	return ok;
}

/* The tokens of "front" or "back". */
static bool
lay(Model *m, const char *where)
{
	const Json *list = recipe_get(m->b->a, m->s, where);
	bool ok = true;

	for (size_t i = 0; i < json_len(list) && ok; i++) {
		const Json *v = json_at(list, i);

		ok = json_is(v, json_type_object)
		             ? lay_row(m, v)
		             : lay_one(m,
		                       recipe_text(m->b->a, m->s,
		                                   json_str(v, "")),
		                       0);
	}
	return ok;
}

/* What the file says, as settings. */
static void
put_facts(Model *m)
{
	Json *facts = m->s->facts;
	Buf *t = buf_new(m->b->a);

	json_put_bool(facts, "model.bpe", m->type == MODEL_PAIRS);
	json_put_bool(facts, "model.dummy_prefix", m->dummy_prefix);
	json_put_str(facts, "model.prepend_scheme",
	             m->dummy_prefix ? "always" : "never");
	base64_encode(m->charsmap, t);
	if (m->charsmap.n)
		json_put_str(facts, "model.charsmap", t->p);
}

static bool
read_model(Model *m, Span rest)
{
	bool ok = true;
	Field f;
	int rc;

	m->type = MODEL_UNIGRAM;
	m->dummy_prefix = true;
	while (ok && (rc = field(&rest, &f)) > 0)
		ok = f.number == 1   ? read_piece(m, f.bytes)
		     : f.number == 2 ? read_trainer(m, f.bytes)
		     : f.number == 3 ? read_normalizer(m, f.bytes)
		                     : true;
	if (!ok)
		return note(m->b->c, "SentencePiece model");
	if (rc != 0 || m->pieces == 0)
		return broken(m->b);
	put_facts(m);
	if (m->type == MODEL_UNIGRAM || m->type == MODEL_PAIRS)
		return true;
	return fail(m->b->c, QE_INPUT,
	            "SentencePiece model type %llu is not supported",
	            (unsigned long long)m->type);
}

/* Pairs of pieces, from scores that nobody needs then. */
static bool
end_pairs(Model *m)
{
	Build *b = m->b;

	build_index(b);
	b->meta.unk = (int32_t)m->unk;
	b->meta.flag |= MODEL_FUSE_UNK | (m->unk >= 0 ? MODEL_UNK : 0);
	if (!make_merges(b))
		return false;
	buf_clear(b->sec[SEC_SCORE]);
	model_bpe_end(b);
	return true;
}

static bool
end_model(Model *m)
{
	m->b->meta.flag |= m->bytes ? MODEL_BYTES : 0;
	return m->type == MODEL_UNIGRAM ? model_unigram_end(m->b, m->unk)
	                                : end_pairs(m);
}

bool
read_pieces(Build *b, Source *s)
{
	Model m = {.b = b,
	           .s = s,
	           .unk = -1,
	           .drop = json_int(recipe_get(b->a, s, "drop"), 0),
	           .digit_comma =
	                   json_num(recipe_get(b->a, s, "digit_comma"), 0)};
	int64_t unk;

	if (!lay(&m, "front"))
		return false;
	unk = m.unk;
	if (!read_model(&m, s->file->sentencepiece) || !lay(&m, "back"))
		return false;
	if (unk >= 0)
		m.unk = unk;
	return end_model(&m);
}

/* All of vocab.json, with the scores that came, and what follows it. */
static bool
pair_tokens(Model *m)
{
	Build *b = m->b;
	size_t n = json_len(m->ids);

	if (!read_vocab(b, m->ids))
		return false;
	if (build_count(b, SEC_TOKEN) != n)
		return fail(b->c, QE_INPUT,
		            "vocab.json: %zu tokens, and ids below %zu", n,
		            build_count(b, SEC_TOKEN));
	for (size_t i = 0; i < n; i++)
		if (!build_score(b, m->score[i]))
			return false;
	m->id = (int64_t)n;
	if (!lay(m, "back"))
		return false;
	b->meta.min_score = m->least;
	m->unk = json_get_int(m->ids, "<unk>", -1);
	return end_model(m);
}

/* Pieces and scores are the model's, ids those of vocab.json; what only that
 * knows is decoded and never found. */
bool
read_pair(Build *b, Source *s)
{
	bool own = s->file->source_spm.n > 0;
	Model m = {.b = b, .s = s};
	Json *vocab = json_parse(b->c, b->a, s->file->vocab_json);

	if (!vocab)
		return note(b->c, "vocab.json");
	if (!json_is(vocab, json_type_object))
		return fail(b->c, QE_INPUT, "vocab.json is not an object");
	m.ids = vocab;
	m.score = NEWV(b->a, double, json_len(vocab));
	for (size_t i = 0; i < json_len(vocab); i++)
		m.score[i] = NEVER;
	if (!read_model(&m, own ? s->file->source_spm : s->file->sentencepiece))
		return note(b->c, "%s",
		            own ? "source.spm" : "SentencePiece model");
	/* a merge on the way to others cannot be left out */
	if (m.type == MODEL_PAIRS && m.stranger)
		return fail(
			b->c, QE_INPUT,
			"vocab.json lacks piece '%s' of the SentencePiece model",
			m.stranger);
	return pair_tokens(&m);
}
