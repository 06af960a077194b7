/* SPDX-License-Identifier: BSD-3-Clause
 * state.c - the names by which a cache is known. */

#include "ir.h"

const StateNames state_names[STATE_COUNT] = {
#define STATES(id, first, second, slots)                                       \
	[STATE_##id] = {{first, second}, slots},
#include "states.def"
#undef STATES
};

const StateNames *
state_find(const char *name)
{
	for (int i = 0; i < STATE_COUNT; i++)
		for (int k = 0; k < 2; k++) {
			const char *stem = state_names[i].stem[k];

			if (str_starts(name, stem) && name[strlen(stem)] == '.')
				return &state_names[i];
		}
	return NULL;
}
