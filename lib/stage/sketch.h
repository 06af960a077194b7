/* SPDX-License-Identifier: BSD-3-Clause
 * sketch.h - a model as boxes from top to bottom, repeated layers once. */

#ifndef SKETCH_H
#define SKETCH_H

#include "ir.h"
#include "json.h"
#include "qpc.h"

typedef struct Box {
	const char *name;
	const char *holds; /* lines */
	int64_t times;
	int64_t parameters, bytes; /* of all times together */
} Box;

typedef struct Link {
	int from, to;
} Link;

typedef struct Sketch {
	Arena *mem;
	const char *title;
	Box *box;
	int nbox;
	size_t capbox;
	Link *link;
	int nlink;
	size_t caplink;
	Dict *linked;
} Sketch;

Sketch *sketch_new(Arena *, const char *title);
/* Its place; the box itself may be changed until the next one. */
int sketch_box(Sketch *, const char *name, const char *holds);
/* Once for each pair; not from a box to itself. */
void sketch_link(Sketch *, int from, int to);

/* What is not for the eye or the format is replaced or escaped. */
void sketch_dot(Buf *, const Sketch *);
void sketch_svg(Buf *, const Sketch *);

/* Repetitions in a list of n classes: at i, len of them come `times` times.
 * Returns how many there are from i on: len * times. */
int sketch_repeats(const int *class, int i, int n, int *len, int *times);

/* sketch_find.c */
/* Of a model document, by its tree. */
Sketch *sketch_document(Arena *, const Json *document);
/* Elements of a tensor of a document; 0 if its shape is no good. */
int64_t sketch_elements(const Json *tensor);
/* Of a graph, whose equal layers become functions by it; NULL: failed. */
Sketch *sketch_graph(Ctx *, Arena *, Graph *);

/* sketch_package.c: each program by its kernels; NULL: failed. */
Sketch *sketch_package(Ctx *, Arena *, const Qpc *);

#endif
