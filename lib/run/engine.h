/* SPDX-License-Identifier: BSD-3-Clause
 * engine.h - what runs the programs of a package: the processor, or a card.
 *
 * A Model is an opened package: its programs, each with the tensors that come
 * and go, as dense memory that the engine keeps.  What is retained between
 * runs is the engine's business. */

#ifndef ENGINE_H
#define ENGINE_H

#include "host.h"
#include "qpc.h"

typedef HostIO IO; /* one input or output of a program */
typedef struct Model Model;

typedef struct Program {
	const char *name;
	Model *model;
	IO *io;
	int nio;
	int index;         /* in the model */
	HostProgram *host; /* of the processor, else NULL */
} Program;

typedef struct EngineOptions {
	const char *isa; /* of the processor: upper bound, or NULL */
	int threads;
	const char *backend; /* that must be the package's, or NULL */
	const char *library; /* of a card: libQAic.so, or NULL */
	const char *devices; /* "0,1", or NULL: as many as it is made for */
} EngineOptions;

/* An engine for the packages of some backends. */
typedef struct Engine {
	const char *backend; /* as the manifest says */
	bool (*open)(Ctx *, Arena *, const Qpc *, const EngineOptions *,
	             Model *);
	/* Runs a program on what its inputs hold now. */
	bool (*run)(Ctx *, Program *);
	void (*reset)(Model *); /* forgets what is retained */
} Engine;

struct Model {
	const Engine *engine;
	Program *program;
	int n;
	void *state; /* the engine's */
};

/* The package's programs, by the engine of its backend; lives in a. */
Model *model_open(Ctx *, Arena *a, const Qpc *, const EngineOptions *);
int model_count(const Model *);
Program *model_program(Model *, int i);
void model_reset(Model *);
/* What the processor's engine runs; NULL: another engine is at work. */
HostModel *model_host(const Model *);
const char *program_name(const Program *);
int program_ios(const Program *, IO **io);
IO *program_io(Program *, const char *name); /* NULL: none */
bool program_run(Ctx *, Program *);

/* engine_card.c */
bool card_engine_open(Ctx *, Arena *, const Qpc *, const EngineOptions *,
                      Model *);
bool card_engine_run(Ctx *, Program *);

#endif
