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

typedef struct HostOptions {
	const Spec *spec;
	int nspec;
	const char *weights; /* "int8" or "lm_head=int8,*=mxfp6"; NULL: as is */
	const char *cache;   /* format of the retained keys; NULL: as is */
	int threads;         /* for packing; 0: one per core */
	const char *report;  /* file for figures of each weight; NULL: none */
	int64_t late;        /* bytes that values sized at run time may take */
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
	void *data;  /* dense, row-major, the session's memory; or NULL: */
	Value *late; /* sized at run time: the caller puts an input's type,
	              * shape, bytes or items there, which outlive the run,
	              * and finds an output's, until the next run */
	bool output;
} HostIO;

/* isa: upper bound of the instruction set or NULL.  The model lives in a. */
HostModel *host_open(Ctx *, Arena *, const Qpc *, int threads, const char *isa);
int host_count(const HostModel *);
HostProgram *host_program(HostModel *, int i);
const char *host_name(const HostProgram *);
int host_ios(const HostProgram *, HostIO **io);
HostIO *host_io(HostProgram *, const char *name); /* NULL: none */
/* Runs all steps on what the inputs hold now. */
bool host_run(Ctx *, HostProgram *);
/* Forgets the retained state: zeros, as at the start. */
void host_reset(HostModel *);

/* ---- where the time goes ---- */

/* All calls of one step since host_profile(). */
typedef struct HostStep {
	const char *kernel, *name; /* kernel: an operator's, run as reference */
	const char *format;        /* of its weights or cache, or NULL */
	int64_t calls, nanoseconds, bytes, flops, ints;
} HostStep;

/* One step of a program, or with step -1 a whole run of it. */
typedef struct HostEvent {
	const HostProgram *program;
	int step;
	int64_t begin, end; /* clock_ns() */
} HostEvent;

/* Times every step from now on, forgetting what was; events: each on its own
 * as well, up to a million. */
void host_profile(HostModel *, bool events);
bool host_profiles(const HostModel *); /* whether it does */
/* What was timed begins anew; nothing if nothing was. */
void host_forget(HostModel *);
int host_steps(const HostProgram *, const HostStep **step);
/* How often a program ran, and the sum of its steps. */
int64_t host_runs(const HostProgram *, int64_t *nanoseconds);
int64_t host_events(const HostModel *, const HostEvent **);

/* ---- what the machine could do now: limits.c ---- */

/* Bytes a second that the pool reads of these. */
double limit_read(Pool *, const void *p, int64_t bytes);
/* Operations a second that it multiplies and adds. */
double limit_math(Pool *, const Kernel *, bool ints);
/* Those, of 1 GiB in huge pages, of float32 and int8. */
typedef struct HostLimits {
	double read, flops, ints;
} HostLimits;
bool limits_of(Ctx *, Pool *, const Kernel *, HostLimits *);
bool host_limits(Ctx *, HostModel *m, HostLimits *);

int64_t host_arena_bytes(const HostModel *);
int64_t host_state_bytes(const HostModel *);
int64_t host_weight_bytes(const HostModel *);
const char *host_isa(const HostModel *);
int host_threads(const HostModel *);

#endif
