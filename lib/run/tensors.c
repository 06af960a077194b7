/* SPDX-License-Identifier: BSD-3-Clause
 * tensors.c - one program on named tensors: once for its outputs, or again
 * and again for its figures. */

#include <errno.h>
#include <sys/stat.h>

#include "tensors.h"

/* ---- outputs ---- */

static bool
write_output(Feed *f, const IO *io, const char *path, enum TensorForm form)
{
	Value v = {.name = io->name,
	           .type = io->type,
	           .shape = io->shape,
	           .data = {.mem = io->data,
	                    .len = dtype_bytes(io->type,
	                                       shape_count(&io->shape))}};

	return tensor_write(f->c, path, form, io->late ? io->late : &v);
}

/* DIR/NAME for each output, or DIR/output_N. */
static bool
write_outputs(Feed *f, Program *p, const char *dir, bool numbered)
{
	enum TensorForm form = f->o->form != FORM_COUNT ? f->o->form
	                       : numbered               ? FORM_PB
	                                                : FORM_NPY;
	IO *io;
	int nio = program_ios(p, &io), at = 0;

	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return fail_errno(f->c, dir);
	for (int i = 0; i < nio; i++) {
		const char *end = tensor_form_name(form);
		char *name;

		if (!io[i].output)
			continue;
		name = numbered ? arena_str(f->a, "output_%d.%s", at++, end)
		                : arena_str(f->a, "%s.%s", io[i].name, end);
		for (char *s = name; *s; s++) /* a name is not a path */
			*s = *s == '/' ? '_' : *s;
		if (!write_output(f, &io[i], path_join(f->a, dir, name), form))
			return false;
	}
	return true;
}

/* ---- figures ---- */

static bool
run_once(Ctx *c, Session *s, Program *p, double *ms)
{
	int64_t t;

	model_reset(s->model);
	t = clock_ns();
	if (!program_run(c, p))
		return false;
	*ms = (double)(clock_ns() - t) / 1e6;
	return true;
}

/* At least `iterations` runs, and at least `duration` seconds of them. */
static Json *
measure(Feed *f, Program *p)
{
	const TensorOptions *o = f->o;
	Json *out = json_new(f->a);
	double *ms = NULL, one, total = 0;
	int64_t n = 0;
	size_t cap = 0;

	for (int64_t i = 0; i < o->warmup; i++)
		if (!run_once(f->c, f->s, p, &one))
			return NULL;
	if (model_host(f->s->model))
		host_forget(model_host(f->s->model));
	while (n < o->iterations || total < o->duration * 1e3) {
		if (!run_once(f->c, f->s, p, &one))
			return NULL;
		PUSH(f->a, ms, n, cap, one);
		total += one;
	}
	json_put_str(out, "program", program_name(p));
	json_put_int(out, "iterations", n);
	json_put_int(out, "warmup", o->warmup);
	put_latency(f->a, out, ms, n);
	put_machine(out, f->s);
	return out;
}

bool
run_tensors(Ctx *c, Arena *a, Session *s, const TensorOptions *o,
            Json **figures)
{
	Feed f = {.c = c, .a = a, .s = s, .o = o};
	Program *p;

	if (!feed_open(&f) || !(p = feed_program(&f)))
		return false;
	if (figures ? !(*figures = measure(&f, p)) : !program_run(c, p))
		return false;
	return (!o->output || write_outputs(&f, p, o->output, false)) &&
	       (!o->outputs || write_outputs(&f, p, o->outputs, true));
}
