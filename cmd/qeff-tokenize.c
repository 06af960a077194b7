/* SPDX-License-Identifier: BSD-3-Clause
 * qeff-tokenize - text to token ids and back; chat templates. */

#include "cli.h"

int
main(int argc, char **argv)
{
	qe_tokenize o = QE_TOKENIZE_INIT;
	qe_render r = QE_RENDER_INIT;
	const Cmd *chosen = NULL;
	/* clang-format off */
	const Opt encode[] = {
		{'i', "input",        INPUT,  &o.in,    "FILE", "read lines from FILE"},
		{'o', "output",       OUTPUT, &o.out,   "FILE", "write to FILE"},
		{'j', "jsonl",        FLAG,   &o.jsonl, NULL,   "lines are JSON objects"},
		{'n', "no-special",   FLAG,   &o.plain, NULL,   "no special tokens around the text"},
		{'p', "pairs",        FLAG,   &o.pairs, NULL,   "a line is two texts with a tab between"},
		{'t', "tokens",       FLAG,   &o.names, NULL,   "the names of the tokens"},
		{0}
	};
	const Opt count[] = {
		{'i', "input",        INPUT,  &o.in,    "FILE", "read lines from FILE"},
		{'o', "output",       OUTPUT, &o.out,   "FILE", "write to FILE"},
		{'j', "jsonl",        FLAG,   &o.jsonl, NULL,   "lines are JSON objects"},
		{'n', "no-special",   FLAG,   &o.plain, NULL,   "no special tokens around the text"},
		{'p', "pairs",        FLAG,   &o.pairs, NULL,   "a line is two texts with a tab between"},
		{0}
	};
	const Opt decode[] = {
		{'i', "input",        INPUT,  &o.in,    "FILE", "read lines from FILE"},
		{'o', "output",       OUTPUT, &o.out,   "FILE", "write to FILE"},
		{'j', "jsonl",        FLAG,   &o.jsonl, NULL,   "lines are JSON objects"},
		{'s', "skip-special", FLAG,   &o.skip,  NULL,   "leave special tokens out"},
		{0}
	};
	const Opt pack[] = {
		{'o', "output",       BINARY, &o.out,   "FILE", "write to FILE"},
		{0}
	};
	const Opt render[] = {
		{'i', "input",        INPUT,  &r.in,    "FILE", "read the variables from FILE"},
		{'o', "output",       OUTPUT, &r.out,   "FILE", "write to FILE"},
		{'j', "jsonl",        FLAG,   &r.jsonl, NULL,   "each line is an object and gets an answer"},
		{'t', "template",     TEXT,   &r.source, "FILE", "the template"},
		{'m', "model",        INPUT,  &r.model, "MODEL", "the template and special tokens of a model"},
		{0,   "name",         TEXT,   &r.name,  "NAME", "which of the model's templates"},
		{0,   "now",          TEXT,   &r.now,   "TIME", "the time it sees, YYYY-MM-DD[Thh:mm:ss]"},
		{0}
	};
	/* in the order of enum qe_tokenize_what, then render */
	const Cmd command[] = {
		{"encode", "A line of text to a line of ids.",       "TOKENIZER", encode, &o.tokenizer},
		{"decode", "A line of ids to a line of text.",       "TOKENIZER", decode, &o.tokenizer},
		{"count",  "A line of text to the number of its ids.", "TOKENIZER", count,  &o.tokenizer},
		{"pack",   "A tokenizer to its compiled form.",      "TOKENIZER", pack,   &o.tokenizer},
		{"render", "Variables to the text of a chat template.", NULL,     render, NULL},
		{0}
	};
	/* clang-format on */
	const Opt none[] = {{0}};
	const Cmd cmd = {.name = "qeff-tokenize",
	                 .about = "Text to token ids and back; chat templates.",
	                 .operands = "TOKENIZER",
	                 .opt = none,
	                 .command = command,
	                 .chosen = &chosen};
	qe_ctx *c = cli_open(&cmd, argv);

	(void)argc;
	o.what = (enum qe_tokenize_what)(chosen - command);
	if (chosen->opt == render)
		qe_render_chat(c, &r);
	else
		qe_tokens(c, &o);
	return cli_close(c);
}
