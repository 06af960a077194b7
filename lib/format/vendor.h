/* SPDX-License-Identifier: BSD-3-Clause
 * vendor.h - programqpc.bin, the file that Qualcomm's compilers write.
 *
 * A header, a table of segments, their names and bytes; see vendor.c.  No
 * pointer of the file is believed.  Segments that are not known are kept as
 * they are. */

#ifndef VENDOR_H
#define VENDOR_H

#include "ir.h"

typedef struct VendorSegment {
	const char *name;
	Span data;
	uint64_t offset; /* of constants.bin: bytes that are static */
} VendorSegment;

typedef struct VendorQpc {
	int major, minor, compression;
	VendorSegment *segment;
	int n;
} VendorQpc;

bool vendor_is(Span head); /* by its magic number */
/* Reads a file that is in memory; the segments point into it. */
bool vendor_read(Ctx *, Arena *, Span file, VendorQpc *out);
/* Writes the segments as the SDK's own writer does: names after the table,
 * then data, in order. */
bool vendor_write(Ctx *, Out *, const VendorQpc *);
/* The segment, or NULL. */
const VendorSegment *vendor_find(const VendorQpc *, const char *name);
/* Fails if a file says it is longer than it is; takes what is none of these
 * (it may be encrypted). */
bool vendor_check_size(Ctx *, const char *path);

/* ---- networkdesc.bin: vendor_net.c ---- */

typedef struct VendorIO {
	const char *name;
	bool output, partial;
	int code;   /* the file's number of the type */
	DType type; /* DT_NONE: a code that is not known */
	Shape shape;
} VendorIO;

typedef struct VendorOp {
	int core, group;
	const char *name, *kind, *type, *memory, *shape;
	uint64_t bytes;
} VendorOp;

typedef struct VendorNet {
	const char *name;
	int major, minor, cores, threads, batch;
	int64_t in_bytes, out_bytes; /* of the buffers for transfer */
	VendorIO *io;                /* inputs first */
	int nio, nin;
	VendorIO **allowed; /* [nallowed][nio]: what each program takes */
	int nallowed;
	VendorOp *op; /* the compiled operators, where the file tells */
	int nop;
} VendorNet;

bool vendor_net(Ctx *, Arena *, const VendorQpc *, VendorNet *out);
/* "float16", or "type 17" */
const char *vendor_type(Arena *, const VendorIO *);

#endif
