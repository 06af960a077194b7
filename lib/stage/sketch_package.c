/* SPDX-License-Identifier: BSD-3-Clause
 * sketch_package.c - a package as boxes: each program, by its kernels.
 *
 * A program of ours is a list of steps; those that come again and again are
 * the layers.  Of a card's package, whose programs nobody reads, there are
 * the sizes it was compiled for. */

#include "host.h"
#include "sketch.h"

enum { LAYER = 4, WRAP = 58 }; /* steps of a layer, at least */

typedef struct Pack {
	Arena *a;
	Sketch *s;
	int last; /* box; -1: none yet */
} Pack;

static Box *
add(Pack *p, const char *name, const char *holds)
{
	int at = sketch_box(p->s, name, holds);

	if (p->last >= 0)
		sketch_link(p->s, p->last, at);
	p->last = at;
	return &p->s->box[at];
}

/* "input_ids : int64[1,32]", a line each. */
static const char *
ends(Pack *p, const HostProgram *program, bool output)
{
	enum { FEW = 12 };
	Buf *b = buf_new(p->a);
	HostIO *io;
	int n = host_ios(program, &io), shown = 0, more = 0;

	for (int i = 0; i < n; i++) {
		if (io[i].output != output)
			continue;
		if (shown == FEW) {
			more++;
			continue;
		}
		buf_fmt(b, "%s%s : %s%s", shown++ ? "\n" : "", io[i].name,
		        dtypes[io[i].type].name, shape_text(&io[i].shape).s);
	}
	if (more)
		buf_fmt(b, "\nand %d more", more);
	return b->p;
}

/* How many of each kernel there are. */
static const char *
kernels(Pack *p, const HostStep *step, int n)
{
	Dict *count = dict_new(p->a);
	Buf *b = buf_new(p->a);
	size_t line = 0;

	for (int i = 0; i < n; i++) {
		int *k = dict_get(count, step[i].kernel);

		if (!k)
			dict_set(count, step[i].kernel, k = NEW(p->a, int));
		++*k;
	}
	buf_fmt(b, "%d step%s", n, n == 1 ? "" : "s");
	for (size_t i = 0; i < count->n; i++) {
		bool wrap = i == 0 || b->n - line > WRAP;

		buf_str(b, wrap ? "\n" : ", ");
		line = wrap ? b->n : line;
		buf_fmt(b, "%s %d", count->item[i].key,
		        *(int *)count->item[i].value);
	}
	return b->p;
}

/* Steps by kernel and format of weights, as numbers. */
static int *
classes(Pack *p, const HostStep *step, int n)
{
	Dict *seen = dict_new(p->a);
	int *class = NEWV(p->a, int, n + 1);

	for (int i = 0; i < n; i++) {
		char *key = arena_str(p->a, "%s %s", step[i].kernel,
		                      step[i].format ? step[i].format : "");
		int *first = dict_get(seen, key);

		if (!first)
			dict_set(seen, key, &class[i]);
		class[i] = first ? *first : i;
	}
	return class;
}

static void
add_steps(Pack *p, const HostStep *step, int n)
{
	int *class = classes(p, step, n), from = 0, len, times;

	for (int i = 0; i <= n;) {
		int all = i < n ? sketch_repeats(class, i, n, &len, &times) : 0;
		bool layers = all && times > 1 && len >= LAYER;

		if (i < n && !layers) {
			i++;
			continue;
		}
		if (i > from)
			add(p, "steps", kernels(p, step + from, i - from));
		if (layers)
			add(p, "layers", kernels(p, step + i, len))->times =
				times;
		from = i += MAX(all, 1);
	}
}

/* Programs of other sizes have the same steps. */
static bool
alike(const HostProgram *a, const HostProgram *b)
{
	const HostStep *s, *t;
	int n = host_steps(a, &s);

	if (host_steps(b, &t) != n)
		return false;
	for (int i = 0; i < n; i++)
		if (strcmp(s[i].kernel, t[i].kernel) != 0)
			return false;
	return true;
}

/* Those from i on that are like it; their names and first inputs. */
static int
same_steps(HostModel *m, int i, Buf *names)
{
	int n = 1;

	for (; i + n < host_count(m); n++) {
		HostProgram *next = host_program(m, i + n);
		HostIO *io;

		if (!alike(host_program(m, i), next))
			break;
		buf_fmt(names, "\n%s %s", n == 1 ? "the same steps:" : " ",
		        host_name(next));
		if (host_ios(next, &io))
			buf_fmt(names, ", %s : %s", io[0].name,
			        shape_text(&io[0].shape).s);
	}
	return n;
}

static bool
add_programs(Ctx *c, Pack *p, const Qpc *q)
{
	HostModel *m = host_open(c, p->a, q, 1, NULL);

	for (int i = 0, n; m && i < host_count(m); i += n) {
		HostProgram *program = host_program(m, i);
		Buf *holds = buf_new(p->a);
		const HostStep *step;
		int steps = host_steps(program, &step);

		buf_str(holds, ends(p, program, false));
		n = same_steps(m, i, holds);
		p->last = -1;
		add(p, host_name(program), holds->p);
		add_steps(p, step, steps);
		add(p, "outputs", ends(p, program, true));
	}
	return m != NULL;
}

/* The sizes that a card's program was compiled for. */
static void
add_sizes(Pack *p, const Json *specs)
{
	for (size_t i = 0; i < json_len(specs); i++) {
		const Json *sym = json_get(json_at(specs, i), "symbols");
		Buf *b = buf_new(p->a);

		if (json_is(sym, json_type_object)) {
			Json *o = (Json *)(uintptr_t)sym;

			json_object_object_foreach(o, name, n)
				buf_fmt(b, "%s%s %lld", b->n ? "\n" : "", name,
			                (long long)json_int(n, -1));
		}
		p->last = 0;
		add(p, json_get_str(json_at(specs, i), "name", "?"), b->p);
	}
}

Sketch *
sketch_package(Ctx *c, Arena *a, const Qpc *q)
{
	const Json *m = q->manifest;
	const char *backend = json_get_str(m, "backend", "host");
	Pack p = {.a = a,
	          .s = sketch_new(a, json_get_str(json_get(m, "model"),
	                                          "model_type", "package")),
	          .last = -1};
	Span binary;

	if (strcmp(backend, "host") == 0)
		return add_programs(c, &p, q) ? p.s : NULL;
	if (!qpc_member(c, q, "programqpc.bin", &binary))
		return NULL;
	add(&p, "programqpc.bin",
	    arena_str(a, "for %s, %lld devices\n%zu bytes", backend,
	              (long long)json_get_int(m, "devices", 1), binary.n));
	add_sizes(&p, json_get(m, "specializations"));
	return p.s;
}
