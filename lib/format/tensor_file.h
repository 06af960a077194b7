/* SPDX-License-Identifier: BSD-3-Clause
 * tensor_file.h - values in files of whatever form. */

#ifndef TENSOR_FILE_H
#define TENSOR_FILE_H

#include "ir.h"

enum TensorForm { FORM_NPY, FORM_PB, FORM_RAW, FORM_COUNT };

/* "npy", "pb" or "raw"; FORM_COUNT: none of them. */
enum TensorForm tensor_form(const char *name);
const char *tensor_form_name(enum TensorForm);

/* Reads path ("-": stdin): a .npy file, an .npz archive of one array or of
 * one with out's name, or, by its name, a .pb of ONNX's test data (out->kind
 * says which message).  Anything else is bare bytes: uint8 [size], and *raw
 * becomes true. */
bool tensor_read(Ctx *, Arena *, const char *path, Value *out, bool *raw);
/* All arrays of an .npz archive; *n is 0 if path is something else. */
bool tensor_archive(Ctx *, Arena *, const char *path, Value **out, int *n);
bool tensor_write(Ctx *, const char *path, enum TensorForm, const Value *);

#endif
