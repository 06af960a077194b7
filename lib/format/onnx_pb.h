/* SPDX-License-Identifier: BSD-3-Clause
 * onnx_pb.h - what the files of the ONNX reader and writer share. */

#ifndef ONNX_PB_H
#define ONNX_PB_H

#include "json.h"
#include "onnx.h"
#include "onnx.pb-c.h"

/* Fields of schemas newer than the one we are built with, and one of ours:
 * never written to a file, and dropped when met in one. */
enum {
	FUNCTION_ATTRIBUTE_PROTO = 11,
	FUNCTION_OVERLOAD = 13,
	NODE_OVERLOAD = 8,
	TENSOR_PLACE = 536870911, /* Place of data left out */
};

/* Data that pb_unpack() left where it is: which field of TensorProto, and
 * where in the bytes. */
typedef struct Place {
	int64_t field, off, len;
} Place;

enum { PLACE_MIN = 1024 }; /* bytes; less is unpacked */

/* onnx_slim.c: a message of desc from bytes, checked: nesting, UTF-8 without
 * NUL, lengths, memory.  Tensors' data of PLACE_MIN or more is replaced by an
 * unknown field TENSOR_PLACE if `place` is set.  NULL with a failure. */
void *pb_unpack(Ctx *, Arena *, const ProtobufCMessageDescriptor *desc,
                Span bytes, bool place);
/* The unknown field of a number, or NULL. */
const ProtobufCMessageUnknownField *pb_unknown(const void *message,
                                               uint32_t number);
/* Takes a number off the front; false if cut or too long. */
bool pb_varint(Span *, uint64_t *out);
void pb_put_varint(Buf *, uint64_t);

/* A model being read. */
typedef struct Onnx {
	Ctx *c;
	Arena *mem;       /* of the graph */
	const char *path; /* as given */
	Span bytes;       /* of the file */
	Source *self;     /* the file; NULL: bytes live as long as mem */
	bool piped;       /* it came through a pipe */
	bool sealed;      /* it may not refer to files */
	Graph *g;         /* NULL: a tensor alone, which may not either */
	Dict *file;       /* Source of a location already checked */
	Json *files;      /* "qeff.files", or NULL */
} Onnx;

/* onnx_tensor.c: type, shape and data, both ways. */
bool tensor_get(Onnx *, const Onnx__TensorProto *, Value *);
/* Name, type and shape of v. */
Onnx__TensorProto *tensor_proto(Arena *, const Value *v);
/* Its bytes, which stay v's; files are mapped for as long as mem lives. */
bool tensor_put(Ctx *, Arena *mem, Arena *tmp, const Value *v,
                Onnx__TensorProto *t);

/* onnx_files.c: the file of an external location. */
Source *onnx_file(Onnx *, const char *location);

/* A model being written. */
typedef struct Writer {
	Ctx *c;
	Arena *mem; /* of the graph: mapped files stay mapped */
	Arena *tmp; /* until the model is written */
	const char *path, *dir;
	bool piped, materialize, data; /* data: there is something for .data */
	int64_t inline_max, piece_max;
	Dict *link; /* Link by the path of its source */
	Dict *name; /* Source by the name its link has */
	struct Data {
		Out *out;
		const char *name;
	} * piece; /* the files of .data */
	int npiece;
	size_t cappiece;
} Writer;

/* onnx_place.c: where large constants are written. */
bool place_is_inline(const Writer *, const Value *);
bool place_is_data(const Writer *, const Value *); /* must go to .data */
/* Sets the external_data of t; what goes to .data is written. */
bool place_put(Writer *, const Value *, Onnx__TensorProto *t);
Json *place_files(Writer *); /* for "qeff.files"; NULL: none */
/* Makes the links and lets the data files appear. */
bool place_commit(Writer *);

#endif
