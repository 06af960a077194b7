/* SPDX-License-Identifier: BSD-3-Clause */
/* base.h - what every other file may use: memory, errors, strings, files,
 * hashes, threads.  Nothing here knows what a tensor is. */

#ifndef BASE_H
#define BASE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "qeff.h"

#define LEN(a) (sizeof(a) / sizeof(a)[0])
#define PRINTF(f, v) __attribute__((format(printf, f, v)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

typedef struct Arena Arena;
typedef struct qe_ctx Ctx;
typedef struct Span Span;
typedef struct Buf Buf;
typedef struct Dict Dict;

struct Arena {
	struct Chunk *chunk; /* newest first */
	struct Defer *defer; /* run newest first, before chunks go */
	size_t bytes, most;  /* of all chunks; and a bound, 0: none, for those
	                      * who ask arena_room() before they take much */
};

struct qe_ctx {
	Arena mem;             /* lives as long as the run */
	enum qe_status status; /* of the first failure */
	char msg[1024];        /* its sentence, without tool name */
	const char *tool;      /* who runs, for provenance */
	qe_log_fn *log;
	void *logarg;
	int level; /* lines above it are not made */
	qe_progress_fn *progress;
	void *progressarg;
	const char *share; /* directory of arch/ and models/, or NULL */
	_Atomic bool interrupted;
};

/* Bytes that somebody else owns; not terminated. */
struct Span {
	const char *p;
	size_t n;
};

#define SPAN(s) ((Span){(s), strlen(s)})

/* arena.c - memory with one owner.  Zeroed, aligned for any type, never
 * NULL: exhaustion calls qe_nomem. */
void *arena_alloc(Arena *, size_t size);
/* n elements of a size; a product that overflows is exhaustion. */
void *arena_array(Arena *, size_t n, size_t size);
void *arena_copy(Arena *, const void *, size_t size);
char *arena_str(Arena *, const char *fmt, ...) PRINTF(2, 3);
char *arena_dup(Arena *, const char *);
char *arena_span(Arena *, Span); /* a terminated copy */
size_t arena_room(const Arena *);
/* fn(arg) when the arena is freed, the newest first, before any memory of it
 * goes: files, maps, threads and foreign libraries close here. */
void arena_defer(Arena *, void (*fn)(void *), void *arg);
/* The arena is empty afterwards and may be used again. */
void arena_free(Arena *);

#define NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define NEWV(a, T, n) ((T *)arena_array((a), (size_t)(n), sizeof(T)))

/* Room for one more in a vector of *cap elements of which n are used: the
 * vector itself, or a copy of twice the size.  The old one stays in a. */
void *arena_grow(Arena *a, void *vec, size_t n, size_t *cap, size_t size);
#define PUSH(a, vec, n, cap, x)                                                \
	((vec) = arena_grow((a), (vec), (size_t)(n), &(cap), sizeof *(vec)),   \
	 (vec)[(n)++] = (x))

/* err.c - the first failure, and where it happened; both return false. */
bool fail(Ctx *, enum qe_status, const char *fmt, ...) PRINTF(3, 4);
bool note(Ctx *, const char *fmt, ...) PRINTF(2, 3);
/* fail(QE_IO) with the sentence of errno */
bool fail_errno(Ctx *, const char *what);
/* A line for the log if the level asks for it: 0 warnings, above it details.
 * Never part of the result. */
void say(Ctx *, int level, const char *fmt, ...) PRINTF(3, 4);
/* done of total steps of `what`; free to call often.  total 0: it is not
 * known, and `what` says all. */
void progress(Ctx *, const char *what, int64_t done, int64_t total);
/* false, with QE_INTERRUPTED, once qe_interrupt() was called */
bool go_on(Ctx *);

/* str.c - growing bytes, always terminated; and small text helpers. */
struct Buf {
	char *p;
	size_t n, cap;
};
Buf *buf_new(Arena *); /* its bytes go with the arena */
void buf_add(Buf *, const void *, size_t);
void buf_str(Buf *, const char *);
void buf_char(Buf *, char);
void buf_fmt(Buf *, const char *fmt, ...) PRINTF(2, 3);
void buf_utf8(Buf *, uint32_t code); /* one character */
void buf_clear(Buf *);
/* The next line of *rest, which moves behind its newline. */
Span span_line(Span *rest);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_in(const char *s, const char *const *list); /* NULL-terminated */
bool str_glob(const char *pattern, const char *s);   /* '*' and '?' */
/* The entry of list nearest to s by edits, or NULL if none is near. */
const char *str_nearest(const char *s, const char *const *list);
/* Fails: s is none of the list's, whose entries are called what; the nearest
 * is proposed, and where none is near, hint is said. */
bool unknown_name(Ctx *, const char *what, const char *s,
                  const char *const *list, const char *hint);
/* Length of the valid UTF-8 prefix of s. */
size_t utf8_valid(Span s);
/* A whole decimal number, sign allowed, nothing around it. */
bool str_int(const char *s, int64_t *out);
/* The same for what strtod() takes: inf and nan too. */
bool str_float(const char *s, double *out);
/* "16G", "512MiB", "100": bytes, in powers of 1024; more than none. */
bool str_size(const char *s, double *out);
/* Words of a comma-separated list, blanks trimmed, empty ones dropped;
 * NULL-terminated. */
char **str_split(Arena *, const char *s, char sep);
/* Checked products and sums of sizes: -1 if negative or too large. */
int64_t mul_size(int64_t a, int64_t b);
int64_t add_size(int64_t a, int64_t b);

/* dict.c - names to pointers; keeps the order in which keys came. */
typedef struct DictItem {
	const char *key;
	void *value;
} DictItem;
struct Dict {
	Arena *mem;
	DictItem *item;
	size_t n, cap;
	uint32_t *slot; /* 1 + index into item; 0 free */
	size_t nslot;
};
Dict *dict_new(Arena *);
/* NULL for an absent key and for one whose value is NULL: see dict_has(). */
void *dict_get(const Dict *, const char *key);
bool dict_has(const Dict *, const char *key);
/* Adds or replaces; the key is not copied. */
void dict_set(Dict *, const char *key, void *value);

/* file.c - whole files in, whole files out. */
/* Reads all of path ("-": stdin) into memory; at most max bytes. */
bool file_read(Ctx *, Arena *, const char *path, size_t max, Span *out);
/* Maps path read-only; an empty file is an empty span. */
bool file_map(Ctx *, Arena *, const char *path, Span *out);
/* mapped if a regular file, else read whole */
bool file_open(Ctx *, Arena *, const char *path, size_t max, Span *out);
int64_t file_size(const char *path); /* -1 if it is not a regular file */
/* Reads at most n bytes of a regular file from off; less at its end. */
bool file_part(Ctx *, Arena *, const char *path, int64_t off, int64_t n,
               Span *out);
bool file_exists(const char *path);
/* Directory part ("." if none) and last part of a path. */
char *path_dir(Arena *, const char *path);
const char *path_base(const char *path);
char *path_join(Arena *, const char *dir, const char *name);
/* The path of `to` as seen from directory `dir`; both must exist. */
char *path_relative(Ctx *, Arena *, const char *dir, const char *to);
/* With links followed; NULL with a failure if path does not exist. */
char *path_absolute(Ctx *, Arena *, const char *path);

/* An output appears whole or not at all: bytes go to a file without a name
 * (or a temporary one), which out_commit() moves into place.  "-" is stdout,
 * which a pipe cannot take back.  Uncommitted outputs vanish with the arena.
 * Parents of path are not made. */
typedef struct Out Out;
Out *out_open(Ctx *, Arena *, const char *path);
bool out_write(Ctx *, Out *, const void *, size_t);
bool out_zero(Ctx *, Out *, size_t);
bool out_flush(Ctx *, Out *); /* for a reader who waits */
int64_t out_at(const Out *);  /* bytes written so far */
bool out_commit(Ctx *, Out *);
/* The three steps for bytes at hand. */
bool file_write(Ctx *, const char *path, const void *data, size_t size);

/* dir.c - folders.  Making makes the parents too and takes what is there;
 * removing takes all that is in it, and follows no links. */
bool dir_make(Ctx *, const char *path);
bool dir_remove(Ctx *, const char *path);
int64_t dir_size(const char *path); /* bytes of all files in it */
/* Names in it, sorted; none if it cannot be read. */
size_t dir_list(Arena *, const char *path, char ***out);

/* hash.c - xxh3-128 as 32 hexadecimal digits. */
typedef struct Digest {
	char hex[33];
} Digest;
Digest hash_bytes(const void *, size_t);
bool hash_file(Ctx *, const char *path, Digest *out);
/* The first n bytes of a file, or all there are. */
bool hash_head(Ctx *, const char *path, int64_t n, Digest *out);
/* Bytes that come in pieces. */
typedef struct Hash Hash;
Hash *hash_new(Arena *);
/* In order: pieces of any size give the digest of all of them together. */
void hash_add(Hash *, const void *, size_t);
Digest hash_end(Hash *); /* and begins anew */

/* sha256.c - of bytes at hand, as 64 hexadecimal digits. */
typedef struct Sha256 {
	char hex[65];
} Sha256;
Sha256 sha256(const void *, size_t);

/* clock.c - nanoseconds of a clock that is never set. */
int64_t clock_ns(void);

/* thread.c - a fixed pool; thread 0 is the caller. */
typedef struct Pool Pool;
typedef void PoolFn(void *arg, int64_t begin, int64_t end, int thread);
/* threads 0: one per physical core. */
Pool *pool_open(Arena *, int threads);
int pool_threads(const Pool *);
/* Calls fn over [0, count), cut into a few ranges per thread at multiples of
 * grain, and waits.  The cuts depend on count, grain and the number of
 * threads alone; who does a range (`thread`: at most one range at a time)
 * depends on who is free. */
void pool_run(Pool *, PoolFn *, void *arg, int64_t count, int64_t grain);

#endif
