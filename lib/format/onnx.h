/* SPDX-License-Identifier: BSD-3-Clause
 * onnx.h - models and tensors in ONNX's protobuf, in and out.
 *
 * Read as constants: every initializer, also one that is a graph input (old
 * IR versions list them all; as an input that may be left out, it has a
 * value).  Dropped: doc strings, training, quantisation annotations.
 * Refused by name: sparse tensors, maps, opaque types, function overloads.
 * An optional whose element is a sequence has item[0], of that kind, while
 * nitem is 0: a type, not a value. */

#ifndef ONNX_H
#define ONNX_H

#include "ir.h"

/* Reads path ("-": stdin) into a graph that lives in a.  Large data stays
 * where it is: in the file itself or in its external data files.
 *
 * A location is taken as relative to the model's folder and may not leave
 * it.  An absolute one, or a link that leaves the folder, is taken if the
 * model came through a pipe, or if metadata "qeff.files" lists the location
 * with a digest of all of the file or of its safetensors header.  Whatever is
 * listed must have the listed size and digest. */
bool onnx_read(Ctx *, Arena *a, const char *path, Graph **out);

/* The same from memory, which outlives the graph; nothing outside it is
 * looked at. */
bool onnx_read_bytes(Ctx *, Arena *a, Span bytes, Graph **out);
/* The same of what came through a pipe: external data is where it says. */
bool onnx_read_piped(Ctx *, Arena *a, Span bytes, Graph **out);

typedef struct OnnxWrite {
	const char *path;
	bool materialize;   /* large constants go to PATH.data, PATH.data-2,
	                     * ..., instead of being referred to */
	int64_t inline_max; /* bytes up to which they are inline; 0: 1024 */
	int64_t piece;      /* bytes of a data file at most; 0: 10 GiB */
} OnnxWrite;

/* Writes g.  A larger constant stays in the file it is in: to "-", a pipe or
 * a device by its absolute path, to a file by a link (hard, else symbolic, else a copy) that
 * is made beside it.  Constants in memory go to PATH.data, or inline where
 * path is "-".  Same graph, same bytes. */
bool onnx_write(Ctx *, Graph *g, const OnnxWrite *);
/* The same onto the end of out, with all constants inline. */
bool onnx_write_bytes(Ctx *, Graph *g, Buf *out);

/* A file with one TensorProto, SequenceProto or OptionalProto: which, is not
 * in its bytes but in out->kind, set by the caller.  Sets type, shape, data
 * and item; name, if the file has one. */
bool tensor_pb_read(Ctx *, Arena *, const char *path, Value *out);
bool tensor_pb_parse(Ctx *, Arena *, Span bytes, Value *out);
bool tensor_pb_write(Ctx *, const char *path, const Value *);

#endif
