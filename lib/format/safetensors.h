/* SPDX-License-Identifier: BSD-3-Clause
 * safetensors.h - checkpoint files: names, types and places of tensors. */

#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "ir.h"

typedef struct SafeTensor {
	const char *name;
	DType type;        /* DT_NONE for a type that dtypes.def lacks */
	const char *dtype; /* as the file writes it */
	Shape shape;
	int64_t off, len; /* of its bytes in the file */
} SafeTensor;

typedef struct SafeFile {
	const char *path;
	int64_t size;   /* of the file */
	int64_t header; /* 8 and the length of the JSON: where data begins */
	SafeTensor *tensor; /* in the order of their bytes */
	int ntensor;
	Dict *byname; /* SafeTensor of a name */
} SafeFile;

/* Reads the header of a file and checks it against the file's size. */
bool safetensors_read(Ctx *, Arena *, const char *path, SafeFile *out);
/* The files of a checkpoint directory: model.safetensors, or the shards of
 * model.safetensors.index.json.  QE_IO if it has neither. */
bool safetensors_dir(Ctx *, Arena *, const char *dir, SafeFile **files, int *n);
/* Digest of the header, or of the whole file; *hashed bytes. */
bool safetensors_digest(Ctx *, const SafeFile *, bool whole, Digest *,
                        int64_t *hashed);

#endif
