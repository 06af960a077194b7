/* SPDX-License-Identifier: BSD-3-Clause
 * kind.h - what a file is, by its first bytes; never by its name. */

#ifndef KIND_H
#define KIND_H

#include "base.h"

enum Kind {
	KIND_UNKNOWN,
	KIND_EMPTY,
	KIND_JSON, /* a model document, as far as a few bytes can tell */
	KIND_ONNX,
	KIND_QPC,
	KIND_TAR,
	KIND_VENDOR, /* programqpc.bin */
	KIND_SAFETENSORS,
	KIND_NPY,
	KIND_ZIP,
	KIND_PICKLE,
	KIND_GGUF,
	KIND_HTML,
	KIND_LFS,
	KIND_PACKED,
	KIND_COUNT
};

enum { KIND_HEAD = 1024 }; /* bytes that are enough */

enum Kind file_kind(Span head);
/* Fails with "not WANTED: it looks like ...", and what to do about a git-lfs
 * pointer or a web page. */
bool kind_refuse(Ctx *, const char *wanted, Span head);

#endif
