/* SPDX-License-Identifier: BSD-3-Clause
 * libqaic.c - a stand-in for libQAic.so, which runs on the processor
 *
 * The segment "host.qpc" of the program it is given is a package of the host
 * backend.  A process of run-host runs that: it is told the index of the
 * program and the bytes of its inputs, and answers with those of its outputs.
 * Dimensions choose the program, as on a card; a buffer of no bytes stays.
 *
 * STANDIN_HOST is the path of run-host; STANDIN_SEEN gets a line for each
 * run: the program, and the names of buffers that stayed. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OK = 0, INVALID = 6, FAILED = 500, MAXIO = 256, MAXSET = 32 };

typedef struct Buffer {
	size_t size;
	uint8_t *buf;
	uint64_t handle;
	uint32_t offset, type;
} Buffer;
typedef struct Dims {
	uint32_t count, element, *dim;
} Dims;
typedef struct Data {
	size_t size;
	uint8_t *data;
} Data;
typedef struct Mapping {
	char *name;
	uint32_t index;
	int io;
	uint32_t size;
	bool partial;
	int type;
} Mapping;
typedef struct Mappings {
	uint32_t n;
	Mapping *mapping;
} Mappings;

/* One of each suffices. */
static struct {
	FILE *to, *from;
	pid_t pid;
	const uint8_t *file;
	size_t size;
	Mapping mapping[MAXIO];
	Mappings all;
	int nin, nio, nset;
	uint32_t rank[MAXSET][MAXIO], dim[MAXSET][MAXIO][8];
	Buffer *buffer;
	Dims *dims;
	bool loaded, active;
} it;

/* - a little protobuf: fields of networkdesc.bin - */

typedef struct In {
	const uint8_t *p, *end;
} In;

static uint64_t
varint(In *in)
{
	uint64_t v = 0;

	for (int shift = 0; in->p < in->end; shift += 7) {
		v |= (uint64_t)(*in->p & 127) << shift;
		if (!(*in->p++ & 128))
			break;
	}
	return v;
}

static bool
field(In *in, int *number, In *sub, uint64_t *v)
{
	uint64_t tag;

	if (in->p >= in->end)
		return false;
	tag = varint(in);
	*number = (int)(tag >> 3);
	*v = varint(in);
	if ((tag & 7) == 2) {
		*sub = (In){in->p, in->p + *v};
		in->p += *v;
	}
	return true;
}

static char names[MAXIO][128];

static void
read_binding(In in, int io)
{
	Mapping *m = &it.mapping[it.nio];
	In sub;
	uint64_t v;
	int n;

	while (field(&in, &n, &sub, &v))
		if (n == 1) {
			snprintf(names[it.nio], sizeof *names, "%.*s",
			         (int)(sub.end - sub.p), (const char *)sub.p);
			m->name = names[it.nio];
		}
	m->io = io;
	m->index = (uint32_t)(MAXIO - 1); /* set below */
	it.nio++;
}

static void
read_set(In in)
{
	In shape, dims;
	uint64_t v;
	int n, k = 0;

	for (; field(&in, &n, &shape, &v); k++)
		while (field(&shape, &n, &dims, &v))
			while (n == 2 && dims.p < dims.end)
				it.dim[it.nset][k][it.rank[it.nset][k]++] =
					(uint32_t)varint(&dims);
	it.nset++;
}

static bool
read_network(In in)
{
	In sub;
	uint64_t v;
	int n;

	while (field(&in, &n, &sub, &v)) {
		if (n == 4)
			read_binding(sub, 1);
		else if (n == 5)
			read_binding(sub, 2);
		else if (n == 18)
			read_set(sub);
		if (n == 4)
			it.nin++;
	}
	/* the order of buffers need not be that of the bindings */
	for (int i = 0; i < it.nio; i++)
		it.mapping[i].index = (uint32_t)(it.nio - 1 - i);
	it.all = (Mappings){(uint32_t)it.nio, it.mapping};
	return it.nio > 0;
}

static In
segment(const char *name)
{
	uint64_t n, row[4];

	memcpy(&n, it.file + 24, 8);
	for (uint64_t i = 0; i < n; i++) {
		memcpy(row, it.file + 40 + 32 * i, sizeof row);
		if (strcmp((const char *)it.file + row[2], name) == 0)
			return (In){it.file + row[3],
			            it.file + row[3] + row[0]};
	}
	return (In){0};
}

/* - the process that computes - */

static bool
start(void)
{
	In host = segment("host.qpc");
	char path[] = "/tmp/standin-XXXXXX";
	int fd = mkstemp(path), to[2], from[2];

	if (fd < 0 || !host.p ||
	    write(fd, host.p, (size_t)(host.end - host.p)) !=
	            host.end - host.p ||
	    pipe(to) < 0 || pipe(from) < 0)
		return false;
	close(fd);
	if ((it.pid = fork()) == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execl(getenv("STANDIN_HOST"), "run-host", path, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	it.to = fdopen(to[1], "w");
	it.from = fdopen(from[0], "r");
	return fgetc(it.from) == 'r'; /* it has the package open */
}

static bool
matches(int set)
{
	for (int i = 0; i < it.nio; i++) {
		const Dims *d = &it.dims[it.mapping[i].index];

		if (it.buffer[it.mapping[i].index].size == 0)
			continue;
		if (d->count != it.rank[set][i] ||
		    memcmp(d->dim, it.dim[set][i], d->count * sizeof *d->dim) !=
		            0)
			return false;
	}
	return true;
}

static int
compute(int set)
{
	FILE *seen = fopen(getenv("STANDIN_SEEN"), "a");

	fputc(set, it.to);
	for (int i = 0; i < it.nio; i++) {
		Buffer *b = &it.buffer[it.mapping[i].index];

		if (seen && !b->size)
			fprintf(seen, "stays %s ", it.mapping[i].name);
		if (i < it.nin)
			fwrite(b->buf, 1, b->size, it.to);
	}
	if (seen) {
		fprintf(seen, "program %d\n", set);
		fclose(seen);
	}
	fflush(it.to);
	for (int i = it.nin; i < it.nio; i++) {
		Buffer *b = &it.buffer[it.mapping[i].index];

		if (b->size && fread(b->buf, 1, b->size, it.from) != b->size)
			return FAILED;
	}
	return OK;
}

/* - the interface - */

int qaicCreateContext(void **, void *, uint32_t, int32_t *, void *, void *,
                      void *, void *);
int
qaicCreateContext(void **c, void *props, uint32_t n, int32_t *dev, void *log,
                  void *error, void *a, void *b)
{
	(void)props, (void)log, (void)error, (void)a, (void)b;
	*c = &it;
	return n && *dev >= 0 ? OK : INVALID;
}

int qaicOpenQpc(void **, const uint8_t *, size_t, bool);
int
qaicOpenQpc(void **q, const uint8_t *p, size_t n, bool copy)
{
	(void)copy;
	*q = &it;
	it.file = p;
	it.size = n;
	return read_network(segment("networkdesc.bin")) ? OK : INVALID;
}

int qaicProgramPropertiesInitDefault(void *);
int
qaicProgramPropertiesInitDefault(void *p)
{
	memset(p, 0, 64);
	((uint32_t *)p)[1] = 5;
	return OK;
}

int qaicCreateProgram(void *, void **, void *, int32_t, const char *, void *);
int
qaicCreateProgram(void *c, void **p, void *props, int32_t dev, const char *name,
                  void *q)
{
	(void)props, (void)dev, (void)name;
	*p = &it;
	return c && q ? OK : INVALID;
}

int qaicLoadProgram(void *);
int
qaicLoadProgram(void *p)
{
	it.loaded = start();
	return p && it.loaded ? OK : FAILED;
}

int qaicRunActivationCmd(void *, int);
int
qaicRunActivationCmd(void *p, int cmd)
{
	it.active = cmd == 0;
	return p && it.loaded ? OK : FAILED;
}

int qaicProgramGetIoDescriptor(void *, Data *);
int
qaicProgramGetIoDescriptor(void *p, Data *d)
{
	*d = (Data){0};
	return p ? OK : INVALID;
}

int qaicProgramGetIoBufferInfo(void *, Mappings **);
int
qaicProgramGetIoBufferInfo(void *p, Mappings **m)
{
	*m = &it.all;
	return p ? OK : INVALID;
}

int qaicCreateQueue(void *, void **, void *, int32_t);
int
qaicCreateQueue(void *c, void **q, void *props, int32_t dev)
{
	(void)props, (void)dev;
	*q = &it;
	return c ? OK : INVALID;
}

int qaicCreateExecObj(void *, void **, uint32_t *, void *, Data *, void *,
                      void *);
int
qaicCreateExecObj(void *c, void **e, uint32_t *props, void *p, Data *d, void *a,
                  void *b)
{
	(void)props, (void)a, (void)b;
	*e = &it;
	return c && p && d && it.active ? OK : INVALID;
}

int qaicExecObjSetDataExt(void *, uint32_t, Buffer *, Dims *);
int
qaicExecObjSetDataExt(void *e, uint32_t n, Buffer *b, Dims *d)
{
	it.buffer = b;
	it.dims = d;
	for (uint32_t i = 0; i < n; i++)
		if (b[i].size && (uintptr_t)b[i].buf % 4096 != 0)
			return INVALID;
	return e && n == (uint32_t)it.nio ? OK : INVALID;
}

int qaicEnqueueExecObj(void *, void *, void *);
int
qaicEnqueueExecObj(void *q, void *e, void *event)
{
	(void)event;
	return q && e ? OK : INVALID;
}

int qaicExecObjWaitForCompletion(void *, uint32_t);
int
qaicExecObjWaitForCompletion(void *e, uint32_t us)
{
	(void)us;
	for (int s = 0; e && s < it.nset; s++)
		if (matches(s))
			return compute(s);
	return 300; /* no such specialization: a card says so only now */
}

#define RELEASE(name)                                                          \
	int name(void *);                                                      \
	int name(void *p)                                                      \
	{                                                                      \
		return p ? OK : INVALID;                                       \
	}
RELEASE(qaicReleaseExecObj)
RELEASE(qaicReleaseProgram)
RELEASE(qaicCloseQpc)
RELEASE(qaicReleaseQueue)
RELEASE(qaicReleaseContext)

int qaicUnloadProgram(void *);
int
qaicUnloadProgram(void *p)
{
	fclose(it.to);
	fclose(it.from);
	waitpid(it.pid, NULL, 0);
	return p ? OK : INVALID;
}
