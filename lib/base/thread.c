/* SPDX-License-Identifier: BSD-3-Clause
 * thread.c - a fixed pool: one job at a time, cut into pieces.
 *
 * The cuts depend on the count, the grain and the number of threads alone.
 * Each thread has a run of neighbouring pieces, does those first and then
 * helps the others: when a core is taken away, its pieces are done by whoever
 * is there, and a job does not wait for a thread that never came.  So a
 * function must not care which thread does a piece.
 *
 * Workers watch a generation counter, odd while a job is open: they spin
 * briefly, because the next job of a step follows within microseconds, then
 * sleep.  The caller is thread 0; before it touches the job it closes the
 * generation and waits until nobody is inside. */

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

enum { MAXTHREAD = 256, SPIN = 500, PIECES = 4 };

/* A word that others wait for. */
typedef struct Signal {
	_Alignas(64) _Atomic uint32_t word, asleep;
} Signal;

typedef struct Worker {
	/* generation << 32 | pieces of this thread's run that are taken */
	_Alignas(64) _Atomic uint64_t taken;
	Pool *pool;
	int id;
	pthread_t thread;
} Worker;

struct Pool {
	int n, started;
	PoolFn *fn;
	void *arg;
	int64_t count, grain;
	Signal gen;    /* odd: a job is open */
	Signal inside; /* workers that may be at it */
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

/* Returns once the word is not old. */
static uint32_t
wait_change(Signal *s, uint32_t old)
{
	uint32_t now;

	for (int i = 0; i < SPIN; i++) {
		if ((now = atomic_load(&s->word)) != old)
			return now;
		pause_cpu();
	}
	atomic_fetch_add(&s->asleep, 1);
	while ((now = atomic_load(&s->word)) == old)
		syscall(SYS_futex, &s->word, FUTEX_WAIT_PRIVATE, old, NULL,
		        NULL, 0);
	atomic_fetch_sub(&s->asleep, 1);
	return now;
}

/* After the word changed. */
static void
wake(Signal *s)
{
	if (atomic_load(&s->asleep))
		syscall(SYS_futex, &s->word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL,
		        NULL, 0);
}

/* Where piece i of all begins. */
static int64_t
cut(const Pool *p, int i)
{
	int64_t units = (p->count + p->grain - 1) / p->grain;
	int64_t all = (int64_t)p->n * PIECES;
	int64_t at = (units / all * i + units % all * i / all) * p->grain;

	return MIN(at, p->count);
}

/* The next piece of a run in generation gen, or PIECES. */
static int
claim(Worker *w, uint32_t gen)
{
	uint64_t old = atomic_load(&w->taken), next;

	do {
		next = old >> 32 == gen ? old : (uint64_t)gen << 32;
		if ((uint32_t)next == PIECES)
			return PIECES;
	} while (!atomic_compare_exchange_weak(&w->taken, &old, next + 1));
	return (int)(uint32_t)next;
}

/* Pieces of thread id, then of those after it. */
static void
work(Pool *p, int id, uint32_t gen)
{
	int run, i;

	for (int k = 0; k < p->n; k++) {
		run = (id + k) % p->n;
		while ((i = claim(&p->worker[run], gen)) < PIECES) {
			int64_t begin = cut(p, run * PIECES + i);
			int64_t end = cut(p, run * PIECES + i + 1);

			if (begin < end)
				p->fn(p->arg, begin, end, id);
		}
	}
}

/* An odd generation is open for work, an even one is closed.  A worker counts
 * itself in before it looks again, so the caller, who closes and then waits
 * for nobody to be inside, cannot take the job away under it. */
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
		if (gen % 2 == 0)
			continue;
		atomic_fetch_add(&p->inside.word, 1);
		if (atomic_load(&p->gen.word) == gen) /* still open */
			work(p, w->id, gen);
		if (atomic_fetch_sub(&p->inside.word, 1) == 1)
			wake(&p->inside);
	}
}

/* Wakes all with a generation that is checked only after `quit`. */
static void
pool_close(void *arg)
{
	Pool *p = arg;

	atomic_store(&p->quit, true);
	atomic_fetch_add(&p->gen.word, 1);
	wake(&p->gen);
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
	/* room to begin at a cache line */
	uintptr_t at = (uintptr_t)arena_alloc(a, sizeof(Pool) + 63);
	Pool *p = (Pool *)((at + 63) & ~(uintptr_t)63);
	sigset_t all, old;

	p->n = threads > 0 ? MIN(threads, MAXTHREAD) : cores();
	p->n = MIN(p->n, MAXTHREAD);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the caller */
	for (int i = 1; i < p->n; i++) {
		p->worker[i].pool = p;
		p->worker[i].id = i;
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

/* One piece is not worth waking anybody for. */
void
pool_run(Pool *p, PoolFn *fn, void *arg, int64_t count, int64_t grain)
{
	uint32_t gen, in;

	if (p->n == 1 || count <= grain) {
		if (count > 0)
			fn(arg, 0, count, 0);
		return;
	}
	p->fn = fn;
	p->arg = arg;
	p->count = count;
	p->grain = grain;
	gen = atomic_fetch_add(&p->gen.word, 1) + 1;
	wake(&p->gen);
	work(p, 0, gen);
	atomic_fetch_add(&p->gen.word, 1); /* closed */
	while ((in = atomic_load(&p->inside.word)))
		wait_change(&p->inside, in);
}
