/* SPDX-License-Identifier: BSD-3-Clause
 * program.h - the compiled form: what emit.c writes and read.c reads.
 *
 * One file, `program.bin`, little-endian, made of records of fixed size in
 * tables, so that it is used where it is mapped:
 *
 *   Head  { magic, version, sizes, the offset and count of each table }
 *   programs, io, steps, refs, text (names, '\0'-terminated)
 *
 * A place is a space and an offset in it.  The reader checks every count,
 * name and place, and with extent.c that no kernel can reach outside its
 * spaces. */

#ifndef PROGRAM_H
#define PROGRAM_H

#include "host.h"

enum { PROGRAM_VERSION = 2 };
#define PROGRAM_MAGIC "QEFFHOST"

typedef enum Space {
	SPACE_NONE, /* left out */
	SPACE_ARENA,
	SPACE_WEIGHTS,
	SPACE_STATE,
	SPACE_COUNT,
	SPACE_LATE = SPACE_COUNT /* sized at run time: see late.h */
} Space;

typedef struct Place {
	uint32_t space;
	uint32_t pad;
	int64_t off;
} Place;

typedef struct TableHead {
	uint64_t off;
	uint32_t count, size; /* of one record */
} TableHead;

typedef struct ImageHead {
	char magic[8];
	uint32_t version, panel;
	int64_t arena, weights, state; /* bytes */
	int64_t late; /* bytes that values sized at run time may take */
	TableHead programs, ios, steps, refs, kernels, text;
} ImageHead;

typedef struct ProgramRow {
	uint32_t name;        /* offset in text */
	uint32_t step, nstep; /* in steps */
	uint32_t io, nio;     /* in ios */
	uint32_t ref;         /* member refs-<ref>.onnx, 0: none */
} ProgramRow;

/* rank UINT32_MAX, dim -1, type DT_NONE: not known before a run */
typedef struct IORow {
	uint32_t name, type, rank, output, kind, pad;
	int64_t dim[MAXRANK];
	Place at;
} IORow;

/* kernel: row of the kernels table (names of kernels.def), or STEP_REF: node
 * dim[0] of the reference graph, whose dim[1] inputs and dim[2] outputs are
 * the refs from dim[3], followed by dim[4] for node_captures(). */
enum { STEP_REF = UINT16_MAX };
typedef struct StepRow {
	uint32_t kernel, name;
	Place buf[STEP_BUF];
	int64_t dim[STEP_DIM];
	float num[STEP_NUM];
} StepRow;

typedef struct RefRow {
	uint32_t type, rank;
	int64_t dim[MAXRANK];
	Place at;
} RefRow;

/* kernels table: offset of the name in text, by KernelId of the writer */
typedef struct KernelRow {
	uint32_t name;
} KernelRow;

/* The tables while they are being made. */
typedef struct Image {
	Arena *mem;
	Buf *programs, *ios, *steps, *refs, *kernels, *text;
	int64_t arena, state; /* bytes, of all programs */
	int64_t own;          /* of the arena, what the newest program uses */
	Dict *states;         /* name -> State */
	Graph **ref; /* reference graphs, one a program that needs one */
	int nref;
	size_t capref;
	int64_t weights; /* set at the end */
	CFormat cache;   /* for retained keys and values; CF_COUNT: as typed */
	int64_t late;    /* bound of what is sized at run time; 0: nothing is */
} Image;

/* A retained tensor: an input X with an output X_RetainedState. */
typedef struct State {
	int64_t off, len;
	DType type; /* as declared */
	Shape shape;
	CFormat format; /* CF_COUNT: plain bytes of `type` */
} State;

Image *image_new(Arena *);
uint32_t image_text(Image *, const char *);
/* The finished file. */
void image_write(Image *, Buf *out);

/* How far a step reaches. */
typedef struct Extent {
	int64_t bytes[STEP_BUF]; /* of each buffer, from its start */
	unsigned written;        /* bit i: buffer i is written to */
	unsigned needed;         /* bit i: buffer i may not be left out */
} Extent;
/* extent.c: what a kernel may touch, by the sizes in the step, which may be
 * anybody's; false if they make no sense (negative, overflow, rank), and then
 * nothing in *to holds. */
bool step_extent(KernelId, const Step *, Extent *to);

/* profile.c: adds to f what one call takes, by what the buffers hold now. */
void cost_kernel(HostStep *f, const Kernel *, KernelId, const Step *);
void cost_node(HostStep *f, const Node *);

#endif
