/* SPDX-License-Identifier: BSD-3-Clause
 * qpc.h - the package that qnn-compile writes and qpc-run maps.
 *
 * A tar archive (ustar, with pax records where needed), members as they are:
 *     manifest.json   format, version, members: name and size of each, and
 *                     what the maker has to say
 *     the members     in the manifest's order, data at multiples of 4096
 *     digest.json     size and xxh3-128 of all before it
 * Alignment comes from a pax record "SCHILY.xattr.user.pad" of the length
 * that is missing.  Times and owners are 0: same members, same bytes.  A
 * bundle is the same archive with another format in its manifest. */

#ifndef QPC_H
#define QPC_H

#include "json.h"

enum { QPC_VERSION = 1, QPC_ALIGN = 4096 };
#define QPC_FORMAT "qeff-qpc"
#define BUNDLE_FORMAT "qeff-bundle"

typedef struct QpcMember {
	const char *name; /* of [A-Za-z0-9._/-], relative, at most 100 long */
	int64_t size;
} QpcMember;

typedef struct QpcWriter QpcWriter;

/* Begins an archive at path ("-": stdout) whose members are known; manifest
 * gets "format", unless it has one, "version" and "members". */
QpcWriter *qpc_create(Ctx *, Arena *, const char *path, Json *manifest,
                      const QpcMember *, int n);
/* Members come in the declared order, each with its size in bytes. */
bool qpc_begin(Ctx *, QpcWriter *, const char *name);
bool qpc_write(Ctx *, QpcWriter *, const void *, size_t);
/* A member that is a file. */
bool qpc_file(Ctx *, QpcWriter *, const char *name, const char *path);
/* Writes digest.json; the archive appears at its path. */
bool qpc_finish(Ctx *, QpcWriter *);

typedef struct Qpc {
	const char *path;
	Json *manifest;
	QpcMember *member; /* without manifest.json and digest.json */
	int n;
	Span *data;    /* of each member, at multiples of 4096 */
	Digest digest; /* of digest.json: the package's identity */
} Qpc;

/* Maps the archive for as long as a lives.  Checked: names, kinds, sizes,
 * order, that it is whole; digests of members up to 256 KiB, and of all if
 * verify is set. */
Qpc *qpc_open(Ctx *, Arena *a, const char *path, bool verify);
Qpc *bundle_open(Ctx *, Arena *a, const char *path, bool verify);
/* The bytes of a member, in place. */
bool qpc_member(Ctx *, const Qpc *, const char *name, Span *out);

/* Whether a member may have this name. */
bool qpc_name_ok(const char *name);

#endif
