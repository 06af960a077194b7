/* SPDX-License-Identifier: BSD-3-Clause
 * card.c - libQAic's C interface, by dlopen.
 *
 * No header of the SDK is used.  Calls and their order are those of public
 * programs that link with it (release 1.21); the structures are those of the
 * open runtime, quic/software-kit-for-qualcomm-cloud-ai-100, inc/.  That of
 * program properties is public in part only: it is checked against its
 * documented defaults before devMapping is set. */

#include <dlfcn.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "card.h"
#include "contract.h"

enum { PROPERTIES = 4096, RETRIES = 5, AUTO = 4, WAIT_US = 60000000 };

/* - what the library's functions take - */

typedef struct QBuffer {
	size_t size;
	uint8_t *buf;
	uint64_t handle;
	uint32_t offset;
	uint32_t type; /* 0: memory of the process */
} QBuffer;

typedef struct QDims {
	uint32_t count, element;
	uint32_t *dim;
} QDims;

typedef struct QData {
	size_t size;
	uint8_t *data;
} QData;

typedef struct QMapping {
	char *name;
	uint32_t index;
	int io; /* 1 in, 2 out */
	uint32_t size;
	bool partial;
	int type;
} QMapping;

typedef struct QMappings {
	uint32_t n;
	QMapping *mapping;
} QMappings;

/* The begin of the program's properties. */
typedef struct QProperties {
	uint32_t mask, retries, timeout;
	const char *devices; /* "0:1:2" */
} QProperties;

typedef void Handle;

/* name, arguments; each returns a status, 0 if all is well */
#define CALLS(X)                                                               \
	X(CreateContext, (Handle **, void *, uint32_t, int32_t *, void *,      \
	                  void *, void *, void *))                             \
	X(OpenQpc, (Handle **, const uint8_t *, size_t, bool))                 \
	X(ProgramPropertiesInitDefault, (void *))                              \
	X(CreateProgram,                                                       \
	  (Handle *, Handle **, void *, int32_t, const char *, Handle *))      \
	X(LoadProgram, (Handle *))                                             \
	X(RunActivationCmd, (Handle *, int))                                   \
	X(ProgramGetIoDescriptor, (Handle *, QData *))                         \
	X(ProgramGetIoBufferInfo, (Handle *, QMappings **))                    \
	X(CreateQueue, (Handle *, Handle **, void *, int32_t))                 \
	X(CreateExecObj, (Handle *, Handle **, uint32_t *, Handle *, QData *,  \
	                  void *, void *))                                     \
	X(ExecObjSetDataExt, (Handle *, uint32_t, QBuffer *, QDims *))         \
	X(EnqueueExecObj, (Handle *, Handle *, Handle *))                      \
	X(ExecObjWaitForCompletion, (Handle *, uint32_t))                      \
	X(ReleaseExecObj, (Handle *))                                          \
	X(UnloadProgram, (Handle *))                                           \
	X(ReleaseProgram, (Handle *))                                          \
	X(CloseQpc, (Handle *))                                                \
	X(ReleaseQueue, (Handle *))                                            \
	X(ReleaseContext, (Handle *))

typedef struct Api {
#define X(name, args) int(*name) args;
	CALLS(X)
#undef X
} Api;

struct Card {
	Api api;
	void *library;
	Handle *context, *qpc, *program, *queue, *exec;
	bool loaded, active;
	QMappings *io;
	QBuffer *buffer;
	QDims *dims;
	uint32_t none; /* the 0 of an empty buffer */
	union {
		QProperties known;
		char room[PROPERTIES]; /* the library may have more */
	} properties;
};

static const char *
status_text(int status)
{
	static const struct {
		int status;
		char text[48];
	} known[] = {{1, "not permitted (is the user in the group qaic?)"},
	             {2, "try again"},
	             {3, "not enough memory"},
	             {4, "busy"},
	             {5, "no such device"},
	             {6, "invalid argument"},
	             {7, "no space"},
	             {9, "timed out"},
	             {11, "unsupported"},
	             {300, "device error"}};

	for (size_t i = 0; i < LEN(known); i++)
		if (known[i].status == status)
			return known[i].text;
	return "error";
}

static bool
done(Ctx *c, int status, const char *what)
{
	if (!status)
		return true;
	return fail(c, status == 5 ? QE_MISSING : QE_EXTERNAL,
	            "libQAic: %s: %s (status %d)", what, status_text(status),
	            status);
}

/* - finding it - */

static void *
load(Ctx *c, Arena *a, const char *given)
{
	struct utsname u = {0};
	const char *place[3] = {given};
	Buf *tried = buf_new(a);
	void *lib = NULL;

	if (!given) {
		uname(&u);
		place[0] = "libQAic.so";
		place[1] = arena_str(a, "/opt/qti-aic/dev/lib/%s/libQAic.so",
		                     u.machine);
	}
	for (int i = 0; i < 3 && place[i] && !lib; i++) {
		if (!(lib = dlopen(place[i], RTLD_NOW | RTLD_LOCAL)))
			buf_fmt(tried, "%s%s", i ? "; " : "", dlerror());
	}
	if (!lib)
		fail(c, QE_MISSING,
		     "libQAic.so: not found (QAIC_LIB names it): %s", tried->p);
	return lib;
}

static bool
resolve(Ctx *c, Card *k)
{
	const struct {
		const char *name;
		void *to;
	} need[] = {
#define X(name, args) {"qaic" #name, &k->api.name},
		CALLS(X)
#undef X
	};

	for (size_t i = 0; i < LEN(need); i++) {
		void *f = dlsym(k->library, need[i].name);

		if (!f)
			return fail(c, QE_MISSING,
			            "libQAic.so: has no function %s",
			            need[i].name);
		memcpy(need[i].to, &f, sizeof f);
	}
	return true;
}

/* - opening - */

static void
release(void *p)
{
	Card *k = p;

	if (k->exec)
		k->api.ReleaseExecObj(k->exec);
	if (k->queue)
		k->api.ReleaseQueue(k->queue);
	if (k->active)
		k->api.RunActivationCmd(k->program, 1);
	if (k->loaded)
		k->api.UnloadProgram(k->program);
	if (k->program)
		k->api.ReleaseProgram(k->program);
	if (k->qpc)
		k->api.CloseQpc(k->qpc);
	if (k->context)
		k->api.ReleaseContext(k->context);
	dlclose(k->library);
}

/* Where several devices are named in the properties is public only for the
 * open runtime: the defaults before it must be where they are there. */
static bool
set_devices(Ctx *c, Arena *a, Card *k, const CardOptions *o)
{
	QProperties *p = &k->properties.known;
	Buf *b = buf_new(a);

	if (o->ndevice < 2)
		return true;
	if (p->retries != RETRIES || p->devices)
		return fail(
			c, QE_MISSING,
			"libQAic.so: program properties are not laid out as known: several devices cannot be named");
	for (int i = 0; i < o->ndevice; i++)
		buf_fmt(b, "%s%d", i ? ":" : "", (int)o->device[i]);
	p->devices = b->p;
	return true;
}

static bool
load_program(Ctx *c, Arena *a, Card *k, Span program, const CardOptions *o)
{
	int32_t *device =
		arena_copy(a, o->device, (size_t)o->ndevice * sizeof *device);
	const Api *f = &k->api;

	if (!done(c,
	          f->CreateContext(&k->context, NULL, (uint32_t)o->ndevice,
	                           device, NULL, NULL, NULL, NULL),
	          "context") ||
	    !done(c,
	          f->OpenQpc(&k->qpc, (const uint8_t *)program.p, program.n,
	                     false),
	          "programqpc.bin") ||
	    !done(c, f->ProgramPropertiesInitDefault(&k->properties),
	          "properties") ||
	    !set_devices(c, a, k, o) ||
	    !done(c,
	          f->CreateProgram(k->context, &k->program, &k->properties,
	                           *device, "qeff", k->qpc),
	          "program") ||
	    !done(c, f->LoadProgram(k->program), "loading the program"))
		return false;
	k->loaded = true;
	if (!done(c, f->RunActivationCmd(k->program, 0), "activating"))
		return false;
	k->active = true;
	return done(c, f->CreateQueue(k->context, &k->queue, NULL, *device),
	            "queue");
}

static bool
make_buffers(Ctx *c, Arena *a, Card *k)
{
	const Api *f = &k->api;
	uint32_t how = AUTO;
	QData io = {0};

	if (!done(c, f->ProgramGetIoDescriptor(k->program, &io),
	          "descriptor") ||
	    !done(c,
	          f->CreateExecObj(k->context, &k->exec, &how, k->program, &io,
	                           NULL, NULL),
	          "execution object") ||
	    !done(c, f->ProgramGetIoBufferInfo(k->program, &k->io), "buffers"))
		return false;
	for (uint32_t i = 0; i < k->io->n; i++)
		if (k->io->mapping[i].index >= k->io->n)
			return fail(c, QE_EXTERNAL, "libQAic: buffer %u of %u",
			            (unsigned)k->io->mapping[i].index,
			            (unsigned)k->io->n);
	k->buffer = NEWV(a, QBuffer, k->io->n + 1);
	k->dims = NEWV(a, QDims, k->io->n + 1);
	return true;
}

Card *
card_open(Ctx *c, Arena *a, Span program, const CardOptions *o)
{
	Card *k = NEW(a, Card);

	if (!(k->library = load(c, a, o->library)))
		return NULL;
	if (!resolve(c, k)) {
		dlclose(k->library);
		return NULL;
	}
	arena_defer(a, release, k);
	return load_program(c, a, k, program, o) && make_buffers(c, a, k)
	               ? k
	               : NULL;
}

/* - running - */

int
card_buffers(const Card *k)
{
	return (int)k->io->n;
}

/* Names may have a path in front, and retained state may be internal. */
static bool
same_name(const char *theirs, const char *ours)
{
	size_t n = strlen(theirs);
	static const char inner[] = "_InternalRetainedState";

	theirs = io_base(theirs);
	ours = io_base(ours);
	n = strlen(theirs);
	if (strcmp(theirs, ours) == 0)
		return true;
	return str_ends(theirs, inner) && str_ends(ours, "_RetainedState") &&
	       n - strlen(inner) == strlen(ours) - strlen("_RetainedState") &&
	       strncmp(theirs, ours, n - strlen(inner)) == 0;
}

int
card_buffer(const Card *k, const char *name)
{
	for (uint32_t i = 0; i < k->io->n; i++)
		if (same_name(k->io->mapping[i].name, name))
			return (int)k->io->mapping[i].index;
	return -1;
}

bool
card_run(Ctx *c, Card *k, CardBuffer *b)
{
	uint32_t n = k->io->n;

	for (uint32_t i = 0; i < n; i++) {
		k->buffer[i] =
			(QBuffer){.size = (size_t)b[i].bytes, .buf = b[i].data};
		k->dims[i] =
			b[i].data ? (QDims){b[i].rank, b[i].element, b[i].dim}
				  : (QDims){1, b[i].element, &k->none};
	}
	return done(c, k->api.ExecObjSetDataExt(k->exec, n, k->buffer, k->dims),
	            "buffers of a run") &&
	       done(c, k->api.EnqueueExecObj(k->queue, k->exec, NULL),
	            "enqueue") &&
	       done(c, k->api.ExecObjWaitForCompletion(k->exec, WAIT_US),
	            "a run");
}
