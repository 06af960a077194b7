/* SPDX-License-Identifier: BSD-3-Clause
 * run_labels.c - an encoder at work: vectors and labels of texts. */

#include "npy.h"
#include "task.h"

/* ---- vectors ---- */

static void
vector_text(Buf *b, const float *v, int64_t n, const char *sep)
{
	for (int64_t i = 0; i < n; i++)
		buf_fmt(b, "%s%.9g", i ? sep : "", (double)v[i]);
}

static TextPair *
pairs_of(Task *t, char *const *text, size_t n)
{
	TextPair *p = NEWV(t->a, TextPair, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i].text = SPAN(text[i]);
	return p;
}

bool
run_embed(Task *t)
{
	char **text;
	size_t n;
	TextPair *pair;
	int64_t width;
	float *v;
	Buf *b = buf_new(t->a);
	enum Pooling how =
		t->o->pooling ? pool_by_name(t->o->pooling) : POOL_NONE;

	if (how == POOL_COUNT)
		return fail(t->c, QE_USAGE,
		            "--pooling '%s': not one of mean cls max last",
		            t->o->pooling);
	if (!task_texts(t, &text, &n))
		return false;
	if (!n)
		return fail(t->c, QE_USAGE,
		            "no text: give -p or text on standard input");
	pair = pairs_of(t, text, n);
	if (!encode_texts(t->c, t->a, t->s, pair, (int)n, how, t->o->normalize,
	                  &v, &width))
		return false;
	if (t->o->output) {
		Value x = {.type = DT_F32,
		           .shape = {2, {(int64_t)n, width}},
		           .data = {.mem = v,
		                    .len = (int64_t)n * width *
		                           (int64_t)sizeof *v}};

		return npy_write(t->c, t->o->output, &x);
	}
	for (size_t i = 0; i < n; i++) {
		buf_str(b, t->o->json ? "[" : "");
		vector_text(b, v + (int64_t)i * width, width,
		            t->o->json ? ", " : " ");
		buf_str(b, t->o->json ? "]\n" : "\n");
	}
	return task_print(t, b->p, b->n);
}

/* ---- labels ---- */

static void
put_label(Task *t, Json *o, const float *p, int64_t n)
{
	int64_t best = argmax(p, n);

	json_put_str(o, "label", label_name(t->s, t->a, best));
	json_put_num(o, "score", (double)p[best]);
}

/* label, probability of the likeliest; with --json of all */
static void
print_class(Task *t, Buf *b, const char *text, const Labelled *y)
{
	Json *o = json_new(t->a), *all = json_new(t->a);
	int64_t best = argmax(y->p, y->n);

	if (!t->o->json) {
		buf_fmt(b, "%s\t%.6f\n", label_name(t->s, t->a, best),
		        (double)y->p[best]);
		return;
	}
	put_label(t, o, y->p, y->n);
	for (int64_t i = 0; i < y->n; i++)
		json_put_num(all, label_name(t->s, t->a, i), (double)y->p[i]);
	json_put(o, "scores", json_share(all));
	json_put_str(o, "text", text);
	json_print(b, o, 0);
	buf_char(b, '\n');
}

/* A line for each token that is no special one: token, label, probability;
 * an empty line, or with --json a list, for each text. */
static void
print_tokens(Task *t, Buf *b, const char *text, const Labelled *y)
{
	Json *o = json_new(t->a), *list = json_new_array(t->a);

	for (int64_t r = 0; r < y->rows; r++) {
		const float *p = y->p + r * y->n;
		const char *name =
			tokenizer_token(t->s->tok, t->a, y->ids.id[r]);
		int64_t best = argmax(p, y->n);
		Json *one;

		if (tokenizer_is_special(t->s->tok, y->ids.id[r]))
			continue;
		if (!t->o->json) {
			buf_fmt(b, "%s\t%s\t%.6f\n", name ? name : "",
			        label_name(t->s, t->a, best), (double)p[best]);
			continue;
		}
		one = json_new(t->a);
		json_put_str(one, "token", name);
		json_put_int(one, "id", y->ids.id[r]);
		put_label(t, one, p, y->n);
		json_push(list, json_share(one));
	}
	if (t->o->json) {
		json_put(o, "tokens", json_share(list));
		json_put_str(o, "text", text);
		json_print(b, o, 0);
	}
	buf_char(b, '\n');
}

/* How well a document answers the query, in the order they were given. */
static void
print_rank(Task *t, Buf *b, int i, const char *text, const Labelled *y)
{
	Json *o = json_new(t->a);
	double p = (double)y->p[y->n - 1];

	if (!t->o->json) {
		buf_fmt(b, "%.6f\t%s\n", p, text);
		return;
	}
	json_put_int(o, "index", i);
	json_put_num(o, "score", p);
	json_put_str(o, "text", text);
	json_print(b, o, 0);
	buf_char(b, '\n');
}

bool
run_labels(Task *t)
{
	char **text;
	size_t n, first = t->o->rerank ? 1 : 0;
	TextPair *pair;
	Labelled *y;
	Buf *b = buf_new(t->a);

	if (!task_texts(t, &text, &n))
		return false;
	if (n <= first)
		return fail(
			t->c, QE_USAGE, "%s",
			first ? "--rerank takes a query and then documents"
			      : "no text: give -p or text on standard input");
	pair = pairs_of(t, text, n);
	for (size_t i = 1; first && i < n; i++)
		pair[i] = (TextPair){SPAN(text[0]), SPAN(text[i])};
	y = NEWV(t->a, Labelled, n);
	if (!label_texts(t->c, t->a, t->s, pair + first, (int)(n - first),
	                 t->o->tokens, y))
		return false;
	for (size_t i = 0; i < n - first; i++) {
		if (t->o->rerank)
			print_rank(t, b, (int)i, text[i + first], &y[i]);
		else if (t->o->tokens)
			print_tokens(t, b, text[i], &y[i]);
		else
			print_class(t, b, text[i], &y[i]);
	}
	return task_print(t, b->p, b->n);
}
