/* SPDX-License-Identifier: BSD-3-Clause
 * tensors.h - what the two files of runs on named tensors share. */

#ifndef TENSORS_H
#define TENSORS_H

#include "run.h"
#include "tensor_file.h"

/* One input that a file gives. */
typedef struct Given {
	const char *name, *file;
	Value v;
	bool raw; /* v is bare bytes, of whatever type is wanted */
} Given;

typedef struct Feed {
	Ctx *c;
	Arena *a;
	Session *s;
	const TensorOptions *o;
	Given *given;
	int ngiven;
	size_t capgiven;
	Given *shape; /* of --shapes: names and shapes only */
	int nshape;
	size_t capshape;
} Feed;

/* Reads what the options give. */
bool feed_open(Feed *);
/* The program that takes it, filled; NULL with a failure. */
Program *feed_program(Feed *);

#endif
