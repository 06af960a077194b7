/* SPDX-License-Identifier: BSD-3-Clause
 * sketch.c - boxes as text for Graphviz, and as a drawing of our own.
 *
 * The drawing is one column.  What goes to the next box is a straight line,
 * what goes further passes on the right, the further the wider.  All places
 * are whole numbers, so that the same model gives the same bytes. */

#include "sketch.h"

enum {
	GLYPH = 8, /* of a fixed-width letter of 13 points */
	LINE = 17,
	PAD = 12,
	GAP = 34,
	SHADE = 5,
	LANE = 14,
	LANES = 8,
	MAXLINE = 72
};

Sketch *
sketch_new(Arena *a, const char *title)
{
	Sketch *s = NEW(a, Sketch);

	s->mem = a;
	s->title = title;
	s->linked = dict_new(a);
	return s;
}

int
sketch_box(Sketch *s, const char *name, const char *holds)
{
	Box b = {.name = name, .holds = holds, .times = 1};

	PUSH(s->mem, s->box, s->nbox, s->capbox, b);
	return s->nbox - 1;
}

void
sketch_link(Sketch *s, int from, int to)
{
	Link l = {from, to};
	char *key;

	if (from == to)
		return;
	key = arena_str(s->mem, "%d %d", from, to);
	if (dict_has(s->linked, key))
		return;
	dict_set(s->linked, key, s);
	PUSH(s->mem, s->link, s->nlink, s->caplink, l);
}

int
sketch_repeats(const int *class, int i, int n, int *len, int *times)
{
	enum { MAXPERIOD = 64 };

	*len = *times = 1;
	for (int l = 1; l <= MAXPERIOD && l <= (n - i) / 2; l++) {
		int same = 0;

		while (i + l + same < n &&
		       class[i + same] == class[i + l + same])
			same++;
		if (same >= l && (same / l + 1) * l > *len * *times) {
			*len = l;
			*times = same / l + 1;
		}
	}
	return *len * *times;
}

/* ---- lines of a box ---- */

static const char *
heading(const Sketch *s, const Box *b)
{
	return b->times > 1 ? arena_str(s->mem, "%s, %lld times", b->name,
	                                (long long)b->times)
	                    : b->name;
}

/* Calls fn for each line: the name, what is in it, its size. */
typedef void LineFn(void *arg, Span line, int k);

static int
each_line(const Sketch *s, const Box *b, LineFn *fn, void *arg)
{
	const char *p = b->holds;
	int k = 0;

	fn(arg, SPAN(heading(s, b)), k++);
	while (*p) {
		size_t n = strcspn(p, "\n");

		fn(arg, (Span){p, n}, k++);
		p += n + (p[n] != 0);
	}
	if (b->parameters)
		fn(arg,
		   SPAN(arena_str(s->mem, "%lld parameters, %lld bytes",
		                  (long long)b->parameters,
		                  (long long)b->bytes)),
		   k++);
	return k;
}

/* What XML and Graphviz both take: UTF-8 without control characters and
 * noncharacters, cut where it is too long. */
static char *
clean(Arena *a, Span s)
{
	size_t n = MIN(s.n, (size_t)MAXLINE);
	bool cut = n < s.n;
	char *t = arena_span(a, (Span){s.p, n});

	if (cut)
		while (n && ((unsigned char)t[n - 1] & 0xc0) == 0x80)
			n--; /* back to the begin of the last character */
	if (cut && n && (unsigned char)t[n - 1] >= 0xc0)
		n--;
	t[n] = 0;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)t[i] < ' ' || t[i] == 0x7f)
			t[i] = ' ';
	for (size_t i = utf8_valid((Span){t, n}); i < n;
	     i = utf8_valid((Span){t, n}))
		t[i] = '?';
	for (char *p = t; (p = strstr(p, "\xef\xbf")) != NULL; p++)
		if ((unsigned char)p[2] >= 0xbe)
			memset(p, '?', 3);
	return cut ? arena_str(a, "%s...", t) : t;
}

/* ---- Graphviz ---- */

typedef struct Draw {
	Arena *mem;
	Buf *b;
	int x, y; /* of the first line */
	size_t widest;
} Draw;

static void
dot_line(void *arg, Span line, int k)
{
	Draw *d = arg;

	buf_str(d->b, k ? "\\n" : "");
	for (const char *p = clean(d->mem, line); *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_char(d->b, '\\');
		buf_char(d->b, *p);
	}
}

void
sketch_dot(Buf *b, const Sketch *s)
{
	Draw d = {.mem = s->mem, .b = b};

	buf_str(b, "digraph \"");
	dot_line(&d, SPAN(s->title), 0);
	buf_str(b, "\" {\n\tnode [shape=box];\n");
	for (int i = 0; i < s->nbox; i++) {
		buf_fmt(b, "\tn%d [label=\"", i);
		each_line(s, &s->box[i], dot_line, &d);
		buf_fmt(b, "\"%s];\n",
		        s->box[i].times > 1 ? ", peripheries=2" : "");
	}
	for (int i = 0; i < s->nlink; i++)
		buf_fmt(b, "\tn%d -> n%d;\n", s->link[i].from, s->link[i].to);
	buf_str(b, "}\n");
}

/* ---- the drawing ---- */

static void
measure_line(void *arg, Span line, int k)
{
	Draw *d = arg;

	(void)k;
	d->widest = MAX(d->widest, strlen(clean(d->mem, line)));
}

static void
xml(Buf *b, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			buf_str(b, "&amp;");
			break;
		case '<':
			buf_str(b, "&lt;");
			break;
		case '>':
			buf_str(b, "&gt;");
			break;
		default:
			buf_char(b, *s);
		}
}

static void
svg_line(void *arg, Span line, int k)
{
	Draw *d = arg;

	buf_fmt(d->b, "<text x=\"%d\" y=\"%d\"%s>", d->x, d->y + k * LINE,
	        k ? "" : " font-weight=\"bold\"");
	xml(d->b, clean(d->mem, line));
	buf_str(d->b, "</text>\n");
}

static void
rect(Buf *b, int x, int y, int w, int h)
{
	buf_fmt(b,
	        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/>\n",
	        x, y, w, h);
}

typedef struct Row {
	int y, h;
} Row;

static void
svg_box(Draw *d, const Sketch *s, const Box *b, Row r, int w)
{
	d->x = 2 * PAD;
	d->y = r.y + LINE;
	buf_str(d->b, "<g fill=\"#f4f4f4\" stroke=\"#444\">\n");
	if (b->times > 1)
		rect(d->b, PAD + SHADE, r.y + SHADE, w, r.h);
	rect(d->b, PAD, r.y, w, r.h);
	buf_str(d->b, "</g>\n");
	each_line(s, b, svg_line, d);
}

static void
svg_link(Draw *d, const Row *row, Link l, int w)
{
	const Row *f = &row[l.from], *t = &row[l.to];
	int x = PAD + w, far = l.to - l.from;
	int out = x + LANE * MIN(MAX(far, -far), LANES);

	if (far == 1)
		buf_fmt(d->b, "<path d=\"M%d %dV%d\"/>\n", PAD + w / 2,
		        f->y + f->h, t->y - 2);
	else
		buf_fmt(d->b, "<path d=\"M%d %dC%d %d %d %d %d %d\"/>\n", x,
		        f->y + f->h - PAD, out + LANE, f->y + f->h, out + LANE,
		        t->y, x + 2, t->y + PAD);
}

static Row *
place(Draw *d, const Sketch *s, int *bottom)
{
	Row *row = NEWV(s->mem, Row, s->nbox + 1);
	int y = PAD;

	for (int i = 0; i < s->nbox; i++) {
		int n = each_line(s, &s->box[i], measure_line, d);

		row[i] = (Row){y, n * LINE + PAD};
		y += row[i].h + GAP;
	}
	*bottom = y - GAP + PAD + SHADE;
	return row;
}

/* The room that links need on the right. */
static int
margin(const Sketch *s)
{
	int most = 0;

	for (int i = 0; i < s->nlink; i++) {
		int far = s->link[i].to - s->link[i].from;

		if (far != 1)
			most = MAX(most, MAX(far, -far));
	}
	return most ? LANE * (MIN(most, LANES) + 1) : SHADE;
}

void
sketch_svg(Buf *b, const Sketch *s)
{
	Draw d = {.mem = s->mem, .b = b};
	int bottom, w;
	Row *row = place(&d, s, &bottom);

	w = (int)d.widest * GLYPH + 2 * PAD;
	buf_fmt(b,
	        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"monospace\" font-size=\"13\">\n<title>",
	        w + 2 * PAD + margin(s), MAX(bottom, 2 * PAD));
	xml(b, clean(s->mem, SPAN(s->title)));
	buf_str(b,
	        "</title>\n"
	        "<defs><marker id=\"head\" markerWidth=\"8\" markerHeight=\"8\" refX=\"6\" refY=\"3\" orient=\"auto\"><path d=\"M0 0L6 3L0 6z\"/></marker></defs>\n");
	for (int i = 0; i < s->nbox; i++)
		svg_box(&d, s, &s->box[i], row[i], w);
	buf_str(b,
	        "<g fill=\"none\" stroke=\"#444\" marker-end=\"url(#head)\">\n");
	for (int i = 0; i < s->nlink; i++)
		svg_link(&d, row, s->link[i], w);
	buf_str(b, "</g>\n</svg>\n");
}
