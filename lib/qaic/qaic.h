/* SPDX-License-Identifier: BSD-3-Clause
 * qaic.h - the Qualcomm backends: what their compilers are given.
 *
 * A Plan is all that a compiler is to see: the command lines, and the files
 * that they name.  It is made twice: with names that stand for places, for
 * the key under which the result is kept, and with the places themselves.
 *
 * Sources: the command line and files of qaic-compile, QEfficient ebf55e81
 * base/modeling_qeff.py; of QNN, compile/qnn_compiler.py and
 * utils/generate_qnn_network_specialization_config.py. */

#ifndef QAIC_H
#define QAIC_H

#include "contract.h"
#include "json.h"
#include "qpc.h"

typedef struct QaicJob {
	const qe_compile *o;
	Graph *g; /* as it was read: functions are not inlined */
	const Specs *specs;
	const QpcMember *extra; /* more members of the package, and */
	const Span *extra_data; /* their bytes */
	int nextra;
	Json *manifest;
} QaicJob;

/* Compiles with qaic-compile, or with qairt-converter and
 * qnn-context-binary-generator, and writes what the options ask for. */
bool qaic_compile(Ctx *, Arena *, const QaicJob *);
bool qnn_compile(Ctx *, Arena *, const QaicJob *);

/* ---- plans ---- */

typedef struct PlanFile {
	const char *name;
	Span text;
	bool beside; /* QEfficient keeps it beside the folder, not in it */
} PlanFile;

typedef struct Command {
	const char *what; /* "qaic-compile", for messages */
	const char **arg; /* NULL-terminated */
	int n;
	size_t cap;
} Command;

/* Where the programs of an SDK are, and what it is. */
typedef struct Tools {
	const char *root;       /* of the SDK */
	const char *program[2]; /* in the order in which they run */
	const char *hardware;   /* "ai100" */
	const char *version;    /* of the SDK, or "" */
	bool old;               /* qaic-exec, before release 1.22 */
} Tools;

typedef struct Plan {
	const QaicJob *job;
	const Tools *tools;
	const char *dir;    /* where the files are */
	const char *beside; /* where those beside it are; NULL: in it too */
	const char *model;  /* the ONNX file */
	bool named;         /* user's files by their digests */
	const char *binary; /* the result, below dir */
	PlanFile *file;
	int nfile;
	size_t capfile;
	Command cmd[2];
	int ncmd;
	int nhash; /* arguments that QEfficient's hash takes in */
} Plan;

typedef bool PlanFn(Ctx *, Arena *, Plan *);
bool qaic_plan(Ctx *, Arena *, Plan *); /* command.c */
bool qnn_plan(Ctx *, Arena *, Plan *);  /* qnn.c */

/* Adds a file and gives its path. */
const char *plan_file(Arena *, Plan *, const char *name, Span text);
const char *plan_json(Arena *, Plan *, const char *name, const Json *);
/* The same as QNN's files are: keys as they were put, blanks after ':'. */
const char *plan_json_as_put(Arena *, Plan *, const char *name, const Json *);
/* The same as plan_json(), for a file that is made before the folder has its
 * name. */
const char *plan_json_beside(Arena *, Plan *, const char *name, const Json *);
/* A file of the user's: as it was given, or what it holds. */
const char *plan_given(Ctx *, Arena *, const Plan *, const char *path);
void plan_arg(Arena *, Command *, const char *arg);
/* Says which operators of the model the card's compilers may refuse. */
void plan_doubts(Ctx *, const Plan *);
/* Devices that the options name, and cores of each. */
int64_t plan_devices(const qe_compile *);
int64_t plan_cores(const qe_compile *);

/* ---- files.c ---- */

/* How a card's file names a type: "float16" or "bfloat16". */
const char *card_type(const QaicJob *);
bool kv_type(Ctx *, const QaicJob *, const char **out);
/* What each input and output is on the card, "IOName", in order; entry is
 * {name: type}.  Empty: all as in the model. */
typedef struct CustomIO {
	const char **name, **type;
	int n;
	size_t cap, captype;
} CustomIO;
bool custom_io(Ctx *, Arena *, const QaicJob *, CustomIO *);
Span custom_io_text(Arena *, const CustomIO *);
bool card_ignores_io(const QaicJob *, const CustomIO *);
/* {"specializations": [...]}, entries with names or flat. */
Json *specs_json(Arena *, const Specs *, bool named);

/* ---- mdp.c: several devices ---- */

/* One partition over n devices; cores 0: the file does not say. */
Json *mdp_slices(Arena *, int64_t devices, int64_t cores);
/* Layers split over partitions; keep: a dump of the compiler's that lists
 * the nodes it has, or NULL. */
Json *mdp_pipeline(Ctx *, Arena *, Graph *, int64_t devices, int64_t partitions,
                   int64_t cores, const char *keep);

/* Marks what the compiler computes itself, and no other value. */
enum { FOLDED = 1 };
void mark_folded(Graph *);

/* ---- precision.c ---- */

/* A file with the nodes that stay float32, or NULL: there are none. */
bool precision_file(Ctx *, Arena *, Plan *, const char **path);
/* Whether the card would compute sines of positions in float16. */
bool precision_is_lost(Graph *);

/* ---- store.c: what was compiled before ---- */

/* One kept result, named by what it was made from: not by places. */
typedef struct Entry {
	const char *base; /* folder of all of them */
	const char *dir;  /* base/qpc-KEY */
	const char *part; /* the same while it is being made */
	const char *from; /* the model, for people */
	Json *parts;      /* what the key is made of, by kind */
} Entry;
bool store_entry(Ctx *, Arena *, const char *base, Json *parts, Entry *);
/* Whether the entry is there and whole; if not, tells why it is not. */
bool store_has(Ctx *, Arena *, const Entry *, const char *binary);
/* Waits for others that make the same; the arena lets go. */
bool store_lock(Ctx *, Arena *, const Entry *);
/* The same at once or not at all, for the folder `dir` of an entry. */
bool store_try(Arena *, const char *dir);
/* Checks and seals what lies at part, and gives it its name. */
bool store_publish(Ctx *, Arena *, const Entry *, const char *binary);

#define STORE_MADE "made.json" /* in each: from what, and when used last */

/* ---- keep.c: how much of it stays ---- */

/* What is kept in base, a line each, the last used first. */
bool keep_list(Ctx *, Arena *, const char *base, const char *out);
/* Removes what was used longest ago until no more than limit bytes are left;
 * never what is in use, but for mine, which this run is done with. */
bool keep_limit(Ctx *, Arena *, const char *base, double limit,
                const Entry *mine);
/* Removes all that is not in use, with what failed runs left. */
bool keep_clear(Ctx *, Arena *, const char *base);

/* ---- layout.c ---- */

/* QEfficient's folder DIR/qpc-HASH from an entry at `from`, which was planned
 * as `p` by `make`. */
bool layout_write(Ctx *, Arena *, const Plan *p, PlanFn *make,
                  const char *from);

/* ---- tools.c, child.c ---- */

/* Programs are looked for under the SDK's root, then in o->search; lacking,
 * all places are named, unless it is a dry run. */
bool tools_qaic(Ctx *, Arena *, const qe_compile *, Tools *);
bool tools_qnn(Ctx *, Arena *, const qe_compile *, Tools *);

enum { TAIL = 12 };
typedef struct Child {
	const char *const *arg;
	Out *log;        /* gets all that it writes, or NULL */
	int64_t timeout; /* seconds, 0: none */
	/* what it came to: */
	int status; /* of exit, or 128 + signal */
	bool late;  /* it was ended because of timeout */
	char *tail[TAIL];
	int ntail;
	Buf *text; /* all of it, if set before; at most 1 MiB */
} Child;
/* Runs a program in a process group of its own, its output a line at a time
 * on the log and to progress().  False: it could not be started, or the run
 * was interrupted, and then the group is gone. */
bool child_run(Ctx *, Arena *, Child *);

#endif
