/* SPDX-License-Identifier: BSD-3-Clause
 * image.c - the tables of a compiled form, and the file they become. */

#include "compile.h"

Image *
image_new(Arena *a)
{
	Image *m = NEW(a, Image);

	m->mem = a;
	m->programs = buf_new(a);
	m->ios = buf_new(a);
	m->steps = buf_new(a);
	m->refs = buf_new(a);
	m->kernels = buf_new(a);
	m->text = buf_new(a);
	m->states = dict_new(a);
	m->cache = CF_F32;
	buf_char(m->text, '\0'); /* offset 0 is the empty name */
	return m;
}

/* Names are few and short, so equal ones are not looked for. */
uint32_t
image_text(Image *m, const char *s)
{
	size_t at = m->text->n;

	if (!*s || at + strlen(s) > UINT32_MAX - 1)
		return 0;
	buf_add(m->text, s, strlen(s) + 1);
	return (uint32_t)at;
}

static TableHead
table(Buf *out, const Buf *rows, size_t size)
{
	TableHead h = {.count = (uint32_t)(rows->n / size),
	               .size = (uint32_t)size};

	while (out->n % 64)
		buf_char(out, '\0');
	h.off = out->n;
	buf_add(out, rows->p, rows->n);
	return h;
}

void
image_write(Image *m, Buf *out)
{
	const Kernel *all = kernels_for("generic");
	ImageHead h = {.version = PROGRAM_VERSION,
	               .panel = PANEL,
	               .arena = m->arena,
	               .weights = m->weights,
	               .state = m->state,
	               .late = m->late};

	for (int i = 0; i < K_COUNT; i++) {
		KernelRow row = {image_text(m, all[i].name)};

		buf_add(m->kernels, &row, sizeof row);
	}
	memcpy(h.magic, PROGRAM_MAGIC, sizeof h.magic);
	buf_add(out, &h, sizeof h);
	h.programs = table(out, m->programs, sizeof(ProgramRow));
	h.ios = table(out, m->ios, sizeof(IORow));
	h.steps = table(out, m->steps, sizeof(StepRow));
	h.refs = table(out, m->refs, sizeof(RefRow));
	h.kernels = table(out, m->kernels, sizeof(KernelRow));
	h.text = table(out, m->text, 1);
	memcpy(out->p, &h, sizeof h);
}
