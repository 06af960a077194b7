/* SPDX-License-Identifier: BSD-3-Clause
 * cli.c - what all programs share.
 *
 * A command line is walked twice: first to look, so that --help shows the
 * defaults and an error leaves nothing half done, then to set.  A process
 * has one command line, so its state is the one static `cli`. */

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef QEFF_SHARE
#define QEFF_SHARE "/usr/local/share/qeff"
#endif

enum { WIDTH = 79, COLUMN = 27, NAMES = 256 };

/* Memory for lists of words; reachable until the end. */
typedef struct Block {
	struct Block *next;
	const char *word[];
} Block;

static struct {
	const Cmd *cmd; /* the program */
	const Cmd *sub; /* its chosen command, or NULL */
	Block *blocks;
	const char **operand;
	size_t argc, noperand;
	char **rest; /* what follows "--" */
	bool help, version, alone;
	enum qe_table table; /* to print, or 0 */
	int verbose, quiet;
	bool drawn;  /* a progress line stands on the terminal */
	int percent; /* what it shows */
	qe_ctx *ctx;
	char share[4096];
} cli;

static volatile sig_atomic_t caught;

/* clang-format off */
static const Opt common[] = {
	{.help = "Common"},
	{'q', "quiet",   COUNT, &cli.quiet,   NULL, "print errors only"},
	{'v', "verbose", COUNT, &cli.verbose, NULL, "say what is done; -vv says more"},
	{'h', "help",    FLAG,  &cli.help,    NULL, "print this help"},
	{'V', "version", FLAG,  &cli.version, NULL, "print the version"},
	{0}
};
/* clang-format on */

typedef void OptFn(const Opt *, const char *value);

/* - messages - */

/* "tool: sentence" on one line: names out of files may hold anything. */
static void
tell(const char *sentence)
{
	if (cli.drawn)
		fputs("\r\033[K", stderr);
	cli.drawn = false;
	fprintf(stderr, "%s: ", cli.cmd->name);
	for (const char *p = sentence; *p; p++)
		putc((unsigned char)*p < ' ' || *p == 127 ? '?' : *p, stderr);
	putc('\n', stderr);
}

__attribute__((noreturn, format(printf, 1, 2))) static void
bad_usage(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	tell(line);
	exit(QE_USAGE);
}

__attribute__((noreturn)) static void
out_of_memory(void)
{
	tell("out of memory");
	exit(QE_NOMEM);
}

static void
log_line(void *arg, int level, const char *line)
{
	(void)arg;
	(void)level;
	tell(line);
}

/* Redrawn when the percentage changes, which is often enough; without an end
 * to count to, always. */
static void
draw_progress(void *arg, const char *what, int64_t done, int64_t total)
{
	int percent =
		total > 0 ? (int)(100. * (double)done / (double)total) : -1;

	(void)arg;
	if (cli.drawn && percent == cli.percent && percent >= 0)
		return;
	fprintf(stderr, "\r\033[K%.79s", what);
	if (percent >= 0)
		fprintf(stderr, " %d%%", percent);
	cli.drawn = done < total || !total;
	cli.percent = percent;
	if (!cli.drawn)
		fputs("\r\033[K", stderr);
}

static const char **
words(size_t n)
{
	Block *b = calloc(1, sizeof *b + (n + 1) * sizeof *b->word);

	if (!b)
		out_of_memory();
	b->next = cli.blocks;
	cli.blocks = b;
	return b->word;
}

/* - the rows - */

/* The tables that are in force, in the order of their help. */
static const Opt *
table(int i)
{
	const Opt *of[] = {cli.sub ? cli.sub->opt : NULL, cli.cmd->opt, common};

	return i < 3 ? of[i] : NULL;
}

#define EACH_OPT(o)                                                            \
	for (int i_ = 0; i_ < 3; i_++)                                         \
		for (const Opt *o = table(i_); o && (o->help || o->name); o++)

/* Are the first n characters of a this name, '_' being '-'? */
static bool
same(const char *a, size_t n, const char *name, size_t len)
{
	if (n != len)
		return false;
	for (size_t i = 0; i < n; i++)
		if (name[i] != (a[i] == '_' ? '-' : a[i]))
			return false;
	return true;
}

static bool
named(const Opt *o, const char *a, size_t n)
{
	const char *p = o->also;

	if (!o->name || same(a, n, o->name, strlen(o->name)))
		return o->name != NULL;
	while (p && *p) {
		size_t len = strcspn(p, " ");

		if (same(a, n, p, len))
			return true;
		p += len + strspn(p + len, " ");
	}
	return false;
}

static const Opt *
find_long(const char *a, size_t n)
{
	EACH_OPT(o)
	if (named(o, a, n))
		return o;
	return NULL;
}

static const Opt *
find_short(char letter)
{
	EACH_OPT(o)
	if (o->letter == letter)
		return o;
	return NULL;
}

__attribute__((noreturn)) static void
unknown(const char *arg)
{
	const char *names[NAMES], *near;
	char a[64];
	size_t n = 0, len = strcspn(arg, "=");

	EACH_OPT(o)
	if (o->name && n < NAMES - 1)
		names[n++] = o->name;
	names[n] = NULL;
	snprintf(a, sizeof a, "%.*s", len < 60 ? (int)len : 60, arg);
	near = strncmp(a, "--", 2) == 0 ? qe_nearest(a + 2, names) : NULL;
	if (near)
		bad_usage("unknown option '%s', did you mean '--%s'?", a, near);
	bad_usage("unknown option '%s' (see %s -h)", a, cli.cmd->name);
}

/* - setting - */

/* How the user could have written it. */
static const char *
spelling(const Opt *o)
{
	static char s[80];

	if (o->name)
		snprintf(s, sizeof s, "--%s", o->name);
	else
		snprintf(s, sizeof s, "-%c", o->letter);
	return s;
}

static void
set_int(const Opt *o, const char *value)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(value, &end, 10);
	if (errno || end == value || *end)
		bad_usage("%s: '%s' is not a whole number", spelling(o), value);
	if (o->lo < o->hi && ((double)v < o->lo || (double)v > o->hi))
		bad_usage("%s: %lld is not in %.0f to %.0f", spelling(o), v,
		          o->lo, o->hi);
	*(int64_t *)o->to = v;
}

static void
set_float(const Opt *o, const char *value)
{
	char *end;
	double v = strtod(value, &end);

	if (end == value || *end || !isfinite(v))
		bad_usage("%s: '%s' is not a number", spelling(o), value);
	if (o->lo < o->hi && (v < o->lo || v > o->hi))
		bad_usage("%s: %g is not in %g to %g", spelling(o), v, o->lo,
		          o->hi);
	*(double *)o->to = v;
}

static void
set_enum(const Opt *o, const char *value)
{
	size_t n = strlen(value), len;

	for (const char *p = o->arg; *p; p += len + (p[len] == '|')) {
		len = strcspn(p, "|");
		if (n == len && strncmp(p, value, n) == 0) {
			*(const char **)o->to = value;
			return;
		}
	}
	bad_usage("%s: '%s' is not one of %s", spelling(o), value, o->arg);
}

static void
add_word(const Opt *o, const char *value)
{
	const char ***list = o->to;
	size_t n = 0;

	if (!*list)
		*list = words(cli.argc);
	while ((*list)[n])
		n++;
	(*list)[n] = value;
}

static void
set_true(const Opt *o, const char *value)
{
	(void)value;
	*(bool *)o->to = true;
}

static void
set_false(const Opt *o, const char *value)
{
	(void)value;
	*(bool *)o->to = false;
}

static void
set_alone(const Opt *o, const char *value)
{
	set_true(o, value);
	cli.alone = true;
}

static void
set_more(const Opt *o, const char *value)
{
	(void)value;
	++*(int *)o->to;
}

static void
set_text(const Opt *o, const char *value)
{
	*(const char **)o->to = value ? value : o->arg;
}

static void
set_path(const Opt *o, const char *value)
{
	if (!*value)
		bad_usage("%s needs %s", spelling(o), o->arg);
	set_text(o, value);
}

static void
set_table(const Opt *o, const char *value)
{
	(void)value;
	cli.table = (enum qe_table)o->lo;
}

/* What a kind of option stores, and whether that can be shown. */
static const struct Kind {
	OptFn *set;
	bool value;
	enum { HIDDEN, STRING, INTEGER, REAL } shown;
} kinds[] = {
	[FLAG] = {set_true, false, HIDDEN},
	[OFF] = {set_false, false, HIDDEN},
	[COUNT] = {set_more, false, HIDDEN},
	[TEXT] = {set_text, true, STRING},
	[WORD] = {set_text, false, HIDDEN},
	[ENUM] = {set_enum, true, STRING},
	[LIST] = {add_word, true, HIDDEN},
	[INT] = {set_int, true, INTEGER},
	[FLOAT] = {set_float, true, REAL},
	[INPUT] = {set_path, true, STRING},
	[OUTPUT] = {set_path, true, STRING},
	[BINARY] = {set_path, true, STRING},
	[ALONE] = {set_alone, false, HIDDEN},
	[TABLE] = {set_table, false, HIDDEN},
};

/* - walking the command line - */

static char **
walk_long(char **arg, OptFn *fn)
{
	const char *a = *arg + 2;
	size_t n = strcspn(a, "=");
	const Opt *o = find_long(a, n);

	if (!o)
		unknown(*arg);
	if (!kinds[o->kind].value) {
		if (a[n])
			bad_usage("--%s takes no value", o->name);
		fn(o, NULL);
	} else if (a[n]) {
		fn(o, a + n + 1);
	} else if (arg[1]) {
		fn(o, *++arg);
	} else {
		bad_usage("--%s needs %s", o->name, o->arg);
	}
	return arg;
}

static char **
walk_short(char **arg, OptFn *fn)
{
	for (const char *p = *arg + 1; *p; p++) {
		const Opt *o = find_short(*p);

		if (!o)
			unknown(*arg);
		if (!kinds[o->kind].value) {
			fn(o, NULL);
			continue;
		}
		if (!p[1] && !arg[1])
			bad_usage("-%c needs %s", *p, o->arg);
		fn(o, p[1] ? p + 1 : *++arg);
		break;
	}
	return arg;
}

static const Cmd *
find_command(const char *name)
{
	const char *names[NAMES], *near;
	size_t n = 0;

	for (const Cmd *c = cli.cmd->command; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
		if (n < NAMES - 1)
			names[n++] = c->name;
	}
	names[n] = NULL;
	near = qe_nearest(name, names);
	if (near)
		bad_usage("unknown command '%s', did you mean '%s'?", name,
		          near);
	bad_usage("unknown command '%s' (see %s -h)", name, cli.cmd->name);
}

static void
take_operand(const char *arg)
{
	if (cli.cmd->command && !cli.sub)
		cli.sub = find_command(arg);
	else
		cli.operand[cli.noperand++] = arg;
}

static void
walk(char **argv, OptFn *fn)
{
	char **arg = argv + 1;

	cli.noperand = 0;
	cli.sub = NULL;
	for (; *arg && strcmp(*arg, "--") != 0; arg++) {
		if ((*arg)[0] != '-' || !(*arg)[1])
			take_operand(*arg);
		else if ((*arg)[1] == '-')
			arg = walk_long(arg, fn);
		else
			arg = walk_short(arg, fn);
	}
	cli.rest = *arg ? arg + 1 : arg;
	if (!(cli.sub ? cli.sub : cli.cmd)->rest)
		while (*cli.rest)
			take_operand(*cli.rest++);
}

static void
look(const Opt *o, const char *value)
{
	(void)value;
	if (o->to == &cli.help || o->to == &cli.version)
		*(bool *)o->to = true;
}

static void
set(const Opt *o, const char *value)
{
	kinds[o->kind].set(o, value);
}

/* - help - */

/* The value that is there before parsing, as " [value]", or "". */
static void
default_value(const Opt *o, char *s, size_t size)
{
	double v = kinds[o->kind].shown == INTEGER ? (double)*(int64_t *)o->to
	           : kinds[o->kind].shown == REAL  ? *(double *)o->to
	                                           : 0;

	*s = '\0';
	if (kinds[o->kind].shown == HIDDEN)
		return;
	if (kinds[o->kind].shown != STRING) {
		if (o->lo >= o->hi || (v >= o->lo && v <= o->hi))
			snprintf(s, size, " [%.10g]", v);
	} else if (*(const char **)o->to) {
		snprintf(s, size, " [%s]", *(const char **)o->to);
	}
}

/* Prints text from column `at` on, broken at blanks. */
static void
wrap(FILE *f, const char *text, int at)
{
	int x = at, len;

	for (const char *p = text; *p; p += len + (p[len] == ' ')) {
		len = (int)strcspn(p, " ");
		if (x > at && x + 1 + len > WIDTH) {
			fprintf(f, "\n%*s", at, "");
			x = at;
		}
		x += fprintf(f, "%s%.*s", x > at ? " " : "", len, p);
	}
	putc('\n', f);
}

static void
print_opt(FILE *f, const Opt *o)
{
	char left[80], text[1024], value[128];
	const char *arg = kinds[o->kind].value ? o->arg : NULL;
	size_t n;

	snprintf(left, sizeof left, "  %c%c%s%s%s%s%s", o->letter ? '-' : ' ',
	         o->letter ? o->letter : ' ',
	         !o->name    ? ""
	         : o->letter ? ", "
	                     : "  ",
	         o->name ? "--" : "", o->name ? o->name : "", arg ? " " : "",
	         arg ? arg : "");
	fprintf(f, "%-*s", COLUMN, left);
	if (strlen(left) >= COLUMN)
		fprintf(f, "\n%*s", COLUMN, "");
	default_value(o, value, sizeof value);
	n = (size_t)snprintf(text, sizeof text, "%s%s", o->help, value);
	for (const char *p = o->also; p && *p && n < sizeof text;) {
		int len = (int)strcspn(p, " ");

		n += (size_t)snprintf(text + n, sizeof text - n, "%s --%.*s",
		                      p == o->also ? "; also" : ",", len, p);
		p += len + (p[len] == ' ');
	}
	wrap(f, text, COLUMN);
}

/* The program's name, with that of the command. */
static void
usage_line(FILE *f)
{
	const Cmd *c = cli.sub ? cli.sub : cli.cmd;

	fprintf(f, "usage: %s", cli.cmd->name);
	if (cli.sub)
		fprintf(f, " %s", cli.sub->name);
	if (cli.cmd->command && !cli.sub)
		fputs(" COMMAND", f);
	fprintf(f, " [options]%s%s\n", c->operands ? " " : "",
	        c->operands ? c->operands : "");
}

static void
help(FILE *f)
{
	usage_line(f);
	wrap(f, (cli.sub ? cli.sub : cli.cmd)->about, 0);
	if (cli.cmd->command && !cli.sub) {
		fputs("\nCommands:\n", f);
		for (const Cmd *c = cli.cmd->command; c->name; c++) {
			fprintf(f, "  %-*s", COLUMN - 2, c->name);
			wrap(f, c->about, COLUMN);
		}
	}
	EACH_OPT(o)
	if (o->kind == GROUP)
		fprintf(f, "\n%s:\n", o->help);
	else
		print_opt(f, o);
}

/* Closes stdout, where a disk admits that it is full. */
static int
close_stdout(int status)
{
	bool bad = ferror(stdout) != 0;
	char why[128];

	if ((fclose(stdout) != 0 || bad) && status == QE_OK) {
		snprintf(why, sizeof why, "stdout: %s", strerror(errno));
		tell(why);
		status = QE_IO;
	}
	return status;
}

__attribute__((noreturn)) static void
print_and_exit(void)
{
	if (cli.help)
		help(stdout);
	else
		printf("%s (qeff) %s\n", cli.cmd->name, QEFF_VERSION);
	exit(close_stdout(QE_OK));
}

/* - the run - */

const char *
cli_stdin(void)
{
	if (!isatty(STDIN_FILENO))
		return "-";
	usage_line(stderr);
	fprintf(stderr,
	        "%s reads standard input, which is a terminal here "
	        "(see %s -h)\n",
	        cli.cmd->name, cli.cmd->name);
	exit(QE_USAGE);
}

void
cli_binary(const char *path)
{
	if (strcmp(path, "-") == 0 && isatty(STDOUT_FILENO))
		bad_usage("stdout is a terminal, the output is binary "
		          "(use -o FILE or a pipe)");
}

/* Neither wait for a person to type a model, nor show him one. */
static void
check_terminals(void)
{
	if (cli.alone)
		return;
	EACH_OPT(o)
	{
		const char *path = NULL;

		if (o->kind == INPUT || o->kind == BINARY)
			path = *(const char **)o->to;
		if (!path || strcmp(path, "-") != 0)
			continue;
		if (o->kind == INPUT)
			cli_stdin();
		else
			cli_binary(path);
	}
}

static void
set_operands(void)
{
	const Cmd *c = cli.sub ? cli.sub : cli.cmd;

	if (cli.cmd->command && !cli.sub)
		bad_usage("which command? (see %s -h)", cli.cmd->name);
	if (cli.cmd->chosen)
		*cli.cmd->chosen = cli.sub;
	if (c->rest)
		*c->rest = (const char *const *)cli.rest;
	if (c->operands_to) {
		*c->operands_to = cli.operand;
		return;
	}
	if (cli.noperand > (c->operand ? 1 : 0))
		bad_usage("what is '%s' for? (see %s -h)",
		          cli.operand[c->operand ? 1 : 0], cli.cmd->name);
	if (cli.noperand)
		*c->operand = cli.operand[0];
	if (c->operand && (!*c->operand || !**c->operand))
		bad_usage("needs %s (see %s -h)", c->operands, cli.cmd->name);
}

static void
on_signal(int sig)
{
	caught = sig;
	qe_interrupt(cli.ctx);
}

/* The first ^C asks, the second one kills.  A shell starts background jobs
 * deaf to it, which they stay. */
static void
catch_signals(void)
{
	struct sigaction old,
		sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* A reader that has seen enough ends us quietly, whatever our
	 * parent ignored. */
	signal(SIGPIPE, SIG_DFL);
}

/* A closed standard stream must not become the first file we open. */
static void
hold_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			exit(QE_IO);
}

/* Beside the program, installed or in its source tree; else where make
 * install put it. */
static void
find_share(void)
{
	static const char *const from_program[] = {"../share/qeff",
	                                           "../../share",
	                                           "../../../share"};
	char exe[2048], arch[sizeof cli.share + 8], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	for (int i = 0; slash && i < 3; i++) {
		snprintf(cli.share, sizeof cli.share, "%.*s/%s",
		         (int)(slash - exe), exe, from_program[i]);
		snprintf(arch, sizeof arch, "%s/arch", cli.share);
		if (access(arch, X_OK) == 0)
			return;
	}
	snprintf(cli.share, sizeof cli.share, "%s", QEFF_SHARE);
}

static void
set_up(const Cmd *cmd, char **argv)
{
	cli.cmd = cmd;
	qe_nomem = out_of_memory;
	while (argv[cli.argc])
		cli.argc++;
	cli.operand = words(cli.argc);
}

qe_ctx *
cli_open(const Cmd *cmd, char **argv)
{
	hold_streams();
	set_up(cmd, argv);
	walk(argv, look);
	if (cli.help || cli.version)
		print_and_exit();
	walk(argv, set);
	cli.ctx = qe_open(cmd->name);
	qe_set_log(cli.ctx, log_line, NULL, cli.verbose - cli.quiet);
	if (isatty(STDERR_FILENO) && !cli.quiet)
		qe_set_progress(cli.ctx, draw_progress, NULL);
	find_share();
	qe_set_share(cli.ctx, cli.share);
	if (cli.table) {
		qe_list(cli.ctx, cli.table, stdout);
		exit(cli_close(cli.ctx));
	}
	set_operands();
	check_terminals();
	catch_signals();
	return cli.ctx;
}

int
cli_close(qe_ctx *c)
{
	int status = qe_status(c);

	if (status == QE_INTERRUPTED)
		status = 128 + (caught ? (int)caught : SIGINT);
	else if (status != QE_OK && *qe_message(c))
		tell(qe_message(c));
	if (cli.drawn)
		fputs("\r\033[K", stderr);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	cli.ctx = NULL;
	qe_close(c);
	return close_stdout(status);
}
