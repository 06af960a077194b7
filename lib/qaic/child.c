/* SPDX-License-Identifier: BSD-3-Clause
 * child.c - a compiler at work: its own process group, its output as it
 * comes, an end to it when the user or the clock says so.
 *
 * A signal from the terminal reaches us alone, because the group is not in
 * the foreground; we pass it on and wait until nobody of it is left.  Should
 * we be killed outright, the system ends the child. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qaic.h"

enum { TICK = 100, GRACE = 5000, MAXLINE = 4096, MAXTEXT = 1 << 20 };

typedef struct Run {
	Ctx *c;
	Arena *a;
	Child *k;
	pid_t pid;
	int fd;
	int64_t start;
	char line[MAXLINE];
	size_t n;
	char shown[64];
} Run;

/* In the child: async-signal-safe calls only.  fork and _exit, and not
 * posix_spawn, for prctl: nothing that posix_spawn can be told to do ends the
 * child with us, and a compiler left behind would hold the card and the disk.
 * _exit, because exit would flush what the parent has buffered a second time. */
__attribute__((noreturn)) static void
become(const char *const *arg, int out, int why)
{
	int in = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0)
		execv(arg[0], (char *const *)(uintptr_t)arg);
	in = errno;
	if (write(why, &in, sizeof in) < 0)
		_exit(126);
	_exit(127);
}

static bool
start(Run *r)
{
	int out[2] = {-1, -1}, why[2] = {-1, -1}, err = 0;
	ssize_t got = 0;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(why, O_CLOEXEC) < 0 ||
	    (r->pid = fork()) < 0) {
		fail_errno(r->c, r->k->arg[0]);
		close(out[0]);
		close(out[1]);
		return false;
	}
	if (r->pid == 0)
		become(r->k->arg, out[1], why[1]);
	setpgid(r->pid, r->pid); /* whoever comes first */
	close(out[1]);
	close(why[1]);
	r->fd = out[0];
	while ((got = read(why[0], &err, sizeof err)) < 0 && errno == EINTR)
		;
	close(why[0]);
	if (got <= 0)
		return true;
	close(r->fd);
	waitpid(r->pid, NULL, 0);
	errno = err;
	fail_errno(r->c, r->k->arg[0]);
	if (err == ENOENT || err == EACCES || err == ENOEXEC)
		r->c->status = QE_MISSING;
	return false;
}

/* What it said last and for how long it has been at it. */
static void
show(Run *r)
{
	int64_t s = (clock_ns() - r->start) / 1000000000;
	char text[160];

	snprintf(text, sizeof text, "%.20s %lld:%02lld  %.100s",
	         io_base(r->k->arg[0]), (long long)s / 60, (long long)s % 60,
	         r->shown);
	progress(r->c, text, 0, 0);
}

static void
end_line(Run *r)
{
	Child *k = r->k;

	r->line[r->n] = '\0';
	if (r->n) {
		snprintf(r->shown, sizeof r->shown, "%.63s", r->line);
		say(r->c, 1, "%s", r->line);
		if (k->ntail == TAIL)
			memmove(k->tail, k->tail + 1,
			        --k->ntail * sizeof *k->tail);
		k->tail[k->ntail++] = arena_dup(r->a, r->line);
	}
	r->n = 0;
}

/* A carriage return ends a line too: that is how bars are drawn. */
static bool
take(Run *r, const char *p, size_t n)
{
	if (r->k->log &&
	    (!out_write(r->c, r->k->log, p, n) || !out_flush(r->c, r->k->log)))
		return false;
	if (r->k->text && r->k->text->n < MAXTEXT)
		buf_add(r->k->text, p, n);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n' || p[i] == '\r' || r->n == MAXLINE - 1)
			end_line(r);
		if (p[i] != '\n' && p[i] != '\r')
			r->line[r->n++] = p[i];
	}
	return true;
}

/* Ends the group; those who do not listen are killed. */
static void
end_group(Run *r)
{
	kill(-r->pid, SIGTERM);
	for (int ms = 0; ms < GRACE; ms += TICK / 2) {
		if (waitpid(r->pid, NULL, WNOHANG) != 0)
			break;
		poll(NULL, 0, TICK / 2);
	}
	kill(-r->pid, SIGKILL);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Until its output ends, as it does with the last of the group. */
static bool
listen(Run *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	char buf[MAXLINE];
	ssize_t n;

	for (;;) {
		show(r);
		if (!go_on(r->c))
			return false;
		if (r->k->timeout &&
		    clock_ns() - r->start > r->k->timeout * 1000000000) {
			r->k->late = true;
			return false;
		}
		if (poll(&p, 1, TICK) <= 0)
			continue;
		n = read(r->fd, buf, sizeof buf);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		if (!take(r, buf, (size_t)n))
			return false;
	}
}

bool
child_run(Ctx *c, Arena *a, Child *k)
{
	Run r = {.c = c, .a = a, .k = k, .start = clock_ns()};
	int status = 0;
	bool whole;

	k->ntail = 0;
	k->late = false;
	if (!start(&r))
		return false;
	whole = listen(&r);
	end_line(&r);
	close(r.fd);
	progress(c, "", 1, 1);
	if (!whole) {
		end_group(&r);
		k->status = 128 + SIGTERM;
		return k->late && c->status == QE_OK;
	}
	while (waitpid(r.pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-r.pid, SIGKILL); /* whom it left behind */
	k->status = WIFEXITED(status) ? WEXITSTATUS(status)
	                              : 128 + WTERMSIG(status);
	return true;
}
