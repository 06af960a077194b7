/* SPDX-License-Identifier: BSD-3-Clause
 * tok_files.c - checkpoints without a tokenizer.json. */

#include "tok.h"

bool
compile_files(Build *b, const TokenizerFiles *f)
{
	(void)f;
	return fail(b->c, QE_INPUT, "no tokenizer files");
}
