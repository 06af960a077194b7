/* SPDX-License-Identifier: BSD-3-Clause
 * peak - runs a command and holds it to limits of time and memory
 *
 *	peak SECONDS MIB COMMAND...
 *
 * Exits as the command does, or with 1 after saying what it took too much
 * of.  With limits of 0 it says what it took. */

#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	double seconds, mib, start = now(), took;
	struct rusage u;
	int status;
	pid_t pid;

	if (argc < 4 || (pid = fork()) < 0)
		return 2;
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &u) != pid)
		return 2;
	took = now() - start;
	seconds = strtod(argv[1], NULL);
	mib = strtod(argv[2], NULL);
	if (took > seconds || (double)u.ru_maxrss / 1024 > mib) {
		fprintf(stderr, "%s: %.3f s, %.1f MiB\n", argv[3], took,
		        (double)u.ru_maxrss / 1024);
		if (seconds > 0)
			return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
