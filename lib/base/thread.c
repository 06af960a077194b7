/* SPDX-License-Identifier: BSD-3-Clause
 * thread.c - a fixed pool: one job at a time, cut into one range a thread.
 *
 * Workers watch a generation counter: they spin briefly, because the next
 * job of a step follows within microseconds, then sleep.  The caller is
 * thread 0 and waits the same way.  Ranges are fixed by the count, the grain
 * and the number of threads, so results cannot depend on timing. */

#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"

enum { MAXTHREAD = 256, SPIN = 1000 };

typedef struct Worker {
	Pool *pool;
	int id;
	pthread_t thread;
} Worker;

struct Pool {
	int n, started;
	PoolFn *fn;
	void *arg;
	int64_t count, grain;
	char apart[64];        /* what workers watch has a cache line ... */
	_Atomic uint32_t gen;  /* odd steps of work; see worker() */
	char apart2[64];       /* ... and what they write another */
	_Atomic uint32_t left; /* workers still busy */
	_Atomic bool quit;
	Worker worker[MAXTHREAD];
};

static void
pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void
futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* Returns once *word != old. */
static uint32_t
wait_change(_Atomic uint32_t *word, uint32_t old)
{
	uint32_t now;

	for (int i = 0; i < SPIN; i++) {
		if ((now = atomic_load(word)) != old)
			return now;
		pause_cpu();
	}
	while ((now = atomic_load(word)) == old)
		futex(word, FUTEX_WAIT_PRIVATE, old);
	return now;
}

static int64_t
cut(const Pool *p, int i)
{
	int64_t units = (p->count + p->grain - 1) / p->grain;
	int64_t at = (units * i / p->n) * p->grain;

	return MIN(at, p->count);
}

static void
work(Pool *p, int id)
{
	int64_t begin = cut(p, id), end = cut(p, id + 1);

	if (begin < end)
		p->fn(p->arg, begin, end, id);
}

static void *
worker(void *arg)
{
	Worker *w = arg;
	Pool *p = w->pool;
	uint32_t gen = 0;

	for (;;) {
		gen = wait_change(&p->gen, gen);
		if (atomic_load(&p->quit))
			return NULL;
		work(p, w->id);
		if (atomic_fetch_sub(&p->left, 1) == 1)
			futex(&p->left, FUTEX_WAKE_PRIVATE, 1);
	}
}

static void
kick(Pool *p)
{
	atomic_fetch_add(&p->gen, 1);
	futex(&p->gen, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static void
pool_close(void *arg)
{
	Pool *p = arg;

	atomic_store(&p->quit, true);
	kick(p);
	for (int i = 1; i <= p->started; i++)
		pthread_join(p->worker[i].thread, NULL);
}

/* Physical cores among those this process may use: a core counts at its
 * first sibling. */
static int
cores(void)
{
	char path[96];
	cpu_set_t set;
	int n = 0, first;
	FILE *f;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		snprintf(
			path, sizeof path,
			"/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
			i);
		first = i;
		if ((f = fopen(path, "r"))) {
			if (fscanf(f, "%d", &first) != 1)
				first = i;
			fclose(f);
		}
		n += first == i || !CPU_ISSET(first, &set);
	}
	return MAX(n, 1);
}

Pool *
pool_open(Arena *a, int threads)
{
	Pool *p = NEW(a, Pool);
	sigset_t all, old;

	p->n = threads > 0 ? MIN(threads, MAXTHREAD) : cores();
	p->n = MIN(p->n, MAXTHREAD);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the caller */
	for (int i = 1; i < p->n; i++) {
		p->worker[i] = (Worker){.pool = p, .id = i};
		if (pthread_create(&p->worker[i].thread, NULL, worker,
		                   &p->worker[i]) != 0)
			break;
		p->started = i;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	p->n = p->started + 1;
	arena_defer(a, pool_close, p);
	return p;
}

int
pool_threads(const Pool *p)
{
	return p->n;
}

void
pool_run(Pool *p, PoolFn *fn, void *arg, int64_t count, int64_t grain)
{
	uint32_t left;

	if (p->n == 1 || count <= grain) {
		if (count > 0)
			fn(arg, 0, count, 0);
		return;
	}
	p->fn = fn;
	p->arg = arg;
	p->count = count;
	p->grain = grain;
	atomic_store(&p->left, (uint32_t)p->n - 1);
	kick(p);
	work(p, 0);
	while ((left = atomic_load(&p->left)))
		wait_change(&p->left, left);
}
