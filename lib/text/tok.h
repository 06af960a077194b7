/* SPDX-License-Identifier: BSD-3-Clause */
/* tok.h - what the files of the tokenizer share: the compiled form, the
 * builder that fills it, the run that uses it.
 *
 * The blob is a Head and then the vectors of sections.def, each at a multiple
 * of 8, in native byte order.  Strings are Refs into the TEXT vector. */

#ifndef TOK_H
#define TOK_H

#include <stdatomic.h>

#include "json.h"
#include "regex.h"
#include "tokenizer.h"
#include "trie.h"
#include "unicode.h"

enum {
	TOK_VERSION = 1,
	TOK_ORDER = 0x01020304,
	ID_MAX = 1 << 22,       /* ids are below */
	TOKEN_MAX = 0xffff,     /* bytes of a token */
	ADDED_MAX = 4096,       /* bytes of an added token */
	INPUT_MAX = 256 << 20,  /* bytes of a text */
	GROWN_MAX = 0x7fffffff, /* bytes of it at any later step */
	PAD_MAX = 1 << 20,      /* ids that padding fills up to */
	AFFIX_MAX = 64,         /* bytes of a subword prefix or suffix */
	STEPS_MAX = 256,
};
#define TOK_MAGIC "QEFFTOK"

typedef struct Ref {
	uint32_t off, n;
} Ref;

enum phase { PHASE_NORM, PHASE_SPLIT, PHASE_POST, PHASE_DECODE, PHASES };

/* One part of the pipeline; what the fields mean is its parser's affair. */
typedef struct Step {
	uint16_t kind; /* row of its phase in steps.def */
	uint16_t flag;
	uint32_t num, more;
	Ref a, b;
	uint32_t regex; /* 1: a is a pattern */
} Step;

typedef struct Entry {
	uint32_t off;
	uint32_t n;
	int32_t id;
} Entry;

enum { TOKEN_KNOWN = 1, TOKEN_SPECIAL = 2, TOKEN_ADDED = 4 };

typedef struct Token {
	uint32_t off;
	uint16_t n, flag;
} Token;

enum { MERGE_FREE = -1 };

typedef struct Merge {
	int32_t left, right, rank, id;
} Merge;

enum {
	ADDED_SINGLE = 1,
	ADDED_LSTRIP = 2,
	ADDED_RSTRIP = 4,
	ADDED_NORMAL = 8,
	ADDED_SPECIAL = 16,
};

typedef struct Added {
	Ref text, normal; /* as written; as the normalizer leaves it */
	int32_t id;
	uint32_t flag;
} Added;

enum { SLICE_A = -1, SLICE_B = -2 };

typedef struct Slice {
	int32_t id; /* of a token, or SLICE_A, SLICE_B */
	uint32_t type;
} Slice;

enum { SCRIPT_HAN = 1, SCRIPT_COMMON = 4 };

typedef struct ScriptRange {
	uint32_t from, to, script;
} ScriptRange;

enum section {
#define SECTION(name, type) SEC_##name,
#include "sections.def"
	SECTIONS
};

/* rows of steps.def */
enum {
#define NORM(type, parse, run) NORM_##type,
#include "steps.def"
};
enum {
#define SPLIT(type, parse, run) SPLIT_##type,
#include "steps.def"
};
enum {
#define POST(type, parse, run) POST_##type,
#include "steps.def"
};
enum {
#define DECODE(type, parse, run) DECODE_##type,
#include "steps.def"
};

/* Split.behavior */
enum cut { CUT_REMOVED, CUT_ISOLATED, CUT_PREVIOUS, CUT_NEXT, CUT_CONTIGUOUS };
enum { BYTES_PREFIX = 1, BYTES_SPREAD = 2 };
enum { META_NEVER, META_FIRST, META_ALWAYS };

enum model {
#define MODEL(name, read, word) MODEL_##name,
#include "models.def"
	MODELS
};

enum {
	MODEL_FUSE_UNK = 1,
	MODEL_BYTES = 2,  /* byte_fallback */
	MODEL_WHOLE = 4,  /* ignore_merges */
	MODEL_UNK = 8,    /* an unknown token is named */
	MODEL_APART = 16, /* no merge crosses into a U+2581 */
};

enum { TRUNC_LONGEST, TRUNC_FIRST, TRUNC_SECOND };

typedef struct Meta {
	uint32_t model, flag;
	int32_t unk; /* -1: named but not there, or none */
	uint32_t max_chars;
	Ref prefix, suffix;
	double min_score;
	uint32_t phase[PHASES + 1];     /* where each begins in STEP */
	uint32_t root_model, root_rest; /* tries; rest: after the prefix */
	uint32_t root_raw, root_normal;
	uint32_t trunc, trunc_left, trunc_way, trunc_max, trunc_stride;
	uint32_t pad, pad_left, pad_to, pad_multiple, pad_id, pad_type;
} Meta;

typedef struct Head {
	char magic[8];
	uint32_t version, order;
	uint64_t size;
	struct {
		uint64_t off, n; /* bytes from the head; elements */
	} sec[SECTIONS];
	Meta meta;
} Head;

static inline uint64_t
hash_word(const char *p, size_t n)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = n * k, w;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	for (w = 0; n > 0; n--)
		w = w << 8 | (unsigned char)p[n - 1];
	h = (h ^ w) * k;
	return h ^ h >> 29;
}

/* tok_vocab.c - the vocabulary as it lies in the blob */
typedef struct Vocab {
	const char *text;
	const Entry *entry;
	const uint32_t *slot;
	size_t nslot;
} Vocab;
int32_t vocab_find(const Vocab *, Span word); /* -1 if none */

typedef struct MergeMap {
	const Merge *merge;
	size_t n;
} MergeMap;

static inline size_t
merge_slot(int32_t left, int32_t right, size_t n)
{
	uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) *
	             UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)((h >> 32) * n >> 32);
}

/* The merge of two neighbours, NULL if there is none. */
static inline const Merge *
merge_find(const MergeMap *m, int32_t left, int32_t right)
{
	if (m->n == 0)
		return NULL;
	for (size_t i = merge_slot(left, right, m->n);;) {
		const Merge *e = m->merge + i;

		if (e->left == left && e->right == right)
			return e;
		if (e->left == MERGE_FREE)
			return NULL;
		if (++i == m->n)
			i = 0;
	}
}

/* The compiled tokenizer in the making. */
typedef struct Build {
	Ctx *c;
	Arena *a;
	Meta meta;
	Buf *sec[SECTIONS];
	Buf *join; /* scratch of build_merge() */
} Build;

Build *build_new(Ctx *, Arena *);
Ref build_text(Build *, Span); /* adds a string */
/* The same of what stands around pieces; key names it in a failure. */
bool build_affix(Build *, const char *text, const char *key, Ref *);
size_t build_count(const Build *, enum section);
Span build_span(const Build *, Ref);
Vocab build_vocab(const Build *);
/* Adds a token of the model's vocabulary; vocab_index() after the last one
 * makes the hash, by which later equal strings win. */
bool build_token(Build *, Span text, int64_t id);
void build_index(Build *);
/* The merges, as pairs of strings; an equal pair replaces the earlier. */
bool build_merge(Build *, Span left, Span right, size_t rank);
void build_merges_begin(Build *, size_t n);
bool build_finish(Build *, Buf *out); /* tok_blob.c: checks and writes */

/* tok_parse.c - pipeline parts of tokenizer.json, in the order of phases */
bool parse_phase(Build *, enum phase, const Json *part);
bool build_charsmap(Build *, Span map, Step *);
bool build_scripts(Build *); /* tok_scripts.c */
/* tok_model.c - "model" of tokenizer.json, and the parts of it that other
 * files need too */
bool parse_model(Build *, const Json *model);
bool read_vocab(Build *, const Json *object);
bool build_merge_line(Build *, Span line, size_t rank);
bool build_score(Build *, double); /* of the token added last */
void model_bpe_end(Build *);       /* after vocabulary and merges */
bool model_unigram_end(Build *, int64_t unk);
bool wordpiece_words(Build *, const char *unk, const char *prefix,
                     int64_t max_chars);
/* tok_added.c - added tokens: [{content, flags..}] */
bool parse_added(Build *, const Json *list);
/* tok_compile.c - the parts of a tokenizer.json but model and added tokens */
bool compile_parts(Build *, const Json *root);
/* tok_load.c - puts a tiktoken vocabulary where it belongs */
void tokenizer_sort(TokenizerFiles *);
/* tok_files.c - other files than tokenizer.json */
bool compile_files(Build *, const TokenizerFiles *);
/* tok_bytes.c */
bool base64_decode(Span, Buf *out);
void base64_encode(Span, Buf *out); /* without padding */

/* A piece of text on its way; id >= 0: it is this token already. */
typedef struct Piece {
	uint32_t off, n;
	int32_t id;
	uint32_t first; /* it starts where the original text does */
} Piece;

typedef struct Text {
	Span s;
	Buf *buf[2]; /* s lies in buf[turn ^ 1], or outside */
	int turn;
	bool first; /* its first byte comes from the first of the original */
} Text;

/* Scratch of one call at a time. */
typedef struct Run {
	Arena mem, *a;      /* a: mem, where its vectors grow */
	_Atomic int *state; /* of its place among Runs, NULL if it has none */
	Ctx *c;
	const Tokenizer *t;
	Matcher *match;
	Buf *mended;
	Span text;   /* what the pieces refer to */
	Buf *buf[2]; /* text lies in buf[turn ^ 1], or outside */
	int turn;
	Piece *piece, *next; /* before and after a step */
	size_t npiece, piece_cap, nnext, next_cap;
	Text norm;
	int32_t *id;
	size_t nid, id_cap;
	struct Word *cache; /* tok_encode.c */
	struct Symbol *sym; /* tok_bpe.c */
	struct Link *heap;  /* tok_bpe.c */
	struct Best *best;  /* tok_unigram.c */
	size_t sym_cap, heap_cap, best_cap;
	Buf *word;   /* a character with prefix or suffix */
	Buf *bytes;  /* a word in the byte-level alphabet */
	bool spread; /* words are to be written in it */
} Run;

enum { CHAR_FAST = 0x800 };

struct Tokenizer {
	const Head *head;
	const Meta *meta;
#define SECTION(name, type) const type *name;
#include "sections.def"
	size_t n[SECTIONS];
	Vocab vocab;
	MergeMap merges;
	const Regex **regex;  /* by step; NULL where there is no pattern */
	const Regex *word;    /* \w, if an added token asks for it */
	int32_t byte_id[256]; /* of <0xHH>, -1 */
	int32_t char_id[CHAR_FAST]; /* of one-character tokens, -1 */
	bool start[2][256]; /* first bytes of added tokens: raw, normal */
	struct Runs *runs;  /* tok_encode.c */
};

static inline Span
ref_span(const Tokenizer *t, Ref r)
{
	return (Span){t->TEXT + r.off, r.n};
}

/* A run from the tokenizer's, to be given back; they go with the arena that
 * runs_open() is given. */
struct Runs *runs_open(Arena *);
Run *run_take(Ctx *, const Tokenizer *);
void run_give(Run *);

/* tok_norm.c */
bool normalize(Run *, Text *);
/* tok_bytes.c - the byte-level alphabet */
void bytes_spread(Span, Buf *out);
int bytes_value(uint32_t ch); /* the byte behind a character, -1 */
/* tok_split.c */
bool split_all(Run *);
/* Puts a piece behind the others. */
static inline void
run_push(Run *r, size_t from, size_t to, int32_t id, uint32_t first)
{
	Piece p = {(uint32_t)from, (uint32_t)(to - from), id, first};

	if (r->nnext == r->next_cap)
		r->next = arena_grow(r->a, r->next, r->nnext, &r->next_cap,
		                     sizeof p);
	r->next[r->nnext++] = p;
}
static inline void
run_swap(Run *r)
{
	Piece *p = r->piece;
	size_t cap = r->piece_cap;

	r->piece = r->next;
	r->npiece = r->nnext;
	r->piece_cap = r->next_cap;
	r->next = p;
	r->next_cap = cap;
	r->nnext = 0;
}
static inline void
run_id(Run *r, int32_t id)
{
	if (r->nid == r->id_cap)
		r->id = arena_grow(r->a, r->id, r->nid, &r->id_cap, sizeof id);
	r->id[r->nid++] = id;
}
/* tok_find.c - added tokens in the text, then the pieces between them */
bool find_added(Run *, Span text);
/* Appends the ids of one word; false: an unknown word and no token for it. */
typedef bool WordFn(Run *, Span word);
#define MODEL(name, read, word) WordFn word;
#include "models.def"
/* tok_post.c - truncation, templates, padding */
typedef struct Part {
	const int32_t *id;
	uint8_t *type;
	size_t n;
} Part;
bool post_all(Ctx *, Arena *, const Tokenizer *, Part *, size_t npart,
              bool special, Ids *out);

#endif
