/* SPDX-License-Identifier: BSD-3-Clause
 * run-host - runs programs of a package of the host backend on request
 *
 *	run-host FILE
 *
 * FILE is removed once it is open.  A byte names the program; the bytes of
 * its inputs follow; out come those of its outputs.  The state is kept. */

#include <stdio.h>
#include <unistd.h>

#include "host.h"

static bool
move(FILE *f, HostIO *io, bool in)
{
	size_t n = (size_t)dtype_bytes(io->type, shape_count(&io->shape));

	return (in ? fread(io->data, 1, n, f) : fwrite(io->data, 1, n, f)) == n;
}

static bool
serve(Ctx *c, HostModel *m)
{
	HostIO *io;
	int n, k = getchar();

	if (k == EOF || k >= host_count(m))
		return false;
	n = host_ios(host_program(m, k), &io);
	for (int i = 0; i < n; i++)
		if (!io[i].output && !move(stdin, &io[i], true))
			return false;
	if (!host_run(c, host_program(m, k)))
		return false;
	for (int i = 0; i < n; i++)
		if (io[i].output && !move(stdout, &io[i], false))
			return false;
	return fflush(stdout) == 0;
}

int
main(int argc, char **argv)
{
	Ctx c = {.tool = "run-host"};
	Arena a = {0};
	Qpc *q = argc > 1 ? qpc_open(&c, &a, argv[1], false) : NULL;
	HostModel *m = q ? host_open(&c, &a, q, 1, NULL) : NULL;

	if (m) {
		unlink(argv[1]);
		putchar('r');
		fflush(stdout);
		while (serve(&c, m))
			;
	}
	if (c.status)
		fprintf(stderr, "run-host: %s\n", c.msg);
	arena_free(&a);
	arena_free(&c.mem);
	return (int)c.status;
}
