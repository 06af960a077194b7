/* SPDX-License-Identifier: BSD-3-Clause
 * engine_card.c - a Qualcomm card as an engine.
 *
 * Which shapes go together, programqpc.bin tells; which of them is which
 * program, the manifest does, by the same place in the list.  Tensors that
 * are retained are no inputs and outputs here.  A card that speaks 16-bit
 * floats is given and gives float32. */

#include <stdlib.h>

#include "card.h"
#include "contract.h"
#include "engine.h"
#include "vendor.h"

enum { ALIGN = 4096, MAXDEVICE = 64 };

typedef struct Wire { /* of one input or output */
	int buffer;   /* of the card */
	DType type;   /* on the wire; the program's is float32 if 16 bit */
	void *data;   /* aligned, as it goes over */
	int64_t bytes, count;
} Wire;

typedef struct CardModel {
	Card *card;
	VendorNet net;
	CardBuffer *buffer; /* [card_buffers] */
	Wire **wire;        /* [program][io] */
} CardModel;

/* X with an X_RetainedState, or the latter. */
static bool
is_retained(const VendorNet *n, const VendorIO *io)
{
	if (io->output)
		return str_ends(io->name, "RetainedState");
	for (int i = n->nin; i < n->nio; i++) {
		const char *out = io_base(n->io[i].name);
		size_t len = strlen(io_base(io->name));

		if (strncmp(out, io_base(io->name), len) == 0 &&
		    (strcmp(out + len, "_RetainedState") == 0 ||
		     strcmp(out + len, "_InternalRetainedState") == 0))
			return true;
	}
	return false;
}

static void
give_back(void *p)
{
	free(p);
}

static void *
aligned(Arena *a, int64_t bytes)
{
	size_t n = ((size_t)bytes + ALIGN) / ALIGN * ALIGN;
	void *p = aligned_alloc(ALIGN, n);

	if (!p)
		qe_nomem();
	memset(p, 0, n);
	arena_defer(a, give_back, p);
	return p;
}

static bool
is_half(DType t)
{
	return t == DT_F16 || t == DT_BF16;
}

static bool
add_io(Ctx *c, Arena *a, CardModel *k, const VendorIO *v, Program *p, Wire *w)
{
	IO *io = &p->io[p->nio];

	*io = (IO){.name = io_base(v->name),
	           .type = is_half(v->type) ? DT_F32 : v->type,
	           .shape = v->shape,
	           .output = v->output};
	w->type = v->type;
	w->count = shape_count(&v->shape);
	w->bytes = dtype_bytes(v->type, w->count);
	w->buffer = card_buffer(k->card, v->name);
	if (v->type == DT_NONE || w->bytes < 0 || w->buffer < 0)
		return fail(c, QE_INPUT, "'%s': %s", v->name,
		            w->buffer < 0 ? "the library knows no such buffer"
		                          : "a type or size that is not known");
	w->data = aligned(a, w->bytes);
	io->data = w->data;
	if (is_half(v->type))
		io->data = arena_array(a, (size_t)w->count + 1, sizeof(float));
	p->nio++;
	return true;
}

static bool
add_program(Ctx *c, Arena *a, CardModel *k, const VendorIO *io, Program *p,
            Wire **wire)
{
	p->io = NEWV(a, IO, k->net.nio + 1);
	*wire = NEWV(a, Wire, k->net.nio + 1);
	for (int i = 0; i < k->net.nio; i++)
		if (!is_retained(&k->net, &k->net.io[i]) &&
		    !add_io(c, a, k, &io[i], p, *wire + p->nio))
			return false;
	return true;
}

static bool
read_devices(Ctx *c, const char *list, Arena *a, int64_t want, int32_t *id,
             int *n)
{
	char **word;
	int64_t d;

	for (*n = 0; !list && *n < MIN(want, MAXDEVICE); ++*n)
		id[*n] = *n;
	if (!list)
		return true;
	list = arena_span(a, (Span){list + (*list == '['),
	                            strcspn(list + (*list == '['), "]")});
	for (word = str_split(a, list, ','); *word; word++) {
		if (!str_int(*word, &d) || d < 0 || d > INT32_MAX ||
		    *n == MAXDEVICE)
			return fail(c, QE_USAGE,
			            "--device-group '%s': not a device", *word);
		id[(*n)++] = (int32_t)d;
	}
	if (*n != want)
		return fail(
			c, QE_USAGE,
			"--device-group: %d devices, the package is for %lld",
			*n, (long long)want);
	return true;
}

static bool
open_card(Ctx *c, Arena *a, const Qpc *q, const EngineOptions *o, CardModel *k)
{
	int64_t want = json_get_int(q->manifest, "devices", 1);
	int32_t id[MAXDEVICE];
	CardOptions card = {.library = o->library, .device = id};
	VendorQpc file;
	Span program;

	if (!qpc_member(c, q, "programqpc.bin", &program) ||
	    !vendor_read(c, a, program, &file) ||
	    !vendor_net(c, a, &file, &k->net))
		return note(c, "programqpc.bin");
	if (!read_devices(c, o->devices, a, MAX(want, 1), id, &card.ndevice))
		return false;
	k->card = card_open(c, a, program, &card);
	return k->card != NULL;
}

bool
card_engine_open(Ctx *c, Arena *a, const Qpc *q, const EngineOptions *o,
                 Model *m)
{
	const Json *specs = json_get(q->manifest, "specializations");
	CardModel *k = NEW(a, CardModel);

	if (!open_card(c, a, q, o, k))
		return false;
	m->state = k;
	m->n = MAX(k->net.nallowed, 1);
	if (k->net.nallowed && (size_t)m->n != json_len(specs))
		return fail(c, QE_INPUT,
		            "programqpc.bin has %d programs, manifest.json %zu",
		            m->n, json_len(specs));
	m->program = NEWV(a, Program, m->n);
	k->wire = NEWV(a, Wire *, m->n);
	k->buffer = NEWV(a, CardBuffer, card_buffers(k->card) + 1);
	for (int i = 0; i < m->n; i++) {
		m->program[i].name =
			json_get_str(json_at(specs, (size_t)i), "name", "Main");
		if (!add_program(c, a, k,
		                 k->net.nallowed ? k->net.allowed[i]
		                                 : k->net.io,
		                 &m->program[i], &k->wire[i]))
			return note(c, "program %s", m->program[i].name);
	}
	return true;
}

static void
narrow(const Wire *w, const IO *io)
{
	const float *x = io->data;
	uint16_t *y = w->data;

	for (int64_t i = 0; i < w->count; i++)
		y[i] = w->type == DT_F16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
}

static void
widen(const Wire *w, IO *io)
{
	const uint16_t *x = w->data;
	float *y = io->data;

	for (int64_t i = 0; i < w->count; i++)
		y[i] = w->type == DT_F16 ? f16_to_f32(x[i]) : bf16_to_f32(x[i]);
}

bool
card_engine_run(Ctx *c, Program *p)
{
	CardModel *k = p->model->state;
	int n = card_buffers(k->card);

	memset(k->buffer, 0, (size_t)n * sizeof *k->buffer);
	for (int i = 0; i < p->nio; i++) {
		const Wire *w = &k->wire[p->index][i];
		CardBuffer *b = &k->buffer[w->buffer];

		if (is_half(w->type) && !p->io[i].output)
			narrow(w, &p->io[i]);
		b->data = w->data;
		b->bytes = w->bytes;
		b->element = (uint32_t)dtypes[w->type].size;
		b->rank = (uint32_t)p->io[i].shape.rank;
		for (uint32_t d = 0; d < b->rank; d++)
			b->dim[d] = (uint32_t)p->io[i].shape.dim[d];
	}
	if (!card_run(c, k->card, k->buffer))
		return false;
	for (int i = 0; i < p->nio; i++)
		if (is_half(k->wire[p->index][i].type) && p->io[i].output)
			widen(&k->wire[p->index][i], &p->io[i]);
	return true;
}
