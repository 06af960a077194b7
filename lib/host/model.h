/* SPDX-License-Identifier: BSD-3-Clause
 * model.h - an opened package, for the file that reads it and the one that
 * runs it. */

#ifndef MODEL_H
#define MODEL_H

#include "late.h"
#include "program.h"

/* A step: a kernel, a node whose sizes are planned, or one of which some are
 * not; none of them where there is nothing to compute. */
typedef struct Run {
	const Kernel *k;
	Node *node;
	Value *place; /* copies of node->out: where they are to be */
	LateStep late;
	Step step;
	int64_t units, grain;
} Run;

struct HostProgram {
	const char *name;
	HostModel *model;
	Run *run;
	HostIO *io;
	HostStep *figures;
	Late *late;
	int nrun, nio;
	int64_t runs, nanoseconds;
};

/* What host_profile() asked for. */
typedef struct Profile {
	HostEvent *event; /* NULL: none wanted */
	size_t n, cap;
} Profile;

typedef struct Area {
	char *p;
	int64_t n;
} Area;

struct HostModel {
	Arena *mem;
	const Kernel *kernels;
	Pool *pool;
	Area space[SPACE_COUNT];
	HostProgram *program;
	int nprogram;
	Profile *profile; /* NULL: nothing is timed */
	int64_t late;     /* bytes that late values may take */
};

#endif
