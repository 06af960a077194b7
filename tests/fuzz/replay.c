/* SPDX-License-Identifier: BSD-3-Clause
 * replay.c - gives each named file to a fuzz target once, so that what a
 * fuzzer found stays found without one. */

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(1 << 20);
	size_t n;

	if (!f || !data) {
		perror(path);
		free(data);
		return 1;
	}
	n = fread(data, 1, 1 << 20, f);
	fclose(f);
	/* its own block, so that reading past the end is seen */
	if (n && (data = realloc(data, n)))
		LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++)
		bad |= replay(argv[i]);
	printf("%s: %d inputs\n", argv[0], argc - 1);
	return bad || argc < 2;
}
