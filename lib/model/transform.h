/* SPDX-License-Identifier: BSD-3-Clause
 * transform.h - rewrites of the module tree, one row each. */

#ifndef TRANSFORM_H
#define TRANSFORM_H

#include "json.h"

/* The options of the stage are what transforms are asked with. */
typedef struct qe_transform TransformArgs;

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

/* For the transforms: the document's decoder has its cache, or why not. */
bool transform_cached(Ctx *, const Json *doc);
/* The blocks of these kinds in all layers. */
Json *transform_blocks(Arena *, const Json *doc, const char *const *kinds);
/* Every layer's state is rows by position, or a refusal: what else would be
 * wanted of it is `why`. */
bool transform_by_rows(Ctx *, Arena *, const Json *doc, const char *why);
/* t_window.c: no layer keeps a ring, which `why`. */
bool transform_no_ring(Ctx *, Arena *, const Json *doc, const char *why);
/* Calls are not whole prompts, which `why`. */
bool transform_steps(Ctx *, const Json *doc, const char *why);

/* adapter_config.json of a directory, if it is of a kind that is supported. */
Json *lora_config(Ctx *, Arena *, const char *dir);
/* The setting by which the scale of an adapter is not what was recorded of the
 * one that a model was made for; NULL: it is the same. */
const char *lora_other_scale(const Json *config, const Json *record);

/* Applies the list (NULL: all that are wanted), in its order. */
bool transforms_apply(Ctx *, Arena *, Json *doc, const char *list,
                      const TransformArgs *);

#define TRANSFORM(name, want, apply, about)                                    \
	WantFn want;                                                           \
	ApplyFn apply;
#include "transforms.def"
#undef TRANSFORM

#endif
