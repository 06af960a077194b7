/* SPDX-License-Identifier: BSD-3-Clause
 * npy.h - arrays in NumPy's .npy and .npz files, and as bare bytes. */

#ifndef NPY_H
#define NPY_H

#include "ir.h"

/* Reads a .npy file of version 1 to 3; data stays in the mapped file where
 * it is as memory wants it.  Byte order and Fortran order are put right;
 * text becomes strings.  Objects and records are refused. */
bool npy_read(Ctx *, Arena *, const char *path, Value *out);
/* Writes version 1.  What NumPy has no type for: bfloat16 becomes float32;
 * floats of 8 and 4 bits become their codes as uint8, packed integers one
 * int8 or uint8 each.  A log line says so. */
bool npy_write(Ctx *, const char *path, const Value *);
/* The arrays of an .npz file, stored or deflated, by name. */
bool npz_read(Ctx *, Arena *, const char *path, Value **out, int *n);
/* Bare bytes, of the type and known shape that out already has. */
bool raw_read(Ctx *, Arena *, const char *path, Value *out);

#endif
