/* SPDX-License-Identifier: BSD-3-Clause
 * host.h - the CPU backend: a graph becomes programs of kernel calls.
 *
 * host_compile() makes one program for each specialization of the graph's
 * symbols, all over one set of packed weights and one retained state, with
 * every shape, offset and format decided.  host_open() maps such a package
 * and host_run() walks a program's list; nothing is parsed, shaped, packed or
 * allocated there. */

#ifndef HOST_H
#define HOST_H

#include "ir.h"
#include "json.h"
#include "kernel.h"
#include "qpc.h"

/* ---- compiling ---- */

typedef struct Binding {
	const char *sym;
	int64_t n;
} Binding;

typedef struct Spec {
	const char *name; /* "Prefill", "Decode", ... */
	Binding *bind;
	int nbind;
} Spec;

typedef struct HostOptions {
	const Spec *spec;
	int nspec;
	const char *weights; /* "int8" or "lm_head=int8,*=mxfp6"; NULL: as is */
	const char *cache;   /* format of the retained keys; NULL: as is */
	int threads;         /* for packing; 0: one per core */
	const QpcMember *extra; /* more members of the package, and */
	const Span *extra_data; /* their bytes */
	int nextra;
	Json *manifest; /* keys for manifest.json; gets more */
} HostOptions;

/* Compiles g and writes the package to out ("-": stdout). */
bool host_compile(Ctx *, const Graph *g, const HostOptions *, const char *out);

/* ---- running ---- */

typedef struct HostModel HostModel;
typedef struct HostProgram HostProgram;

/* One input or output of a program. */
typedef struct HostIO {
	const char *name;
	enum ValueKind kind;
	DType type;
	Shape shape;
	void *data; /* dense, row-major, the session's memory */
	bool output;
} HostIO;

/* isa: upper bound of the instruction set or NULL.  The model lives in a. */
HostModel *host_open(Ctx *, Arena *, const Qpc *, int threads, const char *isa);
int host_count(const HostModel *);
HostProgram *host_program(HostModel *, int i);
HostProgram *host_find(HostModel *, const char *name); /* NULL: none */
const char *host_name(const HostProgram *);
int host_ios(const HostProgram *, HostIO **io);
HostIO *host_io(HostProgram *, const char *name); /* NULL: none */
/* Runs all steps on what the inputs hold now. */
bool host_run(Ctx *, HostProgram *);
/* Forgets the retained state: zeros, as at the start. */
void host_reset(HostModel *);

typedef struct HostStep {
	const char *kernel, *name;
	int64_t calls, nanoseconds, bytes, flops;
} HostStep;
/* Times every step from now on; figures per step of p. */
void host_profile(HostModel *, bool on);
int host_steps(const HostProgram *, HostStep **step);

int64_t host_arena_bytes(const HostModel *);
int64_t host_state_bytes(const HostModel *);
int64_t host_weight_bytes(const HostModel *);
const char *host_isa(const HostModel *);
int host_threads(const HostModel *);

#endif
