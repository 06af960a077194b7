/* SPDX-License-Identifier: BSD-3-Clause
 * tensor_file.c - values in files of whatever form.
 *
 * Arrays of NumPy are known by their first bytes.  A TensorProto begins like
 * nothing in particular, so .pb files are known by their name. */

#include "tensor_file.h"
#include "kind.h"
#include "npy.h"
#include "npy_head.h"
#include "onnx.h"
#include "spool.h"

static const char *const forms[FORM_COUNT] = {"npy", "pb", "raw"};

enum TensorForm
tensor_form(const char *name)
{
	int i = 0;

	while (i < FORM_COUNT && strcmp(forms[i], name) != 0)
		i++;
	return (enum TensorForm)i;
}

const char *
tensor_form_name(enum TensorForm f)
{
	return forms[f];
}

static enum Kind
kind_of(Span file)
{
	return file_kind((Span){file.p, MIN(file.n, KIND_HEAD)});
}

/* The array of this name, or the only one. */
static bool
pick(Ctx *c, Arena *a, Span file, Value *out)
{
	Value *v;
	int n, i = 0;

	if (!npz_parse(c, a, file, &v, &n))
		return false;
	while (i < n && out->name && strcmp(v[i].name, out->name) != 0)
		i++;
	if (i == n && n != 1)
		return fail(c, QE_INPUT, "%d arrays, none of them '%s'", n,
		            out->name ? out->name : "");
	*out = v[i == n ? 0 : i];
	return true;
}

static bool
parse(Ctx *c, Arena *a, const char *path, Span file, Value *out, bool *raw)
{
	switch (kind_of(file)) {
	case KIND_NPY:
		return npy_parse(c, a, file, out);
	case KIND_ZIP:
		return pick(c, a, file, out);
	default:
		break;
	}
	if (str_ends(path, ".pb"))
		return tensor_pb_parse(c, a, file, out);
	*raw = true;
	out->kind = VALUE_TENSOR;
	out->type = DT_U8;
	out->shape = (Shape){1, {(int64_t)file.n}};
	out->data = (Blob){.mem = file.n ? file.p : "", .len = (int64_t)file.n};
	return true;
}

bool
tensor_read(Ctx *c, Arena *a, const char *path, Value *out, bool *raw)
{
	Span file;

	*raw = false;
	return spool_open(c, a, path, &file, NULL) &&
	       (parse(c, a, path, file, out, raw) || note(c, "%s", path));
}

bool
tensor_archive(Ctx *c, Arena *a, const char *path, Value **out, int *n)
{
	Span file;

	*n = 0;
	if (!spool_open(c, a, path, &file, NULL))
		return false;
	return kind_of(file) != KIND_ZIP || npz_parse(c, a, file, out, n) ||
	       note(c, "%s", path);
}

bool
tensor_write(Ctx *c, const char *path, enum TensorForm form, const Value *v)
{
	switch (form) {
	case FORM_NPY:
		return npy_write(c, path, v);
	case FORM_PB:
		return tensor_pb_write(c, path, v);
	default:
		break;
	}
	if (v->kind != VALUE_TENSOR || v->type == DT_STRING || !v->data.mem)
		return fail(c, QE_INPUT,
		            "%s: only tensors of numbers are bytes", path);
	return file_write(c, path, v->data.mem, (size_t)v->data.len);
}
