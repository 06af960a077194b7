/* SPDX-License-Identifier: BSD-3-Clause
 * transform.h - rewrites of the module tree, one row each. */

#ifndef TRANSFORM_H
#define TRANSFORM_H

#include "json.h"

typedef struct TransformArgs {
	const char *pooling; /* NULL: as the checkpoint says */
	bool normalize;
} TransformArgs;

/* True if the transform has something to do in this document by itself. */
typedef bool WantFn(const Json *doc, const TransformArgs *);
/* Rewrites the document, or says why it cannot. */
typedef bool ApplyFn(Ctx *, Arena *, Json *doc, const TransformArgs *,
                     Json *record);

typedef struct Transform {
	const char *name;
	WantFn *want;
	ApplyFn *apply;
	const char *about;
} Transform;

extern const Transform transforms[];
extern const int ntransform;

/* Applies the list (NULL: all that are wanted), in its order. */
bool transforms_apply(Ctx *, Arena *, Json *doc, const char *list,
                      const TransformArgs *);

#define TRANSFORM(name, want, apply, about)                                    \
	WantFn want;                                                           \
	ApplyFn apply;
#include "transforms.def"
#undef TRANSFORM

#endif
