/* SPDX-License-Identifier: BSD-3-Clause
 * A compiled form that is taken can be run: whatever its steps say, nothing
 * outside their memory is touched. */

#include <stdlib.h>

#include "fuzz.h"
#include "host.h"

enum { WEIGHTS = 64 << 10, ROOM = 1 << 20 };

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	Ctx c = {0};
	void *program = arena_copy(&c.mem, p, n);
	void *weights = arena_alloc(&c.mem, WEIGHTS);
	QpcMember member[] = {{"program.bin", (int64_t)n},
	                      {"weights.bin", WEIGHTS}};
	Span data[] = {{program, n}, {weights, WEIGHTS}};
	Qpc q = {.path = "fuzz", .member = member, .n = 2, .data = data};
	HostModel *m = host_open(&c, &c.mem, &q, 1, getenv("QEFF_ISA"));

	/* small memories bound the work of a step */
	if (m && host_arena_bytes(m) <= ROOM && host_state_bytes(m) <= ROOM)
		for (int i = 0; i < host_count(m); i++)
			host_run(&c, host_program(m, i));
	arena_free(&c.mem);
	return 0;
}
