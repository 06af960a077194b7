/* SPDX-License-Identifier: BSD-3-Clause
 * tok_decode.c - ids to text, whole or as they come.
 *
 * The decoders of a file are a chain of stages.  Each gets the texts of the
 * tokens in parts: some whole characters and whether the text ends there; it
 * passes on what no later input can change.  Decoding at once is the same
 * chain, flushed at the end, so that streaming cannot differ from it. */

#include "tok.h"

typedef struct Stage Stage;

typedef void StageFn(Stage *, Span, bool end);

struct Stage {
	Detok *d;
	const Step *s;
	StageFn *run;
	Buf *hold;   /* what has to wait */
	Buf *made;   /* scratch */
	Buf *last;   /* the text before this one */
	size_t seen; /* texts finished so far; for Strip, blanks dropped */
	bool open;   /* in the middle of a text */
	bool flush;  /* the last call: no text, just what is held */
};

struct Detok {
	const Tokenizer *t;
	Ctx *c;
	bool skip, failed;
	Stage *stage; /* nstage of them, then the one that writes */
	size_t nstage;
	Matcher *match;
	Buf *out;
};

#define DECODE(type, parse, run) static StageFn run;
#include "steps.def"

static void
pass(Stage *g, Span s, bool end)
{
	g[1].run(g + 1, s, end);
}

static void
pass_buf(Stage *g, Buf *b, bool end)
{
	pass(g, (Span){b->p, b->n}, end);
	buf_clear(b);
}

static void
write_out(Stage *g, Span s, bool end)
{
	(void)end;
	buf_add(g->d->out, s.p, s.n);
}

/* Collects a text; true once it is whole in hold. */
static bool
gather(Stage *g, Span s, bool end)
{
	buf_add(g->hold, s.p, s.n);
	return end;
}

/* Without a decoder the tokens stand apart. */
static void
decode_apart(Stage *g, Span s, bool end)
{
	if (g->flush)
		return;
	if (g->seen && !g->open)
		pass(g, SPAN(" "), false);
	pass(g, s, end);
	g->open = !end;
	g->seen += end;
}

static void
decode_fuse(Stage *g, Span s, bool end)
{
	(void)end;
	pass(g, s, g->flush);
}

/* The bytes behind a token, or its own if it is not of the alphabet. */
static void
token_bytes(Span s, Buf *out)
{
	size_t from = out->n;
	uint32_t ch;
	int b;

	for (size_t i = 0; i < s.n;) {
		i += utf8_get(s.p + i, &ch);
		if ((b = bytes_value(ch)) < 0) {
			out->n = from;
			buf_add(out, s.p, s.n);
			return;
		}
		buf_char(out, (char)b);
	}
}

/* Passes the bytes in hold as text; those of a character that is not there
 * yet stay, unless nothing will come. */
static void
pass_mended(Stage *g, bool last)
{
	Span s = {g->hold->p, g->hold->n};
	size_t n, kept;
	uint32_t ch;
	int ok;

	while (s.n > 0) {
		n = utf8_valid(s);
		pass(g, (Span){s.p, n}, false);
		s = (Span){s.p + n, s.n - n};
		if (s.n == 0)
			break;
		n = utf8_next(s.p, s.n, &ch, &ok);
		if (ok < 0 && !last)
			break;
		pass(g, SPAN("\xef\xbf\xbd"), false);
		s = (Span){s.p + n, s.n - n};
	}
	kept = s.n;
	memmove(g->hold->p, g->hold->p + g->hold->n - kept, kept);
	g->hold->n = kept;
}

static void
decode_bytes(Stage *g, Span s, bool end)
{
	buf_add(g->made, s.p, s.n);
	if (!end && !g->flush)
		return;
	token_bytes((Span){g->made->p, g->made->n}, g->hold);
	buf_clear(g->made);
	pass_mended(g, g->flush);
	if (g->flush)
		pass(g, (Span){0}, true);
}

/* Whether some rule of clean_up() may apply. */
static bool
may_clean(Span s)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == ' ' && s.p[i + 1] &&
		    strchr(".?!,'nd", s.p[i + 1]))
			return true;
	return false;
}

/* " ." -> "." and so on, one rule after the other. */
static void
clean_up(Buf *b, Buf *tmp)
{
	static const char *const rule[][2] = {
		{" .", "."},     {" ?", "?"},           {" !", "!"},
		{" ,", ","},     {" ' ", "'"},          {" n't", "n't"},
		{" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"},
		{" 've", "'ve"}, {" 're", "'re"},
	};

	if (!may_clean((Span){b->p, b->n}))
		return;
	for (size_t i = 0; i < LEN(rule); i++) {
		size_t n = strlen(rule[i][0]);

		buf_clear(tmp);
		for (size_t k = 0; k < b->n;)
			if (b->n - k >= n &&
			    memcmp(b->p + k, rule[i][0], n) == 0) {
				buf_str(tmp, rule[i][1]);
				k += n;
			} else {
				buf_char(tmp, b->p[k++]);
			}
		buf_clear(b);
		buf_add(b, tmp->p, tmp->n);
	}
}

static void
decode_wordpiece(Stage *g, Span s, bool end)
{
	Span prefix = ref_span(g->d->t, g->s->b);
	Span w;

	if (g->flush || !gather(g, s, end))
		return;
	w = (Span){g->hold->p, g->hold->n};
	buf_clear(g->made);
	if (g->seen++) {
		if (w.n >= prefix.n && memcmp(w.p, prefix.p, prefix.n) == 0)
			w = (Span){w.p + prefix.n, w.n - prefix.n};
		else
			buf_char(g->made, ' ');
	}
	buf_add(g->made, w.p, w.n);
	buf_clear(g->hold);
	if (g->s->flag)
		clean_up(g->made, g->hold);
	buf_clear(g->hold);
	pass_buf(g, g->made, true);
}

static void
decode_meta(Stage *g, Span s, bool end)
{
	Span mark = ref_span(g->d->t, g->s->b);
	bool drop = g->seen == 0 && g->s->num != META_NEVER;
	uint32_t ch;

	if (g->flush)
		return;
	buf_clear(g->made);
	for (size_t i = 0, n; i < s.n; i += n) {
		n = utf8_get(s.p + i, &ch);
		if (n != mark.n || memcmp(s.p + i, mark.p, n) != 0)
			buf_add(g->made, s.p + i, n);
		else if (!drop)
			buf_char(g->made, ' ');
	}
	g->seen += end;
	pass_buf(g, g->made, end);
}

static void
replace(Buf *out, Span s, Span what, Span with)
{
	for (size_t i = 0; i < s.n;)
		if (what.n && s.n - i >= what.n &&
		    memcmp(s.p + i, what.p, what.n) == 0) {
			buf_add(out, with.p, with.n);
			i += what.n;
		} else {
			buf_char(out, s.p[i++]);
		}
}

/* The suffix of words is a blank, but after the last word nothing, so one
 * word waits. */
static void
decode_suffix(Stage *g, Span s, bool end)
{
	Span suffix = ref_span(g->d->t, g->s->b);

	if (g->flush || (g->seen && !g->open)) {
		if (g->seen) {
			replace(g->made, (Span){g->hold->p, g->hold->n}, suffix,
			        g->flush ? (Span){0} : SPAN(" "));
			buf_clear(g->hold);
			pass_buf(g, g->made, true);
		}
	}
	if (g->flush)
		return;
	g->open = !gather(g, s, end);
	g->seen += end;
}

static bool
hex(char c, int *v)
{
	const char *digit = "0123456789abcdef", *p;

	c = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
	p = c ? strchr(digit, c) : NULL;
	*v = *v * 16 + (p ? (int)(p - digit) : 0);
	return p != NULL;
}

/* The byte that <0xHH> names, -1 if s is something else; a sign counts as
 * a digit's place, as in Rust's parser. */
static int
byte_token(Span s)
{
	int v = 0;

	if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
		return -1;
	if (s.p[3] == '+')
		return hex(s.p[4], &v) ? v : -1;
	return hex(s.p[3], &v) && hex(s.p[4], &v) ? v : -1;
}

/* A run of bytes is text, or as many U+FFFD as it has bytes. */
static void
pass_run(Stage *g)
{
	Span s = {g->made->p, g->made->n};

	if (s.n == 0)
		return;
	if (utf8_valid(s) == s.n)
		pass(g, s, true);
	else
		for (size_t i = 0; i < s.n; i++)
			pass(g, SPAN("\xef\xbf\xbd"), true);
	buf_clear(g->made);
}

static void
decode_fallback(Stage *g, Span s, bool end)
{
	int b;

	if (g->flush) {
		pass_run(g);
		return;
	}
	if (!gather(g, s, end))
		return;
	b = byte_token((Span){g->hold->p, g->hold->n});
	if (b >= 0) {
		buf_char(g->made, (char)b);
		buf_clear(g->hold);
		return;
	}
	pass_run(g);
	pass_buf(g, g->hold, true);
}

static bool
replace_regex(Stage *g, const Regex *re, Span s, Span with)
{
	Scan k = {.s = s};
	size_t done = 0;
	int rc = 0;

	while (s.n && (rc = regex_next(g->d->c, g->d->match, re, &k)) > 0) {
		buf_add(g->made, s.p + done, k.from - done);
		buf_add(g->made, with.p, with.n);
		done = k.to;
	}
	buf_add(g->made, s.p + done, s.n - done);
	return rc == 0;
}

static void
decode_replace(Stage *g, Span s, bool end)
{
	const Tokenizer *t = g->d->t;
	const Regex *re = t->regex[g->s - t->STEP];
	Span with = ref_span(t, g->s->b);

	if (g->flush || !gather(g, s, end))
		return;
	s = (Span){g->hold->p, g->hold->n};
	if (!re)
		replace(g->made, s, ref_span(t, g->s->a), with);
	else if (!replace_regex(g, re, s, with))
		g->d->failed = true;
	buf_clear(g->hold);
	pass_buf(g, g->made, true);
}

/* num of the character at the start and more of it at the end of every text
 * go; up to `more` of them wait at the end. */
static void
decode_strip(Stage *g, Span s, bool end)
{
	Span mark = ref_span(g->d->t, g->s->b);
	size_t n, i = 0, held;
	uint32_t ch;

	if (g->flush)
		return;
	while (!g->open && g->seen < g->s->num && i < s.n &&
	       s.n - i >= mark.n && memcmp(s.p + i, mark.p, mark.n) == 0) {
		g->seen++;
		i += mark.n;
	}
	g->open |= i < s.n;
	for (; i < s.n; i += n) {
		n = utf8_get(s.p + i, &ch);
		if (n != mark.n || memcmp(s.p + i, mark.p, n) != 0) {
			pass_buf(g, g->hold, false);
			pass(g, (Span){s.p + i, n}, false);
			continue;
		}
		buf_add(g->hold, mark.p, mark.n);
		held = g->hold->n / mark.n;
		if (held > g->s->more) {
			pass(g, mark, false);
			g->hold->n -= mark.n;
		}
	}
	if (end) {
		buf_clear(g->hold);
		pass(g, (Span){0}, true);
		g->seen = 0;
		g->open = false;
	}
}

/* Equal neighbours count once; padding goes, words part. */
static void
decode_ctc(Stage *g, Span s, bool end)
{
	const Tokenizer *t = g->d->t;
	Buf *now = g->hold, *was = g->last, *out = g->made;

	if (g->flush || !gather(g, s, end))
		return;
	s = (Span){now->p, now->n};
	if (!g->seen || was->n != s.n || memcmp(was->p, s.p, s.n) != 0) {
		g->seen = 1;
		buf_clear(was);
		buf_add(was, s.p, s.n);
		replace(out, s, ref_span(t, g->s->a), (Span){0});
		if (g->s->flag) {
			clean_up(out, now);
			buf_clear(now);
			replace(now, (Span){out->p, out->n},
			        ref_span(t, g->s->b), SPAN(" "));
			buf_clear(out);
			buf_add(out, now->p, now->n);
		}
		if (out->n)
			pass_buf(g, out, true);
	}
	buf_clear(now);
}

static StageFn *const run_of[] = {
#define DECODE(type, parse, run) run,
#include "steps.def"
};

static void
stage_init(Stage *g, Detok *d, Arena *a, const Step *s, StageFn *run)
{
	*g = (Stage){.d = d,
	             .s = s,
	             .run = run,
	             .hold = buf_new(a),
	             .made = buf_new(a),
	             .last = buf_new(a)};
}

Detok *
detok_open(Arena *a, const Tokenizer *t, bool skip_special)
{
	const uint32_t *at = t->meta->phase;
	size_t n = at[PHASE_DECODE + 1] - at[PHASE_DECODE];
	Detok *d = NEW(a, Detok);

	d->t = t;
	d->skip = skip_special;
	d->match = matcher_open(a);
	d->stage = NEWV(a, Stage, n + 2);
	for (size_t i = 0; i < n; i++) {
		const Step *s = t->STEP + at[PHASE_DECODE] + i;

		stage_init(&d->stage[i], d, a, s, run_of[s->kind]);
	}
	if (n == 0)
		stage_init(&d->stage[n++], d, a, NULL, decode_apart);
	stage_init(&d->stage[n], d, a, NULL, write_out);
	d->nstage = n;
	return d;
}

bool
detok_push(Ctx *c, Detok *d, int32_t id, Buf *out)
{
	const Token *k = d->t->TOKEN + id;

	if (id < 0 || (size_t)id >= d->t->n[SEC_TOKEN] ||
	    !(k->flag & TOKEN_KNOWN) || (d->skip && k->flag & TOKEN_SPECIAL))
		return true;
	d->c = c;
	d->out = out;
	d->stage->run(d->stage, (Span){d->t->TEXT + k->off, k->n}, true);
	return !d->failed;
}

bool
detok_flush(Ctx *c, Detok *d, Buf *out)
{
	d->c = c;
	d->out = out;
	for (size_t i = 0; i < d->nstage; i++) {
		Stage *g = d->stage + i;

		g->flush = true;
		g->run(g, (Span){0}, true);
		g->flush = g->open = false;
		g->seen = 0;
		buf_clear(g->hold);
		buf_clear(g->made);
	}
	return !d->failed;
}

bool
tokenizer_decode(Ctx *c, Arena *a, const Tokenizer *t, const int32_t *ids,
                 size_t n, bool skip_special, Buf *out)
{
	Detok *d = detok_open(a, t, skip_special);

	for (size_t i = 0; i < n; i++)
		if (!detok_push(c, d, ids[i], out))
			return false;
	return detok_flush(c, d, out);
}
