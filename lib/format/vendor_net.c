/* SPDX-License-Identifier: BSD-3-Clause
 * vendor_net.c - what a programqpc.bin says of its network.
 *
 * Inputs and outputs, in the order in which allowed shapes list them; a set
 * of shapes for each specialization; and, where the compiler was asked for
 * figures, each operator of each core. */

#include "networkdesc.pb-c.h"
#include "onnx_pb.h"
#include "vendor.h"

enum { MAJOR = 9, MAXSETS = 4096 };

static const DType types[] =
	{[0] = DT_F32, [1] = DT_F16,  [2] = DT_I8,    [3] = DT_U8,
         [4] = DT_I16, [5] = DT_I32,  [6] = DT_I32,   [7] = DT_I64,
         [8] = DT_I8,  [9] = DT_NONE, [10] = DT_NONE, [11] = DT_BF16};

const char *
vendor_type(Arena *a, const VendorIO *io)
{
	return io->type == DT_NONE ? arena_str(a, "type %d", io->code)
	                           : dtypes[io->type].name;
}

static bool
set_tensor(Ctx *c, VendorIO *io, int code, const int32_t *dim, size_t n)
{
	if (n > MAXRANK)
		return fail(c, QE_INPUT, "'%s': rank %zu, at most %d", io->name,
		            n, MAXRANK);
	io->code = code;
	io->type =
		code >= 0 && (size_t)code < LEN(types) ? types[code] : DT_NONE;
	io->shape.rank = (int)n;
	for (size_t i = 0; i < n; i++) {
		if (dim[i] < 0)
			return fail(c, QE_INPUT, "'%s': dimension %d", io->name,
			            (int)dim[i]);
		io->shape.dim[i] = dim[i];
	}
	return true;
}

static bool
take_binding(Ctx *c, Arena *a, const Netdesc__Binding *b, VendorIO *io)
{
	io->name = arena_dup(a, b->name);
	io->partial = b->partial;
	if (!*io->name)
		return fail(c, QE_INPUT, "an input or output without a name");
	return !b->outside || set_tensor(c, io, b->outside->type,
	                                 b->outside->dims, b->outside->n_dims);
}

static bool
take_bindings(Ctx *c, Arena *a, const Netdesc__Network *m, VendorNet *net)
{
	size_t n = m->n_inputs + m->n_outputs;

	if (n > INT32_MAX / 2)
		return fail(c, QE_INPUT, "%zu inputs and outputs", n);
	net->nin = (int)m->n_inputs;
	net->nio = (int)n;
	net->io = NEWV(a, VendorIO, n + 1);
	for (int i = 0; i < net->nio; i++) {
		net->io[i].output = i >= net->nin;
		if (!take_binding(c, a,
		                  i < net->nin ? m->inputs[i]
		                               : m->outputs[i - net->nin],
		                  &net->io[i]))
			return false;
	}
	return true;
}

static bool
take_allowed(Ctx *c, Arena *a, const Netdesc__Network *m, VendorNet *net)
{
	if (m->n_allowed > MAXSETS)
		return fail(c, QE_INPUT, "%zu sets of shapes, at most %d",
		            m->n_allowed, MAXSETS);
	net->nallowed = (int)m->n_allowed;
	net->allowed = NEWV(a, VendorIO *, m->n_allowed + 1);
	for (size_t s = 0; s < m->n_allowed; s++) {
		const Netdesc__Shapes *set = m->allowed[s];
		VendorIO *io =
			arena_copy(a, net->io, (size_t)net->nio * sizeof *io);

		if (set->n_shapes != (size_t)net->nio)
			return fail(
				c, QE_INPUT,
				"set %zu has %zu shapes for %d inputs and outputs",
				s, set->n_shapes, net->nio);
		for (int i = 0; i < net->nio; i++)
			if (!set_tensor(c, &io[i], set->shapes[i]->type,
			                set->shapes[i]->dims,
			                set->shapes[i]->n_dims))
				return note(c, "set %zu", s);
		net->allowed[s] = io;
	}
	return true;
}

static void
take_group(Arena *a, const Netdesc__Group *g, int core, int group,
           VendorNet *net, size_t *cap)
{
	for (size_t i = 0; i < g->n_operators; i++) {
		const Netdesc__Operator *o = g->operators[i];

		PUSH(a, net->op, net->nop, *cap,
		     ((VendorOp){core, group, arena_dup(a, o->name),
		                 arena_dup(a, o->kind), arena_dup(a, o->type),
		                 arena_dup(a, o->memory),
		                 arena_dup(a, o->shape), o->bytes}));
	}
}

static void
take_operators(Arena *a, const Netdesc__Stats *s, VendorNet *net)
{
	size_t cap = 0;

	for (size_t i = 0; s && i < s->n_cores; i++)
		for (size_t k = 0; k < s->cores[i]->n_groups; k++)
			take_group(a, s->cores[i]->groups[k], (int)i, (int)k,
			           net, &cap);
}

bool
vendor_net(Ctx *c, Arena *a, const VendorQpc *q, VendorNet *net)
{
	const VendorSegment *s = vendor_find(q, "networkdesc.bin");
	const Netdesc__Network *m;
	Ctx trial = {.tool = c->tool};

	*net = (VendorNet){0};
	if (!s)
		return fail(c, QE_INPUT, "no segment 'networkdesc.bin'");
	m = pb_unpack(&trial, a, &netdesc__network__descriptor, s->data, false);
	arena_free(&trial.mem);
	if (!m)
		return fail(
			c, QE_INPUT,
			"networkdesc.bin: damaged, or no description of a network");
	net->name = arena_dup(a, m->name);
	net->major = (int)m->major;
	net->minor = (int)m->minor;
	net->cores = (int)m->cores;
	net->threads = (int)m->threads;
	net->batch = m->batch;
	if (net->major != MAJOR)
		say(c, 0, "networkdesc.bin has version %d, this reads %d",
		    net->major, MAJOR);
	for (size_t i = 0; i < m->n_buffers; i++)
		*(m->buffers[i]->out ? &net->out_bytes : &net->in_bytes) +=
			m->buffers[i]->size;
	take_operators(a, m->stats, net);
	return (take_bindings(c, a, m, net) && take_allowed(c, a, m, net)) ||
	       note(c, "networkdesc.bin");
}
