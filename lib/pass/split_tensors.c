/* SPDX-License-Identifier: BSD-3-Clause
 * split_tensors.c - weights over 1 KiB go to files beside the model.
 *
 * As QEfficient's SplitTensorsTransform does it, in pieces of at most 10 GiB;
 * the work is the writer's, so this only asks for it. */

#include "pass.h"

bool
pass_split_tensors(Ctx *c, Edit *e)
{
	(void)c;
	e->changes += !e->materialize;
	e->materialize = true;
	return true;
}
