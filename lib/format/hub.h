/* SPDX-License-Identifier: BSD-3-Clause
 * hub.h - checkpoints that the Hugging Face tools have downloaded. */

#ifndef HUB_H
#define HUB_H

#include "base.h"

/* Whether s can be the id of a repository: NAME or OWNER/NAME. */
bool hub_is_id(const char *s);
/* The folder of a repository's files in a cache, nothing downloaded.
 * revision: a branch, a tag or a commit; NULL is "main".  NULL with a failure,
 * QE_IO if the cache does not have it. */
char *hub_resolve(Ctx *, Arena *, const char *id, const char *cache,
                  const char *revision);

#endif
