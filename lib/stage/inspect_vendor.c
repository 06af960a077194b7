/* SPDX-License-Identifier: BSD-3-Clause
 * inspect_vendor.c - what a programqpc.bin holds, without SDK or card. */

#include "inspect.h"
#include "qpc.h"
#include "vendor.h"

typedef struct Show {
	Ctx *c;
	Arena *a;
	const qe_inspect *opt;
	VendorQpc q;
	VendorNet net;
	Json *out;
} Show;

static void
put_segments(Show *s)
{
	Json *list = inspect_list(s->out, "segments");

	for (int i = 0; i < s->q.n; i++) {
		Json *e = inspect_entry(list);

		json_put_str(e, "name", s->q.segment[i].name);
		json_put_int(e, "bytes", (int64_t)s->q.segment[i].data.n);
	}
}

/* The offset of constants.bin parts it in two. */
static void
put_constants(Show *s)
{
	const VendorSegment *k = vendor_find(&s->q, "constants.bin");
	Json *o;

	if (!k)
		return;
	o = inspect_object(s->out, "constants_bytes");
	json_put_int(o, "static", (int64_t)MIN(k->offset, k->data.n));
	json_put_int(o, "dynamic",
	             (int64_t)(k->data.n - MIN(k->offset, k->data.n)));
}

static void
put_io(Show *s, const VendorIO *io, Json *list)
{
	Json *e = inspect_entry(list);

	json_put_str(e, "name", io->name);
	json_put_str(e, "dtype", vendor_type(s->a, io));
	json_put(e, "shape", inspect_dims(&io->shape, NULL));
}

static void
put_ios(Show *s, const VendorIO *io, Json *o)
{
	Json *in = inspect_list(o, "inputs"), *out = inspect_list(o, "outputs");

	for (int i = 0; i < s->net.nio; i++)
		put_io(s, &io[i], i < s->net.nin ? in : out);
}

static void
put_network(Show *s)
{
	const VendorNet *n = &s->net;
	Json *o = inspect_object(s->out, "network"), *list;

	json_put_str(o, "name", n->name);
	json_put_str(o, "version",
	             arena_str(s->a, "%d.%d", n->major, n->minor));
	json_put_int(o, "cores", n->cores);
	json_put_int(o, "threads", n->threads);
	json_put_int(o, "batch_size", n->batch);
	json_put_int(o, "transfer_in_bytes", n->in_bytes);
	json_put_int(o, "transfer_out_bytes", n->out_bytes);
	put_ios(s, n->io, s->out);
	list = inspect_list(s->out, "specializations");
	for (int i = 0; i < n->nallowed; i++) {
		o = inspect_entry(list);
		json_put_str(o, "name", arena_str(s->a, "%d", i));
		put_ios(s, n->allowed[i], o);
	}
}

/* How many of each kind on each core; all of them with --tensors. */
static void
put_operators(Show *s)
{
	Json *counts = inspect_object(s->out, "operators"), *each = NULL, *o;
	const VendorNet *n = &s->net;

	if (s->opt->tensors)
		each = inspect_list(s->out, "compiled");
	for (int i = 0; i < n->nop; i++) {
		const VendorOp *op = &n->op[i];

		json_put_int(counts, op->kind,
		             json_get_int(counts, op->kind, 0) + 1);
		if (!each)
			continue;
		o = inspect_entry(each);
		json_put_int(o, "core", op->core);
		json_put_int(o, "group", op->group);
		json_put_str(o, "name", op->name);
		json_put_str(o, "kind", op->kind);
		json_put_str(o, "type", op->type);
		json_put_str(o, "memory", op->memory);
		json_put_str(o, "shape", op->shape);
		json_put_int(o, "bytes", (int64_t)op->bytes);
	}
}

/* Names in a file are not to choose where we write. */
static bool
extract(Show *s, const char *dir)
{
	if (!dir_make(s->c, dir))
		return false;
	for (int i = 0; i < s->q.n; i++) {
		const VendorSegment *g = &s->q.segment[i];

		if (!qpc_name_ok(g->name) || strchr(g->name, '/'))
			return fail(s->c, QE_INPUT,
			            "segment '%s': no name for a file",
			            g->name);
		if (!file_write(s->c, path_join(s->a, dir, g->name), g->data.p,
		                g->data.n))
			return false;
	}
	return true;
}

static bool
replace(Show *s, const char *text)
{
	const char *eq = strchr(text, '=');
	const char *name =
		eq ? arena_span(s->a, (Span){text, (size_t)(eq - text)}) : "";

	for (int i = 0; i < s->q.n; i++)
		if (strcmp(s->q.segment[i].name, name) == 0)
			return file_map(s->c, s->a, eq + 1,
			                &s->q.segment[i].data);
	return fail(
		s->c, QE_USAGE,
		"--replace '%s': wanted SEGMENT=FILE, of a segment that is there",
		text);
}

static bool
rewrite(Show *s)
{
	Out *o;

	for (const char *const *r = s->opt->replace; *r; r++)
		if (!replace(s, *r))
			return false;
	o = out_open(s->c, s->a, s->opt->out);
	return o && vendor_write(s->c, o, &s->q) && out_commit(s->c, o);
}

bool
inspect_vendor(Ctx *c, Arena *a, Span file, const qe_inspect *opt, Json *out)
{
	Show s = {.c = c, .a = a, .opt = opt, .out = out};

	if (!vendor_read(c, a, file, &s.q))
		return false;
	if (opt->extract && !extract(&s, opt->extract))
		return false;
	if (opt->replace)
		return rewrite(&s);
	json_put_str(out, "version",
	             arena_str(a, "%d.%d", s.q.major, s.q.minor));
	put_segments(&s);
	put_constants(&s);
	if (!vendor_find(&s.q, "networkdesc.bin"))
		return true; /* an outer file of several devices has none */
	if (!vendor_net(c, a, &s.q, &s.net))
		return false;
	put_network(&s);
	put_operators(&s);
	return true;
}
