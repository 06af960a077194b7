/* SPDX-License-Identifier: BSD-3-Clause
 * adapter.c - weights of a LoRA adapter that a package takes as inputs.
 *
 * They are kept with the rest of the state, so they are given once, and again
 * after each reset. */

#include "run.h"
#include "transform.h"

/* What the model was exported for, {rank, alpha}: its scale is a constant. */
static const Json *
exported(const Session *s)
{
	const Json *list = json_get(s->qpc->manifest, "transforms"), *o;

	for (size_t i = 0; i < json_len(list); i++)
		if (json_get(o = json_at(list, i), "alpha"))
			return o;
	return NULL;
}

bool
session_adapter(Ctx *c, Arena *a, Session *s, const char *dir)
{
	const char *path = path_join(a, dir, "adapter_config.json"), *other;
	const Json *o = lora_config(c, a, dir), *want = exported(s);
	double alpha = json_get_num(o, "lora_alpha", 8);

	if (!o)
		return note(c, "%s", dir);
	if (want && alpha != json_get_num(want, "alpha", alpha))
		return fail(c, QE_INPUT,
		            "%s: lora_alpha %g, the package was made for %g",
		            path, alpha, json_get_num(want, "alpha", 0));
	if (want && (other = lora_other_scale(o, want)))
		return fail(c, QE_INPUT,
		            "%s: %s is not what the package was made for", path,
		            other);
	s->adapter = NEW(a, SafeFile);
	return safetensors_read(c, a,
	                        path_join(a, dir, "adapter_model.safetensors"),
	                        s->adapter);
}

/* Element i of a tensor's bytes. */
static float
element(DType type, const char *p, int64_t i)
{
	uint16_t half;
	float f;

	if (type == DT_F32) {
		memcpy(&f, p + i * (int64_t)sizeof f, sizeof f);
		return f;
	}
	memcpy(&half, p + i * (int64_t)sizeof half, sizeof half);
	return type == DT_F16 ? f16_to_f32(half) : bf16_to_f32(half);
}

static bool
fill(Ctx *c, Arena *a, const SafeFile *f, const IO *io)
{
	const SafeTensor *t = dict_get(f->byname, io->name);
	int64_t n = shape_count(&io->shape);
	float *out = io->data;
	Span bytes;

	if (!t)
		return fail(c, QE_INPUT, "%s: no tensor '%s'", f->path,
		            io->name);
	if (!shape_eq(&t->shape, &io->shape) || io->type != DT_F32 ||
	    (t->type != DT_F32 && t->type != DT_F16 && t->type != DT_BF16))
		return fail(c, QE_INPUT, "%s: tensor '%s' is %s %s, wanted %s",
		            f->path, t->name, t->dtype, shape_text(&t->shape).s,
		            shape_text(&io->shape).s);
	if (!file_part(c, a, f->path, t->off, t->len, &bytes))
		return false;
	if ((int64_t)bytes.n != dtype_bytes(t->type, n))
		return fail(c, QE_INPUT, "%s: cut short", f->path);
	for (int64_t i = 0; i < n; i++)
		out[i] = element(t->type, bytes.p, i);
	return true;
}

static bool
is_given(const IO *io)
{
	return !io->output && str_ends(io->name, ".weight");
}

bool
session_reset(Ctx *c, Session *s)
{
	Arena a = {0};
	IO *io;
	int n = s->nrunner ? program_ios(s->runner[0].p, &io) : 0;
	bool ok = true, takes = false;

	model_reset(s->model);
	for (int i = 0; i < n; i++)
		takes = takes || is_given(&io[i]);
	if (takes != (s->adapter != NULL))
		return fail(
			c, QE_USAGE, "%s",
			takes ? "the package takes an adapter: give --lora"
			      : "--lora: the package takes no adapter's weights");
	for (int i = 0; ok && takes && i < n; i++)
		if (is_given(&io[i]))
			ok = fill(c, &a, s->adapter, &io[i]);
	arena_free(&a);
	return ok;
}
