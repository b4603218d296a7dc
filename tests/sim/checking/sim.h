/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine that is simulated in userspace, just enough of one to run the
 * token table on it, and that checks the rules. Headers that are the same on
 * any machine are in ../include; ../measuring is one that checks nothing.
 *
 *	CPU		a mutex. A thread that disables interrupts owns it until
 *			it enables them again, so nothing else runs "on" that
 *			CPU meanwhile
 *	task		a thread with a state, a condition to sleep on, and a
 *			flag for a fatal signal
 *	raw spinlock	a mutex that complains when it is taken with interrupts
 *			on, uninitialised, or inside another one
 *	grace period	over when every CPU has had interrupts on
 *
 * Everything is made of pthread and __atomic operations, so that the
 * sanitizers understand it.
 */
#ifndef PVFAULT_SIM_H
#define PVFAULT_SIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MAX_CPUS	16
#define SIM_RELAXED	__ATOMIC_RELAXED

/* Places where a test can make a thread stop or do something else. */
enum sim_point {
	SIM_LOCK,		/* about to take a raw spinlock */
	SIM_UNLOCK,		/* has just let go of one */
	SIM_LOCK_INIT,		/* has just initialised one */
	SIM_STORED,		/* after smp_store_release(), WRITE_ONCE(), or a count down */
	SIM_GENERATION,		/* after the generation was read */
	SIM_WOKE,		/* at the end of wake_up_process() */
	SIM_ARM,		/* in pvfault_watch_arm() */
};

extern _Thread_local void (*sim_hook)(enum sim_point point);

static inline void sim_point(enum sim_point point)
{
	if (sim_hook)
		sim_hook(point);
}

/* A rule was broken: fatal, unless a test wants to count such complaints. */
void sim_complain(const char *what);
extern bool sim_complaints_counted;
extern unsigned int sim_complaints;

#define sim_assert(cond)						\
do {									\
	if (!(cond))							\
		sim_complain(#cond);					\
} while (0)

/* CPUs. A thread runs on sim_cpu from the next time it disables interrupts. */
extern unsigned int sim_nr_cpus;
extern _Thread_local unsigned int sim_cpu;
extern _Thread_local bool sim_irqs_off;
extern _Thread_local unsigned int sim_locks_held;

void sim_irq_disable(void);
void sim_irq_enable(void);
void sim_synchronize_rcu(void);

/* How many threads wait for a raw spinlock. */
extern unsigned int sim_lock_waiters;

/* Tasks */
struct task_struct;
struct task_struct *sim_task_new(const char *comm);
void sim_task_free(struct task_struct *task);
void sim_kill(struct task_struct *task);
void sim_wake(struct task_struct *task);
bool sim_blocked(struct task_struct *task);
/* wake_up_process() calls of this thread, and what it counted down for batches */
extern _Thread_local unsigned long sim_wakes, sim_countdowns;

static inline void sim_count_down(void)
{
	sim_countdowns++;
}

/* Time */
extern unsigned long sim_jiffies;
void sim_advance(unsigned long ticks);

/* Memory */
extern unsigned int sim_fail_alloc;	/* the n-th allocation from now fails */
extern unsigned int sim_allocs;		/* not freed yet */
void *sim_alloc(size_t n, size_t size);
void sim_free(void *p);

/* How tokens spread over the buckets. */
enum sim_hash {
	SIM_HASH_SPREAD,
	SIM_HASH_PLAIN,		/* the low bits */
	SIM_HASH_FEW,		/* four buckets */
	SIM_HASH_ONE,		/* one bucket */
};
extern enum sim_hash sim_hash;

/* The watch, see sim_watch.c */
extern unsigned long pvfault_deadline, sim_repair_age, sim_period;
extern unsigned int sim_budget, sim_armed, sim_kicked;
extern bool sim_probes;			/* overdue sleepers probe */
extern unsigned int sim_probes_cancelled;
extern void (*sim_repair)(int cpu);
void sim_watch_tick(void);

/* pr_warn*(), counted */
extern unsigned int sim_warnings;
void sim_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* PVFAULT_SIM_H */
