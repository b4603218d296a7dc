// SPDX-License-Identifier: GPL-2.0
/* The machine that checks, see sim.h. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"

_Thread_local void (*sim_hook)(enum sim_point point);

bool sim_complaints_counted;
unsigned int sim_complaints;
unsigned int sim_warnings;
unsigned long sim_jiffies;
enum sim_hash sim_hash;

/* In the kernel this is in stats.c. */
DEFINE_PER_CPU(struct pvfault_counters, pvfault_counters);
DEFINE_PER_CPU(struct pvfault_waits, pvfault_waits);

unsigned long pvfault_count(enum pvfault_event event)
{
	return READ_ONCE(pvfault_counters.n[event]);
}

void sim_complain(const char *what)
{
	__atomic_fetch_add(&sim_complaints, 1, SIM_RELAXED);
	if (sim_complaints_counted)
		return;
	fprintf(stderr, "sim: rule broken: %s\n", what);
	abort();
}

void sim_warn(const char *fmt, ...)
{
	__atomic_fetch_add(&sim_warnings, 1, SIM_RELAXED);
	(void)fmt;
}

void sim_advance(unsigned long ticks)
{
	__atomic_fetch_add(&sim_jiffies, ticks, SIM_RELAXED);
}

/* CPUs */

unsigned int sim_nr_cpus = 4;
_Thread_local unsigned int sim_cpu;
_Thread_local bool sim_irqs_off;
_Thread_local unsigned int sim_locks_held;

static pthread_mutex_t sim_cpus[SIM_MAX_CPUS] = {
	[0 ... SIM_MAX_CPUS - 1] = PTHREAD_MUTEX_INITIALIZER
};

void sim_irq_disable(void)
{
	sim_assert(!sim_irqs_off && sim_cpu < sim_nr_cpus);
	pthread_mutex_lock(&sim_cpus[sim_cpu]);
	sim_irqs_off = true;
}

void sim_irq_enable(void)
{
	sim_assert(sim_irqs_off && !sim_locks_held);
	sim_irqs_off = false;
	pthread_mutex_unlock(&sim_cpus[sim_cpu]);
}

/* Returns when each CPU has had interrupts on, so that no CPU still uses a task. */
void sim_synchronize_rcu(void)
{
	unsigned int i;

	sim_assert(!sim_irqs_off);
	for (i = 0; i < sim_nr_cpus; i++) {
		pthread_mutex_lock(&sim_cpus[i]);
		pthread_mutex_unlock(&sim_cpus[i]);
	}
}

/* Raw spinlocks */

unsigned int sim_lock_waiters;

void raw_spin_lock_init(raw_spinlock_t *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
	lock->magic = SIM_LOCK_MAGIC;
	sim_point(SIM_LOCK_INIT);
}

void raw_spin_lock(raw_spinlock_t *lock)
{
	sim_assert(lock->magic == SIM_LOCK_MAGIC);
	sim_assert(sim_irqs_off);
	/* The table never takes a second one inside, so they need no order. */
	sim_assert(!sim_locks_held);
	sim_point(SIM_LOCK);
	if (pthread_mutex_trylock(&lock->mutex)) {
		__atomic_fetch_add(&sim_lock_waiters, 1, SIM_RELAXED);
		pthread_mutex_lock(&lock->mutex);
		__atomic_fetch_sub(&sim_lock_waiters, 1, SIM_RELAXED);
	}
	sim_locks_held++;
}

void raw_spin_unlock(raw_spinlock_t *lock)
{
	sim_assert(sim_irqs_off);
	sim_locks_held--;
	pthread_mutex_unlock(&lock->mutex);
	sim_point(SIM_UNLOCK);
}

/* Tasks */

_Thread_local struct task_struct *sim_current;
_Thread_local unsigned long sim_wakes, sim_countdowns;

struct task_struct *sim_task_new(const char *comm)
{
	static int last_pid;
	struct task_struct *task = calloc(1, sizeof(*task));

	if (!task)
		abort();
	pthread_mutex_init(&task->lock, NULL);
	pthread_cond_init(&task->wake, NULL);
	task->pid = __atomic_add_fetch(&last_pid, 1, SIM_RELAXED);
	snprintf(task->comm, sizeof(task->comm), "%s", comm);
	return task;
}

void sim_task_free(struct task_struct *task)
{
	pthread_cond_destroy(&task->wake);
	pthread_mutex_destroy(&task->lock);
	free(task);
}

void io_schedule(void)
{
	struct task_struct *task = current;

	might_sleep();
	pthread_mutex_lock(&task->lock);
	WRITE_ONCE(task->blocked, true);
	while (READ_ONCE(task->state) != TASK_RUNNING) {
		if ((READ_ONCE(task->state) & TASK_WAKEKILL) &&
		    fatal_signal_pending(task))
			__set_current_state(TASK_RUNNING);
		else
			pthread_cond_wait(&task->wake, &task->lock);
	}
	WRITE_ONCE(task->blocked, false);
	pthread_mutex_unlock(&task->lock);
}

/* Makes @task run, whatever it sleeps for. */
void sim_wake(struct task_struct *task)
{
	smp_mb();
	pthread_mutex_lock(&task->lock);
	if (READ_ONCE(task->state) != TASK_RUNNING) {
		WRITE_ONCE(task->state, TASK_RUNNING);
		pthread_cond_signal(&task->wake);
	}
	pthread_mutex_unlock(&task->lock);
}

bool wake_up_process(struct task_struct *task)
{
	/* Else nothing keeps the task alive: see the grace period. */
	sim_assert(sim_irqs_off);
	sim_wakes++;
	sim_wake(task);
	sim_point(SIM_WOKE);
	return true;
}

void sim_kill(struct task_struct *task)
{
	__atomic_store_n(&task->fatal, true, SIM_RELAXED);
	sim_wake(task);
}

bool sim_blocked(struct task_struct *task)
{
	return __atomic_load_n(&task->blocked, SIM_RELAXED);
}

/* Memory */

unsigned int sim_fail_alloc;
unsigned int sim_allocs;

void *sim_alloc(size_t n, size_t size)
{
	void *p;

	if (sim_fail_alloc && !--sim_fail_alloc)
		return NULL;
	p = calloc(n, size);
	if (p)
		sim_allocs++;
	return p;
}

void sim_free(void *p)
{
	if (p)
		sim_allocs--;
	free(p);
}

/* A file of which only the length is known. */

void seq_puts(struct seq_file *m, const char *s)
{
	for (; *s; s++)
		m->lines += *s == '\n';
}

void seq_printf(struct seq_file *m, const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	seq_puts(m, line);
}
